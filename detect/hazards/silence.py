"""Sensors that give no usable reading: an event for those on duty, never `no danger`."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from detect.hazard_events import HazardEvent, SensorSaid
from detect.hazards.speakers import Site
from detect.hazards.standing import event_id
from ingest.reading_quality import silent
from ingest.sensors import Sensor

__all__ = ["Silences"]

SECOND = 1_000_000


class Silences:
    """One event of level 1 for each sensor that is silent.

    Parameters
    ----------
    sites
        All sensors, by id.
    basins
        By basin, its name in ids.
    region
        The start of ids.
    """

    def __init__(self, sites: Mapping[str, Site], basins: Mapping[str, str], region: str) -> None:
        self._sites = sites
        self._sensors: Sequence[Sensor] = [site.sensor for site in sites.values()]
        self._basins = basins
        self._region = region
        self._said: dict[str, HazardEvent] = {}

    def look(self, began_us: int, now_us: int) -> Iterator[HazardEvent]:
        """Tell of those that have fallen silent.

        Parameters
        ----------
        began_us, now_us
            First and newest arrival: who has never been heard is waited for since the first.
        """
        heard_us = {
            name: began_us if site.quality.heard_us is None else site.quality.heard_us
            for name, site in self._sites.items()
        }
        for name in silent(self._sensors, heard_us, now_us):
            if name not in self._said:
                site = self._sites[name]
                at_us = heard_us[name] + round(site.sensor.silent_s * SECOND)
                yield self._fell_silent(site, at_us, now_us, "gives no usable reading")

    def heard(self, site: Site, now_us: int) -> Iterator[HazardEvent]:
        """Take it that a sensor has given a usable reading."""
        if site.id in self._said:
            yield self._ends(site, now_us, f"{site.id} gives usable readings again")

    def renew(self, at_us: int, every_us: int, now_us: int) -> Iterator[HazardEvent]:
        """Tell anew of what has lasted for a cycle or more: nothing older may matter."""
        for name, said in sorted(self._said.items()):
            if said.onset_us <= at_us - every_us:
                site = self._sites[name]
                yield self._ends(site, now_us, "it has lasted long; see what follows")
                yield self._fell_silent(site, at_us, now_us, "is still silent")

    def _fell_silent(self, site: Site, at_us: int, now_us: int, what: str) -> HazardEvent:
        silent_s = site.sensor.silent_s
        event = HazardEvent(
            id=event_id(self._region, "sensor silent", self._basins[site.basin], site.id, at_us),
            revision=0,
            status="confirmed",
            hazard="sensor silent",
            level=1,
            severity="Unknown",
            certainty="Observed",
            region=self._region,
            updated_us=now_us,
            onset_us=at_us,
            onset_sigma_s=site.sensor.every_s,
            basin=site.basin,
            latitude=site.latitude,
            longitude=site.longitude,
            sensors=(
                SensorSaid(
                    sensor=site.id, since_us=at_us, value=silent_s, unit="s", threshold=silent_s
                ),
            ),
            reason=f"{site.id} {what}; for {site.hazard} nothing is known there",
        )
        self._said[site.id] = event
        return event

    def _ends(self, site: Site, now_us: int, reason: str) -> HazardEvent:
        said = self._said.pop(site.id)
        return msgspec.structs.replace(
            said,
            revision=said.revision + 1,
            status="over",
            updated_us=now_us,
            reason=reason,
        )
