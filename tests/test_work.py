"""A worker: it begins anew when the log fails, skips what is too old, and tells Prometheus."""

import asyncio
import logging
import urllib.request
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest
from test_runner import IN, MIDDLE, Falls, Sums, given_numbers, heard, stage

from stream.errors import ConfigurationError
from stream.log import LogError
from stream.memory import MemoryLog
from stream.metrics import Metrics
from stream.runner import StageRunner
from stream.work import work


class Unreliable:
    """A log whose appends and reads fail when they are told to, as brokers do."""

    def __init__(self, log):
        self._log = log
        self.opened = 0
        self.failures = 0

    def __getattr__(self, name):
        return getattr(self._log, name)

    @asynccontextmanager
    async def open(self):
        self.opened += 1
        if self.opened == 2:
            raise LogError("no broker answers")
        yield self

    async def append(self, outputs):
        if outputs and self.failures:
            self.failures -= 1
            raise LogError("writing failed")
        await self._log.append(outputs)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("stream.work.PAUSE_S", 0.01)
    monkeypatch.setattr("stream.work.WAIT_S", 0.01)


async def until(holds):
    for _ in range(1000):
        if await holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came about")


def test_a_worker_begins_anew_when_the_log_fails_and_loses_nothing(caplog):
    numbers = [n % 7 for n in range(60)]

    async def check():
        whole = MemoryLog()
        await whole.append(given_numbers(numbers))
        runner = StageRunner(whole, stage())
        await runner.start()
        await runner.step()

        log = MemoryLog()
        unreliable = Unreliable(log)
        await log.append(given_numbers(numbers))
        unreliable.failures = 1
        stop, metrics = asyncio.Event(), Metrics()
        working = asyncio.create_task(
            work(unreliable.open, [stage()], stop, batch=10, metrics=metrics)
        )

        async def done():
            committed = await log.committed("sums", IN.name, 0)
            return committed is not None and committed.offset == 60

        await until(done)
        stop.set()
        await working
        assert unreliable.opened == 3
        assert await heard(log, MIDDLE) == await heard(whole, MIDDLE)
        assert metrics.registry.get_sample_value("alatau_restarts_total") == 2

    asyncio.run(check())
    assert "writing failed. Beginning anew" in caplog.text
    assert "no broker answers. Beginning anew" in caplog.text


def test_what_runs_beside_ends_with_the_worker_and_its_errors_end_it():
    async def check(fails):
        log = MemoryLog()
        stop = asyncio.Event()
        seen = []

        @asynccontextmanager
        async def opened():
            yield log

        async def beside(given):
            seen.append(given)
            if fails:
                raise ConfigurationError("bad", remedy="good")
            await stop.wait()

        working = asyncio.create_task(work(opened, [stage()], stop, beside=[beside]))
        await asyncio.sleep(0.05)
        stop.set()
        await working
        assert seen == [log]

    asyncio.run(check(fails=False))
    with pytest.raises(ConfigurationError):
        asyncio.run(check(fails=True))


def test_a_backlog_that_is_too_old_is_skipped_and_said(caplog):
    async def check(stale_after):
        log = MemoryLog()
        await log.append(given_numbers([1] * 10))
        runner = StageRunner(log, stage())
        await runner.start()
        await runner.step()
        await runner.stop()
        await log.append(given_numbers([1] * 400, step_ms=1000)[10:])
        metrics = Metrics()
        late = StageRunner(log, stage(), stale_after=stale_after, meter=metrics.stage("sums"))
        await late.start()
        while await late.step():
            pass
        skipped = metrics.registry.get_sample_value(
            "alatau_records_skipped_total", {"stage": "sums"}
        )
        committed = await log.committed("sums", IN.name, 0)
        assert committed.offset == 400
        await log.append(given_numbers([1] * 402, step_ms=1000)[400:])
        while await late.step():
            pass
        said = [r.value for rs in [await log.read(MIDDLE.name, 0, 0, 999)] for r in rs]
        return skipped, said

    skipped, said = asyncio.run(check(timedelta(seconds=120)))
    assert skipped == 390
    assert len(said) == 12
    assert said[10:] == [b"1", b"3"], "after the skip the state is a fresh one"
    assert "390 records of in/0" in caplog.text
    caplog.clear()
    for patient in (None, timedelta(seconds=3000)):
        skipped, said = asyncio.run(check(patient))
        assert (skipped, len(said)) == (0, 402)
    assert "skipped" not in caplog.text


def test_a_backlog_that_grows_too_old_while_working_is_skipped(monkeypatch):
    monkeypatch.setattr("stream.runner.LOOK_S", 0.0)

    async def check():
        log = MemoryLog()
        runner = StageRunner(log, stage(), limit=10, stale_after=timedelta(seconds=60))
        await runner.start()
        await log.append(given_numbers([1] * 500, step_ms=1000))
        while await runner.step():
            pass
        return len(await log.read(MIDDLE.name, 0, 0, 999))

    assert asyncio.run(check()) == 10, "one batch, and then it looked"


@pytest.mark.parametrize(("keeps_all", "read"), [(False, 0), (True, 40)])
def test_a_stage_that_keeps_all_skips_nothing_however_old(keeps_all, read):
    async def check():
        log, stop = MemoryLog(), asyncio.Event()

        @asynccontextmanager
        async def opened():
            yield log

        await log.append(given_numbers([1] * 40, step_ms=60_000))
        all_of_it = msgspec.structs.replace(stage(), keeps_all=keeps_all)
        working = asyncio.create_task(
            work(opened, [all_of_it], stop, stale_after=timedelta(seconds=60))
        )
        await asyncio.sleep(0.05)
        stop.set()
        await asyncio.wait_for(working, 5)
        return len(await log.read(MIDDLE.name, 0, 0, 999))

    assert asyncio.run(check()) == read


def test_what_the_log_dropped_unread_is_said(caplog):
    async def check():
        log = MemoryLog(retention=timedelta(seconds=2))
        metrics = Metrics()
        runner = StageRunner(log, stage(), limit=10, meter=metrics.stage("sums"))
        await runner.start()
        await log.append(given_numbers([1] * 20, step_ms=10))
        await runner.step()
        await log.append(given_numbers([1] * 4000, step_ms=10)[20:])
        begin = await log.begin(IN.name, 0)
        assert begin > 10
        await runner.step()
        return begin - 10, metrics.registry.get_sample_value(
            "alatau_records_lost_total", {"stage": "sums"}
        )

    with caplog.at_level(logging.ERROR):
        expected, counted = asyncio.run(check())
    assert counted == expected
    assert f"{expected} records of in/0 were dropped by the log" in caplog.text


def test_the_metrics_say_how_much_and_how_far_behind():
    async def check(make):
        metrics = Metrics()
        log = MemoryLog()
        await log.append(given_numbers([1, 2, 4, 5] * 10))
        runner = StageRunner(log, stage(make), limit=15, meter=metrics.stage("sums"))
        await runner.start()
        await runner.step()
        return metrics

    metrics = asyncio.run(check(Sums))

    def value(name, **labels):
        return metrics.registry.get_sample_value(name, {"stage": "sums", **labels})

    assert value("alatau_records_read_total", partition="0") == 15
    assert value("alatau_lag_records", partition="0") == 25
    assert value("alatau_values_written_total", topic="middle") == sum(
        n % 3 for n in ([1, 2, 4, 5] * 10)[:15]
    )
    assert value("alatau_batch_seconds_count") == 1
    assert value("alatau_latency_seconds_count", topic="middle") > 0
    assert asyncio.run(check(Falls)).registry is not metrics.registry


def test_metrics_are_served_and_a_taken_port_is_said(unused_port):
    metrics = Metrics()
    metrics.stage("sums").skipped(3)
    metrics.serve(unused_port, "127.0.0.1")
    with urllib.request.urlopen(f"http://127.0.0.1:{unused_port}/metrics") as page:
        text = page.read().decode()
    assert 'alatau_records_skipped_total{stage="sums"} 3.0' in text
    assert "process_resident_memory_bytes" in text
    with pytest.raises(ConfigurationError, match="--metrics-port"):
        Metrics().serve(unused_port, "127.0.0.1")


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_commits_wait_and_are_made_up_for_when_it_stops():
    async def check():
        log = MemoryLog()
        await log.append(given_numbers([1] * 30))
        runner = StageRunner(log, stage(), limit=10, commit_every_s=3600.0)
        await runner.start()
        for _ in range(3):
            await runner.step()
        assert (await log.committed("sums", IN.name, 0)).offset == 10, "the first at once"
        again = StageRunner(log, stage(), limit=10)
        await again.start()
        while await again.step():
            pass
        assert len(await log.read(MIDDLE.name, 0, 0, 99)) == 30 + 20
        assert len((await heard(log, MIDDLE))[b"a"]) == 30
        await runner.stop()
        assert (await log.committed("sums", IN.name, 0)).offset == 30, "it is not its any more"

        later = MemoryLog()
        await later.append(given_numbers([1] * 30))
        runner = StageRunner(later, stage(), limit=10, commit_every_s=3600.0)
        await runner.start()
        for _ in range(3):
            await runner.step()
        await runner.stop()
        assert (await later.committed("sums", IN.name, 0)).offset == 30

    asyncio.run(check())
