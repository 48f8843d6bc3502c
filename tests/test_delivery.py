"""Deliveries as a fold, and a sender that dies at any step."""

import asyncio
import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_kills import DeadlyLog, Killed, Steps
from made_parcels import BEGIN_US, Clock, MadeChannel, Receiver, alert

from dispatch import facts, keeper, ledger
from dispatch.channels.settings import ChannelSettings, Feed, Route, Webhook
from dispatch.delivery import Deliveries, Outcome, fits
from dispatch.facts import Acknowledgement, Delivery, Escalation
from dispatch.parcels import ParcelError, parcel
from dispatch.sending import Sender
from stream.memory import MemoryLog
from stream.records import Record
from stream.topics import ALERTS, FACTS, LEDGER, REJECTS

S = 1_000_000
REFUSED = Outcome("failed", "refused", reached=False)
BROKEN = Outcome("failed", "the line broke")
GONE = Outcome("failed", "no such receiver", reached=False, final=True)


def read(output, offset=0):
    return parcel(
        Record(ALERTS.name, 0, offset, output.timestamp, output.key, output.value, output.headers)
    )


class World:
    """A log, a clock, channels and a sender on them."""

    def __init__(self, routes, channels):
        self.log = MemoryLog()
        self.clock = Clock()
        self.routes = routes
        self.channels = channels
        self.sender = None

    async def begin(self):
        self.sender = Sender(self.log, self.routes, self.channels, self.clock)
        await self.sender.start()

    async def turn(self, times=3):
        """Let what is due be done."""
        for _ in range(times):
            await self.sender.step()
            for _ in range(5):
                await asyncio.sleep(0)

    async def facts(self, kind=Delivery):
        records = await self.log.read(FACTS.name, 0, 0, 10**6)
        told = [facts.decode(record.value) for record in records]
        return [fact for fact in told if isinstance(fact, kind)]

    async def states(self, channel=None):
        return [
            (fact.message, fact.state)
            for fact in await self.facts()
            if channel in (None, fact.channel)
        ]


def play(scene, routes=None, channels=None):
    """Run a scene in a world; what the scene returns is returned."""

    async def played():
        names = routes or {"a": Route()}
        world = World(names, channels or {name: MadeChannel() for name in names})
        await world.begin()
        try:
            return await scene(world)
        finally:
            await world.sender.stop()

    return asyncio.run(played())


def test_a_message_is_queued_then_delivered_and_its_lead_told():
    async def scene(world):
        await world.log.append([alert()])
        await world.turn()
        return await world.facts(), world.channels["a"].attempts

    (queued, delivered), (attempt,) = play(scene)
    assert (queued.state, queued.once, queued.final) == ("queued", True, False)
    assert delivered == Delivery(
        at_us=BEGIN_US,
        message="ca.1_KZ_0",
        channel="a",
        state="delivered",
        attempt=1,
        final=True,
        once=True,
        reached=True,
        key="alatau@example.org/ca.1_KZ_0/a",
        lead_s=40.0,
    )
    assert (attempt.number, attempt.repeated, attempt.lead_s) == (1, False, 40.0)


def test_queued_stands_in_the_log_before_anything_is_sent():
    async def scene(world):
        before = []

        async def send(attempt):
            before.append(await world.states())
            return Outcome("delivered")

        await world.log.append([alert()])
        append = world.log.append

        async def slowly(outputs):
            for _ in range(9):
                await asyncio.sleep(0)
            await append(outputs)

        world.channels["a"].send = send
        world.log.append = slowly
        await world.turn()
        return before

    assert play(scene) == [[("ca.1_KZ_0", "queued")]]


def test_repeats_of_a_message_change_nothing():
    async def scene(world):
        await world.log.append([alert(), alert(), alert(cause=1)])
        await world.turn()
        await world.log.append([alert(cause=2)])
        await world.turn()
        return world.channels["a"].receiver.came

    assert len(play(scene)) == 1


def test_what_fails_is_tried_again_with_growing_pauses():
    async def scene(world):
        await world.log.append([alert()])
        times = []
        for _ in range(400):
            await world.turn(1)
            times += [world.clock.at_us] * (len(world.channels["a"].attempts) - len(times))
            world.clock.passes(0.25)
        return [(time - BEGIN_US) / 1e6 for time in times], await world.facts()

    route = Route(retry_s=0.5, retry_most_s=10.0, deliver_within_s=0.0)
    channel = MadeChannel(answers=[REFUSED, BROKEN] + [REFUSED] * 6)
    times, said = play(scene, {"a": route}, {"a": channel})
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == pytest.approx([0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0], abs=0.26)
    last = said[-1]
    assert (last.state, last.attempt, last.repeated) == ("delivered", 9, True)
    assert [f.repeated for f in said if f.state == "failed"] == [False, False] + [True] * 6


def test_an_attempt_that_hangs_or_falls_over_delays_no_other_channel():
    async def scene(world):
        await world.log.append([alert()])
        await world.turn()
        return await world.states()

    routes = {"dead": Route(), "wrong": Route(), "well": Route()}
    channels = {
        "dead": MadeChannel(answers=["hangs"]),
        "wrong": MadeChannel(answers=[ZeroDivisionError("ours")]),
        "well": MadeChannel(),
    }
    states = play(scene, routes, channels)
    assert ("ca.1_KZ_0", "delivered") in states
    assert ("ca.1_KZ_0", "failed") in states


def test_an_attempt_ends_after_its_time():
    async def scene(world):
        await world.log.append([alert()])
        await world.turn()
        await asyncio.sleep(0.05)
        await world.turn()
        return (await world.facts())[-1]

    said = play(scene, {"a": Route(timeout_s=0.02)}, {"a": MadeChannel(answers=["hangs"])})
    assert (said.state, said.reached, said.reason) == ("failed", True, "no answer within 0.02 s")


def test_nothing_is_tried_after_the_message_has_expired():
    async def scene(world):
        await world.log.append([alert(expires_s=60)])
        for _ in range(70):
            await world.turn(1)
            world.clock.passes(1)
        await world.turn()
        return await world.states(), len(world.channels["a"].attempts)

    route = Route(retry_s=20.0, retry_most_s=20.0, deliver_within_s=0.0)
    states, attempts = play(scene, {"a": route}, {"a": MadeChannel(answers=[REFUSED] * 9)})
    assert attempts == 3
    assert states[-1] == ("ca.1_KZ_0", "expired")


def test_a_message_that_comes_expired_is_said_to_be_so():
    async def scene(world):
        world.clock.passes(600)
        await world.log.append([alert()])
        await world.turn()
        return await world.states(), world.channels["a"].attempts

    assert play(scene) == ([("ca.1_KZ_0", "queued"), ("ca.1_KZ_0", "expired")], [])


def chain(*, apart=()):
    """Alert, Update and Cancel of one event to one country."""
    made = []
    for number, kind in enumerate(("Alert", "Update", "Cancel")):
        names = [f"alatau@example.org,ca.1_KZ_{i},{m}" for i, m in enumerate(["x"] * number)]
        made.append(alert(f"ca.1_KZ_{number}", kind=kind, references=" ".join(names), cause=number))
    return made


def test_only_the_newest_of_a_chain_is_tried_again():
    async def scene(world):
        first, second, third = chain()
        await world.log.append([first])
        await world.turn()
        await world.log.append([second])
        await world.turn()
        world.clock.passes(5)
        await world.turn()
        await world.log.append([third, alert("ca.2_KZ_0", chain="ca.2_KZ", cause=3)])
        await world.turn()
        return await world.states(), world.channels["a"].receiver.once

    channel = MadeChannel(answers=[REFUSED, REFUSED, Outcome("delivered")])
    states, came = play(scene, channels={"a": channel})
    assert ("ca.1_KZ_0", "replaced") in states
    assert [key.split("/")[1] for key in came] == ["ca.1_KZ_1", "ca.1_KZ_2", "ca.2_KZ_0"]


def test_an_attempt_under_way_when_the_next_message_comes_still_counts():
    deliveries = Deliveries({"a": Route()}, frozenset("a"))
    first, second, _ = map(read, chain())
    for each in deliveries.offer(first, BEGIN_US):
        deliveries.take(each)
    (attempt,) = deliveries.due(BEGIN_US)
    said = deliveries.offer(second, BEGIN_US)
    for each in said:
        deliveries.take(each)
    replaced = next(fact for fact in said if fact.state == "replaced")
    assert (replaced.message, replaced.reached) == ("ca.1_KZ_0", True)
    deliveries.take(deliveries.ended(attempt, Outcome("delivered"), BEGIN_US + S))
    assert deliveries.ways("ca.1_KZ_0")["a"].delivered_us == BEGIN_US + S
    assert [a.parcel.identifier for a in deliveries.due(BEGIN_US + 99 * S)] == ["ca.1_KZ_1"]


def test_a_deadline_that_passes_takes_another_channel_once():
    async def scene(world):
        await world.log.append([alert()])
        for _ in range(40):
            await world.turn(1)
            world.clock.passes(0.5)
        return await world.facts(Escalation), await world.states("b"), world.channels["b"].attempts

    routes = {
        "a": Route(deliver_within_s=10.0, escalate_to="b"),
        "b": Route(reserve=True),
    }
    channels = {"a": MadeChannel(answers=[REFUSED] * 99), "b": MadeChannel()}
    (escalation,), states, attempts = play(scene, routes, channels)
    assert (escalation.channel, escalation.missed, escalation.to) == ("a", "delivery", "b")
    assert escalation.at_us == BEGIN_US + 10 * S
    assert [state for _, state in states] == ["queued", "delivered"]
    assert len(attempts) == 1


def test_what_is_refused_for_good_escalates_at_once():
    async def scene(world):
        await world.log.append([alert()])
        await world.turn()
        return await world.facts(Escalation), len(world.channels["a"].attempts)

    routes = {"a": Route(escalate_to="b"), "b": Route(reserve=True)}
    channels = {"a": MadeChannel(answers=[GONE]), "b": MadeChannel()}
    (escalation,), attempts = play(scene, routes, channels)
    assert (escalation.missed, escalation.to, attempts) == ("delivery", "b", 1)


def test_a_test_never_escalates_into_a_live_channel():
    async def scene(world):
        await world.log.append([alert()])
        await world.turn()
        return await world.facts(Escalation), await world.states("b")

    routes = {"a": Route(escalate_to="b"), "b": Route(statuses=("Actual",))}
    channels = {"a": MadeChannel(answers=[GONE]), "b": MadeChannel()}
    (escalation,), states = play(scene, routes, channels)
    assert (escalation.to, states) == ("", [])


@pytest.mark.parametrize("by", ["channel", "sender", "nobody"])
def test_without_an_acknowledgement_another_channel_is_taken(by):
    async def scene(world):
        await world.log.append([alert()])
        await world.turn()
        world.clock.passes(5)
        if by != "nobody":
            channel = "a" if by == "channel" else ""
            ack = Acknowledgement(
                at_us=world.clock(), message="ca.1_KZ_0", channel=channel, ack="1", by="mchs@kz"
            )
            world.sender.tell(ack)
        await world.turn()
        world.clock.passes(60)
        await world.turn()
        return await world.facts(Escalation), await world.states("b")

    routes = {
        "a": Route(acknowledge_within_s=30.0, escalate_to="b", acknowledged_by=("mchs@kz",)),
        "b": Route(reserve=True, deliver_within_s=0),
    }
    escalations, states = play(scene, routes)
    if by == "nobody":
        assert [e.missed for e in escalations] == ["acknowledgement"]
        assert [state for _, state in states] == ["queued", "delivered"]
    else:
        assert (escalations, states) == ([], [])


def test_an_acknowledgement_that_another_process_writes_is_heard():
    async def scene(world):
        await world.log.append([alert()])
        await world.turn()
        ack = Acknowledgement(at_us=1, message="ca.1_KZ_0", channel="a", ack="1", by="x")
        await world.log.append([facts.output(ack)])
        await world.turn()
        return world.sender.deliveries.ways("ca.1_KZ_0")["a"].acknowledged_us

    assert play(scene, {"a": Route(acknowledge_within_s=30.0)}) == 1


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (Route(), True),
        (Route(countries=("KG",)), False),
        (Route(countries=("KG", "KZ")), True),
        (Route(audiences=("public",)), False),
        (Route(audiences=("machine",)), True),
        (Route(statuses=("Actual",)), False),
        (Route(from_intensity=5.0), True),
        (Route(from_intensity=5.1), False),
    ],
)
def test_which_messages_a_channel_is_for(route, expected):
    assert fits(read(alert(audience="machine")), route) is expected


def test_what_is_no_message_is_kept_and_the_rest_goes_on():
    async def scene(world):
        bad = msgspec.structs.replace(alert(), value=b"<alert/>")
        await world.log.append([bad, alert(cause=1)])
        await world.turn()
        return len(await world.log.read(REJECTS.name, 0, 0, 9)), world.channels["a"].receiver.came

    rejected, came = play(scene)
    assert (rejected, len(came)) == (1, 1)


@pytest.mark.parametrize("missing", [b"identifier", b"sent", b"expires", b"info"])
def test_a_message_without_what_is_needed(missing):
    output = alert()
    value = output.value.replace(b"<" + missing, b"<x").replace(b"</" + missing, b"</x")
    with pytest.raises(ParcelError):
        read(msgspec.structs.replace(output, value=value))


def test_the_delay_of_a_channel_is_measured_and_taken_off_its_lead():
    async def scene(world):
        leads = []
        for number in range(20):
            name = f"ca.{number}_KZ"
            await world.log.append(
                [alert(f"{name}_0", chain=name, cause=number, sent_us=world.clock() // S * S)]
            )

            async def slow(attempt):
                leads.append(attempt.lead_s)
                world.clock.passes(2)
                return Outcome("delivered")

            world.channels["a"].send = slow
            await world.turn()
        return leads, world.sender.deliveries.delays.all()

    leads, delays = play(scene)
    assert (leads[0], leads[-1]) == (40.0, 38.0)
    assert delays == {"a": (20, 2.0)}


def replay(said, parcels, routes, once):
    """Fold the facts of the log anew."""
    deliveries = Deliveries(routes, once)
    for each in parcels:
        deliveries.know(each)
    for fact in said:
        deliveries.take(fact)
    return deliveries


OUTCOMES = st.sampled_from([Outcome("delivered"), REFUSED, BROKEN, GONE, Outcome("sent")])


@settings(max_examples=60)
@given(st.lists(OUTCOMES, max_size=12), st.lists(st.integers(0, 20), max_size=12))
def test_whoever_folds_the_same_facts_has_the_same_state(answers, pauses):
    async def scene(world):
        messages = chain()
        for pause in pauses:
            if messages and pause % 2:
                await world.log.append([messages.pop(0)])
            world.clock.passes(pause)
            await world.turn()
        told = await world.facts((Delivery, Escalation, Acknowledgement))
        return told, world.sender.deliveries

    routes = {"a": Route(escalate_to="b"), "b": Route(reserve=True)}
    channels = {"a": MadeChannel(answers=answers), "b": MadeChannel()}
    told, was = play(scene, routes, channels)
    again = replay(told, was.parcels(), routes, frozenset("ab"))
    twice = replay(told + told, was.parcels(), routes, frozenset("ab"))
    for each in was.parcels():
        ways = was.ways(each.identifier)
        assert again.ways(each.identifier) == ways
        assert twice.ways(each.identifier) == ways
    assert again.delays.all() == was.delays.all()


def messages_of_three_events():
    return [alert(f"ca.{n}_KZ_0", chain=f"ca.{n}_KZ", cause=n, status="Test") for n in range(3)]


async def live(log, channels, clock, routes, rounds=6):
    """One life of a sender, and of the keeper beside it."""
    sender = Sender(log, routes, channels, clock)
    one = keeper.Keeper(log)
    try:
        await sender.start()
        await one.start()
        for _ in range(rounds):
            await sender.step()
            for _ in range(5):
                await asyncio.sleep(0)
            await one.step()
            clock.passes(0.6)
    finally:
        for task in [sender._writer, *sender._under_way]:
            if task is not None:
                task.cancel()
        gathered = [t for t in [sender._writer, *sender._under_way] if t is not None]
        await asyncio.gather(*gathered, return_exceptions=True)


def lives(kill_at, after, outputs):
    """Two channels, one that drops repeats and one that does not; killed once, then begun anew."""
    receivers = {"once": Receiver(), "twice": Receiver()}
    routes = {"once": Route(), "twice": Route()}
    steps = Steps(kill_at, after=after)

    async def scene():
        log, clock = MemoryLog(), Clock()
        await log.append(outputs[:2])
        deadly = DeadlyLog(log, steps)

        def channels(with_steps):
            return {
                name: MadeChannel(receiver, once=name == "once", steps=with_steps)
                for name, receiver in receivers.items()
            }

        try:
            await live(deadly, channels(steps), clock, routes, 3)
            await log.append(outputs[2:])
            await live(deadly, channels(steps), clock, routes, 3)
        except Killed:
            pass
        missing = len(outputs) - await log.end(ALERTS.name, 0)
        await log.append(outputs[len(outputs) - missing :])
        await live(log, channels(None), clock, routes)
        return await log.read(LEDGER.name, 0, 0, 10**6)

    return asyncio.run(scene()), receivers, steps


UNDISTURBED = lives(None, False, messages_of_three_events())[2].done


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kill_at", range(1, UNDISTURBED + 1))
def test_killed_at_any_step_every_audience_has_every_message(kill_at, after):
    outputs = messages_of_three_events()
    records, receivers, steps = lives(kill_at, after, outputs)
    assert steps.dead
    names = [f"ca.{n}_KZ_0" for n in range(3)]
    wanted = {name: [f"alatau@example.org/{n}/{name}" for n in names] for name in receivers}
    assert sorted(receivers["once"].once) == wanted["once"], "exactly once: repeats have its key"
    assert sorted(set(receivers["twice"].came)) == wanted["twice"], "at least once"

    assert ledger.verify(records).fault is None
    told = list(ledger.known(ledger.entries(records)))
    delivered = {
        (f.message, f.channel): f
        for f in told
        if isinstance(f, Delivery) and f.state == "delivered"
    }
    assert sorted(delivered) == sorted((n, c) for n in names for c in receivers)
    for (message, channel), fact in delivered.items():
        came = receivers[channel].came.count(fact.key)
        assert fact.once is (channel == "once"), "the ledger says on which channels it is once"
        if came > 1:
            assert fact.repeated, f"{message} may have come twice, and the ledger does not say so"


def test_killed_between_the_messages_of_a_chain():
    """Whatever dies, the newest message of the chain arrives, and nothing older after it."""
    outputs = chain()
    for kill_at in range(1, lives(None, False, outputs)[2].done + 1):
        for after in (False, True):
            _, receivers, _ = lives(kill_at, after, outputs)
            for receiver in receivers.values():
                numbers = [key.split("/")[1] for key in receiver.came]
                assert numbers[-1] == "ca.1_KZ_2"
                assert numbers == sorted(numbers)


def test_begun_anew_after_a_day_nothing_old_is_sent():
    async def scene(world):
        await world.log.append([alert()])
        await world.turn()
        await world.sender.stop()
        world.clock.passes(86_400)
        await world.begin()
        await world.turn()
        return len(world.channels["a"].attempts), world.channels["a"].restored

    assert play(scene) == (1, [])


def test_what_stands_is_shown_again_after_a_restart():
    async def scene(world):
        await world.log.append([alert()])
        await world.turn()
        await world.sender.stop()
        await world.begin()
        await world.turn()
        return len(world.channels["a"].attempts), world.channels["a"].restored

    assert play(scene) == (1, ["ca.1_KZ_0"])


def test_of_two_senders_one_sends():
    async def scene(world):
        other = Sender(world.log, world.routes, world.channels, world.clock)
        await other.start()
        await world.log.append([alert()])
        await world.turn()
        await other.step()
        for _ in range(5):
            await asyncio.sleep(0)
        await other.stop()
        return len(world.channels["a"].attempts)

    assert play(scene) == 1


def test_messages_that_expired_long_ago_are_forgotten():
    deliveries = Deliveries({"a": Route()}, frozenset())
    first = read(alert())
    for each in deliveries.offer(first, BEGIN_US):
        deliveries.take(each)
    deliveries.forget(BEGIN_US + 601 * S)
    assert deliveries.parcels() == [first]
    deliveries.forget(BEGIN_US + 601 * S + 3600 * S)
    assert (deliveries.parcels(), deliveries.due(BEGIN_US)) == ([], [])


SECRET = {"url": "http://x.kz", "secret_file": "s"}


@pytest.mark.parametrize(
    ("hooks", "says"),
    [
        ({"feed": Webhook(**SECRET)}, "two channels"),
        ({"a": Webhook(escalate_to="b", **SECRET)}, "not there"),
        (
            {
                "a": Webhook(escalate_to="b", **SECRET),
                "b": Webhook(escalate_to="a", **SECRET),
            },
            "ring",
        ),
    ],
)
def test_channels_that_do_not_fit_together_are_refused(hooks, says):
    with pytest.raises(ValueError, match=says):
        ChannelSettings(webhooks=hooks)
    with pytest.raises(ValueError, match="statuses"):
        Feed(statuses=())
