"""What sets off what: rules as data (TOML).

A table ``[[watched]]`` for each lake, dam or slope that an earthquake may break, a table
``[[priors]]`` for each basin where heat, or anything else that a sensor says, makes another
hazard likelier, and a table ``[[bulletins]]`` for each where a warning of another service does.
"""

from typing import Annotated, Literal

from msgspec import Meta

from detect.hazard_events import Hazard
from stream.settings import Settings

__all__ = ["SEVERITIES", "BulletinRule", "CascadeFile", "Prior", "Severity", "Watched"]

Severity = Literal["Unknown", "Minor", "Moderate", "Severe", "Extreme"]
SEVERITIES: tuple[Severity, ...] = ("Unknown", "Minor", "Moderate", "Severe", "Extreme")
"""Those of CAP, the least first."""

Lowered = Annotated[
    float, Meta(gt=0.0, le=1.0, description="What the thresholds are multiplied by meanwhile")
]
LastsH = Annotated[float, Meta(gt=0.0, le=168.0, description="For how long; hours")]


class Watched(Settings, frozen=True):
    """A lake, dam or slope, and the shaking from which on it is watched."""

    basin: Annotated[str, Meta(min_length=1, description="Its name, as in the sensor file")]
    hazard: Annotated[
        Literal["lake outburst", "dam break", "debris flow", "flood", "landslide"],
        Meta(description="What may come of it"),
    ]
    latitude: Annotated[float, Meta(ge=-90.0, le=90.0, description="Degrees")]
    longitude: Annotated[float, Meta(ge=-180.0, le=180.0, description="Degrees")]
    intensity: Annotated[
        float, Meta(ge=2.0, le=12.0, description="From this intensity there on; MSK-64")
    ]
    lowered: Lowered
    lasts_h: LastsH
    status: Annotated[
        Literal["provisional", "confirmed"],
        Meta(description="How sure the earthquake must be"),
    ] = "confirmed"
    reach: Annotated[str, Meta(description="Where it would run; empty: no valley")] = ""
    at_km: Annotated[float, Meta(ge=0.0, description="From the upper end of the reach; km")] = 0.0
    source: Annotated[
        str, Meta(description="Where the intensity is from; without one it is an example")
    ] = ""


class Prior(Settings, frozen=True):
    """Sensors that lower the thresholds of others; they raise no event themselves."""

    basin: Annotated[str, Meta(min_length=1, description="Where the others stand")]
    sensors: Annotated[tuple[str, ...], Meta(min_length=1, description="Those that speak")]
    by: Annotated[
        Literal["thresholds", "melt"],
        Meta(
            description="thresholds: when one of them says level 1 or more; melt: air temperature, "
            "by degree-days above the usual"
        ),
    ]
    hazards: Annotated[
        tuple[Hazard, ...], Meta(min_length=1, description="What the others speak for")
    ]
    lowered: Lowered
    lasts_h: LastsH
    source: Annotated[
        str, Meta(description="Where the amount is from; without one it is an example")
    ] = ""


class BulletinRule(Settings, frozen=True):
    """Warnings of other services that lower the thresholds of sensors while they stand."""

    basin: Annotated[str, Meta(min_length=1, description="Where the sensors stand")]
    hazards: Annotated[
        tuple[Hazard, ...], Meta(min_length=1, description="What the sensors speak for")
    ]
    lowered: Lowered
    events: Annotated[
        tuple[Annotated[str, Meta(min_length=2)], ...],
        Meta(description="Beginnings of words in the CAP event, in any language; one is enough"),
    ] = ()
    codes: Annotated[
        tuple[str, ...], Meta(description="Values of the CAP eventCode, such as OET-056")
    ] = ()
    geocodes: Annotated[
        tuple[Annotated[str, Meta(pattern="^[^=]+=.+$")], ...],
        Meta(
            description="Areas that count as the basin's beside those drawn, as NAME=VALUE of "
            "the CAP geocode"
        ),
    ] = ()
    senders: Annotated[
        tuple[str, ...], Meta(description="CAP senders that are heeded; none names all")
    ] = ()
    from_severity: Annotated[Severity, Meta(description="From this CAP severity on")] = "Moderate"
    unverified: Annotated[
        bool, Meta(description="Heed also those of whom nobody knows that they are the sender")
    ] = False
    source: Annotated[
        str, Meta(description="Where the amount is from; without one it is an example")
    ] = ""

    def __post_init__(self) -> None:
        """Refuse a rule that would heed nothing."""
        if not (self.events or self.codes):
            raise ValueError("events or codes must name what is heeded")


class CascadeFile(Settings, frozen=True):
    """A file of rules."""

    watched: Annotated[tuple[Watched, ...], Meta(description="Lakes, dams, slopes")] = ()
    priors: Annotated[tuple[Prior, ...], Meta(description="What makes a hazard likelier")] = ()
    bulletins: Annotated[
        tuple[BulletinRule, ...], Meta(description="Warnings of others that do")
    ] = ()

    def __post_init__(self) -> None:
        """Refuse what stands there twice."""
        names = [(one.basin, one.hazard) for one in self.watched]
        for basin, hazard in names:
            if names.count((basin, hazard)) > 1:
                raise ValueError(f"{basin} is watched for a {hazard} twice")
