"""The contract of the topic `observations`: what slow sensors say, as it came.

Beside the readings of sensors stand there what the seismic stages say to those who watch for
other hazards (`detect.hazards.readings`): one topic is one order of time. Times are microseconds
since 1970 UTC.
"""

import msgspec
from msgspec import Struct

__all__ = ["Observation", "decode", "encode"]


class Observation(Struct, frozen=True, kw_only=True, tag_field="kind", tag="observation"):
    """One reading of one sensor.

    Attributes
    ----------
    sensor
        Its id in the sensor file; the key of the record.
    time_us
        When it was taken, by the sensor's own clock.
    quantity, value, unit
        What was measured, as it was sent; the unit as `pint` writes it.
    """

    version: int = 1
    sensor: str
    time_us: int
    quantity: str
    value: float
    unit: str


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Observation] = msgspec.json.Decoder(Observation)


def encode(observation: Observation) -> bytes:
    """JSON of a reading, fields in the order of the contract."""
    return _encoder.encode(observation)


def decode(value: bytes) -> Observation:
    """Read a reading.

    Raises
    ------
    msgspec.DecodeError, UnicodeDecodeError, RecursionError
        If the bytes are not JSON or not of the contract.
    """
    return _decoder.decode(value)
