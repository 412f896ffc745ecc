"""What a real Keycloak encrypts, signs and accepts: every way in which the broker may be registered there."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jwcrypto.jwk import JWK

from broker.jose import SigningKey
from broker.kit.stage import Login, configured
from broker.protocol.errors import AccessDenied, OAuthError
from broker.upstreams import Upstream, Upstreams
from tests.interop import keycloak
from tests.interop.browser import Arrival, Browser, Page

REAL = f"Keycloak {keycloak.VERSION}"
SIGNS = SigningKey.generate("ES256")
OPENS = {"RSA": JWK.generate(kty="RSA", size=2048), "EC": JWK.generate(kty="EC", crv="P-256")}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("keycloak"),
    pytest.mark.skipif(keycloak.missing() is not None, reason=str(keycloak.missing())),
]


@contextlib.asynccontextmanager
async def at(acme: keycloak.Keycloak, client_id: str, **more: Any) -> AsyncIterator[Upstream]:
    """The connector as this client."""
    entry = {
        "type": "keycloak",
        "base_url": acme.base_url,
        "realm": acme.realm,
        "client_id": client_id,
        "client_secret": "a-secret-of-32-characters-at-least",
        **more,
    }
    known = {key: value for key, value in entry.items() if value is not None}
    upstreams = Upstreams.open(configured({"up": known}), time.time)
    try:
        yield upstreams["up"]
    finally:
        await upstreams.close()


async def sign_in(acme: keycloak.Keycloak, upstream: Upstream, person: str = "alice") -> Any:
    """A whole login of this person."""
    login = Login(upstream, None, time.time)  # type: ignore[arg-type]  # the provider is a real one
    redirect_uri = "http://127.0.0.1:8999/callback/up"
    async with Browser(apps=[redirect_uri], sites=[acme.base_url]) as browser:
        page = await browser.page(await login.begin())
        assert isinstance(page, Page)
        arrived = await browser.submit(page, {"username": person, "password": f"{person}-pw"})
        assert isinstance(arrived, Arrival), arrived
        return await login.finish(arrived.answer)


def published(*keys: dict[str, Any]) -> dict[str, str]:
    """Attributes that register these keys as the client's."""
    return {"use__jwks__string": "true", "jwks__string": json.dumps({"keys": keys})}


@pytest.mark.proves("keycloak", "encrypted ID Tokens", against=REAL)
@pytest.mark.parametrize(
    ("kty", "alg", "enc"),
    [
        ("RSA", "RSA-OAEP", "A256GCM"),
        ("RSA", "RSA-OAEP-256", "A128CBC-HS256"),
        ("EC", "ECDH-ES", "A128GCM"),
        ("EC", "ECDH-ES+A256KW", "A256CBC-HS512"),
    ],
)
async def test_what_keycloak_encrypts_is_opened(acme, admin, kty, alg, enc):
    more = {
        "decryption_key": OPENS[kty].export(private_key=True),
        "id_token_encrypted_response_alg": alg,
        "id_token_encrypted_response_enc": enc,
    }
    async with at(acme, f"encrypted-{alg}", **more) as upstream:
        keys = upstream.public_jwks()["keys"]
        await admin.register(
            f"encrypted-{alg}",
            **published(*keys),
            id__token__encrypted__response__alg=alg,
            id__token__encrypted__response__enc=enc,
        )
        assert (await sign_in(acme, upstream)).id_token["preferred_username"] == "alice"


@pytest.mark.proves("keycloak", "userinfo as a signed JWT", against=REAL)
@pytest.mark.parametrize("asked", ["RS256", None])
async def test_what_keycloak_signs_at_userinfo_is_read(acme, admin, asked):
    client = f"signed-{asked}"
    await admin.register(client, user__info__response__signature__alg="RS256")
    async with at(acme, client, get_user_info=True, userinfo_signed_response_alg=asked) as upstream:
        assert (await sign_in(acme, upstream)).userinfo["email"] == "alice@acme.example"


@pytest.mark.proves("keycloak", "userinfo that is signed and encrypted", against=REAL)
async def test_what_keycloak_signs_and_encrypts_at_userinfo_is_read(acme, admin):
    more = {
        "get_user_info": True,
        "decryption_key": OPENS["RSA"].export(private_key=True),
        "userinfo_encrypted_response_alg": "RSA-OAEP-256",
        "userinfo_signed_response_alg": "RS256",
    }
    async with at(acme, "sealed", **more) as upstream:
        await admin.register(
            "sealed",
            **published(*upstream.public_jwks()["keys"]),
            user__info__response__signature__alg="RS256",
            user__info__encrypted__response__alg="RSA-OAEP-256",
            user__info__encrypted__response__enc="A256GCM",
        )
        assert (await sign_in(acme, upstream)).userinfo["email"] == "alice@acme.example"


@pytest.mark.proves("keycloak", "private_key_jwt and client_secret_jwt", against=REAL)
@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_jwt", "client_secret_post"])
async def test_keycloak_accepts_how_we_prove_who_we_are(acme, admin, method):
    theirs = {"private_key_jwt": "client-jwt", "client_secret_jwt": "client-secret-jwt"}
    keyed = method == "private_key_jwt"
    await admin.register(
        method,
        method=theirs.get(method, "client-secret"),
        **(published(SIGNS.public_jwk()) if keyed else {}),
    )
    ours = {"client_secret": None, "private_key": SIGNS.to_json()} if keyed else {}
    async with at(acme, method, token_endpoint_auth_method=method, **ours) as upstream:
        found = {finding.what: finding.good for finding in await upstream.probe()}
        assert found["our credentials"] is True
        assert False not in found.values()
        assert (await sign_in(acme, upstream)).issuer == acme.issuer


@pytest.mark.proves("keycloak", "the probe finds a wrong secret", against=REAL)
async def test_a_wrong_secret_is_found_without_anybody_signing_in(acme):
    async with at(acme, acme.client_id, client_secret="another") as upstream:
        found = {finding.what: finding for finding in await upstream.probe()}
    assert found["our credentials"].good is False


@pytest.mark.proves("keycloak", "asked again: who somebody is now, and that they were disabled", against=REAL)
async def test_keycloak_is_asked_again_and_says_when_somebody_was_disabled(acme, admin):
    await admin.register("offline")
    more = {"scope": "openid profile email offline_access", "roles_from_access_token": True}
    async with at(acme, "offline", **more) as upstream:
        identity = await sign_in(acme, upstream, "bob")
        again = await upstream.refresh(identity.keep)
        assert (again.issuer, again.subject) == (identity.issuer, identity.subject)
        assert "auditor" in again.api["realm_access"]["roles"]
        await admin.enable("bob", enabled=False)
        try:
            with pytest.raises(OAuthError) as caught:
                await upstream.refresh(again.keep)
        finally:
            await admin.enable("bob", enabled=True)
    assert isinstance(caught.value, AccessDenied)
