"""Themes and words by language: what may be written, and what is told of what may not."""

from __future__ import annotations

import pytest

from broker.config import Theme
from tests.config.desk import SOUND, Desk

SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'
THEME = """\
theme:
  name: Acme
  logo: acme.svg
  accent: "#0B6e4f"
  radius: 6
  links: { help: "https://help.acme.example/#now", privacy: https://acme.example/privacy }
"""


def themed(desk: Desk, text: str = "") -> str:
    desk.write("acme.svg", SVG)
    return THEME + SOUND + text


def test_without_a_theme_everything_is_as_the_pages_have_it(desk: Desk) -> None:
    config = desk.load(SOUND)
    assert config.theme == Theme()
    assert config.client_themes == {}
    assert config.said == {}


def test_a_theme_is_read_with_its_picture(desk: Desk) -> None:
    theme = desk.load(themed(desk)).theme
    assert theme == Theme(
        name="Acme",
        logo=theme.logo,
        accent="#0B6e4f",
        radius=6,
        help_url="https://help.acme.example/#now",
        privacy_url="https://acme.example/privacy",
    )
    assert theme.logo in desk.load(themed(desk)).images


def test_an_apps_theme_has_the_rest_from_the_issuers(desk: Desk) -> None:
    config = desk.load(
        themed(desk, '    theme: { accent: "#ffee00", links: { terms: "https://b.example/" } }\n')
    )
    ours, theirs = config.theme, config.client_themes["billing"]
    assert (theirs.accent, theirs.terms_url) == ("#ffee00", "https://b.example/")
    assert (theirs.name, theirs.logo, theirs.radius, theirs.help_url) == (
        ours.name,
        ours.logo,
        ours.radius,
        ours.help_url,
    )


def test_an_app_of_another_name_does_not_wear_our_picture(desk: Desk) -> None:
    config = desk.load(themed(desk, "    theme: { name: Beta }\n"))
    assert (config.client_themes["billing"].name, config.client_themes["billing"].logo) == ("Beta", None)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ('accent: "0b6e4f"', 'accent: expected a colour in quotes, such as "#0b6e4f"'),
        ('accent: "#0b6"', 'accent: expected a colour in quotes, such as "#0b6e4f"'),
        ('accent: "#0b6e4f;}body{"', 'accent: expected a colour in quotes, such as "#0b6e4f"'),
        ("accent: #0b6e4f", 'accent: expected a colour in quotes, such as "#0b6e4f"'),
        ("radius: 6px", "radius: expected a number of pixels from 0 to 32"),
        ("radius: 33", "radius: expected a number of pixels from 0 to 32"),
        ("radius: -1", "radius: expected a number of pixels from 0 to 32"),
        ('name: "a\\nb"', "name: expected one line of text"),
        ("logo: gone.svg", "logo: cannot read the file: No such file or directory"),
        ("colour: red", "colour: unknown key"),
    ],
)
def test_a_mistake_in_a_theme_is_told_where_it_stands(desk: Desk, line: str, mistake: str) -> None:
    key = line.partition(":")[0]
    for text, path in (
        (f"theme:\n  {line}\n" + SOUND, "theme"),
        (SOUND + f"    theme:\n      {line}\n", "clients.billing.theme"),
    ):
        (told,) = desk.mistakes(text)
        assert f": {path}.{mistake}" in told
        assert f"{path}.{key}" in told


@pytest.mark.row("CS-15")
@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "http://acme.example/",
        "//acme.example",
        "https://",
        "https://a@b.example/",
        "https://a.example/ x",
        "https:\\\\a.example",
        "https://[::1",
    ],
)
def test_a_link_of_a_theme_is_a_plain_https_address(desk: Desk, url: str) -> None:
    (told,) = desk.mistakes(f"theme: {{ links: {{ help: '{url}' }} }}\n" + SOUND)
    assert "theme.links.help: " in told
    assert told.endswith(("expected an https:// address", "is not a URL"))


def test_words_are_given_in_several_languages(desk: Desk) -> None:
    text = SOUND.replace("name: Staff", "name: { de: Belegschaft, en: Staff }").replace(
        "client_name: Billing", "client_name: { fr: Factures, ja: 請求 }"
    )
    config = desk.load(
        text + 'scopes:\n  account.*: { description: { en: "Use {value}", de: "{value} nutzen" } }\n'
    )
    # English is what everybody else gets; without it, what was written first.
    assert config.connectors["staff"].name == "Staff"
    assert config.clients_by_id["billing"].client_name == "Factures"
    assert config.scope_rules["account.*"].description == "Use {value}"
    assert config.said["de"] == {"Staff": "Belegschaft", "Use {value}": "{value} nutzen"}
    assert config.said["ja"] == {"Factures": "請求"}
    assert type(config.connectors["staff"].name) is str


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        ("{ xx: Staff }", "'xx' is no language of the pages; they speak ar, de, en, es, fr, ja"),
        ("{ de: 3 }", "expected one line of text, or one for each language"),
        ('{ de: "" }', "expected one line of text"),
        ("{}", "expected one line of text for each language"),
        ("[Staff]", "expected one line of text, or one for each language"),
        ("{ de: " + "x" * 201 + " }", "too long: at most 200 characters"),
    ],
)
def test_words_that_are_none_are_told(desk: Desk, words: str, mistake: str) -> None:
    (told,) = desk.mistakes(SOUND.replace("name: Staff", f"name: {words}"))
    assert told.endswith(f"connectors.staff.name: {mistake}")


def test_a_dynamic_scope_names_its_value_in_every_language(desk: Desk) -> None:
    (told,) = desk.mistakes(SOUND + "scopes:\n  a.*: { description: { en: 'Use {value}', de: Nutzen } }\n")
    assert 'scopes."a.*".description: must name {value}' in told
    (told,) = desk.mistakes(SOUND + "scopes:\n  a: { description: { en: Use, de: '{value}' } }\n")
    assert "scopes.a.description: {value} is only for a scope that ends with .*" in told
