"""Messages by HTTP POST, signed as the Standard Webhooks specification (version 1) has it.

``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body`` with the
secret that both sides share; ``webhook-id``, the same for each attempt, tells repeats, and so does
``Idempotency-Key``.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from dispatch.channels.channel import Tell
from dispatch.channels.settings import Webhook
from dispatch.delivery import Attempt, Outcome
from dispatch.parcels import Parcel
from stream.errors import ConfigurationError

__all__ = ["CONTENT_TYPE", "WebhookChannel", "headers", "is_signed", "secret"]

CONTENT_TYPE = "application/cap+xml"
PREFIX = "whsec_"
SHORTEST_SECRET = 24
TOLERANCE_S = 300
_REFUSED = frozenset({400, 401, 403, 404, 405, 406, 410, 413, 414, 415, 422})
"""Answers after which trying again is of no use: the request itself is not wanted."""


def secret(path: Path) -> bytes:
    """Read a secret that both sides share.

    Parameters
    ----------
    path
        A file with the secret, or with ``whsec_`` and its base64.

    Raises
    ------
    ConfigurationError
        If it cannot be read or is too short.
    """
    remedy = f"Write {SHORTEST_SECRET} random bytes or more into it: openssl rand -base64 32"
    try:
        text = path.read_bytes().strip()
        key = (
            base64.b64decode(text[len(PREFIX) :], validate=True)
            if text.startswith(PREFIX.encode())
            else text
        )
    except (OSError, binascii.Error) as error:
        raise ConfigurationError(
            f"the secret cannot be read: {error}", remedy=remedy, file=path
        ) from error
    if len(key) < SHORTEST_SECRET:
        raise ConfigurationError(f"the secret has {len(key)} bytes", remedy=remedy, file=path)
    return key


def _signature(key: bytes, name: str, timestamp: str, body: bytes) -> str:
    signed = b".".join((name.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers(key: bytes, name: str, time_s: int, body: bytes) -> dict[str, str]:
    """Sign a request.

    Parameters
    ----------
    name
        What repeats are told by.
    time_s
        Of this attempt, seconds since 1970 UTC.
    """
    return {
        "webhook-id": name,
        "webhook-timestamp": str(time_s),
        "webhook-signature": _signature(key, name, str(time_s), body),
    }


def is_signed(key: bytes, sent: Mapping[str, str], body: bytes, time_s: float) -> bool:
    """Whether a request was signed with a secret, within `TOLERANCE_S` of now."""
    name = sent.get("webhook-id", "")
    timestamp = sent.get("webhook-timestamp", "")
    if not name or not timestamp.isascii() or not timestamp.isdecimal():
        return False
    if len(timestamp) > 12 or abs(int(timestamp) - time_s) > TOLERANCE_S:
        return False
    wanted = _signature(key, name, timestamp, body).encode()
    given = sent.get("webhook-signature", "").encode()
    return any(hmac.compare_digest(wanted, each) for each in given.split(b" "))


class _OwnResolver(AbstractResolver):
    """Looks names up in a thread of its own: a name server that is silent holds up one channel."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._thread, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


class WebhookChannel:
    """One receiver by HTTP.

    Parameters
    ----------
    settings
        Where it is.
    key
        The secret, from `secret`.
    now_us
        The clock: the time of an attempt is signed, so that the other side can refuse old ones.
    tls
        How receivers with https are checked; shared, for each costs 20 ms to make.
    """

    once = True

    def __init__(
        self,
        settings: Webhook,
        key: bytes,
        now_us: Callable[[], int],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._key = key
        self._now_us = now_us
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def open(self, tell: Tell) -> None:  # noqa: ARG002 - it learns of nothing by itself
        """Get ready; nothing is connected before the first message."""
        connector = aiohttp.TCPConnector(
            resolver=_OwnResolver(), ttl_dns_cache=300, ssl=self._tls or True
        )
        self._session = aiohttp.ClientSession(
            connector=connector, headers={"User-Agent": "alatau"}, auto_decompress=False
        )

    async def send(self, attempt: Attempt) -> Outcome:
        """Post a message; it is delivered when the answer is 2xx."""
        if self._session is None:
            raise RuntimeError("the channel has not been opened")
        body, key = attempt.parcel.value, attempt.key
        sent = {
            "Content-Type": CONTENT_TYPE,
            "Idempotency-Key": f'"{key}"',
            "Alatau-Attempt": str(attempt.number),
            "Alatau-Lead-Seconds": f"{attempt.lead_s:.1f}",
            **headers(self._key, key, self._now_us() // 1_000_000, body),
        }
        try:
            async with self._session.post(
                self._settings.url, data=body, headers=sent, allow_redirects=False
            ) as answer:
                status = answer.status
        except aiohttp.ClientConnectorError as error:
            return Outcome("failed", f"cannot connect: {error.strerror or error}", reached=False)
        except (aiohttp.ClientError, OSError) as error:
            return Outcome("failed", f"{type(error).__name__}: {error}"[:300])
        if 200 <= status < 300:
            return Outcome("delivered", f"HTTP {status}")
        return Outcome("failed", f"HTTP {status}", reached=status >= 500, final=status in _REFUSED)

    def restore(self, parcels: Sequence[Parcel]) -> None:
        """Show nothing: what was sent stays with the other side."""

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
