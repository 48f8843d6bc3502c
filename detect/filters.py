"""Filters as second-order sections, designed once for each sampling rate.

A section is ``b0 b1 b2 a1 a2`` with ``a0 = 1``, run in transposed direct form II. What scipy has
designed is kept in the user's cache folder, so that a worker that starts again does not wait a
second for scipy.signal.
"""

import json
import os
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["Sections", "band_pass", "differenced", "motion"]

Sections = npt.NDArray[np.float64]
"""float64[sections, 5]."""

NYQUIST_SHARE = 0.8  # a corner closer to the Nyquist frequency is moved down to here
MOTION_HIGH_PASS_HZ = 0.075  # Wu and Zhao (2006), doi:10.1029/2006GL026871
DISPLACEMENT_LOW_PASS_HZ = 3.0  # Pd of Kuyuk and Allen (2013), doi:10.1002/2013GL058580


def _design(order: int, corners: float | list[float], kind: str, rate: float) -> Sections:
    name = json.dumps([order, corners, kind, rate])
    kept = _kept()
    if name not in kept:
        from scipy.signal import butter  # 1.2 s to import, and only design needs it

        sos = butter(order, corners, kind, fs=rate, output="sos")
        kept[name] = sos[:, [0, 1, 2, 4, 5]].tolist()
        _keep(kept)
    return np.array(kept[name])


def _path() -> Path:
    cache_home = os.environ.get("XDG_CACHE_HOME")
    folder = Path(cache_home) if cache_home else Path.home() / ".cache"
    return folder / "alatau" / "filters.json"


@cache
def _kept() -> dict[str, list[list[float]]]:
    """Return the designs on disk; none if there is no file, or not ours."""
    try:
        kept = json.loads(_path().read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _keep(designs: dict[str, list[list[float]]]) -> None:
    """Write the designs, whole or not at all; a folder that cannot be written costs a second."""
    try:
        _path().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=_path().parent, delete=False) as file:
            json.dump(designs, file)
        Path(file.name).replace(_path())
    except OSError:
        return


@cache
def band_pass(rate: float, low_hz: float, high_hz: float) -> Sections:
    """Design the causal band-pass of the detector: Butterworth, two sections.

    Parameters
    ----------
    rate
        Samples a second.
    low_hz, high_hz
        Corners; the upper one is lowered to 0.8 of the Nyquist frequency.

    Raises
    ------
    ValueError
        If the rate is too low for the band.
    """
    high = min(high_hz, NYQUIST_SHARE * rate / 2)
    if high <= low_hz:
        raise ValueError(f"{rate:g} Hz is too slow for a band from {low_hz:g} Hz")
    return _design(2, [low_hz, high], "bandpass", rate)


def differenced(sections: Sections) -> Sections:
    """Turn a filter of samples into one of their differences, equal but for rounding.

    One zero at zero frequency is taken out of the first section that has one:
    ``b0 + b1 z + b2 z^2 = (1 - z) (b0 + (b0 + b1) z)`` where ``b0 + b1 + b2 = 0``.

    Raises
    ------
    ValueError
        If no section blocks zero frequency.
    """
    out = sections.copy()
    for section in out:
        if abs(section[:3].sum()) < 1e-9 * np.abs(section[:3]).max():
            section[:3] = section[0], section[0] + section[1], 0.0
            return out
    raise ValueError("no section has a zero at zero frequency")


@cache
def motion(rate: float, acceleration: bool) -> Sections:
    """Design what turns a sensor's output into motion: float64[4, 5].

    Sections 0 and 1 take the sensor's output to acceleration and velocity; 2 and 3 take
    velocity to displacement. All have a high-pass of 0.075 Hz (Butterworth, 2 poles), the
    displacement also a low-pass of 3 Hz. An integrator and a high-pass are one section: the
    trapezoid's pole at zero frequency cancels against one of the high-pass's two zeros there.

    Parameters
    ----------
    rate
        Samples a second.
    acceleration
        True for an accelerometer, False for a velocity sensor (section 0 is then not used:
        acceleration is the difference of velocity).
    """
    high_pass = _design(2, MOTION_HIGH_PASS_HZ, "highpass", rate)[0]
    low_hz = min(DISPLACEMENT_LOW_PASS_HZ, NYQUIST_SHARE * rate / 2)
    low_pass = _design(2, low_hz, "lowpass", rate)[0]
    integrate = high_pass.copy()
    integrate[:3] = high_pass[0] / (2 * rate) * np.array([1.0, 0.0, -1.0])
    return np.stack([high_pass, integrate if acceleration else high_pass, integrate, low_pass])
