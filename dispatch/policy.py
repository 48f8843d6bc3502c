"""Who is to be told what about an earthquake: decisions without state."""

import re
from collections.abc import Collection, Iterator
from typing import Protocol

import numpy as np
from msgspec import Struct

from detect.events import Earthquake
from detect.shaking import intensity, radius_km
from dispatch.messages import Certainty, Message, PlaceWarning, Severity
from dispatch.places import Places
from dispatch.settings import DispatchSettings, Policy
from stream.errors import AlatauError

__all__ = [
    "SHAKING_LASTS_S",
    "Expected",
    "ImpossibleEventError",
    "STravelTimes",
    "certainty",
    "check",
    "expected",
    "is_due",
    "severity",
    "shaken",
    "stands",
]

SHAKING_LASTS_S = 60.0
"""For so long after the S wave a warning is still of use: shaking has begun."""

_NAME = re.compile(r"[A-Za-z0-9.\-]+")
_SEVERITIES: tuple[tuple[float, Severity], ...] = (
    (7.5, "Extreme"),  # VIII: buildings are destroyed
    (5.5, "Severe"),  # VI: damage begins
    (4.5, "Moderate"),  # V: people are frightened, things fall
)


class ImpossibleEventError(AlatauError):
    """An event that no earthquake can be: off the globe, or known before it happened."""


class STravelTimes(Protocol):
    """What is needed of `detect.traveltimes.TravelTimes`."""

    def s(self, distance_km: float, depth_km: float) -> float:
        """Seconds from the origin to the first S arrival."""
        ...


class Shaken(Struct, frozen=True):
    """A place and the intensity there, before anyone decides on it."""

    index: int
    distance_km: float
    intensity: float


class Expected(Struct, frozen=True):
    """All places of one country that are to be told, largest first."""

    places: tuple[PlaceWarning, ...]
    farthest_km: float

    @property
    def max_intensity(self) -> float:
        """Highest intensity at any of them."""
        return max(place.intensity for place in self.places)


def check(event: Earthquake, now_us: int) -> None:
    """Refuse an event on which no decision may be made.

    Raises
    ------
    ImpossibleEventError
        Saying what is wrong with it.
    """
    magnitude = event.magnitude
    names = (event.id, event.magnitude_type or "none", event.superseded_by or "none")
    wrong = {
        f"a name of {names!r} is not of letters, digits, '.' and '-'": not all(
            map(_NAME.fullmatch, names)
        ),
        f"the epicentre {event.latitude}, {event.longitude} is not on the globe": not (
            abs(event.latitude) <= 90.0 and abs(event.longitude) <= 180.0
        ),
        f"the depth {event.depth_km} km is not within -10 to 800": not (
            -10.0 <= event.depth_km <= 800.0
        ),
        f"the magnitude {magnitude} is not within -3 to 11": magnitude is not None
        and not -3.0 <= magnitude <= 11.0,
        "it was known before it happened, or it happened before 1970": not (
            0 <= event.origin_time_us <= now_us
        ),
    }
    for problem, is_so in wrong.items():
        if is_so:
            raise ImpossibleEventError(problem)


def stands(event: Earthquake, policy: Policy, *, told: bool) -> bool | None:
    """Judge the event by status and magnitude.

    Returns
    -------
    bool or None
        True: people may be warned. False: they may not. None: the event says nothing now
        (it is provisional, or has no magnitude), and what has been told stays.
    """
    if event.magnitude is None or (
        event.status == "provisional" and policy.min_status == "confirmed"
    ):
        return None
    least = policy.min_magnitude - (policy.magnitude_hysteresis if told else 0.0)
    return event.magnitude >= least


def shaken(
    event: Earthquake, places: Places, settings: DispatchSettings
) -> dict[str, list[Shaken]]:
    """Find, by country, the places that any policy could want to tell.

    The magnitude must be known.
    """
    if event.magnitude is None:
        raise ValueError("no intensity without a magnitude")
    policies = [settings.policy, *map(settings.policy_for, settings.countries)]
    lowest = min(policy.min_intensity - policy.hysteresis for policy in policies)
    depth = max(event.depth_km, settings.min_depth_km)
    reach = radius_km(event.magnitude, lowest - 0.05, depth, settings.attenuation)
    index, distance = places.within(
        event.latitude, event.longitude, min(reach, settings.max_distance_km)
    )
    degree = np.round(intensity(event.magnitude, distance, depth, settings.attenuation), 1)
    found: dict[str, list[Shaken]] = {}
    for i, km, value in zip(index.tolist(), distance.tolist(), degree.tolist(), strict=True):
        found.setdefault(places.country[i], []).append(Shaken(i, km, value))
    return found


def is_of_use(place: PlaceWarning) -> bool:
    """Whether the place has not yet been shaken, or still shakes, when the message comes."""
    return place.lead_s > -SHAKING_LASTS_S


def expected(
    event: Earthquake,
    candidates: Collection[Shaken],
    places: Places,
    travel_times: STravelTimes,
    policy: Policy,
    told: Collection[int],
    now_us: int,
    channel_delay_s: float,
) -> Expected:
    """Choose the places of one country that are to be told.

    A place is told from `min_intensity` on while that is of use; one that has been told stays
    told down to `hysteresis` below.

    Parameters
    ----------
    candidates
        Of the country, from `shaken`.
    told
        Their geonameids, of those that have been told.
    """
    delay_us = round(channel_delay_s * 1e6)
    chosen: list[PlaceWarning] = []
    farthest = 0.0
    for place in candidates:
        identity = int(places.geonameid[place.index])
        was_told = identity in told
        if place.intensity < policy.min_intensity - (policy.hysteresis if was_told else 0.0):
            continue
        # The tables end at 300 km: deeper, S comes later than is told, which errs to the safe side.
        s_us = event.origin_time_us + round(
            travel_times.s(place.distance_km, max(event.depth_km, 0.0)) * 1e6
        )
        warning = PlaceWarning(
            geonameid=identity,
            name=places.name[place.index],
            country=places.country[place.index],
            latitude=float(places.latitude[place.index]),
            longitude=float(places.longitude[place.index]),
            population=int(places.population[place.index]),
            intensity=place.intensity,
            s_arrival_us=s_us,
            lead_s=(s_us - now_us - delay_us) // 100_000 / 10,
        )
        if was_told or is_of_use(warning):
            chosen.append(warning)
            farthest = max(farthest, place.distance_km)
    chosen.sort(key=lambda place: (-place.population, place.geonameid))
    return Expected(tuple(chosen), farthest)


def _differences(told: Message, now: Collection[PlaceWarning]) -> Iterator[tuple[float, float]]:
    """Degrees and seconds by which each place that can still use it differs from what was told."""
    before = {place.geonameid: place for place in told.places}
    for place in now:
        if is_of_use(place):
            old = before.get(place.geonameid)
            if old is None:
                yield float("inf"), float("inf")
            else:
                degrees = round(abs(place.intensity - old.intensity), 1)
                yield degrees, abs(place.s_arrival_us - old.s_arrival_us) / 1e6


def is_due(
    told: Message, places: Collection[PlaceWarning], event: Earthquake, policy: Policy
) -> bool:
    """Whether what is expected now differs so much from what was told that it must be said."""
    if told.certainty == "Possible" and event.status == "confirmed":
        return any(map(is_of_use, places))
    return any(
        degrees >= policy.update_intensity or seconds >= policy.update_seconds
        for degrees, seconds in _differences(told, places)
    )


def severity(max_intensity: float) -> Severity:
    """CAP severity of an MSK-64 intensity."""
    for least, name in _SEVERITIES:
        if max_intensity >= least:
            return name
    return "Minor"


def certainty(event: Earthquake, places: Collection[PlaceWarning]) -> Certainty:
    """CAP certainty: of what still comes at best Likely; Observed once S is everywhere."""
    if event.status != "confirmed":
        return "Possible"
    return "Observed" if all(place.lead_s <= 0.0 for place in places) else "Likely"
