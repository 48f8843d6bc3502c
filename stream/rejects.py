"""The contract of the topic `rejects`: what could not be read, and why."""

import base64

import msgspec
from msgspec import Struct

from stream.records import Output, Record
from stream.topics import REJECTS

__all__ = ["Reject", "decode", "refuse", "reject"]

KEPT_BYTES = 512  # one miniSEED record of the usual length


class Reject(Struct, frozen=True, kw_only=True):
    """One thing that could not be used.

    Attributes
    ----------
    source
        Who sent it: a station, a channel, a file, or the key of the record.
    topic, partition, offset
        Where it stands in the log; empty, -1 and -1 for what never came so far.
    reason
        A short phrase that is the same for the same fault: rejects are counted by it.
    detail
        What exactly was wrong, for people.
    excerpt
        The first 512 bytes, base64.
    """

    version: int = 1
    source: str
    topic: str = ""
    partition: int = -1
    offset: int = -1
    reason: str
    detail: str = ""
    excerpt: str = ""


def reject(
    record: Record, reason: str, detail: str = "", *, source: str = "", value: bytes | None = None
) -> Output:
    """Make the output that keeps a value nobody can use.

    Parameters
    ----------
    record
        The input in which it came.
    reason, detail
        See `Reject`.
    source
        Who sent it; the record's key where not given.
    value
        The offending bytes; the record's value where not given.
    """
    name = source or record.key.decode("ascii", "backslashreplace")
    kept = (record.value if value is None else value)[:KEPT_BYTES]
    body = Reject(
        source=name,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=reason,
        detail=detail,
        excerpt=base64.b64encode(kept).decode("ascii"),
    )
    return Output(
        REJECTS.name,
        name.encode("ascii", "backslashreplace"),
        msgspec.json.encode(body),
        record.offset,
        record.timestamp,
    )


def refuse(
    source: str, reason: str, detail: str, value: bytes, *, number: int, arrival_ms: int
) -> Output:
    """Make the output that keeps what was refused at the edge, before it came so far as a log.

    Parameters
    ----------
    source, reason, detail
        See `Reject`.
    value
        The offending bytes.
    number, arrival_ms
        Its place among all that has come, and when it came (ms since 1970 UTC).
    """
    excerpt = base64.b64encode(value[:KEPT_BYTES]).decode("ascii")
    body = Reject(source=source, reason=reason, detail=detail, excerpt=excerpt)
    key = source.encode("ascii", "backslashreplace")
    return Output(REJECTS.name, key, msgspec.json.encode(body), number, arrival_ms)


def decode(value: bytes) -> Reject:
    """Read a reject.

    Raises
    ------
    msgspec.DecodeError, UnicodeDecodeError, RecursionError
        If the bytes are not JSON or not of the contract.
    """
    return msgspec.json.decode(value, type=Reject)
