"""The words of a warning, in one language: a file in `dispatch/texts/` for each."""

import importlib.resources
import tomllib
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
from msgspec import Struct

from dispatch.messages import Message, PlaceWarning
from dispatch.places import country_name

__all__ = ["Wording", "load"]

_DESCRIBED = 10  # a list that can be read in a hurry; the parameters hold all places
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    more: str
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


def _clock(time_us: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=time_us):%Y-%m-%d %H:%M:%S}"


def _degree(intensity: float) -> str:
    """Name of the nearest whole degree in the texts."""
    return str(min(max(int(intensity + 0.5), 1), 12))


class Wording(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts of one language, and how the facts of a message are put into them."""

    event: str
    status: dict[str, str]
    note: dict[str, str]
    degrees: dict[str, str]
    headline: _Headline
    description: _Description
    instruction: _Instruction
    area: _Area

    def headline_of(self, message: Message) -> str:
        """One line: the largest place that still has time, or else the largest."""
        prefix = self.status[message.status]
        if message.cancel_reason is not None:
            return prefix + str(getattr(self.headline, message.cancel_reason))
        ahead = [place for place in message.places if place.lead_s >= 1.0]
        place = (ahead or list(message.places))[0]
        return prefix + (self.headline.ahead if ahead else self.headline.begun).format(
            degree=self.degrees[_degree(place.intensity)],
            place=place.name,
            seconds=int(place.lead_s),
        )

    def description_of(self, message: Message) -> str:
        """Say what happened and what each of the largest places has to expect."""
        prefix = self.status[message.status]
        words = self.description
        origin = _clock(message.origin_time_us)
        if message.cancel_reason is not None:
            return prefix + str(getattr(words, message.cancel_reason)).format(origin=origin)
        magnitude = f"{message.magnitude:.1f}"
        if message.magnitude_saturated:
            magnitude = words.at_least.format(magnitude=magnitude)
        north = "N" if message.latitude >= 0 else "S"
        east = "E" if message.longitude >= 0 else "W"
        source = words.source.format(
            magnitude=magnitude,
            epicentre=f"{abs(message.latitude):.2f} {north} {abs(message.longitude):.2f} {east}",
            depth=f"{message.depth_km:.0f}",
            origin=origin,
        )
        described = [self._place(place) for place in message.places[:_DESCRIBED]]
        if (more := message.places_affected - len(described)) > 0:
            described.append(words.more.format(count=more))
        expected = words.expected.format(sent=_clock(message.sent_us), places="; ".join(described))
        return f"{prefix}{source} {expected} {words.estimates}"

    def _place(self, place: PlaceWarning) -> str:
        words = self.description.ahead if place.lead_s >= 1.0 else self.description.begun
        return words.format(
            place=place.name, intensity=f"{place.intensity:.1f}", seconds=int(place.lead_s)
        )

    def instruction_of(self, message: Message) -> str:
        """Say what to do now."""
        return str(getattr(self.instruction, message.cancel_reason or "warning"))

    def area_of(self, message: Message) -> str:
        """Name the country and its largest places that are warned."""
        more = message.places_affected - len(message.area_places)
        return (self.area.more if more > 0 else self.area.all).format(
            country=country_name(message.country),
            places=", ".join(message.area_places),
            count=more,
        )


@cache
def load(language: str) -> Wording:
    """Read the texts of a language by its code.

    Raises
    ------
    FileNotFoundError
        If there is no such language.
    msgspec.ValidationError
        If a text is missing or unknown.
    """
    text = (importlib.resources.files("dispatch") / "texts" / f"{language}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Wording)
