"""Killed at every step between decision and delivery: the stages, the keeper, the sender.

Each part is killed alone, at each thing that it writes or sends, and begun anew, while the others
go on; then all at once, as in `alatau run`. What stands on `alerts` and in the ledger, and what
receivers have, is compared with a run that nothing disturbs.
"""

import asyncio
import functools

import pytest
from cap_rules import violations
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from made_earthquakes import PLACES, WUSHI_US, StraightRays, earthquake, records
from made_kills import Killed, Steps
from made_parcels import Clock, MadeChannel, Receiver

from dispatch import cap, ledger, release, report
from dispatch.channels.settings import Person, ReleaseSettings, Route
from dispatch.facts import Decision, Message, Override
from dispatch.keeper import Keeper
from dispatch.policy_settings import AudiencePolicy
from dispatch.publishing import publisher
from dispatch.release import ReleaseOperator, Word
from dispatch.sending import Sender
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings
from stream.causes import unseen
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.records import Output
from stream.runner import StageRunner
from stream.topics import ALERTS, EVENTS, HELD, LEDGER

S = 1_000_000
SETTINGS = DispatchSettings(
    audiences={"public": AudiencePolicy(enabled=True, release="two people", statuses=("Test",))}
)
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode() * 8) for name in ("anna", "bolt")}
PEOPLE = ReleaseSettings(
    people={
        name: Person(role=f"office of {name}", public_key=release.public_key(key))
        for name, key in KEYS.items()
    }
)
PUBLIC = "ca.20240122T180911-AAK_KZ_public"
ROUTES = {"once": Route(), "twice": Route()}
STAGES = (
    Stage("dispatch", EVENTS, lambda _: DispatchOperator(SETTINGS, PLACES, StraightRays())),
    Stage("release", HELD, lambda _: ReleaseOperator(PEOPLE, publisher())),
)


def event(quake):
    (record,) = records([quake])
    return Output(EVENTS.name, record.key, record.value, 0, record.timestamp)


def word(person, after_s):
    return release.sign(
        Word(
            chain=PUBLIC,
            message=f"{PUBLIC}_0",
            verdict="release",
            person=person,
            reason="seen at three stations",
            at_us=WUSHI_US + after_s * S,
        ),
        KEYS[person],
    )


STORY = (
    (15, event(earthquake())),
    (17, word("anna", 17)),
    (18, word("bolt", 18)),
    (20, event(earthquake(1, 20.0, magnitude=7.6))),
    (40, event(earthquake(2, 40.0, status="cancelled"))),
)
"""Civil protection is told at once, the public when two people say so; then all is taken back."""


class Writing:
    """A log of which only what is written counts as steps."""

    def __init__(self, log, steps):
        self._log, self._steps = log, steps

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def append(self, outputs):
        await self._steps.take(self._log.append(outputs))

    async def join(self, group, topic):
        return Committing(await self._log.join(group, topic), self._steps)


class Committing:
    def __init__(self, member, steps):
        self._member, self._steps = member, steps

    def __getattr__(self, name):
        return getattr(self._member, name)

    async def commit(self, positions):
        return await self._steps.take(self._member.commit(positions))


class World:
    """The log and the receivers stay; the parts die and begin anew."""

    def __init__(self, steps):
        self.log, self.clock = MemoryLog(), Clock()
        self.receivers = {name: Receiver() for name in ROUTES}
        self.steps = steps
        self.parts = {}

    def _made(self, name):
        steps = self.steps.get(name)
        log = self.log if steps is None or steps.dead else Writing(self.log, steps)
        if name == "keeper":
            return Keeper(log)
        if name == "deliver":
            live = None if steps is None or steps.dead else steps
            channels = {
                each: MadeChannel(receiver, once=each == "once", steps=live)
                for each, receiver in self.receivers.items()
            }
            return Sender(log, ROUTES, channels, self.clock)
        return StageRunner(log, next(stage for stage in STAGES if stage.name == name))

    async def _killed(self, name):
        """Let a part go without a word, as a dead process does."""
        part = self.parts.pop(name, None)
        if isinstance(part, Sender):
            tasks = [task for task in (part._writer, *part._under_way) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def turn(self):
        for name in ("dispatch", "release", "deliver", "keeper"):
            steps = self.steps.get(name)
            try:
                if name not in self.parts:
                    self.parts[name] = self._made(name)
                    await self.parts[name].start()
                await self.parts[name].step()
                for _ in range(5):
                    await asyncio.sleep(0)
                is_dead = steps is not None and steps.dead and not getattr(steps, "buried", False)
            except Killed:
                is_dead = True
            if is_dead:
                dying = [n for n, each in self.steps.items() if each is steps]
                for each in dying:
                    await self._killed(each)
                steps.buried = True
                return

    async def live(self):
        for after_s, output in STORY:
            self.clock.at_us = WUSHI_US + after_s * S
            await self.log.append([output])
            for _ in range(4):
                await self.turn()
        for _ in range(6):
            self.clock.passes(1)
            await self.turn()
        for name in list(self.parts):
            await self._killed(name)
        alerts = unseen(await self.log.read(ALERTS.name, 0, 0, 10**6), {})
        entered = await self.log.read(LEDGER.name, 0, 0, 10**6)
        return [record.value for record in alerts], entered


def lives(victims=(), kill_at=None, *, after=False):
    steps = Steps(kill_at, after=after)
    world = World(dict.fromkeys(victims, steps))
    alerts, entered = asyncio.run(world.live())
    return alerts, entered, world.receivers, steps


def known(entered):
    assert ledger.verify(entered).fault is None
    return list(ledger.known(ledger.entries(entered)))


@functools.cache
def undisturbed():
    alerts, entered, receivers, _ = lives()
    return alerts, known(entered), receivers


PARTS = {
    "dispatch": ("dispatch",),
    "release": ("release",),
    "keeper": ("keeper",),
    "deliver": ("deliver",),
    "all at once": ("dispatch", "release", "keeper", "deliver"),
}


def told(of, kind):
    return [fact for fact in of if isinstance(fact, kind)]


def test_the_story_without_a_death():
    alerts, of, receivers = undisturbed()
    messages = [cap.parse(value) for value in alerts]
    assert not violations(alerts)
    of_public = [(m.msg_type, m.identifier) for m in messages if m.chain == PUBLIC]
    assert of_public == [
        ("Alert", f"{PUBLIC}_0"),
        ("Update", f"{PUBLIC}_1"),
        ("Cancel", f"{PUBLIC}_2"),
    ]
    words = [o for o in told(of, Override) if o.chain == PUBLIC]
    assert [(o.person, o.complete) for o in words] == [("anna", False), ("bolt", True)]
    assert {m.audience for m in messages} == {"public", "civil-protection"}
    for receiver in receivers.values():
        assert len(receiver.came) == len(messages)
    assert {f.message for f in told(of, Decision) if f.message} >= {m.identifier for m in messages}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("part", PARTS)
def test_killed_at_any_step_every_audience_has_every_message(part, after):
    alerts, of, _ = undisturbed()
    steps = lives(PARTS[part])[3].done
    assert steps >= 3
    repeats = 0
    for kill_at in range(1, steps + 1):
        again, entered, receivers, dead = lives(PARTS[part], kill_at, after=after)
        assert dead.dead
        assert again == alerts, "the same messages, each once, to the byte"
        found = known(entered)
        for kind in (Message, Decision, Override):
            assert {f.id for f in told(found, kind)} == {f.id for f in told(of, kind)}
        repeats += sum(len(r.came) > len(r.once) for r in receivers.values())
        compare(report.situation(list(ledger.entries(entered))), alerts, receivers)
    if part == "deliver" and after:
        assert repeats, "dead after it has sent and before it has said so: it is sent again"


def compare(found, alerts, receivers):
    """What receivers have is what the ledger says that they have."""
    rows = {
        (message.identifier, way.channel): way
        for event_row in found.events
        for message in event_row.messages
        for way in message.ways
    }
    messages = [cap.parse(value) for value in alerts]
    newest = {message.chain: message.identifier for message in messages}
    for message in messages:
        for channel, receiver in receivers.items():
            key = f"{message.sender}/{message.identifier}/{channel}"
            came = receiver.came.count(key)
            row = rows[message.identifier, channel]
            if message.identifier == newest[message.chain]:
                assert row.state == "delivered", "the newest of each chain arrives"
            if row.state == "delivered":
                assert came >= 1
                assert row.arrived in ("once", "once or more")
            else:
                assert row.state == "replaced"
                assert came == 0 or row.arrived == "not known"
            if channel == "once":
                assert row.arrived != "once or more", "repeats bear the same key"
            elif came > 1:
                assert row.arrived == "once or more", "the ledger says where it may be twice"
    for channel, receiver in receivers.items():
        in_order = [key.split("/")[1] for key in receiver.once]
        for chain in newest:
            own = [name for name in in_order if name.startswith(f"{chain}_")]
            own = [name for name in own if name.removeprefix(f"{chain}_").isdigit()]
            assert own == sorted(own), f"{channel}: nothing older after what replaced it"
