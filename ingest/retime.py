"""Moves the times in miniSEED headers, so that an old recording can be played as if it were now.

Only the header times of the records are moved; times inside other blockettes (detections,
calibrations, timing exceptions) and in extra headers of miniSEED 3 stay. The formats: SEED
Reference Manual, version 2.4 (FDSN, 2012), chapter 8, and miniSEED 3 (FDSN, 2022).
"""

import struct
from datetime import date

import numpy as np
import numpy.typing as npt
from numba import njit

from ingest.framing import cut

__all__ = ["STEP_NS", "shifted"]

STEP_NS = 100_000
"""A shift by whole steps (100 us) is exact in every record."""

_TICKS = 10_000  # of 100 us, in a second
_YEARS = range(1900, 2101)  # by which libmseed knows the order of the bytes
_DAYS = range(1, 367)
_DATA_TIMING = 1001  # the blockette with the microseconds
_HALF = 50  # microseconds in it go from -50 to 49


def shifted(value: bytes, shift_ns: int) -> bytes:
    """Move the times of records.

    Parameters
    ----------
    value
        Concatenated miniSEED 2 or 3 records; what is no record stays as it is.
    shift_ns
        By how much, ns; may be negative.

    Returns
    -------
    bytes
        As many. A record of miniSEED 3 is exact to the nanosecond and has its check sum made
        anew. One of miniSEED 2 is exact if the shift is whole steps of 100 us; what is beyond
        them is rounded to microseconds if the record has a blockette 1001, else to 100 us.

    Raises
    ------
    ValueError
        If a time leaves the years 1900 to 2100, beyond which no one can read miniSEED 2.
    """
    moved = bytearray(value)
    for part in cut(value, give_up=True).records:
        if value.startswith(b"MS\x03", part.begin):
            _shift_3(moved, part.begin, part.end, shift_ns)
        else:
            _shift_2(moved, part.begin, part.end, shift_ns)
    return bytes(moved)


def _seconds(year: int, day: int, hour: int, minute: int, second: int) -> int:
    """Return seconds since the beginning of the calendar; second 60 is the next minute's 0."""
    days = date(year, 1, 1).toordinal() + day - 1
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def _fields(seconds: int) -> tuple[int, int, int, int, int]:
    """Return year, day of the year, hour, minute and second."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    try:
        year = date.fromordinal(days).year
    except (ValueError, OverflowError):
        year = -1
    if year not in _YEARS:
        raise ValueError(f"a time is moved out of the years {_YEARS[0]} to {_YEARS[-1]}")
    return year, days - date(year, 1, 1).toordinal() + 1, hour, minute, second


def _shift_2(data: bytearray, begin: int, end: int, shift_ns: int) -> None:
    year, day = struct.unpack_from("<HH", data, begin + 20)
    order = "<" if year in _YEARS and day in _DAYS else ">"
    year, day, hour, minute, second, unused, fraction = struct.unpack_from(
        f"{order}HHBBBBH", data, begin + 20
    )
    steps, rest_ns = divmod(shift_ns, STEP_NS)
    if rest_ns:
        timing = _blockette(data, begin, end, order, _DATA_TIMING)
        if timing is None:
            steps += rest_ns >= STEP_NS // 2
        else:
            (microseconds,) = struct.unpack_from("b", data, timing + 5)
            carry, rest = divmod(microseconds + (rest_ns + 500) // 1000 + _HALF, 100)
            struct.pack_into("b", data, timing + 5, rest - _HALF)
            steps += carry
    ticks = _seconds(year, day, hour, minute, second) * _TICKS + fraction + steps
    seconds, fraction = divmod(ticks, _TICKS)
    struct.pack_into(f"{order}HHBBBBH", data, begin + 20, *_fields(seconds), unused, fraction)


def _blockette(data: bytearray, begin: int, end: int, order: str, wanted: int) -> int | None:
    """Return the place of the first blockette of a kind."""
    (at,) = struct.unpack_from(f"{order}H", data, begin + 46)
    while at and begin + at + 8 <= end:
        kind, following = struct.unpack_from(f"{order}HH", data, begin + at)
        if kind == wanted:
            return begin + int(at)
        at = following if following > at else 0
    return None


def _shift_3(data: bytearray, begin: int, end: int, shift_ns: int) -> None:
    ns, year, day, hour, minute, second = struct.unpack_from("<IHHBBB", data, begin + 4)
    total_ns = _seconds(year, day, hour, minute, second) * 1_000_000_000 + ns + shift_ns
    seconds, ns = divmod(total_ns, 1_000_000_000)
    struct.pack_into("<IHHBBB", data, begin + 4, ns, *_fields(seconds))
    struct.pack_into("<I", data, begin + 28, 0)
    crc = _crc32c(np.frombuffer(data, np.uint8)[begin:end], _TABLE)
    struct.pack_into("<I", data, begin + 28, crc)


def _table() -> npt.NDArray[np.uint32]:
    """Return the remainders of all bytes, by the polynomial of CRC-32C (Castagnoli 1993)."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table.astype(np.uint32)


_TABLE = _table()


@njit(cache=True, nogil=True)
def _crc32c(data: npt.NDArray[np.uint8], table: npt.NDArray[np.uint32]) -> np.uint32:
    crc = np.uint32(0xFFFFFFFF)
    for byte in data:
        crc = table[(crc ^ byte) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)
