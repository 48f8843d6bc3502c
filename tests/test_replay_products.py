"""Timeline, QuakeML, report and pictures of replays made by hand."""

from io import BytesIO

import msgspec
import numpy as np
import pytest
from made_outcome import (
    CATALOGUE,
    ORIGIN_US,
    TIMES,
    alert,
    arrival,
    event,
    outcome,
    pick,
    predicted_p_us,
    recording,
    warning,
)
from rich.console import Console

from detect.geodesy import distance_azimuth
from ingest.miniseed import encode as encode_miniseed
from replay import catalogue, products, quakeml, report
from replay.catalogue import CatalogueError
from replay.picture import draw, main_event, to_png
from replay.record_section import choose_stations
from replay.score import score
from replay.score_picture import draw_scores
from replay.timeline import entries, names, print_timeline, time_zero_us
from replay.traces import read_traces
from replay.warning_map import circle, front_km
from stream.rejects import Reject

PICKS = [pick(n, predicted_p_us(n)) for n in ("CI.CLC", "CI.TOW2", "CI.CCC")]
STRAY = [pick("CI.FAR", ORIGIN_US - 1_000_000 * i) for i in range(20, 30)]
SAID = outcome(
    picks=[*STRAY, *PICKS],
    events=[
        event("quake", 0, 3, status="provisional", magnitude=None, arrivals=(arrival(PICKS[0]),)),
        event("quake", 1, 5, arrivals=tuple(map(arrival, PICKS)), magnitude_saturated=True),
        event("ghost", 0, 6, status="provisional", latitude=36.5),
        event("quake", 2, 8, magnitude=7.0, arrivals=tuple(map(arrival, PICKS))),
        event("ghost", 1, 9, status="cancelled", reason="4 stations are silent"),
        event("twin", 0, 9.5),
        event("twin", 1, 10, status="superseded", superseded_by="quake"),
    ],
    alerts=[
        alert("quake", 1, 5, [warning("Ridgecrest", 1, 7.2, -0.4), warning("Trona", 2, 5, 3.9)]),
        alert(
            "quake",
            2,
            8,
            [warning("Ridgecrest", 1, 8.2, -4), warning("Bakersfield", 3, 5, 24)],
            kind="Update",
        ),
        alert("quake", 2, 60, kind="Cancel", cancel_reason="weaker"),
    ],
    rejects=[Reject(source="CI.X", reason="no metadata")] * 3,
)


def shown(said, width=80):
    console = Console(width=width)
    with console.capture() as capture:
        print_timeline(said, console)
    return capture.get()


def test_timeline_tells_everything_in_order():
    text = shown(SAID)
    times = [float(line.split()[0]) for line in text.splitlines() if line.strip()[:1] in "+-"]
    assert len(times) == 3 + 7 + 3
    assert times == sorted(times)
    assert time_zero_us(SAID) == PICKS[0].pick.time_us
    assert names(SAID) == {"quake": "A", "ghost": "B", "twin": "C"}
    for told in (
        "CI.TOW2  P at +1.",
        "A.0   35.77N 117.60W ±4 km, 8 ±5 km deep, M unknown",
        "M ≥6.0 ±0.4",
        "from 3 picks",
        "B.1   4 stations are silent",
        "C.1   is the same as A",
        "Trona                V    S wave in 3 s",
        "Ridgecrest           VII  S wave has come",
        "Ridgecrest           VIII S wave has come (was VII)",
        "Bakersfield          V    S wave in 24 s",
        "A.2   US: cancelled, it will not shake anyone as warned",
        "10 picks belong to no event (most: CI.FAR 10)",
        "Rejected: 3 no metadata.",
        "45 times real time",
    ):
        assert told in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_magnitude_of_one_station_is_told_as_such():
    for stations, said in ((1, True), (2, False)):
        text = shown(outcome(events=[event("quake", 0, 3, magnitude_stations=stations)]))
        assert ("magnitude from one station alone" in text) is said
    nothing = outcome(events=[event("quake", 0, 3, magnitude=None, magnitude_stations=0)])
    assert "one station" not in shown(nothing)


def test_few_stray_picks_are_listed_and_many_are_counted():
    few = outcome(picks=[STRAY[0], *PICKS], events=SAID.events)
    assert "of no event" in shown(few)
    assert sum(e.what == "pick" for e in entries(few)) == 4
    assert sum(e.what == "pick" for e in entries(SAID)) == 3


def test_timeline_without_anything():
    assert "No pick and no event." in shown(outcome())
    text = shown(outcome(picks=STRAY))
    assert "No event was published, no warning sent." in text
    assert "first pick" in text


def test_quakeml_is_valid_and_whole():
    from obspy import read_events
    from obspy.io.quakeml.core import _validate

    value = quakeml.encode(SAID)
    assert value == quakeml.encode(SAID)
    assert _validate(BytesIO(value))
    quake, ghost, twin = read_events(BytesIO(value))
    assert len(quake.origins) == 3
    assert len(quake.magnitudes) == 2
    assert len(quake.picks) == 3
    origin = quake.preferred_origin()
    assert origin.time.ns // 1000 == ORIGIN_US
    assert origin.depth == 8000
    assert origin.depth_errors.uncertainty == 5000
    assert origin.origin_uncertainty.horizontal_uncertainty == 4000
    assert len(origin.arrivals) == 3
    assert origin.arrivals[0].pick_id.get_referred_object() == quake.picks[0]
    assert quake.preferred_magnitude().mag == 7.0
    assert [o.evaluation_status for o in quake.origins] == ["preliminary", "confirmed", "confirmed"]
    assert (ghost.event_type, twin.event_type) == ("not existing", "not existing")
    assert "superseded by quake" in twin.origins[1].comments[0].text
    assert quakeml.encode(outcome()).startswith(b"<?xml")


def test_report():
    one = report.report(SAID)
    assert one.rejects == {"no metadata": 3}
    assert [e.event_id for e in one.event_latencies] == ["quake", "ghost", "twin"]
    zero_s = (PICKS[0].pick.time_us - ORIGIN_US) / 1e6
    quake = one.event_latencies[0]
    assert quake.published_s == pytest.approx(3 - zero_s)
    assert quake.confirmed_s == pytest.approx(5 - zero_s)
    assert quake.alert_s == pytest.approx(5 - zero_s, abs=0.001)
    assert one.event_latencies[1].alert_s is None
    assert 0.5 <= one.pick_latency.median_s <= one.pick_latency.largest_s <= 1.5
    again = msgspec.json.decode(report.encode([one]), type=list[report.Report])
    assert again == [one]
    assert report.report(outcome()).pick_latency is None


def with_waveforms(gap=False):
    """A recording with noise, a P wave, and a hole of three seconds."""
    source = recording()
    random = np.random.default_rng(1)
    packets = []
    for p in source.packets:
        loud = 20 if p.start_us > predicted_p_us(p.station) else 1
        samples = (loud * random.normal(0, 100, 50)).astype(np.int32) + 5000
        hole = 3_000_000 <= p.start_us - ORIGIN_US < 6_000_000
        if not (gap and hole):
            value = encode_miniseed(f"{p.station}..HNZ", p.start_us * 1000, 50.0, samples)
            packets.append(msgspec.structs.replace(p, value=value))
    return msgspec.structs.replace(source, packets=tuple(packets))


def test_traces_are_in_units_about_zero_with_nan_in_gaps():
    begin, end = ORIGIN_US - 5_000_000, ORIGIN_US + 10_000_000
    traces = read_traces(with_waveforms(gap=True), ["CI.CLC", "CI.DEAD"], begin, end)
    assert list(traces) == ["CI.CLC"]
    trace = traces["CI.CLC"]
    assert trace.channel == "CI.CLC..HNZ"
    assert np.isnan(trace.values).sum() == 1
    assert abs(np.nanmedian(trace.values)) < 1e-9
    assert np.nanmax(np.abs(trace.values)) < 0.02
    assert np.all(np.diff(trace.time_us) > 0)


def test_main_event_is_the_one_that_was_warned_of():
    assert main_event(SAID)[0].id == "quake"
    silent = msgspec.structs.replace(SAID, alerts=())
    assert main_event(silent)[0].id == "quake"
    assert main_event(outcome()) == ()


@pytest.mark.parametrize("said", [SAID, outcome(picks=STRAY), outcome()], ids=["all", "picks", "0"])
def test_picture_is_drawn_and_the_same_twice(said):
    played = with_waveforms()
    first = to_png(draw(said, played, TIMES))
    assert first.startswith(b"\x89PNG")
    assert len(first) > 30_000
    assert first == to_png(draw(said, played, TIMES))


def test_picture_marks_picks_and_warnings_where_they_are():
    figure = draw(SAID, with_waveforms(), TIMES)
    section, chart = figure.axes[:2]
    lines = [line for line in section.lines if line.get_label() == "warning"]
    zero_s = (PICKS[0].pick.time_us - ORIGIN_US) / 1e6
    assert lines[0].get_xdata()[0] == pytest.approx(5 - zero_s, abs=0.001)
    fronts = [line for line in chart.lines if line.get_label() == "S front"]
    distance = distance_azimuth(
        CATALOGUE.latitude, CATALOGUE.longitude, fronts[0].get_ydata()[0], fronts[0].get_xdata()[0]
    )[0]
    assert TIMES.s(distance, 8.0) == pytest.approx(5.0, abs=0.01)
    texts = {text.get_text() for text in chart.texts}
    assert {"Bakersfield"} <= texts


def test_score_picture():
    scores = [
        score(SAID, recording(), CATALOGUE, TIMES),
        score(outcome(), recording(), CATALOGUE, TIMES),
        score(SAID, recording(), None, TIMES),
    ]
    figure = draw_scores(scores)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "missed" in texts
    assert any(text.startswith("noise") for text in texts)
    assert to_png(figure).startswith(b"\x89PNG")


def test_front_is_the_inverse_of_the_travel_time():
    for distance in (1.0, 33.3, 250.0, 1500.0):
        assert front_km(TIMES.s(distance, 8.0), 8.0, TIMES.s) == pytest.approx(distance, abs=0.02)
    assert front_km(0.5, 8.0, TIMES.p) == 0.0


def test_circle_stands_at_one_distance():
    latitudes, longitudes = circle(43.0, 76.9, 120.0)
    distances = [
        distance_azimuth(43.0, 76.9, *p)[0] for p in zip(latitudes, longitudes, strict=True)
    ]
    np.testing.assert_allclose(distances, 120.0, rtol=1e-9)


def test_stations_are_chosen_over_the_whole_distance():
    distances = {f"N.S{i:03}": float(i * i) for i in range(60)}
    chosen = choose_stations(distances, most=10)
    assert len(chosen) <= 10
    assert (chosen[0], chosen[-1]) == ("N.S000", "N.S059")
    assert choose_stations({"N.B": 2.0, "N.A": 1.0}) == ["N.A", "N.B"]


def test_products_on_disk_replace_those_of_an_earlier_replay(tmp_path):
    played = with_waveforms()
    mine = tmp_path / "alerts" / "notes.xml"
    products.write(tmp_path, SAID, played, TIMES)
    mine.write_text("kept")
    products.write(tmp_path, msgspec.structs.replace(SAID, alerts=SAID.alerts[:1]), played, TIMES)
    names = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert names == [
        "alerts/001-quake_US_1.xml",
        "alerts/notes.xml",
        "events.quakeml",
        "ledger.jsonl",
        "picture.png",
        "report.json",
    ]


def test_catalogue(tmp_path):
    assert catalogue.read(tmp_path) is None
    (tmp_path / "event.quakeml").write_bytes(quakeml.encode(SAID))
    several = catalogue.read(tmp_path)
    assert len(several.others) == 2
    one = msgspec.structs.replace(SAID, events=SAID.events[:2])
    (tmp_path / "event.quakeml").write_bytes(quakeml.encode(one))
    found = catalogue.read(tmp_path)
    assert (found.time_us, found.depth_km, found.magnitude) == (ORIGIN_US, 8.0, 6.0)
    assert (several.time_us, found.others) == (ORIGIN_US, ())
    nothing = msgspec.structs.replace(SAID, events=())
    (tmp_path / "event.quakeml").write_bytes(quakeml.encode(nothing))
    with pytest.raises(CatalogueError, match="no event"):
        catalogue.read(tmp_path)
    (tmp_path / "event.quakeml").write_text("no xml")
    with pytest.raises(CatalogueError, match="not QuakeML"):
        catalogue.read(tmp_path)
