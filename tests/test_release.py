"""Two people release a message, one withholds it, nobody lets it lapse."""

import itertools

import msgspec
import pytest
from cap_rules import violations
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from made_earthquakes import PLACES, StraightRays, earthquake, records
from made_keys import key, pem

from dispatch import cap, facts, release
from dispatch.channels.settings import Person, ReleaseSettings
from dispatch.facts import Override
from dispatch.release import ReleaseOperator, Word, hold, public_key, sign
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings
from stream import rejects
from stream.errors import ConfigurationError
from stream.records import Output, Record

S = 1_000_000
CHAIN = "ca.20240122T180911-AAK_KZ"
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode() * 8) for name in ("anna", "bolt")}
STRANGER = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
SETTINGS = ReleaseSettings(
    within_s=300,
    people={
        name: Person(role=f"duty officer {name}", public_key=public_key(KEYS[name]))
        for name in KEYS
    },
)


def messages(*quakes):
    """What the stage of warnings would say to Kazakhstan."""
    outputs = DispatchOperator(DispatchSettings(), PLACES, StraightRays()).process(records(quakes))
    return [cap.parse(o.value) for o in outputs if o.topic == "alerts.kz"]


ALERT, UPDATE, CANCEL = messages(
    earthquake(),
    earthquake(1, 20.0, magnitude=7.6),
    earthquake(2, 40.0, status="cancelled"),
)
NOW_US = ALERT.sent_us


def word(person, after_s=10.0, verdict="release", *, own_key=None, **changes):
    values = {
        "chain": CHAIN,
        "message": ALERT.identifier,
        "verdict": verdict,
        "person": person,
        "reason": "seen on three stations",
        "at_us": NOW_US + round(after_s * S),
    }
    return sign(Word(**(values | changes)), own_key or KEYS.get(person, STRANGER))


def waits(message):
    return hold(message, CHAIN, 0, message.sent_us // 1000)


def publish(message, cause, arrival_ms):
    return [Output("alerts", CHAIN.encode(), cap.build(message), cause, arrival_ms)]


def log(outputs):
    return [
        Record("held", 0, i, o.timestamp, o.key, o.value, o.headers) for i, o in enumerate(outputs)
    ]


def folded(*outputs, operator=None):
    return (operator or ReleaseOperator(SETTINGS, publish)).process(log(outputs))


def sent(*outputs):
    return [cap.parse(o.value) for o in folded(*outputs) if o.topic == "alerts"]


def told(*outputs):
    found = [facts.decode(o.value) for o in folded(*outputs) if o.topic == "facts"]
    assert all(isinstance(fact, Override) for fact in found)
    return found


def refused(*outputs):
    return [rejects.decode(o.value).detail for o in folded(*outputs) if o.topic == "rejects"]


def test_two_people_release_a_message():
    (message,) = sent(waits(ALERT), word("anna", 10), word("bolt", 30))
    assert (message.identifier, message.msg_type) == (ALERT.identifier, "Alert")
    assert message.sent_us == NOW_US + 30 * S
    assert message.expires_us - message.sent_us == pytest.approx(600 * S, abs=S)
    assert message.places[0].lead_s == pytest.approx(ALERT.places[0].lead_s - 30, abs=0.11)
    assert message.onset_us >= message.sent_us // S * S
    first, second = told(waits(ALERT), word("anna", 10), word("bolt", 30))
    assert (first.person, first.role, first.complete) == ("anna", "duty officer anna", False)
    assert (second.person, second.reason, second.complete) == (
        "bolt",
        "seen on three stations",
        True,
    )
    assert first.token != second.token


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ([word("anna"), word("anna", 20)], "another person must"),
        ([word("eve")], "not among those"),
        ([word("anna", own_key=STRANGER)], "signature is not that of anna"),
        ([word("anna", own_key=KEYS["bolt"])], "signature is not that of anna"),
        ([word("anna", reason="  ")], "no reason"),
        ([word("anna", chain="ca.2_KZ")], "nothing waits for ca.2_KZ"),
    ],
)
def test_what_is_not_heeded(said, says):
    assert sent(waits(ALERT), *said) == []
    (detail,) = refused(waits(ALERT), *said)
    assert says in detail


def at(output, seconds):
    return msgspec.structs.replace(output, timestamp=NOW_US // 1000 + round(seconds * 1000))


def test_a_word_counts_for_its_message_and_its_time_alone():
    moved = msgspec.structs.replace(word("anna"), key=b"ca.2_KZ")
    other = hold(ALERT, "ca.2_KZ", 0, NOW_US // 1000)
    assert "speaks of" in refused(other, moved)[0]
    assert "before it came" in refused(waits(ALERT), at(word("anna", -200), 120))[0]
    assert "before it came" in refused(waits(ALERT), at(word("anna", 200), 10))[0]
    operator = ReleaseOperator(SETTINGS, publish)
    folded(waits(ALERT), word("anna"), word("bolt"), operator=operator)
    again = [o for o in folded(at(word("anna"), 50), operator=operator) if o.topic == "rejects"]
    assert "has been released" in rejects.decode(again[0].value).detail


def test_what_nobody_releases_lapses():
    late = word("bolt", 301)
    assert sent(waits(ALERT), word("anna"), late) == []
    assert [(f.word, f.complete) for f in told(waits(ALERT), word("anna"), late)] == [
        ("release", False),
        ("lapse", True),
    ]
    assert "lapsed" in refused(waits(ALERT), word("anna"), late)[0]


def test_a_message_lapses_when_it_expires():
    short = msgspec.structs.replace(ALERT, expires_us=ALERT.sent_us + 60 * S)
    assert sent(waits(short), word("anna", 10), word("bolt", 61)) == []


def test_one_person_withholds():
    said = [waits(ALERT), word("anna", verdict="withhold", reason="sirens would be heard at night")]
    assert sent(*said, word("bolt", 20)) == []
    (fact,) = told(*said)
    assert (fact.word, fact.role, fact.reason) == (
        "withhold",
        "duty officer anna",
        "sirens would be heard at night",
    )
    assert sent(*said, waits(UPDATE), waits(CANCEL)) == []


def test_after_a_release_updates_and_the_cancel_go_by_themselves():
    said = sent(waits(ALERT), word("anna", 1), word("bolt", 2), waits(UPDATE), waits(CANCEL))
    assert [m.msg_type for m in said] == ["Alert", "Update", "Cancel"]
    assert said[1].references == (cap.reference(said[0]),)
    assert said[2].references == (cap.reference(said[0]), cap.reference(said[1]))
    assert violations([cap.build(m) for m in said]) == []


def test_what_is_released_late_is_the_newest_and_refers_to_nothing_unsaid():
    said = sent(waits(ALERT), word("anna", 1), waits(UPDATE), word("bolt", 12))
    assert [(m.msg_type, m.references, m.revision) for m in said] == [("Alert", (), 1)]
    assert violations([cap.build(m) for m in said]) == []


def test_what_was_not_said_is_not_cancelled():
    said = [waits(ALERT), word("anna", 1), waits(CANCEL), word("bolt", 30)]
    assert sent(*said) == []
    assert told(*said)[-1].reason == "cancelled before it was released"


def test_one_person_withdraws_what_has_gone_out():
    said = [waits(ALERT), word("anna", 1), word("bolt", 2)]
    gone = sent(*said, word("bolt", 20, "withhold", reason="a test on the wrong line"))
    assert [m.msg_type for m in gone] == ["Alert", "Cancel"]
    assert gone[1].references == (cap.reference(gone[0]),)
    assert gone[1].sent_us == NOW_US + 20 * S
    assert violations([cap.build(m) for m in gone]) == []
    assert b"was false" in cap.build(gone[1])
    more = [word("bolt", 20, "withhold"), waits(UPDATE), waits(CANCEL)]
    assert [m.msg_type for m in sent(*said, *more)] == ["Alert", "Cancel"]


def test_repeats_change_nothing():
    said = [waits(ALERT), word("anna", 1), waits(ALERT), word("bolt", 2), waits(ALERT)]
    assert len(sent(*said)) == 1


def test_rubbish_is_kept_and_the_rest_goes_on():
    rubbish = [
        Output("held", CHAIN.encode(), value, 0, NOW_US // 1000)
        for value in (b"", b"{}", b'{"kind":"word","word":"e30=","signature":""}', b"\xff")
    ]
    outputs = folded(*rubbish, waits(ALERT), word("anna"), word("bolt"))
    assert [o.topic for o in outputs] == ["rejects"] * 4 + ["facts", "facts", "alerts"]


SAID = st.lists(
    st.sampled_from(
        [
            waits(ALERT),
            waits(UPDATE),
            waits(CANCEL),
            word("anna", 12),
            word("bolt", 14),
            word("anna", 30),
            word("bolt", 30, "withhold"),
            word("eve"),
            at(word("anna", 400), 400),
        ]
    ),
    max_size=9,
)


@settings(max_examples=150)
@given(SAID, st.data())
def test_any_order_ends_in_a_valid_chain_and_any_batches_in_the_same_bytes(said, data):
    whole = log(said)
    outputs = ReleaseOperator(SETTINGS, publish).process(whole)
    values = [o.value for o in outputs if o.topic == "alerts"]
    assert violations(values) == []
    released = {
        f.person
        for f in map(facts.decode, (o.value for o in outputs if o.topic == "facts"))
        if f.word == "release"
    }
    if values:
        assert len(released) >= 2
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)))) | {0, len(whole)})
    batched = ReleaseOperator(SETTINGS, publish)
    pieces = [batched.process(whole[a:b]) for a, b in itertools.pairwise(cuts)]
    assert list(itertools.chain(*pieces)) == outputs


def test_one_person_under_two_names_is_refused():
    person = Person(role="x", public_key=public_key(KEYS["anna"]))
    with pytest.raises(ValueError, match="same key"):
        ReleaseSettings(people={"anna": person, "ann": person})


def test_keys_from_files(tmp_path):
    own = tmp_path / "anna.pem"
    own.write_bytes(
        KEYS["anna"].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    assert public_key(release.load_key(own)) == public_key(KEYS["anna"])
    own.write_bytes(pem(key("rsa")))
    with pytest.raises(ConfigurationError, match="no Ed25519"):
        release.load_key(own)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        release.load_key(tmp_path / "none")
