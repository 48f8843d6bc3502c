"""Lines that are found in made shaking, and points that stay points."""

import math

import numpy as np
import pytest

from detect.envelopes import s_velocity
from detect.geodesy import EARTH_RADIUS_KM, distance_azimuth
from detect.rupture import LEAST_KM, Felt, find_rupture
from detect.saturation import MAGNITUDES, half_duration_s, seen_magnitude
from detect.settings import MagnitudeSettings

SETTINGS = MagnitudeSettings()
EPICENTRE = (37.3, 37.0)
DEPTH_KM = 10.0
DEGREE = math.radians(EARTH_RADIUS_KM)
SHRINK = math.cos(math.radians(EPICENTRE[0]))


def place(east, north):
    return EPICENTRE[0] + north / DEGREE, EPICENTRE[1] + east / DEGREE / SHRINK


GRID = [(x, y) for x in range(-180, 181, 40) for y in range(-180, 181, 40) if x or y]


def felt(now_s, magnitude, wings, *, scatter=0.0, seed=0):
    """What a grid of stations has felt of a rupture at 3 km/s, its waves at 3.4 km/s."""
    random = np.random.default_rng(seed)
    found = []
    for east, north in GRID:
        best, first = math.hypot(east, north), math.hypot(east, north, DEPTH_KM) / 3.4
        for azimuth, length in wings:
            for s in range(0, length + 1, 5):
                x, y = s * math.sin(azimuth), s * math.cos(azimuth)
                d = math.hypot(east - x, north - y)
                if s / 3.0 + math.hypot(d, DEPTH_KM) / 3.4 <= now_s - 1.0:
                    best = min(best, d)
        since_s = now_s - 1.0 - first
        if since_s > 1.5:
            seen = min(magnitude, seen_magnitude(since_s))
            logarithm = s_velocity(seen, best) + scatter * random.normal()
            found.append(Felt(*place(east, north), now_s - 1.0, since_s, 10**logarithm / 100.0))
    return found


def find(now_s, stations):
    return find_rupture(*EPICENTRE, DEPTH_KM, now_s, stations, SETTINGS)


def value(rupture):
    return float(rupture.probability @ MAGNITUDES)


WINGS = [(math.radians(50.0), 110), (math.radians(220.0), 130)]


@pytest.mark.parametrize("seed", range(5))
def test_a_bilateral_rupture_is_found(seed):
    found = find(110.0, felt(110.0, 7.8, WINGS, scatter=0.2, seed=seed))
    assert found.length_km == pytest.approx(240.0, abs=60.0)
    ends = [place(length * math.sin(a), length * math.cos(a)) for a, length in WINGS]
    for end in ends:
        assert min(distance_azimuth(*end, *corner)[0] for corner in found.line) < 45.0
    assert found.line[1] == pytest.approx(EPICENTRE)
    assert value(found) == pytest.approx(7.8, abs=0.3)
    assert not found.growing


@pytest.mark.parametrize("seed", range(3))
def test_it_grows_while_it_breaks(seed):
    lengths = []
    for now_s in (25.0, 40.0, 55.0, 70.0):
        found = find(now_s, felt(now_s, 7.8, WINGS, scatter=0.15, seed=seed))
        lengths.append(0.0 if found is None else found.length_km)
        assert found is None or found.growing
    assert lengths[0] < lengths[1]
    assert lengths[0] < 100.0 < min(lengths[1:])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("magnitude", [6.0, 6.6])
def test_a_point_stays_a_point(seed, magnitude):
    now_s = 70.0
    assert half_duration_s(magnitude) < 6.0
    assert find(now_s, felt(now_s, magnitude, [], scatter=0.25, seed=seed)) is None


def test_no_line_is_longer_than_there_was_time_for():
    for now_s in (20.0, 30.0, 40.0):
        found = find(now_s, felt(now_s, 8.0, [(1.0, 200), (4.0, 200)]))
        if found is not None:
            assert LEAST_KM <= found.length_km <= 2 * 3.0 * now_s


def test_few_stations_hold_no_line():
    stations = felt(110.0, 7.8, WINGS)
    near = sorted(stations, key=lambda f: -f.velocity)
    assert find(110.0, near[:5]) is None
    assert find(110.0, []) is None


def test_one_bad_station_makes_no_line():
    stations = felt(70.0, 6.5, [])
    stations.sort(key=lambda f: distance_azimuth(*EPICENTRE, f.latitude, f.longitude)[0])
    bad = stations[-1]
    stations[-1] = Felt(bad.latitude, bad.longitude, bad.data_end_s, bad.since_s, 1.0)
    assert find(70.0, stations) is None


def test_the_order_of_stations_says_nothing():
    stations = felt(110.0, 7.8, WINGS, scatter=0.2)
    found, again = find(110.0, stations), find(110.0, stations[::-1])
    assert (found.line, found.length_km) == (again.line, again.length_km)
    assert found.probability == pytest.approx(again.probability, abs=1e-9)
