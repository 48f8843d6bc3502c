"""CAP of other agencies: read leniently, refused with a reason, never a reason to fall over."""

import asyncio
import contextlib
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_keys import certificate, key

from dispatch import incoming
from dispatch.facts import Acknowledgement
from dispatch.incoming import Area, ForeignAlert, Gate, RefusedError
from dispatch.reception import Reception
from dispatch.signature import Signer
from stream import rejects
from stream.memory import MemoryLog
from stream.topics import EVENTS, REJECTS

OURS = (Path(__file__).parent / "contracts" / "cap-alert.xml").read_bytes()
SENT_US = 1_705_946_959_000_000  # 2024-01-22T18:09:19Z
NOW_US = SENT_US + 2_000_000
PINNED = {"mchs@example.kg": [certificate("ec")]}
INFO = """<info><language>ru-RU</language><category>Geo</category><event>Сель</event>
<urgency>Immediate</urgency><severity>Severe</severity><certainty>Observed</certainty>
<expires>{expires}</expires><headline>Сель на реке</headline>
<area><areaDesc>Ала-Арча</areaDesc><polygon>{polygon}</polygon>
<circle>42.5,74.5 10</circle><geocode><valueName>ISO3166-1</valueName><value>KG</value></geocode>
</area></info>"""
POLYGON = "42.1,74.1 42.2,74.1 42.2,74.3 42.1,74.1"


def cap(
    *,
    identifier="kg-1",
    sender="mchs@example.kg",
    sent="2024-01-23T00:09:19+06:00",
    status="Actual",
    kind="Alert",
    references="",
    expires="2024-01-23T01:09:19+06:00",
    polygon=POLYGON,
    info=INFO,
    version="1.2",
    note="",
):
    """A message of a neighbour."""
    parts = [
        f'<alert xmlns="urn:oasis:names:tc:emergency:cap:{version}">',
        f"<identifier>{identifier}</identifier><sender>{sender}</sender><sent>{sent}</sent>",
        f"<status>{status}</status><msgType>{kind}</msgType><scope>Public</scope>",
        f"<note>{note}</note>" if note else "",
        f"<references>{references}</references>" if references else "",
        info.format(expires=expires, polygon=polygon),
        "</alert>",
    ]
    return "".join(parts).encode()


def iso(after_s):
    """A time so long after the first message."""
    return f"{datetime(2024, 1, 22, 18, 9, 19) + timedelta(seconds=after_s):%Y-%m-%dT%H:%M:%SZ}"  # noqa: DTZ001


def gate(**changes):
    return Gate(PINNED, **changes)


def signed(value, number=0):
    return Signer(key("ec", number), certificate("ec", number)).sign(value)


def reason(value, at_us=NOW_US, through=None):
    with pytest.raises(RefusedError) as caught:
        (through or gate(unsigned=True)).take(value, at_us)
    return caught.value.reason


def loose(**changes):
    """A message of someone who does not sign."""
    return cap(**{"sender": "someone@example.org", **changes})


def taken(value, at_us=NOW_US):
    return gate(unsigned=True).take(value, at_us)


def test_a_signed_message_of_a_neighbour():
    alert = gate().take(signed(cap()), NOW_US)
    assert alert == ForeignAlert(
        id="mchs@example.kg,kg-1,2024-01-22T18:09:19-00:00",
        identifier="kg-1",
        sender="mchs@example.kg",
        sent_us=SENT_US,
        status="Actual",
        type="Alert",
        scope="Public",
        expires_us=SENT_US + 3600_000_000,
        categories=("Geo",),
        event="Сель",
        urgency="Immediate",
        severity="Severe",
        certainty="Observed",
        headline="Сель на реке",
        languages=("ru-RU",),
        areas=(
            Area(
                description="Ала-Арча",
                polygons=(((42.1, 74.1), (42.2, 74.1), (42.2, 74.3), (42.1, 74.1)),),
                circles=((42.5, 74.5, 10.0),),
                geocodes=(("ISO3166-1", "KG"),),
            ),
        ),
        arrived_us=NOW_US,
        verified=True,
    )
    assert incoming.decode(incoming.encode(alert)) == alert


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (cap(), "not signed"),
        (signed(cap(), 5), "forged"),
        (signed(cap()).replace("Сель на".encode(), "Нет на".encode()), "forged"),
        (cap(sender="someone@example.org"), "unknown sender"),
        (signed(cap(sender="someone@example.org")), "unknown sender"),
        (b"<!DOCTYPE alert [<!ENTITY a 'b'>]>" + cap(), "entities or a document type"),
        (b"<!DOCTYPE alert SYSTEM 'file:///etc/passwd'>" + cap(), "entities or a document type"),
        (b"nonsense", "not XML"),
        (b"<alert/>", "not CAP"),
        (b'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.0"/>', "not CAP"),
        (cap() + b" " * 1_000_000, "too large"),
    ],
)
def test_what_is_not_trusted_is_refused_with_its_reason(value, expected):
    assert reason(value, through=gate()) == expected


def test_replayed_expired_or_from_the_future():
    one = gate()
    value = signed(cap())
    one.take(value, NOW_US)
    assert reason(value, NOW_US + 60_000_000, one) == "replayed"
    assert reason(value, NOW_US + 3600_000_000, one) == "expired"
    assert reason(value, SENT_US - 301_000_000, gate()) == "from the future"


def test_a_replay_is_refused_until_it_has_expired_and_after():
    """However much time passes, however much is forgotten: it never comes through again."""
    one = gate(unsigned=True)
    life_us = 7 * 86_400_000_000
    value = loose(expires="2039-01-01T00:00:00Z")
    one.take(value, NOW_US)
    for after in (1, 3600, 86_400, 6 * 86_400):
        other = INFO.replace("Сель на", f"{after} селя на")
        news = loose(identifier=f"x{after}", sent=iso(after), expires=iso(after + 60), info=other)
        one.take(news, NOW_US + after * 1_000_000)
        assert reason(value, NOW_US + after * 1_000_000, one) == "replayed"
    assert reason(value, SENT_US + life_us, one) == "expired"


def test_after_a_restart_what_was_accepted_is_known():
    alert = gate().take(signed(cap()), NOW_US)
    other = gate()
    other.note(alert)
    assert reason(signed(cap()), NOW_US, other) == "replayed"


def test_the_same_content_again_under_another_name():
    one = gate(unsigned=True)
    one.take(loose(), NOW_US)
    assert reason(loose(identifier="kg-2"), NOW_US, one) == "the same again"
    assert reason(loose(identifier="kg-2", sent=iso(3599)), SENT_US + 3599_000_000, one) != ""
    name = "someone@example.org,kg-1,2024-01-23T00:09:19+06:00"
    one.take(loose(identifier="kg-3", kind="Update", references=name), NOW_US)
    later = gate(unsigned=True)
    later.take(loose(), NOW_US)
    later.take(loose(identifier="kg-4", sent=iso(3600), expires=iso(7200)), SENT_US + 3600_000_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "1.1"},
        {"sent": "2024-01-22T18:09:19Z"},
        {"sent": "2024-01-22T18:09:19.250+00:00"},
        {"sent": " 2024-01-22T18:09:19-00:00\n"},
        {"polygon": "42.1,74.1  42.2,74.1\n42.2,74.3"},
        {"polygon": "42.123456789,74.1 42.2,74.1 42.2,74.3 42.123456789,74.1"},
        {"expires": ""},
        {"kind": "Cancel", "references": "a@b.kg,1,2024-01-22T18:00:00Z", "info": ""},
    ],
)
def test_what_others_write_otherwise_is_read(changes):
    assert taken(loose(**changes)).sender == "someone@example.org"


def test_a_polygon_is_closed_and_an_expiry_made_up():
    alert = taken(loose(polygon="42.1,74.1 42.2,74.1 42.2,74.3", expires=""))
    assert alert.areas[0].polygons[0][-1] == (42.1, 74.1)
    assert alert.expires_us == SENT_US + 86_400_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"identifier": ""},
        {"identifier": "two words"},
        {"identifier": "a,b"},
        {"sender": "two words"},
        {"sent": ""},
        {"sent": "yesterday"},
        {"sent": "2024-01-22T18:09:19"},
        {"sent": "9999-12-31T23:59:59-23:59"},
        {"status": "Real"},
        {"kind": "Alarm"},
        {"kind": "Update"},
        {"kind": "Cancel", "info": ""},
        {"kind": "Error", "references": "a,b,c", "note": "what?"},
        {"info": ""},
        {"references": "just-a-name"},
        {"expires": "2024-01-23T00:09:19+06:00"},
        {"expires": "never"},
        {"polygon": "42.1,74.1 42.2,74.1"},
        {"polygon": "42.1,74.1 42.2,74.1 42.2,174.3,5 42.1,74.1"},
        {"polygon": "42.1,74.1 95,74.1 42.2,74.3 42.1,74.1"},
        {"polygon": "42.1,74.1 nan,74.1 42.2,74.3 42.1,74.1"},
        {"polygon": "here there everywhere here"},
        {"info": INFO.replace("42.5,74.5 10", "42.5,74.5 -1")},
        {"info": INFO.replace("42.5,74.5 10", "42.5,74.5 inf")},
        {"info": INFO.replace("42.5,74.5 10", "42.5,74.5")},
        {"info": INFO.replace("42.5,74.5 10", "10")},
        {"info": INFO.replace("42.5,74.5 10", "")},
    ],
)
def test_what_breaks_a_rule_is_quarantined(changes):
    assert reason(loose(**changes)) == "breaks a rule"


def test_an_acknowledgement_of_one_of_ours():
    value = cap(
        identifier="ack-7",
        kind="Ack",
        references="alatau@example.org,ca.1_KZ_0,2024-01-22T18:09:19-00:00",
        info="",
        note="read by the duty officer",
    )
    one = gate()
    assert one.take(signed(value), NOW_US) == Acknowledgement(
        at_us=NOW_US,
        message="ca.1_KZ_0",
        ack="ack-7",
        by="mchs@example.kg",
        note="read by the duty officer",
        verified=True,
    )
    assert reason(signed(value), NOW_US, one) == "replayed"
    assert reason(signed(value), NOW_US + 8 * 86_400_000_000, one) == "expired"
    assert reason(loose(kind="Ack", info="")) == "breaks a rule"


def receive(*values, trusted=False):
    """What stands in the log, and what is answered."""

    async def scene():
        log, told = MemoryLog(), []
        reception = Reception(gate(), log, told.append, lambda: NOW_US)
        answers = [await reception.take(value, "hook", trusted=trusted) for value in values]
        events = await log.read(EVENTS.name, 0, 0, 99)
        refused = await log.read(REJECTS.name, 0, 0, 99)
        return answers, events, [rejects.decode(r.value) for r in refused], told

    return asyncio.run(scene())


def test_what_comes_in_is_written_where_it_belongs():
    ack = cap(identifier="a", kind="Ack", references="x,y,2024-01-22T18:09:19Z", info="")
    answers, events, refused, told = receive(signed(cap()), signed(ack), signed(cap()), b"x")
    assert [bool(answer) for answer in answers] == [False, False, True, True]
    (event,) = events
    assert incoming.decode(event.value).identifier == "kg-1"
    assert event.timestamp == NOW_US // 1000
    assert [(fact.message, fact.channel, fact.verified) for fact in told] == [("y", "hook", True)]
    assert [(r.reason, r.source) for r in refused] == [
        ("replayed", "mchs@example.kg"),
        ("not XML", "cap"),
    ]


def test_a_way_that_proves_the_sender_needs_no_signature_unless_one_is_pinned():
    ack = {"identifier": "a", "kind": "Ack", "references": "x,y,2024-01-22T18:09:19Z", "info": ""}
    answers, _, _, told = receive(loose(**ack), cap(**ack), trusted=True)
    assert (answers[0], answers[1].split(":")[0]) == ("", "not signed")
    assert [fact.verified for fact in told] == [True]


def test_our_own_messages_can_be_read_as_a_neighbour_reads_them():
    alert = taken(OURS.replace(b"alatau@example.org</sender>", b"we@example.org</sender>"), NOW_US)
    assert alert.codes == (("OET:v1.2", "OET-068"),)


@settings(max_examples=300)
@given(st.data())
def test_damaged_messages_are_taken_or_refused_and_nothing_else(data):
    value = loose()
    at = data.draw(st.integers(0, len(value) - 1))
    damage = data.draw(st.binary(min_size=1, max_size=6))
    with contextlib.suppress(RefusedError):
        taken(value[:at] + damage + value[at + len(damage) :])


FIELD = st.sampled_from(
    ["identifier", "sender", "sent", "status", "kind", "references", "expires", "polygon"]
)


@settings(max_examples=300)
@given(
    st.dictionaries(
        FIELD,
        st.text(
            st.characters(exclude_characters="<&{}", exclude_categories=("Cc", "Cs")), max_size=30
        ),
    )
)
def test_any_text_anywhere(changes):
    with contextlib.suppress(RefusedError):
        taken(loose(**changes))


def test_golden_contract():
    contracts = Path(__file__).parent / "contracts"
    golden = (contracts / "foreign-alert-2.json").read_bytes().strip()
    alert = incoming.decode(golden)
    assert incoming.encode(alert) == golden
    shown = msgspec.json.decode(golden)
    assert list(shown) == ["kind", *ForeignAlert.__struct_fields__]
    older = incoming.decode((contracts / "foreign-alert-1.json").read_bytes())
    assert older == msgspec.structs.replace(alert, version=1, effective_us=None)
