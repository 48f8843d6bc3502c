"""Events as they are revised, by WebSocket, in the shape of EMSC's stream.

``{"action": "create" | "update", "data": {Feature}}``: the third coordinate is minus the depth
in km, as there. ``evtype`` is ``ke`` for a confirmed earthquake, ``se`` for a suspected one,
``uk`` for what turned out to be none. Ours alone, and ignored by clients of EMSC's: ``status``,
``revision``, ``supersededBy``, and ``magsaturated`` for "at least".

A client that does not read as fast as events come is let go: it delays no other.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
from aiohttp import WSCloseCode, web

from detect.events import Earthquake
from dispatch.channels.settings import WebsocketSettings

__all__ = ["Stream", "emsc"]

QUEUE = 100  # messages that a client may be behind
HEARTBEAT_S = 15.0

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = {"provisional": "se", "confirmed": "ke", "cancelled": "uk", "superseded": "uk"}


def _time(time_us: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=time_us):%Y-%m-%dT%H:%M:%S.%f}Z"


def emsc(event: Earthquake, agency: str, *, is_new: bool) -> bytes:
    """Write a revision of an event in the shape of EMSC's stream.

    Parameters
    ----------
    agency
        Code of who says so.
    is_new
        Whether no revision of it has been streamed.
    """
    properties = {
        "source_id": f"{event.id}.{event.revision}",
        "source_catalog": agency,
        "lastupdate": _time(event.updated_us),
        "time": _time(event.origin_time_us),
        "flynn_region": event.region,
        "lat": round(event.latitude, 4),
        "lon": round(event.longitude, 4),
        "depth": round(event.depth_km, 1),
        "evtype": _KINDS[event.status],
        "auth": agency,
        "mag": None if event.magnitude is None else round(event.magnitude, 1),
        "magtype": event.magnitude_type.lower(),
        "magsaturated": event.magnitude_saturated,
        "unid": event.id,
        "status": event.status,
        "revision": event.revision,
    }
    if event.superseded_by is not None:
        properties["supersededBy"] = event.superseded_by
    point = [round(event.longitude, 4), round(event.latitude, 4), -round(event.depth_km, 1)]
    return msgspec.json.encode(
        {
            "action": "create" if is_new else "update",
            "data": {
                "type": "Feature",
                "id": event.id,
                "geometry": {"type": "Point", "coordinates": point},
                "properties": properties,
            },
        }
    )


class Stream:
    """All who listen.

    Parameters
    ----------
    settings
        What is streamed, and to how many.
    """

    def __init__(self, settings: WebsocketSettings) -> None:
        self._settings = settings
        self._queues: set[asyncio.Queue[bytes | None]] = set()
        self._streamed: dict[str, int] = {}

    @property
    def clients(self) -> int:
        """How many listen now."""
        return len(self._queues)

    def know(self, event: Earthquake) -> None:
        """Take in a revision that was streamed before, by a process that has ended."""
        if event.status in self._settings.statuses:
            self._streamed[event.id] = event.revision

    def push(self, event: Earthquake) -> None:
        """Stream a revision, if revisions of its kind are; each once."""
        before = self._streamed.get(event.id)
        is_end = event.status in ("cancelled", "superseded")
        if (
            event.status not in self._settings.statuses
            or (before is not None and event.revision <= before)
            or (before is None and is_end)
        ):
            return
        text = emsc(event, self._settings.agency, is_new=before is None)
        self._streamed[event.id] = event.revision
        for queue in list(self._queues):
            try:
                queue.put_nowait(text)
            except asyncio.QueueFull:
                self._queues.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Stream to one client until it leaves, or cannot follow."""
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=1024)
        await socket.prepare(request)
        if len(self._queues) >= self._settings.clients:
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too many clients")
            return socket
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._queues.add(queue)
        writing = asyncio.create_task(_write(socket, queue))
        try:
            async for _ in socket:
                pass  # what clients say is not listened to; reading is what notices that they leave
        finally:
            self._queues.discard(queue)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        return socket

    def close(self) -> None:
        """Send everyone away."""
        for queue in self._queues:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)
        self._queues.clear()


async def _write(socket: web.WebSocketResponse, queue: asyncio.Queue[bytes | None]) -> None:
    while (text := await queue.get()) is not None:
        await socket.send_str(text.decode())
    await socket.close(code=WSCloseCode.GOING_AWAY)
