"""What a stage is: a fold over one partition, without IO and without a clock."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from stream.records import Output, Record
from stream.topics import Topic

__all__ = ["Operator", "Stage"]


class Operator(Protocol):
    """The fold of one stage over one partition.

    `memory` is how far back the log must be read again to rebuild the state. `process` is
    pure but for the operator's own state: the same records in the same order give the same
    outputs, however they are cut into batches. Outputs come in the order of their causes.
    """

    memory: timedelta

    def process(self, batch: Sequence[Record]) -> list[Output]:
        """Fold the batch into the state; return what is to be written."""
        ...


class Stage(Struct, frozen=True):
    """One stage of the pipeline: its name, the topic it reads, and how an operator is made.

    `make` takes the partition number. With `keeps_all` a backlog is read however old it is.
    """

    name: str
    reads: Topic
    make: Callable[[int], Operator]
    keeps_all: bool = False
