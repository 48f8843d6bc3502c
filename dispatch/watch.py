"""What an operator sees of the live pipeline: events, warnings, rejects, and the stations.

It only looks on: nothing here goes back into the log.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
from rich.console import Console
from rich.text import Text

from detect import detections, events
from detect.detections import Pick
from detect.events import Earthquake
from detect.hazard_events import HazardEvent
from detect.health import Health, HealthCount
from dispatch import cap, facts
from dispatch.facts import Sources
from dispatch.messages import Message
from dispatch.outbox import Outbox
from dispatch.parcels import ParcelError, is_hazard, parcel
from dispatch.release import Held, HeldHazard, SignedWord
from stream import rejects
from stream.log import Log
from stream.reader import Reader
from stream.records import Record
from stream.topics import ALERTS, DETECTIONS, EVENTS, FACTS, HELD, REJECTS

__all__ = ["Watch", "alert_line", "event_line", "hazard_alert_line", "hazard_line", "health_line"]

LOOK_S = 0.25  # between two looks at a log that others share
STATUS_MS = 60_000  # between two lines on the stations
COLUMNS = 80
EARTHQUAKE = "earthquake"  # its sources are the stations, which are told in a line of their own
FIRST_STATUS_MS = 10_000  # the first: by then what is alive has been heard

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROMAN = ("-", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_STYLES = {
    "provisional": "cyan",
    "confirmed": "bold cyan",
    "cancelled": "bold green",
    "superseded": "green",
    "over": "green",
    "Alert": "bold red",
    "Update": "yellow",
    "Cancel": "bold green",
}

_log = logging.getLogger("alatau.dispatch")
_held = msgspec.json.Decoder(Held | HeldHazard | SignedWord)


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
    named = message.audience not in ("", "civil-protection")
    head += f"{message.country}{f' {message.audience}' if named else ''}: "
    if message.msg_type == "Cancel":
        return f"{head}cancelled ({message.cancel_reason})"
    degree = _ROMAN[min(max(round(message.max_intensity), 0), 12)]
    lead_s = max((message.onset_us - arrival_ms * 1000) / 1e6, 0.0)
    return f"{head}{message.people_affected:,} people, up to {degree}, first S in {lead_s:.0f} s"


def hazard_line(event: HazardEvent, name: str) -> str:
    """Tell a revision of an event of another hazard in one line of up to 80 columns.

    Parameters
    ----------
    event
        The revision.
    name
        Short name of the event.
    """
    head = f"{_clock(event.updated_us // 1000)} {event.status:<12}{name}.{event.revision:<3}"
    if event.status in ("cancelled", "over"):
        return _cut(head + event.reason)
    line = f"{head}{event.hazard}, level {event.level}, {event.basin}"
    ahead = [place for place in event.places if place.passed_us is None]
    if ahead:
        first = min(ahead, key=lambda place: place.earliest_us)
        minutes = max((first.earliest_us - event.updated_us) / 60e6, 0.0)
        line += f": {first.place} in {minutes:.0f} min"
    return _cut(line)


def hazard_alert_line(record: Record, name: str) -> str:
    """Tell a message about another hazard in one line of up to 80 columns.

    Parameters
    ----------
    record
        As it stands on `alerts`, with its headers.
    name
        Short name of the event.
    """
    said = {header: value.decode("utf-8", "replace") for header, value in record.headers}
    head = f"{_clock(record.timestamp)} {said.get('msgType', '?').upper():<12}{name:<5} "
    whom = f"{said.get('country', '?')} {said.get('audience', '')}"
    return _cut(f"{head}{whom}: {said.get('hazard', '?')}, level {said.get('level', '?')}")


def _cut(line: str) -> str:
    return line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…"


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
        self._readers: dict[str, Reader] = {}
        self._names: dict[str, str] = {}
        self._sources: dict[str, Sources] = {}
        self._sent = 0
        self._rejected: Counter[str] = Counter()
        self._told_ms = clock_ms() - STATUS_MS + FIRST_STATUS_MS

    def on(self, log: Log) -> None:
        """Look at a log; at one that has been opened anew from where it has come to."""
        for topic in (ALERTS, HELD, EVENTS, DETECTIONS, FACTS, REJECTS):
            if topic.name in self._readers:
                self._readers[topic.name].go_on_with(log)
            else:
                self._readers[topic.name] = Reader(log, topic)

    async def look_on(self, log: Log, stop: asyncio.Event) -> None:
        """Look at a log that others share, from now on and until `stop`."""
        known = bool(self._readers)
        self.on(log)
        if not known:
            for reader in self._readers.values():
                await reader.skip()
        while not stop.is_set():
            await self.look()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)

    async def look(self) -> None:
        """Take in what is new; warnings first. What cannot be read is counted."""
        takers = {
            ALERTS.name: self._alert,
            HELD.name: self._hold,
            EVENTS.name: self._event,
            DETECTIONS.name: self._detection,
            FACTS.name: self._fact,
            REJECTS.name: self._reject,
        }
        for topic, reader in self._readers.items():
            for record in await reader.fresh():
                self._take(takers[topic], record)
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
        for hazard, known in sorted(self._sources.items()):
            is_fresh = now_ms * 1000 - known.at_us <= STATUS_MS * 1000
            is_thin = not is_fresh or 2 * known.healthy < max(known.expected, 1)
            how = f"{known.healthy} of {known.expected} sensors healthy"
            said = f"           {hazard}: {how if is_fresh else 'sensors are not known'}"
            self._print(
                said + ("; silence is no all-clear" if is_thin else ""),
                "bold red" if is_thin else "",
            )
        if self._rejected:
            told = ", ".join(f"{n} {reason}" for reason, n in sorted(self._rejected.items()))
            self._print(f"           rejected since the start: {told}", "yellow")

    def _take(self, how: Callable[[Record], None], record: Record) -> None:
        try:
            how(record)
        except (
            msgspec.DecodeError,
            UnicodeDecodeError,
            RecursionError,
            cap.CapError,
            ParcelError,
        ):
            self._rejected[f"unreadable in {record.topic}"] += 1

    def _detection(self, record: Record) -> None:
        detection = detections.decode(record.value)
        if not isinstance(detection, Pick):
            self._health.fold(detection, record.timestamp)

    def _fact(self, record: Record) -> None:
        fact = facts.decode(record.value)
        if isinstance(fact, Sources) and fact.hazard != EARTHQUAKE:
            self._sources[fact.hazard] = fact

    def _reject(self, record: Record) -> None:
        self._rejected[rejects.decode(record.value).reason] += 1

    def _event(self, record: Record) -> None:
        event = events.decode(record.value)
        if isinstance(event, Earthquake):
            self._print(event_line(event, self._name(event.id)), _STYLES[event.status])
        else:
            self._print(hazard_line(event, self._name(event.id)), _STYLES[event.status])

    def _alert(self, record: Record) -> None:
        if is_hazard(record):
            self._hazard_alert(record)
            return
        message = cap.parse(record.value)
        self._put(message.identifier, record.value)
        line = alert_line(message, record.timestamp, self._name(message.event_id))
        self._print(line, _STYLES[message.msg_type])

    def _hazard_alert(self, record: Record) -> None:
        sent = parcel(record)
        self._put(sent.identifier, record.value)
        line = hazard_alert_line(record, self._name(sent.event))
        self._print(line, _STYLES.get(sent.type, ""))

    def _put(self, identifier: str, value: bytes) -> None:
        """Count a message, and put it into the outbox."""
        self._sent += 1
        if self._outbox is not None:
            try:
                self._outbox.put(identifier, value)
            except OSError:
                _log.exception("The message %s could not be written", identifier)

    def _hold(self, record: Record) -> None:
        held = _held.decode(record.value)
        if not isinstance(held, SignedWord):
            message = held.message
            name = self._name(message.event_id)
            head = f"{_clock(record.timestamp)} {'HELD':<12}{name}.{message.revision:<3}"
            to = f"{message.country} {message.audience}"
            self._print(f"{head}{to}: alatau release list", "bold magenta")

    def _name(self, event_id: str) -> str:
        """Return the short name of an event; a new one is told with its id."""
        if event_id not in self._names:
            self._names[event_id] = f"{len(self._names) + 1}"
            self._print(f"           event {self._names[event_id]} is {event_id}", "dim")
        return self._names[event_id]

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)
