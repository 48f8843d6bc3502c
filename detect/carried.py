"""Which places lie near a station that feels an earthquake, and how strongly the strongest does."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detect.geodesy import EARTH_RADIUS_KM

__all__ = ["strongest_near", "unit_vectors"]

_Floats = NDArray[np.float64]


def unit_vectors(latitudes: _Floats, longitudes: _Floats) -> _Floats:
    """Return the directions of places from the middle of the Earth; shape ``(n, 3)``."""
    phi, turn = np.radians(latitudes), np.radians(longitudes)
    across = np.cos(phi)
    return np.column_stack((across * np.cos(turn), across * np.sin(turn), np.sin(phi)))


def strongest_near(
    stations: _Floats, intensity: _Floats, places: _Floats, radius_km: float
) -> _Floats:
    """Return, for each place, the highest intensity at a station within a radius.

    Parameters
    ----------
    stations : float64[m, 3]
        Unit vectors.
    intensity : float64[m]
        What they feel.
    places : float64[n, 3]
        Unit vectors.
    radius_km
        Along the surface, less than half around the Earth.

    Returns
    -------
    float64[n]
        0 where none is near.
    """
    chord = 2.0 * np.sin(0.5 * radius_km / EARTH_RADIUS_KM)
    order = np.argsort(-intensity, kind="stable")
    level = np.zeros(places.shape[0])
    _fill(stations[order], intensity[order], places, chord, level)
    return level


@njit(cache=True, nogil=True)
def _fill(
    stations: _Floats, intensity: _Floats, places: _Floats, chord: float, level: _Floats
) -> None:
    """Give each place the intensity of the first station that is near: the strongest."""
    most = chord * chord
    for place in range(places.shape[0]):
        x, y, z = places[place, 0], places[place, 1], places[place, 2]
        for station in range(stations.shape[0]):
            up = stations[station, 2] - z
            if abs(up) <= chord:
                dx = stations[station, 0] - x
                dy = stations[station, 1] - y
                if dx * dx + dy * dy + up * up <= most:
                    level[place] = intensity[station]
                    break
