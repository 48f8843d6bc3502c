"""What happened during a record of readings: ``truth.csv``.

Columns are ``event`` and at least one of ``onset`` and ``peak``; if it likes ``begin``, ``end``
and ``basin``. Times are ISO 8601, UTC if without a zone. Alarms between begin and end are no false
ones. Without a begin it is one day before the onset, else two days before the peak; without an end
three days after the peak, else after the onset.
"""

import csv
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from ingest.errors import RecordingError
from ingest.sources.readings_csv import TRUTH

__all__ = ["TRUTH", "Truth", "iso", "read_truth"]

DAY_US = 86_400_000_000


class Truth(Struct, frozen=True, kw_only=True):
    """What happened; microseconds since 1970 UTC.

    Attributes
    ----------
    event, basin
        Its name; its basin, empty for any.
    begin_us, end_us
        Between them alarms are no false ones.
    onset_us, peak_us
        None where nobody says; one of them is known.
    """

    event: str
    basin: str
    begin_us: int
    onset_us: int | None
    peak_us: int | None
    end_us: int


def read_truth(path: Path) -> tuple[Truth, ...]:
    """Read what happened.

    Raises
    ------
    RecordingError
        If the file cannot be read, or a row has neither an onset nor a peak.
    """
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from error
    return tuple(_truth(path, number, row) for number, row in enumerate(rows, 2))


def _truth(path: Path, line: int, row: dict[str, str]) -> Truth:
    times: dict[str, int | None] = {}
    for name in ("begin", "onset", "peak", "end"):
        text = (row.get(name) or "").strip()
        try:
            times[name] = _micros(text) if text else None
        except ValueError as error:
            raise RecordingError(f"{path}, line {line}: {text!r} is not a time") from error
    onset, peak = times["onset"], times["peak"]
    known = onset if peak is None else peak
    if known is None:
        raise RecordingError(f"{path}, line {line}: there is neither an onset nor a peak")
    begin = known - 2 * DAY_US if onset is None else onset - DAY_US
    return Truth(
        event=(row.get("event") or iso(known)[:10]).strip(),
        basin=(row.get("basin") or "").strip(),
        begin_us=begin if times["begin"] is None else times["begin"],
        onset_us=onset,
        peak_us=peak,
        end_us=known + 3 * DAY_US if times["end"] is None else times["end"],
    )


def _micros(text: str) -> int:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return round(time.timestamp()) * 1_000_000


def iso(time_us: int) -> str:
    """Write a time for people: ISO 8601, whole seconds."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).isoformat().replace("+00:00", "Z")
