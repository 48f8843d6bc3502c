"""Reports from the ledger: what went when to whom, times, and the figures for Sendai."""

import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from lxml import etree, html
from made_parcels import BEGIN_US
from test_ledger import ledger_of, outputs

from dispatch import cap, facts, ledger, ledger_words, report
from dispatch.facts import (
    Acknowledgement,
    Decision,
    Delivery,
    Escalation,
    Message,
    Override,
    Rule,
    Sources,
    Started,
)
from dispatch.ledger_words import words
from dispatch.report_page import page
from dispatch.sendai import People, sendai

S = 1_000_000
NAME = "ca.1_KZ_0"


def at(seconds):
    return BEGIN_US + round(seconds * S)


def message(**changes):
    values = {
        "identifier": NAME,
        "sender": "alatau@example.org",
        "status": "Actual",
        "type": "Alert",
        "sent_us": at(0),
        "expires_us": at(600),
        "chain": "ca.1_KZ",
        "event": "ca.1",
        "revision": 0,
        "country": "KZ",
        "headline": "Earthquake: <strong> shaking & more",
        "origin_us": at(-15),
        "known_us": at(0),
        "people": 2_000_000,
        "sha256": "0" * 64,
    }
    return Message(**(values | changes))


def step(state, seconds, channel="hook", **changes):
    return Delivery(at_us=at(seconds), message=NAME, channel=channel, state=state, **changes)


TOLD = [
    Started(at_us=at(-3600), process="deliver"),
    Sources(at_us=at(-10), healthy=31, silent=9),
    Decision(
        at_us=at(0),
        event="ca.1",
        revision=0,
        country="KZ",
        verdict="told",
        message=NAME,
        rules=(Rule("magnitude", True, "7.0 >= 4.5"),),
    ),
    message(),
    Decision(
        at_us=at(0),
        event="ca.1",
        revision=0,
        country="UZ",
        audience="public",
        verdict="not told",
        rules=(Rule("intensity", False, "2.1 < 4.0"),),
    ),
    step("queued", 0.01),
    step("queued", 0.01, "mqtt"),
    step("queued", 0.01, "dead"),
    step("failed", 1, attempt=1, reached=True, reason="HTTP 503"),
    step("delivered", 2.5, attempt=2, final=True, once=True, repeated=True, lead_s=37.5),
    step("delivered", 0.06, "mqtt", attempt=2, final=True, repeated=True, lead_s=39.9),
    step("failed", 1, "dead", attempt=1, reason="cannot connect"),
    Escalation(at_us=at(10), message=NAME, channel="dead", missed="delivery", to="siren"),
    step("queued", 10, "siren", reason="in place of dead"),
    step("delivered", 10.4, "siren", attempt=1, final=True, lead_s=29.6),
    Acknowledgement(at_us=at(62.5), message=NAME, channel="hook", ack="a", by="mchs@kz"),
    Acknowledgement(at_us=at(70), message=NAME, channel="hook", ack="b", by="mchs@kz"),
    Override(
        at_us=at(80),
        word="withhold",
        chain="ca.1_KZ",
        person="anna",
        role="duty officer",
        reason="sirens at night",
        complete=True,
    ),
    step("expired", 600, "dead", attempt=3, final=True, reason=""),
]


def entries(told=TOLD):
    return list(ledger.entries(ledger_of(outputs([facts.encode(fact) for fact in told]))))


REPORT = report.situation(entries())


def way(channel):
    ((found,),) = (
        [[w for w in m.ways if w.channel == channel] for m in REPORT.events[0].messages],
    )
    return found[0]


def test_times_to_notify_and_to_acknowledge():
    (event,) = REPORT.events
    assert (event.notify_s, event.acknowledge_s) == (0.06, 62.5)
    hook = way("hook")
    assert (hook.state, hook.notify_s, hook.acknowledge_s) == ("acknowledged", 2.5, 60.0)
    assert (hook.acknowledged_by, hook.lead_s, hook.attempts) == ("mchs@kz", 37.5, 2)


def test_the_ledger_says_where_it_was_once_and_where_perhaps_more():
    arrived = {name: way(name).arrived for name in ("hook", "mqtt", "siren", "dead")}
    assert arrived == {"hook": "once", "mqtt": "once or more", "siren": "once", "dead": "no"}
    assert (way("dead").state, way("dead").escalated_to) == ("expired", "siren")
    unsure = [*TOLD[:6], step("failed", 5, attempt=1, reached=True, final=True, reason="x")]
    (event,) = report.situation(entries(unsure)).events
    assert event.messages[0].ways[0].arrived == "not known"


def test_sources_stand_beside_each_message_and_decision():
    (event,) = REPORT.events
    health = "earthquake: 31 of 40 healthy at 2024-01-22T18:09:09Z"
    assert event.messages[0].sources == health
    assert [(d.verdict, d.sources) for d in event.decisions] == [
        ("told", health),
        ("not told", health),
    ]
    (blind,) = report.situation(entries(TOLD[2:])).events
    assert blind.messages[0].sources is None


def test_channels_and_overrides():
    rows = {row.channel: row for row in REPORT.channels}
    assert (rows["hook"].delivered, rows["hook"].acknowledged) == (1, 1)
    assert rows["hook"].delay_s == pytest.approx(2.49)
    assert (rows["dead"].delivered, rows["dead"].failed, rows["dead"].delay_s) == (0, 1, None)
    (override,) = REPORT.overrides
    assert (override.role, override.reason) == ("duty officer", "sirens at night")


def test_one_event_alone():
    other = message(identifier="ca.2_KZ_0", chain="ca.2_KZ", event="ca.2")
    told = [*TOLD, other]
    assert [e.event for e in report.situation(entries(told)).events] == ["ca.1", "ca.2"]
    alone = report.situation(entries(told), event="ca.2")
    assert ([e.event for e in alone.events], alone.overrides) == (["ca.2"], ())


def test_what_was_told_again_after_a_restart_counts_once():
    again = report.situation(entries([*TOLD, *TOLD]))
    assert again.events == REPORT.events
    assert again.channels == REPORT.channels


def test_json_is_the_report():
    shown = json.loads(report.encode(REPORT))
    assert shown["hash"] == entries()[-1].hash
    assert shown["events"][0]["messages"][0]["ways"][1]["notifyS"] == 2.5


def test_the_page_can_be_read_and_holds_no_markup_of_others():
    value = page(REPORT, sendai(TOLD, {"KZ": People(72, 100)}, at(-60), at(0)))
    root = html.fromstring(value)
    text = root.text_content()
    for said in (
        "Earthquake: <strong> shaking & more",
        "once or more",
        "The chain holds",
        "sirens at night",
        "31 of 40 healthy",
        "proxy",
        "intensity: not met (2.1 < 4.0)",
    ):
        assert said in text, said
    assert root.find(".//strong") is None
    assert root.find(".//script") is None
    assert not [e for e in root.iter() if {"src", "href"} & set(e.keys())]


def test_an_empty_ledger_says_who_was_watching_before_it_says_nothing_was_sent():
    text = html.fromstring(page(report.situation([]))).text_content()
    assert "not known: nothing has been told of them" in text
    assert "See above who was watching" in text


def test_a_broken_ledger_says_so():
    records = ledger_of(outputs([facts.encode(fact) for fact in TOLD]))
    broken = [*records[:4], *records[5:]]
    verdict = ledger.verify(broken)
    found = report.situation(list(ledger.entries(broken)), fault=verdict.fault)
    assert (found.entries, found.fault) == (4, "entry 4: entries are missing before it")
    assert b"The chain is broken at entry 4" in page(found)


def test_each_entry_in_a_line():
    told = [ledger_words.line(entry) for entry in entries()]
    assert told[1].split(maxsplit=4)[3:] == ["sources", "earthquake: 31 of 40 healthy, 9 silent"]
    assert told[4].endswith("UZ / public: not told of ca.1.0: intensity (2.1 < 4.0)")
    assert told[9].endswith("hook: delivered ca.1_KZ_0, attempt 2, 38 s before S")
    assert told[10].endswith("perhaps not for the first time, 40 s before S")
    assert {len(each) - len(words(fact)[1]) for each, fact in zip(told, TOLD, strict=True)} == {
        ledger_words.HEAD
    }
    about = [ledger_words.is_about(entry, "ca.1") for entry in entries()]
    assert about == [not isinstance(fact, Started | Sources) for fact in TOLD]
    assert not any(ledger_words.is_about(entry, "ca") for entry in entries())


def watch(seconds, healthy, silent=0, hazard="earthquake"):
    return Sources(at_us=at(seconds), healthy=healthy, silent=silent, hazard=hazard)


def test_sendai_g2_counts_time_that_nobody_watched():
    told = [watch(0, 4), watch(30, 2, 2), watch(60, 4), watch(1000, 4)]
    (monitored, _) = sendai(told, {}, at(0), at(1000)).figures
    # 30 s of four, 30 s of two, 60 s of four; then nothing was told for long
    assert monitored.numerator == pytest.approx((30 * 4 + 30 * 2 + 60 * 4) / 3600, abs=0.001)
    assert monitored.denominator == pytest.approx(4 * 1000 / 3600, abs=0.001)
    assert monitored.value == pytest.approx(420 / 4000)
    assert "proxy" in monitored.proxy


def test_sendai_g2_for_each_hazard():
    told = [watch(0, 4), watch(0, 1, hazard="mudflow")]
    found = sendai(told, {}, at(0), at(60)).figures
    assert [(f.indicator, f.of) for f in found[:2]] == [("G-2", "earthquake"), ("G-2", "mudflow")]


def test_sendai_g3_counts_people_where_a_channel_is_proven():
    people = {"KZ": People(72, 100), "KG": People(41, 100), "XX": People(5, None)}
    (*_, covered) = sendai(TOLD, people, at(-60), at(1)).figures
    assert (covered.numerator, covered.denominator, covered.value) == (72, 200, 36_000.0)
    assert "left out, for their people are not known: XX" in covered.denominator_is
    assert covered.proxy.startswith("proxy")
    (*_, none) = sendai(TOLD, people, at(100), at(200)).figures
    assert (none.numerator, none.value) == (0, 0.0)
    (*_, unknown) = sendai(TOLD, {}, at(-60), at(1)).figures
    assert unknown.value is None


def test_the_fact_of_a_message_is_that_of_its_cap():
    value = (Path(__file__).parent / "contracts" / "cap-alert.xml").read_bytes()
    said = cap.parse(value)
    fact = facts.of_message(said, value, chain="c", known_us=7, headline="h")
    assert (fact.identifier, fact.country, fact.event) == (
        said.identifier,
        said.country,
        said.event_id,
    )
    assert fact.sha256 == hashlib.sha256(value).hexdigest()
    assert (fact.chain, fact.known_us, fact.headline) == ("c", 7, "h")


def test_golden_contracts():
    """Facts and entries read their golden samples and write them again byte for byte."""
    lines = (Path(__file__).parent / "contracts" / "ledger-1.jsonl").read_bytes().splitlines()
    kinds = set()
    for line in lines:
        entry = ledger.decode(line)
        assert msgspec.json.encode(entry) == line
        assert facts.encode(entry.told) == bytes(entry.fact)
        kinds.add(type(entry.told))
    assert kinds == set(facts.Fact.__args__)


def test_the_page_is_html_that_a_strict_parser_reads():
    value = page(REPORT)
    assert value.startswith(b"<!DOCTYPE html>\n")
    etree.fromstring(value, etree.HTMLParser(recover=False))
