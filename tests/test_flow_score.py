"""Alarms of flows against what happened: a made valley, and the recorded ones."""

from pathlib import Path

import pytest
from made_recordings import STATIONS, cut, table
from test_mudflow import FLOW, NS, START_S, shaped
from typer.testing import CliRunner

import alatau
from detect.settings import DetectSettings
from ingest.errors import RecordingError
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


def truth(begin_s, end_s, known="peak_us"):
    begin_us, end_us = ((START_S + s) * NS // 1000 for s in (begin_s, end_s))
    times = {"onset_us": None, "peak_us": None, known: (START_S + FRONT_S) * NS // 1000}
    return Truth(event="made", basin="", begin_us=begin_us, end_us=end_us, **times)


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


def test_an_onset_alone_is_enough():
    peaks, onsets = (
        scored(later(FLOW, 100), [truth(200, 600, known)]).flows[0]
        for known in ("peak_us", "onset_us")
    )
    assert peaks == onsets
    assert onsets.tremor_s is not None


def folder(tmp_path):
    for number, packet in enumerate(made(later(FLOW, 100)).packets):
        path = tmp_path / f"{number:04}.mseed"
        path.write_bytes(packet.value)
    return tmp_path


def test_without_metadata_a_flow_is_judged_in_counts(tmp_path):
    with pytest.raises(RecordingError, match="no StationXML"):
        archive.read(folder(tmp_path), latency_s=0.5)
    recording = archive.read(tmp_path, latency_s=0.5, bare=True)
    (entry,) = (one for spans in recording.channels.channels.values() for one in spans)
    assert (entry.gain, entry.unit, entry.vertical) == (1.0, "m/s", True)
    said = flow_score.score(recording, [truth(200, 600)], DetectSettings(), IngestSettings())
    assert said.flows[0].tremor_s is not None


def test_the_command_scores_flows_and_names_those_of_which_nobody_says(tmp_path):
    folder(tmp_path)
    (tmp_path / "truth.csv").write_text("event,onset\nmade,2026-01-01T00:00:00Z\n")
    ran = CliRunner().invoke(alatau.app, ["score", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert "false alarms of flows 1" in " ".join(ran.output.split())
    (tmp_path / "truth.csv").unlink()
    assert CliRunner().invoke(alatau.app, ["score", str(tmp_path)]).exit_code == 1
    if ILLGRABEN.exists():
        (tmp_path / "stations.xml").write_bytes((ILLGRABEN / "stations.xml").read_bytes())
        ran = CliRunner().invoke(alatau.app, ["score", str(tmp_path)])
        assert ran.exit_code == 1
        assert "knows none of its channels" in " ".join(ran.output.split())


@pytest.mark.parametrize("keep", [True, False])
def test_the_flow_of_august_is_said_where_nobody_says_what_happened(tmp_path, keep):
    if not ILLGRABEN.exists():
        pytest.skip(f"{ILLGRABEN} is not here")
    (tmp_path / "stations.xml").symlink_to(ILLGRABEN / "stations.xml")
    if keep:
        (tmp_path / "a.mseed").symlink_to(ILLGRABEN / "seismic_2019-08-11.mseed")
    else:
        first_hour = (ILLGRABEN / "seismic_2019-08-11.mseed").read_bytes()[: 512 * 900]
        (tmp_path / "a.mseed").write_bytes(first_hour)
    ran = CliRunner().invoke(alatau.app, ["score", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    said = " ".join(ran.output.split())
    assert ("a flow was said to begin at XP.ILL11 2019-08-11T17:06" in said) == keep
    assert ("flows said to be in these recordings: none" in said) != keep


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
