"""The short form of `make faults`: two workers are killed, and nothing is missing or doubled."""

import asyncio
import logging

from alatau import Configuration, pipeline
from tests.fault_feed import multiplied
from tests.fault_scenarios import Bench
from tests.fault_scripts import workers_killed
from tests.fault_truth import Truth


def test_killed_workers_cost_no_pick_no_event_and_no_alert(kafka_cluster, tmp_path):
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    feed = multiplied(2, 3)
    truth = Truth(feed, pipeline(Configuration(), feed.table(tmp_path)))
    bench = Bench(kafka_cluster, tmp_path, feed, truth, speed=10.0)
    report = asyncio.run(
        bench.play(
            "short",
            "two detect workers are killed",
            workers_killed(2, shortest_s=8.0, longest_s=10.0),
            partitions=2,
            workers={"detect": 2, "locate": 1, "dispatch": 1},
            begin_s=3.0,
            end_s=3.0,
        )
    )
    assert report.worker_kills == 2
    assert report.verdict.picks.wanted > 10
    assert report.problems == []
    assert (report.verdict.missing, report.verdict.doubled) == (0, 0)
    assert report.verdict.is_good
    assert report.resumed
