"""What is known of a sensor that sends readings: a sensor file (TOML).

One table ``[[sensors]]`` for each. Quantities and units are those of the thresholds; readings in
another unit of the same kind are converted (pint), others are refused.
"""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from ingest import units
from ingest.units import UnitError
from stream import settings
from stream.settings import Settings, misfit
from stream.toml_lines import TomlPath

__all__ = ["Quantity", "Rule", "Sensor", "SensorFile", "Threshold", "load"]

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
    "cusum",  # departure from its usual course: value is days between false alarms
    "impulse wave",  # departure from what the last hours predict
    "intensity-duration",  # rain: value is the intercept of the basin's curve, mm/h
    "velocity",  # displacement a day
    "inverse velocity",  # hours to failure
    "background",  # times the usual value of the site
    "return level",  # what is reached once in so many years, by its own record of up to ten
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
    flat_s: Annotated[
        float,
        Meta(
            ge=0.0,
            description="One value for so long, 12 x every_s and 2 x silent_s is a stuck "
            "sensor; s; 0: not looked at",
        ),
    ] = 86_400.0
    late_s: Annotated[
        float, Meta(gt=0.0, description="A reading that comes later than this is archive; s")
    ] = 7200.0
    future_s: Annotated[
        float, Meta(gt=0.0, description="A reading this far ahead of its arrival: wrong clock; s")
    ] = 60.0
    agree_s: Annotated[
        float, Meta(gt=0.0, description="So long must a wrong clock be right to count again; s")
    ] = 600.0
    thresholds: Annotated[tuple[Threshold, ...], Meta(description="When it speaks")] = ()


class SensorFile(Settings, frozen=True):
    """A file of sensors."""

    sensors: Annotated[tuple[Sensor, ...], Meta(description="All of them")] = ()


_RULES: dict[Rule, tuple[Quantity, ...]] = {
    "impulse wave": ("stage", "pressure"),
    "intensity-duration": ("rain",),
    "velocity": ("displacement", "tilt"),
    "inverse velocity": ("displacement", "tilt"),
}
"""Rules that make sense for some quantities only."""


def load(path: Path) -> tuple[Sensor, ...]:
    """Read a sensor file.

    Parameters
    ----------
    path
        TOML, one table ``[[sensors]]`` for each sensor.

    Raises
    ------
    ConfigurationError
        If it cannot be read, is not a sensor file, or what it says of a sensor cannot be: with
        file, line, and what would be right.
    """
    sensors = settings.load(path, SensorFile).sensors
    if not sensors:
        raise misfit(path, ("sensors",), "there is none", "Write a table [[sensors]] for each.")
    seen: set[str] = set()
    for index, sensor in enumerate(sensors):
        for place, problem, remedy in _contradictions(sensor, seen):
            raise misfit(path, ("sensors", index, *place), problem, remedy)
        seen.add(sensor.id)
    return sensors


def _contradictions(sensor: Sensor, seen: set[str]) -> Iterable[tuple[TomlPath, str, str]]:
    """Find what is allowed by itself, but not together: where, what, and the remedy."""
    if sensor.id in seen:
        yield ("id",), f"the sensor {sensor.id} stands there twice", "Give each another id."
    try:
        fits = units.measures(sensor.unit, sensor.quantity)
    except UnitError as error:
        yield ("unit",), str(error), "Write it as pint does: m, mm, degC, m^3/s, uSv/h, mg/m^3."
    else:
        if not fits:
            yield (
                ("unit",),
                f"{sensor.unit} is not a unit of {sensor.quantity}",
                f"Write {' or '.join(units.EXAMPLES[sensor.quantity])}, or a multiple.",
            )
    if sensor.lowest >= sensor.highest:
        yield ("lowest",), "it is not less than highest", "Give the range that is possible."
    if sensor.silent_s < sensor.every_s:
        yield (
            ("silent_s",),
            f"it is less than the usual time between readings, {sensor.every_s:g} s",
            "Give every_s, and for silent_s a few times as much.",
        )
    if sensor.late_s < sensor.future_s:
        yield ("late_s",), "it is less than future_s", "Give a late_s above future_s."
    for number, threshold in enumerate(sensor.thresholds):
        for name, problem, remedy in _threshold_contradictions(sensor, threshold):
            yield ("thresholds", number, name), problem, remedy
    yield from _disorder(sensor)


def _threshold_contradictions(
    sensor: Sensor, threshold: Threshold
) -> Iterable[tuple[str, str, str]]:
    allowed = _RULES.get(threshold.rule)
    if allowed is not None and sensor.quantity not in allowed:
        yield (
            "rule",
            f"{threshold.rule} is not for {sensor.quantity}",
            f"It is for {' and '.join(allowed)}.",
        )
    if threshold.rule == "level" and not sensor.lowest <= threshold.value <= sensor.highest:
        yield (
            "value",
            f"it is never reached: readings are between {sensor.lowest:g} and {sensor.highest:g} "
            f"{sensor.unit}",
            "Give a value that is possible, in the sensor's unit.",
        )
    if threshold.rule != "level" and threshold.value <= 0:
        yield "value", f"a {threshold.rule} has to be above 0", "Give a positive value."
    if threshold.rule == "intensity-duration" and sensor.unit not in ("mm", "millimeter"):
        yield (
            "rule",
            f"its value is in mm/h, but the sensor's unit is {sensor.unit}",
            ("Give the sensor the unit mm; readings in others are converted."),
        )
    if threshold.rule == "rise" and not threshold.over_s:
        yield "over_s", "a rise needs the time that it is counted over", "Give over_s, in seconds."


def _disorder(sensor: Sensor) -> Iterable[tuple[TomlPath, str, str]]:
    """Find an alarm that comes before its warning."""
    by_rule: dict[tuple[Rule, float], list[tuple[int, float, int]]] = {}
    for number, threshold in enumerate(sensor.thresholds):
        sign = -1 if threshold.rule == "inverse velocity" else 1
        by_rule.setdefault((threshold.rule, threshold.over_s), []).append(
            (threshold.level, sign * threshold.value, number)
        )
    for (rule, _), found in by_rule.items():
        found.sort()
        for (level, value, _), (higher, more, number) in pairwise(found):
            if higher == level:
                yield (
                    ("thresholds", number, "level"),
                    f"{rule} has two thresholds of level {level}",
                    "Leave one, or give another level.",
                )
            elif more <= value:
                yield (
                    ("thresholds", number, "value"),
                    f"{rule} of level {higher} is reached no later than level {level}",
                    "Order the values as the levels: 1 watch, 2 warning, 3 alarm.",
                )
