"""How proposed thresholds fare where less is known: a record begun later, a larger river, a brook.

``python -m benchmarks.thresholds FOLDER [--scale N] [--late-blocks N]``

The folder is a record of a gauge with ``truth.csv``, as `alatau score` takes it. It is scored with
proposed thresholds from each of some begins on, all values times `scale`.
"""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from detect.hazards import return_level
from ingest.sources.readings_csv import Recorded
from replay import hazard_score
from replay.hazard_score import HazardScore
from replay.hazard_table import LEAD_H
from replay.hazard_truth import Truth

BEGINS = (
    "2001-01-01",
    "2002-01-01",
    "2002-09-01",
    "2003-06-01",
    "2006-01-01",
    "2008-01-01",
    "2010-01-01",
    "2011-06-01",
    "2012-06-01",
    "2013-06-01",
    "2013-12-01",
    "2014-06-01",
    "2014-09-01",
)


def scaled(recorded: Recorded, scale: float) -> Recorded:
    """Multiply all values, as of a river that rises so many times higher."""
    arrived = tuple(
        replace(one, observation=replace(one.observation, value=scale * one.observation.value))
        for one in recorded.arrived
    )
    return replace(recorded, arrived=arrived)


def from_begin(recorded: Recorded, truth: Sequence[Truth], begin_us: int) -> HazardScore:
    """Score what is left of a record, with proposed thresholds."""
    arrived = tuple(one for one in recorded.arrived if one.observation.time_us >= begin_us)
    happened = [one for one in truth if one.begin_us >= begin_us]
    return hazard_score.score(replace(recorded, arrived=arrived), happened, proposed=True)


def late(score: HazardScore) -> int:
    """Count the events whose alarm came less than an hour before the peak, or not at all."""
    leads = [event.lead_h["3"] for event in score.events]
    return sum(lead is None or lead < LEAD_H for lead in leads)


def main() -> None:
    """Score, and print a line for each begin."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--late-blocks", type=int, default=return_level.LATE_BLOCKS)
    given = parser.parse_args()
    return_level.LATE_BLOCKS = given.late_blocks
    recorded, truth = hazard_score.read(given.folder)
    recorded = scaled(recorded, given.scale)
    events = late_of_all = 0
    rates = []
    for text in BEGINS:
        begin_us = round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000
        found = from_begin(recorded, truth or (), begin_us)
        rate = found.false_a_year["3"]
        print(f"from {text}: {late(found)} of {len(found.events)} late; {rate:.2f} false a year")
        events += len(found.events)
        late_of_all += late(found)
        rates.append(rate)
    print(
        f"{late_of_all} of {events} late or missed; false alarms a year: "
        f"mean {sum(rates) / len(rates):.2f}, most {max(rates):.2f}"
    )


if __name__ == "__main__":
    main()
