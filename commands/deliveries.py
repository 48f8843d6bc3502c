"""The command that delivers, and what delivers inside `alatau run`."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

from commands.brokers import on_kafka
from commands.serving import serve
from commands.terminal import Config, Kafka, MetricsPort, terminal
from commands.wiring import Configuration, folder
from dispatch import deliver as delivery
from stream import settings
from stream.log import Log

__all__ = ["Delivering", "deliver", "delivering", "now_us", "ways"]

Delivering = Callable[[Log, asyncio.Event], Coroutine[None, None, None]]
"""Delivers what stands on a log until the event is set."""


def now_us() -> int:
    """Return the time by this machine's clock, microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def deliver(config: Config = None, kafka: Kafka = None, metrics_port: MetricsPort = None) -> None:
    """Bring the warnings on Kafka to their receivers. A second one stands by and takes over.

    Webhooks, MQTT, and a server of feeds (CAP Atom, GeoJSON, QuakeML), status and the stream of
    events, as [delivery] says. Exit code: 0 when stopped, 1 if it cannot go on, 2 if the
    configuration cannot be used.
    """
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    to = delivering(configuration, config)
    if to is None:
        raise settings.misfit(
            config,
            ("delivery", "channels"),
            "there is nobody to deliver to",
            "Name a webhook or an MQTT broker in [delivery.channels], or a port in "
            "[delivery.server].",
        )
    terminal.print(ways(configuration), markup=False)
    stop = asyncio.Event()
    serve(configuration, config, (), metrics_port, stop, [lambda log: to(log, stop)])


def delivering(configuration: Configuration, config: Path | None) -> Delivering | None:
    """Return what delivers; None if there is nobody to deliver to.

    Raises
    ------
    ConfigurationError
        If a secret or a certificate cannot be read.
    """
    wanted = configuration.delivery
    if not _names(configuration):
        return None
    opened = delivery.secrets(wanted, folder(config))
    return lambda log, stop: delivery.deliver(log, wanted, opened, now_us, stop)


def _names(configuration: Configuration) -> list[str]:
    channels, port = configuration.delivery.channels, configuration.delivery.server.port
    server = f"http://{configuration.delivery.server.host}:{port}"
    return [*channels.webhooks, *channels.mqtt, *([server] if port else [])]


def ways(configuration: Configuration) -> str:
    """Say who is delivered to, and which of our messages nobody takes."""
    names = _names(configuration)
    if not names:
        return "Nobody is delivered to: no webhook, MQTT broker or server is set ([delivery])."
    said = f"Delivering to {', '.join(names)}."
    status = configuration.dispatch.status
    has_feed = configuration.delivery.server.port > 0
    routes = configuration.delivery.channels.routes()
    taking = [n for n, r in routes.items() if (n != "feed" or has_feed) and status in r.statuses]
    if not taking:
        said += (
            f"\nNo channel takes messages of status {status}, which ours are: name it in its "
            "`statuses`."
        )
    return said
