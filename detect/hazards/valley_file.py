"""What is known of valleys: a file of reaches (TOML), with their sensors and places.

One table ``[[reaches]]`` for each stretch of a channel. A reach goes on in the one that it names
as `down`; several may join. Places of any country may stand at a reach.
"""

from typing import Annotated, Literal

from msgspec import Meta

from stream.settings import Settings

__all__ = ["Reach", "ReachPlace", "ReachSensor", "ValleyFile"]

AtKm = Annotated[float, Meta(ge=0.0, description="Distance from the upper end of the reach; km")]


class ReachPlace(Settings, frozen=True):
    """A place that is warned."""

    name: Annotated[str, Meta(min_length=1, description="As people call it")]
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$", description="ISO 3166-1, two letters")]
    latitude: Annotated[float, Meta(ge=-90.0, le=90.0, description="Degrees")]
    longitude: Annotated[float, Meta(ge=-180.0, le=180.0, description="Degrees")]
    population: Annotated[int, Meta(ge=0, description="People; 0: not known")] = 0
    at_km: AtKm = 0.0


class ReachSensor(Settings, frozen=True):
    """A sensor, or a seismic station, at a reach."""

    id: Annotated[str, Meta(min_length=1, description="Of the sensor file, or NET.STA")]
    at_km: AtKm = 0.0
    sees: Annotated[
        Literal["flow", "store"],
        Meta(
            description="flow: what runs down passes it, and its silence says that nothing came; "
            "store: it watches a lake or a dam, and speaks before anything runs"
        ),
    ] = "flow"


class Reach(Settings, frozen=True):
    """A stretch of a channel."""

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.\-]{1,64}$", description="Its name here")]
    basin: Annotated[str, Meta(min_length=1, description="Basin, as in the sensor file")]
    length_km: Annotated[float, Meta(gt=0.0, le=5000.0, description="Along the channel; km")]
    slowest_ms: Annotated[float, Meta(gt=0.0, le=100.0, description="Lowest speed of a front; m/s")]
    usual_ms: Annotated[float, Meta(gt=0.0, le=100.0, description="Usual speed of a front; m/s")]
    fastest_ms: Annotated[
        float, Meta(gt=0.0, le=100.0, description="Highest speed of a front; m/s")
    ]
    down: Annotated[str, Meta(description="The reach that it goes on in; empty: none")] = ""
    source: Annotated[
        str, Meta(description="Where the speeds are from; without one they are an example")
    ] = ""
    sensors: Annotated[tuple[ReachSensor, ...], Meta(description="Those at it")] = ()
    places: Annotated[tuple[ReachPlace, ...], Meta(description="Those at it")] = ()

    def __post_init__(self) -> None:
        """Refuse speeds out of order, and what lies beyond the end."""
        if not self.slowest_ms <= self.usual_ms <= self.fastest_ms:
            raise ValueError("slowest_ms, usual_ms and fastest_ms must stand in this order")
        ends = [(sensor.id, sensor.at_km) for sensor in self.sensors]
        for name, at_km in [*ends, *((place.name, place.at_km) for place in self.places)]:
            if at_km > self.length_km:
                raise ValueError(f"{name} lies beyond the end of the reach")


class ValleyFile(Settings, frozen=True):
    """A file of reaches."""

    reaches: Annotated[tuple[Reach, ...], Meta(description="All of them")] = ()

    def __post_init__(self) -> None:
        """Refuse what is there twice, leads nowhere, or runs in a circle."""
        down = {reach.id: reach.down for reach in self.reaches}
        for names in (
            [reach.id for reach in self.reaches],
            [sensor.id for reach in self.reaches for sensor in reach.sensors],
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{twice[0]} stands there twice")
        for reach in self.reaches:
            if reach.down and reach.down not in down:
                raise ValueError(f"the reach {reach.id} goes on in {reach.down}, which is none")
            passed, name = {reach.id}, reach.down
            while name:
                if name in passed:
                    raise ValueError(f"the reach {reach.id} runs in a circle")
                passed.add(name)
                name = down[name]
