"""SeedLink against a server with the faults of real ones: nothing is lost, nothing comes twice."""

import asyncio
import re
import ssl
import struct
import subprocess
from collections import Counter, defaultdict
from contextlib import asynccontextmanager, suppress
from shutil import which
from zlib import crc32

import numpy as np
import pytest
from pymseed import MS3Record
from seedlink_client import AsyncSeedLink, Protocol
from seedlink_server import SeedLinkServer

from ingest import intake, service
from ingest.framing import cut
from ingest.miniseed import encode
from ingest.settings import IngestSettings, LiveSettings, SeedLinkSettings
from ingest.sources import seedlink
from stream import rejects, settings
from stream.errors import ConfigurationError
from stream.kafka import KafkaLog
from stream.kafka_settings import KafkaSettings
from stream.layout import Layout
from stream.log import LogError
from stream.memory import MemoryLog
from stream.settings import Settings
from stream.topics import REJECTS, WAVEFORMS

T0 = 1_700_000_000
EITHER = pytest.mark.parametrize("protocol", ["3", "4"])
NUMBERED = pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])


@pytest.fixture(autouse=True)
def _short_pause(monkeypatch):
    monkeypatch.setattr(seedlink, "FIRST_PAUSE_S", 0.05)


def record(second, station="XX.ONE", code="HHZ", samples=100, **options):
    """One record of one second of made data, `second` after T0."""
    values = (np.arange(samples) * 7919 % 1000).astype(np.int32)
    start_ns = round((T0 + second) * 1e9)
    return encode(f"{station}..{code}", start_ns, 100.0, values, **options)


def modern(second, station="XX.ONE"):
    """The same as miniSEED 3."""
    made = MS3Record(reclen=4096, encoding=11)
    made.sourceid = "FDSN:{}_{}__H_H_Z".format(*station.split("."))
    made.formatversion = 3
    made.starttime = round((T0 + second) * 1e9)
    made.samprate = 100.0
    (value,) = made.generate(np.arange(100, dtype=np.int32), "i")
    return bytes(value)


async def until(true, seconds=20.0):
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def read(log):
    """All records in the log by station, in order, and the values they came in."""
    records, values = defaultdict(list), []
    for partition in range(log.partitions(WAVEFORMS.name)):
        for item in log._place(WAVEFORMS.name, partition).records:
            values.append(item)
            for part in cut(item.value).records:
                assert part.station == item.key.decode()
                records[part.station].append(item.value[part.begin : part.end])
    return records, values


def count(log):
    return sum(map(len, read(log)[0].values()))


def refused(log):
    return [rejects.decode(r.value) for r in log._place(REJECTS.name, 0).records]


def told(server, **options):
    live = LiveSettings(pack_ms=options.pop("pack_ms", 5))
    options.setdefault("stalled_s", 5.0)
    one = SeedLinkSettings(host="127.0.0.1", port=server.port, **options)
    return IngestSettings(live=live, seedlink=(one,))


def begin(log, ingest, stop, sources=None):
    """Make the sources, and the task that reads them."""
    sources = sources or service.feeds(ingest, None)
    reading = service.take_in(sources, log, stop, pack_ms=ingest.live.pack_ms)
    return sources, asyncio.create_task(reading)


@asynccontextmanager
async def ingesting(log, server, **options):
    stop = asyncio.Event()
    (source, *_), reading = begin(log, told(server, **options), stop)
    try:
        await until(lambda: any(line == "END" for line in server.commands))
        yield source
    except BaseException:
        reading.cancel()
        raise
    stop.set()
    async with asyncio.timeout(60):
        await reading


@asynccontextmanager
async def serving(context=None, **options):
    server = await SeedLinkServer(**options).start(context)
    try:
        yield server
    finally:
        await server.stop()


def compare(sent, log):
    """Each record has come once, and those of a station in order."""
    got, _ = read(log)
    by_station = defaultdict(list)
    for value in sent:
        (part,) = cut(value).records
        by_station[part.station].append(value)
    for station in by_station.keys() | got.keys():
        missing = Counter(by_station[station]) - Counter(got[station])
        doubled = Counter(got[station]) - Counter(by_station[station])
        assert not missing, f"{station}: {sum(missing.values())} missing"
        assert not doubled, f"{station}: {sum(doubled.values())} doubled"
        assert got[station] == by_station[station]


class Network:
    """Stations that send: three channels of each at once, now and then another one."""

    def __init__(self, server, seed=0, stations=5):
        self.server = server
        self.sent = []
        self.random = np.random.default_rng(seed)
        self.names = [f"XX.S{i}" for i in range(stations)]

    async def send(self, seconds, wait=0.002):
        for second in seconds:
            names = self.names[:]
            self.random.shuffle(names)
            for name in names[: self.random.integers(1, len(names) + 1)]:
                values = [record(second, name, code) for code in ("HHE", "HHN", "HHZ")]
                self.sent += values
                await self.server.put(*values)
            await asyncio.sleep(wait)


@EITHER
@NUMBERED
def test_what_a_server_sends_stands_in_the_log_once_and_in_order(protocol, shared):
    async def run():
        log = MemoryLog()
        async with serving(shared=shared) as server:
            async with ingesting(log, server, protocol=protocol) as source:
                network = Network(server)
                await network.send(range(30))
                await until(lambda: count(log) == len(network.sent))
            compare(network.sent, log)
            assert source.counts.packets == len(network.sent)
            assert (source.counts.repeats, source.counts.noise, source.lost) == (0, 0, 0)
            assert server.connections == 1

    asyncio.run(run())


def test_the_server_chooses_the_protocol_unless_one_is_wanted():
    async def spoken(offers, wanted="auto"):
        async with serving(protocols=offers) as server, ingesting(MemoryLog(), server):
            return "SLPROTO 4.0" in server.commands

    assert asyncio.run(spoken((3, 4)))
    assert not asyncio.run(spoken((3,)))


def test_a_server_without_the_wanted_protocol_is_told(caplog):
    async def run():
        async with serving(protocols=(3,)) as server:
            stop = asyncio.Event()
            _, reading = begin(MemoryLog(), told(server, protocol="4"), stop)
            await until(lambda: "does not support SeedLink v4" in caplog.text)
            stop.set()
            await reading

    asyncio.run(run())


def test_one_stations_second_is_one_value():
    async def run():
        log = MemoryLog()
        async with serving() as server, ingesting(log, server, pack_ms=200):
            for code in ("HHE", "HHN", "HHZ"):
                await server.put(record(0, code=code), record(0, "XX.TWO", code))
                await asyncio.sleep(0.01)
            await until(lambda: count(log) == 6)
            _, values = read(log)
            assert [(v.key, len(v.value)) for v in values] == [
                (b"XX.ONE", 3 * 512),
                (b"XX.TWO", 3 * 512),
            ]
            assert values[0].timestamp == values[1].timestamp

    asyncio.run(run())


@EITHER
@NUMBERED
@pytest.mark.parametrize("stations", [("*",), ("XX_S?",), ("XX_S0", "XX_S1", "*_S*")])
def test_a_connection_that_breaks_again_and_again_costs_nothing(protocol, shared, stations):
    async def run():
        log = MemoryLog()
        async with serving(shared=shared) as server:
            network = Network(server, seed=7)
            async with ingesting(log, server, protocol=protocol, stations=stations) as source:
                await network.send(range(10))  # so that all stations have been heard
                await until(lambda: count(log) == len(network.sent))
                for breaks in range(4):
                    sending = asyncio.create_task(
                        network.send(range(10 + breaks * 40, 50 + breaks * 40))
                    )
                    await asyncio.sleep(0.02)
                    server.drop()
                    await sending
                await until(lambda: count(log) == len(network.sent))
            compare(network.sent, log)
            assert server.connections >= 5
            assert source.lost == 0

    asyncio.run(run())


class TornLog(MemoryLog):
    """A log that fails in the middle of an append: some partitions have it, others have not."""

    def __init__(self, partitions):
        super().__init__({WAVEFORMS.name: partitions})
        self.tear = 0

    async def append(self, outputs):
        await asyncio.sleep(0.003)
        if outputs and self.tear:
            self.tear -= 1
            if not self.tear:
                half = [o for o in outputs if crc32(o.key) % self.partitions(o.topic) % 2]
                await super().append(half)
                raise LogError("torn")
        await super().append(outputs)


@EITHER
@NUMBERED
@pytest.mark.parametrize("seed", range(3))
def test_a_new_start_goes_on_where_the_log_ends(protocol, shared, seed):
    """The process ends at any moment, also in the middle of an append."""

    async def run():
        log = TornLog(4)
        chance = np.random.default_rng(seed)
        async with serving(shared=shared) as server:
            network = Network(server, seed)
            ingest = told(server, protocol=protocol)
            sources, reading = begin(log, ingest, asyncio.Event())
            await until(lambda: "END" in server.commands)
            await network.send(range(10))
            await until(lambda: count(log) == len(network.sent))
            for start in range(5):
                sending = asyncio.create_task(network.send(range(10 + 40 * start, 50 + 40 * start)))
                if start % 2:  # the log fails, and the same sources go on
                    log.tear = int(chance.integers(1, 7))
                    with pytest.raises(LogError):
                        await reading
                else:
                    sources = None
                    await asyncio.sleep(chance.random() * 0.1)
                    reading.cancel()
                    with suppress(asyncio.CancelledError):
                        await reading
                sources, reading = begin(log, ingest, asyncio.Event(), sources)
                await sending
            await until(lambda: count(log) >= len(network.sent))
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            compare(network.sent, log)

    asyncio.run(run())


def test_a_new_start_goes_on_where_kafka_ends(kafka_bootstrap, topic_prefix):
    counts = {WAVEFORMS.name: 4, REJECTS.name: 1}
    layouts = [Layout(name, number, 1, 1, -1, 0, 2_000_000) for name, number in counts.items()]
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, replication=1, in_sync=1)

    async def come(log):
        copy = MemoryLog()
        for partition in range(4):
            end = await log.end(WAVEFORMS.name, partition)
            records = []
            while len(records) < end:
                records += await log.read(WAVEFORMS.name, partition, len(records), 1000)
            copy._place(WAVEFORMS.name, 0).records += records
        return copy

    async def run():
        async with serving(shared=True) as server:
            network = Network(server, stations=12)
            ingest = told(server)
            for start in range(3):
                async with KafkaLog.opened(kafka) as log:
                    if not start:
                        await log.create(layouts)
                    before = server.commands.count("END")
                    _, reading = begin(log, ingest, asyncio.Event())
                    await until(lambda before=before: server.commands.count("END") > before)
                    await network.send(range(60 * start, 60 * start + 40), 0.01)
                    reading.cancel()
                    with suppress(asyncio.CancelledError):
                        await reading
                await network.send(range(60 * start + 40, 60 * start + 60), 0)
            async with KafkaLog.opened(kafka) as log:
                stop = asyncio.Event()
                _, reading = begin(log, ingest, stop)
                while count(copy := await come(log)) < len(network.sent):
                    await asyncio.sleep(0.1)
                stop.set()
                await reading
                compare(network.sent, copy)
                assert any(line.startswith("DATA ") for line in server.commands)

    async def bounded():
        async with asyncio.timeout(90):
            await run()

    asyncio.run(bounded())


def test_a_folder_is_read_on_when_the_log_has_failed(tmp_path):
    async def run():
        log = TornLog(2)
        sources = service.feeds(IngestSettings(live=LiveSettings(folder=str(tmp_path))), None)
        _, reading = begin(log, IngestSettings(), asyncio.Event(), sources)
        await asyncio.sleep(0.1)
        log.tear = 1
        values = [record(0, f"XX.S{i}") for i in range(6)]
        (tmp_path / "a.mseed").write_bytes(b"".join(values))
        with pytest.raises(LogError):
            await reading
        assert 0 < count(log) < 6
        stop = asyncio.Event()
        _, reading = begin(log, IngestSettings(), stop, sources)
        await until(lambda: {v for got in read(log)[0].values() for v in got} == set(values))
        stop.set()
        await reading

    asyncio.run(run())


@EITHER
@NUMBERED
def test_what_has_left_the_ring_is_said_and_the_rest_goes_on(protocol, shared, caplog):
    async def run():
        log = MemoryLog()
        async with serving(shared=shared, capacity=8) as server:
            async with ingesting(log, server, protocol=protocol) as source:
                for second in range(20):
                    await server.put(record(second), record(second, "XX.TWO"))
                    await asyncio.sleep(0.002)
                await until(lambda: count(log) == 40)
                await server.stop()
                for second in range(20, 100):
                    await server.put(record(second), record(second, "XX.TWO"))
                await server.start()
                await until(lambda: server.connections == 2)
                await asyncio.sleep(0.1)
                for second in range(100, 110):
                    await server.put(record(second), record(second, "XX.TWO"))
                    await asyncio.sleep(0.005)
                await until(lambda: record(109, "XX.TWO") in read(log)[0]["XX.TWO"])
            assert "no longer has all that followed the last packets of 2 stations" in caplog.text
            got, _ = read(log)
            for station in ("XX.ONE", "XX.TWO"):
                assert got[station][-10:] == [record(s, station) for s in range(100, 110)]
                assert len(got[station]) == len(set(got[station]))
            if not shared:
                # Four of each were still in the ring: 76 were not.
                assert got["XX.ONE"][20] == record(96)
                assert source.lost == 2 * 76

    asyncio.run(run())


@EITHER
@NUMBERED
@pytest.mark.parametrize("says", [True, False], ids=["says", "says-not"])
def test_a_server_that_counts_anew_is_heard(protocol, shared, says, caplog):
    async def run():
        log = MemoryLog()
        async with serving(shared=shared, says_stations=says, first=1000) as server:
            async with ingesting(log, server, protocol=protocol):
                for second in range(20):
                    await server.put(record(second), record(second, "XX.TWO"))
                    await asyncio.sleep(0.002)
                await until(lambda: count(log) == 40)
                await server.stop()
                server.renew()
                server.first = 1
                await server.start()
                await until(lambda: server.connections == 2 and server.commands[-1] == "END")
                await asyncio.sleep(0.05)
                for second in range(20, 30):
                    await server.put(record(second), record(second, "XX.TWO"))
                    await asyncio.sleep(0.002)
                await until(lambda: count(log) == 60)
            compare([record(s, n) for s in range(30) for n in ("XX.ONE", "XX.TWO")], log)
            assert "no longer has" in caplog.text or "counts anew" in caplog.text

    asyncio.run(run())


def test_numbers_of_version_3_wrap_round():
    async def run():
        log = MemoryLog()
        async with serving(first=0xFFFFFF - 4) as server:
            async with ingesting(log, server, protocol="3") as source:
                await server.put(*[record(s) for s in range(5)])
                await until(lambda: count(log) == 5)
                server.drop()
                await server.put(*[record(s) for s in range(5, 20)])
                await until(lambda: count(log) == 20)
            compare([record(s) for s in range(20)], log)
            assert "DATA 000000" in server.commands
            assert source.lost == 0

    asyncio.run(run())


def test_packets_that_never_come_are_counted_where_numbers_tell():
    async def lost(**options):
        log = MemoryLog()
        shared = options.pop("shared", False)
        async with serving(shared=shared) as server, ingesting(log, server, **options) as source:
            for second in range(20):
                await server.put(record(second), record(second, "XX.TWO"))
                await asyncio.sleep(0.002)
            server.lose("XX_ONE", 7)
            await server.put(record(20), record(20, "XX.TWO"))
            await until(lambda: count(log) == 42)
            return source.lost

    assert asyncio.run(lost()) == 7
    assert asyncio.run(lost(channels=("HHZ",))) == 0
    assert asyncio.run(lost(shared=True)) == 0


@EITHER
def test_stations_and_channels_are_chosen(protocol):
    async def run():
        log = MemoryLog()
        options = {
            "protocol": protocol,
            "stations": ("KZ_*", "KR_AAA"),
            "channels": ("HH?", "00BHZ", "!HHE.D"),
        }
        async with serving() as server, ingesting(log, server, **options):
            wanted = [record(0, "KZ.M1"), record(0, "KZ.M2", "HHN"), record(0, "KR.AAA")]
            others = [
                record(0, "KR.BBB"),
                record(0, "KZ.M1", "HHE"),
                record(0, "KZ.M1", "BHZ"),
                record(0, "AZ.M1"),
            ]
            located = encode("KZ.M2.00.BHZ", T0 * 10**9, 100.0, np.arange(9, dtype=np.int32))
            await server.put(*others, *wanted, located)
            await until(lambda: count(log) == 4)
            await asyncio.sleep(0.05)
            compare([*wanted, located], log)

    asyncio.run(run())


@EITHER
def test_a_station_that_the_server_has_not_spoils_nothing(protocol, caplog):
    async def run():
        log = MemoryLog()
        stations = ("XX_ONE", "XX_NONE", "XX_TWO")
        async with serving(refused=["XX_NONE"]) as server:
            async with ingesting(
                log, server, protocol=protocol, stations=stations, channels=("HH?",)
            ):
                await server.put(record(0), record(0, "XX.TWO"))
                await until(lambda: count(log) == 2)
            assert "refuses STATION" in caplog.text
            assert server.connections == 1
        alone = {"protocol": protocol, "stations": ("XX_NONE",)}
        async with serving(refused=["XX_NONE"]) as server, ingesting(log, server, **alone):
            await until(lambda: "has none of the stations" in caplog.text)

    asyncio.run(run())


@EITHER
def test_a_station_that_is_refused_takes_no_other_ones_place(protocol):
    async def run():
        log = MemoryLog()
        stations = ("XX_ONE", "XX_ZERO")
        async with serving(refused=["XX_ZERO"]) as server:
            async with ingesting(log, server, protocol=protocol, stations=stations):
                await server.put(record(0))
                await until(lambda: count(log) == 1)
                server.drop()
                await server.put(record(1))
                await until(lambda: count(log) == 2)
            compare([record(0), record(1)], log)

    asyncio.run(run())


def test_a_batch_waits_for_no_answers():
    async def run():
        log = MemoryLog()
        stations = tuple(f"XX_S{i}" for i in range(200))
        many = {"protocol": "3", "stations": stations}
        async with serving(batch=True) as server, ingesting(log, server, **many):
            await server.put(record(0, "XX.S199"))
            await until(lambda: count(log) == 1)
            assert server.commands[:3] == ["HELLO", "BATCH", "STATION S0 XX"]

    asyncio.run(run())


@EITHER
def test_a_server_that_says_nothing_is_left(protocol, caplog):
    async def run():
        log = MemoryLog()
        async with serving() as server:
            async with ingesting(log, server, protocol=protocol, stalled_s=1.0):
                await server.put(record(0))
                await until(lambda: count(log) == 1)
                await asyncio.sleep(2.5)
                assert server.connections == 1, "a server that answers was left"
                assert server.commands.count("INFO ID") >= 3
                server.silent = True
                await server.put(record(1))
                began = asyncio.get_running_loop().time()
                await until(lambda: server.connections > 1)
                took = asyncio.get_running_loop().time() - began
                await server.speak()
                await until(lambda: count(log) == 2, 60)
            assert "has sent nothing for 1 s" in caplog.text
            assert took > 0.7
            compare([record(0), record(1)], log)

    asyncio.run(run())


def test_a_server_that_stops_in_the_middle_of_a_packet_is_left():
    async def run():
        log = MemoryLog()
        async with serving() as server, ingesting(log, server, stalled_s=1.0):
            await server.put(record(0))
            await until(lambda: count(log) == 1)
            half = struct.pack("<2s2sIQB", b"SE", b"2D", 512, 2, 6) + b"XX_ONE" + record(1)[:200]
            await server.inject(half)
            server.silent = True
            await until(lambda: server.connections > 1)
            await server.speak()
            await server.put(record(1))
            await until(lambda: count(log) == 2)
            compare([record(0), record(1)], log)

    asyncio.run(run())


@EITHER
@pytest.mark.parametrize("word", [b"ERROR\r\n", b"END"])
def test_a_server_that_ends_it_is_connected_to_again(protocol, word, caplog):
    """What comes in one piece with its last word is kept."""

    async def run():
        log = MemoryLog()
        async with serving() as server, ingesting(log, server, protocol=protocol):
            await server.put(record(0))
            await until(lambda: count(log) == 1)
            packet = b"SL000002" + record(1)
            if protocol == "4":
                packet = struct.pack("<2s2sIQB", b"SE", b"2D", 512, 2, 6) + b"XX_ONE" + record(1)
            await server.inject(packet + word)
            await until(lambda: server.connections == 2)
            server.lose("XX_ONE", 1)  # its number was that of the packet
            await server.put(record(2))
            await until(lambda: count(log) == 3)
            compare([record(s) for s in range(3)], log)
            assert f"says {word.decode().strip()}" in caplog.text

    asyncio.run(run())


@EITHER
def test_garbage_is_rejected_and_nothing_else_is_lost(protocol):
    async def run():
        log = MemoryLog()
        noise = np.random.default_rng(1).bytes(3000) + b"SL12345xSE2DERRO OK"
        async with serving() as server, ingesting(log, server, protocol=protocol) as source:
            sent = []
            for second in range(20):
                sent.append(record(second))
                await server.put(sent[-1])
                await until(lambda: count(log) == len(sent))
                if second % 5 == 1:
                    await server.inject(noise)
                if second % 5 == 3:
                    await server.put_bad("XX_ONE", b"?" * 512)
            await until(lambda: count(log) == 20)
            await asyncio.sleep(0.05)
            compare(sent, log)
            assert server.connections == 1
            reasons = Counter(r.reason for r in refused(log))
            assert reasons["not miniSEED"] >= 4
            assert reasons["no SeedLink packet"] >= 4
            assert sum(reasons.values()) == source.counts.noise
            assert {r.source for r in refused(log)} == {f"127.0.0.1:{server.port}"}

    asyncio.run(run())


def test_what_is_no_seedlink_is_left(caplog):
    async def babble(reader, writer):
        with suppress(ConnectionError):
            await reader.readuntil(b"\n")
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            while True:
                writer.write(b"<html>" * 10_000)
                await writer.drain()

    async def run():
        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        server.port = server.sockets[0].getsockname()[1]
        stop = asyncio.Event()
        log = MemoryLog()
        _, reading = begin(log, told(server, stalled_s=1.0), stop)
        await until(lambda: caplog.text.count("trying again") >= 2)
        stop.set()
        await reading
        server.close()

    asyncio.run(run())


def test_a_slow_log_slows_the_reading_and_holds_little(monkeypatch):
    monkeypatch.setattr(intake, "INTAKE_BYTES", 1 << 20)

    class SlowLog(MemoryLog):
        def __init__(self):
            super().__init__()
            self.free = asyncio.Event()

        async def append(self, outputs):
            await self.free.wait()
            await super().append(outputs)

    made = []
    original = intake.Intake.__init__

    def note(self, pack_ms=0, limit_bytes=1 << 20):
        original(self, pack_ms, limit_bytes)
        made.append(self)

    monkeypatch.setattr(intake.Intake, "__init__", note)

    async def run():
        log = SlowLog()
        values = [record(s, samples=1000, record_length=4096) for s in range(0, 80_000, 10)]
        total = sum(map(len, values))
        assert total > 30e6
        options = {"stalled_s": 1.0, "resume_s": 2.0}
        async with serving() as server, ingesting(log, server, **options) as source:
            putting = asyncio.create_task(server.put(*values))
            sent = -(1 << 20)
            while server.sent_bytes - sent > 4096:  # signs of life may go on
                sent = server.sent_bytes
                await asyncio.sleep(0.5)
            (queue,) = made
            assert queue.held_bytes <= 1 << 20
            assert source.counts.packets * 4096 <= (1 << 20) + (64 << 10)
            assert sent < total / 2, "the sockets held everything: the test shows nothing"
            await asyncio.sleep(2.0)
            assert server.connections == 1, "a server that is not read was taken for stalled"
            server.drop()
            log.free.set()
            await putting
            await until(lambda: count(log) == len(values), 60)
            compare(values, log)
            assert queue.held_bytes == 0
            assert server.connections == 2

    asyncio.run(run())


def test_time_in_which_the_log_is_slow_is_no_interruption(monkeypatch):
    free = asyncio.Event()

    class SlowLog(MemoryLog):
        async def append(self, outputs):
            await free.wait()
            await super().append(outputs)

    original = intake.Intake.__init__
    monkeypatch.setattr(intake.Intake, "__init__", lambda self, ms: original(self, ms, 600))

    async def run():
        log = SlowLog()
        async with serving() as server, ingesting(log, server, resume_s=0.5) as source:
            for second in range(2):
                await server.put(record(second))
                await until(lambda second=second: source.counts.packets > second)
            await asyncio.sleep(1.0)
            server.drop()
            await server.put(record(2))
            free.set()
            await until(lambda: count(log) == 3)
            compare([record(s) for s in range(3)], log)

    asyncio.run(run())


def test_pauses_grow_up_to_a_bound_and_begin_anew(caplog):
    def pauses():
        return [float(s) for s in re.findall(r"trying again in (\S+) s", caplog.text)]

    async def run():
        log = MemoryLog()
        async with serving() as server:
            await server.stop()
            stop = asyncio.Event()
            _, reading = begin(log, told(server, pause_s=1.0), stop)
            await until(lambda: len(pauses()) == 7)
            assert pauses() == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
            await server.start()
            await until(lambda: "END" in server.commands)
            await server.put(record(0))
            await until(lambda: count(log) == 1)
            server.drop()
            await until(lambda: len(pauses()) == 8)
            assert pauses()[-1] == 0.05
            stop.set()
            await reading

    asyncio.run(run())


def test_several_servers_share_the_way_in():
    async def run():
        log = MemoryLog()
        async with serving() as one, serving(shared=True) as two:
            ingest = IngestSettings(seedlink=told(one).seedlink + told(two, protocol="3").seedlink)
            stop = asyncio.Event()
            _, reading = begin(log, ingest, stop)
            await until(lambda: "END" in one.commands and "END" in two.commands)
            await one.put(record(0), record(0, "XX.TWO"))
            await two.put(record(0), record(0, "XX.THREE"))
            await until(lambda: count(log) == 4)
            stop.set()
            await reading
            _, values = read(log)
            servers = {v.split(b"/")[0] for value in values for _, v in value.headers}
            assert servers == {f"127.0.0.1:{s.port}".encode() for s in (one, two)}
            places = await service.last_places(log, service.wall_clock_ms(), 60)
            assert [len(p) for p in places.values()] == [2, 2]

    asyncio.run(run())


def test_miniseed_3_and_logs():
    async def run():
        log = MemoryLog()
        async with serving() as server, ingesting(log, server) as source:
            for second in range(6):
                await server.put(record(second), record(second, "XX.TWO"))
            await server.put(modern(6), record(7))
            await server.put(record(8, code="LOG"), kind="2L")
            await server.put(modern(9))
            await until(lambda: count(log) == 15)
            records, _ = read(log)
            assert records["XX.ONE"][6:] == [modern(6), record(7), modern(9)]
            assert (source.counts.noise, source.lost, refused(log)) == (0, 0, [])

    asyncio.run(run())


def test_what_is_older_than_wanted_is_not_asked_for(caplog):
    async def run():
        log = MemoryLog()
        async with serving() as server:
            async with ingesting(log, server, resume_s=0.0):
                await server.put(record(0))
                await until(lambda: count(log) == 1)
                server.drop()
                await server.put(record(1))
                await until(lambda: server.connections == 2 and server.commands[-1] == "END")
                await asyncio.sleep(0.05)
                await server.put(record(2))
                await until(lambda: count(log) == 2)
            compare([record(0), record(2)], log)
            assert "is not asked for" in caplog.text

    asyncio.run(run())


@pytest.mark.skipif(which("openssl") is None, reason="openssl makes the certificate")
def test_a_connection_can_be_encrypted_and_logged_in_to(tmp_path, caplog):
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    for name in ("word", "wrong"):
        (tmp_path / name).write_text(f"{name}\n")

    async def run():
        async with serving(context) as server:
            login = {"tls": True, "username": "name", "protocol": "4"}
            right = {"ca_file": str(tmp_path / "cert.pem"), "password_file": str(tmp_path / "word")}
            log = MemoryLog()
            async with ingesting(log, server, **login, **right):
                await server.put(record(0))
                await until(lambda: count(log) == 1)
            for change, said in (
                ({"password_file": str(tmp_path / "wrong")}, "refuses AUTH USERPASS"),
                ({"ca_file": ""}, "CERTIFICATE_VERIFY_FAILED"),
            ):
                stop = asyncio.Event()
                _, reading = begin(log, told(server, **login, **{**right, **change}), stop)
                await until(lambda said=said: said in caplog.text)
                stop.set()
                await reading
            assert "wrong" not in caplog.text

    asyncio.run(run())


class Root(Settings, frozen=True):
    ingest: IngestSettings = IngestSettings()


@pytest.mark.parametrize(
    ("text", "line", "said", "remedy"),
    [
        ("stations = ['KZ_*',\n 'KR.AAA',\n]", 4, "stations[1]", "NET_STA"),
        ("stations = []", 3, "stations", "NET_STA"),
        ("channels = ['HHZ', 'H']", 3, "channels[1]", "HH?"),
        ("channels = ['HHZ.E']", 3, "channels[0]", "00HH?"),
        ("port = 0", 3, "port", "Port"),
        ("protocol = '5'", 3, "protocol", "auto"),
        ("host = 'a/b'", 3, "host", "Name or address"),
        ("username = 'a'", 1, "belong together", "password_file"),
        ("ca_file = 'a'", 1, "need tls", "tls"),
        ("tls = true\nca_file = 'none.pem'", 4, "cannot be used", "PEM"),
        ("tls = true\nusername = 'a'\npassword_file = 'none'", 5, "cannot be read", "password"),
        ("[[ingest.seedlink]]\nport = 18000", 3, "is there twice", "one table"),
    ],
)
def test_what_cannot_be_followed_is_named_with_its_line(tmp_path, text, line, said, remedy):
    config = tmp_path / "live.toml"
    config.write_text(f"# A server\n[[ingest.seedlink]]\n{text}\n")

    with pytest.raises(ConfigurationError) as caught:
        service.feeds(settings.load(config, Root).ingest, config)
    assert caught.value.file == config
    assert caught.value.line == (line if line > 1 else caught.value.line)
    assert said in caught.value.problem
    assert remedy in caught.value.remedy


def test_a_folder_and_a_server_can_be_followed_together(tmp_path):
    async def run():
        log = MemoryLog()
        async with serving() as server:
            live = LiveSettings(folder=str(tmp_path), poll_s=0.01)
            ingest = IngestSettings(live=live, seedlink=told(server).seedlink)
            stop = asyncio.Event()
            sources, reading = begin(log, ingest, stop)
            assert len(sources) == 2
            await until(lambda: "END" in server.commands)
            (tmp_path / "a.mseed").write_bytes(record(0, "XX.FILE"))
            await server.put(record(0))
            await until(lambda: count(log) == 2)
            stop.set()
            await reading
            compare([record(0), record(0, "XX.FILE")], log)
            marked = {v.key: bool(v.headers) for v in read(log)[1]}
            assert marked == {b"XX.ONE": True, b"XX.FILE": False}

    asyncio.run(run())


@EITHER
def test_an_independent_client_takes_the_server_for_real(protocol):
    """seedlink-client's own connection: what it gets, also after a reconnect."""

    async def run():
        async with serving() as server:
            client = AsyncSeedLink(
                "127.0.0.1",
                server.port,
                timeout=5,
                protocol=Protocol(protocol),
                reconnect_delay=0.05,
            )
            client.add_stream("XX_ONE", "HH?")
            client.add_stream("XX_TWO")
            await client.connect()
            level = await client.info_dict("ID")
            assert level
            got = []

            async def collect():
                async for packet in client.collect():
                    got.append((packet.station_id, packet.seqnum, packet.payload))
                    if len(got) == 9:
                        return

            collecting = asyncio.create_task(collect())
            await until(lambda: "END" in server.commands)
            for second in range(3):
                await server.put(
                    record(second), record(second, "XX.TWO"), record(second, code="BHZ")
                )
            await until(lambda: len(got) == 6)
            server.drop()
            await server.put(record(3), record(3, "XX.TWO"), record(4))
            async with asyncio.timeout(20):
                await collecting
            await client.close()
            assert [p for s, _, p in got if s == "XX_ONE"] == [record(s) for s in range(5)]
            assert [n for s, n, _ in got if s == "XX_TWO"] == [1, 2, 3, 4]

    asyncio.run(run())


def test_obspy_takes_the_server_for_real():
    """obspy's basic client, version 3: INFO, wildcards, a window of time; and its live client."""
    from obspy import UTCDateTime
    from obspy.clients.seedlink.basic_client import Client
    from obspy.clients.seedlink.slclient import SLClient
    from obspy.clients.seedlink.slpacket import SLPacket

    def ask(port):
        client = Client("127.0.0.1", port, timeout=5)
        stations = client.get_info(level="station")
        window = UTCDateTime(T0 + 2), UTCDateTime(T0 + 5)
        return stations, client.get_waveforms("XX", "*", "", "HH?", *window)

    def listen(port, wanted):
        live = SLClient(timeout=5)
        live.slconn.set_sl_address(f"127.0.0.1:{port}")
        live.multiselect = "XX_ONE:HHZ"
        live.initialize()
        got = []

        def take(_, packet):
            if packet.get_type() not in (SLPacket.TYPE_SLINF, SLPacket.TYPE_SLINFT):
                got.append((packet.get_sequence_number(), packet.get_trace()))
            return len(got) == wanted

        live.run(take)
        return got

    async def run():
        async with serving() as server:
            for second in range(10):
                await server.put(record(second), record(second, "XX.TWO"))
            stations, found = await asyncio.to_thread(ask, server.port)
            assert sorted(stations) == [("XX", "ONE"), ("XX", "TWO")]
            assert sorted((t.id, t.stats.npts) for t in found) == [
                ("XX.ONE..HHZ", 301),
                ("XX.TWO..HHZ", 301),
            ]
            expected = np.arange(100) * 7919 % 1000
            assert (found[0].data[:100] == expected).all()
            server.commands.clear()
            listening = asyncio.create_task(asyncio.to_thread(listen, server.port, 3))
            await until(lambda: "END" in server.commands)
            for second in range(10, 13):
                await server.put(record(second), record(second, "XX.TWO"))
            async with asyncio.timeout(20):
                got = await listening
            assert [number for number, _ in got] == [11, 12, 13]
            assert [t.stats.starttime.timestamp - T0 for _, t in got] == [10, 11, 12]

    asyncio.run(run())
