"""Looks on at a topic from outside the stages: each value once."""

from collections.abc import Mapping

from stream.causes import unseen
from stream.log import Log
from stream.records import Record
from stream.topics import Topic

__all__ = ["Reader"]


class Reader:
    """Reads a topic from its begin on, all partitions; repeats are dropped.

    Parameters
    ----------
    log
        Where the topic is.
    topic
        Which.
    since
        Offset by topic and partition to read from instead.
    """

    def __init__(
        self, log: Log, topic: Topic, since: Mapping[tuple[str, int], int] | None = None
    ) -> None:
        self._log = log
        self._topic = topic.name
        partitions = range(log.partitions(topic.name))
        self._next = [0 if since is None else since[(topic.name, p)] for p in partitions]
        self._seen: list[dict[bytes, tuple[int, int]]] = [{} for _ in self._next]

    def go_on_with(self, log: Log) -> None:
        """Read on from the same topic in a log that has been opened anew."""
        self._log = log

    async def skip(self) -> None:
        """Leave out what stands in the topic now."""
        for partition in range(len(self._next)):
            self._next[partition] = await self._log.end(self._topic, partition)

    async def fresh(self, limit: int = 1000) -> list[Record]:
        """Return what has not been returned before; up to `limit` of each partition."""
        records: list[Record] = []
        for partition, offset in enumerate(self._next):
            found = await self._log.read(self._topic, partition, offset, limit)
            if found:
                self._next[partition] = found[-1].offset + 1
                records += unseen(found, self._seen[partition])
        return sorted(records, key=lambda r: (r.timestamp, r.partition, r.offset))
