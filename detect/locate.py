"""Where, when, and how probable: from what the stations report to one source."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from detect.evidence import (
    AMPLITUDE,
    CELL_FIELDS,
    COLUMNS,
    DEPTH,
    EAST,
    FIRST_CELLS,
    KM_PER_DEGREE,
    LATERS,
    LATITUDE,
    LN10,
    LONGITUDE,
    MAGNITUDE,
    NOISE,
    NORTH,
    ORIGIN,
    OTHER,
    SHARE,
    YEAR_S,
    at_place,
    plane_wave,
    search,
)
from detect.geodesy import distance_azimuth
from detect.settings import LocateSettings
from detect.spread import spread
from detect.traveltimes import TravelTimes

__all__ = ["MOST_ONSETS", "Located", "Onset", "Silent", "locate"]

MOST_ONSETS = 48
"""The first in time are searched with; more change little but the cost."""

FEW_ONSETS = 12
SPLITS, MOST_SPLITS = 70, 160  # of cells
MODEL_BIAS_KM = 4.0  # what a 1-D model moves an epicentre by, however many stations there are
DEPTH_BIAS_KM = 2.0
ORIGIN_BIAS_S = 0.2
WRONG = 5e-4  # density (1/s) of wrong onsets at a station that is shaken: 3 % within a minute
WRONG_DECADES = 0.5  # and 1/decade of amplitude
COMMON_A_YEAR = 0.5  # disturbances that move two places of a network and are no earthquakes
COMMON_FEWER = 300.0  # so many times fewer move one place more
COMMON_WITHIN_S = 20.0
COMMON_WEAK = 1.0  # log10 over the noise's peak: all alike up to here, then ten times rarer each
COMMON_OUTLIERS, COMMON_DECADES = 0.1, 0.3
NEVER = (math.nan,) * LATERS

_Floats = npt.NDArray[np.float64]


class Onset(Struct, frozen=True, kw_only=True):
    """What a station that has picked reports.

    Attributes
    ----------
    latitude, longitude
        Degrees.
    time_s, sigma_s
        The onset and its standard deviation.
    later_s
        Later onsets of the station, the first three of which may be S.
    other
        Density of what else would have made the onset: per second, and per decade of amplitude
        where there is one.
    trust, share
        0 to 1; see `detect.trust`.
    log_amplitude
        log10 of the peak since the onset, m/s2 or m/s; None where none is known yet.
    accelerometer
        Which of the two.
    elapsed_s
        Seconds of data since the onset.
    half_grown_s
        Seconds after the onset at which half of the amplitude was reached; None where not known.
    log_noise
        log10 of the peak in a quiet second, in the same unit.
    """

    latitude: float
    longitude: float
    time_s: float
    sigma_s: float
    later_s: tuple[float, ...] = ()
    other: float
    trust: float = 1.0
    share: float = 1.0
    log_amplitude: float | None = None
    accelerometer: bool
    elapsed_s: float = 0.0
    half_grown_s: float | None = None
    log_noise: float

    def row(self) -> tuple[float, ...]:
        """Return the columns of `detect.evidence`."""
        later = (self.later_s + NEVER)[:LATERS]
        amplitude = math.nan if self.log_amplitude is None else self.log_amplitude
        return (
            self.latitude,
            self.longitude,
            self.time_s,
            self.sigma_s,
            *later,
            math.nan,
            self.other,
            self.trust,
            self.share,
            amplitude,
            float(self.accelerometer),
            self.elapsed_s,
            self.log_noise,
            math.nan if self.half_grown_s is None else self.half_grown_s,
        )


class Silent(Struct, frozen=True, kw_only=True):
    """A healthy station without an onset, and the time (s) up to which it has seen nothing.

    The other attributes are those of `Onset`.
    """

    latitude: float
    longitude: float
    until_s: float
    trust: float = 1.0
    share: float = 1.0
    accelerometer: bool
    log_noise: float

    def row(self) -> tuple[float, ...]:
        """Return the columns of `detect.evidence`."""
        return (
            self.latitude,
            self.longitude,
            math.nan,
            1.0,
            *NEVER,
            self.until_s,
            1.0,
            self.trust,
            self.share,
            math.nan,
            float(self.accelerometer),
            0.0,
            self.log_noise,
            math.nan,
        )


class Located(Struct, frozen=True, kw_only=True):
    """A source.

    Attributes
    ----------
    latitude, longitude, depth_km, origin_s
        Where the posterior, blurred by its own width, is densest; `origin_s` on the clock of
        the onsets.
    epicentre_sigma_km, depth_sigma_km, origin_sigma_s
        One sigma of the posterior about it, and of what a 1-D model is wrong by.
    magnitude
        That the amplitudes fit; 4.0 without any. It serves the location alone.
    log_odds
        Natural logarithm of the odds of an earthquake against none, or one far away.
    residuals_s, belongs, belongs_as_s
        Of each onset, in the order given: observed minus computed P, or S where it rather is
        that, and the probabilities that it is P or S of this source.
    missing
        Of each silent station: the probability that it should have seen P.
    places
        Latitude, longitude and depth of places of equal probability that stand for the
        posterior; none with more than `FEW_ONSETS`, which leave little of it.
    """

    latitude: float
    longitude: float
    depth_km: float
    origin_s: float
    epicentre_sigma_km: float
    depth_sigma_km: float
    origin_sigma_s: float
    magnitude: float
    log_odds: float
    residuals_s: tuple[float, ...]
    belongs: tuple[float, ...]
    belongs_as_s: tuple[float, ...]
    missing: tuple[float, ...]
    places: tuple[tuple[float, float, float], ...] = ()

    @property
    def probability(self) -> float:
        """Probability of an earthquake, 0 to 1."""
        return 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, self.log_odds))))


def locate(
    onsets: Sequence[Onset],
    silent: Sequence[Silent],
    around: tuple[float, float],
    settings: LocateSettings,
    tables: TravelTimes,
    *,
    within_km: float | None = None,
    thorough: bool = False,
) -> Located:
    """Find the source that the stations' reports agree on, and how probable it is.

    Parameters
    ----------
    onsets
        Of different stations, in order of time; at least one. After the first `MOST_ONSETS` only
        place and time count.
    silent
        Healthy stations without an onset.
    around
        Latitude and longitude of the middle of the search: the first station to pick, or
        where the source was found before.
    settings, tables
        Bounds of the search, and the travel times.
    within_km
        Search no further than this, instead of as far as the settings say.
    thorough
        Search more: where onsets may be of several events, many places fit some of them.
    """
    splits = MOST_SPLITS if thorough else SPLITS
    used = onsets[:MOST_ONSETS]
    rows = np.array([*(o.row() for o in used), *(s.row() for s in silent)]).reshape(-1, COLUMNS)
    other = rows[: len(used), OTHER].copy()
    loud = ~np.isnan(rows[: len(used), AMPLITUDE])
    rows[: len(used), OTHER] = np.maximum(other, WRONG * np.where(loud, WRONG_DECADES, 1.0))
    detail = np.zeros((len(rows), 3))
    point = np.zeros(CELL_FIELDS + 3)
    cells = np.zeros((FIRST_CELLS + 8 * splits, CELL_FIELDS))
    log_odds = search(
        around[0],
        around[1],
        within_km or settings.search_km,
        settings.max_depth_km,
        rows,
        len(used),
        tables.p_slowness,
        tables.s_slowness,
        settings.silent_after_s,
        splits,
        cells,
        detail,
        point,
    )
    latitude, longitude = at_place(point[EAST], point[NORTH], *around)
    log_odds += math.log(settings.earthquakes_per_year * 10.0 / (1e6 * YEAR_S))
    gained = np.log(rows[: len(used), OTHER] / other) * rows[: len(used), SHARE]
    mine = detail[: len(used), 1] + detail[: len(used), 2]
    log_odds += float((gained * mine).sum())
    rows[: len(used), OTHER] = other
    if len(used) > 1:
        far = plane_wave(*around, rows, len(used), settings.silent_after_s)
        common = _common_cause(rows[: len(used)], mine)
        log_odds -= float(np.logaddexp(np.logaddexp(0.0, far), common))
    residuals = detail[: len(used), 0].tolist()
    belongs = detail[: len(used), 1].tolist()
    belongs_as_s = detail[: len(used), 2].tolist()
    depth, origin = float(point[DEPTH]), float(point[ORIGIN])
    for o in onsets[MOST_ONSETS:]:
        residual = o.time_s - origin - _p_time(latitude, longitude, depth, o, tables)
        residuals.append(residual)
        belongs.append(1.0 / (1.0 + residual**2))
        belongs_as_s.append(0.0)
    return Located(
        latitude=latitude,
        longitude=(longitude + 180.0) % 360.0 - 180.0,
        depth_km=depth,
        origin_s=origin,
        epicentre_sigma_km=math.hypot(point[CELL_FIELDS], MODEL_BIAS_KM),
        depth_sigma_km=math.hypot(point[CELL_FIELDS + 1], DEPTH_BIAS_KM),
        origin_sigma_s=math.hypot(point[CELL_FIELDS + 2], ORIGIN_BIAS_S),
        magnitude=float(point[MAGNITUDE]),
        log_odds=log_odds,
        residuals_s=tuple(residuals),
        belongs=tuple(belongs),
        belongs_as_s=tuple(belongs_as_s),
        missing=tuple(detail[len(used) :, 1].tolist()),
        places=_places(cells, rows[: len(used)], around) if len(onsets) <= FEW_ONSETS else (),
    )


def _places(
    cells: _Floats, onsets: _Floats, around: tuple[float, float]
) -> tuple[tuple[float, float, float], ...]:
    """Choose the places that stand for the posterior."""
    km_east = KM_PER_DEGREE * math.cos(math.radians(around[0]))
    turn = (onsets[:, LONGITUDE] - around[1] + 180.0) % 360.0 - 180.0
    north = (onsets[:, LATITUDE] - around[0]) * KM_PER_DEGREE
    chosen = spread(cells, turn * km_east, north).tolist()
    return tuple((*at_place(east, north, *around), depth) for east, north, depth in chosen)


def _common_cause(rows: _Floats, belongs: _Floats) -> float:
    """Judge the onsets as of one disturbance that is no earthquake, and knows no travel times.

    A blast, thunder, a line that fails: it moves two places of the network some times a year,
    at about the same time, and more of them hardly ever. Silent stations do not speak against it.

    Returns
    -------
    float
        Log of the odds against nothing.
    """
    over = rows[:, AMPLITUDE] - rows[:, NOISE] - COMMON_WEAK
    fallen = 10.0 ** -np.maximum(over, 0.0) / (COMMON_WEAK + 1.0 / LN10)
    strong = (1.0 - COMMON_OUTLIERS) * fallen + COMMON_OUTLIERS * COMMON_DECADES
    gain = np.log(np.where(np.isnan(over), 1.0, strong) / rows[:, OTHER])
    votes = belongs * rows[:, SHARE]
    places = float(votes.sum())
    apart = (places - 1.0) * math.log(COMMON_WITHIN_S)
    rate = math.log(COMMON_A_YEAR / YEAR_S) - (places - 2.0) * math.log(COMMON_FEWER)
    return rate + float((gain * votes).sum()) - apart


def _p_time(
    latitude: float, longitude: float, depth: float, onset: Onset, tables: TravelTimes
) -> float:
    distance, _ = distance_azimuth(latitude, longitude, onset.latitude, onset.longitude)
    return tables.p(distance, depth)
