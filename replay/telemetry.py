"""When packets come: latencies of stations, outages, and the table of arrivals."""

import csv
import gzip
import io
import math
from collections.abc import Iterable, Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from stream.settings import Settings

__all__ = ["LatencySettings", "Line", "Sent", "arrivals", "line", "table"]

CATCH_UP_S = 0.02  # between two packets that were held back


class LatencySettings(Settings, frozen=True):
    """How long packets take.

    The defaults follow what OpenEEW's devices in Mexico show (docs/scenarios.md): medians of
    0.1 to 0.35 s, one packet in a hundred after 0.6 to 1.3 s; regional telemetry with a data
    centre between adds some tenths.
    """

    median_s: Annotated[
        float, Meta(description="Median over stations of a station's median (s).", ge=0, le=60)
    ] = 0.5
    station_factor: Annotated[
        float,
        Meta(description="Spread between stations: one sigma is this factor.", ge=1, le=5),
    ] = 1.5
    packet_factor: Annotated[
        float, Meta(description="Spread between packets: one sigma is this factor.", ge=1, le=5)
    ] = 1.4


class Line(Struct, frozen=True):
    """One station's way: its median latency (s), the spread, and what is wrong with it.

    Attributes
    ----------
    outages
        Begin and end, s on the scenario's clock of arrival: nothing comes, then all at once.
    extra
        Begin, end and seconds by which packets come later.
    """

    median_s: float
    sigma: float
    outages: tuple[tuple[float, float], ...] = ()
    extra: tuple[tuple[float, float, float], ...] = ()


class Sent(Struct, frozen=True):
    """A packet.

    Attributes
    ----------
    ready_s
        When its last sample was taken, true time on the scenario's clock.
    last_us
        Time of its last sample as the station's clock has it, us since 1970.
    count
        Samples of each channel.
    """

    ready_s: float
    last_us: int
    count: int


def line(
    settings: LatencySettings,
    draw: np.random.Generator,
    *,
    outages: Sequence[tuple[float, float]] = (),
    extra: Sequence[tuple[float, float, float]] = (),
) -> Line:
    """Draw one station's line."""
    factor = settings.station_factor ** float(draw.standard_normal())
    sigma = math.log(settings.packet_factor)
    return Line(settings.median_s * factor, sigma, tuple(sorted(outages)), tuple(extra))


def arrivals(packets: Iterable[Sent], way: Line, draw: np.random.Generator) -> list[float]:
    """When packets come (s on the scenario's clock), in order: one line does not overtake itself.

    Latency is lognormal.
    """
    came: list[float] = []
    before = -math.inf
    for packet in packets:
        late = way.median_s * math.exp(way.sigma * float(draw.standard_normal()))
        late += sum(s for begin, end, s in way.extra if begin <= packet.ready_s < end)
        there = packet.ready_s + late
        for begin, end in way.outages:
            if begin <= there < end:
                there = end
        before = max(there, before + CATCH_UP_S)
        came.append(before)
    return came


def table(rows: Iterable[tuple[str, int, int, int, float]]) -> bytes:
    """Write ``packets.csv.gz``.

    Parameters
    ----------
    rows
        Station code, time of the last sample and arrival (us since 1970), samples, rate.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["device_id", "device_t_last_sample", "cloud_t_received", "n", "sr_nominal"])
    for station, last_us, arrival_us, count, rate in sorted(rows, key=lambda r: (r[2], r[0], r[1])):
        writer.writerow([station, _seconds(last_us), _seconds(arrival_us), count, f"{rate:g}"])
    return gzip.compress(text.getvalue().encode("ascii"), mtime=0)


def _seconds(time_us: int) -> str:
    whole, rest = divmod(time_us, 1_000_000)
    return f"{whole}.{rest:06d}"
