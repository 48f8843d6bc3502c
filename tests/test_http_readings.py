"""Readings pushed by HTTP: tokens, limits, answers, and the document that describes them."""

import asyncio
import ssl

import aiohttp
import msgspec
import pytest
from made_keys import certificate, certificate_pem, key, pem
from openapi_spec_validator import OpenAPIV31SpecValidator
from test_reading_intake import GOOD, SENSORS, BrokenLog, Clock

from ingest.reading_intake import take_in_readings
from ingest.senders import Allowance, load_senders, new_token
from ingest.settings import HttpSettings
from ingest.sources.http import Answer, http_source
from stream.errors import ConfigurationError
from stream.memory import MemoryLog

TOKEN, DIGEST = new_token()
OTHER, OTHER_DIGEST = new_token()
SENDERS = f"""\
[[senders]]
name = "hydromet"
token_sha256 = "{DIGEST}"
sensors = ["A"]

[[senders]]
name = "dam"
token_sha256 = "{OTHER_DIGEST}"
sensors = ["B*"]
"""


def source(tmp_path, **changes):
    file = tmp_path / "senders.toml"
    file.write_text(SENDERS, encoding="utf-8")
    (tmp_path / "alatau.toml").touch()
    settings = HttpSettings(**{"port": 1, "senders_file": file.name, **changes})
    made = http_source(settings, tmp_path / "alatau.toml", SENSORS)
    made._settings = msgspec.structs.replace(settings, port=0)
    return made


def push(made, ask, log=None, scheme="http", trust=None):
    """Run the server, and `ask` with a session at its address."""

    async def go():
        stop = asyncio.Event()
        port = made.port
        taking = asyncio.create_task(take_in_readings([made], log or MemoryLog(), stop, Clock()))
        async with asyncio.timeout(20):
            while made.port == port and not taking.done():
                await asyncio.sleep(0.01)
            if taking.done():
                await taking
            connector = aiohttp.TCPConnector(ssl=trust if trust is not None else True)
            async with aiohttp.ClientSession(
                f"{scheme}://127.0.0.1:{made.port}", connector=connector
            ) as session:
                found = await ask(session)
            stop.set()
            await asyncio.gather(taking, return_exceptions=log is not None)
            return found

    return asyncio.run(go())


async def post(session, body, token=TOKEN, **more):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.post("/observations", json=body, headers=headers, **more) as response:
        answer = msgspec.json.decode(await response.read(), type=Answer)
        return response.status, answer, response.headers


def test_readings_are_taken_and_stand_in_the_log_when_answered(tmp_path):
    log = MemoryLog()

    async def ask(session):
        status, answer, _ = await post(session, [GOOD, {**GOOD, "unit": "s"}])
        return status, answer, await log.read("observations", 0, 0, 10)

    status, answer, stored = push(source(tmp_path), ask, log)
    assert status == 202
    assert answer.taken == 1
    assert [(part.index, part.reason) for part in answer.refused] == [(1, "unit")]
    assert [record.key for record in stored] == [b"A"]


@pytest.mark.parametrize(
    ("body", "token", "status", "reason"),
    [
        (GOOD, "", 401, "unknown sender"),
        (GOOD, "guessed", 401, "unknown sender"),
        (GOOD, OTHER, 403, "foreign sensor"),
        ({**GOOD, "sensor": "C"}, TOKEN, 403, "foreign sensor"),
        ({**GOOD, "unit": "s"}, TOKEN, 400, "unit"),
        ("rubbish", TOKEN, 400, "not a reading"),
        ([GOOD] * 2000, TOKEN, 413, "too large"),
    ],
)
def test_what_is_not_taken_is_answered_with_the_reason(tmp_path, body, token, status, reason):
    made = source(tmp_path)
    found, answer, headers = push(made, lambda session: post(session, body, token))
    assert (found, answer.taken, answer.refused[0].reason) == (status, 0, reason)
    assert ("WWW-Authenticate" in headers) == (status == 401)
    assert made.counts.strangers == (status == 401)
    assert made.counts.too_large == (status == 413)
    assert made.counts.refused == (status in (400, 403))


def test_who_is_not_known_leaves_nothing_in_the_log(tmp_path):
    log = MemoryLog()

    async def ask(session):
        await post(session, GOOD, "guessed")
        return await log.end("rejects", 0)

    assert push(source(tmp_path), ask, log) == 0


def test_each_sender_has_a_rate_of_its_own(tmp_path):
    made = source(tmp_path, per_minute=3.0)
    now_s = [100.0]
    made._clock_s = lambda: now_s[0]

    async def ask(session):
        found = [(await post(session, [GOOD] * 3))[0], (await post(session, GOOD))[0]]
        headers = (await post(session, GOOD))[2]
        found.append((await post(session, {**GOOD, "sensor": "B"}, OTHER))[0])
        now_s[0] += float(headers["Retry-After"])
        found.append((await post(session, GOOD))[0])
        return found

    assert push(made, ask) == [202, 429, 202, 202]
    assert made.counts.too_many == 2


def test_a_list_longer_than_the_rate_is_taken_and_owed():
    now_s = [0.0]
    allowance = Allowance(60.0, lambda: now_s[0])
    assert allowance.wait_s(90) == 0
    assert allowance.wait_s(1) == pytest.approx(31.0)
    now_s[0] = 31.0
    assert allowance.wait_s(1) == 0
    now_s[0] = 1000.0
    assert [allowance.wait_s(60), allowance.wait_s(1)] == [0, pytest.approx(1.0)]


def test_a_request_that_never_ends_is_cut_off(tmp_path):
    made = source(tmp_path, body_s=0.1)

    async def drip():
        yield b"["
        await asyncio.sleep(5)
        yield b"]"

    async def ask(session):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with session.post("/observations", data=drip(), headers=headers) as response:
            return response.status

    assert push(made, ask) == 408
    assert made.counts.too_slow == 1


def test_when_the_log_fails_the_sender_is_told_to_come_again(tmp_path):
    made = source(tmp_path)
    found, answer, headers = push(made, lambda session: post(session, GOOD), BrokenLog())
    assert (found, answer.taken, headers["Retry-After"]) == (503, 0, "5")
    assert made.counts.unsettled == 1


def test_by_https(tmp_path):
    (tmp_path / "cert.pem").write_bytes(certificate_pem(certificate("ec")))
    (tmp_path / "key.pem").write_bytes(pem(key("ec")))
    trust = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    trust.check_hostname = False
    made = source(tmp_path, cert_file="cert.pem", key_file="key.pem")
    assert push(made, lambda s: post(s, GOOD), scheme="https", trust=trust)[0] == 202


def test_the_document_is_openapi_and_says_what_is_answered(tmp_path):
    async def ask(session):
        async with session.get("/openapi.json") as response:
            document = msgspec.json.decode(await response.read())
        async with session.get("/") as response:
            return document, await response.text()

    document, page = push(source(tmp_path), ask)
    OpenAPIV31SpecValidator(document).validate()
    post_ = document["paths"]["/observations"]["post"]
    assert set(post_["responses"]) == {"202", "400", "401", "403", "408", "413", "429", "503"}
    sent = document["components"]["schemas"]["SentReading"]
    assert sent["required"] == ["sensor", "time", "value", "unit"]
    assert sent["additionalProperties"] is False
    assert "openapi.json" in page


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ('"dam"', '"hydromet"', 7, "another has it too"),
        (OTHER_DIGEST, DIGEST, 8, "another has it too"),
        ('"B*"', '"C*"', 9, "is no sensor"),
        (DIGEST, "secret", 3, "token_sha256"),
        ('sensors = ["A"]', "sensors = []", 4, "length"),
    ],
)
def test_a_wrong_file_of_senders_is_told(tmp_path, old, new, line, says):
    file = tmp_path / "senders.toml"
    file.write_text(SENDERS.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=says) as caught:
        load_senders(file, SENSORS.values())
    assert caught.value.line == line


def test_a_port_that_is_taken_is_told(tmp_path):
    async def ask(session):
        second = source(tmp_path)
        second._settings = msgspec.structs.replace(second._settings, port=session._base_url.port)
        with pytest.raises(ConfigurationError, match="nothing can be served"):
            await take_in_readings([second], MemoryLog(), asyncio.Event(), Clock())

    push(source(tmp_path), ask)


def test_a_certificate_that_cannot_be_used_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="certificate or its key"):
        source(tmp_path, cert_file="nowhere.pem", key_file="nowhere.pem")


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="senders_file"):
        HttpSettings(port=80)
    with pytest.raises(ValueError, match="belong together"):
        HttpSettings(cert_file="a.pem")
