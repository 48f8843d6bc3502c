"""Times in miniSEED headers are moved, and nothing else is."""

import calendar
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from made_records import from_obspy, from_pymseed, made_records, put_together, signal
from pymseed import MiniSEEDError, MS3Record

from ingest.retime import STEP_NS, shifted

NUMBERS = np.arange(20, dtype=">i4").tobytes()
DAY_NS = 86_400 * 10**9
SPAN_NS = 40 * 365 * DAY_NS


def told(value):
    """Everything that a record says, by libmseed; the start apart."""
    record = MS3Record.parse(value, unpack_data=True)
    others = (
        record.sourceid,
        record.formatversion,
        record.samprate,
        record.reclen,
        record.encoding,
        record.pubversion,
        record.flags,
        record.extra,
        record.np_datasamples.tolist() if record.samplecnt else [],
    )
    return record.starttime, others


def ns(year, month, day, hour=0, minute=0, second=0):
    return calendar.timegm((year, month, day, hour, minute, second)) * 10**9


EDGES = [
    ns(y, m, d) for y in (1970, 1999, 2000, 2016, 2023, 2024, 2048) for m, d in ((1, 1), (3, 1))
]
# In 2056 (0x0808) libmseed takes records of miniSEED 2 for little-endian that are not.
instants = st.one_of(
    st.integers(ns(1971, 1, 1), ns(2050, 1, 1)),
    st.builds(lambda edge, off: edge + off, st.sampled_from(EDGES), st.integers(-2, 2)),
    st.builds(lambda e, o: e + o * STEP_NS, st.sampled_from(EDGES), st.integers(-20_000, 20_000)),
)


def made(version, start_ns, little=False, microseconds=None):
    """A record that begins at an instant, as near as its format has it."""
    if version == 3:
        record = MS3Record(reclen=4096, encoding=11)
        record.sourceid = "FDSN:KR_AAA__H_H_Z"
        record.formatversion = 3
        record.starttime = start_ns
        record.samprate = 100.0
        record.extra = '{"FDSN":{"Time":{"Quality":90}}}'
        (value,) = record.generate(signal(50), "i")
        return bytes(value)
    seconds, rest = divmod(start_ns, 10**9)
    t = datetime.fromtimestamp(seconds, UTC).timetuple()
    time = (t.tm_year, t.tm_yday, t.tm_hour, t.tm_min, t.tm_sec, rest // STEP_NS)
    order = "<" if little else ">"
    return put_together(NUMBERS, 20, 3, order=order, time=time, microseconds=microseconds)


@effort(max_examples=300)
@given(
    st.sampled_from([2, 3]),
    instants,
    st.one_of(instants, st.none()),
    st.booleans(),
    st.sampled_from([None, -50, 0, 49]),
)
def test_whole_steps_are_exact_over_days_years_and_leap_years(
    version, start_ns, to_ns, little, microseconds
):
    value = made(version, start_ns, little, microseconds)
    began_ns, others = told(value)
    shift_ns = 0 if to_ns is None else (to_ns - began_ns) // STEP_NS * STEP_NS
    moved = shifted(value, shift_ns)
    assert told(moved) == (began_ns + shift_ns, others)
    assert len(moved) == len(value)
    assert shifted(moved, -shift_ns) == value


@effort(max_examples=300)
@given(instants, st.integers(-SPAN_NS // 10, SPAN_NS // 10), st.sampled_from([None, -50, 49, 0]))
def test_what_is_beyond_whole_steps_is_as_exact_as_the_format(start_ns, shift_ns, microseconds):
    began_ns, others = told(made(3, start_ns))
    assert told(shifted(made(3, start_ns), shift_ns)) == (began_ns + shift_ns, others)
    value = made(2, start_ns, microseconds=microseconds)
    began_ns, others = told(value)
    at_ns, after = told(shifted(value, shift_ns))
    error_ns = at_ns - began_ns - shift_ns
    assert after == others
    limit_ns = STEP_NS // 2 if microseconds is None else 500
    assert -limit_ns <= error_ns <= limit_ns


@pytest.mark.parametrize("shift_ns", [7 * DAY_NS, -1234 * STEP_NS, 365 * DAY_NS + STEP_NS])
def test_records_of_every_shape_are_moved(shift_ns):
    """All encodings, both orders, corrections, a leap second, microseconds out of bounds."""
    for value in made_records():
        began_ns, others = told(value)
        assert told(shifted(value, shift_ns)) == (began_ns + shift_ns, others)


def test_records_one_after_another_and_what_is_none():
    parts = [
        from_pymseed(11, 512, signal(400))[0],
        b"no record" * 5,
        from_pymseed(11, 512, signal(400), version=3)[0],
        from_obspy(11, 256, signal(400), "<")[0],
        from_pymseed(10, 512, signal(400))[0][:100],
    ]
    moved = shifted(b"".join(parts), DAY_NS)
    at = 0
    for i, part in enumerate(parts):
        here = moved[at : at + len(part)]
        at += len(part)
        if i in (1, 4):
            assert here == part
        else:
            assert told(here)[0] == told(part)[0] + DAY_NS
    assert at == len(moved)
    assert shifted(b"", DAY_NS) == b""


def test_a_check_sum_is_made_anew_and_a_wrong_one_stays_wrong():
    value = made(3, ns(2023, 5, 5))
    wrong = value[:28] + b"\1\2\3\4" + value[32:]
    with pytest.raises(MiniSEEDError):
        MS3Record.parse(wrong)
    assert shifted(wrong, DAY_NS) == wrong
    assert shifted(value, DAY_NS)[28:32] != value[28:32]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("years", [-400, 100, 9000])
def test_times_that_no_one_can_read_are_refused(version, years):
    with pytest.raises(ValueError, match="out of the years 1900 to 2100"):
        shifted(made(version, ns(2023, 5, 5)), years * 365 * DAY_NS)
