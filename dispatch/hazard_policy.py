"""What can be set about warnings of hazards other than earthquakes: for each hazard, a policy.

The shipped policies are a beginning, not a measurement: no source gives the width of a corridor
or the minutes by which an arrival must move before people are told again. They are set so that
the public, operators and machines hear of nothing that only one sensor says, and of a release of
substances the public hears only when two people have said so; civil protection hears of
everything at once. Who is there in a country, in which languages, is as in `dispatch.audiences`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, field

from detect.hazard_events import Hazard
from dispatch.policy_settings import CountryCode
from stream.settings import Settings

__all__ = ["SHIPPED", "CountryHazards", "HazardChoice", "HazardPolicies", "HazardPolicy", "Warned"]

Warned = Literal[
    "flood",
    "flash flood",
    "lake outburst",
    "dam break",
    "debris flow",
    "landslide",
    "heavy rain",
    "radioactive release",
    "chemical release",
]
"""The hazards that people are warned of. A silent sensor is for the operator alone."""

_Level = Literal[1, 2, 3]
_Status = Literal["provisional", "confirmed"]
_Radius = Annotated[float, Meta(gt=0.0, le=200.0)]
_Width = Annotated[float, Meta(gt=0.0, le=50.0)]
_Moved = Annotated[int, Meta(ge=30, le=86_400)]
_Life = Annotated[int, Meta(ge=600, le=86_400)]

_MIN_LEVEL = Meta(
    description="All but civil protection are told from this level on: 1 watch to 3 alarm"
)
_MIN_STATUS = Meta(
    description="What it must be for all but civil protection; `provisional` is one sensor"
)
_TWO_PEOPLE = Meta(
    description="Whether two people must release what goes to the public and to machines"
)
_ALONG = Meta(description="Whether it runs down a valley: the area joins source and places")
_RADIUS = Meta(description="The area holds so much around the source; km")
_WIDTH = Meta(
    description="The area holds so much around each place, and on either side of the line that "
    "joins them; km"
)
_MOVED = Meta(description="An update is due when the arrival at a place moves by so many seconds")
_LIFE = Meta(
    description="Seconds until a message expires; it stands an hour beyond the last arrival at "
    "least, and a day at most"
)


class HazardPolicy(Settings, frozen=True):
    """When people are warned of one hazard, and where."""

    min_level: Annotated[_Level, _MIN_LEVEL] = 2
    min_status: Annotated[_Status, _MIN_STATUS] = "confirmed"
    two_people: Annotated[bool, _TWO_PEOPLE] = False
    along: Annotated[bool, _ALONG] = True
    radius_km: Annotated[_Radius, _RADIUS] = 5.0
    width_km: Annotated[_Width, _WIDTH] = 3.0
    update_s: Annotated[_Moved, _MOVED] = 300
    expires_s: Annotated[_Life, _LIFE] = 21_600


SHIPPED: Mapping[Warned, HazardPolicy] = {
    "flood": HazardPolicy(update_s=1800, expires_s=86_400),
    "flash flood": HazardPolicy(update_s=600),
    "lake outburst": HazardPolicy(expires_s=43_200),
    "dam break": HazardPolicy(expires_s=43_200),
    "debris flow": HazardPolicy(),
    "landslide": HazardPolicy(along=False),
    "heavy rain": HazardPolicy(along=False, radius_km=30.0, update_s=1800, expires_s=43_200),
    "radioactive release": HazardPolicy(
        two_people=True, along=False, radius_km=30.0, update_s=900, expires_s=43_200
    ),
    "chemical release": HazardPolicy(
        two_people=True, along=False, radius_km=10.0, update_s=900, expires_s=43_200
    ),
}
"""What holds where nothing else is set."""


class HazardChoice(Settings, frozen=True):
    """What is wanted otherwise for one hazard; what is left out is as shipped."""

    min_level: Annotated[_Level | None, _MIN_LEVEL] = None
    min_status: Annotated[_Status | None, _MIN_STATUS] = None
    two_people: Annotated[bool | None, _TWO_PEOPLE] = None
    along: Annotated[bool | None, _ALONG] = None
    radius_km: Annotated[_Radius | None, _RADIUS] = None
    width_km: Annotated[_Width | None, _WIDTH] = None
    update_s: Annotated[_Moved | None, _MOVED] = None
    expires_s: Annotated[_Life | None, _LIFE] = None

    def over(self, policy: HazardPolicy) -> HazardPolicy:
        """Return the policy with what is wanted otherwise."""
        own = {name: getattr(self, name) for name in self.__struct_fields__}
        common = {name: getattr(policy, name) for name in policy.__struct_fields__}
        return HazardPolicy(**{n: common[n] if v is None else v for n, v in own.items()})


class CountryHazards(Settings, frozen=True):
    """What one country wants otherwise."""

    kinds: Annotated[
        dict[Warned, HazardChoice],
        Meta(description="By hazard, what this country wants otherwise"),
    ] = field(default_factory=dict)


class HazardPolicies(Settings, frozen=True):
    """Warnings of hazards other than earthquakes."""

    kinds: Annotated[
        dict[Warned, HazardChoice],
        Meta(description="By hazard, what is wanted otherwise than shipped"),
    ] = field(default_factory=dict)
    countries: Annotated[
        dict[CountryCode, CountryHazards],
        Meta(description="By country code, what that country wants otherwise"),
    ] = field(default_factory=dict)

    def policy_for(self, hazard: Hazard, country: str) -> HazardPolicy | None:
        """Return the policy of a hazard in a country; None for what nobody is warned of."""
        if hazard == "sensor silent":
            return None
        policy = SHIPPED[hazard]
        own = self.countries.get(country, CountryHazards())
        for choice in (self.kinds.get(hazard), own.kinds.get(hazard)):
            policy = policy if choice is None else choice.over(policy)
        return policy
