"""The record section: how the waves crossed the network, and when each warning went out."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from detect.events import Earthquake
from detect.geodesy import distance_azimuth
from detect.traveltimes import TravelTimes
from ingest.channels import Station
from replay import colours
from replay.session import Alert, Heard
from replay.traces import Trace

__all__ = ["choose_stations", "draw_record_section"]

MAX_TRACES = 24


def choose_stations(distances: Mapping[str, float], most: int = MAX_TRACES) -> list[str]:
    """Pick stations evenly over the distance, nearest first, the nearest always among them."""
    ordered = sorted(distances, key=lambda name: (distances[name], name))
    if len(ordered) <= most:
        return ordered
    wanted = np.linspace(distances[ordered[0]], distances[ordered[-1]], most)
    chosen = {min(ordered, key=lambda name: abs(distances[name] - km)) for km in wanted}
    return [name for name in ordered if name in chosen]


def draw_record_section(
    axes: Axes,
    *,
    traces: Mapping[str, Trace],
    stations: Mapping[str, Station],
    source: Earthquake | None,
    picks: Sequence[Heard],
    alerts: Sequence[Alert],
    times: TravelTimes,
    zero_us: int,
    window_s: tuple[float, float],
) -> None:
    """Draw traces over distance, with picks, predicted waves and the moments of warnings.

    Parameters
    ----------
    axes
        Where.
    traces
        By station; each is scaled by its own peak.
    stations
        Coordinates.
    source
        The revision whose distances and travel times are drawn; without one the traces stand
        side by side.
    picks, alerts
        What was heard and sent.
    times
        Travel times.
    zero_us, window_s
        Time zero, and the seconds shown about it.
    """
    heights = _heights(traces, stations, source)
    ordered = sorted(heights, key=lambda name: heights[name])
    top = max(heights.values(), default=1.0)
    span = max(top - min(heights.values(), default=0.0), 1.0)
    height = 0.45 * span / max(len(ordered) - 1, 4)
    for name in ordered:
        _draw_trace(axes, traces[name], heights[name], height, zero_us, window_s)
    _draw_picks(axes, picks, heights, height, zero_us)
    low, high = min(heights.values(), default=0.0) - 2.2 * height, top + 2.2 * height
    if source is not None:
        low = max(low, -1.6 * height)
        _draw_waves(axes, source, times, zero_us, (max(low, 0.0), high))
    _draw_warnings(axes, alerts, zero_us, window_s)
    axes.set_xlim(*window_s)
    axes.set_ylim(low, high)
    axes.set_xlabel("seconds after the first P wave" if source is not None else "seconds")
    _label_stations(axes, heights, window_s)
    if source is None:
        axes.set_yticks([])
    else:
        axes.set_ylabel("distance from the epicentre (km)")
    axes.spines[["top", "right"]].set_visible(False)


def _heights(
    traces: Mapping[str, Trace], stations: Mapping[str, Station], source: Earthquake | None
) -> dict[str, float]:
    """Where each trace stands: its distance, or its number where there is no source."""
    if source is None:
        return {name: float(i) for i, name in enumerate(sorted(traces))}
    return {
        name: distance_azimuth(
            source.latitude, source.longitude, stations[name].latitude, stations[name].longitude
        )[0]
        for name in traces
    }


def _draw_trace(
    axes: Axes,
    trace: Trace,
    where: float,
    height: float,
    zero_us: int,
    window_s: tuple[float, float],
) -> None:
    seconds = (trace.time_us - zero_us) / 1e6
    seen = (seconds >= window_s[0]) & (seconds <= window_s[1])
    values = trace.values[seen]
    peak = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 0.0
    scaled = where + height * values / peak if peak > 0 else np.full(values.size, where)
    axes.plot(seconds[seen], scaled, color=colours.TRACE, linewidth=0.45, zorder=2)


def _draw_picks(
    axes: Axes,
    picks: Sequence[Heard],
    heights: Mapping[str, float],
    height: float,
    zero_us: int,
) -> None:
    """Draw a tick at every onset of the stations shown."""
    for phase, colour in (("P", colours.P_WAVE), ("S", colours.S_WAVE)):
        shown = [h.pick for h in picks if h.pick.station in heights and h.pick.phase == phase]
        if shown:
            axes.vlines(
                [(p.time_us - zero_us) / 1e6 for p in shown],
                [heights[p.station] - 0.8 * height for p in shown],
                [heights[p.station] + 0.8 * height for p in shown],
                color=colour,
                linewidth=2.0,
                zorder=4,
                label=f"{phase} pick",
            )


def _draw_waves(
    axes: Axes, source: Earthquake, times: TravelTimes, zero_us: int, span_km: tuple[float, float]
) -> None:
    distances = np.linspace(*span_km, 200)
    origin_s = (source.origin_time_us - zero_us) / 1e6
    for wave, colour, travel in (
        ("P", colours.P_WAVE, times.p),
        ("S", colours.S_WAVE, times.s),
    ):
        seconds = [origin_s + travel(float(km), source.depth_km) for km in distances]
        axes.plot(
            seconds,
            distances,
            color=colour,
            linewidth=1.4,
            alpha=0.75,
            linestyle=(0, (5, 2)),
            zorder=3,
            label=f"{wave} wave, computed",
        )


def _draw_warnings(
    axes: Axes, alerts: Sequence[Alert], zero_us: int, window_s: tuple[float, float]
) -> None:
    """Draw a line at each message; only the first of a kind is labelled in words."""
    styles = {
        "Alert": (colours.ALERT, "-", 2.0, "warning"),
        "Update": (colours.UPDATE, "-", 0.8, "update"),
        "Cancel": (colours.ALERT, ":", 2.0, "cancellation"),
    }
    drawn: set[tuple[str, float]] = set()
    for alert in alerts:
        kind = alert.message.msg_type
        colour, line, width, word = styles[kind]
        seconds = alert.known_ms / 1000 - zero_us / 1e6
        if (kind, seconds) in drawn or not window_s[0] <= seconds <= window_s[1]:
            continue
        first = all(k != kind for k, _ in drawn)
        drawn.add((kind, seconds))
        axes.axvline(
            seconds,
            color=colour,
            linestyle=line,
            linewidth=width,
            zorder=1.5,
            label=word if first else None,
        )
        if first and kind != "Update":
            axes.annotate(
                word,
                (seconds, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(3, -3),
                textcoords="offset points",
                va="top",
                fontsize=9,
                fontweight="bold",
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
                zorder=6,
            )


def _label_stations(
    axes: Axes, heights: Mapping[str, float], window_s: tuple[float, float]
) -> None:
    """Name the stations at the right edge, as far as the names do not run into each other."""
    low, high = axes.get_ylim()
    room = (high - low) / 34
    last = -np.inf
    for name in sorted(heights, key=lambda n: heights[n]):
        if heights[name] - last < room:
            continue
        last = heights[name]
        axes.annotate(
            name,
            (window_s[1], last),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=colours.INK,
            annotation_clip=False,
        )
