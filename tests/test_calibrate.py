"""Constants that were put into made recordings come out again, and few events move little."""

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from alatau import Configuration
from detect.detections import PickMotion
from detect.envelopes import KINDS, peak
from detect.saturation import seen_magnitude
from detect.settings import MagnitudeSettings
from detect.traveltimes import load
from ingest.sources import archive
from replay import catalogue
from replay.calibrate import (
    CalibrationError,
    Event,
    Heard,
    calibrate,
    observe,
)
from replay.calibration_page import print_calibration, to_toml
from stream import settings

RIDGECREST = Path(__file__).parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"
SETTINGS = MagnitudeSettings()
SHIFTS = {
    "p_displacement": 0.0,
    "p_velocity": 0.25,
    "p_acceleration": -0.2,
    "s_velocity": 0.2,
    "s_acceleration": -0.15,
}


def motion(magnitude, distance, s_minus_p, elapsed, shifts, noise):
    def told(kind, window):
        return 10 ** (peak(kind, magnitude, distance) + shifts[kind]) / 100.0

    wave = "p" if elapsed <= s_minus_p else "s"
    windows = [w for w in (0.5, 1.0, 2.0, 3.0, 4.0) if w <= elapsed]
    return PickMotion(
        pick_id="x",
        elapsed_s=elapsed,
        pd_m=tuple(told("p_displacement", w) for w in windows),
        noise_pd_m=noise,
        pgv=told(f"{wave}_velocity", elapsed),
        pga=told(f"{wave}_acceleration", elapsed),
        noise_pgv=noise,
        noise_pga=noise,
    )


def event(name, magnitude, random, *, shifts=SHIFTS, stations=8, scatter=0.15, noise=1e-9):
    """An earthquake that its stations feel with a scatter, half of it in common."""
    common = {kind: scatter * random.normal() / math.sqrt(2) for kind in KINDS}
    heard = []
    for i in range(stations):
        distance = float(random.uniform(15.0, 120.0))
        s_minus_p = distance / 8.0
        own = {
            kind: shifts[kind] + common[kind] + scatter * random.normal() / math.sqrt(2)
            for kind in KINDS
        }
        motions = [
            motion(magnitude, distance, s_minus_p, t, own, noise)
            for t in (0.9 * s_minus_p, s_minus_p + 30.0)
        ]
        heard.append(Heard(f"XX.S{i}", distance, s_minus_p, tuple(motions)))
    return Event(name, magnitude, tuple(heard))


def events(count, seed=0, **options):
    random = np.random.default_rng(seed)
    sizes = random.uniform(4.0, 5.5, count).tolist()
    return [event(f"e{i}", size, random, **options) for i, size in enumerate(sizes)]


def test_constants_come_out_again():
    found = calibrate(events(30), SETTINGS)
    for kind, shift in SHIFTS.items():
        if kind != "p_displacement":
            assert getattr(found.after, kind) == pytest.approx(shift, abs=0.07)
    assert (found.after.a, found.after.b) == (
        pytest.approx(SETTINGS.a, rel=0.08),
        pytest.approx(SETTINGS.b, rel=0.15),
    )


def test_displacement_of_another_region_comes_out():
    """Pd half as large everywhere: c grows by a log10(2)."""
    found = calibrate(events(30, shifts=SHIFTS | {"p_displacement": -math.log10(2.0)}), SETTINGS)
    for magnitude, distance in ((4.5, 30.0), (5.0, 80.0)):
        cm = 10 ** (peak("p_displacement", magnitude, distance) - math.log10(2.0))
        after = found.after
        told = after.a * math.log10(cm) + after.b * math.log10(distance) + after.c
        assert told == pytest.approx(magnitude, abs=0.12)


def test_few_events_move_the_constants_less():
    few, many = calibrate(events(2), SETTINGS), calibrate(events(30), SETTINGS)
    assert 0.0 < few.after.p_velocity < many.after.p_velocity
    assert few.records["p_velocity"][1] == 2


def test_of_two_events_the_displacement_stays_as_published():
    two = calibrate(events(2), SETTINGS)
    assert (two.after.a, two.after.b, two.after.c) == (SETTINGS.a, SETTINGS.b, SETTINGS.c)
    assert "p_displacement" not in two.moved


def same(name, shift, stations):
    """An event that moves the ground everywhere by so much more than the formulas have it."""
    random = np.random.default_rng(7)
    shifts = dict.fromkeys(KINDS, shift)
    return event(name, 4.6, random, shifts=shifts, stations=stations, scatter=0.0)


def test_many_records_of_one_earthquake_are_one_earthquake():
    """Sixty stations of one that is strong, one of another: the first's deviation is its own."""
    found = calibrate([same("a", 0.4, 60), same("b", 0.0, 1)], SETTINGS).after
    assert 0.15 < found.s_velocity < 0.3


def test_an_event_is_estimated_by_the_others_alone():
    """One is strong and one is weak: each makes the other's estimate worse."""
    found = calibrate([same("a", 0.3, 8), same("b", -0.3, 8)], SETTINGS)
    for e in found.estimates:
        assert abs(e.fitted - e.magnitude) > abs(e.published - e.magnitude) + 0.1


ALIKE = {
    "p_displacement": 0.2,
    "p_velocity": 0.25,
    "p_acceleration": 0.25,
    "s_velocity": 0.25,
    "s_acceleration": 0.25,
}


def test_what_is_left_out_is_estimated_better_by_the_others():
    """Where the ground of a region moves more by 0.25 in all peaks."""
    found = calibrate(events(12, shifts=ALIKE), SETTINGS)
    before = [e.published - e.magnitude for e in found.estimates]
    after = [e.fitted - e.magnitude for e in found.estimates]
    assert len(after) == 12
    assert np.square(after).sum() < 0.7 * np.square(before).sum()
    assert found.helps
    assert "better" in to_toml(found)


def test_it_says_when_it_does_not_help():
    nothing = calibrate(events(4, 3, shifts=dict.fromkeys(KINDS, 0.0)), SETTINGS)
    assert nothing.helps is ("keep the" not in to_toml(nothing))
    worse = msgspec.structs.replace(
        nothing,
        estimates=tuple(
            msgspec.structs.replace(e, published=e.magnitude, fitted=e.magnitude + 0.1)
            for e in nothing.estimates
        ),
    )
    assert not worse.helps
    assert "keep the" in to_toml(worse)


def test_a_recording_is_heard_through_the_picker():
    recording = archive.read(RIDGECREST, latency_s=0.5)
    whole = Configuration()
    known = catalogue.read(RIDGECREST)
    found = observe(recording, known, whole.detect, whole.ingest, load())
    assert (found.folder, found.magnitude) == ("ridgecrest-2019-near", 7.1)
    assert [h.station for h in found.heard] == ["CI.CCC", "CI.CLC", "CI.TOW2"]
    distances = [round(h.distance_km) for h in found.heard]
    assert distances == [34, 5, 16]
    for one in found.heard:
        elapsed = [m.elapsed_s for m in one.motions]
        assert elapsed == sorted(elapsed)
        assert elapsed[-1] > one.s_minus_p_s + 20.0
    quiet = msgspec.structs.replace(known, time_us=known.time_us - 20_000_000)
    with pytest.raises(CalibrationError, match="no station picked"):
        observe(recording, quiet, whole.detect, whole.ingest, load())
    unknown = msgspec.structs.replace(known, magnitude=None)
    with pytest.raises(CalibrationError, match="no magnitude"):
        observe(recording, unknown, whole.detect, whole.ingest, load())


def test_noise_and_what_is_too_near_to_a_large_one_teach_nothing():
    random = np.random.default_rng(0)
    large = [event(n, 7.5, random, stations=5) for n in "ab"]
    near = [
        Event(e.folder, e.magnitude, tuple(h for h in e.heard if h.distance_km < 90)) for e in large
    ]
    with pytest.raises(CalibrationError, match="no peak stands out"):
        calibrate(near, SETTINGS)
    with pytest.raises(CalibrationError, match="no peak stands out"):
        calibrate(events(3, noise=1.0), SETTINGS)


def test_a_short_window_of_a_large_one_teaches_nothing():
    random = np.random.default_rng(0)
    found = calibrate([event(n, 6.0, random, stations=20) for n in "abc"], SETTINGS)
    longest = max(h.s_minus_p_s for h in [*event("a", 6.0, random).heard])
    assert seen_magnitude(4.0) > 6.0 > seen_magnitude(2.0)
    assert longest > 4.0
    assert 0 < found.records["p_displacement"][0] < found.records["s_velocity"][0]


def test_one_event_is_too_few():
    with pytest.raises(CalibrationError, match="too few"):
        calibrate(events(1), SETTINGS)


def test_the_configuration_can_be_used(tmp_path):
    found = calibrate(events(4), SETTINGS)
    path = tmp_path / "region.toml"
    text = to_toml(found)
    path.write_text(text)
    loaded = settings.load(path, Configuration).detect.magnitude
    assert loaded == found.after
    assert "# e0 " in text
    assert "68 %" in text


def test_the_table_shows_what_was_done(capsys):
    found = calibrate(events(4), SETTINGS)
    print_calibration(found, Console(width=100))
    shown = capsys.readouterr().out
    assert "p velocity" in shown
    assert f"{found.after.p_velocity:+g}" in shown
    assert "e3" in shown


def test_what_was_set_and_is_not_fitted_stays():
    own = MagnitudeSettings(prior_slope=0.8, max_distance_km=150.0, p_velocity=1.0)
    found = calibrate(events(4), own)
    assert (found.after.prior_slope, found.after.max_distance_km) == (0.8, 150.0)
    assert found.after.p_velocity < 0.5
