"""What is known of a sensor that sends readings: a sensor file (TOML).

One table ``[[sensors]]`` for each. Quantities and units are those of the thresholds; readings in
another unit of the same kind are converted (pint), others are refused.
"""

from typing import Annotated, Literal

from msgspec import Meta

from stream.settings import Settings

__all__ = ["Quantity", "Rule", "Sensor", "SensorFile", "Threshold"]

Quantity = Literal[
    "stage",  # level of a river, lake or reservoir above its datum
    "pressure",  # of the water column
    "discharge",
    "rain",  # fallen since the reading before
    "temperature",
    "displacement",
    "tilt",
    "tremor",  # ground velocity, from a geophone that sends numbers
    "infrasound",
    "dose rate",
    "concentration",
    "seepage",
]

Rule = Literal[
    "level",  # the value itself
    "rise",  # its growth within `over_s`
    "cusum",  # departure from its usual course
    "impulse wave",  # departure from what the last hours predict
    "intensity-duration",  # rain: value is the intercept of the basin's curve, mm/h
    "velocity",  # displacement a day
    "inverse velocity",  # hours to failure
    "background",  # times the usual value of the site
]


class Threshold(Settings, frozen=True):
    """When a sensor speaks for a hazard."""

    rule: Annotated[Rule, Meta(description="What of the series is compared")]
    level: Annotated[
        Literal[1, 2, 3], Meta(description="1 watch, 2 warning, 3 alarm: what crossing it means")
    ]
    value: Annotated[float, Meta(description="From here on; in the unit of the sensor and rule")]
    over_s: Annotated[
        float, Meta(ge=0.0, le=864_000.0, description="Span that a rise is counted over; s")
    ] = 0.0
    source: Annotated[
        str, Meta(description="Where the value is from; without one it is an example")
    ] = ""


class Sensor(Settings, frozen=True):
    """One sensor: what, where, how it fails, and when it speaks."""

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.\-]{1,64}$", description="As in its readings")]
    quantity: Annotated[Quantity, Meta(description="What it measures")]
    unit: Annotated[str, Meta(description="Of its thresholds and limits, as pint writes it")]
    hazard: Annotated[
        Literal[
            "flood",
            "flash flood",
            "lake outburst",
            "dam break",
            "debris flow",
            "landslide",
            "heavy rain",
            "radioactive release",
            "chemical release",
        ],
        Meta(description="What it speaks for"),
    ]
    latitude: Annotated[float, Meta(ge=-90.0, le=90.0, description="Degrees")]
    longitude: Annotated[float, Meta(ge=-180.0, le=180.0, description="Degrees")]
    basin: Annotated[str, Meta(min_length=1, description="Basin, lake, dam, slope or site")]
    reach: Annotated[str, Meta(description="Of the valley file; empty: none")] = ""
    datum: Annotated[str, Meta(description="What its zero is")] = ""
    telemetry: Annotated[
        str, Meta(description="Path that it shares: those of one path count as one")
    ] = ""
    every_s: Annotated[
        float, Meta(gt=0.0, le=86_400.0, description="Usual time between readings; s")
    ] = 600.0
    silent_s: Annotated[
        float, Meta(gt=0.0, description="After so long without a reading it is silent; s")
    ] = 3600.0
    lowest: Annotated[float, Meta(description="Less is not possible")] = -1e9
    highest: Annotated[float, Meta(description="More is not possible")] = 1e9
    fastest: Annotated[
        float, Meta(gt=0.0, description="More change in a second is a spike, not the world")
    ] = 1e9
    thresholds: Annotated[tuple[Threshold, ...], Meta(description="When it speaks")] = ()


class SensorFile(Settings, frozen=True):
    """A file of sensors."""

    sensors: Annotated[tuple[Sensor, ...], Meta(description="All of them")] = ()

    def __post_init__(self) -> None:
        names = [sensor.id for sensor in self.sensors]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the sensor {twice[0]} stands there twice")
