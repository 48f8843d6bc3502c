"""The offline picker beside which picks are counted, and how they are counted."""

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from benchmarks.offline_picker import ReferencePick, pick
from benchmarks.picks import FolderPicks, StationPicks, table

START = UTCDateTime(2020, 1, 1)
P_US = (START + 40).ns // 1000
S_US = (START + 50).ns // 1000


def station(onset_s, components="ZNE", rate=100.0, amplitude=30.0):
    random = np.random.default_rng(3)
    n = round(70 * rate)
    traces = []
    for component in components:
        x = random.normal(size=n)
        x[round(onset_s * rate) :] += amplitude * random.normal(size=n - round(onset_s * rate))
        header = {"network": "XX", "station": "A", "channel": f"HH{component}"}
        traces.append(Trace(x, {**header, "sampling_rate": rate, "starttime": START}))
    return Stream(traces)


@pytest.mark.parametrize("onset_s", [37.0, 40.0, 43.5])
@pytest.mark.parametrize(("components", "method"), [("ZNE", "ar"), ("Z", "aic"), ("123", "aic")])
def test_an_onset_is_found_where_it_is(onset_s, components, method):
    found = pick(station(onset_s, components), ["XX.A..HHZ"], P_US, S_US)
    assert isinstance(found, ReferencePick)
    assert found.method == method
    assert found.time_us / 1e6 - START.timestamp == pytest.approx(onset_s, abs=0.1)
    assert found.snr > 10
    assert found.agreed == (method == "ar")


def test_what_does_not_stand_out_is_no_onset():
    assert pick(station(40.0, amplitude=0.0), ["XX.A..HHZ"], P_US, S_US) == "no onset"
    assert pick(station(40.0, amplitude=1.0), ["XX.A..HHZ"], P_US, S_US) == "no onset"


def test_an_onset_far_from_the_computed_one_is_another():
    assert pick(station(30.0), ["XX.A..HHZ"], P_US, S_US) == "no onset"
    assert pick(station(47.0), ["XX.A..HHZ"], P_US, S_US) == "no onset"


def test_a_trace_that_misses_noise_or_signal_is_no_data():
    whole = station(40.0)
    assert pick(whole.slice(START + 36), ["XX.A..HHZ"], P_US, S_US) == "no data"
    assert pick(whole.slice(START, START + 41), ["XX.A..HHZ"], P_US, S_US) == "no data"
    assert pick(Stream(), [], P_US, S_US) == "no data"
    for trace in whole:
        trace.data[:] = 5.0
    assert pick(whole, ["XX.A..HHZ"], P_US, S_US) == "no data"


def test_shares_are_counted():
    def row(late_s, km, method="ar", other_s=None, agreed=False):
        return StationPicks(
            station="XX.A",
            distance_km=km,
            method=method,
            snr=5.0,
            other_s=other_s,
            agreed=agreed,
            late_s=late_s,
        )

    rows = (
        row(0.5, 10.0, other_s=0.1, agreed=True),
        row(-0.51, 20.0),
        row(None, 30.0),
        row(0.1, 151.0, "aic"),
    )
    event = FolderPicks(
        folder="event",
        noise=False,
        stations=rows,
        no_onset=("XX.B",),
        no_data=(),
        picks=9,
        station_hours=1.0,
    )
    quiet = FolderPicks(
        folder="quiet",
        noise=True,
        stations=(),
        no_onset=(),
        no_data=(),
        picks=2,
        station_hours=4.0,
    )
    lines = [[c.strip() for c in r.split("|")[1:-1]] for r in table([event, quiet]).splitlines()]
    head, _, first, second, total = lines
    assert len(head) == len(first)
    assert first[:5] == ["event", "2 / 4 = 50 %", "1 / 3 = 33 %", "1 / 3 = 33 %", "1 / 1 = 100 %"]
    assert first[-2:] == ["1", "-"]
    assert second[1] == "-"
    assert second[-1] == "2 / 4.00"
    assert total[1] == "2 / 4 = 50 %"
    assert total[-1] == "2 / 4.00"
