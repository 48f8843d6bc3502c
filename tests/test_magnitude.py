"""Peaks by hand, the magnitudes that they come to, and what is too short or too bad to see."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.detections import PickMotion
from detect.envelopes import KINDS, KUYUK_ALLEN, SIGMA, peak
from detect.magnitude import (
    Amplitude,
    along_line,
    combine,
    p_acceleration,
    p_velocity,
    s_velocity,
    station_magnitude,
)
from detect.peaks import SHOWN, node
from detect.rupture import Rupture
from detect.saturation import (
    MAGNITUDES,
    half_duration_s,
    rupture_length_km,
    seen_magnitude,
)
from detect.settings import MagnitudeSettings

SETTINGS = MagnitudeSettings()
FLAT = MagnitudeSettings(prior_slope=0.0)


def test_displacement_by_hand():
    """M 5.69 at 100 km: Pd is 0.01 cm, as 1.23 * -2 + 1.38 * 2 + 5.39 = 5.69."""
    assert peak("p_displacement", 5.69, 100.0) == pytest.approx(-2.0)
    assert peak("p_displacement", 6.0, 1.0) == peak("p_displacement", 6.0, 10.0)
    assert peak("p_displacement", 6.0, 11.0) < peak("p_displacement", 6.0, 10.0)


def test_envelopes_by_hand():
    """M 5 at 4 km: R1 = 5 km, and C = c1 * 1.4 as atan(0) = 0 and exp(0) = 1."""
    r = 5.0 + 0.84 * 1.4
    expected = 4.3 - 5.58e-4 * r - 1.37 * math.log10(r) - 2.58
    assert s_velocity(5.0, 4.0) == pytest.approx(expected, rel=1e-12)
    r = 5.0 + 1.14 * 1.4
    expected = 4.1 - 8.54e-4 * r - 1.36 * math.log10(r) - 2.901
    assert p_velocity(5.0, 4.0) == pytest.approx(expected, rel=1e-12)
    r = 5.0 + 1.6 * 1.4
    expected = 3.6 - 3.3e-3 * r - 1.2 * math.log10(r) - 1.06
    assert p_acceleration(5.0, 4.0) == pytest.approx(expected, rel=1e-12)
    r = 5.0 + 1.16 * 1.4
    expected = 3.65 - 7.2e-4 * r - 1.48 * math.log10(r) - 0.42
    assert peak("s_acceleration", 5.0, 4.0) == pytest.approx(expected, rel=1e-12)


def test_the_settings_start_from_what_is_published():
    for kind in KINDS:
        assert getattr(SETTINGS, f"{kind}_sigma") == SIGMA[kind]
    assert [SETTINGS.a, SETTINGS.b, SETTINGS.c] == KUYUK_ALLEN.tolist()
    assert not any(getattr(SETTINGS, kind) for kind in KINDS if kind != "p_displacement")


@given(
    kind=st.sampled_from([k for k in KINDS if k != "p_acceleration"]),
    magnitude=st.floats(2.0, 7.5),
    distance=st.floats(0.0, 200.0),
)
def test_peaks_grow_with_magnitude_and_fall_with_distance(kind, magnitude, distance):
    here = peak(kind, magnitude, distance)
    assert peak(kind, magnitude + 0.1, distance) > here
    assert peak(kind, magnitude, distance + 20.0) < here


def test_half_durations():
    """M0 of M 6 is 10^18.1 N m, its cube root 1.08e6: 2.6 s."""
    assert half_duration_s(6.0) == pytest.approx(2.4e-6 * 10 ** (18.1 / 3))
    assert [round(seen_magnitude(s), 1) for s in (0.5, 1.0, 4.0, 10.0)] == [4.6, 5.2, 6.4, 7.2]
    assert seen_magnitude(0.0) == seen_magnitude(0.3)


@given(st.floats(4.5, 9.0))
def test_what_is_seen_is_the_inverse_of_the_half_duration(magnitude):
    assert seen_magnitude(half_duration_s(magnitude)) == pytest.approx(magnitude, abs=1e-9)


def test_rupture_lengths():
    assert rupture_length_km(7.0) == pytest.approx(10**1.69)


def motion(magnitude, distance, elapsed, *, s_minus_p=6.0, noise=0.0, pick_id="x"):
    """What a station feels of an earthquake whose peaks are all as published."""
    seen = min(magnitude, seen_magnitude(elapsed))
    windows = [w for w in (0.5, 1.0, 2.0, 3.0, 4.0) if w <= elapsed]
    sizes = [min(magnitude, seen_magnitude(w)) for w in windows]
    pd = [10 ** peak("p_displacement", size, distance) for size in sizes]
    if elapsed < s_minus_p:
        pgv, pga = peak("p_velocity", seen, distance), peak("p_acceleration", seen, distance)
    else:
        seen = min(magnitude, seen_magnitude(elapsed - s_minus_p))
        pgv, pga = peak("s_velocity", seen, distance), peak("s_acceleration", seen, distance)
    return PickMotion(
        pick_id=pick_id,
        elapsed_s=elapsed,
        pd_m=tuple(cm / 100.0 for cm in pd),
        noise_pd_m=noise,
        pgv=10**pgv / 100.0,
        pga=10**pga / 100.0,
        noise_pgv=noise,
        noise_pga=noise,
    )


def judged(told, distance=50.0, s_minus_p=6.0, constants=SETTINGS, **options):
    """One station, one place; `told` is one motion, or several as they grew."""
    motions = told if isinstance(told, list) else [told]
    place, wait = np.array([distance]), np.array([s_minus_p])
    return station_magnitude(motions, place, wait, constants, **options)


def say(magnitude, distance=50.0, elapsed=5.0, constants=SETTINGS, **options):
    known = {"s_minus_p": 6.0} | options
    told = motion(magnitude, distance, elapsed, **known)
    return judged(told, distance, known["s_minus_p"], constants)


def best(amplitude):
    return float(MAGNITUDES[amplitude.likelihood[0].argmax()])


@given(magnitude=st.floats(3.0, 6.2), distance=st.floats(10.0, 150.0))
def test_p_gives_back_the_magnitude(magnitude, distance):
    said = say(magnitude, distance)
    assert best(said) == pytest.approx(magnitude, abs=0.051)
    assert (said.is_p, said.is_s) == (True, False)


def of_a_line(kind, magnitude, distance):
    """Mean log10 peak of S, of a line of any direction."""
    at = node(distance)
    n = int(at)
    f = at - n
    row = (1.0 - f) * SHOWN[KINDS.index(kind), n] + f * SHOWN[KINDS.index(kind), n + 1]
    return float(np.interp(magnitude, MAGNITUDES, row))


@given(magnitude=st.floats(3.0, 7.5), distance=st.floats(10.0, 150.0))
def test_s_gives_back_the_magnitude(magnitude, distance):
    """Half a step for the grid, and one for the scatter, which differs between magnitudes."""
    told = motion(magnitude, distance, 60.0)
    only = msgspec.structs.replace(
        told,
        pd_m=(),
        pgv=10 ** of_a_line("s_velocity", magnitude, distance) / 100.0,
        pga=10 ** of_a_line("s_acceleration", magnitude, distance) / 100.0,
    )
    said = judged(only, distance)
    assert best(said) == pytest.approx(magnitude, abs=0.151)
    assert (said.is_p, said.is_s) == (False, True)


def test_a_short_window_of_a_large_earthquake_says_at_least():
    for elapsed in (1.0, 2.0, 4.0):
        said = say(7.5, elapsed=elapsed, s_minus_p=12.0)
        (likelihood,), (seen,) = said.likelihood, said.seen
        assert seen == pytest.approx(seen_magnitude(elapsed))
        above = likelihood[np.greater(MAGNITUDES, seen)]
        assert np.ptp(above[10:]) == pytest.approx(0.0, abs=1e-9)
        assert above.min() > -0.9
        assert likelihood[np.less(MAGNITUDES, seen - 1.0)].max() < -2.0
        found = combine([said], SETTINGS)
        assert found.saturated
        assert found.value > seen - 0.3


def test_a_weak_beginning_says_little_against_a_large_one():
    """Half a unit of log10 too weak for its window: less against M 8 than against M 6."""
    weak = {"p_velocity": 0.5, "p_acceleration": 0.5}
    told = msgspec.structs.replace(motion(7.5, 80.0, 1.0, s_minus_p=12.0), pd_m=())
    (likelihood,) = judged(told, 80.0, 12.0, msgspec.structs.replace(SETTINGS, **weak)).likelihood
    at = {m: float(likelihood[np.abs(MAGNITUDES - m).argmin()]) for m in (5.3, 6.5, 8.0)}
    assert at[5.3] < at[6.5] < 0.0
    assert at[6.5] == at[8.0]


def test_a_large_one_is_released_upward_within_seconds():
    values = []
    for elapsed in (1.0, 2.0, 4.0, 8.0, 11.0):
        said = say(7.5, 80.0, elapsed=elapsed, s_minus_p=12.0)
        values.append(combine([said] * 3, SETTINGS).value)
    assert values == sorted(values)
    assert values[0] < 6.0
    assert values[-1] > 6.8


def test_only_windows_before_s_are_used():
    told = motion(5.0, 50.0, 4.5)
    wrong = msgspec.structs.replace(told, pd_m=(*told.pd_m[:2], 1.0, 1.0, 1.0))
    early = judged(wrong, s_minus_p=2.0)
    right = judged(told, s_minus_p=2.0)
    assert early.likelihood.tolist() == right.likelihood.tolist()


def test_about_the_computed_s_the_velocity_is_a_lower_bound():
    """Strong motion half a second before or after says more; weak motion says nothing less."""
    for elapsed in (5.8, 6.2):
        plain = motion(5.0, 50.0, 5.0)
        before = judged(plain)
        weak = msgspec.structs.replace(plain, elapsed_s=elapsed)
        strong = msgspec.structs.replace(weak, pgv=10.0 * 10 ** s_velocity(5.0, 50.0) / 100.0)
        assert best(judged([plain, weak])) == pytest.approx(best(before), abs=0.101)
        assert best(judged([plain, strong])) > best(before) + 0.3


def test_p_is_what_came_before_s():
    """Motion as it grew: what is of P at one place is of S at a nearer one."""
    first, p, s = (motion(5.0, 50.0, elapsed) for elapsed in (2.0, 5.0, 12.0))
    weak = msgspec.structs.replace(p, pgv=p.pgv / 10.0, pga=p.pga / 10.0)
    only_s = msgspec.structs.replace(s, pd_m=())
    assert best(judged([first, weak, only_s])) < best(judged([first, p, only_s])) - 0.2
    near = {"s_minus_p": 4.0}
    assert judged([first, weak, only_s], **near).likelihood.tolist() == (
        judged([first, p, only_s], **near).likelihood.tolist()
    )
    assert best(judged([first, only_s], **near)) == best(judged([first, p, only_s], **near))


def test_an_onset_that_is_s_has_felt_s_alone():
    """As where P drowned in noise: all of the motion since is that of S."""
    told = msgspec.structs.replace(motion(5.5, 50.0, 9.0, s_minus_p=0.0), pd_m=())
    said = judged(told, s_minus_p=0.0)
    assert (said.is_p, said.is_s) == (False, True)
    assert best(said) == pytest.approx(5.5, abs=0.101)


def test_places_are_judged_each_by_itself():
    told = [motion(5.0, 50.0, elapsed) for elapsed in (1.0, 4.0, 9.0)]
    distances, waits = [20.0, 50.0, 90.0, 150.0], [2.4, 6.0, 10.0, 17.0]
    together = station_magnitude(told, np.array(distances), np.array(waits), SETTINGS)
    for i, (distance, wait) in enumerate(zip(distances, waits, strict=True)):
        alone = judged(told, distance, wait)
        assert together.likelihood[i].tolist() == alone.likelihood[0].tolist()
        assert together.seen[i] == alone.seen[0]


def test_far_and_large_or_near_and_small():
    """What a place in doubt makes of the magnitude: as sure at each place, unsure over both."""
    told = [motion(5.0, 50.0, 4.0)]
    both = np.array([25.0, 100.0]), np.array([3.0, 11.0])
    sure = [combine([judged(told, d, w)] * 3, FLAT) for d, w in zip(*both, strict=True)]
    found = combine([station_magnitude(told, *both, FLAT)] * 3, FLAT)
    assert sure[1].value > sure[0].value + 0.5
    assert found.value == pytest.approx((sure[0].value + sure[1].value) / 2.0, abs=0.02)
    assert found.sigma > max(one.sigma for one in sure) + 0.1


def test_what_does_not_stand_out_of_the_noise_says_at_most():
    quiet = say(5.0, elapsed=5.0)
    plain = motion(5.0, 50.0, 5.0)
    told = msgspec.structs.replace(plain, noise_pgv=plain.pgv / 2.0)
    said = judged(told)
    assert abs(best(said) - best(quiet)) < 0.2
    all_noise = msgspec.structs.replace(told, noise_pd_m=1.0, noise_pga=1e3)
    assert judged(all_noise) is None


def test_noise_is_taken_off_in_power():
    told = motion(5.0, 50.0, 5.0, noise=0.0)
    only_p = msgspec.structs.replace(told, pd_m=(), pga=0.0)
    clean = judged(only_p)
    more = msgspec.structs.replace(
        only_p, pgv=math.hypot(only_p.pgv, only_p.pgv / 3.5), noise_pgv=only_p.pgv / 3.5
    )
    said = judged(more)
    assert said.likelihood[0] == pytest.approx(clean.likelihood[0], abs=1e-9)


def test_the_reach_is_kept():
    assert say(5.0, 199.0) is not None
    assert judged(motion(5.0, 50.0, 5.0), 200.1) is None


def test_a_place_that_is_not_sure_makes_the_magnitude_less_sure():
    told = motion(5.0, 50.0, 3.0)
    sigmas = [
        combine([judged(told, distance_sigma_km=km)], SETTINGS).sigma for km in (0.0, 10.0, 30.0)
    ]
    assert sigmas[0] < sigmas[1] < sigmas[2]


@pytest.mark.parametrize("kind", ["p_velocity", "p_acceleration", "s_velocity", "s_acceleration"])
def test_regional_constants_move_the_magnitude(kind):
    elapsed = 4.0 if kind.startswith("p") else 30.0
    plain = combine([say(5.0, elapsed=elapsed)], FLAT).value
    region = msgspec.structs.replace(FLAT, **{kind: 0.3})
    assert combine([say(5.0, elapsed=elapsed, constants=region)], region).value < plain - 0.03


def said(magnitude, sigma=0.35, seen=8.0):
    """A station that says a magnitude, and has seen enough."""
    likelihood = -0.5 * ((MAGNITUDES - magnitude) / sigma) ** 2
    return Amplitude((likelihood - likelihood.max())[None], np.array([seen]), True, False)


def test_no_station_no_magnitude():
    assert combine([], SETTINGS) is None


def test_one_station_is_itself_but_for_what_is_rare():
    found = combine([said(5.1)], FLAT)
    assert found.value == pytest.approx(5.1, abs=1e-6)
    assert (found.stations, found.saturated, found.kind) == (1, False, "Mpd")
    assert found.sigma == pytest.approx(math.hypot(0.35, 0.1), abs=1e-3)
    rarer = combine([said(5.1)], SETTINGS).value
    assert rarer == pytest.approx(5.1 - 0.5 * math.log(10.0) * 0.35**2, abs=5e-3)


def test_stations_are_averaged_and_the_event_term_stays():
    few, many = (combine([said(5.0), said(5.2)] * n, FLAT) for n in (1, 50))
    assert few.value == pytest.approx(5.1, abs=0.01)
    assert many.value == pytest.approx(5.1, abs=0.01)
    assert many.sigma < few.sigma
    assert many.sigma > 0.35 * math.sqrt(FLAT.event_share)


@pytest.mark.parametrize("outlier", [1.5, 8.5])
def test_one_station_that_stands_apart_moves_little(outlier):
    good = [said(m) for m in (4.9, 5.0, 5.0, 5.1, 5.2)]
    plain = combine(good, SETTINGS).value
    assert abs(combine([*good, said(outlier)], SETTINGS).value - plain) < 0.15


def test_a_station_that_is_not_trusted_does_not_count():
    good = [said(m) for m in (4.9, 5.0, 5.1)]
    plain = combine(good, SETTINGS)
    found = combine([*good, said(6.0)], SETTINGS, [1.0, 1.0, 1.0, 0.0])
    assert found.value == pytest.approx(plain.value, abs=1e-9)


@given(st.permutations([4.1, 4.9, 5.0, 5.3, 7.7]))
def test_the_order_of_stations_says_nothing(magnitudes):
    found = combine([said(m) for m in magnitudes], SETTINGS)
    expected = combine([said(m) for m in (4.1, 4.9, 5.0, 5.3, 7.7)], SETTINGS)
    assert found.value == pytest.approx(expected.value, abs=1e-9)


def test_who_has_seen_less_does_not_hold_the_others_back():
    """Two near stations have seen M 7; ten further ones the weak first two seconds alone."""
    near = [said(7.0, seen=7.2)] * 2
    far = [said(4.8, seen=5.8)] * 10
    assert combine([*near, *far], SETTINGS).value > 6.0
    told_all = [said(4.8, seen=7.2)] * 10
    assert combine([*near, *told_all], SETTINGS).value < 5.2


def test_one_station_alone_holds_against_many_that_have_seen_less():
    """What a single station has seen, be it a bad one, is not the later news."""
    found = combine([said(7.5, seen=8.0), *[said(4.0, seen=5.2)] * 5], SETTINGS)
    assert found.value < 4.5


def test_kinds_are_told():
    p, s = said(5.0), msgspec.structs.replace(said(5.0), is_p=False, is_s=True)
    assert combine([p], SETTINGS).kind == "Mpd"
    assert combine([s], SETTINGS).kind == "Mpgv"
    assert combine([p, s], SETTINGS).kind == "Mpd-pgv"


def line(magnitude, *, growing):
    probability = np.exp(-0.5 * ((MAGNITUDES - magnitude) / 0.2) ** 2)
    return Rupture(((0.0, 0.0), (1.0, 0.0)), 100.0, growing, probability / probability.sum())


def test_a_line_says_how_large_and_while_it_grows_it_takes_nothing_back():
    point = combine([said(7.2)], FLAT)
    longer = along_line(point, line(7.8, growing=True))
    assert (round(longer.value, 2), longer.saturated, longer.kind) == (7.8, True, "Mpgv-line")
    assert longer.stations == point.stations
    shorter = along_line(point, line(6.8, growing=True))
    assert (shorter.value, shorter.saturated) == (point.value, True)
    over = along_line(point, line(6.8, growing=False))
    assert (round(over.value, 2), over.saturated) == (6.8, False)


def test_the_slow_twin_of_the_likelihood():
    """One station, P velocity alone, every magnitude by hand."""
    told = msgspec.structs.replace(motion(5.5, 60.0, 3.0), pd_m=(), pga=0.0)
    (found,) = judged(told, 60.0).likelihood
    seen = seen_magnitude(3.0)
    expected = np.empty(MAGNITUDES.size)
    for i, m in enumerate(MAGNITUDES.tolist()):
        scatter = math.hypot(0.26, 0.2 * min(max(m - seen, 0.0), 1.0))
        z = (math.log10(100.0 * told.pgv) - peak("p_velocity", min(m, seen), 60.0)) / scatter
        expected[i] = -0.5 * z * z - math.log(scatter / 0.26)
    assert found == pytest.approx(expected - expected.max(), abs=0.02)  # of the table
