"""Sensors and readings for tests."""

from ingest.observations import Observation
from ingest.sensors import Sensor

BEGIN_US = 1_700_000_000_000_000
SECOND_US = 1_000_000


def sensor(**changes):
    values = {
        "id": "KZ.ULKEN.1",
        "quantity": "stage",
        "unit": "m",
        "hazard": "flood",
        "latitude": 43.1,
        "longitude": 76.9,
        "basin": "Ulken Almaty",
        "every_s": 60.0,
        "silent_s": 600.0,
        "lowest": -1.0,
        "highest": 10.0,
        "fastest": 0.01,
        "flat_s": 0.0,
        "late_s": 300.0,
        "future_s": 5.0,
        "agree_s": 120.0,
    }
    return Sensor(**{**values, **changes})


def reading(at_s, value, **changes):
    values = {"sensor": "KZ.ULKEN.1", "quantity": "stage", "unit": "m"}
    time_us = BEGIN_US + round(at_s * SECOND_US)
    return Observation(**{**values, "time_us": time_us, "value": value, **changes})


def arrival(at_s):
    return BEGIN_US + round(at_s * SECOND_US)
