"""The detector in vector lanes against a slow twin, one channel and one sample at a time."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detect import filters, kernels
from detect.bank import ChannelBank, _nearly
from detect.settings import PickSettings

RATE = 50.0
SETTINGS = PickSettings(settle_s=2.0, long_s=6.0, longest_s=8.0)
CHANNELS = kernels.FEW + 3
QUIET_POWER = 1e-2


def made(count, seed=0, channels=CHANNELS):
    """Noise on an offset, with bursts at other times in each channel; one is silent at the end."""
    random = np.random.default_rng(seed)
    x = random.normal(0.0, 100.0, (channels, count))
    for c in range(channels):
        for at in range(500 + 37 * c, count, 700 + 11 * c):
            x[c, at : at + 80] *= 4.0 + 3.0 * c
    x[-1, count // 2 :] = 0.0
    return (x + 1000 * np.arange(channels)[:, None]).astype(np.int32)


def slow(x, kind):
    """Triggers (sample, sample confirmed) and peak power of one channel, from the definitions."""
    s = SETTINGS
    sos = filters.differenced(filters.band_pass(RATE, s.low_hz, s.high_hz)).ravel().astype(kind)
    a, b, long_a, long_b, mid_a, mid_b = (
        kind(v)
        for length in (s.short_s, s.long_s, s.middle_s)
        for v in (1.0 / (length * RATE), 1.0 - 1.0 / (length * RATE))
    )
    on, off, again, one = kind(s.on), kind(s.off), kind(s.again), kind(1)
    settle, confirm, shortest, longest, apart, n_long = (
        round(t * RATE)
        for t in (s.settle_s, s.confirm_s, s.shortest_s, s.longest_s, s.apart_s, s.long_s)
    )
    z = [kind(0)] * 4
    short = long = middle = peak = kind(0)
    trigger, waiting, found = -1, False, []
    before = x[0]
    for n, value in enumerate(x):
        v = kind(int(value) - int(before))
        before = value
        y = sos[0] * v + z[0]
        z[0], z[1] = (sos[1] * v + z[1]) - sos[3] * y, sos[2] * v - sos[4] * y
        u = sos[5] * y + z[2]
        z[2], z[3] = (sos[6] * y + z[3]) - sos[8] * u, sos[7] * y - sos[9] * u
        q = u * u + kind(QUIET_POWER)
        half = settle // 2
        if n < half:
            continue
        share = kind(one / kind(n - half + 1)) if n < half + n_long else kind(0)
        short = share * q + (one - share) * short if share > a else a * q + b * short
        if trigger < 0:
            long = share * q + (one - share) * long if share else long_a * q + long_b * long
        if n >= settle:
            peak = max(peak, q)
        if trigger < 0:
            if n >= settle and short > on * long:
                trigger, waiting, middle = n, True, short
            continue
        middle = mid_a * q + mid_b * middle
        since = n - trigger
        if waiting and since < shortest and short < off * long:
            trigger, waiting = -1, False
        elif waiting and since >= confirm:
            waiting = False
            found.append((trigger, n))
        elif waiting:
            continue
        elif short < off * long:
            trigger = -1
        elif since > longest:
            trigger, long = -1, middle
        elif since > apart and short > again * middle:
            trigger, waiting = n, True
    return found, peak


def run(x, kind, cuts, order=None):
    """Feed a bank with all channels, cut at some samples; the rows of a call in some order."""
    channels = x.shape[0]
    bank = ChannelBank(SETTINGS, kind)
    for _ in range(channels):
        bank.add(RATE, triggers=True, integer=True)
    order = np.arange(channels) if order is None else np.asarray(order)
    found = {c: [] for c in range(channels)}
    peak = np.zeros(channels)
    edges = [0, *cuts, x.shape[1]]
    for begin, end in itertools.pairwise(edges):
        count = end - begin
        samples = np.ascontiguousarray(x[order, begin:end]).ravel()
        triggers, peaks, *_ = bank.advance(
            order,
            np.arange(channels) * count,
            np.full(channels, count),
            np.full(channels, begin * 20_000_000),
            np.full(channels, RATE),
            np.full(channels, begin == 0),
            samples,
        )
        for trigger in triggers:
            assert trigger.channel == order[trigger.record]
            found[trigger.channel].append((trigger.sample, trigger.confirmed))
        np.maximum.at(peak, order, peaks)
    return found, peak


@pytest.mark.kernel
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_lanes_give_the_bits_of_the_slow_twin(kind):
    x = made(1500)
    found, peak = run(x, kind, range(50, 1500, 50))
    twins = [slow(row, kind) for row in x]
    assert sum(len(twin[0]) for twin in twins) >= CHANNELS
    for c, (expected, power) in enumerate(twins):
        assert found[c] == expected
        assert peak[c] == math.sqrt(power)


@pytest.mark.kernel
def test_one_channel_alone_gives_the_same_bits():
    x = made(1500)
    together = run(x, np.float32, range(100, 1500, 100))
    for c in range(x.shape[0]):
        alone = run(x[c : c + 1], np.float32, [])
        assert alone[0][0] == together[0][c]
        assert alone[1][0] == together[1][c]


@settings(max_examples=30)
@given(
    cuts=st.sets(st.integers(1, 3999), max_size=60),
    order=st.permutations(range(CHANNELS)),
    kind=st.sampled_from([np.float32, np.float64]),
)
def test_any_cut_and_any_order_of_channels_gives_the_same_bits(cuts, order, kind):
    x = made(4000, seed=1)
    whole = run(x, kind, [])
    found, peak = run(x, kind, sorted(cuts), order)
    assert found == whole[0]
    assert np.array_equal(peak, whole[1])


def test_many_groups_of_lanes_and_a_gap():
    x = made(3000, seed=2, channels=2 * kernels.LANES + 5)
    found, peak = run(x, np.float32, range(100, 3000, 100))
    twin = run(x[70:71], np.float32, [])
    assert found[70] == twin[0][0]
    assert peak[70] == twin[1][0]


def test_a_trigger_between_two_comparisons_is_not_missed():
    """The averages are compared every fifth sample: a crossing of one sample must show there."""
    on, short, long = 8.0, 0.02, 0.001
    nearly = _nearly(on, short, long)
    for spike in np.linspace(0.0, 2000.0, 400):
        a = b = 1.0
        crossed = False
        for q in (spike, *[0.0] * (kernels.UNROLL - 1)):
            a = short * q + (1 - short) * a
            b = long * q + (1 - long) * b
            crossed = crossed or a > on * b
        assert a > nearly * b or not crossed
    assert _nearly(on, 0.005, 0.001) == 0.0
