"""The contract of the topic `facts`: what was decided, sent, answered and overridden.

Whoever does one of these things writes it here at once; the keeper of the ledger enters it,
verbatim, into a chain of hashes (`dispatch.ledger`). The id of a fact is a function of what it
tells: a fact that is told again after a restart has the same id, and readers drop it.

Times are microseconds since 1970 UTC.
"""

import hashlib
from typing import Literal

import msgspec
from msgspec import Struct

from dispatch import messages
from stream.records import Output
from stream.topics import FACTS

__all__ = [
    "Acknowledgement",
    "Decision",
    "Delivery",
    "DeliveryState",
    "Escalation",
    "Fact",
    "Lost",
    "Message",
    "Override",
    "Rule",
    "Sources",
    "Started",
    "Unreadable",
    "decode",
    "encode",
    "of_message",
    "output",
]

DeliveryState = Literal["queued", "sent", "delivered", "failed", "expired", "replaced"]
Verdict = Literal["told", "not told", "held"]
Word = Literal["release", "withhold", "lapse"]


class Rule(Struct, frozen=True):
    """One rule of a decision: its name, whether it was met, and the values that say so."""

    name: str
    met: bool
    detail: str = ""


class Decision(Struct, frozen=True, kw_only=True, tag_field="kind", tag="decision"):
    """Why an audience was or was not told of a revision of an event.

    Attributes
    ----------
    verdict
        ``told``, ``not told``, or ``held`` until people release it.
    message
        Identifier of the message that it led to; empty if none.
    rules
        In the order in which they were asked.
    """

    version: int = 1
    at_us: int
    event: str
    revision: int
    country: str
    audience: str = ""
    verdict: Verdict
    message: str = ""
    rules: tuple[Rule, ...] = ()

    @property
    def id(self) -> str:
        """Identity: one decision for each revision, country and audience."""
        return f"decision/{self.event}/{self.revision}/{self.country}/{self.audience}"


class Message(Struct, frozen=True, kw_only=True, tag_field="kind", tag="message"):
    """A message that went to `alerts`.

    Attributes
    ----------
    identifier, sender, status, type, references, sent_us, expires_us
        As in its CAP.
    chain
        Which messages follow on each other: the key of the record.
    event, revision, country, audience, headline
        What it speaks of, and to whom.
    origin_us
        When the event began.
    known_us
        Arrival of the data that made it known; the message could not have come sooner.
    people
        In the places that it warns.
    sha256
        Of the CAP as it went out, hexadecimal.
    """

    version: int = 1
    identifier: str
    sender: str
    status: str
    type: str
    references: tuple[str, ...] = ()
    sent_us: int
    expires_us: int
    chain: str
    event: str
    revision: int
    country: str
    audience: str = ""
    headline: str = ""
    origin_us: int | None = None
    known_us: int | None = None
    people: int = 0
    sha256: str

    @property
    def at_us(self) -> int:
        """When it was sent."""
        return self.sent_us

    @property
    def id(self) -> str:
        """Identity: that of the message."""
        return f"message/{self.identifier}"


class Delivery(Struct, frozen=True, kw_only=True, tag_field="kind", tag="delivery"):
    """A step of a message on its way to one audience.

    Attributes
    ----------
    message, channel
        What, and on which way.
    state
        ``queued``: will be sent; it stands in the log before anything is sent. ``sent``: has
        left us, nobody has confirmed. ``delivered``: the other side has confirmed. ``failed``:
        this attempt was refused or broke off. ``expired``: given up, for the message stands no
        more. ``replaced``: given up, for a newer message of its chain goes out.
    attempt
        Counted from 1; 0 for what belongs to no attempt.
    final
        Whether nothing more will be tried.
    once
        Whether the other side drops repeats by `key`; if not, it may have the message more than
        once when `repeated`.
    reached
        Whether, for all we know, the other side may have it now.
    repeated
        Whether an attempt before this one may have reached it already.
    reason
        Why it failed, was replaced or was escalated hither.
    lead_s
        Seconds that were left to the onset when it was delivered.
    """

    version: int = 1
    at_us: int
    message: str
    channel: str
    state: DeliveryState
    attempt: int = 0
    final: bool = False
    once: bool = False
    reached: bool = False
    repeated: bool = False
    key: str = ""
    reason: str = ""
    lead_s: float | None = None

    @property
    def id(self) -> str:
        """Identity: one fact for each state of each attempt."""
        return f"delivery/{self.message}/{self.channel}/{self.attempt}/{self.state}"


class Acknowledgement(Struct, frozen=True, kw_only=True, tag_field="kind", tag="acknowledgement"):
    """Someone says that they have read a message: a CAP Ack, or a person's word.

    Attributes
    ----------
    ack
        Identifier of the CAP Ack, or another name that is this acknowledgement's alone.
    by
        Its sender, or the person's role.
    verified
        Whether we know who sent it, by its signature or by the way on which it came.
    """

    version: int = 1
    at_us: int
    message: str
    channel: str = ""
    ack: str
    by: str
    note: str = ""
    verified: bool = False

    @property
    def id(self) -> str:
        """Identity: that of the Ack, and of what it acknowledges."""
        return f"acknowledgement/{self.message}/{self.by}/{self.ack}"


class Escalation(Struct, frozen=True, kw_only=True, tag_field="kind", tag="escalation"):
    """A message was not delivered, or not acknowledged, in time: another way is taken.

    Attributes
    ----------
    missed
        Which deadline: ``delivery`` or ``acknowledgement``.
    to
        The channel that is taken instead; empty if there is none.
    """

    version: int = 1
    at_us: int
    message: str
    channel: str
    missed: Literal["delivery", "acknowledgement"]
    to: str = ""

    @property
    def id(self) -> str:
        """Identity: one for each deadline."""
        return f"escalation/{self.message}/{self.channel}/{self.missed}"


class Override(Struct, frozen=True, kw_only=True, tag_field="kind", tag="override"):
    """A person's word on a message that is not automatic, or the lack of one.

    Attributes
    ----------
    word
        ``release``, ``withhold``, or ``lapse``: no two people released it in time.
    chain
        Which event and audience.
    person, role, reason
        Who, in which office, and why, in their words; empty for ``lapse``.
    token
        SHA-256 of the signed word, hexadecimal.
    complete
        Whether with this the message went out, or was put aside for good.
    """

    version: int = 1
    at_us: int
    word: Word
    chain: str
    message: str = ""
    person: str = ""
    role: str = ""
    reason: str = ""
    token: str = ""
    complete: bool = False

    @property
    def id(self) -> str:
        """Identity: that of the signed word."""
        return f"override/{self.chain}/{self.message}/{self.word}/{self.token}"


class Sources(Struct, frozen=True, kw_only=True, tag_field="kind", tag="sources"):
    """How many of a hazard's sources could be relied on at a moment; each counts once.

    Attributes
    ----------
    hazard
        What they watch: ``earthquake``, ``mudflow`` ...
    healthy, late, warming, faulty, silent
        As in `detect.health.HealthCount`.
    """

    version: int = 1
    at_us: int
    hazard: str = "earthquake"
    healthy: int
    late: int = 0
    warming: int = 0
    faulty: int = 0
    silent: int = 0

    @property
    def id(self) -> str:
        """Identity: one for each hazard and moment."""
        return f"sources/{self.hazard}/{self.at_us}"

    @property
    def expected(self) -> int:
        """All that should be heard."""
        return self.healthy + self.late + self.warming + self.faulty + self.silent


class Started(Struct, frozen=True, kw_only=True, tag_field="kind", tag="started"):
    """A process that sends has begun, or begun anew: what was under way may be sent again."""

    version: int = 1
    at_us: int
    process: str

    @property
    def id(self) -> str:
        """Identity: one for each process and moment."""
        return f"started/{self.process}/{self.at_us}"


class Unreadable(Struct, frozen=True, kw_only=True, tag_field="kind", tag="unreadable"):
    """Stands in the ledger for bytes in `facts` that are no fact, so that none is passed over.

    Attributes
    ----------
    sha256, size
        Of the bytes.
    """

    version: int = 1
    at_us: int
    sha256: str
    size: int
    reason: str

    @property
    def id(self) -> str:
        """Identity: that of the bytes."""
        return f"unreadable/{self.sha256}"


class Lost(Struct, frozen=True, kw_only=True, tag_field="kind", tag="lost"):
    """Stands in the ledger for records that the log dropped before they were entered.

    Attributes
    ----------
    first, last
        Their offsets in `facts`.
    """

    version: int = 1
    at_us: int
    first: int
    last: int

    @property
    def id(self) -> str:
        """Identity: that of the records."""
        return f"lost/{self.first}/{self.last}"


Fact = (
    Decision
    | Message
    | Delivery
    | Acknowledgement
    | Escalation
    | Override
    | Sources
    | Started
    | Unreadable
    | Lost
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)


def encode(fact: Fact) -> bytes:
    """JSON of a fact, fields in the order of the contract."""
    return _encoder.encode(fact)


def decode(value: bytes | msgspec.Raw) -> Fact:
    """Read a fact.

    Raises
    ------
    msgspec.DecodeError, UnicodeDecodeError, RecursionError
        If the bytes are not JSON or not of the contract.
    """
    return _decoder.decode(value)


def of_message(
    message: messages.Message,
    value: bytes,
    *,
    chain: str,
    known_us: int,
    audience: str = "",
    headline: str = "",
) -> Message:
    """Make the fact that a message went to `alerts`.

    Parameters
    ----------
    message, value
        The message, and its CAP as it went out, signature included.
    chain
        Key of its record.
    known_us
        Arrival of the data that made it known.
    audience, headline
        To whom, and its first line for people.
    """
    return Message(
        identifier=message.identifier,
        sender=message.sender,
        status=message.status,
        type=message.msg_type,
        references=message.references,
        sent_us=message.sent_us,
        expires_us=message.expires_us,
        chain=chain,
        event=message.event_id,
        revision=message.revision,
        country=message.country,
        audience=audience,
        headline=headline,
        origin_us=message.origin_time_us,
        known_us=known_us,
        people=message.people_affected,
        sha256=hashlib.sha256(value).hexdigest(),
    )


def output(fact: Fact, *, cause: int = 0, arrival_ms: int | None = None) -> Output:
    """Make the record that tells a fact.

    Parameters
    ----------
    cause, arrival_ms
        Of the input record that made a stage say it; where no stage says it, the time of the
        fact is its arrival.
    """
    about = getattr(fact, "message", "") or getattr(fact, "chain", "") or fact.id
    arrival = fact.at_us // 1000 if arrival_ms is None else arrival_ms
    return Output(FACTS.name, about.encode(), encode(fact), cause, arrival)
