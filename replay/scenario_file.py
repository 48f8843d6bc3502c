"""What a scenario is: a TOML file that says what happens to a network, or one earthquake."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from replay import station_list
from replay.station_list import Site
from replay.telemetry import LatencySettings
from stream import settings
from stream.errors import ConfigurationError
from stream.settings import Settings

__all__ = [
    "CENTRAL_ASIA",
    "Burst",
    "Fault",
    "Scenario",
    "Source",
    "check",
    "load",
    "network",
    "single",
]

CENTRAL_ASIA = "central-asia"

_EVER_S = 1e9

_Latitude = Annotated[float, Meta(description="Degrees north.", ge=-90, le=90)]
_Longitude = Annotated[float, Meta(description="Degrees east.", ge=-180, le=180)]
_At = Annotated[float, Meta(description="Seconds after the scenario's time; may be negative.")]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Code = Annotated[str, Meta(description="A station of the network: NET.STA.")]


class Source(Settings, frozen=True, kw_only=True):
    """An earthquake; beyond 1,000 km from a station only its waves through the mantle come."""

    at_s: _At = 0.0
    latitude: _Latitude
    longitude: _Longitude
    depth_km: Annotated[float, Meta(description="Depth (km).", ge=0, le=300)] = 10.0
    magnitude: Annotated[float, Meta(description="Moment magnitude.", ge=1, le=9)]
    length_km: Annotated[
        Annotated[float, Meta(ge=0, le=1000)] | None,
        Meta(
            description="Length of the rupture (km), 0 for a point; left out: a point below M 6.5, "
            "and else by Wells and Coppersmith (1994)."
        ),
    ] = None
    strike_deg: Annotated[
        float, Meta(description="Direction of the rupture, clockwise from north.", ge=0, le=360)
    ] = 90.0
    share_before: Annotated[
        float,
        Meta(description="Share of its length that lies against the strike.", ge=0, le=1),
    ] = 0.5


class Burst(Settings, frozen=True, kw_only=True):
    """Shaking at one station that no earthquake makes."""

    station: _Code
    at_s: _At
    peak: Annotated[float, Meta(description="Largest acceleration (m/s2).", gt=0, le=20)]
    hertz: Annotated[float, Meta(description="Middle of its band (Hz).", gt=0, le=40)] = 5.0
    seconds: Annotated[float, Meta(description="In which it fades to a third.", gt=0, le=60)] = 1.0


class Fault(Settings, frozen=True, kw_only=True):
    """Something that goes wrong at one station.

    ``dead`` one value for ever; ``spikes`` jolts of `value` m/s2 every ten seconds or so; ``clip``
    nothing beyond `value` m/s2 (m/s) is recorded; ``clock`` times are `value` s ahead; ``gap``
    packets are lost; ``outage`` packets come all at once afterwards; ``late`` packets come
    `value` s later.
    """

    station: _Code
    kind: Literal["dead", "spikes", "clip", "clock", "gap", "outage", "late"]
    at_s: _At = -_EVER_S
    seconds: Annotated[float, Meta(description="How long; left out: to the end.", gt=0)] = (
        2 * _EVER_S
    )
    value: Annotated[float, Meta(description="How much; see the kinds.", ge=0)] = 0.0


class Scenario(Settings, frozen=True, kw_only=True):
    """A network, and what happens to it."""

    name: Annotated[str, Meta(description="Short name.", pattern="^[A-Za-z0-9._-]+$")]
    about: Annotated[str, Meta(description="What it shows, and where its facts come from.")] = ""
    time: Annotated[datetime, Meta(description="Time that all seconds count from, UTC.", tz=True)]
    seed: Annotated[int, Meta(description="Of the random numbers.", ge=0)] = 1
    network: Annotated[
        str,
        Meta(
            description="`central-asia` (KN, KR and KZ), or a CSV file relative to this one.",
            min_length=1,
        ),
    ] = CENTRAL_ASIA
    stations: Annotated[
        tuple[_Code, ...], Meta(description="Which of them; none for all within reach_km.")
    ] = ()
    reach_km: Annotated[
        float,
        Meta(
            description="Stations further (km) from every earthquake within 1,000 km of the "
            "network are left out.",
            gt=0,
        ),
    ] = 600.0
    before_s: Annotated[float, Meta(description="Record before the time (s).", ge=20)] = 60.0
    after_s: Annotated[float, Meta(description="Record after the time (s).", gt=0)] = 180.0
    sensor: Annotated[
        Literal["accelerometer", "broadband"],
        Meta(description="HN?: 2 g full scale; HH?: an STS-2 that clips at 13 mm/s."),
    ] = "accelerometer"
    rate: Annotated[float, Meta(description="Samples a second.", ge=20, le=200)] = 100.0
    packet_s: Annotated[float, Meta(description="Length of packets (s).", gt=0, le=10)] = 1.0
    noise: Annotated[
        tuple[_Share, _Share],
        Meta(description="Quietest and noisiest station: 0 is Peterson's low model, 1 the high."),
    ] = (0.4, 0.7)
    disturbances_per_hour: Annotated[
        float, Meta(description="Small disturbances at each station.", ge=0, le=600)
    ] = 3.0
    latency: LatencySettings = LatencySettings()
    events: tuple[Source, ...] = ()
    bursts: tuple[Burst, ...] = ()
    faults: tuple[Fault, ...] = ()


def single(
    origin: datetime,
    latitude: float,
    longitude: float,
    depth_km: float,
    magnitude: float,
    *,
    strike_deg: float = 90.0,
    length_km: float | None = None,
    seed: int = 1,
) -> Scenario:
    """Make the scenario of one earthquake."""
    when = origin.astimezone(UTC)
    event = Source(
        latitude=latitude,
        longitude=longitude,
        depth_km=depth_km,
        magnitude=magnitude,
        strike_deg=strike_deg,
        length_km=length_km,
    )
    return Scenario(
        name=f"{when:%Y-%m-%dT%H%M%S}-m{magnitude:g}", time=when, seed=seed, events=(event,)
    )


def load(path: Path) -> Scenario:
    """Read a scenario.

    Raises
    ------
    ConfigurationError
        With file, line and remedy.
    """
    return settings.load(path, Scenario)


def network(scenario: Scenario, file: Path | None) -> tuple[Site, ...]:
    """Read the stations of a scenario's network.

    Parameters
    ----------
    scenario
        Which names it.
    file
        The scenario's own file, which paths are relative to; None: the working directory.
    """
    if scenario.network == CENTRAL_ASIA:
        return station_list.read()
    beside = Path() if file is None else file.parent
    return station_list.read(beside / scenario.network)


def check(scenario: Scenario, sites: tuple[Site, ...], file: Path | None) -> None:
    """Refuse a scenario that names stations which its network does not have.

    Raises
    ------
    ConfigurationError
        With file, line and remedy.
    """
    known = {site.id for site in sites}
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("stations", i), name) for i, name in enumerate(scenario.stations)
    ]
    named += [(("bursts", i, "station"), b.station) for i, b in enumerate(scenario.bursts)]
    named += [(("faults", i, "station"), f.station) for i, f in enumerate(scenario.faults)]
    for place, name in named:
        if name not in known:
            raise _misfit(
                file,
                place,
                f"the network has no station {name}",
                f"It has {', '.join(sorted(known))}.",
            )
    for i, fault in enumerate(scenario.faults):
        if fault.value == 0 and fault.kind in ("spikes", "clip", "clock", "late"):
            raise _misfit(
                file,
                ("faults", i, "value"),
                f"a fault of the kind {fault.kind} needs a value",
                "Say how much: seconds, or m/s2.",
            )
        if fault.kind in ("gap", "outage") and fault.seconds > _EVER_S:
            raise _misfit(
                file,
                ("faults", i, "kind"),
                f"a fault of the kind {fault.kind} needs an end",
                "Give at_s and seconds.",
            )
    if not (scenario.events or scenario.bursts):
        return
    last = max([e.at_s for e in scenario.events] + [b.at_s for b in scenario.bursts])
    if last >= scenario.after_s:
        raise _misfit(
            file, ("after_s",), "the record ends before the last thing happens", "Make it longer."
        )


def _misfit(
    file: Path | None, place: tuple[str | int, ...], problem: str, remedy: str
) -> ConfigurationError:
    return settings.misfit(file, place, problem, remedy)
