"""Samples out of line are no onset: against a slow twin, and through the picker."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_recordings import GAIN, NOISE, SHORT, START_S, burst, cut, records, table

from detect import detections
from detect.detections import Pick
from detect.onset import GLITCH_REST, GLITCH_SHARE, JUMPS, SPIKES, SPIKY, glitch_ends
from detect.picker import PickOperator
from stream import rejects
from stream.topics import REJECTS

RATE = 100.0
ID = "KR.AAA..HNZ"
SECONDS = 40


def slow_glitch_ends(raw, begin):
    """Take away the three changes together that are largest, again and again."""
    first = begin - JUMPS
    if first <= 0:
        return 0
    energy = np.diff(raw) ** 2
    before, after = energy[:first], energy[first:]
    left = np.ones(after.size, bool)
    ends = 0
    for _ in range(SPIKES):
        if (~left).sum() + JUMPS > int(SPIKY * after.size):
            return 0
        blocks = [after[j : j + JUMPS][left[j : j + JUMPS]].sum() for j in range(after.size - 2)]
        at = int(np.argmax(blocks))
        left[at : at + JUMPS] = False
        ends = max(ends, first + at + JUMPS)
        shares = after[~left].sum() > GLITCH_SHARE * after.sum()
        if shares and after[left].mean() <= GLITCH_REST**2 * before.mean():
            return ends
    return 0


@pytest.mark.kernel
@given(
    seed=st.integers(0, 10**6),
    before=st.integers(2, 200),
    after=st.integers(2, 60),
    size=st.sampled_from([0.0, 3.0, 30.0, 1000.0]),
    spikes=st.integers(0, 4),
    apart=st.integers(4, 12),
)
def test_a_glitch_is_one_to_the_slow_twin_too(seed, before, after, size, spikes, apart):
    chance = np.random.default_rng(seed)
    raw = np.rint(chance.normal(0.0, 20.0, before + after))
    at = before + apart * np.arange(spikes)
    raw[at[at < raw.size]] += size * 20.0
    if seed % 3 == 0:
        raw[before:] += np.rint(chance.normal(0.0, size, after))
    assert glitch_ends(raw, before) == slow_glitch_ends(raw, before)


def noise(seed=5):
    return np.random.default_rng(seed).normal(0.0, NOISE, round(SECONDS * RATE))


def with_spikes(*seconds, size=0.01, samples=1):
    counts = noise()
    for second in seconds:
        at = round(second * RATE)
        counts[at : at + samples] += size * GAIN
    return counts


def with_wave(counts, second, size=0.02):
    t = np.arange(counts.size) / RATE
    return counts + burst(t - second, size * GAIN, 4.0, 1.0)


def said(counts):
    operator = PickOperator(0, table(), SHORT.detect, SHORT.ingest)
    made = operator.process(records(cut(ID, np.rint(counts).astype(np.int32), RATE)))
    found = [detections.decode(o.value) for o in made if o.topic != REJECTS.name]
    refused = [rejects.decode(o.value) for o in made if o.topic == REJECTS.name]
    picks = [round(p.time_us / 1e6 - START_S, 1) for p in found if isinstance(p, Pick)]
    return picks, refused


def test_a_wave_is_no_glitch():
    assert said(with_wave(noise(), 20.0)) == ([20.0], [])


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("size", [0.001, 0.01, 1.0])
def test_a_spike_makes_no_pick_and_is_kept_in_the_rejects(size, samples):
    picks, refused = said(with_spikes(20.0, size=size, samples=samples))
    assert picks == []
    assert [(r.source, r.reason) for r in refused] == [(ID, "glitch")]
    assert "out of line" in refused[0].detail


def test_a_step_makes_no_pick():
    counts = noise()
    counts[2000:] += 0.5 * GAIN
    picks, refused = said(counts)
    assert picks == []
    assert [r.reason for r in refused] == ["glitch"]


def test_two_spikes_within_a_trigger_make_no_pick():
    picks, refused = said(with_spikes(20.0, 20.15))
    assert picks == []
    assert {r.reason for r in refused} == {"glitch"}


@pytest.mark.parametrize("after_s", [1.5, 3.0, 8.0])
def test_a_spike_hides_no_wave_behind_it(after_s):
    """Without the averages put back, one of 300 times the noise would, for half a minute."""
    picks, _ = said(with_wave(with_spikes(20.0), 20.0 + after_s, size=0.002))
    assert picks == [round(20.0 + after_s, 1)]


def test_a_wave_just_behind_a_spike_is_still_a_wave():
    picks, _ = said(with_wave(with_spikes(20.0), 20.1))
    assert len(picks) == 1
