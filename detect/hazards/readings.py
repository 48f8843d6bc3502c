"""All that stands in the topic `observations`: what the stage `hazards` reads.

Sensors say `Observation`; the stage `detect` says `Tremor` where the ground at a seismic station
shakes as a flow shakes it; the stage `locate` repeats there each revision of an `Earthquake`, and
who takes in CAP of other services repeats it as a `Bulletin`. So the hazards have one log in one
order, and their state is rebuilt from it alone.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from detect.events import Earthquake
from ingest.observations import Observation

__all__ = ["Bulletin", "Reading", "Tremor", "decode", "encode"]


class Tremor(Struct, frozen=True, kw_only=True, tag_field="kind", tag="tremor"):
    """The ground at a station shakes long and emergent, as under a debris flow or a flood.

    Attributes
    ----------
    station
        NET.STA.
    latitude, longitude
        Of the station, degrees.
    state
        ``on`` when it begins to count as a flow, ``going`` about every 10 s while it lasts,
        ``off`` when it has ended, ``no`` when it turns out to be none (an earthquake).
    since_us
        Sample time at which it rose.
    time_us
        Sample time up to which this was judged.
    ratio
        Band energy against the noise before.
    low_hz, high_hz
        The band.
    amplitude
        Root mean square of ground velocity in the band, m/s.
    """

    version: int = 1
    station: str
    latitude: float
    longitude: float
    state: Literal["on", "going", "off", "no"]
    since_us: int
    time_us: int
    ratio: float
    low_hz: float
    high_hz: float
    amplitude: float


class Bulletin(Struct, frozen=True, kw_only=True, tag_field="kind", tag="bulletin"):
    """A warning of another service: what of its CAP may make a hazard likelier.

    Attributes
    ----------
    identifier, sender, status, type, references, event, codes, severity
        As in CAP; event, codes and severity are of its English <info>, or of the first.
    sent_us, effective_us, expires_us
        When it was sent, and from when until when it is in force; microseconds since 1970 UTC.
    verified
        Whether it is known to be its sender's.
    polygons
        Closed rings of latitude and longitude, degrees; of all its areas.
    circles
        Latitude, longitude (degrees) and radius (km).
    geocodes
        Name of the system and code in it.
    """

    version: int = 1
    identifier: str
    sender: str
    sent_us: int
    status: Literal["Actual", "Exercise", "System", "Test", "Draft"]
    type: Literal["Alert", "Update", "Cancel"]
    references: tuple[str, ...] = ()
    event: str = ""
    codes: tuple[tuple[str, str], ...] = ()
    severity: Literal["Unknown", "Minor", "Moderate", "Severe", "Extreme"] = "Unknown"
    effective_us: int
    expires_us: int
    verified: bool = False
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    circles: tuple[tuple[float, float, float], ...] = ()
    geocodes: tuple[tuple[str, str], ...] = ()


Reading = Observation | Tremor | Earthquake | Bulletin

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Reading] = msgspec.json.Decoder(Reading)


def encode(reading: Reading) -> bytes:
    """JSON of a reading, fields in the order of its contract."""
    return _encoder.encode(reading)


def decode(value: bytes) -> Reading:
    """Read what stands in `observations`.

    Raises
    ------
    msgspec.DecodeError, UnicodeDecodeError, RecursionError
        If the bytes are not JSON or not of a contract.
    """
    return _decoder.decode(value)
