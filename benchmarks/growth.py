"""When half of the peak has come, beside S: ``python -m benchmarks.growth FOLDER...``.

For each station that picked the catalogue's event within 200 km, the time at which its peak
acceleration since P was half of what it came to, less the computed time from P to S. The locator
asks for it (`detect.evidence`); its constants are the median and the scatter of what this prints.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from alatau import Configuration
from detect import traveltimes
from ingest.sources import archive
from ingest.sources.archive import ARRIVALS
from replay import catalogue
from replay.calibrate import CalibrationError, Event, observe

LATENCY_S = 0.5
SETTLED_S = 5.0  # after S, for its peak to have come
MAGNITUDES = (3.0, 5.0, 6.0, 7.5, 9.0)
SHARES = (5, 25, 50, 75, 90, 95)


def events(folders: Sequence[Path]) -> Iterator[Event]:
    """Run the picker over the folders that have a catalogue with a magnitude."""
    configuration = Configuration()
    tables = traveltimes.load()
    for folder in folders:
        truth = catalogue.read(folder)
        if truth is None:
            continue
        latency = None if (folder / ARRIVALS).is_file() else LATENCY_S
        recording = archive.read(folder, latency_s=latency)
        try:
            yield observe(recording, truth, configuration.detect, configuration.ingest, tables)
        except CalibrationError as error:
            print(error)


def late_s(event: Event) -> Iterator[float]:
    """Seconds after S at which half of the peak had come, for each station; negative before."""
    for one in event.heard:
        end = one.motions[-1]
        if end.elapsed_s < one.s_minus_p_s + SETTLED_S:
            continue
        half = next(m for m in one.motions if m.pga >= 0.5 * end.pga)
        yield half.elapsed_s - one.s_minus_p_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    heard = [(e.magnitude, late) for e in events(parser.parse_args().folders) for late in late_s(e)]
    print("| M | stations | " + " | ".join(f"{share} %" for share in SHARES) + " |")
    print("|" + "---|" * (2 + len(SHARES)))
    for low, high in pairwise(MAGNITUDES):
        some = [late for magnitude, late in heard if low <= magnitude < high]
        if some:
            found = " | ".join(f"{v:+.1f}" for v in np.percentile(some, SHARES))
            print(f"| {low:g} to {high:g} | {len(some)} | {found} |")


if __name__ == "__main__":
    main()
