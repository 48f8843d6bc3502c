"""What can be set about warnings: who sends them, when, and about what."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from detect.shaking import Attenuation
from dispatch import audiences
from dispatch.audiences import DEFAULT, Audience
from dispatch.hazard_policy import HazardPolicies
from dispatch.names import Language
from dispatch.policy_settings import (
    AudienceName,
    AudiencePolicy,
    CountryCode,
    CountryPolicy,
    Policy,
    Site,
    Wanted,
)
from stream.settings import Settings

__all__ = [
    "AudiencePolicy",
    "CountryPolicy",
    "DispatchSettings",
    "Policy",
    "Site",
    "Wanted",
]

_EXAMPLE = "example.org"


class DispatchSettings(Settings, frozen=True):
    """Warnings: the sender, the formula, and the policies."""

    sender: Annotated[
        str,
        Meta(
            description="CAP sender, one for each source of warnings, without spaces",
            pattern=r"^[^\s,<&]+$",
        ),
    ] = "alatau@example.org"
    sender_name: Annotated[
        str, Meta(description="Name of the sender for people", min_length=1, pattern=r"^\S.*$")
    ] = "Alatau earthquake early warning"
    status: Annotated[
        Literal["Test", "Exercise", "Actual"],
        Meta(description="CAP status; `Actual` alone is meant for the public"),
    ] = "Test"
    web: Annotated[
        str, Meta(description="Page with more about the warnings", pattern=r"^https?://[^\s<>]+$")
    ] = "https://example.org/warnings"
    contact: Annotated[
        str, Meta(description="Whom to ask, for people", min_length=1, pattern=r"^\S.*$")
    ] = "alatau@example.org"
    languages: Annotated[
        tuple[Language, ...],
        Meta(
            description="Languages of each message, in this order, where neither country nor "
            "audience says otherwise; none: those of the country's shipped policy, else English",
            max_length=7,
        ),
    ] = ()
    channel_delay_s: Annotated[
        float,
        Meta(
            description="Seconds that the way to people takes; taken off every lead time",
            ge=0.0,
            le=600.0,
        ),
    ] = 0.0
    attenuation: Annotated[
        Attenuation,
        Meta(
            description="Formula of intensity: Bindi et al. 2011 with the depth found, or with 15 "
            "km for all; Allen et al. 2012 with the distance to the hypocentre or to the rupture"
        ),
    ] = "depth"
    carried_km: Annotated[
        float,
        Meta(
            description="What a station feels is expected at places within this distance; km. 30 "
            "in Japan, 60 recommended for the western United States",
            ge=0.0,
            le=100.0,
        ),
    ] = 30.0
    min_depth_km: Annotated[
        float,
        Meta(
            description="Shallowest depth the formula is used with: with less it grows narrow "
            "about the epicentre, and the first depths found are poor; km",
            gt=0.0,
            le=50.0,
        ),
    ] = 5.0
    max_distance_km: Annotated[
        float, Meta(description="No place farther away is warned; km", gt=0.0, le=1000.0)
    ] = 600.0
    border_tolerance_km: Annotated[
        float,
        Meta(
            description="A place within this distance of another country is told to that country "
            "too; km. The borders known are good to about 2",
            ge=0.0,
            le=50.0,
        ),
    ] = 10.0
    policy: Annotated[
        Policy, Meta(description="What holds where country and audience want nothing otherwise")
    ] = Policy()
    countries: Annotated[
        dict[CountryCode, CountryPolicy],
        Meta(description="By country code, what that country wants otherwise"),
    ] = field(default_factory=dict)
    audiences: Annotated[
        dict[AudienceName, AudiencePolicy],
        Meta(
            description="By name, who else is told; or what `public` (off by default) and "
            "`civil-protection` want otherwise in all countries"
        ),
    ] = field(default_factory=dict)

    hazards: Annotated[
        HazardPolicies, Meta(description="Warnings of hazards other than earthquakes")
    ] = HazardPolicies()

    def __post_init__(self) -> None:
        if len(set(self.languages)) < len(self.languages):
            raise ValueError("a language is named twice")
        if self.status == "Actual" and any(
            _EXAMPLE in text for text in (self.sender, self.web, self.contact)
        ):
            raise ValueError(
                f"status Actual needs a sender, web and contact of your own, not {_EXAMPLE}"
            )

        known = {*audiences.ALWAYS, *self.audiences}
        for code, country in self.countries.items():
            for name in country.audiences.keys() - known:
                raise ValueError(f"countries.{code} names the audience {name}, which is not there")

    def audiences_in(self, country: str) -> tuple[Audience, ...]:
        """Return all audiences of a country, by name, told or not."""
        names = audiences.audiences(country, self.audiences)
        return tuple(self.audience(country, name) for name in names)

    def audience(self, country: str, name: str = DEFAULT) -> Audience:
        """Return what holds for an audience in a country."""
        return audiences.audience(
            country,
            name,
            policy=self.policy,
            countries=self.countries,
            configured=self.audiences,
            languages=self.languages,
            channel_delay_s=self.channel_delay_s,
        )

    def policy_for(self, country: str, audience: str = DEFAULT) -> Policy:
        """Return the policy of an audience in a country."""
        return self.audience(country, audience).policy

    def languages_used(self) -> tuple[Language, ...]:
        """Return every language that a message may be in."""
        layers = audiences.wanted(self.countries, self.audiences)
        own = {language for layer in layers for language in layer.languages or ()}
        return tuple(sorted({"en", *self.languages, *own}))

    def everything_set(self, name: str) -> list[Any]:
        """Return every value that a field of a policy has in some country or audience."""
        layers = audiences.wanted(self.countries, self.audiences)
        values = [getattr(layer, name) for layer in layers]
        return [getattr(self.policy, name), *(value for value in values if value is not None)]
