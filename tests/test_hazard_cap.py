"""CAP of other hazards: valid, of the right codes and areas, and as the golden files have it."""

import os
from pathlib import Path

import msgspec
import pytest
import shapely
from cap_rules import CAP, text, violations
from lxml import etree
from made_hazard_events import BURST_US, HOUR, KARGALY, hazard, reached, shahimardan

from dispatch import cap, hazard_cap, places
from dispatch.hazard_lifecycle import HazardLifecycle
from dispatch.hazard_policy import SHIPPED
from dispatch.names import LANGUAGES
from dispatch.settings import AudiencePolicy, DispatchSettings

GOLDEN = Path(__file__).parent / "golden"
OWN = {"sender": "warning@mchs.kz", "web": "https://mchs.kz", "contact": "duty@mchs.kz"}
PLACES = places.load()
ALONG = ("flood", "flash flood", "lake outburst", "dam break", "debris flow")
CAUSE = "ca.20150722T201301-TKM2"


def said(*revisions, languages=("en",), audience="public", country="KZ"):
    """The chain of messages to one audience of one country."""
    wanted = DispatchSettings(
        **OWN,
        status="Actual",
        audiences={
            name: AudiencePolicy(enabled=True, languages=languages)
            for name in ("public", "civil-protection", "operator")
        },
    )
    lifecycle = HazardLifecycle(wanted, PLACES)
    messages = [m for e in revisions for m in lifecycle.fold(e, e.updated_us)]
    return [m for m in messages if (m.audience, m.country) == (audience, country)]


def chain(kind, hazards, **wanted):
    """Messages of which the last is of the kind."""
    kinds = {
        "alert": (),
        "update": ({"level": 2},),
        "cancel-nothing": ({"status": "cancelled"},),
        "cancel-over": ({"status": "over"},),
        "cancel-cause": ({"status": "cancelled", "sensors": ()},),
    }
    where = {} if hazards in ALONG else {"places": ()}
    common = {"hazard": hazards, "causes": (CAUSE,), **where}
    more = [hazard(1, 300.0, **(common | change)) for change in kinds[kind]]
    return said(hazard(**common), *more, **wanted)


def golden(name, messages):
    values = [hazard_cap.build(message) for message in messages]
    file = GOLDEN / f"hazard-{name}.xml"
    if os.environ.get("ALATAU_WRITE_GOLDEN"):
        file.write_bytes(values[-1])
    assert values[-1] == file.read_bytes()
    assert violations(values) == []


@pytest.mark.parametrize(
    "kind", ["alert", "update", "cancel-nothing", "cancel-over", "cancel-cause"]
)
@pytest.mark.parametrize("name", SHIPPED)
def test_golden_of_every_hazard_and_kind(name, kind):
    golden(f"{name.replace(' ', '-')}-{kind}", chain(kind, name))


@pytest.mark.parametrize("language", LANGUAGES)
def test_golden_of_every_language(language):
    golden(f"alert-{language}", chain("alert", "debris flow", languages=(language,)))


def test_golden_of_the_watch_for_those_on_duty():
    golden("watch", said(hazard(level=1, status="provisional"), audience="civil-protection"))


def test_golden_of_what_goes_on_as_another_event():
    renewed = hazard(1, 86_400.0, hazard="flood", status="over", goes_on=True)
    golden("cancel-renewed", said(hazard(hazard="flood", updated_us=BURST_US + HOUR), renewed))


def test_golden_of_the_country_that_it_does_not_reach():
    far = reached("Kokand", "UZ", 40.5286, 70.9425, (200, 240, 300), 200_000)
    revisions = (
        shahimardan(places=(far,)),
        shahimardan(1, 600.0, places=(), latitude=39.6, longitude=71.5),
    )
    golden("cancel-away", said(*revisions, country="UZ"))


def test_all_languages_in_one_message():
    messages = chain("alert", "debris flow", languages=LANGUAGES)
    value = hazard_cap.build(messages[0])
    assert violations([value]) == []
    infos = etree.fromstring(value).findall(CAP + "info")
    assert [text(info, "language") for info in infos] == list(LANGUAGES)
    for name in ("headline", "description", "instruction"):
        assert len({text(info, name) for info in infos}) == 7


@pytest.mark.parametrize(
    ("audience", "scope", "restriction"),
    [
        ("public", "Public", None),
        ("civil-protection", "Restricted", "civil-protection"),
        ("operator", "Private", None),
    ],
)
def test_whom_it_is_for(audience, scope, restriction):
    value = hazard_cap.build(said(hazard(), audience=audience)[0])
    root = etree.fromstring(value)
    assert violations([value]) == []
    assert (text(root, "scope"), text(root, "restriction")) == (scope, restriction)
    assert text(root, "info/audience") == audience
    assert text(root, "addresses") == ("operator" if audience == "operator" else None)


def shape(message):
    return shapely.union_all([shapely.Polygon([(x, y) for y, x in r]) for r in message.areas])


@pytest.mark.parametrize("name", SHIPPED)
def test_the_area_holds_the_source_and_every_place(name):
    message = said(hazard(hazard=name))[0]
    area = shape(message)
    assert area.is_valid
    assert sum(map(len, message.areas)) <= 100
    assert area.contains(shapely.Point(76.83, 43.08))
    for place in KARGALY:
        assert area.contains(shapely.Point(place.longitude, place.latitude))


def test_the_area_follows_the_valley_and_no_more():
    area = shape(said(hazard())[0])
    assert area.contains(shapely.Point(76.83, 43.155))  # between two villages
    assert area.contains(shapely.Point(76.83 + 2.9 / 81.2, 43.155))  # 2.9 km beside the line
    assert not area.contains(shapely.Point(76.83 + 4.0 / 81.2, 43.155))
    spots = shape(said(hazard(hazard="landslide"))[0])
    assert not spots.contains(shapely.Point(76.87, 43.222))


def test_places_are_joined_to_what_is_reached_before_them_and_not_in_one_line():
    west = reached("West", "KZ", 43.30, 76.60, (10, 20, 30))
    east = reached("East", "KZ", 43.30, 77.06, (11, 21, 31))
    area = shape(said(hazard(places=(west, east)))[0])
    assert area.contains(shapely.Point(76.715, 43.19))
    assert area.contains(shapely.Point(76.945, 43.19))
    assert not area.contains(shapely.Point(76.83, 43.30))


def test_the_area_of_each_country_is_its_own():
    kyrgyz = shape(said(shahimardan(), country="KG")[0])
    uzbek = shape(said(shahimardan(), country="UZ")[0])
    assert kyrgyz.contains(shapely.Point(71.78, 39.80))
    assert not uzbek.contains(shapely.Point(71.78, 39.78))
    assert uzbek.contains(shapely.Point(71.72, 40.18))


def test_a_circle_stands_where_nothing_can_be_drawn():
    pole = hazard(latitude=89.0, longitude=0.0, places=(reached("A", "KZ", 88.9, 1.0, (1, 2, 3)),))
    message = said(pole)[0]
    value = hazard_cap.build(message)
    assert message.areas == ()
    assert "degrees of latitude" in message.no_polygon
    assert b"<circle>89.0000,0.0000 " in value
    assert violations([value]) == []


def test_a_message_about_a_silent_sensor_is_no_message():
    message = msgspec.structs.replace(said(hazard())[0], hazard="sensor silent")
    with pytest.raises(ValueError, match="silent"):
        hazard_cap.build(message)


def test_what_reads_earthquakes_refuses_a_hazard_cleanly():
    with pytest.raises(cap.CapError):
        cap.parse(hazard_cap.build(said(hazard())[0]))


def test_times_are_local_and_whole():
    root = etree.fromstring(hazard_cap.build(said(hazard())[0]))
    assert text(root, "sent") == "2015-07-23T02:15:30+06:00"
    assert text(root, "info/onset") == "2015-07-23T02:29:00+06:00"
    assert BURST_US % 60_000_000 == 0
    assert "Kargaly 02:44–03:10" in text(root, "info/description")
