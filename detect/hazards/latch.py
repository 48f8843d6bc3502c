"""Whether a threshold counts as crossed: persistence and hysteresis."""

from collections import deque

__all__ = ["HYSTERESIS", "KEPT_S", "Latch"]

HYSTERESIS = 0.1  # of the threshold's height above its base
PERSISTENCE = (2, 3)  # so many of the last so many readings
KEPT_S = 86_400.0


class Latch:
    """A threshold that is set by persistence and released by persistence below its hysteresis.

    It is set when `votes` of the last `of` readings reach the threshold, this one among them, and
    released when as many are below the threshold less a tenth of its height. When no such vote
    has set it anew for `kept_s`, it is released too: its state is a function of the readings of a
    limited time, so that one who begins to read later comes to the same.

    Parameters
    ----------
    votes, of
        Persistence.
    least_s
        It stays set at least so long after the last vote for it, s.
    kept_s
        And at most so long, s. Readings older than this do not vote.

    Attributes
    ----------
    set
        Whether the threshold counts as crossed.
    since_us
        Time of the first of the readings whose votes set it.
    """

    def __init__(
        self,
        votes: int = PERSISTENCE[0],
        of: int = PERSISTENCE[1],
        *,
        least_s: float = 0.0,
        kept_s: float = KEPT_S,
    ) -> None:
        self._votes = votes
        self._least_us = round(least_s * 1e6)
        self._kept_us = max(round(kept_s * 1e6), self._least_us)
        self._last: deque[tuple[int, bool, bool]] = deque(maxlen=of)
        self._voted_us = 0
        self.set = False
        self.since_us = 0

    @property
    def memory_s(self) -> float:
        """How far back readings matter, s."""
        return 2 * self._kept_us / 1e6

    def fold(self, time_us: int, value: float | None, threshold: float, base: float = 0.0) -> bool:
        """Take the next value; return whether the threshold counts as crossed.

        Parameters
        ----------
        time_us
            Of the reading; times rise.
        value, threshold
            What is compared, in one unit; without a value only time passes.
        base
            Where the height of the threshold is counted from.
        """
        if self.set and time_us - self._voted_us > self._kept_us:
            self.set = False
        if value is None:
            return self.set
        reached = value >= threshold
        below = value < threshold - HYSTERESIS * abs(threshold - base)
        self._last.append((time_us, reached, below))
        voting = [vote for vote in self._last if time_us - vote[0] <= self._kept_us]
        if reached:
            reaching = [vote[0] for vote in voting if vote[1]]
            if len(reaching) >= self._votes:
                self._voted_us = time_us
                if not self.set:
                    self.set = True
                    self.since_us = reaching[0]
        elif self.set and below and time_us - self._voted_us > self._least_us:
            self.set = sum(vote[2] for vote in voting) < self._votes
        return self.set
