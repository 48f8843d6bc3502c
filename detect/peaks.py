"""What peaks a source of a size makes at a distance, as tables for kernels.

Cua and Heaton's formulas (`detect.envelopes`) take the distance to the rupture. P begins at the
hypocentre. S of a large earthquake comes from wherever it breaks, and as long as nothing is known
of the line along which it does, the distance is that to one through the epicentre of any direction:
its mean peak is larger than that of a point, and so is the scatter. Half of its length, after Wells
and Coppersmith (1994), lies to either side.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from detect.envelopes import KINDS, KUYUK_ALLEN, log_peak
from detect.saturation import LENGTH_CONSTANT, LENGTH_SLOPE, MAGNITUDES

__all__ = ["NEAREST_KM", "NODES", "NODES_A_DECADE", "SCATTER", "SHOWN", "nearest_km", "node"]

NEAREST_KM, NODES_A_DECADE, NODES = 1.0, 40, 121
DIRECTIONS = 16

_FIRST_S = KINDS.index("s_acceleration")
_Doubles = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def nearest_km(distance_km: float, half_length_km: float, angle: float) -> float:
    """Distance to a line whose middle is the epicentre.

    Parameters
    ----------
    distance_km
        To the epicentre.
    half_length_km
        Of the line.
    angle
        Between the line and the direction to the station, 0 to half pi.
    """
    along = min(distance_km * math.cos(angle), half_length_km)
    nearest: float = math.sqrt(
        max(distance_km**2 + along**2 - 2.0 * distance_km * along * math.cos(angle), 0.0)
    )
    return nearest


@njit(cache=True, nogil=True)
def node(distance_km: float) -> float:
    """Return where a distance stands between the nodes of the tables."""
    place = math.log10(max(distance_km, NEAREST_KM) / NEAREST_KM) * NODES_A_DECADE
    return min(place, NODES - 1.001)


@njit(cache=True, nogil=True)
def _tables(pd: _Doubles) -> tuple[_Doubles, _Doubles]:
    """Mean log10 peak (cm, cm/s, cm/s2), and what its scatter has more of: see the module."""
    shown = np.zeros((len(KINDS), NODES, MAGNITUDES.size))
    scatter = np.zeros((len(KINDS), NODES, MAGNITUDES.size))
    for kind in range(1, len(KINDS)):
        for n in range(NODES):
            distance_km = NEAREST_KM * 10.0 ** (n / NODES_A_DECADE)
            for m in range(MAGNITUDES.size):
                if kind < _FIRST_S:
                    shown[kind, n, m] = log_peak(kind, MAGNITUDES[m], distance_km, pd)
                    continue
                half_km = 0.5 * 10.0 ** (LENGTH_CONSTANT + LENGTH_SLOPE * MAGNITUDES[m])
                total = 0.0
                squares = 0.0
                for i in range(DIRECTIONS):
                    angle = (i + 0.5) / DIRECTIONS * 0.5 * math.pi
                    near_km = nearest_km(distance_km, half_km, angle)
                    peak = log_peak(kind, MAGNITUDES[m], near_km, pd)
                    total += peak
                    squares += peak * peak
                mean = total / DIRECTIONS
                shown[kind, n, m] = mean
                scatter[kind, n, m] = math.sqrt(max(squares / DIRECTIONS - mean * mean, 0.0))
    return shown, scatter


SHOWN, SCATTER = _tables(KUYUK_ALLEN)
"""float64[kinds, nodes, magnitudes]; nothing for displacement, whose formula is a setting."""
