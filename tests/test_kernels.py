"""Kernels against slow twins: filters, averages and triggers, onsets, and motion of the ground.

The twins are plain numpy and scipy; what is compared comes out of the whole picker, so that it
holds for every way in which the loops may be cut and arranged.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_recordings import SHORT, START_S, STATIONS, cut, p_and_s, recording, records, table
from scipy import signal

from detect import detections, filters
from detect.detections import Heartbeat, Motion, Pick
from detect.geodesy import distance_azimuth
from detect.onset import onset
from detect.picker import PickOperator
from detect.settings import DetectSettings
from ingest.settings import IngestSettings
from stream.topics import DETECTIONS

pytestmark = pytest.mark.kernel

ID = "KR.AAA..HNZ"
DETECT = DetectSettings()
P = DETECT.pick


def picked(packets, *, gain=1e6, unit="m/s2", channels=None):
    """Picks and motion that come of packets."""
    operator = PickOperator(0, channels or table(gain=gain, unit=unit), DETECT, IngestSettings())
    said = [
        detections.decode(o.value)
        for o in operator.process(records(packets))
        if o.topic == DETECTIONS.name
    ]
    return [d for d in said if isinstance(d, Pick)], [d for d in said if isinstance(d, Motion)]


def final_motion(frames, pick):
    """The last that was told of a pick."""
    told = [m for f in frames for s in f.stations for m in s.since_picks if m.pick_id == pick.id]
    return told[-1]


@pytest.mark.parametrize("rate", [20.0, 31.25, 50.0, 100.0, 200.0])
def test_the_band_pass_is_butterworth(rate):
    high = min(10.0, 0.8 * rate / 2)
    sections = np.insert(filters.band_pass(rate, 1.0, 10.0), 3, 1.0, axis=1)
    expected = signal.butter(2, [1.0, high], "bandpass", fs=rate, output="sos")
    x = np.random.default_rng(0).normal(size=300)
    np.testing.assert_allclose(signal.sosfilt(sections, x), signal.sosfilt(expected, x), rtol=1e-9)


def test_a_rate_too_low_for_the_band_is_refused():
    with pytest.raises(ValueError, match="too slow"):
        filters.band_pass(1.0, 1.0, 10.0)


@pytest.mark.parametrize("rate", [20.0, 100.0, 500.0])
@pytest.mark.parametrize("hertz", [0.3, 1.0])
@pytest.mark.parametrize("acceleration", [True, False])
def test_motion_filters_integrate(rate, hertz, acceleration):
    """Far from the corners the sections are 1, 1/s and again 1/s to 6 %."""
    sections = np.insert(filters.motion(rate, acceleration), 3, 1.0, axis=1)
    z = np.exp(-2j * np.pi * hertz / rate) ** np.arange(3)
    response = [abs(s[:3] @ z / (s[3:] @ z)) for s in sections]
    omega = 2 * math.pi * hertz
    assert response[0] == pytest.approx(1.0, rel=0.06)
    assert response[1] == pytest.approx(1 / omega if acceleration else 1.0, rel=0.06)
    assert response[2] == pytest.approx(1 / omega, rel=0.06)
    assert response[3] == pytest.approx(1.0, rel=0.06)


def slow_onset(x):
    """Maeda (1985) as it is written, with numpy's variance."""
    n = len(x)
    aic = np.full(n, np.inf)
    for k in range(3, n - 2):
        left, right = np.var(x[:k]), np.var(x[k:])
        if left > 0 and right > 0:
            aic[k] = k * math.log(left) + (n - k - 1) * math.log(right)
    best = int(np.argmin(aic))
    weight = np.exp(-0.5 * (aic - aic[best]))
    spread = np.sum(weight * (np.arange(n) - best) ** 2) / weight.sum()
    return best, math.sqrt(spread)


@given(
    seed=st.integers(0, 10**6),
    noise=st.integers(4, 60),
    wave=st.integers(4, 60),
    ratio=st.floats(1.5, 1000.0),
)
def test_the_onset_is_that_of_the_slow_twin(seed, noise, wave, ratio):
    random = np.random.default_rng(seed)
    x = np.concatenate((random.normal(size=noise), ratio * random.normal(size=wave)))
    best, sigma = onset(x)
    expected, spread = slow_onset(x)
    assert best == expected
    assert sigma == pytest.approx(spread, rel=0.02, abs=0.01)


@pytest.mark.parametrize("at", [10, 50, 90])
def test_a_clear_onset_is_found_to_the_sample(at):
    x = np.random.default_rng(3).normal(size=100)
    x[at:] *= 200.0
    best, sigma = onset(x)
    assert abs(best - at) <= 1
    assert 0.0 <= sigma < 1.5


def slow_triggers(samples, rate):
    """Samples at which a trigger that holds begins: the recursions, one sample at a time."""
    sos = signal.butter(
        2, [P.low_hz, min(P.high_hz, 0.8 * rate / 2)], "bandpass", fs=rate, output="sos"
    )
    power = signal.sosfilt(sos, samples - samples[0]) ** 2
    settle = round(P.settle_s * rate)
    short = long = 0.0
    begun, found = None, []
    for i, q in enumerate(power):
        if i < settle // 2:
            continue
        share = 1.0 / (i - settle // 2 + 1)
        short += max(share, 1.0 / (P.short_s * rate)) * (q - short)
        if begun is None:
            long += max(share, 1.0 / (P.long_s * rate)) * (q - long)
            if i >= settle and short > P.on * long:
                begun = i
        elif i - begun < P.shortest_s * rate and short < P.off * long:
            begun = None
        else:
            if i - begun == round(P.confirm_s * rate):
                found.append((begun, i))
            if i - begun > P.confirm_s * rate and short < P.off * long:
                begun = None
    return found


def waves(seconds, rate, onsets, seed=1):
    """Counts: noise, and waves that are over after 3 s."""
    t = np.arange(round(seconds * rate)) / rate
    counts = np.random.default_rng(seed).normal(0.0, 50.0, t.size)
    for begins, size in onsets:
        after = t - begins
        fades = np.exp(-np.maximum(after, 0.0) / 0.4)
        counts += (after >= 0) * size * fades * np.sin(2 * np.pi * 3.0 * after)
    return np.rint(counts).astype(np.int32)


@pytest.mark.parametrize("rate", [20.0, 31.25, 100.0])
def test_triggers_are_those_of_the_slow_twin(rate):
    """From far below the noise to far above: the same ones trigger, and at the same time."""
    sizes = [5000, 30, 600, 150, 100_000, 250, 400, 10, 2000, 800]
    onsets = [(20.0 + 12.34 * i, size) for i, size in enumerate(sizes)]
    samples = waves(145, rate, onsets)
    expected = slow_triggers(samples.astype(float), rate)
    picks, _ = picked(cut(ID, samples, rate))
    assert 2 <= len(expected) < len(sizes)
    assert len(picks) == len(expected)
    begun = np.array([b / rate for b, _ in expected])
    for pick in picks:
        onset = pick.time_us / 1e6 - START_S
        behind = begun[np.argmin(abs(begun - onset))] - onset
        assert -0.35 <= behind <= P.window_s, "an onset stands just before a trigger of the twin"
        true = min((o for o, _ in onsets), key=lambda o: abs(o - onset))
        assert abs(onset - true) <= 0.15 + 2 / rate


def test_noise_alone_does_not_trigger():
    operator = PickOperator(0, table(), DETECT, IngestSettings())
    said = operator.process(records(cut(ID, waves(300, 100.0, []), 100.0)))
    kinds = [type(detections.decode(o.value)) for o in said]
    assert set(kinds) == {Heartbeat}
    assert len(kinds) > 290


SAMPLES = waves(40, 50.0, [(16.0, 3000), (28.4, 90_000)])
WHOLE = picked(cut(ID, SAMPLES, 50.0))


@settings(max_examples=15)
@given(st.lists(st.integers(1, 180), min_size=1, max_size=12))
def test_any_packets_give_the_same_onsets_and_peaks(sizes):
    """Packets from one sample to almost 4 s; picks and Pd agree to the last bit."""
    packets = []
    begin = 0
    while begin < SAMPLES.size:
        size = sizes[len(packets) % len(sizes)]
        start = START_S + begin / 50.0
        packets += cut(ID, SAMPLES[begin : begin + size], 50.0, start_s=start, packet_s=99)
        begin += size
    picks, frames = picked(packets)
    assert picks == WHOLE[0]
    for pick in picks:
        one, other = final_motion(frames, pick), final_motion(WHOLE[1], pick)
        assert one.pd_m == other.pd_m
        assert len(one.pd_m) == 5


def shaped(t):
    """A displacement (1 at its largest) that begins at t = 0 and is over in 2 s, and its rates.

    ``sin(w t)^4`` over two humps of opposite sign: no step in acceleration, no net displacement.
    """
    w = math.pi
    inside = (t >= 0) & (t <= 2.0)
    sign = np.where(t < 1.0, 1.0, -1.0)
    s, c = np.sin(w * t), np.cos(w * t)
    displacement = inside * sign * s**4
    velocity = inside * sign * 4 * w * s**3 * c
    acceleration = inside * sign * 4 * w**2 * (3 * s**2 * c**2 - s**4)
    return displacement, velocity, acceleration


def as_recorded(x, rate, *corners):
    """What Butterworth filters of two poles leave: high-passes of 0.075 Hz, low-passes of 3 Hz."""
    for hertz in corners:
        kind = "highpass" if hertz < 1.0 else "lowpass"
        x = signal.sosfilt(signal.butter(2, hertz, kind, fs=rate, output="sos"), x)
    return abs(x).max()


@pytest.mark.parametrize("unit", ["m/s2", "m/s"])
@pytest.mark.parametrize("rate", [20.0, 31.25, 100.0, 200.0, 500.0])
def test_the_motion_of_the_ground_is_found(rate, unit):
    """1 cm of ground displacement gives what the filters leave of 1 cm, to 2 % (20 Hz: 4 %).

    What they leave is computed from the displacement itself, without any integration: it is
    the same from both kinds of sensor. The peak velocity and acceleration likewise, to 10 %.
    """
    t = np.arange(round(26 * rate)) / rate - 20.0
    displacement, velocity, acceleration = shaped(t - 0.3)
    tickle = 2e-4 * np.sin(2 * np.pi * 5.0 * t) * (t >= 0) * (t < 1.0)  # makes the trigger
    ground = (0.01 * velocity + tickle / 30) if unit == "m/s" else (0.01 * acceleration + tickle)
    noise = np.random.default_rng(2).normal(0.0, 1e-6, t.size)
    samples = np.rint((ground + noise) * 1e8).astype(np.int32)
    picks, frames = picked(cut(ID, samples, rate), gain=1e8, unit=unit)
    assert abs(picks[0].time_us / 1e6 - START_S - 20.0) < 0.2
    told = final_motion(frames, picks[0])
    left = as_recorded(displacement, rate, 0.075, 0.075, 3.0)
    assert left > 0.75
    assert told.pd_m[-1] == pytest.approx(0.01 * left, rel=0.04 if rate == 20.0 else 0.02)
    assert told.pd_m == tuple(sorted(told.pd_m))
    assert told.pgv == pytest.approx(0.01 * as_recorded(velocity, rate, 0.075), rel=0.1)
    assert told.pga == pytest.approx(0.01 * as_recorded(acceleration, rate, 0.075), rel=0.1)
    assert told.noise_pd_m < 1e-5


def test_a_gain_twice_as_high_means_half_the_motion():
    samples = cut(ID, SAMPLES, 50.0)
    single, double = picked(samples, gain=1e6), picked(samples, gain=2e6)
    assert [p.id for p in single[0]] == [p.id for p in double[0]]
    for pick in single[0]:
        one, other = final_motion(single[1], pick), final_motion(double[1], pick)
        np.testing.assert_allclose(one.pd_m, np.multiply(other.pd_m, 2), rtol=1e-9)


def test_s_is_picked_on_a_horizontal_soon_after_p():
    """Not with P, which triggers there too. The horizontals' packets come first."""
    shock = (15.0, 42.5, 74.6, 10.0, 0.05)
    played = recording(30, [shock], codes=("HNN", "HNE", "HNZ"))
    operator = PickOperator(0, played.channels, SHORT.detect, SHORT.ingest)
    said = [detections.decode(o.value) for o in operator.process(records(played.packets))]
    picks = [d for d in said if isinstance(d, Pick)]
    found = [p for p in picks if p.phase == "S"]
    assert len({p.station for p in found} & set(STATIONS)) >= 4
    for pick in found:
        distance, _ = distance_azimuth(42.5, 74.6, pick.latitude, pick.longitude)
        due_s = START_S + 15.0 + p_and_s(distance, 10.0)[1]
        assert abs(pick.time_us / 1e6 - due_s) < 0.3
        assert pick.channel[-1] in "NE"


def test_polarity_is_that_of_the_first_motion():
    for sign in (1, -1):
        picks, _ = picked(cut(ID, waves(30, 100.0, [(20.0, sign * 50_000)]), 100.0))
        assert [p.polarity for p in picks] == [sign]
        assert picks[0].polarity_confidence > 0.9
