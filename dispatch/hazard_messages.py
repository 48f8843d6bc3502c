"""What a warning of a hazard other than an earthquake says: facts alone.

From them the CAP message (`dispatch.hazard_cap`) and its words (`dispatch.hazard_wording`) are
made. Times are microseconds since 1970 UTC; `onset_us` and `expires_us` are whole seconds, as
CAP has them.
"""

from typing import Literal

from msgspec import Struct

from detect.hazard_events import Hazard
from dispatch.messages import Certainty, MsgType, Severity, Status
from dispatch.policy_settings import AudienceKind

__all__ = [
    "HazardCancelReason",
    "HazardMessage",
    "HazardUrgency",
    "Level",
    "ReachedPlace",
]

Level = Literal[1, 2, 3]
HazardUrgency = Literal["Immediate", "Expected", "Future", "Past"]
HazardCancelReason = Literal["nothing", "over", "cause", "away", "renewed"]

_FIRST_AUDIENCE = "civil-protection"  # chains to it are called after event and country alone


class ReachedPlace(Struct, frozen=True, kw_only=True, rename="camel"):
    """When one place is reached.

    Attributes
    ----------
    geonameid
        The place at GeoNames, for its name in other languages; 0 if it is not there.
    name, country, latitude, longitude, population
        As the event has them; people 0 if not known.
    earliest_us, expected_us, latest_us
        The window of arrival.
    passed_us
        When a sensor there saw it; None before.
    """

    geonameid: int = 0
    name: str
    country: str
    latitude: float
    longitude: float
    population: int
    earliest_us: int
    expected_us: int
    latest_us: int
    passed_us: int | None = None


class HazardMessage(Struct, frozen=True, kw_only=True, rename="camel"):
    """One warning to one audience of one country, its update, or its cancellation.

    Attributes
    ----------
    identifier
        The chain, ``_`` and the revision, as in `dispatch.messages.Message`.
    sender, status, msg_type, references, sender_name, web, contact, languages
        As in `dispatch.messages.Message`.
    audience, audience_kind, addresses
        Who is told, by name, what they are, and to whom it goes as in CAP.
    two_people
        Whether two people must release it before it goes out.
    sent_us
        When it was decided: the newest arrival that had been read.
    onset_us, expires_us
        First arrival at a place that is told, or the decision if that is later; end of validity.
    urgency, severity, certainty
        As in CAP; see `dispatch.hazard_policy`.
    cancel_reason
        Why a Cancel: ``nothing`` (there was no such thing), ``over`` (it has passed), ``cause``
        (what raised it has been withdrawn), ``away`` (it does not come to this country),
        ``renewed`` (it goes on, and is told of anew as another event).
    event_id, revision
        What it speaks of.
    country
        ISO 3166-1 code.
    hazard, level, is_confirmed
        The event: 1 watch, 2 warning, 3 alarm.
    highest_told
        Highest level that has been told since the Alert: whoever lets an Alert through by it
        gets its Updates and its Cancel too.
    basin, latitude, longitude, began_us, began_sigma_s
        Where and when it began, and how well that is known.
    sensors
        Ids of those that speak for it.
    causes
        Ids of the events that raised it.
    places
        All that are told, the country's own first, each part in the order of arrival; none in a
        Cancel.
    area_places, area_geonameids, places_affected
        Names of the first of the country's own places and who they are, and how many it has; a
        Cancel repeats what had been told.
    areas
        Polygons of (latitude, longitude) in degrees with four decimals, the first point again as
        the last, anticlockwise; one area of at most 100 points.
    radius_km, no_polygon
        The circle about (`latitude`, `longitude`) that holds all, which stands where no polygon
        can be drawn, and why there is none.
    timezone
        IANA zone of the times that people read, and of the offsets in CAP.
    """

    identifier: str
    sender: str
    status: Status
    msg_type: MsgType
    references: tuple[str, ...]
    audience: str
    audience_kind: AudienceKind
    addresses: tuple[str, ...] = ()
    two_people: bool = False
    sent_us: int
    onset_us: int
    expires_us: int
    urgency: HazardUrgency
    severity: Severity
    certainty: Certainty
    cancel_reason: HazardCancelReason | None = None
    event_id: str
    revision: int
    country: str
    hazard: Hazard
    level: Level
    highest_told: Level
    is_confirmed: bool
    basin: str
    latitude: float
    longitude: float
    began_us: int
    began_sigma_s: float
    sensors: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    places: tuple[ReachedPlace, ...]
    area_places: tuple[str, ...] = ()
    area_geonameids: tuple[int, ...] = ()
    places_affected: int = 0
    areas: tuple[tuple[tuple[float, float], ...], ...] = ()
    radius_km: float
    no_polygon: str | None = None
    timezone: str = "UTC"
    sender_name: str
    web: str
    contact: str
    languages: tuple[str, ...]

    @property
    def chain(self) -> str:
        """Which messages follow on each other: ``<event>_<country>_<audience>``.

        The audience is left out for civil protection, as in `dispatch.messages.Message`.
        """
        chain = f"{self.event_id}_{self.country}"
        return chain if self.audience == _FIRST_AUDIENCE else f"{chain}_{self.audience}"

    @property
    def people_affected(self) -> int:
        """People in the places that are told."""
        return sum(place.population for place in self.places)
