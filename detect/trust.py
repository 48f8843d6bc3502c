"""How far each station is believed: its false picks, its faults, and whose word it repeats.

All of it is forgotten after a stated time, so that a state that is rebuilt from the log is the
state that never stopped. A pick counts as false unless two other places picked at about the
same time: that depends on picks alone, not on what was made of them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product

from msgspec import Struct, field

from detect.detections import Pick
from detect.geodesy import EARTH_RADIUS_KM, distance_azimuth
from detect.settings import TrustSettings

__all__ = ["COMPANY_S", "Trust"]

PRIOR_PICKS = 0.5  # what the prior rate of false picks weighs: as much as half a pick seen
COMPANY = 2  # other places that must have picked
COMPANY_KM = 200.0
SLOWEST_KM_S = 5.0
COMPANY_SLACK_S = 3.0
COMPANY_S = 2.0 * (COMPANY_KM / SLOWEST_KM_S + COMPANY_SLACK_S)
"""So long picks are kept for those that may come with them."""
FAULTS = frozenset({"flat", "stuck", "clock", "late", "clipped"})
SHAKEN_US = 60_000_000  # after a pick clipping is no fault: an earthquake does it
LEAST = 0.05
SETTLING_S = 60.0  # a station heard for less is not blamed for its first seconds


class _Seen(Struct):
    """A pick, and the places that have picked with it."""

    pick: Pick
    company: list[tuple[float, float]] = field(default_factory=list)


class _Station(Struct):
    since_us: int
    picks: list[_Seen] = field(default_factory=list)
    faulty: list[int] = field(default_factory=list)  # seconds of arrival


class Trust:
    """Folds picks and faults into what a station's word is worth.

    Parameters
    ----------
    settings
        How long things are remembered, and who shares a line.
    """

    def __init__(self, settings: TrustSettings) -> None:
        self._settings = settings
        self._groups = lru_cache(8)(self._group)  # an event asks for the same again and again
        self._window_us = int(settings.window_s * 1e6)
        self._stations: dict[str, _Station] = {}
        self._recent: list[_Seen] = []
        self._line = {
            station: line
            for line, stations in sorted(settings.telemetry.items())
            for station in stations
        }

    def heard(self, stations: Iterable[str], now_us: int) -> None:
        """Note stations that have reported."""
        for station in stations:
            if station not in self._stations:
                self._stations[station] = _Station(now_us)

    def faulty(self, station: str, faults: Iterable[str], now_us: int) -> None:
        """Note what was wrong with a station that has reported."""
        second = now_us // 1_000_000
        known = self._stations[station]
        wrong = FAULTS.intersection(faults)
        if known.picks and now_us - known.picks[-1].pick.time_us < SHAKEN_US:
            wrong -= {"clipped"}
        if wrong and known.faulty[-1:] != [second]:
            known.faulty.append(second)

    def picked(self, pick: Pick, now_us: int) -> None:
        """Note a pick, false until others have picked too."""
        self.heard((pick.station,), now_us)
        seen = _Seen(pick)
        for other in reversed(self._recent):
            alone = len(other.company) < COMPANY or len(seen.company) < COMPANY
            if alone and self._together(pick, other.pick):
                self._join(seen, other.pick)
                self._join(other, pick)
        self._recent.append(seen)
        self._stations[pick.station].picks.append(seen)

    def forget(self, now_us: int) -> None:
        """Let go of what is older than the window."""
        oldest = now_us - self._window_us
        self._recent = [s for s in self._recent if now_us - s.pick.time_us < COMPANY_S * 1e6]
        for station in self._stations.values():
            if station.picks and station.picks[0].pick.time_us < oldest:
                station.picks = [s for s in station.picks if s.pick.time_us >= oldest]
            if station.faulty and station.faulty[0] * 1_000_000 < oldest:
                station.faulty = [s for s in station.faulty if s * 1_000_000 >= oldest]

    def false_rate(self, pick: Pick, now_us: int) -> float:
        """Return how many false picks a second a station made of late, this one left out."""
        station = self._stations[pick.station]
        oldest = now_us - self._window_us
        alone = sum(
            len(s.company) < COMPANY
            for s in station.picks
            if s.pick.id != pick.id and s.pick.time_us >= oldest
        )
        watched_s = min(self._window_us, now_us - station.since_us) * 1e-6
        prior_s = PRIOR_PICKS * 3600.0 / self._settings.false_picks_per_hour
        return (PRIOR_PICKS + alone) / (prior_s + watched_s)

    def weight(self, station: str, now_us: int) -> float:
        """Return 0 to 1: the share of the window in which a station had no fault."""
        known = self._stations.get(station)
        if known is None or not known.faulty:
            return 1.0
        oldest = now_us - self._window_us
        faulty_s = sum(s * 1_000_000 >= oldest for s in known.faulty)
        watched_s = min(self._window_us, now_us - known.since_us) * 1e-6
        return max(LEAST, 1.0 - faulty_s / max(watched_s, SETTLING_S))

    def shares(self, stations: Sequence[tuple[str, float, float]]) -> list[float]:
        """Share one vote among the stations of one place or one line.

        Parameters
        ----------
        stations
            Name, latitude and longitude.

        Returns
        -------
        list of float
            1 for a station by itself, 1/2 for one of two...
        """
        groups = self.groups(stations)
        members = Counter(groups)
        return [1.0 / members[g] for g in groups]

    def groups(self, stations: Sequence[tuple[str, float, float]]) -> list[int]:
        """Return a number for each station, the same for those of one place or one line."""
        return list(self._groups(tuple(stations)))

    def _group(self, stations: tuple[tuple[str, float, float], ...]) -> tuple[int, ...]:
        """Do what `groups` says.

        Each is compared only with those of its line and those around it: a large earthquake has a
        thousand stations.
        """
        found: list[int] = []
        on_line: dict[str, int] = {}
        cells: dict[tuple[int, int, int], list[int]] = {}
        for i, (name, latitude, longitude) in enumerate(stations):
            x, y, z = self._cell(latitude, longitude)
            near = [
                j
                for cell in product((x - 1, x, x + 1), (y - 1, y, y + 1), (z - 1, z, z + 1))
                for j in cells.get(cell, ())
                if self._close((latitude, longitude), stations[j][1:])
            ]
            cells.setdefault((x, y, z), []).append(i)
            line = self._line.get(name)
            if line is not None:
                near.append(on_line.setdefault(line, i))
            first = min(near, default=i)
            found.append(found[first] if first < i else i)
        return tuple(found)

    def _cell(self, latitude: float, longitude: float) -> tuple[int, int, int]:
        """Return where a place stands in a lattice of cubes that are one place wide."""
        size = self._settings.same_place_km / EARTH_RADIUS_KM * 1.001
        high, turn = math.radians(latitude), math.radians(longitude)
        return (
            math.floor(math.cos(high) * math.cos(turn) / size),
            math.floor(math.cos(high) * math.sin(turn) / size),
            math.floor(math.sin(high) / size),
        )

    def _close(self, one: tuple[float, float], other: tuple[float, float]) -> bool:
        degrees = self._settings.same_place_km / 111.0 + 1e-6
        if abs(one[0] - other[0]) > degrees:
            return False
        return distance_azimuth(*one, *other)[0] <= self._settings.same_place_km

    def _together(self, one: Pick, other: Pick) -> bool:
        """Say whether two picks may be of one earthquake, seen from two places."""
        apart_s = abs(one.time_us - other.time_us) * 1e-6
        if one.station == other.station or apart_s > COMPANY_KM / SLOWEST_KM_S + COMPANY_SLACK_S:
            return False
        here, there = (one.latitude, one.longitude), (other.latitude, other.longitude)
        distance, _ = distance_azimuth(*here, *there)
        return (
            self._settings.same_place_km < distance <= COMPANY_KM
            and apart_s <= distance / SLOWEST_KM_S + COMPANY_SLACK_S
        )

    def _join(self, seen: _Seen, other: Pick) -> None:
        place = other.latitude, other.longitude
        if not any(self._close(place, known) for known in seen.company):
            seen.company.append(place)
