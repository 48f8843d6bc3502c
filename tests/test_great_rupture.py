"""The Mw 7.8 earthquake of 6 February 2023 in Türkiye: 350 km, of which the beginning is small.

The recording stands beside the project; without it these tests are skipped.
"""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from alatau import Configuration, pipeline
from detect.geodesy import distance_azimuth
from dispatch.joined import ShakingField
from dispatch.settings import DispatchSettings
from ingest.sources import archive
from replay import session

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "turkiye-2023-m7.8-pazarcik"
ORIGIN_US = 1_675_646_252_000_000
ANTAKYA, MALATYA = (36.202, 36.160), (38.353, 38.309)


@pytest.fixture(scope="module")
def revisions():
    if not FOLDER.is_dir():
        pytest.skip(f"{FOLDER} is absent: the recording does not come with the project")
    source = archive.read(FOLDER, latency_s=0.5)
    outcome = asyncio.run(session.replay(source, pipeline(Configuration(), source.channels)))
    first = outcome.events[0].id
    return [e for e in outcome.events if e.id == first and e.magnitude is not None]


def at(revisions, seconds):
    known = [e for e in revisions if e.updated_us <= ORIGIN_US + seconds * 1e6]
    return known[-1]


def expected(event, place):
    field = ShakingField.of(event, DispatchSettings())
    return float(field.at(np.array([place[0]]), np.array([place[1]]))[0])


def test_it_is_large_within_seconds(revisions):
    assert at(revisions, 15).magnitude >= 6.5
    assert at(revisions, 30).magnitude >= 6.9
    assert at(revisions, 15).magnitude_saturated
    assert 7.5 <= revisions[-1].magnitude <= 8.2


def test_the_line_that_broke_is_found(revisions):
    line = at(revisions, 120).rupture
    assert len(line) == 3
    ends = line[0], line[-1]
    assert distance_azimuth(*ends[0], *ends[1])[0] > 180.0
    assert min(distance_azimuth(*end, *ANTAKYA)[0] for end in ends) < 50.0
    assert min(distance_azimuth(*end, 38.1, 38.2)[0] for end in ends) < 80.0


def test_far_places_are_told_before_they_shake_strongly(revisions):
    """Antakya, 144 km away: VI at 79 s, VIII at 80 s, by the station that stands in it."""
    assert expected(at(revisions, 20), ANTAKYA) >= 4.0
    assert expected(at(revisions, 60), ANTAKYA) >= 5.5
    assert expected(at(revisions, 79), ANTAKYA) >= 7.0
    assert expected(at(revisions, 20), MALATYA) >= 4.0
    assert expected(at(revisions, 120), ANTAKYA) >= 8.0
