"""Spoils what one station sends, in one way: for `benchmarks.spoiled`."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import replace
from pymseed import MS3Record, sourceid2nslc

from ingest.miniseed import encode
from ingest.retime import shifted
from ingest.sources.archive import Packet

LATE_MS = 8_000
CLOCK_US = 5_000_000
LOST = {"gaps": 0.3, "some gaps": 0.1, "few gaps": 0.05}
AGAIN_MS = 3_000
FAILS_S = 1.0
HELD_S, HELD_UNTIL_S = 20.0, 5.0  # before P, and after it
SPIKES_S, SPIKE = 7.0, 200.0  # apart; in quiet scatters
STEP_S = 10.0
CLIP = 0.1  # of the peak, as are all that follow
BURST_S, BURST, BURST_RISES_S, BURST_FADES_S = 15.0, 0.2, 0.1, 1.5
NOISE = 1 / 40
OFFSET, DRIFT = 3.0, 0.01  # and a second
HUM, HUM_HZ = 1 / 20, 3.0
DEAD = 17.0
BLOCKS, SHORTEST = 200, 10  # of which the median scatter is the quiet one; samples
MOST = 2.0**31 - 1.0

KINDS = {
    "late": "8 s late",
    "fast": "clock 5 s fast",
    "slow": "clock 5 s slow",
    "gaps": "30 % of packets lost",
    "some gaps": "10 % of packets lost",
    "few gaps": "5 % of packets lost",
    "doubled": "packets twice",
    "fails": "nothing from 1 s after P on",
    "outage": "held back, all at once 5 s after P",
    "spikes": "a spike every 7 s",
    "step": "a step 10 s before the origin",
    "clip": "clipped at a tenth of the peak",
    "dead": "constant",
    "burst": "local noise 15 s before the origin",
    "noisy": "noise of 1/40 of the peak",
    "gain x10": "gain times 10",
    "gain /10": "gain a tenth",
    "drift": "offset and drift",
    "hum": "hum of 3 Hz, 1/20 of the peak",
}

Samples = npt.NDArray[np.float64]
Change = Callable[[Samples, Samples], Samples]
"""Makes new samples of their times (s since 1970 UTC) and of the samples."""


class When(Struct, frozen=True):
    """Origin and computed P at the station, s since 1970 UTC."""

    origin_s: float
    p_s: float


class _Piece(Struct):
    """One record; its samples are replaced."""

    name: str
    start_ns: int
    rate: float
    samples: npt.NDArray[np.generic]

    def times(self) -> Samples:
        return self.start_ns / 1e9 + np.arange(len(self.samples)) / self.rate


def _pieces(value: bytes) -> list[_Piece]:
    found, view = [], memoryview(value)
    while len(view):
        record = MS3Record.parse(view, unpack_data=True)
        name = ".".join(sourceid2nslc(record.sourceid))
        found.append(_Piece(name, record.starttime, record.samprate, record.np_datasamples.copy()))
        view = view[record.reclen :]
    return found


def changed(packets: Sequence[Packet], change: Change) -> list[Packet]:
    """Change the samples of packets.

    Parameters
    ----------
    packets
        Of one station.
    change
        Called once for each channel, by name, with all that it has in order of time. Integers
        stay integers.

    Returns
    -------
    list[Packet]
        As many, with the times that they had.
    """
    held = [_pieces(p.value) for p in packets]
    channels: dict[str, list[_Piece]] = {}
    for piece in (piece for pieces in held for piece in pieces):
        channels.setdefault(piece.name, []).append(piece)
    for _, pieces in sorted(channels.items()):
        pieces.sort(key=lambda piece: piece.start_ns)
        times = np.concatenate([piece.times() for piece in pieces])
        samples = np.concatenate([piece.samples for piece in pieces]).astype(np.float64)
        ends = np.cumsum([len(piece.samples) for piece in pieces])
        for piece, made in zip(pieces, np.split(change(times, samples), ends[:-1]), strict=True):
            whole = piece.samples.dtype.kind == "i"
            new = np.clip(np.rint(made), -MOST, MOST) if whole else made
            piece.samples = new.astype(piece.samples.dtype)
    return [
        replace(p, value=b"".join(_encoded(piece) for piece in pieces))
        for p, pieces in zip(packets, held, strict=True)
    ]


def _encoded(piece: _Piece) -> bytes:
    return encode(piece.name, piece.start_ns, piece.rate, piece.samples)  # type: ignore[arg-type]


def spoiled(
    kind: str, packets: Sequence[Packet], when: When, chance: np.random.Generator
) -> list[Packet]:
    """Spoil the packets of one station.

    Parameters
    ----------
    kind
        One of `KINDS`.
    packets
        Of one station, in order of arrival.
    when
        Where in time the fault is put.
    chance
        Where chance decides.

    Raises
    ------
    ValueError
        For a kind that there is not.
    """
    match kind:
        case "late":
            return [replace(p, arrival_ms=p.arrival_ms + LATE_MS) for p in packets]
        case "fast":
            return [_clock(p, CLOCK_US) for p in packets]
        case "slow":
            return [_clock(p, -CLOCK_US) for p in packets]
        case "gaps" | "some gaps" | "few gaps":
            return [p for p in packets if chance.random() >= LOST[kind]]
        case "doubled":
            waits = chance.integers(0, AGAIN_MS, len(packets), endpoint=True).tolist()
            again = zip(packets, waits, strict=True)
            return [*packets, *(replace(p, arrival_ms=p.arrival_ms + w) for p, w in again)]
        case "fails":
            return [p for p in packets if p.start_us < (when.p_s + FAILS_S) * 1e6]
        case "outage":
            begin, end = (round(1e3 * (when.p_s + s)) for s in (-HELD_S, HELD_UNTIL_S))
            return [
                replace(p, arrival_ms=end) if begin <= p.arrival_ms < end else p for p in packets
            ]
    return changed(packets, lambda times, samples: _samples(kind, times, samples, when, chance))


def _clock(packet: Packet, by_us: int) -> Packet:
    return replace(
        packet,
        start_us=packet.start_us + by_us,
        end_us=packet.end_us + by_us,
        value=shifted(packet.value, by_us * 1000),
    )


def _samples(
    kind: str, times: Samples, samples: Samples, when: When, chance: np.random.Generator
) -> Samples:
    middle = float(np.median(samples))
    peak = float(np.abs(samples - middle).max())
    match kind:
        case "spikes":
            there = chance.random(samples.size) < np.median(np.diff(times)) / SPIKES_S
            spikes = chance.normal(0.0, SPIKE * max(_quiet(samples), 1.0), samples.size)
            return samples + np.where(there, spikes, 0.0)
        case "step":
            return samples + np.where(times > when.origin_s - STEP_S, peak, 0.0)
        case "clip":
            return np.clip(samples, middle - CLIP * peak, middle + CLIP * peak)
        case "dead":
            return np.full_like(samples, DEAD)
        case "burst":
            since = np.maximum(times - (when.origin_s - BURST_S), 0.0)
            shape: Samples = np.minimum(since / BURST_RISES_S, 1.0) * np.exp(-since / BURST_FADES_S)
            return samples + chance.normal(0.0, BURST * peak, samples.size) * shape
        case "noisy":
            return samples + chance.normal(0.0, NOISE * peak, samples.size)
        case "gain x10":
            return 10.0 * samples
        case "gain /10":
            return middle + (samples - middle) / 10.0
        case "drift":
            return samples + peak * np.asarray(OFFSET + DRIFT * (times - times[0]))
        case "hum":
            wave = np.sin(2.0 * np.pi * HUM_HZ * times)
            return np.asarray(samples + HUM * peak * wave)
    raise ValueError(f"{kind} is none of {', '.join(KINDS)}")


def _quiet(samples: Samples) -> float:
    """Scatter within a short stretch, the median of all."""
    length = max(samples.size // BLOCKS, min(SHORTEST, samples.size))
    whole = samples.size // length * length
    return float(np.median(samples[:whole].reshape(-1, length).std(axis=1)))
