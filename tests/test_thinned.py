"""Recordings with stations left out: whose packets stay, and that chance is the same again."""

from pathlib import Path

from benchmarks import thinned
from ingest.sources import archive
from replay import catalogue

NEAR = Path(__file__).resolve().parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"
RECORDING = archive.read(NEAR, latency_s=0.5)


def left(recordings):
    return [(one.folder, {p.station for p in one.packets}) for one in recordings]


def test_too_few_stations_are_not_thinned():
    assert list(thinned.thinned(RECORDING, catalogue.read(NEAR), 3)) == []


def test_the_nearest_goes_first_and_then_chance_decides(monkeypatch):
    monkeypatch.setattr(thinned, "LEAST", 2)
    truth = catalogue.read(NEAR)
    found = left(thinned.thinned(RECORDING, truth, 8))
    assert found[0] == ("ridgecrest-2019-near, nearest out", {"CI.TOW2", "CI.CCC"})
    assert [len(stations) for _, stations in found] == [2] * 9
    assert len({tuple(sorted(stations)) for _, stations in found}) > 1
    assert found == left(thinned.thinned(RECORDING, truth, 8))


def test_packets_of_the_others_stay_as_they_are():
    kept = thinned.without(RECORDING, frozenset({"CI.CLC"}), "one")
    assert kept.packets == tuple(p for p in RECORDING.packets if p.station == "CI.CLC")
    assert kept.folder == "one"
