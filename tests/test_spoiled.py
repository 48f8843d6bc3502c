"""What one station sends, spoiled in one way: each fault is the one that it is called."""

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from benchmarks import earthquakes, spoil, spoiled
from benchmarks.spoil import KINDS, When
from detect import traveltimes
from ingest import miniseed
from ingest.sources.archive import Packet

NEAR = Path(__file__).resolve().parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"
(KNOWN,) = earthquakes.read([NEAR])
NEAREST = KNOWN.nearest[0]
PACKETS = [p for p in KNOWN.recording.packets if p.station == NEAREST]
TABLES = traveltimes.load()
AROUND_US = KNOWN.truth.time_us - 40_000_000, KNOWN.truth.time_us + 20_000_000
SHORT = earthquakes.known(
    earthquakes.having(
        KNOWN.recording,
        [p for p in KNOWN.recording.packets if AROUND_US[0] <= p.start_us < AROUND_US[1]],
    ),
    KNOWN.truth,
)

# A station made by hand: 100 s of counts at 100 Hz, quiet, and a wave of 10,000 from 60 s on.
START_S, ORIGIN_S, P_S = 1_700_000_000, 1_700_000_058.0, 1_700_000_060.0
WHEN = When(ORIGIN_S, P_S)
TIMES = START_S + np.arange(10_000) / 100
COUNTS = np.rint(
    500
    + np.random.default_rng(1).normal(0, 10, TIMES.size)
    + np.where(TIMES >= P_S, 10_000 * np.sin(2 * np.pi * 2 * (TIMES - P_S)), 0)
).astype(np.int32)


def made():
    def packet(second):
        start_us = (START_S + second) * 1_000_000
        counts = COUNTS[100 * second : 100 * (second + 1)]
        value = miniseed.encode("XX.AAA..HNZ", 1000 * start_us, 100.0, counts)
        return Packet("XX.AAA", start_us // 1000 + 1500, start_us, start_us + 1_000_000, value)

    return [packet(second) for second in range(100)]


def samples(packets):
    """Samples of the first channel, in order of the packets."""
    held = miniseed.decode([p.value for p in packets])
    assert not held.faults
    first = held.code[0]
    return np.concatenate(
        [held.of(i) for i in range(len(held.value)) if (held.code[i] == first).all()]
    )


def one(kind, packets=None, seed=3):
    return spoil.spoiled(
        kind, made() if packets is None else packets, WHEN, np.random.default_rng(seed)
    )


def changed(kind):
    before, after = made(), one(kind)
    headers = [(p.station, p.arrival_ms, p.start_us, p.end_us) for p in before]
    assert [(p.station, p.arrival_ms, p.start_us, p.end_us) for p in after] == headers
    return samples(after).astype(float)


def test_a_change_of_nothing_leaves_samples_and_times_of_three_channels():
    same = spoil.changed(PACKETS, lambda times, samples: samples)
    before = miniseed.decode([p.value for p in PACKETS])
    after = miniseed.decode([p.value for p in same])
    assert not after.faults
    assert len({miniseed.seed_id(code) for code in after.code}) > 1
    for name in ("value", "code", "start_ns", "rate", "samples"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_a_change_sees_each_channel_once_with_its_times():
    seen = []

    def keep(times, samples):
        seen.append((times, samples))
        return samples

    spoil.changed(made()[::-1], keep)
    ((times, found),) = seen
    np.testing.assert_allclose(times, TIMES, atol=1e-6, rtol=0)
    np.testing.assert_array_equal(found, COUNTS)


def test_integers_stay_integers_and_in_their_bounds():
    packets = spoil.changed(made()[:1], lambda times, samples: np.full_like(samples, 1e12))
    assert samples(packets).dtype == np.int32
    assert set(samples(packets).tolist()) == {2**31 - 1}


def test_late_packets_come_8_s_later_in_the_same_order():
    late = one("late")
    assert [p.arrival_ms - 8000 for p in late] == [p.arrival_ms for p in made()]
    assert [p.value for p in late] == [p.value for p in made()]


@pytest.mark.parametrize(("kind", "by_s"), [("fast", 5), ("slow", -5)])
def test_a_wrong_clock_moves_the_times_in_the_data_and_not_the_arrivals(kind, by_s):
    wrong = one(kind)
    starts = miniseed.decode([p.value for p in wrong]).start_ns // 1000
    assert starts.tolist() == [p.start_us for p in wrong]
    assert [p.start_us - by_s * 1_000_000 for p in wrong] == [p.start_us for p in made()]
    assert [p.end_us - p.start_us for p in wrong] == [1_000_000] * 100
    assert [p.arrival_ms for p in wrong] == [p.arrival_ms for p in made()]
    np.testing.assert_array_equal(samples(wrong), COUNTS)


@pytest.mark.parametrize(("kind", "share"), [("gaps", 0.7), ("some gaps", 0.9), ("few gaps", 0.95)])
def test_packets_are_lost_by_chance_and_the_others_stay(kind, share):
    many = made() * 20
    kept = one(kind, many)
    assert len(kept) / len(many) == pytest.approx(share, abs=0.03)
    assert {p.start_us for p in kept} <= {p.start_us for p in many}


def test_each_packet_comes_twice_the_second_up_to_3_s_later():
    arrivals = {}
    for packet in one("doubled"):
        arrivals.setdefault((packet.start_us, packet.value), []).append(packet.arrival_ms)
    assert len(arrivals) == 100
    waits = [second - first for first, second in arrivals.values()]
    assert min(waits) >= 0
    assert 2000 < max(waits) <= 3000


def test_a_station_that_fails_is_silent_from_1_s_after_p_on():
    assert one("fails") == made()[:61]


def test_an_outage_comes_at_once_5_s_after_p_and_nothing_is_lost():
    end = round(1000 * (P_S + 5))
    for before, after in zip(made(), one("outage"), strict=True):
        held = end - 25_000 <= before.arrival_ms < end
        assert after == replace(before, arrival_ms=end if held else before.arrival_ms)
    assert sum(p.arrival_ms == end for p in one("outage")) > 20


def test_spikes_are_single_samples_one_in_7_s():
    out = np.flatnonzero(changed("spikes") != COUNTS)
    assert 7 <= out.size <= 25
    assert np.diff(out).min() > 1
    assert np.abs(changed("spikes") - COUNTS)[out].max() > 1000


def test_a_step_stays():
    off = changed("step") - COUNTS
    assert set(off[TIMES <= ORIGIN_S - 10]) == {0.0}
    (height,) = set(off[TIMES > ORIGIN_S - 10])
    assert height == pytest.approx(10_000, rel=0.05)


def test_clipping_is_at_a_tenth_of_the_peak_about_the_middle():
    made = changed("clip")
    assert np.abs(made - 500).max() == pytest.approx(1000, rel=0.1)
    np.testing.assert_array_equal(made[TIMES < P_S], COUNTS[TIMES < P_S])


def test_a_dead_channel_is_constant():
    assert set(changed("dead")) == {17.0}


def test_every_channel_of_a_dead_station_is_constant():
    held = miniseed.decode([p.value for p in one("dead", PACKETS)])
    assert len(np.unique(held.code, axis=0)) > 1
    assert set(np.concatenate([held.of(i) for i in range(len(held.value))]).tolist()) == {17}


def test_a_burst_is_15_s_before_the_origin_and_short():
    off = np.abs(changed("burst") - COUNTS)
    since = TIMES - (ORIGIN_S - 15)
    assert off[since <= 0].max() == 0
    assert off[(since > 0) & (since < 2)].max() > 1000
    assert off[since > 12].max() < 10


@pytest.mark.parametrize(("kind", "scatter"), [("noisy", 10_000 / 40), ("hum", 500 / np.sqrt(2))])
def test_noise_and_hum_are_everywhere(kind, scatter):
    off = changed(kind) - COUNTS
    for half in np.split(off, 2):
        assert half.std() == pytest.approx(scatter, rel=0.1)


def test_a_wrong_gain_scales_the_signal():
    np.testing.assert_array_equal(changed("gain x10"), 10.0 * COUNTS)
    tenth = changed("gain /10")
    assert np.median(tenth) == pytest.approx(np.median(COUNTS), abs=2)
    assert np.ptp(tenth) == pytest.approx(np.ptp(COUNTS) / 10, abs=2)


def test_a_drift_begins_with_an_offset_and_grows():
    off = changed("drift") - COUNTS
    assert off[0] == pytest.approx(30_000, rel=0.05)
    assert off[-1] - off[0] == pytest.approx(10_000, rel=0.05)
    assert np.diff(off).min() >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_bytes(kind):
    assert one(kind) == one(kind)
    assert one(kind) != made()
    if kind in ("gaps", "doubled", "spikes", "burst", "noisy"):
        assert one(kind) != one(kind, seed=4)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="rusty is none of late"):
        one("rusty")


def test_every_way_spoils_the_stations_that_it_names(monkeypatch):
    monkeypatch.setattr(spoiled, "ENOUGH", 2)
    first, second, third = KNOWN.nearest
    touched = {
        "nearest": {first},
        "second nearest": {second},
        "three nearest": {first, second, third},
        "all": {first, second, third},
    }
    found = list(spoiled.variants(SHORT, TABLES))
    assert len(found) == 3 * len(KINDS) - 1 + 3
    assert ("burst", "three nearest") not in {(kind, which) for kind, which, _ in found}
    for kind, which, recording in found:
        for station in KNOWN.nearest:
            before = [p for p in SHORT.recording.packets if p.station == station]
            after = [p for p in recording.packets if p.station == station]
            spared = station not in touched[which] or (kind == "few gaps" and before == after)
            assert (before == after) == spared, (kind, which, station)
        order = [(p.arrival_ms, p.station, p.start_us) for p in recording.packets]
        assert order == sorted(order)
    assert found == list(spoiled.variants(SHORT, TABLES))


def test_of_few_stations_three_are_not_spoiled():
    whiches = {which for _, which, _ in spoiled.variants(SHORT, TABLES)}
    assert whiches == {"nearest", "second nearest", "all"}


def test_a_replay_of_few_kinds_makes_the_table(monkeypatch):
    monkeypatch.setattr(spoiled, "KINDS", {"late": "8 s late", "doubled": "packets twice"})
    found = list(spoiled.cases([NEAR], TABLES))
    clean, *_ = found
    assert clean.clean is None
    assert clean.found.matched
    rows = list(spoiled.lines(found))[1:]
    assert rows[0].startswith("| nothing | - | 1 | 0 | 0 | ")
    assert [row.split(" | ")[:2] for row in rows[1:]] == [
        ["| 8 s late", "nearest"],
        ["| 8 s late", "second nearest"],
        ["| packets twice", "nearest"],
        ["| packets twice", "second nearest"],
    ]
    assert rows[3].endswith("| 0.0 | 0.0 |")


def test_a_row_counts_against_the_clean_recording():
    base = earthquakes.played(KNOWN.recording)
    clean = spoiled.score(base, KNOWN.recording, KNOWN.truth, TABLES)
    unfound = replace(clean, matched=False, first_s=None, confirmed_s=None)
    told = replace(clean, confirmed_s=None)
    cases = [
        spoiled.Case("late", "nearest", replace(clean, confirmed_s=clean.confirmed_s + 1), clean),
        spoiled.Case("late", "nearest", replace(clean, confirmed_s=clean.confirmed_s + 4), clean),
        spoiled.Case("late", "nearest", unfound, clean),
        spoiled.Case("late", "nearest", unfound, unfound),
        spoiled.Case("late", "nearest", told, clean),
        spoiled.Case("late", "nearest", told, told),
        spoiled.Case("late", "nearest", replace(clean, false_events=3, false_alerts=2), clean),
        spoiled.Case("late", "nearest", replace(clean, false_before_p=1), clean),
    ]
    row = "| 8 s late | nearest | 8 | 1 | 1 | 3 | 2 | 1 | 0.5 | 4.0 |"
    assert spoiled.row(cases) == row
    lost = [spoiled.Case("", "", unfound, None), spoiled.Case("", "", told, None)]
    assert spoiled.row(lost) == "| nothing | - | 2 | 1 | 1 | 0 | 0 | 0 | - | - |"
