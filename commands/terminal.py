"""Where commands print, and the options that several of them have."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = [
    "FAILED",
    "USAGE_ERROR",
    "Config",
    "Folders",
    "Json",
    "Kafka",
    "Latency",
    "MetricsPort",
    "Out",
    "complaints",
    "progress_bar",
    "terminal",
]

USAGE_ERROR = 2
FAILED = 1

terminal = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)

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
Kafka = Annotated[
    str | None,
    typer.Option(
        "--kafka",
        metavar="HOST:PORT",
        help="Kafka brokers; default is stream.kafka.bootstrap of the configuration.",
    ),
]
Json = Annotated[Path | None, typer.Option("--json", help="Write the results as JSON here.")]


MetricsPort = Annotated[
    int | None,
    typer.Option(help="Serve metrics for Prometheus on this port.", min=1, max=65535),
]
Out = Annotated[
    Path | None, typer.Option(help="Write each CAP message to OUT/alerts/ as it is sent.")
]


def progress_bar() -> Progress:
    """Make the bar that shows how far a command has come; it vanishes at the end."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=complaints,
        transient=True,
    )
