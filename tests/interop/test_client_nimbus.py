"""The Nimbus SDK, the strictest reader of them all: our documents, and whole logins at both upstreams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from tests.interop import between, broker, jvm, nimbus
from tests.interop.between import Person
from tests.interop.browser import Arrival
from tests.interop.processes import free_port
from tests.patience import PATIENCE

SCOPE = "openid profile email staff offline_access"
AUDIENCE = "https://invoices.example"

CLIENTS: dict[str, dict[str, Any]] = {
    "billing": {**broker.TRUSTED_APP, "audience": AUDIENCE, "post_logout_redirect_uris": [broker.APP]},
    "posting": {**broker.TRUSTED_APP, "token_endpoint_auth_method": "client_secret_post"},
    "curves": {**broker.TRUSTED_APP, "id_token_signed_response_alg": "ES256", "id_token_claims": True},
    "desktop": {
        "client_name": "Desktop",
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "redirect_uris": [broker.APP],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": SCOPE,
    },
}
EXPECTS: dict[str, dict[str, str]] = {
    "billing": {"access_token_signing_alg": "RS256"},
    "posting": {"method": "client_secret_post"},
    "curves": {"id_token_signed_response_alg": "ES256"},
    "desktop": {"method": "none"},
    "told": {"secret": broker.APP_SECRET},
}
"""What each app is told beside its id and secret."""

WORKSPACES = {
    "partners": {
        "connectors": {
            "staff": {
                "type": "oidc",
                "name": "Staff",
                "issuer": "https://idp.example",
                "client_id": "broker",
                "client_secret": "nobody-asks-for-it",
            }
        },
        "clients": {"billing": {**broker.TRUSTED_APP, "scope": "openid"}},
    }
}
"""Nobody signs in there."""

pytestmark = [
    *between.MARKS,
    pytest.mark.skipif(jvm.missing() is not None, reason=str(jvm.missing())),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def back_channel() -> AsyncIterator[tuple[str, asyncio.Queue[str]]]:
    """Where one app is told that a session is over, and the tokens that came."""
    tokens: asyncio.Queue[str] = asyncio.Queue()

    async def told(request: web.Request) -> web.Response:
        form = await request.post()
        await tokens.put(str(form["logout_token"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/over", told)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}/over", tokens
    await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def here(acme, tmp_path_factory, back_channel):
    """A broker that knows these apps."""
    uri, _ = back_channel
    told = {
        **broker.TRUSTED_APP,
        "backchannel_logout_uri": uri,
        "backchannel_logout_session_required": True,
    }
    folder, clients = tmp_path_factory.mktemp("nimbus"), {**CLIENTS, "told": told}
    async with between.serving(folder, acme, clients, workspaces=WORKSPACES) as serving:
        yield serving


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sdk():
    """The driver, with no app yet."""
    async with nimbus.driver() as speaking:
        yield speaking


async def an_app(here: between.Between, sdk: nimbus.Nimbus, client_id: str) -> nimbus.NimbusApp:
    known = {
        "issuer": here.issuer,
        "client_id": client_id,
        "secret": CLIENTS.get(client_id, {}).get("client_secret"),
        "method": "client_secret_basic",
        "redirect_uri": broker.APP,
    }
    return await sdk.app(client_id, **known | EXPECTS[client_id])


async def arrive(here: between.Between, begun: dict[str, str], person: Person) -> Arrival:
    """What reaches the app after she has signed in."""
    async with here.browser(broker.APP) as browser:
        arrived = await between.sign_in(here, browser, await browser.open(begun["url"]), person)
    assert isinstance(arrived, Arrival)
    return arrived


async def log_in(here: between.Between, app: nimbus.NimbusApp, person: Person, **asked: Any) -> Any:
    """The tokens, after the SDK has looked at them."""
    begun = await app.do("begin", **{"scope": SCOPE, **asked})
    arrived = await arrive(here, begun, person)
    return await app.do("finish", url=arrived.url, form=arrived.form)


# ── What we say of ourselves ──────────────────────────────────────────────────────────────────


@pytest.mark.standard("OpenID Discovery", "§3 every member as the strictest parser wants it, and kept by it")
@pytest.mark.standard("RFC 8414", "§2 every member as the strictest parser wants it, and kept by it")
@pytest.mark.standard("RFC 7517", "§5 a JWK set in which every key is understood")
async def test_the_sdk_reads_every_member_of_our_documents(here, sdk):
    assert await sdk.misread(here.issuer) == {}


@pytest.mark.standard("OpenID Discovery", "§4.1 the document of an issuer with a path")
@pytest.mark.standard("RFC 8414", "§3.1 the document of an issuer with a path")
async def test_the_sdk_reads_the_documents_of_a_workspace(here, sdk):
    assert await sdk.misread(f"{here.issuer}/t/partners") == {}


# ── Logins ────────────────────────────────────────────────────────────────────────────────────


@between.AT_BOTH
@pytest.mark.standard(
    "OpenID Core", "§3.1.3.7 an ID Token that the Nimbus SDK accepts, with nonce and at_hash"
)
@pytest.mark.standard("RFC 7636", "§4 a code asked for with a challenge and redeemed with its verifier")
@pytest.mark.standard("RFC 9207", "§2 the answer names its issuer")
@pytest.mark.standard("RFC 9068", "§4 an access token that an API with the Nimbus SDK accepts")
@pytest.mark.standard("RFC 7662", "§2.2 what the Nimbus SDK reads of a token, active and revoked")
@pytest.mark.standard("RFC 7009", "§2.1 a refresh token is revoked, and its access token with it")
async def test_a_login_by_basic_with_refresh_introspection_and_revocation(here, sdk, person: Person):
    app = await an_app(here, sdk, "billing")
    first = await log_in(here, app, person)
    sub = first["claims"]["sub"]
    assert (first["claims"]["iss"], first["claims"]["aud"]) == (here.issuer, "billing")
    assert (first["access_claims"]["sub"], first["access_claims"]["aud"]) == (sub, AUDIENCE)
    assert first["access_claims"]["client_id"] == "billing"

    userinfo = await app.do("userinfo", access_token=first["access_token"])
    assert (userinfo["sub"], userinfo["name"], userinfo["email"]) == (sub, person.name, person.email)
    assert sorted(userinfo["groups"]) == sorted(person.groups)

    second = await app.do("refresh", refresh_token=first["refresh_token"])
    assert second["claims"]["sub"] == sub
    told = await app.do("introspect", access_token=second["access_token"])
    assert (told["active"], told["sub"], told["client_id"]) == (True, sub, "billing")

    await app.do("revoke", refresh_token=second["refresh_token"])
    assert await app.do("introspect", access_token=second["access_token"]) == {"active": False}
    with pytest.raises(nimbus.Refused) as refused:
        await app.do("refresh", refresh_token=second["refresh_token"])
    assert (refused.value.error, refused.value.status) == ("invalid_grant", 400)


@pytest.mark.parametrize("client_id", ["posting", "desktop", "curves"])
@pytest.mark.standard(
    "OpenID Core", "§9 client_secret_post, none, and an ID Token by ES256, as the Nimbus SDK does them"
)
async def test_a_login_of_another_kind_of_app(here, sdk, client_id):
    app = await an_app(here, sdk, client_id)
    tokens = await log_in(here, app, between.ADA)
    userinfo = await app.do("userinfo", access_token=tokens["access_token"])
    assert userinfo["email"] == between.ADA.email
    assert tokens["claims"]["aud"] == client_id
    assert ("email" in tokens["claims"]) is (client_id == "curves")
    refreshed = await app.do("refresh", refresh_token=tokens["refresh_token"])
    assert refreshed["claims"]["sub"] == tokens["claims"]["sub"]
    await app.do("revoke", refresh_token=refreshed["refresh_token"])
    with pytest.raises(nimbus.Refused) as refused:
        await app.do("userinfo", access_token=refreshed["access_token"])
    assert (refused.value.error, refused.value.status) == ("invalid_token", 401)


@pytest.mark.standard("OAuth 2.0 Form Post Response Mode", "§2 an answer by form, as the Nimbus SDK reads it")
async def test_an_answer_by_form(here, sdk):
    app = await an_app(here, sdk, "billing")
    begun = await app.do("begin", scope="openid", response_mode="form_post")
    arrived = await arrive(here, begun, between.ADA)
    assert arrived.form is not None
    tokens = await app.do("finish", url=arrived.url, form=arrived.form)
    assert tokens["claims"]["aud"] == "billing"


@pytest.mark.standard("OpenID Core", "§3.1.2.6 prompt=none without a session is told to the app")
async def test_what_cannot_be_done_silently_is_told_to_the_app(here, sdk):
    app = await an_app(here, sdk, "billing")
    begun = await app.do("begin", scope="openid", prompt="none")
    async with here.browser(broker.APP) as browser:
        arrived = await browser.open(begun["url"])
    assert isinstance(arrived, Arrival)
    with pytest.raises(nimbus.Refused) as refused:
        await app.do("finish", url=arrived.url)
    assert refused.value.error == "login_required"


# ── The way out ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.standard(
    "OpenID RP-Initiated Logout", "§2 the Nimbus SDK's request, and §3 its state alone in the answer"
)
@pytest.mark.standard("OpenID Back-Channel Logout", "§2.6 a logout token that the Nimbus SDK accepts")
async def test_a_person_signs_out_and_the_other_app_is_told(here, sdk, back_channel):
    app, other = await an_app(here, sdk, "billing"), await an_app(here, sdk, "told")
    tokens = {}
    async with here.browser(broker.APP) as browser:
        for each in (app, other):
            begun = await each.do("begin", scope="openid")
            arrived = await between.sign_in(here, browser, await browser.open(begun["url"]), between.ADA)
            assert isinstance(arrived, Arrival)
            tokens[each.name] = await each.do("finish", url=arrived.url)
        hint = tokens["billing"]["id_token"]
        away = await app.do("logout", id_token=hint, post_logout_redirect_uri=broker.APP)
        back = await browser.open(away["url"])
    assert isinstance(back, Arrival)
    assert back.answer == {"state": away["state"]}
    async with asyncio.timeout(PATIENCE):
        claims = await other.do("logout_token", token=await back_channel[1].get())
    known = tokens["told"]["claims"]
    assert (claims["sub"], claims["sid"]) == (known["sub"], known["sid"])
