"""One event in the making: its picks, its source, and how the network agrees with it."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct, field

from detect.detections import Pick, StationMotion
from detect.events import Arrival, Earthquake, Status
from detect.geodesy import distance_azimuth
from detect.locate import Located, Observation, Silence, locate
from detect.magnitude import (
    Amplitude,
    Magnitude,
    combine,
    p_acceleration,
    p_velocity,
    station_magnitude,
)
from detect.network import Network, sites
from detect.settings import DetectSettings, LocateSettings
from detect.traveltimes import TravelTimes

__all__ = ["Candidate", "compatible", "event_id", "try_picks"]

SLOWEST_KM_S = 5.0  # apparent speed of P between two stations; slower pairs are no pair
PAIR_SLACK_S = 1.5
MOST_TRIED = 8  # picks that begin an event; the others find it when it stands
UNKNOWN_MAGNITUDE = 4.0  # what an event of which nothing is known would show
LARGE_MAGNITUDE = 5.5
STANDS_OUT = 5.0
SURE_PICKS, SURE_KM = 6, 60.0  # with so many picks the source moves no further than this
BEFORE_S = 30.0  # a station that picked this long before the origin may still be triggered


def event_id(region: str, pick: Pick) -> str:
    """Make the id of an event from its first pick."""
    seconds, micro = divmod(pick.time_us, 1_000_000)
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S")
    return f"{region}-{when}.{micro // 1000:03d}-{pick.station}"


def compatible(one: Pick, other: Pick, settings: LocateSettings) -> bool:
    """Say whether two picks of different stations can be the P wave of one source."""
    if one.station == other.station:
        return False
    distance, _ = distance_azimuth(one.latitude, one.longitude, other.latitude, other.longitude)
    apart_s = abs(one.time_us - other.time_us) * 1e-6
    return distance <= settings.max_spread_km and apart_s <= distance / SLOWEST_KM_S + PAIR_SLACK_S


def should_have_seen(station: StationMotion, distance_km: float, magnitude: float | None) -> bool:
    """Say whether the P wave of an event would have stood out at a station.

    P stands out at five times the motion of the station's last second, be it velocity or
    acceleration that its sensor tells.
    """
    size = UNKNOWN_MAGNITUDE if magnitude is None else magnitude
    if station.pgv > 0.0:
        return bool(10.0 ** p_velocity(size, distance_km) / 100.0 > STANDS_OUT * station.pgv)
    expected = 10.0 ** p_acceleration(size, distance_km) / 100.0
    return bool(expected > STANDS_OUT * station.pga > 0.0)


class Candidate(Struct):
    """An event in the making.

    Attributes
    ----------
    id
        See `event_id`.
    picks
        P picks by station.
    later
        S picks by station.
    source
        Where and when; seconds count from `base_us`.
    amplitudes, magnitude
        What the stations say by their motion, and what that comes to.
    silent, expected
        Stations that should have seen it and have not, and that should have and did.
    created_us
        Arrival time at which it began.
    said
        The newest revision that was published.
    stale
        Whether picks have come in since the source was found.
    """

    id: str
    base_us: int
    picks: dict[str, Pick]
    source: Located
    created_us: int
    later: dict[str, Pick] = field(default_factory=dict)
    amplitudes: dict[str, Amplitude] = field(default_factory=dict)
    magnitude: Magnitude | None = None
    silent: int = 0
    expected: int = 0
    said: Earthquake | None = None
    stale: bool = False

    @property
    def origin_us(self) -> int:
        """Origin time, us since 1970 UTC."""
        return self.base_us + round(self.source.origin_s * 1e6)

    @property
    def sites(self) -> int:
        """Places from which P was picked."""
        return sites((p.latitude, p.longitude) for p in self.picks.values())

    @property
    def silent_share(self) -> float:
        """Share of the stations within sight that have seen nothing."""
        return self.silent / max(1, self.silent + self.expected)

    @property
    def large(self) -> bool:
        """Whether its rupture may last for tens of seconds: confirmed, and M 5.5 or more."""
        said = self.said
        return (
            said is not None
            and said.status == "confirmed"
            and self.magnitude is not None
            and self.magnitude.value >= LARGE_MAGNITUDE
        )

    def distance_km(self, pick: Pick) -> float:
        """Epicentral distance of a pick's station."""
        s = self.source
        return distance_azimuth(s.latitude, s.longitude, pick.latitude, pick.longitude)[0]

    def residuals_s(self, pick: Pick, tables: TravelTimes) -> tuple[float, float]:
        """Return the time of a pick less that of P and of S at its station."""
        distance = self.distance_km(pick)
        after = (pick.time_us - self.origin_us) * 1e-6
        depth = self.source.depth_km
        return after - tables.p(distance, depth), after - tables.s(distance, depth)

    def tolerance_s(self, settings: LocateSettings) -> float:
        """Return how far a pick may be from its computed time: the source is not sure either."""
        return settings.tolerance_s + min(3.0, self.source.epicentre_sigma_km / 10.0)

    def relocate(
        self, network: Network, now_us: int, settings: LocateSettings, tables: TravelTimes
    ) -> None:
        """Find the source anew from the picks and from who is silent."""
        ordered = sorted(self.picks.values(), key=lambda p: (p.time_us, p.id))
        self.base_us = ordered[0].time_us
        self.stale = False
        around: tuple[float, float] | None = None
        if len(ordered) >= SURE_PICKS and self.source.epicentre_sigma_km < SURE_KM / 3:
            around = self.source.latitude, self.source.longitude
        self.source = _source(ordered, network, now_us, settings, tables, around)

    def weigh(
        self,
        network: Network,
        now_us: int,
        settings: DetectSettings,
        tables: TravelTimes,
        told: set[str] | None = None,
    ) -> None:
        """Find the magnitude anew, from the stations that told something; count who agrees."""
        depth = self.source.depth_km
        for station in sorted(self.picks) if told is None else sorted(told & self.picks.keys()):
            pick = self.picks[station]
            motion = network.motion(pick.id)
            if motion is None or "clipped" in network.faults(station):
                continue
            distance = self.distance_km(pick)
            s_minus_p = tables.s(distance, depth) - tables.p(distance, depth)
            say = station_magnitude(motion, distance, s_minus_p, settings.magnitude)
            if say is not None:
                self.amplitudes[station] = say
        said = [self.amplitudes[station] for station in sorted(self.amplitudes)]
        self.magnitude = combine(said, settings.magnitude)
        self._count(network, now_us, settings.locate, tables)

    def _count(
        self, network: Network, now_us: int, settings: LocateSettings, tables: TravelTimes
    ) -> None:
        magnitude = None if self.magnitude is None else self.magnitude.value
        source = self.source
        silent = []
        for station in network.watching(now_us, self.origin_us - int(BEFORE_S * 1e6)):
            distance, _ = distance_azimuth(
                source.latitude, source.longitude, station.latitude, station.longitude
            )
            due_s = tables.p(distance, source.depth_km) + settings.silent_after_s
            due = station.data_end_us > self.origin_us + due_s * 1e6
            if due and should_have_seen(station, distance, magnitude):
                silent.append((station.latitude, station.longitude))
        self.silent = sites(silent)
        self.expected = self.sites

    def revision(
        self, status: Status, reason: str, region: str, now_us: int, tables: TravelTimes
    ) -> Earthquake:
        """Put the present state into a revision; the first is number 0."""
        source = self.source
        arrivals = []
        for phase, picks in (("P", self.picks), ("S", self.later)):
            for station, pick in sorted(picks.items(), key=lambda item: item[1].time_us):
                distance, azimuth = distance_azimuth(
                    source.latitude, source.longitude, pick.latitude, pick.longitude
                )
                p_residual, s_residual = self.residuals_s(pick, tables)
                residual = p_residual if phase == "P" else s_residual
                arrivals.append(
                    Arrival(
                        pick_id=pick.id,
                        station=station,
                        phase="P" if phase == "P" else "S",
                        time_us=pick.time_us,
                        distance_km=round(distance, 2),
                        azimuth_deg=round(azimuth, 1),
                        residual_s=round(residual, 3),
                        weight=round(1.0 / (1.0 + residual**2), 3) if phase == "P" else 0.0,
                    )
                )
        magnitude = self.magnitude
        return Earthquake(
            id=self.id,
            revision=0 if self.said is None else self.said.revision + 1,
            status=status,
            region=region,
            updated_us=now_us,
            origin_time_us=self.origin_us,
            origin_time_sigma_s=round(source.origin_sigma_s, 2),
            latitude=round(source.latitude, 4),
            longitude=round(source.longitude, 4),
            epicentre_sigma_km=round(source.epicentre_sigma_km, 1),
            depth_km=source.depth_km,
            depth_sigma_km=round(source.depth_sigma_km, 1),
            magnitude=None if magnitude is None else round(magnitude.value, 2),
            magnitude_sigma=None if magnitude is None else round(magnitude.sigma, 2),
            magnitude_type="" if magnitude is None else magnitude.kind,
            magnitude_stations=0 if magnitude is None else magnitude.stations,
            magnitude_saturated=magnitude is not None and magnitude.saturated,
            azimuthal_gap_deg=round(_gap(arrivals), 1),
            silent_stations=self.silent,
            arrivals=tuple(arrivals),
            reason=reason,
        )

    def misfit_s(self) -> float:
        """Root mean square of the P residuals."""
        squares = [r * r for r in self.source.residuals_s]
        return math.sqrt(sum(squares) / len(squares))


def _gap(arrivals: Sequence[Arrival]) -> float:
    """Largest angle (degrees) at the epicentre without a station."""
    around = sorted({a.azimuth_deg for a in arrivals if a.phase == "P"})
    if len(around) < 2:
        return 360.0
    ends = [*around[1:], around[0] + 360.0]
    return max(end - begin for begin, end in zip(around, ends, strict=True))


def _source(
    ordered: Sequence[Pick],
    network: Network,
    now_us: int,
    settings: LocateSettings,
    tables: TravelTimes,
    around: tuple[float, float] | None = None,
) -> Located:
    """Locate picks, in order of time; near a place if one is given."""
    base_us = ordered[0].time_us
    observations = [
        Observation(
            p.latitude,
            p.longitude,
            (p.time_us - base_us) * 1e-6,
            math.hypot(settings.pick_sigma_s, p.uncertainty_s),
        )
        for p in ordered
    ]
    picked = {p.station for p in ordered}
    silences = [
        Silence(
            s.latitude,
            s.longitude,
            (s.data_end_us - base_us) * 1e-6 - settings.silent_after_s,
        )
        for s in network.watching(now_us, base_us - int(BEFORE_S * 1e6))
        if s.station not in picked
    ]
    if around is not None:
        return locate(observations, silences, around, settings, tables, within_km=SURE_KM)
    first = ordered[0].latitude, ordered[0].longitude
    return locate(observations, silences, first, settings, tables)


def try_picks(
    picks: Sequence[Pick],
    network: Network,
    now_us: int,
    settings: LocateSettings,
    tables: TravelTimes,
    needed: int,
) -> tuple[list[Pick], Located] | None:
    """Find the largest set of picks that one source explains, leaving out the worst.

    Parameters
    ----------
    picks
        One a station.
    needed
        Sites that must remain.

    Returns
    -------
    (picks, source) or None
        In order of time.
    """
    kept = sorted(picks, key=lambda p: (p.time_us, p.id))[:MOST_TRIED]
    while sites((p.latitude, p.longitude) for p in kept) >= needed:
        source = _source(kept, network, now_us, settings, tables)
        worst = max(range(len(kept)), key=lambda i: abs(source.residuals_s[i]))
        if abs(source.residuals_s[worst]) <= settings.tolerance_s / 2:
            return kept, source
        del kept[worst]
    return None
