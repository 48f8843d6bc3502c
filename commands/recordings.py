"""Commands that play recordings: replay, score and calibrate."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.brokers import on_kafka, opened
from commands.terminal import (
    FAILED,
    Config,
    Folders,
    Json,
    Kafka,
    Latency,
    complaints,
    progress_bar,
    terminal,
)
from commands.wiring import Configuration, pipeline
from detect import traveltimes
from ingest import service
from ingest.errors import RecordingError
from ingest.settings import IngestSettings
from ingest.sources import archive
from ingest.sources.archive import ARRIVALS, Recording
from stream import settings
from stream.errors import AlatauError

if TYPE_CHECKING:
    from replay.session import Outcome
    from stream.kafka import KafkaLog

__all__ = ["calibrate", "replay", "score"]


def _read(
    folder: Path, latency: str | None, ingest: IngestSettings, *, bare: bool = False
) -> Recording:
    """Read a folder with the latency that was asked for."""
    seconds: float | None = ingest.latency_s
    if latency == "recorded" or (latency is None and (folder / ARRIVALS).is_file()):
        seconds = None
    elif latency is not None:
        seconds = _seconds(latency)
    return archive.read(folder, latency_s=seconds, packet_s=ingest.packet_s, bare=bare)


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
    kafka: Kafka = None,
    now: Annotated[
        bool,
        typer.Option("--now", help="With --kafka: as if it happened now, at its own speed."),
    ] = False,
) -> None:
    """Play recordings through the whole pipeline and print what would have been said, and when.

    With --kafka they go into the topics of a running system, and its workers answer. The catalogue
    is never read. Exit code: 0, or 1 if a folder could not be replayed.
    """
    from replay import report, timeline  # with obspy and matplotlib: slow to import
    from replay.products import write

    configuration = settings.load(config, Configuration)
    pace = _speed(speed)
    if now and kafka is None:
        raise typer.BadParameter("it goes with --kafka", param_hint="--now")
    if kafka is not None:
        configuration = on_kafka(configuration, kafka)
    outcomes = []
    failed = False
    for folder in folders:
        try:
            with progress_bar() as progress:
                task = progress.add_task(f"Replaying {folder.name}", total=None)
                recording = _read(folder, latency, configuration.ingest)
                outcome = asyncio.run(
                    _play(
                        recording,
                        configuration,
                        config,
                        None if kafka is None else opened(configuration, config),
                        speed=1.0 if now else pace,
                        now=now,
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


async def _play(
    recording: Recording,
    configuration: Configuration,
    config: Path | None,
    opened: Callable[[], AbstractAsyncContextManager["KafkaLog"]] | None,
    *,
    speed: float | None,
    now: bool,
    progress: Callable[[int, int], None],
) -> "Outcome":
    """Replay a recording here, or feed it to the workers of a running system."""
    from replay import feed, session

    stages = pipeline(configuration, recording.channels, config)
    if opened is None:
        return await session.replay(recording, stages, speed=speed, progress=progress)
    hazards = configuration.detect.hazards
    if not (hazards.sensors or hazards.valleys or hazards.cascades):
        stages = [stage for stage in stages if stage.name != "hazards"]  # it may run there, or not
    if now:
        recording = feed.moved_to(recording, service.wall_clock_ms())
    async with opened() as log:
        return await feed.feed(recording, stages, log, speed=speed, progress=progress)


def score(
    folders: Folders,
    config: Config = None,
    latency: Latency = None,
    json: Json = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the scores here (PNG).")] = None,
) -> None:
    """Replay recordings and compare with their catalogue (event.quakeml; none means noise).

    Records of readings (sensors.toml and CSV), and waveforms of flows, are compared with truth.csv.

    Exit code: 0, or 1 if a folder could not be scored. A bad score is no error.
    """
    from replay import catalogue, flow_score, hazard_score, session, table
    from replay import score as scoring
    from replay.hazard_table import print_hazard_scores
    from replay.hazard_truth import read_truth
    from replay.score_picture import save

    configuration = settings.load(config, Configuration)
    tables = traveltimes.load("ak135")
    scores = []
    of_readings = []
    of_flows = []
    flows: dict[str, list[str]] = {}
    failed = False
    with progress_bar() as progress:
        task = progress.add_task("Scoring", total=len(folders))
        for folder in folders:
            progress.update(task, description=f"Scoring {folder.name}")
            try:
                if hazard_score.is_undescribed(folder):
                    raise RecordingError(
                        f"{folder} has CSV, but no sensors.toml that says what its readings are. "
                        "Write one: docs/sensors.md shows how."
                    )
                if hazard_score.companion(folder) is not None:
                    of_readings.append(hazard_score.score(*hazard_score.read(folder)))
                elif (happened := flow_score.truth_of(folder)) is not None:
                    recording = _read(folder, latency, configuration.ingest, bare=True)
                    known = read_truth(happened)
                    of_flows.append(
                        flow_score.score(
                            recording, known, configuration.detect, configuration.ingest
                        )
                    )
                else:
                    recording = _read(folder, latency, configuration.ingest)
                    outcome = asyncio.run(
                        session.replay(recording, pipeline(configuration, recording.channels))
                    )
                    scores.append(scoring.score(outcome, recording, catalogue.read(folder), tables))
                    flows[folder.name] = flow_score.watches(outcome)
            except AlatauError as error:
                complaints.print(str(error), style="red", markup=False)
                failed = True
            progress.advance(task)
    if scores:
        table.print_scores(scores, terminal)
        flow_score.print_watches(flows, terminal)
    if of_readings:
        print_hazard_scores(of_readings, terminal)
    flow_score.print_flow_scores(of_flows, terminal)
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        json.write_bytes(scoring.encode([*scores, *of_readings, *of_flows]))
    if picture is not None and scores:
        picture.parent.mkdir(parents=True, exist_ok=True)
        save(scores, picture)
    if failed:
        raise typer.Exit(FAILED)


def calibrate(
    folders: Folders,
    out: Annotated[Path, typer.Option(help="Write the constants here, for --config (TOML).")],
    config: Config = None,
    latency: Latency = None,
) -> None:
    """Fit the constants of the magnitude to recordings with a catalogue (event.quakeml).

    Prints how far the data moved them, and whether events that were left out are estimated better.
    Exit code: 0, or 1 if a folder could not be used; 2 if there are too few.
    """
    from replay import calibrate as fitting
    from replay import catalogue
    from replay.calibration_page import print_calibration, to_toml

    configuration = settings.load(config, Configuration)
    detect = configuration.detect
    tables = traveltimes.load(detect.locate.model)
    events = []
    failed = False
    with progress_bar() as progress:
        task = progress.add_task("Reading", total=len(folders))
        for folder in folders:
            progress.update(task, description=f"Reading {folder.name}")
            try:
                truth = catalogue.read(folder)
                if truth is None:
                    raise fitting.CalibrationError(f"{folder}: there is no event.quakeml")
                recording = _read(folder, latency, configuration.ingest)
                events.append(
                    fitting.observe(recording, truth, detect, configuration.ingest, tables)
                )
            except AlatauError as error:
                complaints.print(str(error), style="red", markup=False)
                failed = True
            progress.advance(task)
    found = fitting.calibrate(events, detect.magnitude)
    print_calibration(found, terminal)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(to_toml(found), encoding="utf-8")
    terminal.print(f"Written to {out}", markup=False)
    if failed:
        raise typer.Exit(FAILED)
