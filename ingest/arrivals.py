"""What a live source hands over: what has come, and how far it has been read."""

from typing import Protocol

from msgspec import Struct

__all__ = ["Arrivals", "Mark", "Source", "Unread"]


class Unread(Struct, frozen=True):
    """Something that came and could not be read.

    Attributes
    ----------
    source
        File or address.
    reason, detail
        The kind of fault, and what exactly.
    value
        The bytes, where there are any.
    """

    source: str
    reason: str
    detail: str
    value: bytes = b""


class Mark(Struct, frozen=True):
    """How far a source has been read with a station's records: a header of the value they make.

    Attributes
    ----------
    station
        ``NET.STA`` of the value.
    source
        What is read; of its marks in a value the last one counts.
    header
        Name and bytes.
    """

    station: str
    source: str
    header: tuple[str, bytes]


class Arrivals(Struct, frozen=True):
    """What came together.

    Attributes
    ----------
    arrival_ms
        When it was here, ms since 1970 UTC, by the clock of this machine.
    values
        By ``NET.STA``, in order of the names: that station's miniSEED records as received.
    unread
        What could not be read.
    behind_bytes
        What is there and has not been read yet.
    marks
        In the order of the records that they stand for.
    """

    arrival_ms: int
    values: tuple[tuple[str, bytes], ...]
    unread: tuple[Unread, ...] = ()
    behind_bytes: int = 0
    marks: tuple[Mark, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the records and of what could not be read."""
        values = sum(len(value) for _, value in self.values)
        return values + sum(len(part.value) for part in self.unread)


class Source(Protocol):
    """Where data come from while they are recorded."""

    def poll(self) -> Arrivals:
        """Return what has come since the last call; may read files, does not wait for more."""
        ...
