"""Between live sources of readings and the log: what they hand over becomes `observations`."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from ingest.errors import ClockError
from ingest.observations import encode
from ingest.sent import Sorted
from stream.log import Log
from stream.records import Output
from stream.rejects import refuse
from stream.topics import OBSERVATIONS

__all__ = ["ReadingFeed", "ReadingIntake", "take_in_readings"]

FULL = 10_000  # messages
TELL_S = 60.0  # between two lines that say what came
CLOCK_BACK_MS = 1000  # a step back of up to this is waited out


_log = logging.getLogger("alatau.ingest")


class ReadingIntake:
    """A queue of readings that says when each stands in the log.

    Parameters
    ----------
    clock_ms
        The clock that arrivals are told by, ms since 1970 UTC.

    Attributes
    ----------
    counts
        Readings that stand in the log, by ``taken`` or the reason why they were refused.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.counts: Counter[str] = Counter()
        self._clock_ms = clock_ms
        self._waiting: list[tuple[int, Sorted, asyncio.Future[None]]] = []
        self._come = asyncio.Event()
        self._closed = False
        self._number = 0
        self._last_ms = 0

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the log that senders should be turned away."""
        return len(self._waiting) >= FULL

    def offer(self, found: Sorted) -> asyncio.Future[None]:
        """Hand over what came just now; the future is done when it stands in the log.

        If the log fails, or takes no more, the future is cancelled.
        """
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closed:
            settled.cancel()
        else:
            self._waiting.append((self._clock_ms(), found, settled))
            self._come.set()
        return settled

    def close(self) -> None:
        """Say that nothing more will come."""
        self._closed = True
        self._come.set()

    async def serve(self, log: Log) -> None:
        """Append what comes until it is closed and empty.

        Raises
        ------
        ClockError
            If the clock went back by more than a second: every stage takes the newest arrival
            for now.
        LogError
            If the log fails.
        """
        waiting: list[tuple[int, Sorted, asyncio.Future[None]]] = []
        try:
            while self._waiting or not self._closed:
                await self._come.wait()
                self._come.clear()
                waiting, self._waiting = self._waiting, []
                await log.append(
                    [o for at_ms, found, _ in waiting for o in self._outputs(at_ms, found)]
                )
                for _, found, settled in waiting:
                    self.counts["taken"] += len(found.taken)
                    self.counts.update(part.reason for part in found.refused)
                    if not settled.done():
                        settled.set_result(None)
        finally:
            self.close()
            for _, _, settled in waiting + self._waiting:
                settled.cancel()

    def _outputs(self, arrival_ms: int, found: Sorted) -> list[Output]:
        back_ms = self._last_ms - arrival_ms
        if back_ms > CLOCK_BACK_MS:
            raise ClockError(
                f"The clock of this machine went back by {back_ms / 1000:.1f} s. Set it right, "
                "keep it so (NTP), and start again."
            )
        self._last_ms = now_ms = max(self._last_ms, arrival_ms)
        outputs = []
        for observation in found.taken:
            key, value = observation.sensor.encode(), encode(observation)
            outputs.append(Output(OBSERVATIONS.name, key, value, self._number, now_ms))
            self._number += 1
        for part in found.refused:
            outputs.append(
                refuse(
                    part.source,
                    part.reason,
                    part.detail,
                    part.value,
                    number=self._number,
                    arrival_ms=now_ms,
                )
            )
            self._number += 1
        return outputs


class ReadingFeed(Protocol):
    """A live source of readings; after it has ended it may be run again."""

    async def run(self, intake: ReadingIntake, stop: asyncio.Event) -> None:
        """Hand over what comes until a stop is asked for."""
        ...


async def take_in_readings(
    feeds: Sequence[ReadingFeed],
    log: Log,
    stop: asyncio.Event,
    clock_ms: Callable[[], int],
    intake: ReadingIntake | None = None,
) -> None:
    """Append what sources hand over until a stop is asked for.

    Senders are answered when what they sent stands in the log. So this may be called again after
    the log failed: they send again what they were not answered for.

    Parameters
    ----------
    feeds
        The sources.
    log
        Where it goes.
    stop
        Set from outside.
    clock_ms
        See `ReadingIntake`.
    intake
        To look at its counts; None makes one.

    Raises
    ------
    ClockError, LogError
        See `ReadingIntake.serve`.
    ConfigurationError
        If a source cannot begin.
    """
    intake = intake or ReadingIntake(clock_ms)
    running = [asyncio.create_task(feed.run(intake, stop)) for feed in feeds]
    ending = asyncio.gather(*running)
    ending.add_done_callback(lambda _: intake.close())
    telling = asyncio.create_task(_tell(intake))
    try:
        await intake.serve(log)
        await ending
    finally:
        for task in (*running, telling):
            task.cancel()
        await asyncio.gather(ending, telling, *running, return_exceptions=True)


async def _tell(intake: ReadingIntake) -> None:
    """Say now and then what came, if anything did."""
    told: Counter[str] = Counter()
    while True:
        await asyncio.sleep(TELL_S)
        new = intake.counts - told
        told = intake.counts.copy()
        if new:
            _log.info("readings: %s", ", ".join(f"{n} {what}" for what, n in sorted(new.items())))
