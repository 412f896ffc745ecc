"""Tokens at the endpoints that take them: the right one, in its place, while everything behind it stands."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from broker.protocol import handles
from tests.flow.broker import CALLBACK, SECRET, VERIFIER, Broker, Browser, claims
from tests.flow.client_app import header
from tests.flow.machines import SCOPES, api, entry, for_itself, introspected

GOOD = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}


async def tokens_of(browser: Browser, scope: str = "openid email offline_access") -> dict[str, Any]:
    landed = await browser.login(scope=scope)
    status, tokens = await browser.token(landed.code)
    assert status == 200, tokens
    return tokens


async def userinfo(
    browser: Browser,
    *,
    headers: list[tuple[str, str]] = (),
    query: str = "",
    form: dict[str, str] | None = None,
) -> tuple[int, dict[str, Any], str]:
    """Ask at userinfo in any way: status, body and challenge."""
    url = f"{browser.broker.issuer}/userinfo{query}"
    method = "GET" if form is None else "POST"
    async with browser.session.request(method, url, headers=headers, data=form) as answer:
        return answer.status, await answer.json(), answer.headers.get("WWW-Authenticate", "")


def bearer(token: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {token}"


# ── Userinfo ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("RS-01")
@pytest.mark.row("RT-09")
@pytest.mark.standard("RFC 6750", "§3.1 invalid_token")
@pytest.mark.parametrize("client", ["billing", "opaque"])
async def test_only_an_access_token_of_a_person_with_openid_is_good_at_userinfo(start, client) -> None:
    broker = await start(
        top={"scopes": SCOPES},
        clients={
            "opaque": {"access_token_format": "opaque"},
            "nightly": entry("Nightly", "client_credentials"),
        },
    )
    async with broker.browser() as browser:
        landed = await browser.login(client_id=client, scope="openid email offline_access")
        _, tokens = await browser.token(landed.code, client=client)
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200
        for other in (tokens["id_token"], tokens["refresh_token"], landed.code, "rubbish", "a.b.c"):
            status, body, challenge = await userinfo(browser, headers=[bearer(other)])
            assert (status, body["error"]) == (401, "invalid_token")
            assert 'error="invalid_token"' in challenge
        _, machine = await for_itself(browser, "nightly")
        status, body, challenge = await userinfo(browser, headers=[bearer(machine["access_token"])])
        assert (status, body["error"]) == (403, "insufficient_scope")
        assert 'error="insufficient_scope"' in challenge


@pytest.mark.row("JW-25")
@pytest.mark.row("RS-01")
async def test_what_the_upstream_gave_is_nothing_here(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        theirs = broker.idp.told[0]
        assert {"id_token", "access_token"} <= set(theirs)
        for token in (theirs["id_token"], theirs["access_token"]):
            status, body, _ = await userinfo(browser, headers=[bearer(token)])
            assert (status, body["error"]) == (401, "invalid_token")
            assert await browser.post("/introspect", {"token": token}) == (200, {"active": False})
            assert (await browser.refresh(token))[1]["error"] == "invalid_grant"
            assert (await browser.token(token))[1]["error"] == "invalid_grant"
            hinted = await browser.authorize(prompt="none", id_token_hint=token)
            assert hinted.params["error"] == "login_required"
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200


@pytest.mark.row("RS-02")
@pytest.mark.standard("RFC 6750", "§2 one token, in one way, and never in the URL")
async def test_a_token_is_taken_once_and_never_from_the_url(broker: Broker) -> None:
    async with broker.browser() as browser:
        token = (await tokens_of(browser))["access_token"]
        status, body, challenge = await userinfo(browser, query=f"?access_token={token}")
        assert (status, body) == (401, {})  # as if there were none
        assert challenge.startswith("Bearer")
        for headers, form in (
            ([bearer(token), bearer(token)], None),
            ([bearer(token)], {"access_token": token}),
            ([("Authorization", f"Bearer {token} {token}")], None),
            ([("Authorization", "Bearer")], None),
        ):
            status, body, _ = await userinfo(browser, headers=headers, form=form)
            assert (status, body["error"]) == (400, "invalid_request")
        status, body, _ = await userinfo(browser, form={"access_token": token})
        assert (status, "sub" in body) == (200, True)
        for header in ("Basic YTpi", "Negotiate", "BearerX abc", ""):  # §3.1: no token, so no error
            status, body, challenge = await userinfo(browser, headers=[("Authorization", header)])
            assert (status, body) == (401, {})
            assert "error" not in challenge
        status, body, _ = await userinfo(browser, headers=[("Authorization", f"DPoP {token}")])
        assert (status, body["error"]) == (401, "invalid_token")
        both = [bearer(token), ("Authorization", f"DPoP {token}")]
        status, body, _ = await userinfo(browser, headers=both)
        assert (status, body["error"]) == (400, "invalid_request")
        # A proof is no token: beside one that needs none it is nothing (RFC 9449 §7.2).
        status, body, _ = await userinfo(browser, headers=[bearer(token), ("DPoP", token)])
        assert (status, "sub" in body) == (200, True)


@pytest.mark.row("RS-03")
@pytest.mark.parametrize("how", ["expired", "revoked", "logged out", "client gone", "consent withdrawn"])
async def test_a_token_behind_which_something_ended_is_refused_at_once(broker: Broker, how: str) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser, "openid email")
        token = tokens["access_token"]
        assert (await browser.userinfo(token))[0] == 200
        await end(broker, browser, tokens, how)
        status, body, _ = await userinfo(browser, headers=[bearer(token)])
        assert (status, body["error"]) == (401, "invalid_token")


async def end(broker: Broker, browser: Browser, tokens: dict[str, Any], how: str) -> None:
    """Take away one of the things that a token stands on."""
    said, services = claims(tokens["id_token"]), broker.services
    if how == "expired":
        broker.clock.forward(301)
    elif how == "revoked":
        await browser.post("/revoke", {"token": tokens["access_token"]})
    elif how == "logged out":
        await services.endings.end(said["sid"], "signed_out")
    elif how == "consent withdrawn":
        await services.endings.withdraw(said["sub"], "billing")
    else:
        known = dict(services.clients.configured)
        changed = {
            "client gone": {},
            "client disabled": known | {"billing": replace(known["billing"], enabled=False)},
            "connector not allowed": known | {"billing": replace(known["billing"], connectors=["partners"])},
            "scope taken away": known | {"billing": replace(known["billing"], scopes=frozenset({"openid"}))},
        }[how]
        services.clients.configured = changed


# ── Introspection ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("RS-05")
@pytest.mark.standard("RFC 7662", "§2.1 whoever asks must prove who they are")
async def test_nobody_introspects_without_proving_who_they_are(broker: Broker) -> None:
    async with broker.browser() as browser:
        token = (await tokens_of(browser))["access_token"]
        url = f"{broker.issuer}/introspect"
        for headers, form in (
            ({}, {"token": token}),
            ({"Authorization": aiohttp.encode_basic_auth("billing", "wrong")}, {"token": token}),
            ({"Authorization": aiohttp.encode_basic_auth("nobody", SECRET)}, {"token": token}),
            ({}, {"token": token, "client_id": "spa"}),
            ({}, {"token": token, "client_id": "billing"}),
        ):
            async with browser.session.post(url, data=form, headers=headers) as answer:
                assert (answer.status, (await answer.json())["error"]) == (401, "invalid_client")


@pytest.mark.row("RS-05")
@pytest.mark.row("RS-11")
async def test_whatever_is_asked_about_that_is_not_ours_sounds_alike(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        chance = broker.services.chance(handles.SECRET_BYTES)
        grant = handles.grant_id(broker.services.chance(handles.GRANT_BYTES))
        never_given = handles.mint("access", grant, chance, broker.services.store.handle_keys[0]).text
        heard = set()
        for token in ("x", "a.b.c", never_given, tokens["refresh_token"], tokens["id_token"], "é" * 50):
            for hint in (None, "access_token", "refresh_token", "unheard_of"):
                status, told = await browser.post("/introspect", {"token": token, "token_type_hint": hint})
                heard.add((status, str(told)))
        assert heard == {(200, "{'active': False}")}
        for method in ("GET", "PUT", "HEAD"):
            async with browser.session.request(method, f"{broker.issuer}/introspect") as answer:
                assert answer.status == 405
        with_callback = {"token": tokens["access_token"], "callback": "alert"}
        _, told = await browser.post("/introspect", with_callback)
        assert told["active"] is True  # no JSONP
        status, told = await browser.post("/introspect?callback=alert", {"token": tokens["access_token"]})
        assert (status, told["error"]) == (400, "invalid_request")


@pytest.mark.row("RS-06")
async def test_an_api_hears_only_of_tokens_that_are_meant_for_it(start) -> None:
    broker = await start(
        client={"audience": "https://api.example"},
        clients={"reports": api(), "other": api("Other", "https://other.example")},
    )
    async with broker.browser() as browser:
        token = (await tokens_of(browser))["access_token"]
        assert (await introspected(browser, token, "reports"))["active"] is True
        for stranger in ("other", "trusted"):
            assert await introspected(browser, token, stranger) == {"active": False}


@pytest.mark.row("RS-07")
@pytest.mark.parametrize("form", ["jwt", "opaque"])
@pytest.mark.parametrize(
    "how",
    [
        "expired",
        "revoked",
        "logged out",
        "consent withdrawn",
        "client gone",
        "client disabled",
        "connector not allowed",
    ],
)
async def test_a_token_is_inactive_whatever_it_is_that_ended(start, form: str, how: str) -> None:
    broker = await start(client={"access_token_format": form, "audience": "https://api.example"},
                         clients={"reports": api()})  # fmt: skip
    async with broker.browser() as browser:
        tokens = await tokens_of(browser, "openid email")
        assert (await introspected(browser, tokens["access_token"], "reports"))["active"] is True
        reports = broker.services.clients.configured["reports"]
        await end(broker, browser, tokens, how)
        broker.services.clients.configured = {**broker.services.clients.configured, "reports": reports}
        assert await introspected(browser, tokens["access_token"], "reports") == {"active": False}


@pytest.mark.row("RS-07")
@pytest.mark.row("KY-03")
async def test_what_a_key_signed_that_was_taken_out_is_good_nowhere(broker: Broker) -> None:
    async with broker.browser() as browser:
        before = await tokens_of(browser)
        assert await broker.services.keys.retire(header(before["access_token"])["kid"])
        status, body, _ = await userinfo(browser, headers=[bearer(before["access_token"])])
        assert (status, body["error"]) == (401, "invalid_token")
        _, told = await browser.post("/introspect", {"token": before["access_token"]})
        assert told == {"active": False}
        hinted = await browser.authorize(prompt="none", id_token_hint=before["id_token"])
        assert hinted.params["error"] == "login_required"
        _, after = await browser.refresh(before["refresh_token"])  # which no key signed
        assert (await browser.userinfo(after["access_token"]))[0] == 200


async def test_scopes_that_were_taken_away_are_gone_from_what_an_api_hears(start) -> None:
    broker = await start(client={"audience": "https://api.example"}, clients={"reports": api()})
    async with broker.browser() as browser:
        tokens = await tokens_of(browser, "openid email")
        await end(broker, browser, tokens, "scope taken away")
        broker.services.clients.configured = {
            **broker.services.clients.configured,
            "reports": replace(broker.services.clients.configured["billing"], client_id="reports",
                               grant_types=()),
        }  # fmt: skip
        told = await introspected(browser, tokens["access_token"], "reports")
    assert (told["active"], told["scope"]) == (True, "openid")


# ── Revocation ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.row("RS-09")
@pytest.mark.standard("RFC 7009", "§2.1 the token must be the client's own")
async def test_nobody_revokes_what_was_given_to_another(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        for name in ("access_token", "refresh_token"):
            status, body = await browser.post("/revoke", {"token": tokens[name]}, client="trusted")
            assert (status, body) == (200, {})
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 200


@pytest.mark.row("RS-11")
@pytest.mark.standard("RFC 7009", "§2.2 what is not known is answered by 200, and a hint is only a hint")
async def test_a_revocation_tells_nothing_and_minds_no_hint(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        for token in ("x", "a.b.c", "é" * 50, tokens["id_token"], "x" * 20_000):
            for hint in (None, "access_token", "unheard_of"):
                told = await browser.post("/revoke", {"token": token, "token_type_hint": hint})
                assert told == (200, {})
        for method in ("GET", "PUT", "HEAD", "DELETE"):
            async with browser.session.request(method, f"{broker.issuer}/revoke") as answer:
                assert answer.status == 405
        status, told = await browser.post("/revoke?callback=alert", {"token": tokens["access_token"]})
        assert (status, told["error"]) == (400, "invalid_request")  # no JSONP
        assert (await browser.userinfo(tokens["access_token"]))[0] == 200
        wrong = {"token": tokens["access_token"], "token_type_hint": "refresh_token", "callback": "alert"}
        assert await browser.post("/revoke", wrong) == (200, {})
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        wrong = {"token": tokens["refresh_token"], "token_type_hint": "access_token"}
        assert await browser.post("/revoke", wrong) == (200, {})
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 400


@pytest.mark.row("RS-07")
@pytest.mark.standard("RFC 7009", "§2.2 200 says that it is revoked, for good")
@pytest.mark.parametrize("form", ["jwt", "opaque"])
async def test_what_is_given_back_while_it_is_of_no_use_stays_revoked(start, form: str) -> None:
    broker = await start(client={"access_token_format": form})
    async with broker.browser() as browser:
        token = (await tokens_of(browser))["access_token"]
        routes = broker.services.config.routing.routes
        before = routes.all
        object.__setattr__(routes, "all", type(before)(()))
        assert (await browser.userinfo(token))[0] == 401
        assert (await browser.post("/revoke", {"token": token}))[0] == 200
        object.__setattr__(routes, "all", before)
        assert (await browser.userinfo(token))[0] == 401
        assert broker.events("revocation")[-1]["outcome"] == "ok"


@pytest.mark.row("RS-13")
@pytest.mark.row("RT-15")
async def test_a_revocation_wins_over_refreshes_that_race_with_it(broker: Broker) -> None:
    async with broker.browser() as browser:
        tokens = await tokens_of(browser)
        *answers, _ = await asyncio.gather(
            *(browser.refresh(tokens["refresh_token"]) for _ in range(20)),
            browser.post("/revoke", {"token": tokens["refresh_token"]}),
        )
        given = [answer for status, answer in answers if status == 200]
        for answer in given:
            assert (await browser.userinfo(answer["access_token"]))[0] == 401
            status, body = await browser.refresh(answer["refresh_token"])
            assert (status, body["error"]) == (400, "invalid_grant")


# ── The token endpoint ────────────────────────────────────────────────────────────────────────


@pytest.mark.row("TK-11")
@pytest.mark.standard("RFC 6749", "§5.2 unsupported_grant_type")
@pytest.mark.parametrize(
    "grant_type",
    ["password", "implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer", "id_token", "ciba"],
)
async def test_a_grant_type_of_old_or_of_others_is_not_supported(broker: Broker, grant_type: str) -> None:
    async with broker.browser() as browser:
        form = {"grant_type": grant_type, "username": "ada", "password": "correct horse"}
        status, body = await browser.post("/token", form)
    assert (status, body["error"]) == (400, "unsupported_grant_type")


@pytest.mark.row("TK-10")
@pytest.mark.standard("RFC 6749", "§5.2 what is said of a grant_type that is no good")
@pytest.mark.parametrize(
    ("grant_type", "error"),
    [
        (None, "invalid_request"),
        ("", "invalid_request"),
        ("unheard_of", "unsupported_grant_type"),
        ("AUTHORIZATION_CODE", "unsupported_grant_type"),
        ("Refresh_Token", "unsupported_grant_type"),
        ("authorization_code ", "unsupported_grant_type"),
        ("refresh_token", "unauthorized_client"),
    ],
)
async def test_a_grant_type_is_one_of_ours_to_the_letter_and_of_the_client(start, grant_type, error) -> None:
    broker = await start(client={"grant_types": ["authorization_code"], "scope": "openid profile email"})
    async with broker.browser() as browser:
        code = (await browser.login()).code
        form = GOOD | {"code": code, "refresh_token": code, "grant_type": grant_type}
        status, body = await browser.post("/token", form)
        assert (status, body["error"]) == (400, error)
        assert (await browser.token(code))[0] == 200


@pytest.mark.row("TK-17")
@pytest.mark.parametrize("scope", ["openid email groups", "groups", "offline_access", "openid phone", "\x00"])
async def test_a_scope_beside_a_code_gives_no_more_than_the_code_stands_for(broker: Broker, scope) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(scope="openid profile")
        status, tokens = await browser.token(landed.code, scope=scope)
        assert status == 200  # RFC 6749 §4.1.3 knows none there
        assert tokens["scope"] == claims(tokens["access_token"])["scope"] == "openid profile"
        assert "refresh_token" not in tokens
        _, person = await browser.userinfo(tokens["access_token"])
        assert not {"email", "groups"} & set(person)


@pytest.mark.row("TK-15")
@pytest.mark.standard("RFC 6749", "§5.1 Cache-Control: no-store, for the tokens themselves too")
async def test_what_is_told_of_tokens_is_json_that_nobody_keeps_and_errors_repeat_nothing(
    broker: Broker,
) -> None:
    from_elsewhere = {"Origin": "https://evil.example"} | {
        "Authorization": aiohttp.encode_basic_auth("billing", SECRET)
    }
    async with broker.browser() as browser:
        code = (await browser.login(scope="openid email offline_access")).code
        good = GOOD | {"code": code}
        given = None
        for path, form, status in (
            ("/token", good | {"code_verifier": "w" * 50}, 400),
            ("/token", good, 200),
            ("/introspect", {"token": "access"}, 200),
            ("/userinfo", {"access_token": "access"}, 200),
            ("/revoke", {"token": "access"}, 200),
            ("/token", good, 400),
            ("/token", {"grant_type": "refresh_token", "refresh_token": "refresh"}, 400),
        ):
            sent = {n: given[f"{v}_token"] if v in ("access", "refresh") else v for n, v in form.items()}
            headers = from_elsewhere if path != "/userinfo" else {"Origin": "https://evil.example"}
            answer = await browser.step("POST", broker.issuer + path, data=sent, headers=headers)
            assert answer.status == status, path
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert not answer.body or answer.headers["Content-Type"].startswith("application/json")
            assert "Access-Control-Allow-Origin" not in answer.headers
            if status == 200 and path == "/token":
                given = json.loads(answer.body)
            elif status == 400:
                assert not [one for one in (code, SECRET, VERIFIER, *sent.values()) if one in answer.body]


@pytest.mark.row("TK-14")
@pytest.mark.standard("RFC 6749", "§3.2 no parameter more than once")
@pytest.mark.parametrize(
    "name", ["grant_type", "code", "redirect_uri", "code_verifier", "client_id", "scope"]
)
async def test_a_parameter_that_repeats_is_refused_and_spends_nothing(broker: Broker, name: str) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        whole = GOOD | {"code": landed.code}
        pairs = [*whole.items(), (name, whole.get(name, "billing"))]
        pairs += [(name, "billing")] if name not in whole else []
        headers = {"Authorization": aiohttp.encode_basic_auth("billing", SECRET)}
        url = f"{broker.issuer}/token"
        async with browser.session.post(url, data=pairs, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]) == (400, "invalid_request")
        assert (await browser.token(landed.code))[0] == 200


@pytest.mark.row("TK-14")
async def test_what_is_in_the_url_is_not_a_parameter_of_the_token_request(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        status, body = await browser.post(f"/token?code={landed.code}", GOOD)
        assert (status, body["error"]) == (400, "invalid_request")
        assert (await browser.token(landed.code))[0] == 200


@pytest.mark.row("TK-22")
async def test_nothing_is_told_of_a_code_that_is_not_good(broker: Broker) -> None:
    async with broker.browser() as browser:
        used, foreign, late = [(await browser.login()).code for _ in range(3)]
        await browser.token(used)
        services = broker.services
        grant = handles.grant_id(services.chance(handles.GRANT_BYTES))
        chance = services.chance(handles.SECRET_BYTES)
        unknown = handles.mint("code", grant, chance, services.store.handle_keys[0]).text
        heard = [
            await browser.token(unknown),
            await browser.token(used[:-1] + ("A" if used[-1] != "A" else "B")),
            await browser.token(used),
            await browser.token(foreign, client="trusted"),
        ]
        broker.clock.forward(61)
        heard.append(await browser.token(late))
    assert len({(status, str(body)) for status, body in heard}) == 1
    assert heard[0][1]["error"] == "invalid_grant"
    reasons = {"code_unknown", "code_replayed", "grant_of_other_client", "code_expired"}
    assert reasons <= set(broker.reasons())
