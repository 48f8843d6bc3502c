"""What is done to the system, and what must be said all the same.

Each scenario lets recordings flow through the brokers, hurts workers or brokers while they do, and
compares what has been said with what would have been.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from tests.fault_feed import Feed
from tests.fault_judge import Verdict, judged
from tests.fault_system import System, Worker
from tests.fault_truth import Truth, Unread
from tests.fault_watch import Resumed
from tests.kafka_cluster import Cluster

__all__ = ["Bench", "Hurt", "Report"]

USUAL = {"detect": 3, "locate": 1, "dispatch": 1}


class Report(Struct, frozen=True, kw_only=True):
    """What came of a scenario.

    Attributes
    ----------
    name, says
        What was done, for people.
    partitions, workers
        Of `waveforms`, and of each stage.
    speed, data_s, wall_s, packets
        How fast the recordings were played, how much of them, how long it took.
    worker_kills, broker_kills, restarts
        SIGKILLs, and workers stopped in peace (SIGTERM) and replaced.
    resumed
        For each detect worker that died with partitions, how long these were silent.
    most_late_s
        By how much the latest value of `detections` stood there after its samples were sent.
    sent_again
        Packets that the source sent twice, because it did not know whether they stood.
    verdict
        What was said, beside what should have been.
    complaints
        What workers said that should be looked at, each once.
    notes
        What else was measured.
    problems
        What is not as it should be; empty if all is well.
    """

    name: str
    says: str
    partitions: int
    workers: dict[str, int]
    speed: float
    data_s: float
    wall_s: float
    packets: int
    worker_kills: int
    broker_kills: int
    restarts: int
    resumed: list[Resumed]
    most_late_s: float
    sent_again: int
    verdict: Verdict
    notes: dict[str, Any]
    problems: list[str]


class Hurt:
    """A running system, and the means to hurt it; counts what is done.

    Parameters
    ----------
    system
        Its workers run and the feed flows.
    chance
        Decides when and whom.
    """

    def __init__(self, system: System, chance: random.Random) -> None:
        self.system = system
        self.chance = chance
        self.deaths: list[tuple[int, float, list[int]]] = []
        self.worker_kills = self.broker_kills = self.restarts = 0
        self.notes: dict[str, Any] = {}
        self.problems: list[str] = []
        self.thrown_in: set[bytes] = set()
        self.unread: list[Unread] = []
        self.all_found = False  # whether no earthquake may be missed

    def kill(self, worker: Worker) -> None:
        """End a worker by SIGKILL, and start another one in its place at once."""
        partitions = self.system.watch.holds(worker.pid)
        died = time.monotonic()
        worker.kill()
        self.worker_kills += 1
        if worker.stage == "detect" and partitions:
            self.deaths.append((worker.pid, died, partitions))
        self.system.start(worker.stage)

    def holder(self) -> Worker:
        """Return some detect worker that has partitions; any if none is known to."""
        running = self.system.running("detect")
        with_some = [worker for worker in running if self.system.watch.holds(worker.pid)]
        return self.chance.choice(with_some or running)

    def most_late_s(self, since: float) -> float:
        """Return by how much the latest value came late since a time (`time.monotonic`)."""
        system = self.system
        return round(system.watch.most_late_s(system.due, since, time.monotonic()), 2)

    async def pause(self, shortest_s: float, longest_s: float) -> None:
        """Wait for a random time."""
        await asyncio.sleep(self.chance.uniform(shortest_s, longest_s))

    async def replace(self, worker: Worker) -> None:
        """Stop a worker in peace, and start another one."""
        await worker.stop()
        self.restarts += 1
        self.system.start(worker.stage)

    async def kill_broker(self, node: int, away_s: float) -> None:
        """End a broker by SIGKILL, and start it again later."""
        cluster = self.system.cluster
        await asyncio.to_thread(cluster.kill, node)
        self.broker_kills += 1
        await asyncio.sleep(away_s)
        await asyncio.to_thread(cluster.restart, node)

    async def coordinator(self, stage: str) -> int:
        """Return the broker that keeps the group of a stage."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.system.cluster.bootstrap)
        await admin.start()
        try:
            return int(await admin.find_coordinator(self.system.prefix + stage))
        finally:
            await admin.close()


Script = Callable[[Hurt], Awaitable[None]]


class Bench:
    """Where scenarios are played: brokers, a feed, and what is true of it.

    Parameters
    ----------
    cluster
        Brokers that run.
    folder
        Gets a folder for each scenario.
    feed
        What the stations send.
    truth
        What should be said of it.
    speed
        Times real time.
    seed
        Of all random moments.
    session_s
        After which a silent worker is dead.
    more
        Further lines of the configuration.
    say
        Told what goes on.
    """

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        feed: Feed,
        truth: Truth,
        *,
        speed: float,
        seed: int = 1,
        session_s: float = 6.0,
        more: str = "",
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.cluster = cluster
        self.folder = folder
        self.feed = feed
        self.truth = truth
        self.speed = speed
        self.seed = seed
        self.session_s = session_s
        self.more = more
        self.say = say

    async def play(
        self,
        name: str,
        says: str,
        script: Script,
        *,
        partitions: int = 4,
        workers: Mapping[str, int] = USUAL,
        begin_s: float = 8.0,
        end_s: float = 8.0,
        stale_after_s: float = 0.0,
        options: Mapping[str, tuple[str, ...]] | None = None,
        speed: float | None = None,
    ) -> Report:
        """Play a scenario.

        Parameters
        ----------
        name, says
            See `Report`.
        script
            What is done while the feed flows.
        partitions, workers, stale_after_s, speed
            See `System`.
        begin_s, end_s
            How long the feed flows undisturbed before and after.
        options
            Of the command line, by stage.
        """
        began = time.monotonic()
        system = System(
            self.cluster,
            self.folder / name,
            self.feed,
            partitions=partitions,
            speed=speed or self.speed,
            stale_after_s=stale_after_s,
            session_s=self.session_s,
            more=self.more,
        )
        async with system:
            for stage, count in workers.items():
                for _ in range(count):
                    system.start(stage, *(options or {}).get(stage, ()))
            await system.ready(workers)
            hurt = Hurt(system, random.Random(f"{self.seed} {name}"))
            system.play()
            await asyncio.sleep(begin_s)
            await script(hurt)
            await asyncio.sleep(end_s)
            await system.enough()
            ends = time.monotonic()
            await system.caught_up()
            hurt.notes["caught_up_s"] = round(time.monotonic() - ends, 1)
            for worker in system.workers:
                if worker.runs:
                    await worker.stop()
            verdict = await judged(system, self.truth, thrown_in=hurt.thrown_in, unread=hurt.unread)
        return self._report(name, says, system, hurt, verdict, dict(workers), began)

    def _report(
        self,
        name: str,
        says: str,
        system: System,
        hurt: Hurt,
        verdict: Verdict,
        workers: dict[str, int],
        began: float,
    ) -> Report:
        resumed = [system.watch.resumed(*death) for death in hurt.deaths]
        problems = list(hurt.problems)
        if None in resumed:
            problems.append(f"{resumed.count(None)} times a dead worker's partitions stayed silent")
        if hurt.all_found and verdict.earthquakes.missed:
            missed = verdict.earthquakes.missed
            problems.append(f"{missed} of {verdict.earthquakes.wanted} earthquakes were missed")
        packets = self.feed.packets
        return Report(
            name=name,
            says=says,
            partitions=system.partitions,
            workers=workers,
            speed=system.speed,
            data_s=(packets[system.fed - 1].arrival_ms - packets[0].arrival_ms) / 1000,
            wall_s=round(time.monotonic() - began, 1),
            packets=system.fed,
            worker_kills=hurt.worker_kills,
            broker_kills=hurt.broker_kills,
            restarts=hurt.restarts,
            resumed=[each for each in resumed if each is not None],
            most_late_s=hurt.most_late_s(0.0),
            sent_again=system.sent_again,
            verdict=verdict,
            notes=hurt.notes,
            problems=problems + _problems(verdict),
        )


def _problems(verdict: Verdict) -> list[str]:
    """Say in words what a verdict has against a system."""
    named = {
        "picks": verdict.picks,
        "events": verdict.events,
        "alerts": verdict.alerts,
        **{f"what {stage} made of its topic": d for stage, d in verdict.stages.items()},
    }
    said = []
    for what, each in named.items():
        if each is not None and not each.is_none:
            said.append(
                f"{what}: of {each.wanted} {each.missing} missing, {each.doubled} doubled, "
                f"{each.foreign} foreign: {'; '.join(each.examples)[:2000]}"
            )
        elif each is not None and each is not verdict.picks and not each.ordered:
            said.append(f"{what}: not in order")
    return said
