import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.geodesy import distances_km, line_distances_km
from detect.shaking import intensity, radius_km, recorded_intensity, sigma

KIND = st.sampled_from(["depth", "fixed-depth", "allen-hypocentral", "allen-rupture"])
MAGNITUDE = st.floats(2, 9)
DEPTH = st.floats(1, 300)


@pytest.mark.parametrize(
    ("magnitude", "distance", "depth", "with_depth", "fixed"),
    [
        # (R^2 + h^2) / h^2 is 1 at the epicentre: a1 M + a2 alone.
        (5.0, 0.0, 10.0, 0.898 * 5 + 1.215, 1.049 * 5 + 0.686),
        # R = h sqrt(99): the slant is 10 h, so log10 is 1.
        (6.0, 149.24811557599298, 15.0, 6.603 - 1.809 - 0.003447 * 135, 4.274 - 0.0001811 * 135),
        (7.0, 264.0, 13.0, 4.268191025666295, 4.611577811302914),
    ],
)
def test_values_by_hand(magnitude, distance, depth, with_depth, fixed):
    assert intensity(magnitude, distance, depth) == pytest.approx(with_depth, abs=1e-9)
    assert intensity(magnitude, distance, depth, "fixed-depth") == pytest.approx(fixed, abs=1e-9)


def test_allen_by_hand():
    """M 5 at 30 km, 40 km deep: R = 50 km; Rm = 1.833, and (1 + 0.813)^2 = 3.286969."""
    hypocentral = 2.085 + 7.14 - 1.402 * math.log(math.hypot(50.0, 1.833))
    assert intensity(5.0, 30.0, 40.0, "allen-hypocentral") == pytest.approx(hypocentral)
    rupture = 3.950 + 4.565 - 1.107 * math.log(math.sqrt(2500.0 + 3.286969))
    assert intensity(5.0, 30.0, 40.0, "allen-rupture") == pytest.approx(rupture)
    far = intensity(5.0, 300.0, 400.0, "allen-hypocentral")
    assert far == pytest.approx(
        2.085 + 7.14 - 1.402 * math.log(math.hypot(500.0, 1.833)) + 0.078 * math.log(10.0)
    )


def test_sigmas():
    assert sigma(50.0, 10.0) == 0.737
    assert sigma(50.0, 10.0, "fixed-depth") == 0.689
    assert sigma(0.0, 22.9, "allen-hypocentral") == pytest.approx(0.82 + 0.37 / 2)
    assert sigma(0.0, 44.7, "allen-rupture") == pytest.approx(0.72 + 0.23 / 2)


def test_an_array_of_distances():
    distances = np.array([0.0, 10.0, 300.0])
    got = intensity(6.5, distances, 20.0)
    assert got.tolist() == [intensity(6.5, float(d), 20.0) for d in distances]


@given(MAGNITUDE, DEPTH, st.floats(1, 11), KIND)
def test_the_radius_is_the_inverse(magnitude, depth, level, kind):
    radius = radius_km(magnitude, level, depth, kind)
    if radius == 0.0:
        assert intensity(magnitude, 1e-6, depth, kind) < level + 1e-9
    elif radius > 20_000:
        assert intensity(magnitude, 20_000.0, depth, kind) >= level - 1e-3
    else:
        assert intensity(magnitude, radius, depth, kind) >= level
        assert intensity(magnitude, radius + 1e-3, depth, kind) < level


@given(MAGNITUDE, DEPTH, st.floats(0, 500), st.floats(1, 500), KIND)
def test_farther_is_never_stronger_and_larger_always_is(magnitude, depth, distance, more, kind):
    here = intensity(magnitude, distance, depth, kind)
    assert intensity(magnitude, distance + more, depth, kind) < here
    if kind.startswith("allen"):  # near the source these saturate, and beyond: within 0.1
        assert intensity(magnitude + 0.1, distance, depth, kind) > here - 0.1
    else:
        assert intensity(magnitude + 0.1, distance, depth, kind) > here


@pytest.mark.parametrize("depth", [0.0, -1.0, float("nan")])
def test_a_depth_that_the_formula_cannot_take(depth):
    with pytest.raises(ValueError, match="depth above 0"):
        intensity(6.0, 10.0, depth)
    assert intensity(6.0, 10.0, depth, "fixed-depth") > 0


def test_a_radius_of_nothing_finite():
    with pytest.raises(ValueError, match="no radius"):
        radius_km(float("nan"), 4.0, 10.0)


def test_recorded_intensity_by_hand():
    """10 cm/s2 is 3.33, 100 cm/s2 5.80; 1 cm/s is 3.78, 10 cm/s 6.05; weights 1 / sigma^2."""
    assert recorded_intensity(0.1, 0.0) == pytest.approx(3.33)
    assert recorded_intensity(1.0, 0.0) == pytest.approx(5.80)
    assert recorded_intensity(0.0, 0.01) == pytest.approx(3.78)
    assert recorded_intensity(0.0, 0.1) == pytest.approx(6.05)
    weights = 0.66**-2, 0.63**-2
    both = (weights[0] * 5.80 + weights[1] * 6.05) / sum(weights)
    assert recorded_intensity(1.0, 0.1) == pytest.approx(both)


def test_recorded_intensity_is_held_within_the_relation():
    assert recorded_intensity(0.0, 0.0) == 1.0
    assert recorded_intensity(1e-9, 0.0) == 1.0
    assert recorded_intensity(1e4, 1e2) == 10.0


def test_distances_from_a_line():
    line = [(36.2, 36.2), (37.3, 37.0), (37.9, 37.9)]
    on_it = line_distances_km(line, np.array([36.75, 37.6]), np.array([36.6, 37.45]))
    assert on_it.max() < 0.5
    beyond = line_distances_km(line, np.array([35.2]), np.array([36.2]))
    assert beyond[0] == pytest.approx(111.2, abs=0.5)
    beside = line_distances_km([(40.0, 70.0), (40.0, 72.0)], np.array([41.0]), np.array([71.0]))
    assert beside[0] == pytest.approx(111.2, abs=1.0)


@given(st.floats(-60, 60), st.floats(-179, 179), st.floats(-6, 6), st.floats(-6, 6))
def test_a_line_of_one_corner_is_a_point(latitude, longitude, north, east):
    places = np.array([latitude + north]), np.array([longitude + east])
    from_line = line_distances_km([(latitude, longitude)], *places)
    exact = distances_km(latitude, longitude, *places)
    assert from_line[0] == pytest.approx(exact[0], rel=1e-9, abs=1e-6)


def test_a_line_across_the_date_line():
    line = [(0.0, 179.5), (0.0, -179.5)]
    found = line_distances_km(line, np.array([0.0, 1.0]), np.array([180.0, -179.9]))
    assert found == pytest.approx([0.0, 111.2], abs=0.5)


@given(st.floats(0, 360), st.floats(50, 500), st.floats(10, 200))
def test_a_line_is_as_far_as_its_nearest_point(azimuth, away, length):
    angle = np.radians(azimuth)
    place = 42.0 + away / 111.2 * np.cos(angle), 75.0 + away / 82.6 * np.sin(angle)
    east = length / 82.6
    line = [(42.0, 75.0), (42.0, 75.0 + east)]
    points = np.linspace(75.0, 75.0 + east, 400)
    exact = distances_km(*place, np.full(400, 42.0), points).min()
    found = line_distances_km(line, np.array([place[0]]), np.array([place[1]]))
    assert found[0] == pytest.approx(exact, abs=1.0)
