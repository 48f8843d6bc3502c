"""miniSEED bytes to samples, a poll's worth at a time."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from pymseed import MiniSEEDError, MS3Record, sourceid2nslc

__all__ = ["Fault", "Samples", "decode", "encode"]

RESYNC_STEP = 128  # the shortest miniSEED record, and the unit of all record lengths


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
    """What a sequence of values holds, record by record.

    Attributes
    ----------
    value : int64[n]
        Index of the value that each record came in.
    ids : list of n str
        SEED ids ``NET.STA.LOC.CHA``.
    start_ns : int64[n]
        Time of the first sample, ns since 1970 UTC.
    rate : float64[n]
        Samples a second.
    first, count : int64[n]
        Where the record's samples stand in `samples`.
    samples : float64[m]
        Counts (or units, for float records).
    integer : bool[n]
        True where the record held integers.
    faults
        What could not be read.
    """

    value: npt.NDArray[np.int64]
    ids: list[str]
    start_ns: npt.NDArray[np.int64]
    rate: npt.NDArray[np.float64]
    first: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    samples: npt.NDArray[np.float64]
    integer: npt.NDArray[np.bool_]
    faults: list[Fault]


_names: dict[str, str] = {}


def _seed_id(sourceid: str) -> str:
    """Turn ``FDSN:NET_STA_LOC_B_S_S`` into ``NET.STA.LOC.CHA``; remembered, for it is costly."""
    name = _names.get(sourceid)
    if name is None:
        name = _names[sourceid] = ".".join(sourceid2nslc(sourceid))
    return name


def _unusable(record: MS3Record, samples: npt.NDArray[np.generic] | None) -> tuple[str, str] | None:
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
    return None


def _next_record(value: bytes, offset: int) -> int:
    """Return where the next readable record begins after `offset`, or the end of the value."""
    for there in range(offset + RESYNC_STEP, len(value) - RESYNC_STEP + 1, RESYNC_STEP):
        try:
            MS3Record.parse(memoryview(value)[there:])
        except MiniSEEDError:
            continue
        return there
    return len(value)


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
    index: list[int] = []
    ids: list[str] = []
    start: list[int] = []
    rate: list[float] = []
    count: list[int] = []
    integer: list[bool] = []
    pieces: list[npt.NDArray[np.float64]] = []
    faults: list[Fault] = []
    for number, value in enumerate(values):
        offset = 0
        view = memoryview(value)
        while offset < len(value):
            try:
                record = MS3Record.parse(view[offset:], unpack_data=True)
                length = record.reclen
                name = _seed_id(record.sourceid)
                samples = record.np_datasamples if record.samplecnt > 0 else None
                why = _unusable(record, samples)
            except (MiniSEEDError, ValueError) as error:
                there = _next_record(value, offset)
                excerpt = bytes(view[offset:there])
                faults.append(Fault(number, "", "not miniSEED", str(error), excerpt))
                offset = there
                continue
            if why is not None or samples is None:
                reason, detail = why or ("no samples", "")
                excerpt = bytes(view[offset : offset + length])
                faults.append(Fault(number, name, reason, detail, excerpt))
            else:
                index.append(number)
                ids.append(name)
                start.append(record.starttime)
                rate.append(record.samprate)
                count.append(len(samples))
                integer.append(record.sampletype == "i")
                pieces.append(samples.astype(np.float64))
            offset += length
    counts = np.array(count, np.int64)
    return Samples(
        value=np.array(index, np.int64),
        ids=ids,
        start_ns=np.array(start, np.int64),
        rate=np.array(rate, np.float64),
        first=np.cumsum(counts) - counts,
        count=counts,
        samples=np.concatenate(pieces) if pieces else np.empty(0),
        integer=np.array(integer, np.bool_),
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
