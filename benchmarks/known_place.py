"""What magnitudes would be if the place were known: ``python -m benchmarks.known_place FOLDER...``.

Each recording is replayed. At the moment when its event is confirmed, and 10 s later, the magnitude
that the system states stands beside the one that the same motion comes to at the catalogue's place.
What is left there is the earthquakes' own deviation from the formulas, and what nobody has seen.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from alatau import Configuration, pipeline
from detect import detections, traveltimes
from detect.detections import Motion, Pick, PickMotion
from detect.geodesy import distance_azimuth
from detect.magnitude import combine, station_magnitude
from detect.settings import MagnitudeSettings
from detect.traveltimes import TravelTimes
from ingest.sources import archive
from ingest.sources.archive import ARRIVALS
from replay import catalogue, session
from replay.calibrate import ASSUMED_DEPTH_KM, PICK_S
from replay.catalogue import Catalogue
from replay.score import LATER_S, score
from stream.memory import MemoryLog
from stream.records import Record
from stream.runner import StageRunner
from stream.topics import DETECTIONS

LATENCY_S = 0.5
WITHIN = {0.0: 0.4, LATER_S: 0.3}


class Told(Struct, frozen=True):
    """A magnitude as the system stated it and at the catalogue's place, some seconds after."""

    folder: str
    magnitude: float
    after_s: float
    stated: float | None
    known: float | None


async def _detections(recording: archive.Recording) -> list[Record]:
    """Run the stage `detect` alone."""
    log = MemoryLog()
    runner = StageRunner(log, pipeline(Configuration(), recording.channels)[0])
    await runner.start()
    for part in session.slices(recording.packets, None):
        await log.append([session.output(p, i) for i, p in enumerate(part)])
        while await runner.step():
            pass
    return list(await log.read(DETECTIONS.name, 0, 0, await log.end(DETECTIONS.name, 0)))


def _at_place(
    records: Sequence[Record], truth: Catalogue, until_us: float, tables: TravelTimes
) -> float | None:
    """Magnitude at the catalogue's place, from what had arrived."""
    depth = ASSUMED_DEPTH_KM if truth.depth_km is None else truth.depth_km
    picks: dict[str, tuple[float, float]] = {}
    stations: dict[str, str] = {}
    motions: dict[str, list[PickMotion]] = {}
    for record in records:
        if 1000 * record.timestamp > until_us:
            break
        said = detections.decode(record.value)
        if isinstance(said, Pick) and said.phase == "P" and said.station not in stations:
            distance, _ = distance_azimuth(
                truth.latitude, truth.longitude, said.latitude, said.longitude
            )
            p_s = tables.p(distance, depth)
            if abs((said.time_us - truth.time_us) * 1e-6 - p_s) <= PICK_S:
                picks[said.id] = distance, tables.s(distance, depth) - p_s
                stations[said.station] = said.id
        elif isinstance(said, Motion):
            for station in said.stations:
                for since in station.since_picks:
                    motions.setdefault(since.pick_id, []).append(since)
    settings = MagnitudeSettings()
    said_by = [
        station_magnitude(motions[name], np.array([distance]), np.array([wait]), settings)
        for name, (distance, wait) in picks.items()
        if name in motions
    ]
    found = combine([one for one in said_by if one is not None], settings)
    return None if found is None else found.value


def told(folders: Sequence[Path]) -> Iterator[Told]:
    """Compare both, for each folder whose event was confirmed."""
    tables = traveltimes.load()
    for folder in folders:
        truth = catalogue.read(folder)
        if truth is None or truth.magnitude is None:
            continue
        latency = None if (folder / ARRIVALS).is_file() else LATENCY_S
        recording = archive.read(folder, latency_s=latency)
        outcome = asyncio.run(
            session.replay(recording, pipeline(Configuration(), recording.channels))
        )
        one = score(outcome, recording, truth, tables)
        if one.confirmed_s is None:
            continue
        records = asyncio.run(_detections(recording))
        for after_s, stated in ((0.0, one.confirmed_magnitude), (LATER_S, one.later_magnitude)):
            until_us = truth.time_us + 1e6 * (one.confirmed_s + after_s)
            known = _at_place(records, truth, until_us, tables)
            yield Told(recording.folder, truth.magnitude, after_s, stated, known)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    found = list(told(parser.parse_args().folders))
    print("| recording | M | s after confirmation | stated | at the catalogue's place |")
    print("|---|---|---|---|---|")
    for one in found:
        both = ("-" if m is None else f"{m:.2f}" for m in (one.stated, one.known))
        print(f"| {one.folder} | {one.magnitude:g} | {one.after_s:g} | {' | '.join(both)} |")
    for after_s, within in WITHIN.items():
        for what in ("stated", "known"):
            some = [(getattr(t, what), t.magnitude) for t in found if t.after_s == after_s]
            off = [abs(m - truth) for m, truth in some if m is not None]
            right = sum(o <= within + 1e-9 for o in off)
            print(f"\n{after_s:g} s after, {what}: {right} of {len(off)} within {within:g}")


if __name__ == "__main__":
    main()
