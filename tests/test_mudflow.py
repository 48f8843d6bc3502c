"""The tremor under a flow: kernel against its slow twin, made flows and shocks, recorded ones."""

import bisect
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_recordings import GAIN, NOISE, START_S, STATIONS, burst, cut, records, table
from msgspec import structs

from detect.following import Axis
from detect.hazards import mudflow, readings
from detect.hazards import mudflow_kernel as kernel
from detect.hazards.mudflow import BLOCK_S, TremorWatch, band_taps
from detect.picker import PickOperator
from detect.settings import DetectSettings, MudflowSettings
from detect.stations import Sensor, StationState
from ingest.channels import Station
from ingest.settings import IngestSettings
from ingest.sources import archive
from stream.topics import OBSERVATIONS

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ILLGRABEN = DATA / "illgraben-2019-debris-flows"
SHORT = MudflowSettings(
    noise_s=60.0, sustain_s=15.0, emergent_s=30.0, sudden_s=45.0, hold_s=20.0, shortest_s=40.0
)
NS = 1_000_000_000
BEGIN = START_S // BLOCK_S  # a block


def watch(rates, how=SHORT, stations=1):
    """A watch over channels of made stations."""
    made = TremorWatch(how)
    for number, rate in enumerate(rates):
        name = f"XX.S{number % stations}"
        others = tuple(range(number % stations, len(rates), stations))
        station = StationState(name, Station(0.0, 0.0, 0.0), number % stations, channels=others)
        axis = Axis(number, 1.0, False, True)
        made.add(Sensor(f"{name}.{number:02}.HHZ", f"{name}.00.HH", axis, 1.0, station), rate)
    return made


def feed(made, x, rate, cuts=(), start_ns=START_S * NS, channel=0):
    """Feed a channel, cut at some samples; what is said."""
    said = []
    for begin, end in itertools.pairwise([0, *cuts, x.size]):
        if end > begin:
            said += made.advance(
                np.array([channel]),
                np.array([0]),
                np.array([end - begin]),
                np.array([start_ns + round(begin * 1e9 / rate)]),
                np.array([float(rate)]),
                np.array([begin == 0]),
                np.ascontiguousarray(x[begin:end]),
            )
    return [tremor for _, tremor in said]


def shaped(seconds, rate, amplitudes, seed=0):
    """Noise of all frequencies whose amplitude follows (s, counts), on an offset."""
    t = np.arange(round(seconds * rate)) / rate
    size = np.exp(np.interp(t, [s for s, _ in amplitudes], [math.log(a) for _, a in amplitudes]))
    noise = np.random.default_rng(seed).normal(0.0, 1.0, t.size)
    return np.rint(12345.0 + size * noise).astype(np.int32)


FLOW = [(0, 30.0), (100, 30.0), (220, 600.0), (300, 600.0), (420, 30.0)]


def slow_energies(x, rate, start_ns, how):
    """Mean squares of the two bands in blocks, from the definitions."""
    high = band_taps(rate, how.low_hz, how.high_hz, mudflow.HIGH_TAPS_S)
    low = band_taps(rate, mudflow.LOWER * how.low_hz, how.low_hz, mudflow.LOW_TAPS_S)
    run_up = max(math.ceil(high.size / 8), math.ceil(low.size / 8)) * 8 - 1
    every = max(1, round(rate / mudflow.LOW_RATE))
    blocks = {}
    for n in range(run_up, x.size):
        k = (start_ns + round(n * 1e9 / rate)) // (BLOCK_S * NS)
        blocks.setdefault(k, []).append(n)
    complete = {}
    for k, samples in list(blocks.items())[:-1]:
        if len(samples) >= kernel.COMPLETE * BLOCK_S * rate:
            squares = [
                np.mean([(taps @ x[n + 1 - taps.size : n + 1]) ** 2 for n in chosen])
                for taps, chosen in ((high, samples), (low, samples[::every]))
            ]
            complete[k] = squares
    return complete


@pytest.mark.kernel
@pytest.mark.parametrize("rate", [31, 50, 100])
def test_energies_are_those_of_the_slow_twin(rate):
    x = shaped(22, rate, [(0, 40.0), (22, 4000.0)])
    start_ns = START_S * NS + 1_234_567_890
    expected = slow_energies(x.astype(float), rate, start_ns, SHORT)
    assert len(expected) >= 3
    for cuts in ((), range(7, x.size, 61), range(300, x.size, 333)):
        made = watch([float(rate)])
        feed(made, x, rate, cuts, start_ns)
        energy = made._tremors.energy[0]
        for k, squares in expected.items():
            assert energy[:, k % energy.shape[1]] == pytest.approx(squares, rel=1e-6)


def median(values):
    """Of those there are; the lesser of two."""
    there = sorted(v for v in values if not math.isnan(v))
    return there[(len(there) - 1) // 2] if there else math.nan


def slow_risen(history, share, picks, k, how):
    """Whether it has risen as under a flow, by the definitions; `history` has (high, low)."""
    blocks = {name: round(getattr(how, name) / BLOCK_S) for name in how.__struct_fields__}
    nothing = (math.nan, math.nan)

    def energy(j, band=0):
        return history.get(j, nothing)[band] if k - blocks["noise_s"] - 3 <= j <= k else math.nan

    def level(j, band=0):
        return median([energy(j - i, band) for i in range(3)])

    def noise(band):
        window = range(k - blocks["noise_s"], k - blocks["sustain_s"] + 1)
        there = sorted(e for j in window if not math.isnan(e := energy(j, band)))
        if 2 * len(there) < blocks["noise_s"]:
            return math.inf
        return max(there[int(mudflow.NOISE_QUANTILE * (len(there) - 1))], mudflow.LEAST)

    newest = sorted(np.nan_to_num(energy(k - i)) for i in range(blocks["sustain_s"]))
    before = noise(0)
    if not newest[1] >= how.ratio * before:
        return False
    if not level(k, 1) >= mudflow.LOW_RATIO * noise(1) or level(k) < share * level(k, 1):
        return False
    since = k
    for j in range(k, k - blocks["noise_s"] - 1, -1):
        if energy(j) >= mudflow.RISE * before:
            since = j
        elif j < k and not energy(j + 1) >= mudflow.RISE * before:
            break
    length = k - since + 1
    most = max(np.nan_to_num(level(j)) for j in range(since, k + 1))
    if length < blocks["emergent_s"] or level(k) < mudflow.KEPT * most:
        return False
    near = [p for p in picks if -2 <= p - since <= 3]
    if near and length < blocks["sudden_s"]:
        return False
    return not any(
        level(j + 2) > how.jump * np.fmax(level(j - 1), before)
        for j in range(max(since - 1, k - blocks["sudden_s"]), k - 1)
    )


steps = st.lists(
    st.tuples(st.sampled_from([-3, -1, 0, 0, 1, 1, 2, 4]), st.integers(1, 6)),
    min_size=4,
    max_size=9,
)


@pytest.mark.kernel
@settings(max_examples=60)
@given(
    steps,
    st.lists(st.integers(0, 40), max_size=3),
    st.lists(st.integers(0, 40), max_size=4),
    st.floats(0.001, 2.0),
    st.integers(0, 2**32 - 1),
)
def test_a_rise_is_that_of_the_slow_twin(moves, missing, picked, share, seed):
    random = np.random.default_rng(seed)
    made = watch([50.0])
    ring = made._tremors.energy.shape[2]
    energies = np.full((2, ring), math.nan)
    picks = np.full(kernel.PICKS, kernel.NONE)
    picks[: len(picked)] = [BEGIN + p for p in picked]
    history, exponent = {}, 3.0
    levels = [move / 2 for move, times in [(0, 12), *moves] for _ in range(times)]
    for i, move in enumerate(levels):
        k = BEGIN + i
        exponent = min(max(exponent + move / 3, 0.0), 9.0)
        pair = 10 ** (exponent + random.normal(0.0, 0.1, 2))
        if i in missing:
            pair = np.full(2, math.nan)
        history[k] = tuple(pair)
        energies[:, k % ring] = pair
        found, *_ = kernel.risen(energies, share, picks, k, made._limits)
        assert found == slow_risen(history, share, picks[: len(picked)], k, SHORT)


def test_the_slow_twin_sees_flows():
    """Else the comparison above would be of nothing with nothing."""
    history = {BEGIN + i: (10 ** min(2 + max(i - 12, 0) * 0.2, 6),) * 2 for i in range(40)}
    assert [i for i in range(40) if slow_risen(history, 0.1, (), BEGIN + i, SHORT)]


@pytest.mark.kernel
def test_a_flow_is_told_of_from_its_rise_to_its_end():
    said = feed(watch([50.0]), shaped(500, 50, FLOW), 50, range(50, 25000, 50))
    assert [t.state for t in said if t.state != "going"][:1] == ["on"]
    on = said[0]
    since_s, time_s = on.since_us / 1e6 - START_S, on.time_us / 1e6 - START_S
    assert 100 < since_s < 180
    assert since_s + SHORT.emergent_s <= time_s < 215
    assert on.ratio >= SHORT.ratio
    assert {t.state for t in said} <= {"on", "going", "off"}
    assert (on.low_hz, on.high_hz) == (5.0, 20.0)
    ticks = [t.time_us for t in said if t.state == "going"]
    assert {b - a for a, b in itertools.pairwise(ticks)} <= {10_000_000, 20_000_000}


NO_FLOWS = {
    "quiet": [(0, 30.0), (400, 30.0)],
    "a jump that stays for less than sudden_s": [
        (0, 30.0), (150, 30.0), (150.5, 900.0), (190, 900.0), (191, 30.0), (400, 30.0),
    ],
    "a jump that dies away": [(0, 30.0), (150, 30.0), (150.5, 3000.0), (260, 60.0), (400, 30.0)],
    "a step": [(0, 30.0), (150, 30.0), (151, 300.0), (154, 300.0), (155, 30.0), (400, 30.0)],
    "a passing car": [(0, 30.0), (150, 30.0), (165, 300.0), (180, 30.0), (400, 30.0)],
    "weaker than ten times": [(0, 30.0), (120, 30.0), (220, 70.0), (400, 70.0)],
}  # fmt: skip


@pytest.mark.parametrize("name", NO_FLOWS)
def test_what_is_no_flow_is_not_told_of(name):
    said = feed(watch([50.0]), shaped(400, 50, NO_FLOWS[name]), 50, range(50, 20000, 50))
    assert said == []


def test_buzz_without_lower_frequencies_is_no_flow():
    x = shaped(500, 50, [(0, 30.0), (500, 30.0)]) - 12345
    buzz = shaped(500, 50, FLOW, seed=1) - 12345
    wide = band_taps(50.0, 12.0, 20.0, 2.0)
    x = x + np.rint(np.convolve(buzz, wide, "same")).astype(np.int32)
    assert feed(watch([50.0]), x, 50, range(50, 25000, 50)) == []


def test_far_waves_of_low_frequencies_are_no_flow():
    x = shaped(500, 50, [(0, 30.0), (500, 30.0)]) - 12345
    waves = 40 * np.convolve(shaped(500, 50, FLOW, seed=1) - 12345, band_taps(50.0, 1.0, 2.5, 3.0))
    x = x + np.rint(waves[: x.size]).astype(np.int32)
    assert feed(watch([50.0]), x, 50, range(50, 25000, 50)) == []


def test_a_pick_at_the_begin_of_the_rise_holds_it_back():
    x = shaped(500, 50, FLOW)
    free = feed(watch([50.0]), x, 50)
    made = watch([50.0])
    made.pick(made._sensors[0], free[0].since_us * 1000)
    held = feed(made, x, 50)
    assert free[0].state == held[0].state == "on"
    assert held[0].time_us > free[0].time_us


def test_what_falls_at_once_was_none():
    x = shaped(
        400, 50, [(0, 30.0), (100, 30.0), (140, 300.0), (150, 300.0), (151, 30.0), (400, 30)]
    )
    how = structs.replace(SHORT, shortest_s=90.0)
    said = [t.state for t in feed(watch([50.0], how), x, 50) if t.state != "going"]
    assert said == ["on", "no"]


def test_gaps_zeros_and_clocks_say_nothing():
    flat = np.full(20000, 77, np.int32)
    flat[10000:] = shaped(200, 50, [(0, 30.0), (200, 30.0)])
    assert feed(watch([50.0]), flat, 50, range(50, 20000, 50)) == []
    made = watch([50.0])
    x = shaped(500, 50, FLOW)
    said = feed(made, x[:6500], 50) + feed(made, x[9000:], 50, start_ns=(START_S + 180) * NS)
    again = feed(made, x, 50, start_ns=(START_S - 1000) * NS)
    assert [t.state for t in said + again].count("on") <= 1


@pytest.mark.parametrize("broken", [math.nan, math.inf, 1e200])
def test_no_number_is_no_flow_and_spoils_only_its_block(broken):
    x = shaped(500, 50, FLOW).astype(float)
    whole = feed(watch([50.0]), x, 50, range(50, x.size, 50))
    x[[3001, 4049]] = broken
    made = watch([50.0])
    said = feed(made, x, 50, range(50, x.size, 50))
    assert [t.state for t in said] == [t.state for t in whole]
    assert all(math.isfinite(t.ratio) for t in said)


def test_a_rate_too_slow_for_the_band_is_not_judged():
    assert feed(watch([10.0]), shaped(500, 10, FLOW), 10) == []
    with pytest.raises(ValueError, match="too slow"):
        band_taps(10.0, 5.0, 20.0, 0.5)


def test_a_station_of_two_sensors_says_things_once():
    x = shaped(500, 50, FLOW)
    made = watch([50.0, 50.0])
    said = []
    for begin in range(0, x.size, 50):
        two = np.ascontiguousarray(np.concatenate([x[begin : begin + 50]] * 2))
        said += made.advance(
            np.array([0, 1]),
            np.array([0, 50]),
            np.array([50, 50]),
            np.full(2, START_S * NS + begin * 20_000_000),
            np.full(2, 50.0),
            np.full(2, begin == 0),
            two,
        )
    alone = feed(watch([50.0]), x, 50, range(50, x.size, 50))
    assert [t.state for _, t in said].count("on") <= 1
    assert {t.time_us for _, t in said} <= {t.time_us for t in alone}
    assert [t for _, t in said if t.state == "going"] == [t for t in alone if t.state == "going"]


def test_channels_beyond_the_first_rows_keep_their_states():
    made = watch([50.0] * 3, stations=3)
    x = shaped(500, 50, FLOW)
    feed(made, x[:5000], 50, channel=2)
    for number in range(3, 200):
        station = StationState(f"XX.T{number}", Station(0.0, 0.0, 0.0), number, channels=(number,))
        rate = 50.0 if number % 2 else 100.0
        made.add(
            Sensor(f"XX.T{number}..HHZ", "", Axis(number, 1.0, True, True), 1.0, station), rate
        )
    alone = watch([50.0])
    feed(alone, x[:5000], 50)
    assert made._tremors.energy[2].tobytes() == alone._tremors.energy[0].tobytes()
    rest = made.advance(
        np.array([2]), np.array([0]), np.array([20000]), np.array([(START_S + 100) * NS]),
        np.array([50.0]), np.array([False]), x[5000:],
    )  # fmt: skip
    expected = alone.advance(
        np.array([0]), np.array([0]), np.array([20000]), np.array([(START_S + 100) * NS]),
        np.array([50.0]), np.array([False]), x[5000:],
    )  # fmt: skip
    assert [(t.state, t.time_us, t.ratio) for _, t in rest] == [
        (t.state, t.time_us, t.ratio) for _, t in expected
    ]
    assert expected


def valley(seconds, rate=100.0):
    """Records of stations of which two feel flows, and all a shock in one of them."""
    packets = []
    for number, name in enumerate(STATIONS):
        flows = FLOW if number < 2 else FLOW[:2]
        again = [(s + 430.0, a) for s, a in flows]
        x = shaped(seconds, rate, [*flows, *again, (seconds, NOISE)], seed=number).astype(float)
        t = np.arange(x.size) / rate
        for at_s in (250.0, 600.0):
            x += burst(t - at_s - number, 900.0, 4.0, 2.0)
        packets += cut(
            f"{name}..HNZ", np.rint(x).astype(np.int32), rate, latency_s=0.5 + 0.1 * number
        )
    packets.sort(key=lambda p: (p.arrival_ms, p.station, p.start_us))
    return records(packets)


def tremors(outputs):
    return [o for o in outputs if o.topic == OBSERVATIONS.name]


@pytest.fixture(scope="module")
def flowing():
    read = valley(900)
    ingest = IngestSettings()

    def make():
        return PickOperator(0, table(gain=GAIN), DetectSettings(mudflow=SHORT), ingest)

    return make, read, make().process(read)


def test_made_flows_come_through_the_stage(flowing):
    _, _, whole = flowing
    said = [readings.decode(o.value) for o in tremors(whole)]
    assert {t.station for t in said} == set(list(STATIONS)[:2])
    assert [t.state for t in said].count("on") >= 4
    assert all(o.key.decode() == readings.decode(o.value).station for o in tremors(whole))


@settings(max_examples=6)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=5))
def test_any_batching_gives_the_same_bytes(flowing, sizes):
    make, read, whole = flowing
    operator, said, begin = make(), [], 0
    for size in itertools.cycle(sizes):
        said += operator.process(read[begin : begin + size])
        begin += size
        if begin >= len(read):
            break
    assert said == whole


def test_any_restart_gives_the_same_bytes(flowing):
    make, read, whole = flowing
    times = [r.timestamp for r in read]
    memory_ms = int(make().memory.total_seconds() * 1000)
    busy = [o.cause for o in tremors(whole)]
    first = bisect.bisect_left(times, times[0] + memory_ms) + 1
    stops = [*np.linspace(first, len(read) - 5, 8).astype(int).tolist(), *busy[::3]]
    checked = 0
    for stop in stops:
        if stop <= first:
            continue
        begin = min(bisect.bisect_left(times, times[stop - 1] - memory_ms), stop)
        said = [o for o in make().process(read[begin:]) if o.cause >= stop]
        expected = [o for o in whole if o.cause >= stop]
        assert begin > 0
        assert said == expected
        checked += bool(tremors(expected))
    assert checked >= 5


def played(folder, tmp_path=None, only="*.mseed", *, bare=False):
    """What the stage says of a recorded folder: (arrival in s, tremor), and how many picks."""
    if tmp_path is not None:
        for path in (folder / "stations.xml", *folder.glob(only)):
            (tmp_path / path.name).symlink_to(path)
        folder = tmp_path
    recording = archive.read(folder, latency_s=0.5, bare=bare)
    operator = PickOperator(0, recording.channels, DetectSettings(), IngestSettings())
    said = operator.process(records(recording.packets))
    picks = sum(b'"snr"' in o.value for o in said if o.topic != OBSERVATIONS.name)
    return [(o.timestamp / 1000, readings.decode(o.value)) for o in tremors(said)], picks


def utc(text):
    return np.datetime64(text).astype("datetime64[ms]").astype(int) / 1000


needs_illgraben = pytest.mark.skipif(not ILLGRABEN.exists(), reason=f"{ILLGRABEN} is not here")


@needs_illgraben
def test_the_flow_of_august_is_known_three_minutes_before_the_force_plate(tmp_path):
    said, picks = played(ILLGRABEN, tmp_path, "*2019-08-11*")
    ons = [at for at, tremor in said if tremor.state == "on"]
    assert utc("2019-08-11T17:03:00") < ons[0] <= utc("2019-08-11T17:06:45")
    assert picks < 20


def faster(stream, rate):
    stream.interpolate(rate, method="lanczos", a=12)


def slower(stream, times):
    stream.decimate(times)


def larger(stream, times):
    for trace in stream:
        trace.data = trace.data * times


def cut_before(stream, minutes):
    """Leave so much noise before the rise."""
    from obspy import UTCDateTime

    for rise in ("2019-07-15T03:58:25", "2019-08-11T17:04:00"):
        if stream[0].stats.starttime.date == UTCDateTime(rise).date:
            stream.trim(UTCDateTime(rise) - 60 * minutes)


def noisier(stream, times):
    chance = np.random.default_rng(1)
    for trace in stream:
        noise = np.std(trace.data[: 50 * 600])
        trace.data = trace.data + chance.normal(0.0, times * noise, trace.data.size)


VARIANTS = [
    (faster, 100.0, 210.0, 1730.0),
    (faster, 200.0, 205.0, 1730.0),
    (slower, 2, 205.0, 1725.0),
    (larger, 10.0, 210.0, 1730.0),
    (larger, 0.1, 210.0, 1730.0),
    (cut_before, 3, 210.0, 1730.0),
    (cut_before, 15, 210.0, 1730.0),
    (noisier, 3.0, 100.0, 370.0),
]


@needs_illgraben
@pytest.mark.parametrize(("change", "by", "august_s", "july_s"), VARIANTS)
def test_the_flows_are_told_of_in_records_that_differ(tmp_path, change, by, august_s, july_s):
    """At other rates, of other sizes, in counts from nowhere, after little or more noise."""
    import obspy

    fronts = {"2019-08-11": "2019-08-11T17:09:45", "2019-07-15": "2019-07-15T04:29:00"}
    for (day, front), least_s in zip(fronts.items(), (august_s, july_s), strict=True):
        stream = obspy.read(str(ILLGRABEN / f"seismic_{day}.mseed")).select(channel="BHZ")
        stream.merge()
        change(stream, by)
        for trace in stream:
            trace.data = np.round(trace.data).astype(np.int32)
            trace.stats.update({"network": "YY", "station": "GEO", "channel": "EHZ"})
        where = tmp_path / day
        where.mkdir()
        stream.write(str(where / "a.mseed"), format="MSEED", encoding="STEIM2")
        said, _ = played(where, bare=True)
        ons = [at for at, tremor in said if tremor.state == "on"]
        assert utc(front) - 1800 < ons[0] <= utc(front) - least_s
        assert not [at for at in ons if abs(at - utc("2019-07-15T03:24:00")) < 600]


@needs_illgraben
def test_the_transient_of_july_is_no_flow_and_the_flow_is_one(tmp_path):
    said, picks = played(ILLGRABEN, tmp_path, "*2019-07-15*")
    ons = [at for at, tremor in said if tremor.state == "on"]
    assert utc("2019-07-15T03:50:00") < ons[0] < utc("2019-07-15T04:29:00")
    assert picks < 40


FOLDERS = [
    "turkiye-2023-m7.8-pazarcik",
    "ridgecrest-2019-near",
    "ridgecrest-2019-m7.1",
    "kyrgyzstan-2009-kambarata-blast",
    "missouri-2021-m4.0",
    "noise-openeew-mexico",
    *(f"openeew-mexico/{folder.name}" for folder in sorted(DATA.glob("openeew-mexico/20*"))),
]


@pytest.mark.parametrize("name", FOLDERS)
def test_no_tremor_in_earthquakes_and_noise(name):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not here")
    assert played(DATA / name)[0] == []
