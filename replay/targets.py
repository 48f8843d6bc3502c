"""What scores are held against: the targets, and by how much they are met or missed."""

import math
from collections.abc import Callable, Sequence
from statistics import median

from msgspec import Struct
from rich import box
from rich.table import Table

from replay.score import Score

__all__ = ["Target", "target_table", "targets"]

LEAST_MAGNITUDE = 4.5
LEAST_STATIONS = 3  # with data, within 150 km
INSIDE_GAP_DEG = 180.0
LARGE = 7.0
ONE_SIGMA = 0.68


class Target(Struct, frozen=True):
    """One target.

    Attributes
    ----------
    what, wanted, found
        For people; `found` is ``-`` where no recording can tell.
    met
        None where no recording can tell.
    """

    what: str
    wanted: str
    found: str
    met: bool | None


def targets(scores: Sequence[Score]) -> list[Target]:
    """Hold scores against the targets."""
    quakes = [s for s in scores if s.catalogue is not None]
    findable = [
        s
        for s in quakes
        if _magnitude(s) >= LEAST_MAGNITUDE and s.picks.true + s.picks.missed >= LEAST_STATIONS
    ]
    missed = [s.folder for s in findable if not s.matched]
    false = sum(s.false_before_p for s in scores)
    inside = [s for s in quakes if s.gap_deg is not None and s.gap_deg <= INSIDE_GAP_DEG]
    outside = [s for s in quakes if s.gap_deg is not None and s.gap_deg > INSIDE_GAP_DEG]
    large = [s for s in quakes if _magnitude(s) >= LARGE]
    return [
        Target(
            "missed, M 4.5 and more, 3 stations within 150 km",
            "0",
            f"{len(missed)} of {len(findable)}{_names(missed)}",
            not missed,
        ),
        Target("false events in noise and before P", "0", str(false), false == 0),
        _late("confirmed after limit 3, s", quakes, _after_limit3, 1.0, 3.0),
        _late("provisional after limit 2, s", quakes, _after_limit2, 1.0, math.inf),
        _near("inside the network, km off when confirmed", inside, _off_confirmed, 10.0),
        _near("inside the network, km off at the end", inside, _off_final, 5.0),
        _near("outside the network, km off when confirmed", outside, _off_confirmed, None),
        _near("outside the network, km off at the end", outside, _off_final, None),
        _held("epicentre within the stated 68 %", quakes, lambda s: s.within_68, ONE_SIGMA),
        _held("epicentre within the stated 95 %", quakes, lambda s: s.within_95, 0.95),
        _sized(
            "magnitude when confirmed, within 0.4", quakes, lambda s: s.confirmed_magnitude, 0.4
        ),
        _sized("magnitude 10 s later, within 0.3", quakes, lambda s: s.later_magnitude, 0.3),
        _grown("M 7 and more: 15 s after the origin", large, "15", 6.5),
        _grown("M 7 and more: 30 s after the origin", large, "30", 6.9),
    ]


def target_table(found: Sequence[Target]) -> Table:
    """Lay the targets out; what is missed stands in red."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    for name in ("target", "wanted", "found"):
        table.add_column(name, overflow="fold")
    for one in found:
        style = {True: "", False: "[bold red]", None: "[dim]"}[one.met]
        table.add_row(one.what, one.wanted, f"{style}{one.found}" + ("[/]" if style else ""))
    return table


def _magnitude(score: Score) -> float:
    known = None if score.catalogue is None else score.catalogue.magnitude
    return 0.0 if known is None else known


def _names(folders: Sequence[str]) -> str:
    return f" ({', '.join(folders)})" if folders else ""


def _after_limit3(score: Score) -> float | None:
    if score.confirmed_s is None or score.limit3_s is None:
        return None
    return score.confirmed_s - score.limit3_s


def _after_limit2(score: Score) -> float | None:
    if score.first_s is None or score.limit2_s is None:
        return None
    return score.first_s - score.limit2_s


def _off_confirmed(score: Score) -> float | None:
    return score.location_error_confirmed_km


def _off_final(score: Score) -> float | None:
    return score.location_error_final_km


def _values(
    scores: Sequence[Score], of: Callable[[Score], float | None]
) -> list[tuple[float, str]]:
    return sorted((value, s.folder) for s in scores if (value := of(s)) is not None)


def _late(
    what: str,
    scores: Sequence[Score],
    of: Callable[[Score], float | None],
    most: float,
    worst: float,
) -> Target:
    """Hold the median, and the worst, of some delays against what is allowed."""
    wanted = f"median {most:.1f}" + ("" if math.isinf(worst) else f", worst {worst:.1f}")
    values = _values(scores, of)
    if not values:
        return Target(what, wanted, "-", None)
    middle = median(value for value, _ in values)
    last, folder = values[-1]
    found = f"median {middle:.1f}, worst {last:.1f} ({folder})"
    return Target(what, wanted, found, middle <= most and last <= worst)


def _near(
    what: str,
    scores: Sequence[Score],
    of: Callable[[Score], float | None],
    most: float | None,
) -> Target:
    """Hold the median of some distances against what is allowed, if anything is."""
    wanted = "-" if most is None else f"median {most:.0f}"
    values = [value for value, _ in _values(scores, of)]
    if not values:
        return Target(what, wanted, "-", None)
    middle = median(values)
    found = f"median {middle:.0f} of {len(values)}"
    return Target(what, wanted, found, None if most is None else middle <= most)


def _held(
    what: str, scores: Sequence[Score], of: Callable[[Score], float | None], least: float
) -> Target:
    """Hold the mean of some shares against the least."""
    values = [value for value, _ in _values(scores, of)]
    if not values:
        return Target(what, f"{least:.0%}", "-", None)
    mean = sum(values) / len(values)
    return Target(what, f"{least:.0%}", f"{mean:.0%} of revisions", mean >= least)


def _sized(
    what: str, scores: Sequence[Score], of: Callable[[Score], float | None], within: float
) -> Target:
    """Hold the share of magnitudes that are right against 68 %."""
    wrong = [
        abs(value - s.catalogue.magnitude)
        for s in scores
        if s.catalogue is not None
        and s.catalogue.magnitude is not None
        and (value := of(s)) is not None
    ]
    if not wrong:
        return Target(what, f"{ONE_SIGMA:.0%}", "-", None)
    right = sum(w <= within + 1e-9 for w in wrong) / len(wrong)
    found = f"{right:.0%} of {len(wrong)}, median {median(wrong):.2f}"
    return Target(what, f"{ONE_SIGMA:.0%}", found, right >= ONE_SIGMA)


def _grown(what: str, scores: Sequence[Score], seconds: str, least: float) -> Target:
    """Hold the magnitudes in force so many seconds after large earthquakes against the least."""
    told = [(s.magnitude_at[seconds], s.folder) for s in scores]
    if not told:
        return Target(what, f"{least:.1f}", "-", None)
    found = ", ".join(f"{'-' if m is None else f'{m:.1f}'} ({folder})" for m, folder in told)
    return Target(what, f"{least:.1f}", found, all(m is not None and m >= least for m, _ in told))
