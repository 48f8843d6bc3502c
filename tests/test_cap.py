"""CAP: the checker itself, reading back, refusing, and the golden messages."""

import contextlib
import os
from pathlib import Path

import msgspec
import pytest
from cap_rules import CAP, violations
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from made_earthquakes import PLACES, StraightRays, earthquake, records

from dispatch import cap
from dispatch.messages import Exposed, Message, PlaceWarning, WarnedArea
from dispatch.names import LANGUAGES
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings
from stream.topics import ALERTS

CONTRACTS = Path(__file__).parent / "contracts"


def said(quakes, settings=None):
    """The CAP messages that a log of events makes due."""
    english = settings or DispatchSettings(languages=("en",))
    operator = DispatchOperator(english, PLACES, StraightRays())
    return [o.value for o in operator.process(records(quakes)) if o.topic == ALERTS.name]


def alert_update_cancel():
    """One of each to Kazakhstan."""
    values = said(
        [
            earthquake(0, 15.25),
            earthquake(1, 20.5, magnitude=7.8, magnitude_saturated=True),
            earthquake(2, 30.0, status="cancelled"),
        ]
    )
    return [value for value in values if cap.parse(value).country == "KZ"]


@pytest.mark.parametrize("kind", ["alert", "update", "cancel"])
def test_golden(kind):
    value = dict(zip(["alert", "update", "cancel"], alert_update_cancel(), strict=True))[kind]
    file = CONTRACTS / f"cap-{kind}.xml"
    if os.environ.get("ALATAU_WRITE_GOLDEN"):
        file.write_bytes(value)
    golden = file.read_bytes()
    assert value == golden
    assert cap.build(cap.parse(golden)) == golden


@pytest.mark.parametrize("kind", ["alert", "update", "cancel"])
def test_a_message_of_before_audiences_is_read_and_written_as_it_was(kind):
    value = (CONTRACTS / f"cap-{kind}-before-audiences.xml").read_bytes()
    message = cap.parse(value)
    assert (message.audience, message.audience_kind, message.addresses) == ("", "", ())
    assert cap.build(message) == value
    now = cap.parse((CONTRACTS / f"cap-{kind}.xml").read_bytes())
    assert now.chain == message.chain
    same = {"audience": "", "audience_kind": ""}
    assert msgspec.structs.replace(now, **same) == message


def test_the_three_break_no_rule():
    values = alert_update_cancel()
    assert [cap.parse(value).msg_type for value in values] == ["Alert", "Update", "Cancel"]
    assert violations(values) == []


def test_the_last_cancel_names_both_before_it():
    first, second, last = map(cap.parse, alert_update_cancel())
    assert second.references == (cap.reference(first),)
    assert last.references == (cap.reference(first), cap.reference(second))


def changed(value, path, new):
    """The message with one text replaced, or one element removed."""
    root = etree.fromstring(value)
    element = root.find("/".join(CAP + part for part in path.split("/")))
    if new is None:
        element.getparent().remove(element)
    else:
        element.text = new
    return etree.tostring(root)


@pytest.mark.parametrize(
    ("path", "new", "rule"),
    [
        ("msgType", "Warning", "schema"),
        ("info/urgency", None, "schema"),
        ("identifier", "two words", "names"),
        ("identifier", "", "names"),
        ("sender", "a,b", "names"),
        ("sender", "a<b", "names"),
        ("sender", "a&b", "names"),
        ("sent", "2024-01-22T18:09:19Z", "times"),
        ("info/expires", "2024-01-22T18:19:19.5-00:00", "times"),
        ("info/onset", "2024-01-22T18:09:18-00:00", "order of times"),
        ("info/effective", "2024-01-22T18:09:18-00:00", "order of times"),
        ("info/expires", "2024-01-22T18:09:19-00:00", "order of times"),
        ("references", None, "references"),
        ("references", "alatau@example.org,x", "references"),
        ("references", "a,b,2024-01-22T18:09:19Z", "references"),
        ("info/effective", "2024-01-22T18:09:24+00:00", "UTC"),
        ("info/expires", None, "complete"),
        ("info/headline", None, "complete"),
        ("info/area/areaDesc", " ", "complete"),
        ("info/area/polygon", None, "area"),
        ("info/area/geocode", None, "area"),
        ("info/web", None, "complete"),
        ("info/description", None, "complete"),
        ("info/description", " ", "complete"),
        ("info/eventCode/value", "OET-081", "event code"),
    ],
)
def test_each_rule_is_noticed_when_broken(path, new, rule):
    update = alert_update_cancel()[1]
    assert rule not in violations([update])
    assert rule in violations([changed(update, path, new)])


def without_polygons(message):
    return msgspec.structs.replace(message, areas=(), no_polygon="it crosses the date line")


def test_a_circle_stands_where_no_polygon_can_be_drawn():
    message = without_polygons(cap.parse(alert_update_cancel()[0]))
    value = cap.build(message)
    assert violations([value]) == []
    assert cap.parse(value) == message
    assert b"<circle>41.2690,78.6490 " in value
    assert b"<polygon>" not in value
    assert b"<value>it crosses the date line</value>" in value


@pytest.mark.parametrize(
    "circle",
    [
        "41.2690,78.6490 0.0",
        "41.2690,78.6490 -5.0",
        "41.2690001,78.6490 5.0",
        "91.0,78.6490 5.0",
        "41.0 78.6490,5.0",
    ],
)
def test_the_rule_of_circles_is_noticed_when_broken(circle):
    value = cap.build(without_polygons(cap.parse(alert_update_cancel()[0])))
    assert violations([value]) == []
    assert violations([changed(value, "info/area/circle", circle)]) == ["circle"]


@pytest.mark.parametrize(
    ("polygon", "rules"),
    [
        ("41,78 41,79 42,79 42,78 41,78", []),
        ("41,78 42,78 41,78", ["polygon"]),
        ("41,78 42,78 42,79 41,79", ["polygon"]),
        ("41,78 42,78 42,79.0000001 41,78", ["polygon"]),
        ("41,78 42,79 42,78 41,79 41,78", ["polygon"]),
        ("41 78 42 78 42 79 41 78", ["polygon"]),
        ("41,78 42,78 42,79 41,79 41,78", ["anticlockwise"]),
        (
            "41,78 " + " ".join(f"41.{n:03},{79 + n / 1000}" for n in range(99)) + " 41,78",
            ["points"],
        ),
    ],
)
def test_the_rules_of_polygons_are_noticed_when_broken(polygon, rules):
    value = changed(alert_update_cancel()[0], "info/area/polygon", polygon)
    assert violations([value]) == rules


def test_two_infos_of_one_language_and_too_long_a_text_are_noticed():
    root = etree.fromstring(alert_update_cancel()[0])
    root.append(etree.fromstring(etree.tostring(root.find(CAP + "info"))))
    assert violations([etree.tostring(root)]) == ["languages"]
    for parameter in root.iter(CAP + "parameter"):
        if parameter.findtext(CAP + "valueName") == "cellBroadcastShort":
            parameter.find(CAP + "value").text = "x" * 91
    assert "cell broadcast" in violations([etree.tostring(root)])


def test_the_place_of_references_is_noticed_when_wrong():
    root = etree.fromstring(alert_update_cancel()[1])
    root.append(root.find(CAP + "references"))
    assert "references before info" in violations([etree.tostring(root)])


def test_rules_of_a_sequence_are_noticed_when_broken():
    alert, update, cancel = alert_update_cancel()
    assert "identifiers collide" in violations([alert, alert])
    again = changed(alert, "identifier", "another")
    assert "same content again" in violations([alert, again])
    assert "a second Alert" in violations([alert, again])
    assert "references are not all that stand" in violations([alert, cancel])
    other = "alatau@example.org,other,2024-01-22T18:09:19-00:00"
    assert "references are not all that stand" in violations(
        [alert, changed(update, "references", other)]
    )


def test_times_are_utc_to_the_second():
    assert cap.time_text(1_705_946_959_999_999) == "2024-01-22T18:09:19-00:00"
    assert cap.time_text(0) == "1970-01-01T00:00:00-00:00"


TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"), max_size=20
)
NAME = st.from_regex(r"[A-Za-z0-9.\-_@]{1,20}", fullmatch=True)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
DEGREES = st.floats(-90, 90)
TIME_US = st.integers(0, 4_000_000_000_000_000)
TIME_S = st.integers(0, 4_000_000_000).map(lambda s: s * 1_000_000)
PLACE = st.builds(
    PlaceWarning,
    geonameid=st.integers(0, 2**40),
    name=TEXT,
    country=NAME,
    latitude=DEGREES,
    longitude=DEGREES,
    population=st.integers(0, 10**8),
    intensity=st.floats(1, 12),
    s_arrival_us=TIME_US,
    lead_s=st.floats(-1e4, 1e4),
)
POINT = st.tuples(DEGREES, st.floats(-180, 180)).map(lambda p: (round(p[0], 4), round(p[1], 4)))
AREA = st.builds(
    WarnedArea,
    intensity=st.floats(1, 12),
    polygons=st.lists(st.lists(POINT, min_size=4, max_size=6).map(tuple), min_size=1).map(tuple),
)
EXPOSED = st.builds(Exposed, st.integers(1, 12), st.integers(0, 999), st.integers(0, 10**9))


@st.composite
def messages(draw):
    """Any message that holds together, not only those that our policy makes."""
    kind = draw(st.sampled_from(["Alert", "Update", "Cancel"]))
    is_cancel = kind == "Cancel"
    reasons = st.sampled_from(["nothing", "same", "weaker"])
    named = draw(st.lists(st.tuples(TEXT, st.integers(0, 2**40)), max_size=5))
    whose = draw(st.sampled_from(["", "public", "civil-protection", "operator", "machine"]))
    return Message(
        identifier=draw(NAME),
        sender=draw(NAME),
        status=draw(st.sampled_from(["Test", "Exercise", "Actual"])),
        msg_type=kind,
        references=tuple(draw(st.lists(NAME, max_size=3))),
        sent_us=draw(TIME_US),
        onset_us=draw(TIME_S),
        expires_us=draw(TIME_S),
        urgency=draw(st.sampled_from(["Immediate", "Past"])),
        severity=draw(st.sampled_from(["Extreme", "Severe", "Moderate", "Minor", "Unknown"])),
        certainty=draw(st.sampled_from(["Observed", "Likely", "Possible", "Unlikely", "Unknown"])),
        cancel_reason=draw(reasons) if is_cancel else None,
        superseded_by=draw(st.none() | NAME.filter(lambda name: name.lower() != "null")),
        event_id=draw(NAME),
        revision=draw(st.integers(0, 10**6)),
        country=draw(NAME),
        origin_time_us=draw(TIME_US),
        latitude=draw(DEGREES),
        longitude=draw(st.floats(-180, 180)),
        epicentre_sigma_km=draw(NUMBER),
        depth_km=draw(NUMBER),
        depth_sigma_km=draw(NUMBER),
        magnitude=draw(st.floats(-3, 11)),
        magnitude_sigma=draw(st.none() | NUMBER),
        magnitude_type=draw(NAME),
        magnitude_saturated=draw(st.booleans()),
        min_intensity=draw(NUMBER),
        channel_delay_s=draw(NUMBER),
        max_intensity=draw(NUMBER),
        highest_told=draw(NUMBER),
        radius_km=draw(st.floats(0.1, 2e4)),
        places_affected=draw(st.integers(0, 1000)),
        people_affected=draw(st.integers(0, 10**9)),
        area_places=tuple(name for name, _ in named),
        area_geonameids=tuple(identity for _, identity in named),
        timezone=draw(st.sampled_from(["UTC", "Asia/Almaty", "Asia/Kolkata", "Europe/London"])),
        areas=tuple(draw(st.lists(AREA, max_size=3))),
        no_polygon=draw(st.none() | NAME.filter(lambda name: name.lower() != "null")),
        exposure=tuple(draw(st.lists(EXPOSED, max_size=3))),
        population_coverage=draw(st.none() | st.floats(0, 3)),
        places=() if is_cancel else tuple(draw(st.lists(PLACE, min_size=1, max_size=4))),
        sender_name=draw(TEXT),
        web=draw(NAME),
        contact=draw(TEXT),
        languages=tuple(draw(st.lists(st.sampled_from(LANGUAGES), min_size=1, unique=True))),
        audience=draw(NAME) if whose else "",
        audience_kind=whose,
        addresses=tuple(draw(st.lists(NAME, max_size=3))),
    )


@given(messages())
def test_what_is_written_reads_back_the_same(message):
    value = cap.build(message)
    assert cap.parse(value) == message
    assert cap.build(message) == value


def test_a_text_that_xml_cannot_hold():
    message = msgspec.structs.replace(cap.parse(alert_update_cancel()[0]), contact="\x00")
    with pytest.raises(ValueError, match="XML"):
        cap.build(message)


GOOD = alert_update_cancel()[0]
LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (i, b"&l%d;" % (i - 1) * 10 if i else b"lol") for i in range(10)
)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b"<alert/>",
        b'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.1"/>',
        b'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"/>',
        GOOD[: len(GOOD) // 2],
        b'<!DOCTYPE alert [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + GOOD.split(b"?>", 1)[1],
        b"<!DOCTYPE alert [" + LAUGHS + b"]><alert>&l9;</alert>",
        changed(GOOD, "info/area/geocode", None),
        changed(GOOD, "info/onset", "soon"),
        changed(GOOD, "info/parameter/value", "9999999-01-01"),
        changed(GOOD, "info/parameter/value", "2024-01-22T18:09:19"),
        changed(GOOD, "info/parameter/valueName", "other"),
        changed(GOOD, "status", "System"),
        GOOD.replace(b"<value>7.0</value>", b"<value>strong</value>"),
        GOOD.replace(b'{"geonameid":1,', b'{"geonameid":"a",'),
        GOOD.replace(b'{"geonameid":1,', b"{"),
        GOOD.replace(b'["Almaty"', b'["Almaty'),
        GOOD.replace(b'{"geonameid":1,', b'{"x":' + b"[" * 100_000),
        GOOD.replace(b"<value>[4.0,4.5]</value>", b"<value>[4.0,4.5,5.5]</value>"),
        GOOD.replace(b"<polygon>", b"<polygon>here,"),
        GOOD.replace(b"<value>Asia/Almaty</value>", b"<value>Asia/Atlantis</value>"),
    ],
)
def test_what_is_not_ours_is_refused(value):
    assert value != GOOD
    with pytest.raises(cap.CapError):
        cap.parse(value)


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
def test_damaged_bytes_are_read_or_refused_and_nothing_else(at, damage):
    with contextlib.suppress(cap.CapError):
        cap.parse(GOOD[:at] + damage + GOOD[at + len(damage) :])
