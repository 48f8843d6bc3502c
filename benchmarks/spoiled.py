"""Scores with bad data from the nearest stations: ``python -m benchmarks.spoiled FOLDER...``.

Each recording is replayed with what the nearest station, the second nearest or the three nearest
send spoiled in one way (`benchmarks.spoil`), and scored as `alatau score` does. The three nearest
are spoiled where more than five stations are. All stations lose packets, too. ``--page FILE``
writes the table, else it is printed.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from benchmarks import earthquakes, pages
from benchmarks.earthquakes import Known, having, played
from benchmarks.spoil import KINDS, When, spoiled
from detect import traveltimes
from detect.traveltimes import TravelTimes
from ingest.sources.archive import Recording
from replay.score import Score, score

NEAREST, SECOND, THREE, ALL = "nearest", "second nearest", "three nearest", "all"
ENOUGH = 5  # three may be spoiled where there are more
ALONE = ("burst",)  # at three stations at once it would be an earthquake
EVERYWHERE = ("gaps", "some gaps", "few gaps")

HEAD = """| spoiled | of | recordings | missed | not confirmed | false events | false alerts \
| false before P | confirmed later, s: median | worst |
|---|---|---|---|---|---|---|---|---|---|"""


class Case(Struct, frozen=True):
    """A score of a spoiled recording.

    Attributes
    ----------
    kind, which
        How it was spoiled, and of which stations; empty where it is clean.
    found
        What came of it.
    clean
        What comes of the clean recording; None where this is it.
    """

    kind: str
    which: str
    found: Score
    clean: Score | None


def variants(known: Known, tables: TravelTimes) -> Iterator[tuple[str, str, Recording]]:
    """Spoil a recording in every way; chance is the same for the same way and folder."""
    near = known.nearest
    three = near[:3] if len(near) > ENOUGH else []
    chosen = {NEAREST: near[:1], SECOND: near[1:2], THREE: three, ALL: near}
    for kind in KINDS:
        for which, stations in chosen.items():
            if which == ALL and kind not in EVERYWHERE:
                continue
            if stations and not (which == THREE and kind in ALONE):
                yield kind, which, variant(known, kind, which, stations, tables)


def variant(
    known: Known, kind: str, which: str, stations: Sequence[str], tables: TravelTimes
) -> Recording:
    """Spoil what some stations of a recording send."""
    recording = known.recording
    chance = np.random.default_rng(list(f"{kind} {which} {recording.folder}".encode()))
    packets = [p for p in recording.packets if p.station not in stations]
    for station in stations:
        p_s = known.origin_s + tables.p(known.away_km[station], known.depth_km)
        mine = [p for p in recording.packets if p.station == station]
        packets += spoiled(kind, mine, When(known.origin_s, p_s), chance)
    return having(recording, packets)


def cases(folders: Sequence[Path], tables: TravelTimes) -> Iterator[Case]:
    """Score the clean and the spoiled recordings of all folders that have a catalogue.

    When P came, and where stations were, is told by the clean recording.
    """
    for known in earthquakes.read(folders):

        def scored(recording: Recording, known: Known = known) -> Score:
            return score(played(recording), known.recording, known.truth, tables)

        clean = scored(known.recording)
        yield Case("", "", clean, None)
        for kind, which, recording in variants(known, tables):
            yield Case(kind, which, scored(recording), clean)


def row(some: Sequence[Case]) -> str:
    """Make a row of the cases that were spoiled in the same way."""
    missed = unconfirmed = 0
    later = []
    for case in some:
        found, clean = case.found, case.clean
        if not found.matched:
            missed += clean is None or clean.matched
        elif found.confirmed_s is None:
            unconfirmed += clean is None or clean.confirmed_s is not None
        elif clean is not None and clean.confirmed_s is not None:
            later.append(found.confirmed_s - clean.confirmed_s)
    delays = (f"{np.median(later):.1f}", f"{max(later):.1f}") if later else ("-", "-")
    counts = (
        len(some),
        missed,
        unconfirmed,
        sum(case.found.false_events for case in some),
        sum(case.found.false_alerts for case in some),
        sum(case.found.false_before_p for case in some),
    )
    what = KINDS.get(some[0].kind, "nothing"), some[0].which or "-"
    return "| " + " | ".join([*what, *map(str, counts), *delays]) + " |"


def lines(found: Iterable[Case]) -> Iterator[str]:
    """Lay the cases out as Markdown, the clean recordings first."""
    yield HEAD
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in found:
        groups.setdefault((case.kind, case.which), []).append(case)
    kinds = ["", *KINDS]
    whiches = ["", NEAREST, SECOND, THREE, ALL]
    for key in sorted(groups, key=lambda key: (kinds.index(key[0]), whiches.index(key[1]))):
        yield row(groups[key])


def main() -> None:
    """Score and print, or write."""
    pages.run(__doc__, lambda folders: lines(cases(folders, traveltimes.load())))


if __name__ == "__main__":
    main()
