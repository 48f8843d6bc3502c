"""A made network of any size over Central Asia: stations, noise, and an earthquake now and then.

Each station has three channels of 100 Hz and sends each second of them in one value of three
512-byte records, at a time of the second that is its own.
"""

import math
import time

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from detect import traveltimes
from ingest import miniseed
from ingest.channels import Channel, ChannelTable, Station

__all__ = ["EVENT_S", "Earthquake", "Feed", "key", "station_table"]

RATE = 100
LENGTH = 512  # bytes of a record
CODES = ("HHE", "HHN", "HHZ")
GAIN = 5e8  # counts per m/s
NOISE_COUNTS = 300.0
LOOP_S = 60  # after so long the noise begins again
SERIES = 8  # stations with noise of their own; the others have theirs at another second

EVENT_S = 36  # seconds of an earthquake that are made
REACH_KM = 100.0
AT_ONCE_KM = 30.0
DEPTH_KM = 10.0
P_M_S, S_M_S = 0.06, 0.4  # peak velocities (m/s) at 1 km from the source

_Bytes = npt.NDArray[np.uint8]
_Floats = npt.NDArray[np.float64]


def key(station: int) -> bytes:
    """Return the key of a station's values."""
    return b"XX.%05d" % station


def positions(stations: int) -> tuple[_Floats, _Floats]:
    """Latitudes and longitudes (degrees) of so many stations, on a grid over 10 by 25 degrees."""
    rows = max(1, round(math.sqrt(stations * 0.55)))
    columns = -(-stations // rows)
    number = np.arange(stations)
    latitude = 37.0 + 10.0 * (number % rows + 0.5) / rows
    longitude = 60.0 + 25.0 * (number // rows + 0.5) / columns
    return latitude, longitude


def station_table(stations: int) -> ChannelTable:
    """Metadata of so many stations."""
    channels: dict[str, tuple[Channel, ...]] = {}
    places = {}
    for number, (latitude, longitude) in enumerate(zip(*positions(stations), strict=True)):
        place = Station(float(latitude), float(longitude), 800.0)
        name = key(number).decode()
        places[name] = place
        for code in CODES:
            seed_id = f"{name}..{code}"
            entry = Channel(seed_id, place, GAIN, "m/s", code[2] == "Z", -(2**63), 2**63 - 1)
            channels[seed_id] = (entry,)
    return ChannelTable(channels, places, ())


def _noise() -> _Bytes:
    """Make the noise of a few stations: uint8[series, second, bytes], without a seam at its end."""
    chance = np.random.default_rng(1)
    made = np.zeros((SERIES, LOOP_S, len(CODES) * LENGTH), np.uint8)
    for series in range(SERIES):
        counts = _noise_counts(chance)
        for second in range(LOOP_S):
            part = slice(second * RATE, (second + 1) * RATE)
            made[series, second] = np.frombuffer(_encoded(counts[:, part]), np.uint8)
    return made


def _noise_counts(chance: np.random.Generator) -> npt.NDArray[np.int32]:
    return np.rint(chance.normal(0.0, NOISE_COUNTS, (len(CODES), LOOP_S * RATE))).astype(np.int32)


def _encoded(counts: npt.NDArray[np.int32]) -> bytes:
    records = [
        miniseed.encode(f"XX.AAAAA..{code}", 0, float(RATE), counts[i])
        for i, code in enumerate(CODES)
    ]
    value = b"".join(records)
    if len(value) != len(CODES) * LENGTH:
        raise ValueError("a second does not fit into one record")
    return value


class Earthquake(Struct, frozen=True):
    """What shakes the stations.

    Attributes
    ----------
    reach_km
        Stations within this distance are shaken.
    seconds
        That are made of it.
    strength
        Times the usual peak velocities.
    at_once
        Where above 0, so many stations, evenly chosen, feel it in one and the same second,
        wherever they are.
    """

    reach_km: float = REACH_KM
    seconds: int = EVENT_S
    strength: float = 1.0
    at_once: int = 0


USUAL = Earthquake()


class Feed:
    """Values of all stations, second by second.

    Parameters
    ----------
    stations
        How many.
    earthquake
        That shakes them now and then.
    """

    def __init__(self, stations: int, earthquake: Earthquake = USUAL) -> None:
        self.stations = stations
        self._earthquake = earthquake
        self._times = traveltimes.load()
        self.keys = [key(number) for number in range(stations)]
        self._noise = _noise()
        latitude, longitude = positions(stations)
        middle = (latitude[stations // 2] + 0.1, longitude[stations // 2] + 0.1)
        north = (latitude - middle[0]) * 111.2
        east = (longitude - middle[1]) * 111.2 * math.cos(math.radians(middle[0]))
        distance = np.sqrt(north**2 + east**2)
        self.source_km = np.sqrt(distance**2 + DEPTH_KM**2)
        if earthquake.at_once:
            self.shaken = np.arange(earthquake.at_once) * stations // earthquake.at_once
            made = [self._shake(number, AT_ONCE_KM, 0.0) for number in range(SERIES)]
            self._event = {int(number): made[number % SERIES] for number in self.shaken}
        else:
            near = np.argsort(distance)[: max(6, int((distance < earthquake.reach_km).sum()))]
            self.shaken = np.sort(near)
            self._event = {
                int(number): self._shake(
                    int(number), float(self.source_km[number]), self.phase_s(int(number))
                )
                for number in self.shaken
            }

    def phase_s(self, station: int) -> float:
        """Return the time of the second at which a station's seconds begin, to 0.1 ms."""
        return int(station / self.stations * 1e4) / 1e4

    def _shake(self, seed: int, km: float, phase_s: float) -> _Bytes:
        """Make the earthquake at a distance from its source: uint8[second since origin, bytes]."""
        chance = np.random.default_rng(seed)
        t = phase_s + np.arange(self._earthquake.seconds * RATE) / RATE
        counts = chance.normal(0.0, NOISE_COUNTS, (len(CODES), t.size))
        flat_km = math.sqrt(max(km**2 - DEPTH_KM**2, 0.0))
        for travel_s, peak, share in (
            (self._times.p(flat_km, DEPTH_KM), P_M_S, (0.3, 0.3, 1.0)),
            (self._times.s(flat_km, DEPTH_KM), S_M_S, (1.0, 1.0, 0.4)),
        ):
            after = np.maximum(t - travel_s, 0.0)
            grows = np.minimum(after / 0.2, 1.0) * np.exp(-after / 8.0)
            carrier = np.sin(2 * np.pi * 3.0 * after) + 0.7 * np.sin(2 * np.pi * 1.3 * after)
            size = self._earthquake.strength * peak / km**1.2
            wave = size * GAIN * grows * carrier
            counts += np.array(share)[:, None] * wave * chance.normal(1.0, 0.2, counts.shape)
        whole = np.rint(counts).astype(np.int32)
        seconds = range(self._earthquake.seconds)
        cut = [whole[:, s * RATE : (s + 1) * RATE] for s in seconds]
        return np.stack([np.frombuffer(_fitting(each), np.uint8) for each in cut])

    def values(self, begin: int, end: int, second: int, origin: int) -> list[bytes]:
        """Return the values of stations `begin` to `end` for one second.

        Parameters
        ----------
        begin, end
            Numbers of stations.
        second
            Whole seconds since 1970 in which the data begin.
        origin
            The same of the last earthquake.
        """
        numbers = np.arange(begin, end)
        made = self._noise[numbers % SERIES, (second + numbers // SERIES * 7) % LOOP_S].copy()
        since = second - origin
        if 0 <= since < self._earthquake.seconds:
            first, last = np.searchsorted(self.shaken, (begin, end))
            for number in self.shaken[first:last]:
                made[number - begin] = self._event[int(number)][since]
        when = time.gmtime(second)
        head = np.frombuffer(
            when.tm_year.to_bytes(2, "big")
            + when.tm_yday.to_bytes(2, "big")
            + bytes([when.tm_hour, when.tm_min, when.tm_sec, 0]),
            np.uint8,
        )
        fraction = (numbers / self.stations * 1e4).astype(">u2").view(np.uint8).reshape(-1, 2)
        code = np.frombuffer(b"".join(k[3:] for k in self.keys[begin:end]), np.uint8)
        for record in range(0, len(CODES) * LENGTH, LENGTH):
            made[:, record + 8 : record + 13] = code.reshape(-1, 5)
            made[:, record + 20 : record + 28] = head
            made[:, record + 28 : record + 30] = fraction
        flat = made.tobytes()
        size = len(CODES) * LENGTH
        return [flat[i : i + size] for i in range(0, len(flat), size)]


def _fitting(counts: npt.NDArray[np.int32]) -> bytes:
    """Encode a second; halved until Steim-2 packs it into one record a channel."""
    while True:
        try:
            return _encoded(counts)
        except ValueError:
            counts = counts // 2
