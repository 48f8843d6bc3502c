"""The slow twin of `ingest.reading_quality`: looks through the whole history for each reading."""

from ingest.units import UnitError, conversion


def judge_all(sensor, arrived):
    """Verdict on each of `arrived`, pairs of observation and arrival: value or None, faults."""
    verdicts = []
    for i in range(len(arrived)):
        verdicts.append(_verdict(sensor, arrived[: i + 1], verdicts))
    return verdicts


def _converted(sensor, observation):
    if observation.quantity != sensor.quantity:
        return "quantity"
    try:
        return conversion(observation.unit, sensor.unit)(observation.value)
    except UnitError:
        return "unit"


def _verdict(sensor, arrived, verdicts):
    observation, arrival = arrived[-1]
    value = _converted(sensor, observation)
    if isinstance(value, str):
        return None, (value,)
    us = 1e6
    before = [
        (o, a, _converted(sensor, o), faults)
        for (o, a), (_, faults) in zip(arrived[:-1], verdicts, strict=True)
        if faults not in (("quantity",), ("unit",))
    ]
    if observation.time_us > arrival + sensor.future_s * us:
        return None, ("future",)
    for _, a, _, faults in before:
        if faults == ("future",) and arrival < a + sensor.agree_s * us:
            return None, ("clock",)
    if observation.time_us < arrival - sensor.late_s * us:
        return None, ("late",)
    timely = [
        (o.time_us, v, faults)
        for o, _, v, faults in before
        if not {"future", "clock", "late", "out of order", "repeat", "conflict"} & set(faults)
    ]
    if timely:
        newest, newest_value, _ = max(timely, key=lambda each: each[0])
        if observation.time_us < newest:
            return None, ("out of order",)
        if observation.time_us == newest:
            return None, ("repeat",) if value == newest_value else ("conflict",)
    if not sensor.lowest <= value <= sensor.highest:
        return None, ("range",)
    series = [each for each in timely if each[2] != ("range",)]
    window = [each for each in series[-3:] if each[0] >= observation.time_us - sensor.silent_s * us]
    against = [
        1
        for time, other, _ in window
        if abs(value - other) > sensor.fastest / us * (observation.time_us - time)
    ]
    spike = bool(against) and len(against) >= len(window) / 2
    faults = []
    if not window:
        faults = ["gap"]
    elif spike:
        faults = ["spike"]
    elif len(window) >= 2 and all("spike" in each[2] for each in window[-2:]):
        faults = ["jump"]
    since = observation.time_us
    for time, other, _ in reversed(series):
        if other != value or since - time > sensor.silent_s * us:
            break
        since = time
    needed = max(sensor.flat_s, 12 * sensor.every_s, 2 * sensor.silent_s) * us
    resting = value == 0 and sensor.quantity in ("rain", "concentration", "seepage")
    flat = sensor.flat_s > 0 and not resting and observation.time_us - since >= needed
    if flat:
        faults.append("flat")
    return None if spike or flat else value, tuple(faults)
