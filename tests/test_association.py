"""Where what a station feels is no more of a small event, but of a larger one."""

import dataclasses

import pytest
from made_detections import START_US, ak135, p_s, pick, ring

from detect.association import Candidate, Surroundings, ends_us
from detect.locate import Located
from detect.network import Network
from detect.settings import DetectSettings, TrustSettings
from detect.trust import Trust

SOURCE = (42.5, 74.6, 10.0)
NETWORK = ring(42.5, 74.6, 30.0, 4)
AFTER_US = 15_000_000
SETTINGS = DetectSettings()


def event(name, origin_us, magnitude, stations, log_odds=5.0):
    """An event with a P pick at each of these stations."""
    picks = {}
    for station in stations:
        place = NETWORK[station]
        picks[station] = pick(station, place, origin_us + round(p_s(place, SOURCE)[0] * 1e6))
    first_us = min(p.time_us for p in picks.values())
    source = Located(
        latitude=SOURCE[0],
        longitude=SOURCE[1],
        depth_km=SOURCE[2],
        origin_s=(origin_us - first_us) * 1e-6,
        epicentre_sigma_km=5.0,
        depth_sigma_km=5.0,
        origin_sigma_s=1.0,
        magnitude=magnitude,
        log_odds=log_odds,
        residuals_s=(),
        belongs=(),
        belongs_as_s=(),
        missing=(),
    )
    made = Candidate(name, first_us, picks, source, origin_us)
    made.belongs = dict.fromkeys(picks, 1.0)
    return made


@dataclasses.dataclass
class Two:
    """A small event at all stations, and another after it at some."""

    magnitude: float = 6.0
    stations: tuple[str, ...] = ("XX.S00",)
    log_odds: float = 5.0

    def __post_init__(self):
        self.small = event("small", START_US, 3.0, NETWORK)
        self.next = event("next", START_US + AFTER_US, self.magnitude, self.stations, self.log_odds)
        both = {"small": self.small, "next": self.next}
        network, trust = Network(10.0, 300.0), Trust(TrustSettings())
        self.around = Surroundings(network, trust, {}, both, SETTINGS, ak135)

    def ends_s(self, of, station):
        """Seconds after the pick, or None."""
        held = of.picks[station]
        end_us = ends_us(held, self.around)
        return None if end_us is None else (end_us - held.time_us) * 1e-6


def test_it_ends_with_the_pick_of_the_larger_one_or_when_its_p_is_due():
    two = Two()
    two.next.picks["XX.S00"] = pick(
        "XX.S00", NETWORK["XX.S00"], two.small.picks["XX.S00"].time_us + 14_000_000
    )
    assert two.ends_s(two.small, "XX.S00") == pytest.approx(14.0)
    assert two.ends_s(two.small, "XX.S01") == pytest.approx(15.0, abs=0.01)


def test_the_larger_one_goes_on():
    two = Two()
    assert two.ends_s(two.next, "XX.S00") is None


@pytest.mark.parametrize("changes", [{"magnitude": 2.9}, {"log_odds": -1.0}])
def test_a_smaller_or_an_improbable_one_ends_nothing(changes):
    two = Two(**changes)
    assert two.ends_s(two.small, "XX.S01") is None


def test_a_pick_of_no_event_has_no_end():
    two = Two()
    free = pick("XX.S01", NETWORK["XX.S01"], START_US + 3_000_000)
    assert ends_us(free, two.around) is None


def test_of_a_pick_that_was_given_up_nothing_is_left():
    two = Two(stations=("XX.S00", "XX.S01"))
    two.next.as_s = frozenset(["XX.S00"])
    two.next.give_up("XX.S00")
    assert two.next.picks.keys() == two.next.belongs.keys() == {"XX.S01"}
    assert two.next.as_s == frozenset()
    assert two.next.stale
    assert two.ends_s(two.small, "XX.S00") == pytest.approx(15.0, abs=0.01)
