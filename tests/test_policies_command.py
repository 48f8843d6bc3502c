"""`alatau policy`: what holds for whom, and why an audience was or was not told."""

import json
import re

import msgspec
import pytest
from made_earthquakes import WUSHI_US, earthquake
from typer.testing import CliRunner

import alatau
from detect import events

ALMATY = earthquake(
    id="ca.almaty",
    latitude=43.165,
    longitude=76.824,
    depth_km=10.0,
    magnitude=3.8,
    origin_time_us=WUSHI_US - 9_000_000_000,
)
QUAKES = [
    ALMATY,
    earthquake(0, status="provisional"),
    earthquake(1, 20.0),
    earthquake(2, 21.0),
    earthquake(3, 40.0, status="cancelled"),
]


def run(*arguments, code=0):
    result = CliRunner().invoke(
        alatau.app, ["policy", *map(str, arguments)], env={"COLUMNS": "80", "NO_COLOR": "1"}
    )
    assert result.exit_code == code, result.output
    assert all(len(line) <= 80 for line in result.output.splitlines())
    return result.output


@pytest.fixture
def lines(tmp_path):
    """Events, one a line."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(events.encode(quake) + b"\n" for quake in QUAKES))
    return file


def test_why_the_unfelt_one_was_not_told(lines):
    shown = run("explain", "ca.almaty", lines, "--country", "KZ")
    assert shown.splitlines()[0] == "ca.almaty: M 3.8, confirmed"
    assert "KZ civil-protection: not told" in shown
    assert "    NO  magnitude    3.8; at least 4.5" in shown
    assert "KZ public: not told" in shown
    assert "    NO  enabled      sending to public is off" in shown
    assert "KG" not in shown


def test_what_was_told_and_why_it_was_taken_back(lines):
    shown = run("explain", "ca.2024", lines, "--country", "KZ", "--audience", "civil-protection")
    heads = re.findall(r"revision \d: .*", shown)
    assert heads == ["revision 0: not told", "revision 1: told", "revision 3: told"]
    assert "KZ civil-protection: 2 messages" in shown
    assert "    ca.20240122T180911-AAK_KZ_1" in shown
    assert "NO  status       provisional; at least confirmed" in shown
    assert "NO  status       cancelled" in shown
    assert shown.count("sending to civil-protection is on") == 1
    full = run("explain", "ca.2024", lines, "--country", "KZ", "--audience", "civil-protection",
               "--full")  # fmt: skip
    assert full.count("sending to civil-protection is on") == 2


def test_with_another_policy_it_says_what_that_would_have_done(lines, tmp_path):
    config = tmp_path / "alatau.toml"
    config.write_text(
        "[dispatch.audiences.public]\nenabled = true\nstatuses = ['Test']\n"
        "[dispatch.audiences.dam]\nrelease = 'two people'\n"
        "[[dispatch.audiences.dam.sites]]\nname = 'Medeu'\ncountry = 'KZ'\n"
        "latitude = 43.157\nlongitude = 77.059\n"
    )
    shown = run("explain", "ca.2024", lines, "--config", config)
    assert "KZ public: 2 messages" in shown
    assert "KZ dam: 2 waiting for release" in shown
    assert "NO  release      it waits until two people release it" in shown


def test_the_report_of_a_replay_is_read(lines, tmp_path):
    quakes = [json.loads(events.encode(quake)) for quake in QUAKES]
    report = tmp_path / "out" / "report.json"
    report.parent.mkdir()
    report.write_text(json.dumps([{"version": 1, "folder": "x", "events": quakes}]))
    for source in (report, report.parent):
        assert run("explain", "ca.almaty", source) == run("explain", "ca.almaty", lines)


def test_what_is_not_there_is_said(lines, tmp_path):
    assert "there is no event 'nothing'" in run("explain", "nothing", lines, code=1)
    assert "several events begin with 'ca.'" in run("explain", "ca.", lines, code=1)
    (tmp_path / "a.json").write_bytes(b"{")
    damaged = " ".join(run("explain", "x", tmp_path / "a.json", code=1).split())
    assert "neither the report of a replay nor events" in damaged
    missing = " ".join(run("explain", "x", tmp_path / "b.json", code=1).split())
    assert "No such file" in missing
    assert "no Kafka brokers" in run("explain", "x", code=2)


def test_an_event_that_nobody_feels(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_bytes(events.encode(msgspec.structs.replace(ALMATY, magnitude=None)))
    assert "Nobody was asked about" in run("explain", "ca.almaty", file)


def test_a_policy_is_shown_with_all_that_holds(tmp_path):
    shown = run("show", "kz")
    assert "KZ civil-protection (civil-protection): told" in shown
    assert "KZ public (public): off" in shown
    assert '  languages               ["kk", "ru", "en"]' in shown
    assert '  statuses                ["Actual"]' in shown
    config = tmp_path / "alatau.toml"
    config.write_text("[dispatch.countries.JP]\nmin_intensity = 5.5\n")
    assert "  min_intensity           5.5" in run(
        "show", "JP", "--audience", "public", "--config", config
    )
    overview = run("show", "--config", config)
    assert "JP civil-protection               told from 5.5, M 4.5 en" in overview
    assert "TM public                         off  from 4, M 4.5   tk ru en" in overview
    assert "has no audience" in run("show", "KZ", "--audience", "x", code=2)
