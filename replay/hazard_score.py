"""How good sensors' alarms are on a record of readings.

Rules
-----
- A folder has readings in CSV and ``sensors.toml``; ``truth.csv`` says what happened. Readings go
  through quality and through the sensor's thresholds, in order of arrival, as they would live. A
  sensor without thresholds gets those of `detect.hazards.proposed`, and the score says so.
- Times without a zone are taken as UTC where ``readings.toml`` names none, and the score says so.
- What ``truth.csv`` says, and how long an event lasts: `replay.hazard_truth`. Without a peak the
  peak is the highest reading of the first sensor of the basin.
- What a basin says is the highest level of its sensors. An event is alerted at a level from the
  time at which the basin said that level or a higher one and kept to it until the peak, pauses of
  less than six hours aside. What was said and taken back before does not count. Where a level is
  said only after the peak, but within the event, its lead is negative.
- Alarms of a level less than two days apart are one. One that does not touch the time of an event
  is false, but for those where the reading reached as high as in the lowest of the events within
  36 hours: these are counted as high, since the record does not say that nothing happened.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC
from itertools import pairwise
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from detect.hazards.proposed import with_proposed
from detect.hazards.sensing import Crossing, Sensing
from ingest.errors import RecordingError
from ingest.reading_quality import ReadingQuality
from ingest.sensors import Sensor
from ingest.sources.archive import SUFFIXES
from ingest.sources.readings_csv import SENSORS, Recorded
from ingest.sources.readings_csv import read as read_readings
from replay.hazard_truth import TRUTH, Truth, iso, read_truth

__all__ = [
    "COMPANIONS",
    "EventScore",
    "HazardScore",
    "companion",
    "is_undescribed",
    "read",
    "score",
]

COMPANIONS = Path(__file__).resolve().parent.parent / "benchmarks" / "hazards"
"""Folders of sensor files for records that have none, by the name of the record's folder."""

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
PAUSE_US = 6 * HOUR_US
ONE_ALARM_US = 2 * DAY_US
HIGH_US = 36 * HOUR_US
YEAR_US = 365.25 * DAY_US
LEVELS = (1, 2, 3)


class EventScore(Struct, frozen=True, kw_only=True):
    """One event of the truth.

    Attributes
    ----------
    event, peak
        Its name and its peak, ISO 8601.
    peak_value
        Highest reading of its basin's first sensor within the event; None without any.
    lead_h
        Hours from the alert of each level to the peak, by level; negative after it, None: missed.
    step_h
        Longest time between readings in the six hours before the peak, from the last reading
        before them to the first that shows the peak: nothing is known earlier. None without two.
    """

    event: str
    peak: str
    peak_value: float | None
    lead_h: dict[str, float | None]
    step_h: float | None


class HazardScore(Struct, frozen=True, kw_only=True):
    """The measures of one folder.

    Attributes
    ----------
    folder
        Its name.
    sensors, proposed
        How many, and how many of them have no thresholds of their own.
    years
        Of the record.
    readings, used, faults
        How many came, how many were good, and the faults of all.
    without_zone
        How many have a time without a zone, which was taken as UTC.
    has_truth
        Whether anybody says what happened.
    events
        Those of the truth; none without one.
    alarms, false, high
        By level: all alarms, false ones, and those as high as an event; see the rules.
    false_a_year
        By level.
    false_times
        Of the false alarms of level 3, ISO 8601.
    """

    folder: str
    sensors: int
    proposed: int
    years: float
    readings: int
    used: int
    faults: dict[str, int]
    without_zone: int
    has_truth: bool
    events: tuple[EventScore, ...]
    alarms: dict[str, int]
    false: dict[str, int]
    high: dict[str, int]
    false_a_year: dict[str, float]
    false_times: tuple[str, ...]


class _Span(Struct):
    """A time during which a basin says a level or a higher one."""

    basin: str
    begin_us: int
    end_us: int


def companion(folder: Path) -> Path | None:
    """Find the folder with the sensor file of a record: itself, or one of `COMPANIONS`.

    None if it is no record of readings: it has no CSV, or nobody describes its sensors.
    """
    if not any(folder.glob("*.csv")):
        return None
    for there in (folder, COMPANIONS / folder.name):
        if (there / SENSORS).is_file():
            return there
    return None


def is_undescribed(folder: Path) -> bool:
    """Say whether a folder has readings, perhaps, but nothing that says of which sensors."""
    if not folder.is_dir():
        return False
    has_waveforms = any(path.suffix in SUFFIXES for path in folder.iterdir())
    has_readings = any(folder.glob("*.csv")) and not has_waveforms
    return has_readings and companion(folder) is None


def read(folder: Path) -> tuple[Recorded, tuple[Truth, ...] | None]:
    """Read a record and its truth; None if nobody says what happened.

    Raises
    ------
    RecordingError, ConfigurationError
        If something in it cannot be read.
    """
    there = companion(folder)
    recorded = read_readings(folder, companion=there, zone=UTC)
    if not recorded.arrived:
        first = recorded.refused[0] if recorded.refused else None
        raise RecordingError(
            f"{folder}: no reading can be used"
            + (f"; {first.source}, {first.detail}" if first is not None else "")
        )
    path = (there or folder) / TRUTH
    return recorded, read_truth(path) if path.is_file() else None


class _Basin:
    """The levels that the sensors of one basin say, and the times of each level."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.said: dict[str, int] = {}
        self.spans: dict[int, list[_Span]] = {level: [] for level in LEVELS}
        self.open: dict[int, _Span] = {}

    def hear(self, sensor: str, level: int, time_us: int) -> None:
        """Take what a sensor says from a time on."""
        self.said[sensor] = level
        highest = max(self.said.values())
        for one in LEVELS:
            if highest >= one and one not in self.open:
                self.open[one] = _Span(self.name, time_us, time_us)
                self.spans[one].append(self.open[one])
            elif highest < one and one in self.open:
                self.open.pop(one).end_us = time_us

    def end(self, time_us: int) -> None:
        """Close what is open."""
        for span in self.open.values():
            span.end_us = time_us


def score(
    recorded: Recorded, truth: Sequence[Truth] | None, *, proposed: bool = False
) -> HazardScore:
    """Compare what the sensors would have said with what happened.

    Parameters
    ----------
    recorded
        The readings.
    truth
        What happened; None if nobody says: then all alarms count as false.
    proposed
        Leave out the thresholds of the sensor file and take the proposed ones.
    """
    sensors = {one.id: with_proposed(_bare(one) if proposed else one) for one in recorded.sensors}
    quality = {name: ReadingQuality(one) for name, one in sensors.items()}
    sensing = {name: Sensing(one) for name, one in sensors.items()}
    basins = {one.basin: _Basin(one.basin) for one in recorded.sensors}
    good: dict[str, list[tuple[int, float]]] = {name: [] for name in sensors}
    for each in recorded.arrived:
        name, time_us = each.observation.sensor, each.observation.time_us
        value = quality[name].judge(each.observation, each.arrival_us).value
        if value is None:
            continue
        good[name].append((time_us, value))
        crossing: Crossing | None = sensing[name].fold(time_us, value)
        if crossing is not None:
            basins[sensors[name].basin].hear(name, crossing.level, each.arrival_us)
    begin_us = recorded.arrived[0].arrival_us if recorded.arrived else 0
    end_us = recorded.arrived[-1].arrival_us if recorded.arrived else 0
    for basin in basins.values():
        basin.end(end_us)
    events = [] if truth is None else [_event(one, basins, sensors, good) for one in truth]
    faults: Counter[str] = Counter()
    for one in quality.values():
        faults.update(one.tallies)
    faults.update(part.reason for part in recorded.refused)
    used = faults.pop("used", 0)
    years = (end_us - begin_us) / YEAR_US
    counts = {level: _alarms(level, basins, truth, events, sensors, good) for level in LEVELS}
    return HazardScore(
        folder=recorded.name,
        sensors=len(sensors),
        proposed=sum(proposed or not one.thresholds for one in recorded.sensors),
        years=years,
        readings=len(recorded.arrived) + len(recorded.refused),
        used=used,
        faults=dict(sorted(faults.items())),
        without_zone=recorded.without_zone,
        has_truth=truth is not None,
        events=tuple(events),
        alarms={str(level): sum(map(len, counts[level])) for level in LEVELS},
        false={str(level): len(counts[level][1]) for level in LEVELS},
        high={str(level): len(counts[level][2]) for level in LEVELS},
        false_a_year={
            str(level): len(counts[level][1]) / years if years else 0.0 for level in LEVELS
        },
        false_times=tuple(iso(span.begin_us) for span in counts[3][1]),
    )


def _bare(sensor: Sensor) -> Sensor:
    return replace(sensor, thresholds=())


Series = dict[str, list[tuple[int, float]]]


def _of_basin(sensors: dict[str, Sensor], basin: str) -> list[str]:
    return [name for name, one in sensors.items() if basin in ("", one.basin)]


def _event(
    truth: Truth, basins: dict[str, _Basin], sensors: dict[str, Sensor], good: Series
) -> EventScore:
    """Score one event."""
    names = _of_basin(sensors, truth.basin)
    within = [
        (value, time_us)
        for name in names[:1]
        for time_us, value in good[name]
        if truth.begin_us <= time_us <= truth.end_us
    ]
    highest = max(within, key=lambda one: (one[0], -one[1]), default=None)
    peak_us = truth.peak_us
    if peak_us is None:
        peak_us = truth.begin_us if highest is None else highest[1]
    lead: dict[str, float | None] = {}
    for level in LEVELS:
        spans = [one.spans[level] for one in basins.values() if truth.basin in ("", one.name)]
        since = [_standing(each, peak_us) for each in spans] + [
            span.begin_us
            for each in spans
            for span in each
            if peak_us < span.begin_us <= truth.end_us
        ]
        first = min((one for one in since if one is not None), default=None)
        lead[str(level)] = None if first is None else (peak_us - first) / HOUR_US
    known = sorted(time_us for name in names for time_us, _ in good[name])
    first_of_them = bisect_left(known, peak_us - PAUSE_US)
    times = known[max(0, first_of_them - 1) : bisect_left(known, peak_us) + 1]
    steps = [later - earlier for earlier, later in pairwise(times)]
    return EventScore(
        event=truth.event,
        peak=iso(peak_us),
        peak_value=None if highest is None else highest[0],
        lead_h=lead,
        step_h=max(steps) / HOUR_US if steps else None,
    )


def _standing(spans: Iterable[_Span], peak_us: int) -> int | None:
    """Find since when a level is said without a pause of six hours, up to the peak."""
    since: int | None = None
    last_us = 0
    for span in spans:
        if span.begin_us > peak_us:
            break
        if since is None or span.begin_us - last_us > PAUSE_US:
            since = span.begin_us
        last_us = span.end_us
    return since if since is not None and peak_us - last_us <= PAUSE_US else None


def _alarms(
    level: int,
    basins: dict[str, _Basin],
    truth: Sequence[Truth] | None,
    events: Sequence[EventScore],
    sensors: dict[str, Sensor],
    good: Series,
) -> tuple[list[_Span], list[_Span], list[_Span]]:
    """Sort alarms of a level into right, false and high."""
    right, false, high = [], [], []
    peaks = [one.peak_value for one in events if one.peak_value is not None]
    for basin in basins.values():
        for span in _merged(basin.spans[level]):
            during = any(
                span.begin_us <= one.end_us
                and span.end_us >= one.begin_us
                and one.basin in ("", basin.name)
                for one in truth or ()
            )
            name = _of_basin(sensors, basin.name)[0]
            reached = max(
                (
                    value
                    for time_us, value in good[name]
                    if span.begin_us <= time_us <= span.begin_us + HIGH_US
                ),
                default=None,
            )
            if during:
                right.append(span)
            elif peaks and reached is not None and reached >= min(peaks):
                high.append(span)
            else:
                false.append(span)
    return right, false, high


def _merged(spans: Iterable[_Span]) -> list[_Span]:
    """Make one of spans that are less than two days apart."""
    merged: list[_Span] = []
    for span in spans:
        if merged and span.begin_us - merged[-1].end_us < ONE_ALARM_US:
            merged[-1].end_us = span.end_us
        else:
            merged.append(_Span(span.basin, span.begin_us, span.end_us))
    return merged
