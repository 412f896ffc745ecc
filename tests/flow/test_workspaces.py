"""Workspaces: several issuers in one process, and nothing of one reachable from another."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from aiohttp import web

from broker.app import SERVER, Surroundings, build
from broker.config import StoreConfig, load
from broker.services import SERVICES
from tests.fakes.provider import FakeProvider
from tests.flow.broker import (
    CALLBACK,
    SECRET,
    Broker,
    Browser,
    Clock,
    code_form,
    config_text,
    every_key_ends_by_itself,
    nothing_secret_was_logged,
)
from tests.flow.proofs import Prover, send
from tests.flow.signing import asked

OWN_KEYS = ("connectors", "clients", "scopes", "registration", "client_id_metadata_documents")


@dataclass(frozen=True)
class Host:
    """A process with its own issuer, and two workspaces."""

    own: Broker
    acme: Broker
    beta: Broker

    @property
    def all(self) -> tuple[Broker, ...]:
        return self.own, self.acme, self.beta


@pytest.fixture
async def host(idp: FakeProvider, store_config: StoreConfig, tmp_path: Path) -> AsyncIterator[Host]:
    async with AsyncExitStack() as stack:
        yield await running_host(stack, idp, store_config, tmp_path)


async def running_host(
    stack: AsyncExitStack,
    idp: FakeProvider,
    store: StoreConfig,
    folder: Path,
    path: str = "",
    names: tuple[str, str] = ("staff", "billing"),
    **changes: Any,
) -> Host:
    """``names`` are those of the connector and of the client app of Beta's that all have."""
    listening = socket.create_server(("127.0.0.1", 0))
    stack.callback(listening.close)
    issuer = f"http://127.0.0.1:{listening.getsockname()[1]}{path}"
    document = json.loads(config_text(issuer, idp, store, changes))
    document["listen"] = urlsplit(issuer).netloc
    tenant = {key: document[key] for key in OWN_KEYS if key in document}
    (folder / "beta.yaml").write_text(json.dumps(renamed(tenant, *names)))
    document["workspaces"] = {"acme": tenant, "beta": "beta.yaml"}
    file = folder / "host.yaml"
    file.write_text(json.dumps(document))
    config, clock, log = load(file, {}), Clock(), list[bytes]()
    app = await build(config, around=Surroundings(now=clock, clock=time.monotonic, log=log.append))
    runner = web.AppRunner(app, **SERVER)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listening).start()
    by_issuer = {one[SERVICES].issuer: one for one in (app, *app._subapps)}

    async def check(broker: Broker) -> None:
        nothing_secret_was_logged(broker)
        await every_key_ends_by_itself(broker)

    def one(issuer: str) -> Broker:
        broker = Broker(issuer, by_issuer[issuer], clock, idp, log)
        stack.push_async_callback(check, broker)
        return broker

    return Host(one(issuer), one(f"{issuer}/t/acme"), one(f"{issuer}/t/beta"))


def renamed(tenant: dict[str, Any], connector: str, client: str) -> dict[str, Any]:
    """A workspace in which the connector and the client app have these names."""
    connectors = {connector if name == "staff" else name: one for name, one in tenant["connectors"].items()}
    clients = {client if name == "billing" else name: one for name, one in tenant["clients"].items()}
    return tenant | {"connectors": connectors, "clients": clients}


async def tokens_of(browser: Browser, **changes: str | None) -> dict[str, Any]:
    landed = await browser.login(scope="openid profile email offline_access", **changes)
    status, body = await browser.token(landed.code)
    assert status == 200, body
    return body


async def test_each_issuer_of_a_host_signs_people_in_with_its_own_tokens(host: Host) -> None:
    said = []
    for broker in host.all:
        async with broker.browser() as browser:
            landed = await browser.login()
            assert landed.params["iss"] == broker.issuer
            status, body = await browser.token(landed.code)
            assert status == 200, body
            assert (await browser.userinfo(body["access_token"]))[0] == 200
            claims = broker.services.keys.verify_own(body["id_token"], typ="JWT")
            assert claims is not None
            assert claims["iss"] == broker.issuer
            said.append(claims["sub"])
    assert len(set(said)) == 3, "one person is somebody else in each workspace"


async def test_a_browser_holds_the_sessions_of_all_workspaces_side_by_side(host: Host) -> None:
    async with host.own.browser() as browser:
        for broker in host.all:
            browser.broker = broker
            await browser.login()
        names = browser.cookies().keys()
        assert {"session", "t.acme.session", "t.beta.session"} <= names
        for broker in host.all:  # each knows its own, and nobody is asked to sign in again
            browser.broker = broker
            silent = await browser.authorize(prompt="none")
            assert "code" in silent.params


@pytest.mark.row("AZ-41")
async def test_what_one_workspace_gave_is_worth_nothing_at_another(host: Host) -> None:
    async with host.acme.browser() as at_acme, host.beta.browser() as at_beta:
        code = (await at_acme.login()).code
        assert await at_beta.token(code) == (400, invalid_grant())
        given = await tokens_of(at_acme)
        assert (await at_beta.refresh(given["refresh_token"]))[1] == invalid_grant()
        assert (await at_beta.userinfo(given["access_token"]))[0] == 401
        _, told = await at_beta.post("/introspect", {"token": given["access_token"]})
        assert told == {"active": False}
        await at_beta.post("/revoke", {"token": given["refresh_token"]})
        assert (await at_acme.refresh(given["refresh_token"]))[0] == 200, "nobody else can end it"
        assert (await at_acme.userinfo(given["access_token"]))[0] == 200
        hinted = await at_beta.authorize(prompt="none", id_token_hint=given["id_token"])
        assert hinted.params["error"] == "login_required"


@pytest.mark.row("KY-06")
@pytest.mark.row("CB-02")
async def test_a_login_that_began_in_one_workspace_ends_in_no_other(host: Host) -> None:
    async with host.acme.browser() as browser:
        left = await browser.step("GET", browser.authorize_url())
        back = await browser.step("GET", left.url)
        assert back.url.startswith(host.acme.issuer + "/callback/staff")
        elsewhere = back.url.replace(host.acme.issuer, host.beta.issuer)
        refused = await browser.step("GET", elsewhere)
        assert (refused.status, "Location" in refused.headers) == (400, False)
        page = await browser.go(back.url)
        assert 'name="answer"' in page.body, "it is still there for its owner"


@pytest.mark.row("RD-23")
async def test_each_workspace_has_a_part_of_the_store_and_keys_of_its_own(host: Host) -> None:
    kids: list[str] = []
    for broker in host.all:
        kids += [key["kid"] for key in broker.services.keys.jwks()["keys"]]
    assert len(kids) == len(set(kids))
    own, acme, beta = (broker.services.store for broker in host.all)
    assert len({one._prefix for one in (own, acme, beta)}) == 3
    assert len({one.handle_keys for one in (own, acme, beta)}) == 3
    sealed = acme._vault.seal("somewhere", b"of acme")
    with pytest.raises(Exception, match=r"sealed under none"):
        beta._vault.open("somewhere", sealed)


@pytest.mark.standard("RFC 8414", "§3.1 the well-known path of an issuer with a path")
@pytest.mark.standard("OpenID Discovery", "§4 the document of an issuer with a path")
async def test_the_metadata_of_a_workspace_is_at_both_well_known_forms(host: Host) -> None:
    origin = host.own.issuer
    async with aiohttp.ClientSession() as session:
        for name in ("openid-configuration", "oauth-authorization-server"):
            behind = await fetched(session, f"{host.acme.issuer}/.well-known/{name}")
            before = await fetched(session, f"{origin}/.well-known/{name}/t/acme")
            assert behind == before
            assert behind["issuer"] == host.acme.issuer
            assert all(
                value.startswith(host.acme.issuer + "/")
                for key, value in behind.items()
                if key.endswith("_endpoint") or key == "jwks_uri"
            )
            assert (await fetched(session, f"{origin}/.well-known/{name}"))["issuer"] == origin
        jwks = await fetched(session, f"{host.acme.issuer}/jwks")
        assert jwks != await fetched(session, f"{host.beta.issuer}/jwks")


@pytest.mark.standard("RFC 8414", "§3.1 the well-known path of an issuer with a path")
async def test_the_metadata_of_a_host_with_a_path_is_at_both_well_known_forms(
    idp: FakeProvider, store_config: StoreConfig, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack, aiohttp.ClientSession() as session:
        host = await running_host(stack, idp, store_config, tmp_path, path="/sso")
        origin = host.own.issuer.removesuffix("/sso")
        for name in ("openid-configuration", "oauth-authorization-server"):
            well_known = f"{origin}/.well-known/{name}"
            for path in ("", "/sso"):
                assert (await fetched(session, well_known + path))["issuer"] == host.own.issuer
            for path in ("/t/acme", "/sso/t/acme"):
                assert (await fetched(session, well_known + path))["issuer"] == host.acme.issuer


@pytest.mark.row("AZ-41")
@pytest.mark.parametrize(
    "path",
    ["/t/nobody/token", "/t/acme2/authorize", "/t//token", "/t/ACME/token", "/t/acme/t/beta/token", "/t"],
)
async def test_there_is_no_other_workspace_than_those_of_the_configuration(host: Host, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(host.own.issuer + path) as answer:
        assert answer.status == 404


async def test_paths_of_ours_stand_behind_that_of_the_issuer_also_where_a_proxy_takes_it_away(
    idp: FakeProvider, store_config: StoreConfig, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        host = await running_host(stack, idp, store_config, tmp_path, path="/sso")
        origin = host.own.issuer.removesuffix("/sso")
        async with host.own.browser() as browser:
            for path, own in (("", "/sso"), ("/t/acme", "/sso/t/acme")):
                sent_on = await browser.step("GET", f"{origin}{path}/account")
                assert sent_on.url.startswith(f"{own}/authorize?")
                asked = sent_on.url.removeprefix("/sso")
                away = await browser.step("GET", origin + asked)
                assert away.status == 303
                assert quote(f"{origin}{own}/callback/staff", safe="") in away.url


@pytest.mark.standard("OpenID Discovery", "§4 the metadata behind an issuer with a path")
@pytest.mark.standard("RFC 9449", "§4.3 the proof's htu at an issuer with a path")
async def test_an_issuer_with_a_path_answers_at_every_address_that_it_tells(
    idp: FakeProvider, store_config: StoreConfig, tmp_path: Path
) -> None:
    """Also where no proxy takes the path away: without one in front, and at the door for certificates."""
    async with AsyncExitStack() as stack:
        host = await running_host(stack, idp, store_config, tmp_path, path="/sso")
        for broker in host.all:
            async with broker.browser() as browser:
                url = f"{broker.issuer}/.well-known/openid-configuration"
                said = await fetched(browser.session, url)
                assert said["issuer"] == broker.issuer
                for name in [name for name in said if name.endswith(("_endpoint", "jwks_uri"))]:
                    assert (await browser.step("GET", said[name])).status != 404, name
                landed = await browser.login()
                assert landed.params["iss"] == broker.issuer
                proof = Prover(broker).proof("/token")
                status, body, _ = await send(broker, "/token", code_form(landed.code), proof=proof)
                assert (status, body["token_type"]) == (200, "DPoP"), body
                for nothing in ("/nothing", "/metrics", "/%6Detrics", "/sso/token"):
                    assert (await browser.step("GET", broker.issuer + nothing)).status == 404
                account = await browser.go(f"{broker.issuer}/account")
                assert "Billing" in account.body


@pytest.mark.row("UI-18")
async def test_the_pages_of_a_workspace_lead_only_into_itself(host: Host) -> None:
    async with host.acme.browser() as browser:
        page = await browser.authorize()
        assert 'name="answer"' in page.body
        for address in (page.link("/not-you"), page.link("/static/") if "/static/" in page.body else ""):
            assert not address or address.startswith(host.acme.issuer + "/")
        assert 'action="/t/acme/consent"' in page.body
        async with browser.session.get(page.link("/static/")) as style:
            assert style.status == 200
        landed = await browser.answer_consent(page)
        assert landed.url.startswith(CALLBACK)
        account = await browser.go(host.acme.issuer + "/account")
        assert account.status == 200
        assert "Billing" in account.body
        browser.broker = host.beta
        at_beta = await browser.go(host.beta.issuer + "/account")
        assert "Billing" not in at_beta.body, "nothing was allowed there"


@pytest.mark.row("UI-18")
@pytest.mark.row("AZ-27")
async def test_no_app_of_one_workspace_is_served_by_a_connector_of_another(
    idp: FakeProvider, store_config: StoreConfig, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        host = await running_host(stack, idp, store_config, tmp_path, names=("partners", "shop"))
        async with host.acme.browser() as browser:
            landed = await browser.authorize(connector="partners")
            assert landed.params["error"] == "access_denied"
            foreign = (
                "/callback/partners?state=x&code=y",
                "/login/partners?flow=x",
                "/connectors/partners/jwks",
            )
            for path in foreign:
                page = await browser.step("GET", host.acme.issuer + path)
                assert (page.status, "Location" in page.headers) == (404, False), path
            stranger = await browser.step("GET", browser.authorize_url(client_id="shop"))
            assert (stranger.status, "Location" in stranger.headers) == (400, False)
            status, told = await browser.post("/token", {"grant_type": "authorization_code"}, client="shop")
            assert (status, told["error"]) == (401, "invalid_client")
        assert idp.seen("authorize") == []
        async with host.beta.browser() as browser:  # where they are at home
            assert "code" in (await browser.login(client_id="shop")).params


@pytest.mark.row("AZ-40")
@pytest.mark.row("AZ-41")
async def test_what_is_kept_for_an_app_or_a_browser_of_one_workspace_is_nothing_in_another(
    host: Host,
) -> None:
    async with host.acme.browser() as browser:
        _, told = await browser.post("/par", asked())
        asking = f"/authorize?client_id=billing&request_uri={quote(told['request_uri'])}"
        page = await browser.step("GET", host.beta.issuer + asking)
        assert (page.status, "Location" in page.headers) == (400, False)
        away = await browser.step("GET", host.acme.issuer + asking)
        assert away.url.startswith(host.acme.idp.issuer)
        await browser.login()
        cookie = browser.cookies()["t.acme.session"]
    for name, issuer, known in (
        ("t.acme.session", host.acme.issuer, True),
        ("t.beta.session", host.beta.issuer, False),
        ("session", host.own.issuer, False),
    ):
        async with host.own.browser() as thief:
            query = thief.authorize_url(prompt="none").partition("?")[2]
            landed = await thief.step(
                "GET", f"{issuer}/authorize?{query}", headers={"Cookie": f"{name}={cookie}"}
            )
            assert ("code=" in landed.url, "error=login_required" in landed.url) == (known, not known)


async def test_a_client_app_is_told_errors_at_the_token_endpoint_of_its_workspace(host: Host) -> None:
    async with host.acme.browser() as browser:
        status, body = await browser.post("/token", {"grant_type": "authorization_code"})
        assert (status, body["error"]) == (400, "invalid_request")
        url = f"{host.acme.issuer}/userinfo"
        async with browser.session.get(url, headers={"Authorization": "Bearer x"}) as answer:
            assert answer.status == 401
            assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        async with browser.session.options(
            f"{host.acme.issuer}/token", headers={"Origin": "https://spa.example"}
        ) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "https://spa.example"
    assert SECRET


def invalid_grant() -> dict[str, str]:
    return {"error": "invalid_grant", "error_description": "The grant is not valid."}


async def fetched(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as answer:
        assert answer.status == 200, url
        found: dict[str, Any] = await answer.json()
        return found


async def test_a_workspace_has_pages_a_language_and_an_account_page_of_its_own(host: Host) -> None:
    path = urlsplit(host.acme.issuer).path
    async with host.acme.browser() as browser:
        page = await browser.authorize()
        page = await browser.go(page.link(f"{path}/language?to=de&"))
        assert '<html lang="de"' in page.body
        assert "code" in (await browser.answer_consent(page)).params
        page = await browser.go(f"{host.acme.issuer}/account")
        assert "Wo Sie angemeldet sind" in page.body
        receipt = json.loads((await browser.step("GET", page.link(f"{path}/account/receipt?"))).body)
        assert receipt["controller"] == {"issuer": host.acme.issuer}
        # Another workspace of the same host knows neither the language nor the person.
        assert '<html lang="en"' in (await browser.go(f"{host.beta.issuer}/signed-out")).body
        assert (await browser.step("GET", f"{host.beta.issuer}/account/receipts")).status == 403
        elsewhere = (
            f"{host.acme.issuer}/language?to=fr&back={quote(urlsplit(host.beta.issuer).path)}%2Faccount"
        )
        assert (await browser.step("GET", elsewhere)).status == 400
