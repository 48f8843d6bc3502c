"""How strongly places are shaken: what the source explains, joined with what stations feel."""

from functools import lru_cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from detect.events import Earthquake
from detect.geodesy import distance_azimuth, line_distances_km
from detect.plum import carried, shift
from detect.shaking import intensity, radius_km
from dispatch.places import Places
from dispatch.settings import DispatchSettings

__all__ = ["ShakingField"]

ONGOING_MAGNITUDE = 6.5  # breaks for ten seconds and more: what has been felt is not all of it

_Floats = NDArray[np.float64]

_radius_km = lru_cache(maxsize=256)(radius_km)  # by bisection, and asked for by each audience


class ShakingField(Struct, frozen=True):
    """The shaking of one revision of an event, of which the magnitude is known.

    Attributes
    ----------
    event, settings
        Whose, and by which formula.
    magnitude, depth_km
        As the formula takes them.
    shift
        Degrees added to the formula, because the stations that have felt S felt so much more or
        less. A large earthquake, or one that can only be called "at least" so large, is not
        made weaker by what has been felt so far.
    """

    event: Earthquake
    settings: DispatchSettings
    magnitude: float
    depth_km: float
    shift: float

    @classmethod
    def of(cls, event: Earthquake, settings: DispatchSettings) -> "ShakingField":
        """Make the field of an event.

        Raises
        ------
        ValueError
            If the event has no magnitude.
        """
        if event.magnitude is None:
            raise ValueError("no intensity without a magnitude")
        depth = max(event.depth_km, settings.min_depth_km)
        plain = cls(event, settings, event.magnitude, depth, 0.0)
        latitude = np.array([s.latitude for s in event.shaking])
        longitude = np.array([s.longitude for s in event.shaking])
        value = shift(event.shaking, plain.of_source(latitude, longitude), event.magnitude)
        if event.magnitude_saturated or event.magnitude >= ONGOING_MAGNITUDE:
            value = max(value, 0.0)
        return cls(event, settings, event.magnitude, depth, value)

    @property
    def line(self) -> tuple[tuple[float, float], ...]:
        """What broke: latitude and longitude of its corners, or of the epicentre."""
        return self.event.rupture or ((self.event.latitude, self.event.longitude),)

    def of_source(self, latitudes: _Floats, longitudes: _Floats) -> _Floats:
        """Return the intensity at places that the source explains."""
        distance = line_distances_km(self.line, latitudes, longitudes)
        attenuation = self.settings.attenuation
        return intensity(self.magnitude, distance, self.depth_km, attenuation) + self.shift

    def at(self, latitudes: _Floats, longitudes: _Floats) -> _Floats:
        """Return the intensity at places: the source's, or that of a station nearby."""
        observed = carried(self.event.shaking, latitudes, longitudes, self.settings.carried_km)
        return np.maximum(self.of_source(latitudes, longitudes), observed)

    def reach_km(self, level: float) -> float:
        """Distance from the epicentre that no place exceeds where the intensity is a level."""
        settings = self.settings
        event = self.event
        from_line = _radius_km(
            self.magnitude, level - self.shift, self.depth_km, settings.attenuation
        )
        farthest = 0.0
        if from_line > 0.0:
            farthest = from_line + max(self._km(*corner) for corner in self.line)
        for s in event.shaking:
            if s.intensity >= level:
                farthest = max(farthest, self._km(s.latitude, s.longitude) + settings.carried_km)
        return min(farthest, settings.max_distance_km)

    def _km(self, latitude: float, longitude: float) -> float:
        """Return the distance of a place from the epicentre."""
        here = self.event.latitude, self.event.longitude
        return distance_azimuth(*here, latitude, longitude)[0]

    def places(self, places: Places, level: float) -> tuple[list[int], _Floats, _Floats]:
        """Find the places where the intensity, to a tenth, is at least a level.

        Returns
        -------
        index, distance_km, intensity
            Numbers of the places, growing; their distances from the epicentre.
        """
        event = self.event
        index, distance = places.within(
            event.latitude, event.longitude, self.reach_km(level - 0.05)
        )
        degree = np.round(self.at(places.latitude[index], places.longitude[index]), 1)
        strong = degree >= level - 0.05
        return index[strong].tolist(), distance[strong], degree[strong]
