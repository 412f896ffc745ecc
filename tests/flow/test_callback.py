"""The callback: the browser that left is the browser that comes back, once, to where it left for."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.flow.broker import Broker, Browser, Landed, claims


async def at_the_upstream(browser: Browser, **asked: str) -> Landed:
    """The browser, sent to the upstream."""
    return await browser.step("GET", browser.authorize_url(**asked))


async def callback_url(browser: Browser, departed: Landed) -> str:
    """Where the upstream sends the browser back to."""
    return (await browser.step("GET", departed.url)).url


def changed(url: str, **changes: str | None) -> str:
    split = urlsplit(url)
    params = dict(parse_qsl(split.query)) | changes
    kept = {name: value for name, value in params.items() if value is not None}
    return split._replace(query=urlencode(kept)).geturl()


def token_requests(broker: Broker) -> int:
    return len(broker.idp.seen("token"))


@pytest.mark.row("CB-01")
@pytest.mark.row("CB-02")
@pytest.mark.parametrize("state", [None, "", "x" * 43])
async def test_a_missing_or_unknown_state_is_a_page(broker: Broker, state) -> None:
    async with broker.browser() as browser:
        answer = await browser.step(
            "GET", f"{broker.issuer}/callback/staff?code=c" + (f"&state={state}" if state is not None else "")
        )
        assert answer.status == 400
        assert "Location" not in answer.headers
    assert token_requests(broker) == 0


@pytest.mark.row("CB-03")
async def test_of_fifty_callbacks_at_once_one_goes_on(broker: Broker) -> None:
    async with broker.browser() as browser:
        url = await callback_url(browser, await at_the_upstream(browser))
        answers = await asyncio.gather(*(browser.step("GET", url) for _ in range(50)))
        assert sorted(answer.status for answer in answers) == [303] + [400] * 49
    assert token_requests(broker) == 1


@pytest.mark.row("CB-04")
@pytest.mark.row("CS-11")
async def test_another_browser_cannot_finish_the_login_and_does_not_consume_it(broker: Broker) -> None:
    async with broker.browser() as mine, broker.browser() as theirs:
        url = await callback_url(mine, await at_the_upstream(mine))
        answer = await theirs.step("GET", url)
        assert answer.status == 400
        assert "Location" not in answer.headers
        assert token_requests(broker) == 0
        assert (await mine.step("GET", url)).status == 303


@pytest.mark.row("CB-05")
@pytest.mark.row("CS-12")
async def test_a_cookie_of_another_flow_does_not_help(broker: Broker) -> None:
    async with broker.browser() as mine, broker.browser() as theirs:
        url = await callback_url(mine, await at_the_upstream(mine))
        other = await callback_url(theirs, await at_the_upstream(theirs))
        assert (await theirs.step("GET", url)).status == 400
        assert (await theirs.step("GET", other)).status == 303
        assert (await mine.step("GET", url)).status == 303


@pytest.mark.row("CB-06")
async def test_a_state_that_is_nearly_right_is_wrong(broker: Broker) -> None:
    async with broker.browser() as browser:
        url = await callback_url(browser, await at_the_upstream(browser))
        state = dict(parse_qsl(urlsplit(url).query))["state"]
        for near in (
            state[:-1],
            state + "A",
            state.swapcase(),
            state[1:] + state[0],
            state + " ",
            "ｘ" + state[1:],
        ):
            assert (await browser.step("GET", changed(url, state=near))).status == 400
        assert (await browser.step("GET", url)).status == 303


@pytest.mark.row("CB-07")
@pytest.mark.row("CB-11")
async def test_a_state_of_one_connector_is_nothing_at_another(start) -> None:
    broker = await start(connectors={"partners": {"name": "Partner login"}})
    async with broker.browser() as browser:
        url = await callback_url(browser, await at_the_upstream(browser, connector="staff"))
        wrong = url.replace("/callback/staff", "/callback/partners")
        assert (await browser.step("GET", wrong)).status == 400
        assert token_requests(broker) == 0
        assert (await browser.step("GET", url)).status == 303


@pytest.mark.row("CB-09")
@pytest.mark.parametrize("change", ["https://evil.example", "slash", "case", None])
async def test_an_iss_that_is_not_exactly_the_upstreams_is_refused(broker: Broker, change) -> None:
    async with broker.browser() as browser:
        url = await callback_url(browser, await at_the_upstream(browser))
        iss = {"slash": broker.idp.issuer + "/", "case": broker.idp.issuer.upper()}.get(change, change)
        landed = await browser.step("GET", changed(url, iss=iss))
        assert dict(parse_qsl(urlsplit(landed.url).query))["error"] == "server_error"
    assert token_requests(broker) == 0


@pytest.mark.row("CB-13")
async def test_code_and_error_together_are_refused(broker: Broker) -> None:
    async with broker.browser() as browser:
        url = await callback_url(browser, await at_the_upstream(browser))
        landed = await browser.step("GET", changed(url, error="access_denied"))
        assert dict(parse_qsl(urlsplit(landed.url).query))["error"] == "server_error"
    assert token_requests(broker) == 0


@pytest.mark.row("CB-39")
async def test_a_repeated_parameter_is_a_page_and_consumes_nothing(broker: Broker) -> None:
    async with broker.browser() as browser:
        url = await callback_url(browser, await at_the_upstream(browser))
        assert (await browser.step("GET", url + "&code=other")).status == 400
        assert (await browser.step("GET", url)).status == 303


@pytest.mark.row("CB-17")
async def test_a_code_of_another_flow_is_refused_by_pkce_or_nonce(broker: Broker) -> None:
    async with broker.browser() as victim, broker.browser() as attacker:
        mine = await callback_url(victim, await at_the_upstream(victim))
        theirs = await callback_url(attacker, await at_the_upstream(attacker))
        stolen = dict(parse_qsl(urlsplit(theirs).query))["code"]
        landed = await victim.step("GET", changed(mine, code=stolen))
        assert dict(parse_qsl(urlsplit(landed.url).query))["error"] == "server_error"


@pytest.mark.row("CB-15")
async def test_a_form_post_callback_comes_back_from_our_own_site_and_then_has_its_cookie(start) -> None:
    broker = await start(connector={"response_mode": "form_post"})
    async with broker.browser() as browser, broker.browser() as cross_site:
        departed = await at_the_upstream(browser)
        form = await browser.step("GET", departed.url)
        fields = {name: form.field(name) for name in ("code", "state", "iss")}
        url = f"{broker.issuer}/callback/staff"
        bounce = await cross_site.step("POST", url, data=fields)  # a Lax cookie does not come along
        assert bounce.status == 200
        assert 'action="/callback/staff"' in bounce.body
        again = {name: bounce.field(name) for name in (*fields, "bounced")}
        landed = await browser.step("POST", url, data=again)
        assert landed.status == 303
        assert landed.url.startswith("/consent")


@pytest.mark.row("CB-15")
async def test_a_form_post_without_the_cookie_is_bounced_once_and_then_a_page(start) -> None:
    broker = await start(connector={"response_mode": "form_post"})
    async with broker.browser() as mine, broker.browser() as theirs:
        form = await mine.step("GET", (await at_the_upstream(mine)).url)
        fields = {name: form.field(name) for name in ("code", "state", "iss")}
        answer = await theirs.step("POST", f"{broker.issuer}/callback/staff", data=fields | {"bounced": "1"})
        assert answer.status == 400
        assert token_requests(broker) == 0


@pytest.mark.row("CB-41")
async def test_a_login_that_took_too_long_starts_again(broker: Broker) -> None:
    async with broker.browser() as browser:
        url = await callback_url(browser, await at_the_upstream(browser))
        state = dict(parse_qsl(urlsplit(url).query))["state"]
        await broker.services.store.take_login(state, flow_secret(browser), "staff")
        answer = await browser.step("GET", url)
        assert answer.status == 400
        assert "again" in answer.body


def flow_secret(browser: Browser) -> str:
    return next(v for n, v in browser.cookies().items() if n.startswith("flow-")).partition(".")[2]


@pytest.mark.row("CB-46")
async def test_many_logins_at_once_each_get_their_own_person(broker: Broker) -> None:
    for number in range(40):
        broker.idp.person(f"person-{number}", name=f"Person {number}")

    async def one(number: int) -> tuple[int, str]:
        async with broker.browser() as browser:
            departed = await at_the_upstream(
                browser, client_id="trusted", redirect_uri="https://trusted.example/cb"
            )
            landed = await browser.go(changed(departed.url, login_hint=f"person-{number}"))
            _, tokens = await browser.token(
                landed.code, client="trusted", redirect_uri="https://trusted.example/cb"
            )
            _, person = await browser.userinfo(tokens["access_token"])
            return number, person["name"]

    found = await asyncio.gather(*(one(number) for number in range(40)))
    assert all(name == f"Person {number}" for number, name in found)


@pytest.mark.row("CB-42")
async def test_somebody_else_gets_a_session_of_their_own_and_the_other_ends(
    broker: Broker,
) -> None:
    async with broker.browser() as browser:
        first = await browser.login()
        _, adas = await browser.token(first.code)
        broker.idp.person("bob", name="Bob Example", email="bob@people.example", email_verified=True)
        broker.idp.session_since = None
        second = await browser.login(prompt="select_account")
        _, bobs = await browser.token(second.code)
        before, after = claims(adas["id_token"]), claims(bobs["id_token"])
        assert before["sub"] != after["sub"]
        assert before["sid"] != after["sid"]
        assert (await browser.userinfo(adas["access_token"]))[0] == 401
        assert (await browser.userinfo(bobs["access_token"]))[1]["name"] == "Bob Example"
