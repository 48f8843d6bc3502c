"""How long a warning takes from the event to signed CAP: ``python -m benchmarks.dispatch``.

``event_to_cap_ms``: from an event's append to `events` until every message that it makes due, to
each country, in seven languages and signed (RSA, 2048 bits), stands on `alerts`; on the log in
memory, by the clock. The earthquakes are made, all over the region, and large ones among them as
often as in nature (Gutenberg and Richter, b = 1, from 5 to 8); each happens once. ``great`` is the
same for those of 7 to 8 alone, of which up to nine countries are told. ``processor_ms`` is
processor time, which other work on the machine does not lengthen.

``audiences_1000_s``: one earthquake and 1,000 operators, each with a site of its own, so that no
two messages are the same, in three languages and signed one by one (RSA); by the clock until the
last message stands on `alerts`. Beside it the same with a key of an elliptic curve, 1,000
audiences that are told the same, and one audience with 1,000 addresses.
"""

import argparse
import asyncio
import gc
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from benchmarks.delivery import certificate
from detect import events, traveltimes
from detect.events import Earthquake, Shaking
from dispatch import places
from dispatch.names import Language
from dispatch.service import DispatchOperator
from dispatch.settings import AudiencePolicy, DispatchSettings, Policy, Site
from dispatch.signature import Signer
from stream.memory import MemoryLog
from stream.operator import Stage
from stream.records import Output
from stream.runner import StageRunner
from stream.topics import ALERTS, EVENTS

EARTHQUAKES = 500
AUDIENCES = 1000
ROUNDS = 5
BEGIN_US = 1_705_946_944_000_000
WUSHI = (41.269, 78.649, 13.0, 7.0)
ALMATY = (43.25, 76.91)

Sign = Callable[[bytes], bytes]


def earthquake(number: int, latitude: float, longitude: float, km: float, size: float) -> bytes:
    """Make an event as it stands on `events`, fifteen seconds after its origin."""
    origin_us = BEGIN_US + number * 60_000_000
    felt = tuple(
        Shaking(
            station=f"XX.{i}",
            latitude=latitude + 0.1 * i,
            longitude=longitude + 0.1,
            intensity=5.0,
            has_s=True,
        )
        for i in range(3)
    )
    return events.encode(
        Earthquake(
            id=f"ca.bench-{number}",
            revision=0,
            status="confirmed",
            region="ca",
            updated_us=origin_us + 15_000_000,
            origin_time_us=origin_us,
            origin_time_sigma_s=0.5,
            latitude=latitude,
            longitude=longitude,
            epicentre_sigma_km=4.0,
            depth_km=km,
            depth_sigma_km=5.0,
            magnitude=size,
            magnitude_sigma=0.3,
            magnitude_type="Mpd",
            magnitude_stations=4,
            magnitude_saturated=False,
            azimuthal_gap_deg=120.0,
            silent_stations=0,
            arrivals=(),
            reason="",
            shaking=felt,
        )
    )


def scattered(count: int, smallest: float, largest: float) -> list[bytes]:
    """Make earthquakes all over the region, with a b-value of 1."""
    chance = random.Random(1)  # noqa: S311 - the same every time
    share = 1.0 - 10.0 ** (smallest - largest)
    return [
        earthquake(
            i,
            round(chance.uniform(37.5, 44.0), 3),
            round(chance.uniform(63.0, 80.0), 3),
            round(chance.uniform(5.0, 40.0), 1),
            round(smallest - math.log10(1.0 - share * chance.random()), 1),
        )
        for i in range(count)
    ]


class Timed(msgspec.Struct):
    """What one event took, and what it made."""

    seconds: float
    processor_s: float
    messages: int
    size: int


async def timed(settings: DispatchSettings, sign: Sign, values: Sequence[bytes]) -> list[Timed]:
    """Append one event after the other, and wait until its messages stand on the topic."""
    towns, tables = places.load(), traveltimes.load("ak135")
    stage = Stage("dispatch", EVENTS, lambda _: DispatchOperator(settings, towns, tables, sign))
    log = MemoryLog()
    runner = StageRunner(log, stage)
    await runner.start()
    gc.collect()
    gc.freeze()
    found = []
    for number, value in enumerate(values):
        before = await log.end(ALERTS.name, 0)
        arrival_ms = (BEGIN_US + number * 60_000_000 + 15_000_000) // 1000
        began, processor = time.perf_counter(), time.process_time()
        await log.append([Output(EVENTS.name, b"e", value, number, arrival_ms)])
        while await runner.step():
            pass
        took = time.perf_counter() - began, time.process_time() - processor
        records = await log.read(ALERTS.name, 0, before, 10**6)
        found.append(Timed(*took, len(records), sum(len(r.value) for r in records)))
    return found


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and largest."""
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[int(0.99 * len(ordered))], 2),
        "largest": round(ordered[-1], 2),
    }


def event_to_cap(sign: Sign, smallest: float, largest: float) -> dict[str, object]:
    """Measure one event at a time, in seven languages."""
    settings = DispatchSettings(languages=get_args(Language))
    warm_up = 20
    values = scattered(EARTHQUAKES + warm_up, smallest, largest)
    found = asyncio.run(timed(settings, sign, values))[warm_up:]
    told = [each for each in found if each.messages]
    return {
        "event_to_cap_ms": quantiles([1000 * each.seconds for each in told]),
        "processor_ms": quantiles([1000 * each.processor_s for each in told]),
        "events": len(told),
        "messages": sum(each.messages for each in told),
        "most_messages": max(each.messages for each in told),
        "message_bytes": round(sum(e.size for e in told) / sum(e.messages for e in told)),
    }


def with_sites() -> DispatchSettings:
    """Give 1,000 operators a site each, round Almaty."""
    chance = random.Random(2)  # noqa: S311 - the same every time
    return DispatchSettings(
        audiences={
            f"operator-{i}": AudiencePolicy(
                sites=(
                    Site(
                        name=f"Site {i}",
                        country="KZ",
                        latitude=ALMATY[0] + round(chance.uniform(-0.4, 0.4), 4),
                        longitude=ALMATY[1] + round(chance.uniform(-0.8, 0.8), 4),
                    ),
                )
            )
            for i in range(AUDIENCES)
        },
        policy=Policy(min_intensity=3.0),
    )


def all_alike() -> DispatchSettings:
    """Have 1,000 operators who are told the same, each by a message of its own."""
    audiences = {f"operator-{i}": AudiencePolicy(countries=("KZ",)) for i in range(AUDIENCES)}
    return DispatchSettings(audiences=audiences)


def one_message() -> DispatchSettings:
    """Have one audience of 1,000 addresses."""
    addresses = tuple(f"operator-{i}" for i in range(AUDIENCES))
    return DispatchSettings(
        audiences={"operators": AudiencePolicy(countries=("KZ",), addresses=addresses)}
    )


def audiences(settings: DispatchSettings, sign: Sign) -> dict[str, float]:
    """Measure one event to many: the median and the slowest of some rounds."""
    values = [earthquake(i, *WUSHI) for i in range(ROUNDS + 1)]
    found = asyncio.run(timed(settings, sign, values))[1:]
    return {
        "messages": found[0].messages,
        "median_s": round(statistics.median(each.seconds for each in found), 3),
        "slowest_s": round(max(each.seconds for each in found), 3),
        "processor_s": round(statistics.median(each.processor_s for each in found), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the results here too")
    given = parser.parse_args()
    rsa_key = rsa.generate_private_key(65537, 2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    by_rsa = Signer(rsa_key, certificate(rsa_key)).sign
    by_curve = Signer(curve, certificate(curve)).sign
    many = {
        "sites_rsa": audiences(with_sites(), by_rsa),
        "sites_ecdsa": audiences(with_sites(), by_curve),
        "alike_rsa": audiences(all_alike(), by_rsa),
        "one_message_rsa": audiences(one_message(), by_rsa),
    }
    found = {
        **event_to_cap(by_rsa, 5.0, 8.0),
        "great": event_to_cap(by_rsa, 7.0, 8.0),
        "audiences_1000_s": many["sites_rsa"]["median_s"],
        "audiences": many,
        "load": round(os.getloadavg()[0], 1),
    }
    text = msgspec.json.format(msgspec.json.encode(found), indent=2)
    print(text.decode())
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_bytes(text + b"\n")


if __name__ == "__main__":
    main()
