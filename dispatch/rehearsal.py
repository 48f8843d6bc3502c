"""A made earthquake through fresh operators: what is compiled on first use is compiled before.

On a machine where nothing has been compiled yet, the first event would else wait 4 s for it.
"""

import math
from collections.abc import Sequence

import numpy as np

from detect import detections
from detect.detections import Motion, Pick, PickMotion, StationMotion
from detect.following import WINDOWS_S
from ingest.channels import Channel, ChannelTable
from ingest.miniseed import encode
from stream.operator import Stage
from stream.records import Record
from stream.topics import EVENTS

__all__ = ["rehearse"]

BEGIN_S = 946_684_800  # the year 2000
P_KM_S = 6.0
PGV, PGA = 0.5, 5.0  # m/s, m/s2: so strong that a line source is looked for
RING = tuple((43.0 + 0.2 * math.sin(a), 77.0 + 0.3 * math.cos(a)) for a in range(6))


def rehearse(stages: Sequence[Stage], table: ChannelTable) -> int:
    """Run made data through a fresh operator of each stage; nothing is kept.

    Parameters
    ----------
    stages
        `detect`, `locate` and `dispatch` are among them.
    table
        Metadata: a channel of it is given made samples; without one `detect` is left out.

    Returns
    -------
    int
        Revisions that the made earthquake gave.
    """
    made = {stage.name: stage.make for stage in stages}
    detect, locate, dispatch = (made[name](0) for name in ("detect", "locate", "dispatch"))
    if table.channels:
        detect.process(_records(_waveforms(table)))
    outputs = locate.process(_records(_detections()))
    revisions = [(o.timestamp, o.value) for o in outputs if o.topic == EVENTS.name]
    dispatch.process(_records(revisions))
    return len(revisions)


def _records(values: Sequence[tuple[int, bytes]]) -> list[Record]:
    return [Record("rehearsal", 0, i, at, b"XX.MADE", v) for i, (at, v) in enumerate(values)]


def _waveforms(table: ChannelTable) -> list[tuple[int, bytes]]:
    """Make twenty seconds of a channel, the last ones stronger, with their arrivals (ms)."""
    channels = [c for seed_id in sorted(table.channels) for c in table.channels[seed_id]]
    channel: Channel = next((c for c in channels if c.vertical), channels[0])
    begin_s = max(-(-channel.start_ns // 1_000_000_000), BEGIN_S)
    chance = np.random.default_rng(1)
    values = []
    for second in range(20):
        samples = chance.normal(0, 100 if second < 16 else 10_000, 100).astype(np.int32)
        value = encode(channel.id, (begin_s + second) * 1_000_000_000, 100.0, samples)
        values.append(((begin_s + second + 1) * 1000, value))
    return values


def _detections() -> list[tuple[int, bytes]]:
    """Make the picks of six stations round a source, and their motion, with arrivals (ms)."""
    origin_us = BEGIN_S * 1_000_000
    values = [(origin_us, _frame(origin_us, {}))]
    picks = {}
    for i, (latitude, longitude) in enumerate(RING):
        km = math.hypot((latitude - 43.0) * 111.2, (longitude - 77.0) * 81.3, 10.0)
        time_us = origin_us + round(km / P_KM_S * 1e6)
        pick = Pick(
            id=f"XX.S{i}..HHZ/P/{time_us}",
            channel=f"XX.S{i}..HHZ",
            phase="P",
            time_us=time_us,
            uncertainty_s=0.05,
            snr=50.0,
            polarity=0,
            polarity_confidence=0.0,
            latitude=latitude,
            longitude=longitude,
            elevation_m=0.0,
        )
        picks[f"XX.S{i}"] = pick
        values.append((time_us + 500_000, detections.encode(pick)))
    for second in range(6, 12):
        now_us = origin_us + second * 1_000_000
        values.append((now_us, _frame(now_us, picks)))
    return [(at // 1000, value) for at, value in sorted(values, key=lambda v: v[0])]


def _frame(time_us: int, picks: dict[str, Pick]) -> bytes:
    """Make the motion frame of all six stations."""
    stations = []
    for i, (latitude, longitude) in enumerate(RING):
        pick = picks.get(f"XX.S{i}")
        elapsed_s = 0.0 if pick is None else (time_us - pick.time_us) / 1e6
        windows = tuple(0.05 for length in WINDOWS_S if length <= elapsed_s)
        since = () if pick is None else (_motion(pick.id, elapsed_s, windows),)
        stations.append(
            StationMotion(
                station=f"XX.S{i}",
                latitude=latitude,
                longitude=longitude,
                data_end_us=time_us,
                pga=PGA if since else 1e-4,
                pgv=PGV if since else 1e-6,
                since_picks=since,
            )
        )
    return detections.encode(Motion(partition=0, time_us=time_us, stations=tuple(stations)))


def _motion(pick_id: str, elapsed_s: float, windows: tuple[float, ...]) -> PickMotion:
    return PickMotion(
        pick_id=pick_id, elapsed_s=elapsed_s, pd_m=windows, noise_pd_m=1e-7, pgv=PGV, pga=PGA
    )
