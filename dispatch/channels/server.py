"""The server: feeds, stream, status, and where acknowledgements and foreign messages come in.

| | |
|---|---|
| ``GET /alerts.atom``, ``/alerts/<identifier>.xml`` | what stands, and the CAP of each message |
| ``GET /alerts.geojson``, ``/events.quakeml`` | the same as areas; events of late |
| ``GET /status.json`` | what is in force, how the sources are, how long channels take |
| ``GET /events`` | events as they are revised (WebSocket) |
| ``POST /cap`` | a CAP message: an Ack of ours, or another agency's |

A request to ``/cap`` that is signed as our webhooks are, with the secret of the channel that
``Alatau-Channel`` names, proves its sender; without that the message itself must be signed.
"""

import hashlib
from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web

from dispatch.channels import quakeml
from dispatch.channels.board import Board
from dispatch.channels.feed import FeedChannel, atom, geojson
from dispatch.channels.settings import Feed, ServerSettings
from dispatch.channels.webhook import CONTENT_TYPE, is_signed
from dispatch.channels.websocket import Stream
from dispatch.delays import Delays
from dispatch.reception import Reception
from stream.errors import ConfigurationError

__all__ = ["Server"]


class Server:
    """Serves by HTTP.

    Parameters
    ----------
    settings
        Where it listens.
    feed
        How the feeds are called.
    board
        What is shown.
    stream
        Of events; None for none.
    channel
        The feeds as a channel; None for no feeds.
    delays
        Gives the delays of all channels as they are measured now.
    reception
        Takes what comes in; None: nothing is taken.
    secrets
        By webhook, the secret that its receiver signs acknowledgements with.
    now_us
        The clock.
    """

    def __init__(
        self,
        settings: ServerSettings,
        feed: Feed,
        board: Board,
        *,
        stream: Stream | None,
        channel: FeedChannel | None,
        delays: Callable[[], Delays],
        reception: Reception | None,
        secrets: Mapping[str, bytes],
        now_us: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._feed = feed
        self._board = board
        self._stream = stream
        self._channel = channel
        self._delays = delays
        self._reception = reception
        self._secrets = secrets
        self._now_us = now_us
        self._runner: web.AppRunner | None = None
        self.port = settings.port

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        ConfigurationError
            If the port is taken, or the address is not this machine's.
        """
        app = web.Application(client_max_size=self._settings.largest_bytes)
        if self._channel is not None:
            app.router.add_get("/alerts.atom", self._atom)
            app.router.add_get("/alerts/{identifier}.xml", self._alert)
            app.router.add_get("/alerts.geojson", self._geojson)
            app.router.add_get("/events.quakeml", self._quakeml)
        app.router.add_get("/status.json", self._status)
        if self._stream is not None:
            app.router.add_get("/events", self._stream.serve)
        if self._reception is not None:
            app.router.add_post("/cap", self._cap)
        self._runner = web.AppRunner(app, shutdown_timeout=2.0, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.host, self._settings.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigurationError(
                f"nothing can be served on {self._settings.host}:{self._settings.port}: "
                f"{error.strerror}",
                remedy="Give another [server] host or port.",
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Send everyone away."""
        if self._stream is not None:
            self._stream.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _atom(self, request: web.Request) -> web.Response:
        body = atom(self._board, self._feed, self._now_us())
        self._fetched()
        return _answer(request, body, "application/atom+xml")

    async def _geojson(self, request: web.Request) -> web.Response:
        body = geojson(self._board, self._now_us(), self._delays())
        self._fetched()
        return _answer(request, body, "application/geo+json")

    async def _quakeml(self, request: web.Request) -> web.Response:
        body = quakeml.encode(self._board.events(self._now_us()))
        return _answer(request, body, quakeml.CONTENT_TYPE)

    async def _alert(self, request: web.Request) -> web.Response:
        parcel = self._board.parcel(request.match_info["identifier"])
        if parcel is None:
            raise web.HTTPNotFound(text="This message is not known, or has expired.\n")
        return _answer(request, parcel.value, CONTENT_TYPE)

    async def _status(self, request: web.Request) -> web.Response:
        measured = self._delays().all()
        channels = {
            name: {"deliveries": count, "delaySeconds": round(seconds, 3)}
            for name, (count, seconds) in measured.items()
        }
        statement = self._board.statement(self._now_us())
        body = msgspec.json.encode({"statement": statement, "channels": channels})
        return _answer(request, body, "application/json")

    async def _cap(self, request: web.Request) -> web.Response:
        body = await request.read()
        name = request.headers.get("Alatau-Channel", "")
        key = self._secrets.get(name)
        now_s = self._now_us() / 1e6
        trusted = key is not None and is_signed(key, request.headers, body, now_s)
        if name and not trusted:
            raise web.HTTPUnauthorized(text="The signature of the request is not right.\n")
        if self._reception is None:
            raise web.HTTPNotFound
        refused = await self._reception.take(body, name, trusted=trusted)
        if refused:
            raise web.HTTPUnprocessableEntity(text=refused + "\n")
        return web.Response(status=202)

    def _fetched(self) -> None:
        if self._channel is not None:
            self._channel.fetched()


def _answer(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """Answer, or say that what the client has is still right."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
    if any(known.value == tag for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
