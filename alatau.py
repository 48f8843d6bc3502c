"""Alatau on one page: which stage is wired to which topic, and the command line.

::

    waveforms -> detect -> detections -> locate -> events -> dispatch -> alerts

Every stage is a fold over a partition of the topic that it reads. The log between them is in the
process, or it is Kafka; a stage cannot tell which.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from detect import traveltimes
from detect.health import Health
from detect.locator import LocateOperator
from detect.picker import PickOperator
from detect.settings import DetectSettings
from dispatch import places
from dispatch.outbox import Outbox
from dispatch.rehearsal import rehearse
from dispatch.service import DispatchOperator, country_topic
from dispatch.settings import DispatchSettings
from dispatch.watch import Watch
from ingest import service
from ingest.channels import ChannelTable
from ingest.settings import IngestSettings
from ingest.sources import archive
from ingest.sources.archive import ARRIVALS, Recording
from stream import settings
from stream.errors import AlatauError
from stream.kafka_settings import StreamSettings
from stream.layout import differences, layouts
from stream.log import Log
from stream.memory import MemoryLog
from stream.metrics import Metrics
from stream.operator import Stage
from stream.pipeline import retention, stop_on_signals
from stream.pipeline import run as run_stages
from stream.settings import Settings
from stream.topics import DETECTIONS, EVENTS, WAVEFORMS
from stream.work import Reading, work

if TYPE_CHECKING:
    from stream.kafka import KafkaLog

__all__ = ["Configuration", "main", "pipeline"]

NO_CHANNELS = ChannelTable({}, {}, ())
USAGE_ERROR = 2
FAILED = 1

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Earthquake early warning: seismic streams in, warnings (CAP 1.2) out.",
)
config_app = typer.Typer(no_args_is_help=True, help="Show or check a configuration.")
topics_app = typer.Typer(no_args_is_help=True, help="Make or check the topics on Kafka.")
app.add_typer(config_app, name="config")
app.add_typer(topics_app, name="topics")

terminal = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)


class Configuration(Settings, frozen=True):
    """All settings, room by room."""

    stream: StreamSettings = StreamSettings()
    ingest: IngestSettings = IngestSettings()
    detect: DetectSettings = DetectSettings()
    dispatch: DispatchSettings = DispatchSettings()


def pipeline(configuration: Configuration, channels: ChannelTable) -> list[Stage]:
    """Wire the stages, each after the one that it reads from.

    Parameters
    ----------
    configuration
        All settings.
    channels
        Station metadata.
    """
    detect = configuration.detect
    tables = traveltimes.load(detect.locate.model)
    towns = places.load()
    return [
        Stage(
            "detect",
            WAVEFORMS,
            lambda partition: PickOperator(partition, channels, detect, configuration.ingest),
        ),
        Stage("locate", DETECTIONS, lambda _: LocateOperator(detect, tables)),
        Stage(
            "dispatch", EVENTS, lambda _: DispatchOperator(configuration.dispatch, towns, tables)
        ),
    ]


Folders = Annotated[
    list[Path],
    typer.Argument(help="Folders with *.mseed, StationXML and, optionally, packets.csv.gz."),
]
Config = Annotated[
    Path | None, typer.Option("--config", help="Configuration (TOML); see `alatau config show`.")
]
Latency = Annotated[
    str | None,
    typer.Option(
        help="Seconds from the end of a packet to its arrival, or `recorded` (packets.csv.gz). "
        "Default: recorded where there is a record, else the configuration's.",
        metavar="SECONDS|recorded",
    ),
]
Json = Annotated[Path | None, typer.Option("--json", help="Write the results as JSON here.")]


def _read(folder: Path, latency: str | None, ingest: IngestSettings) -> Recording:
    """Read a folder with the latency that was asked for."""
    seconds: float | None = ingest.latency_s
    if latency == "recorded" or (latency is None and (folder / ARRIVALS).is_file()):
        seconds = None
    elif latency is not None:
        seconds = _seconds(latency)
    return archive.read(folder, latency_s=seconds, packet_s=ingest.packet_s)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise typer.BadParameter(
            f"{text!r} is neither a number of seconds nor `recorded`", param_hint="--latency"
        )
    return seconds


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise typer.BadParameter(
            f"{text!r} is neither `max` nor a positive number", param_hint="--speed"
        )
    return speed


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=complaints,
        transient=True,
    )


@app.command()
def replay(
    folders: Folders,
    config: Config = None,
    latency: Latency = None,
    speed: Annotated[str, typer.Option(help="Times real time, or `max`.", metavar="max|N")] = "max",
    out: Annotated[
        Path | None,
        typer.Option(help="Write CAP messages, QuakeML, JSON report and picture here."),
    ] = None,
    json: Json = None,
) -> None:
    """Play recordings through the whole pipeline and print what would have been said, and when.

    The catalogue is never read. Exit code: 0, or 1 if a folder could not be replayed.
    """
    from replay import report, session, timeline  # with obspy and matplotlib: slow to import
    from replay.products import write

    configuration = settings.load(config, Configuration)
    pace = _speed(speed)
    outcomes = []
    failed = False
    for folder in folders:
        try:
            with _progress() as progress:
                task = progress.add_task(f"Replaying {folder.name}", total=None)
                recording = _read(folder, latency, configuration.ingest)
                outcome = asyncio.run(
                    session.replay(
                        recording,
                        pipeline(configuration, recording.channels),
                        speed=pace,
                        progress=lambda done, total: progress.update(
                            task,  # noqa: B023
                            completed=done,
                            total=total,
                        ),
                    )
                )
        except AlatauError as error:
            complaints.print(str(error), style="red", markup=False)
            failed = True
            continue
        timeline.print_timeline(outcome, terminal)
        if out is not None:
            there = out if len(folders) == 1 else out / folder.name
            write(there, outcome, recording, traveltimes.load(configuration.detect.locate.model))
            terminal.print(f"Written to {there}/", markup=False)
        outcomes.append(outcome)
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_bytes(report.encode([report.report(o) for o in outcomes]))
    if failed:
        raise typer.Exit(FAILED)


@app.command()
def score(
    folders: Folders,
    config: Config = None,
    latency: Latency = None,
    json: Json = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the scores here (PNG).")] = None,
) -> None:
    """Replay recordings and compare with their catalogue (event.quakeml; none means noise).

    Exit code: 0, or 1 if a folder could not be scored. A bad score is no error.
    """
    from replay import catalogue, session, table
    from replay import score as scoring
    from replay.score_picture import save

    configuration = settings.load(config, Configuration)
    tables = traveltimes.load("ak135")
    scores = []
    failed = False
    with _progress() as progress:
        task = progress.add_task("Scoring", total=len(folders))
        for folder in folders:
            progress.update(task, description=f"Scoring {folder.name}")
            try:
                recording = _read(folder, latency, configuration.ingest)
                outcome = asyncio.run(
                    session.replay(recording, pipeline(configuration, recording.channels))
                )
                scores.append(scoring.score(outcome, recording, catalogue.read(folder), tables))
            except AlatauError as error:
                complaints.print(str(error), style="red", markup=False)
                failed = True
            progress.advance(task)
    if scores:
        table.print_scores(scores, terminal)
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_bytes(scoring.encode(scores))
    if picture is not None and scores:
        picture.parent.mkdir(parents=True, exist_ok=True)
        save(scores, picture)
    if failed:
        raise typer.Exit(FAILED)


Kafka = Annotated[
    str | None,
    typer.Option(
        "--kafka",
        metavar="HOST:PORT",
        help="Kafka brokers; default is stream.kafka.bootstrap of the configuration.",
    ),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(help="Serve metrics for Prometheus on this port.", min=1, max=65535),
]
Out = Annotated[
    Path | None, typer.Option(help="Write each CAP message to OUT/alerts/ as it is sent.")
]


@app.command()
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
    configuration = _on_kafka(settings.load(config, Configuration), kafka)
    live, locate = configuration.ingest.live, configuration.detect.locate
    source = service.folder_source(live, config)
    channels = service.station_table(live, config)
    _log_to_stderr(channels.problems)
    stages = pipeline(configuration, channels)
    rehearse(stages, channels)
    clock_ms = service.wall_clock_ms
    health = Health(service.expected_stations(channels, clock_ms()), locate.stations_healthy_s)
    outbox = None if out is None else Outbox(out / "alerts")
    watch = Watch(terminal, health, locate.confirmed_stations, clock_ms, outbox)
    metrics = _metrics(metrics_port)

    async def follow() -> None:
        stop = stop_on_signals()
        terminal.print(f"Following {live.folder}; messages are {configuration.dispatch.status}.")
        if configuration.stream.kafka.bootstrap:
            await work(
                _opened(configuration, config),
                stages,
                stop,
                beside=[
                    lambda log: service.follow(source, log, live.poll_s, stop),
                    lambda log: watch.look_on(log, stop),
                ],
                metrics=metrics,
                **_reading(configuration),
            )
        else:
            log = MemoryLog(retention=retention(stages))
            watch.on(log)
            coming = service.follow(source, log, live.poll_s, stop)
            await run_stages(log, stages, coming, watch.look)

    try:
        asyncio.run(follow())
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error
    finally:
        watch.tell()


@app.command()
def ingest(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Bring what a live source hands over to `waveforms` on Kafka, until Ctrl-C or SIGTERM."""
    configuration = _on_kafka(settings.load(config, Configuration), kafka)
    live = configuration.ingest.live
    source = service.folder_source(live, config)
    stop = asyncio.Event()
    _serve(
        configuration,
        config,
        (),
        metrics_port,
        stop,
        [lambda log: service.follow(source, log, live.poll_s, stop)],
    )


@app.command()
def detect(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Turn `waveforms` into picks, on Kafka. Any number of these share the partitions."""
    configuration = _on_kafka(settings.load(config, Configuration), kafka)
    channels = service.station_table(configuration.ingest.live, config)
    stages = pipeline(configuration, channels)
    rehearse(stages, channels)
    _serve(configuration, config, [s for s in stages if s.name == "detect"], metrics_port)


@app.command()
def locate(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Turn picks into events, on Kafka. A second one stands by and takes over."""
    _serve_without_channels("locate", config, kafka, metrics_port)


@app.command()
def dispatch(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Turn events into warnings, on Kafka. A second one stands by and takes over."""
    _serve_without_channels("dispatch", config, kafka, metrics_port)


def _serve_without_channels(
    name: str, config: Path | None, kafka: str | None, metrics_port: int | None
) -> None:
    configuration = _on_kafka(settings.load(config, Configuration), kafka)
    stages = pipeline(configuration, NO_CHANNELS)
    rehearse(stages, NO_CHANNELS)
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
    opened = _opened(configuration, config)

    async def serve() -> None:
        told = stop_on_signals(stop)
        reading = _reading(configuration)
        await work(opened, stages, told, beside=beside, metrics=metrics, **reading)

    try:
        asyncio.run(serve())
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error


def _on_kafka(configuration: Configuration, kafka: str | None) -> Configuration:
    """Put the brokers of the command line in place of those of the configuration."""
    if kafka is None:
        return configuration
    there = replace(configuration.stream.kafka, bootstrap=kafka)
    return replace(configuration, stream=replace(configuration.stream, kafka=there))


def _opened(
    configuration: Configuration, config: Path | None
) -> Callable[[], AbstractAsyncContextManager["KafkaLog"]]:
    from stream.kafka import KafkaLog  # with aiokafka: not needed for the log in memory

    kafka = configuration.stream.kafka
    if not kafka.bootstrap:
        raise settings.misfit(
            config,
            ("stream", "kafka", "bootstrap"),
            "no Kafka brokers are named",
            "Give --kafka HOST:PORT, or write [stream.kafka] with bootstrap into a file.",
        )
    folder = Path() if config is None else config.parent
    return lambda: KafkaLog.opened(kafka, folder)


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


@topics_app.command("create")
def topics_create(config: Config = None, kafka: Kafka = None) -> None:
    """Make the topics that are not there yet. What is there is left as it is."""
    _say_topics(config, kafka, create=True)


@topics_app.command("check")
def topics_check(config: Config = None, kafka: Kafka = None) -> None:
    """Check partitions, replication and retention. Exit code: 0 if all is well, else 1."""
    _say_topics(config, kafka, create=False)


def _say_topics(config: Path | None, kafka: str | None, *, create: bool) -> None:
    configuration = _on_kafka(settings.load(config, Configuration), kafka)
    stages = pipeline(configuration, NO_CHANNELS)
    memories = {stage.reads.name: stage.make(0).memory for stage in stages}
    wanted = layouts(
        configuration.stream.kafka, memories, map(country_topic, sorted(places.countries()))
    )
    opened = _opened(configuration, config)

    async def say() -> bool:
        wrong = False
        async with opened() as log:
            if create:
                made = await log.create(wanted)
                terminal.print(f"{len(made)} topics made, {len(wanted) - len(made)} were there.")
            found = await log.describe([layout.name for layout in wanted])
        for layout in wanted:
            for problem in differences(layout, found.get(layout.name)):
                terminal.print(f"{layout.name} {problem}", style="red", markup=False)
                wrong = True
        return wrong

    try:
        wrong = asyncio.run(say())
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error
    if wrong:
        raise typer.Exit(FAILED)
    terminal.print("All topics are as they should be.")


@config_app.command("show")
def config_show() -> None:
    """Print the reference configuration: every setting, what it means, and its default."""
    sys.stdout.write(settings.reference(Configuration))


@config_app.command("check")
def config_check(
    file: Annotated[Path, typer.Argument(help="The configuration to check.")],
) -> None:
    """Check a configuration. Exit code: 0 if it can be used, else 2 and the line that is wrong."""
    settings.load(file, Configuration)
    terminal.print(f"{file} can be used.", markup=False)


def main() -> None:
    """Run the command line; errors made for people are printed without a traceback."""
    try:
        app()
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        sys.exit(USAGE_ERROR)


if __name__ == "__main__":
    main()
