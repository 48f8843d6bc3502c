"""What packing costs and gains, and what a SeedLink packet costs.

``python -m benchmarks.seedlink [--stations N] [--seconds S] [--json FILE]``: a server on this
machine, in the same process, sends three channels of N stations; each station sends its second
at a moment of its own, one channel about a millisecond after the other, as digitizers do.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from seedlink_client.protocol import Protocol

from ingest import service
from ingest.framing import cut
from ingest.intake import Intake
from ingest.miniseed import encode
from ingest.settings import IngestSettings, SeedLinkSettings
from ingest.sources.seedlink import SeedLinkSource
from ingest.sources.seedlink_packets import Unpacker
from stream.memory import MemoryLog
from stream.records import Output
from tests.seedlink_server import Client, Held, SeedLinkServer

PACK_MS = (0, 2, 5, 10, 20, 50)
BETWEEN_S = 0.001  # between the channels of a station, on average
APPEND_S = 0.005  # what an append to Kafka takes


class TimedLog(MemoryLog):
    """A log that takes its time, and notes when each record stood in it."""

    def __init__(self) -> None:
        super().__init__()
        self.values = 0
        self.appends = 0
        self.stood: dict[bytes, float] = {}

    async def append(self, outputs: Sequence[Output]) -> None:
        """Append, after a while."""
        await asyncio.sleep(APPEND_S)
        now = time.perf_counter()
        self.appends += bool(outputs)
        self.values += len(outputs)
        for output in outputs:
            for part in cut(output.value).records:
                self.stood[output.value[part.begin : part.end]] = now


def _second(second: int, station: int, code: str) -> bytes:
    samples = (np.arange(100) * (station + 7) % 1000).astype(np.int32)
    return encode(f"XX.S{station:04d}..{code}", (1_700_000_000 + second) * 10**9, 100.0, samples)


async def packing(stations: int, seconds: int, pack_ms: int) -> dict[str, float]:
    """Run for some seconds; return values, and milliseconds from sending to the log."""
    server = await SeedLinkServer(shared=True, protocols=(4,)).start()
    log, stop = TimedLog(), asyncio.Event()
    ingest = IngestSettings(seedlink=(SeedLinkSettings(host="127.0.0.1", port=server.port),))
    feeds = service.feeds(ingest, None)
    reading = asyncio.create_task(service.take_in(feeds, log, stop, pack_ms=pack_ms))
    while "END" not in server.commands:
        await asyncio.sleep(0.01)
    rng = np.random.default_rng(1)
    due = []
    for second in range(seconds):
        for station in range(stations):
            moment = second + rng.random()
            for code in ("HHE", "HHN", "HHZ"):
                due.append((moment, _second(second, station, code)))
                moment += rng.exponential(BETWEEN_S)
    due.sort()
    sent: dict[bytes, float] = {}
    began = time.perf_counter()
    for moment, value in due:
        left_s = began + moment - time.perf_counter()
        if left_s > 0:
            await asyncio.sleep(left_s)
        sent[value] = time.perf_counter()
        await server.put(value)
    while len(log.stood) < len(due):
        await asyncio.sleep(0.01)
    stop.set()
    await reading
    await server.stop()
    late_ms = 1000 * np.array([log.stood[value] - at for value, at in sent.items()])
    p50, p99 = np.percentile(late_ms, (50, 99))
    return {
        "pack_ms": pack_ms,
        "values_per_s": log.values / seconds,
        "records_per_value": len(due) / log.values,
        "appends_per_s": log.appends / seconds,
        "late_ms_p50": float(p50),
        "late_ms_p99": float(p99),
    }


async def packet_us(protocol: Protocol, stations: int) -> float:
    """Return what a packet costs from bytes to the intake, in microseconds."""
    client = Client.__new__(Client)
    client.protocol = int(protocol.value)
    data = []
    for number in range(20):
        for station in range(stations):
            value = _second(number, station, "HHZ")
            name = f"XX_S{station:04d}"
            held = Held(name, "_H_H_Z", number * stations + station, 0.0, 0.0, "2D", value)
            data.append(client.packet(held))
    stream = b"".join(data)
    source = SeedLinkSource(SeedLinkSettings(), service.wall_clock_ms)
    source._places.begin(protocol)
    unpacker, intake = Unpacker(protocol), Intake(0, 1 << 40)
    began = time.perf_counter()
    for at in range(0, len(stream), 65536):
        await source._take(unpacker.feed(stream[at : at + 65536]), intake)
    taken_s = time.perf_counter() - began
    if source.counts.packets != len(data):
        raise RuntimeError("packets are missing")
    return 1e6 * taken_s / len(data)


def main(
    stations: Annotated[int, typer.Option(help="Stations, three channels each.")] = 300,
    seconds: Annotated[int, typer.Option(help="Seconds of data for each setting.")] = 10,
    to: Annotated[Path | None, typer.Option("--json", help="Write the results here.")] = None,
) -> None:
    """Measure and print."""
    costs = {p.value: asyncio.run(packet_us(p, 1000)) for p in (Protocol.V3, Protocol.V4)}
    for version, cost in costs.items():
        print(f"SeedLink {version}: {cost:.1f} us a packet, {1e6 / cost:,.0f} packets a second")
    print(f"{stations} stations, {3 * stations} packets a second:")
    print("pack_ms  values/s  records/value  appends/s  late p50   p99 ms")
    rows = []
    for pack_ms in PACK_MS:
        row = asyncio.run(packing(stations, seconds, pack_ms))
        rows.append(row)
        print(
            f"{pack_ms:7d}{row['values_per_s']:10.0f}{row['records_per_value']:15.2f}"
            f"{row['appends_per_s']:11.0f}{row['late_ms_p50']:10.1f}{row['late_ms_p99']:9.1f}"
        )
    if to is not None:
        to.write_text(json.dumps({"packet_us": costs, "stations": stations, "packing": rows}))


if __name__ == "__main__":
    typer.run(main)
