"""How strongly an earthquake moves the ground at a distance, and how far that scatters.

Cua G. and Heaton T. (2009), Characterizing average properties of southern California ground
motion amplitudes and envelopes, Caltech: peaks of P and S on rock, from records of M 2 to 8
within 200 km; the coefficients are those with which the Virtual Seismologist works. Distances
are epicentral below M 5 and to the rupture above. Kuyuk and Allen (2013),
doi:10.1002/2013GL058580: peak displacement of P; its scatter after Wu and Zhao (2006),
doi:10.1029/2006GL026871.
"""

import math
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = [
    "KINDS",
    "SIGMA",
    "Kind",
    "log_peak",
    "p_acceleration",
    "p_velocity",
    "peak",
    "s_acceleration",
    "s_velocity",
]

Kind = Literal["p_displacement", "p_acceleration", "p_velocity", "s_acceleration", "s_velocity"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SIGMA: dict[Kind, float] = {
    "p_displacement": 0.305,
    "p_acceleration": 0.31,
    "p_velocity": 0.26,
    "s_acceleration": 0.31,
    "s_velocity": 0.28,
}
"""Standard deviation of log10 of one peak about the formula."""

# a, b, c1, c2, d, e: horizontal P and S but for the vertical velocity of P.
_ENVELOPES = np.array(
    [
        [0.72, -3.3e-3, 1.60, 1.05, -1.20, -1.060],
        [0.82, -8.54e-4, 1.14, 1.10, -1.36, -2.901],
        [0.73, -7.2e-4, 1.16, 0.96, -1.48, -0.420],
        [0.86, -5.58e-4, 0.84, 0.98, -1.37, -2.580],
    ]
)
_PD, _PA, _PV, _SA, _SV = range(5)
NEAREST_KM = 10.0  # displacement of P: nearer, the formula has no data

_Doubles = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def log_peak(kind: int, magnitude: float, distance_km: float, pd: _Doubles) -> float:
    """Return log10 of a peak, in cm, cm/s or cm/s2.

    ``a M + b (R1 + C) + d log10(R1 + C) + e`` with ``R1 = sqrt(R^2 + 9)`` and ``C = c1 (atan(M -
    5) + 1.4) exp(c2 (M - 5))`` (Cua and Heaton); for displacement ``(M - b log10 R - c) / a``.

    Parameters
    ----------
    kind
        Place in `KINDS`.
    magnitude
        2 to 8.
    distance_km
        Of the station.
    pd : float64[3]
        a, b and c of ``M = a log10(Pd / cm) + b log10(R / km) + c``.
    """
    if kind == _PD:
        far: float = max(distance_km, NEAREST_KM)
        shown: float = (magnitude - pd[1] * math.log10(far) - pd[2]) / pd[0]
        return shown
    k = _ENVELOPES[kind - 1]
    c = k[2] * (math.atan(magnitude - 5.0) + 1.4) * math.exp(k[3] * (magnitude - 5.0))
    r = math.sqrt(distance_km**2 + 9.0) + c
    value: float = k[0] * magnitude + k[1] * r + k[4] * math.log10(r) + k[5]
    return value


KUYUK_ALLEN = np.array([1.23, 1.38, 5.39])


def peak(kind: Kind, magnitude: float, distance_km: float) -> float:
    """Return log10 of a peak by the published formula; see `log_peak`."""
    value: float = log_peak(KINDS.index(kind), magnitude, distance_km, KUYUK_ALLEN)
    return value


def p_acceleration(magnitude: float, distance_km: float) -> float:
    """Peak horizontal acceleration of P on rock, log10 cm/s2."""
    return peak("p_acceleration", magnitude, distance_km)


def p_velocity(magnitude: float, distance_km: float) -> float:
    """Peak vertical velocity of P on rock, log10 cm/s."""
    return peak("p_velocity", magnitude, distance_km)


def s_acceleration(magnitude: float, distance_km: float) -> float:
    """Peak horizontal acceleration of S on rock, log10 cm/s2."""
    return peak("s_acceleration", magnitude, distance_km)


def s_velocity(magnitude: float, distance_km: float) -> float:
    """Peak horizontal velocity of S on rock, log10 cm/s."""
    return peak("s_velocity", magnitude, distance_km)
