"""Weighs who speaks for an event, until it is over: events of other hazards, but for watches."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Literal, cast

import msgspec

from detect.hazard_events import HazardEvent, HazardStatus, Reached
from detect.hazards.cascade import Cascades
from detect.hazards.speakers import TREMOR, TREMOR_LEVEL, Site, Speaker, Station
from detect.hazards.standing import Standing, event_id
from detect.hazards.valley import Passage, Valley
from detect.hazards.votes import TIMES, Voice, weigh
from detect.settings import HazardSettings

__all__ = ["Assessment"]

SECOND = 1_000_000

RUNS = frozenset({"flood", "flash flood", "lake outburst", "dam break", "debris flow"})
FRONTS = frozenset({"lake outburst", "dam break", "debris flow"})
"""What runs down a valley; and what is nothing if a sensor further down does not see it."""

ORDER_SLACK_S = 60.0  # by which the onset at a station may be wrong
OVERDUE_STEPS = 3  # readings after the latest arrival, so that persistence may have its say

_Level = Literal[1, 2, 3]


class Assessment:
    """All events that sensors and stations speak for.

    Parameters
    ----------
    settings
        How events end, and what one sensor or station may confirm alone.
    valley, cascades
        Where things run, and why a basin is watched.
    sites, stations
        Who may speak; the operator's own, by id.
    basins
        By basin, its name in ids.
    region
        The start of ids.

    Attributes
    ----------
    now_us
        Newest arrival; set by the operator.
    """

    def __init__(
        self,
        settings: HazardSettings,
        valley: Valley,
        cascades: Cascades,
        sites: Mapping[str, Site],
        stations: Mapping[str, Station],
        basins: Mapping[str, str],
        region: str,
    ) -> None:
        self.now_us = 0
        self._settings = settings
        self._valley = valley
        self._cascades = cascades
        self._sites = sites
        self._stations = stations
        self._basins = dict(basins)
        self._region = region
        self._standing: dict[str, Standing] = {}
        self._components = valley.components(
            basins, {site.id: site.basin for site in sites.values()}
        )
        self._began_us = self._listened_us = 0
        self._spoken: dict[str, int] = {}
        self._quiet: dict[str, int] = {}

    def begin(self, now_us: int) -> None:
        """Take the first arrival: nothing is known from before."""
        self.now_us = self._began_us = self._listened_us = now_us

    def add(self, station: str) -> None:
        """Take in a seismic station that stands in no basin: it is one by itself.

        All is as if it had been known from the beginning, and quiet.
        """
        if station in self._components:
            return
        self._basins[station] = self._components[station] = station
        if self._listened_us - self._began_us > self._settings.clear_s * SECOND:
            self._quiet[station] = self._listened_us

    def look(self) -> Iterator[HazardEvent]:
        """Ask of each event whether it still stands: time has passed."""
        for name in sorted(self._standing):
            if name in self._standing:
                yield from self._assess(self._standing[name])
        self._listen()

    def speak(self, speaker: Speaker, base_us: int) -> Iterator[HazardEvent]:
        """Let a voice count for the event that it belongs to, or for a new one."""
        voice = speaker.voice
        if voice is None:
            return
        speaker.spent = 0
        standing = self._standing.get(speaker.event) or self._belongs(speaker)
        if standing is None:
            standing = self._open(speaker, base_us)
        speaker.event = standing.id
        standing.voices[speaker.id] = voice
        standing.overdue.discard(speaker.id)
        yield from self._assess(standing)

    def _open(self, speaker: Speaker, base_us: int) -> Standing:
        name = self._basins[speaker.basin]
        standing = Standing(
            id=event_id(self._region, speaker.hazard, name, speaker.id, base_us),
            hazard=speaker.hazard,
            region=self._region,
            basin=speaker.basin,
            latitude=speaker.latitude,
            longitude=speaker.longitude,
            opened_us=self.now_us,
            causes=tuple(self._cascades.causes(speaker.basin, self.now_us)),
        )
        self._standing[standing.id] = standing
        return standing

    def _belongs(self, speaker: Speaker, turn_us: int | None = None) -> Standing | None:
        """Find the event that a voice is of: of its basin, or further along its valley.

        Of two that count from the same turn nobody knows any more which was first.
        """
        ordered = [self._standing[name] for name in sorted(self._standing)]
        for standing in ordered:
            if (standing.hazard, standing.basin) == (speaker.hazard, speaker.basin):
                return standing
        passage = speaker.passage(self._valley)
        if passage is None or speaker.hazard not in RUNS:
            return None
        for standing in ordered:
            if standing.hazard in RUNS:
                for other in self._passages(standing):
                    order = self._valley.in_order(other, passage, ORDER_SLACK_S)
                    if order or (order is not None and other.since_us == turn_us):
                        return standing
        return None

    def leave(
        self, speaker: Speaker, nothing: str = "", since_us: int | None = None
    ) -> Iterator[HazardEvent]:
        """Let a voice count for its event no more.

        Parameters
        ----------
        speaker
            Whose voice.
        nothing
            Why it was nothing; empty if it has ended.
        since_us
            When it ended, if that was before now.
        """
        self._spoken[self._of(speaker.basin)] = self.now_us
        standing = self._standing.get(speaker.event)
        speaker.event = ""
        if standing is not None:
            standing.voices.pop(speaker.id, None)
            if not standing.voices:
                standing.quiet_us = since_us
            yield from self._assess(standing, nothing)

    def _speaker(self, name: str) -> Speaker:
        return self._sites[name] if name in self._sites else self._stations[name]

    def _is_stray(self, name: str) -> bool:
        speaker = self._speaker(name)
        return isinstance(speaker, Station) and not speaker.at_reach

    def _is_strong(self, name: str) -> bool:
        speaker = self._speaker(name)
        return isinstance(speaker, Station) and speaker.is_strong

    def _passages(self, standing: Standing) -> list[Passage]:
        found = [self._speaker(voice.sensor).passage(self._valley) for voice in standing.ordered()]
        return [passage for passage in found if passage is not None]

    def _assess(self, standing: Standing, nothing: str = "") -> Iterator[HazardEvent]:
        """Weigh the voices of an event; say what has changed, and end it when it is over.

        Parameters
        ----------
        nothing
            Why it is nothing, should no voice be left.
        """
        if not standing.voices:
            yield from self._fade(standing, nothing)
            return
        standing.quiet_us = None
        standing.has_lasted |= any(self._is_strong(name) for name in standing.voices)
        passages = self._passages(standing)
        overdue = self._overdue(standing, passages)
        late = ", ".join(sorted(overdue))
        if overdue and standing.hazard in FRONTS and not standing.is_confirmed:
            for name in sorted(standing.voices):
                speaker = self._speaker(name)
                speaker.event, speaker.spent = "", standing.voices[name].level
            standing.voices.clear()
            yield from self._end(standing, "cancelled", f"{late} should have seen it and has not")
            return
        standing.overdue |= overdue
        voices = self._paths(standing, passages)
        verdict = weigh(voices, self._alone(standing))
        said, level, reason = standing.said, verdict.level, verdict.reason
        if standing.is_confirmed and said is not None:
            if not verdict.confirmed:
                level = min(said.level, level)
                reason = f"{', '.join(v.sensor for v in voices)} still says so"
            if level < said.level:
                standing.lower_us = standing.lower_us or self.now_us
                if self.now_us - standing.lower_us < self._settings.clear_s * SECOND:
                    level = said.level
            else:
                standing.lower_us = None
        speed_ms = self._valley.speed_ms(passages)
        if any(self._is_stray(voice.sensor) for voice in voices):
            reason += "; it stands at no reach of a valley, where flows are known to run"
        if speed_ms is not None:
            reason += f"; the front runs at {speed_ms:.1f} m/s"
        if overdue:
            reason += f"; {late} should have seen it and has not: places below are left out"
        confirmed = verdict.confirmed or standing.is_confirmed
        event = standing.say(
            "confirmed" if confirmed else "provisional",
            cast(_Level, level),
            self._places(standing, passages),
            reason,
            self.now_us,
            onset_us=self.now_us,
            seen=not passages or not all(p.stored for p in passages),
        )
        if event is not None:
            yield event

    def _places(self, standing: Standing, passages: list[Passage]) -> tuple[Reached, ...]:
        found = self._valley.reached(passages, standing.overdue)
        at_us = standing.renewed_us
        if at_us is None:
            return found
        return tuple(
            msgspec.structs.replace(
                place, earliest_us=at_us, expected_us=at_us, latest_us=at_us, passed_us=at_us
            )
            for place in found
        )

    def _fade(self, standing: Standing, nothing: str) -> Iterator[HazardEvent]:
        """End an event for which nobody speaks any more."""
        if nothing:
            yield from self._end(standing, "cancelled", nothing)
        elif not standing.is_confirmed and standing.has_lasted:
            yield from self._end(standing, "over", "the tremor has ended; nothing has confirmed it")
        elif not standing.is_confirmed:
            yield from self._end(standing, "cancelled", "nothing else has borne it out")
        else:
            standing.quiet_us = standing.quiet_us or self.now_us
            quiet_s = (self.now_us - standing.quiet_us) / SECOND
            if quiet_s >= self._settings.clear_s:
                yield from self._end(standing, "over", "no sensor says so any more")

    def _end(
        self, standing: Standing, status: HazardStatus, reason: str, *, goes_on: bool = False
    ) -> Iterator[HazardEvent]:
        self._standing.pop(standing.id, None)
        said = standing.said
        if said is not None:
            event = standing.say(
                status,
                said.level,
                said.places,
                reason,
                self.now_us,
                onset_us=said.onset_us,
                goes_on=goes_on,
            )
            if event is not None:
                yield event

    def _overdue(self, standing: Standing, passages: list[Passage]) -> set[str]:
        """Find the sensors that what runs should have passed, and that have shown nothing since.

        One that is silent has not.
        """
        if standing.renewed_us is not None:
            return set()
        found: set[str] = set()
        for passage in passages:
            for name in self._valley.flow_sensors_below(passage.point):
                site = self._sites.get(name)
                if (
                    site is None
                    or site.voice is not None
                    or name in standing.overdue
                    or site.hazard not in RUNS
                    or not site.sensor.thresholds
                    or self._cascades.is_prior(name)
                ):
                    continue
                due_us = self._due(site, passages)
                if due_us is not None and site.last_us >= due_us:
                    found.add(name)
        return found

    def _due(self, site: Site, passages: list[Passage]) -> int | None:
        """Return when a sensor should have seen what runs; None if a sensor below it has."""
        point = self._valley.point(site.id)
        if point is None:
            return None
        flows = [p for p in passages if not p.stored]
        if any(self._valley.travel(point, p.point) is not None for p in flows):
            return None
        window = self._valley.window(flows, point)
        if window is None:
            return None
        return window.latest_us + round(OVERDUE_STEPS * site.sensor.every_s * SECOND)

    def _paths(self, standing: Standing, passages: list[Passage]) -> list[Voice]:
        """Weigh what stations say by the order in which a front would come to them.

        In order: they say a level more. Out of it: they feel one and the same, and count as one.
        """
        by_name = {passage.sensor: passage for passage in passages}
        voices = {voice.sensor: voice for voice in standing.ordered()}
        trembling = [v.sensor for v in voices.values() if v.rule == TREMOR and v.sensor in by_name]
        for one, other in itertools.combinations(trembling, 2):
            order = self._valley.in_order(by_name[one], by_name[other], ORDER_SLACK_S)
            if order:
                for name in (one, other):
                    voices[name] = msgspec.structs.replace(voices[name], level=TREMOR_LEVEL + 1)
            else:
                path = voices[one].path
                voices[other] = msgspec.structs.replace(voices[other], path=path)
        return list(voices.values())

    def _alone(self, standing: Standing) -> dict[str, int]:
        """Find who may confirm an event alone, and at which level.

        A station at a reach whose tremor is long and strong; a sensor that has said level 3 for
        long, while the silence of its neighbours is explained: they give nothing, or are not yet
        due.
        """
        alone: dict[str, int] = {}
        for name, voice in standing.voices.items():
            speaker = self._speaker(name)
            if isinstance(speaker, Station):
                if speaker.is_strong and speaker.at_reach:
                    alone[name] = TREMOR_LEVEL
            elif isinstance(speaker, Site) and voice.level == 3 and voice.rule != "background":
                least_us = max(
                    self._settings.alone_s * SECOND, 2.0 * speaker.sensor.every_s * SECOND
                )
                if speaker.last_us - voice.since_us >= least_us and not any(
                    self._speaks_against(other, speaker, standing) for other in self._sites.values()
                ):
                    alone[name] = 3
        return alone

    def _speaks_against(self, other: Site, speaker: Site, standing: Standing) -> bool:
        """Say whether the silence of a neighbour tells that there is nothing."""
        if (
            other.id in standing.voices
            or (other.hazard, other.basin) != (speaker.hazard, speaker.basin)
            or not other.sensor.thresholds
            or self._cascades.is_prior(other.id)
            or other.is_silent(self.now_us)
        ):
            return False
        passage, point = speaker.passage(self._valley), self._valley.point(other.id)
        if passage is None or point is None:
            return True
        window = self._valley.window([passage], point)
        return window is None or other.last_us >= window.latest_us

    def renew(self, at_us: int, every_us: int) -> Iterator[HazardEvent]:
        """Tell anew what hangs on more than a cycle: nothing older may matter.

        Where nobody has spoken for a while within the last cycle, all began anew by itself.
        Elsewhere even a young event hangs on older ones, which it has joined or not; so all voices
        there are weighed afresh, and the old ones count as having begun at the turn.

        Parameters
        ----------
        at_us, every_us
            The turn of the cycle, and its length.
        """
        old_us = at_us - every_us
        stale = {c for c in self._components.values() if self._quiet_us(c) <= old_us}
        before = [one for _, one in sorted(self._standing.items()) if self._of(one.basin) in stale]
        spoke = {one.id: [self._speaker(name) for name in one.voices] for one in before}
        for standing in before:
            del self._standing[standing.id]
        fresh: list[HazardEvent] = []
        speakers = [*self._sites.values(), *self._stations.values()]
        speaking = [
            one
            for one in speakers
            if one.voice is not None and (self._of(one.basin) in stale or self._is_mute(one))
        ]
        old = {s.id for s in speaking if s.voice is not None and s.voice.begun_us <= old_us}
        joined: dict[str, Standing] = {}
        for speaker in sorted(speaking, key=lambda one: (one.id not in old, one.id)):
            speaker.event, speaker.spent, speaker.doubted = "", 0, 0
            if speaker.id in old:
                self._renew_voice(speaker, at_us)
            if isinstance(speaker, Site) and speaker.is_silent(self.now_us):
                speaker.doubted = 1
            elif self.now_us >= speaker.held_us:
                speaker.held_us, speaker.held_by = 0, ""
                standing = self._join_at_turn(speaker, at_us, speaker.id in old)
                joined[standing.id] = standing
        for standing in joined.values():
            fresh += self._assess(standing)
        for standing in before:
            yield from self._end(
                standing,
                "over",
                "it has lasted long; what still stands follows",
                goes_on=any(one.event for one in spoke[standing.id]),
            )
        yield from fresh

    def _join_at_turn(self, speaker: Speaker, at_us: int, is_old: bool) -> Standing:
        standing = self._belongs(speaker, at_us)
        if standing is None:
            standing = self._open(speaker, at_us)
        if is_old:
            standing.renewed_us = at_us
        speaker.event = standing.id
        if speaker.voice is not None:
            standing.voices[speaker.id] = speaker.voice
        return standing

    def _is_mute(self, speaker: Speaker) -> bool:
        """Say whether its voice is what a silent sensor has said last, and counts no more."""
        is_silent = isinstance(speaker, Site) and speaker.is_silent(self.now_us)
        return is_silent and not speaker.event

    def _of(self, basin: str) -> str:
        """Return the component of a basin: only within it events and voices heed each other."""
        return self._components[basin]

    def _quiet_us(self, component: str) -> int:
        return self._quiet.get(component, self._began_us)

    def _listen(self) -> None:
        """Note where nobody speaks, and no event can stand any more."""
        self._listened_us = self.now_us
        speaking = {
            self._of(speaker.basin)
            for speaker in (*self._sites.values(), *self._stations.values())
            if speaker.voice is not None and not self._is_mute(speaker)
        }
        for component in speaking:
            self._spoken[component] = self.now_us
        for component in set(self._components.values()) - speaking:
            spoken_us = self._spoken.get(component, self._began_us)
            if self.now_us - spoken_us > self._settings.clear_s * SECOND:
                self._quiet[component] = self.now_us

    def _renew_voice(self, speaker: Speaker, at_us: int) -> None:
        """Let a voice count from now: what it said first may be forgotten."""
        voice = speaker.voice
        every_s = speaker.sensor.every_s if isinstance(speaker, Site) else 0.0
        if voice is not None:
            speaker.voice = msgspec.structs.replace(
                voice,
                since_us=at_us,
                step_us=round(every_s * SECOND),
                value=voice.own,
                unit=TIMES.get(voice.rule, voice.unit),
                threshold=voice.own,
                lowered=1.0,
            )
        if isinstance(speaker, Station):
            speaker.is_strong = False
