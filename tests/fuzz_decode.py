"""Damaged records: what pymseed says of them, and whether `ingest.miniseed.decode` says the same.

Run `python -m tests.fuzz_decode --records 1000000`. It ends with an error at the first
difference, and prints the values that show it.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import Struct
from pymseed import MiniSEEDError, MS3Record, sourceid2nslc

from ingest.miniseed import Samples, decode, seed_id

EVENTS = Path(__file__).resolve().parents[1] / "benchmarks" / "events"
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Recordings that stand beside the project."""

STEP = 128
BATCH = 250
TELLING = (0, 1, 2, 4, 7, 9, 10, 11, 12, 16, 30, 31, 47, 48, 56, 59, 60, 64, 127, 128, 255)
HEADER_FIELDS = (6, 24, 26, 30, 31, 32, 33, 34, 36, 39, 40, 44, 45, 46, 47)


class Outcome(Struct, frozen=True):
    """What one stretch of bytes is: a record, or a fault with a reason."""

    value: int
    source: str
    reason: str = ""
    excerpt: bytes = b""
    start_ns: int = 0
    rate: float = 0.0
    integer: bool = True
    samples: bytes = b""


def expected(value: bytes, number: int) -> Iterator[Outcome]:
    """Ask pymseed, record by record."""
    view, offset = memoryview(value), 0
    while offset < len(value):
        rest = view[offset:]
        try:
            record = MS3Record.parse(rest, unpack_data=True)
            length = record.reclen
            codes = sourceid2nslc(record.sourceid)
            samples = np.array(record.np_datasamples)
        except (MiniSEEDError, ValueError):
            length = _to_next_record(rest)
            yield Outcome(number, "", "not miniSEED", bytes(rest[:length]))
            offset += length
            continue
        reason = _reason(rest, record, samples, codes)
        source = ".".join(codes)
        if reason:
            yield Outcome(number, source, reason, bytes(rest[:length]))
        else:
            integer = record.sampletype == "i"
            data = samples.astype(np.int32 if integer else np.float64).tobytes()
            yield Outcome(number, source, "", b"", record.starttime, record.samprate, integer, data)
        offset += length


def _to_next_record(view: memoryview) -> int:
    for there in range(STEP, len(view) - STEP + 1, STEP):
        try:
            MS3Record.parse(view[there:])
        except MiniSEEDError:
            continue
        return there
    return len(view)


def _reason(
    view: memoryview, record: MS3Record, samples: np.ndarray, codes: tuple[str, ...]
) -> str:
    if record.samplecnt <= 0:
        return "no samples"
    if record.sampletype not in ("i", "f", "d"):
        return "not waveform data"
    if not record.samprate > 0:
        return "no sampling rate"
    if record.sampletype != "i" and not np.isfinite(samples).all():
        return "not finite"
    if record.encoding in (10, 11) and samples[-1] != _reverse_constant(view, record):
        return "Steim check"
    for code, longest in zip(codes, (2, 5, 2, 3), strict=True):
        if len(code) > longest or not code.isascii() or "." in code or " " in code:
            return "channel code"
    return ""


def _reverse_constant(view: memoryview, record: MS3Record) -> int:
    at, order = _closing(view, record)
    return int.from_bytes(view[at : at + 4], order, signed=True)


def _closing(view: memoryview, record: MS3Record) -> tuple[int, Literal["little", "big"]]:
    """Return where a Steim payload repeats its last sample, and in which order."""
    swapped = record.swapflag_dict()
    other = "big" if sys.byteorder == "little" else "little"
    if record.formatversion == 2:
        order = other if swapped["header_swapped"] else sys.byteorder
        payload = int.from_bytes(view[44:46], order)
    else:
        payload = 40 + view[33] + int.from_bytes(view[34:36], "little")
    return payload + 8, other if swapped["payload_swapped"] else sys.byteorder


def outcomes(samples: Samples) -> dict[int, list[Outcome]]:
    """Return records and faults by value, the records of each value before its faults."""
    found: dict[int, list[Outcome]] = {}
    for i in range(samples.count.size):
        first, count = int(samples.first[i]), int(samples.count[i])
        integer = bool(samples.integer[i])
        data = (samples.samples if integer else samples.floats)[first : first + count]
        number = int(samples.value[i])
        found.setdefault(number, []).append(
            Outcome(
                number,
                seed_id(samples.code[i]),
                "",
                b"",
                int(samples.start_ns[i]),
                float(samples.rate[i]),
                integer,
                data.tobytes(),
            )
        )
    for fault in samples.faults:
        found.setdefault(fault.value, []).append(
            Outcome(fault.value, fault.source, fault.reason, fault.excerpt)
        )
    return found


def compare(values: Sequence[bytes]) -> Counter[str]:
    """Decode values at once and ask pymseed of each; count the reasons, fail at a difference."""
    counts: Counter[str] = Counter()
    found = outcomes(decode(values))
    for number, value in enumerate(values):
        asked = sorted(expected(value, number), key=lambda o: o.reason != "")
        if found.get(number, []) != asked:
            raise AssertionError(
                f"value {value.hex()}\nfound    {_brief(found.get(number, []))}"
                f"\nexpected {_brief(asked)}"
            )
        counts.update(outcome.reason or "read" for outcome in asked)
    return counts


def _brief(told: Sequence[Outcome]) -> list[tuple[object, ...]]:
    return [
        (o.source, o.reason, len(o.excerpt), o.start_ns, o.rate, o.integer, o.samples[:32].hex())
        for o in told
    ]


def real_records(per_file: int = 40, seed: int = 1) -> list[bytes]:
    """Return records of the demo recording and of those that stand beside the project."""
    chance = random.Random(seed)
    records = []
    for folder in (EVENTS, BESIDE):
        for path in sorted(folder.rglob("*.mseed")):
            content = path.read_bytes()
            size = MS3Record.parse(content).reclen
            starts = range(0, len(content), size)
            records += [content[at : at + size] for at in chance.sample(starts, per_file)]
    return records


def damaged(record: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a record with some damage done to it, now and then with a neighbour."""
    bytes_ = bytearray(record)
    way = chance.randrange(12)
    if way <= 2:
        for _ in range(chance.randint(1, 4)):
            bytes_[chance.randrange(len(bytes_))] ^= 1 << chance.randrange(8)
    elif way <= 4:
        for _ in range(chance.randint(1, 3)):
            bytes_[chance.randrange(64)] = chance.choice(TELLING)
    elif way == 5:
        bytes_[chance.choice(HEADER_FIELDS)] = chance.randrange(256)
    elif way == 6:
        at = chance.randrange(len(bytes_))
        piece = chance.randbytes(chance.randint(1, 16))
        bytes_[at : at + len(piece)] = piece
        del bytes_[len(record) :]
    elif way == 7:
        del bytes_[chance.randrange(len(bytes_)) :]
    elif way == 8:
        other = chance.choice(others)
        at = chance.choice((44, 48, 56, 64, chance.randrange(len(bytes_))))
        bytes_[at:] = other[at : len(bytes_)].ljust(len(bytes_) - at, b"\0")
    elif way == 9:
        at = int.from_bytes(bytes_[46:48], "big") % (len(bytes_) - 8)
        bytes_[at + chance.randrange(8)] = chance.choice(TELLING)
    elif way == 10:
        bytes_ = bytes_ + bytearray(chance.choice(others))
        bytes_[chance.randrange(len(bytes_))] ^= 1 << chance.randrange(8)
    else:
        frame = 64 * chance.randrange(1, max(2, len(bytes_) // 64))
        bytes_[frame : frame + 4] = chance.randbytes(4)
        del bytes_[len(record) :]
    return _mended(bytes(bytes_)) if chance.random() < 0.4 else bytes(bytes_)


def _mended(value: bytes) -> bytes:
    """Make the check of a damaged Steim payload pass: or hardly any would get so far."""
    try:
        record = MS3Record.parse(value, unpack_data=True)
    except (MiniSEEDError, ValueError):
        return value
    if record.encoding not in (10, 11) or record.samplecnt <= 0:
        return value
    at, order = _closing(memoryview(value), record)
    closing = int(record.np_datasamples[-1]).to_bytes(4, order, signed=True)
    return value[:at] + closing + value[at + 4 :]


def fuzz(pool: Sequence[bytes], records: int, seed: int) -> Counter[str]:
    """Damage records of a pool and compare; the same seed gives the same damage."""
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    for begin in range(0, records, BATCH):
        batch = min(BATCH, records - begin)
        values = [damaged(chance.choice(pool), pool, chance) for _ in range(batch)]
        counts.update(compare(values))
    return counts


def main() -> None:
    """Run the loop and print one line."""
    from tests.made_records import made_records

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun = time.monotonic()
    counts = fuzz(real_records() + made_records(), arguments.records, arguments.seed)
    told = ", ".join(f"{reason} {n}" for reason, n in counts.most_common())
    print(
        f"{arguments.records} damaged values, seed {arguments.seed},"
        f" {time.monotonic() - begun:.0f} s, no difference: {told}"
    )


if __name__ == "__main__":
    main()
