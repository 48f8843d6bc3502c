"""A recording fed to workers on Kafka says what it says on the log in memory."""

import asyncio
import os
from pathlib import Path

import pytest

from alatau import Configuration, pipeline
from ingest.sources import archive
from replay import session
from replay.feed import FeedError, feed, moved_to
from stream.kafka import KafkaLog
from stream.kafka_settings import KafkaSettings
from stream.layout import layouts
from stream.memory import MemoryLog
from stream.work import work

RIDGECREST = Path(__file__).parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def recording():
    return archive.read(RIDGECREST, latency_s=0.5, packet_s=1.0)


@pytest.fixture(scope="module")
def stages(recording):
    return pipeline(Configuration(), recording.channels)


@pytest.fixture(scope="module")
def in_memory(recording, stages):
    return asyncio.run(session.replay(recording, stages))


def test_workers_on_kafka_say_what_a_replay_says(kafka_bootstrap, recording, stages, in_memory):
    kafka = KafkaSettings(
        bootstrap=kafka_bootstrap,
        prefix=f"feed-{os.getpid()}.",
        replication=1,
        in_sync=1,
        waveform_partitions=1,
        waveforms_h=-1,
        results_h=-1,
    )

    async def check():
        stop = asyncio.Event()
        async with KafkaLog.opened(kafka) as log:
            await log.create(layouts(kafka, {}, ["alerts.us"]))  # not alerts.mx: it is made
            working = asyncio.create_task(work(lambda: KafkaLog.opened(kafka), stages, stop))
            outcome = await feed(recording, stages, log, speed=None)
            with pytest.raises(FeedError, match="--now"):
                await feed(recording, stages, log, speed=None)
            stop.set()
            await working
        return outcome

    outcome = asyncio.run(check())
    assert {a.message.country for a in outcome.alerts} == {"US", "MX"}
    assert outcome.picks == in_memory.picks
    assert outcome.events == in_memory.events
    assert outcome.alerts == in_memory.alerts
    assert outcome.rejects == in_memory.rejects


def test_nobody_who_reads_is_said(monkeypatch, recording, stages):
    monkeypatch.setattr("replay.feed.PATIENCE_S", 0.3)
    with pytest.raises(FeedError, match=r"no worker runs `detect`.*alatau detect"):
        asyncio.run(feed(recording, stages, MemoryLog(), speed=None))


def test_a_recording_moved_in_time_says_the_same_then(recording, stages, in_memory):
    begin = recording.packets[0].arrival_ms + 1753 * DAY_MS + 12_345_678
    moved = asyncio.run(session.replay(moved_to(recording, begin), stages))
    shift_ms = begin - recording.packets[0].arrival_ms
    assert [p.known_ms - shift_ms for p in moved.picks] == [p.known_ms for p in in_memory.picks]
    assert [p.pick.time_us - shift_ms * 1000 for p in moved.picks] == [
        p.pick.time_us for p in in_memory.picks
    ]
    assert [e.origin_time_us - shift_ms * 1000 for e in moved.events] == [
        e.origin_time_us for e in in_memory.events
    ]
    assert [a.message.places_affected for a in moved.alerts] == [
        a.message.places_affected for a in in_memory.alerts
    ]
