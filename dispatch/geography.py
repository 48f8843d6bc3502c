"""Which country a point is in, and how far it is from the others.

Polygons of Natural Earth 5.1.1 at 1:10 million (https://www.naturalearthdata.com, public
domain), by `dispatch.extract_borders`: Kazakhstan, Kyrgyzstan, Tajikistan, Turkmenistan and
Uzbekistan and a degree round them as exact as the source, the rest of the world to about two
kilometres. The source itself is good to some kilometres: eight of the 708 places of the region
lie across the border from their country, up to 2.2 km. So no decision rests on a border
alone: a place belongs to the country that GeoNames gives it, and countries within a tolerance
of it are told as well.

Geometries are shapely's in degrees, x the longitude and y the latitude.
"""

import csv
import gzip
import importlib.resources
import io
import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon, STRtree
from shapely.geometry.base import BaseGeometry

from dispatch.places import Places

__all__ = [
    "ATTRIBUTION",
    "BORDERS_FILE",
    "DRAWN_AHEAD",
    "UNITS_PER_DEGREE",
    "Countries",
    "cover",
    "load",
    "routes",
]

ATTRIBUTION = "Made with Natural Earth 5.1.1, https://www.naturalearthdata.com, public domain"
BORDERS_FILE = "borders.csv.gz"
UNITS_PER_DEGREE = 10_000

DRAWN_AHEAD = frozenset({"AF", "CN", "IR", "KG", "KZ", "RU", "TJ", "TM", "UZ"})
"""Countries of which the `cover` is drawn at the start, in a second; that of another country
with its first warning, in a tenth."""

_KM_PER_DEGREE = 111.195
_BAND_DEGREES = 5.0
_COARSER_KM = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)


@dataclass(frozen=True, eq=False)
class Countries:
    """Countries with their polygons.

    Attributes
    ----------
    codes
        ISO 3166-1 two-letter codes, in order.
    shapes
        Their polygons, prepared for many questions.
    tree
        Index of their bounds.
    """

    codes: tuple[str, ...]
    shapes: tuple[MultiPolygon, ...]
    tree: STRtree

    def shape(self, code: str) -> MultiPolygon | None:
        """Return the polygons of a country; None if the extract does not have it."""
        return self.shapes[self.codes.index(code)] if code in self.codes else None

    def at(self, latitude: float, longitude: float) -> str | None:
        """Return the country of a point, the first by code on a border; None at sea."""
        point = shapely.Point(longitude, latitude)
        candidates: list[int] = sorted(self.tree.query(point).tolist())
        for i in candidates:
            if shapely.intersects(self.shapes[i], point):
                return self.codes[i]
        return None

    def within(self, latitude: float, longitude: float, radius_km: float) -> dict[str, float]:
        """Find the countries that begin within a distance of a point.

        Parameters
        ----------
        latitude, longitude
            Degrees.
        radius_km
            Up to about 100: the distance is of a plane about the point. It is not measured
            across the date line.

        Returns
        -------
        dict
            Kilometres to each of them by code, 0 inside, by code.
        """
        box = _box(latitude, longitude, radius_km)
        found = {}
        for i in sorted(self.tree.query(shapely.box(*box)).tolist()):
            near = shapely.clip_by_rect(self.shapes[i], *box)
            km = _distance_km(near, latitude, longitude)
            if km <= radius_km:
                found[self.codes[i]] = km
        return found


def _box(latitude: float, longitude: float, radius_km: float) -> tuple[float, float, float, float]:
    """West, south, east and north of a box that holds the circle."""
    high = max(radius_km, 0.001) / _KM_PER_DEGREE * 1.01
    wide = high / max(math.cos(math.radians(min(abs(latitude) + high, 89.0))), 0.017)
    return longitude - wide, latitude - high, longitude + wide, latitude + high


def _distance_km(near: BaseGeometry, latitude: float, longitude: float) -> float:
    if near.is_empty:
        return math.inf
    scale = np.array([math.cos(math.radians(latitude)), 1.0]) * _KM_PER_DEGREE
    flat = shapely.transform(near, lambda points: (points - (longitude, latitude)) * scale)
    return float(shapely.distance(flat, shapely.Point(0.0, 0.0)))


def _polygons(text: str) -> dict[str, list[Polygon]]:
    """Polygons of each country from the rows of the extract."""
    csv.field_size_limit(1 << 24)
    lines = [line for line in io.StringIO(text) if not line.startswith("#")]
    rings: dict[tuple[str, int], list[NDArray[np.float64]]] = defaultdict(list)
    for code, part, _, steps in list(csv.reader(lines))[1:]:
        units = np.fromstring(steps, np.int64, sep=" ").reshape(-1, 2).cumsum(axis=0)
        rings[code, int(part)].append(units / UNITS_PER_DEGREE)
    polygons: dict[str, list[Polygon]] = defaultdict(list)
    for (code, _), (shell, *holes) in rings.items():
        polygons[code].append(Polygon(shell, holes))
    return polygons


@cache
def load() -> Countries:
    """Read the countries that ship with the package."""
    packed = (importlib.resources.files("dispatch") / BORDERS_FILE).read_bytes()
    polygons = _polygons(gzip.decompress(packed).decode("ascii"))
    codes = tuple(sorted(polygons))
    shapes = tuple(MultiPolygon(polygons[code]) for code in codes)
    shapely.prepare(shapes)
    return Countries(codes, shapes, STRtree(shapes))


@cache
def cover(code: str, tolerance_km: float) -> tuple[BaseGeometry, ...]:
    """Cover a country, and what is within a tolerance of it, ever more coarsely.

    A warning's polygon may have few points and must leave nobody out, so it is cut along a
    line outside the border that is drawn beforehand, rather than simplified afterwards.

    Returns
    -------
    tuple
        Polygons without holes, fine first; each holds the country and `tolerance_km` round
        it, up to the date line. Empty if the extract does not have the country.
    """
    country = load().shape(code)
    if country is None:
        return ()
    world = shapely.box(-180.0, -90.0, 180.0, 90.0)
    covers = []
    grown_km, last = 0.0, country
    for coarser_km in _COARSER_KM:
        # Each is made of the one before, which has far fewer points than the country.
        grown = _grown(last, tolerance_km - grown_km + coarser_km)
        plain = shapely.simplify(grown, coarser_km / _KM_PER_DEGREE)
        last = shapely.union_all([Polygon(part.exterior) for part in shapely.get_parts(plain)])
        grown_km = tolerance_km
        covers.append(shapely.intersection(last, world))
    return tuple(covers)


def _grown(country: BaseGeometry, by_km: float) -> BaseGeometry:
    """Grow a country by at least a distance, band by band of latitude.

    In each band a degree of longitude is taken as short as it is at the band's polar edge.
    """
    west, south, east, north = country.bounds
    first, last = math.floor(south / _BAND_DEGREES), math.ceil(north / _BAND_DEGREES)
    bands = []
    for number in range(first, last):
        low, high = number * _BAND_DEGREES, (number + 1) * _BAND_DEGREES
        piece = shapely.clip_by_rect(country, west, low, east, high)
        if piece.is_empty:
            continue
        poleward = min(max(abs(low), abs(high)) + by_km / _KM_PER_DEGREE, 89.0)
        scale = np.array([math.cos(math.radians(poleward)), 1.0])
        flat = shapely.buffer(shapely.transform(piece, lambda p, s=scale: p * s), _degrees(by_km))
        bands.append(shapely.transform(flat, lambda p, s=scale: p / s))
    return shapely.union_all(bands)


def _degrees(km: float) -> float:
    """Degrees of latitude, a little more: an arc is drawn by chords, 1 % inside at most."""
    return km / _KM_PER_DEGREE * 1.01


@lru_cache(maxsize=8)
def routes(places: Places, tolerance_km: float) -> tuple[tuple[str, ...], ...]:
    """Say which countries are told of each place: its own, then those within a tolerance.

    Returns
    -------
    tuple
        Of the length of `places`; the others of each place in the order of their codes.
    """
    countries = load()
    others: list[list[str]] = [[] for _ in range(len(places))]
    if tolerance_km > 0.0 and len(places):
        boxes = np.array(
            [
                _box(a, b, tolerance_km)
                for a, b in zip(places.latitude.tolist(), places.longitude.tolist(), strict=True)
            ]
        )
        box = shapely.box(*boxes.T)
        place, country = countries.tree.query(box)
        foreign = np.array(countries.codes)[country] != np.array(places.country)[place]
        place, country = place[foreign], country[foreign]
        touched = shapely.intersects(np.array(countries.shapes, dtype=object)[country], box[place])
        for i in sorted(set(place[touched].tolist())):
            near = countries.within(
                float(places.latitude[i]), float(places.longitude[i]), tolerance_km
            )
            others[i] = [code for code in near if code != places.country[i]]
    return tuple((own, *more) for own, more in zip(places.country, others, strict=True))
