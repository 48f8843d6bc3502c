"""What every log keeps: places, order, times and commits, whatever it is made of."""

import asyncio
import itertools
import os
import time
from collections.abc import Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.kafka import KafkaLog
from stream.kafka_settings import KafkaSettings
from stream.layout import Layout
from stream.log import Committed
from stream.memory import MemoryLog
from stream.records import Output, Record

TOPICS = {"many": 4, "one": 1, "other": 3}
numbers = itertools.count()


@asynccontextmanager
async def memory(partitions: Mapping[str, int]):
    yield MemoryLog(partitions)


class OnKafka:
    """Empty topics on real brokers: new ones, with a prefix of their own, each time."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    @asynccontextmanager
    async def __call__(self, partitions: Mapping[str, int]):
        kafka = KafkaSettings(
            bootstrap=self.bootstrap,
            prefix=f"contract-{os.getpid()}-{next(numbers)}.",
            replication=1,
            in_sync=1,
        )
        async with KafkaLog.opened(kafka) as log:
            await log.create(
                [Layout(name, count, 1, 1, -1, 0, 2_000_000) for name, count in partitions.items()]
            )
            yield log


@pytest.fixture(params=["memory", "kafka"], scope="session")
def opened(request):
    """Every kind of log: an async context that gives an empty one with these topics."""
    if request.param == "memory":
        return memory
    return OnKafka(request.getfixturevalue("kafka_bootstrap"))


@pytest.fixture(scope="session")
def examples(opened):
    """How many examples of a property are tried: each makes topics anew."""
    return 100 if opened is memory else 8


def run(opened, check, partitions=TOPICS):
    """Run a coroutine function on an empty log."""

    async def inside():
        async with opened(partitions) as log:
            return await check(log)

    return asyncio.run(inside())


def output(number, key=b"XX.A", topic="one", timestamp=None, headers=()):
    arrival = 1000 + number if timestamp is None else timestamp
    return Output(topic, key, b"value %d" % number, number, arrival, headers)


async def everything(log, topic):
    found = []
    for partition in range(log.partitions(topic)):
        end = await log.end(topic, partition)
        found.append(await log.read(topic, partition, 0, end + 10))
    return found


def test_an_empty_log_is_empty(opened):
    async def check(log):
        assert {name: log.partitions(name) for name in TOPICS} == TOPICS
        assert await everything(log, "many") == [[], [], [], []]
        assert (await log.begin("many", 2), await log.end("many", 2)) == (0, 0)
        assert await log.offset_for_time("many", 2, 0) == 0
        assert await log.committed("group", "many", 2) is None
        await log.append([])
        assert await log.end("many", 2) == 0

    run(opened, check)


def test_a_record_is_what_was_written(opened):
    async def check(log):
        headers = (("event", b"\xff\x00"), ("cause", b"a/0/1/2"), ("event", b"twice"))
        await log.append([Output("one", b"k\x00", b"\x00v", 77, 123456, headers)])
        return await log.read("one", 0, 0, 10)

    assert run(opened, check) == [
        Record(
            "one",
            0,
            0,
            123456,
            b"k\x00",
            b"\x00v",
            (("event", b"\xff\x00"), ("cause", b"a/0/1/2"), ("event", b"twice")),
        )
    ]


def test_a_key_stays_in_its_partition_and_in_order(opened):
    keys = [b"XX.%d" % n for n in range(40)]

    async def check(log):
        number = 0
        for _ in range(5):
            await log.append([output(number + i, k, "many") for i, k in enumerate(keys)])
            number += len(keys)
        return await everything(log, "many")

    partitions = run(opened, check)
    homes = {}
    for place, records in enumerate(partitions):
        assert records, "forty keys leave no partition empty"
        assert [r.offset for r in records] == list(range(len(records)))
        assert [r.partition for r in records] == [place] * len(records)
        for record in records:
            assert homes.setdefault(record.key, place) == place
        for key in {r.key for r in records}:
            times = [r.timestamp for r in records if r.key == key]
            assert times == sorted(times)
            assert len(times) == 5
    assert sorted(homes) == sorted(keys)


def test_two_logs_place_a_key_alike(opened):
    async def check(log):
        await log.append([output(n, b"XX.%d" % n, "many") for n in range(40)])
        return [[r.key for r in records] for records in await everything(log, "many")]

    assert run(opened, check) == run(opened, check)


def test_read_gives_what_stands_from_an_offset_on(opened, examples):
    @settings(max_examples=examples)
    @given(sizes=st.lists(st.integers(0, 7), max_size=12), data=st.data())
    def holds(sizes, data):
        total = sum(sizes)
        offset = data.draw(st.integers(0, total + 3))
        limit = data.draw(st.integers(1, total + 3))
        read_from(opened, sizes, offset, limit)

    holds()


def read_from(opened, sizes, offset, limit):
    total = sum(sizes)

    async def check(log):
        number = 0
        for size in sizes:
            await log.append([output(number + i) for i in range(size)])
            number += size
            assert await log.end("one", 0) == number
        assert await log.begin("one", 0) == 0
        return await log.read("one", 0, offset, limit)

    records = run(opened, check)
    expected = list(range(total))[offset : offset + limit]
    assert [r.offset for r in records] == expected
    assert [r.value for r in records] == [b"value %d" % n for n in expected]


def test_topics_do_not_mix(opened):
    async def check(log):
        await log.append([output(0, topic="one"), output(1, topic="many"), output(2, topic="one")])
        assert [r.value for r in await log.read("one", 0, 0, 9)] == [b"value 0", b"value 2"]
        assert sum(len(p) for p in await everything(log, "many")) == 1
        assert sum(len(p) for p in await everything(log, "other")) == 0

    run(opened, check)


def test_offset_for_time_is_the_first_that_arrived_then_or_later(opened, examples):
    """Arrivals may be equal, and may go back: the first in the order of the log counts."""

    @settings(max_examples=examples)
    @given(times=st.lists(st.integers(0, 50), max_size=30), asked=st.integers(-5, 60))
    def holds(times, asked):
        async def check(log):
            for i, t in enumerate(times):
                await log.append([output(i, timestamp=t)])
            return await log.offset_for_time("one", 0, asked)

        expected = next((i for i, t in enumerate(times) if t >= asked), len(times))
        assert run(opened, check) == expected

    holds()


def test_commits_are_by_group_topic_and_partition(opened):
    async def check(log):
        await log.append([output(n, b"XX.%d" % n, "many") for n in range(40)])
        detect, locate = await log.join("detect", "many"), await log.join("locate", "many")
        for member in (detect, locate):
            for partition in member.turns():
                member.seek(partition, 0)
        assert await detect.commit({1: Committed(5, 70), 2: Committed(3, 71)})
        assert await locate.commit({1: Committed(2, 72)})
        assert await detect.commit({1: Committed(7, 73)})
        return [
            await log.committed("detect", "many", 1),
            await log.committed("detect", "many", 2),
            await log.committed("detect", "many", 0),
            await log.committed("locate", "many", 1),
            await log.committed("locate", "other", 1),
        ]

    expected = [Committed(7, 73), Committed(3, 71), None, Committed(2, 72), None]
    assert run(opened, check) == expected


async def read_all(member, total):
    """Read until so many have come, or nothing comes any more."""
    found = []
    while len(found) < total:
        batches = await member.read(7, 2.0)
        if not batches:
            break
        for partition, records in batches.items():
            assert [r.partition for r in records] == [partition] * len(records)
            found += records
    return found


def test_a_member_reads_each_record_once_in_order(opened):
    async def check(log):
        await log.append([output(n, b"XX.%d" % n, "many") for n in range(40)])
        member = await log.join("group", "many")
        assert set(member.turns()) == {0, 1, 2, 3}
        assert await member.read(7, 0.2) == {}, "nothing is read before it is told where"
        for partition in member.turns():
            member.seek(partition, 1)
        found = await read_all(member, 36)
        behind = [member.behind(partition) for partition in range(4)]
        assert await member.read(7, 0.1) == {}
        return found, behind, await everything(log, "many")

    found, behind, standing = run(opened, check)
    for partition, records in enumerate(standing):
        assert [r for r in found if r.partition == partition] == records[1:]
    assert behind == [0, 0, 0, 0]


def test_a_member_reads_on_what_comes_later(opened):
    async def check(log):
        member = await log.join("group", "one")
        member.seek(0, 0)
        assert await member.read(10, 0.0) == {}

        async def later():
            await asyncio.sleep(0.1)
            await log.append([output(0)])

        _, batches = await asyncio.gather(later(), member.read(10, 10.0))
        return batches

    assert [r.value for r in run(opened, check)[0]] == [b"value 0"]


def test_seek_reads_again(opened):
    async def check(log):
        await log.append([output(n) for n in range(10)])
        member = await log.join("group", "one")
        member.seek(0, 4)
        first = await read_all(member, 6)
        member.seek(0, 2)
        return [r.offset for r in first], [r.offset for r in await read_all(member, 8)]

    assert run(opened, check) == ([4, 5, 6, 7, 8, 9], [2, 3, 4, 5, 6, 7, 8, 9])


def test_each_partition_is_one_member_s_at_a_time(opened):
    """Whoever joins takes all or a part; what was another's is so no more, and is not committed."""

    async def settled(members, partitions):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            for member in members:
                await member.read(1, 0.05)
            held = [p for member in members for p in member.turns()]
            if sorted(held) == list(range(partitions)):
                return
        raise AssertionError(f"partitions are held thus: {[m.turns() for m in members]}")

    async def check(log):
        await log.append([output(n, b"XX.%d" % n, "many") for n in range(40)])
        first = await log.join("group", "many")
        before = dict(first.turns())
        for partition in before:
            first.seek(partition, 0)
        joining = asyncio.create_task(log.join("group", "many"))
        while not joining.done():
            await first.read(1, 0.05)
        second = await joining
        await settled([first, second], 4)
        assert second.turns()
        for partition, turn in first.turns().items():
            assert turn != before[partition], "the turn is another"
        lost = next(iter(second.turns()))
        assert not await first.commit({lost: Committed(9, 1)})
        assert await log.committed("group", "many", lost) is None
        await first.leave()
        await settled([second], 4)
        for partition in second.turns():
            second.seek(partition, 0)
        found = await read_all(second, 40)
        assert len(found) == 40
        await second.leave()

    run(opened, check)


def test_wait_ends_with_an_append_or_in_time(opened):
    async def check(log):
        began = time.perf_counter()
        await log.wait(0.05)
        waited = time.perf_counter() - began
        assert waited >= 0.04

        async def later():
            await asyncio.sleep(0.02)
            await log.append([output(0)])

        began = time.perf_counter()
        _, _ = await asyncio.gather(log.wait(30.0), later())
        assert time.perf_counter() - began < 10.0
        assert await log.end("one", 0) == 1

    run(opened, check)


def test_what_came_before_the_wait_ends_it(opened):
    async def check(log):
        await log.append([output(0)])
        began = time.perf_counter()
        await log.wait(30.0)
        return time.perf_counter() - began

    assert run(opened, check) < 10.0


def test_all_who_wait_are_woken(opened):
    async def check(log):
        async def later():
            await asyncio.sleep(0.02)
            await log.append([output(0)])

        began = time.perf_counter()
        await asyncio.gather(log.wait(30.0), log.wait(30.0), later())
        return time.perf_counter() - began

    assert run(opened, check) < 10.0


def test_a_memory_log_lets_go_of_the_old_and_counts_on():
    async def check():
        log = MemoryLog(retention=timedelta(seconds=2))
        for begin in range(0, 10_000, 100):
            await log.append([output(n) for n in range(begin, begin + 100)])
        begin, end = await log.begin("one", 0), await log.end("one", 0)
        kept = await log.read("one", 0, begin, 10_000)
        assert end == 10_000
        assert [r.offset for r in kept] == list(range(begin, end))
        assert [r.value for r in kept] == [b"value %d" % n for n in range(begin, end)]
        assert 2000 <= len(kept) <= 2000 + 1024
        assert await log.read("one", 0, 0, 3) == kept[:3]
        assert await log.offset_for_time("one", 0, 0) == begin
        assert await log.offset_for_time("one", 0, 1000 + 9990) == 9990
        assert await log.offset_for_time("one", 0, 10**9) == end
        await log.append([output(10_000)])
        assert [r.offset for r in await log.read("one", 0, end, 9)] == [end]

    asyncio.run(check())


def test_a_memory_log_without_retention_keeps_all():
    async def check():
        log = MemoryLog()
        await log.append([output(n, timestamp=n * 10**6) for n in range(5000)])
        assert await log.begin("one", 0) == 0
        assert len(await log.read("one", 0, 0, 10_000)) == 5000

    asyncio.run(check())
