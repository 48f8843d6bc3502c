"""One event in the making: its picks, its source, and how the network agrees with it."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
from msgspec import Struct, field

from detect.coda import onsets_after, strong_enough
from detect.detections import Pick, PickMotion
from detect.events import Arrival, Earthquake, Shaking, Status
from detect.evidence import AMPLITUDE_SIGMA, s_amplitude
from detect.geodesy import distance_azimuth, distances_km
from detect.locate import MODEL_BIAS_KM, MOST_ONSETS, Located, Onset, Silent, locate
from detect.magnitude import Amplitude, Magnitude, along_line, combine, station_magnitude
from detect.network import Circle, Network
from detect.plum import Source
from detect.rupture import Felt, Rupture, find_rupture
from detect.settings import DetectSettings
from detect.traveltimes import TravelTimes
from detect.trust import Trust

__all__ = [
    "BELONGS",
    "LATER_S",
    "MANY_PICKS",
    "Candidate",
    "Surroundings",
    "compatible",
    "event_id",
    "explained",
    "find_source",
]

MANY_PICKS = 12
"""From here on one more pick or amplitude changes little: what costs time is done now and then."""

SLOWEST_KM_S = 5.0  # apparent speed of P between two stations; slower pairs are no pair
PAIR_SLACK_S = 1.5
MOST_SILENT = 24  # the nearest ones
NEAR_SHARE = 8.0  # of the distance within which they stand
LARGE_MAGNITUDE = 5.5
LEAST_RUPTURE_MAGNITUDE = 6.0  # 13 km long: below, a point is as good as a line
SURE_PICKS, SURE_KM = 6, 60.0  # with so many picks the source moves no further than this
LATER_S = 60.0  # onsets so long after P may be its S
S_AFTER_P_S = 0.7
JUST_PICKED_S = 30.0  # a station that has picked so long before, or later, may not see P
BELONGS = 0.5
LIKELY = 0.5  # probability from which an event takes over what stations feel

S_SHARE = 0.5
S_SPREAD_S = 1.0
S_SPREAD_SHARE = 0.06
PER_DECADE = 0.6  # of amplitude, up to that of S
WAVE_OUTLIERS = 0.003

NOISE_SLOPE = 2.0  # of the decadic logarithm of how many noise onsets exceed an amplitude
NOISE_FROM = 0.2  # log10 over the noise's peak in a second
NOISE_OUTLIERS = 0.05
OUTLIER_DECADES = 0.3
UNKNOWN_NOISE = 1.0  # log10 of onset over noise, where no noise was heard


def event_id(region: str, pick: Pick) -> str:
    """Make the id of an event from its first pick."""
    seconds, micro = divmod(pick.time_us, 1_000_000)
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S")
    return f"{region}-{when}.{micro // 1000:03d}-{pick.station}"


class Surroundings(Struct, frozen=True):
    """What an event is judged by, besides its own picks.

    Attributes
    ----------
    network, trust
        How the stations are, and how far they are believed.
    onsets
        All onsets of late, P or S, by station, in order of time.
    events
        All that are in the making, by id.
    settings, tables
        Of the room; travel times.
    """

    network: Network
    trust: Trust
    onsets: dict[str, list[Pick]]
    events: dict[str, "Candidate"]
    settings: DetectSettings
    tables: TravelTimes


def compatible(one: Pick, other: Pick, max_spread_km: float) -> bool:
    """Say whether two picks of different stations can be the P wave of one source."""
    if one.station == other.station:
        return False
    distance, _ = distance_azimuth(one.latitude, one.longitude, other.latitude, other.longitude)
    apart_s = abs(one.time_us - other.time_us) * 1e-6
    return distance <= max_spread_km and apart_s <= distance / SLOWEST_KM_S + PAIR_SLACK_S


class Candidate(Struct):
    """An event in the making.

    Attributes
    ----------
    id
        See `event_id`.
    base_us
        Time of its first pick: seconds of `source` count from here.
    picks
        P picks by station.
    source
        Where and when.
    created_us
        Arrival time at which it began.
    later
        S picks by station.
    amplitudes, magnitude
        What the stations say by their motion, and what that comes to.
    belongs
        Probability of each pick to be P or S of this source.
    as_s
        Stations whose pick is rather S: P was hidden there.
    silent
        Stations that should have seen it and have not.
    said
        The newest revision that was published.
    stale
        Whether something has come in since the source was found.
    told, weighed_us
        Stations that have told of their motion since it was weighed, and the arrival then.
    """

    id: str
    base_us: int
    picks: dict[str, Pick]
    source: Located
    created_us: int
    later: dict[str, Pick] = field(default_factory=dict)
    amplitudes: dict[str, Amplitude] = field(default_factory=dict)
    magnitude: Magnitude | None = None
    belongs: dict[str, float] = field(default_factory=dict)
    as_s: frozenset[str] = frozenset()
    silent: int = 0
    said: Earthquake | None = None
    stale: bool = False
    rupture: Rupture | None = None
    shaking: tuple[Shaking, ...] = ()
    told: set[str] = field(default_factory=set)
    weighed_us: int = 0

    @property
    def origin_us(self) -> int:
        """Origin time, us since 1970 UTC."""
        return self.base_us + round(self.source.origin_s * 1e6)

    @property
    def size(self) -> float:
        """Magnitude as known by now: the network's, or what the location took for it."""
        return self.source.magnitude if self.magnitude is None else self.magnitude.value

    @property
    def large(self) -> bool:
        """Whether its rupture may last for long: confirmed, and M 5.5 or more."""
        said = self.said
        return said is not None and said.status == "confirmed" and self.size >= LARGE_MAGNITUDE

    def sites(self, trust: Trust) -> int:
        """Count the independent places whose picks belong to it."""
        agreed = [
            (s, p.latitude, p.longitude)
            for s, p in sorted(self.picks.items())
            if self.belongs.get(s, 0.0) >= BELONGS
        ]
        return len(set(trust.groups(agreed)))

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

    def tolerance_s(self, tolerance_s: float) -> float:
        """Return how far a pick may be from its computed time: the source is not sure either."""
        return tolerance_s + min(3.0, self.source.epicentre_sigma_km / 10.0)

    def explains(
        self, pick: Pick, amplitude: float | None, accelerometer: bool, tables: TravelTimes
    ) -> float:
        """Density (1/s, and 1/decade where there is an amplitude) of its making an onset.

        As P where the station has none yet, as S, or as a part of the coda or an aftershock;
        hardly stronger than its S wave should be.

        Parameters
        ----------
        pick
            The onset.
        amplitude
            log10 of the peak since, in m/s2 or m/s.
        accelerometer
            Which of the two.
        tables
            Travel times.
        """
        p_residual, s_residual = self.residuals_s(pick, tables)
        s_minus_p = p_residual - s_residual
        sigma = math.hypot(0.5, self.source.origin_sigma_s)
        as_p = 0.0
        if pick.station not in self.picks:
            as_p = _student(p_residual / sigma) / sigma
        sigma = math.hypot(sigma, S_SPREAD_S + S_SPREAD_SHARE * s_minus_p)
        as_s = S_SHARE * _student(s_residual / sigma) / sigma
        sigma_km = self.source.epicentre_sigma_km
        size = max(self.size, self.source.magnitude)
        after = onsets_after(p_residual, s_minus_p, sigma_km, size)
        coda, coda_a_decade = strong_enough(after, pick.snr)
        if amplitude is None:
            return float(as_p + as_s + coda)
        over = self.over(pick, amplitude, accelerometer)
        weak = math.exp(-0.5 * over * over)
        wave = (as_p + as_s) * (PER_DECADE * weak + WAVE_OUTLIERS)
        return float(wave + coda_a_decade * weak)

    def over(self, pick: Pick, amplitude: float, accelerometer: bool) -> float:
        """Return by how many sigmas an amplitude is larger than that of its S wave; 0 or more."""
        size = max(self.size, self.source.magnitude)
        strongest = s_amplitude(accelerometer, size, self.distance_km(pick), self.source.depth_km)
        return max(amplitude - strongest, 0.0) / AMPLITUDE_SIGMA

    def relocate(self, now_us: int, around: Surroundings, rivals: Iterable["Candidate"]) -> None:
        """Find the source anew from all that is known by now.

        Parameters
        ----------
        now_us
            Newest arrival.
        around
            The stations.
        rivals
            Other events, which may have made its picks.
        """
        ordered = sorted(self.picks.values(), key=lambda p: (p.time_us, p.id))
        self.base_us = ordered[0].time_us
        self.stale = False
        near: tuple[float, float] | None = None
        if len(ordered) >= SURE_PICKS and self.source.epicentre_sigma_km < SURE_KM / 3:
            near = self.source.latitude, self.source.longitude
        self.take(ordered, find_source(ordered, now_us, around, rivals, near))

    def take(self, ordered: Sequence[Pick], source: Located) -> None:
        """Take over a source that was found from picks in this order."""
        self.source = source
        both = zip(ordered, source.belongs, source.belongs_as_s, strict=True)
        shares = [(pick.station, as_p, as_s) for pick, as_p, as_s in both]
        self.belongs = {station: as_p + as_s for station, as_p, as_s in shares}
        self.as_s = frozenset(station for station, as_p, as_s in shares if as_s > as_p)
        self.silent = round(sum(source.missing))

    def give_up(self, station: str) -> None:
        """Let go of a station's pick, and of all that was made of it."""
        del self.picks[station]
        self.belongs.pop(station, None)
        self.amplitudes.pop(station, None)
        self.as_s -= {station}
        self.stale = True

    def weigh(self, now_us: int, around: Surroundings, told: set[str] | None = None) -> None:
        """Find the magnitude anew, from the stations that told something, or from all."""
        settings, tables = around.settings.magnitude, around.tables
        self.told = set()
        self.weighed_us = now_us
        if told is None:
            self.amplitudes = {}  # said for other places
        places, sure_km = self._places()
        for station in sorted(self.picks) if told is None else sorted(told & self.picks.keys()):
            pick = self.picks[station]
            motions = self._motions(pick, around)
            if around.network.drowned(pick):
                self.amplitudes.pop(station, None)
                continue
            if not motions:
                continue
            as_s = station in self.as_s
            if as_s:
                motions = [msgspec.structs.replace(motions[-1], pd_m=())]
            distance = np.array(
                [distance_azimuth(*p[:2], pick.latitude, pick.longitude)[0] for p in places]
            )
            s_minus_p = [
                0.0 if as_s else tables.s(d, p[2]) - tables.p(d, p[2])
                for d, p in zip(distance.tolist(), places, strict=True)
            ]
            say = station_magnitude(
                motions,
                distance,
                np.array(s_minus_p),
                settings,
                distance_sigma_km=sure_km,
            )
            if say is not None:
                self.amplitudes[station] = say
        stations = sorted(self.amplitudes)
        said = [self.amplitudes[station] for station in stations]
        weights = [
            around.trust.weight(station, now_us) * self.belongs.get(station, 1.0)
            for station in stations
        ]
        self.magnitude = combine(said, settings, weights)
        if told is None:
            self._find_rupture(now_us, around)
        if self.magnitude is not None and self.rupture is not None:
            self.magnitude = along_line(self.magnitude, self.rupture)

    def _motions(self, pick: Pick, around: Surroundings) -> Sequence[PickMotion]:
        """Return how the motion since a pick grew, until a larger event reached its station."""
        motions = around.network.grown(pick.id)
        end_us = ends_us(pick, around)
        if end_us is None:
            return motions
        return [m for m in motions if m.elapsed_s <= (end_us - pick.time_us) * 1e-6]

    def _places(self) -> tuple[tuple[tuple[float, float, float], ...], float]:
        """Return where the source may be, and how sure each place is (km)."""
        source = self.source
        if source.places:
            return source.places, MODEL_BIAS_KM
        here = source.latitude, source.longitude, source.depth_km
        return (here,), source.epicentre_sigma_km

    def _find_rupture(self, now_us: int, around: Surroundings) -> None:
        """See whether a line explains better than a point what the stations feel."""
        if self.magnitude is None or self.magnitude.value < LEAST_RUPTURE_MAGNITUDE:
            return
        felt = []
        for station in sorted(self.amplitudes):
            pick = self.picks[station]
            motions = self._motions(pick, around)
            if not motions or not self.amplitudes[station].is_s:
                continue
            motion = motions[-1]
            end_s = (pick.time_us - self.origin_us) * 1e-6 + motion.elapsed_s
            s_s = around.tables.s(self.distance_km(pick), self.source.depth_km)
            if motion.pgv > 0.0 and end_s > s_s:
                felt.append(Felt(pick.latitude, pick.longitude, end_s, end_s - s_s, motion.pgv))
        source = self.source
        found = find_rupture(
            source.latitude,
            source.longitude,
            source.depth_km,
            (now_us - self.origin_us) * 1e-6,
            felt,
            around.settings.magnitude,
        )
        if found is not None:
            self.rupture = found

    def shaker(self) -> Source:
        """Return the event as far as it shakes the ground."""
        source = self.source
        epicentre = source.latitude, source.longitude
        return Source(
            self.origin_us,
            *epicentre,
            source.depth_km,
            None if self.magnitude is None else self.magnitude.value,
            (epicentre,) if self.rupture is None else self.rupture.line,
        )

    def revision(
        self, status: Status, reason: str, region: str, now_us: int, tables: TravelTimes
    ) -> Earthquake:
        """Put the present state into a revision; the first is number 0."""
        source = self.source
        arrivals = []
        as_p = {s: p for s, p in self.picks.items() if s not in self.as_s}
        as_s = self.later | {s: p for s, p in self.picks.items() if s in self.as_s}
        for phase, picks in (("P", as_p), ("S", as_s)):
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
                        weight=round(self.belongs.get(station, 0.0), 3) if phase == "P" else 0.0,
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
            depth_km=round(source.depth_km, 1),
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
            rupture=() if self.rupture is None else self.rupture.line,
            shaking=self.shaking,
        )


def _student(z: float) -> float:
    """Density of Student's t with 3 degrees of freedom."""
    return 2.0 / (math.pi * math.sqrt(3.0)) / (1.0 + z * z / 3.0) ** 2


def _gap(arrivals: Sequence[Arrival]) -> float:
    """Largest angle (degrees) at the epicentre without a station."""
    around = sorted({a.azimuth_deg for a in arrivals if a.phase == "P"})
    if len(around) < 2:
        return 360.0
    ends = [*around[1:], around[0] + 360.0]
    return max(end - begin for begin, end in zip(around, ends, strict=True))


def find_source(
    ordered: Sequence[Pick],
    now_us: int,
    around: Surroundings,
    rivals: Iterable[Candidate],
    near: tuple[float, float] | None = None,
    *,
    begins: bool = False,
) -> Located:
    """Locate picks, in order of time; near a place if one is given.

    Parameters
    ----------
    ordered
        One a station.
    now_us
        Newest arrival.
    around
        The stations.
    rivals
        Events that may have made the picks.
    near
        Latitude and longitude of the middle of a narrower search.
    begins
        Whether the picks are not yet those of an event: what a station has seen since its next
        pick may then be of another.
    """
    base_us = ordered[0].time_us
    middle = near or (ordered[0].latitude, ordered[0].longitude)
    rivals = list(rivals)
    shares = around.trust.shares([(p.station, p.latitude, p.longitude) for p in ordered])
    onsets = [
        _onset(pick, share, base_us, now_us, around, rivals, begins)
        for pick, share in zip(ordered[:MOST_ONSETS], shares, strict=False)
    ]
    onsets += [_time_alone(pick, base_us) for pick in ordered[MOST_ONSETS:]]
    silent = _silent(middle, {p.station for p in ordered}, base_us, now_us, around)
    within_km = None if near is None else SURE_KM
    return locate(
        onsets,
        silent,
        middle,
        around.settings.locate,
        around.tables,
        within_km=within_km,
        thorough=bool(rivals) and near is None,
    )


def ends_us(pick: Pick, around: Surroundings) -> int | None:
    """Return when what a station feels since a pick is no more of its event, but of a larger one.

    That is when P of the larger one came there, or should have; None while there is none.
    """
    station = pick.station
    events = around.events.values()
    held = [e for e in events if station in e.picks and e.picks[station].id == pick.id]
    if not held:
        return None
    ends: list[int] = []
    for event in events:
        if event.size <= held[0].size or event.source.probability < LIKELY:
            continue
        distance = event.distance_km(pick)
        due_us = event.origin_us + round(around.tables.p(distance, event.source.depth_km) * 1e6)
        if station in event.picks and event.belongs.get(station, 0.0) >= BELONGS:
            due_us = event.picks[station].time_us
        if due_us > pick.time_us:
            ends.append(due_us)
    return min(ends, default=None)


def explained(pick: Pick, now_us: int, around: Surroundings, rivals: Iterable[Candidate]) -> float:
    """Density (1/s, and 1/decade where there is an amplitude) of events' making an onset."""
    accelerometer = around.network.accelerometer(pick.station)
    peak = around.network.peak(pick, now_us, own=True)
    amplitude = None if peak is None else peak[0]
    return sum(r.explains(pick, amplitude, accelerometer, around.tables) for r in rivals)


def _onset(
    pick: Pick,
    share: float,
    base_us: int,
    now_us: int,
    around: Surroundings,
    rivals: Sequence[Candidate],
    begins: bool,
) -> Onset:
    """Put together what is known of a pick by now."""
    network, trust = around.network, around.trust
    accelerometer = network.accelerometer(pick.station)
    # A clipped peak is too low, but tells noise and far earthquakes from near ones all the same.
    end_us = ends_us(pick, around)
    own = begins or end_us is not None
    amplitude, elapsed_s = network.peak(pick, now_us, own=own) or (None, 0.0)
    noise = network.noise(pick, now_us)
    if noise is None:
        noise = (-3.0 if amplitude is None else amplitude) - UNKNOWN_NOISE
    other = trust.false_rate(pick, now_us)
    if amplitude is not None:
        other *= _noise_density(amplitude - noise)
    other += explained(pick, now_us, around, rivals)
    later = [
        (p.time_us - base_us) * 1e-6
        for p in around.onsets.get(pick.station, ())
        if S_AFTER_P_S <= (p.time_us - pick.time_us) * 1e-6 <= LATER_S
        and (end_us is None or p.time_us < end_us)
    ]
    return Onset(
        latitude=pick.latitude,
        longitude=pick.longitude,
        time_s=(pick.time_us - base_us) * 1e-6,
        sigma_s=math.hypot(around.settings.locate.pick_sigma_s, pick.uncertainty_s),
        later_s=tuple(later),
        other=other,
        trust=trust.weight(pick.station, now_us),
        share=share,
        log_amplitude=amplitude,
        accelerometer=accelerometer,
        elapsed_s=elapsed_s,
        half_grown_s=None if amplitude is None else network.half_grown_s(pick, amplitude),
        log_noise=noise,
    )


def _time_alone(pick: Pick, base_us: int) -> Onset:
    """Put together what counts of a pick that comes after those that are searched with."""
    return Onset(
        latitude=pick.latitude,
        longitude=pick.longitude,
        time_s=(pick.time_us - base_us) * 1e-6,
        sigma_s=pick.uncertainty_s,
        other=math.nan,
        accelerometer=False,
        log_noise=math.nan,
    )


def _noise_density(over: float) -> float:
    """Density (1/decade) of the amplitude of a noise onset: log10 over the noise's peak."""
    slope = NOISE_SLOPE * math.log(10.0)
    regular = slope * 10.0 ** (-NOISE_SLOPE * max(over - NOISE_FROM, 0.0))
    return float((1.0 - NOISE_OUTLIERS) * regular + NOISE_OUTLIERS * OUTLIER_DECADES)


def _silent(
    middle: tuple[float, float],
    picked: set[str],
    base_us: int,
    now_us: int,
    around: Surroundings,
) -> list[Silent]:
    """Return the nearest healthy stations without a pick of the event."""
    network, trust = around.network, around.trust
    since_us = base_us - int(JUST_PICKED_S * 1e6)
    most = MOST_SILENT + len(picked)
    farthest_km = 2.0 * around.settings.locate.search_km
    # In a dense network the nearest stand close by: not all of a thousand are put in order.
    for reach_km in (farthest_km / NEAR_SHARE, farthest_km):
        there = network.watching(now_us, since_us, Circle(*middle, reach_km))
        distance = distances_km(*middle, there.latitude, there.longitude)
        if int((distance <= reach_km).sum()) >= most:
            break
    chosen = [
        i
        for i in distance.argsort(kind="stable")[:most].tolist()
        if not math.isnan(there.log_noise[i]) and network.name(int(there.numbers[i])) not in picked
    ][:MOST_SILENT]
    places = [
        (network.name(int(there.numbers[i])), float(there.latitude[i]), float(there.longitude[i]))
        for i in chosen
    ]
    shares = trust.shares(places)
    found = []
    for i, share, (station, latitude, longitude) in zip(chosen, shares, places, strict=True):
        found.append(
            Silent(
                latitude=latitude,
                longitude=longitude,
                until_s=(int(there.data_end_us[i]) - base_us) * 1e-6,
                trust=trust.weight(station, now_us),
                share=share,
                accelerometer=bool(there.accelerometer[i]),
                log_noise=float(there.log_noise[i]),
            )
        )
    return found
