"""Scores of replays made by hand, each measure by itself."""

import msgspec
import pytest
from made_outcome import (
    CATALOGUE,
    ORIGIN_US,
    STATIONS,
    TIMES,
    alert,
    event,
    outcome,
    pick,
    predicted_p_us,
    recording,
    warning,
)
from rich.console import Console

from replay.catalogue import Catalogue
from replay.score import Score, encode, score
from replay.table import print_scores

KEYS = [
    "folder",
    "catalogue",
    "matched",
    "first_s",
    "confirmed_s",
    "limit2_s",
    "limit3_s",
    "limit4_s",
    "first_magnitude",
    "final_magnitude",
    "confirmed_magnitude",
    "later_magnitude",
    "magnitude_at",
    "location_error_first_km",
    "location_error_final_km",
    "location_error_confirmed_km",
    "gap_deg",
    "within_68",
    "within_95",
    "origin_time_error_s",
    "false_events",
    "false_before_p",
    "false_alerts",
    "station_hours",
    "picks",
    "warnings",
    "wall_s",
    "data_s",
]


def scored(catalogue: Catalogue | None = CATALOGUE, played=None, **said) -> Score:
    return score(outcome(**said), played or recording(), catalogue, TIMES)


def test_keys_are_those_of_the_contract():
    one = msgspec.json.decode(encode([scored(events=[event("a", 0, 3)])]))[0]
    assert list(one) == KEYS
    assert list(one["catalogue"]) == ["time", "latitude", "longitude", "depth_km", "magnitude"]
    assert one["catalogue"]["time"] == "2019-07-06T03:19:53.040Z"
    assert list(one["magnitude_at"]) == ["5", "10", "15", "20", "30"]
    assert list(one["picks"]) == ["true", "false", "missed"]


def test_times_magnitudes_and_errors_of_the_matched_event():
    revisions = [
        event("a", 0, 3, status="provisional", magnitude=None, latitude=36.0),
        event("a", 1, 4.5, status="provisional", magnitude=5.0),
        event("a", 2, 7, magnitude=6.0),
        event("a", 3, 12, magnitude=7.0, origin_time_us=ORIGIN_US - 1_500_000),
    ]
    one = scored(events=revisions)
    assert one.matched
    assert (one.first_s, one.confirmed_s) == (3.0, 7.0)
    assert (one.first_magnitude, one.final_magnitude) == (5.0, 7.0)
    assert one.magnitude_at == {"5": 5.0, "10": 6.0, "15": 7.0, "20": 7.0, "30": 7.0}
    assert one.location_error_first_km == pytest.approx(0.2305 * 111.19, abs=0.1)
    assert one.location_error_final_km == pytest.approx(0.0, abs=1e-6)
    assert one.origin_time_error_s == -1.5
    assert (one.confirmed_magnitude, one.later_magnitude) == (6.0, 7.0)
    assert one.location_error_confirmed_km == pytest.approx(0.0, abs=1e-6)
    assert (one.false_events, one.false_alerts) == (0, 0)


def test_coverage_is_the_share_of_revisions_whose_circle_holds_the_epicentre():
    off = {"latitude": CATALOGUE.latitude + 0.1}  # 11.1 km
    revisions = [
        event("a", 0, 3, epicentre_sigma_km=9.0, **off),
        event("a", 1, 4, epicentre_sigma_km=5.0, **off),
        event("a", 2, 5, epicentre_sigma_km=4.0, **off),
        event("a", 3, 6, epicentre_sigma_km=1.0),
    ]
    one = scored(events=revisions)
    assert (one.within_68, one.within_95) == (0.5, 0.75)
    assert scored().within_68 is None


def test_a_false_event_before_p_counts_twice():
    far = {"latitude": 38.0}
    one = scored(events=[event("early", 0, 0.5, **far), event("late", 0, 60, **far)])
    assert (one.false_events, one.false_before_p) == (2, 1)
    noise = scored(None, events=[event("a", 0, 3)])
    assert noise.false_before_p == 1


def test_gap_is_of_the_stations_with_data_around_the_epicentre():
    one = scored()
    assert 60 < one.gap_deg < 360
    alone = scored(played=recording(stations={"CI.CLC": STATIONS["CI.CLC"]}))
    assert alone.gap_deg == 360.0


@pytest.mark.parametrize(
    ("changes", "matched"),
    [
        ({"latitude": CATALOGUE.latitude + 0.89}, True),
        ({"latitude": CATALOGUE.latitude + 0.91}, False),
        ({"origin_time_us": ORIGIN_US - 19_900_000}, True),
        ({"origin_time_us": ORIGIN_US + 20_100_000}, False),
        ({"status": "provisional"}, True),
        ({"status": "cancelled"}, False),
    ],
)
def test_what_matches(changes, matched):
    one = scored(events=[event("a", 0, 3), event("a", 1, 9, **changes)])
    assert one.matched is matched
    assert one.false_events == (0 if matched else 1)
    assert (one.first_s is not None) is matched


def test_a_superseded_event_counts_as_what_it_became():
    other = {"latitude": 38.0}
    revisions = [
        event("early", 0, 2, **other),
        event("true", 0, 3),
        event("early", 1, 4, status="superseded", superseded_by="true", **other),
        event("wrong", 0, 5, **other),
        event("with-wrong", 0, 5),
        event("with-wrong", 1, 6, status="superseded", superseded_by="wrong"),
        event("lost", 0, 6, status="superseded", superseded_by="never-published"),
    ]
    alerts = [alert("early", 0, 3, [warning()]), alert("wrong", 0, 6, [warning()])]
    one = scored(events=revisions, alerts=alerts)
    assert one.matched
    assert one.first_s == 3.0
    assert one.false_events == 3
    assert one.false_alerts == 1


def test_what_a_catalogue_has_besides_is_not_false():
    second = msgspec.structs.replace(CATALOGUE, latitude=38.0, others=())
    both = msgspec.structs.replace(CATALOGUE, others=(second,))
    said = {
        "events": [
            event("a", 0, 3),
            event("b", 0, 5, latitude=38.0),
            event("c", 0, 6, latitude=41),
        ],
        "alerts": [alert("b", 0, 5, [warning()]), alert("c", 0, 6, [warning()])],
    }
    assert (scored(**said).false_events, scored(**said).false_alerts) == (2, 2)
    one = scored(both, **said)
    assert (one.matched, one.false_events, one.false_alerts) == (True, 1, 1)
    missed = scored(both, events=[event("b", 0, 5, latitude=38.0)])
    assert (missed.matched, missed.false_events) == (False, 0)


def test_updates_are_no_false_alerts():
    alerts = [alert("a", 0, 3), alert("a", 1, 4, kind="Update"), alert("a", 2, 5, kind="Cancel")]
    one = scored(events=[event("a", 0, 3, status="cancelled")], alerts=alerts)
    assert (one.false_events, one.false_alerts) == (1, 1)


def test_limits_are_arrivals_of_the_packets_with_p():
    played = recording(latency_s=0.7)
    p_us = sorted(predicted_p_us(n) for n in STATIONS if n != "CI.DEAD")
    expected = [((t // 1_000_000 + 1) * 1_000_000 + 700_000 - ORIGIN_US) / 1e6 for t in p_us]
    one = scored(played=played)
    assert [one.limit2_s, one.limit3_s, one.limit4_s] == pytest.approx(expected[1:4])
    few = scored(played=recording(stations={n: STATIONS[n] for n in ("CI.CLC", "CI.TOW2")}))
    assert few.limit2_s is not None
    assert few.limit3_s is None


def test_a_packet_that_comes_late_is_not_counted_early():
    played = recording()
    p_us = predicted_p_us("CI.CLC")
    packets = [
        msgspec.structs.replace(q, arrival_ms=q.arrival_ms + 60_000)
        if q.station == "CI.CLC" and q.start_us <= p_us < q.end_us
        else q
        for q in played.packets
    ]
    late = scored(played=msgspec.structs.replace(played, packets=tuple(packets)))
    prompt = scored(played=played)
    assert late.limit2_s == prompt.limit3_s
    assert late.limit4_s > 60


def test_depth_that_the_catalogue_does_not_know_is_10_km():
    unknown = msgspec.structs.replace(CATALOGUE, depth_km=None)
    ten = msgspec.structs.replace(CATALOGUE, depth_km=10.0)
    assert scored(unknown).limit4_s == scored(ten).limit4_s
    assert scored(unknown).catalogue.depth_km is None


def test_picks():
    p = {name: predicted_p_us(name) for name in STATIONS}
    one = scored(
        picks=[
            pick("CI.CLC", p["CI.CLC"] - 6_000_000),
            pick("CI.CLC", p["CI.CLC"] + 2_900_000),
            pick("CI.CLC", p["CI.CLC"] + 9_000_000),
            pick("CI.TOW2", p["CI.TOW2"] + 3_100_000),
            pick("CI.CCC", p["CI.CCC"] - 2_900_000),
            pick("CI.CCC", p["CI.CCC"] - 3_100_000, phase="S"),
            pick("CI.FAR", p["CI.FAR"] - 3_100_000),
        ]
    )
    # CI.FAR is 152 km away: it can be false, but neither true nor missed.
    assert (one.picks.true, one.picks.false, one.picks.missed) == (2, 2, 1)


def test_noise():
    picks = [pick("CI.CLC", ORIGIN_US), pick("CI.CLC", ORIGIN_US + 5, phase="S")]
    one = scored(None, picks=picks, events=[event("a", 0, 3)], alerts=[alert("a", 0, 4)])
    assert not one.matched
    assert one.catalogue is None
    assert (one.picks.true, one.picks.false, one.picks.missed) == (0, 2, 0)
    assert (one.false_events, one.false_alerts) == (1, 1)
    assert set(one.magnitude_at.values()) == {None}
    assert (one.limit2_s, one.first_s) == (None, None)


def test_warnings_are_the_first_of_each_place_of_the_matched_event():
    alerts = [
        alert("a", 0, 4, [warning("Near", 1, 7.0, -1.0), warning("Far", 2, 4.0, 30.0)]),
        alert("a", 1, 6, [warning("Near", 1, 8.0, -3.0), warning("New", 3, 4.1, 9)], kind="Update"),
        alert("other", 0, 6, [warning("Elsewhere", 4)]),
    ]
    one = scored(events=[event("a", 0, 3), event("other", 0, 3, latitude=40.0)], alerts=alerts)
    told = [(w.place, w.intensity, w.lead_s) for w in one.warnings]
    assert told == [("Near", 7.0, -1.0), ("New", 4.1, 9), ("Far", 4.0, 30.0)]
    assert one.false_alerts == 1


def test_table_fits_80_columns():
    good = scored(events=[event("a", 0, 3)], folder="turkiye-2023-m7.8-pazarcik")
    rows = [
        msgspec.structs.replace(good, first_s=123.4, confirmed_s=234.5, limit4_s=12.3, limit2_s=11),
        scored(folder="2017-12-16-m4.1"),
        scored(None, folder="noise-openeew-mexico"),
        scored(msgspec.structs.replace(CATALOGUE, depth_km=None), folder="x"),
    ]
    console = Console(width=80, record=True, file=None, quiet=False)
    with console.capture() as capture:
        print_scores(rows, console)
    text = capture.get()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "missed" in text
    assert "noise" in text
    assert "10 km is assumed" in text
    assert sum(line.split()[-1:] == ["45"] for line in text.splitlines()) == 4
    for value in ("11.0|12.3", "123.4", "234.5", "6.0|6.0"):
        assert value in text
