"""Any order, repetition and loss of revisions ends in one consistent chain per audience."""

import itertools

from cap_rules import CAP, text, violations
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree
from made_audiences import many
from made_earthquakes import PLACES, WUSHI_US, StraightRays, earthquake, records
from test_dispatch import quakes

from dispatch import cap, facts, release
from dispatch.facts import Decision
from dispatch.service import DispatchOperator, country_topic
from stream.records import Record
from stream.topics import ALERTS, FACTS, HELD

SETTINGS = many()
ENDS = ("cancelled", "superseded")


def operator():
    return DispatchOperator(SETTINGS, PLACES, StraightRays())


def said(outputs):
    """All messages of all audiences, those that wait for people too, with their CAP."""
    found = []
    for output in outputs:
        if output.topic == ALERTS.name:
            found.append((cap.parse(output.value), output.value))
        elif output.topic == HELD.name:
            message = release._decoder.decode(output.value).message
            found.append((message, cap.build(message)))
    return found


def decisions(outputs):
    read = [facts.decode(output.value) for output in outputs if output.topic == FACTS.name]
    return [fact for fact in read if isinstance(fact, Decision)]


def chains(outputs):
    found = {}
    for message, value in said(outputs):
        found.setdefault(message.chain, []).append((message, value))
    return found


def one_event():
    """Revisions of one event that is told, grows, shrinks, ends, and goes on all the same."""
    step = st.tuples(
        st.sampled_from(["confirmed"] * 6 + ["provisional", *ENDS]),
        st.sampled_from([5.0, 7.0, 7.7]),
    )
    return st.lists(step, min_size=3, max_size=9).map(
        lambda steps: [
            earthquake(
                revision,
                15.0 + revision,
                status=status,
                magnitude=magnitude,
                superseded_by="ca.z" if status == "superseded" else None,
            )
            for revision, (status, magnitude) in enumerate(steps)
        ]
    )


@st.composite
def disordered(draw):
    """A log of revisions in any order, some lost, some again and again."""
    made = draw(st.one_of(quakes(least=2, most=8), one_event()))
    kept = draw(st.lists(st.sampled_from(made), min_size=1, max_size=14))
    kept.sort(key=lambda quake: quake.revision)
    shuffled = draw(st.one_of(st.permutations(kept), st.just(kept)))
    arrival_ms = max(quake.updated_us for quake in made) // 1000 + 1
    late = st.lists(
        st.sampled_from([0, 500, 3_000, 400_000]), min_size=len(kept), max_size=len(kept)
    )
    arrivals = sorted(draw(late)) if draw(st.booleans()) else [0] * len(kept)
    log = records(shuffled)
    return shuffled, [
        Record("events", 0, i, arrival_ms + late, r.key, r.value)
        for i, (r, late) in enumerate(zip(log, arrivals, strict=True))
    ]


AGAIN = [
    earthquake(revision, 15.0 + revision, magnitude=magnitude)
    for revision, magnitude in enumerate((7.0, 5.0, 7.0, 7.7))
]


@settings(max_examples=120)
@given(disordered())
@example((AGAIN, records(AGAIN)))
def test_chains_hold_together_whatever_comes(made):
    shuffled, log = made
    outputs = operator().process(log)
    messages = said(outputs)

    assert violations([value for _, value in messages]) == []
    assert len({message.identifier for message, _ in messages}) == len(messages)

    newest, closed = {}, set()
    for quake in shuffled:
        if quake.id not in closed and quake.revision > newest.get(quake.id, -1):
            newest[quake.id] = quake.revision
            closed |= {quake.id} if quake.status in ENDS else set()
    for chain in chains(outputs).values():
        kinds = [message.msg_type for message, _ in chain]
        revisions = [message.revision for message, _ in chain]
        assert kinds[0] == "Alert"
        assert revisions == sorted(set(revisions))
        assert all(a != "Cancel" or b == "Alert" for a, b in itertools.pairwise(kinds))
        last, _ = chain[-1]
        if last.event_id in closed and last.msg_type != "Cancel":
            end = max(r.timestamp for r, q in zip(log, shuffled, strict=True)
                      if q.id == last.event_id and q.revision == newest[q.id])  # fmt: skip
            assert last.expires_us <= end * 1000 + 1000


@settings(max_examples=80)
@given(disordered())
def test_what_comes_late_or_again_changes_nothing(made):
    shuffled, log = made
    newest, closed, counting = {}, set(), []
    for quake, record in zip(shuffled, log, strict=True):
        if quake.id not in closed and quake.revision > newest.get(quake.id, -1):
            newest[quake.id] = quake.revision
            counting.append(record)
            closed |= {quake.id} if quake.status in ENDS else set()
    assert operator().process(counting) == operator().process(log)


@settings(max_examples=80)
@given(disordered())
def test_each_message_has_its_decision_and_each_silence_one_reason(made):
    _, log = made
    outputs = operator().process(log)
    found = decisions(outputs)
    assert len({decision.id for decision in found}) == len(found)
    led_to = {decision.message: decision for decision in found if decision.message}
    assert set(led_to) == {message.identifier for message, _ in said(outputs)}
    waiting = {m.chain for m, _ in said(o for o in outputs if o.topic == HELD.name)}
    for message, _ in said(outputs):
        decision = led_to[message.identifier]
        assert decision.verdict == ("held" if message.chain in waiting else "told")
        assert (decision.audience, decision.country) == (message.audience, message.country)
        asked = [rule for rule in decision.rules if rule.name != "release"]
        assert all(rule.met for rule in asked) or message.msg_type == "Cancel"
    silent = [decision for decision in found if decision.verdict == "not told"]
    assert all([rule.met for rule in d.rules].index(False) == len(d.rules) - 1 for d in silent)
    last = {}
    for decision in found:
        who = decision.event, decision.country, decision.audience
        why = decision.rules[-1].name if decision.verdict == "not told" else decision.message
        assert last.get(who) != why
        last[who] = why


@settings(max_examples=60)
@given(disordered(), st.data())
def test_any_batching_gives_the_same_bytes(made, data):
    _, log = made
    cuts = sorted(data.draw(st.sets(st.integers(0, len(log)))) | {0, len(log)})
    batched = operator()
    pieces = [batched.process(log[a:b]) for a, b in itertools.pairwise(cuts)]
    assert list(itertools.chain(*pieces)) == operator().process(log)


def test_every_audience_is_told_in_its_own_way():
    outputs = operator().process(records([earthquake(0), earthquake(1, 20.0, magnitude=7.7)]))
    found = {chain: [m for m, _ in messages] for chain, messages in chains(outputs).items()}
    event = "ca.20240122T180911-AAK"
    assert set(found) == {
        *(f"{event}_{code}" for code in ("CN", "KG", "KZ")),
        *(f"{event}_{code}_public" for code in ("CN", "KG", "KZ")),
        *(f"{event}_{code}_machine" for code in ("CN", "KG", "KZ")),
        *(f"{event}_{code}_railway" for code in ("KG", "KZ")),
        f"{event}_KZ_dams",
        f"{event}_KG_nights",
    }
    railway = found[f"{event}_KZ_railway"][0]
    assert [place.name for place in railway.places] == ["Medeu dam", "Bridge 7 & 8"]
    assert railway.addresses == ("railway",)
    assert railway.timezone == "Asia/Almaty"
    assert len(railway.areas[0].polygons) == 2
    assert found[f"{event}_KZ_dams"][0].languages == ("ru",)
    assert found[f"{event}_KG_machine"][0].languages == ("en",)
    assert found[f"{event}_KG_nights"][0].addresses == ("a@b.kg", "c@d.kg")
    assert [o.key.decode() for o in outputs if o.topic == HELD.name] == [f"{event}_KZ_dams"] * 2


def scope(value):
    root = etree.fromstring(value)
    return tuple(text(root, tag) for tag in ("scope", "restriction", "addresses", "info/audience"))


def test_the_scope_is_that_of_the_audience():
    outputs = operator().process(records([earthquake()]))
    found = {m.chain.split("_", 1)[1]: scope(value) for m, value in said(outputs)}
    assert found["KZ"] == ("Restricted", "civil-protection", None, "civil-protection")
    assert found["KZ_public"] == ("Public", None, None, "public")
    assert found["CN_machine"] == ("Restricted", "machine", None, "machine")
    assert found["KG_nights"] == ("Private", None, "a@b.kg c@d.kg", "nights")
    assert all(m.chain.endswith("_public") or scope(v)[0] != "Public" for m, v in said(outputs))


def test_audiences_that_are_told_the_same_have_the_same_infos():
    outputs = operator().process(records([earthquake()]))
    values = {m.chain.split("_", 1)[1]: value for m, value in said(outputs)}

    def infos(value):
        root = etree.fromstring(value)
        for element in [*root.iter(CAP + "audience"), *root.iter(CAP + "expires")]:
            element.getparent().remove(element)
        return [etree.tostring(info) for info in root.findall(CAP + "info")]

    assert infos(values["KZ"]) == infos(values["KZ_public"])


def test_the_correction_comes_with_the_retraction_to_everyone_who_was_told():
    log = records([earthquake(0), earthquake(1, 20.0, status="cancelled")])
    outputs = operator().process(log)
    for chain in chains(outputs).values():
        assert [m.msg_type for m, _ in chain] == ["Alert", "Cancel"]
        alert, cancel = (m for m, _ in chain)
        assert cancel.references == (cap.reference(alert),)
        assert cancel.sent_us == WUSHI_US + 20_000_000
        assert all("<headline>" in v.decode() for _, v in chain)
    assert {o.topic for o in outputs} == {
        *(ALERTS.name, FACTS.name, HELD.name),
        *map(country_topic, ("CN", "KG", "KZ")),
    }
