"""Fits the constants of the magnitude to recordings of which the catalogue is known.

The peaks of P and S are those that the picker tells, at the catalogue's place and time. Each
constant is drawn towards the published one, the more the fewer the data: a prior of the widths
below. All stations of an event share a part of their scatter, so that a hundred records of one
earthquake weigh little more than three. What the fit is worth is told by leaving out one event
at a time, fitting the others, and estimating the one.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from detect import detections
from detect.detections import Motion, Pick, PickMotion
from detect.envelopes import KINDS, KUYUK_ALLEN, NEAREST_KM, Kind, log_peak
from detect.following import WINDOWS_S
from detect.geodesy import distance_azimuth
from detect.magnitude import Amplitude, combine, station_magnitude
from detect.picker import PickOperator
from detect.saturation import rupture_length_km, seen_magnitude
from detect.settings import DetectSettings, MagnitudeSettings
from detect.traveltimes import TravelTimes
from ingest.settings import IngestSettings
from ingest.sources.archive import Recording
from replay.catalogue import Catalogue
from replay.session import SLICE_PACKETS
from stream.errors import AlatauError
from stream.records import Record
from stream.topics import DETECTIONS, WAVEFORMS

__all__ = [
    "Calibration",
    "CalibrationError",
    "Event",
    "Heard",
    "calibrate",
    "constants",
    "observe",
]

PICK_S = 3.0  # a pick this near to the computed P is one of it
ASSUMED_DEPTH_KM = 10.0  # where the catalogue is silent
S_GROWS_S = 3.0  # seconds of S without which its peak is not taken
LEAST_P_S = 1.0  # the same of P
LEAST_EVENTS = 2
LEAST_LINE = 3  # events for the three constants of the displacement

# Prior standard deviations: of a constant added to log10 of a peak; of Pd's slope with magnitude,
# slope with log10 of distance, and constant.
SHIFT = 0.3
SLOPES = (0.08, 0.15, 0.3)
PIVOT = (5.5, 1.7)  # magnitude and log10 of distance about which Pd's line is turned
SIGMA_RECORDS = 20  # records that the published scatter is worth

_Doubles = npt.NDArray[np.float64]


class CalibrationError(AlatauError):
    """There is too little to calibrate with; the message says what is missing."""


class Heard(Struct, frozen=True):
    """One station of an event.

    Attributes
    ----------
    station, distance_km, s_minus_p_s
        Which, and where and when by the catalogue.
    motions
        All that was told since its P pick, in order.
    """

    station: str
    distance_km: float
    s_minus_p_s: float
    motions: tuple[PickMotion, ...]


class Event(Struct, frozen=True):
    """A recording as far as it tells of magnitudes."""

    folder: str
    magnitude: float
    heard: tuple[Heard, ...]


class Peak(Struct, frozen=True):
    """One peak that tells of a constant: log10 (cm, cm/s, cm/s2), magnitude and distance (km)."""

    event: str
    kind: Kind
    logarithm: float
    magnitude: float
    distance_km: float


class Estimate(Struct, frozen=True):
    """The magnitude of an event by the published constants, and by those fitted without it."""

    folder: str
    magnitude: float
    stations: int
    published: float
    fitted: float


class Calibration(Struct, frozen=True):
    """What came of it.

    Attributes
    ----------
    before, after
        The settings that were given, and with the constants that were fitted.
    records, moved
        By kind of peak: how many were used of how many events, and by how many of their prior
        standard deviations the data moved the constants.
    estimates
        The cross-validation, an event each.
    """

    before: MagnitudeSettings
    after: MagnitudeSettings
    records: dict[Kind, tuple[int, int]]
    moved: dict[Kind, float]
    estimates: tuple[Estimate, ...]

    @property
    def helps(self) -> bool:
        """Whether events are estimated better by constants that were fitted to the others."""
        published = sum((e.published - e.magnitude) ** 2 for e in self.estimates)
        return sum((e.fitted - e.magnitude) ** 2 for e in self.estimates) < published


def observe(
    recording: Recording,
    catalogue: Catalogue,
    detect: DetectSettings,
    ingest: IngestSettings,
    tables: TravelTimes,
) -> Event:
    """Run a recording through the picker, and keep what belongs to the catalogue's event.

    Raises
    ------
    CalibrationError
        If the catalogue has no magnitude, or no station has picked the event.
    """
    if catalogue.magnitude is None:
        raise CalibrationError(f"{recording.folder}: the catalogue has no magnitude for it")
    depth_km = ASSUMED_DEPTH_KM if catalogue.depth_km is None else max(catalogue.depth_km, 0.0)
    operator = PickOperator(0, recording.channels, detect, ingest)
    nearest: dict[str, tuple[float, Pick]] = {}
    motions: dict[str, list[PickMotion]] = {}
    packets = recording.packets
    for begin in range(0, len(packets), SLICE_PACKETS):
        records = [
            Record(WAVEFORMS.name, 0, begin + i, p.arrival_ms, p.station.encode(), p.value)
            for i, p in enumerate(packets[begin : begin + SLICE_PACKETS])
        ]
        for output in operator.process(records):
            if output.topic != DETECTIONS.name:
                continue
            said = detections.decode(output.value)
            if isinstance(said, Motion):
                for report in said.stations:
                    if "clipped" not in report.faults:
                        for motion in report.since_picks:
                            motions.setdefault(motion.pick_id, []).append(motion)
            elif isinstance(said, Pick) and said.phase == "P" and not said.faults:
                distance = _distance_km(catalogue, said)
                late_s = (said.time_us - catalogue.time_us) * 1e-6 - tables.p(distance, depth_km)
                if abs(late_s) <= PICK_S and abs(late_s) < nearest.get(said.station, (9.0,))[0]:
                    nearest[said.station] = abs(late_s), said
    heard = []
    for station, (_, pick) in sorted(nearest.items()):
        distance = _distance_km(catalogue, pick)
        s_s = tables.s(distance, depth_km) - (pick.time_us - catalogue.time_us) * 1e-6
        if distance <= detect.magnitude.max_distance_km and pick.id in motions:
            heard.append(Heard(station, distance, s_s, tuple(motions[pick.id])))
    if not heard:
        raise CalibrationError(
            f"{recording.folder}: no station picked the catalogue's event within "
            f"{detect.magnitude.max_distance_km:g} km and {PICK_S:g} s of its P wave"
        )
    return Event(recording.folder, catalogue.magnitude, tuple(heard))


def _distance_km(catalogue: Catalogue, pick: Pick) -> float:
    return distance_azimuth(catalogue.latitude, catalogue.longitude, pick.latitude, pick.longitude)[
        0
    ]


def _peaks(event: Event, settings: MagnitudeSettings) -> list[Peak]:
    """Return the peaks that tell of the constants.

    They stand out of the noise, have seen half of the earthquake, and are not so near to a large
    one that the distance to its epicentre means little.
    """
    found: list[Peak] = []

    def add(one: Heard, kind: Kind, value: float, noise: float, window_s: float) -> None:
        if value > settings.min_noise_ratio * noise and seen_magnitude(window_s) >= event.magnitude:
            logarithm = 2.0 + 0.5 * math.log10(value**2 - noise**2)
            found.append(Peak(event.folder, kind, logarithm, event.magnitude, one.distance_km))

    for one in event.heard:
        if one.distance_km < rupture_length_km(event.magnitude):
            continue
        last = one.motions[-1]
        windows = [w for w in zip(WINDOWS_S, last.pd_m, strict=False) if w[0] <= one.s_minus_p_s]
        if windows:
            add(one, "p_displacement", windows[-1][1], last.noise_pd_m, windows[-1][0])
        before_s = [m for m in one.motions if LEAST_P_S <= m.elapsed_s <= one.s_minus_p_s]
        if before_s:
            p = before_s[-1]
            add(one, "p_velocity", p.pgv, p.noise_pgv, p.elapsed_s)
            add(one, "p_acceleration", p.pga, p.noise_pga, p.elapsed_s)
        since_s = last.elapsed_s - one.s_minus_p_s
        if since_s >= S_GROWS_S:
            add(one, "s_velocity", last.pgv, last.noise_pgv, since_s)
            add(one, "s_acceleration", last.pga, last.noise_pga, since_s)
    return found


def _weights(events: Sequence[str], sigma: float, share: float) -> _Doubles:
    """Inverse covariance of records whose events share a part of the variance."""
    same = np.array([[a == b for b in events] for a in events], np.float64)
    covariance = sigma**2 * (share * same + (1.0 - share) * np.eye(len(events)))
    return np.asarray(np.linalg.inv(covariance))


def _solve(
    rows: _Doubles,
    values: _Doubles,
    events: Sequence[str],
    widths: _Doubles,
    sigma: float,
    share: float,
) -> _Doubles:
    """Least squares of `values` by `rows`, each unknown drawn to 0 with its width."""
    weights = _weights(events, sigma, share)
    normal = rows.T @ weights @ rows + np.diag(widths**-2.0)
    return np.asarray(np.linalg.solve(normal, rows.T @ weights @ values))


def _scatter(residuals: _Doubles, published: float) -> float:
    """Return the standard deviation of residuals; the published one is worth some records."""
    total = SIGMA_RECORDS * published**2 + float(residuals @ residuals)
    return math.sqrt(total / (SIGMA_RECORDS + residuals.size))


def _fit(
    peaks: Sequence[Peak], settings: MagnitudeSettings
) -> tuple[MagnitudeSettings, dict[Kind, float]]:
    """Fit all constants to some peaks."""
    changes: dict[str, float] = {}
    moved: dict[Kind, float] = {}
    for kind in KINDS:
        some = [p for p in peaks if p.kind == kind]
        events = [p.event for p in some]
        if len(set(events)) < (LEAST_LINE if kind == "p_displacement" else 1):
            continue
        sigma = float(getattr(settings, f"{kind}_sigma"))
        expected = np.array(
            [log_peak(KINDS.index(kind), p.magnitude, p.distance_km, KUYUK_ALLEN) for p in some]
        )
        values = np.array([p.logarithm for p in some]) - expected
        if kind == "p_displacement":
            far = np.log10([max(p.distance_km, NEAREST_KM) for p in some])
            sizes = np.array([p.magnitude for p in some])
            rows = np.column_stack((sizes - PIVOT[0], far - PIVOT[1], np.ones(far.size)))
            widths = np.array(SLOPES)
        else:
            rows, widths = np.ones((len(some), 1)), np.array([SHIFT])
        found = _solve(rows, values, events, widths, sigma, settings.event_share)
        moved[kind] = float(np.sqrt(np.mean((found / widths) ** 2)))
        changes[f"{kind}_sigma"] = round(_scatter(values - rows @ found, sigma), 3)
        if kind == "p_displacement":
            a, b, c = KUYUK_ALLEN
            slope, decay = 1.0 / a + found[0], -b / a + found[1]
            constant = -c / a - PIVOT[0] * found[0] - PIVOT[1] * found[1] + found[2]
            changes["a"] = round(float(1.0 / slope), 3)
            changes["b"] = round(float(-decay / slope), 3)
            changes["c"] = round(float(-constant / slope), 3)
        else:
            changes[kind] = round(float(found[0]), 3)
    return msgspec.structs.replace(settings, **changes), moved


def _estimate(event: Event, settings: MagnitudeSettings) -> tuple[float, int]:
    """Return the magnitude that all peaks of an event come to, and from how many stations."""
    last: list[Amplitude] = []
    for one in event.heard:
        place, wait = np.array([one.distance_km]), np.array([one.s_minus_p_s])
        said = station_magnitude(one.motions, place, wait, settings)
        if said is not None:
            last.append(said)
    found = combine(last, settings)
    return (math.nan, 0) if found is None else (found.value, found.stations)


def calibrate(events: Sequence[Event], settings: MagnitudeSettings) -> Calibration:
    """Fit the constants, and say what that is worth.

    Parameters
    ----------
    events
        Two or more.
    settings
        What is not fitted stays; the constants are fitted from the published ones on.

    Raises
    ------
    CalibrationError
        With fewer events, or where no peak tells of any constant.
    """
    if len(events) < LEAST_EVENTS:
        raise CalibrationError(
            f"{len(events)} recordings that can be used are too few: one event's own deviation "
            f"cannot be told from the region's. Give at least {LEAST_EVENTS}."
        )
    own = MagnitudeSettings()
    start = {name: getattr(own, name) for name in constants()}
    published = msgspec.structs.replace(settings, **start)
    by_event = {event.folder: _peaks(event, published) for event in events}
    every = [peak for peaks in by_event.values() for peak in peaks]
    if not every:
        raise CalibrationError("no peak stands out of the noise and has seen half of its event")
    after, moved = _fit(every, published)
    estimates = []
    for event in events:
        others = [peak for peak in every if peak.event != event.folder]
        without, _ = _fit(others, published)
        plain, stations = _estimate(event, published)
        if stations:
            fitted, _ = _estimate(event, without)
            estimates.append(Estimate(event.folder, event.magnitude, stations, plain, fitted))
    records: dict[Kind, tuple[int, int]] = {}
    for kind in KINDS:
        of_kind = [p.event for p in every if p.kind == kind]
        records[kind] = len(of_kind), len(set(of_kind))
    return Calibration(published, after, records, moved, tuple(estimates))


def constants() -> list[str]:
    """Names of the settings that are fitted."""
    shifts = [kind for kind in KINDS if kind != "p_displacement"]
    return ["a", "b", "c", *shifts, *(f"{kind}_sigma" for kind in KINDS)]
