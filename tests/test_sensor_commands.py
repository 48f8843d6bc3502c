"""`alatau sensors`: files checked, recorded readings judged, and readings brought to Kafka."""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from made_readings import sensor
from test_readings_csv import HEAD
from test_sensors import GOOD
from typer.testing import CliRunner

from alatau import app
from ingest import observations
from ingest.senders import new_token
from stream.errors import ConfigurationError
from stream.kafka import KafkaLog
from stream.kafka_settings import KafkaSettings
from stream.layout import layouts

RUN = CliRunner()


def sensors(*words):
    return RUN.invoke(app, ["sensors", *map(str, words)], env={"COLUMNS": "200"})


def test_check_says_what_each_sensor_is(tmp_path):
    file = tmp_path / "sensors.toml"
    file.write_text(GOOD, encoding="utf-8")
    found = sensors("check", file)
    assert found.exit_code == 0
    assert "1: level 2, 3: level 3 (no source: an example)" in found.output
    assert "1 sensors can be used" in found.output


def test_check_stops_at_what_is_wrong(tmp_path):
    file = tmp_path / "sensors.toml"
    file.write_text(GOOD.replace('unit = "m"', 'unit = "s"'), encoding="utf-8")
    found = sensors("check", file)
    assert isinstance(found.exception, ConfigurationError)
    assert found.exception.line == 4


def test_check_reads_the_senders_too(tmp_path):
    file, senders = tmp_path / "sensors.toml", tmp_path / "senders.toml"
    file.write_text(GOOD, encoding="utf-8")
    _, digest = new_token()
    senders.write_text(
        f'[[senders]]\nname = "x"\ntoken_sha256 = "{digest}"\nsensors = ["KG.*"]\n', "utf-8"
    )
    assert sensors("check", file, "--senders", senders).exception.line == 4


def test_a_token_and_its_digest_go_together():
    words = sensors("token").output.split()
    assert len(words) == 4
    assert hashlib.sha256(words[1].encode()).hexdigest() == words[3]


def test_judge_counts_what_is_wrong(tmp_path):
    (tmp_path / "sensors.toml").write_text(GOOD, encoding="utf-8")
    rows = ["00:00:00Z,1.5", "00:10:00Z,99", "00:10:00Z,98", "00:20:00Z,1.6", "00:30:00Z,x"]
    text = HEAD + "".join(f"KZ.ULKEN.1,2026-07-01T{row}\n" for row in rows)
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    found = sensors("judge", tmp_path)
    assert "range 1, conflict 1, gap 1" in found.output
    assert "1 rows; the first: a.csv line 6: 'x' is not a number" in found.output


@pytest.mark.parametrize(
    ("config", "says"),
    [("", "there are no sensors"), ('sensors = ["sensors.toml"]', "nothing that readings come")],
)
def test_ingest_says_what_is_not_configured(tmp_path, config, says):
    (tmp_path / "sensors.toml").write_text(GOOD, encoding="utf-8")
    file = tmp_path / "alatau.toml"
    file.write_text(f"[detect.hazards]\n{config}\n", encoding="utf-8")
    found = sensors("ingest", "--config", file, "--kafka", "127.0.0.1:1")
    assert isinstance(found.exception, ConfigurationError)
    assert says in found.exception.problem


def test_pushed_readings_come_to_kafka(kafka_bootstrap, topic_prefix, tmp_path):
    made = sensor()
    token, digest = new_token()
    (tmp_path / "sensors.toml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "senders.toml").write_text(
        f'[[senders]]\nname = "x"\ntoken_sha256 = "{digest}"\nsensors = ["{made.id}"]\n', "utf-8"
    )
    port = 18_765
    (tmp_path / "alatau.toml").write_text(
        f'[stream.kafka]\nbootstrap = "{kafka_bootstrap}"\nprefix = "{topic_prefix}"\n'
        "replication = 1\nin_sync = 1\n"
        '[detect.hazards]\nsensors = ["sensors.toml"]\n'
        f'[ingest.http]\nport = {port}\nsenders_file = "senders.toml"\n',
        encoding="utf-8",
    )
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, prefix=topic_prefix, replication=1, in_sync=1)
    asyncio.run(make_topics(kafka))
    command = [Path(sys.executable).parent / "alatau", "sensors", "ingest", "--config"]
    process = subprocess.Popen([*command, tmp_path / "alatau.toml"])
    try:
        body = {"sensor": made.id, "time": "2026-07-01T00:00:00Z", "value": 1.5, "unit": "m"}
        assert json.loads(post(port, token, body))["taken"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    (record,) = asyncio.run(stored(kafka))
    assert record.key == made.id.encode()
    assert observations.decode(record.value).value == 1.5
    assert abs(record.timestamp / 1000 - time.time()) < 60


def post(port, token, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/observations",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}"},
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
                return response.read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


async def make_topics(kafka):
    async with KafkaLog.opened(kafka, Path()) as log:
        await log.create(layouts(kafka, {}, []))


async def stored(kafka):
    async with KafkaLog.opened(kafka, Path()) as log:
        return await log.read("observations", 0, 0, 10)
