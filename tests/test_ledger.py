"""The ledger: one chain whatever dies and however many write it, and no change goes unseen."""

import asyncio
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_kills import DeadlyLog, Killed, Steps
from made_logs import FailingLog, Stopped

from dispatch import facts, keeper, ledger
from dispatch.facts import Delivery, Sources, Started
from dispatch.keeper import Keeper
from dispatch.ledger import GENESIS, Head, enter, entries, known, verify
from stream.causes import unseen
from stream.memory import MemoryLog
from stream.records import Output, Record
from stream.topics import FACTS, LEDGER


def told(number):
    return Sources(at_us=1_000_000 * number, healthy=number)


def outputs(values, first=0):
    return [Output(FACTS.name, b"x", value, 0, 1000 + i) for i, value in enumerate(values, first)]


def some(count, first=0):
    return outputs([facts.encode(told(first + i)) for i in range(count)], first)


async def whole(log, topic):
    return await log.read(topic.name, 0, 0, 10**6)


async def kept(values):
    """The ledger of facts, by one keeper that is never disturbed."""
    log = MemoryLog()
    await log.append(values)
    one = Keeper(log)
    await one.start()
    while await one.step():
        pass
    return await whole(log, LEDGER)


def ledger_of(values):
    return asyncio.run(kept(values))


def test_every_fact_has_its_entry_as_it_was_written():
    made = some(3)
    records = ledger_of(made)
    assert [bytes(ledger.decode(r.value).fact) for r in records] == [o.value for o in made]
    assert [r.key for r in records] == [b"x"] * 3
    verdict = verify(records)
    assert (verdict.entries, verdict.fault) == (3, None)
    assert verdict.hash == ledger.decode(records[-1].value).hash
    assert list(known(entries(records))) == [told(0), told(1), told(2)]


def test_the_hash_is_that_of_the_entry_and_of_all_before():
    import hashlib

    first, second = ledger_of(some(2))
    shown = json.loads(first.value)
    assert (shown["number"], shown["offset"], shown["previous"]) == (0, 0, GENESIS)
    bare = first.value.replace(shown["hash"].encode(), b"")
    assert hashlib.sha256(bare).hexdigest() == shown["hash"]
    assert json.loads(second.value)["previous"] == shown["hash"]


def test_an_empty_ledger_is_whole():
    assert verify([]) == ledger.Verdict(0, GENESIS, None)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=40) | st.just(b' {"kind":"x"}\n'), max_size=8))
def test_whatever_stands_in_facts_the_chain_holds(values):
    mixed = [
        v
        for pair in zip(values, map(facts.encode, map(told, range(8))), strict=False)
        for v in pair
    ]
    records = ledger_of(outputs(mixed))
    assert (len(records), verify(records).fault) == (len(mixed), None)
    kinds = [type(entry.told).__name__ for entry in entries(records)]
    assert kinds.count("Unreadable") >= len(values)


def test_white_space_round_a_fact_breaks_nothing():
    value = b"\n " + facts.encode(told(1)) + b" \r\n"
    assert list(known(entries(ledger_of(outputs([value]))))) == [told(1)]


@settings(max_examples=150)
@given(st.data())
def test_whoever_changes_drops_inserts_or_moves_an_entry_is_found(data):
    records = ledger_of(some(6))
    at = data.draw(st.integers(0, 4))
    how = data.draw(st.sampled_from(["change", "drop", "insert", "swap", "rebind"]))
    changed = list(records)
    if how == "change":
        value = records[at].value
        place = data.draw(st.integers(0, len(value) - 1))
        other = bytes([value[place] ^ data.draw(st.integers(1, 255))])
        changed[at] = msgspec.structs.replace(
            records[at], value=value[:place] + other + value[place + 1 :]
        )
    elif how == "drop":
        del changed[at]
    elif how == "insert":
        alien = Record("facts", 0, at, 5, b"x", facts.encode(Started(at_us=1, process="x")))
        before = ledger.decode(records[at].value)
        _, (said,) = enter(Head(at - 1, at - 1, before.previous), alien)
        changed.insert(at, Record("ledger", 0, at, 5, b"x", said.value))
    elif how == "swap":
        changed[at], changed[at + 1] = changed[at + 1], changed[at]
    else:  # changed, and its hash put right: the next one gives it away
        entry = ledger.decode(records[at].value)
        alien = Record("facts", 0, at, 5, b"x", facts.encode(told(99)))
        _, (said,) = enter(Head(at - 1, at - 1, entry.previous), alien)
        changed[at] = msgspec.structs.replace(records[at], value=said.value)
    verdict = verify(changed)
    assert verdict.fault is not None
    assert verdict.entries <= at + 1
    assert len(list(entries(changed))) == verdict.entries


def test_what_is_cut_off_the_end_shows_in_the_newest_hash():
    records = ledger_of(some(4))
    assert verify(records[:3]).fault is None
    assert verify(records[:3]).hash != verify(records).hash


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("steps", range(1, 16))
def test_killed_at_any_step_it_goes_on_with_the_same_chain(steps, after):
    async def scene():
        log = MemoryLog()
        await log.append(some(4))
        deadly = DeadlyLog(log, Steps(steps, after=after))
        try:
            one = Keeper(deadly)
            await one.start()
            await one.step()
            await log.append(some(3, 4))
            await one.step()
            await one.step()
        except Killed:
            pass
        end = await log.end(FACTS.name, 0)
        await log.append(some(7 - end, end))
        two = Keeper(log)
        await two.start()
        while await two.step():
            pass
        return await whole(log, LEDGER)

    records = asyncio.run(scene())
    assert verify(records) == verify(ledger_of(some(7)))
    assert list(known(entries(records))) == [told(i) for i in range(7)]


def test_half_a_batch_written():
    async def scene():
        log = MemoryLog()
        await log.append(some(6))
        failing = FailingLog(log)
        failing.append_only = 3
        one = Keeper(failing)
        await one.start()
        with pytest.raises(Stopped):
            await one.step()
        two = Keeper(log)
        await two.start()
        await two.step()
        return await whole(log, LEDGER)

    records = asyncio.run(scene())
    assert (len(records), verify(records)) == (6, verify(ledger_of(some(6))))


@settings(max_examples=60)
@given(st.lists(st.integers(0, 2), max_size=24), st.data())
def test_several_keepers_at_once_write_one_chain(turns, data):
    """Those that have lost the partition and do not know it go on; what they write is the same."""

    async def scene():
        log = MemoryLog()
        heads = [None, None, None]
        position = [0, 0, 0]
        await log.append(some(2))
        for who in turns:
            if heads[who] is None or data.draw(st.booleans()):
                heads[who] = await keeper.end(log)
                position[who] = heads[who].offset + 1
            if data.draw(st.booleans()):
                await log.append(some(1, await log.end(FACTS.name, 0)))
            for record in await log.read(
                FACTS.name, 0, position[who], data.draw(st.integers(1, 3))
            ):
                heads[who], said = enter(heads[who], record)
                await log.append(said)
                position[who] = record.offset + 1
        last = Keeper(log)
        await last.start()
        while await last.step():
            pass
        written = await whole(log, LEDGER)
        return written, await whole(log, FACTS), unseen(written, {})

    records, made, once = asyncio.run(scene())
    verdict = verify(records)
    assert (verdict.fault, verdict.entries) == (None, len(made))
    assert [bytes(e.fact) for e in entries(records)] == [r.value for r in made]
    assert [bytes(e.fact) for e in entries(once)] == [r.value for r in made]


def test_what_the_log_dropped_before_it_was_entered_is_told():
    log = MemoryLog()
    head = Head()
    records = [Record("facts", 0, i, 0, b"x", facts.encode(told(i))) for i in (3, 4, 9)]
    said = []
    for record in records:
        head, more = enter(head, record)
        said += more
    asyncio.run(log.append(said))
    written = asyncio.run(whole(log, LEDGER))
    assert verify(written).fault is None
    lost = [fact for fact in known(entries(written)) if isinstance(fact, facts.Lost)]
    assert [(fact.first, fact.last) for fact in lost] == [(0, 2), (5, 8)]
    quiet = [r for r in written if not isinstance(ledger.decode(r.value).told, facts.Lost)]
    assert verify(quiet).fault.problem == "entries are missing before it"


def test_the_end_is_found_among_rubbish_and_repeats():
    async def scene():
        log = MemoryLog()
        await log.append(some(600))
        one = Keeper(log)
        await one.start()
        while await one.step():
            pass
        records = await whole(log, LEDGER)
        await log.append([Output(LEDGER.name, b"x", r.value, 0, 0) for r in records[300:500]])
        await log.append([Output(LEDGER.name, b"x", b"rubbish", 0, 0)] * 300)
        found = await keeper.end(log)
        again = Keeper(log)
        await again.start()
        await log.append(some(2, 600))
        await again.step()
        reader = await whole(log, LEDGER)
        return found, [r for r in reader if r.value != b"rubbish"]

    found, records = asyncio.run(scene())
    assert found.number <= 599
    assert (verify(records).entries, verify(records).fault) == (602, None)


def test_facts_that_were_made_anew_are_refused():
    async def scene():
        log = MemoryLog()
        await log.append(some(3))
        one = Keeper(log)
        await one.start()
        await one.step()
        other = MemoryLog()
        await other.append(
            [Output(LEDGER.name, b"x", r.value, 0, 0) for r in await whole(log, LEDGER)]
        )
        two = Keeper(other)
        await two.start()
        await two.step()

    with pytest.raises(ledger.LedgerError, match="made anew"):
        asyncio.run(scene())


def test_a_ledger_of_nothing_but_rubbish_is_refused():
    async def scene():
        log = MemoryLog()
        await log.append([Output(LEDGER.name, b"x", b"rubbish", 0, 0)])
        await keeper.end(log)

    with pytest.raises(ledger.LedgerError, match="nothing"):
        asyncio.run(scene())


def test_a_fact_that_is_told_again_is_told_once():
    one = Delivery(at_us=5, message="m", channel="c", state="queued")
    values = [facts.encode(one), facts.encode(msgspec.structs.replace(one, at_us=9))]
    assert list(known(entries(ledger_of(outputs(values))))) == [one]


def test_it_keeps_beside_the_stages_until_a_stop():
    async def scene():
        log = MemoryLog()
        stop = asyncio.Event()
        keeping = asyncio.create_task(keeper.keep(log, stop))
        await log.append(some(2))
        await asyncio.sleep(0.05)
        await log.append(some(2, 2))
        stop.set()
        await asyncio.wait_for(keeping, 5)
        return await keeper.read(log)

    assert verify(asyncio.run(scene())).entries == 4


def test_a_contract_of_the_future_is_kept_and_left_out():
    value = b'{"kind":"omen","version":1}'
    (record,) = ledger_of(outputs([value]))
    assert ledger.decode(record.value).told.reason
