"""The process that delivers: channels, feeds, stream and server on one log."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from detect import events
from detect.events import Earthquake
from dispatch import incoming, signature
from dispatch.channels.board import Board
from dispatch.channels.channel import Channel
from dispatch.channels.feed import NAME as FEED
from dispatch.channels.feed import FeedChannel
from dispatch.channels.mqtt import MqttChannel
from dispatch.channels.server import Server
from dispatch.channels.settings import DeliverySettings, Mqtt
from dispatch.channels.webhook import WebhookChannel, secret
from dispatch.channels.websocket import Stream
from dispatch.delivery import fits
from dispatch.facts import Fact, Sources
from dispatch.incoming import Gate
from dispatch.parcels import ParcelError, parcel
from dispatch.reception import Reception
from dispatch.sending import LONGEST, Sender
from dispatch.signature import Pins
from stream.errors import ConfigurationError
from stream.log import Log
from stream.records import Record
from stream.topics import ALERTS, EVENTS, Topic

__all__ = ["Desk", "Secrets", "deliver", "secrets"]

LIMIT = 1000
LOOK_S = 0.05  # between two looks at events and messages that others deliver

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Secrets(Struct, frozen=True):
    """What stands in files beside the configuration, read once."""

    webhooks: dict[str, bytes]
    mqtt: dict[str, str | None]
    tls: dict[str, ssl.SSLContext | None]
    pins: Pins


def secrets(settings: DeliverySettings, folder: Path) -> Secrets:
    """Read secrets, passwords and certificates.

    Parameters
    ----------
    folder
        Of the configuration: file names are relative to it.

    Raises
    ------
    ConfigurationError
        If one cannot be read.
    """
    channels = settings.channels
    return Secrets(
        webhooks={n: secret(folder / w.secret_file) for n, w in channels.webhooks.items()},
        mqtt={n: _password(folder, m) for n, m in channels.mqtt.items()},
        tls={n: _tls(folder, m) for n, m in channels.mqtt.items()},
        pins=signature.pinned(
            {who: [folder / f for f in files] for who, files in settings.signature.pinned.items()}
        ),
    )


def _password(folder: Path, broker: Mqtt) -> str | None:
    if not broker.password_file:
        return None
    path = folder / broker.password_file
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the password cannot be read: {error}", remedy="Name a file that holds it.", file=path
        ) from error


def _tls(folder: Path, broker: Mqtt) -> ssl.SSLContext | None:
    if not broker.tls:
        return None
    path = folder / broker.ca_file if broker.ca_file else None
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificates cannot be read: {error}",
            remedy="Name a file with certificates (PEM).",
            file=path,
        ) from error


class _Follower:
    """Reads a topic from a time on, all partitions, as it grows; repeats included."""

    def __init__(self, log: Log, topic: Topic) -> None:
        self._log = log
        self._topic = topic.name
        self._next: dict[int, int] = {}

    async def begin(self, since_ms: int) -> None:
        for partition in range(self._log.partitions(self._topic)):
            offset = await self._log.offset_for_time(self._topic, partition, since_ms)
            self._next[partition] = offset

    async def fresh(self) -> list[Record]:
        found: list[Record] = []
        for partition, offset in self._next.items():
            while records := await self._log.read(self._topic, partition, offset, LIMIT):
                found += records
                offset = self._next[partition] = records[-1].offset + 1
        return found


class Desk:
    """Everything that delivers, on one log.

    Parameters
    ----------
    log
        Where messages, events and facts are.
    settings, opened
        Channels and server; the secrets of both.
    now_us
        The clock: microseconds since 1970 UTC.
    """

    def __init__(
        self, log: Log, settings: DeliverySettings, opened: Secrets, now_us: Callable[[], int]
    ) -> None:
        channels = settings.channels
        is_served = settings.server.port > 0
        self._settings = settings
        self._now_us = now_us
        self.board = Board(
            stale_s=channels.feed.sources_stale_s,
            least=channels.feed.sources_least,
            events_s=channels.feed.events_h * 3600,
        )
        has_feed, has_stream = channels.feed.enabled, channels.websocket.enabled
        self._feed = FeedChannel(self.board, now_us) if is_served and has_feed else None
        self._stream = Stream(channels.websocket) if is_served and has_stream else None
        self._gate = Gate(opened.pins, unsigned=settings.signature.unsigned)
        routes = channels.routes()
        if not is_served:
            routes.pop(FEED, None)
        senders = {who: name for name, route in routes.items() for who in route.acknowledged_by}
        reception = Reception(self._gate, log, self._tell, now_us, senders)
        self.sender = Sender(
            log,
            routes,
            self._channels(opened, reception),
            now_us,
            self._heard,
        )
        self.server = Server(
            settings.server,
            channels.feed,
            self.board,
            stream=self._stream,
            channel=self._feed,
            delays=lambda: self.sender.deliveries.delays,
            reception=reception,
            secrets=opened.webhooks,
            now_us=now_us,
        )
        self._alerts = _Follower(log, ALERTS)
        self._events = _Follower(log, EVENTS)

    def _channels(self, opened: Secrets, reception: Reception) -> dict[str, Channel]:
        made: dict[str, Channel] = {}
        settings = self._settings.channels
        shared = ssl.create_default_context() if settings.webhooks else None
        for name, webhook in settings.webhooks.items():
            made[name] = WebhookChannel(webhook, opened.webhooks[name], self._now_us, shared)
        for name, broker in settings.mqtt.items():
            made[name] = MqttChannel(
                broker,
                self._now_us,
                password=opened.mqtt[name],
                tls=opened.tls[name],
                receive=partial(reception.take, channel=name),
            )
        if self._feed is not None:
            made[FEED] = self._feed
        return made

    def _tell(self, fact: Fact) -> None:
        self.sender.tell(fact)

    def _heard(self, fact: Fact) -> None:
        if isinstance(fact, Sources):
            self.board.hear(fact)

    async def start(self) -> None:
        """Read what stands, then listen: nobody is shown an empty feed that only began."""
        now_us = self._now_us()
        since_ms = now_us // 1000 - int(LONGEST.total_seconds() * 1000)
        await self._alerts.begin(since_ms)
        hours_ms = int(self._settings.channels.feed.events_h * 3_600_000)
        await self._events.begin(min(since_ms, now_us // 1000 - hours_ms))
        await self.sender.start()
        await self._look(is_begin=True)
        await self.sender.step()
        if self._settings.server.port:
            await self.server.start()

    async def step(self, seconds: float = 0.0) -> None:
        """Send what is due, show what is new."""
        await self.sender.step(seconds)
        await self._look(is_begin=False)

    async def stop(self) -> None:
        """Let what is under way end, and send everyone away."""
        if self._settings.server.port:
            await self.server.stop()
        await self.sender.stop()

    async def _look(self, *, is_begin: bool) -> None:
        """Show what has come. A second process that stands by shows the same as the first."""
        feed = self._settings.channels.feed
        for record in await self._alerts.fresh():
            with suppress(ParcelError):  # the sender puts it into `rejects`
                message = parcel(record)
                if self._feed is not None and fits(message, feed):
                    self.board.put(message)
                else:
                    self.board.put_elsewhere(message)
        for record in await self._events.fresh():
            try:
                event = events.decode(record.value)
            except _UNREADABLE:
                with suppress(*_UNREADABLE):
                    self._gate.note(incoming.decode(record.value))
                continue
            if not isinstance(event, Earthquake):
                continue
            if self.board.see(event) and self._stream is not None:
                if is_begin:
                    self._stream.know(event)
                else:
                    self._stream.push(event)
        self.board.sweep(self._now_us())


async def deliver(
    log: Log,
    settings: DeliverySettings,
    opened: Secrets,
    now_us: Callable[[], int],
    stop: asyncio.Event,
) -> None:
    """Deliver until `stop` is set; runs as a worker of its own, or beside the stages of one."""
    desk = Desk(log, settings, opened, now_us)
    await desk.start()
    try:
        while not stop.is_set():
            await desk.step(LOOK_S)
    finally:
        await desk.stop()
