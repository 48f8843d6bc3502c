"""What every log can do, whether it lives in the process or in Kafka."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from stream.errors import AlatauError
from stream.records import Output, Record

__all__ = ["Committed", "Log", "LogError", "Member"]


class LogError(AlatauError):
    """The log cannot be reached or refuses; whoever starts anew loses nothing."""


class Committed(Struct, frozen=True):
    """How far a group has come in a partition.

    Attributes
    ----------
    offset
        The first record that it has not dealt with.
    arrival
        Newest arrival (ms since 1970 UTC) among those that it has: its now.
    """

    offset: int
    arrival: int


class Member(Protocol):
    """One worker of a group; the members of a group share the partitions of a topic.

    Which partitions are a member's own may change whenever it reads. What it gets it holds for
    a turn; a partition that comes back comes with another turn, for another member may have
    dealt with it in between.
    """

    def turns(self) -> Mapping[int, int]:
        """Return the partitions that are its own now, each with the number of its turn."""
        ...

    def seek(self, partition: int, offset: int) -> None:
        """Say where a partition of its own is read from; in each turn none is read before."""
        ...

    async def read(self, limit: int, seconds: float) -> dict[int, list[Record]]:
        """Return what comes next, about `limit` records of each partition at most.

        Waits up to `seconds` for the first; empty when there is none.
        """
        ...

    def behind(self, partition: int) -> int:
        """Return how many records are known to follow what has been read."""
        ...

    async def commit(self, positions: Mapping[int, Committed]) -> bool:
        """Note how far it has come; false, and nothing noted, if a turn was over before."""
        ...

    async def leave(self) -> None:
        """Leave the group: what was its own goes to the others at once."""
        ...


class Log(Protocol):
    """Topics of partitions of records that are only ever appended to.

    Offsets of a partition grow; a key always falls in the same partition of a topic.
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

    async def committed(self, group: str, topic: str, partition: int) -> Committed | None:
        """Return how far a group has come; None before its first commit."""
        ...

    async def join(self, group: str, topic: str) -> Member:
        """Become a member of a group that reads a topic."""
        ...

    async def wait(self, seconds: float) -> None:
        """Return when something has been appended, or after `seconds`."""
        ...
