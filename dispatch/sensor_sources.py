"""Tells the ledger, and all who show warnings, how the sensors of other hazards are."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from dispatch import facts
from dispatch.facts import Sources
from dispatch.sources import EVERY_US, LEAST_US, LOOK_S
from ingest import observations
from ingest.reading_quality import ReadingQuality
from ingest.sensors import Sensor
from stream.log import Log
from stream.reader import Reader
from stream.topics import OBSERVATIONS

__all__ = ["SensorWatch", "watch_sensors"]

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class SensorWatch:
    """Reads `observations`, counts sensors by hazard, and writes `Sources` to `facts`.

    A sensor is healthy if it has sent a reading that can be used within its `silent_s`, faulty if
    it has sent others only, else silent.

    Parameters
    ----------
    log
        Where both are.
    sensors
        All that are expected.
    now_us
        The clock: microseconds since 1970 UTC.
    """

    def __init__(self, log: Log, sensors: Sequence[Sensor], now_us: Callable[[], int]) -> None:
        self._log = log
        self._sensors = sensors
        self._now_us = now_us
        self._quality = {sensor.id: ReadingQuality(sensor) for sensor in sensors}
        self._said_us: dict[str, int] = {}
        self._reader = Reader(log, OBSERVATIONS)
        self._told_us = 0
        self._told: list[Sources] = []

    async def start(self) -> None:
        """Begin with what has been sent of late: a start is no silence."""
        longest_s = max((sensor.silent_s for sensor in self._sensors), default=0.0)
        since_ms = self._now_us() // 1000 - round(longest_s * 1000)
        since = {
            (OBSERVATIONS.name, partition): await self._log.offset_for_time(
                OBSERVATIONS.name, partition, since_ms
            )
            for partition in range(self._log.partitions(OBSERVATIONS.name))
        }
        self._reader = Reader(self._log, OBSERVATIONS, since)

    async def step(self) -> None:
        """Read what is new, and tell how the sensors are if it is time to."""
        while records := await self._reader.fresh():
            for record in records:
                with suppress(*_UNREADABLE):
                    self._take(observations.decode(record.value), record.timestamp * 1000)
        now_us = self._now_us()
        said = self._count(now_us)
        without_time = [msgspec.structs.replace(each, at_us=0) for each in said]
        if now_us - self._told_us < (EVERY_US if without_time == self._told else LEAST_US):
            return
        self._told_us, self._told = now_us, without_time
        if said:
            await self._log.append([facts.output(each) for each in said])

    def _take(self, reading: observations.Observation, arrival_us: int) -> None:
        quality = self._quality.get(reading.sensor)
        if quality is not None:
            quality.judge(reading, arrival_us)
            self._said_us[reading.sensor] = arrival_us

    def _count(self, now_us: int) -> list[Sources]:
        counts: dict[str, dict[str, int]] = {}
        for sensor in self._sensors:
            of_hazard = counts.setdefault(sensor.hazard, {"healthy": 0, "faulty": 0, "silent": 0})
            of_hazard[self._state(sensor.id, now_us - round(sensor.silent_s * 1e6))] += 1
        return [
            Sources(at_us=now_us, hazard=hazard, **counted)
            for hazard, counted in sorted(counts.items())
        ]

    def _state(self, name: str, since_us: int) -> str:
        heard_us = self._quality[name].heard_us
        if heard_us is not None and heard_us >= since_us:
            return "healthy"
        return "faulty" if self._said_us.get(name, -1) >= since_us else "silent"


async def watch_sensors(
    log: Log, sensors: Sequence[Sensor], now_us: Callable[[], int], stop: asyncio.Event
) -> None:
    """Tell how the sensors are until `stop` is set; runs beside the stages of a worker."""
    watch = SensorWatch(log, sensors, now_us)
    await watch.start()
    while not stop.is_set():
        await watch.step()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_S)
