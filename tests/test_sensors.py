"""Sensor files: what is read, and the line and remedy of what is wrong."""

import re
from pathlib import Path

import pytest

from alatau import Configuration
from ingest.reading_quality import FAULTS
from ingest.senders import load_senders
from ingest.sensors import load
from ingest.sources.readings_csv import ReadingsFolder
from ingest.units import EXAMPLES, UnitError, conversion, measures
from stream import settings
from stream.errors import ConfigurationError

GOOD = """\
[[sensors]]
id = "KZ.ULKEN.1"
quantity = "stage"
unit = "m"
hazard = "flood"
latitude = 43.1
longitude = 76.9
basin = "Ulken Almaty"
lowest = -1.0
highest = 8.0

[[sensors.thresholds]]
rule = "level"
level = 1
value = 2.0
source = "made"

[[sensors.thresholds]]
rule = "level"
level = 3
value = 3.0
"""


def wrong(tmp_path, old, new, text=GOOD):
    assert old in text
    file = tmp_path / "sensors.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    assert caught.value.file == file
    assert caught.value.remedy
    return caught.value


def test_a_sensor_file_is_read(tmp_path):
    file = tmp_path / "sensors.toml"
    file.write_text(GOOD, encoding="utf-8")
    (sensor,) = load(file)
    assert (sensor.id, sensor.quantity, sensor.unit) == ("KZ.ULKEN.1", "stage", "m")
    assert [(t.level, t.value, t.source) for t in sensor.thresholds] == [
        (1, 2.0, "made"),
        (3, 3.0, ""),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('unit = "m"', 'unit = "degC"', 4, "not a unit of stage"),
        ('unit = "m"', 'unit = "m3"', 4, "'m3' is not a unit"),
        ('unit = "m"', 'unit = "9**9**9"', 4, "is not a unit"),
        ("latitude = 43.1", "latitude = 143.1", 6, "latitude"),
        ("longitude = 76.9", "longitude = nan", 7, "no number"),
        ("lowest = -1.0", "lowest = 8.0", 9, "not less than highest"),
        ("highest = 8.0", "higest = 8.0", 10, "not a setting"),
        ("highest = 8.0", "silent_s = 60.0", 10, "usual time"),
        ("value = 2.0", "value = 200.0", 15, "never reached"),
        ("value = 3.0", "value = 1.5", 21, "no later than level 1"),
        ("level = 3", "level = 1", 20, "two thresholds of level 1"),
        ('rule = "level"', 'rule = "intensity-duration"', 13, "not for stage"),
        ('rule = "level"', 'rule = "velocity"', 13, "not for stage"),
        ('rule = "level"', 'rule = "rise"', 12, "needs the time"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, old, new, line, says):
    error = wrong(tmp_path, old, new)
    assert says in error.problem
    assert error.line == line


def test_a_sensor_stands_there_once(tmp_path):
    error = wrong(tmp_path, "", GOOD + "\n")
    assert "stands there twice" in error.problem
    assert error.line == GOOD.count("\n") + 3


def test_an_empty_file_is_no_sensor_file(tmp_path):
    assert "there is none" in wrong(tmp_path, GOOD, "").problem


def test_intensity_duration_is_in_millimetres(tmp_path):
    rain = GOOD.replace('"stage"', '"rain"').replace(
        'rule = "level"', 'rule = "intensity-duration"'
    )
    error = wrong(tmp_path, 'unit = "m"', 'unit = "cm"', rain)
    assert "mm/h" in error.problem


def test_every_quantity_has_units():
    for quantity, units in EXAMPLES.items():
        for unit in units:
            assert measures(unit, quantity)
            assert not measures("kg", quantity)


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (150.0, "cm", "m", 1.5),
        (1.5, "m^3/s", "l/s", 1500.0),
        (10.0, "foot", "m", 3.048),
        (20.0, "degC", "kelvin", 293.15),
        (50.0, "degF", "degC", 10.0),
        (0.1, "µSv/h", "nSv/h", 100.0),
        (1.0, "bar", "hPa", 1000.0),
    ],
)
def test_units_are_converted(value, unit, to, expected):
    assert conversion(unit, to)(value) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "to"),
    [
        ("s", "m"),
        ("uGy/h", "uSv/h"),
        ("dBm", "mW"),
        ("ppm", "mg/m^3"),
        ("", "m"),
        ("m\n", "m"),
        ("10**10**10", "m"),
        ("m**99", "m"),
        ("m" * 41, "m"),
        ("__import__('os')", "m"),
    ],
)
def test_units_are_never_guessed(unit, to):
    with pytest.raises(UnitError):
        conversion(unit, to)


def test_the_page_about_sensors_shows_what_can_be_used(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "sensors.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    files = {"[[sensors]]": "sensors", "[[senders]]": "senders", "[[files]]": "files"}
    for block in blocks:
        name = next((files[head] for head in files if block.startswith(head)), "alatau")
        with (tmp_path / f"{name}.toml").open("a", encoding="utf-8") as file:
            file.write(block)
    sensors = load(tmp_path / "sensors.toml")
    assert load_senders(tmp_path / "senders.toml", sensors).find("") is None
    assert settings.load(tmp_path / "files.toml", ReadingsFolder).files[0].utc_offset_h == 5.0
    configuration = settings.load(tmp_path / "alatau.toml", Configuration)
    assert configuration.ingest.mqtt[0].topics == ("basins/+/readings",)
    assert configuration.ingest.http.port == 8090
    faults = {word for row in re.findall(r"^\| (`.*?) \|", page, re.M) for word in row.split("`")}
    assert set(FAULTS) <= faults
