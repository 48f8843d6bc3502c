"""Alarms of flows against what happened: a made valley, and the recorded ones."""

from pathlib import Path

import pytest
from made_recordings import STATIONS, cut, table
from test_mudflow import FLOW, NS, START_S, shaped

from detect.settings import DetectSettings
from ingest.settings import IngestSettings
from ingest.sources import archive
from ingest.sources.archive import Recording
from replay import flow_score
from replay.hazard_truth import Truth, read_truth

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ILLGRABEN = DATA / "illgraben-2019-debris-flows"
FRONT_S = 330


def made(amplitudes):
    name = next(iter(STATIONS))
    packets = cut(f"{name}..HNZ", shaped(700, 50.0, amplitudes), 50.0)
    channels = table({name: STATIONS[name]})
    return Recording("made", tuple(packets), channels, (), "made")


def truth(begin_s, end_s):
    begin_us, end_us = ((START_S + s) * NS // 1000 for s in (begin_s, end_s))
    peak_us = (START_S + FRONT_S) * NS // 1000
    return Truth(event="made", basin="", begin_us=begin_us, peak_us=peak_us, end_us=end_us)


def scored(amplitudes, known):
    return flow_score.score(made(amplitudes), known, DetectSettings(), IngestSettings())


def later(amplitudes, by_s):
    return [amplitudes[0], *((s + by_s, a) for s, a in amplitudes[1:])]


def test_leads_are_from_the_arrival_to_the_front():
    said = scored(later(FLOW, 100), [truth(200, 600)])
    (flow,) = said.flows
    assert 0 < flow.tremor_s < FRONT_S - 200
    assert flow.provisional_s == flow.tremor_s
    assert flow.confirmed_s is None or flow.confirmed_s <= flow.provisional_s
    assert said.false == ()
    assert said.earthquakes == 0


def test_what_nothing_explains_is_false_and_what_is_not_told_of_is_missed():
    assert len(scored(later(FLOW, 100), []).false) == 1
    said = scored(later(FLOW, 100), [truth(0, 150)])
    assert (said.flows[0].tremor_s, said.flows[0].confirmed_s) == (None, None)
    assert len(said.false) == 1
    assert any("missed" in line for line in flow_score.lines(said))


def test_the_flows_of_illgraben_are_alarms_in_time_and_nothing_else_is():
    if not ILLGRABEN.exists():
        pytest.skip(f"{ILLGRABEN} is not here")
    known = read_truth(flow_score.truth_of(ILLGRABEN))
    recording = archive.read(ILLGRABEN, latency_s=0.5)
    said = flow_score.score(recording, known, DetectSettings(), IngestSettings())
    leads = {flow.event: flow.provisional_s for flow in said.flows}
    assert leads["2019-07-15"] > 0
    assert leads["2019-08-11"] >= 180
    assert said.false == ()
    assert said.earthquakes == 0
