"""Commands about the ledger: what went when to whom, and whether it is whole."""

import asyncio
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from commands.brokers import on_kafka, opened
from commands.ledger_report import UNKNOWN, print_figures, print_report
from commands.terminal import FAILED, Config, Kafka, complaints, terminal
from commands.wiring import Configuration
from dispatch import keeper, ledger, ledger_file, ledger_words, places, report, sendai
from dispatch.ledger import Entry, Verdict
from dispatch.report_page import page
from dispatch.sendai import People
from stream import settings
from stream.errors import AlatauError
from stream.records import Record

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="The ledger: what was decided, sent, delivered and acknowledged."
)

File = Annotated[
    Path | None,
    typer.Argument(
        help="A ledger as a file (JSON lines), from `show --json`, `alatau run` or a replay. "
        "Without one it is read from Kafka.",
    ),
]
Event = Annotated[str | None, typer.Option(help="Only this event.", metavar="ID")]


def _read(file: Path | None, config: Path | None, kafka: str | None) -> list[Record]:
    if file is not None:
        return ledger_file.read(file)
    open_log = opened(on_kafka(settings.load(config, Configuration), kafka), config)

    async def read() -> list[Record]:
        async with open_log() as log:
            return await keeper.read(log)

    try:
        return asyncio.run(read())
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error


@app.command()
def show(
    file: File = None,
    config: Config = None,
    kafka: Kafka = None,
    event: Event = None,
    json: Annotated[
        bool, typer.Option("--json", help="As it stands, one entry a line: a copy to keep.")
    ] = False,
) -> None:
    """Tell every entry in a line. Exit code: 0, or 1 if the chain is broken."""
    records = _read(file, config, kafka)
    if json:
        if event is not None:
            raise typer.BadParameter("a copy holds every entry", param_hint="--event")
        sys.stdout.buffer.write(ledger_file.lines(record.value for record in records))
        return
    entries = list(ledger.entries(records))
    chosen = [e for e in entries if event is None or ledger_words.is_about(e, event)]
    for entry in chosen:
        _print_wrapped(ledger_words.line(entry))
    verdict = ledger.verify(records)
    if not chosen:
        found = report.situation(entries)
        terminal.print(f"No entry. Sources: {'; '.join(found.sources) or UNKNOWN}.", markup=False)
    if verdict.fault is not None:
        _say_broken(verdict)


def _print_wrapped(text: str) -> None:
    """Print one line, in several below each other where people look at it."""
    if terminal.is_terminal:
        text = textwrap.fill(text, terminal.width, subsequent_indent=" " * ledger_words.HEAD)
    terminal.print(text, markup=False, soft_wrap=True)


def _say_broken(verdict: Verdict) -> None:
    fault = verdict.fault
    if fault is None:
        return
    complaints.print(
        f"The chain is broken at entry {fault.number} (record {fault.offset}): {fault.problem}. "
        f"The {verdict.entries:,} entries before it are sound. Keep a copy before anything else: "
        "alatau ledger show --json.",
        style="red",
        markup=False,
    )
    raise typer.Exit(FAILED)


@app.command()
def verify(
    file: File = None,
    config: Config = None,
    kafka: Kafka = None,
    includes: Annotated[
        str | None,
        typer.Option(help="A hash that was noted before: it must be that of an entry."),
    ] = None,
) -> None:
    """Check the chain from the first entry to the last. Exit code: 0 if it holds, else 1."""
    records = _read(file, config, kafka)
    verdict = ledger.verify(records)
    _say_broken(verdict)
    if includes is not None and all(e.hash != includes for e in ledger.entries(records)):
        complaints.print(
            f"No entry has the hash {includes}: the end of the ledger has been cut off since it "
            "was noted, or this is another ledger.",
            style="red",
            markup=False,
        )
        raise typer.Exit(FAILED)
    if not verdict.entries:
        terminal.print("The ledger is empty.")
        return
    terminal.print(f"The chain holds: {verdict.entries:,} entries. Newest hash, to be noted:")
    terminal.print(verdict.hash)


def _moment(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no time like 2026-01-31", param_hint=option
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1e6)


@app.command("report")
def ledger_report(
    file: File = None,
    config: Config = None,
    kafka: Kafka = None,
    event: Event = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as a page here.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write it as JSON here.")] = None,
    begin: Annotated[
        str | None, typer.Option(help="Of the Sendai figures; the first entry if not given.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="Of the same; the last entry.")] = None,
    countries: Annotated[
        str, typer.Option(metavar="CODE,CODE", help="Whose people the Sendai figures count.")
    ] = "KZ,KG,TJ,TM,UZ",
) -> None:
    """Report what went when to whom, how long it took, and the figures for Sendai (G-2, G-3).

    Exit code: 0, or 1 if the chain is broken: the report ends there and says so.
    """
    records = _read(file, config, kafka)
    verdict = ledger.verify(records)
    entries = list(ledger.entries(records))
    found = report.situation(entries, event=event, fault=verdict.fault)
    figures = _sendai(entries, _moment(begin, "--begin"), _moment(end, "--end"), countries)
    made = {
        html: page(found, figures),
        json: report.encode({"situation": found, "sendai": figures}),
    }
    for path, value in made.items():
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(value)
    print_report(found)
    if entries:
        print_figures(figures.figures, f"{figures.begin} to {figures.end}")
    for path in (html, json):
        if path is not None:
            terminal.print(f"Written to {path}", markup=False, soft_wrap=True)
    _say_broken(verdict)


def _sendai(
    entries: Sequence[Entry], begin_us: int | None, end_us: int | None, countries: str
) -> sendai.Sendai:
    facts = list(ledger.known(entries))
    times = [fact.at_us for fact in facts] or [0]
    towns = places.load()
    people = {
        code: People(
            sum(
                int(n) for n, at in zip(towns.population, towns.country, strict=True) if at == code
            ),
            places.country_population(code),
        )
        for code in filter(None, (each.strip().upper() for each in countries.split(",")))
    }
    return sendai.sendai(
        facts,
        people,
        min(times) if begin_us is None else begin_us,
        max(times) + 1 if end_us is None else end_us,
    )
