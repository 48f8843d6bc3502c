"""The stage of warnings: chains of messages, and what no order of the log can break."""

import itertools
from datetime import timedelta

import pytest
from cap_rules import violations
from hypothesis import given, settings
from hypothesis import strategies as st
from made_earthquakes import PLACES, WUSHI_US, StraightRays, earthquake, records

from detect.geodesy import distance_azimuth
from dispatch import cap
from dispatch.service import LAST_ALERT, DispatchOperator, country_topic
from dispatch.settings import CountryPolicy, DispatchSettings, Policy
from stream import rejects
from stream.records import Record
from stream.topics import ALERTS, FACTS, REJECTS


def english(**changes):
    return DispatchSettings(**({"languages": ("en",)} | changes))


def operator(**changes):
    return DispatchOperator(english(**changes), PLACES, StraightRays())


def messages_of(outputs):
    """What stands on the topics of messages."""
    return [output for output in outputs if output.topic.startswith("alerts")]


def said(quakes, country="KZ", **changes):
    """Messages to one country that a log of events makes due."""
    outputs = operator(**changes).process(records(quakes))
    return [cap.parse(o.value) for o in outputs if o.topic == country_topic(country)]


def kinds(quakes, country="KZ", **changes):
    return [message.msg_type for message in said(quakes, country, **changes)]


def test_one_message_to_each_country_on_both_topics():
    outputs = messages_of(operator().process(records([earthquake()])))
    assert [o.topic for o in outputs] == [
        *("alerts", "alerts.cn"),
        *("alerts", "alerts.kg"),
        *("alerts", "alerts.kz"),
    ]
    for both, own in zip(outputs[::2], outputs[1::2], strict=True):
        assert (both.key, both.value, both.headers) == (own.key, own.value, own.headers)
    last = outputs[-1]
    assert last.key == b"ca.20240122T180911-AAK_KZ"
    assert (last.cause, last.timestamp) == (0, (WUSHI_US + 15_000_000) // 1000)
    assert dict(last.headers) == {
        "event": b"ca.20240122T180911-AAK",
        "country": b"KZ",
        "audience": b"civil-protection",
        "msgType": b"Alert",
        "status": b"Test",
        "severity": b"Moderate",
        "maxIntensity": b"4.7",
        "highestTold": b"4.7",
    }


def test_provisional_says_nothing_unless_it_is_wanted():
    quake = earthquake(status="provisional")
    assert kinds([quake]) == []
    (message,) = said([quake], policy=Policy(min_status="provisional"))
    assert message.certainty == "Possible"
    assert said([quake], countries={"KZ": CountryPolicy(min_status="provisional")})


def test_confirming_a_provisional_warning_is_an_update():
    quakes = [earthquake(0, status="provisional"), earthquake(1, 16.0)]
    messages = said(quakes, policy=Policy(min_status="provisional"))
    assert [(m.msg_type, m.certainty) for m in messages] == [
        ("Alert", "Possible"),
        ("Update", "Likely"),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"magnitude": 7.3},
        {"origin_time_us": WUSHI_US - 2_900_000},
        {"status": "provisional"},
        {"magnitude": None},
        {"status": "provisional", "magnitude": 2.0},
    ],
)
def test_what_changes_little_is_not_said(changes):
    assert kinds([earthquake(0), earthquake(1, 20.0, **changes)]) == ["Alert"]


@pytest.mark.parametrize(
    "changes",
    [
        {"magnitude": 7.6},
        {"magnitude": 6.8, "depth_km": 5.0, "latitude": 42.0},
        {"origin_time_us": WUSHI_US - 3_000_000},
    ],
)
def test_what_changes_much_is_an_update(changes):
    first, second = said([earthquake(0), earthquake(1, 20.0, **changes)])
    assert (second.msg_type, second.references) == ("Update", (cap.reference(first),))
    assert second.identifier.endswith("_KZ_1")


def test_a_new_place_is_an_update_and_a_lost_one_leaves_with_it():
    small = earthquake(0, magnitude=6.4)
    assert [p.name for p in said([small])[0].places] == ["Kegen"]
    grown = said([small, earthquake(1, 16.0, magnitude=6.9)])
    assert [p.name for p in grown[1].places] == ["Almaty", "Talghar", "Kegen"]
    back = said([earthquake(0, magnitude=7.0), earthquake(1, 16.0, magnitude=6.0)])
    assert [p.name for p in back[1].places] == ["Kegen"]


def test_changes_at_places_that_have_been_shaken_are_not_said():
    late = earthquake(1, 200.0, magnitude=7.6)
    assert kinds([earthquake(0), late]) == ["Alert"]


@pytest.mark.parametrize("revision", [3, 2, 0])
def test_a_revision_that_is_not_newer_changes_nothing(revision):
    first = earthquake(3)
    assert kinds([first, earthquake(revision, 16.0, magnitude=8.0)]) == ["Alert"]
    assert kinds([first, earthquake(revision, 16.0, status="cancelled")]) == ["Alert"]


def test_an_event_that_comes_too_late_is_not_said():
    assert kinds([earthquake(0, 200.0)]) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "cancelled"}, "nothing"),
        ({"status": "cancelled", "magnitude": None}, "nothing"),
        ({"status": "superseded", "superseded_by": "ca.other"}, "same"),
        ({"magnitude": 5.0}, "weaker"),
        ({"magnitude": 4.1, "depth_km": 60.0}, "weaker"),
        ({"latitude": -41.0}, "weaker"),
    ],
)
def test_a_cancel_with_its_reason(changes, reason):
    for country in ("KZ", "KG"):
        alert, cancel = said([earthquake(0), earthquake(1, 40.0, **changes)], country)
        assert (cancel.msg_type, cancel.cancel_reason) == ("Cancel", reason)
        assert cancel.references == (cap.reference(alert),)
        assert cancel.places == ()
        assert cancel.highest_told == alert.highest_told
        assert (cancel.radius_km, cancel.area_places) == (alert.radius_km, alert.area_places)


def test_nothing_is_cancelled_where_nothing_was_said():
    assert kinds([earthquake(0, status="cancelled")]) == []
    assert kinds([earthquake(0), earthquake(1, 20.0, status="cancelled")], "JP") == []


def test_what_has_expired_is_not_cancelled():
    quakes = [earthquake(0), earthquake(1, 15.0 + 600.0, status="cancelled")]
    assert kinds(quakes) == ["Alert"]
    assert kinds([quakes[0], earthquake(1, 14.0 + 600.0, status="cancelled")]) == [
        "Alert",
        "Cancel",
    ]


def test_after_a_cancel_as_weaker_the_event_can_grow_again():
    quakes = [earthquake(0), earthquake(1, 20.0, magnitude=5.0), earthquake(2, 25.0)]
    messages = said(quakes)
    assert [m.msg_type for m in messages] == ["Alert", "Cancel", "Alert"]
    assert messages[2].references == ()
    assert messages[2].identifier.endswith("_KZ_2")
    *_, alert, update = said([*quakes, earthquake(3, 30.0, magnitude=7.8)])
    assert update.references == (cap.reference(alert),)


def test_only_what_has_not_expired_is_named():
    quakes = [
        earthquake(0, 15.0),
        earthquake(1, 60.0, magnitude=7.8),
        earthquake(2, 15.0 + 360.0, status="cancelled"),
    ]
    _, update, cancel = said(quakes, policy=Policy(expires_s=360))
    assert cancel.references == (cap.reference(update),)


def test_the_highest_told_stays_when_less_is_expected():
    alert, update, cancel = said(
        [
            earthquake(0, 15.0, magnitude=8.0),
            earthquake(1, 16.0, magnitude=7.0),
            earthquake(2, 17.0, status="cancelled"),
        ]
    )
    assert (alert.max_intensity, alert.highest_told) == (5.6, 5.6)
    assert (update.max_intensity, update.highest_told) == (4.7, 5.6)
    assert (cancel.max_intensity, cancel.highest_told) == (0.0, 5.6)


@pytest.mark.parametrize("status", ["cancelled", "superseded"])
def test_after_the_end_nothing_is_said_again(status):
    quakes = [earthquake(0), earthquake(1, 20.0, status=status), earthquake(2, 25.0)]
    assert kinds(quakes) == ["Alert", "Cancel"]


def test_the_list_is_cut_to_the_largest_and_the_circle_holds_all():
    (message,) = said([earthquake()], policy=Policy(max_places=1))
    assert [p.name for p in message.places] == ["Almaty"]
    assert (message.places_affected, message.people_affected) == (3, 2_029_198)
    assert message.max_intensity == 4.7


def headline(value):
    return value.split(b"<headline>")[1].split(b"</headline>")[0].decode()


def test_seconds_are_promised_only_where_they_are_left():
    outputs = messages_of(operator().process(records([earthquake(0, 15.0)])))
    texts = {dict(o.headers)["country"]: headline(o.value) for o in outputs}
    assert texts[b"KZ"] == "TEST ONLY. Earthquake: moderate shaking reaches Almaty in 60 s"
    assert texts[b"CN"] == ("TEST ONLY. Earthquake: damaging shaking in Near the source has begun")
    (chinese,) = [o.value for o in outputs if o.topic == "alerts.cn"]
    assert b"Near the source 7.4, shaking has begun." in chinese
    delayed = messages_of(operator(channel_delay_s=59.5).process(records([earthquake(0, 15.0)])))
    assert all("begun" in headline(o.value) for o in delayed)


@pytest.mark.parametrize(
    ("status", "begin"), [("Test", "TEST ONLY. "), ("Exercise", "EXERCISE ONLY. "), ("Actual", "E")]
)
def test_a_test_says_so_in_headline_and_description(status, begin):
    own = {"sender": "a@b.kz", "web": "https://b.kz", "contact": "a@b.kz", "status": status}
    value = operator(**own).process(records([earthquake()]))[0].value
    assert headline(value).startswith(begin)
    assert f"<description>{begin}".encode() in value
    assert (b"<note>" in value) is (status != "Actual")


def test_actual_needs_a_sender_of_its_own():
    with pytest.raises(ValueError, match=r"not example\.org"):
        DispatchSettings(status="Actual")


def unreadable(value, timestamp=WUSHI_US // 1000):
    return Record("events", 0, 7, timestamp, b"someone", value)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (unreadable(b""), "not an event"),
        (unreadable(b"\xff\xfe"), "not an event"),
        (unreadable(b'{"kind":"earthquake","id":"\xff"}'), "not an event"),
        (unreadable(b'{"kind":"flood"}'), "not an event"),
        (unreadable(b'{"kind":"earthquake","x":' + b"[" * 100_000), "not an event"),
        (records([earthquake(id="two words")])[0], "impossible event"),
        (records([earthquake(latitude=100.0)])[0], "impossible event"),
        (records([earthquake(after_s=-5.0)])[0], "impossible event"),
        (unreadable(b"", -1), "impossible arrival"),
        (unreadable(b"", 2**62), "impossible arrival"),
    ],
)
def test_what_cannot_be_used_is_kept_and_the_rest_goes_on(record, reason):
    good = records([earthquake()])[0]
    outputs = operator().process([record, good])
    assert outputs[0].topic == REJECTS.name
    kept = rejects.decode(outputs[0].value)
    assert (kept.reason, kept.topic, kept.offset) == (reason, "events", record.offset)
    assert outputs[1:] == operator().process([good])


def test_a_future_event_time_does_not_move_now():
    ahead = records([earthquake(0, updated_us=WUSHI_US + 86_400_000_000)])[0]
    arrived = Record("events", 0, 0, WUSHI_US // 1000 + 15_000, ahead.key, ahead.value)
    (message,) = [
        cap.parse(o.value) for o in operator().process([arrived]) if o.topic == "alerts.kz"
    ]
    assert message.sent_us == WUSHI_US + 15_000_999 - WUSHI_US % 1000


@st.composite
def quakes(draw, *, least=1, most=12):
    """Revisions of up to three events in the order of a log, as a bad locator might send them.

    Numbers are left out, come late, or come again; what comes again is the same.
    """
    now_us = WUSHI_US
    known = {}
    made = []
    for _ in range(draw(st.integers(least, most))):
        now_us += draw(st.sampled_from([0, 1, 300_000, 2_000_000, 40_000_000, 500_000_000]))
        name = draw(st.sampled_from(["ca.a", "ca.b", "ca.b-1"]))
        newest = max((number for other, number in known if other == name), default=-1)
        revision = max(newest + draw(st.sampled_from([1, 1, 1, 1, 2, 0, -1])), 0)
        status = draw(
            st.sampled_from(["confirmed"] * 6 + ["provisional", "cancelled", "superseded"])
        )
        quake = earthquake(
            revision,
            id=name,
            status=status,
            superseded_by="ca.z" if status == "superseded" else None,
            updated_us=now_us,
            origin_time_us=now_us - draw(st.integers(0, 60_000_000)),
            magnitude=draw(st.none() | st.floats(3.5, 9.0)),
            magnitude_sigma=draw(st.none() | st.floats(0, 1)),
            magnitude_saturated=draw(st.booleans()),
            latitude=draw(st.floats(40, 44)),
            longitude=draw(st.floats(74, 80)),
            depth_km=draw(st.floats(-5, 700)),
        )
        made.append(known.setdefault((name, revision), quake))
    return made


SETTINGS = [
    DispatchSettings(),
    DispatchSettings(
        channel_delay_s=4.5,
        attenuation="fixed-depth",
        policy=Policy(expires_s=360, max_places=2),
        countries={"KG": CountryPolicy(min_status="provisional", min_intensity=3.0)},
    ),
]


@settings(max_examples=150)
@given(quakes(), st.sampled_from(SETTINGS))
def test_no_message_breaks_a_rule(made, chosen):
    outputs = DispatchOperator(chosen, PLACES, StraightRays()).process(records(made))
    assert {o.topic for o in outputs} <= {
        *("alerts", "alerts.kz", "alerts.kg", "alerts.cn", FACTS.name)
    }
    values = [o.value for o in outputs if o.topic == ALERTS.name]
    assert violations(values) == []
    for value in values:
        message = cap.parse(value)
        assert cap.build(message) == value
        assert message.highest_told >= message.max_intensity
        assert (message.msg_type == "Cancel") == (not message.places)
        for place in message.places:
            distance, _ = distance_azimuth(
                message.latitude, message.longitude, place.latitude, place.longitude
            )
            assert distance <= message.radius_km


@settings(max_examples=60)
@given(quakes(), st.data())
def test_any_batching_gives_the_same_bytes(made, data):
    log = records(made)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(log)))) | {0, len(log)})
    batched = operator()
    pieces = [batched.process(log[a:b]) for a, b in itertools.pairwise(cuts)]
    assert list(itertools.chain(*pieces)) == operator().process(log)


@settings(max_examples=60)
@given(quakes(most=6), st.data())
def test_any_order_and_repetition_ends_in_a_consistent_chain(made, data):
    shuffled = data.draw(st.permutations(made + data.draw(st.lists(st.sampled_from(made)))))
    arrival_ms = max(quake.updated_us for quake in made) // 1000 + 1
    log = [
        Record("events", 0, i, arrival_ms, r.key, r.value) for i, r in enumerate(records(shuffled))
    ]
    outputs = [o for o in operator().process(log) if o.topic == ALERTS.name]
    assert violations([o.value for o in outputs]) == []

    newest, closed, counting = {}, set(), []
    for quake, record in zip(shuffled, log, strict=True):
        if quake.revision > newest.get(quake.id, -1) and quake.id not in closed:
            newest[quake.id] = quake.revision
            counting.append(record)
            if quake.status in ("cancelled", "superseded"):
                closed.add(quake.id)
    assert [o for o in operator().process(counting) if o.topic == ALERTS.name] == outputs

    last = {}
    for message in (cap.parse(o.value) for o in outputs):
        last[message.event_id, message.country] = message.msg_type
    assert all(kind == "Cancel" for (name, _), kind in last.items() if name in closed)


@st.composite
def long_logs(draw):
    """Earthquakes over hours: each has its origin and is revised for some minutes."""
    made = []
    for number in range(draw(st.integers(1, 5))):
        origin_us = WUSHI_US + draw(st.integers(0, 4 * 3600)) * 1_000_000
        seconds = sorted(draw(st.lists(st.integers(5, 700), min_size=1, max_size=6)))
        made += [
            earthquake(
                revision,
                second,
                id=f"ca.{number}",
                origin_time_us=origin_us,
                magnitude=draw(st.floats(5.5, 8.0)),
                status=draw(st.sampled_from(["confirmed"] * 5 + ["cancelled"])),
            )
            for revision, second in enumerate(seconds)
        ]
    return sorted(made, key=lambda quake: quake.updated_us)


@settings(max_examples=80)
@given(long_logs(), st.data())
def test_a_restart_from_memory_says_the_same(made, data):
    log = records(made)
    whole = operator().process(log)
    stop = data.draw(st.integers(1, len(log)))
    fresh = operator()
    # An operator's memory is longer, for other hazards; of earthquakes it needs no more than this.
    memory = LAST_ALERT + timedelta(seconds=Policy().expires_s)
    assert fresh.memory >= memory
    since = log[stop - 1].timestamp - memory // timedelta(milliseconds=1)
    again = fresh.process([record for record in log if record.timestamp >= since])
    assert [o for o in again if o.cause >= stop] == [o for o in whole if o.cause >= stop]
