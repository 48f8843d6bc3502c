"""Watches that earthquakes raise on lakes, dams and slopes."""

from collections.abc import Iterable, Iterator, Mapping

from detect.hazard_events import HazardEvent, HazardStatus
from detect.hazards.cascade import Moved
from detect.hazards.standing import Standing
from detect.hazards.valley import Passage, Point, Valley

__all__ = ["Watches"]


class Watches:
    """One event of level 1 for each earthquake and each lake, dam or slope that it has shaken.

    Parameters
    ----------
    valley
        Where it would run.
    basins
        By basin, its name in ids.
    region
        The start of ids.
    """

    def __init__(self, valley: Valley, basins: Mapping[str, str], region: str) -> None:
        self._valley = valley
        self._basins = basins
        self._region = region
        self._standing: dict[tuple[int, str], Standing] = {}

    def forget(
        self, ended: Iterable[tuple[int, str]], now_us: int, memory_us: int
    ) -> Iterator[HazardEvent]:
        """End the watches whose time is over; let go of those of long ago."""
        for key in ended:
            standing = self._standing.get(key)
            if standing is not None and standing.said is not None:
                said = standing.said
                event = standing.say(
                    "over", 1, said.places, "nothing has come of it", now_us, onset_us=said.onset_us
                )
                if event is not None:
                    yield event
        self._standing = {
            key: one for key, one in self._standing.items() if one.opened_us > now_us - memory_us
        }

    def fold(self, moved: Moved, now_us: int) -> Iterator[HazardEvent]:
        """Raise, change or take back a watch."""
        watched, quake = moved.watched, moved.quake
        key = (moved.index, quake.id)
        standing = self._standing.get(key)
        if standing is None:
            name = watched.hazard.replace(" ", "-")
            standing = self._standing[key] = Standing(
                id=f"{self._region}-{name}-{self._basins[watched.basin]}-{quake.id}",
                hazard=watched.hazard,
                region=self._region,
                basin=watched.basin,
                latitude=watched.latitude,
                longitude=watched.longitude,
                opened_us=now_us,
                causes=(quake.id,),
            )
        shook = "" if moved.felt is None else f"intensity {moved.felt:.1f} at {watched.basin}"
        said = standing.said
        status: HazardStatus
        if moved.stands:
            status = "confirmed" if quake.status == "confirmed" else "provisional"
            source = (
                Passage(
                    watched.basin,
                    Point(watched.reach, watched.at_km),
                    quake.origin_time_us if said is None else said.onset_us,
                    0,
                    stored=True,
                ),
            )
            places = self._valley.reached(source, ()) if watched.reach else ()
            reason = f"{shook} from the earthquake {quake.id}"
        else:
            status = "cancelled"
            places = () if said is None else said.places
            reason = f"the earthquake {quake.id} is {quake.status}"
            if shook and quake.status in ("provisional", "confirmed"):
                reason = f"only {shook} from the earthquake {quake.id}"
        event = standing.say(
            status,
            1,
            places,
            reason,
            now_us,
            onset_us=quake.origin_time_us if said is None else said.onset_us,
            seen=False,
        )
        if event is not None:
            yield event
