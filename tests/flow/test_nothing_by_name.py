"""What travels in addresses opens nothing by itself: ids, hints, hosts, and paths that are nearly ours."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from yarl import URL

from broker.endpoints.forms import csrf_token
from broker.jose import SigningKey, sign
from tests.flow.broker import CALLBACK, Broker, Browser, Landed, claims, leaving
from tests.flow.conftest import Start
from tests.flow.machines import basic
from tests.flow.signing import asked, give
from tests.patience import PATIENCE
from tests.protocol.test_redirects import NEAR_MISSES, REGISTERED

EVIL = "evil.example"


async def tokens_of(browser: Browser, **changes: str) -> dict[str, Any]:
    landed = await browser.login(**changes)
    given = {"client": changes["client_id"], "redirect_uri": changes["redirect_uri"]} if changes else {}
    status, tokens = await browser.token(landed.code, **given)
    assert status == 200, tokens
    return tokens


# ── Ids without the cookie that belongs to them ───────────────────────────────────────────────


@pytest.mark.row("AZ-40")
async def test_no_id_of_a_login_opens_anything_for_who_has_not_its_cookie(broker: Broker) -> None:
    async with broker.browser() as owner, broker.browser() as thief:
        _, told = await owner.post("/par", asked())
        away = await owner.step("GET", owner.authorize_url(request_uri=told["request_uri"]))
        back = await owner.step("GET", away.url)
        page = await owner.go(back.url)
        flow, csrf, state = page.field("flow"), page.field("csrf"), back.params["state"]
        await thief.step("GET", thief.authorize_url())  # with a login of its own, as everybody may have
        for one in {flow, state, quote(told["request_uri"]), told["request_uri"].rpartition(":")[2]}:
            answers = [await thief.step("GET", broker.issuer + path) for path in paths(one)]
            form = {
                "csrf": csrf,
                "flow": one,
                "answer": "allow",
                "scope": "profile",
                "state": one,
                "code": "c",
            }
            answers += [await thief.step("POST", broker.issuer + path, data=form) for path in FORMS]
            for answer in answers:
                assert answer.status >= 400 or (answer.status, "bounced" in answer.body) == (200, True)
                assert "Location" not in answer.headers
                assert "ada@people.example" not in answer.body
                assert CALLBACK not in leaving(answer).url + answer.body
        assert (await owner.answer_consent(page)).code  # and nothing of it was used up


@pytest.mark.row("AZ-40")
@pytest.mark.row("CS-11")
@pytest.mark.row("CB-05")
@pytest.mark.row("SE-11")
async def test_a_cookie_of_the_right_name_with_a_secret_of_ones_own_opens_nothing(start: Start) -> None:
    """Whoever knows the state knows what the cookie is called."""
    broker = await start(connectors={"partners": {"name": "Partner login"}})
    async with broker.browser() as owner, broker.browser() as thief:
        kept = (await owner.step("GET", owner.authorize_url())).params["flow"]  # the chooser's
        away = await owner.step("GET", owner.authorize_url(connector="staff"))
        back = (await owner.step("GET", away.url)).url
        secret = "A" * 43
        forged = "; ".join(f"{name}=1.{secret}" for name in owner.cookies() if name.startswith("flow-"))
        assert forged
        for path in (back, f"{broker.issuer}/continue?flow={kept}&connector=staff"):
            answer = await thief.step("GET", path, headers={"Cookie": forged})
            assert (answer.status, "Location" in answer.headers) == (400, False), path
        assert broker.idp.seen("token") == []
        page = await owner.go(back)
        forged = "; ".join(f"{name}=1.{secret}" for name in owner.cookies() if name.startswith("flow-"))
        form = {"csrf": csrf_token(secret), "flow": page.field("flow"), "answer": "allow"}
        for method, path in (
            ("GET", f"/consent?flow={form['flow']}"),
            ("GET", f"/not-you?flow={form['flow']}"),
            ("POST", "/consent"),
        ):
            data = form if method == "POST" else None
            answer = await thief.step(method, broker.issuer + path, data=data, headers={"Cookie": forged})
            assert (answer.status >= 400, "Location" in answer.headers) == (True, False), path
            assert "ada@people.example" not in answer.body
        assert (await owner.answer_consent(page)).code


FORMS = ("/consent", "/callback/staff", "/login/staff", "/logout/confirm", "/account/sign-out")


def paths(one: str) -> list[str]:
    """Wherever an id could be shown."""
    return [
        f"/consent?flow={one}",
        f"/not-you?flow={one}",
        f"/continue?flow={one}",
        f"/continue?flow={one}&connector=staff",
        f"/login/staff?flow={one}",
        f"/login/staff?state={one}",
        f"/callback/staff?state={one}&code=c",
        f"/logout/confirm?flow={one}",
        f"/authorize?request_uri={one}",
        f"/authorize?client_id=trusted&request_uri={one}",
        f"/consent?state={one}",
    ]


# ── Hints ─────────────────────────────────────────────────────────────────────────────────────


def b64(data: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def unsigned(_: Broker, good: str) -> str:
    return f"{b64({'alg': 'none', 'typ': 'JWT'})}.{good.split('.')[1]}."


def tampered(_: Broker, good: str) -> str:
    head, _, signature = good.split(".")
    return f"{head}.{b64(claims(good) | {'nonce': 'another'})}.{signature}"


def of_a_stranger(_: Broker, good: str) -> str:
    return sign(SigningKey.generate("ES256"), claims(good), typ="JWT")


def of_another_issuer(broker: Broker, good: str) -> str:
    return broker.services.keys.sign("ES256", claims(good) | {"iss": "https://other.example"}, typ="JWT")


def of_another_client(broker: Broker, good: str) -> str:
    return broker.services.keys.sign("ES256", claims(good) | {"aud": "trusted"}, typ="JWT")


def a_logout_token(broker: Broker, good: str) -> str:
    events = {"http://schemas.openid.net/event/backchannel-logout": {}}
    said = {name: value for name, value in claims(good).items() if name != "nonce"}
    return broker.services.keys.sign("ES256", said | {"events": events}, typ="logout+jwt")


def cut(_: Broker, good: str) -> str:
    return good[:-8]


NO_HINTS = [unsigned, tampered, of_a_stranger, of_another_issuer, of_another_client, a_logout_token, cut]


@pytest.mark.row("AZ-26")
@pytest.mark.parametrize("spoiled", NO_HINTS, ids=lambda make: make.__name__)
async def test_a_hint_that_is_no_good_lets_no_session_answer(
    broker: Broker, spoiled: Callable[[Broker, str], str]
) -> None:
    async with broker.browser() as browser:
        good = (await tokens_of(browser))["id_token"]
        hint = spoiled(broker, good)
        silent = await browser.authorize(prompt="none", id_token_hint=hint)
        assert silent.params["error"] == "login_required"
        asked_anew = await browser.step("GET", browser.authorize_url(id_token_hint=hint))
        assert asked_anew.url.startswith(broker.idp.issuer)
        assert "code" in (await browser.authorize(prompt="none", id_token_hint=good)).params


@pytest.mark.row("AZ-26")
async def test_an_expired_hint_names_the_person_and_signs_nobody_in(broker: Broker) -> None:
    async with broker.browser() as browser, broker.browser() as nobody:
        tokens = await tokens_of(browser)
        broker.clock.forward(3000)
        assert claims(tokens["id_token"])["exp"] < broker.clock()
        for hint, error in ((tokens["id_token"], None), (tokens["access_token"], "login_required")):
            landed = await browser.authorize(prompt="none", id_token_hint=hint)
            assert landed.params.get("error") == error
            landed = await nobody.authorize(prompt="none", id_token_hint=hint)
            assert landed.params["error"] == "login_required"


# ── Hosts, origins and paths ──────────────────────────────────────────────────────────────────


@pytest.mark.row("AZ-41")
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": EVIL},
        {"X-Forwarded-Host": EVIL, "X-Forwarded-Proto": "https"},
        {"Forwarded": f"host={EVIL};proto=https"},
    ],
    ids=str,
)
async def test_no_host_that_is_named_in_a_request_becomes_our_name(broker: Broker, headers) -> None:
    async with broker.browser() as browser:
        browser.session.headers.update(headers)
        seen: list[Landed] = []
        for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
            seen.append(await browser.step("GET", broker.issuer + path))
            assert json.loads(seen[-1].body)["issuer"] == broker.issuer
        away = await browser.step("GET", browser.authorize_url())
        del browser.session.headers[next(iter(headers))]
        back = await browser.step("GET", away.url)
        browser.session.headers.update(headers)
        page = await browser.step("GET", back.url)
        landed = await browser.answer_consent(await browser.step("GET", broker.issuer + page.url))
        _, tokens = await browser.token(landed.code)
        assert claims(tokens["id_token"])["iss"] == claims(tokens["access_token"])["iss"] == broker.issuer
        assert landed.params["iss"] == broker.issuer
        account = await browser.step("GET", f"{broker.issuer}/account")
        for answer in (*seen, away, back, page, landed, account):
            assert EVIL not in answer.url + answer.body + str(answer.headers)


@pytest.mark.row("AZ-34")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://spa.example"])
async def test_where_browsers_go_themselves_no_script_of_any_origin_reads(
    broker: Broker, origin: str
) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    async with broker.browser() as browser:
        away = await browser.step("GET", browser.authorize_url())
        back = (await browser.step("GET", away.url)).url
        for method, url in (
            ("OPTIONS", browser.authorize_url()),
            ("OPTIONS", back),
            ("GET", browser.authorize_url()),
            ("POST", browser.authorize_url()),
            ("GET", browser.authorize_url(client_id="nobody")),
            ("POST", back),
            ("GET", back),
            ("GET", f"{broker.issuer}/account"),
            ("GET", f"{broker.issuer}/logout"),
        ):
            answer = await browser.step(method, url, headers=headers)
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")], url


async def raw(broker: Broker, target: str) -> tuple[int, bytes]:
    """The answer to a GET of exactly this target."""
    where = urlsplit(broker.issuer)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    return int(answer.split(b" ")[1]), answer


NEARLY = [
    "/%61uthorize",
    "/./authorize",
    "/x/../authorize",
    "/authorize%2f",
    "/authorize%00",
    "/Authorize",
    "//evil.example/authorize",
    "//evil.example/%2e%2e",
    "/\\evil.example/authorize",
    "http://evil.example/authorize",
    "//evil.example",
    "/authorize/..//evil.example",
    "/authorize#fragment",
]


@pytest.mark.row("AZ-35")
@pytest.mark.row("WB-06")
@pytest.mark.parametrize("path", NEARLY)
async def test_however_a_path_is_written_nobody_is_led_to_a_place_that_was_in_it(
    broker: Broker, path: str
) -> None:
    for query in ("", "?client_id=nobody", f"?client_id=billing&redirect_uri=https://{EVIL}/", "?#frag"):
        status, answer = await raw(broker, path + query)
        assert 400 <= status < 500, answer
        assert b"\r\nLocation:" not in answer


@pytest.mark.row("AZ-05")
@pytest.mark.row("LO-01")
async def test_each_near_miss_of_a_registered_address_is_a_page_wherever_it_is_sent(broker: Broker) -> None:
    give(broker, redirect_uris=REGISTERED, post_logout_redirect_uris=REGISTERED)
    async with broker.browser() as browser:
        for uri in NEAR_MISSES:
            told = {"post_logout_redirect_uri": uri, "client_id": "billing", "state": "s"}
            for path, query in (("/authorize", asked(redirect_uri=uri)), ("/logout", told)):
                sent = urlencode(query, errors="surrogatepass")
                page = await browser.step("GET", URL(f"{broker.issuer}{path}?{sent}", encoded=True))
                assert "Location" not in page.headers, uri
                assert page.headers["Content-Type"].startswith("text/html"), uri
                assert page.status == 400 or (path, page.status) == ("/logout", 200), uri
                assert leaving(page) == page, uri
            body = urlencode(asked(redirect_uri=uri), errors="surrogatepass").encode()
            form = {"Content-Type": "application/x-www-form-urlencoded"} | basic("billing")
            pushed = await browser.step("POST", f"{broker.issuer}/par", data=body, headers=form)
            assert (pushed.status, '"invalid_request"' in pushed.body) == (400, True), uri
        for uri in REGISTERED:
            assert (await browser.step("GET", browser.authorize_url(redirect_uri=uri))).status == 303
    assert not [event for event in broker.events() if event["outcome"] == "failed"]


# ── What changed on the way ───────────────────────────────────────────────────────────────────


@pytest.mark.row("AZ-37")
@pytest.mark.parametrize("change", [{"enabled": False}, {"redirect_uris": ("https://billing.example/new",)}])
@pytest.mark.parametrize("at", ["the callback", "the page", "the answer"])
async def test_an_app_that_is_gone_by_the_end_of_a_login_gets_no_code(
    broker: Broker, at: str, change
) -> None:
    async with broker.browser() as browser:
        back = (await browser.step("GET", (await browser.step("GET", browser.authorize_url())).url)).url
        if at == "the callback":
            give(broker, **change)
            ends = [await browser.step("GET", back)]
            if ends[0].status == 303:  # on to our own page, which knows
                ends = [await browser.step("GET", broker.issuer + ends[0].url)]
        else:
            page = await browser.go(back)
            give(broker, **change)
            form = {"csrf": page.field("csrf"), "flow": page.field("flow")}
            url = f"{broker.issuer}/consent"
            if at == "the page":
                ends = [await browser.step("GET", f"{url}?flow={form['flow']}")]
            else:
                ends = [
                    await browser.step("POST", url, data=form | {"answer": say}) for say in ("allow", "deny")
                ]
        for answer in ends:
            assert (answer.status, "Location" in answer.headers) == (400, False)
            assert CALLBACK not in leaving(answer).url + answer.body
    assert not broker.events("code")
