"""When a front that runs down a valley comes where.

From each sensor that has seen it, at the lowest, usual and highest speed of the reaches between.
Two sensors that it has passed tell how much slower or faster than usual it is; further down that
ratio stands, with `SPREAD` for its change, within the bounds of the file, unless the front itself
has left them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from detect.hazard_events import Reached
from detect.hazards.valley_file import Reach, ReachPlace, ReachSensor, ValleyFile

__all__ = ["SPREAD", "Passage", "Point", "Travel", "Valley", "Window"]

SPREAD = 1.3  # a front may run so many times faster or slower than it has so far
FASTER = 4.0  # times the highest speed of the file is no front any more
SECOND = 1_000_000


class Point(Struct, frozen=True):
    """A point of a valley: a reach, and km from its upper end."""

    reach: str
    at_km: float


class Travel(Struct, frozen=True):
    """The way from one point down to another: km, and s at the highest, usual, lowest speed."""

    km: float
    fastest_s: float
    usual_s: float
    slowest_s: float


class Passage(Struct, frozen=True):
    """What a sensor has seen.

    Attributes
    ----------
    sensor, point
        Which, and where.
    since_us
        The first reading that shows it.
    step_us
        It may have come so much sooner: the time between two readings.
    stored
        It is that of a lake or a dam, which may not run yet: times count from `since_us`, and
        tell no speed.
    """

    sensor: str
    point: Point
    since_us: int
    step_us: int
    stored: bool = False


class Window(Struct, frozen=True):
    """When a front comes: microseconds since 1970 UTC."""

    earliest_us: int
    expected_us: int
    latest_us: int


class Valley:
    """The graph of all reaches.

    Parameters
    ----------
    file
        The reaches.
    """

    def __init__(self, file: ValleyFile) -> None:
        self._reaches: dict[str, Reach] = {reach.id: reach for reach in file.reaches}
        self._sensors: dict[str, tuple[Point, ReachSensor]] = {
            sensor.id: (Point(reach.id, sensor.at_km), sensor)
            for reach in file.reaches
            for sensor in reach.sensors
        }

    def __contains__(self, sensor: str) -> bool:
        return sensor in self._sensors

    @property
    def sensors(self) -> Iterable[str]:
        """Ids of all sensors and stations at reaches."""
        return self._sensors

    def reach(self, name: str) -> Reach | None:
        """Return a reach by its id."""
        return self._reaches.get(name)

    def point(self, sensor: str) -> Point | None:
        """Return where a sensor stands; None if it is in no valley."""
        found = self._sensors.get(sensor)
        return None if found is None else found[0]

    def is_store(self, sensor: str) -> bool:
        """Say whether a sensor watches a lake or a dam, not what runs down."""
        found = self._sensors.get(sensor)
        return found is not None and found[1].sees == "store"

    @property
    def longest_s(self) -> float:
        """The longest way at its lowest speed."""
        return max((self._end(name) for name in self._reaches), default=0.0)

    def components(self, basins: Iterable[str], sites: Mapping[str, str]) -> dict[str, str]:
        """Name, for each basin, the first of those that reaches and their sensors join it with.

        Parameters
        ----------
        basins
            All of them.
        sites
            By sensor, its basin, which may be another than that of the reach at which it stands.
        """
        pairs = [
            (reach.basin, below.basin)
            for name, reach in self._reaches.items()
            for below, _ in self._down(Point(name, 0.0))
        ]
        pairs += [
            (sites[name], self._reaches[point.reach].basin)
            for name, (point, _) in self._sensors.items()
            if name in sites
        ]
        found = {basin: basin for basin in basins}
        for one, other in pairs:
            first, second = sorted((found[one], found[other]))
            found = {basin: first if of == second else of for basin, of in found.items()}
        return found

    def _end(self, name: str) -> float:
        return sum(1000.0 * r.length_km / r.slowest_ms for r, _ in self._down(Point(name, 0.0)))

    def _down(self, point: Point) -> Iterator[tuple[Reach, float]]:
        """Reaches from a point on, each with the km at which the way enters it."""
        name, at_km = point.reach, point.at_km
        while name in self._reaches:
            reach = self._reaches[name]
            yield reach, at_km
            name, at_km = reach.down, 0.0

    def travel(self, above: Point, below: Point) -> Travel | None:
        """Return the way down from one point to another; None if none leads there."""
        km = fastest_s = usual_s = slowest_s = 0.0
        for reach, enters_km in self._down(above):
            ends = reach.id == below.reach
            if ends and below.at_km < enters_km:
                return None
            metres = 1000.0 * ((below.at_km if ends else reach.length_km) - enters_km)
            km += 1e-3 * metres
            fastest_s += metres / reach.fastest_ms
            usual_s += metres / reach.usual_ms
            slowest_s += metres / reach.slowest_ms
            if ends:
                return Travel(km, fastest_s, usual_s, slowest_s)
        return None

    def flow_sensors_below(self, point: Point) -> list[str]:
        """Return the sensors that what runs down from a point passes, the nearest first."""
        found = []
        for reach, enters_km in self._down(point):
            here = [s for s in reach.sensors if s.sees == "flow" and s.at_km >= enters_km]
            found += [s.id for s in sorted(here, key=lambda s: (s.at_km, s.id))]
        return found

    def window(self, passages: Sequence[Passage], point: Point) -> Window | None:
        """Tell when the front comes to a point.

        Parameters
        ----------
        passages
            All that has been seen; those not above the point do not count.
        point
            Where.

        Returns
        -------
        Window or None
            None if nothing that was seen runs there. Where several do, that of the one which
            comes first.
        """
        above = []
        for passage in passages:
            way = self.travel(passage.point, point)
            if way is not None:
                above.append((way, passage))
        flows = [(w, p) for w, p in above if not p.stored]
        windows = [
            self._window(way, passage, flows)
            for way, passage in above
            if not any(
                self.travel(passage.point, other.point) is not None
                for nearer, other in flows
                if nearer.km < way.km
            )
        ]
        return min(windows, key=lambda w: (w.expected_us, w.earliest_us), default=None)

    def _window(
        self, way: Travel, last: Passage, flows: Sequence[tuple[Travel, Passage]]
    ) -> Window:
        """Return the window from the last sensor that the front has passed."""
        before = [
            (between, passage)
            for _, passage in flows
            if not last.stored and (between := self._followed(passage, last)) is not None
        ]
        fastest_s, usual_s, slowest_s = way.fastest_s, way.usual_s, way.slowest_s
        if before:
            between, first = max(before, key=lambda b: (b[0].km, b[1].sensor))
            took_s = (last.since_us - first.since_us) / SECOND
            usual_s *= took_s / between.usual_s
            least_s = max(took_s - last.step_us / SECOND, 0.0)
            most_s = took_s + first.step_us / SECOND
            least = way.usual_s * least_s / between.usual_s / SPREAD
            most = way.usual_s * most_s / between.usual_s * SPREAD
            fastest_s = least if usual_s <= fastest_s else max(least, fastest_s)
            slowest_s = most if usual_s >= slowest_s else min(most, slowest_s)
        return Window(
            last.since_us - last.step_us + round(fastest_s * SECOND),
            last.since_us + round(usual_s * SECOND),
            last.since_us + round(slowest_s * SECOND),
        )

    def _followed(self, above: Passage, below: Passage) -> Travel | None:
        """Return the way between two sensors if a front can have run it in the time it took.

        Gauges that rise at once, under one rain, have seen no front.
        """
        took_s = (below.since_us - above.since_us) / SECOND
        way = self.travel(above.point, below.point)
        if way is None or way.km == 0.0 or took_s <= 0.0:
            return None
        return way if took_s + above.step_us / SECOND >= way.fastest_s / FASTER else None

    def speed_ms(self, passages: Sequence[Passage]) -> float | None:
        """Return the speed of the front between the outermost sensors that it has passed."""
        pairs = [
            (way.km, (below.since_us - above.since_us) / SECOND)
            for above in passages
            for below in passages
            if not (above.stored or below.stored)
            and (way := self._followed(above, below)) is not None
        ]
        if not pairs:
            return None
        km, took_s = max(pairs)
        return 1000.0 * km / took_s

    def in_order(self, one: Passage, other: Passage, slack_s: float) -> bool | None:
        """Say whether one front may have made two passages.

        Returns
        -------
        bool or None
            None if no way leads from one to the other.
        """
        for above, below in ((one, other), (other, one)):
            way = self.travel(above.point, below.point)
            if way is None:
                continue
            took_s = (below.since_us - above.since_us) / SECOND
            soonest_s = way.fastest_s - below.step_us / SECOND - slack_s
            latest_s = way.slowest_s + above.step_us / SECOND + slack_s
            return soonest_s <= took_s and (above.stored or took_s <= latest_s)
        return None

    def reached(self, passages: Sequence[Passage], overdue: Iterable[str]) -> tuple[Reached, ...]:
        """List the places below what has been seen, the nearest in time first.

        Parameters
        ----------
        passages
            All that has been seen.
        overdue
            Sensors that should have seen it and have not: the places below them are left out.
        """
        ends = [point for name in overdue if (point := self.point(name)) is not None]
        reaches: dict[str, Reach] = {}
        for passage in passages:
            reaches |= {reach.id: reach for reach, _ in self._down(passage.point)}
        found: list[Reached] = []
        for reach in reaches.values():
            for place in reach.places:
                at = Point(reach.id, place.at_km)
                if any(self.travel(end, at) is not None for end in ends):
                    continue
                window = self.window(passages, at)
                if window is not None:
                    found.append(self._reached(place, at, window, passages))
        return tuple(sorted(found, key=lambda r: (r.expected_us, r.earliest_us, r.place)))

    def _reached(
        self, place: ReachPlace, at: Point, window: Window, passages: Sequence[Passage]
    ) -> Reached:
        below = [
            p.since_us for p in passages if not p.stored and self.travel(at, p.point) is not None
        ]
        return Reached(
            place=place.name,
            country=place.country,
            latitude=place.latitude,
            longitude=place.longitude,
            population=place.population,
            reach=at.reach,
            earliest_us=window.earliest_us,
            expected_us=window.expected_us,
            latest_us=window.latest_us,
            passed_us=min(below, default=None),
        )
