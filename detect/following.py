"""The motion of the ground since a pick, worked out from the samples around it.

Only stations that have just picked need it, so it is not part of the loop over all samples:
filters start from rest some seconds before the pick, and then go on with what comes.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from detect import filters, motion
from detect.bank import ChannelBank
from detect.motion import NONE, STATES, Axes

__all__ = ["WINDOWS_S", "Axis", "Follower", "Following"]

WINDOWS_S = (0.5, 1.0, 2.0, 3.0, 4.0)
"""Lengths (s) of the windows after a pick over which peak displacement is taken."""

RUN_UP_S = 15.0  # before the pick: the slowest filter (0.075 Hz) comes to itself
NOISE_S = 6.0  # of it, the end: displacement before the pick
LEAST_S = 3.0  # an axis with less before the pick says nothing

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]


class Axis(Struct, frozen=True, gc=False):
    """A channel as the motion needs it.

    Attributes
    ----------
    channel
        Its number in the bank.
    gain
        Counts per m/s2 or m/s, as the samples stand in the bank.
    accelerometer
        Which of the two.
    primary
        Whether displacement is taken from it: the vertical, or all where none is known.
    """

    channel: int
    gain: float
    accelerometer: bool
    primary: bool


class Following(Struct, frozen=True, gc=False):
    """A pick that is followed.

    Attributes
    ----------
    pick_id, time_ns
        The pick.
    number
        Its place in the follower's arrays.
    noise_m
        Peak displacement (m) before the pick: the vertical's, or the norm.
    noise_pgv, noise_pga
        Peak velocity and acceleration (m/s, m/s2) before the pick, the largest of all axes.
    """

    pick_id: str
    time_ns: int
    number: int
    noise_m: float
    noise_pgv: float
    noise_pga: float


class Follower:
    """The picks that are followed, as arrays, and the motion since each.

    Parameters
    ----------
    bank
        Where the samples are.

    Attributes
    ----------
    peaks : float64[at least picks, 2]
        Peak acceleration and velocity (m/s2, m/s) since each pick, the largest of all axes.
    complete : int64[at least picks]
        How many of the windows of a pick are complete.
    unbroken : bool[at least picks]
        Whether any axis of a pick still comes without a gap, or none ever did.
    windows_m : float64[at least picks, windows]
        Peak displacement (m) of the complete windows: the vertical's, or the norm.
    """

    def __init__(self, bank: ChannelBank) -> None:
        self._bank = bank
        self._newest = np.zeros(0, np.int64)
        self._axes = Axes(
            gain=np.zeros(0),
            offset=np.zeros(0),
            rate=np.zeros(0),
            accelerometer=np.zeros(0, np.bool_),
            works=np.zeros(0, np.bool_),
            sections=np.zeros((0, 4, 5)),
            state=np.zeros((0, STATES)),
            stretch=np.zeros(0, np.int64),
            next_sample=np.zeros(0, np.int64),
            since=np.zeros(0, np.int64),
            after=np.zeros(0, np.int64),
            pga=np.zeros(0),
            pgv=np.zeros(0),
            noise=np.zeros((0, 3)),
            displacement=np.zeros((0, 1)),
        )
        self._channel = np.zeros(0, np.int64)
        self._primary = np.zeros(0, np.bool_)
        self._free_axes: list[int] = []
        self._rows = np.zeros((0, 3), np.int64)
        self._lengths = np.zeros((0, len(WINDOWS_S)), np.int64)
        self._free_picks: list[int] = []
        self.peaks = np.zeros((0, 2))
        self.complete = np.zeros(0, np.int64)
        self.unbroken = np.zeros(0, np.bool_)
        self.windows_m = np.zeros((0, len(WINDOWS_S)))

    def begin(self, pick_id: str, time_ns: int, axes: Sequence[Axis]) -> Following:
        """Begin to follow a pick, on the channels of its sensor, up to their newest samples."""
        if not self._free_picks:
            self._grow_picks()
        number = self._free_picks.pop()
        rows = [at for axis in axes if (at := self._begin(axis, time_ns)) != NONE]
        if len(rows) > self._rows.shape[1]:
            wider = np.full((self._rows.shape[0], len(rows)), NONE, np.int64)
            wider[:, : self._rows.shape[1]] = self._rows
            self._rows = wider
        self._rows[number] = NONE
        self._rows[number, : len(rows)] = rows
        self.complete[number] = 0
        primary = [at for at in rows if self._primary[at]]
        if primary:
            rate = float(self._axes.rate[primary[0]])
            self._lengths[number] = [max(1, round(length * rate)) for length in WINDOWS_S]
        noise = self._axes.noise[rows]
        noise_m = math.sqrt(sum(float(self._axes.noise[at, 0]) ** 2 for at in primary))
        self._sum_up(np.array([number], np.int64))
        return Following(
            pick_id,
            time_ns,
            number,
            noise_m,
            noise_pgv=float(noise[:, 1].max(initial=0.0)),
            noise_pga=float(noise[:, 2].max(initial=0.0)),
        )

    def _begin(self, axis: Axis, time_ns: int) -> int:
        """Begin an axis; return its row, or NONE if there is too little before the pick."""
        bank, channel = self._bank, axis.channel
        rate = bank.rate(channel)
        end = bank.seen(channel)
        pick = bank.sample(channel, time_ns)
        raw = bank.raw(channel, max(pick - round(RUN_UP_S * rate), 0), end)
        before = raw.size - (end - pick)
        if before < LEAST_S * rate or pick >= end:
            return NONE
        if not self._free_axes:
            self._grow_axes()
        at = self._free_axes.pop()
        longest = max(1, round(WINDOWS_S[-1] * rate))
        if longest > self._axes.displacement.shape[1]:
            self._widen(longest)
        axes = self._axes
        axes.gain[at], axes.rate[at], axes.accelerometer[at] = axis.gain, rate, axis.accelerometer
        axes.sections[at] = filters.motion(float(max(1, round(rate))), axis.accelerometer)
        axes.stretch[at], axes.next_sample[at] = bank.stretch(channel), end - raw.size
        self._channel[at], self._primary[at] = channel, axis.primary
        if channel >= self._newest.size:
            more = max(bank.size, 2 * self._newest.size) - self._newest.size
            self._newest = np.concatenate((self._newest, np.full(more, NONE, np.int64)))
        axes.after[at] = self._newest[channel]
        self._newest[channel] = at
        motion.begin(raw, before, max(before - round(NOISE_S * rate), 0), at, axes)
        return at

    def go_on(
        self,
        channel: _Ints,
        first: _Ints,
        count: _Ints,
        seen: _Ints,
        stretch: _Ints,
        samples: npt.NDArray[np.int32] | _Doubles,
        picks: Sequence[Following],
    ) -> None:
        """Take in records, and sum up the picks whose channels they are of.

        Parameters
        ----------
        channel, first, count, seen, stretch : int64[n]
            As given to and by `ChannelBank.advance`.
        samples
            As given to it.
        picks
            Those to be summed up.
        """
        if channel.max(initial=0) >= self._newest.size:
            more = max(self._bank.size, 2 * self._newest.size) - self._newest.size
            self._newest = np.concatenate((self._newest, np.full(more, NONE, np.int64)))
        motion.go_on(channel, first, count, seen, stretch, samples, self._newest, self._axes)
        self._sum_up(np.array([pick.number for pick in picks], np.int64))

    def _sum_up(self, numbers: _Ints) -> None:
        motion.sum_up(
            numbers,
            self._rows,
            self._primary,
            self._lengths,
            self.peaks,
            self.complete,
            self.unbroken,
            self.windows_m,
            self._axes,
        )

    def let_go(self, pick: Following) -> None:
        """Follow a pick no longer."""
        for at in self._rows[pick.number].tolist():
            if at == NONE:
                break
            channel = int(self._channel[at])
            before = NONE
            here = int(self._newest[channel])
            while here != at:
                before, here = here, int(self._axes.after[here])
            if before == NONE:
                self._newest[channel] = self._axes.after[at]
            else:
                self._axes.after[before] = self._axes.after[at]
            self._free_axes.append(at)
        self._free_picks.append(pick.number)

    def _grow_axes(self) -> None:
        """Double the room."""
        size = self._primary.size
        more = max(64, size)

        def grown(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
            longer = np.zeros((size + more, *array.shape[1:]), array.dtype)
            longer[:size] = array
            return longer

        self._axes = Axes(*map(grown, self._axes))  # type: ignore[arg-type]
        self._channel = np.concatenate((self._channel, np.zeros(more, np.int64)))
        self._primary = np.concatenate((self._primary, np.zeros(more, np.bool_)))
        self._free_axes.extend(range(size + more - 1, size - 1, -1))

    def _widen(self, samples: int) -> None:
        displacement = np.zeros((self._primary.size, samples))
        displacement[:, : self._axes.displacement.shape[1]] = self._axes.displacement
        self._axes = self._axes._replace(displacement=displacement)

    def _grow_picks(self) -> None:
        """Double the room."""
        size = self.complete.size
        more = max(64, size)
        self._rows = np.concatenate(
            (self._rows, np.full((more, self._rows.shape[1]), NONE, np.int64))
        )
        self._lengths = np.concatenate((self._lengths, np.zeros((more, len(WINDOWS_S)), np.int64)))
        self.peaks = np.concatenate((self.peaks, np.zeros((more, 2))))
        self.complete = np.concatenate((self.complete, np.zeros(more, np.int64)))
        self.unbroken = np.concatenate((self.unbroken, np.zeros(more, np.bool_)))
        self.windows_m = np.concatenate((self.windows_m, np.zeros((more, len(WINDOWS_S)))))
        self._free_picks.extend(range(size + more - 1, size - 1, -1))
