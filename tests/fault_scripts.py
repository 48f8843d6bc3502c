"""The faults themselves: each script hurts a running system in one way."""

import asyncio
import re
import time
import urllib.request

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from stream.topics import DETECTIONS, WAVEFORMS
from tests.fault_garbage import garbage, thrown_in
from tests.fault_scenarios import Hurt, Script
from tests.fault_system import READS, Worker
from tests.fault_truth import Unread

__all__ = [
    "all_asleep",
    "all_stages_killed",
    "brokers_killed",
    "cut_off",
    "hung",
    "members_come_and_go",
    "records_dropped",
    "rolling_restart",
    "rubbish",
    "workers_killed",
]

SHORTEST_S, LONGEST_S = 8.0, 18.0  # between two kills
BROKER_AWAY_S = 10.0
UNREAD = re.compile(r" offsets (\d+) to (\d+)")
MENDS_S = 12.0  # for a broker that is back to have again what the others have


def workers_killed(
    times: int, *, shortest_s: float = SHORTEST_S, longest_s: float = LONGEST_S
) -> Script:
    """Kill detect workers: at any moment, at an append, and while one reads back its state."""

    async def script(hurt: Hurt) -> None:
        moments = {"at any moment": 0, "as it said something": 0, "as it took over": 0}
        while hurt.worker_kills < times:
            victim = hurt.holder()
            moment = hurt.chance.choice(["at any moment", "as it said something"])
            partitions = hurt.system.watch.holds(victim.pid)
            if moment == "as it said something" and partitions:
                await asyncio.wait_for(hurt.system.watch.until_said(partitions), 30.0)
            moments[moment] += 1
            hurt.kill(victim)
            if hurt.worker_kills < times and hurt.chance.random() < 0.25:
                await asyncio.wait_for(hurt.system.watch.until_left(victim.pid), 60.0)
                heirs = [
                    worker
                    for worker in hurt.system.running("detect")
                    if set(partitions) & set(hurt.system.watch.holds(worker.pid))
                ]
                if heirs:
                    moments["as it took over"] += 1
                    hurt.kill(heirs[0])
            await hurt.pause(shortest_s, longest_s)
        hurt.notes["moments"] = moments

    return script


def all_stages_killed(
    detect: int, others: int, *, shortest_s: float = SHORTEST_S, longest_s: float = LONGEST_S
) -> Script:
    """Kill detect workers so many times, and those of the two other stages each so many times."""

    async def script(hurt: Hurt) -> None:
        kills = ["detect"] * detect + ["locate", "dispatch"] * others
        hurt.chance.shuffle(kills)
        for stage in kills:
            if stage == "detect":
                victim = hurt.holder()
            else:
                victim = hurt.chance.choice(hurt.system.running(stage))
            hurt.kill(victim)
            await hurt.pause(shortest_s, longest_s)

    return script


async def members_come_and_go(hurt: Hurt) -> None:
    """Let a worker join, one leave in peace, and one leave while another reads back."""
    system = hurt.system
    new = system.start("detect")
    await system.ready({"detect": 4})
    await hurt.pause(4.0, 8.0)
    await hurt.holder().stop()
    hurt.restarts += 1
    await hurt.pause(4.0, 8.0)
    victim = hurt.holder()
    hurt.kill(victim)
    await asyncio.wait_for(system.watch.until_left(victim.pid), 60.0)
    leaves = next(w for w in system.running("detect") if w not in (new, victim))
    await leaves.stop()
    hurt.restarts += 1
    await hurt.pause(4.0, 8.0)


async def rolling_restart(hurt: Hurt) -> None:
    """Replace every worker of every stage, one after the other, the last stage first."""
    for stage in reversed(READS):
        for worker in hurt.system.running(stage):
            members = len(hurt.system.running(stage))
            await hurt.replace(worker)
            await hurt.system.ready({stage: members})
            await hurt.pause(1.0, 4.0)


def brokers_killed(away_s: float = BROKER_AWAY_S, mends_s: float = MENDS_S) -> Script:
    """Kill the leader of a partition, then the one that keeps the group; each comes back."""

    async def script(hurt: Hurt) -> None:
        system = hurt.system
        whom = {
            "leader of waveforms/0": lambda: system.cluster.leader_of(
                system.prefix + WAVEFORMS.name, 0
            ),
            "leader of detections": lambda: system.cluster.leader_of(
                system.prefix + DETECTIONS.name, 0
            ),
            "coordinator of detect": lambda: hurt.coordinator("detect"),
        }
        late_s = {}
        for name, find in whom.items():
            node = await find()
            died = time.monotonic()
            await hurt.kill_broker(node, away_s)
            await asyncio.sleep(mends_s)
            late_s[name] = hurt.most_late_s(died)
        hurt.notes["late_s"] = late_s

    return script


def cut_off(seconds: float) -> Script:
    """Let all brokers fall silent."""

    async def script(hurt: Hurt) -> None:
        cluster = hurt.system.cluster
        await asyncio.to_thread(cluster.cut_off)
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(cluster.reconnect)
        back = time.monotonic()
        await asyncio.sleep(20.0)
        hurt.notes["late_after_20_s"] = hurt.most_late_s(time.monotonic() - 1.0)
        hurt.notes["first_value_s"] = round(hurt.system.watch.first_after(back) - back, 2)

    return script


def hung(seconds: float, then_s: float = 10.0) -> Script:
    """Let one detect worker hang and go on."""

    async def script(hurt: Hurt) -> None:
        worker = hurt.holder()
        hurt.notes["had"] = hurt.system.watch.holds(worker.pid)
        worker.pause()
        try:
            await asyncio.sleep(seconds)
        finally:
            worker.go_on()
        await asyncio.sleep(then_s)
        _note_unread(hurt, worker)
        if hurt.system.configuration.stream.stale_after_s and not hurt.unread:
            hurt.problems.append("a backlog that was too old was not skipped, or nothing said so")

    return script


def all_asleep(seconds: float, then_s: float = 20.0) -> Script:
    """Let all detect workers hang and go on."""

    async def script(hurt: Hurt) -> None:
        hurt.all_found = True
        workers = list(hurt.system.running("detect"))
        for worker in workers:
            worker.pause()
        try:
            await asyncio.sleep(seconds)
        finally:
            for worker in workers:
                worker.go_on()
        await asyncio.sleep(then_s)

    return script


async def rubbish(hurt: Hurt) -> None:
    """Throw garbage into every topic, three times, and kill a worker in between."""
    system = hurt.system
    for round_ in range(3):
        packets = system.feed.packets
        now_ms = packets[max(system.fed - 1, 0)].arrival_ms
        made = garbage(hurt.chance, now_ms, [p.value for p in packets[:50]])
        hurt.thrown_in |= {each.value or b"" for each in made}
        await thrown_in(system.cluster.bootstrap, system.prefix, made)
        hurt.notes["thrown in"] = hurt.notes.get("thrown in", 0) + len(made)
        await hurt.pause(3.0, 6.0)
        if round_ < 2:
            hurt.kill(hurt.holder())
            await hurt.pause(8.0, 12.0)


async def records_dropped(hurt: Hurt) -> None:
    """Let the only detect worker hang, and the log forget what it has not read."""
    system = hurt.system
    (worker,) = system.running("detect")
    worker.pause()
    try:
        await asyncio.sleep(15.0)
        async with system.opened() as log:
            committed = await log.committed("detect", WAVEFORMS.name, 0)
            end = await log.end(WAVEFORMS.name, 0)
        position = committed.offset if committed else 0
        kept = position + 2 * (end - position) // 3
        admin = AIOKafkaAdminClient(bootstrap_servers=system.cluster.bootstrap)
        await admin.start()
        try:
            place = TopicPartition(system.prefix + WAVEFORMS.name, 0)
            await admin.delete_records({place: RecordsToDelete(before_offset=kept)})
        finally:
            await admin.close()
    finally:
        worker.go_on()
    await asyncio.sleep(8.0)
    _note_unread(hurt, worker)
    if not hurt.unread:
        hurt.problems.append("nothing was said of what the log dropped")


def metric(port: int, name: str) -> float:
    """Return the sum of a worker's series of that name."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (.+)$", text, re.M))


def _note_unread(hurt: Hurt, worker: Worker) -> None:
    """Take from a worker's log what it has not read, and in what words it said so."""
    hurt.notes["said"] = []
    for line in worker.said().splitlines():
        found = UNREAD.search(line)
        if found is not None:
            hurt.notes["said"].append(line.split(": ", 1)[1])
            begin, end = int(found[1]), int(found[2]) + 1
            hurt.unread.append(Unread(begin, end, afresh="begins afresh" in line))
