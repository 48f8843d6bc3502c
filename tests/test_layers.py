"""Imports run one way, and each heavy library stays in its room."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINT = Path(sys.executable).with_name("lint-imports")
ROOMS = ["commands", "replay", "dispatch", "detect", "ingest", "stream"]

MAY_IMPORT = {
    "aiokafka": ["stream/kafka.py"],
    "obspy": [
        "ingest/channels.py",
        "ingest/sources/*.py",
        "detect/traveltimes.py",
        "replay/*.py",
    ],
}


def lint(folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    # The command puts the working folder first on its path, so the folder's own rooms are read.
    command = [LINT, "--config", config, "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_imports_run_downward():
    result = lint(ROOT, ROOT / "pyproject.toml")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("low", "high"), [(low, high) for high, low in pairwise(["alatau", *ROOMS])]
)
def test_an_import_upward_is_found(tmp_path, low, high):
    (tmp_path / "alatau.py").touch()
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").touch()
    config = tmp_path / "pyproject.toml"
    config.write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    assert lint(tmp_path, config).returncode == 0
    (tmp_path / low / "settings.py").write_text(f"def f():\n    import {high}\n")
    result = lint(tmp_path, config)
    assert result.returncode != 0
    assert f"{low}.settings -> {high}" in result.stdout


def imported(source: str) -> Iterator[str]:
    """Top-level names of what a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def modules() -> Iterable[Path]:
    paths = [ROOT / "alatau.py", *(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))]
    return [path.relative_to(ROOT) for path in paths]


def strays(library: str, sources: dict[Path, str]) -> list[str]:
    """Modules that import a library and may not."""
    allowed = MAY_IMPORT[library]
    return [
        str(path)
        for path, source in sources.items()
        if library in imported(source) and not any(path.match(pattern) for pattern in allowed)
    ]


@pytest.mark.parametrize("library", MAY_IMPORT)
def test_a_library_stays_in_its_room(library):
    sources = {path: (ROOT / path).read_text(encoding="utf-8") for path in modules()}
    assert len(sources) > len(ROOMS)
    assert strays(library, sources) == []


@pytest.mark.parametrize(
    "source",
    [
        "import obspy.taup as t",
        "from obspy import read",
        "def f():\n    from obspy.core import Stream",
        "if True:\n    import os, obspy",
    ],
)
def test_a_stray_import_is_found(source):
    assert strays("obspy", {Path("detect/kernels.py"): source}) == ["detect/kernels.py"]
    assert strays("obspy", {Path("ingest/sources/archive.py"): source}) == []


def test_travel_times_load_obspy_only_to_build_a_table():
    source = (ROOT / "detect" / "traveltimes.py").read_text(encoding="utf-8")
    at_import = ast.Module(
        [n for n in ast.parse(source).body if not isinstance(n, ast.FunctionDef | ast.ClassDef)], []
    )
    assert "obspy" not in imported(ast.unparse(at_import))


def test_the_kernels_import_numba_numpy_and_math_only():
    source = (ROOT / "detect" / "kernels.py").read_text(encoding="utf-8")
    assert set(imported(source)) <= {"numba", "numpy", "math"}
    assert "numba" in imported(source)


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "replay"])
def test_the_hot_path_does_not_load_obspy(room):
    """What stands under a live pipeline; obspy alone costs seconds at start."""
    names = [
        ".".join(path.with_suffix("").parts)
        for path in modules()
        if path.parts[0] == room
        and path.name not in ("__init__.py", "channels.py")
        and "sources" not in path.parts
    ]
    code = f"import sys, {', '.join(names)}; sys.exit('obspy' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, f"obspy is loaded by one of {names}\n{result.stderr}"
