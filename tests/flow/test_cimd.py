"""Apps whose ``client_id`` is the URL of a document: nobody registers anything, and nobody is trusted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from broker.jose import SigningKey, sign
from tests.flow.broker import Broker, Browser, Landed, claims
from tests.flow.conftest import Start
from tests.flow.documents import CALLBACK, Host, hosting

pytestmark = [pytest.mark.standard("CIMD", "the whole of it")]


@pytest.fixture
async def host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    async with hosting(tmp_path_factory.mktemp("host")) as running:
        yield running


Takes = Callable[..., Any]


@pytest.fixture
async def broker(start: Start, host: Host) -> Broker:
    return await start(top=takes(host))


def takes(host: Host, **changes: Any) -> dict[str, Any]:
    return {"client_id_metadata_documents": {"enabled": True, "ca": str(host.ca)} | changes}


async def authorize(browser: Browser, client_id: str, **changes: str | None) -> Landed:
    asked = {"client_id": client_id, "redirect_uri": CALLBACK, "scope": "openid profile offline_access"}
    return await browser.authorize(**(asked | changes))


async def redeem(
    browser: Browser, client_id: str, code: str, uri: str = CALLBACK
) -> tuple[int, dict[str, Any]]:
    return await browser.token(code, client=None, client_id=client_id, redirect_uri=uri)


@pytest.mark.standard("CIMD", "§2 and §4 a login of an app that nobody registered")
@pytest.mark.standard("CIMD", "client_id_metadata_document_supported in the metadata")
async def test_an_app_signs_somebody_in_by_its_document_alone(broker: Broker, host: Host) -> None:
    url = host.document()
    async with broker.browser() as browser:
        page = await browser.step("GET", f"{broker.issuer}/.well-known/oauth-authorization-server")
        assert '"client_id_metadata_document_supported":true' in page.body
        for _ in range(2):  # asked each time, and told whose word the name is
            page = await authorize(browser, url)
            text = page.body.replace("<wbr>", "")
            assert "Described (127.0.0.1)" in text
            assert "app.example" in text
            landed = await browser.answer_consent(page)
            status, tokens = await redeem(browser, url, landed.code)
            assert status == 200
            assert claims(tokens["id_token"])["aud"] == url
            assert claims(tokens["access_token"])["client_id"] == url
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": url}
        assert (await browser.post("/token", form, client=None))[0] == 200
    assert len(host.asked) == 1


async def test_a_native_app_comes_back_at_any_port_of_loopback(broker: Broker, host: Host) -> None:
    url = host.document()
    async with broker.browser() as browser:
        page = await authorize(browser, url, redirect_uri="http://127.0.0.1:50123/cb")
        landed = await browser.answer_consent(page)
        assert landed.url.startswith("http://127.0.0.1:50123/cb?code=")
        assert (await redeem(browser, url, landed.code, "http://127.0.0.1:50123/cb"))[0] == 200
        assert (await authorize(browser, url, redirect_uri="https://other.example/cb")).status == 400


async def test_without_the_switch_a_url_is_an_unknown_client_and_nothing_is_fetched(
    start: Start, host: Host
) -> None:
    broker = await start()
    url = host.document()
    async with broker.browser() as browser:
        assert (await authorize(browser, url)).status == 400
        page = await browser.step("GET", f"{broker.issuer}/.well-known/oauth-authorization-server")
        assert "client_id_metadata_document" not in page.body
    assert host.asked == []


@pytest.mark.standard("CIMD", "§2 what a client identifier URL is")
@pytest.mark.parametrize(
    "spelled",
    [
        "http://127.0.0.1:{port}/app.json",
        "https://127.0.0.1:{port}",
        "https://127.0.0.1:{port}/app.json#fragment",
        "https://user@127.0.0.1:{port}/app.json",
        "https://127.0.0.1:{port}/a/../app.json",
        "https://127.0.0.1:{port}/./app.json",
        "https://127.0.0.1:{port}/%2e%2e/app.json",
        "HTTPS://127.0.0.1:{port}/app.json",
        "https://LOCALHOST:{port}/app.json",
        "https://127.0.0.1:{port}/" + "x" * 600,
    ],
)
async def test_what_is_no_such_url_is_never_fetched(broker: Broker, host: Host, spelled: str) -> None:
    url = spelled.format(port=host.origin.rpartition(":")[2])
    host.document(client_id=url)
    async with broker.browser() as browser:
        assert (await authorize(browser, url)).status == 400
    assert host.asked == []


@pytest.mark.standard("CIMD", "§4.1 what the document must say")
@pytest.mark.row("RG-02")
@pytest.mark.row("RG-06")
@pytest.mark.parametrize(
    "said",
    [
        {"client_id": "https://other.example/app.json"},
        {"client_id": None},
        {"client_id": ["x"]},
        {"client_secret": "shared"},
        {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"redirect_uris": None},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["http://app.example/"]},
        {"redirect_uris": "https://app.example/"},
        {"grant_types": ["implicit"]},
        {"logo_uri": "data:image/png;base64,AA"},
        {"client_name": "x" * 6000},
    ],
)
async def test_a_document_that_says_what_none_may_is_none(
    broker: Broker, host: Host, said: dict[str, Any]
) -> None:
    url = host.document(**said)
    async with broker.browser() as browser:
        assert (await authorize(browser, url)).status == 400
    assert len(host.asked) == 1


@pytest.mark.standard("CIMD", "§4.2 and §6.6 no redirect, JSON, and not too large")
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 302, "headers": {"Location": "/other.json"}},
        {"status": 301, "headers": {"Location": "https://169.254.169.254/"}},
        {"status": 404},
        {"status": 201, "body": b"{}", "headers": {"Content-Type": "application/json"}},
        {"status": 200, "body": b"{}", "headers": {"Content-Type": "text/html"}},
        {"status": 200, "body": b"[]", "headers": {"Content-Type": "application/json"}},
        {"status": 200, "body": b'{"a":1,"a":2}', "headers": {"Content-Type": "application/json"}},
        {
            "status": 200,
            "body": b'{"x": "' + b"x" * 6000 + b'"}',
            "headers": {"Content-Type": "application/json"},
        },
    ],
)
async def test_what_is_no_document_is_refused_and_not_asked_for_again_at_once(
    broker: Broker, host: Host, answer: dict[str, Any]
) -> None:
    url = host.document()
    host.document("/other.json", client_id=url)
    host.answers["/app.json"] = web.Response(**answer)
    async with broker.browser() as browser:
        for _ in range(3):
            assert (await authorize(browser, url)).status == 400
        assert host.asked == ["/app.json"]
        del host.answers["/app.json"]
        broker.clock.forward(11)  # who mends a document is not kept waiting
        assert (await authorize(browser, url)).status == 200


async def test_a_more_particular_kind_of_json_will_do(broker: Broker, host: Host) -> None:
    url = host.document()
    body = json.dumps(host.documents["/app.json"]).encode()
    headers = {"Content-Type": "application/client-metadata+json"}
    host.answers["/app.json"] = web.Response(body=body, headers=headers)
    async with broker.browser() as browser:
        assert (await authorize(browser, url)).status == 200


@pytest.mark.row("RG-06")
async def test_a_document_may_name_grants_of_other_servers_and_has_none_of_them_here(
    broker: Broker, host: Host
) -> None:
    unheard = "urn:openid:params:grant-type:ciba"
    url = host.document(grant_types=["authorization_code", unheard, "implicit", "refresh_token"])
    found = await broker.services.clients.find(url)
    assert found is not None
    assert found.grant_types == ("authorization_code", "refresh_token")
    assert await broker.services.clients.find(host.document("/2.json", grant_types=[unheard])) is None
    assert await broker.services.clients.find(host.document("/3.json", grant_types=[["x"]])) is None


@pytest.mark.row("UP-03")
@pytest.mark.standard("CIMD", "§6.5 server-side request forgery")
@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data/x",
        "https://10.0.0.1/app.json",
        "https://172.16.0.1/app.json",
        "https://192.168.1.1/app.json",
        "https://100.64.0.1/app.json",
        "https://0.0.0.0/app.json",
        "https://127.1/app.json",
        "https://[::]/app.json",
        "https://[::1]/app.json",
        "https://[::ffff:10.0.0.1]/app.json",
        "https://[fd00::1]/app.json",
        "https://[64:ff9b::a00:1]/app.json",
        "https://localhost/app.json",
        "https://localhost./app.json",
        "https://localhost.localdomain:1/app.json",
        "https://0x7f.1/app.json",
        "https://0177.0.0.1/app.json",
        "https://2130706433/app.json",
        "https://127.0.0.1.nip.invalid/app.json",
        "https://user:password@127.0.0.1/app.json",
        "https://127.0.0.1\\@app.example/app.json",
        "https://127.0.0.1%23@app.example/app.json",
    ],
)
async def test_no_address_of_an_inner_network_is_ever_asked(start: Start, host: Host, url: str) -> None:
    outbound = {"outbound": {"timeout": "1s", "allow_networks": ["192.0.2.0/24"]}}
    broker = await start(top=takes(host) | {"outbound": outbound["outbound"]})
    found = await broker.services.clients.find(url)
    assert found is None
    inner = host.document()  # on loopback, which is not allowed here
    assert await broker.services.clients.find(inner) is None
    assert host.asked == []


@pytest.mark.row("CS-09")
async def test_only_a_document_that_the_operator_trusts_spares_the_question(start: Start, host: Host) -> None:
    mine, other = host.document("/mine.json"), host.document("/other.json")
    broker = await start(top=takes(host, trusted=[mine]))
    async with broker.browser() as browser:
        assert "code" in (await authorize(browser, mine, scope="openid profile")).params
        assert 'name="answer"' in (await authorize(browser, other, scope="openid profile")).body
        landed = await authorize(browser, other, scope="openid profile", prompt="none")
        assert landed.params["error"] == "consent_required"


async def test_only_the_hosts_that_are_named_may_describe_apps(start: Start, host: Host) -> None:
    broker = await start(top=takes(host, allow_hosts=["apps.example", "*.partner.example"]))
    url = host.document()
    assert await broker.services.clients.find(url) is None
    config = broker.services.config.client_documents
    assert [config.takes(one) for one in ("apps.example", "a.b.partner.example")] == [True, True]
    assert not any(config.takes(one) for one in ("partner.example", "evilpartner.example", "x.apps.example"))
    assert host.asked == []


@pytest.mark.standard("CIMD", "§4.4 caching, within bounds")
async def test_a_document_is_fresh_for_as_long_as_it_says_within_bounds(broker: Broker, host: Host) -> None:
    url = host.document()
    clients = broker.services.clients
    host.cache_control = "max-age=7200"
    assert await clients.find(url) is not None
    broker.clock.forward(7100)
    assert await clients.find(url) is not None
    assert len(host.asked) == 1
    host.document(client_name="Renamed")
    host.cache_control = "no-store"
    broker.clock.forward(200)
    found = await clients.find(url)
    assert found is not None
    assert found.client_name == "Renamed (127.0.0.1)"
    broker.clock.forward(200)  # no-store is five minutes here: each request must not become one of ours
    await clients.find(url)
    assert len(host.asked) == 2
    broker.clock.forward(200)
    await clients.find(url)
    assert len(host.asked) == 3


async def test_many_at_once_ask_once(broker: Broker, host: Host) -> None:
    url = host.document()
    host.gate.clear()
    waiting = [asyncio.create_task(broker.services.clients.find(url)) for _ in range(20)]
    await host.arrived.wait()
    waiting[0].cancel()
    host.gate.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(not isinstance(one, BaseException) and one is not None for one in found[1:])
    assert host.asked == ["/app.json"]


@pytest.mark.row("DS-03")
async def test_strangers_cannot_have_us_call_a_host_any_number_of_times(broker: Broker, host: Host) -> None:
    found = [await broker.services.clients.find(host.document(f"/{number}.json")) for number in range(40)]
    assert [one is not None for one in found] == [True] * 30 + [False] * 10
    assert len(host.asked) == 30


async def test_an_app_in_use_outlives_a_host_that_does_not_answer_and_not_one_that_says_it_is_no_more(
    broker: Broker, host: Host
) -> None:
    url = host.document()
    async with broker.browser() as browser:
        landed = await browser.answer_consent(await authorize(browser, url))
        _, tokens = await redeem(browser, url, landed.code)
        host.answers["/app.json"] = web.Response(status=503)
        broker.clock.forward(2 * 86400)
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": url}
        status, tokens = await browser.post("/token", form, client=None)
        assert status == 200
        host.answers["/app.json"] = web.Response(status=404)
        broker.clock.forward(61)
        form["refresh_token"] = tokens["refresh_token"]
        assert (await browser.post("/token", form, client=None))[0] == 401
        assert (await browser.userinfo(tokens["access_token"]))[0] == 401
        del host.answers["/app.json"]
        host.document(redirect_uris=["https://attacker.example/cb"])
        broker.clock.forward(61)
        assert (await browser.post("/token", form, client=None))[1]["error"] == "invalid_grant"


async def test_an_app_nobody_used_is_not_kept_while_its_host_is_away(broker: Broker, host: Host) -> None:
    url = host.document()
    store = broker.services.store
    assert await broker.services.clients.find(url) is not None
    assert await store._wire.call("PTTL", store._document(url)) <= 2 * 3600_000


async def test_a_script_may_call_from_where_its_document_says(broker: Broker, host: Host) -> None:
    async def allowed(origin: str) -> bool:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        async with (
            aiohttp.ClientSession() as session,
            session.options(f"{broker.issuer}/token", headers=headers) as answer,
        ):
            return answer.headers.get("Access-Control-Allow-Origin") == origin

    assert not await allowed("https://app.example")
    assert await broker.services.clients.find(host.document()) is not None
    assert await allowed("https://app.example")
    assert not await allowed("https://attacker.example")


async def test_an_app_with_keys_of_its_own_proves_itself_by_them(broker: Broker, host: Host) -> None:
    key = SigningKey.generate("ES256")
    url = host.document(token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.public_jwk()]})
    async with broker.browser() as browser:
        landed = await browser.answer_consent(await authorize(browser, url))
        assert (await redeem(browser, url, landed.code))[0] == 401
        now = int(broker.clock())
        said = {"iss": url, "sub": url, "aud": broker.issuer, "iat": now, "exp": now + 60, "jti": "once"}
        form = {"client_assertion": sign(key, said, typ="JWT")}
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        status, _ = await browser.token(
            landed.code, client=None, redirect_uri=CALLBACK, client_assertion_type=kind, **form
        )
        assert status == 200


@pytest.mark.row("DS-03")
async def test_strangers_who_use_up_what_a_host_is_asked_keep_out_no_app_in_use_and_none_that_is_trusted(
    start: Start, host: Host
) -> None:
    mine = host.document("/mine.json")
    broker = await start(top=takes(host, trusted=[mine]))
    find, used = broker.services.clients.find, host.document("/used.json")
    async with broker.browser() as browser:
        landed = await browser.answer_consent(await authorize(browser, used))
        assert (await redeem(browser, used, landed.code))[0] == 200
    broker.clock.forward(3601)
    for number in range(40):
        await find(host.document(f"/{number}.json"))
    host.asked.clear()
    assert await find(mine) is not None
    assert await find(used) is not None
    assert host.asked == ["/mine.json", "/used.json"], "and hears what their documents say now"


@pytest.mark.row("DS-03")
async def test_one_address_does_not_use_up_what_may_be_fetched_for_all(start: Start, host: Host) -> None:
    broker = await start(top=takes(host) | {"trusted_proxies": {"networks": ["127.0.0.0/8"]}})
    asked = {"redirect_uri": CALLBACK, "response_type": "code", "code_challenge": "x" * 43}

    async def status(session: aiohttp.ClientSession, client_id: str, address: str) -> int:
        url = f"{broker.issuer}/authorize"
        headers, params = {"X-Forwarded-For": address}, asked | {"client_id": client_id}
        async with session.get(url, params=params, headers=headers, allow_redirects=False) as answer:
            return answer.status

    async with aiohttp.ClientSession() as session:
        for n in range(70):  # nothing is asked there, and it is counted all the same
            assert await status(session, f"https://10.0.0.{n}/app.json", "192.0.2.7") == 400
            assert await status(session, f"https://10.0.1.{n}/app.json", f"2001:db8:0:{n:x}::1") == 400
        url = host.document()
        assert await status(session, url, "192.0.2.7") == 400
        assert await status(session, url, "2001:db8:0:ffff::1") == 400
        assert host.asked == []
        assert await status(session, url, "192.0.2.8") == 303, "what others may not is not held against it"
