"""Slopes that move: velocity, and the time to failure that it points to.

Fukuzono, T. (1985), A new method for predicting the failure time of a slope, Proc. 4th Int. Conf.
and Field Workshop on Landslides, Tokyo, 145-150: before a slope fails, 1/v falls in a line to 0.
"""

from collections import deque
from itertools import pairwise
from statistics import fmean, linear_regression, median

from detect.hazards.usual import deviation

__all__ = ["InverseVelocity", "Velocity"]

DAY_US = 86_400_000_000
VELOCITY_S = 86_400.0
INVERSE_S = 3 * 86_400.0
VELOCITY_BINS = 24
BINS = 6
LEAST_HOURS = 1.0 / 60.0
CLEAR = 5.0  # times its own noise that a slope must have moved


class Velocity:
    """Movement a day: the medians of the last and the first third of a span, and the time between.

    Tukey's resistant line over the medians of 24 bins, so that single readings that are wrong do
    not bend it. The bin that is being filled counts as it is.

    Parameters
    ----------
    over_s
        The span, s; 0 for a day.
    """

    base = 0.0

    def __init__(self, over_s: float = 0.0) -> None:
        self._bin_us = round((over_s or VELOCITY_S) / VELOCITY_BINS * 1e6)
        self._full: deque[tuple[int, float, float]] = deque()
        self._open: list[tuple[int, float]] = []
        self._number = -1
        self.memory_s = (VELOCITY_BINS + 1) * self._bin_us / 1e6

    def fold(self, time_us: int, value: float) -> float | None:
        """Take the next reading; return the unit a day, None while the span is not half full."""
        number = time_us // self._bin_us
        if number != self._number:
            if self._open:
                self._full.append((self._number, *_middle(self._open)))
                self._open.clear()
            self._number = number
            while self._full and self._full[0][0] <= number - VELOCITY_BINS:
                self._full.popleft()
        self._open.append((time_us, value))
        bins = [(at, middle) for _, at, middle in self._full]
        bins.append(_middle(self._open))
        if len(bins) < 3 or bins[-1][0] - bins[0][0] < self._bin_us * VELOCITY_BINS / 2:
            return None
        third = -(-len(bins) // 3)
        first, last = bins[:third], bins[-third:]
        days = (fmean(t for t, _ in last) - fmean(t for t, _ in first)) / DAY_US
        return (median(v for _, v in last) - median(v for _, v in first)) / days


def _middle(readings: list[tuple[int, float]]) -> tuple[float, float]:
    """Give the mean time and the median value."""
    return fmean(t for t, _ in readings), median(v for _, v in readings)


class InverseVelocity:
    """One over the hours until 1/v reaches 0, so that more is worse.

    Medians of six bins of a span give five velocities. The line through their inverses counts
    only if each is faster than the one before and the slope has moved five times its noise.

    Parameters
    ----------
    over_s
        The span, s; 0 for three days.
    """

    base = 0.0

    def __init__(self, over_s: float = 0.0) -> None:
        self._bin_us = round((over_s or INVERSE_S) / BINS * 1e6)
        self._full: deque[tuple[float, float, float]] = deque(maxlen=BINS)
        self._open: list[tuple[int, float]] = []
        self._number = -1
        self._failure_us: float | None = None
        self.memory_s = (BINS + 2) * self._bin_us / 1e6

    def fold(self, time_us: int, value: float) -> float | None:
        """Take the next reading; return 1/h, None while no failure is in sight."""
        number = time_us // self._bin_us
        if number != self._number:
            if self._open:
                middle = median(v for _, v in self._open)
                noise = deviation([v for _, v in self._open], middle)
                self._full.append((fmean(t for t, _ in self._open), middle, noise))
                self._open.clear()
            while self._full and self._full[0][0] < time_us - (BINS + 1) * self._bin_us:
                self._full.popleft()
            self._number = number
            self._failure_us = self._failure()
        self._open.append((time_us, value))
        if self._failure_us is None:
            return None
        return 1.0 / max(LEAST_HOURS, (self._failure_us - time_us) / 3.6e9)

    def _failure(self) -> float | None:
        """Time at which the line of 1/v reaches 0."""
        if len(self._full) < BINS:
            return None
        times, inverses = [], []
        for (t0, v0, _), (t1, v1, _) in pairwise(self._full):
            if v1 <= v0:
                return None
            times.append((t0 + t1) / 2)
            inverses.append((t1 - t0) / (v1 - v0))
        if any(later >= earlier for earlier, later in pairwise(inverses)):
            return None
        if self._full[-1][1] - self._full[0][1] < CLEAR * max(noise for _, _, noise in self._full):
            return None
        line = linear_regression([t - times[-1] for t in times], inverses)
        return times[-1] - line.intercept / line.slope
