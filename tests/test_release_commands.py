"""`alatau release`: what people see of what waits, and what becomes of their word."""

import asyncio

import pytest
from made_parcels import Clock
from test_release import ALERT, CHAIN, NOW_US, SETTINGS, UPDATE, S, waits, word

from commands import releases
from dispatch import facts
from dispatch.facts import Sources
from dispatch.publishing import publisher
from dispatch.release import ReleaseOperator
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.runner import StageRunner
from stream.topics import HELD

RELEASE = Stage("release", HELD, lambda _: ReleaseOperator(SETTINGS, publisher()))


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    made = Clock(NOW_US + 5 * S)
    monkeypatch.setattr(releases, "now_us", made)
    return made


def play(scene):
    """A log with the stage at work beside."""

    async def whole():
        log = MemoryLog()
        runner = StageRunner(log, RELEASE)
        await runner.start()

        async def work():
            while True:
                await runner.step()
                await asyncio.sleep(0.005)

        working = asyncio.create_task(work())
        try:
            return await asyncio.wait_for(scene(log), 20)
        finally:
            working.cancel()

    return asyncio.run(whole())


async def standing(log):
    return await releases._standing(log, SETTINGS)


def test_what_waits_who_has_released_it_and_what_has_gone_out(clock):
    async def scene(log):
        assert await standing(log) == []
        await log.append([waits(ALERT)])
        (first,) = await standing(log)
        assert (first.chain, first.message, first.is_released) == (CHAIN, ALERT, False)
        assert first.lapses_us == NOW_US + SETTINGS.within_s * S
        assert await releases._told(log, word("anna")) == (
            True,
            "Noted. One more person must release it.",
        )
        (second,) = await standing(log)
        assert second.released_by == ("anna",)
        refused = await releases._told(log, word("anna", 11.0))
        assert refused == (
            False,
            "It was not heeded: anna has released it; another person must.",
        )
        assert await releases._told(log, word("bolt")) == (True, "Released: it goes out.")
        (third,) = await standing(log)
        assert (third.is_released, third.message.msg_type) == (True, "Alert")
        await log.append([waits(UPDATE)])
        (fourth,) = await standing(log)
        assert fourth.message.msg_type == "Update", "it has gone out by itself"
        withheld = await releases._told(log, word("bolt", 30.0, "withhold"))
        assert withheld == (True, "Withheld. What had gone out is corrected with a Cancel.")
        assert await standing(log) == []

    play(scene)


def test_what_has_lapsed_does_not_wait(clock):
    async def scene(log):
        await log.append([waits(ALERT)])
        clock.passes(SETTINGS.within_s)
        return await standing(log)

    assert play(scene) == []


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr(releases, "ANSWER_S", 0.2)

    async def scene():
        heeded, said = await releases._told(MemoryLog(), word("anna"))
        assert not heeded
        assert "is `alatau dispatch` running?" in said

    asyncio.run(scene())


def test_that_nothing_waits_is_never_said_without_the_sources(clock):
    async def scene(log):
        before = await releases._sources(log)
        told = Sources(at_us=clock(), healthy=31, silent=9)
        other = Sources(at_us=clock(), hazard="mudflow", healthy=2)
        await log.append([facts.output(told), facts.output(other)])
        now = await releases._sources(log)
        clock.passes(30)
        few = Sources(at_us=clock(), hazard="mudflow", healthy=0, silent=2)
        await log.append([facts.output(few)])
        thin = await releases._sources(log)
        clock.passes(120)
        return before, now, thin, await releases._sources(log)

    before, now, thin, late = play(scene)
    assert thin.endswith("mudflow: 0 of 2 healthy, 2 silent; silence is no all-clear")
    assert before == late
    assert "silence is no all-clear" in before
    assert now == "earthquake: 31 of 40 healthy, 9 silent; mudflow: 2 of 2 healthy"


def test_a_message_that_waits_is_shown_in_80_columns(capsys):
    async def scene(log):
        await log.append([waits(ALERT)])
        return await standing(log)

    (each,) = play(scene)
    releases._show(each)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == CHAIN
    assert lines[1].startswith("  waits until ")
    assert "earthquake, up to intensity" in lines[3]
    assert "Almaty" in lines[4]
