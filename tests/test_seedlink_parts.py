"""The pure parts of SeedLink: packets out of bytes, numbers, headers in the log; and packing."""

import asyncio
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from seedlink_client.protocol import Protocol

from ingest import service
from ingest.arrivals import Arrivals, Mark, Unread
from ingest.intake import Intake, batches
from ingest.miniseed import encode
from ingest.service import Edge
from ingest.sources.seedlink_connection import commands
from ingest.sources.seedlink_packets import Info, Line, Noise, Other, Packet, Unpacker
from ingest.sources.seedlink_places import HEADER, Places, Request, Tail, Taken
from stream.memory import MemoryLog
from stream.records import Output, Record

T0 = 1_700_000_000
NOW_NS = (T0 + 10_000) * 10**9
V3, V4 = Protocol.V3, Protocol.V4


def record(second=0, station="XX.ONE", length=512):
    values = (np.arange(100) * 7919 % 1000).astype(np.int32)
    start_ns = (T0 + second) * 10**9
    return encode(f"{station}..HHZ", start_ns, 100.0, values, record_length=length)


def framed(protocol, number, payload, station="XX_ONE", kind=b"2D"):
    if protocol is V3:
        return b"SL%06X" % number + payload
    head = struct.pack("<2s2sIQB", b"SE", kind, len(payload), number, len(station))
    return head + station.encode() + payload


def info(protocol, text):
    if protocol is V4:
        return framed(V4, 0, text.encode(), "", b"JI")
    header = b"000001D INFO   INFSL" + struct.pack(">HHBBBBH", 2023, 1, 0, 0, 0, 0, 0)
    header += struct.pack(">HhhBBBBiHH", len(text), 0, 0, 0, 0, 0, 1, 0, 56, 48)
    header += struct.pack(">HHBBBB", 1000, 0, 0, 1, 9, 0)
    return b"SLINFO  " + (header + text.encode()).ljust(512, b"\0")


def plain(events):
    """Events with noise that follows noise joined: where it is cut depends on the reads."""
    joined = []
    for event in events:
        if isinstance(event, Noise):
            if joined and isinstance(joined[-1], bytes):
                joined[-1] += event.value
            else:
                joined.append(event.value)
        else:
            joined.append(event)
    return joined


def fed(protocol, data, sizes):
    unpacker, events = Unpacker(protocol), []
    while data:
        size = sizes.pop(0) if sizes else len(data)
        events += unpacker.feed(data[:size])
        data = data[size:]
    return events


@pytest.mark.parametrize("protocol", [V3, V4])
@effort(max_examples=80)
@given(data=st.data())
def test_packets_are_the_same_however_the_bytes_come(protocol, data):
    numbers = st.integers(0, 0xFFFFFF)
    packet = st.builds(
        lambda n, s, length: (
            framed(protocol, n, record(s, length=length)),
            n,
            record(s, length=length),
        ),
        numbers,
        st.integers(0, 9),
        st.sampled_from([512, 512, 4096]),
    )
    told = st.just((info(protocol, "{}<a/>"), Info("{}<a/>", more=False)))
    line = st.sampled_from([(b"OK\r\n", "OK"), (b"ERROR ARGUMENTS no\r\n", "ERROR ARGUMENTS no")])
    noise = st.binary(min_size=1, max_size=700).map(
        lambda b: (b.replace(b"S", b"s").replace(b"E", b"e").replace(b"O", b"o"), None)
    )
    # Behind noise only a packet is looked for, so lines and noise do not go together.
    other = noise if data.draw(st.booleans()) else line
    parts = data.draw(st.lists(st.one_of(packet, packet, told, other), max_size=12))
    whole = b"".join(part[0] for part in parts)
    # What may be a packet that is not whole is held back: another one shows that it is none.
    whole += framed(protocol, 7, record(9))
    found = fed(protocol, whole, data.draw(st.lists(st.integers(1, 700), max_size=40)))
    assert plain(found) == plain(fed(protocol, whole, []))
    packets = [(e.number, e.value) for e in found if isinstance(e, Packet)]
    assert packets == [(p[1], p[2]) for p in parts if len(p) == 3] + [(7, record(9))]
    answers = [e for e in found if isinstance(e, Info)]
    assert answers == [p[1] for p in parts if isinstance(p[1], Info)]
    if not any(p[1] is None for p in parts):
        lines = [e.text for e in found if isinstance(e, Line)]
        assert lines == [p[1] for p in parts if isinstance(p[1], str)]
        assert not any(isinstance(e, Noise) for e in found)


@pytest.mark.parametrize("protocol", [V3, V4])
@effort(max_examples=150)
@given(garbage=st.lists(st.one_of(st.binary(max_size=300), st.sampled_from(
    [b"SL00000", b"SE2D", b"SLINFO ", b"SE", b"ERROR", b"END", b"SL123456" + b"x" * 600,
     framed(V4, 1, b"?" * 100), framed(V4, 1, b""), b"SE2D\xff\xff\xff\xff" + b"\0" * 9 + b"\1"]
))))  # fmt: skip
def test_garbage_never_stops_the_reading(protocol, garbage):
    unpacker = Unpacker(protocol)
    for piece in garbage:
        unpacker.feed(piece)
    found = []
    for number in range(400):
        found += unpacker.feed(framed(protocol, number, record(0)))
    last = [e for e in found if isinstance(e, Packet)][-1]
    assert last == Packet("XX_ONE", "XX.ONE", 399, (T0 + 1) * 10**9 - 10_000_000, record(0))


def test_a_packet_says_whose_it_is():
    found = Unpacker(V4).feed(framed(V4, 2**63, record(3, "KZ.MKAR"), "KZ_OTHER"))
    assert found == [
        Packet("KZ_OTHER", "KZ.MKAR", 2**63, (T0 + 4) * 10**9 - 10_000_000, record(3, "KZ.MKAR"))
    ]
    (noise,) = Unpacker(V4).feed(framed(V4, 5, record(0) + b"more"))
    assert (noise.reason, noise.detail) == ("not one record", "XX_ONE 5: 512 bytes of 516")
    assert Unpacker(V4).feed(framed(V4, 5, record(0), kind=b"2L")) == [Other("XX_ONE", 5)]


def test_commands_of_both_versions():
    wanted = [Request("KZ_MKAR", 255), Request("K?_*", None), Request("*", None)]
    channels = ("HH?", "00HHZ.D", "--BHZ", "??BHN", "!HHE")
    assert commands(V4, wanted, channels)[:8] == [
        "STATION KZ_MKAR",
        "SELECT *_H_H_?",
        "SELECT 00_H_H_Z",
        "SELECT _B_H_Z",
        "SELECT *_B_H_N",
        "SELECT !*_H_H_E",
        "DATA 255",
        "STATION K?_*",
    ]
    assert commands(V3, wanted, channels)[:7] == [
        "STATION MKAR KZ",
        *(f"SELECT {channel}" for channel in channels),
        "DATA 0000FF",
    ]
    assert commands(V3, wanted, ())[2:] == ["STATION * K?", "DATA", "STATION * *", "DATA"]


def places(protocol=V4):
    made = Places("a:1")
    made.begin(protocol)
    return made


def take(made, station, number, second, *, whole=True):
    return made.take(station, number, (T0 + second) * 10**9, NOW_NS, whole=whole)


@effort(max_examples=200)
@given(
    st.sampled_from([V3, V4]),
    st.integers(0, 0xFFFFFF),
    st.lists(st.integers(1, 1000), min_size=1, max_size=20),
)
def test_numbers_go_round_and_what_comes_again_is_known(protocol, first, steps):
    modulus = 1 << (24 if protocol is V3 else 64)
    made = places(protocol)
    number = first
    assert take(made, "XX_ONE", number, 0) is Taken.NEXT
    for second, step in enumerate(steps, 1):
        before, number = number, (number + step) % modulus
        assert take(made, "XX_ONE", number, second) is Taken.NEXT
        assert take(made, "XX_ONE", number, second) is Taken.REPEAT
        assert take(made, "XX_ONE", before, second - 1) is Taken.REPEAT
    ((request,), gone) = (
        made.requests(["XX_*", "XX_ONE"], None)[0][:1],
        made.requests(["*"], None)[1],
    )
    assert request == Request("XX_ONE", (number + 1) % modulus)
    assert gone == []


def test_a_new_count_is_told_from_a_repeat_by_the_samples():
    made = places()
    for second in range(5):
        take(made, "XX_ONE", 100 + second, second)
    assert take(made, "XX_ONE", 3, 4) is Taken.REPEAT
    assert take(made, "XX_ONE", 3, 5) is Taken.ANEW
    assert take(made, "XX_ONE", 4, 6) is Taken.NEXT


def test_a_clock_fault_does_not_hide_a_new_count():
    made = places()
    take(made, "XX_ONE", 100, 0)
    future_ns = NOW_NS * 2
    made.take("XX_ONE", 101, future_ns, NOW_NS, whole=True)
    assert made.take("XX_ONE", 1, NOW_NS + 1, NOW_NS + 1, whole=True) is Taken.ANEW


def shared(safe=None):
    made = places()
    for number in range(1, 30):
        take(made, f"XX_S{number % 3}", number, number)
    if safe is not None:
        made.handed(1)
        take(made, "XX_S0", safe, 30)
    return made


def test_shared_numbers_are_found_out_and_all_is_asked_from_one():
    made = shared()
    assert made.requests(["XX_S0", "XX_*"], None) == (
        [Request("XX_S0", 30), Request("XX_*", 30)],
        [],
    )
    held = {"XX_S0": (1, 40)}
    assert made.requests(["*"], held) == ([Request("*", 30)], [])
    assert made.requests(["*"], {"XX_S0": (31, 40)}) == (
        [Request("*", 30)],
        ["XX_S0", "XX_S1", "XX_S2"],
    )
    assert made.requests(["*"], {"XX_S0": (1, 20)}) == (
        [Request("*", None)],
        ["XX_S0", "XX_S1", "XX_S2"],
    )
    assert len(made) == 0


def test_own_numbers_are_asked_for_station_by_station():
    made = places()
    for number in range(1, 20):
        take(made, "XX_A", number, number)
        take(made, "XX_B", 500 + number, number)
        take(made, "YY_C", 900 + number, number)
    held = {"XX_A": (5, 30), "XX_B": (530, 540), "YY_C": (1, 10)}
    requests, gone = made.requests(["*_?", "XX_A"], held)
    assert requests == [Request("XX_A", 20), Request("XX_B", 520), Request("*_?", None)]
    assert gone == ["XX_B", "YY_C"]
    assert made.requests(["ZZ_*"], None) == ([Request("ZZ_*", None)], [])


def test_packets_between_numbers_are_lost_only_where_stations_have_their_own():
    made = places()
    for number in range(1, 5):
        take(made, "XX_A", number, number)
        take(made, "XX_B", 500 + number, number)
    assert made.lost == 0
    take(made, "XX_A", 10, 10)
    assert made.lost == 5
    take(made, "XX_A", 20, 20, whole=False)
    assert made.lost == 5


def in_log(*headers, first_ms=1000):
    return [
        Record("waveforms", 0, i, first_ms + i, b"X", b"", ((HEADER, header), ("other", b"1")))
        for i, header in enumerate(headers)
    ]


def restored(*headers):
    tail = Tail()
    tail.add(in_log(*headers))
    return tail.places()


def test_the_log_tells_where_to_go_on():
    made = places()
    for number in range(1, 5):
        take(made, "XX_A", number, number)
        take(made, "XX_B", 500 + number, number)
    assert made.header("XX_A") == (HEADER, f"a:1/XX_A/v4/4/{(T0 + 4) * 10**9}/-".encode())
    found = restored(b"a:1/XX_A/v4/3/7/-", made.header("XX_B")[1], made.header("XX_A")[1])
    assert list(found) == ["a:1"]
    again = found["a:1"]
    assert again.begin(V4)
    assert again.requests(["*"], None) == made.requests(["*"], None)
    assert take(again, "XX_A", 4, 4) is Taken.REPEAT
    assert take(again, "XX_A", 5, 5) is Taken.NEXT


def test_with_shared_numbers_it_goes_on_where_all_was_in_the_log():
    made = shared()
    made.handed(1)
    take(made, "XX_S0", 30, 30)
    made.handed(2)
    take(made, "XX_S1", 31, 31)
    assert made.header("XX_S1")[1].endswith(b"/-")
    made.settled(1)
    headers = [made.header("XX_S0")[1], made.header("XX_S1")[1]]
    assert all(header.endswith(b"/29") for header in headers)
    again = restored(*headers)["a:1"]
    assert again.begin(V4)
    assert again.requests(["*"], None) == ([Request("*", 30)], [])
    assert take(again, "XX_S0", 30, 30) is Taken.REPEAT
    assert take(again, "XX_S2", 30, 30) is Taken.NEXT
    made.settled(2)
    assert made.header("XX_S1")[1].endswith(b"/30")


@pytest.mark.parametrize(("back_s", "spent_s", "known"), [
    (1000, 10, 9), (50, 10, 5), (40, 10, 4), (0, 10, 0), (1000, 0, 1),
])  # fmt: skip
def test_the_tail_of_the_log_is_read_backwards(monkeypatch, caplog, back_s, spent_s, known):
    """Station i was heard last 10 i seconds ago; each twice, and the second time counts."""
    monkeypatch.setattr(service, "TAIL_SPENT_S", spent_s)
    monkeypatch.setattr(service, "TAIL_RECORDS", 3)

    async def run():
        log = MemoryLog({"waveforms": 3})
        for i in range(9, 0, -1):
            for number, ms in ((1, 1), (2, 0)):
                header = f"a:1/XX_S{i}/v4/{number}/7/-".encode()
                at_ms = T0 * 1000 - i * 10_000 - ms
                await log.append([
                    Output("waveforms", b"%d" % i, b"", 0, at_ms, ((HEADER, header),)),
                    Output("waveforms", b"other", b"", 0, at_ms),
                ])  # fmt: skip
        found = await service.last_places(log, T0 * 1000, back_s)
        requests = found["a:1"].requests(["*"], None)[0] if found else []
        wanted = [Request(f"XX_S{i}", 3) for i in range(1, known + 1)]
        assert requests == ([*wanted, Request("*", None)] if known else [])
        assert ("only the last" in caplog.text) == (spent_s == 0)

    asyncio.run(run())


def test_another_protocol_has_other_numbers():
    again = restored(b"a:1/XX_A/v4/3/7/-")["a:1"]
    assert not again.begin(V3)
    assert again.requests(["*"], None) == ([Request("*", None)], [])
    newest = restored(b"a:1/XX_A/v4/3/7/-", b"a:1/XX_B/v3/9/7/-")["a:1"]
    assert newest.begin(V3)
    assert newest.requests(["*"], None)[0] == [Request("XX_B", 10), Request("*", None)]


@pytest.mark.parametrize("header", [b"", b"a:1", b"a:1/X/v4/x/7/-", b"a:1/X/v9/1/7/-", b"\xff/X"])
def test_headers_that_are_none_are_none(header):
    found = restored(header, b"b:1/XX_A/v4/3/7/-")
    assert len(found["b:1"]) == 1
    assert all(len(made) == 0 for server, made in found.items() if server != "b:1")


arrivals = st.builds(
    Arrivals,
    st.integers(0, 60),
    st.lists(
        st.tuples(st.sampled_from(["A.1", "A.2", "B.1"]), st.binary(min_size=1, max_size=40)),
        max_size=3,
        unique_by=lambda v: v[0],
    ).map(lambda values: tuple(sorted(values))),
    st.sampled_from([(), (Unread("x", "bad", "", b"z"),)]),
)


@effort(max_examples=300)
@given(st.lists(arrivals, max_size=20), st.integers(0, 20), st.sampled_from([50, 10**6]))
def test_packing_keeps_all_in_order(come, pack_ms, value_bytes):
    come.sort(key=lambda a: a.arrival_ms)
    packed = batches(come, pack_ms, value_bytes)
    for station in ("A.1", "A.2", "B.1"):
        before = [v for a in come for s, v in a.values if s == station]
        after = [v for a in packed for s, v in a.values if s == station]
        assert b"".join(before) == b"".join(after)
        assert all(len(v) <= value_bytes for v in after)
    assert sum(len(a.unread) for a in packed) == sum(len(a.unread) for a in come)
    times = [a.arrival_ms for a in packed]
    assert times == sorted(times)
    for one in packed:
        assert list(one.values) == sorted(one.values)
        assert len({s for s, _ in one.values}) == len(one.values)
    if value_bytes > 50:
        spans = [t - c.arrival_ms for c in come[:1] for t in times[:1]]
        assert all(span <= pack_ms for span in spans)
        assert len(packed) <= len(come)


def test_what_comes_within_the_time_is_one_batch_and_no_more():
    come = [Arrivals(t, (("A.1", b"%d" % t),)) for t in (0, 3, 5, 6, 11, 12)]
    assert [(a.arrival_ms, a.values[0][1]) for a in batches(come, 5)] == [
        (5, b"035"),
        (11, b"611"),
        (12, b"12"),
    ]
    assert len(batches(come, 0)) == 6


def test_the_last_mark_of_a_source_becomes_a_header():
    marks = (
        Mark("A.1", "s/A_1", ("seedlink", b"1")),
        Mark("A.2", "s/A_2", ("seedlink", b"2")),
        Mark("A.1", "s/A_1", ("seedlink", b"3")),
        Mark("A.1", "t/A_1", ("seedlink", b"4")),
    )
    one, two = Edge().outputs(Arrivals(5, (("A.1", b"x"), ("A.2", b"y")), marks=marks))
    assert one.headers == (("seedlink", b"3"), ("seedlink", b"4"))
    assert two.headers == (("seedlink", b"2"),)


def test_the_intake_waits_when_it_is_full_and_tells_what_is_settled():
    async def run():
        intake = Intake(0, limit_bytes=100)
        dealt, free = [], asyncio.Event()

        async def deal(packed):
            await free.wait()
            dealt.extend(packed)

        async def fill():
            return [await intake.put(Arrivals(i, (("A.1", bytes(40)),))) for i in range(6)]

        serving = asyncio.create_task(intake.serve(deal))
        filling = asyncio.create_task(fill())
        await asyncio.sleep(0.02)
        assert (intake.held_bytes, intake.settled, filling.done()) == (80, 0, False)
        free.set()
        tickets = await filling
        await intake.settle(tickets[-1])
        assert (intake.held_bytes, intake.settled) == (0, tickets[-1])
        big = await intake.put(Arrivals(9, (("A.1", bytes(1000)),)))
        intake.close()
        await serving
        assert intake.settled == big
        assert sum(len(v) for a in dealt for _, v in a.values) == 1240

    asyncio.run(run())
