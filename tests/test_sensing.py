"""What one sensor says."""

import math
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.hazards.proposed import PROPOSED, derived, with_proposed
from detect.hazards.sensing import Crossing, Sensing
from ingest.sensors import Sensor, Threshold

SECOND = 1_000_000
DAY = 86_400 * SECOND
BEGIN = 1_400_000_000 * SECOND


def sensor(*thresholds, **more):
    shape = {
        "id": "KZ.1",
        "quantity": "stage",
        "unit": "m",
        "hazard": "flood",
        "latitude": 43.0,
        "longitude": 77.0,
        "basin": "Talgar",
        "every_s": 600.0,
    }
    return Sensor(**{**shape, **more}, thresholds=tuple(thresholds))


def level(number, value, rule="level", **more):
    return Threshold(rule=rule, level=number, value=value, **more)


LADDER = (level(1, 1.0, source="a"), level(2, 2.0, source="b"), level(3, 3.0, source="c"))


def said(sensing, values, step_s=600, begin=BEGIN, **more):
    found = []
    for number, value in enumerate(values):
        crossing = sensing.fold(begin + number * step_s * SECOND, value, **more)
        if crossing is not None:
            found.append((number, crossing))
    return found


def test_levels_rise_and_fall_and_say_why():
    found = said(Sensing(sensor(*LADDER)), [0, 0, 1.2, 1.3, 2.5, 3.5, 3.6, 3.4, 0.5, 0.4, 0.3])
    assert [(n, c.level) for n, c in found] == [(3, 1), (5, 2), (6, 3), (9, 0)]
    top = found[2][1]
    assert top == Crossing(
        level=3,
        rule="level",
        since_us=BEGIN + 5 * 600 * SECOND,
        value=3.6,
        unit="m",
        threshold=3.0,
        source="c",
    )
    assert found[-1][1].since_us == BEGIN + 9 * 600 * SECOND
    assert found[-1][1].value == 0.4


def test_what_falls_back_to_a_lower_level_says_that_level():
    values = [0, 0, 3.5, 3.5, 1.5, 1.5, 1.5, 0, 0]
    assert [c.level for _, c in said(Sensing(sensor(*LADDER)), values)] == [3, 1, 0]


def test_a_prior_lowers_the_height_of_thresholds():
    for lowered, levels in ((1.0, [1]), (0.5, [2])):
        sensing = Sensing(sensor(*LADDER))
        found = said(sensing, [0.0] * 5 + [1.2, 1.2], lowered=lowered)
        assert [c.level for _, c in found] == levels
        assert found[0][1].threshold == pytest.approx(lowered * (1 if lowered == 1 else 2))


def test_a_height_is_counted_from_the_usual_level_whatever_the_datum():
    sensing = Sensing(sensor(*(level(n, 800.0 + n) for n in (1, 2, 3))))
    found = said(sensing, [800.0] * 5 + [800.6, 800.6], lowered=0.5)
    assert [c.level for _, c in found] == [1]


def test_a_prior_never_lifts_a_threshold_that_the_water_has_stood_above():
    for lowered in (1.0, 0.5):
        sensing = Sensing(sensor(level(3, 2.0)))
        assert [c.level for _, c in said(sensing, [3.0] * 100, 3600, lowered=lowered)] == [3]
        assert sensing.fold(BEGIN + 101 * 3600 * SECOND, 2.1, lowered=lowered) is None
        for number in range(102, 110):
            sensing.fold(BEGIN + number * 3600 * SECOND, 2.1, lowered=lowered)
        assert sensing.level == 3


def test_the_highest_of_all_rules_counts():
    sensing = Sensing(sensor(*LADDER, level(3, 0.5, "rise", over_s=3600.0)))
    found = said(sensing, [0.0, 0.0, 0.0, 0.6, 0.7, 0.7])
    assert (found[0][1].level, found[0][1].rule) == (3, "rise")
    assert found[0][1].value == pytest.approx(0.7)


def test_a_sensor_without_thresholds_says_nothing_and_remembers_nothing():
    sensing = Sensing(sensor())
    assert said(sensing, [0.0, 99.0, 99.0, 99.0]) == []
    assert sensing.memory == timedelta(0)


def test_waves_of_an_earthquake_are_no_impulse_wave():
    threshold = level(2, 0.03, "impulse wave")
    for shaken, levels in ((False, [2]), (True, [])):
        sensing = Sensing(sensor(threshold, every_s=15.0))
        said(sensing, [5.0] * 1000, 15)
        begin = BEGIN + 1000 * 15 * SECOND
        found = said(sensing, [5.2, 4.7, 5.3, 4.8], 15, begin, shaken=shaken)
        assert [c.level for _, c in found] == levels


def test_an_impulse_wave_stays_for_four_hours():
    sensing = Sensing(sensor(level(2, 0.03, "impulse wave"), every_s=15.0))
    said(sensing, [5.0] * 1000, 15)
    found = said(sensing, [5.2] * 8 + [5.0] * 1100, 15, BEGIN + 1000 * 15 * SECOND)
    assert [c.level for _, c in found] == [2, 0]
    assert found[1][0] * 15 >= 4 * 3600


def test_hours_to_failure_fall():
    thresholds = [level(n, v, "inverse velocity") for n, v in ((1, 72.0), (2, 24.0), (3, 6.0))]
    sensing = Sensing(sensor(*thresholds, quantity="displacement", unit="mm", hazard="landslide"))
    hours = [n / 6 for n in range(6 * 118)]
    found = said(sensing, [-40.0 * math.log(120.0 - h) for h in hours])
    assert [c.level for _, c in found] == [1, 2, 3]
    assert all(c.value <= c.threshold and c.unit == "h" for _, c in found)


def test_a_false_alarm_interval_becomes_a_threshold():
    sensing = Sensing(sensor(level(1, 365.25, "cusum"), every_s=3600.0))
    noise = random.Random(4)
    values = [noise.gauss(0, 1) + (2.0 if n >= 300 else 0.0) for n in range(330)]
    found = said(sensing, values, 3600)
    assert [(c.level, c.unit) for _, c in found] == [(1, "sigma")]
    assert found[0][0] > 300
    assert math.ceil(found[0][1].threshold * 100) == 723


@given(st.lists(st.floats(0.0, 4.0), min_size=1, max_size=30))
def test_lower_thresholds_never_say_less(values):
    plain, prone = Sensing(sensor(*LADDER)), Sensing(sensor(*LADDER))
    for number, value in enumerate([0.0] * 80 + values):
        time_us = BEGIN + number * 3600 * SECOND
        plain.fold(time_us, value)
        prone.fold(time_us, value, lowered=0.7)
        assert prone.level >= plain.level


@given(st.lists(st.floats(0.0, 4.0), min_size=1, max_size=200))
def test_it_speaks_only_when_its_level_changes(values):
    sensing, before = Sensing(sensor(*LADDER)), 0
    for number, value in enumerate(values):
        crossing = sensing.fold(BEGIN + number * 600 * SECOND, value)
        assert (crossing is None) == (sensing.level == before)
        if crossing is not None:
            assert crossing.level == sensing.level
        before = sensing.level


@pytest.mark.parametrize(
    ("quantity", "unit", "thresholds"),
    [
        ("stage", "m", LADDER),
        (
            "stage",
            "m",
            (level(1, 0.8, "rise", over_s=3600.0), level(2, 1.6, "rise", over_s=7200.0)),
        ),
        ("stage", "m", (level(2, 0.9, "impulse wave"),)),
        ("stage", "m", (level(1, 1.0, "cusum"), level(2, 50.0, "cusum"))),
        ("rain", "mm", (level(1, 3.0, "intensity-duration"), level(2, 5.5, "intensity-duration"))),
        ("displacement", "mm", (level(1, 0.5, "velocity"), level(2, 1.0, "velocity"))),
        ("displacement", "mm", (level(1, 48.0, "inverse velocity"),)),
        ("dose rate", "uSv/h", (level(1, 1.5, "background"), level(3, 2.0, "background"))),
    ],
)
def test_its_state_is_that_of_its_memory(quantity, unit, thresholds):
    """One who reads the log again from `memory` before a time says the same from then on."""
    every_s = 120 if thresholds[0].rule == "impulse wave" else 600
    shape = sensor(*thresholds, quantity=quantity, unit=unit, every_s=every_s)
    whole = Sensing(shape)
    memory_us = whole.memory // timedelta(microseconds=1)
    noise, series, time_us, slow = random.Random(7), [], BEGIN, 0.0
    while time_us < BEGIN + memory_us + 12 * DAY:
        time_us += noise.choice([3, 6, 6, 9, 12 if every_s == 120 else 50]) * every_s // 6 * SECOND
        slow = 0.995 * slow + noise.gauss(0.0, 0.12)
        series.append((time_us, abs(1.0 + slow + noise.gauss(0.0, 0.3))))
    crossings = [(one[0], whole.fold(*one)) for one in series]
    start_us = BEGIN + 2 * DAY
    late = Sensing(shape)
    again = [(one[0], late.fold(*one)) for one in series if one[0] >= start_us]
    settled = start_us + memory_us
    expected = [one for one in crossings if one[0] > settled and one[1] is not None]
    assert [one for one in again if one[0] > settled and one[1] is not None] == expected
    if thresholds[0].rule != "inverse velocity":
        assert any(crossing is not None for _, crossing in crossings)


class TestProposed:
    def test_thresholds_of_a_file_stand(self):
        known = sensor(*LADDER)
        assert with_proposed(known) is known

    @pytest.mark.parametrize(
        ("quantity", "unit", "rules"),
        [
            ("stage", "m", {"return level"}),
            ("discharge", "m^3/s", {"return level"}),
            ("rain", "mm", {"intensity-duration"}),
            ("dose rate", "uSv/h", {"background"}),
            ("displacement", "mm", {"inverse velocity", "cusum"}),
            ("temperature", "degC", set()),
        ],
    )
    def test_each_quantity_has_its_rules_and_their_source(self, quantity, unit, rules):
        thresholds = with_proposed(sensor(quantity=quantity, unit=unit)).thresholds
        assert {one.rule for one in thresholds} == rules
        assert all(one.source for one in thresholds)
        Sensing(with_proposed(sensor(quantity=quantity, unit=unit)))

    def test_a_rise_of_two_years_is_a_warning_before_the_level_is(self):
        noise = random.Random(9)
        values = [noise.uniform(0.0, 0.05) for _ in range(3000)]
        values += [0.25 * n for n in range(1, 12)]
        found = said(Sensing(with_proposed(sensor())), values, step_s=900)
        warned = next(c for _, c in found if c.level == 2)
        assert warned.threshold < 1.0
        assert warned.value == pytest.approx(1.0, abs=0.3)
        assert found[-1][1].level == 3
        assert found[-1][1].threshold > 1.0

    def test_a_lake_has_its_impulse_waves_in_its_own_unit(self):
        lake = with_proposed(sensor(hazard="lake outburst", every_s=15.0, unit="cm"))
        values = {one.rule: one.value for one in lake.thresholds}
        assert values["impulse wave"] == pytest.approx(3.0)
        assert values["rise"] == pytest.approx(25.0)

    @given(st.sampled_from(["m", "cm", "ft"]))
    def test_the_unit_changes_nothing_of_what_is_said(self, unit):
        size = {"m": 1.0, "cm": 100.0, "ft": 1 / 0.3048}[unit]
        noise = random.Random(9)
        values = [noise.uniform(0.0, 0.3) for _ in range(2000)]
        values[1500:1560] = [0.1 * n for n in range(60)]
        found = said(
            Sensing(with_proposed(sensor(unit=unit))), [size * v for v in values], step_s=3600
        )
        assert [c.level for _, c in found][:3] == [1, 2, 3]
        assert PROPOSED in found[0][1].source

    def test_what_is_derived_is_ordered_possible_and_names_its_record(self):
        noise = random.Random(9)
        readings = [(BEGIN + n * 3600 * SECOND, noise.expovariate(3.0)) for n in range(9000)]
        found = derived(sensor(), readings, "record x")
        levels = [t.value for t in found if t.rule == "level"]
        assert levels == sorted(set(levels))
        assert len(levels) == 3
        assert all("record x" in t.source and PROPOSED in t.source for t in found)
        assert {t.level for t in derived(sensor(highest=levels[1]), readings, "")} == {1, 2}
        flat = [(BEGIN + n * 3600 * SECOND, 1.0) for n in range(90_000)]
        assert all(t.value > 1.0 for t in derived(sensor(), flat, "") if t.rule == "level")
        (rain, *_) = derived(sensor(quantity="rain", unit="mm"), readings, "record x")
        assert (rain.rule, rain.source[-8:]) == ("intensity-duration", "record x")

    def test_a_sensor_with_its_own_scale_remembers_ten_years(self):
        assert Sensing(with_proposed(sensor())).memory > timedelta(days=3652)
