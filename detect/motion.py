"""From a sensor's output to acceleration, velocity and displacement of the ground."""

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["motion"]

_Doubles = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def motion(
    x: _Doubles,
    sections: _Doubles,
    z: _Doubles,
    accelerometer: bool,
    rate: float,
    acceleration: _Doubles,
    velocity: _Doubles,
    displacement: _Doubles,
) -> None:
    """Turn a sensor's output into motion of the ground.

    Parameters
    ----------
    x : float64[n]
        m/s2 or m/s.
    sections : float64[4, 5]
        See `detect.filters.motion`.
    z : float64[9]
        State: two of each section, and the last velocity.
    accelerometer, rate
        Which of the two x is, and samples a second.
    acceleration, velocity, displacement : float64[n]
        Out: m/s2, m/s, m.
    """
    for i in range(x.size):
        v = _section(x[i], sections[1], z, 2)
        if accelerometer:
            acceleration[i] = _section(x[i], sections[0], z, 0)
        else:
            acceleration[i] = (v - z[8]) * rate
        z[8] = v
        velocity[i] = v
        displacement[i] = _section(_section(v, sections[2], z, 4), sections[3], z, 6)


@njit(cache=True, nogil=True, error_model="numpy")
def _section(x: float, s: _Doubles, z: _Doubles, at: int) -> float:
    """One second-order section in transposed direct form II; its two states stand at `at`."""
    y: float = s[0] * x + z[at]
    z[at] = (s[1] * x + z[at + 1]) - s[3] * y
    z[at + 1] = s[2] * x - s[4] * y
    return y
