"""The evidence in vector lanes against a slow twin, one cell and one station at a time."""

import math

import evidence_twin as twin
import numpy as np
import pytest

from detect import evidence as e
from detect.traveltimes import load

pytestmark = pytest.mark.kernel

ak135 = load()
AROUND = (43.0, 77.0)
SILENT_AFTER_S = 2.0
NEAR = 2e-6  # the kernel has distances from a series for the arc: within 0.1 m at 500 km


def made_rows(random, onsets, silent):
    """Reports of an earthquake, of all kinds: early and late, loud and not, doubted, with S."""
    source = 43.0 + random.normal() * 0.3, 77.0 + random.normal() * 0.4, random.uniform(3.0, 50.0)
    rows = np.full((onsets + silent, e.COLUMNS), math.nan)
    rows[:, e.LATITUDE] = 43.0 + random.normal(0.0, 0.6, len(rows))
    rows[:, e.LONGITUDE] = 77.0 + random.normal(0.0, 0.8, len(rows))
    rows[:, e.TRUST] = random.choice([1.0, 0.9, 0.3], len(rows))
    rows[:, e.SHARE] = random.choice([1.0, 1.0, 0.5], len(rows))
    rows[:, e.ACCELEROMETER] = random.integers(0, 2, len(rows))
    rows[:, e.NOISE] = random.uniform(-6.0, -3.5, len(rows))
    rows[:, e.OTHER], rows[:, e.SIGMA], rows[:, e.ELAPSED] = 1.0, 1.0, 0.0
    size = random.uniform(3.5, 7.5)
    for i, row in enumerate(rows):
        distance = twin.distance_azimuth(*source[:2], row[e.LATITUDE], row[e.LONGITUDE])[0]
        if i >= onsets:
            row[e.UNTIL] = ak135.p(distance, source[2]) + random.normal(2.0, 4.0)
            continue
        late = ak135.s if random.random() < 0.2 else ak135.p
        row[e.TIME] = late(distance, source[2]) + random.standard_t(2)
        row[e.SIGMA] = random.uniform(0.1, 0.6)
        row[e.OTHER] = 10.0 ** random.uniform(-3.3, -1.0)
        row[e.ELAPSED] = random.exponential(4.0)
        if random.random() < 0.8:
            peak = e.s_amplitude(row[e.ACCELEROMETER] == 1.0, size, distance, source[2])
            row[e.AMPLITUDE] = peak - 0.6 + random.normal() * 0.4
        if random.random() < 0.7:
            row[e.ELAPSED] += random.exponential(10.0)
            row[e.HALF_GROWN] = row[e.ELAPSED] * random.uniform(0.01, 1.0)
        for k in range(random.integers(0, 4)):
            row[e.LATER + k] = row[e.TIME] + random.uniform(1.0, 20.0)
    return rows


def made_cells(random, count):
    cells = np.zeros((count, e.CELL_FIELDS))
    cells[:, e.EAST], cells[:, e.NORTH] = random.normal(0.0, 60.0, (2, count))
    cells[:, e.HALF] = 12.0 * 0.5 ** random.integers(0, 5, count)
    cells[:, e.HALF_DEPTH] = 10.0 * 0.5 ** random.integers(0, 4, count)
    cells[:, e.DEPTH] = random.uniform(1.0, 59.0, count)
    return cells


def no_times():
    """Travel times at depths that are kept from call to call: none yet."""
    return np.empty(e.SLOTS * 2 * ak135.p_slowness.shape[1]), np.zeros(e.SLOTS + 1)


def judged(cells, rows, onsets, kept=None):
    """The cells with what is said of them, and what each report says of each: [report, cell, 2]."""
    vectors = np.empty((len(rows), 3))
    for row, vector in zip(rows, vectors, strict=True):
        e._unit(row[e.LATITUDE], row[e.LONGITUDE], vector)
    growing = e.GROWING_SIGMA * np.exp(-rows[:onsets, e.ELAPSED])
    cells = cells.copy()
    work = np.zeros(len(rows) * int(e.OF_STATION))
    e._judge(
        cells, *AROUND, rows, vectors, onsets, 1.0 / np.hypot(e.AMPLITUDE_SIGMA, growing),
        ak135.p_slowness, ak135.s_slowness, SILENT_AFTER_S,
        *(no_times() if kept is None else kept), np.empty(4 * e.LANES),
        np.empty(int(e.OF_CELLS)), work,
    )  # fmt: skip
    table = work.reshape(len(rows), -1, e.LANES)[:, :, : len(cells)]
    says = [table[:, int(row) // e.LANES] for row in (e.BELONGS, e.BELONGS_S)]
    return cells, np.stack(says, axis=2)


@pytest.mark.parametrize(("onsets", "silent"), [(1, 0), (2, 3), (3, 9), (12, 8), (31, 0)])
@pytest.mark.parametrize("seed", range(4))
def test_a_cell_is_judged_as_by_the_twin(onsets, silent, seed):
    random = np.random.default_rng(100 * onsets + seed)
    rows = made_rows(random, onsets, silent)
    cells, says = judged(made_cells(random, e.LANES - seed), rows, onsets)
    for k, cell in enumerate(cells):
        log_p, origin, magnitude, finest, reports = twin.judge(
            cell, AROUND, rows, onsets, ak135, SILENT_AFTER_S
        )
        assert cell[e.LOG_DENSITY] == pytest.approx(log_p, abs=NEAR)
        assert cell[e.ORIGIN] == pytest.approx(origin, abs=NEAR)
        assert cell[e.MAGNITUDE] == pytest.approx(magnitude, abs=NEAR)
        assert cell[e.FINEST] == pytest.approx(finest, abs=NEAR)
        assert says[:, k, 0] == pytest.approx([r.belongs for r in reports], abs=NEAR)
        assert says[:onsets, k, 1] == pytest.approx(
            [r.belongs_s for r in reports[:onsets]], abs=NEAR
        )


def test_a_cell_gets_the_same_bits_in_any_lane_and_company():
    random = np.random.default_rng(5)
    rows = made_rows(random, 9, 7)
    cells = made_cells(random, e.LANES)
    cells[4:, e.EAST], cells[4:, e.NORTH] = cells[:4, e.EAST], cells[:4, e.NORTH]
    cells[2:4, e.DEPTH] = cells[1, e.DEPTH]
    together, says = judged(cells, rows, 9)
    for k in range(e.LANES):
        alone, of_alone = judged(cells[k : k + 1], rows, 9)
        assert alone.tobytes() == together[k : k + 1].tobytes()
        assert of_alone.tobytes() == says[:, k : k + 1].tobytes()


def test_travel_times_are_kept_only_of_the_depth_that_they_are_of():
    random = np.random.default_rng(6)
    rows = made_rows(random, 4, 3)
    kept = no_times()
    for _ in range(10):
        cells = made_cells(random, e.LANES)
        cells[:, e.DEPTH] = 60.0 / 41.0 * random.integers(1, 41, e.LANES)
        cells[0, e.DEPTH] = random.uniform(1.0, 59.0)
        again, says = judged(cells, rows, 4, kept)
        fresh, said = judged(cells, rows, 4)
        assert again.tobytes() == fresh.tobytes()
        assert says.tobytes() == said.tobytes()


@pytest.mark.parametrize(("onsets", "silent"), [(2, 3), (5, 12), (17, 0)])
@pytest.mark.parametrize("loud", [True, False])
def test_a_plane_wave_is_judged_as_by_the_twin(onsets, silent, loud):
    rows = made_rows(np.random.default_rng(onsets), onsets, silent)
    if not loud:
        rows[:, e.AMPLITUDE] = math.nan
    found = e.plane_wave(*AROUND, rows, onsets, SILENT_AFTER_S)
    assert found == pytest.approx(twin.plane_wave(AROUND, rows, onsets, SILENT_AFTER_S), abs=NEAR)


def test_a_plane_wave_begins_when_some_onset_does():
    """Twelve onsets that no wave has in common: it may have made one of them."""
    rows = made_rows(np.random.default_rng(3), 12, 0)
    rows[:, e.AMPLITUDE], rows[:, e.OTHER], rows[:, e.TRUST] = math.nan, 1e-6, 1.0
    rows[:, e.TIME] = 1000.0 * np.arange(12) ** 2
    one = e.plane_wave(*AROUND, rows[:1], 1, SILENT_AFTER_S)
    assert e.plane_wave(*AROUND, rows, 12, SILENT_AFTER_S) > one - 12.0


def test_exp_and_log_are_those_of_the_library():
    random = np.random.default_rng(1)
    for x in (*random.uniform(-700.0, 700.0, 300), *random.normal(0.0, 2.0, 300), 0.0):
        assert e._exp(x) == pytest.approx(math.exp(x), rel=1e-13)
    for x in (*10.0 ** random.uniform(-300.0, 300.0, 300), *random.uniform(0.5, 2.0, 300), 1.0):
        assert e._log(x) == pytest.approx(math.log(x), rel=1e-14, abs=1e-15)
    assert e._exp(-1e9) == pytest.approx(math.exp(-700.0), rel=1e-13)
