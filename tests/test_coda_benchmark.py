"""Onsets after P: in which stretch they are counted, and for how long a station could tell."""

from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks import coda, earthquakes
from benchmarks.coda import Tail
from detect import traveltimes

NEAR = Path(__file__).resolve().parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"
(KNOWN,) = earthquakes.read([NEAR])
TABLES = traveltimes.load()
STATION = KNOWN.nearest[0]
P_S = TABLES.p(KNOWN.away_km[STATION], KNOWN.depth_km)
S_S = TABLES.s(KNOWN.away_km[STATION], KNOWN.depth_km)


@cache
def recorded():
    """What is picked in the recording, played once."""
    return earthquakes.played(KNOWN.recording).picks


def heard(*picks):
    """Picks at the nearest station: seconds after the origin, and signal-to-noise ratio."""
    some = recorded()[0]
    return [
        replace(
            some, pick=replace(some.pick, time_us=KNOWN.truth.time_us + round(t * 1e6), snr=snr)
        )
        for t, snr in picks
    ]


def test_the_stretches_have_names():
    assert coda.NAMES == (
        "P to S-2", "S-2 to +3", "S+3 to +8", "S+8 to +15", "S+15 to +25", "S+25 to +40",
        "S+40 to +60", "S+60 to +100",
    )  # fmt: skip


def test_a_tail_begins_behind_p_and_ends_with_the_data():
    picks = heard((P_S + 0.5, 20.0), (P_S + 1.0, 8.0), (S_S + 9.0, 7.0), (P_S - 5.0, 9.0))
    found = coda.tail(KNOWN, STATION, picks, TABLES)
    end_us = max(p.end_us for p in KNOWN.recording.packets if p.station == STATION)
    assert found.group == "ridgecrest-2019-near"
    assert found.begin_s == pytest.approx(P_S + 2.0 - S_S, abs=1e-5)
    assert found.end_s == pytest.approx(end_us / 1e6 - KNOWN.origin_s - S_S, abs=1e-5)
    assert found.onsets == ((pytest.approx(9.0, abs=1e-5), 7.0),)


def test_a_station_without_p_has_no_tail():
    assert coda.tail(KNOWN, STATION, heard((P_S + 5.0, 20.0)), TABLES) is None


def test_smaller_earthquakes_are_one_group():
    small = earthquakes.known(KNOWN.recording, replace(KNOWN.truth, magnitude=6.9))
    assert coda.tail(small, STATION, heard((P_S, 20.0)), TABLES).group == "M below 7"


def test_onsets_are_counted_where_they_are_and_time_as_far_as_data_reach():
    some = [
        Tail("a", -10.0, 5.0, ((-3.0, 13.0), (-1.0, 7.0), (0.0, 6.0), (4.0, 5.0))),
        Tail("a", 1.0, 200.0, ((2.0, 12.5), (150.0, 99.0))),
    ]
    rows = [coda.row("a", number, some) for number in range(len(coda.NAMES))]
    assert rows[0] == "| a | P to S-2 | 8 | 1 | 0.1250 | 100% | 100% |"
    assert rows[1] == "| a | S-2 to +3 | 7 | 3 | 0.4286 | 67% | 33% |"
    assert rows[2] == "| a | S+3 to +8 | 7 | 1 | 0.1429 | 0% | 0% |"
    assert rows[-1] == "| a | S+60 to +100 | 40 | 0 | 0.0000 | - | - |"


def test_a_stretch_without_data_has_no_rate():
    assert coda.row("a", 7, [Tail("a", -1.0, 5.0, ())]).endswith("| 0 | 0 | - | - | - |")


def test_a_recording_makes_the_table():
    found = list(coda.tails([NEAR], TABLES))
    assert len(found) == 3
    rows = list(coda.lines(found))
    assert len(rows) == 2 + len(coda.NAMES)
    inside = sum(t < coda.EDGES_S[-1] for tail in found for t, _ in tail.onsets)
    assert sum(int(row.split(" | ")[3]) for row in rows[2:]) == inside > 0


def test_stations_far_away_are_left_out(monkeypatch):
    monkeypatch.setattr(coda, "WITHIN_KM", 10.0)
    assert len(list(coda.tails([NEAR], TABLES))) == 1
