"""Every language says everything, says it with the same parts, and is what its compiled catalogue says."""

from __future__ import annotations

import re

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from broker.pages import Pages
from broker.pages.rendering import LOCALE
from broker.pages.speech import Speech
from broker.pages.words import NAMES, load_languages
from broker.protocol.languages import LANGUAGES, SOURCE
from tests.pages.catalogues import template_catalogue

TRANSLATED = sorted(set(LANGUAGES) - {SOURCE})
_PART = re.compile(r"%\((\w+)\)(\w)")
_TAG = re.compile(r"<[^>]*>")
# Letters that a German, Spanish or French sentence may share with the English one, word for word.
_SAME = {"Code", "April", "August", "September", "November", "%(day)d %(month)s %(year)d"}


def catalogue(tag: str) -> Catalog:
    with (LOCALE / tag / "LC_MESSAGES" / "pages.po").open("rb") as stream:
        return read_po(stream, locale=tag, abort_invalid=True)


def forms(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (message.string,)


def said(found: Catalog) -> dict[object, object]:
    """Every sentence and what it is; what counts comes as a list or as a tuple."""

    def fixed(text: object) -> object:
        return tuple(text) if isinstance(text, list | tuple) else text

    return {fixed(m.id): fixed(m.string) for m in found if m.id}


def test_there_is_a_catalogue_for_each_language_that_the_metadata_names():
    assert set(Pages().languages) == set(LANGUAGES) == set(NAMES)
    assert {path.parent.parent.name for path in LOCALE.glob("*/*/pages.po")} == set(TRANSLATED)


@pytest.mark.parametrize("tag", TRANSLATED)
def test_a_catalogue_says_everything_and_guesses_nothing(tag):
    found = catalogue(tag)
    assert {m.id for m in found if m.id} == {m.id for m in template_catalogue() if m.id}
    assert not [m.id for m in found if m.fuzzy or not all(forms(m))]
    assert not found.obsolete


@pytest.mark.parametrize("tag", TRANSLATED)
def test_a_sentence_has_the_parts_and_the_markup_of_the_english_one(tag):
    for message in catalogue(tag):
        if not message.id:
            continue
        counts = isinstance(message.id, tuple)
        one, many = message.id if counts else (message.id, message.id)
        parts = set(_PART.findall(many))
        for form in forms(message):
            # A form for one or for two may leave the number to the words.
            assert parts - {part for part in parts if counts and part[0] == "count"} <= set(
                _PART.findall(form)
            )
            assert set(_PART.findall(form)) <= parts, form
            assert _TAG.findall(form) == _TAG.findall(one), form
            assert form.strip() == form


@pytest.mark.parametrize("tag", TRANSLATED)
def test_a_plural_has_a_form_for_every_number(tag):
    found = catalogue(tag)
    for message in found:
        if message.pluralizable:
            assert len(message.string) == found.num_plurals
    speech = Speech(load_languages(LOCALE)[tag])
    for minutes in (1, 2, 3, 11, 59):
        assert re.search(r"\d", speech.ago(0, minutes * 60)) or (tag == "ar" and minutes < 3)


@pytest.mark.parametrize("tag", TRANSLATED)
def test_hardly_a_sentence_was_left_in_english(tag):
    left = {m.id for m in catalogue(tag) if m.id and m.string == m.id}
    assert left <= _SAME


def test_no_line_of_french_begins_with_a_mark():
    sentences = [form for message in catalogue("fr") if message.id for form in forms(message)]
    assert not [text for text in sentences if re.search(r"(?<![\u00a0\u202f])[:;?!]", _TAG.sub("", text))]


@pytest.mark.parametrize("tag", TRANSLATED)
def test_another_device_is_never_called_this_one(tag):
    found = catalogue(tag)
    here, there = found["This device"].string, found["Sign out there"].string
    assert here.casefold() not in there.casefold()


@pytest.mark.parametrize("tag", TRANSLATED)
def test_the_compiled_catalogue_is_that_of_the_sentences(tag):
    with (LOCALE / tag / "LC_MESSAGES" / "pages.mo").open("rb") as stream:
        compiled = read_mo(stream)
    written = catalogue(tag)
    assert said(compiled) == said(written), "run the last command in broker/pages/locale/babel.cfg"
    assert compiled.plural_forms == written.plural_forms


@pytest.mark.parametrize(
    ("tag", "day"),
    [
        ("en", "5 January 2026"),
        ("de", "5. Januar 2026"),
        ("es", "5 de enero de 2026"),
        ("fr", "5 janvier 2026"),
        ("ja", "2026年1月5日"),
        ("ar", "5 يناير 2026"),
    ],
)
def test_a_day_is_written_as_the_language_writes_it(tag, day):
    assert Speech(load_languages(LOCALE)[tag]).day(1_767_600_000) == day


@pytest.mark.parametrize(
    ("tag", "ago", "words"),
    [
        ("en", 20, "just now"),
        ("en", 60, "1 minute ago"),
        ("en", 3 * 3600 + 5, "3 hours ago"),
        ("en", 6 * 86400, "6 days ago"),
        ("en", -5, "just now"),
        ("de", 86400, "vor 1 Tag"),
        ("fr", 7200, "il y a 2 heures"),
        ("ja", 7200, "2時間前"),
        ("ar", 7200, "قبل ساعتين"),
        ("ar", 11 * 60, "قبل 11 دقيقة"),
        ("ar", 3 * 86400, "قبل 3 أيام"),
    ],
)
def test_how_long_ago_is_counted_as_the_language_counts(tag, ago, words):
    assert Speech(load_languages(LOCALE)[tag]).ago(1_767_600_000 - ago, 1_767_600_000) == words


def test_from_a_week_on_it_is_the_day_that_is_said():
    speech = Speech(load_languages(LOCALE)["de"])
    assert speech.ago(1_767_600_000, 1_767_600_000 + 7 * 86400) == "5. Januar 2026"
