"""A calibration for people: as a configuration with the figures in it, and as a table."""

import math
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from detect.envelopes import KINDS
from replay.calibrate import Calibration, constants

__all__ = ["print_calibration", "to_toml"]


def _summary(errors: Sequence[float]) -> Mapping[str, float]:
    """Mean, root mean square, and the error that 68 % stay within."""
    ordered = sorted(abs(e) for e in errors)
    return {
        "mean": sum(errors) / len(errors),
        "rms": math.sqrt(sum(e * e for e in errors) / len(errors)),
        "68 %": ordered[max(0, math.ceil(0.68 * len(ordered)) - 1)],
    }


def to_toml(calibration: Calibration) -> str:
    """Write the constants as a configuration, with the cross-validation as comments."""
    lines = [
        "# Constants of the magnitude, fitted to recordings.",
        "#",
        "# Errors of the magnitude of each event from all its records at the catalogue's place:",
        "# by the published constants, and by those fitted to the other events.",
        "#",
        f"# {'recording':<36} {'M':>4} {'stations':>8} {'published':>9} {'fitted':>7}",
    ]
    lines += [
        f"# {e.folder[:36]:<36} {e.magnitude:4.1f} {e.stations:8d} "
        f"{e.published - e.magnitude:+9.2f} {e.fitted - e.magnitude:+7.2f}"
        for e in calibration.estimates
    ]
    if calibration.estimates:
        before = _summary([e.published - e.magnitude for e in calibration.estimates])
        after = _summary([e.fitted - e.magnitude for e in calibration.estimates])
        lines += [
            f"# {name:<36} {'':4} {'':8} {before[name]:+9.2f} {after[name]:+7.2f}"
            for name in before
        ]
        lines += ["#", f"# {_verdict(calibration)}"]
    lines += ["", "[detect.magnitude]"]
    for name in constants():
        value, published = getattr(calibration.after, name), getattr(calibration.before, name)
        lines.append(f"{name} = {value!r}  # published {published:g}")
    return "\n".join(lines) + "\n"


def print_calibration(calibration: Calibration, console: Console) -> None:
    """Print the constants, how far the data moved them, and the cross-validation."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("peak", "records", "events", "published", "fitted", "sigma", "moved"):
        table.add_column(name, justify="left" if name == "peak" else "right")
    before, after = calibration.before, calibration.after
    for kind in KINDS:
        records, events = calibration.records[kind]
        if kind == "p_displacement":
            old = f"{before.a:g} {before.b:g} {before.c:g}"
            new = f"{after.a:g} {after.b:g} {after.c:g}"
        else:
            old, new = f"{getattr(before, kind):g}", f"{getattr(after, kind):+g}"
        moved = calibration.moved.get(kind)
        table.add_row(
            kind.replace("_", " "),
            str(records),
            str(events),
            old,
            "-" if moved is None else new,
            f"{getattr(after, f'{kind}_sigma'):g}",
            "-" if moved is None else f"{moved:.1f}",
        )
    console.print(table)
    console.print(
        "Displacement: a, b and c; the others: added to log10 of the peak. moved: in standard "
        "deviations of what the published constants leave open.\n"
    )
    errors = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("recording", "M", "stations", "error, published", "error, fitted without it"):
        errors.add_column(name, justify="left" if name == "recording" else "right")
    for e in calibration.estimates:
        errors.add_row(
            e.folder,
            f"{e.magnitude:.1f}",
            str(e.stations),
            f"{e.published - e.magnitude:+.2f}",
            f"{e.fitted - e.magnitude:+.2f}",
        )
    if calibration.estimates:
        old_errors = _summary([e.published - e.magnitude for e in calibration.estimates])
        new_errors = _summary([e.fitted - e.magnitude for e in calibration.estimates])
        for name in old_errors:
            errors.add_row(name, "", "", f"{old_errors[name]:+.2f}", f"{new_errors[name]:+.2f}")
    console.print(errors)
    console.print(_verdict(calibration))


def _verdict(calibration: Calibration) -> str:
    """Say whether the constants are worth being used."""
    if calibration.helps:
        return "Events that were left out are estimated better by the fitted constants."
    return (
        "Events that were left out are estimated no better by the fitted constants: keep the "
        "published ones."
    )
