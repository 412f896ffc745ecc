"""Each page is whole, small, fast, and says nothing that it should not."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import get_args

import pytest

from broker.pages import MESSAGES, ErrorView, MessageKey, Pages, ScopeLine, View
from tests.costs import least_cpu
from tests.pages.reading import read
from tests.pages.samples import ALL, CONSENT, ERROR, ORDINARY

JARGON = re.compile(
    r"\b(clients?|scopes?|tokens?|oauth|openid|oidc|redirect|uri|url|csrf|pkce|idp|claims?|issuer|callback|"
    r"authoriz\w+|authenticat\w+|parameters?|session|upstream|connectors?|oops)\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages()


def file_of(pages: Pages, path: str) -> bytes:
    file = pages.static(path.rpartition("/")[2])
    assert file is not None
    return file.body


def test_every_kind_of_view_has_a_sample():
    assert {type(view) for view in ORDINARY.values()} == set(get_args(View))


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_a_whole_document_with_one_main_part_and_one_heading(pages, name):
    page = read(pages.render(ALL[name]).html)
    assert page.all("html")[0].attributes == {"lang": "en", "dir": "ltr"}
    assert len(page.all("title")) == len(page.all("main")) == len(page.all("h1")) == 1
    assert page.all("meta", name="viewport")


@pytest.mark.parametrize("name", ALL)
def test_headings_come_in_order(pages, name):
    levels = [int(e.tag[1]) for e in read(pages.render(ALL[name]).html).elements if re.match(r"h\d$", e.tag)]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))


@pytest.mark.parametrize("name", ORDINARY)
def test_a_page_with_its_style_and_script_is_under_15_kilobytes(pages, name):
    html = pages.render(ORDINARY[name]).html
    page = read(html)
    style = b"".join(file_of(pages, e.attributes["href"]) for e in page.all("link", rel="stylesheet"))
    script = b"".join(file_of(pages, e.attributes["src"]) for e in page.all("script"))
    assert len(html) + len(style) + len(script) < 15 * 1024


@pytest.mark.parametrize("name", ALL)
def test_a_page_loads_only_files_that_are_served_with_it(pages, name):
    page = read(pages.render(ALL[name]).html)
    loaded = [e.attributes["src"] for e in page.elements if "src" in e.attributes]
    loaded += [e.attributes["href"] for e in page.all("link")]
    assert loaded
    for path in loaded:
        assert path.startswith("/static/")
        assert file_of(pages, path)


@pytest.mark.parametrize("name", ALL)
def test_a_page_has_no_style_or_script_of_its_own(pages, name):
    page = read(pages.render(ALL[name]).html)
    assert not page.all("style")
    assert all(e.attributes.get("src") for e in page.all("script"))
    for element in page.elements:
        assert "style" not in element.attributes
        assert not [attribute for attribute in element.attributes if attribute.startswith("on")]


@pytest.mark.parametrize("name", ORDINARY)
def test_no_page_speaks_the_language_of_the_protocol(pages, name):
    for text in read(pages.render(ORDINARY[name]).html).spoken:
        assert not JARGON.search(text), text


@pytest.mark.parametrize("key", MESSAGES)
def test_every_error_says_what_happened_and_what_to_do_now(pages, key):
    page = read(pages.render(ErrorView(message=key, correlation_id="REF-1", status=400)).html)
    message = MESSAGES[key]
    for sentence in (message.happened, message.do_now):
        assert sentence in page.text
        assert sentence.endswith(".")
    assert message.title in page.text
    assert "REF-1" in page.text
    assert not JARGON.search(page.text), page.text


def test_there_is_a_message_for_each_key_and_none_beside():
    assert set(MESSAGES) == set(get_args(MessageKey))


def test_an_error_page_carries_its_status():
    pages = Pages()
    assert pages.render(ErrorView(message="not_found", correlation_id="x", status=404)).status == 404
    assert pages.render(CONSENT).status == 200


def test_what_may_not_be_refused_has_no_box_and_what_is_sensitive_is_never_ticked(pages):
    scopes = (
        ScopeLine(name="must", sentence="A", optional=False),
        ScopeLine(name="may", sentence="B"),
        ScopeLine(name="unticked", sentence="C", ticked=False),
        ScopeLine(name="risky", sentence="D", ticked=True, sensitive=True),
    )
    page = read(pages.render(_consent(scopes)).html)
    boxes = {e.attributes["value"]: "checked" in e.attributes for e in page.all("input", type="checkbox")}
    assert boxes == {"may": True, "unticked": False, "risky": False}


def test_what_is_needed_is_said_to_be_although_it_is_sensitive_too(pages):
    lines = (
        ScopeLine(name="must", sentence="A", optional=False, sensitive=True),
        ScopeLine(name="may", sentence="B", sensitive=True),
    )
    text = read(pages.render(_consent(lines)).html).text
    assert text.count("Sensitive") == 2
    assert text.count("Needed") == 1


def test_cancel_comes_before_allow_so_that_enter_in_a_box_does_not_allow(pages):
    buttons = read(pages.render(CONSENT).html).all("button")
    assert [b.attributes["value"] for b in buttons if b.attributes.get("name") == "answer"] == [
        "deny",
        "allow",
    ]


@pytest.mark.row("CS-19")
def test_allow_cannot_be_focused_from_an_address_and_waits_before_it_counts(pages):
    buttons = read(pages.render(CONSENT).html).all("button")
    assert not [b for b in buttons if "id" in b.attributes or "autofocus" in b.attributes]
    assert "data-guarded" in next(b for b in buttons if b.attributes["value"] == "allow").attributes


@pytest.mark.row("CS-19")
@pytest.mark.row("DV-06")
@pytest.mark.parametrize("name", ["device-code", "device-confirm", "device-allowed", "grants"])
def test_a_page_that_no_app_waits_for_is_cut_off_from_whoever_opened_it(pages, name):
    assert pages.render(ORDINARY[name]).headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.row("DV-06")
def test_a_device_is_asked_about_with_app_code_place_time_and_person_and_the_button_waits(pages):
    page = read(pages.render(ORDINARY["device-confirm-link"]).html)
    for words in ("Television", "WDJB-MJHT", "192.0.2.17", "just now", "ada@acme.example", "cancel"):
        assert words in page.text
    assert "data-guarded" in page.all("button", value="allow")[0].attributes
    assert "2 minutes ago" in read(pages.render(ORDINARY["device-confirm"]).html).text


@pytest.mark.row("CS-14")
def test_consent_shows_the_host_and_a_foreign_script_in_it_as_ascii(pages):
    assert "billing.acme.example" in read(pages.render(CONSENT).html).text
    twin = _consent((), client_host="аcme.example")
    page = read(pages.render(twin).html)
    assert "xn--" in page.text
    assert "аcme" not in page.text


def test_a_long_choice_can_be_searched_and_a_short_one_need_not(pages):
    assert read(pages.render(ORDINARY["chooser-many"]).html).all("input", type="search")
    assert not read(pages.render(ORDINARY["chooser"]).html).all("input", type="search")


def test_an_error_offers_to_try_again_only_where_there_is_a_way(pages):
    with_a_way, without = pages.render(ERROR), pages.render(replace(ERROR, back_url=None))
    assert read(with_a_way.html).all("a", href="/account")
    assert "Try again" in read(with_a_way.html).text
    assert not read(without.html).all("a")


@pytest.mark.parametrize("name", ["chooser", "consent", "error", "form-post", "leaving"])
def test_a_page_takes_less_than_a_millisecond(pages, name):
    """Measured: at most an eighth of one."""
    assert least_cpu(lambda: [pages.render(ORDINARY[name]) for _ in range(20)], tries=20) < 20e-3


def _consent(scopes: tuple[ScopeLine, ...], **changes):
    return replace(CONSENT, scopes=scopes, **changes)
