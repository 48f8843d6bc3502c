"""Magnitudes by hand, their inverse, their gates, and what one bad station may do."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.detections import PickMotion
from detect.magnitude import (
    Amplitude,
    combine,
    from_displacement,
    from_velocity,
    s_velocity,
    station_magnitude,
)
from detect.settings import MagnitudeSettings

SETTINGS = MagnitudeSettings()


def motion(*pd_m, noise=0.0, pgv=1e-3, elapsed=10.0):
    return PickMotion(pick_id="x", elapsed_s=elapsed, pd_m=pd_m, noise_pd_m=noise, pgv=pgv, pga=0.1)


def size_p(*pd_m, distance=50.0, s_minus_p=6.0, noise=0.0):
    return from_displacement(motion(*pd_m, noise=noise), distance, s_minus_p, SETTINGS)


def test_displacement_by_hand():
    """Pd 0.01 cm at 100 km: 1.23 * -2 + 1.38 * 2 + 5.39 = 5.69."""
    assert size_p(*[1e-4] * 5, distance=100.0).magnitude == pytest.approx(5.69)
    assert size_p(*[1e-2] * 5, distance=10.0).magnitude == pytest.approx(1.38 + 5.39)


def test_the_longest_window_before_s_is_used():
    peaks = (1e-5, 2e-5, 4e-5, 8e-5, 16e-5)
    for s_minus_p, window, peak in ((6.0, 4.0, 16e-5), (3.9, 3.0, 8e-5), (1.0, 1.0, 2e-5)):
        found = size_p(*peaks, s_minus_p=s_minus_p)
        assert found.window_s == window
        assert found.magnitude == size_p(*[peak] * 5).magnitude
    assert size_p(*peaks, s_minus_p=0.1).window_s == 0.5
    assert size_p(*peaks[:2], s_minus_p=6.0).window_s == 1.0
    assert size_p(s_minus_p=6.0) is None


def test_short_windows_are_less_certain():
    sigmas = [size_p(*[1e-4] * n).sigma for n in range(1, 6)]
    assert sigmas == sorted(sigmas, reverse=True)
    assert sigmas[-1] == SETTINGS.station_sigma


def test_what_does_not_stand_out_of_the_noise_says_nothing():
    assert size_p(2.9e-6, noise=1e-6) is None
    assert size_p(3.0e-6, noise=1e-6) is None
    found = size_p(*[3.1e-6] * 5, noise=1e-6)
    clean = size_p(*[math.sqrt(3.1**2 - 1) * 1e-6] * 5)
    assert found.magnitude == pytest.approx(clean.magnitude, abs=1e-12)


def test_distances_are_held_within_the_formula():
    near = size_p(*[1e-4] * 5, distance=10.0).magnitude
    assert size_p(*[1e-4] * 5, distance=1.0).magnitude == near
    assert size_p(*[1e-4] * 5, distance=200.0) is not None
    assert size_p(*[1e-4] * 5, distance=200.1) is None


def test_s_velocity_by_hand():
    """M 5 at 4 km (R = 5 km): C = 0.84 * 1.4 = 1.176."""
    r = 5.0 + 1.176
    expected = 4.3 - 5.58e-4 * r - 1.37 * math.log10(r) - 2.58
    assert s_velocity(5.0, 4.0) == pytest.approx(expected, rel=1e-12)


@given(magnitude=st.floats(1.5, 8.0), distance=st.floats(0.0, 200.0))
def test_velocity_gives_back_the_magnitude(magnitude, distance):
    pgv = 10.0 ** s_velocity(magnitude, distance) / 100.0
    found = from_velocity(motion(pgv=pgv, elapsed=20.0), distance, 10.0, SETTINGS)
    assert found.magnitude == pytest.approx(magnitude, abs=1e-6)
    assert found.window_s == 10.0


def test_velocity_says_nothing_before_s():
    assert from_velocity(motion(elapsed=5.0), 50.0, 6.0, SETTINGS) is None
    assert from_velocity(motion(elapsed=6.0), 50.0, 6.0, SETTINGS) is None
    assert from_velocity(motion(pgv=0.0), 50.0, 6.0, SETTINGS) is None
    assert from_velocity(motion(), 201.0, 6.0, SETTINGS) is None


def both(pd_m, pgv, since_s):
    told = motion(*[pd_m] * 5, pgv=pgv, elapsed=6.0 + since_s)
    return (
        station_magnitude(told, 50.0, 6.0, SETTINGS),
        from_displacement(told, 50.0, 6.0, SETTINGS),
        from_velocity(told, 50.0, 6.0, SETTINGS),
    )


def test_until_s_has_grown_it_counts_only_where_it_says_more():
    together, p, s = both(1e-4, 1e-6, 1.0)
    assert s.magnitude < p.magnitude
    assert together == p
    together, p, s = both(1e-6, 1e-1, 1.0)
    assert s.magnitude > p.magnitude
    assert together == s
    together, p, _ = both(1e-4, 1e-2, -1.0)
    assert together == p


def test_when_s_has_grown_it_is_the_weighted_mean():
    together, p, s = both(1e-4, 1e-3, 5.0)
    weights = p.sigma**-2, s.sigma**-2
    expected = (weights[0] * p.magnitude + weights[1] * s.magnitude) / sum(weights)
    assert together.magnitude == pytest.approx(expected)
    assert together.sigma == min(p.sigma, s.sigma)


def said(magnitude, sigma=0.45):
    return Amplitude(magnitude, sigma, 4.0, "Mpd")


def test_no_station_no_magnitude():
    assert combine([], SETTINGS) is None


def test_one_station_is_itself():
    found = combine([said(5.1)], SETTINGS)
    assert (found.value, found.stations, found.saturated) == (5.1, 1, False)
    assert found.sigma == pytest.approx(math.hypot(0.45, 0.25))


def test_stations_are_averaged_and_more_are_surer():
    few, many = (combine([said(5.0), said(5.2)] * n, SETTINGS) for n in (1, 10))
    assert few.value == pytest.approx(5.1)
    assert many.value == pytest.approx(5.1)
    assert 0.25 < many.sigma < few.sigma


@pytest.mark.parametrize("outlier", [1.5, 8.5])
def test_one_station_that_stands_apart_moves_little(outlier):
    good = [said(m) for m in (4.9, 5.0, 5.0, 5.1, 5.2)]
    plain = combine(good, SETTINGS).value
    assert abs(combine([*good, said(outlier)], SETTINGS).value - plain) < 0.12


@given(st.permutations([4.1, 4.9, 5.0, 5.3, 7.7]))
def test_the_order_of_stations_says_nothing(magnitudes):
    found = combine([said(m) for m in magnitudes], SETTINGS)
    expected = combine([said(m) for m in (4.1, 4.9, 5.0, 5.3, 7.7)], SETTINGS)
    assert found.value == pytest.approx(expected.value, abs=1e-12)


def test_saturation_and_kinds_are_told():
    assert combine([said(6.5)], SETTINGS).saturated
    assert not combine([said(6.49)], SETTINGS).saturated
    velocity = Amplitude(5.0, 0.45, 9.0, "Mpgv")
    assert combine([said(5.0)], SETTINGS).kind == "Mpd"
    assert combine([velocity], SETTINGS).kind == "Mpgv"
    assert combine([velocity, said(5.0)], SETTINGS).kind == "Mpd-pgv"
