"""The topics of the system: their names and what they hold."""

from msgspec import Struct

__all__ = [
    "ALERTS",
    "ALL",
    "DETECTIONS",
    "EVENTS",
    "FACTS",
    "HELD",
    "LEDGER",
    "OBSERVATIONS",
    "REJECTS",
    "WAVEFORMS",
    "Topic",
]


class Topic(Struct, frozen=True):
    """A named log of one or more partitions; a key always falls in the same partition.

    Attributes
    ----------
    name, key, holds
        What it is called, what its keys and its values are.
    outside
        Whether it is written by a source, not by a stage: no value names its cause.
    """

    name: str
    key: str
    holds: str
    outside: bool = False


WAVEFORMS = Topic("waveforms", "NET.STA", "miniSEED records exactly as received", outside=True)
OBSERVATIONS = Topic(
    "observations",
    "sensor, station, event or message id",
    "JSON: Observation, and for the hazards Tremor, Earthquake and Bulletin",
)
DETECTIONS = Topic("detections", "region", "JSON: Pick, Motion or Heartbeat")
EVENTS = Topic("events", "event id", "JSON: one version of an event")
ALERTS = Topic("alerts", "event, country and audience", "CAP 1.2 XML")
HELD = Topic(
    "held", "event, country and audience", "JSON: a message that waits for people, or their word"
)
FACTS = Topic("facts", "what it is about", "JSON: what was decided, sent, answered, for the ledger")
LEDGER = Topic("ledger", "what it is about", "JSON: facts in a chain of hashes, kept for ever")
REJECTS = Topic("rejects", "source", "JSON: what could not be read, and why")

ALL = (WAVEFORMS, OBSERVATIONS, DETECTIONS, EVENTS, ALERTS, HELD, FACTS, LEDGER, REJECTS)
