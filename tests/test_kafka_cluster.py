"""The brokers of the tests: they start, lose a leader, fall silent, and leave nothing behind."""

import asyncio
import contextlib
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from tests.kafka_cluster import PASSWORD, USER, Cluster, DidNotStart

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 30
ARRIVAL_MS = 1_562_383_190_000  # long ago: CreateTime keeps it


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def make_topic(cluster: Cluster, name: str, copies: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap, **cluster.client_options())
    await admin.start()
    try:
        made = await admin.create_topics([NewTopic(name, 1, copies)])
        assert [error for _, error, _ in made.topic_errors] == [0]
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def producer_for(bootstrap: str, **options):
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, **options
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def values(bootstrap: str, topic: str, count: int, **options) -> list:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", **options
    )
    await consumer.start()
    try:
        return [await asyncio.wait_for(consumer.getone(), PATIENCE_S) for _ in range(count)]
    finally:
        await consumer.stop()


def test_a_record_goes_in_and_out_by_tls_and_password_and_nothing_stays_behind(
    kafka_here, tmp_path
):
    cluster = Cluster(tmp_path, secured=True)

    async def there_and_back() -> None:
        await make_topic(cluster, "waves", 1)
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            options = cluster.client_options() | {"sasl_mechanism": mechanism}
            async with producer_for(cluster.bootstrap, **options) as producer:
                await producer.send_and_wait(
                    "waves", mechanism.encode(), timestamp_ms=ARRIVAL_MS, key=USER.encode()
                )
        got = await values(cluster.bootstrap, "waves", 3, **cluster.client_options())
        assert [r.value for r in got] == [b"PLAIN", b"SCRAM-SHA-256", b"SCRAM-SHA-512"]
        assert {r.timestamp for r in got} == {ARRIVAL_MS}
        for wrong in (
            {"sasl_plain_password": PASSWORD[::-1]},
            {"ssl_context": ssl.create_default_context()},
            {"security_protocol": "SASL_PLAINTEXT"},
            {"ssl_context": None, "security_protocol": "PLAINTEXT"},
        ):
            with pytest.raises(KafkaError):
                async with producer_for(
                    cluster.bootstrap,
                    **cluster.client_options() | wrong,
                    request_timeout_ms=2000,
                ):
                    pass

    with cluster:
        (node,) = cluster.nodes
        pid = cluster.pid(node)
        assert alive(pid)
        asyncio.run(there_and_back())
    assert not alive(pid)
    assert (tmp_path / "node-1" / "server.log").is_file()
    assert not (tmp_path / "node-1" / "data").exists()


def test_the_shared_broker_makes_no_topic_by_itself(kafka_bootstrap, topic_prefix):
    topic = f"{topic_prefix}none"

    async def write() -> None:
        async with producer_for(kafka_bootstrap) as producer:
            with pytest.raises((KafkaError, TimeoutError)):
                await asyncio.wait_for(producer.send_and_wait(topic, b""), 1)
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
            await admin.start()
            try:
                assert topic not in await admin.list_topics()
            finally:
                await admin.close()

    asyncio.run(write())


def test_a_broker_that_does_not_start_says_why(kafka_here, tmp_path):
    cluster = Cluster(tmp_path, settings={"log.dirs": "/proc/no-such-folder"})
    with pytest.raises(DidNotStart, match="/proc/no-such-folder"):
        cluster.start()
    with pytest.raises(ValueError, match="node 1 does not run"):
        cluster.pid(1)


def test_brokers_die_with_the_process_that_started_them(kafka_here, tmp_path):
    program = (
        "import pathlib, sys, threading, time\n"
        "from tests.kafka_cluster import Cluster\n"
        "cluster = Cluster(pathlib.Path(sys.argv[1]))\n"
        "starter = threading.Thread(target=cluster.start)\n"  # a thread that ends is no reason
        "starter.start()\n"
        "starter.join()\n"
        "time.sleep(0.5)\n"
        "print(cluster.pid(1), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "kafka"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        broker = int(starter.stdout.readline())
        lived = alive(broker)
        starter.kill()
    assert lived
    deadline = time.monotonic() + PATIENCE_S
    while alive(broker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(broker)


def test_a_killed_leader_is_replaced_and_nothing_is_lost(kafka_cluster, topic_prefix):
    topic = f"{topic_prefix}waves"

    async def settings_of_topic() -> dict[str, str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_cluster.bootstrap)
        await admin.start()
        try:
            (answer,) = await admin.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic)]
            )
            return {entry[0]: entry[1] for entry in answer.resources[0][4]}
        finally:
            await admin.close()

    async def lose_the_leader() -> None:
        await make_topic(kafka_cluster, topic, 3)
        assert (await settings_of_topic())["min.insync.replicas"] == "2"
        async with producer_for(kafka_cluster.bootstrap) as producer:
            await producer.send_and_wait(topic, b"before", partition=0)
            leader = await kafka_cluster.leader_of(topic, 0)
            pid = kafka_cluster.pid(leader)
            kafka_cluster.kill(leader)
            assert not alive(pid)
            await asyncio.wait_for(producer.send_and_wait(topic, b"after"), PATIENCE_S)
            assert await kafka_cluster.leader_of(topic, 0) != leader
        got = await values(kafka_cluster.bootstrap, topic, 2)
        assert [record.value for record in got] == [b"before", b"after"]
        with pytest.raises(LookupError):
            await kafka_cluster.leader_of(topic, 1)

    asyncio.run(lose_the_leader())


def test_brokers_that_were_cut_off_answer_when_they_are_reconnected(kafka_cluster, topic_prefix):
    topic = f"{topic_prefix}waves"
    assert all(alive(kafka_cluster.pid(node)) for node in kafka_cluster.nodes), "not mended"

    async def fall_silent() -> None:
        await make_topic(kafka_cluster, topic, 3)
        async with producer_for(kafka_cluster.bootstrap) as producer:
            await producer.send_and_wait(topic, b"before")
            kafka_cluster.cut_off()
            waiting = asyncio.ensure_future(producer.send_and_wait(topic, b"meanwhile"))
            _, pending = await asyncio.wait([waiting], timeout=1)
            assert pending
            kafka_cluster.reconnect()
            await asyncio.wait_for(waiting, PATIENCE_S)
        got = await values(kafka_cluster.bootstrap, topic, 2)
        assert [record.value for record in got] == [b"before", b"meanwhile"]

    asyncio.run(fall_silent())


@pytest.mark.parametrize("required", [False, True])
def test_where_there_is_no_java_it_is_said_loudly(required, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("JAVA_HOME", "KAFKA_BOOTSTRAP")}
    environment |= {"PATH": str(tmp_path), "ALATAU_REQUIRE_KAFKA": "1" if required else ""}
    arguments = [__file__, "-k", "shared_broker", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "TESTS WITH KAFKA DID NOT RUN" in result.stdout
    assert "Kafka needs Java 17" in result.stdout
    assert ("1 error" if required else "1 skipped") in result.stdout
    assert result.returncode == int(required)
