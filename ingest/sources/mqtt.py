"""Readings by MQTT 5: one JSON reading, or a list of them, in a message.

A message of quality of service 1 is confirmed when its readings stand in the log. What is not
confirmed the broker sends again, and the repeat is dropped where readings are judged.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import aiomqtt
from msgspec import Struct
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.reading_intake import ReadingIntake
from ingest.sensors import Sensor
from ingest.sent import Refused, Sorted, sort_out
from ingest.settings import MqttSettings
from stream.settings import misfit
from stream.toml_lines import TomlPath

__all__ = ["MqttCounts", "MqttSource", "mqtt_source"]

FIRST_PAUSE_S = 0.5
KEEPALIVE_S = 10  # a broker that is gone without a word is noticed after one and a half of these
UNCONFIRMED = 500  # messages that the broker sends before the first of them stands in the log

_log = logging.getLogger("alatau.ingest")


class MqttCounts(Struct):
    """What has been counted of a broker since the start.

    Attributes
    ----------
    connections
        Times that it was connected to.
    messages
        That came, repeats included.
    dropped
        Of quality of service 0, while the log was behind: nobody keeps those.
    """

    connections: int = 0
    messages: int = 0
    dropped: int = 0


def mqtt_source(
    settings: MqttSettings, index: int, config: Path | None, sensors: Mapping[str, Sensor]
) -> "MqttSource":
    """Make the source of one broker, with what it needs to be trusted and to trust us.

    Parameters
    ----------
    settings, index
        The broker, and its place among ``[[ingest.mqtt]]``.
    config
        The file that it was read from: names of files are relative to its folder.
    sensors
        Those that are known, by id.

    Raises
    ------
    ConfigurationError
        If the password or the certificates cannot be read.
    """
    folder = Path() if config is None else config.parent
    place: TomlPath = ("ingest", "mqtt", index)
    tls, password = None, None
    if settings.tls:
        ca_file = folder / settings.ca_file if settings.ca_file else None
        try:
            tls = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise misfit(
                config,
                (*place, "ca_file"),
                f"{ca_file} cannot be used: {error}",
                "Name a file with certificates in PEM.",
            ) from error
    if settings.password_file:
        file = folder / settings.password_file
        try:
            password = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise misfit(
                config,
                (*place, "password_file"),
                f"{file} cannot be read: {error}",
                "Name a file that holds the password.",
            ) from error
    return MqttSource(settings, sensors, password=password, tls=tls)


class MqttSource:
    """Subscribes to a broker for as long as Alatau runs.

    Parameters
    ----------
    settings
        Which broker and what of it.
    sensors
        Those that are known, by id.
    password
        At the broker; None for none.
    tls
        How the broker is checked; None for no encryption.

    Attributes
    ----------
    counts
        What has been counted.
    """

    def __init__(
        self,
        settings: MqttSettings,
        sensors: Mapping[str, Sensor],
        *,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.counts = MqttCounts()
        self._settings = settings
        self._sensors = sensors
        self._password = password
        self._tls = tls

    async def run(self, intake: ReadingIntake, stop: asyncio.Event) -> None:
        """Hand over what comes until a stop is asked for; connect again when the line breaks."""
        staying = asyncio.create_task(self._stay(intake))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({staying, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (staying, stopping):
                task.cancel()
            await asyncio.gather(staying, stopping, return_exceptions=True)
        if not staying.cancelled():
            staying.result()

    async def _stay(self, intake: ReadingIntake) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with self._made() as client:
                    for topic in self._settings.topics:
                        await client.subscribe(topic, options=_once_retained())
                    self.counts.connections += 1
                    pause_s = FIRST_PAUSE_S
                    _log.info("%s: connected", self._settings.server)
                    async for message in client.messages:
                        self._take(client, message, intake)
            except aiomqtt.MqttError as error:
                _log.warning("%s: %s", self._settings.server, error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._settings.pause_s)

    def _take(
        self, client: aiomqtt.Client, message: aiomqtt.Message, intake: ReadingIntake
    ) -> None:
        self.counts.messages += 1
        if message.qos == 0 and intake.is_full:
            self.counts.dropped += 1
            return
        body = message.payload if isinstance(message.payload, bytes) else b""
        sender = f"mqtt {self._settings.server} {message.topic}"
        if len(body) > self._settings.largest_bytes:
            what = f"{len(body)} bytes"
            found = Sorted((), (Refused(0, sender, "too large", what, body),))
        else:
            found = sort_out(body, self._sensors, sender)
        settled = intake.offer(found)
        settled.add_done_callback(partial(_confirm, client, message.mid, message.qos))

    def _made(self) -> aiomqtt.Client:
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = self._settings.resume_s
        session.ReceiveMaximum = UNCONFIRMED
        client = aiomqtt.Client(
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
            timeout=KEEPALIVE_S,
        )
        # By itself aiomqtt confirms what nobody has stored yet; paho's client below it need not.
        client._client.manual_ack_set(True)
        return client


def _once_retained() -> SubscribeOptions:
    """Subscribe with quality of service 1; a retained reading comes with the first time alone."""
    return SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)


def _confirm(
    client: aiomqtt.Client, number: int, qos: int, settled: "asyncio.Future[None]"
) -> None:
    if not settled.cancelled():
        client._client.ack(number, qos)
