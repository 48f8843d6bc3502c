"""Where in a window the signal begins, how sure, how clear, and which way it moves first.

And whether it is the ground at all: a bit that fell over or a digitiser that was switched moves
some samples, and leaves the others as they were.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["glitch_ends", "judge", "onset"]

_Doubles = npt.NDArray[np.float64]

TINY = 1e-300  # a variance of nothing has no logarithm
JUMPS = 3  # changes from sample to sample: a spike of two samples has three, a step has one
SPIKES = 3  # so many, but in no more than this share of all changes: few at a low rate
SPIKY = 0.25
GLITCH_SHARE = 0.95  # of the energy of all changes (docs/calibration.md)
GLITCH_REST = 2.0  # times the noise before, root mean square: what the others may still have


@njit(cache=True, nogil=True, error_model="numpy")
def onset(x: _Doubles) -> tuple[int, float]:
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
    aic = np.full(n, np.inf)
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


@njit(cache=True, nogil=True, error_model="numpy")
def judge(raw: _Doubles, run_up: int, sos: _Doubles) -> tuple[int, float, float, int, float, float]:
    """Look for the onset behind a trigger.

    The samples are band-passed again, from rest, in float64: so that the loop over all samples
    need not keep what it filtered.

    Parameters
    ----------
    raw : float64[n]
        Samples from before the trigger to where it is judged.
    run_up : int
        Samples at the front by which the filter comes to itself; n - run_up >= 8.
    sos : float64[10]
        The band-pass.

    Returns
    -------
    index, sigma : int, float
        First sample of the signal in `raw`, and its standard deviation in samples.
    snr : float
        Root mean square after over before.
    polarity, confidence : int, float
        Of the first swing beyond twice the noise.
    noise : float
        Root mean square before, band-passed.
    """
    x = np.empty(raw.size - run_up)
    z0 = z1 = z2 = z3 = 0.0
    for j in range(raw.size):
        v = raw[j] - raw[0]
        y = sos[0] * v + z0
        z0 = (sos[1] * v + z1) - sos[3] * y
        z1 = sos[2] * v - sos[4] * y
        u = sos[5] * y + z2
        z2 = (sos[6] * y + z3) - sos[8] * u
        z3 = sos[7] * y - sos[9] * u
        if j >= run_up:
            x[j - run_up] = u
    best, sigma = onset(x)
    noise = 0.0
    for j in range(best):
        noise += x[j] * x[j]
    noise = math.sqrt(max(noise / best, TINY))
    signal = 0.0
    for j in range(best, x.size):
        signal += x[j] * x[j]
    signal = math.sqrt(signal / (x.size - best))
    sign = 0
    swing = 0.0
    for j in range(best, x.size):
        if sign == 0 and abs(x[j]) > 2.0 * noise:
            sign = 1 if x[j] > 0 else -1
        if sign != 0:
            if x[j] * sign < 0:
                break
            swing = max(swing, abs(x[j]))
    confidence = 0.0 if sign == 0 else 1.0 - math.exp(-swing / (5.0 * noise))
    return run_up + best, sigma + 0.5, signal / noise, sign, confidence, noise


@njit(cache=True, nogil=True, error_model="numpy")
def glitch_ends(raw: _Doubles, begin: int) -> int:
    """Find out whether some samples alone are out of line, which no ground does.

    Looks at the changes from sample to sample, before any filter has spread them. After an onset
    of the ground they go on; after spikes or a step the others are what they were before.

    Parameters
    ----------
    raw : float64[n]
        Samples from before the onset to where it is judged.
    begin : int
        The onset.

    Returns
    -------
    int
        The first sample behind all that are out of line; 0 where it is the ground.
    """
    first = begin - JUMPS
    if first <= 0:
        return 0  # nothing before it is known
    change = np.empty(raw.size - 1)
    total = before = 0.0
    for j in range(change.size):
        change[j] = (raw[j + 1] - raw[j]) ** 2
        if j < first:
            before += change[j]
        else:
            total += change[j]
    others = change.size - first
    ends = 0
    most = min(SPIKES, int(SPIKY * others) // JUMPS)
    for _ in range(most):
        at = first
        block = -1.0
        for j in range(first, change.size - JUMPS + 1):
            here = change[j : j + JUMPS].sum()
            if here > block:
                block, at = here, j
        change[at : at + JUMPS] = 0.0
        ends = max(ends, at + JUMPS)
        others -= JUMPS
        rest = change[first:].sum()
        spiky = total - rest > GLITCH_SHARE * total
        if spiky and rest * first <= GLITCH_REST**2 * before * others:
            return ends
    return 0
