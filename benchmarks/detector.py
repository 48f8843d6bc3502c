"""What the detector costs, beside others.

``python -m benchmarks.detector [--quick] [--json FILE]``

The contenders take turns in every round, so that what disturbs the machine disturbs all of
them. A ratio is the median over the rounds of the ratio within a round.
"""

import argparse
import json
import os
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
from obspy.signal.trigger import recursive_sta_lta
from pymseed import MS3Record
from scipy.signal import sosfilt

from benchmarks import decode
from detect import filters
from detect.bank import ChannelBank, Precision
from detect.picker import PickOperator
from detect.settings import DetectSettings, PickSettings
from ingest import channels, miniseed
from ingest.settings import IngestSettings
from ingest.sources import archive
from stream.records import Record

RATE = 100.0
SECOND = 100
LENGTH = 512
SHORT, LONG = 50, 1000
EVENT = Path(__file__).parent / "events" / "ridgecrest-2019-near"

_Int32s = npt.NDArray[np.int32]


class Fed:
    """Channels of a bank that are fed a chunk at a time; settled before the clock starts.

    A turn is several chunks where they are short, as a peer's is: a worker does nothing else.
    """

    def __init__(self, count: int, chunk: int, kind: Precision, samples: _Int32s) -> None:
        self.count, self.chunk, self.samples = count, chunk, samples
        self.chunks = max(1, 2000 // chunk)
        self.bank = ChannelBank(PickSettings(), kind)
        for _ in range(count):
            self.bank.add(RATE, triggers=True, integer=True)
        self.channel = np.arange(count)
        self.first = np.arange(count) * chunk
        self.lengths = np.full(count, chunk)
        self.rates = np.full(count, RATE)
        self.now_ns = 0
        self.go(begin=True)
        settled = 20 * SECOND
        for _ in range(max(1, settled // chunk)):
            self.go()

    def go(self, *, begin: bool = False) -> None:
        """Advance all channels by one chunk."""
        start_ns = np.full(self.count, self.now_ns)
        self.bank.advance(
            self.channel,
            self.first,
            self.lengths,
            start_ns,
            self.rates,
            np.full(self.count, begin),
            self.samples,
        )
        self.now_ns += self.chunk * 10_000_000

    def turn(self) -> None:
        """Advance by the chunks of a turn."""
        for _ in range(self.chunks):
            self.go()

    @property
    def work(self) -> int:
        """Samples in a turn."""
        return self.count * self.chunk * self.chunks


def noise(count: int) -> _Int32s:
    """Make noise of a few hundred counts."""
    return np.random.default_rng(0).normal(0.0, 300.0, count).astype(np.int32)


def race(turns: dict[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, list[float]]:
    """Time contenders in turns: ns a unit of work, by round."""
    times: dict[str, list[float]] = {name: [] for name in turns}
    for turn, _ in turns.values():
        turn()
    for _ in range(rounds):
        for name, (turn, work) in turns.items():
            began = time.perf_counter()
            turn()
            times[name].append((time.perf_counter() - began) / work * 1e9)
    return times


def ratio(times: dict[str, list[float]], slow: str, fast: str) -> float:
    """Median over the rounds of how many times faster `fast` was."""
    return statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True))


def detection(rounds: int, *, quick: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Race the fused kernel against scipy and obspy; ratios, and median ns a sample."""
    sos = np.insert(filters.band_pass(RATE, 1.0, 10.0), 3, 1.0, axis=1)
    hour = noise((60_000 if quick else 360_000) * 64)
    long = hour.size // 64
    trace = hour[:long]
    second = noise(1920 * SECOND)
    one = second[:SECOND]
    state = np.zeros((2, 2))
    alone = Fed(1, 36_000, np.float32, hour)
    zeros = Fed(1920, SECOND, np.float32, noise(1920 * SECOND))
    zeros.samples = np.zeros_like(zeros.samples)

    def peers_hour() -> None:
        recursive_sta_lta(sosfilt(sos, trace.astype(np.float64)), SHORT, LONG)

    def peers_second() -> None:
        for _ in range(100):
            band, state[:] = sosfilt(sos, one.astype(np.float64), zi=state)
            recursive_sta_lta(band, SHORT, LONG)

    turns: dict[str, tuple[Callable[[], object], int]] = {
        "peers, an hour": (peers_hour, long),
        "peers, by the second": (peers_second, 100 * SECOND),
        "float32, an hour": ((a := Fed(64, long, np.float32, hour)).turn, a.work),
        "float64, an hour": ((b := Fed(64, long, np.float64, hour)).turn, b.work),
        "float32, by the second": ((c := Fed(1920, SECOND, np.float32, second)).turn, c.work),
        "float64, by the second": ((d := Fed(1920, SECOND, np.float64, second)).turn, d.work),
        "float32, one channel (scalar)": (alone.turn, alone.work),
        "float32, zeros after noise": (zeros.turn, zeros.work),
    }
    times = race(turns, rounds)
    ratios = {
        "fused_f32_vs_peers_hour": ratio(times, "peers, an hour", "float32, an hour"),
        "fused_f32_vs_peers_second": ratio(times, "peers, by the second", "float32, by the second"),
        "fused_f64_vs_peers_hour": ratio(times, "peers, an hour", "float64, an hour"),
        "simd_vs_scalar_f32": ratio(times, "float32, one channel (scalar)", "float32, an hour"),
        "zeros_vs_noise": ratio(times, "float32, zeros after noise", "float32, by the second"),
    }
    return ratios, {name: statistics.median(some) for name, some in times.items()}


def _feed(stations: int, *, shaken: bool) -> tuple[channels.ChannelTable, list[list[Record]]]:
    """Make polls of 512-byte Steim-2 records, each station's next of three channels in one value.

    Quiet: made noise of 300 counts, packed as a digitiser packs it. Shaken: the real records of
    one station, an earthquake at all stations at once.
    """
    table = channels.read([EVENT / "stations.xml"])
    place = table.stations["CI.CLC"]
    real = {seed_id: entry for seed_id, entry in table.channels.items() if ".CLC." in seed_id}
    names = [f"{n:05d}" for n in range(stations)]
    many = {
        seed_id.replace(".CLC.", f".{name}."): entry
        for name in names
        for seed_id, entry in real.items()
    }
    full = channels.ChannelTable(many, {f"CI.{name}": place for name in names}, ())
    three = _shaken() if shaken else _quiet(sorted(real))
    polls = []
    offset = 0
    for row in zip(*three, strict=False):
        poll = []
        arrival_ms = _end_ms(row[0]) + 500
        for name in names:
            value = b"".join(r[:8] + name.encode() + r[13:] for r in row)
            key = f"CI.{name}".encode()
            poll.append(Record("waveforms", 0, offset, arrival_ms, key, value))
            offset += 1
        polls.append(poll)
    return full, polls


def _shaken() -> list[list[bytes]]:
    content = (EVENT / "waveforms.mseed").read_bytes()
    by_channel: dict[bytes, list[bytes]] = {}
    for at in range(0, len(content), LENGTH):
        record = content[at : at + LENGTH]
        by_channel.setdefault(record[8:20], []).append(record)
    return [records for code, records in sorted(by_channel.items()) if b"CLC" in code]


def _quiet(seed_ids: list[str]) -> list[list[bytes]]:
    three = []
    for number, seed_id in enumerate(seed_ids):
        made = noise(30_000 * (number + 1))[-30_000:]
        packed = miniseed.encode(seed_id, 1_600_000_000 * 10**9, RATE, made)
        three.append([packed[at : at + LENGTH] for at in range(0, len(packed), LENGTH)])
    return three


def _end_ms(record: bytes) -> int:
    return int(MS3Record.parse(record).endtime // 1_000_000)


def throughput(rounds: int, *, quick: bool, shaken: bool) -> float:
    """Bytes in to picks out, one core, in records a second: the median over the polls.

    The whole operator: decoding, continuity, quality, detection, picks, and the frames that go
    to the log.
    """
    table, polls = _feed(300 if quick else 1000, shaken=shaken)
    operator = PickOperator(0, table, DetectSettings(), IngestSettings())
    rates = []
    for k, poll in enumerate(polls[: 12 + 4 * rounds]):
        began = time.perf_counter()
        operator.process(poll)
        if k >= 12:
            rates.append(3 * len(poll) / (time.perf_counter() - began))
    return statistics.median(rates)


COLD_WORKER = """
from pathlib import Path
from detect.picker import PickOperator
from detect.settings import DetectSettings
from ingest.channels import read
from ingest.settings import IngestSettings
from ingest.sources import archive
from stream.records import Record
from sys import argv
import pickle
records = pickle.load(open(argv[2], "rb"))
operator = PickOperator(0, read([Path(argv[1])]), DetectSettings(), IngestSettings())
for record in records:
    if any(b'"kind":"pick"' in output.value for output in operator.process([Record(*record)])):
        break
else:
    raise SystemExit("no pick")
"""


def cold_start(rounds: int) -> float:
    """Seconds from starting Python to a worker's first pick, kernels cached: the median.

    The worker reads StationXML and takes its values one by one, from the first.
    """
    recording = archive.read(EVENT, latency_s=0.5)
    rows = [
        ("waveforms", 0, i, p.arrival_ms, p.station.encode(), p.value)
        for i, p in enumerate(recording.packets)
    ]
    with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
        file.write(pickle.dumps(rows))
        file.flush()
        command = [sys.executable, "-c", COLD_WORKER, str(EVENT / "stations.xml"), file.name]
        times = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            subprocess.run(command, check=True)  # noqa: S603
            times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def growth(*, quick: bool) -> list[dict[str, float]]:
    """Cost of a sample as channels, chunk and threads grow."""
    rows: list[dict[str, float]] = []
    counts = (1, 10, 100, 1000) if quick else (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000)
    chunks = (SECOND,) if quick else (5, 20, 50, SECOND, 500)
    for chunk in chunks:
        for count in counts:
            if count * chunk > 6_000_000:
                continue
            samples = noise(count * chunk)
            rows.extend(
                {
                    "channels": count,
                    "chunk_s": chunk / RATE,
                    "threads": threads,
                    "ns_per_sample": _threaded(count, chunk, threads, samples),
                }
                for threads in (1, 2)
            )
    return rows


def _threaded(count: int, chunk: int, threads: int, samples: _Int32s) -> float:
    """Cost of a sample with banks of `count` channels side by side in threads."""
    banks = [Fed(count, chunk, np.float32, samples) for _ in range(threads)]
    turns = max(3, min(400, 400_000 // (count * chunk)))

    def work(bank: Fed) -> None:
        for _ in range(turns):
            bank.go()

    times = []
    for _ in range(3):
        workers = [threading.Thread(target=work, args=(bank,)) for bank in banks]
        began = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        times.append(time.perf_counter() - began)
    return min(times) / (turns * count * chunk * threads) * 1e9


def machine() -> str:
    """Name the machine and the versions."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text().splitlines()
        cpu = next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), cpu)
    names = ("numpy", "numba", "scipy", "obspy", "pymseed")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, less exact")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rounds = 7
    ratios, costs = detection(rounds, quick=arguments.quick)
    read = decode.measure(rounds, quick=arguments.quick)
    ratios["decode_vs_pymseed"] = read["pymseed"] / read["alatau"]
    ratios["decode_vs_libmseed"] = read["libmseed"] / read["alatau"]
    ratios["decode_vs_obspy"] = read["obspy"] / read["alatau"]
    quiet = throughput(rounds, quick=arguments.quick, shaken=False)
    shaken = throughput(rounds, quick=arguments.quick, shaken=True)
    result = {
        "machine": machine(),
        "ratios": {name: round(value, 2) for name, value in ratios.items()},
        "records_per_second": round(quiet),
        "records_per_second_all_shaken": round(shaken),
        "cold_start_s": round(cold_start(3 if arguments.quick else rounds), 2),
        "ns_per_sample": {name: round(value, 3) for name, value in costs.items()},
        "us_per_record": {name: round(value * 1e6, 3) for name, value in read.items()},
        "growth": growth(quick=arguments.quick),
    }
    text = json.dumps(result, indent=1)
    sys.stdout.write(text + "\n")
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
