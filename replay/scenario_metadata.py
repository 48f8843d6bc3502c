"""What stands beside synthetic records: StationXML, the truth as QuakeML, and a README."""

from collections.abc import Sequence
from datetime import UTC, timedelta
from io import BytesIO
from typing import Any, Literal

from msgspec import Struct

from replay.scenario_file import Scenario, Source
from replay.station_list import Site

__all__ = ["NETWORK", "Sensor", "readme", "stations", "truth"]

NETWORK = "SY"
"""FDSN network code of synthetic seismograms."""

WARNING = "SYNTHETIC: computed, not recorded"


class Sensor(Struct, frozen=True):
    """A kind of sensor.

    Attributes
    ----------
    channels
        SEED codes: up, north, east.
    gain
        Counts per `unit`, flat.
    unit
        Of StationXML.
    derivative
        Of displacement: 1 velocity, 2 acceleration.
    """

    channels: tuple[str, str, str]
    gain: float
    unit: str
    derivative: int

    @classmethod
    def of(cls, kind: Literal["accelerometer", "broadband"]) -> "Sensor":
        """Make one: 24 bits over 2 g, or an STS-2 (1500 V/(m/s)) on 24 bits over 20 V."""
        if kind == "accelerometer":
            return cls(("HNZ", "HNN", "HNE"), 2**23 / (2 * 9.80665), "M/S**2", 2)
        return cls(("HHZ", "HHN", "HHE"), 1500.0 * 2**23 / 20.0, "M/S", 1)


def stations(scenario: Scenario, sites: Sequence[Site], sensor: Sensor) -> bytes:
    """Write StationXML with overall gains; comments say that all is synthetic."""
    from obspy import UTCDateTime  # slow to import, and needed only here
    from obspy.core.inventory import (
        Channel,
        Comment,
        Inventory,
        Network,
        Response,
        Station,
    )
    from obspy.core.inventory import Site as PlaceName
    from obspy.core.inventory.response import InstrumentSensitivity

    made = UTCDateTime(scenario.time.astimezone(UTC))
    axes = ((-90.0, 0.0), (0.0, 0.0), (0.0, 90.0))
    entries = []
    for site in sites:
        place = {
            "latitude": site.latitude,
            "longitude": site.longitude,
            "elevation": site.elevation_m,
        }
        channels = [
            Channel(
                code=code,
                location_code="",
                depth=0.0,
                dip=dip,
                azimuth=azimuth,
                sample_rate=scenario.rate,
                response=Response(
                    instrument_sensitivity=InstrumentSensitivity(
                        sensor.gain, 1.0, sensor.unit, "COUNTS"
                    )
                ),
                **place,
            )
            for code, (dip, azimuth) in zip(sensor.channels, axes, strict=True)
        ]
        entries.append(
            Station(
                code=site.station,
                site=PlaceName(name=site.name),
                channels=channels,
                comments=[Comment(f"{WARNING}. At the coordinates of {site.id}.")],
                **place,
            )
        )
    whole = Network(
        code=NETWORK,
        stations=entries,
        description="Synthetic seismograms",
        comments=[Comment(f"{WARNING}. Scenario {scenario.name}, seed {scenario.seed}.")],
    )
    inventory = Inventory(
        networks=[whole], source="Alatau scenario", created=made, module="Alatau", module_uri=""
    )
    file = BytesIO()
    inventory.write(file, format="STATIONXML")
    return file.getvalue()


def truth(scenario: Scenario, sources: Sequence[Source]) -> bytes:
    """Write earthquakes of a scenario as QuakeML, in this order."""
    from obspy.core import event as quakeml  # slow to import, and needed only here

    events = [_event(scenario, i, event, quakeml) for i, event in enumerate(sources)]
    catalog = quakeml.Catalog(events=events, resource_id=_id(quakeml, scenario, "truth"))
    catalog.creation_info = None
    file = BytesIO()
    catalog.write(file, format="QUAKEML")
    return file.getvalue()


def _id(quakeml: Any, scenario: Scenario, *parts: object) -> Any:  # noqa: ANN401 - obspy has no types
    text = "/".join(str(part) for part in (scenario.name, scenario.seed, *parts))
    return quakeml.ResourceIdentifier(f"smi:alatau/scenario/{text}")


def _event(scenario: Scenario, number: int, event: Source, quakeml: Any) -> Any:  # noqa: ANN401
    from obspy import UTCDateTime

    when = scenario.time.astimezone(UTC) + timedelta(seconds=event.at_s)
    origin = quakeml.Origin(
        resource_id=_id(quakeml, scenario, "origin", number),
        time=UTCDateTime(when),
        latitude=event.latitude,
        longitude=event.longitude,
        depth=1000.0 * event.depth_km,
    )
    magnitude = quakeml.Magnitude(
        resource_id=_id(quakeml, scenario, "magnitude", number),
        mag=event.magnitude,
        magnitude_type="Mw",
        origin_id=origin.resource_id,
    )
    comment = quakeml.Comment(
        text=WARNING,
        resource_id=_id(quakeml, scenario, "comment", number),
        force_resource_id=False,
    )
    made = quakeml.Event(
        resource_id=_id(quakeml, scenario, "event", number),
        event_type="earthquake",
        origins=[origin],
        magnitudes=[magnitude],
        comments=[comment],
    )
    made.preferred_origin_id = origin.resource_id
    made.preferred_magnitude_id = magnitude.resource_id
    return made


def readme(scenario: Scenario, sites: Sequence[Site]) -> str:
    """Say what the folder holds, and that it is synthetic."""
    lines = [
        f"# {scenario.name}",
        "",
        f"**{WARNING}.** Made by `alatau scenario`, seed {scenario.seed}. Nothing here was ever",
        "measured, and no earthquake of this folder need ever have happened.",
        "",
    ]
    if scenario.about:
        lines += [scenario.about.strip(), ""]
    lines += [
        f"{len(sites)} stations at the coordinates of "
        f"{', '.join(sorted({site.network for site in sites}))}, {scenario.sensor}, "
        f"{scenario.rate:g} Hz, from {-scenario.before_s:g} to {scenario.after_s:g} s about "
        f"{scenario.time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC. Their network code is "
        f"{NETWORK}: synthetic seismograms.",
        "",
        "| | |",
        "|---|---|",
        "| `waveforms.synthetic.mseed` | the records |",
        "| `stations.xml` | coordinates and gains |",
        "| `packets.csv.gz` | when each packet came |",
    ]
    if scenario.events:
        lines.append("| `event.quakeml` | what was put in, but for what is beyond 1,000 km |")
    for event in scenario.events:
        lines += [
            "",
            f"M {event.magnitude:g} at {event.latitude:.4f} N {event.longitude:.4f} E, "
            f"{event.depth_km:g} km deep, {event.at_s:+g} s.",
        ]
    for burst in scenario.bursts:
        lines += [
            "",
            f"Burst of {burst.peak:g} m/s2 at {burst.station}, {burst.at_s:+g} s; no earthquake.",
        ]
    for fault in scenario.faults:
        since = "" if fault.at_s < -1e8 else f" from {fault.at_s:+g} s"
        lines += ["", f"Fault at {fault.station}{since}: {fault.kind}."]
    return "\n".join(lines) + "\n"
