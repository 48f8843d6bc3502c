"""Looks on at a topic from outside the stages: each record once, from where it begins."""

from stream.log import Log
from stream.records import Record
from stream.topics import Topic

__all__ = ["Reader"]


class Reader:
    """Reads a topic from its begin on, all partitions.

    Parameters
    ----------
    log
        Where the topic is.
    topic
        Which.
    """

    def __init__(self, log: Log, topic: Topic) -> None:
        self._log = log
        self._topic = topic.name
        self._next = [0] * log.partitions(topic.name)

    async def fresh(self, limit: int = 1000) -> list[Record]:
        """Return what has not been returned before; up to `limit` of each partition."""
        records: list[Record] = []
        for partition, offset in enumerate(self._next):
            found = await self._log.read(self._topic, partition, offset, limit)
            if found:
                self._next[partition] = found[-1].offset + 1
                records += found
        return sorted(records, key=lambda r: (r.timestamp, r.partition, r.offset))
