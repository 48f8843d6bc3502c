"""`alatau sensors`: files checked, recorded readings judged, and readings brought to Kafka."""

import asyncio
import hashlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from made_readings import sensor
from test_readings_csv import HEAD
from test_sensors import GOOD
from typer.testing import CliRunner

from alatau import app
from ingest import observations
from ingest.senders import new_token
from ingest.sensors import load
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


BARE = GOOD[: GOOD.index("[[sensors.thresholds]]")]


def test_check_and_the_start_name_who_says_nothing(tmp_path):
    (tmp_path / "sensors.toml").write_text(BARE, encoding="utf-8")
    assert "KZ.ULKEN.1 has no thresholds" in sensors("check", tmp_path / "sensors.toml").output
    config = tmp_path / "alatau.toml"
    config.write_text("[detect.hazards]\nsensors = ['sensors.toml']\n", encoding="utf-8")
    said = RUN.invoke(app, ["config", "check", str(config)], env={"COLUMNS": "200"})
    assert said.exit_code == 0
    assert "KZ.ULKEN.1 has no thresholds" in said.output
    (tmp_path / "sensors.toml").write_text(GOOD, encoding="utf-8")
    assert "has no thresholds" not in sensors("check", tmp_path / "sensors.toml").output


def rows(years, step_h=6):
    """Years of calm water, with a flood of some height every other month."""
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(round(years * 365.25 * 24 / step_h)):
        days = number * step_h / 24
        height = 0.4 + 0.05 * (number % 3)
        if days % 61 < 1.0:
            height += 0.3 + 0.1 * (days // 61 % 11)
        at = begin + timedelta(days=days)
        yield f"KZ.ULKEN.1,{at:%Y-%m-%dT%H:%M:%SZ},{height:.3f}\n"


@pytest.mark.parametrize(("years", "is_short"), [(6.0, False), (0.2, True)])
def test_proposed_thresholds_go_into_the_sensor_file(tmp_path, years, is_short):
    (tmp_path / "sensors.toml").write_text(BARE, encoding="utf-8")
    (tmp_path / "a.csv").write_text(HEAD + "".join(rows(years)), encoding="utf-8")
    found = sensors("propose", tmp_path)
    assert found.exit_code == 0
    assert ("# A short record" in found.output) == is_short
    (tmp_path / "sensors.toml").write_text(BARE + found.output, encoding="utf-8")
    (known,) = load(tmp_path / "sensors.toml")
    levels = {t.level: t.value for t in known.thresholds if t.rule == "level"}
    assert set(levels) == {1, 2, 3}
    if not is_short:
        assert 1.2 < levels[2] < levels[3] < 2.2
    for threshold in known.thresholds:
        assert threshold.source.startswith("proposed by Alatau")
        assert f"record {tmp_path.name}, 2020-01-01 to 20" in threshold.source
    assert "all sensors have thresholds" in sensors("propose", tmp_path).output
    assert "[[sensors.thresholds]]" in sensors("propose", tmp_path, "--all").output


def test_of_a_record_that_says_nothing_nothing_is_proposed(tmp_path):
    bare = BARE.replace('"stage"', '"temperature"').replace('unit = "m"', 'unit = "degC"')
    (tmp_path / "sensors.toml").write_text(bare, encoding="utf-8")
    (tmp_path / "a.csv").write_text(HEAD + "".join(rows(0.1)), encoding="utf-8")
    assert "# Nothing can be proposed." in sensors("propose", tmp_path).output


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
