"""Each JSON contract reads its golden sample and writes it again byte for byte."""

from pathlib import Path

import msgspec
import pytest

from detect import detections, events
from detect.detections import Heartbeat, Motion, Pick
from detect.events import Earthquake
from detect.hazards import readings
from detect.hazards.readings import Bulletin, Tremor
from ingest import observations
from ingest.observations import Observation
from stream import rejects

CONTRACTS = Path(__file__).parent / "contracts"

SAMPLES = [
    ("pick-1", detections, Pick),
    ("motion-2", detections, Motion),
    ("heartbeat-1", detections, Heartbeat),
    ("earthquake-2", events, Earthquake),
    ("observation-1", observations, Observation),
    ("tremor-1", readings, Tremor),
    ("bulletin-1", readings, Bulletin),
]
OLDER = [("motion-1", detections, Motion), ("earthquake-1", events, Earthquake)]


def golden(name):
    return (CONTRACTS / f"{name}.json").read_bytes().removesuffix(b"\n")


@pytest.mark.parametrize(("name", "contract", "kind"), SAMPLES)
def test_golden(name, contract, kind):
    value = contract.decode(golden(name))
    assert type(value) is kind
    assert value.version == int(name.rsplit("-", 1)[1])
    assert contract.encode(value) == golden(name)


@pytest.mark.parametrize(("name", "contract", "kind"), OLDER)
def test_older_versions_are_read(name, contract, kind):
    value = contract.decode(golden(name))
    assert type(value) is kind
    assert value.version == int(name.rsplit("-", 1)[1])
    shown, written = msgspec.json.decode(golden(name)), msgspec.json.decode(contract.encode(value))
    assert {key: written[key] for key in shown if key != "stations"} == {
        key: shown[key] for key in shown if key != "stations"
    }


@pytest.mark.parametrize(("name", "contract", "kind"), SAMPLES)
def test_the_sample_shows_every_field(name, contract, kind):
    shown = msgspec.json.decode(golden(name))
    assert list(shown) == ["kind", *kind.__struct_fields__]
    assert None not in shown.values()


@pytest.mark.parametrize(("name", "contract", "kind"), SAMPLES)
def test_a_missing_field_is_refused(name, contract, kind):
    shown = msgspec.json.decode(golden(name))
    required = [f.name for f in msgspec.structs.fields(kind) if f.required]
    assert required
    for field in required:
        less = {key: value for key, value in shown.items() if key != field}
        with pytest.raises(msgspec.ValidationError, match=field):
            contract.decode(msgspec.json.encode(less))


def test_golden_reject():
    value = rejects.decode(golden("reject-1"))
    assert value.version == 1
    assert msgspec.json.encode(value) == golden("reject-1")
