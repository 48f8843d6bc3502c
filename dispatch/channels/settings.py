"""What can be set about channels, signatures, acknowledgements and release."""

from typing import Annotated, Literal

from msgspec import Meta, field

from stream.settings import Settings

__all__ = [
    "ChannelSettings",
    "DeliverySettings",
    "Feed",
    "Mqtt",
    "Person",
    "ReleaseSettings",
    "Route",
    "ServerSettings",
    "SignatureSettings",
    "Webhook",
    "WebsocketSettings",
]

_Name = Annotated[
    str, Meta(pattern="^[A-Za-z0-9-]{1,60}$", description="Letters, digits and hyphens")
]
_Country = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
_Seconds = Annotated[float, Meta(ge=0.0, le=86_400.0)]


class Route(Settings, frozen=True):
    """Which messages take a channel, and by when they must have arrived."""

    countries: Annotated[
        tuple[_Country, ...], Meta(description="Only messages to these countries; none names all")
    ] = ()
    audiences: Annotated[
        tuple[str, ...], Meta(description="Only messages to these audiences; none names all")
    ] = ()
    statuses: Annotated[
        tuple[Literal["Test", "Exercise", "Actual"], ...],
        Meta(
            description="Only messages of these CAP statuses. `Actual` must be named: a channel "
            "for tests and one for warnings are two"
        ),
    ] = ("Test", "Exercise")
    from_intensity: Annotated[
        float,
        Meta(description="Only messages that have told of this MSK-64 intensity", ge=0.0, le=12.0),
    ] = 0.0
    reserve: Annotated[
        bool, Meta(description="Only messages for which another channel was too slow")
    ] = False
    deliver_within_s: Annotated[
        _Seconds,
        Meta(description="Seconds within which the other side must confirm; 0 for no deadline"),
    ] = 10.0
    acknowledge_within_s: Annotated[
        _Seconds,
        Meta(description="Seconds within which someone must acknowledge; 0 for no deadline"),
    ] = 0.0
    escalate_to: Annotated[
        str, Meta(description="Channel that is taken when a deadline passes; empty for none")
    ] = ""
    acknowledged_by: Annotated[
        tuple[str, ...],
        Meta(description="CAP senders whose acknowledgements count for this channel"),
    ] = ()
    timeout_s: Annotated[
        float, Meta(description="Seconds that one attempt may take", gt=0.0, le=120.0)
    ] = 5.0
    retry_s: Annotated[
        float,
        Meta(description="Seconds before the second attempt; doubled each time", gt=0.0, le=600.0),
    ] = 0.5
    retry_most_s: Annotated[
        float, Meta(description="Most seconds between two attempts", gt=0.0, le=3600.0)
    ] = 30.0

    def __post_init__(self) -> None:
        """Refuse a route by which nothing could go."""
        if not self.statuses:
            raise ValueError("statuses must name one at least")


class Webhook(Route, frozen=True, kw_only=True):
    """A receiver that takes messages by HTTP POST."""

    url: Annotated[
        str, Meta(description="Where messages are posted", pattern=r"^https?://[^\s<>]+$")
    ]
    secret_file: Annotated[
        str,
        Meta(
            description="File with the secret that both sides share, 24 bytes or more; relative "
            "to this file; requests are signed with it (HMAC)"
        ),
    ]


class Mqtt(Route, frozen=True, kw_only=True):
    """An MQTT broker."""

    host: Annotated[str, Meta(description="Name or address of the broker", min_length=1)]
    port: Annotated[int, Meta(description="Its port", ge=1, le=65_535)] = 8883
    topic: Annotated[
        str,
        Meta(
            description="What topics begin with: messages go to TOPIC/COUNTRY/AUDIENCE/EVENT, "
            "acknowledgements come from TOPIC/ack",
            pattern=r"^[^\s#+]+$",
        ),
    ] = "alatau"
    client: Annotated[
        str, Meta(description="What we are called at the broker, by no one else", min_length=1)
    ] = "alatau"
    tls: Annotated[bool, Meta(description="Whether the connection is encrypted (TLS)")] = True
    ca_file: Annotated[
        str,
        Meta(
            description="Certificates (PEM) that the broker is checked with; relative to this "
            "file; empty for those of the system"
        ),
    ] = ""
    username: Annotated[str, Meta(description="Name at the broker; empty for none")] = ""
    password_file: Annotated[
        str, Meta(description="File that holds the password; relative to this file")
    ] = ""


class Feed(Route, frozen=True):
    """The feeds that others fetch: Atom with CAP, GeoJSON, QuakeML."""

    enabled: Annotated[bool, Meta(description="Whether there are feeds")] = True
    audiences: Annotated[
        tuple[str, ...],
        Meta(
            description="Only messages to these audiences; none names all. Whoever reaches the "
            "address reads the feeds: what is restricted does not belong there"
        ),
    ] = ("public",)
    title: Annotated[str, Meta(description="Title of the feed for people", min_length=1)] = (
        "Alatau earthquake early warning"
    )
    url: Annotated[
        str,
        Meta(
            description="Under which address others reach the feeds",
            pattern=r"^https?://[^\s<>]+[^/]$",
        ),
    ] = "http://127.0.0.1:8080"
    deliver_within_s: Annotated[
        _Seconds, Meta(description="Seconds within which someone must fetch it; 0 for no deadline")
    ] = 0.0
    sources_stale_s: Annotated[
        float,
        Meta(
            description="Seconds after which what is known of the sources counts as nothing",
            gt=0.0,
            le=3600.0,
        ),
    ] = 60.0
    sources_least: Annotated[
        float,
        Meta(
            description="With a smaller part of the sources healthy, silence is no all-clear",
            ge=0.0,
            le=1.0,
        ),
    ] = 0.5
    events_h: Annotated[
        float, Meta(description="Hours for which an event stays in the feeds", gt=0.0, le=720.0)
    ] = 24.0


class WebsocketSettings(Settings, frozen=True):
    """The stream of events by WebSocket, in the shape of EMSC's."""

    enabled: Annotated[bool, Meta(description="Whether there is a stream")] = True
    agency: Annotated[
        str, Meta(description="Code that events are signed with", pattern="^[A-Za-z0-9-]+$")
    ] = "ALATAU"
    clients: Annotated[
        int, Meta(description="Most clients at a time; more are sent away", ge=1, le=100_000)
    ] = 1000
    statuses: Annotated[
        tuple[Literal["provisional", "confirmed", "cancelled", "superseded"], ...],
        Meta(description="Revisions of events in these states are streamed"),
    ] = ("confirmed", "cancelled", "superseded")


class ServerSettings(Settings, frozen=True):
    """Where feeds, the stream and acknowledgements are served by HTTP."""

    host: Annotated[
        str, Meta(description="Address it listens on; a proxy with TLS stands before it")
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(description="Its port; 0 for no server and no feeds", ge=0, le=65_535)
    ] = 0
    largest_bytes: Annotated[
        int,
        Meta(description="Largest message (bytes) that is taken in", ge=10_000, le=10_000_000),
    ] = 1_000_000


class ChannelSettings(Settings, frozen=True):
    """Channels by kind and name; no two have the same name."""

    webhooks: Annotated[dict[_Name, Webhook], Meta(description="Receivers by HTTP, by name")] = (
        field(default_factory=dict)
    )
    mqtt: Annotated[dict[_Name, Mqtt], Meta(description="MQTT brokers, by name")] = field(
        default_factory=dict
    )
    feed: Annotated[Feed, Meta(description="The feeds; the channel is called `feed`")] = Feed()
    websocket: Annotated[WebsocketSettings, Meta(description="The stream of events")] = (
        WebsocketSettings()
    )

    def __post_init__(self) -> None:
        """Refuse names that are taken, and escalations to nowhere or in a ring."""
        names = [*self.webhooks, *self.mqtt, *(["feed"] if self.feed.enabled else [])]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two channels are called {name}")
        routes = self.routes()
        for name, route in routes.items():
            seen = {name}
            while route.escalate_to:
                if route.escalate_to not in routes:
                    raise ValueError(f"{name} escalates to {route.escalate_to}, which is not there")
                if route.escalate_to in seen:
                    raise ValueError(f"{name} escalates in a ring")
                seen.add(route.escalate_to)
                route = routes[route.escalate_to]

    def routes(self) -> dict[str, Route]:
        """Return all channels that take messages, by name."""
        feed = {"feed": self.feed} if self.feed.enabled else {}
        return {**self.webhooks, **self.mqtt, **feed}


class SignatureSettings(Settings, frozen=True):
    """The key that messages are signed with, and the certificates that others are checked with."""

    key_file: Annotated[
        str,
        Meta(description="Private key (PEM), RSA or elliptic; relative to this file; or none"),
    ] = ""
    certificate_file: Annotated[
        str, Meta(description="Certificate (PEM) of that key; relative to this file")
    ] = ""
    password_file: Annotated[
        str, Meta(description="File with the password of the key; relative to this file; or none")
    ] = ""
    pinned: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description="By CAP sender, files with its certificates (PEM); relative to this file"),
    ] = field(default_factory=dict)
    unsigned: Annotated[
        bool, Meta(description="Whether messages of senders without a certificate are read")
    ] = False

    def __post_init__(self) -> None:
        """Refuse half a key."""
        if bool(self.key_file) != bool(self.certificate_file):
            raise ValueError("key_file and certificate_file belong together")


class Person(Settings, frozen=True):
    """Someone who may release or withhold a message."""

    role: Annotated[str, Meta(description="Office, as it stands in the ledger", min_length=1)]
    public_key: Annotated[
        str,
        Meta(description="Public key (Ed25519, base64)", pattern=r"^[A-Za-z0-9+/]{43}=$"),
    ]


class ReleaseSettings(Settings, frozen=True):
    """Messages that wait for people."""

    within_s: Annotated[
        int,
        Meta(description="Seconds after which a held message lapses", ge=10, le=86_400),
    ] = 600
    people: Annotated[
        dict[_Name, Person], Meta(description="By name, who may release; two must")
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse one person under two names."""
        keys = [person.public_key for person in self.people.values()]
        if len(set(keys)) < len(keys):
            raise ValueError("two people have the same key")


class DeliverySettings(Settings, frozen=True):
    """Everything behind the decision: signatures, release, channels, the server."""

    signature: Annotated[SignatureSettings, Meta(description="Keys and certificates")] = (
        SignatureSettings()
    )
    release: Annotated[ReleaseSettings, Meta(description="Messages that wait for people")] = (
        ReleaseSettings()
    )
    channels: Annotated[ChannelSettings, Meta(description="The ways out")] = ChannelSettings()
    server: Annotated[ServerSettings, Meta(description="The server of feeds and stream")] = (
        ServerSettings()
    )
