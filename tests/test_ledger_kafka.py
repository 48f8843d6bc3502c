"""The sender and the keeper on a real Kafka: one process after another, and one that hangs on."""

import asyncio
from contextlib import asynccontextmanager

from made_parcels import Clock, MadeChannel, Receiver, alert

from dispatch import keeper, ledger
from dispatch.channels.settings import Route
from dispatch.facts import Delivery
from dispatch.keeper import Keeper
from dispatch.sending import Sender
from stream.kafka import KafkaLog
from stream.kafka_settings import KafkaSettings
from stream.layout import Layout
from stream.topics import ALERTS, FACTS, LEDGER, REJECTS


def test_one_ledger_and_every_message_once_whoever_sends(kafka_bootstrap, topic_prefix):
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, replication=1, in_sync=1)
    receiver, clock = Receiver(), Clock()

    @asynccontextmanager
    async def process(log):
        channel = MadeChannel(receiver, once=False)
        sender = Sender(log, {"a": Route()}, {"a": channel}, clock)
        one = Keeper(log)
        await sender.start()
        await one.start()
        try:
            yield sender, one
        finally:
            await sender.stop()
            await one.stop()

    async def until(log, topic, count, *parts):
        async with asyncio.timeout(60):
            while await log.end(topic, 0) < count:
                for part in parts:
                    await part.step(0.05)

    async def scene():
        async with KafkaLog.opened(kafka) as log:
            topics = (ALERTS, FACTS, LEDGER, REJECTS)
            await log.create([Layout(t.name, 1, 1, 1, -1, 0, 2_000_000) for t in topics])
        async with KafkaLog.opened(kafka) as log, process(log) as (sender, one):
            await log.append([alert()])
            await until(log, LEDGER.name, 3, sender, one)
            stale = one._head
        async with KafkaLog.opened(kafka) as log, process(log) as (sender, one):
            await log.append([alert("ca.2_KZ_0", chain="ca.2_KZ", cause=1)])
            await until(log, LEDGER.name, 6, sender, one)
            # one that has lost the partition and does not know it writes what it had in hand
            late = await log.read(FACTS.name, 0, stale.offset + 1, 2)
            for record in late:
                stale, said = ledger.enter(stale, record)
                await log.append(said)
        async with KafkaLog.opened(kafka) as log, process(log) as (sender, one):
            await until(log, LEDGER.name, 9, sender, one)
            found = await keeper.end(log)
            return await log.read(LEDGER.name, 0, 0, 99), await log.end(FACTS.name, 0), found

    records, count, found = asyncio.run(scene())
    verdict = ledger.verify(records)
    assert (verdict.fault, verdict.entries) == (None, count)
    assert found.number == count - 1
    told = list(ledger.known(ledger.entries(records)))
    delivered = [f.message for f in told if isinstance(f, Delivery) and f.state == "delivered"]
    assert delivered == ["ca.1_KZ_0", "ca.2_KZ_0"]
    assert len(receiver.came) == 2
