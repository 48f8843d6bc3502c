"""How good the alarms of flows are that seismic stations raise.

Rules
-----
- A recording goes through the stages `detect`, `locate` and `hazards`, in order of arrival. Every
  station stands at a valley of its own, so that none helps another. Stations that no StationXML
  knows are judged in counts.
- ``truth.csv`` says what happened (`replay.hazard_truth`); the peak is the time at which the front
  passed, or the onset where there is none. Without one nothing did, and all alarms are false.
- An alarm is an event of a debris flow that was not raised by another, from its first revision;
  it is of the flow between whose begin and end that came. All others are false.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from rich.console import Console

from detect import events, traveltimes
from detect.events import Earthquake
from detect.hazard_events import HazardEvent
from detect.hazards import readings
from detect.hazards.cascade_file import CascadeFile
from detect.hazards.operator import HazardOperator
from detect.hazards.readings import Tremor
from detect.hazards.valley_file import Reach, ReachSensor, ValleyFile
from detect.locator import LocateOperator
from detect.picker import PickOperator
from detect.settings import DetectSettings
from ingest.settings import IngestSettings
from ingest.sources.archive import Recording
from replay import session
from replay.hazard_score import COMPANIONS
from replay.hazard_truth import TRUTH, Truth, iso
from replay.session import Outcome
from stream.log import Log
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.reader import Reader
from stream.records import Record
from stream.runner import StageRunner
from stream.topics import DETECTIONS, EVENTS, OBSERVATIONS, WAVEFORMS, Topic

__all__ = [
    "FlowLead",
    "FlowScore",
    "lines",
    "print_flow_scores",
    "print_watches",
    "score",
    "truth_of",
    "watches",
]


class FlowLead(Struct, frozen=True, kw_only=True):
    """One flow of the truth.

    Attributes
    ----------
    event, front
        Its name, and when its front passed, ISO 8601.
    tremor_s, provisional_s, confirmed_s
        Seconds from the first tremor, event, and confirmed event to the front, by arrival of the
        data; negative after it, None: missed.
    """

    event: str
    front: str
    tremor_s: float | None
    provisional_s: float | None
    confirmed_s: float | None


class FlowScore(Struct, frozen=True, kw_only=True):
    """The measures of one recording.

    Attributes
    ----------
    folder
        Its name.
    flows
        Those of the truth.
    false
        When the false alarms were raised, ISO 8601.
    tremors
        How often a tremor began at a station.
    earthquakes
        How many were confirmed.
    """

    folder: str
    flows: tuple[FlowLead, ...]
    false: tuple[str, ...]
    tremors: int
    earthquakes: int


def truth_of(folder: Path) -> Path | None:
    """Find what happened during a recording: beside it, or among the companions; None: nowhere."""
    for there in (folder, COMPANIONS / folder.name):
        if (there / TRUTH).is_file():
            return there / TRUTH
    return None


def score(
    recording: Recording, truth: Sequence[Truth], detect: DetectSettings, ingest: IngestSettings
) -> FlowScore:
    """Replay a recording, and compare what was said of flows with what happened."""
    log = asyncio.run(_played(recording, detect, ingest))
    said = asyncio.run(_all(log, OBSERVATIONS))
    tremors = [r for r in said if _begins(r)]
    revisions = [(r.timestamp, events.decode(r.value)) for r in asyncio.run(_all(log, EVENTS))]
    earthquakes = {
        e.id for _, e in revisions if isinstance(e, Earthquake) and e.status == "confirmed"
    }
    first: dict[str, int] = {}
    sure: dict[str, int] = {}
    for at_ms, event in revisions:
        if isinstance(event, HazardEvent) and event.hazard == "debris flow" and not event.causes:
            first.setdefault(event.id, at_ms)
            if event.status == "confirmed":
                sure.setdefault(event.id, at_ms)
    return FlowScore(
        folder=recording.folder,
        flows=tuple(
            FlowLead(
                event=one.event,
                front=iso(_front_us(one)),
                tremor_s=_lead(one, [r.timestamp for r in tremors]),
                provisional_s=_lead(one, first.values()),
                confirmed_s=_lead(one, sure.values()),
            )
            for one in truth
        ),
        false=tuple(
            iso(at_ms * 1000)
            for at_ms in first.values()
            if not any(one.begin_us <= at_ms * 1000 <= one.end_us for one in truth)
        ),
        tremors=len(tremors),
        earthquakes=len(earthquakes),
    )


def _begins(record: Record) -> bool:
    said = readings.decode(record.value)
    return isinstance(said, Tremor) and said.state == "on"


def _lead(flow: Truth, times_ms: Iterable[int]) -> float | None:
    """Return the seconds from the first of some times within a flow to its front."""
    within = [at_ms for at_ms in times_ms if flow.begin_us <= at_ms * 1000 <= flow.end_us]
    return _front_us(flow) / 1e6 - min(within) / 1e3 if within else None


def _front_us(flow: Truth) -> int:
    """Return when the front passed; its onset where nobody says."""
    return flow.peak_us or flow.onset_us or flow.begin_us


def _valleys(recording: Recording) -> ValleyFile:
    """Put each station at a valley of its own."""
    return ValleyFile(
        reaches=tuple(
            Reach(
                id=name,
                basin=name,
                length_km=1.0,
                slowest_ms=1.0,
                usual_ms=5.0,
                fastest_ms=12.0,
                sensors=(ReachSensor(id=name),),
            )
            for name in sorted(recording.channels.stations)
        )
    )


async def _played(recording: Recording, detect: DetectSettings, ingest: IngestSettings) -> Log:
    tables = traveltimes.load(detect.locate.model)
    valleys = _valleys(recording)

    def hazards(_: int) -> HazardOperator:
        return HazardOperator(detect.hazards, (), valleys, CascadeFile(), detect.region)

    stages = [
        Stage("detect", WAVEFORMS, lambda n: PickOperator(n, recording.channels, detect, ingest)),
        Stage("locate", DETECTIONS, lambda _: LocateOperator(detect, tables)),
        Stage("hazards", OBSERVATIONS, hazards),
    ]
    log = MemoryLog()
    runners = [StageRunner(log, stage) for stage in stages]
    for runner in runners:
        await runner.start()
    played = 0
    for part in session.slices(recording.packets, None):
        await log.append([session.output(p, played + i) for i, p in enumerate(part)])
        played += len(part)
        while any([await runner.step() for runner in runners]):
            pass
    return log


async def _all(log: Log, topic: Topic) -> list[Record]:
    reader = Reader(log, topic, None)
    found: list[Record] = []
    while fresh := await reader.fresh():
        found += fresh
    return sorted(found, key=lambda r: (r.timestamp, r.partition, r.offset))


def lines(one: FlowScore) -> list[str]:
    """Say a score in words."""
    said = [
        f"{one.folder}, {flow.event}: front {flow.front}; before it: tremor "
        f"{_told(flow.tremor_s)}, provisional {_told(flow.provisional_s)}, confirmed "
        f"{_told(flow.confirmed_s)}"
        for flow in one.flows
    ]
    return [
        *said,
        f"{one.folder}: false alarms of flows {len(one.false)}"
        f"{' (' + ', '.join(one.false) + ')' if one.false else ''}; tremors that began "
        f"{one.tremors}; earthquakes confirmed {one.earthquakes}",
    ]


def print_flow_scores(scores: Sequence[FlowScore], console: Console) -> None:
    """Write them."""
    for one in scores:
        for line in lines(one):
            console.print(line, markup=False)


def watches(outcome: Outcome) -> list[str]:
    """Say where and when flows were said to have begun, in a recording of other things."""
    return [
        f"{event.sensors[0].sensor if event.sensors else event.basin} {iso(event.updated_us)}"
        for event in outcome.hazards
        if event.hazard == "debris flow" and event.revision == 0
    ]


def print_watches(said: Mapping[str, Sequence[str]], console: Console) -> None:
    """Write them, by folder."""
    for folder, flows in said.items():
        if flows:
            console.print(
                f"{folder}: a flow was said to begin at {', '.join(flows)}; truth.csv would say "
                "whether it did.",
                markup=False,
            )
    if not any(said.values()):
        console.print("flows said to be in these recordings: none")


def _told(seconds: float | None) -> str:
    return "missed" if seconds is None else f"{seconds:.0f} s"
