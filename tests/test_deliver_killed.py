"""`alatau deliver` on a real Kafka, killed with SIGKILL while a receiver holds the line."""

import asyncio
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from made_parcels import alert

from dispatch import ledger, report
from dispatch.facts import Delivery
from dispatch.keeper import Keeper, read
from stream.kafka import KafkaLog
from stream.kafka_settings import KafkaSettings
from stream.layout import Layout
from stream.topics import ALERTS, EVENTS, FACTS, LEDGER, REJECTS

ROOT = Path(__file__).parents[1]
CONFIGURATION = """
[stream.kafka]
bootstrap = "{bootstrap}"
prefix = "{prefix}"
replication = 1
in_sync = 1

[delivery.channels.webhooks.plant]
url = "http://127.0.0.1:{port}/in"
secret_file = "secret"
timeout_s = 60.0
"""


class Plant:
    """A receiver that answers nobody until it is told to."""

    def __init__(self):
        self.keys = []
        self.answers = asyncio.Event()

    async def take(self, request):
        await request.read()
        self.keys.append(request.headers["Idempotency-Key"])
        await self.answers.wait()
        return web.Response()


@asynccontextmanager
async def listening(plant):
    app = web.Application()
    app.router.add_post("/in", plant.take)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        plant.answers.set()
        await runner.cleanup()


@asynccontextmanager
async def deliver(config):
    command = [sys.executable, "-m", "alatau", "deliver", "--config", str(config)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.install
def test_killed_while_it_sends_it_arrives_once_and_the_ledger_says_so(
    kafka_bootstrap, topic_prefix, tmp_path
):
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, replication=1, in_sync=1)
    (tmp_path / "secret").write_bytes(b"thirty-two bytes that both share")
    config = tmp_path / "alatau.toml"
    now_us = time.time_ns() // 1000 // 1_000_000 * 1_000_000

    async def until(true):
        async with asyncio.timeout(60):
            while not await true():
                await asyncio.sleep(0.05)

    async def scene(log, plant):
        await log.append([alert(sent_us=now_us)])

        async def has_come(times):
            return len(plant.keys) >= times

        async with deliver(config) as first:
            await until(lambda: has_come(1))
            first.kill()
            await first.wait()
        plant.answers.set()
        async with deliver(config) as second:
            await until(lambda: has_come(2))
            await until(lambda: delivered(log))
            second.terminate()
            said, _ = await second.communicate()
            assert second.returncode == 0, said.decode()
        keeper = Keeper(log)
        await keeper.start()
        facts = await log.end(FACTS.name, 0)
        while await log.end(LEDGER.name, 0) < facts:
            await keeper.step(0.2)
        await keeper.stop()
        return await read(log)

    async def delivered(log):
        records = await log.read(FACTS.name, 0, 0, 1000)
        return any(b'"delivered"' in record.value for record in records)

    async def whole():
        plant = Plant()
        async with listening(plant) as port:
            config.write_text(
                CONFIGURATION.format(bootstrap=kafka_bootstrap, prefix=topic_prefix, port=port)
            )
            async with KafkaLog.opened(kafka) as log:
                topics = (ALERTS, EVENTS, FACTS, LEDGER, REJECTS)
                await log.create([Layout(t.name, 1, 1, 1, -1, 0, 2_000_000) for t in topics])
            async with KafkaLog.opened(kafka) as log:
                return await scene(log, plant), plant.keys

    records, keys = asyncio.run(whole())
    assert keys == [keys[0]] * 2, "sent again, with the key by which the receiver drops it"
    assert ledger.verify(records).fault is None
    entries = list(ledger.entries(records))
    told = [f for f in ledger.known(entries) if isinstance(f, Delivery)]
    assert [f.state for f in told] == ["queued", "delivered"]
    assert told[-1].repeated, "nobody knew whether the first had come"
    (channel,) = report.situation(entries).channels
    assert (channel.channel, channel.delivered) == ("plant", 1)
