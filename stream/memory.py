"""The log in the process: for replays, tests and a centre of one machine."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from zlib import crc32

from stream.records import Output, Record

__all__ = ["MemoryLog"]


class _Partition:
    """Records of one partition; those older than the retention are let go."""

    __slots__ = ("base", "records")

    def __init__(self) -> None:
        self.base = 0
        self.records: list[Record] = []


class MemoryLog:
    """A log of Python lists.

    Parameters
    ----------
    partitions
        Number of partitions by topic name; 1 for a topic that is not named.
    retention
        How much is kept behind the newest arrival of a partition; None keeps all.
    """

    def __init__(
        self, partitions: Mapping[str, int] | None = None, retention: timedelta | None = None
    ) -> None:
        self._counts = dict(partitions or {})
        self._retention_ms = None if retention is None else int(retention.total_seconds() * 1000)
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._committed: dict[tuple[str, str, int], int] = {}
        self._appended = asyncio.Event()

    def partitions(self, topic: str) -> int:
        """Count the partitions of a topic."""
        return self._counts.get(topic, 1)

    def _place(self, topic: str, partition: int) -> _Partition:
        place = self._partitions.get((topic, partition))
        if place is None:
            place = self._partitions[(topic, partition)] = _Partition()
        return place

    async def append(self, outputs: Sequence[Output]) -> None:
        """Append in the order given."""
        for output in outputs:
            partition = crc32(output.key) % self.partitions(output.topic)
            place = self._place(output.topic, partition)
            place.records.append(
                Record(
                    output.topic,
                    partition,
                    place.base + len(place.records),
                    output.timestamp,
                    output.key,
                    output.value,
                    output.headers,
                )
            )
            self._forget(place)
        if outputs:
            self._appended.set()

    def _forget(self, place: _Partition) -> None:
        if self._retention_ms is None or len(place.records) % 1024:
            return
        oldest = place.records[-1].timestamp - self._retention_ms
        drop = next((i for i, r in enumerate(place.records) if r.timestamp >= oldest), 0)
        del place.records[:drop]
        place.base += drop

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Record]:
        """Return up to `limit` records from `offset` on."""
        place = self._place(topic, partition)
        start = max(offset - place.base, 0)
        return place.records[start : start + limit]

    async def begin(self, topic: str, partition: int) -> int:
        """Return the oldest offset still kept."""
        return self._place(topic, partition).base

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will have."""
        place = self._place(topic, partition)
        return place.base + len(place.records)

    async def offset_for_time(self, topic: str, partition: int, timestamp: int) -> int:
        """Return the first kept offset with an arrival of `timestamp` (ms) or later, or the end."""
        place = self._place(topic, partition)
        for i, record in enumerate(place.records):
            if record.timestamp >= timestamp:
                return place.base + i
        return place.base + len(place.records)

    async def committed(self, group: str, topic: str, partition: int) -> int:
        """Return the committed offset of a group; 0 before the first commit."""
        return self._committed.get((group, topic, partition), 0)

    async def commit(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Note that the group has dealt with all before `offset`."""
        self._committed[(group, topic, partition)] = offset

    async def wait(self, seconds: float) -> None:
        """Return when something has been appended since the last wait, or after `seconds`."""
        try:
            await asyncio.wait_for(self._appended.wait(), seconds)
        except TimeoutError:
            return
        self._appended.clear()
