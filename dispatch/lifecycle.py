"""From revisions of earthquakes to chains of messages: Alert, Updates, Cancel.

One chain for each event, country and audience. An Alert opens it; an Update follows when what was
told no longer holds; a Cancel ends it when the event was nothing, was another one, or turned out
weaker. Updates and Cancels name every message of the chain that has not expired. A chain of
which all messages have expired is dropped, and there is nothing left to cancel. After a
Cancel as weaker the event can grow again: that is a new Alert, without references, because
receivers refuse to update what they have cancelled.

Revisions count once and forwards only: a repeat, or one older than the newest seen, changes
nothing. After a revision that cancels or supersedes an event nothing is said of it again.

With each message, and whenever it changes why an audience is not told, goes the decision: the
rules that were asked.
"""

from collections.abc import Iterable
from datetime import timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from detect.events import Earthquake
from dispatch import cap, geography, names, rules, wording
from dispatch.audiences import Audience
from dispatch.composing import cancel, warning
from dispatch.facts import Decision, Rule
from dispatch.local_time import zone
from dispatch.messages import CancelReason, Message
from dispatch.places import Places
from dispatch.policy import STravelTimes, difference, severity
from dispatch.revision import Revision
from dispatch.rules import Standing
from dispatch.settings import DispatchSettings, Policy
from dispatch.sites import gather

__all__ = ["Judged", "Lifecycle"]

_SEVERITIES = ("Unknown", "Minor", "Moderate", "Severe", "Extreme")


class Judged(Struct, frozen=True):
    """A decision, and the message that it led to, if it led to one.

    Attributes
    ----------
    is_held
        Whether people must release the message.
    """

    decision: Decision
    message: Message | None = None
    is_held: bool = False


class _Chain(Struct):
    """What has been said of one event to one audience.

    `told` is the last message that stands; `said` names all that stand, with their expiry.
    `unmet` is the rule for which nothing was said, as far as that has been told.
    """

    audience: Audience
    told: Message | None = None
    said: list[tuple[str, int]] = msgspec.field(default_factory=list)
    unmet: str | None = None

    def drop_expired(self, now_us: int) -> None:
        self.said = [(name, expires) for name, expires in self.said if expires > now_us]
        if self.told is not None and self.told.expires_us <= now_us:
            self.told = None

    def references(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.said)

    def told_places(self) -> list[int]:
        return [] if self.told is None else [place.geonameid for place in self.told.places]


class _Event(Struct):
    """What is remembered of one event."""

    revision: int
    touched_us: int
    is_closed: bool = False
    chains: dict[tuple[str, str], _Chain] = msgspec.field(default_factory=dict)


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
        self._towns = places
        self._sites = gather(settings, places)
        self._travel_times = travel_times
        self._memory_us = memory // timedelta(microseconds=1)
        self._lowest = min(settings.everything_set("min_intensity")) - max(
            settings.everything_set("hysteresis")
        )
        self._audiences: dict[str, tuple[Audience, ...]] = {}
        self._policies: dict[Policy, Policy] = {}
        self._largest = _largest(places)
        self._events: dict[str, _Event] = {}
        self._read_ahead()

    def _read_ahead(self) -> None:
        """Read and draw before the first warning what it would else wait a second for.

        A fault in it stops the start, not the warning.
        """
        geography.routes(self._towns, self._settings.border_tolerance_km)
        for country in sorted(set(self._towns.country) & geography.DRAWN_AHEAD):
            geography.cover(country, self._settings.border_tolerance_km)
        for name in sorted({*self._towns.timezone, *self._sites.places.timezone}):
            zone(name)
        for language in self._settings.languages_used():
            wording.load(language)
            names.place_name(0, language, "")
        for country in sorted({*self._towns.country, *self._sites.countries}):
            self._audiences_in(country)

    def _audiences_in(self, country: str) -> tuple[Audience, ...]:
        if country not in self._audiences:
            self._audiences[country] = tuple(
                # Of one object for all who have the same, so that it is asked about once.
                replace(found, policy=self._policies.setdefault(found.policy, found.policy))
                for found in self._settings.audiences_in(country)
            )
        return self._audiences[country]

    def fold(self, event: Earthquake, now_us: int) -> list[Message]:
        """Take in a revision; return what is to be said, by country and audience."""
        return [j.message for j in self.judge(event, now_us) if j.message is not None]

    def judge(self, event: Earthquake, now_us: int) -> list[Judged]:
        """Take in a revision; return what is to be said, and what has been decided anew.

        Parameters
        ----------
        event
            One that `policy.check` has passed.
        now_us
            Newest arrival that has been read; it never goes back.

        Returns
        -------
        list
            By country and audience. That an audience is still told, or is still not told for the
            same rule, is not decided anew.
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
            return self._close(event, known, now_us)
        return self._decide(event, known, now_us)

    def _forget(self, now_us: int) -> None:
        oldest = now_us - self._memory_us
        for name in [name for name, e in self._events.items() if e.touched_us < oldest]:
            del self._events[name]

    def _close(self, event: Earthquake, known: _Event, now_us: int) -> list[Judged]:
        """End every chain that stands."""
        reason: CancelReason = "nothing" if event.status == "cancelled" else "same"
        why = (Rule("status", False, event.status),)
        return [
            self._withdraw(chain, event, reason, why, now_us)
            for _, chain in sorted(known.chains.items())
            if chain.told is not None
        ]

    def _decide(self, event: Earthquake, known: _Event, now_us: int) -> list[Judged]:
        if event.magnitude is None:
            return []
        revision = Revision(
            event,
            self._settings,
            self._towns,
            self._sites,
            self._travel_times,
            self._lowest,
            now_us,
        )
        standings: dict[tuple[int, bool], Standing] = {}
        judged = []
        for country in sorted(revision.countries | {country for country, _ in known.chains}):
            for audience in self._audiences_in(country):
                chain = known.chains.get((country, audience.name))
                if chain is None:
                    if not revision.concerns(audience):
                        continue
                    chain = known.chains[country, audience.name] = _Chain(audience)
                found = self._ask(chain, revision, standings, now_us)
                if found is not None:
                    judged.append(found)
        return judged

    def _ask(
        self,
        chain: _Chain,
        revision: Revision,
        standings: dict[tuple[int, bool], Standing],
        now_us: int,
    ) -> Judged | None:
        """Ask one rule after the other, until one is not met."""
        audience, told, event = chain.audience, chain.told, revision.event
        policy = audience.policy
        asked = [rules.enabled(audience)]
        if audience.enabled:
            asked.append(rules.mode(self._settings.status, policy))
        if not asked[-1].met:
            return self._keep_silent(chain, event, asked, now_us)
        key = id(policy), told is not None
        if key not in standings:
            standings[key] = rules.standing(event, policy, told=told is not None)
        standing = standings[key]
        asked += standing.rules
        if standing.stands is None:
            return self._keep_silent(chain, event, asked, now_us)
        now = None
        if standing.stands:
            chosen = revision.choose(audience, chain.told_places())
            asked += chosen.rules
            now = chosen.expected
        if now is None or not now.places:
            if told is not None:
                return self._withdraw(chain, event, "weaker", asked, now_us)
            return self._keep_silent(chain, event, asked, now_us)
        timezone = self._zone(audience, now.places[0].geonameid)
        if told is None:
            asked.append(rules.hours(policy, now_us, self._home(audience)))
        else:
            found = difference(told, now.places[: policy.max_places], event, policy)
            asked.append(rules.change(found, policy))
            if asked[-1].met and policy.update_interval_s > 0.0:
                grown = _SEVERITIES.index(severity(now.max_intensity)) > _SEVERITIES.index(
                    told.severity
                )
                asked.append(rules.interval(told, found, policy, now_us, is_more_severe=grown))
        if not asked[-1].met:
            return self._keep_silent(chain, event, asked, now_us)
        message = warning(
            revision,
            audience,
            now,
            told,
            chain.references(),
            settings=self._settings,
            towns=self._towns,
            timezone=timezone,
            now_us=now_us,
        )
        chain.told = message
        chain.said.append((cap.reference(message), message.expires_us))
        return self._judged(chain, message, asked, now_us)

    def _home(self, audience: Audience) -> str:
        """Zone of the hours of an audience: of its first site, or of its country's largest town."""
        sites = self._sites.indices(audience)
        if sites:
            return self._sites.places.timezone[sites[0]]
        return self._largest.get(audience.country, "UTC")

    def _zone(self, audience: Audience, geonameid: int) -> str:
        if audience.sites:
            return self._home(audience)
        return self._towns.zone_of(geonameid)

    def _withdraw(
        self,
        chain: _Chain,
        event: Earthquake,
        reason: CancelReason,
        asked: Iterable[Rule],
        now_us: int,
    ) -> Judged:
        """Make the Cancel of what was told, and end the chain."""
        if chain.told is None:
            raise ValueError("there is nothing to cancel")
        message = cancel(
            chain.told,
            chain.references(),
            event,
            reason,
            expires_s=chain.audience.policy.expires_s,
            now_us=now_us,
        )
        chain.told = None
        chain.said = []
        return self._judged(chain, message, asked, now_us)

    @staticmethod
    def _judged(chain: _Chain, message: Message, asked: Iterable[Rule], now_us: int) -> Judged:
        release = rules.released(chain.audience.policy)
        chain.unmet = None
        decision = Decision(
            at_us=now_us,
            event=message.event_id,
            revision=message.revision,
            country=message.country,
            audience=message.audience,
            verdict="told" if release.met else "held",
            message=message.identifier,
            rules=(*asked, release),
        )
        return Judged(decision, message, is_held=not release.met)

    @staticmethod
    def _keep_silent(
        chain: _Chain, event: Earthquake, asked: list[Rule], now_us: int
    ) -> Judged | None:
        """Say nothing; a decision if it is for another rule than before, and nothing stands."""
        unmet = rules.unmet(asked)
        if chain.told is not None or chain.unmet == unmet:
            return None
        chain.unmet = unmet
        return Judged(
            Decision(
                at_us=now_us,
                event=event.id,
                revision=event.revision,
                country=chain.audience.country,
                audience=chain.audience.name,
                verdict="not told",
                rules=tuple(asked),
            )
        )


def _largest(places: Places) -> dict[str, str]:
    """Return the time zone of the largest town of each country."""
    zones: dict[str, tuple[int, str]] = {}
    for country, people, name in zip(
        places.country, places.population.tolist(), places.timezone, strict=True
    ):
        if people > zones.get(country, (-1, ""))[0]:
            zones[country] = people, name
    return {country: name for country, (_, name) in zones.items()}
