"""The benchmark of one location: what it times are earthquakes that are found where they are."""

import json
import sys

import numpy as np
import pytest

from benchmarks import locator
from detect import traveltimes


@pytest.fixture(scope="module")
def result():
    return locator.measure((3, 8), locations=6)


def test_every_case_is_timed_and_finds_its_earthquakes(result):
    costs = {(cost.case, cost.picks): cost for cost in result["costs"]}
    known = {("begins", 3), ("begins", 8), ("follows", 8)}
    assert costs.keys() == known | {("beside another", 3), ("beside another", 8)}
    for cost in costs.values():
        assert 0.0 < cost.p50_ms <= cost.p99_ms <= cost.max_ms
        assert cost.silent == 24
        assert cost.off_km < (25.0 if cost.picks == 3 else 10.0)


def test_the_stations_are_all_there_in_order_of_time():
    made = locator.make(100, traveltimes.load(), np.random.default_rng(1))
    assert len(made.onsets) == 100
    assert made.silent == ()
    times = [onset.time_s for onset in made.onsets]
    assert times == sorted(times)
    assert len({(onset.latitude, onset.longitude) for onset in made.onsets}) == 100


def test_it_prints_and_writes_what_it_measured(tmp_path, capsys, monkeypatch):
    path = tmp_path / "out" / "locator.json"
    given = ["--picks", "4", "--locations", "3", "--json", str(path)]
    monkeypatch.setattr(sys, "argv", ["locator", *given])
    locator.main()
    written = json.loads(path.read_bytes())
    assert [cost["case"] for cost in written["costs"]] == ["begins", "beside another"]
    assert written["target_p99_ms"] == 1.0
    printed = capsys.readouterr().out
    for cost in written["costs"]:
        line = next(line for line in printed.splitlines() if line.startswith(cost["case"]))
        assert f"{cost['p99_ms']:,}" in line
        assert ("met" in line.split()) == (cost["p99_ms"] < 1.0)
