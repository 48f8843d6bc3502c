"""How large: magnitude from the displacement of the P wave, before S comes in."""

import math
from collections.abc import Sequence

from msgspec import Struct

from detect.detections import PickMotion
from detect.settings import MagnitudeSettings
from detect.stations import WINDOWS_S

__all__ = ["Amplitude", "Magnitude", "combine", "station_magnitude"]


class Amplitude(Struct, frozen=True):
    """One station's say.

    Attributes
    ----------
    magnitude, sigma
        From peak displacement; shorter windows are less certain.
    window_s
        Length of the window.
    """

    magnitude: float
    sigma: float
    window_s: float


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
    """

    value: float
    sigma: float
    stations: int
    saturated: bool


def station_magnitude(
    motion: PickMotion, distance_km: float, s_minus_p_s: float, settings: MagnitudeSettings
) -> Amplitude | None:
    """Magnitude from the longest complete window that ends before S.

    Kuyuk and Allen (2013), doi:10.1002/2013GL058580: ``M = 1.23 log10(Pd) + 1.38 log10(R) +
    5.39``, Pd in cm, R epicentral in km.

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
        None without a window before S, or where Pd does not stand out of the noise.
    """
    if distance_km > settings.max_distance_km:
        return None
    best: tuple[float, float] | None = None
    for length, peak in zip(WINDOWS_S, motion.pd_m, strict=False):
        if length <= s_minus_p_s or length == WINDOWS_S[0]:
            best = length, peak
    if best is None:
        return None
    length, peak = best
    if not peak > settings.min_noise_ratio * motion.noise_pd_m or peak <= 0.0:
        return None
    signal = math.sqrt(peak**2 - motion.noise_pd_m**2)
    distance = max(distance_km, settings.min_distance_km)
    value = settings.a * math.log10(signal * 100.0) + settings.b * math.log10(distance) + settings.c
    grown = WINDOWS_S[-1] - length
    return Amplitude(value, settings.station_sigma * (1.0 + 0.25 * grown), length)


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
    return Magnitude(value, sigma, len(amplitudes), value >= settings.saturates_at)
