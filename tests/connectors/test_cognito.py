"""AWS Cognito: the pool's issuer and its domain, the marks of its ID Tokens, and its text for truth."""

import json
from base64 import urlsafe_b64decode
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from pydantic import ValidationError

from broker.connector import UpstreamDetour, UpstreamInvalid, UpstreamRefused, UpstreamUnavailable
from broker.mapping import Documents, apply
from broker.protocol.errors import AccessDenied, LoginRequired, ServerError, TemporarilyUnavailable
from connectors import cognito
from connectors.strictly import boolean, booleans
from tests.connectors.desk import LOGIN, Desk, finish, recorded
from tests.connectors.stage import opened
from tests.fakes.cognito import ANN, POOL, FakeCognito, basic

ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE01"
SECRET = {"client_id": "1example23456789", "client_secret": "secret"}
SUB = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


def settings(**keys):
    return cognito.Settings.model_validate({**SECRET, "user_pool_id": "eu-west-1_EXAMPLE01", **keys})


def made(document="cognito/openid-configuration.json", claims=None, **keys):
    said = settings(**keys)
    told = recorded("cognito/id_token.claims.json") if claims is None else claims
    desk = Desk(told, {f"{said.issuer}/.well-known/openid-configuration": recorded(document)})
    return cognito.Connector(said, desk.tools), desk


def asked_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
async def pool():
    async with FakeCognito.running() as idp:
        yield idp


def at(pool, **more):
    entry = {
        "type": "cognito",
        "user_pool_id": POOL,
        "endpoint_url": pool.origin,
        "client_id": pool.client_id,
        "client_secret": pool.client_secret,
        **more,
    }
    return opened(pool, {"up": entry})


# ── The pool and its domain ───────────────────────────────────────────────────────────────────


@pytest.mark.proves("cognito", "issuer of the pool, endpoints on its domain, as published")
@pytest.mark.parametrize(
    ("document", "pool_id"),
    [
        ("cognito/openid-configuration.json", "eu-west-1_EXAMPLE01"),
        ("cognito/openid-configuration.2019.json", "eu-west-1_EXAMPLE19"),
    ],
)
async def test_what_cognito_publishes_is_understood(document, pool_id):
    connector, desk = made(document, user_pool_id=pool_id)
    asked = asked_of((await connector.begin(LOGIN)).url)
    assert (asked["code_challenge_method"], asked["nonce"]) == ("S256", LOGIN.nonce)
    identity = await finish(connector)
    assert identity.subject == SUB
    assert desk.expected.issuer == recorded(document)["issuer"]
    assert desk.posted[0]["url"] == "https://example-domain.auth.eu-west-1.amazoncognito.com/oauth2/token"
    assert desk.posted[0]["basic"] is not None
    assert desk.posted[0]["form"]["code_verifier"] == LOGIN.code_verifier


@pytest.mark.parametrize(
    ("keys", "issuer"),
    [
        ({}, ISSUER),
        ({"region": "eu-west-1"}, ISSUER),
        (
            {"issuer_type": "updated"},
            "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE01",
        ),
        (
            {"user_pool_id": "cn-north-1_EXAMPLE01"},
            "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_EXAMPLE01",
        ),
        (
            {"user_pool_id": "us-gov-west-1_EXAMPLE01"},
            "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_EXAMPLE01",
        ),
        ({"endpoint_url": "http://localhost:4566"}, "http://localhost:4566/eu-west-1_EXAMPLE01"),
    ],
)
def test_the_issuer_is_the_pool_in_the_partition_of_its_region(keys, issuer):
    assert settings(**keys).issuer == issuer


@pytest.mark.proves("cognito", "a pool without a domain is told to the operator in plain words")
async def test_a_pool_without_a_domain_is_a_plain_error():
    connector, _ = made("cognito/openid-configuration.no-domain.json")
    with pytest.raises(UpstreamInvalid, match="no domain; add one") as caught:
        await connector.begin(LOGIN)
    assert caught.value.reason == "metadata_pool_without_domain"
    assert recorded("cognito/openid-configuration.no-domain.json")["issuer"] == ISSUER


@pytest.mark.parametrize(
    ("domain", "base"),
    [
        ("acme", "https://acme.auth.eu-west-1.amazoncognito.com/oauth2"),
        ("login.acme.example", "https://login.acme.example/oauth2"),
    ],
)
async def test_a_domain_that_is_named_is_the_one_that_is_used(domain, base):
    connector, desk = made("cognito/openid-configuration.no-domain.json", domain=domain, get_user_info=True)
    assert (await connector.begin(LOGIN)).url.startswith(f"{base}/authorize?")
    await finish(connector)
    assert desk.posted[0]["url"] == f"{base}/token"
    assert desk.got == [f"{base}/userInfo"]


@pytest.mark.proves("cognito", "metadata of another pool in the region")
@pytest.mark.row("CB-34")
async def test_metadata_of_another_pool_is_nobodys(pool):
    pool.switch(discovery={"issuer": f"{pool.origin}/eu-west-1_ANOTHER1"})
    async with at(pool) as stage:
        with pytest.raises(TemporarilyUnavailable) as caught:
            await stage.login().begin()
    assert caught.value.reason == "metadata_issuer_mismatch"


@pytest.mark.proves("cognito", "an ID Token of another pool in the region")
@pytest.mark.row("CB-34")
async def test_a_token_of_another_pool_is_refused(pool):
    pool.switch(iss=f"{pool.origin}/eu-west-1_ANOTHER1")
    async with at(pool) as stage:
        assert (await stage.refused()).reason == "id_token_iss_mismatch"


# ── A login ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("cognito", "sign-in: PKCE, client secret, ID Token")
async def test_a_login_at_a_pool_ends_with_a_person(pool):
    async with at(pool) as stage:
        identity = await stage.sign_in()
        mapped = apply(stage.upstream.claims_map, Documents(id_token=identity.id_token)).claims
    assert (identity.issuer, identity.subject) == (pool.issuer, SUB)
    assert identity.auth_time == int(stage.now())
    assert mapped == {
        "name": "Jane Doe",
        "given_name": "Jane",
        "family_name": "Doe",
        "preferred_username": "janedoe",
        "email": "janedoe@example.com",
        "email_verified": True,
        "phone_number_verified": False,
        "groups": ["admins", "readers"],
        "tenant": "acme",
    }


@pytest.mark.proves("cognito", "PKCE although the metadata is silent")
@pytest.mark.parametrize("silent", [True, False])
async def test_pkce_is_used_whatever_the_metadata_says(pool, silent):
    pool.switch(no_pkce_in_metadata=silent)
    async with at(pool, pkce="never") as stage:
        await stage.sign_in()
    assert pool.seen("authorize")[0].query["code_challenge_method"] == "S256"
    assert pool.seen("token")[0].form["code_verifier"]


async def test_a_secret_may_go_in_the_form_and_an_app_client_may_have_none(pool):
    async with at(pool, token_endpoint_auth_method="client_secret_post") as stage:
        assert (await stage.sign_in()).subject == SUB
    assert "client_secret" in pool.seen("token")[0].form
    assert settings(client_secret=None, token_endpoint_auth_method="none").client_secret is None


@pytest.mark.proves("cognito", "an access token in place of the ID Token")
@pytest.mark.parametrize("claims", [{}, {"aud": "broker"}], ids=["as it is", "with an audience"])
async def test_an_access_token_is_no_id_token(pool, claims):
    pool.switch(access_token_as_id_token=True, access_token={**claims, "nonce": None})
    async with at(pool) as stage:
        assert (await stage.refused()).reason.startswith("id_token_")


@pytest.mark.parametrize("use", ["access", None, "ID", ["id"]])
async def test_only_a_token_for_this_use_is_an_id_token(use):
    connector, _ = made(claims={**recorded("cognito/id_token.claims.json"), "token_use": use})
    with pytest.raises(UpstreamInvalid) as caught:
        await finish(connector)
    assert caught.value.reason == "id_token_token_use_mismatch"


@pytest.mark.proves("cognito", "an ID Token for another app client of the pool")
@pytest.mark.row("CB-34")
async def test_a_token_for_another_app_client_of_the_pool_is_refused(pool):
    pool.switch(other_client_aud=True)
    async with at(pool) as stage:
        assert (await stage.refused()).reason == "id_token_aud_mismatch"


@pytest.mark.parametrize("aud", [["1example23456789", "other"], "other", None])
async def test_a_token_for_others_too_is_refused(aud):
    connector, _ = made(claims={**recorded("cognito/id_token.claims.json"), "aud": aud})
    with pytest.raises(UpstreamInvalid) as caught:
        await finish(connector)
    assert caught.value.reason == "id_token_aud_untrusted"


async def test_an_access_token_of_cognito_would_fail_twice():
    claims = recorded("cognito/access_token.claims.json")
    assert (claims["token_use"], claims.get("aud")) == ("access", None)


@pytest.mark.proves("cognito", "people from a provider behind the pool")
async def test_somebody_from_a_provider_behind_the_pool_keeps_their_sub(pool):
    pool.switch(federated_user="CorpOIDC")
    async with at(pool) as stage:
        identity = await stage.sign_in()
        mapped = apply(stage.upstream.claims_map, Documents(id_token=identity.id_token)).claims
    assert identity.subject == SUB  # never cognito:username, which is the provider's name and an id there
    assert (mapped["home_idp"], mapped["preferred_username"]) == ("CorpOIDC", "CorpOIDC_1234")


@pytest.mark.row("UI-09")
@pytest.mark.proves("cognito", "groups, and none")
async def test_who_is_in_no_group_has_no_groups(pool):
    pool.switch(groups_absent=True)
    async with at(pool) as stage:
        identity = await stage.sign_in()
        mapped = apply(stage.upstream.claims_map, Documents(id_token=identity.id_token)).claims
    assert "groups" not in mapped


async def test_a_provider_behind_the_pool_and_a_language_are_passed_on_in_cognitos_words(pool):
    async with at(
        pool, identity_provider="CorpOIDC", pass_through={"ui_locales": {"fixed": "pt-BR en"}}
    ) as stage:
        asked = asked_of(await stage.login().begin())
    assert (asked["identity_provider"], asked["lang"]) == ("CorpOIDC", "pt-BR")


# ── Userinfo ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("cognito", "booleans as text at userinfo")
@pytest.mark.row("UI-02")
@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("text", [True, False])
async def test_text_for_truth_at_userinfo_is_read_as_what_it_says(pool, text, verified):
    pool.person(SUB, **{**ANN, "email_verified": verified})
    pool.switch(string_bools=text)
    async with at(pool, get_user_info=True) as stage:
        identity = await stage.sign_in()
        documents = Documents(id_token=identity.id_token, userinfo=identity.userinfo)
        mapped = apply(stage.upstream.claims_map, documents).claims
    assert identity.userinfo["email_verified"] is verified
    assert ("email" in mapped, mapped["email_verified"]) == (verified, verified)


@pytest.mark.row("UI-02")
@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("false", False),
        *(
            (odd, None)
            for odd in ("True", "TRUE", "yes", "1", "", " true", 1, 0, 1.0, None, [], ["true"], {"a": 1})
        ),
    ],
    ids=str,
)
def test_only_two_words_are_booleans(value, meant):
    assert boolean(value) is meant
    assert booleans({"email_verified": value}, ["email_verified", "other"]) == {
        "email_verified": meant is True
    }


def test_what_cognito_recorded_at_userinfo_is_read():
    said = booleans(recorded("cognito/userinfo.json"), ["email_verified", "phone_number_verified"])
    assert (said["email_verified"], said["phone_number_verified"]) == (True, True)
    assert said["custom:mycustom1"] == "CustomValue"


@pytest.mark.row("CB-31")
async def test_userinfo_of_somebody_else_is_refused(pool):
    pool.switch(userinfo="other_sub")
    async with at(pool, get_user_info=True) as stage:
        assert (await stage.refused()).reason == "userinfo_sub_mismatch"


# ── How fresh ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("cognito", "prompt=login, and the classic pages that ignore it")
async def test_a_fresh_login_is_asked_for_and_the_answer_checked(pool):
    async with at(pool) as stage:
        await stage.sign_in()
        stage.now.forward(100)
        assert (await stage.sign_in(prompt=("login",))).auth_time == int(stage.now())
        pool.switch(classic_ui_ignores_prompt=True)
        stage.now.forward(100)
        assert type(await stage.refused(prompt=("login",))) is LoginRequired


async def test_choosing_an_account_is_signing_in_anew(pool):
    async with at(pool) as stage:
        asked = asked_of(await stage.login(prompt=("select_account",)).begin())
    assert asked["prompt"] == "login"


@pytest.mark.proves("cognito", "max_age, which Cognito does not know")
async def test_a_session_older_than_asked_makes_one_more_login_with_prompt(pool):
    async with at(pool) as stage:
        await stage.sign_in()
        stage.now.forward(100)
        login = stage.login(max_age=60)
        with pytest.raises(UpstreamDetour) as caught:
            await login.finish(await login.at_the_upstream())
        again = stage.login(max_age=60, detour=caught.value.detour)
        answer = await again.at_the_upstream()
        assert asked_of(again.url)["prompt"] == "login"
        assert (await again.finish(answer)).auth_time == int(stage.now())


async def test_the_second_time_an_old_session_is_an_error_and_no_circle(pool):
    async with at(pool) as stage:
        await stage.sign_in()
        stage.now.forward(100)
        pool.switch(classic_ui_ignores_prompt=True)
        assert type(await stage.refused(max_age=60, detour="login")) is LoginRequired


# ── Asking again ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("cognito", "asking again, without and with a new refresh token")
async def test_a_refresh_token_is_kept_until_there_is_a_newer_one(pool):
    async with at(pool, upstream_refresh="always") as stage:
        first = await stage.sign_in()
        pool.people[SUB]["cognito:groups"] = ["readers"]
        stage.now.forward(100)
        second = await stage.upstream.refresh(first.keep)
        assert second.id_token["cognito:groups"] == ["readers"]
        assert (second.issuer, second.subject) == (first.issuer, first.subject)
        assert second.auth_time == first.auth_time  # asking again is no login
        assert second.keep["refresh_token"] == first.keep["refresh_token"]
        pool.switch(rotation_on=True)
        third = await stage.upstream.refresh(second.keep)
        assert third.keep["refresh_token"] != second.keep["refresh_token"]


@pytest.mark.proves("cognito", "a person who was disabled or deleted, at a refresh")
async def test_a_refresh_that_is_refused_ends_what_stands_on_it(pool):
    async with at(pool, upstream_refresh="always") as stage:
        first = await stage.sign_in()
        pool.switch(refresh="invalid_grant")
        with pytest.raises(AccessDenied):
            await stage.upstream.refresh(first.keep)
        pool.switch(refresh=None, access_token_as_id_token=True)
        with pytest.raises(ServerError):
            await stage.upstream.refresh(first.keep)


# ── What goes wrong ───────────────────────────────────────────────────────────────────────────


@pytest.mark.proves("cognito", "failures of a provider behind the pool, told as invalid_request")
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (True, TemporarilyUnavailable),
        ("Connection reset", TemporarilyUnavailable),
        ("Read timed out", TemporarilyUnavailable),
        ("CorpOIDC Error - 503 error getting token", TemporarilyUnavailable),
        ("CorpOIDC Error - 400 error getting token", ServerError),
        ("PreSignUp failed with error not one of ours.", AccessDenied),
        ("UserLambdaValidationException: no", AccessDenied),
        ("something else", ServerError),
    ],
)
async def test_what_went_wrong_behind_cognito_is_told_for_what_it_is(pool, text, kind):
    pool.switch(idp_timeout_invalid_request=text)
    async with at(pool) as stage:
        assert type(await stage.refused()) is kind


ERRORS = [row for row in recorded("cognito/errors.json") if row["where"] == "callback"]


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: f"{row['error']} {row.get('error_description', '')}")
async def test_each_error_that_cognito_documents_ends_a_login_in_order(row):
    connector, _ = made()
    answer = {name: row[name] for name in ("error", "error_description") if name in row}
    departure = await connector.begin(LOGIN)
    with pytest.raises((UpstreamRefused, UpstreamUnavailable)):
        await connector.finish(LOGIN, answer, departure.memory)


async def test_a_scope_that_the_app_client_has_not_is_a_fault_of_ours(pool):
    async with at(pool, scope="openid admin") as stage:
        refused = await stage.refused()
    assert (type(refused), refused.reason) == (ServerError, "upstream_refused")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"user_pool_id": "EXAMPLE01"}, "user_pool_id"),
        ({"user_pool_id": "eu-west-1_../x"}, "user_pool_id"),
        ({"user_pool_id": "eu-west-1_EXAMPLE01\n"}, "user_pool_id"),
        ({"region": "eu-west-2"}, "lies in another one"),
        ({"domain": "https://acme.example"}, "domain"),
        ({"domain": "acme/x"}, "domain"),
        ({"token_audiences": ["other"]}, "for one app client alone"),
        ({"response_mode": "form_post"}, "by query only"),
        ({"client_secret": None, "private_key": "k"}, "no private_key_jwt"),
    ],
    ids=str,
)
def test_what_cannot_work_stops_the_start(keys, said):
    with pytest.raises(ValidationError) as caught:
        settings(**keys)
    assert said in str(caught.value)


# ── The fake itself ───────────────────────────────────────────────────────────────────────────


async def got(url, **how):
    async with aiohttp.ClientSession() as http, http.get(url, allow_redirects=False, **how) as answer:
        return answer.status, dict(answer.headers), await answer.read()


async def posted(pool, form, authorization=None):
    headers = {} if authorization is None else {"Authorization": authorization}
    async with (
        aiohttp.ClientSession() as http,
        http.post(pool.url("token"), data=form, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def a_code(pool, **more):
    asked = {
        "response_type": "code",
        "client_id": "broker",
        "redirect_uri": "https://x.example/",
        "scope": "openid",
    }
    async with aiohttp.ClientSession() as http:
        url = pool.url("authorize")
        async with http.get(url, params=asked | more, allow_redirects=False) as answer:
            return asked_of(answer.headers["Location"])


async def test_the_fake_publishes_what_cognito_publishes(pool):
    _, _, body = await got(pool.url("discovery"))
    real = recorded("cognito/openid-configuration.json")
    said = json.loads(body)
    assert said.keys() == real.keys()
    for name in ("response_types_supported", "scopes_supported", "token_endpoint_auth_methods_supported"):
        assert said[name] == real[name]
    keys = json.loads((await got(pool.url("jwks")))[2])["keys"]
    assert [key.keys() for key in keys] == [key.keys() for key in recorded("cognito/jwks.shape.json")["keys"]]


async def test_the_fakes_tokens_have_the_claims_of_cognitos(pool):
    code = (await a_code(pool, nonce="n"))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://x.example/"}
    pool.switch(federated_user="CorpOIDC")
    pool.client_secret = "plain"
    status, tokens = await posted(pool, form, basic("broker", "plain"))
    assert (status, tokens.keys()) == (200, recorded("cognito/token.response.json").keys())
    for name in ("id_token", "access_token"):
        claims = payload(tokens[name])
        known = recorded(f"cognito/{name}.claims.json").keys() - {"cognito:preferred_role", "cognito:roles"}
        assert known <= claims.keys()
    assert "aud" not in payload(tokens["access_token"])


def payload(token):
    part = token.split(".")[1]
    return json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def test_the_fake_holds_codes_for_five_minutes_and_gives_them_once(pool):
    clock = [1_700_000_000.0]
    pool.now, pool.client_secret = lambda: clock[0], "plain"
    form = {"grant_type": "authorization_code", "redirect_uri": "https://x.example/"}
    code = (await a_code(pool))["code"]
    assert (await posted(pool, form | {"code": code}, basic("broker", "plain")))[0] == 200
    again = await posted(pool, form | {"code": code}, basic("broker", "plain"))
    late = (await a_code(pool))["code"]
    clock[0] += 301
    expired = await posted(pool, form | {"code": late}, basic("broker", "plain"))
    assert again == expired == (400, {"error": "invalid_grant"})


async def test_the_fake_refuses_like_cognito(pool):
    assert await posted(pool, {"grant_type": "authorization_code"}, basic("broker", "wrong")) == (
        400,
        {"error": "invalid_client"},
    )
    assert (await a_code(pool, scope="openid nothing"))["error"] == "invalid_scope"
    assert (await a_code(pool, prompt="none"))["error"] == "login_required"
    assert (await a_code(pool, code_challenge="x", code_challenge_method="plain"))[
        "error"
    ] == "invalid_request"
    status, headers, _ = await got(pool.url("userinfo"), headers={"Authorization": "Bearer nothing"})
    assert (status, headers["WWW-Authenticate"].startswith('error="invalid_token"')) == (401, True)


async def test_the_fake_refreshes_like_cognito(pool):
    pool.client_secret = "plain"
    proof = basic("broker", "plain")
    form = {"grant_type": "authorization_code", "redirect_uri": "https://x.example/"}
    _, first = await posted(pool, form | {"code": (await a_code(pool))["code"]}, proof)
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    _, second = await posted(pool, refresh, proof)
    assert "refresh_token" not in second
    assert payload(second["id_token"])["auth_time"] == payload(first["id_token"])["auth_time"]
    pool.switch(no_refresh_token_on_refresh=False)
    assert (await posted(pool, refresh, proof))[1]["refresh_token"] == first["refresh_token"]
    pool.switch(rotation_on=True)
    _, third = await posted(pool, refresh, proof)
    assert third["refresh_token"] != first["refresh_token"]
    assert await posted(pool, refresh, proof) == (400, {"error": "invalid_grant"})


async def test_the_fakes_logout_wants_what_cognitos_wants(pool):
    pool.sign_out_urls = {"https://x.example/bye"}
    url = pool.url("end_session")
    good = await got(f"{url}?client_id=broker&logout_uri=https://x.example/bye")
    assert good[1]["Location"] == "https://x.example/bye"
    for query in ("", "?client_id=broker", "?client_id=broker&logout_uri=https://evil.example/"):
        assert (await got(url + query))[1]["Location"].startswith("/error?error=Required+parameters+missing")
    pool.switch(logout_missing_params=True)
    assert "/error" in (await got(f"{url}?client_id=broker&logout_uri=https://x.example/bye"))[1]["Location"]


async def test_the_fakes_pool_may_have_no_domain(pool):
    pool.switch(no_domain=True)
    said = json.loads((await got(pool.url("discovery")))[2])
    real = recorded("cognito/openid-configuration.no-domain.json")
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "revocation_endpoint"):
        assert said[name].removeprefix(said["issuer"]) == real[name].removeprefix(real["issuer"])
    async with at(pool) as stage:
        with pytest.raises(TemporarilyUnavailable) as caught:
            await stage.login().begin()
    assert caught.value.reason == "metadata_pool_without_domain"
