"""The contract per sensor: which readings are used, and what is wrong with the others.

====================== ======================================================================
fault                  what it means
====================== ======================================================================
``unit``               not a unit of what the sensor measures; nothing is guessed
``quantity``           of another quantity than the sensor's
``range``              below `lowest` or above `highest`, or no number
``future``             its time is ahead of its arrival by more than `future_s`
``clock``              within `agree_s` after a reading with a time in the future
``late``               it came more than `late_s` after its time
``out of order``       its time is before that of the reading before
``repeat``             time and value are those of the reading before
``conflict``           the time of the reading before, with another value
``spike``              more change than `fastest` against most of the three readings before
``flat``               the value has been the same for `flat_s`, and 12 usual steps
``jump``               used; the two readings before it were spikes: it is at a new level
``gap``                used; nothing for `silent_s` before it, by its time, or nothing at all
====================== ======================================================================

A reading with a fault is not used, but for ``jump`` and ``gap``. What is judged hangs on the
readings of the last `ReadingQuality.memory` alone, so a restart judges as no restart.
"""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from datetime import timedelta

from msgspec import Struct

from ingest.observations import Observation
from ingest.sensors import Sensor
from ingest.units import UnitError, conversion

__all__ = ["FAULTS", "Judged", "ReadingQuality", "silent"]

FAULTS = (
    "unit",
    "quantity",
    "range",
    "future",
    "clock",
    "late",
    "out of order",
    "repeat",
    "conflict",
    "spike",
    "flat",
    "jump",
    "gap",
)
"""All faults that a reading can have."""

COMPARED = 3  # readings before; a new level counts when two of the three are of it
FLAT_STEPS = 12  # a sensor that seldom sends holds one value for long with few readings
AT_REST_ZERO = ("rain", "concentration", "seepage")  # zero is what they say when nothing is


class Judged(Struct, frozen=True, gc=False):
    """What a reading is worth.

    Attributes
    ----------
    value
        In the sensor's unit; None if it must not be used.
    faults
        Of `FAULTS`. With ``jump`` the value cannot be compared with those before it.
    """

    value: float | None
    faults: tuple[str, ...] = ()


class _Before(Struct, frozen=True, gc=False):
    """A reading that has been judged, in range and in order."""

    time_us: int
    value: float
    spike: bool


class ReadingQuality:
    """Judges the readings of one sensor, in the order in which they came.

    Parameters
    ----------
    sensor
        Its limits.

    Attributes
    ----------
    memory
        How far back (arrivals) readings change how the next one is judged.
    tallies
        Readings by fault, and ``used``.
    heard_us
        Arrival of the newest reading that could be used; None before the first.
    """

    def __init__(self, sensor: Sensor) -> None:
        self._sensor = sensor
        self._silent_us = sensor.silent_s * 1e6
        flat_s = max(sensor.flat_s, FLAT_STEPS * sensor.every_s, 2 * sensor.silent_s)
        self._flat_us = flat_s * 1e6 if sensor.flat_s else math.inf
        series_s = sensor.silent_s + (flat_s if sensor.flat_s else sensor.silent_s)
        transit_s = 2 * (sensor.late_s + sensor.future_s)
        self.memory = timedelta(seconds=max(series_s, sensor.agree_s) + transit_s)
        self.tallies: Counter[str] = Counter()
        self.heard_us: int | None = None
        self._clock_wrong_until_us: float = -math.inf
        self._newest: tuple[int, float] | None = None
        self._before: deque[_Before] = deque(maxlen=COMPARED)
        self._same_since_us = 0

    def judge(self, observation: Observation, arrival_us: int) -> Judged:
        """Judge a reading.

        Parameters
        ----------
        observation
            One of this sensor.
        arrival_us
            When it came, microseconds since 1970 UTC; it does not go back.
        """
        judged = self._judge(observation, arrival_us)
        self.tallies.update(judged.faults)
        if judged.value is not None:
            self.tallies["used"] += 1
            self.heard_us = arrival_us
        return judged

    def _judge(self, observation: Observation, arrival_us: int) -> Judged:
        sensor, time_us = self._sensor, observation.time_us
        if observation.quantity != sensor.quantity:
            return Judged(None, ("quantity",))
        try:
            value = conversion(observation.unit, sensor.unit)(observation.value)
        except UnitError:
            return Judged(None, ("unit",))
        fault = self._wrong_time(time_us, value, arrival_us)
        if fault:
            return Judged(None, (fault,))
        self._newest = (time_us, value)
        if not sensor.lowest <= value <= sensor.highest:  # true of what is no number
            return Judged(None, ("range",))
        return self._judge_series(time_us, value)

    def _wrong_time(self, time_us: int, value: float, arrival_us: int) -> str:
        """Name what is wrong with the clock or with the order; empty if nothing is."""
        if time_us - arrival_us > self._sensor.future_s * 1e6:
            self._clock_wrong_until_us = arrival_us + self._sensor.agree_s * 1e6
            return "future"
        if arrival_us < self._clock_wrong_until_us:
            return "clock"
        if arrival_us - time_us > self._sensor.late_s * 1e6:
            return "late"
        if self._newest is None or time_us > self._newest[0]:
            return ""
        if time_us < self._newest[0]:
            return "out of order"
        return "repeat" if value == self._newest[1] else "conflict"

    def _judge_series(self, time_us: int, value: float) -> Judged:
        """Compare with the readings before; those older than `silent_s` no longer count."""
        before = self._before
        while before and time_us - before[0].time_us > self._silent_us:
            before.popleft()
        faults = () if before else ("gap",)
        limit = self._sensor.fastest / 1e6
        against = sum(abs(value - b.value) > limit * (time_us - b.time_us) for b in before)
        spike = against > 0 and len(before) <= 2 * against
        if not before or before[-1].value != value:
            self._same_since_us = time_us
        if spike:
            faults = ("spike",)
        elif len(before) > 1 and before[-1].spike and before[-2].spike:
            faults = ("jump",)
        at_rest = value == 0.0 and self._sensor.quantity in AT_REST_ZERO
        if time_us - self._same_since_us >= self._flat_us and not at_rest:
            faults = (*faults, "flat")
        before.append(_Before(time_us, value, spike))
        useless = spike or "flat" in faults
        return Judged(None if useless else value, faults)


def silent(sensors: Iterable[Sensor], heard_us: Mapping[str, int], now_us: int) -> tuple[str, ...]:
    """Tell which sensors have said nothing that could be used for longer than their `silent_s`.

    Parameters
    ----------
    sensors
        Those that are expected.
    heard_us
        By id, the arrival of the newest reading that could be used, `ReadingQuality.heard_us`;
        for one that has never been heard, since when it is waited for. Without that it is not
        yet silent.
    now_us
        Newest arrival of all.

    Returns
    -------
    tuple of str
        Their ids, in the order of `sensors`.
    """
    return tuple(
        sensor.id
        for sensor in sensors
        if now_us - heard_us.get(sensor.id, now_us) > sensor.silent_s * 1e6
    )
