"""The wheel holds all that is needed: it runs in a fresh environment, far from the sources."""

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EVENT = ROOT / "benchmarks" / "events" / "ridgecrest-2019-near"
pytestmark = pytest.mark.install


def run(command: list[str | Path], folder: Path, seconds: float) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NUMBA"))}
    environment["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    environment["COLUMNS"] = "120"
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    # By way of the source archive: what an old build left in the tree cannot slip in.
    run([sys.executable, "-m", "build", "--outdir", folder, ROOT], ROOT, 300)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the commands in a fresh environment."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    run([folder / "bin" / "pip", "install", "--quiet", wheel], folder, 600)
    return folder / "bin"


def test_the_wheel_holds_every_file_of_every_room(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "setuptools"
    ]
    rooms = [ROOT / room for room in setup["packages"] if "." not in room]
    wanted = {
        str(path.relative_to(ROOT))
        for room in rooms
        for path in room.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted | {"alatau.py"} <= held
    assert not {name.split("/")[0] for name in held} & {"tests", "benchmarks", "docker"}
    assert any(name.endswith("/licenses/LICENSE") for name in held)


def test_the_command_starts(installed, tmp_path):
    for command in ("replay", "score", "run", "config"):
        assert command in run([installed / "alatau", "--help"], tmp_path, 60)


def test_the_reference_configuration_passes_its_own_check(installed, tmp_path):
    text = run([installed / "alatau", "config", "show"], tmp_path, 60)
    (tmp_path / "alatau.toml").write_text(text, encoding="utf-8")
    run([installed / "alatau", "config", "check", "alatau.toml"], tmp_path, 60)


def test_a_replay_runs_away_from_the_sources(installed, tmp_path):
    run([installed / "alatau", "replay", EVENT, "--out", "out"], tmp_path, 300)
    assert list((tmp_path / "out").rglob("*.png"))
    assert list((tmp_path / "out").rglob("*.json"))
