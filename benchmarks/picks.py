"""Picks of a replay beside those of an offline picker.

``python -m benchmarks.picks [--json FILE] FOLDER...``

For a folder with ``event.quakeml``: which share of the P onsets that `benchmarks.offline_picker`
finds on the whole traces has a pick of Alatau within 0.5 s. For a folder without: its picks an
hour and station. The column "AR and AIC agree" is the kinder one, as it leaves out the onsets on
which AR differs from Akaike's criterion, which Alatau uses too. Exit code: 0, or 1 if a folder
could not be replayed.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from obspy import Stream
from obspy import read as read_traces

from alatau import Configuration, pipeline
from benchmarks.offline_picker import ReferencePick, pick
from detect import traveltimes
from detect.geodesy import distance_azimuth
from detect.traveltimes import TravelTimes
from ingest.sources import archive
from ingest.sources.archive import ARRIVALS, Recording
from replay import catalogue, session
from replay.catalogue import Catalogue
from replay.score import ASSUMED_DEPTH_KM
from replay.session import Outcome
from stream.errors import AlatauError

__all__ = ["FolderPicks", "StationPicks", "compare", "measure", "table"]

FOUND_S = 0.5
NEAR_KM = 150.0


class StationPicks(Struct, frozen=True, kw_only=True):
    """One station with an offline pick.

    Attributes
    ----------
    distance_km
        From the catalogue's epicentre.
    method, snr, other_s, agreed
        See `benchmarks.offline_picker.ReferencePick`.
    late_s
        Alatau's nearest P pick minus the offline one; None if the station has no P pick.
    """

    station: str
    distance_km: float
    method: str
    snr: float
    other_s: float | None
    agreed: bool
    late_s: float | None

    @property
    def found(self) -> bool:
        """Whether a pick is near enough."""
        return self.late_s is not None and abs(self.late_s) <= FOUND_S


class FolderPicks(Struct, frozen=True, kw_only=True):
    """What one folder shows.

    Attributes
    ----------
    stations
        Those with an offline pick, nearest first; empty for a folder of noise.
    no_onset, no_data
        Stations where the offline picker finds nothing, or has no trace to look at.
    picks, station_hours
        All P picks of the replay, and the length of the data.
    noise
        True for a folder without a catalogue: all its picks are false.
    """

    folder: str
    noise: bool
    stations: tuple[StationPicks, ...]
    no_onset: tuple[str, ...]
    no_data: tuple[str, ...]
    picks: int
    station_hours: float


def measure(folder: Path, configuration: Configuration, times: TravelTimes) -> FolderPicks:
    """Replay a folder as ``alatau score`` does, and pick it offline.

    Raises
    ------
    AlatauError
        If it cannot be replayed or its catalogue cannot be read.
    """
    ingest = configuration.ingest
    latency_s = None if (folder / ARRIVALS).is_file() else ingest.latency_s
    recording = archive.read(folder, latency_s=latency_s, packet_s=ingest.packet_s)
    truth = catalogue.read(folder)
    outcome = asyncio.run(session.replay(recording, pipeline(configuration, recording.channels)))
    traces = Stream()
    if truth is not None:
        for path in sorted(folder.glob("*.mseed")):
            traces += read_traces(str(path), format="MSEED")
        traces.merge(-1)
    return compare(outcome, recording, truth, traces, times)


def compare(
    outcome: Outcome,
    recording: Recording,
    truth: Catalogue | None,
    traces: Stream,
    times: TravelTimes,
) -> FolderPicks:
    """Pick every station offline and look for Alatau's pick.

    Parameters
    ----------
    outcome, recording
        The replay, and what was played.
    truth
        The catalogue's event; None for noise.
    traces
        The same recording, whole.
    times
        Travel times that say where to look.
    """
    heard: dict[str, list[int]] = {}
    for one in outcome.picks:
        if one.pick.phase == "P":
            heard.setdefault(one.pick.station, []).append(one.pick.time_us)
    rows: list[StationPicks] = []
    without: dict[str, list[str]] = {"no onset": [], "no data": []}
    if truth is not None:
        vertical = [
            name
            for name, spans in recording.channels.channels.items()
            if any(span.vertical for span in spans)
        ]
        depth = ASSUMED_DEPTH_KM if truth.depth_km is None else truth.depth_km
        for name, station in recording.channels.stations.items():
            distance = distance_azimuth(
                truth.latitude, truth.longitude, station.latitude, station.longitude
            )[0]
            p_us = truth.time_us + round(times.p(distance, depth) * 1e6)
            s_us = truth.time_us + round(times.s(distance, depth) * 1e6)
            network, code = name.split(".")
            reference = pick(traces.select(network, code), vertical, p_us, s_us)
            if isinstance(reference, str):
                without[reference].append(name)
            else:
                rows.append(_station(name, distance, reference, heard.get(name, [])))
    return FolderPicks(
        folder=outcome.folder,
        noise=truth is None,
        stations=tuple(sorted(rows, key=lambda row: row.distance_km)),
        no_onset=tuple(without["no onset"]),
        no_data=tuple(without["no data"]),
        picks=sum(map(len, heard.values())),
        station_hours=outcome.station_hours,
    )


def _station(
    name: str, distance_km: float, reference: ReferencePick, heard: Sequence[int]
) -> StationPicks:
    lates = [(at - reference.time_us) / 1e6 for at in heard]
    return StationPicks(
        station=name,
        distance_km=distance_km,
        method=reference.method,
        snr=reference.snr,
        other_s=reference.other_s,
        agreed=reference.agreed,
        late_s=min(lates, key=abs, default=None),
    )


def _share(rows: Sequence[StationPicks]) -> str:
    if not rows:
        return "-"
    found = sum(row.found for row in rows)
    return f"{found} / {len(rows)} = {100 * found / len(rows):.0f} %"


def _row(name: str, rows: Sequence[StationPicks], no_onset: int, false: str) -> str:
    lates = [row.late_s for row in rows if row.late_s is not None and row.found]
    cells = [
        name,
        _share(rows),
        _share([row for row in rows if row.distance_km <= NEAR_KM]),
        _share([row for row in rows if row.method == "ar"]),
        _share([row for row in rows if row.agreed]),
        f"{np.median(lates):+.2f}" if lates else "-",
        f"{np.percentile(np.abs(lates), 90):.2f}" if lates else "-",
        str(no_onset),
        false,
    ]
    return "| " + " | ".join(cells) + " |"


def table(folders: Iterable[FolderPicks]) -> str:
    """Lay the measures out as Markdown, with a last line for all."""
    folders = list(folders)
    head = (
        "folder",
        f"found within {FOUND_S:g} s",
        f"within {NEAR_KM:g} km",
        "AR only",
        "AR and AIC agree",
        "late, s",
        "90 % within, s",
        "no onset",
        "false picks / station-hours",
    )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for one in folders:
        false = f"{one.picks} / {one.station_hours:.2f}" if one.noise else "-"
        lines.append(_row(one.folder, one.stations, len(one.no_onset), false))
    quiet = [one for one in folders if one.noise]
    hours = sum(one.station_hours for one in quiet)
    false = f"{sum(one.picks for one in quiet)} / {hours:.2f}" if quiet else "-"
    everything = [row for one in folders for row in one.stations]
    lines.append(_row("all", everything, sum(len(one.no_onset) for one in folders), false))
    return "\n".join(lines)


def main() -> int:
    """Measure the folders, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    configuration, times = Configuration(), traveltimes.load("ak135")
    done, failed = [], 0
    for folder in arguments.folders:
        try:
            done.append(measure(folder, configuration, times))
        except AlatauError as error:
            sys.stderr.write(f"{error}\n")
            failed = 1
    sys.stdout.write(table(done) + "\n")
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(done), indent=2) + b"\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
