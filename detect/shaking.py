"""Macroseismic intensity: at a distance from an earthquake, and of motion that was recorded.

From the source, by one of:

- Bindi D., Parolai S., Oth A., Abdrakhmatov K., Muraliev A. and Zschau J. (2011), Intensity
  prediction equations for Central Asia, Geophys. J. Int. 187, 327-337: MSK-64, epicentral
  distance, once with the depth of the earthquake and once with a depth of 15 km for all;
- Allen T. I., Wald D. J. and Worden C. B. (2012), Intensity attenuation for active crustal
  regions, J. Seismol. 16, 409-433: MMI, hypocentral distance or distance to the rupture.

From records: Worden C. B., Gerstenberger M. C., Rhoades D. A. and Wald D. J. (2012),
Probabilistic relationships between ground-motion parameters and Modified Mercalli Intensity in
California, Bull. Seism. Soc. Am. 102, 204-221. MSK-64 degrees read as MMI to within half a
degree.
"""

import math
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Attenuation", "intensity", "radius_km", "recorded_intensity", "sigma"]

Attenuation = Literal["depth", "fixed-depth", "allen-hypocentral", "allen-rupture"]

_FIXED_DEPTH_KM = 15.0
_BINDI: dict[Attenuation, tuple[float, float, float, float, float]] = {
    "depth": (0.898, 1.215, 1.809, 0.003447, 0.737),
    "fixed-depth": (1.049, 0.686, 2.706, 0.0001811, 0.689),
}
_ANTIPODE_KM = 20015.0

# Worden et al. (2012), table 2: c1, c2 up to a logarithm, c3, c4 above it, and sigma.
_ACCELERATION = (1.78, 1.55, 1.57, -1.60, 3.70, 0.66)
_VELOCITY = (3.78, 1.47, 0.53, 2.89, 3.16, 0.63)

Distance = TypeVar("Distance", float, NDArray[np.float64])


def intensity(
    magnitude: float,
    distance_km: Distance,
    depth_km: float,
    attenuation: Attenuation = "depth",
) -> Distance:
    """Predict the intensity, as a real number.

    Bindi et al. (2011), table 1: ``I = a1 M + a2 - a3 log10(sqrt((R^2 + h^2) / h^2)) - a4
    (sqrt(R^2 + h^2) - h)``, with R the epicentral distance and h the depth in km: 0.898, 1.215,
    1.809, 0.003447 (sigma 0.737), or with h = 15 km for all earthquakes 1.049, 0.686, 2.706,
    0.0001811 (sigma 0.689).

    Allen et al. (2012), equations 2 and 3: ``2.085 + 1.428 M - 1.402 ln sqrt(R^2 + Rm^2) +
    max(0, 0.078 ln(R / 50))`` with R hypocentral and ``Rm = -0.209 + 2.042 exp(M - 5)``, or
    ``3.950 + 0.913 M - 1.107 ln sqrt(R^2 + (1 + 0.813 exp(M - 5))^2)`` with R to the rupture.

    Parameters
    ----------
    magnitude
        Moment magnitude.
    distance_km
        Along the surface from the epicentre, or from the line that broke; one or an array.
    depth_km
        Depth, above 0; not used by ``fixed-depth``.
    attenuation
        Which formula.

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
    slant = np.sqrt(np.square(distance_km) + h * h)
    value: Distance
    if attenuation == "allen-hypocentral":
        near = -0.209 + 2.042 * math.exp(magnitude - 5.0)
        value = 2.085 + 1.428 * magnitude - 1.402 * np.log(np.hypot(slant, near))
        value = value + 0.078 * np.log(np.maximum(slant / 50.0, 1.0))
    elif attenuation == "allen-rupture":
        near = 1.0 + 0.813 * math.exp(magnitude - 5.0)
        value = 3.950 + 0.913 * magnitude - 1.107 * np.log(np.hypot(slant, near))
    else:
        a1, a2, a3, a4, _ = _BINDI[attenuation]
        value = a1 * magnitude + a2 - a3 * np.log10(slant / h) - a4 * (slant - h)
    return value


def sigma(distance_km: float, depth_km: float, attenuation: Attenuation = "depth") -> float:
    """Return the standard deviation of one observed intensity about the formula, in degrees.

    Bindi et al. (2011), table 1; Allen et al. (2012), equation 6: ``s1 + s2 / (1 + (R /
    s3)^2)``.
    """
    if attenuation in _BINDI:
        return _BINDI[attenuation][-1]
    s1, s2, s3 = (0.82, 0.37, 22.9) if attenuation == "allen-hypocentral" else (0.72, 0.23, 44.7)
    return s1 + s2 / (1.0 + (math.hypot(distance_km, depth_km) / s3) ** 2)


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


def recorded_intensity(pga: float, pgv: float) -> float:
    """Return the intensity that a record stands for.

    Worden et al. (2012), table 2: ``1.78 + 1.55 log10 PGA``, above 37 cm/s2 ``-1.60 + 3.70
    log10 PGA`` (sigma 0.66); ``3.78 + 1.47 log10 PGV``, above 3.4 cm/s ``2.89 + 3.16 log10
    PGV`` (sigma 0.63). Where both are known, their mean weighted by the variances.

    Parameters
    ----------
    pga, pgv
        Peaks (m/s2, m/s); 0 where there is no sensor for one.

    Returns
    -------
    float
        From 1 to 10: the relations hold no further.
    """
    total = weight = 0.0
    for peak, (c1, c2, bend, c3, c4, spread) in ((pga, _ACCELERATION), (pgv, _VELOCITY)):
        if peak > 0.0:
            logarithm = math.log10(100.0 * peak)
            value = c1 + c2 * logarithm if logarithm <= bend else c3 + c4 * logarithm
            total += value / spread**2
            weight += spread**-2
    return min(max(total / weight, 1.0), 10.0) if weight else 1.0
