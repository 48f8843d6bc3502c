"""The contract of the topic `events`: each record is one revision of one event.

Times are microseconds since 1970 UTC (exact in JSON numbers, which end at 2^53).
"""

from typing import Literal

import msgspec
from msgspec import Struct

from detect.hazard_events import HazardEvent

__all__ = ["Arrival", "Earthquake", "Event", "Shaking", "Status", "decode", "encode"]

Status = Literal["provisional", "confirmed", "cancelled", "superseded"]


class Arrival(Struct, frozen=True, kw_only=True):
    """A pick as the location uses it.

    Attributes
    ----------
    residual_s
        Observed minus computed time.
    weight
        0 to 1 in the location.
    """

    pick_id: str
    station: str
    phase: Literal["P", "S"]
    time_us: int
    distance_km: float
    azimuth_deg: float
    residual_s: float
    weight: float


class Shaking(Struct, frozen=True, kw_only=True):
    """What a station has felt of an event.

    Attributes
    ----------
    station, latitude, longitude
        Which.
    intensity
        From its records, as far as a second station or the source bears it out.
    has_s
        Whether S has come there, and some seconds have passed.
    """

    station: str
    latitude: float
    longitude: float
    intensity: float
    has_s: bool


class Earthquake(Struct, frozen=True, kw_only=True, tag_field="kind", tag="earthquake"):
    """One revision of an earthquake.

    Attributes
    ----------
    id
        A function of the region and of the first pick; letters, digits, ``.`` and ``-``.
    revision
        0, 1, 2 ... for one id.
    status
        ``provisional`` (may be nothing), ``confirmed``, ``cancelled`` (is nothing),
        ``superseded`` (is the event named in `superseded_by`).
    updated_us
        Arrival time of the data that made this revision: the moment it was known.
    origin_time_us, origin_time_sigma_s, latitude, longitude, epicentre_sigma_km, depth_km,
    depth_sigma_km
        The hypocentre with one-sigma uncertainties (epicentre: radius of the one-sigma
        circle of equal area).
    magnitude, magnitude_sigma, magnitude_type, magnitude_stations
        None until the first second after P at one station has come in; `magnitude_type`
        says from what: ``Mpd`` (displacement of P), ``Mpgv`` (velocity with S), ``Mpd-pgv``
        (some stations each); empty without a magnitude.
    magnitude_saturated
        True where the method can only say "at least".
    azimuthal_gap_deg
        Largest angle without a station.
    silent_stations
        Healthy stations that should have seen the P wave by now and have not.
    reason
        Why this revision was made, for people.
    rupture
        Latitude and longitude of the corners of the line that broke; empty while a point
        explains what is felt.
    shaking
        What stations have felt, by name: those that feel it strongly, and the nearest of those
        that S has reached.
    """

    version: int = 2
    id: str
    revision: int
    status: Status
    region: str
    updated_us: int
    origin_time_us: int
    origin_time_sigma_s: float
    latitude: float
    longitude: float
    epicentre_sigma_km: float
    depth_km: float
    depth_sigma_km: float
    magnitude: float | None
    magnitude_sigma: float | None
    magnitude_type: str
    magnitude_stations: int
    magnitude_saturated: bool
    azimuthal_gap_deg: float
    silent_stations: int
    arrivals: tuple[Arrival, ...]
    reason: str
    superseded_by: str | None = None
    rupture: tuple[tuple[float, float], ...] = ()
    shaking: tuple[Shaking, ...] = ()


Event = Earthquake | HazardEvent

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """JSON of an event, fields in the order of the contract."""
    return _encoder.encode(event)


def decode(value: bytes) -> Event:
    """Read an event.

    Raises
    ------
    msgspec.DecodeError, UnicodeDecodeError, RecursionError
        If the bytes are not JSON or not of the contract.
    """
    return _decoder.decode(value)
