"""Texts for cell broadcast: how long they may be, and how many pages they take.

Alphabets as in 3GPP TS 23.038 (6.2.1): a text of the 7-bit default alphabet alone is sent in
7 bits a character, any other in UCS-2, 16 bits a character. A page holds 82 octets (3GPP
TS 23.041, 9.4.1.2.4), which is 93 characters or 41; 15 pages are the most.
"""

__all__ = ["LONG", "MAX_PAGES", "SHORT", "is_seven_bit", "pages"]

SHORT = 90
"""Characters of a short text (WEA, 47 CFR 10.430)."""

LONG = 360
"""Characters of a long text (WEA, 47 CFR 10.430)."""

MAX_PAGES = 15

_SEVEN_BIT = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED = frozenset("\f^{}\\[~]|€")
_ALL_SEVEN_BIT = _SEVEN_BIT | _ESCAPED
_SEVEN_BIT_PAGE = 93
_UCS2_PAGE = 41


def is_seven_bit(text: str) -> bool:
    """Whether the default alphabet has every character."""
    return _ALL_SEVEN_BIT.issuperset(text)


def pages(text: str) -> int:
    """Count the pages of a text."""
    if is_seven_bit(text):
        septets = len(text) + sum(letter in _ESCAPED for letter in text)
        return max(-(-septets // _SEVEN_BIT_PAGE), 1)
    return max(-(-len(text.encode("utf-16-be")) // 2 // _UCS2_PAGE), 1)
