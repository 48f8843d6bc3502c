"""The log on Apache Kafka, for a centre.

aiokafka's ways that matter here: an exception in a rebalance callback is logged and swallowed,
so the callbacks only note that a turn has begun; after a rebalance every partition is read
from wherever the client thinks, so nothing is handed out before `seek`.
"""

import asyncio
import logging
import os
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, for_code
from aiokafka.partitioner import murmur2
from aiokafka.structs import OffsetAndMetadata

from stream.instep import SPAN_MS, InStep
from stream.kafka_settings import KafkaSettings
from stream.layout import Found, Layout, layouts
from stream.log import Committed, LogError
from stream.records import Output, Record
from stream.rejects import refuse
from stream.topics import ALERTS

__all__ = ["KafkaLog", "KafkaMember", "connection"]

BATCH_BYTES = 900_000  # below the brokers' usual limit of a batch
FETCH_BYTES = 4_000_000  # read ahead of a partition: bounds the memory of a slow stage
READ_S = 10.0  # a record that is said to be there and has not come by then
AGAIN_S = 0.1
IDLE_S = 0.05  # between two looks whether something has been appended

_UNKNOWN = -1

_log = logging.getLogger("alatau.stream")

T = TypeVar("T")


def connection(settings: KafkaSettings, folder: Path) -> dict[str, object]:
    """Return the keyword arguments with which every client connects.

    Parameters
    ----------
    settings
        Where and as whom.
    folder
        What relative file names are relative to.

    Raises
    ------
    OSError, ssl.SSLError
        If a certificate, a key or the password cannot be read.
    """
    arguments: dict[str, object] = {
        "bootstrap_servers": settings.bootstrap,
        # kafka-consumer-groups --describe then tells which process has which partition
        "client_id": f"alatau-{socket.gethostname()}-{os.getpid()}",
        "security_protocol": ("SASL_" if settings.sasl else "")
        + ("SSL" if settings.tls else "PLAINTEXT"),
        "request_timeout_ms": int(settings.request_s * 1000),
    }
    if settings.tls:
        context = ssl.create_default_context(
            cafile=str(folder / settings.ca_file) if settings.ca_file else None
        )
        if settings.cert_file:
            context.load_cert_chain(folder / settings.cert_file, folder / settings.key_file)
        arguments["ssl_context"] = context
    if settings.sasl:
        password = (folder / settings.password_file).read_text(encoding="utf-8").strip()
        arguments["sasl_mechanism"] = settings.sasl
        arguments["sasl_plain_username"] = settings.username
        arguments["sasl_plain_password"] = password
    return arguments


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except (KafkaError, OSError) as error:
        raise LogError(f"Kafka: {what} failed: {error or type(error).__name__}") from error


@lru_cache(maxsize=200_000)
def _partition(key: bytes, partitions: int) -> int:
    """Place a key as Kafka's own clients do; cached, for in Python it costs 2 us."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions


def _record(prefix: int, found: ConsumerRecord) -> Record:
    return Record(
        found.topic[prefix:],
        found.partition,
        found.offset,
        found.timestamp,
        found.key or b"",
        found.value or b"",
        tuple(found.headers),
    )


def _too_large(output: Output) -> Output:
    """Make the reject of a value that no broker would take: trying again would stop the stage."""
    return refuse(
        f"{output.topic}: {output.key.decode('ascii', 'backslashreplace')}",
        "too large for the log",
        f"{len(output.value)} bytes",
        output.value,
        number=output.cause,
        arrival_ms=output.timestamp,
    )


class KafkaLog:
    """Topics on Kafka. Make it with `KafkaLog.opened`.

    Values are written idempotently and count as written when all in-sync replicas have them.
    Everything raises `LogError` if the brokers do not answer for `request_s`.
    """

    def __init__(self, settings: KafkaSettings, arguments: Mapping[str, object]) -> None:
        self._settings = settings
        self._arguments = dict(arguments)
        self._prefix = settings.prefix
        self._counts: dict[str, int] = {}
        self._looker: AIOKafkaConsumer
        self._looking = asyncio.Lock()
        self._next: dict[TopicPartition, int] = {}
        self._producer: AIOKafkaProducer
        self._admin: AIOKafkaAdminClient
        self._ends: dict[TopicPartition, int] | None = None

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, settings: KafkaSettings, folder: Path | None = None
    ) -> AsyncIterator["KafkaLog"]:
        """Connect; everything is closed at the end.

        Parameters
        ----------
        settings
            Where the brokers are.
        folder
            What relative file names in the settings are relative to.

        Raises
        ------
        LogError
            If no broker answers, or refuses us.
        """
        with _asking("reading certificates and password"):
            arguments = connection(settings, folder or Path())
        log = cls(settings, arguments)
        try:
            await log._start()
            yield log
        finally:
            await log._close()

    async def _start(self) -> None:
        with _asking(f"connecting to {self._settings.bootstrap}"):
            self._producer = AIOKafkaProducer(
                acks="all",
                enable_idempotence=True,
                max_batch_size=BATCH_BYTES,
                max_request_size=self._settings.max_value_bytes + 100_000,
                **self._arguments,
            )
            self._looker = AIOKafkaConsumer(
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=FETCH_BYTES,
                fetch_max_wait_ms=50,
                **self._arguments,
            )
            self._admin = AIOKafkaAdminClient(**self._arguments)
            await self._looker.start()
            await self._producer.start()
            await self._admin.start()
        await self._learn_topics()

    async def _close(self) -> None:
        for name in ("_producer", "_looker"):
            client = getattr(self, name, None)
            if client is not None:
                await client.stop()
        admin = getattr(self, "_admin", None)
        if admin is not None:
            await admin.close()

    async def _learn_topics(self) -> None:
        with _asking("listing topics"):
            for found in await self._admin.describe_topics():
                name = found["topic"]
                if name.startswith(self._prefix):
                    self._counts[name[len(self._prefix) :]] = len(found["partitions"])

    async def _find(self, topic: str) -> None:
        """Look for a topic that was not there; one of a single country's warnings is made.

        A country that nobody thought of must not stop the warnings of all others.
        """
        await self._learn_topics()
        if topic not in self._counts and topic.startswith(f"{ALERTS.name}."):
            _log.warning("the topic %s%s was not there: it is made", self._prefix, topic)
            await self.create(layouts(self._settings, {}, [topic])[-1:])

    def partitions(self, topic: str) -> int:
        """Count the partitions of a topic.

        Raises
        ------
        LogError
            If there is no such topic.
        """
        try:
            return self._counts[topic]
        except KeyError:
            raise LogError(
                f"Kafka has no topic {self._prefix}{topic}. Make the topics first: "
                "alatau topics create"
            ) from None

    def _place(self, topic: str, partition: int) -> TopicPartition:
        self.partitions(topic)
        return TopicPartition(self._prefix + topic, partition)

    async def append(self, outputs: Sequence[Output]) -> None:
        """Append in the order given; return when every value stands on all in-sync replicas."""
        shares: dict[TopicPartition, list[Output]] = defaultdict(list)
        for each in outputs:
            output = each
            if len(output.value) > self._settings.max_value_bytes:
                output = _too_large(each)
            if output.topic not in self._counts:
                await self._find(output.topic)
            count = self.partitions(output.topic)
            partition = _partition(output.key, count)
            shares[TopicPartition(self._prefix + output.topic, partition)].append(output)
        with _asking("writing"):
            await asyncio.gather(*[self._write(place, share) for place, share in shares.items()])

    async def _write(self, place: TopicPartition, outputs: Sequence[Output]) -> None:
        """Write to one partition, whole batches at a time: 4 times cheaper than by value."""
        batches = [self._producer.create_batch()]
        for output in outputs:
            while not batches[-1].append(
                timestamp=output.timestamp,
                key=output.key,
                value=output.value,
                headers=list(output.headers),
            ):
                batches.append(self._producer.create_batch())
        topic, partition = place
        written = [
            await self._producer.send_batch(batch, topic, partition=partition) for batch in batches
        ]
        await asyncio.gather(*written)

    async def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Record]:
        """Return up to `limit` records from `offset` on; empty when there is nothing yet."""
        place = self._place(topic, partition)
        async with self._looking:
            with _asking(f"reading {topic}"):
                begin = (await self._looker.beginning_offsets([place]))[place]
                end = (await self._looker.end_offsets([place]))[place]
                offset = max(offset, begin)
                if offset >= end:
                    return []
                self._look_at(place, offset)
                found: list[ConsumerRecord] = []
                until = time.monotonic() + READ_S
                while len(found) < limit and self._next[place] < end:
                    if time.monotonic() > until:
                        break
                    got = await self._looker.getmany(
                        place, timeout_ms=100, max_records=limit - len(found)
                    )
                    found += got.get(place, [])
                    self._next[place] = await self._looker.position(place)
        return [_record(len(self._prefix), each) for each in found]

    def _look_at(self, place: TopicPartition, offset: int) -> None:
        """Read a partition from an offset on; where that is next already, nothing is dropped."""
        if place not in self._next:
            self._next[place] = _UNKNOWN
            self._looker.assign(list(self._next))
            for other, position in self._next.items():
                if other != place and position != _UNKNOWN:
                    self._looker.seek(other, position)
        if self._next[place] != offset:
            self._looker.seek(place, offset)
            self._next[place] = offset

    async def create(self, layouts: Sequence[Layout]) -> list[str]:
        """Make the topics that are not there; return their names."""
        await self._learn_topics()
        missing = [layout for layout in layouts if layout.name not in self._counts]
        if missing:
            with _asking("creating topics"):
                made = await self._admin.create_topics(
                    [
                        NewTopic(
                            self._prefix + layout.name,
                            layout.partitions,
                            layout.replication,
                            topic_configs=layout.configuration(),
                        )
                        for layout in missing
                    ]
                )
                for name, code, message in made.topic_errors:
                    if code:
                        raise for_code(code)(f"{name}: {message}")
            until = time.monotonic() + READ_S
            while not {layout.name for layout in missing} <= self._counts.keys():
                if time.monotonic() > until:
                    raise LogError("Kafka: the new topics do not appear")
                await asyncio.sleep(IDLE_S)
                await self._learn_topics()
        return [layout.name for layout in missing]

    async def describe(self, topics: Sequence[str]) -> dict[str, Found]:
        """Return how topics lie; those that are not there are left out."""
        await self._learn_topics()
        there = [topic for topic in topics if topic in self._counts]
        if not there:
            return {}
        with _asking("describing topics"):
            described = await self._admin.describe_topics([self._prefix + t for t in there])
            answers = await self._admin.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, self._prefix + t) for t in there]
            )
        settings: dict[str, dict[str, str]] = {}
        for answer in answers:
            for _, _, _, name, entries in answer.resources:
                settings[name] = {entry[0]: entry[1] for entry in entries}
        found = {}
        for each in described:
            name, partitions = each["topic"], each["partitions"]
            replication = min(len(partition["replicas"]) for partition in partitions)
            found[name[len(self._prefix) :]] = Found(
                len(partitions), replication, settings.get(name, {})
            )
        return found

    async def begin(self, topic: str, partition: int) -> int:
        """Return the oldest offset still kept."""
        place = self._place(topic, partition)
        with _asking(f"asking where {topic} begins"):
            offsets: dict[TopicPartition, int] = await self._looker.beginning_offsets([place])
        return offsets[place]

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will have."""
        place = self._place(topic, partition)
        with _asking(f"asking where {topic} ends"):
            offsets: dict[TopicPartition, int] = await self._looker.end_offsets([place])
        return offsets[place]

    async def offset_for_time(self, topic: str, partition: int, timestamp: int) -> int:
        """Return the first kept offset with an arrival of `timestamp` (ms) or later, or the end."""
        place = self._place(topic, partition)
        with _asking(f"asking {topic} for a time"):
            found = (await self._looker.offsets_for_times({place: max(timestamp, 0)}))[place]
        if found is None:
            return await self.end(topic, partition)
        offset: int = found.offset
        return offset

    async def committed(self, group: str, topic: str, partition: int) -> Committed | None:
        """Return how far a group has come; None before its first commit."""
        place = self._place(topic, partition)
        with _asking(f"asking how far {group} has come"):
            found = await self._patiently(
                lambda: self._admin.list_consumer_group_offsets(
                    self._prefix + group, partitions=[place]
                )
            )
        position = found.get(place)
        if position is None or position.offset < 0:
            return None
        return Committed(position.offset, int(position.metadata or 0))

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again while a broker is being replaced: the admin client does not do so itself."""
        until = time.monotonic() + self._settings.request_s
        while True:
            try:
                return await ask()
            except KafkaError as error:
                if not error.retriable or time.monotonic() > until:
                    raise
            await asyncio.sleep(AGAIN_S)

    async def join(self, group: str, topic: str) -> "KafkaMember":
        """Become a member of a group that reads a topic."""
        if topic not in self._counts:
            await self._learn_topics()
        self.partitions(topic)
        session_ms = int(self._settings.session_s * 1000)
        consumer = AIOKafkaConsumer(
            group_id=self._prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[StickyPartitionAssignor],
            max_partition_fetch_bytes=FETCH_BYTES,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 5,
            max_poll_interval_ms=600_000,
            fetch_max_wait_ms=50,
            **self._arguments,
        )
        span_ms = SPAN_MS if self.partitions(topic) > 1 else None
        member = KafkaMember(consumer, self._prefix, topic, span_ms)
        with _asking(f"joining {group}"):
            await member.start()
        return member

    async def wait(self, seconds: float) -> None:
        """Return when something has been appended, by anyone, or after `seconds`."""
        until = time.monotonic() + seconds
        places = [
            TopicPartition(self._prefix + topic, partition)
            for topic, count in self._counts.items()
            for partition in range(count)
        ]
        before = self._ends or dict.fromkeys(places, 0)
        while True:
            with _asking("looking for something new"):
                self._ends = await self._looker.end_offsets(places)
            rest = until - time.monotonic()
            if before != self._ends or rest <= 0:
                return
            await asyncio.sleep(min(IDLE_S, rest))


class KafkaMember(ConsumerRebalanceListener):  # type: ignore[misc]
    """One worker of a consumer group; what it reads at a time spans at most `span_ms`."""

    def __init__(
        self, consumer: AIOKafkaConsumer, prefix: str, topic: str, span_ms: int | None
    ) -> None:
        self._consumer = consumer
        self._prefix = len(prefix)
        self._topic = prefix + topic
        self._turns: dict[int, int] = {}
        self._turn = 0
        self._next: dict[int, int] = {}
        self._waiting = InStep()
        self._span_ms = span_ms

    async def start(self) -> None:
        """Connect, and wait for the first partitions or for being told that there are none."""
        self._consumer.subscribe([self._topic], listener=self)
        await self._consumer.start()
        joined = time.monotonic() + 60.0
        while not self._turn and time.monotonic() < joined:
            await self._consumer.getmany(timeout_ms=100)

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002
        """End the turn: nothing is read until the next one."""
        self._next.clear()
        self._waiting.clear()

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin a turn; what is read is asked for by `seek`."""
        self._turn += 1
        self._next.clear()
        self._waiting.clear()
        self._turns = {place.partition: self._turn for place in assigned}
        self._consumer.pause(*assigned)

    def turns(self) -> Mapping[int, int]:
        """Return the partitions that are its own now, each with the number of its turn."""
        return self._turns

    def seek(self, partition: int, offset: int) -> None:
        """Say where a partition of its own is read from."""
        place = TopicPartition(self._topic, partition)
        try:
            self._consumer.seek(place, offset)
            self._consumer.resume(place)
        except IllegalStateError:
            return  # a rebalance is on: the next turn asks again
        self._next[partition] = offset
        self._waiting.forget(partition)

    async def read(self, limit: int, seconds: float) -> dict[int, list[Record]]:
        """Return what comes next; waits up to `seconds` for the first."""
        waiting = self._waiting
        asked = [TopicPartition(self._topic, p) for p in self._next if not waiting.has(p)]
        if asked or not self._next:
            with _asking("reading"):
                found = await self._consumer.getmany(
                    *asked,
                    timeout_ms=0 if waiting else int(seconds * 1000),
                    max_records=limit * max(1, len(asked)),
                )
            for place, records in found.items():
                if place.partition in self._next:
                    read = [_record(self._prefix, each) for each in records]
                    waiting.hold({place.partition: read})
        batches = waiting.take(limit, self._span_ms)
        for partition, batch in batches.items():
            self._next[partition] = batch[-1].offset + 1
        return batches

    def behind(self, partition: int) -> int:
        """Return how many records are known to follow what has been read."""
        if partition not in self._next:
            return 0
        end = self._consumer.highwater(TopicPartition(self._topic, partition))
        return 0 if end is None else max(end - self._next[partition], 0)

    async def commit(self, positions: Mapping[int, Committed]) -> bool:
        """Note how far it has come; false if a turn was over before."""
        offsets = {
            TopicPartition(self._topic, partition): OffsetAndMetadata(
                committed.offset, str(committed.arrival)
            )
            for partition, committed in positions.items()
        }
        if not positions.keys() <= self._next.keys():
            return False
        try:
            with _asking("committing"):
                await self._consumer.commit(offsets)
        except LogError as error:
            if isinstance(error.__cause__, CommitFailedError | IllegalStateError):
                return False
            raise
        return True

    async def leave(self) -> None:
        """Leave the group: what was its own goes to the others at once."""
        await self._consumer.stop()
