"""Onsets of one earthquake's coda: ``python -m benchmarks.coda FOLDER...``.

How many onsets a second a station tells after its P pick, by time after the computed S, and what
share of them stands out. Stations within 300 km that picked P; of earthquakes of M 7 and more each
folder alone, all others together.
"""

import argparse
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from msgspec import Struct

from benchmarks import earthquakes
from benchmarks.earthquakes import Known, played
from detect import traveltimes
from detect.traveltimes import TravelTimes
from replay.session import Heard

WITHIN_KM = 300.0
EARLY_S, LATE_S = 3.0, 4.0  # a pick from before to after the computed P is of it
AFTER_P_S = 1.5  # from when on another onset counts
EDGES_S = (-2.0, 3.0, 8.0, 15.0, 25.0, 40.0, 60.0, 100.0)  # after S
NAMES = (
    "P to S-2",
    *(f"S{a:+g} to {b:+g}" for a, b in pairwise(EDGES_S)),
)
RATIOS = (6.0, 12.0)
GREAT = 7.0
OTHERS = f"M below {GREAT:g}"


class Tail(Struct, frozen=True):
    """What one station told after P.

    Attributes
    ----------
    group
        The row that it counts in.
    begin_s, end_s
        From when on onsets count, and where the data end, in seconds after the computed S.
    onsets
        Time after the computed S, and signal-to-noise ratio.
    """

    group: str
    begin_s: float
    end_s: float
    onsets: tuple[tuple[float, float], ...]


def tail(known: Known, station: str, picks: Sequence[Heard], tables: TravelTimes) -> Tail | None:
    """Take what a station told after its P pick; None if it has none."""
    away = known.away_km[station]
    p_s, s_s = tables.p(away, known.depth_km), tables.s(away, known.depth_km)
    heard = sorted((h.pick.time_us / 1e6 - known.origin_s, h.pick.snr) for h in picks)
    first_s = next((t for t, _ in heard if p_s - EARLY_S < t < p_s + LATE_S), None)
    if first_s is None:
        return None
    end_us = max(p.end_us for p in known.recording.packets if p.station == station)
    magnitude = known.truth.magnitude
    great = magnitude is not None and magnitude >= GREAT
    return Tail(
        group=known.recording.folder if great else OTHERS,
        begin_s=first_s + AFTER_P_S - s_s,
        end_s=end_us / 1e6 - known.origin_s - s_s,
        onsets=tuple((t - s_s, snr) for t, snr in heard if t > first_s + AFTER_P_S),
    )


def tails(folders: Sequence[Path], tables: TravelTimes) -> Iterator[Tail]:
    """Replay the folders that have a catalogue."""
    for known in earthquakes.read(folders):
        by_station: dict[str, list[Heard]] = {}
        for heard in played(known.recording).picks:
            by_station.setdefault(heard.pick.station, []).append(heard)
        for station, picks in sorted(by_station.items()):
            found = tail(known, station, picks, tables)
            if found is not None and known.away_km[station] <= WITHIN_KM:
                yield found


def row(group: str, number: int, some: Sequence[Tail]) -> str:
    """Make the row of one group and of one stretch of time."""
    low = EDGES_S[number - 1] if number else float("-inf")
    high = EDGES_S[number]
    exposed = sum(max(0.0, min(high, t.end_s) - max(low, t.begin_s)) for t in some)
    ratios = [q for t in some for at, q in t.onsets if bisect_right(EDGES_S, at) == number]
    shares = [f"{sum(q > r for q in ratios) / len(ratios):.0%}" if ratios else "-" for r in RATIOS]
    rate = f"{len(ratios) / exposed:.4f}" if exposed else "-"
    return (
        f"| {group} | {NAMES[number]} | {exposed:.0f} | {len(ratios)} | {rate} "
        f"| {' | '.join(shares)} |"
    )


def lines(found: Iterable[Tail]) -> Iterator[str]:
    """Lay the tails out as Markdown."""
    over = " | ".join(f"ratio over {r:g}" for r in RATIOS)
    yield f"| group | time | station seconds | onsets | a second | {over} |"
    yield "|" + "---|" * (5 + len(RATIOS))
    groups: dict[str, list[Tail]] = {}
    for one in found:
        groups.setdefault(one.group, []).append(one)
    for group in sorted(groups, key=lambda g: (g != OTHERS, g)):
        for number in range(len(EDGES_S)):
            yield row(group, number, groups[group])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    for line in lines(tails(parser.parse_args().folders, traveltimes.load())):
        print(line)


if __name__ == "__main__":
    main()
