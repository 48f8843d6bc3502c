"""How commands find Kafka, and the commands about its topics."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from msgspec.structs import replace

from commands.terminal import FAILED, Config, Kafka, complaints, terminal
from commands.wiring import NO_CHANNELS, Configuration, pipeline
from dispatch import places
from dispatch.sending import LONGEST
from dispatch.service import country_topic
from stream import settings
from stream.errors import AlatauError
from stream.layout import differences, layouts
from stream.topics import ALERTS, FACTS

if TYPE_CHECKING:
    from stream.kafka import KafkaLog

__all__ = ["app", "on_kafka", "opened"]

app = typer.Typer(no_args_is_help=True, help="Make or check the topics on Kafka.")


def on_kafka(configuration: Configuration, kafka: str | None) -> Configuration:
    """Put the brokers of the command line in place of those of the configuration."""
    if kafka is None:
        return configuration
    there = replace(configuration.stream.kafka, bootstrap=kafka)
    return replace(configuration, stream=replace(configuration.stream, kafka=there))


def opened(
    configuration: Configuration, config: Path | None
) -> Callable[[], AbstractAsyncContextManager["KafkaLog"]]:
    """Return what opens the log on Kafka.

    Raises
    ------
    ConfigurationError
        If no brokers are named.
    """
    from stream.kafka import KafkaLog  # with aiokafka: not needed for the log in memory

    kafka = configuration.stream.kafka
    if not kafka.bootstrap:
        raise settings.misfit(
            config,
            ("stream", "kafka", "bootstrap"),
            "no Kafka brokers are named",
            "Give --kafka HOST:PORT, or write [stream.kafka] with bootstrap into a file.",
        )
    folder = Path() if config is None else config.parent
    return lambda: KafkaLog.opened(kafka, folder)


@app.command("create")
def topics_create(config: Config = None, kafka: Kafka = None) -> None:
    """Make the topics that are not there yet. What is there is left as it is."""
    _say_topics(config, kafka, create=True)


@app.command("check")
def topics_check(config: Config = None, kafka: Kafka = None) -> None:
    """Check partitions, replication and retention. Exit code: 0 if all is well, else 1."""
    _say_topics(config, kafka, create=False)


def _say_topics(config: Path | None, kafka: str | None, *, create: bool) -> None:
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    stages = pipeline(configuration, NO_CHANNELS, config)
    memories = {ALERTS.name: LONGEST, FACTS.name: LONGEST}
    for stage in stages:
        topic = stage.reads.name
        memories[topic] = max(memories.get(topic, timedelta(0)), stage.make(0).memory)
    wanted = layouts(
        configuration.stream.kafka, memories, map(country_topic, sorted(places.countries()))
    )
    open_log = opened(configuration, config)

    async def say() -> bool:
        wrong = False
        async with open_log() as log:
            if create:
                made = await log.create(wanted)
                terminal.print(f"{len(made)} topics made, {len(wanted) - len(made)} were there.")
            found = await log.describe([layout.name for layout in wanted])
        for layout in wanted:
            for problem in differences(layout, found.get(layout.name)):
                terminal.print(f"{layout.name} {problem}", style="red", markup=False)
                wrong = True
        return wrong

    try:
        wrong = asyncio.run(say())
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error
    if wrong:
        raise typer.Exit(FAILED)
    terminal.print("All topics are as they should be.")
