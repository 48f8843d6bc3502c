"""A small SeedLink server for tests: version 3 and 4, over TCP, with the faults of real ones.

From the FDSN's specification of SeedLink 4 and the manual of SeisComP's `seedlink` (version 3).
Runs in the event loop of the test.
"""

import asyncio
import fnmatch
import json
import re
import ssl
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from msgspec import Struct
from pymseed import MS3Record, sourceid2nslc

MODULUS = {3: 1 << 24, 4: 1 << 64}
XML_BYTES = 456  # of an INFO answer in one record of version 3


class Held(Struct):
    """One packet in the ring."""

    station: str
    stream: str
    number: int
    start_s: float
    end_s: float
    kind: str
    payload: bytes


class Wanted(Struct):
    """What a client asked for of a station or a pattern."""

    pattern: str
    selectors: list[str]
    number: int | None = None
    begin_s: float | None = None
    end_s: float | None = None


class SeedLinkServer:
    """A server of one ring.

    Parameters
    ----------
    protocols
        Versions that it offers.
    shared
        Whether all stations have one count (ringserver), or each its own (SeisComP).
    capacity
        Packets that the ring holds.
    first
        Number of the first packet.
    batch, says_stations
        Whether it knows BATCH, and answers INFO STATIONS.
    refused
        Stations that it has not.
    """

    def __init__(
        self,
        *,
        protocols: Sequence[int] = (3, 4),
        shared: bool = False,
        capacity: int = 100_000,
        first: int = 1,
        batch: bool = False,
        says_stations: bool = True,
        refused: Sequence[str] = (),
    ) -> None:
        self.protocols = tuple(protocols)
        self.shared = shared
        self.capacity = capacity
        self.first = first
        self.batch = batch
        self.says_stations = says_stations
        self.refused = tuple(refused)
        self.port = 0
        self.connections = 0
        self.commands: list[str] = []
        self.sent_bytes = 0
        self.silent = False
        self.ring: list[Held] = []
        self.base = 0  # packets that have left the ring
        self._counts: dict[str, int] = {}
        self._changed = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._clients: set[Client] = set()

    @property
    def end(self) -> int:
        """Place behind the last packet, among all that ever came."""
        return self.base + len(self.ring)

    async def start(self, context: ssl.SSLContext | None = None) -> "SeedLinkServer":
        """Listen; on the same port again after `stop`."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=context, limit=1 << 20
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Close the port and all connections; the ring stays."""
        if self._server is not None:
            self._server.close()
        self.drop()
        await asyncio.sleep(0)

    def renew(self) -> None:
        """Lose the ring and the counts."""
        self.ring.clear()
        self.base = 0
        self._counts.clear()

    def drop(self) -> None:
        """Cut all connections."""
        for client in list(self._clients):
            client.writer.transport.abort()

    async def put(self, *records: bytes, kind: str = "") -> None:
        """Take in packets of one record each."""
        for payload in records:
            record = MS3Record.parse(payload)
            network, station, location, channel = sourceid2nslc(record.sourceid)
            stream = "_".join((location, *channel))
            self._add(
                f"{network}_{station}",
                stream,
                record.starttime / 1e9,
                record.endtime / 1e9,
                kind or f"{record.formatversion}D",
                payload,
            )
        await self._wake()

    async def put_bad(self, station: str, payload: bytes) -> None:
        """Take in a packet with something in it that is no record."""
        self._add(station, "_H_H_Z", 0.0, 0.0, "2D", payload)
        await self._wake()

    def lose(self, station: str, packets: int) -> None:
        """Count packets that never come."""
        key = "" if self.shared else station
        self._counts[key] = self._counts.get(key, self.first) + packets

    def _add(
        self, station: str, stream: str, start_s: float, end_s: float, kind: str, payload: bytes
    ) -> None:
        key = "" if self.shared else station
        number = self._counts.get(key, self.first)
        self._counts[key] = number + 1
        self.ring.append(Held(station, stream, number, start_s, end_s, kind, payload))
        over = len(self.ring) - self.capacity
        if over > 0:
            del self.ring[:over]
            self.base += over

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def wait(self, place: int) -> None:
        """Return when there is something behind a place, and the server is not silent."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.end > place and not self.silent)

    async def speak(self) -> None:
        """Be silent no longer."""
        self.silent = False
        await self._wake()

    async def inject(self, data: bytes) -> None:
        """Send bytes to all, whatever they are, between two packets."""
        for client in list(self._clients):
            await client.send(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        client = Client(self, reader, writer)
        self._clients.add(client)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await client.run()
        except asyncio.CancelledError:
            pass
        finally:
            self._clients.discard(client)
            writer.transport.abort()


class Client:
    """One connection, seen from the server."""

    def __init__(
        self, server: SeedLinkServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.protocol = 3
        self.batch = False
        self.wanted: list[Wanted] = []
        self.ignoring = False
        self.alone = False  # no STATION: version 3 then sends all, and waits for no END
        self.streaming: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Deal with commands until the client leaves."""
        rest = b""
        try:
            while data := await self.reader.read(65536):
                *lines, rest = re.split(rb"\r\n|\r|\n", rest + data)
                for line in lines:
                    if line:
                        await self.command(line.decode("ascii", "replace"))
        finally:
            if self.streaming is not None:
                self.streaming.cancel()

    async def send(self, data: bytes) -> None:
        """Send; waits while the client does not read."""
        self.writer.write(data)
        await self.writer.drain()
        self.server.sent_bytes += len(data)

    async def command(self, line: str) -> None:
        """Do what one command says."""
        server = self.server
        server.commands.append(line)
        if server.silent:
            return
        word, *words = line.split()
        answer = "OK"
        match word.upper():
            case "HELLO":
                versions = " ".join(f"SLPROTO:{v}.{v == 3:d}" for v in server.protocols)
                more = " CAP NSWILDCARD" + (" BATCH" if server.batch else "")
                await self.send(
                    f"SeedLink v{max(server.protocols)}.0 (test) :: {versions}{more}\r\n"
                    "Station of tests\r\n".encode()
                )
                return
            case "SLPROTO":
                self.protocol = int(words[0].split(".")[0])
            case "BATCH" if server.batch:
                await self.send(b"OK\r\n")
                self.batch = True
                return
            case "USERAGENT" | "CAPABILITIES":
                pass
            case "AUTH":
                answer = "OK" if words == ["USERPASS", "name", "word"] else "ERROR AUTH no"
            case "STATION":
                pattern = words[0] if self.protocol == 4 else f"{words[1]}_{words[0]}"
                refused = pattern in server.refused
                # Version 4 passes over what follows; version 3 gives it to the station before.
                self.ignoring = refused and self.protocol == 4
                if refused:
                    answer = "ERROR ARGUMENTS no such station"
                else:
                    self.wanted.append(Wanted(pattern, []))
            case "SELECT" | "DATA" if self.ignoring:
                pass
            case "SELECT":
                self.wanted[-1].selectors.append(words[0])
            case "DATA" | "FETCH" | "TIME":
                answer = self.data(word.upper(), words)
                if self.alone:
                    self.begin(dial_up=word.upper() == "FETCH")
            case "END":
                self.begin(dial_up=any(w.end_s is not None for w in self.wanted))
                return
            case "INFO":
                await self.info(words[0].upper())
                return
            case "BYE":
                self.writer.close()
                return
            case _:
                answer = "ERROR UNSUPPORTED"
        if not self.batch:
            await self.send(f"{answer}\r\n".encode() if self.protocol == 4 else _short(answer))

    def data(self, word: str, words: Sequence[str]) -> str:
        """Note from where on a station is wanted."""
        if not self.wanted:
            self.alone = True
            self.wanted.append(Wanted("*_*", []))
        wanted = self.wanted[-1]
        if word == "TIME":
            wanted.number = 0
            wanted.begin_s, wanted.end_s = (
                datetime.strptime(w, "%Y,%m,%d,%H,%M,%S").replace(tzinfo=UTC).timestamp()
                for w in words
            )
        elif not words:
            wanted.number = None
        else:
            if set(wanted.pattern) & set("*?") and not self.server.shared:
                return "ERROR ARGUMENTS using sequence number with station wildcard"
            wanted.number = int(words[0], 16 if self.protocol == 3 else 10)
        return "OK"

    def begin(self, *, dial_up: bool) -> None:
        """Begin to send; what is put from now on is new."""
        starts, now = self.starts(), self.server.end
        self.streaming = asyncio.create_task(self.stream(starts, now, dial_up=dial_up))

    def starts(self) -> dict[str, int]:
        """Return the place where each known station begins."""
        server = self.server
        modulus = MODULUS[self.protocol]
        starts: dict[str, int] = {}
        if server.shared:
            # As ringserver does: the newest packet before a number that is asked for.
            asked = {(w.number - 1) % modulus for w in self.wanted if w.number is not None}
            places = [
                server.base + i + 1
                for i, held in enumerate(server.ring)
                if held.number % modulus in asked
            ]
            begin = max(places, default=server.end)
            return dict.fromkeys((held.station for held in server.ring), begin)
        for place, held in enumerate(server.ring, server.base):
            wanted = self.wanting(held.station)
            if held.station in starts or wanted is None or wanted.number is None:
                continue
            if (held.number - wanted.number) % modulus < modulus // 2:
                starts[held.station] = place
        return starts

    def wanting(self, station: str) -> Wanted | None:
        """Return what was asked for of a station first."""
        for wanted in self.wanted:
            if fnmatch.fnmatchcase(station, wanted.pattern):
                return wanted
        return None

    async def stream(self, starts: dict[str, int], now: int, *, dial_up: bool) -> None:
        """Send what is wanted, of each station from its start on; of others what is new."""
        server = self.server
        place = min(starts.values(), default=now)
        with suppress(ConnectionError):
            while True:
                if place >= server.end:
                    if dial_up:
                        await self.send(b"END")
                        return
                    await server.wait(place)
                place = max(place, server.base)
                held = server.ring[place - server.base]
                if place >= starts.get(held.station, now) and self.matches(held):
                    if server.silent:
                        await server.wait(place)
                    await self.send(self.packet(held))
                place += 1

    def matches(self, held: Held) -> bool:
        """Say whether a packet is wanted."""
        wanted = self.wanting(held.station)
        if wanted is None:
            return False
        if wanted.end_s is not None and held.start_s > wanted.end_s:
            return False
        if wanted.begin_s is not None and held.end_s < wanted.begin_s:
            return False
        plain = [s for s in wanted.selectors if not s.startswith("!")]
        out = [s[1:] for s in wanted.selectors if s.startswith("!")]
        fits = self._fits_4 if self.protocol == 4 else self._fits_3
        return (not plain or any(fits(held, s) for s in plain)) and not any(
            fits(held, s) for s in out
        )

    @staticmethod
    def _fits_4(held: Held, selector: str) -> bool:
        return fnmatch.fnmatchcase(held.stream, selector)

    @staticmethod
    def _fits_3(held: Held, selector: str) -> bool:
        location, *channel = held.stream.split("_")
        code = selector.split(".")[0].replace("-", " ")
        name = "".join(channel) if len(code) == 3 else f"{location:2}" + "".join(channel)
        return fnmatch.fnmatchcase(name, code)

    def packet(self, held: Held) -> bytes:
        """Frame a packet."""
        if self.protocol == 3:
            return b"SL%06X" % (held.number % MODULUS[3]) + held.payload
        station = held.station.encode()
        head = struct.pack(
            "<2s2sIQB", b"SE", held.kind.encode(), len(held.payload), held.number, len(station)
        )
        return head + station + held.payload

    async def info(self, level: str) -> None:
        """Answer INFO."""
        server = self.server
        ranges: dict[str, list[int]] = {}
        for held in server.ring:
            ranges.setdefault(held.station, [held.number, 0])[1] = held.number
        if level == "STATIONS" and not server.says_stations:
            ranges = {}
            level = "NOTHING"
        if self.protocol == 4:
            told: dict[str, object] = {"software": "test", "organization": "tests"}
            if level == "STATIONS":
                told["station"] = [
                    {"id": name, "description": "", "begin_seq": first, "end_seq": last + 1}
                    for name, (first, last) in ranges.items()
                ]
            kind = b"JI" if level in ("ID", "STATIONS") else b"JE"
            text = json.dumps(told).encode()
            await self.send(struct.pack("<2s2sIQB", b"SE", kind, len(text), 0, 0) + text)
            return
        stations = "".join(
            f"<station name={quoteattr(name.split('_')[1])} network={quoteattr(name.split('_')[0])}"
            f' description="" begin_seq="{first % MODULUS[3]:06X}"'
            f' end_seq="{(last + 1) % MODULUS[3]:06X}" stream_check="enabled"/>'
            for name, (first, last) in ranges.items()
        )
        text = (
            '<?xml version="1.0"?><seedlink software="test" organization="tests" started="">'
            f"{stations if level == 'STATIONS' else ''}</seedlink>"
        ).encode()
        parts = [text[i : i + XML_BYTES] for i in range(0, len(text), XML_BYTES)]
        for part in parts:
            more = b"*" if part is not parts[-1] else b" "
            await self.send(b"SLINFO " + more + _log_record(part))


def _short(answer: str) -> bytes:
    return answer.split(maxsplit=1)[0].encode() + b"\r\n"


def _log_record(text: bytes) -> bytes:
    """Put text into a log record of miniSEED 2, 512 bytes (SEED manual, chapter 8)."""
    now = datetime.fromtimestamp(time.time(), UTC).timetuple()
    head = b"000001D " + b"INFO " + b"  " + b"INF" + b"SL"
    head += struct.pack(">HHBBBBH", now.tm_year, now.tm_yday, now.tm_hour, now.tm_min, 0, 0, 0)
    head += struct.pack(">HhhBBBBiHH", len(text), 0, 0, 0, 0, 0, 1, 0, 56, 48)
    head += struct.pack(">HHBBBB", 1000, 0, 0, 1, 9, 0)
    return (head + text).ljust(512, b"\0")
