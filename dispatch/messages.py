"""What a warning says: facts alone, from which the CAP message and its words are made.

Times are microseconds since 1970 UTC; `onset_us` and `expires_us` are whole seconds, as CAP
has them.
"""

from typing import Literal

from msgspec import Struct

__all__ = [
    "AudienceKind",
    "CancelReason",
    "Certainty",
    "Exposed",
    "Message",
    "MsgType",
    "PlaceWarning",
    "Severity",
    "Status",
    "Urgency",
    "WarnedArea",
]

Status = Literal["Test", "Exercise", "Actual"]
MsgType = Literal["Alert", "Update", "Cancel"]
Urgency = Literal["Immediate", "Past"]
Severity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Certainty = Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"]
CancelReason = Literal["nothing", "same", "weaker"]
AudienceKind = Literal["", "public", "civil-protection", "operator", "machine"]

_FIRST_AUDIENCE = "civil-protection"  # chains to it are called after event and country alone


class PlaceWarning(Struct, frozen=True, kw_only=True, rename="camel"):
    """What one place has to expect.

    Attributes
    ----------
    geonameid, name, country, latitude, longitude, population
        The place as in GeoNames.
    intensity
        Expected MSK-64 intensity, to a tenth.
    s_arrival_us
        When the S wave arrives.
    lead_s
        Seconds from the decision to the S wave, less what the channel to people takes, rounded
        down to a tenth. Not above 0: the shaking has begun when the message comes.
    """

    geonameid: int
    name: str
    country: str
    latitude: float
    longitude: float
    population: int
    intensity: float
    s_arrival_us: int
    lead_s: float


class WarnedArea(Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the shaking is expected to be so strong or stronger.

    Attributes
    ----------
    intensity
        MSK-64, to a tenth.
    polygons
        Each of points (latitude, longitude) in degrees with four decimals, the first again as
        the last, anticlockwise; see `dispatch.isoseismals`.
    """

    intensity: float
    polygons: tuple[tuple[tuple[float, float], ...], ...]


class Exposed(Struct, frozen=True, rename="camel"):
    """Places of the country, and their people, by the nearest whole degree of intensity."""

    degree: int
    places: int
    people: int


class Message(Struct, frozen=True, kw_only=True, rename="camel"):
    """One warning to one audience in one country about one earthquake, or what follows on it.

    Attributes
    ----------
    identifier
        The chain, ``_`` and the revision: a revision makes at most one message to an audience in
        a country, and neither an event id nor an audience holds an underscore, so no two are one.
    sender, status, msg_type, sender_name, web, contact, languages
        As in CAP.
    references
        ``sender,identifier,sent`` of every message of this chain that has not expired; empty for
        an Alert.
    audience, audience_kind
        Who is told, by name, and what they are. Both are empty in messages of before there were
        audiences, which were for everyone.
    addresses
        To whom it goes, as in CAP.
    sent_us
        When it was decided: the newest arrival that had been read.
    onset_us, expires_us
        First S wave at a listed place, or the decision if that is later; end of validity.
    urgency, severity, certainty
        As in CAP, see `dispatch.policy`.
    cancel_reason
        Why a Cancel: ``nothing`` (there was no such earthquake), ``same`` (it is the
        earthquake `superseded_by`), ``weaker`` (it will not shake anyone as warned).
    event_id, revision
        What it speaks of.
    country
        ISO 3166-1 code.
    origin_time_us, latitude, longitude, epicentre_sigma_km, depth_km, depth_sigma_km,
    magnitude, magnitude_sigma, magnitude_type, magnitude_saturated
        The earthquake; a Cancel repeats what had been told.
    min_intensity, channel_delay_s
        What the decision was made with.
    max_intensity, highest_told
        Highest intensity at a listed place, and the highest told since the Alert: whoever
        lets an Alert through by `highest_told` gets its Updates and its Cancel too.
    radius_km
        Of the circle about the epicentre that holds everyone who is warned.
    places_affected, people_affected
        All places that are warned, those just across the border too, and their population.
    area_places
        Names of the largest of the country's own.
    places
        Of all, the country's own first, each part largest first; none in a Cancel.
    area_geonameids
        Who the `area_places` are.
    timezone
        IANA zone of the times that people read, and of the offsets in CAP.
    areas
        Of everyone who is warned, and within it of each higher degree; none where no polygon
        can be drawn.
    no_polygon
        Why there is none; the circle stands instead.
    exposure
        People warned in places of this country, the strongest shaken first.
    population_coverage
        Share of the country's people that live in known places, so that `exposure` can count
        them; None if that is not known.
    """

    identifier: str
    sender: str
    status: Status
    msg_type: MsgType
    references: tuple[str, ...]
    sent_us: int
    onset_us: int
    expires_us: int
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    cancel_reason: CancelReason | None = None
    superseded_by: str | None = None
    event_id: str
    revision: int
    country: str
    origin_time_us: int
    latitude: float
    longitude: float
    epicentre_sigma_km: float
    depth_km: float
    depth_sigma_km: float
    magnitude: float
    magnitude_sigma: float | None = None
    magnitude_type: str
    magnitude_saturated: bool
    min_intensity: float
    channel_delay_s: float
    max_intensity: float
    highest_told: float
    radius_km: float
    places_affected: int
    people_affected: int
    area_places: tuple[str, ...]
    places: tuple[PlaceWarning, ...]
    sender_name: str
    web: str
    contact: str
    languages: tuple[str, ...]
    area_geonameids: tuple[int, ...] = ()
    timezone: str = "UTC"
    areas: tuple[WarnedArea, ...] = ()
    no_polygon: str | None = None
    exposure: tuple[Exposed, ...] = ()
    population_coverage: float | None = None
    audience: str = ""
    audience_kind: AudienceKind = ""
    addresses: tuple[str, ...] = ()

    @property
    def chain(self) -> str:
        """Which messages follow on each other: ``<event>_<country>_<audience>``.

        The audience is left out for civil protection, as it was before there were others.
        """
        chain = f"{self.event_id}_{self.country}"
        named = self.audience not in ("", _FIRST_AUDIENCE)
        return f"{chain}_{self.audience}" if named else chain
