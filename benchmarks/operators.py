"""What the stages `detect` and `locate` cost at many stations, on made data.

``python -m benchmarks.operators [--stations N] [--batch N] [--seconds N] [--json FILE]``

Only the operators are timed, in seconds of one core: no log, no network. Every station sends a
second of its three channels in one value, at a time of the second that is its own, some
milliseconds sooner or later; a batch is what comes in a moment. Where stations are shaken at
once, the waves reach them all within the same second, which is worse than any earthquake; the
earthquake that `locate` is given spreads as earthquakes do.
"""

import argparse
import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from msgspec import Struct, to_builtins

from benchmarks.detector import machine
from benchmarks.made_network import Earthquake, Feed, station_table
from detect import traveltimes
from detect.locator import LocateOperator
from detect.picker import PickOperator
from detect.settings import DetectSettings
from ingest.channels import ChannelTable
from ingest.settings import IngestSettings
from stream.operator import Operator
from stream.records import Output, Record
from stream.topics import DETECTIONS

BEGIN_S = 1_700_000_000
LATENCY_S = 0.5
JITTER_S = 0.05  # of the arrival: values of different stations overtake each other
SETTLED_S = 25  # until all is quiet
ORIGIN_S = 30  # of the earthquake
REACH_KM = 270.0  # a tenth of the stations
STRENGTH = 20.0
SPREADS_S = 45
SIZES = (1, 10, 50, 100, 500, 1000)  # of batches, in values
WHOLE = 1000  # values a batch where nothing is timed, and in a rewind


class Cost(Struct, frozen=True):
    """What batches took.

    Attributes
    ----------
    case
        What was done.
    values_per_s, us_per_value, ms_per_s
        Values in a second of work, microseconds a value, and milliseconds a second of data.
    p50_ms, p99_ms, max_ms
        Of the batches.
    said_kb_per_s
        Bytes said by the stage, a second of data.
    """

    case: str
    values_per_s: int
    us_per_value: float
    ms_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    said_kb_per_s: float


class Timed:
    """An operator, and how long each of its batches took (s)."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._taken: list[float] = []
        self._values = 0
        self._said = 0

    def process(self, batch: Sequence[Record]) -> list[Output]:
        """Run a batch, and take its time."""
        began = time.thread_time()
        outputs = self._operator.process(batch)
        self._taken.append(time.thread_time() - began)
        self._values += len(batch)
        self._said += sum(len(output.value) for output in outputs)
        return outputs

    @property
    def seconds(self) -> float:
        """All that it took."""
        return sum(self._taken)

    def cost(self, case: str, data_s: float) -> Cost:
        """Sum up, over so many seconds of data."""
        p50, p99, most = (np.quantile(self._taken, (0.5, 0.99, 1.0)) * 1000).tolist()
        values = max(1, self._values)
        return Cost(
            case=case,
            values_per_s=round(values / self.seconds),
            us_per_value=round(self.seconds / values * 1e6, 2),
            ms_per_s=round(self.seconds / data_s * 1000, 2),
            p50_ms=round(p50, 2),
            p99_ms=round(p99, 2),
            max_ms=round(most, 2),
            said_kb_per_s=round(self._said / data_s / 1000, 1),
        )


def _values(feed: Feed, second: int) -> list[Record]:
    """Make the values of all stations of one second, in order of arrival."""
    begin = feed.stations * second
    made = feed.values(0, feed.stations, BEGIN_S + second, BEGIN_S + ORIGIN_S)
    jitter = np.random.default_rng(second).uniform(0.0, JITTER_S, feed.stations)
    after = np.array([feed.phase_s(number) for number in range(feed.stations)]) + jitter
    arrival_ms = ((BEGIN_S + second + 1 + LATENCY_S + after) * 1000).astype(np.int64)
    order = np.argsort(after)
    return [
        Record("waveforms", 0, begin + i, at, feed.keys[number], made[number])
        for i, (number, at) in enumerate(
            zip(order.tolist(), arrival_ms[order].tolist(), strict=True)
        )
    ]


def _batches(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    for begin in range(0, len(records), size):
        yield records[begin : begin + size]


def _picker(table: ChannelTable, partition: int = 0) -> PickOperator:
    return PickOperator(partition, table, DetectSettings(), IngestSettings())


def _detect(case: str, feed: Feed, batch: int, seconds: range) -> Cost:
    """Time `detect` over some seconds; those before are read too."""
    operator = _picker(station_table(feed.stations))
    for second in range(seconds.start):
        for part in _batches(_values(feed, second), WHOLE):
            operator.process(part)
    timed = Timed(operator)
    for second in seconds:
        for part in _batches(_values(feed, second), batch):
            timed.process(part)
    return timed.cost(case, len(seconds))


def _said(feed: Feed, partitions: int, seconds: int) -> Iterator[list[Record]]:
    """Have `detect` read so many seconds, and return what it says in each."""
    table = station_table(feed.stations)
    operators = [_picker(table, partition) for partition in range(partitions)]
    offset = 0
    for second in range(seconds):
        outputs: list[Output] = []
        for part in _batches(_values(feed, second), WHOLE):
            for number, operator in enumerate(operators):
                outputs += operator.process(
                    [r for r in part if crc32(r.key) % partitions == number]
                )
        outputs = [o for o in outputs if o.topic == DETECTIONS.name]
        outputs.sort(key=lambda output: output.timestamp)
        yield [
            Record(o.topic, 0, offset + i, o.timestamp, o.key, o.value)
            for i, o in enumerate(outputs)
        ]
        offset += len(outputs)


def _locate(case: str, feed: Feed, partitions: int, batch: int, seconds: range) -> Cost:
    """Time `locate` on what `detect` says; those before are read too."""
    operator = LocateOperator(DetectSettings(), traveltimes.load())
    timed = Timed(operator)
    for second, records in enumerate(_said(feed, partitions, seconds.stop)):
        for part in _batches(records, batch):
            if second in seconds:
                timed.process(part)
            else:
                operator.process(part)
    return timed.cost(case, len(seconds))


def _start_up(stations: int) -> float:
    """Return the seconds that the first second of all stations takes beyond a later one."""
    _warm_up()
    feed = Feed(stations, Earthquake(at_once=1))
    timed = Timed(_picker(station_table(stations)))
    taken = []
    for second in range(3):
        before = timed.seconds
        for part in _batches(_values(feed, second), WHOLE):
            timed.process(part)
        taken.append(timed.seconds - before)
    return round(taken[0] - min(taken[1:]), 2)


def _memory(stations: int) -> float:
    """Return MB of resident memory per 1,000 stations, after as long as samples are kept."""
    _warm_up()
    feed = Feed(stations, Earthquake(at_once=1))
    table = station_table(stations)
    _values(feed, 0)
    gc.collect()
    before = _resident_kb()
    operator = _picker(table)
    for second in range(45):
        for part in _batches(_values(feed, second), WHOLE):
            operator.process(part)
    gc.collect()
    return round((_resident_kb() - before) / stations, 1)


def _resident_kb() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise OSError("no VmRSS in /proc/self/status")


def _two_threads(stations: int, batch: int) -> float:
    """Return how many times the values of one thread two do, each with an operator of its own.

    Compiled code lets other threads run; what is left of Python does not.
    """
    feed = Feed(stations, Earthquake(at_once=1))
    operators = [_picker(station_table(stations)) for _ in range(4)]
    for second in range(3):
        for part in _batches(_values(feed, second), WHOLE):
            for operator in operators:
                operator.process(part)
    waiting = [part for s in range(3, 6) for part in _batches(_values(feed, s), batch)]

    def work(operator: PickOperator) -> None:
        for part in waiting:
            operator.process(part)

    def timed(some: Sequence[PickOperator]) -> float:
        threads = [threading.Thread(target=work, args=(operator,)) for operator in some]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began

    work(operators[0])
    return round(2 * timed(operators[1:2]) / timed(operators[2:]), 2)


def _sizes(feed: Feed, seconds: int) -> dict[int, float]:
    """Return microseconds a value of `detect` in quiet, by the size of the batch."""
    operator = _picker(station_table(feed.stations))
    for second in range(SETTLED_S):
        for part in _batches(_values(feed, second), WHOLE):
            operator.process(part)
    found = {}
    second = SETTLED_S
    for size in SIZES:
        timed = Timed(operator)
        for _ in range(seconds):
            for part in _batches(_values(feed, second), size):
                timed.process(part)
            second += 1
        found[size] = timed.cost("", seconds).us_per_value
    return found


def _warm_up() -> None:
    """Have all kernels of both stages loaded: a live pipeline does so before it begins."""
    feed = Feed(40, Earthquake(REACH_KM, SPREADS_S, STRENGTH))
    operator = LocateOperator(DetectSettings(), traveltimes.load())
    for records in _said(feed, 1, ORIGIN_S + 20):
        operator.process(records)


ALONE = {"memory": _memory, "start": _start_up}


def _alone(part: str, stations: int) -> float:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.operators", "--only", part]
    command += ["--stations", str(stations)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return float(done.stdout)


def measure(stations: int, batch: int, seconds: int) -> dict[str, object]:
    """Measure everything."""
    _warm_up()
    quiet = range(SETTLED_S, SETTLED_S + seconds)
    event = range(ORIGIN_S, ORIGIN_S + 7 + seconds)
    spreads = range(ORIGIN_S, ORIGIN_S + SPREADS_S)
    calm = Feed(stations, Earthquake(at_once=1))
    tenth = Feed(stations, Earthquake(at_once=max(1, stations // 10), seconds=event.stop))
    whole = Feed(stations, Earthquake(at_once=stations, seconds=event.stop))
    large = Feed(stations, Earthquake(REACH_KM, SPREADS_S, STRENGTH))
    costs = [
        _detect("detect: quiet", calm, batch, quiet),
        _detect("detect: a tenth shaken at once", tenth, batch, event),
        _detect("detect: all shaken at once", whole, batch, event),
        rewind := _detect("detect: rewind", calm, WHOLE, quiet),
        _locate("locate: quiet, 1 partition", calm, 1, 20, quiet),
        _locate("locate: quiet, 12 partitions", calm, 12, 20, quiet),
        _locate("locate: an earthquake reaches a tenth", large, 12, 20, spreads),
    ]
    memory_s = _picker(station_table(1)).memory.total_seconds()
    return {
        "machine": machine(),
        "stations": stations,
        "batch": batch,
        "costs": costs,
        "memory_s": memory_s,
        "rewind_s": round(memory_s * stations / rewind.values_per_s, 1),
        "mb_per_1000_stations": _alone("memory", stations),
        "start_up_s": _alone("start", stations),
        "us_per_value_by_batch": _sizes(calm, seconds),
        "two_threads": _two_threads(stations, batch),
    }


def _table(result: dict[str, object]) -> Iterator[str]:
    yield (
        f"{result['stations']:,} stations of three channels, 100 Hz; "
        f"batches of {result['batch']} values (locate: 20, rewind: {WHOLE:,}). {result['machine']}"
    )
    yield ""
    heads = ("", "values/s", "us/value", "ms/s", "p50 ms", "p99 ms", "max ms", "said kB/s")
    yield f"{heads[0]:40}" + "".join(f"{head:>11}" for head in heads[1:])
    for cost in result["costs"]:  # type: ignore[attr-defined]
        numbers = to_builtins(cost, str_keys=True)
        case = numbers.pop("case")
        yield f"{case:40}" + "".join(f"{number:>11,}" for number in numbers.values())
    yield ""
    yield f"memory            {result['mb_per_1000_stations']} MB per 1,000 stations"
    yield f"start-up          {result['start_up_s']} s for all stations to be new at once"
    yield f"rewind            {result['memory_s']:g} s of data, read in {result['rewind_s']} s"
    yield f"two threads       {result['two_threads']} times the values of one"
    sizes = result["us_per_value_by_batch"]
    told = ", ".join(f"{size}: {us}" for size, us in sizes.items())  # type: ignore[attr-defined]
    yield f"batch: us/value   {told}"


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=100, help="values")
    parser.add_argument("--seconds", type=int, default=5, help="of data in each case")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=tuple(ALONE), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only is not None:
        print(ALONE[arguments.only](arguments.stations))
        return
    result = measure(arguments.stations, arguments.batch, arguments.seconds)
    print("\n".join(_table(result)))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(to_builtins(result, str_keys=True), indent=1) + "\n")


if __name__ == "__main__":
    main()
