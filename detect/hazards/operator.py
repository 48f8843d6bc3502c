"""The stage `hazards`: what sensors and others say in, events of other hazards out."""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec

from detect import events
from detect.events import Earthquake
from detect.hazard_events import HazardEvent
from detect.hazards import readings
from detect.hazards.assessment import Assessment
from detect.hazards.bulletins import EARLY, basin_places
from detect.hazards.cascade import Cascades
from detect.hazards.cascade_file import CascadeFile
from detect.hazards.readings import Bulletin, Tremor
from detect.hazards.sensing import Sensing
from detect.hazards.silence import Silences
from detect.hazards.speakers import (
    STRAY_LEVEL,
    TREMOR,
    TREMOR_LEVEL,
    Site,
    Speaker,
    Station,
    basin_names,
)
from detect.hazards.valley import Valley
from detect.hazards.valley_file import ValleyFile
from detect.hazards.votes import Voice
from detect.hazards.watches import Watches
from detect.settings import HazardSettings
from ingest.observations import Observation
from ingest.reading_quality import ReadingQuality
from ingest.sensors import Sensor
from stream.records import Output, Record
from stream.rejects import reject
from stream.topics import EVENTS

__all__ = ["HazardOperator"]

SECOND = 1_000_000
HOUR = 3600 * SECOND
TICK_US = 10 * SECOND  # between two looks at what only passes with time

STATION_LOST_US = 120 * SECOND  # a tremor is told of every 10 s; so long after, its end was missed
PERSISTENCE_READINGS = 3  # within them a threshold that is no longer reached is released
WAVE_HELD_US = 4 * HOUR  # how long a rule of impulse waves stays set: DART's event mode

_LAST_ARRIVAL_MS = 7_258_118_400_000  # the year 2200
_ID = re.compile(r"[A-Za-z0-9.\-]+")
_STATION = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_AHEAD_US = 60 * SECOND
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class HazardOperator:
    """Folds all that sensors and seismic stages say into events of other hazards.

    "Now" is the newest arrival that has been read. What cannot be read or used goes to `rejects`.

    Parameters
    ----------
    settings
        How events end, and what one sensor or station may confirm alone.
    sensors, valleys, cascades
        What their files say.
    region
        Name of the region: the start of event ids.

    Attributes
    ----------
    memory
        At each multiple since 1970 of `longest_h`, or of the slowest way down the longest valley
        if that is more, events are told anew where no quiet time in the last such cycle has made
        them begin by themselves. So two histories agree after two cycles, and what sensors and
        cascades remember, whatever was before.
    """

    def __init__(
        self,
        settings: HazardSettings,
        sensors: Sequence[Sensor],
        valleys: ValleyFile,
        cascades: CascadeFile,
        region: str,
    ) -> None:
        self._settings = settings
        self._valley = Valley(valleys)
        self._cascades = Cascades(cascades, sensors, basin_places(sensors, valleys.reaches))
        basins = basin_names(
            [s.basin for s in sensors]
            + [r.basin for r in valleys.reaches]
            + [w.basin for w in cascades.watched]
        )
        self._sites = {sensor.id: _site(sensor) for sensor in sensors}
        self._stations: dict[str, Station] = {}
        self._assessment = Assessment(
            settings, self._valley, self._cascades, self._sites, self._stations, basins, region
        )
        self._watches = Watches(self._valley, basins, region)
        self._silences = Silences(self._sites, basins, region)
        self._longest_us = _whole_ticks(settings.longest_h * 3600.0)
        self._renewed_us = max(self._longest_us, _whole_ticks(self._valley.longest_s))
        own = [
            max(site.quality.memory, timedelta(seconds=site.sensor.silent_s)) + site.sensing.memory
            for site in self._sites.values()
        ]
        self.memory = (
            2 * timedelta(microseconds=self._renewed_us)
            + max([timedelta(0), *own])
            + self._cascades.memory
            + timedelta(seconds=settings.clear_s)
        )
        self._now_us = 0
        self._began_us = 0
        self._ticked = 0

    def process(self, batch: Sequence[Record]) -> list[Output]:
        """Fold the batch; see `stream.operator.Operator`."""
        outputs: list[Output] = []
        for record in batch:
            outputs += self._take(record)
        return outputs

    def _take(self, record: Record) -> Iterator[Output]:
        if not 0 < record.timestamp < _LAST_ARRIVAL_MS:
            yield reject(record, "impossible arrival", f"{record.timestamp} ms since 1970")
            return
        try:
            reading = readings.decode(record.value)
        except _UNREADABLE as error:
            yield reject(record, "not a reading", str(error))
            return
        now_us = max(self._now_us, record.timestamp * 1000)
        problem = "" if isinstance(reading, Observation) else _impossible(reading, now_us)
        if problem:
            yield reject(record, "impossible reading", problem)
            return
        if not self._now_us:
            self._began_us = now_us
            self._assessment.begin(now_us)
            self._ticked = now_us // TICK_US
        self._now_us = self._assessment.now_us = now_us
        for event in self._tick():
            yield _output(record, event)
        if isinstance(reading, Tremor):
            said = self._tremor(reading)
        elif isinstance(reading, Earthquake):
            said = self._quake(reading)
        elif isinstance(reading, Bulletin):
            said = self._bulletin(reading)
        else:
            site = self._sites.get(reading.sensor)
            if site is None:
                yield reject(record, "unknown sensor", f"{reading.sensor} is in no sensor file")
                return
            judged = site.quality.judge(reading, self._now_us)
            if judged.value is None:
                faults = ", ".join(judged.faults)
                yield reject(record, f"unusable reading: {judged.faults[0]}", faults)
                return
            said = self._reading(site, reading.time_us, judged.value)
        for event in said:
            yield _output(record, event)

    def _reading(self, site: Site, time_us: int, value: float) -> Iterator[HazardEvent]:
        """Take a usable reading."""
        site.last_us = time_us
        yield from self._silences.heard(site, self._now_us)
        lowered = self._cascades.lowered(site.basin, site.hazard, self._now_us)
        shaken = (
            site.heeds_waves
            and self._cascades.waves(site.latitude, site.longitude, time_us) is not None
        )
        crossing = site.sensing.fold(time_us, value, lowered=lowered, shaken=shaken)
        if self._cascades.is_prior(site.id):
            self._cascades.speaks(site.id, time_us, value, site.sensing.level, self._now_us)
            return
        if crossing is None:
            if site.doubted:
                site.doubted -= 1
                if not site.doubted:
                    yield from self._assessment.speak(site, time_us)
        elif crossing.level:
            site.doubted = 0
            site.voice = site.hears(crossing, lowered)
            if self._now_us >= site.held_us:
                site.held_us = 0
            if self._holds(site):
                waves = f"the waves of the earthquake {site.held_by}"
                yield from self._assessment.leave(site, waves)
            elif site.voice.level > site.spent:
                yield from self._assessment.speak(site, time_us)
        else:
            yield from self._silence(site)

    def _holds(self, speaker: Speaker) -> bool:
        """Hold back a voice that the waves of an earthquake explain; say whether it is held."""
        voice = speaker.voice
        if voice is None or voice.rule not in ("impulse wave", TREMOR):
            speaker.held_us = 0
            return False
        if self._now_us < speaker.held_us:
            return True
        waves = self._cascades.waves(speaker.latitude, speaker.longitude, voice.since_us)
        if waves is None or speaker.held_us:
            return False
        held_us = WAVE_HELD_US if voice.rule == "impulse wave" else 0
        speaker.held_us = waves.to_us + held_us
        speaker.held_by = waves.quake
        return self._now_us < speaker.held_us

    def _tremor(self, tremor: Tremor) -> Iterator[HazardEvent]:
        """Take what the ground at a station does."""
        station = self._station(tremor)
        if station is None:
            return
        station.heard_us = self._now_us
        if tremor.state in ("off", "no"):
            nothing = "the tremor is none of a flow" if tremor.state == "no" else ""
            yield from self._silence(station, nothing)
            return
        if station.voice is None:
            station.voice = Voice(
                sensor=station.id,
                path=station.path,
                level=TREMOR_LEVEL if station.at_reach else STRAY_LEVEL,
                rule=TREMOR,
                since_us=tremor.since_us,
                step_us=0,
                value=tremor.ratio,
                unit="times usual",
                threshold=self._settings.tremor_ratio,
                own=self._settings.tremor_ratio,
            )
        lasted_s = (tremor.time_us - station.voice.since_us) / SECOND
        station.is_strong |= (
            lasted_s >= self._settings.tremor_lasts_s
            and tremor.ratio >= self._settings.tremor_ratio
        )
        if self._holds(station) or station.voice.level <= station.spent:
            return
        yield from self._assessment.speak(station, tremor.time_us)

    def _station(self, tremor: Tremor) -> Station | None:
        """Return who says so; None if it stands at no reach and such are not heard."""
        known = self._stations.get(tremor.station)
        if known is not None:
            return known
        point = self._valley.point(tremor.station)
        reach = None if point is None else self._valley.reach(point.reach)
        if reach is None and self._settings.tremors == "reaches":
            return None
        if reach is None:
            self._assessment.add(tremor.station)
        station = Station(
            id=tremor.station,
            hazard="debris flow",
            basin=tremor.station if reach is None else reach.basin,
            latitude=tremor.latitude,
            longitude=tremor.longitude,
            path=tremor.station,
            at_reach=reach is not None,
        )
        self._stations[tremor.station] = station
        return station

    def _quake(self, quake: Earthquake) -> Iterator[HazardEvent]:
        """Take a revision of an earthquake: what it sets off, and what its waves explain."""
        moved = list(self._cascades.fold(quake, self._now_us))
        for one in moved:
            yield from self._watches.fold(one, self._now_us)
        gone = {one.watched.basin for one in moved if not one.stands}
        for speaker in self._speakers():
            voice = speaker.voice
            if voice is None:
                continue
            if speaker.basin in gone and isinstance(speaker, Site):
                yield from self._doubt(speaker, voice, f"the earthquake {quake.id} does not stand")
            if speaker.event and self._holds(speaker):
                yield from self._assessment.leave(
                    speaker, f"the waves of the earthquake {speaker.held_by}"
                )
            elif speaker.held_by == quake.id and quake.status in ("cancelled", "superseded"):
                speaker.held_us, speaker.held_by = 0, ""
                if not self._holds(speaker) and voice.level > speaker.spent:
                    yield from self._assessment.speak(speaker, self._now_us)

    def _bulletin(self, bulletin: Bulletin) -> Iterator[HazardEvent]:
        """Take a warning of another service, which raises nothing itself."""
        gone = self._cascades.bulletins.fold(bulletin, self._now_us)
        for site in self._sites.values():
            if site.basin in gone and site.voice is not None:
                which = f"{bulletin.sender},{bulletin.identifier}"
                yield from self._doubt(site, site.voice, f"{which} has withdrawn its cause")

    def _doubt(self, site: Site, voice: Voice, why: str) -> Iterator[HazardEvent]:
        """Take back a voice that only thresholds have raised which are not lowered any more."""
        now = self._cascades.lowered(site.basin, site.hazard, self._now_us)
        if not site.event or now <= voice.lowered or voice.reaches():
            return
        site.doubted = PERSISTENCE_READINGS
        yield from self._assessment.leave(site, why)

    def _speakers(self) -> list[Speaker]:
        return [*self._sites.values(), *(self._stations[name] for name in sorted(self._stations))]

    def _silence(
        self, speaker: Speaker, nothing: str = "", since_us: int | None = None
    ) -> Iterator[HazardEvent]:
        """Take it that a sensor or station says nothing any more."""
        yield from self._assessment.leave(speaker, nothing, since_us)
        speaker.silenced()
        if isinstance(speaker, Station):
            speaker.is_strong = False

    def _tick(self) -> Iterator[HazardEvent]:
        """Every ten seconds of arrival: what only passes with time."""
        tick = self._now_us // TICK_US  # counted from 1970, not from when the stage was started
        if tick == self._ticked:
            return
        before_us, self._ticked = self._ticked * TICK_US, tick
        for _, station in sorted(self._stations.items()):
            lost_us = station.heard_us + STATION_LOST_US
            if station.voice is not None and self._now_us > lost_us:
                yield from self._silence(station, since_us=lost_us)
        turn_us = self._now_us // self._renewed_us * self._renewed_us
        if before_us < turn_us:
            yield from self._assessment.renew(turn_us, self._renewed_us)
            for site in self._sites.values():
                site.forget(turn_us - self._renewed_us)
        turn_us = self._now_us // self._longest_us * self._longest_us
        if before_us < turn_us:
            yield from self._silences.renew(turn_us, self._longest_us, self._now_us)
        ended = self._cascades.forget(self._now_us)
        memory_us = self._cascades.memory // timedelta(microseconds=1)
        yield from self._watches.forget(ended, self._now_us, memory_us)
        yield from self._silences.look(self._began_us, self._now_us)
        for speaker in self._speakers():
            if (
                speaker.voice is not None
                and speaker.held_us
                and not speaker.event
                and not self._holds(speaker)
                and speaker.voice.level > speaker.spent
            ):
                yield from self._assessment.speak(speaker, self._now_us)
        yield from self._assessment.look()


def _whole_ticks(seconds: float) -> int:
    """Round up to whole ticks, so that no turn falls between two; in microseconds."""
    return math.ceil(seconds * SECOND / TICK_US) * TICK_US


def _site(sensor: Sensor) -> Site:
    return Site(
        id=sensor.id,
        hazard=sensor.hazard,
        basin=sensor.basin,
        latitude=sensor.latitude,
        longitude=sensor.longitude,
        path=sensor.telemetry or sensor.id,
        sensor=sensor,
        quality=ReadingQuality(sensor),
        sensing=Sensing(sensor),
        heeds_waves=any(t.rule == "impulse wave" for t in sensor.thresholds),
    )


def _output(record: Record, event: HazardEvent) -> Output:
    key, value = event.id.encode("ascii"), events.encode(event)
    return Output(EVENTS.name, key, value, record.offset, record.timestamp)


def _impossible(reading: Tremor | Earthquake | Bulletin, now_us: int) -> str:
    """Say why no station, locator or service says so; empty if one may."""
    if isinstance(reading, Bulletin):
        return _impossible_bulletin(reading, now_us)
    if not (abs(reading.latitude) <= 90.0 and abs(reading.longitude) <= 180.0):
        return f"there is no place {reading.latitude}, {reading.longitude}"
    if isinstance(reading, Tremor):
        if not _STATION.fullmatch(reading.station):
            return f"there is no station {reading.station!r}"
        if not 0 < reading.since_us <= reading.time_us <= now_us + _AHEAD_US:
            return f"it is from {reading.since_us} to {reading.time_us}, and came at {now_us}"
        return ""
    if not now_us - HOUR < reading.origin_time_us <= now_us + _AHEAD_US:
        return f"its origin is at {reading.origin_time_us}, and it came at {now_us}"
    if not -10.0 <= reading.depth_km <= 800.0 or not _ID.fullmatch(reading.id):
        return f"there is no earthquake {reading.id!r} at {reading.depth_km} km"
    if reading.magnitude is not None and not -3.0 <= reading.magnitude <= 10.0:
        return f"there is no magnitude {reading.magnitude}"
    return ""


def _impossible_bulletin(bulletin: Bulletin, now_us: int) -> str:
    if not 0 < bulletin.sent_us <= now_us + EARLY // timedelta(microseconds=1):
        return f"it was sent at {bulletin.sent_us}, and came at {now_us}"
    if bulletin.type != "Cancel" and bulletin.expires_us <= bulletin.effective_us:
        return f"it expires at {bulletin.expires_us}, before it is in force"
    places = [place for ring in bulletin.polygons for place in ring]
    places += [(latitude, longitude) for latitude, longitude, _ in bulletin.circles]
    for latitude, longitude in places:
        if not (abs(latitude) <= 90.0 and abs(longitude) <= 180.0):
            return f"there is no place {latitude}, {longitude}"
    if any(len(ring) < 4 for ring in bulletin.polygons):
        return "a polygon of less than four points"
    return ""
