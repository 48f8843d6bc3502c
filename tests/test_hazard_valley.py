"""Valleys, votes and cascades by themselves, and the files that they are read from."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_hazards import SECOND, START_US, quake, valley

from commands.wiring import NO_CHANNELS, Configuration, pipeline
from detect.hazards import files
from detect.hazards.cascade import Cascades, felt
from detect.hazards.cascade_file import CascadeFile, Watched
from detect.hazards.operator import HazardOperator
from detect.hazards.speakers import basin_names
from detect.hazards.valley import Passage, Point, Valley
from detect.hazards.valley_file import Reach, ReachPlace, ReachSensor, ValleyFile
from detect.hazards.votes import Voice, weigh
from detect.settings import DetectSettings, HazardSettings
from stream import settings
from stream.errors import ConfigurationError

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "hazards"


def reach(name, down="", length_km=10.0, speeds=(1.0, 2.0, 4.0), **more):
    slowest, usual, fastest = speeds
    return Reach(
        id=name,
        basin="B",
        down=down,
        length_km=length_km,
        slowest_ms=slowest,
        usual_ms=usual,
        fastest_ms=fastest,
        **more,
    )


TREE = Valley(
    ValleyFile(
        reaches=(
            reach("left", "trunk"),
            reach("right", "trunk", 5.0),
            reach("trunk", "", 20.0, (2.0, 4.0, 8.0)),
        )
    )
)


def test_the_way_down_is_summed_over_reaches():
    way = TREE.travel(Point("left", 4.0), Point("trunk", 8.0))
    assert (way.km, way.fastest_s, way.usual_s, way.slowest_s) == (14.0, 2500.0, 5000.0, 10_000.0)


def test_no_way_leads_up_or_into_another_arm():
    assert TREE.travel(Point("trunk", 8.0), Point("left", 4.0)) is None
    assert TREE.travel(Point("left", 4.0), Point("right", 4.0)) is None
    assert TREE.travel(Point("left", 4.0), Point("left", 3.0)) is None


def test_the_longest_way_is_from_the_farthest_source():
    assert TREE.longest_s == 10_000.0 + 10_000.0


@given(st.floats(1.5, 3.5), st.floats(0.0, 9.0), st.floats(0.1, 9.0))
def test_a_front_of_steady_speed_within_the_file_comes_within_its_window(speed, first, more):
    """Of any speed between the lowest and the highest, from one sensor and from two."""
    second = min(first + more, 10.0)
    one = Valley(ValleyFile(reaches=(reach("only", length_km=30.0),)))
    target = Point("only", 25.0)

    def passed(km, step_us=10 * SECOND):
        exact = START_US + round(1000.0 * km / speed * SECOND)
        return Passage(f"{km}", Point("only", km), -(-exact // step_us) * step_us, step_us)

    truth = START_US + round(1000.0 * 25.0 / speed * SECOND)
    for passages in ([passed(first)], [passed(first), passed(second)]):
        window = one.window(passages, target)
        assert window.earliest_us <= truth <= window.latest_us
        assert window.earliest_us <= window.expected_us <= window.latest_us


def test_a_front_faster_than_the_file_is_believed():
    one = Valley(ValleyFile(reaches=(reach("only", length_km=30.0),)))
    passages = [
        Passage("a", Point("only", 0.0), START_US, 0),
        Passage("b", Point("only", 10.0), START_US + 1000 * SECOND, 0),  # 10 m/s, not 4
    ]
    window = one.window(passages, Point("only", 20.0))
    assert window.expected_us == START_US + 2000 * SECOND
    assert window.earliest_us < window.expected_us
    assert one.speed_ms(passages) == pytest.approx(10.0)


def test_of_two_arms_the_first_to_come_counts():
    passages = [
        Passage("l", Point("left", 0.0), START_US, 0),
        Passage("r", Point("right", 0.0), START_US, 0),
    ]
    window = TREE.window(passages, Point("trunk", 0.0))
    assert window.expected_us == START_US + 2500 * SECOND


def test_places_below_an_overdue_sensor_are_left_out():
    one = Valley(ValleyFile(reaches=(valley(sensors=("A", "B")),)))
    passages = [Passage("A", Point("channel", 0.0), START_US, 0)]
    assert [p.place for p in one.reached(passages, ())] == ["Near", "Far"]
    assert one.reached(passages, ("B",)) == ()


def voice(name, level, path="", **more):
    shape = {"rule": "level", "since_us": 0, "step_us": 0, "value": 1.0, "unit": "m"}
    return Voice(
        sensor=name, path=path or name, level=level, threshold=1.0, own=1.0, **{**shape, **more}
    )


@pytest.mark.parametrize(
    ("levels", "confirmed", "level"),
    [
        ((1,), False, 1),
        ((3,), False, 3),
        ((1, 1), True, 1),
        ((2, 1), True, 2),
        ((3, 1), True, 2),
        ((3, 2), True, 3),
        ((3, 3, 1), True, 3),
        ((3, 1, 1), True, 2),
    ],
)
def test_a_level_needs_a_second_voice_at_most_one_below(levels, confirmed, level):
    verdict = weigh([voice(f"S{i}", n) for i, n in enumerate(levels)], {})
    assert (verdict.confirmed, verdict.level) == (confirmed, level)


def test_one_telemetry_path_is_one_voice():
    verdict = weigh([voice("A", 3, "radio"), voice("B", 3, "radio")], {})
    assert not verdict.confirmed


def test_who_may_confirm_alone():
    verdict = weigh([voice("A", 3)], {"A": 3})
    assert (verdict.confirmed, verdict.level) == (True, 3)
    verdict = weigh([voice("A", 2), voice("B", 1)], {"A": 3})
    assert (verdict.confirmed, verdict.level) == (True, 3)
    assert verdict.reason.startswith("A goes on")


@given(st.lists(st.integers(1, 3), min_size=1, max_size=6), st.integers(0, 5), st.integers(1, 3))
def test_more_voices_never_make_less(levels, which, more):
    """A voice that comes, or says more, lowers nothing that is confirmed."""
    before = weigh([voice(f"S{i}", n) for i, n in enumerate(levels)], {})
    after = weigh([voice(f"S{i}", n) for i, n in enumerate([*levels, more])], {})
    raised = [max(n, more) if i == which % len(levels) else n for i, n in enumerate(levels)]
    higher = weigh([voice(f"S{i}", n) for i, n in enumerate(raised)], {})
    for verdict in (after, higher):
        assert verdict.confirmed >= before.confirmed
        if before.confirmed:
            assert verdict.level >= before.level


def test_intensity_at_a_lake_is_that_of_the_formula_and_of_the_rupture():
    far = felt(quake(START_US, 7.0, latitude=44.5), 43.1, 76.8)
    near = felt(
        quake(START_US, 7.0, latitude=44.5, rupture=((44.5, 76.8), (43.2, 76.8))), 43.1, 76.8
    )
    assert far < 6.0 < near
    assert felt(quake(START_US, None), 43.1, 76.8) is None


def test_a_watch_is_taken_back_only_well_below_its_intensity():
    rule = Watched(
        basin="B",
        hazard="lake outburst",
        latitude=43.1,
        longitude=76.8,
        intensity=6.0,
        lowered=0.5,
        lasts_h=1.0,
    )
    cascades = Cascades(CascadeFile(watched=(rule,)), (), {})

    def fold(magnitude, **more):
        return [m.stands for m in cascades.fold(quake(START_US, magnitude, **more), START_US)]

    sizes = [m / 100 for m in range(400, 700)]
    just = next(m for m in sizes if felt(quake(START_US, m), 43.1, 76.8) >= 6.0)
    assert fold(just - 0.05) == []
    assert fold(just) == [True]
    assert cascades.lowered("B", "debris flow", START_US) == 0.5
    assert cascades.lowered("Other", "debris flow", START_US) == 1.0
    assert fold(just - 0.3) == [True]
    assert fold(just - 0.8) == [False]
    assert cascades.lowered("B", "debris flow", START_US) == 1.0


def test_names_of_basins_are_apart_and_plain():
    names = basin_names(["Kishi Almaty", "Кіші Алматы", "Улкен Алматы", "kishi/almaty", "A b"])
    assert names["Kishi Almaty"] == "kishi-almaty"
    assert len(set(names.values())) == 5
    assert all(n.isascii() and n.replace("-", "").isalnum() for n in names.values())


def test_the_example_makes_a_stage():
    path = EXAMPLES / "alatau.toml"
    stages = pipeline(settings.load(path, Configuration), NO_CHANNELS, path)
    names = [stage.name for stage in stages]
    assert names.index("locate") < names.index("hazards") < names.index("dispatch")
    made = stages[names.index("hazards")].make(0)
    assert isinstance(made, HazardOperator)


def test_a_threshold_of_the_example_has_its_source():
    found = files.load(
        settings.load(EXAMPLES / "alatau.toml", Configuration).detect.hazards, EXAMPLES
    )
    thresholds = [t for sensor in found.sensors for t in sensor.thresholds]
    assert [(t.rule, t.value, t.over_s) for t in thresholds] == [("rise", 0.25, 86_400.0)]
    assert all(t.source for t in thresholds)
    countries = {p.country for r in found.valleys.reaches for p in r.places}
    assert countries == {"KZ", "TJ", "AF", "UZ", "TM"}
    basins = {sensor.basin for sensor in found.sensors}
    assert {"Ulken Almaty", "Kishi Almaty", "Kargaly", "Talgar", "Sarez"} <= basins


def test_without_files_there_is_a_stage_only_for_tremors():
    def names(hazards):
        configuration = Configuration(detect=DetectSettings(hazards=hazards))
        return [stage.name for stage in pipeline(configuration, NO_CHANNELS)]

    assert "hazards" in names(HazardSettings())
    assert "hazards" not in names(HazardSettings(tremors="reaches"))


SENSORS = """[[sensors]]
id = "A"
quantity = "stage"
unit = "m"
hazard = "flood"
latitude = 43.0
longitude = 76.0
basin = "B"
reach = "r"
"""
REACH = """[[reaches]]
id = "r"
basin = "B"
length_km = 10.0
slowest_ms = 1.0
usual_ms = 2.0
fastest_ms = 3.0
sensors = [{ id = "A", at_km = 1.0 }]
"""
WATCH = """[[watched]]
basin = "B"
hazard = "flood"
latitude = 43.0
longitude = 76.0
intensity = 6.0
lowered = 0.5
lasts_h = 1.0
reach = "r"
"""
PRIOR = """[[priors]]
basin = "B"
sensors = ["A"]
by = "melt"
hazards = ["flood"]
lowered = 0.5
lasts_h = 1.0
"""
BULLETIN = """[[bulletins]]
basin = "B"
hazards = ["flood"]
lowered = 0.8
events = ["rain"]
"""


@pytest.mark.parametrize(
    ("sensors", "valleys", "cascades", "name", "line", "says"),
    [
        (SENSORS.replace('"r"', '"x"'), REACH, WATCH, "sensors", 9, "no reach x"),
        (SENSORS, REACH.replace('id = "A"', 'id = "lost"'), WATCH, "valleys", 8, "lost is in no"),
        (SENSORS, REACH.replace("1.0 }", "99.0 }"), WATCH, "valleys", 1, "beyond the end"),
        (SENSORS, REACH.replace("slowest_ms = 1", "slowest_ms = 9"), WATCH, "valleys", 1, "order"),
        (SENSORS, REACH + 'down = "r"\n', WATCH, "valleys", None, "circle"),
        (SENSORS, REACH + 'down = "z"\n', WATCH, "valleys", None, "which is none"),
        (SENSORS, REACH, WATCH.replace('"r"', '"z"'), "cascades", 9, "reach z"),
        (SENSORS, REACH, WATCH + WATCH, "cascades", None, "twice"),
        (SENSORS, REACH, PRIOR, "cascades", 3, "no sensor of temperature"),
        (SENSORS, REACH, PRIOR.replace('"A"', '"Q"'), "cascades", 3, "Q is no sensor"),
        (SENSORS, REACH, PRIOR.replace('"B"', '"C"'), "cascades", 2, "no sensor stands in C"),
        (SENSORS, REACH + "depth = 3\n", WATCH, "valleys", 9, "depth"),
        (SENSORS, REACH, BULLETIN.replace('"B"', '"C"'), "cascades", 2, "stands in C"),
        (SENSORS, REACH, BULLETIN.replace('["rain"]', "[]"), "cascades", 1, "events or codes"),
        (SENSORS, REACH, BULLETIN.replace("0.8", "1.2"), "cascades", 4, "1.0"),
    ],
)
def test_a_wrong_file_names_its_line(tmp_path, sensors, valleys, cascades, name, line, says):
    for what, text in (("sensors", sensors), ("valleys", valleys), ("cascades", cascades)):
        (tmp_path / f"{what}.toml").write_text(text)
    named = HazardSettings(
        sensors=("sensors.toml",), valleys=("valleys.toml",), cascades=("cascades.toml",)
    )
    with pytest.raises(ConfigurationError) as caught:
        files.load(named, tmp_path)
    assert caught.value.file == tmp_path / f"{name}.toml"
    assert says in str(caught.value)
    if line is not None:
        assert caught.value.line == line


def test_right_files_are_read(tmp_path):
    for what, text in (("s", SENSORS), ("v", REACH), ("c", WATCH + BULLETIN)):
        (tmp_path / what).write_text(text)
    named = HazardSettings(sensors=("s",), valleys=("v",), cascades=("c",))
    found = files.load(named, tmp_path)
    assert [s.id for s in found.sensors] == ["A"]
    assert not found.are_empty
    with pytest.raises(ConfigurationError, match="another sensor file"):
        files.load(HazardSettings(sensors=("s", "s"), valleys=("v",)), tmp_path)


def test_a_seismic_station_may_stand_at_a_reach():
    place = ReachPlace(name="P", country="CH", latitude=46.3, longitude=7.6, at_km=2.0)
    one = Valley(
        ValleyFile(
            reaches=(reach("illgraben", sensors=(ReachSensor(id="XP.ILL11"),), places=(place,)),)
        )
    )
    assert one.point("XP.ILL11") == Point("illgraben", 0.0)
    assert one.point("XP.ILL12") is None


def test_gauges_that_rise_at_once_have_seen_no_front():
    """Rain on all of the valley: the place below is not reached at that speed."""
    one = Valley(ValleyFile(reaches=(reach("only", length_km=30.0),)))
    passages = [
        Passage("a", Point("only", 0.0), START_US, 10 * SECOND),
        Passage("b", Point("only", 10.0), START_US + 60 * SECOND, 10 * SECOND),  # 167 m/s
    ]
    assert one.speed_ms(passages) is None
    window = one.window(passages, Point("only", 20.0))
    assert window.expected_us == START_US + 5060 * SECOND
