"""How many sensors say so: from single voices to provisional or confirmed, and a level."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from detect.hazard_events import SensorSaid
from ingest.sensors import Rule

__all__ = ["TIMES", "Verdict", "Voice", "weigh"]


TIMES = {"cusum": "days", "return level": "years"}
"""Rules whose thresholds are a time, not a number that readings reach; and its unit."""


class Voice(Struct, frozen=True, kw_only=True):
    """What one sensor, or seismic station, says.

    Attributes
    ----------
    sensor, path
        Which, and its telemetry path: those of one path count as one.
    level, rule
        What it says and by which rule; ``tremor`` for a seismic station.
    since_us, step_us
        From when on; it may have begun so much sooner.
    value, unit, threshold, source
        See `SensorSaid`.
    own
        Its threshold as it stands in the file.
    lowered
        By what the height of its thresholds was multiplied as it spoke; 1 for as they are.
    """

    sensor: str
    path: str
    level: int
    rule: Rule | str
    since_us: int
    step_us: int
    value: float
    unit: str
    threshold: float
    own: float
    source: str = ""
    lowered: float = 1.0

    @property
    def begun_us(self) -> int:
        """The earliest that it can have begun, at whatever level."""
        return self.since_us - self.step_us

    def reaches(self) -> bool:
        """Whether it stands by the threshold of the file, not only by a lowered one."""
        if self.rule in TIMES:
            return self.lowered == 1.0
        if self.rule == "inverse velocity":
            return self.value <= self.own
        return self.value >= self.own

    def said(self) -> SensorSaid:
        """Return it as an event tells it."""
        return SensorSaid(
            sensor=self.sensor,
            since_us=self.since_us,
            value=self.value,
            unit=self.unit,
            threshold=self.threshold,
            source=self.source,
        )


class Verdict(Struct, frozen=True):
    """What some voices come to: the level, whether it is confirmed, and by what, for people."""

    confirmed: bool
    level: int
    reason: str


def weigh(voices: Sequence[Voice], alone: Mapping[str, int]) -> Verdict:
    """Weigh the voices of one event.

    A level is confirmed when one telemetry path says it and a second, independent one says at
    least one level less; or when a sensor may confirm it alone. Of three levels, 3 beside 1 is a
    confirmed 2. What nothing confirms is provisional at the highest level that is said.

    Parameters
    ----------
    voices
        At least one.
    alone
        By sensor, the level that it confirms by itself.
    """
    paths: dict[str, int] = {}
    for voice in voices:
        paths[voice.path] = max(paths.get(voice.path, 0), voice.level)
    ranked = sorted(paths.values(), reverse=True)
    pair = min(ranked[0], ranked[1] + 1) if len(ranked) > 1 else 0
    single = max((alone.get(voice.sensor, 0) for voice in voices), default=0)
    level = max(pair, single)
    if level == 0:
        return Verdict(False, ranked[0], f"{voices[0].sensor} alone says so")
    if pair >= single:
        return Verdict(True, level, f"{len(ranked)} independent sensors say so")
    name = min(v.sensor for v in voices if alone.get(v.sensor, 0) == single)
    return Verdict(True, level, f"{name} goes on saying so, and no other sensor speaks against it")
