"""The container files, as far as they can be checked without an engine."""

import re
import socket
import subprocess
import sys
import tomllib
from itertools import takewhile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stream.metrics import Metrics

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE = ROOT / "docker" / "compose.yaml"
STAGES = ("ingest", "detect", "locate", "hazards", "dispatch")
SCHEMA = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec"]


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name(name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def compose() -> dict:
    return YAML(typ="safe").load(COMPOSE)


def test_the_dockerfile_passes_the_linter():
    result = tool("hadolint", DOCKERFILE)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_linter_can_refuse(tmp_path):
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nRUN cd /tmp\n")
    assert tool("hadolint", bad).returncode != 0


def test_compose_fits_the_schema():
    result = tool(*SCHEMA, COMPOSE)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_schema_can_refuse(tmp_path):
    bad = tmp_path / "compose.yaml"
    bad.write_text(COMPOSE.read_text(encoding="utf-8").replace("restart:", "restrat:"))
    assert tool(*SCHEMA, bad).returncode != 0


def test_services_that_stay_up_restart_and_are_watched(compose):
    lasting = {n: s for n, s in compose["services"].items() if n not in ("demo", "topics")}
    assert set(lasting) == {"live", "kafka", *STAGES}
    for name, service in lasting.items():
        assert service["restart"] == "unless-stopped", name
        assert {"test", "interval", "timeout", "retries"} <= set(service["healthcheck"]), name


def test_the_stages_start_when_the_topics_are_made_and_never_beside_the_memory_way(compose):
    services = compose["services"]
    for name in STAGES:
        assert services[name]["command"][0] == name
        assert services[name]["depends_on"] == {
            "topics": {"condition": "service_completed_successfully"}
        }
        assert "profiles" not in services[name]
    assert services["topics"]["restart"] == "no"
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert services["live"]["profiles"] == ["memory"]


def test_the_health_of_a_stage_is_asked_where_it_serves_its_metrics(compose):
    served = Metrics()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in STAGES:
        command = compose["services"][name]["command"]
        stage_port = command[command.index("--metrics-port") + 1]
        kind, program, option, code = compose["services"][name]["healthcheck"]["test"]
        assert (kind, program, option) == ("CMD", "python", "-c")
        assert f"127.0.0.1:{stage_port}/" in code
    check = [sys.executable, "-c", code.replace(f":{stage_port}/", f":{port}/")]
    assert subprocess.run(check, capture_output=True, timeout=60).returncode != 0
    served.serve(port)
    assert subprocess.run(check, capture_output=True, timeout=60).returncode == 0


def test_ports_are_open_to_this_machine_only(compose):
    for service in compose["services"].values():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")


def test_named_volumes_are_declared(compose):
    mounts = [m for s in compose["services"].values() for m in s.get("volumes", ())]
    named = {m.split(":")[0] for m in mounts if isinstance(m, str) and re.match(r"\w+:", m)}
    assert named == set(compose["volumes"])


def test_the_image_runs_without_root():
    users = re.findall(r"^USER (.+)$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert users
    assert users[-1] not in ("root", "0")


def test_the_build_sees_every_package_and_what_it_copies():
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    setup = project["tool"]["setuptools"]
    packages = {name.split(".")[0] for name in setup["packages"]}
    modules = {f"{name}.py" for name in setup["py-modules"]}
    files = {"pyproject.toml", "constraints.txt", *project["project"]["license-files"]}
    copied = re.findall(r"^COPY (?!--from)(\S+) /", DOCKERFILE.read_text(), re.MULTILINE)
    assert packages | modules | files | {project["project"]["readme"]} | set(copied) <= allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_the_folder_is_no_package():
    assert not (ROOT / "docker" / "__init__.py").exists()


@pytest.mark.install
def test_every_command_of_the_containers_exists(compose):
    commands = [s["command"] for s in compose["services"].values() if "command" in s]
    checks = [s["healthcheck"]["test"] for s in compose["services"].values() if "healthcheck" in s]
    commands += [check[2:] for check in checks if check[:2] == ["CMD", "alatau"]]
    assert len(commands) == 9
    for command in commands:
        words = list(takewhile(lambda word: not word.startswith(("/", "-")), command))
        result = tool("alatau", *words, "--help")
        assert result.returncode == 0, result.stderr
        for option in (w for w in command if w.startswith("-")):
            assert option in result.stdout
