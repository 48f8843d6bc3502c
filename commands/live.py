"""Commands that run until they are stopped: the whole pipeline, or one stage of it."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import typer

from commands.brokers import on_kafka, opened
from commands.terminal import FAILED, Config, Kafka, MetricsPort, Out, complaints, terminal
from commands.wiring import NO_CHANNELS, Configuration, pipeline
from detect.health import Health
from dispatch.outbox import Outbox
from dispatch.rehearsal import rehearse
from dispatch.watch import Watch
from ingest import service
from ingest.channels import ChannelTable
from stream import settings
from stream.errors import AlatauError
from stream.log import Log
from stream.memory import MemoryLog
from stream.metrics import Metrics
from stream.operator import Stage
from stream.pipeline import retention, stop_on_signals
from stream.pipeline import run as run_stages
from stream.work import Reading, work

__all__ = ["detect", "dispatch", "ingest", "locate", "run"]


def run(
    config: Config = None,
    out: Out = None,
    kafka: Kafka = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Follow a network's data as they are recorded, and warn, until Ctrl-C or SIGTERM.

    All stages run in this process: on a log in memory, or on Kafka. Exit code: 0 when stopped,
    1 if it cannot go on, 2 if the configuration cannot be used.
    """
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    live, locate = configuration.ingest.live, configuration.detect.locate
    feeds = service.feeds(configuration.ingest, config)
    channels = service.station_table(live, config)
    _log_to_stderr(channels.problems)
    stages = pipeline(configuration, channels)
    _rehearse(stages, channels)
    clock_ms = service.wall_clock_ms
    health = Health(service.expected_stations(channels, clock_ms()), locate.stations_healthy_s)
    outbox = None if out is None else Outbox(out / "alerts")
    watch = Watch(terminal, health, locate.confirmed_stations, clock_ms, outbox)
    metrics = _metrics(metrics_port)

    async def follow() -> None:
        stop = stop_on_signals()
        sources = ", ".join([live.folder] * bool(live.folder) + _servers(configuration))
        terminal.print(f"Following {sources}; messages are {configuration.dispatch.status}.")
        if configuration.stream.kafka.bootstrap:
            await work(
                opened(configuration, config),
                stages,
                stop,
                beside=[
                    lambda log: service.take_in(feeds, log, stop, pack_ms=live.pack_ms),
                    lambda log: watch.look_on(log, stop),
                ],
                metrics=metrics,
                **_reading(configuration),
            )
        else:
            log = MemoryLog(retention=retention(stages))
            watch.on(log)
            coming = service.take_in(feeds, log, stop, pack_ms=live.pack_ms)
            await run_stages(log, stages, coming, watch.look)

    try:
        asyncio.run(follow())
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error
    finally:
        watch.tell()


def _servers(configuration: Configuration) -> list[str]:
    return [f"SeedLink {server.server}" for server in configuration.ingest.seedlink]


def ingest(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Bring what a live source hands over to `waveforms` on Kafka, until Ctrl-C or SIGTERM."""
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    feeds = service.feeds(configuration.ingest, config)
    pack_ms = configuration.ingest.live.pack_ms
    stop = asyncio.Event()
    _serve(
        configuration,
        config,
        (),
        metrics_port,
        stop,
        [lambda log: service.take_in(feeds, log, stop, pack_ms=pack_ms)],
    )


def detect(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Turn `waveforms` into picks, on Kafka. Any number of these share the partitions."""
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    channels = service.station_table(configuration.ingest.live, config)
    stages = pipeline(configuration, channels)
    _rehearse(stages, channels)
    _serve(configuration, config, [s for s in stages if s.name == "detect"], metrics_port)


def locate(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Turn picks into events, on Kafka. A second one stands by and takes over."""
    _serve_without_channels("locate", config, kafka, metrics_port)


def dispatch(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Turn events into warnings, on Kafka. A second one stands by and takes over."""
    _serve_without_channels("dispatch", config, kafka, metrics_port)


def _rehearse(stages: Sequence[Stage], channels: ChannelTable) -> None:
    """Compile what is compiled on first use; what stays for ever is left out of garbage collection.

    With 10,000 stations a full collection stops everything for a tenth of a second.
    """
    rehearse(stages, channels)
    gc.collect()
    gc.freeze()


def _serve_without_channels(
    name: str, config: Path | None, kafka: str | None, metrics_port: int | None
) -> None:
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    stages = pipeline(configuration, NO_CHANNELS)
    _rehearse(stages, NO_CHANNELS)
    _serve(configuration, config, [s for s in stages if s.name == name], metrics_port)


def _serve(
    configuration: Configuration,
    config: Path | None,
    stages: Sequence[Stage],
    metrics_port: int | None,
    stop: asyncio.Event | None = None,
    beside: Sequence[Callable[[Log], Awaitable[None]]] = (),
) -> None:
    """Run a worker until it is stopped."""
    _log_to_stderr(())
    metrics = _metrics(metrics_port)
    open_log = opened(configuration, config)

    async def serve() -> None:
        told = stop_on_signals(stop)
        reading = _reading(configuration)
        await work(open_log, stages, told, beside=beside, metrics=metrics, **reading)

    try:
        asyncio.run(serve())
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error


def _reading(configuration: Configuration) -> Reading:
    stale_s = configuration.stream.stale_after_s
    return Reading(
        batch=configuration.stream.batch,
        stale_after=timedelta(seconds=stale_s) if stale_s else None,
    )


def _metrics(port: int | None) -> Metrics | None:
    if port is None:
        return None
    metrics = Metrics()
    metrics.serve(port)
    return metrics


def _log_to_stderr(problems: Sequence[str]) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("alatau").setLevel(logging.INFO)
    for problem in problems:
        logging.warning("%s", problem)
