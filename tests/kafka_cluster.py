"""Real Kafka brokers for tests and benchmarks, on this machine alone.

::

    with Cluster(folder, brokers=3) as cluster:
        ...  # clients connect to cluster.bootstrap
        cluster.kill(await cluster.leader_of("waveforms", 0))

Every node is broker and controller (KRaft) and a process of its own, which dies with the process
that started it, however that ends. To be imported as `tests.kafka_cluster`.
"""

import asyncio
import datetime
import ipaddress
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.kafka.fetch import jars, java

__all__ = ["PASSWORD", "QUICK_START", "USER", "Cluster", "DidNotStart"]

HOST = "127.0.0.1"
# Below the ports that Linux gives to outgoing connections: a killed broker finds its own again.
PORTS = range(20_000, 32_000)
CLUSTER_ID = "qxk2qtI6H_QHsp_gPUq8NQ"
STARTED = "Kafka Server started"
LOG_SETTINGS = Path(__file__).parent / "kafka" / "log4j2.properties"
LINES_SHOWN = 40
POLL_S = 0.05
USER = "alatau"
PASSWORD = "a-password-for-tests"  # noqa: S105 - of brokers that live for one test
# Three brokers are ready in 5.9 s instead of 7.8 on two cores; worse code in the long run.
QUICK_START = ("-XX:TieredStopAtLevel=1",)

# As in Kafka's own start script; the heap is the caller's.
GARBAGE_COLLECTION = ("-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:+ExplicitGCInvokesConcurrent")

# PR_SET_PDEATHSIG asks after the thread that started the process, not after its process: this
# one lives until the interpreter ends, whichever thread calls.
_starter = ThreadPoolExecutor(1, thread_name_prefix="kafka-starter")


class DidNotStart(Exception):  # noqa: N818
    """A broker did not start; the text ends with what it said."""


class Cluster:
    """One or more brokers in KRaft mode.

    With three, topics have replication 3 and min.insync.replicas 2 unless they say otherwise.
    Topics are never made by naming them, and records keep the timestamp they came with.

    Parameters
    ----------
    folder
        Gets a folder for each node: its `server.properties`, `server.log` and data.
    brokers
        How many nodes; they are numbered from 1.
    secured
        Clients must come by TLS, with `USER` and `PASSWORD` by SASL (PLAIN, SCRAM-SHA-256 or
        SCRAM-SHA-512) and trusting `ca_file`. With ``listener.name.client.ssl.client.auth`` set
        to ``required`` they need a certificate too: `broker.pem` in `folder` is one, and its key.
    heap_mb
        Most that each broker's heap may grow to.
    java_options
        For the brokers' Java; what measures a broker's speed passes none.
    settings
        Lines of `server.properties` that are to be other than here.
    """

    def __init__(
        self,
        folder: Path,
        *,
        brokers: int = 1,
        secured: bool = False,
        heap_mb: int = 512,
        java_options: Sequence[str] = QUICK_START,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.secured = secured
        self.ca_file = folder / "ca.pem"
        self._options = (f"-Xmx{heap_mb}m", *java_options)
        self._settings = dict(settings or {})
        self._nodes = {number: _Node(folder / f"node-{number}") for number in _one_to(brokers)}

    @property
    def nodes(self) -> list[int]:
        """Numbers of all nodes, dead or alive."""
        return list(self._nodes)

    @property
    def bootstrap(self) -> str:
        """``host:port,host:port`` of all brokers, for clients."""
        return ",".join(node.address for node in self._nodes.values())

    def pid(self, node: int) -> int:
        """Process of a node that runs."""
        process = self._nodes[node].process
        if process is None:
            raise ValueError(f"node {node} does not run")
        return process.pid

    def start(self, timeout_s: float = 60) -> None:
        """Start all brokers, and return when each of them knows all others.

        Raises
        ------
        tests.kafka.fetch.Missing
            There is no Java, or Kafka cannot be fetched.
        DidNotStart
            A broker ended or did not answer in time.
        """
        ports = iter(_free_ports(3 * len(self._nodes)))
        for node in self._nodes.values():
            node.ports = {name: next(ports) for name in ("CLIENT", "INTERNAL", "CONTROLLER")}
            node.folder.mkdir(parents=True)
        if self.secured:
            _certificate(self.ca_file, self.folder / "broker.pem")
        try:
            self._format()
            for node in self._nodes.values():
                self._spawn(node)
            self.wait(timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill all brokers and throw their data away; what they said is kept."""
        for node in self._nodes.values():
            if node.process is not None:
                node.process.kill()
        for node in self._nodes.values():
            if node.process is not None:
                node.process.wait()
                node.process = None
            shutil.rmtree(node.folder / "data", ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def kill(self, node: int) -> None:
        """End a broker by SIGKILL; returns when it is gone."""
        killed = self._nodes[node]
        if killed.process is not None:
            killed.process.kill()
            killed.process.wait()
            killed.process = None

    def restart(self, node: int, *, wait: bool = True) -> None:
        """Start a killed broker again, on its own data and ports.

        With `wait`, return when it answers; without, `wait` can be called later, for example by
        ``await asyncio.to_thread(cluster.wait)``.
        """
        self._spawn(self._nodes[node])
        if wait:
            self.wait()

    def cut_off(self, *nodes: int) -> None:
        """Let brokers be silent without dying (SIGSTOP); all of them if none is named.

        Connections stay up and new ones are taken by the kernel, but nothing is answered: what
        a client sees of a lost network, a hung disk or a paused machine. To the brokers it is
        worse than a lost network, and so is the better test: what was sent meanwhile lies in
        the kernel and is carried out after `reconnect`, when its sender has given it up and
        may have sent it again; and all timers of the brokers have run out.
        A refused connection is the other way to be unreachable: `kill`.
        """
        for node in nodes or self._nodes:
            self._signal(node, signal.SIGSTOP)

    def reconnect(self, *nodes: int) -> None:
        """Let brokers that were cut off go on; all of them if none is named."""
        for node in nodes or self._nodes:
            self._signal(node, signal.SIGCONT)

    def mend(self) -> None:
        """Make the cluster whole again after whatever a test did to it."""
        self.reconnect()
        for node in self._nodes.values():
            if node.has_ended():
                self._spawn(node)
        self.wait()

    async def leader_of(self, topic: str, partition: int) -> int:
        """Number of the node that leads a partition.

        Raises
        ------
        LookupError
            The topic or the partition is unknown, or has no leader now.
        """
        place = TopicPartition(topic, partition)
        client = await self._client(self.bootstrap)
        try:
            leader = (await client.fetch_all_metadata()).leader_for_partition(place)
        finally:
            await client.close()
        if leader is None or leader < 0:
            raise LookupError(f"{topic} {partition} has no leader")
        return int(leader)

    def client_options(self) -> dict[str, Any]:
        """What an aiokafka client needs besides `bootstrap`; empty unless secured."""
        if not self.secured:
            return {}
        from aiokafka.helpers import create_ssl_context

        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": create_ssl_context(cafile=str(self.ca_file)),
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": USER,
            "sasl_plain_password": PASSWORD,
        }

    def wait(self, timeout_s: float = 60) -> None:
        """Return when every broker that runs has started and knows all others that run.

        Raises
        ------
        DidNotStart
            A broker ended, or did not get there in time.
        """
        deadline = time.monotonic() + timeout_s
        running = {n: node for n, node in self._nodes.items() if node.process is not None}
        for number, node in running.items():
            while STARTED not in node.said():
                if node.has_ended():
                    raise DidNotStart(f"Kafka node {number} ended:\n{node.tail()}")
                _pause(deadline, f"Kafka node {number} has not started", node)
        for number, node in running.items():
            while _ask(self._known_to(node)) != set(running):
                _pause(deadline, f"Kafka node {number} does not know all others", node)

    async def _known_to(self, node: "_Node") -> set[int]:
        """Numbers of the brokers that a node takes to be alive."""
        try:
            client = await self._client(node.address)
        except KafkaConnectionError:
            return set()
        try:
            return {broker.nodeId for broker in (await client.fetch_all_metadata()).brokers()}
        finally:
            await client.close()

    async def _client(self, bootstrap: str) -> AIOKafkaClient:
        client = AIOKafkaClient(bootstrap_servers=bootstrap, **self.client_options())
        await client.bootstrap()
        return client

    def _signal(self, node: int, what: signal.Signals) -> None:
        process = self._nodes[node].process
        if process is not None:
            process.send_signal(what)

    def _java(self, *arguments: str) -> list[str]:
        classes = ["-cp", f"{jars()}/*", f"-Dlog4j2.configurationFile={LOG_SETTINGS}"]
        return [java(), "-Xms128m", *self._options, *GARBAGE_COLLECTION, *classes, *arguments]

    def _format(self) -> None:
        """Make the empty logs of all nodes: Kafka starts on no others."""
        formatting = []
        for number, node in self._nodes.items():
            lines = {**self._properties(number), **self._settings}
            node.properties.write_text("".join(f"{k}={v}\n" for k, v in lines.items()))
            command = self._java("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID)
            command.append(f"--config={node.properties}")
            if self.secured:
                for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                    command.append(f"--add-scram={kind}=[name={USER},password={PASSWORD}]")
            with node.log.open("ab") as log:
                formatting.append(subprocess.Popen(command, stdout=log, stderr=log))
        for process, node in zip(formatting, self._nodes.values(), strict=True):
            if process.wait() != 0:
                raise DidNotStart(f"Kafka could not make its log in {node.folder}:\n{node.tail()}")

    def _spawn(self, node: "_Node") -> None:
        command = self._java("kafka.Kafka", str(node.properties))
        node.process = _starter.submit(node.run, command).result()

    def _properties(self, number: int) -> dict[str, str]:
        node = self._nodes[number]
        copies = str(min(3, len(self._nodes)))
        safe = "2" if len(self._nodes) >= 3 else "1"
        voters = (f"{n}@{HOST}:{v.ports['CONTROLLER']}" for n, v in self._nodes.items())
        listeners = ",".join(f"{name}://{HOST}:{port}" for name, port in node.ports.items())
        outside = "SASL_SSL" if self.secured else "PLAINTEXT"
        properties = {
            "node.id": str(number),
            "process.roles": "broker,controller",
            "log.dirs": str(node.folder / "data"),
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "INTERNAL",
            "listeners": listeners,
            "advertised.listeners": ",".join(listeners.split(",")[:2]),
            "listener.security.protocol.map": (
                f"CLIENT:{outside},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            "default.replication.factor": copies,
            "min.insync.replicas": safe,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": safe,
            "auto.create.topics.enable": "false",
            "log.message.timestamp.type": "CreateTime",
            "group.initial.rebalance.delay.ms": "0",
            # What is right for warnings, not Kafka's defaults: a dead leader is replaced after
            # 3 s instead of 9, and a client may say how soon its own death is to be noticed.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "group.min.session.timeout.ms": "1000",
            # Three JVMs on a small machine: fewer files to make at the first commit, and no
            # 128 MB for compaction.
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            "log.cleaner.dedupe.buffer.size": str(4 << 20),
        }
        if self.secured:
            scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
            client = "listener.name.client"
            properties |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self.folder / "broker.pem"),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.ca_file),
                "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
                f"{client}.plain.sasl.jaas.config": f'{plain} user_{USER}="{PASSWORD}";',
                f"{client}.scram-sha-256.sasl.jaas.config": scram,
                f"{client}.scram-sha-512.sasl.jaas.config": scram,
            }
        return properties


class _Node:
    """One broker: its folder, its ports and, while it runs, its process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.properties = folder / "server.properties"
        self.log = folder / "server.log"
        self.ports: dict[str, int] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self._since = 0

    @property
    def address(self) -> str:
        return f"{HOST}:{self.ports['CLIENT']}"

    def run(self, command: list[str]) -> subprocess.Popen[bytes]:
        """Start the process, which dies when the thread does that calls this."""
        with self.log.open("ab") as log:
            self._since = log.tell()
            # A session of its own: Ctrl-C is for the tests, which then stop their brokers.
            return subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *command],  # noqa: S607
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def said(self) -> str:
        """All that it has said since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._since)
            return log.read().decode(errors="replace")

    def tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
        return "\n".join([f"({self.log})", *lines])


def _one_to(count: int) -> range:
    return range(1, count + 1)


def _pause(deadline: float, problem: str, node: _Node) -> None:
    if time.monotonic() > deadline:
        raise DidNotStart(f"{problem}:\n{node.tail()}")
    time.sleep(POLL_S)


def _ask(question: Coroutine[Any, Any, set[int]]) -> set[int]:
    """Run a coroutine whether or not this thread has a loop already."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, question).result()


def _free_ports(count: int) -> list[int]:
    held: list[socket.socket] = []
    try:
        for port in random.sample(PORTS, len(PORTS)):
            candidate = socket.socket()
            try:
                candidate.bind((HOST, port))
            except OSError:
                candidate.close()
                continue
            held.append(candidate)
            if len(held) == count:
                break
        return [taken.getsockname()[1] for taken in held]
    finally:
        for taken in held:
            taken.close()


def _certificate(ca_file: Path, broker_file: Path) -> None:
    """Write a certificate for this machine that vouches for itself, alone and with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Kafka for tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    ca_file.write_bytes(certificate)
    broker_file.write_bytes(private + certificate)
