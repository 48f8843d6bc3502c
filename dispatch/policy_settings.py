"""What a policy says: when an audience is told, of how much, and how often.

`Policy` is complete. `Wanted` is what a country or an audience wants otherwise; see
`dispatch.audiences` for which goes before which.
"""

import difflib
from functools import cache
from typing import Annotated, Literal

from msgspec import Meta, field

from dispatch import places
from dispatch.names import Language
from stream.settings import Settings

__all__ = [
    "AudienceKind",
    "AudienceName",
    "AudiencePolicy",
    "CountryCode",
    "CountryPolicy",
    "Policy",
    "Site",
    "Wanted",
]

AudienceKind = Literal["public", "civil-protection", "operator", "machine"]
AudienceName = Annotated[
    str,
    Meta(pattern="^[A-Za-z0-9-]{1,60}$", description="Name of an audience"),
]
CountryCode = Annotated[
    str, Meta(pattern="^[A-Z]{2}$", description="ISO 3166-1 code of two capital letters")
]
_Status = Literal["Test", "Exercise", "Actual"]
_Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_MinStatus = Literal["provisional", "confirmed"]
_Intensity = Annotated[float, Meta(ge=2.0, le=12.0)]
_Magnitude = Annotated[float, Meta(ge=0.0, le=9.0)]
_Hysteresis = Annotated[float, Meta(ge=0.0, le=2.0)]
_Step = Annotated[float, Meta(ge=0.1, le=5.0)]
_Shift = Annotated[float, Meta(ge=0.5)]
_Life = Annotated[int, Meta(ge=360, le=86_400)]
_Count = Annotated[int, Meta(ge=1, le=500)]
_Stations = Annotated[int, Meta(ge=1, le=100)]
_Sigma = Annotated[float, Meta(gt=0.0, le=10.0)]
_Probability = Annotated[float, Meta(ge=0.0, lt=1.0)]
_Lead = Annotated[float, Meta(ge=-60.0, le=600.0)]
_Interval = Annotated[float, Meta(ge=0.0, le=3600.0)]
_Delay = Annotated[float, Meta(ge=0.0, le=600.0)]
_Hours = tuple[
    Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")], ...
]
_Weekdays = tuple[_Weekday, ...]
_Statuses = Annotated[tuple[_Status, ...], Meta(min_length=1)]
_Release = Literal["automatic", "two people"]
_Languages = Annotated[tuple[Language, ...], Meta(min_length=1, max_length=7)]


class Policy(Settings, frozen=True):
    """When people are warned, and of how much.

    The defaults for intensity and magnitude are those that tell apart the region's reference
    earthquakes: Wushi 2024 (Mw 7.0, 264 km from Almaty) must be told there, where the
    formula gives 4.3; Almaty of 2025-09-21 (M 3.8, 12 km, not felt) must not, and the
    formula gives 4.3 for it too: its magnitude keeps it back, and that two stations must have
    felt it, which then bring the formula down.
    """

    min_intensity: Annotated[
        _Intensity, Meta(description="A place is warned from this MSK-64 intensity on")
    ] = 4.0
    min_probability: Annotated[
        _Probability,
        Meta(
            description="A place is warned if min_intensity is reached there with this probability "
            "at least, by the spread of the formula and of the magnitude; up to 0.5 it adds nothing"
        ),
    ] = 0.0
    min_magnitude: Annotated[_Magnitude, Meta(description="No warning below this magnitude")] = 4.5
    min_magnitude_stations: Annotated[
        _Stations, Meta(description="Stations that the magnitude must rest on")
    ] = 2
    max_magnitude_sigma: Annotated[
        _Sigma,
        Meta(description="No first warning while the magnitude is less certain (one sigma)"),
    ] = 10.0
    felt_magnitude: Annotated[
        _Magnitude,
        Meta(
            description="Below this magnitude nobody is warned before two stations have felt the "
            "S wave"
        ),
    ] = 5.5
    min_status: Annotated[
        _MinStatus,
        Meta(description="What an event must be; `provisional` ones may be nothing at all"),
    ] = "confirmed"
    min_lead_s: Annotated[
        _Lead,
        Meta(
            description="A place is first warned while more seconds than these are left to the S "
            "wave, the channel's delay taken off; below 0: it may have been shaking so long"
        ),
    ] = -60.0
    statuses: Annotated[
        _Statuses,
        Meta(description="CAP statuses that are sent to it: keeps tests from the public"),
    ] = ("Test", "Exercise", "Actual")
    hours: Annotated[
        _Hours,
        Meta(
            description="Local times in which a first warning is given, as 08:00-18:00, also over "
            "midnight; none is all day. Updates and corrections come at all times"
        ),
    ] = ()
    weekdays: Annotated[
        _Weekdays,
        Meta(description="Days on which those hours begin; none is every day"),
    ] = ()
    release: Annotated[
        _Release,
        Meta(description="Whether messages go out by themselves, or two people release the first"),
    ] = "automatic"
    hysteresis: Annotated[
        _Hysteresis,
        Meta(
            description="A place once warned stays so down to this many degrees below min_intensity"
        ),
    ] = 0.5
    magnitude_hysteresis: Annotated[
        _Hysteresis,
        Meta(description="A warning once given stands down to this much below min_magnitude"),
    ] = 0.3
    update_intensity: Annotated[
        _Step,
        Meta(
            description="An update is due when the intensity at a place differs by so many degrees"
        ),
    ] = 0.5
    update_seconds: Annotated[
        _Shift, Meta(description="An update is due when the S wave differs by so many seconds")
    ] = 3.0
    update_interval_s: Annotated[
        _Interval,
        Meta(
            description="Least seconds from a message to an update that tells of nothing worse. It "
            "then comes with the next revision of the event, if there is one"
        ),
    ] = 0.0
    expires_s: Annotated[
        _Life,
        Meta(description="Seconds until a message expires; more than S takes to the last place"),
    ] = 600
    max_places: Annotated[
        _Count,
        Meta(description="Places listed in one message, the largest first; its circle holds all"),
    ] = 50


_SAME = Meta(description="As in the common policy")


class Wanted(Settings, frozen=True):
    """What is wanted otherwise; what is left out is as it was."""

    enabled: Annotated[bool | None, Meta(description="Whether it is told at all")] = None
    languages: Annotated[
        _Languages | None, Meta(description="Languages of each message, in this order")
    ] = None
    channel_delay_s: Annotated[
        _Delay | None, Meta(description="Seconds that the way to it takes; off every lead time")
    ] = None
    min_intensity: Annotated[_Intensity | None, _SAME] = None
    min_probability: Annotated[_Probability | None, _SAME] = None
    min_magnitude: Annotated[_Magnitude | None, _SAME] = None
    min_magnitude_stations: Annotated[_Stations | None, _SAME] = None
    max_magnitude_sigma: Annotated[_Sigma | None, _SAME] = None
    felt_magnitude: Annotated[_Magnitude | None, _SAME] = None
    min_status: Annotated[_MinStatus | None, _SAME] = None
    min_lead_s: Annotated[_Lead | None, _SAME] = None
    statuses: Annotated[_Statuses | None, _SAME] = None
    hours: Annotated[_Hours | None, _SAME] = None
    weekdays: Annotated[_Weekdays | None, _SAME] = None
    release: Annotated[_Release | None, _SAME] = None
    hysteresis: Annotated[_Hysteresis | None, _SAME] = None
    magnitude_hysteresis: Annotated[_Hysteresis | None, _SAME] = None
    update_intensity: Annotated[_Step | None, _SAME] = None
    update_seconds: Annotated[_Shift | None, _SAME] = None
    update_interval_s: Annotated[_Interval | None, _SAME] = None
    expires_s: Annotated[_Life | None, _SAME] = None
    max_places: Annotated[_Count | None, _SAME] = None

    def __post_init__(self) -> None:
        """Refuse a language that is named twice."""
        if self.languages is not None and len(set(self.languages)) < len(self.languages):
            raise ValueError("a language is named twice")


class CountryPolicy(Wanted, frozen=True):
    """What one country wants otherwise; what it leaves out is as in the common policy."""

    audiences: Annotated[
        dict[AudienceName, Wanted],
        Meta(description="By name of an audience, what it wants otherwise in this country"),
    ] = field(default_factory=dict)


class Site(Settings, frozen=True):
    """A plant, a bridge, a stretch of railway: a point that an audience is told of."""

    name: Annotated[str, Meta(description="Name for people", min_length=1, pattern=r"^\S.*$")]
    country: CountryCode
    latitude: Annotated[float, Meta(description="Degrees", ge=-84.0, le=84.0)]
    longitude: Annotated[float, Meta(description="Degrees", ge=-179.0, le=179.0)]


class AudiencePolicy(Wanted, frozen=True):
    """Someone who is told, and what they want otherwise.

    An audience named ``public``, ``civil-protection``, ``operator`` or ``machine`` is of that
    kind; any other is an operator unless it says what it is.
    """

    kind: Annotated[
        AudienceKind | None, Meta(description="What it is; by default as it is called")
    ] = None
    countries: Annotated[
        tuple[CountryCode, ...], Meta(description="Told of these countries; none is all")
    ] = ()
    addresses: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^\S+$")], ...],
        Meta(
            description="To whom, as CAP `addresses`, without spaces: one signed message goes to "
            "any number of recipients. By default its name"
        ),
    ] = ()
    sites: Annotated[
        tuple[Site, ...], Meta(description="Told of these points, and of no towns", max_length=500)
    ] = ()
    places: Annotated[
        tuple[str, ...], Meta(description="Told of these towns alone, by their names at GeoNames")
    ] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot both be."""
        super().__post_init__()
        if self.sites and self.places:
            raise ValueError("an audience has sites or places, not both")
        for name in sorted(set(self.places) - _towns()):
            close = difflib.get_close_matches(name, _towns(), n=1)
            raise ValueError(
                f"no town is called {name!r}" + (f": {close[0]!r} is" if close else "")
            )


@cache
def _towns() -> frozenset[str]:
    return frozenset(places.load().name)
