"""Impulse waves of lakes and reservoirs: departure from what the last hours predict.

Mofjeld, H. O. (1997), Tsunami detection algorithm, NOAA/PMEL (of the DART buoys): a cubic through
four means of ten minutes, an hour apart, the newest 5.25 minutes back, is carried on to now. Slow
changes (inflow, seiches of hours, weather) are predicted; a wave of minutes is not.

With all samples there the weights of the means are those published, 1.16818457031250,
-0.28197558593750, 0.14689746093750 and -0.03310644531250. Where samples are missing, a mean stands
for the mean time of those that are there, and the weights of the same cubic follow from the times.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

__all__ = ["EVENT_S", "ImpulseWave", "weights"]

MEANS = 4
HORIZON_S = 315.0
MEAN_S = 600.0
APART_S = 3600.0
EVENT_S = 4 * 3600.0
"""An event lasts at least so long after the last reading above the threshold, s."""
LEAST = 0.5  # share of the readings of a mean that must be there
KEPT_S = (MEANS - 1) * APART_S + HORIZON_S + MEAN_S


def weights(ages: Sequence[float]) -> list[float]:
    """Give the weights that carry the polynomial through values of these ages on to age 0."""
    return [
        math.prod(other / (other - age) for place, other in enumerate(ages) if place != number)
        for number, age in enumerate(ages)
    ]


class ImpulseWave:
    """Absolute departure of the water from its prediction, in the unit of the sensor.

    Parameters
    ----------
    every_s
        Usual time between readings, s: 15 in the paper.
    """

    base = 0.0

    def __init__(self, every_s: float) -> None:
        self._least = max(1.0, LEAST * MEAN_S / every_s)
        self._times: list[int] = []
        self._values: list[float] = []
        self.memory_s = KEPT_S

    def fold(self, time_us: int, value: float, *, shaken: bool = False) -> float | None:
        """Take the next reading; return its departure.

        Parameters
        ----------
        time_us
            Of the reading, us; times rise.
        value
            Of the reading.
        shaken
            Seismic waves pass: it is not judged, and predicts nothing.

        Returns
        -------
        float or None
            None if shaken, or while one of the four means has less than half of its readings.
        """
        if shaken:
            return None
        predicted = self._predict(time_us)
        self._times.append(time_us)
        self._values.append(value)
        if len(self._times) > 64 and self._times[len(self._times) // 4] < time_us - KEPT_S * 1e6:
            old = bisect_left(self._times, time_us - round(KEPT_S * 1e6))
            del self._times[:old], self._values[:old]
        return None if predicted is None else abs(value - predicted)

    def _predict(self, time_us: int) -> float | None:
        half_us = round(MEAN_S / 2 * 1e6)
        ages, means = [], []
        for number in range(MEANS):
            middle_us = time_us - round((HORIZON_S + number * APART_S) * 1e6)
            begin = bisect_left(self._times, middle_us - half_us)
            end = bisect_right(self._times, middle_us + half_us)
            count = end - begin
            if count < self._least:
                return None
            ages.append(time_us - sum(self._times[begin:end]) / count)
            means.append(sum(self._values[begin:end]) / count)
        return sum(weight * mean for weight, mean in zip(weights(ages), means, strict=True))
