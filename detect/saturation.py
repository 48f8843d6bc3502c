"""How large an earthquake can be told from how many seconds of it."""

import math

import numpy as np
from numba import njit

__all__ = ["LEAST_S", "MAGNITUDES", "half_duration_s", "rupture_length_km", "seen_magnitude"]

MAGNITUDES = np.linspace(1.0, 9.0, 81)
"""Those that are weighed."""

LEAST_S = 0.3  # a window is taken as at least so long

LENGTH_CONSTANT, LENGTH_SLOPE, LENGTH_SIGMA = -2.44, 0.59, 0.16

_MOMENT = 9.1  # log10 N m of magnitude 0: Hanks and Kanamori (1979)
_RATE = 2.4e-6  # s per cube root of N m


def half_duration_s(magnitude: float) -> float:
    """Seconds from the origin to the middle of the rupture.

    ``2.4e-6 M0^(1/3)``, M0 in N m: Dahlen and Tromp (1998), Theoretical Global Seismology,
    page 178. By then the rupture has shown its highest rate; seen for less long, it shows no
    more than a smaller one. Peaks of P stop to tell magnitudes apart just there: Trugman,
    Page, Minson and Cochran (2019), doi:10.1029/2018JB017093.
    """
    return float(_RATE * 10.0 ** ((1.5 * magnitude + _MOMENT) / 3.0))


@njit(cache=True, nogil=True)
def seen_magnitude(seconds: float) -> float:
    """Return the magnitude whose half duration it is: 5.2 of 1 s, 6.4 of 4 s, 7.2 of 10 s."""
    third = math.log10(max(seconds, LEAST_S) / _RATE)
    magnitude: float = (3.0 * third - _MOMENT) / 1.5
    return magnitude


def rupture_length_km(magnitude: float) -> float:
    """Length of the rupture below the surface.

    ``log10(L / km) = -2.44 + 0.59 M``, sigma 0.16, all kinds of faulting: Wells and Coppersmith
    (1994), Bull. Seism. Soc. Am. 84, 974-1002, table 2A.
    """
    return float(10.0 ** (LENGTH_CONSTANT + LENGTH_SLOPE * magnitude))
