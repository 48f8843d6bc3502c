"""Makes a scenario: a folder of synthetic records that can be replayed and scored.

Synthetic records never carry the code of a real network. Their network is ``SY``, which the FDSN
has set aside for synthetic seismograms; the station keeps its code and its coordinates. So no
archive, and no centre that such a file strays to, can take them for what KN or KR recorded. The
SEED header has no other place for it: its quality letter says how far data were checked, and a
location code would leave the rest of a real channel's name.
"""

import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detect.geodesy import distance_azimuth
from detect.traveltimes import MAX_DISTANCE_KM, TravelTimes
from ingest.miniseed import encode
from ingest.sources.archive import ARRIVALS
from replay import catalogue, scenario_metadata
from replay.background import background
from replay.ground import Earthquake, shake
from replay.scenario_file import Burst, Fault, Scenario, Source
from replay.scenario_metadata import NETWORK, Sensor
from replay.station_list import Site
from replay.telemetry import Sent, arrivals, line, table
from stream.errors import ConfigurationError

__all__ = ["README", "STATIONS", "WAVEFORMS", "Made", "chosen", "write"]

WAVEFORMS = "waveforms.synthetic.mseed"
STATIONS = "stations.xml"
README = "README.md"

FULL_SCALE = 2**23 - 1
SPIKE_EVERY_S, SPIKE_FADES_S = 10.0, 0.4
_MOTION, _NOISE, _WAY, _CLOCK, _BURST, _SPIKES = range(6)  # of the random numbers of a station

_Array = NDArray[np.float64]
_Counts = NDArray[np.int32]


class Made(Struct, frozen=True):
    """What was written: stations, seconds of record, packets."""

    stations: int
    seconds: float
    packets: int


class _Packet(Struct, frozen=True):
    """Samples `begin` to `end` of a station, and how far ahead its clock is then."""

    begin: int
    end: int
    clock_us: int


def chosen(scenario: Scenario, sites: Sequence[Site]) -> tuple[Site, ...]:
    """Select the stations that a scenario records."""
    if scenario.stations:
        return tuple(site for site in sites if site.id in scenario.stations)
    near = _local(scenario, sites)
    if not near:
        return tuple(sites)
    return tuple(s for s in sites if any(_km(e, s) <= scenario.reach_km for e in near))


def _local(scenario: Scenario, sites: Sequence[Site]) -> tuple[Source, ...]:
    """Earthquakes that a network is there to find: no truth names one of another continent."""
    return tuple(e for e in scenario.events if any(_km(e, s) <= MAX_DISTANCE_KM for s in sites))


def _km(event: Source, site: Site) -> float:
    return float(
        distance_azimuth(event.latitude, event.longitude, site.latitude, site.longitude)[0]
    )


def write(scenario: Scenario, sites: Sequence[Site], times: TravelTimes, folder: Path) -> Made:
    """Make the records, and write them with metadata, arrivals, truth and a README.

    Parameters
    ----------
    scenario
        What happens; see `replay.scenario_file.check`.
    sites
        The network.
    times
        Travel times of the synthetic waves.
    folder
        Made if need be.

    Returns
    -------
    Made
        The same arguments write the same bytes.

    Raises
    ------
    ConfigurationError
        If no station is in reach, or the folder holds records that this did not write.
    """
    taken = chosen(scenario, sites)
    if not taken:
        raise ConfigurationError(
            f"no station of the network is within {scenario.reach_km:g} km",
            remedy="Raise reach_km, or name the stations.",
        )
    _make_room(folder)
    sensor = Sensor.of(scenario.sensor)
    records: list[bytes] = []
    rows: list[tuple[str, int, int, int, float]] = []
    for site in taken:
        counts = _counts(scenario, site, times, sensor)
        packets = list(_packets(scenario, site, counts.shape[1]))
        records.extend(_records(scenario, site, sensor, counts, packets))
        rows.extend(_arrivals(scenario, site, packets))
    (folder / WAVEFORMS).write_bytes(b"".join(records))
    (folder / ARRIVALS).write_bytes(table(rows))
    (folder / STATIONS).write_bytes(scenario_metadata.stations(scenario, taken, sensor))
    truth = folder / catalogue.FILE
    local = _local(scenario, sites)
    if local:
        truth.write_bytes(scenario_metadata.truth(scenario, local))
    else:
        truth.unlink(missing_ok=True)
    (folder / README).write_text(scenario_metadata.readme(scenario, taken), encoding="utf-8")
    return Made(len(taken), scenario.before_s + scenario.after_s, len(rows))


def _make_room(folder: Path) -> None:
    """Make the folder; real records must never lie beside synthetic ones."""
    folder.mkdir(parents=True, exist_ok=True)
    strange = sorted(p.name for p in folder.glob("*seed") if p.name != WAVEFORMS)
    if strange:
        raise ConfigurationError(
            f"{folder} holds {strange[0]}, which is not this scenario's",
            remedy="Name a folder of its own for each scenario.",
        )


def _draw(scenario: Scenario, site: Site, purpose: int) -> np.random.Generator:
    return np.random.default_rng(_seed(scenario, site, purpose))


def _seed(scenario: Scenario, site: Site, purpose: int) -> list[int]:
    return [scenario.seed, zlib.crc32(site.id.encode("ascii")), purpose]


def _start_us(scenario: Scenario, site: Site) -> int:
    """Time of a station's first sample: not two stations sample at the same instant."""
    since = scenario.time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    step_us = 1e6 / scenario.rate
    part = round(float(_draw(scenario, site, _CLOCK).uniform(0.0, step_us)))
    return since // timedelta(microseconds=1) - round(scenario.before_s * 1e6) + part


def _clock_s(scenario: Scenario, site: Site) -> float:
    """Time of the first sample on the scenario's clock."""
    since = scenario.time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (_start_us(scenario, site) - since // timedelta(microseconds=1)) / 1e6


def _counts(scenario: Scenario, site: Site, times: TravelTimes, sensor: Sensor) -> _Counts:
    """Make the record of a station, int32[3, n]: up, north, east."""
    rate = scenario.rate
    size = round((scenario.before_s + scenario.after_s) * rate)
    start_s = _clock_s(scenario, site)
    draw = _draw(scenario, site, _NOISE)
    quietest, noisiest = scenario.noise
    moved = background(
        size,
        rate,
        level=float(draw.uniform(quietest, noisiest)),
        derivative=sensor.derivative,
        disturbances_per_hour=scenario.disturbances_per_hour,
        draw=draw,
    )
    for number, event in enumerate(scenario.events):
        moved += shake(
            Earthquake(
                at_s=event.at_s,
                latitude=event.latitude,
                longitude=event.longitude,
                depth_km=event.depth_km,
                magnitude=event.magnitude,
                length_km=event.length_km,
                strike_deg=event.strike_deg,
                share_before=event.share_before,
            ),
            site.latitude,
            site.longitude,
            times,
            start_s=start_s,
            size=size,
            rate=rate,
            derivative=sensor.derivative,
            seed=[*_seed(scenario, site, _MOTION), number],
        )
    clock = start_s + np.arange(size) / rate
    draw = _draw(scenario, site, _BURST)
    for burst in scenario.bursts:
        if burst.station == site.id:
            moved += _burst(burst, clock, rate, sensor, draw)
    limit = FULL_SCALE / sensor.gain
    draw = _draw(scenario, site, _SPIKES)
    faults = [f for f in scenario.faults if f.station == site.id]
    for fault in faults:
        within = (clock >= fault.at_s) & (clock < fault.at_s + fault.seconds)
        if fault.kind == "spikes":
            moved += within * _spikes(fault, clock, rate, sensor, draw)
        elif fault.kind == "clip":
            moved = np.where(within, np.clip(moved, -fault.value, fault.value), moved)
    counts = np.rint(np.clip(moved, -limit, limit) * sensor.gain).astype(np.int32)
    for fault in faults:
        if fault.kind == "dead":
            counts[:, (clock >= fault.at_s) & (clock < fault.at_s + fault.seconds)] = 17
    return counts


def _burst(
    burst: Burst, clock: _Array, rate: float, sensor: Sensor, draw: np.random.Generator
) -> _Array:
    """Band-limited noise that begins at once and fades."""
    frequency = np.fft.rfftfreq(clock.size, 1.0 / rate)
    band = np.exp(-(((frequency - burst.hertz) / (0.3 * burst.hertz)) ** 2))
    noise = np.fft.irfft(np.fft.rfft(draw.standard_normal((3, clock.size))) * band, clock.size)
    since = clock - burst.at_s
    rise = 1.0 - np.exp(-np.maximum(since, 0.0) * burst.hertz)
    noise *= (since >= 0) * rise * np.exp(-np.maximum(since, 0.0) / burst.seconds)
    largest = float(np.abs(noise).max())
    if largest == 0.0:
        return np.asarray(noise)
    peak = burst.peak if sensor.derivative == 2 else burst.peak / (2 * np.pi * burst.hertz)
    return np.asarray(noise * (peak / largest))


def _spikes(
    fault: Fault, clock: _Array, rate: float, sensor: Sensor, draw: np.random.Generator
) -> _Array:
    """Jolts at random times: a loose sensor, or one whose supply fails."""
    jolts = draw.random(clock.size) < 1.0 / (SPIKE_EVERY_S * rate)
    strengths = np.where(jolts, draw.normal(0.0, 1.0, clock.size), 0.0)
    fading = np.exp(-np.arange(round(8 * SPIKE_FADES_S * rate)) / (SPIKE_FADES_S * rate))
    trace = np.convolve(strengths, fading)[: clock.size]
    if sensor.derivative == 1:
        trace /= 10.0
    return np.asarray(fault.value * np.array([[1.0], [0.3], [0.3]]) * trace)


def _packets(scenario: Scenario, site: Site, size: int) -> Iterator[_Packet]:
    """Cut at full multiples of the packet's length; those of a gap are left out."""
    start_us = _start_us(scenario, site)
    length_us = scenario.packet_s * 1e6
    step_us = 1e6 / scenario.rate
    faults = [f for f in scenario.faults if f.station == site.id]
    zero_us = start_us - round(_clock_s(scenario, site) * 1e6)
    begin = 0
    number = start_us // length_us
    while begin < size:
        number += 1
        end = min(max(int(np.ceil((number * length_us - start_us) / step_us)), begin), size)
        if end == begin:
            continue
        clock_s = (start_us + (end - 1) * step_us - zero_us) / 1e6
        now = [f for f in faults if f.at_s <= clock_s < f.at_s + f.seconds]
        if not any(f.kind == "gap" for f in now):
            ahead_us = sum(round(f.value * 1e6) for f in now if f.kind == "clock")
            yield _Packet(begin, end, ahead_us)
        begin = end


def _records(
    scenario: Scenario,
    site: Site,
    sensor: Sensor,
    counts: _Counts,
    packets: Sequence[_Packet],
) -> Iterator[bytes]:
    """Encode what is whole: records follow each other up to a gap or a jump of the clock."""
    start_us = _start_us(scenario, site)
    pieces: list[_Packet] = []
    for packet in packets:
        last = pieces[-1] if pieces else None
        if last and last.end == packet.begin and last.clock_us == packet.clock_us:
            pieces[-1] = _Packet(last.begin, packet.end, last.clock_us)
        else:
            pieces.append(packet)
    for row, channel in enumerate(sensor.channels):
        seed_id = f"{NETWORK}.{site.station}..{channel}"
        for piece in pieces:
            first_us = start_us + round(piece.begin * 1e6 / scenario.rate) + piece.clock_us
            samples = counts[row, piece.begin : piece.end]
            yield encode(seed_id, 1000 * first_us, scenario.rate, samples)


def _arrivals(
    scenario: Scenario, site: Site, packets: Sequence[_Packet]
) -> Iterator[tuple[str, int, int, int, float]]:
    """List when each packet came."""
    start_us = _start_us(scenario, site)
    zero_us = start_us - round(_clock_s(scenario, site) * 1e6)
    step_us = 1e6 / scenario.rate
    sent = []
    for packet in packets:
        last_us = start_us + round((packet.end - 1) * step_us)
        ready_s = (start_us + packet.end * step_us - zero_us) / 1e6
        sent.append(Sent(ready_s, last_us + packet.clock_us, packet.end - packet.begin))
    draw = _draw(scenario, site, _WAY)
    faults = [f for f in scenario.faults if f.station == site.id]
    way = line(
        scenario.latency,
        draw,
        outages=[(f.at_s, f.at_s + f.seconds) for f in faults if f.kind == "outage"],
        extra=[(f.at_s, f.at_s + f.seconds, f.value) for f in faults if f.kind == "late"],
    )
    for packet_sent, came_s in zip(sent, arrivals(sent, way, draw), strict=True):
        came_us = zero_us + round(came_s * 1e6)
        yield site.station, packet_sent.last_us, came_us, packet_sent.count, scenario.rate
