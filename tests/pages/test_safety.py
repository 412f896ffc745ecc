"""Whatever a name, an address or a value says, it stays text in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.pages import (
    BounceView,
    Choice,
    ChooserView,
    ErrorView,
    FormPostView,
    LeavingView,
    Pages,
    SignedOutView,
    UnsafeAddressError,
    View,
)
from broker.pages.safety import app_address, isolated, own_address, plain, web_address
from tests.pages.reading import read
from tests.pages.samples import CONSENT, ERROR, FRAMED, ORDINARY

POLYGLOTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</title></main><svg/onload=alert(1)>",
    "javascript:alert(1)//`${1}`",
    "{{ 7*7 }}{% raw %}%(app)s%s",
    "-->]]></textarea><iframe src=//e>",
    "&lt;b&gt;&#x3c;i&#62;&amp;quot;",
)
# Keys that are ours, not somebody's words.
_OURS = {"kind", "message", "problem", "status", "template"}


def text_fields(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where in a view there is a string that is not ours."""
    if isinstance(value, str):
        yield path
    elif is_dataclass(value):
        for each in fields(value):
            if each.name not in _OURS:
                yield from text_fields(getattr(value, each.name), (*path, each.name))
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from text_fields(each, (*path, index))


def with_text(value: Any, path: tuple[str | int, ...], text: str) -> Any:
    """The view with another string at ``path``."""
    if not path:
        return text
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return (*value[:step], with_text(value[step], rest, text), *value[step + 1 :])
    return replace(value, **{step: with_text(getattr(value, step), rest, text)})


_NOT_ON_THE_PAGE = {
    # Where nothing was allowed, nothing can be withdrawn, and the address is not on the page.
    ("grants-none", ("withdraw_action",)),
    ("grants-none", ("receipts_url",)),
    # Where no other browser is signed in, none is signed out.
    ("grants-ended", ("end_action",)),
    # A username that is there already leaves the focus to the password.
    ("login", ("username",)),
    # Where there is no field, nothing is sent by one.
    ("chooser-narrowed", ("search", "action")),
    ("chooser-narrowed", ("search", "flow")),
}
PLACES = [
    pytest.param(view, path, id=f"{name}:{'.'.join(map(str, path))}")
    for name, view in {**ORDINARY, "signed-out-framed": FRAMED}.items()
    for path in text_fields(view)
    if (name, path) not in _NOT_ON_THE_PAGE
]
_ADDRESSES = {
    "all_url",
    "account_url",
    "action",
    "back_url",
    "frames",
    "not_you_url",
    "onward_url",
    "end_action",
    "everywhere_action",
    "other_url",
    "receipt_url",
    "receipts_url",
    "sign_out_action",
    "upstream_url",
    "url",
    "withdraw_action",
}
PAGES = Pages()


@pytest.mark.row("WB-01")
@pytest.mark.row("WB-02")
@pytest.mark.row("CS-14")
@pytest.mark.row("CS-18")
@pytest.mark.parametrize(("view", "path"), PLACES)
def test_a_polyglot_in_any_place_adds_no_element_and_no_attribute(view: View, path):
    expected = read(PAGES.render(view).html).skeleton
    for polyglot in POLYGLOTS:
        hostile = with_text(view, path, polyglot)
        if path[-1] in _ADDRESSES or (len(path) > 1 and path[-2] in _ADDRESSES):
            with pytest.raises(UnsafeAddressError):
                PAGES.render(hostile)
        else:
            page = read(PAGES.render(hostile).html)
            # An icon that is none of ours becomes a letter.
            assert path[-1] == "icon" or page.skeleton == expected
            assert "javascript:" not in "".join(e.attributes.get("href", "") for e in page.elements)


@pytest.mark.row("WB-02")
@pytest.mark.parametrize("value", [*POLYGLOTS, "a b", "ü€\U0001f600", "'\"", "\u202eevil", ""])
def test_the_fields_of_a_form_arrive_exactly(value):
    for view in (
        FormPostView(
            action="https://app.example/cb", fields=(("state", value), (value, "x")), client_name="A"
        ),
        BounceView(action="/callback/x", fields=(("state", value), (value, "x"))),
    ):
        sent = [
            (e.attributes["name"], e.attributes["value"])
            for e in read(PAGES.render(view).html).all("input", type="hidden")
        ]
        assert sent == [("state", value), (value, "x")]


DANGEROUS = (
    "javascript:alert(1)",
    "JaVaScRiPt://x/%0aalert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "\x01javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://x/y",
    "about:blank",
    "view-source:https://x",
    "filesystem:https://x",
    "intent://x#Intent;end",
)
ELSEWHERE = (
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https://",
    "https://[x",
    "\t//evil.example",
    "/\t/evil.example",
    "evil.example",
    "",
    "https://good.example\n.evil.example",
    "https://good.example\\@evil.example",
)


@pytest.mark.row("WB-03")
@pytest.mark.row("WB-06")
@pytest.mark.parametrize("url", [*DANGEROUS, *ELSEWHERE])
def test_a_dangerous_address_stops_the_page(url):
    for check in (own_address, app_address, web_address):
        with pytest.raises(UnsafeAddressError):
            check(url)
    for view in (
        LeavingView(url=url, client_name="A"),
        LeavingView(url=url, client_name="A", custom_scheme=url.partition(":")[0].strip()),
        FormPostView(action=url, fields=(), client_name="A"),
        BounceView(action=url, fields=()),
        ChooserView(client_name="A", choices=(Choice(url=url, name="x"),)),
        replace(CONSENT, action=url),
        replace(CONSENT, not_you_url=url),
        replace(ERROR, back_url=url),
        SignedOutView(upstream="x", upstream_url=url),
        SignedOutView(onward_url=url),
        SignedOutView(frames=(url,)),
    ):
        with pytest.raises(UnsafeAddressError):
            PAGES.render(view)


@pytest.mark.row("WB-06")
@pytest.mark.parametrize("url", ["https://evil.example/", "http://evil.example", "com.evil:/x"])
def test_a_link_of_ours_leads_nowhere_else(url):
    for view in (
        ChooserView(client_name="A", choices=(Choice(url=url, name="x"),)),
        replace(CONSENT, action=url),
        replace(CONSENT, not_you_url=url),
        BounceView(action=url, fields=()),
        replace(ERROR, back_url=url),
    ):
        with pytest.raises(UnsafeAddressError):
            PAGES.render(view)


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("https://app.example/cb?code=a&state=b", None),
        ("http://127.0.0.1:49152/cb", None),
        ("http://[::1]:49152/cb", None),
        ("com.example.app:/cb?code=a", None),
        ("myapp://cb?code=a", "myapp"),
        ("MyApp://cb", "myapp"),
    ],
)
def test_a_registered_address_is_refreshed_to_and_linked(url, scheme):
    page = read(PAGES.render(LeavingView(url=url, client_name="A", custom_scheme=scheme)).html)
    assert page.all("meta", content=f"0;url={url}")
    assert page.all("a", href=url)


def test_a_custom_scheme_that_was_not_registered_is_refused():
    with pytest.raises(UnsafeAddressError):
        PAGES.render(LeavingView(url="myapp://cb", client_name="A", custom_scheme="yourapp"))


@pytest.mark.row("WB-05")
@pytest.mark.parametrize("name", ORDINARY)
def test_the_headers_of_a_page_let_nothing_in_and_nothing_out(name):
    headers = PAGES.render(ORDINARY[name]).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    elsewhere = {"form-post": "https://billing.acme.example", "departure": "https://sso.acme.example"}
    action = elsewhere.get(name, "'self'")
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "script-src": "'self'",
        "img-src": "'self'",
        "form-action": action,
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.row("WB-05")
@pytest.mark.standard("OpenID Front-Channel Logout", "§2 the page may frame the apps it is for, and no other")
def test_a_page_frames_the_exact_origins_of_its_frames_and_keeps_them_in_a_sandbox():
    page = PAGES.render(FRAMED)
    policy = page.headers["Content-Security-Policy"]
    assert "; frame-src https://billing.acme.example http://127.0.0.1:8081;" in policy
    frames = read(page.html).all("iframe")
    assert [frame.attributes["src"] for frame in frames] == list(FRAMED.frames)
    assert {frame.attributes["sandbox"] for frame in frames} == {"allow-same-origin allow-scripts"}
    assert all(frame.attributes["title"] for frame in frames)


@pytest.mark.parametrize(
    ("action", "onward", "sources"),
    [
        ("https://app.example/cb?x=1", (), "https://app.example"),
        ("https://APP.example:8443/cb", (), "https://app.example:8443"),
        ("http://127.0.0.1:5000/cb", (), "http://127.0.0.1:5000"),
        ("http://[::1]:5000/cb", (), "http:"),
        ("https://app.example; script-src *", (), None),
        ("https://a.example,b/cb", (), "https:"),
        (
            "https://auth.app.example/cb",
            ("https://app.example/home", "https://auth.app.example/x", "com.example:/cb"),
            "https://auth.app.example https://app.example",
        ),
    ],
)
def test_a_form_to_the_app_is_allowed_to_its_exact_origin(action, onward, sources):
    view = FormPostView(action=action, fields=(), client_name="A", onward=onward)
    if sources is None:
        with pytest.raises(UnsafeAddressError):
            PAGES.render(view)
        return
    policy = PAGES.render(view).headers["Content-Security-Policy"]
    assert f"form-action {sources};" in policy
    assert policy.count(";") == 6


@pytest.mark.row("CS-14")
@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("Billing", "Billing"),
        ("  Billing \n\t Suite ", "Billing Suite"),
        ("Bil\u202egnil", "Bilgnil"),
        ("Bil\u200bl\u2060i\ufeffng", "Billing"),
        ("Bil\x00ling\x1b[31m", "Billing[31m"),
        ("Bill\u2028ing", "Bill ing"),
        ("مكتب الفواتير", "مكتب الفواتير"),
        ("é", "é"),
        ("\U000e0041Billing", "Billing"),
    ],
)
def test_a_name_is_one_line_of_characters_that_are_seen(given_name, shown):
    assert plain(given_name) == shown


@pytest.mark.row("CS-14")
def test_a_name_of_ten_kilobytes_is_cut():
    assert len(plain("B" * 10_240)) == 80
    assert plain("B" * 10_240).endswith("…")
    assert len(PAGES.render(replace(CONSENT, client_name="<" * 10_240)).html) < 8 * 1024


@given(st.text(max_size=400))
def test_any_name_at_all_stays_isolated_text(name):
    page = read(f"<p>{isolated(name)}</p>".encode("utf-8", "replace"))
    assert [e.tag for e in page.elements] == ["p", "bdi"]
    assert page.text.strip()


def test_an_empty_name_still_leaves_something_to_read():
    assert isolated("\u200b") == "<bdi>—</bdi>"


def test_a_lone_surrogate_does_not_stop_a_page():
    assert PAGES.render(replace(CONSENT, person="a\ud800b")).html


def test_only_images_that_we_serve_are_shown():
    pages, path = Pages(), "/static/images/a1.png"
    pages.keep_image(path, b"\x89PNG\r\n\x1a\n", "image/png")
    assert read(pages.render(replace(CONSENT, client_logo=path)).html).all("img", src=path)
    for foreign in ("https://evil.example/x.png", "/elsewhere/x.png", "/static/x.png", "//evil/x", "data:,"):
        assert not read(pages.render(replace(CONSENT, client_logo=foreign)).html).all("img")


def test_an_error_page_repeats_nothing_from_the_request():
    names = {each.name for each in fields(ErrorView)}
    assert names == {"message", "correlation_id", "back_url", "status"}
