"""The three components of the ground at one place: every wave of every earthquake.

Crustal earthquakes send what arrives first (ak135: P or Pn, S or Sn) and, where that went
through the mantle, the stronger waves of the crust (Pg, Sg) behind it. Beyond the tables of
travel times only P and S through the mantle are made: the earthquake of another continent.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detect.geodesy import EARTH_RADIUS_KM, distance_azimuth
from detect.traveltimes import MAX_DISTANCE_KM, TravelTimes
from replay.rupture import SubSource, rupture
from replay.stochastic import P_CORNER, P_SPEED, S_SPEED, Wave, motion

__all__ = ["Earthquake", "shake"]

# First arrivals that are this much (s) ahead of the wave of the crust went below it. Their
# amplitude over that of the crust's wave: of the order seen for Pn/Pg and Sn/Lg at 200-600 km.
AHEAD_S = 0.5
HEAD_WAVE = 0.35

S_VERTICAL = 2.0 / 3.0  # of a horizontal: Newmark, Blume and Kapur (1973)
EMERGENCE_DEG = 25.0  # of P at the surface from the vertical: speeds fall towards it
SITE_SIGMA = 0.15  # log10: between stations, what generic rock leaves out

# Through the mantle: t* of short-period P about 1 s and four times as much for S (Anderson and
# Given 1982); spreading at 30 to 90 degrees is 0.3 to 0.5 of one over the Earth's radius (Kanamori
# and Stewart 1976, their g).
MANTLE_T_STAR_S: dict[Literal["P", "S"], float] = {"P": 1.0, "S": 4.0}
MANTLE_SPREADING = 0.4 / (EARTH_RADIUS_KM * 1000.0)

_Array = NDArray[np.float64]


class Earthquake(Struct, frozen=True, kw_only=True):
    """A source: seconds on the scenario's clock, degrees, km."""

    at_s: float
    latitude: float
    longitude: float
    depth_km: float
    magnitude: float
    length_km: float | None = None
    strike_deg: float = 90.0
    share_before: float = 0.5


class _Arrival(Struct, frozen=True):
    """A wave and when it begins, seconds on the scenario's clock."""

    at_s: float
    wave: Wave
    share: float
    back_azimuth_deg: float


def shake(
    earthquake: Earthquake,
    latitude: float,
    longitude: float,
    times: TravelTimes,
    *,
    start_s: float,
    size: int,
    rate: float,
    derivative: int,
    seed: Sequence[int],
) -> _Array:
    """Motion of the ground, float64[3, size]: up, north, east.

    Parameters
    ----------
    earthquake
        What shakes it.
    latitude, longitude
        Where.
    times
        Travel times of the crust and upper mantle.
    start_s
        Of the first sample, on the scenario's clock.
    rate
        Samples a second.
    derivative
        1 velocity (m/s), 2 acceleration (m/s2).
    seed
        Numbers; the same give the same motion.
    """
    ground = np.zeros((3, size))
    site = 10.0 ** float(np.random.default_rng([*seed, 0]).normal(0.0, SITE_SIGMA))
    for number, arrival in enumerate(_arrivals(earthquake, latitude, longitude, times), 1):
        first = round((arrival.at_s - start_s) * rate)
        if first >= size:
            continue
        draw = np.random.default_rng([*seed, number])
        direction = np.array(_direction(arrival.back_azimuth_deg)) * draw.choice((-1.0, 1.0))
        if arrival.wave.kind == "P":
            trace = motion(arrival.wave, rate, draw, derivative)
            moved = direction[:, None] * trace
        else:
            moved = np.stack([motion(arrival.wave, rate, draw, derivative) for _ in range(3)])
            moved[0] *= S_VERTICAL
            moved *= draw.choice((-1.0, 1.0), 3)[:, None]
        begin, end = max(first, 0), min(first + moved.shape[1], size)
        if end > begin:
            ground[:, begin:end] += arrival.share * moved[:, begin - first : end - first]
    return np.asarray(ground * site)


def _direction(back_azimuth_deg: float) -> tuple[float, float, float]:
    """Up, north and east of the motion of P that comes from there."""
    tilt, turn = math.radians(EMERGENCE_DEG), math.radians(back_azimuth_deg)
    across = math.sin(tilt)
    return math.cos(tilt), -across * math.cos(turn), -across * math.sin(turn)


def _arrivals(
    earthquake: Earthquake, latitude: float, longitude: float, times: TravelTimes
) -> Iterator[_Arrival]:
    distance = distance_azimuth(earthquake.latitude, earthquake.longitude, latitude, longitude)[0]
    sources = rupture(
        earthquake.latitude,
        earthquake.longitude,
        earthquake.magnitude,
        length=0.0 if distance > MAX_DISTANCE_KM else earthquake.length_km,
        strike_deg=earthquake.strike_deg,
        share_before=earthquake.share_before,
    )
    for source in sources:
        away, back = _distance_back(source, latitude, longitude)
        if away > MAX_DISTANCE_KM:
            yield from _through_the_mantle(earthquake, source, away, back)
        else:
            yield from _through_the_crust(earthquake, source, away, back, times)


def _distance_back(source: SubSource, latitude: float, longitude: float) -> tuple[float, float]:
    """Distance (km) to a source and the direction in which it lies."""
    distance, back = distance_azimuth(latitude, longitude, source.latitude, source.longitude)
    return float(distance), float(back)


def _through_the_crust(
    earthquake: Earthquake,
    source: SubSource,
    distance_km: float,
    back_azimuth_deg: float,
    times: TravelTimes,
) -> Iterator[_Arrival]:
    depth = earthquake.depth_km
    slant_km = math.hypot(distance_km, depth)
    began = earthquake.at_s + source.delay_s
    kinds: tuple[tuple[Literal["P", "S"], float, float], ...] = (
        ("P", times.p(distance_km, depth), P_SPEED),
        ("S", times.s(distance_km, depth), S_SPEED),
    )
    for kind, first_s, speed in kinds:
        wave = Wave(
            kind=kind,
            moment=source.moment,
            corner_hz=source.corner_hz * (P_CORNER if kind == "P" else 1.0),
            lift=source.lift,
            distance_m=1000.0 * math.hypot(slant_km, source.pseudo_depth_km),
        )
        crust_s = 1000.0 * slant_km / speed
        if crust_s - first_s > AHEAD_S:
            yield _Arrival(began + first_s, wave, HEAD_WAVE, back_azimuth_deg)
            yield _Arrival(began + crust_s, wave, 1.0, back_azimuth_deg)
        else:
            yield _Arrival(began + first_s, wave, 1.0, back_azimuth_deg)


def _through_the_mantle(
    earthquake: Earthquake, source: SubSource, distance_km: float, back_azimuth_deg: float
) -> Iterator[_Arrival]:
    for kind, first_s in _mantle_times(round(distance_km, 1), round(earthquake.depth_km, 1)):
        wave = Wave(
            kind=kind,
            moment=source.moment,
            corner_hz=source.corner_hz * (P_CORNER if kind == "P" else 1.0),
            distance_m=1000.0 * distance_km,
            t_star_s=MANTLE_T_STAR_S[kind],
            spreading_1_m=MANTLE_SPREADING,
        )
        yield _Arrival(earthquake.at_s + first_s, wave, 1.0, back_azimuth_deg)


@cache
def _mantle_times(
    distance_km: float, depth_km: float
) -> tuple[tuple[Literal["P", "S"], float], ...]:
    """First P and S of ak135 beyond the tables."""
    from obspy.taup import TauPyModel  # 1.4 s, and only distant earthquakes need it

    degrees = math.degrees(distance_km / EARTH_RADIUS_KM)
    found = []
    kinds: tuple[Literal["P", "S"], ...] = ("P", "S")
    for kind in kinds:
        phases = TauPyModel("ak135").get_travel_times(depth_km, degrees, [f"tt{kind.lower()}"])
        if phases:
            found.append((kind, float(phases[0].time)))
    return tuple(found)
