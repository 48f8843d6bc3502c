"""How good a replay was, against the catalogue. All seconds are after the catalogue origin.

Rules
-----
- The final revision of an event decides: it matches if it stands (provisional or confirmed)
  within 100 km and 20 s of the catalogue. Of several that match, the one published first is
  *the* matched event. A superseded event counts as the one that it became.
- Every other published event is false, a cancelled one too, but for those that match as well
  or were superseded by one that does. Where the catalogue has several events, the first is the
  one to find, and to match any of them is not false.
- A false alert is a CAP message of type Alert for an event that does not match.
- Picks are counted over stations within 150 km whose data hold the predicted P (ak135): true
  with a P pick within 3 s of it, missed without one. False is every P pick, at any station,
  more than 3 s before the predicted P; foreshocks count here. Without a catalogue every pick
  is false.
- Where the catalogue has no depth, 10 km is assumed for the predicted times.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
from msgspec import Struct

from detect.events import Earthquake
from detect.geodesy import distance_azimuth
from detect.traveltimes import TravelTimes
from ingest.sources.archive import Recording
from replay.catalogue import Catalogue
from replay.session import Outcome

__all__ = [
    "ASSUMED_DEPTH_KM",
    "CatalogueScore",
    "PickScore",
    "Score",
    "WarningScore",
    "encode",
    "histories",
    "score",
]

MATCH_KM = 100.0
MATCH_S = 20.0
PICK_KM = 150.0
PICK_S = 3.0
ASSUMED_DEPTH_KM = 10.0
MAGNITUDE_TIMES_S = (5, 10, 15, 20, 30)
LATER_S = 10.0  # after confirmation the magnitude is looked at again
SIGMAS = (1.515, 2.448)  # of a circle that holds 68 % and 95 % of a normal distribution


class CatalogueScore(Struct, frozen=True, kw_only=True):
    """The catalogue's entry; time in ISO 8601."""

    time: str
    latitude: float
    longitude: float
    depth_km: float | None
    magnitude: float | None


class PickScore(Struct, frozen=True, kw_only=True):
    """Counts of P picks; see the rules of the module."""

    true: int
    false: int
    missed: int


class WarningScore(Struct, frozen=True, kw_only=True):
    """The first warning for a place: expected intensity, seconds until S arrives there."""

    place: str
    intensity: float
    lead_s: float


class Score(Struct, frozen=True, kw_only=True):
    """The measures of one folder.

    Attributes
    ----------
    folder
        Its name.
    catalogue
        None for a folder of noise.
    matched
        True if an event of the replay is the catalogue's.
    first_s, confirmed_s
        When the matched event was first published, and when first as confirmed.
    limit2_s, limit3_s, limit4_s
        When the packets with the predicted P of so many stations have arrived: from that
        many stations nothing can be known earlier. These are the nearest stations with data,
        unless a packet of one of them comes later than that of one further away. It is as
        good as the prediction: where the ground is faster than ak135, or the catalogue's
        origin is late, an event can be known before it.
    first_magnitude
        The first that was published; the first revision may have none yet.
    magnitude_at
        In force so many seconds after the origin; None before the first.
    location_error_first_km, location_error_final_km
        Of the epicentre, in the first and the last revision.
    origin_time_error_s
        Of the last revision, positive if late.
    confirmed_magnitude, later_magnitude
        When it was first confirmed, and 10 s later.
    location_error_confirmed_km
        Of the epicentre, when it was first confirmed.
    gap_deg
        Largest angle at the catalogue's epicentre without a station, of those within 150 km
        whose data hold P; up to 180 the source is inside the network.
    within_68, within_95
        Share of the matched event's revisions whose circle of 68 % and of 95 %, after the
        stated sigma, holds the catalogue's epicentre.
    false_before_p
        False events that were published before the first predicted P had arrived.
    false_events, false_alerts, picks
        See the rules of the module.
    station_hours
        Length of the data, summed over stations.
    warnings
        The first for each place, soonest first.
    wall_s, data_s
        How long the replay took, and how long any station has data.
    """

    folder: str
    catalogue: CatalogueScore | None
    matched: bool
    first_s: float | None
    confirmed_s: float | None
    limit2_s: float | None
    limit3_s: float | None
    limit4_s: float | None
    first_magnitude: float | None
    final_magnitude: float | None
    confirmed_magnitude: float | None
    later_magnitude: float | None
    magnitude_at: dict[str, float | None]
    location_error_first_km: float | None
    location_error_final_km: float | None
    location_error_confirmed_km: float | None
    gap_deg: float | None
    within_68: float | None
    within_95: float | None
    origin_time_error_s: float | None
    false_events: int
    false_before_p: int
    false_alerts: int
    station_hours: float
    picks: PickScore
    warnings: tuple[WarningScore, ...]
    wall_s: float
    data_s: float


def encode(scores: Iterable[Struct]) -> bytes:
    """JSON array, one object for each folder, numbers to a thousandth."""
    rounded = [_rounded(msgspec.to_builtins(one)) for one in scores]
    return msgspec.json.format(msgspec.json.encode(rounded), indent=2) + b"\n"


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {k: v if k in ("latitude", "longitude") else _rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value


def score(
    outcome: Outcome, recording: Recording, catalogue: Catalogue | None, times: TravelTimes
) -> Score:
    """Compare what a replay said with what happened.

    Parameters
    ----------
    outcome
        What was said.
    recording
        What it was said from: packets and station coordinates.
    catalogue
        What happened; None for noise.
    times
        Travel times; the published measure uses ak135.
    """
    by_id = histories(outcome.events)
    matching = set() if catalogue is None else _matching(by_id, catalogue)
    others = () if catalogue is None else catalogue.others
    right = matching.union(*(_matching(by_id, other) for other in others))
    standing = [by_id[n] for n in by_id if n in matching and by_id[n][-1].status != "superseded"]
    matched = standing[0] if standing else ()
    predicted = {} if catalogue is None else _predicted_p(recording, catalogue, times)
    arrived = _arrival_of_p(recording, predicted)
    alerts = [a.message for a in outcome.alerts if a.message.msg_type == "Alert"]

    def after_origin(time_us: float | None) -> float | None:
        return None if time_us is None or catalogue is None else (time_us - catalogue.time_us) / 1e6

    def misplaced(revision: Earthquake) -> float | None:
        return None if catalogue is None else _distance_km(revision, catalogue)

    limits = [after_origin(1000 * time_ms) for time_ms in sorted(arrived.values())]
    limits += [None] * 4
    first = matched[0] if matched else None
    final = matched[-1] if matched else None
    sure = next((e for e in matched if e.status == "confirmed"), None)
    errors = [(_distance_km(e, catalogue), e.epicentre_sigma_km) for e in matched if catalogue]
    false = [by_id[name][0].updated_us for name in by_id if name not in right]
    first_p_us = 1000 * min(arrived.values()) if arrived else None
    return Score(
        folder=outcome.folder,
        catalogue=None if catalogue is None else _catalogue_score(catalogue),
        matched=bool(matched),
        first_s=after_origin(first.updated_us) if first else None,
        confirmed_s=after_origin(sure.updated_us) if sure else None,
        limit2_s=limits[1],
        limit3_s=limits[2],
        limit4_s=limits[3],
        first_magnitude=next((e.magnitude for e in matched if e.magnitude is not None), None),
        final_magnitude=final.magnitude if final else None,
        confirmed_magnitude=sure.magnitude if sure else None,
        later_magnitude=_in_force(matched, sure.updated_us + LATER_S * 1e6) if sure else None,
        magnitude_at={
            str(seconds): None
            if catalogue is None
            else _in_force(matched, catalogue.time_us + seconds * 1e6)
            for seconds in MAGNITUDE_TIMES_S
        },
        location_error_first_km=misplaced(first) if first else None,
        location_error_final_km=misplaced(final) if final else None,
        location_error_confirmed_km=misplaced(sure) if sure else None,
        gap_deg=None if catalogue is None else _gap(recording, catalogue, set(arrived), predicted),
        within_68=_share(errors, SIGMAS[0]),
        within_95=_share(errors, SIGMAS[1]),
        origin_time_error_s=after_origin(final.origin_time_us) if final else None,
        false_events=len(false),
        false_before_p=sum(first_p_us is None or at_us < first_p_us for at_us in false),
        false_alerts=sum(message.event_id not in right for message in alerts),
        station_hours=outcome.station_hours,
        picks=_pick_score(outcome, catalogue, predicted, set(arrived)),
        warnings=_warning_scores(outcome, first.id) if first else (),
        wall_s=outcome.wall_s,
        data_s=outcome.data_s,
    )


def histories(events: Iterable[Earthquake]) -> dict[str, tuple[Earthquake, ...]]:
    """Revisions of each event in order, by id, in order of first publication."""
    grouped: dict[str, list[Earthquake]] = {}
    for event in events:
        grouped.setdefault(event.id, []).append(event)
    return {name: tuple(revisions) for name, revisions in grouped.items()}


def _matching(by_id: Mapping[str, tuple[Earthquake, ...]], catalogue: Catalogue) -> set[str]:
    """Find the events that are the catalogue's, and those superseded by one of them."""
    matching = set()
    for name, revisions in by_id.items():
        final = revisions[-1]
        seen = {name}
        while final.status == "superseded" and final.superseded_by in by_id.keys() - seen:
            seen.add(final.superseded_by)
            final = by_id[final.superseded_by][-1]
        near = _distance_km(final, catalogue) <= MATCH_KM
        soon = abs(final.origin_time_us - catalogue.time_us) <= MATCH_S * 1e6
        if final.status in ("provisional", "confirmed") and near and soon:
            matching.add(name)
    return matching


def _distance_km(event: Earthquake, catalogue: Catalogue) -> float:
    return float(
        distance_azimuth(event.latitude, event.longitude, catalogue.latitude, catalogue.longitude)[
            0
        ]
    )


def _in_force(matched: Iterable[Earthquake], time_us: float) -> float | None:
    """Magnitude in force at a time."""
    magnitude = None
    for revision in matched:
        if revision.updated_us <= time_us:
            magnitude = revision.magnitude
    return magnitude


def _share(errors: Sequence[tuple[float, float]], sigmas: float) -> float | None:
    """Share of errors within so many of their stated sigmas."""
    if not errors:
        return None
    return sum(error <= sigmas * sigma for error, sigma in errors) / len(errors)


def _gap(
    recording: Recording,
    catalogue: Catalogue,
    with_data: set[str],
    predicted: Mapping[str, tuple[float, int]],
) -> float:
    """Largest angle without a station within 150 km; 360 with fewer than two."""
    azimuths = sorted(
        distance_azimuth(
            catalogue.latitude, catalogue.longitude, station.latitude, station.longitude
        )[1]
        for name, station in recording.channels.stations.items()
        if name in with_data and predicted[name][0] <= PICK_KM
    )
    if len(azimuths) < 2:
        return 360.0
    return max(b - a for a, b in pairwise([*azimuths, azimuths[0] + 360.0]))


def _predicted_p(
    recording: Recording, catalogue: Catalogue, times: TravelTimes
) -> dict[str, tuple[float, int]]:
    """Distance (km) and predicted P (us) of each station with metadata."""
    depth = ASSUMED_DEPTH_KM if catalogue.depth_km is None else catalogue.depth_km
    predicted = {}
    for name, station in recording.channels.stations.items():
        distance = distance_azimuth(
            catalogue.latitude, catalogue.longitude, station.latitude, station.longitude
        )[0]
        predicted[name] = (distance, catalogue.time_us + round(times.p(distance, depth) * 1e6))
    return predicted


def _arrival_of_p(
    recording: Recording, predicted: Mapping[str, tuple[float, int]]
) -> dict[str, int]:
    """When the packet with the predicted P arrived (ms), for stations that have one."""
    arrived: dict[str, int] = {}
    for packet in recording.packets:
        if packet.station in predicted and packet.station not in arrived:
            _, p_us = predicted[packet.station]
            if packet.start_us <= p_us < packet.end_us:
                arrived[packet.station] = packet.arrival_ms
    return arrived


def _pick_score(
    outcome: Outcome,
    catalogue: Catalogue | None,
    predicted: Mapping[str, tuple[float, int]],
    with_data: set[str],
) -> PickScore:
    """Count P picks by the rules of the module."""
    if catalogue is None:
        return PickScore(true=0, false=len(outcome.picks), missed=0)
    found = set()
    false = 0
    for heard in outcome.picks:
        pick = heard.pick
        if pick.phase != "P":
            continue
        _, p_us = predicted[pick.station]
        late_s = (pick.time_us - p_us) / 1e6
        if late_s < -PICK_S:
            false += 1
        elif late_s <= PICK_S:
            found.add(pick.station)
    near = {name for name in with_data if predicted[name][0] <= PICK_KM}
    return PickScore(true=len(near & found), false=false, missed=len(near - found))


def _warning_scores(outcome: Outcome, event_id: str) -> tuple[WarningScore, ...]:
    """Take the first warning for each place, in order of lead time."""
    first: dict[int, WarningScore] = {}
    for alert in outcome.alerts:
        if alert.message.event_id == event_id:
            for place in alert.message.places:
                warning = WarningScore(
                    place=place.name, intensity=place.intensity, lead_s=place.lead_s
                )
                first.setdefault(place.geonameid, warning)
    return tuple(sorted(first.values(), key=lambda w: (w.lead_s, w.place)))


def _catalogue_score(catalogue: Catalogue) -> CatalogueScore:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=catalogue.time_us)
    return CatalogueScore(
        time=time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        latitude=catalogue.latitude,
        longitude=catalogue.longitude,
        depth_km=catalogue.depth_km,
        magnitude=catalogue.magnitude,
    )
