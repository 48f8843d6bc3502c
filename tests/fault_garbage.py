"""Values that nobody should have written, for every topic."""

import random
import time
from collections.abc import Sequence

import numpy as np
from aiokafka import AIOKafkaProducer
from msgspec import Struct

from ingest.miniseed import encode
from stream.causes import CAUSE
from stream.topics import ALL

__all__ = ["Garbage", "garbage", "thrown_in"]

HOUR_MS = 3_600_000
ALLOWED_S = 3000  # a broker takes what is up to an hour ahead of its clock
HUGE = 5_000_000

BYTES = (
    b"",
    None,
    b"\x00",
    b"null",
    b"{",
    b"[]",
    b'{"kind":"pick"}',
    b'{"kind":"motion","version":99,"stations":3}',
    b'{"kind":"earthquake","version":1,"id":"\xff"}',
    b'{"kind":"heartbeat","version":1,"latitude":1e999}',
    b"[" * 50_000,
    b"<?xml version='1.0'?><alert>",
    b"000001D " + bytes(40),
    b"MS\x03" + bytes(60),
)
CAUSES = (
    b"",
    b"no cause",
    b"\xff\xfe",
    b"nowhere/0/5/0",
    b"waveforms/99/999999999/0",
    b"waveforms/0/0/0",
    b"detections/0/0/0",
    b"events/0/0/0",
)


class Garbage(Struct, frozen=True):
    """A value for a topic; key, value and arrival are as Kafka takes them."""

    topic: str
    key: bytes | None
    value: bytes | None
    arrival_ms: int
    headers: tuple[tuple[str, bytes], ...] = ()


def garbage(chance: random.Random, now_ms: int, real: Sequence[bytes]) -> list[Garbage]:
    """Make values for all topics, none of which may change what is said.

    Parameters
    ----------
    chance
        Decides.
    now_ms
        Newest arrival of the stream.
    real
        miniSEED values, to be mutilated.
    """
    unknown = encode("XX.NONE..HHZ", now_ms * 1_000_000, 100.0, np.arange(100, dtype=np.int32))
    values: list[bytes | None] = [
        *BYTES,
        *(chance.randbytes(n) for n in (1, 47, 48, 64, 512, 5000)),
        *(value[: chance.randrange(1, 500)] for value in chance.sample(real, 6)),
        unknown,
        unknown[:64] + chance.randbytes(448),
        chance.randbytes(HUGE),
    ]
    wall_ms = int(time.time() * 1000)
    arrivals = (
        now_ms,
        0,
        now_ms - 24 * HOUR_MS,
        now_ms + 20_000,
        now_ms + 24 * HOUR_MS,
        wall_ms + ALLOWED_S * 1000,
    )
    made = []
    for topic in ALL:
        for value in values:
            forged = chance.random() < 0.5
            keys = [b"", b"KR.AAA", chance.randbytes(9)]
            if value is not None:
                keys.append(None)
            made.append(
                Garbage(
                    topic.name,
                    chance.choice(keys),
                    value,
                    now_ms if value is unknown else chance.choice(arrivals),
                    ((CAUSE, chance.choice(CAUSES)),) if forged else (),
                )
            )
    chance.shuffle(made)
    return made


async def thrown_in(bootstrap: str, prefix: str, values: Sequence[Garbage]) -> None:
    """Write values as any client could."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2 * HUGE)
    await producer.start()
    try:
        for each in values:
            await producer.send_and_wait(
                prefix + each.topic,
                each.value,
                each.key,
                timestamp_ms=each.arrival_ms,
                headers=list(each.headers),
            )
    finally:
        await producer.stop()
