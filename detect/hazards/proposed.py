"""Thresholds for a sensor that has none: rules that find their scale in its own record.

They are proposals for what is not known yet, and no replacement of what those who know the basin
say. None is taken up by itself. `derived` makes fixed ones from a record, to be written into the
sensor file.
"""

import math
from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace

from detect.hazards.return_level import ReturnLevel
from detect.hazards.sensing import return_level_of
from ingest.sensors import Rule, Sensor, Threshold
from ingest.units import conversion

__all__ = ["PROPOSED", "derived", "with_proposed"]

PROPOSED = "proposed by Alatau, not by those who know the basin"
LEVELS: tuple[Literal[1, 2, 3], ...] = (1, 2, 3)
YEARS = (1 / 6, 1.0, 2.0)  # watch, warning, alarm
RISE_YEARS = (1.0, 2.0)  # watch, warning
RISE_S = 3600.0
INTERCEPTS = (
    (2.16, "15 mm a day at Caine's exponent: Pamir"),
    (5.5, "Rio Maipo"),
    (14.82, "Caine 1980"),
)
MULTIPLES = (2.0, 4.0, 10.0)
HOURS_TO_FAILURE = (72.0, 24.0, 6.0)
FALSE_ALARM_DAYS = 365.25
WAVE_MM = 30.0
WAVE_EVERY_S = 60.0  # a sensor that sends less often does not see an impulse wave
SAREZ_CM_A_DAY = 25.0


def with_proposed(sensor: Sensor) -> Sensor:
    """Give a sensor that has no thresholds those that are proposed for its quantity."""
    return sensor if sensor.thresholds else replace(sensor, thresholds=_proposed(sensor))


def derived(
    sensor: Sensor, readings: Sequence[tuple[int, float]], record: str
) -> tuple[Threshold, ...]:
    """Propose thresholds from a record: return levels as the levels that they are at its end.

    Rules of other kinds do not hang on a record and are proposed as they are.

    Parameters
    ----------
    sensor
        Its own thresholds are left out.
    readings
        Good ones: time (us, rising) and value in its unit.
    record
        Which that is, for the source of each threshold.

    Returns
    -------
    tuple of Threshold
        Fewer where the record is too short, or does not tell one level from the next.
    """
    found: list[Threshold] = []
    mechanisms: dict[float, ReturnLevel] = {}
    for wanted in _proposed(sensor):
        if wanted.rule != "return level":
            found.append(replace(wanted, source=f"{wanted.source}; {record}"))
            continue
        if wanted.over_s not in mechanisms:
            made = mechanisms[wanted.over_s] = return_level_of(sensor, wanted.over_s)
            for time_us, value in readings:
                made.fold(time_us, value)
        mechanism = mechanisms[wanted.over_s]
        reached = mechanism.level(wanted.value)
        if reached is None:
            continue
        rounded = _rounded(reached, reached - mechanism.base)
        rule: Rule = "rise" if wanted.over_s else "level"
        below = [t.value for t in found if (t.rule, t.over_s) == (rule, wanted.over_s)]
        if max(below, default=mechanism.base) < rounded <= sensor.highest:
            often = f"once in {_years(wanted.value)}"
            source = f"{PROPOSED}: {often}, {record}"
            found.append(replace(wanted, rule=rule, value=rounded, source=source))
    return tuple(found)


def _rounded(value: float, height: float) -> float:
    """Round to a hundredth of the leading digit of its height, as 2.347 above 0 to 2.35."""
    digits = 2 - math.floor(math.log10(height)) if height > 0 else 2
    return round(value, digits)


def _years(years: float) -> str:
    if years < 1.0:
        return f"{round(12 * years)} months"
    return "a year" if years == 1.0 else f"{years:g} years"


def _proposed(sensor: Sensor) -> tuple[Threshold, ...]:
    match sensor.quantity:
        case "stage" | "discharge" | "pressure":
            own = f"once in so many years by its own record; {PROPOSED}"
            return _three("return level", YEARS, own) + _of_rise(own) + _of_lake(sensor)
        case "rain":
            return tuple(
                Threshold(rule="intensity-duration", level=level, value=value, source=source)
                for level, (value, source) in zip(LEVELS, INTERCEPTS, strict=True)
            )
        case "dose rate" | "concentration":
            return _three("background", MULTIPLES, PROPOSED)
        case "displacement":
            return (
                *_three("inverse velocity", HOURS_TO_FAILURE, f"Fukuzono 1985; {PROPOSED}"),
                _departure(),
            )
        case "tilt" | "seepage" | "tremor" | "infrasound":
            return (_departure(),)
        case _:
            return ()


def _three(rule: Rule, values: tuple[float, float, float], source: str) -> tuple[Threshold, ...]:
    return tuple(
        Threshold(rule=rule, level=level, value=value, source=source)
        for level, value in zip(LEVELS, values, strict=True)
    )


def _departure() -> Threshold:
    return Threshold(rule="cusum", level=1, value=FALSE_ALARM_DAYS, source=PROPOSED)


def _of_rise(source: str) -> tuple[Threshold, ...]:
    """Let a rise in an hour warn; it is the level that alarms."""
    return tuple(
        Threshold(rule="return level", level=level, value=years, over_s=RISE_S, source=source)
        for level, years in zip(LEVELS[:2], RISE_YEARS, strict=True)
    )


def _of_lake(sensor: Sensor) -> tuple[Threshold, ...]:
    """Impulse waves and the rise of a day, of lakes and reservoirs."""
    if sensor.quantity != "stage" or sensor.hazard not in ("lake outburst", "dam break"):
        return ()
    rise = Threshold(
        rule="rise",
        level=1,
        value=conversion("cm", sensor.unit)(SAREZ_CM_A_DAY),
        over_s=86_400.0,
        source="alarm of the Sarez system: 25 cm in 24 h",
    )
    if sensor.every_s > WAVE_EVERY_S:
        return (rise,)
    wave = Threshold(
        rule="impulse wave",
        level=2,
        value=conversion("mm", sensor.unit)(WAVE_MM),
        source="DART buoys: 30 mm",
    )
    return (rise, wave)
