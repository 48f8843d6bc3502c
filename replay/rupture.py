"""Where and when a fault radiates: one point, or a line of points that break one after another.

Motazedian D. and Atkinson G. M. (2005), Stochastic finite-fault modeling based on a dynamic
corner frequency, Bull. Seism. Soc. Am. 95, 995-1010, doi:10.1785/0120030207. The line lies at the
depth of the hypocentre; the rupture runs from there to both ends.
"""

import math

from msgspec import Struct

from detect.geodesy import EARTH_RADIUS_KM
from replay.stochastic import S_SPEED, corner_hz, moment, stress_pa

__all__ = ["LINE_FROM", "SubSource", "length_km", "rupture"]

LINE_FROM = 6.5
"""Magnitude from which an earthquake is a line if nothing else is said."""

STEP_KM = 5.0
RUPTURE_SPEED = 0.8 * S_SPEED / 1000.0  # km/s; Motazedian and Atkinson (2005), table 2
PULSING = 0.5  # the largest share of the fault that breaks at once; the same, their fig. 5


class SubSource(Struct, frozen=True):
    """One point of a rupture.

    Attributes
    ----------
    latitude, longitude
        Degrees.
    delay_s
        After the origin.
    moment
        N m.
    corner_hz
        Of S.
    lift
        Factor of its high frequencies, which keeps their sum that of the whole earthquake.
    pseudo_depth_km
        To be added in square to the distance: a source of finite size does not grow without
        bound near it.
    """

    latitude: float
    longitude: float
    delay_s: float
    moment: float
    corner_hz: float
    lift: float
    pseudo_depth_km: float


def length_km(magnitude: float) -> float:
    """Length of a rupture below the surface: Wells and Coppersmith (1994), all kinds of slip.

    ``log10 L = -2.44 + 0.59 M``.
    """
    return float(10.0 ** (-2.44 + 0.59 * magnitude))


def rupture(
    latitude: float,
    longitude: float,
    magnitude: float,
    *,
    length: float | None = None,
    strike_deg: float = 90.0,
    share_before: float = 0.5,
) -> tuple[SubSource, ...]:
    """Cut an earthquake into sub-sources.

    Parameters
    ----------
    latitude, longitude
        Of the epicentre.
    magnitude
        Moment magnitude.
    length
        Of the line, km; 0 is a point; None is a point below M 6.5 and else `length_km`.
    strike_deg
        Direction of the line, clockwise from north.
    share_before
        Share of the line that lies against the strike from the epicentre.

    Returns
    -------
    tuple of SubSource
        In order of delay. The epicentre is always one of them, with no delay.
    """
    whole = moment(magnitude)
    if length is None:
        length = length_km(magnitude) if magnitude >= LINE_FROM else 0.0
    stress = stress_pa(magnitude)
    corner = corner_hz(whole, stress)
    if length < STEP_KM:
        near = _pseudo_depth_km(magnitude)
        return (SubSource(latitude, longitude, 0.0, whole, corner, 1.0, near),)
    against = round(length * share_before / STEP_KM)
    along = max(round(length / STEP_KM), 1) - against
    steps = sorted(range(-against, along + 1), key=lambda step: (abs(step), step))
    count = len(steps)
    part = whole / count
    near = _pseudo_depth_km((math.log10(part) - 9.05) / 1.5)
    sources = []
    for broken, step in enumerate(steps, 1):
        own = corner_hz(part * min(broken, max(1.0, PULSING * count)), stress)
        there = _along(latitude, longitude, step * STEP_KM, strike_deg)
        lift = math.sqrt(count) * (corner / own) ** 2
        delay = abs(step) * STEP_KM / RUPTURE_SPEED
        sources.append(SubSource(*there, delay, part, own, lift, near))
    return tuple(sources)


def _pseudo_depth_km(magnitude: float) -> float:
    """Saturation near the source: Yenier and Atkinson (2014), ``log10 h = -0.405 + 0.235 M``."""
    return float(10.0 ** (-0.405 + 0.235 * magnitude))


def _along(
    latitude: float, longitude: float, distance_km: float, azimuth_deg: float
) -> tuple[float, float]:
    """Latitude and longitude at a distance (negative: behind) along a great circle."""
    angle = distance_km / EARTH_RADIUS_KM
    start, turn = math.radians(latitude), math.radians(azimuth_deg)
    sine = math.sin(start) * math.cos(angle) + math.cos(start) * math.sin(angle) * math.cos(turn)
    east = math.atan2(
        math.sin(turn) * math.sin(angle) * math.cos(start),
        math.cos(angle) - math.sin(start) * sine,
    )
    return math.degrees(math.asin(sine)), longitude + math.degrees(east)
