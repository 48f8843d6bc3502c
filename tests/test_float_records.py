"""Records of floats, in counts or in m/s2, say what records of integers say."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

import alatau
from ingest import miniseed
from ingest.channels import ChannelTable
from ingest.sources import archive
from replay import session

EVENT = Path(__file__).resolve().parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"


def as_floats(recording, *, ground):
    """Repack as float64; in m/s2, with a gain of 1, where `ground` says so."""
    gains = {name: entries[0].gain for name, entries in recording.channels.channels.items()}

    def value(packet):
        held = miniseed.decode([packet.value])
        records = []
        for i, name in enumerate(miniseed.seed_id(code) for code in held.code):
            counts = held.samples[held.first[i] : held.first[i] + held.count[i]]
            samples = counts / gains[name] if ground else counts.astype(np.float64)
            start, rate = int(held.start_ns[i]), float(held.rate[i])
            records.append(miniseed.encode(name, start, rate, samples, record_length=4096))
        return b"".join(records)

    packets = tuple(replace(p, value=value(p)) for p in recording.packets)
    table = recording.channels
    if ground:
        unit = {
            name: tuple(replace(entry, gain=1.0) for entry in entries)
            for name, entries in table.channels.items()
        }
        table = ChannelTable(unit, table.stations, table.problems)
    return replace(recording, packets=packets, channels=table)


def played(recording):
    stages = alatau.pipeline(alatau.Configuration(), recording.channels)
    return asyncio.run(session.replay(recording, stages))


@pytest.mark.parametrize("ground", [False, True])
def test_floats_say_what_integers_say(ground):
    recording = archive.read(EVENT, latency_s=0.5)
    expected = played(recording)
    outcome = played(as_floats(recording, ground=ground))
    assert not outcome.rejects
    assert [h.pick.channel for h in outcome.picks] == [h.pick.channel for h in expected.picks]
    times = [(h.pick.time_us, h.known_ms) for h in outcome.picks]
    for (time_us, known_ms), heard in zip(times, expected.picks, strict=True):
        assert abs(time_us - heard.pick.time_us) <= 10_000
        assert known_ms == heard.known_ms
    final, wanted = outcome.events[-1], expected.events[-1]
    assert final.status == wanted.status == "confirmed"
    assert final.magnitude == pytest.approx(wanted.magnitude, abs=0.02)
    assert len(outcome.alerts) == len(expected.alerts) > 0
