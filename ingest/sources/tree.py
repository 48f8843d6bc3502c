"""Which files in a folder and below it are new or have changed since the last look."""

import os
import re
from pathlib import Path

from msgspec import Struct

from ingest.arrivals import Unread

__all__ = ["Seen", "Tree"]

EVERYTHING_MS = 30_000  # between two looks at everything
SETTLED_MS = 2000  # two changes may bear the same time on a disk: no clock of one is coarser
ACTIVE_MS = 3_600_000  # longer unchanged: an archive has too many such files to ask each time


class Seen(Struct, frozen=True):
    """A file as it is: which one (device and inode), its bytes, when it was written (ns)."""

    path: Path
    identity: tuple[int, int]
    size: int
    changed_ns: int

    def active(self, now_ms: int) -> bool:
        """Say whether it has been written to within the hour."""
        return now_ms - self.changed_ns // 1_000_000 <= ACTIVE_MS


class _Folder(Struct):
    identity: tuple[int, int]
    changed_ns: int = -1
    noticed_ms: int = 0


class _File(Struct):
    seen: Seen | None = None
    active_ms: int = 0


class Tree:
    """The files below a folder whose names match.

    Every look asks each folder and each file that has changed within the hour; every 30 s all
    the rest is asked too. Links to folders are followed, each folder once.

    Parameters
    ----------
    root
        The folder.
    wanted
        What the whole name of a file must match.
    """

    def __init__(self, root: Path, wanted: re.Pattern[str]) -> None:
        self._root = root
        self._wanted = wanted
        self._folders: dict[Path, _Folder] = {}
        self._identities: set[tuple[int, int]] = set()
        self._files: dict[Path, _File] = {}
        self._active: dict[Path, _File] = {}
        self._complained: set[Path] = set()
        self._everything_ms: int | None = None

    def __len__(self) -> int:
        """Count the files."""
        return len(self._files)

    def look(self, now_ms: int) -> tuple[list[Seen], list[Unread]]:
        """Look for changes.

        Parameters
        ----------
        now_ms
            Time, ms since 1970 UTC.

        Returns
        -------
        changed
            Files that are new, or another, or have another size or time than at the last look.
        unread
            What cannot be looked at; each once until it can.
        """
        unread: list[Unread] = []
        since = None if self._everything_ms is None else now_ms - self._everything_ms
        everything = since is None or not 0 <= since < EVERYTHING_MS
        if everything:
            self._everything_ms = now_ms
        known = list(self._folders)
        if everything and self._root not in known:
            self._enter(self._root, now_ms, unread)
        for path in known:
            self._list(path, now_ms, unread, everything=everything)
        if everything:
            self._active = dict(self._files)
        changed = []
        for path, file in list(self._active.items()):
            seen = self._ask(path, unread)
            if seen is not None and seen != file.seen:
                file.active_ms = seen.changed_ns // 1_000_000 if since is None else now_ms
                file.seen = seen
                changed.append(seen)
            if everything and now_ms - file.active_ms > ACTIVE_MS:
                del self._active[path]
        return changed, unread

    def name(self, path: Path) -> str:
        """Name a file for people: its path below the root."""
        return str(path.relative_to(self._root))

    def _enter(self, path: Path, now_ms: int, unread: list[Unread]) -> None:
        """Take in a folder that is not yet known by any name."""
        try:
            status = path.stat()
        except OSError as error:
            self._complain(path, error, unread)
            return
        identity = (status.st_dev, status.st_ino)
        if identity not in self._identities:
            self._identities.add(identity)
            self._folders[path] = _Folder(identity)
            self._list(path, now_ms, unread, everything=True)

    def _list(self, path: Path, now_ms: int, unread: list[Unread], *, everything: bool) -> None:
        """Take in what is new in a folder, if it has changed of late."""
        folder = self._folders[path]
        try:
            changed_ns = path.stat().st_mtime_ns
            if changed_ns != folder.changed_ns:
                folder.changed_ns, folder.noticed_ms = changed_ns, now_ms
            if now_ms - folder.noticed_ms > SETTLED_MS and not everything:
                return
            with os.scandir(path) as entries:
                found = sorted((Path(entry.path), entry.is_dir()) for entry in entries)
        except OSError as error:
            self._identities.discard(folder.identity)
            del self._folders[path]
            if path == self._root or not isinstance(error, FileNotFoundError):
                self._complain(path, error, unread)
            return
        self._complained.discard(path)
        for inner, is_folder in found:
            if is_folder and inner not in self._folders:
                self._enter(inner, now_ms, unread)
            elif not is_folder and inner not in self._files and self._wanted.match(inner.name):
                self._files[inner] = self._active[inner] = _File()

    def _ask(self, path: Path, unread: list[Unread]) -> Seen | None:
        """Return a file as it is, or None if it is gone or cannot be asked."""
        try:
            status = path.stat()
        except FileNotFoundError:
            del self._files[path], self._active[path]
            return None
        except OSError as error:
            self._complain(path, error, unread)
            return None
        self._complained.discard(path)
        identity = (status.st_dev, status.st_ino)
        return Seen(path, identity, status.st_size, status.st_mtime_ns)

    def _complain(self, path: Path, error: OSError, unread: list[Unread]) -> None:
        if path not in self._complained:
            self._complained.add(path)
            detail = error.strerror or str(error)
            unread.append(Unread(self.name(path), "cannot be read", detail))
