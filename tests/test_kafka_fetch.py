"""Kafka is fetched once, and half of it never counts; Maven is played by a script."""

import pytest

from tests.kafka import fetch

MAVEN = """#!/bin/sh
for argument; do
  case $argument in -DoutputDirectory=*) folder=${argument#*=};; esac
done
/bin/mkdir -p "$folder"
echo >> "%(calls)s"
echo one > "$folder/one.jar"
%(then)s
"""


APT_GET = """#!/bin/sh
echo "$@" >> "%(calls)s"
case "$*" in *maven*) /bin/mv "%(parts)s/java" "%(parts)s/mvn" "%(tools)s";; esac
"""
JAVA = """#!/bin/sh
echo 'openjdk version "%s" 2026-01-20' >&2
"""


@pytest.fixture
def maven(tmp_path, monkeypatch):
    calls = tmp_path / "calls"
    calls.touch()
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("ALATAU_KAFKA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "java", lambda: "java")

    def play(then: str):
        script = tools / "mvn"
        script.write_text(MAVEN % {"calls": calls, "then": then})
        script.chmod(0o755)
        return lambda: len(calls.read_text().splitlines())

    return play


def test_what_was_fetched_is_not_fetched_again(maven):
    calls = maven('echo two > "$folder/two.jar"')
    folder = fetch.jars()
    assert {path.name for path in folder.iterdir()} == {"one.jar", "two.jar"}
    assert fetch.jars() == folder
    assert calls() == 1


def test_half_of_it_does_not_count(maven, tmp_path):
    maven("echo no network; exit 1")
    with pytest.raises(fetch.Missing, match="no network"):
        fetch.jars()
    assert list((tmp_path / "cache").iterdir()) == []
    calls = maven('echo two > "$folder/two.jar"')
    assert len(list(fetch.jars().iterdir())) == 2
    assert calls() == 2


def test_another_pom_is_fetched_anew(maven, tmp_path, monkeypatch):
    calls = maven("")
    before = fetch.jars()
    pom = tmp_path / "pom.xml"
    pom.write_text(fetch.POM.read_text().replace(fetch.version(), "4.999.0"))
    monkeypatch.setattr(fetch, "POM", pom)
    assert fetch.version() == "4.999.0"
    assert fetch.jars() != before
    assert calls() == 2


def test_two_that_fetch_at_once_do_not_disturb_each_other(maven, monkeypatch):
    other = 'whole=$(/usr/bin/dirname "$(/usr/bin/dirname "$folder")")/$NAME\n'
    monkeypatch.setenv("NAME", fetch.jars_name())
    maven(other + '/bin/mkdir "$whole"; echo the other > "$whole/one.jar"')
    assert (fetch.jars() / "one.jar").read_text() == "the other\n"


def test_without_maven_it_says_what_to_install(maven):
    with pytest.raises(fetch.Missing, match="apt-get install maven"):
        fetch.jars()


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize(("user", "said"), [(0, "Kafka 4"), (1000, "apt-get install default-jre")])
def test_root_installs_what_is_missing_and_nobody_else(user, said, tmp_path, monkeypatch, capsys):
    parts, tools = tmp_path / "parts", tmp_path / "tools"
    parts.mkdir()
    tools.mkdir()
    calls = tmp_path / "calls"
    executable(parts / "java", JAVA % "21.0.2")
    executable(parts / "mvn", MAVEN % {"calls": "/dev/null", "then": ""})
    executable(tools / "apt-get", APT_GET % {"calls": calls, "parts": parts, "tools": tools})
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("ALATAU_KAFKA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.geteuid", lambda: user)
    assert fetch.main() == (0 if user == 0 else 1)
    assert said in "".join(capsys.readouterr())
    installed = calls.read_text() if calls.exists() else ""
    assert ("install" in installed) == (user == 0)
    assert fetch.main() == (0 if user == 0 else 1)
    assert (calls.read_text() if calls.exists() else "") == installed, "installed twice"


def test_a_java_that_is_too_old_is_refused(tmp_path, monkeypatch):
    executable(tmp_path / "java", JAVA % "11.0.20")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(fetch.Missing, match=r"Java 17 or newer.*\n.*11\.0\.20"):
        fetch.java()
