"""Synthetic waves: causal, of the right spectrum, and of the size that published relations give."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import sosfilt

from detect import filters
from detect.magnitude import s_velocity
from detect.traveltimes import load
from replay.ground import Earthquake, shake
from replay.rupture import length_km, rupture
from replay.stochastic import (
    P_CORNER,
    S_SPEED,
    Wave,
    corner_hz,
    minimum_phase,
    moment,
    motion,
    pulse,
    spectrum,
    stress_pa,
)

RATE = 100.0
ak135 = load()


def wave(magnitude, kind="S", km=50.0):
    m0 = moment(magnitude)
    corner = corner_hz(m0, stress_pa(magnitude)) * (P_CORNER if kind == "P" else 1.0)
    return Wave(kind=kind, moment=m0, corner_hz=corner, distance_m=1000 * km)


def test_moment_and_corner_are_those_of_the_papers():
    assert moment(6.0) == pytest.approx(1.122e18, rel=1e-3)
    # Boore (2003), eq. 4, in his units: 4.9e6 beta (stress / M0)^(1/3), km/s, bars, dyne cm.
    assert corner_hz(1e18, 7e6) == pytest.approx(4.9e6 * 3.5 * (70.0 / 1e25) ** (1 / 3), rel=2e-3)
    assert length_km(7.0) == pytest.approx(49.0, rel=0.01)


def test_low_frequencies_have_the_level_of_the_moment():
    near = wave(5.0, km=20.0)
    level = spectrum(near, np.array([0.01]))[0]
    expected = 0.63 * math.sqrt(0.5) * 2 * near.moment / (4 * math.pi * 2800 * S_SPEED**3 * 20e3)
    assert level == pytest.approx(expected, rel=0.05)
    assert pulse(near, RATE, 4096, np.random.default_rng(1))[0] == pytest.approx(1.0)


@given(
    corner=st.floats(0.1, 10.0),
    lost=st.floats(0.0, 0.1),
)
@settings(max_examples=30)
def test_minimum_phase_keeps_the_amplitude_and_is_causal(corner, lost):
    f = np.fft.rfftfreq(1 << 14, 1 / RATE)
    amplitude = np.exp(-math.pi * f * lost) / (1 + (f / corner) ** 2)
    filtered = minimum_phase(amplitude)
    np.testing.assert_allclose(np.abs(filtered), np.maximum(amplitude, 1e-12), rtol=1e-6)
    impulse = np.fft.irfft(filtered)
    late = np.sum(impulse[1 << 13 :] ** 2)
    assert late < 1e-6 * np.sum(impulse**2)


@pytest.mark.parametrize("kind", ["P", "S"])
def test_nothing_moves_before_the_onset_and_the_average_spectrum_is_the_models(kind):
    one = wave(5.0, kind)
    made = [motion(one, RATE, np.random.default_rng(k), 0) for k in range(40)]
    n = 1 << 14
    f = np.fft.rfftfreq(n, 1 / RATE)
    power = np.mean([np.abs(np.fft.rfft(m, n) / RATE) ** 2 for m in made], axis=0)
    band = (f > 0.2) & (f < 20.0)
    ratio = np.log10(np.sqrt(power[band]) / spectrum(one, f[band]))
    smooth = np.convolve(ratio, np.ones(200) / 200, "valid")
    assert np.abs(smooth).max() < 0.2
    # the first samples are small beside the peak: there is no precursor to wrap round
    for m in made:
        assert np.abs(m[:2]).max() < 0.05 * np.abs(m).max()
        assert np.abs(m[-10:]).max() < 1e-3 * np.abs(m).max()


def displacement(acceleration):
    sections = np.insert(np.asarray(filters.motion(RATE, True)), 3, 1.0, axis=1)
    return sosfilt(sections[1:4], acceleration)


@pytest.mark.parametrize("magnitude", [4.0, 5.0, 6.0])
@pytest.mark.parametrize("km", [30.0, 100.0])
def test_displacement_of_p_is_within_a_factor_of_the_published(magnitude, km):
    """Kuyuk and Allen (2013) and Wu and Zhao (2006): sigma 0.3 of log10 between stations."""
    made = []
    for k in range(12):
        samples = motion(
            wave(magnitude, "P", math.hypot(km, 10)), RATE, np.random.default_rng(k), 2
        )
        made.append(math.log10(100 * np.abs(displacement(samples)[: round(4 * RATE)]).max()))
    kuyuk = (magnitude - 5.39 - 1.38 * math.log10(km)) / 1.23
    wu = -3.463 + 0.729 * magnitude - 1.374 * math.log10(math.hypot(km, 10))
    assert abs(np.mean(made) - (kuyuk + wu) / 2) < 0.4


@pytest.mark.parametrize("magnitude", [5.0, 6.0, 7.0])
def test_velocity_of_s_is_within_a_factor_of_the_published(magnitude):
    """Cua and Heaton (2009)."""
    made = []
    for k in range(12):
        velocity = motion(wave(magnitude, "S", 51.0), RATE, np.random.default_rng(k), 1)
        made.append(math.log10(100 * np.abs(velocity).max()))
    assert abs(np.mean(made) - s_velocity(magnitude, 50.0)) < 0.45


@given(
    magnitude=st.floats(5.0, 8.2),
    share=st.floats(0.0, 1.0),
    strike=st.floats(0.0, 360.0),
    length=st.none() | st.floats(0.0, 300.0),
)
@settings(max_examples=60)
def test_a_rupture_keeps_its_moment_and_its_high_frequencies(magnitude, share, strike, length):
    sources = rupture(42.0, 75.0, magnitude, length=length, strike_deg=strike, share_before=share)
    assert sum(s.moment for s in sources) == pytest.approx(moment(magnitude))
    assert (sources[0].delay_s, sources[0].latitude, sources[0].longitude) == (0.0, 42.0, 75.0)
    assert [s.delay_s for s in sources] == sorted(s.delay_s for s in sources)
    whole = moment(magnitude) * corner_hz(moment(magnitude), stress_pa(magnitude)) ** 2
    parts = math.sqrt(sum((s.moment * s.corner_hz**2 * s.lift) ** 2 for s in sources))
    assert parts == pytest.approx(whole, rel=1e-6)


def ground(quake, latitude, longitude, **changes):
    settings = {"start_s": -10.0, "size": 12_000, "rate": RATE, "derivative": 2, "seed": [1, 2]}
    return shake(quake, latitude, longitude, ak135, **(settings | changes))


QUAKE = Earthquake(at_s=0.0, latitude=42.0, longitude=75.0, depth_km=10.0, magnitude=5.5)


def test_p_comes_when_the_tables_say_and_s_is_larger_across():
    moved = ground(QUAKE, 42.5, 75.0)
    first = np.flatnonzero(np.abs(moved[0]) > 0)[0]
    assert first / RATE - 10.0 == pytest.approx(ak135.p(55.6, 10.0), abs=0.1)
    p, s = (round((10 + t(55.6, 10.0)) * RATE) for t in (ak135.p, ak135.s))
    early, late = np.abs(moved[:, p : s - 50]).max(axis=1), np.abs(moved[:, s:]).max(axis=1)
    assert early[0] > early[1:].max()
    assert late[1:].min() > 2 * early[0]


def test_the_same_seed_is_the_same_ground_wherever_the_record_begins():
    whole = ground(QUAKE, 42.5, 75.0)
    part = ground(QUAKE, 42.5, 75.0, start_s=5.0, size=3000)
    np.testing.assert_array_equal(whole[:, 1500:4500], part)
    assert not np.array_equal(whole, ground(QUAKE, 42.5, 75.0, seed=[1, 3]))


def test_an_earthquake_of_another_continent_swells_slowly():
    far = Earthquake(at_s=0.0, latitude=16.0, longitude=75.0, depth_km=30.0, magnitude=8.0)
    moved = ground(far, 42.98, 75.0, start_s=330.0, size=12_000)[0]
    onset = np.flatnonzero(np.abs(moved) > 0)[0]
    assert 330.0 + onset / RATE == pytest.approx(339.0, abs=2.0)  # obspy.taup, 27 degrees
    peak = np.abs(moved).max()
    assert np.abs(moved[onset : onset + 100]).max() < 0.1 * peak
    spectrum_ = np.abs(np.fft.rfft(displacement(moved)))
    f = np.fft.rfftfreq(moved.size, 1 / RATE)
    assert spectrum_[f < 0.5].max() > 30 * spectrum_[f > 2.0].max()
