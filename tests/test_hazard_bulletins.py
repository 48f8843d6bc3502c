"""Warnings of other services make sensors more alert while they stand, and raise nothing."""

import asyncio
import itertools
import math
import random
import time
from datetime import timedelta

import msgspec
import pytest
from made_hazards import (
    SECOND,
    START_US,
    hazards,
    level,
    operator,
    records,
    rejected,
    sensor,
    series,
    told,
)
from test_incoming import NOW_US, PINNED, SENT_US, cap, signed

from detect.hazards import readings
from detect.hazards.bulletins import EARLY, LONGEST, Bulletins
from detect.hazards.cascade_file import BulletinRule, CascadeFile
from detect.hazards.readings import Bulletin
from dispatch.incoming import Gate
from dispatch.reception import Reception
from stream.memory import MemoryLog
from stream.topics import OBSERVATIONS

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SQUARE = ((43.0, 76.5), (43.3, 76.5), (43.3, 77.0), (43.0, 77.0), (43.0, 76.5))
RULE = BulletinRule(
    basin="Kargaly",
    hazards=("debris flow",),
    lowered=0.5,
    events=("сел", "rain"),
    codes=("OET-056",),
)


def bulletin(**changes):
    shape = {
        "identifier": "kz-1",
        "sender": "bulletin@kazhydromet.kz",
        "sent_us": START_US,
        "status": "Actual",
        "type": "Alert",
        "event": "Heavy rain",
        "severity": "Severe",
        "effective_us": START_US,
        "expires_us": START_US + 6 * HOUR,
        "verified": True,
        "polygons": (SQUARE,),
    }
    return Bulletin(**{**shape, **changes})


def withdrawn(kind="Cancel", **changes):
    sender = changes.get("sender", "bulletin@kazhydromet.kz")
    shape = {
        "identifier": "kz-2",
        "type": kind,
        "sent_us": START_US + HOUR,
        "references": (f"{sender},kz-1,2015-07-21T17:33:20-00:00",),
    }
    return bulletin(**{**shape, **changes})


def factor(*said, rule=RULE, now_us=START_US + 2 * HOUR, hazard="debris flow"):
    made = Bulletins((rule,), {"Kargaly": [(43.1, 76.8)]})
    for one in said:
        made.fold(one, max(one.sent_us, START_US))
    made.forget(now_us)
    return made.lowered("Kargaly", hazard, now_us)


NEAR = {"polygons": (), "circles": ((43.1, 76.9, 9.0),)}
FAR = {"polygons": (), "circles": ((43.1, 77.0, 9.0),)}
CODED = {"polygons": (), "geocodes": (("ISO3166-2", "KZ-ALM"),)}


@pytest.mark.parametrize(
    ("changes", "rule", "heeded"),
    [
        ({}, {}, True),
        ({"polygons": ()}, {}, False),
        (NEAR, {}, True),
        (FAR, {}, False),
        (CODED, {}, False),
        (CODED, {"geocodes": ("ISO3166-2=KZ-ALM",)}, True),
        ({"polygons": (tuple((-a, b) for a, b in SQUARE),)}, {}, False),
        ({"event": "СЕЛЕВАЯ ОПАСНОСТЬ"}, {}, True),
        ({"event": "Train derailed"}, {}, False),
        ({"event": "", "codes": (("OET:v1.2", "OET-056"),)}, {}, True),
        ({"event": "", "codes": (("OET:v1.2", "OET-081"),)}, {}, False),
        ({"event": "", "codes": (("OET:v1.2", "OET-056"),)}, {"codes": ()}, False),
        ({"event": ""}, {"events": ()}, False),
        ({"severity": "Minor"}, {}, False),
        ({"severity": "Minor"}, {"from_severity": "Minor"}, True),
        ({"severity": "Unknown"}, {}, False),
        ({"status": "Test"}, {}, False),
        ({"status": "Exercise"}, {}, False),
        ({"verified": False}, {}, False),
        ({"verified": False}, {"unverified": True}, True),
        ({}, {"senders": ("mchs@mchs.kz",)}, False),
        ({}, {"senders": ("bulletin@kazhydromet.kz",)}, True),
        ({}, {"hazards": ("flood",)}, False),
        ({}, {"basin": "Talgar"}, False),
    ],
)
def test_which_warnings_are_heeded(changes, rule, heeded):
    made = msgspec.structs.replace(RULE, **rule)
    assert factor(bulletin(**changes), rule=made) == (0.5 if heeded else 1.0)


def test_a_ring_over_the_date_line_and_one_that_crosses_itself():
    made = Bulletins((RULE,), {"Kargaly": [(52.0, -179.0)]})
    ring = ((51.0, 178.0), (53.0, 178.0), (53.0, -178.0), (51.0, -178.0), (51.0, 178.0))
    made.fold(bulletin(polygons=(ring,)), START_US)
    assert made.lowered("Kargaly", "debris flow", START_US) == 0.5
    bow = ((43.0, 76.5), (43.2, 77.0), (43.2, 76.5), (43.0, 77.0), (43.0, 76.5))
    assert factor(bulletin(polygons=(bow,))) == 1.0  # east and west of its waist is outside
    assert factor(bulletin(polygons=(tuple((lat + 0.05, lon + 0.05) for lat, lon in bow),))) == 0.5


def test_a_star_of_thousands_of_points_takes_no_time():
    turns = [2.39996 * n for n in range(5000)]
    star = [(43.1 + 0.3 * math.sin(t), 76.8 + 0.3 * math.cos(t)) for t in turns]
    began = time.thread_time()
    factor(bulletin(polygons=((*star, star[0]),)))
    assert time.thread_time() - began < 1.0


def test_it_stands_from_when_it_is_in_force_until_it_expires():
    said = bulletin(effective_us=START_US + HOUR)
    hours = {h: factor(said, now_us=START_US + round(h * HOUR)) for h in (0.9, 1.0, 5.9, 6.0)}
    assert hours == {0.9: 1.0, 1.0: 0.5, 5.9: 0.5, 6.0: 1.0}
    for_ever = bulletin(expires_us=START_US + 999 * DAY)
    assert factor(for_ever, now_us=START_US + 7 * DAY - 1) == 0.5
    assert factor(for_ever, now_us=START_US + 7 * DAY) == 1.0


@pytest.mark.parametrize(
    ("later", "lowered"),
    [
        (withdrawn(), 1.0),
        (withdrawn("Update", severity="Minor"), 1.0),
        (withdrawn("Update"), 0.5),
        (withdrawn("Alert"), 0.5),
        (withdrawn(sender="someone@else.kz"), 0.5),
        (withdrawn(references=("bulletin@kazhydromet.kz,kz-0,2015-07-21T17:33:20Z",)), 0.5),
        (withdrawn(references=("bulletin@kazhydromet.kz",)), 0.5),
        (withdrawn(verified=False), 0.5),
        (withdrawn(status="Test"), 0.5),
        (withdrawn(sent_us=START_US - 1), 0.5),
    ],
)
def test_who_withdraws_it_and_in_whatever_order(later, lowered):
    """The cancel may come first: lines differ."""
    assert factor(bulletin(), later) == lowered
    assert factor(later, bulletin()) == lowered


def test_of_two_the_lower_counts_and_an_unverified_one_is_withdrawn_by_its_like():
    rules = (RULE, msgspec.structs.replace(RULE, lowered=0.8, unverified=True))
    made = Bulletins(rules, {"Kargaly": [(43.1, 76.8)]})
    made.fold(bulletin(), START_US)
    made.fold(bulletin(identifier="kz-9", verified=False), START_US)
    assert made.lowered("Kargaly", "debris flow", START_US) == 0.5
    assert made.fold(withdrawn(), START_US + HOUR) == {"Kargaly"}
    assert made.lowered("Kargaly", "debris flow", START_US + HOUR) == 0.8
    of_nobody = ("bulletin@kazhydromet.kz,kz-9,2015-07-21T17:33:20-00:00",)
    made.fold(withdrawn(verified=False, references=of_nobody), START_US + HOUR)
    assert made.lowered("Kargaly", "debris flow", START_US + HOUR) == 1.0


def gauge_at(value, *, until_h=2.0, from_h=1.0):
    """0.3 m, then as given."""
    end = START_US + round(until_h * HOUR)
    return series("A", START_US, end, lambda s: value if s >= from_h * 3600 else 0.3)


def said_by(*parts, rules=(RULE,)):
    made = operator(
        [sensor("A", thresholds=(level(3.0, 3),))],
        cascades=CascadeFile(bulletins=rules),
        alone_s=36_000.0,
    )
    return told(made.process(records(*parts)))


def come(one, after_us=0):
    return [(max(one.sent_us, START_US) + after_us, one)]


def test_a_level_that_is_below_the_threshold_counts_while_a_warning_stands():
    """0.5 of 3 m: 2 m is above it; nothing is raised without the gauge, nor without the warning."""
    assert said_by(gauge_at(2.0)) == []
    assert said_by(come(bulletin()), gauge_at(0.5)) == []
    (event,) = said_by(come(bulletin()), gauge_at(2.0))
    assert (event.hazard, event.status, event.level) == ("debris flow", "provisional", 3)
    (spoke,) = event.sensors
    assert 1.4 < spoke.threshold < 1.7
    assert said_by(come(bulletin(expires_us=START_US + HOUR)), gauge_at(2.0)) == []
    assert said_by(come(bulletin()), come(withdrawn()), gauge_at(2.0, from_h=1.1)) == []


def test_what_a_withdrawn_warning_had_raised_is_taken_back_in_the_same_moment():
    at_us = START_US + round(1.5 * HOUR)
    later = withdrawn(sent_us=at_us)
    said = said_by(come(bulletin()), come(later, 5 * SECOND), gauge_at(2.0))
    assert [e.status for e in said] == ["provisional", "cancelled"]
    assert said[-1].updated_us == at_us + 5 * SECOND
    assert said[-1].reason == "bulletin@kazhydromet.kz,kz-2 has withdrawn its cause"
    high = said_by(come(bulletin()), come(later, 5 * SECOND), gauge_at(3.5))
    assert "cancelled" not in [e.status for e in high]


def test_what_expires_leaves_what_it_raised_to_the_water():
    """2.9 m is not a tenth below 3 m: it stands on by hysteresis. 2 m is: it goes."""
    short = bulletin(expires_us=START_US + round(1.5 * HOUR))
    assert [e.status for e in said_by(come(short), gauge_at(2.9))] == ["provisional"]
    said = said_by(come(short), gauge_at(2.0))
    assert [e.status for e in said] == ["provisional", "cancelled"]
    assert said[-1].updated_us >= short.expires_us


@pytest.mark.parametrize(
    "changes",
    [
        {"sent_us": START_US + HOUR, "expires_us": START_US + 9 * HOUR},
        {"effective_us": START_US + HOUR, "expires_us": START_US + HOUR},
        {"polygons": (SQUARE[:3],)},
        {"polygons": (((91.0, 0.0), *SQUARE),)},
        {"circles": ((0.0, 181.0, 1.0),)},
    ],
)
def test_an_impossible_warning_is_kept_in_rejects_and_the_rest_goes_on(changes):
    made = operator([sensor("A")], cascades=CascadeFile(bulletins=(RULE,)))
    bad = [(START_US, bulletin(**changes))]
    outputs = made.process(records(bad, gauge_at(3.5)))
    assert rejected(outputs) == ["impossible reading"]
    assert hazards(told(outputs))


def test_the_memory_is_what_a_warning_may_stand_and_costs_nothing_without_rules():
    with_rules = operator([sensor("A")], cascades=CascadeFile(bulletins=(RULE,))).memory
    without = operator([sensor("A")]).memory
    assert with_rules - without >= LONGEST + EARLY - (LONGEST / 7)


def test_a_fold_that_begins_a_memory_later_says_the_same():
    """Alerts, updates and cancels in any order, some of the future, some that expire late."""
    compared = set()
    for seed in range(40):
        chance = random.Random(seed)
        come_us = sorted(START_US + round(chance.uniform(0, 30 * DAY)) for _ in range(40))
        log = []
        for at_us in come_us:
            sent_us = at_us - round(chance.choice([-0.9, 0, 1, 100, 9000]) * 10 * MINUTE)
            kind = chance.choice(["Alert", "Alert", "Update", "Cancel"])
            name = f"bulletin@kazhydromet.kz,kz-{chance.randrange(9)},x"
            log.append(
                (
                    at_us,
                    bulletin(
                        identifier=f"kz-{chance.randrange(9)}",
                        type=kind,
                        sent_us=sent_us,
                        references=(name,) if kind != "Alert" else (),
                        verified=chance.random() < 0.3,
                        effective_us=sent_us + round(chance.uniform(0, 2 * DAY)),
                        expires_us=sent_us + round(chance.uniform(2 * DAY, 9 * DAY)),
                    ),
                )
            )
        rules = (RULE, msgspec.structs.replace(RULE, lowered=0.8, unverified=True))
        begin_us = START_US + round(chance.uniform(0, 20 * DAY))
        whole, late = (Bulletins(rules, {"Kargaly": [(43.1, 76.8)]}) for _ in range(2))
        memory_us = whole.memory // timedelta(microseconds=1)
        for at_us, one in log:
            whole.fold(one, at_us)
            if at_us >= begin_us:
                late.fold(one, at_us)
            if at_us >= begin_us + memory_us:
                both = [made.lowered("Kargaly", "debris flow", at_us) for made in (whole, late)]
                assert both[0] == both[1]
                compared.add(both[0])
                whole.forget(at_us)
    assert compared == {0.5, 0.8, 1.0}


def test_cap_of_a_neighbour_comes_to_the_sensors():
    """From the bytes of the message, by what takes it in, to the threshold that it lowers."""

    async def scene():
        log = MemoryLog()
        reception = Reception(Gate(PINNED), log, lambda _: None, lambda: NOW_US)
        info = INFO.replace("{effective}", "2024-01-23T00:09:20+06:00")
        assert await reception.take(signed(cap(info=info))) == ""
        assert await reception.take(b"nonsense") != ""
        return await log.read(OBSERVATIONS.name, 0, 0, 9)

    (record,) = asyncio.run(scene())
    assert record.timestamp == NOW_US // 1000
    assert readings.decode(record.value) == Bulletin(
        identifier="kg-1",
        sender="mchs@example.kg",
        sent_us=SENT_US,
        status="Actual",
        type="Alert",
        event="Сель",
        codes=(("OET:v1.2", "OET-056"),),
        severity="Severe",
        effective_us=SENT_US + SECOND,
        expires_us=SENT_US + HOUR,
        verified=True,
        polygons=(((42.1, 74.1), (42.2, 74.1), (42.2, 74.3), (42.1, 74.1)),),
        circles=((42.5, 74.5, 10.0),),
        geocodes=(("ISO3166-1", "KG"),),
    )

    sensors = [
        sensor(name, basin="Ala-Archa", latitude=latitude, longitude=74.15)
        for name, latitude in (("IN", 42.18), ("OUT", 43.0))
    ]
    rule = msgspec.structs.replace(RULE, basin="Ala-Archa")
    low = series("IN", NOW_US, NOW_US + HOUR // 2, lambda s: 0.3 if s < 600 else 2.0)
    made = operator(sensors, cascades=CascadeFile(bulletins=(rule,)))
    outputs = made.process([record, *records(low)])
    assert next(e.level for e in hazards(told(outputs))) == 3
    assert next(e.level for e in hazards(told(operator(sensors).process(records(low))))) == 2


INFO = """<info><language>ru-RU</language><category>Geo</category><event>Сель</event>
<urgency>Expected</urgency><severity>Severe</severity><certainty>Likely</certainty>
<eventCode><valueName>OET:v1.2</valueName><value>OET-056</value></eventCode>
<effective>{effective}</effective><expires>{expires}</expires><headline>Сель на реке</headline>
<area><areaDesc>Ала-Арча</areaDesc><polygon>{polygon}</polygon>
<circle>42.5,74.5 10</circle><geocode><valueName>ISO3166-1</valueName><value>KG</value></geocode>
</area></info>"""


def test_any_batching_gives_the_same_bytes():
    parts = [
        come(bulletin()),
        come(withdrawn(sent_us=START_US + 90 * MINUTE)),
        gauge_at(2.0),
        [(START_US + 30 * MINUTE, b"{")],
    ]
    read = records(*parts)
    whole = operator([sensor("A")], cascades=CascadeFile(bulletins=(RULE,))).process(read)
    assert whole
    for size in (1, 3, 100):
        made = operator([sensor("A")], cascades=CascadeFile(bulletins=(RULE,)))
        cut = [made.process(read[i : i + size]) for i in range(0, len(read), size)]
        assert list(itertools.chain(*cut)) == whole
