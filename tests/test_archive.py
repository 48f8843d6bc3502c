"""A folder of recordings as packets: every sample once, and when it would have come."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymseed import MS3Record, sourceid2nslc

from ingest.errors import RecordingError
from ingest.miniseed import encode
from ingest.sources import archive

RIDGECREST = Path(__file__).parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"
STATIONS = (RIDGECREST / "stations.xml").read_text()
START_NS = 1_562_383_000_000_000_000
ID = "CI.CLC..HNZ"


def samples_of(value):
    """Samples by channel and time (us) of concatenated records."""
    found = {}
    for record in MS3Record.from_buffer(value, unpack_data=True):
        name = ".".join(sourceid2nslc(record.sourceid))
        for i, sample in enumerate(record.np_datasamples.tolist()):
            at = round((record.starttime + i * 1e9 / record.samprate) / 1000)
            assert (name, at) not in found, "a sample came twice"
            found[name, at] = sample
    return found


def pieces_of(value):
    """Start (ns), rate and samples of each record."""
    return [
        (record.starttime, record.samprate, record.np_datasamples.copy())
        for record in MS3Record.from_buffer(value, unpack_data=True)
    ]


def folder(path, *values, packets=None):
    path.mkdir(parents=True, exist_ok=True)
    (path / "stations.xml").write_text(STATIONS)
    for number, value in enumerate(values):
        (path / f"{number}.mseed").write_bytes(value)
    if packets is not None:
        rows = "\n".join(["device_id,device_t_last_sample,cloud_t_received,n,sr_nominal", *packets])
        (path / archive.ARRIVALS).write_bytes(gzip.compress(rows.encode()))
    return path


def counts(n, seed=0):
    return np.random.default_rng(seed).integers(-(2**20), 2**20, n).astype(np.int32)


def test_packets_of_ridgecrest_hold_every_sample_once():
    whole = samples_of((RIDGECREST / "waveforms.mseed").read_bytes())
    recording = archive.read(RIDGECREST, latency_s=0.5)
    found = {}
    for packet in recording.packets:
        part = samples_of(packet.value)
        assert not found.keys() & part.keys()
        found |= part
    assert found == whole
    assert len(whole) > 90_000
    assert recording.unread == ()
    assert sorted(recording.channels.stations) == ["CI.CCC", "CI.CLC", "CI.TOW2"]


def test_packets_end_at_full_seconds_and_come_half_a_second_later():
    recording = archive.read(RIDGECREST, latency_s=0.5)
    arrivals = [p.arrival_ms for p in recording.packets]
    assert arrivals == sorted(arrivals)
    assert recording.arrivals == "1 s packets + 0.5 s"
    for packet in recording.packets:
        assert 0 <= packet.arrival_ms - (packet.end_us / 1000 + 500) < 1.0
        assert packet.end_us - packet.start_us <= 1_010_000
        assert packet.start_us // 1_000_000 == (packet.end_us - 10_000) // 1_000_000
        for name, at in samples_of(packet.value):
            assert packet.start_us <= at < packet.end_us
            assert name.startswith(packet.station + ".")


@pytest.mark.parametrize("kind", [np.int32, np.float32, np.float64])
@pytest.mark.parametrize("rate", [1.0, 18.2, 31.25, 100.0, 500.0])
@settings(max_examples=6)
@given(
    n=st.integers(1, 700), packet_s=st.sampled_from([0.1, 0.5, 1.0, 2.5]), shift=st.integers(0, 999)
)
def test_any_rate_is_cut_without_loss(tmp_path_factory, kind, rate, n, packet_s, shift):
    samples = counts(n).astype(kind)
    value = encode(ID, START_NS + shift * 1_000_000, rate, samples)
    path = folder(tmp_path_factory.mktemp("cut"), value)
    packets = archive.read(path, latency_s=0.0, packet_s=packet_s).packets
    pieces = [piece for p in packets for piece in pieces_of(p.value)]
    together = np.concatenate([piece for _, _, piece in pieces])
    assert together.dtype == kind
    np.testing.assert_array_equal(together, samples)
    times = [START_NS + shift * 1_000_000 + i * 1e9 / rate for i in range(n)]
    found = [start + i * 1e9 / r for start, r, piece in pieces for i in range(piece.size)]
    np.testing.assert_allclose(np.subtract(found, times), 0.0, atol=5e8 / rate)
    for packet in packets:
        assert packet.end_us - packet.start_us <= (packet_s + 1 / rate) * 1e6 + 2


def test_a_gap_and_an_overlap_stay_what_they_are(tmp_path):
    first = encode(ID, START_NS, 100.0, counts(150))
    after = encode(ID, START_NS + 3 * 10**9, 100.0, counts(100, 1))
    lapped = encode(ID, START_NS + 35 * 10**8, 100.0, counts(100, 2))
    packets = archive.read(folder(tmp_path, first + after + lapped), latency_s=0.5).packets
    assert sum(piece.size for p in packets for _, _, piece in pieces_of(p.value)) == 350
    spans = sorted((p.start_us, p.end_us) for p in packets)
    assert spans[0][0] == START_NS // 1000
    assert spans[-1][1] == START_NS // 1000 + 4_500_000


def test_channels_of_a_station_come_in_one_packet(tmp_path):
    value = b"".join(encode(f"CI.CLC..HN{c}", START_NS, 100.0, counts(300)) for c in "12Z")
    packets = archive.read(folder(tmp_path, value), latency_s=0.5).packets
    assert len(packets) == 3
    for packet in packets:
        names = {name for name, _ in samples_of(packet.value)}
        assert names == {"CI.CLC..HN1", "CI.CLC..HN2", "CI.CLC..HNZ"}


def test_several_files_are_read_in_any_order(tmp_path):
    parts = [encode(ID, START_NS + n * 10**9, 100.0, counts(100, n)) for n in range(5)]
    one = archive.read(folder(tmp_path / "one", *parts), latency_s=0.5)
    other = archive.read(folder(tmp_path / "other", *reversed(parts)), latency_s=0.5)
    whole = archive.read(folder(tmp_path / "whole", b"".join(parts)), latency_s=0.5)
    assert one.packets == other.packets == whole.packets


START_S = START_NS / 1e9


def row(end, arrival, device="CLC"):
    return f"{device},{START_S + end:.6f},{START_S + arrival:.6f},100,100"


def test_recorded_arrivals_are_used(tmp_path):
    """A packet is named by the time of its last sample; one came late, two at once."""
    value = encode(ID, START_NS, 100.0, counts(400))
    rows = [row(0.99, 1.5), row(1.99, 7.25), row(2.99, 3.5), row(3.99, 7.25)]
    recording = archive.read(folder(tmp_path, value, packets=rows), latency_s=None)
    assert recording.arrivals == "recorded"
    assert recording.unread == ()
    start = START_NS // 1_000_000
    said = [(p.arrival_ms - start, p.start_us - start * 1000) for p in recording.packets]
    assert said == [(1500, 0), (3500, 2_000_000), (7250, 1_000_000), (7250, 3_000_000)]
    assert [len(samples_of(p.value)) for p in recording.packets] == [100] * 4


def test_samples_that_no_packet_brought_are_counted(tmp_path):
    """Data before the first packet by more than 2 s, and after the last, belong to none."""
    value = encode(ID, START_NS, 100.0, counts(1000))
    rows = [row(5.99, 6.5), row(6.99, 7.5)]
    recording = archive.read(folder(tmp_path, value, packets=rows), latency_s=None)
    (unread,) = recording.unread
    assert (unread.source, unread.reason) == (ID, "no recorded arrival")
    held = sum(len(samples_of(p.value)) for p in recording.packets)
    assert unread.detail == f"{1000 - held} samples"
    assert held == 300


def test_a_device_whose_clock_was_wrong_is_set_right(tmp_path):
    """The table has the device's own clock, an hour ahead: its quickest packet took no time."""
    value = encode(ID, START_NS, 100.0, counts(400))
    rows = [row(3600.99 + n, 1.0 + n + 0.1 * (n == 3)) for n in range(4)]
    recording = archive.read(folder(tmp_path, value, packets=rows), latency_s=None)
    assert sum(len(samples_of(p.value)) for p in recording.packets) == 400
    start = START_NS // 1_000_000
    assert [p.arrival_ms - start for p in recording.packets] == [1000, 2000, 3000, 4100]


def test_a_device_without_recorded_arrivals_is_named(tmp_path):
    value = encode(ID, START_NS, 100.0, counts(400))
    other = encode("CI.CCC..HNZ", START_NS, 100.0, counts(400))
    rows = [row(n + 0.99, n + 1.5) for n in range(4)]
    recording = archive.read(folder(tmp_path, value, other, packets=rows), latency_s=None)
    assert {p.station for p in recording.packets} == {"CI.CLC"}
    assert [(u.source, u.reason) for u in recording.unread] == [
        ("CI.CCC..HNZ", "no recorded arrivals")
    ]


def test_without_recorded_arrivals_the_remedy_is_named(tmp_path):
    path = folder(tmp_path, encode(ID, START_NS, 100.0, counts(100)))
    with pytest.raises(RecordingError, match="--latency SECONDS"):
        archive.read(path, latency_s=None)


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip",
        gzip.compress(b"device_id,n\nCLC,3\n"),
        gzip.compress(b"device_id,device_t_last_sample,cloud_t_received\nCLC,soon,later\n"),
        gzip.compress(b"\xff\xfe\x00"),
        gzip.compress(b"a" * 1000)[:-20],
    ],
)
def test_a_broken_table_of_arrivals_says_what_is_needed(tmp_path, content):
    path = folder(tmp_path, encode(ID, START_NS, 100.0, counts(100)))
    (path / archive.ARRIVALS).write_bytes(content)
    with pytest.raises(RecordingError, match="cloud_t_received"):
        archive.read(path, latency_s=None)


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf"])
def test_an_arrival_that_is_no_time_is_refused(tmp_path, bad):
    rows = [row(0.99, 1.5), f"CLC,{START_S + 1.99},{bad},100,100", f"CLC,{bad},1.0,100,100"]
    path = folder(tmp_path, encode(ID, START_NS, 100.0, counts(300)), packets=rows)
    with pytest.raises(RecordingError, match="--latency SECONDS"):
        archive.read(path, latency_s=None)


def test_the_folder_above_serves_one_without_metadata(tmp_path):
    (tmp_path / "stations.xml").write_text(STATIONS)
    inner = tmp_path / "event"
    inner.mkdir()
    (inner / "a.mseed").write_bytes(encode(ID, START_NS, 100.0, counts(100)))
    recording = archive.read(inner, latency_s=0.5)
    assert sorted(recording.channels.stations) == ["CI.CCC", "CI.CLC", "CI.TOW2"]
