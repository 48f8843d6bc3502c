"""What stands now: warnings in force, events of late, and how the sources are.

A fold; the documents made of it are functions of it and of the time.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from detect.events import Earthquake
from dispatch.facts import Sources
from dispatch.parcels import Parcel

__all__ = ["Board", "Statement", "iso"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(time_us: int) -> str:
    """Write a time as RFC 3339 has it, whole seconds, UTC."""
    return f"{_EPOCH + timedelta(seconds=time_us // 1_000_000):%Y-%m-%dT%H:%M:%SZ}"


class SourcesState(Struct, frozen=True, rename="camel"):
    """How the sources of one hazard were when they were last heard of."""

    hazard: str
    at: str
    is_fresh: bool
    healthy: int
    expected: int


class Statement(Struct, frozen=True, rename="camel"):
    """What may be said now. It never says that there is no warning without saying who watches.

    Attributes
    ----------
    text
        For people.
    in_force, drills
        Warnings that stand and are shown, and messages of tests and exercises; those that a
        Cancel has ended do not count.
    is_all_clear
        Whether silence means that nothing was seen: no warning stands, here or on a channel that
        shows others, and enough sources of every hazard are healthy.
    sources
        By hazard.
    """

    text: str
    in_force: int
    drills: int
    is_all_clear: bool
    sources: tuple[SourcesState, ...]


class Board:
    """What stands now.

    Parameters
    ----------
    stale_s
        Older than this, what is known of sources counts as nothing.
    least
        With a smaller part of the sources healthy, silence says nothing.
    events_s
        So long an event is shown after its last revision.
    """

    def __init__(self, *, stale_s: float, least: float, events_s: float) -> None:
        self._stale_us = round(stale_s * 1e6)
        self._least = least
        self._events_us = round(events_s * 1e6)
        self._parcels: dict[str, Parcel] = {}
        self._elsewhere: dict[str, Parcel] = {}
        self._sources: dict[str, Sources] = {}
        self._events: dict[str, Earthquake] = {}

    def put(self, parcel: Parcel) -> None:
        """Show a message until it expires; the same again changes nothing."""
        self._parcels.setdefault(parcel.identifier, parcel)

    def put_elsewhere(self, parcel: Parcel) -> None:
        """Take in a message that is not shown here: while it stands there is no all-clear."""
        self._elsewhere.setdefault(parcel.identifier, parcel)

    def hear(self, sources: Sources) -> None:
        """Take in how sources are; what is older than what is known changes nothing."""
        known = self._sources.get(sources.hazard)
        if known is None or sources.at_us >= known.at_us:
            self._sources[sources.hazard] = sources

    def see(self, event: Earthquake) -> bool:
        """Take in a revision of an event; false if it is not news."""
        known = self._events.get(event.id)
        if known is not None and event.revision <= known.revision:
            return False
        self._events[event.id] = event
        return True

    def sweep(self, now_us: int) -> None:
        """Let go of what is not shown any more."""
        self._parcels = {i: p for i, p in self._parcels.items() if p.expires_us > now_us}
        self._elsewhere = {i: p for i, p in self._elsewhere.items() if p.expires_us > now_us}
        oldest = now_us - self._events_us
        self._events = {i: e for i, e in self._events.items() if e.updated_us > oldest}

    def parcel(self, identifier: str) -> Parcel | None:
        """Return a message that is shown."""
        return self._parcels.get(identifier)

    def standing(self, now_us: int) -> list[Parcel]:
        """Return all messages that have not expired, the newest first."""
        return _standing(self._parcels, now_us)

    def newest(self, now_us: int) -> list[Parcel]:
        """Return the newest message of each chain that has not expired, the newest first."""
        return _newest(self.standing(now_us))

    def events(self, now_us: int) -> list[Earthquake]:
        """Return the events of late, each as last revised, the newest first."""
        oldest = now_us - self._events_us
        shown = [event for event in self._events.values() if event.updated_us > oldest]
        return sorted(shown, key=lambda event: (event.origin_time_us, event.id), reverse=True)

    def changed_us(self, now_us: int) -> int:
        """Return when what is said last changed: the newest message, or news of the sources."""
        times = [p.sent_us for p in self.standing(now_us)]
        return max([*times, *(s.at_us for s in self._sources.values())], default=0)

    def statement(self, now_us: int) -> Statement:
        """Say what stands and who watches."""
        states = tuple(
            SourcesState(
                hazard=hazard,
                at=iso(known.at_us),
                is_fresh=now_us - known.at_us <= self._stale_us,
                healthy=known.healthy,
                expected=known.expected,
            )
            for hazard, known in sorted(self._sources.items())
        )
        shown = _in_force(self.standing(now_us))
        in_force = sum(p.status == "Actual" for p in shown)
        drills = len(shown) - in_force
        elsewhere = sum(p.status == "Actual" for p in _in_force(_standing(self._elsewhere, now_us)))
        blind = [s for s in states if not s.is_fresh]
        thin = [s for s in states if s.is_fresh and s.healthy < max(self._least * s.expected, 1)]
        watch = not blind and not thin and bool(states)
        if in_force:
            said = f"{in_force} warning{'s are' if in_force > 1 else ' is'} in force."
        elif elsewhere:
            said = "No warning that is shown here is in force, but others are."
        else:
            said = "No warning is in force." if watch else "No warning is known of."
        told = [
            f"{s.hazard}: {s.healthy} of {s.expected} sources healthy at {s.at}" for s in states
        ]
        parts = [said, *(f"{each}." for each in told)]
        if drills:
            parts.insert(1, f"Messages of tests and exercises: {drills}.")
        if not states or blind:
            parts.append("The state of the sources is not known: silence is no all-clear.")
        elif thin:
            parts.append("Too few sources are healthy: silence is no all-clear.")
        is_all_clear = watch and not in_force and not elsewhere
        return Statement(" ".join(parts), in_force, drills, is_all_clear, states)


def _standing(parcels: Mapping[str, Parcel], now_us: int) -> list[Parcel]:
    shown = [parcel for parcel in parcels.values() if parcel.expires_us > now_us]
    return sorted(shown, key=lambda p: (p.sent_us, p.identifier), reverse=True)


def _in_force(newest_first: Iterable[Parcel]) -> list[Parcel]:
    return [parcel for parcel in _newest(newest_first) if parcel.type != "Cancel"]


def _newest(newest_first: Iterable[Parcel]) -> list[Parcel]:
    chains: dict[str, Parcel] = {}
    for parcel in newest_first:
        chains.setdefault(parcel.chain, parcel)
    return list(chains.values())
