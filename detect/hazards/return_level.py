"""What a gauge reaches once in so many years, from its own record up to now.

Blocks of ten days, of which the highest value counts (partial duration series with exponential
excesses: Cunnane, C. (1973), A particular comparison of annual maxima and partial duration series
methods of flood frequency prediction, J. Hydrol. 18, 257-271): above the value ``u`` that six
blocks a year exceed, excesses average ``beta``, and the level of T years is
``u + beta ln(6 T)``. Three things are this project's own. The highest blocks, one for every two
years and at least one, count at most as what the others reach in ten years: a flood of the year
before does not lift the alarm above the next one. Nor does one of the month before, while the
ground is still wet: levels rise a month late, and fall at once. And little data is helped out by
what gauges are like in general, with the weight of half a year of data.
"""

import math
from collections import deque

from detect.hazards.level import Rise
from detect.hazards.usual import Usual

__all__ = ["ReturnLevel"]

BLOCK_S = 10 * 86_400.0
BLOCKS_A_YEAR = 365.25 * 86_400.0 / BLOCK_S
YEARS = 10
EXCEEDED = 6.0  # times a year
PRIOR_BLOCKS = 18.0  # half a year
USUAL_S = 30 * 86_400.0
OUTSTANDING_YEARS = 2.0  # of the highest blocks
CAPPED_YEARS = 10.0
LATE_BLOCKS = 3  # a month, by which levels rise late


class ReturnLevel:
    """The value, and the levels that it reaches once in so many years.

    The levels change where a block ends, and with what is usual; the block that is being filled
    does not count. A value counts as high only with the reading before it (the lower of the two
    is taken).

    Parameters
    ----------
    prior
        `u` and `beta` of a gauge of which nothing is known, above its usual level; None where
        nothing can be said before there are data of half a year.
    power
        Of the values, before anything else is done. The depth of a wide channel goes with the
        power 3/5 of its discharge (Manning).
    relative
        The prior is in multiples of the usual level, after the power.
    rise_s
        More than 0: not the value is meant, but its rise within this time, s.

    Attributes
    ----------
    base
        Median of the days of the last thirty.
    memory_s
        Ten years: such a sensor needs all its past.
    """

    def __init__(
        self,
        prior: tuple[float, float] | None = None,
        *,
        power: float = 1.0,
        relative: bool = False,
        rise_s: float = 0.0,
    ) -> None:
        self._rise = Rise(rise_s) if rise_s else None
        self._prior = prior
        self._power = power
        self._relative = relative
        self._usual = Usual(USUAL_S, bins=30)
        self._blocks: deque[tuple[int, float]] = deque()
        self._open: float | None = None
        self._number: int | None = None
        self._before: float | None = None
        self._fitted: deque[tuple[int, tuple[float, float] | None]] = deque()
        self.base = math.nan
        self.memory_s = YEARS * 365.25 * 86_400.0 + (2 + LATE_BLOCKS) * BLOCK_S

    def fold(self, time_us: int, value: float) -> float:
        """Take the next reading; return it, or its rise."""
        if self._rise is not None:
            value = self._rise.fold(time_us, value)
        self._usual.fold(time_us, value)
        usual = self._usual.level
        base = value if usual is None else usual
        has_moved, self.base = base != self.base, base
        counted = self._scaled(value)
        number = math.floor(time_us / (BLOCK_S * 1e6))
        if number != self._number:
            if self._number is not None and self._open is not None:
                self._blocks.append((self._number, self._open))
            while self._blocks and self._blocks[0][0] < number - YEARS * BLOCKS_A_YEAR:
                self._blocks.popleft()
            self._number, self._open = number, None
            while self._fitted and self._fitted[0][0] < number - LATE_BLOCKS:
                self._fitted.popleft()
            self._fitted.append((number, self._fit()))
        elif has_moved:
            self._fitted[-1] = (number, self._fit())
        if self._before is not None:
            supported = min(counted, self._before)
            self._open = supported if self._open is None else max(self._open, supported)
        self._before = counted
        return value

    def level(self, years: float) -> float | None:
        """Give the value that is reached once in so many years.

        None while nothing is known; not below the usual level.
        """
        ends = (self._fitted[0], self._fitted[-1]) if self._fitted else ()
        known = [fit for _, fit in ends if fit is not None]
        if not known:
            return None
        reached = min(_reached(fit, years) for fit in known)
        if self._power != 1.0:
            reached = max(0.0, reached) ** (1.0 / self._power)
        return max(reached, self.base)

    def _scaled(self, value: float) -> float:
        return value if self._power == 1.0 else max(0.0, value) ** self._power

    def _fit(self) -> tuple[float, float] | None:
        """Fit `u` and `beta` to the blocks."""
        highest = sorted((high for _, high in self._blocks), reverse=True)
        if self._prior is None and len(highest) < PRIOR_BLOCKS:
            return None
        years = len(highest) / BLOCKS_A_YEAR
        others = self._mixed(highest[max(1, round(years / OUTSTANDING_YEARS)) :])
        if others is None:
            return None
        most = _reached(others, CAPPED_YEARS)
        return self._mixed(sorted((min(high, most) for high in highest), reverse=True))

    def _mixed(self, highest: list[float]) -> tuple[float, float] | None:
        """Fit sorted blocks, and mix with the prior."""
        blocks = len(highest)
        exceeding = round(blocks * EXCEEDED / BLOCKS_A_YEAR)
        found = None
        if exceeding:
            above = highest[exceeding]
            found = (above, sum(high - above for high in highest[:exceeding]) / exceeding)
        if self._prior is None:
            return found
        usual = self._scaled(self.base)
        unit = usual if self._relative else 1.0
        prior = (usual + self._prior[0] * unit, self._prior[1] * unit)
        if found is None:
            return prior
        weight = blocks / (blocks + PRIOR_BLOCKS)
        return (
            weight * found[0] + (1.0 - weight) * prior[0],
            weight * found[1] + (1.0 - weight) * prior[1],
        )


def _reached(fitted: tuple[float, float], years: float) -> float:
    return fitted[0] + fitted[1] * math.log(EXCEEDED * years)
