"""Settings: where a mistake stands, what would be right, and a reference that loads back."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, inspect

from detect.settings import DetectSettings
from dispatch.settings import DispatchSettings
from ingest.settings import IngestSettings
from stream.errors import AlatauError, ConfigurationError
from stream.meaning import description, dotted, toml
from stream.settings import Settings, load, reference
from stream.toml_lines import line_of, lines_of


class Filter(Settings):
    corner_hz: Annotated[float, Meta(description="Lower corner of the filter, Hz", gt=0, le=50)] = (
        2.0
    )
    order: Annotated[int, Meta(description="Order of the filter", ge=1, le=8)] = 2
    shape: Annotated[Literal["bessel", "butter"], Meta(description="Kind of the filter")] = "bessel"


class Region(Settings):
    name: Annotated[str, Meta(description="Name of the region")]
    corners: Annotated[
        tuple[tuple[float, float], ...], Meta(description="Latitude and longitude, degrees")
    ] = ()
    filter: Annotated[Filter | None, Meta(description="Filter of this region alone")] = None


class Sample(Settings):
    title: Annotated[str, Meta(description='What is shown: "a title", as text')] = 'q"\\ é'
    mute: Annotated[bool, Meta(description="Say nothing")] = False
    limit: Annotated[Annotated[float, Meta(gt=0)] | None, Meta(description="Upper limit, m/s")] = (
        None
    )
    windows: Annotated[
        tuple[Annotated[float, Meta(gt=0)], ...], Meta(description="Lengths, s", min_length=1)
    ] = tuple(0.123456 * n for n in range(1, 20))
    gains: Annotated[dict[str, float], Meta(description="Gain of each channel, counts")] = (
        msgspec.field(default_factory=lambda: {"XX.A..HHZ": 1e-7})
    )
    kinds: Annotated[frozenset[str], Meta(description="Kinds of sensors")] = frozenset("cab")
    filter: Annotated[Filter, Meta(description="The filter")] = Filter()
    regions: Annotated[tuple[Region, ...], Meta(description="Regions")] = ()
    homes: Annotated[tuple[Region, ...], Meta(description="Homes")] = (
        Region(name="Almaty", corners=((43.0, 76.5), (43.5, 77.5))),
        Region(name="Bishkek", filter=Filter(order=4)),
    )
    networks: Annotated[dict[str, Filter], Meta(description="Filter of each network")] = (
        msgspec.field(default_factory=dict)
    )
    named: Annotated[dict[str, Filter], Meta(description="Filter of each station")] = msgspec.field(
        default_factory=lambda: {"KZ.KNDC": Filter(corner_hz=1.0)}
    )


ROOMS = [IngestSettings, DetectSettings, DispatchSettings]


def refused(tmp_path: Path, text: str, kind: type[Settings] = Sample) -> ConfigurationError:
    path = tmp_path / "alatau.toml"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(ConfigurationError) as caught:
        load(path, kind)
    assert caught.value.file == path
    return caught.value


def test_no_file_gives_the_defaults():
    assert load(None, Sample) == Sample()


def test_reads_what_is_written(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(
        "filter.order = 4\nlimit = 3\n[[regions]]\nname='a'\n[regions.filter]\nshape='butter'\n"
    )
    assert load(path, Sample) == Sample(
        filter=Filter(order=4),
        limit=3.0,
        regions=(Region(name="a", filter=Filter(shape="butter")),),
    )


def test_windows_line_ends_and_byte_order_mark_are_text(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes("\ufefftitle = 'x'\r\nmute = true\r\n".encode())
    assert load(path, Sample) == Sample(title="x", mute=True)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param("mute = true\n[filter]\norder = 9\n", 3, "filter.order", id="table"),
        pytest.param("mute = true\nfilter.order = 9\n", 2, "filter.order", id="dotted key"),
        pytest.param("\nfilter = { corner_hz = 1.0, order = 9 }\n", 2, "filter.order", id="inline"),
        pytest.param("['filter']\n  'order' = 9\n", 2, "filter.order", id="quoted names"),
        pytest.param(
            "# order = 1\n\n[filter]  # order\norder = 9\n", 4, "filter.order", id="comment"
        ),
        pytest.param(
            'title = """\norder = 1\n"""\nfilter.order = 9\n', 4, "filter.order", id="text"
        ),
        pytest.param("[filter]\r\n\r\norder = 9\r\n", 3, "filter.order", id="windows lines"),
        pytest.param("title = 'a\u2028b'\nmute = 1\n", 2, "mute", id="odd line separator"),
        pytest.param("[filter]\ncorner_hz = '2'\n", 2, "filter.corner_hz", id="type"),
        pytest.param("[filter]\nshape = 'sinc'\n", 2, '"bessel", "butter"', id="choice"),
        pytest.param("\n\nfilter = 3\n", 3, "a table", id="value for a table"),
        pytest.param("[filter]\ncorner_hz = nan\n", 2, "no number", id="nan"),
        pytest.param("\nlimit = inf\n", 2, "no number", id="inf where a value may be absent"),
        pytest.param("\nlimit = -1\n", 2, "> 0", id="bound where a value may be absent"),
        pytest.param("windows = [1, -1]\n", 1, "windows[1]", id="array on one line"),
        pytest.param(
            "windows = [ # s\n  1, 2,\n  # x\n  3, -1,\n]\n", 4, "windows[3]", id="array on lines"
        ),
        pytest.param("mute = true\nwindows = []\n", 2, "windows", id="too short"),
        pytest.param(
            "[[regions]]\nname = 'a'\n[[regions]]\nname = 'b'\n[regions.filter]\norder = 9\n",
            6,
            "regions[1].filter.order",
            id="array of tables",
        ),
        pytest.param(
            "[[regions]]\nname = 'a'\n[[regions]]\ncorners = []\n",
            3,
            "required field `name`",
            id="missing name",
        ),
        pytest.param(
            "regions = [\n  { name = 'a' },\n  { name = 'b', filter.order = 9 },\n]\n",
            3,
            "regions[1].filter.order",
            id="array of inline tables",
        ),
        pytest.param(
            "[[regions]]\nname = 'a'\ncorners = [\n [1.0, 2.0],\n [1.0, 'x'],\n]\n",
            5,
            "regions[0].corners[1][1]",
            id="array in an array",
        ),
        pytest.param(
            "[networks.KN]\norder = 1\n[networks.'K.Z']\norder = 9\n",
            4,
            'networks."K.Z".order',
            id="table by name",
        ),
        pytest.param("[gains]\na = 1\nb = 'x'\n", 3, "gains.b", id="value by name"),
        pytest.param("[filter]\n[filter.order]\n", 2, "filter.order", id="table for a value"),
    ],
)
def test_names_the_line_that_is_wrong(tmp_path, text, line, says):
    error = refused(tmp_path, text)
    assert error.line == line
    assert says in str(error)
    assert str(error).startswith(f"{tmp_path / 'alatau.toml'}:{line}: ")
    assert error.remedy


@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        pytest.param("[filter]\nordr = 1\n", 2, "Did you mean `filter.order`?", id="misspelt"),
        pytest.param("\n[fillter]\norder = 1\n", 2, "Did you mean `filter`?", id="misspelt table"),
        pytest.param(
            "mute = true\ncorner_hz = 1.0\n",
            2,
            "Did you mean `filter.corner_hz`?",
            id="wrong table",
        ),
        pytest.param(
            "[[regions]]\nname = 'a'\nfilter = {ordre=1}\n",
            3,
            "Did you mean `regions[0].filter.order`?",
            id="inline",
        ),
        pytest.param(
            "[networks.KN]\nzzz = 1\n", 2, "Here can stand: corner_hz, order, shape.", id="far off"
        ),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest_known(tmp_path, text, line, remedy):
    error = refused(tmp_path, text)
    assert (error.line, error.remedy) == (line, remedy)
    assert "is not a setting" in error.problem


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("mute = true\ntitle = x\n", 2, id="no quotes"),
        pytest.param("mute = true\nmute = false\n", 2, id="twice"),
        pytest.param("mute = true\nwindows = [1,\n2,\n\n", 2, id="array that never closes"),
        pytest.param("mute = true\n\ntitle = '''\nx\n", 3, id="text that never closes"),
        pytest.param("mute = true\ntitle = ", 2, id="no value at the end"),
    ],
)
def test_text_that_is_not_toml_names_its_line(tmp_path, text, line):
    error = refused(tmp_path, text)
    assert error.line == line
    assert "not TOML" in str(error)


def test_bytes_that_are_not_utf8_name_their_line(tmp_path):
    path = tmp_path / "a.toml"
    path.write_bytes(b"mute = true\ntitle = '\xff'\n")
    with pytest.raises(ConfigurationError, match="UTF-8") as caught:
        load(path, Sample)
    assert caught.value.line == 2


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        load(tmp_path / name, Sample)
    assert caught.value.file == tmp_path / name
    assert caught.value.line is None
    assert isinstance(caught.value, AlatauError)


keys = st.text("ab.-é ", min_size=1, max_size=4)
values = st.recursive(
    st.integers(-9, 9) | st.booleans() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(keys, values, max_size=5))
def test_every_setting_is_found_on_its_own_line(table):
    text = "".join(f"# note\n{dotted((key,))} = {toml(value)}\n" for key, value in table.items())
    assert tomllib.loads(text) == table
    lines = lines_of(text)
    for number, key in enumerate(table):
        assert lines[(key,)] == 2 * number + 2
        assert line_of(lines, (key, "nowhere", 7)) == 2 * number + 2


@pytest.mark.parametrize("kind", [Sample, Filter, *ROOMS])
def test_the_reference_loads_back_to_the_defaults(tmp_path, kind):
    path = tmp_path / "reference.toml"
    path.write_text(reference(kind), encoding="utf-8")
    assert load(path, kind) == kind()
    assert reference(kind) == reference(kind)


def test_the_reference_explains_each_setting():
    text = reference(Sample)
    for table in (Sample, Filter, Region):
        for _, words in described(table):
            assert words in text
    assert "# Lower corner of the filter, Hz. A number > 0, <= 50.\ncorner_hz = 2.0\n" in text
    assert '# Kind of the filter. One of "bessel", "butter".\nshape = "bessel"\n' in text
    assert "# limit is not set." in text
    assert "# [[regions]]" in text
    assert "# [networks.NAME]" in text


def test_the_examples_in_the_reference_can_be_used(tmp_path):
    path = tmp_path / "reference.toml"
    before, header, after = reference(Sample).partition("# [networks.NAME]")
    assert header
    used = header.removeprefix("# ") + after.replace("# order = 2", "order = 3", 1)
    path.write_text(before + used, encoding="utf-8")
    assert load(path, Sample).networks == {"NAME": Filter(order=3)}


def tables(info: inspect.Type) -> Iterator[type[Struct]]:
    """Every class of settings in a type, itself first."""
    if isinstance(info, inspect.StructType):
        yield info.cls
        for field in info.fields:
            yield from tables(field.type)
    for name in ("type", "item_type", "value_type", "key_type"):
        if hasattr(info, name):
            yield from tables(getattr(info, name))
    for name in ("types", "item_types"):
        for member in getattr(info, name, ()):
            yield from tables(member)


def described(kind: type[Struct]) -> Iterator[tuple[str, str]]:
    """Name and description of each setting of one class."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        yield field.encode_name, description(field.type)


def faults(kind: type[Settings]) -> list[str]:
    """What the rules of the house find wrong with settings and all that they hold."""
    found = []
    for table in dict.fromkeys(tables(inspect.type_info(kind))):
        if not issubclass(table, Settings):
            found.append(f"{table.__name__} is no Settings")
        found += [f"{table.__name__}.{name}" for name, text in described(table) if not text.strip()]
    return found


def test_a_setting_without_description_would_be_found():
    class Inner(Settings):
        mute: bool = False

    class Plain(Settings):
        """A table may be described by its docstring."""

    class Loose(Struct, frozen=True):
        speed: Annotated[float, Meta(description="Speed, m/s")] = 1.0

    class Outer(Settings):
        inner: Annotated[tuple[Inner | None, ...], Meta(description="Inner")] = ()
        plain: Plain = Plain()
        loose: Annotated[Loose, Meta(description="Loose")] = Loose()
        empty: Annotated[int, Meta(description=" ")] = 0

    assert faults(Outer) == ["Outer.empty", "Inner.mute", "Loose is no Settings"]
    assert faults(Sample) == []


def test_every_setting_of_every_room_is_described():
    from alatau import Configuration

    assert faults(Configuration) == []
    assert set(ROOMS) <= set(tables(inspect.type_info(Configuration)))


def test_the_reference_configuration_loads_back(tmp_path):
    from alatau import Configuration

    path = tmp_path / "reference.toml"
    path.write_text(reference(Configuration), encoding="utf-8")
    assert load(path, Configuration) == Configuration()
