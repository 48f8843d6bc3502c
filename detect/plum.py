"""Shaking seen is shaking passed on: what stations feel, beside any source.

After Kodera Y. et al. (2018), The propagation of local undamped motion (PLUM) method, Bull.
Seism. Soc. Am. 108, 983-1003. A station's intensity is carried to the places around it; which
those are is for whoever warns. What is carried must be borne out: by a second station, as
Cochran E. S. et al. (2019), Bull. Seism. Soc. Am. 109, 1524-1541, have it with 4.0 and 2.5, or
by the source.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from detect.carried import strongest_near, unit_vectors
from detect.detections import Heartbeat, Motion, StationMotion
from detect.events import Shaking
from detect.geodesy import distance_azimuth, distances_km, line_distances_km
from detect.settings import ShakingSettings
from detect.shaking import intensity, recorded_intensity
from detect.traveltimes import TravelTimes

__all__ = ["Felt", "Plum", "Source", "carried", "news", "shift", "strong_pair"]

KEEP_S = 150.0  # what was felt longer ago is of no event that is still felt
LEAST_PGA, LEAST_PGV = 0.01, 0.0005  # m/s2, m/s: what is weaker stays below intensity 2
SAME_SITE_KM = 1.0
BLIND = frozenset({"flat", "stuck", "clock", "late", "warming"})
LEAST_DEPTH_KM = 5.0  # of the intensity formula
S_LASTS_US = 3_000_000  # after its arrival S has shown most of its strength
NEVER_US = -(2**62)
SOONER_US = 2_000_000  # than computed P may come
FIRST, SECOND, PAIR = 4.0, 2.5, 2  # Cochran et al. (2019)
EVENT_SHARE = 0.3  # of the variance of intensities: as of other motion of the ground
MOST_SHIFT = 1.0  # degrees: two and a half times what that share allows
SMALL, SMALL_SHIFT = 5.5, 2.0  # the formula is 1.2 to 1.9 too high for recordings of M 4.6 to 5.3
NEWS = 0.5  # an intensity that has grown by so much is told
NEAREST = 20  # stations that are told even where they have felt little


class Felt(Struct, frozen=True):
    """The strongest that a station has felt of late.

    Attributes
    ----------
    station, latitude, longitude
        Which.
    data_end_us
        How far its data reach, us since 1970 UTC.
    intensity
        From its records.
    """

    station: str
    latitude: float
    longitude: float
    data_end_us: int
    intensity: float


class Source(Struct, frozen=True):
    """An event, as far as it shakes the ground.

    Attributes
    ----------
    origin_us, depth_km, magnitude
        Of the event; None while nothing is known of its size.
    line
        Latitude and longitude of the corners of what broke; the epicentre alone where that is
        not known.
    latitude, longitude
        Of the epicentre.
    """

    origin_us: int
    latitude: float
    longitude: float
    depth_km: float
    magnitude: float | None
    line: tuple[tuple[float, float], ...]

    def intensities(
        self, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what the source explains at places: at least 1."""
        if self.magnitude is None:
            return np.ones(latitudes.size)
        distance = line_distances_km(self.line, latitudes, longitudes)
        depth = max(self.depth_km, LEAST_DEPTH_KM)
        return np.maximum(intensity(self.magnitude, distance, depth), 1.0)

    def shaking(
        self,
        felt: Sequence[tuple[Felt, float]],
        settings: ShakingSettings,
        tables: TravelTimes,
    ) -> tuple[Shaking, ...]:
        """Return what is told of stations and the intensities that are believed, by name.

        All that feel strong shaking, and the nearest of those that S has reached.
        """
        told = []
        near = []
        for f, level in felt:
            distance, _ = distance_azimuth(self.latitude, self.longitude, f.latitude, f.longitude)
            s_us = self.origin_us + round(tables.s(distance, self.depth_km) * 1e6)
            has_s = f.data_end_us >= s_us + S_LASTS_US
            one = Shaking(
                station=f.station,
                latitude=f.latitude,
                longitude=f.longitude,
                intensity=round(level, 1),
                has_s=has_s,
            )
            if level >= settings.told_from:
                told.append(one)
            elif has_s:
                near.append((distance, one))
        near.sort(key=lambda item: (item[0], item[1].station))
        told.extend(one for _, one in near[:NEAREST])
        return tuple(sorted(told, key=lambda one: one.station))


class _Peaks(Struct):
    """A station's reports: times (us) and intensities, the later ones lower.

    `since` holds the peaks since its newest picks, which stand in every report.
    """

    latitude: float
    longitude: float
    data_end_us: int = NEVER_US
    kept: list[tuple[int, float]] = field(default_factory=list)
    since: dict[str, float] = field(default_factory=dict)

    def add(self, data_end_us: int, value: float) -> None:
        self.data_end_us = max(self.data_end_us, data_end_us)
        while self.kept and self.kept[-1][1] <= value:
            self.kept.pop()
        self.kept.append((data_end_us, value))


class Plum:
    """Folds what stations report into what they have felt."""

    def __init__(self) -> None:
        self._stations: dict[str, _Peaks] = {}

    def fold(self, said: Motion | Heartbeat) -> None:
        """Take in reports; stations with a fault other than clipping feel nothing."""
        if isinstance(said, Motion):
            for station in said.stations:
                if not BLIND.intersection(station.faults):
                    self._take(station)
            return
        blind = {i for name, places in said.faults.items() if name in BLIND for i in places}
        strong = (np.array(said.pga) >= LEAST_PGA) | (np.array(said.pgv) >= LEAST_PGV)
        for i in np.flatnonzero(strong).tolist():
            if i not in blind:
                peaks = self._peaks(said.stations[i], said.latitude[i], said.longitude[i])
                peaks.add(said.data_end_us[i], recorded_intensity(said.pga[i], said.pgv[i]))

    def _take(self, station: StationMotion) -> None:
        """Take in a station that has picked: its new peaks since each pick, and all over again."""
        if not station.since_picks and station.pga < LEAST_PGA and station.pgv < LEAST_PGV:
            return
        peaks = self._peaks(station.station, station.latitude, station.longitude)
        value = recorded_intensity(station.pga, station.pgv)
        since = {p.pick_id: recorded_intensity(p.pga, p.pgv) for p in station.since_picks}
        for pick_id, peak in since.items():
            if peak > peaks.since.get(pick_id, 0.0):
                value = max(value, peak)
        peaks.since = since
        peaks.add(station.data_end_us, value)

    def _peaks(self, station: str, latitude: float, longitude: float) -> _Peaks:
        if station not in self._stations:
            self._stations[station] = _Peaks(latitude, longitude)
        return self._stations[station]

    def forget(self, now_us: int) -> None:
        """Let go of what was felt long ago."""
        oldest = now_us - int(KEEP_S * 1e6)
        for station, peaks in list(self._stations.items()):
            peaks.kept = [k for k in peaks.kept if k[0] >= oldest]
            if not peaks.kept:
                del self._stations[station]

    def felt(self, source: Source, tables: TravelTimes) -> list[Felt]:
        """Return the strongest that each station has felt since P came there, by name.

        What moves sooner is not moved by this event: a truck, or a clock that is wrong.
        """
        found = []
        for station, peaks in sorted(self._stations.items()):
            distance, _ = distance_azimuth(
                source.latitude, source.longitude, peaks.latitude, peaks.longitude
            )
            p_us = source.origin_us + round(tables.p(distance, source.depth_km) * 1e6) - SOONER_US
            values = [value for time_us, value in peaks.kept if time_us >= p_us]
            if values:
                where = peaks.latitude, peaks.longitude
                found.append(Felt(station, *where, peaks.data_end_us, max(values)))
        return found

    def share(
        self, sources: Mapping[str, Source], settings: ShakingSettings, tables: TravelTimes
    ) -> dict[str, tuple[Shaking, ...]]:
        """Give what has been felt to the events: each station to the one that explains most.

        Parameters
        ----------
        sources
            Events by id.
        settings, tables
            What is told, and when S comes.

        Returns
        -------
        dict
            By event: the stations that feel it, by name, with the intensity that is believed.
        """
        claims: dict[str, tuple[float, str]] = {}
        told: dict[str, list[tuple[Felt, float]]] = {}
        for name, source in sorted(sources.items()):
            felt = self.felt(source, tables)
            latitude = np.array([f.latitude for f in felt])
            longitude = np.array([f.longitude for f in felt])
            explained = source.intensities(latitude, longitude)
            believed = _believed(felt, latitude, longitude, explained, settings)
            told[name] = list(zip(felt, believed.tolist(), strict=True))
            for f, level in zip(felt, explained.tolist(), strict=True):
                if f.station not in claims or level > claims[f.station][0]:
                    claims[f.station] = level, name
        return {
            name: sources[name].shaking(
                [(f, level) for f, level in pairs if claims[f.station][1] == name],
                settings,
                tables,
            )
            for name, pairs in told.items()
        }


def _believed(
    felt: Sequence[Felt],
    latitude: NDArray[np.float64],
    longitude: NDArray[np.float64],
    explained: NDArray[np.float64],
    settings: ShakingSettings,
) -> NDArray[np.float64]:
    """Return no more than a little above what a second station feels or the source explains."""
    level = np.array([f.intensity for f in felt])
    believed = level.copy()
    for i in np.flatnonzero(level > explained + settings.above).tolist():
        distance = distances_km(latitude[i], longitude[i], latitude, longitude)
        others = (distance > SAME_SITE_KM) & (distance <= settings.neighbour_km)
        second = max(float(level[others].max(initial=1.0)), float(explained[i]))
        believed[i] = min(level[i], second + settings.above)
    return believed


def news(before: Sequence[Shaking], now: Sequence[Shaking], settings: ShakingSettings) -> bool:
    """Say whether what has been felt has changed so much that it is worth telling.

    It is where strong shaking has grown by half a degree at a station, and when the second
    station has felt the S wave.
    """
    told = {s.station: s.intensity for s in before}
    if sum(s.has_s for s in before) < PAIR <= sum(s.has_s for s in now):
        return True
    return any(
        s.intensity >= settings.told_from and s.intensity >= told.get(s.station, 1.0) + NEWS
        for s in now
    )


def strong_pair(shaking: Iterable[Shaking]) -> bool:
    """Say whether two places shake so that no chance explains it: 4.0 at one, 2.5 at another."""
    strong = [s for s in shaking if s.intensity >= SECOND]
    return any(
        one.intensity >= FIRST
        and distance_azimuth(one.latitude, one.longitude, other.latitude, other.longitude)[0]
        > SAME_SITE_KM
        for one in strong
        for other in strong
    )


def carried(
    shaking: Sequence[Shaking],
    latitudes: NDArray[np.float64],
    longitudes: NDArray[np.float64],
    radius_km: float,
) -> NDArray[np.float64]:
    """Return the strongest that a station within a radius feels, for each place; 0 without one."""
    if not shaking:
        return np.zeros(latitudes.size)
    felt = np.array([(s.latitude, s.longitude, s.intensity) for s in shaking])
    stations = unit_vectors(felt[:, 0], felt[:, 1])
    return strongest_near(stations, felt[:, 2], unit_vectors(latitudes, longitudes), radius_km)


def shift(shaking: Sequence[Shaking], expected: NDArray[np.float64], magnitude: float) -> float:
    """Return by how much the formula is to be corrected for this event, in degrees.

    The mean of felt less expected over the stations that have felt S, drawn towards 0: a share
    of the formula's variance is common to an event, and with few stations their own prevails.

    Parameters
    ----------
    shaking
        What stations have felt.
    expected : float64[n]
        What the formula gives for each of them.
    magnitude
        Of the event: for small ones the formula may be further too high.
    """
    pairs = zip(shaking, expected.tolist(), strict=True)
    differences = [s.intensity - level for s, level in pairs if s.has_s]
    if not differences:
        return 0.0
    value = sum(differences) / (len(differences) + 1.0 / EVENT_SHARE - 1.0)
    lowered = SMALL_SHIFT if magnitude < SMALL else MOST_SHIFT
    return float(min(max(value, -lowered), MOST_SHIFT))
