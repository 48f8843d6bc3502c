"""A folder into which an acquisition system writes miniSEED, followed while it does.

An SDS archive, as ringserver or slarchive write it, or any files to which records are
appended. What is there at the start is archive; what comes later is live.
"""

import fnmatch
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from ingest.arrivals import Arrivals, Unread
from ingest.framing import Cut, cut
from ingest.sources.tree import Seen, Tree

__all__ = ["FolderSource"]

FILE_BYTES = 256 * 1024  # of a file at once: twice the longest record of miniSEED 2
POLL_BYTES = 4 * 1024 * 1024  # at once: some 8000 records
TAIL_BYTES = 64 * 1024  # of a file at the start, to find where its last record ends
LONG_BYTES = 4096  # a multiple of the usual lengths of records: most often one begins there
KNOWN_BYTES = 4096  # before the place reached: by the header in them a new file is found out

_log = logging.getLogger("alatau.ingest")


class _File(Struct):
    """How far a file has been read.

    Attributes
    ----------
    known
        The bytes before `offset`.
    waiting_ms
        Since when the bytes behind `offset` have been a record that is not whole; None where
        none is.
    troubled
        Whether the last try to read it failed.
    """

    seen: Seen
    offset: int = 0
    known: bytes = b""
    waiting_ms: int | None = None
    troubled: bool = False

    @property
    def unread_bytes(self) -> int:
        return max(0, self.seen.size - self.offset)

    def begin_again(self, why: str) -> None:
        _log.warning("%s %s: it is read from its beginning", self.seen.path, why)
        self.offset, self.known, self.waiting_ms = 0, b"", None


class FolderSource:
    """Follows the miniSEED files of a folder and of the folders in it.

    Parameters
    ----------
    folder
        The root of the tree.
    files
        Patterns (as a shell has them) of the names of the files.
    clock_ms
        The clock that arrivals are told by, ms since 1970 UTC.
    back_s
        At the start, records that ended less than this (s) ago are read too.
    wait_s
        A half-written record that is not whole after this long (s) is given up.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[str],
        clock_ms: Callable[[], int],
        *,
        back_s: float = 0.0,
        wait_s: float = 30.0,
    ) -> None:
        self._tree = Tree(folder, re.compile("|".join(map(fnmatch.translate, files))))
        self._clock_ms = clock_ms
        self._back_ms = int(back_s * 1000)
        self._wait_ms = int(wait_s * 1000)
        self._files: dict[Path, _File] = {}
        self._due: dict[Path, _File] = {}
        self._begun = False

    @property
    def following(self) -> int:
        """Number of files that are followed."""
        return len(self._tree)

    def poll(self) -> Arrivals:
        """Read what has been appended since the last call.

        The first call finds the ends of the files, and reads back if that is wanted.
        """
        now_ms = self._clock_ms()
        changed, unread = self._tree.look(now_ms)
        for seen in changed:
            self._note(seen, now_ms, unread)
        self._begun = True
        pieces: list[tuple[_File, bytes]] = []
        left = POLL_BYTES
        # The least first: live data come in small pieces, and a back-fill must not delay them.
        for file in sorted(self._due.values(), key=lambda f: (f.unread_bytes, f.seen.path)):
            data = self._read(file, min(left, FILE_BYTES), unread)
            left -= len(data)
            if data:
                pieces.append((file, data))
        arrival_ms = self._clock_ms()
        values: dict[str, list[bytes]] = {}
        for file, data in sorted(pieces, key=lambda piece: piece[0].seen.path):
            self._take(file, data, arrival_ms, values, unread)
        self._due = {
            path: file
            for path, file in self._due.items()
            if file.unread_bytes and file.seen.path in self._files
        }
        return Arrivals(
            arrival_ms,
            tuple((station, b"".join(values[station])) for station in sorted(values)),
            tuple(unread),
            sum(f.unread_bytes for f in self._due.values() if f.waiting_ms is None),
        )

    def _note(self, seen: Seen, now_ms: int, unread: list[Unread]) -> None:
        """Take in that a file is new or has changed."""
        file = self._files.get(seen.path)
        if file is None:
            file = self._files[seen.path] = _File(seen)
            if not self._begun:
                self._find_end(file, now_ms, unread)
        elif seen.identity != file.seen.identity and not file.known:
            # Else its bytes tell: rsync makes a new file of one that has only grown.
            file.begin_again("was replaced")
        elif seen.size < file.offset:
            file.begin_again("has shrunk")
        file.seen = seen
        self._due[seen.path] = file

    def _find_end(self, file: _File, now_ms: int, unread: list[Unread]) -> None:
        """Set the place of a file that was there before: behind its last whole record.

        If reading back is wanted, before the first of the last records that are young enough.
        In a file at rest nothing is looked for.
        """
        size = file.seen.size
        if not file.seen.active(now_ms):
            file.offset = size
            return
        since_ns = (now_ms - self._back_ms) * 1_000_000 if self._back_ms else 2**63
        tail = TAIL_BYTES
        while True:
            begin = max(0, size - tail) // LONG_BYTES * LONG_BYTES
            try:
                with file.seen.path.open("rb") as stream:
                    stream.seek(begin)
                    data = stream.read(size - begin)
            except OSError as error:
                self._cannot(file, error, unread)
                file.offset = size
                return
            found = cut(data)
            reached = found.used
            for record in reversed(found.records):
                if record.last_ns < since_ns:
                    break
                reached = record.begin
            all_young = found.records and reached == found.records[0].begin
            if begin == 0 or not all_young:
                break
            tail *= 2
        file.offset = begin + reached
        file.known = data[max(0, reached - KNOWN_BYTES) : reached]

    def _read(self, file: _File, most: int, unread: list[Unread]) -> bytes:
        """Read on in a file; nothing if it is another than it was."""
        if most <= 0:
            return b""
        keep = len(file.known)
        try:
            with file.seen.path.open("rb") as stream:
                stream.seek(file.offset - keep)
                data = stream.read(keep + most)
        except FileNotFoundError:
            self._files.pop(file.seen.path, None)
            return b""
        except OSError as error:
            self._cannot(file, error, unread)
            return b""
        file.troubled = False
        if data[:keep] != file.known:
            file.begin_again("holds something else than before")
            return b""
        return data[keep:]

    def _cannot(self, file: _File, error: OSError, unread: list[Unread]) -> None:
        """Tell that a file cannot be read; once, until it can."""
        if not file.troubled:
            name = self._tree.name(file.seen.path)
            unread.append(Unread(name, "cannot be read", error.strerror or str(error)))
        file.troubled = True

    def _take(
        self,
        file: _File,
        data: bytes,
        arrival_ms: int,
        values: dict[str, list[bytes]],
        unread: list[Unread],
    ) -> None:
        """Cut what was read into records and give each to its station."""
        since = file.waiting_ms
        give_up = since is not None and arrival_ms - since >= self._wait_ms
        found: Cut = cut(data, give_up=give_up)
        for record in found.records:
            values.setdefault(record.station, []).append(data[record.begin : record.end])
        name = self._tree.name(file.seen.path)
        for part in found.unread:
            place = f"{part.detail} at {file.offset + part.begin}"
            unread.append(Unread(name, part.reason, place, data[part.begin : part.end]))
        if found.used == len(data) or file.offset + len(data) < file.seen.size:
            file.waiting_ms = None
        elif found.used or since is None:
            file.waiting_ms = arrival_ms
        file.offset += found.used
        file.known = (file.known + data[: found.used])[-KNOWN_BYTES:]
