"""Commands about policies: what holds for whom, and why an audience was or was not told."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct
from rich.text import Text

from commands.brokers import on_kafka, opened
from commands.terminal import FAILED, USAGE_ERROR, Config, Kafka, complaints, terminal
from commands.wiring import Configuration, pipeline
from detect import events, traveltimes
from detect.events import Earthquake, Event
from dispatch import explaining, places
from dispatch.audiences import SHIPPED
from dispatch.service import DispatchOperator
from ingest.sources import archive
from stream import settings
from stream.errors import AlatauError
from stream.reader import Reader
from stream.topics import EVENTS

__all__ = ["app"]

LISTED = 20
MOST_AUDIENCES = 50

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

app = typer.Typer(no_args_is_help=True, help="Show policies, and explain what came of them.")


class SourceError(AlatauError):
    """There are no events where they were looked for."""


class _Report(Struct):
    """What is read of the report of a replay."""

    events: tuple[Earthquake, ...]


@app.command("show")
def policy_show(
    country: Annotated[
        str | None, typer.Argument(help="ISO 3166-1 code; default: an overview.")
    ] = None,
    audience: Annotated[str | None, typer.Option(help="Only this audience.")] = None,
    config: Config = None,
) -> None:
    """Print what holds for each audience of a country, wherever it was set."""
    chosen = settings.load(config, Configuration).dispatch
    if country is not None:
        found = [a for a in chosen.audiences_in(country.upper()) if audience in (None, a.name)]
        if not found:
            raise typer.BadParameter(f"{country} has no audience {audience}")
        for number, each in enumerate(found):
            _print([("", "")] * (number > 0))
            _print(explaining.policy_lines(each))
        return
    for code in sorted({*SHIPPED, *chosen.countries}):
        for each in chosen.audiences_in(code)[:MOST_AUDIENCES]:
            if audience in (None, each.name):
                state = "told" if each.enabled else "off"
                head = f"{code} {each.name[:30]:<31}{state:<5}"
                policy = each.policy
                least = f"from {policy.min_intensity:g}, M {policy.min_magnitude:g}"
                style = "" if each.enabled else "dim"
                _print([(f"{head}{least:<16}{' '.join(each.languages)}", style)])
    _print([("Any other country is as the common policy says: alatau policy show XX", "")])


@app.command("explain")
def policy_explain(
    event: Annotated[str, typer.Argument(help="Id of the event, or how it begins.")],
    source: Annotated[
        Path | None,
        typer.Argument(
            help="A folder to replay, or one that `replay --out` wrote; its report.json; or "
            "events as JSON, one a line. Default: the topic `events` on Kafka."
        ),
    ] = None,
    country: Annotated[str | None, typer.Option(help="Only this country.")] = None,
    audience: Annotated[str | None, typer.Option(help="Only this audience.")] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Repeat answers that are the same as before.")
    ] = False,
    config: Config = None,
    kafka: Kafka = None,
) -> None:
    """Print, rule by rule, why each audience was or was not told of an event.

    The decisions are made again from the events, with this configuration: with the one of that day
    they are those of that day, and with another they say what it would have done. What was decided
    and sent stands in the ledger. Exit code: 0, or 1 if there is no such event.
    """
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    try:
        if source is None:
            said = asyncio.run(_on_kafka(configuration, config))
        else:
            said = _read(source, configuration)
        name = _find(event, said)
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(USAGE_ERROR if source is None and kafka is None else FAILED) from error
    tables = traveltimes.load(configuration.detect.locate.model)
    operator = DispatchOperator(configuration.dispatch, places.load(), tables)
    decisions = [
        decision
        for decision in explaining.decide(operator, said)
        if decision.event == name
        and country in (None, decision.country)
        and audience in (None, decision.audience)
    ]
    _print(explaining.explain([e for e in said if e.id == name], decisions, in_full=full))


def _print(lines: Iterable[tuple[str, str]]) -> None:
    for text, style in lines:
        terminal.print(Text(text, style=style), soft_wrap=True)


def _find(begin: str, said: Sequence[Event]) -> str:
    """Find the one event that is meant."""
    names = list(dict.fromkeys(event.id for event in said))
    found = [begin] if begin in names else [name for name in names if name.startswith(begin)]
    if len(found) == 1:
        return found[0]
    what = f"several events begin with {begin!r}" if found else f"there is no event {begin!r}"
    listed = found or names
    more = f"\n... and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    known = "\n".join(listed[:LISTED]) + more if listed else "There are no events at all."
    raise SourceError(f"{what}. There are:\n{known}" if listed else f"{what}. {known}")


def _read(source: Path, configuration: Configuration) -> list[Event]:
    """Read events from a file or a folder, or make them by a replay."""
    if source.is_dir():
        report = source / "report.json"
        if not report.is_file():
            return _replayed(source, configuration)
        source = report
    try:
        value = source.read_bytes()
    except OSError as error:
        raise SourceError(f"{source}: {error.strerror}") from error
    try:
        if value.lstrip().startswith(b"["):
            reports = msgspec.json.decode(value, type=list[_Report])
            return [event for report in reports for event in report.events]
        return [events.decode(line) for line in value.splitlines() if line.strip()]
    except _UNREADABLE as error:
        raise SourceError(
            f"{source}: neither the report of a replay nor events, one a line: {error}"
        ) from error


def _replayed(folder: Path, configuration: Configuration) -> list[Event]:
    from replay import session  # with obspy: slow to import

    ingest = configuration.ingest
    seconds = None if (folder / archive.ARRIVALS).is_file() else ingest.latency_s
    recording = archive.read(folder, latency_s=seconds, packet_s=ingest.packet_s)
    stages = pipeline(configuration, recording.channels)
    return list(asyncio.run(session.replay(recording, stages)).events)


async def _on_kafka(configuration: Configuration, config: Path | None) -> list[Event]:
    """Read all that stands on the topic; what cannot be read is left out, as the stage does."""
    said: list[Event] = []
    async with opened(configuration, config)() as log:
        reader = Reader(log, EVENTS)
        while records := await reader.fresh():
            for record in records:
                try:
                    said.append(events.decode(record.value))
                except _UNREADABLE:
                    continue
    return said
