"""What a replay leaves on disk: CAP messages, QuakeML, the ledger, a report and a picture."""

import re
from pathlib import Path

from detect.traveltimes import TravelTimes
from dispatch import ledger_file
from ingest.sources.archive import Recording
from replay import picture, quakeml, report
from replay.session import Outcome

__all__ = ["ALERTS", "EVENTS", "LEDGER", "PICTURE", "REPORT", "write"]

ALERTS = "alerts"
EVENTS = "events.quakeml"
LEDGER = "ledger.jsonl"
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
    sent = [(a.known_ms, a.message.identifier, a.value) for a in outcome.alerts]
    sent += [(a.known_ms, a.parcel.identifier, a.parcel.value) for a in outcome.hazard_alerts]
    sent.sort(key=lambda each: each[0])
    for number, (_, identifier, value) in enumerate(sent, 1):
        (alerts / f"{number:03}-{identifier}.xml").write_bytes(value)
    (folder / EVENTS).write_bytes(quakeml.encode(outcome))
    (folder / LEDGER).write_bytes(ledger_file.lines(outcome.ledger))
    (folder / REPORT).write_bytes(report.encode([report.report(outcome)]))
    (folder / PICTURE).write_bytes(picture.to_png(picture.draw(outcome, recording, times)))
