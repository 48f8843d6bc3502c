"""Recordings with a catalogue and how far their stations were, for benchmarks that change them."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from alatau import Configuration, pipeline
from detect.geodesy import distance_azimuth
from ingest.sources import archive
from ingest.sources.archive import ARRIVALS, Packet, Recording
from replay import catalogue, session
from replay.catalogue import Catalogue
from replay.score import ASSUMED_DEPTH_KM
from replay.session import Outcome

LATENCY_S = 0.5


class Known(Struct, frozen=True):
    """A recording of a known earthquake.

    Attributes
    ----------
    recording, truth
        What was recorded, and what it was.
    away_km
        Epicentral distance of each station with data, the nearest first.
    """

    recording: Recording
    truth: Catalogue
    away_km: dict[str, float]

    @property
    def nearest(self) -> list[str]:
        """Stations with data, the nearest first."""
        return list(self.away_km)

    @property
    def origin_s(self) -> float:
        """Origin time, s since 1970 UTC."""
        return self.truth.time_us / 1e6

    @property
    def depth_km(self) -> float:
        """Depth, for computed times."""
        return ASSUMED_DEPTH_KM if self.truth.depth_km is None else self.truth.depth_km


def known(recording: Recording, truth: Catalogue) -> Known:
    """Put a recording beside its catalogue."""
    stations = recording.channels.stations

    def away_km(station: str) -> float:
        at = stations[station]
        return float(
            distance_azimuth(truth.latitude, truth.longitude, at.latitude, at.longitude)[0]
        )

    away = {s: away_km(s) for s in {p.station for p in recording.packets} & stations.keys()}
    return Known(recording, truth, dict(sorted(away.items(), key=lambda item: (item[1], item[0]))))


def read(folders: Sequence[Path]) -> Iterator[Known]:
    """Read the folders that have a catalogue."""
    for folder in folders:
        truth = catalogue.read(folder)
        if truth is not None:
            latency = None if (folder / ARRIVALS).is_file() else LATENCY_S
            yield known(archive.read(folder, latency_s=latency), truth)


def having(recording: Recording, packets: Iterable[Packet]) -> Recording:
    """Return a recording with other packets, put in order of arrival."""
    ordered = sorted(packets, key=lambda p: (p.arrival_ms, p.station, p.start_us))
    return msgspec.structs.replace(recording, packets=tuple(ordered))


def played(recording: Recording) -> Outcome:
    """Replay on defaults."""
    return asyncio.run(session.replay(recording, pipeline(Configuration(), recording.channels)))
