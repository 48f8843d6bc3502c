"""Reports from the ledger: what went when to whom, how long it took, and figures for Sendai.

A report is a function of the ledger's entries: whoever has the same ledger has the same report.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from dispatch import ledger
from dispatch.channels.board import iso
from dispatch.delays import Delays
from dispatch.facts import (
    Acknowledgement,
    Decision,
    Delivery,
    Escalation,
    Fact,
    Message,
    Override,
    Rule,
    Sources,
)
from dispatch.ledger import Entry

__all__ = [
    "ChannelRow",
    "DecisionRow",
    "EventRow",
    "MessageRow",
    "OverrideRow",
    "Situation",
    "WayRow",
    "encode",
    "situation",
]


class WayRow(Struct, frozen=True, rename="camel"):
    """How a message fared on one channel.

    Attributes
    ----------
    state
        ``queued``, ``sent``, ``delivered``, ``acknowledged``, ``failed``, ``expired``,
        ``replaced``: as far as it came.
    arrived
        ``once``; ``once or more``, where an attempt before may have reached a receiver that
        does not drop repeats; ``not known``, where nothing was confirmed; ``no``.
    notify_s
        From the data that made the event known to the delivery.
    acknowledge_s
        From the delivery to the first acknowledgement.
    lead_s
        Left to the onset when it was delivered.
    """

    channel: str
    state: str
    arrived: str
    attempts: int
    queued: str | None = None
    delivered: str | None = None
    acknowledged: str | None = None
    acknowledged_by: str = ""
    notify_s: float | None = None
    acknowledge_s: float | None = None
    lead_s: float | None = None
    escalated_to: str = ""
    reason: str = ""


class MessageRow(Struct, frozen=True, rename="camel"):
    """One message and its ways.

    Attributes
    ----------
    sources
        How the sources were when it was sent; None if that had not been told.
    """

    identifier: str
    type: str
    status: str
    country: str
    audience: str
    sent: str
    expires: str
    headline: str
    people: int
    sha256: str
    sources: str | None
    ways: tuple[WayRow, ...]


class DecisionRow(Struct, frozen=True, rename="camel"):
    """Why an audience was or was not told."""

    at: str
    revision: int
    country: str
    audience: str
    verdict: str
    sources: str | None
    rules: tuple[Rule, ...]


class EventRow(Struct, frozen=True, rename="camel"):
    """One event: what was decided and said.

    Attributes
    ----------
    notify_s, acknowledge_s
        From the data that made it known to the first delivery of all, and to the first
        acknowledgement of all.
    """

    event: str
    origin: str | None
    known: str | None
    notify_s: float | None
    acknowledge_s: float | None
    decisions: tuple[DecisionRow, ...]
    messages: tuple[MessageRow, ...]


class OverrideRow(Struct, frozen=True, rename="camel"):
    """A person's word: in which office, and why."""

    at: str
    word: str
    chain: str
    message: str
    person: str
    role: str
    reason: str
    complete: bool


class ChannelRow(Struct, frozen=True, rename="camel"):
    """How a channel fared over all messages.

    Attributes
    ----------
    delay_s
        90 of 100 of its last deliveries took no longer; for `channel_delay_s`.
    """

    channel: str
    queued: int
    delivered: int
    acknowledged: int
    failed: int
    replaced: int
    delay_s: float | None


class Situation(Struct, frozen=True, rename="camel"):
    """What stands in the ledger, in order.

    Attributes
    ----------
    entries, hash, fault
        Of the ledger: how many, the newest hash, and what is wrong with it.
    """

    entries: int
    hash: str
    fault: str
    begin: str | None
    end: str | None
    sources: tuple[str, ...]
    events: tuple[EventRow, ...]
    overrides: tuple[OverrideRow, ...]
    channels: tuple[ChannelRow, ...]


class _Way:
    """What is known of a message on one channel."""

    def __init__(self) -> None:
        self.steps: list[Delivery] = []
        self.acknowledgement: Acknowledgement | None = None
        self.escalated_to = ""

    def row(self, channel: str, known_us: int | None) -> WayRow:
        queued = next((s for s in self.steps if s.state == "queued"), None)
        delivered = next((s for s in self.steps if s.state == "delivered"), None)
        last = delivered or (self.steps[-1] if self.steps else None)
        ack = self.acknowledgement
        state = "acknowledged" if ack is not None else last.state if last else "acknowledged"
        at_us = None if delivered is None else delivered.at_us
        return WayRow(
            channel=channel,
            state=state,
            arrived=self._arrived(delivered),
            attempts=max((s.attempt for s in self.steps), default=0),
            queued=None if queued is None else iso(queued.at_us),
            delivered=None if at_us is None else iso(at_us),
            acknowledged=None if ack is None else iso(ack.at_us),
            acknowledged_by="" if ack is None else ack.by,
            notify_s=_between(known_us, at_us),
            acknowledge_s=None if ack is None else _between(at_us, ack.at_us),
            lead_s=None if delivered is None else delivered.lead_s,
            escalated_to=self.escalated_to,
            reason=last.reason if last and last.state in ("failed", "expired", "replaced") else "",
        )

    def _arrived(self, delivered: Delivery | None) -> str:
        if delivered is not None:
            is_once = delivered.once or not delivered.repeated
            return "once" if is_once else "once or more"
        if self.acknowledgement is not None:
            return "once or more"
        return "not known" if any(s.reached for s in self.steps) else "no"


def _between(begin_us: int | None, end_us: int | None) -> float | None:
    if begin_us is None or end_us is None:
        return None
    return round((end_us - begin_us) / 1e6, 3)


def _health(sources: Mapping[str, Sources]) -> str | None:
    """Say how the sources of all hazards were."""
    if not sources:
        return None
    return "; ".join(
        f"{hazard}: {s.healthy} of {s.expected} healthy at {iso(s.at_us)}"
        for hazard, s in sorted(sources.items())
    )


class _Book:
    """Everything that the facts tell, by what it is about."""

    def __init__(self, known: Iterable[Fact]) -> None:
        self.sources: dict[str, Sources] = {}
        self.messages: dict[str, tuple[Message, str | None]] = {}
        self.decisions: dict[str, list[DecisionRow]] = {}
        self.ways: dict[str, dict[str, _Way]] = {}
        self.overrides: list[OverrideRow] = []
        self.delays = Delays()
        self.begin_us: int | None = None
        self.end_us: int | None = None
        for fact in known:
            self._take(fact)

    def _way(self, message: str, channel: str) -> _Way:
        return self.ways.setdefault(message, {}).setdefault(channel, _Way())

    def _take(self, fact: Fact) -> None:
        at_us = fact.at_us
        self.begin_us = at_us if self.begin_us is None else min(self.begin_us, at_us)
        self.end_us = at_us if self.end_us is None else max(self.end_us, at_us)
        match fact:
            case Sources():
                self.sources[fact.hazard] = fact
            case Message():
                self.messages[fact.identifier] = (fact, _health(self.sources))
            case Decision():
                self.decisions.setdefault(fact.event, []).append(
                    DecisionRow(
                        iso(at_us),
                        fact.revision,
                        fact.country,
                        fact.audience,
                        fact.verdict,
                        _health(self.sources),
                        fact.rules,
                    )
                )
            case Delivery():
                self._way(fact.message, fact.channel).steps.append(fact)
                self.delays.take(fact)
            case Acknowledgement():
                way = self._way(fact.message, fact.channel or fact.by)
                way.acknowledgement = way.acknowledgement or fact
            case Escalation():
                self._way(fact.message, fact.channel).escalated_to = fact.to or "nobody"
            case Override():
                self.overrides.append(
                    OverrideRow(
                        iso(at_us),
                        fact.word,
                        fact.chain,
                        fact.message,
                        fact.person,
                        fact.role,
                        fact.reason,
                        fact.complete,
                    )
                )
            case _:
                pass

    def message_row(self, message: Message, health: str | None) -> MessageRow:
        ways = self.ways.get(message.identifier, {})
        return MessageRow(
            identifier=message.identifier,
            type=message.type,
            status=message.status,
            country=message.country,
            audience=message.audience,
            sent=iso(message.sent_us),
            expires=iso(message.expires_us),
            headline=message.headline,
            people=message.people,
            sha256=message.sha256,
            sources=health,
            ways=tuple(way.row(name, message.known_us) for name, way in sorted(ways.items())),
        )

    def event_row(self, event: str) -> EventRow:
        said = [(m, h) for m, h in self.messages.values() if m.event == event]
        known_us = min((m.known_us for m, _ in said if m.known_us is not None), default=None)
        origin_us = next((m.origin_us for m, _ in reversed(said) if m.origin_us is not None), None)
        ways = [way for m, _ in said for way in self.ways.get(m.identifier, {}).values()]
        delivered = [s.at_us for way in ways for s in way.steps if s.state == "delivered"]
        acks = [way.acknowledgement.at_us for way in ways if way.acknowledgement is not None]
        return EventRow(
            event=event,
            origin=None if origin_us is None else iso(origin_us),
            known=None if known_us is None else iso(known_us),
            notify_s=_between(known_us, min(delivered, default=None)),
            acknowledge_s=_between(known_us, min(acks, default=None)),
            decisions=tuple(self.decisions.get(event, ())),
            messages=tuple(self.message_row(m, h) for m, h in said),
        )

    def channel_rows(self) -> tuple[ChannelRow, ...]:
        names = sorted({name for ways in self.ways.values() for name in ways})
        measured = self.delays.all()
        rows = []
        for name in names:
            ways = [found[name] for found in self.ways.values() if name in found]
            states = [way.row(name, None).state for way in ways]
            arrived = sum(any(s.state == "delivered" for s in way.steps) for way in ways)
            rows.append(
                ChannelRow(
                    channel=name,
                    queued=sum(bool(way.steps) for way in ways),
                    delivered=arrived,
                    acknowledged=states.count("acknowledged"),
                    failed=states.count("failed") + states.count("expired"),
                    replaced=states.count("replaced"),
                    delay_s=round(measured[name][1], 3) if name in measured else None,
                )
            )
        return tuple(rows)


def situation(
    entries: Sequence[Entry], *, event: str | None = None, fault: ledger.Fault | None = None
) -> Situation:
    """Make the report of a ledger.

    Parameters
    ----------
    entries
        From `dispatch.ledger.entries`.
    event
        Only this one; None for all.
    fault
        From `dispatch.ledger.verify`: what comes after it is not reported.
    """
    book = _Book(ledger.known(entries))
    events = dict.fromkeys([*(m.event for m, _ in book.messages.values()), *book.decisions])
    chosen = [name for name in events if event in (None, name)]
    return Situation(
        entries=len(entries),
        hash=entries[-1].hash if entries else ledger.GENESIS,
        fault="" if fault is None else f"entry {fault.number}: {fault.problem}",
        begin=None if book.begin_us is None else iso(book.begin_us),
        end=None if book.end_us is None else iso(book.end_us),
        sources=tuple(
            text for h, s in sorted(book.sources.items()) if (text := _health({h: s})) is not None
        ),
        events=tuple(book.event_row(name) for name in chosen),
        overrides=tuple(
            row for row in book.overrides if event is None or row.chain.startswith(event)
        ),
        channels=book.channel_rows(),
    )


def encode(report: object) -> bytes:
    """Write a report as JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
