"""The area of a warning of a hazard: around its source and the places that it reaches.

Where it runs down a valley, each place is joined to the nearest of those that are reached before
it, the source first of all. The lines are straight: the event says which places are reached, not
where the channel bends between them. Whoever lives on a bend farther from the line than the
policy's width is outside the area, so a valley file should name places often enough.

Everything is drawn in kilometres on a plane about the source, which is exact to 1 % up to some
300 km from it.
"""

import math
from collections.abc import Sequence

import numpy as np
import shapely
from msgspec import Struct
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from detect.geodesy import distances_km
from detect.hazard_events import HazardEvent, Reached
from dispatch.hazard_policy import HazardPolicy
from dispatch.isoseismals import Ring, UnmappableError, cut

__all__ = ["HazardArea", "area", "holds"]

_KM_PER_DEGREE = 111.195
_WIDER = 1.02  # a circle is drawn by chords, and the plane is not the globe
_MAX_LATITUDE = 85.0


class HazardArea(Struct, frozen=True):
    """Polygons of one country, the circle that holds all, and why there are no polygons."""

    polygons: tuple[Ring, ...]
    radius_km: float
    refused: str | None = None


def area(
    event: HazardEvent,
    places: Sequence[Reached],
    country: str,
    policy: HazardPolicy,
    tolerance_km: float,
) -> HazardArea:
    """Draw where the people of a country are warned.

    Parameters
    ----------
    event
        With all its places: those of other countries may lie on the way.
    places
        Of which the country is told; each is in the area.
    country
        ISO 3166-1 code.
    tolerance_km
        How far over the border the area goes at least.
    """
    radius = _radius_km(event, places, policy)
    latitude = [place.latitude for place in places]
    longitude = [place.longitude for place in places]
    try:
        shape = _shape(event, policy)
        polygons = cut(shape, country, tolerance_km, latitude, longitude)
    except UnmappableError as error:
        return HazardArea((), radius, str(error))
    if not polygons:
        return HazardArea((), radius, "the area does not reach the country")
    return HazardArea(polygons, radius)


def holds(
    event: HazardEvent, policy: HazardPolicy, latitude: Sequence[float], longitude: Sequence[float]
) -> bool:
    """Whether one of some points is in the area; True where no area can be drawn."""
    try:
        shape = _shape(event, policy)
    except UnmappableError:
        return True
    return bool(np.any(shapely.intersects_xy(shape, longitude, latitude)))


def _radius_km(event: HazardEvent, places: Sequence[Reached], policy: HazardPolicy) -> float:
    """Radius of the circle about the source that holds all, up to the next 0.1 km."""
    farthest = policy.radius_km
    if places:
        distances = distances_km(
            event.latitude,
            event.longitude,
            np.array([place.latitude for place in places]),
            np.array([place.longitude for place in places]),
        )
        farthest = max(farthest, float(np.max(distances)) + policy.width_km)
    return math.ceil(farthest * 10 + 1) / 10


def _shape(event: HazardEvent, policy: HazardPolicy) -> BaseGeometry:
    """Draw the area in all countries, in degrees, x the longitude."""
    farthest = max(abs(event.latitude), *(abs(p.latitude) for p in event.places), 0.0)
    if farthest > _MAX_LATITUDE:
        raise UnmappableError(f"beyond {_MAX_LATITUDE:.0f} degrees of latitude nothing is drawn")
    scale = np.array([math.cos(math.radians(event.latitude)), 1.0]) * _KM_PER_DEGREE
    source = np.array([event.longitude, event.latitude])
    ordered = sorted(event.places, key=lambda p: (p.expected_us, p.place, p.country))
    points = np.array([source, *([p.longitude, p.latitude] for p in ordered)])
    if np.ptp(points[:, 0]) > 180.0:
        raise UnmappableError("an area over the date line is not drawn")
    flat = (points - source) * scale
    grown = [shapely.buffer(shapely.Point(flat[0]), policy.radius_km * _WIDER, quad_segs=8)]
    if len(flat) > 1:
        way = _joined(flat) if policy.along else shapely.MultiPoint(flat[1:])
        grown.append(shapely.buffer(way, policy.width_km * _WIDER, quad_segs=4))
    return shapely.transform(shapely.union_all(grown), lambda p: p / scale + source)


def _joined(flat: NDArray[np.float64]) -> BaseGeometry:
    """Join each point to the nearest of those before it; of shape (n, 2), km."""
    lines = []
    for i in range(1, len(flat)):
        nearest = int(np.argmin(np.hypot(*(flat[:i] - flat[i]).T)))
        lines.append((tuple(flat[nearest]), tuple(flat[i])))
    return shapely.MultiLineString(lines)
