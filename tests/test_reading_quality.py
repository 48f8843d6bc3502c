"""The contract per sensor, and the twin that looks through everything for each reading."""

import csv
import math
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_readings import SECOND_US, arrival, reading, sensor
from reading_twin import judge_all

from ingest.reading_quality import FAULTS, ReadingQuality, silent

ARDECHE = (
    Path(__file__).resolve().parents[2]
    / "shared/data/ardeche-river-stage/ardeche_meyras_stage_raw.csv"
)


def judged(readings, **changes):
    """Verdicts on (second, value[, seconds to arrival[, unit]])."""
    quality = ReadingQuality(sensor(**changes))
    found = []
    for at_s, value, *rest in readings:
        delay_s = rest[0] if rest else 1.0
        unit = {"unit": rest[1]} if len(rest) > 1 else {}
        found.append(quality.judge(reading(at_s, value, **unit), arrival(at_s + delay_s)))
    return found


def faults(readings, **changes):
    return [each.faults for each in judged(readings, **changes)]


def values(readings, **changes):
    return [each.value for each in judged(readings, **changes)]


def test_good_readings_are_used():
    assert values([(0, 1.0), (60, 1.1), (120, 1.2)]) == [1.0, 1.1, 1.2]
    assert faults([(0, 1.0), (60, 1.1), (120, 1.2)]) == [("gap",), (), ()]


def test_units_are_converted_or_refused():
    found = judged([(0, 150.0, 1.0, "cm"), (60, 1.5, 1.0, "degC"), (120, 1.5, 1.0, "cubits of x")])
    assert [each.value for each in found] == [1.5, None, None]
    assert [each.faults for each in found] == [("gap",), ("unit",), ("unit",)]


def test_another_quantity_is_refused():
    quality = ReadingQuality(sensor())
    other = quality.judge(reading(0, 1.0, quantity="rain"), arrival(1))
    assert (other.value, other.faults) == (None, ("quantity",))


@pytest.mark.parametrize("value", [-1.1, 10.1, math.nan, math.inf])
def test_what_is_not_possible_is_refused(value):
    assert faults([(0, 1.0), (60, value), (120, 1.0)]) == [("gap",), ("range",), ()]


def test_a_spike_is_left_out_and_nothing_else():
    assert values([(0, 1.0), (60, 1.0), (120, 9.0), (180, 1.0), (240, 1.1)], fastest=0.01) == [
        1.0,
        1.0,
        None,
        1.0,
        1.1,
    ]


def test_a_new_level_counts_from_its_third_reading():
    found = judged([(0, 1.0), (60, 1.0), (120, 9.0), (180, 9.1), (240, 9.2), (300, 9.3)])
    assert [each.faults for each in found[2:]] == [("spike",), ("spike",), ("jump",), ()]
    assert [each.value for each in found[2:]] == [None, None, 9.2, 9.3]


def test_values_that_jump_to_and_fro_are_never_used():
    swinging = [(60 * i, 9.0 if i % 2 else 1.0) for i in range(12)]
    assert values(swinging)[1:] == [None] * 11


def test_a_stuck_sensor_is_flat_until_it_moves():
    stuck = [(60 * i, 1.0) for i in range(30)] + [(1800, 1.01)]
    found = faults(stuck, flat_s=600.0, silent_s=180.0)
    assert found.index(("flat",)) == 12  # 12 usual steps are longer than flat_s
    assert found[-2:] == [("flat",), ()]
    assert ("flat",) not in faults(stuck, flat_s=0.0)


def test_no_rain_is_not_flat_but_the_same_rain_is():
    for value, stuck in ((0.0, False), (0.2, True)):
        quality = ReadingQuality(sensor(quantity="rain", unit="mm", flat_s=600.0, silent_s=180.0))
        found = [
            quality.judge(
                reading(60 * i, value, quantity="rain", unit="mm"), arrival(60 * i)
            ).faults
            for i in range(30)
        ]
        assert (("flat",) in found) is stuck


def test_duplicates_are_dropped_and_contradictions_kept_aside():
    found = faults([(0, 1.0), (60, 1.0), (60, 1.0, 5.0), (60, 1.1, 6.0), (120, 1.0)])
    assert found == [("gap",), (), ("repeat",), ("conflict",), ()]


def test_time_that_goes_back_is_dropped():
    assert faults([(0, 1.0), (60, 1.0), (30, 1.0, 40.0), (120, 1.0)])[2:] == [
        ("out of order",),
        (),
    ]


def test_what_comes_too_late_is_archive():
    assert faults([(0, 1.0, 301.0)]) == [("late",)]
    assert faults([(0, 1.0, 300.0)]) == [("gap",)]


def test_a_gap_is_told_and_ends_every_comparison():
    found = judged([(0, 1.0), (60, 1.0), (661, 9.0)])
    assert (found[2].value, found[2].faults) == (9.0, ("gap",))
    assert faults([(0, 1.0), (60, 1.0), (660, 1.0)])[2] == ()


def test_a_clock_two_days_ahead_moves_nobodys_now():
    ahead_s = 2 * 86_400
    found = faults([(0, 1.0), (ahead_s, 1.0, 60 - ahead_s), (119, 1.0), (181, 1.0), (240, 1.0)])
    assert found == [("gap",), ("future",), ("clock",), (), ()]


def test_a_clock_that_stays_ahead_is_never_used():
    ahead = [(60 * i + 3600, 1.0, -3600.0) for i in range(20)]
    assert set(faults(ahead)) == {("future",)}


def test_all_is_counted():
    quality = ReadingQuality(sensor())
    for at_s, value in ((0, 1.0), (60, 1.0), (60, 1.0), (120, 99.0), (180, 1.0)):
        quality.judge(reading(at_s, value), arrival(at_s))
    assert quality.tallies == {"used": 3, "gap": 1, "repeat": 1, "range": 1}
    assert quality.heard_us == arrival(180)


def test_silent_sensors_are_told_by_arrivals_alone():
    sensors = [sensor(id=name, silent_s=600.0) for name in ("A", "B", "C")]
    heard = {"A": arrival(0), "B": arrival(1)}
    assert silent(sensors, heard, arrival(600)) == ()
    assert silent(sensors, heard, arrival(601)) == ("A",)
    assert silent(sensors, heard, arrival(99_999)) == ("A", "B")  # C: not waited for yet


def test_a_sensor_that_sends_only_rubbish_is_silent():
    quality = ReadingQuality(sensor())
    quality.judge(reading(0, 1.0), arrival(0))
    for i in range(1, 20):
        quality.judge(reading(60 * i, 99.0), arrival(60 * i))
    assert silent([sensor()], {"KZ.ULKEN.1": quality.heard_us}, arrival(1140)) == ("KZ.ULKEN.1",)


STEPS = st.tuples(
    st.sampled_from([0, 1, 5, 30, 60, 61, 200, 700]),  # between arrivals, s
    st.sampled_from([0, 0, 0, 1, 60, -60, 290, 310, -4, -6, -172_800, 1000]),  # to arrival, s
    st.sampled_from([0.0, 1.0, 1.0, 1.0, 1.1, 1.2, 5.0, 5.1, 9.0, 99.0, math.nan]),
    st.sampled_from(["m", "m", "m", "m", "cm", "s", "??"]),
)


CALM = st.tuples(
    st.sampled_from([20, 60, 110]),
    st.sampled_from([0, 0, 0, 0, 0, 0, 0, -1000]),
    st.sampled_from([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.1, 5.0]),
    st.just("m"),
)


def histories(size):
    """Mostly bad readings, or mostly one good value."""
    return st.one_of(st.lists(STEPS, max_size=size), st.lists(CALM, min_size=40, max_size=size))


def dirty(steps):
    """Readings with their arrivals, which never go back."""
    now_s, made = 0, []
    for step_s, delay_s, value, unit in steps:
        now_s += step_s
        made.append((reading(now_s - delay_s, value, unit=unit), arrival(now_s)))
    return made


SENSORS = st.builds(
    sensor,
    flat_s=st.sampled_from([0.0, 100.0, 600.0]),
    every_s=st.sampled_from([1.0, 60.0]),
    silent_s=st.sampled_from([120.0, 600.0]),
    agree_s=st.sampled_from([60.0, 300.0]),
)


@given(SENSORS, histories(60))
def test_same_as_the_twin(which, steps):
    arrived = dirty(steps)
    quality = ReadingQuality(which)
    found = [quality.judge(*each) for each in arrived]
    assert [(each.value, each.faults) for each in found] == judge_all(which, arrived)
    assert all(set(each.faults) <= set(FAULTS) for each in found)


@settings(max_examples=300)
@given(SENSORS, histories(120), st.integers(0, 120))
def test_a_restart_judges_as_no_restart(which, steps, cut):
    arrived = dirty(steps)
    whole = ReadingQuality(which)
    expected = [whole.judge(*each) for each in arrived]
    anew = ReadingQuality(which)
    if cut >= len(arrived):
        return
    since_us = arrived[cut][1] - whole.memory.total_seconds() * SECOND_US
    for i, each in enumerate(arrived):
        if each[1] >= since_us:
            found = anew.judge(*each)
            if i >= cut:
                assert found == expected[i]


@pytest.mark.parametrize("span", ["flat", "late", "clock"])
def test_what_is_remembered_is_no_longer_than_needed_and_no_shorter(span):
    """What was before `memory` does not matter; what was just within it does."""
    changes = {"late_s": 10.0, "future_s": 5.0, "silent_s": 100.0, "every_s": 1.0}
    if span == "flat":
        which = sensor(flat_s=500.0, **changes)
        arrived = [(reading(50 * i, 1.0), arrival(50 * i)) for i in range(30)]
    elif span == "late":
        changes |= {"late_s": 300.0, "silent_s": 10.0, "agree_s": 1.0}
        which = sensor(**changes)  # the first is almost in the future, the second almost late
        arrived = [(reading(4.9, 1.0), arrival(0)), (reading(4.8, 1.0), arrival(304.8))]
    else:
        which = sensor(agree_s=5000.0, **changes)
        arrived = [(reading(9999, 1.0), arrival(0)), (reading(4999, 1.0), arrival(4999))]
    whole = ReadingQuality(which)
    expected = [whole.judge(*each) for each in arrived][-1]
    assert expected.faults[-1] == {"flat": "flat", "late": "out of order", "clock": "clock"}[span]
    since_us = arrived[-1][1] - whole.memory.total_seconds() * SECOND_US
    anew = ReadingQuality(which)
    found = [anew.judge(*each) for each in arrived if each[1] >= since_us]
    assert found[-1] == expected
    assert whole.memory.total_seconds() <= {"flat": 630, "late": 630, "clock": 5030}[span]


@given(st.lists(STEPS, max_size=40), st.integers(1, 10**9))
def test_a_future_reading_changes_nothing_after_its_probation(steps, ahead_s):
    which = sensor()
    arrived = [(o, a + 10**9) for o, a in dirty(steps)]
    calm = ReadingQuality(which)
    shaken = ReadingQuality(which)
    at_us = arrival(-which.agree_s) - 1
    shaken.judge(reading(ahead_s, 1.0), at_us)
    assert [shaken.judge(*each) for each in arrived] == [calm.judge(*each) for each in arrived]


@pytest.mark.skipif(not ARDECHE.is_file(), reason=f"{ARDECHE} is not here")
def test_the_ardeche_as_it_was_recorded():
    """611 points share a time stamp with another; time goes back twice; gaps of up to 15.6 days."""
    with ARDECHE.open(newline="") as file:
        rows = [
            (datetime.fromisoformat(row["Date"]).replace(tzinfo=UTC), float(row["H"]))
            for row in csv.DictReader(file)
        ]
    day_s = 86_400.0
    which = sensor(
        every_s=4320.0,
        silent_s=7 * day_s,
        late_s=10 * day_s,
        lowest=-2.0,
        fastest=0.001,
        flat_s=15 * day_s,
    )
    quality = ReadingQuality(which)
    now_us, found = 0, []
    for time, value in rows:
        time_us = int(time.timestamp()) * SECOND_US
        now_us = max(now_us, time_us)
        at = reading(0, value, time_us=time_us)
        found.append((at, quality.judge(at, now_us)))
    used = [(at.time_us, each.value) for at, each in found if each.value is not None]
    assert used == sorted(used)
    assert len({time_us for time_us, _ in used}) == len(used)
    assert len(rows) == 28_913
    assert quality.tallies["used"] == 28_285
    assert quality.tallies["repeat"] == 13
    assert quality.tallies["conflict"] == 594
    assert quality.tallies["out of order"] == 21
    newest = list(accumulate((time for time, _ in rows), max))
    assert len(used) == 1 + sum(after > before for before, after in pairwise(newest))
    assert quality.tallies["range"] == quality.tallies["spike"] == quality.tallies["flat"] == 0
    assert max(value for _, value in used) == max(value for _, value in rows)
