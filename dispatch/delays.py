"""How long each channel takes: measured on what it has delivered."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping

from dispatch.facts import Delivery

__all__ = ["Delays"]

REMEMBERED = 200  # deliveries of a channel; of so many the 90th per cent is one of twenty


class _Window:
    """The last deliveries of one channel, in order of time and of size."""

    def __init__(self) -> None:
        self.last: deque[float] = deque()
        self.ordered: list[float] = []

    def add(self, seconds: float) -> None:
        if len(self.last) == REMEMBERED:
            del self.ordered[bisect_left(self.ordered, self.last.popleft())]
        self.last.append(seconds)
        insort(self.ordered, seconds)


class Delays:
    """A running quantile of the time from `queued` to `delivered`, for each channel.

    It is a fold over facts: whoever reads the same facts has the same delays.

    Parameters
    ----------
    quantile
        Of the last deliveries this part took no longer.
    """

    def __init__(self, quantile: float = 0.9) -> None:
        self._quantile = quantile
        self._windows: dict[str, _Window] = {}
        self._queued: dict[tuple[str, str], int] = {}

    def take(self, fact: Delivery) -> None:
        """Fold a step of a delivery; each once."""
        way = (fact.message, fact.channel)
        if fact.state == "queued":
            self._queued.setdefault(way, fact.at_us)
            return
        if fact.state == "delivered" or (fact.final and fact.state != "sent"):
            queued_us = self._queued.pop(way, None)
            if queued_us is not None and fact.state == "delivered":
                seconds = max(fact.at_us - queued_us, 0) / 1e6
                self._windows.setdefault(fact.channel, _Window()).add(seconds)

    def seconds(self, channel: str) -> float:
        """Return the quantile (s) of a channel; 0 before its first delivery."""
        window = self._windows.get(channel)
        if window is None:
            return 0.0
        place = int(self._quantile * len(window.ordered))
        return window.ordered[min(place, len(window.ordered) - 1)]

    def all(self) -> Mapping[str, tuple[int, float]]:
        """Return, by channel, how many deliveries it is measured on, and the quantile (s)."""
        return {
            channel: (len(window.ordered), self.seconds(channel))
            for channel, window in sorted(self._windows.items())
        }
