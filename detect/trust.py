"""How far each station is believed: its false picks, its faults, and whose word it repeats.

All of it is forgotten after a stated time, so that a state that is rebuilt from the log is the
state that never stopped. A pick counts as false unless two other places picked at about the
same time: that depends on picks alone, not on what was made of them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from msgspec import Struct, field
from numba import njit

from detect.detections import Pick
from detect.geodesy import distance_azimuth
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

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def _first_near(
    latitude: _Floats, longitude: _Floats, order: _Ints, degrees: float, km: float
) -> _Ints:
    """Return the first of the places within some km of each: itself, or one before it.

    `order` is that of latitude, in which what is further than some degrees is not looked at.
    """
    first = np.arange(order.size)
    for a in range(order.size):
        i = order[a]
        for b in range(a + 1, order.size):
            j = order[b]
            if latitude[j] - latitude[i] > degrees:
                break
            if distance_azimuth(latitude[i], longitude[i], latitude[j], longitude[j])[0] <= km:
                first[max(i, j)] = min(first[max(i, j)], min(i, j))
    return first


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
        self._degrees = settings.same_place_km / 111.0 + 1e-6
        self._stations: dict[str, _Station] = {}
        self._noted: dict[str, _Station] = {}  # those that have picks or faults
        self._recent: list[_Seen] = []
        self._line = {
            station: line
            for line, stations in sorted(settings.telemetry.items())
            for station in stations
        }

    def heard(self, stations: Iterable[str], now_us: int) -> None:
        """Note stations that have reported."""
        known = self._stations
        for station in stations:
            if station not in known:
                known[station] = _Station(now_us)

    def faulty(self, station: str, faults: Iterable[str], now_us: int) -> None:
        """Note what was wrong with a station that has reported."""
        second = now_us // 1_000_000
        known = self._stations[station]
        wrong = FAULTS.intersection(faults)
        if known.picks and now_us - known.picks[-1].pick.time_us < SHAKEN_US:
            wrong -= {"clipped"}
        if wrong and known.faulty[-1:] != [second]:
            known.faulty.append(second)
            self._noted[station] = known

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
        known = self._noted[pick.station] = self._stations[pick.station]
        known.picks.append(seen)

    def forget(self, now_us: int) -> None:
        """Let go of what is older than the window."""
        oldest = now_us - self._window_us
        self._recent = [s for s in self._recent if now_us - s.pick.time_us < COMPANY_S * 1e6]
        for name, station in list(self._noted.items()):
            if station.picks and station.picks[0].pick.time_us < oldest:
                station.picks = [s for s in station.picks if s.pick.time_us >= oldest]
            if station.faulty and station.faulty[0] * 1_000_000 < oldest:
                station.faulty = [s for s in station.faulty if s * 1_000_000 >= oldest]
            if not station.picks and not station.faulty:
                del self._noted[name]

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

        Each is compared only with those of its line and of its latitude: a large earthquake has a
        thousand stations.
        """
        latitude = np.array([place[1] for place in stations], np.float64)
        longitude = np.array([place[2] for place in stations], np.float64)
        near = _first_near(
            latitude,
            longitude,
            latitude.argsort(kind="stable"),
            self._degrees,
            self._settings.same_place_km,
        ).tolist()
        found: list[int] = []
        on_line: dict[str, int] = {}
        for i, (name, _, _) in enumerate(stations):
            first: int = near[i]
            line = self._line.get(name)
            if line is not None:
                first = min(first, on_line.setdefault(line, i))
            found.append(found[first] if first < i else i)
        return tuple(found)

    def _close(self, one: tuple[float, float], other: tuple[float, float]) -> bool:
        if abs(one[0] - other[0]) > self._degrees:
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
