"""Who is to be told what about an earthquake: decisions without state."""

import math
import re
from collections.abc import Collection
from typing import Protocol

from msgspec import Struct

from detect.events import Earthquake
from detect.shaking import intensity, sigma
from dispatch.joined import ShakingField
from dispatch.messages import Certainty, Message, PlaceWarning, Severity
from dispatch.places import Places
from dispatch.settings import Policy
from stream.errors import AlatauError

__all__ = [
    "Difference",
    "Expected",
    "ImpossibleEventError",
    "STravelTimes",
    "Shaken",
    "certainty",
    "check",
    "difference",
    "exceedance",
    "expected",
    "is_of_use",
    "severity",
]

_MAGNITUDE_STEP = 0.05
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


def is_of_use(place: PlaceWarning, policy: Policy) -> bool:
    """Whether so much time is left that the place is told, or it still shakes."""
    return place.lead_s > policy.min_lead_s


def exceedance(event: Earthquake, field: ShakingField, place: Shaken, level: float) -> float:
    """Return the probability that the intensity at a place is at least a level.

    The intensity is taken as normal about what is expected: with the spread of the formula for
    one observation (`detect.shaking.sigma`), and that of the magnitude, as far as the formula
    hangs on it there. The uncertainty of the place of the source is not in it.
    """
    attenuation = field.settings.attenuation
    low, high = (
        intensity(field.magnitude + step, place.distance_km, field.depth_km, attenuation)
        for step in (-_MAGNITUDE_STEP, _MAGNITUDE_STEP)
    )
    by_magnitude = (high - low) / (2 * _MAGNITUDE_STEP) * (event.magnitude_sigma or 0.0)
    spread = math.hypot(sigma(place.distance_km, field.depth_km, attenuation), by_magnitude)
    return 0.5 * math.erfc((level - place.intensity) / (spread * math.sqrt(2.0)))


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
        Of the country.
    places
        Where they are from.
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
        if was_told or is_of_use(warning, policy):
            chosen.append(warning)
            farthest = max(farthest, place.distance_km)
    chosen.sort(key=lambda place: (-place.population, place.geonameid))
    return Expected(tuple(chosen), farthest)


class Difference(Struct, frozen=True):
    """By how much what is expected now differs from what was told, where it is still of use.

    Attributes
    ----------
    is_new
        Whether there is a place that was not told.
    degrees, seconds
        Largest difference of intensity, and of the arrival of S.
    is_worse
        Whether a place is new, or worse off by as much as makes an update due.
    is_due
        Whether it must be said.
    """

    is_new: bool
    degrees: float
    seconds: float
    is_worse: bool
    is_due: bool


def difference(
    told: Message, places: Collection[PlaceWarning], event: Earthquake, policy: Policy
) -> Difference:
    """Compare what is expected now with what was told."""
    before = {place.geonameid: place for place in told.places}
    useful = [place for place in places if is_of_use(place, policy)]
    known = [(before[p.geonameid], p) for p in useful if p.geonameid in before]
    grown = [round(now.intensity - old.intensity, 1) for old, now in known]
    later = [(now.s_arrival_us - old.s_arrival_us) / 1e6 for old, now in known]
    is_new = len(known) < len(useful)
    degrees = max(map(abs, grown), default=0.0)
    seconds = max(map(abs, later), default=0.0)
    is_sure_now = told.certainty == "Possible" and event.status == "confirmed" and bool(useful)
    return Difference(
        is_new=is_new,
        degrees=degrees,
        seconds=seconds,
        is_worse=is_new
        or is_sure_now
        or max(grown, default=0.0) >= policy.update_intensity
        or min(later, default=0.0) <= -policy.update_seconds,
        is_due=is_new
        or is_sure_now
        or degrees >= policy.update_intensity
        or seconds >= policy.update_seconds,
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
