"""Made sources are found again: with all stations, a wrong pick, silence, few stations."""

import numpy as np
import pytest
from made_detections import ring

from detect.geodesy import distance_azimuth
from detect.locate import Observation, Silence, locate
from detect.settings import LocateSettings
from detect.traveltimes import load

ak135 = load()
SETTINGS = LocateSettings(search_km=120.0)


def observations(stations, source, *, origin_s=100.0, noise_s=0.0, seed=0):
    random = np.random.default_rng(seed)
    return [
        Observation(
            *place,
            origin_s
            + ak135.p(distance_azimuth(*source[:2], *place)[0], source[2])
            + random.normal() * noise_s,
            0.5,
        )
        for place in stations
    ]


def found(picks, silences=(), settings=SETTINGS, **options):
    first = min(picks, key=lambda o: o.time_s)
    around = first.latitude, first.longitude
    return locate(picks, silences, around, settings, ak135, **options)


def error_km(located, source):
    return distance_azimuth(located.latitude, located.longitude, *source[:2])[0]


def around(source, radius_km=30.0, count=6, first=10.0):
    return list(ring(source[0], source[1], radius_km, count, first).values())


@pytest.mark.parametrize(
    "source",
    [
        (42.5, 74.6, 11.0),
        (35.7, -117.6, 5.0),
        (-20.0, -69.0, 33.0),
        (0.02, 0.01, 15.0),
        (64.0, -21.0, 5.0),
        (-41.0, 179.99, 11.0),
        (52.0, -179.95, 20.0),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_source_among_six_stations_is_found(source, seed):
    stations = around(source, 30.0, 4) + around(source, 12.0, 2, 77.0)
    located = found(observations(stations, source, noise_s=0.1, seed=seed))
    assert error_km(located, source) < 3.0
    assert abs(located.depth_km - source[2]) <= 8.0
    assert abs(located.origin_s - 100.0) < 1.2
    assert -180.0 <= located.longitude < 180.0
    assert max(map(abs, located.residuals_s)) < 0.6
    assert min(located.weights) > 0.6


def test_the_date_line_changes_nothing():
    """The same stations with longitudes on either side of 180 degrees, or of any turn."""
    source = (52.0, 179.98, 11.0)
    stations = around(source)
    assert any(lon > 180.0 for _, lon in stations)
    wrapped = [(lat, (lon + 180.0) % 360.0 - 180.0) for lat, lon in stations]
    one = found(observations(stations, source))
    other = found(observations(wrapped, source))
    assert error_km(one, source) < 3.0
    assert error_km(other, source) < 3.0
    assert distance_azimuth(one.latitude, one.longitude, other.latitude, other.longitude)[0] < 0.1


@pytest.mark.parametrize("outlier_s", [-6.0, 5.0, 30.0])
def test_one_wrong_pick_among_seven_pulls_little(outlier_s):
    source = (42.5, 74.6, 11.0)
    picks = observations(around(source, 30.0, 7), source, noise_s=0.05)
    wrong = picks[3]
    picks[3] = Observation(wrong.latitude, wrong.longitude, wrong.time_s + outlier_s, 0.5)
    located = found(picks)
    assert error_km(located, source) < 5.0
    assert abs(located.residuals_s[3]) > 3.0
    assert located.weights[3] < 0.1
    assert min(w for i, w in enumerate(located.weights) if i != 3) > 0.5


def test_a_source_outside_the_network_is_found_roughly():
    source = (42.5, 74.6, 11.0)
    stations = list(ring(43.0, 74.6, 25.0, 5).values())
    located = found(observations(stations, source, noise_s=0.05))
    assert error_km(located, source) < 20.0
    assert error_km(located, source) < 3 * located.epicentre_sigma_km
    inside = found(observations(around(source, 25.0, 5), source, noise_s=0.05))
    assert located.epicentre_sigma_km > inside.epicentre_sigma_km


def test_silent_stations_push_the_source_away():
    """Two stations, north and south, leave east and west open; silence in the east decides."""
    source = (42.5, 74.3, 11.0)
    picks = observations([(42.8, 74.6), (42.2, 74.6)], source)
    late = max(p.time_s for p in picks) + 20.0
    east = [Silence(42.5 + n * 0.1, 74.9, late) for n in (-1, 0, 1)]
    west = [Silence(42.5 + n * 0.1, 74.3, late) for n in (-1, 0, 1)]
    open_ = found(picks)
    assert found(picks, east).longitude < open_.longitude + 0.05
    assert found(picks, east).longitude < 74.6 < found(picks, west).longitude
    assert error_km(found(picks, east), source) < 25.0


def test_silence_that_is_not_due_says_nothing():
    source = (42.5, 74.6, 11.0)
    picks = observations(around(source, 30.0, 3), source)
    early = [Silence(42.9, 75.2, 100.0), Silence(42.1, 74.0, 99.0)]
    assert found(picks, early) == found(picks)


def test_fewer_stations_are_less_sure():
    source = (42.5, 74.6, 11.0)
    stations = around(source, 30.0, 8)
    chosen = [stations[:2], [stations[0], stations[3], stations[5]], stations]
    sigmas = [found(observations(s, source, noise_s=0.05)).epicentre_sigma_km for s in chosen]
    assert sigmas[0] > 2 * sigmas[1] > 2 * sigmas[2]


def test_the_true_source_lies_within_three_sigma():
    random = np.random.default_rng(11)
    inside = 0
    for _ in range(12):
        source = (42.5, 74.6, float(random.choice([5.0, 11.0, 20.0])))
        place = around(source, float(random.uniform(15, 60)), int(random.integers(3, 7)))
        located = found(observations(place, source, noise_s=0.3, seed=int(random.integers(999))))
        inside += error_km(located, source) < 3 * located.epicentre_sigma_km
    assert inside >= 11


def test_one_pick_is_near_its_station_and_unsure():
    located = found(observations([(42.5, 74.6)], (42.6, 74.7, 11.0)))
    assert distance_azimuth(located.latitude, located.longitude, 42.5, 74.6)[0] < 25.0
    assert located.epicentre_sigma_km > 15.0


def test_a_search_about_a_known_place_stays_there():
    source = (42.5, 74.6, 11.0)
    picks = observations(around(source), source)
    far = locate(picks, (), (42.5, 74.6 + 4.0), SETTINGS, ak135, within_km=60.0)
    assert distance_azimuth(far.latitude, far.longitude, 42.5, 78.6)[0] < 60.0 * 1.5 + 26.0
    near = locate(picks, (), (42.6, 74.7), SETTINGS, ak135, within_km=60.0)
    assert error_km(near, source) < 3.0


def test_depth_is_held_within_the_settings():
    source = (42.5, 74.6, 52.0)
    shallow = LocateSettings(search_km=120.0, max_depth_km=20.0)
    stations = around(source, 12.0, 3) + around(source, 40.0) + around(source, 90.0, 5)
    picks = observations(stations, source)
    assert found(picks, settings=shallow).depth_km <= 20.0
    assert found(picks).depth_km > 30.0


def test_more_picks_than_are_used_still_get_their_residuals():
    source = (42.5, 74.6, 11.0)
    stations = around(source, 20.0, 20) + around(source, 60.0, 25)
    located = found(sorted(observations(stations, source), key=lambda o: o.time_s))
    assert len(located.residuals_s) == len(located.weights) == 45
    assert error_km(located, source) < 3.0
