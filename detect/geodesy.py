"""Distances and azimuths on the sphere that the travel-time tables stand on.

The Earth is a sphere of 6371 km, as in ak135: distances differ from the ellipsoid's by at
most 0.6 %, less than what the 1-D model leaves out.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["EARTH_RADIUS_KM", "distance_azimuth", "distances_km", "line_distances_km"]

EARTH_RADIUS_KM = 6371.0


@njit(cache=True)
def distance_azimuth(lat1: float, lon1: float, lat2: float, lon2: float) -> tuple[float, float]:
    """Great-circle distance and the direction in which it starts.

    Parameters
    ----------
    lat1, lon1, lat2, lon2
        Two points in degrees; longitudes of any turn.

    Returns
    -------
    distance
        Along the surface, in km (haversine formula, exact for near points).
    azimuth
        At the first point towards the second, degrees clockwise from north, in [0, 360);
        0 where the points are one.
    """
    phi1 = math.radians(lat1)
    phi2 = math.radians(lat2)
    turn = math.radians(lon2 - lon1)
    north = math.sin(0.5 * (phi2 - phi1))
    east = math.sin(0.5 * turn)
    chord = north * north + math.cos(phi1) * math.cos(phi2) * east * east
    distance = 2.0 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, chord)))
    azimuth = math.degrees(
        math.atan2(
            math.sin(turn) * math.cos(phi2),
            math.cos(phi1) * math.sin(phi2) - math.sin(phi1) * math.cos(phi2) * math.cos(turn),
        )
    )
    azimuth %= 360.0
    if azimuth >= 360.0:  # a tiny negative angle rounds up to the full turn
        azimuth = 0.0
    return distance, azimuth


@njit(cache=True)
def distances_km(
    latitude: float,
    longitude: float,
    latitudes: NDArray[np.float64],
    longitudes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Great-circle distances (km) from one point to many, all in degrees; shape ``(n,)``."""
    distances = np.empty(latitudes.size, np.float64)
    for i in range(latitudes.size):
        distances[i] = distance_azimuth(latitude, longitude, latitudes[i], longitudes[i])[0]
    return distances


def line_distances_km(
    line: Sequence[tuple[float, float]],
    latitudes: NDArray[np.float64],
    longitudes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Distances of places from a line of straight pieces.

    The nearest point of a piece is found on a plane about each place, and its great-circle
    distance taken: of a piece of 200 km, 500 km away, right to within 1 km.

    Parameters
    ----------
    line
        Latitude and longitude of its corners; one corner is a point.
    latitudes, longitudes : float64[n]
        The places.

    Returns
    -------
    float64[n]
        Kilometres.
    """
    shrink = np.cos(np.radians(latitudes))
    nearest = np.full(latitudes.size, np.inf)
    pieces = list(pairwise(line)) or [(line[0], line[0])]
    for (north0, east0), (north1, east1) in pieces:
        x0 = ((east0 - longitudes + 180.0) % 360.0 - 180.0) * shrink
        y0 = north0 - latitudes
        dx = ((east1 - east0 + 180.0) % 360.0 - 180.0) * shrink
        dy = north1 - north0
        along = np.clip(-(x0 * dx + y0 * dy) / np.maximum(dx * dx + dy * dy, 1e-12), 0.0, 1.0)
        turn = np.radians((x0 + along * dx) / shrink)
        phi = np.radians(latitudes)
        up = np.radians(y0 + along * dy)
        chord = np.sin(0.5 * up) ** 2 + np.cos(phi) * np.cos(phi + up) * np.sin(0.5 * turn) ** 2
        distance = 2.0 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))
        nearest = np.minimum(nearest, distance)
    return nearest
