"""How long signing, the ledger and delivery take: ``python -m benchmarks.delivery [--json FILE]``.

The message is a real one: Wushi 2024 to Kazakhstan, in all languages, signed. Receivers are a
server in a process of its own on 127.0.0.1 that answers each request at once; all times from the
message's append to `alerts` on the log in memory. Signing, checking and the ledger are measured
in processor time, and so is what the sender needs.
"""

import argparse
import asyncio
import hashlib
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import get_args

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from detect import events, traveltimes
from detect.events import Earthquake, Shaking
from dispatch import facts, ledger, places, signature
from dispatch.channels.settings import Webhook
from dispatch.channels.webhook import WebhookChannel
from dispatch.facts import Delivery
from dispatch.ledger import Head
from dispatch.names import Language
from dispatch.sending import Sender
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings
from dispatch.signature import Signer
from dispatch.untrusted import read_xml
from stream.memory import MemoryLog
from stream.records import Output, Record
from stream.topics import ALERTS, FACTS

AUDIENCES = 1000
ROUNDS = 6
FILES = 16_384
HEADERS_END = b"\r\n\r\n"


def _now_us() -> int:
    return time.time_ns() // 1000


def _quake(number: int) -> Earthquake:
    """Make Wushi 2024, as if it had happened fifteen seconds ago."""
    now_us = _now_us() // 1_000_000 * 1_000_000
    felt = tuple(
        Shaking(station=f"XX.{i}", latitude=41.3, longitude=78.7, intensity=6.0, has_s=True)
        for i in range(3)
    )
    return Earthquake(
        id=f"ca.bench-{number}",
        revision=0,
        status="confirmed",
        region="ca",
        updated_us=now_us,
        origin_time_us=now_us - 15_000_000,
        origin_time_sigma_s=0.5,
        latitude=41.269,
        longitude=78.649,
        epicentre_sigma_km=4.0,
        depth_km=13.0,
        depth_sigma_km=5.0,
        magnitude=7.0,
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


def _message(number: int) -> Output:
    """Make the message to Kazakhstan as it stands on `alerts`."""
    settings = DispatchSettings(languages=get_args(Language))
    operator = DispatchOperator(settings, places.load(), traveltimes.load("ak135"))
    quake = _quake(number)
    record = Record("events", 0, number, _now_us() // 1000, b"e", events.encode(quake))
    return next(
        output
        for output in operator.process([record])
        if output.topic == ALERTS.name and output.key.endswith(b"_KZ")
    )


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Make a certificate of a key, signed by itself."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "benchmark")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


def _times_ms(work: Callable[[], object], times: int) -> dict[str, float]:
    """Processor time of what is done again and again: the same on a busy machine."""
    work()
    took = []
    for _ in range(times):
        began = time.process_time()
        work()
        took.append((time.process_time() - began) * 1000)
    took.sort()
    return {"p50": round(statistics.median(took), 3), "p99": round(took[int(0.99 * times)], 3)}


def signatures(value: bytes) -> dict[str, dict[str, dict[str, float]]]:
    """Measure signing and checking with both kinds of key."""
    found = {}
    for name, key in (
        ("rsa_2048", rsa.generate_private_key(65537, 2048)),
        ("ecdsa_p256", ec.generate_private_key(ec.SECP256R1())),
    ):
        own = certificate(key)
        signer = Signer(key, own)
        root = read_xml(signer.sign(value))
        found[name] = {
            "sign_ms": _times_ms(partial(signer.sign, value), 200),
            "verify_ms": _times_ms(partial(signature.verify, root, [own], _now_us()), 100),
        }
    return found


def chain(entries: int = 20_000) -> dict[str, float]:
    """Measure the ledger: time to bind and to check an entry."""
    records = [
        Record(
            FACTS.name,
            0,
            i,
            i,
            b"m",
            facts.encode(
                Delivery(
                    at_us=i,
                    message=f"ca.20240122T180911-AAK_KZ_{i % 7}",
                    channel=f"hook-{i % AUDIENCES}",
                    state="delivered",
                    attempt=1,
                    key=hashlib.sha256(bytes(i)).hexdigest(),
                )
            ),
        )
        for i in range(entries)
    ]
    began = time.process_time()
    head, outputs = Head(), []
    for record in records:
        head, said = ledger.enter(head, record)
        outputs += said
    entered = time.process_time()
    written = [Record("ledger", 0, i, 0, b"m", o.value) for i, o in enumerate(outputs)]
    checking = time.process_time()
    if ledger.verify(written).fault is not None:
        raise RuntimeError("the ledger does not hold")
    done = time.process_time()
    return {
        "enter_us": round((entered - began) / entries * 1e6, 1),
        "verify_us": round((done - checking) / entries * 1e6, 1),
    }


class _Receiver(asyncio.Protocol):
    """Takes requests and answers each with 200."""

    def __init__(self) -> None:
        self._come = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._come += data
        while HEADERS_END in self._come:
            head, _, rest = self._come.partition(HEADERS_END)
            lengths = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
            length = int(lengths[0].split(b":")[1])
            if len(rest) < length:
                return
            self._come = rest[length:]
            if isinstance(self._transport, asyncio.WriteTransport):
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def _receive() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Receiver, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _delivered(port: int, audiences: int) -> list[dict[str, float]]:
    routes = {
        f"hook-{i}": Webhook(url=f"http://127.0.0.1:{port}/{i}", secret_file="-", timeout_s=60.0)  # noqa: S106
        for i in range(audiences)
    }
    channels = {name: WebhookChannel(w, b"k" * 32, _now_us) for name, w in routes.items()}
    log = MemoryLog()
    sender = Sender(log, routes, channels, _now_us)
    await sender.start()
    await sender.step()
    rounds = []
    for number in range(ROUNDS):
        message = _message(number)
        begin = await log.end(FACTS.name, 0)
        began_us, processor = _now_us(), time.process_time()
        await log.append([message])
        while not sender.is_idle or await log.end(FACTS.name, 0) < begin + 2 * audiences:
            await sender.step(0.02)
        processor = time.process_time() - processor
        told = [facts.decode(r.value) for r in await log.read(FACTS.name, 0, begin, 10**6)]
        times = sorted(
            (fact.at_us - began_us) / 1e6
            for fact in told
            if isinstance(fact, Delivery) and fact.state == "delivered"
        )
        rounds.append(
            {
                "confirmed": len(times),
                "first_s": round(times[0], 4),
                "median_s": round(times[len(times) // 2], 4),
                "last_s": round(times[-1], 4),
                "processor_s": round(processor, 3),
            }
        )
    await sender.stop()
    return rounds


def webhooks(audiences: int) -> list[dict[str, float]]:
    """Measure deliveries; the first round connects, the others find the connections open."""
    command = [sys.executable, "-m", "benchmarks.delivery", "--receive"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as receiver:  # noqa: S603 - ourselves
        try:
            line = receiver.stdout.readline() if receiver.stdout is not None else b""
            return asyncio.run(_delivered(int(line), audiences))
        finally:
            receiver.kill()


def main() -> None:
    """Measure and print; or receive, for another process that measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the results here too")
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    most = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if given.receive:
        asyncio.run(_receive())
        return
    value = _message(0).value
    found = {
        "message_bytes": len(value),
        "signature": signatures(value),
        "ledger": chain(),
        "webhook": webhooks(1),
        f"webhooks_{AUDIENCES}": webhooks(AUDIENCES),
    }
    text = msgspec.json.format(msgspec.json.encode(found), indent=2)
    print(text.decode())
    if given.json is not None:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_bytes(text + b"\n")


if __name__ == "__main__":
    main()
