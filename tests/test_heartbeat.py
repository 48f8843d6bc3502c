"""Heartbeats: what the picker says of all stations, and what the locator makes of it."""

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_detections import START_US, earthquake_picks, frames, moved, ring
from made_detections import records as detection_records
from made_recordings import START_S, cut, records, table

from detect import detections, events
from detect.detections import MOST_STATIONS, Heartbeat
from detect.locator import LocateOperator
from detect.picker import PickOperator
from detect.reports import FAULTS
from detect.settings import DetectSettings
from detect.stations import LARGEST, _rounded
from detect.traveltimes import load
from ingest.settings import IngestSettings
from stream.topics import DETECTIONS

KAFKA_MOST = 1_000_000  # bytes: message.max.bytes of a broker is a little more


def beat(**changes):
    values = {
        "partition": 0,
        "time_us": START_US,
        "stations": ("XX.A", "XX.B"),
        "latitude": (42.0, 43.0),
        "longitude": (74.0, 75.0),
        "data_end_us": (START_US - 1, START_US - 2),
        "pga": (0.0, 1e-3),
        "pgv": (1e-7, 0.0),
        "faults": {"late": (1,)},
    }
    return Heartbeat(**(values | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"stations": ("XX.A",)},
        {"latitude": (42.0,)},
        {"data_end_us": (1, 2, 3)},
        {"pgv": ()},
        {"faults": {"late": (2,)}},
        {"faults": {"late": (-1,)}},
    ],
)
def test_a_heartbeat_that_contradicts_itself_is_refused(changes):
    shown = msgspec.json.decode(detections.encode(beat()))
    assert detections.decode(msgspec.json.encode(shown)) == beat()
    with pytest.raises(msgspec.ValidationError):
        detections.decode(msgspec.json.encode(shown | changes))


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"latitude": (42.0, 91.0)}, "XX.B"),
        ({"longitude": (-1e300, 42.0)}, "XX.A"),
        ({"pga": (1e308, 0.0)}, ""),
    ],
)
def test_a_station_off_the_globe_is_impossible(changes, refused):
    problem = detections.impossible(beat(**changes), START_US)
    assert problem.startswith(refused)
    assert bool(problem) == bool(refused)


peak = st.floats(1e-12, 1e5)


@given(st.lists(peak, min_size=1, max_size=20))
@example([9.995e-8, 9.994999e-8, 1e-7, 0.999499, 0.9995001, 1e-10])
def test_peaks_have_three_digits(values):
    for value, rounded in zip(values, _rounded(np.array(values)).tolist(), strict=True):
        shown = f"{rounded:.2e}"
        assert float(shown) == rounded
        step = 10.0 ** (int(shown.split("e")[1]) - 2)
        assert abs(rounded - value) <= 0.5 * step * (1 + 1e-9)


def test_peaks_that_json_cannot_say_are_the_largest():
    given = np.array([0.0, np.inf, np.nan, 1e300])
    assert _rounded(given).tolist() == [0.0, LARGEST, LARGEST, LARGEST]


def many(count, seconds, code="HNZ"):
    """Values of many stations, one after another in every second."""
    names = {f"XX.{n:05d}": (40.0 + n / 1000, 70.0 + n / 1000) for n in range(count)}
    samples = np.random.default_rng(1).normal(0.0, 30.0, (seconds, 20)).astype(np.int32)
    packets = []
    for second in range(seconds):
        for name in names:
            packets += cut(f"{name}..{code}", samples[second], 20.0, start_s=START_S + second)
    return names, records(packets)


def test_many_stations_come_in_several_heartbeats_by_name():
    names, read = many(2 * MOST_STATIONS + 100, 3)
    operator = PickOperator(0, table(names), DetectSettings(), IngestSettings())
    first = read[: len(names)]
    said = operator.process([*first[::-1], *read[len(names) :]])
    beats = [detections.decode(o.value) for o in said if o.topic == DETECTIONS.name]
    assert [len(b.stations) for b in beats] == [MOST_STATIONS, MOST_STATIONS, 100] * 2
    for second in (beats[:3], beats[3:]):
        together = [name for b in second for name in b.stations]
        assert together == sorted(names)
        places = [(a, b) for s in second for a, b in zip(s.latitude, s.longitude, strict=True)]
        assert places == [names[name] for name in together]
        assert all(s.faults == {"warming": tuple(range(len(s.stations)))} for s in second)
    assert len({b.time_us for b in beats}) == 2


def test_a_full_heartbeat_fits_into_a_kafka_message():
    n = MOST_STATIONS
    full = beat(
        stations=("XX.ABCDE",) * n,
        latitude=(-89.123456789012345,) * n,
        longitude=(-179.12345678901234,) * n,
        data_end_us=(START_US,) * n,
        pga=(1.23e-7,) * n,
        pgv=(1.23e-7,) * n,
        faults={name: tuple(range(n)) for name in FAULTS},
    )
    assert len(detections.encode(full)) < KAFKA_MOST / 5


def as_heartbeat(frame):
    """The same in a heartbeat."""
    stations = frame.stations
    assert not any(s.since_picks for s in stations)
    return Heartbeat(
        partition=frame.partition,
        time_us=frame.time_us,
        stations=tuple(s.station for s in stations),
        latitude=tuple(s.latitude for s in stations),
        longitude=tuple(s.longitude for s in stations),
        data_end_us=tuple(s.data_end_us for s in stations),
        pga=tuple(s.pga for s in stations),
        pgv=tuple(s.pgv for s in stations),
        faults={
            name: tuple(i for i, s in enumerate(stations) if name in s.faults)
            for name in sorted({name for s in stations for name in s.faults})
        },
    )


NEAR = ring(42.5, 74.6, 25.0, 6)
SOURCE = (42.52, 74.62, 10.0)


def some_faulty(name, time_us):
    """One station late all the time, one now and then."""
    second = time_us // 1_000_000
    faulty = name == "XX.S01" or (name == "XX.S02" and second % 3 == 0)
    return {"faults": ("late",) if faulty else ()}


@pytest.mark.parametrize("out", [(), ("XX.S03",)])
def test_the_locator_says_the_same_of_heartbeats_as_of_frames(out):
    """An earthquake that stands, and one that two stations alone see: it falls.

    What is felt is left out: of a heartbeat it is only what is strong.
    """
    picks = earthquake_picks(NEAR, SOURCE, START_US + 20_000_000)
    two = dict(list(NEAR.items())[4:])
    alone = earthquake_picks(two, SOURCE, START_US + 260_000_000)
    told = frames(NEAR, START_US, START_US + 330_000_000, made=some_faulty, out=out)
    beats = [(arrival, as_heartbeat(frame)) for arrival, frame in told]
    shaken = [
        (arrival + 1, msgspec.structs.replace(frame, stations=moving))
        for quake, begin in ((picks, 20), (alone, 260))
        for arrival, frame in frames(
            NEAR,
            START_US + begin * 1_000_000,
            START_US + (begin + 30) * 1_000_000,
            made=moved(quake, SOURCE, START_US + begin * 1_000_000),
            out=out,
        )
        if (moving := tuple(s for s in frame.stations if s.since_picks))
    ]
    said = []
    for reports in (told, beats):
        operator = LocateOperator(DetectSettings(), load())
        read = detection_records(picks, alone, reports, shaken)
        found = [events.decode(o.value) for o in operator.process(read)]
        states = [
            (e.id, e.status, e.latitude, e.longitude, e.depth_km, e.silent_stations) for e in found
        ]
        said.append([state for state, _ in itertools.groupby(states)])
    assert said[0] == said[1]
    statuses = [status for _, status, *_ in said[0]]
    assert "confirmed" in statuses
    assert statuses[-1] == "cancelled"


def test_heartbeats_of_any_batches_are_the_same():
    _, read = many(5, 20)
    jittered = [msgspec.structs.replace(r, timestamp=r.timestamp + 37 * i) for i, r in
                enumerate(read)]  # fmt: skip
    said = []
    for size in (1, 3, 1000):
        operator = PickOperator(2, table({f"XX.{n:05d}": (1.0, 2.0) for n in range(5)}),
                                DetectSettings(), IngestSettings())  # fmt: skip
        outputs = []
        for begin in range(0, len(jittered), size):
            outputs += operator.process(jittered[begin : begin + size])
        said.append(outputs)
    assert said[0] == said[1] == said[2]
    kinds = {type(detections.decode(o.value)) for o in said[0] if o.topic == DETECTIONS.name}
    assert kinds == {Heartbeat}
