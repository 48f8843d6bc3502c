"""Local times: the zones that ship, offsets as CAP wants them, and none of the system's."""

import zoneinfo
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch import local_time, places
from dispatch.local_time import UnknownZoneError


def us(text):
    return round(datetime.fromisoformat(text + "+00:00").timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("moment", "zone", "cap", "clock"),
    [
        # Kazakhstan has been at +05:00 as a whole since 2024-03-01.
        ("2024-01-22T18:09:04", "Asia/Almaty", "2024-01-23T00:09:04+06:00", "UTC+06:00"),
        ("2025-12-04T07:44:00", "Asia/Almaty", "2025-12-04T12:44:00+05:00", "UTC+05:00"),
        ("2025-12-04T07:44:00", "Asia/Qostanay", "2025-12-04T12:44:00+05:00", "UTC+05:00"),
        ("2025-12-04T07:44:00", "Asia/Bishkek", "2025-12-04T13:44:00+06:00", "UTC+06:00"),
        ("2025-12-04T07:44:00", "Asia/Dushanbe", "2025-12-04T12:44:00+05:00", "UTC+05:00"),
        ("2025-12-04T07:44:00", "Asia/Samarkand", "2025-12-04T12:44:00+05:00", "UTC+05:00"),
        ("2025-12-04T07:44:00", "Asia/Ashgabat", "2025-12-04T12:44:00+05:00", "UTC+05:00"),
        ("2025-12-04T07:44:00", "Asia/Kathmandu", "2025-12-04T13:29:00+05:45", "UTC+05:45"),
        ("2025-12-04T07:44:00", "America/St_Johns", "2025-12-04T04:14:00-03:30", "UTC-03:30"),
        ("2025-12-04T07:44:00", "UTC", "2025-12-04T07:44:00-00:00", "UTC"),
        ("2025-12-04T07:44:00", "Europe/London", "2025-12-04T07:44:00-00:00", "UTC"),
        ("2025-07-04T07:44:00", "Europe/London", "2025-07-04T08:44:00+01:00", "UTC+01:00"),
        # Liberia was 44 minutes and a half behind until 1972, which CAP cannot say.
        ("1971-01-01T00:00:00", "Africa/Monrovia", "1971-01-01T00:00:00-00:00", "UTC"),
    ],
)
def test_times_with_their_offsets(moment, zone, cap, clock):
    assert local_time.cap_text(us(moment) + 999_999, zone) == cap
    assert local_time.clock_text(us(moment), zone) == f"{cap[:10]} {cap[11:19]} {clock}"


def test_the_zones_of_the_system_are_not_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(zoneinfo, "TZPATH", (str(tmp_path),))
    local_time.zone.cache_clear()
    assert local_time.zone("Asia/Almaty").utcoffset(datetime(2025, 1, 1)).seconds == 5 * 3600  # noqa: DTZ001


def test_every_place_has_a_zone_that_is_known():
    assert {local_time.zone(name).key for name in set(places.load().timezone)}


@pytest.mark.parametrize("name", ["Asia/Nowhere", "", "../zoneinfo/UTC", "/etc/passwd", "Asia"])
def test_a_zone_that_there_is_not(name):
    with pytest.raises(UnknownZoneError):
        local_time.zone(name)


@given(
    st.integers(0, 4_000_000_000),
    st.sampled_from(["Asia/Almaty", "Asia/Kathmandu", "UTC", "Europe/London", "Pacific/Apia"]),
)
def test_a_time_reads_back(second, zone):
    text = local_time.cap_text(second * 1_000_000, zone)
    assert len(text) == 25
    assert not text.endswith("+00:00")
    assert datetime.fromisoformat(text) == datetime.fromtimestamp(second, UTC)
