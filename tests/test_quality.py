"""What the samples say of the sensor: flat, stuck, clipped, and nothing of a healthy one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.quality import CLIPPED, FLAT, NAMES, STUCK, Quality
from ingest.settings import QualitySettings

RATE = 100.0
S = 10**9
SETTINGS = QualitySettings()


def inspected(samples, cuts, *, skip=None, use=None, size=None, settings=SETTINGS, channel=0):
    """The quality after records that end at `cuts`; each arrives when its last sample is due."""
    samples = np.asarray(samples)
    quality = Quality(settings)
    quality.grow(channel + 1)
    first = np.array([0, *cuts[:-1]], np.int64)
    count = np.diff([0, *cuts])
    arrival = (np.array(cuts) * S / RATE).astype(np.int64)
    skip = np.zeros(len(cuts), np.int64) if skip is None else np.array(skip, np.int64)
    use = np.ones(len(cuts), bool) if use is None else np.array(use)
    size = size or len(cuts)
    for begin in range(0, len(cuts), size):
        part = slice(begin, begin + size)
        n = first[part].size
        quality.inspect(
            np.full(n, channel, np.int64),
            first[part],
            count[part],
            skip[part],
            use[part],
            np.full(n, RATE),
            arrival[part],
            np.asarray(samples, np.float64 if samples.dtype.kind == "f" else np.int32),
        )
    return quality


def seconds(n):
    return list(range(100, 100 * n + 1, 100))


def noise(n, sigma=1000.0, seed=0):
    return np.rint(np.random.default_rng(seed).normal(0.0, sigma, n))


def named(quality, channel, arrival_ns):
    held = quality.until_ns[channel] > arrival_ns
    return tuple(name for i, name in enumerate(NAMES) if held[i])


def faults(samples, at_s, **options):
    samples = np.asarray(samples)
    return named(inspected(samples, seconds(len(samples) // 100), **options), 0, at_s * S)


def test_the_names_stand_in_the_order_of_the_numbers():
    assert [NAMES[n] for n in (FLAT, STUCK, CLIPPED)] == ["flat", "stuck", "clipped"]


@pytest.mark.parametrize("kind", [np.int32, np.float64])
@pytest.mark.parametrize("sigma", [1.0, 3.0, 1000.0, 1e6])
@pytest.mark.parametrize("seed", range(5))
def test_healthy_noise_has_no_fault(sigma, seed, kind):
    samples = noise(6000, sigma, seed).astype(kind)
    quality = inspected(samples, seconds(60))
    assert [named(quality, 0, t * S) for t in range(61)] == [()] * 61


def test_a_strong_wave_is_no_fault():
    t = np.arange(6000) / RATE
    samples = noise(6000, 10.0) + np.rint(8e6 * np.exp(-((t - 30) ** 2)) * np.sin(40 * t))
    assert faults(samples, 60) == ()


def test_one_value_for_long_is_flat_and_for_a_while_after():
    samples = noise(6000)
    samples[1000:1200] = 5.0
    quality = inspected(samples, seconds(60))
    assert named(quality, 0, 12 * S) == ("flat",)
    assert named(quality, 0, 41 * S) == ("flat",)
    assert named(quality, 0, 42 * S) == ()


def test_one_value_for_less_is_not_flat():
    samples = noise(6000)
    samples[1000:1199] = samples[999] + 1
    samples[1199] = samples[1000] + 7
    assert named(inspected(samples, seconds(60)), 0, 12 * S) == ()


def test_a_dead_channel_is_flat_and_nothing_else():
    assert faults(np.zeros(6000), 60) == ("flat",)


@pytest.mark.parametrize("kind", [np.int32, np.float64])
def test_a_record_that_comes_again_with_a_new_time_is_stuck(kind):
    samples = noise(6000).astype(kind)
    samples[1100:1200] = samples[1000:1100]
    quality = inspected(samples, seconds(60))
    assert named(quality, 0, 12 * S) == ("stuck",)
    assert named(quality, 0, 42 * S) == ()


def test_short_records_may_repeat_by_chance():
    samples = np.tile([1.0, 2.0, 3.0, 2.0], 100)
    quality = inspected(samples, list(range(8, 401, 8)))
    assert named(quality, 0, 4 * S) == ()


@pytest.mark.parametrize("sign", [1, -1])
def test_equal_samples_at_the_largest_excursion_are_clipped(sign):
    t = np.arange(6000) / RATE
    swing = 60_000 * np.sin(2 * np.pi * 0.5 * t) * (t > 20) * (t < 22)
    samples = noise(6000, 10.0) + sign * np.clip(np.rint(swing), -70_000, 50_000)
    samples = np.where(np.abs(samples) > 49_900, sign * 50_000, samples)
    assert faults(samples[:2000], 20) == ()
    quality = inspected(samples, seconds(60))
    assert named(quality, 0, 22 * S) == ("clipped",)
    assert named(quality, 0, 59 * S) == ()


def test_equal_samples_elsewhere_or_small_are_not_clipped():
    samples = noise(6000, 10.0)
    samples[500] = 50_000
    samples[600] = -50_000
    samples[1000:1010] = 4000.0
    assert faults(samples, 12) == ()
    small = noise(6000, 10.0)
    small[1000:1010] = 4000.0
    assert faults(small, 12) == ()


def test_records_that_are_not_used_say_nothing():
    samples = noise(6000)
    samples[1000:1500] = 5.0
    use = [not 10 <= n < 15 for n in range(60)]
    assert faults(samples, 15, use=use) == ()


def test_samples_that_are_skipped_say_nothing():
    samples = noise(1000)
    samples[500:600] = samples[499]
    cuts = seconds(10)
    skip = [100 if n == 5 else 0 for n in range(10)]
    short = QualitySettings(flat_s=0.9)
    assert named(inspected(samples, cuts, settings=short), 0, 6 * S) == ("flat",)
    assert named(inspected(samples, cuts, settings=short, skip=skip), 0, 6 * S) == ()


def test_channels_do_not_mix():
    quality = inspected(np.zeros(1000), seconds(10), channel=2)
    quality.grow(5)
    quality.grow(1)
    assert [named(quality, c, 10 * S) for c in range(5)] == [(), (), ("flat",), (), ()]


def slow_faults(samples, cuts, arrival_s):
    """Flat and clipped written another way: by runs of equal samples over the whole trace."""
    samples = np.asarray(samples)
    edges = np.flatnonzero(np.diff(samples)) + 1
    found = set()
    for begin, end in zip([0, *edges], [*edges, samples.size], strict=True):
        length = end - begin
        seen = samples[:end]
        arrival = next(c for c in cuts if c >= end) / RATE
        if arrival + SETTINGS.recover_s <= arrival_s:
            continue
        if length >= SETTINGS.flat_s * RATE:
            found.add("flat")
        extreme = samples[begin] in (seen.max(), seen.min())
        if length >= SETTINGS.clip_run and extreme and np.ptp(seen) > SETTINGS.clip_min_counts:
            found.add("clipped")
    return found


runs = st.lists(
    st.tuples(
        st.sampled_from([-20_000, -300, 0, 1, 2, 300, 9000, 20_000]),
        st.sampled_from([1, 1, 2, 4, 5, 6, 30, 190]),
    ),
    min_size=1,
    max_size=40,
)


@given(runs, st.lists(st.integers(1, 150), max_size=40), st.integers(1, 7), st.sampled_from("if"))
def test_runs_are_found_however_the_samples_are_cut(runs, sizes, batch, kind):
    """Runs as long as flat ones are left out here: what is flat is not called clipped too."""
    part = 1 if kind == "i" else 0.5
    samples = np.concatenate([np.full(n, v + part * (i % 2)) for i, (v, n) in enumerate(runs)])
    cuts = [c for c in np.cumsum(sizes).tolist() if c < samples.size] + [samples.size]
    quality = inspected(samples, cuts, size=batch)
    now = samples.size / RATE
    found = set(named(quality, 0, int(now * S))) - {"stuck"}
    assert found == slow_faults(samples, cuts, now)


@given(st.integers(150, 320), st.lists(st.integers(1, 150), max_size=40), st.integers(1, 7))
def test_flat_is_found_however_the_samples_are_cut(length, sizes, batch):
    samples = np.concatenate((noise(500), np.full(length, 0.5), noise(100)))
    cuts = [c for c in np.cumsum(sizes).tolist() if c < samples.size] + [samples.size]
    quality = inspected(samples, cuts, size=batch)
    flat = "flat" in named(quality, 0, int(samples.size / RATE * S))
    assert flat == (length >= 200)


def test_the_values_of_float_records_are_looked_at_too():
    """Units in place of counts: small numbers, and numbers beyond any integer."""
    samples = noise(6000) * 1e-6
    assert faults(samples, 60) == ()
    assert faults(noise(6000) * 1e300, 60) == ()
    samples[1000:1300] = 1e-6
    assert faults(samples, 13) == ("flat",)
