"""The places that warnings are made for: towns and cities as points.

From GeoNames (https://www.geonames.org), CC BY 4.0, by `dispatch.extract_places`: the
world's cities of 100,000 people and more, and in Kazakhstan, Kyrgyzstan, Tajikistan,
Turkmenistan and Uzbekistan every place of 1,000 and more. Points hold only part of the
people: those outside towns are reached by a warning's area, not by its list of places.
"""

import csv
import gzip
import importlib.resources
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from detect.geodesy import distances_km

__all__ = [
    "ATTRIBUTION",
    "COLUMNS",
    "COUNTRIES_FILE",
    "PLACES_FILE",
    "Places",
    "country_name",
    "country_population",
    "from_rows",
    "load",
]

ATTRIBUTION = "Extract of GeoNames, https://www.geonames.org, licence CC BY 4.0"
COLUMNS = ("geonameid", "name", "country", "latitude", "longitude", "population", "timezone")
COUNTRIES_FILE = "countries.csv"
PLACES_FILE = "places.csv.gz"

_KM_PER_DEGREE = 111.0  # a little under the sphere's 111.19: the band is never too narrow


@dataclass(frozen=True, eq=False)
class Places:
    """Places as arrays of one length, in the order of `geonameid`.

    Attributes
    ----------
    geonameid
        Identity at GeoNames, int64.
    name, country, timezone
        ASCII name, ISO 3166-1 two-letter code, IANA zone.
    latitude, longitude
        Degrees, float64.
    population
        People, int64.
    """

    geonameid: NDArray[np.int64]
    name: tuple[str, ...]
    country: tuple[str, ...]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    population: NDArray[np.int64]
    timezone: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.name)

    def zone_of(self, geonameid: int) -> str:
        """IANA zone of a place by its identity.

        Raises
        ------
        KeyError
            If it is not among them.
        """
        index = int(np.searchsorted(self.geonameid, geonameid))
        if index == len(self) or self.geonameid[index] != geonameid:
            raise KeyError(geonameid)
        return self.timezone[index]

    def within(
        self, latitude: float, longitude: float, radius_km: float
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Find the places around a point.

        Returns
        -------
        index
            Of the places within the radius, growing.
        distance_km
            Their great-circle distances from the point.
        """
        band = np.flatnonzero(np.abs(self.latitude - latitude) <= radius_km / _KM_PER_DEGREE)
        distance = distances_km(latitude, longitude, self.latitude[band], self.longitude[band])
        near = distance <= radius_km
        return band[near], distance[near]


def from_rows(rows: Sequence[Sequence[str]]) -> Places:
    """Make places from rows of text in the order of `COLUMNS`.

    Raises
    ------
    ValueError
        If a row is short, a number is none, or a place is not on the globe.
    """
    ordered = sorted(rows, key=lambda row: int(row[0]))
    columns = [tuple(column) for column in zip(*ordered, strict=True)] or [()] * len(COLUMNS)
    identity, name, country, latitude, longitude, population, timezone = columns
    places = Places(
        geonameid=np.array(identity, np.int64),
        name=name,
        country=country,
        latitude=np.array(latitude, np.float64),
        longitude=np.array(longitude, np.float64),
        population=np.array(population, np.int64),
        timezone=timezone,
    )
    if not (np.all(np.abs(places.latitude) <= 90) and np.all(np.abs(places.longitude) <= 180)):
        raise ValueError("a place is not on the globe")
    return places


def _rows(text: str) -> list[list[str]]:
    """Rows of a CSV without its comment and its header."""
    lines = [line for line in io.StringIO(text) if not line.startswith("#")]
    return list(csv.reader(lines))[1:]


@cache
def load() -> Places:
    """Read the places that ship with the package."""
    packed = (importlib.resources.files("dispatch") / PLACES_FILE).read_bytes()
    return from_rows(_rows(gzip.decompress(packed).decode("ascii")))


@cache
def _countries() -> dict[str, tuple[str, int]]:
    """Name and population by code."""
    text = (importlib.resources.files("dispatch") / COUNTRIES_FILE).read_text("ascii")
    return {code: (name, int(population)) for code, name, population in _rows(text)}


def countries() -> tuple[str, ...]:
    """Return the ISO 3166-1 codes of all countries with places."""
    return tuple(_countries())


def country_name(code: str) -> str:
    """English name of a country by its ISO 3166-1 code; the code itself if unknown."""
    return _countries()[code][0] if code in _countries() else code


def country_population(code: str) -> int | None:
    """People of a country as GeoNames counts them; None if it is unknown or has none."""
    return (_countries()[code][1] or None) if code in _countries() else None
