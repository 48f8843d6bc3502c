"""The report of a ledger for people who look at a terminal."""

import textwrap
from collections.abc import Sequence

from rich.table import Table

from commands.terminal import terminal
from dispatch.report import EventRow, MessageRow, Situation, WayRow
from dispatch.sendai import Figure

__all__ = ["UNKNOWN", "print_figures", "print_report"]

UNKNOWN = "not known: nothing has been told of them"
"""What is said of sources of which the ledger does not tell."""


def _say(text: str, style: str = "") -> None:
    for line in text.splitlines() or [""]:
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        wrapped = textwrap.fill(line, terminal.width, subsequent_indent=indent)
        terminal.print(wrapped, style=style, markup=False, soft_wrap=True)


def print_report(found: Situation) -> None:
    """Print what went when to whom, at 80 columns."""
    period = f"{found.begin} to {found.end}" if found.begin else "empty"
    _say(f"Ledger: {found.entries:,} entries, {period}")
    _say(f"Newest hash: {found.hash}")
    if found.fault:
        _say(f"BROKEN at {found.fault}; what follows is not reported.", "bold red")
    _say(f"Sources: {'; '.join(found.sources) or UNKNOWN}")
    if not any(row.messages for row in found.events):
        _say("No message is in it; the line above says who was watching.")
    for row in found.events:
        _print_event(row)
    for said in found.overrides:
        who = f"{said.person} ({said.role})" if said.person else "nobody"
        _say(f"\n{said.at} {said.word} of {said.message or said.chain}")
        _say(f"  {who}: {said.reason}")
    if found.channels:
        table = _table("Channel", "Queued", "Delivered", "Acked", "Failed", "Replaced", "Delay s")
        for channel in found.channels:
            table.add_row(
                channel.channel,
                *map(
                    str,
                    (
                        channel.queued,
                        channel.delivered,
                        channel.acknowledged,
                        channel.failed,
                        channel.replaced,
                    ),
                ),
                _seconds(channel.delay_s),
            )
        terminal.print()
        terminal.print(table)


def _print_event(row: EventRow) -> None:
    _say(f"\n{row.event}", "bold")
    _say(
        f"  origin {row.origin or '-'}, known {row.known or '-'}; notified after "
        f"{_seconds(row.notify_s)} s, acknowledged after {_seconds(row.acknowledge_s)} s"
    )
    for message in row.messages:
        _print_message(message)
    for decision in row.decisions:
        if decision.verdict != "told":
            to = " / ".join(filter(None, (decision.country, decision.audience)))
            missed = [f"{r.name} {r.detail}".strip() for r in decision.rules if not r.met]
            _say(f"  .{decision.revision} {to} {decision.verdict}: {'; '.join(missed) or '-'}")


def _print_message(row: MessageRow) -> None:
    to = " / ".join(filter(None, (row.country, row.audience)))
    _say(f"  {row.type} {row.identifier} to {to}, {row.status}, sent {row.sent}")
    if row.headline:
        _say(f"    {row.headline}")
    _say(f"    sources: {row.sources or UNKNOWN}")
    if not row.ways:
        _say("    no channel has it")
        return
    table = _table("Channel", "State", "Arrived", "Tries", "Notify s", "Ack s", "Lead s", "By")
    for way in row.ways:
        table.add_row(*_way(way))
    terminal.print(table)


def _way(way: WayRow) -> tuple[str, ...]:
    by = way.acknowledged_by or way.reason
    if way.escalated_to:
        by = f"{by} -> {way.escalated_to}".strip()
    return (
        f"    {way.channel}",
        way.state,
        way.arrived,
        str(way.attempts),
        _seconds(way.notify_s),
        _seconds(way.acknowledge_s),
        _seconds(way.lead_s),
        by,
    )


def _table(*names: str) -> Table:
    table = Table(*names, box=None, pad_edge=False, header_style="dim")
    for column in table.columns[1:]:
        if column.header in ("State", "Arrived", "By"):
            continue
        column.justify = "right"
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def print_figures(figures: Sequence[Figure], period: str) -> None:
    """Print the figures for Sendai."""
    _say(f"\nSendai Framework, Target G, {period}", "bold")
    for figure in figures:
        value = "-" if figure.value is None else f"{figure.value:,}"
        _say(f"  {figure.indicator} {figure.of}: {value} {figure.unit}")
        _say(f"    {figure.numerator:,} {figure.numerator_is}")
        _say(f"    of {figure.denominator:,} {figure.denominator_is}")
        _say(f"    {figure.proxy}")
