"""A plan as two maps: how long to the alert, and how wide the blind zone."""

import json
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from dispatch import places as gazetteer
from replay import colours
from replay.picture import to_png
from replay.plan import Plan, to_csv, to_json

__all__ = ["GRID", "PICTURE", "SUMMARY", "draw", "write"]

PICTURE, GRID, SUMMARY = "plan.png", "plan.csv", "plan.json"

ALERT_S = (5, 8, 10, 12, 15, 20, 25, 30, 40, 60)
MAP_IN, REST_IN = 6.6, 3.0  # width of a map, height of all that is not map
BLIND_KM = (0, 20, 30, 40, 50, 75, 100, 150, 200, 300)


def write(one: Plan, folder: Path) -> None:
    """Write picture, grid and summary into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PICTURE).write_bytes(to_png(draw(one)))
    (folder / GRID).write_bytes(to_csv(one))
    (folder / SUMMARY).write_bytes(to_json(one))


def draw(one: Plan) -> Figure:
    """Draw it, with everything that it assumes written on it."""
    wide = (one.longitude[-1] - one.longitude[0]) * np.cos(np.radians(one.latitude.mean()))
    high = MAP_IN * float((one.latitude[-1] - one.latitude[0]) / wide)
    figure = Figure(
        figsize=(14.5, min(max(high, 3.0), 10.0) + REST_IN),
        dpi=120,
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
    )
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    a = one.assumptions
    figure.suptitle(
        f"{len(one.sites)} stations, all working; an alert {a.latency_s:g} s after the P wave has "
        f"reached {a.stations} of them; epicentres {a.depth_km:g} km deep, {a.model}",
        x=0.01,
        ha="left",
        fontsize=12,
    )
    _map(left, one, one.alert_s, ALERT_S, "seconds from the origin to the alert")
    _map(right, one, one.blind_km, BLIND_KM, "km around the epicentre where S comes first")
    figure.supxlabel(_sentence(one), x=0.01, ha="left", fontsize=9)
    return figure


def _map(
    axes: Axes, one: Plan, values: NDArray[np.float64], steps: tuple[int, ...], label: str
) -> None:
    figure = axes.get_figure(root=True)
    norm = BoundaryNorm(steps, 256, extend="max" if steps[0] == 0 else "both")
    drawn = axes.pcolormesh(
        one.longitude, one.latitude, values, norm=norm, cmap="viridis_r", shading="nearest"
    )
    towns = gazetteer.load()
    south, north = one.latitude[0], one.latitude[-1]
    west, east = one.longitude[0], one.longitude[-1]
    seen = (
        (towns.latitude > south)
        & (towns.latitude < north)
        & (towns.longitude > west)
        & (towns.longitude < east)
    )
    axes.scatter(
        towns.longitude[seen], towns.latitude[seen], s=2, color="white", alpha=0.7, linewidth=0
    )
    axes.scatter(
        [s.longitude for s in one.sites],
        [s.latitude for s in one.sites],
        marker="^",
        s=46,
        facecolor="white",
        edgecolor=colours.INK,
        linewidth=0.9,
        label="station",
        zorder=3,
    )
    halo = [withStroke(linewidth=2.4, foreground="white")]
    for place in one.places:
        axes.scatter(
            [place.longitude], [place.latitude], s=34, color=colours.SOURCE, zorder=4,
            edgecolor="white", linewidth=0.8,
        )  # fmt: skip
        axes.annotate(
            place.name,
            (place.longitude, place.latitude),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=9,
            color=colours.INK,
            path_effects=halo,
            zorder=5,
        )
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect(1 / np.cos(np.radians((south + north) / 2)))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}°E" if x >= 0 else f"{-x:g}°W")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}°N" if y >= 0 else f"{-y:g}°S")
    axes.tick_params(labelsize=8, length=2)
    if figure is not None:
        bar = figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.9, pad=0.02, aspect=40)
        bar.set_ticks(list(steps))
        bar.set_label(label, fontsize=10)


def _sentence(one: Plan) -> str:
    """Say what the places may hope for."""
    a = one.assumptions
    lines = [
        f"Seconds before S, over the epicentres of the map where M {a.magnitude:g} gives intensity "
        f"{a.intensity:g} or more (Bindi et al. 2011) at the place; equal weight for equal area, "
        "not for how likely earthquakes are:"
    ]
    for place in json.loads(to_json(one))["places"]:
        shares = place["share_with_at_least"]
        told = ", ".join(f"{100 * share:.0f} % at least {s}" for s, share in shares.items())
        lines.append(f"{place['name']}: {told or 'not shaken from anywhere on the map'}")
    lines.append(
        "Not in it: stations that fail, magnitudes that come late, the length of a rupture."
    )
    return "\n".join(lines)
