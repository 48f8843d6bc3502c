"""The sender: reads `alerts`, sends by every channel, and writes to `facts` how it went.

It keeps nothing but what stands in the log: when it begins anew it reads the messages and the
facts of the last day and goes on. Each attempt is a task of its own, with its own time limit.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial

import msgspec

from dispatch import facts
from dispatch.channels.channel import Channel
from dispatch.channels.settings import Route
from dispatch.delivery import Attempt, Deliveries, Outcome
from dispatch.facts import Fact, Started
from dispatch.parcels import ParcelError, parcel
from stream.causes import unseen
from stream.log import Committed, Log, Member
from stream.records import Output, Record
from stream.rejects import reject
from stream.topics import ALERTS, FACTS

__all__ = ["GROUP", "Sender"]

GROUP = "deliver"
LONGEST = timedelta(hours=25)
"""No message stands longer than 24 h: further back nothing is under way."""

LIMIT = 1000
DRAIN_S = 5.0
FORGET_US = 60_000_000  # between two looks for what can be forgotten

_log = logging.getLogger("alatau.dispatch")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Sender:
    """Sends what stands on `alerts`.

    Parameters
    ----------
    log
        Where `alerts` and `facts` are.
    routes
        Which messages each channel is for.
    channels
        By the same names.
    now_us
        The clock: microseconds since 1970 UTC.
    heard
        Called with every fact of the last day and from then on, whoever tells it.
    """

    def __init__(
        self,
        log: Log,
        routes: Mapping[str, Route],
        channels: Mapping[str, Channel],
        now_us: Callable[[], int],
        heard: Callable[[Fact], None] | None = None,
    ) -> None:
        self._log = log
        self._routes = routes
        self._channels = channels
        self._now_us = now_us
        self._heard = heard
        self._once = frozenset(name for name, channel in channels.items() if channel.once)
        self.deliveries = Deliveries(routes, self._once)
        self._member: Member | None = None
        self._turns: dict[int, int] = {}
        self._facts_next = 0
        self._seen: dict[int, dict[bytes, tuple[int, int]]] = {}
        self._under_way: set[asyncio.Task[Outcome]] = set()
        self._told: list[Fact] = []
        self._has_told = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._looked_us = 0

    async def start(self) -> None:
        """Open the channels and ask for the messages; another process may hold them now."""
        for channel in self._channels.values():
            await channel.open(self.tell)
        await self._write([Started(at_us=self._now_us(), process=GROUP)])
        self._member = await self._log.join(GROUP, ALERTS.name)
        self._facts_next = await self._log.offset_for_time(FACTS.name, 0, self._since_ms())
        self._writer = asyncio.create_task(self._keep_writing())

    async def stop(self) -> None:
        """Let what is under way end, write how it ended, and let another go on."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_S)
        await self._drop()
        if self._writer is not None:
            self._writer.cancel()
            with suppress(asyncio.CancelledError):
                await self._writer
            self._writer = None
        await self._flush()
        for channel in self._channels.values():
            await channel.close()
        if self._member is not None:
            await self._member.leave()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set."""
        await self.start()
        try:
            while not stop.is_set():
                await self.step(0.05)
        finally:
            await self.stop()

    def tell(self, fact: Fact) -> None:
        """Take a fact that someone has learned of; it is written as soon as may be."""
        self._told.append(fact)
        self._has_told.set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way or to be written."""
        return not self._under_way and not self._told

    async def step(self, seconds: float = 0.0) -> None:
        """Read what is new, begin what is due, say what is overdue.

        Parameters
        ----------
        seconds
            How long to wait if there is nothing new.
        """
        if self._member is None:
            raise RuntimeError("the sender has not been started")
        if self._writer is not None and self._writer.done():
            await self._writer
        await self._take_up(self._member)
        await self._hear()
        batches = await self._member.read(LIMIT, seconds)
        said: list[Fact] = []
        for partition, batch in batches.items():
            said += await self._offer(unseen(batch, self._seen.setdefault(partition, {})))
        now_us = self._now_us()
        said += self._folded(self.deliveries.overdue(now_us))
        await self._write(said)
        self._begin(now_us)
        if batches:
            await self._member.commit(
                {p: Committed(b[-1].offset + 1, b[-1].timestamp) for p, b in batches.items()}
            )
        if now_us - self._looked_us > FORGET_US:
            self._looked_us = now_us
            self.deliveries.forget(now_us)

    async def _take_up(self, member: Member) -> None:
        """Rebuild what is under way when the messages come to this process, or part of them."""
        turns = dict(member.turns())
        if turns == self._turns:
            return
        await self._drop()
        self._turns = {}
        self.deliveries = Deliveries(self._routes, self._once)
        self._seen = {}
        since = self._since_ms()
        unread: dict[int, int] = {}
        for partition in turns:
            first = await self._log.offset_for_time(ALERTS.name, partition, since)
            committed = await self._log.committed(GROUP, ALERTS.name, partition)
            unread[partition] = max(first, 0 if committed is None else committed.offset)
            records = await self._between(ALERTS.name, partition, first, unread[partition])
            self._know(unseen(records, self._seen.setdefault(partition, {})))
        self._facts_next = await self._log.offset_for_time(FACTS.name, 0, since)
        await self._hear()
        self.deliveries.doubt()
        now_us = self._now_us()
        said: list[Fact] = []
        for each in self.deliveries.parcels():
            said += self._folded(self.deliveries.offer(each, now_us))
        await self._write(said)
        self._restore(now_us)
        if member.turns() == turns:
            for partition, offset in unread.items():
                member.seek(partition, offset)
            self._turns = turns

    def _since_ms(self) -> int:
        return self._now_us() // 1000 - LONGEST // timedelta(milliseconds=1)

    async def _between(self, topic: str, partition: int, first: int, end: int) -> list[Record]:
        found: list[Record] = []
        while first < end and (records := await self._log.read(topic, partition, first, LIMIT)):
            found += [record for record in records if record.offset < end]
            first = records[-1].offset + 1
        return found

    def _know(self, records: Iterable[Record]) -> None:
        for record in records:
            with suppress(ParcelError):  # kept in `rejects` when it first came
                self.deliveries.know(parcel(record))

    def _restore(self, now_us: int) -> None:
        for name, channel in self._channels.items():
            channel.restore(
                [
                    each
                    for each in self.deliveries.parcels()
                    if each.expires_us > now_us
                    and (way := self.deliveries.ways(each.identifier).get(name)) is not None
                    and way.state in ("sent", "delivered")
                ]
            )

    async def _hear(self) -> None:
        """Fold what others have written to `facts`."""
        while records := await self._log.read(FACTS.name, 0, self._facts_next, LIMIT):
            self._fold(records)

    def _fold(self, records: list[Record]) -> None:
        for record in records:
            self._facts_next = max(self._facts_next, record.offset + 1)
            try:
                fact = facts.decode(record.value)
            except _UNREADABLE:  # in the ledger it has an entry of its own
                continue
            self.deliveries.take(fact)
            if self._heard is not None:
                self._heard(fact)

    async def _offer(self, batch: list[Record]) -> list[Fact]:
        said: list[Fact] = []
        bad: list[Output] = []
        for record in batch:
            try:
                message = parcel(record)
            except ParcelError as error:
                bad.append(reject(record, "not a message", str(error)))
                continue
            said += self._folded(self.deliveries.offer(message, self._now_us()))
        if bad:
            await self._log.append(bad)
        return said

    def _folded(self, said: list[Fact]) -> list[Fact]:
        for fact in said:
            self.deliveries.take(fact)
        return said

    def _begin(self, now_us: int) -> None:
        for attempt in self.deliveries.due(now_us):
            task = asyncio.create_task(self._send(attempt))
            self._under_way.add(task)
            task.add_done_callback(partial(self._ended, attempt))

    async def _send(self, attempt: Attempt) -> Outcome:
        try:
            async with asyncio.timeout(attempt.timeout_s):
                return await self._channels[attempt.channel].send(attempt)
        except TimeoutError:
            return Outcome("failed", f"no answer within {attempt.timeout_s:g} s")

    def _ended(self, attempt: Attempt, task: asyncio.Task[Outcome]) -> None:
        """Note how an attempt ended. A fault of ours in one channel is no fault of another."""
        self._under_way.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            _log.error("The channel %s failed", attempt.channel, exc_info=error)
            outcome = Outcome("failed", f"{type(error).__name__}: {error}"[:300])
        else:
            outcome = task.result()
        self.tell(self.deliveries.ended(attempt, outcome, self._now_us()))

    async def _keep_writing(self) -> None:
        """Write what is told, as many at a time as have come together."""
        while True:
            await self._has_told.wait()
            self._has_told.clear()
            await self._flush()

    async def _flush(self) -> None:
        told, self._told = self._told, []
        self._folded(told)
        await self._write(told)

    async def _write(self, said: list[Fact]) -> None:
        if said:
            await self._log.append([facts.output(fact) for fact in said])

    async def _drop(self) -> None:
        """End what is under way: another process sends it now."""
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
