"""The feeds that others fetch: Atom with the CAP of each message, and GeoJSON.

Both say how the sources are: an empty feed alone would be taken for an all-clear.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from lxml import etree

from dispatch.channels.board import Board, iso
from dispatch.channels.channel import Tell
from dispatch.channels.settings import Feed
from dispatch.channels.webhook import CONTENT_TYPE
from dispatch.delays import Delays
from dispatch.delivery import Attempt, Outcome, key_of
from dispatch.facts import Delivery
from dispatch.parcels import Parcel
from dispatch.untrusted import read_xml

__all__ = ["NAME", "FeedChannel", "atom", "file_name", "geojson"]

NAME = "feed"
"""What the feeds are called among channels."""

ATOM = "http://www.w3.org/2005/Atom"
_CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
_NSMAP: Any = {None: ATOM, "cap": _CAP[1:-1]}


def file_name(identifier: str) -> str:
    """Name a message under ``/alerts/``."""
    return f"{identifier}.xml"


def _add(parent: etree._Element, tag: str, text: str = "", **attributes: str) -> etree._Element:
    name = tag if tag.startswith("{") else f"{{{ATOM}}}{tag}"
    element = etree.SubElement(parent, name, attributes)
    element.text = text or None
    return element


def atom(board: Board, settings: Feed, now_us: int) -> bytes:
    """Write the feed of all messages that stand, as Atom (RFC 4287).

    Its subtitle says what is in force and who watches. With the same messages and sources it is
    the same to the byte.
    """
    root = etree.Element(f"{{{ATOM}}}feed", nsmap=_NSMAP)
    _add(root, "id", f"{settings.url}/alerts.atom")
    _add(root, "title", settings.title)
    _add(root, "subtitle", board.statement(now_us).text)
    _add(root, "updated", iso(board.changed_us(now_us)))
    _add(root, "link", rel="self", href=f"{settings.url}/alerts.atom")
    _add(_add(root, "author"), "name", settings.title)
    for parcel in board.standing(now_us):
        entry = _add(root, "entry")
        href = f"{settings.url}/alerts/{file_name(parcel.identifier)}"
        _add(entry, "id", href)
        _add(entry, "title", parcel.headline or parcel.type)
        _add(entry, "updated", iso(parcel.sent_us))
        _add(entry, "published", iso(parcel.sent_us))
        _add(entry, "link", rel="alternate", type=CONTENT_TYPE, href=href)
        _add(entry, "category", term=parcel.type, label=parcel.status)
        for tag, text in (
            ("status", parcel.status),
            ("msgType", parcel.type),
            ("expires", iso(parcel.expires_us)),
        ):
            _add(entry, _CAP + tag, text)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def geojson(board: Board, now_us: int, delays: Delays) -> bytes:
    """Write the newest message of each event as GeoJSON (RFC 7946).

    ``leadSeconds`` is what is left from now, less what this feed usually takes. The member
    ``statement`` says what is in force and who watches.
    """
    features = []
    delay_s = delays.seconds(NAME)
    for parcel in board.newest(now_us):
        info = read_xml(parcel.value).find(_CAP + "info")
        if info is None:
            continue
        words = {
            name: info.findtext(_CAP + name) or ""
            for name in ("event", "headline", "urgency", "severity", "certainty")
        }
        features.append(
            {
                "type": "Feature",
                "id": parcel.identifier,
                "geometry": _geometry(info),
                "properties": {
                    "identifier": parcel.identifier,
                    "msgType": parcel.type,
                    "status": parcel.status,
                    **words,
                    "country": parcel.country,
                    "audience": parcel.audience,
                    "sent": iso(parcel.sent_us),
                    "onset": iso(parcel.onset_us),
                    "expires": iso(parcel.expires_us),
                    "leadSeconds": round((parcel.onset_us - now_us) / 1e6 - delay_s, 1),
                },
            }
        )
    document = {
        "type": "FeatureCollection",
        "generated": iso(now_us),
        "statement": board.statement(now_us),
        "features": features,
    }
    return msgspec.json.encode(document)


def _geometry(info: etree._Element) -> dict[str, object] | None:
    """Take the first area, which holds everyone who is warned: its polygons, or the centre."""
    area = info.find(_CAP + "area")
    if area is None:
        return None
    rings = [
        [_point(pair) for pair in (polygon.text or "").split()]
        for polygon in area.iterfind(_CAP + "polygon")
    ]
    if rings:
        return {"type": "MultiPolygon", "coordinates": [[_anticlockwise(ring)] for ring in rings]}
    circle = area.findtext(_CAP + "circle")
    if circle is None:
        return None
    return {"type": "Point", "coordinates": _point(circle.split()[0])}


def _point(pair: str) -> list[float]:
    """Longitude before latitude, as GeoJSON has it."""
    latitude, longitude = pair.split(",")
    return [float(longitude), float(latitude)]


def _anticlockwise(ring: list[list[float]]) -> list[list[float]]:
    """Turn an outer ring as RFC 7946 wants it."""
    twice = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(ring))
    return ring if twice >= 0 else ring[::-1]


class FeedChannel:
    """The feeds as a channel: a message is sent when it is shown, delivered when it is fetched.

    Parameters
    ----------
    board
        Where it is shown.
    now_us
        The clock.
    """

    once = True

    def __init__(self, board: Board, now_us: Callable[[], int]) -> None:
        self._board = board
        self._now_us = now_us
        self._waiting: dict[str, Attempt] = {}
        self._tell: Tell | None = None

    async def open(self, tell: Tell) -> None:
        """Get ready."""
        self._tell = tell

    async def close(self) -> None:
        """Do nothing: the server ends by itself."""

    def restore(self, parcels: Sequence[Parcel]) -> None:
        """Show again what stood."""
        for parcel in parcels:
            self._board.put(parcel)
            key = key_of(parcel, NAME)
            self._waiting[parcel.identifier] = Attempt(parcel, NAME, 1, key, False, 0.0, 0.0)

    async def send(self, attempt: Attempt) -> Outcome:
        """Show a message."""
        self._board.put(attempt.parcel)
        self._waiting[attempt.parcel.identifier] = attempt
        return Outcome("sent", "shown")

    def fetched(self) -> None:
        """Note that someone has fetched what is shown; told once of each message."""
        now_us = self._now_us()
        waiting, self._waiting = self._waiting, {}
        for attempt in waiting.values():
            if self._tell is not None:
                self._tell(
                    Delivery(
                        at_us=now_us,
                        message=attempt.parcel.identifier,
                        channel=attempt.channel,
                        state="delivered",
                        attempt=attempt.number,
                        final=True,
                        once=True,
                        reached=True,
                        repeated=attempt.repeated,
                        key=attempt.key,
                        reason="fetched",
                        lead_s=round((attempt.parcel.onset_us - now_us) / 1e6, 1),
                    )
                )
