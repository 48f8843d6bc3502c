"""Where miniSEED records begin and end in bytes that are still being written."""

import re
from functools import lru_cache

from msgspec import Struct
from pymseed import MiniSEEDError, MS3Record, sourceid2nslc

__all__ = ["Cut", "Framed", "Unframed", "cut", "frame"]

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


@lru_cache(maxsize=100_000)
def _station(source_id: str) -> str:
    """Return ``NET.STA`` of an FDSN source id; cached, for libmseed takes 2.5 us to split one."""
    return ".".join(sourceid2nslc(source_id)[:2])


def frame(data: bytes | memoryview) -> Framed | Unframed | None:
    """Read the header of the one record that some bytes begin with.

    Parameters
    ----------
    data
        At least 48 bytes; what follows the record is not looked at.

    Returns
    -------
    Framed, Unframed or None
        Places count from the first byte. None if the record may not yet be whole; `Unframed` up
        to 0 if no record begins here, and up to its end if it is that of no station.
    """
    try:
        record = MS3Record.parse(data)
    except MiniSEEDError as error:
        if error.status_code > 0:
            return None
        return Unframed(0, 0, "not miniSEED", str(error))
    try:
        return Framed(_station(record.sourceid), 0, record.reclen, record.endtime)
    except ValueError as error:
        return Unframed(0, record.reclen, "no FDSN source id", str(error))


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
        found = frame(view[offset:])
        if isinstance(found, Framed):
            end = offset + found.end
            records.append(Framed(found.station, offset, end, found.last_ns))
        elif found is not None and found.end:
            end = offset + found.end
            unread.append(Unframed(offset, end, found.reason, found.detail))
        else:
            incomplete = found is None or (short and _START.match(data, offset) is not None)
            if incomplete and not hopeless:
                break
            end = _next(data, offset)
            reason = "half-written" if incomplete else "not miniSEED"
            unread.append(Unframed(offset, end, reason, f"{end - offset} bytes"))
        offset = end
    return Cut(tuple(records), tuple(unread), offset)


def _next(data: bytes, offset: int) -> int:
    """Return where a record may begin after `offset`, or the end."""
    found = _START.search(data, offset + 1)
    return len(data) if found is None else found.start()
