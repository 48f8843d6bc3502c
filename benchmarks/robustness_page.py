"""Write docs/robustness.md: ``python -m benchmarks.robustness_page FOLDER... --page FILE``."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import doublets, spoiled
from detect import traveltimes

TEXT = """# Bad data, and two earthquakes at once

Recorded earthquakes are replayed on defaults with something made worse, and compared with what
the untouched recording gives. Made by `make robustness`, some ten minutes, with the folders of
`make scores` that have an earthquake; chance is the same in every run. What becomes of spikes,
steps, lost packets and doublets was made better on these very recordings: no independent test.
The recordings are those of [scores.md](scores.md), which also has the rules by which an event
matches and is false.

## Bad data from the nearest stations

What the nearest station, the second nearest, or the three nearest at once send is spoiled in one
way (`python -m benchmarks.spoiled`). The three nearest are spoiled where there are more than five
stations. Packets are lost by all stations, too. Two recordings have only three stations: there
little is left when one of them fails.

- Missed: not found, though the clean recording is. Not confirmed: found, never confirmed, though
  the clean one is. The first row has the clean recordings.
- False before P: false events told before the first P wave had arrived.
- Later: against the clean recording, where both are confirmed.
- A station that is 8 s late does not count (`late_s`), nor one whose clock is fast: as if dead.
- Local noise is not put on three stations at once: that would be an earthquake.

{spoiled}

## A smaller earthquake just before

A copy of the whole recording, its samples made smaller by the scale (a tenth is one magnitude, 0.3
half of one), is added some seconds before (`python -m benchmarks.doublets`). The copy lasts as
long as the large earthquake, longer than a real small one. Recordings in which the nearest
stations have not settled {settled:g} s before P of the copy are left out.

- Event of its own: one that stands, and at some time was within {fits_s:g} s and {fits_km:g} km of
  the earthquake, nearer to it than to the copy. To the end: its last revision is so too.
- Covered: of the others, how many have an event at the copy with a magnitude within {right:g} of
  the earthquake's in the end: the warning is given all the same.

{doublets}
"""


def page(bad: Iterable[spoiled.Case], double: Iterable[doublets.Case]) -> str:
    """Lay both tables out."""
    return TEXT.format(
        spoiled="\n".join(spoiled.lines(bad)),
        doublets="\n".join(doublets.lines(double)),
        settled=doublets.SETTLED_S,
        fits_s=doublets.FITS_S,
        fits_km=doublets.FITS_KM,
        right=doublets.RIGHT,
    )


def measured(folders: Sequence[Path]) -> str:
    """Replay the folders and return the page."""
    tables = traveltimes.load()
    return page(spoiled.cases(folders, tables), doublets.cases(folders, tables))


def main() -> None:
    """Replay and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--page", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.page.write_text(measured(arguments.folders), encoding="utf-8")


if __name__ == "__main__":
    main()
