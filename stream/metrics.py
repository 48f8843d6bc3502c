"""What a stage tells Prometheus: how much, how far behind, how late.

The only place beside the sources that reads the clock; nothing here decides anything.
"""

import time
from collections.abc import Sequence

from prometheus_client import (
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)

from stream.errors import ConfigurationError
from stream.records import Output

__all__ = ["Metrics", "StageMetrics"]

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which says when it was first counted

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The measures of a process; each stage in it has its label."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(PROCESS_COLLECTOR)
        self.registry.register(PLATFORM_COLLECTOR)
        place = ["stage", "partition"]
        self.read = Counter(
            "alatau_records_read", "Records read from the log", place, registry=self.registry
        )
        self.lag = Gauge(
            "alatau_lag_records", "Records waiting in the log", place, registry=self.registry
        )
        self.age = Gauge(
            "alatau_lag_seconds",
            "Age of the newest record when it was read, by this machine's clock",
            place,
            registry=self.registry,
        )
        self.think = Histogram(
            "alatau_batch_seconds",
            "Time that a stage thinks about a batch",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.written = Counter(
            "alatau_values_written",
            "Values written to the log",
            ["stage", "topic"],
            registry=self.registry,
        )
        self.late = Histogram(
            "alatau_latency_seconds",
            "From the arrival of the bytes that caused a value to the value in the log",
            ["stage", "topic"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.skipped = Counter(
            "alatau_records_skipped",
            "Records left unread because they were too old",
            ["stage"],
            registry=self.registry,
        )
        self.lost = Counter(
            "alatau_records_lost",
            "Records that the log dropped before they were read",
            ["stage"],
            registry=self.registry,
        )
        self.restarts = Counter(
            "alatau_restarts",
            "Times that a process has begun anew because the log failed",
            registry=self.registry,
        )

    def stage(self, name: str) -> "StageMetrics":
        """Return the meter of a stage; all its series are there from the start, at zero."""
        return StageMetrics(self, name)

    def serve(self, port: int, address: str = "0.0.0.0") -> None:  # noqa: S104 - for a scraper
        """Serve ``/metrics`` in a thread of its own.

        Raises
        ------
        ConfigurationError
            If the port is taken.
        """
        try:
            start_http_server(port, address, registry=self.registry)
        except OSError as error:
            raise ConfigurationError(
                f"metrics cannot be served on port {port}: {error.strerror}",
                remedy="Give another port with --metrics-port.",
            ) from error


class StageMetrics:
    """The meter of one stage; see `stream.runner.Meter`."""

    def __init__(self, metrics: Metrics, stage: str) -> None:
        self._metrics = metrics
        self._stage = stage
        self._think = metrics.think.labels(stage)
        self._skipped = metrics.skipped.labels(stage)
        self._lost = metrics.lost.labels(stage)

    def read(self, partition: int, records: int, arrival: int) -> None:
        """Count records of a partition; the last arrived at `arrival` (ms since 1970 UTC)."""
        place = (self._stage, str(partition))
        self._metrics.read.labels(*place).inc(records)
        self._metrics.age.labels(*place).set(time.time() - arrival / 1000)

    def behind(self, partition: int, records: int) -> None:
        """Note how many records of a partition are waiting."""
        self._metrics.lag.labels(self._stage, str(partition)).set(records)

    def dealt(self, seconds: float, outputs: Sequence[Output]) -> None:
        """Count a batch: the time it took to think, and what now stands in the log."""
        self._think.observe(seconds)
        now = time.time()
        for output in outputs:
            place = (self._stage, output.topic)
            self._metrics.written.labels(*place).inc()
            self._metrics.late.labels(*place).observe(max(now - output.timestamp / 1000, 0.0))

    def skipped(self, records: int) -> None:
        """Count what was too old to be read."""
        self._skipped.inc(records)

    def lost(self, records: int) -> None:
        """Count what the log dropped before it was read."""
        self._lost.inc(records)
