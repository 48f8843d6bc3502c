"""Write docs/performance.md.

``python -m benchmarks.performance_page DETECTOR.json OPERATORS.json PICKS.md [--locator
LOCATOR.json] [--warnings DISPATCH.json]``: the first two are the JSON of `benchmarks.detector` and
`benchmarks.operators`, the third what `benchmarks.picks` prints, the others the JSON of
`benchmarks.locator` and `benchmarks.dispatch`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).resolve().parents[1] / "docs"

TARGETS = (
    ("float32 from int32, against sosfilt + obspy, an hour", "fused_f32_vs_peers_hour", 12.0),
    ("the same, fed second by second", "fused_f32_vs_peers_second", 250.0),
    ("float64, against the hour-long peers", "fused_f64_vs_peers_hour", 6.0),
    ("vector lanes against our own scalar loop, float32", "simd_vs_scalar_f32", 5.0),
    ("decoding, against pymseed record by record", "decode_vs_pymseed", 10.0),
    ("decoding, against libmseed's C by cffi", "decode_vs_libmseed", 1.5),
    ("decoding, against obspy's internal reader", "decode_vs_obspy", 150.0),
)

TEXT = """# Performance

Made by `make performance`: `python -m benchmarks.detector`, `python -m benchmarks.operators`,
`python -m benchmarks.picks`, and `python -m benchmarks.performance_page`, which lays them out here.
Contenders take turns in one run; a ratio is the median over {rounds} rounds of the ratio within a
round. Ratios hold better than times: these machines are shared.

Machine: {machine}.

## Against others

| | target | measured |
|---|---|---|
{ratios}
| zeros after noise against noise (denormals) | at most 1.5 x | {zeros} x |
| bytes in to picks out, 512-byte records, one core | 600,000 a second | {records:,} a second |
| a worker's start to its first pick, kernels cached | at most 3 s | {cold} s |

"Bytes in to picks out" is the whole operator on quiet records of 1000 stations: decoding,
continuity, quality, detection, picks and the reports for the log. In an earthquake at all stations
at once it is {shaken:,} records a second: after a pick the motion of a station is worked out
and told with every packet.

{operators}

{locations}

{warnings}

## What a step costs

| | ns a sample |
|---|---|
{costs}

| a 512-byte Steim-2 record | us |
|---|---|
{reads}

The vector loop takes 0.2 ns a sample, bringing samples of 64 channels side by side as much again,
the rest is once for each stretch of a channel. With float32 sixteen channels go into one vector
instruction on this machine, with float64 eight. There is no fast-math: a channel gives the same
bits in the vector loop, in the scalar loop, alone, or cut differently.

## How the cost grows

![Cost of a sample as channels and chunk grow](performance.png)

ns a sample, one thread (two threads: each with a bank of its own):

{growth}

A call takes some 12 us, whatever is in it: few channels pay for that. Blocks of 20 samples go
through the vector loop; what is left of a chunk (all of one of 50 ms at 100 Hz, 10 samples of one
of 0.5 s) goes through the scalar one, at 4 ns a sample and 20 ns a channel. Two threads nearly
halve the time from some thousand channels on.

## Picks, against an offline picker

On the whole trace, offline: obspy's `ar_pick` where it works, else AIC around the computed P wave.
Found: a pick of Alatau within 0.5 s.

{picks}

Where the two offline pickers agree with each other, Alatau agrees with both in most cases; it
refines by AIC too, so this is not independent. Most that is not found within 0.5 s is a pick 0.5
to 1.8 s before `ar_pick` on emergent onsets; which of the two is right is not established.

## Fuzzing

`make fuzz` decodes a million damaged real records and compares with pymseed: {fuzz}
"""


OPERATORS = """## {stations:,} stations

Three channels of 100 Hz each, a second of all three in one value, {batch} values a batch
(`locate`: 20, a rewind: 1000). Time of one core, without a log: `python -m benchmarks.operators`.

| | us a value | ms a second of data | batch p50, ms | p99 | largest | said, kB/s |
|---|---|---|---|---|---|---|
{costs}

- At once: the waves reach all of these stations within the same second.
- The earthquake spreads at the speed of its waves; after 40 s 1000 stations tell of their motion
  once a second.
- Memory: {mb_per_1000_stations} MB for 1000 stations.
- {start_up_s} s when all stations are new at once. A worker that starts anew reads {memory_s:g} s
  again: {rewind_s} s.
- us a value of quiet data, by the size of the batch: {sizes}.
- Two threads, each with an operator of its own, do {two_threads} times the values of one: compiled
  code lets others run, what is Python between does not.
"""


def _operators(measured: dict[str, Any]) -> str:
    rows = [
        f"| {c['case']} | {c['us_per_value']:,} | {c['ms_per_s']:,} | {c['p50_ms']} | "
        f"{c['p99_ms']} | {c['max_ms']} | {c['said_kb_per_s']:,} |"
        for c in measured["costs"]
    ]
    sizes = ", ".join(f"{n}: {us}" for n, us in measured["us_per_value_by_batch"].items())
    return OPERATORS.format(**(measured | {"costs": "\n".join(rows), "sizes": sizes})).strip()


def _growth(rows: list[dict[str, float]]) -> str:
    chunks = sorted({row["chunk_s"] for row in rows})
    counts = sorted({row["channels"] for row in rows})
    cost = {(r["channels"], r["chunk_s"], r["threads"]): r["ns_per_sample"] for r in rows}
    head = "| channels | " + " | ".join(f"{chunk:g} s" for chunk in chunks) + " |"
    lines = [head, "|---|" + "---|" * len(chunks)]
    for count in counts:
        cells = []
        for chunk in chunks:
            one, two = cost.get((count, chunk, 1)), cost.get((count, chunk, 2))
            cells.append("-" if one is None or two is None else f"{one:.2f} ({two:.2f})")
        lines.append(f"| {count:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _locations(measured: dict[str, Any] | None) -> str:
    """Lay out how long one location takes."""
    if measured is None:
        return "## One location\n\nNot measured for this page."
    rows = [
        f"| {c['case']} | {c['picks']} | {c['silent']} | {c['p50_ms']:.2f} | {c['p99_ms']:.2f} |"
        for c in measured["costs"]
    ]
    return "\n".join(
        (
            "## One location",
            "",
            f"In a network of {measured['stations']} stations; `python -m benchmarks.locator`. "
            f"The target is a p99 under {measured['target_p99_ms']:g} ms.",
            "",
            "| an event that | picks | silent stations | p50, ms | p99, ms |",
            "|---|---|---|---|---|",
            *rows,
        )
    )


def _warnings(measured: dict[str, Any] | None) -> str:
    """Lay out how long warnings take."""
    title = "## Warnings\n\n"
    if measured is None:
        return title + "Not measured for this page: `python -m benchmarks.dispatch`."
    great, many = measured["great"], measured["audiences"]

    def row(what: str, target: str, found: dict[str, float]) -> str:
        return f"| {what} | {target} | {found['p50']} | {found['p99']} | {found['largest']} |"

    rows = [
        row("an event to CAP on `alerts`, by the clock", "p99 20", measured["event_to_cap_ms"]),
        row("the same, processor time", "", measured["processor_ms"]),
        row("magnitude 7 to 8 alone, by the clock", "", great["event_to_cap_ms"]),
        row("the same, processor time", "", great["processor_ms"]),
    ]
    names = {
        "sites_rsa": "1,000 operators with a site each (RSA)",
        "sites_ecdsa": "the same, signed with an elliptic curve",
        "alike_rsa": "1,000 audiences that are told the same (RSA)",
        "one_message_rsa": "one audience with 1,000 addresses (RSA)",
    }
    audiences = [
        f"| {what} | {many[name]['messages']:,} | {many[name]['median_s']} | "
        f"{many[name]['slowest_s']} | {many[name]['processor_s']} |"
        for name, what in names.items()
    ]
    return (
        f"{title}From the event's append until every message that it makes due stands on "
        "`alerts`, on the\nlog in memory; seven languages, signed (RSA 2048), large earthquakes "
        "as often as in nature\n(magnitude 5 to 8, b = 1) and then great ones alone. "
        f"{measured['events']} events, {measured['messages']} messages of\n"
        f"{measured['message_bytes'] / 1000:.0f} kB, {measured['most_messages']} of one event at "
        f"most; great ones {great['most_messages']}. `python -m benchmarks.dispatch`; load "
        f"{measured['load']}\non two cores.\n\n"
        "| ms | target | p50 | p99 | largest |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\nOne earthquake to 1,000 audiences in Kazakhstan, three languages, each message "
        "signed. The target is 1 s.\n\n"
        "| | messages | median, s | slowest, s | processor, s |\n|---|---|---|---|---|\n"
        + "\n".join(audiences)
    )


def _draw(rows: list[dict[str, float]]) -> None:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for chunk in sorted({row["chunk_s"] for row in rows}):
        for threads, style in ((1, "-"), (2, ":")):
            some = [r for r in rows if r["chunk_s"] == chunk and r["threads"] == threads]
            some.sort(key=lambda r: r["channels"])
            label = f"chunk of {chunk:g} s" if threads == 1 else None
            colour = f"C{sorted({r['chunk_s'] for r in rows}).index(chunk)}"
            axes.plot(
                [r["channels"] for r in some],
                [r["ns_per_sample"] for r in some],
                style,
                color=colour,
                marker=".",
                label=label,
            )
    axes.set(xscale="log", yscale="log", xlabel="channels", ylabel="ns a sample")
    axes.set_title("float32 detector; dotted: two threads", fontsize=10)
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(DOCS / "performance.png", dpi=110, metadata={"Software": None})


def main() -> None:
    """Write the page and its picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("detector", type=Path)
    parser.add_argument("operators", type=Path)
    parser.add_argument("picks", type=Path)
    parser.add_argument("--fuzz", default="not run for this page.")
    parser.add_argument("--locator", type=Path)
    parser.add_argument("--warnings", type=Path)
    arguments = parser.parse_args()
    measured = json.loads(arguments.detector.read_bytes())
    ratios = measured["ratios"]
    rows = [f"| {what} | {target:g} x | {ratios[name]:.2f} x |" for what, name, target in TARGETS]
    _draw(measured["growth"])
    text = TEXT.format(
        rounds=7,
        machine=measured["machine"],
        ratios="\n".join(rows),
        zeros=ratios["zeros_vs_noise"],
        records=measured["records_per_second"],
        shaken=measured["records_per_second_all_shaken"],
        cold=measured["cold_start_s"],
        operators=_operators(json.loads(arguments.operators.read_bytes())),
        locations=_locations(
            None if arguments.locator is None else json.loads(arguments.locator.read_bytes())
        ),
        warnings=_warnings(
            None if arguments.warnings is None else json.loads(arguments.warnings.read_bytes())
        ),
        costs="\n".join(f"| {k} | {v:.2f} |" for k, v in measured["ns_per_sample"].items()),
        reads="\n".join(f"| {k} | {v:.2f} |" for k, v in measured["us_per_record"].items()),
        growth=_growth(measured["growth"]),
        picks=arguments.picks.read_text(encoding="utf-8").strip(),
        fuzz=arguments.fuzz,
    )
    (DOCS / "performance.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
