"""Made sources are found again, and made noise is not believed: picks, silence, amplitudes, S."""

import math

import msgspec
import numpy as np
import pytest
from made_detections import ring

from detect.evidence import s_amplitude
from detect.geodesy import distance_azimuth
from detect.locate import MODEL_BIAS_KM, Onset, Silent, locate
from detect.magnitude import p_acceleration
from detect.settings import LocateSettings
from detect.traveltimes import load

ak135 = load()
SETTINGS = LocateSettings(search_km=120.0)
QUIET = -4.0  # log10 of the noise's peak, m/s2
RATE = 2e-4  # noise picks a second
CENTRE = (42.5, 74.6, 11.0)


def km(place, source):
    return distance_azimuth(*source[:2], *place)[0]


def p_peak(place, source, magnitude):
    """log10 of the peak acceleration of P, m/s2."""
    return p_acceleration(magnitude, km(place, source)) - 2.0


def onset(place, source, *, late_s=0.0, magnitude=4.5, origin_s=100.0, s_late_s=None, **changes):
    """What a station has to say of an earthquake, three seconds after its P."""
    distance = km(place, source)
    time_s = origin_s + ak135.p(distance, source[2]) + late_s
    peak = None if magnitude is None else p_peak(place, source, magnitude)
    over = 1.0 if peak is None else 10.0 ** (-2.0 * (peak - QUIET)) + 0.01
    values = {
        "latitude": place[0],
        "longitude": place[1],
        "time_s": time_s,
        "sigma_s": 0.3,
        "other": RATE * over,
        "log_amplitude": peak,
        "accelerometer": True,
        "elapsed_s": 0.0 if peak is None else min(3.0, distance / 9.0),
        "log_noise": QUIET,
    }
    if s_late_s is not None:
        values["later_s"] = (origin_s + ak135.s(distance, source[2]) + s_late_s,)
    return Onset(**(values | changes))


def silent(place, until_s, **changes):
    values = {"accelerometer": True, "log_noise": QUIET}
    return Silent(latitude=place[0], longitude=place[1], until_s=until_s, **(values | changes))


def onsets(stations, source, *, noise_s=0.0, seed=0, **changes):
    random = np.random.default_rng(seed)
    found = [onset(p, source, late_s=random.normal() * noise_s, **changes) for p in stations]
    return sorted(found, key=lambda o: o.time_s)


def found(picks, silences=(), settings=SETTINGS, **options):
    around = picks[0].latitude, picks[0].longitude
    return locate(picks, silences, around, settings, ak135, **options)


def error_km(located, source):
    return km((located.latitude, located.longitude), source)


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
    located = found(onsets(stations, source, noise_s=0.1, seed=seed))
    assert error_km(located, source) < 3.0
    assert abs(located.depth_km - source[2]) <= 10.0
    assert abs(located.origin_s - 100.0) < 1.2
    assert -180.0 <= located.longitude < 180.0
    assert max(map(abs, located.residuals_s)) < 0.6
    assert min(located.belongs) > 0.9
    assert located.probability > 0.999


def test_the_date_line_changes_nothing():
    """The same stations with longitudes on either side of 180 degrees, or of any turn."""
    source = (52.0, 179.98, 11.0)
    stations = around(source)
    assert any(lon > 180.0 for _, lon in stations)
    wrapped = [(lat, (lon + 180.0) % 360.0 - 180.0) for lat, lon in stations]
    one = found(onsets(stations, source))
    other = found(onsets(wrapped, source))
    assert error_km(one, source) < 3.0
    assert distance_azimuth(one.latitude, one.longitude, other.latitude, other.longitude)[0] < 0.1


@pytest.mark.parametrize("outlier_s", [-6.0, 12.0, 30.0])
def test_one_wrong_pick_among_seven_pulls_little(outlier_s):
    picks = onsets(around(CENTRE, 30.0, 6), CENTRE, noise_s=0.05)
    wrong = onset(around(CENTRE, 30.0, 1, 40.0)[0], CENTRE, late_s=outlier_s)
    located = found([*picks, wrong])
    assert error_km(located, CENTRE) < 3.0
    assert abs(located.residuals_s[-1]) > 3.0
    assert located.belongs[-1] < 0.1
    assert min(located.belongs[:-1]) > 0.9


def test_a_source_outside_the_network_is_found_roughly_and_says_so():
    stations = list(ring(43.0, 74.6, 25.0, 5).values())
    located = found(onsets(stations, CENTRE, noise_s=0.05))
    assert error_km(located, CENTRE) < 25.0
    assert error_km(located, CENTRE) < 3 * located.epicentre_sigma_km
    inside = found(onsets(around(CENTRE, 25.0, 5), CENTRE, noise_s=0.05))
    assert located.epicentre_sigma_km > 1.3 * inside.epicentre_sigma_km


def test_silent_stations_push_the_source_away():
    """Two stations, north and south, leave east and west open; silence in the east decides."""
    source = (42.5, 74.3, 11.0)
    picks = onsets([(42.8, 74.6), (42.2, 74.6)], source)
    late = picks[-1].time_s + 20.0
    east = [silent((42.5 + n * 0.1, 74.9), late) for n in (-1, 0, 1)]
    west = [silent((42.5 + n * 0.1, 74.3), late) for n in (-1, 0, 1)]
    assert found(picks, east).longitude < 74.6 < found(picks, west).longitude
    assert error_km(found(picks, east), source) < 25.0


def test_silence_counts_only_where_p_would_stand_out_and_the_data_reach():
    picks = onsets(around(CENTRE, 30.0, 3), CENTRE)
    there = (42.6, 74.8)
    alone = found(picks).log_odds
    late = picks[-1].time_s + 20.0
    assert found(picks, [silent(there, late)]).log_odds < alone - 2.0
    for says_nothing in (
        silent(there, 100.0),
        silent(there, late, log_noise=0.0),
        silent(there, late, trust=0.01),
    ):
        assert found(picks, [says_nothing]).log_odds == pytest.approx(alone, abs=0.1)


def test_who_should_have_seen_it_is_told():
    picks = onsets(around(CENTRE, 30.0, 4), CENTRE)
    late = picks[-1].time_s + 20.0
    located = found(picks, [silent((42.6, 74.8), late), silent((42.6, 74.8), 100.0)])
    assert located.missing[0] > 0.8
    assert located.missing[1] < 0.1


def test_amplitudes_say_on_which_side_of_two_stations_it_was():
    """Stations on a line with the source see the same delays wherever it lies beyond."""
    stations = [(42.5, 74.6 + 0.3 * n) for n in range(4)]
    near = found(onsets(stations, (42.5, 74.5, 10.0)))
    far = found(onsets(stations, (42.5, 73.5, 10.0), magnitude=6.5))
    assert near.longitude > far.longitude + 0.15
    assert far.magnitude > near.magnitude + 0.5
    assert error_km(near, (42.5, 74.5)) < 15.0


def test_s_waves_tell_the_distance():
    """Three stations on one side, 60 to 130 km away, as off a coast."""
    source = (42.5, 74.6, 10.0)
    stations = [(42.9, 75.1), (42.95, 75.6), (43.1, 76.0)]
    blind = found(onsets(stations, source, magnitude=None))
    seeing = found(onsets(stations, source, magnitude=None, s_late_s=0.3))
    assert error_km(seeing, source) < 20.0
    assert error_km(seeing, source) < 0.5 * error_km(blind, source)
    assert seeing.epicentre_sigma_km < blind.epicentre_sigma_km
    assert seeing.log_odds > blind.log_odds


def grown_onsets(stations, source, late_s=0.0):
    """Half a minute after their P: half of the peak had come a second after S, and later."""
    said = []
    for place in stations:
        distance = km(place, source)
        wait = ak135.s(distance, source[2]) - ak135.p(distance, source[2])
        half = wait + 1.2 + late_s
        said.append(onset(place, source, elapsed_s=30.0, half_grown_s=half, log_amplitude=None))
    return sorted(said, key=lambda o: o.time_s)


def test_when_half_of_the_peak_had_come_tells_the_distance():
    """Three stations on one side, in one line, as off a coast."""
    source = (42.5, 74.6, 10.0)
    stations = [(42.9, 75.1), (42.95, 75.6), (43.1, 76.0)]
    blind = found(onsets(stations, source, magnitude=None))
    seeing = found(grown_onsets(stations, source))
    assert error_km(seeing, source) < 20.0
    assert error_km(seeing, source) < 0.5 * error_km(blind, source)
    assert seeing.epicentre_sigma_km < blind.epicentre_sigma_km
    assert seeing.log_odds > blind.log_odds


def test_a_burst_is_no_earthquake_far_away():
    """What is over at once: as if S had never come to these stations."""
    source = (42.5, 74.6, 10.0)
    stations = [(42.9, 75.1), (42.95, 75.6), (43.1, 76.0)]
    bursts = [msgspec.structs.replace(o, half_grown_s=0.5) for o in grown_onsets(stations, source)]
    assert found(bursts).log_odds < found(grown_onsets(stations, source)).log_odds - 3.0


def test_before_s_can_have_come_growth_says_nothing():
    plain = onsets(around(CENTRE, 60.0, 5), CENTRE, magnitude=None)
    early = [msgspec.structs.replace(o, elapsed_s=1.5, half_grown_s=1.0) for o in plain]
    unknown = [msgspec.structs.replace(o, elapsed_s=1.5) for o in plain]
    assert found(early).log_odds == pytest.approx(found(unknown).log_odds, abs=0.5)
    assert error_km(found(early), CENTRE) < 4.0


def test_places_stand_for_the_posterior():
    """They scatter about the source as far as it says, and tell nothing beyond few stations."""
    few = found(onsets(around(CENTRE, 30.0, 3), CENTRE))
    many = found(onsets(around(CENTRE, 30.0, 12), CENTRE))
    for located in (few, many):
        away = [km(place[:2], (located.latitude, located.longitude)) for place in located.places]
        scatter_km = math.sqrt(np.mean(np.square(away)) / 2.0)
        assert math.hypot(scatter_km, MODEL_BIAS_KM) == pytest.approx(
            located.epicentre_sigma_km, rel=0.6
        )
        assert all(0.0 < depth < SETTINGS.max_depth_km for *_, depth in located.places)
    assert found(onsets(around(CENTRE, 30.0, 13), CENTRE)).places == ()


def test_a_strong_disturbance_of_two_places_is_rarer_than_a_weak_one():
    """Against the same noise: the stronger the two are, the sooner they are an earthquake."""
    stations = around(CENTRE, 30.0, 2)
    weak, strong = (found(onsets(stations, CENTRE, magnitude=m, other=1e-9)) for m in (4.5, 6.5))
    rarer = 0.8 * 2.0 * math.log(10.0)  # so are earthquakes of that size
    assert strong.log_odds + rarer > weak.log_odds + 1.0


def test_a_later_onset_that_is_not_s_changes_little():
    stations = around(CENTRE, 40.0, 5)
    located = found(onsets(stations, CENTRE, s_late_s=6.0))
    assert error_km(located, CENTRE) < 4.0


def test_fewer_stations_are_less_sure():
    stations = around(CENTRE, 30.0, 8)
    chosen = [stations[:2], stations[::2], stations]
    sigmas = [found(onsets(s, CENTRE, noise_s=0.05)).epicentre_sigma_km for s in chosen]
    assert sigmas[0] > 1.5 * sigmas[1] > 1.5 * sigmas[2]


def test_each_more_station_makes_it_more_probable():
    stations = around(CENTRE, 30.0, 5)
    odds = [found(onsets(stations[:n], CENTRE)).log_odds for n in (1, 2, 3, 4, 5)]
    assert odds == sorted(odds)
    assert found(onsets(stations[:1], CENTRE)).probability < 0.1


def test_the_stated_sigma_holds_the_truth_as_often_as_it_says():
    """68 % within 1.5 sigma and 95 % within 2.4, of sources in and around made networks."""
    random = np.random.default_rng(11)
    within = []
    for _ in range(150):
        source = (42.5, 74.6, float(random.gamma(2.0, 6.0)))
        middle = (42.5 + random.normal() * 0.25, 74.6 + random.normal() * 0.3)
        count = int(random.integers(3, 8))
        place = [
            (middle[0] + random.normal() * 0.35, middle[1] + random.normal() * 0.45)
            for _ in range(count)
        ]
        magnitude = 3.5 + random.exponential(0.6)
        picks = []
        for where in place:
            travel = ak135.p(km(where, source), source[2])
            late = random.standard_t(3) * math.hypot(0.3, 0.03 * travel)
            made = onset(where, source, late_s=late, magnitude=magnitude)
            peak = made.log_amplitude + random.normal() * 0.45
            picks.append(onset(where, source, late_s=late, log_amplitude=peak, s_late_s=0.3))
        located = found(sorted(picks, key=lambda o: o.time_s))
        within.append(error_km(located, source) / located.epicentre_sigma_km)
    share_68 = np.mean(np.array(within) < 1.515)
    share_95 = np.mean(np.array(within) < 2.448)
    assert 0.6 <= share_68 <= 0.97, (share_68, share_95)
    assert share_95 >= 0.9


def test_picks_that_share_a_place_count_as_one():
    places = [*around(CENTRE, 30.0, 2), *[(42.35, 74.3 + n * 1e-3) for n in range(3)]]
    alone = found(onsets(places[:3], CENTRE)).log_odds
    apart = found(onsets(places, CENTRE)).log_odds
    shared = [
        onset(place, CENTRE, share=1.0 if i < 2 else 1.0 / 3.0) for i, place in enumerate(places)
    ]
    one = found(sorted(shared, key=lambda o: o.time_s)).log_odds
    assert abs(one - alone) < 1.5 < apart - alone


def test_a_station_that_is_not_trusted_says_little():
    places = around(CENTRE, 30.0, 3)
    full = found(onsets(places, CENTRE)).log_odds
    doubted = [onset(p, CENTRE, trust=0.05 if i == 0 else 1.0) for i, p in enumerate(places)]
    assert found(sorted(doubted, key=lambda o: o.time_s)).log_odds < full - 2.0


def test_a_noisy_station_counts_for_less():
    places = around(CENTRE, 30.0, 3)
    full = found(onsets(places, CENTRE)).log_odds
    noisy = [
        onset(p, CENTRE, other=RATE * (50.0 if i == 0 else 0.01)) for i, p in enumerate(places)
    ]
    assert found(sorted(noisy, key=lambda o: o.time_s)).log_odds < full - 1.0


@pytest.mark.parametrize("slowness", [0.05, 0.08])
@pytest.mark.parametrize("azimuth", [20.0, 110.0, 250.0])
def test_a_wave_from_far_away_is_no_local_earthquake(slowness, azimuth):
    """A teleseism over a network of 150 km: quick, equally strong everywhere, without S."""
    random = np.random.default_rng(3)
    stations = around(CENTRE, 70.0, 6) + around(CENTRE, 25.0, 3, 50.0)
    picks = []
    for place in stations:
        distance, direction = distance_azimuth(*CENTRE[:2], *place)
        ahead = distance * math.cos(math.radians(direction - azimuth))
        peak = -5.5 + random.normal() * 0.2
        picks.append(
            Onset(
                latitude=place[0],
                longitude=place[1],
                time_s=100.0 + slowness * ahead + random.normal() * 0.3,
                sigma_s=0.3,
                other=RATE * 0.05,
                log_amplitude=peak,
                accelerometer=False,
                elapsed_s=3.0,
                log_noise=-7.0,
            )
        )
    picks.sort(key=lambda o: o.time_s)
    assert found(picks[:4]).probability < 0.5
    assert found(picks).probability < 0.02


def test_a_search_about_a_known_place_stays_there():
    source = (42.5, 74.6, 11.0)
    picks = onsets(around(source), source)
    far = locate(picks, (), (42.5, 74.6 + 4.0), SETTINGS, ak135, within_km=60.0)
    assert distance_azimuth(far.latitude, far.longitude, 42.5, 78.6)[0] < 60.0 * 1.5
    near = locate(picks, (), (42.6, 74.7), SETTINGS, ak135, within_km=60.0)
    assert error_km(near, source) < 3.0


def test_depth_is_held_within_the_settings():
    source = (42.5, 74.6, 52.0)
    shallow = LocateSettings(search_km=120.0, max_depth_km=20.0)
    stations = around(source, 12.0, 3) + around(source, 40.0) + around(source, 90.0, 5)
    picks = onsets(stations, source)
    assert found(picks, settings=shallow).depth_km <= 20.0
    assert found(picks).depth_km > 30.0


def test_more_picks_than_are_used_still_get_their_residuals():
    stations = around(CENTRE, 20.0, 20) + around(CENTRE, 60.0, 40)
    located = found(onsets(stations, CENTRE))
    assert len(located.residuals_s) == len(located.belongs) == 60
    assert max(map(abs, located.residuals_s)) < 0.5
    assert error_km(located, CENTRE) < 3.0


def test_s_is_stronger_for_larger_and_nearer_earthquakes():
    at = [s_amplitude(True, m, d, 10.0) for m, d in [(4.0, 50.0), (5.0, 50.0), (5.0, 20.0)]]
    assert at == sorted(at)
    assert 10.0 ** s_amplitude(False, 6.0, 30.0, 10.0) == pytest.approx(0.04, rel=0.5)  # m/s
