"""Who is to be told what about an earthquake: decisions without state."""

import re
from collections.abc import Collection, Iterator
from typing import Protocol

from msgspec import Struct

from detect.events import Earthquake
from dispatch.geography import routes
from dispatch.joined import ShakingField
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

LEAST_STATIONS = 2  # that a magnitude rests on, and that have felt a small earthquake

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
    """All places of which one country is to be told, largest first."""

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
        "a rupture or a station that is not on the globe": any(
            not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0)
            for latitude, longitude in (
                *event.rupture,
                *((s.latitude, s.longitude) for s in event.shaking),
            )
        ),
        "shaking that is not within 0 to 12": any(
            not 0.0 <= s.intensity <= 12.0 for s in event.shaking
        ),
        "it was known before it happened, or it happened before 1970": not (
            0 <= event.origin_time_us <= now_us
        ),
    }
    for problem, is_so in wrong.items():
        if is_so:
            raise ImpossibleEventError(problem)


def stands(event: Earthquake, policy: Policy, *, told: bool) -> bool | None:
    """Judge the event by status, magnitude, and what has been felt of it.

    A magnitude from one station warns nobody. Below `felt_magnitude` nobody is warned before
    two stations have felt the S wave: small earthquakes do no harm at a distance at which there
    is time to wait, and the formulas of intensity, made from what people felt, are too high for
    those that nobody felt. One that may be larger than has been seen yet does not wait.

    Returns
    -------
    bool or None
        True: people may be warned. False: they may not. None: the event says nothing now
        (it is provisional, or has no magnitude, or has not been felt), and what has been told
        stays.
    """
    if event.magnitude is None or (
        event.status == "provisional" and policy.min_status == "confirmed"
    ):
        return None
    least = policy.min_magnitude - (policy.magnitude_hysteresis if told else 0.0)
    if event.magnitude < least:
        return False
    small = event.magnitude < policy.felt_magnitude and not event.magnitude_saturated
    not_felt = small and sum(s.has_s for s in event.shaking) < LEAST_STATIONS
    if event.magnitude_stations < LEAST_STATIONS or (not_felt and not told):
        return None
    return True


def shaken(
    event: Earthquake, places: Places, settings: DispatchSettings
) -> dict[str, list[Shaken]]:
    """Find, by country, the places that any policy could want to tell.

    A place near a border is among those of both sides. The magnitude must be known.
    """
    told = routes(places, settings.border_tolerance_km)
    policies = [settings.policy, *map(settings.policy_for, settings.countries)]
    lowest = min(policy.min_intensity - policy.hysteresis for policy in policies)
    index, distance, degree = ShakingField.of(event, settings).places(places, lowest)
    found: dict[str, list[Shaken]] = {}
    for i, km, value in zip(index, distance.tolist(), degree.tolist(), strict=True):
        for country in told[i]:
            found.setdefault(country, []).append(Shaken(i, km, value))
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
