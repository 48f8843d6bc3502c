"""Who is told what: the region's reference earthquakes, lead times, gates and mappings."""

import time

import msgspec
import numpy as np
import pytest
from made_earthquakes import PLACES, WUSHI_US, StraightRays, earthquake, microseconds

from detect import traveltimes
from detect.events import Shaking
from detect.geodesy import distances_km, line_distances_km
from detect.shaking import intensity
from dispatch import places, policy, rules
from dispatch.lifecycle import Lifecycle
from dispatch.policy import ImpossibleEventError, Shaken
from dispatch.revision import Revision
from dispatch.service import DispatchOperator
from dispatch.settings import CountryPolicy, DispatchSettings, Policy
from dispatch.sites import gather

TIMES = traveltimes.load()


def told(quake, settings=None, *, seconds=15):
    """Every place that is told, by name, with real places and travel times."""
    settings = settings or DispatchSettings(policy=Policy(max_places=500))
    memory = DispatchOperator(settings, PLACES, TIMES).memory
    lifecycle = Lifecycle(settings, places.load(), TIMES, memory)
    messages = lifecycle.fold(quake, quake.origin_time_us + round(seconds * 1e6))
    return {place.name: place for message in messages for place in message.places}


def shaken(quake, towns, settings):
    """Every place of towns that any policy could want to tell, by country."""
    lowest = settings.policy.min_intensity - settings.policy.hysteresis
    now_us = quake.origin_time_us + 15_000_000
    return Revision(quake, settings, towns, gather(settings, towns), TIMES, lowest, now_us).shaken


def shaking(**changes):
    """What a station feels."""
    values = {
        "station": "KZ.S0",
        "latitude": 43.2,
        "longitude": 76.9,
        "intensity": 4.0,
        "has_s": True,
    }
    return Shaking(**(values | changes))


def reference(when, latitude, longitude, depth_km, magnitude):
    return earthquake(
        origin_time_us=microseconds(when),
        latitude=latitude,
        longitude=longitude,
        depth_km=depth_km,
        magnitude=magnitude,
    )


WUSHI = reference("2024-01-22T18:09:04", 41.269, 78.649, 13.0, 7.0)
NOT_FELT = reference("2025-09-21T11:25:19", 43.165, 76.824, 10.0, 3.8)
SOUTH_WEST = reference("2025-10-23T12:00:00", 42.4, 75.7, 10.0, 4.0)
TARAZ = reference("2025-10-06T12:00:00", 42.270, 71.378, 10.0, 5.9)
DECEMBER = reference("2025-12-04T07:44:00", 41.021, 78.387, 5.0, 6.7)
VERNY = reference("1987-06-08T00:00:00", 43.1, 76.8, 20.0, 7.5)  # of 1887; times begin in 1970
MURGHAB = reference("2015-12-07T07:50:05", 38.258, 72.767, 26.0, 7.2)


def test_wushi_is_told_in_almaty():
    assert told(WUSHI)["Almaty"].intensity == 4.3


def test_the_false_alarms_of_almaty_stay_silent():
    assert told(NOT_FELT) == {}
    assert told(SOUTH_WEST) == {}


def felt(quake, *levels, has_s=True):
    """The earthquake, with stations about the epicentre that feel so much."""
    stations = tuple(
        shaking(
            station=f"KZ.S{i}",
            latitude=quake.latitude + 0.05 * i,
            longitude=quake.longitude,
            intensity=level,
            has_s=has_s,
        )
        for i, level in enumerate(levels)
    )
    return msgspec.structs.replace(quake, shaking=stations)


def test_what_holds_the_unfelt_one_back_is_not_its_magnitude_alone():
    """By the formula 4.3 in the city; five stations have felt 2, and it is a degree less."""
    anyone = DispatchSettings(policy=Policy(min_magnitude=3.0))
    assert told(NOT_FELT, anyone) == {}
    assert told(felt(NOT_FELT, 4.3), anyone) == {}
    assert told(felt(NOT_FELT, 4.3, 4.2, has_s=False), anyone) == {}
    assert told(felt(NOT_FELT, 4.3, 4.2), anyone)["Almaty"].intensity == 4.3
    assert told(felt(NOT_FELT, 2.0, 2.1, 1.8, 2.0, 1.9), anyone) == {}


def test_a_larger_one_or_one_that_may_be_larger_does_not_wait_to_be_felt():
    quake = msgspec.structs.replace(NOT_FELT, magnitude=5.4)
    assert told(quake) == {}
    assert "Almaty" in told(msgspec.structs.replace(quake, magnitude=5.5))
    assert "Almaty" in told(msgspec.structs.replace(quake, magnitude_saturated=True))
    assert "Almaty" in told(quake, DispatchSettings(policy=Policy(felt_magnitude=5.0)))


def test_a_magnitude_from_one_station_warns_nobody():
    assert told(msgspec.structs.replace(WUSHI, magnitude_stations=1)) == {}


def test_a_rupture_reaches_places_that_its_epicentre_does_not():
    """Along the foot of the mountains towards Almaty, 150 km of it."""
    quake = msgspec.structs.replace(WUSHI, magnitude=7.8)
    line = ((41.269, 78.649), (42.6, 77.5))
    long = msgspec.structs.replace(quake, rupture=line)
    assert told(long)["Almaty"].intensity > told(quake)["Almaty"].intensity + 0.5
    assert told(long)["Almaty"].s_arrival_us == told(quake)["Almaty"].s_arrival_us


def test_shaken_leaves_no_place_out_along_a_rupture():
    """700 km of it, so that the ends are further away than the intensity reaches."""
    line = ((41.269, 78.649), (39.6, 71.0))
    quake = msgspec.structs.replace(WUSHI, magnitude=6.5, rupture=line)
    every = places.load()
    settings = DispatchSettings(max_distance_km=1000.0)
    found = shaken(quake, every, settings)
    indices = {place.index for group in found.values() for place in group}
    distance = line_distances_km(line, every.latitude, every.longitude)
    degrees = np.round(intensity(6.5, distance, quake.depth_km), 1)
    assert indices == set(np.flatnonzero(degrees >= 3.5).tolist())
    assert len(indices) > 50


def test_what_a_station_feels_is_expected_around_it():
    """A station in Almaty feels 7.2 of an earthquake from which the formula gives 4.3."""
    strong = shaking(latitude=43.25, longitude=76.92, intensity=7.2, has_s=False)
    quake = msgspec.structs.replace(WUSHI, shaking=(strong,))
    found = told(quake)
    assert found["Almaty"].intensity == 7.2
    assert found["Talghar"].intensity == 7.2
    assert told(quake, DispatchSettings(carried_km=0.0))["Almaty"].intensity == 4.3
    assert told(quake, DispatchSettings(carried_km=20.0))["Talghar"].intensity < 5.0


def test_what_has_been_felt_so_far_takes_nothing_from_a_large_one():
    weak = felt(WUSHI, *[2.0] * 8)
    assert told(weak)["Almaty"].intensity == 4.3
    small = msgspec.structs.replace(TARAZ, magnitude_saturated=True)
    assert told(felt(small, *[2.0] * 8)) == told(small)
    assert told(felt(TARAZ, *[2.0] * 8)) != told(TARAZ)


@pytest.mark.parametrize(
    "quake",
    [
        felt(WUSHI, 8.0, 8.5, 9.0),
        felt(TARAZ, 3.0, 3.0, 3.0),
        msgspec.structs.replace(WUSHI, rupture=((41.269, 78.649), (42.6, 77.5))),
    ],
)
def test_the_circle_holds_all_that_are_told(quake):
    settings = DispatchSettings(policy=Policy(max_places=500))
    memory = DispatchOperator(settings, PLACES, TIMES).memory
    lifecycle = Lifecycle(settings, places.load(), TIMES, memory)
    messages = lifecycle.fold(quake, quake.origin_time_us + 15_000_000)
    assert messages
    for message in messages:
        for place in message.places:
            distance = distances_km(
                message.latitude,
                message.longitude,
                np.array([place.latitude]),
                np.array([place.longitude]),
            )
            assert distance[0] <= message.radius_km


def test_taraz_is_told():
    assert told(TARAZ)["Taraz"].intensity == pytest.approx(4.8, abs=0.15)


def test_the_borderline_one_is_not_told_in_almaty():
    assert "Almaty" not in told(DECEMBER)


@pytest.mark.parametrize(
    ("quake", "city", "at_40_km", "at_80_km"),
    [
        (WUSHI, "Almaty", 55, 48),
        (DECEMBER, "Almaty", 60, 53),
        (VERNY, "Almaty", -5, -11),
        (VERNY, "Bishkek", 35, 29),
        (MURGHAB, "Osh", 50, 44),
    ],
)
def test_lead_times_are_those_of_the_reference(quake, city, at_40_km, at_80_km):
    all_told = DispatchSettings(policy=Policy(min_intensity=2.0, max_places=500))
    for distance, lead in ((40.0, at_40_km), (80.0, at_80_km)):
        seconds = TIMES.p(distance, quake.depth_km) + 5.0
        assert told(quake, all_told, seconds=seconds)[city].lead_s == pytest.approx(lead, abs=1.6)


def place_at(distance_km, **arguments):
    """One place at a distance, as `expected` tells it."""
    values = {
        "event": earthquake(),
        "candidates": [Shaken(0, distance_km, 5.0)],
        "places": PLACES,
        "travel_times": StraightRays(),
        "policy": Policy(),
        "told": (),
        "now_us": WUSHI_US + 15_000_000,
        "channel_delay_s": 0.0,
    }
    found = policy.expected(**(values | arguments)).places
    return found[0] if found else None


def test_lead_is_the_s_time_less_now_less_the_channel():
    # hypot(84, 13) = 85 km at 3.5 km/s: 24.2857 s after the origin.
    assert place_at(84.0).s_arrival_us == WUSHI_US + 24_285_714
    assert place_at(84.0).lead_s == 9.2
    assert place_at(84.0, channel_delay_s=4.0).lead_s == 5.2
    assert place_at(84.0, channel_delay_s=12.0).lead_s == -2.8


def test_seconds_are_rounded_down_on_both_sides_of_zero():
    assert place_at(84.0, now_us=WUSHI_US + 24_285_714).lead_s == 0.0
    assert place_at(84.0, now_us=WUSHI_US + 24_285_715).lead_s == -0.1
    assert place_at(84.0, now_us=WUSHI_US + 24_185_715).lead_s == 0.0


def test_a_place_is_told_while_it_shakes_and_no_longer_after():
    assert place_at(84.0, now_us=WUSHI_US + 84_000_000) is not None
    assert place_at(84.0, now_us=WUSHI_US + 85_000_000) is None
    assert place_at(84.0, now_us=WUSHI_US + 85_000_000, told={1}) is not None
    assert place_at(84.0, now_us=WUSHI_US + 74_000_000, channel_delay_s=20.0) is None


def test_hysteresis_is_for_places_that_have_been_told():
    for degrees, untold, been_told in ((4.0, True, True), (3.9, False, True), (3.4, False, False)):
        candidates = [Shaken(0, 84.0, degrees)]
        assert (place_at(84.0, candidates=candidates) is not None) is untold
        assert (place_at(84.0, candidates=candidates, told={1}) is not None) is been_told


def test_shaken_finds_all_that_reach_the_level():
    found = shaken(earthquake(magnitude=7.8), PLACES, DispatchSettings())
    names = {PLACES.name[p.index] for group in found.values() for p in group}
    assert names == {"Almaty", "Talghar", "Kegen", "Karakol", "Naryn", "Near the source"}
    assert set(found) == {"KZ", "KG", "CN"}
    near = DispatchSettings(max_distance_km=10.0)
    assert set(shaken(earthquake(magnitude=9.0), PLACES, near)) == {"CN"}


@pytest.mark.parametrize("quake", [WUSHI, TARAZ, MURGHAB, VERNY])
def test_shaken_leaves_no_place_out(quake):
    every = places.load()
    found = shaken(quake, every, DispatchSettings())
    indices = sorted(place.index for group in found.values() for place in group)
    distance = distances_km(quake.latitude, quake.longitude, every.latitude, every.longitude)
    degrees = np.round(intensity(quake.magnitude, distance, quake.depth_km), 1)
    assert set(indices) >= set(np.flatnonzero((degrees >= 3.5) & (distance <= 600.0)).tolist())


def test_a_country_may_want_to_be_told_of_less():
    eager = DispatchSettings(countries={"KZ": CountryPolicy(min_intensity=3.0)})
    assert "Almaty" in told(DECEMBER, eager)


def test_what_a_country_leaves_out_is_as_for_all():
    settings = DispatchSettings(
        policy=Policy(expires_s=900), countries={"KZ": CountryPolicy(min_intensity=5.0)}
    )
    assert settings.policy_for("KZ") == Policy(expires_s=900, min_intensity=5.0)
    assert settings.policy_for("KG") == Policy(expires_s=900)


def stands(quake, chosen, *, told=False):
    return rules.standing(quake, chosen, told=told).stands


def test_stands():
    common = Policy()
    assert stands(earthquake(), common) is True
    assert stands(earthquake(status="provisional"), common) is None
    assert stands(earthquake(magnitude=None), common, told=True) is None
    assert stands(earthquake(magnitude=4.4), common) is False
    assert stands(earthquake(magnitude=4.4), common, told=True) is True
    assert stands(earthquake(magnitude=4.1), common, told=True) is False
    assert stands(earthquake(status="provisional"), Policy(min_status="provisional")) is True
    assert stands(earthquake(magnitude_stations=1), common) is None
    assert stands(earthquake(magnitude_sigma=0.31), Policy(max_magnitude_sigma=0.3)) is None
    assert stands(earthquake(magnitude_sigma=None), Policy(max_magnitude_sigma=0.3)) is None
    assert stands(earthquake(magnitude_sigma=0.3), Policy(max_magnitude_sigma=0.3)) is True
    assert stands(earthquake(magnitude_sigma=9.0), Policy(max_magnitude_sigma=0.3), told=True)


@pytest.mark.parametrize(
    ("degrees", "name"),
    [(4.0, "Minor"), (4.4, "Minor"), (4.5, "Moderate"), (5.5, "Severe"), (7.5, "Extreme")],
)
def test_severity(degrees, name):
    assert policy.severity(degrees) == name


def test_certainty():
    ahead, shaking = place_at(84.0), place_at(84.0, now_us=WUSHI_US + 30_000_000)
    assert policy.certainty(earthquake(status="provisional"), [ahead]) == "Possible"
    assert policy.certainty(earthquake(), [ahead, shaking]) == "Likely"
    assert policy.certainty(earthquake(), [shaking]) == "Observed"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "two words"}, "letters, digits"),
        ({"id": ""}, "letters, digits"),
        ({"id": "a_b"}, "letters, digits"),
        ({"superseded_by": "a\x00"}, "letters, digits"),
        ({"magnitude_type": "\x01"}, "letters, digits"),
        ({"latitude": 90.1}, "globe"),
        ({"longitude": -181.0}, "globe"),
        ({"latitude": float("nan")}, "globe"),
        ({"depth_km": 900.0}, "depth"),
        ({"magnitude": 20.0}, "magnitude"),
        ({"origin_time_us": WUSHI_US + 60_000_000, "updated_us": WUSHI_US}, "before it happened"),
        ({"rupture": ((10.0, 20.0), (91.0, 20.0))}, "rupture or a station"),
        ({"shaking": (shaking(latitude=-95.0),)}, "rupture or a station"),
        ({"shaking": (shaking(intensity=13.0),)}, "shaking that is not"),
        ({"origin_time_us": -1, "updated_us": WUSHI_US}, "before 1970"),
    ],
)
def test_an_impossible_event(changes, problem):
    now_us = WUSHI_US + 30_000_000
    policy.check(earthquake(), now_us)
    with pytest.raises(ImpossibleEventError, match=problem):
        policy.check(earthquake(**changes), now_us)


def test_a_great_earthquake_among_all_places_is_decided_quickly():
    settings = DispatchSettings()
    quake = reference("2024-01-01T00:00:00", 40.7, 72.0, 20.0, 8.3)
    told(quake, settings)
    lifecycle = Lifecycle(
        settings, places.load(), TIMES, DispatchOperator(settings, PLACES, TIMES).memory
    )
    begin = time.perf_counter()
    messages = lifecycle.fold(quake, quake.origin_time_us + 15_000_000)
    seconds = time.perf_counter() - begin
    assert sum(message.places_affected for message in messages) > 200
    assert seconds < 0.1  # about 1 ms measured on a slow core
