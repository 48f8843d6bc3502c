"""Who may push readings, with what token, for which sensors: a file of senders (TOML)."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from ingest.sensors import Sensor
from stream import settings
from stream.settings import Settings, misfit

__all__ = [
    "Allowance",
    "Sender",
    "SenderEntry",
    "SenderFile",
    "Senders",
    "load_senders",
    "new_token",
]


class SenderEntry(Settings, frozen=True):
    """One sender."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.\-]{1,64}$", description="Who it is")]
    token_sha256: Annotated[
        str,
        Meta(
            pattern="^[0-9a-f]{64}$",
            description="SHA-256 of its token; `alatau sensors token` makes both",
        ),
    ]
    sensors: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(min_length=1, description="Ids of its sensors; * and ? stand for letters"),
    ]


class SenderFile(Settings, frozen=True):
    """A file of senders."""

    senders: Annotated[
        tuple[SenderEntry, ...], Meta(description="Each is a table [[senders]]", min_length=1)
    ]


class Sender(Struct, frozen=True):
    """One who may send: its name and its sensors."""

    name: str
    sensors: frozenset[str]


class Senders:
    """Finds who a token is of.

    Parameters
    ----------
    entries
        Senders and the SHA-256 of their tokens.
    """

    def __init__(self, entries: Iterable[tuple[Sender, bytes]]) -> None:
        self._entries = tuple(entries)

    def find(self, token: str) -> Sender | None:
        """Return whose token it is; in the same time whoever's it is, and if nobody's."""
        digest = _digest(token)
        found = None
        for sender, own in self._entries:
            if hmac.compare_digest(digest, own):
                found = sender
        return found


class Allowance:
    """How much a sender may still send: a bucket that fills steadily.

    Parameters
    ----------
    per_minute
        What flows in in a minute, and what it holds.
    clock_s
        Seconds that never go back.
    """

    def __init__(self, per_minute: float, clock_s: Callable[[], float]) -> None:
        self._per_s = per_minute / 60.0
        self._most = per_minute
        self._clock_s = clock_s
        self._left = per_minute
        self._at_s = clock_s()

    def wait_s(self, readings: int) -> float:
        """Take this much out and return 0; or leave it, and return the seconds until it is there.

        More than the bucket ever holds is let through when it is full, and is owed.
        """
        now_s = self._clock_s()
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        short = min(readings, self._most) - self._left
        if short > 0:
            return short / self._per_s
        self._left -= readings
        return 0.0


def load_senders(path: Path, sensors: Iterable[Sensor]) -> Senders:
    """Read a file of senders.

    Parameters
    ----------
    path
        TOML, one table ``[[senders]]`` for each sender.
    sensors
        Those that are known.

    Raises
    ------
    ConfigurationError
        If it cannot be used, two have one name or token, or a sender has no known sensor.
    """
    known = [sensor.id for sensor in sensors]
    entries: list[tuple[Sender, bytes]] = []
    seen: set[str] = set()
    for index, entry in enumerate(settings.load(path, SenderFile).senders):
        place = ("senders", index)
        for name in ("name", "token_sha256"):
            value = getattr(entry, name)
            if value in seen:
                raise misfit(path, (*place, name), "another has it too", "Give each its own.")
            seen.add(value)
        for number, pattern in enumerate(entry.sensors):
            if not any(fnmatchcase(name, pattern) for name in known):
                raise misfit(
                    path,
                    (*place, "sensors", number),
                    f"{pattern} is no sensor of the sensor files",
                    "Give ids that stand there, or a pattern of them.",
                )
        own = {name for name in known for p in entry.sensors if fnmatchcase(name, p)}
        sender = Sender(entry.name, frozenset(own))
        entries.append((sender, bytes.fromhex(entry.token_sha256)))
    return Senders(entries)


def new_token() -> tuple[str, str]:
    """Make a token, and its SHA-256 for the file of senders."""
    token = secrets.token_urlsafe(32)
    return token, _digest(token).hex()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
