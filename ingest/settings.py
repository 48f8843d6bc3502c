"""Settings of the way in: the contract per channel and the archive source."""

from typing import Annotated

from msgspec import Meta

from stream.settings import Settings

__all__ = ["ContinuitySettings", "IngestSettings", "LiveSettings", "QualitySettings"]


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
    """What `alatau run` follows: a folder into which an acquisition system writes miniSEED."""

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
    continuity: ContinuitySettings = ContinuitySettings()
    quality: QualitySettings = QualitySettings()
