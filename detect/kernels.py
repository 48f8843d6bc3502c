"""The loop over all samples: from counts to triggers.

Channels of one sampling rate stand side by side in lanes, `LANES` to a group, so that one
vector instruction advances many channels. State is carried from call to call and nothing
depends on how samples are cut: no fast-math, so a lane gives the same bits in the vector loop
as in the scalar one (which runs while a channel settles, is triggered, or stands alone).

All arithmetic is in the type of the state: float32 for speed, float64 for reference; constants
come in an array of that type, since a literal would make it float64.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

__all__ = ["LANES", "Floats", "Samples", "advance"]

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Samples = npt.NDArray[np.int32] | npt.NDArray[np.float64]

LANES = 64
LONG_BLOCK = 100  # samples of a lane taken at a time while there are as many
LONG_BLOCK_DOUBLE = 40  # the same for float64: a block of all lanes stays in the first cache
BLOCK = 20  # a lane that triggers or ends within one is finished by the scalar loop
UNROLL = 5

ROWS = 7  # of the state: two sections, short, long and middle average
SHORT = 4  # row of the first average
MARKS = 4
SEEN, TRIGGER, WAITING, STRETCH = range(MARKS)
CONSTANTS = 12
A_SHORT, B_SHORT, A_LONG, B_LONG, A_MIDDLE, B_MIDDLE, ON, OFF, AGAIN, NEARLY, QUIET, SILENT = range(
    CONSTANTS
)
LENGTHS = 7
SETTLE, CONFIRM, SHORTEST, LONGEST, APART, N_LONG, RESUME = range(LENGTHS)
GOES_ON, RESTARTS, RESUMES = range(3)

FEW = 6  # lanes: below, the scalar loop is quicker than a vector loop that is mostly empty


@njit(cache=True, nogil=True, error_model="numpy")
def _idle(x: Floats, steps: int, s: Floats, found: Floats, sos: Floats, k: Floats) -> None:
    """Advance by one block all lanes of a group that are settled and not triggered.

    x : [steps, LANES] samples less the one before; s : [ROWS, LANES] state; found : [2, LANES] peak
    power, and the largest excess of the short over `nearly` times the long average; all flat.
    Steps that load the state once are few, so that it stays in registers. After them the averages
    are compared once: `nearly` is so far below `on` that no trigger between can be missed, and
    what was only near is decided by the scalar loop.
    """
    b0, b1, b2, a1, a2 = sos[0], sos[1], sos[2], sos[3], sos[4]
    d0, d1, d2, e1, e2 = sos[5], sos[6], sos[7], sos[8], sos[9]
    a_short, b_short, a_long, b_long = k[A_SHORT], k[B_SHORT], k[A_LONG], k[B_LONG]
    nearly, silent = k[NEARLY], k[SILENT]
    w = uint64(LANES)
    for part in range(steps // UNROLL):
        at = uint64(part) * uint64(UNROLL * LANES)
        for lane in range(LANES):
            c = uint64(lane)
            s10, s11 = s[c], s[w + c]
            s20, s21 = s[uint64(2) * w + c], s[uint64(3) * w + c]
            short, long = s[uint64(4) * w + c], s[uint64(5) * w + c]
            peak, excess = found[c], found[w + c]
            for u in range(UNROLL):
                v = x[at + uint64(u * LANES) + c]
                y = b0 * v + s10
                s10 = (b1 * v + s11) - a1 * y
                s11 = b2 * v - a2 * y
                z = d0 * y + s20
                s20 = (d1 * y + s21) - e1 * z
                s21 = d2 * y - e2 * z
                q = z * z + silent
                short = a_short * q + b_short * short
                long = a_long * q + b_long * long
                peak = max(peak, q)
            excess = max(excess, short - nearly * long)
            s[c], s[w + c] = s10, s11
            s[uint64(2) * w + c], s[uint64(3) * w + c] = s20, s21
            s[uint64(4) * w + c], s[uint64(5) * w + c] = short, long
            found[c], found[w + c] = peak, excess


@njit(cache=True, nogil=True, error_model="numpy")
def _take(
    samples: Samples,
    first: _Ints,
    active: _Ints,
    shift: int,
    steps: int,
    last: Samples,
    x: Floats,
) -> None:
    """Put the next samples of every active lane into rows, less the one before: x[t, lane].

    The difference is exact in the samples' own type, so an offset costs float32 nothing, and
    what is kept of the past does not hang on where a channel began.
    """
    w = uint64(LANES)
    for lane in range(LANES):
        if not active[lane]:
            continue
        i = uint64(first[lane] + shift)
        o = uint64(lane)
        before = last[lane]
        for _ in range(steps // 4):
            v0 = samples[i]
            v1 = samples[i + uint64(1)]
            v2 = samples[i + uint64(2)]
            v3 = samples[i + uint64(3)]
            x[o] = x.dtype.type(v0 - before)
            x[o + w] = x.dtype.type(v1 - v0)
            x[o + uint64(2) * w] = x.dtype.type(v2 - v1)
            x[o + uint64(3) * w] = x.dtype.type(v3 - v2)
            before = v3
            i += uint64(4)
            o += uint64(4) * w
        last[lane] = before


@njit(cache=True, nogil=True, error_model="numpy")
def _alone(
    samples: Samples,
    first: int,
    count: int,
    lane: int,
    before: float,
    triggers: bool,
    s: Floats,
    found: Floats,
    sos: Floats,
    k: Floats,
    marks: _Ints,
    lengths: _Ints,
    out: _Ints,
) -> int:
    """Advance one lane by some samples, with all that happens around a trigger.

    The arithmetic of a sample is that of `_idle`, operation by operation. Returns how many
    triggers were confirmed; never more than `out` has rows.
    """
    w = LANES
    n_found = 0
    s10, s11, s20, s21 = s[lane], s[w + lane], s[2 * w + lane], s[3 * w + lane]
    short, long, middle = s[4 * w + lane], s[5 * w + lane], s[6 * w + lane]
    peak = found[lane]
    settle, half = lengths[SETTLE], lengths[SETTLE] // 2
    zero = k[SILENT] - k[SILENT]
    one = k[A_LONG] + k[B_LONG]
    for i in range(first, first + count):
        if i & 31 == 0 and abs(s10) + abs(s11) + abs(s20) + abs(s21) < k[QUIET]:
            s10 = s11 = s20 = s21 = zero
        v = s.dtype.type(samples[i] - before)
        before = samples[i]
        y = sos[0] * v + s10
        s10 = (sos[1] * v + s11) - sos[3] * y
        s11 = sos[2] * v - sos[4] * y
        z = sos[5] * y + s20
        s20 = (sos[6] * y + s21) - sos[8] * z
        s21 = sos[7] * y - sos[9] * z
        q = z * z + k[SILENT]
        seen = marks[SEEN]
        marks[SEEN] = seen + 1
        if seen < half:
            continue
        if seen < half + lengths[N_LONG]:
            # While there is less than a long average's worth of data, all there is counts alike.
            share = s.dtype.type(one / (seen - half + 1))
            if share > k[A_SHORT]:
                short = share * q + (one - share) * short
            else:
                short = k[A_SHORT] * q + k[B_SHORT] * short
            if marks[TRIGGER] < 0:
                long = share * q + (one - share) * long
        else:
            short = k[A_SHORT] * q + k[B_SHORT] * short
            if marks[TRIGGER] < 0:
                long = k[A_LONG] * q + k[B_LONG] * long
        if seen >= settle:
            peak = max(peak, q)
        if marks[TRIGGER] < 0:
            if triggers and seen >= settle and short - k[ON] * long > zero:
                marks[TRIGGER] = seen
                marks[WAITING] = 1
                middle = short
            continue
        middle = k[A_MIDDLE] * q + k[B_MIDDLE] * middle
        since = seen - marks[TRIGGER]
        if marks[WAITING] == 1:
            if since < lengths[SHORTEST] and short < k[OFF] * long:
                marks[TRIGGER] = -1
                marks[WAITING] = 0
            elif since >= lengths[CONFIRM]:
                marks[WAITING] = 0
                if n_found < out.shape[0]:
                    out[n_found, 0] = marks[TRIGGER]
                    out[n_found, 1] = seen
                    n_found += 1
        elif short < k[OFF] * long:
            marks[TRIGGER] = -1
        elif since > lengths[LONGEST]:
            marks[TRIGGER] = -1
            long = middle
        elif since > lengths[APART] and short > k[AGAIN] * middle:
            marks[TRIGGER] = seen
            marks[WAITING] = 1
    s[lane], s[w + lane], s[2 * w + lane], s[3 * w + lane] = s10, s11, s20, s21
    s[4 * w + lane], s[5 * w + lane], s[6 * w + lane] = short, long, middle
    found[lane] = peak
    return n_found


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    lane: _Ints,
    first: _Ints,
    count: _Ints,
    restart: _Ints,
    samples: Samples,
    last: Samples,
    triggers: npt.NDArray[np.bool_],
    state: Floats,
    marks: _Ints,
    sos: Floats,
    constants: Floats,
    lengths: _Ints,
    begun: _Ints,
    peaks: _Doubles,
    out: _Ints,
) -> int:
    """Run one stretch of samples for each of some channels of one sampling rate.

    Parameters
    ----------
    lane, first, count, restart : arrays of n
        The stretches, `lane` rising: number of the channel in its rate, place in `samples`,
        length, and whether the channel goes on, starts again from rest, or resumes after a gap:
        then the averages stay, and as much of settling as there was.
    samples : int32[m] or float64[m]
        Counts.
    last : int32[lanes] or float64[lanes]
        The last sample, of the type of the samples: the filter is fed with differences.
    triggers : bool[lanes]
        Whether a channel may trigger.
    state : [groups, ROWS * LANES]
        Filters and averages, float32 or float64; `sos`, `constants` are of the same type.
    marks : int64[lanes, MARKS]
        Samples since the start, sample of the trigger (-1: none), 1 while it waits to be
        confirmed, and how often the channel has started.
    sos : [10]
        The band-pass of differences (`detect.filters.differenced`), in the type of the state.
    constants : [CONSTANTS]
        Of that type: steps of the averages (a, 1 - a), ratios, the filter's state below which it
        is taken for 0 (so that no denormal remains, which is far below the last bit of what a
        single count does), and the power that every sample has at least.
    lengths : int64[LENGTHS]
        In samples: to settle, to confirm, of the shortest and longest trigger, between onsets,
        of the long average, and to resume.
    begun : int64[n, 2]
        Out: samples before each stretch since the channel's start, and how often it has started.
    peaks : float64[n]
        Out: largest band-passed amplitude of each stretch; 0 while settling.
    out : int64[q, 3]
        Out: sample of each trigger, sample at which it was confirmed, and stretch.

    Returns
    -------
    int
        Triggers confirmed, by rising lane; never more than q.
    """
    n = lane.size
    x = np.empty(LONG_BLOCK * LANES, state.dtype)
    x[:] = constants[SILENT]
    kept = np.empty(ROWS * LANES, state.dtype)
    found = np.empty(2 * LANES, state.dtype)
    at = np.empty(LANES, np.int64)
    left = np.empty(LANES, np.int64)
    behind = np.empty(LANES, samples.dtype)
    total = 0
    i = 0
    while i < n:
        group = lane[i] // LANES
        j = i
        ready = 0
        at[:] = 0
        left[:] = 0
        s = state[group]
        found[:LANES] = constants[SILENT]
        while j < n and lane[j] // LANES == group:
            c = lane[j] % LANES
            m = marks[lane[j]]
            if restart[j] != GOES_ON:
                for row in range(ROWS if restart[j] == RESTARTS else SHORT):
                    s[row * LANES + c] = constants[SILENT] - constants[SILENT]
                last[lane[j]] = samples[first[j]]
                kept_up = min(m[SEEN], lengths[SETTLE] - lengths[RESUME])
                m[SEEN] = 0 if restart[j] == RESTARTS else max(kept_up, 0)
                m[TRIGGER] = -1
                m[WAITING] = 0
                m[STRETCH] += 1
            begun[j, 0] = m[SEEN]
            begun[j, 1] = m[STRETCH]
            at[c] = first[j]
            behind[c] = last[lane[j]]
            if m[TRIGGER] < 0 and m[SEEN] >= lengths[SETTLE] // 2 + lengths[N_LONG]:
                left[c] = count[j]
                ready += 1
            j += 1
        if ready < FEW:
            left[:] = 0
        else:
            _run_idle(
                samples, last[group * LANES : (group + 1) * LANES], triggers, group, at, left, s,
                kept, found, x, sos, constants, marks,
            )  # fmt: skip
        for k in range(i, j):
            c = lane[k] % LANES
            done = at[c] - first[k]
            peaks[k] = math.sqrt(np.float64(found[c]))
            last[lane[k]] = samples[first[k] + count[k] - 1]
            if done == count[k]:
                continue
            before = samples[at[c] - 1] if done else behind[c]
            some = _alone(
                samples, at[c], count[k] - done, c, before, triggers[lane[k]], s,
                found, sos, constants, marks[lane[k]], lengths, out[total:],
            )  # fmt: skip
            out[total : total + some, 2] = k
            total += some
            peaks[k] = math.sqrt(np.float64(found[c]))
        i = j
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _run_idle(
    samples: Samples,
    last: Samples,
    triggers: npt.NDArray[np.bool_],
    group: int,
    at: _Ints,
    left: _Ints,
    s: Floats,
    kept: Floats,
    found: Floats,
    x: Floats,
    sos: Floats,
    constants: Floats,
    marks: _Ints,
) -> None:
    """Advance the lanes of a group block by block, as long as each is idle and has a block left.

    A lane that leaves, or has nothing, takes part all the same, and gets its state back.
    """
    resting = s.copy()
    resting_peak = found[:LANES].copy()
    active = np.zeros(LANES, np.int64)
    n_active = 0
    for c in range(LANES):
        if left[c] >= BLOCK:
            active[c] = 1
            n_active += 1
    before = np.empty(LANES, s.dtype)
    quiet, zero = constants[QUIET], constants[QUIET] - constants[QUIET]
    longest = LONG_BLOCK if x.itemsize == 4 else LONG_BLOCK_DOUBLE
    while n_active > 0:
        together = np.int64(2**62)
        for c in range(LANES):
            if active[c] and left[c] < together:
                together = left[c]
        shift = 0
        fired = 0
        steps = 0
        while together - shift >= BLOCK and not fired:
            steps = longest if together - shift >= longest else BLOCK
            _take(samples, at, active, shift, steps, last, x)
            for i in range(4 * LANES):
                if abs(s[i]) < quiet:
                    s[i] = zero
            kept[:] = s
            before[:] = found[:LANES]
            found[LANES:] = -constants[ON]
            _idle(x, steps, s, found, sos, constants)
            shift += steps
            for c in range(LANES):
                fired += active[c] & (found[LANES + c] > 0)
        for c in range(LANES):
            if not active[c]:
                continue
            at[c] += shift
            left[c] -= shift
            marks[group * LANES + c, SEEN] += shift
            leaves_early = fired and found[LANES + c] > 0 and triggers[group * LANES + c]
            if leaves_early:
                at[c] -= steps
                marks[group * LANES + c, SEEN] -= steps
            if leaves_early or left[c] < BLOCK:
                active[c] = 0
                n_active -= 1
                for row in range(ROWS):
                    i = row * LANES + c
                    resting[i] = kept[i] if leaves_early else s[i]
                resting_peak[c] = before[c] if leaves_early else found[c]
    s[:] = resting
    found[:LANES] = resting_peak
