"""The places that stand for a posterior: how many of each, in which order, and by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.evidence import (
    CELL_FIELDS,
    DEPTH,
    EAST,
    HALF,
    HALF_DEPTH,
    LEAF,
    LOG_DENSITY,
    NORTH,
)
from detect.spread import PLACES, spread

pytestmark = pytest.mark.kernel


def cells(*leaves):
    """Cells from (east, north, log density[, leaf]), of one size."""
    made = np.zeros((len(leaves), CELL_FIELDS))
    for row, (east, north, density, *leaf) in zip(made, leaves, strict=True):
        row[EAST], row[NORTH], row[LOG_DENSITY] = east, north, density
        row[HALF], row[HALF_DEPTH], row[DEPTH] = 2.0, 5.0, 10.0
        row[LEAF] = leaf[0] if leaf else 1.0
    return made


STATION = np.array([0.0]), np.array([0.0])


def test_one_heavy_cell_is_all_places():
    chosen = spread(cells((10.0, 20.0, 0.0), (50.0, 0.0, -30.0)), *STATION)
    assert chosen.tolist() == [[10.0, 20.0, 10.0]] * PLACES


def test_what_was_split_does_not_count():
    chosen = spread(cells((10.0, 0.0, 5.0, 0.0), (30.0, 0.0, 0.0)), *STATION)
    assert chosen[:, 0].tolist() == [30.0] * PLACES


def test_places_are_shared_out_by_probability_from_near_to_far():
    three = cells((40.0, 0.0, np.log(2.0)), (-10.0, 0.0, np.log(4.0)), (0.0, 90.0, 0.0))
    chosen = spread(three, *STATION)
    assert chosen[:, 0].tolist() == [-10.0] * 4 + [40.0] * 2 + [0.0]


def test_larger_cells_hold_more():
    two = cells((10.0, 0.0, 0.0), (40.0, 0.0, 0.0))
    two[1, HALF] *= 2.0  # four times the area
    assert spread(two, *STATION)[:, 0].tolist() == [10.0] + [40.0] * 6


@given(
    st.lists(
        st.tuples(st.floats(-200.0, 200.0), st.floats(-200.0, 200.0), st.floats(-20.0, 20.0)),
        min_size=1,
        max_size=30,
    ),
    st.lists(
        st.tuples(st.floats(-100.0, 100.0), st.floats(-100.0, 100.0)), min_size=1, max_size=10
    ),
)
def test_they_are_cells_and_grow_more_distant(leaves, stations):
    east, north = np.array(stations).T
    chosen = spread(cells(*leaves), east, north)
    known = {(e, n) for e, n, _ in leaves}
    assert {(e, n) for e, n, *_ in chosen.tolist()} <= known

    def away(place):
        d2 = (place[0] - east[:8]) ** 2 + (place[1] - north[:8]) ** 2
        return float(np.log(np.maximum(d2, 25.0)).sum())

    found = [away(place) for place in chosen]
    assert all(b >= a - 1e-9 for a, b in pairwise(found))
