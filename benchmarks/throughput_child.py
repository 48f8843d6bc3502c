"""What `benchmarks.throughput` starts: the feeder, and workers on a made network.

``python -m benchmarks.throughput_child feed|detect|rest BOOTSTRAP STATIONS PARTITIONS``
"""

import asyncio
import gc
import json
import logging
import sys
import time

from alatau import Configuration, pipeline
from benchmarks.made_network import EVENT_S, Feed, station_table
from dispatch.rehearsal import rehearse
from ingest.channels import ChannelTable
from stream.kafka import KafkaLog
from stream.kafka_settings import KafkaSettings
from stream.metrics import Metrics
from stream.pipeline import stop_on_signals
from stream.records import Output
from stream.topics import WAVEFORMS
from stream.work import work

TICK_S = 0.01
FIRST_EVENT_S = 24  # picks count when a channel has been heard for a while
EVERY_S = EVENT_S + 4


def settings(bootstrap: str, stations: int, partitions: int) -> KafkaSettings:
    """Return the settings of a run: topics of its own."""
    return KafkaSettings(
        bootstrap=bootstrap,
        prefix=f"n{stations}.",
        replication=1,
        in_sync=1,
        waveform_partitions=partitions,
        waveforms_h=0.25,
    )


async def feed(kafka: KafkaSettings, stations: int) -> None:
    """Append each station's second when its last sample has been taken, until stopped."""
    made = Feed(stations)
    stop = stop_on_signals()
    gc.freeze()
    number = 0
    async with KafkaLog.opened(kafka) as log:
        begin = int(time.time()) + 1
        print(f"from {begin + FIRST_EVENT_S}", flush=True)
        done = float(begin)
        while not stop.is_set():
            await asyncio.sleep(max(0.0, done + TICK_S - time.time()))
            until = time.time()
            outputs: list[Output] = []
            while done < until:
                second = int(done)
                upto = min(until, second + 1.0)
                first, last = (
                    -(-int((t - second) * 1e9) * stations // 10**9) for t in (done, upto)
                )
                origin = begin + FIRST_EVENT_S
                origin += max(0, (second - 1 - origin) // EVERY_S) * EVERY_S
                values = made.values(first, min(last, stations), second - 1, origin)
                now = time.time_ns() // 1_000_000
                for station, value in enumerate(values, first):
                    key = made.keys[station]
                    outputs.append(Output(WAVEFORMS.name, key, value, number, now))
                    number += 1
                done = upto
            await log.append(outputs)
            late = time.time() - until
            if late > 1.0:
                print(f"late {late:.2f}", flush=True)


async def run_stages(kafka: KafkaSettings, stations: int, names: tuple[str, ...]) -> None:
    """Run stages until stopped."""
    table = station_table(stations) if "detect" in names else ChannelTable({}, {}, ())
    stages = pipeline(Configuration(), table)
    rehearse(stages, table)
    gc.freeze()
    print("ready", flush=True)
    chosen = [stage for stage in stages if stage.name in names]
    metrics = Metrics()
    await work(lambda: KafkaLog.opened(kafka), chosen, stop_on_signals(), metrics=metrics)
    thought: dict[str, dict[str, float]] = {}
    for sample in next(iter(metrics.think.collect())).samples:
        name = sample.name.removeprefix("alatau_batch_seconds_")
        if name in ("sum", "count"):
            thought.setdefault(sample.labels["stage"], {})[name] = sample.value
        elif name == "bucket":
            thought.setdefault(sample.labels["stage"], {})[f"le_{sample.labels['le']}"] = (
                sample.value
            )
    print(json.dumps(thought), flush=True)


def main() -> None:
    """Run one of them."""
    logging.basicConfig(level=logging.WARNING)
    what, bootstrap = sys.argv[1:3]
    stations, partitions = map(int, sys.argv[3:5])
    kafka = settings(bootstrap, stations, partitions)
    if what == "feed":
        asyncio.run(feed(kafka, stations))
    else:
        names = ("detect",) if what == "detect" else ("locate", "dispatch")
        asyncio.run(run_stages(kafka, stations, names))


if __name__ == "__main__":
    main()
