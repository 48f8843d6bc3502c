"""The stage `locate`: picks and motion in, revisions of earthquakes out."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

import msgspec

from detect import detections, events
from detect.association import (
    BELONGS,
    LATER_S,
    MANY_PICKS,
    Candidate,
    Surroundings,
    compatible,
    event_id,
    explained,
    find_source,
)
from detect.detections import Motion, Pick
from detect.events import Earthquake, Status
from detect.evidence import DURATION_M7_S
from detect.geodesy import distance_azimuth
from detect.locate import Located
from detect.network import Network
from detect.plum import Plum, news, strong_pair
from detect.settings import DetectSettings
from detect.traveltimes import TravelTimes
from detect.trust import COMPANY_S, Trust
from stream.records import Output, Record
from stream.rejects import reject
from stream.topics import EVENTS, OBSERVATIONS

__all__ = ["LocateOperator"]

MAGNITUDE_STEP = 0.1  # smaller changes are not worth a revision, nor these shares of its sigma:
LARGER_SHARE, SMALLER_SHARE = 0.2, 0.5  # that it is larger must not wait
FEW_TO_MOVE = 3  # picks of an event whose place any more may change
FEW_PICKS = 6  # up to here every pick is worth a revision
PLACE_STEP_KM = 5.0
WEIGHED_US = 100_000  # an event of many picks is not weighed for amplitudes more often than this
NEARLY_SURE = 0.9  # from then on two places that shake confirm an event (decision 8)
SETTLING_S = 60.0  # after its first pick, for a provisional event to be seen by others
ASKED_S = 60.0  # after its first pick an event is asked again every second: motion and silence grow
MOST_TRIED = 12  # picks that begin an event; the others find it when it stands
YOUNG_S = 4.0  # a free pick is tried again, as its motion comes in
TWICE = math.log10(2.0)  # later only when it has grown by so much

ONE_EVENT_KM = 100.0  # events further apart, or later, are not asked whether they are one
ONE_EVENT_S = 40.0
EXPLAINED = 0.1  # density above which an onset is that of a known event and begins no other
ONE_ONSET_US = 1_000_000  # picks of one station, marked P and S, so close are one onset
TOO_STRONG = 3.0  # sigmas over the S wave of an event: what is stronger is of another
GAIN = 1.0  # of log odds, that the picks of another event must bring to be of this one
ABSENT = math.inf


class LocateOperator:
    """Folds the detections of a region into events.

    Each revision is written to `events`, and again to `observations` for those who watch for what
    earthquakes set off.

    Parameters
    ----------
    settings
        Of the whole room: region, locator, trust and magnitude.
    tables
        Travel times.
    """

    def __init__(self, settings: DetectSettings, tables: TravelTimes) -> None:
        locate = settings.locate
        keep_s = locate.event_life_s + locate.pick_life_s + settings.pick.follow_s
        self.memory = timedelta(seconds=2 * keep_s + settings.trust.window_s + COMPANY_S)
        self._settings = settings
        self._tables = tables
        self._network = Network(
            locate.stations_healthy_s, keep_s, settings.pick.follow_s, settings.trust.window_s
        )
        self._trust = Trust(settings.trust)
        self._plum = Plum()
        self._onsets: dict[str, list[Pick]] = {}
        self._active: dict[str, Candidate] = {}
        self._around = Surroundings(
            self._network, self._trust, self._onsets, self._active, settings, tables
        )
        self._pool: dict[str, Pick] = {}
        self._tried: dict[str, float] = {}
        self._ids: dict[str, int] = {}
        self._now_us = 0
        self._second = 0

    def process(self, batch: Sequence[Record]) -> list[Output]:
        """Fold the batch; see `stream.operator.Operator`."""
        outputs = []
        for record in batch:
            try:
                detection = detections.decode(record.value)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                outputs.append(reject(record, "not a detection", str(error)))
                continue
            problem = detections.impossible(detection, record.timestamp * 1000)
            if problem:
                outputs.append(reject(record, "impossible detection", problem))
                continue
            self._now_us = max(self._now_us, record.timestamp * 1000)
            for event in self._fold(detection):
                key, value = event.id.encode("ascii"), events.encode(event)
                outputs += [
                    Output(topic.name, key, value, record.offset, record.timestamp)
                    for topic in (EVENTS, OBSERVATIONS)
                ]
        return outputs

    def _fold(self, detection: detections.Detection) -> Iterator[Earthquake]:
        if isinstance(detection, Pick):
            if not self._knows(detection):
                self._network.picked(detection)
                if not set(detection.faults) - {"clipped"}:
                    yield from self._take(detection)
            return
        self._network.fold(detection, self._now_us)
        self._plum.fold(detection)
        if isinstance(detection, Motion):
            self._trust.heard((s.station for s in detection.stations), self._now_us)
            for station in detection.stations:
                self._trust.faulty(station.station, station.faults, self._now_us)
            yield from self._moved({s.station for s in detection.stations if s.since_picks})
        else:
            self._trust.heard(detection.stations, self._now_us)
            for name, places in detection.faults.items():
                for place in places:
                    self._trust.faulty(detection.stations[place], (name,), self._now_us)
        second = self._now_us // 1_000_000
        if second > self._second:  # counted from 1970, not from when the stage was started
            self._second = second
            yield from self._tick()

    def _moved(self, told: set[str]) -> Iterator[Earthquake]:
        """Take in the motion of stations that have picked."""
        for candidate in self._in_order():
            candidate.told.update(s for s in told if s in candidate.picks)
            many = len(candidate.picks) > MANY_PICKS
            if candidate.told and not (many and self._now_us - candidate.weighed_us < WEIGHED_US):
                candidate.weigh(self._now_us, self._around, candidate.told)
                yield from self._assess(candidate, "amplitudes")
        youngest = self._now_us - int(YOUNG_S * 1e6)
        again = {
            pick.id
            for station in told
            for pick in self._onsets.get(station, ())
            if pick.id in self._pool and (pick.time_us > youngest or self._has_grown(pick))
        }
        if not again:
            return
        for pick in list(self._pool.values()):
            if pick.id in again and pick.id in self._pool:
                yield from self._begin(pick)

    def _has_grown(self, pick: Pick) -> bool:
        """Say whether the motion since a free pick is twice what it was at the last try."""
        peak = self._network.peak(pick, self._now_us, own=True)
        tried = self._tried.get(pick.id)
        return peak is not None and tried is not None and peak[0] > tried + TWICE

    def _in_order(self) -> list[Candidate]:
        return [self._active[i] for i in sorted(self._active)]

    def _rivals(self, candidate: Candidate | None, time_us: int) -> list[Candidate]:
        """Return the events that may have made the picks of another: those better seen."""
        if candidate is None:
            return [c for c in self._in_order() if c.base_us <= time_us]
        seen = _standing(candidate)
        return [c for c in self._in_order() if c.id != candidate.id and _standing(c) < seen]

    def _tick(self) -> Iterator[Earthquake]:
        """Once a second of arrival: let go of the old, ask again whether the rest stands."""
        locate = self._settings.locate
        self._network.forget(self._now_us)
        self._trust.forget(self._now_us)
        self._plum.forget(self._now_us)
        self._share_shaking()
        oldest = self._now_us - int(locate.pick_life_s * 1e6)
        self._pool = {i: p for i, p in self._pool.items() if p.time_us >= oldest}
        self._tried = {i: peak for i, peak in self._tried.items() if i in self._pool}
        ago = self._now_us - int(locate.event_life_s * 1e6)
        self._ids = {i: t for i, t in self._ids.items() if t >= ago}
        for station, picks in list(self._onsets.items()):
            kept = [p for p in picks if self._now_us - p.time_us < locate.event_life_s * 1e6]
            if kept:
                self._onsets[station] = kept
            else:
                del self._onsets[station]
        for candidate in self._in_order():
            if candidate.id not in self._active:
                continue
            age_s = (self._now_us - candidate.origin_us) * 1e-6
            if age_s > locate.event_life_s:
                del self._active[candidate.id]
                if candidate.said is not None and candidate.said.status == "provisional":
                    yield self._say(candidate, "cancelled", "no further station saw it")
                continue
            since_s = (self._now_us - candidate.base_us) * 1e-6
            if candidate.stale or since_s < ASKED_S:
                self._relocate(candidate)
                yield from self._assess(candidate, "time passed")
                yield from self._merge(candidate)
            elif candidate.large:
                candidate.weigh(self._now_us, self._around)
                yield from self._assess(candidate, "time passed")
            elif candidate.told:
                candidate.weigh(self._now_us, self._around, candidate.told)
                yield from self._assess(candidate, "amplitudes")
            elif candidate.said is not None and self._shakes_anew(candidate):
                yield from self._assess(candidate, "shaking")
            if (
                since_s > SETTLING_S
                and candidate.id in self._active
                and candidate.said is not None
                and candidate.said.status == "provisional"
                and candidate.source.probability < locate.confirmed_probability
            ):
                self._let_go(candidate)
                yield self._say(candidate, "cancelled", "no further station saw it")

    def _share_shaking(self) -> None:
        """Give what stations feel to the events."""
        settings = self._settings.shaking
        sources = {c.id: c.shaker() for c in self._in_order()}
        for name, shaking in self._plum.share(sources, settings, self._tables).items():
            self._active[name].shaking = shaking

    def _shakes_anew(self, candidate: Candidate) -> bool:
        """Say whether what stations feel of an event is worth a revision."""
        before = () if candidate.said is None else candidate.said.shaking
        return news(before, candidate.shaking, self._settings.shaking)

    def _let_go(self, candidate: Candidate) -> None:
        """Give up an event; its picks are free for another."""
        del self._active[candidate.id]
        oldest = self._now_us - int(self._settings.locate.pick_life_s * 1e6)
        for pick in candidate.picks.values():
            if pick.time_us >= oldest:
                self._pool[pick.id] = pick

    def _free_id(self, picks: Sequence[Pick]) -> str | None:
        """Return the id of an event of these picks; None if all are of events that were."""
        for pick in picks:
            name = event_id(self._settings.region, pick)
            if name not in self._ids:
                return name
        return None

    def _relocate(self, candidate: Candidate) -> None:
        rivals = self._rivals(candidate, candidate.base_us)
        candidate.relocate(self._now_us, self._around, rivals)
        candidate.weigh(self._now_us, self._around)

    def _knows(self, pick: Pick) -> bool:
        """Say whether a pick has come before: a repeat is no S wave."""
        return any(p.id == pick.id for p in self._onsets.get(pick.station, ()))

    def _take(self, pick: Pick) -> Iterator[Earthquake]:
        """Give a pick to the event that it fits, and see whether it begins one."""
        locate = self._settings.locate
        if pick.phase == "P":
            self._trust.picked(pick, self._now_us)
        onsets = self._onsets.setdefault(pick.station, [])
        onsets.append(pick)
        onsets.sort(key=lambda p: (p.time_us, p.id))
        best: Candidate | None = None
        least = ABSENT
        best_as_s: Candidate | None = None
        least_as_s = ABSENT
        hidden = False
        for candidate in self._in_order():
            p_residual, s_residual = map(abs, candidate.residuals_s(pick, self._tables))
            tolerance = candidate.tolerance_s(locate.tolerance_s)
            if pick.station in candidate.picks:
                doubtful = candidate.belongs.get(pick.station, 0.0) < BELONGS
                if pick.phase == "P" and doubtful and p_residual <= min(tolerance, least):
                    best, least = candidate, p_residual
                    continue
                if s_residual <= tolerance and pick.id != candidate.picks[pick.station].id:
                    candidate.later.setdefault(pick.station, pick)
                hidden |= s_residual > tolerance
                after_s = (pick.time_us - candidate.picks[pick.station].time_us) * 1e-6
                candidate.stale |= 0.0 < after_s < LATER_S
            elif pick.phase == "P" and p_residual <= min(tolerance, least):
                best, least = candidate, p_residual
            elif s_residual <= min(tolerance, least_as_s):
                best_as_s, least_as_s = candidate, s_residual
        if best is None and best_as_s is not None:
            others = [c for c in self._in_order() if c.id != best_as_s.id]
            if explained(pick, self._now_us, self._around, others) <= EXPLAINED:
                if pick.phase == "P":
                    self._pool[pick.id] = pick  # it may be P of another as well
                    yield from self._begin(pick)
                    if pick.id not in self._pool:
                        return
                best = best_as_s
        if best is not None and self._too_strong(pick, best):
            best = None
        if best is None and pick.phase == "S" and not hidden:
            return
        if best is not None:
            best.picks[pick.station] = pick
            best.stale = len(best.picks) > MANY_PICKS
            if not best.stale:
                self._relocate(best)
            yield from self._assess(best, f"P at {pick.station}")
            yield from self._merge(best)
            return
        twins = [p for p in onsets if abs(p.time_us - pick.time_us) < ONE_ONSET_US]
        if max(twins, key=lambda p: (p.snr, p.id)).id != pick.id:
            return
        for twin in twins:
            self._pool.pop(twin.id, None)
        self._pool[pick.id] = pick
        yield from self._begin(pick)
        if pick.id in self._pool:
            yield from self._join(pick)
        for earlier in list(onsets):  # of which this may be S
            if earlier.id in self._pool and earlier.time_us < pick.time_us - ONE_ONSET_US:
                yield from self._begin(earlier)

    def _too_strong(self, pick: Pick, candidate: Candidate) -> bool:
        """Say whether an onset is far stronger than anything that an event should make there."""
        peak = self._network.peak(pick, self._now_us, own=True)
        accelerometer = self._network.accelerometer(pick.station)
        return peak is not None and candidate.over(pick, peak[0], accelerometer) > TOO_STRONG

    def _join(self, pick: Pick) -> Iterator[Earthquake]:
        """Give a free pick to an event of which it tells where it is.

        It does not fit where the event was thought to be; but where few have picked, that may be
        anywhere, and with it the event is more probable.
        """
        locate = self._settings.locate
        for candidate in self._in_order():
            picks = candidate.picks.values()
            if pick.phase != "P" or pick.station in candidate.picks or len(picks) > FEW_TO_MOVE:
                continue
            if not all(compatible(pick, other, locate.search_km) for other in picks):
                continue
            ordered = sorted([*picks, pick], key=_in_time)
            rivals = self._rivals(candidate, candidate.base_us)
            found = find_source(ordered, self._now_us, self._around, rivals)
            belongs = found.belongs[ordered.index(pick)]
            if belongs >= BELONGS and found.log_odds >= candidate.source.log_odds + GAIN:
                del self._pool[pick.id]
                candidate.picks[pick.station] = pick
                self._relocate(candidate)
                yield from self._assess(candidate, f"P at {pick.station}")
                yield from self._merge(candidate)
                return

    def _begin(self, pick: Pick) -> Iterator[Earthquake]:
        """Begin an event if the free picks make one that holds this pick probable."""
        locate = self._settings.locate
        peak = self._network.peak(pick, self._now_us, own=True)
        self._tried[pick.id] = -math.inf if peak is None else peak[0]
        rivals = self._rivals(None, pick.time_us)
        if explained(pick, self._now_us, self._around, rivals) > EXPLAINED:
            return
        others = [
            other
            for other in sorted(self._pool.values(), key=_in_time)
            if other.id == pick.id or compatible(pick, other, locate.max_spread_km)
        ]
        place = others.index(pick)
        later = {other.station for other in others[place:]}
        sooner = (other for other in others[:place] if other.station not in later)
        if self._too_many(sooner, rivals):
            return
        free = [
            other
            for other in others
            if other.id == pick.id
            or explained(other, self._now_us, self._around, rivals) <= EXPLAINED
        ]
        found: tuple[Located, list[Pick]] | None = None
        tried: list[dict[str, Pick]] = []
        for picks in (sorted(free, key=lambda p: -abs(p.time_us - pick.time_us)), free[::-1], free):
            chosen = {p.station: p for p in picks}  # the last of each station: nearest in time...
            if chosen in tried:
                continue
            tried.append(chosen)
            made = self._source_of(sorted(chosen.values(), key=_in_time), pick, rivals)
            if made is not None and (found is None or made[0].log_odds > found[0].log_odds):
                found = made
        if found is None or found[0].probability < locate.provisional_probability:
            return
        source, kept = found
        name = self._free_id(kept)
        if name is None:
            return
        candidate = Candidate(
            id=name,
            base_us=kept[0].time_us,
            picks={p.station: p for p in kept},
            source=source,
            created_us=self._now_us,
        )
        candidate.take(kept, source)
        if any(_same_rupture(c, candidate) for c in rivals):
            return
        for p in kept:
            self._pool.pop(p.id, None)
            self._take_back(p)
        candidate.weigh(self._now_us, self._around)
        self._active[candidate.id] = candidate
        self._ids[candidate.id] = candidate.base_us
        yield from self._assess(candidate, f"P at {len(kept)} stations")
        yield from self._merge(candidate)

    def _take_back(self, pick: Pick) -> None:
        """Take a pick from the event that had it as its S."""
        for candidate in self._in_order():
            held = candidate.picks.get(pick.station)
            if held is not None and held.id == pick.id:
                candidate.give_up(pick.station)

    def _too_many(self, sooner: Iterable[Pick], rivals: list[Candidate]) -> bool:
        """Say whether `MOST_TRIED` stations have free picks that are tried before another.

        In the coda of an earthquake within a dense network most picks come so late: without this
        all others would be weighed against all events first, for nothing.
        """
        stations: set[str] = set()
        for pick in sooner:
            if explained(pick, self._now_us, self._around, rivals) <= EXPLAINED:
                stations.add(pick.station)
                if len(stations) == MOST_TRIED:
                    return True
        return False

    def _source_of(
        self, picks: list[Pick], must: Pick, rivals: list[Candidate]
    ) -> tuple[Located, list[Pick]] | None:
        """Find the source of those of some picks, one a station, that belong together.

        None if a pick that must be among them is not, or too few are.
        """
        fewest = self._settings.locate.provisional_stations
        picks = picks[:MOST_TRIED]
        if must not in picks or self._places(picks) < fewest:
            return None
        source = find_source(picks, self._now_us, self._around, rivals, begins=True)
        as_p = [p for p, b in zip(picks, source.belongs, strict=True) if b >= BELONGS]
        belongs = [p + s for p, s in zip(source.belongs, source.belongs_as_s, strict=True)]
        kept = [p for p, b in zip(picks, belongs, strict=True) if b >= BELONGS]
        seen = self._places(kept)
        if must not in kept or not as_p or seen < fewest:
            return None
        if self._places(as_p) < fewest and seen < 2 * fewest:
            return None
        if len(kept) < len(picks):
            source = find_source(kept, self._now_us, self._around, rivals, begins=True)
        return source, kept

    def _places(self, picks: Sequence[Pick]) -> int:
        """Count independent places."""
        return len(set(self._trust.groups([(p.station, p.latitude, p.longitude) for p in picks])))

    def _assess(self, candidate: Candidate, reason: str) -> Iterator[Earthquake]:
        """Publish what is worth it, and let go of what is improbable."""
        locate = self._settings.locate
        said = candidate.said
        probability = candidate.source.probability
        if probability < locate.cancelled_probability:
            self._let_go(candidate)
            if said is not None:
                yield self._say(
                    candidate, "cancelled", f"{candidate.silent} stations should have seen it"
                )
            return
        stood = said is not None and said.status == "confirmed"
        confirmed = (
            stood
            or probability >= locate.sure_probability
            or (
                probability >= locate.confirmed_probability
                and candidate.sites(self._trust) >= locate.confirmed_stations
            )
            or (probability >= NEARLY_SURE and strong_pair(candidate.shaking))
        )
        status: Status = "confirmed" if confirmed else "provisional"
        if said is None or _differs(candidate, said, status) or self._shakes_anew(candidate):
            yield self._say(candidate, status, reason)

    def _say(self, candidate: Candidate, status: Status, reason: str) -> Earthquake:
        candidate.said = candidate.revision(
            status, reason, self._settings.region, self._now_us, self._tables
        )
        return candidate.said

    def _merge(self, candidate: Candidate) -> Iterator[Earthquake]:
        """Make one of two events if one source explains the picks of both better than two."""
        for other in self._in_order():
            if other.id == candidate.id or candidate.id not in self._active:
                continue
            apart_s = abs(candidate.origin_us - other.origin_us) * 1e-6
            if _apart_km(candidate, other) > ONE_EVENT_KM or apart_s > ONE_EVENT_S:
                continue
            keep, drop = sorted((candidate, other), key=_standing)
            ordered = self._as_one(keep, drop)
            if ordered is None:
                continue
            del self._active[drop.id]
            keep.picks = {p.station: p for p in ordered}
            if drop.said is not None:
                revision = self._say(drop, "superseded", f"is the event {keep.id}")
                yield msgspec.structs.replace(revision, superseded_by=keep.id)
            self._relocate(keep)
            yield from self._assess(keep, "two events were one")

    def _as_one(self, keep: Candidate, drop: Candidate) -> list[Pick] | None:
        """Return the picks of two events, if one source explains them better than two."""
        more = {s: p for s, p in drop.picks.items() if s not in keep.picks}
        if not more:
            return None
        rivals = [c for c in self._rivals(keep, keep.base_us) if c.id != drop.id]
        alone = sorted(keep.picks.values(), key=_in_time)
        apart = find_source(alone, self._now_us, self._around, rivals)
        ordered = sorted((keep.picks | more).values(), key=_in_time)
        one = find_source(ordered, self._now_us, self._around, rivals)
        if one.log_odds < apart.log_odds + max(drop.source.log_odds, GAIN):
            return None
        whole = Candidate(keep.id, ordered[0].time_us, keep.picks | more, one, keep.created_us)
        others = [
            pick
            for station, pick in drop.picks.items()
            if station in keep.picks and pick.id != keep.picks[station].id
        ]
        known = all(
            explained(pick, self._now_us, self._around, [whole]) > EXPLAINED for pick in others
        )
        return ordered if known else None


def _in_time(pick: Pick) -> tuple[int, str]:
    """Order picks."""
    return pick.time_us, pick.id


def _standing(candidate: Candidate) -> tuple[int, int, str]:
    """Order events: the better seen and the older first."""
    return -len(candidate.picks), candidate.created_us, candidate.id


def _same_rupture(large: Candidate, other: Candidate) -> bool:
    """Say whether an event may be a part of a large rupture that is still going on.

    Its length after Wells and Coppersmith (1994), subsurface, all kinds: log10 L = 0.59 M - 2.44.
    """
    if not large.large:
        return False
    length_km = 10.0 ** (0.59 * large.size - 2.44)
    lasts_s = 2.0 * DURATION_M7_S * 10.0 ** (0.5 * (large.size - 7.0)) + 5.0
    after_s = (other.origin_us - large.origin_us) * 1e-6
    return bool(after_s < lasts_s and _apart_km(large, other) < max(30.0, 1.5 * length_km))


def _apart_km(one: Candidate, other: Candidate) -> float:
    """Return the distance between two epicentres."""
    a, b = one.source, other.source
    return distance_azimuth(a.latitude, a.longitude, b.latitude, b.longitude)[0]


def _differs(candidate: Candidate, said: Earthquake, status: Status) -> bool:
    """Say whether the present state is worth a revision."""
    if status != said.status:
        return True
    picks = sum(a.phase == "P" for a in said.arrivals)
    if len(candidate.picks.keys() - candidate.as_s) != picks and picks < FEW_PICKS:
        return True
    magnitude = None if candidate.magnitude is None else candidate.magnitude.value
    if (magnitude is None) != (said.magnitude is None):
        return True
    if magnitude is not None and said.magnitude is not None:
        more = magnitude - said.magnitude
        share = LARGER_SHARE if more > 0.0 else SMALLER_SHARE
        grown = abs(more) >= max(MAGNITUDE_STEP, share * (said.magnitude_sigma or 0.0))
    else:
        grown = False
    moved_km, _ = distance_azimuth(
        candidate.source.latitude, candidate.source.longitude, said.latitude, said.longitude
    )
    return grown or moved_km >= PLACE_STEP_KM
