"""The benchmark of the operators measures what it says: all is read, and who is shaken picks."""

import pytest
from made_recordings import START_S

from benchmarks import operators
from benchmarks.made_network import Earthquake, Feed, station_table
from detect import detections
from detect.detections import Heartbeat, Motion, Pick
from stream.topics import REJECTS

STATIONS = 30
SHAKEN = 10


@pytest.fixture(scope="module")
def said():
    feed = Feed(STATIONS, Earthquake(at_once=SHAKEN, seconds=12))
    operator = operators._picker(station_table(STATIONS))
    outputs = []
    for second in range(operators.ORIGIN_S + 12):
        values = operators._values(feed, second)
        assert len(values) == STATIONS
        assert [v.timestamp for v in values] == sorted(v.timestamp for v in values)
        outputs += operator.process(values)
    assert not [o for o in outputs if o.topic == REJECTS.name]
    return feed, [detections.decode(o.value) for o in outputs]


def test_who_is_shaken_picks_p_at_once_and_is_followed(said):
    feed, told = said
    shaken = {feed.keys[number].decode() for number in feed.shaken}
    assert len(shaken) == SHAKEN
    picks = [d for d in told if isinstance(d, Pick) and d.phase == "P"]
    assert {p.station for p in picks} == shaken
    first = [min(p.time_us for p in picks if p.station == station) / 1e6 for station in shaken]
    assert min(first) > START_S + operators.ORIGIN_S
    assert max(first) - min(first) < 1.5
    followed = [s.station for d in told if isinstance(d, Motion) for s in d.stations]
    assert set(followed) == shaken


def test_all_others_stay_quiet_and_report_every_second(said):
    _, told = said
    beats = [d for d in told if isinstance(d, Heartbeat)]
    assert len(beats) == operators.ORIGIN_S + 12
    least = STATIONS - SHAKEN - 2  # that a value or two come in the next second
    assert all(len(b.stations) >= least for b in beats[2:])
    assert beats[operators.SETTLED_S].faults == {}
