"""Two things at once that are each tested alone: apps that come by themselves, devices, and workspaces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from broker.config import StoreConfig
from broker.jose import sign
from broker.protocol.client import DEVICE_CODE
from tests.fakes.provider import FakeProvider
from tests.flow import devices, signing
from tests.flow.broker import CALLBACK, Browser, claims
from tests.flow.conftest import Start
from tests.flow.devices import TV, Device, to_confirm
from tests.flow.documents import Host as Site
from tests.flow.documents import hosting
from tests.flow.registering import OPEN, Told, call, redeem, register, sign_in
from tests.flow.test_workspaces import Host, running_host

DESCRIBED = "https://app.example/callback"
SIGNER = {
    "client_name": "Signer",
    "client_secret": None,
    "token_endpoint_auth_method": "private_key_jwt",
    "grant_types": ["client_credentials", "authorization_code"],
}


@pytest.fixture
async def host(idp: FakeProvider, store_config: StoreConfig, tmp_path: Path) -> AsyncIterator[Host]:
    """Three issuers with the same apps, one of them for devices, and one with the same keys."""
    apps = {"tv": TV, "signer": SIGNER | {"jwks": signing.written_jwks(tmp_path)}}
    async with AsyncExitStack() as stack:
        yield await running_host(stack, idp, store_config, tmp_path, clients=apps, top=OPEN)


@pytest.fixture
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with hosting(tmp_path_factory.mktemp("site")) as running:
        yield running


# ── workspaces whose apps have the same names ─────────────────────────────────────────────────────


@pytest.mark.row("DV-05")
@pytest.mark.row("AZ-41")
async def test_a_device_of_one_workspace_is_nothing_in_another(host: Host) -> None:
    async with (
        aiohttp.ClientSession() as session,
        host.beta.browser() as at_beta,
        host.acme.browser() as at_acme,
    ):
        tv = Device(host.acme, session, "tv")
        assert await tv.ask() == 200
        assert tv.asked["verification_uri"] == f"{host.acme.issuer}/device"
        page = await devices.type_code(at_beta, tv.user_code)
        assert page.status == 422, "its code is unknown there"
        onward = await devices.type_code(at_acme, tv.user_code)
        confirm = await at_acme.go(onward.link("/continue"))
        done = await devices.answer(at_acme, confirm)
        assert done.status == 200
        for broker in (host.beta, host.own):
            elsewhere = Device(broker, session, "tv", tv.asked)
            assert (await elsewhere.poll())[1]["error"] == "invalid_grant"
        status, given = await tv.poll()
        assert status == 200, given
        assert claims(given["access_token"])["iss"] == host.acme.issuer


@pytest.mark.row("AZ-41")
@pytest.mark.row("CA-11")
async def test_what_an_app_signs_or_pushes_for_one_workspace_counts_in_no_other(host: Host) -> None:
    async with host.acme.browser() as at_acme, host.beta.browser() as at_beta:
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form = {"grant_type": "client_credentials", "client_assertion_type": kind}
        for browser, status in ((at_beta, 401), (at_acme, 200)):
            now = int(host.acme.clock())
            said = {"iss": "signer", "sub": "signer", "aud": host.acme.issuer, "iat": now, "exp": now + 60}
            made = sign(signing.key(), said | {"jti": f"{status}"}, typ="JWT")
            told = await browser.post("/token", form | {"client_assertion": made}, client=None)
            assert told[0] == status, told
        asked = {**signing.asked(), "redirect_uri": CALLBACK}
        _, pushed = await at_acme.post("/par", asked)
        uri = pushed["request_uri"]
        page = await at_beta.step("GET", f"{host.beta.issuer}/authorize?client_id=billing&request_uri={uri}")
        assert page.status == 400
        page = await at_acme.go(f"{host.acme.issuer}/authorize?client_id=billing&request_uri={uri}")
        assert 'name="answer"' in page.body


@pytest.mark.row("LO-01")
async def test_an_id_token_of_one_workspace_signs_nobody_out_of_another(host: Host) -> None:
    async with host.acme.browser() as browser:
        landed = await browser.login()
        _, given = await browser.token(landed.code)
        browser.broker = host.beta
        await browser.login()
        hint = given["id_token"]
        page = await browser.step("GET", f"{host.beta.issuer}/logout?id_token_hint={hint}")
        assert "/t/beta/logout/confirm?" in page.url, "it asks, as without a hint"
        assert "code" in (await browser.authorize(prompt="none")).params


# ── an app that changes what it registered while something of it is out ───────────────────────────


async def changed(told: Told, **members: Any) -> Told:
    """Change these members of what was registered (RFC 7592 §2.2: the others are said again)."""
    same = {name: value for name, value in told.body.items() if not name.startswith("registration_")}
    return await call("PUT", told.uri, token=told.token, body=same | members)


@pytest.mark.row("RG-09")
async def test_a_code_that_is_out_is_redeemed_as_the_app_proves_itself_now(start: Start) -> None:
    broker = await start(top=OPEN)
    told = await register(broker, token_endpoint_auth_method="client_secret_basic")
    secret = told.body["client_secret"]
    async with broker.browser() as browser:
        landed = await sign_in(browser, told)
        changed = told.body | {"token_endpoint_auth_method": "client_secret_post"}
        del (
            changed["client_secret"],
            changed["registration_access_token"],
            changed["client_secret_expires_at"],
        )
        after = await call("PUT", told.uri, token=told.token, body=changed)
        assert after.status == 200
        by_basic = aiohttp.encode_basic_auth(told.body["client_id"], secret)
        form = {"grant_type": "authorization_code", "code": landed.code, "code_verifier": "v" * 50}
        form["redirect_uri"] = told.body["redirect_uris"][0]
        async with browser.session.post(
            f"{broker.issuer}/token", data=form, headers={"Authorization": by_basic}
        ) as answer:
            assert answer.status == 401, "the method of before is none of its methods"
        assert (await redeem(browser, told, landed.code))[0] == 401
        assert (await redeem(browser, told, landed.code, client_secret=secret))[0] == 200


@pytest.mark.row("RG-09")
@pytest.mark.standard("OpenID Core", "§12.2 a refreshed ID Token says the same sub")
async def test_an_app_that_wants_other_subjects_begins_anew(start: Start) -> None:
    broker = await start(top=OPEN)
    told = await register(broker)
    async with broker.browser() as browser:
        landed = await sign_in(browser, told, scope="openid profile offline_access")
        status, given = await redeem(browser, told, landed.code)
        assert status == 200
        after = await changed(told, subject_type="pairwise")
        assert (after.status, after.body["subject_type"]) == (200, "pairwise")
        form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
        form["client_id"] = told.body["client_id"]
        status, again = await browser.post("/token", form, client=None)
        assert (status, again["error"]) == (400, "invalid_grant")
        assert (await browser.userinfo(given["access_token"]))[0] == 401


@pytest.mark.row("RG-09")
async def test_an_app_that_gives_up_a_grant_type_has_no_use_of_what_is_out(start: Start) -> None:
    both = ["authorization_code", "refresh_token", DEVICE_CODE]
    registration = OPEN["registration"] | {"grant_types": both}
    broker = await start(top={"registration": registration})
    told = await register(broker, grant_types=both)
    async with aiohttp.ClientSession() as session, broker.browser() as browser:
        landed = await sign_in(browser, told, scope="openid offline_access")
        _, given = await redeem(browser, told, landed.code)
        tv = Device(broker, session, told.body["client_id"])
        assert await tv.ask("openid") == 200
        confirm = await to_confirm(browser, tv.user_code)
        assert (await changed(told, grant_types=["authorization_code"])).status == 200
        page = await devices.answer(browser, confirm)
        assert page.status == 400, "nobody is asked for a device any more"
        assert (await tv.later())[1]["error"] == "unauthorized_client"
        form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
        form["client_id"] = told.body["client_id"]
        assert (await browser.post("/token", form, client=None))[1]["error"] == "unauthorized_client"


# ── a document that changes between the request and the token ─────────────────────────────────────


async def _code(browser: Browser, url: str) -> str:
    page = await browser.authorize(client_id=url, redirect_uri=DESCRIBED, scope="openid")
    return (await browser.answer_consent(page)).code


@pytest.mark.row("RG-09")
@pytest.mark.standard("CIMD", "§6.3 changes of the metadata")
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"redirect_uris": ["https://attacker.example/cb"]}, 400),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": signing.jwks()}, 401),
        ({"client_name": "Renamed"}, 200),
    ],
)
async def test_a_code_is_worth_what_the_document_says_when_it_is_redeemed(
    start: Start, site: Site, change: dict[str, Any], status: int
) -> None:
    broker = await start(top={"client_id_metadata_documents": {"enabled": True, "ca": str(site.ca)}})
    url = site.document()
    site.cache_control = "max-age=300"
    async with broker.browser() as browser:
        code = await _code(browser, url)
        site.document(**change)
        broker.clock.forward(40)  # of what it has read itself, the worker
        await broker.services.store.drop_client_document(url)
        told = await browser.token(code, client=None, client_id=url, redirect_uri=DESCRIBED)
        assert told[0] == status, told


@pytest.mark.standard("CIMD", "§6.3 changes of the metadata")
@pytest.mark.standard("OpenID Core", "§12.2 a refreshed ID Token says the same sub")
async def test_a_document_that_wants_other_subjects_begins_anew(start: Start, site: Site) -> None:
    broker = await start(top={"client_id_metadata_documents": {"enabled": True, "ca": str(site.ca)}})
    url = site.document()
    site.cache_control = "max-age=300"
    async with broker.browser() as browser:
        landed = await browser.authorize(client_id=url, redirect_uri=DESCRIBED, scope="openid offline_access")
        code = (await browser.answer_consent(landed)).code
        _, given = await browser.token(code, client=None, client_id=url, redirect_uri=DESCRIBED)
        for change, status in (({"client_name": "Renamed"}, 200), ({"subject_type": "pairwise"}, 400)):
            site.document(**change, redirect_uris=[DESCRIBED])
            broker.clock.forward(400)
            form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": url}
            told = await browser.post("/token", form, client=None)
            assert told[0] == status, told
            given |= told[1]
