"""A replay told in the order in which things became known.

Times are seconds after the first P pick of the first event: what happens at +3.0 was known
three seconds after the ground first moved at the station that felt it first.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from rich.console import Console
from rich.text import Text

from detect.events import Earthquake
from detect.hazard_events import HazardEvent
from dispatch.audiences import DEFAULT
from dispatch.messages import Message
from replay.score import histories
from replay.session import Alert, HazardAlert, Heard, Outcome

__all__ = [
    "Entry",
    "counted",
    "entries",
    "intensity",
    "names",
    "place",
    "print_timeline",
    "time_zero_us",
]

FEW_PICKS = 5  # so many picks of no event are still listed
LISTED_PLACES = 12
SURE_STATIONS = 2  # a magnitude that rests on fewer is marked

_ROMAN = ("-", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_CANCELLED = {
    None: "cancelled",
    "nothing": "cancelled, there was no such earthquake",
    "same": "cancelled, it is another event's earthquake",
    "weaker": "cancelled, it will not shake anyone as warned",
}
_STYLES = {
    "pick": "dim",
    "provisional": "cyan",
    "confirmed": "bold cyan",
    "cancelled": "bold green",
    "superseded": "green",
    "over": "green",
    "ALERT": "bold red",
    "UPDATE": "yellow",
    "CANCEL": "bold green",
}


class Entry(Struct, frozen=True):
    """One thing that became known.

    Attributes
    ----------
    time_us
        When, us since 1970 UTC.
    what
        ``pick``, the status of an event, or ``ALERT``, ``UPDATE``, ``CANCEL``.
    lines
        What exactly, for people.
    """

    time_us: int
    what: str
    lines: tuple[str, ...]


def names(outcome: Outcome) -> dict[str, str]:
    """Short names of events, A, B, ... in order of first publication."""
    ids = list(histories(outcome.events))
    return {name: _letters(i) for i, name in enumerate(ids)}


def _letters(number: int) -> str:
    more, last = divmod(number, 26)
    return (_letters(more - 1) if more else "") + chr(ord("A") + last)


def time_zero_us(outcome: Outcome) -> int | None:
    """First P pick of the first earthquake; else the first pick; else another hazard's onset."""
    if not outcome.events:
        onsets = [h.pick.time_us for h in outcome.picks]
        return min(onsets or [hazard.onset_us for hazard in outcome.hazards], default=None)
    first = outcome.events[0]
    revisions = [e for e in outcome.events if e.id == first.id]
    onsets = [a.time_us for e in revisions for a in e.arrivals if a.phase == "P"]
    return min(onsets, default=first.updated_us)


def intensity(value: float) -> str:
    """Macroseismic intensity as people read it: the degree in Roman numerals."""
    return _ROMAN[min(max(round(value), 0), 12)]


def place(latitude: float, longitude: float) -> str:
    """Degrees with their hemispheres."""
    north = "N" if latitude >= 0 else "S"
    east = "E" if longitude >= 0 else "W"
    return f"{abs(latitude):.2f}{north} {abs(longitude):.2f}{east}"


def entries(outcome: Outcome) -> list[Entry]:
    """Everything that belongs to an event, in the order in which it became known."""
    zero = time_zero_us(outcome)
    if zero is None:
        return []
    short = names(outcome)
    used = _used_picks(outcome)
    listed = [h for h in outcome.picks if h.pick.id in used]
    stray = [h for h in outcome.picks if h.pick.id not in used]
    if len(stray) <= FEW_PICKS:
        listed += stray
    found = [_pick_entry(heard, zero, heard.pick.id in used) for heard in listed]
    for revisions in histories(outcome.events).values():
        before = None
        for event in revisions:
            found.append(_event_entry(event, zero, short, in_full=event.status != before))
            before = event.status
    warned: dict[str, dict[int, str]] = {}
    found += [_alert_entry(alert, short, warned) for alert in outcome.alerts]
    found += map(_hazard_entry, outcome.hazards)
    found += map(_hazard_alert_entry, outcome.hazard_alerts)
    return sorted(found, key=lambda entry: entry.time_us)


def _hazard_entry(event: HazardEvent) -> Entry:
    what = f"{event.hazard}, level {event.level}, {event.basin}: {event.reason}"
    return Entry(event.updated_us, event.status, (what,))


def _hazard_alert_entry(alert: HazardAlert) -> Entry:
    sent = alert.parcel
    to = f"{sent.country}, {sent.audience}"
    return Entry(alert.known_ms * 1000, sent.type.upper(), (f"to {to}: {sent.headline}",))


def _used_picks(outcome: Outcome) -> set[str]:
    return {arrival.pick_id for event in outcome.events for arrival in event.arrivals}


def _pick_entry(heard: Heard, zero: int, used: bool) -> Entry:
    pick = heard.pick
    onset = (pick.time_us - zero) / 1e6
    motion = {1: ", up", -1: ", down"}.get(pick.polarity, "")
    alone = "" if used else ", of no event"
    text = (
        f"{pick.station:<9}{pick.phase} at {onset:+.2f} ±{pick.uncertainty_s:.2f} s, "
        f"SNR {pick.snr:.3g}{motion}{alone}"
    )
    return Entry(heard.known_ms * 1000, "pick", (text,))


def _event_entry(event: Earthquake, zero: int, short: dict[str, str], *, in_full: bool) -> Entry:
    """Tell a revision in one line, and `in_full` in two."""
    name = f"{short[event.id]}.{event.revision}"
    if event.status == "superseded":
        other = short.get(event.superseded_by or "", event.superseded_by)
        return Entry(event.updated_us, event.status, (f"{name:<6}is the same as {other}",))
    if event.status == "cancelled":
        return Entry(event.updated_us, event.status, (f"{name:<6}{event.reason}",))
    least = "≥" if event.magnitude_saturated else ""
    size = (
        "M unknown"
        if event.magnitude is None
        else f"M {least}{event.magnitude:.1f} ±{event.magnitude_sigma or 0:.1f}"
    )
    where = place(event.latitude, event.longitude)
    origin = (event.origin_time_us - zero) / 1e6
    lines = [
        f"{name:<6}{where} ±{event.epicentre_sigma_km:.0f} km, "
        f"{event.depth_km:.0f} ±{event.depth_sigma_km:.0f} km deep, {size}"
    ]
    if in_full:
        silent = event.silent_stations
        lines.append(
            f"      origin {origin:+.1f} ±{event.origin_time_sigma_s:.1f} s from "
            f"{counted(len(event.arrivals), 'pick')}"
            + (f", {counted(silent, 'station')} silent" if silent else "")
        )
    if event.magnitude is not None and event.magnitude_stations < SURE_STATIONS:
        lines.append("      magnitude from one station alone")
    return Entry(event.updated_us, event.status, tuple(lines))


def _alert_entry(alert: Alert, short: dict[str, str], warned: dict[str, dict[int, str]]) -> Entry:
    message = alert.message
    what = message.msg_type.upper()
    name = f"{short.get(message.event_id, message.event_id)}.{message.revision}"
    if message.msg_type == "Cancel":
        why = _CANCELLED[message.cancel_reason]
        return Entry(alert.known_ms * 1000, what, (f"{name:<6}{_whom(message)}: {why}",))
    told = warned.setdefault(message.chain, {})
    news = [p for p in message.places if intensity(p.intensity) != told.get(p.geonameid)]
    lines = [
        f"{name:<6}{_whom(message)}: {counted(message.places_affected, 'place')}, "
        f"{message.people_affected:,} people, up to {intensity(message.max_intensity)}"
    ]
    strongest = sorted(news, key=lambda p: (-round(p.intensity), p.lead_s, p.name))
    for p in strongest[:LISTED_PLACES]:
        left = f"S wave in {p.lead_s // 1:.0f} s" if p.lead_s >= 1 else "S wave has come"
        before = f" (was {told[p.geonameid]})" if p.geonameid in told else ""
        lines.append(f"      {p.name[:20]:<21}{intensity(p.intensity):<5}{left}{before}")
    if len(news) > LISTED_PLACES:
        lines.append(f"      and {len(news) - LISTED_PLACES} more, later or less strong")
    if told and not news:
        lines.append("      the same intensities as before")
    told.update((p.geonameid, intensity(p.intensity)) for p in news)
    return Entry(alert.known_ms * 1000, what, tuple(lines))


def _whom(message: Message) -> str:
    """Name the country, and the audience if it is not the one that is always told."""
    named = message.audience not in ("", DEFAULT)
    return f"{message.country} {message.audience[:12]}" if named else message.country


def counted(number: int, what: str) -> str:
    """Write a number with its noun, in the plural where there are several."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def print_timeline(outcome: Outcome, console: Console) -> None:
    """Write the timeline of a replay, made for 80 columns and more."""
    zero = time_zero_us(outcome)
    console.print(Text(outcome.folder, style="bold"))
    if zero is None:
        console.print("No pick and no event.")
    else:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=zero)
        what = "first pick" if outcome.picks else "onset of the first event"
        what = "first P of the first event" if outcome.events else what
        told = moment.isoformat(" ", "milliseconds").removesuffix("+00:00")
        console.print(f"Seconds after the {what}, {told} UTC", highlight=False)
    for entry in entries(outcome):
        for text in _texts(entry, zero or 0):
            console.print(text, soft_wrap=True)
    for line in _summary(outcome):
        console.print(Text(line))


def _texts(entry: Entry, zero: int) -> Iterator[Text]:
    """Lay out the lines of an entry: time, kind, text."""
    style = _STYLES[entry.what]
    head = Text(f"{(entry.time_us - zero) / 1e6:>+8.2f}  ")
    head.append(f"{entry.what:<12}", style=style)
    for i, line in enumerate(entry.lines):
        text = head if i == 0 else Text(" " * 22)
        yield text.append(line, style=style)


def _summary(outcome: Outcome) -> Iterator[str]:
    """Say what was not listed, and the counts."""
    used = _used_picks(outcome)
    stray = [h.pick.station for h in outcome.picks if h.pick.id not in used]
    if len(stray) > FEW_PICKS:
        most = ", ".join(f"{n} {count}" for n, count in Counter(stray).most_common(3))
        yield f"{len(stray)} picks belong to no event (most: {most})."
    if not outcome.events and not outcome.hazards:
        yield "No event was published, no warning sent."
    reasons = Counter(r.reason for r in outcome.rejects)
    if reasons:
        yield "Rejected: " + ", ".join(f"{count} {r}" for r, count in sorted(reasons.items())) + "."
    yield (
        f"{outcome.data_s:.0f} s of data, {outcome.station_hours:.1f} station hours, "
        f"replayed in {outcome.wall_s:.1f} s ({outcome.data_s / outcome.wall_s:.0f} times real "
        "time)."
    )
