"""MQTT against a real Mosquitto on this machine."""

import asyncio
import ssl
import time

import aiomqtt
import pytest
from made_keys import certificate, certificate_pem, key, pem
from made_parcels import BEGIN_US, Clock, MadeChannel, alert
from test_delivery import read

from dispatch.channels.mqtt import MqttChannel
from dispatch.channels.settings import Mqtt, Route
from dispatch.delivery import Attempt
from dispatch.sending import Sender
from stream.memory import MemoryLog

pytestmark = pytest.mark.usefixtures("mosquitto_here")


def settings(broker, **changes):
    values = {"host": "127.0.0.1", "port": broker.port, "tls": False, "username": broker.username}
    return Mqtt(**{**values, "timeout_s": 2.0, "retry_s": 0.05, "retry_most_s": 0.2, **changes})


def channel(broker, clock=None, receive=None, **changes):
    made = settings(broker, **changes)
    return MqttChannel(made, clock or Clock(), password=broker.password, receive=receive)


def client(broker, **changes):
    return aiomqtt.Client(
        "127.0.0.1",
        broker.port,
        username=broker.username,
        password=broker.password,
        protocol=aiomqtt.ProtocolVersion.V5,
        **changes,
    )


def attempt(output=None, number=1):
    message = read(output or alert())
    name = f"alatau@example.org/{message.identifier}/mqtt"
    return Attempt(message, "mqtt", number, name, False, 12.3, 2.0)


async def connected(made):
    await made.open(lambda fact: None)
    deadline = time.monotonic() + 10
    while made._client is None and time.monotonic() < deadline:
        await asyncio.sleep(0.01)


async def heard(broker, topic, count=1):
    """What someone hears who subscribes now."""
    found = []
    async with client(broker) as listener, asyncio.timeout(10):
        await listener.subscribe(topic, qos=1)
        async for message in listener.messages:
            found.append(message)
            if len(found) == count:
                return found
    raise AssertionError


def test_a_message_is_confirmed_by_the_broker_and_retained(broker):
    async def scene():
        made = channel(broker)
        await connected(made)
        outcome = await made.send(attempt())
        await made.close()
        return outcome, await heard(broker, "alatau/KZ/#")

    outcome, (message,) = asyncio.run(scene())
    assert outcome.state == "delivered"
    assert (str(message.topic), message.payload) == ("alatau/KZ/public/ca.1", alert().value)
    assert (message.retain, message.qos) == (True, 1)
    properties = message.properties.json()
    assert properties["ContentType"] == "application/cap+xml"
    assert properties["MessageExpiryInterval"] in (599, 600)
    assert dict(properties["UserProperty"]) == {
        "idempotency-key": "alatau@example.org/ca.1_KZ_0/mqtt",
        "attempt": "1",
        "lead-seconds": "12.3",
        "status": "Test",
    }


def test_who_comes_later_gets_the_newest_of_each_event(broker):
    async def scene():
        made = channel(broker)
        await connected(made)
        for number in range(3):
            await made.send(attempt(alert(f"ca.1_KZ_{number}")))
        await made.close()
        (message,) = await heard(broker, "alatau/#")
        return read(alert("ca.1_KZ_2")).value == message.payload

    assert asyncio.run(scene())


def test_what_one_audience_is_told_stays_when_another_is_told_otherwise(broker):
    async def scene():
        made = channel(broker)
        await connected(made)
        await made.send(attempt(alert("ca.1_KZ_0", audience="civil-protection")))
        await made.send(attempt(alert("ca.1_KZ_public_0", audience="public", kind="Cancel")))
        await made.close()
        return await heard(broker, "alatau/KZ/#", 2)

    topics = sorted(str(message.topic) for message in asyncio.run(scene()))
    assert topics == ["alatau/KZ/civil-protection/ca.1", "alatau/KZ/public/ca.1"]


def test_an_acknowledgement_comes_in_even_if_it_was_sent_while_we_were_away(broker):
    async def scene():
        came = []

        async def receive(value):
            came.append(value)

        first = channel(broker, receive=receive)
        await connected(first)
        async with client(broker) as other:
            await other.publish("alatau/ack", b"<one/>", qos=1)
        while not came:
            await asyncio.sleep(0.01)
        await first.close()
        async with client(broker) as other:
            await other.publish("alatau/ack", b"<two/>", qos=1)
        second = channel(broker, receive=receive)
        await connected(second)
        async with asyncio.timeout(10):
            while len(came) < 2:
                await asyncio.sleep(0.01)
        await second.close()
        return came

    assert asyncio.run(scene()) == [b"<one/>", b"<two/>"]


def test_without_a_connection_it_fails_at_once(broker):
    async def scene():
        broker.kill()
        made = channel(broker)
        await made.open(lambda fact: None)
        await asyncio.sleep(0.05)
        outcome = await made.send(attempt())
        await made.close()
        return outcome

    outcome = asyncio.run(scene())
    assert (outcome.state, outcome.reached) == ("failed", False)


def test_a_wrong_password_is_no_connection(broker):
    async def scene():
        made = MqttChannel(settings(broker), Clock(), password="wrong")
        await made.open(lambda fact: None)
        await asyncio.sleep(0.2)
        outcome = await made.send(attempt())
        await made.close()
        return outcome

    assert asyncio.run(scene()).state == "failed"


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_broker_that_dies_delays_no_other_and_has_the_message_when_it_is_back(broker, how):
    async def scene():
        clock = Clock()
        routes = {"mqtt": settings(broker, timeout_s=0.3), "other": Route()}
        channels = {"mqtt": MqttChannel(routes["mqtt"], clock, password=broker.password)}
        channels["other"] = MadeChannel()
        log = MemoryLog()
        sender = Sender(log, routes, channels, clock)
        await sender.start()
        await connected(channels["mqtt"])
        if how == "killed":
            broker.kill()
        else:
            broker.freeze()
        await log.append([alert()])
        other_at = back_at = None
        began = time.monotonic()
        while time.monotonic() - began < 15:
            await sender.step(0.01)
            clock.passes(0.02)
            await asyncio.sleep(0.02)
            ways = sender.deliveries.ways("ca.1_KZ_0")
            if other_at is None and ways and ways["other"].delivered_us:
                other_at = time.monotonic() - began
            if back_at is None and ways and ways["mqtt"].attempts >= 1:
                broker.kill()
                broker.start()
                back_at = time.monotonic() - began
            if ways and ways["mqtt"].delivered_us:
                break
        await sender.stop()
        way = sender.deliveries.ways("ca.1_KZ_0")["mqtt"]
        return other_at, back_at, way, await heard(broker, "alatau/#")

    other_at, back_at, way, (message,) = asyncio.run(scene())
    assert other_at < back_at
    assert way.state == "delivered"
    assert way.attempts > 1
    assert message.payload == alert().value


def test_a_line_that_only_seems_to_stand_is_made_anew(broker):
    """As where aiomqtt does not notice that the line broke while it connected."""

    async def scene():
        made = channel(broker)
        await connected(made)
        first = made._client
        first._client._sock_close()
        first._disconnected = asyncio.Future()
        states = []
        for number in range(1, 40):
            states.append((await made.send(attempt(number=number))).state)
            if states[-1] == "delivered":
                break
            await asyncio.sleep(0.1)
        is_new = made._client is not first
        await made.close()
        return states, is_new

    states, is_new = asyncio.run(scene())
    assert states[0] == "failed"
    assert states[-1] == "delivered"
    assert is_new


def test_an_encrypted_connection_is_checked(mosquitto_here, tmp_path):
    from datetime import UTC, datetime

    from tests.mosquitto import Broker

    own = certificate("rsa", 3, datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC))
    cert, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(certificate_pem(own))
    private.write_bytes(pem(key("rsa", 3)))
    trusting = ssl.create_default_context(cafile=cert)
    trusting.check_hostname = False

    async def scene(broker, tls):
        made = MqttChannel(settings(broker), Clock(), password=broker.password, tls=tls)
        await made.open(lambda fact: None)
        deadline = time.monotonic() + (5 if tls is trusting else 0.5)
        while made._client is None and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        outcome = await made.send(attempt())
        await made.close()
        return outcome.state

    with Broker(tmp_path, tls=(cert, private)) as broker:
        assert asyncio.run(scene(broker, trusting)) == "delivered"
        assert asyncio.run(scene(broker, ssl.create_default_context())) == "failed"


def test_the_time_of_the_attempt_says_how_long_it_is_kept(broker):
    async def scene():
        clock = Clock(BEGIN_US + 599_500_000)
        made = channel(broker, clock)
        await connected(made)
        await made.send(attempt())
        await made.close()
        return await heard(broker, "alatau/#")

    (message,) = asyncio.run(scene())
    assert message.properties.MessageExpiryInterval == 1
