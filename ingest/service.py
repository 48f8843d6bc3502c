"""The stage before the first log: what a live source hands over becomes `waveforms`."""

import asyncio
import logging
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ingest import channels
from ingest.arrivals import Arrivals, Source
from ingest.channels import ChannelTable
from ingest.errors import ClockError, RecordingError
from ingest.intake import Feed, Intake
from ingest.settings import IngestSettings, LiveSettings, SeedLinkSettings
from ingest.sources.folder import FolderSource
from ingest.sources.seedlink import SeedLinkSource
from ingest.sources.seedlink_places import Places, Tail
from stream.log import Log
from stream.records import Output
from stream.rejects import refuse
from stream.settings import misfit
from stream.topics import WAVEFORMS

__all__ = [
    "Edge",
    "Polled",
    "expected_stations",
    "feeds",
    "folder_source",
    "follow",
    "last_places",
    "station_table",
    "take_in",
    "wall_clock_ms",
]

CLOCK_BACK_MS = 1000  # a step back of up to this is waited out
BEHIND_S = 60.0  # between two complaints of being behind
TAIL_RECORDS = 5000  # read from the log at a time
TAIL_S = 15.0  # of the log, read first for where SeedLink goes on
TAIL_SPENT_S = 10.0  # then no more of it is read

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
            "Write [ingest.live] with stations (StationXML) and folder (where miniSEED is "
            "written), or [[ingest.seedlink]] with host, into a file, and give it with "
            "--config FILE.",
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


def feeds(settings: IngestSettings, config: Path | None) -> list[Feed]:
    """Make the sources that are configured.

    Parameters
    ----------
    settings
        What is followed.
    config
        See `folder_source`.

    Raises
    ------
    ConfigurationError
        If there is no source, or one cannot be used.
    """
    found: list[Feed] = []
    live = settings.live
    if live.folder or not settings.seedlink:
        found.append(Polled(folder_source(live, config), live.poll_s))
    servers: set[str] = set()
    for index, server in enumerate(settings.seedlink):
        if server.server in servers:
            raise misfit(
                config,
                ("ingest", "seedlink", index, "host"),
                f"{server.server} is there twice",
                "Put all stations of a server into one table [[ingest.seedlink]].",
            )
        servers.add(server.server)
        found.append(_seedlink_source(server, index, config))
    return found


def _seedlink_source(settings: SeedLinkSettings, index: int, config: Path | None) -> SeedLinkSource:
    """Make the source of one server, with what it needs to be trusted and to trust us."""
    place = ("ingest", "seedlink", index)
    context = None
    if settings.tls:
        ca_file = _relative_to(config, settings.ca_file) if settings.ca_file else None
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise misfit(
                config,
                (*place, "ca_file"),
                f"{ca_file} cannot be used: {error}",
                "Name a file with certificates in PEM.",
            ) from error
    password = ""
    if settings.password_file:
        file = _relative_to(config, settings.password_file)
        try:
            password = file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise misfit(
                config,
                (*place, "password_file"),
                f"{file} cannot be read: {error}",
                "Name a file that holds the password, ASCII letters without spaces.",
            ) from error
    return SeedLinkSource(settings, wall_clock_ms, context, password)


async def last_places(log: Log, now_ms: int, back_s: float) -> dict[str, Places]:
    """Read from the log how far each SeedLink server (``HOST:PORT``) has been read.

    The newest values are read first, and after some seconds the rest is left: stations that
    send have a value there, and it is time to listen to them.

    Parameters
    ----------
    log
        Its `waveforms` are read.
    now_ms, back_s
        What arrived so long (s) before now (ms since 1970 UTC) is too old to matter.
    """
    tail = Tail()
    topic = WAVEFORMS.name
    ends = [await log.end(topic, partition) for partition in range(log.partitions(topic))]
    began_s, span_s = time.monotonic(), min(TAIL_S, back_s)
    while True:
        for partition, end in enumerate(ends):
            since_ms = now_ms - int(span_s * 1000)
            offset = begin = await log.offset_for_time(topic, partition, since_ms)
            while offset < end:
                found = await log.read(topic, partition, offset, min(TAIL_RECORDS, end - offset))
                if not found:
                    break
                offset = found[-1].offset + 1
                tail.add(found)
            ends[partition] = min(begin, end)
        if span_s >= back_s:
            break
        if time.monotonic() - began_s > TAIL_SPENT_S:
            _log.warning(
                "only the last %.0f s of the log were read for where SeedLink goes on: stations "
                "that sent nothing in them go on with their next packet",
                span_s,
            )
            break
        span_s = min(2 * span_s, back_s)
    return tail.places()


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
        headers: dict[str, dict[str, tuple[str, bytes]]] = {}
        for mark in arrivals.marks:
            headers.setdefault(mark.station, {})[mark.source] = mark.header
        for station, value in arrivals.values:
            key = station.encode("ascii", "backslashreplace")
            marks = tuple(headers.get(station, {}).values())
            outputs.append(Output(WAVEFORMS.name, key, value, self._number, now_ms, marks))
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


class Polled:
    """A feed that asks a source again and again, and what comes stands in the log before it asks.

    Parameters
    ----------
    source
        Asked in a thread, for it may read files.
    poll_s
        Seconds between two questions.
    """

    def __init__(self, source: Source, poll_s: float) -> None:
        self._source = source
        self._poll_s = poll_s
        self._unsettled: Arrivals | None = None

    async def run(self, intake: Intake, stop: asyncio.Event) -> None:
        """Hand over what comes until a stop is asked for.

        What a log did not take in an earlier run is handed over again.
        """
        complained = -BEHIND_S
        while not stop.is_set():
            arrivals = self._unsettled
            if arrivals is None:
                arrivals = self._unsettled = await asyncio.to_thread(self._source.poll)
            await intake.settle(await intake.put(arrivals, flush=True))
            self._unsettled = None
            if arrivals.behind_bytes and time.monotonic() - complained >= BEHIND_S:
                complained = time.monotonic()
                _log.warning("%.1f MB are not read yet", arrivals.behind_bytes / 1e6)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._poll_s)


async def take_in(
    feeds: Sequence[Feed], log: Log, stop: asyncio.Event, *, pack_ms: int = 0
) -> None:
    """Append what sources hand over until a stop is asked for; what has been read is dealt with.

    SeedLink servers are read on from where the log says that they were left, so this may be
    called again, with another process's log or after this one's failed, and nothing is lost that
    the servers still have. A log in memory is empty at the start, and says nothing.

    Parameters
    ----------
    feeds
        The sources, see `feeds`.
    log
        Where it goes. As long as it takes nothing, no more is read than an `Intake` holds.
    stop
        Set from outside.
    pack_ms
        How long (ms) the first that came waits for others.

    Raises
    ------
    ClockError
        See `Edge.outputs`.
    LogError
        If the log fails.
    """
    servers = [feed for feed in feeds if isinstance(feed, SeedLinkSource)]
    if servers:
        back_s = max(server.resume_s for server in servers)
        places = await last_places(log, wall_clock_ms(), back_s)
        for server in servers:
            server.go_on(places.get(server.name))
    edge = Edge()
    intake = Intake(pack_ms)

    async def deal(batches: list[Arrivals]) -> None:
        outputs: list[Output] = []
        try:
            for batch in batches:
                outputs += edge.outputs(batch)
        finally:
            await log.append(outputs)

    running = [asyncio.create_task(feed.run(intake, stop)) for feed in feeds]
    ending = asyncio.gather(*running)
    ending.add_done_callback(lambda _: intake.close())
    try:
        await intake.serve(deal)
        await ending
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(ending, *running, return_exceptions=True)


async def follow(source: Source, log: Log, poll_s: float, stop: asyncio.Event) -> None:
    """Append what one source that is asked hands over; see `take_in`."""
    await take_in([Polled(source, poll_s)], log, stop)
