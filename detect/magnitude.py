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
from detect.envelopes import KINDS, log_peak, p_acceleration, p_velocity, s_velocity
from detect.following import WINDOWS_S
from detect.peaks import SCATTER, SHOWN, node
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

LOWEST, LARGEST = float(MAGNITUDES[0]), float(MAGNITUDES[-1])
STEP = (LARGEST - LOWEST) / (MAGNITUDES.size - 1)
FIRST_WINDOW_S = WINDOWS_S[0]
P_DISPLACEMENT, P_ACCELERATION, P_VELOCITY, S_ACCELERATION, S_VELOCITY = range(len(KINDS))

_EXACT, _AT_LEAST, _AT_MOST = range(3)

_Doubles = npt.NDArray[np.float64]


class Amplitude(Struct, frozen=True, eq=False):
    """One station's say, for each of the places where the source may be.

    Attributes
    ----------
    likelihood : float64[places, magnitudes]
        Natural logarithm for each of `MAGNITUDES`; 0 at the best of each place.
    seen : float64[places]
        Largest magnitude of which the station has seen half.
    is_p, is_s
        Which waves it rests on.
    """

    likelihood: _Doubles
    seen: _Doubles
    is_p: bool
    is_s: bool


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
def _expected(kind: int, distance_km: float, pd: _Doubles, out: _Doubles) -> None:
    """Fill in the expected log10 peak of each magnitude, and its scatter beside the formula's."""
    if kind == P_DISPLACEMENT:
        for i in range(MAGNITUDES.size):
            out[0, i] = log_peak(kind, MAGNITUDES[i], distance_km, pd)
            out[1, i] = 0.0
        return
    at = node(distance_km)
    n = int(at)
    f = at - n
    for i in range(MAGNITUDES.size):
        out[0, i] = (1.0 - f) * SHOWN[kind, n, i] + f * SHOWN[kind, n + 1, i]
        out[1, i] = (1.0 - f) * SCATTER[kind, n, i] + f * SCATTER[kind, n + 1, i]


@njit(cache=True, nogil=True)
def _add(
    out: _Doubles, sense: int, logarithm: float, seen: float, expected: _Doubles, sigma: float
) -> None:
    """Add the log-likelihood of each magnitude for one peak.

    Above what was seen a peak says the same of all magnitudes, but for its scatter.
    """
    place = min(max((seen - LOWEST) / STEP, 0.0), MAGNITUDES.size - 1.001)
    at = int(place)
    most = expected[0, at] + (place - at) * (expected[0, at + 1] - expected[0, at])
    wide = expected[1, at] + (place - at) * (expected[1, at + 1] - expected[1, at])
    for i in range(MAGNITUDES.size):
        above = MAGNITUDES[i] - seen
        shown = expected[0, i] if above < 0.0 else most
        more = expected[1, i] if above < 0.0 else wide
        beyond = GROWTH * min(max(above, 0.0), 1.0)
        variance = sigma * sigma + more * more + beyond * beyond
        z = (logarithm - shown) / math.sqrt(variance)
        if sense == _EXACT:
            out[i] -= 0.5 * (z * z + math.log(variance))
        else:
            tail = z if sense == _AT_LEAST else -z
            out[i] += math.log(max(0.5 * math.erfc(tail / math.sqrt(2.0)), 1e-30))


@njit(cache=True, nogil=True)
def _likelihoods(
    grown: _Doubles,
    windows: _Doubles,
    noise: _Doubles,
    places: _Doubles,
    kinds: _Doubles,
    pd: _Doubles,
    ratio: float,
    share: float,
    out: _Doubles,
    seen: _Doubles,
) -> int:
    """Fill in the log-likelihoods and what was seen; return 1 for P and 2 for S, or both.

    Parameters
    ----------
    grown : float64[n, 3]
        Elapsed time, peak velocity and acceleration; the last is the newest.
    windows : float64[w, 2]
        Length of each complete window, and its peak displacement.
    noise : float64[3]
        Peak displacement, velocity and acceleration before P.
    places : float64[k, 4]
        Distance, time from P to S, slack about it, and scatter from the place's own width.
    kinds : float64[5, 2]
        Shift and sigma of each kind of peak.
    pd : float64[3]
        See `detect.envelopes.log_peak`.
    ratio, share
        Of a peak to the noise, from which on it stands out; of the variance, that the peaks of one
        station have in common.
    out : float64[k, magnitudes], seen : float64[k]
        Out; zeros before. See `Amplitude`.
    """
    newest = grown.shape[0] - 1
    waves = 0
    expected = np.empty((2, MAGNITUDES.size))
    for k in range(places.shape[0]):
        distance_km, s_minus_p_s, slack_s, blur = places[k]
        p_ends_s = s_minus_p_s - slack_s
        since_s = grown[newest, 0] - s_minus_p_s
        p = newest
        while p >= 0 and grown[p, 0] > p_ends_s:
            p -= 1
        window = -1
        for w in range(windows.shape[0]):
            if windows[w, 0] <= max(p_ends_s, FIRST_WINDOW_S):
                window = w
        number = 0
        for kind in range(len(KINDS)):
            sense = _EXACT
            if kind == P_DISPLACEMENT:
                if window < 0:
                    continue
                value, before, length = windows[window, 1], noise[0], windows[window, 0]
            elif kind <= P_VELOCITY:
                if p < 0 or grown[p, 0] < FIRST_WINDOW_S:
                    continue
                column = 1 if kind == P_VELOCITY else 2
                value, before, length = grown[p, column], noise[column], grown[p, 0]
            else:
                column = 1 if kind == S_VELOCITY else 2
                value, before, length = grown[newest, column], noise[column], since_s
                if since_s < slack_s:
                    if since_s <= -slack_s or kind != S_VELOCITY:
                        continue
                    sense = _AT_LEAST
            floor = ratio * before
            stands_out = value > floor and value > 0.0
            if (sense == _AT_LEAST and not stands_out) or not (stands_out or floor > 0.0):
                continue
            signal = math.sqrt(value**2 - before**2) if stands_out else floor
            reach = seen_magnitude(length)
            if sense == _AT_LEAST:
                reach = LARGEST
            elif stands_out:
                waves |= 1 if kind <= P_VELOCITY else 2
                seen[k] = max(seen[k], reach)
            else:
                sense = _AT_MOST
            _expected(kind, distance_km, pd, expected)
            shift, sigma = kinds[kind]
            logarithm = math.log10(100.0 * signal) - shift
            _add(out[k], sense, logarithm, reach, expected, math.sqrt(sigma**2 + blur**2))
            number += sense != _AT_LEAST
        out[k] /= 1.0 + max(number - 1, 0) * share
        out[k] -= out[k].max()
    return waves


@lru_cache(maxsize=8)
def _constants(settings: MagnitudeSettings) -> tuple[_Doubles, _Doubles]:
    """Return a, b and c of displacement, and the shift and sigma of each kind of peak."""
    by_kind = [
        (
            0.0 if kind == "p_displacement" else getattr(settings, kind),
            getattr(settings, f"{kind}_sigma"),
        )
        for kind in KINDS
    ]
    return np.array([settings.a, settings.b, settings.c]), np.array(by_kind)


def station_magnitude(
    motions: Sequence[PickMotion],
    distance_km: _Doubles,
    s_minus_p_s: _Doubles,
    settings: MagnitudeSettings,
    *,
    distance_sigma_km: float = 0.0,
) -> Amplitude | None:
    """One station's say: its P wave until S, and S when it has come.

    Displacement of P is taken over the longest complete window, velocity and acceleration of P
    from the pick until shortly before S, those of S since the pick. About the computed arrival of
    S, which is no surer than the place, the velocity only says: at least. A peak that does not
    stand out of the noise says: at most.

    Parameters
    ----------
    motions
        Since the station's P pick, as they grew; the last is the newest.
    distance_km : float64[places]
        Epicentral distance of each place where the source may be.
    s_minus_p_s : float64[places]
        Computed time from P to S at the station.
    settings
        Formulas and gates.
    distance_sigma_km
        How sure each distance is.

    Returns
    -------
    Amplitude or None
        None where nothing stands out of the noise, or all places are out of reach.
    """
    if distance_km.min() > settings.max_distance_km:
        return None
    newest = motions[-1]
    pd, kinds = _constants(settings)
    places = np.empty((distance_km.size, 4))
    places[:, 0] = distance_km
    places[:, 1] = s_minus_p_s
    places[:, 2] = SLACK_S + min(distance_sigma_km / SLACK_KM_S, MOST_SLACK_S - SLACK_S)
    away = np.maximum(distance_km, max(distance_sigma_km, 10.0))
    places[:, 3] = DISTANCE_POWER * distance_sigma_km / away / math.log(10.0)
    likelihood = np.zeros((distance_km.size, MAGNITUDES.size))
    seen = np.zeros(distance_km.size)
    waves = _likelihoods(
        np.array([(m.elapsed_s, m.pgv, m.pga) for m in motions]),
        np.array(list(zip(WINDOWS_S, newest.pd_m, strict=False))).reshape(-1, 2),
        np.array([newest.noise_pd_m, newest.noise_pgv, newest.noise_pga]),
        places,
        kinds,
        pd,
        settings.min_noise_ratio,
        settings.station_share,
        likelihood,
        seen,
    )
    if not waves:
        return None
    return Amplitude(likelihood, seen, bool(waves & 1), bool(waves & 2))


@njit(cache=True, nogil=True)
def _shared(likelihood: _Doubles, weight: _Doubles, share: float, out: _Doubles) -> None:
    """Sum over stations that have a share of their variance in common."""
    out[:] = 0.0
    for i in range(weight.size):
        out += weight[i] * likelihood[i]
    out /= 1.0 + max(weight.sum() - 1.0, 0.0) * share


@njit(cache=True, nogil=True)
def _combined(
    likelihood: _Doubles, seen: _Doubles, trust: _Doubles, prior: _Doubles, share: float
) -> tuple[_Doubles, float]:
    """Return the probability of each magnitude, and that it is above what has been seen."""
    stations, places, magnitudes = likelihood.shape
    probability = np.zeros(magnitudes)
    above = 0.0
    total = np.empty(magnitudes)
    say = np.empty((stations, magnitudes))
    for k in range(places):
        say[:] = likelihood[:, k]
        if stations > 1:
            newest = np.sort(seen[:, k])[-2]
            for i in range(stations):
                if seen[i, k] < newest - LATER:
                    for m in range(magnitudes):
                        if MAGNITUDES[m] > seen[i, k]:
                            say[i, m] = max(say[i, m], -LATER_COSTS)
        weight = trust.copy()
        for _ in range(ROUNDS):
            _shared(say, weight, share, total)
            best = (total + prior).argmax()
            for i in range(stations):
                weight[i] = trust[i] / (1.0 - say[i, best] / DEVIANCE)
        _shared(say, weight, share, total)
        total += prior
        part = np.exp(total - total.max())
        part /= part.sum() * places
        probability += part
        for m in range(magnitudes):
            if MAGNITUDES[m] > seen[:, k].max():
                above += part[m]
    return probability, above


def combine(
    amplitudes: Sequence[Amplitude],
    settings: MagnitudeSettings,
    weights: Sequence[float] | None = None,
) -> Magnitude | None:
    """Combine the stations, and how often earthquakes of a size occur.

    A station that stands apart from the others weighs less. One that has seen clearly less of
    the earthquake than two others says nothing against what is larger than it can have seen:
    theirs is the later news. What all stations of an event have in common does not average out.
    The places where the source may be are equally probable, and each has its own magnitude.

    Parameters
    ----------
    amplitudes
        One a station, all for the same places.
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
    trust = np.ones(len(amplitudes)) if weights is None else np.array(weights, np.float64)
    probability, above = _combined(
        np.array([a.likelihood for a in amplitudes]),
        np.array([a.seen for a in amplitudes]),
        trust,
        -settings.prior_slope * math.log(10.0) * MAGNITUDES,
        settings.event_share,
    )
    value = float(probability @ MAGNITUDES)
    spread = float(probability @ (MAGNITUDES - value) ** 2)
    is_p, is_s = any(a.is_p for a in amplitudes), any(a.is_s for a in amplitudes)
    return Magnitude(
        value=value,
        sigma=math.sqrt(spread + LEAST_SIGMA**2),
        stations=len(amplitudes),
        saturated=above > SATURATED,
        kind="Mpd-pgv" if is_p and is_s else "Mpd" if is_p else "Mpgv",
        probability=probability,
    )


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
