"""By how much heat lowers the thresholds of mudflows and lake outbursts.

Kargaly and Barsem, both in July 2015, followed days of heat. Degree-days: Hock, R. (2003),
Temperature index melt modelling in mountain areas, J. Hydrol. 282, 104-115, eq. 1. By how much
thresholds sink is a proposal of this project, not published.
"""

from collections import deque

from detect.hazards.usual import Usual

__all__ = ["LEAST_LOWERED", "Melt", "lowered_by_degree_days"]

DAY_S = 86_400.0
DAYS = 5
USUAL_DAYS = 30
FULL = 25.0  # degree-days above the usual at which thresholds are lowest: 5 K over 5 days
LEAST_LOWERED = 0.7


def lowered_by_degree_days(excess: float) -> float:
    """Give the factor on the height of thresholds: 1 at 0, falling in a line to 0.7 at 25.

    Parameters
    ----------
    excess
        Positive degree-days of the last five days above what is usual in five, K day.
    """
    return 1.0 - (1.0 - LEAST_LOWERED) * min(1.0, max(0.0, excess / FULL))


class Melt:
    """Positive degree-days of the last five whole days against the days of the last thirty.

    Attributes
    ----------
    memory_s
        How far back readings matter, s.
    """

    def __init__(self) -> None:
        self._usual = Usual(USUAL_DAYS * DAY_S, bins=USUAL_DAYS)
        self._days: deque[tuple[int, float]] = deque()
        self._sum = 0.0
        self._count = 0
        self._number: int | None = None
        self.memory_s = (USUAL_DAYS + 2) * DAY_S
        self.lowered = 1.0

    def fold(self, time_us: int, celsius: float) -> float:
        """Take the next air temperature (degrees Celsius); return the factor on thresholds."""
        number = time_us // round(DAY_S * 1e6)
        if self._number is not None and number != self._number:
            mean = self._sum / self._count
            self._days.append((self._number, max(0.0, mean)))
            self._usual.fold(round(self._number * DAY_S * 1e6), max(0.0, mean))
            while self._days and self._days[0][0] < number - DAYS:
                self._days.popleft()
            usual = self._usual.level or 0.0
            excess = sum(warm - usual for _, warm in self._days)
            enough = self._usual.bins >= DAYS
            self.lowered = lowered_by_degree_days(excess) if enough else 1.0
            self._sum, self._count = 0.0, 0
        self._number = number
        self._sum += celsius
        self._count += 1
        return self.lowered
