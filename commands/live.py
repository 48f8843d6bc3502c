"""Commands that run until they are stopped: the whole pipeline, or one stage of it."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import typer

from commands.brokers import on_kafka, opened
from commands.deliveries import Delivering, delivering, now_us, ways
from commands.sensors import name_mute, reading_feeds
from commands.serving import log_to_stderr, metrics_on, reading, serve
from commands.terminal import FAILED, Config, Kafka, MetricsPort, Out, complaints, terminal
from commands.wiring import (
    NO_CHANNELS,
    Configuration,
    folder,
    needs_people,
    pipeline,
    sensors,
)
from detect.hazards import files as hazard_files
from detect.health import Health
from dispatch.keeper import keep
from dispatch.ledger_file import LedgerFile
from dispatch.outbox import Outbox
from dispatch.rehearsal import rehearse
from dispatch.sensor_sources import watch_sensors
from dispatch.sources import watch_sources
from dispatch.watch import Watch
from ingest import service
from ingest.channels import ChannelTable
from ingest.reading_intake import ReadingFeed, take_in_readings
from ingest.sensors import Sensor
from stream import settings
from stream.errors import AlatauError, ConfigurationError
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.pipeline import beside, retention, stop_on_signals
from stream.pipeline import run as run_stages
from stream.settings import misfit
from stream.work import work

__all__ = ["detect", "dispatch", "hazards", "ingest", "locate", "run"]


def run(
    config: Config = None,
    out: Out = None,
    kafka: Kafka = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Follow a network's data as they are recorded, and warn, until Ctrl-C or SIGTERM.

    All stages run in this process, and what delivers to the receivers in [delivery]: on a log in
    memory, or on Kafka. Exit code: 0 when stopped, 1 if it cannot go on, 2 if the configuration
    cannot be used.
    """
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    live, locate = configuration.ingest.live, configuration.detect.locate
    feeds = service.feeds(configuration.ingest, config)
    channels = service.station_table(live, config)
    log_to_stderr(channels.problems)
    stages = pipeline(configuration, channels, config)
    to = delivering(configuration, config)
    _rehearse(stages, channels)
    clock_ms = service.wall_clock_ms
    outbox = None if out is None else Outbox(out / "alerts")
    health = partial(_health, configuration, channels)
    watched = hazard_files.load(configuration.detect.hazards, folder(config))
    others = watched.sensors
    name_mute(watched.mute)
    readings = reading_feeds(configuration.ingest, config, tuple(others))
    watch = Watch(terminal, health(), locate.confirmed_stations, clock_ms, outbox)
    metrics = metrics_on(metrics_port)

    async def follow() -> None:
        stop = stop_on_signals()
        sources = ", ".join([live.folder] * bool(live.folder) + _servers(configuration))
        terminal.print(f"Following {sources}; messages are {configuration.dispatch.status}.")
        terminal.print(ways(configuration), markup=False)
        if configuration.stream.kafka.bootstrap:
            more = [] if to is None else [lambda log: to(log, stop)]
            if readings:
                more.append(lambda log: take_in_readings(readings, log, stop, clock_ms))
            await work(
                opened(configuration, config),
                stages,
                stop,
                beside=[
                    lambda log: service.take_in(feeds, log, stop, pack_ms=live.pack_ms),
                    lambda log: watch.look_on(log, stop),
                    lambda log: watch_sources(log, health(), now_us, stop),
                    lambda log: watch_sensors(log, others, now_us, stop),
                    lambda log: keep(log, stop),
                    *more,
                ],
                metrics=metrics,
                **reading(configuration),
            )
        else:
            log = MemoryLog(retention=retention(stages))
            watch.on(log)
            coming = service.take_in(feeds, log, stop, pack_ms=live.pack_ms)
            main = run_stages(log, stages, coming, watch.look)
            ledger = None if out is None else _ledger_file(out)
            if needs_people(configuration):
                terminal.print("Two people can release messages on Kafka alone: here they lapse.")
            await beside(main, _parts(log, to, health(), others, readings, ledger))

    try:
        asyncio.run(follow())
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error
    finally:
        watch.tell()


def _health(configuration: Configuration, channels: ChannelTable) -> Health:
    expected = service.expected_stations(channels, service.wall_clock_ms())
    return Health(expected, configuration.detect.locate.stations_healthy_s)


def _ledger_file(out: Path) -> LedgerFile:
    """Begin a ledger of this run's own: the log in memory ends with it."""
    ledger = LedgerFile(out / "ledger" / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%f}Z.jsonl")
    terminal.print(f"The ledger is {ledger.path}", markup=False)
    return ledger


def _parts(
    log: MemoryLog,
    to: Delivering | None,
    health: Health,
    others: Sequence[Sensor],
    readings: Sequence[ReadingFeed],
    ledger: LedgerFile | None,
) -> list[Callable[[asyncio.Event], Coroutine[None, None, None]]]:
    """Return what runs beside the stages, in the order in which it is ended.

    What tells facts ends before the keeper, and the keeper before its ledger is closed.
    """
    parts: list[Callable[[asyncio.Event], Coroutine[None, None, None]]] = []
    if readings:
        parts.append(lambda stop: take_in_readings(readings, log, stop, service.wall_clock_ms))
    if to is not None:
        parts.append(partial(to, log))
    parts += [
        partial(watch_sources, log, health, now_us),
        partial(watch_sensors, log, others, now_us),
        partial(keep, log),
    ]
    if ledger is not None:
        parts.append(partial(ledger.follow, log))
    return parts


def _servers(configuration: Configuration) -> list[str]:
    return [f"SeedLink {server.server}" for server in configuration.ingest.seedlink]


def ingest(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Bring what a live source hands over to `waveforms` on Kafka, until Ctrl-C or SIGTERM."""
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    feeds = service.feeds(configuration.ingest, config)
    pack_ms = configuration.ingest.live.pack_ms
    stop = asyncio.Event()
    serve(
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
    stages = pipeline(configuration, channels, config)
    _rehearse(stages, channels)
    serve(configuration, config, [s for s in stages if s.name == "detect"], metrics_port)


def locate(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Turn picks into events, on Kafka. A second one stands by and takes over."""
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    stages = pipeline(configuration, NO_CHANNELS, config)
    _rehearse(stages, NO_CHANNELS)
    serve(configuration, config, [s for s in stages if s.name == "locate"], metrics_port)


def hazards(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Turn readings of other sensors into events, on Kafka. A second one stands by."""
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    stages = [s for s in pipeline(configuration, NO_CHANNELS, config) if s.name == "hazards"]
    if not stages:
        raise misfit(
            config,
            ("detect", "hazards", "sensors"),
            "there is nothing to watch for",
            "Name files of sensors, valleys or cascades in [detect.hazards], or set tremors.",
        )
    name_mute(hazard_files.load(configuration.detect.hazards, folder(config)).mute)
    serve(configuration, config, stages, metrics_port)


def dispatch(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Turn events into warnings and keep the ledger, on Kafka. A second one stands by.

    It also sends what two people have released, and tells the ledger how the sources are: those
    of the StationXML in [ingest.live], or, where none can be read, all that have been heard; and
    the sensors of other hazards.
    """
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    channels = _channels_if_any(configuration, config)
    stages = pipeline(configuration, NO_CHANNELS, config)
    _rehearse(stages, NO_CHANNELS)
    others = sensors(configuration, config)
    stop = asyncio.Event()
    serve(
        configuration,
        config,
        [s for s in stages if s.name in ("dispatch", "release")],
        metrics_port,
        stop,
        [
            lambda log: watch_sources(log, _health(configuration, channels), now_us, stop),
            lambda log: watch_sensors(log, others, now_us, stop),
            lambda log: keep(log, stop),
        ],
    )


def _channels_if_any(configuration: Configuration, config: Path | None) -> ChannelTable:
    """Read the metadata if it is there: that a station is silent must not silence a warning."""
    if not configuration.ingest.live.stations:
        return NO_CHANNELS
    try:
        return service.station_table(configuration.ingest.live, config)
    except ConfigurationError as error:
        complaints.print(
            f"{error}\nWarnings go on; of sources, only those that are heard are counted.",
            style="red",
            markup=False,
        )
        return NO_CHANNELS


def _rehearse(stages: Sequence[Stage], channels: ChannelTable) -> None:
    """Compile what is compiled on first use; what stays for ever is left out of garbage collection.

    With 10,000 stations a full collection stops everything for a tenth of a second.
    """
    rehearse(stages, channels)
    gc.collect()
    gc.freeze()
