"""The tables of peaks against the formulas, and lines against their geometry."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.envelopes import KINDS, peak
from detect.peaks import NODES, SCATTER, SHOWN, nearest_km, node
from detect.saturation import MAGNITUDES, rupture_length_km


def table(kind, magnitude, distance):
    at = node(distance)
    n, f = int(at), at - int(at)
    m = int(np.abs(MAGNITUDES - magnitude).argmin())
    both = []
    for values in (SHOWN, SCATTER):
        row = values[KINDS.index(kind), :, m]
        both.append((1.0 - f) * row[n] + f * row[n + 1])
    return both


@pytest.mark.parametrize("kind", ["p_acceleration", "p_velocity"])
@given(step=st.integers(0, 80), distance=st.floats(1.0, 900.0))
def test_p_is_that_of_the_hypocentre(kind, step, distance):
    magnitude = float(MAGNITUDES[step])
    shown, scatter = table(kind, magnitude, distance)
    assert shown == pytest.approx(peak(kind, magnitude, distance), abs=0.01)
    assert scatter == 0.0


@pytest.mark.parametrize("kind", ["s_acceleration", "s_velocity"])
def test_s_of_a_small_one_is_that_of_a_point(kind):
    for distance in (15.0, 50.0, 200.0):
        shown, scatter = table(kind, 4.0, distance)
        assert shown == pytest.approx(peak(kind, 4.0, distance), abs=0.03)
        assert scatter < 0.05


@pytest.mark.parametrize("kind", ["s_acceleration", "s_velocity"])
@pytest.mark.parametrize(("magnitude", "distance"), [(6.5, 30.0), (7.0, 100.0), (7.8, 60.0)])
def test_s_of_a_large_one_is_the_mean_over_lines_of_any_direction(kind, magnitude, distance):
    """Slow twin: many directions, many points along each line."""
    half = rupture_length_km(magnitude) / 2.0
    peaks = []
    for angle in np.linspace(0.0, math.pi / 2, 200):
        along = np.linspace(-half, half, 2001)
        x, y = along * math.cos(angle), along * math.sin(angle)
        peaks.append(peak(kind, magnitude, float(np.hypot(x - distance, y).min())))
    shown, scatter = table(kind, magnitude, distance)
    assert shown == pytest.approx(np.mean(peaks), abs=0.02)
    assert scatter == pytest.approx(np.std(peaks), abs=0.03)
    assert shown > peak(kind, magnitude, distance)


@given(st.floats(0.0, 500.0), st.floats(0.0, 200.0), st.floats(0.0, math.pi / 2))
def test_the_nearest_point_of_a_line(distance, half, angle):
    along = np.linspace(-half, half, 4001)
    far = np.hypot(along * math.cos(angle) - distance, along * math.sin(angle))
    assert nearest_km(distance, half, angle) == pytest.approx(float(far.min()), abs=0.2)


def test_distances_beyond_the_table_are_its_end():
    assert node(1e6) < NODES - 1
    assert node(0.0) == 0.0
