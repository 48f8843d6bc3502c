"""CAP messages of other agencies: read leniently, refused with a reason when their rules fail.

What is accepted becomes a `ForeignAlert` for the topic `events`, an acknowledgement (msgType
``Ack``) of one of our messages becomes a fact for the ledger, and what is refused goes to
`rejects` (`dispatch.reception`).

Lenient: CAP 1.1 and 1.2, any order of elements, times with ``Z`` or fractions, spaces, polygons
that are not closed, coordinates of any length. Strict: what could raise a false alarm or hide a
true one. A message whose sender has pinned certificates must be signed with one of them.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

import msgspec
from lxml import etree
from msgspec import Struct

from dispatch import signature
from dispatch.facts import Acknowledgement
from dispatch.signature import ForgedError, Pins
from dispatch.untrusted import UnsafeXmlError, read_xml
from stream.errors import AlatauError

__all__ = [
    "Area",
    "ForeignAlert",
    "Gate",
    "RefusedError",
    "decode",
    "encode",
    "read",
]

Status = Literal["Actual", "Exercise", "System", "Test", "Draft"]
MsgType = Literal["Alert", "Update", "Cancel", "Ack", "Error"]

NAMESPACES = ("urn:oasis:names:tc:emergency:cap:1.2", "urn:oasis:names:tc:emergency:cap:1.1")
DEFAULT_LIFE = timedelta(hours=24)
"""A message without `expires` stands so long after it was sent."""

LONGEST_LIFE = timedelta(days=7)
"""No message stands longer, whatever it says: so long, and no longer, it can be replayed."""

CLOCK_ERROR = timedelta(minutes=5)
"""So far ahead of our clock a sender's may be."""

SAME_CONTENT = timedelta(minutes=60)
"""Within it the same content under another name, without references, is not news (WMO)."""

LONGEST_TEXT = 4000
MOST_POINTS = 10_000

_SPACE_US = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"[^\s,<&]{1,300}")


class RefusedError(AlatauError):
    """A message that is not taken.

    Attributes
    ----------
    reason
        A short phrase, the same for the same fault.
    sender
        Who it says it is from; empty if it did not come so far.
    """

    def __init__(self, reason: str, detail: str, sender: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.sender = sender


class Area(Struct, frozen=True, kw_only=True):
    """Where a message holds.

    Attributes
    ----------
    polygons
        Closed rings of latitude and longitude, degrees.
    circles
        Latitude, longitude (degrees) and radius (km).
    geocodes
        Name of the system and code in it.
    """

    description: str = ""
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    circles: tuple[tuple[float, float, float], ...] = ()
    geocodes: tuple[tuple[str, str], ...] = ()


class ForeignAlert(Struct, frozen=True, kw_only=True, tag_field="kind", tag="foreign-alert"):
    """A message of another agency, as it stands on `events`.

    Attributes
    ----------
    id
        ``sender,identifier,sent``, as CAP names a message.
    identifier, sender, sent_us, status, type, scope, references
        As in CAP; times are microseconds since 1970 UTC.
    onset_us, effective_us, expires_us
        Expiry as given, or `DEFAULT_LIFE` after `sent_us`; never above `LONGEST_LIFE` after it.
    categories, event, codes, urgency, severity, certainty, headline, description, languages
        Of the English <info>, or of the first.
    areas
        Of all <info>, each once.
    arrived_us
        When it came.
    verified
        Whether we know who sent it: by its signature and a pinned certificate, or by the way on
        which it came.
    """

    version: int = 2
    id: str
    identifier: str
    sender: str
    sent_us: int
    status: Status
    type: Literal["Alert", "Update", "Cancel"]
    scope: str
    references: tuple[str, ...] = ()
    onset_us: int | None = None
    effective_us: int | None = None
    expires_us: int
    categories: tuple[str, ...] = ()
    event: str = ""
    codes: tuple[tuple[str, str], ...] = ()
    urgency: str = "Unknown"
    severity: str = "Unknown"
    certainty: str = "Unknown"
    headline: str = ""
    description: str = ""
    languages: tuple[str, ...] = ()
    areas: tuple[Area, ...] = ()
    arrived_us: int
    verified: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ForeignAlert)


def encode(alert: ForeignAlert) -> bytes:
    """JSON of a message, fields in the order of the contract."""
    return _encoder.encode(alert)


def decode(value: bytes) -> ForeignAlert:
    """Read a message.

    Raises
    ------
    msgspec.DecodeError, UnicodeDecodeError, RecursionError
        If the bytes are not JSON or not of the contract.
    """
    return _decoder.decode(value)


class Gate:
    """What has come through, and what may: a fold over what comes in.

    Parameters
    ----------
    pins
        Certificates by sender. Whoever is named here must sign.
    unsigned
        Whether senders that are not named are read at all; what they say stays marked as
        not verified.
    """

    def __init__(self, pins: Pins, *, unsigned: bool = False) -> None:
        self._pins = pins
        self._unsigned = unsigned
        self._seen: dict[str, int] = {}
        self._contents: dict[str, tuple[int, str]] = {}
        self._swept_us = 0

    def note(self, alert: ForeignAlert) -> None:
        """Take in what has been accepted before, as after a restart."""
        self._seen[alert.id] = alert.expires_us
        self._contents[_content(alert)] = (alert.sent_us, alert.id)

    def take(
        self, value: bytes, arrived_us: int, *, trusted: bool = False
    ) -> ForeignAlert | Acknowledgement:
        """Read a message that has come.

        Parameters
        ----------
        value
            The bytes as they came.
        arrived_us
            When; it decides what has expired.
        trusted
            Whether the way on which it came is a proof of who sent it, as a signed request is.

        Raises
        ------
        RefusedError
            With one of the reasons: those of `UnsafeXmlError`, ``not CAP``, ``unknown sender``,
            ``forged``, ``not signed``, ``expired``, ``replayed``, ``from the future``,
            ``the same again``, ``breaks a rule``.
        """
        root = _root(value)
        sender = _said(root, "sender")
        is_verified = sender in self._pins
        if not is_verified and trusted:
            checked, is_verified = root, True
        else:
            checked = self._checked(root, sender, arrived_us)
        try:
            said = read(checked, arrived_us)
        except RefusedError as error:
            raise RefusedError(error.reason, error.detail, sender) from error
        self._sweep(arrived_us)
        if isinstance(said, Acknowledgement):
            if said.id in self._seen:
                raise RefusedError("replayed", said.ack, sender)
            self._seen[said.id] = said.at_us + LONGEST_LIFE // _SPACE_US
            return msgspec.structs.replace(said, verified=is_verified)
        self._refuse_stale(said, arrived_us)
        self.note(said)
        return msgspec.structs.replace(said, verified=is_verified)

    def _checked(self, root: etree._Element, sender: str, at_us: int) -> etree._Element:
        """Return what may be read of a message: all that was signed."""
        if sender in self._pins:
            if not signature.is_signed(root):
                raise RefusedError("not signed", f"{sender} signs its messages", sender)
            try:
                return signature.verify(root, self._pins[sender], at_us)
            except ForgedError as error:
                raise RefusedError("forged", str(error), sender) from error
        if not self._unsigned:
            raise RefusedError("unknown sender", f"nothing is pinned for {sender!r}", sender)
        return root

    def _refuse_stale(self, alert: ForeignAlert, arrived_us: int) -> None:
        if alert.sent_us > arrived_us + CLOCK_ERROR // _SPACE_US:
            raise RefusedError("from the future", f"sent {_text(alert.sent_us)}", alert.sender)
        if alert.expires_us <= arrived_us:
            raise RefusedError("expired", f"at {_text(alert.expires_us)}", alert.sender)
        if alert.id in self._seen:
            raise RefusedError("replayed", alert.id, alert.sender)
        before = self._contents.get(_content(alert))
        if (
            before is not None
            and not alert.references
            and abs(alert.sent_us - before[0]) < SAME_CONTENT // _SPACE_US
        ):
            raise RefusedError("the same again", f"as {before[1]}", alert.sender)

    def _sweep(self, now_us: int) -> None:
        """Forget, once a minute, what could not come through any more."""
        if now_us - self._swept_us < 60_000_000:
            return
        self._swept_us = now_us
        self._seen = {name: end for name, end in self._seen.items() if end > now_us}
        oldest = now_us - (SAME_CONTENT + CLOCK_ERROR) // _SPACE_US
        self._contents = {c: what for c, what in self._contents.items() if what[0] > oldest}


def _root(value: bytes) -> etree._Element:
    try:
        root = read_xml(value)
    except UnsafeXmlError as error:
        raise RefusedError(error.reason, error.detail) from error
    name = etree.QName(root)
    if name.localname != "alert" or name.namespace not in NAMESPACES:
        raise RefusedError("not CAP", f"the root is {root.tag!r}")
    return root


def read(root: etree._Element, arrived_us: int) -> ForeignAlert | Acknowledgement:
    """Read a message that has been checked.

    Parameters
    ----------
    root
        <alert>.
    arrived_us
        When it came.

    Raises
    ------
    RefusedError
        With the reason ``breaks a rule``.
    """
    identifier, sender = _said(root, "identifier"), _said(root, "sender")
    for tag, text in (("identifier", identifier), ("sender", sender)):
        if not _NAME.fullmatch(text):
            raise _broken(f"<{tag}> is {text[:80]!r}")
    sent_us = _time(root, "sent")
    if sent_us is None:
        raise _broken("<sent> is missing")
    kind = _one_of(root, "msgType", MsgType)
    status = _one_of(root, "status", Status)
    references = tuple(_said(root, "references").split())
    if any(len(each.split(",")) != 3 for each in references):
        raise _broken("<references> are not sender,identifier,sent")
    if kind in ("Ack", "Error"):
        if arrived_us - sent_us > LONGEST_LIFE // _SPACE_US:
            raise RefusedError("expired", f"an {kind} that was sent {_text(sent_us)}")
        return _acknowledgement(root, identifier, sender, kind, references, arrived_us)
    if kind != "Alert" and not references:
        raise _broken(f"an {kind} refers to nothing")
    infos = root.findall(_tag(root, "info"))
    if not infos and kind != "Cancel":
        raise _broken("<info> is missing")
    info = next(
        (each for each in infos if _said(each, "language").lower().startswith("en")),
        infos[0] if infos else root,
    )
    life_us = LONGEST_LIFE // _SPACE_US
    expires_us = max((time for each in infos if (time := _time(each, "expires"))), default=None)
    if expires_us is not None and expires_us <= sent_us:
        raise _broken("it expires before it is sent")
    onset_us = _time(info, "onset") if infos else None
    effective_us = _time(info, "effective") if infos else None
    return ForeignAlert(
        id=f"{sender},{identifier},{_text(sent_us)}",
        identifier=identifier,
        sender=sender,
        sent_us=sent_us,
        status=status,  # type: ignore[arg-type]  # one of them: just checked
        type=kind,  # type: ignore[arg-type]
        scope=_said(root, "scope") or "Public",
        references=references,
        onset_us=onset_us,
        effective_us=effective_us,
        expires_us=min(expires_us or sent_us + DEFAULT_LIFE // _SPACE_US, sent_us + life_us),
        categories=tuple(_all(info, "category")),
        event=_said(info, "event")[:LONGEST_TEXT],
        codes=_pairs(info, "eventCode"),
        urgency=_said(info, "urgency") or "Unknown",
        severity=_said(info, "severity") or "Unknown",
        certainty=_said(info, "certainty") or "Unknown",
        headline=_said(info, "headline")[:LONGEST_TEXT],
        description=_said(info, "description")[:LONGEST_TEXT],
        languages=tuple(_said(each, "language") or "en-US" for each in infos),
        areas=tuple(dict.fromkeys(_area(a) for i in infos for a in i.findall(_tag(i, "area")))),
        arrived_us=arrived_us,
    )


def _acknowledgement(
    root: etree._Element,
    identifier: str,
    sender: str,
    kind: str,
    references: Sequence[str],
    arrived_us: int,
) -> Acknowledgement:
    if kind == "Error":
        raise _broken(f"an Error: {_said(root, 'note')[:300]!r}")
    if len(references) != 1:
        raise _broken(f"an Ack refers to {len(references)} messages, not to one")
    return Acknowledgement(
        at_us=arrived_us,
        message=references[0].split(",")[1],
        ack=identifier,
        by=sender,
        note=_said(root, "note")[:LONGEST_TEXT],
    )


def _broken(detail: str) -> RefusedError:
    return RefusedError("breaks a rule", detail)


def _tag(parent: etree._Element, tag: str) -> str:
    return f"{{{etree.QName(parent).namespace}}}{tag}"


def _said(parent: etree._Element, tag: str) -> str:
    found = parent.find(_tag(parent, tag))
    return "" if found is None else " ".join((found.text or "").split())


def _all(parent: etree._Element, tag: str) -> list[str]:
    return [" ".join((each.text or "").split()) for each in parent.findall(_tag(parent, tag))]


def _pairs(parent: etree._Element, tag: str) -> tuple[tuple[str, str], ...]:
    found = parent.findall(_tag(parent, tag))
    return tuple((_said(each, "valueName"), _said(each, "value")) for each in found)


def _one_of(root: etree._Element, tag: str, kind: object) -> str:
    text = _said(root, tag)
    if text not in get_args(kind):
        raise _broken(f"<{tag}> is {text[:80]!r}")
    return text


def _time(parent: etree._Element, tag: str) -> int | None:
    text = _said(parent, tag)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise _broken(f"<{tag}> {text!r} has no offset")
        return (moment - _EPOCH) // _SPACE_US
    except (ValueError, OverflowError) as error:
        raise _broken(f"<{tag}> is {text[:80]!r}") from error


def _text(time_us: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=time_us):%Y-%m-%dT%H:%M:%S}-00:00"


def _numbers(text: str, count: int) -> list[tuple[float, ...]]:
    """Read groups of numbers that stand between spaces, as ``41.5,78.2 41.6,78.3``."""
    groups = []
    for group in text.split():
        try:
            numbers = tuple(float(part) for part in group.split(","))
        except ValueError as error:
            raise _broken(f"{group[:40]!r} is not a place") from error
        latitude, longitude = (*numbers, 0.0, 0.0)[:2]
        if len(numbers) != count or not (abs(latitude) <= 90 and abs(longitude) <= 180):
            raise _broken(f"{group[:40]!r} is not on the globe")
        groups.append(numbers)
    return groups


def _area(area: etree._Element) -> Area:
    polygons = []
    for text in _all(area, "polygon"):
        ring = [(latitude, longitude) for latitude, longitude in _numbers(text, 2)]
        if ring and ring[0] != ring[-1]:
            ring.append(ring[0])
        if not 4 <= len(ring) <= MOST_POINTS:
            raise _broken(f"a polygon of {len(ring)} points")
        polygons.append(tuple(ring))
    circles = []
    for text in _all(area, "circle"):
        centre, _, radius = text.partition(" ")
        ((latitude, longitude),) = _numbers(centre, 2) or [(91.0, 0.0)]
        try:
            radius_km = float(radius)
        except ValueError as error:
            raise _broken(f"a circle of {radius[:40]!r} km") from error
        if not 0 <= radius_km <= 20_100 or abs(latitude) > 90:
            raise _broken(f"a circle {text[:80]!r}")
        circles.append((latitude, longitude, radius_km))
    return Area(
        description=_said(area, "areaDesc")[:LONGEST_TEXT],
        polygons=tuple(polygons),
        circles=tuple(circles),
        geocodes=_pairs(area, "geocode"),
    )


def _content(alert: ForeignAlert) -> str:
    """Make a digest of what a reader sees of a message: all but its name and its times."""
    seen = msgspec.structs.replace(
        alert,
        id="",
        identifier="",
        sent_us=0,
        onset_us=None,
        effective_us=None,
        expires_us=0,
        arrived_us=0,
        verified=False,
        references=(),
    )
    return hashlib.sha256(encode(seen)).hexdigest()
