"""Recorded readings from CSV."""

import shutil
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_reading_quality import ARDECHE
from test_sensors import GOOD

from ingest import observations
from ingest.errors import RecordingError
from ingest.sent import micros
from ingest.sources.readings_csv import _longest_rise, outputs, read
from stream import rejects
from stream.errors import ConfigurationError


def folder(tmp_path, **files):
    (tmp_path / "sensors.toml").write_text(GOOD, encoding="utf-8")
    for name, text in files.items():
        (tmp_path / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return tmp_path


def us(text):
    return micros(datetime.fromisoformat(text))


HEAD = "sensor,time,value\n"


def test_readings_arrive_when_they_were_taken_and_a_latency_later(tmp_path):
    rows = "KZ.ULKEN.1,2026-07-01T00:00:00Z,1.5\nKZ.ULKEN.1,2026-07-01T06:01:00+06:00,1.6\n"
    recorded = read(folder(tmp_path, a_csv=HEAD + rows), latency_s=2.5)
    first, second = recorded.arrived
    assert first.observation.time_us == us("2026-07-01T00:00:00+00:00")
    assert first.arrival_us == first.observation.time_us + 2_500_000
    assert second.observation.time_us == us("2026-07-01T00:01:00+00:00")
    assert (second.observation.value, second.observation.unit) == (1.6, "m")
    assert recorded.refused == ()


def test_recorded_arrivals_units_and_quantities_are_kept(tmp_path):
    rows = (
        "sensor,time,value,unit,quantity,arrival\n"
        "KZ.ULKEN.1,2026-07-01T00:01:00Z,160,cm,stage,2026-07-01T00:02:00Z\n"
        "KZ.ULKEN.1,2026-07-01T00:00:00Z,1.5,m,,2026-07-01T00:01:30Z\n"
        "KZ.ULKEN.1,2026-07-01T00:00:00Z,1.5,m,,\n"
    )
    recorded = read(folder(tmp_path, a_csv=rows), latency_s=9.0)
    assert [a.arrival_us for a in recorded.arrived] == [
        us("2026-07-01T00:01:30Z"),
        us("2026-07-01T00:02:00Z"),
    ]
    assert [(a.observation.value, a.observation.unit) for a in recorded.arrived] == [
        (1.5, "m"),
        (160.0, "cm"),
    ]
    assert [part.reason for part in recorded.refused] == ["time"]


def test_bad_rows_are_refused_with_their_line_and_the_rest_goes_on(tmp_path):
    rows = (
        HEAD + "KZ.ULKEN.1,2026-07-01T00:00:00Z,1.5\n"
        "KZ.ULKEN.1,2026-07-01T00:01:00,1.5\n"
        "KZ.OTHER,2026-07-01T00:02:00Z,1.5\n"
        "KZ.ULKEN.1,yesterday,1.5\n"
        'KZ.ULKEN.1,2026-07-01T00:03:00Z,"1,5"\n'
        "KZ.ULKEN.1,2026-07-01T00:04:00Z,nan\n"
        "KZ.ULKEN.1,2026-07-01T00:04:00Z,1_5\n"
        "KZ.ULKEN.1,2026-07-01T00:05:00Z\n"
        "\n"
        "KZ.ULKEN.1,2026-07-01T00:06:00Z,1.6\n"
    )
    recorded = read(folder(tmp_path, a_csv=rows))
    assert [a.observation.value for a in recorded.arrived] == [1.5, 1.6]
    assert [(part.index, part.reason) for part in recorded.refused] == [
        (3, "time"),
        (4, "unknown sensor"),
        (5, "time"),
        (6, "value"),
        (7, "value"),
        (8, "value"),
        (9, "columns"),
    ]
    written = outputs(recorded)
    assert [o.topic for o in written] == ["rejects"] * 7 + ["observations"] * 2
    assert rejects.decode(written[0].value).detail.startswith("line 3: ")
    assert observations.decode(written[-1].value).value == 1.6
    assert written[-1].key == b"KZ.ULKEN.1"
    assert [o.cause for o in written] == list(range(9))


def test_one_row_of_the_future_moves_no_other(tmp_path):
    times = ["2026-07-01T00:00:00Z", "2099-01-01T00:00:00Z", "2026-07-01T00:02:00Z"]
    times += ["1970-01-01T00:00:00Z", "2026-07-01T00:04:00Z"]
    text = HEAD + "".join(f"KZ.ULKEN.1,{time},1.5\n" for time in times)
    arrivals = [a.arrival_us for a in read(folder(tmp_path, a_csv=text)).arrived]
    assert arrivals == [us(f"2026-07-01T00:0{minute}:00Z") for minute in (0, 0, 2, 2, 4)]


def test_sensors_one_after_the_other_in_a_file_arrive_together(tmp_path):
    folder(tmp_path)
    other = GOOD.replace("KZ.ULKEN.1", "KZ.ULKEN.2")
    (tmp_path / "sensors.toml").write_text(GOOD + "\n" + other, encoding="utf-8")
    rows = [
        f"KZ.ULKEN.{number},2026-07-01T00:0{minute}:00Z,1.5\n"
        for number in (1, 2)
        for minute in range(3)
    ]
    (tmp_path / "a.csv").write_text(HEAD + "".join(rows), encoding="utf-8")
    arrived = read(tmp_path).arrived
    assert [a.observation.sensor[-1] for a in arrived] == ["1", "2"] * 3
    assert all(a.arrival_us == a.observation.time_us for a in arrived)


def test_another_form_is_stated(tmp_path):
    form = (
        '[[files]]\nname = "a.csv"\ndelimiter = ";"\nsensor = "KZ.ULKEN.1"\ntime = "Zeit"\n'
        'utc_offset_h = 6.0\nvalue = "H"\nunit = "cm"\nlatency_s = 60.0\n'
    )
    where = folder(tmp_path, a_csv="Zeit;H\n2026-07-01 06:00:00;150\n", readings_toml=form)
    (where / "b.csv").write_text("this,is,not,read\n", encoding="utf-8")
    (only,) = read(where).arrived
    assert only.observation.time_us == us("2026-07-01T00:00:00Z")
    assert only.arrival_us == us("2026-07-01T00:01:00Z")
    assert (only.observation.value, only.observation.unit) == (150.0, "cm")


def test_what_cannot_be_read_says_what_to_do(tmp_path):
    where = folder(tmp_path)
    with pytest.raises(RecordingError, match=r"there is no \*.csv"):
        read(where)
    (where / "a.csv").write_text("Date,H,Q\n2026-07-01T00:00:00Z,1.5,9\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="'time', only 'Date', 'H', 'Q'") as caught:
        read(where)
    assert caught.value.line == 1
    (where / "readings.toml").write_text('[[files]]\nsensor = "KZ.NONE"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"KZ.NONE is not in sensors.toml") as caught:
        read(where)
    assert caught.value.line == 2


def test_two_columns_of_the_only_sensor_need_no_names(tmp_path):
    rows = "2026-07-01T00:00:00Z,1.5\n2026-07-01T00:10:00Z,1.6\n"
    where = folder(tmp_path, a_csv="Date,Stage\n" + rows)
    found = read(where)
    assert [one.observation.value for one in found.arrived] == [1.5, 1.6]
    swapped = folder(tmp_path, a_csv="Stage,Date\n1.5,2026-07-01T00:00:00Z\n")
    assert [row.reason for row in read(swapped).refused] == ["value"]
    for head in ("Date,value\n", "time,Stage\n"):
        with pytest.raises(ConfigurationError, match="there is no column"):
            read(folder(tmp_path, a_csv=head + rows))
    named = folder(tmp_path, a_csv="Date,Stage\n" + rows)
    (named / "readings.toml").write_text('[[files]]\nvalue = "H"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="there is no column"):
        read(named)


def test_times_without_a_zone_are_refused_unless_one_is_given(tmp_path):
    where = folder(tmp_path, a_csv="time,value\n2026-07-01 00:00,1.5\n2026-07-01T00:10Z,1.6\n")
    assert [row.reason for row in read(where).refused] == ["time"]
    found = read(where, zone=UTC)
    assert [one.observation.time_us for one in found.arrived] == [
        us("2026-07-01T00:00:00Z"),
        us("2026-07-01T00:10:00Z"),
    ]
    assert (found.without_zone, found.refused) == (1, ())
    (where / "readings.toml").write_text("[[files]]\nutc_offset_h = 6.0\n", encoding="utf-8")
    named = read(where, zone=UTC)
    assert named.arrived[0].observation.time_us == us("2026-06-30T18:00:00Z")
    assert named.without_zone == 0


def test_strange_bytes_are_told_and_what_happened_is_no_reading(tmp_path):
    where = folder(tmp_path, truth_csv="onset,peak\n", a_csv="x" * 200_000)
    with pytest.raises(RecordingError, match="not CSV"):
        read(where)
    (where / "a.csv").write_bytes(b"sensor,time,value\n\xff")
    with pytest.raises(RecordingError, match="not UTF-8"):
        read(where)
    (where / "a.csv").write_text(HEAD, encoding="utf-8")
    assert read(where).arrived == ()
    assert outputs(read(where)) == []


@given(st.lists(st.integers(0, 20), max_size=12))
def test_the_longest_rise_is_one(times):
    found = _longest_rise(times)
    rise = [times[i] for i in found]
    assert rise == sorted(rise)
    assert found == sorted(set(found))
    lengths = []  # of the longest that ends with each, by looking at all before it
    for i, time in enumerate(times):
        ending = [lengths[j] for j in range(i) if times[j] <= time]
        lengths.append(1 + max(ending, default=0))
    assert len(found) == max(lengths, default=0)


@pytest.mark.skipif(not ARDECHE.is_file(), reason=f"{ARDECHE} is not here")
def test_the_ardeche_by_a_form(tmp_path):
    form = (
        '[[files]]\nname = "ardeche.csv"\nsensor = "KZ.ULKEN.1"\ntime = "Date"\n'
        'utc_offset_h = 0.0\nvalue = "H"\n'
    )
    where = folder(tmp_path, readings_toml=form)
    shutil.copy(ARDECHE, where / "ardeche.csv")
    recorded = read(where)
    assert len(recorded.arrived) == 28_913
    assert recorded.refused == ()
    elsewhere = [a for a in recorded.arrived if a.arrival_us != a.observation.time_us]
    assert 0 < len(elsewhere) < 30


def test_rows_without_a_sensor_are_of_the_only_one_and_a_truth_is_no_reading(tmp_path):
    rows = "time,value\n2026-07-01T00:00:00Z,1.5\n"
    truth = "event,peak\none,2026-07-01T00:00:00Z\n"
    recorded = read(folder(tmp_path, a_csv=rows, truth_csv=truth))
    assert [one.observation.sensor for one in recorded.arrived] == ["KZ.ULKEN.1"]


def test_another_folder_may_hold_what_describes_the_readings(tmp_path):
    (tmp_path / "described").mkdir()
    (tmp_path / "readings").mkdir()
    described = folder(tmp_path / "described")
    (tmp_path / "readings" / "a.csv").write_text("time,value\n2026-07-01T00:00:00Z,1.5\n")
    assert len(read(tmp_path / "readings", companion=described).arrived) == 1
