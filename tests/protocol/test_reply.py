"""Answers at the client app: always with iss, the state as it came, and the URI's own query kept."""

from html import escape, unescape
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.errors import (
    AccessDenied,
    InvalidRequest,
    InvalidScope,
    OAuthError,
    ServerError,
    Shown,
    TemporarilyUnavailable,
)
from broker.protocol.reply import AnsweredAtClient
from tests.protocol.samples import ISSUER, REDIRECT_URI, reply_to

URIS = [
    REDIRECT_URI,
    "https://app.example",
    "https://app.example/cb?tenant=a&mode=b",
    "https://app.example/cb?",
    "https://app.example/cb?return=https%3A%2F%2Fapp.example%2F%3Fx%3D1",
    "http://127.0.0.1:51004/cb",
    "com.example.app:/cb",
]
ANSWERS = {
    "a code": lambda to: to.code("the-code"),
    "a refusal": lambda to: to.error(AccessDenied("The request was denied.")),
    "an error without words": lambda to: to.error(InvalidScope()),
    "an error of ours": lambda to: to.error(ServerError()),
    "a store that is away": lambda to: to.error(TemporarilyUnavailable()),
}


@pytest.mark.row("AZ-38")
@pytest.mark.parametrize("mode", ["query", "form_post"])
@pytest.mark.parametrize("state", ["xyz", None])
@pytest.mark.parametrize("uri", URIS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_every_answer_says_the_issuer_exactly_once(answer, uri, state, mode):
    reply = ANSWERS[answer](reply_to(redirect_uri=uri, state=state, response_mode=mode))
    assert reply.members["iss"] == ISSUER
    assert reply.members.get("state") == state
    assert (reply.redirect_uri, reply.response_mode, reply.client_id) == (uri, mode, "app")
    said = parse_qsl(urlsplit(reply.url).query)
    assert [value for name, value in said if name == "iss"] == [ISSUER]
    assert [value for name, value in said if name == "state"] == ([state] if state else [])


@pytest.mark.parametrize("uri", URIS)
def test_the_uri_is_kept_as_it_was_registered_and_only_added_to(uri):
    reply = reply_to(redirect_uri=uri).code("the-code")
    assert reply.url.startswith(uri)
    added = reply.url.removeprefix(uri)
    assert added[0] == ("&" if "?" in uri else "?")
    assert dict(parse_qsl(added[1:])) == dict(reply.members)


def test_a_code_and_an_error_are_never_in_one_answer():
    assert set(reply_to().code("c").members) == {"code", "state", "iss"}
    assert set(reply_to().error(AccessDenied("No.")).members) >= {"error", "error_description", "state"}
    assert set(reply_to().error(AccessDenied()).members) == {"error", "state", "iss"}


@pytest.mark.row("WB-07")
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128))
def test_whatever_state_is_it_comes_back_byte_for_byte_and_adds_nothing(state):
    url = reply_to(state=state).code("the-code").url
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    said = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True, errors="strict")
    assert said == [("code", "the-code"), ("state", state), ("iss", ISSUER)]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64))
def test_an_app_that_does_not_read_a_plus_as_a_space_reads_the_same(state):
    query = urlsplit(reply_to(state=state).code("c").url).query
    assert unquote(query.split("&")[1].removeprefix("state=")) == state


def test_a_state_of_128_characters_comes_back_whole():
    state = "".join(chr(0x21 + n % 94) for n in range(128))
    assert dict(parse_qsl(urlsplit(reply_to(state=state).code("c").url).query))["state"] == state
    assert unescape(escape(reply_to(state=state).code("c").members["state"])) == state


def test_what_goes_wrong_behind_the_line_is_heard_by_the_client_app():
    to = reply_to()
    wrong = InvalidScope("No.", reason="scope_empty", detail="for the log")
    with pytest.raises(AnsweredAtClient) as caught, to.hears_errors():
        raise wrong
    assert (caught.value.reply_to, caught.value.error) == (to, wrong)
    assert (caught.value.reason, caught.value.detail) == ("scope_empty", "for the log")


@pytest.mark.parametrize("error", [Shown("unknown_client"), KeyError("x")])
def test_what_is_no_oauth_error_is_not_told_to_the_client_app(error):
    with pytest.raises(type(error)), reply_to().hears_errors():
        raise error


def test_an_error_is_told_to_the_outermost_that_may_hear_it_only_once():
    first, second = reply_to(), reply_to(redirect_uri="https://app.example/other")
    with pytest.raises(AnsweredAtClient) as caught, second.hears_errors(), first.hears_errors():
        raise AccessDenied
    assert caught.value.reply_to is first


def test_an_error_keeps_its_detail_to_itself():
    error = OAuthError("The words.", reason="why", detail="secret detail")
    assert error.body() == {"error": "server_error", "error_description": "The words."}
    assert "secret detail" not in str(error) + repr(error)


@pytest.mark.standard("RFC 6749", "Appendix A.8 the characters of an error_description")
def test_a_description_has_only_characters_that_it_may_have():
    told = InvalidRequest('a "name" of größe\\\n is wrong').body()["error_description"]
    assert told == "a ?name? of gr??e?? is wrong"
