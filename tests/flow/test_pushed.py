"""Pushed authorization requests."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from broker.store import pushed
from tests.flow.broker import CALLBACK, SECRET, Broker
from tests.flow.signing import asked, give

pytestmark = pytest.mark.standard("RFC 9126", "§2 a request is pushed, and named by a request_uri")
PUBLIC = {
    "client_name": "Web app",
    "token_endpoint_auth_method": "none",
    "client_secret": None,
    "redirect_uris": ["https://spa.example/"],
    "grant_types": ["authorization_code"],
    "scope": "openid",
}


async def pushed_by(
    browser: Any, client: str | None = "billing", **changes: Any
) -> tuple[int, dict[str, Any]]:
    return await browser.post("/par", asked(**changes), client=client)


async def test_a_pushed_request_is_answered_with_a_name_that_leads_to_a_login(broker: Broker) -> None:
    async with broker.browser() as browser:
        status, told = await pushed_by(browser)
        assert status == 201
        assert told["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
        assert 0 < told["expires_in"] < 600
        page = await browser.go(
            f"{broker.issuer}/authorize?client_id=billing&request_uri={told['request_uri']}"
        )
        landed = await browser.answer_consent(page)
        assert landed.params["state"] == "state-of-the-client"
        status, tokens = await browser.token(landed.code)
        assert status == 200
        assert "id_token" in tokens


@pytest.mark.standard("RFC 9126", "§4 what stands beside a request_uri does not count")
async def test_what_stands_beside_the_name_does_not_count(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, told = await pushed_by(browser, scope="openid profile")
        url = browser.authorize_url(
            request_uri=told["request_uri"],
            scope="openid email",
            state="other",
            redirect_uri="https://evil.example/",
        )
        landed = await browser.answer_consent(await browser.go(url))
        assert landed.url.startswith(CALLBACK)
        assert landed.params["state"] == "state-of-the-client"
        _, tokens = await browser.token(landed.code)
        assert tokens["scope"] == "openid profile"


@pytest.mark.row("PR-01")
@pytest.mark.standard("RFC 9126", "§2.1 the client authenticates as at the token endpoint")
async def test_nobody_pushes_for_a_client_without_its_secret(broker: Broker) -> None:
    async with broker.browser() as browser:
        for form in (asked(), asked() | {"client_secret": "wrong"}):
            status, told = await browser.post("/par", form, client=None)
            assert (status, told["error"]) == (401, "invalid_client")


@pytest.mark.row("PR-02")
@pytest.mark.standard("RFC 9126", "§2.1 request_uri is not pushed")
async def test_a_request_uri_is_not_pushed(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, told = await pushed_by(browser)
        status, told = await pushed_by(browser, request_uri=told["request_uri"])
        assert (status, told["error"]) == (400, "invalid_request")


@pytest.mark.row("PR-03")
async def test_only_a_form_is_pushed(broker: Broker) -> None:
    url = f"{broker.issuer}/par"
    async with broker.browser() as browser:
        for method in ("GET", "PUT", "DELETE", "HEAD"):
            assert (await browser.step(method, url)).status == 405
        parts = "".join(f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'
                        for n, v in (asked() | {"client_secret": SECRET}).items())  # fmt: skip
        multipart = {"Content-Type": "multipart/form-data; boundary=x"}
        for body in (
            {"json": asked()},
            {"data": f"{parts}--x--\r\n", "headers": multipart},
            {"data": json.dumps(asked()), "headers": {"Content-Type": "text/plain"}},
        ):
            landed = await browser.step("POST", url, **body)
            assert landed.status == 400
            assert json.loads(landed.body)["error"] == "invalid_request"
        landed = await browser.step("POST", f"{url}?client_id=billing", data=asked())
        assert landed.status == 400


@pytest.mark.standard("RFC 9126", "§2.3 what is wrong with a request is told to who pushes it")
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"scope": "phone"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"resource": "https://nobody.example"}, "invalid_target"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
        ({"dpop_jkt": "short"}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
    ],
)
async def test_what_is_wrong_is_told_at_once(broker: Broker, change, error) -> None:
    async with broker.browser() as browser:
        status, told = await pushed_by(browser, **change)
        assert (status, told["error"]) == (400, error)


@pytest.mark.row("PR-05")
async def test_a_name_ends_with_its_time(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, told = await pushed_by(browser)
        name = told["request_uri"].rpartition(":")[2]
        await broker.services.store.drop_pushed("billing", name)  # as its TTL does
        landed = await browser.go(browser.authorize_url(request_uri=told["request_uri"]))
        assert (landed.status, "Location" in landed.headers) == (400, False)


async def test_the_store_forgets_a_pushed_request_by_itself(start) -> None:
    broker = await start(top={"lifetimes": {"par": "7s"}})
    async with broker.browser() as browser:
        _, told = await pushed_by(browser)
        assert told["expires_in"] == 7
        store = broker.services.store
        keys = await store._wire.call("KEYS", f"{store._prefix}pushed*")
        assert len(keys) == 2
        ends = [await store._wire.call("PTTL", key) for key in keys]
        assert all(0 < end <= 7000 for end in ends)


@pytest.mark.row("PR-06")
@pytest.mark.row("AZ-40")
@pytest.mark.standard("RFC 9126", "§2.2 a request_uri is bound to its client")
async def test_the_name_of_another_clients_request_is_as_good_as_none(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, told = await pushed_by(browser)
        stolen = browser.authorize_url(
            client_id="trusted", request_uri=told["request_uri"], redirect_uri="https://trusted.example/cb"
        )
        landed = await browser.go(stolen)
        unknown = await browser.go(
            browser.authorize_url(client_id="trusted", request_uri=told["request_uri"] + "x")
        )
        assert landed.status == unknown.status == 400
        assert "Location" not in landed.headers
        # and whoever it belongs to can use it still
        page = await browser.go(browser.authorize_url(request_uri=told["request_uri"]))
        assert (await browser.answer_consent(page)).code


@pytest.mark.row("PR-06")
@pytest.mark.standard("RFC 9126", "§4 a request_uri may be loaded again, and is answered once")
async def test_a_page_may_be_loaded_again_and_the_request_is_answered_once(broker: Broker) -> None:
    async with broker.browser() as browser:
        _, told = await pushed_by(browser)
        url = browser.authorize_url(request_uri=told["request_uri"])
        one, other = await browser.go(url), await browser.go(url)
        landed = await browser.answer_consent(one)
        assert landed.code
        again = await browser.answer_consent(other)
        assert (again.status, "code=" in again.url) == (400, False)
        assert (await browser.go(url)).status == 400


@pytest.mark.row("PR-06")
async def test_of_many_who_answer_one_request_one_gets_a_code(broker: Broker) -> None:
    async with broker.browser() as browser:
        await browser.login(client_id="trusted", redirect_uri="https://trusted.example/cb")
        form = asked("trusted", redirect_uri="https://trusted.example/cb")
        _, told = await browser.post("/par", form, client="trusted")
        url = browser.authorize_url(client_id="trusted", request_uri=told["request_uri"])
        landed = await asyncio.gather(*(browser.step("GET", url) for _ in range(20)))
        assert sorted("code=" in one.url for one in landed) == [False] * 19 + [True]


@pytest.mark.row("PR-07")
async def test_a_name_cannot_be_guessed(broker: Broker) -> None:
    async with broker.browser() as browser:
        names = {(await pushed_by(browser))[1]["request_uri"].rpartition(":")[2] for _ in range(50)}
        assert len(names) == 50
        assert all(len(name) == 43 for name in names)  # 256 bits
        for guess in ("", "x", "a" * 43, "../session", "*"):
            landed = await browser.go(
                browser.authorize_url(request_uri=f"urn:ietf:params:oauth:request_uri:{guess}")
            )
            assert landed.status == 400


@pytest.mark.row("PR-09")
@pytest.mark.standard("RFC 9126", "§6 a client that must push sends nothing else")
async def test_a_client_that_must_push_is_refused_a_plain_request(start) -> None:
    broker = await start(client={"require_pushed_authorization_requests": True})
    async with broker.browser() as browser:
        landed = await browser.authorize()
        assert landed.url.startswith(CALLBACK)
        assert landed.params["error"] == "invalid_request"
        _, told = await pushed_by(browser)
        page = await browser.go(browser.authorize_url(request_uri=told["request_uri"]))
        assert (await browser.answer_consent(page)).code


@pytest.mark.row("PR-09")
@pytest.mark.standard("RFC 9126", "§5 a server may take nothing but pushed requests")
async def test_an_issuer_may_want_every_request_pushed(start) -> None:
    broker = await start(top={"require_pushed_authorization_requests": True})
    async with broker.browser() as browser:
        assert (await browser.authorize()).params["error"] == "invalid_request"
        url = f"{broker.issuer}/.well-known/openid-configuration"
        said = json.loads((await browser.step("GET", url)).body)
        assert said["require_pushed_authorization_requests"] is True
        assert said["pushed_authorization_request_endpoint"] == f"{broker.issuer}/par"


@pytest.mark.row("PR-10")
async def test_what_one_client_may_push_is_bounded(broker: Broker, monkeypatch) -> None:
    monkeypatch.setattr(pushed, "MOST_BYTES", 20_000)
    async with broker.browser() as browser:
        statuses = [(await pushed_by(browser, login_hint="x" * 500))[0] for _ in range(40)]
        assert statuses[0] == 201
        assert statuses[-1] == 429
        kept = statuses.count(201)
        assert kept < 40
        # another client is not hindered
        form = asked("trusted", redirect_uri="https://trusted.example/cb")
        assert (await browser.post("/par", form, client="trusted"))[0] == 201


@pytest.mark.row("PR-10")
async def test_one_address_does_not_use_up_what_a_public_client_may_push(start, monkeypatch) -> None:
    monkeypatch.setattr(pushed, "MOST_BYTES_OF_AN_ADDRESS", 5_000)
    broker = await start(clients={"open": PUBLIC, "other": PUBLIC})
    give(broker, "trusted", origin="registered")
    async with broker.browser() as browser:
        form = asked("open", redirect_uri="https://spa.example/", scope="openid")
        statuses = [(await browser.post("/par", form, client=None))[0] for _ in range(30)]
        assert (statuses[0], statuses[-1]) == (201, 429)
        # nor by one more client, of which anybody may bring any number
        assert (await browser.post("/par", form | {"client_id": "other"}, client=None))[0] == 429
        mine = asked("trusted", redirect_uri="https://trusted.example/cb")
        assert (await browser.post("/par", mine, client="trusted"))[0] == 429
        assert (await pushed_by(browser))[0] == 201


@pytest.mark.row("PR-10")
async def test_a_body_far_too_large_is_not_read(broker: Broker) -> None:
    async with broker.browser() as browser:
        status, _ = await browser.post("/par", asked(login_hint="x" * 100_000))
        assert status == 413


@pytest.mark.row("PR-17")
async def test_what_was_pushed_is_in_no_url_cookie_or_log(broker: Broker) -> None:
    canary = "canary-of-a-person"
    async with broker.browser() as browser:
        _, told = await pushed_by(browser, login_hint=canary, state=canary + "-state")
        landed = await browser.step("GET", browser.authorize_url(request_uri=told["request_uri"]))
        assert canary not in "".join(browser.cookies().values())
        assert canary + "-state" not in landed.url
        assert SECRET not in str(await every_value(broker))
    assert canary not in b"".join(broker.log).decode()


async def every_value(broker: Broker) -> list[Any]:
    """Everything in the store, as it lies there."""
    store = broker.services.store
    keys = await store._wire.call("KEYS", f"{store._prefix}pushed:*")
    return [await store._wire.call("GET", key) for key in keys]


async def test_a_client_without_a_login_pushes_nothing(start) -> None:
    api = {
        "client_name": "An API",
        "grant_types": [],
        "redirect_uris": [],
        "audience": "https://api.example",
        "client_secret": SECRET,
    }
    broker = await start(clients={"api": api})
    async with broker.browser() as browser:
        status, told = await browser.post("/par", asked("api"), client="api")
        assert (status, told["error"]) == (400, "invalid_request")


async def test_a_push_is_an_event_and_says_by_whom(broker: Broker) -> None:
    async with broker.browser() as browser:
        await pushed_by(browser)
        await pushed_by(browser, scope="phone")
    (event,) = broker.events("pushed")
    assert (event["outcome"], event["client_id"]) == ("ok", "billing")
    assert broker.events("refusal")[-1]["client_id"] == "billing"
