"""Macroseismic intensity at a distance from an earthquake.

Bindi D., Parolai S., Oth A., Abdrakhmatov K., Muraliev A. and Zschau J. (2011), Intensity
prediction equations for Central Asia, Geophys. J. Int. 187, 327-337: the MSK-64 intensity of
the epicentral-distance model, once with the depth of the earthquake and once with a depth
of 15 km for all. MSK-64 degrees read as MMI to within half a degree.
"""

import math
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIGMA", "Attenuation", "intensity", "radius_km"]

Attenuation = Literal["depth", "fixed-depth"]

SIGMA: dict[Attenuation, float] = {"depth": 0.737, "fixed-depth": 0.689}
"""Standard deviation of one observed intensity about the formula, in degrees."""

_FIXED_DEPTH_KM = 15.0
_COEFFICIENTS: dict[Attenuation, tuple[float, float, float, float]] = {
    "depth": (0.898, 1.215, 1.809, 0.003447),
    "fixed-depth": (1.049, 0.686, 2.706, 0.0001811),
}
_ANTIPODE_KM = 20015.0

Distance = TypeVar("Distance", float, NDArray[np.float64])


def intensity(
    magnitude: float,
    distance_km: Distance,
    depth_km: float,
    attenuation: Attenuation = "depth",
) -> Distance:
    """Predict the MSK-64 intensity, as a real number.

    ``I = a1 M + a2 - a3 log10(sqrt((R^2 + h^2) / h^2)) - a4 (sqrt(R^2 + h^2) - h)``, with R
    the epicentral distance and h the depth in km, and the coefficients 0.898, 1.215, 1.809,
    0.003447 (sigma 0.737), or with h = 15 km for all earthquakes 1.049, 0.686, 2.706,
    0.0001811 (sigma 0.689).

    Parameters
    ----------
    magnitude
        Moment magnitude.
    distance_km
        Epicentral distance, one or an array.
    depth_km
        Depth, above 0; not used by ``fixed-depth``.
    attenuation
        Which of the two sets of coefficients.

    Returns
    -------
    float or array
        Of the shape of `distance_km`; not held within the scale's 1 to 12.

    Raises
    ------
    ValueError
        If the depth is not above 0.
    """
    h = _FIXED_DEPTH_KM if attenuation == "fixed-depth" else depth_km
    if not h > 0.0:
        raise ValueError(f"the intensity formula needs a depth above 0 km, not {depth_km}")
    a1, a2, a3, a4 = _COEFFICIENTS[attenuation]
    slant = np.sqrt(np.square(distance_km) + h * h)
    value: Distance = a1 * magnitude + a2 - a3 * np.log10(slant / h) - a4 * (slant - h)
    return value


def radius_km(
    magnitude: float,
    level: float,
    depth_km: float,
    attenuation: Attenuation = "depth",
) -> float:
    """Epicentral distance within which the expected intensity is at least `level`.

    The inverse of `intensity`, by bisection to the last bit of the distance.

    Returns
    -------
    float
        Kilometres: 0 where not even the epicentre reaches the level, and half the
        circumference of the Earth where every point does.

    Raises
    ------
    ValueError
        If the depth is not above 0, or the magnitude or the level is not finite.
    """
    if not (math.isfinite(magnitude) and math.isfinite(level)):
        raise ValueError(f"no radius for magnitude {magnitude} and intensity {level}")
    if intensity(magnitude, 0.0, depth_km, attenuation) < level:
        return 0.0
    near, far = 0.0, _ANTIPODE_KM
    if intensity(magnitude, far, depth_km, attenuation) >= level:
        return far
    while True:
        middle = 0.5 * (near + far)
        if middle in (near, far):
            return near
        if intensity(magnitude, middle, depth_km, attenuation) >= level:
            near = middle
        else:
            far = middle
