"""How large: from the displacement of the P wave, and from the velocity when S has come."""

import math
from collections.abc import Sequence

from msgspec import Struct
from numba import njit

from detect.detections import PickMotion
from detect.following import WINDOWS_S
from detect.settings import MagnitudeSettings

__all__ = [
    "Amplitude",
    "Magnitude",
    "combine",
    "from_displacement",
    "from_velocity",
    "p_acceleration",
    "p_velocity",
    "s_velocity",
    "station_magnitude",
]

S_VELOCITY_SIGMA = 0.28 / 0.86  # of log10 velocity, over its slope with magnitude
SMALLEST, LARGEST = 1.0, 9.0
GROWS_S = 3.0  # the peak after S grows for seconds: until then it is only a lower bound


class Amplitude(Struct, frozen=True):
    """One station's say.

    Attributes
    ----------
    magnitude, sigma
        From peak displacement; shorter windows are less certain.
    window_s
        Length of the window.
    kind
        From what: ``Mpd`` (displacement of P) or ``Mpgv`` (velocity with S).
    """

    magnitude: float
    sigma: float
    window_s: float
    kind: str


class Magnitude(Struct, frozen=True):
    """The network's say.

    Attributes
    ----------
    value, sigma
        Weighted mean and its standard deviation.
    stations
        How many stations it rests on.
    saturated
        True where it can only mean "at least".
    kind
        ``Mpd``, ``Mpgv``, or ``Mpd-pgv`` where stations of both kinds speak.
    """

    value: float
    sigma: float
    stations: int
    saturated: bool
    kind: str


def from_displacement(
    motion: PickMotion, distance_km: float, s_minus_p_s: float, settings: MagnitudeSettings
) -> Amplitude | None:
    """Magnitude from the longest complete window of P that ends before S.

    Kuyuk and Allen (2013), doi:10.1002/2013GL058580: ``M = 1.23 log10(Pd) + 1.38 log10(R) +
    5.39``, Pd in cm, R epicentral in km. The displacement before P is taken off in power.

    Parameters
    ----------
    motion
        Displacement since the station's P pick.
    distance_km
        Epicentral distance.
    s_minus_p_s
        Computed time from P to S at the station.
    settings
        Coefficients and gates.

    Returns
    -------
    Amplitude or None
        None without a window, or where Pd does not stand out of the noise.
    """
    windows = [
        (length, peak)
        for length, peak in zip(WINDOWS_S, motion.pd_m, strict=False)
        if length <= max(s_minus_p_s, WINDOWS_S[0])
    ]
    if not windows or distance_km > settings.max_distance_km:
        return None
    length, peak = windows[-1]
    if not peak > settings.min_noise_ratio * motion.noise_pd_m:
        return None
    signal_cm = math.sqrt(peak**2 - motion.noise_pd_m**2) * 100.0
    distance = max(distance_km, settings.min_distance_km)
    value = settings.a * math.log10(signal_cm) + settings.b * math.log10(distance) + settings.c
    grown = WINDOWS_S[-1] - length
    return Amplitude(value, settings.station_sigma * (1.0 + 0.25 * grown), length, "Mpd")


@njit(cache=True, nogil=True)
def s_velocity(magnitude: float, distance_km: float) -> float:
    """Peak horizontal velocity of S on rock, log10 cm/s.

    Cua and Heaton (2009), as the Virtual Seismologist uses it: ``0.86 M - 5.58e-4 (R + C) -
    1.37 log10(R + C) - 2.58`` with ``R = sqrt(distance^2 + 9)`` and ``C = 0.84 (atan(M - 5) +
    1.4) exp(0.98 (M - 5))``.

    Parameters
    ----------
    magnitude
        2 to 8.
    distance_km
        Epicentral distance.
    """
    c = 0.84 * (math.atan(magnitude - 5.0) + 1.4) * math.exp(0.98 * (magnitude - 5.0))
    r = math.sqrt(distance_km**2 + 9.0) + c
    logarithm: float = 0.86 * magnitude - 5.58e-4 * r - 1.37 * math.log10(r) - 2.58
    return logarithm


def p_velocity(magnitude: float, distance_km: float) -> float:
    """Peak vertical velocity of P on rock, log10 cm/s.

    Cua and Heaton (2009): ``0.82 M - 8.54e-4 (R + C) - 1.36 log10(R + C) - 2.901`` with R as for
    `s_velocity` and ``C = 1.14 (atan(M - 5) + 1.4) exp(1.10 (M - 5))``.
    """
    c = 1.14 * (math.atan(magnitude - 5.0) + 1.4) * math.exp(1.10 * (magnitude - 5.0))
    r = math.sqrt(distance_km**2 + 9.0) + c
    return 0.82 * magnitude - 8.54e-4 * r - 1.36 * math.log10(r) - 2.901


def p_acceleration(magnitude: float, distance_km: float) -> float:
    """Peak horizontal acceleration of P on rock, log10 cm/s2.

    Cua and Heaton (2009): ``0.72 M - 3.3e-3 (R + C) - 1.2 log10(R + C) - 1.06`` with R as for
    `s_velocity` and ``C = 1.6 (atan(M - 5) + 1.4) exp(1.05 (M - 5))``.
    """
    c = 1.6 * (math.atan(magnitude - 5.0) + 1.4) * math.exp(1.05 * (magnitude - 5.0))
    r = math.sqrt(distance_km**2 + 9.0) + c
    return 0.72 * magnitude - 3.3e-3 * r - 1.2 * math.log10(r) - 1.06


@njit(cache=True, nogil=True)
def _magnitude_of(log_velocity: float, distance_km: float) -> float:
    """Solve `s_velocity` for the magnitude, by bisection."""
    low, high = SMALLEST, LARGEST
    for _ in range(40):
        middle = 0.5 * (low + high)
        if s_velocity(middle, distance_km) < log_velocity:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def from_velocity(
    motion: PickMotion, distance_km: float, s_minus_p_s: float, settings: MagnitudeSettings
) -> Amplitude | None:
    """Magnitude from peak velocity, from the arrival of S on.

    Parameters
    ----------
    motion
        Velocity since the station's P pick.
    distance_km
        Epicentral distance.
    s_minus_p_s
        Computed time from P to S at the station.
    settings
        Reach.

    Returns
    -------
    Amplitude or None
        None before S. `window_s` is the time since S; below 3 s the value is a lower bound.
    """
    since_s = motion.elapsed_s - s_minus_p_s
    if since_s <= 0.0 or motion.pgv <= 0.0 or distance_km > settings.max_distance_km:
        return None
    value = _magnitude_of(math.log10(motion.pgv * 100.0), distance_km)
    return Amplitude(value, max(S_VELOCITY_SIGMA, settings.station_sigma), since_s, "Mpgv")


def station_magnitude(
    motion: PickMotion, distance_km: float, s_minus_p_s: float, settings: MagnitudeSettings
) -> Amplitude | None:
    """One station's magnitude: P, and S in the same measure once it has come.

    Parameters
    ----------
    motion, distance_km, s_minus_p_s, settings
        See `from_displacement` and `from_velocity`.

    Returns
    -------
    Amplitude or None
        The mean of both; while the S wave still grows, it counts only where it says more.
    """
    p = from_displacement(motion, distance_km, s_minus_p_s, settings)
    s = from_velocity(motion, distance_km, s_minus_p_s, settings)
    if s is None or (s.window_s < GROWS_S and (p is None or s.magnitude < p.magnitude)):
        return p
    if p is None or s.window_s < GROWS_S:
        return s
    weights = p.sigma**-2, s.sigma**-2
    mean = (weights[0] * p.magnitude + weights[1] * s.magnitude) / sum(weights)
    return Amplitude(mean, min(p.sigma, s.sigma), s.window_s, "Mpgv")


def combine(amplitudes: Sequence[Amplitude], settings: MagnitudeSettings) -> Magnitude | None:
    """Combine the stations; one that stands apart weighs less.

    Parameters
    ----------
    amplitudes
        One a station.
    settings
        Event term and saturation.

    Returns
    -------
    Magnitude or None
        None without any station.
    """
    if not amplitudes:
        return None
    ordered = sorted(a.magnitude for a in amplitudes)
    middle = 0.5 * (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2])
    total = weight = 0.0
    for a in amplitudes:
        z = (a.magnitude - middle) / a.sigma
        w = 1.0 / (a.sigma**2 * (1.0 + z * z))
        total += w * a.magnitude
        weight += w
    value = total / weight
    sigma = math.sqrt(settings.floor_sigma**2 + 1.0 / weight)
    kinds = sorted({a.kind for a in amplitudes})
    kind = kinds[0] if len(kinds) == 1 else "Mpd-pgv"
    return Magnitude(value, sigma, len(amplitudes), value >= settings.saturates_at, kind)
