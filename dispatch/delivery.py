"""Who is sent what, when again, and when another way is taken: decisions without IO and clock.

A message takes every channel whose route it fits. Its way on each begins with the fact
``queued``, which stands in the log before anything is sent; the way is then a fold over facts,
so that whoever begins anew with the same messages and facts goes on where the other stopped.

On each channel the newest message of a chain is what counts: an older one that has not arrived
is not tried again (``replaced``), for it would tell what holds no more. Nothing is tried after
the message expires.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from dispatch.channels.settings import Route
from dispatch.delays import Delays
from dispatch.facts import Acknowledgement, Delivery, Escalation, Fact
from dispatch.parcels import Parcel

__all__ = ["Attempt", "Deliveries", "Outcome", "Way", "fits", "key_of"]

KEPT_US = 3_600_000_000
"""So long after it has expired a message is remembered, for what comes late."""


class Attempt(Struct, frozen=True):
    """One attempt to send a message by a channel.

    Attributes
    ----------
    number
        Counted from 1.
    key
        What the other side tells repeats by: the same for all attempts.
    repeated
        Whether an attempt before may have reached the other side.
    lead_s
        Seconds from now to the onset, less what the channel takes.
    """

    parcel: Parcel
    channel: str
    number: int
    key: str
    repeated: bool
    lead_s: float
    timeout_s: float


class Outcome(Struct, frozen=True):
    """How an attempt ended.

    Attributes
    ----------
    state
        ``delivered``: the other side has confirmed. ``sent``: it has left, and nothing will
        say whether it came. ``failed``: it was refused or broke off.
    reached
        Of what failed: whether it may have come all the same.
    final
        Of what failed: whether trying again is of no use.
    """

    state: Literal["delivered", "sent", "failed"]
    reason: str = ""
    reached: bool = True
    final: bool = False


class Way(Struct):
    """How far a message has come on one channel."""

    parcel: Parcel
    queued_us: int | None = None
    state: str = "new"
    attempts: int = 0
    next_us: int = 0
    reached: bool = False
    is_under_way: bool = False
    is_final: bool = False
    delivered_us: int | None = None
    acknowledged_us: int | None = None
    missed: set[str] = set()


class Deliveries:
    """The ways of all messages that have not expired.

    Parameters
    ----------
    routes
        By channel.
    once
        The channels whose other side drops repeats.
    """

    def __init__(self, routes: Mapping[str, Route], once: frozenset[str]) -> None:
        self._routes = dict(routes)
        self._once = once
        self._parcels: dict[str, Parcel] = {}
        self._chains: dict[str, list[str]] = {}
        self._ways: dict[str, dict[str, Way]] = {}
        self._open: set[tuple[str, str]] = set()
        self._seen: dict[str, set[str]] = {}
        self.delays = Delays()

    def know(self, parcel: Parcel) -> None:
        """Take in a message; one that is known changes nothing."""
        if parcel.identifier in self._parcels:
            return
        self._parcels[parcel.identifier] = parcel
        self._chains.setdefault(parcel.chain, []).append(parcel.identifier)
        self._ways[parcel.identifier] = {}
        self._seen[parcel.identifier] = set()

    def ways(self, identifier: str) -> Mapping[str, Way]:
        """Return how far a message has come, by channel."""
        return self._ways.get(identifier, {})

    def parcels(self) -> list[Parcel]:
        """Return all messages that are known, in the order in which they came."""
        return list(self._parcels.values())

    def offer(self, parcel: Parcel, now_us: int) -> list[Fact]:
        """Decide which channels a message takes.

        Returns
        -------
        list of Fact
            ``queued`` for each channel on which it does not yet stand, and ``replaced`` for
            what it replaces there; to be written, and then folded with `take`.
        """
        self.know(parcel)
        said: list[Fact] = []
        for channel, route in self._routes.items():
            if route.reserve or not fits(parcel, route):
                continue
            if channel not in self._ways[parcel.identifier]:
                said += self._queue(parcel, channel, now_us)
        return said

    def _queue(self, parcel: Parcel, channel: str, now_us: int, reason: str = "") -> list[Fact]:
        said: list[Fact] = []
        chain = self._chains[parcel.chain]
        place = chain.index(parcel.identifier)
        for older in chain[:place]:
            way = self._ways[older].get(channel)
            if way is not None and not way.is_final:
                said.append(self._ended(way, channel, now_us, "replaced", parcel.identifier))
        said.append(
            Delivery(
                at_us=now_us,
                message=parcel.identifier,
                channel=channel,
                state="queued",
                once=channel in self._once,
                key=key_of(parcel, channel),
                reason=reason,
            )
        )
        newer = [i for i in chain[place + 1 :] if channel in self._ways[i]]
        if newer:  # read again after a restart: the newer one has gone out
            way = Way(parcel)
            said.append(self._ended(way, channel, now_us, "replaced", newer[-1]))
        return said

    def _ended(
        self,
        way: Way,
        channel: str,
        now_us: int,
        state: Literal["expired", "replaced"],
        reason: str = "",
    ) -> Delivery:
        return Delivery(
            at_us=now_us,
            message=way.parcel.identifier,
            channel=channel,
            state=state,
            attempt=way.attempts,
            final=True,
            once=channel in self._once,
            reached=way.reached or way.is_under_way,
            key=key_of(way.parcel, channel),
            reason=reason,
        )

    def take(self, fact: Fact) -> None:
        """Fold a fact; one that has been folded changes nothing."""
        if isinstance(fact, Acknowledgement):
            self._acknowledge(fact)
            return
        if not isinstance(fact, Delivery | Escalation) or fact.message not in self._ways:
            return
        if fact.id in self._seen[fact.message]:
            return
        self._seen[fact.message].add(fact.id)
        ways = self._ways[fact.message]
        if isinstance(fact, Escalation):
            if fact.channel in ways:
                ways[fact.channel].missed.add(fact.missed)
            return
        way = ways.get(fact.channel)
        if way is None:
            way = ways[fact.channel] = Way(self._parcels[fact.message])
        self._step(way, fact)
        self.delays.take(fact)
        if self._is_closed(fact.channel, way):
            self._open.discard((fact.message, fact.channel))
        else:
            self._open.add((fact.message, fact.channel))

    def _step(self, way: Way, fact: Delivery) -> None:
        if fact.state == "queued":
            way.queued_us = fact.at_us
            if way.state == "new":
                way.state, way.next_us = "queued", fact.at_us
            return
        way.is_under_way = False
        way.attempts = max(way.attempts, fact.attempt)
        way.reached = way.reached or fact.reached
        if way.delivered_us is not None:
            return
        way.is_final = way.is_final or fact.final
        if fact.state == "delivered":
            way.delivered_us = fact.at_us
        elif way.state in ("expired", "replaced"):
            return
        way.state = fact.state
        if fact.state == "failed" and fact.channel in self._routes:
            way.next_us = fact.at_us + _pause_us(self._routes[fact.channel], fact.attempt)

    def _is_closed(self, channel: str, way: Way) -> bool:
        """Whether nothing is to be done on a way any more."""
        route = self._routes.get(channel)
        if route is None or way.state in ("expired", "replaced"):
            return True
        if way.acknowledged_us is not None:
            return True
        if route.acknowledge_within_s > 0 and "acknowledgement" not in way.missed:
            return False
        is_watched = (way.state == "failed" or route.deliver_within_s > 0) and (
            "delivery" not in way.missed
        )
        return way.delivered_us is not None or (way.is_final and not is_watched)

    def _acknowledge(self, fact: Acknowledgement) -> None:
        for channel, way in self._ways.get(fact.message, {}).items():
            route = self._routes.get(channel)
            is_theirs = channel == fact.channel or (
                route is not None and fact.by in route.acknowledged_by
            )
            if is_theirs and way.acknowledged_us is None:
                way.acknowledged_us = fact.at_us
                if self._is_closed(channel, way):
                    self._open.discard((fact.message, channel))

    def due(self, now_us: int) -> list[Attempt]:
        """Begin the attempts that are due; each is under way until its outcome is folded."""
        attempts = []
        for identifier, channel in sorted(self._open):
            way = self._ways[identifier][channel]
            if way.is_final or way.is_under_way or way.state not in ("queued", "failed"):
                continue
            if way.next_us > now_us or way.parcel.expires_us <= now_us:
                continue
            way.is_under_way = True
            lead_s = (way.parcel.onset_us - now_us) / 1e6 - self.delays.seconds(channel)
            attempts.append(
                Attempt(
                    parcel=way.parcel,
                    channel=channel,
                    number=way.attempts + 1,
                    key=key_of(way.parcel, channel),
                    repeated=way.reached,
                    lead_s=round(lead_s, 1),
                    timeout_s=self._routes[channel].timeout_s,
                )
            )
        return attempts

    def doubt(self) -> None:
        """Begin anew: of what was queued and has no outcome nobody knows whether it was sent."""
        for identifier, channel in self._open:
            way = self._ways[identifier][channel]
            if way.state in ("queued", "failed") and not way.is_final:
                way.reached = True

    def ended(self, attempt: Attempt, outcome: Outcome, now_us: int) -> Delivery:
        """Say how an attempt ended; to be written, and then folded with `take`."""
        is_once = attempt.channel in self._once
        lead_s = (attempt.parcel.onset_us - now_us) / 1e6
        return Delivery(
            at_us=now_us,
            message=attempt.parcel.identifier,
            channel=attempt.channel,
            state=outcome.state,
            attempt=attempt.number,
            final=outcome.final or outcome.state != "failed",
            once=is_once,
            reached=outcome.reached,
            repeated=attempt.repeated,
            key=attempt.key,
            reason=outcome.reason,
            lead_s=round(lead_s, 1) if outcome.state == "delivered" else None,
        )

    def overdue(self, now_us: int) -> list[Fact]:
        """Find what has expired and which deadlines have passed; to be written and folded."""
        said: list[Fact] = []
        for identifier, channel in sorted(self._open):
            way, route = self._ways[identifier][channel], self._routes[channel]
            if way.queued_us is None:
                continue
            waited_s = (now_us - way.queued_us) / 1e6
            has_failed = way.is_final and way.state == "failed"
            if way.delivered_us is None and (
                has_failed or _is_late(route.deliver_within_s, waited_s)
            ):
                said += self._escalate(way, channel, route, "delivery", now_us)
            if way.acknowledged_us is None and _is_late(route.acknowledge_within_s, waited_s):
                said += self._escalate(way, channel, route, "acknowledgement", now_us)
            if way.parcel.expires_us <= now_us and not way.is_under_way and not way.is_final:
                said.append(self._ended(way, channel, now_us, "expired"))
        return said

    def _escalate(
        self,
        way: Way,
        channel: str,
        route: Route,
        missed: Literal["delivery", "acknowledgement"],
        now_us: int,
    ) -> list[Fact]:
        if missed in way.missed:
            return []
        to, parcel = route.escalate_to, way.parcel
        stands = parcel.expires_us > now_us
        can = to in self._routes and stands and parcel.status in self._routes[to].statuses
        said: list[Fact] = [
            Escalation(
                at_us=now_us,
                message=parcel.identifier,
                channel=channel,
                missed=missed,
                to=to if can else "",
            )
        ]
        if can and to not in self._ways[parcel.identifier]:
            said += self._queue(parcel, to, now_us, f"in place of {channel}")
        return said

    def forget(self, now_us: int) -> None:
        """Let go of messages that expired long ago."""
        old = [i for i, p in self._parcels.items() if p.expires_us + KEPT_US < now_us]
        for identifier in old:
            for channel in self._ways.pop(identifier):
                self._open.discard((identifier, channel))
            del self._seen[identifier]
            chain = self._chains[self._parcels.pop(identifier).chain]
            chain.remove(identifier)
        if old:
            self._chains = {chain: names for chain, names in self._chains.items() if names}


def fits(parcel: Parcel, route: Route) -> bool:
    """Whether a message is one of those that a channel is for."""
    return (
        parcel.status in route.statuses
        and (not route.countries or parcel.country in route.countries)
        and (not route.audiences or parcel.audience in route.audiences)
        and (
            route.from_intensity <= 0
            or parcel.intensity is None
            or parcel.intensity >= route.from_intensity
        )
    )


def _is_late(within_s: float, waited_s: float) -> bool:
    return 0 < within_s <= waited_s


def key_of(parcel: Parcel, channel: str) -> str:
    """Make what the other side of a channel tells repeats of a message by."""
    return f"{parcel.sender}/{parcel.identifier}/{channel}"


def _pause_us(route: Route, attempt: int) -> int:
    """Return the time from a failed attempt to the next; doubled each time, up to a limit."""
    seconds = min(route.retry_s * 2.0 ** min(attempt - 1, 30), route.retry_most_s)
    return int(seconds * 1e6)
