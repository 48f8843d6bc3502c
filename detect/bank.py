"""The state of all channels of a partition, and the call that advances them."""

import math
from typing import cast

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from detect import filters, kernels
from detect.history import History
from detect.settings import PickSettings

__all__ = ["ChannelBank", "Precision", "Trigger"]

Precision = type[np.float32] | type[np.float64]

HISTORY_S = 20.0
"""So much (s) is kept before the earliest onset that the newest records can bring: the run-up of
the motion takes 15 s, and the other axes of a sensor may be a record ahead."""

QUIET = 1e-20  # counts: a filter's state below is 0, so that no denormal remains
FLOOR = 1e-2  # power (counts^2) below which nothing is: a tenth of a count, less than digitising

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]


class Trigger(Struct, frozen=True, gc=False):
    """A trigger that has held.

    Attributes
    ----------
    record
        Index of the record that completed it.
    channel
        Channel number.
    sample, confirmed
        Samples since the channel's start at which it began and was confirmed.
    """

    record: int
    channel: int
    sample: int
    confirmed: int


class _Batch(Struct, frozen=True):
    """Decoded samples, and which channel's stretches stand in them, sorted by channel."""

    samples: npt.NDArray[np.int32] | _Doubles
    channel: _Ints
    stretch: _Ints
    seen: _Ints
    first: _Ints
    count: _Ints


class _Rate:
    """The lanes of one sampling rate and one type of samples."""

    def __init__(self, rate: float, integer: bool, settings: PickSettings, kind: Precision) -> None:
        s = settings
        self.sample_type: npt.DTypeLike = np.int32 if integer else np.float64
        band = filters.band_pass(rate, s.low_hz, s.high_hz)
        self.exact = band.ravel()
        self.sos = cast(kernels.Floats, filters.differenced(band).ravel().astype(kind))
        steps = [1.0 / (length * rate) for length in (s.short_s, s.long_s, s.middle_s)]
        shares = [share for step in steps for share in (step, 1.0 - step)]
        ratios = (s.on, s.off, s.again, _nearly(s.on, steps[0], steps[1]))
        self.constants = cast(kernels.Floats, np.array([*shares, *ratios, QUIET, FLOOR], kind))
        seconds = (
            s.settle_s, s.confirm_s, s.shortest_s, s.longest_s, s.apart_s, s.long_s, s.resume_s
        )  # fmt: skip
        self.lengths = np.array([max(1, round(t * rate)) for t in seconds], np.int64)
        self.used = 0
        self.state = cast(kernels.Floats, np.zeros((0, kernels.ROWS * kernels.LANES), kind))
        self.marks = np.zeros((0, kernels.MARKS), np.int64)
        self.last = cast(kernels.Samples, np.zeros(0, self.sample_type))
        self.triggers = np.zeros(0, np.bool_)
        kept_s = HISTORY_S + s.window_s + s.confirm_s
        self.history = History(round(kept_s * rate) + 1, self.sample_type)

    def add(self, triggers: bool) -> int:
        """Make room for a channel; return its lane. Room is doubled when it is full."""
        lane = self.used
        if lane == self.last.size:
            groups = max(1, self.state.shape[0])
            more = groups * kernels.LANES
            rows = np.zeros((groups, self.state.shape[1]), self.state.dtype)
            self.state = cast(kernels.Floats, np.concatenate((self.state, rows)))
            marks = np.zeros((more, kernels.MARKS), np.int64)
            marks[:, 1] = -1
            self.marks = np.concatenate((self.marks, marks))
            last = np.concatenate((self.last, np.zeros(more, self.sample_type)))
            self.last = cast(kernels.Samples, last)
            self.triggers = np.concatenate((self.triggers, np.zeros(more, np.bool_)))
            self.history.grow(self.last.size, lane)
        self.triggers[lane] = triggers
        self.used += 1
        return lane

    def advance(
        self,
        lanes: _Ints,
        first: _Ints,
        count: _Ints,
        restart: _Ints,
        samples: npt.NDArray[np.int32] | _Doubles,
    ) -> tuple[_Ints, _Ints, _Doubles]:
        """Run a stretch for each of some lanes; see `detect.kernels.advance`."""
        begun = np.empty((lanes.size, 2), np.int64)
        peaks = np.empty(lanes.size)
        most = lanes.size + int(count.sum()) // int(self.lengths[kernels.CONFIRM])
        out = np.empty((most, 3), np.int64)
        many = kernels.advance(
            lanes,
            first,
            count,
            restart,
            samples,
            self.last,
            self.triggers,
            self.state,
            self.marks,
            self.sos,
            self.constants,
            self.lengths,
            begun,
            peaks,
            out,
        )
        return out[:many], begun, peaks

    def calm(self, lane: int, sample: int, noise: float) -> None:
        """Put a lane to rest in noise, unless a trigger later than `sample` holds."""
        marks = self.marks[lane]
        if marks[kernels.TRIGGER] > sample:
            return
        group, column = divmod(lane, kernels.LANES)
        rows = self.state[group].reshape(kernels.ROWS, kernels.LANES)
        rows[: kernels.SHORT, column] = 0.0
        rows[kernels.SHORT :, column] = noise * noise + FLOOR
        marks[kernels.TRIGGER] = -1
        marks[kernels.WAITING] = 0


def _nearly(on: float, short: float, long: float) -> float:
    """Return the ratio that is left, a few samples on, of one that has been above `on`.

    The short average falls by ``1 - short`` a sample at the most, and what raises the long one
    raises it too, by more if ``short > on * long``. Where the averages are too alike for that,
    0: every block is then decided sample by sample.
    """
    return on * (1.0 - short) ** kernels.UNROLL if short > on * long else 0.0


class ChannelBank:
    """State of a growing set of channels, as arrays, and their newest samples.

    Parameters
    ----------
    settings
        Of the picker.
    kind
        float32 for speed, float64 for reference.

    Attributes
    ----------
    size
        Channels.
    samples_seen, settled_at : int64[at least size]
        Samples since each channel's start, and how many it takes until the channel sees.
    stretches : int64[at least size]
        How often each channel has started.
    """

    def __init__(self, settings: PickSettings, kind: Precision = np.float32) -> None:
        self._settings = settings
        self._kind = kind
        self.size = 0
        self._rates: list[_Rate] = []
        self._by_rate: dict[tuple[int, bool], int] = {}
        self._of = np.zeros(0, np.int64)
        self._lane = np.zeros(0, np.int64)
        self._anchor_ns = np.zeros(0, np.int64)
        self._anchor = np.zeros(0, np.int64)
        self._sampling = np.zeros(0)
        self.samples_seen = np.zeros(0, np.int64)
        self.settled_at = np.zeros(0, np.int64)
        self.stretches = np.zeros(0, np.int64)
        self._newest: _Batch | None = None

    def add(self, rate: float, *, triggers: bool, integer: bool) -> int:
        """Make room for a channel; return its number.

        Parameters
        ----------
        rate
            Samples a second. Filters are designed for the nearest whole number: devices
            wander by less than what that moves a corner.
        triggers
            Whether it may trigger.
        integer
            Whether its records hold integers.

        Raises
        ------
        ValueError
            If the rate is too low for the detector's band.
        """
        key = max(1, round(rate)), integer
        if key not in self._by_rate:
            self._rates.append(_Rate(float(key[0]), integer, self._settings, self._kind))
            self._by_rate[key] = len(self._rates) - 1
        of = self._by_rate[key]
        lane = self._rates[of].add(triggers)
        number = self.size
        if number == self._of.size:
            self._grow()
        self._of[number] = of
        self._lane[number] = lane
        self._sampling[number] = rate
        self.settled_at[number] = self._rates[of].lengths[kernels.SETTLE]
        self.size += 1
        return number

    def _grow(self) -> None:
        """Double the room."""
        more = np.zeros(max(64, self.size), np.int64)
        self._of = np.concatenate((self._of, more))
        self._lane = np.concatenate((self._lane, more))
        self._anchor_ns = np.concatenate((self._anchor_ns, more))
        self._anchor = np.concatenate((self._anchor, more))
        self._sampling = np.concatenate((self._sampling, np.zeros(more.size)))
        self.samples_seen = np.concatenate((self.samples_seen, more))
        self.settled_at = np.concatenate((self.settled_at, more))
        self.stretches = np.concatenate((self.stretches, more))

    def advance(
        self,
        channel: _Ints,
        first: _Ints,
        count: _Ints,
        start_ns: _Ints,
        rate: _Doubles,
        restart: _Ints,
        samples: npt.NDArray[np.int32] | _Doubles,
    ) -> tuple[list[Trigger], _Doubles, _Ints, _Ints]:
        """Run records through the detector.

        Parameters
        ----------
        channel, first, count, start_ns, rate, restart : arrays of n
            Channel number, place in `samples`, number of samples, time of the first, samples
            a second, and whether the channel goes on, starts again or resumes
            (`detect.kernels.RESTARTS`...). A channel's records stand in order.
        samples : int32[m] or float64[m]
            Counts; the channels are those of that type. Held until `keep`: do not change them.

        Returns
        -------
        triggers : list of Trigger
            In the order of the records.
        peaks : float64[n]
            Largest band-passed amplitude of each record, counts; 0 while settling.
        seen, stretch : int64[n]
            Samples before each record since the channel's start, and how often it has started.
        """
        order, rank = None, np.zeros(1, np.int64)
        if not (channel[1:] > channel[:-1]).all():
            order, rank = _in_order(channel)
            channel, first, count = channel[order], first[order], count[order]
            start_ns, rate, restart = start_ns[order], rate[order], restart[order]
        peaks = np.empty(channel.size)
        begun = np.empty((channel.size, 2), np.int64)
        found: list[Trigger] = []
        turns = int(rank.max(initial=0)) + 1
        for turn in range(turns):
            for number, lot in enumerate(self._rates):
                rows: slice | _Ints = slice(None)
                if turns > 1 or len(self._rates) > 1:
                    rows = ((rank == turn) & (self._of[channel] == number)).nonzero()[0]
                lanes = self._lane[channel[rows]]
                if lanes.size == 0:
                    continue
                out, begun[rows], peaks[rows] = lot.advance(
                    lanes, first[rows], count[rows], restart[rows], samples
                )
                for sample, confirmed, row in out.tolist():
                    at = row if isinstance(rows, slice) else int(rows[row])
                    record = at if order is None else int(order[at])
                    found.append(Trigger(record, int(channel[at]), sample, confirmed))
        seen, stretch = np.ascontiguousarray(begun.T)
        self._anchor_ns[channel] = start_ns
        self._anchor[channel] = seen
        self._sampling[channel] = rate
        self.samples_seen[channel] = seen + count
        self.stretches[channel] = stretch
        self._newest = _Batch(samples, channel, stretch, seen, first, count)
        found.sort(key=lambda trigger: trigger.record)
        if order is None:
            return found, peaks, seen, stretch
        back = np.empty_like(order)
        back[order] = np.arange(order.size)
        return found, peaks[back], seen[back], stretch[back]

    def calm(self, trigger: Trigger, noise: float) -> None:
        """Put a channel back to what it was before a trigger that was none of the ground.

        What a glitch leaves in the long average would hide an earthquake for minutes. To be called
        before the next records; nothing is done where a later trigger holds.

        Parameters
        ----------
        trigger
            Of a channel of the newest records.
        noise
            Root mean square before it, band-passed, counts.
        """
        lot = self._rates[self._of[trigger.channel]]
        lane = int(self._lane[trigger.channel])
        lot.calm(lane, trigger.sample, noise)

    def keep(self) -> None:
        """Keep the samples of the newest records for later.

        To be called when all that can be made of them has been: a record may be longer than what
        is kept.
        """
        batch, self._newest = self._newest, None
        if batch is None:
            return
        of = self._of[batch.channel]
        for number, lot in enumerate(self._rates):
            rows: slice | _Flags = slice(None) if len(self._rates) == 1 else of == number
            lanes = self._lane[batch.channel[rows]]
            if lanes.size == 0:
                continue
            lot.history.put(
                lanes,
                batch.first[rows],
                batch.count[rows],
                batch.seen[rows],
                batch.stretch[rows],
                batch.samples,
            )

    def rate(self, channel: int) -> float:
        """Return the newest sampling rate of a channel."""
        return float(self._sampling[channel])

    def seen(self, channel: int) -> int:
        """Return how many samples have come since the channel's start."""
        return int(self.samples_seen[channel])

    def stretch(self, channel: int) -> int:
        """Return how often the channel has started."""
        return int(self.stretches[channel])

    def time_ns(self, channel: int, sample: int) -> int:
        """Return the time of a sample, whose number counts from the channel's start.

        Reckoned from the newest record: from the start of the channel it would hang, by a
        nanosecond, on when that was.
        """
        after = sample - int(self._anchor[channel])
        return int(self._anchor_ns[channel]) + round(after * 1e9 / self.rate(channel))

    def sample(self, channel: int, time_ns: int) -> int:
        """Return the first sample at or after a time, counted from the channel's start."""
        since = (time_ns - int(self._anchor_ns[channel])) * self.rate(channel) * 1e-9
        return int(self._anchor[channel]) + math.ceil(since - 1e-6)

    def band(self, channel: int) -> _Doubles:
        """Return the detector's band-pass of a channel: float64[10]."""
        exact: _Doubles = self._rates[self._of[channel]].exact
        return exact

    def raw(self, channel: int, begin: int, end: int) -> _Doubles:
        """Return samples `begin` to `end`, counted from the channel's start.

        They may be of the newest records, or kept. Fewer, from a later one on, where the older
        ones are no longer kept.
        """
        stretch = self.stretch(channel)
        pieces: list[_Doubles] = []
        need = end
        if self._newest is not None:
            batch = self._newest
            low, high = batch.channel.searchsorted((channel, channel + 1)).tolist()
            for row in range(high - 1, low - 1, -1):
                at = int(batch.seen[row])
                if batch.stretch[row] != stretch or at >= need:
                    continue
                from_ = max(begin - at, 0)
                first = int(batch.first[row])
                piece = batch.samples[first + from_ : first + need - at]
                pieces.append(piece.astype(np.float64))
                need = at + from_
        if need > begin:
            lot = self._rates[self._of[channel]]
            pieces.append(lot.history.get(int(self._lane[channel]), stretch, begin, need))
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces[::-1]) if pieces else np.empty(0)


def _in_order(channel: _Ints) -> tuple[_Ints, _Ints]:
    """Return an order by channel, and how often a row's channel has stood before it."""
    order = channel.argsort(kind="stable")
    rank = np.zeros(channel.size, np.int64)
    ordered = channel[order]
    for i in ((ordered[1:] == ordered[:-1]).nonzero()[0] + 1).tolist():
        rank[i] = rank[i - 1] + 1
    return order, rank
