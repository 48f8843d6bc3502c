"""Commands for planning: synthetic earthquakes, and what a network can do."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from commands.terminal import terminal
from detect import traveltimes

__all__ = ["plan", "scenario"]

Stations = Annotated[
    Path | None,
    typer.Option(
        help="CSV with network, station, latitude, longitude, elevation_m, name; default: the "
        "stations of KN, KR and KZ that are publicly known."
    ),
]


def scenario(
    out: Annotated[Path, typer.Option(help="Folder to write; new, or one made before.")],
    file: Annotated[
        Path | None, typer.Argument(help="Scenario (TOML); see benchmarks/scenarios/.")
    ] = None,
    origin: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S"], help="Origin time (UTC)."
        ),
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="LAT,LON,DEPTH", help="Degrees and km.")] = None,
    magnitude: Annotated[float | None, typer.Option(help="Moment magnitude.", min=1, max=9)] = None,
    strike: Annotated[float, typer.Option(help="Of the rupture, degrees from north.")] = 90.0,
    length: Annotated[
        float | None, typer.Option(help="Of the rupture, km; 0 is a point.", min=0, max=1000)
    ] = None,
    stations: Stations = None,
    seed: Annotated[int, typer.Option(help="Of the random numbers.", min=0)] = 1,
) -> None:
    """Make synthetic records of an earthquake, clearly marked, that replay and score read.

    Either a scenario file, or --origin, --at and --magnitude.
    """
    from replay import scenario as making
    from replay import scenario_file, station_list

    if file is not None:
        if origin is not None or at is not None or magnitude is not None:
            raise typer.BadParameter("a file says all; leave --origin, --at, --magnitude out")
        chosen = scenario_file.load(file)
        sites = scenario_file.network(chosen, file)
    else:
        if origin is None or at is None or magnitude is None:
            raise typer.BadParameter("give a scenario file, or --origin, --at and --magnitude")
        latitude, longitude, depth_km = _place(at)
        chosen = scenario_file.single(
            origin if origin.tzinfo is not None else datetime.fromisoformat(f"{origin}+00:00"),
            latitude,
            longitude,
            depth_km,
            magnitude,
            strike_deg=strike,
            length_km=length,
            seed=seed,
        )
        sites = station_list.read(stations)
    scenario_file.check(chosen, sites, file)
    made = making.write(chosen, sites, traveltimes.load("ak135"), out)
    terminal.print(
        f"{out}: {made.stations} stations, {made.seconds:.0f} s, {made.packets} packets. "
        "These records are synthetic.",
        markup=False,
    )


def _place(text: str) -> tuple[float, float, float]:
    try:
        latitude, longitude, depth_km = map(float, text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not LATITUDE,LONGITUDE,DEPTH", param_hint="--at"
        ) from None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and 0 <= depth_km <= 300):
        raise typer.BadParameter(f"{text!r} is not on the globe", param_hint="--at")
    return latitude, longitude, depth_km


def plan(
    out: Annotated[Path, typer.Option(help="Folder for plan.png, plan.csv and plan.json.")],
    stations: Stations = None,
    places: Annotated[
        str, typer.Option(metavar="NAME,NAME", help="Places whose lead times are worked out.")
    ] = "",
    magnitude: Annotated[float, typer.Option(help="Of every earthquake.", min=1, max=9)] = 7.0,
    depth: Annotated[float, typer.Option(help="Of every earthquake, km.", min=0, max=300)] = 10.0,
    latency: Annotated[
        float,
        typer.Option(help="Seconds from the P wave at the last station to the alert.", min=0),
    ] = 2.0,
    confirming: Annotated[int, typer.Option(help="Stations that confirm an event.", min=1)] = 3,
    intensity: Annotated[
        float, typer.Option(help="From which a place is warned.", min=2, max=12)
    ] = 4.0,
) -> None:
    """Draw how soon a network can warn, and where it is too late."""
    from replay import plan as planning
    from replay import plan_picture, station_list

    names = [name.strip() for name in places.split(",") if name.strip()]
    assumptions = planning.Assumptions(
        stations=confirming,
        latency_s=latency,
        depth_km=depth,
        magnitude=magnitude,
        intensity=intensity,
    )
    made = planning.plan(
        station_list.read(stations),
        planning.find_places(names),
        traveltimes.load("ak135"),
        assumptions,
    )
    plan_picture.write(made, out)
    terminal.print(f"Written to {out}/", markup=False)
