"""Settings of the picker, the locator and the magnitude."""

from typing import Annotated

from msgspec import Meta

from stream.settings import Settings

__all__ = ["DetectSettings", "LocateSettings", "MagnitudeSettings", "PickSettings"]


class PickSettings(Settings, frozen=True):
    """From samples to onsets."""

    low_hz: Annotated[float, Meta(description="Lower corner (Hz) of the band-pass.", gt=0)] = 1.0
    high_hz: Annotated[float, Meta(description="Upper corner (Hz) of the band-pass.", gt=0)] = 10.0
    short_s: Annotated[float, Meta(description="Length (s) of the short average.", gt=0)] = 0.5
    long_s: Annotated[float, Meta(description="Length (s) of the long average.", gt=0)] = 10.0
    middle_s: Annotated[
        float,
        Meta(description="Length (s) of the average that starts a new onset in a coda.", gt=0),
    ] = 4.0
    on: Annotated[
        float,
        Meta(description="Power ratio of short to long average that triggers.", gt=1),
    ] = 8.0
    off: Annotated[float, Meta(description="Power ratio below which a trigger ends.", gt=0)] = 2.0
    again: Annotated[
        float,
        Meta(
            description="Power ratio of short to middle average that starts a new onset while "
            "triggered.",
            gt=1,
        ),
    ] = 4.0
    settle_s: Annotated[
        float,
        Meta(description="Seconds after a start or a gap in which a channel is blind.", gt=0),
    ] = 10.0
    confirm_s: Annotated[
        float,
        Meta(description="Seconds of data after a trigger that its onset is judged by.", gt=0),
    ] = 0.3
    shortest_s: Annotated[
        float, Meta(description="A trigger that ends sooner (s) is a glitch.", gt=0)
    ] = 0.25
    longest_s: Annotated[
        float,
        Meta(
            description="A trigger that lasts longer (s) ends, and the noise is learnt anew.", gt=0
        ),
    ] = 60.0
    apart_s: Annotated[
        float, Meta(description="Onsets of a station stand at least this far apart (s).", gt=0)
    ] = 2.0
    window_s: Annotated[
        float,
        Meta(description="Seconds before a trigger in which the onset is looked for.", gt=0),
    ] = 3.0
    min_snr: Annotated[
        float,
        Meta(
            description="Amplitude ratio of signal to noise below which an onset is left out.", gt=0
        ),
    ] = 3.0
    follow_s: Annotated[
        float,
        Meta(
            description="Seconds after a pick in which a station reports with every packet.", gt=4
        ),
    ] = 60.0
    late_s: Annotated[
        float,
        Meta(description="A station whose data come later than this (s) does not count.", gt=0),
    ] = 6.0

    def __post_init__(self) -> None:
        """Refuse averages that can never trigger: a ratio is at most that of their lengths."""
        if self.on * self.short_s >= self.long_s:
            raise ValueError("long_s must be more than on times short_s, or nothing can trigger")
        if self.again * self.short_s >= self.middle_s:
            raise ValueError("middle_s must be more than again times short_s")


class LocateSettings(Settings, frozen=True):
    """From picks to an event."""

    model: Annotated[
        str,
        Meta(description="1-D model of the travel times: ak135, or another that obspy.taup knows."),
    ] = "ak135"
    max_depth_km: Annotated[
        float, Meta(description="Deepest source (km) that is looked for.", gt=0, le=300)
    ] = 60.0
    search_km: Annotated[
        float,
        Meta(
            description="Sources are looked for within this distance (km) of the first pick.", gt=0
        ),
    ] = 250.0
    pick_sigma_s: Annotated[
        float,
        Meta(description="Standard deviation (s) of a time: picking, clocks and the model.", gt=0),
    ] = 0.5
    tolerance_s: Annotated[
        float,
        Meta(description="A pick this far (s) from its computed time belongs to the event.", gt=0),
    ] = 3.0
    pick_life_s: Annotated[
        float, Meta(description="A pick that belongs to no event is kept this long (s).", gt=0)
    ] = 40.0
    provisional_stations: Annotated[
        int, Meta(description="Stations that make a provisional event.", ge=2)
    ] = 2
    confirmed_stations: Annotated[
        int, Meta(description="Stations that confirm an event.", ge=3)
    ] = 3
    max_spread_km: Annotated[
        float,
        Meta(description="Largest distance (km) between the stations that start an event.", gt=0),
    ] = 150.0
    max_silent_share: Annotated[
        float,
        Meta(
            description="Share of the stations which should have seen the P wave and have not, "
            "above which no event begins, and a provisional one is cancelled.",
            gt=0,
            le=1,
        ),
    ] = 0.4
    max_silent_share_confirmed: Annotated[
        float,
        Meta(description="The same share, above which a confirmed event is cancelled.", gt=0, le=1),
    ] = 0.7
    silent_after_s: Annotated[
        float,
        Meta(description="A station is silent this long (s) after the P wave was due.", gt=0),
    ] = 2.0
    event_life_s: Annotated[
        float, Meta(description="An event takes picks for this long (s) after its origin.", gt=0)
    ] = 200.0
    stations_healthy_s: Annotated[
        float,
        Meta(description="A station that has not reported for this long (s) says nothing.", gt=0),
    ] = 10.0


class MagnitudeSettings(Settings, frozen=True):
    """Magnitude from the displacement of the P wave.

    ``M = a log10(Pd / cm) + b log10(R_epicentral / km) + c``: Kuyuk and Allen (2013),
    doi:10.1002/2013GL058580.
    """

    a: Annotated[float, Meta(description="Factor of log10 of Pd in cm.")] = 1.23
    b: Annotated[float, Meta(description="Factor of log10 of epicentral distance in km.")] = 1.38
    c: Annotated[float, Meta(description="Constant of the magnitude.")] = 5.39
    station_sigma: Annotated[
        float, Meta(description="Standard deviation of one station's magnitude.", gt=0)
    ] = 0.45
    floor_sigma: Annotated[
        float,
        Meta(description="What the average over many stations keeps of it: the event term.", gt=0),
    ] = 0.25
    min_noise_ratio: Annotated[
        float,
        Meta(description="Pd counts when it is this many times the displacement before P.", gt=1),
    ] = 3.0
    min_distance_km: Annotated[
        float, Meta(description="Nearer stations (km) count as if they stood here.", gt=0)
    ] = 10.0
    max_distance_km: Annotated[
        float, Meta(description="Stations further away (km) do not count.", gt=0)
    ] = 200.0
    saturates_at: Annotated[
        float,
        Meta(description="From this magnitude on four seconds of P can only say: at least."),
    ] = 6.5


class DetectSettings(Settings, frozen=True):
    """From samples to events."""

    region: Annotated[
        str,
        Meta(
            description="Name of the region: the key of its picks, and the start of event ids.",
            pattern="^[A-Za-z0-9-]+$",
        ),
    ] = "local"
    pick: PickSettings = PickSettings()
    locate: LocateSettings = LocateSettings()
    magnitude: MagnitudeSettings = MagnitudeSettings()
