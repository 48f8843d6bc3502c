"""Station metadata from an FDSN web service, into a file.

The file is what the live pipeline reads: a service that is down, slow or half there must not
take away what the last answer gave.
"""

import os
import tempfile
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Literal

from msgspec import Struct

from ingest import channels as metadata
from ingest.channels import ChannelTable
from ingest.errors import MetadataError, RecordingError

__all__ = ["Fetched", "fetch"]

Level = Literal["channel", "response"]

# Besides its own, what obspy lets through: addresses that are none, answers that are cut off,
# descriptions that are no XML.
_TROUBLE = (HTTPException, OSError, ValueError, TypeError, SyntaxError, NotImplementedError)


class Fetched(Struct, frozen=True):
    """What came, and from where.

    Attributes
    ----------
    service
        URL of the service.
    file
        Where it stands.
    stations, channels
        How many can be used.
    problems
        One line for each entry that cannot.
    gone
        Stations (``NET.STA``) that the file had before and has no more.
    kept
        The file as it was before; None if there was none.
    """

    service: str
    file: Path
    stations: int
    channels: int
    problems: tuple[str, ...]
    gone: tuple[str, ...]
    kept: Path | None

    def __str__(self) -> str:
        """One line for people, and one each for what they should look at."""
        lines = [
            f"{self.file}: {_counted(self.stations, 'station')}, "
            f"{_counted(self.channels, 'channel')} from {self.service}"
        ]
        if self.problems:
            lines.append(
                f"{_counted(len(self.problems), 'entry', 'entries')} cannot be used: "
                + "; ".join(self.problems[:3])
                + ("; ..." if len(self.problems) > 3 else "")
            )
        if self.gone:
            lines.append(
                f"{_counted(len(self.gone), 'station')} of the former file no longer there: "
                + ", ".join(self.gone[:10])
                + (", ..." if len(self.gone) > 10 else "")
                + f". The former file is {self.kept}."
            )
        return "\n".join(lines)


def _counted(number: int, noun: str, nouns: str = "") -> str:
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def fetch(
    service: str,
    out: Path,
    networks: Sequence[str],
    *,
    stations: Sequence[str] = ("*",),
    channels: Sequence[str] = ("*",),
    level: Level = "channel",
    timeout_s: float = 120.0,
) -> Fetched:
    """Fetch StationXML and put it in the place of a file, once it has been found to be of use.

    Parameters
    ----------
    service
        Base URL (``https://geofon.gfz.de``) or a name that obspy knows (``GFZ``).
    out
        The file. The one that was there is kept beside it, with ``.old`` behind its name.
    networks, stations, channels
        Codes; ``*`` and ``?`` stand for letters.
    level
        ``channel`` has gains and coordinates, which is all that is needed; ``response`` more.
    timeout_s
        How long (s) the service may be silent.

    Raises
    ------
    MetadataError
        If the service does not answer, refuses, has nothing, or gives nothing of use. The file
        is then as it was.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".xml")
    os.close(handle)
    fresh = Path(name)
    try:
        url = _download(service, fresh, networks, stations, channels, level, timeout_s)
        table = _read(fresh, url)
        before = _before(out)
        kept = None
        if out.exists():
            kept = out.with_name(f"{out.name}.old")
            kept.unlink(missing_ok=True)
            kept.hardlink_to(out)
        with fresh.open("rb") as written:
            os.fsync(written.fileno())
        fresh.chmod(0o644)
        fresh.replace(out)
    finally:
        fresh.unlink(missing_ok=True)
    gone = tuple(sorted(before - table.stations.keys()))
    return Fetched(url, out, len(table.stations), len(table.channels), table.problems, gone, kept)


def _download(
    service: str,
    to: Path,
    networks: Sequence[str],
    stations: Sequence[str],
    channels: Sequence[str],
    level: Level,
    timeout_s: float,
) -> str:
    """Write the service's answer to a file as it came; return the service's URL."""
    from obspy.clients.fdsn import Client  # a second, and only this needs it
    from obspy.clients.fdsn.header import FDSNException, FDSNNoDataException

    wanted = f"network {','.join(networks)}, station {','.join(stations)}"
    url = service
    try:
        # Of the others' descriptions nothing is needed, and they may be down.
        without = {"dataselect": None, "event": None}
        client = Client(service, timeout=timeout_s, service_mappings=without)
        url = client.base_url
        client.get_stations(
            network=",".join(networks),
            station=",".join(stations),
            channel=",".join(channels),
            level=level,
            filename=str(to),
        )
    except FDSNNoDataException as error:
        raise MetadataError(
            f"{url} has no {wanted}. Ask another service, or for another network."
        ) from error
    except (*_TROUBLE, FDSNException) as error:
        text = str(error).splitlines()
        why = text[0] if text else type(error).__name__
        raise MetadataError(
            f"{url} gave no metadata of {wanted}: {why}. The file is as it was; try again later, "
            "or name another service."
        ) from error
    return str(url)


def _read(file: Path, url: str) -> ChannelTable:
    """Read what came; it must be of use."""
    try:
        table = metadata.read([file])
    except RecordingError as error:
        raise MetadataError(f"What {url} gave is not StationXML: {error.__cause__}.") from error
    if not table.channels:
        problems = "; ".join(table.problems[:3]) or "it lists none"
        raise MetadataError(f"What {url} gave has no channel of use ({problems}).")
    return table


def _before(file: Path) -> set[str]:
    """Return the stations of the file that is there; none if it cannot be read."""
    try:
        return set(metadata.read([file]).stations)
    except RecordingError:
        return set()
