"""The contract of the topic `events` for hazards other than earthquakes.

Times are microseconds since 1970 UTC.
"""

from typing import Literal

from msgspec import Struct

__all__ = ["Hazard", "HazardEvent", "HazardStatus", "Reached", "SensorSaid"]

Hazard = Literal[
    "flood",
    "flash flood",
    "lake outburst",
    "dam break",
    "debris flow",
    "landslide",
    "heavy rain",
    "radioactive release",
    "chemical release",
    "sensor silent",
]
HazardStatus = Literal["provisional", "confirmed", "cancelled", "over"]


class SensorSaid(Struct, frozen=True, kw_only=True):
    """A sensor, or a seismic station, that speaks for an event.

    Attributes
    ----------
    sensor
        Its id.
    since_us
        From when on it says so.
    value, unit
        The reading that counts, in the unit of its threshold.
    threshold
        What it crossed.
    source
        Where the threshold is from.
    """

    sensor: str
    since_us: int
    value: float
    unit: str
    threshold: float
    source: str = ""


class Reached(Struct, frozen=True, kw_only=True):
    """A place, and when it is reached.

    Attributes
    ----------
    place, country, latitude, longitude, population
        Name; ISO 3166-1 code of two letters; degrees; people, 0 if not known.
    reach
        Of the valley graph; empty for a place at the source itself.
    earliest_us, expected_us, latest_us
        The window of arrival.
    passed_us
        When a sensor there saw it; None before.
    """

    place: str
    country: str
    latitude: float
    longitude: float
    population: int = 0
    reach: str = ""
    earliest_us: int
    expected_us: int
    latest_us: int
    passed_us: int | None = None


class HazardEvent(Struct, frozen=True, kw_only=True, tag_field="kind", tag="hazard"):
    """One revision of an event of another hazard.

    Attributes
    ----------
    id
        A function of the hazard, of the basin, and of the first reading; letters, digits, ``.``
        and ``-``.
    revision
        0, 1, 2 ... for one id.
    status
        ``provisional`` (one sensor, or only a prior), ``confirmed``, ``cancelled`` (is nothing),
        ``over`` (has passed).
    hazard
        What it is.
    level
        1 watch, 2 warning, 3 alarm: the top level. A watch is for those on duty, not for people.
    severity, certainty
        As in CAP.
    updated_us
        Arrival time of the data that made this revision.
    onset_us, onset_sigma_s
        When it began at the source, and how well that is known.
    basin, latitude, longitude
        Where: name of the basin, lake or dam, and the point in it.
    sensors
        Those that speak for it.
    places
        Who is reached, and when; the nearest in time first.
    causes
        Ids of the events that raised it: an earthquake, an outburst upstream.
    reason
        Why this revision was made, for people.
    goes_on
        Whether what is `over` here has only lasted long, and goes on as another event.
    """

    version: int = 1
    id: str
    revision: int
    status: HazardStatus
    hazard: Hazard
    level: Literal[1, 2, 3]
    severity: Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
    certainty: Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"]
    region: str
    updated_us: int
    onset_us: int
    onset_sigma_s: float
    basin: str
    latitude: float
    longitude: float
    sensors: tuple[SensorSaid, ...]
    places: tuple[Reached, ...] = ()
    causes: tuple[str, ...] = ()
    reason: str
    goes_on: bool = False
