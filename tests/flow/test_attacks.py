"""What somebody tried, and what it came to."""

from __future__ import annotations

import gzip

import pytest
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from broker.endpoints.cookies import Flow, Jar
from broker.endpoints.speaking import accepted
from tests.costs import least_cpu
from tests.flow.broker import Broker, Browser, claims, leaving

TRUSTED = {"client_id": "trusted", "redirect_uri": "https://trusted.example/cb"}
SESSION = "s" * 22 + "." + "t" * 43


# ── Cookies that a sibling host set ───────────────────────────────────────────────────────────


@pytest.mark.row("SE-01")
@pytest.mark.parametrize(
    "header",
    [
        f"theme=x __Host-session={SESSION}",
        f"\u2000__Host-session={SESSION}",
        f"\x0b__Host-session={SESSION}",
        f'theme="; __Host-session={SESSION}"',
        f"__Host-session={SESSION}; __Host-session={'u' * 22}.{'v' * 43}",
        f"__host-session={SESSION}",
        f"session={SESSION}",
        f"__Host-session ={SESSION}",
    ],
)
def test_our_name_inside_another_cookie_is_no_cookie_of_ours(header: str) -> None:
    request = make_mocked_request("GET", "/", headers={"Cookie": header})
    assert Jar.of("https://login.example").session(request) is None


@pytest.mark.row("CS-11")
def test_a_flow_cookie_cannot_be_smuggled_in_either() -> None:
    jar, flow = Jar.of("https://login.example"), Flow("the-id", "f" * 43)
    response = make_mocked_request("GET", "/")
    name = jar.prefix + next(iter(_names_of(jar, flow)))
    for header in (f"theme=x {name}=1.{flow.secret}", f"\u2009{name}=1.{flow.secret}"):
        assert jar.flow(make_mocked_request("GET", "/", headers={"Cookie": header}), flow.id) is None
    honest = make_mocked_request("GET", "/", headers={"Cookie": f"theme=x; {name}=1.{flow.secret}"})
    assert jar.flow(honest, flow.id) == flow.secret
    assert jar.flow(response, flow.id) is None


def _names_of(jar: Jar, flow: Flow) -> list[str]:
    from aiohttp import web  # noqa: PLC0415

    response = web.Response()
    jar.set_flow(make_mocked_request("GET", "/"), response, flow, now=0, ttl=1)
    return [response.headers["Set-Cookie"].partition("=")[0].removeprefix(jar.prefix)]


# ── Consent that changes while its page is open ───────────────────────────────────────────────


async def withdraw(browser: Browser) -> None:
    page = await browser.go(f"{browser.broker.issuer}/account")
    data = {"csrf": page.field("csrf"), "client_id": "billing"}
    await browser.step("POST", f"{browser.broker.issuer}/account/withdraw", data=data)


@pytest.mark.row("CS-05")
@pytest.mark.row("TK-21")
async def test_what_was_withdrawn_while_the_page_was_open_is_not_granted(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login(scope="openid email")
        page = await browser.authorize(scope="openid email groups")
        await withdraw(browser)
        landed = await browser.answer_consent(page)
        _, tokens = await browser.token(landed.code)
        assert tokens["scope"] == "openid groups"


@pytest.mark.row("RT-07")
async def test_taking_a_scope_back_ends_the_tokens_that_had_it(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login(scope="openid email offline_access")
        _, tokens = await browser.token(landed.code)
        page = await browser.authorize(scope="openid email offline_access", prompt="consent")
        await browser.answer_consent(page, scopes=["offline_access"])
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        assert (await browser.refresh(tokens["refresh_token"]))[0] == 400


async def test_a_consent_that_ran_out_carries_no_tokens(start) -> None:
    broker = await start(top={"lifetimes": {"consent": "1d"}})
    async with broker.browser() as browser:
        landed = await browser.login(scope="openid email offline_access")
        _, tokens = await browser.token(landed.code)
        broker.clock.forward(86400 + 1)
        status, body = await browser.refresh(tokens["refresh_token"])
        assert (status, body["error"]) == (400, "invalid_grant")
    assert "consent_expired" in broker.reasons()


async def test_the_account_page_says_when_an_app_was_last_used(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login()
        subject = broker.events("login")[-1]["subject"]
        before = await broker.services.store.read_consent(subject, "billing")
        broker.clock.forward(2 * 3600)
        await browser.authorize()
        after = await broker.services.store.read_consent(subject, "billing")
    assert before is not None
    assert after is not None
    assert after.last_used >= before.last_used + 2 * 3600
    assert (after.id, after.since) == (before.id, before.since)


# ── A client app that changes in mid-flow ─────────────────────────────────────────────────────


@pytest.mark.row("AZ-37")
async def test_a_redirect_uri_that_is_gone_since_hears_nothing(start) -> None:
    before = await start()
    after = await start(client={"redirect_uris": ["https://billing.example/new"]})
    async with before.browser() as browser:
        page = await browser.authorize()
        data = {"csrf": page.field("csrf"), "flow": page.field("flow"), "answer": "deny"}
        for method, path in [("GET", f"/consent?flow={page.field('flow')}"), ("POST", "/consent")]:
            answer = await browser.step(method, after.issuer + path, data=data if method == "POST" else None)
            assert answer.status in (400, 403)
            assert "billing.example/callback" not in leaving(answer).url + answer.body


@pytest.mark.row("TK-21")
async def test_a_code_for_a_redirect_uri_that_is_gone_since_is_refused(start) -> None:
    before = await start()
    after = await start(client={"redirect_uris": ["https://billing.example/new"]})
    async with before.browser() as browser:
        landed = await browser.login()
        browser.broker = after
        status, body = await browser.token(landed.code)
        assert (status, body["error"]) == (400, "invalid_grant")


@pytest.mark.row("RT-07")
async def test_a_scope_taken_from_the_client_is_gone_at_the_next_refresh(start) -> None:
    before = await start()
    after = await start(client={"scope": "openid offline_access"})
    async with before.browser() as browser:
        landed = await browser.login(scope="openid email offline_access")
        _, tokens = await browser.token(landed.code)
        browser.broker = after
        _, fewer = await browser.refresh(tokens["refresh_token"])
        assert fewer["scope"] == "openid offline_access"


@pytest.mark.row("UI-17")
async def test_a_scope_taken_from_the_client_releases_nothing_by_name_either(start) -> None:
    before = await start(client={"id_token_claims": True})
    after = await start(client={"scope": "openid offline_access", "id_token_claims": True})
    by_name = '{"userinfo": {"email": null}, "id_token": {"email": null}}'
    async with before.browser() as browser:
        landed = await browser.login(scope="openid email offline_access", claims=by_name)
        code = (await browser.login(scope="openid email offline_access", claims=by_name)).code
        _, tokens = await browser.token(landed.code)
        browser.broker = after
        for status, fewer in (await browser.refresh(tokens["refresh_token"]), await browser.token(code)):
            assert (status, fewer["scope"]) == (200, "openid offline_access")
            assert "email" not in claims(fewer["id_token"])


async def test_trust_that_was_taken_back_carries_no_tokens(start) -> None:
    before, after = await start(), await start(trusted={"trusted": False})
    asked = {"scope": "openid email offline_access"} | TRUSTED
    async with before.browser() as browser:
        landed = await browser.login(**asked)
        given = {"client": "trusted", "redirect_uri": TRUSTED["redirect_uri"]}
        _, tokens = await browser.token(landed.code, **given)
        browser.broker = after
        status, body = await browser.refresh(tokens["refresh_token"], client="trusted")
        assert (status, body["error"]) == (400, "invalid_grant")


async def test_a_connector_taken_away_in_mid_flow_is_not_left_for(start) -> None:
    before = await start(connectors={"partners": {"name": "Partner login"}})
    after = await start(connectors={"partners": {"name": "Partner login"}}, client={"connectors": ["staff"]})
    async with before.browser() as browser:
        url, _, form = browser.authorize_url(connector="partners").partition("?")
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        kept = await browser.step("POST", url, data=form, headers=headers)
        for path in (kept.url, kept.url + "&connector=partners"):
            landed = await browser.step("GET", after.issuer + path)
            assert landed.params["error"] == "access_denied"


async def test_a_session_of_a_connector_that_is_gone_since_opens_no_page_of_ours(start) -> None:
    both = {"partners": {"name": "Partner login"}}
    before = await start(connectors=both)
    after = await start()
    async with before.browser() as browser:
        await browser.login(connector="partners")
        page = await browser.go(f"{before.issuer}/account")
        browser.broker = after
        asked = await browser.step("GET", f"{after.issuer}/account")
        assert (asked.status, "/authorize?" in asked.url) == (303, True)
        for path in ("/account/sign-out-everywhere", "/account/forget", "/account/receipts"):
            method, data = (
                ("GET", None) if path.endswith("receipts") else ("POST", {"csrf": page.field("csrf")})
            )
            assert (await browser.step(method, after.issuer + path, data=data)).status == 403
        # Whoever signs out is signed out all the same, should the connector come back.
        question = await browser.go(f"{after.issuer}/logout")
        data = {"csrf": question.field("csrf"), "flow": question.field("flow"), "answer": "sign_out"}
        await browser.step("POST", f"{after.issuer}/logout/confirm", data=data)
        browser.broker = before
        assert (await browser.authorize(prompt="none")).params["error"] == "login_required"


async def test_a_page_with_very_many_boxes_can_be_answered(start) -> None:
    broker = await start(
        top={"scopes": {"account.*": {"description": "Use account {value}"}, "groups": {"description": "x"}}},
        client={"scope": "openid account.*"},
    )
    asked = "openid " + " ".join(f"account.a{number}" for number in range(99))
    async with broker.browser() as browser:
        landed = await browser.answer_consent(await browser.authorize(scope=asked))
        _, tokens = await browser.token(landed.code)
        assert len(tokens["scope"].split()) == 100


# ── Odd requests ──────────────────────────────────────────────────────────────────────────────


async def test_a_form_is_never_posted_to_an_apps_own_scheme(start) -> None:
    native = {
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "client_secret": None,
        "redirect_uris": ["com.example.app:/cb"],
    }
    broker = await start(clients={"app": native})
    async with broker.browser() as browser:
        asked = {"client_id": "app", "redirect_uri": "com.example.app:/cb", "response_mode": "form_post"}
        answer = await browser.step("GET", browser.authorize_url(**asked))
        assert answer.status == 303
        assert answer.url.startswith("com.example.app:/cb?error=invalid_request")


@pytest.mark.row("WB-06")
@pytest.mark.parametrize(
    "path", ["/callback/..%2faccount%2fwithdraw", "/callback/a%20b", "/callback/%00", "/callback/nobody"]
)
async def test_a_callback_of_no_connector_is_not_found_and_bounces_nothing(broker: Broker, path: str) -> None:
    async with broker.browser() as browser:
        answer = await browser.step("POST", URL(broker.issuer + path, encoded=True), data={"csrf": "x"})
        assert answer.status == 404
        assert "<form" not in answer.body


@pytest.mark.row("TK-13")
@pytest.mark.parametrize("path", ["/token", "/authorize", "/consent", "/callback/staff", "/userinfo"])
async def test_a_compressed_body_is_refused_however_it_is_announced(broker: Broker, path: str) -> None:
    from multidict import CIMultiDict  # noqa: PLC0415

    async with broker.browser() as browser:
        for codings in (["gzip"], ["identity", "gzip"], ["deflate"]):
            headers = CIMultiDict([("Content-Type", "application/x-www-form-urlencoded")])
            headers.extend([("Content-Encoding", coding) for coding in codings])
            answer = await browser.step(
                "POST", broker.issuer + path, data=gzip.compress(b"a=b"), headers=headers, compress=False
            )
            assert answer.status in (400, 401, 403)
    assert not [event for event in broker.events() if event["outcome"] == "failed"]


@pytest.mark.row("DS-11")
def test_a_very_long_accept_language_costs_nothing() -> None:
    header = "a" + " " * 8000 + "!, de;q=0.5, fr"
    request = make_mocked_request("GET", "/", headers={"Accept-Language": header})
    assert accepted(request) == ("fr", "de")
    assert least_cpu(lambda: accepted(request)) < 0.05


@pytest.mark.row("DS-19")
async def test_a_refused_sign_in_for_the_account_page_ends_on_a_page(broker: Broker) -> None:
    broker.idp.switch(callback={"error": "access_denied", "code": None})
    async with broker.browser() as browser:
        page = await browser.go(f"{broker.issuer}/account")
        assert page.status == 400
        assert 'href="/account"' in page.body


@pytest.mark.row("UI-11")
@pytest.mark.parametrize(
    "said", [{"acr": "x" * 60_000}, {"acr": "x\u202e\ny"}, {"sid": "s" * 300}, {"amr": ["pwd"] * 2000}]
)
async def test_an_upstream_cannot_make_our_tokens_large_or_odd(broker: Broker, said) -> None:
    broker.idp.switch(**said)
    async with broker.browser() as browser:
        landed = await browser.authorize(**TRUSTED)
        assert landed.params["error"] == "server_error"


@pytest.mark.row("RS-07")
async def test_signing_out_is_remembered_longer_than_any_code_or_token_of_it(start) -> None:
    broker = await start(top={"lifetimes": {"access_token": "1s", "code": "60s"}})
    async with broker.browser() as browser:
        landed = await browser.login(**TRUSTED)
        page = await browser.go(f"{broker.issuer}/account")
        sid = browser.cookies()["session"].partition(".")[0]
        await browser.step("POST", f"{broker.issuer}/account/sign-out", data={"csrf": page.field("csrf")})
        status, body = await browser.token(
            landed.code, client="trusted", redirect_uri=TRUSTED["redirect_uri"]
        )
        assert (status, body["error"]) == (400, "invalid_grant")
        store = broker.services.store
        assert await store._wire.call("PTTL", store._ended(sid)) > 60_000


@pytest.mark.row("LG-06")
async def test_a_replay_is_logged_with_whom_it_concerns(broker: Broker) -> None:
    async with broker.browser() as browser:
        landed = await browser.login()
        await browser.token(landed.code)
        await browser.token(landed.code)
    login, refused = broker.events("login")[-1], broker.events("refusal")[-1]
    assert refused["reason"] == "code_replayed"
    assert refused["client_id"] == "billing"
    for name in ("subject", "connector", "correlation_id"):
        assert refused[name] == login[name]
    assert refused["grant_id"] == broker.events("code")[-1]["grant_id"]


async def test_an_upstream_that_is_away_is_named_in_the_log_and_the_numbers(start) -> None:
    broker = await start()
    broker.idp.switch(down=True)
    async with broker.browser() as browser:
        landed = await browser.authorize()
        assert landed.params["error"] == "temporarily_unavailable"
    assert broker.events("refusal")[-1]["connector"] == "staff"


async def test_no_answer_tells_which_versions_run_here(broker: Broker) -> None:
    async with broker.browser() as browser:
        for method, path in [("GET", "/nowhere"), ("OPTIONS", "/token"), ("GET", "/jwks"), ("PUT", "/token")]:
            answer = await browser.step(method, broker.issuer + path)
            assert answer.headers["Server"] == "broker"
