"""The log in the process: for replays, tests and a centre of one machine."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from zlib import crc32

from stream.log import Committed
from stream.records import Output, Record

__all__ = ["REST", "MemoryLog", "MemoryMember"]

REST = timedelta(minutes=10)
"""So much is kept of a topic that no stage rebuilds its state from, for those who look on."""


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
        How much is kept behind the newest arrival of a partition: of all topics, or by name, and
        `REST` of what is not named. None keeps all.
    """

    def __init__(
        self,
        partitions: Mapping[str, int] | None = None,
        retention: timedelta | Mapping[str, timedelta] | None = None,
    ) -> None:
        self._counts = dict(partitions or {})
        self._retention = retention
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._committed: dict[tuple[str, str, int], Committed] = {}
        self._turns: dict[tuple[str, str], int] = {}
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
            self._forget(output.topic, place)
        if outputs:
            self._appended.set()

    def _forget(self, topic: str, place: _Partition) -> None:
        if self._retention is None or len(place.records) % 1024:
            return
        kept = self._retention
        if not isinstance(kept, timedelta):
            kept = kept.get(topic, REST)
        oldest = place.records[-1].timestamp - kept // timedelta(milliseconds=1)
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
        return self.last(topic, partition) + 1

    def last(self, topic: str, partition: int) -> int:
        """Return the offset of the newest record; -1 when there has been none."""
        place = self._place(topic, partition)
        return place.base + len(place.records) - 1

    async def offset_for_time(self, topic: str, partition: int, timestamp: int) -> int:
        """Return the first kept offset with an arrival of `timestamp` (ms) or later, or the end."""
        place = self._place(topic, partition)
        for i, record in enumerate(place.records):
            if record.timestamp >= timestamp:
                return place.base + i
        return place.base + len(place.records)

    async def committed(self, group: str, topic: str, partition: int) -> Committed | None:
        """Return how far a group has come; None before its first commit."""
        return self._committed.get((group, topic, partition))

    async def join(self, group: str, topic: str) -> "MemoryMember":
        """Become the only member of a group: who was so before has nothing of its own now."""
        turn = self._turns.get((group, topic), 0) + 1
        self._turns[(group, topic)] = turn
        return MemoryMember(self, group, topic, turn)

    def turn(self, group: str, topic: str) -> int:
        """Return the turn of the member that joined a group last."""
        return self._turns.get((group, topic), 0)

    def note(self, group: str, topic: str, positions: Mapping[int, Committed]) -> None:
        """Keep what a member commits."""
        for partition, committed in positions.items():
            self._committed[(group, topic, partition)] = committed

    async def wait(self, seconds: float) -> None:
        """Return when something has been appended since the last wait, or after `seconds`."""
        try:
            await asyncio.wait_for(self._appended.wait(), seconds)
        except TimeoutError:
            return
        self._appended.clear()


class MemoryMember:
    """The one worker of a group on a `MemoryLog`."""

    def __init__(self, log: MemoryLog, group: str, topic: str, turn: int) -> None:
        self._log = log
        self._group = group
        self._topic = topic
        self._turn = turn
        self._next: dict[int, int] = {}

    def turns(self) -> dict[int, int]:
        """Return all partitions, or none after another has joined."""
        if self._log.turn(self._group, self._topic) != self._turn:
            return {}
        return dict.fromkeys(range(self._log.partitions(self._topic)), self._turn)

    def seek(self, partition: int, offset: int) -> None:
        """Say where a partition is read from."""
        self._next[partition] = offset

    async def read(self, limit: int, seconds: float) -> dict[int, list[Record]]:
        """Return up to `limit` records of each partition; waits up to `seconds` for the first."""
        found = await self._read(limit)
        if not found and seconds > 0:
            await self._log.wait(seconds)
            found = await self._read(limit)
        return found

    async def _read(self, limit: int) -> dict[int, list[Record]]:
        found = {}
        for partition in self.turns():
            if partition in self._next:
                offset = self._next[partition]
                records = await self._log.read(self._topic, partition, offset, limit)
                if records:
                    found[partition] = records
                    self._next[partition] = records[-1].offset + 1
        return found

    def behind(self, partition: int) -> int:
        """Return how many records follow what has been read."""
        return self._log.last(self._topic, partition) + 1 - self._next.get(partition, 0)

    async def commit(self, positions: Mapping[int, Committed]) -> bool:
        """Note how far it has come, unless another has joined."""
        if not self.turns():
            return False
        self._log.note(self._group, self._topic, positions)
        return True

    async def leave(self) -> None:
        """Have nothing of its own any more."""
        if self.turns():
            await self._log.join(self._group, self._topic)
