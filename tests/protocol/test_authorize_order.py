"""Who hears that a request is wrong: our page until client and redirect_uri stand, then the client app."""

import pytest

from broker.protocol.errors import OAuthError, Shown
from broker.protocol.params import Params
from broker.protocol.reply import AnsweredAtClient
from tests.protocol.samples import (
    CHALLENGE,
    ISSUER,
    PUBLIC,
    REDIRECT_URI,
    VALID,
    ask,
    client,
    pairs,
    refused,
    rules,
    validated,
)

# Every way a request can be wrong behind its redirect_uri, and what the client app hears of it.
INVALID = {
    "no response type": ({"response_type": None}, "invalid_request"),
    "response type token": ({"response_type": "token"}, "unsupported_response_type"),
    "response type hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "unknown response mode": ({"response_mode": "web_message"}, "invalid_request"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "undeclared scopes alone": ({"scope": "nobody knows"}, "invalid_scope"),
    "a scope of others": ({"scope": "openid phone"}, "invalid_scope"),
    "a malformed scope": ({"scope": 'openid "x"'}, "invalid_scope"),
    "no challenge": ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    "a plain challenge": ({"code_challenge_method": "plain"}, "invalid_request"),
    "a malformed challenge": ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
    "unknown prompt": ({"prompt": "please"}, "invalid_request"),
    "prompt none and login": ({"prompt": "none login"}, "invalid_request"),
    "malformed max_age": ({"max_age": "-1"}, "invalid_request"),
    "malformed claims": ({"claims": "{"}, "invalid_request"),
    "an unknown connector": ({"connector": "nobody"}, "access_denied"),
    "request object": ({"request": "e30.e30."}, "request_not_supported"),
    "request_uri": ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
    "registration": ({"registration": "{}"}, "registration_not_supported"),
    "too long a state": ({"state": "x" * 2049}, "invalid_request"),
    "too long a nonce": ({"nonce": "x" * 1025}, "invalid_request"),
    "too long a hint": ({"id_token_hint": "x" * 8193}, "invalid_request"),
    "a parameter twice": ({"scope": ("openid", "openid")}, "invalid_request"),
    "an unknown one twice": ({"foo": ("1", "2")}, "invalid_request"),
}

NOT_TO_BE_ANSWERED = {
    "unregistered": {"redirect_uri": "https://evil.example/callback"},
    "nearly registered": {"redirect_uri": REDIRECT_URI + "/"},
    "another client's": {"redirect_uri": "https://other.example/callback"},
    "missing": {"redirect_uri": None},
    "empty": {"redirect_uri": ""},
    "twice": {"redirect_uri": (REDIRECT_URI, "https://evil.example/callback")},
    "twice the same": {"redirect_uri": (REDIRECT_URI, REDIRECT_URI)},
}

NO_CLIENT = {
    "unknown": {"client_id": "nobody"},
    "missing": {"client_id": None},
    "empty": {"client_id": ""},
    "in another case": {"client_id": "APP"},
    "with a space": {"client_id": "app "},
    "with a NUL": {"client_id": "app\0"},
    "twice": {"client_id": ("app", "other")},
    "twice the same": {"client_id": ("app", "app")},
    "disabled": {"client_id": "disabled"},
}


def two_clients(**changes):
    other = client(client_id="other", redirect_uris=("https://other.example/callback",))
    return rules(client(), other, client(client_id="disabled", enabled=False), **changes)


def reads_nothing(hint):
    raise AssertionError("a hint was read before the request could be answered")


@pytest.mark.parametrize("name", INVALID)
def test_what_is_wrong_behind_a_registered_uri_is_told_to_the_client_app(name):
    changes, error = INVALID[name]
    told = refused(two_clients(), **changes)
    assert told.error.error == error
    assert told.reply_to.redirect_uri == REDIRECT_URI
    assert told.reply_to.issuer == ISSUER


@pytest.mark.row("AZ-15")
@pytest.mark.row("AZ-03")
@pytest.mark.parametrize("uri", NOT_TO_BE_ANSWERED)
@pytest.mark.parametrize("name", ["nothing", *INVALID])
def test_whatever_else_is_wrong_an_unregistered_uri_is_never_answered(name, uri):
    changes = {"id_token_hint": "e30.e30.e30"} | INVALID.get(name, ({}, ""))[0] | NOT_TO_BE_ANSWERED[uri]
    with pytest.raises(Shown) as caught:
        ask(two_clients(read_hint=reads_nothing), **changes)
    assert (caught.value.message, caught.value.status) == ("redirect_uri_unregistered", 400)
    assert "evil" not in str(caught.value) + caught.value.detail


@pytest.mark.row("AZ-01")
@pytest.mark.row("AZ-02")
@pytest.mark.parametrize("who", NO_CLIENT)
@pytest.mark.parametrize("uri", ["registered", *NOT_TO_BE_ANSWERED])
def test_without_a_client_nobody_is_answered_not_even_at_a_registered_uri(uri, who):
    for wrong, _ in [({}, ""), *INVALID.values()]:
        changes = wrong | NOT_TO_BE_ANSWERED.get(uri, {}) | NO_CLIENT[who]
        with pytest.raises(Shown) as caught:
            ask(two_clients(read_hint=reads_nothing), **changes)
        assert caught.value.message == "unknown_client"


@pytest.mark.row("AZ-01")
def test_a_client_is_not_found_by_the_uri_of_another():
    with pytest.raises(Shown):
        ask(two_clients(), client_id="other")


REPEATABLE = [*VALID, "nonce", "prompt", "response_mode", "max_age", "claims", "connector", "id_token_hint"]


@pytest.mark.row("AZ-09")
@pytest.mark.parametrize(
    "twist", ["the same", "another first", "another last", "a blank first", "a blank last"]
)
@pytest.mark.parametrize("name", REPEATABLE)
def test_a_parameter_sent_twice_is_refused_whichever_comes_first(name, twist):
    value = VALID.get(name, "1")
    sent = {
        "the same": (value, value),
        "another first": ("other", value),
        "another last": (value, "other"),
        "a blank first": ("", value),
        "a blank last": (value, ""),
    }[twist]
    if name in ("client_id", "redirect_uri"):
        with pytest.raises(Shown):
            ask(**{name: sent})
        return
    told = refused(**{name: sent})
    assert (told.error.error, told.error.reason) == ("invalid_request", "parameter_repeated")
    assert told.error.detail == name
    assert told.reply_to.state == (None if name == "state" else "xyz")
    assert told.reply_to.response_mode == "query"


def outcome(params):
    try:
        return validated(params, rules(client(require_pkce=False)))
    except Shown as error:
        return error.message
    except AnsweredAtClient as error:
        return error.reply_to, error.error.body()


@pytest.mark.row("AZ-11")
@pytest.mark.parametrize(
    "name", [*REPEATABLE, "request", "request_uri", "display", "ui_locales", "login_hint"]
)
def test_an_empty_parameter_is_the_same_as_none(name):
    empty, absent = Params.of(pairs(**{name: ""})), Params.of(pairs(**{name: None}))
    assert outcome(empty) == outcome(absent)


@pytest.mark.row("AZ-10")
@pytest.mark.parametrize("name", ["scope[]", "scope[0]", "client_id.x", "redirect_uri[]", "foo", "Prompt"])
def test_an_unknown_parameter_changes_nothing(name):
    assert ask(**{name: "https://evil.example"}) == ask()


@pytest.mark.row("AZ-31")
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ],
)
@pytest.mark.parametrize("response_type", ["code", None, "token"])
def test_a_request_object_is_refused_by_its_own_name_before_what_it_may_have_said(name, error, response_type):
    told = refused(**{name: "https://127.0.0.1/r"}, response_type=response_type)
    assert told.error.error == error


@pytest.mark.row("AZ-38")
@pytest.mark.parametrize("name", INVALID)
def test_every_refusal_says_the_state_and_the_issuer_in_characters_a_client_may_meet(name):
    told = refused(two_clients(), **INVALID[name][0])
    members = told.reply_to.error(told.error).members
    assert members["iss"] == ISSUER
    assert members.get("state") == (None if name == "too long a state" else "xyz")
    # RFC 6749 §4.1.2.1
    allowed = {*range(0x20, 0x22), *range(0x23, 0x5C), *range(0x5D, 0x7F)}
    assert {ord(character) for character in members.get("error_description", "")} <= allowed


@pytest.mark.parametrize("name", INVALID)
def test_a_refusal_echoes_nothing_of_what_was_sent(name):
    changes = INVALID[name][0]
    told = refused(two_clients(), **changes)
    body = " ".join(told.error.body().values())
    for value in changes.values():
        assert value is None or len(str(value)) < 8 or str(value) not in body


def test_a_public_client_cannot_be_let_off_pkce():
    lax = client(**PUBLIC, require_pkce=False)
    told = refused(rules(lax), code_challenge=None, code_challenge_method=None)
    assert told.error.reason == "pkce_missing"


def made(kind: type[OAuthError]) -> OAuthError:
    """An error of this kind; some say how long to wait."""
    return kind(reason="x", wait=1) if "wait" in kind.__init__.__annotations__ else kind()


def test_every_error_of_the_protocol_has_a_code_of_a_standard_and_plain_words():
    known = [OAuthError]
    for kind in known:
        known.extend(kind.__subclasses__())
    allowed = {*range(0x20, 0x22), *range(0x23, 0x5C), *range(0x5D, 0x7F)}
    for kind in known:
        body = made(kind).body()
        assert body["error"] == kind.error
        assert kind.error.replace("_", "").isalpha()
        assert {ord(character) for character in body.get("error_description", "")} <= allowed
    # What is told by 429 is an error of its own by its status (RFC 6585 §4).
    codes = [(kind.error, kind.status == 429) for kind in known[1:]]
    assert len(codes) == len(set(codes))
