"""Commands for the people without whose word a message is not sent."""

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from commands.brokers import on_kafka, opened
from commands.deliveries import now_us
from commands.ledger_report import UNKNOWN
from commands.terminal import FAILED, Config, Kafka, complaints, terminal
from commands.wiring import Configuration
from dispatch import facts, hazard_wording, ledger_words, release, wording
from dispatch.channels.settings import ReleaseSettings
from dispatch.facts import Override, Sources
from dispatch.hazard_messages import HazardMessage
from dispatch.release import ReleaseOperator, Standing, Word
from stream import rejects, settings
from stream.causes import unseen
from stream.errors import AlatauError
from stream.log import Log
from stream.records import Output, Record
from stream.topics import FACTS, HELD, REJECTS

__all__ = ["app"]

ANSWER_S = 15.0  # a worker that has just died is replaced by the one that stands by
LOOK_S = 0.1
LIMIT = 1000
NO_ALL_CLEAR = "silence is no all-clear"
FRESH_US = 60_000_000  # what is known of sources counts for so long

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Messages that wait for the word of two people.")

Chain = Annotated[str, typer.Argument(help="Event and audience, as `release list` names them.")]
PersonName = Annotated[str, typer.Option(help="Your name in [delivery.release.people].")]
KeyFile = Annotated[Path, typer.Option(help="Your private key (PEM, Ed25519).")]
Reason = Annotated[str, typer.Option(help="In your words; it stands in the ledger for ever.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command("list")
def release_list(config: Config = None, kafka: Kafka = None) -> None:
    """Show what waits, and what has been released and can be withdrawn."""
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    open_log = opened(configuration, config)

    async def look() -> tuple[list[Standing], str]:
        async with open_log() as log:
            return await _standing(log, configuration.delivery.release), await _sources(log)

    standing, sources = _ran(look())
    for each in standing:
        _show(each)
    if not any(not each.is_released for each in standing):
        terminal.print("No message waits.")
    terminal.print(f"Sources: {sources}", markup=False)


@app.command("release")
def release_release(
    chain: Chain,
    person: PersonName,
    key: KeyFile,
    reason: Reason,
    config: Config = None,
    kafka: Kafka = None,
    yes: Yes = False,
) -> None:
    """Release what waits; it goes out when a second person does. Exit code: 0 if it was heeded."""
    _say("release", chain, person, key, reason, config, kafka, yes=yes)


@app.command("withhold")
def release_withhold(
    chain: Chain,
    person: PersonName,
    key: KeyFile,
    reason: Reason,
    config: Config = None,
    kafka: Kafka = None,
    yes: Yes = False,
) -> None:
    """Keep back what waits, or withdraw what has gone out: one person is enough."""
    _say("withhold", chain, person, key, reason, config, kafka, yes=yes)


@app.command("key")
def release_key(
    file: Annotated[Path, typer.Argument(help="Private key to write; it stays with the person.")],
    name: Annotated[str, typer.Option(help="Name of the person in the configuration.")],
    role: Annotated[str, typer.Option(help="Office, as it is to stand in the ledger.")],
) -> None:
    """Make a key for a person, and print what goes into the configuration."""
    made = Ed25519PrivateKey.generate()
    pem = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(pem)
    except OSError as error:
        complaints.print(f"{file}: {error.strerror}", style="red", markup=False)
        raise typer.Exit(FAILED) from error
    terminal.print(f"{file} holds the private key: give it to {name} alone.", markup=False)
    terminal.print("Into the configuration of `alatau dispatch`:\n", markup=False)
    terminal.print(f"[delivery.release.people.{name}]", markup=False)
    terminal.print(f"role = {msgspec.json.encode(role).decode()}", markup=False)
    terminal.print(f'public_key = "{release.public_key(made)}"', markup=False)


def _ran(doing: Coroutine[None, None, T]) -> T:
    try:
        return asyncio.run(doing)
    except AlatauError as error:
        complaints.print(str(error), style="red", markup=False)
        raise typer.Exit(FAILED) from error


def _time(time_us: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    return f"{moment:%H:%M:%S}Z"


def _show(each: Standing) -> None:
    message = each.message
    if each.is_released:
        state = f"released, stands until {_time(each.lapses_us)}"
    else:
        by = f"released by {', '.join(each.released_by)}" if each.released_by else "by nobody yet"
        state = f"waits until {_time(each.lapses_us)}; {by}"
    terminal.print(each.chain, style="bold", markup=False)
    terminal.print(f"  {state}", markup=False)
    if isinstance(message, HazardMessage):
        what = f"{message.hazard}, level {message.level}"
        headline = hazard_wording.load("en").headline_of(message)
    else:
        what = f"earthquake, up to intensity {message.max_intensity:.1f}"
        headline = wording.load("en").headline_of(message)
    terminal.print(f"  {message.msg_type} {message.identifier}, {message.status}", markup=False)
    terminal.print(f"  {what}, {message.people_affected:,} people", markup=False)
    terminal.print(f"  {headline}", markup=False)


async def _all(log: Log, topic: str, first: int) -> list[Record]:
    found: list[Record] = []
    while records := await log.read(topic, 0, first, LIMIT):
        found += records
        first = records[-1].offset + 1
    return found


async def _standing(log: Log, wanted: ReleaseSettings) -> list[Standing]:
    """Fold what waits, as the stage does, without writing anything."""
    operator = ReleaseOperator(wanted, lambda *_: [])
    since_ms = (now_us() - operator.memory // timedelta(microseconds=1)) // 1000
    first = await log.offset_for_time(HELD.name, 0, since_ms)
    operator.process(unseen(await _all(log, HELD.name, first), {}))
    return operator.standing(now_us())


async def _sources(log: Log) -> str:
    """Say how the sources are: that nothing waits is no all-clear without it."""
    since_ms = (now_us() - FRESH_US) // 1000
    newest: dict[str, Sources] = {}
    for record in await _all(log, FACTS.name, await log.offset_for_time(FACTS.name, 0, since_ms)):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            fact = facts.decode(record.value)
            if isinstance(fact, Sources):
                newest[fact.hazard] = fact
    said = [ledger_words.words(fact)[1] for _, fact in sorted(newest.items())]
    if not said:
        return f"{UNKNOWN} for a minute; {NO_ALL_CLEAR}"
    if any(2 * fact.healthy < max(fact.expected, 1) for fact in newest.values()):
        said.append(NO_ALL_CLEAR)
    return "; ".join(said)


def _say(
    verdict: Literal["release", "withhold"],
    chain: str,
    person: str,
    key_file: Path,
    reason: str,
    config: Path | None,
    kafka: str | None,
    *,
    yes: bool,
) -> None:
    configuration = on_kafka(settings.load(config, Configuration), kafka)
    wanted = configuration.delivery.release
    key = release.load_key(key_file)
    if not reason.strip():
        raise typer.BadParameter("it says nothing", param_hint="--reason")
    known = wanted.people.get(person)
    if known is None or known.public_key != release.public_key(key):
        raise settings.misfit(
            config,
            ("delivery", "release", "people"),
            f"{person} is not named there with the public key of {key_file}",
            "Give your own name and key, or have them put there: alatau release key.",
        )
    open_log = opened(configuration, config)

    async def look() -> Standing | None:
        async with open_log() as log:
            return next((s for s in await _standing(log, wanted) if s.chain == chain), None)

    found = _ran(look())
    if found is None:
        complaints.print(
            f"Nothing waits for {chain}, and nothing of it stands: alatau release list",
            style="red",
            markup=False,
        )
        raise typer.Exit(FAILED)
    _show(found)
    if not yes:
        typer.confirm(f"{verdict.capitalize()} it, as {known.role}?", abort=True)
    word = release.sign(
        Word(
            chain=chain,
            message=found.message.identifier,
            verdict=verdict,
            person=person,
            reason=reason,
            at_us=now_us(),
        ),
        key,
    )

    async def tell() -> tuple[bool, str]:
        async with open_log() as log:
            return await _told(log, word)

    heeded, answer = _ran(tell())
    (terminal if heeded else complaints).print(answer, style="" if heeded else "red", markup=False)
    if not heeded:
        raise typer.Exit(FAILED)


async def _told(log: Log, word: Output) -> tuple[bool, str]:
    """Write a word, and wait for what becomes of it."""
    next_of = {topic.name: await log.end(topic.name, 0) for topic in (FACTS, REJECTS)}
    token = release.token(word)
    excerpt = rejects.refuse("", "", "", word.value, number=0, arrival_ms=0)
    excerpt_text = rejects.decode(excerpt.value).excerpt
    await log.append([word])
    for _ in range(round(ANSWER_S / LOOK_S)):
        for topic, first in next_of.items():
            for record in await _all(log, topic, first):
                next_of[topic] = record.offset + 1
                with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    if topic == REJECTS.name:
                        refused = rejects.decode(record.value)
                        if refused.excerpt == excerpt_text:
                            return False, f"It was not heeded: {refused.detail}."
                        continue
                    fact = facts.decode(record.value)
                    if isinstance(fact, Override) and fact.token == token:
                        return True, _heeded(fact)
        await asyncio.sleep(LOOK_S)
    return False, (
        f"Nobody has answered within {ANSWER_S:.0f} s: is `alatau dispatch` running? "
        "The word stands in the log and counts if it comes to be read in time."
    )


def _heeded(fact: Override) -> str:
    if fact.word == "withhold":
        return "Withheld. What had gone out is corrected with a Cancel."
    return "Released: it goes out." if fact.complete else "Noted. One more person must release it."
