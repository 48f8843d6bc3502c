"""STA/LTA for researchers: against slow twins and obspy, and what it does where obspy is lost."""

import doctest
import platform
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from obspy import read
from obspy.signal.trigger import classic_sta_lta, recursive_sta_lta

from detect import sta_lta
from detect.sta_lta import LARGEST, SMALLEST, RecursiveSTALTA, classic, recursive

RIDGECREST = Path(__file__).parents[1] / "benchmarks" / "events" / "ridgecrest-2019-near"
LENGTHS = [(1, 2), (1, 40), (7, 40), (39, 40), (20, 80)]


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(scale=1000.0, size=n)


def slow_recursive(x, nsta, nlta):
    a, b = 1.0 / nsta, 1.0 / nlta
    sta = lta = 0.0
    ratio = [0.0]
    for value in x.tolist()[1:]:
        square = value * value
        sta = a * square + (1.0 - a) * sta
        lta = b * square + (1.0 - b) * lta
        ratio.append(sta / lta)
    return np.array([0.0] * nlta + ratio[nlta:])


def slow_classic(x, nsta, nlta):
    ratio = np.zeros(len(x))
    for i in range(nlta - 1, len(x)):
        ratio[i] = np.mean(x[i + 1 - nsta : i + 1] ** 2) / np.mean(x[i + 1 - nlta : i + 1] ** 2)
    return ratio


def assert_same_as_obspy(ours, obspy):
    """Bit for bit; other machines' compilers may fuse obspy's multiplications and additions."""
    if platform.machine() in ("x86_64", "AMD64"):
        np.testing.assert_array_equal(ours, obspy)
    else:
        np.testing.assert_allclose(ours, obspy, rtol=1e-11)


squarable = st.one_of(
    st.floats(1e-140, 1e140),
    st.floats(-1e140, -1e-140),
    st.integers(-(2**31), 2**31 - 1).filter(bool).map(float),
)


@pytest.mark.kernel
@pytest.mark.parametrize(("nsta", "nlta"), LENGTHS)
def test_recursive_has_the_bits_of_the_formula_and_of_obspy(nsta, nlta):
    x = noise(300)
    ratio = recursive(x, nsta, nlta)
    np.testing.assert_array_equal(ratio, slow_recursive(x, nsta, nlta))
    assert_same_as_obspy(ratio, recursive_sta_lta(x, nsta, nlta))
    assert ratio[nlta] > 0


@pytest.mark.kernel
@given(st.data(), st.integers(1, 10), st.integers(1, 20))
@settings(max_examples=200)
def test_recursive_has_the_bits_of_obspy_at_any_amplitude(data, nsta, more):
    nlta = nsta + more
    x = data.draw(hnp.arrays(np.float64, st.integers(nlta + 1, nlta + 40), elements=squarable))
    assert_same_as_obspy(recursive(x, nsta, nlta), recursive_sta_lta(x, nsta, nlta))


@pytest.mark.parametrize("path", sorted(RIDGECREST.glob("*.mseed")), ids=lambda p: p.stem)
def test_recursive_has_the_bits_of_obspy_on_a_recording(path):
    traces = read(str(path))
    assert len(traces)
    for trace in traces:
        assert trace.stats.npts > 1000
        ratio = recursive(trace.data, 50, 1000)
        assert_same_as_obspy(ratio, recursive_sta_lta(trace.data, 50, 1000))


@pytest.mark.kernel
def test_the_first_sample_only_starts_the_clock_as_in_obspy():
    x = noise(100)
    loud = x.copy()
    loud[0] = 1e9
    np.testing.assert_array_equal(recursive(loud, 3, 20), recursive(x, 3, 20))
    assert_same_as_obspy(recursive(loud, 3, 20), recursive_sta_lta(loud, 3, 20))


@pytest.mark.kernel
@pytest.mark.parametrize("n", [0, 1, 19, 20])
def test_recursive_says_nothing_before_the_long_average_is_complete(n):
    """Obspy leaves these short results as the memory happened to be."""
    ratio = recursive(noise(n), 3, 20)
    assert ratio.dtype == np.float64
    np.testing.assert_array_equal(ratio, np.zeros(n))
    assert recursive(noise(21), 3, 20)[20] > 0


@pytest.mark.kernel
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.1 * LARGEST, -1e200])
@pytest.mark.parametrize("ratio_of", [recursive, classic])
def test_a_missing_sample_is_left_out_and_nothing_else_suffers(ratio_of, bad):
    x = noise(200)
    missing = np.zeros(200, bool)
    missing[[0, 5, 60, 61, 62, 150, 199]] = True
    x[missing] = bad
    ratio = ratio_of(x, 5, 30)
    np.testing.assert_array_equal(np.isnan(ratio), missing)
    np.testing.assert_array_equal(ratio[~missing], ratio_of(x[~missing], 5, 30))


def test_one_missing_sample_spoils_the_rest_for_obspy():
    x = noise(200)
    x[60] = np.nan
    assert np.isnan(recursive_sta_lta(x, 5, 30)[60:]).all()
    assert np.isnan(classic_sta_lta(x, 5, 30)[60:]).all()


@pytest.mark.kernel
@pytest.mark.parametrize("ratio_of", [recursive, classic])
def test_the_largest_sample_still_counts(ratio_of):
    x = np.full(100, LARGEST)
    x[::2] *= -1
    np.testing.assert_allclose(ratio_of(x, 5, 30), ratio_of(x / LARGEST, 5, 30), rtol=1e-12)


@pytest.mark.kernel
@pytest.mark.parametrize("ratio_of", [recursive, classic])
def test_masked_samples_are_missing(ratio_of):
    counts = np.ma.masked_array(np.arange(-60, 60), np.arange(120) % 17 == 3)
    values = counts.astype(np.float64).filled(np.nan)
    np.testing.assert_array_equal(ratio_of(counts, 4, 20), ratio_of(values, 4, 20))


@pytest.mark.kernel
@pytest.mark.parametrize("ratio_of", [recursive, classic])
def test_silence_is_zero_and_what_comes_after_it_counts(ratio_of):
    x = np.zeros(200)
    np.testing.assert_array_equal(ratio_of(x, 4, 20), 0.0)
    x[150] = 1.0
    ratio = ratio_of(x, 4, 20)
    np.testing.assert_array_equal(ratio[:150], 0.0)
    assert ratio[150] == pytest.approx(20 / 4, rel=1e-15)


def test_obspy_divides_zero_by_zero_in_silence():
    x = np.zeros(200)
    x[150] = 1.0
    obspy = recursive_sta_lta(x, 4, 20)
    assert np.isnan(obspy[20:150]).all()
    assert_same_as_obspy(recursive(x, 4, 20)[150:], obspy[150:])


@pytest.mark.kernel
def test_averages_end_at_zero_and_never_linger_below_the_smallest():
    x = np.zeros(3000)
    x[:60] = noise(60)
    ratio = RecursiveSTALTA(2, 4)
    held = []
    for sample in x:
        ratio.update([[sample]])
        held += [ratio.short[0], ratio.long[0]]
    small = np.array(held)
    assert ((small == 0) | (small >= SMALLEST)).all()
    assert ratio.short[0] == ratio.long[0] == 0.0
    ours, obspy = recursive(x, 2, 4), recursive_sta_lta(x, 2, 4)
    begun = slice(0, 1000)
    assert_same_as_obspy(ours[begun], obspy[begun])
    assert ours[-1] == 0.0
    x[-1] = 1.0
    assert recursive(x, 2, 4)[-1] == 2.0


@pytest.mark.kernel
def test_amplitudes_whose_squares_lose_digits_are_silence():
    np.testing.assert_array_equal(recursive(np.full(100, 1e-160), 3, 20), 0.0)
    np.testing.assert_array_equal(classic(np.full(100, 1e-160), 3, 20), 0.0)


@pytest.mark.kernel
@pytest.mark.parametrize("ratio_of", [recursive, classic])
@pytest.mark.parametrize("kind", [np.int16, np.int32, np.int64, np.uint8, np.float32, ">i4", ">f8"])
def test_any_real_numbers_count_as_float64_and_stay_as_they_were(ratio_of, kind):
    x = np.abs(noise(200) / 20).astype(kind)
    before = x.copy()
    ratio = ratio_of(x, 5, 30)
    np.testing.assert_array_equal(ratio, ratio_of(x.astype(np.float64), 5, 30))
    np.testing.assert_array_equal(x, before)
    if ratio_of is recursive:
        assert_same_as_obspy(ratio, recursive_sta_lta(x, 5, 30))


@pytest.mark.kernel
@pytest.mark.parametrize("ratio_of", [recursive, classic])
def test_rows_are_channels_and_strides_do_not_matter(ratio_of):
    x = noise(450).reshape(150, 3).T
    ratio = ratio_of(x, 5, 30)
    assert ratio.shape == (3, 150)
    for row, result in zip(x, ratio, strict=True):
        np.testing.assert_array_equal(result, ratio_of(row.copy(), 5, 30))
        np.testing.assert_array_equal(result, ratio_of(row, 5, 30))
        np.testing.assert_array_equal(result, ratio_of(row.tolist(), 5, 30))


@pytest.mark.kernel
@pytest.mark.parametrize("ratio_of", [recursive, classic])
@pytest.mark.parametrize("shape", [(0,), (0, 7), (3, 0)])
def test_nothing_in_nothing_out(ratio_of, shape):
    assert ratio_of(np.empty(shape), 2, 5).shape == shape


@pytest.mark.parametrize("ratio_of", [recursive, classic])
@pytest.mark.parametrize(
    ("x", "says"),
    [
        (1.0, r"\[n\] or \[channels, n\], not \[\]"),
        (np.ones((2, 3, 4)), r"not \[2, 3, 4\]"),
        (np.ones(9, complex), "not complex128"),
        (np.ones(9, bool), "not bool"),
        (["1", "2"], "real numbers, not <U1"),
        ([None, 1.0], "not object"),
    ],
)
def test_what_is_no_trace_is_refused(ratio_of, x, says):
    with pytest.raises(ValueError, match=says):
        ratio_of(x, 2, 5)


@pytest.mark.parametrize("ratio_of", [recursive, classic, lambda _, a, b: RecursiveSTALTA(a, b)])
@pytest.mark.parametrize(
    ("nsta", "nlta", "says"),
    [
        (5, 5, "nsta must be less than nlta, not 5 with nlta 5"),
        (6, 5, "nsta must be less than nlta"),
        (0, 5, "nsta must be a whole number of samples, 1 or more, not 0"),
        (-3, 5, "nsta must be"),
        (1, 0, "nlta must be a whole number of samples, 1 or more, not 0"),
        (2.5, 5, "not 2.5"),
        (2, 5.0, "nlta must be a whole number of samples, 1 or more, not 5.0"),
        (True, 5, "not True"),
        (2, float("nan"), "not nan"),
        ("2", 5, "not '2'"),
    ],
)
def test_lengths_without_meaning_are_refused(ratio_of, nsta, nlta, says):
    with pytest.raises(ValueError, match=says):
        ratio_of(noise(20), nsta, nlta)


def test_lengths_may_be_numpy_integers():
    x = noise(50)
    np.testing.assert_array_equal(recursive(x, np.int64(3), np.int32(9)), recursive(x, 3, 9))
    np.testing.assert_array_equal(classic(x, np.int64(3), np.int32(9)), classic(x, 3, 9))


@pytest.mark.kernel
@pytest.mark.parametrize(("nsta", "nlta"), LENGTHS)
@pytest.mark.parametrize("n", [1, 39, 40, 41, 79, 80, 81, 333])
def test_classic_is_the_mean_squares_of_each_window(nsta, nlta, n):
    x = noise(n)
    ratio = classic(x, nsta, nlta)
    np.testing.assert_allclose(ratio, slow_classic(x, nsta, nlta), rtol=1e-12, atol=0)
    if n >= nlta:
        np.testing.assert_allclose(ratio, classic_sta_lta(x, nsta, nlta), rtol=1e-10, atol=0)


def test_classic_keeps_its_digits_over_long_windows():
    x = noise(20_000)
    np.testing.assert_allclose(classic(x, 100, 6000), slow_classic(x, 100, 6000), rtol=1e-12)


@pytest.mark.kernel
def test_a_spike_spoils_classic_only_while_it_is_in_a_window():
    x = noise(400)
    spiked = x.copy()
    spiked[100] = 1e9
    ratio = classic(spiked, 7, 40)
    np.testing.assert_allclose(ratio, slow_classic(spiked, 7, 40), rtol=1e-12)
    np.testing.assert_array_equal(ratio[140:], classic(x, 7, 40)[140:])
    np.testing.assert_array_equal(ratio[:100], classic(x, 7, 40)[:100])
    lost = classic_sta_lta(spiked, 7, 40)[140:] / ratio[140:] - 1
    assert np.abs(lost).max() > 1e-6


@pytest.mark.kernel
@given(st.data())
@settings(max_examples=100)
def test_any_cut_into_chunks_gives_the_same_bits(data):
    elements = st.one_of(squarable, st.sampled_from([0.0, np.nan, np.inf]))
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(0, 60)))
    x = data.draw(hnp.arrays(np.float64, shape, elements=elements))
    cuts = sorted(data.draw(st.lists(st.integers(0, shape[1]), max_size=12)))
    stream = RecursiveSTALTA(3, 11, channels=shape[0])
    parts = [stream.update(x[:, a:b]) for a, b in zip([0, *cuts], [*cuts, shape[1]], strict=True)]
    whole = RecursiveSTALTA(3, 11, channels=shape[0])
    ratio = whole.update(x)
    assert np.concatenate(parts, axis=1).tobytes() == ratio.tobytes()
    assert recursive(x, 3, 11).tobytes() == ratio.tobytes()
    for name in ("short", "long", "used"):
        assert getattr(stream, name).tobytes() == getattr(whole, name).tobytes()


@pytest.mark.kernel
def test_the_state_is_the_averages_and_all_there_is_to_remember():
    x = noise(200).reshape(2, 100)
    stream = RecursiveSTALTA(3, 11, channels=2)
    ratio = stream.update(x[:, :60])
    assert stream.short.shape == stream.long.shape == stream.used.shape == (2,)
    assert stream.used.tolist() == [60, 60]
    np.testing.assert_array_equal(stream.short / stream.long, ratio[:, -1])
    other = RecursiveSTALTA(3, 11, channels=2)
    for name in ("short", "long", "used"):
        getattr(other, name)[:] = getattr(stream, name)
    np.testing.assert_array_equal(other.update(x[:, 60:]), stream.update(x[:, 60:]))


@pytest.mark.kernel
def test_reset_forgets_everything():
    x = noise(100).reshape(2, 50)
    stream = RecursiveSTALTA(3, 11, channels=2)
    first = stream.update(x)
    assert not np.array_equal(stream.update(x), first)
    stream.reset()
    assert stream.used.tolist() == [0, 0]
    np.testing.assert_array_equal(stream.update(x), first)


@pytest.mark.parametrize(
    ("chunk", "says"),
    [
        (np.ones(2), r"must be \[2, n\], not \[2\]"),
        (np.ones((3, 4)), r"must be \[2, n\], not \[3, 4\]"),
        (np.ones((2, 4), complex), "real numbers"),
    ],
)
def test_a_chunk_of_another_shape_is_refused_and_changes_nothing(chunk, says):
    stream = RecursiveSTALTA(3, 11, channels=2)
    stream.update(noise(60).reshape(2, 30))
    before = stream.short.tobytes(), stream.long.tobytes(), stream.used.tobytes()
    with pytest.raises(ValueError, match=says):
        stream.update(chunk)
    assert (stream.short.tobytes(), stream.long.tobytes(), stream.used.tobytes()) == before


@pytest.mark.parametrize("channels", [-1, 1.5, True])
def test_channels_that_cannot_be_counted_are_refused(channels):
    with pytest.raises(ValueError, match="channels must be a whole number"):
        RecursiveSTALTA(3, 11, channels=channels)


@pytest.mark.kernel
def test_the_examples_in_the_documentation_are_right():
    finder = doctest.DocTestFinder()
    examples = {t.name: len(t.examples) for t in finder.find(sta_lta) if t.examples}
    assert examples.keys() == {f"detect.sta_lta.{n}" for n in ("recursive", "classic")} | {
        "detect.sta_lta.RecursiveSTALTA"
    }
    assert doctest.testmod(sta_lta).failed == 0
