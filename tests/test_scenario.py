"""Scenario folders: the same bytes for the same arguments, marked as synthetic, and playable."""

import gzip
import hashlib
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from obspy import read, read_events, read_inventory

from detect.traveltimes import load
from ingest.sources import archive
from replay import catalogue, scenario, scenario_file, station_list
from replay.scenario_file import Burst, Fault, Scenario, Source
from replay.telemetry import LatencySettings, Line, Sent, arrivals
from stream.errors import ConfigurationError

ak135 = load()
TIME = datetime(2025, 3, 1, 12, tzinfo=UTC)
FEW = ("KN.TKM2", "KN.KBK", "KR.BOOM")
QUAKE = Source(latitude=42.7, longitude=75.2, depth_km=10.0, magnitude=4.5)


def made(tmp_path, name="made", **changes):
    values = {
        "name": name,
        "time": TIME,
        "stations": FEW,
        "before_s": 30.0,
        "after_s": 30.0,
        "events": (QUAKE,),
    } | changes
    one = Scenario(**values)
    sites = scenario_file.network(one, None)
    scenario_file.check(one, sites, None)
    folder = tmp_path / name
    scenario.write(one, sites, ak135, folder)
    return folder


def digest(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def trace(folder, channel="SY.TKM2..HNZ"):
    return read(str(folder / scenario.WAVEFORMS)).select(id=channel)


def test_the_same_arguments_are_the_same_bytes_and_another_seed_is_not(tmp_path):
    first, again = made(tmp_path, "a"), made(tmp_path / "again", "a")
    assert digest(first) == digest(again)
    other = made(tmp_path / "other", "a", seed=2)
    assert digest(first)[scenario.WAVEFORMS] != digest(other)[scenario.WAVEFORMS]


def test_a_station_more_does_not_change_the_others(tmp_path):
    three, two = made(tmp_path, "three"), made(tmp_path, "two", stations=FEW[:2])
    for channel in ("SY.TKM2..HNZ", "SY.KBK..HNE"):
        a, b = trace(three, channel)[0], trace(two, channel)[0]
        assert a.stats.starttime == b.stats.starttime
        np.testing.assert_array_equal(a.data, b.data)


def test_all_that_is_written_says_that_it_is_synthetic(tmp_path):
    folder = made(tmp_path)
    names = {p.name for p in folder.iterdir()}
    assert names == {
        "waveforms.synthetic.mseed",
        "stations.xml",
        "packets.csv.gz",
        "event.quakeml",
        "README.md",
    }
    records = read(str(folder / scenario.WAVEFORMS))
    assert {t.stats.network for t in records} == {"SY"}
    assert {t.stats.mseed.encoding for t in records} == {"STEIM2"}
    inventory = read_inventory(str(folder / "stations.xml"))
    assert [n.code for n in inventory] == ["SY"]
    for commented in (inventory[0], *inventory[0]):
        assert "SYNTHETIC" in commented.comments[0].value
    assert "KN.TKM2" in {s.code: s for s in inventory[0]}["TKM2"].comments[0].value
    assert "SYNTHETIC" in read_events(str(folder / "event.quakeml"))[0].comments[0].text
    assert "SYNTHETIC" in (folder / "README.md").read_text()


def test_the_truth_is_what_was_put_in(tmp_path):
    second = Source(at_s=5.0, latitude=42.0, longitude=75.0, magnitude=4.0)
    truth = catalogue.read(made(tmp_path, events=(QUAKE, second)))
    assert (truth.latitude, truth.longitude, truth.magnitude) == (42.7, 75.2, 4.5)
    assert truth.time_us == round(TIME.timestamp() * 1e6)
    assert [o.time_us - truth.time_us for o in truth.others] == [5_000_000]
    far = Source(latitude=16.0, longitude=75.0, magnitude=8.0, at_s=-330.0)
    assert catalogue.read(made(tmp_path, "far", events=(far,))) is None


def test_the_archive_reads_it_whole_with_its_arrivals(tmp_path):
    recording = archive.read(made(tmp_path), latency_s=None)
    assert recording.arrivals == "recorded"
    assert (recording.unread, recording.channels.problems) == ((), ())
    assert set(recording.channels.stations) == {"SY.TKM2", "SY.KBK", "SY.BOOM"}
    for name in recording.channels.stations:
        mine = [p for p in recording.packets if p.station == name]
        covered = sum(p.end_us - p.start_us for p in mine)
        assert covered == pytest.approx(60e6, abs=1e6 / 100)
        late = [p.arrival_ms - p.end_us / 1000 for p in mine]
        assert 50 < np.median(late) < 3000
    channel = recording.channels.channels["SY.TKM2..HNZ"][0]
    assert (channel.vertical, channel.unit) == (True, "m/s2")


def test_a_broadband_clips_and_an_accelerometer_does_not(tmp_path):
    near = Source(latitude=42.92, longitude=75.6, depth_km=8.0, magnitude=6.5)
    strong = trace(made(tmp_path, "hn", events=(near,)))[0]
    assert np.abs(strong.data).max() < 2**23 - 1
    weak = trace(made(tmp_path, "hh", events=(near,), sensor="broadband"), "SY.TKM2..HHZ")[0]
    assert np.sum(np.abs(weak.data) == 2**23 - 1) > 10


def faulty(tmp_path, kind, **how):
    fault = Fault(station="KN.TKM2", kind=kind, **how)
    return made(tmp_path, kind, events=(), faults=(fault,))


def test_faults_of_the_sensor(tmp_path):
    whole = trace(made(tmp_path, "whole", events=()))[0].data
    dead = trace(faulty(tmp_path, "dead", at_s=0.0))[0].data
    np.testing.assert_array_equal(dead[:2990], whole[:2990])
    assert len(set(dead[3001:])) == 1
    spiky = trace(faulty(tmp_path, "spikes", value=0.2))[0].data
    assert np.abs(spiky).max() > 10 * np.abs(whole).max()
    clipped = trace(faulty(tmp_path, "clip", value=1e-6))[0].data
    assert np.abs(clipped).max() <= 1


def test_a_gap_and_a_clock_that_jumps(tmp_path):
    pieces = trace(faulty(tmp_path, "gap", at_s=0.0, seconds=5.0))
    assert len(pieces) == 2
    assert pieces[1].stats.starttime - pieces[0].stats.endtime == pytest.approx(5.0, abs=1.1)
    before, after = trace(faulty(tmp_path, "clock", at_s=0.0, value=7.0))
    assert after.stats.starttime - before.stats.endtime == pytest.approx(7.01, abs=1e-4)
    assert before.stats.npts + after.stats.npts == 6000
    early = [
        p
        for p in archive.read(tmp_path / "clock", latency_s=None).packets
        if p.station == "SY.TKM2" and p.arrival_ms < p.end_us / 1000
    ]
    assert len(early) >= 25


def test_packets_come_in_order_late_and_all_at_once(tmp_path):
    late = archive.read(faulty(tmp_path, "late", at_s=0.0, value=12.0), latency_s=None)
    mine = [p for p in late.packets if p.station == "SY.TKM2"]
    assert all(a.start_us < b.start_us for a, b in pairwise(mine))
    assert mine[-1].arrival_ms - mine[-1].end_us / 1000 > 12_000
    out = archive.read(faulty(tmp_path, "outage", at_s=0.0, seconds=10.0), latency_s=None)
    came = [p.arrival_ms / 1000 - TIME.timestamp() for p in out.packets if p.station == "SY.TKM2"]
    assert not [t for t in came if 0.0 <= t < 10.0]
    assert len([t for t in came if 10.0 <= t < 10.5]) >= 9


def test_latencies_have_the_median_and_a_tail():
    sent = [Sent(float(i), i * 1_000_000, 100) for i in range(4000)]
    way = Line(0.4, np.log(LatencySettings().packet_factor))
    late = np.array(arrivals(sent, way, np.random.default_rng(1))) - np.arange(4000)
    assert np.median(late) == pytest.approx(0.4, rel=0.05)
    assert 1.5 < np.percentile(late, 99) / 0.4 < 3.0
    assert np.all(np.diff(late + np.arange(4000)) > 0)


def test_a_burst_shakes_one_station_at_its_time(tmp_path):
    burst = Burst(station="KN.TKM2", at_s=3.0, peak=0.05)
    folder = made(tmp_path, "burst", events=(), bursts=(burst,))
    struck = trace(folder)[0]
    since = TIME.timestamp() - struck.stats.starttime.timestamp
    gain = read_inventory(str(folder / "stations.xml"))[0][0][0].response
    moved = np.abs(struck.data) / gain.instrument_sensitivity.value
    assert moved.max() == pytest.approx(0.05, rel=0.5)
    assert moved[: round((since + 2.99) * 100)].max() < 0.001
    assert np.abs(trace(folder, "SY.KBK..HNZ")[0].data).max() < 0.01 * np.abs(struck.data).max()


def test_the_background_is_between_the_noise_models():
    from scipy.signal import welch

    from replay.background import background

    for derivative in (1, 2):
        noise = background(
            60_000, 100.0, level=0.5, derivative=derivative, disturbances_per_hour=0.0,
            draw=np.random.default_rng(3),
        )  # fmt: skip
        f, power = welch(noise[0], 100.0, nperseg=4096)
        power = power * (2 * np.pi * f) ** 2 if derivative == 1 else power
        at_5_hz = 10 * np.log10(power[np.argmin(abs(f - 5))])
        # Peterson (1993): -166.7 and -97.5 dB at 0.2 s, and the accelerometer's own -125 dB
        assert at_5_hz == pytest.approx(-132.0 if derivative == 1 else -124.0, abs=3.0)


BAD = [
    ('stations = ["KN.XXXX"]', "stations", "has no station KN.XXXX"),
    ('[[faults]]\nstation = "KN.CHM"\nkind = "late"', "faults", "needs a value"),
    ('[[faults]]\nstation = "KN.CHM"\nkind = "outage"', "faults", "needs an end"),
    ('[[bursts]]\nstation = "KN.CHM"\nat_s = 500.0\npeak = 1.0', "after_s", "ends before"),
]


@pytest.mark.parametrize(("text", "place", "problem"), BAD)
def test_a_scenario_that_cannot_be_is_refused_with_its_line(tmp_path, text, place, problem):
    file = tmp_path / "bad.toml"
    file.write_text(f'name = "bad"\ntime = 2025-03-01T12:00:00Z\n{text}\n')
    one = scenario_file.load(file)
    with pytest.raises(ConfigurationError, match=problem) as error:
        scenario_file.check(one, scenario_file.network(one, file), file)
    assert place in str(error.value)
    assert str(file) in str(error.value)


def test_unknown_settings_and_missing_ones_are_refused(tmp_path):
    file = tmp_path / "bad.toml"
    for text, problem in (
        ('name = "x"\ntime = 2025-03-01T12:00:00Z\nsead = 3\n', "seed"),
        ('name = "x"\n', "time"),
        ('name = "x"\ntime = 2025-03-01T12:00:00Z\n[[events]]\nmagnitude = 5\n', "latitude"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=problem):
            scenario_file.load(file)


def test_synthetic_records_never_lie_beside_others(tmp_path):
    made(tmp_path)
    made(tmp_path)
    (tmp_path / "made" / "real.mseed").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match=r"real\.mseed"):
        made(tmp_path)


def test_one_earthquake_from_options_is_the_scenario_of_a_file(tmp_path):
    file = tmp_path / "one.toml"
    file.write_text(
        'name = "2025-03-01T120000-m4.5"\ntime = 2025-03-01T12:00:00Z\nseed = 3\n[[events]]\n'
        "latitude = 42.7\nlongitude = 75.2\ndepth_km = 10.0\nmagnitude = 4.5\n"
    )
    assert scenario_file.load(file) == scenario_file.single(TIME, 42.7, 75.2, 10.0, 4.5, seed=3)


def test_the_list_of_stations_that_ships():
    sites = station_list.read()
    assert {s.network for s in sites} == {"KN", "KR", "KZ"}
    places = {s.id: (s.latitude, s.longitude) for s in sites}
    assert places["KN.TKM2"] == (42.9208, 75.5966)
    assert places["KZ.KKAR"] == (43.1034, 70.5115)
    assert all(39 < s.latitude < 55 and 55 < s.longitude < 85 for s in sites)


LISTS = [
    ("network,station,latitude\n", "no column longitude, elevation_m"),
    ("network,station,latitude,longitude,elevation_m\nKN,AAA,91,75,0\n", "no station"),
    ("network,station,latitude,longitude,elevation_m\nKN,AAA,x,75,0\n", "no station"),
    ("network,station,latitude,longitude,elevation_m\nKN,AAA,41,75,0\nKR,AAA,41,75,0\n", "twice"),
]


@pytest.mark.parametrize(("text", "problem"), LISTS)
def test_a_list_of_stations_that_cannot_be_read(tmp_path, text, problem):
    file = tmp_path / "stations.csv"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=problem):
        station_list.read(file)


def test_arrivals_are_a_table_that_spreadsheets_read(tmp_path):
    text = gzip.decompress((made(tmp_path) / "packets.csv.gz").read_bytes()).decode()
    lines = text.splitlines()
    assert lines[0] == "device_id,device_t_last_sample,cloud_t_received,n,sr_nominal"
    assert len(lines) >= 1 + 3 * 60
    assert lines[1].split(",")[4] == "100"
