"""The words of a warning of another hazard: ``dispatch/texts/hazards.<language>.toml``.

What all warnings share (test and exercise, names of countries, counts of places) is said as in
`dispatch.wording`. Times are the local ones of the message's zone, to the minute: a window begins
with the minute in which its earliest arrival lies and ends with the one after its latest.
"""

import importlib.resources
import string
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import get_args

import msgspec
from msgspec import Struct

from dispatch import broadcast, names, wording
from dispatch.hazard_messages import HazardCancelReason, HazardMessage, ReachedPlace
from dispatch.hazard_policy import Warned
from dispatch.local_time import clock_text, minute_text, offset_text
from dispatch.names import Language

__all__ = ["HazardWording", "load"]

DESCRIBED = 10
_MINUTE_US = 60_000_000
_SEVEN_BIT_MARKS = str.maketrans({"ʻ": "'", "ʼ": "'", "—": "-", "–": "-"})

_Cancels = dict[HazardCancelReason, str]


class _Headline(Struct, frozen=True, forbid_unknown_fields=True):
    ahead: str
    reached: str
    source: str


class _Description(Struct, frozen=True, forbid_unknown_fields=True):
    source: str
    unconfirmed: str
    caused: str
    arrivals: str
    ahead: str
    reached: str
    estimates: str


class _Cell(Struct, frozen=True, forbid_unknown_fields=True):
    ahead: str
    reached: str
    people: str


class _Broadcast(Struct, frozen=True, forbid_unknown_fields=True):
    public: str
    protection: str


_CANCELLED = frozenset({"event", "basin", "began"})
_PLACE = frozenset({"place", "earliest", "latest"})
_FIELDS: dict[str, frozenset[str]] = {
    "headline.ahead": frozenset({"event", "level"}) | _PLACE,
    "headline.reached": frozenset({"event", "level", "place"}),
    "headline.source": frozenset({"event", "level", "basin"}),
    "description.source": frozenset({"event", "basin", "began", "number"}),
    "description.caused": frozenset({"causes"}),
    "description.arrivals": frozenset({"offset", "places"}),
    "description.ahead": _PLACE,
    "description.reached": frozenset({"place", "passed"}),
    "cell.ahead": _PLACE,
    "cell.reached": frozenset({"place"}),
    "cell.people": frozenset({"people"}),
    "short.public": frozenset({"status", "event", "where", "act"}),
    "short.protection": frozenset({"status", "event", "where", "number"}),
    "long.public": frozenset({"status", "event", "basin", "places", "instruction"}),
    "long.protection": frozenset({"status", "event", "basin", "began", "number", "places"}),
    "cancelled.headline.": _CANCELLED,
    "cancelled.description.": _CANCELLED,
    "cancelled.short.": frozenset({"status", "event"}),
    "cancelled.long.": frozenset({"status", "event", "began"}),
}
"""What may be filled into each text; nothing into those that are not named."""


class _Cancelled(Struct, frozen=True, forbid_unknown_fields=True):
    headline: _Cancels
    description: _Cancels
    instruction: _Cancels
    short: _Cancels
    long: _Cancels


class HazardWording(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts of one language, and how the facts of a message are put into them.

    Attributes
    ----------
    language
        ISO 639-1 code.
    reviewed
        Whether someone whose first language it is has read all of it.
    watch
        What those on duty are to do at a watch.
    """

    language: Language
    reviewed: bool
    watch: str
    event: dict[Warned, str]
    act: dict[Warned, str]
    instruction: dict[Warned, str]
    level: dict[str, str]
    headline: _Headline
    description: _Description
    cell: _Cell
    short: _Broadcast
    long: _Broadcast
    cancelled: _Cancelled

    def __post_init__(self) -> None:
        for said in (self.event, self.act, self.instruction):
            if set(said) != set(_HAZARDS):
                raise ValueError(f"{self.language}: each hazard needs its text, and no other")
        if set(self.level) != {"1", "2", "3"}:
            raise ValueError(f"{self.language}: levels are 1 to 3")
        for part in msgspec.structs.astuple(self.cancelled):
            if set(part) != set(_REASONS):
                raise ValueError(f"{self.language}: each reason of a Cancel needs its text")
        for name, text in _texts(msgspec.to_builtins(self)):
            key = name[: name.rindex(".") + 1] if "." in name else name
            allowed = _FIELDS.get(name, _FIELDS.get(key, frozenset()))
            unknown = {f for _, f, _, _ in string.Formatter().parse(text) if f is not None}
            if unknown - allowed:
                raise ValueError(f"{self.language}: {name} has no {sorted(unknown - allowed)}")

    @property
    def common(self) -> wording.Wording:
        """What is said as in warnings of earthquakes."""
        return wording.load(self.language)

    def event_of(self, message: HazardMessage) -> str:
        """Name the hazard."""
        return self.event[_warned(message)]

    def headline_of(self, message: HazardMessage) -> str:
        """One line: the first place of the country that is still to be reached, or the source."""
        prefix = self._prefix(message)
        if message.cancel_reason is not None:
            text = self.cancelled.headline[message.cancel_reason]
            return prefix + text.format(**self._past(message))
        known = {
            "event": self.event_of(message),
            "level": self.level[str(message.level)],
            "basin": message.basin,
        }
        place = _foremost(message)
        if place is None:
            return prefix + self.headline.source.format(**known)
        text = self.headline.ahead if place.passed_us is None else self.headline.reached
        return prefix + text.format(**known, **self._window(message, place))

    def description_of(self, message: HazardMessage) -> str:
        """Say what happened, and when each place is reached."""
        prefix, words = self._prefix(message), self.description
        if message.cancel_reason is not None:
            text = self.cancelled.description[message.cancel_reason]
            return prefix + text.format(**self._past(message))
        said = [
            words.source.format(
                event=self.event_of(message),
                basin=message.basin,
                began=clock_text(message.began_us, message.timezone),
                number=message.level,
            )
        ]
        if not message.is_confirmed:
            said.append(words.unconfirmed)
        if message.causes:
            said.append(words.caused.format(causes=", ".join(message.causes)))
        if message.places:
            described = self._arrivals(message)[:DESCRIBED]
            if (more := len(message.places) - len(described)) > 0:
                described.append(self.common.count_more(more))
            offset = offset_text(message.sent_us, message.timezone)
            said.append(words.arrivals.format(offset=offset, places="; ".join(described)))
        return prefix + " ".join([*said, words.estimates])

    def instruction_of(self, message: HazardMessage) -> str:
        """Say what to do now."""
        if message.cancel_reason is not None:
            return self.cancelled.instruction[message.cancel_reason]
        if message.level == 1 and message.audience_kind != "public":
            return self.watch
        return self.instruction[_warned(message)]

    def area_of(self, message: HazardMessage) -> str:
        """Name the country and its first places, or else the basin."""
        called = [
            names.place_name(identity, self.language, name)
            for identity, name in zip(message.area_geonameids, message.area_places, strict=True)
        ]
        more = max(message.places_affected - len(called), 0)
        text = self.common.area.more if called and more else self.common.area.all
        return text.format(
            country=names.country_name(message.country, self.language),
            places=", ".join(called or [message.basin]),
            more=self.common.count_more(more),
        )

    def short_of(self, message: HazardMessage) -> str:
        """Text of at most `broadcast.SHORT` characters; "here" where names are too long."""
        status = self.common.cell.status[message.status]
        event = self.event_of(message)
        if message.cancel_reason is not None:
            text = self.cancelled.short[message.cancel_reason]
            return _seven_bit(text.format(status=status, event=event))
        text = self.short.public if message.audience_kind == "public" else self.short.protection
        known = {
            "status": status,
            "event": event,
            "act": self.act[_warned(message)],
            "number": str(message.level),
        }
        place = _foremost(message)
        if place is None:
            wheres = [message.basin]
        else:
            form = self.cell.ahead if place.passed_us is None else self.cell.reached
            window = self._window(message, place)
            wheres = [
                form.format(**window),
                form.format(**(window | {"place": self.common.cell.here})),
            ]
        return _fitted(text, known, "where", [*wheres, self.common.cell.here], broadcast.SHORT)

    def long_of(self, message: HazardMessage) -> str:
        """Text of at most `broadcast.LONG` characters, with as many places as it has room for."""
        status = self.common.cell.status[message.status]
        event = self.event_of(message)
        began = clock_text(message.began_us, message.timezone)
        if message.cancel_reason is not None:
            text = self.cancelled.long[message.cancel_reason]
            return _seven_bit(text.format(status=status, event=event, began=began))
        text = self.long.public if message.audience_kind == "public" else self.long.protection
        known = {
            "status": status,
            "event": event,
            "began": began,
            "number": str(message.level),
            "instruction": self.instruction_of(message),
        }
        after = ""
        if message.audience_kind != "public" and message.people_affected:
            people = f"{message.people_affected:,}".replace(",", self.common.thousands)
            after = f"{self.cell.people.format(people=people)} "
        listed = self._arrivals(message)[:DESCRIBED]
        choices = [f"{'; '.join(listed[:count])}. {after}" for count in range(len(listed), 0, -1)]
        here = self.common.cell.here
        for basin in (message.basin, here):
            known["basin"] = basin
            filled = _fitted(text, known, "places", [*choices, after], broadcast.LONG)
            if len(filled) <= broadcast.LONG:
                break
        return filled

    def _prefix(self, message: HazardMessage) -> str:
        return self.common.status[message.status] + self.common.kind[message.msg_type]

    def _past(self, message: HazardMessage) -> dict[str, str]:
        return {
            "event": self.event_of(message),
            "basin": message.basin,
            "began": clock_text(message.began_us, message.timezone),
        }

    def _arrivals(self, message: HazardMessage) -> list[str]:
        words = self.description
        return [
            (words.ahead if place.passed_us is None else words.reached).format(
                **self._window(message, place)
            )
            for place in message.places
        ]

    def _window(self, message: HazardMessage, place: ReachedPlace) -> dict[str, str]:
        sent_us, zone = message.sent_us, message.timezone
        latest_us = -(-place.latest_us // _MINUTE_US) * _MINUTE_US
        passed_us = place.expected_us if place.passed_us is None else place.passed_us
        return {
            "place": self._called(message, place),
            "earliest": minute_text(place.earliest_us, zone, sent_us),
            "latest": minute_text(latest_us, zone, sent_us),
            "passed": minute_text(passed_us, zone, sent_us),
        }

    def _called(self, message: HazardMessage, place: ReachedPlace) -> str:
        """Call a place by its name here; one across the border with its country."""
        name = names.place_name(place.geonameid, self.language, place.name)
        if place.country == message.country:
            return name
        country = names.country_name(place.country, self.language)
        return self.common.area.foreign.format(place=name, country=country)


_HAZARDS: tuple[Warned, ...] = get_args(Warned)
_REASONS: tuple[HazardCancelReason, ...] = get_args(HazardCancelReason)


def _warned(message: HazardMessage) -> Warned:
    if message.hazard == "sensor silent":
        raise ValueError("nobody is warned of a sensor that is silent")
    return message.hazard


def _foremost(message: HazardMessage) -> ReachedPlace | None:
    """Return the country's first place that is still to be reached, or else its first."""
    own = [place for place in message.places if place.country == message.country]
    ahead = [p for p in own if p.passed_us is None and p.latest_us > message.sent_us]
    return next(iter(ahead or own), None)


def _seven_bit(text: str) -> str:
    """Write marks of Uzbek, and dashes, as telephones have them in 7 bits."""
    return text.translate(_SEVEN_BIT_MARKS)


def _fitted(text: str, known: dict[str, str], name: str, choices: list[str], limit: int) -> str:
    """Fill in the first choice with which the text is short enough, or else the last."""
    filled = ""
    for choice in choices:
        filled = _seven_bit(text.format(**known, **{name: choice}))
        if len(filled) <= limit:
            break
    return filled


def _texts(values: dict[str, object], path: str = "") -> Iterator[tuple[str, str]]:
    """All texts with the path of keys to each."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _texts(value, f"{path}{key}.")
        elif isinstance(value, str):
            yield path + key, value


@cache
def load(language: str) -> HazardWording:
    """Read the texts of a language by its code.

    Raises
    ------
    FileNotFoundError
        If there is no such language.
    msgspec.ValidationError
        If a text is missing or unknown, or has a name in braces that nothing is filled in for.
    """
    folder = importlib.resources.files("dispatch") / "texts"
    text = (folder / f"hazards.{language}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), HazardWording)
