"""Recordings that stand beside the project: each plays, and noise makes no event."""

import asyncio
from pathlib import Path

import pytest

from alatau import Configuration, pipeline
from ingest.sources import archive
from replay import session

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def played(name):
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: the recording does not come with the project")
    latency = None if (folder / archive.ARRIVALS).is_file() else 0.5
    source = archive.read(folder, latency_s=latency)
    return source, asyncio.run(session.replay(source, pipeline(Configuration(), source.channels)))


def known(outcome):
    return {p.pick.station for p in outcome.picks}


def test_noise_makes_no_event():
    source, outcome = played("noise-openeew-mexico")
    assert outcome.station_hours > 1.0
    assert {e.status for e in outcome.events if e.status == "confirmed"} == set()
    assert outcome.alerts == ()
    assert len(source.channels.stations) >= 13


def test_recorded_arrivals_play():
    source, outcome = played("openeew-mexico/2018-02-16-m7.2")
    assert source.arrivals == "recorded"
    assert outcome.picks
    assert outcome.events
    assert known(outcome) <= set(source.channels.stations)


def test_a_regional_network_plays():
    source, outcome = played("kyrgyzstan-2009-kambarata-blast")
    assert known(outcome) <= set(source.channels.stations)
    assert len(known(outcome)) >= 3
    assert outcome.data_s > 300
