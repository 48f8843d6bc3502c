"""A state rebuilt from `memory` before a record goes on as the one that never stopped.

All that it says is the same to the byte: picks, motion, events and alerts.
"""

import bisect

import msgspec
import numpy as np
import pytest
from made_detections import START_US, earthquake_picks, frames, moved, ring
from made_detections import records as detection_records
from made_recordings import SHORT, recording, records, table

from alatau import Configuration, pipeline
from detect import detections
from detect.detections import Pick
from detect.locator import LocateOperator
from detect.picker import PickOperator
from detect.traveltimes import load
from dispatch import places
from dispatch.service import DispatchOperator
from stream.records import Record
from stream.topics import DETECTIONS

CODES = ("HNZ", "HNE")
SHOCKS = [
    (35.0 + 40.37 * i, 42.5 + 0.06 * (i % 3), 74.6 - 0.05 * (i % 2), 10.0, 0.02) for i in range(7)
]
FELT = {1: ("KR.AAA", "KR.DDD"), 3: ("KR.BBB", "KR.CCC"), 5: ("KR.AAA", "KR.BBB", "KR.EEE")}


def rebuilt(make, read, stop):
    """What is said of the records from `stop` on by a state made of `memory` before."""
    times = [r.timestamp for r in read]
    operator = make()
    since = times[stop - 1] - int(operator.memory.total_seconds() * 1000)
    begin = min(bisect.bisect_left(times, since), stop)
    return begin, [o for o in operator.process(read[begin:]) if o.cause >= stop]


def stops(read, memory, many):
    """Records at which to stop, such that the rewind does not reach the first one."""
    first = next(i for i, r in enumerate(read) if r.timestamp > read[0].timestamp + memory * 1000)
    return np.linspace(first + 1, len(read) - 5, many).astype(int).tolist()


def is_pick(output):
    return isinstance(detections.decode(output.value), Pick)


@pytest.mark.parametrize(
    ("configuration", "seconds", "rate", "unit"),
    [
        (SHORT, 330, 100.0, "m/s2"),
        (SHORT, 330, 31.1237, "m/s2"),
        (SHORT, 330, 20.0, "m/s"),
        (Configuration(), 700, 31.25, "m/s2"),
    ],
)
def test_the_picker_forgets_what_is_older_than_its_memory(configuration, seconds, rate, unit):
    shocks = [(s[0] + seconds - 330, *s[1:]) for s in SHOCKS] + [(15.0, 42.5, 74.6, 10.0, 2.0)]
    played = recording(seconds, shocks, rate=rate, offset=123456.0, codes=CODES)
    read = records(played.packets)
    channels = table(codes=CODES, unit=unit)

    def make():
        return PickOperator(0, channels, configuration.detect, configuration.ingest)

    whole = make().process(read)
    assert sum(is_pick(o) for o in whole if o.topic == DETECTIONS.name) >= 15
    for stop in stops(read, make().memory.total_seconds(), 4):
        begin, said = rebuilt(make, read, stop)
        expected = [o for o in whole if o.cause >= stop]
        assert 0 < begin < stop
        assert said == expected


def test_the_locator_forgets_what_is_older_than_its_memory():
    """Frames of two partitions come at different times of the second, as they do."""
    near = ring(42.5, 74.6, 20.0, 3)
    far = {f"YY.F{n}": at for n, at in enumerate(ring(42.5, 74.6, 60.0, 4, 45.0).values())}
    two = dict(list(near.items())[:2])
    source = (42.5, 74.6, 10.0)
    begins = [START_US + begin for begin in range(20_000_000, 290_000_000, 25_370_000)]
    shakes = [
        earthquake_picks(near | far if i % 3 == 0 else two, source, begin)
        for i, begin in enumerate(begins)
    ]
    quakes = zip(shakes, begins, strict=True)
    moves = [moved(picks, source, at, lasts_s=12.0) for picks, at in quakes]

    def made(name, time_us):
        return next((m for m in (move(name, time_us) for move in reversed(moves)) if m), {})

    read = detection_records(
        *shakes,
        frames(near, START_US, START_US + 310_000_000, made=made),
        frames(far, START_US + 500_000, START_US + 310_000_000, partition=1, made=made),
    )
    tables = load()
    close = msgspec.structs.replace(SHORT.detect.locate, search_km=80.0)
    quick = msgspec.structs.replace(SHORT.detect, locate=close)

    def make():
        return LocateOperator(quick, tables)

    whole = make().process(read)
    statuses = {msgspec.json.decode(o.value)["status"] for o in whole}
    assert statuses == {"provisional", "confirmed", "cancelled"}
    for stop in stops(read, make().memory.total_seconds(), 25):
        begin, said = rebuilt(make, read, stop)
        assert 0 < begin < stop
        assert said == [o for o in whole if o.cause >= stop]


def test_every_stage_from_samples_to_alerts_goes_on_alike():
    """Stage by stage over what the stage before has written, each with its own memory."""
    played = recording(330, SHOCKS, only=FELT)
    towns, tables = places.load(), load()
    makers = [
        lambda: PickOperator(0, played.channels, SHORT.detect, SHORT.ingest),
        lambda: LocateOperator(SHORT.detect, tables),
        lambda: DispatchOperator(SHORT.dispatch, towns, tables),
    ]
    read = records(played.packets)
    stages = {stage.name: stage for stage in pipeline(SHORT, played.channels)}
    for make, stage in zip(makers, map(stages.get, ("detect", "locate", "dispatch")), strict=True):
        assert type(make()) is type(stage.make(0))
        whole = [o for o in make().process(read) if o.topic != "rejects"]
        assert whole
        for stop in np.linspace(2, len(read) - 1, 4).astype(int).tolist():
            _, said = rebuilt(make, read, stop)
            expected = [o for o in whole if o.cause >= stop]
            assert said == expected
        read = [
            Record(o.topic, 0, i, o.timestamp, o.key, o.value)
            for i, o in enumerate(o for o in whole if o.topic == whole[0].topic)
        ]
