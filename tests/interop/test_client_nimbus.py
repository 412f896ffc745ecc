"""The Nimbus SDK, the strictest reader of them all: our documents, and whole logins at both upstreams."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.interop import between, broker, jvm, nimbus
from tests.interop.between import Person
from tests.interop.browser import Arrival

SCOPE = "openid profile email staff offline_access"
AUDIENCE = "https://invoices.example"

CLIENTS: dict[str, dict[str, Any]] = {
    "billing": {**broker.TRUSTED_APP, "audience": AUDIENCE},
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
}
"""What each app is told beside its id and secret."""

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("keycloak"),
    pytest.mark.skipif(between.missing() is not None, reason=str(between.missing())),
    pytest.mark.skipif(jvm.missing() is not None, reason=str(jvm.missing())),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def here(acme, tmp_path_factory):
    """A broker that knows these apps."""
    async with between.serving(tmp_path_factory.mktemp("nimbus"), acme, CLIENTS) as serving:
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
        "secret": CLIENTS[client_id].get("client_secret"),
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
    read = await sdk.do("metadata", issuer=here.issuer)
    async with aiohttp.ClientSession() as http:
        for name, kept in (
            ("openid-configuration", read["openid"]),
            ("oauth-authorization-server", read["oauth"]),
        ):
            async with http.get(f"{here.issuer}/.well-known/{name}") as answer:
                told = await answer.json()
            # What it would write again is what we wrote: nothing was dropped, and nothing put right.
            # It leaves out a boolean that says what its absence would say.
            assert {member: kept.get(member, False) for member in told} == told
        async with http.get(told["jwks_uri"]) as answer:
            published = (await answer.json())["keys"]
    assert {key["kid"] for key in read["keys"]} == {key["kid"] for key in published}


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
