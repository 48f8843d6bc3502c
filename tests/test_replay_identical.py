"""Same input, same bytes out: whatever the batches, the stops, and the partitions."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import FailingLog, Stopped
from made_recordings import SHORT, heard, outputs, played, read_all, recording

from alatau import Configuration, pipeline
from detect import detections, events
from detect.detections import Pick
from ingest.sources import archive
from stream.memory import MemoryLog
from stream.runner import CAUSE, StageRunner
from stream.topics import ALERTS, DETECTIONS, EVENTS, OBSERVATIONS, REJECTS, WAVEFORMS

RIDGECREST = Path(__file__).parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"
SAID = (DETECTIONS, OBSERVATIONS, EVENTS, ALERTS, REJECTS)
LONG = timedelta(days=99)


class Played:
    """A recording, its stages, and what they say when nothing is cut or stopped."""

    def __init__(self, source, configuration):
        self.packets = source.packets
        self.stages = pipeline(configuration, source.channels)
        self.log = played(self.packets, self.stages, slices=(10**6,), limit=10**6)
        self.said = said(self.log)


def said(log, topics=SAID):
    """Every byte in the topics, and the offsets, times and headers."""

    async def inside():
        return {topic.name: await read_all(log, topic) for topic in topics}

    return asyncio.run(inside())


@pytest.fixture(scope="module")
def ridgecrest():
    return Played(archive.read(RIDGECREST, latency_s=0.5), Configuration())


@pytest.fixture(scope="module")
def made():
    """Longer than what the stages remember, with events that stand and others that fall."""
    shocks = [
        (35.0 + 40.37 * i, 42.5 + 0.06 * (i % 3), 74.6 - 0.05 * (i % 2), 10.0, 0.05)
        for i in range(6)
    ]
    felt = {1: ("KR.AAA", "KR.DDD"), 3: ("KR.BBB", "KR.CCC")}
    return Played(recording(270, shocks, only=felt), SHORT)


def test_what_is_played_is_worth_comparing(ridgecrest, made):
    for each, shakes in ((ridgecrest, 1), (made, 4)):
        revisions = [events.decode(r.value) for r in each.said["events"]]
        assert len({e.id for e in revisions if e.status == "confirmed"}) >= shakes
        assert len(each.said["alerts"]) >= 3
        assert len(each.said["detections"]) > 300
    assert {e.status for e in revisions} == {"provisional", "confirmed", "cancelled"}


def test_two_replays_give_the_same_bytes(ridgecrest, made):
    for each in (ridgecrest, made):
        again = played(each.packets, each.stages, slices=(10**6,), limit=10**6)
        assert said(again) == each.said


CUTS = {
    "slices": st.lists(st.integers(1, 400), min_size=1, max_size=6),
    "limit": st.integers(1, 900),
}
few = settings(max_examples=8)


@few
@given(**CUTS)
def test_any_batching_gives_the_same_bytes_for_ridgecrest(ridgecrest, slices, limit):
    log = played(ridgecrest.packets, ridgecrest.stages, slices=slices, limit=limit)
    assert said(log) == ridgecrest.said


@few
@given(**CUTS)
def test_any_batching_gives_the_same_bytes(made, slices, limit):
    assert said(played(made.packets, made.stages, slices=slices, limit=limit)) == made.said


def test_one_packet_at_a_time_gives_the_same_bytes(made):
    log = played(made.packets, made.stages, slices=(1,), limit=1)
    assert said(log) == made.said


async def with_stops(each, stops, limit):
    """Play with stops of all stages, each (packets played since the last, steps, how).

    How: 0 in peace, 1 between append and commit of a batch, more: while that many outputs
    are appended.
    """
    log = FailingLog(MemoryLog())
    waiting = outputs(each.packets)

    async def started():
        runners = [StageRunner(log, stage, limit=limit) for stage in each.stages]
        for runner in runners:
            await runner.start()
        return runners

    for packets, steps, how in [*stops, (10**6, 10**6, 0)]:
        await log.append(waiting[:packets])
        del waiting[:packets]
        runners = await started()
        try:
            for step in range(steps):
                if how == 1 and step == steps - 1:
                    log.commit_fails = True
                if how > 1 and step == steps - 1:
                    log.append_only = how
                if not any([await runner.step() for runner in runners]):
                    break
        except Stopped:
            continue
        finally:
            log.commit_fails, log.append_only = False, None
    return log


def without_cause(records):
    """Values, keys, arrivals and headers; not the offsets, which repeats move on."""
    return Counter(
        (r.key, r.value, r.timestamp, tuple(h for h in r.headers if h[0] != CAUSE)) for r in records
    )


async def compared(each, stops, limit):
    log = await with_stops(each, stops, limit)
    for topic in (EVENTS, ALERTS):
        found = await heard(log, topic, LONG)
        assert without_cause(found) == without_cause(each.said[topic.name])
    picks = [r for r in await heard(log, DETECTIONS, LONG) if is_pick(r)]
    assert without_cause(picks) == without_cause(filter(is_pick, each.said["detections"]))


def is_pick(record):
    return isinstance(detections.decode(record.value), Pick)


STOPS = {
    "stops": st.lists(
        st.tuples(st.integers(1, 400), st.integers(1, 4), st.integers(0, 9)),
        min_size=1,
        max_size=6,
    ),
    "limit": st.integers(20, 600),
}


@few
@given(**STOPS)
def test_stops_change_no_event_and_no_alert_for_ridgecrest(ridgecrest, stops, limit):
    asyncio.run(compared(ridgecrest, stops, limit))


@few
@given(**STOPS)
def test_stops_change_no_event_and_no_alert(made, stops, limit):
    asyncio.run(compared(made, stops, limit))


def test_a_rewind_does_not_read_everything(made):
    """Else the tests above would rebuild every state from the first record."""
    offsets = []

    async def check():
        log = made.log
        for stage in made.stages[:2]:
            topic = stage.reads.name
            runner = StageRunner(log, stage)
            await runner.start()
            committed = (await log.committed(stage.name, topic, 0)).offset
            assert committed == await log.end(topic, 0)
            last = (await log.read(topic, 0, committed - 1, 1))[0].timestamp
            memory_ms = stage.make(0).memory.total_seconds() * 1000
            offsets.append(await log.offset_for_time(topic, 0, int(last - memory_ms)))

    asyncio.run(check())
    assert min(offsets) > 100


@pytest.mark.parametrize("partitions", [2, 3, 8])
def test_partitions_change_no_pick(ridgecrest, made, partitions):
    for each in (ridgecrest, made):
        log = played(each.packets, each.stages, partitions={WAVEFORMS.name: partitions})
        found = [r for r in said(log)["detections"] if is_pick(r)]
        assert without_cause(found) == without_cause(filter(is_pick, each.said["detections"]))
