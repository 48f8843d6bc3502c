"""Commands about sensors of other hazards: their files, and what they send."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from commands.brokers import on_kafka
from commands.serving import serve
from commands.terminal import Config, Kafka, MetricsPort, terminal
from commands.wiring import Configuration, folder
from detect.hazards import files as hazard_files
from ingest.reading_intake import ReadingFeed, take_in_readings
from ingest.reading_quality import FAULTS, ReadingQuality
from ingest.senders import load_senders, new_token
from ingest.sensors import Sensor, load
from ingest.service import wall_clock_ms
from ingest.settings import IngestSettings
from ingest.sources import readings_csv
from stream import settings
from stream.log import Log
from stream.settings import misfit

__all__ = ["app", "name_mute", "reading_feeds", "sensors_of"]

app = typer.Typer(no_args_is_help=True, help="Sensors of other hazards.")


def sensors_of(configuration: Configuration, config: Path | None) -> tuple[Sensor, ...]:
    """Read the sensor files that a configuration names.

    Raises
    ------
    ConfigurationError
        If one cannot be used.
    """
    return hazard_files.load(configuration.detect.hazards, folder(config)).sensors


def name_mute(names: Sequence[str]) -> None:
    """Say of each sensor without thresholds that it says nothing."""
    for name in names:
        terminal.print(
            f"{name} has no thresholds: it is watched for silence, and says nothing else. "
            "`alatau sensors propose` proposes some from a record.",
            markup=False,
        )


def reading_feeds(
    ingest: IngestSettings, config: Path | None, sensors: tuple[Sensor, ...]
) -> list[ReadingFeed]:
    """Make the sources of readings that are configured; none where none is.

    Raises
    ------
    ConfigurationError
        If one cannot be used.
    """
    from ingest.sources.http import http_source  # with aiohttp and paho: slow to import
    from ingest.sources.mqtt import mqtt_source

    known = {sensor.id: sensor for sensor in sensors}
    feeds: list[ReadingFeed] = []
    for index, broker in enumerate(ingest.mqtt):
        feeds.append(mqtt_source(broker, index, config, known))
    if ingest.http.port:
        feeds.append(http_source(ingest.http, config, known))
    return feeds


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Sensor files (TOML).")],
    senders: Annotated[
        Path | None, typer.Option(help="A file of senders, checked with them (TOML).")
    ] = None,
) -> None:
    """Check sensor files. Exit code: 0 if they can be used, else 2 and the line that is wrong."""
    sensors = [sensor for file in files for sensor in load(file)]
    if senders is not None:
        load_senders(senders, sensors)
    table = Table("Sensor", "Basin", "Measures", "Speaks for", "Thresholds", box=None)
    for sensor in sensors:
        rules = ", ".join(f"{t.level}: {t.rule} {t.value:g}" for t in sensor.thresholds)
        unproven = any(not t.source for t in sensor.thresholds)
        table.add_row(
            sensor.id,
            sensor.basin,
            f"{sensor.quantity}, {sensor.unit}",
            sensor.hazard,
            (rules or "none") + (" (no source: an example)" if unproven else ""),
        )
    terminal.print(table)
    name_mute([s.id for s in sensors if not s.thresholds and s.quantity != "temperature"])
    terminal.print(f"{len(sensors)} sensors can be used.")


@app.command()
def token() -> None:
    """Make a token for a sender: the token for it, its SHA-256 for the file of senders."""
    made, digest = new_token()
    terminal.print(f"token         {made}\ntoken_sha256  {digest}", markup=False, soft_wrap=True)


@app.command()
def judge(
    recordings: Annotated[
        list[Path], typer.Argument(help="Folders with sensors.toml and *.csv.", metavar="FOLDER...")
    ],
) -> None:
    """Say how many recorded readings can be used, and what is wrong with the others."""
    table = Table("Folder", "Sensor", "Used", "Faults", box=None)
    for where in recordings:
        recorded = readings_csv.read(where)
        qualities = {sensor.id: ReadingQuality(sensor) for sensor in recorded.sensors}
        for each in recorded.arrived:
            qualities[each.observation.sensor].judge(each.observation, each.arrival_us)
        for name, quality in qualities.items():
            faults = (f"{f} {quality.tallies[f]}" for f in FAULTS if quality.tallies[f])
            table.add_row(recorded.name, name, str(quality.tallies["used"]), ", ".join(faults))
        if recorded.refused:
            first = recorded.refused[0]
            told = f"{len(recorded.refused)} rows; the first: {first.source} {first.detail}"
            table.add_row(recorded.name, "", "", told)
    terminal.print(table)


@app.command()
def propose(
    recordings: Annotated[
        list[Path],
        typer.Argument(help="Folders with sensors.toml and *.csv.", metavar="FOLDER..."),
    ],
    everything: Annotated[
        bool, typer.Option("--all", help="Also for sensors that have thresholds.")
    ] = False,
) -> None:
    """Propose thresholds for sensors that have none, from a record of their readings, as TOML.

    They are for people to look at, and to put into the sensor file below the table of the sensor.
    """
    from replay import hazard_score, proposals

    for where in recordings:
        recorded, _ = hazard_score.read(where)
        found = proposals.propose(recorded, everything=everything)
        terminal.print(proposals.to_toml(found), markup=False, soft_wrap=True, end="")
        if not found:
            terminal.print(f"{where.name}: all sensors have thresholds; see --all.", markup=False)


@app.command()
def ingest(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Bring what sensors send by MQTT and HTTP to `observations` on Kafka, until it is stopped.

    Exit code: 0 when stopped, 1 if it cannot go on, 2 if the configuration cannot be used.
    """
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    sensors = sensors_of(configuration, config)
    if not sensors:
        raise misfit(
            config,
            ("detect", "hazards", "sensors"),
            "there are no sensors",
            "Name the sensor files in [detect.hazards] sensors.",
        )
    feeds = reading_feeds(configuration.ingest, config, sensors)
    if not feeds:
        raise misfit(
            config,
            ("ingest", "mqtt"),
            "there is nothing that readings come from",
            "Write a table [[ingest.mqtt]] with host and topics, or [ingest.http] with port and "
            "senders_file.",
        )
    stop = asyncio.Event()

    async def take_in(log: Log) -> None:
        await take_in_readings(feeds, log, stop, wall_clock_ms)

    terminal.print(f"Taking the readings of {len(sensors)} sensors from {_sources(configuration)}.")
    serve(configuration, config, (), metrics_port, stop, [take_in])


def _sources(configuration: Configuration) -> str:
    http = configuration.ingest.http
    pushed = [f"HTTP at {http.host}:{http.port}"] if http.port else []
    return ", ".join([f"MQTT {broker.server}" for broker in configuration.ingest.mqtt] + pushed)
