"""What is usual for a series: its running median.

Times are cut into bins that hang on the clock alone, and a bin counts as the median of its
readings. So a gauge that sends more in a flood does not make the flood usual, and what is usual
is a function of the last window, whenever one began to listen.
"""

from collections import deque
from collections.abc import Sequence
from statistics import median

__all__ = ["NORMAL", "Usual", "deviation"]

NORMAL = 1.4826  # median absolute deviation -> standard deviation of a normal distribution


def deviation(values: Sequence[float], centre: float) -> float:
    """Return the standard deviation of a normal distribution that strays as far."""
    return NORMAL * median(abs(value - centre) for value in values)


class Usual:
    """Running median over a window of whole bins.

    Parameters
    ----------
    window_s
        How far back, s.
    bins
        How many bins are in it.

    Attributes
    ----------
    level
        Median of the bins of the window; of the first bin's readings while there is no other.
        The bin that is being filled does not count. None before the first reading.
    bins
        How many are full.
    """

    def __init__(self, window_s: float, bins: int = 72) -> None:
        self._bin_us = round(window_s / bins * 1e6)
        self._most = bins
        self._full: deque[tuple[int, float]] = deque()
        self._open: list[float] = []
        self._number: int | None = None
        self.level: float | None = None

    @property
    def bins(self) -> int:
        """How many bins of the window hold readings and are full."""
        return len(self._full)

    @property
    def memory_s(self) -> float:
        """How far back readings matter, s."""
        return (self._most + 1) * self._bin_us / 1e6

    def fold(self, time_us: int, value: float) -> None:
        """Take the next reading; times rise."""
        number = time_us // self._bin_us
        if self._number is None:
            self._number = number
        if number != self._number:
            self._full.append((self._number, median(self._open)))
            while self._full and self._full[0][0] < number - self._most:
                self._full.popleft()
            self._open.clear()
            self._number = number
            if self._full:
                self.level = median(value for _, value in self._full)
        self._open.append(value)
        if not self._full:
            self.level = median(self._open)
