"""What should have been said: by stages that nothing disturbs, on the log in memory."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from detect import detections, events
from detect.detections import Pick
from detect.events import Earthquake
from detect.geodesy import distance_azimuth
from stream.causes import CAUSE, marked, unseen
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.records import Output, Record
from stream.runner import StageRunner
from tests.fault_feed import Feed, outputs

__all__ = [
    "Difference",
    "Finals",
    "Truth",
    "Unread",
    "difference",
    "finals",
    "folded",
    "once",
    "only_picks",
]

SLICE = 500  # packets appended at once
BATCH = 1000  # records folded at once
EXAMPLES = 3
SAME_S, SAME_KM = 15.0, 150.0  # two versions of one earthquake are no further apart

_Said = Record | Output


class Truth:
    """What the pipeline says of a feed on the log in memory when nothing fails.

    Parameters
    ----------
    feed
        Played in order of arrival, in one partition.
    stages
        The pipeline.
    """

    def __init__(self, feed: Feed, stages: Sequence[Stage]) -> None:
        self._feed = feed
        self._log = MemoryLog()
        self._runners = [StageRunner(self._log, stage) for stage in stages]
        self._played = 0

    async def said(self, topic: str, packets: int) -> list[Record]:
        """Return what it had said in a topic after so many packets.

        Parameters
        ----------
        topic
            Its name.
        packets
            All or none of those that arrived in the same millisecond.
        """
        await self._play(packets)
        last_ms = self._feed.packets[packets - 1].arrival_ms
        records = await self._log.read(topic, 0, 0, await self._log.end(topic, 0))
        return [record for record in records if record.timestamp <= last_ms]

    async def _play(self, upto: int) -> None:
        if not self._played:
            for runner in self._runners:
                await runner.start()
        while self._played < upto:
            end = min(self._played + SLICE, upto)
            await self._log.append(outputs(self._feed.packets[self._played : end], self._played))
            self._played = end
            while any([await runner.step() for runner in self._runners]):
                pass


def once(records: Iterable[Record]) -> list[Record]:
    """Return what a reader hears of a partition: repeats are dropped."""
    return unseen(records, {})


class Unread(Struct, frozen=True):
    """Records that a stage has never read, from offset `begin` to before `end`.

    `afresh` says whether it forgot what came before.
    """

    begin: int
    end: int
    afresh: bool


def folded(
    stage: Stage, partition: int, records: Sequence[Record], unread: Sequence[Unread] = ()
) -> list[Output]:
    """Return what a stage says of all that stands in a partition, dealt with in one go."""
    operator = stage.make(partition)
    seen: dict[bytes, tuple[int, int]] = {}
    said: list[Output] = []
    begin = 0
    for gap in [*unread, Unread(len(records), len(records), afresh=False)]:
        for first in range(begin, gap.begin, BATCH):
            part = unseen(records[first : min(first + BATCH, gap.begin)], seen)
            said += marked(operator.process(part), stage.reads.name, partition)
        begin = gap.end
        if gap.afresh:
            operator = stage.make(partition)
    return said


def only_picks(records: Iterable[Record]) -> list[Record]:
    """Return those that are picks."""
    return [r for r in records if isinstance(detections.decode(r.value), Pick)]


class Difference(Struct, frozen=True):
    """How what is found differs from what is wanted.

    Attributes
    ----------
    wanted
        How many.
    missing, doubled, foreign
        Not found; found more often than wanted; found and not wanted at all.
    ordered
        Whether what is found stands in the order of what is wanted.
    examples
        The first few of either, for people.
    """

    wanted: int
    missing: int
    doubled: int
    foreign: int
    ordered: bool
    examples: tuple[str, ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether there is none, but perhaps of order."""
        return not (self.missing or self.doubled or self.foreign)


def difference(
    wanted: Iterable[_Said], found: Iterable[_Said], *, by_cause: bool = False
) -> Difference:
    """Compare to the byte: keys, values, arrivals and headers.

    Parameters
    ----------
    wanted, found
        Repeats dropped.
    by_cause
        Whether the header that names the cause is compared too.
    """
    wants = [_identity(said, by_cause) for said in wanted]
    finds = [_identity(said, by_cause) for said in found]
    want, find = Counter(wants), Counter(finds)
    lacks, more = want - find, find - want
    examples = [f"missing {what!r:.300}" for what in list(lacks)[:EXAMPLES]]
    examples += [f"too much {what!r:.300}" for what in list(more)[:EXAMPLES]]
    return Difference(
        wanted=len(wants),
        missing=lacks.total(),
        doubled=sum(count for what, count in more.items() if what in want),
        foreign=sum(count for what, count in more.items() if what not in want),
        ordered=wants == finds,
        examples=tuple(examples),
    )


def _identity(said: _Said, by_cause: bool) -> tuple[object, ...]:
    headers = tuple(h for h in said.headers if by_cause or h[0] != CAUSE)
    return said.timestamp, said.key, headers, said.value


class Finals(Struct, frozen=True):
    """The last versions of the earthquakes beside those that would have been.

    Attributes
    ----------
    wanted, found
        Confirmed earthquakes.
    missed, other
        Those that have no counterpart.
    magnitude, place_km
        Largest differences between counterparts.
    """

    wanted: int
    found: int
    missed: int
    other: int
    magnitude: float
    place_km: float


def finals(wanted: Iterable[Record], found: Iterable[Record]) -> Finals:
    """Compare the last versions of confirmed earthquakes."""
    wants, finds = _confirmed(wanted), _confirmed(found)
    left = list(finds)
    missed = 0
    magnitude = place_km = 0.0
    for one in wants:
        same = [other for other in left if _same(one, other)]
        if not same:
            missed += 1
            continue
        other = min(same, key=lambda e: abs(e.origin_time_us - one.origin_time_us))
        left.remove(other)
        place_km = max(place_km, _apart_km(one, other))
        magnitude = max(magnitude, abs((one.magnitude or 0.0) - (other.magnitude or 0.0)))
    return Finals(
        len(wants), len(finds), missed, len(left), round(magnitude, 2), round(place_km, 1)
    )


def _confirmed(records: Iterable[Record]) -> list[Earthquake]:
    last = {event.id: event for event in (events.decode(record.value) for record in records)}
    return [event for event in last.values() if event.status == "confirmed"]


def _same(one: Earthquake, other: Earthquake) -> bool:
    near = _apart_km(one, other) < SAME_KM
    return near and abs(one.origin_time_us - other.origin_time_us) < SAME_S * 1e6


def _apart_km(one: Earthquake, other: Earthquake) -> float:
    return distance_azimuth(one.latitude, one.longitude, other.latitude, other.longitude)[0]
