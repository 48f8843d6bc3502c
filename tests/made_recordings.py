"""Networks and recordings made by hand: seeded noise, and waves that come when they should."""

import asyncio
import math

import numpy as np

from alatau import Configuration
from detect.geodesy import distance_azimuth
from detect.settings import (
    DetectSettings,
    LocateSettings,
    MudflowSettings,
    PickSettings,
    TrustSettings,
)
from detect.traveltimes import load
from ingest.channels import Channel, ChannelTable, Station
from ingest.miniseed import encode
from ingest.settings import ContinuitySettings, IngestSettings, QualitySettings
from ingest.sources.archive import Packet, Recording
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.records import Output, Record
from stream.runner import StageRunner
from stream.topics import WAVEFORMS

START_S = 1_700_000_000
GAIN = 1e6  # counts per m/s2
NOISE = 30.0  # counts, one sigma
ak135 = load()

STATIONS = {
    "KR.AAA": (42.60, 74.50),
    "KR.BBB": (42.75, 74.85),
    "KR.CCC": (42.45, 74.95),
    "KR.DDD": (42.30, 74.60),
    "KR.EEE": (42.50, 74.20),
}

SHORT = Configuration(
    ingest=IngestSettings(
        continuity=ContinuitySettings(horizon_s=5.0, agree_s=5.0),
        quality=QualitySettings(recover_s=5.0),
    ),
    detect=DetectSettings(
        pick=PickSettings(
            short_s=0.1, long_s=2.0, middle_s=0.8, settle_s=3.0, follow_s=5.0, longest_s=5.0
        ),
        locate=LocateSettings(event_life_s=20.0, pick_life_s=15.0),
        trust=TrustSettings(window_s=30.0),
        mudflow=MudflowSettings(
            noise_s=30.0, sustain_s=15.0, emergent_s=15.0, sudden_s=30.0, hold_s=10.0
        ),
    ),
)
"""Stages that forget within a minute or two, so that a rewind does not read everything."""


def table(stations=STATIONS, codes=("HNZ",), gain=GAIN, unit="m/s2"):
    """Metadata of stations that have these channels at all times."""
    channels = {}
    for name, (latitude, longitude) in stations.items():
        place = Station(latitude, longitude, 0.0)
        for code in codes:
            seed_id = f"{name}..{code}"
            channels[seed_id] = (
                Channel(seed_id, place, gain, unit, code.endswith("Z"), -(2**63), 2**63 - 1),
            )
    places = {name: Station(*at, 0.0) for name, at in stations.items()}
    return ChannelTable(dict(sorted(channels.items())), places, ())


def burst(t, amplitude, hertz, fades_s):
    """A wave that begins at once at t = 0."""
    after = np.maximum(t, 0.0)
    return (t >= 0) * amplitude * np.exp(-after / fades_s) * np.sin(2 * np.pi * hertz * after)


def ground(place, seconds, rate, shocks, seed, offset=0.0):
    """Counts at a place: noise, and of each shock (s, latitude, longitude, km, m/s2) P and S."""
    t = np.arange(round(seconds * rate)) / rate
    counts = np.random.default_rng(seed).normal(offset, NOISE, t.size)
    for at_s, latitude, longitude, depth_km, size in shocks:
        distance, _ = distance_azimuth(latitude, longitude, *place)
        p, s = p_and_s(distance, depth_km)
        strength = size * GAIN * 20.0 / math.hypot(distance, depth_km)
        counts += burst(t - at_s - p, strength, 4.0, 1.5)
        counts += burst(t - at_s - s, 4.0 * strength, 2.0, 2.0)
    return np.rint(counts).astype(np.int32)


def p_and_s(distance_km, depth_km):
    return ak135.p(distance_km, depth_km), ak135.s(distance_km, depth_km)


def cut(seed_id, samples, rate, *, start_s=START_S, packet_s=1.0, latency_s=0.5):
    """The packets of one channel."""
    station = ".".join(seed_id.split(".")[:2])
    packets = []
    size = max(1, round(packet_s * rate))
    for begin in range(0, len(samples), size):
        part = samples[begin : begin + size]
        start_ns = round(start_s * 1e9) + round(begin * 1e9 / rate)
        end_ns = start_ns + round(len(part) * 1e9 / rate)
        value = encode(seed_id, start_ns, rate, part)
        arrival_ms = math.ceil((end_ns + latency_s * 1e9) / 1e6)
        packets.append(Packet(station, arrival_ms, start_ns // 1000, end_ns // 1000, value))
    return packets


def recording(
    seconds, shocks, *, stations=STATIONS, rate=100.0, offset=0.0, codes=("HNZ",), only=None
):
    """A recording of all stations; `only` has the stations that feel a shock, by its number."""
    packets = []
    for number, (name, place) in enumerate(stations.items()):
        felt = [s for i, s in enumerate(shocks) if name in (only or {}).get(i, stations)]
        for axis, code in enumerate(codes):
            samples = ground(place, seconds, rate, felt, 100 * number + axis, offset)
            latency = 0.5 + 0.17 * number
            packets += cut(f"{name}..{code}", samples, rate, latency_s=latency)
    packets.sort(key=lambda p: (p.arrival_ms, p.station, p.start_us))
    return Recording("made", tuple(packets), table(stations, codes), (), "made")


def outputs(packets):
    """Packets as they are appended to `waveforms`."""
    return [
        Output(WAVEFORMS.name, p.station.encode(), p.value, i, p.arrival_ms)
        for i, p in enumerate(packets)
    ]


def records(packets):
    """Packets as they stand in `waveforms`, all in one partition."""
    return [
        Record(WAVEFORMS.name, 0, i, p.arrival_ms, p.station.encode(), p.value)
        for i, p in enumerate(packets)
    ]


async def read_all(log, topic):
    """Every record of a topic, by arrival and then by place in the log."""
    found = []
    for partition in range(log.partitions(topic.name)):
        begin = await log.begin(topic.name, partition)
        end = await log.end(topic.name, partition)
        found += await log.read(topic.name, partition, begin, end - begin)
    return sorted(found, key=lambda r: (r.timestamp, r.partition, r.offset))


class _Kept:
    """A reader of a topic: what the runner drops as a repeat never comes here."""

    def __init__(self, memory, kept):
        self.memory = memory
        self.kept = kept

    def process(self, batch):
        self.kept.extend(batch)
        return []


async def heard(log, topic, memory):
    """What a reader makes of a topic: repeats are dropped."""
    kept = []
    runner = StageRunner(log, Stage("reader", topic, lambda _: _Kept(memory, kept)))
    await runner.start()
    while await runner.step():
        pass
    return kept


def played(packets, stages, *, slices=(500,), limit=1000, partitions=None):
    """Play packets through stages; return the log.

    `slices` are the numbers of packets appended at once, repeated for ever.
    """

    async def inside():
        log = MemoryLog(partitions)
        runners = [StageRunner(log, stage, limit=limit) for stage in stages]
        for runner in runners:
            await runner.start()
        waiting = outputs(packets)
        turn = 0
        while waiting:
            size = slices[turn % len(slices)]
            turn += 1
            await log.append(waiting[:size])
            del waiting[:size]
            while any([await runner.step() for runner in runners]):
                pass
        return log

    return asyncio.run(inside())
