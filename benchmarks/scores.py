"""Write the scores of recordings as a page: ``python -m benchmarks.scores FOLDER... --page FILE``.

Runs ``alatau score`` over the folders and lays its JSON out as Markdown, with a picture
beside the page.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.score import Score
from replay.targets import targets

HEAD = """# Scores on recordings

Each folder is replayed through the whole pipeline and compared with its catalogue, misses
included. Seconds are after the catalogue's origin time. "limit" is when the packet that holds
the P wave of the 2nd, 3rd, 4th station arrives: nothing can be known from so many stations
earlier. Arrivals are the recorded ones for OpenEEW, else packets of 1 s that arrive 0.5 s after
their end. The recordings are not part of the project, but for `ridgecrest-2019-near`.

Made by `make scores` (folders in `../shared/data`), on defaults; the machine only shows in the
last column.

![Scores](scores.png)

"""

COLUMNS = (
    "folder",
    "M",
    "limit 2 / 3 / 4",
    "first",
    "confirmed",
    "M first / +10 s / +20 s / +30 s / final",
    "off first / confirmed / final, km",
    "origin, s",
    "false events / alerts",
    "picks true / false / missed",
    "places warned",
    "x real time",
)

TARGETS = """
## Targets

Inside the network: no angle above 180 degrees at the epicentre without a station within 150 km.
The stated circles are those of 68 % and 95 % after the sigma that a revision gives.

"""

MARKS = {True: "met", False: "**missed**", None: ""}

NOTES = """
- False events are events that match nothing in the catalogue. Aftershocks that a catalogue
  leaves out count as false here.
- Picks: true within 3 s of the computed P wave at stations within 150 km, missed where there is
  none, false where one comes more than 3 s before P (anywhere). A foreshock counts as false.
- `kyrgyzstan-2009-kambarata-blast` is a dam blast, not an earthquake. No warning is right.
- `2017-12-16-m4.1` has no P wave that can be seen: it was found from its S waves, with an origin
  time that is too late by as much.
- `2018-02-16-m7.2` has two stations within 115 km, whose picks come 2 to 3 s before the
  catalogue's P wave: its origin time is rounded and its depth unknown.
"""


def _text(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _row(score: dict[str, Any]) -> list[str]:
    catalogue = score["catalogue"]
    grown = [_text(score["first_magnitude"])]
    grown += [_text(score["magnitude_at"][after]) for after in ("10", "20", "30")]
    grown.append(_text(score["final_magnitude"]))
    picks = score["picks"]
    wall = score["wall_s"]
    return [
        score["folder"],
        "noise" if catalogue is None else _text(catalogue["magnitude"]),
        " / ".join(_text(score[f"limit{n}_s"]) for n in (2, 3, 4)),
        _text(score["first_s"]),
        _text(score["confirmed_s"]),
        " / ".join(grown),
        " / ".join(
            _text(score[f"location_error_{at}_km"], 0) for at in ("first", "confirmed", "final")
        ),
        _text(score["origin_time_error_s"]),
        f"{score['false_events']} / {score['false_alerts']}",
        f"{picks['true']} / {picks['false']} / {picks['missed']}",
        str(len(score["warnings"])),
        _text(score["data_s"] / wall if wall else None, 0),
    ]


def page(scores: Sequence[dict[str, Any]]) -> str:
    """Lay out the JSON of ``alatau score`` as Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(_row(score)) + " |" for score in scores]
    held = targets(msgspec.convert(list(scores), list[Score]))
    rows = ["| target | wanted | found | |", "|---|---|---|---|"]
    rows += [f"| {t.what} | {t.wanted} | {t.found} | {MARKS[t.met]} |" for t in held]
    return HEAD + "\n".join(lines) + "\n" + TARGETS + "\n".join(rows) + "\n" + NOTES


def main() -> None:
    """Score the folders and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--page", type=Path, required=True)
    parser.add_argument("--json", type=Path, default=Path("out/scores.json"))
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "alatau", "score", *map(str, arguments.folders)]
    command += ["--json", str(arguments.json)]
    command += ["--picture", str(arguments.page.with_suffix(".png"))]
    done = subprocess.run(command, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.returncode)
    arguments.page.write_text(page(json.loads(arguments.json.read_bytes())), encoding="utf-8")


if __name__ == "__main__":
    main()
