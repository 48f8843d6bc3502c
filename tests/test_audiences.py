"""Policies by country and audience: what goes before what, and what is refused."""

import importlib.resources
import tomllib
from itertools import product

import msgspec
import pytest
from made_audiences import BRIDGE, DAM, OWN, PASS, many
from made_earthquakes import PLACES

from dispatch import audiences
from dispatch.audiences import SHIPPED
from dispatch.policy_settings import Wanted
from dispatch.settings import AudiencePolicy, CountryPolicy, DispatchSettings, Policy
from dispatch.sites import gather
from stream.errors import ConfigurationError
from stream.settings import load


def test_civil_protection_is_told_and_the_public_is_not():
    for country in (*SHIPPED, "CN", "US"):
        found = {a.name: a.enabled for a in DispatchSettings().audiences_in(country)}
        assert found == {"civil-protection": True, "public": False}


def test_the_public_never_has_a_test_unless_someone_says_so():
    public = DispatchSettings().audience("KZ", "public").policy
    assert public.statuses == ("Actual",)
    open_to = DispatchSettings(audiences={"public": AudiencePolicy(enabled=True)})
    assert open_to.audience("KZ", "public").policy.statuses == ("Actual",)


@pytest.mark.parametrize(
    ("country", "own"), [("KZ", "kk"), ("KG", "ky"), ("TJ", "tg"), ("UZ", "uz"), ("TM", "tk")]
)
def test_each_country_ships_with_its_languages(country, own):
    for name in ("civil-protection", "public"):
        assert DispatchSettings().audience(country, name).languages == (own, "ru", "en")
    assert DispatchSettings(languages=("ru",)).audience(country).languages == ("ru",)
    wanted = DispatchSettings(
        languages=("ru",), countries={country: CountryPolicy(languages=("en",))}
    )
    assert wanted.audience(country).languages == ("en",)


def test_elsewhere_it_is_english():
    assert DispatchSettings().audience("CN").languages == ("en",)


def test_what_ships_is_what_the_files_say():
    folder = importlib.resources.files("dispatch") / "policies"
    assert {file.name for file in folder.iterdir()} == {
        *("audiences.toml", *(f"{code}.toml" for code in SHIPPED))
    }
    for code in SHIPPED:
        text = (folder / f"{code}.toml").read_text("utf-8")
        assert tomllib.loads(text)["audiences"]["public"] == {"enabled": False}
        msgspec.convert(tomllib.loads(text), CountryPolicy)
    kinds = tomllib.loads((folder / "audiences.toml").read_text("utf-8"))
    assert set(kinds) == {"public", "civil-protection", "operator", "machine"}
    assert kinds["public"]["enabled"] is False


def layered(*parts):
    """Intensity from which an audience is told, with what is set in some of five places."""
    value = dict(zip(parts, range(3, 3 + len(parts)), strict=True))
    return (
        DispatchSettings(
            policy=Policy(min_intensity=float(value.get("common", 2.0))),
            countries={
                "KZ": CountryPolicy(
                    min_intensity=value.get("country"),
                    audiences={"public": Wanted(min_intensity=value.get("both"))},
                )
            },
            audiences={"public": AudiencePolicy(min_intensity=value.get("audience"))},
        )
        .policy_for("KZ", "public")
        .min_intensity
    )


@pytest.mark.parametrize(
    "chosen",
    [c for c in product((False, True), repeat=4) if any(c)],
)
def test_the_last_layer_that_says_something_counts(chosen):
    order = ("common", "country", "audience", "both")
    parts = [part for part, is_set in zip(order, chosen, strict=True) if is_set]
    assert layered(*parts) == 2.0 + len(parts)


def test_what_is_said_in_another_country_or_to_another_audience_counts_for_nothing():
    settings = DispatchSettings(
        countries={"KZ": CountryPolicy(audiences={"public": Wanted(min_intensity=6.0)})},
        audiences={"rail": AudiencePolicy(min_intensity=3.0)},
    )
    assert settings.policy_for("KZ") == settings.policy_for("KG") == Policy()
    assert settings.policy_for("KG", "public").min_intensity == 4.0


def test_an_audience_is_where_its_sites_and_countries_are():
    settings = many()
    names = {c: {a.name for a in settings.audiences_in(c)} for c in ("KZ", "KG", "CN")}
    assert names["CN"] == {"civil-protection", "public", "machine", "almaty"}
    assert names["KZ"] - names["CN"] == {"railway", "dams"}
    assert names["KG"] - names["CN"] == {"railway", "nights"}
    assert settings.audience("KZ", "railway").sites == (DAM, BRIDGE)
    kinds = {a.name: a.kind for a in settings.audiences_in("KZ")}
    assert kinds == {
        "almaty": "civil-protection",
        "civil-protection": "civil-protection",
        "dams": "operator",
        "machine": "machine",
        "public": "public",
        "railway": "operator",
    }


def test_sites_are_places_with_the_zone_of_the_nearest_town():
    sites = gather(many(), PLACES)
    assert sites.indices(many().audience("KZ", "railway")) == (2, 3)
    assert sites.places.name == ("Medeu dam", "Pass", "Medeu dam", "Bridge 7 & 8")
    assert sites.places.geonameid.tolist() == [-1, -1, -2, -1]
    assert sites.places.timezone == (
        *("Asia/Almaty", "Asia/Bishkek", "Asia/Almaty", "Asia/Almaty"),
    )
    assert sites.countries == {"KZ", "KG"}
    assert PASS.country == "KG"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[dispatch.audiences.rail]\nenabled = 1\n", 2, "audiences.rail.enabled"),
        ("[dispatch.audiences.'two words']\n", 1, "matching regex"),
        ("[dispatch.audiences.rail]\n\nhours = ['8-18']\n", 3, "hours"),
        ("[dispatch.audiences.rail]\nhours = ['08:00-24:30']\n", 2, "hours"),
        ("[dispatch.audiences.rail]\nplaces = ['Almati']\n", 1, "'Almaty' is"),
        (
            "[dispatch.audiences.rail]\nplaces = ['Almaty']\n[[dispatch.audiences.rail.sites]]\n"
            "name = 'x'\ncountry = 'KZ'\nlatitude = 43\nlongitude = 77\n",
            1,
            "not both",
        ),
        (
            "[[dispatch.audiences.rail.sites]]\nname = 'x'\ncountry = 'KZ'\nlatitude = 99\n"
            "longitude = 77\n",
            4,
            "latitude",
        ),
        ("[dispatch.countries.KZ]\nlanguages = ['kk', 'kk']\n", 1, "named twice"),
        ("[dispatch.countries.KZ]\nlanguages = ['de']\n", 2, "languages"),
        ("[dispatch.countries.kz]\n", 1, "matching regex"),
        ("[dispatch.countries.KZ.audiences.rail]\nenabled = true\n", 1, "not there"),
        ("[dispatch.policy]\nrelease = 'one person'\n", 2, '"two people"'),
        ("[dispatch.policy]\nmin_probability = 1.0\n", 2, "min_probability"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_its_line(tmp_path, text, line, says):
    from commands.wiring import Configuration

    file = tmp_path / "alatau.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(file, Configuration)
    assert (caught.value.file, caught.value.line) == (file, line)
    assert says in str(caught.value)
    assert caught.value.remedy


def test_every_field_of_a_policy_can_be_wanted_otherwise():
    assert set(Policy.__struct_fields__) < set(Wanted.__struct_fields__)
    assert audiences.ALWAYS == ("civil-protection", "public")
    assert OWN["status"] == "Actual"
