"""From revisions of earthquakes to chains of messages: Alert, Updates, Cancel.

One chain for each event and country. An Alert opens it; an Update follows when what was told
no longer holds; a Cancel ends it when the event was nothing, was another one, or turned out
weaker. Updates and Cancels name every message of the chain that has not expired. A chain of
which all messages have expired is dropped, and there is nothing left to cancel. After a
Cancel as weaker the event can grow again: that is a new Alert, without references, because
receivers refuse to update what they have cancelled.

Revisions count once and forwards only: a repeat, or one older than the newest seen, changes
nothing. After a revision that cancels or supersedes an event nothing is said of it again.
"""

import math
from datetime import timedelta

import msgspec
from msgspec import Struct

from detect.events import Earthquake
from dispatch import cap, geography, names, wording
from dispatch.areas import Areas
from dispatch.exposure import coverage, exposed
from dispatch.joined import ShakingField
from dispatch.local_time import zone
from dispatch.messages import CancelReason, Certainty, Message, Severity
from dispatch.places import Places
from dispatch.policy import (
    Expected,
    STravelTimes,
    certainty,
    expected,
    is_due,
    severity,
    shaken,
    stands,
)
from dispatch.settings import DispatchSettings

__all__ = ["Lifecycle"]

NAMED_IN_AREA = 5

_CANCELLED: dict[CancelReason, tuple[Severity, Certainty]] = {
    "nothing": ("Minor", "Unlikely"),
    "same": ("Unknown", "Unknown"),
    "weaker": ("Minor", "Likely"),
}


class _Chain(Struct):
    """What has been said of one event to one country.

    `told` is the last message that stands; `said` names all that stand, with their expiry.
    """

    told: Message | None = None
    said: list[tuple[str, int]] = msgspec.field(default_factory=list)

    def drop_expired(self, now_us: int) -> None:
        self.said = [(name, expires) for name, expires in self.said if expires > now_us]
        if self.told is not None and self.told.expires_us <= now_us:
            self.told = None

    def references(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.said)


class _Event(Struct):
    """What is remembered of one event."""

    revision: int
    touched_us: int
    is_closed: bool = False
    chains: dict[str, _Chain] = msgspec.field(default_factory=dict)


class Lifecycle:
    """State of all chains of messages.

    Parameters
    ----------
    settings
        Policies and sender.
    places, travel_times
        For whom, and when S comes.
    memory
        How long an event is remembered after its last revision; longer than any message stands.
    """

    def __init__(
        self,
        settings: DispatchSettings,
        places: Places,
        travel_times: STravelTimes,
        memory: timedelta,
    ) -> None:
        self._settings = settings
        self._places = places
        self._travel_times = travel_times
        self._memory_us = memory // timedelta(microseconds=1)
        self._events: dict[str, _Event] = {}
        self._read_ahead()

    def _read_ahead(self) -> None:
        """Read and draw before the first warning what it would else wait a second for.

        A fault in it stops the start, not the warning.
        """
        geography.routes(self._places, self._settings.border_tolerance_km)
        for country in sorted(set(self._places.country) & geography.DRAWN_AHEAD):
            geography.cover(country, self._settings.border_tolerance_km)
        for name in sorted(set(self._places.timezone)):
            zone(name)
        for language in self._settings.languages:
            wording.load(language)
            names.place_name(0, language, "")

    def fold(self, event: Earthquake, now_us: int) -> list[Message]:
        """Take in a revision; return what is to be said, by country code.

        Parameters
        ----------
        event
            One that `policy.check` has passed.
        now_us
            Newest arrival that has been read; it never goes back.
        """
        self._forget(now_us)
        known = self._events.get(event.id)
        if known is None:
            known = self._events[event.id] = _Event(-1, now_us)
        if known.is_closed or event.revision <= known.revision:
            return []
        known.revision = event.revision
        known.touched_us = now_us
        for chain in known.chains.values():
            chain.drop_expired(now_us)
        if event.status in ("cancelled", "superseded"):
            known.is_closed = True
            reason: CancelReason = "nothing" if event.status == "cancelled" else "same"
            return [
                self._cancel(chain, event, reason, now_us)
                for _, chain in sorted(known.chains.items())
                if chain.told is not None
            ]
        return self._decide(event, known, now_us)

    def _forget(self, now_us: int) -> None:
        oldest = now_us - self._memory_us
        for name in [name for name, e in self._events.items() if e.touched_us < oldest]:
            del self._events[name]

    def _decide(self, event: Earthquake, known: _Event, now_us: int) -> list[Message]:
        if event.magnitude is None:
            return []
        affected = shaken(event, self._places, self._settings)
        areas = Areas(event, self._settings)
        messages = []
        for country in sorted(affected.keys() | known.chains.keys()):
            chain = known.chains.get(country) or _Chain()
            policy = self._settings.policy_for(country)
            verdict = stands(event, policy, told=chain.told is not None)
            if verdict is None:
                continue
            told = chain.told.places if chain.told is not None else ()
            now = expected(
                event,
                affected.get(country, ()) if verdict else (),
                self._places,
                self._travel_times,
                policy,
                {place.geonameid for place in told},
                now_us,
                self._settings.channel_delay_s,
            )
            # Its own places first: those across the border are told on their side as well.
            ordered = sorted(now.places, key=lambda place: place.country != country)
            now = Expected(tuple(ordered), now.farthest_km)
            if not now.places:
                if chain.told is not None:
                    messages.append(self._cancel(chain, event, "weaker", now_us))
            elif chain.told is None or is_due(
                chain.told, now.places[: policy.max_places], event, policy
            ):
                known.chains[country] = chain
                messages.append(self._tell(chain, event, country, now, areas, now_us))
        return messages

    def _tell(
        self,
        chain: _Chain,
        event: Earthquake,
        country: str,
        now: Expected,
        areas: Areas,
        now_us: int,
    ) -> Message:
        """Make the Alert or the Update and note it as said."""
        settings = self._settings
        policy = settings.policy_for(country)
        if event.magnitude is None:
            raise ValueError("nothing can be told without a magnitude")
        reach = ShakingField.of(event, settings).reach_km(policy.min_intensity)
        radius = max(reach, now.farthest_km)
        own = tuple(place for place in now.places if place.country == country)
        listed = now.places[: policy.max_places]
        drawn = areas.of(country, now.places, policy)
        sent_s = now_us // 1_000_000
        onset_us = max(sent_s * 1_000_000, min(place.s_arrival_us for place in listed))
        before = chain.told
        highest = now.max_intensity if before is None else before.highest_told
        message = Message(
            identifier=f"{event.id}_{country}_{event.revision}",
            sender=settings.sender,
            status=settings.status,
            msg_type="Alert" if before is None else "Update",
            references=chain.references() if before is not None else (),
            sent_us=now_us,
            onset_us=onset_us // 1_000_000 * 1_000_000,
            expires_us=(sent_s + policy.expires_s) * 1_000_000,
            urgency="Immediate",
            severity=severity(now.max_intensity),
            certainty=certainty(event, now.places),
            event_id=event.id,
            revision=event.revision,
            country=country,
            origin_time_us=event.origin_time_us,
            latitude=round(event.latitude, 4),
            longitude=round(event.longitude, 4),
            epicentre_sigma_km=round(event.epicentre_sigma_km, 1),
            depth_km=round(event.depth_km, 1),
            depth_sigma_km=round(event.depth_sigma_km, 1),
            magnitude=round(event.magnitude, 2),
            magnitude_sigma=(
                None if event.magnitude_sigma is None else round(event.magnitude_sigma, 2)
            ),
            magnitude_type=event.magnitude_type,
            magnitude_saturated=event.magnitude_saturated,
            min_intensity=policy.min_intensity,
            channel_delay_s=settings.channel_delay_s,
            max_intensity=now.max_intensity,
            highest_told=max(highest, now.max_intensity),
            # Up to the next 0.1 km and one more, for the rounding of the epicentre.
            radius_km=math.ceil(radius * 10 + 1) / 10,
            places_affected=len(now.places),
            people_affected=sum(place.population for place in now.places),
            area_places=tuple(place.name for place in own[:NAMED_IN_AREA]),
            area_geonameids=tuple(place.geonameid for place in own[:NAMED_IN_AREA]),
            places=listed,
            timezone=self._places.zone_of(listed[0].geonameid),
            areas=drawn.areas,
            no_polygon=drawn.refused,
            exposure=exposed(own),
            population_coverage=coverage(self._places, country),
            sender_name=settings.sender_name,
            web=settings.web,
            contact=settings.contact,
            languages=settings.languages,
        )
        self._note(chain, message)
        return message

    def _cancel(
        self, chain: _Chain, event: Earthquake, reason: CancelReason, now_us: int
    ) -> Message:
        """Make the Cancel of what was told, and end the chain."""
        if chain.told is None:
            raise ValueError("there is nothing to cancel")
        told = chain.told
        sent_s = now_us // 1_000_000
        how_severe, how_certain = _CANCELLED[reason]
        message = msgspec.structs.replace(
            told,
            identifier=f"{event.id}_{told.country}_{event.revision}",
            msg_type="Cancel",
            references=chain.references(),
            sent_us=now_us,
            onset_us=sent_s * 1_000_000,
            expires_us=(sent_s + self._settings.policy_for(told.country).expires_s) * 1_000_000,
            urgency="Past",
            severity=how_severe,
            certainty=how_certain,
            cancel_reason=reason,
            superseded_by=event.superseded_by,
            revision=event.revision,
            max_intensity=0.0,
            places=(),
        )
        chain.told = None
        chain.said = []
        return message

    @staticmethod
    def _note(chain: _Chain, message: Message) -> None:
        chain.told = message
        chain.said.append((cap.reference(message), message.expires_us))
