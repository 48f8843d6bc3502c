"""Scores of records of readings."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

import alatau
from benchmarks.thresholds import from_begin, late
from ingest.errors import RecordingError
from replay import hazard_score
from replay.hazard_score import companion, read, score
from replay.hazard_table import notes
from replay.hazard_truth import read_truth

ARDECHE = Path(__file__).resolve().parents[2] / "shared/data/ardeche-river-stage"
SENSORS = """
[[sensors]]
id = "A"
quantity = "stage"
unit = "m"
hazard = "flood"
latitude = 43.0
longitude = 77.0
basin = "Talgar"
every_s = 600
thresholds = [
    { rule = "level", level = 1, value = 1.0 },
    { rule = "level", level = 2, value = 2.0 },
    { rule = "level", level = 3, value = 3.0 },
]
"""
BEGIN = datetime(2020, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def bump(hours, at, height, half):
    """A rise and a fall in a line."""
    return [max(0.0, height * (1.0 - abs(h - at) / half)) for h in hours]


def made(tmp_path, floods, truth=None, days=200, quiet=0.1, sensors=SENSORS):
    hours = range(24 * days)
    values = [quiet] * len(hours)
    for at, height in floods:
        values = [max(v, b) for v, b in zip(values, bump(hours, at, height, 12), strict=True)]
    rows = [f"A,{(BEGIN + h * HOUR).isoformat()},{v}" for h, v in zip(hours, values, strict=True)]
    (tmp_path / "readings.csv").write_text("\n".join(["sensor,time,value", *rows, ""]))
    (tmp_path / "sensors.toml").write_text(sensors)
    if truth is not None:
        (tmp_path / "truth.csv").write_text(truth)
    return tmp_path


def when(hours):
    return (BEGIN + hours * HOUR).isoformat()


def test_an_event_is_found_and_what_is_none_is_false(tmp_path):
    truth = f"event,peak\nbig,{when(1000)}\nmissed,{when(4000)}\n"
    folder = made(tmp_path, [(1000, 6.06), (2000, 3.6), (3000, 6.5), (4000, 2.5)], truth)
    found = score(*read(folder))
    big, missed = found.events
    assert big.lead_h == {"1": 9.0, "2": 7.0, "3": 5.0}
    assert big.peak_value == pytest.approx(6.06)
    assert big.step_h == pytest.approx(1.0)
    assert missed.lead_h["3"] is None
    assert missed.lead_h["2"] == pytest.approx(1.0)
    assert (found.alarms["3"], found.false["3"], found.high["3"]) == (3, 0, 2)
    truth = f"event,peak\nbig,{when(1000)}\n"
    found = score(*read(made(tmp_path, [(1000, 6.06), (2000, 3.6), (3000, 6.5)], truth)))
    assert (found.alarms["3"], found.false["3"], found.high["3"]) == (3, 1, 1)
    assert found.false_a_year["3"] == pytest.approx(1 / found.years)
    assert found.false_times == ((BEGIN + 1999 * HOUR).isoformat().replace("+00:00", "Z"),)


def test_without_a_truth_every_alarm_is_false(tmp_path):
    found = score(*read(made(tmp_path, [(1000, 6.06)])))
    assert (found.events, found.alarms["3"], found.false["3"]) == ((), 1, 1)


def test_an_alarm_that_was_taken_back_is_no_lead(tmp_path):
    truth = f"event,begin,peak\none,{when(900)},{when(1000)}\n"
    found = score(*read(made(tmp_path, [(960, 6.06), (1000, 6.06)], truth)))
    assert found.events[0].lead_h["3"] == pytest.approx(5.0)
    assert found.alarms["3"] == 1


def test_an_onset_alone_is_enough(tmp_path):
    truth = f"event,onset\none,{when(990)}\n"
    found = score(*read(made(tmp_path, [(1000, 6.06)], truth)))
    assert found.events[0].peak == (BEGIN + 1000 * HOUR).isoformat().replace("+00:00", "Z")
    assert found.events[0].lead_h["3"] == pytest.approx(5.0)


def test_a_sensor_without_thresholds_finds_its_own(tmp_path):
    bare = SENSORS[: SENSORS.index("thresholds")]
    truth = f"event,peak\none,{when(4000)}\n"
    floods = [(500 + 300 * n, 0.3 + 0.1 * (n % 4)) for n in range(10)]
    found = score(*read(made(tmp_path, [*floods, (4000, 4.0)], truth, sensors=bare)))
    assert found.proposed == 1
    assert found.events[0].lead_h["3"] > 1.0
    assert found.alarms["3"] == 1


def test_what_is_said_after_the_peak_has_a_negative_lead(tmp_path):
    """A record of a day's step has its peak between two readings."""
    truth = f"event,peak\nlate,{when(994)}\n"
    found = score(*read(made(tmp_path, [(1000, 6.06)], truth)))
    assert found.events[0].lead_h == {"1": 3.0, "2": 1.0, "3": -1.0}
    assert found.false["3"] == 0


def test_the_step_before_the_peak_begins_with_the_last_reading_before_it(tmp_path):
    truth = f"event,peak\nx,{when(36)}\n"
    folder = made(tmp_path, [], truth)
    (folder / "readings.csv").write_text(
        "time,value\n" + "".join(f"{when(24 * d)},0.1\n" for d in range(9))
    )
    assert score(*read(folder)).events[0].step_h == 24.0


def test_what_a_score_rests_on_is_said(tmp_path):
    bare = SENSORS[: SENSORS.index("thresholds")]
    folder = made(tmp_path, [], sensors=bare, days=2)
    rows = ["time,value", "2020-06-01 00:00,0.1", "2020-06-01T01:00Z,x", "2020-06-01 02:00,0.1"]
    (folder / "readings.csv").write_text("\n".join(rows))
    assert notes(score(*read(folder))) == [
        f"{folder.name}: 1 of 3 readings not used: value 1",
        f"{folder.name}: 2 times have no zone: taken as UTC",
        f"{folder.name}: 1 of 1 sensors have proposed thresholds",
        f"{folder.name}: no truth.csv says what happened: all alarms count as false",
    ]


def test_a_folder_that_cannot_be_scored_says_why(tmp_path):
    folder = made(tmp_path, [])
    (folder / "readings.csv").write_text("time,value\nyesterday,0.1\n")
    with pytest.raises(RecordingError, match=r"no reading can be used; readings\.csv, line 2"):
        read(folder)
    (folder / "sensors.toml").unlink()
    ran = CliRunner().invoke(alatau.app, ["score", str(folder)])
    assert ran.exit_code == 1
    assert "no sensors.toml that says" in " ".join(ran.output.split())


def test_truth_names_its_fault(tmp_path):
    path = tmp_path / "truth.csv"
    for text, fault in (
        ("event,peak\na,yesterday\n", "line 2: 'yesterday' is not a time"),
        ("event,peak\na,\n", "line 2: there is neither an onset nor a peak"),
    ):
        path.write_text(text)
        with pytest.raises(RecordingError, match=fault):
            read_truth(path)


def test_the_command_scores_readings(tmp_path):
    truth = f"event,peak\nbig,{when(1000)}\n"
    folder = made(tmp_path, [(1000, 6.06)], truth)
    out = tmp_path / "score.json"
    ran = CliRunner().invoke(alatau.app, ["score", str(folder), "--json", str(out)])
    assert ran.exit_code == 0, ran.output
    (one,) = json.loads(out.read_bytes())
    assert one["events"][0]["lead_h"] == {"1": 9.0, "2": 7.0, "3": 5.0}
    assert "1 of 1" in ran.output


needs_ardeche = pytest.mark.skipif(
    not ARDECHE.is_dir() or not (hazard_score.COMPANIONS / ARDECHE.name).is_dir(),
    reason="the record of the Ardèche is not here",
)


@pytest.fixture(scope="module")
def ardeche():
    return read(ARDECHE)


@needs_ardeche
class TestArdeche:
    """The raw record of 2001 to 2018, as dirty as it is."""

    def test_its_sensor_file_stands_beside_the_benchmarks(self):
        assert companion(ARDECHE) == hazard_score.COMPANIONS / ARDECHE.name

    @pytest.mark.parametrize("proposed", [False, True])
    def test_all_five_floods_an_hour_before_and_one_false_alarm_in_two_years(
        self, ardeche, proposed
    ):
        found = score(*ardeche, proposed=proposed)
        assert [one.lead_h["3"] >= 1.0 for one in found.events] == [True] * 5
        assert found.false_a_year["3"] <= 0.5
        assert found.used < found.readings
        assert found.proposed == proposed

    def test_thresholds_of_the_file_are_those_of_the_first_half(self, ardeche):
        """The derivation that the file states: nothing after the first flood is looked at."""
        recorded, truth = ardeche
        first = min(one.begin_us for one in truth)
        levels, rises = first_half(recorded, first)
        by_level = {(t.rule, t.level): t.value for t in recorded.sensors[0].thresholds}
        for number, years in ((1, 1 / 6), (2, 1.0), (3, 2.0)):
            assert by_level["level", number] == pytest.approx(levels.level(years), abs=0.026)
        for number, years in ((1, 1.0), (2, 2.0)):
            assert by_level["rise", number] == pytest.approx(rises.level(years), abs=0.026)

    @pytest.mark.parametrize("begin", ["2008-01-01", "2013-12-01", "2014-06-01"])
    def test_a_young_record_with_floods_close_to_each_other(self, ardeche, begin):
        """Three floods within a month: the first two do not lift the alarm above the third."""
        recorded, truth = ardeche
        begin_us = round(datetime.fromisoformat(begin).replace(tzinfo=UTC).timestamp()) * 10**6
        found = from_begin(recorded, truth, begin_us)
        assert len(found.events) >= 4
        assert late(found) == 0
        assert found.false_a_year["3"] <= 0.5

    def test_thresholds_of_its_own_without_the_flood_before(self, ardeche):
        """Leave out all but one flood: the others have not taught the rule where to stand."""
        recorded, truth = ardeche
        for kept in truth:
            others = [one for one in truth if one is not kept]
            arrived = tuple(
                one
                for one in recorded.arrived
                if not any(o.begin_us <= one.observation.time_us < o.end_us for o in others)
                or kept.begin_us <= one.observation.time_us < kept.end_us
            )
            found = score(replace(recorded, arrived=arrived), [kept], proposed=True)
            assert found.events[0].lead_h["3"] >= 1.0


def first_half(recorded, end_us):
    from detect.hazards.level import Rise
    from detect.hazards.return_level import ReturnLevel
    from ingest.reading_quality import ReadingQuality

    quality = ReadingQuality(recorded.sensors[0])
    levels, rise, rises = ReturnLevel((0.76, 0.5)), Rise(3600.0), ReturnLevel((0.1, 0.1))
    for one in recorded.arrived:
        value = quality.judge(one.observation, one.arrival_us).value
        time_us = one.observation.time_us
        if value is not None and time_us < end_us:
            levels.fold(time_us, value)
            rises.fold(time_us, rise.fold(time_us, value))
    return levels, rises
