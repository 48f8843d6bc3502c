"""What can be set about warnings: who sends them, when, and about what."""

from typing import Annotated, Literal

from msgspec import Meta, field

from detect.shaking import Attenuation
from dispatch.names import Language
from stream.settings import Settings

__all__ = ["CountryPolicy", "DispatchSettings", "Policy"]

_EXAMPLE = "example.org"

CountryCode = Annotated[
    str, Meta(pattern="^[A-Z]{2}$", description="ISO 3166-1 code of two capital letters")
]
MinStatus = Literal["provisional", "confirmed"]
_Intensity = Annotated[float, Meta(ge=2.0, le=12.0)]
_Magnitude = Annotated[float, Meta(ge=0.0, le=9.0)]
_Hysteresis = Annotated[float, Meta(ge=0.0, le=2.0)]
_Step = Annotated[float, Meta(ge=0.1, le=5.0)]
_Shift = Annotated[float, Meta(ge=0.5)]
_Life = Annotated[int, Meta(ge=360, le=86_400)]
_Count = Annotated[int, Meta(ge=1, le=500)]


class Policy(Settings, frozen=True):
    """When people are warned, and of how much.

    The defaults for intensity and magnitude are those that tell apart the region's reference
    earthquakes: Wushi 2024 (Mw 7.0, 264 km from Almaty) must be told there, where the
    formula gives 4.3; Almaty of 2025-09-21 (M 3.8, 12 km, not felt) must not, and the
    formula gives 4.3 for it too: its magnitude keeps it back, and that two stations must have
    felt it, which then bring the formula down.
    """

    min_intensity: Annotated[
        _Intensity, Meta(description="A place is warned from this MSK-64 intensity on")
    ] = 4.0
    min_magnitude: Annotated[_Magnitude, Meta(description="No warning below this magnitude")] = 4.5
    felt_magnitude: Annotated[
        _Magnitude,
        Meta(
            description="Below this magnitude nobody is warned before two stations have felt the "
            "S wave"
        ),
    ] = 5.5
    min_status: Annotated[
        MinStatus,
        Meta(description="What an event must be; `provisional` ones may be nothing at all"),
    ] = "confirmed"
    hysteresis: Annotated[
        _Hysteresis,
        Meta(
            description="A place once warned stays so down to this many degrees below min_intensity"
        ),
    ] = 0.5
    magnitude_hysteresis: Annotated[
        _Hysteresis,
        Meta(description="A warning once given stands down to this much below min_magnitude"),
    ] = 0.3
    update_intensity: Annotated[
        _Step,
        Meta(
            description="An update is due when the intensity at a place differs by so many degrees"
        ),
    ] = 0.5
    update_seconds: Annotated[
        _Shift, Meta(description="An update is due when the S wave differs by so many seconds")
    ] = 3.0
    expires_s: Annotated[
        _Life,
        Meta(description="Seconds until a message expires; more than S takes to the last place"),
    ] = 600
    max_places: Annotated[
        _Count,
        Meta(description="Places listed in one message, the largest first; its circle holds all"),
    ] = 50


class CountryPolicy(Settings, frozen=True):
    """What one country wants otherwise; what it leaves out is as in the common policy."""

    min_intensity: Annotated[_Intensity | None, Meta(description="As in the common policy")] = None
    min_magnitude: Annotated[_Magnitude | None, Meta(description="As in the common policy")] = None
    felt_magnitude: Annotated[_Magnitude | None, Meta(description="As in the common policy")] = None
    min_status: Annotated[MinStatus | None, Meta(description="As in the common policy")] = None
    hysteresis: Annotated[_Hysteresis | None, Meta(description="As in the common policy")] = None
    magnitude_hysteresis: Annotated[
        _Hysteresis | None, Meta(description="As in the common policy")
    ] = None
    update_intensity: Annotated[_Step | None, Meta(description="As in the common policy")] = None
    update_seconds: Annotated[_Shift | None, Meta(description="As in the common policy")] = None
    expires_s: Annotated[_Life | None, Meta(description="As in the common policy")] = None
    max_places: Annotated[_Count | None, Meta(description="As in the common policy")] = None

    def over(self, policy: Policy) -> Policy:
        """Return the policy with what this country wants otherwise."""
        own = {name: getattr(self, name) for name in self.__struct_fields__}
        common = {name: getattr(policy, name) for name in policy.__struct_fields__}
        return Policy(**{n: common[n] if v is None else v for n, v in own.items()})


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
        Meta(description="Languages of each message, in this order", min_length=1, max_length=7),
    ] = ("en",)
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
    policy: Annotated[Policy, Meta(description="The policy of every country without its own")] = (
        Policy()
    )
    countries: Annotated[
        dict[CountryCode, CountryPolicy],
        Meta(description="By country code, what that country wants otherwise"),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.languages)) < len(self.languages):
            raise ValueError("a language is named twice")
        if self.status == "Actual" and any(
            _EXAMPLE in text for text in (self.sender, self.web, self.contact)
        ):
            raise ValueError(
                f"status Actual needs a sender, web and contact of your own, not {_EXAMPLE}"
            )

    def policy_for(self, country: str) -> Policy:
        """Return the policy of a country by its code."""
        own = self.countries.get(country)
        return self.policy if own is None else own.over(self.policy)
