"""How many stations one machine carries through Kafka in real time, and how soon.

``python -m benchmarks.throughput [--quick] [--stations N ...] [--json FILE]``

A broker, a feeder, a worker for `detect` and one for `locate` and `dispatch` run here, each in a
process of its own, on however many cores there are. Stations of three channels at 100 Hz send each
second of them in one value; every forty seconds an earthquake shakes those within 100 km. A latency
is counted from the moment before a value is appended to the moment at which a reader has what it
caused, both by this machine's clock.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks.throughput_child import EVERY_S, settings
from dispatch.places import countries
from dispatch.service import country_topic
from stream.causes import CAUSE
from stream.kafka import KafkaLog
from stream.layout import layouts
from stream.records import Record
from stream.topics import ALERTS, DETECTIONS, EVENTS, WAVEFORMS
from tests.kafka_cluster import Cluster

STEPS = (100, 1000, 2500, 5000, 7500, 10000, 12500, 15000)
QUICK = (100, 1000, 5000, 10000)
PICK_TARGET_MS, LAST_TARGET_MS = 250.0, 80.0
BEHIND_S = 1.0  # further behind than this at the end: not in real time
TICKS = os.sysconf("SC_CLK_TCK")


class Quantiles(Struct, frozen=True):
    """Median, 99th percentile and largest; None of nothing."""

    p50: float | None = None
    p99: float | None = None
    max: float | None = None


class Step(Struct, frozen=True):
    """What was measured with one number of stations.

    Attributes
    ----------
    last_stages_ms
        From a pick or report in `detections` to the message it caused in `alerts`.
    behind_s
        By how much `detect` was behind at the end.
    cores
        Processor time per second, by process.
    thought_s
        By stage, the time it thought: sum, count, and counts of batches up to so many seconds.
    """

    stations: int
    picks: int
    alerts: int
    pick_latency_ms: Quantiles
    report_latency_ms: Quantiles
    alert_latency_ms: Quantiles
    last_stages_ms: Quantiles
    behind_s: float
    cores: dict[str, float]
    memory_mb: dict[str, int]
    thought_s: dict[str, dict[str, float]]

    def in_real_time(self) -> bool:
        """Whether the machine carries so many stations."""
        p99 = self.pick_latency_ms.p99
        return self.behind_s <= BEHIND_S and p99 is not None and p99 < PICK_TARGET_MS


class Result(Struct, frozen=True):
    """The largest number of stations that is carried, its latencies, and every step."""

    stations_realtime: int
    pick_latency_ms: Quantiles
    alert_latency_ms: Quantiles
    last_stages_ms: Quantiles
    targets: dict[str, float]
    curve: list[Step]


def quantiles(values: list[float]) -> Quantiles:
    """Return the quantiles of some values, rounded to 0.1."""
    if not values:
        return Quantiles()
    return Quantiles(*(round(float(v), 1) for v in np.percentile(values, (50, 99, 100))))


class Child:
    """A process of the benchmark."""

    def __init__(self, what: str, arguments: list[str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "benchmarks.throughput_child", what, *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )

    async def line(self) -> str:
        """Return the next line that it prints."""
        if self.process.stdout is None:
            raise ValueError("its output is not read")
        return await asyncio.to_thread(self.process.stdout.readline)

    def stop(self) -> None:
        """Ask it to end."""
        self.process.send_signal(signal.SIGTERM)

    def rest(self) -> str:
        """Return what else it prints until it ends."""
        return self.process.communicate(timeout=30)[0]


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    """Return the memory that a process holds, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Listener:
    """Reads what the stages write, and notes when."""

    def __init__(self) -> None:
        self.picks: list[float] = []
        self.reports: list[float] = []
        self.alerts: list[float] = []
        self.last: list[float] = []
        self._came: dict[tuple[str, int, int], float] = {}
        self._cause: dict[tuple[str, int, int], tuple[str, int, int]] = {}

    async def listen(self, log: KafkaLog, topic: str, stop: asyncio.Event) -> None:
        """Read a topic from now on."""
        member = await log.join(f"listener-{topic}", topic)
        for partition in member.turns():
            member.seek(partition, await log.end(topic, partition))
        while not stop.is_set():
            batches = await member.read(5000, 0.2)
            now = time.time() * 1000
            for records in batches.values():
                for record in records:
                    self._note(record, now)
        await member.leave()

    def _note(self, record: Record, now: float) -> None:
        place = (record.topic, record.partition, record.offset)
        latency = now - record.timestamp
        self._came[place] = now
        name, partition, offset, _ = dict(record.headers)[CAUSE].decode().rsplit("/", 3)
        self._cause[place] = (name, int(partition), int(offset))
        if record.topic == DETECTIONS.name:
            kind = self.picks if b'"pick"' in record.value[:40] else self.reports
            kind.append(latency)
        elif record.topic == ALERTS.name:
            self.alerts.append(latency)
            event = self._cause[place]
            detection = self._cause.get(event)
            if detection in self._came:
                self.last.append(now - self._came[detection])


async def measure(cluster: Cluster, stations: int, seconds: float, partitions: int) -> Step:
    """Run one number of stations; return what was measured."""
    kafka = settings(cluster.bootstrap, stations, partitions)
    arguments = [cluster.bootstrap, str(stations), str(partitions)]
    listener, stop = Listener(), asyncio.Event()
    async with KafkaLog.opened(kafka) as log:
        await log.create(layouts(kafka, {}, map(country_topic, countries())))
        children = {what: Child(what, arguments) for what in ("rest", "detect")}
        try:
            for child in children.values():
                await child.line()
            await asyncio.sleep(2.0)
            children["feed"] = Child("feed", arguments)
            start = int((await children["feed"].line()).split()[1])
            await asyncio.sleep(max(0.0, start - time.time()))
            tasks = [
                asyncio.create_task(listener.listen(log, topic.name, stop))
                for topic in (DETECTIONS, EVENTS, ALERTS)
            ]
            pids = {name: child.process.pid for name, child in children.items()}
            pids |= {"broker": cluster.pid(cluster.nodes[0]), "reader": os.getpid()}
            before = {name: cpu_s(pid) for name, pid in pids.items()}
            began = time.time()
            await asyncio.sleep(seconds)
            took = time.time() - began
            cores = {name: round((cpu_s(p) - before[name]) / took, 3) for name, p in pids.items()}
            memory = {name: round(rss_mb(p)) for name, p in pids.items()}
            behind = await behind_s(log, partitions)
            stop.set()
            await asyncio.gather(*tasks)
        finally:
            for child in children.values():
                child.stop()
            said = {name: child.rest() for name, child in children.items()}
    thought: dict[str, dict[str, float]] = {}
    for name in ("rest", "detect"):
        thought |= json.loads(said[name].splitlines()[-1])
    return Step(
        stations,
        len(listener.picks),
        len(listener.alerts),
        quantiles(listener.picks),
        quantiles(listener.reports),
        quantiles(listener.alerts),
        quantiles(listener.last),
        round(behind, 2),
        cores,
        memory,
        thought,
    )


async def behind_s(log: KafkaLog, partitions: int) -> float:
    """Return by how much `detect` is behind what stands in the log, s."""
    worst = 0.0
    for partition in range(partitions):
        end = await log.end(WAVEFORMS.name, partition)
        committed = await log.committed("detect", WAVEFORMS.name, partition)
        newest = await log.read(WAVEFORMS.name, partition, end - 1, 1)
        if committed is None or not newest:
            return float("inf")
        worst = max(worst, (newest[0].timestamp - committed.arrival) / 1000)
    return worst


def row(step: Step) -> str:
    """Return a line of the table."""

    def three(of: Quantiles) -> str:
        return " / ".join("-" if v is None else f"{v:.0f}" for v in (of.p50, of.p99, of.max))

    load = " ".join(f"{step.cores[n]:.2f}" for n in ("broker", "feed", "detect", "rest", "reader"))
    return (
        f"| {step.stations:,} | {step.picks} | {three(step.pick_latency_ms)} "
        f"| {three(step.alert_latency_ms)} | {three(step.last_stages_ms)} "
        f"| {step.behind_s:.1f} | {load} | {step.memory_mb['detect']} |"
    )


HEAD = """\
| stations | picks | to the pick, ms | to the alert, ms | last stages, ms | behind, s \
| cores: broker feed detect rest reader | detect, MB |
|---|---|---|---|---|---|---|---|"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter steps")
    parser.add_argument("--stations", type=int, nargs="*", help="instead of the usual steps")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    steps = given.stations or (QUICK if given.quick else STEPS)
    seconds = EVERY_S - 4.0 if given.quick else 3 * EVERY_S - 4.0
    curve: list[Step] = []
    print(HEAD, flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Cluster(Path(folder), brokers=1, java_options=()) as cluster,
    ):
        for stations in steps:
            step = asyncio.run(measure(cluster, stations, seconds, given.partitions))
            curve.append(step)
            print(row(step), flush=True)
            if step.behind_s > 5 * BEHIND_S:
                break
    if given.json:
        carried = [step for step in curve if step.in_real_time()]
        best = carried[-1] if carried else curve[0]
        result = Result(
            best.stations if carried else 0,
            best.pick_latency_ms,
            best.alert_latency_ms,
            best.last_stages_ms,
            {"stations": 10_000, "pick_p99_ms": PICK_TARGET_MS, "last_p99_ms": LAST_TARGET_MS},
            curve,
        )
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(result)))


if __name__ == "__main__":
    main()
