"""Scores with stations left out: ``python -m benchmarks.thinned FOLDER... [--page FILE]``.

Recordings have more stations near them than most networks. Each is replayed once without its
nearest station, then some times with a third of the stations left out by chance (of a dense
network eight are kept), and scored as `alatau score` does. Nothing was chosen by these.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import msgspec

from alatau import Configuration, pipeline
from benchmarks import pages
from benchmarks.scores import MARKS
from detect import traveltimes
from detect.geodesy import distance_azimuth
from detect.traveltimes import TravelTimes
from ingest.sources import archive
from ingest.sources.archive import ARRIVALS, Recording
from replay import catalogue, session
from replay.catalogue import Catalogue
from replay.score import Score, score
from replay.targets import targets

LATENCY_S = 0.5
DENSE, KEPT_OF_DENSE, WITHIN_KM = 40, 8, 150.0
SHARE = 0.65
LEAST = 5
TIMES = 3


def without(recording: Recording, keep: frozenset[str], name: str) -> Recording:
    """Return a recording with some of its stations alone."""
    packets = tuple(p for p in recording.packets if p.station in keep)
    return msgspec.structs.replace(recording, packets=packets, folder=name)


def thinned(
    recording: Recording, truth: Catalogue, times: int, seed: int = 1
) -> Iterator[Recording]:
    """Leave stations out: the nearest, then some by chance.

    Parameters
    ----------
    recording, truth
        What is thinned, and where it was.
    times
        How often by chance.
    seed
        Of the chance; the same for the same folder.
    """
    known = recording.channels.stations
    here = {p.station for p in recording.packets} & known.keys()

    def away_km(station: str) -> float:
        at = known[station]
        here = truth.latitude, truth.longitude
        return float(distance_azimuth(*here, at.latitude, at.longitude)[0])

    near = sorted(here, key=lambda s: (away_km(s), s))
    if len(near) <= LEAST:
        return
    yield without(recording, frozenset(near[1:]), f"{recording.folder}, nearest out")
    chance = Random(f"{seed} {recording.folder}")  # noqa: S311
    dense = len(near) > DENSE
    pool = [s for s in near if away_km(s) <= WITHIN_KM] if dense else near
    kept = KEPT_OF_DENSE if dense else max(LEAST, int(len(near) * SHARE))
    for number in range(1, times + 1):
        chosen = frozenset(chance.sample(pool, min(kept, len(pool))))
        yield without(recording, chosen, f"{recording.folder}, {number}")


def scores(folders: Sequence[Path], times: int, tables: TravelTimes) -> Iterator[Score]:
    """Score the thinned recordings of all folders that have a catalogue."""
    for folder in folders:
        truth = catalogue.read(folder)
        if truth is None:
            continue
        latency = None if (folder / ARRIVALS).is_file() else LATENCY_S
        for one in thinned(archive.read(folder, latency_s=latency), truth, times):
            outcome = asyncio.run(session.replay(one, pipeline(Configuration(), one.channels)))
            yield score(outcome, one, truth, tables)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def lines(found: Sequence[Score]) -> Iterator[str]:
    """Lay the scores out as Markdown: the targets, then a row each."""
    yield "| target | wanted | found | |"
    yield "|---|---|---|---|"
    for target in targets(found):
        yield f"| {target.what} | {target.wanted} | {target.found} | {MARKS[target.met]} |"
    yield ""
    yield (
        "| recording | M | limit 2 / 3 | first | confirmed | M confirmed / +10 s / final "
        "| off confirmed / final, km |"
    )
    yield "|" + "---|" * 7
    for one in found:
        known = None if one.catalogue is None else one.catalogue.magnitude
        sizes = (one.confirmed_magnitude, one.later_magnitude, one.final_magnitude)
        places = (one.location_error_confirmed_km, one.location_error_final_km)
        yield (
            f"| {one.folder} | {_text(known)} | {_text(one.limit2_s)} / {_text(one.limit3_s)} "
            f"| {_text(one.first_s)} | {_text(one.confirmed_s)} "
            f"| {' / '.join(map(_text, sizes))} | {' / '.join(map(_text, places))} |"
        )


def main() -> None:
    """Score and print, or write."""
    parser = pages.parser(__doc__)
    parser.add_argument("--times", type=int, default=TIMES, help="by chance, for each folder")
    arguments = parser.parse_args()
    found = list(scores(arguments.folders, arguments.times, traveltimes.load()))
    lost = sum(not one.matched for one in found)
    heading = f"{len(found)} recordings, {lost} not found."
    pages.show([heading, "", *lines(found)], arguments.page)


if __name__ == "__main__":
    main()
