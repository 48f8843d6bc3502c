"""The ledger: every fact in the order of the log, each bound to all before it.

An entry holds a fact as it was written and the hash of the entry before; its own hash is the
SHA-256 over the JSON of both. Who changes, drops or inserts an entry breaks the chain from
there on. There is one entry for each record of `facts`, and it is a function of that record and
of the entry before: two keepers at once, or one that begins anew, write the same bytes again,
and never two chains. Readers drop what is written again.

The hashes bind the order and the content of what stands in the ledger, not who wrote it: note the
newest hash elsewhere (a report prints it), and let nobody but the keeper write to the topic.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from dispatch import facts
from dispatch.facts import Fact, Lost, Unreadable
from stream.causes import marked
from stream.errors import AlatauError
from stream.records import Output, Record
from stream.topics import FACTS, LEDGER

__all__ = [
    "GENESIS",
    "Chain",
    "Entry",
    "Fault",
    "Head",
    "LedgerError",
    "Verdict",
    "bound",
    "decode",
    "enter",
    "entries",
    "intact",
    "known",
    "verify",
]

GENESIS = "0" * 64
"""What the first entry names as the hash before it."""

REMEMBERED = 100_000
"""Entries behind the newest among which what is written again is compared with what stood first."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class LedgerError(AlatauError):
    """The ledger cannot be gone on with as it is."""


class Entry(Struct, frozen=True, kw_only=True):
    """One fact in its place.

    Attributes
    ----------
    number
        0, 1, 2 ...
    offset
        Of the record in `facts`.
    arrival_ms
        When that record arrived, ms since 1970 UTC.
    fact
        As it was written, byte for byte.
    previous, hash
        Of the entry before, and of this one: SHA-256, hexadecimal.
    """

    version: int = 1
    number: int
    offset: int
    arrival_ms: int
    fact: Raw
    previous: str
    hash: str = ""

    @property
    def told(self) -> Fact:
        """The fact, read.

        Raises
        ------
        msgspec.DecodeError
            If it is of a contract that this program does not know.
        """
        return facts.decode(self.fact)


class Head(Struct, frozen=True):
    """The newest entry: its number, its place in `facts`, its hash."""

    number: int = -1
    offset: int = -1
    hash: str = GENESIS


class Fault(Struct, frozen=True):
    """Where and how the chain breaks.

    Attributes
    ----------
    offset
        Of the record in `ledger`.
    number
        Of the entry that should have stood there.
    """

    offset: int
    number: int
    problem: Literal[
        "not as it was written",
        "it does not follow on the entry before",
        "entries are missing before it",
        "facts are missing before it",
        "written again with other content",
    ]


class Verdict(Struct, frozen=True):
    """What `verify` found: how many entries, the newest hash, and the first fault."""

    entries: int
    hash: str
    fault: Fault | None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


def _digest(entry: Entry) -> str:
    """SHA-256 of an entry without its own hash."""
    return hashlib.sha256(_encoder.encode(msgspec.structs.replace(entry, hash=""))).hexdigest()


def decode(value: bytes) -> Entry:
    """Read an entry; its hash is not checked.

    Raises
    ------
    msgspec.DecodeError, UnicodeDecodeError, RecursionError
        If the bytes are not JSON or not of the contract.
    """
    return _decoder.decode(value)


def enter(head: Head, record: Record) -> tuple[Head, list[Output]]:
    """Bind a record of `facts` to the ledger.

    Returns
    -------
    head
        The new end of the ledger.
    outputs
        Its entry, after one that tells of the records before it if the log has dropped them;
        nothing if it has been entered.
    """
    if record.offset <= head.offset:
        return head, []
    bound: list[Output] = []
    if record.offset > head.offset + 1:
        first, last = head.offset + 1, record.offset - 1
        lost = facts.encode(Lost(at_us=record.timestamp * 1000, first=first, last=last))
        head, said = _bind(head, record, last, lost)
        bound.append(said)
    head, said = _bind(head, record, record.offset, _fact(record))
    return head, marked([*bound, said], FACTS.name, record.partition)


def bound(told: Iterable[Record]) -> list[bytes]:
    """Bind all records of `facts` to a ledger of their own; return its entries."""
    head = Head()
    values: list[bytes] = []
    for record in told:
        head, outputs = enter(head, record)
        values += [output.value for output in outputs]
    return values


def _bind(head: Head, record: Record, offset: int, fact: bytes) -> tuple[Head, Output]:
    entry = Entry(
        number=head.number + 1,
        offset=offset,
        arrival_ms=record.timestamp,
        fact=Raw(fact),
        previous=head.hash,
    )
    entry = msgspec.structs.replace(entry, hash=_digest(entry))
    value = _encoder.encode(entry)
    said = Output(LEDGER.name, record.key, value, record.offset, record.timestamp)
    return Head(entry.number, entry.offset, entry.hash), said


def _fact(record: Record) -> bytes:
    """Return the fact of a record as it stands, or what stands in for bytes that are none."""
    try:
        facts.decode(record.value)
        return bytes(msgspec.json.decode(record.value, type=Raw))
    except _UNREADABLE as error:
        digest = hashlib.sha256(record.value).hexdigest()
        at_us = record.timestamp * 1000
        size = len(record.value)
        return facts.encode(
            Unreadable(at_us=at_us, sha256=digest, size=size, reason=str(error)[:200])
        )


def intact(record: Record) -> Entry | None:
    """Read an entry by itself; None if it is none, or its hash is not that of its content.

    It stands there exactly as it was written: nothing that the hash does not cover is passed over.
    """
    try:
        entry = decode(record.value)
    except _UNREADABLE:
        return None
    is_whole = _encoder.encode(entry) == record.value and _digest(entry) == entry.hash
    return entry if is_whole else None


class Chain:
    """Checks the ledger, record by record.

    Attributes
    ----------
    head
        The newest entry that fits.
    """

    def __init__(self) -> None:
        self.head = Head()
        self._hashes: deque[str] = deque(maxlen=REMEMBERED)

    def follow(self, record: Record) -> Entry | Fault | None:
        """Check the next record of `ledger`.

        Returns
        -------
        Entry, Fault or None
            The entry if it is the next; what is wrong with it; or None for what has been read
            before. A fault changes nothing: what fits may still follow.
        """
        head = self.head
        entry = intact(record)
        if entry is None:
            return Fault(record.offset, head.number + 1, "not as it was written")
        if entry.number <= head.number:
            back = entry.number - head.number - 1
            if -back > len(self._hashes) or self._hashes[back] == entry.hash:
                return None
            return Fault(record.offset, entry.number, "written again with other content")
        if entry.number > head.number + 1:
            return Fault(record.offset, head.number + 1, "entries are missing before it")
        if entry.previous != head.hash:
            return Fault(record.offset, entry.number, "it does not follow on the entry before")
        if not _is_next(head, entry):
            return Fault(record.offset, entry.number, "facts are missing before it")
        self.head = Head(entry.number, entry.offset, entry.hash)
        self._hashes.append(entry.hash)
        return entry


def _is_next(head: Head, entry: Entry) -> bool:
    """Whether an entry tells of the record after the last, or of all that were lost after it."""
    if entry.offset == head.offset + 1:
        return True
    try:
        told = entry.told
    except _UNREADABLE:
        return False
    return isinstance(told, Lost) and (told.first, told.last) == (head.offset + 1, entry.offset)


def verify(records: Iterable[Record]) -> Verdict:
    """Check the whole ledger.

    Parameters
    ----------
    records
        Of the topic, from its begin on.

    Returns
    -------
    Verdict
        With the first broken link, if there is one; entries are counted up to it.
    """
    chain = Chain()
    for record in records:
        found = chain.follow(record)
        if isinstance(found, Fault):
            return Verdict(chain.head.number + 1, chain.head.hash, found)
    return Verdict(chain.head.number + 1, chain.head.hash, None)


def entries(records: Iterable[Record]) -> Iterator[Entry]:
    """Return the entries of the ledger up to the first broken link, each once."""
    chain = Chain()
    for record in records:
        found = chain.follow(record)
        if isinstance(found, Fault):
            return
        if found is not None:
            yield found


def known(ledger: Iterable[Entry]) -> Iterator[Fact]:
    """Return the facts of entries, each once: what was told again after a restart is dropped.

    What is of a contract that this program does not know is left out.
    """
    seen: set[str] = set()
    for entry in ledger:
        try:
            fact = entry.told
        except _UNREADABLE:
            continue
        if fact.id not in seen:
            seen.add(fact.id)
            yield fact
