"""What is Kafka's own: how topics lie, who may connect, and what is too large."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

import alatau
from stream import rejects
from stream.errors import AlatauError
from stream.kafka import KafkaLog, connection
from stream.kafka_settings import KafkaSettings
from stream.layout import Found, Layout, differences, layouts
from stream.log import LogError
from stream.records import Output
from stream.topics import ALL
from tests.kafka_cluster import Cluster

ONE = KafkaSettings(replication=1, in_sync=1)
WANTED = layouts(ONE, {"waveforms": timedelta(minutes=10)}, ["alerts.kz"])
WAVEFORMS = WANTED[0]


def found(layout, **other):
    return Found(layout.partitions, layout.replication, {**layout.configuration(), **other})


def test_every_topic_has_a_layout():
    assert [layout.name for layout in WANTED] == [*(t.name for t in ALL), "alerts.kz"]
    assert {layout.partitions for layout in WANTED if layout.name != "waveforms"} == {1}
    assert all(differences(layout, found(layout)) == [] for layout in WANTED)


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (None, "topics create"),
        (Found(9, 1, WAVEFORMS.configuration()), "9 partitions, not 4"),
        (Found(4, 0, WAVEFORMS.configuration()), "0 brokers, not 1"),
        (found(WAVEFORMS, **{"retention.ms": "599999"}), "600 s: raise retention.ms"),
        (found(WAVEFORMS, **{"cleanup.policy": "compact"}), "cleanup.policy=delete"),
        (found(WAVEFORMS, **{"message.timestamp.type": "LogAppendTime"}), "CreateTime"),
        (found(WAVEFORMS, **{"min.insync.replicas": "0"}), "min.insync.replicas=1"),
        (found(WAVEFORMS, **{"max.message.bytes": "1048588"}), "max.message.bytes=8100000"),
    ],
)
def test_what_is_wrong_with_a_topic_is_said_with_its_remedy(there, says):
    (wrong,) = differences(WAVEFORMS, there)
    assert says in wrong


def test_a_topic_may_be_kept_for_ever():
    for_ever = layouts(KafkaSettings(waveforms_h=-1, replication=1, in_sync=1), {}, [])[0]
    assert for_ever.retention_ms == -1
    assert differences(WAVEFORMS, found(WAVEFORMS, **{"retention.ms": "-1"})) == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"replication": 1}, "in_sync"),
        ({"sasl": "PLAIN"}, "username and password_file"),
        ({"tls": True, "cert_file": "c.pem"}, "belong together"),
        ({"ca_file": "ca.pem"}, "need tls"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        KafkaSettings(**settings)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("sasl", ["", "SCRAM-SHA-512"])
def test_the_protocol_follows_from_tls_and_sasl(tmp_path, tls, sasl):
    (tmp_path / "word").write_text("secret\n")
    settings = KafkaSettings(
        bootstrap="a:1,b:2",
        tls=tls,
        sasl=sasl,
        username="x" if sasl else "",
        password_file="word" if sasl else "",
    )
    made = connection(settings, tmp_path)
    expected = {
        (False, ""): "PLAINTEXT",
        (True, ""): "SSL",
        (False, "SCRAM-SHA-512"): "SASL_PLAINTEXT",
        (True, "SCRAM-SHA-512"): "SASL_SSL",
    }
    assert made["security_protocol"] == expected[(tls, sasl)]
    assert ("ssl_context" in made) == tls
    assert made.get("sasl_plain_password") == ("secret" if sasl else None)


def test_an_unreadable_password_is_said():
    settings = KafkaSettings(bootstrap="a:1", sasl="PLAIN", username="x", password_file="nowhere")

    async def check():
        async with KafkaLog.opened(settings, Path("/nonexistent")):
            pass

    with pytest.raises(LogError, match="certificates and password"):
        asyncio.run(check())


def test_no_broker_is_said():
    async def check():
        settings = KafkaSettings(bootstrap="127.0.0.1:1", request_s=5)
        async with KafkaLog.opened(settings):
            pass

    with pytest.raises(LogError, match=r"connecting to 127\.0\.0\.1"):
        asyncio.run(check())


@pytest.fixture
def on_kafka(kafka_bootstrap, tmp_path, request):
    """A configuration whose topics are this test's own."""
    prefix = f"{request.node.name.split('[')[0]}-{os.getpid()}."
    path = tmp_path / "alatau.toml"
    path.write_text(
        f'[stream.kafka]\nbootstrap = "{kafka_bootstrap}"\nprefix = "{prefix}"\n'
        "replication = 1\nin_sync = 1\nwaveform_partitions = 3\n"
    )
    return path


def said(*arguments):
    result = CliRunner().invoke(alatau.app, [str(a) for a in arguments])
    if isinstance(result.exception, AlatauError):
        return 2, str(result.exception)
    return result.exit_code, result.output


def test_topics_are_made_once_and_checked(on_kafka, kafka_bootstrap):
    code, text = said("topics", "check", "--config", on_kafka)
    assert code == 1
    assert "waveforms is not there: alatau topics create" in text
    code, text = said("topics", "create", "--config", on_kafka)
    assert (code, "0 were there" in text) == (0, True)
    code, text = said("topics", "create", "--config", on_kafka)
    assert (code, "0 topics made" in text) == (0, True)
    code, text = said("topics", "check", "--config", on_kafka)
    assert (code, text) == (0, "All topics are as they should be.\n")
    other = on_kafka.read_text().replace("partitions = 3", "partitions = 5")
    on_kafka.write_text(other)
    code, text = said("topics", "check", "--config", on_kafka)
    assert code == 1
    assert "has 3 partitions, not 5" in " ".join(text.split())
    assert said("topics", "create", "--config", on_kafka)[0] == 1, "it does not pretend"


def test_a_worker_without_brokers_or_topics_says_what_to_do(tmp_path, on_kafka):
    code, text = said("locate")
    assert code == 2
    assert "--kafka HOST:PORT" in text


def test_a_topic_that_is_not_there_is_said(kafka_bootstrap):
    async def check():
        async with KafkaLog.opened(
            KafkaSettings(bootstrap=kafka_bootstrap, prefix="nothing-here.")
        ) as log:
            with pytest.raises(LogError, match=r"no topic nothing-here.waveforms.*topics create"):
                log.partitions("waveforms")
            with pytest.raises(LogError, match="topics create"):
                await log.append([Output("waveforms", b"k", b"v", 0, 1)])
            with pytest.raises(LogError, match="topics create"):
                await log.join("detect", "waveforms")

    asyncio.run(check())


def test_a_value_that_no_broker_takes_is_rejected_and_the_rest_goes_on(kafka_bootstrap):
    kafka = KafkaSettings(
        bootstrap=kafka_bootstrap,
        prefix=f"large-{os.getpid()}.",
        replication=1,
        in_sync=1,
        max_value_bytes=2_000_000,
    )

    async def check():
        async with KafkaLog.opened(kafka) as log:
            await log.create(layouts(kafka, {}, []))
            sizes = [10, 1_999_000, 2_000_001, 950_000, 950_000, 20]
            await log.append(
                [Output("events", b"XX.A", b"x" * n, i, 1000 + i) for i, n in enumerate(sizes)]
            )
            stand = await log.read("events", 0, 0, 99)
            refused = await log.read("rejects", 0, 0, 99)
            return [len(r.value) for r in stand], [rejects.decode(r.value) for r in refused]

    stand, refused = asyncio.run(check())
    assert stand == [10, 1_999_000, 950_000, 950_000, 20]
    (reject,) = refused
    assert (reject.source, reject.reason) == ("events: XX.A", "too large for the log")
    assert reject.detail == "2000001 bytes"


def test_a_broker_with_tls_and_a_password_lets_in_who_has_both(kafka_here, tmp_path):
    with Cluster(tmp_path / "cluster", secured=True) as cluster:
        options = cluster.client_options()
        (tmp_path / "word").write_text(options["sasl_plain_password"])
        (tmp_path / "wrong").write_text("not it")
        good = KafkaSettings(
            bootstrap=cluster.bootstrap,
            tls=True,
            ca_file=str(cluster.ca_file),
            sasl=options["sasl_mechanism"],
            username=options["sasl_plain_username"],
            password_file="word",
            replication=1,
            in_sync=1,
            request_s=5,
        )

        async def check(settings):
            async with KafkaLog.opened(settings, tmp_path) as log:
                await log.create([Layout("one", 1, 1, 1, -1, 0, 2_000_000)])
                await log.append([Output("one", b"k", b"v", 0, 1)])
                member = await log.join("group", "one")
                member.seek(0, 0)
                found = await member.read(10, 5.0)
                await member.leave()
                return [r.value for r in found[0]]

        assert asyncio.run(check(good)) == [b"v"]
        for bad in (
            replace(good, password_file="wrong"),
            replace(good, ca_file=""),
            replace(good, tls=False, ca_file=""),
        ):
            with pytest.raises(LogError, match="connecting"):
                asyncio.run(check(bad))


@given(keys=st.lists(st.binary(max_size=20), max_size=30), partitions=st.integers(1, 50))
def test_keys_are_placed_as_by_the_client_s_default_partitioner(keys, partitions):
    from aiokafka.partitioner import DefaultPartitioner

    from stream.kafka import _partition

    every = list(range(partitions))
    for key in keys:
        assert _partition(key, partitions) == DefaultPartitioner()(key, every, every)
