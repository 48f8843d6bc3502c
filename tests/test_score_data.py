"""Recordings that stand beside the project: each plays, and noise makes no event."""

import asyncio
from pathlib import Path

import pytest

from alatau import Configuration, pipeline
from detect.settings import DetectSettings, PickSettings
from ingest.sources import archive
from replay import catalogue, session

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


DEFAULTS = Configuration()


def played(name, settings=DEFAULTS):
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: the recording does not come with the project")
    latency = None if (folder / archive.ARRIVALS).is_file() else 0.5
    source = archive.read(folder, latency_s=latency)
    return source, asyncio.run(session.replay(source, pipeline(settings, source.channels)))


@pytest.mark.parametrize("on", [6.0, 7.0, 8.0])
def test_ridgecrest_is_told_from_its_foreshock_however_sensitive_the_picker(on):
    """At 8, the default, the M 2 to 3 some 12 s before it is not picked at all."""
    settings = Configuration(detect=DetectSettings(pick=PickSettings(on=on)))
    _, outcome = played("ridgecrest-2019-m7.1", settings)
    origin_us = catalogue.read(DATA / "ridgecrest-2019-m7.1").time_us
    by_id = {}
    for event in outcome.events:
        by_id.setdefault(event.id, []).append(event)
    ends = [revisions[-1] for revisions in by_id.values() if revisions[-1].status == "confirmed"]
    (main,) = [e for e in ends if abs(e.origin_time_us - origin_us) < 2_000_000]
    assert main.magnitude == pytest.approx(7.1, abs=0.4)
    known_us = min(e.updated_us for e in by_id[main.id] if e.status == "confirmed")
    assert known_us - origin_us <= 7_600_000  # the third station has P at 6.5 s
    fore = [e for e in ends if -20_000_000 < e.origin_time_us - origin_us < -5_000_000]
    assert len(fore) == (1 if on < 8.0 else 0)
    assert all(e.magnitude < 3.5 for e in fore)


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
