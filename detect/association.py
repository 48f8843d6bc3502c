"""One event in the making: its picks, its source, and how the network agrees with it."""

import math
from collections.abc import Sequence

from msgspec import Struct, field

from detect.detections import Pick
from detect.events import Arrival, Earthquake, Status
from detect.geodesy import distance_azimuth
from detect.locate import Located, Observation, Silence, locate
from detect.magnitude import Magnitude, combine, station_magnitude
from detect.network import Network, sites
from detect.settings import DetectSettings, LocateSettings
from detect.traveltimes import TravelTimes

__all__ = ["Candidate", "compatible", "event_id", "try_picks"]

SLOWEST_KM_S = 5.0  # apparent speed of P between two stations; slower pairs are no pair
PAIR_SLACK_S = 1.5
DEFAULT_VISIBLE_KM = 60.0  # where the magnitude is not known yet
BEFORE_S = 30.0  # a station that picked this long before the origin may still be triggered


def event_id(region: str, pick: Pick) -> str:
    """Make the id of an event from its first pick."""
    from datetime import UTC, datetime

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


def visible_km(magnitude: float | None) -> float:
    """Distance within which every healthy station should see an event.

    ``log10 R = 0.35 M + 0.1``: M 4 to 30 km, M 5 to 70 km, M 7 to 350 km; what small sensors
    in towns see (docs/scores.md).
    """
    return DEFAULT_VISIBLE_KM if magnitude is None else 10 ** (0.35 * magnitude + 0.1)


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
    magnitude
        From the stations that have told their displacement.
    silent, expected
        Stations that should have seen it and have not, and that should have and did.
    created_us
        Arrival time at which it began.
    said
        The newest revision that was published.
    """

    id: str
    base_us: int
    picks: dict[str, Pick]
    source: Located
    created_us: int
    later: dict[str, Pick] = field(default_factory=dict)
    magnitude: Magnitude | None = None
    silent: int = 0
    expected: int = 0
    said: Earthquake | None = None

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
        self.source = _source(ordered, network, now_us, settings, tables)

    def weigh(
        self, network: Network, now_us: int, settings: DetectSettings, tables: TravelTimes
    ) -> None:
        """Find the magnitude anew, and count who agrees."""
        amplitudes = []
        depth = self.source.depth_km
        for station, pick in sorted(self.picks.items()):
            motion = network.motion(pick.id)
            if motion is None or "clipped" in network.faults(station):
                continue
            distance = self.distance_km(pick)
            s_minus_p = tables.s(distance, depth) - tables.p(distance, depth)
            say = station_magnitude(motion, distance, s_minus_p, settings.magnitude)
            if say is not None:
                amplitudes.append(say)
        self.magnitude = combine(amplitudes, settings.magnitude)
        self._count(network, now_us, settings.locate, tables)

    def _count(
        self, network: Network, now_us: int, settings: LocateSettings, tables: TravelTimes
    ) -> None:
        reach = visible_km(None if self.magnitude is None else self.magnitude.value)
        source = self.source
        silent = []
        for station in network.watching(now_us, self.origin_us - int(BEFORE_S * 1e6)):
            distance, _ = distance_azimuth(
                source.latitude, source.longitude, station.latitude, station.longitude
            )
            due_s = tables.p(distance, source.depth_km) + settings.silent_after_s
            if distance <= reach and station.data_end_us > self.origin_us + due_s * 1e6:
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
            magnitude_type="Mpd",
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
) -> Located:
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
    around = ordered[0].latitude, ordered[0].longitude
    return locate(observations, silences, around, settings, tables)


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
    kept = sorted(picks, key=lambda p: (p.time_us, p.id))
    while sites((p.latitude, p.longitude) for p in kept) >= needed:
        source = _source(kept, network, now_us, settings, tables)
        worst = max(range(len(kept)), key=lambda i: abs(source.residuals_s[i]))
        if abs(source.residuals_s[worst]) <= settings.tolerance_s / 2:
            return kept, source
        del kept[worst]
    return None
