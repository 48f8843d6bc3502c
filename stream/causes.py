"""Every value that a stage writes names its cause; whoever reads drops what they have seen.

This is what makes the pipeline effectively once: a stage that begins anew may say again what it
said before, with the same cause.
"""

import re
from collections.abc import Iterable, Sequence

from stream.records import Output, Record

__all__ = ["CAUSE", "marked", "unseen"]

CAUSE = "cause"
"""Name of the header that says which input record made a value, as
``topic/partition/offset/number``."""
_CAUSE = re.compile(rb"(.+/[0-9]+)/([0-9]{1,19})/([0-9]{1,9})")


def _cause(record: Record) -> tuple[bytes, tuple[int, int]] | None:
    """Source partition and place in it of what caused a record, if it was caused by one."""
    for name, value in record.headers:
        if name == CAUSE:
            found = _CAUSE.fullmatch(value)
            if found is not None:
                return found[1], (int(found[2]), int(found[3]))
    return None


def unseen(records: Iterable[Record], seen: dict[bytes, tuple[int, int]]) -> list[Record]:
    """Drop records whose cause has been seen; note the others as seen.

    Parameters
    ----------
    records
        Of one partition, in its order.
    seen
        By source partition, the newest cause: changed in place. Causes grow along a partition.
    """
    fresh = []
    for record in records:
        cause = _cause(record)
        if cause is not None:
            source, place = cause
            if place <= seen.get(source, (-1, -1)):
                continue
            seen[source] = place
        fresh.append(record)
    return fresh


def marked(outputs: Sequence[Output], topic: str, partition: int) -> list[Output]:
    """Give every output the header that names its cause.

    Outputs of one cause are numbered by topic: a reject more or less, which may hang on when
    the stage was started, moves no result's number.
    """
    marked = []
    last = -1
    numbers: dict[str, int] = {}
    for output in outputs:
        if output.cause != last:
            numbers.clear()
        last = output.cause
        number = numbers[output.topic] = numbers.get(output.topic, -1) + 1
        mark = f"{topic}/{partition}/{output.cause}/{number}".encode()
        marked.append(
            Output(
                output.topic,
                output.key,
                output.value,
                output.cause,
                output.timestamp,
                (*output.headers, (CAUSE, mark)),
            )
        )
    return marked
