"""Lines that are found in made shaking, and points that stay points."""

import math

import numpy as np
import pytest
from made_recordings import SHORT, table

from alatau import pipeline
from detect import association
from detect.envelopes import s_velocity
from detect.geodesy import EARTH_RADIUS_KM, distance_azimuth
from detect.rupture import (
    _VELOCITY,
    AZIMUTHS,
    LEAST_KM,
    LEAST_STATIONS,
    LENGTHS,
    Felt,
    _misfits,
    _nearest,
    find_rupture,
)
from detect.saturation import MAGNITUDES, half_duration_s, seen_magnitude
from detect.settings import MagnitudeSettings
from dispatch.rehearsal import rehearse

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


@pytest.mark.parametrize("away", [(60, 60), (100, -20), (-20, 140)])
def test_one_bad_station_makes_no_line(away):
    bad = place(*away)
    stations = [
        Felt(f.latitude, f.longitude, f.data_end_s, f.since_s, 3.0)
        if distance_azimuth(f.latitude, f.longitude, *bad)[0] < 1.0
        else f
        for f in felt(70.0, 6.5, [])
    ]
    assert sum(f.velocity == 3.0 for f in stations) == 1
    assert find(70.0, stations) is None


def test_scatter_alone_makes_no_line():
    """A little better than a point, and half of the lines found would be chance."""
    found = [find(90.0, felt(90.0, 7.2, [], scatter=0.3, seed=seed)) for seed in range(60)]
    assert sum(f is not None for f in found) <= 1


def test_the_slow_twin_of_the_distances():
    """A wing is near to a station as far as its S waves have come there."""
    random = np.random.default_rng(3)
    east, north = random.uniform(-150, 150, (2, 12))
    end_s = random.uniform(5, 80, 12)
    out = np.empty((AZIMUTHS, LENGTHS.size, 12))
    _nearest(east, north, end_s, DEPTH_KM, AZIMUTHS, LENGTHS, out)
    for a in (0, 7, 20):
        angle = math.radians(10.0 * a)
        for k, segments in enumerate(LENGTHS.tolist()):
            for i in range(12):
                expected = math.hypot(east[i], north[i])
                for s in range(0, 10 * segments + 1, 10):
                    d = math.hypot(east[i] - s * math.sin(angle), north[i] - s * math.cos(angle))
                    if s / 3.0 + math.hypot(d, DEPTH_KM) / 3.4 <= end_s[i]:
                        expected = min(expected, d)
                assert out[a, k, i] == pytest.approx(expected, abs=1e-9)


def test_the_slow_twin_of_the_likelihood():
    random = np.random.default_rng(4)
    n = 9
    logarithm, seen = random.normal(0.5, 0.5, n), random.uniform(6.0, 9.0, n)
    base, wings = random.uniform(5, 150, n), random.uniform(5, 150, (2, 3, n))
    sizes = np.array([6.2, 7.0, 8.2])
    out = np.empty((2, 3, 3))
    _misfits(logarithm, seen, base, wings, sizes, _VELOCITY, 0.2, 0.15, out)
    for a, k, m in np.ndindex(2, 3, 3):
        distance = np.minimum(base, wings[a, k])
        expected = [s_velocity(min(sizes[m], q), d) for q, d in zip(seen, distance, strict=True)]
        r = logarithm - expected
        z = np.minimum(np.abs(r - r.mean()) / 0.2, 3.0)
        twin = -0.5 * (np.square(z).sum() + r.mean() ** 2 / (0.15**2 + 0.2**2 / n))
        assert out[a, k, m] == pytest.approx(twin, abs=0.05)


def test_it_is_compiled_before_the_first_earthquake(monkeypatch):
    """Else the first large one would wait for that."""
    asked = []

    def looked_for(*arguments):
        asked.append(len(arguments[4]))
        return find_rupture(*arguments)

    monkeypatch.setattr(association, "find_rupture", looked_for)
    channels = table()
    assert rehearse(pipeline(SHORT, channels), channels) > 0
    assert max(asked) >= LEAST_STATIONS


def test_the_order_of_stations_says_nothing():
    stations = felt(110.0, 7.8, WINGS, scatter=0.2)
    found, again = find(110.0, stations), find(110.0, stations[::-1])
    assert (found.line, found.length_km) == (again.line, again.length_km)
    assert found.probability == pytest.approx(again.probability, abs=1e-9)
