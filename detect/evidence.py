"""What the stations' reports say of one source: likelihoods, and a search through all sources.

Every station says something: the time and the amplitude of its onset, later onsets that may be
S, or that it has seen nothing although its data reach far enough. Its likelihood, over that of
its saying the same without the source, is for an onset

``1 - w + w ((1 - d) (1 - d_S) + m d + d f(t - t_P) g(a) / n + (1 - d) d_S f(t - t_S) / n)``

and for silence ``1 - w d c``. `w` is the trust in the station; `d` the probability that P stands
out of its noise, and `d_S` that S does; `f` the density of the residual, `g` that of the
amplitude; `n` the density of what else may have made the onset, noise above all; `m` how often
a station has picked something else before; `c` the probability that P would have been picked by
now. An onset that does not fit weighs little, and the others decide.

- Residuals follow Student's t with 3 degrees of freedom; their scale grows with travel time,
  which is what a 1-D model is wrong by.
- Amplitudes are peaks of acceleration or velocity since the onset, compared with Cua and Heaton
  (2009), as the Virtual Seismologist uses them. The magnitude is the one that they fit best
  under a Gutenberg-Richter prior; it says what the silent stations should have seen.
- Stations that are silent, or amplitudes that fall off, thus push and pull as times do.

Sources are cells of space that are split where most of the probability lies, as in the oct-tree
search of Lomax and Curtis (2001). The likelihood of a cell is blurred by the travel time across
it, so that no peak is lost between the first, coarse cells. The integral over all cells, times
the rate of earthquakes, is the odds of an earthquake against none.

How the constants that are no paper's were set, and how true the odds are: docs/calibration.md.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from detect.geodesy import EARTH_RADIUS_KM
from detect.traveltimes import DEPTH_STEP_KM, DISTANCE_STEP_KM

__all__ = [
    "AMPLITUDE_SIGMA",
    "CELL_FIELDS",
    "COARSE_PICKS",
    "COLUMNS",
    "FIRST_CELLS",
    "LATERS",
    "at_place",
    "plane_wave",
    "s_amplitude",
    "search",
]

_Floats = npt.NDArray[np.float64]
_Table = npt.NDArray[np.float32]

# One station's report: degrees, seconds, log10 of m/s2 or m/s.
(
    LATITUDE,
    LONGITUDE,
    TIME,
    SIGMA,
    LATER,  # the first of LATERS onsets that may be S
    _,
    _,
    UNTIL,  # of a silent station
    OTHER,  # density of what else made the onset: 1/s, and 1/decade where there is an amplitude
    TRUST,
    SHARE,  # of one vote: stations of one place or one line have one together
    AMPLITUDE,
    ACCELEROMETER,
    ELAPSED,
    NOISE,
    HALF_GROWN,  # seconds after the onset at which it had reached half of its amplitude
    COLUMNS,
) = range(17)
LATERS = 3

# One cell: km from the middle of the search, km, log of a density per km2, km and s, s.
(
    EAST,
    NORTH,
    HALF,
    DEPTH,
    HALF_DEPTH,
    LOG_DENSITY,
    ORIGIN,
    MAGNITUDE,
    FINEST,  # half the side of the smallest cell that the onsets can tell from the next
    LEAF,
    CELL_FIELDS,
) = range(11)

FIRST_CELLS = 700
COARSE_PICKS = 12  # rows of onsets that come first; large cells are judged by them alone
FINE_KM = 6.0
SMALLEST_KM = 0.75
NEAREST_CELL_KM = 12.0
RESOLVED_KM_S = 3.0  # half of what P goes in a second
CELL_SHARE = 0.33  # of its distance from the middle: half the side of a first cell
LIGHT = 40.0  # log of how many times lighter than the heaviest a cell is that is not split
KM_PER_DEGREE = 111.195

LN10 = math.log(10.0)
B_VALUE = 0.8
LEAST_MAGNITUDE = 3.0
LARGEST_MAGNITUDE = 8.5
TYPICAL_MAGNITUDE = 4.0  # as long as no amplitude is known

LATEST_S = 3.0  # an onset that is later, or earlier, is hardly of this source
MISTAKEN = 0.03  # of the stations that see P have picked something else before
MODEL_SHARE = 0.03  # of the travel time: what the model is wrong by
S_SIGMA_S = 1.0  # S is picked later and less exactly
S_MODEL_SHARE = 0.05
AMPLITUDE_SIGMA = 0.45
GROWING_SIGMA = 0.9  # at the onset; it goes down with a second
MOST_DETECTED = 0.93
STANDS_OUT = 0.75  # log10 of P over the noise's peak in a second: half are picked
STANDS_OUT_WIDTH = 0.25
S_LARGER = 0.6  # log10 of S over P
S_FACTOR = math.exp(-S_LARGER / STANDS_OUT_WIDTH)
S_FIRST = 0.35  # weight of S beside P, for an onset that is the first at its station
ANY_DECADE = 0.5  # density of an amplitude of the other wave
MARKED_S = 0.7  # of the onsets after P that are S
OTHER_LATER = 0.03  # density (1/s) of those that are not
DURATION_M7_S = 14.8  # of a rupture of M 7; ten times as long for two magnitudes more
HIDES = 0.5  # of it: most of the motion comes early
BEGINS_AS = 6.0  # magnitude: larger ones do not begin stronger, and P is picked at its beginning
P_KM_S_AHEAD = 8.3  # distance over S-P time
SILENCE_WIDTH_S = 0.5
# Half of the peak comes with S: median and scatter of 128 stations (docs/calibration.md).
HALF_AFTER_S = 1.2
HALF_SIGMA_S = 1.0
HALF_DURATION, HALF_SPREAD = 0.25, 0.35  # of its duration: a large source goes on
HALF_SHARE = 0.3  # that all stations of an event have in common
HALF_BEFORE = 0.25  # of the stations: P is as strong as S
HALF_LATER = 0.1  # something else comes
HALF_SETTLED_S = 2.5  # after S, until half of the peak says so
HALF_WIDTH_S = 0.5
OVER_SHARE, OVER_S = 0.7, 1.5  # of other onsets, that have half of their peak so soon
FAR_SLOWNESSES = np.array([0.045, 0.06, 0.075, 0.09])  # s/km
FAR_AZIMUTHS = 24
NEVER_S = -1e9
FAR_SIGMA_S = 0.8  # its onset is not sharp
FAR_AMPLITUDE_SIGMA = 0.4
FAR_A_YEAR = 1500.0  # of mb 5 and more on Earth
FAR_VELOCITY = -7.0  # log10 of their P (m/s): mb = log10(A / T in um/s) + 6.8, A / T = v / 2 pi
FAR_STRONG = -4.7  # mb 7.3: hardly any is larger
FAR_STEEPER = 4.0
FAR_DETECTED = 0.02  # of these, as long as no amplitude is known
YEAR_S = 3.15576e7
T3 = 2.0 / (math.pi * math.sqrt(3.0))  # Student's t, 3 degrees of freedom, at 0

# Slope, absorption, two constants of saturation, spreading, constant (log10 cm/s2 and cm/s):
# Cua and Heaton (2009), rock, horizontal.
P_ACCELERATION = (0.72, 3.3e-3, 1.6, 1.05, 1.2, -1.06)
P_VELOCITY = (0.80, 8.4e-4, 0.76, 1.03, 1.24, -3.103)
S_ACCELERATION = (0.73, 7.2e-4, 1.16, 0.96, 1.48, -0.42)
S_VELOCITY = (0.86, 5.58e-4, 0.84, 0.98, 1.37, -2.58)
FALL = np.array([P_VELOCITY, P_ACCELERATION, S_VELOCITY, S_ACCELERATION])
CM = 2.0  # log10 of cm in a metre

# Work, a row of it for all stations.
(
    DISTANCE,
    TRAVEL,
    TRAVEL_S,
    REACH,
    START,
    START_S,
    VARIANCE,
    VARIANCE_S,
    AS_S,
    FALLEN,
    SLOPE,
    AMPLITUDE_VARIANCE,
    WEIGHT,
    WEIGHTED,
    GROWN,
    OUT,  # by how much P should stand out
    LIKELIHOOD,
    BELONGS,  # of a silent station: that it should have seen P
    BELONGS_S,
    WORK,
) = range(20)


@njit(cache=True, nogil=True, error_model="numpy")
def _student(z: float) -> float:
    """Density of Student's t with 3 degrees of freedom."""
    a = 1.0 + z * z / 3.0
    density: float = T3 / (a * a)
    return density


@njit(cache=True, nogil=True, error_model="numpy")
def _fits(residual: float, sigma: float) -> float:
    """Density (1/s) of a residual: Student's t, but no wave is late by very much."""
    r2 = residual * residual / (LATEST_S * LATEST_S + 9.0 * sigma * sigma)
    r4 = r2 * r2
    density: float = _student(residual / sigma) / (sigma * (1.0 + r4 * r4))
    return density


@njit(cache=True, nogil=True, error_model="numpy")
def _travel(table: _Table, row: int, v: float, distance: float, depth: float) -> float:
    """Return a travel time as `detect.traveltimes.interpolate`, within the table."""
    at = min(distance / DISTANCE_STEP_KM, table.shape[1] - 1.001)
    column = int(at)
    u = at - column
    upper = (1.0 - u) * table[row, column] + u * table[row, column + 1]
    lower = (1.0 - u) * table[row + 1, column] + u * table[row + 1, column + 1]
    time: float = ((1.0 - v) * upper + v * lower) * math.sqrt(distance**2 + depth**2)
    return time


@njit(cache=True, nogil=True, error_model="numpy")
def _depth_density(depth: float) -> float:
    """Prior of depth (1/km): most earthquakes are some 10 km deep, a fifth much deeper."""
    shallow = depth / 36.0 * math.exp(-depth / 6.0)
    density: float = 0.8 * shallow + 0.2 / 35.0 * math.exp(-depth / 35.0)
    return density


@njit(cache=True, nogil=True, error_model="numpy")
def _unit(latitude: float, longitude: float, out: _Floats) -> None:
    phi = math.radians(latitude)
    turn = math.radians(longitude)
    out[0] = math.cos(phi) * math.cos(turn)
    out[1] = math.cos(phi) * math.sin(turn)
    out[2] = math.sin(phi)


@njit(cache=True, nogil=True, error_model="numpy")
def _agreed(work: _Floats, reports: _Floats, onsets: int) -> float:
    """Return the origin time: where most onsets agree, as P or some as S, then weighted means.

    Notes in AS_S whether an onset rather fits S.
    """
    origin: float = work[START, 0]
    work[AS_S, 0] = 0.0
    if onsets == 1:
        return origin
    # Slices and sums apart: only so are the divisions done with vector instructions (7 times).
    start, variance = work[START, :onsets], work[VARIANCE, :onsets]
    start_s, variance_s = work[START_S, :onsets], work[VARIANCE_S, :onsets]
    trust, as_s = reports[TRUST, :onsets], work[AS_S, :onsets]
    weights, weighted = work[WEIGHT, :onsets], work[WEIGHTED, :onsets]
    best = -1.0
    for j in range(min(onsets, 6)):
        for first in (start[j], start_s[j]):
            for i in range(onsets):
                p2 = (start[i] - first) ** 2 / variance[i]
                s2 = (start_s[i] - first) ** 2 / variance_s[i]
                weights[i] = trust[i] * max(1.0 / (1.0 + p2 / 3.0), S_FIRST / (1.0 + s2 / 3.0))
            agree = 0.0
            for i in range(onsets):
                agree += weights[i]
            if agree > best:
                best = agree
                origin = first
    for turn in range(4):
        for i in range(onsets):
            p = 1.0 / (1.0 + (start[i] - origin) ** 2 / variance[i] / 3.0)
            s = S_FIRST / (1.0 + (start_s[i] - origin) ** 2 / variance_s[i] / 3.0)
            later = s > p
            weights[i] = trust[i] * (s if later else p) / (variance_s[i] if later else variance[i])
            weighted[i] = weights[i] * (start_s[i] if later else start[i])
            as_s[i] = 1.0 if later else 0.0
        if turn < 3:
            total = 0.0
            weight = 0.0
            for i in range(onsets):
                total += weighted[i]
                weight += weights[i]
            origin = total / weight
    return origin


@njit(cache=True, nogil=True, error_model="numpy")
def _saturation(magnitude: float, kind: int) -> float:
    """Return the distance (km) that a large source adds, of Cua and Heaton."""
    over = magnitude - 5.0
    grown: float = FALL[kind, 2] * (math.atan(over) + 1.4) * math.exp(FALL[kind, 3] * over)
    return grown


@njit(cache=True, nogil=True, error_model="numpy")
def _fallen(kind: int, reach: float) -> float:
    """Return log10 of the amplitude (m/s or m/s2) that magnitude 0 would have."""
    fallen: float = FALL[kind, 5] - FALL[kind, 1] * reach - FALL[kind, 4] * math.log10(reach) - CM
    return fallen


@njit(cache=True, nogil=True, error_model="numpy")
def s_amplitude(
    accelerometer: bool, magnitude: float, distance_km: float, depth_km: float
) -> float:
    """Return the expected peak of S on rock, log10 of m/s2 or m/s: Cua and Heaton (2009).

    Parameters
    ----------
    accelerometer
        Acceleration, or else velocity.
    magnitude, distance_km, depth_km
        Of the source, and its epicentral distance. Depth below 10 km counts as distance.
    """
    kind = 3 if accelerometer else 2
    reach = math.sqrt(distance_km**2 + 9.0 + max(depth_km - 10.0, 0.0) ** 2)
    amplitude: float = FALL[kind, 0] * magnitude + _fallen(
        kind, reach + _saturation(magnitude, kind)
    )
    return amplitude


@njit(cache=True, nogil=True, error_model="numpy")
def _magnitude(
    work: _Floats, reports: _Floats, onsets: int, origin: float, large: bool, magnitude: float
) -> tuple[float, float]:
    """Return the magnitude that the amplitudes fit, and its variance; 0 without any.

    An outlier in time counts little. `large` takes the source's own size into account, by
    the magnitude found before.
    """
    total = 0.0
    weight = 0.0
    for i in range(onsets):
        amplitude = reports[AMPLITUDE, i]
        if math.isnan(amplitude):
            continue
        kind = int(reports[ACCELEROMETER, i])
        elapsed = reports[ELAPSED, i]
        if work[AS_S, i] == 1.0 or elapsed * P_KM_S_AHEAD > work[REACH, i]:
            kind += 2
        grown = _saturation(magnitude, kind) if large else 0.25
        work[FALLEN, i] = _fallen(kind, work[REACH, i] + grown)
        work[SLOPE, i] = FALL[kind, 0]
        variance = work[AMPLITUDE_VARIANCE, i]
        if work[AS_S, i] == 1.0:
            z2 = (work[START_S, i] - origin) ** 2 / work[VARIANCE_S, i]
        else:
            z2 = (work[START, i] - origin) ** 2 / work[VARIANCE, i]
        w = (
            reports[TRUST, i]
            * reports[SHARE, i]
            * FALL[kind, 0] ** 2
            / (variance * (1.0 + z2 / 3.0))
        )
        weight += w
        total += w * (amplitude - work[FALLEN, i]) / FALL[kind, 0]
    if weight == 0.0:
        return TYPICAL_MAGNITUDE, 0.0
    variance = 1.0 / (weight + 0.01)
    fitted = total / weight - B_VALUE * LN10 * variance
    return min(max(fitted, LEAST_MAGNITUDE), LARGEST_MAGNITUDE), variance


@njit(cache=True, nogil=True, error_model="numpy")
def _stand_out(reports: _Floats, work: _Floats, magnitude: float, large: bool) -> None:
    """Fill in by how much P should stand out of each station's noise: OUT, in widths."""
    n = reports.shape[1]
    grown_v = _saturation(magnitude, 0) if large else 0.25
    grown_a = _saturation(magnitude, 1) if large else 0.5
    accelerometer, noise = reports[ACCELEROMETER], reports[NOISE]
    reach, grown, out = work[REACH, :n], work[GROWN, :n], work[OUT, :n]
    for i in range(n):
        grown[i] = reach[i] + (grown_a if accelerometer[i] == 1.0 else grown_v)
    for i in range(n):
        out[i] = math.log10(grown[i])
    for i in range(n):
        if accelerometer[i] == 1.0:
            fallen = FALL[1, 5] - FALL[1, 1] * grown[i] - FALL[1, 4] * out[i] - CM
            expected = FALL[1, 0] * magnitude + fallen
        else:
            fallen = FALL[0, 5] - FALL[0, 1] * grown[i] - FALL[0, 4] * out[i] - CM
            expected = FALL[0, 0] * magnitude + fallen
        out[i] = (expected - noise[i] - STANDS_OUT) / STANDS_OUT_WIDTH


@njit(cache=True, nogil=True, error_model="numpy")
def _compare(reports: _Floats, work: _Floats, onsets: int, origin: float, magnitude: float) -> None:
    """Fill in what each onset says: LIKELIHOOD, BELONGS, BELONGS_S, and WEIGHT for the origin."""
    start, variance = work[START, :onsets], work[VARIANCE, :onsets]
    start_s, variance_s = work[START_S, :onsets], work[VARIANCE_S, :onsets]
    trust, other = reports[TRUST, :onsets], reports[OTHER, :onsets]
    amplitude, as_s = reports[AMPLITUDE, :onsets], work[AS_S, :onsets]
    fallen, slope = work[FALLEN, :onsets], work[SLOPE, :onsets]
    scatter = work[AMPLITUDE_VARIANCE, :onsets]
    noise, out = work[GROWN, :onsets], work[OUT, :onsets]
    likelihood, weight = work[LIKELIHOOD, :onsets], work[WEIGHT, :onsets]
    belongs, belongs_s = work[BELONGS, :onsets], work[BELONGS_S, :onsets]
    for i in range(onsets):
        noise[i] = math.exp(-out[i])
    for i in range(onsets):
        d = MOST_DETECTED / (1.0 + noise[i])
        d_s = MOST_DETECTED / (1.0 + noise[i] * S_FACTOR)
        fits = _fits(start[i] - origin, math.sqrt(variance[i]))
        fits_s = _fits(start_s[i] - origin, math.sqrt(variance_s[i]))
        s = math.sqrt(scatter[i])
        size = _student((amplitude[i] - fallen[i] - slope[i] * magnitude) / s) / s
        loud = amplitude[i] == amplitude[i]
        late = as_s[i] == 1.0
        fits_amplitude = (ANY_DECADE if late else size) if loud else 1.0
        fits_amplitude_s = (size if late else ANY_DECADE) if loud else 1.0
        p = trust[i] * d * fits * fits_amplitude / other[i]
        s_wave = trust[i] * (1.0 - d) * d_s * fits_s * fits_amplitude_s / other[i]
        unseen = (1.0 - d) * (1.0 - d_s) + MISTAKEN * d
        total = 1.0 - trust[i] + trust[i] * unseen + p + s_wave
        likelihood[i] = total
        belongs[i] = p / total
        belongs_s[i] = s_wave / total
        weight[i] = belongs[i] / variance[i] + belongs_s[i] / variance_s[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _grew(half_s: float, elapsed_s: float, s_minus_p_s: float, duration_s: float) -> float:
    """Compare when half of the peak had come with S: likelihood over that of other onsets.

    Most of what makes onsets is over soon after.
    """
    late = (elapsed_s - s_minus_p_s - HALF_SETTLED_S) / HALF_WIDTH_S
    if late < -8.0:
        return 1.0
    come = 1.0 / (1.0 + math.exp(-late))
    sigma = math.sqrt(
        HALF_SIGMA_S**2 + (HALF_SPREAD * duration_s) ** 2 + (S_MODEL_SHARE * s_minus_p_s) ** 2
    )
    z = (half_s - s_minus_p_s - HALF_AFTER_S - HALF_DURATION * duration_s) / sigma
    other = OVER_SHARE * math.exp(-half_s / OVER_S) / OVER_S + (1.0 - OVER_SHARE) / elapsed_s
    fits = (1.0 - HALF_BEFORE - HALF_LATER) * _student(z) / (sigma * other)
    fits += HALF_BEFORE if half_s < s_minus_p_s else HALF_LATER
    return 1.0 - come + come * fits


@njit(cache=True, nogil=True, error_model="numpy")
def _judge(
    cell: _Floats,
    vector: _Floats,
    reports: _Floats,
    vectors: _Floats,
    onsets: int,
    p_table: _Table,
    s_table: _Table,
    silent_after_s: float,
    work: _Floats,
) -> None:
    """Fill in what the reports say of a cell: LOG_DENSITY, ORIGIN and MAGNITUDE.

    `work` holds afterwards what each report says of it. Loops over slices that hold nothing but
    arithmetic become vector instructions; tables, logarithms and exponentials stand apart.
    """
    n = reports.shape[1]
    depth = cell[DEPTH]
    at = min(depth / DEPTH_STEP_KM, p_table.shape[0] - 1.001)
    row = int(at)
    v = at - row
    blur = (cell[HALF] / 10.0) ** 2  # variance of P across the cell: side / sqrt(12), 6 km/s
    below = max(depth - 10.0, 0.0)
    below = 9.0 + below * below
    x, y, z = vectors[0, :n], vectors[1, :n], vectors[2, :n]
    distance, reach = work[DISTANCE, :n], work[REACH, :n]
    for i in range(n):
        chord2 = (x[i] - vector[0]) ** 2 + (y[i] - vector[1]) ** 2 + (z[i] - vector[2]) ** 2
        distance[i] = EARTH_RADIUS_KM * math.sqrt(chord2) * (1.0 + chord2 / 24.0)
        reach[i] = math.sqrt(distance[i] * distance[i] + below)
    travel, travel_s = work[TRAVEL, :onsets], work[TRAVEL_S, :onsets]
    for i in range(onsets):
        travel[i] = _travel(p_table, row, v, distance[i], depth)
        travel_s[i] = _travel(s_table, row, v, distance[i], depth)
    time, sigma = reports[TIME, :onsets], reports[SIGMA, :onsets]
    start, start_s = work[START, :onsets], work[START_S, :onsets]
    variance, variance_s = work[VARIANCE, :onsets], work[VARIANCE_S, :onsets]
    known = work[WEIGHT, :onsets]
    for i in range(onsets):
        steep = (cell[HALF_DEPTH] / 12.0 * depth / reach[i]) ** 2
        known[i] = sigma[i] ** 2 + (MODEL_SHARE * travel[i]) ** 2
        start[i] = time[i] - travel[i]
        variance[i] = known[i] + blur + steep
        start_s[i] = time[i] - travel_s[i]
        variance_s[i] = (
            sigma[i] ** 2 + S_SIGMA_S**2 + (S_MODEL_SHARE * travel_s[i]) ** 2 + 3.0 * (blur + steep)
        )
    least = np.inf
    for i in range(onsets):
        least = min(least, known[i])
    origin = _agreed(work, reports, onsets)
    magnitude, spread = _magnitude(work, reports, onsets, origin, False, 0.0)
    large = magnitude > 5.0
    if large and spread > 0.0:
        magnitude, spread = _magnitude(work, reports, onsets, origin, True, magnitude)
    _stand_out(reports, work, min(magnitude, BEGINS_AS), large)
    _compare(reports, work, onsets, origin, magnitude)
    duration = DURATION_M7_S * math.exp(0.5 * LN10 * (magnitude - 7.0))
    log_p = -B_VALUE * LN10 * (magnitude - LEAST_MAGNITUDE)
    product = _depth_density(depth)
    if spread > 0.0:
        product *= B_VALUE * LN10 * math.sqrt(2.0 * math.pi * spread)
    halves = 0
    for i in range(onsets):
        halves += not math.isnan(reports[HALF_GROWN, i])
    common = 1.0 / (1.0 + HALF_SHARE * max(halves - 1, 0))
    precision = 0.01
    for i in range(n):
        if i < onsets:
            precision += work[WEIGHT, i]
            likelihood = work[LIKELIHOOD, i]
            half = reports[HALF_GROWN, i]
            if not math.isnan(half):
                as_p, as_s = reports[TRUST, i] * work[BELONGS, i], work[BELONGS_S, i]
                elapsed = reports[ELAPSED, i]
                grew = as_p * _grew(half, elapsed, travel_s[i] - travel[i], duration)
                grew += as_s * _grew(half, elapsed, 0.0, duration)
                likelihood *= (1.0 - as_p - as_s + grew) ** common
            if not math.isnan(reports[LATER, i]):
                sigma_s = math.sqrt(variance_s[i])
                marked = 0.0
                for k in range(LATERS):
                    later = reports[LATER + k, i]
                    if not math.isnan(later):
                        marked += _fits(later - origin - travel_s[i], sigma_s)
                # While the rupture lasts, P goes on and S does not stand out of it.
                hidden = math.exp(-HIDES * duration / (travel_s[i] - travel[i] + 0.1))
                share = reports[TRUST, i] * MARKED_S * work[BELONGS, i] * hidden
                likelihood *= 1.0 - share + share * marked / OTHER_LATER
        else:
            work[BELONGS, i] = 0.0
            if work[OUT, i] < -6.0:
                continue
            over = reports[UNTIL, i] - origin - _travel(p_table, row, v, distance[i], depth)
            over = (over - silent_after_s) / SILENCE_WIDTH_S
            if over < -6.0:
                continue
            seen = MOST_DETECTED / ((1.0 + math.exp(-work[OUT, i])) * (1.0 + math.exp(-over)))
            work[BELONGS, i] = seen
            likelihood = 1.0 - reports[TRUST, i] * seen
        if reports[SHARE, i] == 1.0:
            product *= likelihood
            if product < 1e-200 or product > 1e200:
                log_p += math.log(product)
                product = 1.0
        else:
            log_p += reports[SHARE, i] * math.log(likelihood)
    cell[LOG_DENSITY] = log_p + math.log(product) + 0.5 * math.log(2.0 * math.pi / precision)
    cell[ORIGIN] = origin
    cell[MAGNITUDE] = magnitude
    cell[FINEST] = max(SMALLEST_KM, RESOLVED_KM_S * math.sqrt(least))


@njit(cache=True, nogil=True, error_model="numpy")
def at_place(east: float, north: float, latitude: float, longitude: float) -> tuple[float, float]:
    """Latitude and longitude of a point some km east and north of another."""
    lat = min(max(latitude + north / KM_PER_DEGREE, -89.9), 89.9)
    return lat, longitude + east / (KM_PER_DEGREE * math.cos(math.radians(lat)))


@njit(cache=True, nogil=True, error_model="numpy")
def _mass(cell: _Floats) -> float:
    """Log of an eighth of a cell's probability; -inf where it is as small as can be told."""
    if cell[HALF] <= cell[FINEST]:
        return -math.inf
    mass: float = cell[LOG_DENSITY] + math.log(cell[HALF] * cell[HALF] * cell[HALF_DEPTH])
    return mass


@njit(cache=True, nogil=True, error_model="numpy")
def search(
    latitude: float,
    longitude: float,
    reach_km: float,
    max_depth_km: float,
    rows: _Floats,
    onsets: int,
    p_table: _Table,
    s_table: _Table,
    silent_after_s: float,
    splits: int,
    cells: _Floats,
    detail: _Floats,
    point: _Floats,
) -> float:
    """Find the posterior of a source, and the point where it is densest.

    Parameters
    ----------
    latitude, longitude
        Middle of the search, degrees.
    reach_km, max_depth_km
        How far sources are looked for from there, and how deep.
    rows : float64[n, COLUMNS]
        The stations' reports: onsets first.
    onsets
        How many; at least one.
    p_table, s_table
        See `detect.traveltimes.TravelTimes`.
    silent_after_s
        How long after P was due a station is taken to be silent.
    splits
        How often the most probable cell is split.
    cells : float64[any, CELL_FIELDS]
        Work: `FIRST_CELLS`, and eight for each split.
    detail : float64[n, 3]
        Out, at the point: the residual of each onset, and the probabilities that it is P and S
        of the source; for a silent station 0, the probability that it should have seen P, and 0.
    point : float64[CELL_FIELDS + 3]
        Out: the point as a cell; then one sigma of its epicentre (km; radius of the circle of
        one sigma), of depth (km) and of origin time (s).

    Returns
    -------
    float
        Log of the odds of a source against none, for one earthquake of M 3 and more a second
        and km2.
    """
    n = rows.shape[0]
    vector = np.empty(3)
    vectors = np.empty((3, n))
    for i in range(n):
        _unit(rows[i, LATITUDE], rows[i, LONGITUDE], vector)
        vectors[:, i] = vector
    reports = rows.T.copy()
    few = min(onsets, COARSE_PICKS)
    m = few + n - onsets
    rough = np.empty((COLUMNS, m))
    rough_vectors = np.empty((3, m))
    for i in range(m):
        at = i if i < few else i + onsets - few
        rough[:, i] = reports[:, at]
        rough_vectors[:, i] = vectors[:, at]
    work = np.empty((WORK, n))
    for i in range(onsets):
        growing = GROWING_SIGMA * math.exp(-reports[ELAPSED, i])
        work[AMPLITUDE_VARIANCE, i] = AMPLITUDE_SIGMA * AMPLITUDE_SIGMA + growing * growing
        work[FALLEN, i] = work[SLOPE, i] = 0.0
    stack = np.empty((600, 3))
    side = reach_km / 4.0
    top = 0
    for i in range(16):
        stack[top, 0] = (i % 4 - 1.5) * 2.0 * side
        stack[top, 1] = (i // 4 - 1.5) * 2.0 * side
        stack[top, 2] = side
        top += 1
    mass = np.empty(cells.shape[0])
    layers = max(1, round(max_depth_km / 20.0))
    thick = max_depth_km / layers / 2.0
    count = 0
    while top > 0:
        top -= 1
        east, north, half = stack[top]
        away = math.sqrt(east * east + north * north)
        if half > NEAREST_CELL_KM and half > CELL_SHARE * away:
            half /= 2.0
            for k in range(4):
                stack[top + k, 0] = east + (half if k % 2 else -half)
                stack[top + k, 1] = north + (half if k // 2 else -half)
                stack[top + k, 2] = half
            top += 4
            continue
        lat, lon = at_place(east, north, latitude, longitude)
        _unit(lat, lon, vector)
        for k in range(layers):
            cell = cells[count]
            cell[EAST], cell[NORTH], cell[HALF] = east, north, half
            cell[DEPTH], cell[HALF_DEPTH], cell[LEAF] = (2 * k + 1) * thick, thick, 1.0
            _judge(
                cell,
                vector,
                rough,
                rough_vectors,
                few,
                p_table,
                s_table,
                silent_after_s,
                work,
            )
            mass[count] = _mass(cell)
            count += 1
    heaviest = -np.inf
    for _ in range(splits):
        best = -1
        most = -np.inf
        for i in range(count):
            if mass[i] > most:
                most = mass[i]
                best = i
        heaviest = max(heaviest, most)
        if best < 0 or most < heaviest - LIGHT or count + 8 > cells.shape[0]:
            break
        cells[best, LEAF] = 0.0
        mass[best] = -np.inf
        half = cells[best, HALF] / 2.0
        deep = 2 if cells[best, HALF_DEPTH] > 0.6 * cells[best, HALF] else 1
        half_depth = cells[best, HALF_DEPTH] / deep
        for k in range(4 * deep):
            cell = cells[count]
            cell[EAST] = cells[best, EAST] + (half if k % 2 else -half)
            cell[NORTH] = cells[best, NORTH] + (half if (k // 2) % 2 else -half)
            cell[HALF] = half
            below = 0.0 if deep == 1 else (half_depth if k // 4 else -half_depth)
            cell[DEPTH] = cells[best, DEPTH] + below
            cell[HALF_DEPTH] = half_depth
            cell[LEAF] = 1.0
            lat, lon = at_place(cell[EAST], cell[NORTH], latitude, longitude)
            _unit(lat, lon, vector)
            if half > FINE_KM:
                _judge(
                    cell,
                    vector,
                    rough,
                    rough_vectors,
                    few,
                    p_table,
                    s_table,
                    silent_after_s,
                    work,
                )
            else:
                _judge(
                    cell,
                    vector,
                    reports,
                    vectors,
                    onsets,
                    p_table,
                    s_table,
                    silent_after_s,
                    work,
                )
            mass[count] = _mass(cell)
            count += 1
    log_total = _densest(cells, count, point)
    lat, lon = at_place(point[EAST], point[NORTH], latitude, longitude)
    _unit(lat, lon, vector)
    _judge(point, vector, reports, vectors, onsets, p_table, s_table, silent_after_s, work)
    for i in range(n):
        detail[i] = 0.0
        detail[i, 1] = work[BELONGS, i]
        if i < onsets:
            detail[i, 2] = work[BELONGS_S, i]
            rather = START_S if detail[i, 2] > detail[i, 1] else START
            detail[i, 0] = work[rather, i] - point[ORIGIN]
    return log_total


@njit(cache=True, nogil=True, error_model="numpy")
def _densest(cells: _Floats, count: int, point: _Floats) -> float:
    """Find where the posterior, blurred by its own width, is densest; see `search`.

    Returns the log of its integral.
    """
    top = -np.inf
    peak = 0
    leaf_top = -np.inf
    for i in range(count):
        if cells[i, LEAF] == 1.0:
            if cells[i, LOG_DENSITY] > top:
                top = cells[i, LOG_DENSITY]
                peak = i
            mass = cells[i, LOG_DENSITY] + math.log(
                8.0 * cells[i, HALF] * cells[i, HALF] * cells[i, HALF_DEPTH]
            )
            leaf_top = max(leaf_top, mass)
    weight = np.zeros(count)
    total = 0.0
    east = 0.0
    north = 0.0
    for i in range(count):
        if cells[i, LEAF] == 1.0:
            weight[i] = math.exp(
                cells[i, LOG_DENSITY]
                + math.log(8.0 * cells[i, HALF] * cells[i, HALF] * cells[i, HALF_DEPTH])
                - leaf_top
            )
            total += weight[i]
            east += weight[i] * cells[i, EAST]
            north += weight[i] * cells[i, NORTH]
    east /= total
    north /= total
    wide = _spread(cells, count, weight, total, east, north)
    blur = 0.8 * wide * wide + 0.01
    starts = ((east, north), (cells[peak, EAST], cells[peak, NORTH]))
    densest = -1.0
    for start in starts:
        at_east, at_north = start
        density = 0.0
        for _ in range(12):
            density = 0.0
            next_east = 0.0
            next_north = 0.0
            for i in range(count):
                if weight[i] > 0.0:
                    d2 = (cells[i, EAST] - at_east) ** 2 + (cells[i, NORTH] - at_north) ** 2
                    w = weight[i] * math.exp(-0.5 * d2 / blur)
                    density += w
                    next_east += w * cells[i, EAST]
                    next_north += w * cells[i, NORTH]
            at_east = next_east / density
            at_north = next_north / density
        if density > densest:
            densest = density
            east = at_east
            north = at_north
    depth = 0.0
    near = 0.0
    for i in range(count):
        if weight[i] > 0.0:
            d2 = (cells[i, EAST] - east) ** 2 + (cells[i, NORTH] - north) ** 2
            w = weight[i] * math.exp(-0.5 * d2 / blur)
            near += w
            depth += w * cells[i, DEPTH]
    depth /= near
    origin = 0.0
    for i in range(count):
        origin += weight[i] * cells[i, ORIGIN] if weight[i] > 0.0 else 0.0
    origin /= total
    deep = 0.0
    late = 0.0
    for i in range(count):
        if weight[i] > 0.0:
            deep += weight[i] * ((cells[i, DEPTH] - depth) ** 2 + cells[i, HALF_DEPTH] ** 2 / 3.0)
            late += weight[i] * (cells[i, ORIGIN] - origin) ** 2
    point[EAST], point[NORTH], point[DEPTH] = east, north, depth
    point[HALF], point[HALF_DEPTH], point[LEAF] = SMALLEST_KM, SMALLEST_KM, 1.0
    point[CELL_FIELDS] = _spread(cells, count, weight, total, east, north)
    point[CELL_FIELDS + 1] = math.sqrt(deep / total)
    point[CELL_FIELDS + 2] = math.sqrt(late / total)
    return leaf_top + math.log(total)


@njit(cache=True, nogil=True, error_model="numpy")
def _spread(
    cells: _Floats, count: int, weight: _Floats, total: float, east: float, north: float
) -> float:
    """Return one sigma (km, in one direction) of the epicentre about a point."""
    squares = 0.0
    for i in range(count):
        if weight[i] > 0.0:
            d2 = (cells[i, EAST] - east) ** 2 + (cells[i, NORTH] - north) ** 2
            squares += weight[i] * (d2 + 2.0 * cells[i, HALF] ** 2 / 3.0)
    return math.sqrt(0.5 * squares / total)


@njit(cache=True, nogil=True, error_model="numpy")
def plane_wave(
    latitude: float, longitude: float, rows: _Floats, onsets: int, silent_after_s: float
) -> float:
    """Judge the reports as one wave from thousands of km away.

    Such a wave crosses the network at 11 to 25 km/s (ak135, 20 to 95 degrees), equally strong
    everywhere, and no S follows. How strong, and how often, is known: mb of the world's
    earthquakes, ten times fewer for each magnitude.

    Parameters
    ----------
    latitude, longitude
        A point within the network, degrees.
    rows, onsets, silent_after_s
        See `search`.

    Returns
    -------
    float
        Log of the odds against nothing.
    """
    n = rows.shape[0]
    reports = rows.T.copy()
    work = np.empty((WORK, n))
    east = np.empty(n)
    north = np.empty(n)
    shrink = math.cos(math.radians(latitude))
    for i in range(n):
        turn = (reports[LONGITUDE, i] - longitude + 180.0) % 360.0 - 180.0
        east[i] = turn * KM_PER_DEGREE * shrink
        north[i] = (reports[LATITUDE, i] - latitude) * KM_PER_DEGREE
        work[VARIANCE, i] = reports[SIGMA, i] ** 2 + FAR_SIGMA_S**2
    logs = np.empty(FAR_SLOWNESSES.size * FAR_AZIMUTHS)
    for k in range(logs.size):
        slowness = FAR_SLOWNESSES[k // FAR_AZIMUTHS]
        azimuth = 2.0 * math.pi * (k % FAR_AZIMUTHS) / FAR_AZIMUTHS
        for i in range(n):
            work[TRAVEL, i] = slowness * (
                east[i] * math.sin(azimuth) + north[i] * math.cos(azimuth)
            )
            if i < onsets:
                work[START, i] = reports[TIME, i] - work[TRAVEL, i]
                work[START_S, i], work[VARIANCE_S, i] = NEVER_S, 1.0
        origin = _agreed(work, reports, onsets)
        total = 0.0
        weight = 0.0
        for i in range(onsets):
            if not math.isnan(reports[AMPLITUDE, i]):
                z2 = (work[START, i] - origin) ** 2 / work[VARIANCE, i]
                w = reports[TRUST, i] * reports[SHARE, i] / (1.0 + z2 / 3.0)
                weight += w
                total += w * (reports[AMPLITUDE, i] + _to_velocity(reports[ACCELEROMETER, i]))
        mean = total / weight if weight > 0.0 else math.nan
        variance = FAR_AMPLITUDE_SIGMA**2 / (weight + 0.01)
        log_p = math.log(FAR_A_YEAR * FAR_DETECTED / YEAR_S)
        if weight > 0.0:
            log_p = math.log(LN10 * FAR_A_YEAR / YEAR_S * math.sqrt(2.0 * math.pi * variance))
            log_p -= LN10 * (mean - FAR_VELOCITY + FAR_STEEPER * max(0.0, mean - FAR_STRONG))
        precision = 0.01
        for i in range(n):
            d = 0.5 * MOST_DETECTED
            if weight > 0.0:
                noise = reports[NOISE, i] + _to_velocity(reports[ACCELEROMETER, i])
                d = MOST_DETECTED / (
                    1.0 + math.exp(-(mean - noise - STANDS_OUT) / STANDS_OUT_WIDTH)
                )
            trust = reports[TRUST, i]
            if i >= onsets:
                over = reports[UNTIL, i] - origin - work[TRAVEL, i] - silent_after_s
                if over < -6.0 * SILENCE_WIDTH_S:
                    continue
                likelihood = 1.0 - trust * d / (1.0 + math.exp(-over / SILENCE_WIDTH_S))
            else:
                sigma = math.sqrt(work[VARIANCE, i])
                fits = _fits(work[START, i] - origin, sigma)
                if not math.isnan(reports[AMPLITUDE, i]):
                    z = reports[AMPLITUDE, i] + _to_velocity(reports[ACCELEROMETER, i]) - mean
                    fits *= _student(z / FAR_AMPLITUDE_SIGMA) / FAR_AMPLITUDE_SIGMA
                as_p = trust * d * fits / reports[OTHER, i]
                likelihood = 1.0 - trust * d + as_p
                precision += as_p / likelihood / work[VARIANCE, i]
                if not math.isnan(reports[LATER, i]):
                    likelihood *= 1.0 - trust * MARKED_S * as_p / likelihood
            log_p += reports[SHARE, i] * math.log(likelihood)
        logs[k] = log_p + 0.5 * math.log(2.0 * math.pi / precision)
    top = logs.max()
    return float(top + math.log(np.exp(logs - top).mean()))


@njit(cache=True, nogil=True, error_model="numpy")
def _to_velocity(accelerometer: float) -> float:
    """Return what brings log10 of an amplitude at 1 Hz to that of velocity."""
    return -math.log10(2.0 * math.pi) if accelerometer == 1.0 else 0.0
