"""Settings of the picker, the locator and the magnitude."""

from typing import Annotated, Literal

from msgspec import Meta

from stream.settings import Settings

__all__ = [
    "DetectSettings",
    "HazardSettings",
    "LocateSettings",
    "MagnitudeSettings",
    "MudflowSettings",
    "PickSettings",
    "ShakingSettings",
    "TrustSettings",
]


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
        Meta(description="Seconds after a start or a long gap in which a channel is blind.", gt=0),
    ] = 10.0
    resume_s: Annotated[
        float,
        Meta(description="Seconds after a bridged gap in which a channel is blind.", gt=0),
    ] = 1.0
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
        Meta(description="Standard deviation (s) of an onset: picking and clocks.", gt=0),
    ] = 0.3
    tolerance_s: Annotated[
        float,
        Meta(description="A pick this far (s) from its computed time belongs to the event.", gt=0),
    ] = 3.0
    pick_life_s: Annotated[
        float, Meta(description="A pick that belongs to no event is kept this long (s).", gt=0)
    ] = 40.0
    provisional_stations: Annotated[
        int, Meta(description="Fewest independent stations of a provisional event.", ge=2)
    ] = 2
    provisional_probability: Annotated[
        float,
        Meta(
            description="Probability of an earthquake from which an event is provisional.",
            gt=0,
            lt=1,
        ),
    ] = 0.1
    confirmed_stations: Annotated[
        int, Meta(description="Fewest independent stations of a confirmed event.", ge=2)
    ] = 3
    confirmed_probability: Annotated[
        float,
        Meta(
            description="Probability of an earthquake from which an event is confirmed.",
            gt=0,
            lt=1,
        ),
    ] = 0.98
    sure_probability: Annotated[
        float,
        Meta(
            description="Probability from which an event of fewer stations is confirmed too.",
            gt=0,
            lt=1,
        ),
    ] = 0.999
    cancelled_probability: Annotated[
        float,
        Meta(
            description="Probability of an earthquake below which an event is cancelled.",
            gt=0,
            lt=1,
        ),
    ] = 0.02
    earthquakes_per_year: Annotated[
        float,
        Meta(
            description="Earthquakes of M 4 and more in a year on a million square km: what is "
            "expected before any station has spoken.",
            gt=0,
        ),
    ] = 100.0
    max_spread_km: Annotated[
        float,
        Meta(description="Largest distance (km) between the stations that start an event.", gt=0),
    ] = 150.0
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

    def __post_init__(self) -> None:
        """Refuse that fewer stations need to be less sure than more."""
        if self.sure_probability < self.confirmed_probability:
            raise ValueError("sure_probability must not be below confirmed_probability")


class TrustSettings(Settings, frozen=True):
    """How far a station is believed."""

    window_s: Annotated[
        float,
        Meta(description="False picks and faults are remembered for this long (s).", gt=0),
    ] = 900.0
    false_picks_per_hour: Annotated[
        float,
        Meta(
            description="Picks of noise in an hour at a station of which nothing is known yet.",
            gt=0,
        ),
    ] = 1.0
    same_place_km: Annotated[
        float,
        Meta(description="Stations that are closer (km) count as one: they feel one lorry.", ge=0),
    ] = 1.0
    telemetry: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description="Stations (NET.STA) by the line on which their data come; those on one "
            "line count as one."
        ),
    ] = {}  # noqa: RUF012 - msgspec copies it


class MagnitudeSettings(Settings, frozen=True):
    """Magnitude from the peaks of P and S.

    Displacement of P: ``M = a log10(Pd / cm) + b log10(R_epicentral / km) + c``, Kuyuk and Allen
    (2013), doi:10.1002/2013GL058580. The other peaks after Cua and Heaton (2009), with what is
    added to log10 of a peak in this region. `alatau calibrate` fits them to recordings.
    """

    a: Annotated[float, Meta(description="Factor of log10 of Pd in cm.", gt=0)] = 1.23
    b: Annotated[float, Meta(description="Factor of log10 of epicentral distance in km.")] = 1.38
    c: Annotated[float, Meta(description="Constant of the magnitude.")] = 5.39
    p_acceleration: Annotated[
        float, Meta(description="Added to log10 of the acceleration of P.", ge=-2, le=2)
    ] = 0.0
    p_velocity: Annotated[
        float, Meta(description="Added to log10 of the velocity of P.", ge=-2, le=2)
    ] = 0.0
    s_acceleration: Annotated[
        float, Meta(description="Added to log10 of the acceleration of S.", ge=-2, le=2)
    ] = 0.0
    s_velocity: Annotated[
        float, Meta(description="Added to log10 of the velocity of S.", ge=-2, le=2)
    ] = 0.0
    p_displacement_sigma: Annotated[
        float, Meta(description="Standard deviation of log10 of Pd at one station.", gt=0)
    ] = 0.305
    p_acceleration_sigma: Annotated[
        float,
        Meta(description="Standard deviation of log10 of the acceleration of P.", gt=0),
    ] = 0.31
    p_velocity_sigma: Annotated[
        float, Meta(description="Standard deviation of log10 of the velocity of P.", gt=0)
    ] = 0.26
    s_acceleration_sigma: Annotated[
        float,
        Meta(description="Standard deviation of log10 of the acceleration of S.", gt=0),
    ] = 0.31
    s_velocity_sigma: Annotated[
        float, Meta(description="Standard deviation of log10 of the velocity of S.", gt=0)
    ] = 0.28
    event_share: Annotated[
        float,
        Meta(
            description="Share of that variance which all stations of an event have in common: "
            "more stations do not take it away.",
            ge=0,
            lt=1,
        ),
    ] = 0.3
    station_share: Annotated[
        float,
        Meta(
            description="Share of that variance which the peaks of one station have in common.",
            ge=0,
            lt=1,
        ),
    ] = 0.5
    prior_slope: Annotated[
        float,
        Meta(
            description="Earthquakes become rarer by this power of ten for each magnitude: b = 1 "
            "of the catalogues, less 0.5 as each counts by the area that it shakes.",
            ge=0,
            le=2,
        ),
    ] = 0.5
    min_noise_ratio: Annotated[
        float,
        Meta(
            description="A peak counts when it is this many times that before P; a lower one only "
            "says: at most.",
            gt=1,
        ),
    ] = 3.0
    max_distance_km: Annotated[
        float, Meta(description="Stations further away (km) do not count.", gt=0)
    ] = 200.0


class ShakingSettings(Settings, frozen=True):
    """What stations feel, beside any source."""

    told_from: Annotated[
        float,
        Meta(
            description="From this intensity on an event tells what a station feels; below the "
            "lowest intensity that any country warns of.",
            ge=2,
            le=12,
        ),
    ] = 3.5
    neighbour_km: Annotated[
        float,
        Meta(description="Within this distance (km) a second station bears out the first.", gt=1),
    ] = 60.0
    above: Annotated[
        float,
        Meta(
            description="By so many degrees a station may feel more than a second one or than the "
            "source explains; more is not believed.",
            ge=0,
        ),
    ] = 1.5


class MudflowSettings(Settings, frozen=True):
    """From the samples of a seismic station to the tremor of a flow."""

    low_hz: Annotated[float, Meta(description="Lower corner (Hz) of the band of flows.", gt=0)] = (
        5.0
    )
    high_hz: Annotated[
        float,
        Meta(
            description="Upper corner (Hz) of it; lower where the sampling rate does not allow it.",
            gt=0,
        ),
    ] = 20.0
    ratio: Annotated[
        float,
        Meta(description="Energy of the band against the noise before it, from which on.", gt=4),
    ] = 10.0
    noise_s: Annotated[
        float,
        Meta(
            description="Noise is learnt from so many seconds before; a restart reads them again.",
            ge=30,
            le=3600,
        ),
    ] = 300.0
    sustain_s: Annotated[
        float, Meta(description="Seconds for which the energy must be above.", ge=15)
    ] = 20.0
    emergent_s: Annotated[
        float, Meta(description="Seconds that the rise of a flow has lasted at least.", ge=15)
    ] = 60.0
    sudden_s: Annotated[
        float,
        Meta(
            description="Seconds since a jump within it, and from its begin where that is a pick: "
            "so begins an earthquake.",
            ge=15,
        ),
    ] = 180.0
    jump: Annotated[
        float,
        Meta(description="Ratio of energies 15 s apart that is a jump.", gt=1),
    ] = 6.0
    hold_s: Annotated[
        float,
        Meta(description="Seconds for which a rise counts after it has been seen last.", ge=10),
    ] = 60.0
    shortest_s: Annotated[float, Meta(description="What lasts shorter (s) was no flow.", gt=0)] = (
        120.0
    )

    def __post_init__(self) -> None:
        """Refuse what can never be: a band of nothing, a rise longer than what is remembered."""
        if self.high_hz <= self.low_hz:
            raise ValueError("high_hz must be more than low_hz")
        if not self.sustain_s <= self.emergent_s <= self.sudden_s <= self.noise_s:
            raise ValueError("sustain_s, emergent_s, sudden_s, noise_s must not fall")


class HazardSettings(Settings, frozen=True):
    """Floods, outbursts, flows and releases."""

    sensors: Annotated[
        tuple[str, ...], Meta(description="Sensor files (TOML), relative to this file.")
    ] = ()
    valleys: Annotated[
        tuple[str, ...], Meta(description="Files of reaches (TOML), relative to this file.")
    ] = ()
    cascades: Annotated[
        tuple[str, ...],
        Meta(description="Files of what sets off what (TOML), relative to this file."),
    ] = ()
    clear_s: Annotated[
        float,
        Meta(
            description="An event is over, or its level lower, when no sensor has said otherwise "
            "for this long (s).",
            ge=0,
            le=86_400,
        ),
    ] = 1800.0
    alone_s: Annotated[
        float,
        Meta(
            description="A sensor that has said level 3 for this long (s), and against which no "
            "other speaks, confirms it alone.",
            ge=60,
            le=86_400,
        ),
    ] = 600.0
    tremors: Annotated[
        Literal["anywhere", "reaches"],
        Meta(
            description="Where a tremor makes an event: at any seismic station (a watch for those "
            "on duty, never confirmed by itself), or only at those of a reach."
        ),
    ] = "anywhere"
    tremor_lasts_s: Annotated[
        float,
        Meta(
            description="A tremor that lasts this long (s) and is strong confirms a flow at level "
            "2 with one station.",
            ge=10,
            le=3600,
        ),
    ] = 75.0
    tremor_ratio: Annotated[
        float,
        Meta(
            description="Band energy against the noise from which on a tremor is strong; 10 after "
            "Wei and Liu (2019).",
            gt=1,
        ),
    ] = 10.0
    longest_h: Annotated[
        float,
        Meta(
            description="Where nothing was quiet for so many hours, events are told anew; what "
            "must be read again at a restart grows with it.",
            ge=1,
            le=720,
        ),
    ] = 24.0


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
    trust: TrustSettings = TrustSettings()
    magnitude: MagnitudeSettings = MagnitudeSettings()
    shaking: ShakingSettings = ShakingSettings()
    hazards: HazardSettings = HazardSettings()
    mudflow: MudflowSettings = MudflowSettings()
