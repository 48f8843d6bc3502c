"""The ledger in words: one line for each entry."""

import msgspec

from dispatch.channels.board import iso
from dispatch.facts import (
    Acknowledgement,
    Decision,
    Delivery,
    Escalation,
    Fact,
    Lost,
    Message,
    Override,
    Rule,
    Sources,
    Started,
    Unreadable,
)
from dispatch.ledger import Entry

__all__ = ["HEAD", "is_about", "line", "words"]

HEAD = 40
"""Characters before the words of a line."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def line(entry: Entry) -> str:
    """Tell an entry: its number, the time of its fact (UTC), what kind it is, and what it says."""
    try:
        fact = entry.told
    except _UNREADABLE:
        at_us, kind = entry.arrival_ms * 1000, "unknown"
        said = "of a contract that this program does not know; kept as it came"
    else:
        at_us, (kind, said) = fact.at_us, words(fact)
    at = f"{iso(at_us)[:19].replace('T', ' ')}.{at_us // 100_000 % 10}"
    return f"{entry.number:>6} {at} {kind:<9}  {said}"


def is_about(entry: Entry, event: str) -> bool:
    """Whether an entry tells of an event: of its messages, decisions, or people's words."""
    try:
        fact = entry.told
    except _UNREADABLE:
        return False
    named = (getattr(fact, name, "") for name in ("event", "chain", "message"))
    return any(each == event or each.startswith(f"{event}_") for each in named if each)


def words(fact: Fact) -> tuple[str, str]:
    """Return the kind of a fact in one word, and what it says."""
    match fact:
        case Decision():
            return "decision", _decision(fact)
        case Message():
            to = _to(fact.country, fact.audience)
            return "message", f"{fact.type} {fact.identifier} to {to}, {fact.status}"
        case Delivery():
            return "delivery", _delivery(fact)
        case Acknowledgement():
            said = "" if fact.verified else ", not verified"
            return "ack", f"{fact.message} acknowledged by {fact.by}{said}"
        case Escalation():
            to = f"{fact.to} takes it" if fact.to else "there is no other way"
            return "escalated", f"{fact.channel}: no {fact.missed} of {fact.message} in time; {to}"
        case Override():
            who = f" by {fact.person}, {fact.role}" if fact.person else ""
            done = "" if fact.complete else " (one more is needed)"
            return "word", f"{fact.word} of {fact.chain}{who}: {fact.reason}{done}"
        case Sources():
            return "sources", _sources(fact)
        case Started():
            return "started", f"{fact.process}; what was under way may go out again"
        case Unreadable():
            return "unreadable", f"{fact.size} bytes that are no fact: {fact.reason}"
        case Lost():
            return "lost", f"records {fact.first} to {fact.last} were dropped by the log"


def _to(country: str, audience: str) -> str:
    return " / ".join(filter(None, (country, audience))) or "all"


def _rule(rule: Rule) -> str:
    return f"{rule.name} ({rule.detail})" if rule.detail else rule.name


def _decision(fact: Decision) -> str:
    said = f"{_to(fact.country, fact.audience)}: {fact.verdict} of {fact.event}.{fact.revision}"
    missed = [_rule(rule) for rule in fact.rules if not rule.met]
    if fact.message:
        return f"{said}, {fact.message}"
    return f"{said}: {'; '.join(missed)}" if missed else said


def _delivery(fact: Delivery) -> str:
    said = f"{fact.channel}: {fact.state} {fact.message}"
    if fact.attempt > 1:
        said += f", attempt {fact.attempt}"
    if fact.repeated and not fact.once:
        said += ", perhaps not for the first time"
    if fact.lead_s is not None:
        said += f", {fact.lead_s:.0f} s before S" if fact.lead_s > 0 else ", after S"
    return f"{said}: {fact.reason}" if fact.reason and fact.state != "delivered" else said


def _sources(fact: Sources) -> str:
    states = ("late", "warming", "faulty", "silent")
    others = [f"{n} {name}" for name in states if (n := getattr(fact, name))]
    said = f"{fact.hazard}: {fact.healthy} of {fact.expected} healthy"
    return ", ".join([said, *others])
