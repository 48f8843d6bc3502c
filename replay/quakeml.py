"""The events of a replay as QuakeML 1.2, with every revision kept.

One QuakeML event for each event; in it the picks, and for each revision an origin with its
arrivals and a magnitude. The last revision is the preferred one. All public ids are functions
of what they name, so the same replay gives the same bytes.
"""

import math
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from detect.detections import Pick
from detect.events import Earthquake
from detect.geodesy import EARTH_RADIUS_KM
from replay.score import histories
from replay.session import Outcome

__all__ = ["encode"]

_KM_PER_DEGREE = math.radians(EARTH_RADIUS_KM)
_EVALUATION = {
    "provisional": "preliminary",
    "confirmed": "confirmed",
    "cancelled": "rejected",
    "superseded": "rejected",
}
_EVENT_TYPE = {
    "provisional": "earthquake",
    "confirmed": "earthquake",
    "cancelled": "not existing",
    "superseded": "not existing",
}
ONE_SIGMA_OF_A_CIRCLE = 100 * (1 - math.exp(-0.5))  # per cent of a normal in two dimensions


def encode(outcome: Outcome) -> bytes:
    """Write all events of an outcome, cancelled and superseded ones included."""
    from obspy.core import event as quakeml  # slow to import, and needed only here

    heard = {h.pick.id: h.pick for h in outcome.picks}
    events = [_event(revisions, heard, quakeml) for revisions in histories(outcome.events).values()]
    catalog = quakeml.Catalog(
        events=events,
        resource_id=_id(quakeml, "replay", outcome.folder),
        creation_info=None,
    )
    file = BytesIO()
    catalog.write(file, format="QUAKEML")
    return file.getvalue()


def _id(quakeml: Any, *parts: object) -> Any:  # noqa: ANN401 - obspy has no types
    """Public id ``smi:alatau/...``; what QuakeML does not allow in one becomes ``_``."""
    allowed = set("-.*()_~'/+?=,;#&:")
    text = "/".join(str(part) for part in parts).replace(":", "_")
    return quakeml.ResourceIdentifier(
        "smi:alatau/"
        + "".join(c if (c.isascii() and c.isalnum()) or c in allowed else "_" for c in text)
    )


def _time(time_us: int) -> Any:  # noqa: ANN401 - obspy has no types
    from obspy import UTCDateTime

    return UTCDateTime(ns=time_us * 1000)


def _event(revisions: Iterable[Earthquake], heard: dict[str, Pick], quakeml: Any) -> Any:  # noqa: ANN401
    """Make one event of all its revisions."""
    revisions = list(revisions)
    final = revisions[-1]
    used = {a.pick_id for e in revisions for a in e.arrivals} & heard.keys()
    picks = sorted((heard[name] for name in used), key=lambda pick: (pick.time_us, pick.id))
    event = quakeml.Event(
        resource_id=_id(quakeml, "event", final.id),
        event_type=_EVENT_TYPE[final.status],
        event_type_certainty="known" if final.status == "confirmed" else "suspected",
        picks=[_pick(pick, quakeml) for pick in picks],
        origins=[_origin(e, quakeml) for e in revisions],
        magnitudes=[_magnitude(e, quakeml) for e in revisions if e.magnitude is not None],
        creation_info=_creation(revisions[0], quakeml),
    )
    event.preferred_origin_id = event.origins[-1].resource_id
    if event.magnitudes:
        event.preferred_magnitude_id = event.magnitudes[-1].resource_id
    return event


def _creation(revision: Earthquake, quakeml: Any) -> Any:  # noqa: ANN401
    return quakeml.CreationInfo(
        agency_id="alatau",
        creation_time=_time(revision.updated_us),
        version=str(revision.revision),
    )


def _pick(pick: Pick, quakeml: Any) -> Any:  # noqa: ANN401
    return quakeml.Pick(
        resource_id=_id(quakeml, "pick", pick.id),
        time=_time(pick.time_us),
        time_errors=quakeml.QuantityError(uncertainty=pick.uncertainty_s),
        waveform_id=quakeml.WaveformStreamID(seed_string=pick.channel),
        phase_hint=pick.phase,
        polarity={1: "positive", -1: "negative"}.get(pick.polarity, "undecidable"),
        evaluation_mode="automatic",
    )


def _origin(revision: Earthquake, quakeml: Any) -> Any:  # noqa: ANN401
    """Make the origin of one revision; metres and degrees, as QuakeML has them."""
    north = revision.epicentre_sigma_km / _KM_PER_DEGREE
    east = north / max(math.cos(math.radians(revision.latitude)), 1e-6)
    place = ("origin", revision.id, revision.revision)
    return quakeml.Origin(
        resource_id=_id(quakeml, *place),
        time=_time(revision.origin_time_us),
        time_errors=quakeml.QuantityError(uncertainty=revision.origin_time_sigma_s),
        latitude=revision.latitude,
        latitude_errors=quakeml.QuantityError(uncertainty=north),
        longitude=revision.longitude,
        longitude_errors=quakeml.QuantityError(uncertainty=east),
        depth=revision.depth_km * 1000,
        depth_errors=quakeml.QuantityError(uncertainty=revision.depth_sigma_km * 1000),
        depth_type="from location",
        origin_uncertainty=quakeml.OriginUncertainty(
            horizontal_uncertainty=revision.epicentre_sigma_km * 1000,
            preferred_description="horizontal uncertainty",
            confidence_level=ONE_SIGMA_OF_A_CIRCLE,
        ),
        quality=quakeml.OriginQuality(
            used_phase_count=len(revision.arrivals),
            used_station_count=len({a.station for a in revision.arrivals}),
            azimuthal_gap=revision.azimuthal_gap_deg,
        ),
        evaluation_mode="automatic",
        evaluation_status=_EVALUATION[revision.status],
        comments=[
            quakeml.Comment(
                resource_id=_id(quakeml, "comment", *place[1:]),
                text=_comment(revision),
                force_resource_id=False,
            )
        ],
        creation_info=_creation(revision, quakeml),
        arrivals=[
            quakeml.Arrival(
                resource_id=_id(quakeml, "arrival", *place[1:], number),
                pick_id=_id(quakeml, "pick", arrival.pick_id),
                phase=arrival.phase,
                azimuth=arrival.azimuth_deg,
                distance=arrival.distance_km / _KM_PER_DEGREE,
                time_residual=arrival.residual_s,
                time_weight=arrival.weight,
            )
            for number, arrival in enumerate(revision.arrivals)
        ],
    )


def _comment(revision: Earthquake) -> str:
    if revision.status == "superseded":
        return f"{revision.reason} (superseded by {revision.superseded_by})"
    return revision.reason


def _magnitude(revision: Earthquake, quakeml: Any) -> Any:  # noqa: ANN401
    return quakeml.Magnitude(
        resource_id=_id(quakeml, "magnitude", revision.id, revision.revision),
        mag=revision.magnitude,
        mag_errors=quakeml.QuantityError(uncertainty=revision.magnitude_sigma),
        magnitude_type=revision.magnitude_type,
        station_count=revision.magnitude_stations,
        origin_id=_id(quakeml, "origin", revision.id, revision.revision),
        evaluation_mode="automatic",
        evaluation_status=_EVALUATION[revision.status],
        creation_info=_creation(revision, quakeml),
    )
