"""However readings are cut into batches, and wherever the stage is restarted: the same events."""

import bisect
import itertools
import math
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_hazards import (
    SECOND,
    START_US,
    level,
    operator,
    quake,
    records,
    sensor,
    series,
    told,
    tremor,
    valley,
)

from detect.hazards.cascade_file import BulletinRule, CascadeFile, Prior, Watched
from detect.hazards.readings import Bulletin
from ingest.sensors import Threshold
from stream.topics import EVENTS

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DAYS = 24

CASCADES = CascadeFile(
    watched=(
        Watched(
            basin="Lake",
            hazard="lake outburst",
            latitude=43.1,
            longitude=76.8,
            intensity=5.0,
            lowered=0.6,
            lasts_h=10.0,
            reach="channel",
        ),
    ),
    priors=(
        Prior(
            basin="Kargaly",
            sensors=("R",),
            by="thresholds",
            hazards=("debris flow",),
            lowered=0.7,
            lasts_h=5.0,
        ),
    ),
    bulletins=(
        BulletinRule(
            basin="Below",
            hazards=("flash flood",),
            lowered=0.6,
            events=("rain",),
            unverified=True,
        ),
    ),
)
SENSORS = [
    sensor("A", every_s=1200.0, silent_s=5000.0),
    sensor("B", every_s=1200.0, silent_s=5000.0, telemetry="radio"),
    sensor("C", every_s=1200.0, silent_s=5000.0, hazard="flash flood", basin="Below"),
    sensor(
        "L",
        every_s=1200.0,
        silent_s=5000.0,
        hazard="lake outburst",
        basin="Lake",
        telemetry="radio",
        thresholds=(Threshold(rule="rise", level=2, value=1.0, over_s=7200.0), level(4.0, 3)),
    ),
    sensor("R", every_s=1200.0, silent_s=5000.0, basin="Kargaly", thresholds=(level(3.5, 1),)),
    sensor("NEVER", every_s=1200.0, silent_s=5000.0),
]
STATION = "XX.ILL"


def made():
    channel = valley(sensors=("A", "B", "C", STATION.replace("ILL", "LOW")))
    return operator(
        SENSORS, channel, cascades=CASCADES, longest_h=96.0, clear_s=1800.0, alone_s=600.0
    )


def valley_of(chance):
    """Weeks of rain, floods, outages, tremors and earthquakes."""
    end = START_US + DAYS * DAY
    parts = []
    for name in ("A", "B", "C", "L", "R"):
        rises = sorted(chance.uniform(0, DAYS * 86400) for _ in range(14))
        heights = [chance.choice([1.2, 2.3, 3.4, 5.0]) for _ in rises]
        lasts = [chance.choice([2000.0, 9000.0, 40_000.0, 500_000.0]) for _ in rises]
        gone = sorted(chance.uniform(0, DAYS * 86400) for _ in range(4))
        outages = [chance.choice([15_000.0, 15_000.0, 700_000.0]) for _ in gone]

        def water(s, rises=rises, heights=heights, lasts=lasts):
            up = [h for r, h, n in zip(rises, heights, lasts, strict=True) if 0 <= s - r < n]
            return round(0.3 + 0.05 * math.sin(s / 7000.0) + max([0.0, *up]), 3)

        read = series(name, START_US, end, water, every_s=1200.0, late_s=chance.uniform(1, 50))
        parts.append(
            [
                (t, r)
                for t, r in read
                if not any(
                    0 <= (r.time_us - START_US) / 1e6 - g < n
                    for g, n in zip(gone, outages, strict=True)
                )
            ]
        )
    for number in range(10):
        since = START_US + round(chance.uniform(0, DAYS * DAY - HOUR))
        station = chance.choice(["XX.LOW", "XX.ELSE"])
        until = since + round(chance.uniform(1, 8) * MINUTE)
        states = [
            (t, tremor(station, "going", since, t, chance.uniform(5, 20)))
            for t in range(since + 50 * SECOND, until, 10 * SECOND)
        ]
        parts.append([(since + 40 * SECOND, tremor(station, "on", since, since + 40 * SECOND))])
        parts.append(states)
        if number % 2:
            parts.append([(until, tremor(station, chance.choice(["off", "no"]), since, until))])
        origin = START_US + round(chance.uniform(0, DAYS * DAY - HOUR))
        name = f"test-{number}"
        size = chance.uniform(4.5, 7.5)
        status = chance.choice(["confirmed", "cancelled", "provisional"])
        parts.append(
            [
                (origin + 15 * SECOND, quake(origin, size, id=name, status="provisional")),
                (origin + 25 * SECOND, quake(origin, size, id=name, revision=1)),
                (origin + 600 * SECOND, quake(origin, size, id=name, revision=2, status=status)),
            ]
        )
    for number in range(40):
        at = START_US + round(chance.uniform(0, DAYS * DAY))
        parts.append(
            [
                (
                    at,
                    Bulletin(
                        identifier=f"rain-{number}",
                        sender="hydromet",
                        sent_us=at - round(chance.uniform(0, 3) * HOUR),
                        status="Actual",
                        type=chance.choice(["Alert", "Update", "Cancel"]),
                        references=(f"hydromet,rain-{chance.randrange(number + 3)},x",),
                        event="Rain",
                        severity="Severe",
                        effective_us=at,
                        expires_us=at + round(chance.uniform(1, 90) * HOUR),
                        verified=chance.random() < 0.5,
                        circles=((43.1, 76.8, 5.0),),
                    ),
                )
            ]
        )
    return records(*parts)


@settings(max_examples=3)
@given(st.integers(0, 2**32))
def test_any_batching_gives_the_same_bytes(seed):
    chance = random.Random(seed)
    read = valley_of(chance)
    whole = made().process(read)
    assert len({e.id for e in told(whole)}) > 10
    cut = made()
    said = []
    begin = 0
    while begin < len(read):
        size = chance.choice([1, 2, 7, 100, 1000])
        said += cut.process(read[begin : begin + size])
        begin += size
    assert said == whole


@settings(max_examples=3)
@given(st.integers(0, 2**32))
@example(182347)  # it rose again and again, so that it stayed spent for longer than the memory
@example(1001090105)  # it joined an old event, or opened its own
@example(1999951809)  # a sensor that had fallen silent long ago, with its last word standing
def test_any_restart_goes_on_alike(seed):
    """A fresh operator over `memory` before a record says what the one that never stopped says."""
    chance = random.Random(seed)
    read = valley_of(chance)
    whole = [o for o in made().process(read) if o.topic == EVENTS.name]
    times = [r.timestamp for r in read]
    memory_ms = made().memory.total_seconds() * 1000
    first = bisect.bisect_right(times, times[0] + memory_ms)
    assert len(read) - first > 300
    kinds = {(e.hazard, e.status) for e in told(whole)}
    assert {s for _, s in kinds} == {"provisional", "confirmed", "cancelled", "over"}
    for _ in range(6):
        stop = chance.randrange(first + 1, len(read))
        begin = bisect.bisect_left(times, times[stop - 1] - memory_ms)
        assert begin > 0
        said = made().process(read[begin:])
        after = [o for o in said if o.cause >= stop and o.topic == EVENTS.name]
        assert after == [o for o in whole if o.cause >= stop]


def test_too_short_a_memory_is_noticed():
    """The test above can fail: half of the memory is not enough."""
    chance = random.Random(3)
    read = valley_of(chance)
    whole = [o for o in made().process(read) if o.topic == EVENTS.name]
    times = [r.timestamp for r in read]
    differs = 0
    for stop in range(len(read) // 2, len(read), 400):
        begin = bisect.bisect_left(times, times[stop - 1] - 3 * 3600 * 1000)
        said = made().process(read[begin:])
        after = [o for o in said if o.cause >= stop and o.topic == EVENTS.name]
        differs += after != [o for o in whole if o.cause >= stop]
    assert differs


def test_a_sensor_that_comes_back_after_longer_than_all_is_remembered_begins_anew():
    """It spoke, fell silent for longer than the memory, and speaks again at once."""
    two = [sensor(n, every_s=1200.0, silent_s=5000.0, basin=n) for n in "AB"]

    def pair():
        return operator(two, longest_h=1.0)

    gone_s, back_s, end_s = 400_000, 1_300_000, 1_400_000
    high = series("A", START_US, START_US + end_s * SECOND, lambda s: 3.5, every_s=1200.0)
    clock = series("B", START_US, START_US + end_s * SECOND, lambda s: 0.3, every_s=1200.0)
    seen = [(t, r) for t, r in high if not gone_s <= (r.time_us - START_US) / SECOND < back_s]
    read = records(seen, clock)
    whole = pair().process(read)
    times = [r.timestamp for r in read]
    stop = bisect.bisect_left(times, START_US // 1000 + back_s * 1000)
    begin = bisect.bisect_left(times, times[stop - 1] - pair().memory.total_seconds() * 1000)
    assert times[begin] > START_US // 1000 + gone_s * 1000
    after = [o for o in pair().process(read[begin:]) if o.cause >= stop]
    assert any(e.sensors[0].sensor == "A" and e.level == 3 for e in told(after))
    assert after == [o for o in whole if o.cause >= stop]


@pytest.mark.parametrize("name", ["A", "NEVER"])
def test_what_lasts_long_is_told_anew_at_full_multiples(name):
    """Every six hours since 1970, whenever it began."""
    high = series("A", START_US, START_US + DAY, lambda s: 3.5 if s > 1800 else 0.3, every_s=600.0)
    one = operator([sensor("A", every_s=600.0, silent_s=3600.0), sensor("NEVER")], longest_h=6.0)
    said = [e for e in told(one.process(records(high))) if e.sensors[0].sensor == name]
    begun = [e for e in said if e.revision == 0]
    assert len(begun) >= 3
    for before, after in itertools.pairwise(begun):
        last = [e for e in said if e.id == before.id][-1]
        assert last.status == "over"
        assert last.updated_us == after.updated_us
        assert after.onset_us % (6 * HOUR) == 0
