"""What a live source hands over: what has come since it was last asked."""

from typing import Protocol

from msgspec import Struct

__all__ = ["Arrivals", "Source", "Unread"]


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
    """

    arrival_ms: int
    values: tuple[tuple[str, bytes], ...]
    unread: tuple[Unread, ...] = ()
    behind_bytes: int = 0


class Source(Protocol):
    """Where data come from while they are recorded."""

    def poll(self) -> Arrivals:
        """Return what has come since the last call; may read files, does not wait for more."""
        ...
