"""The stage `detect`: miniSEED values in, picks and motion out."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from detect import detections
from detect.bank import MAX_VALUE_S, ChannelBank, Onset
from detect.detections import Motion, Pick
from detect.settings import DetectSettings
from detect.stations import Sensor, StationBook, StationState
from ingest import continuity, miniseed
from ingest.channels import ChannelTable
from ingest.continuity import Continuity
from ingest.quality import Quality
from ingest.settings import IngestSettings
from stream.records import Output, Record
from stream.rejects import reject
from stream.topics import DETECTIONS

__all__ = ["PickOperator"]

FORGETS = 25
"""Lengths of the long average after which nothing of the past is left in it: float64 agrees to
the last bit (tests/test_recovery.py)."""

REJECT_EVERY = 1000  # after the first, one record in so many of an unknown channel is kept

_Ints = npt.NDArray[np.int64]


class _Work(Struct, frozen=True):
    """Stretches of samples to run, in order: no longer than `MAX_VALUE_S` by channel and level.

    `level` counts the calls that a long value needs.
    """

    value: _Ints
    level: _Ints
    channel: _Ints
    first: _Ints
    count: _Ints
    start_ns: _Ints
    rate: npt.NDArray[np.float64]
    restart: npt.NDArray[np.bool_]


class PickOperator:
    """Folds one partition of `waveforms` into picks and motion.

    Parameters
    ----------
    partition
        Its number: the motion frames carry it.
    channels
        Station metadata.
    detect, ingest
        Settings.
    """

    def __init__(
        self,
        partition: int,
        channels: ChannelTable,
        detect: DetectSettings,
        ingest: IngestSettings,
    ) -> None:
        pick = detect.pick
        self.memory = timedelta(
            seconds=max(FORGETS * pick.long_s, pick.longest_s + pick.follow_s)
            + pick.settle_s
            + ingest.continuity.horizon_s
            + max(ingest.continuity.agree_s, ingest.quality.recover_s)
        )
        self._partition = partition
        self._settings = detect
        self._key = detect.region.encode("ascii")
        self._continuity = Continuity(ingest.continuity)
        self._quality = Quality(ingest.quality)
        self._bank = ChannelBank(pick)
        self._book = StationBook(channels, self._bank, self._continuity, self._quality, pick)
        self._unusable: dict[str, int] = {}
        self._second: int | None = None

    def process(self, batch: Sequence[Record]) -> list[Output]:
        """Fold the batch; see `stream.operator.Operator`."""
        decoded = miniseed.decode([record.value for record in batch])
        outputs = [
            reject(batch[f.value], f.reason, f.detail, source=f.source, value=f.excerpt)
            for f in decoded.faults
        ]
        for begin, end in _rounds(batch, decoded):
            second = batch[begin].timestamp // 1000
            if self._second is not None and second > self._second:
                self._frame(batch[begin], second, outputs)
            self._second = second if self._second is None else max(second, self._second)
            rows = slice(*np.searchsorted(decoded.value, (begin, end)).tolist())
            work = self._judge(batch, decoded, rows, outputs)
            for level in range(int(work.level.max(initial=-1)) + 1):
                these = np.flatnonzero(work.level == level)
                self._advance(batch, decoded.samples, work, these, outputs)
        outputs.sort(key=lambda output: output.cause)
        return outputs

    def _judge(
        self,
        batch: Sequence[Record],
        decoded: miniseed.Samples,
        rows: slice,
        outputs: list[Output],
    ) -> _Work:
        """Judge some records; return what of them is to be run."""
        ids = decoded.ids[rows]
        value, first, count = decoded.value[rows], decoded.first[rows], decoded.count[rows]
        start_ns, rate = decoded.start_ns[rows], decoded.rate[rows]
        channel = np.empty(len(ids), np.int64)
        for i, seed_id in enumerate(ids):
            channel[i] = self._book.number(seed_id, int(start_ns[i]), float(rate[i]))
            if channel[i] < 0:
                self._refuse(batch[value[i]], seed_id, outputs)
        known = np.flatnonzero(channel >= 0)
        channel, value, first, count = channel[known], value[known], first[known], count[known]
        start_ns, rate = start_ns[known], rate[known]
        arrival_ns = np.array([batch[v].timestamp for v in value], np.int64) * 1_000_000
        verdict, skip = self._continuity.assess(channel, start_ns, count, rate, arrival_ns)
        for i in np.flatnonzero(verdict >= continuity.OLD).tolist():
            reason = continuity.VERDICTS[verdict[i]]
            detail = f"began {(arrival_ns[i] - start_ns[i]) / 1e9:.1f} s before it arrived"
            source = self._book.sensors[channel[i]].seed_id
            outputs.append(reject(batch[value[i]], reason, detail, source=source, value=b""))
        use = verdict <= continuity.OVERLAP
        self._quality.inspect(channel, first, count, skip, use, rate, arrival_ns, decoded.samples)
        return _cut(
            value[use],
            channel[use],
            first[use] + skip[use],
            count[use] - skip[use],
            start_ns[use] + np.rint(skip[use] * (1e9 / rate[use])).astype(np.int64),
            rate[use],
            verdict[use] == continuity.RESTART,
        )

    def _refuse(self, record: Record, seed_id: str, outputs: list[Output]) -> None:
        """Keep the first, and then now and again one, of the records of a channel not known."""
        times = self._unusable[seed_id] = self._unusable.get(seed_id, 0) + 1
        if times % REJECT_EVERY == 1:
            reason = self._book.why_not(seed_id)
            outputs.append(reject(record, reason, f"record {times} of it", source=seed_id))

    def _advance(
        self,
        batch: Sequence[Record],
        samples: npt.NDArray[np.float64],
        work: _Work,
        rows: _Ints,
        outputs: list[Output],
    ) -> None:
        """Run some rows of the work and say what came of it."""
        channel, value = work.channel[rows], work.value[rows]
        onsets, peaks = self._bank.advance(
            channel,
            work.first[rows],
            work.count[rows],
            work.start_ns[rows],
            work.rate[rows],
            work.restart[rows],
            samples,
        )
        ends = work.start_ns[rows] + np.rint(work.count[rows] * (1e9 / work.rate[rows])).astype(
            np.int64
        )
        touched: dict[tuple[int, str], StationState] = {}
        for i in range(rows.size):
            sensor = self._book.sensors[channel[i]]
            record = batch[value[i]]
            sensor.station.heard(record.timestamp, int(ends[i]), peaks[i], counts=sensor.picks)
            touched.setdefault((int(value[i]), sensor.station.name), sensor.station)
        for at, onset in self._best(onsets, value):
            sensor = self._book.sensors[onset.channel]
            record = batch[at]
            pick = self._pick(sensor, onset, record.timestamp)
            if pick is not None:
                sensor.station.picked(pick.id, onset, sensor)
                outputs.append(self._output(pick, record))
        for (at, _), station in touched.items():
            if station.follow(self._bank):
                record = batch[at]
                frame = Motion(
                    partition=self._partition,
                    time_us=record.timestamp * 1000,
                    stations=(self._book.report(station, record.timestamp),),
                )
                outputs.append(self._output(frame, record))

    def _best(self, onsets: list[Onset], value: _Ints) -> list[tuple[int, Onset]]:
        """Return the clearest onset of each station within a value, in the order of values."""
        best: dict[tuple[int, str], Onset] = {}
        for onset in onsets:
            place = int(value[onset.record]), self._book.sensors[onset.channel].station.name
            if place not in best or onset.snr > best[place].snr:
                best[place] = onset
        return [(at, onset) for (at, _), onset in sorted(best.items(), key=lambda item: item[0])]

    def _pick(self, sensor: Sensor, onset: Onset, arrival_ms: int) -> Pick | None:
        """Make a pick of an onset, unless it is too weak or the station has just picked."""
        settings = self._settings.pick
        if onset.snr < settings.min_snr:
            return None
        if sensor.station.just_picked(onset.time_ns, settings.apart_s):
            return None
        time_us = onset.time_ns // 1000
        station = sensor.station
        return Pick(
            id=f"{sensor.seed_id}/P/{time_us}",
            channel=sensor.seed_id,
            phase="P",
            time_us=time_us,
            uncertainty_s=round(onset.sigma_s, 4),
            snr=round(onset.snr, 2),
            polarity=onset.polarity,
            polarity_confidence=round(onset.polarity_confidence, 3),
            latitude=station.place.latitude,
            longitude=station.place.longitude,
            elevation_m=station.place.elevation_m,
            faults=self._book.faults(station, arrival_ms),
        )

    def _frame(self, record: Record, second: int, outputs: list[Output]) -> None:
        """Report every station heard since the last frame; `record` begins a new second."""
        stations = self._book.unreported(record.timestamp)
        if stations:
            frame = Motion(partition=self._partition, time_us=second * 1_000_000, stations=stations)
            outputs.append(self._output(frame, record))

    def _output(self, detection: Pick | Motion, record: Record) -> Output:
        return Output(
            DETECTIONS.name,
            self._key,
            detections.encode(detection),
            record.offset,
            record.timestamp,
        )


def _rounds(batch: Sequence[Record], decoded: miniseed.Samples) -> Iterator[tuple[int, int]]:
    """Cut the batch into runs within one second of arrival, in which no station comes twice.

    What a station's data hold at the end of a value is read from rings, before they move on;
    so one call advances no station by more than one value. A value with several records
    of a channel may be long, and goes alone.
    """
    seconds = np.bincount(decoded.value, decoded.count / decoded.rate, minlength=len(batch))
    alone = seconds > MAX_VALUE_S
    begin = 0
    keys: set[bytes] = set()
    for i, record in enumerate(batch):
        breaks = (
            record.key in keys
            or record.timestamp // 1000 != batch[begin].timestamp // 1000
            or alone[i]
            or alone[i - 1]
        )
        if breaks and i > begin:
            yield begin, i
            begin = i
            keys.clear()
        keys.add(record.key)
    if batch:
        yield begin, len(batch)


def _cut(
    value: _Ints,
    channel: _Ints,
    first: _Ints,
    count: _Ints,
    start_ns: _Ints,
    rate: npt.NDArray[np.float64],
    restart: npt.NDArray[np.bool_],
) -> _Work:
    """Cut records into stretches of which no channel gets more than `MAX_VALUE_S` in a level."""
    most = np.maximum(1, (MAX_VALUE_S * rate).astype(np.int64))
    rows: list[tuple[int, int, int, int, int]] = []
    filled: dict[int, tuple[int, int, int]] = {}
    for i in range(value.size):
        c = int(channel[i])
        held, level, used = filled.get(c, (-1, 0, 0))
        if held != value[i]:
            level, used = 0, 0
        begin = 0
        while begin < count[i]:
            if used >= most[i]:
                level, used = level + 1, 0
            length = min(int(count[i]) - begin, int(most[i]) - used)
            rows.append((i, level, begin, length, begin == 0))
            begin += length
            used += length
        filled[c] = (int(value[i]), level, used)
    table = np.array(rows, np.int64).reshape(-1, 5)
    row, begins, lengths = table[:, 0], table[:, 2], table[:, 3]
    return _Work(
        value=value[row],
        level=table[:, 1],
        channel=channel[row],
        first=first[row] + begins,
        count=lengths,
        start_ns=start_ns[row] + np.rint(begins * (1e9 / rate[row])).astype(np.int64),
        rate=rate[row],
        restart=restart[row] & (table[:, 4] == 1),
    )
