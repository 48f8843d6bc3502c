"""Recorded readings: a folder with ``sensors.toml`` and ``*.csv``.

A CSV file has a line of names, and columns ``sensor``, ``time``, ``value`` and, if it likes,
``unit``, ``quantity`` and ``arrival``. Times are ISO 8601 with their zone. Without ``sensor``,
rows are of the only sensor there is; without ``unit``, values are in the unit of the sensor file.
Of two columns with other names, of the only sensor, the first is the time, the second the value.
Files of another form are described in ``readings.toml``; then only the files named there are read.
``truth.csv``, what happened, holds no readings.

Without recorded arrivals a reading arrives ``latency_s`` after its time, and in the order of its
file. Where the times of a sensor contradict that order, as many as can be are taken to be right,
and the other rows came between them: one row of the year 2099 moves no other.
"""

import csv
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from ingest.errors import RecordingError
from ingest.observations import Observation, encode
from ingest.sensors import Sensor, load
from ingest.sent import Refused, micros
from stream import settings
from stream.errors import ConfigurationError
from stream.records import Output
from stream.rejects import refuse
from stream.settings import Settings, misfit
from stream.topics import OBSERVATIONS

__all__ = ["TRUTH", "Arrived", "ReadingsFile", "ReadingsFolder", "Recorded", "outputs", "read"]

SENSORS, FORM, TRUTH = "sensors.toml", "readings.toml", "truth.csv"
LONGEST_HEAD = 10_000  # characters; whoever asks for more columns sends no readings


class ReadingsFile(Settings, frozen=True):
    """Form of CSV files."""

    name: Annotated[
        str, Meta(min_length=1, description="Name of the file; * and ? stand for letters")
    ] = "*.csv"
    delimiter: Annotated[
        str, Meta(min_length=1, max_length=1, description="What stands between two columns")
    ] = ","
    sensor: Annotated[
        str, Meta(description="Id of the sensor that all rows are of; empty: column `sensor`")
    ] = ""
    time: Annotated[str, Meta(description="Column of the time")] = "time"
    utc_offset_h: Annotated[
        Annotated[float, Meta(ge=-14, le=14)] | None,
        Meta(description="Hours that times without a zone are ahead of UTC"),
    ] = None
    value: Annotated[str, Meta(description="Column of the value")] = "value"
    unit: Annotated[
        str, Meta(description="Unit of all values; empty: column `unit`, or that of the sensor")
    ] = ""
    latency_s: Annotated[
        float, Meta(ge=0, description="From its time to the arrival, without column `arrival`; s")
    ] = 0.0


class ReadingsFolder(Settings, frozen=True):
    """Which CSV files of a folder are read, and their form."""

    files: Annotated[
        tuple[ReadingsFile, ...], Meta(description="Each is a table [[files]]", min_length=1)
    ] = (ReadingsFile(),)


class Arrived(Struct, frozen=True, gc=False):
    """A reading and when it came, microseconds since 1970 UTC."""

    arrival_us: int
    observation: Observation


class Recorded(Struct, frozen=True):
    """A folder of readings.

    Attributes
    ----------
    name
        Of the folder.
    sensors
        Of its sensor file.
    arrived
        All readings, in order of arrival.
    refused
        Rows that cannot be used; `index` is the line in the file.
    without_zone
        How many rows have a time without a zone that was taken to be of the zone asked for.
    """

    name: str
    sensors: tuple[Sensor, ...]
    arrived: tuple[Arrived, ...]
    refused: tuple[Refused, ...]
    without_zone: int = 0


class _Row(Struct, frozen=True, gc=False):
    observation: Observation
    arrival_us: int | None
    is_zoned: bool


def read(
    folder: Path,
    latency_s: float | None = None,
    *,
    companion: Path | None = None,
    zone: timezone | None = None,
) -> Recorded:
    """Read a folder.

    Parameters
    ----------
    folder
        With ``sensors.toml`` and ``*.csv``.
    latency_s
        In place of that of ``readings.toml``.
    companion
        Another folder that holds ``sensors.toml`` and ``readings.toml`` for this one.
    zone
        Of times without one, where ``readings.toml`` names none; None: they are refused.

    Raises
    ------
    RecordingError
        If there is no CSV file, or one cannot be read or has not the columns that it must have.
    ConfigurationError
        If ``sensors.toml`` or ``readings.toml`` cannot be used.
    """
    described = companion or folder
    sensors = load(described / SENSORS)
    known = {sensor.id: sensor for sensor in sensors}
    arrived: list[Arrived] = []
    refused: list[Refused] = []
    without_zone = 0
    for file, form in _files(folder, described / FORM, known):
        rows = list(_rows(file, form, known, zone))
        refused += [row for row in rows if isinstance(row, Refused)]
        delay_us = round(1e6 * (form.latency_s if latency_s is None else latency_s))
        of_sensor: dict[str, list[_Row]] = {}
        for row in rows:
            if isinstance(row, _Row):
                without_zone += form.utc_offset_h is None and not row.is_zoned
                of_sensor.setdefault(row.observation.sensor, []).append(row)
        for good in of_sensor.values():
            arrived += _arrived(good, delay_us)
    arrived.sort(key=lambda each: each.arrival_us)
    return Recorded(folder.name, sensors, tuple(arrived), tuple(refused), without_zone)


def outputs(recorded: Recorded) -> list[Output]:
    """Make what stands in the log: `observations` in order of arrival, and the rejects first."""
    begin_ms = recorded.arrived[0].arrival_us // 1000 if recorded.arrived else 0
    made = [
        refuse(
            part.source, part.reason, part.detail, part.value, number=number, arrival_ms=begin_ms
        )
        for number, part in enumerate(recorded.refused)
    ]
    for number, each in enumerate(recorded.arrived, len(made)):
        key = each.observation.sensor.encode()
        value = encode(each.observation)
        made.append(Output(OBSERVATIONS.name, key, value, number, each.arrival_us // 1000))
    return made


def _files(
    folder: Path, described: Path, sensors: Mapping[str, Sensor]
) -> list[tuple[Path, ReadingsFile]]:
    path = described if described.is_file() else None
    forms = settings.load(path, ReadingsFolder).files
    found: dict[Path, ReadingsFile] = {}
    for index, form in enumerate(forms):
        if form.sensor and form.sensor not in sensors:
            raise misfit(
                path,
                ("files", index, "sensor"),
                f"{form.sensor} is not in {SENSORS}",
                "Give the id of a sensor that stands there.",
            )
        matching = sorted(file for file in folder.glob(form.name) if file.name != TRUTH)
        if not matching:
            raise RecordingError(f"{folder}: there is no {form.name}")
        for file in matching:
            found.setdefault(file, form)
    return sorted(found.items())


def _rows(
    file: Path, form: ReadingsFile, sensors: Mapping[str, Sensor], assumed: timezone | None
) -> Iterator[_Row | Refused]:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise RecordingError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecordingError(f"{file} is not UTF-8: save it as such") from error
    lines = text.splitlines()
    reader = csv.reader(lines, delimiter=form.delimiter)
    if lines and len(lines[0]) > LONGEST_HEAD:
        raise RecordingError(f"{file} is not CSV: its first line has {len(lines[0])} characters")
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise RecordingError(f"{file} is not CSV: {error}") from error
    is_alone = bool(form.sensor) or len(sensors) == 1
    is_plain = (form.time, form.value) == ("time", "value")
    if is_alone and is_plain and len(names) == 2 and not {"time", "value"} & set(names):
        names = ["time", "value"]
    needed = [form.time, form.value] + ["sensor"] * (not form.sensor and len(sensors) > 1)
    missing = [name for name in needed if name not in names]
    if missing:
        raise ConfigurationError(
            f"there is no column {missing[0]!r}, only {', '.join(map(repr, names))}",
            remedy=f"Name the columns in {FORM}: [[files]] with name, time, value and sensor.",
            file=file,
            line=1,
        )
    zone = assumed
    if form.utc_offset_h is not None:
        zone = timezone(timedelta(hours=form.utc_offset_h))
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _refused(file, reader.line_num, "not CSV", f"{error}", lines)
            continue
        if not cells:
            continue
        line = reader.line_num
        if len(cells) != len(names):
            what = f"{len(cells)} columns, not {len(names)}"
            yield _refused(file, line, "columns", what, lines)
            continue
        try:
            yield _row(dict(zip(names, map(str.strip, cells), strict=True)), form, sensors, zone)
        except _BadRowError as error:
            yield _refused(file, line, error.reason, f"{error}", lines)


class _BadRowError(Exception):
    """A row that cannot be used."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _refused(file: Path, line: int, reason: str, detail: str, lines: list[str]) -> Refused:
    value = lines[line - 1].encode() if line <= len(lines) else b""
    return Refused(line, file.name, reason, f"line {line}: {detail}", value)


def _row(
    cells: Mapping[str, str],
    form: ReadingsFile,
    sensors: Mapping[str, Sensor],
    zone: timezone | None,
) -> _Row:
    name = form.sensor or cells.get("sensor") or next(iter(sensors))
    sensor = sensors.get(name)
    if sensor is None:
        raise _BadRowError("unknown sensor", f"{name!r} is not in {SENSORS}")
    text = cells[form.value]
    try:
        value = math.nan if "_" in text else float(text)  # Python would read 1_5 as 15
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _BadRowError("value", f"{text!r} is not a number")
    time_us, is_zoned = _time_us(cells[form.time], zone)
    observation = Observation(
        sensor=name,
        time_us=time_us,
        quantity=cells.get("quantity") or sensor.quantity,
        value=value,
        unit=form.unit or cells.get("unit") or sensor.unit,
    )
    arrival_us = _time_us(cells["arrival"], zone)[0] if "arrival" in cells else None
    return _Row(observation, arrival_us, is_zoned)


def _time_us(text: str, zone: timezone | None) -> tuple[int, bool]:
    """Read a time; return it, and whether it says its zone."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise _BadRowError("time", f"{text!r} is not a time of ISO 8601") from None
    if time.tzinfo is None:
        if zone is None:
            raise _BadRowError(
                "time", f"{text!r} has no zone: add Z, or give utc_offset_h in {FORM}"
            )
        return micros(time.replace(tzinfo=zone)), False
    return micros(time), True


def _arrived(rows: list[_Row], delay_us: int) -> list[Arrived]:
    """Give every row of a sensor an arrival: the recorded one, or its place in the order."""
    recorded = [Arrived(r.arrival_us, r.observation) for r in rows if r.arrival_us is not None]
    if recorded:
        return recorded
    times = [row.observation.time_us for row in rows]
    right = _longest_rise(times)
    arrived = []
    now_us, upright = times[right[0]], set(right)
    for index, row in enumerate(rows):
        if index in upright:
            now_us = times[index]
        arrived.append(Arrived(now_us + delay_us, row.observation))
    return arrived


def _longest_rise(times: list[int]) -> list[int]:
    """Find the indices of a longest part of a list that never falls.

    Fredman, M. L. (1975), On computing the length of longest increasing subsequences, Discrete
    Mathematics 11, 29-35.
    """
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, time in enumerate(times):
        place = bisect_right(ends, time)
        before.append(last[place - 1] if place else -1)
        ends[place : place + 1] = [time]
        last[place : place + 1] = [index]
    found = []
    index = last[-1] if last else -1
    while index >= 0:
        found.append(index)
        index = before[index]
    return found[::-1]
