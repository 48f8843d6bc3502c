"""Stations of one place or one line, against a slow twin that compares each with each."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from detect.geodesy import distance_azimuth
from detect.settings import TrustSettings
from detect.trust import Trust

places = st.tuples(
    st.sampled_from([42.0, -89.99, 0.0]), st.sampled_from([0.0, 179.99, 76.9])
).flatmap(
    lambda at: st.tuples(
        st.floats(-0.03, 0.03).map(lambda d: at[0] + d if at[0] > -89 else at[0] + abs(d)),
        st.floats(-0.03, 0.03).map(lambda d: at[1] + d),
    )
)


def slow_groups(stations, lines, most_km):
    found = []
    for i, (name, *place) in enumerate(stations):
        for j, (other, *there) in enumerate(stations[:i]):
            together = any(name in line and other in line for line in lines)
            if together or distance_azimuth(*place, *there)[0] <= most_km:
                found.append(found[j])
                break
        else:
            found.append(i)
    return found


@given(st.lists(places, max_size=30), st.lists(st.sets(st.integers(0, 29), max_size=4), max_size=2))
def test_the_groups_are_those_of_the_slow_twin(where, shared):
    stations = [(f"XX.{i}", *at) for i, at in enumerate(where)]
    second = shared[1] - shared[0] if len(shared) > 1 else set()
    lines = [{f"XX.{i}" for i in line} for line in (*shared[:1], second)]
    telemetry = {f"line {k}": tuple(sorted(line)) for k, line in enumerate(lines) if line}
    chosen = msgspec.structs.replace(TrustSettings(), telemetry=telemetry)
    trust = Trust(chosen)
    groups = trust.groups(stations)
    assert groups == slow_groups(stations, lines, chosen.same_place_km)
    assert trust.shares(stations) == [1 / groups.count(g) for g in groups]
