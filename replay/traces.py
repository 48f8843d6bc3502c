"""The ground motion behind a replay, one trace for each station, for pictures."""

from collections.abc import Collection

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ingest.channels import ChannelTable
from ingest.miniseed import decode, seed_id
from ingest.sources.archive import Recording

__all__ = ["Trace", "read_traces"]


class Trace(Struct, frozen=True):
    """One channel of a station within a window.

    Attributes
    ----------
    channel
        SEED id; the vertical where the station has one.
    time_us
        Of each sample, us since 1970 UTC.
    values
        In the channel's unit (m/s2 or m/s) about their median; NaN stands in every gap.
    """

    channel: str
    time_us: NDArray[np.float64]
    values: NDArray[np.float64]


def read_traces(
    recording: Recording, stations: Collection[str], begin_us: int, end_us: int
) -> dict[str, Trace]:
    """Decode one channel of some stations within a window.

    Stations without a sample in the window, and channels without metadata, are left out.
    """
    values: dict[str, list[bytes]] = {}
    for packet in recording.packets:
        if packet.station in stations and packet.start_us < end_us and packet.end_us > begin_us:
            values.setdefault(packet.station, []).append(packet.value)
    traces = {}
    for station, sent in sorted(values.items()):
        trace = _trace(sent, recording.channels)
        if trace is not None:
            traces[station] = trace
    return traces


def _trace(sent: list[bytes], table: ChannelTable) -> Trace | None:
    """Join the records of the best channel in order of time."""
    samples = decode(sent)
    ids = [seed_id(code) for code in samples.code]
    entries = {
        name: channel
        for name, start in zip(ids, samples.start_ns, strict=True)
        if (channel := table.find(name, int(start))) is not None
    }
    if not entries:
        return None
    chosen = min(entries.values(), key=lambda c: (not c.vertical, c.id))
    times, values = [], []
    after_ns = None
    for i in np.argsort(samples.start_ns, kind="stable"):
        if ids[i] != chosen.id:
            continue
        step_ns = 1e9 / samples.rate[i]
        start_ns, count = int(samples.start_ns[i]), int(samples.count[i])
        if after_ns is not None and abs(start_ns - after_ns) > step_ns:
            times.append(np.array([after_ns / 1e3]))
            values.append(np.array([np.nan]))
        times.append((start_ns + np.arange(count) * step_ns) / 1e3)
        values.append(samples.of(i) / chosen.gain)
        after_ns = start_ns + count * step_ns
    joined = np.concatenate(values)
    return Trace(chosen.id, np.concatenate(times), joined - np.nanmedian(joined))
