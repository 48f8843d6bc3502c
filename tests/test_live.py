"""The live pipeline: a folder that grows becomes the warnings that a replay gives."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from made_earthquakes import earthquake
from made_readings import sensor as made_sensor
from pymseed import MS3Record, sourceid2nslc
from rich.console import Console
from test_sensor_commands import post
from test_sensors import GOOD

from alatau import Configuration, pipeline
from detect.detections import Heartbeat, Motion, StationMotion
from detect.health import Health, HealthCount
from dispatch import facts as facts_of
from dispatch import ledger, ledger_file
from dispatch.cap import parse
from dispatch.outbox import Outbox, file_name
from dispatch.rehearsal import rehearse
from dispatch.release import hold
from dispatch.watch import Watch, event_line, health_line
from ingest import channels, service
from ingest.arrivals import Arrivals, Unread
from ingest.errors import ClockError
from ingest.framing import cut
from ingest.miniseed import encode
from ingest.senders import new_token
from ingest.settings import LiveSettings
from ingest.sources import archive, folder
from ingest.sources.folder import FolderSource
from replay import session
from stream import rejects
from stream.errors import ConfigurationError
from stream.memory import MemoryLog
from stream.pipeline import retention, run
from stream.reader import Reader
from stream.topics import ALERTS, EVENTS, REJECTS, WAVEFORMS

ROOT = Path(__file__).resolve().parents[1]
EVENT = ROOT / "benchmarks" / "events" / "ridgecrest-2019-near"
FILES = LiveSettings().files
T0 = 1_700_000_000


class Clock:
    """A clock that stands until it is set (s)."""

    def __init__(self, seconds=float(T0)):
        self.seconds = seconds

    def __call__(self):
        return round(self.seconds * 1000)


def record(second, station="XX.ONE", code="HHZ", samples=100):
    """One record of one second of made data, `second` after T0."""
    values = (np.arange(samples) * 7919 % 1000).astype(np.int32)
    return encode(f"{station}..{code}", (T0 + second) * 1_000_000_000, 100.0, values)


def append(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        stream.write(data)


def follow(root, clock=None, **options):
    """A source that has found the ends of what is there."""
    source = FolderSource(root, FILES, clock or Clock(), **options)
    assert source.poll().unread == ()
    return source


def sds(seed_id, year=2019, day=187):
    network, station, location, code = seed_id.split(".")
    name = f"{network}.{station}.{location}.{code}.D.{year}.{day:03d}"
    return Path(str(year)) / network / station / f"{code}.D" / name


def by_file(value):
    """The records of a packet, by the file of an SDS archive that each belongs to."""
    parts = defaultdict(bytes)
    for part in cut(value).records:
        data = value[part.begin : part.end]
        parts[sds(".".join(sourceid2nslc(MS3Record.parse(data).sourceid)))] += data
    return parts


class Acquisition:
    """Writes recorded packets into an SDS archive when they arrived, and is asked like it."""

    def __init__(self, root, packets, clock, stop):
        self.groups = [list(g) for _, g in groupby(packets, key=lambda p: p.arrival_ms)]
        self.root, self.clock, self.stop = root, clock, stop
        self.source = FolderSource(root, FILES, clock)
        self.early = 0
        assert self.source.poll().values == ()

    def poll(self):
        group = self.groups.pop(0)
        self.clock.seconds = group[0].arrival_ms / 1000
        parts = [item for packet in group for item in by_file(packet.value).items()]
        if len(self.groups) % 10 == 0:
            for path, data in parts:
                append(self.root / path, data[:100])
            self.early += len(self.source.poll().values)
            parts = [(path, data[100:]) for path, data in parts]
        for path, data in parts:
            append(self.root / path, data)
        if not self.groups:
            self.stop.set()
        return self.source.poll()


def test_a_growing_archive_gives_what_a_replay_gives(tmp_path):
    recording = archive.read(EVENT, latency_s=0.5)
    clock = Clock(recording.packets[0].arrival_ms / 1000)
    before, after = recording.packets[:40], recording.packets[40:]
    for packet in before:
        for path, data in by_file(packet.value).items():
            append(tmp_path / "sds" / path, data)
    stages = pipeline(Configuration(), recording.channels)
    replayed = asyncio.run(
        session.replay(msgspec.structs.replace(recording, packets=after), stages)
    )
    screen = io.StringIO()
    log = MemoryLog(retention=retention(stages))

    async def live():
        stop = asyncio.Event()
        acquisition = Acquisition(tmp_path / "sds", after, clock, stop)
        watch = Watch(
            Console(file=screen, width=80),
            Health(recording.channels.stations, 10.0),
            3,
            clock,
            Outbox(tmp_path / "out" / "alerts"),
        )
        watch.on(log)
        await run(log, stages, service.follow(acquisition, log, 0.0, stop), watch.look)
        assert acquisition.early == 0, "half-written records were read"
        watch.tell()
        events = [r.value for r in await Reader(log, EVENTS).fresh()]
        alerts = [(r.timestamp, r.value) for r in await Reader(log, ALERTS).fresh()]
        refused = [rejects.decode(r.value) for r in await Reader(log, REJECTS).fresh()]
        return events, alerts, refused

    events, alerts, refused = asyncio.run(live())
    assert [msgspec.json.encode(e) for e in replayed.events] == events
    assert [(a.known_ms, a.value) for a in replayed.alerts] == alerts
    assert [(r.source, r.reason) for r in refused] == [
        (r.source, r.reason) for r in replayed.rejects
    ]
    assert len(alerts) > 1
    assert replayed.alerts[0].message.country == "US"
    written = {path.stem: path.read_bytes() for path in (tmp_path / "out" / "alerts").iterdir()}
    assert written == {a.message.identifier: a.value for a in replayed.alerts}
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    begun = sum(a.message.msg_type == "Alert" for a in replayed.alerts)
    assert sum(" ALERT " in line for line in lines) == begun >= 1
    assert sum(" confirmed " in line or " provisional " in line for line in lines) == len(events)
    assert any("stations: 3 healthy, 0 silent" in line for line in lines)
    assert any(line.endswith(f"; {len(alerts)} messages sent") for line in lines[-3:])


def test_the_log_keeps_more_than_any_stage_needs():
    recording = archive.read(EVENT, latency_s=0.5)
    stages = pipeline(Configuration(), recording.channels)
    kept = retention(stages)
    for stage in stages:
        assert kept[stage.reads.name] >= stage.make(0).memory + timedelta(minutes=1)
    assert kept["waveforms"] < timedelta(hours=1), "what another stage remembers costs no memory"


def test_what_was_there_at_the_start_is_archive(tmp_path):
    path = tmp_path / "a.mseed"
    append(path, record(0) + record(1))
    source = follow(tmp_path)
    assert source.following == 1
    append(path, record(2))
    assert source.poll().values == (("XX.ONE", record(2)),)
    assert source.poll().values == ()


def test_a_start_in_the_middle_of_a_record_waits_for_its_end(tmp_path):
    path = tmp_path / "a.mseed"
    append(path, record(0) + record(1)[:200])
    source = follow(tmp_path)
    append(path, record(1)[200:])
    assert source.poll() == Arrivals(T0 * 1000, (("XX.ONE", record(1)),))


@pytest.mark.parametrize(("back_s", "first"), [(0.5, 399), (30.5, 369), (250.5, 149), (900, 0)])
def test_reading_back_begins_with_the_first_young_record(tmp_path, back_s, first):
    data = [record(second) for second in range(400)]
    append(tmp_path / "a.mseed", b"".join(data) + record(400)[:99])
    source = FolderSource(tmp_path, FILES, Clock(T0 + 400), back_s=back_s)
    got = source.poll()
    expected = b"".join(data[first:])
    assert got.values == ((("XX.ONE", expected),) if expected else ())
    assert got.unread == ()
    append(tmp_path / "a.mseed", record(400)[99:])
    assert source.poll().values == (("XX.ONE", record(400)),)


def test_all_of_a_station_comes_in_one_value_and_other_files_are_left_alone(tmp_path):
    source = follow(tmp_path)
    append(tmp_path / "b.mseed", record(0, code="HHZ") + record(0, "XX.TWO") + record(1))
    append(tmp_path / "a.mseed", record(0, code="HHE"))
    append(tmp_path / "deep" / "er" / "c.mseed", record(0, code="HHN"))
    append(tmp_path / "notes.txt", b"no data")
    append(tmp_path / "XX.ONE..HHZ.D.2023.318", record(5))
    got = source.poll()
    assert got.values == (
        (
            "XX.ONE",
            record(5) + record(0, code="HHE") + record(0) + record(1) + record(0, code="HHN"),
        ),
        ("XX.TWO", record(0, "XX.TWO")),
    )
    assert got.unread == ()


def test_the_arrival_is_that_of_the_poll(tmp_path):
    clock = Clock()
    source = follow(tmp_path, clock)
    append(tmp_path / "a.mseed", record(0))
    clock.seconds = T0 + 1.75
    assert source.poll().arrival_ms == (T0 * 1000) + 1750


def test_a_half_written_record_waits_and_is_given_up_in_the_end(tmp_path):
    clock = Clock()
    source = follow(tmp_path, clock, wait_s=30.0)
    path = tmp_path / "a.mseed"
    append(path, record(0) + record(1)[:300])
    assert source.poll().values == (("XX.ONE", record(0)),)
    clock.seconds += 29
    assert source.poll() == Arrivals(clock(), ())
    append(path, record(1)[300:400])
    clock.seconds += 2
    (unread,) = source.poll().unread
    assert (unread.source, unread.reason) == ("a.mseed", "half-written")
    zeros = 6  # at its end may be the beginning of another
    assert unread.value == record(1)[: 400 - zeros]
    append(path, record(2))
    got = source.poll()
    assert got.values == (("XX.ONE", record(2)),)
    assert [u.value for u in got.unread] == [bytes(zeros)]


def test_a_writer_that_starts_anew_after_half_a_record_is_heard(tmp_path):
    clock = Clock()
    source = follow(tmp_path, clock)
    path = tmp_path / "a.mseed"
    append(path, record(0)[:300])
    assert source.poll().values == ()
    append(path, b"".join(record(second) for second in range(1, 5)))
    ((_, torn_and_heard),) = source.poll().values
    assert torn_and_heard[512:] == record(2) + record(3) + record(4)


def replaced(path):
    other = path.with_suffix(".new")
    other.write_bytes(record(7) + record(8) + record(9))
    other.replace(path)


def shrunk(path):
    path.write_bytes(record(7))


def rewritten(path):
    with path.open("r+b") as stream:
        stream.write(record(7) + record(8) + record(9))


@pytest.mark.parametrize(
    ("change", "seconds"), [(replaced, (7, 8, 9)), (shrunk, (7,)), (rewritten, (7, 8, 9))]
)
def test_another_file_of_the_same_name_is_begun_again(tmp_path, change, seconds):
    source = follow(tmp_path)
    path = tmp_path / "a.mseed"
    append(path, record(0) + record(1))
    source.poll()
    change(path)
    values = [*source.poll().values, *source.poll().values]
    assert values == [("XX.ONE", b"".join(map(record, seconds)))]
    append(path, record(10))
    assert source.poll().values == (("XX.ONE", record(10)),)


def test_a_copy_that_has_only_grown_is_read_on(tmp_path):
    path = tmp_path / "a.mseed"
    append(path, record(0) + record(1))
    source = follow(tmp_path)
    other = tmp_path / ".a.mseed.x7"
    other.write_bytes(record(0) + record(1) + record(2))
    other.replace(path)
    assert source.poll().values == (("XX.ONE", record(2)),)


def test_a_file_at_rest_that_is_replaced_is_begun_again(tmp_path):
    path = tmp_path / "a.mseed"
    append(path, record(0))
    clock = Clock(time.time() + 86_400)
    source = follow(tmp_path, clock)
    other = tmp_path / "new"
    other.write_bytes(record(7) + record(8))
    other.replace(path)
    clock.seconds += 31
    assert source.poll().values == (("XX.ONE", record(7) + record(8)),)


def test_a_file_that_was_removed_may_come_back(tmp_path):
    source = follow(tmp_path)
    path = tmp_path / "in" / "a.mseed"
    append(path, record(0))
    assert source.poll().values
    path.unlink()
    path.parent.rmdir()
    assert source.poll() == Arrivals(T0 * 1000, ())
    append(path, record(1))
    got = [source.poll(), source.poll()]
    assert [v for a in got for v in a.values] == [("XX.ONE", record(1))]


@pytest.mark.parametrize("garbage", [bytes(5000), b"no data at all\n" * 300, os.urandom(4096)])
def test_garbage_is_refused_and_reading_goes_on(tmp_path, garbage):
    clock = Clock()
    source = follow(tmp_path, clock)
    path = tmp_path / "a.mseed"
    append(path, record(0) + garbage + record(1))
    append(tmp_path / "b.mseed", record(0, "XX.TWO"))
    got = [source.poll()]
    clock.seconds += 60
    got.append(source.poll())
    values = [v for arrivals in got for v in arrivals.values]
    assert values == [("XX.ONE", record(0) + record(1)), ("XX.TWO", record(0, "XX.TWO"))]
    unread = [u for arrivals in got for u in arrivals.unread]
    assert {u.reason for u in unread} == {"not miniSEED"}
    assert b"".join(u.value for u in unread) == garbage


def test_a_folder_that_is_gone_is_told_once_and_found_again(tmp_path):
    root = tmp_path / "data"
    clock = Clock()
    root.mkdir()
    source = follow(root, clock)
    root.rmdir()
    assert [u.reason for u in source.poll().unread] == ["cannot be read"]
    assert source.poll().unread == ()
    append(root / "a.mseed", record(0))
    clock.seconds += 31
    assert source.poll().values == (("XX.ONE", record(0)),)


def test_a_back_fill_does_not_hold_up_live_data(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "POLL_BYTES", 4 * 512)
    monkeypatch.setattr(folder, "FILE_BYTES", 4 * 512)
    source = follow(tmp_path)
    old = b"".join(record(second) for second in range(40))
    append(tmp_path / "a.mseed", old)
    heard = b""
    for second in range(100, 120):
        append(tmp_path / "b.mseed", record(second, "XX.TWO"))
        got = source.poll()
        values = dict(got.values)
        assert values["XX.TWO"] == record(second, "XX.TWO")
        heard += values.get("XX.ONE", b"")
        assert got.behind_bytes == len(old) - len(heard)
    assert heard == old


def test_links_in_a_circle_are_followed_once(tmp_path):
    source = follow(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "round").symlink_to(tmp_path)
    append(tmp_path / "in" / "a.mseed", record(0))
    assert source.poll().values == (("XX.ONE", record(0)),)


def test_files_at_rest_are_still_looked_at_now_and_then(tmp_path):
    path = tmp_path / "a.mseed"
    append(path, record(0))
    clock = Clock(time.time() + 86_400)
    source = follow(tmp_path, clock)
    append(path, record(1))
    assert source.poll().values == ()
    clock.seconds += 31
    assert source.poll().values == (("XX.ONE", record(1)),)
    append(path, record(2))
    assert source.poll().values == (("XX.ONE", record(2)),)


@effort(max_examples=60)
@given(st.data())
def test_records_are_the_same_however_the_bytes_come(data):
    parts = [
        data.draw(st.sampled_from([record(n), record(n, "XX.TWO", samples=700), b"?" * n * 9]))
        for n in range(data.draw(st.integers(1, 6)))
    ]
    whole = b"".join(parts)
    expected = [part for part in parts if part[:1] not in (b"", b"?")]
    expected = [p[i : i + 512] for p in expected for i in range(0, len(p), 512)]
    kept, refused, held = [], 0, b""
    sizes = data.draw(st.lists(st.integers(1, 900), min_size=1, max_size=30))
    while whole:
        size = sizes.pop(0) if sizes else len(whole)
        held, whole = held + whole[:size], whole[size:]
        found = cut(held)
        kept += [held[r.begin : r.end] for r in found.records]
        refused += sum(u.end - u.begin for u in found.unread)
        held = held[found.used :]
    assert kept == expected
    assert refused + len(held) == sum(len(p) for p in parts if p[:1] == b"?")


def test_arrivals_become_values_and_rejects():
    arrivals = Arrivals(5000, (("A.B", b"1"),), (Unread("a.mseed", "not miniSEED", "x", b"2"),))
    value, refused = service.Edge().outputs(arrivals)
    assert (value.topic, value.key, value.value, value.timestamp) == (
        WAVEFORMS.name,
        b"A.B",
        b"1",
        5000,
    )
    assert (refused.topic, refused.timestamp) == (REJECTS.name, 5000)
    assert rejects.decode(refused.value).reason == "not miniSEED"


def test_a_clock_that_goes_back_is_waited_for_or_ends_the_run():
    edge = service.Edge()
    edge.outputs(Arrivals(10_000, ()))
    (output,) = edge.outputs(Arrivals(9_500, (("A.B", b"1"),)))
    assert output.timestamp == 10_000
    with pytest.raises(ClockError, match=r"went back by 2\.0 s"):
        edge.outputs(Arrivals(8_000, ()))


def test_what_the_source_raises_ends_the_run_after_all_is_dealt_with():
    log = MemoryLog()
    looks = []

    class Fails:
        def __init__(self):
            self.times = iter([20_000, 10_000])

        def poll(self):
            return Arrivals(next(self.times), (("A.B", b"1"),))

    async def live():
        async def look():
            looks.append(await log.end(WAVEFORMS.name, 0))

        await run(log, [], service.follow(Fails(), log, 0.0, asyncio.Event()), look)

    with pytest.raises(ClockError):
        asyncio.run(live())
    assert looks[-1] == 1


def motion(*stations):
    return Motion(
        partition=0,
        time_us=0,
        stations=tuple(
            StationMotion(
                station=name, latitude=0, longitude=0, data_end_us=0, pga=0, pgv=0, faults=faults
            )
            for name, faults in stations
        ),
    )


def test_every_station_counts_once_and_falls_silent():
    health = Health(["A.1", "A.2", "A.3", "A.4", "A.5", "A.6"], 10.0)
    assert health.count(20_000) == HealthCount(silent=6)
    health.fold(motion(("A.1", ()), ("A.2", ("late",)), ("A.3", ("late", "warming"))), 100_000)
    health.fold(motion(("A.4", ("clipped", "late")), ("A.5", ("warming",))), 100_000)
    assert health.count(101_000) == HealthCount(healthy=1, late=2, warming=1, faulty=1, silent=1)
    assert health.count(110_001) == HealthCount(silent=6)
    assert health_line(health.count(101_000)) == (
        "stations: 1 healthy, 2 late, 1 warming up, 1 faulty, 1 silent"
    )


def test_a_heartbeat_counts_as_motion_does():
    health = Health(["A.1", "A.2", "A.3", "A.4"], 10.0)
    health.fold(motion(("A.2", ("flat",))), 99_000)
    beat = Heartbeat(
        partition=0,
        time_us=0,
        stations=("A.1", "A.2", "A.3"),
        latitude=(0.0,) * 3,
        longitude=(0.0,) * 3,
        data_end_us=(0,) * 3,
        pga=(0.0,) * 3,
        pgv=(0.0,) * 3,
        faults={"late": (1, 2), "clipped": (2,)},
    )
    health.fold(beat, 100_000)
    assert health.count(101_000) == HealthCount(healthy=1, late=1, faulty=1, silent=1)


def test_few_healthy_stations_are_said_aloud():
    screen = io.StringIO()
    clock = Clock()
    health = Health(["A.1", "A.2"], 10.0)
    watch = Watch(Console(file=screen, width=80), health, 3, clock)
    watch.on(MemoryLog())
    asyncio.run(watch.look())
    assert screen.getvalue() == ""
    clock.seconds += 10
    asyncio.run(watch.look())
    told = screen.getvalue()
    assert "stations: 0 healthy, 2 silent; 0 messages sent" in told
    assert "too few are healthy (3 needed): silence is no all-clear" in told
    clock.seconds += 59
    asyncio.run(watch.look())
    assert screen.getvalue() == told
    clock.seconds += 1
    asyncio.run(watch.look())
    assert len(screen.getvalue()) > len(told)


def test_sensors_of_other_hazards_are_told_and_what_waits_is_shown():
    screen, log, clock = io.StringIO(), MemoryLog(), Clock()
    watch = Watch(Console(file=screen, width=80), Health(["A.1"], 10.0), 0, clock)
    watch.on(log)
    at_us = round(clock.seconds * 1e6)
    told = [
        facts_of.Sources(at_us=at_us, healthy=1),
        facts_of.Sources(at_us=at_us, hazard="flood", healthy=2, silent=1),
        facts_of.Sources(at_us=at_us, hazard="landslide", healthy=0, silent=4),
    ]
    message = parse((Path(__file__).parent / "contracts" / "cap-alert.xml").read_bytes())
    waits = hold(message, message.chain, 0, clock())
    asyncio.run(log.append([waits, *map(facts_of.output, told)]))
    asyncio.run(watch.look())
    watch.tell()
    lines = screen.getvalue().splitlines()
    assert any(
        " HELD " in line and line.endswith(f"{message.audience}: alatau release list")
        for line in lines
    )
    assert "           flood: 2 of 3 sensors healthy" in lines
    assert "           landslide: 0 of 4 sensors healthy; silence is no all-clear" in lines
    assert not any("earthquake:" in line for line in lines)
    clock.seconds += 61
    watch.tell()
    last = screen.getvalue().splitlines()[-2:]
    assert all("sensors are not known; silence is no all-clear" in line for line in last)


@pytest.mark.parametrize("status", ["provisional", "confirmed", "cancelled", "superseded"])
def test_an_event_is_told_in_one_line(status):
    quake = earthquake(
        revision=12,
        status=status,
        latitude=-41.27,
        longitude=-178.65,
        epicentre_sigma_km=123.0,
        depth_km=120.0,
        depth_sigma_km=45.0,
        magnitude_saturated=True,
        reason="5 stations should have seen it",
    )
    line = event_line(quake, "17")
    assert len(line) <= 84
    assert line.startswith(f"18:09:19.0 {status}")
    bare = event_line(msgspec.structs.replace(quake, magnitude=None, magnitude_sigma=None), "1")
    assert ("M ?" in bare) == (status in ("provisional", "confirmed"))


def test_messages_are_files_and_none_is_lost(tmp_path):
    outbox = Outbox(tmp_path / "alerts")
    assert outbox.put("a_KZ_0", b"one") == outbox.put("a_KZ_0", b"one")
    assert outbox.put("a_KZ_0", b"two").name == "a_KZ_0.2.xml"
    assert outbox.put("../../etc/x y", b"three").parent == tmp_path / "alerts"
    assert file_name("..") == "_..xml"
    assert sorted(p.read_bytes() for p in (tmp_path / "alerts").iterdir()) == [
        b"one",
        b"three",
        b"two",
    ]
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError):
        Outbox(tmp_path / "file")


def alatau(*arguments, **options):
    command = [sys.executable, "-m", "alatau", "run", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


@pytest.mark.parametrize(
    ("live", "line", "said"),
    [
        ("", 1, "there is no source to follow"),
        ("[ingest]\n[ingest.live]\nfolder = 'nowhere'\n", 3, "is no folder"),
        ("[ingest.live]\nfolder = '.'\n", 1, "there is no StationXML"),
        ("[ingest.live]\nfolder = '.'\nstations = 'no.xml'\n", 3, "is neither StationXML nor"),
        ("[ingest.live]\nfolder = '.'\nstations = 'live.toml'\n", 3, "is not StationXML"),
    ],
)
def test_what_cannot_be_followed_is_named_with_its_line(tmp_path, live, line, said):
    config = tmp_path / "live.toml"
    config.write_text(live)
    settings = msgspec.toml.decode(live, type=dict).get("ingest", {}).get("live", {})
    found = LiveSettings(**settings)

    def start():
        service.folder_source(found, config)
        service.station_table(found, config)

    with pytest.raises(ConfigurationError, match=said) as caught:
        start()
    assert (caught.value.file, caught.value.line) == (config, line)
    assert caught.value.remedy


def test_the_rehearsal_has_an_earthquake_and_leaves_nothing_behind():
    table = channels.read([EVENT / "stations.xml"])
    stages = pipeline(Configuration(), table)
    assert rehearse(stages, table) == rehearse(stages, table) > 0


def test_a_station_that_is_closed_is_not_expected():
    table = channels.read([EVENT / "stations.xml"])
    assert service.expected_stations(table, 1_562_382_000_000) == ["CI.CCC", "CI.CLC", "CI.TOW2"]
    assert service.expected_stations(table, 0) == []


@pytest.mark.install
def test_run_without_a_source_says_what_to_do():
    process = alatau()
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "there is no source to follow" in told
    assert "[ingest.live]" in told
    assert "--config" in told


def today(begin, end):
    """The recording from 20 s before `begin` to `end` (s since 1970), moved so that `begin` is now.

    For each record when it is due (s since 1970), its SDS file, and its bytes.
    """
    shift = time.time() - begin
    moved = []
    for packet in archive.read(EVENT, latency_s=0.5).packets:
        if not begin - 20 < packet.end_us / 1e6 < end:
            continue
        for part in cut(packet.value).records:
            old = MS3Record.parse(packet.value[part.begin : part.end], unpack_data=True)
            seed_id = ".".join(sourceid2nslc(old.sourceid))
            start_ns = old.starttime + round(shift * 1e9)
            due = start_ns / 1e9 + old.samplecnt / old.samprate
            value = encode(seed_id, start_ns, old.samprate, old.np_datasamples.copy())
            moved.append((due, sds(seed_id), value))
    return sorted(moved)


@pytest.mark.install
def test_the_command_warns_in_real_time_and_stops_when_told(tmp_path):
    """From 7 s before the first P: three stations have it 6 s after that one."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "bad.mseed").touch()
    config = tmp_path / "live.toml"
    token, digest = new_token()
    (tmp_path / "sensors.toml").write_text(GOOD, "utf-8")
    (tmp_path / "senders.toml").write_text(
        f'[[senders]]\nname = "x"\ntoken_sha256 = "{digest}"\nsensors = ["*"]\n', "utf-8"
    )
    config.write_text(
        f"[ingest.live]\nfolder = 'data'\nstations = '{EVENT / 'stations.xml'}'\nback_s = 25\n"
        "[detect.hazards]\nsensors = ['sensors.toml']\n"
        "[ingest.http]\nport = 18766\nsenders_file = 'senders.toml'\n"
    )
    first_p = 1_562_383_193.67
    packets = today(first_p - 7.0, first_p + 30.0)
    for due, path, data in packets:
        if due <= time.time():
            append(tmp_path / "data" / path, data)
    packets = [packet for packet in packets if packet[0] > time.time()]
    process = alatau("--config", config, "--out", tmp_path / "out")
    alerts = tmp_path / "out" / "alerts"
    try:
        for due, path, data in packets:
            time.sleep(max(0.0, due - time.time()))
            append(tmp_path / "data" / path, data)
            if list(alerts.glob("*.xml")):
                break
        append(tmp_path / "data" / "bad.mseed", b"this is no record\n" * 9)
        now = f"{datetime.now(UTC):%FT%TZ}"
        level = {"sensor": made_sensor().id, "time": now, "value": 1.5, "unit": "m"}
        assert json.loads(post(18_766, token, level))["taken"] == 1
        time.sleep(1.5)
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, told
    assert list(alerts.glob("*_US_*.xml")), told
    assert re.search(r"ALERT +1\.\d+ +US: ", told), told
    assert "stations: 3 healthy, 0 silent; " in told
    assert "1 not miniSEED" in told
    (kept,) = (tmp_path / "out" / "ledger").glob("*.jsonl")
    entered = ledger_file.read(kept)
    assert ledger.verify(entered).fault is None
    facts = list(ledger.known(ledger.entries(entered)))
    sent = {fact.identifier for fact in facts if isinstance(fact, facts_of.Message)}
    assert sent >= {path.stem for path in alerts.glob("*_US_*.xml")}
    assert any(isinstance(f, facts_of.Sources) and f.healthy == 3 for f in facts)
    assert any(isinstance(f, facts_of.Sources) and f.hazard == "flood" and f.healthy for f in facts)
