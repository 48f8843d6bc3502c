"""P onsets picked at leisure: what a stream should have found.

The catalogue says where to look, the whole trace is there, and a pick that does not stand out
of the noise is none. obspy's AR picker decides where a station has a vertical and two
horizontals and it finds an onset there; else Akaike's criterion, in NumPy.

No code of Alatau's detector is in it, but Alatau refines its onsets by Akaike's criterion too:
only the AR picks are independent of the method. AR tends to take the first strong arrival where
P grows slowly, and is late there.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from obspy import Stream, UTCDateTime
from obspy.signal.trigger import ar_pick

__all__ = ["ReferencePick", "aic_onset", "pick"]

BEFORE_S = 20.0  # of trace before the computed P: noise
LOOK_S = 5.0  # the onset may be so far from the computed P
SHARE_OF_S = 0.6  # and no later than at this share of the time from P to S
QUIET_S = 3.0  # of noise that there must be at the least
SHORT_S = 0.3  # window of the trigger
AMPLITUDE = 3.0  # the signal must be so many times the noise, root mean square
LOW_HZ, HIGH_HZ = 1.0, 15.0
AFTER_S = 0.7  # of signal in the windows of Akaike's criterion and of the check
AGREE_S = 0.5

_Floats = npt.NDArray[np.float64]


class ReferencePick(Struct, frozen=True, kw_only=True):
    """A P onset at a station.

    Attributes
    ----------
    time_us
        us since 1970 UTC.
    method
        ``ar`` (obspy's ar_pick) or ``aic``.
    snr
        Root mean square of 0.7 s after over 3 s before, 1 to 15 Hz.
    other_s
        What the other method says, seconds after this; None where it finds nothing.
    """

    time_us: int
    method: Literal["ar", "aic"]
    snr: float
    other_s: float | None

    @property
    def agreed(self) -> bool:
        """Whether both methods find an onset, within 0.5 s of each other."""
        return self.other_s is not None and abs(self.other_s) <= AGREE_S


def pick(
    stream: Stream, vertical: Sequence[str], p_us: int, s_us: int
) -> ReferencePick | Literal["no data", "no onset"]:
    """Pick the P onset of one station.

    Parameters
    ----------
    stream
        Its traces, whole.
    vertical
        SEED ids of its vertical channels; if there is none, all are tried.
    p_us, s_us
        Computed P and S, us since 1970 UTC.

    Returns
    -------
    ReferencePick or str
        ``no data`` if no channel reaches from noise to signal without a gap, ``no onset`` if
        nothing stands out.
    """
    expected = UTCDateTime(ns=p_us * 1000)
    s_after_p = (s_us - p_us) / 1e6
    late = min(LOOK_S, SHARE_OF_S * s_after_p)
    whole = stream.slice(expected - BEFORE_S, expected + max(LOOK_S, s_after_p) + LOOK_S)
    usable = Stream(
        trace
        for trace in whole
        if trace.stats.starttime <= expected - LOOK_S - QUIET_S
        and trace.stats.endtime >= expected + late + AFTER_S + SHORT_S
        and np.ptp(trace.data) > 0
    )
    tried = [t for t in usable if t.id in vertical] or list(usable)
    if not tried:
        return "no data"
    by_aic: tuple[float, UTCDateTime] | None = None
    for trace in tried:
        begin = expected - trace.stats.starttime
        x, rate = _band_passed(trace), trace.stats.sampling_rate
        at = _onset_s(x, rate, begin - LOOK_S, begin + late)
        if at is not None:
            found = (_snr(x, rate, at), trace.stats.starttime + at)
            by_aic = found if by_aic is None else max(by_aic, found, key=lambda f: f[0])
    if by_aic is not None and by_aic[0] < AMPLITUDE:
        by_aic = None
    by_ar = _ar(usable, vertical, expected, late)
    chosen = by_ar or by_aic
    if chosen is None:
        return "no onset"
    return ReferencePick(
        time_us=chosen[1].ns // 1000,
        method="ar" if by_ar else "aic",
        snr=chosen[0],
        other_s=None if by_ar is None or by_aic is None else by_aic[1] - by_ar[1],
    )


def aic_onset(x: _Floats) -> int:
    """First sample of the signal, by ``k log var(x[:k]) + (n - k - 1) log var(x[k:])``.

    Maeda (1985), doi:10.4294/zisin1948.38.3_365. The least is taken from 4 samples within.
    """
    n = x.size
    k = np.arange(4, n - 4)
    sums, squares = np.cumsum(x), np.cumsum(x * x)
    tiny = np.finfo(np.float64).tiny
    left = squares[k - 1] / k - (sums[k - 1] / k) ** 2
    right = (squares[-1] - squares[k - 1]) / (n - k) - ((sums[-1] - sums[k - 1]) / (n - k)) ** 2
    aic = k * np.log(np.maximum(left, tiny)) + (n - k - 1) * np.log(np.maximum(right, tiny))
    return int(k[np.argmin(aic)])


def _band_passed(trace: Any) -> _Floats:  # noqa: ANN401 - obspy has no types
    """1 to 15 Hz, forward only: no onset moves ahead of itself."""
    copy = trace.copy()
    copy.data = copy.data.astype(np.float64)
    copy.detrend("demean")
    high = min(HIGH_HZ, 0.4 * trace.stats.sampling_rate)
    copy.filter("bandpass", freqmin=LOW_HZ, freqmax=high, corners=2, zerophase=False)
    return np.asarray(copy.data, np.float64)


def _onset_s(x: _Floats, rate: float, begin_s: float, end_s: float) -> float | None:
    """Seconds from the start of x to the first onset in a span; the filter's start is left out."""
    settled, begin, end = round(1.0 * rate), round(begin_s * rate), round(end_s * rate)
    width = max(2, round(SHORT_S * rate))
    power = np.convolve(x * x, np.full(width, 1.0 / width))[: x.size]
    noise = float(np.mean(x[settled:begin] ** 2))
    loud = power > AMPLITUDE**2 * noise
    held = round(0.3 * rate)
    stays = np.convolve(loud, np.ones(held))[held - 1 :][: x.size] > 0.8 * held
    starts = np.flatnonzero(loud[begin : end + width] & stays[begin : end + width])
    if not starts.size:
        return None
    at = begin + int(starts[0])
    for before_s in (2.5, 1.5):
        first = max(settled, at - round(before_s * rate))
        window = x[first : at + round(AFTER_S * rate)]
        if window.size < 12:
            return None
        at = first + aic_onset(window)
    return at / rate if begin <= at <= end else None


def _snr(x: _Floats, rate: float, at_s: float) -> float:
    at = round(at_s * rate)
    before = x[max(0, at - round(QUIET_S * rate)) : max(1, at - round(0.1 * rate))]
    after = x[at : at + round(AFTER_S * rate)]
    return float(np.sqrt(np.mean(after**2) / np.mean(before**2)))


def _ar(
    usable: Stream, vertical: Sequence[str], expected: UTCDateTime, late: float
) -> tuple[float, UTCDateTime] | None:
    """Ask obspy's AR picker, if there are three components and the vertical is known."""
    for z in (t for t in usable if t.id in vertical):
        others = [t for t in usable if t.id[:-1] == z.id[:-1] and t.id != z.id]
        same = all(
            t.stats.npts == z.stats.npts
            and t.stats.sampling_rate == z.stats.sampling_rate
            and abs(t.stats.starttime - z.stats.starttime) < 0.5 * z.stats.delta
            for t in others
        )
        if len(others) != 2 or not same:
            continue
        rate = z.stats.sampling_rate
        traces = [(t.data - np.mean(t.data)).astype(np.float32) for t in (z, *others)]
        p_s, _ = ar_pick(
            *traces, rate, LOW_HZ, min(20.0, 0.4 * rate), 1.0, 0.1, 4.0, 1.0, 2, 8, 0.1, 0.2
        )
        begin = expected - z.stats.starttime
        if begin - LOOK_S <= p_s <= begin + late:
            snr = _snr(_band_passed(z), rate, p_s)
            if snr >= AMPLITUDE:
                return snr, z.stats.starttime + p_s
    return None
