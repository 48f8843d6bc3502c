"""How many stations can be relied on now: without it, silence says nothing."""

from collections.abc import Iterable

from msgspec import Struct

from detect.detections import Heartbeat, Motion

__all__ = ["Health", "HealthCount"]


class HealthCount(Struct, frozen=True):
    """Stations by how they are; each counts once.

    Attributes
    ----------
    healthy
        Heard of late, without a fault.
    late
        Its data come too late to count.
    warming
        Has only just begun, or had a gap: its picks do not count yet.
    faulty
        Clipped, flat, stuck, or with a wrong clock.
    silent
        Nothing of use has come of late.
    """

    healthy: int = 0
    late: int = 0
    warming: int = 0
    faulty: int = 0
    silent: int = 0


class Health:
    """Folds what stations report.

    Parameters
    ----------
    stations
        ``NET.STA`` of all that should be heard.
    heard_s
        A station whose last report is older than this (s) is silent.
    """

    def __init__(self, stations: Iterable[str], heard_s: float) -> None:
        self._heard_ms = int(heard_s * 1000)
        self._last: dict[str, tuple[int, tuple[str, ...]]] = dict.fromkeys(stations, (0, ()))

    def fold(self, said: Motion | Heartbeat, arrival_ms: int) -> None:
        """Take in reports and when they came (ms since 1970 UTC)."""
        if isinstance(said, Motion):
            for station in said.stations:
                self._last[station.station] = (arrival_ms, station.faults)
            return
        self._last.update(dict.fromkeys(said.stations, (arrival_ms, ())))
        faults: dict[str, tuple[str, ...]] = {}
        for name, places in said.faults.items():
            for place in places:
                faulty = said.stations[place]
                faults[faulty] = (*faults.get(faulty, ()), name)
        self._last.update({faulty: (arrival_ms, names) for faulty, names in faults.items()})

    def count(self, now_ms: int) -> HealthCount:
        """Count the stations at a time (ms since 1970 UTC)."""
        counts = dict.fromkeys(HealthCount.__struct_fields__, 0)
        for heard_ms, faults in self._last.values():
            counts[self._state(now_ms - heard_ms, faults)] += 1
        return HealthCount(**counts)

    def _state(self, age_ms: int, faults: tuple[str, ...]) -> str:
        if age_ms > self._heard_ms:
            return "silent"
        if set(faults) - {"late", "warming"}:
            return "faulty"
        if "late" in faults:
            return "late"
        return "warming" if faults else "healthy"
