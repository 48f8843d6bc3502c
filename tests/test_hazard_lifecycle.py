"""Chains of warnings of other hazards: who is told, when again, and how it ends."""

import itertools

import msgspec
import pytest
from cap_rules import violations
from hypothesis import given, settings
from hypothesis import strategies as st
from made_hazard_events import BURST_US, HOUR, KARGALY, MINUTE, hazard, reached, shahimardan

from dispatch import hazard_cap, places
from dispatch.hazard_decisions import check
from dispatch.hazard_lifecycle import PERIOD, HazardLifecycle
from dispatch.hazard_policy import SHIPPED, CountryHazards, HazardChoice, HazardPolicies
from dispatch.policy import ImpossibleEventError
from dispatch.settings import AudiencePolicy, DispatchSettings, Site

OWN = {"sender": "warning@mchs.kz", "web": "https://mchs.kz", "contact": "duty@mchs.kz"}
PLACES = places.load()
PUBLIC = DispatchSettings(
    **OWN, status="Actual", audiences={"public": AudiencePolicy(enabled=True)}
)


def chosen(**choice):
    """Settings in which something is wanted otherwise for mudflows."""
    kinds = {"debris flow": HazardChoice(**choice)}
    return msgspec.structs.replace(PUBLIC, hazards=HazardPolicies(kinds=kinds))


def told(*revisions, wanted=PUBLIC, lifecycle=None):
    """What revisions make due, each as it comes."""
    state = lifecycle or HazardLifecycle(wanted, PLACES)
    return [state.fold(revision, revision.updated_us) for revision in revisions]


def to(audience, messages, country="KZ"):
    flat = itertools.chain.from_iterable(messages)
    return [m for m in flat if (m.audience, m.country) == (audience, country)]


def moved(minutes, seen=KARGALY):
    """The same places, reached so much later."""
    return tuple(
        msgspec.structs.replace(
            place,
            earliest_us=place.earliest_us + round(minutes * MINUTE),
            expected_us=place.expected_us + round(minutes * MINUTE),
            latest_us=place.latest_us + round(minutes * MINUTE),
        )
        for place in seen
    )


def test_an_alarm_is_told_to_the_public_and_to_civil_protection_at_once():
    (messages,) = told(hazard())
    assert [(m.country, m.audience, m.msg_type) for m in messages] == [
        ("KZ", "civil-protection", "Alert"),
        ("KZ", "public", "Alert"),
    ]
    assert len({m.sent_us for m in messages}) == 1
    assert [m.identifier for m in messages] == [
        "kargaly.20150722T201500-lake_KZ_0",
        "kargaly.20150722T201500-lake_KZ_public_0",
    ]
    message = messages[1]
    assert [place.name for place in message.places] == ["Upper Kargaly", "Kargaly", "Almaty"]
    assert [place.geonameid for place in message.places] == [0, 0, 1526384]
    assert message.onset_us == BURST_US + 14 * MINUTE
    assert message.expires_us == BURST_US + 30_000_000 + 6 * HOUR
    assert (message.urgency, message.timezone) == ("Immediate", "Asia/Almaty")
    assert message.people_affected == 400 + 9000 + 1_977_011


def test_the_public_is_off_until_it_is_turned_on():
    (messages,) = told(hazard(), wanted=DispatchSettings())
    assert [m.audience for m in messages] == ["civil-protection"]


def test_a_watch_is_for_those_on_duty():
    (messages,) = told(hazard(level=1))
    assert [m.audience for m in messages] == ["civil-protection"]


def test_what_one_sensor_says_is_for_those_on_duty_until_another_confirms_it():
    first, second = told(hazard(status="provisional"), hazard(1, 90.0))
    assert [(m.audience, m.msg_type) for m in first] == [("civil-protection", "Alert")]
    assert [(m.audience, m.msg_type) for m in second] == [
        ("civil-protection", "Update"),
        ("public", "Alert"),
    ]
    early = told(hazard(status="provisional"), wanted=chosen(min_status="provisional"))
    assert [m.audience for m in early[0]] == ["civil-protection", "public"]


def test_who_has_been_told_hears_of_it_to_the_end():
    _, lower, end = told(hazard(), hazard(1, 600.0, level=1), hazard(2, 900.0, status="over"))
    assert [(m.audience, m.msg_type, m.level, m.highest_told) for m in lower] == [
        ("civil-protection", "Update", 1, 3),
        ("public", "Update", 1, 3),
    ]
    assert [(m.audience, m.msg_type, m.cancel_reason) for m in end] == [
        ("civil-protection", "Cancel", "over"),
        ("public", "Cancel", "over"),
    ]


def test_nobody_is_warned_of_a_silent_sensor():
    assert told(hazard(hazard="sensor silent", level=1, places=())) == [[]]


def test_both_sides_of_a_valley_are_told_in_the_same_second():
    (messages,) = told(shahimardan())
    assert [(m.country, m.audience) for m in messages] == [
        ("KG", "civil-protection"),
        ("KG", "public"),
        ("UZ", "civil-protection"),
        ("UZ", "public"),
    ]
    assert len({m.sent_us for m in messages}) == 1
    zones = {m.country: m.timezone for m in messages}
    # GeoNames gives the exclave of Shohimardon the time of the land around it.
    assert zones == {"KG": "Asia/Bishkek", "UZ": "Asia/Tashkent"}
    assert {m.languages for m in messages if m.country == "UZ"} == {("uz", "ru", "en")}
    assert all(len(m.places) == 3 for m in messages)


def test_both_sides_are_told_that_it_is_over_too():
    _, end = told(shahimardan(), shahimardan(1, 7200.0, status="over"))
    assert {(m.country, m.msg_type, m.sent_us) for m in end} == {
        ("KG", "Cancel", BURST_US + 2 * HOUR),
        ("UZ", "Cancel", BURST_US + 2 * HOUR),
    }


def test_sardoba_the_side_at_which_it_began_is_told_whom_it_reaches():
    event = hazard(
        id="sardoba.20200501-dam",
        hazard="dam break",
        basin="Sardoba",
        latitude=40.25,
        longitude=68.35,
        places=(reached("Zhenis", "KZ", 40.72, 68.45, (120, 240, 480), 4000),),
    )
    (messages,) = told(event)
    assert {m.country for m in messages} >= {"UZ", "KZ"}
    assert all([p.name for p in m.places] == ["Zhenis"] for m in messages if m.country != "TJ")
    assert {m.urgency for m in messages} == {"Future"}


def test_a_place_near_a_border_is_told_on_both_sides():
    near = (reached("Kordai", "KZ", 43.045, 74.705, (10, 15, 20), 3000),)
    event = hazard(places=near, latitude=43.3, longitude=74.9)
    assert {m.country for m in told(event)[0]} == {"KG", "KZ"}
    alone = msgspec.structs.replace(PUBLIC, border_tolerance_km=0.0)
    assert {m.country for m in told(event, wanted=alone)[0]} == {"KZ"}


@pytest.mark.parametrize(
    ("change", "due"),
    [
        ({}, False),
        ({"certainty": "Observed"}, False),
        ({"places": moved(4.9)}, False),
        ({"places": moved(5.0)}, True),
        ({"places": moved(-5.0)}, True),
        ({"places": KARGALY[:2]}, True),
        ({"places": (*KARGALY, reached("Raiymbek", "KZ", 43.3, 76.8, (70, 90, 110)))}, True),
        ({"level": 2}, True),
        ({"severity": "Severe"}, True),
    ],
)
def test_an_update_comes_only_when_it_matters(change, due):
    _, second = told(hazard(), hazard(1, 120.0, **change))
    assert [m.msg_type for m in second] == (["Update", "Update"] if due else [])


def test_a_window_that_has_passed_makes_no_update():
    seen = (msgspec.structs.replace(KARGALY[0], passed_us=BURST_US + 18 * MINUTE), *KARGALY[1:])
    later = (*moved(30, seen[:1]), *KARGALY[1:])
    assert told(hazard(places=seen), hazard(1, 1200.0, places=later))[1] == []


def test_how_much_a_window_must_move_is_a_setting():
    wanted = chosen(update_s=60)
    assert told(hazard(), hazard(1, 120.0, places=moved(1.1)), wanted=wanted)[1] != []


def test_references_name_all_that_stands():
    chain = to("public", told(hazard(), hazard(1, 60.0, level=2), hazard(2, 120.0, level=3)))
    assert chain[2].references == tuple(map(hazard_cap.reference, chain[:2]))
    assert [m.msg_type for m in chain] == ["Alert", "Update", "Update"]
    late = to(
        "public", told(hazard(), hazard(1, 60.0, level=2), hazard(2, 6.5 * 3600, status="over"))
    )
    assert [m.msg_type for m in late] == ["Alert", "Update"]


def test_a_message_that_runs_out_is_renewed():
    revisions = (hazard(), hazard(1, 4 * 3600.0), hazard(2, 5 * 3600.0), hazard(3, 5.1 * 3600))
    chain = to("public", told(*revisions))
    assert [(m.msg_type, m.revision) for m in chain] == [("Alert", 0), ("Update", 2)]


def test_repeats_and_older_revisions_change_nothing():
    lifecycle = HazardLifecycle(PUBLIC, PLACES)
    told(hazard(3), lifecycle=lifecycle)
    again = told(hazard(3), hazard(2, level=2), hazard(0, status="over"), lifecycle=lifecycle)
    assert again == [[], [], []]
    told(hazard(4, 60.0, status="cancelled"), lifecycle=lifecycle)
    assert told(hazard(5, 90.0), lifecycle=lifecycle) == [[]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "cancelled"}, "nothing"),
        ({"status": "over"}, "over"),
        ({"status": "over", "goes_on": True}, "renewed"),
        ({"status": "cancelled", "sensors": (), "causes": ("ca.1",)}, "cause"),
        ({"status": "cancelled", "causes": ("ca.1",)}, "nothing"),
    ],
)
def test_how_it_ends(change, reason):
    chain = to("public", told(hazard(causes=("ca.1",)), hazard(1, 60.0, **change)))
    assert [(m.msg_type, m.cancel_reason) for m in chain] == [("Alert", None), ("Cancel", reason)]
    assert (chain[1].urgency, chain[1].places) == ("Past", ())


def test_a_country_that_it_no_longer_reaches_is_told_so():
    kokand = reached("Kokand", "UZ", 40.5286, 70.9425, (200, 240, 300), 200_000)
    far = shahimardan(places=(kokand,))
    _, second = told(far, shahimardan(1, 600.0, places=(), latitude=39.6, longitude=71.5))
    ended = [m for m in second if m.country == "UZ"]
    assert {(m.msg_type, m.cancel_reason) for m in ended} == {("Cancel", "away")}


def test_a_release_waits_for_two_people_before_the_public_hears_of_it():
    event = hazard(hazard="chemical release", places=())
    (messages,) = told(event)
    assert {m.audience: m.two_people for m in messages} == {
        "civil-protection": False,
        "public": True,
    }
    assert not any(m.two_people for m in told(hazard())[0])
    both = AudiencePolicy(enabled=True, release="two people")
    careful = msgspec.structs.replace(PUBLIC, audiences={"public": both})
    assert {m.audience: m.two_people for m in told(hazard(), wanted=careful)[0]} == {
        "civil-protection": False,
        "public": True,
    }


def test_where_no_place_is_known_the_country_of_the_source_is_told():
    (messages,) = told(hazard(hazard="landslide", places=()))
    assert {m.country for m in messages} == {"KZ"}
    assert (messages[0].urgency, messages[0].places) == ("Immediate", ())
    assert messages[0].areas


def test_a_country_may_want_it_otherwise():
    own = {"KZ": CountryHazards(kinds={"debris flow": HazardChoice(min_level=3)})}
    wanted = msgspec.structs.replace(PUBLIC, hazards=HazardPolicies(countries=own))
    assert [m.audience for m in told(hazard(level=2), wanted=wanted)[0]] == ["civil-protection"]
    assert wanted.hazards.policy_for("debris flow", "KG") == SHIPPED["debris flow"]
    assert wanted.hazards.policy_for("sensor silent", "KZ") is None


def test_what_is_wanted_otherwise_leaves_the_rest_as_shipped():
    kinds = {"chemical release": HazardChoice(expires_s=3600)}
    policy = HazardPolicies(kinds=kinds).policy_for("chemical release", "KZ")
    assert (policy.expires_s, policy.two_people, policy.radius_km) == (3600, True, 10.0)


def test_a_long_event_begins_new_chains_and_nothing_stands_across():
    days = PERIOD.days
    before = hazard(1, days * 86_400 - 3600.0, level=2)
    after = hazard(2, days * 86_400 + 60.0, level=3)
    chain = to("public", told(hazard(), before, after))
    assert [(m.msg_type, m.references) for m in chain] == [("Alert", ())] * 3
    assert chain[1].expires_us == BURST_US + days * 24 * HOUR
    # A restart that reads no further back than the memory says the same.
    assert to("public", told(after)) == chain[2:]


def test_an_old_revision_that_comes_late_opens_nothing():
    lifecycle = HazardLifecycle(PUBLIC, PLACES)
    assert lifecycle.fold(hazard(), BURST_US + 3 * 24 * HOUR) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "a b"}, "letters"),
        ({"causes": ("x\x00",)}, "no text"),
        ({"latitude": 91.0}, "globe"),
        ({"longitude": float("nan")}, "globe"),
        ({"onset_us": -1}, "1970"),
        ({"onset_us": 10**16}, "2199"),
        ({"basin": " "}, "no text"),
        ({"basin": "a\nb"}, "no text"),
        ({"places": (reached("X", "kz", 43.0, 76.0, (1, 2, 3)),)}, "country"),
        ({"places": (reached("X", "KZ", 43.0, 76.0, (3, 2, 1)),)}, "window"),
        ({"places": (reached("X", "KZ", 43.0, 276.0, (1, 2, 3)),)}, "globe"),
        ({"places": (reached("", "KZ", 43.0, 76.0, (1, 2, 3)),)}, "no text"),
    ],
)
def test_an_impossible_event_is_refused(change, words):
    check(hazard(causes=("cap@kazhydromet.kz,2.49.0.1,2015-07-22T12:00:00+06:00",)))
    with pytest.raises(ImpossibleEventError, match=words):
        check(hazard(**change))


REVISION = st.builds(
    lambda revision, minutes, level, status, shift, count: hazard(
        revision,
        minutes * 60.0,
        level=level,
        status=status,
        places=moved(shift)[:count],
    ),
    st.integers(0, 12),
    st.integers(0, 600),
    st.sampled_from([1, 2, 3]),
    st.sampled_from(["provisional", "confirmed", "confirmed", "confirmed", "cancelled", "over"]),
    st.sampled_from([-6, 0, 3, 8, 40]),
    st.integers(0, 3),
)


@settings(max_examples=60)
@given(st.lists(REVISION, max_size=8))
def test_any_order_repetition_and_loss_ends_in_one_valid_chain_for_each_audience(revisions):
    lifecycle = HazardLifecycle(PUBLIC, PLACES)
    now_us, said = 0, []
    for revision in revisions:
        now_us = max(now_us, revision.updated_us)
        said += lifecycle.fold(revision, now_us)
    for audience in ("public", "civil-protection"):
        chain = [m for m in said if m.audience == audience]
        assert violations([hazard_cap.build(m) for m in chain]) == []
        seen = [m.revision for m in chain]
        assert seen == sorted(set(seen))


def test_why_each_audience_was_told_or_not():
    lifecycle = HazardLifecycle(PUBLIC, PLACES)
    revisions = (
        hazard(level=1, status="provisional"),
        hazard(1, 60.0, level=1, status="provisional"),
        hazard(2, 90.0, level=1),
        hazard(3, 120.0),
        hazard(4, 150.0),
        hazard(5, 600.0, status="over"),
    )
    found = [
        (d.revision, d.audience, d.verdict, d.rules[-1].name, all(r.met for r in d.rules))
        for revision in revisions
        for d in (one.decision for one in lifecycle.judge(revision, revision.updated_us))
    ]
    assert found == [
        (0, "civil-protection", "told", "release", True),
        (0, "public", "not told", "status", False),
        (2, "civil-protection", "told", "release", True),
        (2, "public", "not told", "level", False),
        (3, "civil-protection", "told", "release", True),
        (3, "public", "told", "release", True),
        (5, "civil-protection", "told", "status", False),
        (5, "public", "told", "status", False),
    ]
    off = HazardLifecycle(DispatchSettings(), PLACES).judge(hazard(), BURST_US + MINUTE)
    rules = {one.decision.audience: one.decision.rules[-1].name for one in off}
    assert rules == {"civil-protection": "release", "public": "enabled"}


@pytest.mark.parametrize(
    ("latitude", "longitude", "is_told"),
    [
        (43.155, 76.83, True),  # between two villages
        (43.09, 76.87, True),  # near the source
        (43.155, 76.90, False),
        (42.85, 74.60, False),
    ],
)
def test_an_operator_is_told_when_it_comes_to_one_of_its_sites(latitude, longitude, is_told):
    site = Site(name="Plant", country="KZ", latitude=latitude, longitude=longitude)
    wanted = msgspec.structs.replace(PUBLIC, audiences={"plant": AudiencePolicy(sites=(site,))})
    (messages,) = told(hazard(), wanted=wanted)
    assert ("plant" in {m.audience for m in messages}) == is_told
    pole = hazard(latitude=89.0, longitude=76.0)
    assert "plant" in {m.audience for m in told(pole, wanted=wanted)[0]}


@pytest.mark.parametrize(("town", "is_told"), [("Almaty", True), ("Karagandy", False)])
def test_an_audience_of_some_towns_is_told_when_one_is_reached(town, is_told):
    wanted = msgspec.structs.replace(PUBLIC, audiences={"metro": AudiencePolicy(places=(town,))})
    assert ("metro" in {m.audience for m in told(hazard(), wanted=wanted)[0]}) == is_told
