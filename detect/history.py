"""The newest samples of each channel of one sampling rate, in a ring for each."""

import numpy as np
import numpy.typing as npt
from numba import njit, uint64

__all__ = ["History"]

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]
_Samples = npt.NDArray[np.int32] | npt.NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def _put(
    lane: _Ints,
    first: _Ints,
    count: _Ints,
    seen: _Ints,
    samples: _Samples,
    kept: _Samples,
) -> None:
    """Write stretches to the rings; sample number i of a channel stands at i modulo the length.

    With indices that cannot be negative the copies become vector moves: 0.2 ns a sample, not 1.
    """
    length = kept.shape[1]
    flat = kept.reshape(-1)
    for i in range(lane.size):
        n = min(count[i], length)
        at = (seen[i] + count[i] - n) % length
        ahead = min(n, length - at)
        source = uint64(first[i] + count[i] - n)
        row = uint64(lane[i] * length)
        there = row + uint64(at)
        for j in range(uint64(ahead)):
            flat[there + j] = samples[source + j]
        source += uint64(ahead)
        for j in range(uint64(n - ahead)):
            flat[row + j] = samples[source + j]


@njit(cache=True, nogil=True, error_model="numpy")
def _get(row: _Samples, begin: int, end: int) -> _Doubles:
    """Return the samples `begin` to `end` of a ring that holds them."""
    length = row.size
    out = np.empty(end - begin, np.float64)
    at = begin % length
    ahead = min(end - begin, length - at)
    for i in range(ahead):
        out[i] = row[at + i]
    for i in range(ahead, end - begin):
        out[i] = row[i - ahead]
    return out


class History:
    """Rings of samples for a growing set of channels.

    Parameters
    ----------
    length
        Samples that are kept of each channel.
    sample_type
        int32 or float64.
    """

    def __init__(self, length: int, sample_type: npt.DTypeLike) -> None:
        self.length = length
        self._kept = np.zeros((0, length), sample_type)
        self._end = np.zeros(0, np.int64)
        self._stretch = np.zeros(0, np.int64)
        self._begin = np.zeros(0, np.int64)

    def grow(self, lanes: int, used: int) -> None:
        """Make room for channels with numbers below `lanes`, of which `used` have samples.

        What no sample has been written to takes no memory.
        """
        kept = np.zeros((lanes, self.length), self._kept.dtype)
        kept[:used] = self._kept[:used]
        self._kept = kept
        more = np.zeros(lanes - self._end.size, np.int64)
        self._end = np.concatenate((self._end, more))
        self._stretch = np.concatenate((self._stretch, more))
        self._begin = np.concatenate((self._begin, more))

    def put(
        self,
        lane: _Ints,
        first: _Ints,
        count: _Ints,
        seen: _Ints,
        stretch: _Ints,
        samples: npt.NDArray[np.int32] | _Doubles,
    ) -> None:
        """Keep stretches of samples, those of a channel in order.

        Parameters
        ----------
        lane, first, count, seen, stretch : int64[n]
            Channel number, place in `samples`, length, samples before since the channel's
            start, and how often it has started.
        samples
            Of the type of the rings.
        """
        _put(lane, first, count, seen, samples, self._kept)
        before = self._stretch[lane]
        self._end[lane] = seen + count
        self._stretch[lane] = stretch
        new = (stretch != before) & (stretch == self._stretch[lane])
        self._begin[lane[new][::-1]] = seen[new][::-1]  # of several records the first

    def get(self, lane: int, stretch: int, begin: int, end: int) -> _Doubles:
        """Return samples `begin` to `end` of a start of a channel, or as many of the last as kept.

        Empty if the sample before `end` is not kept.
        """
        newest = int(self._end[lane])
        if stretch != self._stretch[lane] or end > newest:
            return np.empty(0)
        begin = max(begin, newest - self.length, int(self._begin[lane]))
        return np.asarray(_get(self._kept[lane], begin, max(begin, end)))
