"""Pieces of CAP as text: elements, pairs of name and value, exact times."""

import re
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

__all__ = ["NAMESPACE", "element", "exact", "pair"]

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLAIN = re.compile("[\t\n\x20-%'-;=?-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
"""Nothing to escape: the way of most texts, which are thousands a message."""

_RETURN = {"\r": "&#13;"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def exact(time_us: int) -> str:
    """Write a time as ISO 8601 in UTC with microseconds."""
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds")


def _text_of(value: str) -> str:
    """Write a text as XML holds it."""
    if _PLAIN.fullmatch(value) is not None:
        return value
    if _NOT_XML.search(value) is not None:
        raise ValueError("XML cannot hold a text with control characters or halves of characters")
    return escape(value, _RETURN)


def element(tag: str, text: str, indent: str = "    ") -> str:
    """Write an element that holds a text.

    Raises
    ------
    ValueError
        If XML cannot hold the text.
    """
    return f"{indent}<{tag}>{_text_of(text)}</{tag}>\n"


def pair(tag: str, name: str, value: str, indent: str = "    ") -> str:
    """Write an element that holds a name and a value."""
    inner = indent + "  "
    named = element("valueName", name, inner) + element("value", value, inner)
    return f"{indent}<{tag}>\n{named}{indent}</{tag}>\n"
