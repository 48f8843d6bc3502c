"""What is written for a message of another hazard: the CAP on its topics, and that it went."""

import hashlib
from collections.abc import Callable

from dispatch import facts, hazard_cap, hazard_wording
from dispatch.hazard_messages import HazardMessage
from stream.records import Output
from stream.topics import ALERTS

__all__ = ["headers", "publish"]


def headers(message: HazardMessage) -> tuple[tuple[str, bytes], ...]:
    """Facts to filter by without reading the CAP.

    Whoever filters by `highestLevel` gets the corrections of all that they were given.
    """
    said = {
        "event": message.event_id,
        "country": message.country,
        "audience": message.audience,
        "msgType": message.msg_type,
        "status": message.status,
        "severity": message.severity,
        "hazard": message.hazard,
        "level": str(message.level),
        "highestLevel": str(message.highest_told),
    }
    return tuple((name, value.encode()) for name, value in said.items())


def publish(
    message: HazardMessage,
    cause: int,
    arrival_ms: int,
    sign: Callable[[bytes], bytes] | None = None,
) -> list[Output]:
    """Make what is written for a message that goes out.

    Parameters
    ----------
    message
        The message; one that `two_people` must release is held before (`dispatch.release.hold`).
    cause, arrival_ms
        Of the input that made it due.
    sign
        Signs the CAP; None: it goes out without a signature.

    Returns
    -------
    list of Output
        The CAP on ``alerts`` and on ``alerts.<country>``, and the fact that it went.
    """
    value = hazard_cap.build(message)
    if sign is not None:
        value = sign(value)
    told = facts.Message(
        identifier=message.identifier,
        sender=message.sender,
        status=message.status,
        type=message.msg_type,
        references=message.references,
        sent_us=message.sent_us,
        expires_us=message.expires_us,
        chain=message.chain,
        event=message.event_id,
        revision=message.revision,
        country=message.country,
        audience=message.audience,
        headline=hazard_wording.load(message.languages[0]).headline_of(message),
        origin_us=message.began_us,
        known_us=arrival_ms * 1000,
        people=message.people_affected,
        sha256=hashlib.sha256(value).hexdigest(),
    )
    key = message.chain.encode()
    return [
        *(
            Output(topic, key, value, cause, arrival_ms, headers(message))
            for topic in (ALERTS.name, f"{ALERTS.name}.{message.country.lower()}")
        ),
        facts.output(told, cause=cause, arrival_ms=arrival_ms),
    ]
