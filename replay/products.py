"""What a replay leaves on disk: CAP messages, QuakeML, a JSON report and a picture."""

import re
from pathlib import Path

from detect.traveltimes import TravelTimes
from ingest.sources.archive import Recording
from replay import picture, quakeml, report
from replay.session import Outcome

__all__ = ["ALERTS", "EVENTS", "PICTURE", "REPORT", "write"]

ALERTS = "alerts"
EVENTS = "events.quakeml"
REPORT = "report.json"
PICTURE = "picture.png"

_OUR_NAME = re.compile(r"\d{3,}-.*\.xml")


def write(folder: Path, outcome: Outcome, recording: Recording, times: TravelTimes) -> None:
    """Write everything into a folder, which is made if need be.

    ``alerts/`` gets one file for each CAP message, numbered in the order sent; those of an
    earlier replay are removed. The same replay writes the same bytes.
    """
    alerts = folder / ALERTS
    alerts.mkdir(parents=True, exist_ok=True)
    for old in alerts.iterdir():
        if _OUR_NAME.fullmatch(old.name):
            old.unlink()
    for number, alert in enumerate(outcome.alerts, 1):
        (alerts / f"{number:03}-{alert.message.identifier}.xml").write_bytes(alert.value)
    (folder / EVENTS).write_bytes(quakeml.encode(outcome))
    (folder / REPORT).write_bytes(report.encode([report.report(outcome)]))
    (folder / PICTURE).write_bytes(picture.to_png(picture.draw(outcome, recording, times)))
