"""Measures what faults cost: ``python -m tests.faults --json out/faults.json``.

Half an hour on three real brokers, with real recordings of many stations at several times their own
speed. Exit code: 0 if everything was said that should have been, and nothing else; 1 if not.
"""

import argparse
import asyncio
import logging
import shutil
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from alatau import Configuration, pipeline
from tests.fault_feed import BLOCK_S, Feed, multiplied, real
from tests.fault_page import page
from tests.fault_scenarios import Bench, Report
from tests.fault_scripts import (
    all_stages_killed,
    brokers_killed,
    cut_off,
    hung,
    members_come_and_go,
    records_dropped,
    rolling_restart,
    rubbish,
    workers_killed,
)
from tests.fault_truth import Truth
from tests.kafka_cluster import Cluster

ROOT = Path(__file__).parents[1]
BLOCKS = 8
COPIES = 6
SPEED = 5.0
SLOW = 3.0  # where three systems run at once
OUTAGE_S = 30.0
HANGS_S = 300.0
STALE_S = 120.0
TWO = {"detect": 2, "locate": 1, "dispatch": 1}
TWO_OF_ALL = {"detect": 2, "locate": 2, "dispatch": 2}
ONE = {"detect": 1, "locate": 1, "dispatch": 1}

_Made = Callable[[Bench], Awaitable[list[Report]]]


async def _workers_killed(bench: Bench) -> list[Report]:
    return [
        await bench.play(
            "workers-killed",
            "Three `detect` workers on four partitions; 20 times one is killed and another started",
            workers_killed(20),
        )
    ]


async def _one_partition(bench: Bench) -> list[Report]:
    return [
        await bench.play(
            "one-partition",
            "One partition, two workers of each stage: one works, one stands by; the one at work "
            "is killed",
            all_stages_killed(8, 2),
            partitions=1,
            workers=TWO_OF_ALL,
        )
    ]


async def _members(bench: Bench) -> list[Report]:
    return [
        await bench.play(
            "members",
            "A fourth worker joins, one leaves, one is killed, and one leaves while another reads "
            "back",
            members_come_and_go,
        ),
        await bench.play(
            "rolling-restart",
            "Every worker of every stage stopped and replaced, one after the other",
            rolling_restart,
            workers=TWO_OF_ALL,
        ),
    ]


async def _brokers(bench: Bench) -> list[Report]:
    return [
        await bench.play(
            "brokers-killed",
            "The leader of `waveforms`, that of `detections`, and the one that keeps the group: "
            "killed, and back after 10 s",
            brokers_killed(),
            partitions=1,
            workers=TWO,
        )
    ]


async def _cut_off(bench: Bench) -> list[Report]:
    return [
        await bench.play(
            "cut-off",
            f"No broker answers for {OUTAGE_S:.0f} s",
            cut_off(OUTAGE_S),
            workers=TWO,
        )
    ]


async def _hung(bench: Bench) -> list[Report]:
    """Three systems at once: each waits five minutes."""
    minutes = f"{HANGS_S / 60:.0f} minutes"
    return await asyncio.gather(
        bench.play(
            "hung-catches-up",
            f"The only `detect` worker hangs for {minutes}; `stale_after_s = 0`",
            hung(HANGS_S, 30.0),
            partitions=1,
            workers=ONE,
            speed=SLOW,
        ),
        bench.play(
            "hung-skips",
            f"The only `detect` worker hangs for {minutes}; `stale_after_s = {STALE_S:.0f}`",
            hung(HANGS_S, 30.0),
            partitions=1,
            workers=ONE,
            speed=SLOW,
            stale_after_s=STALE_S,
        ),
        bench.play(
            "hung-replaced",
            f"One of two `detect` workers hangs for {minutes}, and comes back when another has "
            "long had its partitions",
            hung(HANGS_S, 30.0),
            workers=TWO,
            speed=SLOW,
        ),
    )


async def _garbage(bench: Bench) -> list[Report]:
    return [
        await bench.play(
            "garbage",
            "Garbage in every topic, three times, with a worker killed after the first two",
            rubbish,
            partitions=1,
            workers=TWO,
        )
    ]


async def _dropped(bench: Bench) -> list[Report]:
    return [
        await bench.play(
            "dropped",
            "The only `detect` worker hangs for 15 s, and the log lets go of half of what it has "
            "not read",
            records_dropped,
            partitions=1,
            workers=ONE,
        )
    ]


SCENARIOS: dict[str, _Made] = {
    "workers-killed": _workers_killed,
    "one-partition": _one_partition,
    "members": _members,
    "brokers-killed": _brokers,
    "cut-off": _cut_off,
    "hung": _hung,
    "garbage": _garbage,
    "dropped": _dropped,
}


def summary(reports: Sequence[Report]) -> dict[str, Any]:
    """Sum up what all scenarios gave."""
    seconds = sorted(r.noticed_s + r.rebuilt_s for report in reports for r in report.resumed)
    noticed = sorted(r.noticed_s for report in reports for r in report.resumed)
    rebuilt = sorted(r.rebuilt_s for report in reports for r in report.resumed)
    return {
        "worker_kills": sum(report.worker_kills for report in reports),
        "broker_kills": sum(report.broker_kills for report in reports),
        "restarts": sum(report.restarts for report in reports),
        "missing": sum(report.verdict.missing for report in reports),
        "doubled": sum(report.verdict.doubled for report in reports),
        "resume_s": _spread(seconds)["median"],
        "resumed": {
            "times": len(seconds),
            "whole_s": _spread(seconds),
            "noticed_s": _spread(noticed),
            "rebuilt_s": _spread(rebuilt),
        },
        "picks": sum(report.verdict.picks.wanted for report in reports),
        "problems": [f"{each.name}: {problem}" for each in reports for problem in each.problems],
    }


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "p90": None, "max": None}
    p90 = values[min(len(values) - 1, round(0.9 * len(values)))]
    return {
        "median": round(statistics.median(values), 2),
        "p90": round(p90, 2),
        "max": round(values[-1], 2),
    }


def _feed(data: Path) -> Feed:
    """The stream: of real recordings where they are, else of the three stations that are here."""
    if data.is_dir():
        return real(data, BLOCKS, COPIES)
    print(f"{data} is not there: Ridgecrest alone is played, many times", file=sys.stderr)
    return multiplied(30, BLOCKS * BLOCK_S // 600)


async def _measured(
    cluster: Cluster, folder: Path, names: Sequence[str], data: Path
) -> list[Report]:
    feed = _feed(data)
    (folder / "truth").mkdir(parents=True)
    stages = pipeline(Configuration(), feed.table(folder / "truth"))
    bench = Bench(cluster, folder, feed, Truth(feed, stages), speed=SPEED)
    reports: list[Report] = []
    for name in names:
        for report in await SCENARIOS[name](bench):
            reports.append(report)
            wrong = "; ".join(report.problems)
            print(
                f"{report.name}: {report.verdict.missing} missing, {report.verdict.doubled} "
                f"doubled, {report.wall_s:.0f} s{': ' if wrong else ''}{wrong[:1000]}",
                flush=True,
            )
    return reports


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="results as JSON")
    parser.add_argument("--page", type=Path, help="results as a page of the documentation")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "faults")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says is what is measured
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    began = time.monotonic()
    with Cluster(arguments.folder / "brokers", brokers=3) as cluster:
        reports = asyncio.run(
            _measured(cluster, arguments.folder, arguments.only, arguments.data)
        )
    results = {
        **summary(reports),
        "wall_s": round(time.monotonic() - began),
        "scenarios": msgspec.to_builtins(reports),
    }
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    if arguments.page is not None:
        arguments.page.write_text(page(results, reports), encoding="utf-8")
    return 1 if results["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
