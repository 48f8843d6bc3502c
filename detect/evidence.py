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
- Half of an earthquake's peak comes with S at most stations, and soon after the onset in most that
  is none: when it came is compared with the time from P to S.

Sources are cells of space that are split where most of the probability lies, as in the oct-tree
search of Lomax and Curtis (2001). The likelihood of a cell is blurred by the travel time across
it, so that no peak is lost between the first, coarse cells. The integral over all cells, times
the rate of earthquakes, is the odds of an earthquake against none.

How the constants that are no paper's were set, and how true the odds are: docs/calibration.md.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import int64, njit, uint64

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
# Log of how many times lighter than the heaviest a cell is that is not split. Cells that few onsets
# have judged are lighter than they will be; the others are what they are, and splits do more good
# elsewhere: 4,700 locations end nearer to those of 2,000 splits than without this bound, and the
# dearest of `benchmarks.locator` take a third of the time (p99).
LIGHT, LIGHT_BY_ALL = 40.0, 12.0
WEIGHTLESS = 30.0  # the same of cells left out of the density: ten billion weigh less than one
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
HALF_AFTER_S, HALF_SIGMA_S = 1.2, 1.0
HALF_DURATION, HALF_SPREAD = 0.25, 0.35  # of its duration: a large source goes on
HALF_SHARE = 0.3  # that all stations of an event have in common: more than the first few add little
MOST_FOLLOWED = COARSE_PICKS
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

# Cells are judged side by side, in lanes: what stands in a loop over lanes is done with vector
# instructions. For that such a loop holds nothing but arithmetic on flat arrays, with distances
# between rows that are known, and its length is not: else it would be unrolled instead.
LANES = 8
SLOTS = 3 * LANES  # depths of which travel times are kept

# Work: first what is of a cell, a row of lanes each ...
(
    X,
    Y,
    Z,
    DEEP,
    BELOW,  # what of the depth counts as distance, squared
    BLUR,  # variance of P across the cell
    STEEP,  # the same for its depth, where P leaves straight down
    TABLE,  # where its travel times begin
    PATH,
    COLUMN,
    PART,
    LATE,  # P of a silent station
    LEAST,  # variance of an onset
    BEGAN,  # origin time
    BEST,
    AGREE,
    AGREE_S,
    SIZE,  # magnitude
    SPREAD,  # its variance
    SUM,
    SUM_WEIGHTS,
    LARGE,
    TURN,
    DURATION,
    LOG_P,
    PRODUCT,
    PRECISION,
    GROWTH,
    OF_CELLS,
) = (np.uint64(LANES * row) for row in range(29))
CELL_ROWS = 28

# ... and then what a station says of the cells.
(
    REACH,
    TRAVEL,
    TRAVEL_S,
    START,
    START_S,
    INVERSE,  # of the variance
    INVERSE_S,
    AS_S,
    FALLEN,
    SLOPE,
    LIKELIHOOD,
    BELONGS,  # of a silent station: that it should have seen P
    BELONGS_S,
    OF_STATION,
) = (np.uint64(LANES * row) for row in range(14))

LOG2E = 1.0 / math.log(2.0)
LN2_HIGH, LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2**52: what is added to it becomes a whole number
MANTISSA, ONE = 0x000FFFFFFFFFFFFF, 0x3FF0000000000000
THIRD, S_AGAINST = 1.0 / 3.0, 1.0 / S_FIRST
PER_KM = 1.0 / DISTANCE_STEP_KM


# exp and log of the C library take one number at a time. These are nothing but arithmetic, so
# that loops over lanes become vector instructions, and give the same bits on any machine.
@njit(cache=True, nogil=True, error_model="numpy")
def _exp(x: float) -> float:
    """Return e to the x, between -700 and 700, to within 1e-14."""
    shifted = min(max(x, -700.0), 700.0) * LOG2E + ROUND
    n = shifted - ROUND
    r = (min(max(x, -700.0), 700.0) - n * LN2_HIGH) - n * LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    low = (1.0 + r) + r2 * (0.5 + r * (1.0 / 6.0))
    middle = (1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5040.0))
    high = (1.0 / 40320.0 + r * (1.0 / 362880.0)) + r2 * (1.0 / 3628800.0 + r * (1.0 / 39916800.0))
    two_to_n = np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)
    power: float = (low + r4 * (middle + r4 * high)) * two_to_n
    return power


@njit(cache=True, nogil=True, error_model="numpy")
def _log(x: float) -> float:
    """Return the natural logarithm of a normal number, to within 1e-15 or so."""
    bits = np.float64(x).view(np.int64)
    m = np.int64((bits & MANTISSA) | ONE).view(np.float64)
    large = m > 1.4142135623730951
    m = 0.5 * m if large else m
    n = float((bits >> 52) - 1023) + (1.0 if large else 0.0)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    z2 = z * z
    low = (2.0 / 3.0 + z * (2.0 / 5.0)) + z2 * (2.0 / 7.0 + z * (2.0 / 9.0))
    high = (2.0 / 11.0 + z * (2.0 / 13.0)) + z2 * (2.0 / 15.0 + z * (2.0 / 17.0))
    power: float = n * LN2_HIGH + (2.0 * s + (s * z * (low + z2 * z2 * high) + n * LN2_LOW))
    return power


@njit(cache=True, nogil=True, error_model="numpy")
def _student(z: float) -> float:
    """Density of Student's t with 3 degrees of freedom."""
    a = 1.0 + z * z * THIRD
    density: float = T3 / (a * a)
    return density


@njit(cache=True, nogil=True, error_model="numpy")
def _fits(residual: float, inverse: float) -> float:
    """Density (1/s) of a residual: Student's t, but no wave is late by very much.

    With `inverse` of the variance, ``t(z) / (sigma (1 + r**8))``, where
    ``r**2 = residual**2 / (LATEST_S**2 + 9 variance)``, in a single division.
    """
    z2 = residual * residual * inverse
    a = 1.0 + z2 * THIRD
    q = LATEST_S * LATEST_S * inverse + 9.0
    q *= q
    q *= q
    z4 = z2 * z2
    density: float = T3 * math.sqrt(inverse) * q / (a * a * (q + z4 * z4))
    return density


@njit(cache=True, nogil=True, error_model="numpy")
def _depth_density(depth: float) -> float:
    """Prior of depth (1/km): most earthquakes are some 10 km deep, a fifth much deeper."""
    shallow = depth / 36.0 * _exp(-depth / 6.0)
    density: float = 0.8 * shallow + 0.2 / 35.0 * _exp(-depth / 35.0)
    return density


@njit(cache=True, nogil=True, error_model="numpy")
def _unit(latitude: float, longitude: float, out: _Floats) -> None:
    phi = math.radians(latitude)
    turn = math.radians(longitude)
    out[0] = math.cos(phi) * math.cos(turn)
    out[1] = math.cos(phi) * math.sin(turn)
    out[2] = math.sin(phi)


@njit(cache=True, nogil=True, error_model="numpy")
def _blend(table: _Table, depth: float, times: _Floats, first: int) -> None:
    """Fill in the mean slowness at a depth, by distance, as `detect.traveltimes.interpolate`."""
    at = min(depth / DEPTH_STEP_KM, table.shape[0] - 1.001)
    row = int(at)
    v = at - row
    for i in range(table.shape[1]):
        times[first + i] = (1.0 - v) * table[row, i] + v * table[row + 1, i]


@njit(cache=True, nogil=True, error_model="numpy")
def _put(
    cells: _Floats,
    latitude: float,
    longitude: float,
    p_table: _Table,
    s_table: _Table,
    times: _Floats,
    depths: _Floats,
    here: _Floats,
) -> None:
    """Put cells side by side into lanes; those that are left over repeat the last one."""
    columns = p_table.shape[1]
    vector = np.empty(3)
    known = int(depths[SLOTS])
    if known + LANES > SLOTS:
        known = 0
    for lane in range(LANES):
        c = uint64(lane)
        k = min(lane, cells.shape[0] - 1)
        # Of the first cells those above each other are neighbours, of the parts of a cell four lie
        # above the other four: sines and cosines are half the cost of this function.
        same = -1
        for back in (1, 4):
            if k >= back and (
                cells[k, EAST] == cells[k - back, EAST]
                and cells[k, NORTH] == cells[k - back, NORTH]
            ):
                same = k - back
        if lane > k:
            same = k
        if same >= 0:
            d = uint64(same)
            here[X + c], here[Y + c], here[Z + c] = here[X + d], here[Y + d], here[Z + d]
        else:
            lat, lon = at_place(cells[k, EAST], cells[k, NORTH], latitude, longitude)
            _unit(lat, lon, vector)
            here[X + c], here[Y + c], here[Z + c] = vector[0], vector[1], vector[2]
        depth = cells[k, DEPTH]
        here[DEEP + c] = depth
        slot = 0
        while slot < known and depths[slot] != depth:
            slot += 1
        if slot == known:
            depths[slot] = depth
            _blend(p_table, depth, times, 2 * columns * slot)
            _blend(s_table, depth, times, 2 * columns * slot + columns)
            known += 1
        here[TABLE + c] = 2.0 * columns * slot
        below = max(depth - 10.0, 0.0)
        here[BELOW + c] = 9.0 + below * below
        here[BLUR + c] = (cells[k, HALF] / 10.0) ** 2  # side / sqrt(12), 6 km/s
        here[STEEP + c] = (cells[k, HALF_DEPTH] / 12.0 * depth) ** 2
    depths[SLOTS] = known


@njit(cache=True, nogil=True, error_model="numpy")
def _reach(
    reports: _Floats, vectors: _Floats, onsets: int, times: _Floats, here: _Floats, work: _Floats
) -> None:
    """Fill in distances and travel times, and for onsets the origin times that they ask for."""
    lanes = here.size // CELL_ROWS
    columns = uint64(times.size // (2 * SLOTS))
    last = columns - 1.001
    for lane in range(lanes):
        here[LEAST + uint64(lane)] = np.inf
    for i in range(reports.shape[0]):
        at = uint64(i) * OF_STATION
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        for lane in range(lanes):
            c = uint64(lane)
            dx, dy, dz = x - here[X + c], y - here[Y + c], z - here[Z + c]
            chord2 = dx * dx + dy * dy + dz * dz
            distance = EARTH_RADIUS_KM * math.sqrt(chord2) * (1.0 + chord2 * (1.0 / 24.0))
            d2 = distance * distance
            column = min(distance * PER_KM, last)
            first = np.floor(column)
            work[at + REACH + c] = math.sqrt(d2 + here[BELOW + c])
            here[PATH + c] = math.sqrt(d2 + here[DEEP + c] * here[DEEP + c])
            here[COLUMN + c] = first + here[TABLE + c]
            here[PART + c] = column - first
        # Reading a table is no vector instruction, and would keep the rest from being some.
        for lane in range(lanes):
            c = uint64(lane)
            k = uint64(int64(here[COLUMN + c]))
            u, path = here[PART + c], here[PATH + c]
            work[at + TRAVEL + c] = (times[k] + u * (times[k + uint64(1)] - times[k])) * path
        if i < onsets:
            for lane in range(lanes):
                c = uint64(lane)
                k = uint64(int64(here[COLUMN + c])) + columns
                u, path = here[PART + c], here[PATH + c]
                work[at + TRAVEL_S + c] = (times[k] + u * (times[k + uint64(1)] - times[k])) * path
    for i in range(onsets):
        at = uint64(i) * OF_STATION
        time, variance = reports[i, TIME], reports[i, SIGMA] ** 2
        variance_s = variance + S_SIGMA_S**2
        for lane in range(lanes):
            c = uint64(lane)
            reach = work[at + REACH + c]
            travel, travel_s = work[at + TRAVEL + c], work[at + TRAVEL_S + c]
            wide = here[BLUR + c] + here[STEEP + c] / (reach * reach)
            known = variance + MODEL_SHARE**2 * (travel * travel)
            here[LEAST + c] = min(here[LEAST + c], known)
            work[at + START + c] = time - travel
            work[at + START_S + c] = time - travel_s
            work[at + INVERSE + c] = 1.0 / (known + wide)
            work[at + INVERSE_S + c] = 1.0 / (
                variance_s + S_MODEL_SHARE**2 * (travel_s * travel_s) + 3.0 * wide
            )


@njit(cache=True, nogil=True, error_model="numpy")
def _agreed(reports: _Floats, onsets: int, here: _Floats, work: _Floats) -> None:
    """Find origin times: where most onsets agree, as P or some as S, then weighted means.

    Notes in AS_S whether an onset rather fits S.
    """
    lanes = here.size // CELL_ROWS
    for lane in range(lanes):
        c = uint64(lane)
        here[BEGAN + c] = work[START + c]
        here[BEST + c] = -1.0
        work[AS_S + c] = 0.0
    if onsets == 1:
        return
    for j in range(min(onsets, 6)):
        of = uint64(j) * OF_STATION
        for lane in range(lanes):
            c = uint64(lane)
            here[AGREE + c] = 0.0
            here[AGREE_S + c] = 0.0
        for i in range(onsets):
            at = uint64(i) * OF_STATION
            trust = reports[i, TRUST]
            for lane in range(lanes):
                c = uint64(lane)
                start, start_s = work[at + START + c], work[at + START_S + c]
                inverse = THIRD * work[at + INVERSE + c]
                inverse_s = THIRD * work[at + INVERSE_S + c]
                p, s = start - work[of + START + c], start_s - work[of + START + c]
                against = min(1.0 + p * p * inverse, (1.0 + s * s * inverse_s) * S_AGAINST)
                here[AGREE + c] += trust / against
                p, s = start - work[of + START_S + c], start_s - work[of + START_S + c]
                against = min(1.0 + p * p * inverse, (1.0 + s * s * inverse_s) * S_AGAINST)
                here[AGREE_S + c] += trust / against
        for lane in range(lanes):
            c = uint64(lane)
            agree, agree_s = here[AGREE + c], here[AGREE_S + c]
            if agree > here[BEST + c]:
                here[BEST + c] = agree
                here[BEGAN + c] = work[of + START + c]
            if agree_s > here[BEST + c]:
                here[BEST + c] = agree_s
                here[BEGAN + c] = work[of + START_S + c]
    for turn in range(4):
        for lane in range(lanes):
            c = uint64(lane)
            here[SUM + c] = 0.0
            here[SUM_WEIGHTS + c] = 0.0
        for i in range(onsets):
            at = uint64(i) * OF_STATION
            trust = reports[i, TRUST]
            for lane in range(lanes):
                c = uint64(lane)
                start, start_s = work[at + START + c], work[at + START_S + c]
                inverse, inverse_s = work[at + INVERSE + c], work[at + INVERSE_S + c]
                p, s = start - here[BEGAN + c], start_s - here[BEGAN + c]
                against = 1.0 + p * p * inverse * THIRD
                against_s = (1.0 + s * s * inverse_s * THIRD) * S_AGAINST
                later = against_s < against
                weight = trust * (inverse_s if later else inverse) / min(against, against_s)
                here[SUM_WEIGHTS + c] += weight
                here[SUM + c] += weight * (start_s if later else start)
                work[at + AS_S + c] = 1.0 if later else 0.0
        if turn < 3:
            for lane in range(lanes):
                c = uint64(lane)
                here[BEGAN + c] = here[SUM + c] / here[SUM_WEIGHTS + c]


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
def _fit_magnitude(
    reports: _Floats, onsets: int, scatter: _Floats, grown: _Floats, here: _Floats, work: _Floats
) -> None:
    """Find the magnitudes that the amplitudes fit, and their variances; 0 without any.

    An outlier in time counts little. `grown` is what the source's own size adds to distances.
    """
    lanes = here.size // CELL_ROWS
    for lane in range(lanes):
        c = uint64(lane)
        here[SUM + c] = 0.0
        here[SUM_WEIGHTS + c] = 0.0
    for i in range(onsets):
        amplitude = reports[i, AMPLITUDE]
        if math.isnan(amplitude):
            continue
        at = uint64(i) * OF_STATION
        kind = int(reports[i, ACCELEROMETER])
        kind_p, kind_s = uint64(LANES * kind), uint64(LANES * (kind + 2))
        slope, slope_s = FALL[kind, 0], FALL[kind + 2, 0]
        absorbed, absorbed_s = FALL[kind, 1], FALL[kind + 2, 1]
        spread, spread_s = FALL[kind, 4] / LN10, FALL[kind + 2, 4] / LN10
        constant, constant_s = FALL[kind, 5] - CM, FALL[kind + 2, 5] - CM
        until = reports[i, ELAPSED] * P_KM_S_AHEAD
        share = reports[i, TRUST] * reports[i, SHARE] * scatter[i] * scatter[i]
        for lane in range(lanes):
            c = uint64(lane)
            # Sums over both waves, as a choice of what to load would be no vector instruction.
            as_s, reach = work[at + AS_S + c], work[at + REACH + c]
            of_s = max(as_s, 1.0 if until > reach else 0.0)
            as_p, of_p = 1.0 - as_s, 1.0 - of_s
            far = reach + of_p * grown[kind_p + c] + of_s * grown[kind_s + c]
            absorbs = of_p * absorbed + of_s * absorbed_s
            spreads = of_p * spread + of_s * spread_s
            fallen = of_p * constant + of_s * constant_s - absorbs * far - spreads * _log(far)
            steep = of_p * slope + of_s * slope_s
            start = as_p * work[at + START + c] + as_s * work[at + START_S + c]
            inverse = as_p * work[at + INVERSE + c] + as_s * work[at + INVERSE_S + c]
            late = start - here[BEGAN + c]
            weight = share * steep / (1.0 + late * late * inverse * THIRD)
            work[at + FALLEN + c] = fallen
            work[at + SLOPE + c] = steep
            here[SUM_WEIGHTS + c] += weight * steep
            here[SUM + c] += weight * (amplitude - fallen)
    for lane in range(lanes):
        c = uint64(lane)
        weight = here[SUM_WEIGHTS + c]
        if weight == 0.0:
            here[SIZE + c], here[SPREAD + c] = TYPICAL_MAGNITUDE, 0.0
        else:
            variance = 1.0 / (weight + 0.01)
            fitted = here[SUM + c] / weight - B_VALUE * LN10 * variance
            here[SIZE + c] = min(max(fitted, LEAST_MAGNITUDE), LARGEST_MAGNITUDE)
            here[SPREAD + c] = variance


@njit(cache=True, nogil=True, error_model="numpy")
def _size(
    reports: _Floats, onsets: int, scatter: _Floats, grown: _Floats, here: _Floats, work: _Floats
) -> None:
    """Find the magnitudes, and what their sources add to the distances at which P stands out."""
    for lane in range(4 * LANES):
        grown[lane] = 0.25
    _fit_magnitude(reports, onsets, scatter, grown, here, work)
    some = False
    for lane in range(LANES):
        large = here[SIZE + uint64(lane)] > 5.0
        here[LARGE + uint64(lane)] = 1.0 if large else 0.0
        some |= large
    if some:
        _grow(4, LARGEST_MAGNITUDE, here, grown)
        _fit_magnitude(reports, onsets, scatter, grown, here, work)
    for lane in range(LANES):
        grown[lane], grown[LANES + lane] = 0.25, 0.5
    if some:
        _grow(2, BEGINS_AS, here, grown)


@njit(cache=True, nogil=True, error_model="numpy")
def _grow(kinds: int, largest: float, here: _Floats, grown: _Floats) -> None:
    """Fill in the distances that LARGE sources add, for the first rows of FALL: `_saturation`."""
    lanes = here.size // CELL_ROWS
    for lane in range(LANES):
        c = uint64(lane)
        here[TURN + c] = math.atan(min(here[SIZE + c], largest) - 5.0) + 1.4
    for kind in range(kinds):
        first = uint64(LANES * kind)
        factor, rises = FALL[kind, 2], FALL[kind, 3]
        for lane in range(lanes):
            c = uint64(lane)
            over = min(here[SIZE + c], largest) - 5.0
            more = factor * here[TURN + c] * _exp(rises * over)
            large = here[LARGE + c]
            grown[first + c] = large * more + (1.0 - large) * grown[first + c]


@njit(cache=True, nogil=True, error_model="numpy")
def _count(share: float, at: np.uint64, here: _Floats, work: _Floats) -> None:
    """Multiply what a station says to what the others have said."""
    lanes = here.size // CELL_ROWS
    if share == 1.0:
        for lane in range(lanes):
            c = uint64(lane)
            here[PRODUCT + c] *= work[at + LIKELIHOOD + c]
    else:
        for lane in range(lanes):
            c = uint64(lane)
            here[LOG_P + c] += share * _log(work[at + LIKELIHOOD + c])


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_up(here: _Floats) -> None:
    """Bring the product to the sum of logarithms, before it gets too large or too small."""
    lanes = here.size // CELL_ROWS
    for lane in range(lanes):
        c = uint64(lane)
        here[LOG_P + c] += _log(here[PRODUCT + c])
        here[PRODUCT + c] = 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _compare(
    reports: _Floats, onsets: int, scatter: _Floats, grown: _Floats, here: _Floats, work: _Floats
) -> None:
    """Take in what each onset says: LIKELIHOOD, BELONGS, BELONGS_S, and PRECISION of the origin."""
    lanes = here.size // CELL_ROWS
    for i in range(onsets):
        at = uint64(i) * OF_STATION
        kind = int(reports[i, ACCELEROMETER])
        of_kind = uint64(LANES * kind)
        slope, absorbed, spread = FALL[kind, 0], FALL[kind, 1], FALL[kind, 4] / LN10
        constant = FALL[kind, 5] - CM - reports[i, NOISE] - STANDS_OUT
        amplitude, narrow = reports[i, AMPLITUDE], scatter[i]
        loud = not math.isnan(amplitude)
        trust = reports[i, TRUST]
        per_other = trust / reports[i, OTHER]
        for lane in range(lanes):
            c = uint64(lane)
            far = work[at + REACH + c] + grown[of_kind + c]
            over = slope * min(here[SIZE + c], BEGINS_AS) + constant
            over = (over - absorbed * far - spread * _log(far)) / STANDS_OUT_WIDTH
            noise = _exp(-over)
            noise_s = 1.0 + noise * S_FACTOR
            both = MOST_DETECTED / ((1.0 + noise) * noise_s)  # one division for two
            d, d_s = both * noise_s, both * (1.0 + noise)
            z = (amplitude - work[at + FALLEN + c] - work[at + SLOPE + c] * here[SIZE + c]) * narrow
            size = _student(z) * narrow
            late = work[at + AS_S + c] == 1.0
            fits_amplitude = (ANY_DECADE if late else size) if loud else 1.0
            fits_amplitude_s = (size if late else ANY_DECADE) if loud else 1.0
            inverse, inverse_s = work[at + INVERSE + c], work[at + INVERSE_S + c]
            began = here[BEGAN + c]
            p = per_other * d * _fits(work[at + START + c] - began, inverse) * fits_amplitude
            s_wave = per_other * (1.0 - d) * d_s * fits_amplitude_s
            s_wave *= _fits(work[at + START_S + c] - began, inverse_s)
            unseen = (1.0 - d) * (1.0 - d_s) + MISTAKEN * d
            total = 1.0 - trust + trust * unseen + p + s_wave
            share = 1.0 / total
            work[at + LIKELIHOOD + c] = total
            work[at + BELONGS + c] = p * share
            work[at + BELONGS_S + c] = s_wave * share
            here[PRECISION + c] += (p * inverse + s_wave * inverse_s) * share
        if not math.isnan(reports[i, LATER]):
            _mark(reports, i, at, here, work)
        _count(reports[i, SHARE], at, here, work)
        if i % 8 == 7:
            _sum_up(here)


@njit(cache=True, nogil=True, error_model="numpy")
def _mark(reports: _Floats, i: int, at: np.uint64, here: _Floats, work: _Floats) -> None:
    """Take in whether S followed at a station. While the rupture lasts, P goes on and hides it."""
    lanes = here.size // CELL_ROWS
    first, second, third = reports[i, LATER], reports[i, LATER + 1], reports[i, LATER + 2]
    two, three = not math.isnan(second), not math.isnan(third)
    share = reports[i, TRUST] * MARKED_S
    for lane in range(lanes):
        c = uint64(lane)
        inverse, travel_s = work[at + INVERSE_S + c], work[at + TRAVEL_S + c]
        due = here[BEGAN + c] + travel_s
        marked = _fits(first - due, inverse)
        marked += _fits(second - due, inverse) if two else 0.0
        marked += _fits(third - due, inverse) if three else 0.0
        hidden = _exp(-HIDES * here[DURATION + c] / (travel_s - work[at + TRAVEL + c] + 0.1))
        mine = share * work[at + BELONGS + c] * hidden
        work[at + LIKELIHOOD + c] *= 1.0 - mine + mine * marked / OTHER_LATER


@njit(cache=True, nogil=True, error_model="numpy")
def _come(late_s: float) -> float:
    """Say how far S has come, so long after it was due and should have settled; 0 to 1."""
    late = late_s / HALF_WIDTH_S
    return 0.0 if late < -8.0 else 1.0 / (1.0 + _exp(-late))


@njit(cache=True, nogil=True, error_model="numpy")
def _grew(off_s: float, wait_s: float, duration_s: float, other: float) -> float:
    """Compare when half of the peak had come, so long after S, with other onsets.

    Most of those are over soon: their density is `other`. Likelihood over theirs.
    """
    variance = HALF_SPREAD**2 * (duration_s * duration_s) + S_MODEL_SHARE**2 * (wait_s * wait_s)
    inverse = 1.0 / (HALF_SIGMA_S**2 + variance)
    off = off_s - HALF_AFTER_S - HALF_DURATION * duration_s
    a = 1.0 + off * off * inverse * THIRD
    fits: float = (1.0 - HALF_BEFORE - HALF_LATER) * T3 * math.sqrt(inverse) / (a * a * other)
    return fits + (HALF_BEFORE if off_s < 0.0 else HALF_LATER)


@njit(cache=True, nogil=True, error_model="numpy")
def _follow(reports: _Floats, onsets: int, here: _Floats, work: _Floats) -> None:
    """Take in how the motion of stations grew after their onsets, as P or as S."""
    lanes = here.size // CELL_ROWS
    for lane in range(lanes):
        here[GROWTH + uint64(lane)] = 1.0
    followed = 0
    for i in range(min(onsets, MOST_FOLLOWED)):
        half, elapsed = reports[i, HALF_GROWN], reports[i, ELAPSED]
        if math.isnan(half):
            continue
        followed += 1
        at = uint64(i) * OF_STATION
        trust = reports[i, TRUST] * reports[i, SHARE]
        other = OVER_SHARE * _exp(-half / OVER_S) / OVER_S + (1.0 - OVER_SHARE) / elapsed
        come_s = trust * _come(elapsed - HALF_SETTLED_S)
        for lane in range(lanes):
            c = uint64(lane)
            wait, duration = work[at + TRAVEL_S + c] - work[at + TRAVEL + c], here[DURATION + c]
            as_p = trust * work[at + BELONGS + c] * _come(elapsed - wait - HALF_SETTLED_S)
            as_s = come_s * work[at + BELONGS_S + c]
            grew = 1.0 - as_p + as_p * _grew(half - wait, wait, duration, other)
            here[GROWTH + c] *= grew - as_s + as_s * _grew(half, 0.0, duration, other)
    share = 1.0 / (1.0 + HALF_SHARE * max(followed - 1, 0))
    for lane in range(lanes):
        c = uint64(lane)
        here[LOG_P + c] += share * _log(here[GROWTH + c])


@njit(cache=True, nogil=True, error_model="numpy")
def _hear_silence(
    reports: _Floats,
    onsets: int,
    silent_after_s: float,
    grown: _Floats,
    here: _Floats,
    work: _Floats,
) -> None:
    """Take in what silent stations say: LIKELIHOOD, and BELONGS, that P should have been seen."""
    lanes = here.size // CELL_ROWS
    for i in range(onsets, reports.shape[0]):
        if i % 8 == 7:
            _sum_up(here)
        at = uint64(i) * OF_STATION
        kind = int(reports[i, ACCELEROMETER])
        of_kind = uint64(LANES * kind)
        slope, absorbed, spread = FALL[kind, 0], FALL[kind, 1], FALL[kind, 4] / LN10
        constant = FALL[kind, 5] - CM - reports[i, NOISE] - STANDS_OUT
        until, trust = reports[i, UNTIL] - silent_after_s, reports[i, TRUST]
        for lane in range(lanes):
            c = uint64(lane)
            here[LATE + c] = (until - here[BEGAN + c] - work[at + TRAVEL + c]) / SILENCE_WIDTH_S
            work[at + BELONGS + c] = 0.0
        due = False
        for lane in range(LANES):
            due |= here[LATE + uint64(lane)] >= -6.0
        if not due:
            continue
        for lane in range(lanes):
            c = uint64(lane)
            late = here[LATE + c]
            far = work[at + REACH + c] + grown[of_kind + c]
            over = slope * min(here[SIZE + c], BEGINS_AS) + constant
            over = (over - absorbed * far - spread * _log(far)) / STANDS_OUT_WIDTH
            seen = MOST_DETECTED / ((1.0 + _exp(-over)) * (1.0 + _exp(-late)))
            seen = 0.0 if over < -6.0 or late < -6.0 else seen
            work[at + BELONGS + c] = seen
            work[at + LIKELIHOOD + c] = 1.0 - trust * seen
        _count(reports[i, SHARE], at, here, work)


@njit(cache=True, nogil=True, error_model="numpy")
def _judge(
    cells: _Floats,
    latitude: float,
    longitude: float,
    reports: _Floats,
    vectors: _Floats,
    onsets: int,
    scatter: _Floats,
    p_table: _Table,
    s_table: _Table,
    silent_after_s: float,
    times: _Floats,
    depths: _Floats,
    grown: _Floats,
    here: _Floats,
    work: _Floats,
) -> None:
    """Fill in what the reports say of some cells: LOG_DENSITY, ORIGIN, MAGNITUDE and FINEST.

    Parameters
    ----------
    cells : float64[up to LANES, CELL_FIELDS]
        All else is known of them.
    latitude, longitude
        Middle of the search, degrees.
    reports : float64[n, COLUMNS]
        Onsets first.
    vectors : float64[n, 3]
        Where the stations are.
    onsets
        How many.
    scatter : float64[onsets]
        One over the standard deviation of an amplitude.
    p_table, s_table, silent_after_s
        See `search`.
    times : float64[SLOTS * 2 * columns of the tables], depths : float64[SLOTS + 1]
        Work: travel times of P and S at some depths, which come again from call to call; which
        depths, and how many are known: none at first.
    grown : float64[4 * LANES], here : float64[OF_CELLS], work : float64[n * OF_STATION]
        Work; `work` holds afterwards what each report says of each cell. All lanes do the same,
        in loops that hold nothing but arithmetic on arrays without dimensions: so they become
        vector instructions.
    """
    _put(cells, latitude, longitude, p_table, s_table, times, depths, here)
    _reach(reports, vectors, onsets, times, here, work)
    _agreed(reports, onsets, here, work)
    _size(reports, onsets, scatter, grown, here, work)
    for lane in range(LANES):
        c = uint64(lane)
        magnitude, spread = here[SIZE + c], here[SPREAD + c]
        here[DURATION + c] = DURATION_M7_S * _exp(0.5 * LN10 * (magnitude - 7.0))
        here[LOG_P + c] = -B_VALUE * LN10 * (magnitude - LEAST_MAGNITUDE)
        wide = B_VALUE * LN10 * math.sqrt(2.0 * math.pi * spread)
        here[PRODUCT + c] = _depth_density(here[DEEP + c]) * (wide if spread > 0.0 else 1.0)
        here[PRECISION + c] = 0.01
    _compare(reports, onsets, scatter, grown, here, work)
    _follow(reports, onsets, here, work)
    _hear_silence(reports, onsets, silent_after_s, grown, here, work)
    for lane in range(LANES):
        c = uint64(lane)
        here[PRODUCT + c] *= math.sqrt(2.0 * math.pi / here[PRECISION + c])
    _sum_up(here)
    for k in range(cells.shape[0]):
        c = uint64(k)
        cells[k, LOG_DENSITY] = here[LOG_P + c]
        cells[k, ORIGIN] = here[BEGAN + c]
        cells[k, MAGNITUDE] = here[SIZE + c]
        cells[k, FINEST] = max(SMALLEST_KM, RESOLVED_KM_S * math.sqrt(here[LEAST + c]))


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
        Work: `FIRST_CELLS`, and eight for each split. Those with LEAF are the posterior afterwards.
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
    vectors = np.empty((n, 3))
    for i in range(n):
        _unit(rows[i, LATITUDE], rows[i, LONGITUDE], vectors[i])
    few = min(onsets, COARSE_PICKS)
    rough = np.concatenate((rows[:few], rows[onsets:]))
    rough_vectors = np.concatenate((vectors[:few], vectors[onsets:]))
    scatter = np.empty(onsets)
    for i in range(onsets):
        growing = GROWING_SIGMA * math.exp(-rows[i, ELAPSED])
        scatter[i] = 1.0 / math.sqrt(AMPLITUDE_SIGMA * AMPLITUDE_SIGMA + growing * growing)
    times = np.empty(SLOTS * 2 * p_table.shape[1])
    depths = np.zeros(SLOTS + 1)
    grown = np.empty(4 * LANES)
    here = np.empty(OF_CELLS)
    work = np.zeros(n * OF_STATION)
    stack = np.empty((600, 3))
    side = reach_km / 4.0
    top = 0
    for i in range(16):
        stack[top, 0] = (i % 4 - 1.5) * 2.0 * side
        stack[top, 1] = (i // 4 - 1.5) * 2.0 * side
        stack[top, 2] = side
        top += 1
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
        for k in range(layers):
            cell = cells[count]
            cell[EAST], cell[NORTH], cell[HALF] = east, north, half
            cell[DEPTH], cell[HALF_DEPTH], cell[LEAF] = (2 * k + 1) * thick, thick, 1.0
            count += 1
    mass = np.full(cells.shape[0], -np.inf)
    heavier = np.full(cells.shape[0] // LANES + 2, -np.inf)  # the heaviest of every LANES cells
    for first in range(0, count, LANES):
        some = cells[first : min(first + LANES, count)]
        _judge(
            some, latitude, longitude, rough, rough_vectors, few, scatter,
            p_table, s_table, silent_after_s, times, depths, grown, here, work,
        )  # fmt: skip
        for i in range(first, first + some.shape[0]):
            mass[i] = _mass(cells[i])
            heavier[i // LANES] = max(heavier[i // LANES], mass[i])
    heaviest = -np.inf
    left = splits
    while left > 0:
        block = np.argmax(heavier[: (count - 1) // LANES + 1])
        most = heavier[block]
        heaviest = max(heaviest, most)
        if most == -np.inf or most < heaviest - LIGHT or count + 8 > cells.shape[0]:
            break
        best = block * LANES + np.argmax(mass[block * LANES : (block + 1) * LANES])
        mass[best] = -np.inf
        heavier[block] = mass[block * LANES : (block + 1) * LANES].max()
        by_all = few == onsets or cells[best, HALF] <= FINE_KM
        if by_all and most < heaviest - LIGHT_BY_ALL:
            continue
        left -= 1
        cells[best, LEAF] = 0.0
        half = cells[best, HALF] / 2.0
        deep = 2 if cells[best, HALF_DEPTH] > 0.6 * cells[best, HALF] else 1
        half_depth = cells[best, HALF_DEPTH] / deep
        some = cells[count : count + 4 * deep]
        for k in range(4 * deep):
            cell = some[k]
            cell[EAST] = cells[best, EAST] + (half if k % 2 else -half)
            cell[NORTH] = cells[best, NORTH] + (half if (k // 2) % 2 else -half)
            cell[HALF] = half
            below = 0.0 if deep == 1 else (half_depth if k // 4 else -half_depth)
            cell[DEPTH] = cells[best, DEPTH] + below
            cell[HALF_DEPTH] = half_depth
            cell[LEAF] = 1.0
        if half > FINE_KM:
            _judge(
                some, latitude, longitude, rough, rough_vectors, few, scatter,
                p_table, s_table, silent_after_s, times, depths, grown, here, work,
            )  # fmt: skip
        else:
            _judge(
                some, latitude, longitude, rows, vectors, onsets, scatter,
                p_table, s_table, silent_after_s, times, depths, grown, here, work,
            )  # fmt: skip
        for i in range(count, count + 4 * deep):
            mass[i] = _mass(cells[i])
            heavier[i // LANES] = max(heavier[i // LANES], mass[i])
        count += 4 * deep
    log_total = _densest(cells, count, point)
    _judge(
        point[:CELL_FIELDS].reshape(1, CELL_FIELDS), latitude, longitude, rows, vectors, onsets,
        scatter, p_table, s_table, silent_after_s, times, depths, grown, here, work,
    )  # fmt: skip
    for i in range(n):
        at = uint64(i) * OF_STATION
        detail[i] = 0.0
        detail[i, 1] = work[at + BELONGS]
        if i < onsets:
            detail[i, 2] = work[at + BELONGS_S]
            rather = START_S if detail[i, 2] > detail[i, 1] else START
            detail[i, 0] = work[at + rather] - point[ORIGIN]
    return log_total


@njit(cache=True, nogil=True, error_model="numpy")
def _densest(cells: _Floats, count: int, point: _Floats) -> float:
    """Find where the posterior, blurred by its own width, is densest; see `search`.

    Returns the log of its integral.
    """
    top = -np.inf
    peak = 0
    leaf_top = -np.inf
    masses = np.empty(count)
    for i in range(count):
        masses[i] = -np.inf
        if cells[i, LEAF] == 1.0:
            if cells[i, LOG_DENSITY] > top:
                top = cells[i, LOG_DENSITY]
                peak = i
            size = 8.0 * cells[i, HALF] * cells[i, HALF] * cells[i, HALF_DEPTH]
            masses[i] = cells[i, LOG_DENSITY] + math.log(size)
            leaf_top = max(leaf_top, masses[i])
    peak_east, peak_north = cells[peak, EAST], cells[peak, NORTH]
    heavy = 0  # put together, so that each is looked at but once
    for i in range(count):
        if masses[i] > leaf_top - WEIGHTLESS:
            cells[heavy] = cells[i]
            masses[heavy] = masses[i]
            heavy += 1
    for i in range(heavy, count):
        cells[i, LEAF] = 0.0
    count = heavy
    easts, norths = cells[:count, EAST].copy(), cells[:count, NORTH].copy()
    weight = np.empty(count)
    for i in range(count):
        weight[i] = _exp(masses[i] - leaf_top)
    total = 0.0
    east = 0.0
    north = 0.0
    for i in range(count):
        total += weight[i]
        east += weight[i] * easts[i]
        north += weight[i] * norths[i]
    east /= total
    north /= total
    wide = _spread(cells, count, weight, total, east, north)
    narrow = -0.5 / (0.8 * wide * wide + 0.01)
    densest = -1.0
    nearby = np.empty(count)
    for start in ((east, north), (peak_east, peak_north)):
        at_east, at_north = start
        density = 0.0
        for _ in range(12):
            for i in range(count):
                d2 = (easts[i] - at_east) ** 2 + (norths[i] - at_north) ** 2
                nearby[i] = weight[i] * _exp(d2 * narrow)
            density = 0.0
            next_east = 0.0
            next_north = 0.0
            for i in range(count):
                density += nearby[i]
                next_east += nearby[i] * easts[i]
                next_north += nearby[i] * norths[i]
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
            w = weight[i] * _exp(d2 * narrow)
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
    here = np.empty(OF_CELLS)
    work = np.zeros(n * OF_STATION)
    shrink = math.cos(math.radians(latitude))
    logs = np.empty(FAR_SLOWNESSES.size * FAR_AZIMUTHS)
    for first in range(0, logs.size, LANES):
        for lane in range(LANES):
            c = uint64(lane)
            slowness = FAR_SLOWNESSES[(first + lane) // FAR_AZIMUTHS]
            azimuth = 2.0 * math.pi * ((first + lane) % FAR_AZIMUTHS) / FAR_AZIMUTHS
            here[X + c] = slowness * KM_PER_DEGREE * shrink * math.sin(azimuth)
            here[Y + c] = slowness * KM_PER_DEGREE * math.cos(azimuth)
        _judge_far(rows, onsets, latitude, longitude, silent_after_s, here, work)
        for lane in range(LANES):
            logs[first + lane] = here[LOG_P + uint64(lane)]
    top = logs.max()
    return float(top + math.log(np.exp(logs - top).mean()))


@njit(cache=True, nogil=True, error_model="numpy")
def _judge_far(
    rows: _Floats,
    onsets: int,
    latitude: float,
    longitude: float,
    silent_after_s: float,
    here: _Floats,
    work: _Floats,
) -> None:
    """Fill in what the reports say of plane waves, LOG_P, by their slowness in s a degree: X, Y."""
    lanes = here.size // CELL_ROWS
    for i in range(rows.shape[0]):
        at = uint64(i) * OF_STATION
        east = (rows[i, LONGITUDE] - longitude + 180.0) % 360.0 - 180.0
        north = rows[i, LATITUDE] - latitude
        inverse = 1.0 / (rows[i, SIGMA] ** 2 + FAR_SIGMA_S**2)
        for lane in range(lanes):
            c = uint64(lane)
            travel = here[X + c] * east + here[Y + c] * north
            work[at + TRAVEL + c] = travel
            work[at + START + c] = rows[i, TIME] - travel
            work[at + INVERSE + c] = inverse
            work[at + START_S + c] = NEVER_S * (1.0 + i)  # no S, and never two at one time
            work[at + INVERSE_S + c] = 1.0
    _agreed(rows, onsets, here, work)
    for lane in range(lanes):
        c = uint64(lane)
        here[SUM + c] = 0.0
        here[SUM_WEIGHTS + c] = 0.0
    for i in range(onsets):
        if math.isnan(rows[i, AMPLITUDE]):
            continue
        at = uint64(i) * OF_STATION
        velocity = rows[i, AMPLITUDE] + _to_velocity(rows[i, ACCELEROMETER])
        share = rows[i, TRUST] * rows[i, SHARE]
        for lane in range(lanes):
            c = uint64(lane)
            late = work[at + START + c] - here[BEGAN + c]
            w = share / (1.0 + late * late * work[at + INVERSE + c] * THIRD)
            here[SUM_WEIGHTS + c] += w
            here[SUM + c] += w * velocity
    for lane in range(lanes):
        c = uint64(lane)
        here[SIZE + c] = math.nan
        here[LOG_P + c] = math.log(FAR_A_YEAR * FAR_DETECTED / YEAR_S)
        here[PRODUCT + c] = 1.0
        here[PRECISION + c] = 0.01
        weight = here[SUM_WEIGHTS + c]
        if weight > 0.0:
            mean = here[SUM + c] / weight
            variance = FAR_AMPLITUDE_SIGMA**2 / (weight + 0.01)
            here[SIZE + c] = mean
            here[LOG_P + c] = math.log(
                LN10 * FAR_A_YEAR / YEAR_S * math.sqrt(2.0 * math.pi * variance)
            ) - LN10 * (mean - FAR_VELOCITY + FAR_STEEPER * max(0.0, mean - FAR_STRONG))
    for i in range(rows.shape[0]):
        at = uint64(i) * OF_STATION
        noise = rows[i, NOISE] + _to_velocity(rows[i, ACCELEROMETER]) + STANDS_OUT
        trust = rows[i, TRUST]
        if i < onsets:
            velocity = rows[i, AMPLITUDE] + _to_velocity(rows[i, ACCELEROMETER])
            loud = not math.isnan(velocity)
            marked = 0.0 if math.isnan(rows[i, LATER]) else trust * MARKED_S
            per_other = trust / rows[i, OTHER]
            for lane in range(lanes):
                c = uint64(lane)
                mean = here[SIZE + c]
                d = MOST_DETECTED / (1.0 + _exp((noise - mean) / STANDS_OUT_WIDTH))
                d = 0.5 * MOST_DETECTED if math.isnan(mean) else d
                inverse = work[at + INVERSE + c]
                fits = _fits(work[at + START + c] - here[BEGAN + c], inverse)
                size = _student((velocity - mean) / FAR_AMPLITUDE_SIGMA) / FAR_AMPLITUDE_SIGMA
                as_p = per_other * d * fits * (size if loud else 1.0)
                likelihood = 1.0 - trust * d + as_p
                here[PRECISION + c] += as_p / likelihood * inverse
                work[at + LIKELIHOOD + c] = likelihood - marked * as_p
        else:
            until = rows[i, UNTIL] - silent_after_s
            for lane in range(lanes):
                c = uint64(lane)
                mean = here[SIZE + c]
                d = MOST_DETECTED / (1.0 + _exp((noise - mean) / STANDS_OUT_WIDTH))
                d = 0.5 * MOST_DETECTED if math.isnan(mean) else d
                late = (until - here[BEGAN + c] - work[at + TRAVEL + c]) / SILENCE_WIDTH_S
                seen = 0.0 if late < -6.0 else d / (1.0 + _exp(-late))
                work[at + LIKELIHOOD + c] = 1.0 - trust * seen
        _count(rows[i, SHARE], at, here, work)
        if i % 8 == 7:
            _sum_up(here)
    for lane in range(lanes):
        c = uint64(lane)
        here[PRODUCT + c] *= math.sqrt(2.0 * math.pi / here[PRECISION + c])
    _sum_up(here)


@njit(cache=True, nogil=True, error_model="numpy")
def _to_velocity(accelerometer: float) -> float:
    """Return what brings log10 of an amplitude at 1 Hz to that of velocity."""
    return -math.log10(2.0 * math.pi) if accelerometer == 1.0 else 0.0
