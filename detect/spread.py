"""A few places that stand for the whole posterior of a source.

Magnitudes hang on where the source is: far and large looks like near and small. A standard
deviation of the distance would take the errors of all stations for independent, and they are
one and the same.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from detect.evidence import DEPTH, EAST, HALF, HALF_DEPTH, LEAF, LOG_DENSITY, NORTH

__all__ = ["PLACES", "spread"]

PLACES = 7
LIGHT = 7.0  # log of how many times less dense than the densest a cell is that is left out
NEAREST_KM = 5.0
MOST_STATIONS = 8

_Doubles = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def spread(cells: _Doubles, east: _Doubles, north: _Doubles) -> _Doubles:
    """Choose places of equal probability, from the nearest to the farthest.

    Cells are put in order of their mean log distance to the stations, by which magnitudes go;
    chosen are those in the middle of each `PLACES`-th part of the probability.

    Parameters
    ----------
    cells : float64[n, CELL_FIELDS]
        Of the search; see `detect.evidence.search`.
    east, north : float64[stations]
        Where the stations are that have picked, km from the middle of the search.

    Returns
    -------
    float64[PLACES, 3]
        Kilometres east and north of the middle, and depth.
    """
    mass = np.empty(cells.shape[0])
    top = -np.inf
    for i in range(cells.shape[0]):
        mass[i] = -np.inf
        if cells[i, LEAF] == 1.0:
            volume = cells[i, HALF] * cells[i, HALF] * cells[i, HALF_DEPTH]
            mass[i] = cells[i, LOG_DENSITY] + math.log(volume)
            top = max(top, mass[i])
    heavy = np.flatnonzero(mass > top - LIGHT)
    away = np.zeros(heavy.size)
    stations = min(east.size, MOST_STATIONS)
    for j in range(heavy.size):
        cell = cells[heavy[j]]
        for s in range(stations):
            d2 = (cell[EAST] - east[s]) ** 2 + (cell[NORTH] - north[s]) ** 2
            away[j] += math.log(max(d2, NEAREST_KM * NEAREST_KM))
    weight = np.exp(mass[heavy] - top)
    weight /= weight.sum()
    chosen = np.empty((PLACES, 3))
    place = 0
    passed = 0.0
    for j in np.argsort(away, kind="mergesort"):
        passed += weight[j]
        while place < PLACES and passed * PLACES > place + 0.5:
            cell = cells[heavy[j]]
            chosen[place, 0], chosen[place, 1] = cell[EAST], cell[NORTH]
            chosen[place, 2] = cell[DEPTH]
            place += 1
    return chosen
