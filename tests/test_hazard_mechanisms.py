"""Mechanisms of single sensors: closed forms, slow twins, and that they forget."""

import math
import random
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.hazards import cusum
from detect.hazards.background import Background
from detect.hazards.cusum import Cusum
from detect.hazards.displacement import InverseVelocity, Velocity
from detect.hazards.impulse_wave import ImpulseWave, weights
from detect.hazards.latch import HYSTERESIS, Latch
from detect.hazards.level import Level, Rise
from detect.hazards.melt import Melt, lowered_by_degree_days
from detect.hazards.rainfall import Rainfall
from detect.hazards.return_level import ReturnLevel
from detect.hazards.usual import Usual

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
BEGIN = 1_400_000_000 * SECOND

steps = st.lists(
    st.tuples(st.integers(1, 5 * 3600), st.floats(-5.0, 5.0, width=32)), min_size=1, max_size=80
)


def timed(pairs):
    """Rising times from steps in seconds."""
    time_us, made = BEGIN, []
    for step, value in pairs:
        time_us += step * SECOND
        made.append((time_us, value))
    return made


def folded(mechanism, series):
    return [mechanism.fold(*one) for one in series]


class TestUsual:
    @given(steps)
    def test_twin(self, pairs):
        series = timed(pairs)
        usual = Usual(24 * 3600.0, bins=6)
        width = 4 * HOUR
        for count, (time_us, value) in enumerate(series, 1):
            usual.fold(time_us, value)
            now = time_us // width
            bins = {}
            for at, one in series[:count]:
                if now - 6 <= at // width < now:
                    bins.setdefault(at // width, []).append(one)
            if bins:
                assert usual.level == median(median(one) for one in bins.values())
            assert usual.bins == len(bins)

    def test_many_readings_of_one_hour_are_not_usual(self):
        usual = Usual(24 * 3600.0, bins=24)
        for hour in range(20):
            for number in range(500 if hour == 10 else 1):
                usual.fold(BEGIN + hour * HOUR + number, 9.0 if hour == 10 else 1.0)
        assert usual.level == 1.0


class TestLatch:
    @given(steps, st.floats(0.0, 3.0), st.floats(0.0, 2.0))
    def test_a_higher_series_is_set_whenever_the_lower_is(self, pairs, threshold, more):
        low, high = Latch(), Latch()
        for time_us, value in timed(pairs):
            lower = low.fold(time_us, value, threshold)
            assert high.fold(time_us, value + more, threshold) >= lower

    @given(steps, st.floats(0.1, 3.0))
    def test_it_is_set_by_two_of_three_readings_only(self, pairs, threshold):
        latch = Latch()
        series = timed(pairs)
        for count, (time_us, value) in enumerate(series, 1):
            before = latch.set
            if latch.fold(time_us, value, threshold) and not before:
                last = [one for _, one in series[max(0, count - 3) : count]]
                assert sum(one >= threshold for one in last) >= 2

    @given(st.lists(st.floats(0.905, 1.1), min_size=3, max_size=60))
    def test_between_the_threshold_and_a_tenth_below_nothing_flaps(self, values):
        latch = Latch()
        said = [latch.fold(BEGIN + n * 60 * SECOND, one, 1.0) for n, one in enumerate(values)]
        assert said == sorted(said)

    def test_one_reading_neither_sets_nor_releases(self):
        latch = Latch()
        said = [latch.fold(BEGIN + n, v, 1.0) for n, v in enumerate([0, 2, 0, 0, 2, 2, 0, 2, 0, 0])]
        assert said == [False] * 5 + [True] * 3 + [False] * 2

    def test_the_tenth_is_of_the_height_above_the_base(self):
        for base, below in ((0.0, 9.1), (9.0, 9.95)):
            latch = Latch()
            for n, value in enumerate([10.0, 10.0, below, below, below]):
                latch.fold(BEGIN + n, value, 10.0, base)
            assert latch.set
        assert HYSTERESIS == 0.1

    @given(steps, steps, st.floats(-1.0, 1.0))
    def test_what_was_longer_ago_does_not_matter(self, first, then, threshold):
        whole, late = Latch(kept_s=7200.0), Latch(kept_s=7200.0)
        series = timed(first)
        for one in series:
            whole.fold(*one, threshold)
        begin = series[-1][0]
        for number in range(60):
            time_us = begin + (number + 1) * 300 * SECOND
            value = then[number % len(then)][1]
            state = whole.fold(time_us, value, threshold)
            other = late.fold(time_us, value, threshold)
            if time_us - begin > whole.memory_s * SECOND:
                assert state == other

    def test_it_lasts_as_long_as_it_must(self):
        latch = Latch(least_s=4 * 3600.0)
        said = [latch.fold(BEGIN + n * HOUR, v, 1.0) for n, v in enumerate([2, 2] + [0] * 6)]
        assert said == [False, True, True, True, True, True, False, False]

    def test_without_anything_to_compare_it_is_released_after_a_day(self):
        latch = Latch()
        latch.fold(BEGIN, 2.0, 1.0)
        assert latch.fold(BEGIN + 1, 2.0, 1.0)
        assert latch.fold(BEGIN + DAY, None, 1.0)
        assert not latch.fold(BEGIN + DAY + 2, None, 1.0)


class TestLevelAndRise:
    @given(steps)
    def test_twin(self, pairs):
        series = timed(pairs)
        over = 3 * HOUR
        rise = Rise(3 * 3600.0)
        for count, (time_us, value) in enumerate(series, 1):
            assert rise.fold(time_us, value) == pytest.approx(
                self.twin(series[:count], over), abs=1e-9
            )

    @staticmethod
    def twin(series, over):
        supported = []
        for index, (time_us, value) in enumerate(series):
            before = series[index - 1] if index else None
            near = before is not None and time_us - before[0] <= 3 * over
            supported.append((time_us, max(value, before[1]) if near else value))
        now, value = series[-1]
        begin = now - over
        inside = [one for one in supported if one[0] > begin]
        lowest = min(low for _, low in inside)
        outside = [one for one in supported if begin - 2 * over <= one[0] <= begin]
        if outside:
            at, low = outside[-1]
            if at == begin:
                lowest = min(lowest, low)
            else:
                after = inside[0] if len(inside) > 1 else (now, value)
                edge = low + (begin - at) / (after[0] - at) * (after[1] - low)
                lowest = min(edge, *(one for _, one in inside))
        return max(0.0, value - lowest)

    @given(steps)
    def test_what_falls_does_not_rise(self, pairs):
        values = sorted((value for _, value in pairs), reverse=True)
        series = timed([(step, value) for (step, _), value in zip(pairs, values, strict=True)])
        assert set(folded(Rise(3600.0), series)) == {0.0}

    def test_one_reading_too_low_makes_no_rise(self):
        values = [1.0, 1.0, -5.0, 1.0, 1.0, 1.01]
        series = [(BEGIN + n * 600 * SECOND, v) for n, v in enumerate(values)]
        assert max(folded(Rise(3600.0), series)) == pytest.approx(0.01)

    def test_a_gap_spreads_the_rise(self):
        series = [(BEGIN, 1.0), (BEGIN + HOUR, 1.0), (BEGIN + 4 * HOUR, 4.0)]
        assert folded(Rise(3600.0), series)[-1] == pytest.approx(1.0)
        assert folded(Rise(7200.0), series)[-1] == pytest.approx(2.0)

    def test_a_steady_rise_is_its_rate_times_the_span(self):
        series = [(BEGIN + n * 900 * SECOND, 0.05 * n) for n in range(60)]
        assert folded(Rise(7200.0), series)[-1] == pytest.approx(0.4)

    def test_the_level_is_the_value_and_its_base_what_is_usual(self):
        level = Level()
        for number in range(100):
            assert level.fold(BEGIN + number * HOUR, 301.0) == 301.0
        assert level.base == 301.0


class TestCusum:
    def test_thresholds_of_one_false_alarm_a_year(self):
        year_s = 365.25 * 86_400.0
        found = [cusum.threshold(year_s, every) for every in (3600.0, 600.0, 60.0)]
        assert [math.ceil(h * 100) / 100 for h in found] == [7.23, 9.02, 11.32]

    def test_threshold_inverts_the_run_length(self):
        for h in (2.0, 5.0, 11.0):
            assert cusum.threshold(cusum.run_length(h) * 60.0, 60.0) == pytest.approx(h)

    def test_run_length_of_made_noise(self):
        noise = random.Random(3)
        lengths = []
        for _ in range(400):
            total, length = 0.0, 0
            while total < 4.0:
                total = max(0.0, total + noise.gauss(0.0, 1.0) - cusum.ALLOWANCE)
                length += 1
            lengths.append(length)
        assert fmean(lengths) == pytest.approx(cusum.run_length(4.0), rel=0.12)

    @pytest.mark.parametrize("step_s", [3600, 600])
    def test_twin(self, step_s):
        noise = random.Random(1)
        values = [noise.gauss(10.0, 2.0) for _ in range(20 * 86_400 // step_s)]
        series = [(BEGIN + n * step_s * SECOND, v) for n, v in enumerate(values)]
        sums = folded(Cusum(step_s), series)
        usual, strays, total, reset = Usual(cusum.USUAL_S, 336), Usual(cusum.USUAL_S, 336), 0, 0
        for (time_us, value), found in zip(series, sums, strict=True):
            if strays.bins >= 168:
                total += (value - usual.level) / (1.4826 * strays.level) - 0.5
                reset = min(reset, total)
                assert found == pytest.approx(total - reset, abs=1e-6)
            else:
                assert found is None
            if usual.level is not None:
                strays.fold(time_us, abs(value - usual.level))
            usual.fold(time_us, value)

    @pytest.mark.parametrize("step_s", [3600, 600])
    def test_a_shift_of_one_sigma_is_found_in_a_hundred_readings(self, step_s):
        before, after = 12 * 86_400 // step_s, 100
        h = cusum.threshold(365.25 * 86_400.0, step_s)
        found = 0
        for seed in range(10):
            noise = random.Random(seed)
            values = [noise.gauss(0.0, 1.0) + (n >= before) for n in range(before + after)]
            series = [(BEGIN + n * step_s * SECOND, v) for n, v in enumerate(values)]
            sums = [one or 0.0 for one in folded(Cusum(step_s), series)]
            found += max(sums[:before]) < h < max(sums[before:])
        assert found >= 9

    def test_a_series_that_never_varies_says_nothing(self):
        series = [(BEGIN + n * HOUR, 1.0) for n in range(300)]
        assert set(folded(Cusum(3600.0), series)) == {None}


class TestImpulseWave:
    HOURS = 4

    def predicted(self, water, extra=()):
        """Departures of water(seconds), 15 s samples over five hours."""
        wave = ImpulseWave(15.0)
        found = []
        for number in range(self.HOURS * 240 + 240):
            seconds = number * 15.0
            added = dict(extra).get(number, 0.0)
            found.append(wave.fold(BEGIN + number * 15 * SECOND, water(seconds) + added))
        return found

    def test_weights_are_those_published(self):
        found = weights([315.0 + number * 3600.0 for number in range(4)])
        published = [1.16818457031250, -0.28197558593750, 0.14689746093750, -0.03310644531250]
        assert found == pytest.approx(published, abs=1e-14)
        assert sum(published) == pytest.approx(1.0, abs=1e-14)

    def test_each_sample_of_a_mean_counts_by_its_published_weight(self):
        for back, weight in ((20, 1.16818457031250), (20 + 240, -0.28197558593750)):
            found = self.predicted(lambda s: 0.0, [(1000 - back, 41.0)])
            assert found[1000] == pytest.approx(abs(weight), abs=1e-9)

    def test_a_line_is_predicted_exactly(self):
        found = self.predicted(lambda s: 100.0 + 0.001 * s)
        assert found[0] is None
        assert max(one for one in found if one is not None) < 1e-9

    def test_nothing_is_said_in_the_first_three_hours(self):
        found = self.predicted(lambda s: 1.0)
        assert all(one is None for one in found[: 3 * 240])
        assert found[-1] == pytest.approx(0.0, abs=1e-12)

    def test_a_tide_of_a_metre_stays_under_the_threshold(self):
        found = self.predicted(lambda s: math.sin(2 * math.pi * s / (12.42 * 3600)))
        assert max(one for one in found if one is not None) < 0.03

    def test_a_wave_of_minutes_stands_out(self):
        extra = [(1000 + n, 0.2 * math.sin(math.pi * n / 20)) for n in range(20)]
        found = self.predicted(lambda s: 5.0, extra)
        assert max(one for one in found[:1000] if one is not None) < 1e-9
        assert 0.15 < max(found[1000:1020]) < 0.21

    def test_what_is_shaken_is_not_judged_and_predicts_nothing(self):
        wave, calm = ImpulseWave(15.0), ImpulseWave(15.0)
        for number in range(1000):
            time_us = BEGIN + number * 15 * SECOND
            shaken = 900 <= number < 915
            said = wave.fold(time_us, 1.0 + 3.0 * shaken, shaken=shaken)
            if shaken:
                assert said is None
            else:
                assert said == calm.fold(time_us, 1.0)
        assert said == pytest.approx(0.0, abs=1e-12)

    def test_half_the_samples_of_a_mean_are_enough_and_less_are_not(self):
        for keep, known in ((2, True), (3, False)):
            wave = ImpulseWave(15.0)
            for number in range(0, 1000, keep):
                said = wave.fold(BEGIN + number * 15 * SECOND, 1.0)
            assert (said is not None) is known


class TestRainfall:
    def test_even_rain_reaches_the_intercept_of_its_duration(self):
        rain = Rainfall()
        for hour in range(1, 25):
            found = rain.fold(BEGIN + hour * HOUR, 4.0)
            spans = (1, 2, 3, 6, 12, 24)
            assert found == pytest.approx(max(4.0 * min(d, hour) / d * d**0.39 for d in spans))

    @given(st.lists(st.tuples(st.integers(60, 30_000), st.floats(0, 30)), min_size=1, max_size=60))
    def test_twin(self, pairs):
        series = timed(pairs)
        rain = Rainfall()
        for count, (time_us, value) in enumerate(series, 1):
            found = rain.fold(time_us, value)
            reached = 0.0
            for hours in (1, 2, 3, 6, 12, 24):
                total = sum(v for t, v in series[:count] if time_us - t < hours * HOUR)
                reached = max(reached, total / hours * hours**0.39)
            assert found * (1 - 0.5 * rain.index / (rain.index + 50)) == pytest.approx(
                reached, abs=1e-4
            )

    def test_caine(self):
        for hours in (1, 6, 24):
            rain = Rainfall()
            each = 14.82 * hours**-0.39
            found = [rain.fold(BEGIN + h * HOUR, each) for h in range(1, hours + 1)]
            assert found[-1] == pytest.approx(14.82)

    def test_antecedent_index_sinks_by_the_day(self):
        rain = Rainfall()
        rain.fold(BEGIN, 100.0)
        hour = BEGIN // HOUR
        for day in (2, 5, 10, 20):
            rain.fold(BEGIN + day * DAY, 0.0)
            gone = ((BEGIN + day * DAY) // HOUR - hour) / 24
            assert rain.index == pytest.approx(100.0 * 0.88**gone)
        rain.fold(BEGIN + 40 * DAY, 0.0)
        assert rain.index == 0.0

    def test_on_wet_ground_the_same_rain_counts_more_and_at_most_twice(self):
        dry, wet = Rainfall(), Rainfall()
        for day in range(20):
            wet.fold(BEGIN + day * DAY, 500.0)
            dry.fold(BEGIN + day * DAY, 0.0)
        at = BEGIN + 22 * DAY
        on_wet, on_dry = wet.fold(at, 10.0), dry.fold(at, 10.0)
        assert on_dry < on_wet < 2.0 * on_dry
        assert on_wet == pytest.approx(on_dry / (1.0 - 0.5 * wet.index / (wet.index + 50.0)))

    @given(
        st.lists(st.tuples(st.integers(60, 30_000), st.floats(0, 30)), min_size=1, max_size=40),
        st.integers(0, 39),
        st.floats(0.0, 10.0),
    )
    def test_more_rain_never_counts_less(self, pairs, index, more):
        less_rain, more_rain = Rainfall(), Rainfall()
        for number, (time_us, fallen) in enumerate(timed(pairs)):
            low = less_rain.fold(time_us, fallen)
            high = more_rain.fold(time_us, fallen + (more if number == index else 0.0))
            assert high >= low - 1e-9


class TestDisplacement:
    def test_a_steady_slope_moves_at_its_velocity_whatever_single_readings_say(self):
        velocity = Velocity()
        values = [12.0 * n / 144 for n in range(300)]
        values[250] = 900.0
        series = [(BEGIN + n * 600 * SECOND, v) for n, v in enumerate(values)]
        found = folded(velocity, series)
        assert found[0] is None
        assert found[240] == pytest.approx(12.0)
        assert found[-1] == pytest.approx(12.0, rel=0.03)

    def test_inverse_velocity_finds_the_time_of_failure(self):
        failure_h = 100.0
        inverse = InverseVelocity()
        said = []
        for number in range(6 * 95):
            hours = number / 6
            moved = -40.0 * math.log(failure_h - hours)
            said.append((hours, inverse.fold(BEGIN + number * 600 * SECOND, moved)))
        hours, rate = said[-1]
        assert 1.0 / rate == pytest.approx(failure_h - hours, abs=4.0)
        rates = [one for at, one in said if one is not None and at > 80.0]
        assert rates == sorted(rates)

    @pytest.mark.parametrize("shape", [lambda h: 0.0, lambda h: 3.0 * h, lambda h: -math.exp(-h)])
    def test_a_slope_that_does_not_accelerate_has_no_time_of_failure(self, shape):
        noise = random.Random(5)
        inverse = InverseVelocity()
        for number in range(1000):
            moved = shape(number / 6) + noise.gauss(0.0, 0.01)
            said = inverse.fold(BEGIN + number * 600 * SECOND, moved)
            assert said is None or said < 1 / 24

    def test_a_slope_that_stands_still_has_none_either(self):
        inverse = InverseVelocity()
        assert {inverse.fold(BEGIN + n * 600 * SECOND, 7.0) for n in range(1000)} == {None}


def test_background_is_a_multiple_of_what_is_usual():
    background = Background()
    found = folded(background, [(BEGIN + n * HOUR, 0.1) for n in range(50)])
    assert found[0] is None
    assert found[-1] == pytest.approx(1.0)
    assert background.fold(BEGIN + 50 * HOUR, 0.5) == pytest.approx(5.0)
    assert Background().fold(BEGIN, 0.0) is None


class TestReturnLevel:
    @staticmethod
    def fed(values, days=10, **shape):
        """One value a block, said twice, and a reading that closes the last block."""
        gauge = ReturnLevel(**shape)
        begin = BEGIN // (10 * DAY) * 10 * DAY
        for number, value in enumerate(values):
            for part in (1, 2, 3):
                gauge.fold(begin + number * days * DAY + part * DAY, value)
        gauge.fold(begin + len(values) * days * DAY, 0.0)
        return gauge

    def test_exponential_peaks_have_their_closed_form(self):
        noise = random.Random(11)
        values = [noise.expovariate(2.0) for _ in range(365)]
        gauge = self.fed(values)
        for years in (1.0, 2.0):
            exact = math.log(36.525 * years) / 2.0
            assert gauge.level(years) == pytest.approx(exact, rel=0.15)

    def test_twin_of_the_fit(self):
        def fit(blocks):
            count = round(len(blocks) * 6 / 36.525)
            return blocks[count], fmean(blocks[:count]) - blocks[count]

        def twin(values):
            ordered = sorted(values, reverse=True)
            above, scale = fit(ordered[2:])
            most = above + scale * math.log(60)
            above, scale = fit([min(one, most) for one in ordered])
            return above + scale * math.log(12)

        risen = set()
        for blocks in range(170, 200):
            values = [0.1 * (n % 36) for n in range(blocks)]
            newest, month_ago = twin(values), twin(values[:-3])
            risen.add(newest > month_ago)
            assert self.fed(values).level(2.0) == pytest.approx(min(newest, month_ago))
        assert risen == {True, False}

    def test_nothing_is_known_before_half_a_year(self):
        assert self.fed([1.0] * 17).level(2.0) is None
        assert self.fed([1.0] * 18).level(2.0) is not None

    def test_a_prior_helps_out_and_fades(self):
        assert self.fed([], prior=(0.76, 0.5)).level(2.0) == pytest.approx(2.0, abs=0.01)
        known = [0.1 * (n % 36) for n in range(360)]
        helped = self.fed(known, prior=(50.0, 50.0)).level(2.0)
        alone = self.fed(known).level(2.0)
        assert self.fed(known[:20], prior=(50.0, 50.0)).level(2.0) > 2 * helped > 2 * alone

    def test_one_flood_does_not_lift_the_alarm_above_the_next(self):
        noise = random.Random(12)
        usual = [noise.uniform(0.0, 1.0) for _ in range(150)]
        calm, after = self.fed(usual).level(2.0), self.fed([*usual, 50.0]).level(2.0)
        assert calm <= after < 2.0 * calm

    def test_floods_of_a_month_do_not_lift_the_alarm_above_the_next(self):
        """Three in a young record: a month long it stands where it stood, then it has learnt."""
        gauge = ReturnLevel((0.76, 0.5))
        alarms = []
        for day in range(500):
            high = 4.0 if day in (402, 412, 422) else 0.5 + 0.1 * (day % 7)
            for hour in (0, 6, 12, 18):
                gauge.fold(BEGIN // (10 * DAY) * 10 * DAY + day * DAY + hour * HOUR, high)
            alarms.append(gauge.level(2.0))
        assert max(alarms[402:430]) == pytest.approx(alarms[401], abs=0.1)
        assert alarms[460] > 1.3 * alarms[401]

    def test_a_young_record_is_told_by_what_is_usual_and_not_by_its_first_reading(self):
        gauge = ReturnLevel((0.76, 0.5))
        for hour in range(48):
            gauge.fold(BEGIN + hour * HOUR, 9.0 if hour == 0 else 0.5)
        assert gauge.level(2.0) == pytest.approx(2.5, abs=0.01)

    @given(st.lists(st.floats(0.0, 9.0), min_size=20, max_size=60), st.floats(0.1, 100.0))
    def test_units_do_not_matter(self, values, unit):
        plain, scaled = self.fed(values), self.fed([unit * v for v in values])
        assert scaled.level(2.0) == pytest.approx(unit * plain.level(2.0), rel=1e-6, abs=1e-9)
        assert plain.level(0.5) <= plain.level(2.0) <= plain.level(10.0)

    def test_one_reading_too_high_is_no_peak(self):
        gauge, spiky = ReturnLevel(), ReturnLevel()
        for number in range(400 * 4):
            time_us, value = BEGIN + number * 6 * HOUR, 1.0 + 0.1 * (number % 7)
            gauge.fold(time_us, value)
            spiky.fold(time_us, 99.0 if number % 200 == 50 else value)
        assert spiky.level(2.0) == pytest.approx(gauge.level(2.0), abs=0.05)

    def test_discharge_goes_by_its_depth(self):
        values = [10.0 + n % 30 for n in range(100)]
        depth = self.fed([v**0.6 for v in values]).level(2.0)
        assert self.fed(values, power=0.6).level(2.0) == pytest.approx(depth ** (1 / 0.6))


class TestMelt:
    def test_the_factor(self):
        assert lowered_by_degree_days(-3.0) == 1.0
        assert lowered_by_degree_days(12.5) == pytest.approx(0.85)
        assert lowered_by_degree_days(1000.0) == pytest.approx(0.7)

    def test_five_days_of_heat(self):
        melt = Melt()
        begin = BEGIN // DAY * DAY
        factors = []
        for hour in range(45 * 24):
            heat = 5.0 if hour >= 40 * 24 else 0.0
            factors.append(melt.fold(begin + hour * HOUR, 10.0 + heat))
        assert set(factors[: 41 * 24]) == {1.0}
        assert melt.fold(begin + 45 * DAY, 15.0) == pytest.approx(0.7)

    def test_frost_lowers_nothing(self):
        melt = Melt()
        for hour in range(45 * 24):
            assert melt.fold(BEGIN + hour * HOUR, -20.0 + hour / 200) == 1.0
