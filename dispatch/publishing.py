"""What is written for a message that goes out: the CAP on its topics, and the fact that it went."""

from collections.abc import Callable

from dispatch import cap, facts, hazard_publishing, wording
from dispatch.hazard_messages import HazardMessage
from dispatch.messages import Message
from dispatch.release import Publish, Said
from stream.records import Output
from stream.topics import ALERTS

__all__ = ["country_topic", "headers", "publisher"]


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
        "audience": message.audience,
        "msgType": message.msg_type,
        "status": message.status,
        "severity": message.severity,
        "maxIntensity": f"{message.max_intensity:.1f}",
        "highestTold": f"{message.highest_told:.1f}",
    }
    return tuple((name, value.encode()) for name, value in facts.items())


def publisher(sign: Callable[[bytes], bytes] | None = None) -> Publish:
    """Make what writes messages.

    Parameters
    ----------
    sign
        Signs the CAP; None: it goes out without a signature.
    """

    def publish(message: Said, cause: int, arrival_ms: int) -> list[Output]:
        if isinstance(message, HazardMessage):
            return hazard_publishing.publish(message, cause, arrival_ms, sign)
        value = cap.build(message)
        if sign is not None:
            value = sign(value)
        told = facts.of_message(
            message,
            value,
            chain=message.chain,
            known_us=arrival_ms * 1000,
            audience=message.audience,
            headline=wording.load(message.languages[0]).headline_of(message),
        )
        key = message.chain.encode()
        return [
            *(
                Output(topic, key, value, cause, arrival_ms, headers(message))
                for topic in (ALERTS.name, country_topic(message.country))
            ),
            facts.output(told, cause=cause, arrival_ms=arrival_ms),
        ]

    return publish
