"""The stage before the first log: what a live source hands over becomes `waveforms`."""

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path

from ingest import channels
from ingest.arrivals import Arrivals, Source
from ingest.channels import ChannelTable
from ingest.errors import ClockError, RecordingError
from ingest.settings import LiveSettings
from ingest.sources.folder import FolderSource
from stream.log import Log
from stream.records import Output
from stream.rejects import refuse
from stream.settings import misfit
from stream.topics import WAVEFORMS

__all__ = [
    "Edge",
    "expected_stations",
    "folder_source",
    "follow",
    "station_table",
    "wall_clock_ms",
]

CLOCK_BACK_MS = 1000  # a step back of up to this is waited out
BEHIND_S = 60.0  # between two complaints of being behind

_log = logging.getLogger("alatau.ingest")


def wall_clock_ms() -> int:
    """Return the time by this machine's clock, ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def folder_source(settings: LiveSettings, config: Path | None) -> FolderSource:
    """Make the source that is configured.

    Parameters
    ----------
    settings
        What is followed.
    config
        The file that they were read from: what is relative is relative to its folder.

    Raises
    ------
    ConfigurationError
        If no folder is configured, or it is none.
    """
    place = ("ingest", "live", "folder")
    if not settings.folder:
        raise misfit(
            config,
            place,
            "there is no source to follow",
            "Write [ingest.live] with folder (where miniSEED is written) and stations "
            "(StationXML) into a file, and give it with --config FILE.",
        )
    folder = _relative_to(config, settings.folder)
    if not folder.is_dir():
        raise misfit(
            config,
            place,
            f"{folder} is no folder",
            "Name the folder into which the acquisition system writes miniSEED.",
        )
    return FolderSource(
        folder, settings.files, wall_clock_ms, back_s=settings.back_s, wait_s=settings.wait_s
    )


def station_table(settings: LiveSettings, config: Path | None) -> ChannelTable:
    """Read the metadata of the network.

    Parameters
    ----------
    settings, config
        As for `folder_source`.

    Raises
    ------
    ConfigurationError
        If there are none, or no channel among them can be used.
    """
    place = ("ingest", "live", "stations")
    remedy = (
        "Name the network's StationXML, as an FDSN station service gives it with level=channel "
        "or level=response, or a folder with several *.xml."
    )
    path = _relative_to(config, settings.stations)
    paths = sorted(path.glob("*.xml")) if path.is_dir() else [path]
    if not settings.stations:
        raise misfit(config, place, "there is no StationXML", remedy)
    if not paths or not all(path.is_file() for path in paths):
        raise misfit(config, place, f"{path} is neither StationXML nor a folder of it", remedy)
    try:
        table = channels.read(paths)
    except RecordingError as error:
        raise misfit(config, place, str(error), remedy) from error
    if not table.channels:
        problems = "; ".join(table.problems[:3]) or "it lists none"
        raise misfit(config, place, f"{path} has no channel of use ({problems})", remedy)
    return table


def expected_stations(table: ChannelTable, time_ms: int) -> list[str]:
    """Return the stations (``NET.STA``) with a channel that is in operation at a time."""
    time_ns = time_ms * 1_000_000
    open_ids = (seed_id for seed_id in table.channels if table.find(seed_id, time_ns) is not None)
    return sorted({".".join(seed_id.split(".", 2)[:2]) for seed_id in open_ids})


def _relative_to(config: Path | None, name: str) -> Path:
    return Path(name) if config is None else config.parent / name


class Edge:
    """Numbers what comes and makes it records for the log, in order of arrival."""

    def __init__(self) -> None:
        self._number = 0
        self._last_ms = 0

    def outputs(self, arrivals: Arrivals) -> list[Output]:
        """Return one `waveforms` value for each station, and the rejects.

        Raises
        ------
        ClockError
            If the clock went back by more than a second. Every stage takes the newest arrival
            for now, and would wait until the clock is there again.
        """
        back_ms = self._last_ms - arrivals.arrival_ms
        if back_ms > CLOCK_BACK_MS:
            raise ClockError(
                f"The clock of this machine went back by {back_ms / 1000:.1f} s. Set it right, "
                "keep it so (NTP), and start again."
            )
        self._last_ms = now_ms = max(self._last_ms, arrivals.arrival_ms)
        outputs = []
        for station, value in arrivals.values:
            key = station.encode("ascii", "backslashreplace")
            outputs.append(Output(WAVEFORMS.name, key, value, self._number, now_ms))
            self._number += 1
        for part in arrivals.unread:
            outputs.append(
                refuse(
                    part.source,
                    part.reason,
                    part.detail,
                    part.value,
                    number=self._number,
                    arrival_ms=now_ms,
                )
            )
            self._number += 1
        return outputs


async def follow(source: Source, log: Log, poll_s: float, stop: asyncio.Event) -> None:
    """Append what a source hands over until a stop is asked for.

    Parameters
    ----------
    source
        Asked in a thread, for it may read files.
    log
        Where it goes.
    poll_s
        Seconds between two questions.
    stop
        Set from outside.

    Raises
    ------
    ClockError
        See `Edge.outputs`.
    """
    edge = Edge()
    complained = -BEHIND_S
    while not stop.is_set():
        arrivals = await asyncio.to_thread(source.poll)
        await log.append(edge.outputs(arrivals))
        if arrivals.behind_bytes and time.monotonic() - complained >= BEHIND_S:
            complained = time.monotonic()
            _log.warning("%.1f MB are not read yet", arrivals.behind_bytes / 1e6)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), poll_s)
