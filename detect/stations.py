"""What the picker knows of each station while its data flow."""

from functools import cache

import numpy as np
import numpy.typing as npt
from msgspec import Struct, field

from detect.bank import ChannelBank
from detect.detections import PickMotion, StationMotion
from detect.following import Axis, Following
from detect.settings import PickSettings
from ingest import quality
from ingest.channels import Channel, ChannelTable, Station
from ingest.continuity import Continuity
from ingest.quality import Quality

__all__ = ["Sensor", "StationBook", "StationState"]

FAULTS = (*quality.NAMES, "clock", "warming", "late")
CLOCK, WARMING, LATE = (1 << i for i in range(len(quality.NAMES), len(FAULTS)))
FOLLOWED = 2  # picks: an onset in the coda of another must not end the other's windows
FLOAT_COUNT = 1e-9  # m/s or m/s2 that a count is made of where records hold floats

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]


class Sensor(Struct, frozen=True):
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
    station: "StationState"


class StationState(Struct):
    """A station while its data flow.

    Attributes
    ----------
    name, place
        ``NET.STA`` and where it stands.
    number
        Its place in the book's arrays.
    sensors
        Its channels.
    last_p_ns, last_s_ns
        Its newest picks.
    following
        The newest picks and the motion since, the older first.
    """

    name: str
    place: Station
    number: int
    sensors: list[Sensor] = field(default_factory=list)
    last_p_ns: int = 0
    last_s_ns: int = 0
    following: list[Following] = field(default_factory=list)


@cache
def _names(mask: int) -> tuple[str, ...]:
    """Name the bits of a mask, sorted."""
    return tuple(sorted(name for i, name in enumerate(FAULTS) if mask >> i & 1))


def _followed(station: StationState, end_ns: int) -> tuple[PickMotion, ...]:
    """Put the motion since a station's picks into the contract."""
    return tuple(
        PickMotion(
            pick_id=p.pick_id,
            elapsed_s=round((end_ns - p.time_ns) * 1e-9, 4),
            pd_m=tuple(p.windows_m),
            noise_pd_m=p.noise_m,
            pgv=p.pgv,
            pga=p.pga,
        )
        for p in station.following
    )


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
        self._station_of = np.zeros(0, np.int64)
        self._primary = np.zeros(0, np.bool_)
        self._accelerometer = np.zeros(0, np.bool_)
        self._gain = np.zeros(0)
        self._arrival_ms = np.zeros(0, np.int64)
        self._data_end_ns = np.zeros(0, np.int64)
        self._pga = np.zeros(0)
        self._pgv = np.zeros(0)
        self._unreported = np.zeros(0, np.bool_)
        self._picked = np.zeros(0, np.bool_)

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
        station.sensors.append(sensor)
        self.sensors.append(sensor)
        self._station_of = np.append(self._station_of, station.number)
        self._primary = np.append(self._primary, primary)
        self._accelerometer = np.append(self._accelerometer, axis.accelerometer)
        self._gain = np.append(self._gain, axis.gain)
        return number

    def _has_vertical(self, group: str, time_ns: int) -> bool:
        spans = self._verticals.get(group, ())
        return any(entry.start_ns <= time_ns < entry.end_ns for entry in spans)

    def _station(self, seed_id: str, entry: Channel) -> StationState:
        name = ".".join(seed_id.split(".", 2)[:2])
        if name not in self._by_name:
            station = StationState(name, entry.station, len(self.stations))
            self._by_name[name] = station
            self.stations.append(station)
            self._arrival_ms = np.append(self._arrival_ms, 0)
            self._data_end_ns = np.append(self._data_end_ns, 0)
            self._pga = np.append(self._pga, 0.0)
            self._pgv = np.append(self._pgv, 0.0)
            self._unreported = np.append(self._unreported, False)
            self._picked = np.append(self._picked, False)
        return self._by_name[name]

    def heard(self, channel: _Ints, arrival_ms: _Ints, end_ns: _Ints, peaks: _Doubles) -> None:
        """Note records: when they came, where they end, and their peak in counts."""
        station = self._station_of[channel]
        primary = self._primary[channel]
        accelerometer = self._accelerometer[channel]
        amplitude = peaks / self._gain[channel]
        np.maximum.at(self._arrival_ms, station, arrival_ms)
        np.maximum.at(self._data_end_ns, station[primary], end_ns[primary])
        np.maximum.at(self._pga, station[accelerometer], amplitude[accelerometer])
        np.maximum.at(self._pgv, station[~accelerometer], amplitude[~accelerometer])
        self._unreported[station] = True

    def pick(self, sensor: Sensor, pick_id: str, time_ns: int) -> None:
        """Follow the motion after a P pick."""
        station = sensor.station
        axes = tuple(s.axis for s in station.sensors if s.group == sensor.group)
        station.last_p_ns = time_ns
        new = Following(pick_id, time_ns, axes, self._bank)
        station.following = [*station.following[1 - FOLLOWED :], new]
        self._picked[station.number] = True

    def follow(self, channel: _Ints) -> list[StationState]:
        """Take in the newest motion at the stations of some channels; return those followed."""
        followed = []
        heard = self._station_of[channel]
        for number in dict.fromkeys(heard[self._picked[heard]].tolist()):
            station = self.stations[number]
            for pick in station.following:
                pick.go_on(self._bank)
            oldest = int(self._data_end_ns[number]) - int(self._settings.follow_s * 1e9)
            station.following = [p for p in station.following if p.time_ns > oldest]
            if station.following:
                followed.append(station)
            else:
                self._picked[number] = False
        return followed

    def _faults(self, arrival_ms: int) -> _Ints:
        """Return what is wrong with each station's primary channels: bits of `FAULTS`."""
        arrival_ns = arrival_ms * 1_000_000
        masks = self._quality.masks(arrival_ns)
        masks |= self._continuity.clock_wrong(arrival_ns) * CLOCK
        primary = self._primary
        of = self._station_of[primary]
        found = np.zeros(len(self.stations), np.int64)
        np.bitwise_or.at(found, of, masks[primary])
        blind = np.ones(len(self.stations), np.bool_)
        np.logical_and.at(blind, of, self._bank.settling()[primary])
        found |= blind * WARMING
        found |= (arrival_ns - self._data_end_ns > self._settings.late_s * 1e9) * LATE
        return found

    def faults(self, station: StationState, arrival_ms: int) -> tuple[str, ...]:
        """Name what is wrong with a station's primary channels at an arrival time."""
        return _names(int(self._faults(arrival_ms)[station.number]))

    def report(self, stations: list[StationState], arrival_ms: int) -> tuple[StationMotion, ...]:
        """Say what stations did since their last report."""
        numbers = np.array([station.number for station in stations], np.int64)
        faults = self._faults(arrival_ms)[numbers].tolist()
        ends_ns = self._data_end_ns[numbers].tolist()
        pga, pgv = self._pga[numbers].tolist(), self._pgv[numbers].tolist()
        self._pga[numbers] = self._pgv[numbers] = 0.0
        self._unreported[numbers] = False
        return tuple(
            StationMotion(
                station=station.name,
                latitude=station.place.latitude,
                longitude=station.place.longitude,
                data_end_us=ends_ns[i] // 1000,
                pga=pga[i],
                pgv=pgv[i],
                faults=_names(faults[i]),
                since_picks=_followed(station, ends_ns[i]) if station.following else (),
            )
            for i, station in enumerate(stations)
        )

    def unreported(self, arrival_ms: int) -> tuple[StationMotion, ...]:
        """Report the stations heard since their last report, by name."""
        waiting = [self.stations[n] for n in np.flatnonzero(self._unreported).tolist()]
        waiting.sort(key=lambda station: station.name)
        return self.report(waiting, arrival_ms)
