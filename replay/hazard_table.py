"""Scores of records of readings as tables that read well at 80 columns."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from replay.hazard_score import HazardScore

__all__ = ["LEAD_H", "event_table", "notes", "print_hazard_scores", "record_table"]

LEAD_H = 1.0
"""Wanted from the alarm to the peak, h."""

FALSE_A_YEAR = 0.5
SHORTEST_YEARS = 0.5
"""Of a shorter record no rate a year is told."""

USED = ("gap", "jump")
"""Faults of readings that are used."""

LEVELS = ("1", "2", "3")


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column(names[0], overflow="fold", min_width=15)
    for name in names[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def event_table(scores: Sequence[HazardScore]) -> Table:
    """Lay out one row for each event; hours are before its peak."""
    table = _table("event", "peak", "value", "watch\nh", "warning\nh", "alarm\nh", "step\nh")
    for one in scores:
        for event in one.events:
            late = _late(event.lead_h["3"], event.step_h)
            leads = [_number(event.lead_h[level]) for level in LEVELS]
            leads[2] = f"[bold red]{leads[2]}[/]" if late else f"[bold]{leads[2]}[/]"
            table.add_row(
                event.event,
                event.peak[:16],
                _number(event.peak_value, 2),
                *leads,
                _number(event.step_h, 2),
            )
    return table


def record_table(scores: Sequence[HazardScore]) -> Table:
    """Lay out one row for each record."""
    table = _table(
        "folder",
        "years",
        "sens.|\nown",
        "used\n%",
        "said\n1|2|3",
        "false\n1|2|3",
        "as high\n1|2|3",
        "false3\n/year",
    )
    for one in scores:
        is_long = one.years >= SHORTEST_YEARS
        rate = _number(one.false_a_year["3"] if is_long else None, 2)
        table.add_row(
            one.folder,
            _number(one.years),
            f"{one.sensors}|{one.proposed}",
            _number(100.0 * one.used / one.readings if one.readings else None),
            "|".join(str(one.alarms[level]) for level in LEVELS),
            "|".join(str(one.false[level]) for level in LEVELS),
            "|".join(str(one.high[level]) for level in LEVELS),
            f"[bold red]{rate}[/]" if is_long and one.false_a_year["3"] > FALSE_A_YEAR else rate,
        )
    return table


def notes(one: HazardScore) -> list[str]:
    """Say in words what a score rests on."""
    said = []
    if one.readings > one.used:
        why = ", ".join(f"{name} {many}" for name, many in one.faults.items() if name not in USED)
        said.append(f"{one.readings - one.used} of {one.readings} readings not used: {why}")
    if one.without_zone:
        said.append(f"{one.without_zone} times have no zone: taken as UTC")
    if one.proposed:
        said.append(f"{one.proposed} of {one.sensors} sensors have proposed thresholds")
    if not one.has_truth:
        said.append("no truth.csv says what happened: all alarms count as false")
    return [f"{one.folder}: {line}" for line in said]


def print_hazard_scores(scores: Sequence[HazardScore], console: Console) -> None:
    """Write the tables, and what is wanted."""
    if any(one.events for one in scores):
        console.print(event_table(scores))
    console.print(record_table(scores))
    for one in scores:
        for line in notes(one):
            console.print(line, markup=False)
    events = [event for one in scores for event in one.events]
    if events:
        missed = [event.event for event in events if event.lead_h["3"] is None]
        late = [event.event for event in events if _late(event.lead_h["3"], event.step_h)]
        console.print(
            f"alarm 1 h before the peak, where the step allows it: {len(events) - len(late)} of "
            f"{len(events)}; missed: {', '.join(missed) or 'none'}",
            markup=False,
        )


def _late(lead_h: float | None, step_h: float | None) -> bool:
    """Say whether an alarm is missed, or later than wanted though the record's step allows it."""
    if lead_h is None:
        return True
    return lead_h < LEAD_H and (step_h is None or step_h < LEAD_H)


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
