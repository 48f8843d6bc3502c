"""Looks on while a system is hurt: who has which partition, and when something new is said."""

import asyncio
import math
import re
import time
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaError
from msgspec import Struct

from stream.causes import CAUSE
from stream.topics import DETECTIONS, WAVEFORMS

__all__ = ["Resumed", "Watch"]

LOOK_S = 0.1
PLACE = re.compile(rf"{WAVEFORMS.name}/(\d+)/(\d+)/\d+".encode())


class Resumed(Struct, frozen=True):
    """How long the partitions of a dead worker were silent.

    Attributes
    ----------
    noticed_s
        From its death to their being another's.
    rebuilt_s
        From then to the first new value of each.
    """

    noticed_s: float
    rebuilt_s: float


class Watch:
    """Notes, by the clock of this machine, what the stage `detect` does.

    Parameters
    ----------
    bootstrap
        Brokers.
    prefix
        Of the names of topics and groups.
    """

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._holders: list[tuple[float, dict[int, int]]] = []
        self._said: dict[int, list[tuple[float, int]]] = {}
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Look on until cancelled."""
        await asyncio.gather(self._look_at_group(), self._look_at_values())

    async def group(self, stage: str) -> dict[int, list[int]] | None:
        """Return the processes in a stage's group, each with its partitions; None in between."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=3000)
        try:
            await admin.start()
            return await _group(admin, self._prefix + stage)
        except (KafkaError, OSError):
            return None
        finally:
            await admin.close()

    def holds(self, process: int) -> list[int]:
        """Return the partitions that a process has of `waveforms`, as far as is known."""
        if not self._holders:
            return []
        return sorted(p for p, holder in self._holders[-1][1].items() if holder == process)

    async def until_said(self, partitions: Collection[int]) -> None:
        """Wait for the next new value that comes of one of the partitions."""
        before = {p: len(self._said.get(p, ())) for p in partitions}
        async with self._changed:
            await self._changed.wait_for(
                lambda: any(len(self._said.get(p, ())) > count for p, count in before.items())
            )

    async def until_left(self, process: int) -> None:
        """Wait until a process has no partition any more, and others have them."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.holds(process))

    def resumed(self, process: int, died: float, partitions: list[int]) -> Resumed | None:
        """Tell how long partitions were silent after a process died; None if they still are.

        Parameters
        ----------
        process
            That had them.
        died
            When, by `time.monotonic`.
        partitions
            At least one.
        """
        others = [
            next(
                (at for at, held in self._holders if at > died and held.get(p, process) != process),
                None,
            )
            for p in partitions
        ]
        if None in others:
            return None
        noticed = max(at for at in others if at is not None)
        first = [
            next((seen for seen, _ in self._said.get(p, ()) if seen > noticed), None)
            for p in partitions
        ]
        if None in first:
            return None
        spoke = max(t for t in first if t is not None)
        return Resumed(round(noticed - died, 2), round(spoke - noticed, 2))

    def most_late_s(self, due: Callable[[int], float], begin: float, end: float) -> float:
        """Return by how much the latest of the new values came late that were seen in a time.

        Parameters
        ----------
        due
            Tells when, by `time.monotonic`, what arrived at a time (ms since 1970 UTC) was sent.
        begin, end
            Of the time, by `time.monotonic`.
        """
        late = [
            seen - due(arrival_ms)
            for values in self._said.values()
            for seen, arrival_ms in values
            if begin <= seen <= end
        ]
        return max(late, default=0.0)

    def first_after(self, time_s: float) -> float:
        """Return when the first new value was seen after a time; infinity if none was."""
        seen = (seen for values in self._said.values() for seen, _ in values if seen > time_s)
        return min(seen, default=math.inf)

    async def _look_at_group(self) -> None:
        while True:
            async with AsyncExitStack() as stack:
                admin = AIOKafkaAdminClient(
                    bootstrap_servers=self._bootstrap, request_timeout_ms=3000
                )
                stack.push_async_callback(admin.close)
                try:
                    await admin.start()
                    while True:
                        group = await _group(admin, self._prefix + "detect")
                        if group is not None:
                            held = {p: pid for pid, ps in group.items() for p in ps}
                            if not self._holders or held != self._holders[-1][1]:
                                self._holders.append((time.monotonic(), held))
                                await self._tell()
                        await asyncio.sleep(LOOK_S)
                except (KafkaError, OSError):
                    await asyncio.sleep(1.0)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _look_at_values(self) -> None:
        newest: dict[int, int] = {}
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )
        consumer.assign([TopicPartition(self._prefix + DETECTIONS.name, 0)])
        await consumer.start()
        try:
            while True:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    now = time.monotonic()
                    for record in records:
                        found = PLACE.fullmatch(dict(record.headers).get(CAUSE, b""))
                        if found is None:
                            continue
                        partition, offset = int(found[1]), int(found[2])
                        if offset > newest.get(partition, -1):
                            newest[partition] = offset
                            self._said.setdefault(partition, []).append((now, record.timestamp))
                    await self._tell()
        finally:
            await consumer.stop()


async def _group(admin: AIOKafkaAdminClient, name: str) -> dict[int, list[int]] | None:
    """Return the processes in a group, each with its partitions; None while it is not settled."""
    (answer,) = await admin.describe_consumer_groups([name])
    ((_, _, state, _, _, members, *_),) = answer.groups
    if state != "Stable":
        return None
    group = {}
    for member in members:
        client = next(each for each in member[1:] if str(each).startswith("alatau-"))
        held = ConsumerProtocol.ASSIGNMENT.decode(member[-1])
        group[int(client.rsplit("-", 1)[1])] = [p for _, ps in held.assignment for p in ps]
    return group
