"""The areas of a warning: isoseismals of a revision, cut for each country."""

import math

import numpy as np
from msgspec import Struct
from shapely import Polygon

from dispatch.isoseismals import Isoseismal, UnmappableError, cut, isoseismals
from dispatch.joined import ShakingField
from dispatch.messages import PlaceWarning, WarnedArea
from dispatch.settings import Policy

__all__ = ["Areas", "Drawn"]

_ROUNDING = 0.05  # intensities are told to a tenth
_HIGHEST = 12


class Drawn(Struct, frozen=True):
    """Areas of one country, and why there are none."""

    areas: tuple[WarnedArea, ...]
    refused: str | None = None


class Areas:
    """Draws the areas of one revision of an event, of which the magnitude is known.

    Isoseismals are drawn once for all countries that share a lowest intensity.
    """

    def __init__(self, field: ShakingField) -> None:
        self._field = field
        self._drawn: dict[tuple[float, ...], tuple[Isoseismal, ...]] = {}

    def of(self, country: str, places: tuple[PlaceWarning, ...], policy: Policy) -> Drawn:
        """Draw where the people of a country are warned, and where the shaking is stronger.

        Parameters
        ----------
        country
            ISO 3166-1 code.
        places
            All that are told; each area holds those that are as strongly shaken.
        policy
            Of the country.
        """
        lowest = round(min([policy.min_intensity, *(place.intensity for place in places)]), 1)
        first = math.floor(lowest + 0.5) + 1
        levels = (lowest, *(degree - 0.5 for degree in range(first, _HIGHEST + 1)))
        try:
            return Drawn(tuple(self._cut(country, places, levels)))
        except UnmappableError as error:
            return Drawn((), str(error))

    def _isoseismals(self, levels: tuple[float, ...]) -> tuple[Isoseismal, ...]:
        if levels not in self._drawn:
            field = self._field
            peaks = [
                (field.event.latitude, field.event.longitude),
                *field.line,
                *((s.latitude, s.longitude) for s in field.event.shaking),
            ]
            latitude, longitude = np.array(peaks).T.tolist()
            self._drawn[levels] = isoseismals(
                field.at,
                [level - _ROUNDING for level in levels],
                latitude,
                longitude,
                max(field.reach_km(levels[0] - _ROUNDING), 1.0),
            )
        return self._drawn[levels]

    def _cut(
        self, country: str, places: tuple[PlaceWarning, ...], levels: tuple[float, ...]
    ) -> list[WarnedArea]:
        # What only single places are told of may be too small for the grid.
        shapes = [isoseismal.shape for isoseismal in self._isoseismals(levels)] or [Polygon()]
        areas = []
        for level, shape in zip(levels, shapes, strict=False):
            inside = [place for place in places if place.intensity >= level]
            polygons = cut(
                shape,
                country,
                self._field.settings.border_tolerance_km,
                [place.latitude for place in inside],
                [place.longitude for place in inside],
            )
            if not polygons:
                break
            areas.append(WarnedArea(intensity=level, polygons=polygons))
        return areas
