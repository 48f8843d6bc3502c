"""miniSEED records of every shape: from the writers of pymseed and obspy, and put together here."""

import io
import struct
from itertools import product

import numpy as np
import obspy
from pymseed import MS3Record

START_NS = 1_700_000_000_123_456_000
ENCODINGS = {1: "i", 3: "i", 4: "f", 5: "d", 10: "i", 11: "i"}
OBSPY_NAMES = {1: "INT16", 3: "INT32", 4: "FLOAT32", 5: "FLOAT64", 10: "STEIM1", 11: "STEIM2"}
TYPES = {"i": np.int32, "f": np.float32, "d": np.float64}


def signal(n, seed=0, *, largest=20_000):
    """A walk with steps of every size that a Steim packing has a width for."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=n) * 2.0 ** rng.integers(0, 15, n // 20 + 1).repeat(20)[:n]
    return (np.cumsum(steps) % (2 * largest) - largest).astype(np.int32)


def from_pymseed(encoding, length, samples, *, version=2, rate=100.0, source="FDSN:KR_AAA__H_H_Z"):
    record = MS3Record(reclen=length, encoding=encoding)
    record.sourceid = source
    record.formatversion = version
    record.starttime = START_NS
    record.samprate = rate
    letter = ENCODINGS[encoding]
    return list(record.generate(samples.astype(TYPES[letter]), letter))


def from_obspy(encoding, length, samples, order, *, rate=100.0):
    kind = np.int16 if encoding == 1 else TYPES[ENCODINGS[encoding]]
    header = {"network": "KR", "station": "AAA", "channel": "HHZ", "sampling_rate": rate}
    header["starttime"] = obspy.UTCDateTime(START_NS / 1e9)
    trace = obspy.Trace(samples.astype(kind), header)
    out = io.BytesIO()
    trace.write(out, format="MSEED", encoding=OBSPY_NAMES[encoding], reclen=length, byteorder=order)
    content = out.getvalue()
    return [content[at : at + length] for at in range(0, len(content), length)]


def put_together(
    payload,
    count,
    encoding,
    *,
    order=">",
    payload_order=">",
    exponent=9,
    factor=100,
    multiplier=1,
    time=(2023, 318, 22, 13, 20, 1234),
    activity=0,
    correction=0,
    microseconds=None,
    rate_100=None,
    codes=b"AAA    HHZKR",
    payload_at=None,
):
    """One miniSEED 2 record, field by field."""
    year, day, hour, minute, second, fraction = time
    blockettes = [struct.pack(order + "BBBB", encoding, payload_order == ">", exponent, 0)]
    kinds = [1000]
    if microseconds is not None:
        blockettes.append(struct.pack(order + "BbBB", 90, microseconds, 0, 7))
        kinds.append(1001)
    if rate_100 is not None:
        blockettes.append(struct.pack(order + "f4x", rate_100))
        kinds.append(100)
    chain, at = b"", 48
    for i, (kind, body) in enumerate(zip(kinds, blockettes, strict=True)):
        following = at + 4 + len(body) if i + 1 < len(kinds) else 0
        chain += struct.pack(order + "HH", kind, following) + body
        at += 4 + len(body)
    begin = payload_at or (64 if at <= 64 else 128)
    fixed = b"000001D " + codes
    fixed += struct.pack(order + "HHBBBxH", year, day, hour, minute, second, fraction)
    fixed += struct.pack(order + "HhhBBBBiHH", count, factor, multiplier, activity, 0, 0,
                         len(kinds), correction, begin, 48)  # fmt: skip
    record = (fixed + chain).ljust(begin, b"\0") + payload
    return record[: 1 << exponent].ljust(1 << exponent, b"\0")


def made_records(longest=4096):
    """Records of all encodings, both orders, lengths from 128 bytes up, miniSEED 2 and 3."""
    records = []
    for encoding, length in product(ENCODINGS, (128, 256, 512, 1024, 4096, 8192, 65536)):
        if length > longest:
            continue
        samples = signal(min(2 * length, 3000), encoding)
        records += from_pymseed(encoding, length, samples)[:3]
        if length == 512:
            records += from_pymseed(encoding, length, samples, version=3)[:2]
            records += from_pymseed(encoding, length, samples, rate=99.987)[:2]
            records += from_pymseed(encoding, length, samples, rate=-30.0)[:2]
        if length >= 256:
            for order in ("<", ">"):
                records += from_obspy(encoding, length, samples, order)[:2]
    numbers = np.arange(20, dtype=">i4").tobytes()
    records += [
        put_together(numbers, 20, 3, factor=-10, multiplier=1),
        put_together(numbers, 20, 3, factor=3, multiplier=-7, order="<"),
        put_together(numbers, 20, 3, factor=-3, multiplier=-7, microseconds=-50),
        put_together(numbers, 20, 3, correction=-12345, microseconds=99),
        put_together(numbers, 20, 3, correction=12345, activity=0x12, order="<"),
        put_together(numbers, 20, 3, rate_100=33.3, microseconds=1),
        put_together(numbers, 20, 3, time=(2016, 366, 23, 59, 60, 9999), activity=0x10),
    ]
    return records
