"""How large: from all peaks of P and S at all stations, and from what an earthquake can be.

Each station says how likely its peaks are for each magnitude; together with how often such
earthquakes occur that is a probability over magnitudes. What a station has seen of an
earthquake is at most one whose half duration fits into its window (`detect.saturation`): above,
magnitudes are alike to it, and it says "at least". The idea, with measurements, is that of
Trugman, Page, Minson and Cochran (2019), doi:10.1029/2018JB017093. How a large one begins
differs, so that a weak beginning says little against it.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct
from numba import njit

from detect.detections import PickMotion
from detect.envelopes import KINDS, Kind, log_peak, p_acceleration, p_velocity, s_velocity
from detect.following import WINDOWS_S
from detect.rupture import Rupture
from detect.saturation import MAGNITUDES, seen_magnitude
from detect.settings import MagnitudeSettings

__all__ = [
    "MAGNITUDES",
    "Amplitude",
    "Magnitude",
    "along_line",
    "combine",
    "p_acceleration",
    "p_velocity",
    "s_velocity",
    "station_magnitude",
]

SLACK_S = 0.5  # about the computed S, in which a peak may be of P or of S
SLACK_KM_S = 8.0  # km by which a place must be wrong for a second between P and S
MOST_SLACK_S = 1.0
DISTANCE_POWER = 1.4  # of a peak's decay with distance
GROWTH = 0.2  # of log10: how differently large earthquakes begin (docs/magnitude.md)
DEVIANCE = 4.0  # a station that stands this far (log-likelihood) from the rest weighs half
ROUNDS = 4
LATER = 0.3  # of magnitude: half as much more time; others have seen more than this station
LATER_COSTS = 0.5
LEAST_SIGMA = 0.1  # the step of the magnitudes
SATURATED = 0.3  # probability above what has been seen from which on the value is "at least"

_EXACT, _AT_LEAST, _AT_MOST = range(3)

_Doubles = npt.NDArray[np.float64]


class Amplitude(Struct, frozen=True, eq=False):
    """One station's say.

    Attributes
    ----------
    likelihood : float64[magnitudes]
        Natural logarithm for each of `MAGNITUDES`; 0 at the best.
    seen
        Largest magnitude of which the station has seen half.
    is_p, is_s
        Which waves it rests on.
    before_s
        Its newest motion that holds P alone, for the next time; None if there was none.
    """

    likelihood: _Doubles
    seen: float
    is_p: bool
    is_s: bool
    before_s: PickMotion | None


class Magnitude(Struct, frozen=True, eq=False):
    """The network's say.

    Attributes
    ----------
    value, sigma
        Mean and standard deviation of the probability.
    stations
        How many stations it rests on.
    saturated
        True where it can only mean "at least".
    kind
        ``Mpd`` (from P), ``Mpgv`` (from S), ``Mpd-pgv`` (from both).
    probability : float64[magnitudes]
        Of each of `MAGNITUDES`.
    """

    value: float
    sigma: float
    stations: int
    saturated: bool
    kind: str
    probability: _Doubles


@njit(cache=True, nogil=True)
def _summed(peaks: _Doubles, distance_km: float, pd: _Doubles, magnitudes: _Doubles) -> _Doubles:
    """Log-likelihood of each magnitude, summed over some peaks: a row each, as `_Peaks` tells it.

    Above what was seen a peak says the same of all magnitudes, but for its scatter.
    """
    out = np.zeros(magnitudes.size)
    for k in range(peaks.shape[0]):
        kind, logarithm, sense, seen, shift, sigma = peaks[k]
        expected = log_peak(int(kind), seen, distance_km, pd) + shift
        beyond = -1.0
        scatter = sigma
        blurred = 0.0
        for i in range(magnitudes.size):
            shown = expected
            if magnitudes[i] < seen:
                shown = log_peak(int(kind), magnitudes[i], distance_km, pd) + shift
            before = beyond
            beyond = GROWTH * min(max(magnitudes[i] - seen, 0.0), 1.0)
            if beyond != before:
                scatter = math.sqrt(sigma * sigma + beyond * beyond)
                blurred = math.log(scatter / sigma)
            z = (logarithm - shown) / scatter
            if sense == _EXACT:
                out[i] -= 0.5 * z * z + blurred
            else:
                tail = z if sense == _AT_LEAST else -z
                out[i] += math.log(max(0.5 * math.erfc(tail / math.sqrt(2.0)), 1e-30))
    return out


@lru_cache(maxsize=8)
def _constants(
    settings: MagnitudeSettings,
) -> tuple[_Doubles, dict[Kind, tuple[float, float, float]]]:
    """Return a, b and c of displacement, and by kind of peak: its number, shift and sigma."""
    by_kind = {
        kind: (
            float(number),
            0.0 if kind == "p_displacement" else getattr(settings, kind),
            getattr(settings, f"{kind}_sigma"),
        )
        for number, kind in enumerate(KINDS)
    }
    return np.array([settings.a, settings.b, settings.c]), by_kind


class _Peaks:
    """The log-likelihood of a station, from its peaks."""

    def __init__(
        self, distance_km: float, distance_sigma_km: float, settings: MagnitudeSettings
    ) -> None:
        self._settings = settings
        self._distance_km = distance_km
        away = max(distance_km, distance_sigma_km, 10.0)
        self._blur = DISTANCE_POWER * distance_sigma_km / away / math.log(10.0)
        self._pd, self._kinds = _constants(settings)
        self._told: list[tuple[float, ...]] = []
        self.number = 0
        self.seen = 0.0

    def add(
        self, kind: Kind, value: float, noise: float, window_s: float, *, at_least: bool = False
    ) -> bool:
        """Take in a peak (m, m/s, m/s2); say whether it stands out of the noise."""
        floor = self._settings.min_noise_ratio * noise
        stands_out = value > floor and value > 0.0
        if (at_least and not stands_out) or not (stands_out or floor > 0.0):
            return False
        signal = math.sqrt(value**2 - noise**2) if stands_out else floor
        sense = _EXACT if stands_out else _AT_MOST
        seen = seen_magnitude(window_s)
        if at_least:
            sense, seen = _AT_LEAST, float(MAGNITUDES[-1])
        number, shift, scatter = self._kinds[kind]
        sigma = math.hypot(scatter, self._blur)
        self._told.append((number, math.log10(100.0 * signal), sense, seen, shift, sigma))
        self.number += not at_least
        if sense == _EXACT:
            self.seen = max(self.seen, seen)
        return sense == _EXACT

    def likelihood(self) -> _Doubles:
        """Return what they come to: peaks of one station repeat each other in part."""
        share = self._settings.station_share
        total = _summed(np.array(self._told), self._distance_km, self._pd, MAGNITUDES)
        total /= 1.0 + max(self.number - 1, 0) * share
        total -= total.max()
        return np.asarray(total)


def station_magnitude(
    motion: PickMotion,
    distance_km: float,
    s_minus_p_s: float,
    settings: MagnitudeSettings,
    *,
    distance_sigma_km: float = 0.0,
    before: Amplitude | None = None,
) -> Amplitude | None:
    """One station's say: its P wave until S, and S when it has come.

    Displacement of P is taken over the longest complete window, velocity and acceleration of P
    since the pick, those of S since the pick too. About the computed arrival of S, which is no
    surer than the place, the velocity only says: at least. A peak that does not stand out of
    the noise says: at most.

    Parameters
    ----------
    motion
        Since the station's P pick.
    distance_km, distance_sigma_km
        Epicentral distance, and how sure it is.
    s_minus_p_s
        Computed time from P to S at the station.
    settings
        Formulas and gates.
    before
        What the station said last of the same pick.

    Returns
    -------
    Amplitude or None
        None where nothing stands out of the noise, or out of reach.
    """
    if distance_km > settings.max_distance_km:
        return None
    slack_s = SLACK_S + min(distance_sigma_km / SLACK_KM_S, MOST_SLACK_S - SLACK_S)
    p_ends_s = s_minus_p_s - slack_s
    p = motion if motion.elapsed_s <= p_ends_s else None
    if p is None and before is not None:
        p = before.before_s
        if p is not None and (p.elapsed_s > p_ends_s or p.pick_id != motion.pick_id):
            p = None
    peaks = _Peaks(distance_km, distance_sigma_km, settings)
    windows = [
        (window, value)
        for window, value in zip(WINDOWS_S, motion.pd_m, strict=False)
        if window <= max(p_ends_s, WINDOWS_S[0])
    ]
    is_p = False
    if windows:
        window, value = windows[-1]
        is_p |= peaks.add("p_displacement", value, motion.noise_pd_m, window)
    if p is not None and p.elapsed_s >= WINDOWS_S[0]:
        is_p |= peaks.add("p_velocity", p.pgv, p.noise_pgv, p.elapsed_s)
        is_p |= peaks.add("p_acceleration", p.pga, p.noise_pga, p.elapsed_s)
    since_s = motion.elapsed_s - s_minus_p_s
    is_s = False
    if since_s >= slack_s:
        is_s |= peaks.add("s_velocity", motion.pgv, motion.noise_pgv, since_s)
        is_s |= peaks.add("s_acceleration", motion.pga, motion.noise_pga, since_s)
    elif since_s > -slack_s:
        peaks.add("s_velocity", motion.pgv, motion.noise_pgv, 0.0, at_least=True)
    if not (is_p or is_s):
        return None
    return Amplitude(peaks.likelihood(), peaks.seen, is_p, is_s, p)


def combine(
    amplitudes: Sequence[Amplitude],
    settings: MagnitudeSettings,
    weights: Sequence[float] | None = None,
) -> Magnitude | None:
    """Combine the stations, and how often earthquakes of a size occur.

    A station that stands apart from the others weighs less. One that has seen clearly less of
    the earthquake than two others says nothing against what is larger than it can have seen:
    theirs is the later news. What all stations of an event have in common does not average out.

    Parameters
    ----------
    amplitudes
        One a station.
    settings
        Prior, and the share that does not average out.
    weights
        0 to 1 for each station, as far as it is trusted; 1 where not given.

    Returns
    -------
    Magnitude or None
        None without any station.
    """
    if not amplitudes:
        return None
    likelihood = np.array([a.likelihood for a in amplitudes])
    seen = np.array([a.seen for a in amplitudes])
    if seen.size > 1:
        newest = np.sort(seen)[-2]
        old = (seen < newest - LATER)[:, None] & (MAGNITUDES[None, :] > seen[:, None])
        likelihood = np.where(old, np.maximum(likelihood, -LATER_COSTS), likelihood)
    trust = np.ones(seen.size) if weights is None else np.asarray(weights, np.float64)
    prior = -settings.prior_slope * math.log(10.0) * MAGNITUDES
    weight = trust
    for _ in range(ROUNDS):
        total = _shared(likelihood, weight, settings.event_share) + prior
        weight = trust / (1.0 - likelihood[:, int(total.argmax())] / DEVIANCE)
    total = _shared(likelihood, weight, settings.event_share) + prior
    probability = np.exp(total - total.max())
    probability /= probability.sum()
    value = float(probability @ MAGNITUDES)
    spread = float(probability @ (MAGNITUDES - value) ** 2)
    above = float(probability[np.greater(MAGNITUDES, seen.max())].sum())
    is_p, is_s = any(a.is_p for a in amplitudes), any(a.is_s for a in amplitudes)
    return Magnitude(
        value=value,
        sigma=math.sqrt(spread + LEAST_SIGMA**2),
        stations=len(amplitudes),
        saturated=above > SATURATED,
        kind="Mpd-pgv" if is_p and is_s else "Mpd" if is_p else "Mpgv",
        probability=probability,
    )


def _shared(likelihood: _Doubles, weight: _Doubles, share: float) -> _Doubles:
    """Sum over stations that have a share of their variance in common."""
    summed = weight @ likelihood
    return np.asarray(summed / (1.0 + max(float(weight.sum()) - 1.0, 0.0) * share))


def along_line(magnitude: Magnitude, rupture: Rupture) -> Magnitude:
    """Put the magnitude of a line source in place of that of a point.

    While the line may still grow, the larger of the two counts.
    """
    value = float(rupture.probability @ MAGNITUDES)
    if rupture.growing and value < magnitude.value:
        return msgspec.structs.replace(magnitude, saturated=True)
    spread = float(rupture.probability @ (MAGNITUDES - value) ** 2)
    return Magnitude(
        value=value,
        sigma=math.sqrt(spread + LEAST_SIGMA**2),
        stations=magnitude.stations,
        saturated=rupture.growing,
        kind="Mpgv-line",
        probability=rupture.probability,
    )
