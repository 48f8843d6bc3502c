"""Where and when: the most probable source on a grid, from P times and from silence.

For each node the origin time is fitted to the picks by weighted least squares with weights
that fall for outliers; the likelihood of the residuals is Student's t with 3 degrees of
freedom, so that a wrong pick costs little and pulls little. A station that should have seen
the P wave by now and has not lowers the probability of every node from which it would have
been due, and a station that has seen it raises that of the nodes close by (after Satriano,
Lomax and Zollo 2008, doi:10.1785/0120060159, who use not-yet-arrived stations so).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from numba import njit

from detect.geodesy import distance_azimuth
from detect.settings import LocateSettings
from detect.traveltimes import DEPTH_STEP_KM, DISTANCE_STEP_KM, TravelTimes, interpolate

__all__ = ["Located", "Observation", "Silence", "locate"]

KM_PER_DEGREE = 111.195  # of the sphere of 6371 km

COARSE_KM = 10.0
FINE_KM = 1.5
FINE_HALF_KM = 18.0
DEPTHS_KM = (
    2.0,
    5.0,
    8.0,
    11.0,
    15.0,
    20.0,
    26.0,
    33.0,
    42.0,
    52.0,
    64.0,
    80.0,
    110.0,
    150.0,
    200.0,
)
MOST_SEEN = 4.0  # picks whose having been seen at all says something of the distance
DEPTH_MODE_KM = 10.0  # prior: depth exp(-depth / mode), most crustal earthquakes about here
T_DEGREES = 3.0
MOST_PICKS = 30  # the first in time; more change little but the cost
COARSE_PICKS = 12
MOST_SILENT = 25  # the nearest ones

_Floats = npt.NDArray[np.float64]


class Observation(Struct, frozen=True):
    """A P pick for the locator: place in degrees, time and standard deviation in seconds."""

    latitude: float
    longitude: float
    time_s: float
    sigma_s: float


class Silence(Struct, frozen=True):
    """A healthy station without a pick, and the time (s) up to which it has seen nothing."""

    latitude: float
    longitude: float
    until_s: float


class Located(Struct, frozen=True):
    """A source.

    Attributes
    ----------
    latitude, longitude, depth_km, origin_s
        The most probable source; `origin_s` on the clock of the observations.
    epicentre_sigma_km, depth_sigma_km, origin_sigma_s
        One sigma of the posterior about it.
    residuals_s, weights
        Of each observation, in the order given: observed minus computed, and 0 to 1.
    """

    latitude: float
    longitude: float
    depth_km: float
    origin_s: float
    epicentre_sigma_km: float
    depth_sigma_km: float
    origin_sigma_s: float
    residuals_s: tuple[float, ...]
    weights: tuple[float, ...]


@njit(cache=True, nogil=True)
def _origin(residual: _Floats, sigma: _Floats, work: _Floats) -> float:
    """Robust origin time: the median, then three rounds of reweighted means."""
    n = residual.size
    work[:n] = residual
    work[:n].sort()
    origin: float = 0.5 * (work[(n - 1) // 2] + work[n // 2])
    for _ in range(3):
        total = 0.0
        weight = 0.0
        for i in range(n):
            z = (residual[i] - origin) / sigma[i]
            w = 1.0 / (sigma[i] * sigma[i] * (1.0 + z * z / T_DEGREES))
            weight += w
            total += w * residual[i]
        origin = total / weight
    return origin


@njit(cache=True, nogil=True)
def _scan(
    latitudes: _Floats,
    longitudes: _Floats,
    depths: _Floats,
    pick_at: _Floats,
    pick_s: _Floats,
    sigma_s: _Floats,
    silent_at: _Floats,
    silent_s: _Floats,
    table: npt.NDArray[np.float32],
    log_probability: _Floats,
    origin_s: _Floats,
) -> None:
    """Log probability and origin time at every node of a grid ``[latitude, longitude, depth]``.

    `longitudes` is by node of the plane, since a degree shrinks towards the poles.
    """
    n = pick_s.size
    m = silent_s.size
    distance = np.empty(n)
    far = np.empty(m)
    residual = np.empty(n)
    work = np.empty(n)
    for i in range(latitudes.size):
        for j in range(longitudes.shape[1]):
            for k in range(n):
                distance[k] = distance_azimuth(
                    latitudes[i], longitudes[i, j], pick_at[k, 0], pick_at[k, 1]
                )[0]
            near = 0.0
            for k in range(n):
                near += math.log(seen_probability(distance[k]))
            near *= min(1.0, MOST_SEEN / n)
            for k in range(m):
                far[k] = distance_azimuth(
                    latitudes[i], longitudes[i, j], silent_at[k, 0], silent_at[k, 1]
                )[0]
            for d in range(depths.size):
                for k in range(n):
                    residual[k] = pick_s[k] - interpolate(
                        table, DEPTH_STEP_KM, DISTANCE_STEP_KM, distance[k], depths[d]
                    )
                origin = _origin(residual, sigma_s, work)
                log_p = near + math.log(depths[d]) - depths[d] / DEPTH_MODE_KM
                for k in range(n):
                    z = (residual[k] - origin) / sigma_s[k]
                    log_p -= 0.5 * (T_DEGREES + 1.0) * math.log1p(z * z / T_DEGREES)
                for k in range(m):
                    due = origin + interpolate(
                        table, DEPTH_STEP_KM, DISTANCE_STEP_KM, far[k], depths[d]
                    )
                    if due < silent_s[k]:
                        log_p += math.log(1.0 - seen_probability(far[k]))
                log_probability[i, j, d] = log_p
                origin_s[i, j, d] = origin


@njit(cache=True, nogil=True)
def seen_probability(distance_km: float) -> float:
    """Probability that a station sees the P wave of an event that others have seen.

    It falls with distance since the magnitude is not known; the scale is of the order at
    which small sensors in towns see M 5 (docs/scores.md).
    """
    probability: float = 0.85 * math.exp(-distance_km / 80.0)
    return probability


def _plane(
    latitude: float, longitude: float, half_km: float, step_km: float
) -> tuple[_Floats, _Floats]:
    """Latitudes [n] and longitudes [n, n] of a square grid about a point."""
    steps = np.arange(-math.ceil(half_km / step_km), math.ceil(half_km / step_km) + 1) * step_km
    latitudes = np.clip(latitude + steps / KM_PER_DEGREE, -89.9, 89.9)
    shrink = np.cos(np.radians(latitudes))[:, None]
    return latitudes, longitude + steps[None, :] / (KM_PER_DEGREE * shrink)


def locate(
    observations: Sequence[Observation],
    silences: Sequence[Silence],
    around: tuple[float, float],
    settings: LocateSettings,
    tables: TravelTimes,
    *,
    within_km: float | None = None,
) -> Located:
    """Find the most probable source.

    Parameters
    ----------
    observations
        P picks of different stations; at least one.
    silences
        Healthy stations without a pick.
    around
        Latitude and longitude of the middle of the search: the first station to pick, or
        where the source was found before.
    settings, tables
        Bounds of the search, and the travel times.
    within_km
        Search no further than this, instead of as far as the settings say.
    """
    near = sorted(silences, key=lambda s: distance_azimuth(*around, s.latitude, s.longitude)[0])[
        :MOST_SILENT
    ]
    depths = np.array([d for d in DEPTHS_KM if d <= settings.max_depth_km])
    rough = _arrays(observations[:COARSE_PICKS], near, tables)
    wide = _search(around, within_km or settings.search_km, COARSE_KM, depths, rough)
    best = wide.best()
    exact = _arrays(observations[:MOST_PICKS], near, tables)
    fine = _search((best[0], best[1]), FINE_HALF_KM, FINE_KM, depths, exact)
    latitude, longitude, depth, origin = fine.best()
    spread = wide.spread(latitude, longitude, depth, origin)
    if spread[0] < COARSE_KM:
        spread = fine.spread(latitude, longitude, depth, origin)
    residuals, weights = _residuals(observations, latitude, longitude, depth, origin, tables)
    return Located(
        latitude=latitude,
        longitude=(longitude + 180.0) % 360.0 - 180.0,
        depth_km=depth,
        origin_s=origin,
        epicentre_sigma_km=max(spread[0], FINE_KM),
        depth_sigma_km=max(spread[1], 2.0),
        origin_sigma_s=max(spread[2], 0.1),
        residuals_s=residuals,
        weights=weights,
    )


def _arrays(
    observations: Sequence[Observation], silences: Sequence[Silence], tables: TravelTimes
) -> tuple[_Floats, _Floats, _Floats, _Floats, _Floats, npt.NDArray[np.float32]]:
    return (
        np.array([(o.latitude, o.longitude) for o in observations]),
        np.array([o.time_s for o in observations]),
        np.array([o.sigma_s for o in observations]),
        np.array([(s.latitude, s.longitude) for s in silences]).reshape(-1, 2),
        np.array([s.until_s for s in silences]),
        tables.p_slowness,
    )


def _residuals(
    observations: Sequence[Observation],
    latitude: float,
    longitude: float,
    depth: float,
    origin: float,
    tables: TravelTimes,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    residuals = []
    weights = []
    for o in observations:
        distance, _ = distance_azimuth(latitude, longitude, o.latitude, o.longitude)
        residual = o.time_s - origin - tables.p(distance, depth)
        residuals.append(residual)
        weights.append(1.0 / (1.0 + (residual / o.sigma_s) ** 2 / T_DEGREES))
    return tuple(residuals), tuple(weights)


class _Posterior(Struct, frozen=True):
    """A grid and what was found on it."""

    latitudes: _Floats
    longitudes: _Floats
    depths: _Floats
    log_probability: _Floats
    origin_s: _Floats

    def best(self) -> tuple[float, float, float, float]:
        """Latitude, longitude, depth and origin time of the most probable node."""
        i, j, k = np.unravel_index(int(np.argmax(self.log_probability)), self.log_probability.shape)
        return (
            float(self.latitudes[i]),
            float(self.longitudes[i, j]),
            float(self.depths[k]),
            float(self.origin_s[i, j, k]),
        )

    def spread(
        self, latitude: float, longitude: float, depth: float, origin: float
    ) -> tuple[float, float, float]:
        """One sigma about a source: radius of the epicentre (km), depth (km), origin time (s)."""
        p = np.exp(self.log_probability - self.log_probability.max())
        p /= p.sum()
        plane = p.sum(axis=2)
        north = (self.latitudes - latitude)[:, None] * KM_PER_DEGREE
        east = (self.longitudes - longitude) * KM_PER_DEGREE * math.cos(math.radians(latitude))
        radial = math.sqrt(float((plane * (north**2 + east**2)).sum()) / 2.0)
        deep = math.sqrt(float((p.sum(axis=(0, 1)) * (self.depths - depth) ** 2).sum()))
        time = math.sqrt(float((p * (self.origin_s - origin) ** 2).sum()))
        return radial, deep, time


def _search(
    around: tuple[float, float],
    half_km: float,
    step_km: float,
    depths: _Floats,
    arrays: tuple[_Floats, _Floats, _Floats, _Floats, _Floats, npt.NDArray[np.float32]],
) -> _Posterior:
    latitudes, longitudes = _plane(*around, half_km, step_km)
    shape = (latitudes.size, longitudes.shape[1], depths.size)
    log_probability = np.empty(shape)
    origin_s = np.empty(shape)
    _scan(latitudes, longitudes, depths, *arrays, log_probability, origin_s)
    return _Posterior(latitudes, longitudes, depths, log_probability, origin_s)
