"""What really happened: the catalogue's entries beside a recording."""

from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from stream.errors import AlatauError

__all__ = ["FILE", "Catalogue", "CatalogueError", "read"]

FILE = "event.quakeml"


class CatalogueError(AlatauError):
    """A catalogue file cannot be used; the message says which and why."""


class Catalogue(Struct, frozen=True, kw_only=True):
    """One earthquake as a catalogue has it.

    Attributes
    ----------
    time_us
        Origin time, us since 1970 UTC.
    depth_km, magnitude
        None where the catalogue is silent.
    others
        What else happened in the same recording: right when found, not asked for when missed.
    """

    time_us: int
    latitude: float
    longitude: float
    depth_km: float | None
    magnitude: float | None
    others: tuple["Catalogue", ...] = ()


def read(folder: Path) -> Catalogue | None:
    """Read ``event.quakeml`` of a folder; None if there is none, which means noise.

    The first event is the one to compare with; those behind it are its `others`. Preferred origin
    and magnitude count, or the first where none is preferred.

    Raises
    ------
    CatalogueError
        If the file is not QuakeML with at least one event, each with an origin.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    from obspy import read_events  # slow to import, and needed only here

    try:
        events = read_events(str(path), format="QUAKEML")
    except Exception as error:
        raise CatalogueError(f"{path} is not QuakeML: {error}") from error
    if not len(events):
        raise CatalogueError(f"{path} holds no event; put in the one to compare with")
    first, *others = (_entry(event, path) for event in events)
    return structs.replace(first, others=tuple(others))


def _entry(event: Any, path: Path) -> Catalogue:  # noqa: ANN401 - obspy has no types
    origin = event.preferred_origin() or next(iter(event.origins), None)
    magnitude = event.preferred_magnitude() or next(iter(event.magnitudes), None)
    if origin is None or None in (origin.time, origin.latitude, origin.longitude):
        raise CatalogueError(f"{path} has no origin with a time and a place")
    return Catalogue(
        time_us=origin.time.ns // 1000,
        latitude=float(origin.latitude),
        longitude=float(origin.longitude),
        depth_km=None if origin.depth is None else float(origin.depth) / 1000,
        magnitude=None if magnitude is None else float(magnitude.mag),
    )
