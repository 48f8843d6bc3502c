"""Workers that catch up on a backlog side by side: none runs far ahead of the others.

`stream.instep` keeps the partitions of one worker in step. What two workers read of an hour that
has passed would else reach the next stage minutes apart, and picks of one earthquake are not put
together when they come minutes apart. Only a backlog is paced: what comes live waits for nobody
(decision 5).
"""

import time
from collections.abc import Mapping

from msgspec import Struct

from stream.instep import SPAN_MS
from stream.log import Log

__all__ = ["PATIENCE_S", "Pace"]

PATIENCE_S = 10.0
"""A partition that has not moved for so long is not waited for: its worker is dead, and
longer than the group takes to notice."""


class _Seen(Struct):
    """How far another worker was with a partition, and since when."""

    offset: int
    since_s: float


class Pace:
    """How far a worker may read before the others of its group have come as far.

    Parameters
    ----------
    log, group, topic
        What is read, and by whom.
    """

    def __init__(self, log: Log, group: str, topic: str) -> None:
        self._log = log
        self._group = group
        self._topic = topic
        self._until = -1
        self._seen: dict[int, _Seen] = {}

    async def may_read(self, own: Mapping[int, int]) -> bool:
        """Say whether what comes next may be read now.

        Parameters
        ----------
        own
            By partition of this worker, the newest arrival (ms since 1970 UTC) that it has read.
        """
        newest = max(own.values(), default=0)
        if newest <= self._until:
            return True
        slowest = await self._slowest(own)
        self._until = -1 if slowest is None else slowest + SPAN_MS
        return slowest is None or newest <= self._until

    async def _slowest(self, own: Mapping[int, int]) -> int | None:
        """Return the newest arrival of the slowest other partition that moves; None of none."""
        now_s = time.monotonic()
        found: int | None = None
        for partition in range(self._log.partitions(self._topic)):
            if partition in own:
                self._seen.pop(partition, None)
                continue
            committed = await self._log.committed(self._group, self._topic, partition)
            if committed is None:
                continue
            seen = self._seen.get(partition)
            if seen is None or seen.offset != committed.offset:
                self._seen[partition] = _Seen(committed.offset, now_s)
            elif now_s - seen.since_s > PATIENCE_S:
                continue
            if await self._log.end(self._topic, partition) > committed.offset:
                found = committed.arrival if found is None else min(found, committed.arrival)
        return found
