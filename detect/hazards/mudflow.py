"""Mudflow and debris flow on the seismic stream: the tremor under a flow, station by station."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from detect.filters import NYQUIST_SHARE
from detect.hazards import mudflow_kernel as kernel
from detect.hazards.mudflow_kernel import Filters, Limits, Tremors
from detect.hazards.readings import Tremor
from detect.settings import MudflowSettings
from detect.stations import Sensor

__all__ = ["BLOCK_S", "TremorWatch", "band_taps"]

BLOCK_S = 5
"""Seconds of a block, whose mean energy is judged."""

HIGH_TAPS_S, LOW_TAPS_S = 0.5, 1.0  # of the band-passes: edges are then 6 and 3 Hz wide
LOWER = 0.25  # of the corner: the lower band is from there up to it
LOW_RATE = 5.0  # samples a second by which the energy of the lower band is told
LOW_RATIO = 8.0  # times its noise is the energy of the lower band: a flow is not only buzz
SHARE = 0.25  # of the lower band's energy (m^2/s^2) is the least that a flow has in its band
NOISE_QUANTILE = 0.2  # of the blocks before: passing cars and steps do not raise it
RISE = 3.0  # times the noise is where a rise begins, and where a tremor ends
KEPT = 0.5  # of the largest energy is what a flow keeps while it is judged
FALLEN = 0.1  # of it within `hold_s` is how an earthquake dies away
SLACK_S = 50.0  # of what is remembered: blocks and records that are cut, clocks that are ahead
LEAST = 1.0  # count^2: noise below is the digitiser's
DIGITS = 4

STATES: tuple[Literal["on", "going", "off", "no"], ...] = (
    "on",
    "going",
    "off",
    "no",
)  # in the order of the kernel's numbers

_Ints = npt.NDArray[np.int64]
_Doubles = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]


def band_taps(rate: float, low_hz: float, high_hz: float, length_s: float) -> _Doubles:
    """Design the band-pass: a windowed sinc (Hamming), symmetric, that stops a constant.

    It remembers its length and nothing more, so that no state outlives a restart.

    Parameters
    ----------
    rate
        Samples a second.
    low_hz, high_hz
        Corners (half the amplitude); the upper one is lowered to 0.8 of the Nyquist frequency.
    length_s
        Of the impulse response.

    Returns
    -------
    float64[odd]

    Raises
    ------
    ValueError
        If the rate is too low for the band.
    """
    high = min(high_hz, NYQUIST_SHARE * rate / 2)
    if high <= low_hz:
        raise ValueError(f"{rate:g} Hz is too slow for a band from {low_hz:g} Hz")
    half = round(length_s * rate / 2)
    t = np.arange(-half, half + 1) / rate
    window = np.hamming(t.size)
    taps = window * (2 * high * np.sinc(2 * high * t) - 2 * low_hz * np.sinc(2 * low_hz * t)) / rate
    taps -= window * (taps.sum() / window.sum())
    return np.asarray(taps)


class TremorWatch:
    """Folds the records of vertical channels into tremors.

    Parameters
    ----------
    settings
        By what is judged.

    Attributes
    ----------
    memory_s
        What was said is a function of the samples and picks of so many seconds.
    """

    def __init__(self, settings: MudflowSettings) -> None:
        self._settings = settings

        def blocks(seconds: float) -> int:
            return max(1, round(seconds / BLOCK_S))

        lengths = (
            blocks(settings.noise_s),
            blocks(settings.sustain_s),
            blocks(settings.emergent_s),
            blocks(settings.sudden_s),
            blocks(settings.hold_s),
            blocks(settings.shortest_s),
        )
        ratios = (
            NOISE_QUANTILE,
            settings.ratio,
            LOW_RATIO,
            RISE,
            settings.jump,
            KEPT,
            FALLEN,
            LEAST,
        )
        self._limits = Limits(
            BLOCK_S * 1_000_000_000, np.array(lengths, np.int64), np.array(ratios, np.float64)
        )
        remembered = lengths[kernel.NOISE] + lengths[kernel.HOLD] + kernel.STALE
        self.memory_s = remembered * BLOCK_S + SLACK_S
        self._rates: list[int] = []
        self._high: list[_Doubles] = []
        self._low: list[_Doubles] = []
        self._filters = _filters(self._high, self._low, self._rates)
        self._slowest = 1
        self._out = np.zeros((0, 4), np.int64)
        self._levels = np.zeros((0, 2))
        self._row = np.zeros(0, np.int64)
        self._sensors: dict[int, Sensor] = {}
        ring = lengths[kernel.NOISE] + lengths[kernel.HOLD] + 4
        self._tremors = _none(ring)

    def add(self, sensor: Sensor, rate: float) -> None:
        """Judge a channel from now on, if it is a primary one and sampled fast enough."""
        channel = sensor.axis.channel
        if channel >= self._row.size:
            more = np.full(max(64, channel + 1), -1, np.int64)
            self._row = np.concatenate((self._row, more))
        if not sensor.axis.primary or self._row[channel] >= 0:
            return
        kind = self._kind(max(1, round(rate)))
        if kind < 0:
            return
        row = len(self._sensors)
        if row == self._tremors.marks.shape[0]:
            self._grow(max(64, row))
        self._row[channel] = row
        self._sensors[channel] = sensor
        self._tremors.marks[row, kernel.KIND] = kind
        unit = self._high_to_low(kind) ** 2 if sensor.axis.accelerometer else 1.0
        self._tremors.sums[row, kernel.SHARE] = SHARE * unit

    def pick(self, sensor: Sensor, time_ns: int) -> None:
        """Note a P pick at all channels of the sensor's station."""
        block = time_ns // (BLOCK_S * 1_000_000_000)
        for row in self._rows(sensor).values():
            picks = self._tremors.picks[row]
            picks[:-1] = picks[1:]
            picks[-1] = block

    def advance(
        self,
        channel: _Ints,
        first: _Ints,
        count: _Ints,
        start_ns: _Ints,
        rate: _Doubles,
        restart: _Flags,
        samples: npt.NDArray[np.int32] | _Doubles,
    ) -> list[tuple[int, Tremor]]:
        """Take in records.

        Parameters
        ----------
        channel, first, count, start_ns, rate, restart, samples
            As given to `ChannelBank.advance`: each channel's in order, no station's values twice.

        Returns
        -------
        list of (record, tremor)
            What is to be said, and the number of the record that completed it.
        """
        most = channel.size + int(count.sum()) // (BLOCK_S * self._slowest)
        if most > self._out.shape[0]:
            self._out = np.zeros((2 * most, 4), np.int64)
            self._levels = np.zeros((2 * most, 2))
        many = kernel.advance(
            channel,
            first,
            count,
            start_ns,
            rate,
            restart,
            samples,
            self._row,
            self._filters,
            self._limits,
            self._tremors,
            self._out,
            self._levels,
        )
        said = []
        for row in range(many):
            record, block, what, since = self._out[row].tolist()
            noise, energy = self._levels[row].tolist()
            sensor = self._sensors[int(channel[record])]
            if self._speaks(sensor, block, STATES[what]):
                said.append((record, self._tremor(sensor, block, what, since, noise, energy)))
        return said

    def _rows(self, sensor: Sensor) -> dict[int, int]:
        """Return the rows of the channels of a sensor's station that are judged."""
        judged = [channel for channel in sensor.station.channels if channel in self._sensors]
        return {channel: int(self._row[channel]) for channel in judged}

    def _speaks(self, sensor: Sensor, block: int, state: str) -> bool:
        """Say whether a channel speaks for its station: one that has several says things once."""
        others = [
            self._sensors[channel].seed_id
            for channel, row in self._rows(sensor).items()
            if channel != sensor.axis.channel
            and self._tremors.marks[row, kernel.TOLD] >= block - kernel.STALE
        ]
        if state == "going":
            return all(sensor.seed_id < other for other in others)
        return not others

    def _tremor(
        self, sensor: Sensor, block: int, what: int, since: int, noise: float, energy: float
    ) -> Tremor:
        low, high = self._band(
            int(self._tremors.marks[self._row[sensor.axis.channel], kernel.KIND])
        )
        amplitude = math.sqrt(energy) / sensor.axis.gain
        if sensor.axis.accelerometer:
            amplitude /= 2 * math.pi * math.sqrt(low * high)
        place = sensor.station.place
        return Tremor(
            station=sensor.station.name,
            latitude=place.latitude,
            longitude=place.longitude,
            state=STATES[what],
            since_us=since * BLOCK_S * 1_000_000,
            time_us=(block + 1) * BLOCK_S * 1_000_000,
            ratio=_rounded(energy / noise),
            low_hz=low,
            high_hz=high,
            amplitude=_rounded(amplitude),
        )

    def _band(self, kind: int) -> tuple[float, float]:
        """Return the corners (Hz) of a row of the filters."""
        high = min(self._settings.high_hz, NYQUIST_SHARE * self._rates[kind] / 2)
        return self._settings.low_hz, high

    def _high_to_low(self, kind: int) -> float:
        """Return the ratio of the middles of the two bands: acceleration is velocity by it."""
        low, high = self._band(kind)
        return math.sqrt(high / low / LOWER)

    def _kind(self, rate: int) -> int:
        """Return the row of the filters for a rate; -1 if it is too low for the band."""
        if rate in self._rates:
            return self._rates.index(rate)
        low_hz = self._settings.low_hz
        try:
            high = band_taps(float(rate), low_hz, self._settings.high_hz, HIGH_TAPS_S)
        except ValueError:
            return -1
        low = band_taps(float(rate), LOWER * low_hz, low_hz, LOW_TAPS_S)
        self._rates.append(rate)
        for taps, rows in ((high, self._high), (low, self._low)):
            rows.append(np.concatenate((np.zeros(-taps.size % 8), taps)))
        self._filters = _filters(self._high, self._low, self._rates)
        old = self._tremors.tail
        most = max(self._high[-1].size, self._low[-1].size) - 1
        if most > old.shape[1]:
            tail = np.zeros((old.shape[0], most), np.float32)
            tail[:, : old.shape[1]] = old
            self._tremors = self._tremors._replace(tail=tail)
        return len(self._rates) - 1

    def _grow(self, rows: int) -> None:
        """Make room for so many rows more."""
        old = self._tremors
        pairs = zip(old, _none(old.energy.shape[2], rows, old.tail.shape[1]), strict=True)
        self._tremors = Tremors(*map(np.concatenate, pairs))  # type: ignore[arg-type]


def _filters(high: list[_Doubles], low: list[_Doubles], rates: list[int]) -> Filters:
    """Put filters into rows."""

    def rows(taps: list[_Doubles]) -> _Doubles:
        filled = np.zeros((len(taps), max((each.size for each in taps), default=1)))
        for row, each in zip(filled, taps, strict=True):
            row[: each.size] = each
        return filled

    return Filters(
        high=rows(high),
        low=rows(low),
        n_high=np.array([each.size for each in high], np.int64),
        n_low=np.array([each.size for each in low], np.int64),
        every=np.array([max(1, round(rate / LOW_RATE)) for rate in rates], np.int64),
    )


def _none(ring: int, rows: int = 0, tail: int = 0) -> Tremors:
    """Return the state of channels that have seen nothing."""
    marks = np.zeros((rows, kernel.MARKS), np.int64)
    marks[:, [kernel.BLOCK, kernel.NEWEST, kernel.RISEN, kernel.TOLD]] = kernel.NONE
    return Tremors(
        tail=np.zeros((rows, tail), np.float32),
        marks=marks,
        sums=np.zeros((rows, kernel.SUMS)),
        energy=np.full((rows, 2, ring), np.nan),
        picks=np.full((rows, kernel.PICKS), kernel.NONE, np.int64),
    )


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")
