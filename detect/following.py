"""The motion of the ground since a pick, worked out from the samples around it.

Only stations that have just picked need it, so it is not part of the loop over all samples:
filters start from rest some seconds before the pick, and then go on with what comes.
"""

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from detect import filters
from detect.bank import ChannelBank
from detect.motion import motion

__all__ = ["WINDOWS_S", "Axis", "Following"]

WINDOWS_S = (0.5, 1.0, 2.0, 3.0, 4.0)
"""Lengths (s) of the windows after a pick over which peak displacement is taken."""

RUN_UP_S = 15.0  # before the pick: the slowest filter (0.075 Hz) comes to itself
NOISE_S = 6.0  # of it, the end: displacement before the pick
LEAST_S = 3.0  # an axis with less before the pick says nothing

_Doubles = npt.NDArray[np.float64]


class Axis(Struct, frozen=True):
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


class _Running:
    """One axis since its run-up."""

    def __init__(self, axis: Axis, bank: ChannelBank, time_ns: int) -> None:
        rate = bank.rate(axis.channel)
        self.axis = axis
        self.rate = rate
        self.stretch = bank.stretch(axis.channel)
        self.sections = filters.motion(float(max(1, round(rate))), axis.accelerometer)
        self.state = np.zeros(9)
        self.pga = 0.0
        self.pgv = 0.0
        self.displacement = np.empty(0)
        self.noise_m = 0.0
        end = bank.seen(axis.channel)
        pick = bank.sample(axis.channel, time_ns)
        raw = bank.raw(axis.channel, max(pick - round(RUN_UP_S * rate), 0), end)
        before = raw.size - (end - pick)
        self.works = before >= LEAST_S * rate and pick < end
        if not self.works:
            return
        self.offset = float(raw[:before].mean())
        self.next = end
        acceleration, velocity, displacement = self._run(raw)
        quiet = displacement[max(before - round(NOISE_S * rate), 0) : before - 2]
        self.noise_m = float(np.abs(quiet).max())
        self._take(acceleration[before:], velocity[before:], displacement[before:])

    def _run(self, raw: _Doubles) -> tuple[_Doubles, _Doubles, _Doubles]:
        out = np.empty((3, raw.size))
        x = (raw - self.offset) / self.axis.gain
        motion(
            x, self.sections, self.state, self.axis.accelerometer, self.rate, out[0], out[1], out[2]
        )
        return out[0], out[1], out[2]

    def _take(self, acceleration: _Doubles, velocity: _Doubles, displacement: _Doubles) -> None:
        if acceleration.size == 0:
            return
        self.pga = max(self.pga, float(np.abs(acceleration).max()))
        self.pgv = max(self.pgv, float(np.abs(velocity).max()))
        if self.displacement.size < (WINDOWS_S[-1] + 1.0) * self.rate:
            self.displacement = np.concatenate((self.displacement, displacement))

    def go_on(self, bank: ChannelBank) -> None:
        """Take in what has come; an axis that has started again says nothing more."""
        channel = self.axis.channel
        if bank.stretch(channel) != self.stretch:
            self.works = False
            return
        end = bank.seen(channel)
        if end > self.next:
            raw = bank.raw(channel, self.next, end)
            self.works = raw.size == end - self.next
            if self.works:
                self._take(*self._run(raw))
                self.next = end


class Following:
    """A pick and the motion since.

    Parameters
    ----------
    pick_id, time_ns
        The pick.
    axes
        The channels of its sensor.
    bank
        Where the samples are.

    Attributes
    ----------
    windows_m
        Peak displacement (m) of the windows that are complete: the vertical's, or the norm.
    noise_m
        Peak displacement (m) before the pick.
    pga, pgv
        Peaks (m/s2, m/s) since the pick, largest of all axes.
    """

    def __init__(
        self, pick_id: str, time_ns: int, axes: tuple[Axis, ...], bank: ChannelBank
    ) -> None:
        self.pick_id = pick_id
        self.time_ns = time_ns
        self._running = [r for r in (_Running(axis, bank, time_ns) for axis in axes) if r.works]
        primary = [r for r in self._running if r.axis.primary]
        self.noise_m = float(np.sqrt(sum(r.noise_m**2 for r in primary)))
        self.windows_m: list[float] = []
        self.pga = 0.0
        self.pgv = 0.0
        self._sum_up()

    def go_on(self, bank: ChannelBank) -> None:
        """Take in what has come."""
        for running in self._running:
            if running.works:
                running.go_on(bank)
        self._sum_up()

    def _sum_up(self) -> None:
        self.pga = max((r.pga for r in self._running), default=0.0)
        self.pgv = max((r.pgv for r in self._running), default=0.0)
        if len(self.windows_m) == len(WINDOWS_S):
            return
        primary = [r for r in self._running if r.axis.primary and r.works]
        if not primary:
            return
        shortest = min(r.displacement.size for r in primary)
        norm = np.sqrt(sum(r.displacement[:shortest] ** 2 for r in primary))
        for length in WINDOWS_S[len(self.windows_m) :]:
            samples = max(1, round(length * primary[0].rate))
            if samples > shortest:
                break
            self.windows_m.append(float(norm[:samples].max()))
