"""The motion since picks against a slow twin, which keeps all samples and begins anew each time."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_recordings import SHORT, recording, records
from scipy.signal import sosfilt

from detect import detections, filters
from detect.bank import ChannelBank
from detect.detections import Motion
from detect.following import LEAST_S, NOISE_S, RUN_UP_S, WINDOWS_S, Axis, Follower
from detect.picker import PickOperator
from detect.settings import PickSettings
from stream.topics import DETECTIONS

SETTINGS = PickSettings()
RATE = 20.0
STEP_NS = 50_000_000
SECONDS = 50
PICKS_S = (25.0, 31.0)
N = round(SECONDS * RATE)


def made(seed, channels):
    """Noise on an offset, and a wave that begins at 25 s and lasts."""
    chance = np.random.default_rng(seed)
    t = np.arange(N) / RATE
    wave = (t > 25.0) * np.exp(-np.abs(t - 28.0) / 4.0) * np.sin(2 * np.pi * 0.7 * t)
    sizes = 5000.0 * (1 + np.arange(channels))[:, None]
    return np.rint(chance.normal(3000.0, 50.0, (channels, N)) + sizes * wave).astype(np.int32)


@dataclasses.dataclass
class SlowTwin:
    """One axis of one pick: its samples from before the pick, in one piece."""

    axis: Axis
    samples: np.ndarray
    pick: int
    rate: float

    def __post_init__(self):
        begin = max(self.pick - round(RUN_UP_S * self.rate), 0)
        self.before = self.pick - begin
        raw = self.samples[begin:].astype(float)
        x = (raw - raw[: self.before].mean()) / self.axis.gain
        sections = filters.motion(self.rate, self.axis.accelerometer)

        def passed(x, number):
            section = np.insert(sections[number], 3, 1.0)[None]
            return sosfilt(section, x)

        velocity = passed(x, 1)
        change = np.diff(velocity, prepend=0.0) * self.rate
        acceleration = passed(x, 0) if self.axis.accelerometer else change
        displacement = passed(passed(velocity, 2), 3)
        self.pga = abs(acceleration[self.before :]).max(initial=0.0)
        self.pgv = abs(velocity[self.before :]).max(initial=0.0)
        self.displacement = displacement[self.before :]
        quiet = displacement[max(self.before - round(NOISE_S * self.rate), 0) : self.before - 2]
        self.noise = abs(quiet).max(initial=0.0)


def twin_says(axes, samples, pick, rate, begun):
    """Peak acceleration and velocity, windows and noise, of axes whose samples came so far.

    `begun` is how many of each channel's samples had come when the pick was made.
    """
    least = LEAST_S * rate
    twins = [
        SlowTwin(axis, samples[axis.channel], pick, rate)
        for axis in axes
        if pick >= least and begun[axis.channel] > pick
    ]
    primary = [twin for twin in twins if twin.axis.primary]
    windows = []
    for length in WINDOWS_S:
        n = max(1, round(length * rate))
        if primary and all(twin.displacement.size >= n for twin in primary):
            windows.append(np.sqrt(sum(t.displacement[:n] ** 2 for t in primary)).max())
    return (
        max((t.pga for t in twins), default=0.0),
        max((t.pgv for t in twins), default=0.0),
        windows,
        np.sqrt(sum(t.noise**2 for t in primary)),
    )


class Fed:
    """A bank and a follower, fed stretch by stretch; what a channel lost in a gap never comes."""

    def __init__(self, samples, axes):
        self.samples = samples
        self.axes = axes
        self.bank = ChannelBank(SETTINGS)
        for _ in range(samples.shape[0]):
            self.bank.add(RATE, triggers=True, integer=True)
        self.follower = Follower(self.bank)
        self.came = [0] * samples.shape[0]
        self.picks = []
        self.begun = []

    def take(self, ends):
        """Bring each channel's samples up to an end; then begin the picks that are due."""
        rows = [c for c, end in enumerate(ends) if end > self.came[c]]
        if not rows:
            return
        begin = np.array([self.came[c] for c in rows])
        count = np.array([ends[c] for c in rows]) - begin
        channel = np.array(rows)
        flat = np.concatenate([self.samples[c, self.came[c] : ends[c]] for c in rows])
        first = np.cumsum(count) - count
        _, _, seen, stretch = self.bank.advance(
            channel, first, count, begin * STEP_NS, np.full(len(rows), RATE), begin == 0, flat
        )
        for c in rows:
            self.came[c] = ends[c]
        for pick_s in PICKS_S[len(self.begun) : len(self.begun) + 1]:
            if self.came[0] / RATE > pick_s + 1:
                self.picks.append(self.follower.begin("pick", round(pick_s * 1e9), self.axes))
                self.begun.append(list(self.came))
        self.follower.go_on(channel, first, count, seen, stretch, flat, self.picks)
        self.bank.keep()

    def says(self, number):
        pick = self.picks[number]
        at = pick.number
        complete = self.follower.complete[at]
        pga, pgv = self.follower.peaks[at].tolist()
        return pga, pgv, self.follower.windows_m[at, :complete].tolist(), pick.noise_m


def axes_of(primaries, accelerometer):
    return [Axis(c, 1e5 * (c + 1), accelerometer, c in primaries) for c in range(3)]


cuts = st.lists(st.integers(1, 150), min_size=1, max_size=8)


@pytest.mark.kernel
@settings(max_examples=20)
@given(
    sizes=st.lists(cuts, min_size=3, max_size=3),
    primaries=st.sampled_from([{2}, {0, 1, 2}, {0}]),
    accelerometer=st.booleans(),
    seed=st.integers(0, 3),
)
def test_the_motion_is_that_of_the_slow_twin(sizes, primaries, accelerometer, seed):
    """Each channel is cut in its own way: one may be up to 4 s ahead of another."""
    samples = made(seed, 3)
    axes = axes_of(primaries, accelerometer)
    fed = Fed(samples, axes)
    turn = 0
    while min(fed.came) < N:
        most = min(N, min(fed.came) + 80)
        ends = [at + sizes[c][turn % len(sizes[c])] for c, at in enumerate(fed.came)]
        fed.take([max(at, min(end, most)) for at, end in zip(fed.came, ends, strict=True)])
        turn += 1
    assert len(fed.picks) == len(PICKS_S)
    for number, pick_s in enumerate(PICKS_S):
        expected = twin_says(axes, samples, round(pick_s * RATE), RATE, fed.begun[number])
        said = fed.says(number)
        assert len(said[2]) == len(expected[2])
        for one, other in zip(said, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9)


def test_after_a_gap_an_axis_keeps_its_peaks_and_says_no_more():
    samples = made(1, 3)
    axes = axes_of({2}, True)
    whole, torn = Fed(samples, axes), Fed(samples, axes)
    for fed in (whole, torn):
        for end in range(20, 580, 20):
            fed.take([end] * 3)
    assert torn.says(0) == whole.says(0)
    before = torn.says(0)
    assert 0 < len(before[2]) < len(WINDOWS_S)
    channel, first, count = np.arange(3), np.arange(3) * 20, np.full(3, 20)
    flat = np.random.default_rng(0).integers(-(10**6), 10**6, 60).astype(np.int32)
    for turn in range(100):  # until the samples since the gap are more than those before it
        start = np.full(3, 10**12 + turn * 20 * STEP_NS)
        _, _, seen, stretch = torn.bank.advance(
            channel, first, count, start, np.full(3, RATE), np.full(3, turn == 0), flat
        )
        torn.follower.go_on(channel, first, count, seen, stretch, flat, torn.picks)
        torn.bank.keep()
        assert torn.says(0) == before


def test_what_is_let_go_makes_room_and_disturbs_no_other():
    samples = made(2, 3)
    axes = axes_of({2}, False)
    fed, alone = Fed(samples, axes), Fed(samples, axes)
    for end in range(20, 640, 20):
        fed.take([end] * 3)
        alone.take([end] * 3)
    fed.follower.let_go(fed.picks.pop(0))
    for _ in range(300):
        again = fed.follower.begin("again", round(PICKS_S[1] * 1e9), axes)
        fed.follower.let_go(again)
    assert fed.follower.complete.size == 64
    for end in range(640, N, 20):
        fed.take([end] * 3)
        alone.take([end] * 3)
    assert fed.says(0) == alone.says(1)
    assert len(fed.says(0)[2]) == len(WINDOWS_S)


def test_a_pick_too_soon_after_the_start_tells_nothing():
    fed = Fed(made(0, 3), axes_of({2}, True))
    fed.take([100] * 3)
    pick = fed.follower.begin("soon", round(2.9 * 1e9), fed.axes)
    assert pick.noise_m == 0.0
    assert fed.follower.complete[pick.number] == 0
    assert fed.follower.peaks[pick.number].tolist() == [0.0, 0.0]


SHOCKS = [(20.0, 42.5, 74.6, 10.0, 0.05), (27.0, 42.55, 74.65, 10.0, 0.05)]
PLAYED = recording(45, SHOCKS, codes=("HNZ", "HNN", "HNE"))


def motions(read, size):
    operator = PickOperator(0, PLAYED.channels, SHORT.detect, SHORT.ingest)
    said = []
    for begin in range(0, len(read), size):
        said += operator.process(read[begin : begin + size])
    return [
        (o.cause, o.value)
        for o in said
        if o.topic == DETECTIONS.name and isinstance(detections.decode(o.value), Motion)
    ]


def test_any_batches_give_the_same_motion_to_the_bit():
    read = records(PLAYED.packets)
    whole = motions(read, len(read))
    assert len(whole) > 100
    assert max(len(detections.decode(v).stations[0].since_picks) for _, v in whole) == 2
    for size in (1, 7, 64):
        assert motions(read, size) == whole


def test_picks_that_are_over_leave_their_room():
    """More than fit at first, one after another; at the end none is followed any more."""
    shocks = [(12.0 + 8.0 * n, 42.5, 74.6, 10.0, 0.05) for n in range(16)]
    played = recording(160, shocks)
    operator = PickOperator(0, played.channels, SHORT.detect, SHORT.ingest)
    said = operator.process(records(played.packets))
    followed = {
        since.pick_id
        for o in said
        if isinstance(told := detections.decode(o.value), Motion)
        for since in told.stations[0].since_picks
    }
    follower = operator._book._follower
    assert len(followed) > 64
    assert follower.complete.size == len(follower._free_picks) == 64
    assert follower.peaks.shape[0] == len(follower._free_axes) == 64
