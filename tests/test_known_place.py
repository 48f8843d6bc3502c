"""Magnitudes at the catalogue's place beside those that were stated."""

from pathlib import Path

import pytest

from benchmarks import known_place

NEAR = Path(__file__).resolve().parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"


def test_both_are_told_at_confirmation_and_10_s_later():
    at, later = known_place.told([NEAR])
    assert (at.after_s, later.after_s) == (0.0, 10.0)
    assert (at.folder, at.magnitude) == ("ridgecrest-2019-near", pytest.approx(7.1))
    # The place that was found is 8 km off: little changes with that of the catalogue.
    for one in (at, later):
        assert one.known == pytest.approx(one.stated, abs=0.3)
    assert later.known > at.known + 0.4


def test_a_folder_without_a_catalogue_says_nothing(tmp_path):
    assert list(known_place.told([tmp_path])) == []
