"""When half of a peak came, beside S: of made motion, and of the recording of the demonstration."""

from pathlib import Path

import pytest

from benchmarks import growth
from detect.detections import PickMotion
from replay.calibrate import Event, Heard

NEAR = Path(__file__).resolve().parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"


def heard(*grown, s_minus_p_s=6.0):
    """One station, by its seconds after P and peak accelerations since."""
    motions = tuple(
        PickMotion(pick_id="x", elapsed_s=s, pd_m=(), noise_pd_m=0.0, pgv=0.0, pga=pga)
        for s, pga in grown
    )
    return Heard("XX.A", 40.0, s_minus_p_s, motions)


def late_s(*stations):
    return list(growth.late_s(Event("made", 5.0, stations)))


def test_the_first_look_at_half_of_the_last_peak_counts():
    grown = (1.0, 0.2), (5.0, 0.4), (7.5, 0.5), (9.0, 1.0), (20.0, 1.0)
    assert late_s(heard(*grown)) == [pytest.approx(1.5)]


def test_a_peak_of_p_is_early():
    assert late_s(heard((1.0, 1.0), (20.0, 1.5))) == [pytest.approx(-5.0)]


def test_a_station_whose_s_has_not_settled_is_left_out():
    grown = (1.0, 0.2), (10.9, 1.0)
    assert late_s(heard(*grown), heard(*grown, s_minus_p_s=5.0)) == [pytest.approx(5.9)]


def test_half_of_the_peak_comes_with_s_in_a_real_large_earthquake():
    (event,) = growth.events([NEAR])
    found = sorted(growth.late_s(event))
    assert event.magnitude == pytest.approx(7.1)
    assert len(found) == 3
    assert found[0] > 0.0
    assert found[-1] < 12.0
