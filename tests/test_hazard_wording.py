"""Texts of other hazards in seven languages: the same facts, the right letters, never too long."""

import importlib.resources
import itertools
import string
import tomllib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_hazard_events import BURST_US, HOUR, MINUTE, hazard, reached
from msgspec.structs import replace
from test_wording import LETTERS, SPECIAL

from dispatch import broadcast, hazard_wording, names, places
from dispatch.hazard_lifecycle import HazardLifecycle
from dispatch.hazard_policy import SHIPPED
from dispatch.settings import AudiencePolicy, DispatchSettings

KINDS = ("public", "civil-protection")
STATUSES = ("Test", "Exercise", "Actual")
REASONS = ("nothing", "over", "cause", "away", "renewed")
REGION = ("KZ", "KG", "TJ", "TM", "UZ")
PLACES = places.load()
WANTED = DispatchSettings(
    sender="a@mchs.kz",
    web="https://mchs.kz",
    contact="a@mchs.kz",
    status="Actual",
    audiences={"public": AudiencePolicy(enabled=True)},
)
_, ALERT = HazardLifecycle(WANTED, PLACES).fold(hazard(), BURST_US + 30_000_000)


def table(language):
    folder = importlib.resources.files("dispatch") / "texts"
    return tomllib.loads((folder / f"hazards.{language}.toml").read_text("utf-8"))


def texts(values, path=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from texts(value, f"{path}{key}.")
        elif isinstance(value, str) and (path or key == "watch"):
            yield path + key, value


def test_nothing_is_called_reviewed_that_is_not():
    assert [code for code in names.LANGUAGES if hazard_wording.load(code).reviewed] == []


@pytest.mark.parametrize("language", names.LANGUAGES)
def test_the_letters_are_those_of_the_language(language):
    written = "".join(
        letter
        for _, text in texts(table(language))
        for part, _, _, _ in string.Formatter().parse(text)
        for letter in (part or "").lower()
        if letter.isalpha()
    )
    assert set(written) - LETTERS[language] - {"ʻ", "ʼ"} == set()
    assert all(letter in written for letter in SPECIAL.get(language, ""))


@pytest.mark.parametrize("language", names.LANGUAGES)
def test_the_same_is_said_in_every_language(language):
    english, own = dict(texts(table("en"))), dict(texts(table(language)))
    assert own.keys() == english.keys()
    for path, text in own.items():
        fields = sorted(field for _, field, _, _ in string.Formatter().parse(text) if field)
        wanted = sorted(f for _, f, _, _ in string.Formatter().parse(english[path]) if f)
        assert fields == wanted, path
        assert text == text.strip() != "", path


@pytest.mark.parametrize("language", names.LANGUAGES)
def test_no_two_hazards_are_called_the_same_and_mudflow_is_up_the_slope(language):
    own = hazard_wording.load(language)
    assert len(set(own.event.values())) == len(SHIPPED)
    assert len(set(own.instruction.values())) == len(SHIPPED)
    assert all(len(text) <= 210 for text in own.instruction.values())


def test_what_to_do_is_proper_to_the_hazard():
    own = hazard_wording.load("en")
    for name in ("flash flood", "lake outburst", "debris flow"):
        said = own.instruction[name]
        assert "slope" in said
        assert "not down the road" in said
        assert "bridges" in said
    for name in ("radioactive release", "chemical release"):
        assert "indoors" in own.instruction[name]
        assert "windows" in own.instruction[name]


def place(name, country="KZ", geonameid=0, start=29, length=26, **changes):
    seen = reached(name, country, 43.2, 76.8, (start, start + 9, start + length), 1_234_567)
    made = replace(ALERT.places[0], name=name, country=country, geonameid=geonameid)
    return replace(
        made,
        earliest_us=seen.earliest_us,
        expected_us=seen.expected_us,
        latest_us=seen.latest_us,
        population=1_234_567,
        **changes,
    )


def check_lengths(own, message):
    short, long = own.short_of(message), own.long_of(message)
    assert 0 < len(short) <= broadcast.SHORT, (len(short), short)
    assert 0 < len(long) <= broadcast.LONG, (len(long), long)
    assert broadcast.pages(short) <= 3
    assert broadcast.pages(long) <= 9
    return short, long


@pytest.mark.parametrize("language", names.LANGUAGES)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_for_cell_broadcast_is_too_long_whatever_it_says(language, status, kind):
    own = hazard_wording.load(language)
    far = place("A" * 60, start=29, length=2 * 24 * 60)  # ends on another day
    here = place("A" * 60, passed_us=BURST_US)
    for name, level, where in itertools.product(SHIPPED, (1, 2, 3), ((), (far,) * 12, (here,))):
        message = replace(
            ALERT, hazard=name, level=level, status=status, audience_kind=kind,
            audience=kind, places=where, basin="B" * 80,
        )  # fmt: skip
        check_lengths(own, message)
        assert own.short_of(message).startswith(own.common.cell.status[status])
        assert own.headline_of(message).startswith(own.common.status[status])


@pytest.mark.parametrize("language", names.LANGUAGES)
@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("status", STATUSES)
def test_corrections_are_short_enough_and_say_something(language, reason, status):
    own = hazard_wording.load(language)
    for name in SHIPPED:
        message = replace(
            ALERT, hazard=name, msg_type="Cancel", cancel_reason=reason, status=status, places=()
        )
        short, long = check_lengths(own, message)
        assert own.event[name].replace("ʻ", "'") in short
        assert "2015-07-23 02:15:00 UTC+06:00" in long
        assert own.instruction_of(message)
        assert "2015-07-23 02:15:00 UTC+06:00" in own.description_of(message)


@pytest.mark.parametrize("language", names.LANGUAGES)
def test_an_actual_short_text_names_every_city_of_100_000(language):
    own = hazard_wording.load(language)
    for i, code in enumerate(PLACES.country):
        if code in REGION and PLACES.population[i] >= 100_000:
            seen = place(PLACES.name[i], code, int(PLACES.geonameid[i]))
            message = replace(ALERT, country=code, places=(seen,))
            called = names.place_name(seen.geonameid, language, seen.name)
            assert called.replace("ʻ", "'") in own.short_of(message)


def test_a_window_begins_with_its_minute_and_ends_with_the_next():
    seen = replace(
        ALERT.places[0],
        earliest_us=BURST_US + 29 * MINUTE + 59_000_000,
        latest_us=BURST_US + 55 * MINUTE + 1,
    )
    said = hazard_wording.load("en").description_of(replace(ALERT, places=(seen,)))
    assert "Upper Kargaly 02:44–03:11" in said
    tomorrow = replace(seen, latest_us=BURST_US + 24 * HOUR)
    said = hazard_wording.load("en").description_of(replace(ALERT, places=(tomorrow,)))
    assert "Upper Kargaly 02:44–2015-07-24 02:15" in said


def test_the_headline_names_the_next_place_that_can_still_act():
    own = hazard_wording.load("en")
    passed = replace(ALERT.places[0], passed_us=BURST_US + 20 * MINUTE)
    message = replace(ALERT, places=(passed, *ALERT.places[1:]))
    assert own.headline_of(message) == "Alarm. Mudflow: Kargaly, from 02:44"
    assert "Upper Kargaly: reached at 02:35" in own.description_of(message)
    alone = replace(ALERT, places=(passed,))
    assert own.headline_of(alone) == "Alarm. Mudflow: it has reached Upper Kargaly"
    assert own.headline_of(replace(ALERT, places=())) == "Alarm. Mudflow: Kargaly"
    foreign = replace(ALERT, places=(replace(passed, country="KG", passed_us=None),))
    assert own.headline_of(foreign) == "Alarm. Mudflow: Kargaly"
    assert "Upper Kargaly (Kyrgyzstan) 02:29" in own.description_of(foreign)


@pytest.mark.parametrize(
    ("count", "words"), [(1, "ещё 1 населённый пункт"), (2, "ещё 2 населённых пункта"),
                         (5, "ещё 5 населённых пунктов")],
)  # fmt: skip
def test_places_that_are_not_listed_are_counted(count, words):
    many = tuple(place(f"Place {i}") for i in range(10 + count))
    assert words in hazard_wording.load("ru").description_of(replace(ALERT, places=many))
    few = replace(ALERT, places_affected=3 + count)
    assert hazard_wording.load("ru").area_of(few).endswith(words)


def test_without_places_nothing_is_left_over():
    said = hazard_wording.load("en").long_of(replace(ALERT, places=()))
    assert said.startswith("Mudflow, Kargaly. Climb the slope")
    duty = replace(ALERT, places=(), audience_kind="civil-protection")
    assert hazard_wording.load("en").long_of(duty) == (
        "Mudflow, Kargaly, since 2015-07-23 02:15:00 UTC+06:00. Level 3 of 3. First estimates. "
        "Act by your plan."
    )


def test_those_on_duty_read_what_to_do_at_a_watch():
    own = hazard_wording.load("en")
    watch = replace(ALERT, level=1, audience_kind="civil-protection")
    assert own.instruction_of(watch).startswith("For those on duty")
    assert "Climb" in own.instruction_of(replace(watch, audience_kind="public"))


def test_uzbek_stays_in_seven_bits():
    own = hazard_wording.load("uz")
    for name in SHIPPED:
        message = replace(ALERT, hazard=name, country="UZ", places=(place("Fergana", "UZ"),))
        assert broadcast.is_seven_bit(own.short_of(message))
        assert broadcast.is_seven_bit(own.long_of(message))


@settings(max_examples=60)
@given(
    st.sampled_from(names.LANGUAGES),
    st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=200),
    st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=200),
    st.integers(0, 3000),
    st.sampled_from(list(SHIPPED)),
)
def test_names_of_any_length_and_form_fit(language, name, basin, start, kind):
    where = (place(name, start=start), place(name, start=start + 5))
    own = hazard_wording.load(language)
    for audience in KINDS:
        message = replace(
            ALERT, hazard=kind, places=where, basin=basin, status="Exercise",
            audience_kind=audience,
        )  # fmt: skip
        assert len(own.short_of(message)) <= broadcast.SHORT
        assert len(own.long_of(message)) <= broadcast.LONG


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["headline"].update(ahead="{town}"), "has no .'town'."),
        (lambda v: v["event"].pop("flood"), "each hazard needs"),
        (lambda v: v["level"].pop("1"), "levels are 1 to 3"),
        (lambda v: v["cancelled"]["short"].pop("over"), "each reason"),
        (lambda v: v["cancelled"]["long"].update(over="{place}"), "has no .'place'."),
        (lambda v: v.update(other="x"), "unknown field"),
    ],
)
def test_a_file_of_texts_that_is_wrong_is_refused(change, words):
    values = table("en")
    change(values)
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(values, hazard_wording.HazardWording)
