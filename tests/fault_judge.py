"""Judges what a system has said, from what stands in its topics."""

from collections import Counter
from collections.abc import Collection, Sequence

import msgspec
from msgspec import Struct

from dispatch import places
from dispatch.service import country_topic
from stream import rejects
from stream.records import Output, Record
from stream.topics import ALERTS, DETECTIONS, EVENTS, REJECTS, WAVEFORMS
from tests.fault_feed import outputs
from tests.fault_system import READS, System
from tests.fault_truth import (
    Difference,
    Finals,
    Truth,
    Unread,
    difference,
    finals,
    folded,
    once,
    only_picks,
)

__all__ = ["Verdict", "judged"]

MESSAGES = (ALERTS.name, *map(country_topic, sorted(places.countries())))


class Verdict(Struct, frozen=True):
    """What is wrong with what has been said.

    Attributes
    ----------
    picks
        Beside those of an undisturbed run on the log in memory.
    stages
        By stage: what it wrote beside the fold of what stands in the topic that it read, to the
        byte, the header that names the cause and the order too.
    events, alerts
        Beside an undisturbed run on the log in memory, to the byte but for the cause's offset;
        None where several partitions are read at once (docs/decisions/0005).
    earthquakes
        Their last versions beside those of an undisturbed run.
    repeats
        Values that stand in the log twice and that readers drop.
    rejects
        How many, by reason.
    """

    picks: Difference
    stages: dict[str, Difference]
    events: Difference | None
    alerts: Difference | None
    earthquakes: Finals
    repeats: int
    rejects: dict[str, int]

    @property
    def all(self) -> list[Difference]:
        """All comparisons that must show no difference."""
        whole = [each for each in (self.events, self.alerts) if each is not None]
        return [self.picks, *self.stages.values(), *whole]

    @property
    def missing(self) -> int:
        """How much is not there that should be."""
        return sum(each.missing for each in self.all)

    @property
    def doubled(self) -> int:
        """How much is there that should not be."""
        return sum(each.doubled + each.foreign for each in self.all)

    @property
    def is_good(self) -> bool:
        """Whether all is as it should be."""
        return all(each.is_none for each in self.all) and all(
            each.ordered for each in self.stages.values()
        )


async def judged(
    system: System,
    truth: Truth,
    *,
    thrown_in: Collection[bytes] = (),
    unread: Sequence[Unread] = (),
) -> Verdict:
    """Compare all that a system has said with what it should have said.

    Parameters
    ----------
    system
        At rest: everything has been read.
    truth
        Of its feed.
    thrown_in
        Values that no stage wrote.
    unread
        What `detect` has never read, of the only partition. The picks are then compared with
        those that it would have made of the rest.
    """
    found = await system.read(
        [WAVEFORMS.name, DETECTIONS.name, EVENTS.name, REJECTS.name, *MESSAGES]
    )
    said = {
        topic: [r for part in parts for r in once(part) if r.value not in thrown_in]
        for topic, parts in found.items()
        if topic != WAVEFORMS.name
    }
    wanted: dict[str, Sequence[Record | Output]] = {
        topic: await truth.said(topic, system.fed)
        for topic in (DETECTIONS.name, EVENTS.name, ALERTS.name)
    }
    if unread:
        # Taken from the feed: what was dropped by the log does not stand in it any more.
        found[WAVEFORMS.name] = [_sent(system)]
        fold = folded(system.stages[0], 0, found[WAVEFORMS.name][0], unread)
        wanted[DETECTIONS.name] = [output for output in fold if output.topic == DETECTIONS.name]
    whole = system.partitions == 1 and not unread
    return Verdict(
        picks=difference(only_picks(wanted[DETECTIONS.name]), only_picks(said[DETECTIONS.name])),
        stages=_by_stage(system, found, said, unread),
        events=difference(wanted[EVENTS.name], said[EVENTS.name]) if whole else None,
        alerts=difference(wanted[ALERTS.name], said[ALERTS.name]) if whole else None,
        earthquakes=finals(wanted[EVENTS.name], said[EVENTS.name]),
        repeats=_repeats(found),
        rejects=_rejects(said[REJECTS.name]),
    )


def _sent(system: System) -> list[Record]:
    """Return what the source has sent, as it stands in the only partition."""
    if system.partitions != 1 or system.sent_again:
        raise ValueError("where the packets stand is not known")
    return [
        Record(WAVEFORMS.name, 0, number, each.timestamp, each.key, each.value)
        for number, each in enumerate(outputs(system.feed.packets[: system.fed]))
    ]


def _by_stage(
    system: System,
    found: dict[str, list[list[Record]]],
    said: dict[str, list[Record]],
    unread: Sequence[Unread],
) -> dict[str, Difference]:
    """Compare what each stage wrote with the fold of each partition that it read."""
    results = {
        "detect": (DETECTIONS.name,),
        "locate": (EVENTS.name,),
        "dispatch": MESSAGES,
    }
    compared = {}
    for stage in system.stages:
        differences = []
        for partition, records in enumerate(found[READS[stage.name].name]):
            gaps = unread if stage.name == "detect" else ()
            fold = folded(stage, partition, records, gaps)
            source = f"{stage.reads.name}/{partition}/".encode()
            for topic in results[stage.name]:
                made = [output for output in fold if output.topic == topic]
                stand = [record for record in said[topic] if _caused_in(record, source)]
                differences += [difference(made, stand, by_cause=True)]
        compared[stage.name] = _sum(differences)
    return compared


def _caused_in(record: Record, source: bytes) -> bool:
    return any(name == "cause" and value.startswith(source) for name, value in record.headers)


def _sum(differences: Sequence[Difference]) -> Difference:
    return Difference(
        wanted=sum(each.wanted for each in differences),
        missing=sum(each.missing for each in differences),
        doubled=sum(each.doubled for each in differences),
        foreign=sum(each.foreign for each in differences),
        ordered=all(each.ordered for each in differences),
        examples=tuple(example for each in differences for example in each.examples),
    )


def _repeats(found: dict[str, list[list[Record]]]) -> int:
    return sum(
        len(part) - len(once(part))
        for topic, parts in found.items()
        if topic != WAVEFORMS.name
        for part in parts
    )


def _rejects(records: Sequence[Record]) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for record in records:
        try:
            reasons[rejects.decode(record.value).reason] += 1
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            reasons["(no reject at all)"] += 1
    return dict(sorted(reasons.items()))
