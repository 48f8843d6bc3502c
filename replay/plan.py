"""What a network can do: how soon it would warn of an earthquake, and who would be too near.

Nothing is simulated. For each epicentre of a grid, the alert is out a fixed time after the P wave
has reached so many stations; where the S wave was before that is the blind zone.
"""

import csv
import io
from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detect.geodesy import distances_km
from detect.shaking import intensity
from detect.traveltimes import TravelTimes
from dispatch import places as gazetteer
from replay.station_list import Site
from replay.warning_map import front_km
from stream.errors import ConfigurationError

__all__ = ["Assumptions", "Plan", "PlanPlace", "find_places", "plan", "to_csv", "to_json"]

MARGIN_DEG = 1.5
NEAR_KM = 350.0  # stations further than this from every place do not stretch the map
LEADS_S = (0.0, 5.0, 10.0, 20.0, 30.0)

_Array = NDArray[np.float64]


class Assumptions(Struct, frozen=True, kw_only=True):
    """What a plan rests on.

    Attributes
    ----------
    stations
        That confirm an event, all of them working.
    latency_s
        From the P wave at the last of them to the alert: packet, telemetry, computing, and the
        way to people if it is to count.
    depth_km
        Of every earthquake.
    magnitude
        Decides only which epicentres shake a place enough to warn it.
    intensity
        From which a place is warned (Bindi et al. 2011).
    model
        Of the travel times.
    """

    stations: int = 3
    latency_s: float = 2.0
    depth_km: float = 10.0
    magnitude: float = 7.0
    intensity: float = 4.0
    model: str = "ak135"


class PlanPlace(Struct, frozen=True):
    """A place that is to be warned."""

    name: str
    latitude: float
    longitude: float


class Plan(Struct, frozen=True, kw_only=True):
    """Results over a grid, and what they rest on.

    Attributes
    ----------
    latitude, longitude : float64[rows], float64[columns]
        Of the epicentres, degrees.
    alert_s : float64[rows, columns]
        From the origin to the alert.
    blind_km : float64[rows, columns]
        Radius within which S comes before the alert.
    lead_s : float64[places, rows, columns]
        From the alert to S at each place; negative where S is first.
    shaken : bool[places, rows, columns]
        Whether the place is shaken enough to be warned.
    """

    assumptions: Assumptions
    sites: tuple[Site, ...]
    places: tuple[PlanPlace, ...]
    latitude: _Array
    longitude: _Array
    alert_s: _Array
    blind_km: _Array
    lead_s: _Array
    shaken: NDArray[np.bool_]


def find_places(names: Sequence[str]) -> tuple[PlanPlace, ...]:
    """Look places up by name: of several with one name, the largest.

    Raises
    ------
    ConfigurationError
        If a name is unknown.
    """
    known = gazetteer.load()
    found = []
    for name in names:
        same = [i for i, other in enumerate(known.name) if other.casefold() == name.casefold()]
        if not same:
            raise ConfigurationError(
                f"no place is called {name!r}",
                remedy="Give its ASCII name at geonames.org: Almaty, Bishkek, Osh, Karakol.",
            )
        i = max(same, key=lambda i: int(known.population[i]))
        found.append(PlanPlace(known.name[i], float(known.latitude[i]), float(known.longitude[i])))
    return tuple(found)


def plan(
    sites: Sequence[Site],
    places: Sequence[PlanPlace],
    times: TravelTimes,
    assumptions: Assumptions,
    *,
    step_deg: float = 0.05,
) -> Plan:
    """Work a network out over a grid of epicentres.

    Parameters
    ----------
    sites
        The network; every station counts as working.
    places
        For whom lead times are worked out; with the stations within 350 km of them they also
        decide what is shown. None: all stations do.
    times
        Travel times.
    assumptions
        See there.
    step_deg
        Of the grid.

    Raises
    ------
    ConfigurationError
        If the network has fewer stations than confirm an event.
    """
    if len(sites) < assumptions.stations:
        raise ConfigurationError(
            f"{len(sites)} stations cannot confirm an event, which needs {assumptions.stations}",
            remedy="Give a longer list of stations.",
        )
    latitude, longitude = _grid(sites, places, step_deg)
    at = np.array([[s.latitude, s.longitude] for s in sites])
    shape = (latitude.size, longitude.size)
    alert, blind = np.empty(shape), np.empty(shape)
    lead = np.empty((len(places), *shape))
    felt = np.empty((len(places), *shape))
    depth = assumptions.depth_km
    towns = np.array([[p.latitude, p.longitude] for p in places]).reshape(-1, 2)
    for row, north in enumerate(latitude):
        for column, east in enumerate(longitude):
            away = np.sort(distances_km(north, east, at[:, 0].copy(), at[:, 1].copy()))
            last_km = float(away[assumptions.stations - 1])
            alert[row, column] = times.p(last_km, depth) + assumptions.latency_s
            blind[row, column] = front_km(alert[row, column], depth, times.s)
            to_towns = distances_km(north, east, towns[:, 0].copy(), towns[:, 1].copy())
            felt[:, row, column] = intensity(assumptions.magnitude, to_towns, depth)
            s = np.array([times.s(float(km), depth) for km in to_towns])
            lead[:, row, column] = s - alert[row, column]
    return Plan(
        assumptions=assumptions,
        sites=tuple(sites),
        places=tuple(places),
        latitude=latitude,
        longitude=longitude,
        alert_s=alert,
        blind_km=blind,
        lead_s=lead,
        shaken=felt >= assumptions.intensity,
    )


def _grid(
    sites: Sequence[Site], places: Sequence[PlanPlace], step_deg: float
) -> tuple[_Array, _Array]:
    """Latitudes and longitudes of the epicentres, at multiples of the step."""
    points = [(p.latitude, p.longitude) for p in places]
    for site in sites:
        away = [
            float(
                distances_km(
                    site.latitude, site.longitude, np.array([p.latitude]), np.array([p.longitude])
                )[0]
            )
            for p in places
        ]
        if not places or min(away) <= NEAR_KM:
            points.append((site.latitude, site.longitude))
    south, west = np.min(points, axis=0) - MARGIN_DEG
    north, east = np.max(points, axis=0) + MARGIN_DEG
    rows = np.arange(np.floor(south / step_deg), np.ceil(north / step_deg) + 1) * step_deg
    columns = np.arange(np.floor(west / step_deg), np.ceil(east / step_deg) + 1) * step_deg
    return np.round(rows, 6), np.round(columns, 6)


def to_csv(one: Plan) -> bytes:
    """Write the grid: a row for each epicentre, a lead time for each place."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"lead_s {place.name}" for place in one.places]
    writer.writerow(["latitude", "longitude", "alert_s", "blind_km", *names])
    for row, north in enumerate(one.latitude):
        for column, east in enumerate(one.longitude):
            numbers = [one.alert_s[row, column], one.blind_km[row, column]]
            numbers += list(one.lead_s[:, row, column])
            writer.writerow([f"{north:g}", f"{east:g}", *(f"{x:.1f}" for x in numbers)])
    return text.getvalue().encode("utf-8")


def to_json(one: Plan) -> bytes:
    """Write assumptions, and for each place how often how much time is left."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "assumptions": one.assumptions,
                "stations": [site.id for site in one.sites],
                "places": [_summary(one, i) for i in range(len(one.places))],
            }
        ),
        indent=2,
    )


def _summary(one: Plan, number: int) -> dict[str, object]:
    """Lead times over the epicentres that shake the place enough."""
    place = one.places[number]
    lead = one.lead_s[number][one.shaken[number]]
    weight = np.broadcast_to(np.cos(np.radians(one.latitude))[:, None], one.alert_s.shape)
    weight = weight[one.shaken[number]]
    total = float(weight.sum())
    return {
        "name": place.name,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "epicentres": int(lead.size),
        "share_with_at_least": {
            f"{seconds:g} s": round(float(weight[lead >= seconds].sum()) / total, 3)
            for seconds in LEADS_S
        }
        if total
        else {},
    }
