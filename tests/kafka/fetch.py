"""Apache Kafka for the tests, fetched once: ``python -m tests.kafka.fetch``.

`pom.xml` says which. The jars lie in ``$ALATAU_KAFKA_CACHE``, else in
``~/.cache/alatau/kafka-<version>``, in a folder named after what the pom asks for. It gets that
name when all are there: a half-filled folder never counts.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

__all__ = ["Missing", "install_tools", "jars", "jars_name", "java", "tools_are_here", "version"]

POM = Path(__file__).with_name("pom.xml")
JAVA_NEEDED = 17
DEBIAN_PACKAGES = ("default-jre-headless", "maven")
MAVEN_S = 600


class Missing(Exception):  # noqa: N818 - what is missing, not what went wrong
    """There is no Kafka to be had here; the text says what to do."""


def version() -> str:
    """Version of Kafka that the pom asks for."""
    text = ElementTree.parse(POM).findtext(".//{*}kafka.version")  # noqa: S314 - our own file
    if not text:
        raise ValueError(f"{POM} has no kafka.version")
    return text


def java() -> str:
    """Path of a Java that Kafka runs on.

    Raises
    ------
    Missing
        None, or one that is too old.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if found is None:
        raise Missing(f"Kafka needs Java {JAVA_NEEDED}: apt-get install {DEBIAN_PACKAGES[0]}")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    number = re.search(r'version "(\d+)', said)
    if number is None or int(number[1]) < JAVA_NEEDED:
        raise Missing(f"Kafka needs Java {JAVA_NEEDED} or newer; {found} is:\n{said.strip()}")
    return found


def jars_name() -> str:
    """Name of the folder of jars: it changes with the pom."""
    return hashlib.sha256(POM.read_bytes()).hexdigest()[:12]


def jars() -> Path:
    """Folder of the broker's jars; fetched by Maven if they are not there yet.

    Raises
    ------
    Missing
        Java, Maven or the repository cannot be used.
    """
    given = os.environ.get("ALATAU_KAFKA_CACHE")
    cache = Path(given) if given else Path.home() / ".cache" / "alatau" / f"kafka-{version()}"
    whole = cache / jars_name()
    if whole.is_dir():
        return whole
    java()
    if shutil.which("mvn") is None:
        raise Missing(f"Kafka is fetched by Maven: apt-get install {DEBIAN_PACKAGES[1]}")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="partial-") as partial:
        folder = Path(partial) / "jars"
        command = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", f"--file={POM}"]
        command += ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=MAVEN_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise Missing(f"Maven did not fetch Kafka in {MAVEN_S} s") from error
        if done.returncode != 0:
            raise Missing(f"Maven could not fetch Kafka:\n{(done.stdout + done.stderr)[-2000:]}")
        try:
            folder.rename(whole)
        except OSError:
            if not whole.is_dir():  # else another process was quicker
                raise
    return whole


def tools_are_here() -> bool:
    """Whether there is a Java that is new enough, and Maven."""
    try:
        java()
    except Missing:
        return False
    return shutil.which("mvn") is not None


def install_tools() -> None:
    """Install Java and Maven where that is ours to do: as root, on Debian."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *DEBIAN_PACKAGES]):
        subprocess.run(["apt-get", "--quiet", *command], env=quiet, check=False)  # noqa: S607


def main() -> int:
    """Fetch; exit code 1, and why, if there is no Kafka to be had."""
    try:
        if not tools_are_here():
            install_tools()
        java()
        folder = jars()
    except Missing as missing:
        print(f"NO KAFKA FOR THE TESTS: {missing}", file=sys.stderr)
        return 1
    print(f"Kafka {version()} in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
