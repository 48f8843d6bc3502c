"""Runs stages as a worker on a log that others share, until a stop is asked for.

Stages wait for nothing but the log, each in a task of its own. If the log fails, the worker
closes it, waits a little and begins anew: it reads back its state, and loses nothing.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import timedelta
from typing import TypedDict

from stream.log import Log, LogError
from stream.metrics import Metrics
from stream.operator import Stage
from stream.runner import StageRunner

__all__ = ["Reading", "work"]

WAIT_S = 0.25  # for the first record; a stop is heard between two waits
COMMIT_S = 0.2  # a commit costs as much as a write, and would delay the next batch each time
PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0

_log = logging.getLogger("alatau.stream")


class Reading(TypedDict):
    """How stages read; see `StageRunner`."""

    batch: int
    stale_after: timedelta | None


async def work(
    opened: Callable[[], AbstractAsyncContextManager[Log]],
    stages: Sequence[Stage],
    stop: asyncio.Event,
    *,
    beside: Sequence[Callable[[Log], Awaitable[None]]] = (),
    batch: int = 1000,
    stale_after: timedelta | None = None,
    metrics: Metrics | None = None,
) -> None:
    """Run stages until `stop` is set; begin anew whenever the log fails.

    Parameters
    ----------
    opened
        Opens the log, and closes it.
    stages
        What this worker does.
    stop
        Set from outside. What has been read is dealt with first.
    beside
        Run together with the stages, such as a source; each ends by itself after `stop`.
    batch, stale_after
        See `StageRunner`; a stage that keeps all skips nothing.
    metrics
        Where the stages count.
    """
    pause_s = PAUSE_S
    while not stop.is_set():
        began = time.monotonic()
        try:
            async with opened() as log:
                runners = [
                    StageRunner(
                        log,
                        stage,
                        limit=batch,
                        stale_after=None if stage.keeps_all else stale_after,
                        commit_every_s=COMMIT_S,
                        meter=None if metrics is None else metrics.stage(stage.name),
                    )
                    for stage in stages
                ]
                await _together(
                    [_run(runner, stop) for runner in runners] + [each(log) for each in beside]
                )
        except LogError as error:
            if time.monotonic() - began > 2 * LONGEST_PAUSE_S:
                pause_s = PAUSE_S
            _log.error("%s. Beginning anew in %.0f s.", error, pause_s)
        else:
            return
        if metrics is not None:
            metrics.restarts.inc()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _run(runner: StageRunner, stop: asyncio.Event) -> None:
    await runner.start()
    try:
        while not stop.is_set():
            await runner.step(WAIT_S)
    finally:
        with suppress(LogError):
            await runner.stop()


async def _together(all_of: Sequence[Awaitable[None]]) -> None:
    """Run until all have ended; when one fails the others are stopped and its error raised."""
    tasks = [asyncio.ensure_future(each) for each in all_of]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
