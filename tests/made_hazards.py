"""Made sensors, valleys and readings for the stage `hazards`."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from detect import events
from detect.events import Earthquake
from detect.hazard_events import HazardEvent
from detect.hazards import readings
from detect.hazards.cascade_file import CascadeFile
from detect.hazards.operator import HazardOperator
from detect.hazards.readings import Reading, Tremor
from detect.hazards.valley_file import Reach, ReachPlace, ReachSensor, ValleyFile
from detect.settings import HazardSettings
from ingest.observations import Observation
from ingest.sensors import Sensor, Threshold
from stream.records import Record
from stream.topics import EVENTS, OBSERVATIONS

SECOND = 1_000_000
START_US = 1_437_500_000 * SECOND


def at(text: str) -> int:
    """Microseconds of a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def level(value: float, number: int = 3, **more) -> Threshold:
    return Threshold(rule="level", level=number, value=value, **more)


def sensor(name: str, **more) -> Sensor:
    """A gauge of 10 s steps that speaks at 1, 2 and 3 m."""
    shape = {
        "quantity": "stage",
        "unit": "m",
        "hazard": "debris flow",
        "latitude": 43.1,
        "longitude": 76.8,
        "basin": "Kargaly",
        "every_s": 10.0,
        "silent_s": 600.0,
        "flat_s": 0.0,
        "thresholds": (level(1.0, 1), level(2.0, 2), level(3.0, 3)),
    }
    return Sensor(id=name, **{**shape, **more})


def valley(places: Sequence[ReachPlace] = (), sensors: Sequence[str] = ("A", "B", "C")) -> Reach:
    """30 km with a sensor at 0, 10 and 20 km, and fronts of 2, 5 and 10 m/s."""
    return Reach(
        id="channel",
        basin="Kargaly",
        length_km=30.0,
        slowest_ms=2.0,
        usual_ms=5.0,
        fastest_ms=10.0,
        sensors=tuple(ReachSensor(id=s, at_km=10.0 * i) for i, s in enumerate(sensors)),
        places=tuple(places)
        or (
            ReachPlace(name="Near", country="KZ", latitude=43.15, longitude=76.8, at_km=15.0),
            ReachPlace(name="Far", country="KG", latitude=43.2, longitude=76.8, at_km=25.0),
        ),
    )


def operator(
    sensors: Iterable[Sensor],
    *reaches: Reach,
    cascades: CascadeFile | None = None,
    **settings,
) -> HazardOperator:
    return HazardOperator(
        HazardSettings(**settings),
        tuple(sensors),
        ValleyFile(reaches=reaches),
        cascades or CascadeFile(),
        "test",
    )


def series(
    name: str,
    begin_us: int,
    end_us: int,
    value: Callable[[float], float],
    *,
    every_s: float = 10.0,
    late_s: float = 1.0,
    **more,
) -> list[tuple[int, Observation]]:
    """Readings with their arrivals (us); `value` takes seconds since `begin_us`."""
    step_us = round(every_s * SECOND)
    shape = {"quantity": "stage", "unit": "m", **more}
    return [
        (
            t + round(late_s * SECOND),
            Observation(sensor=name, time_us=t, value=value((t - begin_us) / SECOND), **shape),
        )
        for t in range(begin_us, end_us, step_us)
    ]


def tremor(station: str, state: str, since_us: int, time_us: int, ratio: float = 12.0) -> Tremor:
    return Tremor(
        station=station,
        latitude=43.1,
        longitude=76.8,
        state=state,
        since_us=since_us,
        time_us=time_us,
        ratio=ratio,
        low_hz=5.0,
        high_hz=20.0,
        amplitude=1e-6,
    )


def quake(time_us: int, magnitude: float | None = 7.0, **more) -> Earthquake:
    shape = {
        "id": "test-quake",
        "revision": 0,
        "status": "confirmed",
        "region": "test",
        "updated_us": time_us,
        "origin_time_us": time_us,
        "origin_time_sigma_s": 0.2,
        "latitude": 43.1,
        "longitude": 76.9,
        "epicentre_sigma_km": 2.0,
        "depth_km": 15.0,
        "depth_sigma_km": 5.0,
        "magnitude": magnitude,
        "magnitude_sigma": 0.3,
        "magnitude_type": "Mpd",
        "magnitude_stations": 5,
        "magnitude_saturated": False,
        "azimuthal_gap_deg": 60.0,
        "silent_stations": 0,
        "arrivals": (),
        "reason": "made",
    }
    return Earthquake(**{**shape, **more})


def records(*parts: Iterable[tuple[int, Reading | bytes]]) -> list[Record]:
    """Records of all parts in the order in which they arrive."""
    come = sorted(((t, r) for part in parts for t, r in part), key=lambda c: c[0])
    return [
        Record(
            OBSERVATIONS.name,
            0,
            i,
            t // 1000,
            b"made",
            r if isinstance(r, bytes) else readings.encode(r),
        )
        for i, (t, r) in enumerate(come)
    ]


def told(outputs) -> list[HazardEvent]:
    """All revisions of hazards, in their order."""
    return [events.decode(o.value) for o in outputs if o.topic == EVENTS.name]


def hazards(revisions: Iterable[HazardEvent]) -> list[HazardEvent]:
    """Those that are not about silent sensors."""
    return [r for r in revisions if r.hazard != "sensor silent"]


def rejected(outputs) -> list[str]:
    """Reasons of all rejects."""
    return [msgspec.json.decode(o.value)["reason"] for o in outputs if o.topic == "rejects"]
