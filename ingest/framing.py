"""Where miniSEED records begin and end in bytes that are still being written."""

import re

from msgspec import Struct
from pymseed import MiniSEEDError, MS3Record, sourceid2nslc

__all__ = ["Cut", "Framed", "Unframed", "cut"]

_START = re.compile(
    rb"MS\x03|[0-9 \x00]{6}[DRQM][ \x00]"
    rb"|(?:MS?|[0-9 \x00]{1,6}|[0-9 \x00]{6}[DRQM])\Z"
)
"""How a record begins (miniSEED 3, or sequence number and quality of miniSEED 2), or may begin
where the bytes end."""

_HEADER_BYTES = 48  # the fixed header of miniSEED 2, the longer of the two; less tells nothing


class Framed(Struct, frozen=True):
    """A whole record: whose it is, where it stands, and when its last sample was.

    Attributes
    ----------
    station
        ``NET.STA``.
    begin, end
        Places in the bytes.
    last_ns
        Time of the last sample, ns since 1970 UTC.
    """

    station: str
    begin: int
    end: int
    last_ns: int


class Unframed(Struct, frozen=True):
    """Bytes from `begin` to `end` that are no record, and why."""

    begin: int
    end: int
    reason: str
    detail: str


class Cut(Struct, frozen=True):
    """What some bytes hold.

    Attributes
    ----------
    records, unread
        In the order in which they stand.
    used
        Bytes dealt with; what follows may be a record that is not yet whole.
    """

    records: tuple[Framed, ...]
    unread: tuple[Unframed, ...]
    used: int


def cut(data: bytes, *, give_up: bool = False) -> Cut:
    """Find the records in bytes that begin with one; only headers are read.

    Parameters
    ----------
    data
        Concatenated miniSEED 2 or 3 records; the last may be half written.
    give_up
        Whether a half-written record at the start is one that nobody will finish.

    Returns
    -------
    Cut
        Never raises for what the bytes say: what is no record is among the unread, and reading
        goes on at whatever next looks like the beginning of one.
    """
    records: list[Framed] = []
    unread: list[Unframed] = []
    view = memoryview(data)
    offset = 0
    while offset < len(data):
        hopeless = give_up and offset == 0
        short = len(data) - offset < _HEADER_BYTES
        try:
            record = MS3Record.parse(view[offset:])
        except MiniSEEDError as error:
            begun = short and _START.match(data, offset) is not None
            incomplete = error.status_code > 0 or begun
            if incomplete and not hopeless:
                break
            there = _next(data, offset)
            reason = "half-written" if incomplete else "not miniSEED"
            unread.append(Unframed(offset, there, reason, f"{there - offset} bytes"))
            offset = there
            continue
        end = offset + record.reclen
        try:
            station = ".".join(sourceid2nslc(record.sourceid)[:2])
        except ValueError as error:
            unread.append(Unframed(offset, end, "no FDSN source id", str(error)))
        else:
            records.append(Framed(station, offset, end, record.endtime))
        offset = end
    return Cut(tuple(records), tuple(unread), offset)


def _next(data: bytes, offset: int) -> int:
    """Return where a record may begin after `offset`, or the end."""
    found = _START.search(data, offset + 1)
    return len(data) if found is None else found.start()
