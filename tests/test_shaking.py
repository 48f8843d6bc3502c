import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.shaking import intensity, radius_km

KIND = st.sampled_from(["depth", "fixed-depth"])
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
    assert intensity(magnitude + 0.1, distance, depth, kind) > here


@pytest.mark.parametrize("depth", [0.0, -1.0, float("nan")])
def test_a_depth_that_the_formula_cannot_take(depth):
    with pytest.raises(ValueError, match="depth above 0"):
        intensity(6.0, 10.0, depth)
    assert intensity(6.0, 10.0, depth, "fixed-depth") > 0


def test_a_radius_of_nothing_finite():
    with pytest.raises(ValueError, match="no radius"):
        radius_km(float("nan"), 4.0, 10.0)
