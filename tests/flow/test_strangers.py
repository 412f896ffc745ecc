"""What a stranger who may register, or has a document of their own, cannot make the broker do or say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from broker.endpoints import about
from broker.protocol.client import DEVICE_CODE
from tests.flow.broker import GIVEN_UP, Broker
from tests.flow.conftest import Start
from tests.flow.documents import CALLBACK, Host, hosting
from tests.flow.registering import APP, STRANGER, call, redeem, register, sign_in
from tests.patience import PATIENCE, skip


@pytest.fixture
async def open_broker(start: Start) -> Broker:
    return await start(top={"registration": {"policy": "open", "per_address": 1000}})


@pytest.fixture
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    async with hosting(tmp_path_factory.mktemp("host")) as running:
        yield running


# ── whom we call on their word ────────────────────────────────────────────────────────────────────


@pytest.mark.row("UP-03")
@pytest.mark.row("DS-02")
async def test_changes_of_a_registration_have_us_call_somebody_only_so_often(start: Start) -> None:
    broker = await start(top={"registration": {"policy": "open", "per_address": 3}})
    calls: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        calls.append(request.path_qs)
        return web.json_response([STRANGER])

    app = web.Application()
    app.router.add_get("/{name}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        told = await register(broker)
        statuses = []
        for number in range(200):
            uri = f"http://127.0.0.1:{server.port}/list?{number}"
            body = APP | {"client_id": told.body["client_id"], "sector_identifier_uri": uri}
            statuses.append((await call("PUT", told.uri, token=told.token, body=body)).status)
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert len(calls) <= 60


# ── what they may register ────────────────────────────────────────────────────────────────────────


@pytest.mark.row("RG-02")
@pytest.mark.standard("OpenID Front-Channel Logout", "§2 the scheme, host and port of a redirect_uri")
@pytest.mark.parametrize(
    "uri",
    [
        "https://elsewhere.example/frames",
        "https://stranger.example:8443/frames",
        "http://127.0.0.1:8080/frames",
    ],
)
async def test_a_frame_of_a_sign_out_is_where_the_app_is(open_broker: Broker, uri: str) -> None:
    told = await register(open_broker, frontchannel_logout_uri=uri)
    assert (told.status, told.body.get("error")) == (400, "invalid_client_metadata")
    assert "frontchannel_logout_uri" in told.body["error_description"]
    told = await register(open_broker, frontchannel_logout_uri="https://stranger.example/frames")
    assert told.status == 201


@pytest.mark.standard("OpenID Core", "§8.1 nobody hears the sub of a sector that is not theirs")
async def test_an_app_for_devices_hears_no_sub_of_a_sector_that_nothing_proves_to_be_its_own(
    start: Start,
) -> None:
    grants = ["authorization_code", "refresh_token", DEVICE_CODE]
    broker = await start(top={"registration": {"policy": "open", "grant_types": grants}})
    told = await register(broker, subject_type="pairwise", grant_types=grants)
    assert (told.status, told.body.get("error")) == (400, "invalid_client_metadata")
    assert (await register(broker, subject_type="pairwise")).status == 201


# ── two changes at once ───────────────────────────────────────────────────────────────────────────


@pytest.mark.row("RG-09")
@pytest.mark.parametrize("method", ["none", "client_secret_basic"])
async def test_of_two_changes_at_once_the_later_is_held_against_the_earlier(
    open_broker: Broker, method: str
) -> None:
    asked_for, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        asked_for.set()
        await go_on.wait()
        return web.json_response([STRANGER])

    app = web.Application()
    app.router.add_get("/list", answer)
    async with TestServer(app, host="127.0.0.1") as server, open_broker.browser() as browser:
        told = await register(open_broker, token_endpoint_auth_method=method)
        same = APP | {"client_id": told.body["client_id"], "token_endpoint_auth_method": method}
        slow = same | {"sector_identifier_uri": f"http://127.0.0.1:{server.port}/list"}
        later = asyncio.create_task(call("PUT", told.uri, token=told.token, body=slow))
        await asyncio.wait_for(asked_for.wait(), PATIENCE)
        between = same | {
            "redirect_uris": [STRANGER, "https://elsewhere.example/cb"],
            "token_endpoint_auth_method": "none",
        }
        assert (await call("PUT", told.uri, token=told.token, body=between)).status == 200
        open_broker.clock.forward(1)
        landed = await sign_in(browser, told, scope="openid profile offline_access")
        _, tokens = await redeem(browser, told, landed.code)
        open_broker.clock.forward(1)
        go_on.set()
        changed = await later
        assert changed.status == 200
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        assert ("client_secret" in changed.body) == (method != "none"), "the one before is forgotten"


# ── how long they stay, and how many ──────────────────────────────────────────────────────────────


@pytest.mark.row("RG-10")
async def test_an_app_in_use_stays_also_where_idle_is_less_than_a_day(start: Start) -> None:
    broker = await start(top={"registration": {"policy": "open", "unused": "1h", "idle": "6h"}})
    store, told = broker.services.store, await register(broker)
    name = store._client(told.body["client_id"])
    async with broker.browser() as browser:
        assert (await redeem(browser, told, (await sign_in(browser, told)).code))[0] == 200
        await store._wire.call("PEXPIRE", name, 3600_000)  # five hours later
        broker.clock.forward(5 * 3600)
        assert (await redeem(browser, told, (await sign_in(browser, told)).code))[0] == 200
        assert await store._wire.call("PTTL", name) > 5 * 3600_000


@pytest.mark.row("RG-10")
async def test_a_change_is_no_use_and_keeps_no_app_that_nobody_signs_in_to(start: Start) -> None:
    broker = await start(top={"registration": {"policy": "open", "unused": "1h"}})
    store, unused, used = broker.services.store, await register(broker), await register(broker)
    async with broker.browser() as browser:
        assert (await redeem(browser, used, (await sign_in(browser, used)).code))[0] == 200
    broker.clock.forward(3000)
    left = []
    for told in (unused, used):
        client_id = told.body["client_id"]
        changed = await call("PUT", told.uri, token=told.token, body=APP | {"client_id": client_id})
        assert changed.status == 200
        left.append(await store._wire.call("PTTL", store._client(client_id)))
    assert 0 < left[0] <= 600_000
    assert left[1] > 86400_000


@pytest.mark.row("RG-10")
async def test_whoever_has_many_networks_may_register_no_more_than_a_site_may(start: Start) -> None:
    broker = await start(
        top={
            "registration": {"policy": "open", "per_address": 2},
            "trusted_proxies": {"networks": ["127.0.0.0/8"], "headers": "x-forwarded"},
        }
    )
    statuses = []
    for number in range(40):
        address = {"X-Forwarded-For": f"2001:db8:1:{number:x}::1"}
        statuses.append((await call("POST", f"{broker.issuer}/register", body=APP, **address)).status)
    assert statuses[0] == 201
    assert statuses[-1] == 429
    other = {"X-Forwarded-For": "2001:db8:2::1"}
    assert (await call("POST", f"{broker.issuer}/register", body=APP, **other)).status == 201


# ── where they may lead people ────────────────────────────────────────────────────────────────────


@pytest.mark.row("RG-10")
async def test_where_no_address_is_known_all_together_may_register_as_much_as_one(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(about, "client_address", lambda _request: "")  # as behind a socket of the machine
    broker = await start(top={"registration": {"policy": "open", "per_address": 3}})
    assert [(await register(broker)).status for _ in range(5)] == [201, 201, 201, 429, 429]


@pytest.mark.row("WB-06")
async def test_a_link_of_ours_leads_to_an_app_that_registered_itself_only_who_uses_it(
    open_broker: Broker,
) -> None:
    told = await register(open_broker, initiate_login_uri="https://stranger.example/begin")
    link = f"{open_broker.issuer}/start?client_id={told.body['client_id']}"
    async with open_broker.browser() as victim, open_broker.browser() as person:
        assert (await victim.step("GET", link)).status == 404
        await sign_in(person, told)
        sent_on = await person.step("GET", link)
        assert (sent_on.status, sent_on.url.startswith("https://stranger.example/begin?iss=")) == (303, True)


# ── what people are shown ─────────────────────────────────────────────────────────────────────────


@pytest.mark.row("CS-14")
@pytest.mark.standard("CIMD", "§6.4 people see the host of the document")
async def test_no_name_is_long_enough_to_hide_the_host_behind_a_document(start: Start, host: Host) -> None:
    top: dict[str, Any] = {"client_id_metadata_documents": {"enabled": True, "ca": str(host.ca)}}
    broker = await start(top=top)
    url = host.document(client_name="Billing of Acme (billing.acme.example), " * 4)
    async with broker.browser() as browser:
        page = await browser.authorize(client_id=url, redirect_uri=CALLBACK, scope="openid profile")
        assert 'name="answer"' in page.body
        assert "(127.0.0.1)</bdi> asks for access" in page.body


@pytest.mark.row("DS-03")
async def test_hosts_that_hang_do_not_keep_a_person_from_their_account_page(start: Start, host: Host) -> None:
    top: dict[str, Any] = {"client_id_metadata_documents": {"enabled": True, "ca": str(host.ca)}}
    broker = await start(top=top)
    async with broker.browser() as browser:
        for number in range(3):
            url = host.document(f"/{number}.json")
            page = await browser.authorize(client_id=url, redirect_uri=CALLBACK, scope="openid profile")
            await browser.answer_consent(page)
        broker.clock.forward(3601)
        host.gate.clear()
        host.arrived.clear()
        shown = asyncio.create_task(browser.go(f"{broker.issuer}/account"))
        await host.arrived.wait()
        skip(GIVEN_UP / 2)
        page = await asyncio.wait_for(shown, GIVEN_UP / 3)  # while they are still waited for
        assert page.status == 200
        assert page.body.count("/account/withdraw") == 3, "and all can be taken back"
