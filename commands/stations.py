"""Commands about station metadata."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands.terminal import FAILED, complaints, terminal
from stream.errors import AlatauError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Metadata of stations.")


@app.callback()
def stations() -> None:
    """Metadata of stations."""


def _codes(text: str) -> list[str]:
    return [code.strip() for code in text.split(",") if code.strip()]


@app.command()
def fetch(
    fdsn: Annotated[
        str, typer.Option(metavar="URL", help="FDSN service: base URL, or a name like GFZ.")
    ],
    network: Annotated[str, typer.Option(metavar="CODE,CODE", help="Networks; * and ? allowed.")],
    out: Annotated[Path, typer.Option(help="StationXML to write.")] = Path("stations.xml"),
    station: Annotated[str, typer.Option(metavar="CODE,CODE", help="Stations.")] = "*",
    channel: Annotated[str, typer.Option(metavar="CODE,CODE", help="Channels.")] = "*",
    level: Annotated[
        Literal["channel", "response"], typer.Option(help="`channel` is all that is needed.")
    ] = "channel",
) -> None:
    """Fetch StationXML from an FDSN web service. What was there is kept as FILE.old."""
    from ingest.sources import fdsn as service  # with obspy: slow to import

    try:
        found = service.fetch(
            fdsn,
            out,
            _codes(network),
            stations=_codes(station),
            channels=_codes(channel),
            level=level,
        )
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error
    for problem in found.problems:
        complaints.print(problem, style="yellow", markup=False)
    if found.gone:
        complaints.print(f"No longer there: {', '.join(found.gone)}", style="yellow", markup=False)
    terminal.print(
        f"{found.stations} stations with {found.channels} channels from {found.service} in "
        f"{found.file}.",
        markup=False,
    )
