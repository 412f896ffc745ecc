"""What certification checks of an OpenID Provider, rule by rule, and what providers most often get wrong."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.flow.broker import CALLBACK, CHALLENGE, SECRET, Broker, Browser, claims
from tests.flow.signing import give

DATA = Path(__file__).parents[1] / "data"
ALLOWED = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")
"""RFC 6749 §4.1.2.1 and §5.2: what an error_description may consist of."""
OFFLINE = "openid profile email offline_access"
PERSON = {
    "name": "Ada Example",
    "given_name": "Ada",
    "family_name": "Example",
    "middle_name": "King",
    "nickname": "ada",
    "preferred_username": "ada",
    "profile": "https://people.example/ada",
    "picture": "https://people.example/ada.png",
    "website": "https://ada.example",
    "gender": "female",
    "birthdate": "1815-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "updated_at": 1_700_000_000,
    "email": "ada@people.example",
    "email_verified": True,
    "phone_number": "+44 20 7946 0000",
    "phone_number_verified": False,
    "address": {"street_address": "12 St James's Square", "locality": "London", "country": "UK"},
}
SCOPE_CLAIMS = {
    "profile": set(list(PERSON)[:14]),
    "email": {"email", "email_verified"},
    "phone": {"phone_number", "phone_number_verified"},
    "address": {"address"},
}


OF_A_LOGIN = {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "jti", "acr", "amr"}
"""What an ID Token says when nothing more was asked of it (Core §2)."""


@pytest.fixture
async def whole(start) -> Broker:
    """A broker whose upstream says everything that a scope of the standard is about."""
    broker = await start(
        connector={"claims": {"claims": {name: {"from": [name]} for name in PERSON}}},
        client={"scope": "openid profile email phone address offline_access"},
    )
    broker.idp.person("ada", **PERSON)
    return broker


async def signed_in(browser: Browser, **asked: str) -> dict[str, Any]:
    """What the ID Token of a whole login says."""
    landed = await browser.login(**asked)
    status, tokens = await browser.token(landed.code)
    assert status == 200, tokens
    return claims(tokens["id_token"])


# ── prompt, max_age and hints ─────────────────────────────────────────────────────────────────


@pytest.mark.standard("OpenID Core", "§3.1.2.1 prompt=login and max_age give a later auth_time")
@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "1"}])
async def test_a_login_that_was_asked_anew_has_a_later_auth_time(broker: Broker, asked) -> None:
    async with broker.browser() as browser:
        first = await signed_in(browser)
        broker.clock.forward(100)
        broker.idp.switch(clock_skew=100)
        again = await signed_in(browser, **asked)
        assert again["auth_time"] > first["auth_time"]
        assert again["sub"] == first["sub"]


@pytest.mark.standard("OpenID Core", "§2 auth_time is there when max_age was asked")
async def test_with_max_age_there_is_always_an_auth_time(broker: Broker) -> None:
    async with broker.browser() as browser:
        first = await signed_in(browser, max_age="10000")
        again = await signed_in(browser, max_age="10000")  # of the same session
        assert again["auth_time"] == first["auth_time"]
    broker.idp.switch(auth_time="missing")
    async with broker.browser() as browser:
        assert (await browser.authorize(max_age="10000")).params["error"] == "login_required"


@pytest.mark.standard("OpenID Registration", "§2 default_max_age and require_auth_time")
@pytest.mark.parametrize("registered", [{"default_max_age": 10_000}, {"require_auth_time": True}])
async def test_a_client_may_register_that_it_always_wants_an_auth_time(broker: Broker, registered) -> None:
    give(broker, **registered)
    async with broker.browser() as browser:
        assert "auth_time" in await signed_in(browser)
    broker.idp.switch(auth_time="missing")
    async with broker.browser() as browser:
        assert (await browser.authorize()).params["error"] == "login_required"


@pytest.mark.standard("OpenID Core", "§2 auth_time is required where it is asked for as essential")
async def test_an_essential_auth_time_is_asked_of_the_upstream_and_is_there(broker: Broker) -> None:
    wish = json.dumps({"id_token": {"auth_time": {"essential": True}}})
    broker.idp.switch(auth_time="missing")
    async with broker.browser() as browser:
        await browser.login()
        assert (await browser.authorize(claims=wish, prompt="none")).params["error"] == "login_required"
        assert (await browser.authorize(claims=wish)).params["error"] == "login_required"
        assert "max_age" in broker.idp.seen("authorize")[-1].query
        broker.idp.switch(auth_time=None)
        landed = await browser.login(claims=wish)
        _, tokens = await browser.token(landed.code)
        assert "auth_time" in claims(tokens["id_token"])


@pytest.mark.standard(
    "OpenID Core", "§3.1.2.1 prompt=none with a session is silent, with the same sub and auth_time"
)
async def test_silence_and_a_hint_give_the_same_person_and_time(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        _, tokens = await browser.token(landed.code)
        first = claims(tokens["id_token"])
        broker.clock.forward(30)
        for hint in (None, tokens["id_token"]):
            landed = await browser.authorize(prompt="none", id_token_hint=hint)
            _, again = await browser.token(landed.code)
            said = claims(again["id_token"])
            assert (said["sub"], said["auth_time"]) == (first["sub"], first["auth_time"])
        assert len(broker.idp.seen("authorize")) == 1


@pytest.mark.row("AZ-22")
@pytest.mark.standard("OpenID Core", "§3.1.2.6 prompt=none without a session is login_required")
async def test_silence_without_a_session_says_the_error_the_state_the_issuer_and_nothing_else(
    broker: Broker,
) -> None:
    async with broker.browser() as browser:
        landed = await browser.authorize(prompt="none")
        assert landed.status == 303
        assert landed.params == {
            "error": "login_required",
            "state": "state-of-the-client",
            "iss": broker.issuer,
        }


@pytest.mark.standard("OpenID Core", "§15.1 what every provider takes, and at least does not refuse")
@pytest.mark.standard("RFC 6749", "§3.1 and §3.3 unknown parameters are ignored, and scopes have no order")
async def test_parameters_that_change_nothing_here_refuse_nobody(broker: Broker) -> None:
    asked = {
        "scope": "email profile openid",
        "display": "popup",
        "ui_locales": "se",
        "claims_locales": "se",
        "acr_values": "1 2",
        "login_hint": "buffy@example",
        "extra": "foobar",
        "nonce": None,
    }
    async with broker.browser() as browser:
        assert "nonce" not in await signed_in(browser, **asked)
        form = {"client_id": "billing", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
        form |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "posted"}
        posted = await browser.step("POST", f"{broker.issuer}/authorize", data=form)
        landed = await browser.go(broker.issuer + posted.url)
        assert (landed.params["state"], "code" in landed.params) == ("posted", True)


# ── where the answer goes ─────────────────────────────────────────────────────────────────────


@pytest.mark.row("AZ-03")
@pytest.mark.standard("OpenID Core", "§3.1.2.1 an unregistered redirect_uri is a page, never a redirect")
@pytest.mark.parametrize(
    "uri", [CALLBACK + "?more=1", CALLBACK + "?", CALLBACK + "/", "https://evil.example/", CALLBACK + "#f"]
)
async def test_a_redirect_uri_that_is_not_registered_is_a_page(broker: Broker, uri) -> None:
    async with broker.browser() as browser:
        landed = await browser.authorize(redirect_uri=uri)
        assert (landed.status, "Location" in landed.headers) == (400, False)
        assert "text/html" in landed.headers["Content-Type"]


@pytest.mark.standard(
    "RFC 6749", "§3.1.2 a registered query stays, and one that was changed is not registered"
)
async def test_a_registered_query_stays_and_a_changed_one_is_a_page(start) -> None:
    broker = await start(client={"redirect_uris": [CALLBACK + "?tenant=a"]})
    async with broker.browser() as browser:
        landed = await browser.login(redirect_uri=CALLBACK + "?tenant=a")
        assert landed.url.startswith(CALLBACK + "?tenant=a&")
        for uri in (CALLBACK, CALLBACK + "?tenant=b", CALLBACK + "?tenant=a&b=c", CALLBACK + "?tenant=A"):
            page = await browser.authorize(redirect_uri=uri)
            assert (page.status, "Location" in page.headers) == (400, False)


@pytest.mark.standard("OpenID Core", "§3.1.2.6 a missing response_type is told to the client")
async def test_a_missing_response_type_is_told_to_the_client(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.authorize(response_type=None)
        assert (landed.params["error"], landed.params["state"]) == ("invalid_request", "state-of-the-client")


@pytest.mark.standard("RFC 6749", "§4.1.2 state comes back as it was sent")
@pytest.mark.parametrize(
    "state", ["s" * 128, "!#$%&'()*+,-./:;<=>?@[]^_`{|}~" * 4 + "ab", "a b+c%20d&e=f", "é→☃"]
)
async def test_a_long_or_strange_state_comes_back_intact(broker: Broker, state) -> None:
    async with broker.browser() as browser:
        assert (await browser.login(state=state)).params["state"] == state
        assert (await browser.authorize(state=state, scope="phone")).params["state"] == state
        posted = await browser.login(state=state, response_mode="form_post")
        assert posted.field("state") == state


@pytest.mark.standard("OAuth 2.0 Form Post Response Mode", "§2 code, state and iss in a form that is posted")
async def test_a_form_carries_the_code_to_the_client(broker: Broker) -> None:
    async with broker.browser() as browser:
        page = await browser.login(response_mode="form_post")
        assert page.status == 200
        assert f'action="{CALLBACK}"' in page.body
        assert 'method="post"' in page.body
        assert (page.field("state"), page.field("iss")) == ("state-of-the-client", broker.issuer)
        assert (await browser.token(page.field("code")))[0] == 200
        refused = await browser.authorize(response_mode="form_post", scope="phone")
        assert refused.field("error") == "invalid_scope"


# ── codes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("TK-01")
@pytest.mark.standard("RFC 6749", "§4.1.2 a code is good once, and a second use ends what the first gave")
@pytest.mark.parametrize("later", [0, 30])
@pytest.mark.parametrize("form", ["jwt", "opaque"])
async def test_a_code_used_again_is_refused_and_its_access_token_is_dead(broker: Broker, later, form) -> None:
    give(broker, access_token_format=form)
    async with broker.browser() as browser:
        landed = await browser.login()
        _, tokens = await browser.token(landed.code)
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200
        broker.clock.forward(later)
        status, told = await browser.token(landed.code)
        assert (status, told["error"]) == (400, "invalid_grant")
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        assert (await browser.post("/introspect", {"token": tokens["access_token"]}))[1] == {"active": False}


@pytest.mark.row("AZ-39")
@pytest.mark.standard("RFC 6749", "§10.10 codes cannot be guessed")
async def test_a_code_holds_at_least_128_bits_that_are_its_own(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        codes = [(await browser.authorize(prompt="none")).code for _ in range(60)]
    assert len(set(codes)) == len(codes)
    # Places where only chance stands: each of 64 characters is six bits.
    varied = [place for place in zip(*codes, strict=True) if len(set(place)) > 20]
    assert 6 * len(varied) >= 128


# ── userinfo and claims ───────────────────────────────────────────────────────────────────────


@pytest.mark.standard("OpenID Core", "§5.3.1 userinfo by GET, by POST with the header, by POST with the body")
async def test_userinfo_is_answered_whichever_way_the_token_comes(whole: Broker) -> None:
    url = f"{whole.issuer}/userinfo"
    async with whole.browser() as browser:
        _, tokens = await browser.token((await browser.login()).code)
        token = tokens["access_token"]
        header = {"Authorization": f"Bearer {token}"}
        ways = [
            await browser.step("GET", url, headers=header),
            await browser.step("POST", url, headers=header),
            await browser.step("POST", url, data={"access_token": token}),
        ]
        assert {one.status for one in ways} == {200}
        assert len({one.body for one in ways}) == 1
        assert all(one.headers["Content-Type"].startswith("application/json") for one in ways)
        assert (await browser.step("GET", f"{url}?access_token={token}")).status == 401


@pytest.mark.standard("OpenID Core", "§5.4 a scope gives all of its claims that the person has")
@pytest.mark.standard("OpenID Core", "§5.1 updated_at a number, email_verified a boolean, address an object")
async def test_each_scope_gives_all_of_its_claims_and_each_of_its_type(whole: Broker) -> None:
    async with whole.browser() as browser:
        for scope, names in SCOPE_CLAIMS.items():
            landed = await browser.login(scope=f"openid {scope}")
            _, tokens = await browser.token(landed.code)
            _, person = await browser.userinfo(tokens["access_token"])
            assert set(person) == {"sub", *names}
            assert all(person[name] == PERSON[name] for name in names)
            assert all(type(person[name]) is type(PERSON[name]) for name in names)
            # Core §5.4: the ID Token of the code flow has only what was asked of it.
            assert claims(tokens["id_token"]).keys() == OF_A_LOGIN


@pytest.mark.standard("OpenID Core", "§5.1.1 and §5.1 a value of another type is left out")
async def test_a_value_of_another_type_is_made_right_or_left_out(whole: Broker) -> None:
    said = {"updated_at": "yesterday", "email_verified": "maybe", "address": "London", "name": "Ada"}
    whole.idp.person("ada", **said)
    async with whole.browser() as browser:
        landed = await browser.login(scope="openid profile email address")
        _, tokens = await browser.token(landed.code)
        _, person = await browser.userinfo(tokens["access_token"])
        assert isinstance(person.get("updated_at", 0), int)
        assert isinstance(person.get("email_verified", False), bool)
        assert isinstance(person.get("address", {}), dict)


@pytest.mark.standard("OpenID Core", "§5.5 single claims by name, at userinfo and in the ID Token")
@pytest.mark.parametrize("ask", [None, {"essential": True}, {"essential": False}])
async def test_a_claim_that_is_asked_for_by_name_comes_where_it_was_asked_for(whole: Broker, ask) -> None:
    wanted = json.dumps({"userinfo": {"name": ask}, "id_token": {"email": ask}})
    async with whole.browser() as browser:
        _, tokens = await browser.token((await browser.login(scope="openid", claims=wanted)).code)
        _, person = await browser.userinfo(tokens["access_token"])
        assert set(person) == {"sub", "name"}
        assert claims(tokens["id_token"])["email"] == PERSON["email"]
        assert "name" not in claims(tokens["id_token"])


@pytest.mark.standard("OpenID Core", "§5.5.1 essential and unknown claims never end a login")
async def test_an_essential_claim_that_nobody_has_does_not_end_the_login(broker: Broker) -> None:
    wanted = json.dumps({"userinfo": {"phone_number": {"essential": True}, "unheard_of": None}})
    async with broker.browser() as browser:
        _, tokens = await browser.token((await browser.login(claims=wanted)).code)
        status, person = await browser.userinfo(tokens["access_token"])
        assert status == 200
        assert "unheard_of" not in person


@pytest.mark.standard("OpenID Core", "§5.5.1 sub with a value: nobody else is answered about")
@pytest.mark.parametrize("member", ["value", "values"])
async def test_a_request_for_one_person_is_not_answered_about_another(broker: Broker, member) -> None:
    async with broker.browser() as browser:
        first = await signed_in(browser)
        for subject, right in ((first["sub"], True), ("somebody-else", False)):
            value = [subject] if member == "values" else subject
            wanted = json.dumps({"id_token": {"sub": {member: value}}})
            landed = await browser.authorize(prompt="none", claims=wanted)
            assert ("code" in landed.params) is right
            assert landed.params.get("error") == (None if right else "login_required")


@pytest.mark.row("AZ-25")
@pytest.mark.standard("OpenID Core", "§5.5.1.1 an essential acr is reached or refused")
async def test_an_essential_acr_that_is_not_reached_is_refused(broker: Broker) -> None:
    wanted = json.dumps({"id_token": {"acr": {"essential": True, "values": ["gold"]}}})
    async with broker.browser() as browser:
        landed = await browser.authorize(claims=wanted)
        assert landed.params["error"] in ("unmet_authentication_requirements", "access_denied")
    wanted = json.dumps({"id_token": {"acr": {"values": ["gold"]}}})
    async with broker.browser() as browser:
        assert (await browser.login(claims=wanted)).code


# ── tokens and errors ─────────────────────────────────────────────────────────────────────────


@pytest.mark.row("RT-13")
@pytest.mark.standard("OpenID Core", "§12.2 a refreshed ID Token keeps iss, sub, aud and auth_time")
async def test_a_refreshed_id_token_is_about_the_same_login(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, tokens = await browser.token((await browser.login(scope=OFFLINE, max_age="10000")).code)
        first = claims(tokens["id_token"])
        broker.clock.forward(100)
        _, again = await browser.refresh(tokens["refresh_token"])
        said = claims(again["id_token"])
        for name in ("iss", "sub", "aud", "auth_time"):
            assert said[name] == first[name]
        assert said["iat"] > first["iat"]
        assert "nonce" not in said


@pytest.mark.standard("RFC 6749", "§5.2 another client's refresh token is invalid_grant")
async def test_another_clients_refresh_token_is_as_good_as_none(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, tokens = await browser.token((await browser.login(scope=OFFLINE)).code)
        status, told = await browser.refresh(tokens["refresh_token"], client="trusted")
        assert (status, told["error"]) == (400, "invalid_grant")
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 200


@pytest.mark.row("TK-15")
@pytest.mark.standard("RFC 6749", "§5.1 Cache-Control: no-store")
@pytest.mark.standard("RFC 6749", "§5.2 error_description has only allowed characters")
async def test_no_answer_is_kept_and_no_description_has_a_strange_character(broker: Broker) -> None:
    strange = 'ü"\\\n\x7f<script>'
    known = {"client_id": "billing", "client_secret": SECRET}
    async with broker.browser() as browser:
        answers = [
            await browser.step("POST", f"{broker.issuer}{path}", data=form)
            for path in ("/token", "/par", "/introspect", "/revoke", "/userinfo")
            for form in (
                {"client_id": strange, "client_secret": strange},
                known | {"grant_type": strange, "request_uri": strange},
                known | {"grant_type": "authorization_code", "code": strange},
                {"access_token": strange},
            )
        ]
        for answer in answers:
            assert "no-store" in answer.headers["Cache-Control"]
            assert ALLOWED.fullmatch(json.loads(answer.body or "{}").get("error_description", ""))
            assert "Access-Control-Allow-Origin" not in answer.headers
        for asked in ({"scope": strange}, {"prompt": strange}, {"max_age": strange}, {"claims": strange}):
            landed = await browser.authorize(**asked)
            assert ALLOWED.fullmatch(landed.params.get("error_description", ""))
            assert "no-store" in landed.headers["Cache-Control"]


@pytest.mark.row("AZ-38")
@pytest.mark.standard("RFC 9207", "§2 iss is in every answer, once")
async def test_every_answer_says_the_issuer_once(broker: Broker) -> None:
    async with broker.browser() as browser:
        for landed in (await browser.login(), await browser.authorize(scope="phone")):
            assert landed.url.count("iss=") == 1
            assert landed.params["iss"] == broker.issuer


# ── documents ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard("RFC 7517", "§4.5 distinct kids and no private part")
async def test_the_key_set_has_distinct_names_and_nothing_private(broker: Broker) -> None:
    async with broker.browser() as browser:
        answer = await browser.step("GET", f"{broker.issuer}/jwks")
        keys = json.loads(answer.body)["keys"]
    assert Counter(key["kid"] for key in keys).most_common(1)[0][1] == 1
    assert not {"d", "p", "q", "dp", "dq", "qi", "k", "oth"} & {name for key in keys for name in key}
    assert all(key["use"] == "sig" for key in keys)
    assert {key["kty"] for key in keys} >= {"RSA", "EC"}


REGISTERED_METADATA = frozenset((DATA / "metadata-names.txt").read_text().split())
"""The names of the registry of authorization server metadata, and of OpenID Connect, that we could say."""


@pytest.mark.row("CF-11")
@pytest.mark.standard("RFC 8414", "§2 no member that is unknown, empty or untrue")
@pytest.mark.parametrize("path", ["openid-configuration", "oauth-authorization-server"])
async def test_the_metadata_has_no_member_that_is_unknown_or_untrue(broker: Broker, path) -> None:
    async with broker.browser() as browser:
        answer = await browser.step("GET", f"{broker.issuer}/.well-known/{path}")
        said = json.loads(answer.body)
        assert set(said) <= REGISTERED_METADATA
        assert said["issuer"] == broker.issuer
        for name, value in said.items():
            assert value not in (None, "", [], {}), name
            if name.endswith(("_endpoint", "jwks_uri")):
                assert value.startswith(broker.issuer + "/")
                assert (await browser.step("POST", value, data={"x": "y"})).status != 404, name
        assert "none" not in said["request_object_signing_alg_values_supported"]
        assert "none" not in said.get("id_token_signing_alg_values_supported", [])
        algs = {key.get("alg", "EdDSA") for key in broker.services.keys.jwks()["keys"]}
        for name in ("id_token_signing_alg_values_supported", "authorization_signing_alg_values_supported"):
            assert set(said.get(name, [])) <= algs | {"Ed25519"}
        for mode in said["response_modes_supported"]:
            landed = await browser.authorize(response_mode=mode, prompt="none")
            assert landed.status in (200, 303)


@pytest.mark.row("CF-11")
@pytest.mark.standard("OpenID Discovery", "§3 claims_supported names what may be told")
async def test_every_claim_that_is_told_is_among_those_that_are_said(whole: Broker) -> None:
    give(whole, "billing", id_token_claims=True)
    async with whole.browser() as browser:
        landed = await browser.login(scope="openid profile email address phone offline_access", max_age="600")
        _, tokens = await browser.token(landed.code)
        _, person = await browser.userinfo(tokens["access_token"])
        url = f"{whole.issuer}/.well-known/openid-configuration"
        said = json.loads((await browser.step("GET", url)).body)["claims_supported"]
    assert {*claims(tokens["id_token"]), *person} <= {*said}
