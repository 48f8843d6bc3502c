"""Each rule of a policy: when it is met, what it says, and that it holds messages back."""

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_audiences import BRIDGE, DAM, OWN
from made_earthquakes import (
    PLACES,
    WUSHI_US,
    StraightRays,
    earthquake,
    microseconds,
    records,
)

from dispatch import cap, facts, policy, rules
from dispatch.facts import Decision, Rule
from dispatch.joined import ShakingField
from dispatch.policy import Shaken
from dispatch.service import DispatchOperator
from dispatch.settings import AudiencePolicy, DispatchSettings, Policy
from stream.topics import ALERTS, FACTS, HELD


def settings(**changes):
    """One audience more, of two sites, in English."""
    values = {"sites": (DAM, BRIDGE)} | changes
    return DispatchSettings(**OWN, languages=("en",), audiences={"rail": AudiencePolicy(**values)})


def outputs(quakes, chosen):
    return DispatchOperator(chosen, PLACES, StraightRays()).process(records(quakes))


def told(quakes, chosen, audience="rail"):
    """Messages to the audience in Kazakhstan."""
    found = [cap.parse(o.value) for o in outputs(quakes, chosen) if o.topic == ALERTS.name]
    return [m for m in found if (m.country, m.audience) == ("KZ", audience)]


def decided(quakes, chosen, audience="rail"):
    """Decisions on the audience in Kazakhstan."""
    found = [facts.decode(o.value) for o in outputs(quakes, chosen) if o.topic == FACTS.name]
    return [
        fact
        for fact in found
        if isinstance(fact, Decision) and (fact.country, fact.audience) == ("KZ", audience)
    ]


def unmet(quakes, chosen, audience="rail"):
    """The last rule asked of the last decision, if it was not met."""
    last = decided(quakes, chosen, audience)[-1].rules[-1]
    return None if last.met else (last.name, last.detail)


def test_what_is_asked_when_all_is_well():
    (decision,) = decided([earthquake()], settings())
    assert decision.verdict == "told"
    assert decision.message == "ca.20240122T180911-AAK_KZ_rail_0"
    assert decision.rules == (
        Rule("enabled", True, "sending to rail is on"),
        Rule("mode", True, "Actual; it takes Test, Exercise, Actual"),
        Rule("status", True, "confirmed; at least confirmed"),
        Rule("magnitude", True, "7.0; at least 4.5"),
        Rule("stations", True, "the magnitude is from 4; at least 2"),
        Rule("felt", True, "7.0 or more does not wait to be felt"),
        Rule("intensity", True, "4.7 at Bridge 7 & 8; at least 4"),
        Rule("lead", True, "55.7 s to S at Medeu dam; more than -60 s"),
        Rule("hours", True, "tue 00:09 UTC+06:00; told at all hours"),
        Rule("release", True, "by itself"),
    )


@pytest.mark.parametrize(
    ("quake", "changes", "name", "says"),
    [
        ({}, {"enabled": False}, "enabled", "sending to rail is off"),
        ({}, {"statuses": ("Test",)}, "mode", "Actual; it takes Test"),
        ({"status": "provisional"}, {}, "status", "provisional; at least confirmed"),
        ({"magnitude": 4.4}, {}, "magnitude", "4.4; at least 4.5"),
        ({}, {"min_magnitude_stations": 5}, "stations", "from 4; at least 5"),
        ({}, {"max_magnitude_sigma": 0.29}, "certainty", "± 0.30; at most 0.29"),
        ({"magnitude": 5.4}, {}, "felt", "S felt at 0 stations; 2 below magnitude 5.5"),
        ({}, {"min_intensity": 5.0}, "intensity", "4.7 at Bridge 7 & 8; at least 5"),
        ({}, {"min_probability": 0.9}, "probability", "that it is 4 or more; at least 0.9"),
        ({}, {"min_lead_s": 60.0}, "lead", "nowhere more than 60 s to S"),
        ({}, {"hours": ("06:00-24:00",)}, "hours", "tue 00:09 UTC+06:00; told 06:00-24:00"),
    ],
)
def test_each_rule_keeps_an_audience_from_being_told(quake, changes, name, says):
    quakes, chosen = [earthquake(**quake)], settings(**changes)
    assert told(quakes, chosen) == []
    found = unmet(quakes, chosen)
    assert found is not None
    assert found[0] == name
    assert says in found[1]
    assert told([earthquake()], settings())


@pytest.mark.parametrize(
    ("hours", "days", "clock", "is_open"),
    [
        ((), (), "2024-03-10T23:59:59", True),
        (("08:00-18:00",), (), "2024-03-11T02:59:59", False),
        (("08:00-18:00",), (), "2024-03-11T03:00:00", True),
        (("08:00-18:00",), (), "2024-03-11T12:59:59", True),
        (("08:00-18:00",), (), "2024-03-11T13:00:00", False),
        (("08:00-12:00", "13:00-18:00"), (), "2024-03-11T07:30:00", False),
        (("08:00-12:00", "13:00-18:00"), (), "2024-03-11T08:30:00", True),
        (("22:00-06:00",), (), "2024-03-11T17:00:00", True),
        (("22:00-06:00",), (), "2024-03-11T00:59:00", True),
        (("22:00-06:00",), (), "2024-03-11T01:00:00", False),
        (("22:00-06:00",), ("mon",), "2024-03-12T00:00:00", True),
        (("22:00-06:00",), ("mon",), "2024-03-11T00:00:00", False),
        ((), ("sat", "sun"), "2024-03-10T12:00:00", True),
        ((), ("sat", "sun"), "2024-03-10T19:00:00", False),
        (("07:00-07:00",), (), "2024-03-11T12:00:00", True),
    ],
)
def test_hours_are_local_and_go_over_midnight(hours, days, clock, is_open):
    """Almaty is at UTC+5 since 2024-03-01; 2024-03-11 is a Monday."""
    asked = Policy(hours=hours, weekdays=days)
    assert rules.hours(asked, microseconds(clock), "Asia/Almaty").met is is_open


def test_updates_and_corrections_come_at_all_hours():
    """Told at 00:09 of a Tuesday that begins at 00:00, grown at 01:00 when no one would be."""
    quakes = [
        earthquake(0),
        earthquake(1, 20.0, magnitude=7.8),
        earthquake(2, 60.0, status="cancelled"),
    ]
    chosen = settings(hours=("00:00-00:10",), sites=(DAM,), expires_s=7200)
    late = [quakes[0], *(msgspec.structs.replace(q, updated_us=q.updated_us + 3_600_000_000)
                         for q in quakes[1:])]  # fmt: skip
    assert [m.msg_type for m in told(quakes, chosen)] == ["Alert", "Update", "Cancel"]
    assert [m.msg_type for m in told([late[0], late[2]], chosen)] == ["Alert", "Cancel"]


def test_the_delay_of_the_channel_is_that_of_the_audience():
    (fast,) = told([earthquake()], settings())
    (slow,) = told([earthquake()], settings(channel_delay_s=10.0))
    assert [a.lead_s - b.lead_s for a, b in zip(fast.places, slow.places, strict=True)] == (
        pytest.approx([10.0, 10.0])
    )
    (others,) = told([earthquake()], settings(channel_delay_s=10.0), "civil-protection")
    assert others.channel_delay_s == 0.0


def test_a_message_is_not_repeated_too_soon_unless_it_is_worse():
    calm = settings(update_interval_s=60.0)
    weaker = [earthquake(0, magnitude=7.8), earthquake(1, 20.0, magnitude=7.0)]
    assert [m.msg_type for m in told(weaker, settings())] == ["Alert", "Update"]
    assert [m.msg_type for m in told(weaker, calm)] == ["Alert"]
    stronger = [earthquake(0), earthquake(1, 16.0, magnitude=7.8)]
    assert [m.msg_type for m in told(stronger, calm)] == ["Alert", "Update"]
    sooner = [earthquake(0), earthquake(1, 16.0, origin_time_us=WUSHI_US - 4_000_000)]
    assert [m.msg_type for m in told(sooner, calm)] == ["Alert", "Update"]
    gone = [earthquake(0), earthquake(1, 16.0, status="cancelled")]
    assert [m.msg_type for m in told(gone, calm)] == ["Alert", "Cancel"]


def test_after_the_interval_the_next_revision_says_it():
    calm = settings(update_interval_s=10.0)
    quakes = [
        earthquake(0, magnitude=7.8),
        earthquake(1, 20.0, magnitude=7.0),
        earthquake(2, 26.0, magnitude=7.0),
    ]
    assert [(m.msg_type, m.revision) for m in told(quakes, calm)] == [("Alert", 0), ("Update", 2)]


def test_two_people_must_release_what_waits():
    found = outputs([earthquake()], settings(release="two people"))
    rail = [o for o in found if b"_rail" in o.key]
    assert [o.topic for o in rail if o.topic != FACTS.name] == [HELD.name]
    (decision,) = decided([earthquake()], settings(release="two people"))
    assert (decision.verdict, decision.rules[-1].met) == ("held", False)
    told_facts = [facts.decode(o.value) for o in found if o.topic == FACTS.name]
    assert all(f.audience != "rail" for f in told_facts if isinstance(f, facts.Message))
    assert {f.audience for f in told_facts if isinstance(f, facts.Message)} == {"civil-protection"}


def test_an_audience_of_towns_is_told_of_those_alone():
    chosen = settings(sites=(), places=("Kegen",))
    (message,) = told([earthquake()], chosen)
    assert [place.name for place in message.places] == ["Kegen"]
    assert told([earthquake()], settings(sites=(), places=("Astana",))) == []
    assert unmet([earthquake()], settings(sites=(), places=("Astana",))) == (
        "intensity",
        "it does not come near; at least 4",
    )


def chance(sigma, intensity, level=4.0):
    quake = earthquake(magnitude_sigma=sigma)
    field = ShakingField.of(quake, DispatchSettings())
    return policy.exceedance(quake, field, Shaken(0, 100.0, intensity), level)


def test_the_probability_is_that_of_both_spreads():
    """Bindi et al. 2011, table 1: sigma 0.737, and 0.898 degrees for each magnitude."""
    assert chance(0.3, 4.0) == pytest.approx(0.5)
    spread = math.hypot(0.737, 0.898 * 0.3)
    assert chance(0.3, 4.0 + spread) == pytest.approx(0.8413, abs=1e-3)
    assert chance(None, 4.737) == pytest.approx(0.8413, abs=1e-3)


@given(st.floats(0, 1), st.floats(2, 8), st.floats(2, 8))
def test_the_probability_grows_with_the_intensity_and_falls_with_the_level(sigma, low, high):
    low, high = sorted((low, high))
    assert 0.0 <= chance(sigma, low) <= chance(sigma, high) <= 1.0
    assert chance(sigma, 5.0, low) >= chance(sigma, 5.0, high)


def test_a_revision_that_changes_nothing_writes_nothing():
    quakes = [earthquake(n, 15.0 + 0.2 * n) for n in range(100)]
    found = [o for o in outputs(quakes, settings()) if o.topic == FACTS.name]
    assert {o.cause for o in found} == {0}
    # Three countries with civil protection and the public, and the railway, each once; and the
    # messages.
    decisions = [f for f in map(facts.decode, (o.value for o in found)) if isinstance(f, Decision)]
    assert len(decisions) == 7
    assert len(found) - len(decisions) == 4


def test_a_country_that_feels_nothing_is_not_asked_about():
    far = earthquake(magnitude=5.0)
    found = [facts.decode(o.value) for o in outputs([far], settings()) if o.topic == FACTS.name]
    assert {fact.country for fact in found} == {"CN", "KG", "KZ"}
    assert "JP" not in {fact.country for fact in found}


def test_another_agencys_message_is_passed_over():
    value = (Path(__file__).parent / "contracts" / "foreign-alert-1.json").read_bytes()
    record = msgspec.structs.replace(records([earthquake()])[0], value=value)
    assert DispatchOperator(settings(), PLACES, StraightRays()).process([record]) == []
    damaged = msgspec.structs.replace(record, value=value.replace(b'"sent_us":', b'"sent":'))
    (refused,) = DispatchOperator(settings(), PLACES, StraightRays()).process([damaged])
    assert refused.topic == "rejects"


def test_messages_are_signed_before_they_go_out():
    operator = DispatchOperator(settings(), PLACES, StraightRays(), lambda value: value + b"!")
    found = operator.process(records([earthquake()]))
    sent = [o for o in found if o.topic.startswith("alerts")]
    assert sent
    assert all(o.value.endswith(b"!") for o in sent)


def test_many_sites_are_no_polygon():
    sites = tuple(msgspec.structs.replace(BRIDGE, name=f"Bridge {n}") for n in range(21))
    (message,) = told([earthquake()], settings(sites=sites))
    assert (message.areas, message.no_polygon) == ((), "more than 20 sites")
