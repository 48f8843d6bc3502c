"""Between live sources and the log: packs what came together, and makes sources wait.

What a digitizer sends within milliseconds becomes one value of its station. A log that is slow
fills the intake up to its bound; then sources are not read on, and the servers keep their data.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from ingest.arrivals import Arrivals, Mark, Unread

__all__ = ["Feed", "Intake", "batches"]

INTAKE_BYTES = 8 * 1024 * 1024
VALUE_BYTES = 256 * 1024  # of one station in one batch: well below what a log takes as a value


def batches(
    arrivals: Sequence[Arrivals], pack_ms: int, value_bytes: int = VALUE_BYTES
) -> list[Arrivals]:
    """Join what came within a few milliseconds.

    Parameters
    ----------
    arrivals
        In the order in which they came.
    pack_ms
        What came up to so much later (ms) than the first of a batch belongs to it.
    value_bytes
        A station with more than this makes another batch, unless it came at once.

    Returns
    -------
    list of Arrivals
        The arrival of each is that of its last part.
    """
    joined: list[Arrivals] = []
    parts: list[Arrivals] = []
    sizes: dict[str, int] = {}
    for part in arrivals:
        if parts:
            since_ms = part.arrival_ms - parts[0].arrival_ms
            full = any(sizes.get(s, 0) + len(v) > value_bytes for s, v in part.values)
            if full or not 0 <= since_ms <= pack_ms:
                joined.append(_join(parts))
                parts, sizes = [], {}
        parts.append(part)
        for station, value in part.values:
            sizes[station] = sizes.get(station, 0) + len(value)
    if parts:
        joined.append(_join(parts))
    return joined


def _join(parts: Sequence[Arrivals]) -> Arrivals:
    if len(parts) == 1:
        return parts[0]
    values: dict[str, list[bytes]] = {}
    unread: list[Unread] = []
    marks: list[Mark] = []
    for part in parts:
        for station, value in part.values:
            values.setdefault(station, []).append(value)
        unread += part.unread
        marks += part.marks
    return Arrivals(
        max(part.arrival_ms for part in parts),
        tuple((station, b"".join(values[station])) for station in sorted(values)),
        tuple(unread),
        sum(part.behind_bytes for part in parts),
        tuple(marks),
    )


class Intake:
    """A queue, bounded in bytes, whose content is packed.

    Parameters
    ----------
    pack_ms
        How long (ms) the first that came waits for others.
    limit_bytes
        So much is held at most, until it stands in the log.

    Attributes
    ----------
    settled
        Everything up to this ticket stands in the log.
    held_bytes
        What is held now.
    """

    def __init__(self, pack_ms: int = 0, limit_bytes: int = INTAKE_BYTES) -> None:
        self.settled = 0
        self.held_bytes = 0
        self._pack_ms = pack_ms
        self._limit_bytes = limit_bytes
        self._waiting: list[Arrivals] = []
        self._tickets = 0
        self._first_s = 0.0
        self._closed = False
        self._come = asyncio.Event()
        self._flush = asyncio.Event()
        self._dealt = asyncio.Event()

    async def put(self, arrivals: Arrivals, *, flush: bool = False) -> int:
        """Hand over; waits while the intake is full.

        Parameters
        ----------
        arrivals
            What came.
        flush
            Whether nothing else is expected to come with it.

        Returns
        -------
        int
            Its ticket; they grow.
        """
        size = arrivals.size
        while self.held_bytes and self.held_bytes + size > self._limit_bytes:
            self._flush.set()
            await self._deal()
        if not self._waiting:
            self._first_s = time.monotonic()
        self._waiting.append(arrivals)
        self.held_bytes += size
        self._tickets += 1
        if flush:
            self._flush.set()
        self._come.set()
        return self._tickets

    async def settle(self, ticket: int) -> None:
        """Wait until what has a ticket stands in the log."""
        while self.settled < ticket:
            await self._deal()

    async def _deal(self) -> None:
        self._dealt.clear()
        await self._dealt.wait()

    def close(self) -> None:
        """Say that nothing more will come."""
        self._closed = True
        self._come.set()
        self._flush.set()

    async def serve(self, deal: Callable[[list[Arrivals]], Awaitable[None]]) -> None:
        """Deal with what comes, packed, until it is closed and empty.

        Parameters
        ----------
        deal
            Given one or several batches; what it raises is raised here.
        """
        while True:
            await self._come.wait()
            if not self._waiting:
                if self._closed:
                    return
                self._come.clear()
                continue
            await self._pack()
            waiting, self._waiting = self._waiting, []
            ticket = self._tickets
            self._come.clear()
            self._flush.clear()
            if self._closed:
                self.close()
            await deal(batches(waiting, self._pack_ms))
            self.held_bytes -= sum(arrivals.size for arrivals in waiting)
            self.settled = ticket
            self._dealt.set()

    async def _pack(self) -> None:
        """Wait for what comes with the first one."""
        left_s = self._first_s + self._pack_ms / 1000 - time.monotonic()
        if left_s > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._flush.wait()
            except TimeoutError:
                return


class Feed(Protocol):
    """A live source that hands over by itself."""

    async def run(self, intake: Intake, stop: asyncio.Event) -> None:
        """Hand over what comes until a stop is asked for."""
        ...
