"""A SeedLink server, read for as long as Alatau runs.

When the connection breaks, it is made anew, and the server is read on where it was left.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec import Struct

from ingest.arrivals import Arrivals, Mark, Unread
from ingest.intake import Intake
from ingest.settings import SeedLinkSettings
from ingest.sources.seedlink_connection import BrokenError, Connection
from ingest.sources.seedlink_packets import Event, Line, Noise, Other, Packet
from ingest.sources.seedlink_places import Places, Taken

__all__ = ["SeedLinkCounts", "SeedLinkSource"]

FIRST_PAUSE_S = 1.0
NOISE_BYTES = 1024 * 1024  # without a packet: then it is no SeedLink, or no longer

_log = logging.getLogger("alatau.ingest")


class SeedLinkCounts(Struct):
    """What has been counted of a server since the start.

    Attributes
    ----------
    connections
        Times that it was connected to.
    packets, repeats
        Packets that were handed over, and others that had come before.
    noise
        Pieces of what it sent that were no packet of use; they are among the rejects.
    """

    connections: int = 0
    packets: int = 0
    repeats: int = 0
    noise: int = 0


class SeedLinkSource:
    """Reads stations of a SeedLink server.

    Parameters
    ----------
    settings
        Which server and what of it.
    clock_ms
        The clock that arrivals are told by, ms since 1970 UTC.
    context, password
        For TLS, and to log in.

    Attributes
    ----------
    counts
        See `SeedLinkCounts`.
    """

    def __init__(
        self,
        settings: SeedLinkSettings,
        clock_ms: Callable[[], int],
        context: ssl.SSLContext | None = None,
        password: str = "",
    ) -> None:
        self.counts = SeedLinkCounts()
        self._settings = settings
        self._places = Places(settings.server)
        self._clock_ms = clock_ms
        self._context = context
        self._password = password
        self._heard_s = 0.0
        self._says_held = True
        self._noise_bytes = 0
        self._complaints = 0

    @property
    def name(self) -> str:
        """``HOST:PORT``."""
        return self._settings.server

    @property
    def resume_s(self) -> float:
        """After how long (s) it does not matter any more where it was left."""
        return self._settings.resume_s

    @property
    def lost(self) -> int:
        """Packets that were lost; see `ingest.sources.seedlink_places.Places`."""
        return self._places.lost

    def go_on(self, places: Places | None) -> None:
        """Take over how far the server has been read before; None if nothing is known."""
        lost = self._places.lost
        self._places = places or Places(self._settings.server)
        self._places.lost = lost

    async def run(self, intake: Intake, stop: asyncio.Event) -> None:
        """Hand over what comes until a stop is asked for."""
        self._heard_s = time.monotonic()
        reading = asyncio.create_task(self._read_on(intake))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading

    async def _read_on(self, intake: Intake) -> None:
        """Read, and connect again whenever that ends."""
        pause_s = FIRST_PAUSE_S
        while True:
            before = self.counts.packets
            try:
                await self._read(intake)
            except (BrokenError, OSError, EOFError) as error:
                if self.counts.packets > before:
                    pause_s = FIRST_PAUSE_S
                why = "closed the connection" if isinstance(error, EOFError) else error
                self._say(f"{why}; trying again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._settings.pause_s)

    async def _read(self, intake: Intake) -> None:
        """Connect once and read until the connection breaks."""
        connection = await Connection.opened(self._settings, self._context, self._password)
        try:
            self.counts.connections += 1
            asked = await self._select(connection)
            self._noise_bytes = self._complaints = 0
            while True:
                self._look_at_refused(connection, asked)
                events = await connection.events()
                self._heard_s = time.monotonic()
                await self._take(events, intake)
                self._heard_s = time.monotonic()  # the intake may have been full for long
        finally:
            connection.close()

    async def _select(self, connection: Connection) -> int:
        """Have the server send what is wanted; return how many stations or patterns that is."""
        places, settings = self._places, self._settings
        silent_s = time.monotonic() - self._heard_s
        if len(places) and silent_s > settings.resume_s:
            self._say(f"was away for {silent_s:.0f} s: what came in between is not asked for")
            places.forget()
        if not places.begin(connection.protocol):
            self._say("has changed the protocol: what came in between is not known")
        held = None
        if len(places) and self._says_held:
            try:
                held = await connection.held()
            except (BrokenError, OSError):
                self._says_held = False  # it may be because of the question
                raise
        requests, gone = places.requests(settings.stations, held)
        if gone:
            self._say(
                f"no longer has all that followed the last packets of {len(gone)} stations, "
                f"which are lost: {_some(gone)}"
            )
        _log.info(
            "SeedLink %s: connected (%s), version %s, %d places known",
            settings.server,
            connection.software,
            connection.protocol.value,
            len(places),
        )
        await connection.select(requests)
        return len(requests)

    def _look_at_refused(self, connection: Connection, asked: int) -> None:
        """Say what the server refuses; give up numbers that it does not take."""
        fresh = connection.refused[self._complaints :]
        if not fresh:
            return
        self._complaints = len(connection.refused)
        command, answer = fresh[0]
        more = f" and {len(fresh) - 1} more" if len(fresh) > 1 else ""
        self._say(f"refuses {command}{more}: {answer}")
        if any(command.startswith("DATA ") for command, _ in fresh):
            self._places.forget()
            raise BrokenError("does not go on from a number: what came in between is lost")
        if sum(command.startswith("STATION") for command, _ in connection.refused) == asked:
            raise BrokenError("has none of the stations")

    async def _take(self, events: Sequence[Event], intake: Intake) -> None:
        """Hand over packets that have not come before, and what is none."""
        places, counts, settings = self._places, self.counts, self._settings
        arrival_ms = self._clock_ms()
        whole = not settings.channels
        values: dict[str, list[bytes]] = {}
        stations: dict[str, str] = {}
        unread: list[Unread] = []
        last_word = ""
        places.settled(intake.settled)
        for event in events:
            if isinstance(event, Packet):
                self._noise_bytes = 0
                taken = places.take(
                    event.station_id,
                    event.number,
                    event.last_ns,
                    arrival_ms * 1_000_000,
                    whole=whole,
                )
                if taken is Taken.REPEAT:
                    counts.repeats += 1
                    continue
                if taken is Taken.ANEW:
                    self._say(f"counts anew, from {event.number} at {event.station_id}")
                    stations.clear()
                counts.packets += 1
                values.setdefault(event.station, []).append(event.value)
                stations[event.station_id] = event.station
            elif isinstance(event, Other):
                places.passed(event.station_id, event.number)
            elif isinstance(event, Noise):
                counts.noise += 1
                self._noise_bytes += len(event.value)
                unread.append(Unread(settings.server, event.reason, event.detail, event.value))
            elif isinstance(event, Line) and event.text != "OK":
                last_word = event.text
        if values or unread:
            ticket = await intake.put(
                Arrivals(
                    arrival_ms,
                    tuple((name, b"".join(values[name])) for name in sorted(values)),
                    tuple(unread),
                    marks=tuple(
                        Mark(name, f"{settings.server}/{station_id}", places.header(station_id))
                        for station_id, name in stations.items()
                    ),
                )
            )
            places.handed(ticket)
        if last_word:
            raise BrokenError(f"says {last_word}")
        if self._noise_bytes > NOISE_BYTES:
            raise BrokenError("sends no SeedLink")

    def _say(self, what: str) -> None:
        _log.warning("SeedLink %s: %s", self._settings.server, what)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
