"""Golden messages of every kind in all seven languages, with real places."""

import os
from pathlib import Path

import msgspec
import pytest
from cap_rules import CAP, text, violations
from lxml import etree
from made_earthquakes import StraightRays, earthquake, records

from dispatch import cap, places
from dispatch.names import LANGUAGES
from dispatch.service import DispatchOperator, country_topic
from dispatch.settings import DispatchSettings, Policy

GOLDEN = Path(__file__).parent / "golden"
OWN = {"sender": "warning@seismo.kz", "web": "https://seismo.kz", "contact": "duty@seismo.kz"}

FIRST = earthquake(0)
KINDS = {
    "alert": ("KZ", "Test", [FIRST]),
    "alert-exercise": ("KZ", "Exercise", [FIRST]),
    "alert-actual": ("KZ", "Actual", [FIRST]),
    "alert-shaking-has-begun": ("KG", "Test", [earthquake(0, 90.0)]),
    "update": ("KZ", "Test", [FIRST, earthquake(1, 20.0, magnitude=7.6, magnitude_saturated=True)]),
    "cancel-nothing": ("KZ", "Test", [FIRST, earthquake(1, 40.0, status="cancelled")]),
    "cancel-same": (
        "KZ",
        "Test",
        [FIRST, earthquake(1, 40.0, status="superseded", superseded_by="ca.20240122T180910-TKM2")],
    ),
    "cancel-weaker": ("KZ", "Test", [FIRST, earthquake(1, 40.0, magnitude=5.0)]),
}


def said(kind):
    """The chain of messages to the country, of which the last is of the kind."""
    country, status, quakes = KINDS[kind]
    settings = DispatchSettings(
        **OWN, status=status, languages=LANGUAGES, policy=Policy(max_places=3)
    )
    operator = DispatchOperator(settings, places.load(), StraightRays())
    outputs = operator.process(records(quakes))
    return [output.value for output in outputs if output.topic == country_topic(country)]


@pytest.mark.parametrize("kind", KINDS)
def test_golden(kind):
    values = said(kind)
    file = GOLDEN / f"cap-{kind}.xml"
    if os.environ.get("ALATAU_WRITE_GOLDEN"):
        file.write_bytes(values[-1])
    assert values[-1] == file.read_bytes()
    assert violations(values) == []


@pytest.mark.parametrize("kind", KINDS)
def test_golden_is_read_and_written_again(kind):
    value = (GOLDEN / f"cap-{kind}.xml").read_bytes()
    message = cap.parse(value)
    assert message.languages == LANGUAGES
    assert cap.build(message) == value


def test_infos_differ_in_their_words_alone():
    root = etree.fromstring((GOLDEN / "cap-alert.xml").read_bytes())
    words = {"language", "event", "headline", "description", "instruction", "parameter", "area"}
    infos = root.findall(CAP + "info")
    facts = [
        [etree.tostring(child) for child in info if etree.QName(child).localname not in words]
        for info in infos
    ]
    assert facts == [facts[0]] * 7
    polygons = [[p.text for p in info.iter(CAP + "polygon")] for info in infos]
    assert polygons == [polygons[0]] * 7
    for name in ("headline", "description", "instruction", "event"):
        assert len({text(info, name) for info in infos}) == 7


def test_every_info_has_the_facts_and_the_first_the_places():
    root = etree.fromstring((GOLDEN / "cap-alert.xml").read_bytes())
    named = [
        [parameter.findtext(CAP + "valueName") for parameter in info.iter(CAP + "parameter")]
        for info in root.findall(CAP + "info")
    ]
    assert named[0].count("place") == 3
    assert [names.count("place") for names in named[1:]] == [0] * 6
    assert [n for n in named[0] if n != "place"] == named[1]
    assert named[1:] == [named[1]] * 6


def test_a_message_of_before_polygons_and_zones_is_still_read():
    value = (Path(__file__).parent / "contracts" / "cap-update-before-polygons.xml").read_bytes()
    message = cap.parse(value)
    assert (message.areas, message.timezone, message.exposure) == ((), "UTC", ())
    assert cap.reference(message).endswith("2024-01-22T18:09:24-00:00")
    now = cap.parse((Path(__file__).parent / "contracts" / "cap-update.xml").read_bytes())
    later = ("areas", "timezone", "exposure", "area_geonameids", "population_coverage")
    later += ("audience", "audience_kind")
    same = {name: getattr(message, name) for name in later} | {"references": message.references}
    assert msgspec.structs.replace(now, **same) == message
