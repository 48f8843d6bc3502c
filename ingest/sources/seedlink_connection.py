"""One connection to a SeedLink server: the handshake, and then what it sends.

`seedlink_client` knows the formats and is used for them. Its own connection is not: a wildcard
has one sequence number there, while servers count each station; one station that is refused ends
it; commands wait for one another, which takes minutes for a thousand stations far away; bytes
that are no packet end it, and are sent again after every reconnect; and a server that stops in
the middle of a packet is never noticed.
"""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from seedlink_client.protocol import (
    Protocol,
    SeedLinkError,
    parse_hello,
    parse_info_xml,
    parse_reply,
    select_protocol,
)

from ingest.settings import SeedLinkSettings
from ingest.sources.seedlink_packets import Event, Info, Line, Unpacker
from ingest.sources.seedlink_places import Held, Request

__all__ = ["BrokenError", "Connection", "commands"]

CHUNK_BYTES = 64 * 1024
SIGNS = 4  # parts into which the time until a server is taken for stalled is divided

_PINNED = {"auto": None, "3": Protocol.V3, "4": Protocol.V4}


class BrokenError(Exception):
    """The connection is of no use any more; its text says why."""


def _selector(channel: str, protocol: Protocol) -> str:
    """Write ``[!][LL]CCC[.D]`` as a version of the protocol wants it."""
    if protocol is Protocol.V3:
        return channel
    sign = "!" if channel.startswith("!") else ""
    code = channel.removeprefix("!").removesuffix(".D")
    location = {"": "*", "??": "*", "--": ""}.get(code[:-3], code[:-3])
    return f"{sign}{location}_{code[-3]}_{code[-2]}_{code[-1]}"


def commands(protocol: Protocol, requests: Sequence[Request], channels: Sequence[str]) -> list[str]:
    """Return the commands that select stations, in order, without the last one (END)."""
    lines = []
    for request in requests:
        if protocol is Protocol.V4:
            lines.append(f"STATION {request.station}")
        else:
            network, _, station = request.station.partition("_")
            lines.append(f"STATION {station or '*'} {network}")
        lines += [f"SELECT {_selector(channel, protocol)}" for channel in channels]
        if request.number is None:
            lines.append("DATA")
        else:
            number = request.number
            lines.append(f"DATA {number}" if protocol is Protocol.V4 else f"DATA {number:06X}")
    return lines


class Connection:
    """A connection that was made by `opened`.

    Everything raises `BrokenError`, `OSError` or `EOFError` if it cannot go on, at the latest
    when the server has sent nothing for `stalled_s`.

    Attributes
    ----------
    software
        What the server says that it is.
    protocol
        What is spoken.
    refused
        Commands that the server did not take, with what it said.
    """

    def __init__(
        self, settings: SeedLinkSettings, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.software = ""
        self.protocol = Protocol.V3
        self.refused: list[tuple[str, str]] = []
        self._settings = settings
        self._reader = reader
        self._writer = writer
        self._unpacker = Unpacker(self.protocol)
        self._unanswered: deque[str] = deque()
        self._selected = False
        self._batch = False

    @classmethod
    async def opened(
        cls, settings: SeedLinkSettings, context: ssl.SSLContext | None, password: str
    ) -> "Connection":
        """Connect, agree on the protocol, and log in if that is wanted."""
        try:
            async with asyncio.timeout(settings.stalled_s):
                reader, writer = await asyncio.open_connection(
                    settings.host, settings.port, ssl=context
                )
        except TimeoutError:
            raise BrokenError("does not answer") from None
        connection = cls(settings, reader, writer)
        try:
            await connection._greet(password)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """End it at once."""
        self._writer.transport.abort()

    async def _greet(self, password: str) -> None:
        settings = self._settings
        self._send("HELLO")
        first, second = await self._line(), await self._line()
        self.software, _, capabilities, majors = parse_hello(first, second)
        try:
            self.protocol = select_protocol(majors, _PINNED[settings.protocol])
        except SeedLinkError as error:
            raise BrokenError(str(error)) from error
        self._unpacker = Unpacker(self.protocol)
        if self.protocol is Protocol.V4:
            await self._agree("SLPROTO 4.0")
            await self._ask(f"USERAGENT alatau/{version('alatau')}")
            if settings.username:
                await self._agree(f"AUTH USERPASS {settings.username} {password}")
            return
        if settings.username:
            raise BrokenError("speaks SeedLink 3, where no one can log in")
        # Else each command waits for its answer: minutes, for many stations far away.
        if "BATCH" in capabilities:
            self._batch = bool(parse_reply(await self._ask("BATCH")))

    async def held(self) -> Held | None:
        """Ask which packets the server holds; None if it does not say."""
        self._send("INFO STATIONS")
        text: list[str] = []
        while True:
            for event in await self.events():
                if isinstance(event, Line):
                    return None
                if isinstance(event, Info):
                    text.append(event.text)
                    if not event.more:
                        return _held("".join(text), self.protocol)

    async def select(self, requests: Sequence[Request]) -> None:
        """Ask for stations, and have the server begin to send."""
        lines = commands(self.protocol, requests, self._settings.channels)
        if self.protocol is Protocol.V4 or self._batch:
            # Version 4 lets commands follow one another; to a batch there is no answer.
            self._unanswered.extend(() if self._batch else lines)
            self._send(*lines, "END")
        else:
            refused = False
            for line in lines:
                # What follows a station that is refused would change the one before it.
                if refused and not line.startswith("STATION"):
                    continue
                self._unanswered.append(line)
                taken = self._answered(await self._ask(line))
                refused = not taken and line.startswith("STATION")
            self._send("END")
        self._selected = True

    async def events(self) -> list[Event]:
        """Return what the server sends next, answers to what was selected left out.

        Asks for a sign of life when it has been silent for a while.
        """
        events = self._unpacker.feed(await self._more())
        if not self._unanswered:
            return events
        others: list[Event] = []
        for event in events:
            if isinstance(event, Line) and self._unanswered:
                self._answered(event.text)
            else:
                others.append(event)
        return others

    def _answered(self, text: str) -> bool:
        """Take in the answer to the oldest command that has none; false if it was refused."""
        command = self._unanswered.popleft()
        taken = bool(parse_reply(text))
        if not taken:
            self.refused.append((command, text))
        return taken

    async def _more(self) -> bytes:
        for _ in range(SIGNS):
            try:
                async with asyncio.timeout(self._settings.stalled_s / SIGNS):
                    data = await self._reader.read(CHUNK_BYTES)
            except TimeoutError:
                if self._selected:
                    self._send("INFO ID")
                continue
            if not data:
                raise BrokenError("closed the connection")
            return data
        raise BrokenError(f"has sent nothing for {self._settings.stalled_s:g} s")

    def _send(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode("ascii", "replace"))

    async def _line(self) -> str:
        try:
            async with asyncio.timeout(self._settings.stalled_s):
                line = await self._reader.readuntil(b"\n")
        except TimeoutError:
            raise BrokenError(f"has sent nothing for {self._settings.stalled_s:g} s") from None
        except asyncio.LimitOverrunError as error:
            raise BrokenError("sends no SeedLink") from error
        return line.decode("ascii", "backslashreplace").strip()

    async def _ask(self, command: str) -> str:
        self._send(command)
        return await self._line()

    async def _agree(self, command: str) -> None:
        answer = await self._ask(command)
        if not parse_reply(answer):
            name = " ".join(command.split()[:2])
            raise BrokenError(f"refuses {name}: {answer}")


def _held(text: str, protocol: Protocol) -> Held | None:
    """Read the answer to INFO STATIONS: JSON (version 4) or XML with hexadecimal numbers."""
    try:
        if protocol is Protocol.V4:
            # ringserver calls the first number start_seq, the specification begin_seq.
            return {
                found["id"]: (int(found.get("begin_seq", found.get("start_seq"))), found["end_seq"])
                for found in json.loads(text)["station"]
            }
        root: dict[str, Any] = next(iter(parse_info_xml(text).values()))
        return {
            f"{found['network']}_{found['name']}": (
                int(found["begin_seq"], 16),
                int(found["end_seq"], 16),
            )
            for found in root["station"]  # none is no answer: INFO may be forbidden
        }
    except (ValueError, KeyError, TypeError, AttributeError, SeedLinkError):
        return None
