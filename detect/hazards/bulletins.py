"""Warnings of other services as priors: rain, flood, heat, a bulletin of mudflows.

While one stands that a rule heeds and whose area holds a place of the rule's basin, the height of
that basin's thresholds is multiplied by what the rule says. It raises nothing itself, and ends
when it expires, or when its sender cancels it or puts another in its place.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import shapely
from msgspec import Struct
from shapely.geometry.base import BaseGeometry

from detect.geodesy import distance_azimuth
from detect.hazards.cascade_file import SEVERITIES, BulletinRule
from detect.hazards.readings import Bulletin
from detect.hazards.valley_file import Reach
from ingest.sensors import Sensor

__all__ = ["EARLY", "LONGEST", "Bulletins", "Cover", "basin_places"]

LONGEST = timedelta(days=7)
"""No warning counts longer after it was sent, whatever it says."""

EARLY = timedelta(minutes=10)
"""By which the clock of another service may be ahead."""

_LONGEST_US = LONGEST // timedelta(microseconds=1)

_Name = tuple[str, str]  # sender and identifier


class _Standing(Struct, frozen=True):
    """A warning that some rules heed."""

    sent_us: int
    from_us: int
    until_us: int
    verified: bool
    rules: tuple[int, ...]


def basin_places(
    sensors: Iterable[Sensor], reaches: Iterable[Reach]
) -> dict[str, list[tuple[float, float]]]:
    """Return latitude and longitude (degrees) of what stands in each basin."""
    found: dict[str, list[tuple[float, float]]] = {}
    for sensor in sensors:
        found.setdefault(sensor.basin, []).append((sensor.latitude, sensor.longitude))
    for reach in reaches:
        there = found.setdefault(reach.basin, [])
        there += [(place.latitude, place.longitude) for place in reach.places]
    return found


class Cover:
    """The area of a warning, drawn once for all places.

    A ring that crosses itself is taken as it is, by counting crossings: to make it valid could
    take minutes.

    Parameters
    ----------
    bulletin
        Its polygons and circles.
    """

    def __init__(self, bulletin: Bulletin) -> None:
        self._circles = bulletin.circles
        self._shapes: list[tuple[float, BaseGeometry]] = []
        for ring in bulletin.polygons:
            east = [lon for _, lon in ring]
            turn = 360.0 if max(east) - min(east) > 180.0 else 0.0  # it lies over the date line
            shape = shapely.Polygon([(lon + turn if lon < 0 else lon, lat) for lat, lon in ring])
            shapely.prepare(shape)
            self._shapes.append((turn, shape))

    def holds(self, latitude: float, longitude: float) -> bool:
        """Say whether a place is inside; on the edge it is."""
        for centre_latitude, centre_longitude, radius_km in self._circles:
            away_km, _ = distance_azimuth(centre_latitude, centre_longitude, latitude, longitude)
            if away_km <= radius_km:
                return True
        return any(
            shapely.intersects_xy(shape, longitude + turn if longitude < 0 else longitude, latitude)
            for turn, shape in self._shapes
        )


class Bulletins:
    """The fold of warnings of other services.

    Parameters
    ----------
    rules
        Which are heeded, and by how much they lower thresholds.
    places
        By basin, latitude and longitude (degrees) of what stands there.

    Attributes
    ----------
    memory
        How far back warnings matter.
    """

    def __init__(
        self,
        rules: Sequence[BulletinRule],
        places: Mapping[str, Sequence[tuple[float, float]]],
    ) -> None:
        self._rules = tuple(rules)
        self._places = places
        self._said = [_said(rule.events) for rule in self._rules]
        self._standing: dict[_Name, _Standing] = {}
        self._withdrawn: dict[tuple[_Name, bool], int] = {}  # when it was, and by whom
        self.memory = LONGEST + EARLY if self._rules else timedelta(0)

    def fold(self, bulletin: Bulletin, now_us: int) -> set[str]:
        """Take a warning; return the basins of which another has been withdrawn by it.

        Only its own sender withdraws a warning, and one that is verified only by another such.
        """
        if bulletin.status != "Actual":
            return set()
        gone: set[str] = set()
        if bulletin.type != "Alert":
            for name in _names(bulletin):
                gone |= self._withdraw(name, bulletin)
        if bulletin.type == "Cancel":
            return gone
        name = (bulletin.sender, bulletin.identifier)
        until_us = min(bulletin.expires_us, bulletin.sent_us + _LONGEST_US)
        rules = self._heeding(bulletin)
        one = _Standing(bulletin.sent_us, bulletin.effective_us, until_us, bulletin.verified, rules)
        if rules and now_us < until_us and not self._is_withdrawn(name, one):
            self._standing[name] = one
        return gone

    def _withdraw(self, name: _Name, by: Bulletin) -> set[str]:
        """Withdraw a warning, also one that comes later than what withdraws it."""
        key = (name, by.verified)
        self._withdrawn[key] = max(self._withdrawn.get(key, 0), by.sent_us)
        standing = self._standing.get(name)
        if standing is None or not self._is_withdrawn(name, standing):
            return set()
        del self._standing[name]
        return {self._rules[index].basin for index in standing.rules}

    def _is_withdrawn(self, name: _Name, one: _Standing) -> bool:
        heard = (True,) if one.verified else (True, False)
        return any(one.sent_us <= self._withdrawn.get((name, by), -1) for by in heard)

    def _heeding(self, bulletin: Bulletin) -> tuple[int, ...]:
        """Return the rules that heed a warning."""
        meant = [i for i, rule in enumerate(self._rules) if self._is_meant(i, rule, bulletin)]
        if not meant:
            return ()
        cover = Cover(bulletin)
        codes = {f"{system}={code}" for system, code in bulletin.geocodes}
        basins = {self._rules[index].basin for index in meant}
        inside = {
            basin
            for basin in basins
            if any(cover.holds(*place) for place in self._places.get(basin, ()))
        }
        return tuple(
            index
            for index in meant
            if self._rules[index].basin in inside or codes & set(self._rules[index].geocodes)
        )

    def _is_meant(self, index: int, rule: BulletinRule, bulletin: Bulletin) -> bool:
        """Say whether a rule is for warnings of this kind, wherever they hold."""
        if not bulletin.verified and not rule.unverified:
            return False
        if rule.senders and bulletin.sender not in rule.senders:
            return False
        if SEVERITIES.index(bulletin.severity) < SEVERITIES.index(rule.from_severity):
            return False
        said = self._said[index]
        if said is not None and said.search(bulletin.event) is not None:
            return True
        return any(code in rule.codes for _, code in bulletin.codes)

    def lowered(self, basin: str, hazard: str, now_us: int) -> float:
        """Return what thresholds in a basin are multiplied by now; 1 for as they are."""
        return min(
            (
                rule.lowered
                for one in self._standing.values()
                if one.from_us <= now_us < one.until_us
                for rule in (self._rules[index] for index in one.rules)
                if rule.basin == basin and hazard in rule.hazards
            ),
            default=1.0,
        )

    def forget(self, now_us: int) -> None:
        """Let go of what has expired."""
        self._standing = {n: one for n, one in self._standing.items() if now_us < one.until_us}
        self._withdrawn = {
            n: sent_us for n, sent_us in self._withdrawn.items() if now_us < sent_us + _LONGEST_US
        }


def _said(words: Iterable[str]) -> re.Pattern[str] | None:
    """Make what finds one of some beginnings of words; None of none."""
    found = "|".join(re.escape(word) for word in words)
    return re.compile(rf"\b(?:{found})", re.IGNORECASE) if found else None


def _names(bulletin: Bulletin) -> list[_Name]:
    """Return what a warning refers to, of its own sender's."""
    parts = [reference.split(",") for reference in bulletin.references]
    return [(p[0], p[1]) for p in parts if len(p) == 3 and p[0] == bulletin.sender]
