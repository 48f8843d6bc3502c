"""Codes to channel numbers: what a dict would say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.directory import UNKNOWN, ChannelDirectory
from ingest.miniseed import code_of

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),  # hashing wraps
]

CODES = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)) | st.tuples(
    st.integers(0, 30), st.integers(0, 2)
)


def array(codes):
    return np.array(codes, np.uint64).reshape(-1, 2)


@settings(max_examples=40)
@given(st.lists(st.tuples(CODES, st.integers(0, 10**6)), max_size=120), st.lists(CODES, max_size=9))
def test_a_directory_answers_as_a_dict_does(added, asked):
    directory, told = ChannelDirectory(), {}
    for code, number in added:
        directory.add(array([code])[0], number)
        told[code] = number
    assert len(directory) == len(told)
    asked = [*asked, *told]
    numbers = directory.numbers(array(asked))
    assert numbers.tolist() == [told.get(code, UNKNOWN) for code in asked]


def test_a_network_of_thousands_and_its_neighbours():
    stations = range(0, 400, 2)
    ids = [f"KR.{i:04}.00.HH{c}" for i in stations for c in "ZNE"]
    codes = array([code_of(i) for i in ids])
    directory = ChannelDirectory()
    for number, code in enumerate(codes):
        directory.add(code, number)
    assert directory.numbers(codes[::-1]).tolist() == list(range(len(ids)))[::-1]
    others = array([code_of(i.replace("KR", "KZ")) for i in ids])
    assert (directory.numbers(others) == UNKNOWN).all()


def test_an_empty_directory_knows_nothing():
    directory = ChannelDirectory()
    assert directory.numbers(array([code_of("KR.AAA..HHZ")])).tolist() == [UNKNOWN]
    assert directory.numbers(array([])).size == 0
    assert directory.numbers(array([(0, 0)])).tolist() == [UNKNOWN]


def test_a_number_below_zero_is_refused():
    with pytest.raises(ValueError, match="channel number"):
        ChannelDirectory().add(code_of("KR.AAA..HHZ"), -1)
