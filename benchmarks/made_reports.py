"""Detections of a made network in which earthquakes, noise and disturbances make picks.

What a station picks is drawn from the formulas of Cua and Heaton (2009) with scatter of the event
and of the station, not from what the locator assumes of picking; how often noise picks differs
from station to station. Rates are those of a bad network in real time, but for the earthquakes,
which come every minute or two.
"""

import math

import numpy as np
from msgspec import Struct

from detect import detections
from detect.detections import Motion, Pick, PickMotion, StationMotion
from detect.envelopes import Kind, peak
from detect.geodesy import distance_azimuth
from detect.traveltimes import TravelTimes
from replay.catalogue import Catalogue
from stream.records import Record
from stream.topics import DETECTIONS

__all__ = ["SECONDS", "Made", "make"]

BEGIN_S = 1_700_000_000
SECONDS = 900
STATIONS = 40
SIDE_KM = 300.0
AREA_KM2 = 500.0**2  # in which earthquakes are made: stations stand in its middle
LATITUDE, LONGITUDE = 43.0, 77.0
KM_PER_DEGREE = 111.195
FIRST_S, EVERY_S = 60.0, 100.0  # of earthquakes
MAGNITUDES = (3.0, 6.5)
FALSE_PER_HOUR, FALSE_SPREAD = 2.0, 1.0  # median over stations, and of its natural logarithm
DISTURBANCES = 3  # that move two or three neighbours at about the same time
EVENT_SCATTER, STATION_SCATTER = 0.15, 0.25  # of log10 of a peak
PICK_ERROR_S, MODEL_ERROR = 0.15, 0.02  # and a share of the travel time
STANDS_OUT = 3.0  # times the noise: P is picked
S_PICKED = 0.4
LAG_S = 0.7  # from a sample to its report
FOLLOWED_S = 60.0
CM = 100.0
PGV_PER_PGA = 0.05  # of noise
PEAKS: tuple[Kind, ...] = ("p_acceleration", "s_acceleration", "p_velocity", "s_velocity")


class Made(Struct, frozen=True):
    """A made network, what it reports, and what happened.

    Attributes
    ----------
    causes
        By id of a pick: the earthquake that made it, by its place in `happened`. Picks of
        anything else are not in it.
    disturbed
        Ids of the picks that a disturbance of neighbours made.
    """

    name: str
    records: tuple[Record, ...]
    happened: tuple[Catalogue, ...]
    causes: dict[str, int]
    disturbed: frozenset[str]


class _Station(Struct):
    name: str
    latitude: float
    longitude: float
    noise: float  # m/s2, peak in a second
    false_per_s: float


class _Shaken(Struct, frozen=True):
    """An onset, and the peaks of acceleration (m/s2) and velocity (m/s) after it and after S."""

    time_s: float
    s_s: float
    p_peak: float
    s_peak: float
    p_speed: float
    s_speed: float
    picked: Pick


def _pick(station: _Station, time_s: float, ratio: float, phase: str = "P") -> Pick:
    time_us = round((BEGIN_S + time_s) * 1e6)
    return Pick(
        id=f"{station.name}..HNZ/{phase}/{time_us}",
        channel=f"{station.name}..HNZ",
        phase="S" if phase == "S" else "P",
        time_us=time_us,
        uncertainty_s=0.1,
        snr=max(ratio, 3.0),
        polarity=0,
        polarity_confidence=0.0,
        latitude=station.latitude,
        longitude=station.longitude,
        elevation_m=0.0,
    )


def _stations(chance: np.random.Generator) -> list[_Station]:
    found = []
    for number in range(STATIONS):
        east, north = chance.uniform(-SIDE_KM / 2, SIDE_KM / 2, 2).tolist()
        found.append(
            _Station(
                f"XX.S{number:02d}",
                LATITUDE + north / KM_PER_DEGREE,
                LONGITUDE + east / KM_PER_DEGREE / math.cos(math.radians(LATITUDE)),
                10.0 ** float(chance.uniform(-4.5, -3.0)),
                FALSE_PER_HOUR / 3600.0 * math.exp(float(chance.normal(0.0, FALSE_SPREAD))),
            )
        )
    return found


def _shake(
    stations: list[_Station], origin_s: float, tables: TravelTimes, chance: np.random.Generator
) -> tuple[Catalogue, list[tuple[_Station, _Shaken]]]:
    """Make an earthquake: what it was, and who picks it."""
    half = math.sqrt(AREA_KM2) / 2.0
    east, north = chance.uniform(-half, half, 2).tolist()
    depth = float(chance.uniform(3.0, 25.0))
    low, high = (10.0**-m for m in MAGNITUDES)
    size = -math.log10(low - float(chance.uniform()) * (low - high))  # b = 1
    truth = Catalogue(
        time_us=round((BEGIN_S + origin_s) * 1e6),
        latitude=LATITUDE + north / KM_PER_DEGREE,
        longitude=LONGITUDE + east / KM_PER_DEGREE / math.cos(math.radians(LATITUDE)),
        depth_km=depth,
        magnitude=size,
    )
    common = float(chance.normal(0.0, EVENT_SCATTER))
    felt = []
    for station in stations:
        distance, _ = distance_azimuth(
            truth.latitude, truth.longitude, station.latitude, station.longitude
        )
        own = common + float(chance.normal(0.0, STATION_SCATTER))
        reach = math.hypot(distance, max(depth - 10.0, 0.0))
        p_peak, s_peak, p_speed, s_speed = (
            10.0 ** (peak(kind, size, reach) + own) / CM for kind in PEAKS
        )
        late = 1.0 + float(chance.normal(0.0, MODEL_ERROR))
        p_s = origin_s + tables.p(distance, depth) * late + float(chance.normal(0.0, PICK_ERROR_S))
        s_s = origin_s + tables.s(distance, depth) * late
        if p_peak > STANDS_OUT * station.noise:
            told = _pick(station, p_s, p_peak / station.noise)
            felt.append((station, _Shaken(p_s, s_s, p_peak, s_peak, p_speed, s_speed, told)))
    return truth, felt


def _false(
    stations: list[_Station], chance: np.random.Generator
) -> tuple[list[tuple[_Station, _Shaken]], int]:
    """Make the picks of noise, one station at a time, and of disturbances of neighbours.

    Returns them, and how many of them are of noise: those come first.
    """
    found: list[tuple[_Station, _Shaken]] = []

    def add(station: _Station, time_s: float) -> None:
        peak_now = station.noise * 10.0 ** (0.3 + float(chance.exponential(0.25)))
        told = _pick(station, time_s, peak_now / station.noise)
        speed = peak_now * PGV_PER_PGA
        one = _Shaken(time_s, math.inf, peak_now, peak_now, speed, speed, told)
        found.append((station, one))

    for station in stations:
        for _ in range(int(chance.poisson(station.false_per_s * SECONDS))):
            add(station, float(chance.uniform(20.0, SECONDS - 20.0)))
    noise = len(found)
    for _ in range(DISTURBANCES):
        first = stations[int(chance.integers(len(stations)))]
        near = sorted(
            stations,
            key=lambda s: distance_azimuth(
                first.latitude, first.longitude, s.latitude, s.longitude
            )[0],
        )
        at = float(chance.uniform(20.0, SECONDS - 20.0))
        for station in near[: int(chance.integers(2, 4))]:
            add(station, at + float(chance.uniform(0.0, 5.0)))
    return found, noise


def make(seed: int, tables: TravelTimes) -> Made:
    """Make a network and a quarter of an hour of its reports.

    Parameters
    ----------
    seed
        Of everything.
    tables
        Travel times.
    """
    chance = np.random.default_rng(seed)
    stations = _stations(chance)
    shaken, noise = _false(stations, chance)
    disturbed = frozenset(one.picked.id for _, one in shaken[noise:])
    happened: list[Catalogue] = []
    causes: dict[str, int] = {}
    origin_s = FIRST_S
    while origin_s < SECONDS - FOLLOWED_S:
        truth, felt = _shake(stations, origin_s, tables, chance)
        causes |= {one.picked.id: len(happened) for _, one in felt}
        happened.append(truth)
        shaken += felt
        origin_s += EVERY_S * float(chance.uniform(0.7, 1.3))
    said: list[tuple[float, Pick | Motion]] = []
    by_station: dict[str, list[_Shaken]] = {}
    for station, one in sorted(shaken, key=lambda item: (item[1].time_s, item[0].name)):
        by_station.setdefault(station.name, []).append(one)
        said.append((one.time_s + LAG_S, one.picked))
        if one.s_s < math.inf and float(chance.uniform()) < S_PICKED:
            at = one.s_s + abs(float(chance.normal(0.0, 0.5)))
            told = _pick(station, at, one.s_peak / one.p_peak, "S")
            causes[told.id] = causes[one.picked.id]
            said.append((at + LAG_S, told))
    for second in range(1, SECONDS):
        reports = [_report(s, by_station.get(s.name, []), second, chance) for s in stations]
        at_us = (BEGIN_S + second) * 1_000_000
        said.append((float(second), Motion(partition=0, time_us=at_us, stations=tuple(reports))))
    said.sort(key=lambda item: item[0])
    records = tuple(
        Record(DETECTIONS.name, 0, i, round((BEGIN_S + at) * 1000), b"", detections.encode(one))
        for i, (at, one) in enumerate(said)
    )
    return Made(f"made-{seed:02d}", records, tuple(happened), causes, disturbed)


def _report(
    station: _Station, shaken: list[_Shaken], second: int, chance: np.random.Generator
) -> StationMotion:
    end_s = second - LAG_S
    pga = station.noise * 10.0 ** float(chance.normal(0.0, 0.1))
    since = []
    for one in shaken:
        elapsed = end_s - one.time_s
        if not 0.0 < elapsed < FOLLOWED_S:
            continue
        in_s = end_s > one.s_s
        strongest = one.s_peak if in_s else one.p_peak
        fades = math.exp(-max(0.0, end_s - min(one.s_s, one.time_s + 20.0)) / 10.0)
        pga = max(pga, strongest * min(fades, 1.0))
        since.append(
            PickMotion(
                pick_id=one.picked.id,
                elapsed_s=elapsed,
                pd_m=(),
                noise_pd_m=0.0,
                pgv=one.s_speed if in_s else one.p_speed,
                pga=strongest,
                noise_pgv=station.noise * PGV_PER_PGA,
                noise_pga=station.noise,
            )
        )
    return StationMotion(
        station=station.name,
        latitude=station.latitude,
        longitude=station.longitude,
        data_end_us=round((BEGIN_S + end_s) * 1e6),
        pga=pga,
        pgv=0.0,
        since_picks=tuple(since[-2:]),
    )
