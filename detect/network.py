"""What the locator knows of the stations: how far their data reach, and how they are."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from numba import njit

from detect.detections import Heartbeat, Motion, Pick, PickMotion, StationMotion
from detect.geodesy import EARTH_RADIUS_KM

__all__ = ["Circle", "Network", "Watching"]

FAULTS = ("flat", "stuck", "clock", "late", "warming", "clipped")
BLIND = 0b011111  # picks do not count, silence says nothing; clipped: amplitudes do not count
_BITS = {name: 1 << i for i, name in enumerate(FAULTS)}

STANDS_OUT = 3.0  # times what was before
ONSET_S = 0.3  # seconds of data by which an onset is judged
NEVER_US = -(2**62)
LEAST_PEAK = 1e-12  # m/s2, m/s: below any sensor's noise
EIGHT = 8  # sums side by side
NOISE_SECONDS = 2 * EIGHT
STEP = 1.1  # of time between two looks at motion that are kept
LAST_GROWN_S = 30.0
RISE = 1.1  # of a peak, that is kept
_KM_PER_DEGREE = EARTH_RADIUS_KM * math.pi / 180.0

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


class Circle(Struct, frozen=True):
    """A part of the Earth's surface: degrees, and km."""

    latitude: float
    longitude: float
    radius_km: float


class Watching(Struct, frozen=True):
    """Stations that are healthy, by name.

    Attributes
    ----------
    numbers
        Those of `Network.name`.
    latitude, longitude, data_end_us, pga, pgv
        As in `StationMotion`.
    accelerometer
        Whether its peaks are acceleration.
    log_noise
        log10 of the peak (m/s2 or m/s) in a quiet second; NaN where none was of late.
    """

    numbers: _Ints
    latitude: _Floats
    longitude: _Floats
    data_end_us: _Ints
    pga: _Floats
    pgv: _Floats
    accelerometer: npt.NDArray[np.bool_]
    log_noise: _Floats


@njit(cache=True, nogil=True, error_model="numpy")
def _watching(
    order: _Ints,
    arrival_us: _Ints,
    pick_us: _Ints,
    faults: _Ints,
    latitude: _Floats,
    longitude: _Floats,
    heard_since_us: int,
    picked_before_us: int,
    middle: tuple[float, float],
    half: tuple[float, float],
) -> _Ints:
    """Return the stations in a box of degrees that are heard, healthy and have not picked."""
    found = np.empty(order.size, np.int64)
    n = 0
    for i in order:
        if arrival_us[i] < heard_since_us or pick_us[i] >= picked_before_us or faults[i] & BLIND:
            continue
        if abs(latitude[i] - middle[0]) > half[0]:
            continue
        east = abs(longitude[i] - middle[1])
        while east > 180.0:
            east = abs(east - 360.0)
        if east <= half[1]:
            found[n] = i
            n += 1
    return found[:n]


@njit(cache=True, nogil=True, error_model="numpy")
def _quiet_levels(noise: _Floats, noise_us: _Ints, numbers: _Ints, heard_after_us: int) -> _Floats:
    """Mean over each station's young seconds; NaN without any. Added as `numpy.sum` does."""
    mean = np.empty(numbers.size)
    part = np.empty(NOISE_SECONDS)
    for i in range(numbers.size):
        count = 0
        for k in range(NOISE_SECONDS):
            young = noise_us[numbers[i], k] > heard_after_us
            part[k] = noise[numbers[i], k] if young else 0.0
            count += young
        for k in range(EIGHT):
            part[k] += part[k + EIGHT]
        for k in (1, 2, 4):
            for j in range(0, EIGHT, 2 * k):
                part[j] += part[j + k]
        mean[i] = part[0] / count if count else np.nan
    return mean


def _box(circle: Circle | None) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the middle and the half sides (degrees) of a box that holds a circle."""
    if circle is None:
        return (0.0, 0.0), (90.0, 180.0)
    high = circle.radius_km / _KM_PER_DEGREE + 0.01
    most = min(90.0, abs(circle.latitude) + high)
    wide = math.cos(math.radians(most))
    reach = math.sin(math.radians(min(high, 90.0)))
    broad = math.degrees(math.asin(reach / wide)) if reach < wide else 180.0
    return (circle.latitude, circle.longitude), (high, broad + 0.01)


class Network:
    """The newest reports of all stations, and the motion since their picks.

    Parameters
    ----------
    healthy_s
        A station whose last report is older than this says nothing.
    keep_s
        Motion since a pick is kept for this long.
    shaken_s
        So long after a pick the motion of a station is not its noise.
    noise_s
        Noise is forgotten after this long.
    """

    def __init__(
        self, healthy_s: float, keep_s: float, shaken_s: float = 60.0, noise_s: float = 180.0
    ) -> None:
        self._healthy_us = int(healthy_s * 1e6)
        self._shaken_us = int(shaken_s * 1e6)
        self._noise_us_kept = int(noise_s * 1e6)
        self._keep_us = int(keep_s * 1e6)
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._one = np.zeros(1, np.int64)
        self._order = np.zeros(0, np.int64)
        self._latitude = np.zeros(0)
        self._longitude = np.zeros(0)
        self._data_end_us = np.zeros(0, np.int64)
        self._pga = np.zeros(0)
        self._pgv = np.zeros(0)
        self._faults = np.zeros(0, np.int64)
        self._arrival_us = np.zeros(0, np.int64)
        self._pick_us = np.zeros(0, np.int64)
        self._noise = np.zeros((0, NOISE_SECONDS))
        self._noise_us = np.zeros((0, NOISE_SECONDS), np.int64)
        self._motions: dict[str, tuple[int, PickMotion]] = {}
        self._grown: dict[str, list[PickMotion]] = {}
        self._peaks: dict[str, tuple[float, float, float]] = {}
        self._own_peaks: dict[str, tuple[float, float, float]] = {}
        self._rises: dict[str, list[tuple[float, float]]] = {}
        self._before: dict[str, tuple[int, float]] = {}

    def _number(self, station: str) -> int:
        """Return a station's number; a new one gets the next."""
        number = self._numbers.get(station)
        if number is None:
            number = self._numbers[station] = len(self._names)
            self._names.append(station)
            if number == self._latitude.size:
                self._grow()
            self._pick_us[number] = NEVER_US
        return number

    def _grow(self) -> None:
        """Double the room."""
        more = max(64, self._latitude.size)
        ints, floats = np.zeros(more, np.int64), np.zeros(more)
        self._latitude = np.concatenate((self._latitude, floats))
        self._longitude = np.concatenate((self._longitude, floats))
        self._data_end_us = np.concatenate((self._data_end_us, ints))
        self._pga = np.concatenate((self._pga, floats))
        self._pgv = np.concatenate((self._pgv, floats))
        self._faults = np.concatenate((self._faults, ints))
        self._arrival_us = np.concatenate((self._arrival_us, ints))
        self._pick_us = np.concatenate((self._pick_us, ints))
        self._noise = np.concatenate((self._noise, np.zeros((more, NOISE_SECONDS))))
        never = np.full((more, NOISE_SECONDS), NEVER_US)
        self._noise_us = np.concatenate((self._noise_us, never))

    def fold(self, said: Motion | Heartbeat, arrival_us: int) -> None:
        """Take in what stations have reported."""
        if isinstance(said, Heartbeat):
            self._fold_heartbeat(said, arrival_us)
            return
        for station in said.stations:
            number = self._number(station.station)
            self._latitude[number] = station.latitude
            self._longitude[number] = station.longitude
            self._data_end_us[number] = min(max(station.data_end_us, NEVER_US), -NEVER_US)
            self._pga[number] = station.pga
            self._pgv[number] = station.pgv
            self._faults[number] = sum(_BITS.get(name, 0) for name in set(station.faults))
            self._arrival_us[number] = arrival_us
            if not station.since_picks:
                self._listen(np.array([number]), said.time_us)
            for since in station.since_picks:
                self._motions[since.pick_id] = (arrival_us, since)
                if "clipped" not in station.faults:
                    self._keep(since)
                self._raise(self._peaks, station, since)
            for since in station.since_picks[-1:]:
                self._raise(self._own_peaks, station, since)

    def _keep(self, since: PickMotion) -> None:
        """Keep how motion grew: what is not the newest, in steps that grow with time."""
        grown = self._grown.setdefault(since.pick_id, [])
        if len(grown) > 1:
            newest, before = grown[-1].elapsed_s, grown[-2].elapsed_s
            if newest < STEP * before or newest > LAST_GROWN_S:
                grown.pop()
        grown.append(since)

    def _raise(
        self,
        peaks: dict[str, tuple[float, float, float]],
        station: StationMotion,
        since: PickMotion,
    ) -> None:
        pga, pgv, _ = peaks.get(since.pick_id, (0.0, 0.0, 0.0))
        peaks[since.pick_id] = max(pga, station.pga), max(pgv, station.pgv), since.elapsed_s
        if peaks is self._peaks:
            rise = self._rises.setdefault(since.pick_id, [])
            peak = station.pga if station.pga > 0.0 else station.pgv
            if not rise or peak > RISE * rise[-1][1]:
                rise.append((since.elapsed_s, peak))

    def _fold_heartbeat(self, said: Heartbeat, arrival_us: int) -> None:
        known = list(map(self._numbers.get, said.stations))
        if None in known:
            known = [self._number(station) for station in said.stations]
        numbers = np.array(known, np.int64)
        self._latitude[numbers] = said.latitude
        self._longitude[numbers] = said.longitude
        self._data_end_us[numbers] = said.data_end_us
        self._pga[numbers] = said.pga
        self._pgv[numbers] = said.pgv
        self._faults[numbers] = 0
        for name, places in said.faults.items():
            self._faults[numbers[list(places)]] |= _BITS.get(name, 0)
        self._arrival_us[numbers] = arrival_us
        self._listen(numbers, said.time_us)

    def _listen(self, numbers: _Ints, time_us: int) -> None:
        """Take the peaks of stations that have not picked for a while for their noise."""
        peak = np.where(self._pga[numbers] > 0.0, self._pga[numbers], self._pgv[numbers])
        after_us = self._data_end_us[numbers] - self._pick_us[numbers]
        well = self._faults[numbers] & BLIND == 0
        quiet = (
            well
            & (peak > 0.0)
            & ((after_us > self._shaken_us) | (self._pick_us[numbers] == NEVER_US))
        )
        slot = time_us // 1_000_000 % NOISE_SECONDS
        self._noise[numbers[quiet], slot] = np.log10(peak[quiet])
        self._noise_us[numbers[quiet], slot] = time_us

    def _log_noise(self, numbers: _Ints, now_us: int) -> _Floats:
        """Mean of log10 of the peaks of quiet seconds; NaN without any."""
        levels: _Floats = _quiet_levels(
            self._noise, self._noise_us, numbers, now_us - self._noise_us_kept
        )
        return levels

    def noise(self, pick: Pick, now_us: int) -> float | None:
        """Return log10 of the peak in a second from which a pick had to stand out.

        That of a quiet second, or where the station had been shaken already, that of the report
        before the pick. None where nothing is known.
        """
        number = self._numbers.get(pick.station)
        if number is None:
            return None
        self._one[0] = number
        noise = float(self._log_noise(self._one, now_us)[0])
        if pick.id in self._before:
            noise = float(np.fmax(noise, self._before[pick.id][1]))
        return None if math.isnan(noise) else noise

    def accelerometer(self, station: str) -> bool:
        """Say whether the peaks of a station are acceleration, or else velocity."""
        number = self._numbers.get(station)
        return number is None or self._pga[number] > 0.0 or self._pgv[number] == 0.0

    def picked(self, pick: Pick) -> None:
        """Note that a station has picked: its silence says nothing for a while."""
        number = self._numbers.get(pick.station)
        if number is not None:
            if pick.time_us - int(self._pick_us[number]) < self._shaken_us:
                self._before[pick.id] = pick.time_us, self._log_level(number)
            self._pick_us[number] = max(int(self._pick_us[number]), pick.time_us)

    def _log_level(self, number: int) -> float:
        """Return log10 of the newest peak of a station."""
        peak = self._pga[number] if self._pga[number] > 0.0 else self._pgv[number]
        return math.log10(max(float(peak), LEAST_PEAK))

    def forget(self, now_us: int) -> None:
        """Let go of motion that no event can need any more."""
        old = [p for p, (at, _) in self._motions.items() if now_us - at > self._keep_us]
        for pick_id in old:
            del self._motions[pick_id]
            self._grown.pop(pick_id, None)
            del self._peaks[pick_id]
            del self._rises[pick_id]
            self._own_peaks.pop(pick_id, None)
        kept_us = now_us - self._keep_us
        self._before = {p: b for p, b in self._before.items() if b[0] >= kept_us}

    def grown(self, pick_id: str) -> Sequence[PickMotion]:
        """Return how the motion since a pick grew, as far as the station was not clipped.

        The newest comes last; before it one for each tenth more of time, up to 30 s, within
        which S comes wherever amplitudes count.
        """
        return self._grown.get(pick_id, ())

    def peak(self, pick: Pick, now_us: int, *, own: bool = False) -> tuple[float, float] | None:
        """Return what the band of the detector, in which noise is known too, has held since.

        Parameters
        ----------
        pick
            Which.
        now_us
            Newest arrival.
        own
            Only until the station's next pick, which may be of something else.

        Returns
        -------
        (log_peak, elapsed_s) or None
            log10 of m/s2 or m/s, as `accelerometer` says, and seconds of data since the pick.
            As long as no motion is known: by how much the onset exceeds the noise; None where
            that is not known either.
        """
        peaks = self._own_peaks if own else self._peaks
        pga, pgv, elapsed_s = peaks.get(pick.id, (0.0, 0.0, 0.0))
        peak = pga if self.accelerometer(pick.station) else pgv
        if peak > 0.0:
            return math.log10(peak), elapsed_s
        noise = self.noise(pick, now_us)
        return None if noise is None else (noise + math.log10(max(pick.snr, 1.0)), ONSET_S)

    def half_grown_s(self, pick: Pick, log_peak: float) -> float | None:
        """Return when half of a peak was reached, seconds of data after the pick."""
        half = 0.5 * 10.0**log_peak
        return next((at for at, peak in self._rises.get(pick.id, ()) if peak >= half), None)

    def drowned(self, pick: Pick) -> bool:
        """Say whether the motion since a pick hardly exceeds what was there before it."""
        before = self._before.get(pick.id)
        pga, pgv, _ = self._peaks.get(pick.id, (0.0, 0.0, 0.0))
        peak = pga if self.accelerometer(pick.station) else pgv
        return before is not None and peak < STANDS_OUT * 10.0 ** before[1]

    def faults(self, station: str) -> tuple[str, ...]:
        """Return what was wrong with a station at its newest report."""
        number = self._numbers.get(station)
        mask = 0 if number is None else int(self._faults[number])
        return tuple(name for name, bit in _BITS.items() if mask & bit)

    def name(self, number: int) -> str:
        """Return the name of a station."""
        return self._names[number]

    def watching(self, now_us: int, since_us: int, within: Circle | None = None) -> Watching:
        """Return the healthy stations that have not picked since a time, by name.

        Parameters
        ----------
        now_us
            Newest arrival.
        since_us
            A station with a later pick has seen something, be it this or not.
        within
            Stations outside may be left out; those inside never are.
        """
        if self._order.size < len(self._names):
            names = self._names
            self._order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
        found = _watching(
            self._order,
            self._arrival_us,
            self._pick_us,
            self._faults,
            self._latitude,
            self._longitude,
            now_us - self._healthy_us,
            since_us,
            *_box(within),
        )
        return Watching(
            numbers=found,
            latitude=self._latitude[found],
            longitude=self._longitude[found],
            data_end_us=self._data_end_us[found],
            pga=self._pga[found],
            pgv=self._pgv[found],
            accelerometer=(self._pga[found] > 0.0) | (self._pgv[found] == 0.0),
            log_noise=self._log_noise(found, now_us),
        )
