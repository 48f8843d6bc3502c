"""What the locator knows of the stations: how far their data reach, and how they are."""

from collections.abc import Iterable

from msgspec import Struct

from detect.detections import Motion, Pick, PickMotion, StationMotion
from detect.geodesy import distance_azimuth

__all__ = ["Network", "sites"]

SAME_SITE_KM = 1.0  # stations closer than this feel the same truck
MOST_SITES = 20  # nothing is decided by more
BLIND = frozenset({"flat", "stuck", "clock", "late", "warming"})


def sites(places: Iterable[tuple[float, float]]) -> int:
    """Count places (latitude, longitude) that stand more than 1 km apart; no further than 20."""
    kept: list[tuple[float, float]] = []
    for latitude, longitude in places:
        if all(distance_azimuth(latitude, longitude, *k)[0] > SAME_SITE_KM for k in kept):
            kept.append((latitude, longitude))
            if len(kept) == MOST_SITES:
                break
    return len(kept)


class _Heard(Struct):
    """The newest report of a station."""

    motion: StationMotion
    arrival_us: int
    pick_us: int = 0


class Network:
    """The newest reports of all stations, and the motion since their picks.

    Parameters
    ----------
    healthy_s
        A station whose last report is older than this says nothing.
    keep_s
        Motion since a pick is kept for this long.
    """

    def __init__(self, healthy_s: float, keep_s: float) -> None:
        self._healthy_us = int(healthy_s * 1e6)
        self._keep_us = int(keep_s * 1e6)
        self._heard: dict[str, _Heard] = {}
        self._motions: dict[str, tuple[int, PickMotion]] = {}

    def fold(self, motion: Motion, arrival_us: int) -> None:
        """Take in a frame."""
        for station in motion.stations:
            heard = self._heard.get(station.station)
            if heard is None:
                self._heard[station.station] = _Heard(station, arrival_us)
            else:
                heard.motion = station
                heard.arrival_us = arrival_us
            for since in station.since_picks:
                self._motions[since.pick_id] = (arrival_us, since)

    def picked(self, pick: Pick) -> None:
        """Note that a station has picked: its silence says nothing for a while."""
        heard = self._heard.get(pick.station)
        if heard is not None:
            heard.pick_us = max(heard.pick_us, pick.time_us)

    def forget(self, now_us: int) -> None:
        """Let go of motion that no event can need any more."""
        old = [p for p, (at, _) in self._motions.items() if now_us - at > self._keep_us]
        for pick_id in old:
            del self._motions[pick_id]

    def motion(self, pick_id: str) -> PickMotion | None:
        """Return the motion since a pick, if any has been told."""
        told = self._motions.get(pick_id)
        return None if told is None else told[1]

    def faults(self, station: str) -> tuple[str, ...]:
        """Return what was wrong with a station at its newest report."""
        heard = self._heard.get(station)
        return () if heard is None else heard.motion.faults

    def watching(self, now_us: int, since_us: int) -> list[StationMotion]:
        """Return the healthy stations that have not picked since a time, by name.

        Parameters
        ----------
        now_us
            Newest arrival.
        since_us
            A station with a later pick has seen something, be it this or not.
        """
        return [
            heard.motion
            for _, heard in sorted(self._heard.items())
            if now_us - heard.arrival_us <= self._healthy_us
            and heard.pick_us < since_us
            and not BLIND.intersection(heard.motion.faults)
        ]
