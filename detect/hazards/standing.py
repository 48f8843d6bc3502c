"""An event of another hazard while it stands: who speaks for it, and what was said of it."""

import math
from datetime import UTC, datetime
from typing import Literal

import msgspec
from msgspec import Struct

from detect.hazard_events import Hazard, HazardEvent, HazardStatus, Reached
from detect.hazards.votes import Voice

__all__ = ["Standing", "event_id"]

SECOND = 1_000_000
LEAST_SIGMA_S = 1.0
_SEVERITY: dict[int, Literal["Moderate", "Severe", "Extreme"]] = {
    1: "Moderate",
    2: "Severe",
    3: "Extreme",
}
_Certainty = Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"]


def event_id(region: str, hazard: str, basin: str, first: str, time_us: int) -> str:
    """Make the id of an event from its hazard, its basin, and its first reading.

    Parameters
    ----------
    region
        Of the configuration.
    hazard, basin
        What, and where; the basin in letters, digits and ``-``.
    first, time_us
        The sensor, and when it took that reading.
    """
    seconds, micro = divmod(time_us, SECOND)
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S")
    return f"{region}-{hazard.replace(' ', '-')}-{basin}-{when}.{micro // 1000:03d}-{first}"


class Standing(Struct, kw_only=True):
    """One event, from its first voice until it is over or cancelled.

    Attributes
    ----------
    id, hazard, region, basin, latitude, longitude
        See `HazardEvent`.
    opened_us
        Arrival at which it was opened.
    voices
        Who speaks for it now, by sensor.
    overdue
        Sensors that should have seen it and have not.
    causes
        Ids of the earthquakes that raised it.
    renewed_us
        When it took over from an event that lasted too long; None if it began by itself.
    has_lasted
        Whether a tremor spoke for it that was long and strong: it ends as what has passed, though
        nothing has confirmed it.
    quiet_us, lower_us
        Since when nobody speaks for it any more, or only for less; None while they do.
    said
        Its last revision.
    """

    id: str
    hazard: Hazard
    region: str
    basin: str
    latitude: float
    longitude: float
    opened_us: int
    voices: dict[str, Voice] = msgspec.field(default_factory=dict)
    overdue: set[str] = msgspec.field(default_factory=set)
    causes: tuple[str, ...] = ()
    renewed_us: int | None = None
    has_lasted: bool = False
    quiet_us: int | None = None
    lower_us: int | None = None
    said: HazardEvent | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether that has been said."""
        return self.said is not None and self.said.status == "confirmed"

    def ordered(self) -> list[Voice]:
        """Return its voices, the first first."""
        return sorted(self.voices.values(), key=lambda v: (v.since_us, v.sensor))

    def say(
        self,
        status: HazardStatus,
        level: Literal[1, 2, 3],
        places: tuple[Reached, ...],
        reason: str,
        now_us: int,
        *,
        onset_us: int,
        seen: bool = True,
        goes_on: bool = False,
    ) -> HazardEvent | None:
        """Make a revision; None if it would say what the last one has said.

        Parameters
        ----------
        status, level, places, reason, goes_on
            See `HazardEvent`.
        now_us
            Arrival of what made it.
        onset_us
            When it began, if no voice tells.
        seen
            Whether anything runs, falls or shakes; not where a lake or a dam only may break.
        """
        voices = self.ordered()
        first = voices[0] if voices else None
        said = self.said
        if first is not None:
            onset_us = first.since_us if said is None else min(said.onset_us, first.since_us)
            sigma_s = max(LEAST_SIGMA_S, first.step_us / SECOND / math.sqrt(12.0))
        else:
            sigma_s = LEAST_SIGMA_S if said is None else said.onset_sigma_s
        certainty: _Certainty
        if status == "cancelled":
            certainty = "Unlikely"
        elif status == "over" and said is not None:
            certainty = said.certainty
        elif status == "provisional":
            certainty = "Likely" if level > 1 and seen else "Possible"
        else:
            unseen: _Certainty = "Likely" if level > 1 else "Possible"
            certainty = "Observed" if seen else unseen
        if not voices and said is not None:
            sensors, onset_us = said.sensors, said.onset_us
        else:
            sensors = tuple(voice.said() for voice in voices)
        revision = HazardEvent(
            id=self.id,
            revision=0 if said is None else said.revision + 1,
            status=status,
            hazard=self.hazard,
            level=level,
            severity=_SEVERITY[level],
            certainty=certainty,
            region=self.region,
            updated_us=now_us,
            onset_us=onset_us,
            onset_sigma_s=sigma_s,
            basin=self.basin,
            latitude=self.latitude,
            longitude=self.longitude,
            sensors=sensors,
            places=places,
            causes=self.causes,
            reason=reason,
            goes_on=goes_on,
        )
        if said is not None and revision == msgspec.structs.replace(
            said, revision=revision.revision, updated_us=now_us, reason=reason
        ):
            return None
        self.said = revision
        return revision
