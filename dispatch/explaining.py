"""Why each audience was or was not told of an event, rule by rule: lines of up to 80 columns."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from detect import events
from detect.events import Earthquake, Event
from dispatch import facts
from dispatch.audiences import Audience
from dispatch.facts import Decision, Rule
from dispatch.service import DispatchOperator
from stream.meaning import toml
from stream.records import Record
from stream.topics import EVENTS, FACTS

__all__ = ["decide", "explain", "policy_lines"]

WIDTH = 80
_RULE = 13  # columns of a rule's name
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decide(operator: DispatchOperator, said: Sequence[Event]) -> list[Decision]:
    """Decide on events, each at the moment when it was known.

    Parameters
    ----------
    operator
        A fresh one, of the configuration that is asked about.
    said
        All revisions, in the order of the log.
    """
    records = [
        Record(EVENTS.name, 0, i, e.updated_us // 1000, e.id.encode(), events.encode(e))
        for i, e in enumerate(said)
    ]
    told = [o for o in operator.process(records) if o.topic == FACTS.name]
    read = [facts.decode(output.value) for output in told]
    return [fact for fact in read if isinstance(fact, Decision)]


def explain(
    said: Sequence[Event], decisions: Iterable[Decision], *, in_full: bool = False
) -> Iterator[tuple[str, str]]:
    """Tell the decisions on one event.

    Parameters
    ----------
    said
        Its revisions; one at least.
    decisions
        On it, in their order.
    in_full
        Whether answers are repeated that are the same as in the decision before.

    Yields
    ------
    text, style
        Lines, and how they are shown.
    """
    yield _event(said[-1]), "bold"
    by_audience: dict[tuple[str, str], list[Decision]] = {}
    for decision in decisions:
        by_audience.setdefault((decision.country, decision.audience), []).append(decision)
    if not by_audience:
        yield "Nobody was asked about: nothing is shaken so that people feel it (II), or", ""
        yield "the magnitude was never known.", ""
    for (country, audience), found in sorted(by_audience.items()):
        yield "", ""
        yield f"{country} {audience}: {_in_short(found)}", "bold"
        before: tuple[Rule, ...] = ()
        for decision in found:
            yield from _decision(decision, () if in_full else before)
            before = decision.rules


def _event(event: Event) -> str:
    count = event.revision + 1
    ends = f"{event.status} at revision {event.revision}" if count > 1 else event.status
    if not isinstance(event, Earthquake):
        return f"{event.id}: {event.hazard} at {event.basin}, {ends}"
    size = "magnitude unknown" if event.magnitude is None else f"M {event.magnitude:.1f}"
    return f"{event.id}: {size}, {ends}"


def _in_short(found: Sequence[Decision]) -> str:
    sent = sum(decision.verdict == "told" for decision in found)
    held = sum(decision.verdict == "held" for decision in found)
    parts = [f"{sent} message{'' if sent == 1 else 's'}"] if sent else []
    parts += [f"{held} waiting for release"] if held else []
    return ", ".join(parts) or "not told"


def _decision(decision: Decision, known: Sequence[Rule]) -> Iterator[tuple[str, str]]:
    moment = _EPOCH + timedelta(microseconds=decision.at_us)
    clock = f"{moment:%H:%M:%S}.{decision.at_us // 100_000 % 10}"
    head = f"  {clock} revision {decision.revision}: {decision.verdict}"
    yield (
        head,
        {"told": "bold red", "held": "bold yellow", "not told": "bold green"}[decision.verdict],
    )
    if decision.message:
        yield f"    {decision.message}", "dim"
    for rule in decision.rules:
        if rule not in known or not rule.met:
            yield from _rule(rule)
    if any(rule in known and rule.met for rule in decision.rules):
        yield "        the rest as before", "dim"


def _rule(rule: Rule) -> Iterator[tuple[str, str]]:
    head = f"    {'yes' if rule.met else 'NO '} {rule.name:<{_RULE}}"
    lines = textwrap.wrap(rule.detail, WIDTH - len(head)) or [""]
    style = "" if rule.met else "yellow"
    yield f"{head}{lines[0]}".rstrip(), style
    for line in lines[1:]:
        yield " " * len(head) + line, style


def policy_lines(audience: Audience) -> Iterator[tuple[str, str]]:
    """Tell all that holds for an audience in a country."""
    state = "told" if audience.enabled else "off"
    yield (
        f"{audience.country} {audience.name} ({audience.kind}): {state}",
        ("bold" if audience.enabled else "dim"),
    )
    settings: dict[str, object] = {
        "languages": audience.languages,
        "channel_delay_s": audience.channel_delay_s,
        **{name: getattr(audience.policy, name) for name in audience.policy.__struct_fields__},
    }
    if audience.addresses:
        settings["addresses"] = audience.addresses
    if audience.places:
        settings["places"] = tuple(sorted(audience.places))
    for name, value in settings.items():
        yield from _setting(name, toml(msgspec.to_builtins(value)))
    for site in audience.sites:
        yield from _setting("site", f"{site.name}, {site.latitude:.4f} {site.longitude:.4f}")


def _setting(name: str, value: str) -> Iterator[tuple[str, str]]:
    head = f"  {name:<24}"
    lines = textwrap.wrap(value, WIDTH - len(head)) or [""]
    yield head + lines[0], ""
    for line in lines[1:]:
        yield " " * len(head) + line, ""
