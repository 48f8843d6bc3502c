"""Runs all stages in one process beside a source, until a stop is asked for."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta

from stream.log import Log
from stream.operator import Stage
from stream.runner import StageRunner

__all__ = ["beside", "retention", "run", "stop_on_signals"]

IDLE_S = 0.25  # between two looks round when nothing comes
MARGIN = timedelta(minutes=10)


def retention(stages: Sequence[Stage]) -> dict[str, timedelta]:
    """Return, by topic, how much a log must keep: the longest memory of its readers, and more."""
    kept: dict[str, timedelta] = {}
    for stage in stages:
        topic = stage.reads.name
        kept[topic] = max(kept.get(topic, timedelta(0)), stage.make(0).memory + MARGIN)
    return kept


def stop_on_signals(stop: asyncio.Event | None = None) -> asyncio.Event:
    """Let SIGINT or SIGTERM set an event; a second signal ends the process at once.

    Parameters
    ----------
    stop
        The event; a new one where not given.

    Returns
    -------
    asyncio.Event
        It.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def ask() -> None:
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, ask)
    return stop


async def run(
    log: Log,
    stages: Sequence[Stage],
    source: Coroutine[None, None, None],
    look: Callable[[], Awaitable[None]],
) -> None:
    """Run a source and the stages; end when the source has ended and all is dealt with.

    Parameters
    ----------
    log
        What they stand on.
    stages
        Each after those that it reads from.
    source
        Appends to the log; what it raises is raised here, after the rest has been dealt with.
    look
        Called after every round of the stages, and several times a second without one.
    """
    runners = [StageRunner(log, stage) for stage in stages]
    for runner in runners:
        await runner.start()
    coming = asyncio.create_task(source)
    try:
        while True:
            ended = coming.done()
            read = sum([await runner.step() for runner in runners])
            await look()
            if read:
                await asyncio.sleep(0)  # the log in memory never waits: let the source run
            elif ended:
                break
            else:
                await log.wait(IDLE_S)
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError):
            await coming


async def beside(
    main: Coroutine[None, None, None],
    parts: Sequence[Callable[[asyncio.Event], Coroutine[None, None, None]]],
) -> None:
    """Run parts beside what matters, and end them one after the other when it has ended.

    Parameters
    ----------
    main
        When it ends, all ends; what it raises is raised here, and so is what a part raises.
    parts
        Each runs until the event that it is given is set; it may end before.
    """
    ends = [asyncio.Event() for _ in parts]
    tasks = [asyncio.ensure_future(part(end)) for part, end in zip(parts, ends, strict=True)]
    doing = asyncio.ensure_future(main)
    try:
        running = {doing, *tasks}
        while not doing.done():
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        for task, end in zip(tasks, ends, strict=True):
            end.set()
            await task
    finally:
        for task in (doing, *tasks):
            task.cancel()
        await asyncio.gather(doing, *tasks, return_exceptions=True)
