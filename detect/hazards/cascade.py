"""What an earthquake sets off, and what its waves only seem to.

An earthquake that shakes a lake, a dam or a slope as hard as its rule says raises a watch there
and lowers the thresholds of its sensors for a while. An earthquake that is cancelled, is another
one, or turns out to shake it less, takes back what it raised.

While the waves of a confirmed earthquake pass a gauge or a seismic station, what they do to the
water is no impulse wave, and what they do to the ground is no flow.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

import numpy as np
from msgspec import Struct

from detect.events import Earthquake
from detect.geodesy import distance_azimuth, line_distances_km
from detect.hazards.bulletins import Bulletins
from detect.hazards.cascade_file import CascadeFile, Watched
from detect.hazards.melt import Melt
from detect.shaking import intensity
from ingest.sensors import Sensor
from ingest.units import conversion

__all__ = ["Cascades", "Moved", "Waves", "felt"]

P_KM_S = 8.5  # faster than P of any region of the crust: nothing of an earthquake comes sooner
LAST_KM_S = 2.0  # slower than the surface waves that still shake hard
CODA_S = 120.0
SEEN = 1.0  # MSK-64: weaker shaking moves neither gauges nor the band of a flow
LESS = 0.5  # degrees that a revised intensity must fall below the rule's to take a watch back

SECOND = 1_000_000
HOUR = 3600 * SECOND


class Waves(Struct, frozen=True):
    """The waves of an earthquake at a place: which, and from when to when (us)."""

    quake: str
    from_us: int
    to_us: int


class Moved(Struct, frozen=True):
    """A watched lake, dam or slope that a revision of an earthquake speaks for, or no longer.

    Attributes
    ----------
    index
        In the list of what is watched.
    watched, quake
        Which.
    felt
        Intensity there; None where the earthquake is nothing, or another.
    stands
        Whether it speaks for it.
    """

    index: int
    watched: Watched
    quake: Earthquake
    felt: float | None
    stands: bool


def felt(quake: Earthquake, latitude: float, longitude: float) -> float | None:
    """Return the intensity at a place: from the source or along what broke (Bindi et al. 2011).

    Returns
    -------
    float or None
        None without a magnitude.
    """
    if quake.magnitude is None:
        return None
    depth_km = max(quake.depth_km, 1.0)
    if len(quake.rupture) > 1:
        line = line_distances_km(quake.rupture, np.array([latitude]), np.array([longitude]))
        away_km = float(line[0])
    else:
        away_km, _ = distance_azimuth(quake.latitude, quake.longitude, latitude, longitude)
    return float(intensity(quake.magnitude, away_km, depth_km))


class Cascades:
    """The fold of earthquakes, and of what only makes sensors more alert.

    Parameters
    ----------
    rules
        What is watched, and the priors.
    sensors
        Those of the priors are among them.
    places
        By basin, latitude and longitude (degrees) of what stands there.

    Attributes
    ----------
    bulletins
        The fold of warnings of other services.
    memory
        How far back all this matters.
    """

    def __init__(
        self,
        rules: CascadeFile,
        sensors: Sequence[Sensor],
        places: Mapping[str, Sequence[tuple[float, float]]],
    ) -> None:
        self._watched = rules.watched
        self._priors = rules.priors
        self.bulletins = Bulletins(rules.bulletins, places)
        self._quakes: dict[str, Earthquake] = {}
        self._raised: dict[tuple[int, str], int] = {}
        self._lowered: dict[tuple[int, str], tuple[float, int]] = {}
        units = {sensor.id: sensor.unit for sensor in sensors}
        self._prior_sensors = {name for prior in self._priors for name in prior.sensors}
        self._melts = {
            name: (Melt(), conversion(units[name], "degC"))
            for prior in self._priors
            if prior.by == "melt"
            for name in prior.sensors
        }
        lasts_h = [*(w.lasts_h for w in self._watched), *(p.lasts_h for p in self._priors)]
        melts_s = max((melt.memory_s for melt, _ in self._melts.values()), default=0.0)
        self.memory = max(
            timedelta(hours=max([1.0, *lasts_h]), seconds=melts_s), self.bulletins.memory
        )

    def is_prior(self, sensor: str) -> bool:
        """Say whether a sensor only lowers the thresholds of others."""
        return sensor in self._prior_sensors

    def fold(self, quake: Earthquake, now_us: int) -> Iterator[Moved]:
        """Take a revision of an earthquake; return what it raises, changes or takes back."""
        stands = quake.status in ("provisional", "confirmed")
        if stands:
            self._quakes[quake.id] = quake
        else:
            self._quakes.pop(quake.id, None)
        for index, watched in enumerate(self._watched):
            key = (index, quake.id)
            value = felt(quake, watched.latitude, watched.longitude) if stands else None
            raised = key in self._raised
            sure = quake.status == "confirmed" or watched.status == "provisional"
            until_us = quake.origin_time_us + round(watched.lasts_h * HOUR)
            if until_us <= now_us:
                continue
            least = watched.intensity - (LESS if raised else 0.0)
            if value is not None and value >= least and (sure or raised):
                self._raised[key] = until_us
                yield Moved(index, watched, quake, value, True)
            elif raised:
                del self._raised[key]
                yield Moved(index, watched, quake, value, False)

    def speaks(self, sensor: str, time_us: int, value: float, level: int, now_us: int) -> None:
        """Take a reading of a sensor of a prior, and the level of what it says."""
        melts = self._melts.get(sensor)
        factor = 1.0 if melts is None else melts[0].fold(time_us, melts[1](value))
        for index, prior in enumerate(self._priors):
            if sensor not in prior.sensors:
                continue
            until_us = now_us + round(prior.lasts_h * HOUR)
            if prior.by == "melt":
                self._lowered[index, sensor] = (max(prior.lowered, factor), until_us)
            elif level:
                self._lowered[index, sensor] = (prior.lowered, until_us)

    def lowered(self, basin: str, hazard: str, now_us: int) -> float:
        """Return what thresholds in a basin are multiplied by now; 1 for as they are."""
        by_quakes = [
            self._watched[index].lowered
            for (index, _), until_us in self._raised.items()
            if now_us < until_us and self._watched[index].basin == basin
        ]
        by_priors = [
            factor
            for (index, _), (factor, until_us) in self._lowered.items()
            if now_us < until_us
            and self._priors[index].basin == basin
            and hazard in self._priors[index].hazards
        ]
        by_others = self.bulletins.lowered(basin, hazard, now_us)
        return min([by_others, *by_quakes, *by_priors])

    def causes(self, basin: str, now_us: int) -> list[str]:
        """Return the ids of the earthquakes for which a basin is watched now."""
        return sorted(
            quake
            for (index, quake), until_us in self._raised.items()
            if now_us < until_us and self._watched[index].basin == basin
        )

    def waves(self, latitude: float, longitude: float, time_us: int) -> Waves | None:
        """Return the waves of a confirmed earthquake that pass a place at a time."""
        for quake in sorted(self._quakes.values(), key=lambda q: q.id):
            if quake.status != "confirmed" or quake.magnitude is None:
                continue
            away_km, _ = distance_azimuth(quake.latitude, quake.longitude, latitude, longitude)
            early_s = 2.0 + 2.0 * min(quake.origin_time_sigma_s, 5.0)
            begin = quake.origin_time_us + round((away_km / P_KM_S - early_s) * SECOND)
            end = quake.origin_time_us + round((away_km / LAST_KM_S + CODA_S) * SECOND)
            if begin <= time_us <= end and (felt(quake, latitude, longitude) or 0.0) >= SEEN:
                return Waves(quake.id, begin, end)
        return None

    def forget(self, now_us: int) -> Iterable[tuple[int, str]]:
        """Let go of what is over; return the watches that end, as index and earthquake."""
        self.bulletins.forget(now_us)
        self._lowered = {k: v for k, v in self._lowered.items() if now_us < v[1]}
        self._quakes = {i: q for i, q in self._quakes.items() if now_us - q.origin_time_us < HOUR}
        ended = sorted(key for key, until_us in self._raised.items() if until_us <= now_us)
        for key in ended:
            del self._raised[key]
        return ended
