"""The rings of samples against a list that forgets nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.bank import ChannelBank
from detect.history import History
from detect.settings import PickSettings

LENGTH = 17
LANES = 3

stretch = st.tuples(
    st.integers(0, LANES - 1), st.integers(1, 2 * LENGTH), st.booleans(), st.integers(0, 9)
)


@pytest.mark.kernel
@given(
    calls=st.lists(st.lists(stretch, min_size=1, max_size=4), min_size=1, max_size=8),
    kind=st.sampled_from([np.int32, np.float64]),
    begin=st.integers(0, 60),
    length=st.integers(0, 40),
)
def test_what_is_kept_is_what_was_put(calls, kind, begin, length):
    history = History(LENGTH, kind)
    history.grow(1, 0)
    history.grow(LANES, 1)
    came = {lane: [] for lane in range(LANES)}
    first = dict.fromkeys(range(LANES), 0)
    starts = dict.fromkeys(range(LANES), 0)
    value = 0
    for rows in calls:
        seen, number = [], []
        samples = []
        for lane, count, restart, at in rows:
            if restart:
                came[lane] = []
                first[lane] = at
                starts[lane] += 1
            seen.append(first[lane] + len(came[lane]))
            number.append(starts[lane])
            new = list(range(value, value + count))
            value += count
            samples += new
            came[lane] = came[lane] + new
        count = np.array([row[1] for row in rows])
        history.put(
            np.array([row[0] for row in rows]),
            np.cumsum(count) - count,
            count,
            np.array(seen),
            np.array(number),
            np.array(samples, kind),
        )
    for lane in range(LANES):
        all_of_it = [None] * first[lane] + came[lane]
        end = min(begin + length, len(all_of_it))
        oldest = max(len(all_of_it) - LENGTH, first[lane])
        expected = all_of_it[max(begin, oldest) : max(end, begin, oldest)]
        assert history.get(lane, starts[lane], begin, end).tolist() == expected
        assert history.get(lane, starts[lane] - 1, 0, 1).size == 0
        assert history.get(lane, starts[lane], 0, len(all_of_it) + 1).size == 0


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=5), st.data())
def test_the_bank_returns_samples_of_the_newest_record_and_of_those_before(sizes, data):
    """Also of a record that is longer than what is kept."""
    bank = ChannelBank(PickSettings())
    for _ in range(2):
        bank.add(20.0, triggers=True, integer=True)
    samples = np.arange(sum(sizes), dtype=np.int32)
    at = 0
    for number, size in enumerate(sizes):
        bank.keep()
        part = np.ascontiguousarray(samples[at : at + size])
        for channel in (1, 0):
            bank.advance(
                np.array([channel]),
                np.array([0]),
                np.array([size]),
                np.array([at * 50_000_000]),
                np.array([20.0]),
                np.array([number == 0]),
                part,
            )
            if channel:
                bank.keep()
        at += size
    begin = data.draw(st.integers(0, at))
    end = data.draw(st.integers(begin, at))
    for channel in (0, 1):
        raw = bank.raw(channel, begin, end)
        assert raw.tolist() == samples[end - raw.size : end].tolist()
        kept = round((20.0 + 3.0 + 0.3) * 20) + 1
        newest = sizes[-1] if channel == 0 else 0
        assert raw.size == max(0, end - max(begin, at - newest - kept))
