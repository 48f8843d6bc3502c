"""What is picked behind P: less and less, except where an earthquake is large."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.coda import onsets_after, strong_enough

SECONDS = st.floats(0.0, 300.0)
MAGNITUDES = st.floats(2.0, 8.5)
SIGMAS_KM = st.floats(0.0, 60.0)


def rate(after_s, *, snr=3.0, s_minus_p_s=8.0, sigma_km=0.0, magnitude=5.0):
    return strong_enough(onsets_after(after_s, s_minus_p_s, sigma_km, magnitude), snr)[0]


def test_nothing_comes_before_p_nor_when_all_is_over():
    assert rate(-0.1) == 0.0
    assert rate(0.0) == 0.0
    assert rate(84.0) == 0.0
    assert rate(83.9) > 0.0


def test_rates_are_those_that_were_measured():
    """docs/calibration.md: behind S of moderate earthquakes hardly any, of M 7 aftershocks."""
    assert rate(8.0 + 30.0) < 0.0005
    assert rate(8.0 + 60.0, magnitude=7.1) == pytest.approx(0.036, rel=0.3)
    assert rate(8.0 + 60.0, magnitude=7.1, snr=8.0) == pytest.approx(0.0075, rel=0.5)


def test_a_large_earthquake_goes_on_longer():
    assert rate(30.0, magnitude=7.5) > 20 * rate(30.0, magnitude=5.0)


def test_where_the_source_is_not_sure_the_quiet_begins_later():
    assert rate(25.0, sigma_km=40.0) > 10 * rate(25.0)


@given(SECONDS, SIGMAS_KM, MAGNITUDES, st.floats(0.5, 60.0), st.floats(3.0, 100.0))
def test_strong_onsets_are_fewer_and_never_below_none(after_s, sigma_km, magnitude, s_p, snr):
    onsets = onsets_after(after_s, s_p, sigma_km, magnitude)
    weak, strong = strong_enough(onsets, snr), strong_enough(onsets, 2.0 * snr)
    assert 0.0 <= strong[0] <= weak[0] <= 0.16 + 0.1
    assert strong[1] <= weak[1]


@given(SECONDS, st.floats(0.1, 30.0), SIGMAS_KM, MAGNITUDES)
def test_onsets_a_decade_are_what_is_lost_from_one_ratio_to_a_larger(
    after_s, s_p, sigma_km, magnitude
):
    onsets = onsets_after(after_s, s_p, sigma_km, magnitude)
    ratio, step = 10.0, 1.0 + 1e-6
    lost = strong_enough(onsets, ratio)[0] - strong_enough(onsets, ratio * step)[0]
    decades = 1e-6 / 2.302585
    assert lost / decades == pytest.approx(strong_enough(onsets, ratio)[1], rel=1e-3, abs=1e-12)
