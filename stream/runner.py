"""Runs a stage: reads its topic, folds, appends what comes out, commits.

Recovery is reading again. A partition that a worker gets begins with a fresh operator, fed from
`memory` before the committed offset; what those records caused has been said before and is
muted. A crash between append and commit repeats at most one batch; every output carries its
cause (topic, partition, offset, number), which grows along a partition, so the reader drops
what it has seen.
"""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate
from operator import itemgetter
from statistics import median_low
from typing import Protocol

from msgspec import Struct

from stream.causes import CAUSE, marked, unseen
from stream.instep import SPAN_MS
from stream.log import Committed, Log, Member
from stream.operator import Operator, Stage
from stream.pace import Pace
from stream.records import Output, Record
from stream.rejects import reject
from stream.topics import REJECTS

__all__ = ["CAUSE", "Meter", "StageRunner"]

MS = timedelta(milliseconds=1)

REPEATS = timedelta(seconds=60)
"""How long after its first a repeat may stand in the log. A rewind goes back so much further,
so that one whose first stands before it comes before all that the state is made of."""

LAST = 9  # records by which the age of a backlog is told: one wrong clock does not decide it

WAIT_S = 0.02  # before a worker that is ahead of the others looks again

LOOK_S = 5.0  # between two looks whether a backlog is too old: each costs three round trips

_log = logging.getLogger("alatau.stream")


class Meter(Protocol):
    """Who counts what a stage does."""

    def read(self, partition: int, records: int, arrival: int) -> None:
        """Count records of a partition; the last arrived at `arrival` (ms since 1970 UTC)."""
        ...

    def behind(self, partition: int, records: int) -> None:
        """Note how many records of a partition are waiting."""
        ...

    def dealt(self, seconds: float, outputs: Sequence[Output]) -> None:
        """Count a batch: the time it took to think, and what now stands in the log."""
        ...

    def skipped(self, records: int) -> None:
        """Count what was too old to be read."""
        ...

    def lost(self, records: int) -> None:
        """Count what the log dropped before it was read."""
        ...


class _Assigned(Struct):
    """One partition in work."""

    operator: Operator
    position: int
    muted_before: int
    newest: int
    turn: int
    seen: dict[bytes, tuple[int, int]]
    refused: set[int]
    one_by_one_before: int = 0


class _Broken(Exception):  # noqa: N818 - never leaves this file
    """An operator has failed at these records."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records


class StageRunner:
    """One stage over the partitions of its topic that are this worker's own.

    Parameters
    ----------
    log
        Where it reads and writes.
    stage
        What it runs; its name is the consumer group.
    limit
        Records read from a partition at a time.
    stale_after
        A backlog whose oldest record arrived this long before its newest is not worth reading:
        the stage skips to now and begins afresh. None reads everything.
    commit_every_s
        Least time (s) between two commits: a crash repeats so much, and readers drop it.
    meter
        Told of every batch and of what was skipped or lost.
    """

    def __init__(
        self,
        log: Log,
        stage: Stage,
        *,
        limit: int = 1000,
        stale_after: timedelta | None = None,
        commit_every_s: float = 0.0,
        meter: Meter | None = None,
    ) -> None:
        self.log = log
        self.stage = stage
        self.limit = limit
        self._stale_ms = None if stale_after is None else stale_after // MS
        self._meter = meter
        self._member: Member | None = None
        self._pace = Pace(log, stage.name, stage.reads.name)
        self._catches_up = False
        self._assigned: dict[int, _Assigned] = {}
        self._looked_s = -math.inf
        self._commit_every_s = commit_every_s
        self._committed_s = -math.inf
        self._due: dict[int, Committed] = {}

    async def start(self) -> None:
        """Join the group; rebuild the state of what is this worker's own from the log."""
        self._member = await self.log.join(self.stage.name, self.stage.reads.name)
        await self._take_up(self._member)

    async def stop(self) -> None:
        """Commit what is dealt with, and leave the group, so that others take over at once."""
        if self._member is not None:
            if self._due:
                await self._member.commit(self._due)
            await self._member.leave()

    async def step(self, seconds: float = 0.0) -> int:
        """Deal with one batch of each partition.

        Parameters
        ----------
        seconds
            How long to wait if there is nothing to do.

        Returns
        -------
        int
            Records read; 0 when there was nothing to do.
        """
        member = self._member
        if member is None:
            raise RuntimeError(f"{self.stage.name} has not been started")
        await self._take_up(member)
        if self._catches_up and not await self._pace.may_read(self._newest()):
            await self._commit(member, at_once=True)
            await asyncio.sleep(WAIT_S)
            return 0
        batches = await member.read(self.limit, seconds)
        of_each: list[list[Output]] = []
        done: dict[int, Committed] = {}
        began = time.perf_counter()
        for partition, batch in batches.items():
            assigned = self._assigned[partition]
            try:
                of_each.append(self._deal(partition, assigned, batch))
            except _Broken as broken:
                of_each.append(await self._begin_again(member, partition, batch[0].offset, broken))
                continue
            if assigned.position > assigned.muted_before:
                done[partition] = Committed(assigned.position, assigned.newest)
        said = _by_arrival(of_each)
        took_s = time.perf_counter() - began
        await self.log.append(said)
        self._due |= done
        several = self.log.partitions(self.stage.reads.name) > 1
        self._catches_up = several and any(
            member.behind(partition) and (len(batch) >= self.limit or _span_ms(batch) > SPAN_MS / 2)
            for partition, batch in batches.items()
        )
        await self._commit(member, at_once=self._catches_up)
        read = sum(map(len, batches.values()))
        if self._meter is not None and read:
            for partition, batch in batches.items():
                self._meter.read(partition, len(batch), batch[-1].timestamp)
                self._meter.behind(partition, member.behind(partition))
            self._meter.dealt(took_s, said)
        if any(member.behind(partition) > self.limit for partition in batches):
            await self._look_for_stale(member)
        return read

    def _newest(self) -> dict[int, int]:
        return {partition: assigned.newest for partition, assigned in self._assigned.items()}

    async def _commit(self, member: Member, *, at_once: bool = False) -> None:
        if self._due and (at_once or time.monotonic() - self._committed_s >= self._commit_every_s):
            if await member.commit(self._due):
                self._due = {}
            else:
                _log.info("%s: a partition went to another worker", self.stage.name)
            self._committed_s = time.monotonic()

    def _deal(self, partition: int, assigned: _Assigned, batch: Sequence[Record]) -> list[Output]:
        topic = self.stage.reads.name
        if batch[0].offset > assigned.position:
            lost = batch[0].offset - assigned.position
            _log.error(
                "%s: %d records of %s/%d were dropped by the log before they were read, offsets "
                "%d to %d. Keep more of the topic, or give the stage more workers.",
                self.stage.name,
                lost,
                topic,
                partition,
                assigned.position,
                batch[0].offset - 1,
            )
            if self._meter is not None:
                self._meter.lost(lost)
        fresh = [r for r in unseen(batch, assigned.seen) if r.offset not in assigned.refused]
        outputs = self._process(assigned, fresh, batch[0].offset)
        assigned.position = batch[-1].offset + 1
        rejected = {output.cause for output in outputs if output.topic == REJECTS.name}
        believed = [r.timestamp for r in fresh if r.value and r.offset not in rejected]
        assigned.newest = max(assigned.newest, *believed, 0)
        said = marked(outputs, topic, partition)
        if assigned.position - len(batch) >= assigned.muted_before:
            return said
        return [output for output in said if output.cause >= assigned.muted_before]

    def _process(self, assigned: _Assigned, fresh: list[Record], begin: int) -> list[Output]:
        one_by_one = begin < assigned.one_by_one_before
        outputs: list[Output] = []
        for part in [[record] for record in fresh] if one_by_one else [fresh]:
            try:
                outputs += assigned.operator.process(part)
            except Exception as error:
                _log.exception("%s failed at a record", self.stage.name)
                raise _Broken(part) from error
        return outputs

    async def _begin_again(
        self, member: Member, partition: int, done_before: int, broken: _Broken
    ) -> list[Output]:
        """Rebuild the state without the record at which the operator failed.

        Which of a batch it is shows when they are dealt with one by one. It goes to `rejects`:
        no value, and no fault of ours, may silence all that come after it.
        """
        before = self._assigned[partition]
        done = Committed(max(done_before, before.muted_before), before.newest)
        assigned = await self._assign(partition, done, before.turn)
        assigned.refused = before.refused
        assigned.one_by_one_before = broken.records[-1].offset + 1
        self._assigned[partition] = assigned
        if member.turns().get(partition) == before.turn:
            member.seek(partition, assigned.position)
        if len(broken.records) > 1:
            return []
        (record,) = broken.records
        assigned.refused.add(record.offset)
        if record.offset < before.muted_before:
            return []
        error = f"{self.stage.name}: {broken.__cause__!r}"
        return marked([reject(record, "cannot be dealt with", error)], record.topic, partition)

    async def _take_up(self, member: Member) -> None:
        """Rebuild the state of what has become this worker's own; forget what is so no more.

        What comes back, and no other has got further with, goes on with the state that it had.
        """
        turns = member.turns()
        if all(p in turns for p in self._assigned) and all(
            p in self._assigned and self._assigned[p].turn == turn for p, turn in turns.items()
        ):
            return
        for partition in [p for p in self._assigned if p not in turns]:
            del self._assigned[partition]
            self._due.pop(partition, None)
        for partition, turn in sorted(turns.items()):
            assigned = self._assigned.get(partition)
            if assigned is not None and assigned.turn == turn:
                continue
            committed = await self.log.committed(self.stage.name, self.stage.reads.name, partition)
            if member.turns().get(partition) != turn:
                return
            if assigned is not None and (
                committed is None
                or committed.offset <= max(assigned.position, assigned.muted_before)
            ):
                assigned.turn = turn
            else:
                self._due.pop(partition, None)
                assigned = await self._assign(partition, committed, turn)
                if member.turns().get(partition) != turn:
                    return
                self._assigned[partition] = assigned
            member.seek(partition, assigned.position)
            await self._skip_if_stale(member, partition)

    async def _assign(self, partition: int, committed: Committed | None, turn: int) -> _Assigned:
        topic = self.stage.reads
        operator = self.stage.make(partition)
        begin = await self.log.begin(topic.name, partition)
        if committed is None or committed.offset <= begin:
            offset = begin if committed is None else committed.offset
            return _Assigned(operator, offset, offset, 0, turn, {}, set())
        newest = committed.arrival
        back = operator.memory if topic.outside else operator.memory + REPEATS
        since = newest - back // MS
        found = await self.log.offset_for_time(topic.name, partition, since)
        position = min(found, committed.offset)
        if position == begin > 0:
            _log.warning(
                "%s: the log of %s/%d keeps less than the %s that its state is made of; "
                "the first results after this start may differ. Keep more of the topic.",
                self.stage.name,
                topic.name,
                partition,
                operator.memory,
            )
        return _Assigned(operator, position, committed.offset, newest, turn, {}, set())

    async def _look_for_stale(self, member: Member) -> None:
        """Look now and then, while there is a backlog, whether it is worth reading."""
        if time.monotonic() - self._looked_s < LOOK_S:
            return
        for partition in list(self._assigned):
            await self._skip_if_stale(member, partition)
        self._looked_s = time.monotonic()

    async def _skip_if_stale(self, member: Member, partition: int) -> None:
        """Begin afresh at the newest record if the next unread one is too old."""
        if self._stale_ms is None:
            return
        topic = self.stage.reads.name
        assigned = self._assigned[partition]
        unread = max(assigned.position, assigned.muted_before)
        end = await self.log.end(topic, partition)
        if end - unread < 2:
            return
        oldest = await self.log.read(topic, partition, unread, 1)
        last = await self.log.read(topic, partition, max(end - LAST, unread), LAST)
        if not oldest or not last:
            return
        newest = median_low(record.timestamp for record in last)
        late_ms = newest - max(oldest[0].timestamp, assigned.newest)
        if late_ms <= self._stale_ms:
            return
        _log.error(
            "%s: %d records of %s/%d, offsets %d to %d, up to %.0f s old, are skipped: a late "
            "warning is worse than none. The stage begins afresh; its channels are warming up.",
            self.stage.name,
            end - unread,
            topic,
            partition,
            unread,
            end - 1,
            late_ms / 1000,
        )
        if self._meter is not None:
            self._meter.skipped(end - unread)
        turn = assigned.turn
        self._due.pop(partition, None)
        self._assigned[partition] = _Assigned(
            self.stage.make(partition), end, end, newest, turn, assigned.seen, set()
        )
        if member.turns().get(partition) == turn:
            member.seek(partition, end)
            await member.commit({partition: Committed(end, newest)})


def _span_ms(batch: Sequence[Record]) -> int:
    return batch[-1].timestamp - batch[0].timestamp


def _by_arrival(of_each: Sequence[list[Output]]) -> list[Output]:
    """Put together what several partitions gave: as it arrived, and each in its own order.

    What catches up on a backlog partition by partition would else tell the next stage the whole
    past of one before it hears anything of another.
    """
    if len(of_each) < 2:
        return [output for outputs in of_each for output in outputs]
    known: list[tuple[int, Output]] = []
    for outputs in of_each:
        arrivals = accumulate((output.timestamp for output in outputs), max)
        known += zip(arrivals, outputs, strict=True)
    known.sort(key=itemgetter(0))
    return [output for _, output in known]
