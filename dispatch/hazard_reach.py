"""Whom an event of another hazard reaches: places by country, their names and their clocks."""

from collections.abc import Iterable
from functools import lru_cache

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detect.geodesy import distances_km
from detect.hazard_events import HazardEvent, Reached
from dispatch import geography
from dispatch.hazard_messages import ReachedPlace
from dispatch.local_time import zones_of
from dispatch.places import Places

__all__ = ["Reach", "Surroundings"]

SAME_PLACE_KM = 10.0
"""A place of the same name so near is the one that GeoNames has."""


class Reach(Struct):
    """Of which places a country is told, and which of them its area holds."""

    listed: list[Reached] = msgspec.field(default_factory=list)
    near: list[Reached] = msgspec.field(default_factory=list)


class Surroundings:
    """The places and countries around events.

    Parameters
    ----------
    places
        Whose names and time zones are known.
    tolerance_km
        A point within it of another country is told to that country too.
    """

    def __init__(self, places: Places, tolerance_km: float) -> None:
        self._places = places
        self._tolerance_km = tolerance_km
        self._own = _by_country(places)

    def reached(self, event: HazardEvent) -> dict[str, Reach]:
        """Find, by country, the places of which it is told, its own first.

        The countries at whose side it began are told of all places, wherever they are.
        """
        tolerance_km = self._tolerance_km
        at_source = _countries(event.latitude, event.longitude, tolerance_km)
        found: dict[str, Reach] = {country: Reach() for country in at_source}
        for place in _distinct(event.places):
            near = {place.country, *_countries(place.latitude, place.longitude, tolerance_km)}
            for country in sorted(near | set(at_source)):
                reach = found.setdefault(country, Reach())
                reach.listed.append(place)
                if country in near:
                    reach.near.append(place)
        for country, reach in found.items():
            reach.listed.sort(key=lambda place: place.country != country)
        return found

    def place(self, place: Reached) -> ReachedPlace:
        """Return the place as messages have it."""
        return ReachedPlace(
            geonameid=self._identity(place.place, place.country, place.latitude, place.longitude),
            name=place.place,
            country=place.country,
            latitude=place.latitude,
            longitude=place.longitude,
            population=place.population,
            earliest_us=place.earliest_us,
            expected_us=place.expected_us,
            latest_us=place.latest_us,
            passed_us=place.passed_us,
        )

    def _identity(self, name: str, country: str, latitude: float, longitude: float) -> int:
        """Which place of GeoNames it is; 0 if none."""
        index, _ = self._places.within(latitude, longitude, SAME_PLACE_KM)
        for i in index.tolist():
            is_same = self._places.name[i].casefold() == name.strip().casefold()
            if is_same and self._places.country[i] == country:
                return int(self._places.geonameid[i])
        return 0

    def zone(self, latitude: float, longitude: float, country: str) -> str:
        """IANA zone of the country's place that is nearest to a point; UTC if it has none.

        Places in an exclave may have the zone of the land around it, which is not the time
        that their country keeps there.
        """
        own = self._own.get(country)
        if own is None:
            return "UTC"
        places = self._places
        far = distances_km(latitude, longitude, places.latitude[own], places.longitude[own])
        return places.timezone[int(own[np.argmin(far)])]


def _by_country(places: Places) -> dict[str, NDArray[np.intp]]:
    """Index the places of each country that keep a time of that country."""
    found: dict[str, list[int]] = {}
    for i, (country, name) in enumerate(zip(places.country, places.timezone, strict=True)):
        if name in zones_of(country):
            found.setdefault(country, []).append(i)
    return {country: np.array(index) for country, index in found.items()}


def _distinct(places: Iterable[Reached]) -> list[Reached]:
    """Places in the order of arrival; of those of one name in one country the first."""
    found: dict[tuple[str, str], Reached] = {}
    for place in sorted(places, key=lambda p: (p.expected_us, p.place, p.country)):
        found.setdefault((place.place, place.country), place)
    return list(found.values())


@lru_cache(maxsize=4096)
def _countries(latitude: float, longitude: float, tolerance_km: float) -> tuple[str, ...]:
    """Countries that a point is in, or within the tolerance of."""
    return tuple(geography.load().within(latitude, longitude, tolerance_km))
