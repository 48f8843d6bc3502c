"""The measure of calibration: what it counts, by hand, and that a made network is what it says."""

import pytest

from benchmarks import calibration
from benchmarks.calibration import Event, Set, State
from benchmarks.made_reports import make
from detect import detections, traveltimes
from detect.detections import Pick
from replay.catalogue import Catalogue

QUAKE = Catalogue(time_us=0, latitude=43.0, longitude=77.0, depth_km=10.0, magnitude=5.0)


def state(at_s, probability, sites=3, *, told=True, east=0.0, magnitude=5.0):
    return State(
        "x", at_s * 1_000_000, probability, sites, told, ("a",), 0, 43.0, 77.0 + east, 10.0,
        magnitude, 0.5,
    )  # fmt: skip


def event(*states, truth=QUAKE, disturbance=False):
    return Event(states, truth, disturbance)


def test_a_stated_probability_is_compared_with_how_often_it_was_true():
    true = event(state(1, 0.2, 2), state(2, 0.95), state(3, 0.95, told=False), state(4, 1.0))
    false = event(state(1, 0.25, 2), state(2, 0.28, 2), truth=None)
    bins = {b.low: b for b in calibration.reliability([Set("a", (true,)), Set("b", (false,))])}
    low = bins[0.1]
    assert (low.revisions, low.true_revisions, low.events, low.true_events) == (3, 1, 2, 1)
    assert (bins[0.9].revisions, bins[0.9].true_revisions) == (1, 1)
    assert (bins[0.999].revisions, bins[0.999].true_revisions) == (1, 1)
    assert sum(b.revisions for b in bins.values()) == 5


def test_a_threshold_costs_delay_and_false_confirmations():
    slow = event(state(1, 0.6, 2), state(2, 0.7), state(5, 0.99))
    noise = event(state(1, 0.92), truth=None)
    blast = event(state(1, 0.96), truth=None, disturbance=True)
    never = event(state(1, 0.3), state(2, 0.5))
    found = {
        t.probability: t for t in calibration.thresholds([Set("a", (slow, noise, blast, never))], 3)
    }
    assert (found[0.5].of_noise, found[0.5].of_disturbances, found[0.5].missed) == (1, 1, 0)
    assert found[0.5].cost_s == 2 * 60.0 + 1.0
    assert (found[0.95].of_noise, found[0.95].of_disturbances, found[0.95].missed) == (0, 1, 1)
    assert found[0.98].median_delay_s == 3.0
    assert found[0.98].cost_s == 3.0 + 30.0
    assert found[0.999].missed == 2


def test_a_set_has_no_say_in_its_own_threshold():
    certain = [Set(str(i), (event(state(1, 0.96), truth=None),)) for i in range(3)]
    odd = Set("odd", (event(state(1, 0.8), state(21, 0.97), state(22, 1.0)),))
    chosen, cost = calibration.left_out([*certain, odd], 3)
    assert chosen == {0.98: 4}
    assert cost == 21.0


def test_coverage_by_hand():
    found = calibration.coverage("x", [[0.1, 0.5, 1.2], [0.9, 2.5]], (1.0, 2.0))
    assert (found.within_68, found.within_95, found.revisions) == (0.6, 0.8, 5)
    assert 0.9 < found.factor < 1.3
    assert calibration.coverage("x", [[]], (1.0, 2.0)) is None


def test_a_made_network_is_the_same_again_and_its_picks_have_their_causes():
    tables = traveltimes.load()
    made = make(1, tables)
    assert made == make(1, tables)
    assert made.records != make(2, tables).records
    said = [detections.decode(record.value) for record in made.records]
    picks = {one.id: one for one in said if isinstance(one, Pick)}
    assert made.causes.keys() <= picks.keys()
    assert made.disturbed
    assert not made.disturbed & made.causes.keys()
    assert len(picks) > len(made.causes) + len(made.disturbed)
    for pick, cause in made.causes.items():
        assert 0.0 < (picks[pick].time_us - made.happened[cause].time_us) * 1e-6 < 150.0
    assert not any(detections.impossible(d, r.timestamp * 1000)
                   for d, r in zip(said, made.records, strict=True))  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    return calibration.measure([], 1)


def test_a_made_network_is_measured(measured):
    made = measured["made"]
    assert "recorded" not in measured
    assert made["events"] >= made["true"] >= 3
    assert sum(b["revisions"] for b in made["reliability"]) >= 10
    assert [c["what"] for c in made["coverage"]] == ["epicentre", "magnitude"]
    assert sum(made["left_out"].values()) == made["sets"] == 1
    page = "\n".join(calibration._lines(measured))
    assert f"### Made: {made['events']} events, {made['true']} true" in page
