"""Texts in seven languages: complete, of the right letters and forms, and never too long."""

import importlib.resources
import itertools
import string
import tomllib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_earthquakes import PLACES, StraightRays, earthquake, records
from msgspec.structs import replace

from dispatch import broadcast, cap, names, places, plurals, wording
from dispatch.messages import PlaceWarning
from dispatch.service import DispatchOperator
from dispatch.settings import DispatchSettings

AUDIENCES = ("public", "protection", "operator")
REGION = ("KZ", "KG", "TJ", "TM", "UZ")
LATIN = set(string.ascii_letters)
LETTERS = {
    "kk": set("абвгдеёжзийклмнопрстуфхцчшщъыьэюяәғқңөұүһі"),
    "ky": set("абвгдеёжзийклмнопрстуфхцчшщъыьэюяңөү"),
    "tg": set("абвгдеёжзийклмнопрстуфхцчшщъыьэюяғӣқӯҳҷ"),
    "ru": set("абвгдеёжзийклмнопрстуфхцчшщъыьэюя"),
    "uz": set("abcdefghijklmnopqrstuvxyz"),
    "tk": set("abçdeäfghijžklmnňoöprsştuüwyýz"),
    "en": set(string.ascii_lowercase),
}
SPECIAL = {"kk": "әғқңөұүі", "ky": "ңөү", "tg": "ғӣқӯҳҷ", "tk": "çäňöşüý", "ru": "ыэщ", "uz": "ʻ"}


def told(*quakes):
    """Messages to Kazakhstan that revisions make due."""
    operator = DispatchOperator(DispatchSettings(), PLACES, StraightRays())
    outputs = operator.process(records(quakes))
    return [cap.parse(output.value) for output in outputs if output.topic == "alerts.kz"]


ALERT, CANCEL = told(earthquake(0), earthquake(1, 40.0, status="cancelled"))


def table(language):
    folder = importlib.resources.files("dispatch") / "texts"
    return tomllib.loads((folder / f"{language}.toml").read_text("utf-8"))


def texts(values, path=""):
    for key, value in values.items():
        if isinstance(value, dict):
            yield from texts(value, f"{path}{key}.")
        elif isinstance(value, str) and (path or key == "event"):
            yield path + key, value


def test_every_language_that_can_be_set_has_its_texts():
    folder = importlib.resources.files("dispatch") / "texts"
    found = {file.name for file in folder.iterdir()}
    kinds = ("", "hazards.")
    assert found == {f"{kind}{code}.toml" for kind in kinds for code in names.LANGUAGES}
    assert all(wording.load(code).language == code for code in names.LANGUAGES)


def test_nothing_is_called_reviewed_that_is_not():
    assert [code for code in names.LANGUAGES if wording.load(code).reviewed] == []


@pytest.mark.parametrize("language", names.LANGUAGES)
def test_the_letters_are_those_of_the_language(language):
    written = "".join(
        letter
        for _, text in texts(table(language))
        for part, _, _, _ in string.Formatter().parse(text.replace("MSK-64", "").replace("MSK", ""))
        for letter in (part or "").lower()
        if letter.isalpha()
    )
    foreign = set(written) - LETTERS[language] - {"ʻ", "ʼ", "m"}
    assert foreign == set()
    assert all(letter in written for letter in SPECIAL.get(language, ""))


@pytest.mark.parametrize("language", names.LANGUAGES)
def test_the_same_is_said_in_every_language(language):
    english = dict(texts(table("en")))
    own = dict(texts(table(language)))
    plural = ("seconds.", "more.")
    assert {p for p in own if not p.startswith(plural)} == {
        p for p in english if not p.startswith(plural)
    }
    for path, text in own.items():
        if path.startswith(plural):
            continue
        fields = {field for _, field, _, _ in string.Formatter().parse(text) if field}
        wanted = {field for _, field, _, _ in string.Formatter().parse(english[path]) if field}
        # A number of seconds may be written out.
        alike = {"duration": "seconds"}
        if path.startswith(("short.", "long.")):  # a degree may have to be named as a number
            alike |= {"intensity": "degree"}
        assert {alike.get(f, f) for f in fields} == {alike.get(f, f) for f in wanted}, path
        assert text == text.strip() or path.split(".")[0] in ("status", "kind", "cell"), path


@pytest.mark.parametrize("rule", ["same", "one-other", "east-slavic"])
def test_plural_rules_are_those_of_cldr(rule):
    babel = pytest.importorskip("babel")
    languages = [code for code in names.LANGUAGES if wording.load(code).plural == rule]
    assert languages
    for language in languages:
        form = babel.Locale.parse(language).plural_form
        for count in range(1, 1200):
            found = plurals.category(rule, count)
            assert found in plurals.categories(rule)
            if rule != "same":
                assert found == form(count)


def test_languages_without_forms_after_numbers():
    assert {code for code in names.LANGUAGES if wording.load(code).plural == "same"} == {
        *("kk", "ky", "tg", "uz", "tk")
    }


@pytest.mark.parametrize(
    ("count", "form"),
    [(1, "1 секунду"), (2, "2 секунды"), (5, "5 секунд"), (11, "11 секунд"), (21, "21 секунду"),
     (22, "22 секунды"), (111, "111 секунд")],
)  # fmt: skip
def test_russian_seconds(count, form):
    place = replace(ALERT.places[0], lead_s=count + 0.5)
    said = wording.load("ru").headline_of(replace(ALERT, places=(place,), status="Actual"))
    assert said == f"Землетрясение: Almaty — через {form}, сила 4 балла"


def test_one_more_place_and_five_more():
    one = replace(ALERT, places_affected=4)
    five = replace(ALERT, places_affected=8)
    assert wording.load("en").area_of(one) == "Kazakhstan: Almaty, Talghar, Kegen and 1 more place"
    assert wording.load("en").area_of(five).endswith("and 5 more places")
    assert wording.load("ru").area_of(one).endswith("и ещё 1 населённый пункт")
    assert wording.load("ru").area_of(five).endswith("и ещё 5 населённых пунктов")
    assert wording.load("kk").area_of(one).startswith("Қазақстан: Almaty")


def test_a_place_is_called_by_its_name_in_the_language():
    identity = next(
        int(identity)
        for name, identity in zip(places.load().name, places.load().geonameid, strict=True)
        if name == "Almaty"
    )
    place = replace(ALERT.places[0], geonameid=identity)
    message = replace(
        ALERT, places=(place,), area_places=("Almaty",), area_geonameids=(identity,),
        places_affected=1, status="Actual",
    )  # fmt: skip
    kazakh = wording.load("kk")
    assert kazakh.headline_of(message).startswith("Жер сілкінісі: Алматы — 60 секундтан кейін")
    assert kazakh.area_of(message) == "Қазақстан: Алматы"
    assert "Алматы 4,3 — 60 с кейін" in kazakh.description_of(message)
    assert "Алматы" in kazakh.short_of(message)


def test_a_place_across_the_border_is_named_with_its_country_and_after_the_own():
    foreign = replace(ALERT.places[0], name="Kant", country="KG", population=10**7)
    both = replace(ALERT, places=(foreign, ALERT.places[1]), status="Actual")
    assert "Talghar" in wording.load("en").headline_of(both)
    alone = replace(both, places=(foreign,), area_places=(), area_geonameids=())
    assert "Kant (Kyrgyzstan)" in wording.load("en").headline_of(alone)
    assert wording.load("en").area_of(alone) == "Kazakhstan, near the border"
    assert wording.load("ru").area_of(alone) == "Казахстан, у границы"


def test_an_update_says_so():
    _, update = told(earthquake(0), earthquake(1, 20.0, magnitude=7.6))
    for language in names.LANGUAGES:
        own = wording.load(language)
        assert own.kind["Update"]
        assert own.headline_of(update).startswith(own.status["Test"] + own.kind["Update"])


@pytest.mark.parametrize("language", names.LANGUAGES)
@pytest.mark.parametrize("status", ["Test", "Exercise"])
def test_what_is_not_actual_says_so_first_in_every_text(language, status):
    own = wording.load(language)
    for message in (replace(ALERT, status=status), replace(CANCEL, status=status)):
        assert own.headline_of(message).startswith(own.status[status])
        assert own.description_of(message).startswith(own.status[status])
        for audience in AUDIENCES:
            assert own.short_of(message, audience).startswith(own.cell.status[status])
            assert own.long_of(message, audience).startswith(own.cell.status[status])
    assert own.status["Actual"] == own.cell.status["Actual"] == ""


@pytest.mark.parametrize("language", names.LANGUAGES)
def test_no_text_for_cell_broadcast_is_too_long_whatever_it_says(language):
    own = wording.load(language)
    found = places.load()
    named = [i for i, code in enumerate(found.country) if code in REGION]
    rows = list(
        itertools.product(("Test", "Exercise", "Actual"), range(1, 13), (-60.0, 9.9, 999.9))
    )
    for number, i in enumerate(named):
        status, degree, lead_s = rows[number % len(rows)]
        check_lengths(own, one_place(i, status, float(degree), lead_s))
    longest = max(named, key=lambda i: len(called(own, i)))
    for status, degree, lead_s in rows:
        check_lengths(own, one_place(longest, status, float(degree), lead_s))


def called(own, i):
    found = places.load()
    return names.place_name(int(found.geonameid[i]), own.language, found.name[i])


def one_place(i, status, degree, lead_s):
    found = places.load()
    place = PlaceWarning(
        geonameid=int(found.geonameid[i]),
        name=found.name[i],
        country=found.country[i],
        latitude=0.0,
        longitude=0.0,
        population=int(found.population[i]),
        intensity=degree,
        s_arrival_us=0,
        lead_s=lead_s,
    )
    return replace(
        ALERT, status=status, country=place.country, places=(place,) * 12, places_affected=5000,
        magnitude=9.99, magnitude_saturated=True, people_affected=1_234_567_890,
    )  # fmt: skip


def check_lengths(own, message):
    for audience in AUDIENCES:
        short, long = own.short_of(message, audience), own.long_of(message, audience)
        assert 0 < len(short) <= broadcast.SHORT, short
        assert 0 < len(long) <= broadcast.LONG, long
        assert broadcast.pages(short) <= 3
        assert broadcast.pages(long) <= 9
    assert len(own.headline_of(message)) <= 160


@pytest.mark.parametrize("language", names.LANGUAGES)
def test_an_actual_short_text_names_every_city_of_100_000(language):
    own = wording.load(language)
    found = places.load()
    for i, code in enumerate(found.country):
        if code in REGION and found.population[i] >= 100_000:
            message = one_place(i, "Actual", 7.0, 170.0)
            assert called(own, i).replace("ʻ", "'") in own.short_of(message)


def test_uzbek_stays_in_seven_bits_and_one_page():
    found = places.load()
    (fergana,) = [i for i, name in enumerate(found.name) if name == "Fergana"]
    said = wording.load("uz").short_of(one_place(fergana, "Actual", 7.0, 30.0))
    assert said == "ZILZILA! Farg'ona: 7 ball, 30 s keyin. Egiling, boshni yoping, ushlab turing!"
    assert broadcast.pages(said) == 1


def test_a_name_that_is_too_long_gives_way_to_here():
    message = one_place(0, "Actual", 5.0, 30.0)
    long_name = replace(message.places[0], geonameid=0, name="A" * 60)
    said = wording.load("en").short_of(replace(message, places=(long_name,)))
    assert said == "EARTHQUAKE, here: strong shaking in 30 s. Drop, cover, hold on!"


@pytest.mark.parametrize("language", names.LANGUAGES)
@pytest.mark.parametrize("reason", ["nothing", "same", "weaker"])
@pytest.mark.parametrize("status", ["Test", "Exercise", "Actual"])
def test_corrections_are_short_enough_and_say_something(language, reason, status):
    own = wording.load(language)
    message = replace(CANCEL, cancel_reason=reason, status=status)
    assert 0 < len(own.short_of(message)) <= broadcast.SHORT
    assert 0 < len(own.long_of(message)) <= broadcast.LONG
    assert len(own.headline_of(message)) <= 160
    assert own.instruction_of(message)
    assert "2024-01-23 00:09:04 UTC+06:00" in own.description_of(message)


@settings(max_examples=60)
@given(
    st.sampled_from(names.LANGUAGES),
    st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=200),
    st.floats(-100, 2000),
    st.floats(1, 12),
)
def test_a_name_of_any_length_and_form_fits(language, name, lead_s, intensity):
    place = replace(ALERT.places[0], name=name, lead_s=lead_s, intensity=intensity)
    message = replace(ALERT, places=(place, place), status="Exercise")
    own = wording.load(language)
    for audience in AUDIENCES:
        assert len(own.short_of(message, audience)) <= broadcast.SHORT
        assert len(own.long_of(message, audience)) <= broadcast.LONG


def broken(change):
    values = table("en")
    change(values)
    return values


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["headline"].update(ahead="{town} in {seconds} s"), "has no .'town'. to fill"),
        (lambda v: v["seconds"].pop("one"), "needs the forms"),
        (lambda v: v["seconds"].update(few="{count}"), "needs the forms"),
        (lambda v: v["degrees"].pop("12"), "degrees are 1 to 12"),
        (lambda v: v["headline"].pop("same"), "same"),
        (lambda v: v["headline"].update(other=""), "unknown field"),
        (lambda v: v.update(reviewed="yes"), "bool"),
        (lambda v: v["more"].update(one="{seconds}"), "to fill in"),
    ],
)
def test_a_file_of_texts_that_is_wrong_is_refused(change, words):
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(broken(change), wording.Wording)
