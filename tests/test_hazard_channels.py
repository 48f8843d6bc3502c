"""A message about another hazard on its way: two people, the stage, channels, the terminal."""

import asyncio
import io
import itertools

import made_hazards
import msgspec
import pytest
from cap_rules import violations
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from made_earthquakes import StraightRays, earthquake
from made_earthquakes import records as earthquake_records
from made_hazard_events import BURST_US, KARGALY, hazard, records, shahimardan
from rich.console import Console
from test_delivery import play

from detect import events
from detect.health import Health
from dispatch import cap, facts, hazard_cap, places, release
from dispatch.channels import feed
from dispatch.channels.board import Board
from dispatch.channels.settings import Person, ReleaseSettings, Route
from dispatch.delays import Delays
from dispatch.delivery import fits
from dispatch.hazard_lifecycle import HazardLifecycle
from dispatch.parcels import parcel
from dispatch.publishing import publisher
from dispatch.release import HeldHazard, ReleaseOperator, Word, hold, public_key, sign
from dispatch.service import DispatchOperator
from dispatch.settings import AudiencePolicy, DispatchSettings
from dispatch.watch import Watch, hazard_alert_line, hazard_line
from ingest.sources.archive import Recording
from replay import session, timeline
from stream.memory import MemoryLog
from stream.records import Record
from stream.topics import ALERTS, EVENTS, HELD

S = 1_000_000
PLACES = places.load()
WANTED = DispatchSettings(
    sender="warning@mchs.kz",
    web="https://mchs.kz",
    contact="duty@mchs.kz",
    status="Actual",
    audiences={"public": AudiencePolicy(enabled=True, languages=("en",))},
)
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode() * 8) for name in ("anna", "bolt")}
PEOPLE = ReleaseSettings(
    people={
        name: Person(role=f"duty officer {name}", public_key=public_key(KEYS[name]))
        for name in KEYS
    }
)
CHAIN = "plant.20150722T201500-gas_KZ_public"


def gas(revision=0, after_s=30.0, **changes):
    return hazard(
        revision,
        after_s,
        **(
            {"id": "plant.20150722T201500-gas", "hazard": "chemical release", "places": ()}
            | changes
        ),
    )


def public(*revisions):
    lifecycle = HazardLifecycle(WANTED, PLACES)
    said = [m for e in revisions for m in lifecycle.fold(e, e.updated_us)]
    return [m for m in said if m.audience == "public"]


def operator():
    return DispatchOperator(WANTED, PLACES, StraightRays())


def log(outputs, topic=HELD.name):
    return [
        Record(topic, 0, i, o.timestamp, o.key, o.value, o.headers) for i, o in enumerate(outputs)
    ]


def word(person, after_s, message, verdict="release"):
    at_us = BURST_US + round(after_s * S)
    said = Word(
        chain=CHAIN, message=message.identifier, verdict=verdict, person=person,
        reason="seen by the plant", at_us=at_us,
    )  # fmt: skip
    return sign(said, KEYS[person])


def released(*outputs):
    found = ReleaseOperator(PEOPLE, publisher()).process(log(outputs))
    return [o for o in found if o.topic == ALERTS.name]


def waits(message):
    return hold(message, CHAIN, 0, message.sent_us // 1000)


def test_two_people_release_what_the_public_hears_of_a_release():
    alert, over = public(gas(), gas(1, 900.0, status="over"))
    sent = released(waits(alert), word("anna", 60, alert), word("bolt", 90, alert), waits(over))
    roots = [etree.fromstring(o.value) for o in sent]
    assert [r.findtext("{*}msgType") for r in roots] == ["Alert", "Cancel"]
    assert violations([o.value for o in sent]) == []
    assert roots[0].findtext("{*}sent") == "2015-07-23T02:16:30+06:00"
    assert released(waits(alert), word("anna", 60, alert), waits(over)) == []


def test_one_person_withdraws_it():
    (alert,) = public(gas())
    words = [word("anna", 60, alert), word("bolt", 90, alert), word("bolt", 120, alert, "withhold")]
    sent = released(waits(alert), *words)
    assert [etree.fromstring(o.value).findtext("{*}msgType") for o in sent] == ["Alert", "Cancel"]
    assert violations([o.value for o in sent]) == []
    assert b"did not happen" in sent[1].value


def test_what_is_held_is_read_again_and_what_was_held_before_still_is():
    (alert,) = public(gas())
    held = msgspec.json.decode(waits(alert).value, type=HeldHazard)
    assert held.message == alert
    assert msgspec.json.decode(waits(alert).value)["kind"] == "held-hazard"
    quake = operator().process(earthquake_records([earthquake()]))
    message = next(cap.parse(o.value) for o in quake if o.topic == ALERTS.name)
    old = hold(message, CHAIN, 0, 0).value
    assert msgspec.json.decode(old)["kind"] == "held"
    assert msgspec.json.decode(old, type=release.Held).message == message


def test_the_stage_writes_both_sides_of_a_valley_at_once_and_why():
    outputs = operator().process(records([shahimardan()]))
    topics = [o.topic for o in outputs]
    assert topics.count("alerts") == 4
    assert topics.count("alerts.kg") == topics.count("alerts.uz") == 2
    told = [facts.decode(o.value) for o in outputs if o.topic == "facts"]
    sent = [fact for fact in told if isinstance(fact, facts.Message)]
    assert {(m.country, m.audience) for m in sent} == set(
        itertools.product(("KG", "UZ"), ("civil-protection", "public"))
    )
    assert len({m.sent_us for m in sent}) == 1
    assert {m.origin_us for m in sent} == {BURST_US}
    headers = dict(next(o for o in outputs if o.topic == "alerts.uz").headers)
    assert (headers["hazard"], headers["level"]) == (b"lake outburst", b"3")


def test_what_two_people_must_release_is_held_and_civil_protection_is_told():
    outputs = operator().process(records([gas()]))
    assert [o.key.decode() for o in outputs if o.topic == "held"] == [CHAIN]
    assert [o.key.decode() for o in outputs if o.topic == "alerts"] == [CHAIN[: -len("_public")]]


def test_an_impossible_hazard_is_rejected_and_the_rest_goes_on():
    outputs = operator().process(records([hazard(basin=" "), hazard(1, 60.0)]))
    assert [o.topic for o in outputs if o.topic in ("rejects", "alerts")] == [
        "rejects",
        "alerts",
        "alerts",
    ]


@settings(max_examples=40)
@given(st.data())
def test_any_batches_give_the_same_bytes(data):
    whole = records(
        [
            hazard(status="provisional", level=1),
            shahimardan(0, 45.0),
            gas(0, 50.0),
            hazard(1, 60.0),
            hazard(1, 61.0),
            shahimardan(1, 90.0, level=2),
            hazard(2, 600.0, status="over"),
            gas(1, 700.0, status="cancelled"),
        ]
    )
    outputs = operator().process(whole)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)))) | {0, len(whole)})
    batched = operator()
    pieces = [batched.process(whole[a:b]) for a, b in itertools.pairwise(cuts)]
    assert list(itertools.chain(*pieces)) == outputs


NUMBER = st.floats(allow_nan=True, allow_infinity=True)
ANYWHERE = st.builds(
    lambda kind, latitude, longitude, basin, country, far, count: hazard(
        hazard=kind,
        latitude=latitude,
        longitude=longitude,
        basin=basin,
        places=tuple(
            msgspec.structs.replace(p, country=country, latitude=far, longitude=longitude + i)
            for i, p in enumerate(KARGALY[:count])
        ),
    ),
    st.sampled_from(
        ["flood", "dam break", "debris flow", "landslide", "heavy rain", "sensor silent"]
    ),
    st.floats(-90, 90) | NUMBER,
    st.floats(-180, 180) | NUMBER,
    st.text(max_size=8),
    st.sampled_from(["KZ", "KG", "US", "XX", "AQ", "x"]),
    st.floats(-90, 90),
    st.integers(0, 3),
)


@settings(max_examples=120)
@given(ANYWHERE)
def test_an_event_anywhere_and_of_any_name_makes_valid_messages_or_is_rejected(event):
    try:
        value = events.encode(event)
    except UnicodeEncodeError:
        return
    record = Record("events", 0, 0, event.updated_us // 1000, b"x", value)
    outputs = operator_once().process([record])
    for output in outputs:
        if output.topic == "alerts":
            assert violations([output.value]) == []


def operator_once(made=[]):  # noqa: B006 - an operator takes half a second to read ahead
    """An operator that has seen nothing, made quickly from one that has read ahead."""
    if not made:
        made.append(operator())
    fresh = made[0]
    fresh._hazards._events = {}
    fresh._now_us = 0
    return fresh


def test_a_channel_delivers_it_and_an_intensity_does_not_keep_it_back():
    (alert,) = public(hazard())
    outputs = publisher()(alert, 0, alert.sent_us // 1000)
    read = parcel(log(outputs[:1], ALERTS.name)[0])
    assert (read.identifier, read.audience, read.country) == (alert.identifier, "public", "KZ")
    assert (read.event, read.onset_us) == (alert.event_id, alert.onset_us)
    assert read.headline == "Alarm. Mudflow: Upper Kargaly, from 02:29"
    route = Route(statuses=("Actual",), from_intensity=6.0)
    assert fits(read, route)
    assert not fits(read, Route(statuses=("Actual",), audiences=("civil-protection",)))

    async def scene(world):
        world.clock.at_us = alert.sent_us
        await world.log.append([o for o in outputs if o.topic == ALERTS.name])
        await world.turn()
        return await world.states()

    assert play(scene, {"a": route}) == [
        (alert.identifier, "queued"),
        (alert.identifier, "delivered"),
    ]


def test_it_stands_in_the_feeds():
    (alert,) = public(hazard())
    board = Board(stale_s=60.0, least=0.5, events_s=86_400.0)
    board.put(parcel(log(publisher()(alert, 0, 0)[:1], ALERTS.name)[0]))
    now_us = alert.sent_us + 60 * S
    (feature,) = msgspec.json.decode(feed.geojson(board, now_us, Delays()))["features"]
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert feature["properties"]["event"] == "Mudflow"
    assert feature["properties"]["leadSeconds"] == 14 * 60 - 90


def test_the_terminal_tells_of_it_in_80_columns():
    event = hazard(basin="B" * 60)
    assert len(hazard_line(event, "1")) == 80
    assert hazard_line(hazard(), "1") == (
        "20:15:30.0 confirmed   1.0  debris flow, level 3, Kargaly: Upper Kargaly in 14 min"[:79]
        + "…"
    )
    assert hazard_line(hazard(places=()), "1").endswith("debris flow, level 3, Kargaly")
    assert hazard_line(hazard(status="over"), "1").endswith("over        1.0  the lake falls")
    (alert,) = public(hazard())
    record = log(publisher()(alert, 0, alert.sent_us // 1000)[:1], ALERTS.name)[0]
    line = hazard_alert_line(record, "1")
    assert line == "20:15:30.0 ALERT       1     KZ public: debris flow, level 3"


def test_the_terminal_looks_on():
    screen = io.StringIO()

    async def scene():
        made = MemoryLog()
        watch = Watch(
            Console(file=screen, width=80), Health(["A.1"], 10.0), 3, lambda: BURST_US // 1000
        )
        watch.on(made)
        (record,) = records([hazard()])
        outputs = operator().process([record])
        shown = msgspec.structs.replace(outputs[0], topic=EVENTS.name, value=record.value)
        await made.append([shown, *(o for o in outputs if o.topic == ALERTS.name)])
        await watch.look()
        watch.tell()

    asyncio.run(scene())
    said = screen.getvalue()
    assert "debris flow, level 3, Kargaly" in said
    assert "ALERT       1     KZ civil-protection: debris flow, level 3" in said
    assert "2 messages sent" in said
    assert "unreadable" not in said


def test_a_replay_collects_it_beside_the_earthquakes():
    read = [*records([hazard()]), *earthquake_records([earthquake()])]
    stage = operator()
    outputs = [o for record in read for o in stage.process([record])]
    seen = [msgspec.structs.replace(outputs[0], topic=EVENTS.name, value=r.value) for r in read]

    async def scene():
        made = MemoryLog()
        await made.append([*seen, *(o for o in outputs if o.topic == ALERTS.name)])
        recording = Recording("made", (), None, (), "recorded")
        return await session.collect(recording, made, 1.0)

    found = asyncio.run(scene())
    assert [e.id for e in found.events] == [earthquake().id]
    assert list(found.hazards) == [hazard()]
    assert [a.parcel.audience for a in found.hazard_alerts] == ["civil-protection", "public"]
    assert found.alerts
    assert {a.message.event_id for a in found.alerts} == {earthquake().id}
    alone = msgspec.structs.replace(found, events=(), alerts=())
    screen = io.StringIO()
    timeline.print_timeline(alone, Console(file=screen, width=120))
    said = screen.getvalue()
    assert "Seconds after the onset of the first event, 2015-07-22 20:15:00.000 UTC" in said
    assert "+30.00  confirmed   debris flow, level 3, Kargaly: the lake falls" in said
    assert "+30.00  ALERT       to KZ, public: Alarm. Mudflow: Upper Kargaly, from 02:29" in said
    assert "No event" not in said


@pytest.mark.parametrize("revision", [hazard(), gas(), shahimardan()])
def test_a_message_is_the_same_bytes_each_time(revision):
    one, two = public(revision)[0], public(revision)[0]
    assert hazard_cap.build(one) == hazard_cap.build(two)


def test_readings_of_sensors_become_warnings_to_both_countries():
    begin_us = made_hazards.START_US
    rises = [
        made_hazards.series(
            name,
            begin_us,
            begin_us + 3600 * S,
            lambda s, late=900 + 1200 * i: 0.2 if s < late else 4.0,
        )
        for i, name in enumerate("ABC")
    ]
    stage = made_hazards.operator(map(made_hazards.sensor, "ABC"), made_hazards.valley())
    told = [o for o in stage.process(made_hazards.records(*rises)) if o.topic == EVENTS.name]
    outputs = operator().process(log(told, EVENTS.name))
    assert not [o for o in outputs if o.topic == "rejects"]
    sent = [o for o in outputs if o.topic == ALERTS.name]
    chains = {}
    for output in sent:
        chains.setdefault(output.key.decode(), []).append(output)
    event = events.decode(told[0].value)
    countries = ("KG", "KZ")
    assert set(chains) == {
        f"{event.id}_{country}{whom}" for country in countries for whom in ("", "_public")
    }
    for chain in chains.values():
        assert violations([o.value for o in chain]) == []
    # The first message comes with the first reading that says so, the same for both countries.
    first = [o.timestamp * 1000 for o in sent[:2]]
    assert first[0] == first[1] <= begin_us + 960 * S
    assert {o.key.decode()[-2:] for o in sent[:2]} == set(countries)
