"""A message on its way: what channels need to know of it, without reading its words."""

from datetime import UTC, datetime, timedelta

from lxml import etree
from msgspec import Struct

from dispatch.untrusted import UnsafeXmlError, read_xml
from stream.errors import AlatauError
from stream.records import Record

__all__ = ["Parcel", "ParcelError", "is_hazard", "parcel"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"


class ParcelError(AlatauError):
    """A record of `alerts` that is no message."""


class Parcel(Struct, frozen=True, kw_only=True):
    """A message as it stands on `alerts`.

    Attributes
    ----------
    identifier, sender, status, type, references, headline
        As in its CAP; the headline is that of its first language.
    chain
        Which messages follow on each other: the key of the record.
    event, country, audience
        From the headers of the record, else empty.
    sent_us, onset_us, expires_us
        As in its CAP, microseconds since 1970 UTC.
    intensity
        Highest that has been told since the Alert; None if the headers do not say.
    arrived_us
        Arrival of the data that caused it.
    value
        The CAP, byte for byte.
    """

    identifier: str
    sender: str
    status: str
    type: str
    references: tuple[str, ...]
    headline: str
    chain: str
    event: str
    country: str
    audience: str
    sent_us: int
    onset_us: int
    expires_us: int
    intensity: float | None
    arrived_us: int
    value: bytes


def is_hazard(record: Record) -> bool:
    """Whether a record of `alerts` is about another hazard than an earthquake, by its headers."""
    return any(name == "hazard" for name, _ in record.headers)


def parcel(record: Record) -> Parcel:
    """Read a record of `alerts`.

    Raises
    ------
    ParcelError
        If it is not CAP 1.2 with an identifier, times and information.
    """
    try:
        root = read_xml(record.value)
    except UnsafeXmlError as error:
        raise ParcelError(str(error)) from error
    info = root.find(_CAP + "info")
    if root.tag != _CAP + "alert" or info is None:
        raise ParcelError("not a CAP 1.2 alert with <info>")
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    sent_us = _time(root, "sent")
    try:
        intensity = float(headers["highestTold"]) if "highestTold" in headers else None
    except ValueError as error:
        raise ParcelError(f"highestTold is {headers['highestTold']!r}") from error
    onset = info.find(_CAP + "onset")
    return Parcel(
        identifier=_text(root, "identifier"),
        sender=_text(root, "sender"),
        status=_text(root, "status"),
        type=_text(root, "msgType"),
        references=tuple((root.findtext(_CAP + "references") or "").split()),
        headline=info.findtext(_CAP + "headline") or "",
        chain=record.key.decode("utf-8", "replace"),
        event=headers.get("event", ""),
        country=headers.get("country", ""),
        audience=headers.get("audience", ""),
        sent_us=sent_us,
        onset_us=sent_us if onset is None else _time(info, "onset"),
        expires_us=_time(info, "expires"),
        intensity=intensity,
        arrived_us=record.timestamp * 1000,
        value=record.value,
    )


def _text(parent: etree._Element, tag: str) -> str:
    text = parent.findtext(_CAP + tag)
    if not text:
        raise ParcelError(f"<{tag}> is missing")
    return text


def _time(parent: etree._Element, tag: str) -> int:
    text = _text(parent, tag)
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
    except (TypeError, ValueError, OverflowError) as error:
        raise ParcelError(f"<{tag}> is {text[:80]!r}") from error
