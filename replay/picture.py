"""One picture of a replay: the record section, and the map at the first warning."""

from collections.abc import Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from detect.events import Earthquake
from detect.geodesy import distance_azimuth
from detect.traveltimes import TravelTimes
from dispatch.messages import PlaceWarning
from ingest.sources.archive import Recording
from replay import colours
from replay.record_section import choose_stations, draw_record_section
from replay.score import histories
from replay.session import Alert, Outcome
from replay.timeline import counted, intensity
from replay.traces import read_traces
from replay.warning_map import draw_map, mark_size

__all__ = ["draw", "main_event", "to_png"]

BEFORE_S = 5.0
SHORTEST_S = 20.0
LONGEST_S = 90.0
FEWEST_TRACES = 6
BEYOND = 1.25  # times the distance of the farthest pick of the event
DPI = 130


def to_png(figure: Figure) -> bytes:
    """Render; the same figure gives the same bytes."""
    file = BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def main_event(outcome: Outcome) -> tuple[Earthquake, ...]:
    """Choose the event to show: the first that was warned of, else the largest that stood.

    Returns
    -------
    tuple of Earthquake
        Its revisions; empty without events.
    """
    by_id = histories(outcome.events)
    for alert in outcome.alerts:
        if alert.message.event_id in by_id:
            return by_id[alert.message.event_id]
    standing = [r for r in by_id.values() if r[-1].status in ("provisional", "confirmed")]
    return max(standing or list(by_id.values()), key=lambda r: r[-1].magnitude or -9.0, default=())


def draw(outcome: Outcome, recording: Recording, times: TravelTimes) -> Figure:
    """Draw a replay.

    Parameters
    ----------
    outcome, recording
        What was said, and from what.
    times
        For the computed waves.
    """
    revisions = main_event(outcome)
    alerts = [a for a in outcome.alerts if revisions and a.message.event_id == revisions[0].id]
    standing = [e for e in revisions if e.status in ("provisional", "confirmed")]
    zero_us = _zero_us(outcome, recording, revisions)
    stations = recording.channels.stations
    with_data = {p.station for p in recording.packets} & stations.keys()
    source = standing[-1] if standing else None
    chosen = sorted(with_data)[:12] if source is None else _nearest(recording, with_data, source)
    window_s = _window_s(recording, chosen, source, alerts, times, zero_us)
    traces = read_traces(
        recording,
        chosen,
        zero_us + round(window_s[0] * 1e6),
        zero_us + round(window_s[1] * 1e6),
    )

    figure = Figure(
        figsize=(14.5, 7.6), dpi=DPI, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    )
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1))
    figure.suptitle(outcome.folder, x=0.012, ha="left", fontsize=14, fontweight="bold")
    left.set_title(_headline(outcome, alerts, zero_us), loc="left", fontsize=10)
    draw_record_section(
        left,
        traces=traces,
        stations=stations,
        source=source,
        picks=outcome.picks,
        alerts=alerts,
        times=times,
        zero_us=zero_us,
        window_s=window_s,
    )
    _legend(left)
    _draw_right(right, figure, outcome, recording, standing, alerts, times)
    return figure


def _zero_us(outcome: Outcome, recording: Recording, revisions: Sequence[Earthquake]) -> int:
    """First P onset of the event; without one the first pick, or else the first sample."""
    onsets = [a.time_us for e in revisions for a in e.arrivals if a.phase == "P"]
    onsets = onsets or [e.updated_us for e in revisions] or [h.pick.time_us for h in outcome.picks]
    return min(onsets, default=min(p.start_us for p in recording.packets))


def _nearest(recording: Recording, names: set[str], source: Earthquake) -> list[str]:
    """Choose stations for the record section: as far as the event was seen, and a little more."""
    stations = recording.channels.stations
    distances = {
        name: distance_azimuth(
            source.latitude, source.longitude, stations[name].latitude, stations[name].longitude
        )[0]
        for name in names
    }
    seen = [distances[a.station] for a in source.arrivals if a.station in distances]
    nearest = sorted(distances.values())[:FEWEST_TRACES]
    reach = max(BEYOND * max(seen, default=0.0), max(nearest, default=0.0))
    return choose_stations({name: km for name, km in distances.items() if km <= reach})


def _window_s(
    recording: Recording,
    chosen: Sequence[str],
    source: Earthquake | None,
    alerts: Sequence[Alert],
    times: TravelTimes,
    zero_us: int,
) -> tuple[float, float]:
    """Show the S wave at the farthest station and the first warning, within bounds."""
    if source is None:
        return -BEFORE_S, LONGEST_S
    ends = [SHORTEST_S]
    for name in chosen:
        station = recording.channels.stations[name]
        distance = distance_azimuth(
            source.latitude, source.longitude, station.latitude, station.longitude
        )[0]
        arrival = source.origin_time_us / 1e6 + times.s(distance, source.depth_km)
        ends.append(arrival - zero_us / 1e6 + 5)
    ends += [a.known_ms / 1e3 - zero_us / 1e6 + 3 for a in alerts[:1]]
    return -BEFORE_S, min(max(ends), LONGEST_S)


def _headline(outcome: Outcome, alerts: Sequence[Alert], zero_us: int) -> str:
    """Say in one line what there is to see."""
    if not alerts:
        return "No warning was sent" if outcome.events else "No event, no warning"
    message = alerts[0].message
    after = alerts[0].known_ms / 1e3 - zero_us / 1e6
    least = "at least " if message.magnitude_saturated else ""
    sigma = "" if message.magnitude_sigma is None else f" ±{message.magnitude_sigma:.1f}"
    return (
        f"First warning {after:.1f} s after the first P wave: M {least}{message.magnitude:.1f}"
        f"{sigma}, {counted(message.places_affected, 'place')}, {message.people_affected:,} people"
    )


def _draw_right(
    axes: Axes,
    figure: Figure,
    outcome: Outcome,
    recording: Recording,
    standing: Sequence[Earthquake],
    alerts: Sequence[Alert],
    times: TravelTimes,
) -> None:
    """Draw the map at the first warning, or where none was sent, at the first publication."""
    source, now_us = None, None
    if alerts:
        now_us = alerts[0].known_ms * 1000
        known = [e for e in standing if e.revision <= alerts[0].message.revision]
        source = known[-1] if known else None
    elif standing:
        source, now_us = standing[0], standing[0].updated_us
    before = now_us or 0
    picked = {h.pick.station for h in outcome.picks if h.known_ms * 1000 <= before}
    warned: dict[int, PlaceWarning] = {}
    for alert in alerts:
        for place in alert.message.places:
            warned.setdefault(place.geonameid, place)
    drawn = draw_map(
        axes,
        stations=recording.channels.stations,
        picked=picked,
        source=source,
        warned=list(warned.values()),
        times=times,
        now_us=now_us,
    )
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=axes, shrink=0.6, pad=0.02, aspect=30)
        bar.set_label("seconds from the first warning of a place to its S wave", fontsize=9)
        bar.outline.set_visible(False)
    for degree in sorted({round(w.intensity) for w in warned.values()}):
        axes.scatter(
            [],
            [],
            s=mark_size(degree),
            facecolor="white",
            edgecolor=colours.INK,
            linewidth=0.5,
            label=f"town, intensity {intensity(degree)}",
        )
    title = "At the moment of the first warning" if alerts else "At the first publication"
    axes.set_title(title if source is not None else "", fontsize=10, loc="left")
    _legend(axes)


def _legend(axes: Axes) -> None:
    if not axes.get_legend_handles_labels()[0]:
        return
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(0.0, -0.07),
        ncols=4,
        frameon=False,
        fontsize=8,
        handlelength=1.6,
        columnspacing=1.4,
    )
