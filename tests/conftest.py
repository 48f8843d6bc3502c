"""Brokers for the tests that want them, and a loud word where there are none."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest

from tests.kafka.fetch import Missing, jars, java
from tests.kafka_cluster import Cluster
from tests.mosquitto import Broker
from tests.mosquitto import Missing as NoMosquitto
from tests.mosquitto import executable as mosquitto

NEEDS_KAFKA = {"kafka_here", "kafka_bootstrap", "kafka_cluster"}
WITHOUT = pytest.StashKey[set[tuple[str, str]]]()

# The same examples in every run, so that a change is judged by itself; others: make properties.
# No deadline: the first example of a kernel waits for its compilation.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("others", deadline=None)
hypothesis.settings.load_profile("same")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[WITHOUT] = set()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if NEEDS_KAFKA & set(getattr(item, "fixturenames", ())):
            item.add_marker("kafka")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for what, reason in sorted(config.stash[WITHOUT]):
        headline = f"TESTS WITH {what.upper()} DID NOT RUN"
        terminalreporter.write_sep("!", headline, red=True, bold=True)
        terminalreporter.write_line(reason, red=True)


def _go_without(config: pytest.Config, reason: str, what: str = "Kafka") -> None:
    """Skip, so that no one overlooks it; fail where ALATAU_REQUIRE_<WHAT> is set."""
    config.stash[WITHOUT].add((what, reason))
    if os.environ.get(f"ALATAU_REQUIRE_{what.upper()}"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def mosquitto_here(pytestconfig: pytest.Config) -> None:
    """MQTT brokers can be started on this machine."""
    try:
        mosquitto()
    except NoMosquitto as missing:
        _go_without(pytestconfig, str(missing), "Mosquitto")


@pytest.fixture
def broker(mosquitto_here: None, tmp_path: Path) -> Iterator[Broker]:
    """One MQTT broker of the test's own."""
    with Broker(tmp_path) as started:
        yield started


@pytest.fixture(scope="session")
def kafka_here(pytestconfig: pytest.Config) -> None:
    """Brokers can be started on this machine."""
    try:
        java()
        jars()
    except Missing as missing:
        _go_without(pytestconfig, str(missing))


@pytest.fixture(scope="session")
def kafka_bootstrap(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """``host:port`` of one broker that all tests share, or of the cluster KAFKA_BOOTSTRAP."""
    if elsewhere := os.environ.get("KAFKA_BOOTSTRAP"):
        yield elsewhere
        return
    request.getfixturevalue("kafka_here")
    with Cluster(tmp_path_factory.mktemp("kafka")) as cluster:
        yield cluster.bootstrap


@pytest.fixture(scope="session")
def three_brokers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    if "KAFKA_BOOTSTRAP" in os.environ:
        _go_without(
            request.config,
            "KAFKA_BOOTSTRAP is set: brokers are killed only where the tests started them.",
        )
    request.getfixturevalue("kafka_here")
    with Cluster(tmp_path_factory.mktemp("kafka"), brokers=3) as cluster:
        yield cluster


@pytest.fixture
def kafka_cluster(three_brokers: Cluster) -> Iterator[Cluster]:
    """Three brokers, to be killed and cut off; whole again for the next test."""
    yield three_brokers
    three_brokers.mend()


@pytest.fixture
def topic_prefix() -> str:
    """Begin of the names of this test's topics: on a shared cluster no other has it."""
    return f"test-{uuid4().hex[:12]}-"
