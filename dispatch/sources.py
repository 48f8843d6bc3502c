"""Tells the ledger, and all who show warnings, how the sources are."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec

from detect import detections
from detect.detections import Pick
from detect.health import Health, HealthCount
from dispatch import facts
from dispatch.facts import Sources
from stream.log import Log
from stream.reader import Reader
from stream.topics import DETECTIONS

__all__ = ["SourceWatch", "watch_sources"]

LOOK_S = 0.5
EVERY_US = 10_000_000  # between two facts while nothing changes
LEAST_US = 1_000_000  # between two facts, whatever changes
BACK_MS = 60_000  # of reports are read at the start

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class SourceWatch:
    """Reads `detections`, counts stations, and writes `Sources` to `facts`.

    Parameters
    ----------
    log
        Where both are.
    health
        Of the stations that are expected.
    now_us
        The clock: microseconds since 1970 UTC.
    """

    def __init__(self, log: Log, health: Health, now_us: Callable[[], int]) -> None:
        self._log = log
        self._health = health
        self._now_us = now_us
        self._reader = Reader(log, DETECTIONS)
        self._told_us = 0
        self._told: HealthCount | None = None

    async def start(self) -> None:
        """Begin with what has been reported of late: a start is no silence."""
        now_ms = self._now_us() // 1000
        since = {
            (DETECTIONS.name, partition): await self._log.offset_for_time(
                DETECTIONS.name, partition, now_ms - BACK_MS
            )
            for partition in range(self._log.partitions(DETECTIONS.name))
        }
        self._reader = Reader(self._log, DETECTIONS, since)

    async def step(self) -> None:
        """Read what is new, and tell how the sources are if it is time to."""
        for record in await self._reader.fresh():
            with suppress(*_UNREADABLE):
                said = detections.decode(record.value)
                if not isinstance(said, Pick):
                    self._health.fold(said, record.timestamp)
        now_us = self._now_us()
        count = self._health.count(now_us // 1000)
        waited_us = now_us - self._told_us
        if waited_us < (EVERY_US if count == self._told else LEAST_US):
            return
        self._told_us, self._told = now_us, count
        told = Sources(
            at_us=now_us,
            healthy=count.healthy,
            late=count.late,
            warming=count.warming,
            faulty=count.faulty,
            silent=count.silent,
        )
        await self._log.append([facts.output(told)])


async def watch_sources(
    log: Log, health: Health, now_us: Callable[[], int], stop: asyncio.Event
) -> None:
    """Tell how the sources are until `stop` is set; runs beside the stages of a worker."""
    watch = SourceWatch(log, health, now_us)
    await watch.start()
    while not stop.is_set():
        await watch.step()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_S)
