"""Picks and motion frames made by hand, as the picker would write them."""

import math

from detect import detections
from detect.detections import Motion, Pick, PickMotion, StationMotion
from detect.geodesy import distance_azimuth
from detect.magnitude import s_velocity
from detect.traveltimes import load
from stream.records import Record
from stream.topics import DETECTIONS

ak135 = load()
START_US = 1_700_000_000_000_000
QUIET_M_S = 1e-6  # peak velocity of a station at rest


def ring(latitude, longitude, radius_km, count, first_deg=0.0):
    """Stations on a circle, by name."""
    found = {}
    for n in range(count):
        angle = math.radians(first_deg + 360.0 * n / count)
        north = radius_km * math.cos(angle) / 111.195
        east = radius_km * math.sin(angle) / 111.195 / math.cos(math.radians(latitude))
        found[f"XX.S{n:02d}"] = (latitude + north, longitude + east)
    return found


def p_s(place, source):
    """Times (s) of P and S at a place, for a source of latitude, longitude and depth (km)."""
    distance, _ = distance_azimuth(source[0], source[1], *place)
    return ak135.p(distance, source[2]), ak135.s(distance, source[2])


def pick(station, place, time_us, **changes):
    values = {
        "id": f"{station}..HNZ/P/{time_us}",
        "channel": f"{station}..HNZ",
        "phase": "P",
        "time_us": time_us,
        "uncertainty_s": 0.05,
        "snr": 20.0,
        "polarity": 1,
        "polarity_confidence": 0.9,
        "latitude": place[0],
        "longitude": place[1],
        "elevation_m": 0.0,
    }
    return Pick(**(values | changes))


def station_motion(station, place, data_end_us, **changes):
    values = {
        "station": station,
        "latitude": place[0],
        "longitude": place[1],
        "data_end_us": data_end_us,
        "pga": 1e-4,
        "pgv": QUIET_M_S,
    }
    return StationMotion(**(values | changes))


def earthquake_picks(stations, source, origin_us, *, delay_s=1.5, shift_s=None):
    """Picks of all stations: (arrival in us, pick), in order of arrival."""
    found = []
    for name, place in stations.items():
        p, _ = p_s(place, source)
        time_us = origin_us + round((p + (shift_s or {}).get(name, 0.0)) * 1e6)
        found.append((time_us + round(delay_s * 1e6), pick(name, place, time_us)))
    return sorted(found, key=lambda item: (item[0], item[1].id))


def shaken(place, source, origin_us, magnitude, seconds, picked):
    """The motion since a pick, of a station that is so long into an earthquake."""
    distance, _ = distance_azimuth(source[0], source[1], *place)
    pd_cm = 10 ** ((magnitude - 1.38 * math.log10(max(distance, 10.0)) - 5.39) / 1.23)
    p, s = p_s(place, source)
    pgv = float(10 ** s_velocity(magnitude, distance)) / 100.0
    windows = [w for w in (0.5, 1.0, 2.0, 3.0, 4.0) if w <= seconds]
    in_s = seconds > s - p
    return PickMotion(
        pick_id=picked.id,
        elapsed_s=seconds,
        pd_m=tuple(pd_cm / 100.0 for _ in windows),
        noise_pd_m=1e-9,
        pgv=pgv if in_s else pgv / 4.0,
        pga=20.0 * pgv if in_s else 8.0 * pgv,
    )


def moved(picks, source, origin_us, magnitude=5.0, lasts_s=60.0):
    """Changes to the motion frames of stations that have picked an earthquake."""
    by_station = {p.station: p for _, p in picks}

    def made(name, time_us):
        told = by_station.get(name)
        if told is None:
            return {}
        seconds = (time_us - 500_000 - told.time_us) * 1e-6
        if not 0.0 < seconds < lasts_s:
            return {}
        place = told.latitude, told.longitude
        return {"since_picks": (shaken(place, source, origin_us, magnitude, seconds, told),)}

    return made


def frames(stations, begin_us, end_us, *, partition=0, step_s=1.0, lag_s=0.5, made=None, out=()):
    """Motion frames of all stations, each (arrival in us, frame).

    `made` makes the changes of one station's motion from its name and the arrival; those in
    `out` are left out.
    """
    found = []
    time_us = begin_us
    while time_us < end_us:
        reports = []
        for name, place in sorted(stations.items()):
            if name not in out:
                changes = {} if made is None else made(name, time_us)
                for since in changes.get("since_picks", ()):
                    changes = {"pga": since.pga, "pgv": since.pgv} | changes
                data_end_us = time_us - round(lag_s * 1e6)
                reports.append(station_motion(name, place, data_end_us, **changes))
        found.append(
            (time_us, Motion(partition=partition, time_us=time_us, stations=tuple(reports)))
        )
        time_us += round(step_s * 1e6)
    return found


def records(*said):
    """Lists of (arrival in us, detection) as they stand in `detections`, in order of arrival."""
    together = sorted((item for part in said for item in part), key=lambda item: item[0])
    return [
        Record(DETECTIONS.name, 0, i, arrival // 1000, b"local", detections.encode(detection))
        for i, (arrival, detection) in enumerate(together)
    ]
