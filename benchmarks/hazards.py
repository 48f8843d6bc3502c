"""What sensors cost that send numbers: quality and detection of many of them, on made data.

``python -m benchmarks.hazards [--sensors N] [--minutes N] [--json FILE]``

Every sensor sends one value a minute, as JSON of the topic `observations`, and every value is
decoded, judged and held against the thresholds of its sensor. A tenth of the sensors have each of
the rules; half of all have a level and a rise. Only the thread is timed: no log, no network.
Readings of two weeks are folded first where a rule needs them, untimed, in steps of an hour; of
the last day in steps of a minute for rain.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

from msgspec import Struct, to_builtins

from benchmarks.detector import machine
from detect.hazards.sensing import Sensing
from ingest import observations
from ingest.observations import Observation
from ingest.reading_quality import ReadingQuality
from ingest.sensors import Quantity, Rule, Sensor, Threshold

BEGIN_US = 1_700_000_000_000_000
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
BEFORE_H = 15 * 24
LATENCY_US = 500_000
TARGET_PERCENT = 5.0

KINDS: tuple[tuple[Quantity, str, tuple[tuple[Rule, float, float], ...]], ...] = (
    ("stage", "m", (("level", 1.2, 0.0), ("rise", 0.5, 3600.0))),
    ("stage", "m", (("level", 1.2, 0.0), ("rise", 0.5, 3600.0))),
    ("stage", "m", (("level", 1.2, 0.0), ("rise", 0.5, 3600.0))),
    ("stage", "m", (("level", 1.2, 0.0), ("rise", 0.5, 3600.0))),
    ("stage", "m", (("level", 1.2, 0.0), ("rise", 0.5, 3600.0))),
    ("stage", "m", (("return level", 2.0, 0.0),)),
    ("seepage", "l/s", (("cusum", 365.25, 0.0),)),
    ("rain", "mm", (("intensity-duration", 14.82, 0.0),)),
    ("displacement", "mm", (("velocity", 5.0, 86_400.0), ("inverse velocity", 24.0, 0.0))),
    ("dose rate", "uSv/h", (("background", 2.0, 0.0),)),
)


class Cost(Struct, frozen=True):
    """What it took.

    Attributes
    ----------
    sensors, values, crossings
        How many; the last are changes of what a sensor says.
    us_per_value
        Of one core.
    percent_of_core
        At one value a minute of every sensor.
    """

    sensors: int
    values: int
    crossings: int
    us_per_value: float
    percent_of_core: float


def made_sensor(number: int) -> Sensor:
    """Make a sensor; every tenth has the same rules."""
    quantity, unit, rules = KINDS[number % len(KINDS)]
    return Sensor(
        id=f"S.{number}",
        quantity=quantity,
        unit=unit,
        hazard="flood",
        latitude=43.0,
        longitude=77.0,
        basin=f"basin {number % 100}",
        every_s=60.0,
        thresholds=tuple(
            Threshold(rule=rule, level=3, value=value, over_s=over) for rule, value, over in rules
        ),
    )


def _value(sensor: Sensor, minutes: float, noise: random.Random) -> float:
    if sensor.quantity == "rain":
        return max(0.0, noise.gauss(-1.0, 0.6))
    return 1.0 + 0.3 * math.sin(minutes / 40.0) + noise.gauss(0.0, 0.02)


def measure(sensors: int, minutes: int) -> Cost:
    """Fold readings of so many sensors for so many minutes."""
    known = [made_sensor(number) for number in range(sensors)]
    quality = {one.id: ReadingQuality(one) for one in known}
    sensing = {one.id: Sensing(one) for one in known}
    noise = random.Random(1)  # noqa: S311
    for one in known:
        if one.quantity in ("seepage", "displacement", "dose rate"):
            for hour in range(-BEFORE_H, 0):
                sensing[one.id].fold(BEGIN_US + hour * HOUR_US, _value(one, hour * 60.0, noise))
        if one.quantity == "rain":
            for minute in range(-24 * 60, 0):
                at_us = BEGIN_US + minute * MINUTE_US
                sensing[one.id].fold(at_us, _value(one, float(minute), noise))
    spent = 0.0
    values = crossings = 0
    for minute in range(minutes):
        batch = [
            observations.encode(
                Observation(
                    sensor=one.id,
                    time_us=BEGIN_US + minute * MINUTE_US,
                    quantity=one.quantity,
                    value=_value(one, float(minute), noise),
                    unit=one.unit,
                )
            )
            for one in known
        ]
        arrival_us = BEGIN_US + minute * MINUTE_US + LATENCY_US
        began = time.thread_time()
        for sent in batch:
            observation = observations.decode(sent)
            judged = quality[observation.sensor].judge(observation, arrival_us)
            if judged.value is not None:
                crossing = sensing[observation.sensor].fold(observation.time_us, judged.value)
                crossings += crossing is not None
        spent += time.thread_time() - began
        values += len(batch)
    each_us = spent / values * 1e6
    return Cost(
        sensors=sensors,
        values=values,
        crossings=crossings,
        us_per_value=round(each_us, 2),
        percent_of_core=round(each_us * sensors / MINUTE_US * 100.0, 3),
    )


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sensors", type=int, default=10_000)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    cost = measure(given.sensors, given.minutes)
    print(
        f"{cost.sensors} sensors, {cost.values} values: {cost.us_per_value} us a value, "
        f"{cost.percent_of_core} % of a core at one value a minute "
        f"(wanted: under {TARGET_PERCENT:g} %); {cost.crossings} crossings"
    )
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        found = {"machine": machine(), "cost": to_builtins(cost)}
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
