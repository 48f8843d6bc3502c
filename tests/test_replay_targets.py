"""Scores held against the targets, by hand."""

import msgspec
import pytest
from made_outcome import CATALOGUE, TIMES, event, outcome, recording

from replay.score import PickScore, Score, score
from replay.targets import targets


def one(**changes) -> Score:
    made = score(outcome(events=[event("a", 0, 3)]), recording(), CATALOGUE, TIMES)
    plain = {"limit2_s": 2.0, "limit3_s": 3.0, "first_s": 2.5, "confirmed_s": 3.5}
    return msgspec.structs.replace(made, **{**plain, **changes})


def found(what: str, *scores: Score) -> tuple[str, bool | None]:
    told = next(t for t in targets(scores) if t.what.startswith(what))
    return told.found, told.met


def test_missed_are_those_with_stations_and_size_to_be_found():
    missed = {"matched": False, "folder": "x"}
    many, few = PickScore(true=2, false=0, missed=1), PickScore(true=2, false=0, missed=0)
    small = msgspec.structs.replace(CATALOGUE, magnitude=4.4)
    assert found("missed", one(picks=many)) == ("0 of 1", True)
    assert found("missed", one(picks=many, **missed)) == ("1 of 1 (x)", False)
    assert found("missed", one(picks=few, **missed)) == ("0 of 0", True)
    assert found("missed", one(picks=many, catalogue=small, **missed)) == ("0 of 0", True)


@pytest.mark.parametrize(("confirmed_s", "met"), [((4, 4, 6), True), ((4, 4, 6.5), False)])
def test_the_worst_counts_beside_the_median(confirmed_s, met):
    assert found("confirmed", *[one(confirmed_s=s) for s in confirmed_s])[1] is met


def test_inside_is_told_from_outside():
    inside = one(gap_deg=120.0, location_error_final_km=4.0)
    outside = one(gap_deg=181.0, location_error_final_km=40.0)
    assert found("inside the network, km off at the end", inside, outside) == (
        "median 4 of 1",
        True,
    )
    assert found("outside the network, km off at the end", inside, outside)[0] == "median 40 of 1"


def test_nothing_is_claimed_of_nothing():
    noise = score(outcome(), recording(), None, TIMES)
    assert found("confirmed", noise) == ("-", None)
    assert found("epicentre within the stated 68 %", noise) == ("-", None)
    assert found("M 7 and more: 15 s", noise) == ("-", None)
    assert found("false events", noise) == ("0", True)


def test_magnitudes_are_held_by_share():
    size = CATALOGUE.magnitude
    right, wrong = one(confirmed_magnitude=size + 0.4), one(confirmed_magnitude=size - 0.5)
    assert found("magnitude when", right, right, wrong)[1] is False
    assert found("magnitude when", right, right, right, wrong)[1] is True
