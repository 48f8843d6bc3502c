"""The page of bad data and doublets: both tables stand in it."""

from benchmarks import robustness_page
from benchmarks.doublets import Case, Told


def test_both_tables_stand_in_the_page():
    clean = Told(4.0, 7.0, True, 7.0)
    text = robustness_page.page([], [Case(8, 0.1, 7.1, clean, clean, None)])
    assert "| spoiled | of | recordings |" in text
    assert "| 8 | 0.1 | 1 | 1 | 1 | 1 | 0.0 | - |" in text
    assert "within 6 s and 100 km" in text
    assert "{" not in text
