"""A replay through stages: nothing lost, order kept, the same at every speed."""

import asyncio
from datetime import timedelta

import msgspec
from made_outcome import event, pick, recording

from detect import detections, events
from dispatch import cap
from ingest.sources.archive import Unread
from replay.session import data_seconds, replay
from stream.operator import Stage
from stream.records import Output
from stream.rejects import reject
from stream.topics import ALERTS, DETECTIONS, EVENTS, WAVEFORMS


class EverySecond:
    """Picks each packet of CI.CLC, rejects those of CI.FAR."""

    memory = timedelta(seconds=60)

    def process(self, batch):
        outputs = []
        for record in batch:
            if record.key == b"CI.FAR":
                outputs.append(reject(record, "no reason"))
            if record.key == b"CI.CLC":
                value = detections.encode(pick("CI.CLC", record.timestamp * 1000).pick)
                outputs.append(
                    Output(DETECTIONS.name, b"made", value, record.offset, record.timestamp)
                )
        return outputs


class OneEvent:
    """Publishes a revision for every pick."""

    memory = timedelta(seconds=60)

    def __init__(self):
        self.revision = 0

    def process(self, batch):
        outputs = []
        for record in batch:
            value = events.encode(event("a", self.revision, 0))
            self.revision += 1
            outputs.append(Output(EVENTS.name, b"a", value, record.offset, record.timestamp))
        return outputs


class Silent:
    memory = timedelta(seconds=60)

    def process(self, batch):
        return []


STAGES = [
    Stage("detect", WAVEFORMS, lambda _: EverySecond()),
    Stage("locate", DETECTIONS, lambda _: OneEvent()),
    Stage("dispatch", EVENTS, lambda _: Silent()),
]


def played(**options):
    source = msgspec.structs.replace(
        recording(), unread=(Unread("x.mseed", "not miniSEED", "all zeros"),)
    )
    return asyncio.run(replay(source, STAGES, **options))


def test_everything_said_is_collected():
    seen = []
    outcome = played(progress=lambda done, total: seen.append((done, total)))
    assert len(outcome.picks) == 90
    assert [h.known_ms for h in outcome.picks] == [h.pick.time_us // 1000 for h in outcome.picks]
    assert [e.revision for e in outcome.events] == list(range(90))
    assert outcome.rejects[0].reason == "not miniSEED"
    assert [r.reason for r in outcome.rejects[1:]] == ["no reason"] * 90
    assert outcome.alerts == ()
    assert outcome.data_s == 90.0
    assert outcome.station_hours == 4 * 90 / 3600
    assert seen[-1] == (360, 360)


def test_data_seconds_leave_out_pauses_and_overlaps():
    source = recording()
    late = [
        msgspec.structs.replace(p, start_us=p.start_us + 10**15, end_us=p.end_us + 10**15)
        for p in source.packets
    ]
    both = msgspec.structs.replace(source, packets=(*late, *source.packets, *source.packets[:9]))
    assert data_seconds(both) == 2 * data_seconds(source) == 180.0


def test_speed_and_partitions_change_nothing():
    quick = played()
    paced = played(speed=200.0)
    spread = played(partitions={WAVEFORMS.name: 3})
    assert paced.wall_s >= 0.9 * 89 / 200
    assert msgspec.structs.replace(paced, wall_s=0) == msgspec.structs.replace(quick, wall_s=0)
    assert (spread.picks, spread.events) == (quick.picks, quick.events)
    assert len(spread.rejects) == len(quick.rejects)


def test_alerts_are_read_back(monkeypatch):
    from made_outcome import alert, warning

    message = alert("a", 0, 3, [warning()]).message

    class Sends:
        memory = timedelta(seconds=60)

        def process(self, batch):
            value = cap.build(message)
            return [Output(ALERTS.name, b"a", value, r.offset, r.timestamp) for r in batch[:1]]

    stages = [*STAGES[:2], Stage("dispatch", EVENTS, lambda _: Sends())]
    outcome = asyncio.run(replay(recording(), stages))
    assert outcome.alerts[0].message == message
    assert outcome.alerts[0].value == cap.build(message)
    assert outcome.alerts[0].known_ms == outcome.picks[0].known_ms
