"""Messages by MQTT 5: the newest of each event and audience is retained until it expires.

Topics are ``TOPIC/COUNTRY/AUDIENCE/EVENT``, so that ``TOPIC/KZ/#`` is all of one country, and what
one audience is told never takes the place of what another is told. Quality of service 1: the
broker confirms each message, and may have it more than once; the user property
``idempotency-key`` tells repeats. Acknowledgements (CAP Ack) come in on ``TOPIC/ack``.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dispatch.channels.channel import Tell
from dispatch.channels.settings import Mqtt
from dispatch.channels.webhook import CONTENT_TYPE
from dispatch.delivery import Attempt, Outcome
from dispatch.parcels import Parcel

__all__ = ["MqttChannel"]

PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
KEEPALIVE_S = 10  # a broker that is gone without a word is noticed after one and a half of these
SESSION_S = 3600  # so long the broker keeps acknowledgements for us while we are away

_log = logging.getLogger("alatau.dispatch")

Receive = Callable[[bytes], Awaitable[object]]
"""Takes what comes in on ``TOPIC/ack``."""


class MqttChannel:
    """One broker.

    Parameters
    ----------
    settings
        Where it is.
    now_us
        The clock: how long a message is still to be kept.
    password
        At the broker; None for none.
    tls
        How the broker is checked; None for no encryption.
    receive
        Takes acknowledgements; None: none are asked for.
    """

    once = False

    def __init__(
        self,
        settings: Mqtt,
        now_us: Callable[[], int],
        *,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        receive: Receive | None = None,
    ) -> None:
        self._settings = settings
        self._now_us = now_us
        self._password = password
        self._tls = tls
        self._receive = receive
        self._client: aiomqtt.Client | None = None
        self._staying: asyncio.Task[None] | None = None
        self._hearing: asyncio.Task[None] | None = None

    async def open(self, tell: Tell) -> None:  # noqa: ARG002 - acknowledgements go to `receive`
        """Begin to connect, and to connect again whenever the line breaks."""
        self._staying = asyncio.create_task(self._stay())

    async def close(self) -> None:
        """Leave the broker."""
        if self._staying is not None:
            self._staying.cancel()
            with suppress(asyncio.CancelledError):
                await self._staying

    def restore(self, parcels: Sequence[Parcel]) -> None:
        """Show nothing: the broker keeps what was retained."""

    async def send(self, attempt: Attempt) -> Outcome:
        """Publish a message; it is delivered when the broker confirms."""
        client = self._client
        if client is None:
            return Outcome("failed", "not connected to the broker", reached=False)
        parcel = attempt.parcel
        properties = _properties(PacketTypes.PUBLISH)
        properties.ContentType = CONTENT_TYPE
        left_s = (parcel.expires_us - self._now_us()) // 1_000_000
        properties.MessageExpiryInterval = max(left_s, 1)
        properties.UserProperty = [
            ("idempotency-key", attempt.key),
            ("attempt", str(attempt.number)),
            ("lead-seconds", f"{attempt.lead_s:.1f}"),
            ("status", parcel.status),
        ]
        levels = (parcel.country, parcel.audience, parcel.event or parcel.chain)
        topic = "/".join((self._settings.topic, *map(_level, levels)))
        try:
            await client.publish(topic, parcel.value, qos=1, retain=True, properties=properties)
        except aiomqtt.MqttError as error:
            if client is self._client and self._hearing is not None:
                self._hearing.cancel()  # aiomqtt can take a broken line for a good one
            return Outcome("failed", f"{error}"[:300])
        return Outcome("delivered", "the broker has it")

    async def _stay(self) -> None:
        pause_s = PAUSE_S
        while True:
            try:
                async with self._made() as client:
                    if self._receive is not None:
                        await client.subscribe(f"{self._settings.topic}/ack", qos=1)
                    self._client, pause_s = client, PAUSE_S
                    await self._listen(client)
            except aiomqtt.MqttError as error:
                _log.warning("%s: %s", self._settings.host, error)
            finally:
                self._client = None
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Hear what comes, until the line breaks or something could not be sent on it."""
        hearing = self._hearing = asyncio.create_task(self._hear(client))
        try:
            await asyncio.wait({hearing})
            if not hearing.cancelled():
                hearing.result()
        finally:
            hearing.cancel()
            self._client = self._hearing = None

    async def _hear(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if self._receive is not None and isinstance(message.payload, bytes):
                await self._receive(message.payload)

    def _made(self) -> aiomqtt.Client:
        session = _properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = SESSION_S
        return aiomqtt.Client(
            self._settings.host,
            self._settings.port,
            username=self._settings.username or None,
            password=self._password,
            identifier=self._settings.client,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=self._tls,
            clean_start=False,
            properties=session,
            keepalive=KEEPALIVE_S,
            timeout=self._settings.timeout_s,
        )


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]


def _level(name: str) -> str:
    """Make one level of a topic of a name."""
    return re.sub(r"[+#/\s\0]", "_", name) or "all"
