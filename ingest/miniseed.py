"""miniSEED bytes to samples, a poll's worth at a time.

Plain miniSEED 2 is read by two kernels, all values at once. Everything else (miniSEED 3, other
encodings, other blockettes, records that are cut off or damaged) goes record by record through
pymseed, which has the last word on what can be read.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from pymseed import MiniSEEDError, MS3Record, get_error_messages, sourceid2nslc

from ingest import headers, steim

__all__ = ["Fault", "Samples", "code_of", "decode", "encode", "next_record", "seed_id"]

RESYNC_STEP = 128  # the shortest miniSEED record, and the unit of all record lengths
STEIM_CHECK = "Data integrity check"  # libmseed only warns of it

_Ints = npt.NDArray[np.int64]
_Codes = npt.NDArray[np.uint64]
_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]
_Int32s = npt.NDArray[np.int32]


class Fault(Struct, frozen=True):
    """Bytes that are no usable record.

    Attributes
    ----------
    value
        Index of the value they came in.
    source
        SEED id where the header could be read, else empty.
    reason, detail
        The kind of fault, and what exactly.
    excerpt
        The bytes.
    """

    value: int
    source: str
    reason: str
    detail: str
    excerpt: bytes


class Samples(Struct, frozen=True):
    """What a sequence of values holds, record by record, in the order of the bytes.

    Attributes
    ----------
    value : int64[n]
        Index of the value that each record came in.
    code : uint64[n, 2]
        Its channel, as `code_of` packs it.
    start_ns : int64[n]
        Time of the first sample, ns since 1970 UTC.
    rate : float64[n]
        Samples a second.
    first, count : int64[n]
        Where the record's samples stand: in `samples` where `integer`, else in `floats`.
    integer : bool[n]
        True where the record held integers.
    samples : int32[m]
        Counts. Between those of two records may stand some that belong to none.
    floats : float64[k]
        Samples of records that held single or double precision; finite.
    faults
        What could not be read, in the order of the bytes.
    """

    value: _Ints
    code: _Codes
    start_ns: _Ints
    rate: npt.NDArray[np.float64]
    first: _Ints
    count: _Ints
    integer: npt.NDArray[np.bool_]
    samples: npt.NDArray[np.int32]
    floats: npt.NDArray[np.float64]
    faults: list[Fault]

    def of(self, record: int) -> _Int32s | _Floats:
        """Return the samples of one record."""
        held = self.samples if self.integer[record] else self.floats
        first = self.first[record]
        return held[first : first + self.count[record]]


def code_of(seed_id: str) -> _Codes:
    """Pack a SEED id into two numbers, so that a channel is found without a string.

    Parameters
    ----------
    seed_id
        ``NET.STA.LOC.CHA`` of at most 2, 5, 2 and 3 ASCII letters or digits.

    Returns
    -------
    uint64[2]
        The bytes 8 to 15 and 16 to 19 of a miniSEED 2 header, the first one lowest: station,
        location, channel and network, filled up with spaces.

    Raises
    ------
    ValueError
        For an id that has no place there: miniSEED 3 knows longer codes.
    """
    parts = seed_id.split(".")
    if len(parts) != 4 or any(" " in part or not part.isascii() for part in parts):
        raise ValueError(f"{seed_id!r} is not NET.STA.LOC.CHA")
    network, station, location, channel = parts
    packed = f"{station:5}{location:2}{channel:3}{network:2}".encode("ascii")
    if len(packed) != 12:
        raise ValueError(f"{seed_id!r} has codes longer than 2.5.2.3 characters")
    return np.array(
        [int.from_bytes(packed[:8], "little"), int.from_bytes(packed[8:], "little")], np.uint64
    )


def seed_id(code: _Codes) -> str:
    """Return the ``NET.STA.LOC.CHA`` that `code_of` packed into uint64[2]."""
    packed = int(code[0]).to_bytes(8, "little") + int(code[1]).to_bytes(4, "little")
    text = packed.decode("ascii")
    parts = text[10:12], text[0:5], text[5:7], text[7:10]
    return ".".join(part.rstrip(" ") for part in parts)


def decode(values: Sequence[bytes]) -> Samples:
    """Decode values of one or several concatenated miniSEED 2 or 3 records.

    Parameters
    ----------
    values
        As they stand in `waveforms`.

    Returns
    -------
    Samples
        Never raises for what the bytes say: what is no usable record is among the faults,
        and reading goes on at the next record.
    """
    reading = _Reading(b"".join(values))
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    end = np.cumsum(lengths)
    begin, value = end - lengths, np.arange(len(values))
    while begin.size:
        begin = reading.advance(value, begin, end)
        more = begin < end
        value, begin, end = value[more], begin[more], end[more]
    return reading.samples()


class _Part(Struct, frozen=True):
    """Some records; as in `Samples`, and where each begins in the joined bytes."""

    offset: _Ints
    value: _Ints
    code: _Codes
    start_ns: _Ints
    rate: _Floats
    first: _Ints
    count: _Ints
    integer: _Flags
    samples: _Int32s
    floats: _Floats


class _Odd(Struct, frozen=True):
    """One record that pymseed read."""

    offset: int
    value: int
    code: _Codes
    start_ns: int
    rate: float
    samples: npt.NDArray[np.generic]


class _Reading:
    """What was read of some joined bytes so far: plain records in parts, odd ones singly.

    Parameters
    ----------
    joined
        All values, one after another.
    """

    def __init__(self, joined: bytes) -> None:
        self._data = np.frombuffer(joined, np.uint8)
        self._view = memoryview(joined)
        self._parts: list[_Part] = []
        self._odd: list[_Odd] = []
        self._faults: list[tuple[int, Fault]] = []

    def advance(self, value: _Ints, begin: _Ints, end: _Ints) -> _Ints:
        """Read stretches, of one value each, up to and with a record that stops the headers.

        Returns where each is to be read on. A record whose samples alone are odd stops nothing,
        unless pymseed finds the next one elsewhere.
        """
        stretch, offset, code, start_ns, rate, shape, stopped = headers.scan(self._data, begin, end)
        first, integer, samples, floats, fine = steim.unpack(self._data, shape)
        if fine.all() and (stopped == end).all():
            count = shape[:, 0].copy()
            part = _Part(
                offset, value[stretch], code, start_ns, rate, first, count, integer, samples, floats
            )
            self._parts.append(part)
            return end
        valid, after = stopped.copy(), stopped.copy()
        for i in np.flatnonzero(~fine).tolist():
            s = stretch[i]
            if offset[i] < valid[s]:
                last = i + 1 == offset.size or stretch[i + 1] != s
                there = self._read_odd(int(value[s]), int(offset[i]), int(end[s]))
                if there != (stopped[s] if last else offset[i + 1]):
                    valid[s], after[s] = offset[i], there
        for s in np.flatnonzero((stopped < end) & (valid == stopped)).tolist():
            after[s] = self._read_odd(int(value[s]), int(stopped[s]), int(end[s]))
        count = shape[:, 0].copy()
        columns = (offset, value[stretch], code, start_ns, rate, first, count, integer)
        if not fine.all():
            used = fine & (offset < valid[stretch])
            columns = tuple(column[used] for column in columns)  # type: ignore[assignment]
        self._parts.append(_Part(*columns, samples, floats))
        return after

    def _read_odd(self, value: int, at: int, end: int) -> int:
        """Have pymseed read the record at a place, or find it wanting; return where the next is."""
        outcome, length = _read_odd(self._view[at:end], value, at)
        if isinstance(outcome, Fault):
            self._faults.append((at, outcome))
        else:
            self._odd.append(outcome)
        return at + length

    def samples(self) -> Samples:
        """Return everything in the order of the bytes."""
        if self._odd or not self._parts:
            self._parts.append(_gather(self._odd))
        self._faults.sort(key=lambda item: item[0])
        return _join(self._parts, [fault for _, fault in self._faults])


def _read_odd(view: memoryview, number: int, offset: int) -> tuple[_Odd | Fault, int]:
    """Read the record that a view of the rest of a value begins with; return its length too."""
    try:
        record = MS3Record.parse(view, unpack_data=True)
        warnings = get_error_messages()
        length = record.reclen
        codes = sourceid2nslc(record.sourceid)
        samples = record.np_datasamples if record.samplecnt > 0 else None
        why = _unusable(record, samples, warnings)
    except (MiniSEEDError, ValueError) as error:
        length = next_record(view)
        return Fault(number, "", "not miniSEED", str(error), bytes(view[:length])), length
    name = ".".join(codes)
    if why is None:
        try:
            code = code_of(name)
        except ValueError as error:
            why = "channel code", str(error)
    if why is not None or samples is None:
        reason, detail = why or ("no samples", "")
        return Fault(number, name, reason, detail, bytes(view[:length])), length
    return _Odd(offset, number, code, record.starttime, record.samprate, samples.copy()), length


def _unusable(
    record: MS3Record, samples: npt.NDArray[np.generic] | None, warnings: list[str]
) -> tuple[str, str] | None:
    """Say why a record that parses cannot be used."""
    if record.samplecnt <= 0:
        return "no samples", f"header says {record.samplecnt}"
    if record.sampletype not in ("i", "f", "d"):
        return "not waveform data", f"encoding {record.encoding}"
    if not record.samprate > 0:
        return "no sampling rate", f"header says {record.samprate}"
    if samples is None or len(samples) != record.samplecnt:
        return "sample count", f"header says {record.samplecnt}"
    if record.sampletype != "i" and not np.isfinite(samples).all():
        return "not finite", f"{np.count_nonzero(~np.isfinite(samples))} samples"
    for warning in warnings:
        if STEIM_CHECK in warning:
            return "Steim check", warning.strip()
    return None


def next_record(view: memoryview) -> int:
    """Return where the next readable record begins after the one at 0, or the view's length."""
    for there in range(RESYNC_STEP, len(view) - RESYNC_STEP + 1, RESYNC_STEP):
        try:
            MS3Record.parse(view[there:])
        except MiniSEEDError:
            continue
        return there
    return len(view)


def _gather(odd: list[_Odd]) -> _Part:
    """Put records that were read one by one into arrays."""
    count = np.array([o.samples.size for o in odd], np.int64)
    integer = np.array([o.samples.dtype.kind == "i" for o in odd], np.bool_)
    first = np.empty(len(odd), np.int64)
    for kind in (integer, ~integer):
        first[kind] = np.cumsum(count[kind]) - count[kind]
    integers = [o.samples for o in odd if o.samples.dtype.kind == "i"]
    reals = [o.samples for o in odd if o.samples.dtype.kind != "i"]
    return _Part(
        offset=np.array([o.offset for o in odd], np.int64),
        value=np.array([o.value for o in odd], np.int64),
        code=np.array([o.code for o in odd], np.uint64).reshape(-1, 2),
        start_ns=np.array([o.start_ns for o in odd], np.int64),
        rate=np.array([o.rate for o in odd], np.float64),
        first=first,
        count=count,
        integer=integer,
        samples=np.concatenate([np.empty(0, np.int32), *integers], dtype=np.int32),
        floats=np.concatenate([np.empty(0), *reals], dtype=np.float64),
    )


def _join(parts: list[_Part], faults: list[Fault]) -> Samples:
    """Put parts together, their records in the order of the bytes."""
    if len(parts) == 1:
        (p,) = parts
        return Samples(
            p.value, p.code, p.start_ns, p.rate, p.first, p.count, p.integer, p.samples, p.floats,
            faults,
        )  # fmt: skip
    before, before_floats = 0, 0
    first = []
    for part in parts:
        first.append(part.first + np.where(part.integer, before, before_floats))
        before += part.samples.size
        before_floats += part.floats.size
    order = np.argsort(np.concatenate([part.offset for part in parts]), kind="stable")
    return Samples(
        value=np.concatenate([part.value for part in parts])[order],
        code=np.concatenate([part.code for part in parts])[order],
        start_ns=np.concatenate([part.start_ns for part in parts])[order],
        rate=np.concatenate([part.rate for part in parts])[order],
        first=np.concatenate(first)[order],
        count=np.concatenate([part.count for part in parts])[order],
        integer=np.concatenate([part.integer for part in parts])[order],
        samples=np.concatenate([part.samples for part in parts]),
        floats=np.concatenate([part.floats for part in parts]),
        faults=faults,
    )


def encode(
    seed_id: str,
    start_ns: int,
    rate: float,
    samples: npt.NDArray[np.int32] | npt.NDArray[np.float32] | npt.NDArray[np.float64],
    *,
    record_length: int = 512,
) -> bytes:
    """Pack samples into miniSEED 2 records: Steim2 for int32, else as they are.

    Parameters
    ----------
    seed_id
        ``NET.STA.LOC.CHA``.
    start_ns
        Time of the first sample, ns since 1970 UTC; miniSEED 2 keeps microseconds.
    rate
        Samples a second.
    samples
        One dimension, not empty.
    record_length
        Bytes, a power of two.

    Returns
    -------
    bytes
        One or several records.
    """
    network, station, location, channel = seed_id.split(".")
    record = MS3Record(reclen=record_length, encoding={"i": 11, "f": 4, "d": 5}[_letter(samples)])
    record.sourceid = "FDSN:{}_{}_{}_{}_{}_{}".format(network, station, location, *channel)
    record.formatversion = 2
    record.starttime = start_ns
    record.samprate = rate
    return b"".join(record.generate(np.ascontiguousarray(samples), _letter(samples)))


def _letter(samples: npt.NDArray[np.generic]) -> str:
    return {"int32": "i", "float32": "f", "float64": "d"}[samples.dtype.name]
