"""From a sensor's output to acceleration, velocity and displacement of the ground.

The axes that are followed stand in arrays, one row each: see `Axes`. A row is advanced sample by
sample, so nothing hangs on how its samples are cut.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["NONE", "STATES", "Axes", "begin", "go_on", "sum_up"]

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]
_Samples = npt.NDArray[np.int32] | npt.NDArray[np.float64]

NONE = -1  # the number of no axis
STATES = 9  # two of each of four sections, and the last velocity


class Axes(NamedTuple):
    """Axes that are followed since a pick.

    Attributes
    ----------
    gain, offset, rate : float64[n]
        Counts per m/s2 or m/s, counts of no motion, samples a second.
    accelerometer, works : bool[n]
        Which of the two it is, and whether its data are without a gap since the pick.
    sections : float64[n, 4, 5]
        See `detect.filters.motion`.
    state : float64[n, STATES]
        Of the filters.
    stretch, next_sample : int64[n]
        Start of the channel that the samples are of, and the number of the next one.
    since : int64[n]
        Samples since the pick.
    after : int64[n]
        The next axis of the same channel, or NONE.
    pga, pgv : float64[n]
        Peak acceleration and velocity since the pick, m/s2 and m/s.
    noise : float64[n, 3]
        Peak displacement, velocity and acceleration before it, m, m/s and m/s2.
    displacement : float64[n, w]
        The first w samples of displacement since the pick, m.
    """

    gain: _Doubles
    offset: _Doubles
    rate: _Doubles
    accelerometer: _Flags
    works: _Flags
    sections: _Doubles
    state: _Doubles
    stretch: _Ints
    next_sample: _Ints
    since: _Ints
    after: _Ints
    pga: _Doubles
    pgv: _Doubles
    noise: _Doubles
    displacement: _Doubles


@njit(cache=True, nogil=True, error_model="numpy")
def _run(samples: _Samples, first: int, count: int, quiet: int, at: int, axes: Axes) -> None:
    """Advance an axis; of the first -since samples, from number `quiet` on, is its noise."""
    z = axes.state[at]
    s = axes.sections[at]
    offset, gain, rate = axes.offset[at], axes.gain[at], axes.rate[at]
    accelerometer = axes.accelerometer[at]
    displacement = axes.displacement[at]
    pga, pgv, noise = axes.pga[at], axes.pgv[at], axes.noise[at]
    noise_d, noise_v, noise_a = noise[0], noise[1], noise[2]
    since = axes.since[at]
    z0, z1, z2, z3, z4, z5, z6, z7, last = z[0], z[1], z[2], z[3], z[4], z[5], z[6], z[7], z[8]
    for i in range(first, first + count):
        x = (samples[i] - offset) / gain
        v = s[1, 0] * x + z2
        z2 = (s[1, 1] * x + z3) - s[1, 3] * v
        z3 = s[1, 2] * x - s[1, 4] * v
        if accelerometer:
            a = s[0, 0] * x + z0
            z0 = (s[0, 1] * x + z1) - s[0, 3] * a
            z1 = s[0, 2] * x - s[0, 4] * a
        else:
            a = (v - last) * rate
        last = v
        y = s[2, 0] * v + z4
        z4 = (s[2, 1] * v + z5) - s[2, 3] * y
        z5 = s[2, 2] * v - s[2, 4] * y
        d = s[3, 0] * y + z6
        z6 = (s[3, 1] * y + z7) - s[3, 3] * d
        z7 = s[3, 2] * y - s[3, 4] * d
        if since >= 0:
            pga = max(pga, abs(a))
            pgv = max(pgv, abs(v))
            if since < displacement.size:
                displacement[since] = d
        elif i - first >= quiet and since < -2:
            noise_d = max(noise_d, abs(d))
            noise_v = max(noise_v, abs(v))
            noise_a = max(noise_a, abs(a))
        since += 1
    z[0], z[1], z[2], z[3], z[4], z[5], z[6], z[7], z[8] = z0, z1, z2, z3, z4, z5, z6, z7, last
    noise[0], noise[1], noise[2] = noise_d, noise_v, noise_a
    axes.pga[at], axes.pgv[at] = pga, pgv
    axes.since[at] = since
    axes.next_sample[at] += count


@njit(cache=True, nogil=True, error_model="numpy")
def begin(raw: _Doubles, before: int, quiet: int, at: int, axes: Axes) -> None:
    """Begin an axis with the samples round a pick.

    Parameters
    ----------
    raw : float64[n]
        Samples from before the pick to the newest one.
    before : int
        How many of them are before the pick; their mean is no motion.
    quiet : int
        Number of the sample from which on motion before the pick is noise; the last two
        before it may be signal already.
    at : int
        The row of `axes`, which holds gain, rate, accelerometer, sections, and the number of
        raw[0] as `next_sample`; all else is set here.
    axes
        All axes.
    """
    total = 0.0
    for i in range(before):
        total += raw[i]
    axes.offset[at] = total / before
    axes.state[at] = 0.0
    axes.pga[at] = 0.0
    axes.pgv[at] = 0.0
    axes.noise[at] = 0.0
    axes.since[at] = -before
    axes.works[at] = True
    _run(raw, 0, raw.size, quiet, at, axes)


@njit(cache=True, nogil=True, error_model="numpy")
def go_on(
    channel: _Ints,
    first: _Ints,
    count: _Ints,
    seen: _Ints,
    stretch: _Ints,
    samples: _Samples,
    newest: _Ints,
    axes: Axes,
) -> None:
    """Take in records at all axes that are followed; one that has a gap says nothing more.

    Parameters
    ----------
    channel, first, count : int64[n]
        Channel number, place in `samples`, length. Those of a channel stand in order.
    seen, stretch : int64[n]
        Samples before each record since the channel's start, and how often it has started.
    samples
        As they stand in the bank.
    newest : int64[channels]
        The first axis of each channel, or NONE.
    axes
        All axes.
    """
    for i in range(channel.size):
        at = newest[channel[i]]
        while at != NONE:
            if axes.works[at]:
                skip = axes.next_sample[at] - seen[i]
                if stretch[i] != axes.stretch[at] or skip < 0:
                    axes.works[at] = False
                elif skip < count[i]:
                    _run(samples, first[i] + skip, count[i] - skip, 0, at, axes)
            at = axes.after[at]


@njit(cache=True, nogil=True, error_model="numpy")
def sum_up(
    pick: _Ints,
    rows: _Ints,
    primary: _Flags,
    lengths: _Ints,
    peaks: _Doubles,
    complete: _Ints,
    unbroken: _Flags,
    windows: _Doubles,
    axes: Axes,
) -> None:
    """Put the axes of picks together.

    Parameters
    ----------
    pick : int64[n]
        The picks to be summed up.
    rows : int64[picks, a]
        The axes of each pick; NONE where it has fewer.
    primary : bool[rows of axes]
        Whether displacement is taken from an axis.
    lengths : int64[picks, w]
        Samples of each window.
    peaks : float64[picks, 2]
        Out: peak acceleration and velocity, the largest of all axes.
    complete : int64[picks]
        How many windows are complete; set anew.
    unbroken : bool[picks]
        Out: whether any axis still comes without a gap, or there is none.
    windows : float64[picks, w]
        Out: peak displacement of the complete windows, of the primary axes' norm.
    axes
        All axes.
    """
    for p in pick:
        pga = 0.0
        pgv = 0.0
        n_primary = 0
        shortest = axes.displacement.shape[1]
        unbroken[p] = rows.shape[1] == 0 or rows[p, 0] == NONE
        for k in range(rows.shape[1]):
            at = rows[p, k]
            if at == NONE:
                break
            unbroken[p] |= axes.works[at]
            pga = max(pga, axes.pga[at])
            pgv = max(pgv, axes.pgv[at])
            if primary[at] and axes.works[at]:
                n_primary += 1
                shortest = min(shortest, axes.since[at])
        peaks[p, 0] = pga
        peaks[p, 1] = pgv
        while n_primary > 0 and complete[p] < lengths.shape[1]:
            w = complete[p]
            if lengths[p, w] > shortest:
                break
            largest = 0.0
            for i in range(lengths[p, w]):
                square = 0.0
                for k in range(rows.shape[1]):
                    at = rows[p, k]
                    if at == NONE:
                        break
                    if primary[at] and axes.works[at]:
                        square += axes.displacement[at, i] ** 2
                largest = max(largest, square)
            windows[p, w] = np.sqrt(largest)
            complete[p] = w + 1
