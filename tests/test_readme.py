"""The README's commands, run as they stand there."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lxml import etree

ROOT = Path(__file__).resolve().parents[1]
HANGS_S = 600
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}alert"


def commands(text: str) -> list[str]:
    """Lines of the shell blocks, without prompts, comments and continued line ends."""
    blocks = re.findall(r"^```(?:sh|shell|bash|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    words = (line.removeprefix("$ ").split(" #")[0].strip() for line in lines)
    return [line for line in words if line and not line.startswith("#")]


README = commands((ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_blocks_are_read():
    text = "a\n```sh\n$ make demo  # 1 min\n# no\nalatau replay \\\n  x\n```\n```json\n{}\n```\n"
    assert commands(text) == ["make demo", "alatau replay    x"]


def test_the_two_commands_are_there():
    assert "make demo" in README
    assert "make test" in README


def test_every_make_command_is_a_target():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"install", "demo", "check", "test"} <= set(targets)
    for line in README:
        if line.startswith("make "):
            assert set(line.split()[1:]) <= set(targets), line


def test_ci_runs_what_the_readme_says():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.rstrip().endswith("\nmake test")
    assert "set -euo pipefail" in script
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.mark.install
@pytest.mark.parametrize("line", [c for c in README if re.match(r"(\S*/)?alatau ", c)])
def test_every_alatau_command_and_option_exists(line):
    words = line.split()[1:]
    depth = 2 if words[0] == "config" else 1
    command = [Path(sys.executable).with_name("alatau"), *words[:depth], "--help"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    for option in (word.split("=")[0] for word in words if word.startswith("--")):
        assert option in result.stdout


@pytest.mark.install
def test_make_demo_gives_what_it_promises():
    began = time.time()
    result = subprocess.run(
        ["make", "demo"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    made = [p for p in (ROOT / "out").rglob("*") if p.is_file() and p.stat().st_mtime >= began - 1]
    roots = {p: etree.parse(p).getroot().tag for p in made if p.suffix in (".xml", ".quakeml")}
    assert CAP in roots.values()
    assert any(tag.endswith("quakeml") for tag in roots.values())
    reports = [json.loads(p.read_text(encoding="utf-8")) for p in made if p.suffix == ".json"]
    assert any(reports)
    pictures = [p for p in made if p.suffix == ".png"]
    assert pictures
    assert all(p.stat().st_size > 20_000 for p in pictures)
