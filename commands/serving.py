"""What commands share that run until they are stopped."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import typer

from commands.brokers import opened
from commands.terminal import FAILED, complaints
from commands.wiring import Configuration
from stream.errors import AlatauError
from stream.log import Log
from stream.metrics import Metrics
from stream.operator import Stage
from stream.pipeline import stop_on_signals
from stream.work import Reading, work

__all__ = ["log_to_stderr", "metrics_on", "reading", "serve"]


def serve(
    configuration: Configuration,
    config: Path | None,
    stages: Sequence[Stage],
    metrics_port: int | None,
    stop: asyncio.Event | None = None,
    beside: Sequence[Callable[[Log], Awaitable[None]]] = (),
) -> None:
    """Run a worker on Kafka until it is stopped."""
    log_to_stderr(())
    metrics = metrics_on(metrics_port)
    open_log = opened(configuration, config)

    async def working() -> None:
        told = stop_on_signals(stop)
        how = reading(configuration)
        await work(open_log, stages, told, beside=beside, metrics=metrics, **how)

    try:
        asyncio.run(working())
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error


def reading(configuration: Configuration) -> Reading:
    """Say how stages read."""
    stale_s = configuration.stream.stale_after_s
    return Reading(
        batch=configuration.stream.batch,
        stale_after=timedelta(seconds=stale_s) if stale_s else None,
    )


def metrics_on(port: int | None) -> Metrics | None:
    """Serve metrics, if a port is named."""
    if port is None:
        return None
    metrics = Metrics()
    metrics.serve(port)
    return metrics


def log_to_stderr(problems: Sequence[str]) -> None:
    """Let the log be seen, and begin it with what is wrong with the metadata."""
    logging.basicConfig(format="%(asctime)s %(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("alatau").setLevel(logging.INFO)
    for problem in problems:
        logging.warning("%s", problem)
