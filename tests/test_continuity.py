"""The contract per channel: what is used of each record, and what is said of the rest."""

import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_recordings import GAIN, SHORT, START_S, burst, cut, records, table

from detect import detections
from detect.detections import Heartbeat, Motion, Pick
from detect.picker import PickOperator
from ingest.continuity import (
    BRIDGED,
    FUTURE,
    LATE,
    OLD,
    OVERLAP,
    REPEAT,
    RESTART,
    USED,
    VERDICTS,
    Continuity,
)
from ingest.miniseed import encode
from ingest.settings import ContinuitySettings
from ingest.sources.archive import Packet
from stream import rejects
from stream.topics import REJECTS

RATE = 100.0
STEP_MS = 10
START_MS = START_S * 1000
SETTINGS = ContinuitySettings()


def assessed(read, settings=SETTINGS, size=None):
    """Verdict names and skips of records (start in ms, samples, arrival in ms[, rate])."""
    judge = Continuity(settings)
    judge.grow(1)
    verdicts, skips = [], []
    size = size or len(read) or 1
    for begin in range(0, len(read), size):
        part = [(*r, RATE)[:4] for r in read[begin : begin + size]]
        verdict, skip = judge.assess(
            np.zeros(len(part), np.int64),
            np.array([r[0] for r in part], np.int64) * 1_000_000,
            np.array([r[1] for r in part], np.int64),
            np.array([r[3] for r in part], np.float64),
            np.array([r[2] for r in part], np.int64) * 1_000_000,
        )
        verdicts += verdict.tolist()
        skips += skip.tolist()
    assert judge.tallies[0].tolist() == np.bincount(verdicts, minlength=8).tolist()
    return [VERDICTS[v] for v in verdicts], skips


def second(n, *, late_ms=500, shift_ms=0, count=100):
    """Record number n of an even stream."""
    start = START_MS + 1000 * n + shift_ms
    return start, count, start + count * STEP_MS + late_ms


@dataclasses.dataclass
class SlowTwin:
    """The same contract, one record at a time, in whole milliseconds."""

    tear_ms: float = 15.0
    next_ms: int | None = None
    last: tuple = ()
    rate: float = 0.0
    began: int = 0

    def judge(self, start, count, arrival, rate):
        end = start + count * 1000 // rate
        if end > arrival + 3000:
            return "future", 0
        if arrival > end + 30_000:
            return "late", 0
        tear = 1.5 * 1000 / rate
        if self.next_ms is None or rate != self.rate:
            answer = "restart", 0
        elif start > self.next_ms + tear:
            gap = start - self.next_ms
            short = gap <= 2000 and self.next_ms - self.began >= 2.5 * gap
            answer = "bridged" if short else "restart", 0
        elif start >= self.next_ms - tear:
            answer = "used", 0
        elif end > self.next_ms + tear:
            answer = "overlap", round((self.next_ms - start) * rate / 1000)
        elif (start, count) == self.last:
            return "repeat", 0
        else:
            return "out of order", 0
        if answer[0] in ("restart", "bridged"):
            self.began = start
        self.next_ms, self.last, self.rate = end, (start, count), rate
        return answer


def test_the_names_stand_in_the_order_of_the_numbers():
    names = "used", "restart", "bridged", "overlap", "repeat", "out of order", "late", "future"
    numbers = [USED, RESTART, BRIDGED, OVERLAP, REPEAT, OLD, LATE, FUTURE]
    assert names == VERDICTS
    assert [VERDICTS[n] for n in numbers] == list(names)


def test_in_order_all_is_used():
    verdicts, skips = assessed([second(n) for n in range(50)])
    assert verdicts == ["restart"] + ["used"] * 49
    assert skips == [0] * 50


@pytest.mark.parametrize("shift_ms", [-15, -10, -1, 1, 10, 15])
def test_a_clock_that_is_steered_is_no_gap(shift_ms):
    assert assessed([second(0), second(1, shift_ms=shift_ms)])[0] == ["restart", "used"]


@pytest.mark.parametrize(("shift_ms", "verdict"), [(16, "bridged"), (-16, "overlap")])
def test_a_tear_beyond_the_tolerance_is_a_gap_or_an_overlap(shift_ms, verdict):
    assert assessed([second(0), second(1, shift_ms=shift_ms)])[0] == ["restart", verdict]


def test_an_exact_repeat_is_dropped():
    read = [second(0), second(1), second(1), second(1, late_ms=900), second(2)]
    assert assessed(read)[0] == ["restart", "used", "repeat", "repeat", "used"]


def test_of_an_overlap_the_tail_is_used():
    read = [
        second(0),
        (START_MS + 700, 100, START_MS + 2200),
        (START_MS + 1700, 30, START_MS + 2500),
    ]
    assert assessed(read) == (["restart", "overlap", "used"], [0, 30, 0])


def test_what_is_older_is_out_of_order():
    read = [second(0), second(5), second(4), second(3, count=150), second(6)]
    assert assessed(read)[0] == ["restart", "restart", "out of order", "out of order", "used"]


@pytest.mark.parametrize(
    ("before", "gap", "verdict"),
    [
        (3, 1, "bridged"),
        (2, 1, "restart"),
        (5, 2, "bridged"),
        (4, 2, "restart"),
        (60, 3, "restart"),
    ],
)
def test_a_short_gap_is_bridged_where_there_was_enough_before_it(before, gap, verdict):
    read = [second(n) for n in range(before)] + [second(before + gap), second(before + gap + 1)]
    assert assessed(read)[0][before:] == [verdict, "used"]


def test_of_every_second_that_is_lost_none_is_bridged():
    read = [second(2 * n) for n in range(20)]
    assert assessed(read)[0] == ["restart"] * 20


def test_a_gap_is_a_restart():
    read = [second(0), second(2), second(3), second(3600), second(3601)]
    assert assessed(read)[0] == ["restart", "restart", "used", "restart", "used"]


def test_late_beyond_the_horizon_is_dropped_and_leaves_a_gap():
    read = [second(0), second(1, late_ms=30_001), second(2)]
    assert assessed(read)[0] == ["restart", "late", "restart"]
    assert assessed([second(0), second(1, late_ms=30_000)])[0] == ["restart", "used"]


def test_the_future_is_dropped():
    read = [second(0), second(1, late_ms=-3001), second(1), second(2, late_ms=-3000)]
    assert assessed(read)[0] == ["restart", "future", "used", "used"]


def test_a_clock_in_the_future_is_wrong_for_a_while_after():
    judge = Continuity(SETTINGS)
    judge.grow(2)
    arrival = START_MS * 1_000_000
    judge.assess(
        np.array([1]),
        np.array([arrival + 10 * 10**9]),
        np.array([100]),
        np.array([RATE]),
        np.array([arrival]),
    )
    assert judge.wrong_until_ns[1] == arrival + 60_000_000_000
    assert judge.wrong_until_ns[0] == 0


def test_one_second_of_the_future_does_not_move_the_channel():
    """A jump to 2100 and back: what comes after is in order, as if nothing had been."""
    far = 4_102_444_800_000
    read = [second(0), (far, 100, START_MS + 2500), second(1), second(2)]
    assert assessed(read)[0] == ["restart", "future", "used", "used"]


def test_a_jump_into_the_past_does_not_move_the_channel():
    read = [second(0), (0, 100, START_MS + 2500), second(1)]
    assert assessed(read)[0] == ["restart", "late", "used"]


@pytest.mark.parametrize(
    ("rate", "verdict"), [(100.5, "used"), (99.0, "used"), (50.0, "restart"), (104.0, "restart")]
)
def test_a_rate_may_wander_but_not_change(rate, verdict):
    changed = (START_MS + 1000, 100, START_MS + 5000, rate)
    assert assessed([second(0), changed])[0] == ["restart", verdict]


def test_channels_do_not_mix():
    judge = Continuity(SETTINGS)
    judge.grow(1)
    judge.grow(3)
    judge.grow(2)
    starts = np.array([0, 0, 0, 1, 1, 1]) * 10**9 + START_S * 10**9
    verdict, _ = judge.assess(
        np.array([0, 1, 2, 2, 0, 1]),
        starts,
        np.full(6, 100),
        np.full(6, RATE),
        starts + 2 * 10**9,
    )
    assert verdict.tolist() == [RESTART] * 3 + [USED] * 3
    assert judge.tallies.shape == (3, 8)


times = st.integers(0, 1500).map(lambda n: START_MS + n * 10)
any_record = st.tuples(
    st.one_of(times, st.just(0), st.just(4_102_444_800_000)),
    st.integers(1, 300),
    st.one_of(times, st.integers(0, 60_000).map(lambda n: START_MS + n)),
    st.sampled_from([50, 100, 100, 100, 200]),
)
even_record = st.tuples(
    st.integers(0, 12),
    st.sampled_from([-500, -20, -10, 0, 0, 0, 10, 20, 300]),
    st.sampled_from([50, 100, 100, 150]),
).map(lambda n: (*second(n[0], shift_ms=n[1], count=n[2], late_ms=1500), 100))


@given(st.lists(any_record | even_record, max_size=30), st.integers(1, 30))
@example([(START_MS, 100, START_MS + 1000, 100)] * 3, 1)
def test_the_slow_twin_says_the_same(read, size):
    twin = SlowTwin()
    expected = [twin.judge(*r) for r in read]
    verdicts, skips = assessed([(s, c, a, float(r)) for s, c, a, r in read], size=size)
    assert list(zip(verdicts, skips, strict=True)) == expected


def picker(channels=None):
    return PickOperator(0, channels or table(), SHORT.detect, SHORT.ingest)


def decoded(said):
    return [detections.decode(o.value) for o in said if o.topic != REJECTS.name]


def refused(said):
    return [rejects.decode(o.value) for o in said if o.topic == REJECTS.name]


def trace(seconds, onsets, seed=5):
    """Counts with waves at these seconds."""
    t = np.arange(round(seconds * RATE)) / RATE
    counts = np.random.default_rng(seed).normal(0.0, 30.0, t.size)
    for onset in onsets:
        counts += burst(t - onset, 0.02 * GAIN, 4.0, 1.0)
    return np.rint(counts).astype(np.int32)


ID = "KR.AAA..HNZ"


def onset_seconds(said):
    return [round(p.time_us / 1e6 - START_S, 1) for p in decoded(said) if isinstance(p, Pick)]


def test_overlapping_records_give_what_the_stream_without_overlap_gives():
    samples = trace(40, [12.0, 25.3])
    plain = cut(ID, samples, RATE)
    lapped = []
    for n, packet in enumerate(plain):
        begin = max(0, 100 * n - 37 * (n % 4))
        value = encode(ID, START_S * 10**9 + begin * 10**7, RATE, samples[begin : 100 * n + 100])
        lapped.append(msgspec.structs.replace(packet, value=value))
    said = picker().process(records(lapped))
    assert said == picker().process(records(plain))
    assert onset_seconds(said) == [12.0, 25.3]


def test_repeated_and_old_records_give_what_the_stream_without_them_gives():
    plain = cut(ID, trace(40, [12.0, 25.3]), RATE)
    doubled = []
    for n, packet in enumerate(plain):
        doubled.append(packet)
        for old in (n, n - 3):
            if old >= 0:
                again = msgspec.structs.replace(plain[old], arrival_ms=packet.arrival_ms)
                doubled.append(again)
    said = picker().process(records(doubled))
    expected = picker().process(records(plain))
    assert decoded(said) == decoded(expected)
    assert {r.reason for r in refused(said)} == {"out of order"}
    assert len(refused(said)) == 37


@pytest.mark.parametrize(
    ("lost", "blind_s"),
    [(3, SHORT.detect.pick.settle_s), (2, SHORT.detect.pick.resume_s), (1, 1.0)],
)
def test_after_a_gap_the_channel_is_blind_until_it_has_settled(lost, blind_s):
    """The waves at 23 s come 2 s after a gap: one that is bridged has been forgotten by then."""
    packets = cut(ID, trace(40, [12.0, 23.0, 33.0]), RATE)
    said = picker().process(records(packets[: 21 - lost] + packets[21:]))
    assert onset_seconds(said) == [12.0, *([23.0] if blind_s < 2.0 else []), 33.0]
    warming = [
        (m.time_us // 1_000_000 - START_S, s.faults)
        for m in decoded(said)
        if isinstance(m, Motion)
        for s in m.stations
    ]
    warming += [
        (beat.time_us // 1_000_000 - START_S, beat.faults)
        for beat in decoded(said)
        if isinstance(beat, Heartbeat)
    ]
    assert len(warming) > 35
    settle = SHORT.detect.pick.settle_s
    for at, faults in warming:
        blind = at <= settle or 22 < at <= 21 + blind_s
        assert ("warming" in faults) == blind, at
    assert onset_seconds(picker().process(records(packets))) == [12.0, 23.0, 33.0]


@pytest.mark.parametrize("lost", [1, 3])
def test_motion_that_a_gap_breaks_off_says_nothing_more(lost):
    """Its peaks would stand still while the seconds go on, as if nothing had followed."""
    packets = cut(ID, trace(20, [12.0]), RATE)

    def reported(packets):
        motions = [m for m in decoded(picker().process(records(packets))) if isinstance(m, Motion)]
        since = [p for m in motions for s in m.stations for p in s.since_picks]
        return max(p.elapsed_s for p in since)

    assert reported(packets) == pytest.approx(5.0, abs=1.1)
    assert reported(packets[:14] + packets[14 + lost :]) == pytest.approx(2.0, abs=0.1)


def test_a_gap_is_no_onset():
    """Two stretches with different offsets: the step between them is not a wave."""
    samples = trace(40, [])
    samples[2000:] += 1_000_000
    packets = cut(ID, samples, RATE)
    assert onset_seconds(picker().process(records(packets[:19] + packets[20:]))) == []


def test_a_pick_of_a_channel_with_a_wrong_clock_says_so():
    packets = cut(ID, trace(60, [12.0, 24.0, 45.0]), RATE)
    future = encode(ID, (START_S + 3600) * 10**9, RATE, trace(1, []))
    strange = msgspec.structs.replace(packets[22], value=future)
    said = picker().process(records([*packets[:22], strange, *packets[22:]]))
    picks = {round(p.time_us / 1e6 - START_S): p.faults for p in decoded(said) if is_pick(p)}
    assert picks == {12: (), 24: ("clock",), 45: ()}
    assert [r.reason for r in refused(said)] == ["future"]
    ends = [s.data_end_us for m in decoded(said) if isinstance(m, Motion) for s in m.stations]
    ends += [e for m in decoded(said) if isinstance(m, Heartbeat) for e in m.data_end_us]
    assert len(ends) > 55
    assert max(ends) <= (START_S + 60) * 1_000_000


def is_pick(detection):
    return isinstance(detection, Pick)


def test_late_data_are_counted_and_not_used():
    packets = cut(ID, trace(40, [12.0, 25.3]), RATE)
    held = [msgspec.structs.replace(p, arrival_ms=p.arrival_ms + 8000) for p in packets[24:27]]
    read = sorted([*packets[:24], *held, *packets[27:]], key=lambda p: p.arrival_ms)
    said = picker().process(records(read))
    assert onset_seconds(said) == [12.0]
    assert [(r.reason, r.source) for r in refused(said)] == [("late", ID)] * 3


def test_what_is_dropped_leaves_a_readable_reject():
    packet = Packet("KR.AAA", START_MS + 60_000, 0, 0, cut(ID, trace(1, []), RATE)[0].value)
    (reject,) = refused(picker().process(records([packet])))
    assert reject.reason == "late"
    assert reject.detail == "began 60.0 s before it arrived"
    assert (reject.topic, reject.partition, reject.offset) == ("waveforms", 0, 0)
