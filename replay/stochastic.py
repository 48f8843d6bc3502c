"""Ground motion of an earthquake by the stochastic method: one wave at one station.

Boore D. M. (2003), Simulation of ground motion using the stochastic method, Pure Appl. Geophys.
160, 635-676, doi:10.1007/PL00012553: windowed Gaussian noise is given the amplitude spectrum of
an omega-squared source behind a path and a site.

Two things differ from it, both because a warning lives on the first seconds of P:

- The spectrum is applied with minimum phase instead of zero phase, so nothing moves before the
  onset.
- Below the corner frequency the noise gives way to the one pulse that a far station sees there
  (a moment rate that does not change its sign), so that the displacement of P grows with the
  moment and not with the square root of the number of sub-sources.

Constants, and where they come from:

======================  ======================  ==================================================
density                 2800 kg/m3              Boore (2003), table for western North America
speeds                  P 6.1, S 3.5 km/s       Boore (2003); P from ak135's crust (5.8-6.5 km/s)
radiation               P 0.52, S 0.63          Boore and Boatwright (1984), all takeoff angles
free surface            2                       Boore (2003)
horizontal share of S   0.707                   Boore (2003), V
vertical of S           2/3 of a horizontal     Newmark, Blume and Kapur (1973)
P corner / S corner     1.3                     of the 1 to 1.5 that are reported (Madariaga 1976:
                                                1.5) what fits P velocity of Cua and Heaton (2009)
first P                 0.5 of all P            fitted to Kuyuk and Allen (2013) and Wu and Zhao
                                                (2006) for M 4-6.5 at 20-200 km: the rest comes
                                                later, reflected and converted
stress                  7 MPa from M 6 on,      Raoof et al. (1999), southern California; the fall
                        less by 10^0.2 a unit   is fitted to Cua and Heaton (2009), as Yenier and
                        of M below              Atkinson (2015) found one for small earthquakes
Q                       180 f^0.45              Raoof et al. (1999); for P the same Q at P's speed
spreading of S          1/R to 40 km, R^-0.5    Raoof et al. (1999)
spreading of P          1/R                     body wave
kappa                   0.035 s                 Boore and Joyner (1997), generic rock
site                    generic rock            Boore and Joyner (1997), table 3; for P its power
                                                2/3: the crust's P speeds differ less
duration                1/fc + 0.05 R (s, km)   Boore (2003) after Atkinson and Silva (2000)
envelope                0.2, 0.05, 2            Saragoni and Hart (1974), by Boore (2003), eq. 26
======================  ======================  ==================================================

No constant is fitted to Central Asia. How far the result is from published relations and from
recordings stands in docs/scenarios.md.
"""

import math
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = [
    "P_CORNER",
    "P_SPEED",
    "S_SPEED",
    "Wave",
    "corner_hz",
    "minimum_phase",
    "moment",
    "motion",
    "pulse",
    "spectrum",
    "stress_pa",
]

DENSITY = 2800.0
S_SPEED = 3500.0
P_SPEED = 6100.0
P_CORNER = 1.3
STRESS, STRESS_FALLS, FULL_FROM = 7e6, 0.2, 6.0
FREE_SURFACE = 2.0
P_RADIATION, S_RADIATION = 0.52, 0.63
FIRST_P = 0.5
Q_AT_1_HZ, Q_POWER = 180.0, 0.45
CROSSOVER_M = 40_000.0
KAPPA = 0.035
P_SITE_POWER = 2.0 / 3.0
PATH_DURATION = 0.05e-3  # s per m

_ROCK_HZ = (0.01, 0.09, 0.16, 0.51, 0.84, 1.25, 2.26, 3.17, 6.05, 16.6, 61.2)
_ROCK = (1.00, 1.10, 1.18, 1.42, 1.58, 1.74, 2.06, 2.25, 2.58, 3.13, 4.00)

PEAK, LEFT_OVER, STRETCH = 0.2, 0.05, 2.0
SETTLE_S = 20.0  # at the end of a pulse, for the filters to come to rest

_Array = NDArray[np.float64]
_Spectrum = NDArray[np.complex128]


class Wave(Struct, frozen=True, kw_only=True):
    """One wave from a point source to a station.

    Attributes
    ----------
    kind
        ``P`` or ``S``.
    moment
        N m.
    corner_hz
        Of this wave.
    lift
        Factor of the noise part: what the high frequencies of a sub-source lack.
    distance_m
        Along the straight ray.
    t_star_s
        Attenuation independent of frequency in place of Q, spreading and site: for rays through
        the mantle; None for the crust.
    spreading_1_m
        Geometric spreading (1/m) where `t_star_s` is given.
    """

    kind: Literal["P", "S"]
    moment: float
    corner_hz: float
    lift: float = 1.0
    distance_m: float
    t_star_s: float | None = None
    spreading_1_m: float = 0.0

    @property
    def duration_s(self) -> float:
        """Length of the strong part."""
        path = 0.0 if self.t_star_s is not None else PATH_DURATION * self.distance_m
        return 1.0 / self.corner_hz + path


def moment(magnitude: float) -> float:
    """Seismic moment (N m) of a moment magnitude: Hanks and Kanamori (1979)."""
    return float(10.0 ** (1.5 * magnitude + 9.05))


def stress_pa(magnitude: float) -> float:
    """Stress parameter (Pa) of an earthquake; see the table."""
    return float(STRESS * 10.0 ** (STRESS_FALLS * min(0.0, magnitude - FULL_FROM)))


def corner_hz(moment_nm: float, stress: float) -> float:
    """Corner frequency of S: Brune (1970, 1971), as Boore (2003), eq. 4, in SI units.

    ``fc = 0.4906 beta (stress / moment)^(1/3)``, with the stress in Pa.
    """
    return float(0.4906 * S_SPEED * (stress / moment_nm) ** (1.0 / 3.0))


def spectrum(wave: Wave, frequency_hz: _Array) -> _Array:
    """Amplitude spectrum of ground displacement (m s) on one component, at the surface.

    Boore (2003), eq. 1 to 15. P stands for its own direction, S for one horizontal; the source
    is that of the whole wave, without `lift`.
    """
    f = frequency_hz
    speed = P_SPEED if wave.kind == "P" else S_SPEED
    radiation = FIRST_P * P_RADIATION if wave.kind == "P" else S_RADIATION * math.sqrt(0.5)
    constant = radiation * FREE_SURFACE / (4.0 * math.pi * DENSITY * speed**3)
    source = constant * wave.moment / (1.0 + (f / wave.corner_hz) ** 2)
    if wave.t_star_s is not None:
        return np.asarray(source * wave.spreading_1_m * np.exp(-math.pi * f * wave.t_star_s))
    r = wave.distance_m
    if wave.kind == "P" or r <= CROSSOVER_M:
        spreading = 1.0 / r
    else:
        spreading = 1.0 / math.sqrt(CROSSOVER_M * r)
    q = Q_AT_1_HZ * np.maximum(f, 1e-3) ** Q_POWER
    lost = np.exp(-math.pi * f * (r / (q * speed) + KAPPA))
    rock = np.exp(np.interp(np.log(np.maximum(f, 1e-3)), np.log(_ROCK_HZ), np.log(_ROCK)))
    if wave.kind == "P":
        rock = rock**P_SITE_POWER
    return np.asarray(source * spreading * lost * rock)


def minimum_phase(amplitude: _Array) -> _Spectrum:
    """Give an amplitude spectrum the phase whose signal begins at 0 and comes soonest.

    By the folded cepstrum (Oppenheim and Schafer, Discrete-Time Signal Processing, 12.3).

    Parameters
    ----------
    amplitude : float64[n/2 + 1]
        Positive, from 0 to the Nyquist frequency.
    """
    n = 2 * (amplitude.size - 1)
    floor = float(amplitude.max()) * 1e-12
    cepstrum = np.fft.irfft(np.log(np.maximum(amplitude, floor)), n)
    cepstrum[1 : n // 2] *= 2.0
    cepstrum[n // 2 + 1 :] = 0.0
    return np.asarray(np.exp(np.fft.rfft(cepstrum)))


def envelope(duration_s: float, rate: float, size: int) -> _Array:
    """Window of the noise: Saragoni and Hart (1974) with Boore's (2003) constants."""
    length = STRETCH * duration_s
    b = -PEAK * math.log(LEFT_OVER) / (1.0 + PEAK * (math.log(PEAK) - 1.0))
    t = np.arange(size) / (rate * length)
    window = (t * math.e / PEAK) ** b * np.exp(-b * t / PEAK)
    return np.where(t <= 1.5, window, 0.0)


def pulse(wave: Wave, rate: float, size: int, draw: np.random.Generator) -> _Spectrum:
    """Spectrum of the source's time function, flat on average: one below the corner, then noise."""
    noise = np.fft.rfft(envelope(wave.duration_s, rate, size) * draw.standard_normal(size))
    noise /= math.sqrt(float(np.mean(np.abs(noise) ** 2)))
    f = np.fft.rfftfreq(size, 1.0 / rate)
    smooth = (1.0 + 1j * f / wave.corner_hz) ** -2
    return np.asarray(smooth + wave.lift * (1.0 - smooth) * noise)


def motion(wave: Wave, rate: float, draw: np.random.Generator, derivative: int) -> _Array:
    """One realisation of the wave, from its onset on.

    Parameters
    ----------
    wave
        What arrives.
    rate
        Samples a second.
    draw
        Random numbers; the same state gives the same motion.
    derivative
        0 displacement (m), 1 velocity (m/s), 2 acceleration (m/s2).
    """
    length_s = 1.5 * STRETCH * wave.duration_s + SETTLE_S
    size = 1 << math.ceil(math.log2(2.0 * length_s * rate))
    f = np.asarray(np.fft.rfftfreq(size, 1.0 / rate), np.float64)
    path = minimum_phase(spectrum(wave, f))
    moved = path * pulse(wave, rate, size, draw) * (2j * math.pi * f) ** derivative
    samples = np.fft.irfft(moved * rate, size)[: round(length_s * rate)]
    fade = round(0.5 * SETTLE_S * rate)
    samples[-fade:] *= 0.5 + 0.5 * np.cos(np.linspace(0.0, math.pi, fade))
    return np.asarray(samples)
