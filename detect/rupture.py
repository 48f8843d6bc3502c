"""The line along which a large earthquake breaks, from where the ground moves strongly.

A point cannot explain strong shaking a hundred kilometres away and weak shaking as far to the
other side. The source is taken as one or two straight wings from the epicentre, each of any
direction and length; distances are to the nearest part of it that a station can have felt by
now. That is the idea of Boese, Heaton and Hauksson (2012), doi:10.1111/j.1365-246X.2012.05657.x,
who match templates of acceleration; here peak velocities are compared with Cua and Heaton's
formula, whose distance is that to the rupture. The length tells of the magnitude: Wells and
Coppersmith (1994).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from numba import njit

from detect.envelopes import KINDS, KUYUK_ALLEN, log_peak
from detect.geodesy import EARTH_RADIUS_KM
from detect.saturation import (
    LENGTH_CONSTANT,
    LENGTH_SIGMA,
    LENGTH_SLOPE,
    MAGNITUDES,
    seen_magnitude,
)
from detect.settings import MagnitudeSettings

__all__ = ["LEAST_STATIONS", "Felt", "Rupture", "find_rupture"]

LEAST_STATIONS = 6  # that have felt S: fewer hold no line
RUPTURE_KM_S = 3.0  # speed at which it breaks
S_KM_S = 3.4  # at which its waves come
AZIMUTHS = 36
APART = 9  # azimuths at least between two wings: a rupture may bend, it is no fork
SEGMENT_KM = 10.0
LENGTHS = np.array([0, 1, 2, 3, 5, 7, 10, 14, 19, 25, 30])  # of a wing, in segments
LEAST_KM = 30.0  # a shorter line is no better than a point: so are places, and the segments
LEAST_GAIN = 5.0  # of log-likelihood over a point, beyond what the choice of a direction is worth
CLIPPED = 3.0  # a station that stands further (sigma) from the line than this counts as this far
GROWS_ON_S = 40.0  # after its ends were reached a rupture is taken to be over

_LARGE = np.flatnonzero(MAGNITUDES > 5.95)[::4]  # in steps of 0.4: enough to find a line
_FARTHEST_KM = 500
KM_PER_DEGREE = math.radians(EARTH_RADIUS_KM)

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]


class Felt(Struct, frozen=True):
    """What a station has felt since S came.

    Attributes
    ----------
    latitude, longitude
        Of the station.
    data_end_s
        How far its data reach, seconds after the origin.
    since_s
        Seconds since S.
    velocity
        Peak velocity (m/s).
    """

    latitude: float
    longitude: float
    data_end_s: float
    since_s: float
    velocity: float


class Rupture(Struct, frozen=True, eq=False):
    """A line source.

    Attributes
    ----------
    line
        Latitude and longitude of its one end, the epicentre, and its other end.
    length_km
        Of both wings.
    growing
        Whether it may not have come to its end.
    probability : float64[magnitudes]
        Of each of `detect.saturation.MAGNITUDES`.
    """

    line: tuple[tuple[float, float], ...]
    length_km: float
    growing: bool
    probability: _Doubles


def _table() -> _Doubles:
    """Peak velocity of S (log10 cm/s) by magnitude and whole kilometres."""
    kind = KINDS.index("s_velocity")
    return np.array(
        [
            [log_peak(kind, m, float(km), KUYUK_ALLEN) for km in range(_FARTHEST_KM + 1)]
            for m in MAGNITUDES
        ]
    )


_VELOCITY = _table()


@njit(cache=True, nogil=True)
def _nearest(
    east: _Doubles,
    north: _Doubles,
    end_s: _Doubles,
    depth_km: float,
    azimuths: int,
    lengths: _Ints,
    out: _Doubles,
) -> None:
    """Distance of each station to the part of each wing of which S can have come.

    `out` is float64[azimuths, lengths, stations].
    """
    for a in range(azimuths):
        azimuth = a * 2.0 * math.pi / azimuths
        x, y = math.sin(azimuth), math.cos(azimuth)
        for i in range(east.size):
            best = math.hypot(east[i], north[i])
            at = 0
            for k in range(lengths[-1] + 1):
                s = k * SEGMENT_KM
                d = math.hypot(east[i] - s * x, north[i] - s * y)
                comes = s / RUPTURE_KM_S + math.hypot(d, depth_km) / S_KM_S
                if d < best and comes <= end_s[i]:
                    best = d
                if k == lengths[at]:
                    out[a, at, i] = best
                    at += 1


@njit(cache=True, nogil=True)
def _residuals(
    logarithm: _Doubles,
    seen: _Doubles,
    distance: _Doubles,
    magnitude: float,
    table: _Doubles,
    out: _Doubles,
) -> float:
    """Observed less expected log10 velocity of each station; return the mean."""
    total = 0.0
    for i in range(distance.size):
        place = (min(magnitude, seen[i]) - 1.0) * 10.0
        m = min(int(place), table.shape[0] - 2)
        f = place - m
        km = min(int(distance[i]), table.shape[1] - 2)
        g = min(distance[i] - km, 1.0)
        low = table[m, km] * (1.0 - g) + table[m, km + 1] * g
        high = table[m + 1, km] * (1.0 - g) + table[m + 1, km + 1] * g
        out[i] = logarithm[i] - low * (1.0 - f) - high * f
        total += out[i]
    return total / distance.size


@njit(cache=True, nogil=True)
def _misfits(
    logarithm: _Doubles,
    seen: _Doubles,
    base: _Doubles,
    wings: _Doubles,
    magnitudes: _Doubles,
    table: _Doubles,
    within: float,
    between: float,
    out: _Doubles,
) -> None:
    """Log-likelihood of each wing (beside what is there already) and magnitude."""
    n = base.size
    distance = np.empty(n)
    residual = np.empty(n)
    for a in range(wings.shape[0]):
        for k in range(wings.shape[1]):
            for i in range(n):
                distance[i] = min(base[i], wings[a, k, i])
            for m in range(magnitudes.size):
                mean = _residuals(logarithm, seen, distance, magnitudes[m], table, residual)
                total = 0.0
                for i in range(n):
                    z = min(abs(residual[i] - mean) / within, CLIPPED)
                    total += z * z
                total += mean * mean / (between**2 + within**2 / n)
                out[a, k, m] = -0.5 * total


def _longer(magnitudes: _Doubles, length_km: float) -> _Doubles:
    """Log-probability that a rupture becomes at least so long."""
    if length_km <= 0.0:
        return np.zeros(magnitudes.size)
    z = (math.log10(length_km) - LENGTH_CONSTANT - LENGTH_SLOPE * magnitudes) / LENGTH_SIGMA
    return np.array([math.log(max(0.5 * math.erfc(v / math.sqrt(2.0)), 1e-30)) for v in z])


def find_rupture(
    latitude: float,
    longitude: float,
    depth_km: float,
    now_s: float,
    felt: Sequence[Felt],
    settings: MagnitudeSettings,
) -> Rupture | None:
    """Find the line source that explains what has been felt, if a point does not.

    Parameters
    ----------
    latitude, longitude, depth_km
        Of the hypocentre: the wings begin there.
    now_s
        Seconds after the origin.
    felt
        The stations to which S has come.
    settings
        Scatter, and the prior.

    Returns
    -------
    Rupture or None
        None with too few stations, or where a point does nearly as well.
    """
    if len(felt) < LEAST_STATIONS:
        return None
    km_east = KM_PER_DEGREE * math.cos(math.radians(latitude))
    east = np.array([(f.longitude - longitude) * km_east for f in felt])
    north = np.array([(f.latitude - latitude) * KM_PER_DEGREE for f in felt])
    end_s = np.array([f.data_end_s for f in felt])
    logarithm = np.array([math.log10(100.0 * f.velocity) for f in felt]) - settings.s_velocity
    seen = np.array([min(seen_magnitude(f.since_s), float(MAGNITUDES[-1])) for f in felt])
    wings = np.empty((AZIMUTHS, LENGTHS.size, len(felt)))
    _nearest(east, north, end_s, max(depth_km, 5.0), AZIMUTHS, LENGTHS, wings)
    scatter = _Scatter(
        settings.s_velocity_sigma * math.sqrt(1.0 - settings.event_share),
        settings.s_velocity_sigma * math.sqrt(settings.event_share),
        settings.prior_slope * math.log(10.0),
    )
    search = _Search(logarithm, seen, np.hypot(east, north), wings, scatter)
    pair = search.pair()
    if pair is None:
        return None
    length_km = float(pair[0].segments + pair[1].segments) * SEGMENT_KM
    longest_s = float(max(wing.segments for wing in pair)) * SEGMENT_KM / RUPTURE_KM_S
    line = [_end(latitude, longitude, pair[0]), (round(latitude, 4), round(longitude, 4))]
    if pair[1].segments:
        line.append(_end(latitude, longitude, pair[1]))
    return Rupture(
        tuple(line), length_km, now_s < longest_s + GROWS_ON_S, search.sizes(pair, length_km)
    )


class _Scatter(Struct, frozen=True):
    """Of log10 velocity within an event and between events, and the prior's slope."""

    within: float
    between: float
    slope: float


class _Wing(Struct, frozen=True):
    """One wing, by its azimuth and its length as they stand in the arrays."""

    azimuth: int
    length: int

    @property
    def segments(self) -> int:
        """How many segments long."""
        return int(LENGTHS[self.length])


class _Search:
    """The wings that explain best what has been felt."""

    def __init__(
        self,
        logarithm: _Doubles,
        seen: _Doubles,
        point: _Doubles,
        wings: _Doubles,
        scatter: _Scatter,
    ) -> None:
        self._logarithm = logarithm
        self._seen = seen
        self._point = point
        self._wings = wings
        self._scatter = scatter
        self._magnitudes = MAGNITUDES[_LARGE]

    def _scores(self, base: _Doubles, wings: _Doubles) -> _Doubles:
        """Log-likelihood and prior: float64[azimuths, lengths, magnitudes]."""
        out = np.empty((*wings.shape[:2], self._magnitudes.size))
        scatter = self._scatter
        _misfits(
            self._logarithm,
            self._seen,
            base,
            wings,
            self._magnitudes,
            _VELOCITY,
            scatter.within,
            scatter.between,
            out,
        )
        return np.asarray(out - scatter.slope * self._magnitudes)

    def _best(self, beside: _Wing) -> tuple[_Wing, float]:
        """Return the best wing beside another, and their score; they stand well apart."""
        base = np.minimum(self._point, self._wings[beside.azimuth, beside.length])
        out = self._scores(base, self._wings)
        for k, segments in enumerate(LENGTHS.tolist()):
            length_km = (segments + beside.segments) * SEGMENT_KM
            choice = math.log(AZIMUTHS) * ((segments > 0) + (beside.segments > 0))
            out[:, k] += _longer(self._magnitudes, length_km) - choice
        if beside.segments:
            turn = np.abs(np.arange(AZIMUTHS) - beside.azimuth)
            close = np.minimum(turn, AZIMUTHS - turn) < APART
            out[close, 1:] = -np.inf
        at = np.unravel_index(int(out.argmax()), out.shape)
        return _Wing(int(at[0]), int(at[1])), float(out.max())

    def pair(self) -> tuple[_Wing, _Wing] | None:
        """Return the best two wings, the second perhaps of no length; None for a point."""
        none = _Wing(0, 0)
        first, _ = self._best(none)
        if not first.segments:
            return None
        second, _ = self._best(first)
        first, gained = self._best(second)
        of_point = float(self._scores(self._point, self._point[None, None, :]).max())
        if not first.segments or gained - of_point < LEAST_GAIN:
            return None
        if (first.segments + second.segments) * SEGMENT_KM < LEAST_KM:
            return None
        return first, second

    def sizes(self, pair: tuple[_Wing, _Wing], length_km: float) -> _Doubles:
        """Return the probability of each magnitude: by how strong it is, and by its length."""
        distance = self._point
        for wing in pair:
            distance = np.minimum(distance, self._wings[wing.azimuth, wing.length])
        residual = np.empty(distance.size)
        mean = np.array(
            [
                _residuals(self._logarithm, self._seen, distance, m, _VELOCITY, residual)
                for m in MAGNITUDES
            ]
        )
        scatter = self._scatter
        variance = scatter.between**2 + scatter.within**2 / distance.size
        z = (math.log10(length_km) - LENGTH_CONSTANT - LENGTH_SLOPE * MAGNITUDES) / LENGTH_SIGMA
        total = -0.5 * (mean**2 / variance + z * z) - scatter.slope * MAGNITUDES
        probability = np.exp(total - total.max())
        return np.asarray(probability / probability.sum())


def _end(latitude: float, longitude: float, wing: _Wing) -> tuple[float, float]:
    """Return the end of a wing."""
    angle = wing.azimuth * 2.0 * math.pi / AZIMUTHS
    km = wing.segments * SEGMENT_KM
    north = latitude + km * math.cos(angle) / KM_PER_DEGREE
    east = longitude + km * math.sin(angle) / KM_PER_DEGREE / math.cos(math.radians(latitude))
    return round(north, 4), round(east, 4)
