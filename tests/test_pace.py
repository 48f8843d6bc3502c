"""A worker that catches up does not run far ahead of the others of its group."""

import asyncio

import pytest

from stream import pace
from stream.instep import SPAN_MS
from stream.log import Committed
from stream.memory import MemoryLog
from stream.pace import PATIENCE_S, Pace
from stream.records import Output
from stream.topics import WAVEFORMS

GROUP = "detect"


@pytest.fixture
def log():
    """Two partitions, each with a minute of a value a second."""
    made = MemoryLog({WAVEFORMS.name: 2})
    outputs = [
        Output(WAVEFORMS.name, key, b"v", 0, second * 1000)
        for second in range(60)
        for key in (b"XX.A", b"XX.B", b"XX.C", b"XX.D")
    ]
    asyncio.run(made.append(outputs))
    return made


def came(log, partition, second):
    """Let another worker have come so far."""
    ends = asyncio.run(log.end(WAVEFORMS.name, partition))
    offset = min(ends, second * ends // 60)
    log.note(GROUP, WAVEFORMS.name, {partition: Committed(offset, second * 1000)})


def may(paced, second):
    return asyncio.run(paced.may_read({0: second * 1000}))


def test_who_is_ahead_waits_until_the_others_have_come_as_far(log):
    paced = Pace(log, GROUP, WAVEFORMS.name)
    came(log, 1, 10)
    assert may(paced, 10 + SPAN_MS // 1000)
    assert not may(paced, 11 + SPAN_MS // 1000)
    came(log, 1, 11)
    assert may(paced, 11 + SPAN_MS // 1000)


def test_who_has_read_all_and_who_has_never_begun_are_not_waited_for(log):
    paced = Pace(log, GROUP, WAVEFORMS.name)
    assert may(paced, 50)
    came(log, 1, 60)
    assert may(paced, 10**6)


def test_who_does_not_move_is_not_waited_for_for_ever(log, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    paced = Pace(log, GROUP, WAVEFORMS.name)
    came(log, 1, 10)
    assert not may(paced, 30)
    now[0] += PATIENCE_S
    assert not may(paced, 30)
    now[0] += 0.1
    assert may(paced, 30)
    came(log, 1, 12)
    assert not may(paced, 30)


def test_ones_own_partitions_do_not_hold_one_back(log):
    paced = Pace(log, GROUP, WAVEFORMS.name)
    came(log, 1, 10)
    assert asyncio.run(paced.may_read({0: 50_000, 1: 10_000}))
