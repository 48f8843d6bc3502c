"""Sites of operators as places: points that are told of like towns, by those who named them."""

import numpy as np
from msgspec import Struct

from detect.geodesy import distances_km
from dispatch.audiences import Audience
from dispatch.places import Places
from dispatch.settings import DispatchSettings, Site

__all__ = ["Sites", "gather"]


class Sites(Struct, frozen=True):
    """All sites of all audiences.

    Attributes
    ----------
    places
        As places; `geonameid` is below 0 and counts the sites of one audience and country.
        Their time zone is that of the nearest town.
    of
        By audience and country, where theirs stand in `places`.
    countries
        In which there are any.
    """

    places: Places
    of: dict[tuple[str, str], tuple[int, ...]]
    countries: frozenset[str]

    def indices(self, audience: Audience) -> tuple[int, ...]:
        """Return where the sites of an audience stand."""
        return self.of.get((audience.name, audience.country), ())


def gather(settings: DispatchSettings, towns: Places) -> Sites:
    """Collect the sites of all audiences."""
    identity: list[int] = []
    named: list[Site] = []
    of: dict[tuple[str, str], tuple[int, ...]] = {}
    for name, own in sorted(settings.audiences.items()):
        for country in sorted({site.country for site in own.sites}):
            here = [site for site in own.sites if site.country == country]
            of[name, country] = tuple(range(len(named), len(named) + len(here)))
            identity += range(-len(here), 0)
            named += here
    zones = tuple(_zone(towns, site.latitude, site.longitude) for site in named)
    places = Places(
        geonameid=np.array(identity, np.int64),
        name=tuple(site.name for site in named),
        country=tuple(site.country for site in named),
        latitude=np.array([site.latitude for site in named], np.float64),
        longitude=np.array([site.longitude for site in named], np.float64),
        population=np.zeros(len(named), np.int64),
        timezone=zones,
    )
    return Sites(places, of, frozenset(site.country for site in named))


def _zone(towns: Places, latitude: float, longitude: float) -> str:
    if not len(towns):
        return "UTC"
    distance = distances_km(latitude, longitude, towns.latitude, towns.longitude)
    return towns.timezone[int(distance.argmin())]
