"""The stage `locate`: picks and motion in, revisions of earthquakes out."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec

from detect import detections, events
from detect.association import Candidate, compatible, event_id, try_picks
from detect.detections import Pick
from detect.events import Earthquake, Status
from detect.geodesy import distance_azimuth
from detect.network import Network, sites
from detect.settings import DetectSettings
from detect.traveltimes import TravelTimes
from stream.records import Output, Record
from stream.rejects import reject
from stream.topics import EVENTS

__all__ = ["LocateOperator"]

MAGNITUDE_STEP = 0.1  # or half of its sigma: smaller changes are not worth a revision
FEW_PICKS = 6  # up to here every pick is worth a revision
PLACE_STEP_KM = 5.0
MANY_PICKS = 12  # from here on one more pick changes little: relocated once a second
SETTLING_S = 20.0  # after its first pick an event is asked again every second, as silence grows
MAX_MISFIT_S = 1.5  # an event whose P times fit worse is not confirmed

SAME_EVENT_KM = 60.0
SAME_EVENT_S = 6.0
ABSENT = float("inf")
CODA_S = 60.0  # after P: picks of an event's own later waves
LONG_CODA_S = 180.0  # of a large one
ELSEWHERE_KM = 100.0  # a second event in a large one's coda begins further away than this


class LocateOperator:
    """Folds the detections of a region into events.

    Parameters
    ----------
    settings
        Of the whole room: region, locator and magnitude.
    tables
        Travel times.
    """

    def __init__(self, settings: DetectSettings, tables: TravelTimes) -> None:
        locate = settings.locate
        keep_s = locate.event_life_s + locate.pick_life_s + settings.pick.follow_s
        self.memory = timedelta(seconds=2 * keep_s)
        self._settings = settings
        self._tables = tables
        self._network = Network(locate.stations_healthy_s, keep_s)
        self._pool: dict[str, Pick] = {}
        self._active: dict[str, Candidate] = {}
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
            outputs.extend(
                Output(
                    EVENTS.name,
                    event.id.encode("ascii"),
                    events.encode(event),
                    record.offset,
                    record.timestamp,
                )
                for event in self._fold(detection)
            )
        return outputs

    def _fold(self, detection: detections.Detection) -> Iterator[Earthquake]:
        if isinstance(detection, Pick):
            self._network.picked(detection)
            if not set(detection.faults) - {"clipped"}:
                yield from self._take(detection)
            return
        self._network.fold(detection, self._now_us)
        told = {s.station for s in detection.stations if s.since_picks}
        for candidate in self._in_order():
            if told & candidate.picks.keys():
                yield from self._assess(candidate, "amplitudes", told)
        second = self._now_us // 1_000_000
        if second > self._second:  # counted from 1970, not from when the stage was started
            self._second = second
            yield from self._tick()

    def _in_order(self) -> list[Candidate]:
        return [self._active[i] for i in sorted(self._active)]

    def _tick(self) -> Iterator[Earthquake]:
        """Once a second of arrival: let go of the old, ask again whether the rest stands."""
        locate = self._settings.locate
        self._network.forget(self._now_us)
        oldest = self._now_us - int(locate.pick_life_s * 1e6)
        self._pool = {i: p for i, p in self._pool.items() if p.time_us >= oldest}
        for candidate in self._in_order():
            age_s = (self._now_us - candidate.origin_us) * 1e-6
            if age_s > locate.event_life_s:
                del self._active[candidate.id]
                continue
            if (self._now_us - candidate.base_us) * 1e-6 < SETTLING_S or candidate.stale:
                if candidate.stale or len(candidate.picks) <= FEW_PICKS:
                    candidate.relocate(self._network, self._now_us, locate, self._tables)
                yield from self._assess(candidate, "time passed")
            elif candidate.said is not None and candidate.said.status == "provisional":
                del self._active[candidate.id]
                yield self._say(candidate, "cancelled", "no further station saw it")

    def _take(self, pick: Pick) -> Iterator[Earthquake]:
        """Give a pick to the event that it fits, or see whether it begins one."""
        locate = self._settings.locate
        if pick.phase == "S":
            for candidate in self._in_order():
                _, s_residual = candidate.residuals_s(pick, self._tables)
                fits = abs(s_residual) <= candidate.tolerance_s(locate)
                if fits and pick.station in candidate.picks:
                    candidate.later.setdefault(pick.station, pick)
            return
        if self._knows(pick):
            return
        best: Candidate | None = None
        least = ABSENT
        for candidate in self._in_order():
            p_residual, s_residual = candidate.residuals_s(pick, self._tables)
            tolerance = candidate.tolerance_s(locate)
            if pick.station not in candidate.picks and abs(p_residual) <= tolerance:
                if abs(p_residual) < least:
                    best, least = candidate, abs(p_residual)
            elif abs(s_residual) <= tolerance:
                candidate.later.setdefault(pick.station, pick)
                return
        if best is not None:
            best.picks[pick.station] = pick
            best.stale = len(best.picks) > MANY_PICKS
            if not best.stale:
                best.relocate(self._network, self._now_us, locate, self._tables)
            yield from self._assess(best, f"P at {pick.station}")
            yield from self._merge(best)
            return
        self._pool[pick.id] = pick
        yield from self._begin(pick)

    def _knows(self, pick: Pick) -> bool:
        """Say whether a pick has come before: a repeat is no S wave."""
        return pick.id in self._pool or any(
            known is not None and known.id == pick.id
            for candidate in self._active.values()
            for known in (candidate.picks.get(pick.station), candidate.later.get(pick.station))
        )

    def _in_coda(self, pick: Pick) -> list[Candidate]:
        """Return the events of which a pick may be a later wave."""
        found = []
        for candidate in self._in_order():
            p_residual, s_residual = candidate.residuals_s(pick, self._tables)
            s_minus_p = p_residual - s_residual
            lasts = max(3 * s_minus_p + 20.0, LONG_CODA_S if candidate.large else CODA_S)
            if -candidate.tolerance_s(self._settings.locate) < p_residual < lasts:
                found.append(candidate)
        return found

    def _begin(self, pick: Pick) -> Iterator[Earthquake]:
        """Begin an event if the free picks allow one that holds this pick.

        In the coda of another event it takes more stations; in that of a large one, whose
        rupture goes on sending waves, it must also lie elsewhere.
        """
        locate = self._settings.locate
        partners: dict[str, Pick] = {}
        for other in sorted(self._pool.values(), key=lambda p: (p.time_us, p.id)):
            if compatible(pick, other, locate):
                partners.setdefault(other.station, other)
        before = self._in_coda(pick)
        needed = locate.provisional_stations
        if any(candidate.large for candidate in before):
            needed = 2 * locate.confirmed_stations
        elif before:
            needed = locate.confirmed_stations + 1
        picks = [pick, *partners.values()]
        if sites((p.latitude, p.longitude) for p in picks) < needed:
            return
        found = try_picks(picks, self._network, self._now_us, locate, self._tables, needed)
        if found is None or pick not in found[0]:
            return
        used, source = found
        candidate = Candidate(
            id=event_id(self._settings.region, used[0]),
            base_us=used[0].time_us,
            picks={p.station: p for p in used},
            source=source,
            created_us=self._now_us,
        )
        if any(c.large and _apart_km(c, candidate) < ELSEWHERE_KM for c in before):
            return
        candidate.weigh(self._network, self._now_us, self._settings, self._tables)
        if candidate.silent_share > locate.max_silent_share:
            return
        for p in used:
            self._pool.pop(p.id, None)
        self._active[candidate.id] = candidate
        yield from self._assess(candidate, f"P at {len(used)} stations")
        yield from self._merge(candidate)

    def _assess(
        self, candidate: Candidate, reason: str, told: set[str] | None = None
    ) -> Iterator[Earthquake]:
        """Weigh an event anew; publish what is worth it."""
        locate = self._settings.locate
        candidate.weigh(self._network, self._now_us, self._settings, self._tables, told)
        said = candidate.said
        stood = said is not None and said.status == "confirmed"
        most = locate.max_silent_share_confirmed if stood else locate.max_silent_share
        if candidate.silent_share > most:
            del self._active[candidate.id]
            if said is not None:
                yield self._say(
                    candidate, "cancelled", f"{candidate.silent} stations should have seen it"
                )
            return
        confirmed = (
            candidate.sites >= locate.confirmed_stations and candidate.misfit_s() <= MAX_MISFIT_S
        )
        confirmed = confirmed or stood
        status: Status = "confirmed" if confirmed else "provisional"
        if said is None or _differs(candidate, said, status):
            yield self._say(candidate, status, reason)

    def _say(self, candidate: Candidate, status: Status, reason: str) -> Earthquake:
        candidate.said = candidate.revision(
            status, reason, self._settings.region, self._now_us, self._tables
        )
        return candidate.said

    def _merge(self, candidate: Candidate) -> Iterator[Earthquake]:
        """Where two events turn out to be one, the one with fewer picks gives its picks up."""
        for other in self._in_order():
            if other.id == candidate.id or candidate.id not in self._active:
                continue
            apart_s = abs(candidate.origin_us - other.origin_us) * 1e-6
            if _apart_km(candidate, other) > SAME_EVENT_KM or apart_s > SAME_EVENT_S:
                continue
            keep, drop = sorted(
                (candidate, other), key=lambda c: (-len(c.picks), c.created_us, c.id)
            )
            del self._active[drop.id]
            for station, pick in drop.picks.items():
                keep.picks.setdefault(station, pick)
            if drop.said is not None:
                revision = self._say(drop, "superseded", f"is the event {keep.id}")
                yield msgspec.structs.replace(revision, superseded_by=keep.id)
            keep.relocate(self._network, self._now_us, self._settings.locate, self._tables)
            yield from self._assess(keep, "two events were one")


def _apart_km(one: Candidate, other: Candidate) -> float:
    """Return the distance between two epicentres."""
    a, b = one.source, other.source
    return distance_azimuth(a.latitude, a.longitude, b.latitude, b.longitude)[0]


def _differs(candidate: Candidate, said: Earthquake, status: Status) -> bool:
    """Say whether the present state is worth a revision."""
    if status != said.status:
        return True
    picks = sum(a.phase == "P" for a in said.arrivals)
    if len(candidate.picks) != picks and picks < FEW_PICKS:
        return True
    magnitude = None if candidate.magnitude is None else candidate.magnitude.value
    if (magnitude is None) != (said.magnitude is None):
        return True
    if magnitude is not None and said.magnitude is not None:
        step = max(MAGNITUDE_STEP, 0.5 * (said.magnitude_sigma or 0.0))
        grown = abs(magnitude - said.magnitude) >= step
    else:
        grown = False
    moved_km, _ = distance_azimuth(
        candidate.source.latitude, candidate.source.longitude, said.latitude, said.longitude
    )
    return grown or moved_km >= PLACE_STEP_KM
