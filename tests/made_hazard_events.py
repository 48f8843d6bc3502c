"""Events of other hazards made by hand, for tests of warnings."""

from made_earthquakes import microseconds

from detect import events
from detect.hazard_events import HazardEvent, Reached, SensorSaid
from stream.records import Record

MINUTE = 60_000_000
HOUR = 60 * MINUTE
BURST_US = microseconds("2015-07-22T20:15:00")  # 02:15 of the 23rd in Almaty, then UTC+06:00


def reached(place, country, latitude, longitude, minutes, population=0, **changes):
    """A place that is reached so many minutes after the burst: first, expected, last."""
    first, expected, last = minutes
    return Reached(
        **{
            "place": place,
            "country": country,
            "latitude": latitude,
            "longitude": longitude,
            "population": population,
            "earliest_us": BURST_US + first * MINUTE,
            "expected_us": BURST_US + expected * MINUTE,
            "latest_us": BURST_US + last * MINUTE,
        }
        | changes
    )


KARGALY = (
    reached("Upper Kargaly", "KZ", 43.130, 76.830, (14, 20, 30), 400),
    reached("Kargaly", "KZ", 43.190, 76.830, (29, 38, 55), 9000),
    reached("Almaty", "KZ", 43.2525, 76.9115, (50, 65, 90), 1_977_011),
)
SHAHIMARDAN = (
    reached("Yordon", "UZ", 39.930, 71.770, (5, 8, 15), 1500),
    reached("Shohimardon", "UZ", 39.983, 71.805, (15, 22, 35), 5000),
    reached("Vuadil", "UZ", 40.180, 71.720, (70, 95, 130), 8000),
)
SENSOR = SensorSaid(
    sensor="kargaly-lake", since_us=BURST_US, value=1.2, unit="m", threshold=1.0, source="made"
)


def hazard(revision=0, after_s=30.0, **changes):
    """A revision of the outburst above Kargaly, known so many seconds after it."""
    values = {
        "id": "kargaly.20150722T201500-lake",
        "revision": revision,
        "status": "confirmed",
        "hazard": "debris flow",
        "level": 3,
        "severity": "Extreme",
        "certainty": "Likely",
        "region": "ca",
        "onset_us": BURST_US,
        "onset_sigma_s": 30.0,
        "basin": "Kargaly",
        "latitude": 43.080,
        "longitude": 76.830,
        "sensors": (SENSOR,),
        "places": KARGALY,
        "causes": (),
        "reason": "the lake falls",
    } | changes
    values.setdefault("updated_us", BURST_US + round(after_s * 1e6))
    return HazardEvent(**values)


def shahimardan(revision=0, after_s=30.0, **changes):
    """An outburst at whose source Kyrgyzstan lies, and below which Uzbekistan."""
    values = {
        "id": "shahimardan.19980707-lake",
        "hazard": "lake outburst",
        "basin": "Shahimardan",
        "latitude": 39.800,
        "longitude": 71.780,
        "places": SHAHIMARDAN,
    }
    return hazard(revision, after_s, **(values | changes))


def records(revisions):
    """The log that holds them, in this order."""
    return [
        Record("events", 0, i, e.updated_us // 1000, e.id.encode(), events.encode(e))
        for i, e in enumerate(revisions)
    ]
