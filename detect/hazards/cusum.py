"""CUSUM: a small departure from the usual course that lasts, with a stated false-alarm interval.

Page, E. S. (1954), Continuous inspection schemes, Biometrika 41, 100-115.
Siegmund, D. (1985), Sequential Analysis, Springer: approximation of the average run length of a
one-sided CUSUM without a change, in normal independent residuals.
"""

import math

from detect.hazards.usual import NORMAL, Usual

__all__ = ["ALLOWANCE", "Cusum", "run_length", "threshold"]

ALLOWANCE = 0.5  # k, in sigma: best against a departure of one sigma
OVERSHOOT = 1.166  # Siegmund's correction for what a sum jumps past its threshold
CAP = 50.0  # sigma
HOURS = 14 * 24
USUAL_S = HOURS * 3600.0
LEAST_HOURS = 7 * 24  # with readings, before anything is usual
FORGETS = 400  # readings from the cap to zero in a quiet series: 100 on average


def run_length(h: float, k: float = ALLOWANCE) -> float:
    """Average readings between false alarms of a one-sided CUSUM.

    Siegmund's approximation, ``(exp(2 k b) - 2 k b - 1) / (2 k^2)`` with ``b = h + 1.166``.
    """
    b = h + OVERSHOOT
    return (math.exp(2 * k * b) - 2 * k * b - 1.0) / (2.0 * k * k)


def threshold(interval_s: float, every_s: float, k: float = ALLOWANCE) -> float:
    """Threshold h, in sigma, that gives one false alarm in an interval.

    The residuals are taken as independent. Those of rivers are not: their interval is shorter.

    Parameters
    ----------
    interval_s
        Wanted time between false alarms, s.
    every_s
        Time between readings, s.
    """
    wanted = interval_s / every_s
    low, high = 0.0, CAP
    for _ in range(60):
        middle = (low + high) / 2
        if run_length(middle, k) < wanted:
            low = middle
        else:
            high = middle
    return high


class Cusum:
    """Sum of what residuals exceed the allowance by, never below 0; in sigma.

    Residuals are counted from the running median of 14 days, and divided by the deviation that
    the readings of those days have from it: 1.4826 times the median of their amounts. Without any
    deviation, or before 7 days of hours with readings, there is nothing to compare with. The sum
    is capped, so that what was before is forgotten.

    Parameters
    ----------
    every_s
        Usual time between readings, s.
    """

    base = 0.0

    def __init__(self, every_s: float) -> None:
        self._usual = Usual(USUAL_S, HOURS)
        self._strays = Usual(USUAL_S, HOURS)
        self._every_s = every_s
        self._sum = 0.0

    @property
    def memory_s(self) -> float:
        """How far back readings matter, s."""
        return self._usual.memory_s + self._strays.memory_s + FORGETS * self._every_s

    def fold(self, time_us: int, value: float) -> float | None:
        """Take the next reading; return the sum, None while nothing is usual yet."""
        level, strays = self._usual.level, self._strays.level
        known = self._strays.bins >= LEAST_HOURS
        self._usual.fold(time_us, value)
        if level is None:
            return None
        self._strays.fold(time_us, abs(value - level))
        if not known or not strays:
            return None
        residual = (value - level) / (NORMAL * strays)
        self._sum = min(CAP, max(0.0, self._sum + residual - ALLOWANCE))
        return self._sum
