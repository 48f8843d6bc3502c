"""What the picker knows of each station while its data flow."""

import numpy as np
import numpy.typing as npt
from msgspec import Struct, field

from detect.bank import ChannelBank, Onset
from detect.detections import PickMotion, StationMotion
from detect.settings import PickSettings
from ingest.channels import Channel, ChannelTable, Station
from ingest.continuity import Continuity
from ingest.quality import Quality

__all__ = ["WINDOWS_S", "Sensor", "StationBook", "StationState"]

WINDOWS_S = (0.5, 1.0, 2.0, 3.0, 4.0)
"""Lengths (s) of the windows after a pick over which peak displacement is taken."""

FOLLOWED = 2  # picks: an onset in the coda of another must not end the other's windows


class Sensor(Struct, frozen=True):
    """One channel in the bank.

    Attributes
    ----------
    channel
        Its number.
    group
        ``NET.STA.LOC`` and the band and instrument codes: the axes of one sensor.
    picks
        Whether it may trigger: the vertical one, or each where none is known to be vertical.
    """

    seed_id: str
    channel: int
    group: str
    picks: bool
    station: "StationState"


class _Followed(Struct):
    """A pick and the motion since."""

    pick_id: str
    time_ns: int
    axes: tuple[int, ...]
    noise_m: float
    windows_m: list[float] = field(default_factory=list)
    pga: float = 0.0
    pgv: float = 0.0


class StationState(Struct):
    """A station while its data flow."""

    name: str
    place: Station
    follow_s: float
    sensors: list[Sensor] = field(default_factory=list)
    arrival_ms: int = 0
    data_end_ns: int = 0
    pga: float = 0.0
    pgv: float = 0.0
    reported: bool = True
    last_pick_ns: int = 0
    followed: list[_Followed] = field(default_factory=list)

    def heard(
        self, arrival_ms: int, end_ns: int, peaks: npt.NDArray[np.float64], *, counts: bool
    ) -> None:
        """Note a record: when it came, where it ends, its peak acceleration and velocity."""
        self.arrival_ms = max(self.arrival_ms, arrival_ms)
        if counts:
            self.data_end_ns = max(self.data_end_ns, end_ns)
        pga, pgv = float(peaks[0]), float(peaks[1])
        self.pga = max(self.pga, pga)
        self.pgv = max(self.pgv, pgv)
        for pick in self.followed:
            if end_ns > pick.time_ns:
                pick.pga = max(pick.pga, pga)
                pick.pgv = max(pick.pgv, pgv)
        self.reported = False

    def just_picked(self, time_ns: int, apart_s: float) -> bool:
        """Say whether an onset is too close to the last pick, whatever its channel."""
        return abs(time_ns - self.last_pick_ns) < apart_s * 1e9

    def picked(self, pick_id: str, onset: Onset, sensor: Sensor) -> None:
        """Follow the motion after a pick."""
        axes = tuple(s.channel for s in self.sensors if s.group == sensor.group and s.picks)
        self.last_pick_ns = onset.time_ns
        pick = _Followed(pick_id, onset.time_ns, axes, onset.noise_m, [], self.pga, self.pgv)
        self.followed = [*self.followed[1 - FOLLOWED :], pick]

    def follow(self, bank: ChannelBank) -> bool:
        """Fill the windows that have become complete; say whether any pick is followed."""
        for pick in self.followed:
            elapsed = (self.data_end_ns - pick.time_ns) * 1e-9
            due = sum(length <= elapsed for length in WINDOWS_S)
            if due > len(pick.windows_m):
                peaks = _window_peaks(bank, pick.axes, pick.time_ns, WINDOWS_S[:due])
                pick.windows_m.extend(peaks[len(pick.windows_m) :])
        end = self.data_end_ns
        self.followed = [p for p in self.followed if end - p.time_ns < self.follow_s * 1e9]
        return bool(self.followed)


def _window_peaks(
    bank: ChannelBank, axes: tuple[int, ...], time_ns: int, lengths_s: tuple[float, ...]
) -> list[float]:
    """Peak displacement (m) of windows from a time on; the norm where there are several axes.

    Empty if no axis has data from then on without a break.
    """
    traces = []
    rate = 0.0
    for axis in axes:
        trace = bank.displacement(axis, time_ns)
        if trace is not None and trace.size:
            traces.append(trace)
            rate = bank.rate(axis)
    if not traces:
        return []
    shortest = min(trace.size for trace in traces)
    norm = np.sqrt(sum(trace[:shortest] ** 2 for trace in traces))
    peaks = []
    for length in lengths_s:
        samples = max(1, round(length * rate))
        if samples > shortest + 2:
            break
        peaks.append(float(np.max(norm[:samples])))
    return peaks


class StationBook:
    """All stations of a partition, and the channels by which they are heard.

    Parameters
    ----------
    table
        Metadata.
    bank, continuity, quality
        State by channel, grown as channels appear.
    settings
        Of the picker.
    """

    def __init__(
        self,
        table: ChannelTable,
        bank: ChannelBank,
        continuity: Continuity,
        quality: Quality,
        settings: PickSettings,
    ) -> None:
        self._table = table
        self._bank = bank
        self._continuity = continuity
        self._quality = quality
        self._settings = settings
        self._numbers: dict[str, int] = {}
        self._why_not: dict[str, str] = {}
        self.sensors: list[Sensor] = []
        self._stations: dict[str, StationState] = {}

    def number(self, seed_id: str, time_ns: int, rate: float) -> int:
        """Return a channel's number, or -1 if it cannot be used."""
        number = self._numbers.get(seed_id)
        if number is None:
            number = self._add(seed_id, time_ns, rate)
        return number

    def why_not(self, seed_id: str) -> str:
        """Return why a channel cannot be used."""
        return self._why_not[seed_id]

    def _add(self, seed_id: str, time_ns: int, rate: float) -> int:
        entry = self._table.find(seed_id, time_ns)
        if entry is None:
            self._why_not[seed_id] = "no metadata"
            return -1
        group = seed_id[:-1]
        picks = entry.vertical or not self._has_vertical(group, time_ns)
        try:
            number = self._bank.add(
                rate, entry.gain, accelerometer=entry.unit == "m/s2", picks=picks
            )
        except ValueError:
            self._why_not[seed_id] = "sampling rate too low"
            return -1
        self._continuity.grow(number + 1)
        self._quality.grow(number + 1)
        self._numbers[seed_id] = number
        station = self._station(seed_id, entry)
        sensor = Sensor(seed_id, number, group, picks, station)
        station.sensors.append(sensor)
        self.sensors.append(sensor)
        return number

    def _has_vertical(self, group: str, time_ns: int) -> bool:
        for seed_id in self._table.channels:
            if seed_id[:-1] == group:
                entry = self._table.find(seed_id, time_ns)
                if entry is not None and entry.vertical:
                    return True
        return False

    def _station(self, seed_id: str, entry: Channel) -> StationState:
        name = ".".join(seed_id.split(".", 2)[:2])
        if name not in self._stations:
            self._stations[name] = StationState(name, entry.station, self._settings.follow_s)
        return self._stations[name]

    def faults(self, station: StationState, arrival_ms: int) -> tuple[str, ...]:
        """Name what is wrong with a station's picking channels at an arrival time."""
        arrival_ns = arrival_ms * 1_000_000
        found: set[str] = set()
        picking = [s.channel for s in station.sensors if s.picks]
        for channel in picking:
            found.update(self._quality.faults(channel, arrival_ns))
            if self._continuity.clock_wrong(channel, arrival_ns):
                found.add("clock")
        if all(self._bank.settling(channel) for channel in picking):
            found.add("warming")
        if arrival_ns - station.data_end_ns > self._settings.late_s * 1e9:
            found.add("late")
        return tuple(sorted(found))

    def report(self, station: StationState, arrival_ms: int) -> StationMotion:
        """Say what a station did since its last report."""
        followed = tuple(
            PickMotion(
                pick_id=p.pick_id,
                elapsed_s=round((station.data_end_ns - p.time_ns) * 1e-9, 4),
                pd_m=tuple(p.windows_m),
                noise_pd_m=p.noise_m,
                pgv=p.pgv,
                pga=p.pga,
            )
            for p in station.followed
        )
        motion = StationMotion(
            station=station.name,
            latitude=station.place.latitude,
            longitude=station.place.longitude,
            data_end_us=station.data_end_ns // 1000,
            pga=station.pga,
            pgv=station.pgv,
            faults=self.faults(station, arrival_ms),
            since_picks=followed,
        )
        station.pga = station.pgv = 0.0
        station.reported = True
        return motion

    def unreported(self, arrival_ms: int) -> tuple[StationMotion, ...]:
        """Report the stations heard since their last report, by name."""
        return tuple(
            self.report(station, arrival_ms)
            for _, station in sorted(self._stations.items())
            if not station.reported
        )
