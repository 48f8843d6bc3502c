"""The state of all channels of a partition, and the call that advances it."""

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from detect import filters, kernels
from detect.settings import PickSettings

__all__ = ["MAX_VALUE_S", "ChannelBank", "Onset"]

RING_S = 16.0
MAX_VALUE_S = 4.0
"""Longest stretch (s) that one call may add to a channel, so that the ring still holds the
windows of 4 s after a pick and of 3 s before it."""

MOST_PER_RECORD = 2  # onsets are 2 s apart or more, and a record is at most 4 s long

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]


class Onset(Struct, frozen=True):
    """An onset on one channel.

    Attributes
    ----------
    record
        Index of the record that completed it.
    channel
        Channel number.
    time_ns, sigma_s
        When, and its standard deviation.
    snr, polarity, polarity_confidence
        See `detect.detections.Pick`.
    noise_m
        Peak displacement (m) in the seconds before.
    """

    record: int
    channel: int
    time_ns: int
    sigma_s: float
    snr: float
    polarity: int
    polarity_confidence: float
    noise_m: float


class ChannelBank:
    """State of a growing set of channels, as arrays.

    Parameters
    ----------
    settings
        Of the picker.
    """

    def __init__(self, settings: PickSettings) -> None:
        self._settings = settings
        self._thresholds = np.array([settings.on, settings.off, settings.again])
        self.size = 0
        self._per_unit = np.zeros(0)
        self._accelerometer = np.zeros(0, np.bool_)
        self._picks = np.zeros(0, np.bool_)
        self._band = np.zeros((0, 2, 5))
        self._motion = np.zeros((0, 4, 5))
        self._averages = np.zeros((0, 3))
        self._lengths = np.zeros((0, 6), np.int64)
        self._filtered = np.zeros((0, 12))
        self._levels = np.zeros((0, 6))
        self._marks = np.zeros((0, 4), np.int64)
        self._anchor_ns = np.zeros(0, np.int64)
        self._rate = np.zeros(0)
        self._ring_first = np.zeros(0, np.int64)
        self._ring_size = np.zeros(0, np.int64)
        self._band_ring = np.zeros(0)
        self._displacement_ring = np.zeros(0)

    def add(self, rate: float, gain: float, *, accelerometer: bool, picks: bool) -> int:
        """Make room for a channel; return its number.

        Parameters
        ----------
        rate
            Samples a second.
        gain
            Counts per m/s2 or m/s.
        accelerometer
            True for m/s2, False for m/s.
        picks
            Whether it may trigger.

        Raises
        ------
        ValueError
            If the rate is too low for the detector's band.
        """
        s = self._settings
        band = filters.band_pass(rate, s.low_hz, s.high_hz)
        motion = filters.motion(rate, accelerometer)
        averages = [1.0 / (length * rate) for length in (s.short_s, s.long_s, s.middle_s)]
        seconds = (s.settle_s, s.confirm_s, s.shortest_s, s.longest_s, s.apart_s, s.window_s)
        ring = int(np.ceil(RING_S * rate * 1.02))
        self._per_unit = np.append(self._per_unit, 1.0 / gain)
        self._accelerometer = np.append(self._accelerometer, accelerometer)
        self._picks = np.append(self._picks, picks)
        self._band = np.concatenate((self._band, band[None]))
        self._motion = np.concatenate((self._motion, motion[None]))
        self._averages = np.concatenate((self._averages, np.array([averages])))
        self._lengths = np.concatenate(
            (self._lengths, np.array([[max(1, round(t * rate)) for t in seconds]]))
        )
        self._filtered = np.concatenate((self._filtered, np.zeros((1, 12))))
        self._levels = np.concatenate((self._levels, np.zeros((1, 6))))
        self._marks = np.concatenate((self._marks, np.array([[0, -1, 0, -1]])))
        self._anchor_ns = np.append(self._anchor_ns, 0)
        self._rate = np.append(self._rate, rate)
        self._ring_first = np.append(self._ring_first, self._band_ring.size)
        self._ring_size = np.append(self._ring_size, ring)
        self._band_ring = np.concatenate((self._band_ring, np.zeros(ring)))
        self._displacement_ring = np.concatenate((self._displacement_ring, np.zeros(ring)))
        self.size += 1
        return self.size - 1

    def advance(
        self,
        channel: _Ints,
        first: _Ints,
        count: _Ints,
        start_ns: _Ints,
        rate: _Floats,
        restart: _Flags,
        samples: _Floats,
    ) -> tuple[list[Onset], _Floats]:
        """Run records through the detector, in order.

        Parameters
        ----------
        channel, first, count, start_ns, rate, restart : arrays of n
            Channel number, place in `samples`, number of samples, time of the first, samples
            a second, and whether the channel starts again from rest. No record is longer
            than `MAX_VALUE_S`.
        samples : float64[m]
            Counts.

        Returns
        -------
        onsets : list of Onset
            In the order of the records.
        peaks : float64[n, 2]
            Largest acceleration (m/s2) and velocity (m/s) of each record.
        """
        self._rate[channel] = rate
        peaks = np.zeros((channel.size, 2))
        found = np.zeros((channel.size * MOST_PER_RECORD, 4), np.int64)
        values = np.zeros((channel.size * MOST_PER_RECORD, 4))
        many = kernels.advance(
            channel,
            first,
            count,
            start_ns,
            rate,
            restart,
            samples,
            self._per_unit,
            self._accelerometer,
            self._picks,
            self._band,
            self._motion,
            self._averages,
            self._lengths,
            self._thresholds,
            self._filtered,
            self._levels,
            self._marks,
            self._anchor_ns,
            self._ring_first,
            self._ring_size,
            self._band_ring,
            self._displacement_ring,
            peaks,
            found,
            values,
        )
        onsets = [
            Onset(
                record=int(found[i, 0]),
                channel=int(channel[found[i, 0]]),
                time_ns=int(found[i, 2]),
                sigma_s=float(values[i, 0]),
                snr=float(values[i, 1]),
                polarity=int(found[i, 3]),
                polarity_confidence=float(values[i, 2]),
                noise_m=float(values[i, 3]),
            )
            for i in range(many)
        ]
        return onsets, peaks

    def settling(self, channel: int) -> bool:
        """Say whether a channel is still blind after a start or a gap."""
        return bool(self._marks[channel, 0] < self._lengths[channel, 0])

    def displacement(self, channel: int, since_ns: int) -> _Floats | None:
        """Return the displacement (m) from a time on to the newest sample.

        None if the ring no longer holds that time, or the channel has started again since.
        """
        seen = int(self._marks[channel, 0])
        size = int(self._ring_size[channel])
        since = (since_ns - int(self._anchor_ns[channel])) * self._rate[channel] * 1e-9
        begin = int(np.ceil(since - 1e-6))
        if begin < max(seen - size, 0):
            return None
        at = int(self._ring_first[channel]) + np.arange(begin, seen) % size
        return self._displacement_ring[at]

    def rate(self, channel: int) -> float:
        """Return the newest sampling rate of a channel."""
        return float(self._rate[channel])
