"""The words of a warning, in one language: a file in `dispatch/texts/` for each."""

import importlib.resources
import string
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Literal

import msgspec
from msgspec import Struct

from dispatch import broadcast, names, plurals
from dispatch.local_time import clock_text
from dispatch.messages import Message, MsgType, PlaceWarning, Status
from dispatch.names import Language
from dispatch.plurals import Category, Rule

__all__ = ["Audience", "Wording", "load"]

Audience = Literal["public", "protection", "operator"]
"""Whom a text for cell broadcast, or another short message, is for: everyone, civil
protection, or who runs a plant or a railway."""

_DESCRIBED = 10  # a list that can be read in a hurry; the parameters hold all places
_SEVEN_BIT_MARKS = str.maketrans({"ʻ": "'", "ʼ": "'", "—": "-"})
_MOST_SECONDS = 999  # S is nowhere as late that is warned


class _Headline(Struct, frozen=True, forbid_unknown_fields=True):
    ahead: str
    begun: str
    nothing: str
    same: str
    weaker: str


class _Description(Struct, frozen=True, forbid_unknown_fields=True):
    source: str
    at_least: str
    expected: str
    ahead: str
    begun: str
    estimates: str
    nothing: str
    same: str
    weaker: str


class _Instruction(Struct, frozen=True, forbid_unknown_fields=True):
    warning: str
    nothing: str
    same: str
    weaker: str


class _Area(Struct, frozen=True, forbid_unknown_fields=True):
    all: str
    more: str
    foreign: str
    border: str
    within: str


class _Cell(Struct, frozen=True, forbid_unknown_fields=True):
    status: dict[Status, str]
    here: str
    ahead: str
    begun: str


class _Broadcast(Struct, frozen=True, forbid_unknown_fields=True):
    public: str
    protection: str
    operator: str
    nothing: str
    same: str
    weaker: str


_TIME = frozenset({"seconds", "duration"})
_TOLD = frozenset({"degree", "place"}) | _TIME
_CANCELLED = frozenset({"origin"})
_CELL = frozenset(
    {"status", "place", "degree", "intensity", "when", "magnitude", "origin", "sent", "places"}
    | {"people"}
)
_FIELDS: dict[str, frozenset[str]] = {
    "seconds.": frozenset({"count"}),
    "more.": frozenset({"count"}),
    "headline.ahead": _TOLD,
    "headline.begun": frozenset({"degree", "place"}),
    "description.source": frozenset({"magnitude", "epicentre", "depth", "origin"}),
    "description.at_least": frozenset({"magnitude"}),
    "description.expected": frozenset({"sent", "places"}),
    "description.ahead": frozenset({"place", "intensity"}) | _TIME,
    "description.begun": frozenset({"place", "intensity"}),
    "description.nothing": _CANCELLED,
    "description.same": _CANCELLED,
    "description.weaker": _CANCELLED,
    "area.all": frozenset({"country", "places"}),
    "area.more": frozenset({"country", "places", "more"}),
    "area.foreign": frozenset({"country", "place"}),
    "area.border": frozenset({"country"}),
    "area.within": frozenset({"country", "degree"}),
    "cell.ahead": _TIME,
    **dict.fromkeys(
        (f"{length}.{audience}" for length in ("short", "long")
         for audience in ("public", "protection", "operator")), _CELL
    ),
    **dict.fromkeys(
        (f"{length}.{reason}" for length in ("short", "long")
         for reason in ("nothing", "same", "weaker")), frozenset({"status", "origin"})
    ),
}  # fmt: skip
"""What may be filled into each text; nothing into those that are not named."""


class Wording(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts of one language, and how the facts of a message are put into them.

    Attributes
    ----------
    language
        ISO 639-1 code.
    reviewed
        Whether someone whose first language it is has read all of it.
    """

    language: Language
    reviewed: bool
    plural: Rule
    decimal: str
    thousands: str
    event: str
    status: dict[Status, str]
    kind: dict[MsgType, str]
    note: dict[Status, str]
    degrees: dict[str, str]
    seconds: dict[Category, str]
    more: dict[Category, str]
    headline: _Headline
    description: _Description
    instruction: _Instruction
    area: _Area
    cell: _Cell
    short: _Broadcast
    long: _Broadcast

    def __post_init__(self) -> None:
        forms = set(plurals.categories(self.plural))
        if set(self.seconds) != forms or set(self.more) != forms:
            raise ValueError(f"{self.language}: a noun needs the forms {sorted(forms)}, no others")
        if set(self.degrees) != {str(degree) for degree in range(1, 13)}:
            raise ValueError(f"{self.language}: degrees are 1 to 12")
        for name, text in _texts(msgspec.to_builtins(self)):
            allowed = _FIELDS.get(name) or _FIELDS.get(name[: name.index(".") + 1], frozenset())
            unknown = {
                field for _, field, _, _ in string.Formatter().parse(text) if field is not None
            } - allowed
            if unknown:
                raise ValueError(f"{self.language}: {name} has no {sorted(unknown)} to fill in")

    def headline_of(self, message: Message) -> str:
        """One line: the largest place that still has time, or else the largest."""
        prefix = self._prefix(message)
        if message.cancel_reason is not None:
            return prefix + str(getattr(self.headline, message.cancel_reason))
        place = _foremost(message)
        text = self.headline.ahead if _is_ahead(place) else self.headline.begun
        return prefix + text.format(
            degree=self.degrees[_degree(place.intensity)],
            place=self._place_name(message, place),
            **self._time(place),
        )

    def description_of(self, message: Message) -> str:
        """Say what happened and what each of the largest places has to expect."""
        prefix = self._prefix(message)
        words = self.description
        origin = clock_text(message.origin_time_us, message.timezone)
        if message.cancel_reason is not None:
            return prefix + str(getattr(words, message.cancel_reason)).format(origin=origin)
        north = "N" if message.latitude >= 0 else "S"
        east = "E" if message.longitude >= 0 else "W"
        latitude, longitude = (
            self._number(abs(degrees), 2) for degrees in (message.latitude, message.longitude)
        )
        magnitude = self._number(message.magnitude, 1)
        if message.magnitude_saturated:
            magnitude = words.at_least.format(magnitude=magnitude)
        source = words.source.format(
            magnitude=magnitude,
            epicentre=f"{latitude} {north} {longitude} {east}",
            depth=f"{message.depth_km:.0f}",
            origin=origin,
        )
        described = self._places(message, message.places[:_DESCRIBED])
        if (more := message.places_affected - len(described)) > 0:
            described.append(self._count(self.more, more))
        sent = clock_text(message.sent_us, message.timezone)
        expected = words.expected.format(sent=sent, places="; ".join(described))
        return f"{prefix}{source} {expected} {words.estimates}"

    def instruction_of(self, message: Message) -> str:
        """Say what to do now."""
        return str(getattr(self.instruction, message.cancel_reason or "warning"))

    def area_of(self, message: Message) -> str:
        """Name the country and its largest places that are warned, or else its border."""
        more = message.places_affected - len(message.area_places)
        identities = message.area_geonameids or (0,) * len(message.area_places)
        called = [
            names.place_name(identity, self.language, name)
            for identity, name in zip(identities, message.area_places, strict=True)
        ]
        text = self.area.more if more > 0 else self.area.all
        return (text if called else self.area.border).format(
            country=names.country_name(message.country, self.language),
            places=", ".join(called),
            more=self._count(self.more, max(more, 0)),
        )

    def area_within_of(self, message: Message, intensity: float) -> str:
        """Name the part of the country where the shaking is at least so strong."""
        return self.area.within.format(
            country=names.country_name(message.country, self.language),
            degree=_degree(intensity),
        )

    def short_of(self, message: Message, audience: Audience = "public") -> str:
        """Text of at most `broadcast.SHORT` characters.

        It names the place that the headline names; where the name makes it too long it says
        "here" instead.
        """
        return self._broadcast(message, self.short, audience, broadcast.SHORT)

    def long_of(self, message: Message, audience: Audience = "public") -> str:
        """Text of at most `broadcast.LONG` characters, with as many places as it has room for."""
        return self._broadcast(message, self.long, audience, broadcast.LONG)

    def _broadcast(
        self, message: Message, texts: _Broadcast, audience: Audience, limit: int
    ) -> str:
        common = {
            "status": self.cell.status[message.status],
            "origin": clock_text(message.origin_time_us, message.timezone),
        }
        if message.cancel_reason is not None:
            return str(getattr(texts, message.cancel_reason)).format(**common)
        place = _foremost(message)
        when = self.cell.ahead if _is_ahead(place) else self.cell.begun
        magnitude = self._number(message.magnitude, 1)
        common |= {
            "degree": self.degrees[_degree(place.intensity)],
            "intensity": self._number(place.intensity, 1),
            "when": when.format(**self._time(place)),
            "magnitude": magnitude + ("+" if message.magnitude_saturated else ""),
            "sent": clock_text(message.sent_us, message.timezone),
            "people": f"{message.people_affected:,}".replace(",", self.thousands),
        }
        return self._fitted(message, str(getattr(texts, audience)), common, limit)

    def _fitted(self, message: Message, text: str, common: dict[str, str], limit: int) -> str:
        """Fill in as many places as fit; with none, say "here".

        Marks of Uzbek, and dashes, are written as telephones have them in 7 bits.
        """
        place = self._place_name(message, _foremost(message))
        listed = self._places(message, message.places[:_DESCRIBED]) if "{places}" in text else [""]
        bare = len(text.format(place=place, places="", **common))
        times = text.count("{places}")
        for count in range(len(listed), 0, -1):
            named = "; ".join(listed[:count])
            if bare + times * len(named) <= limit:
                filled = text.format(place=place, places=named, **common)
                return filled.translate(_SEVEN_BIT_MARKS)
        return text.format(place=self.cell.here, places=self.cell.here, **common)

    def count_more(self, count: int) -> str:
        """Say that there are so many places more."""
        return self._count(self.more, count)

    def _prefix(self, message: Message) -> str:
        return self.status[message.status] + self.kind[message.msg_type]

    def _time(self, place: PlaceWarning) -> dict[str, str]:
        seconds = min(int(place.lead_s), _MOST_SECONDS)
        return {"seconds": str(seconds), "duration": self._count(self.seconds, max(seconds, 0))}

    def _count(self, forms: dict[Category, str], count: int) -> str:
        return forms[plurals.category(self.plural, count)].format(count=count)

    def _number(self, value: float, decimals: int) -> str:
        return f"{value:.{decimals}f}".replace(".", self.decimal)

    def _place_name(self, message: Message, place: PlaceWarning) -> str:
        """Call a place by its name here; one across the border with its country."""
        name = names.place_name(place.geonameid, self.language, place.name)
        if place.country == message.country:
            return name
        country = names.country_name(place.country, self.language)
        return self.area.foreign.format(place=name, country=country)

    def _places(self, message: Message, places: Sequence[PlaceWarning]) -> list[str]:
        return [
            (self.description.ahead if _is_ahead(place) else self.description.begun).format(
                place=self._place_name(message, place),
                intensity=self._number(place.intensity, 1),
                **self._time(place),
            )
            for place in places
        ]


def _is_ahead(place: PlaceWarning) -> bool:
    return place.lead_s >= 1.0


def _foremost(message: Message) -> PlaceWarning:
    """Return the largest place of the country that has time left, or else the largest."""
    order: tuple[Callable[[PlaceWarning], bool], ...] = (
        lambda place: place.country == message.country and _is_ahead(place),
        _is_ahead,
        lambda place: place.country == message.country,
    )
    for wanted in order:
        for place in message.places:
            if wanted(place):
                return place
    return message.places[0]


def _degree(intensity: float) -> str:
    """Name of the nearest whole degree in the texts."""
    return str(min(max(int(intensity + 0.5), 1), 12))


def _texts(values: dict[str, object], path: str = "") -> Iterator[tuple[str, str]]:
    """All texts with the path of keys to each."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _texts(value, f"{path}{key}.")
        elif isinstance(value, str) and path:
            yield path + key, value


@cache
def load(language: str) -> Wording:
    """Read the texts of a language by its code.

    Raises
    ------
    FileNotFoundError
        If there is no such language.
    msgspec.ValidationError
        If a text is missing or unknown, or has a name in braces that nothing is filled in for.
    """
    text = (importlib.resources.files("dispatch") / "texts" / f"{language}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Wording)
