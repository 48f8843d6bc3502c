"""Earthquakes, places and travel times made by hand, for tests of warnings."""

import math
from datetime import datetime

from detect import events
from detect.events import Earthquake
from dispatch.places import from_rows
from stream.records import Record

PLACES = from_rows(
    [
        ("1", "Almaty", "KZ", "43.25249", "76.91150", "1977011", "Asia/Almaty"),
        ("2", "Talghar", "KZ", "43.30235", "77.23811", "42194", "Asia/Almaty"),
        ("3", "Kegen", "KZ", "43.01451", "79.22638", "9993", "Asia/Almaty"),
        ("4", "Karakol", "KG", "42.49068", "78.39362", "76000", "Asia/Bishkek"),
        ("5", "Naryn", "KG", "41.42866", "75.99111", "41178", "Asia/Bishkek"),
        ("6", "Near the source", "CN", "41.30000", "78.70000", "2000", "Asia/Urumqi"),
        ("7", "Far away", "JP", "35.00000", "139.00000", "9000000", "Asia/Tokyo"),
    ]
)


class StraightRays:
    """S at 3.5 km/s."""

    def s(self, distance_km, depth_km):
        return math.hypot(distance_km, depth_km) / 3.5


def microseconds(text):
    return round(datetime.fromisoformat(text + "+00:00").timestamp() * 1e6)


WUSHI_US = microseconds("2024-01-22T18:09:04")


def earthquake(revision=0, after_s=15.0, **changes):
    """A revision of Wushi 2024, known so many seconds after the origin."""
    values = {
        "id": "ca.20240122T180911-AAK",
        "revision": revision,
        "status": "confirmed",
        "region": "ca",
        "origin_time_us": WUSHI_US,
        "origin_time_sigma_s": 0.5,
        "latitude": 41.269,
        "longitude": 78.649,
        "epicentre_sigma_km": 4.0,
        "depth_km": 13.0,
        "depth_sigma_km": 5.0,
        "magnitude": 7.0,
        "magnitude_sigma": 0.3,
        "magnitude_type": "Mpd",
        "magnitude_stations": 4,
        "magnitude_saturated": False,
        "azimuthal_gap_deg": 120.0,
        "silent_stations": 0,
        "arrivals": (),
        "reason": "",
    } | changes
    values.setdefault("updated_us", values["origin_time_us"] + round(after_s * 1e6))
    return Earthquake(**values)


def records(quakes):
    """The log that holds them, in this order."""
    return [
        Record("events", 0, i, quake.updated_us // 1000, quake.id.encode(), events.encode(quake))
        for i, quake in enumerate(quakes)
    ]
