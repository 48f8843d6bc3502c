"""Commands about the ledger, deliveries and releases: what they print, and how they end."""

import asyncio
import json
import logging

import msgspec
import pytest
from lxml import html
from made_keys import certificate, certificate_pem, key, pem
from test_ledger import ledger_of, outputs
from test_report import TOLD
from typer.testing import CliRunner

import alatau
from commands import deliveries
from commands.wiring import NO_CHANNELS, Configuration, pipeline
from dispatch import facts, keeper, ledger, ledger_file, release
from stream import settings
from stream.errors import ConfigurationError
from stream.memory import MemoryLog
from stream.pipeline import beside
from stream.topics import EVENTS, HELD, LEDGER


def entered(told=TOLD):
    return ledger_of(outputs([facts.encode(fact) for fact in told]))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(ledger_file.lines(record.value for record in entered()))
    return path


def run(*arguments, exit_code=0):
    result = CliRunner().invoke(alatau.app, list(map(str, arguments)), env={"COLUMNS": "80"})
    assert result.exit_code == exit_code, result.output + result.stderr
    return result


def refused(*arguments):
    """What the program says when a configuration cannot be used: printed by `alatau.main`."""
    result = CliRunner().invoke(alatau.app, list(map(str, arguments)))
    assert isinstance(result.exception, ConfigurationError)
    return result.exception


def test_each_entry_is_told_in_a_line(file):
    lines = run("ledger", "show", file).stdout.splitlines()
    assert len(lines) == len(TOLD)
    assert "2024-01-22 18:09:21.5 delivery   hook: delivered ca.1_KZ_0" in lines[9]
    chosen = run("ledger", "show", file, "--event", "ca.1").stdout.splitlines()
    assert chosen == [line for line in lines if "sources" not in line and "started" not in line]


def test_an_event_that_is_not_there_is_told_with_who_was_watching(file):
    said = run("ledger", "show", file, "--event", "ca.2").stdout
    assert said.startswith("No entry. Sources: earthquake: 31 of 40 healthy at ")


def test_a_copy_is_the_ledger_to_the_byte(file, tmp_path):
    copied = run("ledger", "show", file, "--json").stdout_bytes
    assert copied == file.read_bytes()
    result = CliRunner().invoke(alatau.app, ["ledger", "show", str(file), "--json", "--event", "x"])
    assert result.exit_code == 2


def test_a_fact_with_line_ends_inside_survives_the_file(tmp_path):
    value = b'{\n"kind":"started",\n"at_us":1,"process":"x"}'
    records = ledger_of(outputs([value, facts.encode(TOLD[0])]))
    path = tmp_path / "l.jsonl"
    path.write_bytes(ledger_file.lines(record.value for record in records))
    again = ledger_file.read(path)
    assert [record.value for record in again] == [record.value for record in records]
    assert ledger.verify(again).fault is None


def test_verify(file):
    said = run("ledger", "verify", file).stdout.splitlines()
    newest = ledger.verify(entered()).hash
    assert said == ["The chain holds: 19 entries. Newest hash, to be noted:", newest]
    run("ledger", "verify", file, "--includes", newest)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-2]))
    run("ledger", "verify", file)
    cut = run("ledger", "verify", file, "--includes", newest, exit_code=1)
    assert "cut off" in cut.stderr
    file.write_bytes(b"".join([*lines[:4], *lines[5:]]))
    assert "broken at entry 4" in run("ledger", "verify", file, exit_code=1).stderr
    assert len(run("ledger", "show", file, exit_code=1).stdout.splitlines()) == 4
    assert "BROKEN at entry 4" in run("ledger", "report", file, exit_code=1).stdout
    file.write_bytes(b"")
    assert run("ledger", "verify", file).stdout == "The ledger is empty.\n"


def test_a_file_that_is_not_there(tmp_path):
    assert refused("ledger", "verify", tmp_path / "none").file == tmp_path / "none"


def test_the_report_on_the_screen_as_page_and_as_json(file, tmp_path):
    page, made = tmp_path / "r" / "report.html", tmp_path / "report.json"
    said = run("ledger", "report", file, "--html", page, "--json", made).stdout
    lines = said.splitlines()
    assert max(map(len, [line for line in lines if str(tmp_path) not in line])) <= 80
    for wanted in (
        "Sources: earthquake: 31 of 40 healthy at 2024-01-22T18:09:09Z",
        "  Alert ca.1_KZ_0 to KZ, Actual, sent 2024-01-22T18:09:19Z",
        "once or more",
        ".0 UZ / public not told: intensity 2.1 < 4.0",
        "anna (duty officer): sirens at night",
        "G-2 earthquake: 0.0111 share of time",
        "G-3 countries with a proven channel: KZ",
    ):
        assert wanted in said
    (hook,) = [line.split() for line in lines if line.startswith("    hook")]
    assert hook == ["hook", "acknowledged", "once", "2", "2.5", "60.0", "37.5", "mchs@kz"]
    document = json.loads(made.read_bytes())
    figures = document["sendai"]["figures"]
    assert [figure["indicator"] for figure in figures] == ["G-2", "G-3"]
    assert all(figure["proxy"].startswith("proxy for ") for figure in figures)
    assert figures[1]["denominator"] == 72_499_444
    text = " ".join(html.fromstring(page.read_bytes()).text_content().split())
    assert "Newest hash: " + document["situation"]["hash"] in text
    assert "proxy for people covered by early warning" in text


def test_the_report_of_nothing_says_who_was_watching(tmp_path):
    path = tmp_path / "l.jsonl"
    path.write_bytes(ledger_file.lines(r.value for r in entered(TOLD[:2])))
    said = run("ledger", "report", path).stdout
    watching, nothing = said.index("Sources: earthquake: 31 of 40"), said.index("No message")
    assert watching < nothing


def test_the_ledger_in_memory_is_written_as_it_grows(tmp_path):
    async def scene():
        log = MemoryLog()
        path = tmp_path / "ledger" / "a.jsonl"
        written = ledger_file.LedgerFile(path)

        async def main():
            for record in outputs([facts.encode(fact) for fact in TOLD[:3]]):
                await log.append([record])
                await asyncio.sleep(0.01)

        parts = [lambda end: keeper.keep(log, end), lambda end: written.follow(log, end)]
        await beside(main(), parts)
        return path, [r.value for r in await log.read(LEDGER.name, 0, 0, 99)]

    path, values = asyncio.run(scene())
    assert len(values) == 3
    assert path.read_bytes() == ledger_file.lines(values)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        ledger_file.LedgerFile(path)


def test_parts_end_in_order_and_what_one_raises_ends_all():
    ended = []

    async def part(name, end):
        await end.wait()
        ended.append(name)

    async def main(seconds):
        await asyncio.sleep(seconds)
        ended.append("main")

    async def broken(end):
        raise ConfigurationError("no port", remedy="Give another.")

    async def scene(*parts, seconds=0.01):
        await asyncio.wait_for(beside(main(seconds), parts), 5)

    asyncio.run(scene(lambda end: part("a", end), lambda end: part("b", end)))
    assert ended == ["main", "a", "b"]
    ended.clear()
    with pytest.raises(ConfigurationError):
        asyncio.run(scene(lambda end: part("a", end), broken, seconds=60))
    assert ended == []


def test_a_ledger_that_cannot_be_gone_on_with_stops_no_warning(caplog):
    made = [o for r in entered() for o in outputs([r.value])]

    async def scene():
        log, stop = MemoryLog(), asyncio.Event()
        await log.append([msgspec.structs.replace(o, topic=LEDGER.name) for o in made])
        await asyncio.wait_for(keeper.keep(log, stop), 5)

    with caplog.at_level(logging.ERROR, "alatau.dispatch"):
        asyncio.run(scene())
    assert "The ledger is not kept any more, warnings go on" in caplog.text


def configured(tmp_path, text):
    path = tmp_path / "alatau.toml"
    path.write_text(text)
    return path


def test_the_key_that_messages_are_signed_with_is_read_at_the_start(tmp_path):
    path = configured(
        tmp_path,
        "[delivery.signature]\nkey_file = 'key.pem'\ncertificate_file = 'cert.pem'\n",
    )
    wanted = settings.load(path, Configuration)
    with pytest.raises(ConfigurationError) as caught:
        pipeline(wanted, NO_CHANNELS, path)
    assert (caught.value.file, bool(caught.value.remedy)) == (tmp_path / "key.pem", True)
    (tmp_path / "key.pem").write_bytes(pem(key("ec")))
    (tmp_path / "cert.pem").write_bytes(certificate_pem(certificate("rsa")))
    with pytest.raises(ConfigurationError, match="not that of the key"):
        pipeline(wanted, NO_CHANNELS, path)
    (tmp_path / "cert.pem").write_bytes(certificate_pem(certificate("ec")))
    stages = pipeline(wanted, NO_CHANNELS, path)
    assert {stage.reads for stage in stages} >= {EVENTS, HELD}
    assert [stage.name for stage in stages][:1] == ["detect"]


def test_a_policy_that_wants_two_people_must_have_them(tmp_path):
    path = configured(tmp_path, "[dispatch.audiences.public]\nrelease = 'two people'\n")
    with pytest.raises(ConfigurationError, match="fewer are named"):
        pipeline(settings.load(path, Configuration), NO_CHANNELS, path)


def test_deliver_without_anybody_to_deliver_to(tmp_path):
    error = refused("deliver", "--kafka", "127.0.0.1:1")
    assert "nobody to deliver to" in str(error)
    path = configured(
        tmp_path, "[delivery.channels.webhooks.a]\nurl='http://x/'\nsecret_file='none'\n"
    )
    assert refused("deliver", "--config", path).file == tmp_path / "none"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Nobody is delivered to"),
        ("[delivery.server]\nport = 8080", "Delivering to http://127.0.0.1:8080."),
        (
            "[dispatch]\nstatus='Actual'\nsender='a@b.kz'\nweb='https://b.kz'\ncontact='b'\n"
            "[delivery.server]\nport = 8080",
            "No channel takes messages of status Actual, which ours are",
        ),
        (
            "[delivery.channels.mqtt.siren]\nhost='x'\nstatuses=['Actual']",
            "No channel takes messages of status Test",
        ),
    ],
)
def test_at_the_start_it_is_said_who_is_delivered_to(tmp_path, text, says):
    said = deliveries.ways(settings.load(configured(tmp_path, text), Configuration))
    assert says in " ".join(said.split())
    assert ("No channel takes" in said) == ("No channel takes" in says)


def test_a_key_for_a_person(tmp_path):
    path = tmp_path / "anna.pem"
    said = run("release", "key", path, "--name", "anna", "--role", 'duty "officer"').stdout
    block = configured(tmp_path, said[said.index("[delivery.release") :])
    person = settings.load(block, Configuration).delivery.release.people["anna"]
    assert person.role == 'duty "officer"'
    assert person.public_key == release.public_key(release.load_key(path))
    assert path.stat().st_mode & 0o077 == 0
    again = run("release", "key", path, "--name", "anna", "--role", "x", exit_code=1)
    assert "File exists" in again.stderr


def test_a_word_under_the_name_of_another_is_refused_before_it_is_said(tmp_path):
    for name in ("anna", "bolt"):
        run("release", "key", tmp_path / f"{name}.pem", "--name", name, "--role", "x")
    anna = release.public_key(release.load_key(tmp_path / "anna.pem"))
    path = configured(
        tmp_path, f"[delivery.release.people.anna]\nrole = 'x'\npublic_key = '{anna}'\n"
    )
    words = ["--reason", "r", "--config", path, "--kafka", "127.0.0.1:1"]
    for person, own in (("anna", "bolt"), ("bolt", "bolt")):
        error = refused(
            *("release", "release", "x_KZ", "--person", person),
            *("--key", tmp_path / f"{own}.pem", *words),
        )
        assert f"{person} is not named there" in str(error)
        assert error.file == path
