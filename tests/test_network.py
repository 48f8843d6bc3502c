"""What the locator knows of the stations, and which of them watch."""

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_detections import START_US, earthquake_picks, frames, ring, station_motion

from detect import detections, network, reports
from detect.detections import Heartbeat, Motion, PickMotion
from detect.geodesy import distance_azimuth
from detect.network import Circle, Network


def beat(names, places, **changes):
    values = {
        "partition": 0,
        "time_us": START_US,
        "stations": tuple(names),
        "latitude": tuple(p[0] for p in places),
        "longitude": tuple(p[1] for p in places),
        "data_end_us": (START_US,) * len(places),
        "pga": (0.0,) * len(places),
        "pgv": (0.0,) * len(places),
        "faults": {},
    }
    return Heartbeat(**(values | changes))


def heard(places):
    net = Network(10.0, 100.0)
    net.fold(beat([f"XX.{n:04d}" for n in range(len(places))], places), START_US)
    return net


def test_the_locator_knows_the_faults_that_the_picker_names():
    assert set(network.FAULTS) == set(reports.FAULTS)
    blind = [name for i, name in enumerate(network.FAULTS) if network.BLIND >> i & 1]
    assert set(blind) == set(network.FAULTS) - {"clipped"}


place = st.tuples(st.floats(-90.0, 90.0), st.floats(-360.0, 360.0))


@pytest.mark.kernel
@given(st.lists(place, min_size=1, max_size=40), place, st.floats(0.0, 20_100.0))
@example([(89.9, 0.0), (89.9, 179.0), (0.0, 180.0), (0.0, -179.9)], (89.5, 90.0), 200.0)
@example([(10.0, 179.9), (10.0, -179.9), (10.0, 181.0)], (10.0, 180.0), 30.0)
def test_no_station_within_a_circle_is_left_out(places, middle, radius_km):
    net = heard(places)
    watching = net.watching(START_US, START_US, Circle(*middle, radius_km))
    inside = {
        f"XX.{n:04d}" for n, p in enumerate(places) if distance_azimuth(*middle, *p)[0] <= radius_km
    }
    assert inside <= {net.name(n) for n in watching.numbers.tolist()}
    everywhere = net.watching(START_US, START_US)
    assert [net.name(n) for n in everywhere.numbers.tolist()] == sorted(
        f"XX.{n:04d}" for n in range(len(places))
    )


def test_a_small_circle_leaves_out_what_is_far():
    net = heard([(42.0, 74.0), (42.5, 74.0), (42.0, 75.0), (-42.0, 74.0)])
    watching = net.watching(START_US, START_US, Circle(42.0, 74.0, 40.0))
    assert watching.numbers.tolist() == [0]


def test_who_is_blind_silent_or_has_picked_does_not_watch():
    net = heard([(42.0, 74.0 + n) for n in range(7)])
    names = [net.name(n) for n in range(7)]
    net.fold(
        beat(
            names[:4],
            [(1.0, 5.0), (2.0, 6.0), (3.0, 7.0), (4.0, 8.0)],
            data_end_us=(11, 12, 13, 14),
            pga=(0.1, 0.2, 0.3, 0.4),
            pgv=(0.5, 0.6, 0.7, 0.8),
            faults={"clipped": (0, 1), "flat": (1,), "of another version": (3,)},
        ),
        START_US + 10_000_000,
    )
    (pick_of_2,) = earthquake_picks({names[2]: (3.0, 7.0)}, (3.0, 7.0, 10.0), START_US)
    net.picked(pick_of_2[1])
    watching = net.watching(START_US + 12_000_000, START_US)
    assert watching.numbers.tolist() == [0, 3]
    assert watching.data_end_us.tolist() == [11, 14]
    assert watching.pga.tolist() == [0.1, 0.4]
    assert watching.pgv.tolist() == [0.5, 0.8]
    assert watching.latitude.tolist() == [1.0, 4.0]
    assert watching.longitude.tolist() == [5.0, 8.0]
    assert [net.faults(name) for name in names[:4]] == [("clipped",), ("flat", "clipped"), (), ()]
    later = net.watching(START_US + 12_000_000, pick_of_2[1].time_us + 1)
    assert later.numbers.tolist() == [0, 2, 3]
    net.fold(beat(names[:2], [(1.0, 5.0), (2.0, 6.0)]), START_US + 11_000_000)
    assert net.watching(START_US + 12_000_000, START_US).numbers.tolist() == [0, 1, 3]


def motions_of(told):
    """Fold (elapsed, peak, faults) of one station that has picked; return network and pick."""
    net = Network(10.0, 100.0)
    place = (42.5, 74.6)
    ((_, picked),) = earthquake_picks({"XX.S00": place}, (42.5, 74.6, 10.0), START_US)
    for elapsed, peak, faults in told:
        since = PickMotion(
            pick_id=picked.id, elapsed_s=elapsed, pd_m=(), noise_pd_m=0.0, pgv=peak, pga=peak
        )
        station = station_motion(
            "XX.S00", place, START_US, pga=peak, faults=faults, since_picks=(since,)
        )
        net.fold(Motion(partition=0, time_us=START_US, stations=(station,)), START_US)
    return net, picked


def test_how_motion_grew_is_kept_in_growing_steps():
    net, picked = motions_of([(n / 10.0, n / 10.0, ()) for n in range(1, 501)])
    kept = [m.elapsed_s for m in net.grown(picked.id)]
    assert kept[-1] == 50.0
    assert kept[:5] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert all(b >= 1.1 * a - 1e-9 for a, b in pairwise(kept))
    assert max(kept[:-1]) <= 30.0
    assert max(b / a for a, b in pairwise(kept[9:-1])) < 1.2
    assert len(kept) < 50
    assert net.grown(picked.id)[-1].elapsed_s == 50.0


def test_what_a_clipped_station_says_is_not_kept():
    net, picked = motions_of([(1.0, 1.0, ()), (2.0, 2.0, ("clipped",)), (3.0, 3.0, ())])
    assert [m.elapsed_s for m in net.grown(picked.id)] == [1.0, 3.0]
    assert net.grown(picked.id)[-1].elapsed_s == 3.0


def test_when_half_of_a_peak_had_come():
    rise = [(1.0, 0.1, ()), (2.0, 0.105, ()), (3.0, 0.5, ()), (4.0, 0.2, ()), (5.0, 0.9, ())]
    net, picked = motions_of(rise)
    assert net.half_grown_s(picked, math.log10(0.9)) == 3.0
    assert net.half_grown_s(picked, math.log10(0.19)) == 1.0
    assert net.half_grown_s(picked, math.log10(1.1)) == 5.0
    assert net.half_grown_s(picked, math.log10(2.1)) is None


def test_old_motion_is_forgotten():
    net, picked = motions_of([(1.0, 1.0, ())])
    net.forget(START_US + 101_000_000)
    assert net.grown(picked.id) == ()
    assert list(net.grown(picked.id)) == []
    assert net.half_grown_s(picked, 0.0) is None


STATIONS = ring(42.5, 74.6, 25.0, 6)


def test_old_frames_of_all_stations_are_still_read():
    """A log may hold frames in which every station stands as an object."""
    ((_, frame),) = frames(STATIONS, START_US, START_US + 1)
    assert type(frame) is Motion
    net = Network(10.0, 100.0)
    net.fold(detections.decode(detections.encode(frame)), START_US)
    assert net.watching(START_US, START_US).numbers.size == len(STATIONS)
