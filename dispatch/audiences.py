"""Who is told in a country, and by which policy: the layers that make a policy.

From the first, which is complete, to the last, which goes before all others:

1. the common policy of the configuration (``dispatch.policy``)
2. the country as shipped (``dispatch/policies/KZ.toml``)
3. the country in the configuration (``dispatch.countries.KZ``)
4. the kind of audience as shipped (``dispatch/policies/audiences.toml``)
5. the audience in the country as shipped
6. the audience in the configuration (``dispatch.audiences.NAME``)
7. the audience in the country in the configuration (``dispatch.countries.KZ.audiences.NAME``)
"""

import importlib.resources
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import Struct

from dispatch.names import Language
from dispatch.policy_settings import (
    AudienceKind,
    AudiencePolicy,
    CountryPolicy,
    Policy,
    Site,
    Wanted,
)

__all__ = ["ALWAYS", "DEFAULT", "SHIPPED", "Audience", "audience", "audiences", "shipped", "wanted"]

DEFAULT = "civil-protection"
"""The audience that is told where nothing else is configured."""

ALWAYS = (DEFAULT, "public")
"""Audiences that are there in every country, told or not."""

SHIPPED = ("KZ", "KG", "TJ", "TM", "UZ")
"""Countries whose policy ships with the package."""

_KINDS = get_args(AudienceKind)
_POLICY_FIELDS = Policy.__struct_fields__
_ELSEWHERE: tuple[Language, ...] = ("en",)


class Audience(Struct, frozen=True, kw_only=True):
    """Someone who is told in one country, with all that has been set for them.

    Attributes
    ----------
    name, kind, country
        Who, and where.
    enabled
        Whether they are told at all.
    languages
        Of each message, in this order.
    channel_delay_s
        Seconds that the way to them takes.
    policy
        When, of how much, and how often.
    addresses
        As in CAP.
    sites
        Those in this country; none: towns.
    places
        Names of the only towns that they are told of; none: all.
    """

    name: str
    kind: AudienceKind
    country: str
    enabled: bool
    languages: tuple[Language, ...]
    channel_delay_s: float
    policy: Policy
    addresses: tuple[str, ...] = ()
    sites: tuple[Site, ...] = ()
    places: frozenset[str] = frozenset()


def _text(name: str) -> str:
    return (importlib.resources.files("dispatch") / "policies" / f"{name}.toml").read_text("utf-8")


@cache
def _kinds() -> dict[AudienceKind, Wanted]:
    return msgspec.convert(tomllib.loads(_text("audiences")), dict[AudienceKind, Wanted])


@cache
def shipped(country: str) -> CountryPolicy:
    """Read the policy of a country that ships with the package; an empty one if there is none."""
    if country not in SHIPPED:
        return CountryPolicy()
    return msgspec.convert(tomllib.loads(_text(country)), CountryPolicy)


def wanted(
    countries: Mapping[str, CountryPolicy], audiences: Mapping[str, AudiencePolicy]
) -> Iterable[Wanted]:
    """Return every layer above the common policy, shipped or configured."""
    yield from _kinds().values()
    for country in (*map(shipped, SHIPPED), *countries.values()):
        yield country
        yield from country.audiences.values()
    yield from audiences.values()


def _kind(name: str, own: AudiencePolicy) -> AudienceKind:
    if own.kind is not None:
        return own.kind
    named: AudienceKind = name if name in _KINDS else "operator"  # type: ignore[assignment]
    return named


def audience(
    country: str,
    name: str,
    *,
    policy: Policy,
    countries: Mapping[str, CountryPolicy],
    configured: Mapping[str, AudiencePolicy],
    languages: Sequence[Language],
    channel_delay_s: float,
) -> Audience:
    """Put together what holds for an audience in a country.

    Parameters
    ----------
    country, name
        Whom.
    policy
        The common policy.
    countries, configured
        By country and by audience, what is wanted otherwise.
    languages
        Where neither country nor audience says otherwise; none: those of the country as
        shipped, else English.
    channel_delay_s
        The same for the channel's delay.
    """
    own = configured.get(name, AudiencePolicy())
    kind = _kind(name, own)
    here = countries.get(country, CountryPolicy())
    ours = shipped(country)
    layers = (
        ours,
        Wanted(languages=tuple(languages) or None),
        here,
        _kinds().get(kind),
        ours.audiences.get(name),
        own,
        here.audiences.get(name),
    )
    values: dict[str, Any] = {field: getattr(policy, field) for field in _POLICY_FIELDS}
    values |= {"enabled": True, "languages": _ELSEWHERE, "channel_delay_s": channel_delay_s}
    for layer in layers:
        if layer is not None:
            for field in Wanted.__struct_fields__:
                value = getattr(layer, field)
                if value is not None:
                    values[field] = value
    here_too = not own.countries or country in own.countries
    return Audience(
        name=name,
        kind=kind,
        country=country,
        enabled=bool(values["enabled"]) and here_too,
        languages=values["languages"],
        channel_delay_s=values["channel_delay_s"],
        policy=Policy(**{field: values[field] for field in _POLICY_FIELDS}),
        addresses=own.addresses or ((name,) if kind == "operator" else ()),
        sites=tuple(site for site in own.sites if site.country == country),
        places=frozenset(own.places),
    )


def audiences(country: str, configured: Mapping[str, AudiencePolicy]) -> tuple[str, ...]:
    """Name the audiences of a country, in order.

    One that has sites is there where they are; one that names countries is there alone.
    """
    there = [
        name
        for name, own in configured.items()
        if (not own.countries or country in own.countries)
        and (not own.sites or any(site.country == country for site in own.sites))
    ]
    return tuple(sorted({*ALWAYS, *there}))
