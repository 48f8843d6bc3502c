"""One picture of a table of scores: how soon each earthquake was known, and how large."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from replay import colours
from replay.picture import to_png
from replay.score import Score

__all__ = ["draw_scores", "save"]

DPI = 130
ROW_INCHES = 0.42
LONGEST_S = 60.0


def save(scores: Sequence[Score], path: Path) -> None:
    """Draw the scores into a PNG file."""
    path.write_bytes(to_png(draw_scores(scores)))


def draw_scores(scores: Sequence[Score]) -> Figure:
    """Draw one row for each folder; folders of noise follow with their false counts."""
    quakes = [s for s in scores if s.catalogue is not None]
    noise = [s for s in scores if s.catalogue is None]
    rows = quakes + noise
    figure = Figure(
        figsize=(13, 1.9 + ROW_INCHES * max(len(rows), 3)),
        dpi=DPI,
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08),
    )
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.25, 1))
    for y, one in enumerate(rows):
        if y % 2:
            for axes in (left, right):
                axes.axhspan(y - 0.5, y + 0.5, color="#f3f3f3", linewidth=0, zorder=0)
        if one.catalogue is None:
            _say(left, y, f"noise, {one.station_hours:.1f} station hours")
        elif not one.matched:
            _say(left, y, "missed", at=one.limit4_s or one.limit3_s or one.limit2_s or 0.0)
        _draw_times(left, y, one)
        _draw_magnitudes(right, y, one)
        _draw_false(right, y, one)
    _finish(left, right, rows)
    return figure


def _say(axes: Axes, y: int, text: str, at: float = 0.0) -> None:
    axes.annotate(
        text,
        (min(at, LONGEST_S), y),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=colours.GREY if text.startswith("noise") else colours.INK,
        fontweight="normal" if text.startswith("noise") else "bold",
    )


def _draw_times(axes: Axes, y: int, one: Score) -> None:
    """Draw when it could be known from 2, 3 and 4 stations, and when it was."""
    limits = [t for t in (one.limit2_s, one.limit3_s, one.limit4_s) if t is not None]
    if limits:
        axes.plot(
            [min(limits), max(limits)],
            [y, y],
            color=colours.LIMIT,
            linewidth=7,
            solid_capstyle="butt",
            zorder=2,
        )
        axes.plot(
            limits,
            [y] * len(limits),
            linestyle="",
            marker="|",
            markersize=13,
            markeredgewidth=1.6,
            color=colours.GREY,
            zorder=2,
        )
    for seconds, marker, face in (
        (one.confirmed_s, "D", "white"),
        (one.first_s, "o", colours.P_WAVE),
    ):
        if seconds is not None:
            late = seconds > LONGEST_S
            axes.plot(
                [min(seconds, LONGEST_S)],
                [y],
                marker=">" if late else marker,
                markersize=8 if marker == "o" else 9,
                markerfacecolor=face,
                markeredgecolor=colours.P_WAVE,
                markeredgewidth=1.6,
                zorder=4 if marker == "o" else 3,
                clip_on=False,
            )
            if late:
                _say(axes, y, f"{seconds:.0f} s", at=LONGEST_S)


def _draw_magnitudes(axes: Axes, y: int, one: Score) -> None:
    """Draw the first and the last estimate against the catalogue's magnitude."""
    known = [m for m in (one.first_magnitude, one.final_magnitude) if m is not None]
    if len(known) == 2:
        axes.plot(known, [y, y], color=colours.S_WAVE, linewidth=1.2, zorder=2)
    for magnitude, face in (
        (one.first_magnitude, "white"),
        (one.final_magnitude, colours.S_WAVE),
    ):
        if magnitude is not None:
            axes.plot(
                [magnitude],
                [y],
                marker="o",
                markersize=8,
                markerfacecolor=face,
                markeredgecolor=colours.S_WAVE,
                markeredgewidth=1.6,
                zorder=3,
            )
    if one.catalogue is not None and one.catalogue.magnitude is not None:
        axes.plot(
            [one.catalogue.magnitude],
            [y],
            marker="|",
            markersize=19,
            markeredgewidth=2.6,
            color=colours.INK,
            zorder=4,
        )


def _draw_false(axes: Axes, y: int, one: Score) -> None:
    """Write the false events and alerts at the right edge."""
    some = one.false_events + one.false_alerts > 0
    axes.annotate(
        f"{one.false_events} | {one.false_alerts}",
        (1.0, y),
        xycoords=("axes fraction", "data"),
        xytext=(34, 0),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=9,
        color=colours.INK if some else colours.GREY,
        fontweight="bold" if some else "normal",
    )


def _finish(left: Axes, right: Axes, rows: Sequence[Score]) -> None:
    """Set axes, words and legends."""
    times = [
        t
        for one in rows
        for t in (one.limit4_s, one.limit2_s, one.first_s, one.confirmed_s)
        if t is not None
    ]
    left.set_xlim(0, min(max(times, default=10.0) * 1.06, LONGEST_S))
    left.set_ylim(len(rows) - 0.5, -0.5)
    left.set_yticks(range(len(rows)), [one.folder for one in rows])
    left.tick_params(axis="y", length=0)
    right.tick_params(axis="y", length=0, labelleft=False)
    left.set_xlabel("seconds after the origin")
    right.set_xlabel("magnitude")
    left.set_title("When it was known", loc="left", fontsize=11, fontweight="bold")
    right.set_title("How large it seemed", loc="left", fontsize=11, fontweight="bold")
    right.annotate(
        "false\nevents | alerts",
        (1.0, 1.0),
        xycoords="axes fraction",
        xytext=(34, 4),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=8,
        color=colours.GREY,
    )
    for axes in (left, right):
        axes.grid(axis="x", color=colours.PALE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
    _legend(
        left,
        [
            ("|", colours.GREY, colours.GREY, "P at the 2nd, 3rd and 4th station: the limit"),
            ("o", colours.P_WAVE, colours.P_WAVE, "first published"),
            ("D", "white", colours.P_WAVE, "confirmed"),
        ],
    )
    _legend(
        right,
        [
            ("|", colours.INK, colours.INK, "catalogue"),
            ("o", "white", colours.S_WAVE, "first"),
            ("o", colours.S_WAVE, colours.S_WAVE, "last"),
        ],
    )


def _legend(axes: Axes, entries: Sequence[tuple[str, str, str, str]]) -> None:
    for marker, face, edge, label in entries:
        axes.plot(
            [],
            [],
            linestyle="",
            marker=marker,
            markersize=11 if marker == "|" else 8,
            markeredgewidth=1.8,
            markerfacecolor=face,
            markeredgecolor=edge,
            label=label,
        )
    rows = axes.get_ylim()[0] + 0.5
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.05 - 0.95 / rows),
        ncols=len(entries),
        frameon=False,
        fontsize=9,
        handletextpad=0.3,
    )
