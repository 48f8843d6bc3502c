"""The contracts of the topic `detections`: picks, and the motion of the ground.

Times are microseconds since 1970 UTC (exact in JSON numbers, which end at 2^53).
"""

import re
from typing import Literal

import msgspec
from msgspec import Struct

__all__ = [
    "Detection",
    "Motion",
    "Pick",
    "PickMotion",
    "StationMotion",
    "decode",
    "encode",
    "impossible",
]

_CODE = "[A-Za-z0-9-]"
_CHANNEL = re.compile(rf"{_CODE}*\.{_CODE}+\.{_CODE}*\.{_CODE}*")
_MOST_APART_US = 86_400_000_000  # a day: no setting lets data in that are further from now
_MOST_UNCERTAIN_S = 60.0


class Pick(Struct, frozen=True, kw_only=True, tag_field="kind", tag="pick"):
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


class PickMotion(Struct, frozen=True, kw_only=True):
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
        Peak velocity (m/s) and acceleration (m/s2) since the pick.
    """

    pick_id: str
    elapsed_s: float
    pd_m: tuple[float, ...]
    noise_pd_m: float
    pgv: float
    pga: float


class StationMotion(Struct, frozen=True, kw_only=True):
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


class Motion(Struct, frozen=True, kw_only=True, tag_field="kind", tag="motion"):
    """What the stations of one waveform partition did.

    A full frame comes once in every second of arrival; stations that have just picked are
    reported at once, in a frame of their own.

    Attributes
    ----------
    partition
        Of `waveforms`.
    time_us
        Arrival time up to which this speaks.
    """

    version: int = 1
    partition: int
    time_us: int
    stations: tuple[StationMotion, ...]


Detection = Pick | Motion

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
    for place in detection.stations if isinstance(detection, Motion) else (detection,):
        if not (abs(place.latitude) <= 90.0 and abs(place.longitude) <= 360.0):
            return f"{place.station} at {place.latitude}, {place.longitude} is not on the globe"
    if isinstance(detection, Motion):
        return ""
    if not _CHANNEL.fullmatch(detection.channel):
        return f"{detection.channel!r} is not NET.STA.LOC.CHA"
    if abs(detection.time_us - arrival_us) > _MOST_APART_US:
        return "its time is more than a day from its arrival"
    if not 0.0 <= detection.uncertainty_s <= _MOST_UNCERTAIN_S:
        return f"an uncertainty of {detection.uncertainty_s} s"
    return ""
