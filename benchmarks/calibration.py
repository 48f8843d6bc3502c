"""How true the stated probabilities and sigmas are.

``python -m benchmarks.calibration [FOLDER ...] [--made N] [--json FILE]``

Replays recordings, and networks of made detections (`benchmarks.made_reports`), through the stage
`locate`, and compares every revision with what happened: what share of a stated probability was
an earthquake, how often the epicentre lies in the stated circle and the magnitude within its
sigma, and what the threshold of confirmation would be were each set left out in turn.
"""

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from msgspec import Struct, to_builtins

from benchmarks.made_reports import SECONDS, Made, make
from detect import traveltimes
from detect.association import Candidate
from detect.events import Earthquake
from detect.geodesy import distance_azimuth
from detect.locator import LocateOperator
from detect.picker import PickOperator
from detect.settings import DetectSettings
from detect.traveltimes import TravelTimes
from ingest.settings import IngestSettings
from ingest.sources import archive
from replay.catalogue import Catalogue
from replay.catalogue import read as read_catalogue
from replay.score import MATCH_KM, MATCH_S, SIGMAS
from replay.session import replay
from stream.operator import Stage
from stream.topics import DETECTIONS, WAVEFORMS

BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999, 1.0)
THRESHOLDS = (0.5, 0.7, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)
FALSE_COSTS_S = 60.0  # of delay: what a false confirmation is worth
NEVER_S = 30.0  # delay of an earthquake that is not confirmed
SHARES = (0.68, 0.95)
LATENCY_S = 0.5
MADE = 24


class State(Struct, frozen=True):
    """An event when it was judged.

    Attributes
    ----------
    event, at_us
        Which, and the arrival.
    probability, sites
        What is stated, and of how many places.
    told
        Whether it gave a revision that is no end of an event.
    picks
        Their ids.
    origin_us, latitude, longitude, sigma_km, magnitude, magnitude_sigma
        As stated.
    """

    event: str
    at_us: int
    probability: float
    sites: int
    told: bool
    picks: tuple[str, ...]
    origin_us: int
    latitude: float
    longitude: float
    sigma_km: float
    magnitude: float | None
    magnitude_sigma: float | None


class Watched(LocateOperator):
    """The stage `locate`, with what it thinks beside what it says."""

    def __init__(self, settings: DetectSettings, tables: TravelTimes) -> None:
        super().__init__(settings, tables)
        self.states: list[State] = []

    def _assess(self, candidate: Candidate, reason: str) -> Iterator[Earthquake]:
        source, magnitude = candidate.source, candidate.magnitude
        said = list(super()._assess(candidate, reason))
        self.states.append(
            State(
                candidate.id,
                self._now_us,
                source.probability,
                candidate.sites(self._trust),
                any(one.status in ("provisional", "confirmed") for one in said),
                tuple(pick.id for pick in candidate.picks.values()),
                candidate.origin_us,
                source.latitude,
                source.longitude,
                source.epicentre_sigma_km,
                None if magnitude is None else magnitude.value,
                None if magnitude is None else magnitude.sigma,
            )
        )
        yield from said


class Event(Struct, frozen=True):
    """The states of an event in order, and the earthquake that it was, if any.

    `disturbance` says that one of the made disturbances of neighbours was in it.
    """

    states: tuple[State, ...]
    truth: Catalogue | None
    disturbance: bool


class Set(Struct, frozen=True):
    """What was found in a folder or a made network."""

    name: str
    events: tuple[Event, ...]


class Bin(Struct, frozen=True):
    """Stated probabilities of a range.

    Attributes
    ----------
    low, high
        The range.
    revisions, true_revisions
        That stated it, and those of earthquakes.
    events, true_events
        That came into it at least once.
    """

    low: float
    high: float
    revisions: int
    true_revisions: int
    events: int
    true_events: int


class Coverage(Struct, frozen=True):
    """Shares of errors within what is stated: 68 % and 95 %; what 68 % would need; how many.

    `factor` times the sigma would hold 68 %; `left_out` is the share that it holds in sets
    whose factor was found from the others.
    """

    what: str
    within_68: float
    within_95: float
    factor: float
    left_out: float
    revisions: int


class Threshold(Struct, frozen=True):
    """What a threshold of confirmation costs over all sets.

    Attributes
    ----------
    probability
        From which an event with enough places is confirmed.
    of_noise, of_disturbances
        Events that were confirmed and are no earthquakes.
    missed
        Earthquakes seen at enough places, but never confirmed.
    median_delay_s
        Of the others, after enough places saw them.
    cost_s
        Delays, and `FALSE_COSTS_S` for each false one.
    """

    probability: float
    of_noise: int
    of_disturbances: int
    missed: int
    median_delay_s: float | None
    cost_s: float


def _nearest(state: State, happened: Sequence[Catalogue]) -> Catalogue | None:
    """Return the earthquake of a catalogue that an event is, by place and time."""
    for one in happened:
        away, _ = distance_azimuth(state.latitude, state.longitude, one.latitude, one.longitude)
        if away <= MATCH_KM and abs(state.origin_us - one.time_us) <= MATCH_S * 1e6:
            return one
    return None


def _maker(state: State, made: Made) -> Catalogue | None:
    """Return the made earthquake that most of the picks of an event are of, wherever it is."""
    causes = [made.causes.get(pick) for pick in state.picks]
    cause, number = Counter(causes).most_common(1)[0]
    return made.happened[cause] if cause is not None and 2 * number > len(causes) else None


def _events(
    states: Sequence[State],
    truth: Callable[[State], Catalogue | None],
    disturbed: frozenset[str] = frozenset(),
) -> tuple[Event, ...]:
    by_id: dict[str, list[State]] = {}
    for state in states:
        by_id.setdefault(state.event, []).append(state)
    found = []
    for one in by_id.values():
        told = [s for s in one if s.told]
        if told:
            hit = any(pick in disturbed for state in told for pick in state.picks)
            found.append(Event(tuple(one), truth(told[-1]), hit))
    return tuple(found)


def of_made(made: Made, tables: TravelTimes) -> Set:
    """Run a made network."""
    operator = Watched(DetectSettings(), tables)
    operator.process(made.records)
    events = _events(operator.states, lambda state: _maker(state, made), made.disturbed)
    return Set(made.name, events)


def of_folder(folder: Path, tables: TravelTimes) -> Set:
    """Run a recording; without a catalogue it is noise."""
    settings = DetectSettings()
    recording = archive.read(folder, latency_s=LATENCY_S)
    operators: list[Watched] = []

    def watched(_: int) -> Watched:
        operators.append(Watched(settings, tables))
        return operators[-1]

    channels = recording.channels
    stages = [
        Stage(
            "detect",
            WAVEFORMS,
            lambda number: PickOperator(number, channels, settings, IngestSettings()),
        ),
        Stage("locate", DETECTIONS, watched),
    ]
    asyncio.run(replay(recording, stages))
    catalogue = read_catalogue(folder)
    happened = () if catalogue is None else (catalogue, *catalogue.others)
    states = [state for operator in operators for state in operator.states]
    return Set(folder.name, _events(states, lambda state: _nearest(state, happened)))


def reliability(sets: Sequence[Set]) -> list[Bin]:
    """Count how often what was stated was true."""
    bins = []
    events = [event for one in sets for event in one.events]
    for low, high in pairwise(BINS):
        revisions, right, came, came_right = 0, 0, 0, 0
        for event in events:
            inside = [
                s for s in event.states if s.told and low <= s.probability < high + (high == 1.0)
            ]
            revisions += len(inside)
            came += bool(inside)
            if event.truth is not None:
                right += len(inside)
                came_right += bool(inside)
        bins.append(Bin(low, high, revisions, right, came, came_right))
    return bins


def _location_errors(one: Set) -> list[float]:
    return [
        distance_azimuth(s.latitude, s.longitude, e.truth.latitude, e.truth.longitude)[0]
        / s.sigma_km
        for e in one.events
        if e.truth is not None
        for s in e.states
        if s.told
    ]


def _magnitude_errors(one: Set) -> list[float]:
    return [
        abs(s.magnitude - e.truth.magnitude) / s.magnitude_sigma
        for e in one.events
        if e.truth is not None and e.truth.magnitude is not None
        for s in e.states
        if s.told and s.magnitude is not None and s.magnitude_sigma is not None
    ]


def coverage(
    what: str, errors: Sequence[Sequence[float]], sigmas: tuple[float, float]
) -> Coverage | None:
    """Compare errors, in sigmas and by set, with the shares that are stated."""
    some = [np.array(each) for each in errors if len(each)]
    if not some:
        return None
    every = np.concatenate(some)

    def factor(of: np.ndarray) -> float:
        return float(np.quantile(of, SHARES[0])) / sigmas[0]

    held = 0
    for i, left in enumerate(some):
        others = some[:i] + some[i + 1 :]
        scale = factor(np.concatenate(others)) if others else 1.0
        held += int((left <= scale * sigmas[0]).sum())
    return Coverage(
        what,
        round(float((every <= sigmas[0]).mean()), 3),
        round(float((every <= sigmas[1]).mean()), 3),
        round(factor(every), 2),
        round(held / every.size, 3),
        every.size,
    )


def _confirmed_us(event: Event, probability: float, sites: int) -> int | None:
    return next(
        (
            s.at_us
            for s in event.states
            if s.told and s.probability >= probability and s.sites >= sites
        ),
        None,
    )


def _outcome(one: Set, probability: float, sites: int) -> tuple[int, int, list[float]]:
    """Return false confirmations by noise and disturbances, and the delays (s) of earthquakes."""
    noise, disturbances, delays = 0, 0, []
    for event in one.events:
        sure_us = _confirmed_us(event, probability, sites)
        if event.truth is None:
            noise += sure_us is not None and not event.disturbance
            disturbances += sure_us is not None and event.disturbance
            continue
        seen_us = next((s.at_us for s in event.states if s.sites >= sites), None)
        if seen_us is not None:
            delays.append(NEVER_S if sure_us is None else max(0.0, (sure_us - seen_us) * 1e-6))
    return noise, disturbances, delays


def _cost(one: Set, probability: float, sites: int) -> float:
    noise, disturbances, delays = _outcome(one, probability, sites)
    return FALSE_COSTS_S * (noise + disturbances) + sum(min(d, NEVER_S) for d in delays)


def thresholds(sets: Sequence[Set], sites: int) -> list[Threshold]:
    """Return what each threshold costs."""
    found = []
    for probability in THRESHOLDS:
        outcomes = [_outcome(one, probability, sites) for one in sets]
        delays = [d for _, _, some in outcomes for d in some]
        late = [d for d in delays if d < NEVER_S]
        found.append(
            Threshold(
                probability,
                sum(noise for noise, _, _ in outcomes),
                sum(disturbances for _, disturbances, _ in outcomes),
                len(delays) - len(late),
                round(float(np.median(late)), 2) if late else None,
                round(sum(_cost(one, probability, sites) for one in sets), 1),
            )
        )
    return found


def left_out(sets: Sequence[Set], sites: int) -> tuple[dict[float, int], float]:
    """Choose the threshold for each set from all others.

    Returns
    -------
    chosen
        How often each threshold was.
    cost_s
        What the sets cost by thresholds in which they had no say.
    """
    costs = np.array([[_cost(one, p, sites) for p in THRESHOLDS] for one in sets])
    chosen: dict[float, int] = {}
    total = 0.0
    for i in range(len(sets)):
        best = int(np.delete(costs, i, axis=0).sum(axis=0).argmin())
        chosen[THRESHOLDS[best]] = chosen.get(THRESHOLDS[best], 0) + 1
        total += float(costs[i, best])
    return chosen, round(total, 1)


def measure(folders: Sequence[Path], made: int) -> dict[str, object]:
    """Run everything; see the page for what is in it."""
    tables = traveltimes.load()
    recorded = [of_folder(folder, tables) for folder in folders]
    networks = [make(seed, tables) for seed in range(1, made + 1)]
    drawn = [of_made(one, tables) for one in networks]
    sites = DetectSettings().locate.confirmed_stations
    result: dict[str, object] = {"made_hours": round(made * SECONDS / 3600.0, 2)}
    for name, sets in (("recorded", recorded), ("made", drawn)):
        if not sets:
            continue
        chosen, cost = left_out(sets, sites)
        result[name] = {
            "sets": len(sets),
            "events": sum(len(one.events) for one in sets),
            "true": sum(e.truth is not None for one in sets for e in one.events),
            "reliability": reliability(sets),
            "coverage": [
                found
                for found in (
                    coverage("epicentre", [_location_errors(one) for one in sets], SIGMAS),
                    coverage("magnitude", [_magnitude_errors(one) for one in sets], (1.0, 2.0)),
                )
                if found is not None
            ],
            "thresholds": thresholds(sets, sites),
            "left_out": {str(p): n for p, n in sorted(chosen.items())},
            "left_out_cost_s": cost,
        }
    plain: dict[str, object] = to_builtins(result, str_keys=True)
    return plain


def _lines(result: dict[str, object]) -> Iterator[str]:
    for name in ("recorded", "made"):
        part = result.get(name)
        if not isinstance(part, dict):
            continue
        yield f"### {name.capitalize()}: {part['events']} events, {part['true']} true"
        yield ""
        yield "| stated | revisions | true | events | true |"
        yield "|---|---|---|---|---|"
        for one in part["reliability"]:
            if one["revisions"]:
                share = one["true_revisions"] / one["revisions"]
                whole = one["true_events"] / one["events"]
                yield (
                    f"| {one['low']:g} to {one['high']:g} | {one['revisions']} | {share:.0%} "
                    f"| {one['events']} | {whole:.0%} |"
                )
        yield ""
        yield "| | in 68 % | in 95 % | sigma times | 68 % of sets left out | revisions |"
        yield "|---|---|---|---|---|---|"
        for one in part["coverage"]:
            yield (
                f"| {one['what']} | {one['within_68']:.0%} | {one['within_95']:.0%} "
                f"| {one['factor']:g} | {one['left_out']:.0%} | {one['revisions']} |"
            )
        yield ""
        yield "| from | false, noise | false, disturbances | not confirmed | delay, s | cost, s |"
        yield "|---|---|---|---|---|---|"
        for one in part["thresholds"]:
            delay = "-" if one["median_delay_s"] is None else f"{one['median_delay_s']:g}"
            yield (
                f"| {one['probability']:g} | {one['of_noise']} | {one['of_disturbances']} "
                f"| {one['missed']} | {delay} | {one['cost_s']:g} |"
            )
        yield ""
        chosen = ", ".join(f"{p} ({n} times)" for p, n in part["left_out"].items())
        yield f"Chosen with each set left out: {chosen}; cost {part['left_out_cost_s']:g} s."
        yield ""


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--made", type=int, default=MADE, help="networks that are made")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not arguments.folders and arguments.made < 1:
        parser.error("nothing to measure: give folders, or --made 1 or more")
    result = measure(arguments.folders, arguments.made)
    print("\n".join(_lines(result)))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
