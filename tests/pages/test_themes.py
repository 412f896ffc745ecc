"""A theme changes colours, corners, a name, a picture and links; and nothing else of a page."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.config import Theme
from broker.pages import Pages, Switch, UnsafeAddressError
from broker.pages.colors import contrast
from tests.pages.reading import read
from tests.pages.samples import CONSENT, ERROR, LOGIN, ORDINARY

HOUSE = Theme(
    name="Acme",
    logo="/static/images/acme.svg",
    accent="#0b6e4f",
    radius=4,
    help_url="https://help.acme.example/",
    privacy_url="https://acme.example/privacy",
    terms_url="https://acme.example/terms",
)
BETA = replace(HOUSE, name="Beta", accent="#ffee00", logo=None, help_url="https://beta.example/help")


def sheets(pages: Pages, html: bytes) -> str:
    found = [
        pages.static(e.attributes["href"].rpartition("/")[2])
        for e in read(html).all("link", rel="stylesheet")
    ]
    return "".join(file.body.decode() for file in found if file is not None)


def test_a_page_wears_the_theme_of_the_house():
    pages = Pages(theme=HOUSE)
    page = read(pages.render(ERROR).html)
    assert page.all("img", src="/static/images/acme.svg")
    assert "Acme" in page.text
    assert [e.attributes["href"] for e in page.all("a")][-3:] == [
        "https://help.acme.example/",
        "https://acme.example/privacy",
        "https://acme.example/terms",
    ]
    style = sheets(pages, pages.render(ERROR).html)
    assert "--accent:#0b6e4f" in style
    assert "--radius:4px" in style


@pytest.mark.parametrize(
    "name", ["chooser", "login", "consent", "device-confirm", "sign-out", "signed-out", "leaving"]
)
def test_a_page_about_an_app_wears_the_theme_of_the_app(name):
    pages = Pages(theme=HOUSE, client_themes={"beta": BETA})
    dressed = pages.render(replace(ORDINARY[name], client_id="beta"))
    assert "Beta" in read(dressed.html).text
    assert "Acme" not in read(dressed.html).all("header")[0].attributes
    assert re.findall("--radius:([0-9]+)px", sheets(pages, dressed.html)) == ["4", "4"]
    plain = read(pages.render(replace(ORDINARY[name], client_id="other")).html)
    assert "Acme" in plain.text
    assert "Beta" not in plain.text


def test_who_checks_an_app_that_registered_itself_is_the_house_not_the_app():
    pages = Pages(theme=HOUSE, client_themes={"beta": BETA})
    page = read(pages.render(replace(CONSENT, client_id="beta", registered_itself=True)).html)
    assert "Nobody at Acme has checked" in page.text


def test_without_a_theme_nothing_stands_around_the_card():
    page = read(Pages().render(LOGIN).html)
    assert not page.all("header")
    assert not page.all("footer")


def test_apps_that_look_alike_share_a_sheet_and_none_is_made_for_a_request():
    pages = Pages(
        theme=HOUSE, client_themes={"a": BETA, "b": replace(BETA, name="B"), "c": replace(HOUSE, name="C")}
    )
    files = set(pages._files._files)
    used = {
        client: [
            e.attributes["href"]
            for e in read(pages.render(replace(LOGIN, client_id=client)).html).all("link")
        ]
        for client in "abc"
    }
    assert set(pages._files._files) == files
    assert used["a"] == used["b"]
    assert not [href for href in used["c"] if "theme" in href]  # the colours of the house


@given(st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}"))
def test_whatever_the_accent_the_button_can_be_read(accent):
    pages = Pages(client_themes={"x": Theme(accent=accent)})
    html = pages.render(replace(LOGIN, client_id="x")).html
    for block in re.findall(r":root\{([^}]*)\}", sheets(pages, html)):
        said = dict(part.split(":") for part in block.split(";") if part.startswith("--"))
        if "--accent" in said:
            assert contrast(said["--accent"], said["--on-accent"]) >= 4.5


def test_a_theme_brings_no_style_and_no_markup_of_its_own():
    hostile = Theme(
        name="</title><script>alert(1)</script>", help_url="https://a.example/?\"'<>", accent="#000000"
    )
    page = read(Pages(theme=hostile).render(LOGIN).html)
    assert len(page.all("script")) == 1
    assert not page.all("style")
    with pytest.raises(UnsafeAddressError):
        Pages(theme=Theme(help_url="javascript:alert(1)")).render(LOGIN)


def test_the_policy_of_a_themed_page_is_as_strict_as_of_any():
    pages = Pages(theme=HOUSE, client_themes={"beta": BETA})
    dressed = pages.render(replace(LOGIN, client_id="beta"))
    assert dressed.headers == Pages().render(LOGIN).headers


def test_behind_a_path_everything_is_behind_it():
    pages = Pages(base="/t/acme", theme=HOUSE)
    pages.keep_image("/t/acme/static/images/acme.svg", b"<svg/>", "image/svg+xml")
    page = read(pages.render(LOGIN).html)
    loaded = [
        e.attributes.get("src") or e.attributes["href"]
        for e in (*page.all("img"), *page.all("link"), *page.all("script"))
    ]
    assert all(path.startswith("/t/acme/static/") for path in loaded)


def test_the_switch_names_every_language_in_its_own_words_and_leads_back():
    switch = Switch(action="/language", back="/consent?flow=a&b=c", instead_of="de")
    page = read(Pages().render(CONSENT, languages=["de"], switch=switch).html)
    links = {e.attributes["lang"]: e.attributes["href"] for e in page.all("a") if "hreflang" in e.attributes}
    assert set(links) == {"ar", "de", "en", "es", "fr", "ja"}
    assert links["ja"] == "/language?to=ja&back=%2Fconsent%3Fflow%3Da%26b%3Dc&instead_of=de"
    assert page.all("a", lang="de")[0].attributes["aria-current"] == "true"
    assert "日本語" in page.text


@pytest.mark.parametrize("name", ["error", "leaving", "onward", "form-post", "bounce", "departure"])
def test_a_page_that_nobody_comes_back_to_has_no_switch(name):
    page = read(Pages().render(ORDINARY[name], switch=Switch(action="/language", back="/x")).html)
    assert not page.all("footer")


def test_the_operators_words_are_said_in_the_language_of_the_page():
    said = {
        "de": {
            "Acme staff": "Belegschaft",
            "Read your invoices": "Ihre Rechnungen lesen",
            "Billing": "Rechnungen",
        },
        "fr": {"Use account {value}": "Utiliser le compte {value}"},
    }
    pages = Pages(said=said)
    page = read(pages.render(CONSENT, languages=["de-CH"]).html)
    assert "Ihre Rechnungen lesen" in page.text
    assert "Rechnungen bittet um Zugriff" in page.text
    assert "Belegschaft" in read(pages.render(ORDINARY["chooser"], languages=["de"]).html).text
    assert "Read your invoices" in read(pages.render(CONSENT, languages=["fr"]).html).text
    assert pages.said("Use account 4711", "fr") == "Utiliser le compte 4711"
    assert pages.said("Use account <b>", "fr") == "Utiliser le compte <b>"
    assert pages.said("Reuse account 4", "fr") == "Reuse account 4"
    assert pages.said("See your email address", "ja") == "メールアドレスを見る"


@pytest.mark.parametrize(("ratio", "width"), [(1, "36"), (120 / 36, "120"), (1 / 3, "12"), (400, "160")])
def test_the_place_of_the_picture_is_kept_free_before_it_is_there(ratio, width):
    pages = Pages(theme=HOUSE)
    pages.keep_image("/static/images/acme.svg", b"<svg/>", "image/svg+xml", ratio)
    (picture,) = read(pages.render(ERROR).html).all("img", src="/static/images/acme.svg")
    assert (picture.attributes["width"], picture.attributes["height"]) == (width, "36")
