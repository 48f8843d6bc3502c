"""Settings of the log on Kafka."""

from typing import Annotated, Literal

from msgspec import Meta

from stream.settings import Settings

__all__ = ["KafkaSettings", "StreamSettings"]


class KafkaSettings(Settings, frozen=True):
    """Where the brokers are, who we are to them, and how the topics are laid out."""

    bootstrap: Annotated[
        str,
        Meta(
            description="Brokers to begin with, HOST:PORT,HOST:PORT; empty for the log in memory."
        ),
    ] = ""
    prefix: Annotated[
        str,
        Meta(
            description="What the names of topics and groups begin with, to keep an exercise or "
            "a test apart on the same brokers.",
            pattern=r"^[A-Za-z0-9._-]*$",
        ),
    ] = ""
    tls: Annotated[bool, Meta(description="Whether the connection is encrypted (TLS).")] = False
    ca_file: Annotated[
        str,
        Meta(
            description="Certificates (PEM) that the brokers are checked with; relative to this "
            "file; empty for those of the system."
        ),
    ] = ""
    cert_file: Annotated[
        str,
        Meta(description="Own certificate (PEM) for the brokers; relative to this file; or none."),
    ] = ""
    key_file: Annotated[
        str, Meta(description="Key (PEM) of the own certificate; relative to this file; or none.")
    ] = ""
    sasl: Annotated[
        Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        Meta(description="How we log in (SASL); empty for not at all."),
    ] = ""
    username: Annotated[str, Meta(description="Name for SASL.")] = ""
    password_file: Annotated[
        str,
        Meta(description="File that holds the password for SASL; relative to this file."),
    ] = ""
    session_s: Annotated[
        float,
        Meta(
            description="A worker not heard of for this long (s) is dead, and others take over. "
            "The brokers' group.min.session.timeout.ms (6 s) is the least.",
            ge=1,
            le=300,
        ),
    ] = 6.0
    request_s: Annotated[
        float,
        Meta(
            description="How long (s) a write or a question is tried again while brokers fail. "
            "After that the worker begins anew.",
            ge=5,
            le=600,
        ),
    ] = 60.0
    max_value_bytes: Annotated[
        int,
        Meta(description="Largest value (bytes) of a topic.", ge=1_000_000, le=100_000_000),
    ] = 8_000_000
    replication: Annotated[
        int,
        Meta(description="On how many brokers each topic lies.", ge=1, le=7),
    ] = 3
    in_sync: Annotated[
        int,
        Meta(
            description="On how many of them a value must stand before it counts as written.", ge=1
        ),
    ] = 2
    waveform_partitions: Annotated[
        int,
        Meta(
            description="Partitions of `waveforms`: the most workers that `detect` can have. With "
            "1, events are the same to the byte whatever fails.",
            ge=1,
            le=1000,
        ),
    ] = 4
    waveforms_h: Annotated[
        float, Meta(description="Hours for which samples are kept; -1 for ever.", ge=-1)
    ] = 24.0
    observations_h: Annotated[
        float,
        Meta(
            description="Hours for which readings of sensors are kept, from which the stage "
            "`hazards` knows what stands; -1 for ever.",
            ge=-1,
        ),
    ] = 720.0
    results_h: Annotated[
        float,
        Meta(description="Hours for which all other topics are kept; -1 for ever.", ge=-1),
    ] = 720.0

    def __post_init__(self) -> None:
        """Refuse what no broker would take."""
        if self.in_sync > self.replication:
            raise ValueError("in_sync must not be more than replication")
        if self.sasl and not (self.username and self.password_file):
            raise ValueError("sasl needs username and password_file")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file belong together")
        if (self.ca_file or self.cert_file) and not self.tls:
            raise ValueError("ca_file and cert_file need tls = true")


class StreamSettings(Settings, frozen=True):
    """The log, and how workers read it."""

    kafka: KafkaSettings = KafkaSettings()
    stale_after_s: Annotated[
        float,
        Meta(
            description="A backlog with records this much older (s) than its newest is skipped, "
            "and said so: a late warning is worse than none. 0 reads everything.",
            ge=0,
        ),
    ] = 120.0
    batch: Annotated[
        int, Meta(description="Records read from a partition at a time.", ge=1, le=100_000)
    ] = 1000
