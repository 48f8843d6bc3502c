"""The runner: nothing is said twice, and a stop at any record changes nothing."""

import asyncio
import logging
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import FailingLog, Stopped

from stream import rejects
from stream.causes import unseen
from stream.log import Committed
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.records import Output
from stream.runner import CAUSE, StageRunner
from stream.topics import REJECTS, Topic

IN = Topic("in", "key", "numbers", outside=True)
MIDDLE, OUT = (Topic(name, "key", "numbers") for name in ("middle", "out"))
REMARKS = Topic("remarks", "key", "what was noticed by the way")


class Sums:
    """Says for each record the sum of its key's numbers within 5 s, as often as the number says."""

    memory = timedelta(seconds=5)

    def __init__(self, topic=MIDDLE):
        self.topic = topic
        self.held = {}

    def process(self, batch):
        outputs = []
        for record in batch:
            held = self.held.setdefault(record.key, [])
            held.append((record.timestamp, int(record.value)))
            held[:] = [(t, n) for t, n in held if t >= record.timestamp - 5000]
            total = sum(n * (i + 1) for i, (_, n) in enumerate(held))
            outputs += [
                Output(
                    self.topic.name,
                    record.key,
                    b"%d" % (total + again),
                    record.offset,
                    record.timestamp,
                )
                for again in range(int(record.value) % 3)
            ]
        return outputs


class Collect:
    """Keeps what it reads, by key."""

    memory = timedelta(days=999)

    def __init__(self, found):
        self.found = found

    def process(self, batch):
        for record in batch:
            self.found.setdefault(record.key, []).append((record.timestamp, record.value))
        return []


def stage(make=Sums, name="sums", reads=IN):
    return Stage(name, reads, lambda _: make())


def given_numbers(numbers, keys=(b"a",), step_ms=500):
    return [
        Output(IN.name, keys[i % len(keys)], b"%d" % n, i, 1_000_000 + i * step_ms)
        for i, n in enumerate(numbers)
    ]


async def started(log, what, **options):
    runner = StageRunner(log, what, **options)
    await runner.start()
    return runner


async def drain(runner):
    while await runner.step():
        pass


async def read(log, topic):
    """Every record of a topic, by partition."""
    return [
        await log.read(topic.name, p, 0, await log.end(topic.name, p))
        for p in range(log.partitions(topic.name))
    ]


async def heard(log, topic):
    """What a reader makes of a topic, by key: repeats are dropped."""
    found = {}
    await drain(await started(log, Stage("reader", topic, lambda _: Collect(found))))
    return found


def causes(records):
    return [dict(r.headers)[CAUSE].decode() for r in records]


def test_every_value_names_its_cause():
    async def check():
        log = MemoryLog()
        await log.append(given_numbers([1, 0, 2, 5]))
        await drain(await started(log, stage()))
        records = (await read(log, MIDDLE))[0]
        assert causes(records) == ["in/0/0/0", "in/0/2/0", "in/0/2/1", "in/0/3/0", "in/0/3/1"]
        assert [r.timestamp for r in records] == [1000000, 1001000, 1001000, 1001500, 1001500]
        assert await log.committed("sums", "in", 0) == Committed(4, 1001500)

    asyncio.run(check())


def test_headers_of_the_stage_are_kept():
    class Says:
        memory = timedelta(0)

        def process(self, batch):
            return [Output("out", b"k", b"v", r.offset, 1, (("event", b"e"),)) for r in batch]

    async def check():
        log = MemoryLog()
        await log.append(given_numbers([1]))
        await drain(await started(log, stage(Says)))
        assert (await read(log, OUT))[0][0].headers == (("event", b"e"), (CAUSE, b"in/0/0/0"))

    asyncio.run(check())


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_restarted_runner_says_nothing_twice(partitions):
    async def check():
        log = MemoryLog({"in": partitions})
        numbers = [n % 7 for n in range(60)]
        keys = [b"k%d" % n for n in range(5)]
        await log.append(given_numbers(numbers, keys))
        await drain(await started(log, stage(), limit=7))
        before = await read(log, MIDDLE)
        for _ in range(3):
            await drain(await started(log, stage(), limit=4))
        assert await read(log, MIDDLE) == before

    asyncio.run(check())


def test_a_restarted_runner_goes_on_with_the_state_it_had():
    async def check():
        numbers = [n % 7 for n in range(60)]
        whole, parted = MemoryLog(), MemoryLog()
        await whole.append(given_numbers(numbers))
        await drain(await started(whole, stage()))
        for begin in range(0, 60, 7):
            await parted.append(given_numbers(numbers)[begin : begin + 7])
            await drain(await started(parted, stage(), limit=3))
        assert await read(parted, MIDDLE) == await read(whole, MIDDLE)

    asyncio.run(check())


def test_the_state_is_rebuilt_from_the_memory_alone():
    read_again = []

    class Notes(Sums):
        def process(self, batch):
            read_again.extend(r.offset for r in batch)
            return super().process(batch)

    async def check():
        log = MemoryLog()
        await log.append(given_numbers([1] * 60))
        await drain(await started(log, stage()))
        await drain(await started(log, stage(Notes)))
        assert read_again == list(range(49, 60)), "5 s before record 59, one each 0.5 s"

    asyncio.run(check())


def test_a_batch_across_the_committed_offset_is_muted_in_part():
    async def check():
        log = MemoryLog()
        await log.append(given_numbers([1] * 10))
        await drain(await started(log, stage()))
        await log.append(given_numbers([1] * 15)[10:])
        await drain(await started(log, stage(), limit=1000))
        assert causes((await read(log, MIDDLE))[0]) == [f"in/0/{n}/0" for n in range(15)]

    asyncio.run(check())


@pytest.mark.parametrize("written", [0, 1, 4, 99])
def test_what_a_crash_repeats_is_dropped_by_the_reader(written):
    """The crash comes while outputs are appended, or (99) between append and commit."""

    async def check():
        numbers = [n % 5 for n in range(40)]
        whole = MemoryLog()
        await whole.append(given_numbers(numbers))
        await drain(await started(whole, stage()))

        log = FailingLog(MemoryLog())
        await log.append(given_numbers(numbers))
        runner = await started(log, stage(), limit=10)
        await runner.step()
        if written == 99:
            log.commit_fails = True
        else:
            log.append_only = written
        with pytest.raises(Stopped):
            await runner.step()
        assert (await log.committed("sums", "in", 0)).offset == 10
        await drain(await started(log, stage(), limit=10))
        more = len((await read(log, MIDDLE))[0]) - len((await read(whole, MIDDLE))[0])
        assert more == min(written, 8), "ten records say 0, 1, 2, 0, 1 and the same again"
        assert await heard(log, MIDDLE) == await heard(whole, MIDDLE)

    asyncio.run(check())


def test_a_reader_that_was_itself_restarted_drops_repeats():
    async def check():
        log = FailingLog(MemoryLog())
        await log.append(given_numbers([1, 2, 4, 5]))
        runner = await started(log, stage())
        reader = stage(lambda: Sums(OUT), "reader", MIDDLE)
        log.commit_fails = True
        with pytest.raises(Stopped):
            await runner.step()
        await drain(await started(log, reader))
        said = await read(log, OUT)
        await drain(await started(log, stage()))
        assert len((await read(log, MIDDLE))[0]) == 2 * (1 + 2 + 1 + 2)
        await drain(await started(log, reader))
        assert await read(log, OUT) == said

    asyncio.run(check())


def test_partitions_are_dropped_by_each_on_its_own():
    """Offsets of different partitions say nothing of each other."""

    async def check():
        log = MemoryLog({"in": 3})
        keys = [b"k%d" % n for n in range(9)]
        await log.append(given_numbers([1] * 90, keys))
        await drain(await started(log, stage(), limit=5))
        found = await heard(log, MIDDLE)
        assert {key: len(said) for key, said in found.items()} == dict.fromkeys(keys, 10)

    asyncio.run(check())


def test_a_remark_to_another_topic_does_not_count_where_it_is_not_written():
    """What a stage says beside its results may hang on when it started; the results may not."""

    class Remarks(Sums):
        def __init__(self):
            super().__init__()
            self.read = 0

        def process(self, batch):
            outputs = []
            for record in batch:
                self.read += 1
                if self.read % 2:
                    outputs.append(Output(REMARKS.name, b"k", b"again", record.offset, 0))
                outputs += super().process([record])
            return outputs

    async def check():
        log = FailingLog(MemoryLog())
        await log.append(given_numbers([1, 2, 1, 2, 1, 2, 1], step_ms=60_000))
        runner = await started(log, stage(Remarks), limit=4)
        log.commit_fails = True
        with pytest.raises(Stopped):
            await runner.step()
        member = await log.join("sums", "in")
        await member.commit({0: Committed(2, 1_060_000)})
        await drain(await started(log, stage(Remarks), limit=4))
        found = await heard(log, MIDDLE)
        assert len(found[b"a"]) == 10

    asyncio.run(check())


def test_values_without_a_cause_are_never_dropped():
    async def check():
        log = MemoryLog()
        same = Output(IN.name, b"a", b"1", 0, 5)
        await log.append([same, same, same])
        assert len((await heard(log, IN))[b"a"]) == 3

    asyncio.run(check())


def test_a_log_that_keeps_too_little_is_named(caplog):
    async def check():
        log = MemoryLog(retention=timedelta(seconds=2))
        await log.append(given_numbers([1] * 2048, step_ms=10))
        assert await log.begin("in", 0) > 0
        await drain(await started(log, stage()))
        caplog.clear()
        with caplog.at_level(logging.WARNING, "alatau.stream"):
            await started(log, stage())
        assert "Keep more of the topic" in caplog.text
        caplog.clear()
        await started(MemoryLog(), stage())
        assert caplog.text == ""

    asyncio.run(check())


def test_a_group_behind_what_is_kept_begins_at_the_oldest():
    async def check():
        log = MemoryLog(retention=timedelta(seconds=2))
        await log.append(given_numbers([1] * 2048, step_ms=10))
        begin = await log.begin("in", 0)
        await drain(await started(log, stage()))
        assert causes((await read(log, MIDDLE))[0])[0] == f"in/0/{begin}/0"
        assert (await log.committed("sums", "in", 0)).offset == 2048

    asyncio.run(check())


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["append", "step", "step", "next", "stop", "stop next", "die", "torn"]),
        st.integers(0, 5),
    ),
    max_size=30,
)
STREAMS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=40)


@settings(max_examples=150)
@given(stream=STREAMS, actions=ACTIONS, limit=st.integers(1, 12))
def test_stops_at_any_record_change_nothing(stream, actions, limit):
    """Two stages, stopped and torn at any moment, say in the end what they say in one go."""
    outputs = []
    arrival = 1_000_000
    for i, (number, pause) in enumerate(stream):
        arrival += pause
        outputs.append(Output(IN.name, b"k%d" % (i % 3), b"%d" % number, i, arrival))
    first = stage()
    second = stage(lambda: Sums(OUT), "again", MIDDLE)

    async def in_one_go():
        log = MemoryLog()
        await log.append(outputs)
        await drain(await started(log, first))
        await drain(await started(log, second))
        return await heard(log, OUT)

    async def with_stops():
        log = FailingLog(MemoryLog())
        waiting = list(outputs)
        one = await started(log, first, limit=limit)
        two = await started(log, second, limit=limit)
        for action, number in actions:
            log.commit_fails = action == "die"
            log.append_only = number if action == "torn" else None
            try:
                if action == "append":
                    log.append_only = None
                    await log.append(waiting[: number + 1])
                    del waiting[: number + 1]
                elif action == "next":
                    await two.step()
                elif action == "stop next":
                    two = await started(log, second, limit=limit)
                elif action == "stop":
                    one = await started(log, first, limit=limit)
                else:
                    await one.step()
            except Stopped:
                one = await started(log, first, limit=limit)
        log.commit_fails, log.append_only = False, None
        await log.append(waiting)
        await drain(await started(log, first, limit=limit))
        await drain(await started(log, second, limit=limit))
        return await heard(log, OUT)

    assert asyncio.run(with_stops()) == asyncio.run(in_one_go())


@settings(max_examples=60)
@given(stream=STREAMS, cuts=st.lists(st.integers(1, 9), max_size=12), partitions=st.integers(1, 4))
def test_stops_with_several_partitions_change_nothing(stream, cuts, partitions):
    arrival = 1_000_000
    outputs = []
    for i, (number, pause) in enumerate(stream):
        arrival += pause
        outputs.append(Output(IN.name, b"k%d" % (i % 7), b"%d" % number, i, arrival))

    async def parted():
        log = MemoryLog({"in": partitions, "middle": 2})
        begin = 0
        for cut in cuts:
            await log.append(outputs[begin : begin + cut])
            begin += cut
            await (await started(log, stage(), limit=cut)).step()
        await log.append(outputs[begin:])
        await drain(await started(log, stage(), limit=3))
        return await heard(log, MIDDLE)

    async def in_one_go():
        log = MemoryLog()
        await log.append(outputs)
        await drain(await started(log, stage()))
        return await heard(log, MIDDLE)

    assert asyncio.run(parted()) == asyncio.run(in_one_go())


class Falls(Sums):
    """Falls over certain numbers, and leaves its state in a mess."""

    def process(self, batch):
        for record in batch:
            if int(record.value) in (666, 667):
                self.held.clear()
                raise ZeroDivisionError(record.value.decode())
        return super().process(batch)


@settings(max_examples=60)
@given(
    numbers=st.lists(st.sampled_from([1, 2, 4, 5, 666, 667]), max_size=30),
    limit=st.integers(1, 12),
    stops=st.lists(st.integers(1, 6), max_size=4),
)
def test_what_an_operator_falls_over_is_rejected_and_nothing_else_changes(numbers, limit, stops):
    good = [o for o in given_numbers(numbers) if int(o.value) < 666]

    async def with_falls():
        log = MemoryLog()
        await log.append(given_numbers(numbers))
        for steps in stops:
            runner = await started(log, stage(Falls), limit=limit)
            for _ in range(steps):
                await runner.step()
        await drain(await started(log, stage(Falls), limit=limit))
        refused = [rejects.decode(r.value) for r in unseen((await read(log, REJECTS))[0], {})]
        return (await heard(log, MIDDLE)), refused

    async def without_them():
        log = MemoryLog()
        await log.append(good)
        await drain(await started(log, stage()))
        return await heard(log, MIDDLE)

    found, refused = asyncio.run(with_falls())
    assert found == asyncio.run(without_them())
    assert sorted(r.offset for r in refused) == [i for i, n in enumerate(numbers) if n >= 666]
    assert all("ZeroDivisionError" in r.detail for r in refused)
