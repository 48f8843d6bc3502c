"""Readings by MQTT, from a real Mosquitto on this machine."""

import asyncio
import json
import ssl
from datetime import UTC, datetime

import aiomqtt
import pytest
from made_keys import certificate, certificate_pem, key, pem
from test_reading_intake import GOOD, SENSORS, Clock

from ingest import observations
from ingest.reading_intake import ReadingIntake, take_in_readings
from ingest.settings import MqttSettings
from ingest.sources.mqtt import mqtt_source
from stream import rejects
from stream.errors import ConfigurationError
from stream.log import LogError
from stream.memory import MemoryLog
from tests.mosquitto import Broker

pytestmark = pytest.mark.usefixtures("mosquitto_here")


def source(broker, tmp_path, **changes):
    (tmp_path / "word").write_text(broker.password + "\n")
    values = {"host": "127.0.0.1", "port": broker.port, "tls": False, "topics": ("basins/+/now",)}
    values |= {"username": broker.username, "password_file": "word", "pause_s": 1.0}
    settings = MqttSettings(**{**values, **changes})
    (tmp_path / "alatau.toml").touch()
    return mqtt_source(settings, 0, tmp_path / "alatau.toml", SENSORS)


async def publish(broker, body, topic="basins/ulken/now", qos=1, tls=None, **more):
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with aiomqtt.Client(
        "127.0.0.1",
        broker.port,
        username=broker.username,
        password=broker.password,
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=tls,
    ) as client:
        await client.publish(topic, payload, qos=qos, **more)


async def until(true):
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def play(made, scene, log=None):
    """Run a source on a log; `scene` is given the intake. Returns what was read and refused."""
    log = log or MemoryLog()

    async def go():
        stop, intake = asyncio.Event(), ReadingIntake(Clock())
        taking = asyncio.create_task(take_in_readings([made], log, stop, Clock(), intake))
        await until(lambda: made.counts.connections or taking.done())
        await scene(intake)
        stop.set()
        await taking
        taken = await log.read("observations", 0, 0, 100)
        refused = await log.read("rejects", 0, 0, 100)
        return (
            [observations.decode(record.value).value for record in taken],
            [rejects.decode(record.value) for record in refused],
        )

    return asyncio.run(go())


def numbered(number):
    return {**GOOD, "value": number}


def test_readings_come_into_the_log_and_rubbish_to_the_rejects(broker, tmp_path):
    made = source(broker, tmp_path, largest_bytes=1000)

    async def scene(intake):
        await publish(broker, numbered(1))
        await publish(broker, [numbered(2), {**GOOD, "unit": "s"}, numbered(3)])
        await publish(broker, b"\xffrubbish")
        await publish(broker, b" " * 1001)
        await publish(broker, numbered(4), topic="basins/ulken/later")
        await publish(broker, numbered(5), qos=0)
        await until(lambda: intake.counts.total() == 7)

    taken, refused = play(made, scene)
    assert taken == [1, 2, 3, 5]
    assert [part.reason for part in refused] == ["unit", "not JSON", "too large"]
    assert refused[0].source == f"mqtt 127.0.0.1:{broker.port} basins/ulken/now"
    assert (made.counts.connections, made.counts.messages) == (1, 5)


def test_what_the_log_did_not_take_comes_again(broker, tmp_path):
    made = source(broker, tmp_path)
    failing = [True]

    class Log(MemoryLog):
        async def append(self, outputs):
            if failing:
                failing.pop()
                raise LogError("broken")
            await super().append(outputs)

    log = Log()

    async def breaks(intake):
        await publish(broker, numbered(1))
        await until(lambda: not failing)

    with pytest.raises(LogError):
        play(made, breaks, log)

    async def again(intake):
        await until(lambda: intake.counts["taken"] == 1)
        await publish(broker, numbered(2))
        await until(lambda: intake.counts["taken"] == 2)

    assert play(made, again, log)[0] == [1, 2]


def test_what_came_while_we_were_away_is_kept_by_the_broker(broker, tmp_path):
    made = source(broker, tmp_path)

    async def one(intake):
        await publish(broker, numbered(1))
        await until(lambda: intake.counts["taken"] == 1)

    log = MemoryLog()
    play(made, one, log)
    asyncio.run(publish(broker, numbered(2)))

    async def other(intake):
        await until(lambda: intake.counts["taken"] == 1)

    assert play(made, other, log)[0] == [1, 2]


def test_a_broker_that_dies_is_connected_to_again(broker, tmp_path):
    made = source(broker, tmp_path)

    async def scene(intake):
        await publish(broker, numbered(1))
        await until(lambda: intake.counts["taken"] == 1)
        broker.kill()
        await asyncio.sleep(0.2)
        broker.start()
        await until(lambda: made.counts.connections == 2)
        await publish(broker, numbered(2))
        await until(lambda: intake.counts["taken"] == 2)

    assert play(made, scene)[0] == [1, 2]


def test_a_retained_reading_comes_once(broker, tmp_path):
    made = source(broker, tmp_path)
    asyncio.run(publish(broker, numbered(1), retain=True))
    log = MemoryLog()

    async def scene(intake):
        await until(lambda: intake.counts["taken"] == 1)

    play(made, scene, log)

    async def again(intake):
        await publish(broker, numbered(2))
        await until(lambda: intake.counts["taken"] == 1)

    assert play(made, again, log)[0] == [1, 2]


def test_without_the_password_nothing_comes(broker, tmp_path):
    made = source(broker, tmp_path, username="", password_file="")

    async def go():
        stop = asyncio.Event()
        taking = asyncio.create_task(take_in_readings([made], MemoryLog(), stop, Clock()))
        await asyncio.sleep(1.0)
        alive = not taking.done()
        stop.set()
        await taking
        return alive

    assert asyncio.run(go())
    assert made.counts.connections == 0


def test_when_the_log_is_behind_what_nobody_keeps_is_dropped_and_counted(broker, tmp_path):
    made = source(broker, tmp_path)

    class Full(ReadingIntake):
        is_full = True

    async def go():
        stop, intake, log = asyncio.Event(), Full(Clock()), MemoryLog()
        taking = asyncio.create_task(take_in_readings([made], log, stop, Clock(), intake))
        await until(lambda: made.counts.connections)
        await publish(broker, numbered(1), qos=0)
        await publish(broker, numbered(2), qos=1)
        await until(lambda: intake.counts["taken"] == 1)
        stop.set()
        await taking
        return await log.read("observations", 0, 0, 10)

    (kept,) = asyncio.run(go())
    assert observations.decode(kept.value).value == 2
    assert made.counts.dropped == 1


def test_the_broker_is_checked_with_the_certificates_that_are_named(tmp_path):
    own = certificate("rsa", 3, datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC))
    cert, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(certificate_pem(own))
    private.write_bytes(pem(key("rsa", 3)))
    trusting = ssl.create_default_context(cafile=cert)
    trusting.check_hostname = False
    with Broker(tmp_path, tls=(cert, private)) as broker:
        made = source(broker, tmp_path, tls=True, ca_file="cert.pem")
        assert made._tls.verify_mode == ssl.CERT_REQUIRED
        assert made._tls.check_hostname
        made._tls = trusting

        async def scene(intake):
            await publish(broker, numbered(1), tls=trusting)
            await until(lambda: intake.counts["taken"] == 1)

        assert play(made, scene)[0] == [1]


@pytest.mark.parametrize("changes", [{"password_file": "none"}, {"ca_file": "none", "tls": True}])
def test_files_that_are_not_there_are_told(broker, tmp_path, changes):
    with pytest.raises(ConfigurationError, match="none"):
        source(broker, tmp_path, **changes)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="belong together"):
        MqttSettings(username="x")
    with pytest.raises(ValueError, match="needs tls"):
        MqttSettings(ca_file="x", tls=False)
