"""Level, and its rise within a span, of series with irregular steps."""

from collections import deque

from detect.hazards.usual import Usual

__all__ = ["Level", "Rise"]

USUAL_S = 3 * 86_400.0


class Level:
    """The value itself; its usual level is where heights of thresholds are counted from.

    Thresholds of a level stand on a datum that may be anything, so that a tenth of them, or half
    of them, would mean nothing. Their height above the median of the last three days does.
    """

    def __init__(self) -> None:
        self._usual = Usual(USUAL_S)
        self.base = 0.0

    @property
    def memory_s(self) -> float:
        """How far back readings matter, s."""
        return self._usual.memory_s

    def fold(self, time_us: int, value: float) -> float:
        """Take the next reading and return it."""
        self._usual.fold(time_us, value)
        if self._usual.level is not None:
            self.base = self._usual.level
        return value


class Rise:
    """Growth within a span: the value, less the lowest that it had in the span.

    Where the span begins between two readings, the value there is interpolated: what rose during
    a gap of six hours rose a sixth of it in each. A reading counts as low only with the one
    before it (the higher of the two is taken), so that one reading too low makes no rise after it.

    Parameters
    ----------
    over_s
        The span, s.
    """

    base = 0.0

    def __init__(self, over_s: float) -> None:
        self._over_us = round(over_s * 1e6)
        self._held: deque[tuple[int, float]] = deque()
        self._before: tuple[int, float] | None = None

    @property
    def memory_s(self) -> float:
        """How far back readings matter, s; the last ones before the span count too."""
        return 6 * self._over_us / 1e6

    def fold(self, time_us: int, value: float) -> float:
        """Take the next reading; return the growth, 0 or more."""
        before, self._before = self._before, (time_us, value)
        near = before is not None and time_us - before[0] <= 3 * self._over_us
        supported = max(value, before[1]) if before is not None and near else value
        held = self._held
        held.append((time_us, supported))
        begin_us = time_us - self._over_us
        while held[0][0] < begin_us - 2 * self._over_us:
            held.popleft()
        while len(held) > 1 and held[1][0] <= begin_us:
            held.popleft()
        first_us, first = held[0]
        lowest = min(low for _, low in held)
        if first_us < begin_us:
            # the newest reading stands for itself, without the one before it
            next_us, after = held[1] if len(held) > 2 else (time_us, value)
            share = (begin_us - first_us) / (next_us - first_us)
            edge = first + share * (after - first)
            lowest = min([edge, *(low for _, low in list(held)[1:])])
        return max(0.0, value - lowest)
