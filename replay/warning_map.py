"""The map: stations, source, the waves at the first warning, and who had how long."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from detect.events import Earthquake
from detect.geodesy import EARTH_RADIUS_KM
from detect.traveltimes import TravelTimes
from dispatch import places
from dispatch.messages import PlaceWarning
from ingest.channels import Station
from replay import colours

__all__ = ["circle", "draw_map", "front_km", "mark_size"]

KM_PER_DEGREE = math.radians(EARTH_RADIUS_KM)
NAMED_TOWNS = 20
CROWD = 40  # stations; more of them are drawn smaller
SHOWN_KM = 100.0  # so much of the uncertainty of the epicentre is shown in any case
LARGEST = 5  # so many may cover the marks of others with their name
MOST_COVERED = 3

_OFFSETS: tuple[tuple[float, float, Literal["left", "right", "center"]], ...] = (
    (6, 0, "left"),
    (-6, 0, "right"),
    (0, 8, "center"),
    (0, -9, "center"),
    (5, 7, "left"),
    (5, -8, "left"),
    (-5, 7, "right"),
    (-5, -8, "right"),
)

_Array = NDArray[np.float64]


def front_km(seconds: float, depth_km: float, travel: Callable[[float, float], float]) -> float:
    """Epicentral distance that a wave has reached so long after the origin; 0 before it surfaces.

    The inverse of the travel time by bisection, to 10 m.
    """
    if seconds <= travel(0.0, depth_km):
        return 0.0
    near, far = 0.0, 20_000.0
    while far - near > 0.01:
        middle = (near + far) / 2
        if travel(middle, depth_km) < seconds:
            near = middle
        else:
            far = middle
    return near


def circle(latitude: float, longitude: float, radius_km: float) -> tuple[_Array, _Array]:
    """Latitudes and longitudes of all points at one distance, closed, clockwise from north."""
    angle = radius_km / EARTH_RADIUS_KM
    azimuth = np.linspace(0, 2 * np.pi, 181)
    centre = math.radians(latitude)
    sine = math.sin(centre) * math.cos(angle) + math.cos(centre) * math.sin(angle) * np.cos(azimuth)
    east = np.arctan2(
        np.sin(azimuth) * math.sin(angle) * math.cos(centre),
        math.cos(angle) - math.sin(centre) * sine,
    )
    return np.degrees(np.arcsin(sine)), longitude + np.degrees(east)


def draw_map(
    axes: Axes,
    *,
    stations: Mapping[str, Station],
    picked: Collection[str],
    source: Earthquake | None,
    warned: Sequence[PlaceWarning],
    times: TravelTimes,
    now_us: int | None,
) -> PathCollection | None:
    """Draw the state of things at one moment.

    Parameters
    ----------
    axes
        Where; longitudes and latitudes in degrees.
    stations, picked
        Coordinates, and the stations that had picked a P wave by then.
    source
        The revision in force then.
    warned
        The first warning for each place, then or later.
    times
        Travel times, for the fronts.
    now_us
        The moment; None draws no fronts.

    Returns
    -------
    PathCollection or None
        The places by lead time, for a colour bar.
    """
    _set_extent(axes, stations, source, warned)
    _draw_towns(axes)
    if source is not None and now_us is not None:
        _draw_fronts(axes, source, times, (now_us - source.origin_time_us) / 1e6)
    _draw_stations(axes, stations, picked)
    drawn = _draw_warned(axes, warned)
    if source is not None:
        _draw_source(axes, source)
    _draw_scale(axes)
    _name_towns(axes, warned)
    return drawn


def _set_extent(
    axes: Axes,
    stations: Mapping[str, Station],
    source: Earthquake | None,
    warned: Sequence[PlaceWarning],
) -> None:
    """Show what was warned, the source, and the stations near it; as wide as high."""
    points = [(w.latitude, w.longitude) for w in warned]
    if source is not None:
        around = circle(source.latitude, source.longitude, min(source.epicentre_sigma_km, SHOWN_KM))
        points.extend(zip(*around, strict=True))
    reach = 1.5
    for s in stations.values():
        near = (
            source is None
            or math.dist((s.latitude, s.longitude), (source.latitude, source.longitude)) < reach
            or not warned
        )
        if near:
            points.append((s.latitude, s.longitude))
    latitudes, longitudes = np.array(points).T
    south, north = latitudes.min(), latitudes.max()
    west, east = longitudes.min(), longitudes.max()
    wide = 1 / math.cos(math.radians((south + north) / 2))
    half = max((north - south) / 2, (east - west) / 2 / wide, 0.3) * 1.12
    middle, centre = (south + north) / 2, (west + east) / 2
    axes.set_xlim(centre - half * wide, centre + half * wide)
    axes.set_ylim(middle - half, middle + half)
    axes.set_aspect(wide)
    axes.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g}°{'E' if x >= 0 else 'W'}")
    axes.yaxis.set_major_formatter(lambda y, _: f"{abs(y):g}°{'N' if y >= 0 else 'S'}")
    axes.locator_params(nbins=5)
    axes.tick_params(labelsize=8, length=2)
    axes.grid(color=colours.PALE, linewidth=0.4)
    axes.set_axisbelow(True)


def _draw_towns(axes: Axes) -> None:
    """Draw every known town faintly: they show where land and people are."""
    all_places = places.load()
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    seen = (
        (all_places.longitude > west)
        & (all_places.longitude < east)
        & (all_places.latitude > south)
        & (all_places.latitude < north)
    )
    axes.scatter(
        all_places.longitude[seen], all_places.latitude[seen], s=5, color=colours.PALE, zorder=1
    )


def _draw_fronts(axes: Axes, source: Earthquake, times: TravelTimes, seconds: float) -> None:
    for wave, colour, travel in (("P", colours.P_WAVE, times.p), ("S", colours.S_WAVE, times.s)):
        radius = front_km(seconds, source.depth_km, travel)
        if radius > 0:
            latitudes, longitudes = circle(source.latitude, source.longitude, radius)
            axes.plot(
                longitudes, latitudes, color=colour, linewidth=1.8, zorder=3, label=f"{wave} front"
            )


def _draw_stations(axes: Axes, stations: Mapping[str, Station], picked: Collection[str]) -> None:
    for names, face, label in (
        ([n for n in stations if n not in picked], "white", "station"),
        ([n for n in stations if n in picked], colours.P_WAVE, "station that has picked"),
    ):
        if names:
            axes.scatter(
                [stations[n].longitude for n in names],
                [stations[n].latitude for n in names],
                marker="^",
                s=34 if len(stations) <= CROWD else 14,
                facecolor=face,
                edgecolor=colours.INK,
                linewidth=0.7,
                zorder=3.5,
                label=label,
            )


def _draw_warned(axes: Axes, warned: Sequence[PlaceWarning]) -> PathCollection | None:
    """Draw warned places, larger with intensity; those that the S wave had reached are black."""
    if not warned:
        return None
    late = [w for w in warned if w.lead_s <= 0]
    if late:
        axes.scatter(
            [w.longitude for w in late],
            [w.latitude for w in late],
            s=[mark_size(w.intensity) for w in late],
            color=colours.INK,
            marker="X",
            linewidth=0.5,
            edgecolor="white",
            zorder=4,
            label="too late",
        )
    timely = sorted((w for w in warned if w.lead_s > 0), key=lambda w: w.intensity)
    if not timely:
        return None
    return axes.scatter(
        [w.longitude for w in timely],
        [w.latitude for w in timely],
        s=[mark_size(w.intensity) for w in timely],
        c=[w.lead_s for w in timely],
        cmap=colours.LEAD_TIMES,
        vmin=0,
        edgecolor=colours.INK,
        linewidth=0.5,
        zorder=4,
    )


def mark_size(intensity: float) -> float:
    """Area of a place's mark (points squared): grows with the expected intensity."""
    return 18 + 14 * float(max(intensity - 3.0, 0.0) ** 1.5)


def _draw_source(axes: Axes, source: Earthquake) -> None:
    latitudes, longitudes = circle(source.latitude, source.longitude, source.epicentre_sigma_km)
    axes.fill(longitudes, latitudes, color=colours.SOURCE, alpha=0.15, linewidth=0, zorder=2)
    axes.plot(longitudes, latitudes, color=colours.SOURCE, linewidth=0.8, zorder=2)
    axes.scatter(
        [source.longitude],
        [source.latitude],
        marker="*",
        s=190,
        color=colours.SOURCE,
        edgecolor="white",
        linewidth=0.8,
        zorder=6,
        label="epicentre ± one sigma",
    )


def _draw_scale(axes: Axes) -> None:
    """Draw a bar of a round length at the lower right."""
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    degree_km = KM_PER_DEGREE * math.cos(math.radians((south + north) / 2))
    width_km = (east - west) * degree_km
    length = max(
        n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n < max(width_km / 3, 1.1)
    )
    end = east - 0.04 * (east - west)
    y = south + 0.035 * (north - south)
    axes.plot([end - length / degree_km, end], [y, y], color=colours.INK, linewidth=2, zorder=7)
    axes.annotate(
        f"{length} km",
        (end - length / degree_km / 2, y),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        zorder=7,
    )


def _name_towns(axes: Axes, warned: Sequence[PlaceWarning]) -> None:
    """Name the largest places, each where its name covers no other name; else not at all."""
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()
    inside = axes.get_window_extent()
    marks = [
        Bbox.from_bounds(x - 4, y - 4, 8, 8)
        for x, y in axes.transData.transform([(w.longitude, w.latitude) for w in warned])
    ]
    names: list[Bbox] = []
    for w in sorted(warned, key=lambda w: (-w.population, w.name)):
        if len(names) == NAMED_TOWNS:
            return
        trials: list[tuple[int, int, Bbox]] = []
        for number in range(len(_OFFSETS)):
            text = _write_name(axes, w, number)
            box = text.get_window_extent()
            text.remove()
            fits = inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1)
            if fits and not any(box.overlaps(name) for name in names):
                trials.append((sum(box.overlaps(mark) for mark in marks), number, box))
        if not trials:
            continue
        covered, number, box = min(trials, key=lambda trial: trial[:2])
        if covered <= (MOST_COVERED if len(names) < LARGEST else 0):
            _write_name(axes, w, number)
            names.append(box)


def _write_name(axes: Axes, warning: PlaceWarning, offset: int) -> Annotation:
    x, y, side = _OFFSETS[offset]
    return axes.annotate(
        warning.name,
        (warning.longitude, warning.latitude),
        xytext=(x, y),
        textcoords="offset points",
        ha=side,
        va="center",
        fontsize=8,
        color=colours.INK,
        path_effects=[withStroke(linewidth=2.2, foreground="white")],
        zorder=8,
    )
