"""The benchmark of sensors that send numbers."""

from benchmarks.hazards import KINDS, made_sensor, measure


def test_every_value_is_used_and_some_speak():
    cost = measure(2 * len(KINDS), 60)
    assert cost.values == 60 * cost.sensors
    assert cost.crossings > 0
    assert cost.us_per_value > 0.0


def test_its_sensors_have_all_rules_but_the_impulse_wave():
    rules = {t.rule for n in range(len(KINDS)) for t in made_sensor(n).thresholds}
    assert len(rules) == 8
