"""What else a station picks behind the P wave of an earthquake: its coda, and aftershocks.

An onset that is one of these begins no other earthquake; one that is not may be the next of a
sequence. Rates are measured: docs/calibration.md, "Onsets behind an earthquake".
"""

import math

from detect.evidence import DURATION_M7_S

__all__ = ["Onsets", "onsets_after", "strong_enough"]

CODA_BEGINS = 0.15  # onsets a second at a station that an earthquake has just reached
CODA_FADES_S = 20.0
CODA_LEAST = 0.005
QUIET_AFTER_S = 5.0  # after S, and as long as the earthquake lasts: then little comes any more
QUIET_WITHIN_S = 4.0
AFTERSHOCKS_M7 = 0.03  # onsets a second of aftershocks; ten times fewer a magnitude less
MOST_ABOVE_M7 = 0.5  # of magnitude, by which they get more
S_MINUS_P_KM_S = 8.0  # of distance, for a second between P and S
ENDS_S = 60.0  # and three times S-P: so long after P an onset may be of it

STRONG_FROM = 3.0  # signal-to-noise ratio from which on onsets get fewer, with these powers of it
CODA_SLOPE = 2.0  # within a coda an onset is seldom much stronger than what was before
AFTERSHOCK_SLOPE = 1.6

Onsets = tuple[tuple[float, float], ...]
"""Onsets a second of each kind, and the power of the ratio with which they get fewer."""


def onsets_after(
    after_s: float, s_minus_p_s: float, epicentre_sigma_km: float, magnitude: float
) -> Onsets:
    """Return how many onsets a second come so long after P.

    Parameters
    ----------
    after_s
        Since P.
    s_minus_p_s
        When S comes, after P.
    epicentre_sigma_km
        How sure that is: the quiet begins later where it is not.
    magnitude
        A large earthquake goes on for long, and has many aftershocks.
    """
    if after_s <= 0.0 or after_s >= 3.0 * s_minus_p_s + ENDS_S:
        return ()
    unsure_s = 2.0 * epicentre_sigma_km / S_MINUS_P_KM_S
    lasts_s = DURATION_M7_S * 10.0 ** (0.5 * (magnitude - 7.0))
    quiet_s = after_s - (s_minus_p_s + unsure_s + QUIET_AFTER_S + lasts_s)
    coda = CODA_BEGINS * math.exp(-after_s / CODA_FADES_S) + CODA_LEAST
    if quiet_s < 0.0:
        return ((coda, CODA_SLOPE),)
    coda *= math.exp(-quiet_s / QUIET_WITHIN_S)
    aftershocks = AFTERSHOCKS_M7 * 10.0 ** min(magnitude - 7.0, MOST_ABOVE_M7)
    return (coda, CODA_SLOPE), (aftershocks, AFTERSHOCK_SLOPE)


def strong_enough(onsets: Onsets, snr: float) -> tuple[float, float]:
    """Return how many of some onsets reach a signal-to-noise ratio: a second, and also a decade."""
    ratio = max(snr / STRONG_FROM, 1.0)
    stronger = [(rate * ratio**-slope, slope) for rate, slope in onsets]
    per_second = sum(rate for rate, _ in stronger)
    return per_second, sum(rate * slope for rate, slope in stronger) * math.log(10.0)
