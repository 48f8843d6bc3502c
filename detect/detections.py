"""The contracts of the topic `detections`: picks, the motion of the ground, how stations are.

Times are microseconds since 1970 UTC (exact in JSON numbers, which end at 2^53).
"""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

__all__ = [
    "MOST_STATIONS",
    "Detection",
    "Heartbeat",
    "Motion",
    "Pick",
    "PickMotion",
    "StationMotion",
    "decode",
    "encode",
    "impossible",
]

MOST_STATIONS = 1000
"""In a heartbeat: it stays far below the megabyte that a Kafka broker takes by default."""

_CODE = "[A-Za-z0-9-]"
_CHANNEL = re.compile(rf"{_CODE}*\.{_CODE}+\.{_CODE}*\.{_CODE}*")
_MOST_APART_US = 86_400_000_000  # a day: no setting lets data in that are further from now
_MOST_UNCERTAIN_S = 60.0


class Pick(Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="pick"):
    """An onset on one channel.

    Attributes
    ----------
    id
        ``<channel>/<phase>/<time_us>``: a function of its cause.
    channel
        SEED id ``NET.STA.LOC.CHA``.
    phase
        ``P`` or ``S``.
    time_us, uncertainty_s
        Onset, and its standard deviation in seconds.
    snr
        Root mean square after over before the onset, in the detection band.
    polarity, polarity_confidence
        First motion: 1 up, -1 down, 0 undecided; 0 to 1.
    latitude, longitude, elevation_m
        Of the station: the log explains itself.
    faults
        What was wrong with the channel; the locator leaves out a pick that has any.
    """

    version: int = 1
    id: str
    channel: str
    phase: Literal["P", "S"]
    time_us: int
    uncertainty_s: float
    snr: float
    polarity: int
    polarity_confidence: float
    latitude: float
    longitude: float
    elevation_m: float
    faults: tuple[str, ...] = ()

    @property
    def station(self) -> str:
        """``NET.STA`` of the channel."""
        return ".".join(self.channel.split(".", 2)[:2])


class PickMotion(Struct, frozen=True, kw_only=True, gc=False):
    """Displacement at a station since one of its picks.

    Attributes
    ----------
    pick_id
        The pick that starts the window.
    elapsed_s
        Seconds of data since the pick.
    pd_m
        Peak displacement (m) of the windows that are complete: 0.5, 1, 2, 3, 4 s.
    noise_pd_m
        Peak displacement (m) in the seconds before the pick.
    pgv, pga
        Peak velocity (m/s) and acceleration (m/s2) since the pick, the largest of all axes.
    noise_pgv, noise_pga
        The same in the seconds before the pick; 0 where not told.
    """

    pick_id: str
    elapsed_s: float
    pd_m: tuple[float, ...]
    noise_pd_m: float
    pgv: float
    pga: float
    noise_pgv: float = 0.0
    noise_pga: float = 0.0


class StationMotion(Struct, frozen=True, kw_only=True, gc=False):
    """How far a station's data reach and what they hold since its last report.

    Attributes
    ----------
    station
        ``NET.STA``.
    data_end_us
        Time of the last sample used.
    pga, pgv
        Peak of the detector's band since the last report: acceleration (m/s2) of an accelerometer,
        velocity (m/s) of a seismometer; 0 for what the station has no sensor of. Motion over all
        frequencies is in `since_picks`.
    faults
        What is wrong now: ``flat``, ``stuck``, ``clock``, ``late``, ``warming`` (picks do not
        count, silence says nothing), ``clipped`` (amplitudes do not count); empty for a
        healthy station.
    since_picks
        For a while after a pick: the last two, the older first.
    """

    station: str
    latitude: float
    longitude: float
    data_end_us: int
    pga: float
    pgv: float
    faults: tuple[str, ...] = ()
    since_picks: tuple[PickMotion, ...] = ()


class Motion(Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="motion"):
    """What stations of one waveform partition did: with every packet of one that has picked.

    Attributes
    ----------
    partition
        Of `waveforms`.
    time_us
        Arrival time up to which this speaks.
    """

    version: int = 2
    partition: int
    time_us: int
    stations: tuple[StationMotion, ...]


class Heartbeat(Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="heartbeat"):
    """How the stations of one waveform partition are: once in every second of arrival.

    All that were heard since their last report are in it, by name; in several heartbeats where
    they are more than `MOST_STATIONS`. In columns: less than half of the bytes of one object for
    each station, and of the time to write and read them.

    Attributes
    ----------
    partition
        Of `waveforms`.
    time_us
        Arrival time up to which this speaks.
    stations
        ``NET.STA``.
    latitude, longitude, data_end_us, pga, pgv
        As in `StationMotion`, one for each of `stations`; peaks to three digits.
    faults
        As there, by name, with the places in `stations` of those that have it.
    """

    version: int = 1
    partition: int
    time_us: int
    stations: tuple[str, ...]
    latitude: tuple[float, ...]
    longitude: tuple[float, ...]
    data_end_us: tuple[Annotated[int, Meta(ge=-(2**53), le=2**53)], ...]
    pga: tuple[float, ...]
    pgv: tuple[float, ...]
    faults: dict[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        """Refuse columns of different lengths, and faults of no station."""
        size = len(self.stations)
        columns = (self.latitude, self.longitude, self.data_end_us, self.pga, self.pgv)
        if any(len(column) != size for column in columns):
            raise ValueError("columns of a heartbeat have different lengths")
        for places in self.faults.values():
            if places and not (min(places) >= 0 and max(places) < size):
                raise ValueError("a heartbeat names faults of a station that it does not hold")


Detection = Pick | Motion | Heartbeat

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Detection] = msgspec.json.Decoder(Detection)


def encode(detection: Detection) -> bytes:
    """JSON of a detection, fields in the order of the contract."""
    return _encoder.encode(detection)


def decode(value: bytes) -> Detection:
    """Read a detection.

    Raises
    ------
    msgspec.DecodeError, UnicodeDecodeError, RecursionError
        If the bytes are not JSON or not of the contract.
    """
    return _decoder.decode(value)


def impossible(detection: Detection, arrival_us: int) -> str:
    """Say why nothing may be decided on a detection; empty where it may.

    Parameters
    ----------
    detection
        As read.
    arrival_us
        Arrival of its record, us since 1970 UTC.
    """
    if isinstance(detection, Pick):
        return _impossible_pick(detection, arrival_us)
    if isinstance(detection, Motion):
        for place in detection.stations:
            if not _on_globe(place.latitude, place.longitude):
                return _nowhere(place.station, place.latitude, place.longitude)
        return ""
    latitudes, longitudes = detection.latitude, detection.longitude
    if not latitudes or (
        _on_globe(min(latitudes), min(longitudes)) and _on_globe(max(latitudes), max(longitudes))
    ):
        return ""
    for column in zip(detection.stations, latitudes, longitudes, strict=True):
        if not _on_globe(*column[1:]):
            return _nowhere(*column)
    return ""


def _on_globe(latitude: float, longitude: float) -> bool:
    return abs(latitude) <= 90.0 and abs(longitude) <= 360.0


def _nowhere(station: str, latitude: float, longitude: float) -> str:
    return f"{station} at {latitude}, {longitude} is not on the globe"


def _impossible_pick(detection: Pick, arrival_us: int) -> str:
    if not _on_globe(detection.latitude, detection.longitude):
        return _nowhere(detection.station, detection.latitude, detection.longitude)
    if not _CHANNEL.fullmatch(detection.channel):
        return f"{detection.channel!r} is not NET.STA.LOC.CHA"
    if abs(detection.time_us - arrival_us) > _MOST_APART_US:
        return "its time is more than a day from its arrival"
    if not 0.0 <= detection.uncertainty_s <= _MOST_UNCERTAIN_S:
        return f"an uncertainty of {detection.uncertainty_s} s"
    return ""
