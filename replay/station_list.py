"""A network as a list of places: for scenarios and for plans."""

import csv
import importlib.resources
import math
from pathlib import Path

from msgspec import Struct

from stream.errors import ConfigurationError

__all__ = ["COLUMNS", "SHIPPED", "Site", "read"]

SHIPPED = "central_asia_stations.csv"
"""KN, KR and KZ: public coordinates, with their sources."""

COLUMNS = ("network", "station", "latitude", "longitude", "elevation_m")


class Site(Struct, frozen=True):
    """One station: SEED codes, degrees, metres above the sea, a name for people."""

    network: str
    station: str
    latitude: float
    longitude: float
    elevation_m: float
    name: str

    @property
    def id(self) -> str:
        """``NET.STA``."""
        return f"{self.network}.{self.station}"


def read(path: Path | None = None) -> tuple[Site, ...]:
    """Read a list of stations.

    Parameters
    ----------
    path
        CSV with a header of at least `COLUMNS`, and optionally ``name``; lines that begin with
        ``#`` are left out. None reads the networks of Central Asia that ship with the package.

    Returns
    -------
    tuple of Site
        In the order of the file.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, a column is missing, a number is none, a place is not on the
        globe, or two stations have one code.
    """
    if path is None:
        text = (importlib.resources.files("replay") / SHIPPED).read_text("utf-8")
    else:
        try:
            text = path.read_text("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"the list of stations cannot be read: {error}",
                remedy=f"Name a CSV file in UTF-8 with the columns {', '.join(COLUMNS)}.",
                file=path,
            ) from error
    return _sites(text, path)


def _sites(text: str, path: Path | None) -> tuple[Site, ...]:
    lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if _counts(line)]
    rows = [(number, next(csv.reader([line]))) for number, line in lines]
    header = [name.strip() for name in rows[0][1]] if rows else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise ConfigurationError(
            f"the list of stations has no column {', '.join(missing)}",
            remedy=f"Its first line names the columns: {', '.join(COLUMNS)}.",
            file=path,
            line=rows[0][0] if rows else None,
        )
    sites: dict[str, Site] = {}
    for number, cells in rows[1:]:
        site = _site(dict(zip(header, cells, strict=False)), path, number)
        if site.station in sites:
            raise ConfigurationError(
                f"station {site.station} stands in the list twice",
                remedy="Synthetic records have one network code, so each station code must "
                "stand once: rename one.",
                file=path,
                line=number,
            )
        sites[site.station] = site
    return tuple(sites.values())


def _counts(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _site(row: dict[str, str], path: Path | None, line: int) -> Site:
    try:
        site = Site(
            network=row["network"].strip(),
            station=row["station"].strip(),
            latitude=float(row["latitude"]),
            longitude=float(row["longitude"]),
            elevation_m=float(row["elevation_m"] or 0.0),
            name=row.get("name", "").strip() or row["station"].strip(),
        )
        good = (
            1 <= len(site.network) <= 2
            and 1 <= len(site.station) <= 5
            and (site.network + site.station).isalnum()
            and abs(site.latitude) <= 90
            and abs(site.longitude) <= 180
            and math.isfinite(site.elevation_m)
        )
    except (KeyError, ValueError):
        good = False
    if not good:
        raise ConfigurationError(
            "this is no station",
            remedy="Needed are codes of up to 2 and 5 letters and digits, degrees on the globe, "
            "and metres.",
            file=path,
            line=line,
        )
    return site
