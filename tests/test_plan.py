"""Plans: a network worked out by hand in a few points, and what is written."""

import csv
import io
import json

import numpy as np
import pytest

from detect.geodesy import distance_azimuth
from detect.traveltimes import load
from replay import plan_picture, station_list
from replay.plan import Assumptions, find_places, plan, to_csv, to_json
from replay.station_list import Site
from stream.errors import ConfigurationError

ak135 = load()
SITES = tuple(
    Site("XX", name, latitude, longitude, 0.0, name)
    for name, latitude, longitude in (
        ("A", 42.0, 75.0),
        ("B", 42.0, 76.0),
        ("C", 43.0, 75.5),
        ("D", 45.0, 79.0),
    )
)


@pytest.fixture(scope="module")
def worked_out():
    return plan(SITES, find_places(["Bishkek"]), ak135, Assumptions(latency_s=1.5), step_deg=0.5)


def at(one, latitude, longitude):
    row = int(np.argmin(np.abs(one.latitude - latitude)))
    column = int(np.argmin(np.abs(one.longitude - longitude)))
    assert (one.latitude[row], one.longitude[column]) == (latitude, longitude)
    return row, column


def test_the_alert_follows_the_third_station(worked_out):
    row, column = at(worked_out, 42.0, 75.0)
    third = sorted(distance_azimuth(42.0, 75.0, s.latitude, s.longitude)[0] for s in SITES)[2]
    alert = ak135.p(third, 10.0) + 1.5
    assert worked_out.alert_s[row, column] == pytest.approx(alert)
    assert ak135.s(worked_out.blind_km[row, column], 10.0) == pytest.approx(alert, abs=0.01)
    bishkek = distance_azimuth(42.0, 75.0, 42.87, 74.59)[0]
    assert worked_out.lead_s[0, row, column] == pytest.approx(ak135.s(bishkek, 10.0) - alert)


def test_one_station_more_or_less(worked_out):
    places = worked_out.places
    two = plan(SITES, places, ak135, Assumptions(stations=2, latency_s=1.5), step_deg=0.5)
    assert np.all(two.alert_s <= worked_out.alert_s)
    assert np.any(two.alert_s < worked_out.alert_s)
    with pytest.raises(ConfigurationError, match="cannot confirm"):
        plan(SITES[:2], places, ak135, Assumptions())


def test_the_table_has_a_row_for_each_epicentre(worked_out):
    rows = list(csv.DictReader(io.StringIO(to_csv(worked_out).decode())))
    assert len(rows) == worked_out.alert_s.size
    assert list(rows[0]) == ["latitude", "longitude", "alert_s", "blind_km", "lead_s Bishkek"]
    row, column = at(worked_out, 42.0, 75.0)
    same = next(r for r in rows if (r["latitude"], r["longitude"]) == ("42", "75"))
    assert float(same["alert_s"]) == pytest.approx(worked_out.alert_s[row, column], abs=0.051)


def test_the_summary_says_what_it_assumes_and_its_shares_fall(worked_out):
    said = json.loads(to_json(worked_out))
    assert said["assumptions"]["latency_s"] == 1.5
    assert said["stations"] == ["XX.A", "XX.B", "XX.C", "XX.D"]
    shares = list(said["places"][0]["share_with_at_least"].values())
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < shares[0] <= 1


def test_places_are_found_by_name():
    (almaty,) = find_places(["almaty"])
    assert (almaty.name, round(almaty.latitude, 1)) == ("Almaty", 43.3)
    with pytest.raises(ConfigurationError, match="Nowhere"):
        find_places(["Nowhere at all"])


def test_pictures_are_the_same_bytes_and_say_what_is_assumed(tmp_path, worked_out):
    plan_picture.write(worked_out, tmp_path / "a")
    plan_picture.write(worked_out, tmp_path / "b")
    for name in ("plan.png", "plan.csv", "plan.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    figure = plan_picture.draw(worked_out)
    texts = figure.get_suptitle() + figure.get_supxlabel()
    for assumption in ("1.5 s", "3 of them", "10 km deep", "ak135", "M 7", "stations that fail"):
        assert assumption in texts
    drawn = [t.get_text() for axes in figure.axes for t in axes.texts]
    assert "Bishkek" in drawn


def test_the_networks_of_central_asia():
    one = plan(station_list.read(), find_places(["Almaty"]), ak135, Assumptions(), step_deg=0.5)
    row, column = at(one, 42.5, 75.0)
    assert one.alert_s[row, column] < 12.0
    assert one.longitude[0] > 65.0  # stations far away do not stretch the map
