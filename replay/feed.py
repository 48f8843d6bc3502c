"""Plays a recording into the topics of a running system, and hears what its workers say."""

import asyncio
import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from ingest.retime import shifted
from ingest.sources.archive import Packet, Recording
from replay.session import Outcome, collect, output, places, slices
from stream.errors import AlatauError
from stream.log import Log
from stream.operator import Stage
from stream.topics import WAVEFORMS

__all__ = ["FeedError", "feed", "moved_to"]

LOOK_S = 0.2
PATIENCE_S = 60.0


class FeedError(AlatauError):
    """A recording cannot be played into these topics, or nobody reads them."""


def moved_to(recording: Recording, arrival_ms: int) -> Recording:
    """Return a recording as if its first packet arrived at a time: samples and arrivals move alike.

    Parameters
    ----------
    recording
        Any.
    arrival_ms
        Milliseconds since 1970 UTC.
    """
    shift_ms = arrival_ms - recording.packets[0].arrival_ms
    shift_us = shift_ms * 1000

    def moved(packet: Packet) -> Packet:
        return replace(
            packet,
            arrival_ms=packet.arrival_ms + shift_ms,
            start_us=packet.start_us + shift_us,
            end_us=packet.end_us + shift_us,
            value=shifted(packet.value, shift_us * 1000),
        )

    return replace(recording, packets=tuple(map(moved, recording.packets)))


async def feed(
    recording: Recording,
    stages: Sequence[Stage],
    log: Log,
    *,
    speed: float | None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Append a recording to `waveforms` and wait until the stages, elsewhere, have dealt with it.

    Parameters
    ----------
    recording
        What is played.
    stages
        Those that are waited for.
    log
        Where.
    speed
        Times real time; None is as fast as the log takes it.
    progress
        Called with the packets played and their total.

    Raises
    ------
    FeedError
        If the topic holds later data already, or a stage does not go on for a minute.
    """
    packets = recording.packets
    await _refuse_later(log, packets[0].arrival_ms)
    since = await places(log)
    began = time.perf_counter()
    played = 0
    for part in slices(packets, speed):
        if speed is not None:
            data_s = (part[-1].arrival_ms - packets[0].arrival_ms) / 1000
            await asyncio.sleep(began + data_s / speed - time.perf_counter())
        await log.append([output(p, played + i) for i, p in enumerate(part)])
        played += len(part)
        if progress is not None:
            progress(played, len(packets))
    for stage in stages:
        await _dealt(log, stage)
    return await collect(recording, log, time.perf_counter() - began, since)


async def _refuse_later(log: Log, first_ms: int) -> None:
    """Refuse a topic whose data are later: to the stages all of the recording would be late."""
    topic = WAVEFORMS.name
    for partition in range(log.partitions(topic)):
        end = await log.end(topic, partition)
        newest = await log.read(topic, partition, end - 1, 1) if end else []
        if newest and newest[0].timestamp > first_ms:
            raise FeedError(
                f"`{topic}` holds data that arrived after the recording begins: all of it would be "
                "dropped as late. Play it as if it were now (--now), or into topics of its own "
                "([stream.kafka] prefix)."
            )


async def _dealt(log: Log, stage: Stage) -> None:
    """Wait until a stage has committed all that stands in its topic."""
    topic = stage.reads.name
    left_before, since = -1, time.monotonic()
    while True:
        left = 0
        for partition in range(log.partitions(topic)):
            committed = await log.committed(stage.name, topic, partition)
            end = await log.end(topic, partition)
            left += end - (committed.offset if committed else 0)
        if left <= 0:
            return
        if left != left_before:
            left_before, since = left, time.monotonic()
        elif time.monotonic() - since > PATIENCE_S:
            raise FeedError(
                f"{left} records of `{topic}` are not read: no worker runs `{stage.name}`, or it "
                f"stands still. Start one: alatau {stage.name} --kafka ..."
            )
        await asyncio.sleep(LOOK_S)
