"""How many people a shaking is expected to reach, by degree of intensity."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from dispatch.messages import Exposed, PlaceWarning
from dispatch.places import Places, country_population

__all__ = ["coverage", "exposed"]


def exposed(places: Iterable[PlaceWarning]) -> tuple[Exposed, ...]:
    """Count places and their people by the nearest whole degree, the strongest first.

    People outside towns are in no place: see `coverage`.
    """
    counts: dict[int, list[int]] = {}
    for place in places:
        count = counts.setdefault(int(place.intensity + 0.5), [0, 0])
        count[0] += 1
        count[1] += place.population
    return tuple(Exposed(d, *counts[d]) for d in sorted(counts, reverse=True))


@lru_cache(maxsize=512)
def coverage(places: Places, country: str) -> float | None:
    """Share of a country's people that live in its places.

    Returns
    -------
    float or None
        To a hundredth; above 1 where places overlap or the counts are of different years.
        None where the population of the country is not known.
    """
    total = country_population(country)
    if total is None:
        return None
    own = np.array(places.country) == country
    return round(int(places.population[own].sum()) / total, 2)
