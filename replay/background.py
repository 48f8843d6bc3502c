"""The ground and the sensor between earthquakes: noise as real stations have it.

Peterson J. (1993), Observations and modeling of seismic background noise, USGS Open-File Report
93-322: between the new low and the new high noise model. On top of it some small disturbances an
hour, as traffic and people make them.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["background"]

SENSOR_DB = {1: -160.0, 2: -125.0}
"""Self-noise (dB of 1 (m/s2)2/Hz), flat: a broadband seismometer and, derivative 2, a good
accelerometer with its digitiser (Cauzzi and Clinton 2013: class A about -130 to -120)."""

DISTURBANCE_HZ = (2.0, 12.0)
DISTURBANCE_S = (2.0, 8.0)
DISTURBANCE_RISE = (1.0, 4.0)  # times the noise

_Array = NDArray[np.float64]


def background(
    size: int,
    rate: float,
    *,
    level: float,
    derivative: int,
    disturbances_per_hour: float,
    draw: np.random.Generator,
) -> _Array:
    """Noise of three components, float64[3, size]: m/s or m/s2.

    Parameters
    ----------
    size, rate
        Samples, and how many a second.
    level
        0 is the low noise model, 1 the high one; linear in dB between them.
    derivative
        1 velocity, 2 acceleration.
    disturbances_per_hour
        Small bursts on all three components.
    draw
        Random numbers.
    """
    frequency = np.fft.rfftfreq(size, 1.0 / rate)
    amplitude = np.sqrt(_power(np.maximum(frequency, frequency[1]), level, derivative))
    amplitude *= np.sqrt(size * rate / 2.0)
    amplitude[0] = 0.0
    if derivative == 1:
        amplitude[1:] /= 2.0 * np.pi * frequency[1:]
    parts = draw.standard_normal((3, 2, frequency.size)) * np.sqrt(0.5)
    noise = np.fft.irfft((parts[:, 0] + 1j * parts[:, 1]) * amplitude, size)
    for _ in range(draw.poisson(disturbances_per_hour * size / rate / 3600.0)):
        _disturb(noise, rate, draw)
    return np.asarray(noise)


def _power(frequency: _Array, level: float, derivative: int) -> _Array:
    """Power of ground acceleration, (m/s2)2/Hz, one-sided, with the sensor's own."""
    from obspy.signal.spectral_estimation import get_nhnm, get_nlnm  # slow to import

    seconds, low = get_nlnm()
    seconds_high, high = get_nhnm()
    period = 1.0 / frequency
    low_db = np.interp(np.log(period), np.log(seconds[::-1]), low[::-1])
    high_db = np.interp(np.log(period), np.log(seconds_high[::-1]), high[::-1])
    ground_db = (1.0 - level) * low_db + level * high_db
    return np.asarray(10.0 ** (ground_db / 10.0) + 10.0 ** (SENSOR_DB[derivative] / 10.0))


def _disturb(noise: _Array, rate: float, draw: np.random.Generator) -> None:
    """Add one disturbance that swells and fades."""
    size = round(float(draw.uniform(*DISTURBANCE_S)) * rate)
    first = int(draw.integers(0, noise.shape[1]))
    low = float(draw.uniform(*DISTURBANCE_HZ))
    frequency = np.fft.rfftfreq(size, 1.0 / rate)
    band = np.exp(-(((frequency - low) / (0.3 * low)) ** 2))
    waves = np.fft.irfft(np.fft.rfft(draw.standard_normal((3, size))) * band, size)
    waves *= np.sin(np.linspace(0.0, np.pi, size)) / waves.std()
    rise = float(draw.uniform(*DISTURBANCE_RISE))
    end = min(first + size, noise.shape[1])
    spread = np.diff(noise, axis=1).std(axis=1, keepdims=True)  # of the band where people shake
    noise[:, first:end] += rise * spread * waves[:, : end - first]
