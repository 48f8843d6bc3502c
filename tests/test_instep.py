"""Partitions read in step: nothing is lost or moved, and none runs far ahead."""

from hypothesis import given
from hypothesis import strategies as st

from stream.instep import PATIENCE, SPAN_MS, InStep
from stream.records import Record


def records(partition, arrivals):
    return [Record("in", partition, i, at, b"k", b"v") for i, at in enumerate(arrivals)]


ARRIVALS = st.lists(st.integers(0, 60_000), max_size=40)


@given(
    partitions=st.lists(ARRIVALS, min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 15), min_size=1, max_size=5),
    limit=st.integers(1, 12),
    span_ms=st.sampled_from([None, 0, 100, SPAN_MS]),
)
def test_everything_is_handed_out_once_and_in_order(partitions, cuts, limit, span_ms):
    coming = {p: records(p, arrivals) for p, arrivals in enumerate(partitions)}
    held = InStep()
    found = {p: [] for p in coming}
    turn = 0
    while any(coming.values()) or held:
        for p in coming:
            size = cuts[turn % len(cuts)]
            turn += 1
            part, coming[p] = coming[p][:size], coming[p][size:]
            if part:
                held.hold({p: part})
        taken = held.take(limit, span_ms)
        assert all(0 < len(batch) <= limit for batch in taken.values())
        for p, batch in taken.items():
            found[p] += batch
    assert found == {p: records(p, arrivals) for p, arrivals in enumerate(partitions)}


def test_a_partition_waits_for_the_others():
    held = InStep()
    held.hold({0: records(0, range(0, 60_000, 1000))})
    ahead = held.take(1000)[0]
    assert ahead[-1].timestamp == SPAN_MS
    held.hold({1: records(1, range(0, 60_000, 1000))})
    newest = {0: SPAN_MS, 1: -1}
    while held:
        for p, batch in held.take(1000).items():
            newest[p] = batch[-1].timestamp
        assert abs(newest[0] - newest[1]) <= 2 * SPAN_MS


def test_what_has_a_wrong_clock_waits_no_longer_than_it_must():
    held = InStep()
    held.hold({0: records(0, [10**15, 5])})
    for turn in range(PATIENCE):
        held.hold({1: records(1, [turn])})
        assert list(held.take(10)) == [1]
    held.hold({1: records(1, [7])})
    assert [r.timestamp for r in held.take(10)[0]] == [10**15, 5]


def test_what_is_forgotten_does_not_come_back():
    held = InStep()
    held.hold({0: records(0, [1]), 1: records(1, [2])})
    held.forget(0)
    assert (held.has(0), held.has(1)) == (False, True)
    assert list(held.take(10)) == [1]
    held.hold({0: records(0, [1])})
    held.clear()
    assert held.take(10) == {}
    assert not held
