"""From samples to the band energy of blocks of some seconds, and whether it has risen as a flow's.

All that is judged at a block is a function of the blocks and picks of a stated time before it,
whose numbers are those of absolute time: so a state that begins later agrees with an older one
to the last bit once that time has passed, and nothing hangs on how samples are cut.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

__all__ = [
    "BLOCK",
    "CHUNK",
    "GOING",
    "HOLD",
    "KIND",
    "MARKS",
    "NEWEST",
    "NO",
    "NOISE",
    "NONE",
    "OFF",
    "ON",
    "PICKS",
    "RISEN",
    "SHARE",
    "STALE",
    "SUMS",
    "TOLD",
    "Filters",
    "Limits",
    "Tremors",
    "advance",
    "judge",
    "risen",
]

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]
_Samples = npt.NDArray[np.int32] | npt.NDArray[np.float64]

CHUNK = 128  # samples that are filtered at a time: they stay in the first cache
COMPLETE = 0.8  # share of a block's samples without which it is missing
LARGEST = 1e100  # sum of squares, counts^2: more, or no number at all, is no motion
PICKS = 4  # newest picks of a station that are remembered
STALE = 3  # blocks after which what was said last is forgotten: a gap
NONE = -(2**62)  # the number of no block
BEFORE_RISE, AFTER_RISE = 2, 3  # blocks round the begin of a rise in which a pick is its onset

ON, GOING, OFF, NO = range(4)
"""What is said: began, lasts, has ended, was none."""

LENGTHS = 6
NOISE, SUSTAIN, EMERGENT, SUDDEN, HOLD, SHORTEST = range(LENGTHS)
MARKS = 9
KIND, FILLED, BLOCK, MANY, LOW_MANY, NEWEST, RISEN, SINCE, TOLD = range(MARKS)
SUMS = 5
TOTAL, LOW_TOTAL, WAS, SHARE, BASE = range(SUMS)
CONSTANTS = 8
QUANTILE, RATIO, LOW_RATIO, RISE, JUMP, KEPT, FALLEN, FLOOR = range(CONSTANTS)


class Limits(NamedTuple):
    """By what is judged.

    Attributes
    ----------
    block_ns
        Length of a block.
    lengths : int64[LENGTHS]
        In blocks: noise window, blocks that must be above, least length of a rise that is
        emergent and of one that is not, how long a rise counts, and the shortest flow.
    constants : float64[CONSTANTS]
        Quantile of the noise; energy ratios: of a flow, of it in the lower band, of the begin
        of a rise, of a jump, of what is kept of the largest, of what has fallen; and the least
        noise, counts^2.
    """

    block_ns: int
    lengths: _Ints
    constants: _Doubles


class Filters(NamedTuple):
    """The band-passes, a row for each sampling rate: impulse responses, backwards.

    Attributes
    ----------
    high, low : float64[kinds, most]
        Of the band, and of the lower band.
    n_high, n_low : int64[kinds]
        Taps of each, a multiple of eight.
    every : int64[kinds]
        The lower band is worked out at one in so many samples.
    """

    high: _Doubles
    low: _Doubles
    n_high: _Ints
    n_low: _Ints
    every: _Ints


class Tremors(NamedTuple):
    """The channels that are judged, a row each; what is used together stands together.

    Attributes
    ----------
    tail : float32[n, taps - 1]
        The newest samples less BASE, the last one last: half the memory to be fetched, which is
        most of the cost where stations come in any order.
    marks : int64[n, MARKS]
        KIND, the row of the filters; FILLED, samples since the channel's start, at most as many
        as the tail holds; BLOCK, that which is being filled, or NONE; MANY and LOW_MANY, of how
        many samples are the sums; NEWEST, the newest complete block; RISEN, the newest that was
        judged a flow's, and SINCE, the first of its rise; TOLD, the newest at which there was a
        tremor.
    sums : float64[n, SUMS]
        TOTAL and LOW_TOTAL, sums of squares in the block, of the band and of the lower band,
        counts^2; WAS, the noise before the rise, counts^2; SHARE, the least energy of the band
        against that of the lower band, as the sensor gives them; BASE, of the tail.
    energy : float64[n, 2, ring]
        Mean squares of blocks in the two bands, counts^2; NaN where missing. Block k stands at
        k modulo ring.
    picks : int64[n, PICKS]
        Blocks of the newest P picks of the station.
    """

    tail: npt.NDArray[np.float32]
    marks: _Ints
    sums: _Doubles
    energy: _Doubles
    picks: _Ints


@njit(cache=True, nogil=True, error_model="numpy")
def _at(energy: _Doubles, block: int) -> float:
    found: float = energy[block % energy.size]
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _median(energy: _Doubles, last: int) -> float:
    """Return the median of the block and the two before; of those there are; NaN of none."""
    a, b, c = _at(energy, last), _at(energy, last - 1), _at(energy, last - 2)
    if math.isnan(a):
        a, c = c, a
    if math.isnan(b):
        b, c = c, b
    if math.isnan(a):
        a, b = b, a
    if math.isnan(b):
        return a
    if math.isnan(c):
        return min(a, b)
    return max(min(a, b), min(max(a, b), c))


@njit(cache=True, nogil=True, error_model="numpy")
def _noise(energy: _Doubles, k: int, limits: Limits) -> float:
    """Return the energy before the newest blocks; infinite where too little is known."""
    lengths, constants = limits.lengths, limits.constants
    before = np.empty(lengths[NOISE])
    many = 0
    for j in range(k - lengths[NOISE], k - lengths[SUSTAIN] + 1):
        e = _at(energy, j)
        if not math.isnan(e):
            before[many] = e
            many += 1
    if 2 * many < lengths[NOISE]:
        return np.inf
    before[:many].sort()
    noise: float = before[int(constants[QUANTILE] * (many - 1))]
    return max(noise, float(constants[FLOOR]))


@njit(cache=True, nogil=True, error_model="numpy")
def risen(
    energies: _Doubles, share: float, picks: _Ints, k: int, limits: Limits
) -> tuple[bool, float, int]:
    """Judge whether the energy has risen, up to block k, as under a flow.

    Parameters
    ----------
    energies : float64[2, ring]
        Of the blocks up to k, as in `Tremors`.
    share
        Least energy of the band against that of the lower band.
    picks : int64[PICKS]
        Blocks of picks.
    k
        The newest block.
    limits
        What is asked for.

    Returns
    -------
    risen : bool
        Whether it has.
    noise : float
        Energy before, counts^2.
    since : int
        First block of the rise.

    Notes
    -----
    A flow's band energy is at least ten times the noise before it, for longer than a moment: Wei
    and Liu (2019), doi:10.1007/s10346-019-01258-9. It rises over a minute and more, where waves
    of an earthquake jump within seconds, and it does not fall soon after.
    """
    lengths, constants = limits.lengths, limits.constants
    energy, low = energies[0], energies[1]
    lowest = np.inf
    second = np.inf
    for j in range(k - lengths[SUSTAIN] + 1, k + 1):
        e = _at(energy, j)
        if math.isnan(e):
            e = 0.0
        if e < lowest:
            second = lowest
            lowest = e
        elif e < second:
            second = e
    quietest = np.inf
    place = (k - lengths[NOISE]) % energy.size
    for _ in range(lengths[NOISE] - lengths[SUSTAIN] + 1):
        if energy[place] < quietest:
            quietest = energy[place]
        place += 1
        if place == energy.size:
            place = 0
    if second < constants[RATIO] * max(quietest, constants[FLOOR]):
        return False, 0.0, k
    noise = _noise(energy, k, limits)
    if second < constants[RATIO] * noise:
        return False, noise, k
    low_now = _median(low, k)
    if not low_now >= constants[LOW_RATIO] * _noise(low, k, limits):
        return False, noise, k
    if not _median(energy, k) >= share * low_now:
        return False, noise, k
    begin = constants[RISE] * noise
    since = k
    below = 0
    for j in range(k, k - lengths[NOISE] - 1, -1):
        if _at(energy, j) >= begin:
            since = j
            below = 0
        else:
            below += 1
            if below == 2:
                break
    length = k - since + 1
    if length < lengths[EMERGENT]:
        return False, noise, since
    most = 0.0
    for j in range(since, k + 1):
        level = _median(energy, j)
        if level > most:
            most = level
    if _median(energy, k) < constants[KEPT] * most:
        return False, noise, since
    for pick in picks:
        if since - BEFORE_RISE <= pick <= since + AFTER_RISE and length < lengths[SUDDEN]:
            return False, noise, since
    for j in range(max(since - 1, k - lengths[SUDDEN]), k - 1):
        earlier = _median(energy, j - 1)
        if math.isnan(earlier) or earlier < noise:
            earlier = noise
        if _median(energy, j + 2) > constants[JUMP] * earlier:
            return False, noise, since
    return True, noise, since


@njit(cache=True, nogil=True, error_model="numpy")
def judge(c: int, k: int, limits: Limits, t: Tremors) -> int:
    """Say what a new block means at a channel: ON, GOING, OFF, NO, or -1 for nothing.

    A tremor whose rise is too long ago for its noise to be known is not told of any longer,
    though it may last.
    """
    energy, marks, sums = t.energy[c, 0], t.marks[c], t.sums[c]
    lengths, constants = limits.lengths, limits.constants
    good, noise, since = risen(t.energy[c], sums[SHARE], t.picks[c], k, limits)
    if good:
        marks[RISEN], marks[SINCE], sums[WAS] = k, since, noise
    before = marks[TOLD] >= k - STALE
    marks[TOLD] = NONE
    if k - marks[RISEN] > lengths[HOLD]:
        return -1
    level = _median(energy, k)
    ended = not level >= constants[RISE] * sums[WAS]
    for j in range(max(k - lengths[HOLD], marks[SINCE]), k):
        ended = ended or level < constants[FALLEN] * _median(energy, j)
    if not ended:
        marks[TOLD] = k
        if not before:
            return ON
        return GOING if k % 2 == 0 else -1
    if not before:
        return -1
    return NO if k - marks[SINCE] < lengths[SHORTEST] else OFF


@njit(cache=True, nogil=True, error_model="numpy")
def _close(c: int, rate: float, limits: Limits, t: Tremors) -> None:
    """Put the block of a channel that has been filled into its ring."""
    marks, sums = t.marks[c], t.sums[c]
    ring = t.energy.shape[2]
    k = marks[BLOCK]
    if marks[NEWEST] != NONE:
        for j in range(max(marks[NEWEST] + 1, k - ring + 1), k):
            t.energy[c, :, j % ring] = np.nan
    enough = marks[MANY] >= COMPLETE * rate * limits.block_ns * 1e-9
    enough = enough and sums[TOTAL] < LARGEST and sums[LOW_TOTAL] < LARGEST
    t.energy[c, 0, k % ring] = sums[TOTAL] / marks[MANY] if enough else np.nan
    t.energy[c, 1, k % ring] = sums[LOW_TOTAL] / marks[LOW_MANY] if enough else np.nan
    marks[NEWEST] = k
    marks[BLOCK] = NONE


@njit(cache=True, nogil=True, error_model="numpy")
def _power(
    samples: _Samples,
    first: int,
    count: int,
    phase: int,
    f: Filters,
    kind: int,
    tail: npt.NDArray[np.float32],
    base: float,
    x: _Doubles,
    y: _Doubles,
) -> tuple[float, float, int, float]:
    """Filter samples that follow those in the tail, which is moved on.

    Returns the sums of the squares of the two bands, of how many samples the second is (the
    lower band needs fewer), and the base of the new tail. Eight taps of the first are a pass
    over neighbouring outputs, which becomes vector instructions: 2 ns a sample at 100 Hz. Of the
    sums four parts are kept, one in turn.
    """
    run_up = tail.size
    high, low, every = f.high[kind], f.low[kind], f.every[kind]
    n_high, n_low = uint64(f.n_high[kind]), uint64(f.n_low[kind])
    one, two, three, four = uint64(1), uint64(2), uint64(3), uint64(4)
    five, six, seven, eight = uint64(5), uint64(6), uint64(7), uint64(8)
    s0 = s1 = s2 = s3 = 0.0
    low_sum = 0.0
    low_many = 0
    at = 0
    for i in range(run_up):
        x[i] = base + tail[i]
    while at < count:
        n = min(CHUNK, count - at)
        source = uint64(first + at)
        place = uint64(run_up)
        for i in range(uint64(n)):
            x[place + i] = samples[source + i]
        wide = uint64(n + (-n) % 4)
        y[:wide] = 0.0
        before = place + one - n_high
        for j in range(uint64(0), n_high, eight):
            h0, h1, h2, h3 = high[j], high[j + one], high[j + two], high[j + three]
            h4, h5 = high[j + four], high[j + five]
            h6, h7 = high[j + six], high[j + seven]
            for i in range(uint64(n)):
                k = before + j + i
                y[i] += ((h0 * x[k] + h1 * x[k + one]) + (h2 * x[k + two] + h3 * x[k + three])) + (
                    (h4 * x[k + four] + h5 * x[k + five]) + (h6 * x[k + six] + h7 * x[k + seven])
                )
        for i in range(uint64(0), wide, four):
            s0 += y[i] * y[i]
            s1 += y[i + one] * y[i + one]
            s2 += y[i + two] * y[i + two]
            s3 += y[i + three] * y[i + three]
        for m in range((-(phase + at)) % every, n, every):
            k = place + one - n_low + uint64(m)
            a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
            for j in range(uint64(0), n_low, eight):
                a0 += low[j] * x[k + j]
                a1 += low[j + one] * x[k + j + one]
                a2 += low[j + two] * x[k + j + two]
                a3 += low[j + three] * x[k + j + three]
                a4 += low[j + four] * x[k + j + four]
                a5 += low[j + five] * x[k + j + five]
                a6 += low[j + six] * x[k + j + six]
                a7 += low[j + seven] * x[k + j + seven]
            z = ((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7))
            low_sum += z * z
            low_many += 1
        at += n
        if at == count:
            base = x[n + run_up - 1]
            for i in range(run_up):
                tail[i] = x[n + i] - base
        else:
            for i in range(run_up):
                x[i] = x[n + i]
    return (s0 + s1) + (s2 + s3), low_sum, low_many, base


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    channel: _Ints,
    first: _Ints,
    count: _Ints,
    start_ns: _Ints,
    rate: _Doubles,
    restart: npt.NDArray[np.bool_],
    samples: _Samples,
    row: _Ints,
    f: Filters,
    limits: Limits,
    t: Tremors,
    out: _Ints,
    levels: _Doubles,
) -> int:
    """Take in records, and judge each block that they complete.

    Parameters
    ----------
    channel, first, count, start_ns, rate, restart, samples
        As given to `ChannelBank.advance`, in the order in which they came.
    row : int64[channels]
        Row of each channel in the state; -1 where it is not judged.
    f, limits, t
        The filters, by what is judged, and the state.
    out : int64[q, 4]
        Out: record, block, what is said, and first block of the rise.
    levels : float64[q, 2]
        Out: noise and energy, counts^2.

    Returns
    -------
    int
        How much is said; never more than q.
    """
    x = np.empty(CHUNK + t.tail.shape[1] + 4)
    y = np.empty(CHUNK + 4)
    total = 0
    block_ns = limits.block_ns
    for i in range(channel.size):
        c = row[channel[i]]
        if c < 0:
            continue
        marks, sums = t.marks[c], t.sums[c]
        kind = marks[KIND]
        tail = t.tail[c, : max(f.n_high[kind], f.n_low[kind]) - 1]
        if restart[i]:
            marks[FILLED] = 0
            sums[BASE] = samples[first[i]]
        at = 0
        if marks[FILLED] < tail.size:
            at = min(count[i], tail.size - marks[FILLED])
            for j in range(tail.size - at):
                tail[j] = tail[j + at]
            for j in range(at):
                tail[tail.size - at + j] = samples[first[i] + j] - sums[BASE]
            marks[FILLED] += at
        while at < count[i]:
            now_ns = start_ns[i] + np.int64(round(at * 1e9 / rate[i]))
            k = now_ns // block_ns
            until = math.ceil(((k + 1) * block_ns - start_ns[i]) * rate[i] * 1e-9 - 1e-6)
            n = min(max(until - at, 1), count[i] - at)
            if marks[BLOCK] != NONE and marks[BLOCK] != k:
                if marks[BLOCK] > marks[NEWEST]:
                    _close(c, rate[i], limits, t)
                marks[BLOCK] = NONE
            if marks[BLOCK] == NONE:
                marks[BLOCK] = k
                marks[MANY] = marks[LOW_MANY] = 0
                sums[TOTAL] = sums[LOW_TOTAL] = 0.0
            square, low_square, low_many, sums[BASE] = _power(
                samples, first[i] + at, n, marks[MANY], f, kind, tail, sums[BASE], x, y
            )
            sums[TOTAL] += square
            sums[LOW_TOTAL] += low_square
            marks[MANY] += n
            marks[LOW_MANY] += low_many
            at += n
            if at < until:
                continue
            if k <= marks[NEWEST]:
                marks[BLOCK] = NONE
                continue
            _close(c, rate[i], limits, t)
            said = judge(c, k, limits, t)
            if said >= 0 and total < out.shape[0]:
                out[total, 0] = i
                out[total, 1] = k
                out[total, 2] = said
                out[total, 3] = marks[SINCE]
                levels[total, 0] = sums[WAS]
                levels[total, 1] = _median(t.energy[c, 0], k)
                total += 1
    return total
