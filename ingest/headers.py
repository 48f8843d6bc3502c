"""Headers of miniSEED 2 records, thousands in one call.

Only what is plain is taken: a record that libmseed would read, and then with the same time and
rate. All others are left where they stand. The format: SEED Reference Manual, version 2.4 (FDSN,
2012), chapter 8: fixed section, blockettes 100, 1000 and 1001.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from ingest.steim import FLOAT32, FLOAT64, FRAME, INT16, INT32, STEIM1, STEIM2

__all__ = ["scan"]

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Codes = npt.NDArray[np.uint64]

HEADER = 48  # bytes of the fixed section
SHORTEST, LONGEST = 7, 16  # record lengths, as powers of two

_U1, _U2, _U3, _U4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)

_CODE, _SPACE = 1, 2
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"
_CLASS = np.zeros(256, np.uint8)
_CLASS[np.frombuffer(_LETTERS, np.uint8)] = _CODE
_CLASS[ord(" ")] = _SPACE
# Over the bytes of station (5), location (2), channel (3) and network (2), the first one highest:
_CODES, _SPACES = np.uint32(0x555555), np.uint32(0xAAAAAA)
_NEEDED = np.uint32(0b01_00_00_00_00_00_00_01_01_01_01_00)  # is no space
_FOLLOWING = np.uint32(0b00_01_01_01_01_00_01_00_01_01_00_01)  # is a space after a space


@njit(cache=True, nogil=True)
def _u16(data: _Bytes, at: np.uint64, little: bool) -> np.int64:
    first, second = np.int64(data[at]), np.int64(data[at + _U1])
    return first | second << 8 if little else first << 8 | second


@njit(cache=True, nogil=True)
def _i16(data: _Bytes, at: np.uint64, little: bool) -> np.int64:
    value = _u16(data, at, little)
    return value - 65536 if value > 32767 else value


@njit(cache=True, nogil=True)
def _u32(data: _Bytes, at: np.uint64, little: bool) -> np.uint32:
    word = (
        np.uint32(data[at]) << np.uint32(24)
        | np.uint32(data[at + _U1]) << np.uint32(16)
        | np.uint32(data[at + _U2]) << np.uint32(8)
        | np.uint32(data[at + _U3])
    )
    return _swapped(np.uint32(word)) if little else np.uint32(word)


@njit(cache=True, nogil=True)
def _swapped(word: np.uint32) -> np.uint32:
    return np.uint32(
        word << np.uint32(24)
        | (word & np.uint32(0xFF00)) << np.uint32(8)
        | (word >> np.uint32(8)) & np.uint32(0xFF00)
        | word >> np.uint32(24)
    )


@njit(cache=True, nogil=True)
def _u64(data: _Bytes, at: np.uint64, little: bool) -> np.uint64:
    first = np.uint64(_u32(data, at, little))
    second = np.uint64(_u32(data, at + _U4, little))
    return np.uint64(first | second << np.uint64(32) if little else first << np.uint64(32) | second)


@njit(cache=True, nogil=True)
def _is_plain(data: _Bytes, at: np.uint64) -> bool:
    """Say whether a record of miniSEED 2 begins here, of a channel with plain codes.

    The first is libmseed's rule (MS2_ISVALIDHEADER), which looks for no more than this.
    """
    fine = True
    for i in range(6):
        byte = data[at + np.uint64(i)]
        fine &= (byte >= 48) & (byte <= 57) | (byte == 32) | (byte == 0)
    quality, reserved = data[at + np.uint64(6)], data[at + np.uint64(7)]
    fine &= (quality == 68) | (quality == 81) | (quality == 77) | (quality == 82)  # D, Q, M, R
    fine &= (reserved == 32) | (reserved == 0)
    fine &= data[at + np.uint64(24)] <= 23
    fine &= data[at + np.uint64(25)] <= 59
    fine &= data[at + np.uint64(26)] <= 60
    # Station, location, channel and network: two bits a byte.
    kinds = np.uint32(0)
    for i in range(8, 20):
        kinds = np.uint32(kinds << np.uint32(2) | np.uint32(_CLASS[data[at + np.uint64(i)]]))
    codes, spaces = kinds & _CODES, kinds & _SPACES
    fine &= codes | spaces >> np.uint32(1) == _CODES
    fine &= codes & _NEEDED == _NEEDED
    fine &= spaces >> np.uint32(3) & codes & _FOLLOWING == 0
    return bool(fine)


@njit(cache=True, nogil=True)
def _start_ns(data: _Bytes, at: np.uint64, little: bool) -> np.int64:
    """Return the time that the fixed header gives, or -1 if it is none or before 1970.

    A leap second, 60, is the first second of the next minute: this is the time scale of
    `start_ns`, which has no place for it. The flags that announce one change no time.
    """
    year = _u16(data, at + np.uint64(20), little)
    day = _u16(data, at + np.uint64(22), little)
    fraction = _u16(data, at + np.uint64(28), little)
    hour, minute = np.int64(data[at + np.uint64(24)]), np.int64(data[at + np.uint64(25)])
    second = np.int64(data[at + np.uint64(26)])
    applied = data[at + np.uint64(36)] & 2 != 0
    correction = np.int64(np.int32(_u32(data, at + np.uint64(40), little)))
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    fine = (year >= 1970) & (year <= 2100) & (day >= 1) & (day <= 365 + leap) & (fraction <= 9999)
    before = year - 1 if fine else np.int64(1969)
    days = 365 * (before - 1969) + before // 4 - before // 100 + before // 400 - 477 + day - 1
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    tenths_of_ms = fraction if applied else fraction + correction
    return seconds * 1_000_000_000 + tenths_of_ms * 100_000 if fine else np.int64(-1)


@njit(cache=True, nogil=True)
def _nominal_rate(factor: np.int64, multiplier: np.int64) -> float:
    """Return samples a second, by the very operations that libmseed does."""
    rate = 0.0
    if factor > 0:
        rate = np.float64(factor)
    elif factor < 0:
        rate = -1.0 / np.float64(factor)
    if multiplier > 0:
        rate = rate * np.float64(multiplier)
    elif multiplier < 0:
        rate = -1.0 * (rate / np.float64(multiplier))
    return rate


@njit(cache=True, nogil=True)
def _blockettes(
    data: _Bytes, at: np.uint64, end: np.uint64, little: bool, blockette: np.int64, hertz: float
) -> tuple[np.int64, np.int64, np.int64, np.int64, float]:
    """Follow the chain from its first blockette.

    Returns the record's length (0 for a chain that is not plain), encoding, byte order,
    microseconds, and samples a second: `hertz` or what blockette 100 says.
    """
    fine = True
    after = np.int64(HEADER)
    length, encoding, order, microseconds = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    while fine and blockette != 0:
        fine = bool((blockette >= after) & (np.uint64(blockette + 12) <= end - at))
        if fine:
            here = at + np.uint64(blockette)
            kind = _u16(data, here, little)
            after = blockette + 8
            if kind == 1000:
                exponent = np.int64(data[here + np.uint64(6)])
                fine = bool((length == 0) & (exponent >= SHORTEST) & (exponent <= LONGEST))
                length = np.int64(1) << (exponent & 31)
                encoding, order = np.int64(data[here + _U4]), np.int64(data[here + np.uint64(5)])
            elif kind == 1001:
                microseconds = np.int64(np.int8(data[here + np.uint64(5)]))
            elif kind == 100:
                after = blockette + 12
                hertz = np.float64(np.uint32(_u32(data, here + _U4, little)).view(np.float32))
                fine = bool((hertz >= 2.0**-126) & (hertz < math.inf))
            else:
                fine = False
            blockette = _u16(data, here + _U2, little)
    fine = bool(fine & (np.uint64(length) <= end - at) & (after <= length))
    return length if fine else np.int64(0), encoding, order, microseconds, hertz


@njit(cache=True, nogil=True)
def _parse(
    data: _Bytes, at: np.uint64, end: np.uint64
) -> tuple[np.int64, np.int64, float, np.int64, np.int64, np.int64, np.int64]:
    """Read the header and blockettes of a record; there must be bytes for the shortest one.

    Returns its length (0 for one that is not plain), time, rate, samples, encoding, byte order
    of the payload and where in the record that begins. Written without early returns, and
    without arrays for the results: else numba counts references to arrays in every record
    (0.10 us a record instead of 0.03).
    """
    # libmseed's rule: the order in which year and day make sense, little-endian tried first.
    year = _u16(data, at + np.uint64(20), True)
    day = _u16(data, at + np.uint64(22), True)
    little = bool((year >= 1900) & (year <= 2100) & (day >= 1) & (day <= 366))
    time = _start_ns(data, at, little)
    count = _u16(data, at + np.uint64(30), little)
    factor = _i16(data, at + np.uint64(32), little)
    hertz = _nominal_rate(factor, _i16(data, at + np.uint64(34), little))
    payload = _u16(data, at + np.uint64(44), little)
    chain = _u16(data, at + np.uint64(46), little)
    length, encoding, order, microseconds, hertz = _blockettes(data, at, end, little, chain, hertz)
    most = _most(encoding, length - payload)
    fine = _is_plain(data, at) & (time >= 0) & (hertz > 0)
    fine &= (count > 0) & (count <= most) & (payload >= HEADER)
    if not fine:
        length = np.int64(0)
    return length, time + microseconds * 1000, hertz, count, encoding, order, payload


@njit(cache=True, nogil=True)
def _most(encoding: np.int64, size: np.int64) -> np.int64:
    """Return how many samples a payload of so many bytes can hold; 0 for other encodings."""
    most = np.int64(0)
    if encoding == STEIM2:
        most = size // FRAME * 15 * 7
    elif encoding == STEIM1:
        most = size // FRAME * 15 * 4
    elif encoding == INT16:
        most = size // 2
    elif encoding in (INT32, FLOAT32):
        most = size // 4
    elif encoding == FLOAT64:
        most = size // 8
    return most


@njit(cache=True, nogil=True)
def scan(
    data: _Bytes, begin: _Ints, end: _Ints
) -> tuple[_Ints, _Ints, _Codes, _Ints, _Floats, _Ints, _Ints]:
    """Read the headers in stretches of records, of each up to the first that is not plain.

    Parameters
    ----------
    data : uint8[b]
        The bytes.
    begin, end : int64[s]
        The stretches of `data`: in each, records follow one another without a gap.

    Returns
    -------
    stretch, offset : int64[n]
        Which stretch each record stands in, and where in `data` it begins.
    code, start_ns, rate
        As in `ingest.miniseed.Samples`.
    shape : int64[n, 5]
        Of each record: samples, encoding, 1 where the payload is little-endian, where in `data`
        the payload begins, and how many bytes it has. It has room for the samples.
    stopped : int64[s]
        Where in `data` each stretch ended: at its end, or at a record that is not plain.
    """
    most = 0
    for s in range(begin.size):
        most += (end[s] - begin[s]) >> SHORTEST
    stretch = np.empty(most, np.int64)
    offset = np.empty(most, np.int64)
    code = np.empty((most, 2), np.uint64)
    start_ns = np.empty(most, np.int64)
    rate = np.empty(most, np.float64)
    shape = np.empty((most, 5), np.int64)
    stopped = end.copy()
    n = 0
    for s in range(begin.size):
        at = begin[s]
        while at < end[s]:
            length = np.int64(0)
            if end[s] - at >= np.int64(1 << SHORTEST):
                here = np.uint64(at)
                length, time, hertz, count, encoding, order, payload = _parse(
                    data, here, np.uint64(end[s])
                )
            if length == 0:
                stopped[s] = at
                break
            stretch[n] = s
            offset[n] = at
            code[n, 0] = _u64(data, here + np.uint64(8), True)
            code[n, 1] = _u32(data, here + np.uint64(16), True)
            start_ns[n] = time
            rate[n] = hertz
            shape[n, 0] = count
            shape[n, 1] = encoding
            shape[n, 2] = order == 0
            shape[n, 3] = at + payload
            shape[n, 4] = length - payload
            n += 1
            at += length
    return stretch[:n], offset[:n], code[:n], start_ns[:n], rate[:n], shape[:n], stopped
