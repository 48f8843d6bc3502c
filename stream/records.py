"""The two shapes that pass through the log: what is read and what is written."""

from msgspec import Struct

__all__ = ["Output", "Record"]


class Record(Struct, frozen=True, gc=False):
    """One value as it stands in the log.

    Attributes
    ----------
    topic, partition, offset
        Its place: offsets of a partition count from 0 without holes.
    timestamp
        Arrival of the bytes that caused it, in ms since 1970 (UTC).
    key, value
        Bytes as written.
    headers
        Name and bytes, in the order written.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Output(Struct, frozen=True, gc=False):
    """One value that a stage wants written.

    Attributes
    ----------
    topic
        Name of the topic; the key chooses the partition.
    key, value
        Bytes to write.
    cause
        Offset of the input record that made the stage say this.
    timestamp
        Arrival time of that input, in ms since 1970 (UTC).
    headers
        Name and bytes.
    """

    topic: str
    key: bytes
    value: bytes
    cause: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()
