"""How the topics lie on Kafka: what is made, and what is wrong with what is there."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from msgspec import Struct

from stream.kafka_settings import KafkaSettings
from stream.topics import ALL, LEDGER, OBSERVATIONS, WAVEFORMS

__all__ = ["Found", "Layout", "differences", "layouts"]

HOUR_MS = 3_600_000
FOR_EVER = -1


class Layout(Struct, frozen=True):
    """One topic as it shall be.

    Attributes
    ----------
    name
        Without the prefix.
    partitions, replication, in_sync
        As Kafka calls them; in_sync is min.insync.replicas.
    retention_ms
        How long a record is kept after its arrival; -1 for ever.
    least_ms
        The least retention with which the state of a stage can be rebuilt.
    max_bytes
        Largest batch that the topic takes.
    """

    name: str
    partitions: int
    replication: int
    in_sync: int
    retention_ms: int
    least_ms: int
    max_bytes: int

    def configuration(self) -> dict[str, str]:
        """Return the topic's settings in Kafka's words."""
        return {
            "cleanup.policy": "delete",
            "message.timestamp.type": "CreateTime",
            "min.insync.replicas": str(self.in_sync),
            "retention.ms": str(self.retention_ms),
            "retention.bytes": "-1",
            "max.message.bytes": str(self.max_bytes),
        }


class Found(Struct, frozen=True):
    """One topic as it is: its partitions, the fewest replicas of one, and its settings."""

    partitions: int
    replication: int
    configuration: Mapping[str, str]


def layouts(
    settings: KafkaSettings, memories: Mapping[str, timedelta], countries: Iterable[str]
) -> list[Layout]:
    """Lay out every topic.

    Parameters
    ----------
    settings
        Partitions, replication and retention.
    memories
        By topic, how far back the stage that reads it must be able to read.
    countries
        Names of the topics of single countries.
    """
    kept_h = {
        WAVEFORMS.name: settings.waveforms_h,
        OBSERVATIONS.name: settings.observations_h,
        LEDGER.name: FOR_EVER,
    }
    made = []
    for name in [*(topic.name for topic in ALL), *countries]:
        hours = kept_h.get(name, settings.results_h)
        made.append(
            Layout(
                name=name,
                partitions=settings.waveform_partitions if name == WAVEFORMS.name else 1,
                replication=settings.replication,
                in_sync=settings.in_sync,
                retention_ms=FOR_EVER if hours < 0 else int(hours * HOUR_MS),
                least_ms=memories.get(name, timedelta(0)) // timedelta(milliseconds=1),
                max_bytes=settings.max_value_bytes + 100_000,
            )
        )
    return made


def differences(wanted: Layout, found: Found | None) -> list[str]:
    """Say what is wrong with a topic, each with what would put it right; empty if nothing is."""
    if found is None:
        return ["is not there: alatau topics create"]
    wrong = []
    if found.partitions != wanted.partitions:
        wrong.append(
            f"has {found.partitions} partitions, not {wanted.partitions}: more would move the keys "
            "of what is kept, so stop all stages, delete the topic and create it anew, or set "
            "stream.kafka.waveform_partitions to what is there"
        )
    if found.replication < wanted.replication:
        wrong.append(
            f"lies on {found.replication} brokers, not {wanted.replication}: "
            "kafka-reassign-partitions"
        )
    configuration = found.configuration
    retention_ms = int(configuration.get("retention.ms", FOR_EVER))
    if 0 <= retention_ms < wanted.least_ms:
        wrong.append(
            f"keeps {retention_ms / 1000:.0f} s, but the state of the stage that reads it is made "
            f"of {wanted.least_ms / 1000:.0f} s: raise retention.ms"
        )
    if configuration.get("cleanup.policy") != "delete":
        wrong.append("is compacted, so records go missing: set cleanup.policy=delete")
    if configuration.get("message.timestamp.type") != "CreateTime":
        wrong.append("loses the arrival times: set message.timestamp.type=CreateTime")
    if int(configuration.get("min.insync.replicas", 1)) < wanted.in_sync:
        wrong.append(
            f"takes values that one broker holds: set min.insync.replicas={wanted.in_sync}"
        )
    if int(configuration.get("max.message.bytes", 0)) < wanted.max_bytes:
        wrong.append(f"refuses large values: set max.message.bytes={wanted.max_bytes}")
    return wrong


def kept_too_short(wanted: Layout) -> bool:
    """Whether the retention that is asked for is less than a stage's state is made of."""
    return 0 <= wanted.retention_ms < wanted.least_ms
