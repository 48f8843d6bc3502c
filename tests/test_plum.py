"""What stations feel: since when, whose it is, what is believed, and where it is carried."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_detections import START_US, ak135, ring, station_motion

from detect.detections import Heartbeat, Motion, PickMotion
from detect.events import Shaking
from detect.geodesy import distance_azimuth
from detect.plum import KEEP_S, Plum, Source, carried, news, shift, strong_pair
from detect.settings import ShakingSettings
from detect.shaking import intensity, recorded_intensity

SETTINGS = ShakingSettings()
HERE = (42.5, 74.6)
SOURCE = Source(START_US, *HERE, 10.0, 6.0, (HERE,))
NEAR = ring(*HERE, 20.0, 4)
LATER_US = START_US + 30_000_000


def moving(stations, pga, at_us=LATER_US, **changes):
    """A frame in which stations report an acceleration."""
    reports = [
        station_motion(name, place, at_us, pga=pga, pgv=0.0, **changes)
        for name, place in stations.items()
    ]
    return Motion(partition=0, time_us=at_us, stations=tuple(reports))


def plum(*frames):
    made = Plum()
    for frame in frames:
        made.fold(frame)
    return made


def shared(made, source=SOURCE):
    return made.share({"a": source}, SETTINGS, ak135)["a"]


def test_what_is_felt_is_told_with_the_strongest():
    told = shared(plum(moving(NEAR, 0.5), moving(NEAR, 2.0, LATER_US + 1), moving(NEAR, 1.0)))
    assert [s.station for s in told] == sorted(NEAR)
    assert {s.intensity for s in told} == {round(recorded_intensity(2.0, 0.0), 1)}
    assert all(s.has_s for s in told)


def test_what_moves_before_p_is_not_of_the_event():
    """A clock that runs ahead shows strong shaking when P cannot have come."""
    far = ring(*HERE, 110.0, 2)
    p_us = START_US + round(ak135.p(110.0, 10.0) * 1e6)
    assert shared(plum(moving(far, 3.0, p_us - 5_000_000))) == ()
    told = shared(plum(moving(far, 3.0, p_us + 1_000_000)))
    assert len(told) == 2
    assert not any(s.has_s for s in told)


def test_what_an_old_pick_has_felt_is_felt_once():
    """Peaks since a pick stand in every report: they count when they come."""
    name, place = next(iter(NEAR.items()))
    strong = PickMotion(pick_id="old", elapsed_s=5.0, pd_m=(), noise_pd_m=0.0, pgv=0.3, pga=3.0)
    before_us = START_US - 10_000_000

    def report(at_us):
        return moving({name: place}, 0.001, at_us, since_picks=(strong,))

    assert [s.intensity for s in shared(plum(report(before_us), report(LATER_US)))] == [1.0]
    assert shared(plum(report(LATER_US)))[0].intensity > 6.0


def heartbeat(stations, pga, faults=None):
    places = list(stations.values())
    return Heartbeat(
        partition=0,
        time_us=LATER_US,
        stations=tuple(stations),
        latitude=tuple(p[0] for p in places),
        longitude=tuple(p[1] for p in places),
        data_end_us=tuple(LATER_US for _ in places),
        pga=tuple(pga),
        pgv=tuple(0.0 for _ in places),
        faults=faults or {},
    )


def test_stations_without_a_pick_feel_too():
    told = shared(plum(heartbeat(NEAR, [2.0, 0.001, 1.0, 3.0], {"stuck": (3,), "clipped": (0,)})))
    assert [s.station for s in told] == ["XX.S00", "XX.S02"]


@pytest.mark.parametrize(
    ("fault", "counts"), [("clipped", True), ("late", False), ("clock", False)]
)
def test_faults(fault, counts):
    assert (shared(plum(moving(NEAR, 2.0, faults=(fault,)))) != ()) is counts


def test_a_station_alone_is_believed_little_more_than_the_source_explains():
    one = {"XX.S00": NEAR["XX.S00"]}
    weak = msgspec.structs.replace(SOURCE, magnitude=3.0)
    expected = intensity(3.0, 20.0, 10.0)
    (told,) = shared(plum(moving(one, 5.0)), weak)
    assert told.intensity == pytest.approx(expected + SETTINGS.above, abs=0.06)
    both = shared(plum(moving(dict(list(NEAR.items())[:2]), 5.0)), weak)
    assert {s.intensity for s in both} == {round(recorded_intensity(5.0, 0.0), 1)}


def test_a_sensor_in_the_same_house_bears_nothing_out():
    house = {f"XX.H{i}": (42.5 + i * 1e-4, 74.8) for i in range(3)}
    weak = msgspec.structs.replace(SOURCE, magnitude=3.0)
    assert max(s.intensity for s in shared(plum(moving(house, 5.0)), weak)) < 6.0


def test_a_station_is_of_the_event_that_explains_most():
    there = (42.5, 75.6)
    sources = {"a": SOURCE, "b": msgspec.structs.replace(SOURCE, longitude=75.6, line=(there,))}
    stations = NEAR | {f"YY.{name}": at for name, at in ring(*there, 20.0, 4).items()}
    told = plum(moving(stations, 2.0)).share(sources, SETTINGS, ak135)
    assert {s.station[:2] for s in told["a"]} == {"XX"}
    assert {s.station[:2] for s in told["b"]} == {"YY"}


def test_an_event_without_a_magnitude_explains_nothing():
    unknown = msgspec.structs.replace(SOURCE, magnitude=None)
    assert len(shared(plum(moving(NEAR, 2.0)), unknown)) == 4


def test_what_is_old_is_forgotten():
    made = plum(moving(NEAR, 2.0))
    made.forget(LATER_US + int(KEEP_S * 1e6))
    assert shared(made) != ()
    made.forget(LATER_US + int(KEEP_S * 1e6) + 1)
    assert shared(made) == ()


def test_weak_shaking_is_told_of_the_nearest_only():
    many = ring(*HERE, 30.0, 30)
    told = shared(plum(moving(many, 0.02)))
    assert len(told) == 20


def felt(intensity, place=HERE, station="XX.A", has_s=True):
    return Shaking(
        station=station, latitude=place[0], longitude=place[1], intensity=intensity, has_s=has_s
    )


@pytest.mark.parametrize(
    ("one", "other", "km", "found"),
    [(4.0, 2.5, 5.0, True), (3.9, 3.9, 5.0, False), (9.0, 2.4, 5.0, False), (9.0, 9.0, 0.5, False)],
)
def test_a_strong_pair(one, other, km, found):
    second = (HERE[0] + km / 111.2, HERE[1])
    assert strong_pair([felt(one), felt(other, second, "XX.B")]) is found


def test_news():
    assert not news([], [felt(3.4, has_s=False)], SETTINGS)
    assert news([], [felt(3.5)], SETTINGS)
    assert not news([felt(5.0)], [felt(5.4)], SETTINGS)
    assert news([felt(5.0)], [felt(5.5)], SETTINGS)
    assert not news([felt(5.0)], [felt(4.0)], SETTINGS)
    second = felt(1.0, station="XX.B")
    assert news([felt(1.0)], [felt(1.0), second], SETTINGS)
    assert not news([felt(1.0), second], [felt(1.0), second, felt(1.0, station="C")], SETTINGS)


def test_shaking_is_carried_as_far_as_the_radius():
    places = np.array([42.5, 42.7, 42.8]), np.array([74.6, 74.6, 74.6])
    shaking = [felt(5.0), felt(6.0, (42.72, 74.6), "XX.B")]
    assert carried(shaking, *places, 30.0).tolist() == [6.0, 6.0, 6.0]
    assert carried(shaking, *places, 10.0).tolist() == [5.0, 6.0, 6.0]
    assert carried(shaking, *places, 0.0).tolist() == [5.0, 0.0, 0.0]
    assert carried([], *places, 30.0).tolist() == [0.0, 0.0, 0.0]


def test_the_formula_is_corrected_by_what_is_felt():
    """Seven stations 0.5 below, and three that are worth the formula's: 7 / (7 + 7/3)."""
    shaking = [felt(4.0, station=f"XX.{i}") for i in range(7)]
    assert shift(shaking, np.full(7, 4.5), 6.0) == pytest.approx(-0.5 * 7 / (7 + 0.7 / 0.3))
    assert shift(shaking[:1], np.full(1, 4.5), 6.0) == pytest.approx(-0.5 * 0.3)
    assert shift(shaking, np.full(7, 9.0), 5.5) == -1.0
    assert shift(shaking, np.full(7, 9.0), 5.4) == -2.0
    for magnitude in (4.0, 6.0):
        assert shift(shaking, np.full(7, 1.0), magnitude) == 1.0
    assert shift([felt(4.0, has_s=False)], np.full(1, 9.0), 6.0) == 0.0
    assert shift([], np.zeros(0), 6.0) == 0.0


def test_the_source_explains_along_its_line():
    end = (HERE[0] + 1.0, HERE[1])
    line = msgspec.structs.replace(SOURCE, line=(HERE, end))
    places = np.array([end[0]]), np.array([end[1]])
    assert line.intensities(*places)[0] == pytest.approx(intensity(6.0, 0.0, 10.0))
    far, _ = distance_azimuth(*HERE, *end)
    assert SOURCE.intensities(*places)[0] == pytest.approx(intensity(6.0, far, 10.0), abs=0.01)


@given(
    stations=st.lists(
        st.tuples(st.floats(-89, 89), st.floats(-180, 180), st.integers(0, 120)), max_size=12
    ),
    places=st.lists(st.tuples(st.floats(-89, 89), st.floats(-180, 180)), min_size=1, max_size=12),
    radius_km=st.floats(1.0, 8000.0),
)
def test_what_is_carried_is_the_strongest_within_the_radius(stations, places, radius_km):
    shaking = [felt(degree / 10, (a, b), f"XX.{i}") for i, (a, b, degree) in enumerate(stations)]
    latitudes, longitudes = np.array(places).T
    found = carried(shaking, latitudes, longitudes, radius_km)
    for value, place in zip(found, places, strict=True):
        away = [(distance_azimuth(*place, a, b)[0], degree / 10) for a, b, degree in stations]
        edge = any(abs(km - radius_km) < 1e-3 for km, _ in away)
        assert edge or value == max((v for km, v in away if km <= radius_km), default=0.0)
