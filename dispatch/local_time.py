"""Local times of warnings, by the zones of the package tzdata.

The operating system's own zones are not asked: an old system still has Almaty at +06:00, where
it has been +05:00 since 2024-03-01.
"""

import importlib.resources
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from stream.errors import AlatauError

__all__ = [
    "UnknownZoneError",
    "cap_text",
    "clock_text",
    "minute_text",
    "offset_text",
    "zone",
    "zones_of",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


class UnknownZoneError(AlatauError):
    """A zone that tzdata does not have."""


@cache
def zone(name: str) -> ZoneInfo:
    """Read a zone by its IANA name.

    Raises
    ------
    UnknownZoneError
        If there is none of this name.
    """
    folder = importlib.resources.files("tzdata") / "zoneinfo"
    parts = name.split("/")
    if not all(part.replace("_", "").replace("-", "").replace("+", "").isalnum() for part in parts):
        raise UnknownZoneError(f"{name!r} is no time zone")
    try:
        with folder.joinpath(*parts).open("rb") as stream:
            return ZoneInfo.from_file(stream, key=name)
    except (OSError, ValueError) as error:
        raise UnknownZoneError(f"{name!r} is no time zone that tzdata has") from error


@cache
def zones_of(country: str) -> frozenset[str]:
    """Return the IANA zones of a country by its ISO 3166-1 code, as tzdata lists them."""
    table = (importlib.resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    return frozenset(row[2] for row in rows if row[0] == country)


@lru_cache(maxsize=4096)
def _local(second: int, name: str) -> datetime:
    """Return the local time; UTC where the zone had an offset of seconds, as some until 1972."""
    moment = _EPOCH + timedelta(seconds=second)
    local = moment.astimezone(zone(name))
    offset = local.utcoffset()
    return moment if offset is None or offset % _MINUTE else local


@lru_cache(maxsize=4096)
def _offset(second: int, name: str) -> str:
    local = _local(second, name)
    text = f"{local:%z}"
    return "-00:00" if text == "+0000" else f"{text[:3]}:{text[3:]}"


def cap_text(time_us: int, name: str = "UTC") -> str:
    """Write a time as CAP 1.2 has it: whole seconds (rounded down) with the offset from UTC.

    UTC is ``-00:00``, and so is a zone that agrees with it at the time.
    """
    return _cap_text(time_us // 1_000_000, name)


@lru_cache(maxsize=4096)
def _cap_text(second: int, name: str) -> str:
    return f"{_local(second, name):%Y-%m-%dT%H:%M:%S}{_offset(second, name)}"


def clock_text(time_us: int, name: str = "UTC") -> str:
    """Write a time for people: date, clock to the second, and what it is counted from."""
    return _clock_text(time_us // 1_000_000, name)


@lru_cache(maxsize=4096)
def _clock_text(second: int, name: str) -> str:
    # Each text of each language of a message has the same few times.
    return f"{_local(second, name):%Y-%m-%d %H:%M:%S} {offset_text(second * 1_000_000, name)}"


def offset_text(time_us: int, name: str = "UTC") -> str:
    """Write what local times are counted from, for people: ``UTC+05:00``."""
    offset = _offset(time_us // 1_000_000, name)
    return "UTC" if offset == "-00:00" else f"UTC{offset}"


@lru_cache(maxsize=4096)
def minute_text(time_us: int, name: str = "UTC", today_us: int | None = None) -> str:
    """Write a time for people to the minute (rounded down), with its date on another day.

    Parameters
    ----------
    today_us
        A time of the day that readers know; None writes the date always.
    """
    local = _local(time_us // 1_000_000, name)
    if today_us is not None and _local(today_us // 1_000_000, name).date() == local.date():
        return f"{local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"
