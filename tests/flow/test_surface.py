"""What every answer of the broker has, and what none may have."""

from __future__ import annotations

import asyncio
import re

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from authlib.oidc.discovery import OpenIDProviderMetadata
from yarl import URL

from broker.endpoints.cookies import Flow, Jar
from tests.flow.broker import SECRET, VERIFIER, Broker, every_key_ends_by_itself


@pytest.mark.row("AZ-01")
@pytest.mark.row("AZ-03")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": None},
        {"redirect_uri": "https://billing.example/callback?x=1"},
    ],
)
async def test_without_a_proved_redirect_uri_the_answer_is_a_page(broker: Broker, changes) -> None:
    async with broker.browser() as browser:
        answer = await browser.step("GET", browser.authorize_url(**changes))
        assert answer.status == 400
        assert "Location" not in answer.headers
        assert "evil.example" not in answer.body
        assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.row("AZ-09")
async def test_a_parameter_in_query_and_body_is_a_repeat(broker: Broker) -> None:
    async with broker.browser() as browser:
        url = browser.authorize_url()
        answer = await browser.step("POST", url, data={"scope": "openid"})
        assert answer.params["error"] == "invalid_request"
        answer = await browser.step("POST", url, data={"client_id": "billing"})
        assert answer.status == 400


@pytest.mark.row("AZ-38")
@pytest.mark.parametrize(
    "changes",
    [{}, {"response_type": "token"}, {"scope": "nothing"}, {"prompt": "none"}, {"code_challenge": None}],
)
async def test_iss_is_in_every_answer_exactly_once(broker: Broker, changes) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(**changes)
        assert landed.url.count("iss=") == 1
        assert landed.params["iss"] == broker.issuer


@pytest.mark.row("CA-06")
@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + "A" * 5000,
        "Bearer x",
        "Basic bm9jb2xvbg==",
        "Basic AA==",
        "basic Og==",
    ],
)
async def test_odd_authorization_headers_are_an_invalid_client_and_never_a_500(
    broker: Broker, header
) -> None:
    async with broker.browser() as browser:
        url = f"{broker.issuer}/token"
        answer = await browser.step(
            "POST",
            url,
            data={"grant_type": "authorization_code", "code": "x"},
            headers={"Authorization": header},
        )
        assert answer.status == 401
        assert '"invalid_client"' in answer.body
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.row("CA-01")
async def test_two_ways_of_client_authentication_at_once_are_refused(broker: Broker) -> None:
    async with broker.browser() as browser:
        status, body = await browser.post(
            "/token", {"client_id": "billing", "client_secret": SECRET, "grant_type": "x"}
        )
        assert (status, body["error"]) == (400, "invalid_request")


@pytest.mark.row("TK-13")
@pytest.mark.row("DS-10")
@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", "{}"),
        ("multipart/form-data; boundary=x", "--x--"),
        ("application/x-www-form-urlencoded; charset=klingon", "a=b"),
        ("application/x-www-form-urlencoded", "a=%ff"),
        ("application/x-www-form-urlencoded", "&".join(f"p{n}=1" for n in range(200))),
        ("application/x-www-form-urlencoded", "&".join(f"{n:x}=" for n in range(10_000))),
        ("", "grant_type=authorization_code"),
    ],
)
async def test_a_malformed_body_is_an_invalid_request_in_json(broker: Broker, path, kind, body) -> None:
    async with broker.browser() as browser:
        answer = await browser.step(
            "POST", broker.issuer + path, data=body, headers={"Content-Type": kind, "Accept": "text/html"}
        )
        assert answer.status == 400
        assert answer.headers["Content-Type"].startswith("application/json")
        assert '"invalid_request"' in answer.body


@pytest.mark.row("WB-19")
@pytest.mark.parametrize(
    "raw",
    [b"client_id=\xff", b"client_id=%ff", b"client_id=%C0%AF", b"state=%ED%A0%80", b"&".join([b"a=b"] * 200)],
)
async def test_a_query_that_is_no_utf8_is_a_page_and_never_a_500(broker: Broker, raw: bytes) -> None:
    host, port = broker.issuer.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /authorize?" + raw + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.split(b" ")[1] == b"400"
    assert b"Server: broker\r\n" in answer
    assert not [event for event in broker.events() if event["outcome"] == "failed"]
    assert b"Location" not in answer


@pytest.mark.row("TK-13")
async def test_a_body_that_is_too_large_is_413(broker: Broker) -> None:
    async with broker.browser() as browser:
        answer = await browser.step("POST", f"{broker.issuer}/token", data={"code": "x" * 70_000})
        assert answer.status == 413


@pytest.mark.row("AZ-35")
@pytest.mark.parametrize(
    "path",
    ["/authorize/", "/authorize;x", "//authorize", "/nowhere", "/static/../secret", "/static/%2e%2e/x"],
)
async def test_paths_that_are_nearly_ours_are_not_found(broker: Broker, path) -> None:
    async with broker.browser() as browser:
        answer = await browser.step("GET", URL(broker.issuer + path, encoded=True))
        assert answer.status == 404
        assert "Location" not in answer.headers


@pytest.mark.row("AZ-34")
@pytest.mark.row("WB-17")
async def test_browser_apps_may_call_from_their_own_origin_and_never_authorize(broker: Broker) -> None:
    async with broker.browser() as browser:
        for path in ("/token", "/userinfo", "/revoke", "/jwks", "/.well-known/openid-configuration"):
            for origin, allowed in [
                ("https://spa.example", True),
                ("https://billing.example", False),
                ("null", False),
            ]:
                answer = await browser.step(
                    "OPTIONS",
                    broker.issuer + path,
                    headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
                )
                assert answer.status == 204
                assert ("Access-Control-Allow-Origin" in answer.headers) is allowed
        answer = await browser.step("GET", f"{broker.issuer}/jwks", headers={"Origin": "https://spa.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "https://spa.example"
        answer = await browser.step("GET", browser.authorize_url(), headers={"Origin": "https://spa.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_public_client_logs_in_with_pkce_alone(broker: Broker) -> None:
    spa = {"client_id": "spa", "redirect_uri": "https://spa.example/"}
    async with broker.browser() as browser:
        landed = await browser.login(**spa)
        status, body = await browser.token(
            landed.code, client="spa", **spa
        )  # Basic first, as some libraries do
        assert (status, body["error"]) == (401, "invalid_client")
        status, _ = await browser.token(landed.code, client=None, **spa)
        assert status == 200


async def test_userinfo_answers_get_and_post_with_header_or_body_and_not_both(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        _, tokens = await browser.token(landed.code)
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        body = {"access_token": tokens["access_token"]}
        url = f"{broker.issuer}/userinfo"
        assert (await browser.step("GET", url, headers=bearer)).status == 200
        assert (await browser.step("POST", url, headers=bearer)).status == 200
        assert (await browser.step("POST", url, data=body)).status == 200
        assert (await browser.step("POST", url, headers=bearer, data=body)).status == 400
        answer = await browser.step("GET", f"{url}?access_token={tokens['access_token']}")
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer, DPoP algs=")


async def test_a_token_without_openid_is_told_so_at_userinfo(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(scope="profile")
        _, tokens = await browser.token(landed.code)
        assert "id_token" not in tokens
        status, body = await browser.userinfo(tokens["access_token"])
        assert (status, body["error"]) == (403, "insufficient_scope")


@pytest.mark.row("RS-06")
async def test_introspection_tells_only_whom_the_token_concerns(start) -> None:
    api = {"grant_types": [], "redirect_uris": None, "scope": None}
    broker = await start(
        client={"audience": "https://api.example"},
        clients={
            "api": api | {"audience": "https://api.example"},
            "other-api": api | {"audience": "https://other.example"},
        },
        trusted={"audience": "https://api.example"},
    )
    async with broker.browser() as browser:
        landed = await browser.login()
        _, tokens = await browser.token(landed.code)
        status, about = await browser.post("/introspect", {"token": tokens["access_token"]})
        assert (status, about["active"], about["client_id"]) == (200, True, "billing")
        assert about["iss"] == broker.issuer
        _, about = await browser.post("/introspect", {"token": tokens["access_token"]}, client="trusted")
        assert about == {"active": False}
        for entry, active in [("api", True), ("other-api", False)]:
            _, about = await browser.post("/introspect", {"token": tokens["access_token"]}, client=entry)
            assert about["active"] is active
        status, _ = await browser.post("/introspect", {"token": "x", "client_id": "spa"}, client=None)
        assert status == 401


async def test_signing_out_ends_the_session_and_its_access_tokens(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        _, tokens = await browser.token(landed.code)
        page = await browser.go(f"{broker.issuer}/account")
        cookie = browser.cookies()["session"]
        done = await browser.step(
            "POST", f"{broker.issuer}/account/sign-out", data={"csrf": page.field("csrf")}
        )
        assert done.status == 200
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        browser.session.cookie_jar.update_cookies({"session": cookie}, URL(broker.issuer))
        landed = await browser.authorize(prompt="none")
        assert landed.params["error"] == "login_required"


@pytest.mark.row("SE-01")
async def test_a_planted_session_cookie_is_never_adopted(broker: Broker) -> None:
    planted = "a" * 22 + "." + "b" * 43
    async with broker.browser() as browser:
        browser.session.cookie_jar.update_cookies({"session": planted}, URL(broker.issuer))
        await browser.login()
        assert browser.cookies()["session"] != planted
        assert not browser.cookies()["session"].startswith("a" * 22)


@pytest.mark.row("SE-02")
async def test_a_session_cookie_is_dead_after_the_next_login(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        old = browser.cookies()["session"]
        await browser.login(prompt="login")
        assert browser.cookies()["session"] != old
        assert await broker.services.store.read_session(old, 60) is None


@pytest.mark.row("SE-03")
async def test_cookies_on_https_are_host_bound_secure_and_not_for_scripts() -> None:
    response = web.Response()
    jar = Jar.of("https://login.example")
    jar.set_session(response, "s", ttl=60)
    jar.set_flow(make_mocked_request("GET", "/"), response, Flow("id", "the secret"), now=0, ttl=60)
    jar.drop_flow(response, "f")
    for cookie in response.headers.getall("Set-Cookie"):
        assert cookie.startswith("__Host-")
        for flag in ("Path=/", "Secure", "HttpOnly", "SameSite=Lax"):
            assert flag in cookie
        assert "Domain" not in cookie
    assert "secret" not in repr(Flow("id", "the secret"))


@pytest.mark.row("SE-07")
async def test_many_logins_in_one_browser_keep_a_bounded_number_of_cookies(broker: Broker) -> None:
    async with broker.browser() as browser:
        away = []
        for _ in range(20):
            away.append(await browser.step("GET", browser.authorize_url()))
            broker.clock.forward(1)
        flows = [name for name in browser.cookies() if name.startswith("flow-")]
        assert len(flows) == 8
        # The oldest were dropped, each with a page that says so, and the newest go on.
        statuses = [
            (await browser.go(landed.url)).status for landed in (away[0], away[11], away[12], away[-1])
        ]
        assert statuses == [400, 400, 200, 200]


async def test_metadata_and_keys_are_what_discovery_says(broker: Broker) -> None:
    async with broker.browser() as browser:
        async with browser.session.get(f"{broker.issuer}/.well-known/openid-configuration") as answer:
            openid = await answer.json()
        async with browser.session.get(f"{broker.issuer}/.well-known/oauth-authorization-server") as answer:
            oauth = await answer.json()
        async with browser.session.get(openid["jwks_uri"]) as answer:
            keys = (await answer.json())["keys"]
    OpenIDProviderMetadata(openid | {"issuer": "https://login.example"}).validate()  # it wants https there
    assert openid["issuer"] == oauth["issuer"] == broker.issuer
    assert oauth.items() <= openid.items()
    assert len({key["kid"] for key in keys}) == len(keys)
    assert not {"d", "p", "q", "k"} & {name for key in keys for name in key}
    assert {"RS256", "ES256"} <= {key["alg"] for key in keys}


async def test_health_readiness_and_metrics_answer(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        assert (await browser.step("GET", f"{broker.issuer}/healthz")).status == 200
        assert (await browser.step("GET", f"{broker.issuer}/readyz")).status == 200
        metrics = await browser.step("GET", f"{broker.issuer}/metrics")
    assert re.search(
        r'broker_events_total\{connector="staff",event="login",outcome="ok"\} [1-9]', metrics.body
    )
    assert 'broker_request_seconds_count{endpoint="/callback/{connector}",outcome="ok"}' in metrics.body


async def test_an_error_page_shows_the_correlation_id_of_its_log_line(broker: Broker) -> None:
    async with broker.browser() as browser:
        answer = await browser.step("GET", browser.authorize_url(client_id="nobody"))
    event = broker.events("refusal")[-1]
    assert event["reason"] == "unknown_client"
    assert event["correlation_id"] in answer.body


async def test_one_correlation_id_follows_a_login_to_its_tokens(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        await browser.token(landed.code)
    ids = {
        e["correlation_id"]
        for e in broker.events()
        if e["event"] in ("departure", "login", "consent", "code", "token")
    }
    assert len(ids) == 1


@pytest.mark.row("LG-01")
async def test_no_secret_token_code_state_or_address_is_in_the_log(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(scope="openid profile email offline_access", state="canary-state-1")
        _, tokens = await browser.token(landed.code)
        await browser.token(landed.code)
        await browser.token(landed.code, code_verifier="w" * 50)
        await browser.refresh(tokens["refresh_token"])
        await browser.userinfo(tokens["access_token"] + "x")
        broker.idp.switch(callback={"error": "access_denied", "code": None})
        await browser.authorize(prompt="login", state="canary-state-2")
        await browser.step("GET", f"{broker.issuer}/callback/staff?state=canary-state-3&code=canary-code")
        cookies = browser.cookies().values()
    log = b"".join(broker.log).decode()
    sent = [value for seen in broker.idp.requests for value in (*seen.query.values(), *seen.form.values())]
    upstream = [value for value in sent if len(value) > 20]
    canaries = [
        landed.code,
        *(value for name, value in tokens.items() if name.endswith("token")),
        *(cookie for cookie in cookies if len(cookie) > 20),
        *(value for value in upstream if "://" not in value),
        SECRET,
        VERIFIER,
        "canary",
        "ada@people.example",
        "Ada Example",
    ]
    assert not [canary for canary in canaries if canary in log]


@pytest.mark.row("RD-13")
async def test_every_key_of_a_login_ends_by_itself_but_the_signing_keys(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(scope="openid profile offline_access")
        await browser.token(landed.code)
        await browser.authorize(prompt="login")
    await every_key_ends_by_itself(broker)
