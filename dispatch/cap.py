"""Messages as CAP 1.2 (OASIS Common Alerting Protocol, 2010) and back.

There is one `info` for each language. Facts that CAP has no element for stand in `parameter`,
named as the fields of `dispatch.messages.Message` in camel case, times as ISO 8601 with
microseconds; each place is one parameter ``place`` holding JSON, in the first `info` alone.
Numbers are written shortest that read back the same. The same message always gives the same
bytes.

The first `area` holds everyone who is warned; each further one, within it, where the shaking
is to be stronger. ``cellBroadcastShort`` and ``cellBroadcastLong`` are texts of at most 90 and
360 characters, each with the number of pages it takes.

What is for the public has the scope Public, what is for operators Private with their addresses,
all else Restricted to the kind of its audience.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec
from lxml import etree

from dispatch import broadcast, wording
from dispatch.cap_elements import NAMESPACE
from dispatch.cap_elements import element as _element
from dispatch.cap_elements import exact as _exact
from dispatch.cap_elements import pair as _pair
from dispatch.local_time import UnknownZoneError, cap_text, zone
from dispatch.messages import AudienceKind, CancelReason, Message, PlaceWarning, WarnedArea
from stream.errors import AlatauError

__all__ = ["NAMESPACE", "CapError", "build", "parse", "reference", "time_text"]

EVENT_CODE = ("OET:v1.2", "OET-068")
"""Earthquake in the OASIS Event Terms List."""

_COUNTRY = "ISO3166-1"
_AREA_LEVELS = "areaIntensities"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CAP = "{" + NAMESPACE + "}"
_RESPONSES: dict[CancelReason | None, str] = {
    None: "Shelter",
    "nothing": "AllClear",
    "same": "Monitor",
    "weaker": "Monitor",
}
_ELEMENTS = {
    *("identifier", "sender", "status", "msgType", "references"),
    *("onsetUs", "expiresUs", "urgency", "severity", "certainty", "senderName", "web", "contact"),
    *("country", "places", "languages", "areas", "audience", "audienceKind", "addresses"),
}
"""Fields, by their names in camel case, that stand in an element or in repeated parameters."""

_PARAMETERS = tuple(
    field.encode_name
    for field in msgspec.structs.fields(Message)
    if field.encode_name not in _ELEMENTS
)
_ATTRIBUTES = {f.encode_name: f.name for f in msgspec.structs.fields(Message)}
_REQUIRED = {f.name for f in msgspec.structs.fields(Message) if f.required}
_JSON = {"areaPlaces", "areaGeonameids", "exposure"}
_SCOPES: dict[AudienceKind, str] = {"": "Public", "public": "Public", "operator": "Private"}
_AUDIENCE_HERE = "\x00"  # stands for the audience in a rendering: XML can hold no such character


class CapError(AlatauError):
    """Bytes that are not a CAP message of ours."""


def time_text(time_us: int, timezone: str = "UTC") -> str:
    """Write a time as CAP has it: whole seconds (rounded down), UTC as ``-00:00``."""
    return cap_text(time_us, timezone)


def reference(message: Message) -> str:
    """Name a message as `references` does."""
    sent = time_text(message.sent_us, message.timezone)
    return f"{message.sender},{message.identifier},{sent}"


def _microseconds(text: str) -> int:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"the time {text} has no offset")
    return (time - _EPOCH) // timedelta(microseconds=1)


def _facts(message: Message) -> list[tuple[str, str]]:
    """Name and text of the facts that have no element of their own; None is left out."""
    pairs = []
    for name in _PARAMETERS:
        value = getattr(message, _ATTRIBUTES[name])
        if value is None:
            continue
        if isinstance(value, tuple):
            pairs.append((name, msgspec.json.encode(value).decode()))
        elif name.endswith("Us"):
            pairs.append((name.removesuffix("Us"), _exact(value)))
        elif isinstance(value, bool):
            pairs.append((name, str(value).lower()))
        elif isinstance(value, float):
            pairs.append((name, repr(value)))
        else:
            pairs.append((name, str(value)))
    if message.areas:
        levels = [area.intensity for area in message.areas]
        pairs.append((_AREA_LEVELS, msgspec.json.encode(levels).decode()))
    return pairs


def _broadcast(message: Message, texts: wording.Wording) -> list[tuple[str, str]]:
    """Give the texts for cell broadcast and their pages."""
    whose: wording.Audience = "operator" if message.audience_kind == "operator" else "public"
    lengths = {"Short": texts.short_of(message, whose), "Long": texts.long_of(message, whose)}
    pairs = []
    for length, text in lengths.items():
        pairs.append((f"cellBroadcast{length}", text))
        pairs.append((f"cellBroadcast{length}Pages", str(broadcast.pages(text))))
    return pairs


def build(message: Message) -> bytes:
    """Write a message as CAP 1.2.

    Returns
    -------
    bytes
        UTF-8 XML, elements in the order of the schema.

    Raises
    ------
    ValueError
        If a text holds what XML cannot, such as a control character.
    """
    notes = [
        texts.note[message.status]
        for texts in map(wording.load, message.languages)
        if message.status in texts.note
    ]
    parts = [
        "<?xml version='1.0' encoding='UTF-8'?>\n",
        f'<alert xmlns="{NAMESPACE}">\n',
        _element("identifier", message.identifier, "  "),
        _element("sender", message.sender, "  "),
        _element("sent", time_text(message.sent_us, message.timezone), "  "),
        _element("status", message.status, "  "),
        _element("msgType", message.msg_type, "  "),
        _element("source", "Alatau", "  "),
        *_scope(message),
    ]
    if notes:
        parts.append(_element("note", " ".join(notes), "  "))
    if message.references:
        parts.append(_element("references", " ".join(message.references), "  "))
    parts.append(_element("incidents", message.event_id, "  "))
    audience = _element("audience", message.audience) if message.audience else ""
    said_to_all = msgspec.structs.replace(
        message, identifier="", references=(), audience="", addresses=()
    )
    parts.append(_infos(said_to_all).replace(_AUDIENCE_HERE, audience))
    parts.append("</alert>\n")
    return "".join(parts).encode()


def _scope(message: Message) -> list[str]:
    """Say who may see it."""
    scope = _SCOPES.get(message.audience_kind, "Restricted")
    parts = [_element("scope", scope, "  ")]
    if scope == "Restricted":
        parts.append(_element("restriction", message.audience_kind, "  "))
    if message.addresses:
        parts.append(_element("addresses", " ".join(message.addresses), "  "))
    return parts


@lru_cache(maxsize=64)
def _infos(message: Message) -> str:
    """Write what is said in all languages; audiences that are told the same share it.

    A mark stands where each says for whom it is.
    """
    # What has no language is written once: most of a message, and of the time that it takes.
    shared = _Shared(
        facts="".join(_pair("parameter", *fact) for fact in _facts(message)),
        places="".join(
            _pair("parameter", "place", msgspec.json.encode(place).decode())
            for place in message.places
        ),
        bounds=_bounds(message),
        code=_pair("geocode", _COUNTRY, message.country, "      "),
    )
    parts: list[str] = []
    for number, texts in enumerate(map(wording.load, message.languages)):
        parts += _info(message, texts, shared, is_first=number == 0)
    return "".join(parts)


class _Shared(msgspec.Struct, frozen=True):
    """XML that is the same in every language: parameters, bounds of each area, geocode."""

    facts: str
    places: str
    bounds: list[str]
    code: str


def _bounds(message: Message) -> list[str]:
    """Write the polygons of each area, or the circle of the only one."""
    if not message.areas:
        circle = f"{message.latitude:.4f},{message.longitude:.4f} {message.radius_km:.1f}"
        return [_element("circle", circle, "      ")]
    return [
        "".join(
            _element("polygon", " ".join(f"{y:.4f},{x:.4f}" for y, x in ring), "      ")
            for ring in area.polygons
        )
        for area in message.areas
    ]


def _info(
    message: Message, texts: wording.Wording, shared: _Shared, *, is_first: bool
) -> list[str]:
    """Write what is said in one language."""
    sent, onset, expires = (
        time_text(time_us, message.timezone)
        for time_us in (message.sent_us, message.onset_us, message.expires_us)
    )
    elements = (
        ("language", texts.language),
        ("category", "Geo"),
        ("event", texts.event),
        ("responseType", _RESPONSES[message.cancel_reason]),
        ("urgency", message.urgency),
        ("severity", message.severity),
        ("certainty", message.certainty),
    )
    after_code = (
        ("effective", sent),
        ("onset", onset),
        ("expires", expires),
        ("senderName", message.sender_name),
        ("headline", texts.headline_of(message)),
        ("description", texts.description_of(message)),
        ("instruction", texts.instruction_of(message)),
        ("web", message.web),
        ("contact", message.contact),
    )
    names = [
        texts.area_of(message),
        *(texts.area_within_of(message, area.intensity) for area in message.areas[1:]),
    ]
    return [
        "  <info>\n",
        *(_element(*element) for element in elements),
        _AUDIENCE_HERE,
        _pair("eventCode", *EVENT_CODE),
        *(_element(*element) for element in after_code),
        shared.facts,
        *(_pair("parameter", *text) for text in _broadcast(message, texts)),
        shared.places if is_first else "",
        *(
            f"    <area>\n{_element('areaDesc', name, '      ')}{bounds}{shared.code}    </area>\n"
            for name, bounds in zip(names, shared.bounds, strict=True)
        ),
        "  </info>\n",
    ]


def _root(value: bytes) -> etree._Element:
    """Parse XML that may be anyone's: no entities, no network, no DTD, bounded size."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True
    )
    try:
        root = etree.fromstring(value, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise CapError(f"not XML: {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise CapError("a document type is not read: it can define entities")
    if root.tag != _CAP + "alert":
        raise CapError(f"the root is {root.tag!r}, not a CAP 1.2 alert")
    return root


def _text(parent: etree._Element, tag: str) -> str:
    found = parent.find(_CAP + tag)
    if found is None:
        raise CapError(f"<{tag}> is missing")
    return found.text or ""


def _kind(root: etree._Element, info: etree._Element) -> str:
    """Read whom a message is for from its scope."""
    scope = _text(root, "scope")
    if scope == "Restricted":
        return _text(root, "restriction")
    if scope == "Private":
        return "operator"
    return "" if info.find(_CAP + "audience") is None else "public"


def _read_areas(info: etree._Element, levels: str | None) -> tuple[WarnedArea, ...]:
    if levels is None:
        return ()
    areas = []
    found = msgspec.json.decode(levels, type=list[float])
    for level, area in zip(found, info.iterfind(_CAP + "area"), strict=True):
        rings = [
            tuple(tuple(map(float, point.split(","))) for point in (ring.text or "").split(" "))
            for ring in area.iterfind(_CAP + "polygon")
        ]
        areas.append(msgspec.convert({"intensity": level, "polygons": rings}, WarnedArea))
    return tuple(areas)


def parse(value: bytes) -> Message:
    """Read a message that `build` has written.

    Raises
    ------
    CapError
        If it is not XML, not CAP 1.2, or lacks the facts that `build` writes.
    """
    root = _root(value)
    info = root.find(_CAP + "info")
    if info is None:
        raise CapError("<info> is missing")
    pairs = [(_text(p, "valueName"), _text(p, "value")) for p in info.iterfind(_CAP + "parameter")]
    texts = dict(pairs)
    references = root.find(_CAP + "references")
    addresses = root.find(_CAP + "addresses")
    fields: dict[str, object] = {
        name: _text(root, name) for name in ("identifier", "sender", "status", "msgType")
    }
    for name in ("urgency", "severity", "certainty", "senderName", "web", "contact"):
        fields[name] = _text(info, name)
    area = info.find(_CAP + "area")
    code = None if area is None else area.find(_CAP + "geocode")
    fields["country"] = None if code is None else _text(code, "value")
    fields["references"] = [] if references is None else (references.text or "").split(" ")
    fields["audience"] = info.findtext(_CAP + "audience") or ""
    fields["audienceKind"] = _kind(root, info)
    fields["addresses"] = [] if addresses is None else (addresses.text or "").split(" ")
    fields["languages"] = [_text(other, "language") for other in root.iterfind(_CAP + "info")]
    try:
        for name in ("onset", "expires"):
            fields[name + "Us"] = _microseconds(_text(info, name))
        for name in _PARAMETERS:
            if name.endswith("Us"):
                fields[name] = _microseconds(texts[name.removesuffix("Us")])
            elif name in _JSON:
                if name in texts or _ATTRIBUTES[name] in _REQUIRED:
                    fields[name] = msgspec.json.decode(texts[name])
            elif name in texts:
                fields[name] = texts[name]
        fields["areas"] = _read_areas(info, texts.get(_AREA_LEVELS))
        fields["places"] = [
            msgspec.json.decode(text, type=PlaceWarning) for name, text in pairs if name == "place"
        ]
        message = msgspec.convert(fields, Message, strict=False)
        zone(message.timezone)
    except UnknownZoneError as error:
        raise CapError(str(error)) from error
    except KeyError as error:
        raise CapError(f"the parameter {error} is missing") from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise CapError(f"not a message of ours: {error}") from error
    return message
