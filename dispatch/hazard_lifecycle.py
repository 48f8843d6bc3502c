"""From revisions of events of other hazards to chains of messages: Alert, Updates, Cancel.

One chain for each event, country and audience. Civil protection is told of every level and
status, all others by the policy; whoever has been told hears of it to the end. An Update follows
when the level, the status, the severity, the list of places or a window of arrival has changed by
as much as the policy says; a Cancel when the event was nothing, is over, was raised by a cause
that has been withdrawn, no longer comes to the country, or goes on as another event. Updates and
Cancels name every message of the chain that has not expired. All countries are told in the same
fold, with one time: those whose places are reached, those within the border tolerance of such a
place, and those at whose side it began.

Revisions count once and forwards only. Of a cancelled event, or one that is over, nothing more is
said. A sensor that has fallen silent makes no message: it is for the operator.

An event that goes on for longer than `PERIOD` after its onset begins new chains: no message
stands across the end of a period, so that a restart need not read the log further back.
"""

from collections.abc import Iterator
from datetime import timedelta

import msgspec
from msgspec import Struct

from detect.hazard_events import HazardEvent
from dispatch import geography, hazard_cap, hazard_wording, names, wording
from dispatch.audiences import Audience
from dispatch.facts import Decision, Rule
from dispatch.hazard_areas import area
from dispatch.hazard_decisions import asked, concerned, is_due, release, two_people, urgency
from dispatch.hazard_messages import HazardCancelReason, HazardMessage
from dispatch.hazard_policy import HazardPolicy
from dispatch.hazard_reach import Reach, Surroundings
from dispatch.messages import Certainty, Severity
from dispatch.names import LANGUAGES
from dispatch.places import Places
from dispatch.settings import DispatchSettings

__all__ = ["PERIOD", "HazardJudged", "HazardLifecycle"]

PERIOD = timedelta(days=2)
"""So long after its onset, and again and again, the chains of an event begin anew."""

BEYOND_S = 3600
"""A message stands so long after the last arrival."""

LONGEST_S = 86_400
NAMED_IN_AREA = 5
_PERIOD_US = PERIOD // timedelta(microseconds=1)
_CANCELLED: dict[HazardCancelReason, tuple[Severity, Certainty]] = {
    "nothing": ("Minor", "Unlikely"),
    "over": ("Minor", "Observed"),
    "cause": ("Minor", "Unlikely"),
    "away": ("Minor", "Unlikely"),
    "renewed": ("Unknown", "Unknown"),
}


class HazardJudged(Struct, frozen=True):
    """A decision, and the message that it led to, if it led to one."""

    decision: Decision
    message: HazardMessage | None = None

    @property
    def is_held(self) -> bool:
        """Whether people must release the message."""
        return self.message is not None and self.message.two_people


class _Chain(Struct):
    """What has been said of one event to one audience of one country, and what kept it back."""

    unmet: str = ""
    told: HazardMessage | None = None
    said: list[tuple[str, int]] = msgspec.field(default_factory=list)

    def drop_expired(self, now_us: int) -> None:
        self.said = [(name, expires) for name, expires in self.said if expires > now_us]
        if self.told is not None and self.told.expires_us <= now_us:
            self.told = None

    def references(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.said)


class _Known(Struct):
    """What is remembered of one event."""

    revision: int
    touched_us: int
    period: int
    is_closed: bool = False
    chains: dict[tuple[str, str], _Chain] = msgspec.field(default_factory=dict)


class HazardLifecycle:
    """State of all chains of messages about hazards other than earthquakes.

    Parameters
    ----------
    settings
        Policies and sender.
    places
        Whose names and time zones are known.

    Attributes
    ----------
    memory
        How long an event is remembered after its last revision.
    """

    memory = PERIOD

    def __init__(self, settings: DispatchSettings, places: Places) -> None:
        self._settings = settings
        self._places = places
        self._surroundings = Surroundings(places, settings.border_tolerance_km)
        self._events: dict[str, _Known] = {}
        self._audiences: dict[str, tuple[Audience, ...]] = {}
        self._read_ahead()

    def _read_ahead(self) -> None:
        """Read and draw before the first warning what it would else wait half a second for."""
        for country in sorted(set(self._places.country) & geography.DRAWN_AHEAD):
            geography.cover(country, self._settings.border_tolerance_km)
        for language in LANGUAGES:
            hazard_wording.load(language)
            wording.load(language)
            names.place_name(0, language, "")

    def fold(self, event: HazardEvent, now_us: int) -> list[HazardMessage]:
        """Take in a revision; return what is to be said, as `judge` does, without the reasons."""
        judged = self.judge(event, now_us)
        return [one.message for one in judged if one.message is not None]

    def judge(self, event: HazardEvent, now_us: int) -> list[HazardJudged]:
        """Take in a revision; return what is to be said, and what has been decided anew.

        Parameters
        ----------
        event
            One that `hazard_decisions.check` has passed.
        now_us
            Newest arrival that has been read; it never goes back.

        Returns
        -------
        list
            By country and audience. That an audience is still told, or is still not told for the
            same rule, is not decided anew.
        """
        oldest = now_us - _PERIOD_US
        self._events = {n: known for n, known in self._events.items() if known.touched_us >= oldest}
        if event.hazard == "sensor silent" or event.updated_us < oldest:
            return []
        period = max((now_us - event.onset_us) // _PERIOD_US, 0)
        known = self._events.setdefault(event.id, _Known(-1, now_us, period))
        if known.is_closed or event.revision <= known.revision:
            return []
        known.revision, known.touched_us = event.revision, now_us
        if period > known.period:
            known.period, known.chains = period, {}
        for chain in known.chains.values():
            chain.drop_expired(now_us)
        if event.status in ("cancelled", "over"):
            known.is_closed = True
            return list(self._close(event, known, now_us))
        return list(self._decide(event, known, now_us))

    def _close(self, event: HazardEvent, known: _Known, now_us: int) -> Iterator[HazardJudged]:
        for _, chain in sorted(known.chains.items()):
            if chain.told is not None:
                # What no sensor speaks for stood on its causes alone.
                raised = bool(event.causes or chain.told.causes) and not event.sensors
                reason: HazardCancelReason = "cause" if raised else "nothing"
                if event.status == "over":
                    reason = "renewed" if event.goes_on else "over"
                why = Rule("status", False, f"{event.status}: {event.reason}")
                yield self._withdraw(chain, event, known, reason, why, now_us)

    def _decide(self, event: HazardEvent, known: _Known, now_us: int) -> Iterator[HazardJudged]:
        reached = self._surroundings.reached(event)
        countries = reached.keys() | {country for country, _ in known.chains}
        for country in sorted(countries):
            policy = self._settings.hazards.policy_for(event.hazard, country)
            if policy is None:
                continue
            for audience in self._told_in(country):
                chain = known.chains.setdefault((country, audience.name), _Chain())
                if country in reached:
                    judged = self._ask(
                        chain, event, audience, reached[country], policy, known, now_us
                    )
                    if judged is not None:
                        yield judged
                elif chain.told is not None:
                    why = Rule("reach", False, "it no longer comes to the country")
                    yield self._withdraw(chain, event, known, "away", why, now_us)

    def _ask(
        self,
        chain: _Chain,
        event: HazardEvent,
        audience: Audience,
        reach: Reach,
        policy: HazardPolicy,
        known: _Known,
        now_us: int,
    ) -> HazardJudged | None:
        """Ask one rule after the other; None where there is nothing new to say or to decide."""
        is_told = chain.told is not None
        found = asked(event, policy, audience, self._settings.status, told=is_told)
        if found[-1].met and not is_told:
            named = concerned(event, policy, audience)
            found = found if named is None else (*found, named)
        if not found[-1].met:
            if chain.unmet == found[-1].name:
                return None
            chain.unmet = found[-1].name
            return HazardJudged(
                Decision(
                    at_us=now_us,
                    event=event.id,
                    revision=event.revision,
                    country=audience.country,
                    audience=audience.name,
                    verdict="not told",
                    rules=found,
                )
            )
        message = self._message(chain, event, audience, reach, policy, known, now_us)
        if chain.told is not None and not is_due(chain.told, message, policy):
            return None
        chain.unmet = ""
        message = self._tell(chain, message, event, reach, policy)
        return _judged(message, (*found, release(policy, audience)))

    def _told_in(self, country: str) -> tuple[Audience, ...]:
        """Return the audiences of a country, told or not."""
        if country not in self._audiences:
            self._audiences[country] = self._settings.audiences_in(country)
        return self._audiences[country]

    def _message(
        self,
        chain: _Chain,
        event: HazardEvent,
        audience: Audience,
        reach: Reach,
        policy: HazardPolicy,
        known: _Known,
        now_us: int,
    ) -> HazardMessage:
        """Make the Alert or the Update, its area not yet drawn."""
        settings = self._settings
        country = audience.country
        second = now_us // 1_000_000
        ahead = [
            place.earliest_us
            for place in reach.listed
            if place.passed_us is None and place.latest_us > now_us
        ]
        last_s = max((place.latest_us // 1_000_000 for place in reach.listed), default=0)
        stands_s = min(max(policy.expires_s, last_s + BEYOND_S - second), LONGEST_S)
        own = [place for place in reach.listed if place.country == country]
        latitude, longitude = (
            (own[0].latitude, own[0].longitude) if own else (event.latitude, event.longitude)
        )
        told = chain.told
        named = list(map(self._surroundings.place, own[:NAMED_IN_AREA]))
        message = HazardMessage(
            identifier="",
            sender=settings.sender,
            status=settings.status,
            msg_type="Alert" if told is None else "Update",
            references=() if told is None else chain.references(),
            audience=audience.name,
            audience_kind=audience.kind,
            addresses=audience.addresses,
            two_people=two_people(policy, audience),
            sent_us=now_us,
            onset_us=max(second * 1_000_000, min(ahead, default=0) // 1_000_000 * 1_000_000),
            expires_us=self._expires(event, known, second, stands_s),
            urgency=urgency(event, reach.listed, now_us),
            severity=event.severity,
            certainty=event.certainty,
            event_id=event.id,
            revision=event.revision,
            country=country,
            hazard=event.hazard,
            level=event.level,
            highest_told=event.level if told is None else max(event.level, told.highest_told),
            is_confirmed=event.status == "confirmed",
            basin=event.basin,
            latitude=round(event.latitude, 4),
            longitude=round(event.longitude, 4),
            began_us=event.onset_us,
            began_sigma_s=event.onset_sigma_s,
            sensors=tuple(said.sensor for said in event.sensors),
            causes=event.causes,
            places=tuple(map(self._surroundings.place, reach.listed)),
            area_places=tuple(place.name for place in named),
            area_geonameids=tuple(place.geonameid for place in named),
            places_affected=len(own),
            radius_km=policy.radius_km,
            timezone=self._surroundings.zone(latitude, longitude, country),
            sender_name=settings.sender_name,
            web=settings.web,
            contact=settings.contact,
            languages=audience.languages,
        )
        return msgspec.structs.replace(message, identifier=f"{message.chain}_{event.revision}")

    def _tell(
        self,
        chain: _Chain,
        message: HazardMessage,
        event: HazardEvent,
        reach: Reach,
        policy: HazardPolicy,
    ) -> HazardMessage:
        """Draw the area of a message that is due, and note it as said."""
        drawn = area(event, reach.near, message.country, policy, self._settings.border_tolerance_km)
        message = msgspec.structs.replace(
            message,
            areas=drawn.polygons,
            radius_km=drawn.radius_km,
            no_polygon=drawn.refused,
        )
        chain.told = message
        chain.said.append((hazard_cap.reference(message), message.expires_us))
        return message

    def _withdraw(
        self,
        chain: _Chain,
        event: HazardEvent,
        known: _Known,
        reason: HazardCancelReason,
        why: Rule,
        now_us: int,
    ) -> HazardJudged:
        """Make the Cancel of what was told, and end the chain."""
        told = chain.told
        if told is None:
            raise ValueError("there is nothing to cancel")
        policy = self._settings.hazards.policy_for(event.hazard, told.country)
        life_s = LONGEST_S if policy is None else policy.expires_s
        second = now_us // 1_000_000
        how_severe, how_certain = _CANCELLED[reason]
        message = msgspec.structs.replace(
            told,
            identifier=f"{told.chain}_{event.revision}",
            msg_type="Cancel",
            references=chain.references(),
            sent_us=now_us,
            onset_us=second * 1_000_000,
            expires_us=self._expires(event, known, second, life_s),
            urgency="Past",
            severity=how_severe,
            certainty=how_certain,
            cancel_reason=reason,
            revision=event.revision,
            sensors=tuple(said.sensor for said in event.sensors),
            causes=event.causes or told.causes,
            places=(),
        )
        chain.told, chain.said = None, []
        return _judged(message, (why,))

    @staticmethod
    def _expires(event: HazardEvent, known: _Known, second: int, stands_s: int) -> int:
        """End of validity, microseconds: with the period at the latest."""
        end_s = (event.onset_us + (known.period + 1) * _PERIOD_US) // 1_000_000
        return max(min(second + stands_s, end_s), second + 1) * 1_000_000


def _judged(message: HazardMessage, found: tuple[Rule, ...]) -> HazardJudged:
    """Make the decision that led to a message."""
    decision = Decision(
        at_us=message.sent_us,
        event=message.event_id,
        revision=message.revision,
        country=message.country,
        audience=message.audience,
        verdict="held" if message.two_people else "told",
        message=message.identifier,
        rules=found,
    )
    return HazardJudged(decision, message)
