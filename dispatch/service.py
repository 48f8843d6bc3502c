"""The stage that reads events and writes warnings."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec

from detect import events
from detect.events import Earthquake, Event
from detect.hazard_events import HazardEvent
from dispatch import facts, hazard_decisions, incoming, policy, release
from dispatch.hazard_lifecycle import HazardJudged, HazardLifecycle
from dispatch.lifecycle import Judged, Lifecycle
from dispatch.places import Places
from dispatch.policy import STravelTimes
from dispatch.publishing import country_topic, headers, publisher
from dispatch.settings import DispatchSettings
from stream.records import Output, Record
from stream.rejects import reject

__all__ = ["DispatchOperator", "country_topic", "headers"]

LAST_ALERT = timedelta(minutes=10)
"""Longer after an origin nobody is warned any more: S is 1000 km away in under five minutes,
and a minute later warning is of no use."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes of all kinds; the last for brackets nested too deep."""

_FOREIGN = b'{"kind":"foreign-alert",'

_LAST_ARRIVAL_MS = 7_258_118_400_000  # the year 2200


class DispatchOperator:
    """`events` to `alerts` and `alerts.<country>`, `held` and `facts`: a fold without IO and clock.

    "Now" is the newest arrival that has been read. What cannot be read, or cannot be an
    earthquake, goes to `rejects`. Messages of other agencies, which stand on `events` too, are
    passed over.

    Parameters
    ----------
    settings
        Policies and sender.
    places, travel_times
        For whom, and when S comes.
    sign
        Signs the CAP of each message; None: it goes out without a signature. The same message
        must give the same bytes (`dispatch.signature`).

    Attributes
    ----------
    memory
        An Alert comes at most `LAST_ALERT` after the origin, and what it and its updates said
        stands for `expires_s`: after both, nothing of an earthquake matters any more. Other
        hazards last longer (`dispatch.hazard_lifecycle`).
    """

    def __init__(
        self,
        settings: DispatchSettings,
        places: Places,
        travel_times: STravelTimes,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.memory = LAST_ALERT + timedelta(seconds=max(settings.everything_set("expires_s")))
        self._lifecycle = Lifecycle(settings, places, travel_times, self.memory)
        self._hazards = HazardLifecycle(settings, places)
        self.memory = max(self.memory, self._hazards.memory)
        self._publish = publisher(sign)
        self._now_us = 0

    def process(self, batch: Sequence[Record]) -> list[Output]:
        """Fold the revisions of a batch; return the messages that they make due."""
        outputs: list[Output] = []
        for record in batch:
            outputs += self._fold(record)
        return outputs

    def _fold(self, record: Record) -> list[Output]:
        if not 0 <= record.timestamp < _LAST_ARRIVAL_MS:
            return [reject(record, "impossible arrival", f"{record.timestamp} ms since 1970")]
        now_us = max(self._now_us, record.timestamp * 1000)
        try:
            event = _read(record.value)
            if event is None:
                return []
            # The record's time holds whole milliseconds; the event's own moves it no further.
            now_us = max(now_us, min(event.updated_us, record.timestamp * 1000 + 999))
            if isinstance(event, Earthquake):
                policy.check(event, now_us)
            else:
                hazard_decisions.check(event)
        except _UNREADABLE as error:
            return [reject(record, "not an event", str(error))]
        except policy.ImpossibleEventError as error:
            return [reject(record, "impossible event", str(error))]
        self._now_us = now_us
        judged: Sequence[Judged | HazardJudged]
        if isinstance(event, HazardEvent):
            judged = self._hazards.judge(event, now_us)
        else:
            judged = self._lifecycle.judge(event, now_us)
        return self._write(judged, record)

    def _write(self, judged: Sequence[Judged | HazardJudged], record: Record) -> list[Output]:
        """Write what an event makes due: messages, those that wait, and why."""
        cause, arrival_ms = record.offset, record.timestamp
        outputs: list[Output] = []
        for one in judged:
            message = one.message
            if message is not None and one.is_held:
                outputs.append(release.hold(message, message.chain, cause, arrival_ms))
            elif message is not None:
                outputs += self._publish(message, cause, arrival_ms)
        said = (facts.output(one.decision, cause=cause, arrival_ms=arrival_ms) for one in judged)
        return [*outputs, *said]


def _read(value: bytes) -> Event | None:
    """Read an event; None for a message of another agency, of which nothing is decided.

    Raises
    ------
    msgspec.DecodeError, UnicodeDecodeError, RecursionError
        If it is neither.
    """
    try:
        return events.decode(value)
    except msgspec.DecodeError:
        if not value.startswith(_FOREIGN):
            raise
        incoming.decode(value)
        return None
