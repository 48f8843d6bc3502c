"""Settings of the way in: the contract per channel, and the sources."""

from typing import Annotated, Literal

from msgspec import Meta

from stream.settings import Settings

__all__ = [
    "ContinuitySettings",
    "HttpSettings",
    "IngestSettings",
    "LiveSettings",
    "MqttSettings",
    "QualitySettings",
    "SeedLinkSettings",
]


class ContinuitySettings(Settings, frozen=True):
    """How records that are not the next in line are dealt with."""

    tear_samples: Annotated[
        float,
        Meta(
            description="A step in time of up to this many samples is clock steering, not a gap.",
            gt=0,
            le=10,
        ),
    ] = 1.5
    bridge_s: Annotated[
        float,
        Meta(
            description="A gap of up to this long (s) leaves what was learnt of the noise, if "
            "there was 2.5 times as much of data before it.",
            ge=0,
        ),
    ] = 2.0
    horizon_s: Annotated[
        float,
        Meta(
            description="Data that arrive later than this (s) after their last sample are dropped.",
            gt=0,
        ),
    ] = 30.0
    future_s: Annotated[
        float,
        Meta(
            description="Data that end more than this (s) after their arrival are a clock fault.",
            gt=0,
        ),
    ] = 3.0
    agree_s: Annotated[
        float,
        Meta(
            description="After a clock fault a channel counts again when it has been right "
            "for this long (s).",
            gt=0,
        ),
    ] = 60.0


class QualitySettings(Settings, frozen=True):
    """When samples say that the sensor is at fault."""

    flat_s: Annotated[
        float,
        Meta(description="A channel that holds one value for this long (s) is flat.", gt=0),
    ] = 2.0
    clip_run: Annotated[
        int,
        Meta(
            description="Equal samples in a row at the largest excursion that mean clipping.", ge=2
        ),
    ] = 5
    clip_min_counts: Annotated[
        float,
        Meta(
            description="Excursions below this many counts are never called clipped.",
            gt=0,
        ),
    ] = 10000.0
    recover_s: Annotated[
        float,
        Meta(
            description="A fault of the sensor is held for this long (s) after it was seen.", gt=0
        ),
    ] = 30.0


class LiveSettings(Settings, frozen=True):
    """What is followed: a folder into which an acquisition system writes miniSEED."""

    folder: Annotated[
        str,
        Meta(
            description="Folder that is followed with all folders in it; relative to this file; "
            "empty for none."
        ),
    ] = ""
    stations: Annotated[
        str,
        Meta(
            description="StationXML of the network, or a folder with several *.xml; relative to "
            "this file."
        ),
    ] = ""
    files: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            description="Patterns of the names of miniSEED files; the last one is that of an SDS "
            "archive.",
            min_length=1,
        ),
    ] = ("*.mseed", "*.miniseed", "*.ms", "*.*.*.*.D.[0-9][0-9][0-9][0-9].[0-9][0-9][0-9]")
    poll_s: Annotated[
        float,
        Meta(description="Seconds between two looks into the folder.", ge=0.01, le=10),
    ] = 0.1
    back_s: Annotated[
        float,
        Meta(
            description="At the start, records that ended less than this (s) ago are read too; "
            "older ones are archive. More than continuity.horizon_s is dropped as late.",
            ge=0,
            le=3600,
        ),
    ] = 0.0
    wait_s: Annotated[
        float,
        Meta(
            description="A record that is still half written after this long (s) is rejected.",
            gt=0,
        ),
    ] = 30.0
    pack_ms: Annotated[
        int,
        Meta(
            description="What comes from a station within this long (ms) after the first of all "
            "that wait becomes one value of the log; 0 waits for nothing.",
            ge=0,
            le=1000,
        ),
    ] = 5


Stations = Annotated[str, Meta(pattern=r"^(\*|[A-Z0-9?*-]{1,8}_[A-Z0-9?*-]{1,8})$", max_length=17)]
Selector = Annotated[str, Meta(pattern=r"^!?([A-Z0-9?]{2}|--)?[A-Z0-9?]{3}(\.D)?$")]


class SeedLinkSettings(Settings, frozen=True):
    """One SeedLink server."""

    host: Annotated[
        str, Meta(description="Name or address of the server.", pattern=r"^[^\s/]+$")
    ] = "localhost"
    port: Annotated[
        int, Meta(description="Port; servers with TLS often have 18500.", ge=1, le=65535)
    ] = 18000
    stations: Annotated[
        tuple[Stations, ...],
        Meta(
            description="Stations, NET_STA, as KZ_MKAR; * and ? stand for letters, as KZ_*; "
            "* alone for all.",
            min_length=1,
        ),
    ] = ("*",)
    channels: Annotated[
        tuple[Selector, ...],
        Meta(
            description="Channels, as HHZ, HH? or with location 00HH?; -- is the empty location, "
            "? any letter, and ! before it leaves out. Empty for all.",
        ),
    ] = ()
    protocol: Annotated[
        Literal["auto", "3", "4"],
        Meta(description="Version of SeedLink; auto takes the newest that the server has."),
    ] = "auto"
    stalled_s: Annotated[
        float,
        Meta(
            description="A server that sends nothing for this long (s), not even an answer, is "
            "left and connected to again. It is asked for a sign of life three times before.",
            ge=1,
            le=600,
        ),
    ] = 20.0
    pause_s: Annotated[
        float,
        Meta(
            description="Longest pause (s) before connecting again; the first is 1 s, and each "
            "is twice as long as the one before.",
            ge=1,
            le=600,
        ),
    ] = 30.0
    resume_s: Annotated[
        float,
        Meta(
            description="After an interruption of up to this long (s), or a restart, what was "
            "missed is asked for; after a longer one it goes on with the next packet, for old "
            "data would delay the new.",
            ge=0,
            le=86400,
        ),
    ] = 300.0
    tls: Annotated[bool, Meta(description="Whether the connection is encrypted (TLS).")] = False
    ca_file: Annotated[
        str,
        Meta(
            description="Certificates (PEM) that the server is checked with; relative to this "
            "file; empty for those of the system."
        ),
    ] = ""
    username: Annotated[
        str,
        Meta(
            description="Name to log in with (SeedLink 4 with TLS); empty for not at all.",
            pattern=r"^\S*$",
        ),
    ] = ""
    password_file: Annotated[
        str, Meta(description="File that holds the password; relative to this file.")
    ] = ""

    def __post_init__(self) -> None:
        """Refuse what no server would take."""
        if bool(self.username) != bool(self.password_file):
            raise ValueError("username and password_file belong together")
        if (self.username or self.ca_file) and not self.tls:
            raise ValueError("username and ca_file need tls = true")

    @property
    def server(self) -> str:
        """``HOST:PORT``."""
        return f"{self.host}:{self.port}"


class MqttSettings(Settings, frozen=True):
    """One MQTT broker that readings of sensors come from."""

    host: Annotated[
        str, Meta(description="Name or address of the broker.", pattern=r"^[^\s/]+$")
    ] = "localhost"
    port: Annotated[
        int, Meta(description="Port; brokers without TLS often have 1883.", ge=1, le=65535)
    ] = 8883
    topics: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[^\s\0]+$", max_length=1000)], ...],
        Meta(
            description="What is subscribed to, as basins/+/readings; + stands for one level, "
            "# for all below.",
            min_length=1,
        ),
    ] = ("observations/#",)
    client: Annotated[
        str, Meta(description="What we are called at the broker, by no one else.", min_length=1)
    ] = "alatau-sensors"
    largest_bytes: Annotated[
        int, Meta(description="A message that is longer is refused.", ge=100, le=10_000_000)
    ] = 100_000
    pause_s: Annotated[
        float,
        Meta(
            description="Longest pause (s) before connecting again; the first is 0.5 s, and each "
            "is twice as long as the one before.",
            ge=1,
            le=600,
        ),
    ] = 30.0
    resume_s: Annotated[
        int,
        Meta(
            description="For so long (s) the broker keeps readings for us while we are away.",
            ge=0,
            le=604_800,
        ),
    ] = 3600
    tls: Annotated[bool, Meta(description="Whether the connection is encrypted (TLS).")] = True
    ca_file: Annotated[
        str,
        Meta(
            description="Certificates (PEM) that the broker is checked with; relative to this "
            "file; empty for those of the system."
        ),
    ] = ""
    username: Annotated[str, Meta(description="Name at the broker; empty for none.")] = ""
    password_file: Annotated[
        str, Meta(description="File that holds the password; relative to this file.")
    ] = ""

    def __post_init__(self) -> None:
        """Refuse what no broker would take."""
        if bool(self.username) != bool(self.password_file):
            raise ValueError("username and password_file belong together")
        if self.ca_file and not self.tls:
            raise ValueError("ca_file needs tls = true")

    @property
    def server(self) -> str:
        """``HOST:PORT``."""
        return f"{self.host}:{self.port}"


class HttpSettings(Settings, frozen=True):
    """The server that senders of readings push to (HTTP)."""

    port: Annotated[int, Meta(description="Port; 0 for no server.", ge=0, le=65535)] = 0
    host: Annotated[
        str,
        Meta(
            description="Address of this machine that it listens at; 0.0.0.0 for all.",
            min_length=1,
        ),
    ] = "127.0.0.1"
    senders_file: Annotated[
        str,
        Meta(description="Who may send, with what token (TOML); relative to this file."),
    ] = ""
    cert_file: Annotated[
        str,
        Meta(
            description="Certificate (PEM) for HTTPS; relative to this file; empty where a proxy "
            "in front has it."
        ),
    ] = ""
    key_file: Annotated[
        str, Meta(description="Key (PEM) of the certificate; relative to this file.")
    ] = ""
    largest_bytes: Annotated[
        int, Meta(description="A request that is longer is refused.", ge=100, le=10_000_000)
    ] = 100_000
    per_minute: Annotated[
        float,
        Meta(description="Readings that a sender may send in a minute, and at once.", ge=1),
    ] = 600.0
    body_s: Annotated[
        float, Meta(description="A request must have come within this long (s).", ge=0.1, le=600)
    ] = 10.0

    def __post_init__(self) -> None:
        """Refuse half a certificate, and a server that would take all or nothing."""
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("cert_file and key_file belong together")
        if self.port and not self.senders_file:
            raise ValueError("port needs senders_file")


class IngestSettings(Settings, frozen=True):
    """The way in."""

    packet_s: Annotated[
        float,
        Meta(description="Length (s) of the packets into which a replay cuts an archive.", gt=0),
    ] = 1.0
    latency_s: Annotated[
        float,
        Meta(
            description="Seconds from the end of a packet to its arrival, where a replay has no "
            "recorded arrivals.",
            ge=0,
        ),
    ] = 0.5
    live: LiveSettings = LiveSettings()
    seedlink: Annotated[
        tuple[SeedLinkSettings, ...],
        Meta(description="SeedLink servers; each is a table [[ingest.seedlink]]."),
    ] = ()
    mqtt: Annotated[
        tuple[MqttSettings, ...],
        Meta(description="MQTT brokers with readings; each is a table [[ingest.mqtt]]."),
    ] = ()
    http: HttpSettings = HttpSettings()
    continuity: ContinuitySettings = ContinuitySettings()
    quality: QualitySettings = QualitySettings()
