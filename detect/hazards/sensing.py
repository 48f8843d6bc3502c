"""What one sensor says: its mechanisms, by the thresholds of its file, and the level of all.

Each rule of a threshold is a mechanism: a pure fold over (time, value) that gives a number to
compare. Each threshold is a `Latch` with persistence and hysteresis on that number. The sensor's
level is the highest threshold that is set.
"""

from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from detect.hazards.background import Background
from detect.hazards.cusum import Cusum
from detect.hazards.cusum import threshold as cusum_threshold
from detect.hazards.displacement import InverseVelocity, Velocity
from detect.hazards.impulse_wave import EVENT_S, ImpulseWave
from detect.hazards.latch import KEPT_S, Latch
from detect.hazards.level import Level, Rise
from detect.hazards.rainfall import Rainfall
from detect.hazards.return_level import ReturnLevel
from ingest.sensors import Sensor, Threshold
from ingest.units import conversion

__all__ = ["Crossing", "Mechanism", "Sensing", "return_level_of"]

DAY_S = 86_400.0
RISE_S = 3600.0  # span of a rise whose threshold names none
STAGE_PRIOR_M = (0.76, 0.5)  # 2 m above usual once in two years; proposed, not published
STAGE_RISE_PRIOR_M = (0.15, 0.2)  # 0.65 m once in two years; proposed, not published
DISCHARGE_PRIOR = (0.9, 1.1)  # of depth: 4.6 times usual in two years; proposed, not published
DISCHARGE_POWER = 0.6


class Crossing(Struct, frozen=True, kw_only=True):
    """A change of what a sensor says.

    Attributes
    ----------
    level
        From now on: 0 nothing, 1 watch, 2 warning, 3 alarm.
    rule
        Of the threshold that counts, or that was the last to be released.
    since_us
        Time of the first reading that speaks for this level.
    value, unit, threshold
        What was compared, of the reading that made the change, and with what; while a prior
        stands, this is the threshold that it has lowered.
    source
        Where the threshold is from; empty if nobody says.
    """

    level: int
    rule: str
    since_us: int
    value: float
    unit: str
    threshold: float
    source: str = ""


class Mechanism(Protocol):
    """What a rule compares."""

    @property
    def base(self) -> float:
        """Where the height of its thresholds is counted from, in what it compares."""
        ...

    @property
    def memory_s(self) -> float:
        """How far back readings matter, s."""
        ...

    def fold(self, time_us: int, value: float) -> float | None:
        """Take the next reading; return what is compared, None if there is nothing to compare."""
        ...


class _Rung:
    """A threshold, where it stands in what its mechanism gives, and whether it is crossed."""

    def __init__(self, sensor: Sensor, threshold: Threshold) -> None:
        self.threshold = threshold
        self.fixed = _compared(sensor, threshold)
        self.at = self.fixed
        self.latch = Latch(
            least_s=EVENT_S if threshold.rule == "impulse wave" else 0.0, kept_s=_kept_s(sensor)
        )


class _Watched:
    """A mechanism and the thresholds that it is held against, the lowest level first."""

    def __init__(self, sensor: Sensor, rule: str, thresholds: list[Threshold]) -> None:
        self.rule = rule
        self.mechanism = _mechanism(sensor, rule, thresholds[0].over_s)
        self.unit = _unit(sensor, rule)
        ordered = sorted(thresholds, key=lambda one: one.level)
        self.rungs = tuple(_Rung(sensor, one) for one in ordered)
        self.compared = 0.0

    @property
    def memory_s(self) -> float:
        return self.mechanism.memory_s + max(rung.latch.memory_s for rung in self.rungs)

    def fold(self, time_us: int, value: float, lowered: float, shaken: bool) -> None:
        mechanism = self.mechanism
        compared: float | None
        if isinstance(mechanism, ImpulseWave):
            compared = mechanism.fold(time_us, value, shaken=shaken)
        else:
            compared = mechanism.fold(time_us, value)
        if compared is not None:
            self.compared = compared
        base = mechanism.base
        for rung in self.rungs:
            at: float | None = rung.fixed
            if isinstance(mechanism, ReturnLevel):
                at = mechanism.level(rung.threshold.value)
            if at is None:
                rung.latch.fold(time_us, None, 0.0)
                continue
            rung.at = min(at, base + lowered * (at - base))  # water that stands is its own usual
            rung.latch.fold(time_us, compared, rung.at, base)

    def said(self, compared: float) -> float:
        """Give what is compared as people read it."""
        if self.rule == "inverse velocity":
            return 1.0 / compared if compared else 0.0
        return compared


def _kept_s(sensor: Sensor) -> float:
    return max(KEPT_S, 4 * sensor.every_s)


def _mechanism(sensor: Sensor, rule: str, over_s: float) -> Mechanism:
    match rule:
        case "rise":
            return Rise(over_s or RISE_S)
        case "cusum":
            return Cusum(sensor.every_s)
        case "impulse wave":
            return ImpulseWave(sensor.every_s)
        case "intensity-duration":
            return Rainfall()
        case "velocity":
            return Velocity(over_s)
        case "inverse velocity":
            return InverseVelocity(over_s)
        case "background":
            return Background()
        case "return level":
            return return_level_of(sensor, over_s)
        case _:
            return Level()


def return_level_of(sensor: Sensor, rise_s: float) -> ReturnLevel:
    """Make the return levels of a sensor's readings, or of their rise within so many seconds."""
    if sensor.quantity == "stage":
        metre = conversion("m", sensor.unit)(1.0)
        above, scale = STAGE_RISE_PRIOR_M if rise_s else STAGE_PRIOR_M
        return ReturnLevel((above * metre, scale * metre), rise_s=rise_s)
    if sensor.quantity == "discharge" and not rise_s:
        return ReturnLevel(DISCHARGE_PRIOR, power=DISCHARGE_POWER, relative=True)
    return ReturnLevel(rise_s=rise_s)


def _unit(sensor: Sensor, rule: str) -> str:
    """Name the unit of what is compared, for people."""
    units = {
        "cusum": "sigma",
        "intensity-duration": "mm/h",
        "velocity": f"{sensor.unit}/day",
        "inverse velocity": "h",
        "background": "times usual",
    }
    return units.get(rule, sensor.unit)


def _compared(sensor: Sensor, threshold: Threshold) -> float:
    """Threshold in what its mechanism gives."""
    if threshold.rule == "cusum":
        return cusum_threshold(threshold.value * DAY_S, sensor.every_s)
    if threshold.rule == "inverse velocity":
        return 1.0 / threshold.value
    return threshold.value


class Sensing:
    """The fold of one sensor's good readings.

    Parameters
    ----------
    sensor
        As its file says. A threshold of the rule ``cusum`` is the wanted time between false
        alarms in days, of ``inverse velocity`` hours to failure, of ``velocity`` the way of a
        day, of ``return level`` years; with ``over_s`` those of the rise within that time.
        A sensor without thresholds says nothing (`detect.hazards.proposed` has some).

    Attributes
    ----------
    level
        What it says now: 0 nothing, 1 watch, 2 warning, 3 alarm.
    memory
        How far back its readings must be read again to be in the same state.
    """

    def __init__(self, sensor: Sensor) -> None:
        self.level = 0
        grouped: dict[tuple[str, float], list[Threshold]] = {}
        for threshold in sensor.thresholds:
            grouped.setdefault((threshold.rule, threshold.over_s), []).append(threshold)
        self._watched = tuple(_Watched(sensor, rule, those) for (rule, _), those in grouped.items())
        self.memory = timedelta(seconds=max((one.memory_s for one in self._watched), default=0.0))
        self._top: tuple[_Watched, _Rung] | None = None

    def fold(
        self, time_us: int, value: float, *, lowered: float = 1.0, shaken: bool = False
    ) -> Crossing | None:
        """Take the next good reading; return what changed in what the sensor says.

        Parameters
        ----------
        time_us
            When it was taken, us; times rise from call to call.
        value
            In the unit of the sensor.
        lowered
            Less than 1 while a prior stands: the height of all thresholds is multiplied by it.
        shaken
            True while seismic waves pass the sensor. Only impulse waves heed it: such a reading
            is neither judged nor used to predict later ones.
        """
        top: tuple[_Watched, _Rung] | None = None
        for watched in self._watched:
            watched.fold(time_us, value, lowered, shaken)
            for rung in watched.rungs:
                above = top is None or rung.threshold.level > top[1].threshold.level
                if rung.latch.set and above:
                    top = (watched, rung)
        level = 0 if top is None else top[1].threshold.level
        if level == self.level:
            return None
        risen = level > self.level
        speaks = top or self._top
        self.level, self._top = level, top
        assert speaks is not None  # noqa: S101  # a level that changed had or has a threshold
        watched, rung = speaks
        return Crossing(
            level=level,
            rule=rung.threshold.rule,
            since_us=rung.latch.since_us if risen else time_us,
            value=watched.said(watched.compared),
            unit=watched.unit,
            threshold=watched.said(rung.at),
            source=rung.threshold.source,
        )
