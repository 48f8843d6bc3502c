"""All settings, and which stage is wired to which topic."""

from detect import traveltimes
from detect.locator import LocateOperator
from detect.picker import PickOperator
from detect.settings import DetectSettings
from dispatch import places
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings
from ingest.channels import ChannelTable
from ingest.settings import IngestSettings
from stream.kafka_settings import StreamSettings
from stream.operator import Stage
from stream.settings import Settings
from stream.topics import DETECTIONS, EVENTS, WAVEFORMS

__all__ = ["NO_CHANNELS", "Configuration", "pipeline"]

NO_CHANNELS = ChannelTable({}, {}, ())


class Configuration(Settings, frozen=True):
    """All settings, room by room."""

    stream: StreamSettings = StreamSettings()
    ingest: IngestSettings = IngestSettings()
    detect: DetectSettings = DetectSettings()
    dispatch: DispatchSettings = DispatchSettings()


def pipeline(configuration: Configuration, channels: ChannelTable) -> list[Stage]:
    """Wire the stages, each after the one that it reads from.

    Parameters
    ----------
    configuration
        All settings.
    channels
        Station metadata.
    """
    detect = configuration.detect
    tables = traveltimes.load(detect.locate.model)
    towns = places.load()
    return [
        Stage(
            "detect",
            WAVEFORMS,
            lambda partition: PickOperator(partition, channels, detect, configuration.ingest),
        ),
        Stage("locate", DETECTIONS, lambda _: LocateOperator(detect, tables)),
        Stage(
            "dispatch", EVENTS, lambda _: DispatchOperator(configuration.dispatch, towns, tables)
        ),
    ]
