"""The keeper of the ledger: reads `facts`, binds each to the chain, writes `ledger`.

It stands beside the stages, for its state is the hash of all that ever was: no part of `facts`
gives it back, only the end of the ledger does. Killed at any step it goes on from there. Of
several keepers the one that holds the partition works; one that has lost it and does not know
yet writes the very bytes that the other writes, and readers drop them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from dispatch.ledger import GENESIS, Entry, Head, LedgerError, enter, intact
from stream.log import Committed, Log, Member
from stream.records import Output, Record
from stream.topics import FACTS, LEDGER

__all__ = ["GROUP", "Keeper", "end", "keep", "read"]

GROUP = "ledger"
LIMIT = 1000
WAIT_S = 0.25
WINDOW = 256  # records of the end of the ledger that are read first

_log = logging.getLogger("alatau.dispatch")


class Keeper:
    """Keeps the ledger on a log.

    Parameters
    ----------
    log
        Where `facts` and `ledger` are.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._member: Member | None = None
        self._turn: int | None = None
        self._head = Head()

    async def start(self) -> None:
        """Ask for the partition of `facts`; others may hold it now."""
        self._member = await self._log.join(GROUP, FACTS.name)

    async def stop(self) -> None:
        """Let another go on at once."""
        if self._member is not None:
            await self._member.leave()

    async def step(self, seconds: float = 0.0) -> int:
        """Enter what is new.

        Parameters
        ----------
        seconds
            How long to wait if there is nothing.

        Returns
        -------
        int
            Records read.

        Raises
        ------
        LedgerError
            If `facts` is not what the ledger was made from.
        """
        if self._member is None:
            raise RuntimeError("the keeper has not been started")
        member = self._member
        await self._take_up(member)
        records = (await member.read(LIMIT, seconds)).get(0, [])
        if not records or self._turn is None:
            return 0
        outputs: list[Output] = []
        head = self._head
        for record in records:
            head, said = enter(head, record)
            outputs += said
        await self._log.append(outputs)
        self._head = head
        last = records[-1]
        await member.commit({0: Committed(last.offset + 1, last.timestamp)})
        return len(records)

    async def _take_up(self, member: Member) -> None:
        turn = member.turns().get(0)
        if turn == self._turn:
            return
        self._turn = None
        if turn is None:
            return
        head = await end(self._log)
        known = await self._log.end(FACTS.name, 0)
        if head.offset >= known:
            raise LedgerError(
                f"the ledger tells of record {head.offset} of `{FACTS.name}`, which has "
                f"{known} records: it has been made anew. Keep a copy of the topic "
                f"`{LEDGER.name}`, delete it, and make it anew too."
            )
        if member.turns().get(0) == turn:
            member.seek(0, head.offset + 1)
            self._head, self._turn = head, turn


async def end(log: Log) -> Head:
    """Find the end of the ledger: the newest entry that follows on another.

    Read from the newest backwards, as far as is needed to find one. An older one would do as
    well: what is written from there on is the same.
    """
    begin, stop = await log.begin(LEDGER.name, 0), await log.end(LEDGER.name, 0)
    window = WINDOW
    while True:
        first = max(begin, stop - window)
        found = [entry async for entry in _intact(log, first, stop)]
        hashes = {GENESIS, *(entry.hash for entry in found)}
        linked = [entry for entry in found if entry.previous in hashes]
        if linked:
            newest = max(linked, key=lambda entry: entry.number)
            return Head(newest.number, newest.offset, newest.hash)
        if first == begin:
            if stop > begin:
                raise LedgerError(
                    f"nothing in the topic `{LEDGER.name}` is an entry of a ledger. Keep a copy "
                    "of it, delete it, and make it anew."
                )
            return Head()
        window *= 8


async def _intact(log: Log, first: int, stop: int) -> AsyncIterator[Entry]:
    """Return the entries of a part of the ledger whose hash is that of their content."""
    while first < stop:
        records = await log.read(LEDGER.name, 0, first, LIMIT)
        if not records:
            return
        for record in records:
            entry = intact(record)
            if entry is not None:
                yield entry
            else:
                _log.error(
                    "Record %d of %s is no entry: alatau ledger verify", record.offset, LEDGER.name
                )
        first = records[-1].offset + 1


async def read(log: Log) -> list[Record]:
    """Read the whole topic `ledger`, in its order: for `dispatch.ledger.verify` and `entries`."""
    offset, stop = await log.begin(LEDGER.name, 0), await log.end(LEDGER.name, 0)
    found: list[Record] = []
    while offset < stop and (records := await log.read(LEDGER.name, 0, offset, LIMIT)):
        found += records
        offset = records[-1].offset + 1
    return found


async def keep(log: Log, stop: asyncio.Event) -> None:
    """Keep the ledger until `stop` is set; runs beside the stages of a worker.

    A ledger that cannot be gone on with stops no warning: that is said, and the facts stay in
    the log until it is put right.
    """
    keeper = Keeper(log)
    await keeper.start()
    try:
        while not stop.is_set():
            await keeper.step(WAIT_S)
        while await keeper.step():
            pass
    except LedgerError as error:
        _log.error("The ledger is not kept any more, warnings go on: %s", error)
    finally:
        await keeper.stop()
