"""Figures for Target G of the Sendai Framework, as far as a ledger holds them.

Each has its numerator, its denominator and what it stands for. None is the indicator itself:
that is reported by countries, on all hazards. So each is a proxy, and says so.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from dispatch.channels.board import iso
from dispatch.facts import Acknowledgement, Delivery, Fact, Message, Sources

__all__ = ["Figure", "People", "Sendai", "sendai"]

HOLDS_US = 60_000_000
"""So long what is told of the sources holds; time after that counts as not watched."""


class People(Struct, frozen=True):
    """People of a country: those who live in places that are warned, and all; None: not known."""

    in_places: int
    total: int | None


class Figure(Struct, frozen=True, rename="camel"):
    """One figure.

    Attributes
    ----------
    indicator
        ``G-2`` or ``G-3``, with what it is taken for.
    value, unit
        None where there is no denominator.
    proxy
        Always the word ``proxy``, and for what.
    """

    indicator: str
    of: str
    numerator: float
    numerator_is: str
    denominator: float
    denominator_is: str
    value: float | None
    unit: str
    proxy: str


class Sendai(Struct, frozen=True, rename="camel"):
    """All figures of a period."""

    begin: str
    end: str
    figures: tuple[Figure, ...]


def sendai(
    known: Iterable[Fact], people: Mapping[str, People], begin_us: int, end_us: int
) -> Sendai:
    """Work out the figures of a period.

    Parameters
    ----------
    known
        Facts in the order of the ledger, each once (`dispatch.ledger.known`).
    people
        By country code.
    begin_us, end_us
        The period, microseconds since 1970 UTC.
    """
    sources: dict[str, list[Sources]] = {}
    countries: dict[str, str] = {}
    proven: set[str] = set()
    for fact in known:
        if isinstance(fact, Message):
            countries[fact.identifier] = fact.country
        if not begin_us <= fact.at_us < end_us:
            continue
        if isinstance(fact, Sources):
            sources.setdefault(fact.hazard, []).append(fact)
        elif isinstance(fact, Acknowledgement) or (
            isinstance(fact, Delivery) and fact.state == "delivered"
        ):
            proven.add(countries.get(fact.message, ""))
    figures = [
        _monitoring(hazard, told, begin_us, end_us) for hazard, told in sorted(sources.items())
    ]
    figures.append(_covered(people, proven))
    return Sendai(iso(begin_us), iso(end_us), tuple(figures))


def _monitoring(hazard: str, told: list[Sources], begin_us: int, end_us: int) -> Figure:
    """G-2: the time for which sources were healthy, of all their time."""
    told = sorted(told, key=lambda s: s.at_us)
    healthy_s = 0.0
    for this, until_us in zip(told, [*(s.at_us for s in told[1:]), end_us], strict=True):
        held_us = min(until_us - this.at_us, HOLDS_US, end_us - this.at_us)
        healthy_s += this.healthy * held_us / 1e6
    most = max(s.expected for s in told)
    all_s = most * (end_us - begin_us) / 1e6
    return Figure(
        indicator="G-2",
        of=hazard,
        numerator=round(healthy_s / 3600, 3),
        numerator_is="hours for which sources were healthy, added over all of them",
        denominator=round(all_s / 3600, 3),
        denominator_is=f"hours of the period, times {most} sources",
        value=round(healthy_s / all_s, 4) if all_s else None,
        unit="share of time",
        proxy="proxy for whether the hazard is monitored: up-time of its sources",
    )


def _covered(people: Mapping[str, People], proven: set[str]) -> Figure:
    """G-3: people in places of countries to which a message has been delivered or acknowledged."""
    counted = {c: p for c, p in people.items() if p.total}
    reached = sum(min(p.in_places, p.total or 0) for c, p in counted.items() if c in proven)
    total = sum(p.total or 0 for p in counted.values())
    named = ", ".join(sorted(proven & counted.keys())) or "none"
    missing = ", ".join(sorted(people.keys() - counted.keys()))
    left_out = f"; left out, for their people are not known: {missing}" if missing else ""
    return Figure(
        indicator="G-3",
        of=f"countries with a proven channel: {named}",
        numerator=reached,
        numerator_is="people in known places of countries to which a message, tests included, was "
        "delivered or acknowledged in the period",
        denominator=total,
        denominator_is=f"people of {', '.join(sorted(counted)) or 'no country'}{left_out}",
        value=round(reached / total * 100_000, 1) if total else None,
        unit="per 100,000 people",
        proxy="proxy for people covered by early warning: who lives where a channel is proven",
    )
