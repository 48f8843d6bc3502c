"""XML that anyone may have written: no entities, no document type, no network, bounded size."""

import re

from lxml import etree

from stream.errors import AlatauError

__all__ = ["LARGEST_BYTES", "UnsafeXmlError", "read_xml"]

LARGEST_BYTES = 1_000_000
"""Ten times the largest warning that we have made, in seven languages and signed."""

_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ASCII_WITHIN = re.compile(
    r"utf-?8|us-ascii|ascii|iso-?8859-\d{1,2}|windows-125\d|koi8-[ru]", re.IGNORECASE
)
"""Encodings in which the letters of ASCII are the bytes of ASCII and no other bytes are."""


class UnsafeXmlError(AlatauError):
    """XML that is not read.

    Attributes
    ----------
    reason
        A short phrase, the same for the same fault.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def read_xml(value: bytes, *, largest: int = LARGEST_BYTES) -> etree._Element:
    """Read XML, and refuse what could make reading it dangerous.

    A document type is refused before the parser sees it. Comments and processing instructions
    are dropped: they could split a text of which only the first part would be read.

    Parameters
    ----------
    value
        The bytes as they came.
    largest
        More bytes than these are not looked at.

    Raises
    ------
    UnsafeXmlError
        With the reason ``too large``, ``entities or a document type``, or ``not XML``.
    """
    if len(value) > largest:
        raise UnsafeXmlError("too large", f"{len(value)} bytes, {largest} at most")
    declared = _DECLARED.match(value.removeprefix(b"\xef\xbb\xbf"))
    if declared and not _ASCII_WITHIN.fullmatch(declared[1].decode("ascii")):
        raise UnsafeXmlError("not XML", f"the encoding {declared[1].decode('ascii')} is not read")
    if b"\0" in value:
        raise UnsafeXmlError("not XML", "it holds a zero byte, as UTF-16 does")
    if b"<!DOCTYPE" in value or b"<!ENTITY" in value:
        raise UnsafeXmlError("entities or a document type", "neither is read")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(value, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnsafeXmlError("not XML", str(error)) from error
    document = root.getroottree().docinfo
    if document.internalDTD is not None or any(True for _ in root.iter(etree.Entity)):
        raise UnsafeXmlError("entities or a document type", "neither is read")
    return root
