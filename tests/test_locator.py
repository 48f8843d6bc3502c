"""The stage `locate` on made detections: what begins, stands, grows, falls, and is left out."""

import msgspec
import pytest
from made_detections import (
    START_US,
    earthquake_picks,
    frames,
    moved,
    pick,
    records,
    ring,
)

from benchmarks import made_reports
from detect import events, locator
from detect.geodesy import distance_azimuth
from detect.locator import LocateOperator
from detect.settings import DetectSettings, LocateSettings
from detect.traveltimes import load
from stream import rejects
from stream.topics import EVENTS, REJECTS

ak135 = load()
SETTINGS = DetectSettings(region="ca", locate=LocateSettings(search_km=120.0))
ORIGIN_US = START_US + 20_000_000
SOURCE = (42.52, 74.63, 11.0)
NETWORK = ring(42.5, 74.6, 25.0, 6)
END_US = START_US + 75_000_000


def fold(read, settings=SETTINGS, size=10**6):
    operator = LocateOperator(settings, ak135)
    said = []
    for begin in range(0, len(read), size):
        said += operator.process(read[begin : begin + size])
    return said


def revisions(read, **options):
    return [events.decode(o.value) for o in fold(read, **options) if o.topic == EVENTS.name]


PICKS = earthquake_picks(NETWORK, SOURCE, ORIGIN_US)
QUAKE = records(PICKS, frames(NETWORK, START_US, END_US, made=moved(PICKS, SOURCE, ORIGIN_US)))


def last_of(found):
    return list({e.id: e for e in found}.values())


def apart_km(event, source):
    return distance_azimuth(event.latitude, event.longitude, *source[:2])[0]


def test_an_earthquake_is_provisional_then_confirmed_and_gets_its_magnitude():
    found = revisions(QUAKE)
    assert len({e.id for e in found}) == 1
    assert [e.revision for e in found] == list(range(len(found)))
    statuses = [e.status for e in found]
    assert statuses[0] == "provisional"
    assert statuses[-1] == "confirmed"
    assert statuses == sorted(statuses, reverse=True)
    first_sized = next(e for e in found if e.magnitude is not None)
    assert 0.4 <= (first_sized.updated_us - PICKS[0][1].time_us) * 1e-6 <= 3.0
    last = found[-1]
    assert apart_km(last, SOURCE) < 4.0
    assert abs(last.origin_time_us - ORIGIN_US) < 800_000
    assert last.magnitude == pytest.approx(5.0, abs=0.3)
    assert last.magnitude_stations >= 3
    assert last.silent_stations == 0
    assert sorted(a.station for a in last.arrivals) == sorted(NETWORK)
    assert last.region == "ca"
    assert last.id.startswith("ca-20231114T2213")


def test_arrival_times_order_the_story():
    found = revisions(QUAKE)
    known = [e.updated_us for e in found]
    assert known == sorted(known)
    outputs = [o for o in fold(QUAKE) if o.topic == EVENTS.name]
    for output, event in zip(outputs, found, strict=True):
        assert output.key == event.id.encode()
        assert output.timestamp == QUAKE[output.cause].timestamp
        assert 0 <= event.updated_us - output.timestamp * 1000 < 1000


@pytest.mark.parametrize("size", [1, 7])
def test_batches_change_nothing(size):
    assert fold(QUAKE, size=size) == fold(QUAKE)


def test_two_picks_where_the_others_are_silent_come_to_nothing():
    """Two of eight pick as one source allows; the others, whose data go on, should have too."""
    two = dict(list(ring(42.5, 74.6, 12.0, 2).items()))
    others = {f"YY.O{i}": at for i, at in enumerate(ring(42.5, 74.6, 22.0, 6, 20.0).values())}
    picks = earthquake_picks(two, (42.5, 74.6, 8.0), ORIGIN_US, delay_s=0.7)
    made = moved(picks, (42.5, 74.6, 8.0), ORIGIN_US)
    found = revisions(records(picks, frames(two | others, START_US, END_US, made=made)))
    assert [e.status for e in last_of(found)] in ([], ["cancelled"])
    assert "confirmed" not in {e.status for e in found}


def test_a_provisional_event_falls_when_the_others_stay_silent():
    """The others' data come two seconds later, so it begins, and is cancelled when they speak."""
    two = dict(list(ring(42.5, 74.6, 12.0, 2).items()))
    others = {f"YY.O{i}": at for i, at in enumerate(ring(42.5, 74.6, 40.0, 4, 20.0).values())}
    source = (42.5, 74.6, 8.0)
    picks = earthquake_picks(two, source, ORIGIN_US, delay_s=0.2)
    made = moved(picks, source, ORIGIN_US)
    found = revisions(
        records(
            picks,
            frames(two, START_US, END_US, made=made),
            frames(others, START_US, END_US, partition=1, lag_s=2.0),
        )
    )
    assert found[0].status == "provisional"
    assert found[-1].status == "cancelled"
    assert found[-1].silent_stations >= 2
    assert "should have seen it" in found[-1].reason


def of_two_stations(magnitude, settings=SETTINGS):
    two = dict(list(ring(42.5, 74.6, 12.0, 2).items()))
    source = (42.5, 74.6, 8.0)
    picks = earthquake_picks(two, source, ORIGIN_US)
    made = moved(picks, source, ORIGIN_US, magnitude=magnitude)
    read = records(picks, frames(two, START_US, END_US + 20_000_000, made=made))
    return picks, revisions(read, settings=settings)


def test_a_provisional_event_that_nobody_can_judge_falls_with_time():
    """Not sooner: the next station may be so far away that P comes there much later."""
    picks, found = of_two_stations(4.5)
    assert found[0].status == "provisional"
    assert found[-1].status == "cancelled"
    assert found[-1].reason == "no further station saw it"
    assert 59 <= (found[-1].updated_us - picks[0][1].time_us) * 1e-6 <= 62


def test_two_places_confirm_where_the_probability_is_so_high():
    """The same two stations: what they say is enough or not, by the setting alone."""
    for wanted, status in ((0.999, "provisional"), (0.5, "confirmed")):
        locate = msgspec.structs.replace(
            SETTINGS.locate, confirmed_probability=0.5, sure_probability=wanted
        )
        settings = msgspec.structs.replace(SETTINGS, locate=locate)
        assert of_two_stations(4.5, settings)[1][-1].status == status


def test_a_confirmed_event_does_not_fall_with_time():
    assert [e.status for e in last_of(revisions(QUAKE))] == ["confirmed"]


def test_two_earthquakes_at_once_far_apart_are_two():
    there = {f"YY.T{i}": at for i, at in enumerate(ring(42.5, 78.3, 25.0, 6).values())}
    second = (42.48, 78.27, 11.0)
    assert distance_azimuth(*SOURCE[:2], *second[:2])[0] > 290
    picks = earthquake_picks(there, second, ORIGIN_US + 300_000)
    made_here, made_there = (
        moved(PICKS, SOURCE, ORIGIN_US),
        moved(picks, second, ORIGIN_US + 300_000),
    )
    read = records(
        PICKS,
        picks,
        frames(NETWORK, START_US, END_US, made=made_here),
        frames(there, START_US, END_US, partition=1, made=made_there),
    )
    standing = last_of(revisions(read))
    assert [e.status for e in standing] == ["confirmed", "confirmed"]
    near, far = sorted(standing, key=lambda e: e.longitude)
    assert apart_km(near, SOURCE) < 5.0
    assert apart_km(far, second) < 5.0
    assert {a.station[:2] for a in near.arrivals} == {"XX"}
    assert {a.station[:2] for a in far.arrivals} == {"YY"}


@pytest.mark.parametrize("after_s", [30, 40, 60])
def test_an_earthquake_soon_after_a_smaller_one_at_its_place_is_one_of_its_own(after_s):
    """Behind the coda of a small earthquake hardly an onset is of it."""
    few = dict(list(NETWORK.items())[:3])
    later_us = ORIGIN_US + after_s * 1_000_000
    first = earthquake_picks(few, SOURCE, ORIGIN_US, delay_s=0.4)
    second = earthquake_picks(few, SOURCE, later_us, delay_s=0.4)
    small = moved(first, SOURCE, ORIGIN_US, magnitude=4.0, lasts_s=15.0)
    large = moved(second, SOURCE, later_us, magnitude=5.0)

    def made(name, time_us):
        return large(name, time_us) or small(name, time_us)

    read = records(first, second, frames(few, START_US, later_us + 30_000_000, made=made))
    fore, main = last_of(revisions(read))
    assert fore.status == main.status == "confirmed"
    assert abs(main.origin_time_us - later_us) < 1_000_000
    assert main.magnitude == pytest.approx(5.0, abs=0.4)
    assert fore.magnitude < 4.5


@pytest.mark.parametrize("after_s", [12, 15, 20])
def test_a_small_foreshock_has_no_part_in_what_comes_after_it(after_s):
    """Three stations saw the foreshock; the mainshock's picks are none of its, nor its motion."""
    few = dict(list(NETWORK.items())[:3])
    later_us = ORIGIN_US + after_s * 1_000_000
    first = earthquake_picks(few, SOURCE, ORIGIN_US, delay_s=0.4)
    second = earthquake_picks(NETWORK, SOURCE, later_us, delay_s=0.4)
    small = moved(first, SOURCE, ORIGIN_US, magnitude=3.0, lasts_s=after_s)
    large = moved(second, SOURCE, later_us, magnitude=6.0)
    by_station = {p.station: p for _, p in first}

    def made(name, time_us):
        """What is felt since the older pick goes on growing when the mainshock comes."""
        shaken = large(name, time_us)
        if shaken and name in by_station:
            (since,) = shaken["since_picks"]
            told = by_station[name]
            elapsed_s = (time_us - 500_000 - told.time_us) * 1e-6
            older = msgspec.structs.replace(since, pick_id=told.id, elapsed_s=elapsed_s, pd_m=())
            return {"since_picks": (older, since)}
        return shaken or small(name, time_us)

    read = records(first, second, frames(NETWORK, START_US, later_us + 30_000_000, made=made))
    fore, main = last_of(revisions(read))
    assert main.status == "confirmed"
    assert abs(main.origin_time_us - later_us) < 1_000_000
    assert main.magnitude == pytest.approx(6.0, abs=0.4)
    assert len([a for a in main.arrivals if a.phase == "P"]) == 6
    assert apart_km(fore, SOURCE) < 15.0
    assert abs(fore.origin_time_us - ORIGIN_US) < 3_000_000
    assert fore.magnitude < 4.0


@pytest.mark.parametrize("fault", ["clock", "late", "flat", "stuck", "warming"])
def test_picks_with_a_fault_do_not_count(fault):
    faulty = [(at, msgspec.structs.replace(p, faults=(fault,))) for at, p in PICKS]
    assert revisions(records(faulty, frames(NETWORK, START_US, END_US))) == []


def test_a_clipped_pick_counts_for_the_place_and_not_for_the_size():
    clipped = [(at, msgspec.structs.replace(p, faults=("clipped",))) for at, p in PICKS]
    inner = moved(PICKS, SOURCE, ORIGIN_US)

    def made(name, time_us):
        shaken = inner(name, time_us)
        return shaken | {"faults": ("clipped",)} if shaken else {}

    found = revisions(records(clipped, frames(NETWORK, START_US, END_US, made=made)))
    assert found[-1].status == "confirmed"
    assert {e.magnitude for e in found} == {None}


def test_repeated_picks_change_nothing():
    again = [(at + 10, p) for at, p in PICKS]
    later = [(at + 400_000, p) for at, p in PICKS]
    shown = frames(NETWORK, START_US, END_US, made=moved(PICKS, SOURCE, ORIGIN_US))
    assert revisions(records(PICKS, again, later, shown)) == revisions(QUAKE)


def test_stations_at_one_place_count_once():
    """Four sensors in one building feel one truck."""
    house = {f"XX.H{i}": (42.5 + i * 1e-4, 74.6) for i in range(4)}
    picks = [
        (ORIGIN_US + i, pick(name, at, ORIGIN_US)) for i, (name, at) in enumerate(house.items())
    ]
    assert revisions(records(picks, frames(house, START_US, END_US))) == []


def test_picks_that_no_source_explains_begin_nothing():
    scattered = [
        (ORIGIN_US + i * 9_000_000, pick(name, at, ORIGIN_US + i * 9_000_000))
        for i, (name, at) in enumerate(NETWORK.items())
    ]
    assert revisions(records(scattered, frames(NETWORK, START_US, END_US))) == []


def test_one_wrong_pick_does_not_move_the_event():
    shift = {"XX.S03": 6.0}
    picks = earthquake_picks(NETWORK, SOURCE, ORIGIN_US, shift_s=shift)
    found = revisions(
        records(picks, frames(NETWORK, START_US, END_US, made=moved(picks, SOURCE, ORIGIN_US)))
    )
    last = found[-1]
    assert last.status == "confirmed"
    assert apart_km(last, SOURCE) < 6.0
    assert "XX.S03" not in {a.station for a in last.arrivals if a.phase == "P"}


def test_s_picks_are_kept_as_s_and_begin_nothing():
    s_picks = []
    for name, place in NETWORK.items():
        distance, _ = distance_azimuth(*SOURCE[:2], *place)
        time_us = ORIGIN_US + round(ak135.s(distance, SOURCE[2]) * 1e6)
        s_picks.append((time_us + 1_500_000, pick(name, place, time_us)))
    shown = frames(NETWORK, START_US, END_US, made=moved(PICKS, SOURCE, ORIGIN_US))
    found = revisions(records(PICKS, s_picks, shown))
    assert len({e.id for e in found}) == 1
    assert found[-1].status == "confirmed"
    assert apart_km(found[-1], SOURCE) < 4.0


def test_garbage_is_rejected_and_changes_nothing():
    values = [b"", b"{}", b"\xff", QUAKE[0].value[:-3]]
    read = []
    for i, record in enumerate(QUAKE):
        if i % 20 == 3:
            read += [msgspec.structs.replace(record, value=v) for v in values]
        read.append(record)
    read = [msgspec.structs.replace(r, offset=i) for i, r in enumerate(read)]
    said = fold(read)
    refused = [rejects.decode(o.value) for o in said if o.topic == REJECTS.name]
    assert {r.reason for r in refused} == {"not a detection"}
    assert len(refused) == 4 * len(range(3, len(QUAKE), 20))
    assert [events.decode(o.value) for o in said if o.topic == EVENTS.name] == revisions(QUAKE)


def test_a_quiet_network_says_nothing():
    assert fold(records(frames(NETWORK, START_US, END_US))) == []


@pytest.mark.parametrize(("off_s", "kept"), [(0.5, True), (20.0, False)])
def test_a_pick_marked_s_belongs_to_the_event_whose_s_wave_it_fits(off_s, kept):
    first = [(p.station, NETWORK[p.station]) for _, p in PICKS[:4]]
    marked = []
    for n, (name, place) in enumerate(first):
        distance, _ = distance_azimuth(*SOURCE[:2], *place)
        late_s = off_s if kept else (n + 1) * off_s
        time_us = ORIGIN_US + round((ak135.s(distance, SOURCE[2]) + late_s) * 1e6)
        s_pick = pick(name, place, time_us, phase="S", id=f"{name}..HNE/S/{time_us}")
        marked.append((time_us + 100_000, s_pick))
    late = earthquake_picks(
        {n: p for n, p in NETWORK.items() if (n, p) not in first}, SOURCE, ORIGIN_US
    )
    late = [(END_US - 30_000_000, p) for _, p in late]
    shown = frames(NETWORK, START_US, END_US, made=moved(PICKS[:4], SOURCE, ORIGIN_US))
    found = revisions(records(PICKS[:4], marked, late, shown))
    assert len({e.id for e in found}) == 1
    s_stations = {a.station for a in found[-1].arrivals if a.phase == "S"}
    assert s_stations == ({name for name, _ in first} if kept else set())


def test_picks_that_are_too_late_to_be_tried_are_left_alone_and_nothing_is_said_otherwise(
    monkeypatch,
):
    """In a bad network, with so few picks tried that the coda has more."""
    bad = made_reports.make(1, ak135).records
    monkeypatch.setattr(locator, "MOST_TRIED", 3)
    late = []
    too_many = LocateOperator._too_many

    def counted(self, sooner, rivals):
        late.append(too_many(self, sooner, rivals))
        return late[-1]

    monkeypatch.setattr(LocateOperator, "_too_many", counted)
    said = fold(bad, DetectSettings())
    assert 0 < sum(late) < len(late)
    monkeypatch.setattr(LocateOperator, "_too_many", lambda self, sooner, rivals: False)
    assert fold(bad, DetectSettings()) == said


def test_a_pick_tells_where_an_event_of_two_stations_is(monkeypatch):
    """P comes to a third station seconds away from where two had the event, and is of it."""
    source = (42.5, 74.6, 10.0)
    stations = {"XX.A": (41.98, 74.46), "XX.B": (42.03, 75.0), "XX.C": (42.53, 73.25)}
    picks = earthquake_picks(stations, source, ORIGIN_US)
    made = moved(picks, source, ORIGIN_US)
    read = records(picks, frames(stations, START_US, END_US, made=made))
    settings = msgspec.structs.replace(SETTINGS, locate=LocateSettings())
    found = revisions(read, settings=settings)
    before = [e for e in found if len(e.arrivals) == 2][-1]
    (third,) = [p for _, p in picks if p.station == "XX.C"]
    late_s = (third.time_us - before.origin_time_us) * 1e-6 - ak135.p(
        distance_azimuth(before.latitude, before.longitude, *stations["XX.C"])[0], before.depth_km
    )
    assert abs(late_s) > 8.0
    assert {a.station for a in found[-1].arrivals} >= set(stations)
    assert found[-1].status == "confirmed"
    assert apart_km(found[-1], source) < 0.5 * apart_km(before, source)
    monkeypatch.setattr(LocateOperator, "_join", lambda *_: iter(()))
    assert "XX.C" not in {a.station for e in revisions(read, settings=settings) for a in e.arrivals}


def test_fewer_stations_must_be_as_sure_as_more():
    with pytest.raises(ValueError, match="sure_probability"):
        LocateSettings(confirmed_probability=0.99, sure_probability=0.98)
