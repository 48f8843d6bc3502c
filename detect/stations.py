"""What the picker knows of each station while its data flow."""

from collections.abc import Sequence
from functools import cache
from itertools import compress

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from detect.bank import ChannelBank
from detect.detections import MOST_STATIONS, Heartbeat, Motion, PickMotion, StationMotion
from detect.following import Axis, Follower, Following
from detect.reports import FAULTS, Reports
from detect.settings import PickSettings
from ingest.channels import Channel, ChannelTable, Station
from ingest.continuity import Continuity
from ingest.quality import Quality

__all__ = ["Sensor", "StationBook", "StationState"]

FOLLOWED = 2  # picks: an onset in the coda of another must not end the other's windows
FLOAT_COUNT = 1e-9  # m/s or m/s2 that a count is made of where records hold floats

DIGITS = 3  # of the peaks in a heartbeat
LARGEST = 1e6  # m/s or m/s2: no motion is larger, and JSON has no infinity
_TENS = np.array([float(f"1e{k}") for k in range(-10, 40)])

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]


class StationState(Struct, gc=False):
    """A station while its data flow.

    Python's garbage collector does not look at it: with 10,000 stations it would stop everything
    for a tenth of a second. So it must not refer to what refers to it.

    Attributes
    ----------
    name, place
        ``NET.STA`` and where it stands.
    number
        Its place in the book's arrays.
    channels
        Numbers of its channels.
    last_p_ns, last_s_ns
        Its newest picks.
    following
        The newest picks and the motion since, the older first.
    """

    name: str
    place: Station
    number: int
    channels: tuple[int, ...] = ()
    last_p_ns: int = 0
    last_s_ns: int = 0
    following: tuple[Following, ...] = ()


class Sensor(Struct, frozen=True, gc=False):
    """One channel in the bank.

    Attributes
    ----------
    seed_id
        ``NET.STA.LOC.CHA``.
    group
        ``NET.STA.LOC`` and the band and instrument codes: the axes of one sensor.
    axis
        As the motion needs it.
    scale
        What float samples are multiplied by, so that they are of the size of counts.
    station
        Where it stands.
    """

    seed_id: str
    group: str
    axis: Axis
    scale: float
    station: StationState


@cache
def _names(mask: int) -> tuple[str, ...]:
    """Name the bits of a mask, sorted."""
    return tuple(sorted(name for i, name in enumerate(FAULTS) if mask >> i & 1))


def _rounded(peaks: _Doubles) -> _Doubles:
    """Round to `DIGITS` digits, such that their decimals are as short in JSON."""
    peaks = np.fmin(peaks, LARGEST)
    moved = peaks > 0.0
    digits = np.zeros(peaks.size, np.int64)
    digits[moved] = DIGITS - 1 - np.floor(np.log10(peaks[moved])).astype(np.int64)
    tens = _TENS[np.clip(digits, -10, 39) + 10]
    rounded: _Doubles = np.rint(peaks * tens) / tens
    return rounded


class StationBook:
    """All stations of a partition, and the channels by which they are heard.

    Parameters
    ----------
    table
        Metadata.
    bank, continuity, faults
        State by channel, grown as channels appear.
    settings
        Of the picker.

    Attributes
    ----------
    sensors
        By channel number.
    stations
        By station number.
    """

    def __init__(
        self,
        table: ChannelTable,
        bank: ChannelBank,
        continuity: Continuity,
        faults: Quality,
        settings: PickSettings,
    ) -> None:
        self._table = table
        self._verticals: dict[str, list[Channel]] = {}
        for seed_id, entries in table.channels.items():
            vertical = [entry for entry in entries if entry.vertical]
            self._verticals.setdefault(seed_id[:-1], []).extend(vertical)
        self._bank = bank
        self._continuity = continuity
        self._quality = faults
        self._settings = settings
        self._numbers: dict[tuple[str, bool], int] = {}
        self._why_not: dict[str, str] = {}
        self.sensors: list[Sensor] = []
        self.stations: list[StationState] = []
        self._by_name: dict[str, StationState] = {}
        self._listed: list[tuple[str, float, float, int]] = []
        self._in_order = np.zeros(0, np.int64)
        self._reports = Reports(bank, continuity, faults, settings.late_s)
        self._follower = Follower(bank)
        self._followed: set[int] = set()

    def number(self, seed_id: str, time_ns: int, rate: float, integer: bool) -> int:
        """Return a channel's number, or -1 if it cannot be used."""
        number = self._numbers.get((seed_id, integer))
        if number is None:
            number = self._add(seed_id, time_ns, rate, integer)
        return number

    def why_not(self, seed_id: str) -> str:
        """Return why a channel cannot be used."""
        return self._why_not[seed_id]

    def _add(self, seed_id: str, time_ns: int, rate: float, integer: bool) -> int:
        entry = self._table.find(seed_id, time_ns)
        if entry is None:
            self._why_not[seed_id] = "no metadata"
            return -1
        group = seed_id[:-1]
        primary = entry.vertical or not self._has_vertical(group, time_ns)
        try:
            number = self._bank.add(rate, triggers=True, integer=integer)
        except ValueError:
            self._why_not[seed_id] = "sampling rate too low"
            return -1
        self._continuity.grow(number + 1)
        self._quality.grow(number + 1)
        self._numbers[(seed_id, integer)] = number
        scale = 1.0 if integer else 1.0 / (entry.gain * FLOAT_COUNT)
        axis = Axis(number, entry.gain * scale, entry.unit == "m/s2", primary)
        station = self._station(seed_id, entry)
        sensor = Sensor(seed_id, group, axis, scale, station)
        station.channels += (number,)
        self.sensors.append(sensor)
        self._reports.add_channel(
            number,
            station.number,
            primary=primary,
            accelerometer=axis.accelerometer,
            gain=axis.gain,
        )
        return number

    def _has_vertical(self, group: str, time_ns: int) -> bool:
        spans = self._verticals.get(group, ())
        return any(entry.start_ns <= time_ns < entry.end_ns for entry in spans)

    def _station(self, seed_id: str, entry: Channel) -> StationState:
        name = ".".join(seed_id.split(".", 2)[:2])
        if name not in self._by_name:
            station = StationState(name, entry.station, self._reports.add_station())
            self._by_name[name] = station
            self.stations.append(station)
        return self._by_name[name]

    def heard(self, channel: _Ints, end_ns: _Ints, peaks: _Doubles) -> None:
        """Note records: where they end, and their peak in counts."""
        self._reports.hear(channel, end_ns, peaks)

    def pick(self, sensor: Sensor, pick_id: str, time_ns: int) -> None:
        """Follow the motion after a P pick."""
        station = sensor.station
        sensors = [self.sensors[channel] for channel in station.channels]
        axes = [s.axis for s in sensors if s.group == sensor.group]
        station.last_p_ns = time_ns
        for old in station.following[: 1 - FOLLOWED]:
            self._follower.let_go(old)
        new = self._follower.begin(pick_id, time_ns, axes)
        station.following = (*station.following[1 - FOLLOWED :], new)
        self._followed.add(station.number)

    def follow(
        self,
        value: _Ints,
        channel: _Ints,
        first: _Ints,
        count: _Ints,
        seen: _Ints,
        stretch: _Ints,
        samples: npt.NDArray[np.int32] | _Doubles,
    ) -> list[tuple[StationState, int]]:
        """Take in records at the stations that have picked.

        Parameters
        ----------
        value : int64[n]
            A number of the value that each record came in, rising.
        channel, first, count, seen, stretch : int64[n]
            As given to and by `ChannelBank.advance`.
        samples
            As given to it.

        Returns
        -------
        list of (station, value)
            Those that are followed, in the order in which they came, and the last value of each.
        """
        if not self._followed:
            return []
        numbers = self._reports.station_of[channel].tolist()
        followed = self._followed
        last = {n: at for n, at in zip(numbers, value.tolist(), strict=True) if n in followed}
        if not last:
            return []
        heard = [(self.stations[number], at) for number, at in last.items()]
        picks = [pick for station, _ in heard for pick in station.following]
        self._follower.go_on(channel, first, count, seen, stretch, samples, picks)
        return [(station, at) for station, at in heard if self._still_followed(station)]

    def _still_followed(self, station: StationState) -> bool:
        """Let go of picks that are too old, or broken off by a gap; say whether any is left."""
        newest_ns = int(self._reports.data_end_ns[station.number])
        oldest = newest_ns - int(self._settings.follow_s * 1e9)
        kept = []
        for pick in station.following:
            if pick.time_ns > oldest and self._follower.unbroken[pick.number]:
                kept.append(pick)
            else:
                self._follower.let_go(pick)
        station.following = tuple(kept)
        if not station.following:
            self._followed.remove(station.number)
        return bool(station.following)

    def faults(self, station: StationState, arrival_ms: int) -> tuple[str, ...]:
        """Name what is wrong with a station's primary channels at an arrival time."""
        number, arrival_ns = np.array([station.number]), np.array([arrival_ms * 1_000_000])
        return _names(int(self._reports.faults(number, arrival_ns)[0]))

    def motion(
        self, partition: int, stations: Sequence[StationState], arrivals_ms: Sequence[int]
    ) -> list[Motion]:
        """Say what stations did since their last reports, each at an arrival."""
        numbers = np.array([station.number for station in stations], np.int64)
        faults = self._reports.faults(numbers, np.array(arrivals_ms, np.int64) * 1_000_000)
        columns = (
            stations,
            arrivals_ms,
            faults.tolist(),
            self._reports.data_end_ns[numbers].tolist(),
            self._reports.pga[numbers].tolist(),
            self._reports.pgv[numbers].tolist(),
        )
        self._reports.made(numbers)
        return [
            Motion(
                partition=partition,
                time_us=arrival_ms * 1000,
                stations=(
                    StationMotion(
                        station=station.name,
                        latitude=station.place.latitude,
                        longitude=station.place.longitude,
                        data_end_us=end_ns // 1000,
                        pga=pga,
                        pgv=pgv,
                        faults=_names(mask),
                        since_picks=tuple([self._since(p, end_ns) for p in station.following]),
                    ),
                ),
            )
            for station, arrival_ms, mask, end_ns, pga, pgv in zip(*columns, strict=True)
        ]

    def _since(self, pick: Following, end_ns: int) -> PickMotion:
        """Put the motion since a pick into the contract."""
        number = pick.number
        pga, pgv = self._follower.peaks[number].tolist()
        complete = self._follower.complete[number]
        return PickMotion(
            pick_id=pick.pick_id,
            elapsed_s=round((end_ns - pick.time_ns) * 1e-9, 4),
            pd_m=tuple(self._follower.windows_m[number, :complete].tolist()),
            noise_pd_m=pick.noise_m,
            pgv=pgv,
            pga=pga,
            noise_pgv=pick.noise_pgv,
            noise_pga=pick.noise_pga,
        )

    def heartbeats(self, partition: int, time_us: int, arrival_ms: int) -> list[Heartbeat]:
        """Report the stations heard since their last report, by name."""
        if len(self._listed) < len(self.stations):
            self._listed = sorted(
                (s.name, s.place.latitude, s.place.longitude, s.number) for s in self.stations
            )
            self._in_order = np.array([number for *_, number in self._listed], np.int64)
        heard = self._reports.waiting()[self._in_order]
        waiting = list(compress(self._listed, heard.tolist()))
        return [
            self._heartbeat(partition, time_us, arrival_ms, waiting[begin : begin + MOST_STATIONS])
            for begin in range(0, len(waiting), MOST_STATIONS)
        ]

    def _heartbeat(
        self,
        partition: int,
        time_us: int,
        arrival_ms: int,
        stations: Sequence[tuple[str, float, float, int]],
    ) -> Heartbeat:
        reports = self._reports
        names, latitudes, longitudes, places = zip(*stations, strict=True)
        numbers = np.array(places, np.int64)
        masks = reports.faults(numbers, np.full(numbers.size, arrival_ms * 1_000_000))
        present = int(np.bitwise_or.reduce(masks))
        beat = Heartbeat(
            partition=partition,
            time_us=time_us,
            stations=names,
            latitude=latitudes,
            longitude=longitudes,
            data_end_us=tuple((reports.data_end_ns[numbers] // 1000).tolist()),
            pga=tuple(_rounded(reports.pga[numbers]).tolist()),
            pgv=tuple(_rounded(reports.pgv[numbers]).tolist()),
            faults={
                name: tuple((masks & (1 << FAULTS.index(name))).nonzero()[0].tolist())
                for name in _names(present)
            },
        )
        reports.made(numbers)
        return beat
