"""Disasters that cross a border: warnings go out, come back acknowledged, and the ledger tells.

From made readings to the receivers of both countries and back: webhooks and `POST /cap` over HTTP
on this machine, at the times of the scenario.
"""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from lxml import etree
from made_parcels import Clock
from test_hazard_scenarios import ACROSS, across
from test_incoming import cap

from detect import traveltimes
from dispatch import ledger, places, report
from dispatch.channels.settings import (
    ChannelSettings,
    DeliverySettings,
    ServerSettings,
    Webhook,
)
from dispatch.channels.webhook import headers, is_signed
from dispatch.deliver import Desk, secrets
from dispatch.keeper import Keeper
from dispatch.keeper import read as read_ledger
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings
from stream.memory import MemoryLog
from stream.records import Record
from stream.topics import EVENTS

S = 1_000_000
KEYS = {name: f"the secret of {name}, of 24 bytes".encode() for name in ("up", "down", "duty")}
BY = {"up": "civil-protection@up.example", "down": "civil-protection@down.example"}
AFTER_S = {"up": 20, "down": 45}  # "duty" reads nothing, and its line passes on to "radio"
PASSED_ON_S = 120.0


class Receivers:
    """The other side of all webhooks: keeps what came, in order."""

    def __init__(self, clock):
        self.came = []
        self._clock = clock

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/{name}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _take(self, request):
        body, name = await request.read(), request.match_info["name"]
        secret = KEYS["duty" if name == "radio" else name]
        assert is_signed(secret, request.headers, body, self._clock() / S)
        self.came.append((name, etree.fromstring(body)))
        return web.Response()


def channels(port, upper, lower):
    """Civil protection of both countries, and a duty officer of the lower one who sleeps."""

    def hook(name, secret, country, **more):
        return Webhook(
            url=f"http://127.0.0.1:{port}/{name}", secret_file=secret, countries=(country,), **more
        )

    late = {"acknowledge_within_s": PASSED_ON_S, "escalate_to": "radio"}
    return ChannelSettings(
        webhooks={
            "up": hook("up", "up", upper, acknowledge_within_s=PASSED_ON_S),
            "down": hook("down", "down", lower, acknowledge_within_s=PASSED_ON_S),
            "duty": hook("duty", "duty", lower, **late),
            "radio": hook("radio", "duty", lower, reserve=True),
        }
    )


def acknowledgement(name, message):
    """Make the answer of a receiver to a message that has come to it."""
    said = {tag: message.findtext(f"{{*}}{tag}") for tag in ("sender", "identifier", "sent")}
    return cap(
        identifier=f"ack-{said['identifier']}",
        sender=BY[name],
        sent=said["sent"],
        kind="Ack",
        references=",".join(said.values()),
        info="",
        note="read by the duty officer",
    )


async def told(written, upper, lower, folder):
    """Bring messages to their receivers and their answers back; return the report."""
    clock = Clock(written[0].timestamp * 1000)
    log = MemoryLog()
    for name, key in KEYS.items():
        (folder / name).write_bytes(key)
    async with Receivers(clock) as receivers, aiohttp.ClientSession() as client:
        settings = DeliverySettings(
            channels=channels(receivers.port, upper, lower), server=ServerSettings(port=1)
        )
        desk = Desk(log, settings, secrets(settings, folder), clock)
        desk.server._settings = ServerSettings(port=0)
        await desk.start()

        async def settle():
            """Let everything that is due now be sent, answered and written."""
            for _ in range(400):
                await desk.step()
                await asyncio.sleep(0.002)
                await desk.step()
                if desk.sender.is_idle:
                    return
            raise AssertionError("it does not come to rest")

        answered = 0
        for at_ms in dict.fromkeys(o.timestamp for o in written):
            now = [o for o in written if o.timestamp == at_ms]
            clock.at_us = delivered_us = max(clock(), at_ms * 1000)
            await log.append(now)
            await settle()
            came, answered = receivers.came[answered:], len(receivers.came)
            for name in AFTER_S:
                clock.at_us = delivered_us + AFTER_S[name] * S
                for body in [acknowledgement(n, m) for n, m in came if n == name]:
                    signed = {
                        "Alatau-Channel": name,
                        **headers(KEYS[name], "x", clock() // S, body),
                    }
                    url = f"http://127.0.0.1:{desk.server.port}/cap"
                    async with client.post(url, data=body, headers=signed) as answer:
                        assert (answer.status, await answer.text()) == (202, "")
            await settle()
        clock.passes(PASSED_ON_S)
        await settle()
        await desk.stop()
    keeper = Keeper(log)
    await keeper.start()
    while await keeper.step():
        pass
    records = await read_ledger(log)
    verdict = ledger.verify(records)
    assert verdict.fault is None
    return report.situation(list(ledger.entries(records)))


@pytest.mark.parametrize(("hazard", "basin", "reaches", "broke_us", "speed", "countries"), ACROSS)
def test_who_acknowledged_when_and_who_has_not(
    hazard, basin, reaches, broke_us, speed, countries, tmp_path
):
    upper, lower = (place.country for place in reaches[0].places)
    assert {upper, lower} == countries
    made, read = across(hazard, basin, reaches, broke_us, speed)
    said = [o for o in made.process(read) if o.topic == EVENTS.name]
    come = [Record(o.topic, 0, i, o.timestamp, o.key, o.value) for i, o in enumerate(said)]
    dispatch = DispatchOperator(DispatchSettings(), places.load(), traveltimes.load())
    written = sorted(dispatch.process(come), key=lambda o: o.timestamp)
    (event,) = asyncio.run(told(written, upper, lower, tmp_path)).events
    ways = {
        country: [
            (m, {w.channel: w for w in m.ways}) for m in event.messages if m.country == country
        ]
        for country in (upper, lower)
    }
    assert all(ways.values())
    for country, name in ((upper, "up"), (lower, "down")):
        for message, by_channel in ways[country]:
            way = by_channel[name]
            assert (way.state, way.arrived, way.attempts) == ("acknowledged", "once", 1), message
            assert (way.acknowledged_by, way.acknowledge_s) == (BY[name], AFTER_S[name])
    first = [
        by_channel[name].delivered
        for name, ((_, by_channel), *_) in zip(("up", "down"), ways.values(), strict=True)
    ]
    assert first[0] == first[1]
    assert event.acknowledge_s <= 60 + AFTER_S["up"]
    for _, by_channel in ways[lower]:
        way = by_channel["duty"]
        assert (way.state, way.acknowledged, way.acknowledged_by) == ("delivered", None, "")
    last = ways[lower][-1][1]
    assert (last["duty"].escalated_to, last["radio"].state) == ("radio", "delivered")
    assert "duty" not in ways[upper][0][1]
