"""The contract per channel: which samples of a record are used, and what is done with the rest.

In order: used. Exact repeat: dropped. Overlap: the new tail is used. Short gap: used, filters
start again, what was learnt of the noise stays. Longer gap or change of rate: used, all starts
again. Late beyond the horizon, out of order: dropped. A clock in the
future: dropped, and the channel is faulty until it has been right for a while. All is
counted; nothing is filled in.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from ingest.settings import ContinuitySettings

__all__ = [
    "BRIDGED",
    "FUTURE",
    "LATE",
    "OLD",
    "OVERLAP",
    "REPEAT",
    "RESTART",
    "USED",
    "VERDICTS",
    "Continuity",
]

USED, RESTART, BRIDGED, OVERLAP, REPEAT, OLD, LATE, FUTURE = range(8)
VERDICTS = ("used", "restart", "bridged", "overlap", "repeat", "out of order", "late", "future")
"""Names of the verdicts, in the order of their numbers."""

RATE_TOLERANCE = 0.02  # a device's measured rate wanders by under 1 %; a new rate is a new setup

BRIDGED_AFTER = 2.5
"""Lengths of a gap for which there must have been data before it."""

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def _assess(
    channel: _Ints,
    start_ns: _Ints,
    count: _Ints,
    rate: _Floats,
    arrival_ns: _Ints,
    limits: tuple[float, float, float, float, float],
    next_ns: _Ints,
    began_ns: _Ints,
    last_start_ns: _Ints,
    last_count: _Ints,
    last_rate: _Floats,
    wrong_until_ns: _Ints,
    tallies: _Ints,
    verdict: _Ints,
    skip: _Ints,
) -> None:
    """Judge records in order; the state arrays are by channel, `tallies` by channel and verdict."""
    tear, bridge_ns, horizon_ns, future_ns, agree_ns = limits
    for i in range(channel.size):
        c = channel[i]
        step = 1e9 / rate[i]
        end = start_ns[i] + np.int64(count[i] * step)
        gap_ns = start_ns[i] - next_ns[c]
        skip[i] = 0
        if end - arrival_ns[i] > future_ns:
            verdict[i] = FUTURE
            wrong_until_ns[c] = arrival_ns[i] + agree_ns
        elif arrival_ns[i] - end > horizon_ns:
            verdict[i] = LATE
        elif next_ns[c] == 0 or abs(rate[i] - last_rate[c]) > RATE_TOLERANCE * rate[i]:
            verdict[i] = RESTART
        elif gap_ns > tear * step:
            enough = next_ns[c] - began_ns[c] >= BRIDGED_AFTER * gap_ns
            verdict[i] = BRIDGED if enough and gap_ns <= bridge_ns else RESTART
        elif gap_ns >= -tear * step:
            verdict[i] = USED
        elif end - next_ns[c] > tear * step:
            verdict[i] = OVERLAP
            skip[i] = min(count[i], np.int64(np.rint(-gap_ns / step)))
        elif start_ns[i] == last_start_ns[c] and count[i] == last_count[c]:
            verdict[i] = REPEAT
        else:
            verdict[i] = OLD
        tallies[c, verdict[i]] += 1
        if verdict[i] == RESTART or verdict[i] == BRIDGED:
            began_ns[c] = start_ns[i]
        if verdict[i] <= OVERLAP:
            next_ns[c] = end
            last_start_ns[c] = start_ns[i]
            last_count[c] = count[i]
            last_rate[c] = rate[i]


class Continuity:
    """The contract over a growing set of channels.

    Parameters
    ----------
    settings
        Tolerances.

    Attributes
    ----------
    wrong_until_ns : int64[at least channels]
        Arrival until which each channel's clock is taken to be wrong.
    """

    def __init__(self, settings: ContinuitySettings) -> None:
        self._limits = (
            settings.tear_samples,
            settings.bridge_s * 1e9,
            settings.horizon_s * 1e9,
            settings.future_s * 1e9,
            settings.agree_s * 1e9,
        )
        self._next_ns = np.zeros(0, np.int64)
        self._began_ns = np.zeros(0, np.int64)
        self._last_start_ns = np.zeros(0, np.int64)
        self._last_count = np.zeros(0, np.int64)
        self._last_rate = np.zeros(0)
        self.wrong_until_ns = np.zeros(0, np.int64)
        self._channels = 0
        self._tallies = np.zeros((0, len(VERDICTS)), np.int64)

    @property
    def tallies(self) -> _Ints:
        """Records by verdict since the start: int64[channels, verdicts]."""
        return self._tallies[: self._channels]

    def grow(self, channels: int) -> None:
        """Make room for channels with numbers below `channels`; new ones have seen nothing."""
        self._channels = max(channels, self._channels)
        if channels <= self._next_ns.size:
            return
        more = max(channels, 2 * self._next_ns.size, 64) - self._next_ns.size
        zeros = np.zeros(more, np.int64)
        self._next_ns = np.concatenate((self._next_ns, zeros))
        self._began_ns = np.concatenate((self._began_ns, zeros))
        self._last_start_ns = np.concatenate((self._last_start_ns, zeros))
        self._last_count = np.concatenate((self._last_count, zeros))
        self._last_rate = np.concatenate((self._last_rate, np.zeros(more)))
        self.wrong_until_ns = np.concatenate((self.wrong_until_ns, zeros))
        self._tallies = np.concatenate((self._tallies, np.zeros((more, len(VERDICTS)), np.int64)))

    def assess(
        self,
        channel: _Ints,
        start_ns: _Ints,
        count: _Ints,
        rate: _Floats,
        arrival_ns: _Ints,
    ) -> tuple[_Ints, _Ints]:
        """Judge records in the order they came.

        Parameters
        ----------
        channel, start_ns, count, rate, arrival_ns : arrays of n
            Channel number, time of the first sample, samples, samples a second, arrival.

        Returns
        -------
        verdict, skip : int64[n]
            One of `VERDICTS` each, and how many samples at the front are known already.
        """
        verdict = np.empty(channel.size, np.int64)
        skip = np.empty(channel.size, np.int64)
        _assess(
            channel,
            start_ns,
            count,
            rate,
            arrival_ns,
            self._limits,
            self._next_ns,
            self._began_ns,
            self._last_start_ns,
            self._last_count,
            self._last_rate,
            self.wrong_until_ns,
            self._tallies,
            verdict,
            skip,
        )
        return verdict, skip
