"""Plays a recording through the pipeline and collects all that was said.

The recording's packets are appended to `waveforms` in order of arrival, on a log in the
process, and every stage runs until nothing is left to do. Only the pacing and the measured
duration know the wall clock; nothing that is decided does.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from detect import detections, events
from detect.detections import Pick
from detect.events import Earthquake
from detect.hazard_events import HazardEvent
from dispatch.cap import parse
from dispatch.ledger import bound
from dispatch.messages import Message
from dispatch.parcels import Parcel, is_hazard, parcel
from ingest.sources.archive import Packet, Recording
from stream import rejects
from stream.log import Log
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.reader import Reader
from stream.records import Output, Record
from stream.rejects import Reject
from stream.runner import StageRunner
from stream.topics import ALERTS, DETECTIONS, EVENTS, FACTS, REJECTS, WAVEFORMS, Topic

__all__ = [
    "Alert",
    "HazardAlert",
    "Heard",
    "Outcome",
    "Places",
    "collect",
    "data_seconds",
    "output",
    "places",
    "replay",
    "slices",
    "station_hours",
]

SLICE_PACKETS = 500  # at full speed: large enough for the kernels, small enough for progress
SLICE_S = 0.1  # when paced: wall seconds between two looks at the clock


Places = Mapping[tuple[str, int], int]
"""An offset for each topic and partition."""


class Heard(Struct, frozen=True):
    """A pick and when it was known (ms since 1970 UTC)."""

    pick: Pick
    known_ms: int


class Alert(Struct, frozen=True):
    """A CAP message as sent, as read back, and when (ms since 1970 UTC)."""

    message: Message
    value: bytes
    known_ms: int


class HazardAlert(Struct, frozen=True):
    """A CAP message about another hazard as sent, what channels know of it, and when (ms)."""

    parcel: Parcel
    known_ms: int


class Outcome(Struct, frozen=True, kw_only=True):
    """All that a replay said.

    Attributes
    ----------
    folder
        Name of the recording.
    picks, events, alerts, rejects
        In the order of the log. Each event stands there once for each revision. What the
        archive source could not read comes first among the rejects.
    wall_s, data_s
        How long the replay took, and the time in which any station has data: pauses in which
        none has, as between the parts of a collection, do not count.
    station_hours
        Length of the data, summed over stations.
    hazards, hazard_alerts
        Revisions of events of other hazards, and the messages about them.
    ledger
        Entries of the ledger of all that was decided and said; none where the log is not the
        replay's own.
    """

    folder: str
    picks: tuple[Heard, ...]
    events: tuple[Earthquake, ...]
    alerts: tuple[Alert, ...]
    rejects: tuple[Reject, ...]
    wall_s: float
    data_s: float
    station_hours: float
    hazards: tuple[HazardEvent, ...] = ()
    hazard_alerts: tuple[HazardAlert, ...] = ()
    ledger: tuple[bytes, ...] = ()


async def replay(
    recording: Recording,
    stages: Sequence[Stage],
    *,
    speed: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    partitions: Mapping[str, int] | None = None,
) -> Outcome:
    """Play a recording through the stages.

    Parameters
    ----------
    recording
        What is played.
    stages
        The pipeline, each stage after those that it reads from.
    speed
        Times real time; None is as fast as the machine can.
    progress
        Called with the packets played and their total.
    partitions
        Of each topic; 1 where not given.

    Returns
    -------
    Outcome
        The same at every speed, but for `wall_s`.
    """
    began = time.perf_counter()
    log = MemoryLog(partitions)
    runners = [StageRunner(log, stage) for stage in stages]
    for runner in runners:
        await runner.start()
    packets = recording.packets
    played = 0
    for part in slices(packets, speed):
        if speed is not None:
            data_s = (part[-1].arrival_ms - packets[0].arrival_ms) / 1000
            await asyncio.sleep(began + data_s / speed - time.perf_counter())
        await log.append([output(p, played + i) for i, p in enumerate(part)])
        played += len(part)
        while any([await runner.step() for runner in runners]):
            pass
        if progress is not None:
            progress(played, len(packets))
    return await collect(recording, log, time.perf_counter() - began)


def slices(packets: Sequence[Packet], speed: float | None) -> Iterator[Sequence[Packet]]:
    """Cut the packets into what is appended at once."""
    if speed is None:
        for i in range(0, len(packets), SLICE_PACKETS):
            yield packets[i : i + SLICE_PACKETS]
        return
    span_ms = SLICE_S * speed * 1000
    begin = 0
    for i, packet in enumerate(packets):
        if packet.arrival_ms - packets[begin].arrival_ms > span_ms:
            yield packets[begin:i]
            begin = i
    yield packets[begin:]


def output(packet: Packet, number: int) -> Output:
    """Make the value of `waveforms` that a packet is."""
    key = packet.station.encode()
    return Output(WAVEFORMS.name, key, packet.value, number, packet.arrival_ms)


async def collect(
    recording: Recording, log: Log, wall_s: float, since: Places | None = None
) -> Outcome:
    """Read back what the stages wrote.

    Parameters
    ----------
    recording
        What was played.
    log
        Where.
    wall_s
        How long it took.
    since
        Where each topic was read from; from its begin where not given.
    """
    picks = []
    for record in await _all(log, DETECTIONS, since):
        detection = detections.decode(record.value)
        if isinstance(detection, Pick):
            picks.append(Heard(detection, record.timestamp))
    unread = [Reject(source=u.source, reason=u.reason, detail=u.detail) for u in recording.unread]
    refused = [rejects.decode(record.value) for record in await _all(log, REJECTS, since)]
    sent = await _all(log, ALERTS, since)
    told = 0 if since is not None else await log.end(FACTS.name, 0)
    facts = await log.read(FACTS.name, 0, 0, told) if told else []
    revisions = [events.decode(record.value) for record in await _all(log, EVENTS, since)]
    return Outcome(
        folder=recording.folder,
        picks=tuple(picks),
        events=tuple(e for e in revisions if isinstance(e, Earthquake)),
        alerts=tuple(Alert(parse(r.value), r.value, r.timestamp) for r in sent if not is_hazard(r)),
        rejects=(*unread, *refused),
        wall_s=wall_s,
        data_s=data_seconds(recording),
        station_hours=station_hours(recording),
        hazards=tuple(e for e in revisions if isinstance(e, HazardEvent)),
        hazard_alerts=tuple(HazardAlert(parcel(r), r.timestamp) for r in sent if is_hazard(r)),
        ledger=tuple(bound(facts)),
    )


async def places(log: Log) -> Places:
    """Return where each topic of results ends now."""
    return {
        (topic.name, partition): await log.end(topic.name, partition)
        for topic in (DETECTIONS, EVENTS, ALERTS, REJECTS)
        for partition in range(log.partitions(topic.name))
    }


async def _all(log: Log, topic: Topic, since: Places | None) -> list[Record]:
    """Every record of a topic, repeats left out, by arrival and then by place in the log."""
    reader = Reader(log, topic, since)
    records: list[Record] = []
    while found := await reader.fresh():
        records += found
    return sorted(records, key=lambda r: (r.timestamp, r.partition, r.offset))


def data_seconds(recording: Recording) -> float:
    """Seconds in which at least one station has data."""
    covered_us = 0
    until_us = -(2**63)
    for packet in sorted(recording.packets, key=lambda p: p.start_us):
        covered_us += max(0, packet.end_us - max(packet.start_us, until_us))
        until_us = max(until_us, packet.end_us)
    return covered_us / 1e6


def station_hours(recording: Recording) -> float:
    """Hours of data, summed over stations."""
    return sum(p.end_us - p.start_us for p in recording.packets) / 3.6e9
