"""Readings by HTTP push.

| | |
|---|---|
| ``POST /observations`` | one reading as JSON, or a list of them |
| ``GET /openapi.json`` | the same for programs: OpenAPI 3.1 |
| ``GET /`` | the same for people |

Every sender has a token (``Authorization: Bearer``) and may send only its own sensors. It is
answered when its readings stand in the log.
"""

import asyncio
import math
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from aiohttp import web
from msgspec import Struct

from ingest.reading_intake import ReadingIntake
from ingest.senders import Allowance, Sender, Senders, load_senders
from ingest.sensors import Sensor
from ingest.sent import SentReading, sort_out
from ingest.settings import HttpSettings
from ingest.sources.http_page import PAGE, openapi
from stream.errors import ConfigurationError
from stream.settings import misfit

__all__ = ["Answer", "HttpCounts", "HttpSource", "NotTaken", "http_source"]

JSON = "application/json"
REJECTED_IN_FULL = {"foreign sensor": 403}  # every other reason: 400


class NotTaken(Struct, frozen=True):
    """A reading that was not taken: its place in the list from 0, and why."""

    index: int
    reason: str
    detail: str


class Answer(Struct, frozen=True):
    """What became of a request: how many readings were taken, and which were not."""

    taken: int
    refused: tuple[NotTaken, ...] = ()


class HttpCounts(Struct):
    """Requests since the start, by what they were answered.

    Attributes
    ----------
    accepted
        At least one reading was taken.
    refused
        None was: not JSON, no readings, or not the sender's.
    strangers
        Without a token that is known.
    too_large, too_many, too_slow
        Turned away before they were read.
    unsettled
        The log did not take them: the sender was asked to come again.
    """

    accepted: int = 0
    refused: int = 0
    strangers: int = 0
    too_large: int = 0
    too_many: int = 0
    too_slow: int = 0
    unsettled: int = 0


def http_source(
    settings: HttpSettings, config: Path | None, sensors: Mapping[str, Sensor]
) -> "HttpSource":
    """Make the server, with those who may send.

    Parameters
    ----------
    settings
        Where it listens.
    config
        The file that they were read from: names of files are relative to its folder.
    sensors
        Those that are known, by id.

    Raises
    ------
    ConfigurationError
        If the file of senders or the certificate cannot be used.
    """
    folder = Path() if config is None else config.parent
    senders = load_senders(folder / settings.senders_file, sensors.values())
    tls = None
    if settings.cert_file:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            tls.load_cert_chain(folder / settings.cert_file, folder / settings.key_file)
        except OSError as error:
            raise misfit(
                config,
                ("ingest", "http", "cert_file"),
                f"the certificate or its key cannot be used: {error}",
                "Name a certificate and its key in PEM.",
            ) from error
    return HttpSource(settings, senders, sensors, tls=tls)


class HttpSource:
    """Serves those who push readings.

    Parameters
    ----------
    settings
        Where it listens.
    senders
        Who may send.
    sensors
        Those that are known, by id.
    tls
        Certificate for HTTPS; None for HTTP.
    clock_s
        Seconds that never go back, for the rate limit.

    Attributes
    ----------
    counts
        What has been counted.
    port
        Where it listens, once it does.
    """

    def __init__(
        self,
        settings: HttpSettings,
        senders: Senders,
        sensors: Mapping[str, Sensor],
        *,
        tls: ssl.SSLContext | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = HttpCounts()
        self.port = settings.port
        self._settings = settings
        self._senders = senders
        self._sensors = sensors
        self._tls = tls
        self._clock_s = clock_s
        self._allowances: dict[str, Allowance] = {}
        self._intake: ReadingIntake | None = None
        self._openapi = msgspec.json.encode(openapi(settings, SentReading, Answer))

    async def run(self, intake: ReadingIntake, stop: asyncio.Event) -> None:
        """Serve until a stop is asked for.

        Raises
        ------
        ConfigurationError
            If the port is taken, or the address is not this machine's.
        """
        self._intake = intake
        app = web.Application(client_max_size=self._settings.largest_bytes)
        app.router.add_post("/observations", self._observations)
        app.router.add_get("/openapi.json", self._document)
        app.router.add_get("/", self._page)
        runner = web.AppRunner(app, shutdown_timeout=2.0, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(
                runner, self._settings.host, self._settings.port, ssl_context=self._tls
            )
            try:
                await site.start()
            except OSError as error:
                raise ConfigurationError(
                    f"nothing can be served on {self._settings.host}:{self._settings.port}: "
                    f"{error.strerror}",
                    remedy="Give another [ingest.http] host or port.",
                ) from error
            self.port = runner.addresses[0][1]
            await stop.wait()
        finally:
            await runner.cleanup()

    async def _document(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.Response(body=self._openapi, content_type=JSON)

    async def _page(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return web.Response(text=PAGE, content_type="text/html", charset="utf-8")

    async def _observations(self, request: web.Request) -> web.Response:
        sender = self._sender(request)
        if sender is None:
            self.counts.strangers += 1
            return _problem(
                401,
                "the token is missing or not known",
                {"WWW-Authenticate": "Bearer"},
            )
        try:
            async with asyncio.timeout(self._settings.body_s):
                body = await request.read()
        except TimeoutError:
            self.counts.too_slow += 1
            return _problem(408, f"the request took longer than {self._settings.body_s:g} s")
        except web.HTTPRequestEntityTooLarge:
            self.counts.too_large += 1
            return _problem(413, f"the request has more than {self._settings.largest_bytes} bytes")
        found = sort_out(body, self._sensors, f"http {sender.name}", sender.sensors)
        wait_s = self._allowance(sender).wait_s(max(1, len(found.taken) + len(found.refused)))
        if wait_s > 0:
            self.counts.too_many += 1
            return _problem(
                429,
                f"more than {self._settings.per_minute:g} readings a minute",
                {"Retry-After": str(math.ceil(wait_s))},
            )
        intake = self._intake
        if intake is None or intake.is_full or not await _settled(intake.offer(found)):
            self.counts.unsettled += 1
            return _problem(503, "nothing is taken now", {"Retry-After": "5"})
        answer = Answer(
            len(found.taken),
            tuple(NotTaken(part.index, part.reason, part.detail) for part in found.refused),
        )
        status = 202
        if found.refused and not found.taken:
            status = REJECTED_IN_FULL.get(found.refused[0].reason, 400)
            self.counts.refused += 1
        else:
            self.counts.accepted += 1
        return web.Response(status=status, body=msgspec.json.encode(answer), content_type=JSON)

    def _sender(self, request: web.Request) -> Sender | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self._senders.find(token.strip()) if scheme.lower() == "bearer" else None

    def _allowance(self, sender: Sender) -> Allowance:
        allowance = self._allowances.get(sender.name)
        if allowance is None:
            allowance = Allowance(self._settings.per_minute, self._clock_s)
            self._allowances[sender.name] = allowance
        return allowance


async def _settled(settling: "asyncio.Future[None]") -> bool:
    """Wait until what was offered stands in the log; false if the log does not take it."""
    await asyncio.wait({settling})
    return not settling.cancelled()


def _problem(status: int, why: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = msgspec.json.encode(Answer(0, (NotTaken(0, REASONS[status], why),)))
    return web.Response(status=status, body=body, content_type=JSON, headers=headers)


REASONS = {
    401: "unknown sender",
    408: "too slow",
    413: "too large",
    429: "too many",
    503: "not now",
}
"""Reason in the answer to a request that was not read, by status."""
