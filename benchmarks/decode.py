"""What it costs to read a miniSEED record, beside others: ``python -m benchmarks.decode``.

512-byte Steim-2 records of the demo recording, 231 samples on average. The contenders take turns
in every round, so that what disturbs the machine disturbs all of them; each figure is the median
of the rounds.
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from obspy.io.mseed.core import _read_mseed
from pymseed import MS3Record
from pymseed.clib import clibmseed, ffi

from ingest.miniseed import decode

__all__ = ["measure"]

RECORDING = Path(__file__).parent / "events" / "ridgecrest-2019-near" / "waveforms.mseed"
LENGTH = 512  # bytes a record
TURN_S = 0.02  # so long at least is a contender's turn
QUICK_TURN_S = 0.005


def _records() -> list[bytes]:
    content = RECORDING.read_bytes()
    return [content[at : at + LENGTH] for at in range(0, len(content), LENGTH)]


def _libmseed(joined: bytes) -> None:
    """Parse and unpack with libmseed's C, one struct for all records, nothing kept."""
    struct = ffi.new("MS3Record **")
    begin = ffi.from_buffer(joined)
    parse, flags = clibmseed.msr3_parse, clibmseed.MSF_UNPACKDATA
    for at in range(0, len(joined), LENGTH):
        if parse(begin + at, LENGTH, struct, flags, 0) != 0:
            raise ValueError(f"libmseed cannot read the record at byte {at}")
    clibmseed.msr3_free(struct)


def _pymseed(records: list[bytes]) -> None:
    for record in records:
        _ = MS3Record.parse(record, unpack_data=True).np_datasamples


def _obspy(records: list[bytes]) -> None:
    for record in records:
        _read_mseed(io.BytesIO(record))


def measure(rounds: int = 7, *, quick: bool = False) -> dict[str, float]:
    """Time the reading of a poll of 1340 records, one in each value.

    Parameters
    ----------
    rounds
        How often each contender has its turn.
    quick
        Shorter turns.

    Returns
    -------
    dict
        Seconds a record of `alatau` (`ingest.miniseed.decode`, all at once), `pymseed` (per
        record), `libmseed` (C, called by cffi) and `obspy` (its internal reader, per record).
    """
    records = _records()
    few = records[:: len(records) // 50]
    joined = b"".join(records)
    contenders: dict[str, tuple[Callable[[], object], int]] = {
        "alatau": (lambda: decode(records), len(records)),
        "pymseed": (lambda: _pymseed(records), len(records)),
        "libmseed": (lambda: _libmseed(joined), len(records)),
        "obspy": (lambda: _obspy(few), len(few)),
    }
    repeats = {}
    for name, (run, _) in contenders.items():
        run()
        begun = time.perf_counter()
        run()
        once = time.perf_counter() - begun
        repeats[name] = max(1, round((QUICK_TURN_S if quick else TURN_S) / once))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, (run, count) in contenders.items():
            begun = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            times[name].append((time.perf_counter() - begun) / repeats[name] / count)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    taken = measure(arguments.rounds, quick=arguments.quick)
    print("| reader | us a record | times as long |\n|---|---|---|")
    for name, seconds in taken.items():
        print(f"| {name} | {seconds * 1e6:.3g} | {seconds / taken['alatau']:.3g} |")


if __name__ == "__main__":
    main()
