"""Messages of hazards other than earthquakes as CAP 1.2.

There is one `info` for each language. Facts that CAP has no element for stand in `parameter`,
named as the fields of `dispatch.hazard_messages.HazardMessage` in camel case, times as ISO 8601
with microseconds; each place is one parameter ``place`` holding JSON, in the first `info` alone.
Event codes are of the OASIS Event Terms List 1.2; it has none for the outburst of a lake, which is
told as a flash flood with the parameter ``hazard``. The same message always gives the same bytes.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from dispatch import broadcast, hazard_wording, wording
from dispatch.cap_elements import NAMESPACE, element, exact, pair
from dispatch.hazard_messages import HazardMessage
from dispatch.hazard_policy import Warned
from dispatch.local_time import cap_text
from dispatch.policy_settings import AudienceKind

__all__ = ["build", "reference"]

_SCOPES: Mapping[AudienceKind, str] = {"public": "Public", "operator": "Private"}


class _Kind(Struct, frozen=True):
    """How CAP calls a hazard, and what people are to do about it."""

    category: str
    code: str
    response: str


_KINDS: Mapping[Warned, _Kind] = {
    "flood": _Kind("Met", "OET-081", "Evacuate"),
    "flash flood": _Kind("Met", "OET-079", "Evacuate"),
    "lake outburst": _Kind("Geo", "OET-079", "Evacuate"),
    "dam break": _Kind("Geo", "OET-052", "Evacuate"),
    "debris flow": _Kind("Geo", "OET-056", "Evacuate"),
    "landslide": _Kind("Geo", "OET-119", "Evacuate"),
    "heavy rain": _Kind("Met", "OET-159", "Prepare"),
    "radioactive release": _Kind("CBRNE", "OET-156", "Shelter"),
    "chemical release": _Kind("CBRNE", "OET-037", "Shelter"),
}
_RESPONSES = {
    "nothing": "AllClear",
    "over": "AllClear",
    "cause": "Monitor",
    "away": "Monitor",
    "renewed": "Monitor",
}
_ELEMENTS = {
    *("identifier", "sender", "status", "msgType", "references", "audience", "audienceKind"),
    *("addresses", "onsetUs", "expiresUs", "urgency", "severity", "certainty", "senderName"),
    *("web", "contact", "country", "places", "languages", "areas"),
}
"""Fields, by their names in camel case, that stand in an element or in repeated parameters."""

_PARAMETERS = tuple(
    (field.name, field.encode_name)
    for field in msgspec.structs.fields(HazardMessage)
    if field.encode_name not in _ELEMENTS
)


def reference(message: HazardMessage) -> str:
    """Name a message as `references` does."""
    return f"{message.sender},{message.identifier},{cap_text(message.sent_us, message.timezone)}"


def build(message: HazardMessage) -> bytes:
    """Write a message as CAP 1.2.

    Returns
    -------
    bytes
        UTF-8 XML, elements in the order of the schema.

    Raises
    ------
    ValueError
        If a text holds what XML cannot, such as a control character, or it speaks of a silent
        sensor, of which nobody is warned.
    """
    scope = _SCOPES.get(message.audience_kind, "Restricted")
    parts = [
        "<?xml version='1.0' encoding='UTF-8'?>\n",
        f'<alert xmlns="{NAMESPACE}">\n',
        element("identifier", message.identifier, "  "),
        element("sender", message.sender, "  "),
        element("sent", cap_text(message.sent_us, message.timezone), "  "),
        element("status", message.status, "  "),
        element("msgType", message.msg_type, "  "),
        element("source", "Alatau", "  "),
        element("scope", scope, "  "),
    ]
    if scope == "Restricted":
        parts.append(element("restriction", message.audience_kind, "  "))
    if message.addresses:
        parts.append(element("addresses", " ".join(message.addresses), "  "))
    common = [wording.load(language) for language in message.languages]
    notes = [texts.note[message.status] for texts in common if message.status in texts.note]
    if notes:
        parts.append(element("note", " ".join(notes), "  "))
    if message.references:
        parts.append(element("references", " ".join(message.references), "  "))
    parts.append(element("incidents", message.event_id, "  "))
    facts = "".join(pair("parameter", *fact) for fact in _facts(message))
    places = "".join(
        pair("parameter", "place", msgspec.json.encode(place).decode()) for place in message.places
    )
    bounds = "".join(_bounds(message))
    for number, language in enumerate(message.languages):
        texts = hazard_wording.load(language)
        parts += _info(message, texts, facts + places if number == 0 else facts, bounds)
    parts.append("</alert>\n")
    return "".join(parts).encode()


def _facts(message: HazardMessage) -> list[tuple[str, str]]:
    """Name and text of the facts that have no element of their own; None is left out."""
    pairs = []
    for field, name in _PARAMETERS:
        value = getattr(message, field)
        if value is None:
            continue
        if name.endswith("Us"):
            pairs.append((name.removesuffix("Us"), exact(value)))
        elif isinstance(value, str):
            pairs.append((name, value))
        else:
            pairs.append((name, msgspec.json.encode(value).decode()))
    return pairs


def _info(
    message: HazardMessage, texts: hazard_wording.HazardWording, facts: str, bounds: str
) -> list[str]:
    """Write what is said in one language."""
    if message.hazard == "sensor silent":
        raise ValueError("nobody is warned of a sensor that is silent")
    kind = _KINDS[message.hazard]
    response = "Monitor" if message.level == 1 else kind.response
    if message.cancel_reason is not None:
        response = _RESPONSES[message.cancel_reason]
    sent, onset, expires = (
        cap_text(time_us, message.timezone)
        for time_us in (message.sent_us, message.onset_us, message.expires_us)
    )
    before_code = (
        ("language", texts.language),
        ("category", kind.category),
        ("event", texts.event_of(message)),
        ("responseType", response),
        ("urgency", message.urgency),
        ("severity", message.severity),
        ("certainty", message.certainty),
        ("audience", message.audience),
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
    cell = []
    for length, text in (("Short", texts.short_of(message)), ("Long", texts.long_of(message))):
        cell.append((f"cellBroadcast{length}", text))
        cell.append((f"cellBroadcast{length}Pages", str(broadcast.pages(text))))
    return [
        "  <info>\n",
        *(element(*fact) for fact in before_code),
        pair("eventCode", "OET:v1.2", kind.code),
        *(element(*fact) for fact in after_code),
        facts,
        *(pair("parameter", *text) for text in cell),
        "    <area>\n",
        element("areaDesc", texts.area_of(message), "      "),
        bounds,
        pair("geocode", "ISO3166-1", message.country, "      "),
        "    </area>\n",
        "  </info>\n",
    ]


def _bounds(message: HazardMessage) -> list[str]:
    """Write the polygons, or the circle that stands for them."""
    if not message.areas:
        circle = f"{message.latitude:.4f},{message.longitude:.4f} {message.radius_km:.1f}"
        return [element("circle", circle, "      ")]
    return [
        element("polygon", " ".join(f"{y:.4f},{x:.4f}" for y, x in ring), "      ")
        for ring in message.areas
    ]
