"""Each parameter of a request behind its redirect_uri, one after the other."""

import pytest

from broker.protocol.flow import ClaimAsk
from tests.protocol.samples import CHALLENGE, ISSUER, PUBLIC, REDIRECT_URI, ask, client, refused, rules


def test_a_good_request_becomes_a_value_that_says_all_of_it():
    asked = ask(
        scope="openid email",
        nonce="n-0S6_WzA2Mj",
        prompt="login consent",
        max_age="0",
        login_hint="ada@people.example",
        acr_values="gold silver gold",
        ui_locales="de-AT en",
        display="popup",
        connector="staff",
        response_mode="form_post",
        claims='{"userinfo": {"email": {"essential": true}}}',
    )
    assert (asked.client_id, asked.scopes) == ("app", ("openid", "email"))
    assert (asked.nonce, asked.code_challenge) == ("n-0S6_WzA2Mj", CHALLENGE)
    assert asked.prompt == {"login", "consent"}
    assert (asked.max_age, asked.login_hint) == (0, "ada@people.example")
    assert (asked.acr_values, asked.ui_locales) == (("gold", "silver"), ("de-AT", "en"))
    assert asked.claims.userinfo == {"email": ClaimAsk(essential=True)}
    assert (asked.connector, asked.subject, asked.session_may_answer) == ("staff", None, True)
    reply_to = asked.reply_to
    assert (reply_to.redirect_uri, reply_to.response_mode) == (REDIRECT_URI, "form_post")
    assert (reply_to.state, reply_to.issuer, reply_to.client_id) == ("xyz", ISSUER, "app")


@pytest.mark.row("AZ-13")
@pytest.mark.parametrize(
    "response_type",
    [
        "token", "id_token", "none", "code token", "code id_token", "id_token token", "code id_token token",
        "token code", "code code", "CODE", "Code", " code", "code ", "code\n", "code,token", "code\0",
    ],
)  # fmt: skip
def test_only_the_response_type_code_is_answered_with_anything(response_type):
    told = refused(response_type=response_type)
    assert told.error.error == "unsupported_response_type"
    assert told.reply_to.response_mode == "query"


@pytest.mark.row("AZ-14")
@pytest.mark.parametrize(
    "mode",
    [
        "fragment",
        "web_message",
        "fragment.jwt",
        "JWT",
        "Query",
        "form-post",
        "query ",
        "x" * 9999,
    ],
)
def test_an_unknown_response_mode_is_told_in_the_default_one(mode):
    told = refused(response_mode=mode)
    assert (told.error.error, told.error.reason) == ("invalid_request", "response_mode")
    assert told.reply_to.response_mode == "query"


@pytest.mark.row("AZ-14")
def test_an_error_of_a_form_post_request_is_told_by_form_post():
    assert refused(response_mode="form_post", scope="phone").reply_to.response_mode == "form_post"


@pytest.mark.parametrize(
    "state",
    [None, "a", "x" * 128, "x" * 2048, "a b+c%20&d=e#f\"<>'\\é漢😀", " ", "null", "a\u00a0b\u200b\u202e"],
    ids=ascii,
)
def test_state_comes_through_whole(state):
    assert ask(state=state).reply_to.state == state
    assert refused(state=state, scope="phone").reply_to.state == state


@pytest.mark.row("WB-07")
@pytest.mark.parametrize("character", ["\0", "\t", "\n", "\r", "\x1f", "\x7f", "\ud800"], ids=ascii)
def test_a_state_that_no_answer_could_carry_whole_is_refused_and_not_told_back(character):
    told = refused(state=f"a{character}b")
    assert (told.error.error, told.error.reason) == ("invalid_request", "state_malformed")
    assert told.reply_to.state is None


TOO_LONG = {
    "state": 2048,
    "nonce": 1024,
    "login_hint": 512,
    "id_token_hint": 8192,
    "acr_values": 1024,
    "ui_locales": 256,
}


@pytest.mark.row("AZ-21")
@pytest.mark.parametrize("name", TOO_LONG)
def test_a_value_beyond_its_limit_is_refused_and_one_at_it_is_taken(name):
    assert ask(**{name: "x" * TOO_LONG[name]})
    told = refused(**{name: "x" * (TOO_LONG[name] + 1)})
    assert (told.error.error, told.error.reason) == ("invalid_request", "parameter_too_long")
    assert told.error.detail == name


@pytest.mark.row("AZ-21")
@pytest.mark.parametrize("nonce", ["n", "a b", 'é漢😀"\\\0', "x" * 1024])
def test_nonce_comes_through_whole(nonce):
    assert ask(nonce=nonce).nonce == nonce


@pytest.mark.row("AZ-16")
def test_without_a_challenge_there_is_no_code():
    told = refused(code_challenge=None, code_challenge_method=None)
    assert (told.error.error, told.error.reason) == ("invalid_request", "pkce_missing")
    assert refused(code_challenge=None).error.reason == "pkce_missing"


@pytest.mark.row("AZ-16")
def test_a_confidential_client_may_be_let_off_the_challenge_but_not_off_half_of_it():
    lax = rules(client(require_pkce=False))
    assert ask(lax, code_challenge=None, code_challenge_method=None).code_challenge is None
    assert ask(lax).code_challenge == CHALLENGE
    assert refused(lax, code_challenge=None).error.reason == "pkce_missing"
    assert refused(lax, code_challenge_method=None).error.reason == "pkce_method"
    assert refused(lax, code_challenge="short").error.reason == "pkce_malformed"


@pytest.mark.row("AZ-17")
@pytest.mark.parametrize("method", [None, "", "plain", "PLAIN", "s256", "S512", "S256 ", "S256,x"])
@pytest.mark.parametrize("kind", [{}, PUBLIC, {"require_pkce": False}], ids=str)
def test_a_challenge_by_another_method_than_s256_is_refused(method, kind):
    told = refused(rules(client(**kind)), code_challenge_method=method)
    assert (told.error.error, told.error.reason) == ("invalid_request", "pkce_method")


@pytest.mark.row("AZ-18")
@pytest.mark.parametrize(
    "challenge",
    [
        "x", "x" * 42, "x" * 44, "x" * 128, "x" * 129, CHALLENGE + "=", CHALLENGE[:-1] + "=",
        CHALLENGE[:-1] + "/", CHALLENGE[:-1] + "\0", CHALLENGE[:-1] + "é", CHALLENGE + "\n", " " + CHALLENGE,
        CHALLENGE[:-1] + "+", CHALLENGE[:-1] + ".", CHALLENGE[:-1] + "~", CHALLENGE[:-1] + "٣",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_challenge_is_43_characters_of_base64url(challenge):
    told = refused(code_challenge=challenge)
    assert (told.error.error, told.error.reason) == ("invalid_request", "pkce_malformed")


@pytest.mark.row("AZ-22")
@pytest.mark.parametrize(
    "prompt",
    ["none login", "login none", "none consent", "none select_account", "none\tlogin", "none login consent"],
)
def test_prompt_none_stands_alone(prompt):
    told = refused(prompt=prompt)
    assert (told.error.error, told.error.reason) == ("invalid_request", "prompt")


@pytest.mark.parametrize("prompt", ["please", "None", "LOGIN", "login please", "create", "none,login", "\0"])
def test_an_unknown_prompt_is_refused(prompt):
    assert refused(prompt=prompt).error.reason == "prompt"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (None, set()),
        (" ", set()),
        ("none", {"none"}),
        ("none none", {"none"}),
        ("login", {"login"}),
        (" login  consent ", {"login", "consent"}),
        ("login consent select_account", {"login", "consent", "select_account"}),
    ],
)
def test_prompt_is_a_set_of_words(prompt, words):
    assert ask(prompt=prompt).prompt == words


@pytest.mark.parametrize(
    "max_age", ["-1", "1.5", "1e3", " 1", "1 ", "+1", "0x10", "x", "٣", "1_000", "9" * 10, "\0"]
)
def test_max_age_is_a_whole_number_of_seconds(max_age):
    assert refused(max_age=max_age).error.reason == "max_age"


@pytest.mark.parametrize(
    ("max_age", "seconds"), [(None, None), ("0", 0), ("00", 0), ("300", 300), ("9" * 9, 10**9 - 1)]
)
def test_max_age_of_zero_is_not_no_max_age(max_age, seconds):
    assert ask(max_age=max_age).max_age == seconds


@pytest.mark.parametrize("display", ["page", "popup", "touch", "wap", "PAGE", "tv", "page popup"])
def test_every_display_is_accepted_since_our_pages_fit_all(display):
    assert ask(display=display) == ask()


def test_only_language_tags_are_kept_of_ui_locales():
    tags = ask(ui_locales="de en-GB zh-Hant-TW <script> ../x a-toolongsubtag de 1 é").ui_locales
    assert tags == ("de", "en-GB", "zh-Hant-TW")


@pytest.mark.row("AZ-27")
@pytest.mark.parametrize(
    "hint",
    [
        "nobody",
        "disabled",
        "partners",
        "STAFF",
        "staff ",
        "../staff",
        "staff/../partners",
        "staff\0",
        "*",
        "x" * 10240,
    ],
)
def test_a_connector_that_is_unknown_disabled_or_not_this_clients_is_refused_alike(hint):
    told = refused(rules(client(connectors=("staff", "disabled"))), connector=hint)
    assert told.error.body() == {
        "error": "access_denied",
        "error_description": "The connector cannot be used.",
    }


@pytest.mark.row("AZ-27")
def test_a_client_that_names_no_connectors_allows_the_enabled_ones_and_one_with_none_allows_none():
    assert ask(connector="partners").connector == "partners"
    assert ask(rules(client(connectors=("staff",))), connector="staff").connector == "staff"
    assert refused(rules(client(connectors=())), connector="staff").error.error == "access_denied"


@pytest.mark.row("AZ-19")
@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("openid", ("openid",)),
        ("email openid email", ("email", "openid")),
        ("openid unheard.of", ("openid",)),
        ("OpenID openid Profile", ("openid",)),
        ("openid account.7", ("openid", "account.7")),
        ("openid account.7.8", ("openid",)),
        ("openid account.*", ("openid",)),
        ("openid " * 500, ("openid",)),
    ],
)
def test_undeclared_scopes_are_left_out(scope, granted):
    assert ask(scope=scope).scopes == granted


@pytest.mark.row("AZ-19")
@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ("openid phone", "scope_not_assigned"),
        ("phone", "scope_not_assigned"),
        ("OPENID", "scope_empty"),
        ("unheard.of", "scope_empty"),
        (" ", "scope_empty"),
        ("openid\temail", "scope_malformed"),
        ("openid\nemail", "scope_malformed"),
        ("openid \0", "scope_malformed"),
        ('openid "email"', "scope_malformed"),
        ("openid e\\mail", "scope_malformed"),
        ("openid émail", "scope_malformed"),
        ("openid\u00a0email", "scope_malformed"),
        (" ".join(f"s{n}" for n in range(10_000)), "scope_too_many"),
        ("openid account." + "7" * 5000, "scope_too_many"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_never_more_than_the_client_has(scope, reason):
    told = refused(scope=scope)
    assert (told.error.error, told.error.reason) == ("invalid_scope", reason)


GOOD_HINT = {"iss": ISSUER, "aud": "app", "sub": "ada", "iat": 0, "exp": 1}


def hinted(claims):
    return rules(read_hint={"hint": claims}.get)


@pytest.mark.row("AZ-26")
@pytest.mark.parametrize("aud", ["app", ["app"]])
def test_a_good_hint_names_whom_the_answer_may_be_about_and_signs_nobody_in(aud):
    asked = ask(hinted(GOOD_HINT | {"aud": aud}), id_token_hint="hint")
    assert (asked.subject, asked.session_may_answer) == ("ada", True)


@pytest.mark.row("AZ-26")
@pytest.mark.parametrize(
    "claims",
    [
        None,
        {},
        GOOD_HINT | {"iss": "https://login.evil.example"},
        GOOD_HINT | {"iss": ISSUER + "/"},
        GOOD_HINT | {"iss": None},
        GOOD_HINT | {"aud": "other"},
        GOOD_HINT | {"aud": ["other"]},
        GOOD_HINT | {"aud": ["app", "other"]},
        GOOD_HINT | {"aud": []},
        GOOD_HINT | {"aud": None},
        {"iss": ISSUER, "sub": "ada"},
        {"iss": ISSUER, "aud": "app"},
        GOOD_HINT | {"sub": None},
        GOOD_HINT | {"sub": ["ada"]},
        GOOD_HINT | {"sub": 7},
        {name: GOOD_HINT[name] for name in ("iss", "aud", "sub")},  # a userinfo answer says as much
    ],
    ids=str,
)
def test_a_hint_that_is_not_ours_for_this_client_lets_no_session_answer(claims):
    asked = ask(hinted(claims), id_token_hint="hint")
    assert (asked.subject, asked.session_may_answer) == (None, False)


def test_the_hint_is_read_as_it_was_sent():
    heard = []
    ask(rules(read_hint=heard.append), id_token_hint="e30.e30.e30")
    assert heard == ["e30.e30.e30"]
