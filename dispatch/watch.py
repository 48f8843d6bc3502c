"""What an operator sees of the live pipeline: events, warnings, rejects, and the stations.

It only looks on: nothing here goes back into the log.
"""

import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.text import Text

from detect import detections, events
from detect.detections import Motion
from detect.events import Earthquake
from detect.health import Health, HealthCount
from dispatch import cap
from dispatch.messages import Message
from dispatch.outbox import Outbox
from stream import rejects
from stream.log import Log
from stream.reader import Reader
from stream.records import Record
from stream.topics import ALERTS, DETECTIONS, EVENTS, REJECTS

__all__ = ["Watch", "alert_line", "event_line", "health_line"]

STATUS_MS = 60_000  # between two lines on the stations
FIRST_STATUS_MS = 10_000  # the first: by then what is alive has been heard

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROMAN = ("-", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_STYLES = {
    "provisional": "cyan",
    "confirmed": "bold cyan",
    "cancelled": "bold green",
    "superseded": "green",
    "Alert": "bold red",
    "Update": "yellow",
    "Cancel": "bold green",
}

_log = logging.getLogger("alatau.dispatch")


def _clock(time_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return f"{moment:%H:%M:%S}.{time_ms // 100 % 10}"


def event_line(event: Earthquake, name: str) -> str:
    """Tell a revision of an event in one line of up to 80 columns.

    Parameters
    ----------
    event
        The revision.
    name
        Short name of the event.
    """
    head = f"{_clock(event.updated_us // 1000)} {event.status:<12}{name}.{event.revision:<3}"
    if event.status in ("cancelled", "superseded"):
        return head + event.reason
    north = "N" if event.latitude >= 0 else "S"
    east = "E" if event.longitude >= 0 else "W"
    least = "≥" if event.magnitude_saturated else ""
    size = "M ?" if event.magnitude is None else f"M {least}{event.magnitude:.1f}"
    sigma = "" if event.magnitude_sigma is None else f" ±{event.magnitude_sigma:.1f}"
    return (
        f"{head}{abs(event.latitude):.2f}{north} {abs(event.longitude):.2f}{east} "
        f"±{event.epicentre_sigma_km:.0f} km, {event.depth_km:.0f} ±{event.depth_sigma_km:.0f} km "
        f"deep, {size}{sigma}"
    )


def alert_line(message: Message, arrival_ms: int, name: str) -> str:
    """Tell a message in one line of up to 80 columns.

    Parameters
    ----------
    message
        The message.
    arrival_ms
        When what caused it came, ms since 1970 UTC.
    name
        Short name of the event.
    """
    head = f"{_clock(arrival_ms)} {message.msg_type.upper():<12}{name}.{message.revision:<3}"
    head += f"{message.country}: "
    if message.msg_type == "Cancel":
        return f"{head}cancelled ({message.cancel_reason})"
    degree = _ROMAN[min(max(round(message.max_intensity), 0), 12)]
    lead_s = max((message.onset_us - arrival_ms * 1000) / 1e6, 0.0)
    return f"{head}{message.people_affected:,} people, up to {degree}, first S in {lead_s:.0f} s"


def health_line(count: HealthCount) -> str:
    """Tell how the stations are in one line."""
    parts = {
        "healthy": count.healthy,
        "late": count.late,
        "warming up": count.warming,
        "faulty": count.faulty,
        "silent": count.silent,
    }
    said = [f"{n} {what}" for what, n in parts.items() if n or what in ("healthy", "silent")]
    return "stations: " + ", ".join(said)


class Watch:
    """Prints what the stages say, as they say it, and puts messages into the outbox.

    Parameters
    ----------
    log
        What it looks at.
    console
        Where it prints.
    health
        Of the stations.
    needed
        Healthy stations without which no earthquake is confirmed.
    clock_ms
        The time that people have.
    outbox
        Where the messages go; None for nowhere.
    """

    def __init__(
        self,
        log: Log,
        console: Console,
        health: Health,
        needed: int,
        clock_ms: Callable[[], int],
        outbox: Outbox | None = None,
    ) -> None:
        self._console = console
        self._health = health
        self._needed = needed
        self._clock_ms = clock_ms
        self._outbox = outbox
        self._detections = Reader(log, DETECTIONS)
        self._events = Reader(log, EVENTS)
        self._alerts = Reader(log, ALERTS)
        self._rejects = Reader(log, REJECTS)
        self._names: dict[str, str] = {}
        self._sent = 0
        self._rejected: Counter[str] = Counter()
        self._told_ms = clock_ms() - STATUS_MS + FIRST_STATUS_MS

    async def look(self) -> None:
        """Take in what is new; warnings first."""
        for record in await self._alerts.fresh():
            self._alert(record)
        for record in await self._events.fresh():
            self._event(record)
        for record in await self._detections.fresh():
            detection = detections.decode(record.value)
            if isinstance(detection, Motion):
                self._health.fold(detection, record.timestamp)
        for record in await self._rejects.fresh():
            self._rejected[rejects.decode(record.value).reason] += 1
        now_ms = self._clock_ms()
        if not 0 <= now_ms - self._told_ms < STATUS_MS:
            self.tell()

    def tell(self) -> None:
        """Print how the stations are, and what was rejected since the start."""
        self._told_ms = now_ms = self._clock_ms()
        count = self._health.count(now_ms)
        warned = f"{self._sent} message{'' if self._sent == 1 else 's'} sent"
        self._print(f"{_clock(now_ms)} {health_line(count)}; {warned}")
        if count.healthy < self._needed:
            self._print(
                f"           too few are healthy ({self._needed} needed): silence is no all-clear",
                "bold red",
            )
        if self._rejected:
            told = ", ".join(f"{n} {reason}" for reason, n in sorted(self._rejected.items()))
            self._print(f"           rejected since the start: {told}", "yellow")

    def _event(self, record: Record) -> None:
        event = events.decode(record.value)
        self._print(event_line(event, self._name(event.id)), _STYLES[event.status])

    def _alert(self, record: Record) -> None:
        message = cap.parse(record.value)
        if self._outbox is not None:
            try:
                self._outbox.put(message.identifier, record.value)
            except OSError:
                _log.exception("The message %s could not be written", message.identifier)
        self._sent += 1
        line = alert_line(message, record.timestamp, self._name(message.event_id))
        self._print(line, _STYLES[message.msg_type])

    def _name(self, event_id: str) -> str:
        """Return the short name of an event; a new one is told with its id."""
        if event_id not in self._names:
            self._names[event_id] = f"{len(self._names) + 1}"
            self._print(f"           event {self._names[event_id]} is {event_id}", "dim")
        return self._names[event_id]

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)
