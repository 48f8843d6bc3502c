"""Messages that are not automatic: two people release them, or they are not sent.

On the topic `held` stand the messages that wait, and what people say of them: words, each signed
with that person's own key (Ed25519). The fold over it sends a message when two different people
have released it. From then on the updates of the same event to the same audience go by
themselves, and a Cancel does: what was said must be corrected within seconds. One person can
withhold, and with that withdraw what has gone out; what nobody releases in time lapses. Each
word, its reason and the person's office are facts for the ledger.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from dispatch import cap, facts, hazard_cap
from dispatch.channels.settings import Person, ReleaseSettings
from dispatch.facts import Fact, Override
from dispatch.hazard_messages import HazardMessage
from dispatch.messages import Message
from stream.errors import AlatauError, ConfigurationError
from stream.records import Output, Record
from stream.rejects import reject
from stream.topics import HELD

__all__ = [
    "NEEDED",
    "Held",
    "HeldHazard",
    "Publish",
    "ReleaseOperator",
    "Said",
    "SignedWord",
    "Standing",
    "Word",
    "WordError",
    "hold",
    "load_key",
    "public_key",
    "sign",
    "token",
]

NEEDED = 2
"""People who must release a message."""

CLOCK_ERROR_US = 60_000_000
LONGEST_LIFE = timedelta(hours=24)

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Said = Message | HazardMessage

Publish = Callable[[Said, int, int], list[Output]]
"""Makes what is written for a message that goes out, from its cause and arrival (ms)."""


class WordError(AlatauError):
    """What someone says cannot be heeded."""


class Held(Struct, frozen=True, kw_only=True, tag_field="kind", tag="held"):
    """A message about an earthquake that waits."""

    version: int = 1
    message: Message


class HeldHazard(Struct, frozen=True, kw_only=True, tag_field="kind", tag="held-hazard"):
    """A message about another hazard that waits."""

    version: int = 1
    message: HazardMessage


class Word(Struct, frozen=True, kw_only=True):
    """What one person says of a message.

    Attributes
    ----------
    chain
        Event and audience: the key of the record that holds the message.
    message
        The identifier that the person has seen.
    verdict
        ``release`` or ``withhold``.
    person
        Name in the configuration.
    reason
        In the person's words.
    at_us
        When it was said, microseconds since 1970 UTC.
    """

    version: int = 1
    chain: str
    message: str
    verdict: Literal["release", "withhold"]
    person: str
    reason: str
    at_us: int


class SignedWord(Struct, frozen=True, kw_only=True, tag_field="kind", tag="word"):
    """A word as it stands on `held`: its JSON, and the person's signature over that."""

    version: int = 1
    word: bytes
    signature: bytes


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Held | HeldHazard | SignedWord] = msgspec.json.Decoder(
    Held | HeldHazard | SignedWord
)
_words = msgspec.json.Decoder(Word)


def hold(message: Said, chain: str, cause: int, arrival_ms: int) -> Output:
    """Make the record that lets a message wait.

    Parameters
    ----------
    chain
        Event and audience.
    cause, arrival_ms
        Of the input that made the message.
    """
    held = (
        HeldHazard(message=message) if isinstance(message, HazardMessage) else Held(message=message)
    )
    return Output(HELD.name, chain.encode(), _encoder.encode(held), cause, arrival_ms)


def sign(word: Word, key: Ed25519PrivateKey) -> Output:
    """Make the record that tells a person's word."""
    text = _encoder.encode(word)
    value = _encoder.encode(SignedWord(word=text, signature=key.sign(text)))
    return Output(HELD.name, word.chain.encode(), value, 0, word.at_us // 1000)


def token(word: Output) -> str:
    """Return what the fact of a person's word names it by: SHA-256, hexadecimal."""
    signed = msgspec.json.decode(word.value, type=SignedWord)
    return hashlib.sha256(signed.word + signed.signature).hexdigest()


def public_key(key: Ed25519PrivateKey) -> str:
    """Return what stands in the configuration of a person's key: base64."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def load_key(path: Path, password: bytes | None = None) -> Ed25519PrivateKey:
    """Read a person's private key (PEM).

    Raises
    ------
    ConfigurationError
        If it is not an Ed25519 key, or cannot be read.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"the key cannot be read: {error}",
            remedy="Name your private key (PEM): openssl genpkey -algorithm ed25519",
            file=path,
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            "this is no Ed25519 key",
            remedy="Make one: openssl genpkey -algorithm ed25519",
            file=path,
        )
    return key


def _person_key(person: Person) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(person.public_key))


class Standing(Struct, frozen=True):
    """One event and audience on which people can have a word now.

    Attributes
    ----------
    chain
        Event and audience.
    message
        What waits, or the newest that has gone out.
    lapses_us
        When it lapses if it is not released, or expires.
    released_by
        Who has released it so far.
    is_released
        Whether it has gone out.
    """

    chain: str
    message: Said
    lapses_us: int
    released_by: tuple[str, ...]
    is_released: bool


class _Case(Struct):
    """One event and audience: what waits, who has spoken, and what has gone out."""

    touched_us: int
    waiting: Said | None = None
    since_us: int = 0
    revision: int = -1
    released_by: list[str] = []
    is_released: bool = False
    is_withheld: bool = False
    said: list[tuple[str, int]] = []
    told: Said | None = None


class ReleaseOperator:
    """`held` to `alerts`: a fold without IO and clock. "Now" is the newest arrival.

    Parameters
    ----------
    settings
        Who may release, and how long a message waits.
    publish
        Makes what is written for a message that goes out.
    """

    def __init__(self, settings: ReleaseSettings, publish: Publish) -> None:
        self._within_us = settings.within_s * 1_000_000
        self._people = settings.people
        self._keys = {name: _person_key(person) for name, person in settings.people.items()}
        self._publish = publish
        self._cases: dict[str, _Case] = {}
        self._now_us = 0
        self.memory = timedelta(seconds=settings.within_s) + LONGEST_LIFE

    def standing(self, now_us: int) -> list[Standing]:
        """Return what waits at a time, and what has gone out and stands, by event and audience."""
        found = []
        for chain, case in sorted(self._cases.items()):
            message, lapses_us = case.told, 0
            if case.waiting is not None:
                message = case.waiting
                lapses_us = min(case.since_us + self._within_us, message.expires_us)
            elif message is not None:
                lapses_us = message.expires_us
            if message is not None and lapses_us > now_us:
                by = tuple(case.released_by)
                found.append(Standing(chain, message, lapses_us, by, case.is_released))
        return found

    def process(self, batch: Sequence[Record]) -> list[Output]:
        """Fold messages and words; return what they make due."""
        outputs: list[Output] = []
        for record in batch:
            outputs += self._fold(record)
        return outputs

    def _fold(self, record: Record) -> list[Output]:
        self._now_us = max(self._now_us, record.timestamp * 1000)
        said: list[Fact] = self._lapse()
        outputs: list[Output] = []
        chain = record.key.decode("utf-8", "replace")
        try:
            value = _decoder.decode(record.value)
            if isinstance(value, Held | HeldHazard):
                more, sent = self._hold(chain, value.message, record)
            else:
                more, sent = self._hear(chain, value, record)
            said += more
            outputs += sent
        except _UNREADABLE as error:
            outputs.append(reject(record, "neither a message nor a word", str(error)))
        except WordError as error:
            outputs.append(reject(record, "a word that is not heeded", str(error)))
        told = [
            facts.output(fact, cause=record.offset, arrival_ms=record.timestamp) for fact in said
        ]
        return [*told, *outputs]

    def _lapse(self) -> list[Fact]:
        """Put aside what has waited too long, and forget what is over."""
        said: list[Fact] = []
        for chain, case in sorted(self._cases.items()):
            waiting = case.waiting
            if waiting is not None and self._now_us >= min(
                case.since_us + self._within_us, waiting.expires_us
            ):
                said.append(self._put_aside(chain, case, "two people did not release it in time"))
        oldest = self._now_us - self.memory // timedelta(microseconds=1)
        self._cases = {c: case for c, case in self._cases.items() if case.touched_us > oldest}
        return said

    def _put_aside(self, chain: str, case: _Case, reason: str) -> Override:
        message = "" if case.waiting is None else case.waiting.identifier
        case.waiting, case.released_by = None, []
        return Override(
            at_us=self._now_us,
            word="lapse",
            chain=chain,
            message=message,
            reason=reason,
            complete=True,
        )

    def _hold(self, chain: str, message: Said, record: Record) -> tuple[list[Fact], list[Output]]:
        case = self._cases.setdefault(chain, _Case(self._now_us))
        if message.revision <= case.revision:
            return [], []
        case.revision, case.touched_us = message.revision, self._now_us
        if case.is_withheld:
            return [], []
        if case.is_released:
            return [], self._send(case, message, record)
        if message.msg_type == "Cancel":
            if case.waiting is None:
                return [], []
            return [self._put_aside(chain, case, "cancelled before it was released")], []
        case.waiting, case.since_us = message, self._now_us
        return [], []

    def _hear(
        self, chain: str, signed: SignedWord, record: Record
    ) -> tuple[list[Fact], list[Output]]:
        word = self._checked(chain, signed)
        case = self._cases.get(chain)
        if case is None or (case.waiting is None and not case.is_released):
            raise WordError(f"nothing waits for {chain}: it has lapsed, or never was")
        if case.is_released and word.verdict == "release":
            raise WordError(f"{chain} has been released")
        if word.verdict == "release" and word.person in case.released_by:
            raise WordError(f"{word.person} has released it; another person must")
        case.touched_us = self._now_us
        outputs: list[Output] = []
        if word.verdict == "withhold":
            case.is_withheld, is_complete = True, True
            case.waiting = None
            if case.told is not None:
                outputs = self._send(case, _withdrawn(case.told), record)
        else:
            case.released_by.append(word.person)
            is_complete = len(case.released_by) >= NEEDED
        fact = Override(
            at_us=self._now_us,
            word=word.verdict,
            chain=chain,
            message=word.message,
            person=word.person,
            role=self._people[word.person].role,
            reason=word.reason,
            token=hashlib.sha256(signed.word + signed.signature).hexdigest(),
            complete=is_complete,
        )
        if is_complete and case.waiting is not None:
            waiting, case.waiting, case.is_released = case.waiting, None, True
            outputs = self._send(case, waiting, record)
        return [fact], outputs

    def _checked(self, chain: str, signed: SignedWord) -> Word:
        """Read a word that its person has signed, of late, and of this chain."""
        word = _words.decode(signed.word)
        key = self._keys.get(word.person)
        if key is None:
            raise WordError(f"{word.person!r} is not among those who may speak")
        try:
            key.verify(signed.signature, signed.word)
        except InvalidSignature as error:
            raise WordError(f"the signature is not that of {word.person}") from error
        if word.chain != chain:
            raise WordError(f"it speaks of {word.chain}, not of {chain}")
        if not word.reason.strip():
            raise WordError("it gives no reason")
        age_us = self._now_us - word.at_us
        if not -CLOCK_ERROR_US <= age_us <= self._within_us:
            raise WordError(f"it was said {age_us / 1e6:.0f} s before it came")
        return word

    def _send(self, case: _Case, message: Said, record: Record) -> list[Output]:
        """Let a message go out now, on what has gone out before."""
        case.said = [(name, end) for name, end in case.said if end > self._now_us]
        is_cancel = message.msg_type == "Cancel"
        if is_cancel and not case.said:
            return []
        out = _as_of(message, self._now_us, [name for name, _ in case.said])
        if is_cancel:
            case.said, case.told = [], None
        else:
            case.said.append((_reference(out), out.expires_us))
            case.told = out
        return self._publish(out, record.offset, record.timestamp)


def _reference(message: Said) -> str:
    """Name a message as `references` does."""
    if isinstance(message, HazardMessage):
        return hazard_cap.reference(message)
    return cap.reference(message)


def _withdrawn(told: Said) -> Said:
    """Make the correction of what has gone out and should not have."""
    identifier = f"{told.identifier}_withdrawn"
    if isinstance(told, HazardMessage):
        return msgspec.structs.replace(
            told,
            identifier=identifier,
            msg_type="Cancel",
            urgency="Past",
            severity="Minor",
            certainty="Unlikely",
            cancel_reason="nothing",
            places=(),
        )
    return msgspec.structs.replace(
        told,
        identifier=identifier,
        msg_type="Cancel",
        urgency="Past",
        severity="Minor",
        certainty="Unlikely",
        cancel_reason="nothing",
        max_intensity=0.0,
        places=(),
    )


def _as_of(message: Said, now_us: int, references: Iterable[str]) -> Said:
    """Make of a message that has waited the one that is sent now."""
    references = tuple(references)
    second_us = now_us // 1_000_000 * 1_000_000
    stands_us = message.expires_us - message.sent_us // 1_000_000 * 1_000_000
    waited_s = (now_us - message.sent_us) / 1e6
    kind = message.msg_type if message.msg_type == "Cancel" else "Update" if references else "Alert"
    onset_us = max(message.onset_us, second_us)
    if isinstance(message, HazardMessage):
        # A window of arrival is a time, not what is left until then: it has not changed.
        return msgspec.structs.replace(
            message,
            msg_type=kind,
            references=references,
            sent_us=now_us,
            onset_us=onset_us,
            expires_us=second_us + stands_us,
        )
    return msgspec.structs.replace(
        message,
        msg_type=kind,
        references=references,
        sent_us=now_us,
        onset_us=onset_us,
        expires_us=second_us + stands_us,
        places=tuple(
            msgspec.structs.replace(place, lead_s=round(place.lead_s - waited_s, 1))
            for place in message.places
        ),
    )
