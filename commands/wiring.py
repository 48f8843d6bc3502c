"""All settings, and which stage is wired to which topic."""

from collections.abc import Callable
from pathlib import Path

from detect import traveltimes
from detect.hazards import files as hazard_files
from detect.hazards.operator import HazardOperator
from detect.locator import LocateOperator
from detect.picker import PickOperator
from detect.settings import DetectSettings
from dispatch import places, signature
from dispatch.channels.settings import DeliverySettings, SignatureSettings
from dispatch.publishing import publisher
from dispatch.release import NEEDED, ReleaseOperator
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings
from ingest.channels import ChannelTable
from ingest.sensors import Sensor
from ingest.settings import IngestSettings
from stream.kafka_settings import StreamSettings
from stream.operator import Stage
from stream.settings import Settings, misfit
from stream.topics import DETECTIONS, EVENTS, HELD, OBSERVATIONS, WAVEFORMS

__all__ = [
    "NO_CHANNELS",
    "Configuration",
    "folder",
    "needs_people",
    "pipeline",
    "sensors",
    "signing",
]

NO_CHANNELS = ChannelTable({}, {}, ())


class Configuration(Settings, frozen=True):
    """All settings, room by room."""

    stream: StreamSettings = StreamSettings()
    ingest: IngestSettings = IngestSettings()
    detect: DetectSettings = DetectSettings()
    dispatch: DispatchSettings = DispatchSettings()
    delivery: DeliverySettings = DeliverySettings()


def folder(config: Path | None) -> Path:
    """Return the folder to which names of files in the configuration are relative."""
    return Path() if config is None else config.parent


def signing(settings: SignatureSettings, config: Path | None) -> Callable[[bytes], bytes] | None:
    """Read the key that messages are signed with; None where none is named.

    Raises
    ------
    ConfigurationError
        If it cannot be used.
    """
    if not settings.key_file:
        return None
    here = folder(config)
    password = signature.password(here / settings.password_file) if settings.password_file else None
    signer = signature.load_signer(
        here / settings.key_file, here / settings.certificate_file, password
    )
    return signer.sign


def sensors(configuration: Configuration, config: Path | None) -> tuple[Sensor, ...]:
    """Read the sensors of other hazards that are watched; none where no file is named.

    Raises
    ------
    ConfigurationError
        If a file cannot be used.
    """
    return hazard_files.load(configuration.detect.hazards, folder(config)).sensors


def needs_people(configuration: Configuration) -> bool:
    """Whether a policy for earthquakes wants messages to be released by two people."""
    return "two people" in configuration.dispatch.everything_set("release")


def pipeline(
    configuration: Configuration, channels: ChannelTable, config: Path | None = None
) -> list[Stage]:
    """Wire the stages, each after the one that it reads from.

    The stage `hazards` is among them where it has something to watch for: tremors anywhere, or
    files of sensors, valleys or cascades.

    Parameters
    ----------
    configuration
        All settings.
    channels
        Station metadata.
    config
        The file that the settings were read from: others that they name are beside it.

    Raises
    ------
    ConfigurationError
        If the key that messages are signed with, or a file of hazards, cannot be used, or a
        policy wants two people's word and there are not two.
    """
    if needs_people(configuration) and len(configuration.delivery.release.people) < NEEDED:
        raise misfit(
            config,
            ("delivery", "release", "people"),
            "a policy wants two people to release its messages, and fewer are named",
            "Name them (alatau release key), or set `release` of the policy to `automatic`.",
        )
    detect = configuration.detect
    watched = hazard_files.load(detect.hazards, folder(config))
    tables = traveltimes.load(detect.locate.model)
    towns = places.load()
    sign = signing(configuration.delivery.signature, config)
    publish = publisher(sign)
    hazards = Stage(
        "hazards",
        OBSERVATIONS,
        lambda _: HazardOperator(
            detect.hazards, watched.sensors, watched.valleys, watched.cascades, detect.region
        ),
    )
    return [
        Stage(
            "detect",
            WAVEFORMS,
            lambda partition: PickOperator(partition, channels, detect, configuration.ingest),
        ),
        Stage("locate", DETECTIONS, lambda _: LocateOperator(detect, tables)),
        *([hazards] if detect.hazards.tremors == "anywhere" or not watched.are_empty else []),
        Stage(
            "dispatch",
            EVENTS,
            lambda _: DispatchOperator(configuration.dispatch, towns, tables, sign),
        ),
        Stage(
            "release",
            HELD,
            lambda _: ReleaseOperator(configuration.delivery.release, publish),
            keeps_all=True,  # a person's word is not skipped; what is too old has lapsed
        ),
    ]
