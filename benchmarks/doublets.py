"""A smaller earthquake just before: ``python -m benchmarks.doublets FOLDER... [--page FILE]``.

A copy of each recording, made smaller, is added some seconds before the earthquake itself. Is that
still told as an event of its own, and how much later? Where it is not, the earlier event may have
grown to its size, so that the warning is given all the same. Recordings in which the detector has
not settled 15 s before P of the copy are left out, as are those whose clean replay does not find
the earthquake.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks import earthquakes, pages
from benchmarks.earthquakes import Known, having, played
from benchmarks.spoil import Samples, changed
from detect import traveltimes
from detect.events import Earthquake
from detect.geodesy import distance_azimuth
from detect.settings import DetectSettings
from detect.traveltimes import TravelTimes
from ingest.sources.archive import Packet, Recording
from replay.catalogue import Catalogue
from replay.score import histories
from replay.session import Outcome

SECONDS = (8, 12, 20, 40)
SCALES = (0.1, 0.3)
SETTLED_S = 15.0  # before P of the copy
NEAREST = 3  # stations that must have settled
FITS_S, FITS_KM = 6.0, 100.0
RIGHT = 0.5  # of a magnitude

HEAD = """| s before | scale | recordings | event of its own | to the end | confirmed \
| confirmed later, s: median | else covered by the earlier event |
|---|---|---|---|---|---|---|---|"""


class Told(Struct, frozen=True):
    """An event that stands.

    Attributes
    ----------
    first_s, confirmed_s
        After the origin: when it was first told there and then, and when confirmed since.
    stays
        Whether the last revision is there and then too.
    magnitude
        In the end.
    """

    first_s: float
    confirmed_s: float | None
    stays: bool
    magnitude: float | None


class Case(Struct, frozen=True):
    """What was told of one doublet.

    Attributes
    ----------
    seconds, scale
        How long before, and how large, the copy was.
    magnitude
        Of the earthquake, by the catalogue.
    clean
        What is told of the earthquake without the copy.
    main, copy
        What was told of the earthquake and of the copy; None where nothing.
    """

    seconds: int
    scale: float
    magnitude: float | None
    clean: Told
    main: Told | None
    copy: Told | None


def doubled(recording: Recording, seconds: float, scale: float) -> Recording:
    """Add a copy of a recording to itself.

    Parameters
    ----------
    recording
        To which it is added.
    seconds
        By which the copy is earlier. It ends as much earlier.
    scale
        Of its samples, beside the others.
    """

    def add(times: Samples, samples: Samples) -> Samples:
        rest = float(np.median(samples[: max(samples.size // 10, 10)]))
        copy = np.interp(times + seconds, times, samples - rest, right=0.0)
        return np.asarray(samples + scale * copy)

    by_station: dict[str, list[Packet]] = {}
    for packet in recording.packets:
        by_station.setdefault(packet.station, []).append(packet)
    return having(recording, [p for packets in by_station.values() for p in changed(packets, add)])


def settled(known: Known, seconds: float, tables: TravelTimes) -> bool:
    """Say whether the nearest stations have settled well before P of a copy comes to the first."""
    near = known.nearest[:NEAREST]
    copy_s = known.origin_s + tables.p(known.away_km[near[0]], known.depth_km) - seconds
    latest_s = copy_s - SETTLED_S - DetectSettings().pick.settle_s
    begins = {p.station: p.start_us for p in reversed(known.recording.packets)}
    return all(begins[station] <= latest_s * 1e6 for station in near)


def told(outcome: Outcome, truth: Catalogue, other_us: int | None = None) -> Told | None:
    """Find the event that stands for an earthquake.

    Parameters
    ----------
    outcome
        What was said.
    truth
        The earthquake. A revision fits within 6 s and 100 km of it.
    other_us
        Origin of another one at the same place; a revision that is nearer to that does not fit.

    Returns
    -------
    Told | None
        Of several the one that fitted first; None if none that stands ever did.
    """

    def fits(event: Earthquake) -> bool:
        away_us = abs(event.origin_time_us - truth.time_us)
        if other_us is not None and abs(event.origin_time_us - other_us) < away_us:
            return False
        place = truth.latitude, truth.longitude, event.latitude, event.longitude
        return away_us <= FITS_S * 1e6 and float(distance_azimuth(*place)[0]) <= FITS_KM

    def after_s(event: Earthquake) -> float:
        return (event.updated_us - truth.time_us) / 1e6

    found = []
    for revisions in histories(outcome.events).values():
        first = next((i for i, event in enumerate(revisions) if fits(event)), None)
        if first is None or revisions[-1].status in ("cancelled", "superseded"):
            continue
        sure = next((e for e in revisions[first:] if e.status == "confirmed"), None)
        confirmed_s = None if sure is None else after_s(sure)
        last = revisions[-1]
        found.append(Told(after_s(revisions[first]), confirmed_s, fits(last), last.magnitude))
    return min(found, key=lambda one: one.first_s, default=None)


def cases(folders: Sequence[Path], tables: TravelTimes) -> Iterator[Case]:
    """Replay every doublet of the folders that have a catalogue."""
    for known in earthquakes.read(folders):
        truth = known.truth
        fitting = [s for s in SECONDS if settled(known, s, tables)]
        clean = told(played(known.recording), truth) if fitting else None
        if clean is None:
            continue
        for seconds, scale in product(fitting, SCALES):
            outcome = played(doubled(known.recording, seconds, scale))
            earlier = msgspec.structs.replace(truth, time_us=truth.time_us - seconds * 1_000_000)
            main = told(outcome, truth, earlier.time_us)
            copy = told(outcome, earlier, truth.time_us)
            yield Case(seconds, scale, truth.magnitude, clean, main, copy)


def covered(case: Case) -> bool:
    """Say whether the event of the copy came to the magnitude of the earthquake."""
    if case.copy is None or case.copy.magnitude is None or case.magnitude is None:
        return False
    return abs(case.copy.magnitude - case.magnitude) <= RIGHT


def lines(found: Iterable[Case]) -> Iterator[str]:
    """Lay the cases out as Markdown."""
    yield HEAD
    every = list(found)
    for seconds, scale in product(SECONDS, SCALES):
        some = [case for case in every if (case.seconds, case.scale) == (seconds, scale)]
        own = [(case.main, case.clean) for case in some if case.main is not None]
        sure = [(main.confirmed_s, clean.confirmed_s) for main, clean in own]
        later = [a - b for a, b in sure if a is not None and b is not None]
        rest = [case for case in some if case.main is None]
        delay = f"{np.median(later):.1f}" if later else "-"
        within = f"{sum(map(covered, rest))} of {len(rest)}" if rest else "-"
        stay = sum(main.stays for main, _ in own)
        confirmed = sum(a is not None for a, _ in sure)
        yield (
            f"| {seconds} | {scale:g} | {len(some)} | {len(own)} | {stay} | {confirmed} | {delay} "
            f"| {within} |"
        )


def main() -> None:
    """Replay and print, or write."""
    pages.run(__doc__, lambda folders: lines(cases(folders, traveltimes.load())))


if __name__ == "__main__":
    main()
