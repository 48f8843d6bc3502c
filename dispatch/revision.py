"""One revision of an event, worked out once for all audiences: who is shaken, how, and where."""

from collections.abc import Collection

import numpy as np
from msgspec import Struct

from detect.events import Earthquake
from detect.geodesy import distances_km
from dispatch.areas import Areas, Drawn
from dispatch.audiences import Audience
from dispatch.facts import Rule
from dispatch.geography import routes
from dispatch.isoseismals import Ring
from dispatch.joined import ShakingField
from dispatch.messages import WarnedArea
from dispatch.places import Places
from dispatch.policy import Expected, Shaken, STravelTimes, exceedance, expected
from dispatch.settings import DispatchSettings
from dispatch.sites import Sites

__all__ = ["FELT", "Chosen", "Revision"]

FELT = 2.0
"""A country in which nothing is shaken so much (MSK-64) is not asked about."""

SITE_DEGREES = 0.01
MOST_SITES_DRAWN = 20  # of five points each: an area has at most 100

_ROUNDING = 0.05
_HALF_SITE = round(SITE_DEGREES / 2, 4)


class Chosen(Struct, frozen=True):
    """Whom an audience is told of, and why them; no places if of nobody."""

    expected: Expected
    rules: tuple[Rule, ...]


class Revision:
    """The shaking of one revision, of which the magnitude is known.

    Parameters
    ----------
    lowest
        Intensity below which no policy tells anybody of a town.
    """

    def __init__(
        self,
        event: Earthquake,
        settings: DispatchSettings,
        towns: Places,
        sites: Sites,
        travel_times: STravelTimes,
        lowest: float,
        now_us: int,
    ) -> None:
        self.event = event
        self.field = ShakingField.of(event, settings)
        self._towns = towns
        self._sites = sites
        self._travel_times = travel_times
        self._now_us = now_us
        self._areas = Areas(self.field)
        self.shaken: dict[str, list[Shaken]] = {}
        self.strongest: dict[str, tuple[float, str]] = {}
        self._shaken_sites: dict[int, Shaken] = {}
        self._chosen: dict[tuple[object, ...], Chosen] = {}
        self._drawn: dict[tuple[str, float, int], tuple[Expected, Drawn]] = {}
        self._look_at_towns(lowest, settings.border_tolerance_km)
        self._look_at_sites(settings.max_distance_km)

    def _look_at_towns(self, lowest: float, tolerance_km: float) -> None:
        told = routes(self._towns, tolerance_km)
        index, distance, degree = self.field.places(self._towns, min(lowest, FELT))
        for i, km, value in zip(index, distance.tolist(), degree.tolist(), strict=True):
            own = told[i][0]
            if value > self.strongest.get(own, (0.0, ""))[0]:
                self.strongest[own] = value, self._towns.name[i]
            if value >= lowest - _ROUNDING:
                place = Shaken(i, km, value)
                for country in told[i]:
                    self.shaken.setdefault(country, []).append(place)

    def _look_at_sites(self, farthest_km: float) -> None:
        places = self._sites.places
        if not len(places):
            return
        event = self.event
        km = distances_km(event.latitude, event.longitude, places.latitude, places.longitude)
        degree = np.round(self.field.at(places.latitude, places.longitude), 1)
        near = np.flatnonzero((km <= farthest_km) & (degree >= FELT))
        for i, distance, value in zip(
            near.tolist(), km[near].tolist(), degree[near].tolist(), strict=True
        ):
            self._shaken_sites[i] = Shaken(i, distance, value)

    @property
    def countries(self) -> set[str]:
        """Countries in which someone may have to be told."""
        sites = {self._sites.places.country[i] for i in self._shaken_sites}
        return self.strongest.keys() | self.shaken.keys() | sites

    def concerns(self, audience: Audience) -> bool:
        """Whether anything that the audience is told of is shaken at all."""
        indices = self._sites.indices(audience)
        return not indices or any(i in self._shaken_sites for i in indices)

    def _candidates(self, audience: Audience) -> tuple[Places, list[Shaken]]:
        if audience.sites:
            indices = self._sites.indices(audience)
            found = [self._shaken_sites[i] for i in indices if i in self._shaken_sites]
            return self._sites.places, found
        towns = self.shaken.get(audience.country, [])
        if audience.places:
            towns = [place for place in towns if self._towns.name[place.index] in audience.places]
        return self._towns, towns

    def choose(self, audience: Audience, told: Collection[int]) -> Chosen:
        """Choose the places that an audience is told of, the country's own first.

        Parameters
        ----------
        told
            `geonameid` of those that it has been told of.
        """
        policy = audience.policy
        key = (
            audience.country,
            audience.name if audience.sites else "",
            audience.places,
            policy.min_intensity,
            policy.hysteresis,
            policy.min_probability,
            policy.min_lead_s,
            audience.channel_delay_s,
            frozenset(told),
        )
        if key not in self._chosen:
            self._chosen[key] = self._choose(audience, told)
        return self._chosen[key]

    def _choose(self, audience: Audience, told: Collection[int]) -> Chosen:
        policy = audience.policy
        places, candidates = self._candidates(audience)
        before = {i for i, p in enumerate(candidates) if int(places.geonameid[p.index]) in told}
        least = {True: policy.min_intensity - policy.hysteresis, False: policy.min_intensity}
        strong = [i for i, p in enumerate(candidates) if p.intensity >= least[i in before]]
        rules = [self._intensity(audience, places, candidates, bool(strong), least[bool(before)])]
        if strong and policy.min_probability > 0.0:
            chances = {i: self._chance(candidates[i], policy.min_intensity) for i in strong}
            strong = [i for i in strong if i in before or chances[i] >= policy.min_probability]
            rules.append(
                Rule(
                    "probability",
                    bool(strong),
                    f"{max(chances.values()):.2f} that it is {policy.min_intensity:g} or more; "
                    f"at least {policy.min_probability:g}",
                )
            )
        found = expected(
            self.event,
            [candidates[i] for i in strong],
            places,
            self._travel_times,
            policy,
            told,
            self._now_us,
            audience.channel_delay_s,
        )
        if rules[-1].met:
            rules.append(
                Rule(
                    "lead",
                    bool(found.places),
                    self._lead(found, audience),
                )
            )
        # Its own places first: those across the border are told on their side as well.
        ordered = sorted(found.places, key=lambda place: place.country != audience.country)
        return Chosen(Expected(tuple(ordered), found.farthest_km), tuple(rules))

    def _chance(self, place: Shaken, level: float) -> float:
        return exceedance(self.event, self.field, place, level)

    def _intensity(
        self,
        audience: Audience,
        places: Places,
        candidates: list[Shaken],
        is_met: bool,
        least: float,
    ) -> Rule:
        if candidates:
            best = max(candidates, key=lambda place: place.intensity)
            value, name = best.intensity, places.name[best.index]
        else:
            value, name = self.strongest.get(audience.country, (0.0, ""))
            if audience.sites or audience.places or not name:
                return Rule("intensity", False, f"it does not come near; at least {least:g}")
        return Rule("intensity", is_met, f"{value:.1f} at {name}; at least {least:g}")

    @staticmethod
    def _lead(found: Expected, audience: Audience) -> str:
        least = f"{audience.policy.min_lead_s:g} s"
        if not found.places:
            return f"nowhere more than {least} to S"
        place = max(found.places, key=lambda place: place.lead_s)
        return f"{place.lead_s:.1f} s to S at {place.name}; more than {least}"

    def draw(self, audience: Audience, found: Expected) -> Drawn:
        """Draw the areas of a message."""
        policy = audience.policy
        key = (audience.country, policy.min_intensity, id(found))
        if key not in self._drawn:
            drawn = (
                _around(found, policy.min_intensity)
                if audience.sites
                else self._areas.of(audience.country, found.places, policy)
            )
            self._drawn[key] = found, drawn
        return self._drawn[key][1]


def _around(found: Expected, least: float) -> Drawn:
    """Draw a square about each site."""
    if len(found.places) > MOST_SITES_DRAWN:
        return Drawn((), f"more than {MOST_SITES_DRAWN} sites")
    rings = tuple(_square(place.latitude, place.longitude) for place in found.places)
    level = min([least, *(place.intensity for place in found.places)])
    return Drawn((WarnedArea(intensity=level, polygons=rings),))


def _square(latitude: float, longitude: float) -> Ring:
    south, north = (round(latitude + d, 4) for d in (-_HALF_SITE, _HALF_SITE))
    west, east = (round(longitude + d, 4) for d in (-_HALF_SITE, _HALF_SITE))
    return (south, west), (south, east), (north, east), (north, west), (south, west)
