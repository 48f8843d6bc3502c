"""Scores as a table that reads well at 80 columns."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from replay.score import ASSUMED_DEPTH_KM, Score
from replay.targets import target_table, targets

__all__ = ["print_scores", "score_table"]


def score_table(scores: Sequence[Score]) -> Table:
    """Lay out one row for each folder; seconds are after the catalogue origin."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("folder", overflow="fold", min_width=17)
    for name in (
        "M",
        "limit\n2|4 s",
        "first\ns",
        "conf.\ns",
        "M first\n|final",
        "km off\nc|f",
        "false\nev|al",
        "picks\nt|f|m",
        "x",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for one in scores:
        table.add_row(*_row(one))
    return table


def _row(one: Score) -> list[str]:
    matched = one.matched
    noise = one.catalogue is None
    falses = f"{one.false_events}|{one.false_alerts}"
    missed = "-" if noise else "[bold red]missed[/]"
    return [
        one.folder,
        "noise" if one.catalogue is None else _number(one.catalogue.magnitude),
        "-" if noise else f"{_number(one.limit2_s)}|{_number(one.limit4_s)}",
        f"[bold]{_number(one.first_s)}[/]" if matched else missed,
        _number(one.confirmed_s),
        f"{_number(one.first_magnitude)}|{_number(one.final_magnitude)}" if matched else "-",
        f"{_number(one.location_error_confirmed_km, 0)}|{_number(one.location_error_final_km, 0)}",
        f"[bold red]{falses}[/]" if one.false_events or one.false_alerts else falses,
        f"{one.picks.true}|{one.picks.false}|{one.picks.missed}",
        f"{one.data_s / one.wall_s:.0f}",
    ]


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def print_scores(scores: Sequence[Score], console: Console) -> None:
    """Write the table, what its columns mean, and the targets."""
    console.print(score_table(scores))
    notes = [
        "Seconds are after the catalogue origin. limit: the P wave of so many stations should "
        "have arrived (ak135). conf.: confirmed. off: epicentre when confirmed and of the "
        "last revision. picks: true, false, missed. x: times real time.",
    ]
    if any(s.catalogue is not None and s.catalogue.depth_km is None for s in scores):
        notes.append(
            f"Where the catalogue has no depth, {ASSUMED_DEPTH_KM:.0f} km is assumed for the limit."
        )
    for note in notes:
        console.print(note, style="dim")
    console.print()
    console.print(target_table(targets(scores)))
