"""The stage `detect`: miniSEED values in, picks, motion and tremors out."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from detect import detections, kernels
from detect.bank import ChannelBank, Precision, Trigger
from detect.detections import Heartbeat, Motion, Pick
from detect.hazards import readings
from detect.hazards.mudflow import TremorWatch
from detect.onset import glitch_ends, judge
from detect.settings import DetectSettings
from detect.stations import Sensor, StationBook, StationState
from ingest import continuity, miniseed
from ingest.channels import ChannelTable
from ingest.continuity import Continuity
from ingest.directory import ChannelDirectory
from ingest.quality import REMEMBERS_S, Quality
from ingest.settings import IngestSettings
from stream.records import Output, Record
from stream.rejects import reject
from stream.topics import DETECTIONS, OBSERVATIONS

__all__ = ["PickOperator"]

FORGETS = 35
"""Lengths of the long average after which nothing of the past is left in it: its state agrees to
the last bit (tests/test_recovery.py). 25 of data; bridged gaps take two sevenths of the time."""

RUN_UP_S = 2.0  # of the band-pass, before the window in which an onset is looked for
LEAST_WINDOW = 8  # samples in which an onset can be looked for

S_AFTER_P_S = 0.7  # an onset on a horizontal this long after P, and not sooner, may be S

REJECT_EVERY = 1000  # after the first, one record in so many of an unknown channel is kept

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]


class PickOperator:
    """Folds one partition of `waveforms` into picks, motion and tremors.

    Parameters
    ----------
    partition
        Its number: the motion frames carry it.
    channels
        Station metadata.
    detect, ingest
        Settings.
    precision
        Of filters and averages: float32 for speed, float64 for reference.
    """

    def __init__(
        self,
        partition: int,
        channels: ChannelTable,
        detect: DetectSettings,
        ingest: IngestSettings,
        precision: Precision = np.float32,
    ) -> None:
        pick = detect.pick
        self._tremors = TremorWatch(detect.mudflow)
        learnt_s = max(FORGETS * pick.long_s, pick.longest_s + pick.follow_s, REMEMBERS_S)
        agrees_s = max(ingest.continuity.agree_s, ingest.quality.recover_s)
        self.memory = timedelta(
            seconds=max(learnt_s + pick.settle_s + agrees_s, self._tremors.memory_s)
            + ingest.continuity.horizon_s
        )
        self._partition = partition
        self._settings = detect
        self._key = detect.region.encode("ascii")
        self._continuity = Continuity(ingest.continuity)
        self._quality = Quality(ingest.quality)
        self._bank = ChannelBank(pick, precision)
        self._book = StationBook(channels, self._bank, self._continuity, self._quality, pick)
        self._directories = (ChannelDirectory(), ChannelDirectory())
        self._clean_from: dict[int, tuple[int, int]] = {}
        self._unusable: dict[str, int] = {}
        self._second = -1
        self._plausible_ns = (
            -ingest.continuity.future_s * 1e9,
            ingest.continuity.horizon_s * 1e9,
        )

    def process(self, batch: Sequence[Record]) -> list[Output]:
        """Fold the batch; see `stream.operator.Operator`."""
        decoded = miniseed.decode([record.value for record in batch])
        outputs = [
            reject(batch[f.value], f.reason, f.detail, source=f.source, value=f.excerpt)
            for f in decoded.faults
        ]
        arrival_ms = np.array([record.timestamp for record in batch], np.int64)
        seconds = self._seconds(decoded, arrival_ms)
        for begin, end in _rounds(batch, seconds):
            if seconds[begin] > self._second:
                if self._second >= 0:
                    self._heartbeat(batch[begin], seconds[begin], outputs)
                self._second = seconds[begin]
            rows = np.arange(*decoded.value.searchsorted((begin, end)).tolist())
            integer = decoded.integer[rows]
            for kind, samples in ((True, decoded.samples), (False, decoded.floats)):
                these = rows[integer == kind]
                if these.size:
                    self._advance(batch, arrival_ms, decoded, these, samples, kind, outputs)
        outputs.sort(key=lambda output: output.cause)
        return outputs

    def _seconds(self, decoded: miniseed.Samples, arrival_ms: _Ints) -> list[int]:
        """Return the newest second of arrival that has begun with or before each value.

        An arrival counts if it agrees with the time of the samples that came then: garbage with
        an absurd one must not put the clock forward for all that follow.
        """
        end_ns = decoded.start_ns + decoded.count * (1e9 / decoded.rate)
        latency_ns = arrival_ms[decoded.value] * 1e6 - end_ns
        shortest_ns, longest_ns = self._plausible_ns
        agrees = (latency_ns >= shortest_ns) & (latency_ns <= longest_ns)
        seconds = np.full(arrival_ms.size, self._second)
        these = decoded.value[agrees]
        seconds[these] = arrival_ms[these] // 1000
        newest: list[int] = np.maximum.accumulate(seconds).tolist()
        return newest

    def _advance(
        self,
        batch: Sequence[Record],
        arrivals_ms: _Ints,
        decoded: miniseed.Samples,
        rows: _Ints,
        samples: npt.NDArray[np.int32] | _Doubles,
        integer: bool,
        outputs: list[Output],
    ) -> None:
        """Run some records, all of integers or all of floats, and say what came of it."""
        channel = self._channels(batch, decoded, rows, integer, outputs)
        known = channel >= 0
        if not known.all():
            rows, channel = rows[known], channel[known]
        value, first, count = decoded.value[rows], decoded.first[rows], decoded.count[rows]
        start_ns, rate = decoded.start_ns[rows], decoded.rate[rows]
        arrival_ms = arrivals_ms[value]
        arrival_ns = arrival_ms * 1_000_000
        verdict, skip = self._continuity.assess(channel, start_ns, count, rate, arrival_ns)
        for i in (verdict >= continuity.OLD).nonzero()[0].tolist():
            reason = continuity.VERDICTS[verdict[i]]
            detail = f"began {(arrival_ns[i] - start_ns[i]) / 1e9:.1f} s before it arrived"
            source = self._book.sensors[channel[i]].seed_id
            outputs.append(reject(batch[value[i]], reason, detail, source=source, value=b""))
        use = verdict <= continuity.OVERLAP
        self._quality.inspect(channel, first, count, skip, use, rate, arrival_ns, samples)
        if not integer:
            samples, first = self._scaled(samples, channel, first, count)
        restart = np.where(verdict == continuity.RESTART, kernels.RESTARTS, kernels.GOES_ON)
        restart[verdict == continuity.BRIDGED] = kernels.RESUMES
        if not use.all():
            value, channel, rate, skip = value[use], channel[use], rate[use], skip[use]
            first, count, start_ns, restart = first[use], count[use], start_ns[use], restart[use]
        if channel.size == 0:
            return
        if skip.any():
            first, count = first + skip, count - skip
            start_ns = start_ns + np.rint(skip * (1e9 / rate)).astype(np.int64)
        triggers, peaks, seen, stretch = self._bank.advance(
            channel, first, count, start_ns, rate, restart, samples
        )
        end_ns = start_ns + np.rint(count * (1e9 / rate)).astype(np.int64)
        self._book.heard(channel, end_ns, peaks)
        for pick, record in self._picks(batch, value, triggers, outputs):
            outputs.append(self._output(pick, record))
        anew = restart != kernels.GOES_ON
        tremors = self._tremors.advance(channel, first, count, start_ns, rate, anew, samples)
        for row, tremor in tremors:
            record = batch[int(value[row])]
            key, said = tremor.station.encode("ascii"), readings.encode(tremor)
            outputs.append(Output(OBSERVATIONS.name, key, said, record.offset, record.timestamp))
        followed = self._book.follow(value, channel, first, count, seen, stretch, samples)
        self._follow(batch, followed, outputs)
        self._bank.keep()

    def _channels(
        self,
        batch: Sequence[Record],
        decoded: miniseed.Samples,
        rows: _Ints,
        integer: bool,
        outputs: list[Output],
    ) -> _Ints:
        """Return the channel numbers of records, -1 for those that cannot be used."""
        directory = self._directories[integer]
        channel = directory.numbers(decoded.code[rows])
        for i in (channel < 0).nonzero()[0].tolist():
            row = rows[i]
            seed_id = miniseed.seed_id(decoded.code[row])
            start_ns, rate = int(decoded.start_ns[row]), float(decoded.rate[row])
            channel[i] = self._book.number(seed_id, start_ns, rate, integer)
            if channel[i] < 0:
                self._refuse(batch[decoded.value[row]], seed_id, outputs)
            else:
                directory.add(decoded.code[row], int(channel[i]))
                self._tremors.add(self._book.sensors[int(channel[i])], rate)
        return channel

    def _refuse(self, record: Record, seed_id: str, outputs: list[Output]) -> None:
        """Keep the first, and then now and again one, of the records of a channel not known."""
        times = self._unusable[seed_id] = self._unusable.get(seed_id, 0) + 1
        if times % REJECT_EVERY == 1:
            reason = self._book.why_not(seed_id)
            outputs.append(reject(record, reason, f"record {times} of it", source=seed_id))

    def _scaled(
        self, floats: npt.NDArray[np.int32] | _Doubles, channel: _Ints, first: _Ints, count: _Ints
    ) -> tuple[_Doubles, _Ints]:
        """Bring float samples, which may be m/s, to the size of counts; they stand elsewhere then.

        Returns the samples and where those of each record begin.
        """
        pieces = [
            floats[begin : begin + length] * self._book.sensors[c].scale
            for c, begin, length in zip(
                channel.tolist(), first.tolist(), count.tolist(), strict=True
            )
        ]
        joined = np.concatenate(pieces) if pieces else np.empty(0)
        return joined, np.cumsum(count) - count

    def _picks(
        self,
        batch: Sequence[Record],
        value: _Ints,
        triggers: list[Trigger],
        outputs: list[Output],
    ) -> Iterator[tuple[Pick, Record]]:
        """Make picks of triggers: the clearest of each station within a value."""
        best: dict[tuple[int, str, str], tuple[float, Pick, Sensor, int]] = {}
        for trigger in triggers:
            sensor = self._book.sensors[trigger.channel]
            at = int(value[trigger.record])
            made = self._pick(sensor, trigger, batch[at], outputs)
            if made is not None:
                pick, time_ns = made
                place = at, sensor.station.name, pick.phase
                if place not in best or pick.snr > best[place][0]:
                    best[place] = pick.snr, pick, sensor, time_ns
        for (at, _, phase), (_, pick, sensor, time_ns) in sorted(
            best.items(), key=lambda item: item[0]
        ):
            if phase == "P":
                self._book.pick(sensor, pick.id, time_ns)
                self._tremors.pick(sensor, time_ns)
            else:
                sensor.station.last_s_ns = time_ns
            yield pick, batch[at]

    def _pick(
        self, sensor: Sensor, trigger: Trigger, record: Record, outputs: list[Output]
    ) -> tuple[Pick, int] | None:
        """Make a pick of a trigger, unless weak, a glitch, or too near to the last one."""
        settings = self._settings.pick
        channel = sensor.axis.channel
        rate = self._bank.rate(channel)
        run_up = round(RUN_UP_S * rate)
        window = trigger.sample - round(settings.window_s * rate)
        if not (sensor.axis.primary or self._may_be_s(sensor, window, trigger.confirmed)):
            return None
        begin = max(window - run_up, self._clean(channel))
        raw = self._bank.raw(channel, begin, trigger.confirmed + 1)
        begin = trigger.confirmed + 1 - raw.size
        run_up = min(run_up, max(window - begin, 0))
        if raw.size - run_up < LEAST_WINDOW:
            return None
        index, sigma, snr, polarity, confidence, noise = judge(
            raw, run_up, self._bank.band(channel)
        )
        if snr < settings.min_snr:
            return None
        time_ns = self._bank.time_ns(channel, begin + index)
        ends = glitch_ends(raw, index)
        if ends:
            self._clean_from[channel] = self._bank.stretch(channel), begin + ends
            detail = f"samples out of line about {time_ns // 1000} us"
            outputs.append(reject(record, "glitch", detail, source=sensor.seed_id, value=b""))
            self._bank.calm(trigger, noise)
            return None
        station = sensor.station
        phase = self._phase(sensor, time_ns)
        if phase is None:
            return None
        time_us = time_ns // 1000
        pick = Pick(
            id=f"{sensor.seed_id}/{phase}/{time_us}",
            channel=sensor.seed_id,
            phase="P" if phase == "P" else "S",
            time_us=time_us,
            uncertainty_s=round(sigma / rate, 4),
            snr=round(snr, 2),
            polarity=polarity,
            polarity_confidence=round(confidence, 3),
            latitude=station.place.latitude,
            longitude=station.place.longitude,
            elevation_m=station.place.elevation_m,
            faults=self._book.faults(station, record.timestamp),
        )
        return pick, time_ns

    def _clean(self, channel: int) -> int:
        """Return the first sample behind the last glitch of a channel's stretch."""
        stretch, sample = self._clean_from.get(channel, (0, 0))
        return sample if stretch == self._bank.stretch(channel) else 0

    def _may_be_s(self, sensor: Sensor, first: int, last: int) -> bool:
        """Say whether an onset between two samples could be S: most triggers come with P."""
        channel, p_ns = sensor.axis.channel, sensor.station.last_p_ns
        earliest_s = (self._bank.time_ns(channel, first) - p_ns) * 1e-9
        latest_s = (self._bank.time_ns(channel, last) - p_ns) * 1e-9
        return latest_s >= S_AFTER_P_S and earliest_s <= self._settings.pick.follow_s

    def _phase(self, sensor: Sensor, time_ns: int) -> str | None:
        """Name the wave of an onset; None if the station has just picked it."""
        station = sensor.station
        after_p_s = (time_ns - station.last_p_ns) * 1e-9
        apart_s = self._settings.pick.apart_s
        if sensor.axis.primary:
            return None if abs(after_p_s) < apart_s else "P"
        after_s_s = (time_ns - station.last_s_ns) * 1e-9
        may_be_s = S_AFTER_P_S <= after_p_s <= self._settings.pick.follow_s
        return "S" if may_be_s and abs(after_s_s) >= apart_s else None

    def _follow(
        self,
        batch: Sequence[Record],
        followed: Sequence[tuple[StationState, int]],
        outputs: list[Output],
    ) -> None:
        """Report at once the stations that have picked and are heard in these values."""
        if not followed:
            return
        records = [batch[at] for _, at in followed]
        frames = self._book.motion(
            self._partition,
            [station for station, _ in followed],
            [record.timestamp for record in records],
        )
        for frame, record in zip(frames, records, strict=True):
            outputs.append(self._output(frame, record))

    def _heartbeat(self, record: Record, second: int, outputs: list[Output]) -> None:
        """Report every station heard since its last report; `record` begins a new second."""
        beats = self._book.heartbeats(self._partition, second * 1_000_000, record.timestamp)
        outputs.extend(self._output(beat, record) for beat in beats)

    def _output(self, detection: Pick | Motion | Heartbeat, record: Record) -> Output:
        return Output(
            DETECTIONS.name,
            self._key,
            detections.encode(detection),
            record.offset,
            record.timestamp,
        )


def _rounds(batch: Sequence[Record], seconds: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut the batch into runs within one second of arrival, in which no station comes twice.

    What is said of a station at the end of a value must not know what comes later.
    """
    begin = 0
    keys: set[bytes] = set()
    for i, record in enumerate(batch):
        new_second = seconds[i] != seconds[begin]
        if i > begin and (new_second or record.key in keys):
            yield begin, i
            begin = i
            keys.clear()
        keys.add(record.key)
    if batch:
        yield begin, len(batch)
