"""How the sensors of other hazards are, as the ledger and all who show warnings are told."""

import asyncio

import made_readings
from made_parcels import Clock
from made_readings import BEGIN_US, reading, sensor

from dispatch import facts
from dispatch.channels.board import Board
from dispatch.sensor_sources import SensorWatch, watch_sensors
from ingest import observations
from stream.memory import MemoryLog
from stream.records import Output
from stream.topics import FACTS, OBSERVATIONS

S = 1_000_000
SENSORS = (
    sensor(),
    sensor(id="KZ.ULKEN.2"),
    sensor(id="KG.RAIN", quantity="rain", unit="mm", hazard="heavy rain"),
)


def output(made, arrival_us):
    value = observations.encode(made)
    return Output(OBSERVATIONS.name, made.sensor.encode(), value, 0, arrival_us // 1000)


def play(scene, sensors=SENSORS):
    async def whole():
        log, clock = MemoryLog(), Clock(BEGIN_US)

        async def sends(name, value, **changes):
            at_s = (clock() - BEGIN_US) / S
            made = reading(at_s, value, sensor=name, **changes)
            await log.append([output(made, made_readings.arrival(at_s))])

        watch = SensorWatch(log, sensors, clock)
        await scene(log, clock, watch, sends)
        return [facts.decode(r.value) for r in await log.read(FACTS.name, 0, 0, 10**6)]

    return asyncio.run(whole())


def counts(told, hazard="flood"):
    return [(f.healthy, f.faulty, f.silent) for f in told if f.hazard == hazard]


def test_healthy_faulty_and_silent_by_hazard():
    async def scene(log, clock, watch, sends):
        await watch.start()
        await watch.step()
        clock.passes(2)
        await sends("KZ.ULKEN.1", 1.0)
        await sends("KZ.ULKEN.2", 99.0)
        await sends("KG.RAIN", 0.0, quantity="rain", unit="mm")
        await log.append([Output(OBSERVATIONS.name, b"x", b"rubbish", 0, clock() // 1000)])
        await watch.step()
        clock.passes(601)
        await sends("KZ.ULKEN.2", 1.0)
        await watch.step()

    told = play(scene)
    assert counts(told) == [(0, 0, 2), (1, 1, 0), (1, 0, 1)]
    assert counts(told, "heavy rain") == [(0, 0, 1), (1, 0, 0), (0, 0, 1)]
    assert len({fact.id for fact in told}) == len(told)


def test_it_is_told_when_it_changes_and_now_and_then():
    async def scene(log, clock, watch, sends):
        await watch.start()
        for _ in range(24):
            await watch.step()
            clock.passes(0.5)

    assert [(f.at_us - BEGIN_US) / S for f in play(scene, SENSORS[:1])] == [0.0, 10.0]


def test_a_start_is_no_silence():
    async def scene(log, clock, watch, sends):
        await sends("KZ.ULKEN.1", 1.0)
        clock.passes(300)
        await watch.start()
        await watch.step()

    assert counts(play(scene)) == [(1, 0, 1)]


def test_while_too_few_are_healthy_there_is_no_all_clear():
    async def scene(log, clock, watch, sends):
        await watch.start()
        await watch.step()

    board = Board(stale_s=60.0, least=0.5, events_s=60.0)
    for fact in play(scene):
        board.hear(fact)
    board.hear(facts.Sources(at_us=BEGIN_US, healthy=40))
    said = board.statement(BEGIN_US)
    assert not said.is_all_clear
    assert "flood: 0 of 2 sources healthy" in said.text


def test_without_sensors_nothing_is_told_and_it_ends():
    async def scene():
        log, stop = MemoryLog(), asyncio.Event()
        stop.set()
        await asyncio.wait_for(watch_sensors(log, (), Clock(), stop), 5)
        watch = SensorWatch(log, (), Clock())
        await watch.start()
        await watch.step()
        return await log.end(FACTS.name, 0)

    assert asyncio.run(scene()) == 0
