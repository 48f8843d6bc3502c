"""StationXML to a table of channels: where each stands, what a count is worth."""

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from ingest.errors import RecordingError

__all__ = ["Channel", "ChannelTable", "Station", "read"]

Unit = Literal["m/s2", "m/s"]

_UNITS: dict[str, Unit] = {
    "M/S**2": "m/s2",
    "M/S^2": "m/s2",
    "M/S2": "m/s2",
    "M/(S**2)": "m/s2",
    "M/S/S": "m/s2",
    "M/S": "m/s",
    "M/SEC": "m/s",
}

SAME_PLACE_DEG = 0.01  # about 1 km: two entries further apart are two stations


class Station(Struct, frozen=True, gc=False):
    """Where a station stands: degrees, and metres above the sea."""

    latitude: float
    longitude: float
    elevation_m: float


class Channel(Struct, frozen=True, gc=False):
    """One channel for one span of time.

    Attributes
    ----------
    id
        SEED id ``NET.STA.LOC.CHA``.
    gain
        Counts per `unit`.
    unit
        ``m/s2`` or ``m/s``.
    vertical
        True if the channel is known to be vertical.
    start_ns, end_ns
        When this holds, ns since 1970 UTC.
    """

    id: str
    station: Station
    gain: float
    unit: Unit
    vertical: bool
    start_ns: int
    end_ns: int


class ChannelTable(Struct, frozen=True):
    """All channels that can be used, and what was wrong with the others.

    Attributes
    ----------
    channels
        Spans by SEED id, in order of start.
    stations
        By ``NET.STA``.
    problems
        One line for each entry that cannot be used.
    """

    channels: dict[str, tuple[Channel, ...]]
    stations: dict[str, Station]
    problems: tuple[str, ...]

    def find(self, seed_id: str, time_ns: int) -> Channel | None:
        """Return the channel's entry for a time, or None."""
        for channel in self.channels.get(seed_id, ()):
            if channel.start_ns <= time_ns < channel.end_ns:
                return channel
        return None


def _orientation(code: str, dip: float | None) -> bool:
    return code.endswith("Z") or (dip is not None and abs(abs(dip) - 90.0) < 15.0)


def read(paths: list[Path]) -> ChannelTable:
    """Read StationXML files into one table.

    Parameters
    ----------
    paths
        Files; the order decides nothing.

    Returns
    -------
    ChannelTable
        Entries with an unknown unit, no gain or impossible coordinates, and stations that
        stand in two places at once, are left out and named in `problems`.

    Raises
    ------
    RecordingError
        If a file is not StationXML.
    """
    from obspy import read_inventory  # 0.5 s, and only metadata need it

    found: dict[str, list[Channel]] = {}
    problems: list[str] = []
    for path in sorted(paths):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                inventory = read_inventory(str(path), format="STATIONXML")
        except Exception as error:
            raise RecordingError(
                f"{path} is not StationXML ({error}). Put the network's StationXML, as an FDSN "
                "station service gives it with level=channel or level=response, in its place."
            ) from error
        for network in inventory:
            for station in network:
                for entry in station:
                    channel = _channel(network.code, station.code, entry, problems)
                    if channel is not None:
                        found.setdefault(channel.id, []).append(channel)
    return _table(found, problems)


def _channel(network: str, station: str, entry: object, problems: list[str]) -> Channel | None:
    """Turn one obspy channel into ours, or say why not."""
    code: str = entry.code  # type: ignore[attr-defined]
    seed_id = f"{network}.{station}.{entry.location_code or ''}.{code}"  # type: ignore[attr-defined]
    response = entry.response  # type: ignore[attr-defined]
    sensitivity = None if response is None else response.instrument_sensitivity
    if sensitivity is None or not sensitivity.value:
        problems.append(f"{seed_id}: no overall gain (InstrumentSensitivity)")
        return None
    unit = _UNITS.get(str(sensitivity.input_units or "").strip().upper())
    if unit is None:
        problems.append(
            f"{seed_id}: gain in {sensitivity.input_units or 'no unit'}; needed is M/S or M/S**2"
        )
        return None
    latitude, longitude = float(entry.latitude), float(entry.longitude)  # type: ignore[attr-defined]
    gain = float(sensitivity.value)
    if not (math.isfinite(gain) and math.isfinite(latitude) and math.isfinite(longitude)):
        problems.append(f"{seed_id}: gain or coordinates are not numbers")
        return None
    start, end = entry.start_date, entry.end_date  # type: ignore[attr-defined]
    dip = entry.dip  # type: ignore[attr-defined]
    return Channel(
        id=seed_id,
        station=Station(latitude, longitude, float(entry.elevation or 0.0)),  # type: ignore[attr-defined]
        gain=abs(gain),
        unit=unit,
        vertical=_orientation(code, None if dip is None else float(dip)),
        start_ns=-(2**63) if start is None else _clamped(start.ns),
        end_ns=2**63 - 1 if end is None else _clamped(end.ns),
    )


def bare(seed_ids: Iterable[str]) -> ChannelTable:
    """Make entries of channels of which nothing is known: counts are m/s, at 0 N 0 E.

    For what needs neither the place of a station nor the size of its motion.
    """
    nowhere = Station(0.0, 0.0, 0.0)
    found = {
        name: [Channel(name, nowhere, 1.0, "m/s", _orientation(name, None), -(2**63), 2**63 - 1)]
        for name in seed_ids
    }
    return _table(found, [])


def _clamped(ns: int) -> int:
    return max(-(2**63), min(2**63 - 1, ns))


def _table(found: dict[str, list[Channel]], problems: list[str]) -> ChannelTable:
    """Drop repeats and stations that stand in two places; sort the rest."""
    torn: dict[str, str] = {}
    stations: dict[str, Station] = {}
    by_station: dict[str, list[Channel]] = {}
    for seed_id in sorted(found):
        by_station.setdefault(".".join(seed_id.split(".")[:2]), []).extend(found[seed_id])
    for name, channels in by_station.items():
        stations[name] = max(channels, key=lambda c: c.end_ns).station
        for one in channels:
            for other in channels:
                together = one.start_ns < other.end_ns and other.start_ns < one.end_ns
                apart = max(
                    abs(one.station.latitude - other.station.latitude),
                    abs(one.station.longitude - other.station.longitude),
                )
                if together and apart > SAME_PLACE_DEG:
                    torn[name] = (
                        f"{name}: two stations with one name "
                        f"({one.station.latitude:.3f} {one.station.longitude:.3f} and "
                        f"{other.station.latitude:.3f} {other.station.longitude:.3f}); "
                        "neither is used"
                    )
    problems.extend(torn.values())
    table: dict[str, tuple[Channel, ...]] = {}
    for seed_id, channels in sorted(found.items()):
        if ".".join(seed_id.split(".")[:2]) not in torn:
            table[seed_id] = tuple(sorted(set(channels), key=lambda c: (c.start_ns, c.end_ns)))
    for name in torn:
        del stations[name]
    return ChannelTable(table, stations, tuple(problems))
