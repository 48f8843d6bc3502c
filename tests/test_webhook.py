"""Webhooks against real servers on this machine."""

import asyncio
import base64
import socket
import time

import pytest
from aiohttp import web
from made_parcels import BEGIN_US, Clock, alert
from test_delivery import read

from dispatch.channels import webhook
from dispatch.channels.settings import Webhook
from dispatch.channels.webhook import WebhookChannel, headers, is_signed, secret
from dispatch.delivery import Attempt
from dispatch.sending import Sender
from stream.errors import ConfigurationError
from stream.memory import MemoryLog

KEY = b"a secret of thirty-two bytes ..."


class Server:
    """A receiver that drops repeats by their key, and answers as it is told to."""

    def __init__(self, answers=()):
        self.answers = list(answers)
        self.requests = []
        self.messages = {}

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/in", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/in"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _take(self, request):
        body = await request.read()
        answer = self.answers.pop(0) if self.answers else 200
        self.requests.append(dict(request.headers))
        if not is_signed(KEY, request.headers, body, BEGIN_US / 1e6):
            return web.Response(status=401)
        if answer in (200, 500, "break", "hang"):
            self.messages.setdefault(request.headers["Idempotency-Key"], body)
        if answer == "hang":
            await asyncio.sleep(30)
        if answer == "break":
            request.transport.close()
        return web.Response(status=answer if isinstance(answer, int) else 200)


def settings(url, **changes):
    return Webhook(url=url, secret_file="unused", **changes)


def attempt(number=1, timeout_s=5.0):
    message = read(alert())
    return Attempt(
        message, "hook", number, "alatau@example.org/ca.1_KZ_0/hook", False, 12.3, timeout_s
    )


async def sent_to(url, tries=1, key=KEY):
    channel = WebhookChannel(settings(url), key, Clock())
    await channel.open(lambda fact: None)
    try:
        return [await channel.send(attempt(n + 1)) for n in range(tries)]
    finally:
        await channel.close()


def test_a_message_is_posted_signed_and_with_a_key():
    async def scene():
        async with Server() as server:
            (outcome,) = await sent_to(server.url)
            return outcome, server

    outcome, server = asyncio.run(scene())
    assert (outcome.state, outcome.reason) == ("delivered", "HTTP 200")
    (request,) = server.requests
    assert request["Content-Type"] == "application/cap+xml"
    assert request["Idempotency-Key"] == '"alatau@example.org/ca.1_KZ_0/hook"'
    assert request["webhook-id"] == "alatau@example.org/ca.1_KZ_0/hook"
    assert request["Alatau-Lead-Seconds"] == "12.3"
    assert list(server.messages.values()) == [alert().value]


@pytest.mark.parametrize(
    ("answer", "reached", "final"),
    [
        (500, True, False),
        (503, True, False),
        (429, False, False),
        (302, False, False),
        (404, False, True),
        (422, False, True),
        ("break", True, False),
    ],
)
def test_what_is_not_taken(answer, reached, final):
    async def scene():
        async with Server([answer]) as server:
            return await sent_to(server.url)

    (outcome,) = asyncio.run(scene())
    assert (outcome.state, outcome.reached, outcome.final) == ("failed", reached, final)


def test_with_another_secret_it_is_refused():
    async def scene():
        async with Server() as server:
            return await sent_to(server.url, key=b"another secret of some length")

    (outcome,) = asyncio.run(scene())
    assert (outcome.reason, outcome.final) == ("HTTP 401", True)


def test_where_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (outcome,) = asyncio.run(sent_to(f"http://127.0.0.1:{port}/in"))
    assert (outcome.state, outcome.reached, outcome.final) == ("failed", False, False)


def test_a_name_that_does_not_resolve():
    (outcome,) = asyncio.run(sent_to("http://nobody.invalid/in"))
    assert (outcome.state, outcome.reached, outcome.final) == ("failed", False, False)


def test_a_dead_receiver_delays_no_other_and_gets_its_message_later():
    """One hangs, one breaks off after taking it, one refuses twice: each has it once."""

    async def scene():
        plans = {"well": [], "hangs": ["hang"], "breaks": ["break"], "busy": [503, 429]}
        servers = {name: Server(answers) for name, answers in plans.items()}
        log = MemoryLog()
        clock = Clock()
        for server in servers.values():
            await server.__aenter__()
        routes = {
            name: settings(server.url, timeout_s=0.3, retry_s=0.05)
            for name, server in servers.items()
        }
        channels = {name: WebhookChannel(route, KEY, clock) for name, route in routes.items()}
        sender = Sender(log, routes, channels, clock)
        await sender.start()
        await log.append([alert()])
        began = time.monotonic()
        when = {}
        while len(when) < len(servers) and time.monotonic() - began < 20:
            await sender.step(0.01)
            for name, way in sender.deliveries.ways("ca.1_KZ_0").items():
                if way.delivered_us is not None:
                    when.setdefault(name, time.monotonic() - began)
            clock.passes(0.05)
            await asyncio.sleep(0.01)
        await sender.stop()
        for server in servers.values():
            await server.__aexit__()
        return when, servers

    when, servers = asyncio.run(scene())
    assert set(when) == set(servers)
    assert when["well"] < when["hangs"], "the one that hangs comes last"
    assert [len(server.messages) for server in servers.values()] == [1] * 4
    assert [len(server.requests) for server in servers.values()] == [1, 2, 2, 3]


@pytest.mark.parametrize(
    ("changes", "body", "time_s"),
    [
        ({}, b"another body", 1000),
        ({}, b"body", 1301),
        ({}, b"body", 699),
        ({"webhook-id": "b"}, b"body", 1000),
        ({"webhook-id": ""}, b"body", 1000),
        ({"webhook-timestamp": "1001"}, b"body", 1000),
        ({"webhook-timestamp": "x"}, b"body", 1000),
        ({"webhook-timestamp": "9" * 5000}, b"body", 1000),
        ({"webhook-signature": ""}, b"body", 1000),
        ({"webhook-signature": "v1,"}, b"body", 1000),
    ],
)
def test_a_signature_that_is_not_right(changes, body, time_s):
    sent = headers(KEY, "a", 1000, b"body")
    assert is_signed(KEY, sent, b"body", 1000)
    assert is_signed(
        KEY, {**sent, "webhook-signature": "v1,x " + sent["webhook-signature"]}, b"body", 1000
    )
    assert not is_signed(KEY, {**sent, **changes}, body, time_s)


def test_the_signature_of_the_specification():
    """The worked example of the Standard Webhooks specification."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets_from_files(tmp_path):
    plain, coded, short = tmp_path / "plain", tmp_path / "coded", tmp_path / "short"
    plain.write_bytes(KEY + b"\n")
    coded.write_bytes(b"whsec_" + base64.b64encode(KEY))
    short.write_bytes(b"hello")
    assert secret(plain) == secret(coded) == KEY
    for path, says in ((short, "5 bytes"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(ConfigurationError, match=says):
            secret(path)
    short.write_bytes(b"whsec_????")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        secret(short)


def test_the_content_type_is_that_of_cap():
    assert webhook.CONTENT_TYPE == "application/cap+xml"
