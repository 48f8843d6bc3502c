"""Pages of cell broadcast: 93 characters of the default alphabet, or 41 of UCS-2."""

import pytest

from dispatch import broadcast


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("", 1),
        ("a" * 93, 1),
        ("a" * 94, 2),
        ("a" * 93 * 15, 15),
        ("[" * 46, 1),  # two septets each
        ("[" * 47, 2),
        ("ж" * 41, 1),
        ("ж" * 42, 2),
        ("a" * 41 + "ж", 2),  # one letter makes all of it UCS-2
        ("ʻ" + "a" * 40, 1),
        ("ş" * 90, 3),
        ("ж" * 360, 9),
        ("\U0001f30d" * 20, 1),  # a pair of units each
        ("\U0001f30d" * 21, 2),
    ],
)
def test_pages(text, pages):
    assert broadcast.pages(text) == pages


def test_the_default_alphabet_has_128_positions():
    # One of them is the escape, which is no character.
    assert len(broadcast._SEVEN_BIT) == 127
    assert broadcast.is_seven_bit("Zilzila: Toshkent, 5 ball! O'zbekiston @ €")
    assert not broadcast.is_seven_bit("Oʻzbekiston")
    assert not broadcast.is_seven_bit("ý")
