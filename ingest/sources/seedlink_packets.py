"""What a SeedLink server sends, bytes to packets; versions 3 and 4.

Pure: the connection is elsewhere. The formats: the FDSN's SeedLink protocol 4, "Data transfer",
and for version 3 (which has no specification) the manual of SeisComP's `seedlink`.
"""

import re

from msgspec import Struct
from seedlink_client.mseed import extract_info_text
from seedlink_client.protocol import (
    FORMAT_JSON,
    FORMAT_XML,
    HEADSIZE_V3,
    HEADSIZE_V4,
    Protocol,
    SeedLinkError,
    parse_header_v3,
    parse_header_v4,
)

from ingest.framing import Framed, frame

__all__ = ["Event", "Info", "Line", "Noise", "Other", "Packet", "Unpacker"]

RECORD_BYTES = 128 * 1024  # the longest record of miniSEED 2
INFO_BYTES = 4 * 1024 * 1024  # some ten thousand stations
LINE_BYTES = 8192
LEAST_BYTES = 64  # of a record, before its header is looked at

_BEGINS = {
    Protocol.V3: re.compile(rb"SL(?:[0-9A-Fa-f]{6}|INFO)"),
    Protocol.V4: re.compile(rb"SE[0-9A-Z]{2}"),
}
_SIGNATURES = {Protocol.V3: b"SL", Protocol.V4: b"SE"}
_WORDS = (b"OK", b"ERROR", b"END")
_HELD_BACK = 7  # bytes of noise that may be the beginning of a packet


class Packet(Struct, frozen=True, gc=False):
    """One record, and where it stands among those of its station.

    Attributes
    ----------
    station_id
        ``NET_STA``, by which the server numbers.
    station
        ``NET.STA``, as the record says.
    number
        Sequence number.
    last_ns
        Time of the last sample, ns since 1970 UTC.
    value
        The record.
    """

    station_id: str
    station: str
    number: int
    last_ns: int
    value: bytes


class Other(Struct, frozen=True):
    """A packet of another kind than waveforms; see `Packet`."""

    station_id: str
    number: int


class Info(Struct, frozen=True):
    """Part of an answer to INFO: JSON (version 4) or XML; whether more of it follows."""

    text: str
    more: bool


class Line(Struct, frozen=True):
    """What the server said in words: ``OK``, ``ERROR ...`` or ``END``."""

    text: str


class Noise(Struct, frozen=True):
    """Bytes that are nothing of use, and why."""

    reason: str
    detail: str
    value: bytes


Event = Packet | Other | Info | Line | Noise


class Unpacker:
    """Cuts what a server sends after the handshake began into packets and lines.

    Parameters
    ----------
    protocol
        What is spoken.
    """

    def __init__(self, protocol: Protocol) -> None:
        self._begins = _BEGINS[protocol]
        self._signature = _SIGNATURES[protocol]
        self._packet = self._packet_3 if protocol is Protocol.V3 else self._packet_4
        self._held = b""

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; return what they complete.

        Never raises for what the bytes say: reading goes on at whatever next looks like the
        beginning of a packet.
        """
        data = self._held + data if self._held else data
        events: list[Event] = []
        offset = 0
        while offset < len(data):
            found = self._next(data, offset)
            if found is None:
                break
            event, offset = found
            events.append(event)
        self._held = data[offset:]
        return events

    def _next(self, data: bytes, offset: int) -> tuple[Event, int] | None:
        """Return what stands at `offset`, and the place behind it; None if it is not whole."""
        begin = data[offset : offset + 5]
        if begin.startswith(self._signature) and (
            len(data) - offset < HEADSIZE_V3 or self._begins.match(data, offset)
        ):
            return self._packet(data, offset)
        if begin.startswith(b"END"):
            return Line("END"), offset + 3
        if begin.startswith(_WORDS):
            end = data.find(b"\r\n", offset, offset + LINE_BYTES)
            if end >= 0:
                return Line(data[offset:end].decode("ascii", "backslashreplace")), end + 2
            if len(data) - offset < LINE_BYTES:
                return None
        elif any(word.startswith(begin) for word in (self._signature, *_WORDS)):
            return None
        return self._noise(data, offset, "no SeedLink packet")

    def _noise(self, data: bytes, offset: int, reason: str) -> tuple[Event, int]:
        """Pass over what cannot be read, up to where a packet may begin."""
        found = self._begins.search(data, offset + 1)
        if found is not None:
            end = found.start()
        else:
            perhaps = data.rfind(b"S", max(offset + 1, len(data) - _HELD_BACK))
            end = perhaps if perhaps >= 0 else len(data)
        return Noise(reason, f"{end - offset} bytes", data[offset:end]), end

    def _packet_4(self, data: bytes, offset: int) -> tuple[Event, int] | None:
        begin = offset + HEADSIZE_V4
        if len(data) < begin:
            return None
        try:
            head = parse_header_v4(data[offset:begin])
        except SeedLinkError:
            return self._noise(data, offset, "no SeedLink packet")
        told = head.payload_format in (FORMAT_JSON, FORMAT_XML)
        if head.payload_length > (INFO_BYTES if told else RECORD_BYTES):
            return self._noise(data, offset, "no SeedLink packet")
        first = begin + head.station_id_length
        end = first + head.payload_length
        if len(data) < end:
            return None
        payload = data[first:end]
        if told:
            return Info(payload.decode("utf-8", "replace"), more=False), end
        station_id = data[begin:first].decode("ascii", "backslashreplace")
        if head.payload_format not in "23" or head.payload_subformat != "D":
            return Other(station_id, head.seqnum), end  # logs, events, calibrations
        found = frame(payload) if len(payload) >= LEAST_BYTES else None
        if not isinstance(found, Framed):
            reason, detail = ("not miniSEED", "") if found is None else (found.reason, found.detail)
            return Noise(reason, f"{station_id} {head.seqnum}: {detail}", payload), end
        if found.end != len(payload):
            detail = f"{station_id} {head.seqnum}: {found.end} bytes of {len(payload)}"
            return Noise("not one record", detail, payload), end
        return Packet(station_id, found.station, head.seqnum, found.last_ns, payload), end

    def _packet_3(self, data: bytes, offset: int) -> tuple[Event, int] | None:
        begin = offset + HEADSIZE_V3
        if len(data) < begin + LEAST_BYTES:
            return None
        head = parse_header_v3(data[offset:begin])
        found = frame(memoryview(data)[begin:])
        if found is None and len(data) - begin < RECORD_BYTES:
            return None
        if found is None or not found.end:
            return self._noise(data, offset, "not miniSEED")
        end = begin + found.end
        value = data[begin:end]
        if head.seqnum is None:
            try:
                return Info(extract_info_text(value), head.info_continues), end
            except SeedLinkError as error:
                return Noise("no answer to INFO", str(error), value), end
        if not isinstance(found, Framed):
            return Noise(found.reason, found.detail, value), end
        station_id = found.station.replace(".", "_", 1)
        return Packet(station_id, found.station, head.seqnum, found.last_ns, value), end
