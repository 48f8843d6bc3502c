"""Events of late as QuakeML 1.2 BED: each as last revised. Written with lxml alone.

The public ids are functions of what they name, as in `replay.quakeml`, which writes all
revisions and the picks.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from lxml import etree

from detect.events import Earthquake
from detect.geodesy import EARTH_RADIUS_KM

__all__ = ["CONTENT_TYPE", "encode"]

CONTENT_TYPE = "application/xml"
_BED = "http://quakeml.org/xmlns/bed/1.2"
_Q = "http://quakeml.org/xmlns/quakeml/1.2"
_NSMAP: Any = {None: _BED, "q": _Q}
_KM_PER_DEGREE = math.radians(EARTH_RADIUS_KM)
_ONE_SIGMA_OF_A_CIRCLE = 100 * (1 - math.exp(-0.5))  # per cent of a normal in two dimensions
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS = {
    "provisional": "preliminary",
    "confirmed": "confirmed",
    "cancelled": "rejected",
    "superseded": "rejected",
}


def encode(events: Iterable[Earthquake]) -> bytes:
    """Write events; the same events give the same bytes."""
    root = etree.Element(f"{{{_Q}}}quakeml", nsmap=_NSMAP)
    parameters = etree.SubElement(root, f"{{{_BED}}}eventParameters", publicID=_id("events"))
    for event in events:
        _event(parameters, event)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _id(*parts: object) -> str:
    allowed = set("-.*()_~'/+?=,;&")
    text = "/".join(str(part) for part in parts)
    safe = "".join(c if (c.isascii() and c.isalnum()) or c in allowed else "_" for c in text)
    return f"smi:alatau/{safe}"


def _time(time_us: int) -> str:
    moment = _EPOCH + timedelta(microseconds=time_us)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


def _add(parent: etree._Element, tag: str, text: object = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{_BED}}}{tag}")
    if text is not None:
        element.text = f"{text:.10g}" if isinstance(text, float) else str(text)
    return element


def _quantity(
    parent: etree._Element, tag: str, value: object, uncertainty: float | None = None
) -> None:
    quantity = _add(parent, tag)
    _add(quantity, "value", value)
    if uncertainty is not None:
        _add(quantity, "uncertainty", uncertainty)


def _created(parent: etree._Element, event: Earthquake) -> None:
    info = _add(parent, "creationInfo")
    _add(info, "agencyID", "alatau")
    _add(info, "creationTime", _time(event.updated_us))
    _add(info, "version", event.revision)


def _event(parameters: etree._Element, event: Earthquake) -> None:
    element = _add(parameters, "event")
    element.set("publicID", _id("event", event.id))
    place = (event.id, event.revision)
    _add(element, "preferredOriginID", _id("origin", *place))
    if event.magnitude is not None:
        _add(element, "preferredMagnitudeID", _id("magnitude", *place))
    is_one = event.status in ("provisional", "confirmed")
    _add(element, "type", "earthquake" if is_one else "not existing")
    _add(element, "typeCertainty", "known" if event.status == "confirmed" else "suspected")
    comment = _add(element, "comment")
    _add(comment, "text", event.reason or event.status)
    _created(element, event)
    _origin(_add(element, "origin"), event)
    if event.magnitude is not None:
        magnitude = _add(element, "magnitude")
        magnitude.set("publicID", _id("magnitude", *place))
        _quantity(magnitude, "mag", event.magnitude, event.magnitude_sigma)
        _add(magnitude, "type", event.magnitude_type)
        _add(magnitude, "stationCount", event.magnitude_stations)
        _add(magnitude, "originID", _id("origin", *place))
        _add(magnitude, "evaluationMode", "automatic")
        _add(magnitude, "evaluationStatus", _STATUS[event.status])


def _origin(origin: etree._Element, event: Earthquake) -> None:
    """Write where and when; metres and degrees, as QuakeML has them."""
    origin.set("publicID", _id("origin", event.id, event.revision))
    north = event.epicentre_sigma_km / _KM_PER_DEGREE
    east = north / max(math.cos(math.radians(event.latitude)), 1e-6)
    _quantity(origin, "time", _time(event.origin_time_us), event.origin_time_sigma_s)
    _quantity(origin, "longitude", event.longitude, east)
    _quantity(origin, "latitude", event.latitude, north)
    _quantity(origin, "depth", event.depth_km * 1000, event.depth_sigma_km * 1000)
    _add(origin, "depthType", "from location")
    uncertainty = _add(origin, "originUncertainty")
    _add(uncertainty, "horizontalUncertainty", event.epicentre_sigma_km * 1000)
    _add(uncertainty, "preferredDescription", "horizontal uncertainty")
    _add(uncertainty, "confidenceLevel", _ONE_SIGMA_OF_A_CIRCLE)
    quality = _add(origin, "quality")
    _add(quality, "usedPhaseCount", len(event.arrivals))
    _add(quality, "usedStationCount", len({arrival.station for arrival in event.arrivals}))
    _add(quality, "azimuthalGap", event.azimuthal_gap_deg)
    _add(origin, "evaluationMode", "automatic")
    _add(origin, "evaluationStatus", _STATUS[event.status])
    _created(origin, event)
