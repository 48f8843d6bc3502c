"""How far a SeedLink server has been read, station by station; and how that stands in the log.

Each `waveforms` value from SeedLink carries a header for the last packet in it, so the log
itself tells after a restart where to go on, and no file can be older or newer than it.

Servers number in two ways. SeisComP counts each station for itself. ringserver counts all
stations together, and when several are asked for goes on from the newest number among them: so
from it all is asked for from one number, up to which everything stands in the log.
"""

import fnmatch
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from msgspec import Struct
from seedlink_client.protocol import Protocol

from stream.records import Record

__all__ = ["HEADER", "Held", "Places", "Request", "Tail", "Taken"]

HEADER = "seedlink"
"""Name of the header: ``HOST:PORT/NET_STA/vPROTOCOL/NUMBER/LAST/SAFE``. LAST is the time of the
newest sample of the station (ns since 1970 UTC); SAFE a number up to which everything that the
server sent stands in the log, or ``-`` where it does not count all stations together."""

_MODULUS = {Protocol.V3: 1 << 24, Protocol.V4: 1 << 64}
_SURE = 8  # changes from station to station, all upward, before numbers are taken as shared

Held = Mapping[str, tuple[int, int]]
"""First and last number that a server holds, by ``NET_STA``."""


class Taken(Enum):
    """What a packet is: the next one, one that has come before, or one of a new count."""

    NEXT = "next"
    REPEAT = "repeat"
    ANEW = "anew"


class Request(Struct, frozen=True):
    """What is asked for: stations (``NET_STA`` or a pattern), from a number on or None."""

    station: str
    number: int | None


class _Place(Struct):
    """Last number of a station, and its newest sample."""

    number: int
    newest_ns: int


class Places:
    """How far one server has been read.

    Parameters
    ----------
    server
        ``HOST:PORT``.

    Attributes
    ----------
    lost
        Packets that by their numbers were sent and did not come. Counted where stations have
        numbers of their own and nothing of them is left out: only there numbers have no holes.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.lost = 0
        self._protocol: Protocol | None = None
        self._modulus = _MODULUS[Protocol.V4]
        self._stations: dict[str, _Place] = {}
        self._shared: bool | None = None
        self._highest: int | None = None
        self._safe: int | None = None
        self._handed: deque[tuple[int, int]] = deque()
        self._latest: tuple[str, int] | None = None
        self._climbs = 0

    def __len__(self) -> int:
        """Return of how many stations the place is known."""
        return len(self._stations)

    def forget(self) -> None:
        """Know nothing any more: numbers are not those of before, or too old to be asked for."""
        self._stations.clear()
        self._handed.clear()
        self._shared = self._highest = self._safe = self._latest = None
        self._climbs = 0

    def begin(self, protocol: Protocol) -> bool:
        """Begin a connection; false if what was known is of another protocol and is forgotten."""
        kept = protocol is self._protocol or not self._stations
        if not kept:
            self.forget()
        self._protocol, self._modulus = protocol, _MODULUS[protocol]
        self._latest = None
        return kept

    def take(
        self, station_id: str, number: int, last_ns: int, arrival_ns: int, *, whole: bool
    ) -> Taken:
        """Note that a packet has come, unless it has come before.

        Parameters
        ----------
        station_id, number, last_ns
            See `ingest.sources.seedlink_packets.Packet`.
        arrival_ns
            When it came: no clock fault makes the station's newest sample one of the future.
        whole
            Whether the server leaves out nothing of the station.

        Returns
        -------
        Taken
            `ANEW` if the number does not follow, and yet there are newer samples than ever:
            the server counts anew, and what was known of it is forgotten.
        """
        self._learn(station_id, number)
        newest_ns = min(last_ns, arrival_ns)
        taken = Taken.NEXT
        place = self._stations.get(station_id)
        if place is not None:
            step = self._ahead(number, place.number)
            if step:
                if whole and self._shared is False:
                    self.lost += step - 1
                newest_ns = max(newest_ns, place.newest_ns)
            elif newest_ns <= place.newest_ns:
                return Taken.REPEAT
            else:
                self.forget()
                taken = Taken.ANEW
        self._stations[station_id] = _Place(number, newest_ns)
        if self._highest is None or self._ahead(number, self._highest):
            self._highest = number
        return taken

    def passed(self, station_id: str, number: int) -> None:
        """Note that a packet of no use has come: it is not missing, and not asked for again."""
        place = self._stations.get(station_id)
        if place is not None and self._ahead(number, place.number):
            place.number = number

    def handed(self, ticket: int) -> None:
        """Note that what has come so far was handed on under a ticket."""
        if self._shared and self._highest is not None:
            self._handed.append((ticket, self._highest))

    def settled(self, ticket: int) -> None:
        """Note that everything up to a ticket stands in the log."""
        while self._handed and self._handed[0][0] <= ticket:
            self._safe = self._handed.popleft()[1]

    def header(self, station_id: str) -> tuple[str, bytes]:
        """Return the header that says how far a station has been read."""
        place = self._stations[station_id]
        version = "" if self._protocol is None else self._protocol.value
        safe = "-" if self._safe is None or not self._shared else self._safe
        text = f"{self.server}/{station_id}/v{version}/{place.number}/{place.newest_ns}/{safe}"
        return HEADER, text.encode("ascii")

    def requests(
        self, stations: Sequence[str], held: Held | None
    ) -> tuple[list[Request], list[str]]:
        """Say what to ask for, and of which stations something is gone.

        Parameters
        ----------
        stations
            What is wanted: ``NET_STA``, or patterns with ``*`` and ``?``.
        held
            What the server holds; None if it does not say.

        Returns
        -------
        requests
            Stations by name first, then patterns: of what matches several, the first counts.
        gone
            Stations that were read, and of which the server no longer has what follows.
        """
        wanted = sorted(stations, key=_rank)
        known = [
            station_id
            for station_id in sorted(self._stations)
            if any(fnmatch.fnmatchcase(station_id, pattern) for pattern in stations)
        ]
        if self._shared and self._highest is not None:
            number, gone = self._common(self._highest, held)
            return [Request(s, number) for s in wanted], known if gone else []
        gone_of: list[str] = []
        numbers: dict[str, int | None] = dict.fromkeys(wanted)
        for station_id in known:
            number, gone = self._own(station_id, held)
            if gone:
                gone_of.append(station_id)
            if number is not None:
                numbers[station_id] = number
        return [Request(s, numbers[s]) for s in sorted(numbers, key=_rank)], gone_of

    def _common(self, highest: int, held: Held | None) -> tuple[int | None, bool]:
        """Return the number to go on with where all share them, and whether something is gone."""
        following = (highest + 1) % self._modulus
        if held is None:
            return following, False
        if all(self._ahead(highest, last) for _, last in held.values()):
            self.forget()
            return None, True
        return following, all(self._ahead(first, following) for first, _ in held.values())

    def _own(self, station_id: str, held: Held | None) -> tuple[int | None, bool]:
        """Return the number to go on with at a station, and whether something is gone."""
        last_read = self._stations[station_id].number
        following = (last_read + 1) % self._modulus
        if held is None:
            return following, False
        if station_id not in held or self._ahead(last_read, held[station_id][1]):
            # It counts anew. A number that is yet to come would be waited for.
            del self._stations[station_id]
            return None, True
        return following, self._ahead(held[station_id][0], following) > 0

    def _learn(self, station_id: str, number: int) -> None:
        """Find out whether stations share their numbers: then from one to another they grow."""
        latest, self._latest = self._latest, (station_id, number)
        if latest is None or latest[0] == station_id or self._shared is False:
            return
        if not self._ahead(number, latest[1]):
            self._shared = False
        elif self._shared is None and station_id in self._stations:
            self._climbs += 1
            self._shared = True if self._climbs >= _SURE else None

    def _ahead(self, number: int, other: int) -> int:
        """Return how far a number is ahead of another, 0 if it is not; numbers wrap round."""
        step = (number - other) % self._modulus
        return step if step < self._modulus // 2 else 0

    @classmethod
    def restored(cls, server: str, headers: Sequence[bytes]) -> "Places":
        """Make them from the last header of each station, the newest of all last."""
        places = cls(server)
        for header in reversed(headers):
            try:
                _, station_id, version, number, newest_ns, safe = header.decode("ascii").rsplit(
                    "/", 5
                )
                protocol = Protocol(version.removeprefix("v"))
                place = _Place(int(number), int(newest_ns))
                safe_number = None if safe == "-" else int(safe)
            except ValueError:
                continue  # written by something else: as good as none
            if places._protocol is None:
                places.begin(protocol)
                places._shared = None if safe_number is None else True
            if protocol is not places._protocol:
                continue
            places._stations[station_id] = place
            if places._shared and safe_number is not None:
                safest = places._safe
                if safest is None or places._ahead(safe_number, safest):
                    places._safe = places._highest = safe_number
        return places


def _rank(station: str) -> tuple[bool, bool, str]:
    return "*" in station, "?" in station, station


class Tail:
    """The last header of each station, picked from the tail of `waveforms` piece by piece."""

    def __init__(self) -> None:
        self._last: dict[bytes, tuple[int, int, bytes]] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Take in records, in any order; others than SeedLink's are nothing."""
        for record in records:
            for name, value in record.headers:
                if name == HEADER:
                    source = b"/".join(value.split(b"/", 2)[:2])
                    if source not in self._last or self._last[source][0] < record.offset:
                        self._last[source] = (record.offset, record.timestamp, value)

    def places(self) -> dict[str, Places]:
        """Return how far each server (``HOST:PORT``) has been read."""
        by_server: dict[str, list[tuple[int, bytes]]] = {}
        for _, timestamp, value in self._last.values():
            server = value.split(b"/", 1)[0].decode("ascii", "backslashreplace")
            by_server.setdefault(server, []).append((timestamp, value))
        return {
            server: Places.restored(server, [value for _, value in sorted(marks)])
            for server, marks in sorted(by_server.items())
        }
