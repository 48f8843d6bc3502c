"""Isoseismals: whoever is shaken is inside, however the field looks; few points; rings in order."""

import itertools

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from detect.geodesy import distances_km, line_distances_km
from detect.shaking import intensity, radius_km
from dispatch import geography, isoseismals, places
from dispatch.isoseismals import MAX_POINTS, UnmappableError, cut

KM = 111.195


def point_source(latitude, longitude, magnitude, depth_km):
    def field(y, x):
        return intensity(magnitude, distances_km(latitude, longitude, y, x), depth_km)

    return field


def line_source(corners, magnitude, depth_km):
    def field(y, x):
        return intensity(magnitude, line_distances_km(corners, y, x), depth_km)

    return field


def felt(stations, radius):
    """What stations feel, carried so far and no farther: steps, not slopes."""

    def field(y, x):
        value = np.zeros(y.shape)
        for latitude, longitude, felt_here in stations:
            near = distances_km(latitude, longitude, y, x) <= radius
            value = np.maximum(value, np.where(near, felt_here, 0.0))
        return value

    return field


def highest(*fields):
    return lambda y, x: np.maximum.reduce([field(y, x) for field in fields])


@st.composite
def fields(draw):
    """A source of any kind in Central Asia, its peaks, and the levels to be drawn."""
    latitude, longitude = draw(st.floats(36, 50)), draw(st.floats(55, 85))
    magnitude, depth = draw(st.floats(4.5, 8.2)), draw(st.floats(5, 60))
    kind = draw(st.sampled_from(["point", "line", "felt", "joined"]))
    peaks = [(latitude, longitude)]
    parts = []
    if kind in ("point", "joined"):
        parts.append(point_source(latitude, longitude, magnitude, depth))
    if kind == "line":
        steps = st.tuples(st.floats(-1, 1), st.floats(-1, 1))
        for dy, dx in draw(st.lists(steps, min_size=1, max_size=3)):
            peaks.append((peaks[-1][0] + dy, peaks[-1][1] + dx))
        parts.append(line_source(tuple(peaks), magnitude, depth))
    if kind in ("felt", "joined"):
        offset = st.floats(-1.5, 1.5)
        stations = [
            (latitude + dy, longitude + dx, value)
            for dy, dx, value in draw(
                st.lists(st.tuples(offset, offset, st.floats(3, 9)), min_size=1, max_size=4)
            )
        ]
        peaks += [station[:2] for station in stations]
        parts.append(felt(stations, 30.0))
    levels = sorted(
        draw(st.sets(st.sampled_from([3.45, 3.95, 4.45, 5.45, 6.45, 7.45]), min_size=1))
    )
    return highest(*parts), peaks, levels


def draw_all(field, peaks, levels, reach_km=500.0):
    latitude, longitude = zip(*peaks, strict=True)
    return isoseismals.isoseismals(field, levels, latitude, longitude, reach_km)


@settings(max_examples=150)
@given(fields(), st.integers(0, 2**32 - 1))
def test_every_point_of_a_level_within_the_reach_is_inside(made, seed):
    field, peaks, levels = made
    drawn = draw_all(field, peaks, levels)
    chance = np.random.default_rng(seed)
    centre = np.array(peaks)[chance.integers(0, len(peaks), 4000)]
    spread = chance.choice([0.01, 0.1, 0.5, 2.0], (4000, 1))
    points = centre + chance.normal(0, 1, (4000, 2)) * spread
    points = np.concatenate((points, np.array(peaks)))
    near = np.minimum.reduce([distances_km(*peak, *points.T) for peak in peaks]) <= 499.0
    value = np.where(near, field(*points.T), 0.0)
    for level, isoseismal in itertools.zip_longest(levels, drawn):
        inside = points[value >= level]
        if isoseismal is None:
            assert len(inside) == 0
        else:
            assert isoseismal.level == level
            assert isoseismal.shape.is_valid
            assert shapely.covers(isoseismal.shape, shapely.points(inside[:, ::-1])).all()


@pytest.mark.parametrize(("magnitude", "depth"), [(5.0, 10.0), (6.0, 20.0), (7.0, 13.0), (8.0, 30)])
def test_a_point_source_is_drawn_little_too_large(magnitude, depth):
    latitude = 42.0
    levels = [3.95, 4.45, 5.45, 6.45, 7.45]
    found = draw_all(
        point_source(latitude, 75.0, magnitude, depth), [(latitude, 75.0)], levels, 600.0
    )
    for isoseismal in found:
        radius = radius_km(magnitude, isoseismal.level, depth)
        if radius < 500.0:
            flat = shapely.transform(
                isoseismal.shape,
                lambda p: (p - (75.0, latitude)) * KM * (np.cos(np.radians(latitude)), 1.0),
            )
            assert 1.0 < np.sqrt(flat.area / np.pi) / radius < 1.09
            assert shapely.get_num_coordinates(isoseismal.shape) < 45


def test_a_level_that_is_nowhere_reached_ends_the_list():
    found = draw_all(point_source(42.0, 75.0, 6.0, 10.0), [(42.0, 75.0)], [4.0, 5.0, 11.0, 12.0])
    assert [isoseismal.level for isoseismal in found] == [4.0, 5.0]


def test_a_peak_between_the_points_of_the_grid_is_found():
    (found,) = draw_all(felt([(42.0012, 75.0013, 6.0)], 0.05), [(42.0012, 75.0013)], [5.0])
    assert found.shape.covers(shapely.Point(75.0013, 42.0012))
    assert found.shape.area < 0.01


def test_what_is_just_at_the_level_is_in():
    (found,) = draw_all(felt([(36.0, 55.0, 3.95)], 30.0), [(36.0, 55.0)], [3.95])
    assert found.shape.covers(shapely.Point(55.2, 36.1))


def test_two_patches_far_apart_are_two_polygons():
    stations = [(42.0, 74.0, 6.0), (42.0, 76.0, 6.0)]
    (found,) = draw_all(felt(stations, 30.0), [s[:2] for s in stations], [5.0])
    assert len(shapely.get_parts(found.shape)) == 2


@pytest.mark.parametrize(
    ("latitude", "longitude", "words"),
    [
        (0.0, 178.0, "crosses the date line"),
        (-17.0, -178.0, "crosses the date line"),
        (83.0, 20.0, "is not drawn: 85 is the last"),
        (-89.0, 0.0, "is not drawn: 85 is the last"),
    ],
)
def test_what_cannot_be_drawn_is_refused(latitude, longitude, words):
    with pytest.raises(UnmappableError, match=words):
        draw_all(point_source(latitude, longitude, 7.0, 10.0), [(latitude, longitude)], [4.0])


def test_a_call_that_makes_no_sense():
    with pytest.raises(ValueError, match="a peak"):
        isoseismals.isoseismals(lambda y, x: y, [4.0], [], [], 100.0)
    with pytest.raises(ValueError, match="levels that grow"):
        isoseismals.isoseismals(lambda y, x: y, [5.0, 4.0], [42.0], [75.0], 100.0)


def in_polygons(rings, latitude, longitude):
    shape = shapely.union_all([shapely.Polygon([(x, y) for y, x in ring]) for ring in rings])
    return shapely.covers(shape, shapely.points(longitude, latitude))


@settings(max_examples=100)
@given(fields(), st.sampled_from(["KZ", "KG", "TJ", "UZ", "TM"]), st.sampled_from([0.0, 10.0]))
def test_cut_by_country_nobody_of_it_is_left_out(made, country, tolerance_km):
    field, peaks, levels = made
    found = places.load()
    own = np.array([code == country for code in found.country])
    latitude, longitude = found.latitude[own], found.longitude[own]
    value = field(latitude, longitude)
    near = np.minimum.reduce([distances_km(*peak, latitude, longitude) for peak in peaks]) < 499.0
    for isoseismal in draw_all(field, peaks, levels):
        told = near & (value >= isoseismal.level)
        rings = cut(isoseismal.shape, country, tolerance_km, latitude[told], longitude[told])
        assert bool(rings) or not told.any()
        if not rings:
            continue
        assert in_polygons(rings, latitude[told], longitude[told]).all()
        assert sum(map(len, rings)) <= MAX_POINTS
        for ring in rings:
            assert ring[0] == ring[-1]
            assert len(ring) >= 4
            assert all(round(y, 4) == y and round(x, 4) == x for y, x in ring)
            line = shapely.LinearRing([(x, y) for y, x in ring])
            assert line.is_valid
            assert line.is_ccw
        whole = shapely.union_all([shapely.Polygon([(x, y) for y, x in ring]) for ring in rings])
        country_there = shapely.intersection(isoseismal.shape, geography.load().shape(country))
        # Up to the last decimal, and no piece of a hectare.
        left_out = shapely.difference(country_there, shapely.buffer(whole, 2e-4))
        assert left_out.area < 1e-6


def test_a_place_across_its_border_is_in_the_polygon_of_its_country():
    shape = shapely.box(60.0, 40.0, 60.5, 40.5)  # in Turkmenistan and Uzbekistan
    (ring,) = cut(shape, "KG", 10.0, [40.2], [60.2])
    assert in_polygons([ring], [40.2], [60.2]).all()
    assert len(ring) == 5
    assert cut(shape, "KG", 10.0) == ()


def test_few_points_hold_a_long_border():
    shape = shapely.box(50.0, 38.0, 88.0, 55.5)
    for most in (200, 100, 40, 12, 5):
        rings = cut(shape, "KZ", 10.0, max_points=most)
        assert sum(map(len, rings)) <= most
        whole = shapely.union_all([shapely.Polygon([(x, y) for y, x in r]) for r in rings])
        assert whole.covers(shapely.intersection(geography.load().shape("KZ"), shape))


def test_a_country_without_borders_is_refused():
    with pytest.raises(UnmappableError, match="borders of XX"):
        cut(shapely.box(0, 0, 1, 1), "XX", 10.0)


def test_a_sliver_that_the_grid_swallows_is_left_out():
    step = isoseismals._STEP
    sliver = shapely.Polygon([(0, 0), (0.3 * step, 0), (0.3 * step, 0.2 * step)])
    whole = shapely.box(1, 1, 2, 2)
    rounded = isoseismals._rounded(shapely.MultiPolygon([sliver, whole]))
    assert rounded.equals(whole)
