"""The ledger as a file: one entry a line, byte for byte as it stands on the topic."""

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from stream.errors import ConfigurationError
from stream.log import Log
from stream.records import Record
from stream.topics import LEDGER

__all__ = ["LedgerFile", "lines", "read"]

LOOK_S = 0.5
LIMIT = 1000
_BEGIN = b'{"version":'


def lines(values: Iterable[bytes]) -> bytes:
    """Put entries one below the other."""
    return b"".join(value + b"\n" for value in values)


def read(path: Path) -> list[Record]:
    """Read entries for `dispatch.ledger.verify` and `entries`.

    A line that no entry can begin with belongs to the entry before: a fact stands as it was
    written, line ends inside included.

    Raises
    ------
    ConfigurationError
        If the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the ledger cannot be read: {error.strerror}",
            remedy="Name a file made by `alatau ledger show --json`, `alatau run` or a replay.",
            file=path,
        ) from error
    values: list[bytes] = []
    for line in content.removesuffix(b"\n").split(b"\n") if content else []:
        if values and not line.startswith(_BEGIN):
            values[-1] += b"\n" + line
        else:
            values.append(line)
    return [Record(LEDGER.name, 0, i, 0, b"", value) for i, value in enumerate(values)]


class LedgerFile:
    """Writes the ledger of a log into a file as it grows.

    Parameters
    ----------
    path
        A file that is not there yet: each ledger has its own. Its folder is made if need be.

    Raises
    ------
    ConfigurationError
        If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb")
        except OSError as error:
            raise ConfigurationError(
                f"the ledger cannot be written to {path}: {error.strerror}",
                remedy="Name a folder that can be made and written to.",
            ) from error

    async def follow(self, log: Log, stop: asyncio.Event) -> None:
        """Write what is entered until `stop` is set, and what stands there then."""
        while not stop.is_set():
            await self._write(log)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)
        await self._write(log)
        self._file.close()

    async def _write(self, log: Log) -> None:
        while found := await log.read(LEDGER.name, 0, self._next, LIMIT):
            self._next = found[-1].offset + 1
            self._file.write(lines(record.value for record in found))
            self._file.flush()
            os.fsync(self._file.fileno())
