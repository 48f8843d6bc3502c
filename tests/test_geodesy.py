import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.geodesy import EARTH_RADIUS_KM, distance_azimuth, distances_km

LATITUDE = st.floats(-90, 90)
LONGITUDE = st.floats(-180, 180)


@pytest.mark.parametrize(
    ("points", "distance", "azimuth"),
    [
        ((0, 0, 0, 1), math.radians(1) * EARTH_RADIUS_KM, 90.0),
        ((0, 0, 1, 0), math.radians(1) * EARTH_RADIUS_KM, 0.0),
        ((0, 0, -1, 0), math.radians(1) * EARTH_RADIUS_KM, 180.0),
        ((0, 0, 0, -1), math.radians(1) * EARTH_RADIUS_KM, 270.0),
        ((0, 179.5, 0, -179.5), math.radians(1) * EARTH_RADIUS_KM, 90.0),
        ((90, 0, -90, 0), math.pi * EARTH_RADIUS_KM, 180.0),
        ((43.25, 76.9, 43.25, 76.9), 0.0, 0.0),
    ],
)
def test_known_distances_and_azimuths(points, distance, azimuth):
    got = distance_azimuth(*map(float, points))
    assert got == pytest.approx((distance, azimuth), abs=1e-6)


def test_against_obspy():
    from obspy.geodetics import locations2degrees

    degrees = locations2degrees(43.25, 76.9, 41.269, 78.649)
    distance, _ = distance_azimuth(43.25, 76.9, 41.269, 78.649)
    assert distance == pytest.approx(math.radians(degrees) * EARTH_RADIUS_KM, rel=1e-9)


@given(LATITUDE, LONGITUDE, LATITUDE, LONGITUDE)
def test_the_way_back_is_as_long(lat1, lon1, lat2, lon2):
    there, azimuth = distance_azimuth(lat1, lon1, lat2, lon2)
    back, _ = distance_azimuth(lat2, lon2, lat1, lon1)
    assert there == pytest.approx(back, abs=1e-6)
    assert 0.0 <= azimuth < 360.0
    assert 0.0 <= there <= math.pi * EARTH_RADIUS_KM + 1e-9


def test_metres_are_resolved():
    distance, _ = distance_azimuth(43.25, 76.9, 43.25 + 1e-5, 76.9)
    assert distance == pytest.approx(math.radians(1e-5) * EARTH_RADIUS_KM, rel=1e-6)


def test_many_at_once_are_the_single_ones():
    latitudes = np.array([43.0, -20.0, 89.9])
    longitudes = np.array([77.0, 179.0, 10.0])
    many = distances_km(41.0, 78.0, latitudes, longitudes)
    each = [
        distance_azimuth(41.0, 78.0, float(a), float(b))[0]
        for a, b in zip(latitudes, longitudes, strict=True)
    ]
    assert many.tolist() == each
