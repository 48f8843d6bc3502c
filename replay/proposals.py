"""Thresholds proposed from a record of readings, as TOML for the sensor file."""

import json
from collections.abc import Sequence

from msgspec import Struct

from detect.hazards.proposed import derived
from ingest.reading_quality import ReadingQuality
from ingest.sensors import Sensor, Threshold
from ingest.sources.readings_csv import Recorded
from replay.hazard_truth import iso

__all__ = ["Proposal", "propose", "to_toml"]

YEAR_US = 365.25 * 86_400_000_000
SHORT_YEARS = 1.0
"""What a shorter record proposes is mostly what gauges are like in general."""


class Proposal(Struct, frozen=True, kw_only=True):
    """What a record proposes for a sensor.

    Attributes
    ----------
    sensor
        As in its file.
    readings, years, record
        How many good ones, over how long, and of which record, in words.
    thresholds
        None where nothing can be said.
    """

    sensor: Sensor
    readings: int
    years: float
    record: str
    thresholds: tuple[Threshold, ...]


def propose(recorded: Recorded, *, everything: bool = False) -> list[Proposal]:
    """Propose thresholds for the sensors that have none.

    Parameters
    ----------
    recorded
        The readings.
    everything
        Also for those that have some.
    """
    quality = {one.id: ReadingQuality(one) for one in recorded.sensors}
    good: dict[str, list[tuple[int, float]]] = {one.id: [] for one in recorded.sensors}
    for each in recorded.arrived:
        name = each.observation.sensor
        value = quality[name].judge(each.observation, each.arrival_us).value
        if value is not None:
            good[name].append((each.observation.time_us, value))
    return [
        _proposal(sensor, good[sensor.id], recorded.name)
        for sensor in recorded.sensors
        if everything or not sensor.thresholds
    ]


def _proposal(sensor: Sensor, readings: Sequence[tuple[int, float]], name: str) -> Proposal:
    if not readings:
        return Proposal(sensor=sensor, readings=0, years=0.0, record=name, thresholds=())
    begin_us, end_us = readings[0][0], readings[-1][0]
    record = f"record {name}, {iso(begin_us)[:10]} to {iso(end_us)[:10]}"
    return Proposal(
        sensor=sensor,
        readings=len(readings),
        years=(end_us - begin_us) / YEAR_US,
        record=record,
        thresholds=derived(sensor, readings, record),
    )


def to_toml(proposals: Sequence[Proposal]) -> str:
    """Write proposals as they go into the sensor file, each below the table of its sensor."""
    return "\n".join(_block(one) for one in proposals)


def _block(one: Proposal) -> str:
    lines = [
        f"# {one.sensor.id} ({one.sensor.quantity}, {one.sensor.unit}): {one.readings} readings, "
        f"{one.years:.1f} years",
        "# Proposed, not set: those who know the basin must look at it first.",
    ]
    if 0 < one.years < SHORT_YEARS:
        lines.append("# A short record: this is mostly what gauges are like in general.")
    if not one.thresholds:
        lines.append("# Nothing can be proposed.")
    for threshold in one.thresholds:
        lines += [
            "[[sensors.thresholds]]",
            f"rule = {json.dumps(threshold.rule)}",
            f"level = {threshold.level}",
            f"value = {threshold.value!r}",
            *([f"over_s = {threshold.over_s!r}"] if threshold.over_s else []),
            f"source = {json.dumps(threshold.source, ensure_ascii=False)}",
            "",
        ]
    return "\n".join(lines).rstrip("\n") + "\n"
