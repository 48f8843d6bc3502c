"""The stage that reads events and writes warnings."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from detect import events
from detect.events import Earthquake
from dispatch import cap, policy
from dispatch.lifecycle import Lifecycle
from dispatch.messages import Message
from dispatch.places import Places
from dispatch.policy import STravelTimes
from dispatch.settings import DispatchSettings
from stream.records import Output, Record
from stream.rejects import reject
from stream.topics import ALERTS

__all__ = ["DispatchOperator", "country_topic", "headers"]

LAST_ALERT = timedelta(minutes=10)
"""Longer after an origin nobody is warned any more: S is 1000 km away in under five minutes,
and a minute later warning is of no use."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes of all kinds; the last for brackets nested too deep."""

_LAST_ARRIVAL_MS = 7_258_118_400_000  # the year 2200


def country_topic(country: str) -> str:
    """Name the topic that holds one country's warnings alone."""
    return f"{ALERTS.name}.{country.lower()}"


def headers(message: Message) -> tuple[tuple[str, bytes], ...]:
    """Facts to filter by without reading the CAP.

    Whoever filters by `highestTold` gets the corrections of all that they were given.
    """
    facts = {
        "event": message.event_id,
        "country": message.country,
        "msgType": message.msg_type,
        "status": message.status,
        "severity": message.severity,
        "maxIntensity": f"{message.max_intensity:.1f}",
        "highestTold": f"{message.highest_told:.1f}",
    }
    return tuple((name, value.encode()) for name, value in facts.items())


class DispatchOperator:
    """`events` to `alerts` and `alerts.<country>`: a fold without IO and clock.

    "Now" is the newest arrival that has been read. What cannot be read, or cannot be an
    earthquake, goes to `rejects`.

    Parameters
    ----------
    settings
        Policies and sender.
    places, travel_times
        For whom, and when S comes.

    Attributes
    ----------
    memory
        An Alert comes at most `LAST_ALERT` after the origin, and what it and its updates said
        stands for `expires_s`: after both, nothing of an event matters any more.
    """

    def __init__(
        self, settings: DispatchSettings, places: Places, travel_times: STravelTimes
    ) -> None:
        policies = [settings.policy, *map(settings.policy_for, settings.countries)]
        stands = max(policy.expires_s for policy in policies)
        self.memory = LAST_ALERT + timedelta(seconds=stands)
        self._lifecycle = Lifecycle(settings, places, travel_times, self.memory)
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
            event = events.decode(record.value)
            # The record's time holds whole milliseconds; the event's own moves it no further.
            now_us = max(now_us, min(event.updated_us, record.timestamp * 1000 + 999))
            if isinstance(event, Earthquake):
                policy.check(event, now_us)
        except _UNREADABLE as error:
            return [reject(record, "not an event", str(error))]
        except policy.ImpossibleEventError as error:
            return [reject(record, "impossible event", str(error))]
        self._now_us = now_us
        if not isinstance(event, Earthquake):
            return []
        outputs: list[Output] = []
        for message in self._lifecycle.fold(event, self._now_us):
            key = f"{message.event_id}_{message.country}".encode()
            value = cap.build(message)
            outputs += [
                Output(topic, key, value, record.offset, record.timestamp, headers(message))
                for topic in (ALERTS.name, country_topic(message.country))
            ]
        return outputs
