"""The loops over samples: from counts to triggers, onsets and motion.

State is one row of arrays for each channel, and is carried from call to call: cutting the
samples differently gives the same bits. No fast-math: the float64 results are the reference.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["advance", "onset"]

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]

TINY = 1e-30  # power below this is silence: its ratio says nothing


@njit(cache=True, nogil=True)
def onset(x: _Floats) -> tuple[int, float]:
    """Find the onset that splits a window best, by the Akaike information criterion.

    Parameters
    ----------
    x : float64[n]
        A window that holds noise, then signal; n >= 8.

    Returns
    -------
    index : int
        First sample of the signal.
    sigma : float
        Standard deviation of the index, in samples, from the Akaike weights.

    Notes
    -----
    Maeda (1985), doi:10.4294/zisin1948.38.3_365:
    ``AIC(k) = k log var(x[:k]) + (n - k - 1) log var(x[k:])``.
    """
    n = x.size
    total = 0.0
    square = 0.0
    for i in range(n):
        total += x[i]
        square += x[i] * x[i]
    aic = np.empty(n)
    aic[:] = np.inf
    before = 0.0
    before_square = 0.0
    best = n - 1
    least = np.inf
    for k in range(1, n - 1):
        before += x[k - 1]
        before_square += x[k - 1] * x[k - 1]
        if k < 3 or k > n - 3:
            continue
        after = total - before
        left = before_square / k - (before / k) ** 2
        right = (square - before_square) / (n - k) - (after / (n - k)) ** 2
        aic[k] = k * math.log(max(left, TINY)) + (n - k - 1) * math.log(max(right, TINY))
        if aic[k] < least:
            least = aic[k]
            best = k
    weight = 0.0
    spread = 0.0
    for k in range(n):
        if aic[k] < least + 40.0:
            w = math.exp(-0.5 * (aic[k] - least))
            weight += w
            spread += w * (k - best) ** 2
    return best, math.sqrt(spread / max(weight, TINY))


@njit(cache=True, nogil=True)
def _section(x: float, s: _Floats, z: _Floats, at: int) -> float:
    """One second-order section in transposed direct form II; its two states stand at `at`."""
    y: float = s[0] * x + z[at]
    z[at] = (s[1] * x + z[at + 1]) - s[3] * y
    z[at + 1] = s[2] * x - s[4] * y
    return y


@njit(cache=True, nogil=True)
def advance(
    channel: _Ints,
    first: _Ints,
    count: _Ints,
    start_ns: _Ints,
    rate: _Floats,
    restart: _Flags,
    samples: _Floats,
    per_unit: _Floats,
    accelerometer: _Flags,
    picks: _Flags,
    band: _Floats,
    motion: _Floats,
    averages: _Floats,
    lengths: _Ints,
    thresholds: _Floats,
    filtered: _Floats,
    levels: _Floats,
    marks: _Ints,
    anchor_ns: _Ints,
    ring_first: _Ints,
    ring_size: _Ints,
    band_ring: _Floats,
    displacement_ring: _Floats,
    peaks: _Floats,
    found: _Ints,
    found_values: _Floats,
) -> int:
    """Run records, in order, through filters, averages, triggers and motion.

    Parameters
    ----------
    channel, first, count, start_ns, rate, restart : arrays of n
        The records: channel number, place in `samples`, number of samples, time of the first
        one, samples a second, and whether the channel starts again from rest.
    samples : float64[m]
        Counts.
    per_unit, accelerometer, picks : arrays of channels
        1/gain; True for m/s2, False for m/s; whether the channel may trigger.
    band, motion : float64[channels, 2, 5], float64[channels, 4, 5]
        Sections (see `detect.filters`).
    averages : float64[channels, 3]
        Steps of the short, long and middle average: 1/samples.
    lengths : int64[channels, 6]
        Samples to settle, to confirm, of the shortest and the longest trigger, between two
        onsets, and of the window in which the onset is looked for.
    thresholds : float64[3]
        Ratio that triggers, that ends, and that starts a new onset while triggered.
    filtered, levels, marks : float64[channels, 12], float64[channels, 6], int64[channels, 4]
        State. `filtered`: band 0-3, motion 4-11. `levels`: offset, short, long, middle average,
        last velocity, peak of the short average. `marks`: samples since the restart, sample of
        the trigger (-1: none), 1 while it waits to be confirmed, sample of the last onset.
    anchor_ns : int64[channels]
        Time of sample 0 of the present stretch, by the newest record.
    ring_first, ring_size, band_ring, displacement_ring
        Where a channel's rings begin and how long they are; last filtered samples and
        displacement (m), sample k at place ``k % size``.
    peaks : float64[n, 2]
        Out: largest acceleration (m/s2) and velocity (m/s) of each record; 0 while settling.
    found : int64[k, 4], found_values : float64[k, 4]
        Out: record, sample and time (ns) of each onset, polarity; its standard deviation (s),
        signal-to-noise ratio, confidence of the polarity, and peak displacement (m) before it.

    Returns
    -------
    int
        Onsets found; never more than k.
    """
    n_found = 0
    on, off, again = thresholds[0], thresholds[1], thresholds[2]
    for i in range(channel.size):
        c = channel[i]
        z = filtered[c]
        if restart[i]:
            z[:] = 0.0
            levels[c, :] = 0.0
            marks[c, 0] = 0
            marks[c, 1] = -1
            marks[c, 2] = 0
            marks[c, 3] = -1
            levels[c, 0] = samples[first[i]]
        step = 1e9 / rate[i]
        anchor_ns[c] = start_ns[i] - np.int64(np.rint(marks[c, 0] * step))
        size = ring_size[c]
        settle, confirm, shortest = lengths[c, 0], lengths[c, 1], lengths[c, 2]
        longest, apart, window = lengths[c, 3], lengths[c, 4], lengths[c, 5]
        peak_a = 0.0
        peak_v = 0.0
        for k in range(first[i], first[i] + count[i]):
            seen = marks[c, 0]
            counts = samples[k] - levels[c, 0]

            x = counts * per_unit[c]
            v = _section(x, motion[c, 1], z, 6)
            if accelerometer[c]:
                a = _section(x, motion[c, 0], z, 4)
            else:
                a = (v - levels[c, 4]) * rate[i]
            levels[c, 4] = v
            d = _section(_section(v, motion[c, 2], z, 8), motion[c, 3], z, 10)
            displacement_ring[ring_first[c] + seen % size] = d
            if seen >= settle:
                peak_a = max(peak_a, abs(a))
                peak_v = max(peak_v, abs(v))

            y = _section(_section(counts, band[c, 0], z, 0), band[c, 1], z, 2)
            band_ring[ring_first[c] + seen % size] = y
            q = y * y
            marks[c, 0] = seen + 1
            if seen < settle // 2:
                continue
            warm = 1.0 / (seen - settle // 2 + 1)
            levels[c, 1] += max(averages[c, 0], warm) * (q - levels[c, 1])
            levels[c, 3] += max(averages[c, 2], warm) * (q - levels[c, 3])
            short = levels[c, 1]
            if marks[c, 1] < 0:
                levels[c, 2] += max(averages[c, 1], warm) * (q - levels[c, 2])
                if seen >= settle and picks[c] and short > on * levels[c, 2] and short > TINY:
                    marks[c, 1] = seen
                    marks[c, 2] = 1
                continue

            since = seen - marks[c, 1]
            if marks[c, 2] == 1:
                if since < shortest and short < off * levels[c, 2]:
                    marks[c, 1] = -1
                    marks[c, 2] = 0
                elif since >= confirm:
                    marks[c, 2] = 0
                    if n_found < found.shape[0]:
                        n_found += _confirm(
                            c, i, seen, window, settle, apart, step, anchor_ns, marks,
                            ring_first[c], size, band_ring, displacement_ring,
                            found[n_found], found_values[n_found],
                        )  # fmt: skip
            elif short < off * levels[c, 2]:
                marks[c, 1] = -1
            elif since > longest:
                marks[c, 1] = -1
                levels[c, 2] = levels[c, 3]
            elif since > apart and short > again * levels[c, 3]:
                marks[c, 1] = seen
                marks[c, 2] = 1
        peaks[i, 0] = peak_a
        peaks[i, 1] = peak_v
    return n_found


@njit(cache=True, nogil=True)
def _confirm(
    c: int,
    record: int,
    seen: int,
    window: int,
    settled: int,
    apart: int,
    step: float,
    anchor_ns: _Ints,
    marks: _Ints,
    ring_at: int,
    size: int,
    band_ring: _Floats,
    displacement_ring: _Floats,
    found: _Ints,
    values: _Floats,
) -> int:
    """Refine the onset behind a trigger; returns 1 if it is a new one, else 0."""
    length = min(window + seen - marks[c, 1], seen, size - 1)
    if length < 8:
        return 0
    x = np.empty(length)
    begin = seen + 1 - length
    for j in range(length):
        x[j] = band_ring[ring_at + (begin + j) % size]
    best, sigma = onset(x)
    at = begin + best
    if marks[c, 3] >= 0 and at - marks[c, 3] < apart:
        return 0
    marks[c, 3] = at
    noise = 0.0
    for j in range(best):
        noise += x[j] * x[j]
    noise = math.sqrt(max(noise / best, TINY))
    signal = 0.0
    for j in range(best, length):
        signal += x[j] * x[j]
    signal = math.sqrt(signal / (length - best))

    sign = 0
    swing = 0.0
    for j in range(best, length):
        if sign == 0 and abs(x[j]) > 2.0 * noise:
            sign = 1 if x[j] > 0 else -1
        if sign != 0:
            if x[j] * sign < 0:
                break
            swing = max(swing, abs(x[j]))

    quiet = 0.0
    for j in range(max(seen + 1 - size, settled, 0), max(at - 2, 0)):
        quiet = max(quiet, abs(displacement_ring[ring_at + j % size]))

    found[0] = record
    found[1] = at
    found[2] = anchor_ns[c] + np.int64(np.rint(at * step))
    found[3] = sign
    values[0] = (sigma + 0.5) * step * 1e-9
    values[1] = signal / noise
    values[2] = 0.0 if sign == 0 else 1.0 - math.exp(-swing / (5.0 * noise))
    values[3] = quiet
    return 1
