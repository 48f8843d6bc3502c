"""Reads the files that say what hazards are watched for: sensors, valleys, cascades."""

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from detect.hazards.bulletins import basin_places
from detect.hazards.cascade_file import CascadeFile
from detect.hazards.valley_file import Reach, ValleyFile
from detect.settings import HazardSettings
from ingest import sensors as sensor_files
from ingest.sensors import Sensor
from stream import settings as toml
from stream.settings import misfit

__all__ = ["HazardFiles", "load"]

_STATION = re.compile("[A-Z0-9]{1,8}[.][A-Z0-9]{1,8}")


class HazardFiles(Struct, frozen=True):
    """All sensors, reaches and rules."""

    sensors: tuple[Sensor, ...] = ()
    valleys: ValleyFile = ValleyFile()
    cascades: CascadeFile = CascadeFile()

    @property
    def are_empty(self) -> bool:
        """Whether there is nothing to watch for."""
        return not (self.sensors or self.valleys.reaches or self.cascades.watched)

    @property
    def mute(self) -> tuple[str, ...]:
        """Sensors that say nothing: without thresholds, and no melt is read from them."""
        heard = {n for prior in self.cascades.priors if prior.by == "melt" for n in prior.sensors}
        return tuple(s.id for s in self.sensors if not s.thresholds and s.id not in heard)


def load(settings: HazardSettings, folder: Path) -> HazardFiles:
    """Read the files of a configuration.

    Parameters
    ----------
    settings
        Their names.
    folder
        To which they are relative.

    Raises
    ------
    ConfigurationError
        If one cannot be read, or names what no other file has: with file and line.
    """
    known: dict[str, Sensor] = {}
    listed: list[tuple[Path, int, Sensor]] = []
    for name in settings.sensors:
        path = folder / name
        for number, sensor in enumerate(sensor_files.load(path)):
            if sensor.id in known:
                raise misfit(
                    path,
                    ("sensors", number, "id"),
                    f"{sensor.id} stands in another sensor file too",
                    "Give each another id.",
                )
            known[sensor.id] = sensor
            listed.append((path, number, sensor))
    valleys = _valleys(settings, folder, known)
    at = {sensor.id: reach.id for reach in valleys.reaches for sensor in reach.sensors}
    for path, number, sensor in listed:
        if sensor.reach and at.get(sensor.id) != sensor.reach:
            raise misfit(
                path,
                ("sensors", number, "reach"),
                f"no reach {sensor.reach} of a valley file has the sensor {sensor.id}",
                "List the sensor at that reach, with its at_km, or leave the reach out.",
            )
    cascades = _cascades(settings, folder, known, valleys.reaches)
    return HazardFiles(tuple(known.values()), valleys, cascades)


def _valleys(settings: HazardSettings, folder: Path, known: dict[str, Sensor]) -> ValleyFile:
    reaches: list[Reach] = []
    for name in settings.valleys:
        path = folder / name
        for number, reach in enumerate(toml.load(path, ValleyFile).reaches):
            if reach.id in {other.id for other in reaches}:
                raise misfit(
                    path,
                    ("reaches", number, "id"),
                    f"{reach.id} stands in another valley file too",
                    "Give each another id.",
                )
            for place, sensor in enumerate(reach.sensors):
                if sensor.id not in known and not _STATION.fullmatch(sensor.id):
                    raise misfit(
                        path,
                        ("reaches", number, "sensors", place, "id"),
                        f"{sensor.id} is in no sensor file and is no NET.STA",
                        "Name a sensor of [detect.hazards] sensors, or a seismic station.",
                    )
            reaches.append(reach)
    return ValleyFile(reaches=tuple(reaches))


def _cascades(
    settings: HazardSettings, folder: Path, known: dict[str, Sensor], valleys: Sequence[Reach]
) -> CascadeFile:
    found = CascadeFile()
    reaches = {reach.id for reach in valleys}
    places = basin_places(known.values(), valleys)
    for name in settings.cascades:
        path = folder / name
        file = toml.load(path, CascadeFile)
        for number, watched in enumerate(file.watched):
            if watched.reach and watched.reach not in reaches:
                raise misfit(
                    path,
                    ("watched", number, "reach"),
                    f"no valley file has the reach {watched.reach}",
                    "Name a reach of [detect.hazards] valleys, or leave it out.",
                )
        for number, prior in enumerate(file.priors):
            if prior.basin not in {sensor.basin for sensor in known.values()}:
                raise misfit(
                    path,
                    ("priors", number, "basin"),
                    f"no sensor stands in {prior.basin}",
                    "Name the basin of the sensors whose thresholds are lowered.",
                )
            for sensor in prior.sensors:
                fits = prior.by != "melt" or (
                    sensor in known and known[sensor].quantity == "temperature"
                )
                if sensor not in known or not fits:
                    raise misfit(
                        path,
                        ("priors", number, "sensors"),
                        f"{sensor} is no sensor{'' if sensor not in known else ' of temperature'}",
                        "Name sensors of [detect.hazards] sensors; melt needs air temperature.",
                    )
        for number, rule in enumerate(file.bulletins):
            if not rule.geocodes and not places.get(rule.basin):
                raise misfit(
                    path,
                    ("bulletins", number, "basin"),
                    f"no sensor and no place of a reach stands in {rule.basin}",
                    "Name a basin of the sensor files, or the geocodes of its warnings.",
                )
        found = CascadeFile(
            watched=(*found.watched, *file.watched),
            priors=(*found.priors, *file.priors),
            bulletins=(*found.bulletins, *file.bulletins),
        )
    return found
