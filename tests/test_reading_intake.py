"""What senders say, and how it comes into the log."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_readings import sensor

from ingest import observations
from ingest.errors import ClockError
from ingest.reading_intake import ReadingIntake, take_in_readings
from ingest.sent import Refused, Sorted, sort_out
from stream.log import LogError
from stream.memory import MemoryLog

SENSORS = {name: sensor(id=name) for name in ("A", "B")}
GOOD = {"sensor": "A", "time": "2026-07-01T06:00:00+06:00", "value": 152, "unit": "cm"}


def found(body, own=None):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return sort_out(text, SENSORS, "someone", own)


def test_one_reading_and_a_list_of_them_are_taken():
    (one,) = found(GOOD).taken
    assert (one.sensor, one.quantity, one.value, one.unit) == ("A", "stage", 152.0, "cm")
    assert one.time_us == 1_782_864_000_000_000
    assert found([GOOD, GOOD]).taken == (one, one)
    assert found([]) == Sorted()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sensor": "C"}, "unknown sensor"),
        ({"unit": "s"}, "unit"),
        ({"unit": "9**9**9"}, "unit"),
        ({"quantity": "rain"}, "quantity"),
        ({"time": "2026-07-01T06:00:00"}, "not a reading"),
        ({"time": "yesterday"}, "not a reading"),
        ({"value": "152"}, "not a reading"),
        ({"value": None}, "not a reading"),
        ({"value": True}, "not a reading"),
        ({"extra": 1}, "not a reading"),
        ({"sensor": "A" * 65}, "not a reading"),
    ],
)
def test_what_cannot_be_used_is_refused_by_itself(changes, reason):
    sorted_out = found([GOOD, {**GOOD, **changes}, GOOD])
    assert len(sorted_out.taken) == 2
    (part,) = sorted_out.refused
    assert (part.index, part.source, part.reason) == (1, "someone", reason)
    assert json.loads(part.value) == {**GOOD, **changes}


def test_no_field_may_be_missing():
    for name in GOOD:
        less = {key: value for key, value in GOOD.items() if key != name}
        assert [part.reason for part in found(less).refused] == ["not a reading"]


def test_a_sender_speaks_for_its_own_sensors():
    assert found(GOOD, {"A"}).taken
    assert [part.reason for part in found(GOOD, {"B"}).refused] == ["foreign sensor"]


@pytest.mark.parametrize("body", [b"", b"[", b"\xff", b"[" * 100_000, b'{"a":', b"NaN"])
def test_what_is_not_json_is_refused(body):
    (part,) = found(body).refused
    assert part.reason in ("not JSON", "not a reading")


@given(st.binary(max_size=300))
def test_no_bytes_are_too_strange(body):
    found(body)


class Clock:
    now_ms = 1_000_000

    def __call__(self):
        return self.now_ms


class Feed:
    """Offers what it was given, and notes what became of it."""

    def __init__(self, *bodies):
        self.bodies = bodies
        self.settled = []

    async def run(self, intake, stop):
        for body in self.bodies:
            future = intake.offer(found(body))
            await asyncio.wait({future})
            self.settled.append(not future.cancelled())
        await stop.wait()


def run(log, *feeds, clock=None, until):
    intake = ReadingIntake(clock or Clock())

    async def go():
        stop = asyncio.Event()
        taking = asyncio.create_task(take_in_readings(feeds, log, stop, clock, intake))
        async with asyncio.timeout(10):
            while not until() and not taking.done():
                await asyncio.sleep(0.001)
        stop.set()
        await taking

    asyncio.run(go())
    return intake


def test_what_comes_stands_in_the_log_with_its_arrival():
    log, feed = MemoryLog(), Feed([GOOD, {**GOOD, "unit": "s"}], {**GOOD, "sensor": "B"})
    intake = run(log, feed, until=lambda: len(feed.settled) == 2)
    assert feed.settled == [True, True]
    assert intake.counts == {"taken": 2, "unit": 1}

    async def look():
        taken = await log.read("observations", 0, 0, 10)
        refused = await log.read("rejects", 0, 0, 10)
        return taken, refused

    taken, refused = asyncio.run(look())
    assert [(r.key, r.timestamp) for r in taken] == [(b"A", 1_000_000), (b"B", 1_000_000)]
    assert observations.decode(taken[0].value).value == 152.0
    assert json.loads(refused[0].value)["reason"] == "unit"


class BrokenLog(MemoryLog):
    async def append(self, outputs):
        raise LogError("broken")


def test_a_log_that_fails_tells_the_sender_nothing_is_stored():
    feed = Feed(GOOD)
    with pytest.raises(LogError):
        run(BrokenLog(), feed, until=lambda: bool(feed.settled))
    run(MemoryLog(), again := Feed(GOOD), until=lambda: bool(again.settled))
    assert again.settled == [True]


def test_an_intake_that_is_closed_takes_nothing():
    async def go():
        intake = ReadingIntake(Clock())
        intake.close()
        return intake.offer(Sorted()).cancelled()

    assert asyncio.run(go())


def test_arrivals_do_not_go_back_and_a_clock_that_does_stops_it():
    clock = Clock()
    intake = ReadingIntake(clock)
    part = Refused(0, "someone", "made", "", b"")

    async def go(now_ms):
        log = MemoryLog()
        clock.now_ms = now_ms
        intake._closed = False
        intake.offer(Sorted((), (part,)))
        intake.close()
        await intake.serve(log)
        return (await log.read("rejects", 0, 0, 1))[0].timestamp

    assert asyncio.run(go(5_000)) == 5_000
    assert asyncio.run(go(4_500)) == 5_000
    with pytest.raises(ClockError):
        asyncio.run(go(3_900))


def test_a_source_that_cannot_begin_ends_all():
    class Broken:
        async def run(self, intake, stop):
            raise OSError("no")

    with pytest.raises(OSError, match="no"):
        run(MemoryLog(), Broken(), Feed(GOOD), until=lambda: False)
