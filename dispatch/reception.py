"""Where CAP messages of others come in: taken, or refused and kept, and the rest goes on.

What is taken stands on `events`, and once more on `observations`, where the stage `hazards` heeds
it as a prior.
"""

import logging
from collections.abc import Callable, Mapping

import msgspec

from detect.hazards import readings
from detect.hazards.cascade_file import SEVERITIES
from detect.hazards.readings import Bulletin
from dispatch import incoming
from dispatch.channels.channel import Tell
from dispatch.facts import Acknowledgement
from dispatch.incoming import ForeignAlert, Gate, RefusedError
from stream.log import Log
from stream.records import Output
from stream.rejects import refuse
from stream.topics import EVENTS, OBSERVATIONS

__all__ = ["Reception"]

_log = logging.getLogger("alatau.dispatch")


class Reception:
    """Takes messages from HTTP, MQTT or elsewhere.

    Parameters
    ----------
    gate
        Decides.
    log
        Messages of other agencies go to `events` and `observations`, what is refused to `rejects`.
    tell
        Takes acknowledgements, as facts.
    now_us
        The clock: microseconds since 1970 UTC.
    channel_of
        By CAP sender, the channel that its acknowledgements count for.
    """

    def __init__(
        self,
        gate: Gate,
        log: Log,
        tell: Tell,
        now_us: Callable[[], int],
        channel_of: Mapping[str, str] | None = None,
    ) -> None:
        self._gate = gate
        self._channel_of = channel_of or {}
        self._log = log
        self._tell = tell
        self._now_us = now_us
        self._number = 0

    async def take(self, value: bytes, channel: str = "", *, trusted: bool = False) -> str:
        """Take what has come.

        Parameters
        ----------
        channel
            On which it came, if it is one of ours.
        trusted
            See `Gate.take`.

        Returns
        -------
        str
            Why it was refused; empty if it was taken.
        """
        now_us = self._now_us()
        self._number += 1
        try:
            said = self._gate.take(value, now_us, trusted=trusted)
        except RefusedError as error:
            await self._log.append([self._refused(error, value, now_us)])
            _log.warning("A CAP message was refused: %s", error)
            return str(error)
        if isinstance(said, Acknowledgement):
            name = channel or self._channel_of.get(said.by, "")
            self._tell(msgspec.structs.replace(said, channel=name))
        else:
            await self._log.append([_event(said, self._number), _prior(said, self._number)])
        return ""

    def _refused(self, error: RefusedError, value: bytes, now_us: int) -> Output:
        return refuse(
            error.sender or "cap",
            error.reason,
            error.detail,
            value,
            number=self._number,
            arrival_ms=now_us // 1000,
        )


def _event(alert: ForeignAlert, number: int) -> Output:
    arrival_ms = alert.arrived_us // 1000
    return Output(EVENTS.name, alert.id.encode(), incoming.encode(alert), number, arrival_ms)


def _prior(alert: ForeignAlert, number: int) -> Output:
    """Repeat what of a message may make a hazard likelier."""
    severity = alert.severity if alert.severity in SEVERITIES else "Unknown"
    bulletin = Bulletin(
        identifier=alert.identifier,
        sender=alert.sender,
        sent_us=alert.sent_us,
        status=alert.status,
        type=alert.type,
        references=alert.references,
        event=alert.event,
        codes=alert.codes,
        severity=severity,
        effective_us=alert.sent_us if alert.effective_us is None else alert.effective_us,
        expires_us=alert.expires_us,
        verified=alert.verified,
        polygons=tuple(ring for area in alert.areas for ring in area.polygons),
        circles=tuple(circle for area in alert.areas for circle in area.circles),
        geocodes=tuple(code for area in alert.areas for code in area.geocodes),
    )
    key, value = alert.id.encode(), readings.encode(bulletin)
    return Output(OBSERVATIONS.name, key, value, number, alert.arrived_us // 1000)
