"""Makes the facts of a message: of an Alert, of an Update, and of the Cancel of what was told."""

import math
from collections.abc import Sequence

import msgspec

from detect.events import Earthquake
from dispatch.audiences import Audience
from dispatch.exposure import coverage, exposed
from dispatch.messages import CancelReason, Certainty, Message, Severity
from dispatch.places import Places
from dispatch.policy import Expected, certainty, severity
from dispatch.revision import Revision
from dispatch.settings import DispatchSettings

__all__ = ["cancel", "warning"]

NAMED_IN_AREA = 5

_CANCELLED: dict[CancelReason, tuple[Severity, Certainty]] = {
    "nothing": ("Minor", "Unlikely"),
    "same": ("Unknown", "Unknown"),
    "weaker": ("Minor", "Likely"),
}


def warning(
    revision: Revision,
    audience: Audience,
    now: Expected,
    told: Message | None,
    references: Sequence[str],
    *,
    settings: DispatchSettings,
    towns: Places,
    timezone: str,
    now_us: int,
) -> Message:
    """Make an Alert, or an Update of what was told.

    Parameters
    ----------
    now
        What is expected at the places that are told.
    told, references
        The last message that stands, and the names of all that do.
    timezone
        Of the times that people read.
    now_us
        When it is decided.
    """
    event, policy = revision.event, audience.policy
    if event.magnitude is None:
        raise ValueError("nothing can be told without a magnitude")
    radius = max(revision.field.reach_km(policy.min_intensity), now.farthest_km)
    own = tuple(place for place in now.places if place.country == audience.country)
    listed = now.places[: policy.max_places]
    drawn = revision.draw(audience, now)
    sent_s = now_us // 1_000_000
    onset_us = max(sent_s * 1_000_000, min(place.s_arrival_us for place in listed))
    highest = now.max_intensity if told is None else told.highest_told
    message = Message(
        identifier="",
        sender=settings.sender,
        status=settings.status,
        msg_type="Alert" if told is None else "Update",
        references=() if told is None else tuple(references),
        audience=audience.name,
        audience_kind=audience.kind,
        addresses=audience.addresses,
        sent_us=now_us,
        onset_us=onset_us // 1_000_000 * 1_000_000,
        expires_us=(sent_s + policy.expires_s) * 1_000_000,
        urgency="Immediate",
        severity=severity(now.max_intensity),
        certainty=certainty(event, now.places),
        event_id=event.id,
        revision=event.revision,
        country=audience.country,
        origin_time_us=event.origin_time_us,
        latitude=round(event.latitude, 4),
        longitude=round(event.longitude, 4),
        epicentre_sigma_km=round(event.epicentre_sigma_km, 1),
        depth_km=round(event.depth_km, 1),
        depth_sigma_km=round(event.depth_sigma_km, 1),
        magnitude=round(event.magnitude, 2),
        magnitude_sigma=None if event.magnitude_sigma is None else round(event.magnitude_sigma, 2),
        magnitude_type=event.magnitude_type,
        magnitude_saturated=event.magnitude_saturated,
        min_intensity=policy.min_intensity,
        channel_delay_s=audience.channel_delay_s,
        max_intensity=now.max_intensity,
        highest_told=max(highest, now.max_intensity),
        # Up to the next 0.1 km and one more, for the rounding of the epicentre.
        radius_km=math.ceil(radius * 10 + 1) / 10,
        places_affected=len(now.places),
        people_affected=sum(place.population for place in now.places),
        area_places=tuple(place.name for place in own[:NAMED_IN_AREA]),
        area_geonameids=tuple(place.geonameid for place in own[:NAMED_IN_AREA]),
        places=listed,
        timezone=timezone,
        areas=drawn.areas,
        no_polygon=drawn.refused,
        exposure=exposed(own),
        population_coverage=None if audience.sites else coverage(towns, audience.country),
        sender_name=settings.sender_name,
        web=settings.web,
        contact=settings.contact,
        languages=audience.languages,
    )
    return msgspec.structs.replace(message, identifier=f"{message.chain}_{event.revision}")


def cancel(
    told: Message,
    references: Sequence[str],
    event: Earthquake,
    reason: CancelReason,
    *,
    expires_s: int,
    now_us: int,
) -> Message:
    """Make the Cancel of what was told; its words are ready in every language."""
    sent_s = now_us // 1_000_000
    how_severe, how_certain = _CANCELLED[reason]
    return msgspec.structs.replace(
        told,
        identifier=f"{told.chain}_{event.revision}",
        msg_type="Cancel",
        references=tuple(references),
        sent_us=now_us,
        onset_us=sent_s * 1_000_000,
        expires_us=(sent_s + expires_s) * 1_000_000,
        urgency="Past",
        severity=how_severe,
        certainty=how_certain,
        cancel_reason=reason,
        superseded_by=event.superseded_by,
        revision=event.revision,
        max_intensity=0.0,
        places=(),
    )
