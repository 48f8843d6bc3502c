"""What every log can do, whether it lives in the process or in Kafka."""

from collections.abc import Sequence
from typing import Protocol

from stream.records import Output, Record

__all__ = ["Log"]


class Log(Protocol):
    """Topics of partitions of records that are only ever appended to.

    Offsets of a partition grow by one; a key always falls in the same partition of a topic.
    A consumer group's committed offset is the first that it has not dealt with.
    """

    def partitions(self, topic: str) -> int:
        """Count the partitions of a topic."""
        ...

    async def append(self, outputs: Sequence[Output]) -> None:
        """Append in the order given; return when all stand in the log."""
        ...

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Record]:
        """Return up to `limit` records from `offset` on; empty when there is nothing yet."""
        ...

    async def begin(self, topic: str, partition: int) -> int:
        """Return the oldest offset still kept."""
        ...

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will have."""
        ...

    async def offset_for_time(self, topic: str, partition: int, timestamp: int) -> int:
        """Return the first kept offset with an arrival of `timestamp` (ms) or later, or the end."""
        ...

    async def committed(self, group: str, topic: str, partition: int) -> int:
        """Return the committed offset of a group; 0 before the first commit."""
        ...

    async def commit(self, group: str, topic: str, partition: int, offset: int) -> None:
        """Note that the group has dealt with all before `offset`."""
        ...

    async def wait(self, seconds: float) -> None:
        """Return when something has been appended, or after `seconds`."""
        ...
