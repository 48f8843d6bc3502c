"""What stations are to report: how far their data reach, their peaks, and their faults."""

import numpy as np
import numpy.typing as npt
from numba import njit

from detect.bank import ChannelBank
from ingest import quality
from ingest.continuity import Continuity
from ingest.quality import Quality

__all__ = ["FAULTS", "Reports"]

FAULTS = (*quality.NAMES, "clock", "warming", "late")
"""Names of the faults, in the order of their bits."""

CLOCK, WARMING, LATE = (1 << i for i in range(len(quality.NAMES), len(FAULTS)))
NONE = -1  # the number of no channel

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]


@njit(cache=True, nogil=True, error_model="numpy")
def _hear(
    channel: _Ints,
    end_ns: _Ints,
    peaks: _Doubles,
    station_of: _Ints,
    primary: _Flags,
    accelerometer: _Flags,
    gain: _Doubles,
    data_end_ns: _Ints,
    pga: _Doubles,
    pgv: _Doubles,
    waiting: _Flags,
) -> None:
    """Note records: where they end, and their peak in counts."""
    for i in range(channel.size):
        c = channel[i]
        s = station_of[c]
        amplitude = peaks[i] / gain[c]
        if primary[c]:
            data_end_ns[s] = max(data_end_ns[s], end_ns[i])
        if accelerometer[c]:
            pga[s] = max(pga[s], amplitude)
        else:
            pgv[s] = max(pgv[s], amplitude)
        waiting[s] = True


@njit(cache=True, nogil=True, error_model="numpy")
def _faults(
    stations: _Ints,
    arrival_ns: _Ints,
    late_ns: int,
    bits: tuple[int, int, int],
    first: _Ints,
    after: _Ints,
    until_ns: _Ints,
    wrong_until_ns: _Ints,
    seen: _Ints,
    settled_at: _Ints,
    data_end_ns: _Ints,
) -> _Ints:
    """Return the bits of `FAULTS` of stations, each at an arrival; all primary channels count.

    `bits` are CLOCK, WARMING, LATE: a value of another file would stay in numba's cache.
    """
    clock, warming, late = bits
    masks = np.zeros(stations.size, np.int64)
    for i in range(stations.size):
        s = stations[i]
        now = arrival_ns[i]
        blind = True
        c = first[s]
        while c != NONE:
            for k in range(until_ns.shape[1]):
                if now < until_ns[c, k]:
                    masks[i] |= 1 << k
            if now < wrong_until_ns[c]:
                masks[i] |= clock
            blind = blind and seen[c] < settled_at[c]
            c = after[c]
        if blind:
            masks[i] |= warming
        if now - data_end_ns[s] > late_ns:
            masks[i] |= late
    return masks


class Reports:
    """The next reports of all stations, by number, folded from the records of their channels.

    Parameters
    ----------
    bank, continuity, faults
        State by channel.
    late_s
        A station whose data come later than this (s) is late.

    Attributes
    ----------
    station_of : int64[at least channels]
        Station number of each channel.
    data_end_ns : int64[at least stations]
        Where the data of each station's primary channels end.
    pga, pgv : float64[at least stations]
        Peaks (m/s2, m/s) since the last report.
    """

    def __init__(
        self, bank: ChannelBank, continuity: Continuity, faults: Quality, late_s: float
    ) -> None:
        self._bank = bank
        self._continuity = continuity
        self._quality = faults
        self._late_ns = int(late_s * 1e9)
        self._stations = 0
        self.station_of = np.zeros(0, np.int64)
        self._primary = np.zeros(0, np.bool_)
        self._accelerometer = np.zeros(0, np.bool_)
        self._gain = np.zeros(0)
        self._after = np.zeros(0, np.int64)
        self._first = np.zeros(0, np.int64)
        self.data_end_ns = np.zeros(0, np.int64)
        self.pga = np.zeros(0)
        self.pgv = np.zeros(0)
        self._waiting = np.zeros(0, np.bool_)

    def add_station(self) -> int:
        """Make room for a station; return its number."""
        number = self._stations
        if number == self._first.size:
            more = max(64, number)
            self._first = np.concatenate((self._first, np.full(more, NONE, np.int64)))
            self.data_end_ns = np.concatenate((self.data_end_ns, np.zeros(more, np.int64)))
            self.pga = np.concatenate((self.pga, np.zeros(more)))
            self.pgv = np.concatenate((self.pgv, np.zeros(more)))
            self._waiting = np.concatenate((self._waiting, np.zeros(more, np.bool_)))
        self._stations += 1
        return number

    def add_channel(
        self, channel: int, station: int, *, primary: bool, accelerometer: bool, gain: float
    ) -> None:
        """Make room for a channel of the bank; see `detect.following.Axis`."""
        if channel >= self._gain.size:
            more = max(64, channel)
            self.station_of = np.concatenate((self.station_of, np.zeros(more, np.int64)))
            self._primary = np.concatenate((self._primary, np.zeros(more, np.bool_)))
            self._accelerometer = np.concatenate((self._accelerometer, np.zeros(more, np.bool_)))
            self._gain = np.concatenate((self._gain, np.zeros(more)))
            self._after = np.concatenate((self._after, np.zeros(more, np.int64)))
        self.station_of[channel] = station
        self._primary[channel] = primary
        self._accelerometer[channel] = accelerometer
        self._gain[channel] = gain
        if primary:
            self._after[channel] = self._first[station]
            self._first[station] = channel

    def hear(self, channel: _Ints, end_ns: _Ints, peaks: _Doubles) -> None:
        """Note records: their channels, where they end, and their peaks in counts."""
        _hear(
            channel,
            end_ns,
            peaks,
            self.station_of,
            self._primary,
            self._accelerometer,
            self._gain,
            self.data_end_ns,
            self.pga,
            self.pgv,
            self._waiting,
        )

    def faults(self, stations: _Ints, arrival_ns: _Ints) -> _Ints:
        """Return what is wrong with stations, each at an arrival: bits of `FAULTS`."""
        masks = _faults(
            stations,
            arrival_ns,
            self._late_ns,
            (CLOCK, WARMING, LATE),
            self._first,
            self._after,
            self._quality.until_ns,
            self._continuity.wrong_until_ns,
            self._bank.samples_seen,
            self._bank.settled_at,
            self.data_end_ns,
        )
        return np.asarray(masks)

    def waiting(self) -> _Flags:
        """Say of every station if it was heard since its last report."""
        return self._waiting[: self._stations]

    def made(self, stations: _Ints) -> None:
        """Note that stations have been reported."""
        self.pga[stations] = 0.0
        self.pgv[stations] = 0.0
        self._waiting[stations] = False
