"""Recordings of real stations as one stream without end: one after another, and multiplied."""

import bisect
import copy
import struct
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lxml import etree
from msgspec import Struct
from msgspec.structs import replace

from ingest import channels
from ingest.channels import ChannelTable
from ingest.sources import archive
from ingest.sources.archive import Packet, Recording
from stream.records import Output
from stream.topics import WAVEFORMS

__all__ = ["BLOCK_S", "Feed", "multiplied", "outputs", "real"]

RIDGECREST = Path(__file__).parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"
BEGIN_S = 1_677_628_800  # 2023-03-01: every station's metadata hold then
BLOCK_S = 300
SILENCE_S = 10  # before the next block: what follows is a gap, not a step
RECORD = 512  # bytes, as the archive packs them
NETWORK, TIME = 18, 20  # places in a record's header: SEED Reference Manual 2.4, chapter 8
APART_DEG = 4.0  # copies of a network stand further apart than stations that make one event
LEAST_MS, SPREAD_MS = 300, 1000  # from the end of a packet to its arrival

NAMESPACE = "{http://www.fdsn.org/xml/station/1}"


class Feed(Struct, frozen=True):
    """A stream and the metadata of its stations.

    Attributes
    ----------
    packets
        In order of arrival.
    stations
        StationXML of all of them.
    """

    packets: tuple[Packet, ...]
    stations: bytes

    def arrived(self, seconds: float) -> int:
        """Count the packets that have come so long after the first one."""
        until_ms = self.packets[0].arrival_ms + seconds * 1000
        return bisect.bisect_left(self.packets, until_ms, key=lambda packet: packet.arrival_ms)

    def table(self, folder: Path) -> ChannelTable:
        """Write the StationXML into a folder, as ``stations.xml``, and read it as a worker does."""
        path = folder / "stations.xml"
        path.write_bytes(self.stations)
        return channels.read([path])


def outputs(packets: Sequence[Packet], first: int = 0) -> list[Output]:
    """Make the values of `waveforms` that packets are; the first has the number `first`."""
    return [
        Output(WAVEFORMS.name, p.station.encode(), p.value, first + i, p.arrival_ms)
        for i, p in enumerate(packets)
    ]


class _Copy(Struct, frozen=True):
    """A recording that is played from a second of the stream on, so long at most, and under
    another network's name.
    """

    recording: Recording
    at_s: int
    seconds: int
    network: str | None = None


def multiplied(copies: int, rounds: int) -> Feed:
    """Play the three stations of Ridgecrest several times at once, and all of it several times.

    Parameters
    ----------
    copies
        Of the network: each stands elsewhere, and is called C0, C1 and so on.
    rounds
        How many times the earthquake comes.
    """
    recording = archive.read(RIDGECREST, latency_s=0.0)
    length_s = 2 * BLOCK_S
    played = [
        _Copy(recording, i * length_s + c, length_s - SILENCE_S, f"C{c}")
        for i in range(rounds)
        for c in range(copies)
    ]
    places = [(RIDGECREST / "stations.xml", f"C{c}", c * APART_DEG) for c in range(copies)]
    return Feed(_woven(played), _stations(places))


def real(data: Path, blocks: int, copies: int) -> Feed:
    """Play earthquakes one after another, over the noise of many stations.

    In every block of five minutes an earthquake in Mexico; in every second block the Mw 7.7 of
    Pazarcık at 110 stations; Ridgecrest, which is as long as two blocks, again and again; and all
    the time noise of Mexico, from `copies` networks of the same devices at other times.

    Parameters
    ----------
    data
        Folder of recordings.
    blocks
        How many.
    copies
        Networks of noise: N0, N1 and so on.
    """
    ridgecrest = archive.read(RIDGECREST, latency_s=0.0)
    turkiye = archive.read(data / "turkiye-2023-m7.8-pazarcik", latency_s=0.0)
    folders = sorted((data / "openeew-mexico").glob("20*-m*"))
    mexico = [archive.read(folder, latency_s=0.0) for folder in folders]
    noise = _parts(archive.read(data / "noise-openeew-mexico", latency_s=0.0))
    whole_s = BLOCK_S - SILENCE_S
    played = []
    for block in range(blocks):
        begin_s = block * BLOCK_S
        played.append(_Copy(mexico[block % len(mexico)], begin_s + 1, whole_s - 1))
        if block % 2 == 0:
            played.append(_Copy(ridgecrest, begin_s + 5, BLOCK_S + whole_s - 5))
        else:
            played.append(_Copy(turkiye, begin_s + 30, whole_s - 30))
    for number in range(copies):
        at_s, part = 0, number
        while at_s < blocks * BLOCK_S:
            recording = noise[part % len(noise)]
            played.append(_Copy(recording, at_s, blocks * BLOCK_S - at_s, f"N{number}"))
            at_s += _seconds(recording) + SILENCE_S
            part += 1
    mexican = data / "openeew-mexico" / "stations.xml"
    places = [
        (RIDGECREST / "stations.xml", None, 0.0),
        (data / "turkiye-2023-m7.8-pazarcik" / "stations.xml", None, 0.0),
        (mexican, None, 0.0),
    ]
    copied = data / "noise-openeew-mexico" / "stations.xml"
    places += [(copied, f"N{n}", (n + 1) * APART_DEG) for n in range(copies)]
    return Feed(_woven(played), _stations(places))


def _seconds(recording: Recording) -> int:
    first = min(packet.start_us for packet in recording.packets)
    return -((first - max(packet.end_us for packet in recording.packets)) // 1_000_000)


def _parts(recording: Recording) -> list[Recording]:
    """Cut a recording where nothing was recorded for a minute."""
    parts: list[list[Packet]] = []
    until_us = -(2**62)
    for packet in recording.packets:
        if packet.start_us > until_us + 60_000_000:
            parts.append([])
        parts[-1].append(packet)
        until_us = max(until_us, packet.end_us)
    return [replace(recording, packets=tuple(part)) for part in parts]


def _woven(played: Sequence[_Copy]) -> tuple[Packet, ...]:
    packets = [packet for copy_ in played for packet in _moved(copy_)]
    packets.sort(key=lambda p: (p.arrival_ms, p.station, p.start_us))
    return tuple(packets)


def _moved(copy_: _Copy) -> Iterator[Packet]:
    """Move a recording in time by whole seconds, and to another network.

    Each station's packets arrive a time of its own after their last sample.
    """
    first_us = min(packet.start_us for packet in copy_.recording.packets)
    shift_s = BEGIN_S + copy_.at_s - first_us // 1_000_000
    for packet in copy_.recording.packets:
        if packet.end_us > first_us + copy_.seconds * 1_000_000:
            continue
        station = packet.station
        if copy_.network is not None:
            station = copy_.network + station[2:]
        latency_ms = LEAST_MS + zlib.crc32(station.encode()) % SPREAD_MS
        end_us = packet.end_us + shift_s * 1_000_000
        yield Packet(
            station,
            -(-end_us // 1000) + latency_ms,
            packet.start_us + shift_s * 1_000_000,
            end_us,
            _rewritten(packet.value, shift_s, station[:2].encode()),
        )


def _rewritten(value: bytes, shift_s: int, network: bytes) -> bytes:
    """Give records another time and network."""
    records = bytearray(value)
    for begin in range(0, len(value), RECORD):
        year, day, hour, minute, second = struct.unpack_from(">HHBBB", records, begin + TIME)
        was = datetime(year, 1, 1, hour, minute, second, tzinfo=UTC) + timedelta(days=day - 1)
        time = was + timedelta(seconds=shift_s)
        day = time.timetuple().tm_yday
        struct.pack_into(
            ">HHBBB", records, begin + TIME, time.year, day, time.hour, time.minute, time.second
        )
        struct.pack_into("2s", records, begin + NETWORK, network)
    return bytes(records)


def _stations(places: Sequence[tuple[Path, str | None, float]]) -> bytes:
    """Join StationXML files; each may have its network renamed and its stations moved north."""
    joined = None
    for path, network, north_deg in places:
        root = etree.parse(path).getroot()
        for found in root.findall(f"{NAMESPACE}Network"):
            made = copy.deepcopy(found)
            if network is not None:
                made.set("code", network)
            for latitude in made.iter(f"{NAMESPACE}Latitude"):
                latitude.text = repr(float(latitude.text or "") + north_deg)
            if joined is None:
                joined = root
                for other in root.findall(f"{NAMESPACE}Network"):
                    root.remove(other)
            joined.append(made)
    return bytes(etree.tostring(joined, xml_declaration=True, encoding="UTF-8"))
