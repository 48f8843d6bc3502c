"""Those who may speak for an event: sensors with their readings, and seismic stations."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Literal
from zlib import crc32

from msgspec import Struct

from detect.hazard_events import Hazard
from detect.hazards.sensing import Crossing, Sensing
from detect.hazards.valley import Passage, Valley
from detect.hazards.votes import Voice
from ingest.reading_quality import ReadingQuality
from ingest.sensors import Sensor

__all__ = ["STRAY_LEVEL", "TREMOR", "TREMOR_LEVEL", "Site", "Speaker", "Station", "basin_names"]

TREMOR = "tremor"
TREMOR_LEVEL: Literal[2] = 2
STRAY_LEVEL: Literal[1] = 1
"""Of a tremor at a station, and at one of which no valley file says that anything may run there."""

SECOND = 1_000_000


class Speaker(Struct, kw_only=True):
    """A sensor or a seismic station, and what it says now.

    Attributes
    ----------
    id, hazard, basin, latitude, longitude
        Which, for what, and where.
    path
        Its telemetry path.
    voice
        What it says now; None if nothing.
    event
        Id of the event that it speaks for; empty if none.
    spent
        Its level when the event for which it spoke was cancelled for want of others: it must say
        more before it is heard again.
    held_us, held_by
        Until when it is not heard, as the waves of that earthquake explain it; 0 if it is.
    doubted
        Readings after which it is heard again if it goes on saying so: it spoke by lowered
        thresholds whose cause is gone, or was silent when its event was told anew.
    """

    id: str
    hazard: Hazard
    basin: str
    latitude: float
    longitude: float
    path: str
    voice: Voice | None = None
    event: str = ""
    spent: int = 0
    held_us: int = 0
    held_by: str = ""
    doubted: int = 0

    def silenced(self) -> None:
        """Take it that it says nothing any more."""
        self.voice = None
        self.event = ""
        self.spent = 0
        self.held_us = 0
        self.held_by = ""
        self.doubted = 0

    def passage(self, valley: Valley) -> Passage | None:
        """Return what it has seen, and where; None if nothing, or in no valley."""
        point = valley.point(self.id)
        if self.voice is None or point is None:
            return None
        stored = valley.is_store(self.id)
        return Passage(self.id, point, self.voice.since_us, self.voice.step_us, stored)


class Site(Speaker, kw_only=True):
    """A sensor.

    Attributes
    ----------
    sensor, quality, sensing
        As its file says; the folds of its readings.
    last_us
        When its newest usable reading was taken; 0 before the first.
    heeds_waves
        Whether one of its rules is that of impulse waves.
    """

    sensor: Sensor
    quality: ReadingQuality
    sensing: Sensing
    heeds_waves: bool
    last_us: int = 0

    def is_silent(self, now_us: int) -> bool:
        """Say whether nothing usable has come for too long."""
        heard_us = self.quality.heard_us
        return heard_us is None or now_us - heard_us > self.sensor.silent_s * SECOND

    def forget(self, before_us: int) -> None:
        """Begin anew if it has been silent for as long as its readings matter, and longer.

        Parameters
        ----------
        before_us
            The latest arrival of which nothing need be known any more.
        """
        heard_us = self.quality.heard_us
        memory_us = self.sensing.memory // timedelta(microseconds=1)
        if heard_us is not None and heard_us <= before_us - memory_us and not self.event:
            self.sensing = Sensing(self.sensor)
            self.silenced()

    def hears(self, crossing: Crossing, lowered: float) -> Voice:
        """Make its voice of what it says now.

        A level that rises may have begun with the first one; one that falls began where it did.
        """
        own = [
            threshold.value
            for threshold in self.sensor.thresholds
            if (threshold.rule, threshold.level) == (crossing.rule, crossing.level)
        ]
        since_us, step_us = crossing.since_us, round(self.sensor.every_s * SECOND)
        before = self.voice
        if before is not None and before.level > crossing.level:
            since_us, step_us = before.since_us, before.step_us
        elif before is not None:
            step_us = before.step_us + max(since_us - before.since_us, 0)
        return Voice(
            sensor=self.id,
            path=self.path,
            level=crossing.level,
            rule=crossing.rule,
            since_us=since_us,
            step_us=step_us,
            value=crossing.value,
            unit=crossing.unit,
            threshold=crossing.threshold,
            own=own[0] if own else crossing.threshold,
            source=crossing.source,
            lowered=lowered,
        )


class Station(Speaker, kw_only=True):
    """A seismic station.

    Attributes
    ----------
    at_reach
        Whether it stands at a reach of a valley file; if not, its basin is itself.
    heard_us
        Arrival of the last that was said of it.
    is_strong
        Whether its tremor has lasted so long and is so strong that it needs no other.
    """

    at_reach: bool
    heard_us: int = 0
    is_strong: bool = False


def basin_names(basins: Iterable[str]) -> dict[str, str]:
    """Make a name for each basin in the letters that an id may have, no two alike."""
    names: dict[str, str] = {}
    for basin in sorted(set(basins)):
        plain = re.sub("[^a-z0-9]+", "-", basin.lower()).strip("-")
        same = plain == basin.lower().replace(" ", "-")
        names[basin] = plain if same else f"{plain}-{crc32(basin.encode()):08x}".strip("-")
    return names
