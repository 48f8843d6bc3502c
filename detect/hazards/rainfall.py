"""Rain that sets off flows: intensity against duration, and how wet the ground is.

Caine, N. (1980), The rainfall intensity-duration control of shallow landslides and debris flows,
Geografiska Annaler A 62, 23-27: ``I = 14.82 D^-0.39`` (mm/h, h). The intercept is the basin's.
Antecedent index: Kohler, M. A. and Linsley, R. K. (1951), Predicting the runoff from storm
rainfall, US Weather Bureau Research Paper 34: yesterday's index times k, and the rain of today.
"""

from collections import deque

__all__ = ["EXPONENT", "Rainfall"]

EXPONENT = 0.39
ANTECEDENT_K = 0.88  # a day
DURATIONS_H = (1, 2, 3, 6, 12, 24)
INDEX_DAYS = 30  # 0.88^30 = 0.02
WET_MM = 50.0  # index at which thresholds have sunk by half of WET_MOST; proposed, not published
WET_MOST = 0.5  # most by which wet ground lowers thresholds; proposed, not published
HOUR_US = 3_600_000_000
PARTS = 1_000_000  # of a mm: whole numbers add up to the same, whenever one began to add


class Rainfall:
    """Intercept of the curve that the rain has reached, in mm/h: ``max(I D^0.39)``.

    Sums run over 1, 2, 3, 6, 12 and 24 hours to the reading. The antecedent index is of the rain
    of the 30 days before those 24 hours; on ground with index A the intercept counts as more,
    divided by ``1 - 0.5 A / (A + 50 mm)``.

    Attributes
    ----------
    index
        The antecedent index, mm.
    """

    base = 0.0
    memory_s = (INDEX_DAYS + 2) * 86_400.0

    def __init__(self, exponent: float = EXPONENT) -> None:
        self._exponent = exponent
        self._fallen: list[deque[tuple[int, int]]] = [deque() for _ in DURATIONS_H]
        self._sums = [0] * len(DURATIONS_H)
        self._hours: deque[tuple[int, int]] = deque()
        self._hour = -1
        self.index = 0.0

    def fold(self, time_us: int, value: float) -> float:
        """Take the rain since the reading before, mm; return the intercept that it has reached."""
        fallen = round(value * PARTS)
        reached = 0.0
        for number, hours in enumerate(DURATIONS_H):
            within = self._fallen[number]
            if fallen:
                within.append((time_us, fallen))
                self._sums[number] += fallen
            while within and within[0][0] <= time_us - hours * HOUR_US:
                gone = within.popleft()
                self._sums[number] -= gone[1]
                if hours == DURATIONS_H[-1]:
                    self._keep(*gone)
            total = self._sums[number] / PARTS
            reached = max(reached, total / hours * hours**self._exponent)
        hour = time_us // HOUR_US
        if hour != self._hour:
            self._hour = hour
            while self._hours and self._hours[0][0] < hour - INDEX_DAYS * 24:
                self._hours.popleft()
            self.index = sum(
                total / PARTS * ANTECEDENT_K ** ((hour - at) / 24) for at, total in self._hours
            )
        return reached / (1.0 - WET_MOST * self.index / (self.index + WET_MM))

    def _keep(self, time_us: int, fallen: int) -> None:
        """Count rain that is older than the longest duration."""
        hour = time_us // HOUR_US
        if self._hours and self._hours[-1][0] == hour:
            fallen += self._hours.pop()[1]
        self._hours.append((hour, fallen))
