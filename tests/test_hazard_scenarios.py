"""Disasters of the region, played again with made sensors: who is told, when, and of what.

Times and places of the events are those that were reported; sensors, distances and speeds are
made, since nobody had any.
"""

import asyncio
import random
from pathlib import Path

import msgspec
import pytest
from made_hazards import (
    SECOND,
    at,
    hazards,
    level,
    operator,
    quake,
    records,
    sensor,
    series,
    told,
)

from commands.wiring import Configuration, pipeline
from detect import traveltimes
from detect.hazards.cascade_file import CascadeFile, Watched
from detect.hazards.valley_file import Reach, ReachPlace, ReachSensor
from dispatch import places
from dispatch.publishing import country_topic
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings
from ingest.sensors import Threshold
from ingest.sources import archive
from replay import session
from stream import settings
from stream.records import Record
from stream.topics import EVENTS

MINUTE = 60 * SECOND


def place(name, country, latitude, longitude, at_km, population=0):
    return ReachPlace(
        name=name,
        country=country,
        latitude=latitude,
        longitude=longitude,
        population=population,
        at_km=at_km,
    )


def gauge(name, begin_us, passes_us, hours, *, seed, every_s=10.0, calm=0.4, high=3.2, late_s=2.0):
    """A stage with some noise; the front lifts it within half a minute."""
    chance = random.Random(seed)

    def value(s):
        since = s - (passes_us - begin_us) / SECOND
        share = min(max(since / 30.0, 0.0), 1.0)
        return round(calm + chance.gauss(0, 0.01) + share * (high - calm), 3)

    end_us = begin_us + round(hours * 3600) * SECOND
    return series(name, begin_us, end_us, value, every_s=every_s, late_s=late_s)


def arrival(events, name):
    """Windows of a place, revision by revision."""
    return [p for e in events for p in e.places if p.place == name]


# Kargaly, 23 July 2015: the lake burst at about 02:15 (UTC+6); the first alert was at about 03:00.
BURST = at("2015-07-22T20:15:00")
KARGALY = [
    Reach(
        id="kargaly",
        basin="Kargaly",
        length_km=26.0,
        slowest_ms=2.0,
        usual_ms=5.0,
        fastest_ms=12.0,
        sensors=(
            ReachSensor(id="OUTLET", at_km=0.5),
            ReachSensor(id="GORGE", at_km=4.5),
            ReachSensor(id="DAM", at_km=9.0),
        ),
        places=(
            place("Chapaevo", "KZ", 43.18, 76.78, 15.0),
            place("Algabas", "KZ", 43.26, 76.79, 24.0),
        ),
    )
]
KARGALY_SENSORS = [
    sensor("OUTLET", hazard="lake outburst", every_s=10.0, telemetry="satellite"),
    sensor("GORGE", every_s=10.0, telemetry="radio"),
    sensor("DAM", every_s=30.0, telemetry="gsm"),
]


@pytest.mark.parametrize("speeds", [(6.0, 5.0, 4.5), (9.0, 8.0, 7.0), (3.0, 2.6, 2.4)])
def test_kargaly_2015(speeds):
    """The first message within 60 s of the first sensor; windows of villages hold throughout."""
    begin = BURST - 30 * MINUTE
    passes = {"OUTLET": BURST + round(500.0 / speeds[0]) * SECOND}
    passes["GORGE"] = passes["OUTLET"] + round(4000.0 / speeds[0]) * SECOND
    passes["DAM"] = passes["GORGE"] + round(4500.0 / speeds[1]) * SECOND
    truth = {
        "Chapaevo": passes["DAM"] + round(6000.0 / speeds[2]) * SECOND,
        "Algabas": passes["DAM"] + round(15_000.0 / speeds[2]) * SECOND,
    }
    parts = [
        gauge(s.id, begin, passes[s.id], 4.0, seed=i, every_s=s.every_s)
        for i, s in enumerate(KARGALY_SENSORS)
    ]
    said = told(operator(KARGALY_SENSORS, *KARGALY).process(records(*parts)))
    assert len({e.id for e in said}) == 1
    first = said[0]
    assert first.hazard == "lake outburst"
    assert first.updated_us - passes["OUTLET"] <= 60 * SECOND
    assert {p.place for p in first.places} == {"Chapaevo", "Algabas"}
    sure = next(e for e in said if e.status == "confirmed")
    assert sure.updated_us - passes["GORGE"] <= 60 * SECOND
    assert sure.level >= 2
    for name, time_us in truth.items():
        windows = arrival(said, name)
        assert all(w.earliest_us <= time_us <= w.latest_us for w in windows)
        widths = [w.latest_us - w.earliest_us for w in windows]
        assert max(widths) <= widths[0] + MINUTE
        assert widths[-1] < widths[0] / 2
        assert sure.updated_us < time_us - 10 * MINUTE
    assert {e.status for e in said} == {"provisional", "confirmed"}


def test_kargaly_2015_with_the_gorge_sensor_swept_away():
    """It dies as the front comes: its silence is told and takes nothing back."""
    begin = BURST - 30 * MINUTE
    passes = {"OUTLET": BURST, "DAM": BURST + 1700 * SECOND}
    gorge = [
        (t, r)
        for t, r in gauge("GORGE", begin, BURST + 10**12, 4.0, seed=1)
        if r.time_us < BURST + 800 * SECOND
    ]
    parts = [
        gauge("OUTLET", begin, passes["OUTLET"], 4.0, seed=0),
        gorge,
        gauge("DAM", begin, passes["DAM"], 4.0, seed=2, every_s=30.0),
    ]
    all_said = told(operator(KARGALY_SENSORS, *KARGALY).process(records(*parts)))
    said = hazards(all_said)
    assert "cancelled" not in [e.status for e in said]
    assert said[-1].status == "confirmed"
    assert {s.sensor for s in said[-1].sensors} == {"OUTLET", "DAM"}
    silences = [e for e in all_said if e.hazard == "sensor silent"]
    assert [e.sensors[0].sensor for e in silences] == ["GORGE"]


def test_a_false_sensor_at_the_lake_is_withdrawn_by_the_gorge():
    """The outlet gauge jams; the gorge, healthy and calm, says that nothing came."""
    begin = BURST - 30 * MINUTE
    jammed = gauge("OUTLET", begin, BURST, 0.55, seed=0)  # and then its telemetry fails
    parts = [
        jammed,
        gauge("GORGE", begin, BURST + 10**12, 4.0, seed=1),
        gauge("DAM", begin, BURST + 10**12, 4.0, seed=2, every_s=30.0),
    ]
    said = hazards(told(operator(KARGALY_SENSORS, *KARGALY).process(records(*parts))))
    assert [e.status for e in said[:-1]] == ["provisional"] * (len(said) - 1)
    assert said[-1].status == "cancelled"
    assert "GORGE should have seen it" in said[-1].reason
    assert said[-1].places == said[-2].places  # who has heard of it hears of its end


# Shahimardan, 8 July 1998: a glacial lake in Kyrgyzstan, over a hundred dead in the exclave of
# Uzbekistan below it.
SHAHIMARDAN = [
    Reach(
        id="kuban-kel",
        basin="Shahimardan",
        length_km=30.0,
        slowest_ms=2.0,
        usual_ms=5.0,
        fastest_ms=12.0,
        sensors=(ReachSensor(id="LAKE", at_km=0.0), ReachSensor(id="VALLEY", at_km=6.0)),
        places=(
            place("Archa-Bashy", "KG", 39.90, 71.77, 8.0),
            place("Shohimardon", "UZ", 39.983, 71.805, 20.0, 5100),
        ),
    )
]
# Sardoba, 1 May 2020: a dam in Uzbekistan breaks at 05:55 (UTC+5); villages of Kazakhstan are
# flooded, and had been told that there was no problem.
SARDOBA = [
    Reach(
        id="sardoba",
        basin="Sardoba",
        length_km=60.0,
        slowest_ms=0.3,
        usual_ms=0.8,
        fastest_ms=3.0,
        sensors=(ReachSensor(id="LAKE", at_km=0.0), ReachSensor(id="VALLEY", at_km=2.0)),
        places=(
            place("Sardoba", "UZ", 40.43, 68.40, 6.0),
            place("Myrzakent", "KZ", 40.663, 68.545, 35.0, 9752),
        ),
    )
]
ACROSS = [
    ("lake outburst", "Shahimardan", SHAHIMARDAN, at("1998-07-07T20:00:00"), 5.0, {"KG", "UZ"}),
    ("dam break", "Sardoba", SARDOBA, at("2020-05-01T00:55:00"), 0.8, {"UZ", "KZ"}),
]


def across(hazard, basin, reaches, broke_us, speed):
    sensors = [
        sensor("LAKE", hazard=hazard, basin=basin, telemetry="a"),
        sensor("VALLEY", hazard=hazard, basin=basin, telemetry="b"),
    ]
    km = reaches[0].sensors[1].at_km
    begin = broke_us - 20 * MINUTE
    below = broke_us + round(1000 * km / speed) * SECOND
    parts = [
        gauge("LAKE", begin, broke_us, 3.0, seed=5),
        gauge("VALLEY", begin, below, 3.0, seed=6),
    ]
    return operator(sensors, *reaches), records(*parts)


@pytest.mark.parametrize(("hazard", "basin", "reaches", "broke_us", "speed", "countries"), ACROSS)
def test_both_countries_stand_in_the_same_revision(
    hazard, basin, reaches, broke_us, speed, countries
):
    made, read = across(hazard, basin, reaches, broke_us, speed)
    said = told(made.process(read))
    assert said[0].updated_us - broke_us <= 60 * SECOND
    assert said[0].hazard == hazard
    for event in said:
        assert {p.country for p in event.places} == countries
    assert said[-1].status == "confirmed"
    truth = {p.name: p.at_km * 1000 / speed for p in reaches[0].places}
    for event in said:
        for reached in event.places:
            comes = broke_us + round(truth[reached.place]) * SECOND
            assert reached.earliest_us <= comes <= reached.latest_us


@pytest.mark.parametrize(("hazard", "basin", "reaches", "broke_us", "speed", "countries"), ACROSS)
def test_both_countries_are_told_in_the_same_second(
    hazard, basin, reaches, broke_us, speed, countries
):
    """Through dispatch: nobody waits for the other, nor hears first."""
    made, read = across(hazard, basin, reaches, broke_us, speed)
    written = [o for o in made.process(read) if o.topic == EVENTS.name]
    come = [Record(o.topic, 0, i, o.timestamp, o.key, o.value) for i, o in enumerate(written)]
    dispatch = DispatchOperator(DispatchSettings(), places.load(), traveltimes.load())
    first: dict[str, int] = {}
    for output in dispatch.process(come):
        for country in countries:
            if output.topic == country_topic(country):
                first.setdefault(country, output.timestamp)
    assert set(first) == countries
    assert len({ms // 1000 for ms in first.values()}) == 1
    assert min(first.values()) * 1000 - broke_us <= 60 * SECOND


# Murghab, 7 December 2015: Mw 7.2 at 07:50:05, about 40 km from Lake Sarez.
MURGHAB = at("2015-12-07T07:50:05")
USOI = Watched(
    basin="Sarez",
    hazard="lake outburst",
    latitude=38.27,
    longitude=72.60,
    intensity=6.0,
    lowered=0.5,
    lasts_h=72.0,
    reach="usoi",
)
BARTANG = [
    Reach(
        id="usoi",
        basin="Sarez",
        down="panj",
        length_km=150.0,
        slowest_ms=2.5,
        usual_ms=5.0,
        fastest_ms=12.0,
        sensors=(
            ReachSensor(id="SAREZ", at_km=0.0, sees="store"),
            ReachSensor(id="BARCHIDEV", at_km=18.0),
        ),
        places=(place("Barchidev", "TJ", 38.28, 72.42, 18.0),),
    ),
    Reach(
        id="panj",
        basin="Panj",
        length_km=200.0,
        slowest_ms=1.5,
        usual_ms=3.5,
        fastest_ms=8.0,
        places=(place("Rushon", "TJ", 37.945, 71.557, 2.0), place("Nusay", "AF", 38.45, 70.8, 150)),
    ),
]


def sarez(rise_m, over_h=20.0, begin_h=-6.0, hours=40.0):
    """A lake that rises for some hours after the earthquake."""
    begin = MURGHAB + round(begin_h * 3600) * SECOND

    def value(s):
        share = min(max((s / 3600 + begin_h) / over_h, 0.0), 1.0)
        return round(3263.0 + rise_m * share, 3)

    end = begin + round(hours * 3600) * SECOND
    return series("SAREZ", begin, end, value, every_s=600.0, late_s=30.0)


def sarez_operator():
    rise = Threshold(rule="rise", level=2, value=0.25, over_s=86_400.0, source="Sarez system")
    lake = sensor(
        "SAREZ",
        hazard="lake outburst",
        basin="Sarez",
        every_s=600.0,
        silent_s=7200.0,
        latitude=38.26,
        longitude=72.62,
        thresholds=(rise,),
    )
    foot = sensor("BARCHIDEV", hazard="lake outburst", basin="Sarez", thresholds=(level(2.0),))
    return operator([lake, foot], *BARTANG, cascades=CascadeFile(watched=(USOI,)))


def murghab(**more):
    shape = {"latitude": 38.258, "longitude": 72.767, "depth_km": 26.0, "id": "murghab"}
    return quake(MURGHAB, 7.2, **{**shape, **more})


def test_murghab_2015_raises_a_watch_on_sarez_and_names_its_valley():
    shock = [(MURGHAB + 20 * SECOND, murghab())]
    said = hazards(told(sarez_operator().process(records(sarez(0.0), shock))))
    (watch,) = said
    assert (watch.level, watch.causes, watch.basin) == (1, ("murghab",), "Sarez")
    assert [p.country for p in watch.places] == ["TJ", "TJ", "AF"]
    assert watch.updated_us == MURGHAB + 20 * SECOND


def test_a_rise_that_is_nothing_else_counts_after_the_earthquake():
    """15 cm in 20 h: below the 25 cm of the system, above half of it."""
    calm = hazards(told(sarez_operator().process(records(sarez(0.15)))))
    assert calm == []
    shock = [(MURGHAB + 20 * SECOND, murghab())]
    said = hazards(told(sarez_operator().process(records(sarez(0.15), shock))))
    risen = [e for e in said if e.sensors]
    assert risen[0].causes == ("murghab",)
    assert (risen[0].status, risen[0].level) == ("provisional", 2)
    assert {p.country for p in risen[0].places} == {"TJ", "AF"}


def test_murghab_cancelled_takes_all_back():
    shock = [
        (MURGHAB + 20 * SECOND, murghab()),
        (MURGHAB + 30 * 3600 * SECOND, murghab(revision=1, status="cancelled")),
    ]
    late = [(t, q) for t, q in shock]
    late[1] = (MURGHAB + 50 * MINUTE, late[1][1])
    said = hazards(told(sarez_operator().process(records(sarez(0.15, over_h=0.5), late))))
    last = {e.id: e for e in said}
    assert len(last) == 2
    assert {e.status for e in last.values()} == {"cancelled"}
    assert {e.updated_us for e in last.values()} == {MURGHAB + 50 * MINUTE}


def test_the_lake_alone_is_never_overdue():
    """A lake that rises has let nothing go yet: calm at the foot of the dam proves nothing."""
    foot = series(
        "BARCHIDEV", MURGHAB, MURGHAB + 34 * 3600 * SECOND, lambda s: 0.4, every_s=60.0, late_s=5.0
    )
    shape = msgspec.structs.replace
    foot = [(t, shape(r, value=0.4 + 0.001 * (i % 5))) for i, (t, r) in enumerate(foot)]
    said = hazards(told(sarez_operator().process(records(sarez(0.6), foot))))
    assert {e.status for e in said} == {"provisional"}
    assert {e.certainty for e in said} == {"Possible"}


ILLGRABEN = Path(__file__).resolve().parents[2] / "shared" / "data" / "illgraben-2019-debris-flows"
CHANNEL = """# one seismometer at the channel
[[reaches]]
id = "illgraben"
basin = "Illgraben"
length_km = 5.0
slowest_ms = 1.0
usual_ms = 4.0
fastest_ms = 12.0
sensors = [{ id = "XP.ILL11", at_km = 1.0 }]
places = [{ name = "Susten", country = "CH", latitude = 46.31, longitude = 7.64, at_km = 4.0 }]
"""


@pytest.mark.skipif(not ILLGRABEN.exists(), reason=f"{ILLGRABEN} is not here")
def test_illgraben_2019_is_told_by_one_seismometer(tmp_path):
    """Through all stages: in time before the force plate, and not at the transient."""
    (tmp_path / "valleys.toml").write_text(CHANNEL)
    (tmp_path / "alatau.toml").write_text('[detect.hazards]\nvalleys = ["valleys.toml"]\n')
    config = tmp_path / "alatau.toml"
    configuration = settings.load(config, Configuration)
    recording = archive.read(ILLGRABEN, latency_s=2.0, packet_s=configuration.ingest.packet_s)
    stages = pipeline(configuration, recording.channels, config)
    said = asyncio.run(session.replay(recording, stages)).hazards
    begun = [e for e in said if e.revision == 0]
    july, august = at("2019-07-15T00:00:00"), at("2019-08-11T00:00:00")
    transient = at("2019-07-15T03:24:00")
    of_july = [e for e in begun if july < e.onset_us < august]
    assert of_july
    assert not [e for e in of_july if abs(e.updated_us - transient) < 10 * MINUTE]
    assert min(e.updated_us for e in of_july) < at("2019-07-15T04:29:00")
    plate = at("2019-08-11T17:09:45")
    first = min(e.updated_us for e in begun if e.onset_us > august)
    assert plate - 40 * MINUTE < first <= plate - 3 * MINUTE
    sure = min(e.updated_us for e in said if e.status == "confirmed" and e.onset_us > august)
    assert sure <= plate - 3 * MINUTE
    assert {e.hazard for e in said} == {"debris flow"}
    assert all(e.level == 2 for e in begun)
    assert all([p.place for p in e.places] == ["Susten"] for e in begun)


@pytest.mark.skipif(not ILLGRABEN.exists(), reason=f"{ILLGRABEN} is not here")
def test_illgraben_2019_is_a_watch_where_nobody_has_named_the_valley():
    """Without any file: to those on duty, about the station, in time, and not at the transient."""
    configuration = Configuration()
    recording = archive.read(ILLGRABEN, latency_s=2.0, packet_s=configuration.ingest.packet_s)
    outcome = asyncio.run(session.replay(recording, pipeline(configuration, recording.channels)))
    assert {(e.basin, e.level) for e in outcome.hazards} == {("XP.ILL11", 1)}
    assert "confirmed" not in {e.status for e in outcome.hazards}
    begun = [e.updated_us for e in outcome.hazards if e.revision == 0]
    plates = [at("2019-07-15T04:29:00"), at("2019-08-11T17:09:45")]
    for plate in plates:
        first = min(t for t in begun if abs(t - plate) < 3 * 3600 * SECOND)
        assert plate - 40 * MINUTE < first <= plate - 3 * MINUTE
    assert not [t for t in begun if abs(t - at("2019-07-15T03:24:00")) < 10 * MINUTE]
    alerts = [a.parcel for a in outcome.hazard_alerts]
    assert {(a.country, a.audience) for a in alerts} == {("CH", "civil-protection")}
    assert {a.type for a in alerts} == {"Alert", "Cancel"}
