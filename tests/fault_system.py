"""The system that is hurt: topics on real brokers, workers as processes, and a source.

Workers are what an operator would start: ``alatau detect --config FILE``. They die with the
process that started them.
"""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from alatau import Configuration, pipeline
from stream import settings
from stream.kafka import KafkaLog
from stream.log import Log, LogError
from stream.operator import Stage
from stream.records import Output, Record
from stream.topics import DETECTIONS, EVENTS, WAVEFORMS
from tests.fault_feed import Feed, outputs
from tests.fault_watch import Watch
from tests.kafka_cluster import Cluster

__all__ = ["READS", "DidNotGoOn", "System", "Worker"]

READS = {"detect": WAVEFORMS, "locate": DETECTIONS, "dispatch": EVENTS}
"""Each stage's name, and the topic that it reads."""

ROOT = Path(__file__).parents[1]
SLICE_S = 0.1  # of this machine's time, between two appends of the source
STOP_S = 15.0  # for a worker to end after SIGTERM
LOOK_S = 0.2
CALM_S = 1.0  # all read for so long: nothing more comes
PATIENCE_S = 240.0


class DidNotGoOn(Exception):  # noqa: N818
    """Something that was waited for did not happen; says what."""


class Worker:
    """One process of a stage.

    Parameters
    ----------
    stage
        Its name.
    options
        Of the command line.
    log
        Gets what it says.
    """

    def __init__(self, stage: str, options: Sequence[str], log: Path) -> None:
        self.stage = stage
        self.log = log
        self.is_meant_to_end = False
        command = [sys.executable, "-m", "alatau", stage, *options]
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *command],  # noqa: S607
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=ROOT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.is_meant_to_end = True
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Let it hang (SIGSTOP)."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on after `pause`."""
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Ask it to end (SIGTERM) and wait until it has.

        Raises
        ------
        DidNotGoOn
            If it does not end in time, in which case it is killed, or not in peace.
        """
        self.is_meant_to_end = True
        self._process.terminate()
        until = time.monotonic() + STOP_S
        while self.runs:
            if time.monotonic() > until:
                self.kill()
                raise DidNotGoOn(f"{self.stage} did not end {STOP_S:.0f} s after SIGTERM")
            await asyncio.sleep(0.05)
        if self._process.returncode != 0:
            raise DidNotGoOn(f"{self.stage} ended with {self._process.returncode}:\n{self.tail()}")

    def said(self) -> str:
        """All that it has written to its log."""
        return self.log.read_text(errors="replace")

    def tail(self) -> str:
        """Return what it said last."""
        return self.said()[-3000:]


class System:
    """Topics of their own on a cluster, and workers on them.

    Parameters
    ----------
    cluster
        The brokers.
    folder
        Gets the configuration, the StationXML and the workers' logs; topics and groups begin
        with its name.
    feed
        What the stations send.
    partitions
        Of `waveforms`.
    speed
        Times real time.
    stale_after_s, session_s
        See the settings.
    more
        Further lines of the configuration.
    """

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        feed: Feed,
        *,
        partitions: int,
        speed: float,
        stale_after_s: float = 0.0,
        session_s: float = 6.0,
        more: str = "",
    ) -> None:
        folder.mkdir(parents=True)
        self.cluster = cluster
        self.folder = folder
        self.feed = feed
        self.partitions = partitions
        self.speed = speed
        self.prefix = f"{folder.name}."
        self.channels = feed.table(folder)
        self.config = folder / "alatau.toml"
        copies = min(3, len(cluster.nodes))
        self.config.write_text(
            f"[stream]\nstale_after_s = {stale_after_s}\n"
            "[stream.kafka]\n"
            f'bootstrap = "{cluster.bootstrap}"\nprefix = "{self.prefix}"\n'
            f"replication = {copies}\nin_sync = {max(1, copies - 1)}\n"
            f"waveform_partitions = {partitions}\nwaveforms_h = -1\nresults_h = -1\n"
            f"session_s = {session_s}\n"
            f'[ingest.live]\nstations = "stations.xml"\n{more}'
        )
        self.configuration = settings.load(self.config, Configuration)
        self.watch = Watch(cluster.bootstrap, self.prefix)
        self.workers: list[Worker] = []
        self.fed = 0
        self.sent_again = 0
        self._began = 0.0
        self._enough = asyncio.Event()
        self._feeding: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def stages(self) -> list[Stage]:
        """The pipeline as the workers have it, as far as it is judged."""
        stages = pipeline(self.configuration, self.channels)
        return [stage for stage in stages if stage.name in READS]

    def opened(self) -> AbstractAsyncContextManager[KafkaLog]:
        """Connect to the system's topics."""
        return KafkaLog.opened(self.configuration.stream.kafka)

    async def __aenter__(self) -> Self:
        command = [sys.executable, "-m", "alatau", "topics", "create", "--config", str(self.config)]
        made = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT
        )
        said, _ = await made.communicate()
        if made.returncode != 0:
            raise DidNotGoOn(f"alatau topics create: {said.decode(errors='replace')}")
        self._watching = asyncio.create_task(self.watch.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in (self._feeding, self._watching):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        for worker in self.workers:
            if worker.runs:
                worker.kill()
        if error is None:
            await self._delete_topics()

    async def _delete_topics(self) -> None:
        """Leave no topics behind: with those of many systems, brokers become slow."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.cluster.bootstrap)
        await admin.start()
        try:
            names = [name for name in await admin.list_topics() if name.startswith(self.prefix)]
            await admin.delete_topics(names)
        finally:
            await admin.close()

    def start(self, stage: str, *options: str) -> Worker:
        """Start a worker, with further options of the command line."""
        number = sum(worker.stage == stage for worker in self.workers) + 1
        log = self.folder / f"{stage}-{number}.log"
        worker = Worker(stage, ("--config", str(self.config), *options), log)
        self.workers.append(worker)
        return worker

    def running(self, stage: str) -> list[Worker]:
        """Return the workers of a stage that run."""
        return [worker for worker in self.workers if worker.stage == stage and worker.runs]

    async def ready(self, members: Mapping[str, int]) -> None:
        """Wait until the groups are settled and have so many members."""

        async def are_in() -> bool:
            for stage, count in members.items():
                group = await self.watch.group(stage)
                if group is None or len(group) != count:
                    return False
            return True

        await self.until(are_in, f"{dict(members)} are members of their groups")

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until something holds.

        Raises
        ------
        DidNotGoOn
            If it does not in time, or a worker ends that nobody has stopped.
        """
        since = time.monotonic()
        while not await holds():
            for worker in self.workers:
                if not worker.runs and not worker.is_meant_to_end:
                    raise DidNotGoOn(f"{worker.stage} has ended:\n{worker.tail()}")
            if time.monotonic() - since > PATIENCE_S:
                raise DidNotGoOn(f"waited {PATIENCE_S:.0f} s in vain: {what}")
            await asyncio.sleep(LOOK_S)

    def due(self, arrival_ms: int) -> float:
        """Return when, by `time.monotonic`, what arrives at a time is to be sent."""
        since_ms = arrival_ms - self.feed.packets[0].arrival_ms
        return self._began + since_ms / 1000 / self.speed

    def play(self) -> None:
        """Begin to send the feed at its speed, in the background."""
        self._began = time.monotonic()
        self._feeding = asyncio.create_task(self._play())

    async def enough(self) -> None:
        """Stop sending; what arrived at the same time as the last packet has been sent too.

        Raises
        ------
        DidNotGoOn
            If the feed was over before.
        """
        self._enough.set()
        if self._feeding is not None:
            await self._feeding
        if self.fed == len(self.feed.packets):
            raise DidNotGoOn("the feed was over before the faults were: make it longer")

    async def _play(self) -> None:
        """Send what has arrived by now, again and again; what a log refused, once more."""
        packets = self.feed.packets
        refused: list[Output] = []
        while not self._enough.is_set() or refused:
            try:
                async with self.opened() as log:
                    self.sent_again += len(refused)
                    await log.append(refused)
                    refused = []
                    while not self._enough.is_set() and self.fed < len(packets):
                        data_s = (time.monotonic() - self._began) * self.speed
                        end = self.feed.arrived(data_s)
                        refused = outputs(packets[self.fed : end], self.fed)
                        self.fed = end
                        await log.append(refused)
                        refused = []
                        await asyncio.sleep(SLICE_S)
            except LogError:
                await asyncio.sleep(1.0)
            if self.fed == len(packets):
                return

    async def append(self, values: Sequence[Output]) -> None:
        """Write values of any kind to the topics."""
        async with self.opened() as log:
            await log.append(values)

    async def caught_up(self) -> None:
        """Wait until every stage has dealt with all that stands in its topic, and goes on so."""
        calm_since = 0.0

        async def are_calm() -> bool:
            nonlocal calm_since
            left = [await _left(log, stage, topic.name) for stage, topic in READS.items()]
            if any(left):
                calm_since = 0.0
                return False
            calm_since = calm_since or time.monotonic()
            return time.monotonic() - calm_since >= CALM_S

        async with self.opened() as log:
            await self.until(are_calm, "all stages have read all")

    async def read(self, topics: Iterable[str]) -> dict[str, list[list[Record]]]:
        """Return all that stands in the topics, by partition, repeats and all."""
        found: dict[str, list[list[Record]]] = {}
        places = []
        for topic in topics:
            count = self.partitions if topic == WAVEFORMS.name else 1
            found[topic] = [[] for _ in range(count)]
            places += [TopicPartition(self.prefix + topic, p) for p in range(count)]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.cluster.bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=8_000_000,
        )
        consumer.assign(places)  # before asking for their ends: else 0.1 s for each topic
        await consumer.start()
        try:
            ends = await consumer.end_offsets(places)
            left = {place: end for place, end in ends.items() if end}
            consumer.assign(list(left))
            while left:
                for place, records in (await consumer.getmany(timeout_ms=1000)).items():
                    topic = place.topic.removeprefix(self.prefix)
                    found[topic][place.partition] += [_record(topic, each) for each in records]
                    if records[-1].offset + 1 >= left.get(place, 0):
                        left.pop(place, None)
        finally:
            await consumer.stop()
        return found


def _record(topic: str, found: ConsumerRecord) -> Record:
    return Record(
        topic,
        found.partition,
        found.offset,
        found.timestamp,
        found.key or b"",
        found.value or b"",
        tuple(found.headers),
    )


async def _left(log: Log, group: str, topic: str) -> int:
    """Count what a stage has not dealt with."""
    left = 0
    for partition in range(log.partitions(topic)):
        committed = await log.committed(group, topic, partition)
        left += await log.end(topic, partition) - (committed.offset if committed else 0)
    return left
