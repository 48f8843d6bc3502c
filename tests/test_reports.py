"""What stations are to report, against sets and loops in Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.bank import ChannelBank
from detect.reports import FAULTS, Reports
from detect.settings import PickSettings
from ingest.continuity import Continuity
from ingest.quality import NAMES, Quality
from ingest.settings import ContinuitySettings, QualitySettings


def reports_of(stations, late_s=6.0):
    """Reports of stations, each a list of whether its channels are primary."""
    bank = ChannelBank(PickSettings())
    continuity = Continuity(ContinuitySettings())
    quality = Quality(QualitySettings())
    reports = Reports(bank, continuity, quality, late_s)
    for channels in stations:
        station = reports.add_station()
        for primary in channels:
            number = bank.add(100.0, triggers=True, integer=True)
            continuity.grow(number + 1)
            quality.grow(number + 1)
            reports.add_channel(number, station, primary=primary, accelerometer=False, gain=2.0)
    return reports, bank, continuity, quality


NOW = 1_000_000_000_000


@pytest.mark.kernel
@given(st.data())
def test_faults_are_those_of_any_primary_channel_but_warming_of_all(data):
    stations = data.draw(st.lists(st.lists(st.booleans(), min_size=1, max_size=4), max_size=70))
    reports, bank, continuity, quality = reports_of(stations)
    expected = []
    channel = 0
    for station, channels in enumerate(stations):
        names = set()
        warming = True
        for primary in channels:
            held = [data.draw(st.sampled_from([0, 0, NOW, NOW + 1])) for _ in NAMES]
            wrong = data.draw(st.sampled_from([0, 0, NOW, NOW + 1]))
            seen = data.draw(st.sampled_from([0, 999, 1000, 5000]))
            quality.until_ns[channel] = held
            continuity.wrong_until_ns[channel] = wrong
            bank.samples_seen[channel] = seen
            if primary:
                names |= {name for name, until in zip(NAMES, held, strict=True) if until > NOW}
                names |= {"clock"} if wrong > NOW else set()
                warming = warming and seen < 1000
            channel += 1
        end = data.draw(st.sampled_from([NOW - 6_000_000_000, NOW - 6_000_000_001]))
        reports.data_end_ns[station] = end
        names |= {"warming"} if warming else set()
        names |= {"late"} if NOW - end > 6_000_000_000 else set()
        expected.append(names)
    order = np.arange(len(stations))[::-1]
    masks = reports.faults(order, np.full(order.size, NOW)).tolist()
    named = [{n for i, n in enumerate(FAULTS) if mask >> i & 1} for mask in masks]
    assert named[::-1] == expected


@pytest.mark.kernel
def test_reports_hold_the_peaks_since_the_last_and_where_primary_data_end():
    reports, *_ = reports_of([[True, False], [True], [True]])
    channel = np.array([1, 0, 2, 0])
    reports.hear(channel, np.array([90, 50, 70, 60]), np.array([8.0, 2.0, 6.0, 4.0]))
    assert reports.data_end_ns[:3].tolist() == [60, 70, 0]
    assert reports.pgv[:3].tolist() == [4.0, 3.0, 0.0]
    assert reports.waiting().tolist() == [True, True, False]
    reports.made(np.array([0]))
    assert reports.waiting().tolist() == [False, True, False]
    assert reports.pgv[:3].tolist() == [0.0, 3.0, 0.0]
    assert reports.data_end_ns[0] == 60
