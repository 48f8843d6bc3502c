"""Messages as CAP 1.2 (OASIS Common Alerting Protocol, 2010) and back.

Facts that CAP has no element for stand in `parameter`, named as the fields of
`dispatch.messages.Message` in camel case, times as ISO 8601 with microseconds; each place is
one parameter ``place`` holding JSON. Numbers are written shortest that read back the same.
The same message always gives the same bytes.
"""

from datetime import UTC, datetime, timedelta

import msgspec
from lxml import etree

from dispatch import wording
from dispatch.messages import CancelReason, Message, PlaceWarning
from stream.errors import AlatauError

__all__ = ["NAMESPACE", "CapError", "build", "parse", "reference", "time_text"]

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
EVENT_CODE = ("OET:v1.2", "OET-068")
"""Earthquake in the OASIS Event Terms List."""

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
    *("country", "places", "languages"),
}
"""Fields, by their names in camel case, that stand in an element or in repeated parameters."""

_PARAMETERS = tuple(
    field.encode_name
    for field in msgspec.structs.fields(Message)
    if field.encode_name not in _ELEMENTS
)
_ATTRIBUTES = {f.encode_name: f.name for f in msgspec.structs.fields(Message)}


class CapError(AlatauError):
    """Bytes that are not a CAP message of ours."""


def time_text(time_us: int) -> str:
    """Write a time as CAP has it: whole seconds (rounded down), UTC as ``-00:00``."""
    return f"{_EPOCH + timedelta(seconds=time_us // 1_000_000):%Y-%m-%dT%H:%M:%S}-00:00"


def reference(message: Message) -> str:
    """Name a message as `references` does."""
    return f"{message.sender},{message.identifier},{time_text(message.sent_us)}"


def _exact(time_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds")


def _microseconds(text: str) -> int:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"the time {text} has no offset")
    return (time - _EPOCH) // timedelta(microseconds=1)


def _add(parent: etree._Element, tag: str, text: str) -> etree._Element:
    element = etree.SubElement(parent, _CAP + tag)
    element.text = text
    return element


def _pair(parent: etree._Element, tag: str, name: str, value: str) -> None:
    element = etree.SubElement(parent, _CAP + tag)
    _add(element, "valueName", name)
    _add(element, "value", value)


def _parameters(message: Message) -> list[tuple[str, str]]:
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
    pairs += [("place", msgspec.json.encode(place).decode()) for place in message.places]
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
    words = [(language, wording.load(language)) for language in message.languages]
    alert = etree.Element(_CAP + "alert", nsmap={None: NAMESPACE})  # type: ignore[dict-item]
    _add(alert, "identifier", message.identifier)
    _add(alert, "sender", message.sender)
    _add(alert, "sent", time_text(message.sent_us))
    _add(alert, "status", message.status)
    _add(alert, "msgType", message.msg_type)
    _add(alert, "source", "Alatau")
    _add(alert, "scope", "Public")
    if (note := words[0][1].note.get(message.status)) is not None:
        _add(alert, "note", note)
    if message.references:
        _add(alert, "references", " ".join(message.references))
    _add(alert, "incidents", message.event_id)
    for language, texts in words:
        _add_info(alert, message, language, texts)
    return etree.tostring(alert, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _add_info(
    alert: etree._Element, message: Message, language: str, texts: wording.Wording
) -> None:
    info = etree.SubElement(alert, _CAP + "info")
    _add(info, "language", language)
    _add(info, "category", "Geo")
    _add(info, "event", texts.event)
    _add(info, "responseType", _RESPONSES[message.cancel_reason])
    _add(info, "urgency", message.urgency)
    _add(info, "severity", message.severity)
    _add(info, "certainty", message.certainty)
    _pair(info, "eventCode", *EVENT_CODE)
    _add(info, "effective", time_text(message.sent_us))
    _add(info, "onset", time_text(message.onset_us))
    _add(info, "expires", time_text(message.expires_us))
    _add(info, "senderName", message.sender_name)
    _add(info, "headline", texts.headline_of(message))
    _add(info, "description", texts.description_of(message))
    _add(info, "instruction", texts.instruction_of(message))
    _add(info, "web", message.web)
    _add(info, "contact", message.contact)
    for name, value in _parameters(message):
        _pair(info, "parameter", name, value)
    area = etree.SubElement(info, _CAP + "area")
    _add(area, "areaDesc", texts.area_of(message))
    circle = f"{message.latitude:.4f},{message.longitude:.4f} {message.radius_km:.1f}"
    _add(area, "circle", circle)
    _pair(area, "geocode", "ISO3166-1", message.country)


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
    fields: dict[str, object] = {
        name: _text(root, name) for name in ("identifier", "sender", "status", "msgType")
    }
    for name in ("urgency", "severity", "certainty", "senderName", "web", "contact"):
        fields[name] = _text(info, name)
    codes = [_text(code, "value") for code in info.iterfind(f"{_CAP}area/{_CAP}geocode")]
    fields["country"] = codes[0] if codes else None
    fields["references"] = [] if references is None else (references.text or "").split(" ")
    fields["languages"] = [_text(other, "language") for other in root.iterfind(_CAP + "info")]
    try:
        for name in ("onset", "expires"):
            fields[name + "Us"] = _microseconds(_text(info, name))
        for name in _PARAMETERS:
            if name.endswith("Us"):
                fields[name] = _microseconds(texts[name.removesuffix("Us")])
            elif name == "areaPlaces":
                fields[name] = msgspec.json.decode(texts[name])
            elif name in texts:
                fields[name] = texts[name]
        fields["places"] = [
            msgspec.json.decode(text, type=PlaceWarning) for name, text in pairs if name == "place"
        ]
        return msgspec.convert(fields, Message, strict=False)
    except KeyError as error:
        raise CapError(f"the parameter {error} is missing") from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise CapError(f"not a message of ours: {error}") from error
