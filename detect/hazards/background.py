"""Multiples of what is usual at a site: radiation and gas."""

from detect.hazards.usual import Usual

__all__ = ["Background"]

USUAL_S = 7 * 86_400.0
BINS = 168


class Background:
    """The value over the median of the last seven days.

    The height of a threshold is counted from 1, the background itself.
    """

    base = 1.0

    def __init__(self) -> None:
        self._usual = Usual(USUAL_S, BINS)
        self.memory_s = self._usual.memory_s

    def fold(self, time_us: int, value: float) -> float | None:
        """Take the next reading; return its multiple, None while there is no background."""
        level = self._usual.level
        self._usual.fold(time_us, value)
        return value / level if level is not None and level > 0.0 else None
