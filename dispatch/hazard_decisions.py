"""Who is to be told what about a hazard other than an earthquake: decisions without state."""

import re
from collections.abc import Collection, Iterable

from detect.hazard_events import HazardEvent, Reached
from dispatch import rules
from dispatch.audiences import Audience
from dispatch.facts import Rule
from dispatch.hazard_areas import holds
from dispatch.hazard_messages import HazardMessage, HazardUrgency, ReachedPlace
from dispatch.hazard_policy import HazardPolicy
from dispatch.messages import Status
from dispatch.policy import ImpossibleEventError

__all__ = ["LAST_US", "asked", "check", "concerned", "is_due", "release", "two_people", "urgency"]

LAST_US = 7_258_118_400_000_000
"""The year 2200: later times are none."""

IMMEDIATE_US = 1_800_000_000
EXPECTED_US = 3_600_000_000
"""CAP 1.2 calls Expected what comes within the next hour. What comes within half of it is
Immediate: people need that time to leave a valley."""

RENEWED_US = 3_600_000_000
"""A message of which less than a quarter is left is renewed if that gains an hour."""

_NAME = re.compile(r"[A-Za-z0-9.\-]+")
_COUNTRY = re.compile("[A-Z]{2}")
_NOT_TEXT = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check(event: HazardEvent) -> None:
    """Refuse an event on which no decision may be made.

    Raises
    ------
    ImpossibleEventError
        Saying what is wrong with it.
    """
    points = [(event.latitude, event.longitude), *((p.latitude, p.longitude) for p in event.places)]
    times = [event.onset_us, event.updated_us]
    for place in event.places:
        times += [place.earliest_us, place.expected_us, place.latest_us, place.passed_us or 0]
    texts = [event.basin, *event.causes, *(place.place for place in event.places)]
    wrong = {
        "a name that is not of letters, digits, '.' and '-'": not _NAME.fullmatch(event.id),
        "a point that is not on the globe": not all(
            abs(latitude) <= 90.0 and abs(longitude) <= 180.0 for latitude, longitude in points
        ),
        "a time before 1970 or after 2199": not all(0 <= time < LAST_US for time in times),
        "a window that ends before it begins": not all(
            place.earliest_us <= place.expected_us <= place.latest_us for place in event.places
        ),
        "a country that is not of two capital letters": not all(
            _COUNTRY.fullmatch(place.country) for place in event.places
        ),
        "a name of a place, basin or cause that is empty or no text": not all(
            text.strip() and _NOT_TEXT.search(text) is None for text in texts
        ),
    }
    for problem, is_so in wrong.items():
        if is_so:
            raise ImpossibleEventError(problem)


def asked(
    event: HazardEvent,
    policy: HazardPolicy,
    audience: Audience,
    status: Status,
    *,
    told: bool,
) -> tuple[Rule, ...]:
    """Ask whether an audience hears of the event; the first rule that is not met is the last.

    Civil protection does at every level and status, and whoever has heard of it hears of it to
    the end.

    Parameters
    ----------
    status
        Of what is sent now: a test or not.
    """
    found = [rules.enabled(audience)]
    if found[-1].met:
        found.append(rules.mode(status, audience.policy))
    if not found[-1].met:
        return tuple(found)
    if audience.kind == "civil-protection":
        said = f"{event.status}, level {event.level}; those on duty hear of everything"
        return (*found, Rule("duty", True, said))
    if told:
        return (*found, Rule("told", True, "it has been told, and hears of it to the end"))
    is_sure = event.status == "confirmed" or policy.min_status == "provisional"
    found.append(Rule("status", is_sure, f"{event.status}; at least {policy.min_status}"))
    if is_sure:
        enough = event.level >= policy.min_level
        found.append(Rule("level", enough, f"{event.level}; at least {policy.min_level}"))
    return tuple(found)


def concerned(event: HazardEvent, policy: HazardPolicy, audience: Audience) -> Rule | None:
    """Ask whether it comes to the sites or towns of an audience; None if it has named none."""
    if audience.sites:
        latitude = [site.latitude for site in audience.sites]
        longitude = [site.longitude for site in audience.sites]
        met = holds(event, policy, latitude, longitude)
        return Rule("sites", met, f"{'one' if met else 'none'} of {len(latitude)} in the area")
    if audience.places:
        found = sorted({place.place for place in event.places} & audience.places)
        return Rule("places", bool(found), ", ".join(found) or "none of its towns is reached")
    return None


def release(policy: HazardPolicy, audience: Audience) -> Rule:
    """Ask whether it goes out by itself."""
    waits = two_people(policy, audience)
    return Rule("release", not waits, "two people" if waits else "automatic")


def two_people(policy: HazardPolicy, audience: Audience) -> bool:
    """Whether two people must release what goes to an audience.

    The policy of the hazard speaks for the public and for machines that speak to it; that of
    the audience for itself.
    """
    is_public = audience.kind in ("public", "machine")
    return (policy.two_people and is_public) or audience.policy.release == "two people"


def urgency(event: HazardEvent, places: Collection[Reached], now_us: int) -> HazardUrgency:
    """CAP urgency: of the first arrival that is still to come.

    Where no arrival is known, what is more than a watch is Immediate.
    """
    ahead = [place for place in places if place.passed_us is None and place.latest_us > now_us]
    if not ahead:
        if places:
            return "Past"
        return "Immediate" if event.level > 1 else "Future"
    first_us = min(place.earliest_us for place in ahead) - now_us
    if first_us <= IMMEDIATE_US:
        return "Immediate"
    return "Expected" if first_us <= EXPECTED_US else "Future"


def is_due(told: HazardMessage, now: HazardMessage, policy: HazardPolicy) -> bool:
    """Whether what is known now differs so much from what was told that it must be said.

    Parameters
    ----------
    told, now
        The last message, and the one that would be sent.
    """
    if (told.level, told.is_confirmed, told.severity) != (
        now.level,
        now.is_confirmed,
        now.severity,
    ):
        return True
    left_us = told.expires_us - now.sent_us
    life_us = told.expires_us - told.sent_us
    if left_us < life_us / 4 and now.expires_us >= told.expires_us + RENEWED_US:
        return True
    return _have_moved(told.places, now.places, policy.update_s * 1_000_000, now.sent_us)


def _have_moved(
    told: Iterable[ReachedPlace], now: Iterable[ReachedPlace], by_us: int, now_us: int
) -> bool:
    """Whether a place has come or gone, or its window has moved while it can still be used."""
    before = {(place.name, place.country): place for place in told}
    after = {(place.name, place.country): place for place in now}
    if after.keys() - before.keys():
        return True
    for name, old in before.items():
        if old.passed_us is not None or old.latest_us <= now_us:
            continue
        new = after.get(name)
        if new is None:
            return True
        moves = (
            abs(new.earliest_us - old.earliest_us),
            abs(new.expected_us - old.expected_us),
            abs(new.latest_us - old.latest_us),
        )
        if max(moves) >= by_us:
            return True
    return False
