"""A replay as one JSON object: what was heard, concluded and sent, and how late.

It says nothing about how long the machine took, so the same replay gives the same bytes.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct

from detect.detections import Pick
from detect.events import Earthquake
from dispatch.messages import Message
from replay.score import histories
from replay.session import Outcome

__all__ = ["EventLatency", "PickLatency", "Report", "SentMessage", "encode", "report"]


class PickLatency(Struct, frozen=True, kw_only=True):
    """Seconds from the onset to the moment when the pick was known, over all picks."""

    median_s: float
    p95_s: float
    largest_s: float


class EventLatency(Struct, frozen=True, kw_only=True):
    """Seconds from the first P onset of an event to what was said of it; None if never."""

    event_id: str
    published_s: float
    confirmed_s: float | None
    alert_s: float | None


class SentMessage(Struct, frozen=True, kw_only=True):
    """A CAP message as read back, and when it was known (us since 1970 UTC)."""

    known_us: int
    message: Message


class HeardPick(Struct, frozen=True, kw_only=True):
    """A pick, and when it was known (us since 1970 UTC)."""

    known_us: int
    pick: Pick


class Report(Struct, frozen=True, kw_only=True):
    """The contract of the file that ``alatau replay --json`` writes.

    Attributes
    ----------
    folder, data_s, station_hours
        Which recording, for how long any station has data, and that summed over stations.
    events
        Every revision of every event, as it became known.
    picks, alerts
        As they became known.
    rejects
        How often each reason was met.
    pick_latency
        None without picks.
    event_latencies
        In the order of the events.
    """

    version: int = 1
    folder: str
    data_s: float
    station_hours: float
    events: tuple[Earthquake, ...]
    picks: tuple[HeardPick, ...]
    alerts: tuple[SentMessage, ...]
    rejects: dict[str, int]
    pick_latency: PickLatency | None
    event_latencies: tuple[EventLatency, ...]


def report(outcome: Outcome) -> Report:
    """Sum up an outcome."""
    return Report(
        folder=outcome.folder,
        data_s=outcome.data_s,
        station_hours=outcome.station_hours,
        events=outcome.events,
        picks=tuple(HeardPick(known_us=h.known_ms * 1000, pick=h.pick) for h in outcome.picks),
        alerts=tuple(
            SentMessage(known_us=a.known_ms * 1000, message=a.message) for a in outcome.alerts
        ),
        rejects=dict(sorted(Counter(r.reason for r in outcome.rejects).items())),
        pick_latency=_pick_latency(outcome),
        event_latencies=tuple(
            _event_latency(revisions, outcome) for revisions in histories(outcome.events).values()
        ),
    )


def encode(reports: Sequence[Report]) -> bytes:
    """JSON array, one object for each folder, indented."""
    return msgspec.json.format(msgspec.json.encode(reports), indent=1) + b"\n"


def _pick_latency(outcome: Outcome) -> PickLatency | None:
    late = [h.known_ms / 1e3 - h.pick.time_us / 1e6 for h in outcome.picks]
    if not late:
        return None
    median, p95 = np.percentile(late, [50, 95])
    return PickLatency(
        median_s=round(float(median), 3),
        p95_s=round(float(p95), 3),
        largest_s=round(max(late), 3),
    )


def _event_latency(revisions: Sequence[Earthquake], outcome: Outcome) -> EventLatency:
    event_id = revisions[0].id
    zero = min(
        (a.time_us for e in revisions for a in e.arrivals if a.phase == "P"),
        default=revisions[0].updated_us,
    )
    confirmed = next((e.updated_us for e in revisions if e.status == "confirmed"), None)
    alert = next((a for a in outcome.alerts if a.message.event_id == event_id), None)
    return EventLatency(
        event_id=event_id,
        published_s=(revisions[0].updated_us - zero) / 1e6,
        confirmed_s=None if confirmed is None else (confirmed - zero) / 1e6,
        alert_s=None if alert is None else (alert.known_ms * 1000 - zero) / 1e6,
    )
