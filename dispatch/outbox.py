"""Messages as files in a folder: each appears whole, and none is written over."""

import os
import re
import tempfile
from pathlib import Path

from stream.errors import ConfigurationError

__all__ = ["Outbox", "file_name"]


def file_name(identifier: str) -> str:
    """Make a file name of an identifier: letters, digits, ``-``, ``_`` and inner ``.`` alone."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", identifier)
    return re.sub(r"^\.", "_", safe)[:200] + ".xml"


class Outbox:
    """A folder of messages.

    Parameters
    ----------
    folder
        Made if need be.

    Raises
    ------
    ConfigurationError
        If it can neither be made nor written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise ConfigurationError(
                f"messages cannot be written to {folder}: {error.strerror}",
                remedy="Name a folder that can be made and written to.",
            ) from error

    def put(self, identifier: str, value: bytes) -> Path:
        """Write a message under its identifier.

        Returns
        -------
        Path
            The file. The same message again is not written again; another with the same
            identifier, as after a restart, gets ``.2`` and so on before the suffix.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        path = first = self._folder / file_name(identifier)
        number = 1
        while path.exists():
            if path.read_bytes() == value:
                return path
            number += 1
            path = first.with_suffix(f".{number}.xml")
        partial = self._folder / f".{path.name}.part"
        with partial.open("wb") as stream:
            stream.write(value)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
        return path
