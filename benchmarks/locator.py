"""What one location costs with a hundred stations: ``python -m benchmarks.locator [--json FILE]``.

Earthquakes are put at random into a network of 100 stations, 25 km apart. The first so many
stations have picked, with errors; of the others the nearest 24 are silent, as the stage `locate`
gives them. Each is located as it is when picks begin an event (`begins`), when many places may fit
because another event is going on (`beside another`), and when an event that is well known gets
news (`follows`). Time of one core, in one thread.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct, to_builtins

from benchmarks.detector import machine
from detect import traveltimes
from detect.association import MOST_SILENT, SURE_KM, SURE_PICKS
from detect.evidence import HALF_AFTER_S, s_amplitude
from detect.geodesy import distance_azimuth
from detect.locate import Onset, Silent, locate
from detect.settings import LocateSettings
from detect.traveltimes import TravelTimes

STATIONS = 100
APART_KM = 25.0
PICKS = (3, 4, 6, 8, 12, 24, 48, 100)
TARGET_MS = 1.0
LATITUDE, LONGITUDE = 43.0, 77.0
KM_PER_DEGREE = 111.195
DEPTHS_KM = (5.0, 20.0)
MAGNITUDES = (4.0, 6.0)
ERROR_S = 0.15
SCATTER = 0.3  # of log10 of an amplitude
S_LARGER = 0.6  # log10 of S over P
LOG_NOISE = -4.0  # of m/s2
OTHER = 1e-4  # onsets of noise a second and decade
WAIT_S = 1.0  # of data after the last pick


class Cost(Struct, frozen=True):
    """What locations took.

    Attributes
    ----------
    case, picks, silent
        What was done, and of how many stations.
    p50_ms, p99_ms, max_ms
        Of one location.
    off_km
        Median distance of what was found from where the earthquake was.
    """

    case: str
    picks: int
    silent: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    off_km: float


class Made(Struct, frozen=True):
    """An earthquake, and what is reported of it."""

    latitude: float
    longitude: float
    onsets: tuple[Onset, ...]
    silent: tuple[Silent, ...]


def _places() -> list[tuple[float, float]]:
    side = math.isqrt(STATIONS)
    steps = [(i - (side - 1) / 2.0) * APART_KM / KM_PER_DEGREE for i in range(side)]
    wide = math.cos(math.radians(LATITUDE))
    return [(LATITUDE + north, LONGITUDE + east / wide) for north in steps for east in steps]


def make(picks: int, tables: TravelTimes, chance: np.random.Generator) -> Made:
    """Make an earthquake within the network, of which the nearest stations have picked.

    Parameters
    ----------
    picks
        How many.
    tables
        Travel times.
    chance
        Place, size, and errors.
    """
    half = 0.4 * math.isqrt(STATIONS) * APART_KM / KM_PER_DEGREE
    latitude = LATITUDE + float(chance.uniform(-half, half))
    longitude = LONGITUDE + float(chance.uniform(-half, half)) / math.cos(math.radians(LATITUDE))
    depth, size = float(chance.uniform(*DEPTHS_KM)), float(chance.uniform(*MAGNITUDES))
    near = sorted((distance_azimuth(latitude, longitude, *p)[0], p) for p in _places())
    first = tables.p(near[0][0], depth)
    now = tables.p(near[picks - 1][0], depth) - first + WAIT_S
    onsets = []
    for distance, place in near[:picks]:
        at = tables.p(distance, depth) - first + float(chance.normal(0.0, ERROR_S))
        amplitude = s_amplitude(True, size, distance, depth) - S_LARGER
        elapsed = max(now - at, 0.1)
        with_s = tables.s(distance, depth) - tables.p(distance, depth) + HALF_AFTER_S
        onsets.append(
            Onset(
                latitude=place[0],
                longitude=place[1],
                time_s=at,
                sigma_s=0.3,
                other=OTHER,
                log_amplitude=amplitude + float(chance.normal(0.0, SCATTER)),
                accelerometer=True,
                elapsed_s=elapsed,
                half_grown_s=with_s if with_s < elapsed else 0.7 * elapsed,
                log_noise=LOG_NOISE,
            )
        )
    silent = [
        Silent(
            latitude=place[0],
            longitude=place[1],
            until_s=now,
            accelerometer=True,
            log_noise=LOG_NOISE,
        )
        for _, place in near[picks : picks + MOST_SILENT]
    ]
    onsets.sort(key=lambda onset: onset.time_s)
    return Made(latitude, longitude, tuple(onsets), tuple(silent))


def _cost(case: str, made: Sequence[Made], tables: TravelTimes) -> Cost:
    """Time one case over some earthquakes."""
    settings = LocateSettings()
    taken, off = [], []
    for one in made:
        first = one.onsets[0].latitude, one.onsets[0].longitude
        near = (one.latitude, one.longitude) if case == "follows" else None
        began = time.thread_time()
        found = locate(
            one.onsets,
            one.silent,
            near or first,
            settings,
            tables,
            within_km=None if near is None else SURE_KM,
            thorough=case == "beside another",
        )
        taken.append(time.thread_time() - began)
        off.append(
            distance_azimuth(found.latitude, found.longitude, one.latitude, one.longitude)[0]
        )
    p50, p99, most = (np.quantile(taken, (0.5, 0.99, 1.0)) * 1000).tolist()
    return Cost(
        case=case,
        picks=len(made[0].onsets),
        silent=len(made[0].silent),
        p50_ms=round(p50, 3),
        p99_ms=round(p99, 3),
        max_ms=round(most, 3),
        off_km=round(float(np.median(off)), 1),
    )


def measure(picks: Sequence[int], locations: int) -> dict[str, object]:
    """Time all cases, so many locations each."""
    tables = traveltimes.load()
    costs = []
    for number in picks:
        chance = np.random.default_rng(number)
        made = [make(number, tables, chance) for _ in range(locations)]
        _cost("begins", made[:2], tables)  # what is compiled or loaded on first use
        cases = ["begins", "beside another", *(["follows"] if number >= SURE_PICKS else [])]
        costs += [_cost(case, made, tables) for case in cases]
    return {
        "machine": machine(),
        "stations": STATIONS,
        "locations": locations,
        "target_p99_ms": TARGET_MS,
        "costs": costs,
    }


def _table(result: dict[str, object]) -> Iterator[str]:
    yield (
        f"{result['stations']} stations, {result['locations']} earthquakes for each line. "
        f"{result['machine']}"
    )
    yield ""
    heads = ("", "picks", "silent", "p50 ms", "p99 ms", "max ms", "off km")
    yield (
        f"{heads[0]:16}" + "".join(f"{head:>9}" for head in heads[1:]) + f"  p99 < {TARGET_MS:g} ms"
    )
    for cost in result["costs"]:  # type: ignore[attr-defined]
        numbers = to_builtins(cost, str_keys=True)
        case = numbers.pop("case")
        met = "met" if cost.p99_ms < TARGET_MS else f"missed: {cost.p99_ms / TARGET_MS:.1f} times"
        yield f"{case:16}" + "".join(f"{number:>9,}" for number in numbers.values()) + f"  {met}"


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picks", type=int, nargs="*", default=PICKS, help="numbers of picks")
    parser.add_argument("--locations", type=int, default=300, help="earthquakes for each number")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments.picks, arguments.locations)
    print("\n".join(_table(result)))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(to_builtins(result, str_keys=True), indent=1) + "\n")


if __name__ == "__main__":
    main()
