"""Measures what faults cost: ``python -m tests.faults [--kills N] [--json FILE] [--page FILE]``.

Recordings flow through three brokers faster than in nature while workers and brokers are killed;
what was said is compared with what should have been.
"""

import argparse
import asyncio
import logging
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from alatau import Configuration, pipeline
from tests.fault_feed import Feed, multiplied
from tests.fault_scenarios import Bench, Report
from tests.fault_scripts import (
    all_asleep,
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

__all__ = ["Results", "main", "played"]

COPIES, ROUNDS = 5, 8
SPEED = 8.0
TWO = {"detect": 2, "locate": 1, "dispatch": 1}


class Results(Struct, frozen=True, kw_only=True):
    """All scenarios, and their sums.

    Attributes
    ----------
    missing, doubled
        Picks, events and alerts, after the reader's drop.
    resume_s
        From a worker's death to the first new value of what it had: median, 90 % and longest.
    """

    worker_kills: int
    broker_kills: int
    restarts: int
    missing: int
    doubled: int
    resume_s: dict[str, float]
    scenarios: list[Report]


def played(cluster: Cluster, folder: Path, feed: Feed, kills: int, names: set[str]) -> Results:
    """Play the scenarios; with no names all of them."""
    truth = Truth(feed, pipeline(Configuration(), feed.table(folder)))
    bench = Bench(cluster, folder, feed, truth, speed=SPEED)

    async def play() -> list[Report]:
        plans: list[tuple[str, str, Any, dict[str, Any]]] = [
            (
                "workers",
                "detect workers are killed (SIGKILL) at random moments; three share 4 partitions",
                workers_killed(kills),
                {},
            ),
            (
                "one-partition",
                "the same, of two workers and one partition: one stands by",
                workers_killed(max(2, kills // 4)),
                {"partitions": 1, "workers": TWO},
            ),
            (
                "members",
                "a worker joins, one leaves, one dies as another leaves",
                members_come_and_go,
                {},
            ),
            (
                "rolling",
                "every worker of every stage is replaced, one after the other",
                rolling_restart,
                {},
            ),
            (
                "brokers",
                "leaders and the group's coordinator are killed; each comes back",
                brokers_killed(),
                {},
            ),
            ("cut-off", "no broker answers for 30 s", cut_off(30.0), {}),
            ("hung", "a worker stops for 20 s (SIGSTOP), and goes on", hung(20.0), {}),
            (
                "asleep",
                "the only detect worker stops for 40 s, 320 s of the recording, and catches up",
                hung(40.0, 20.0),
                {"workers": {"detect": 1, "locate": 1, "dispatch": 1}},
            ),
            (
                "all-asleep",
                "all three detect workers stop for 40 s, and catch up side by side",
                all_asleep(40.0),
                {},
            ),
            (
                "skips",
                "the only detect worker stops for 40 s with `stale_after_s = 120`: it skips "
                "what is too old and says which",
                hung(40.0, 20.0),
                {
                    "partitions": 1,
                    "workers": {"detect": 1, "locate": 1, "dispatch": 1},
                    "stale_after_s": 120.0,
                },
            ),
            (
                "dropped",
                "it stops for 15 s, and the log drops half of what it has not read; it says which",
                records_dropped,
                {"partitions": 1, "workers": {"detect": 1, "locate": 1, "dispatch": 1}},
            ),
            (
                "garbage",
                "garbage in every topic, and a worker killed in between",
                rubbish,
                {"workers": TWO},
            ),
        ]
        reports = []
        for name, says, script, options in plans:
            if names and name not in names:
                continue
            report = await bench.play(name, says, script, **options)
            print(line(report), flush=True)
            for problem in report.problems:
                print(f"  {problem[:500]}", flush=True)
            reports.append(report)
        return reports

    reports = asyncio.run(play())
    waits = sorted(r.noticed_s + r.rebuilt_s for report in reports for r in report.resumed)
    return Results(
        worker_kills=sum(r.worker_kills for r in reports),
        broker_kills=sum(r.broker_kills for r in reports),
        restarts=sum(r.restarts for r in reports),
        missing=sum(r.verdict.missing for r in reports),
        doubled=sum(r.verdict.doubled for r in reports),
        resume_s=_quantiles(waits),
        scenarios=reports,
    )


def _quantiles(waits: Sequence[float]) -> dict[str, float]:
    if not waits:
        return {}
    return {
        "median": round(statistics.median(waits), 2),
        "p90": round(waits[min(len(waits) - 1, int(0.9 * len(waits)))], 2),
        "max": round(waits[-1], 2),
    }


def line(report: Report) -> str:
    """Return a line of the table."""
    verdict = report.verdict
    waits = [r.noticed_s + r.rebuilt_s for r in report.resumed]
    resumed = f"{statistics.median(waits):.1f} / {max(waits):.1f}" if waits else "-"
    return (
        f"| {report.says} | {report.worker_kills} / {report.broker_kills} / {report.restarts} "
        f"| {verdict.picks.wanted} | {verdict.missing} / {verdict.doubled} | {verdict.repeats} "
        f"| {resumed} | {report.most_late_s:.1f} |"
    )


HEAD = """\
| what is done | killed workers / brokers / replaced | picks | missing / doubled | repeats dropped \
| resumed after, s: median / longest | latest value, s |
|---|---|---|---|---|---|---|"""


def page(results: Results) -> str:
    """Return the page of the documentation."""
    first = results.scenarios[0]
    packets = [report.packets for report in results.scenarios]
    detect = [r for report in results.scenarios for r in report.resumed]
    split = ""
    if detect:
        noticed = statistics.median(r.noticed_s for r in detect)
        rebuilt = statistics.median(r.rebuilt_s for r in detect)
        split = (
            f"Of the time to resume, {noticed:.1f} s (median) pass until the death is noticed "
            f"(`session_s`, 6 s), and {rebuilt:.1f} s until the state is rebuilt and the first new "
            "value stands.\n"
        )
    rows = "\n".join(line(report) for report in results.scenarios)
    return f"""# What faults cost

Made by `make faults`: {min(packets):,} to {max(packets):,} packets in a scenario, the three \
stations of
Ridgecrest at {COPIES} places at once, {first.speed:g} times as fast as in nature, through three \
brokers on
one machine with two cores (3 replicas, 2 in sync). Random moments have a seed.

{HEAD}
{rows}

- Missing and doubled count picks, events and alerts together, after readers have dropped repeats.
  Picks are compared with an undisturbed run on the log in memory. What each stage wrote is
  compared with the fold of exactly what stands in its topic; with one partition, events and
  alerts are compared with the undisturbed run too, to the byte
  ([decision 5](decisions/0005-what-stays-identical-on-kafka.md)).
- Where records were skipped or dropped, the picks are compared with those of all other records.
- A quarter of the kills is followed by that of the worker that takes over, as it does so; the time
  to resume counts from the first.
- Latest value: by how much a value of `detections` came late at worst.
- All kills together: {results.worker_kills} workers, {results.broker_kills} brokers; \
{results.missing} missing, {results.doubled} doubled.

{split}"""


def main() -> None:
    """Play, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of detect workers")
    parser.add_argument("--only", nargs="*", default=[], help="names of scenarios")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Cluster(folder / "cluster", brokers=3) as cluster:
            results = played(
                cluster, folder, multiplied(COPIES, ROUNDS), given.kills, set(given.only)
            )
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    if given.page:
        given.page.write_text(page(results), encoding="utf-8")
    sys.exit(bool(results.missing or results.doubled))


if __name__ == "__main__":
    main()
