"""Replays made by hand: what a pipeline that knows the truth would have said."""

from detect.detections import Pick
from detect.events import Arrival, Earthquake
from detect.geodesy import distance_azimuth
from detect.traveltimes import load
from dispatch.messages import Message, PlaceWarning
from ingest.channels import Channel, ChannelTable, Station
from ingest.sources.archive import Packet, Recording
from replay.catalogue import Catalogue
from replay.session import Alert, Heard, Outcome

TIMES = load()
ORIGIN_US = 1_562_383_193_040_000
CATALOGUE = Catalogue(
    time_us=ORIGIN_US, latitude=35.7695, longitude=-117.5993, depth_km=8.0, magnitude=7.1
)
STATIONS = {
    "CI.CLC": Station(35.816, -117.598, 775.0),
    "CI.TOW2": Station(35.809, -117.765, 685.0),
    "CI.CCC": Station(35.525, -117.365, 670.0),
    "CI.FAR": Station(35.0, -119.0, 100.0),
    "CI.DEAD": Station(35.9, -117.7, 100.0),
}


def recording(*, catalogue=CATALOGUE, stations=STATIONS, latency_s=0.5, seconds=(-30, 60)):
    """One packet a station and second, round the catalogue origin; CI.DEAD sends nothing."""
    packets = []
    for name in stations:
        if name == "CI.DEAD":
            continue
        for second in range(*seconds):
            start = catalogue.time_us // 1_000_000 * 1_000_000 + second * 1_000_000
            end = start + 1_000_000
            packets.append(Packet(name, end // 1000 + round(latency_s * 1000), start, end, b""))
    packets.sort(key=lambda p: (p.arrival_ms, p.station))
    channels = {
        f"{n}..HNZ": (Channel(f"{n}..HNZ", s, 1e6, "m/s2", True, -(2**63), 2**63 - 1),)
        for n, s in stations.items()
    }
    table = ChannelTable(channels, dict(stations), ())
    return Recording("made", tuple(packets), table, (), "1 s packets + 0.5 s")


def pick(station, time_us, *, known_ms=None, phase="P"):
    """A pick of a station, known at the end of its second and half a second more."""
    where = STATIONS[station] if isinstance(station, str) else station
    channel = f"{station}..HNZ"
    made = Pick(
        id=f"{channel}/{phase}/{time_us}",
        channel=channel,
        phase=phase,
        time_us=time_us,
        uncertainty_s=0.05,
        snr=42.0,
        polarity=1,
        polarity_confidence=0.9,
        latitude=where.latitude,
        longitude=where.longitude,
        elevation_m=where.elevation_m,
    )
    return Heard(made, (time_us // 1_000_000 + 1) * 1000 + 500 if known_ms is None else known_ms)


def predicted_p_us(station, catalogue=CATALOGUE, stations=STATIONS):
    where = stations[station]
    distance = distance_azimuth(
        catalogue.latitude, catalogue.longitude, where.latitude, where.longitude
    )[0]
    depth = 10.0 if catalogue.depth_km is None else catalogue.depth_km
    return catalogue.time_us + round(TIMES.p(distance, depth) * 1e6)


def event(name, revision, updated_s, **changes):
    """A revision that is right about the catalogue's earthquake, but for the changes."""
    values = {
        "id": name,
        "revision": revision,
        "status": "confirmed",
        "region": "made",
        "updated_us": ORIGIN_US + round(updated_s * 1e6),
        "origin_time_us": ORIGIN_US,
        "origin_time_sigma_s": 0.5,
        "latitude": CATALOGUE.latitude,
        "longitude": CATALOGUE.longitude,
        "epicentre_sigma_km": 4.0,
        "depth_km": 8.0,
        "depth_sigma_km": 5.0,
        "magnitude": 6.0,
        "magnitude_sigma": 0.4,
        "magnitude_type": "Mpd",
        "magnitude_stations": 2,
        "magnitude_saturated": False,
        "azimuthal_gap_deg": 200.0,
        "silent_stations": 0,
        "arrivals": (),
        "reason": "made by hand",
    }
    return Earthquake(**(values | changes))


def arrival(heard, distance_km=10.0):
    return Arrival(
        pick_id=heard.pick.id,
        station=heard.pick.station,
        phase=heard.pick.phase,
        time_us=heard.pick.time_us,
        distance_km=distance_km,
        azimuth_deg=45.0,
        residual_s=0.03,
        weight=1.0,
    )


def warning(name="Ridgecrest", number=1, intensity=7.2, lead_s=3.0, **changes):
    values = {
        "geonameid": number,
        "name": name,
        "country": "US",
        "latitude": 35.6225,
        "longitude": -117.6709,
        "population": 28000,
        "intensity": intensity,
        "s_arrival_us": ORIGIN_US + 6_000_000,
        "lead_s": lead_s,
    }
    return PlaceWarning(**(values | changes))


def alert(event_id, number, sent_s, places=(), *, kind="Alert", country="US", **changes):
    sent_us = ORIGIN_US + round(sent_s * 1e6)
    values = {
        "identifier": f"{event_id}_{country}_{number}",
        "sender": "made@example.org",
        "status": "Test",
        "msg_type": kind,
        "references": (),
        "sent_us": sent_us,
        "onset_us": sent_us // 1_000_000 * 1_000_000,
        "expires_us": (sent_us // 1_000_000 + 600) * 1_000_000,
        "urgency": "Immediate",
        "severity": "Severe",
        "certainty": "Likely",
        "event_id": event_id,
        "revision": number,
        "country": country,
        "origin_time_us": ORIGIN_US,
        "latitude": CATALOGUE.latitude,
        "longitude": CATALOGUE.longitude,
        "epicentre_sigma_km": 4.0,
        "depth_km": 8.0,
        "depth_sigma_km": 5.0,
        "magnitude": 6.5,
        "magnitude_sigma": 0.4,
        "magnitude_type": "Mpd",
        "magnitude_saturated": False,
        "min_intensity": 4.0,
        "channel_delay_s": 0.0,
        "max_intensity": max((p.intensity for p in places), default=0.0),
        "highest_told": 7.0,
        "radius_km": 200.0,
        "places_affected": len(places),
        "people_affected": sum(p.population for p in places),
        "area_places": tuple(p.name for p in places),
        "places": tuple(places),
        "sender_name": "made",
        "web": "https://example.org",
        "contact": "",
        "languages": ("en",),
    }
    return Alert(Message(**(values | changes)), b"<alert/>", sent_us // 1000)


def outcome(*, picks=(), events=(), alerts=(), rejects=(), folder="made", **changes):
    values = {"wall_s": 2.0, "data_s": 90.0, "station_hours": 0.1}
    return Outcome(
        folder=folder,
        picks=tuple(picks),
        events=tuple(events),
        alerts=tuple(alerts),
        rejects=tuple(rejects),
        **(values | changes),
    )
