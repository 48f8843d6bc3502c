"""A folder of recordings as the packets that a network would have sent.

A folder holds ``*.mseed``, StationXML (``*.xml``; the parent folder's ``stations.xml`` serves
a folder without) and optionally ``packets.csv.gz``: when each real packet arrived.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from pymseed import MiniSEEDError, MS3Record, sourceid2nslc

from ingest import channels
from ingest.errors import RecordingError
from ingest.miniseed import encode, next_record

__all__ = ["ARRIVALS", "SUFFIXES", "Packet", "Recording", "Unread", "read"]

ARRIVALS = "packets.csv.gz"
"""Name of the table of recorded arrivals: device_id, device_t_last_sample,
cloud_t_received (s since 1970), n, sr_nominal."""

SUFFIXES = (".mseed", ".miniseed", ".ms")
JOIN_S = 2.0  # a sample further than this before the next packet's end belongs to none

_Array = npt.NDArray[np.int32] | npt.NDArray[np.float32] | npt.NDArray[np.float64]


class Packet(Struct, frozen=True):
    """What one station sent at once.

    Attributes
    ----------
    station
        ``NET.STA``.
    arrival_ms
        When it came, ms since 1970 UTC.
    start_us, end_us
        Time of the first sample and just after the last, us since 1970 UTC.
    value
        miniSEED records of all its channels.
    """

    station: str
    arrival_ms: int
    start_us: int
    end_us: int
    value: bytes


class Unread(Struct, frozen=True):
    """Part of a folder that could not be used.

    Attributes
    ----------
    source
        File or channel.
    reason, detail
        The kind of fault, and what exactly.
    """

    source: str
    reason: str
    detail: str


class Recording(Struct, frozen=True):
    """A folder, ready to be replayed.

    Attributes
    ----------
    folder
        Its name.
    packets
        In order of arrival.
    channels
        The metadata.
    unread
        What could not be used.
    arrivals
        ``recorded``, or the latency that was assumed.
    """

    folder: str
    packets: tuple[Packet, ...]
    channels: channels.ChannelTable
    unread: tuple[Unread, ...]
    arrivals: str


class _Trace(Struct):
    """Contiguous samples of one channel."""

    seed_id: str
    start_ns: int
    rate: float
    samples: _Array


def read(
    folder: Path, *, latency_s: float | None, packet_s: float = 1.0, bare: bool = False
) -> Recording:
    """Read a folder.

    Parameters
    ----------
    folder
        Where the files are.
    latency_s
        Seconds from the end of a packet to its arrival; None uses the recorded arrivals.
    packet_s
        Length of a packet where arrivals are not recorded.
    bare
        Take channels that no StationXML knows as they are, in counts and from nowhere
        (`ingest.channels.bare`): for what needs no metadata.

    Raises
    ------
    RecordingError
        If there is nothing to replay: no folder, no miniSEED, no metadata, or no recorded
        arrivals where they are asked for.
    """
    if not folder.is_dir():
        raise RecordingError(f"{folder} is no folder. Name one that holds *.mseed files.")
    files = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES)
    if not files:
        raise RecordingError(f"{folder} holds no *.mseed file. Put the recording there.")
    table = channels.read(_metadata(folder, needed=not bare))
    unread: list[Unread] = [Unread(p.split(":")[0], "metadata", p) for p in table.problems]
    traces: list[_Trace] = []
    for path in files:
        traces.extend(_traces(path, unread))
    names = sorted({trace.seed_id for trace in traces})
    if bare:
        table = _with_bare(table, names)
    elif names and not any(name in table.channels for name in names):
        raise RecordingError(
            f"{folder}: its StationXML knows none of its channels ({', '.join(names[:5])}). "
            "Put the metadata of this network there."
        )
    if latency_s is None:
        arrivals = _arrivals(folder / ARRIVALS)
        packets = _recorded(traces, arrivals, unread)
        told = "recorded"
    else:
        packets = _cut(traces, packet_s, latency_s)
        told = f"{packet_s:g} s packets + {latency_s:g} s"
    if not packets:
        reasons = "; ".join(sorted({f"{u.source}: {u.reason}" for u in unread})[:5])
        raise RecordingError(f"{folder} holds no sample that can be read ({reasons}).")
    packets.sort(key=lambda p: (p.arrival_ms, p.station, p.start_us))
    return Recording(folder.name, tuple(packets), table, tuple(unread), told)


def _with_bare(table: channels.ChannelTable, names: list[str]) -> channels.ChannelTable:
    """Add channels that are not known, but none of a station that is."""
    unknown = [name for name in names if ".".join(name.split(".")[:2]) not in table.stations]
    more = channels.bare(unknown)
    return channels.ChannelTable(
        {**table.channels, **more.channels}, {**table.stations, **more.stations}, table.problems
    )


def _metadata(folder: Path, *, needed: bool) -> list[Path]:
    here = sorted(p for p in folder.iterdir() if p.suffix == ".xml" and p.is_file())
    if here:
        return here
    above = folder.resolve().parent / "stations.xml"
    if above.is_file():
        return [above]
    if not needed:
        return []
    raise RecordingError(
        f"{folder} has no StationXML. Put the network's stations.xml in it or in the folder above."
    )


def _records(path: Path, unread: list[Unread]) -> Iterator[tuple[str, MS3Record]]:
    """Yield SEED id and record; what is none is noted, and reading goes on behind it."""
    data = memoryview(path.read_bytes())
    offset = 0
    while offset < len(data):
        try:
            record = MS3Record.parse(data[offset:], unpack_data=True)
            name = ".".join(sourceid2nslc(record.sourceid))
        except (MiniSEEDError, ValueError) as error:
            unread.append(Unread(path.name, "not miniSEED", f"byte {offset}: {error}"))
            offset += next_record(data[offset:])
            continue
        yield name, record
        offset += record.reclen


def _traces(path: Path, unread: list[Unread]) -> list[_Trace]:
    """Read a file's records and join those that follow each other without a gap."""
    open_: dict[str, tuple[int, int, float, list[_Array]]] = {}
    done: list[_Trace] = []

    def close(name: str) -> None:
        start, _, rate, pieces = open_.pop(name)
        done.append(_Trace(name, start, rate, np.concatenate(pieces)))  # type: ignore[arg-type]

    for name, record in _records(path, unread):
        if record.samplecnt <= 0 or record.sampletype not in ("i", "f", "d"):
            unread.append(Unread(name, "no samples", f"{path.name}: {record.samplecnt}"))
            continue
        if not record.samprate > 0:
            unread.append(Unread(name, "no sampling rate", path.name))
            continue
        samples = record.np_datasamples.copy()
        step = 1e9 / record.samprate
        if name in open_:
            start, after, rate, pieces = open_[name]
            follows = abs(record.starttime - after) < 0.5 * step
            if follows and rate == record.samprate and pieces[0].dtype == samples.dtype:
                pieces.append(samples)
                total = sum(p.size for p in pieces)
                open_[name] = (start, start + round(total * step), rate, pieces)
                continue
            close(name)
        after = record.starttime + round(samples.size * step)
        open_[name] = (record.starttime, after, record.samprate, [samples])
    for name in list(open_):
        close(name)
    return done


def _cut(traces: list[_Trace], packet_s: float, latency_s: float) -> list[Packet]:
    """Cut at full multiples of the packet length in sample time, all channels together."""
    packet_ns = round(packet_s * 1e9)
    parts: dict[tuple[str, int], list[tuple[str, int, int, bytes]]] = {}
    for trace in traces:
        step = 1e9 / trace.rate
        first = trace.start_ns // packet_ns
        last = (trace.start_ns + round((trace.samples.size - 1) * step)) // packet_ns
        edges = (np.arange(first, last + 2) * packet_ns - trace.start_ns) / step
        bounds = np.clip(np.ceil(edges - 1e-6), 0, trace.samples.size).astype(int)
        station = ".".join(trace.seed_id.split(".")[:2])
        for k in range(bounds.size - 1):
            part = _part(trace, int(bounds[k]), int(bounds[k + 1]))
            if part is not None:
                parts.setdefault((station, first + k), []).append(part)
    packets = []
    for (station, _), pieces in parts.items():
        end = max(p[2] for p in pieces)
        arrival = -(-(end + round(latency_s * 1e9)) // 1_000_000)
        packets.append(_packet(station, arrival, pieces))
    return packets


def _part(trace: _Trace, begin: int, end: int) -> tuple[str, int, int, bytes] | None:
    """Encode samples `begin` to `end` of a trace: id, start, end (ns), records."""
    if end <= begin:
        return None
    step = 1e9 / trace.rate
    start = trace.start_ns + round(begin * step)
    value = encode(trace.seed_id, start, trace.rate, trace.samples[begin:end])
    return trace.seed_id, start, trace.start_ns + round(end * step), value


def _packet(station: str, arrival_ms: int, pieces: list[tuple[str, int, int, bytes]]) -> Packet:
    ordered = sorted(pieces, key=lambda p: (p[0], p[1]))
    return Packet(
        station,
        int(arrival_ms),
        min(p[1] for p in ordered) // 1000,
        max(p[2] for p in ordered) // 1000,
        b"".join(p[3] for p in ordered),
    )


def _arrivals(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Read end of packet and arrival (s since 1970) by device, in order of the packet's end."""
    if not path.is_file():
        raise RecordingError(
            f"{path} is missing: there are no recorded arrivals. Give --latency SECONDS."
        )
    rows: dict[str, list[tuple[float, float]]] = {}
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
        for row in csv.DictReader(io.StringIO(text)):
            rows.setdefault(row["device_id"], []).append(
                (_seconds(row["device_t_last_sample"]), _seconds(row["cloud_t_received"]))
            )
    except (OSError, zlib.error, EOFError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise RecordingError(
            f"{path} cannot be read ({error!r}). Needed are the columns device_id, "
            "device_t_last_sample and cloud_t_received, or give --latency SECONDS."
        ) from error
    return {device: np.array(sorted(pairs)) for device, pairs in rows.items()}


def _seconds(text: str) -> float:
    seconds = float(text)
    if not math.isfinite(seconds):
        raise ValueError(f"{text} is no time")
    return seconds


def _device_times(table: npt.NDArray[np.float64], trace: _Trace) -> npt.NDArray[np.float64]:
    """End of each packet on the clock of the archive, s since 1970.

    A device whose clock was wrong may have been set right in the archive but not in the
    table: where none of its packets falls on the trace, its clock is moved by the 5th
    percentile of arrival minus device time, so that its fastest packets took no time.
    """
    begin = trace.start_ns / 1e9
    end = begin + trace.samples.size / trace.rate
    ends = table[:, 0]
    if np.any((ends > begin) & (ends < end + JOIN_S)):
        return ends
    return ends + np.percentile(table[:, 1] - ends, 5)


def _recorded(
    traces: list[_Trace], arrivals: dict[str, npt.NDArray[np.float64]], unread: list[Unread]
) -> list[Packet]:
    """Cut traces where the real packets ended, and let them arrive when those did."""
    parts: dict[tuple[str, int], list[tuple[str, int, int, bytes]]] = {}
    for trace in traces:
        station = ".".join(trace.seed_id.split(".")[:2])
        table = arrivals.get(trace.seed_id.split(".")[1])
        if table is None:
            unread.append(Unread(trace.seed_id, "no recorded arrivals", "the device is not listed"))
            continue
        step = 1e9 / trace.rate
        ends_ns = np.rint(_device_times(table, trace) * 1e9).astype(np.int64)
        after = np.floor((ends_ns - trace.start_ns) / step + 0.5).astype(np.int64) + 1
        bounds = np.clip(after, 0, trace.samples.size)
        begin = 0
        orphans = 0
        for row in np.flatnonzero(bounds > 0).tolist():
            end = int(bounds[row])
            too_early = int(after[row]) - round(JOIN_S * trace.rate)
            if begin < too_early:
                orphans += min(too_early, end) - begin
                begin = min(too_early, end)
            part = _part(trace, begin, end)
            if part is not None:
                parts.setdefault((station, int(row)), []).append(part)
            begin = max(begin, end)
        orphans += trace.samples.size - begin
        if orphans:
            unread.append(Unread(trace.seed_id, "no recorded arrival", f"{orphans} samples"))
    packets = []
    for (station, row), pieces in parts.items():
        arrival_s = arrivals[station.split(".")[1]][row, 1]
        packets.append(_packet(station, round(arrival_s * 1000), pieces))
    return packets
