"""Names of places and countries in the languages of warnings.

By `dispatch.extract_names`: countries from CLDR; places of Central Asia and its neighbours
from CLDR where a time zone bears their name, else from the alternate names of GeoNames where
letters and sound agree. A place without a name in a language is called as GeoNames does, in
ASCII: nothing is transliterated.
"""

import csv
import gzip
import importlib.resources
import io
from functools import cache
from typing import Literal

__all__ = [
    "ATTRIBUTION",
    "COUNTRY_NAMES_FILE",
    "LANGUAGES",
    "NAMES_FILE",
    "Language",
    "country_name",
    "place_name",
]

Language = Literal["kk", "ky", "tg", "uz", "tk", "ru", "en"]

LANGUAGES: tuple[Language, ...] = ("kk", "ky", "tg", "uz", "tk", "ru", "en")
"""Kazakh, Kyrgyz, Tajik and Russian in Cyrillic; Uzbek, Turkmen and English in Latin."""

ATTRIBUTION = (
    "Extract of GeoNames, https://www.geonames.org, licence CC BY 4.0, "
    "and of Unicode CLDR, https://cldr.unicode.org, Unicode License v3"
)
NAMES_FILE = "names.csv.gz"
COUNTRY_NAMES_FILE = "country_names.csv"


def _table(text: str) -> dict[str, dict[str, str]]:
    """Return the names by language, by what stands in the first column; empty ones left out."""
    lines = [line for line in io.StringIO(text) if not line.startswith("#")]
    header, *rows = csv.reader(lines)
    return {
        row[0]: {key: name for key, name in zip(header[1:], row[1:], strict=True) if name}
        for row in rows
    }


@cache
def _places() -> dict[str, dict[str, str]]:
    packed = (importlib.resources.files("dispatch") / NAMES_FILE).read_bytes()
    return _table(gzip.decompress(packed).decode("utf-8"))


@cache
def _countries() -> dict[str, dict[str, str]]:
    text = (importlib.resources.files("dispatch") / COUNTRY_NAMES_FILE).read_text("utf-8")
    return _table(text)


def place_name(geonameid: int, language: str, otherwise: str) -> str:
    """Name of a place in a language; `otherwise` if it has none."""
    return _places().get(str(geonameid), {}).get(language, otherwise)


def country_name(code: str, language: str) -> str:
    """Name of a country in a language, in English if it has none, the code if unknown."""
    known = _countries().get(code, {})
    return known.get(language) or known.get("en") or code
