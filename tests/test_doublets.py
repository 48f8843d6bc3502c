"""A smaller copy before an earthquake: that it stands where it should, and how it is judged."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from benchmarks import doublets, earthquakes
from benchmarks.doublets import Case, Told
from detect import traveltimes
from ingest import miniseed
from replay.session import Outcome

NEAR = Path(__file__).resolve().parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"
(KNOWN,) = earthquakes.read([NEAR])
TRUTH = KNOWN.truth


@cache
def clean():
    """The recording as it is, played once."""
    return earthquakes.played(KNOWN.recording)


def samples(recording, station):
    """Samples of the first channel of a station, in order of time."""
    packets = [p for p in recording.packets if p.station == station]
    held = miniseed.decode([p.value for p in sorted(packets, key=lambda p: p.start_us)])
    first = min(held.code.tolist())
    rows = [i for i in range(len(held.value)) if held.code[i].tolist() == first]
    return np.concatenate([held.of(i) for i in rows]).astype(float), float(held.rate[rows[0]])


def said(*revisions):
    """An outcome of events: origin after the catalogue's, known after it, status, by id."""
    events = tuple(
        replace(
            clean().events[-1],
            id=name,
            latitude=TRUTH.latitude,
            longitude=TRUTH.longitude,
            origin_time_us=TRUTH.time_us + round(origin_s * 1e6),
            updated_us=TRUTH.time_us + round(known_s * 1e6),
            status=status,
            magnitude=magnitude,
        )
        for name, origin_s, known_s, status, magnitude in revisions
    )
    return Outcome(
        folder="",
        picks=(),
        events=events,
        alerts=(),
        rejects=(),
        wall_s=0,
        data_s=0,
        station_hours=0,
    )


@pytest.mark.parametrize(("seconds", "scale"), [(8, 0.3), (20, 0.1)])
def test_the_copy_is_earlier_and_smaller_at_every_station(seconds, scale):
    made = doublets.doubled(KNOWN.recording, seconds, scale)
    assert [(p.station, p.start_us, p.arrival_ms) for p in made.packets] == [
        (p.station, p.start_us, p.arrival_ms) for p in KNOWN.recording.packets
    ]
    for station in KNOWN.nearest:
        before, rate = samples(KNOWN.recording, station)
        after, _ = samples(made, station)
        copy = after - before
        shift = round(seconds * rate)
        rest = np.median(before[: before.size // 10])
        np.testing.assert_allclose(copy[:-shift], scale * (before[shift:] - rest), atol=1)
        assert np.abs(copy[-shift + 1 :]).max() <= 1
        assert np.argmax(np.abs(copy)) == np.argmax(np.abs(before - rest)) - shift


def test_the_same_doublet_has_the_same_bytes():
    assert doublets.doubled(KNOWN.recording, 8, 0.1) == doublets.doubled(KNOWN.recording, 8, 0.1)


def test_recordings_that_begin_too_late_are_left_out():
    tables = traveltimes.load()
    first = {
        s: min(p.start_us for p in KNOWN.recording.packets if p.station == s) for s in KNOWN.nearest
    }
    p_s = KNOWN.origin_s + tables.p(KNOWN.away_km[KNOWN.nearest[0]], KNOWN.depth_km)
    room_s = p_s - 25 - max(first.values()) / 1e6
    assert doublets.settled(KNOWN, room_s - 0.1, tables)
    assert not doublets.settled(KNOWN, room_s + 0.1, tables)
    assert room_s < min(doublets.SECONDS)
    assert list(doublets.cases([NEAR], tables)) == []


def test_the_clean_recording_tells_of_the_earthquake():
    known_s = {
        status: next(e.updated_us for e in clean().events if e.status == status) / 1e6
        for status in ("provisional", "confirmed")
    }
    told = doublets.told(clean(), TRUTH)
    assert told.first_s == pytest.approx(known_s["provisional"] - KNOWN.origin_s, abs=1e-5)
    assert told.confirmed_s == pytest.approx(known_s["confirmed"] - KNOWN.origin_s, abs=1e-5)
    assert (told.stays, told.magnitude) == (True, clean().events[-1].magnitude)
    assert doublets.told(clean(), replace(TRUTH, time_us=TRUTH.time_us - 8_000_000)) is None
    assert doublets.told(clean(), replace(TRUTH, latitude=TRUTH.latitude + 2)) is None


def test_an_event_is_told_from_the_first_revision_that_fits():
    moved = said(
        ("a", -12.0, -8.0, "confirmed", 4.0),
        ("a", -3.0, 5.0, "provisional", 5.0),
        ("a", -2.0, 9.0, "confirmed", 6.0),
        ("a", -9.0, 12.0, "confirmed", 6.5),
    )
    assert doublets.told(moved, TRUTH) == Told(5.0, 9.0, False, 6.5)


def test_an_event_nearer_to_the_copy_is_the_copys():
    copy_us = TRUTH.time_us - 8_000_000
    between = said(("a", -5.0, 4.0, "confirmed", 5.0))
    assert doublets.told(between, TRUTH) is not None
    assert doublets.told(between, TRUTH, copy_us) is None
    assert doublets.told(between, replace(TRUTH, time_us=copy_us), TRUTH.time_us) is not None


@pytest.mark.parametrize("status", ["cancelled", "superseded"])
def test_what_was_taken_back_does_not_count(status):
    both = said(
        ("a", 0.0, 3.0, "confirmed", 5.0),
        ("b", 1.0, 6.0, "provisional", 5.5),
        ("a", 0.0, 7.0, status, 5.0),
    )
    assert doublets.told(both, TRUTH) == Told(6.0, None, True, 5.5)


def test_the_table_counts_own_events_and_those_that_the_earlier_one_covers():
    clean, own = Told(4.0, 7.0, True, 7.0), Told(5.0, 9.0, True, 7.0)
    cases = [
        Case(8, 0.1, 7.1, clean, own, None),
        Case(8, 0.1, 7.1, clean, Told(5.0, None, False, 7.0), None),
        Case(8, 0.1, 7.1, clean, None, Told(-4.0, -2.0, True, 6.7)),
        Case(8, 0.1, 7.1, clean, None, Told(-4.0, -2.0, True, 6.5)),
        Case(8, 0.1, 7.1, clean, None, None),
        Case(40, 0.3, 7.1, clean, own, None),
    ]
    rows = list(doublets.lines(cases))
    assert rows[1] == "| 8 | 0.1 | 5 | 2 | 1 | 1 | 2.0 | 1 of 3 |"
    assert rows[2] == "| 8 | 0.3 | 0 | 0 | 0 | 0 | - | - |"
    assert rows[-1] == "| 40 | 0.3 | 1 | 1 | 1 | 1 | 2.0 | - |"


def test_a_doublet_is_replayed_and_judged(monkeypatch):
    monkeypatch.setattr(doublets, "settled", lambda known, seconds, tables: seconds == 12)
    found = list(doublets.cases([NEAR], traveltimes.load()))
    assert [(case.seconds, case.scale) for case in found] == [(12, 0.1), (12, 0.3)]
    for case in found:
        assert case.clean == doublets.told(clean(), TRUTH)
        assert case.copy is not None or case.main is not None
        assert case.copy is None or case.copy.first_s > 0
