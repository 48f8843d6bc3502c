"""A slow reader of miniSEED 2, written from the SEED manual: for comparison, not for speed."""

import struct
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLAIN = {1: "h", 3: "i", 4: "f", 5: "d"}
STEIM2 = {(2, 1): (1, 30), (2, 2): (2, 15), (2, 3): (3, 10)}
STEIM2 |= {(3, 0): (5, 6), (3, 1): (6, 5), (3, 2): (7, 4)}


def read(record):
    """Return SEED id, start in ns, samples a second, samples; an error for what is damaged."""
    order = ">" if struct.unpack_from(">H", record, 20)[0] < 2101 else "<"
    station, location, channel, network = struct.unpack_from("5s2s3s2s", record, 8)
    names = [part.decode().strip() for part in (network, station, location, channel)]
    year, day, hour, minute, second, fraction = struct.unpack_from(order + "HHBBBxH", record, 20)
    count, factor, multiplier, activity = struct.unpack_from(order + "HhhB", record, 30)
    correction, payload, at = struct.unpack_from(order + "iHH", record, 40)
    if activity & 0b10:
        correction = 0
    rate = _rate(factor, multiplier)
    microseconds = 0
    while at:
        kind, following = struct.unpack_from(order + "HH", record, at)
        if kind == 1000:
            encoding, big_endian, exponent = record[at + 4 : at + 7]
        elif kind == 1001:
            microseconds = struct.unpack_from("b", record, at + 5)[0]
        elif kind == 100:
            rate = struct.unpack_from(order + "f", record, at + 4)[0]
        at = following
    start = datetime(year, 1, 1, tzinfo=UTC) + timedelta(
        days=day - 1, hours=hour, minutes=minute, seconds=second
    )
    whole = (start - EPOCH) // timedelta(seconds=1)
    start_ns = whole * 10**9 + (fraction + correction) * 10**5 + microseconds * 1000
    data = record[payload : 1 << exponent]
    data_order = ">" if big_endian else "<"
    if encoding in PLAIN:
        samples = struct.unpack_from(f"{data_order}{count}{PLAIN[encoding]}", data)
    else:
        samples = _steim(data, count, encoding, data_order)
    return ".".join(names), start_ns, rate, samples


def _rate(factor, multiplier):
    rate = Fraction(factor) if factor > 0 else Fraction(-1, factor) if factor else Fraction(0)
    if multiplier > 0:
        return float(rate * multiplier)
    return float(rate / -multiplier) if multiplier else float(rate)


def _steim(data, count, encoding, order):
    differences = []
    for begin in range(0, len(data) - 63, 64):
        words = [data[begin + 4 * i : begin + 4 * i + 4] for i in range(16)]
        control = struct.unpack(order + "I", words[0])[0]
        if begin == 0:
            first, last = (struct.unpack(order + "i", word)[0] for word in words[1:3])
        for i in range(3 if begin == 0 else 1, 16):
            differences += _differences(control >> 30 - 2 * i & 3, words[i], encoding, order)
    if len(differences) < count:
        raise ValueError("too few samples")
    samples = [first]
    for difference in differences[1:count]:
        samples.append(_signed(samples[-1] + difference, 32))
    if samples[-1] != last:
        raise ValueError("the last sample is not what the header says")
    return samples


def _differences(bits, word, encoding, order):
    if bits == 0:
        return []
    if bits == 1:
        return struct.unpack("4b", word)
    if encoding == 10:
        return struct.unpack(order + ("2h" if bits == 2 else "i"), word)
    value = struct.unpack(order + "I", word)[0]
    count, width = STEIM2[bits, value >> 30]
    return [_signed(value >> width * i, width) for i in reversed(range(count))]


def _signed(value, width):
    value &= (1 << width) - 1
    return value - (1 << width) if value >> width - 1 else value


def as_arrays(samples, integer):
    return np.array(samples, np.int32 if integer else np.float64)
