"""The rules that are asked before an audience is told of an earthquake, in their order.

Each answer names the rule, whether it was met, and the values that say so: they stand in the
ledger, and `alatau policy explain` prints them. The first rule that is not met ends the asking.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from detect.events import Earthquake
from dispatch.audiences import Audience
from dispatch.facts import Rule
from dispatch.local_time import offset_text, zone
from dispatch.messages import Message, Status
from dispatch.policy import Difference
from dispatch.policy_settings import Policy

__all__ = [
    "FELT_STATIONS",
    "Standing",
    "change",
    "enabled",
    "hours",
    "interval",
    "mode",
    "released",
    "standing",
    "unmet",
]

FELT_STATIONS = 2  # that have felt a small earthquake before anyone is told of it
NO_SIGMA_LIMIT = 10.0

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60


class Standing(Struct, frozen=True):
    """What an event is good for under a policy.

    Attributes
    ----------
    stands
        True: people may be warned. False: they may not. None: the event says nothing now (it
        is provisional, or has no magnitude, or has not been felt), and what has been told stays.
    rules
        Why.
    """

    stands: bool | None
    rules: tuple[Rule, ...]


def unmet(rules: Iterable[Rule]) -> str:
    """Name the rule that was not met; none if all were."""
    return next((rule.name for rule in rules if not rule.met), "")


def enabled(audience: Audience) -> Rule:
    """Ask whether the audience is told at all."""
    state = "on" if audience.enabled else "off"
    return Rule("enabled", audience.enabled, f"sending to {audience.name} is {state}")


def mode(status: Status, policy: Policy) -> Rule:
    """Ask whether what is sent now, a test or not, may go to the audience."""
    return Rule(
        "mode", status in policy.statuses, f"{status}; it takes {', '.join(policy.statuses)}"
    )


def standing(event: Earthquake, policy: Policy, *, told: bool) -> Standing:
    """Judge the event by status, magnitude, and what has been felt of it.

    A magnitude from few stations warns nobody. Below `felt_magnitude` nobody is warned before
    two stations have felt the S wave: small earthquakes do no harm at a distance at which there
    is time to wait, and the formulas of intensity, made from what people felt, are too high for
    those that nobody felt. One that may be larger than has been seen yet does not wait.
    """
    rules = [
        Rule(
            "status",
            event.status == "confirmed" or policy.min_status == "provisional",
            f"{event.status}; at least {policy.min_status}",
        )
    ]
    if event.magnitude is None:
        rules.append(Rule("magnitude", False, "not known yet"))
    if not all(rule.met for rule in rules) or event.magnitude is None:
        return Standing(None, tuple(rules))
    least = policy.min_magnitude - (policy.magnitude_hysteresis if told else 0.0)
    at_least = "≥ " if event.magnitude_saturated else ""
    size = f"{at_least}{event.magnitude:.1f}"
    rules.append(Rule("magnitude", event.magnitude >= least, f"{size}; at least {least:.1f}"))
    if not rules[-1].met:
        return Standing(False, tuple(rules))
    rules.append(
        Rule(
            "stations",
            event.magnitude_stations >= policy.min_magnitude_stations,
            f"the magnitude is from {event.magnitude_stations}; "
            f"at least {policy.min_magnitude_stations}",
        )
    )
    if rules[-1].met and not told and policy.max_magnitude_sigma < NO_SIGMA_LIMIT:
        spread = event.magnitude_sigma
        rules.append(
            Rule(
                "certainty",
                spread is not None and spread <= policy.max_magnitude_sigma,
                f"magnitude ± {'unknown' if spread is None else f'{spread:.2f}'}; "
                f"at most {policy.max_magnitude_sigma:g}",
            )
        )
    if rules[-1].met and not told:
        rules.append(_felt(event, event.magnitude, policy))
    return Standing(True if rules[-1].met else None, tuple(rules))


def _felt(event: Earthquake, magnitude: float, policy: Policy) -> Rule:
    if event.magnitude_saturated or magnitude >= policy.felt_magnitude:
        return Rule("felt", True, f"{magnitude:.1f} or more does not wait to be felt")
    felt = sum(s.has_s for s in event.shaking)
    return Rule(
        "felt",
        felt >= FELT_STATIONS,
        f"S felt at {felt} stations; {FELT_STATIONS} below magnitude {policy.felt_magnitude:g}",
    )


def hours(policy: Policy, now_us: int, timezone: str) -> Rule:
    """Ask whether the audience is told at this local time."""
    local = (_EPOCH + timedelta(microseconds=now_us)).astimezone(zone(timezone))
    now = local.hour * 60 + local.minute
    today, yesterday = _DAYS[local.weekday()], _DAYS[local.weekday() - 1]
    days = policy.weekdays or _DAYS
    spans = [tuple(map(_minutes, span.split("-"))) for span in policy.hours] or [(0, _DAY_MINUTES)]
    is_open = any(
        (begin <= now and (now < end or end <= begin) and today in days)
        or (end <= begin and now < end and yesterday in days)
        for begin, end in spans
    )
    open_at = ", ".join((*policy.weekdays, *policy.hours)) or "at all hours"
    clock = f"{today} {local:%H:%M} {offset_text(now_us, timezone)}"
    return Rule("hours", is_open, f"{clock}; told {open_at}")


def _minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def change(found: Difference, policy: Policy) -> Rule:
    """Ask whether so much has changed since the last message that it must be said."""
    what = "a place more; " if found.is_new else ""
    return Rule(
        "change",
        found.is_due,
        f"{what}{found.degrees:.1f} degrees, S {found.seconds:.1f} s; "
        f"due from {policy.update_intensity:g}, {policy.update_seconds:g} s",
    )


def interval(
    told: Message, found: Difference, policy: Policy, now_us: int, *, is_more_severe: bool
) -> Rule:
    """Ask whether the last message is long enough ago; what has become worse does not wait."""
    since_s = (now_us - told.sent_us) / 1e6
    is_worse = found.is_worse or is_more_severe
    return Rule(
        "interval",
        is_worse or since_s >= policy.update_interval_s,
        "it has become worse"
        if is_worse
        else f"{since_s:.0f} s since the last; at least {policy.update_interval_s:g}",
    )


def released(policy: Policy) -> Rule:
    """Ask whether it goes out by itself."""
    by_itself = policy.release == "automatic"
    return Rule(
        "release", by_itself, "by itself" if by_itself else "it waits until two people release it"
    )
