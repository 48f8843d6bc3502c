"""Areas of warnings, as the stage makes them: whom they hold, and who is told across borders."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from made_earthquakes import PLACES, StraightRays, earthquake, records

from dispatch import cap, exposure, geography, places
from dispatch.local_time import UnknownZoneError
from dispatch.messages import Exposed, PlaceWarning
from dispatch.places import from_rows
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings, Policy
from stream.topics import ALERTS


def said(*quakes, known=None, **changes):
    """Messages by country that revisions make due."""
    operator = DispatchOperator(DispatchSettings(**changes), known or places.load(), StraightRays())
    outputs = operator.process(records(quakes))
    return [cap.parse(output.value) for output in outputs if output.topic == ALERTS.name]


def shape(area):
    return shapely.union_all([shapely.Polygon([(x, y) for y, x in ring]) for ring in area.polygons])


def check(message):
    """Everyone listed is inside; areas lie in each other; the first is near the country."""
    shapes = [shape(area) for area in message.areas]
    for place in message.places:
        point = shapely.Point(place.longitude, place.latitude)
        for area, inside in zip(message.areas, shapes, strict=True):
            if place.intensity >= area.intensity:
                assert inside.covers(point)
    levels = [area.intensity for area in message.areas]
    assert levels == sorted(set(levels))
    assert levels[0] <= min(place.intensity for place in message.places)
    assert all(level % 1 == 0.5 for level in levels[1:])
    assert all(sum(map(len, area.polygons)) <= 100 for area in message.areas)


def test_wushi_has_an_area_for_each_degree_in_each_country():
    messages = {message.country: message for message in said(earthquake())}
    assert {"CN", "KG", "KZ"} <= set(messages)
    for message in messages.values():
        check(message)
    assert [area.intensity for area in messages["KZ"].areas] == [4.0, 4.5]
    assert [area.intensity for area in messages["KG"].areas][:3] == [4.0, 4.5, 5.5]
    almaty = shapely.Point(76.9115, 43.25249)
    assert shape(messages["KZ"].areas[0]).covers(almaty)
    assert not shape(messages["CN"].areas[0]).covers(almaty)
    assert all(message.no_polygon is None for message in messages.values())


@settings(max_examples=40)
@given(
    st.floats(36, 46), st.floats(60, 82), st.floats(5.6, 8.2), st.floats(0, 80),
    st.sampled_from([0.0, 10.0]),
)  # fmt: skip
def test_whoever_is_listed_is_in_the_area(latitude, longitude, magnitude, depth_km, tolerance_km):
    quake = earthquake(
        latitude=latitude, longitude=longitude, magnitude=magnitude, depth_km=depth_km
    )
    for message in said(quake, border_tolerance_km=tolerance_km, policy=Policy(max_places=500)):
        check(message)
        for place in message.places:
            if place.country != message.country:
                near = geography.load().within(place.latitude, place.longitude, tolerance_km)
                assert message.country in near


def test_what_was_told_stays_in_the_area_down_to_the_hysteresis():
    quakes = earthquake(0), earthquake(1, 20.0, magnitude=6.5)
    _, second = (m for m in said(*quakes, known=PLACES) if m.country == "KZ")
    assert second.msg_type == "Update"
    check(second)
    assert second.areas[0].intensity < 4.0


def test_a_place_at_the_border_is_told_to_both_and_leads_only_its_own():
    known = from_rows(
        [
            ("1", "Kara Suu", "KG", "40.70463", "72.86658", "26609", "Asia/Bishkek"),
            ("2", "Kokand", "UZ", "40.52861", "70.94250", "187477", "Asia/Tashkent"),
        ]
    )
    quake = earthquake(latitude=40.9, longitude=73.0, magnitude=5.6, depth_km=10.0)
    both = said(quake, known=known)
    assert [message.country for message in both] == ["KG", "UZ"]
    kyrgyz, uzbek = both
    assert [p.name for p in kyrgyz.places] == ["Kara Suu"]
    assert [p.name for p in uzbek.places] == ["Kara Suu"]
    assert kyrgyz.area_places == ("Kara Suu",)
    assert uzbek.area_places == ()
    assert kyrgyz.exposure == (Exposed(degree=5, places=1, people=26609),)
    assert uzbek.exposure == ()
    check(kyrgyz)
    check(uzbek)
    assert [m.country for m in said(quake, known=known, border_tolerance_km=0.0)] == ["KG"]


def test_own_places_come_before_larger_ones_across_the_border():
    known = from_rows(
        [
            ("1", "Large", "KG", "40.70463", "72.86658", "900000", "Asia/Bishkek"),
            ("2", "Small", "UZ", "40.72", "72.75", "5000", "Asia/Tashkent"),
        ]
    )
    quake = earthquake(latitude=40.9, longitude=73.0, magnitude=6.0, depth_km=10.0)
    messages = {m.country: m for m in said(quake, known=known, policy=Policy(max_places=1))}
    assert [p.name for p in messages["KG"].places] == ["Large"]
    assert [p.name for p in messages["UZ"].places] == ["Small"]
    assert messages["UZ"].timezone == "Asia/Tashkent"
    assert messages["UZ"].places_affected == 2
    update = earthquake(1, 16.0, latitude=40.9, longitude=73.0, magnitude=6.05, depth_km=10.0)
    again = said(quake, update, known=known, policy=Policy(max_places=1))
    assert [m.msg_type for m in again] == ["Alert", "Alert"], "an Update without a change"


def test_over_the_date_line_a_circle_stands_and_says_why():
    known = from_rows([("1", "Taveuni", "FJ", "-16.85", "179.97", "9000", "Pacific/Fiji")])
    (message,) = said(earthquake(latitude=-17.0, longitude=179.5, depth_km=10.0), known=known)
    assert message.areas == ()
    assert "date line" in message.no_polygon
    assert b"<circle>-17.0000,179.5000 " in cap.build(message)


def test_a_country_whose_borders_are_not_known_has_a_circle():
    known = from_rows([("1", "Nowhere", "XX", "43.0", "77.0", "9000", "UTC")])
    messages = said(earthquake(latitude=43.1, longitude=77.0), known=known)
    (message,) = [m for m in messages if m.country == "XX"]
    assert message.areas == ()
    assert message.no_polygon == "the borders of XX are not known"


def test_a_cancel_keeps_the_area_and_the_zone():
    alert, cancel = said(earthquake(0), earthquake(1, 40.0, status="cancelled"), known=PLACES)[2::3]
    assert (alert.country, cancel.country) == ("KZ", "KZ")
    assert cancel.areas == alert.areas
    assert cancel.timezone == alert.timezone == "Asia/Almaty"


def test_a_place_in_no_known_zone_stops_the_start():
    known = from_rows([("1", "Nowhere", "KZ", "43.0", "77.0", "9000", "Asia/Nowhere")])
    with pytest.raises(UnknownZoneError, match="Asia/Nowhere"):
        DispatchOperator(DispatchSettings(), known, StraightRays())


def place(intensity, people):
    return PlaceWarning(
        geonameid=1, name="", country="KZ", latitude=0.0, longitude=0.0, population=people,
        intensity=intensity, s_arrival_us=0, lead_s=0.0,
    )  # fmt: skip


def test_people_by_degree():
    found = exposure.exposed([place(4.4, 10), place(4.5, 20), place(5.4, 30), place(7.6, 1)])
    assert found == (Exposed(8, 1, 1), Exposed(5, 2, 50), Exposed(4, 1, 10))
    assert exposure.exposed([]) == ()


@pytest.mark.parametrize(
    ("country", "share"),
    [("KZ", 0.71), ("TM", 0.54), ("KG", 0.41), ("UZ", 0.35), ("TJ", 0.32)],
)
def test_how_much_of_a_country_lives_in_its_places(country, share):
    found = places.load()
    assert exposure.coverage(found, country) == share
    own = np.array(found.country) == country
    assert round(found.population[own].sum() / places.country_population(country), 2) == share


def test_coverage_of_a_country_that_is_not_known():
    assert exposure.coverage(places.load(), "XX") is None
