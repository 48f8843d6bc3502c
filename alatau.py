"""Alatau on one page: which stage is wired to which topic, and the command line.

::

    waveforms -> detect -> detections -> locate -> events -> dispatch -> alerts

Every stage is a fold over a partition of the topic that it reads; the log between them is in
the process.
"""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
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
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings
from dispatch.watch import Watch
from ingest import service
from ingest.channels import ChannelTable
from ingest.settings import IngestSettings
from ingest.sources import archive
from ingest.sources.archive import ARRIVALS, Recording
from stream import settings
from stream.errors import AlatauError
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.pipeline import retention, stop_on_signals
from stream.pipeline import run as run_stages
from stream.settings import Settings
from stream.topics import DETECTIONS, EVENTS, WAVEFORMS

__all__ = ["Configuration", "main", "pipeline"]

USAGE_ERROR = 2
FAILED = 1

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Earthquake early warning: seismic streams in, warnings (CAP 1.2) out.",
)
config_app = typer.Typer(no_args_is_help=True, help="Show or check a configuration.")
app.add_typer(config_app, name="config")

terminal = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)


class Configuration(Settings, frozen=True):
    """All settings, room by room."""

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


@app.command()
def run(
    config: Config = None,
    out: Annotated[
        Path | None, typer.Option(help="Write each CAP message to OUT/alerts/ as it is sent.")
    ] = None,
) -> None:
    """Follow a network's data as they are recorded, and warn, until Ctrl-C or SIGTERM.

    Exit code: 0 when stopped, 1 if it cannot go on, 2 if the configuration cannot be used.
    """
    configuration = settings.load(config, Configuration)
    live, locate = configuration.ingest.live, configuration.detect.locate
    source = service.folder_source(live, config)
    channels = service.station_table(live, config)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    for problem in channels.problems:
        logging.warning("%s", problem)
    stages = pipeline(configuration, channels)
    rehearse(stages, channels)
    log = MemoryLog(retention=retention(stages))
    clock_ms = service.wall_clock_ms
    health = Health(service.expected_stations(channels, clock_ms()), locate.stations_healthy_s)
    outbox = None if out is None else Outbox(out / "alerts")
    watch = Watch(log, terminal, health, locate.confirmed_stations, clock_ms, outbox)

    async def follow() -> None:
        stop = stop_on_signals()
        coming = service.follow(source, log, live.poll_s, stop)
        terminal.print(f"Following {live.folder}; messages are {configuration.dispatch.status}.")
        await run_stages(log, stages, coming, watch.look)

    try:
        asyncio.run(follow())
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error
    finally:
        watch.tell()


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
