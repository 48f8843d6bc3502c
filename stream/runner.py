"""Runs a stage: reads its topic, folds, appends what comes out, commits.

Recovery is reading again. On start each partition gets a fresh operator that is fed from
`memory` before the committed offset; what those records caused has been said before and is
muted. A crash between append and commit repeats at most one batch; every output carries its
cause (topic, partition, offset, number), which grows along a partition, so the reader drops
what it has seen.
"""

import logging
from collections.abc import Iterable, Sequence

from msgspec import Struct

from stream.log import Log
from stream.operator import Operator, Stage
from stream.records import Output, Record

__all__ = ["CAUSE", "StageRunner"]

CAUSE = "cause"
"""Name of the header that says which input record made a value, as
``topic/partition/offset/number``."""

_log = logging.getLogger("alatau.stream")


class _Assigned(Struct):
    """One partition in work."""

    operator: Operator
    position: int
    muted_before: int
    seen: dict[bytes, tuple[int, int]]


def _cause(record: Record) -> tuple[bytes, tuple[int, int]] | None:
    """Source partition and place in it of what caused a record, if it was caused by one."""
    for name, value in record.headers:
        if name == CAUSE:
            source, offset, number = value.rsplit(b"/", 2)
            return source, (int(offset), int(number))
    return None


def _unseen(records: Iterable[Record], seen: dict[bytes, tuple[int, int]]) -> list[Record]:
    """Drop records whose cause has been seen; note the others as seen."""
    fresh = []
    for record in records:
        cause = _cause(record)
        if cause is not None:
            source, place = cause
            if place <= seen.get(source, (-1, -1)):
                continue
            seen[source] = place
        fresh.append(record)
    return fresh


def _marked(outputs: Sequence[Output], topic: str, partition: int) -> list[Output]:
    """Give every output the header that names its cause.

    Outputs of one cause are numbered by topic: a reject more or less, which may hang on when
    the stage was started, moves no result's number.
    """
    marked = []
    last = -1
    numbers: dict[str, int] = {}
    for output in outputs:
        if output.cause != last:
            numbers.clear()
        last = output.cause
        number = numbers[output.topic] = numbers.get(output.topic, -1) + 1
        mark = f"{topic}/{partition}/{output.cause}/{number}".encode()
        marked.append(
            Output(
                output.topic,
                output.key,
                output.value,
                output.cause,
                output.timestamp,
                (*output.headers, (CAUSE, mark)),
            )
        )
    return marked


class StageRunner:
    """One stage over all partitions of its topic, in one process.

    Parameters
    ----------
    log
        Where it reads and writes.
    stage
        What it runs; its name is the consumer group.
    limit
        Records read from a partition at a time.
    """

    def __init__(self, log: Log, stage: Stage, *, limit: int = 1000) -> None:
        self.log = log
        self.stage = stage
        self.limit = limit
        self._assigned: dict[int, _Assigned] = {}

    async def start(self) -> None:
        """Assign every partition and rebuild its operator's state from the log."""
        for partition in range(self.log.partitions(self.stage.reads.name)):
            self._assigned[partition] = await self._assign(partition)

    async def _assign(self, partition: int) -> _Assigned:
        topic = self.stage.reads.name
        operator = self.stage.make(partition)
        committed = await self.log.committed(self.stage.name, topic, partition)
        begin = await self.log.begin(topic, partition)
        position = max(committed, begin)
        if committed > begin:
            last = (await self.log.read(topic, partition, committed - 1, 1))[0].timestamp
            since = last - int(operator.memory.total_seconds() * 1000)
            position = min(await self.log.offset_for_time(topic, partition, since), committed)
            if position == begin > 0:
                _log.warning(
                    "%s: the log of %s/%d keeps less than the %s that its state is made of; "
                    "the first results after this start may differ. Keep more of the topic.",
                    self.stage.name,
                    topic,
                    partition,
                    operator.memory,
                )
        return _Assigned(operator, position, committed, {})

    async def step(self) -> int:
        """Deal with one batch of each partition.

        Returns
        -------
        int
            Records read; 0 when there is nothing to do.
        """
        read = 0
        for partition in self._assigned:
            read += await self._step(partition)
        return read

    async def _step(self, partition: int) -> int:
        topic = self.stage.reads.name
        assigned = self._assigned[partition]
        batch = await self.log.read(topic, partition, assigned.position, self.limit)
        if not batch:
            return 0
        after = batch[-1].offset + 1
        outputs = assigned.operator.process(_unseen(batch, assigned.seen))
        said = _marked(outputs, topic, partition)
        await self.log.append([o for o in said if o.cause >= assigned.muted_before])
        assigned.position = after
        if after > assigned.muted_before:
            await self.log.commit(self.stage.name, topic, partition, after)
        return len(batch)
