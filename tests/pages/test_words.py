"""Every sentence is in the catalogue, and a translation reaches every page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg

from broker import pages as package
from broker.config.scopes import BUILT_IN
from broker.pages import SCOPE_SENTENCES, Pages, ScopeLine
from broker.pages.words import Language, choose_language, load_languages
from tests.pages.catalogues import template_catalogue, write_catalogue
from tests.pages.reading import read
from tests.pages.samples import CONSENT, ORDINARY

ROOM = Path(package.__file__).parent


def extracted() -> set[str | tuple[str, ...]]:
    with (ROOM / "locale" / "babel.cfg").open() as stream:
        methods, options = parse_mapping_cfg(stream)
    found = extract_from_dir(ROOM, methods, options, keywords={**DEFAULT_KEYWORDS, "N_": None, "NN_": (1, 2)})
    # One that counts is a pair: for one, and for more.
    return {message if isinstance(message, str) else message[:2] for _, _, message, _, _ in found}


def test_the_catalogue_has_exactly_the_sentences_of_the_pages():
    in_file = {message.id for message in template_catalogue() if message.id}
    assert in_file == extracted(), "run the command in broker/pages/locale/babel.cfg"


@pytest.mark.parametrize("name", ORDINARY)
def test_every_sentence_of_every_page_is_translated(tmp_path, name):
    write_catalogue(tmp_path, "de", lambda text: f"⟦{text}⟧")
    page = read(Pages(locale=tmp_path).render(ORDINARY[name], languages=["de-AT"]).html)
    assert page.all("html", lang="de", dir="ltr")
    depth, bare = 0, []
    for character in page.text:
        depth += (character == "⟦") - (character == "⟧")
        if depth == 0 and character.isalpha():
            bare.append(character)
    # Outside the brackets there is only what came with the view.
    theirs = "".join(_strings(ORDINARY[name]))
    assert set(bare) <= set(theirs)
    assert "⟦" in page.text


def test_a_language_from_right_to_left_turns_the_page(tmp_path):
    write_catalogue(tmp_path, "ar", lambda text: text)
    assert read(Pages(locale=tmp_path).render(CONSENT, languages=["ar"]).html).all(
        "html", lang="ar", dir="rtl"
    )


def test_a_percent_sign_in_somebodys_sentence_is_just_that():
    view = replace(CONSENT, scopes=(ScopeLine(name="x", sentence="Get 100% (really) %(app)s %s"),))
    assert "Get 100% (really) %(app)s %s" in read(Pages().render(view).html).text


@pytest.mark.standard("RFC 4647", "§3.4 lookup: the first wanted tag, cut from the right until it fits")
@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ([], "en"),
        (["fr"], "en"),
        (["de"], "de"),
        (["de-CH-1996"], "de"),
        (["DE"], "de"),
        (["fr", "de"], "de"),
        (["en-GB", "de"], "en"),
        (["pt-BR"], "pt-BR"),
        (["pt"], "en"),
        (["x" * 5000, "", "-", "de"], "de"),
    ],
)
def test_the_first_wanted_language_that_there_is(tmp_path, wanted, chosen):
    write_catalogue(tmp_path, "de", lambda text: text)
    write_catalogue(tmp_path, "pt_BR", lambda text: text)
    language: Language = choose_language(wanted, load_languages(tmp_path))
    assert language.tag == chosen


def test_without_catalogues_everything_is_english(tmp_path):
    assert set(load_languages(tmp_path)) == {"en"}


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for each in value for text in _strings(each)]
    names = getattr(value, "__slots__", ())
    return [text for name in names for text in _strings(getattr(value, name))]


def test_the_standard_scopes_have_the_sentences_that_the_configuration_gives_them():
    assert {name: rule.description for name, rule in BUILT_IN.items()} == SCOPE_SENTENCES
