"""Bad input: said plainly or counted with a reason, and the rest still finds the earthquake."""

import asyncio
import os
import subprocess
import sys
from collections import Counter

import msgspec
import numpy as np
import pytest
from made_detections import START_US, earthquake_picks, frames, moved, pick, ring
from made_detections import records as detection_records
from made_recordings import START_S, STATIONS, ground, recording
from typer.testing import CliRunner

import alatau
from alatau import Configuration, pipeline
from detect import detections, events
from detect.locator import LocateOperator
from detect.settings import DetectSettings
from detect.traveltimes import load
from dispatch.service import DispatchOperator
from ingest.errors import RecordingError
from ingest.miniseed import encode
from ingest.sources import archive
from ingest.sources.archive import Packet
from replay import session
from stream import rejects
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.records import Output, Record
from stream.runner import StageRunner
from stream.topics import DETECTIONS, EVENTS, REJECTS, WAVEFORMS

SHOCK = [(30.0, 42.52, 74.62, 10.0, 0.05)]
SECONDS = 60
CHANNEL = """<Channel code="{code}" locationCode="" startDate="2000-01-01T00:00:00Z">
<Latitude>{latitude}</Latitude><Longitude>{longitude}</Longitude><Elevation>0</Elevation>
<Depth>0</Depth><Azimuth>0</Azimuth><Dip>-90</Dip><SampleRate>100</SampleRate>
<Response><InstrumentSensitivity><Value>{gain}</Value><Frequency>1</Frequency>
<InputUnits><Name>{unit}</Name></InputUnits><OutputUnits><Name>COUNTS</Name></OutputUnits>
</InstrumentSensitivity></Response></Channel>"""
STATION = """<Station code="{station}" startDate="2000-01-01T00:00:00Z">
<Latitude>{latitude}</Latitude><Longitude>{longitude}</Longitude><Elevation>0</Elevation>
<Site><Name>{station}</Name></Site>{channels}</Station>"""


def station_xml(code, latitude, longitude, *, unit="M/S**2", gain="1e6", channels=("HNZ",)):
    place = {"latitude": latitude, "longitude": longitude}
    inner = "".join(CHANNEL.format(code=c, unit=unit, gain=gain, **place) for c in channels)
    return STATION.format(station=code, channels=inner, **place)


def inventory(*more, stations=STATIONS, **changes):
    inside = "".join(
        station_xml(name.split(".")[1], *place, **changes.get(name.split(".")[1], {}))
        for name, place in stations.items()
    )
    return (
        '<?xml version="1.0"?><FDSNStationXML xmlns="http://www.fdsn.org/xml/station/1" '
        'schemaVersion="1.1"><Source>made</Source><Created>2020-01-01T00:00:00Z</Created>'
        f'<Network code="KR">{inside}{"".join(more)}</Network></FDSNStationXML>'
    )


SAMPLES = {
    name: ground(place, SECONDS, 100.0, SHOCK, number)
    for number, (name, place) in enumerate(STATIONS.items())
}
VALUES = {
    name: encode(f"{name}..HNZ", START_S * 10**9, 100.0, samples)
    for name, samples in SAMPLES.items()
}


@pytest.fixture
def folder(tmp_path):
    """A good folder with one earthquake."""
    path = tmp_path / "event"
    path.mkdir()
    (path / "stations.xml").write_text(inventory())
    for name, value in VALUES.items():
        (path / f"{name}.mseed").write_bytes(value)
    return path


def replayed(path):
    source = archive.read(path, latency_s=0.5)
    return asyncio.run(session.replay(source, pipeline(Configuration(), source.channels)))


def finds_it(outcome):
    """Whether the earthquake stands at the end, where it was."""
    last = {e.id: e for e in outcome.events}
    standing = [e for e in last.values() if e.status == "confirmed"]
    return len(standing) == 1 and all(
        abs(e.latitude - SHOCK[0][1]) < 0.15 and abs(e.longitude - SHOCK[0][2]) < 0.15
        for e in standing
    )


def reasons(outcome):
    return Counter(r.reason for r in outcome.rejects)


def test_the_good_folder_finds_it(folder):
    outcome = replayed(folder)
    assert finds_it(outcome)
    assert outcome.rejects == ()
    assert outcome.alerts


def nothing(path):
    for file in path.iterdir():
        file.unlink()


def no_folder(path):
    nothing(path)
    path.rmdir()


def no_metadata(path):
    (path / "stations.xml").unlink()


def broken_metadata(path):
    (path / "stations.xml").write_text(inventory()[:-200])


def other_xml(path):
    (path / "stations.xml").write_text("<html><body>404 Not Found</body></html>")


def empty_metadata(path):
    (path / "stations.xml").write_bytes(b"")


def noise_files(path):
    random = np.random.default_rng(0)
    for file in path.glob("*.mseed"):
        file.write_bytes(random.bytes(5000))


def empty_files(path):
    for file in path.glob("*.mseed"):
        file.write_bytes(b"")


FATAL = [
    (no_folder, "is no folder. Name one that holds *.mseed files"),
    (nothing, "holds no *.mseed file. Put the recording there"),
    (no_metadata, "has no StationXML. Put the network's stations.xml in it"),
    (broken_metadata, "Put the network's StationXML"),
    (other_xml, "Put the network's StationXML"),
    (empty_metadata, "Put the network's StationXML"),
    (noise_files, "holds no sample that can be read (KR.AAA.mseed: not miniSEED"),
    (empty_files, "holds no sample that can be read"),
]
fatal = pytest.mark.parametrize(("spoil", "says"), FATAL, ids=[f.__name__ for f, _ in FATAL])


@fatal
def test_a_folder_that_cannot_be_replayed_says_what_to_do(folder, spoil, says):
    spoil(folder)
    with pytest.raises(RecordingError) as caught:
        archive.read(folder, latency_s=0.5)
    assert says in str(caught.value)
    assert str(folder) in str(caught.value)


@fatal
@pytest.mark.parametrize("command", ["replay", "score"])
def test_the_command_says_it_and_fails_without_a_traceback(folder, spoil, says, command):
    spoil(folder)
    result = CliRunner().invoke(alatau.app, [command, str(folder)])
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    flat = " ".join(result.output.split())
    assert flat.replace(" ", "").count(says.split(". ")[0].replace(" ", "")[:25]) == 1
    assert "Traceback" not in result.output


def test_one_bad_folder_does_not_stop_the_others(folder, tmp_path):
    bad = tmp_path / "bad"
    bad.mkdir()
    out = tmp_path / "out.json"
    command = ["replay", str(bad), str(folder), str(bad), "--json", str(out)]
    result = CliRunner().invoke(alatau.app, command)
    assert result.exit_code == 1
    assert len(msgspec.json.decode(out.read_bytes())) == 1


def test_the_program_itself_ends_with_a_code_and_a_sentence(folder, tmp_path):
    """As people run it: exit codes 1 (folder) and 2 (configuration), nothing of Python."""
    settings = tmp_path / "a.toml"
    settings.write_text("[detect.pick]\nonn = 3\n")
    nothing(folder)
    for arguments, code, says in (
        (["replay", str(folder)], 1, "holds no *.mseed file"),
        (["replay", str(folder), "--config", str(settings)], 2, "Did you mean"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "alatau", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"COLUMNS": "300"},
        )
        assert done.returncode == code
        assert says in done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def truncated(path):
    (path / "KR.EEE.mseed").write_bytes(VALUES["KR.EEE"][:-700])
    return {"not miniSEED": 1}


def random_file(path):
    (path / "x.mseed").write_bytes(np.random.default_rng(1).bytes(3000))
    return {"not miniSEED": 1}


def garbage_within(path):
    """The records after the garbage are read all the same."""
    together = b"".join(VALUES.values())
    nothing_else = sorted(path.glob("*.mseed"))
    for file in nothing_else:
        file.unlink()
    noise = np.random.default_rng(2).bytes(512)
    (path / "all.mseed").write_bytes(together[:1024] + noise + together[1024:])
    return {"not miniSEED": 1}


def unknown_channel(path):
    value = encode("ZZ.NEW..HNZ", START_S * 10**9, 100.0, SAMPLES["KR.AAA"])
    (path / "new.mseed").write_bytes(value)
    return {"no metadata": 1}


def wrong_unit(path):
    (path / "stations.xml").write_text(inventory(EEE={"unit": "PA"}))
    return {"metadata": 1, "no metadata": 1}


def zero_gain(path):
    (path / "stations.xml").write_text(inventory(EEE={"gain": "0"}))
    return {"metadata": 1, "no metadata": 1}


def two_of_one_name(path):
    (path / "stations.xml").write_text(inventory(station_xml("EEE", 43.4, 75.9)))
    return {"metadata": 1, "no metadata": 1}


def slow_channel(path):
    samples = np.arange(SECONDS, dtype=np.int32)
    (path / "slow.mseed").write_bytes(encode("KR.AAA..LNZ", START_S * 10**9, 1.0, samples))
    (path / "stations.xml").write_text(inventory(AAA={"channels": ("HNZ", "LNZ")}))
    return {"sampling rate too low": 1}


def from_1970(path):
    (path / "old.mseed").write_bytes(encode("KR.AAA..HNZ", 0, 100.0, SAMPLES["KR.AAA"][:300]))
    return {"no metadata": 1}


def from_2100(path):
    far = encode("KR.AAA..HNZ", 4_102_444_800 * 10**9, 100.0, SAMPLES["KR.AAA"][:300])
    (path / "new.mseed").write_bytes(far)
    return {}


def not_finite(path):
    samples = SAMPLES["KR.EEE"].astype(np.float32)
    samples[1050] = np.nan
    (path / "KR.EEE.mseed").write_bytes(encode("KR.EEE..HNZ", START_S * 10**9, 100.0, samples))
    return {"not finite": 1}


def empty_file(path):
    (path / "empty.mseed").write_bytes(b"")
    return {}


def text_record(path):
    """A log record, as digitisers send them: text, and no sampling rate."""
    record = bytearray(VALUES["KR.AAA"][:512])
    record[52] = 0
    (path / "log.mseed").write_bytes(bytes(record))
    return {"no samples": 1}


PARTLY = [
    truncated,
    random_file,
    garbage_within,
    unknown_channel,
    wrong_unit,
    zero_gain,
    two_of_one_name,
    slow_channel,
    from_1970,
    from_2100,
    not_finite,
    empty_file,
    text_record,
]


@pytest.mark.parametrize("spoil", PARTLY)
def test_what_cannot_be_used_is_counted_and_the_rest_finds_it(folder, spoil):
    expected = spoil(folder)
    outcome = replayed(folder)
    assert finds_it(outcome)
    assert dict(reasons(outcome)) == expected
    for reject in outcome.rejects:
        assert reject.source
        assert reject.reason


def test_the_command_tells_of_rejects_and_succeeds(folder):
    for spoil in (truncated, unknown_channel):
        spoil(folder)
    result = CliRunner().invoke(alatau.app, ["replay", str(folder)])
    assert result.exit_code == 0
    assert "no metadata" in result.output
    assert "not miniSEED" in result.output


def patched(value, at, *with_bytes):
    record = bytearray(value)
    record[at : at + len(with_bytes)] = bytes(with_bytes)
    return bytes(record)


ONE = encode("KR.AAA..HNZ", START_S * 10**9, 100.0, SAMPLES["KR.AAA"][:50])
FLOATS = np.full(50, 1.0, np.float32)
NAN = encode("KR.AAA..HNZ", START_S * 10**9, 100.0, np.where(np.arange(50) == 3, np.nan, FLOATS))
RAW_WAVEFORMS = {
    b"\x00": "not miniSEED",
    b"000001D ": "not miniSEED",
    np.random.default_rng(3).bytes(512): "not miniSEED",
    ONE[:200]: "not miniSEED",
    patched(ONE, 30, 0, 0): "no samples",
    patched(ONE, 52, 0): "not waveform data",
    patched(ONE, 32, 0, 0, 0, 0): "no sampling rate",
    encode("KR.AAA..HNZ", START_S * 10**9, 100.0, np.float32([1, np.inf, 2])): "not finite",
    encode("ZZ.NEW..HNZ", START_S * 10**9, 100.0, SAMPLES["KR.AAA"][:50]): "no metadata",
    encode("KR.AAA..HNZ", 10**9, 100.0, SAMPLES["KR.AAA"][:50]): "late",
    encode("KR.AAA..HNZ", 4_102_444_800 * 10**9, 100.0, SAMPLES["KR.AAA"][:50]): "future",
}


@pytest.mark.parametrize("number", range(len(RAW_WAVEFORMS)))
def test_a_bad_value_in_waveforms_is_rejected_with_its_reason(number):
    """It comes in the middle of good ones, by itself and behind a good record."""
    value, reason = list(RAW_WAVEFORMS.items())[number]
    source = recording(SECONDS, SHOCK)
    middle = len(source.packets) // 4
    at = source.packets[middle]
    bad = Packet("KR.XXX", at.arrival_ms, at.start_us, at.end_us, value)
    lengthened = msgspec.structs.replace(at, value=at.value + value)
    packets = [*source.packets[:middle], bad, lengthened, *source.packets[middle + 1 :]]
    spoilt = msgspec.structs.replace(source, packets=tuple(packets))
    outcome = asyncio.run(session.replay(spoilt, pipeline(Configuration(), source.channels)))
    assert finds_it(outcome)
    assert set(reasons(outcome)) == {reason}
    assert {r.offset for r in outcome.rejects} <= {middle, middle + 1}
    assert {r.topic for r in outcome.rejects} == {"waveforms"}


def test_an_empty_value_is_nothing():
    source = recording(SECONDS, SHOCK)
    at = source.packets[0]
    empty = msgspec.structs.replace(at, value=b"")
    spoilt = msgspec.structs.replace(source, packets=(empty, *source.packets))
    outcome = asyncio.run(session.replay(spoilt, pipeline(Configuration(), source.channels)))
    assert finds_it(outcome)
    assert outcome.rejects == ()


def test_a_station_under_two_keys_gives_the_same_whatever_the_batch():
    """Values that claim to be of another station: nothing may hang on how they are batched."""
    source = recording(SECONDS, SHOCK)
    stages = pipeline(Configuration(), source.channels)[:1]
    packets = [
        msgspec.structs.replace(p, station=f"KR.X{i % 3}") for i, p in enumerate(source.packets)
    ]
    said = []
    for slices in ((1,), (7, 30), (1000,)):
        log = played_raw(packets, stages, slices)
        said.append(asyncio.run(log.read(DETECTIONS.name, 0, 0, 10**6)))
    assert said[0] == said[1] == said[2]


def played_raw(packets, stages, slices):
    from made_recordings import played

    return played(packets, stages, slices=slices)


GOOD = ring(42.5, 74.6, 25.0, 5)
SOURCE = (42.52, 74.62, 10.0)
PICKS = earthquake_picks(GOOD, SOURCE, START_US + 20_000_000)
SHAKEN = moved(PICKS, SOURCE, START_US + 20_000_000)
FRAMES = frames(GOOD, START_US, START_US + 60_000_000, made=SHAKEN)


def altered(**changes):
    """Two picks that would begin an event, with these values."""
    made = []
    for number, place in enumerate(list(GOOD.values())[:2]):
        time_us = START_US + 15_000_000 + number
        made.append(detections.encode(pick(f"ZZ.B{number}", place, time_us, **changes)))
    return made


def raw(value, **changes):
    shown = msgspec.json.decode(value)
    return msgspec.json.encode(shown | changes)


A_FRAME = detections.encode(FRAMES[0][1])
BAD_DETECTIONS = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"{}",
    b'{"kind":"pick"}',
    b'{"kind":"other"}',
    b'{"kind":"motion","version":1,"partition":0,"time_us":"soon","stations":[]}',
    b"[" * 100_000,
    b'{"kind":' * 100_000,
    A_FRAME[:-5],
    A_FRAME.replace(b"XX.S00", b"XX.S\xff0"),
    ONE,
]


def located(read):
    """Run the locator over values; (events, rejects)."""
    operator = LocateOperator(DetectSettings(), load())
    said = []
    for begin in range(0, len(read), 7):
        said += operator.process(read[begin : begin + 7])
    found = [events.decode(o.value) for o in said if o.topic == EVENTS.name]
    refused = [rejects.decode(o.value) for o in said if o.topic == REJECTS.name]
    return found, refused


def with_values(values, at=10):
    """The good detections with raw values put in."""
    read = detection_records(PICKS, FRAMES)
    moment = read[at].timestamp
    values = [Record(DETECTIONS.name, 0, 0, moment, b"local", v) for v in values]
    together = [*read[:at], *values, *read[at:]]
    return [msgspec.structs.replace(r, offset=i) for i, r in enumerate(together)]


def test_unreadable_detections_are_rejected_and_the_rest_goes_on():
    found, refused = located(with_values(BAD_DETECTIONS))
    expected, _ = located(with_values([]))
    assert [r.reason for r in refused] == ["not a detection"] * len(BAD_DETECTIONS)
    assert [r.offset for r in refused] == list(range(10, 10 + len(BAD_DETECTIONS)))
    assert found == expected
    assert found[-1].status == "confirmed"


IMPOSSIBLE = {
    "time beyond all years": {"time_us": 9_000_000_000_000_000_000},
    "time before 1970": {"time_us": -9_000_000_000_000_000_000},
    "time of 2100": {"time_us": 4_102_444_800_000_000},
    "latitude": {"latitude": 1e300},
    "longitude": {"longitude": -1e300},
    "beyond the pole": {"latitude": 95.0},
    "negative uncertainty": {"uncertainty_s": -5.0},
    "endless uncertainty": {"uncertainty_s": 1e308},
    "a name that is not ASCII": {"channel": "ZZ.\u00c4..HNZ"},
    "no name": {"channel": ""},
}


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_impossible_picks_are_rejected_and_stop_nothing(what, silent):
    """Also where nobody is there to be silent, so that two of them would make an event."""
    values = [raw(value, **IMPOSSIBLE[what]) for value in altered()]
    if "channel" in IMPOSSIBLE[what]:
        values[1] = values[1].replace("\u00c4".encode(), "\u00d6".encode())
    if silent:
        read = [
            Record(DETECTIONS.name, 0, i, START_US // 1000, b"x", v) for i, v in enumerate(values)
        ]
        found, refused = located(read)
        assert found == []
    else:
        found, refused = located(with_values(values))
        assert found == located(with_values([]))[0]
    assert [r.reason for r in refused] == ["impossible detection"] * 2
    assert all(r.detail for r in refused)


@pytest.mark.parametrize(
    ("field", "value", "refused"),
    [
        ("latitude", 1e300, True),
        ("longitude", -1e300, True),
        ("pgv", -1.0, False),
        ("pga", 1e308, False),
        ("data_end_us", 9_000_000_000_000_000_000, False),
        ("station", "\u00c4", False),
    ],
)
def test_impossible_motion_stops_nothing(field, value, refused):
    frame = msgspec.json.decode(A_FRAME)
    frame["stations"] = frame["stations"][:1]
    frame["stations"][0] |= {"station": "ZZ.BAD", field: value}
    found, said = located(with_values([msgspec.json.encode(frame)] * 2, at=20))
    assert found[-1].status == "confirmed"
    assert [r.reason for r in said] == ["impossible detection"] * (2 if refused else 0)


def test_garbage_in_all_topics_at_once_and_the_alerts_still_come():
    """Straight into the log of the whole pipeline, between good packets."""
    source = recording(SECONDS, SHOCK)
    stages = pipeline(Configuration(), source.channels)

    async def play(bad):
        log = MemoryLog()
        runners = [StageRunner(log, stage) for stage in stages]
        for runner in runners:
            await runner.start()
        for begin in range(0, len(source.packets), 20):
            packets = source.packets[begin : begin + 20]
            await log.append(
                [
                    Output(WAVEFORMS.name, p.station.encode(), p.value, 0, p.arrival_ms)
                    for p in packets
                ]
            )
            now = packets[0].arrival_ms
            for topic in (WAVEFORMS, DETECTIONS, EVENTS) if bad else ():
                await log.append(
                    [Output(topic.name, b"x", value, 0, now) for value in BAD_DETECTIONS]
                )
            while any([await runner.step() for runner in runners]):
                pass
        counted = Counter()
        for record in await log.read(REJECTS.name, 0, 0, 10**6):
            reject = rejects.decode(record.value)
            counted[reject.topic, reject.reason] += 1
        alerts = await log.read("alerts", 0, 0, 10**6)
        return [r.value for r in alerts], counted

    clean, none = asyncio.run(play(bad=False))
    spoilt, counted = asyncio.run(play(bad=True))
    assert clean
    assert not none
    assert spoilt == clean
    times = len(range(0, len(source.packets), 20))
    assert counted["detections", "not a detection"] == len(BAD_DETECTIONS) * times
    assert counted["events", "not an event"] == len(BAD_DETECTIONS) * times
    assert counted["waveforms", "not miniSEED"] >= (len(BAD_DETECTIONS) - 2) * times


def test_stages_that_read_these_topics_are_those_of_the_pipeline():
    stages = {s.reads: s for s in pipeline(Configuration(), recording(1, []).channels)}
    assert isinstance(stages[DETECTIONS].make(0), LocateOperator)
    assert isinstance(stages[EVENTS].make(0), DispatchOperator)
    assert isinstance(stages[WAVEFORMS], Stage)
