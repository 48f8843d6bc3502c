"""What senders of readings may say, as JSON: one reading or a list of them.

The unit always comes with the value. What cannot be used is refused by itself: the rest of a list
is taken.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ingest.observations import Observation
from ingest.sensors import Sensor
from ingest.units import UnitError, conversion

__all__ = ["Refused", "SentReading", "Sorted", "micros", "sort_out"]


class SentReading(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reading of one sensor."""

    sensor: Annotated[str, Meta(max_length=64, description="Its id in the sensor file")]
    time: Annotated[
        datetime, Meta(tz=True, description="When it was taken: ISO 8601 with Z or an offset")
    ]
    value: Annotated[float, Meta(description="What was measured")]
    unit: Annotated[
        str, Meta(max_length=40, description="Unit of the value: m, cm, mm, degC, m^3/s, uSv/h")
    ]
    quantity: Annotated[str, Meta(max_length=40, description="That of the sensor, or empty")] = ""


class Refused(Struct, frozen=True):
    """What cannot be used.

    Attributes
    ----------
    index
        Its place in the list, from 0.
    source
        Who sent it: a sensor, a sender or a file.
    reason
        A short phrase that is the same for the same fault.
    detail
        What exactly is wrong, for people.
    value
        As it came.
    """

    index: int
    source: str
    reason: str
    detail: str
    value: bytes


class Sorted(Struct, frozen=True):
    """What came, sorted into what is taken and what is refused."""

    taken: tuple[Observation, ...] = ()
    refused: tuple[Refused, ...] = ()


_list: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_one: msgspec.json.Decoder[SentReading] = msgspec.json.Decoder(SentReading)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def micros(time: datetime) -> int:
    """Microseconds since 1970 UTC of a time with a zone, exactly."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def sort_out(
    body: bytes, sensors: Mapping[str, Sensor], sender: str, own: Collection[str] | None = None
) -> Sorted:
    """Sort readings from what cannot be used.

    Parameters
    ----------
    body
        JSON: an object, or a list of them; see `SentReading`.
    sensors
        Those that are known, by id.
    sender
        Who sent it, for what is refused.
    own
        The sensors that the sender may speak for; None: all.
    """
    stripped = body.lstrip()
    try:
        parts = _list.decode(body) if stripped.startswith(b"[") else [msgspec.Raw(body)]
    except _UNREADABLE as error:
        return Sorted((), (Refused(0, sender, "not JSON", f"{error}", body),))
    taken, refused = [], []
    for index, part in enumerate(parts):
        value = bytes(part)
        try:
            sent = _one.decode(value)
        except msgspec.ValidationError as error:
            refused.append(Refused(index, sender, "not a reading", f"{error}", value))
            continue
        except _UNREADABLE as error:
            refused.append(Refused(index, sender, "not JSON", f"{error}", value))
            continue
        found = _checked(sent, sensors, own)
        if isinstance(found, Observation):
            taken.append(found)
        else:
            refused.append(Refused(index, sender, *found, value))
    return Sorted(tuple(taken), tuple(refused))


def _checked(
    sent: SentReading, sensors: Mapping[str, Sensor], own: Collection[str] | None
) -> Observation | tuple[str, str]:
    """Make the observation, or say why there is none: reason and detail."""
    if own is not None and sent.sensor not in own:
        return "foreign sensor", f"{sent.sensor!r} is not a sensor of this sender"
    sensor = sensors.get(sent.sensor)
    if sensor is None:
        return "unknown sensor", f"{sent.sensor!r} is not in the sensor file"
    if sent.quantity not in ("", sensor.quantity):
        return "quantity", f"{sensor.id} measures {sensor.quantity}, not {sent.quantity!r}"
    try:
        conversion(sent.unit, sensor.unit)
    except UnitError as error:
        return "unit", f"{error}"
    return Observation(
        sensor=sensor.id,
        time_us=micros(sent.time),
        quantity=sensor.quantity,
        value=sent.value,
        unit=sent.unit,
    )
