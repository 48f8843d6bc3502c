"""How real the synthetic ground motion is: ``python -m benchmarks.ground_motion FOLDER...``.

Prints Markdown: the synthetic peaks over those of published relations, and over those of recorded
earthquakes at the same stations, in log10 units. Peaks are taken as the detector takes them:
high-pass 0.075 Hz, displacement also low-pass 3 Hz.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.signal import sosfilt

from detect import filters, traveltimes
from detect.geodesy import distance_azimuth
from detect.magnitude import p_velocity, s_velocity
from detect.traveltimes import TravelTimes
from ingest import channels
from replay import catalogue
from replay.catalogue import Catalogue
from replay.ground import Earthquake, shake

RATE = 100.0
BEFORE_S = 10.0
REALISATIONS = 2
MAGNITUDES = (4.0, 5.0, 6.0, 7.0)
DISTANCES_KM = (20.0, 50.0, 100.0, 200.0)
DEPTH_KM = 10.0
REACH_KM = 250.0
PD_WINDOW_S = 4.0
CLEAR = 3.0  # times what was before P

# Lengths and strikes of ruptures that Wells and Coppersmith (1994) and a strike of 90 would miss.
RUPTURES: dict[str, dict[str, float]] = {
    "turkiye-2023-m7.8-pazarcik": {"length_km": 300.0, "strike_deg": 55.0, "share_before": 0.45},
    "ridgecrest-2019-m7.1": {"strike_deg": 320.0},
    "ridgecrest-2019-near": {"strike_deg": 320.0},
}

_Array = NDArray[np.float64]


class Peaks(Struct):
    """log10 of m/s2, m/s, m; NaN where there is none."""

    pga: float = math.nan
    pgv: float = math.nan
    p_velocity: float = math.nan
    pd: float = math.nan


def _motion(samples: _Array, rate: float, accelerometer: bool) -> tuple[_Array, _Array, _Array]:
    sections = filters.motion(float(round(rate)), accelerometer)
    sos = np.insert(np.asarray(sections), 3, 1.0, axis=1)
    velocity = sosfilt(sos[1:2], samples)
    if accelerometer:
        acceleration = sosfilt(sos[0:1], samples)
    else:
        acceleration = np.diff(velocity, prepend=0.0) * rate
    return acceleration, velocity, sosfilt(sos[2:4], velocity)


def _peaks(
    up: Sequence[tuple[_Array, _Array, _Array]],
    across: Sequence[tuple[_Array, _Array, _Array]],
    p: int,
    s: int,
    rate: float,
) -> Peaks:
    """Peaks from acceleration, velocity and displacement; `p` and `s` are samples."""
    found = Peaks()
    across = [moved for moved in across if _stands_out(moved[0], p, rate)]
    if across:
        found.pga = float(np.mean([np.log10(np.abs(a[p:]).max()) for a, _, _ in across]))
        found.pgv = float(np.mean([np.log10(np.abs(v[p:]).max()) for _, v, _ in across]))
    end = min(p + round(PD_WINDOW_S * rate), s)
    if up and end - p > 0.5 * rate:
        _, velocity, displacement = up[0]
        before = np.abs(displacement[max(p - round(6 * rate), 0) : p - round(0.5 * rate)])
        found.p_velocity = float(np.log10(np.abs(velocity[p:s]).max()))
        peak = float(np.abs(displacement[p:end]).max())
        if before.size and peak > CLEAR * float(before.max()):
            found.pd = math.log10(peak)
    return found


def _stands_out(acceleration: _Array, p: int, rate: float) -> bool:
    """Tell whether anything came: dead sensors and earthquakes below the noise say nothing."""
    before = np.abs(acceleration[max(p - round(6 * rate), 0) : max(p - round(0.5 * rate), 1)])
    return bool(np.abs(acceleration[p:]).max() > CLEAR * before.max())


def _synthetic(
    earthquake: Earthquake,
    latitude: float,
    longitude: float,
    times: TravelTimes,
    seed: Sequence[int],
) -> Peaks:
    distance = distance_azimuth(earthquake.latitude, earthquake.longitude, latitude, longitude)[0]
    p = round((BEFORE_S + times.p(distance, earthquake.depth_km)) * RATE)
    s = round((BEFORE_S + times.s(distance, earthquake.depth_km)) * RATE)
    all_peaks = []
    for number in range(REALISATIONS):
        ground = shake(
            earthquake,
            latitude,
            longitude,
            times,
            start_s=-BEFORE_S,
            size=s + round(100 * RATE),
            rate=RATE,
            derivative=2,
            seed=[*seed, number],
        )
        moved = [_motion(component, RATE, True) for component in ground]
        all_peaks.append(_peaks(moved[:1], moved[1:], p, s, RATE))
    return Peaks(
        *(
            float(np.mean([getattr(one, name) for one in all_peaks]))
            for name in ("pga", "pgv", "p_velocity", "pd")
        )
    )


def _s_acceleration(magnitude: float, distance_km: float) -> float:
    """Cua and Heaton (2009): horizontal acceleration of S on rock, log10 cm/s2."""
    c = 1.16 * (math.atan(magnitude - 5.0) + 1.4) * math.exp(0.96 * (magnitude - 5.0))
    r = math.sqrt(distance_km**2 + 9.0) + c
    return 0.73 * magnitude - 7.2e-4 * r - 1.48 * math.log10(r) - 0.42


def relations(times: TravelTimes) -> Iterator[list[str]]:
    """Rows: synthetic over published, log10."""
    for magnitude in MAGNITUDES:
        for distance in DISTANCES_KM:
            quake = Earthquake(
                at_s=0.0, latitude=0.0, longitude=0.0, depth_km=DEPTH_KM, magnitude=magnitude,
                strike_deg=0.0,
            )  # fmt: skip
            east = math.degrees(distance / 6371.0)
            many = [_synthetic(quake, 0.0, east, times, [k]) for k in range(10)]
            mean = {
                n: 2.0 + float(np.nanmean([getattr(one, n) for one in many]))
                for n in ("pga", "pgv", "p_velocity", "pd")
            }
            kuyuk = (magnitude - 5.39 - 1.38 * math.log10(distance)) / 1.23
            slant = math.hypot(distance, DEPTH_KM)
            wu = -3.463 + 0.729 * magnitude - 1.374 * math.log10(slant)
            yield [
                f"{magnitude:g}",
                f"{distance:g}",
                f"{mean['pga'] - _s_acceleration(magnitude, distance):+.2f}",
                f"{mean['pgv'] - s_velocity(magnitude, distance):+.2f}",
                f"{mean['p_velocity'] - p_velocity(magnitude, distance):+.2f}",
                f"{mean['pd'] - kuyuk:+.2f}",
                f"{mean['pd'] - wu:+.2f}",
            ]


def _recorded(
    folder: Path, truth: Catalogue, depth_km: float, times: TravelTimes
) -> Iterator[tuple[str, float, float, Peaks]]:
    """Station, its place, and its recorded peaks."""
    from obspy import read

    metadata = folder / "stations.xml"
    table = channels.read([metadata if metadata.exists() else folder.parent / "stations.xml"])
    by_station: dict[str, list[Any]] = {}
    for trace in read(str(folder / "*.mseed")):
        by_station.setdefault(f"{trace.stats.network}.{trace.stats.station}", []).append(trace)
    for name, traces in sorted(by_station.items()):
        station = table.stations.get(name)
        if station is None:
            continue
        distance = distance_azimuth(
            truth.latitude, truth.longitude, station.latitude, station.longitude
        )[0]
        if distance > REACH_KM:
            continue
        up, across = [], []
        p = s = 0
        rate = 1.0
        for trace in traces:
            channel = table.find(trace.id, trace.stats.starttime.ns)
            if channel is None:
                continue
            rate = float(trace.stats.sampling_rate)
            begin = trace.stats.starttime.timestamp
            p = round((truth.time_us / 1e6 + times.p(distance, depth_km) - 1.0 - begin) * rate)
            s = round((truth.time_us / 1e6 + times.s(distance, depth_km) - begin) * rate)
            samples = trace.data.astype(np.float64) / channel.gain
            if p < 5 * rate or samples.size < s + 20 * rate:
                continue
            samples -= samples[max(p - round(15 * rate), 0) : p].mean()
            moved = _motion(samples, rate, channel.unit == "m/s2")
            known = channel.vertical or channel.id[-1] in "NE"
            if channel.vertical:
                noise = np.abs(moved[0][p - round(4 * rate) : p]).max()
                later = np.flatnonzero(np.abs(moved[0][p:s]) > 5 * noise)
                if later.size:
                    p += int(later[0])
                up.append(moved)
            if not known or not channel.vertical:
                across.append(moved)
        if across or up:
            yield (
                name,
                station.latitude,
                station.longitude,
                _peaks(up, across, p, s, rate),
            )


def recordings(folders: Sequence[Path], times: TravelTimes) -> Iterator[list[str]]:
    """Rows: synthetic over recorded, log10, median and standard deviation over the stations."""
    for folder in folders:
        truth = catalogue.read(folder)
        if truth is None or truth.magnitude is None:
            continue
        depth = 20.0 if truth.depth_km is None else truth.depth_km
        quake = Earthquake(
            at_s=0.0,
            latitude=truth.latitude,
            longitude=truth.longitude,
            depth_km=depth,
            magnitude=truth.magnitude,
            **RUPTURES.get(folder.name, {}),
        )
        over: dict[str, list[float]] = {"pga": [], "pgv": [], "p_velocity": [], "pd": []}
        for number, (_, latitude, longitude, real) in enumerate(
            _recorded(folder, truth, depth, times)
        ):
            made = _synthetic(quake, latitude, longitude, times, [number])
            for name, values in over.items():
                difference = getattr(made, name) - getattr(real, name)
                if math.isfinite(difference):
                    values.append(difference)
        yield [folder.name, f"{truth.magnitude:g}", *(_spread(v) for v in over.values())]


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{np.median(values):+.2f} ±{np.std(values):.2f} ({len(values)})"


def _table(columns: Sequence[str], rows: Iterator[list[str]]) -> None:
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    arguments = parser.parse_args()
    times = traveltimes.load()
    _table(
        ("M", "km", "PGA - Cua", "PGV - Cua", "PGV of P - Cua", "Pd - Kuyuk", "Pd - Wu"),
        relations(times),
    )
    print()
    _table(("folder", "M", "PGA", "PGV", "PGV of P", "Pd"), recordings(arguments.folders, times))


if __name__ == "__main__":
    main()
