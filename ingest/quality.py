"""What the samples say of the sensor: flat, stuck, clipped."""

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

from ingest.settings import QualitySettings

__all__ = ["CLIPPED", "FLAT", "NAMES", "REMEMBERS_S", "STUCK", "Quality"]

FLAT, STUCK, CLIPPED = range(3)
NAMES = ("flat", "stuck", "clipped")
"""Names of the faults, in the order of their numbers."""

EXCURSION_NS = 60 * 10**9
REMEMBERS_S = 120.0
"""Excursions are remembered for one to two minutes of arrival (s)."""
STUCK_MIN = 16  # samples: a shorter block may repeat by chance on a quiet, coarse digitiser

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]
_Samples = npt.NDArray[np.int32] | npt.NDArray[np.float64]
_Bits = npt.NDArray[np.int32] | npt.NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_up(samples: _Samples, bits: _Bits, begin: int, end: int) -> tuple[int, float, float, int]:
    """Pairs of equal neighbours, least, most, and a checksum: all that most records need.

    Plain reductions, which become vector instructions: 0.1 ns a sample for int32, where the
    careful loop takes 2.
    """
    equal = 0
    least = samples[begin]
    most = samples[begin]
    total = np.int64(0)
    for k in range(uint64(begin), uint64(end)):
        x = samples[k]
        least = min(least, x)
        most = max(most, x)
        total += np.int64(bits[k]) * np.int64(k - uint64(begin) + uint64(1))
    for k in range(uint64(begin + 1), uint64(end)):
        equal += samples[k] == samples[k - uint64(1)]
    return equal, float(least), float(most), int(total)


@njit(cache=True, nogil=True, error_model="numpy")
def _inspect(
    channel: _Ints,
    first: _Ints,
    count: _Ints,
    skip: _Ints,
    use: _Flags,
    rate: _Floats,
    arrival_ns: _Ints,
    samples: _Samples,
    bits: _Bits,
    limits: tuple[float, int, float, float],
    last_value: _Floats,
    run: _Ints,
    window: _Ints,
    low: _Floats,
    high: _Floats,
    block: _Ints,
    block_count: _Ints,
    until_ns: _Ints,
) -> None:
    """Look at the new samples of each record; the state arrays are by channel.

    `low` and `high` are the largest excursions in the present minute of arrival, whose number is
    `window`, and in the one before: so much a restart reads again. `block` is a checksum of the
    last record, over the bits of its samples: floats in m/s2 are mostly below 1.
    """
    flat_s, clip_run, clip_min, recover_ns = limits
    for i in range(channel.size):
        if not use[i]:
            continue
        c = channel[i]
        begin = first[i] + skip[i]
        end = first[i] + count[i]
        if end <= begin:
            continue
        now = arrival_ns[i] // EXCURSION_NS
        if now != window[c]:
            follows = now == window[c] + 1
            low[c, 1] = low[c, 0] if follows else np.inf
            high[c, 1] = high[c, 0] if follows else -np.inf
            low[c, 0] = np.inf
            high[c, 0] = -np.inf
            window[c] = now
        equal, least, most, checksum = _sum_up(samples, bits, begin, end)
        changes = end - begin - 1 - equal
        flat = False
        clipped = False
        if equal < clip_run - 1 and samples[begin] != last_value[c]:
            low[c, 0] = min(low[c, 0], least)
            high[c, 0] = max(high[c, 0], most)
            last_value[c] = samples[end - 1]
            run[c] = 1
            while end - 1 - run[c] >= begin and samples[end - 1 - run[c]] == last_value[c]:
                run[c] += 1
        else:
            for k in range(begin, end):
                x = samples[k]
                run[c] = run[c] + 1 if x == last_value[c] else 1
                last_value[c] = x
                low[c, 0] = min(low[c, 0], x)
                high[c, 0] = max(high[c, 0], x)
                lowest = min(low[c, 0], low[c, 1])
                highest = max(high[c, 0], high[c, 1])
                if run[c] >= flat_s * rate[i]:
                    flat = True
                elif run[c] >= clip_run and x in (lowest, highest):
                    clipped = clipped or highest - lowest > clip_min
        repeated = (
            end - begin >= STUCK_MIN
            and changes > 0
            and checksum == block[c]
            and end - begin == block_count[c]
        )
        block[c] = checksum
        block_count[c] = end - begin
        if flat:
            until_ns[c, FLAT] = arrival_ns[i] + recover_ns
        if repeated:
            until_ns[c, STUCK] = arrival_ns[i] + recover_ns
        if clipped and not flat:
            until_ns[c, CLIPPED] = arrival_ns[i] + recover_ns


class Quality:
    """Sensor faults over a growing set of channels.

    A fault is held for a while after it was last seen. Flat: one value for long. Stuck: a
    record's samples equal the last record's. Clipped: several equal samples in a row at the
    largest excursion of a channel that has seen large ones in the last minutes.

    Attributes
    ----------
    until_ns : int64[at least channels, faults]
        Arrival until which each fault is held, in the order of `NAMES`.
    """

    def __init__(self, settings: QualitySettings) -> None:
        self._limits = (
            settings.flat_s,
            settings.clip_run,
            settings.clip_min_counts,
            settings.recover_s * 1e9,
        )
        self._last_value = np.zeros(0)
        self._run = np.zeros(0, np.int64)
        self._window = np.zeros(0, np.int64)
        self._low = np.zeros((0, 2))
        self._high = np.zeros((0, 2))
        self._block = np.zeros(0, np.int64)
        self._block_count = np.zeros(0, np.int64)
        self.until_ns = np.zeros((0, len(NAMES)), np.int64)

    def grow(self, channels: int) -> None:
        """Make room for channels with numbers below `channels`."""
        if channels <= self._run.size:
            return
        more = max(channels, 2 * self._run.size, 64) - self._run.size
        nothing = np.zeros(more, np.int64)
        self._last_value = np.concatenate((self._last_value, np.full(more, np.nan)))
        self._run = np.concatenate((self._run, nothing))
        self._window = np.concatenate((self._window, nothing))
        self._low = np.concatenate((self._low, np.full((more, 2), np.inf)))
        self._high = np.concatenate((self._high, np.full((more, 2), -np.inf)))
        self._block = np.concatenate((self._block, nothing))
        self._block_count = np.concatenate((self._block_count, nothing))
        self.until_ns = np.concatenate((self.until_ns, np.zeros((more, len(NAMES)), np.int64)))

    def inspect(
        self,
        channel: _Ints,
        first: _Ints,
        count: _Ints,
        skip: _Ints,
        use: _Flags,
        rate: _Floats,
        arrival_ns: _Ints,
        samples: _Samples,
    ) -> None:
        """Look at the new samples of the records that are used, in the order they came.

        Parameters
        ----------
        channel, first, count, skip, use, rate, arrival_ns : arrays of n
            As in `ingest.miniseed.Samples` and `ingest.continuity.Continuity.assess`.
        samples : int32[m] or float64[m]
            The samples of all records.
        """
        float64 = samples.dtype == np.float64
        bits: _Bits = samples.view(np.int64) if float64 else samples.view(np.int32)
        _inspect(
            channel,
            first,
            count,
            skip,
            use,
            rate,
            arrival_ns,
            samples,
            bits,
            self._limits,
            self._last_value,
            self._run,
            self._window,
            self._low,
            self._high,
            self._block,
            self._block_count,
            self.until_ns,
        )
