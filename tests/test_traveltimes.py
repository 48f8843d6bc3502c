"""Travel-time tables against obspy.taup, and the compiled lookup against a slow twin."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect import traveltimes
from detect.traveltimes import TravelTimes, UnknownModelError, interpolate, load

ak135 = load()


def slow_interpolate(table, depth_step, distance_step, distance_km, depth_km):
    """Bilinear interpolation of the mean slowness, written another way."""
    depths = np.arange(table.shape[0]) * depth_step
    distances = np.arange(table.shape[1]) * distance_step
    depth = float(np.clip(depth_km, 0, depths[-1]))

    def inside(distance):
        rows = [np.interp(distance, distances, row.astype(float)) for row in table]
        return float(np.interp(depth, depths, rows)) * math.sqrt(distance**2 + depth**2)

    if distance_km <= distances[-1]:
        return inside(max(distance_km, 0.0))
    slope = (inside(distances[-1]) - inside(distances[-2])) / distance_step
    return inside(distances[-1]) + slope * (distance_km - distances[-1])


@pytest.mark.parametrize("wave", ["p", "s"])
def test_first_arrivals_are_those_of_taup(wave):
    from obspy.taup import TauPyModel

    model = TauPyModel("ak135")
    random = np.random.default_rng(20190706)
    near = zip(random.uniform(0, 200, 30), random.uniform(0, 50, 30), strict=True)
    far = zip(random.uniform(0, 1000, 30), random.uniform(0, 300, 30), strict=True)
    for distance, depth in [*near, *far, (0.0, 0.0), (0.0, 12.5), (3.0, 0.0), (1000.0, 300.0)]:
        arrivals = model.get_travel_times(depth, math.degrees(distance / 6371), ["tt" + wave])
        first = min((a.time for a in arrivals), default=0.0)
        assert getattr(ak135, wave)(distance, depth) == pytest.approx(first, abs=0.1)


@given(
    distance=st.floats(-10, 1500),
    depth=st.floats(-10, 400),
    wave=st.sampled_from(["p_slowness", "s_slowness"]),
)
def test_lookup_equals_slow_twin(distance, depth, wave):
    table = getattr(ak135, wave)
    steps = (ak135.depth_step, ak135.distance_step)
    expected = slow_interpolate(table, *steps, distance, depth)
    assert interpolate(table, *steps, distance, depth) == pytest.approx(expected, rel=1e-6)


def test_time_grows_with_distance_and_s_comes_after_p():
    for depth in np.linspace(0, 310, 63):
        distances = np.arange(0, 1300, 1.7)
        p = [ak135.p(x, depth) for x in distances]
        s = [ak135.s(x, depth) for x in distances]
        assert np.all(np.diff(p) > 0)
        assert np.all(np.diff(s) > 0)
        assert np.all(np.array(s)[1:] > np.array(p)[1:])


def test_nan_gives_nan_and_edges_are_held():
    assert math.isnan(ak135.p(math.nan, 10.0))
    assert math.isnan(ak135.s(10.0, math.nan))
    assert ak135.p(-5.0, 10.0) == ak135.p(0.0, 10.0)
    assert ak135.p(100.0, 900.0) == ak135.p(100.0, 300.0)
    assert ak135.p(math.inf, 10.0) == math.inf


def test_shipped_table_is_what_the_builder_makes(tmp_path: Path):
    traveltimes.main(["ak135", str(tmp_path / "again.npz")])
    with np.load(tmp_path / "again.npz") as again:
        np.testing.assert_allclose(again["p_slowness"], ak135.p_slowness, rtol=1e-6)
        np.testing.assert_allclose(again["s_slowness"], ak135.s_slowness, rtol=1e-6)
    shipped = Path(traveltimes.__file__).with_name("ak135.npz")
    assert shipped.stat().st_size < 200_000


def test_other_models_are_built_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = load("iasp91")
    monkeypatch.setattr(traveltimes, "build", lambda model: pytest.fail("built twice"))
    kept = load("iasp91")
    assert isinstance(kept, TravelTimes)
    np.testing.assert_array_equal(kept.p_slowness, built.p_slowness)
    assert (kept.model, kept.depth_step) == ("iasp91", built.depth_step)


def test_a_model_file_is_built(tmp_path, monkeypatch):
    import obspy.taup

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = Path(obspy.taup.__file__).parent / "data" / "ak135.tvel"
    path = tmp_path / "mine.tvel"
    path.write_bytes(source.read_bytes())
    mine = load(path)
    np.testing.assert_allclose(mine.p_slowness, ak135.p_slowness, rtol=2e-3)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert (tmp_path / "cache" / "alatau" / "traveltimes" / f"mine-{digest}.npz").exists()


@pytest.mark.parametrize("name", ["ak136", "missing.tvel", "README.md"])
def test_unknown_model_names_the_known_ones(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UnknownModelError, match="iasp91"):
        load(name)
