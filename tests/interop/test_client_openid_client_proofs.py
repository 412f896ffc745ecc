"""openid-client with all it has for proof at both upstreams: FAPI 2.0, and encrypted answers."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey

from tests.interop import between, broker, node
from tests.interop.between import Person
from tests.interop.browser import Arrival

SIGNS = ECKey.generate_key("P-256", parameters={"use": "sig", "alg": "ES256"}, auto_kid=True)
OPENS = ECKey.generate_key("P-256", parameters={"use": "enc", "alg": "ECDH-ES"}, auto_kid=True)
SCOPE = "openid profile email staff offline_access"
BANK = "https://bank.example/app"
COMMON: dict[str, Any] = {
    **{name: value for name, value in broker.TRUSTED_APP.items() if name != "client_secret"},
    "token_endpoint_auth_method": "private_key_jwt",
    "id_token_signed_response_alg": "ES256",
    "access_token_signing_alg": "ES256",
    "jwks": {"keys": [SIGNS.as_dict(private=False), OPENS.as_dict(private=False)]},
}
CLIENTS: dict[str, dict[str, Any]] = {
    "bank": {
        **COMMON,
        "profile": "fapi2_message_signing",
        "redirect_uris": [BANK],
        "post_logout_redirect_uris": [],
        "authorization_signed_response_alg": "ES256",
        "dpop_bound_access_tokens": True,
    },
    "sealed": {
        **COMMON,
        "id_token_encrypted_response_alg": "ECDH-ES",
        "id_token_encrypted_response_enc": "A256GCM",
        "userinfo_signed_response_alg": "ES256",
    },
}
METADATA = {
    "bank": {"id_token_signed_response_alg": "ES256", "authorization_signed_response_alg": "ES256"},
    "sealed": {"id_token_signed_response_alg": "ES256", "userinfo_signed_response_alg": "ES256"},
}

pytestmark = between.MARKS


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(acme, tmp_path_factory):
    """The broker, and each of its apps."""
    folder = tmp_path_factory.mktemp("proofs")
    async with between.serving(folder, acme, CLIENTS) as here, contextlib.AsyncExitStack() as stack:
        apps = {}
        for name, client in CLIENTS.items():
            app = node.client_app(
                here.issuer,
                client_id=name,
                secret=None,
                method=client["token_endpoint_auth_method"],
                redirect_uri=client["redirect_uris"][0],
                metadata=METADATA[name],
                keys={"sign": SIGNS.as_dict(private=True), "decrypt": OPENS.as_dict(private=True)},
                bound=name == "bank",
                signed_answers=name == "bank",
            )
            apps[name] = await stack.enter_async_context(app)
        yield here, apps


async def log_in(house: Any, name: str, person: Person, **asked: Any) -> dict[str, Any]:
    """The tokens of a login, as openid-client has checked them."""
    here, apps = house
    begun = await apps[name].do("begin", scope=SCOPE, **asked)
    async with here.browser(BANK, broker.APP) as browser:
        arrived = await between.sign_in(here, browser, await browser.open(begun["url"]), person)
    assert isinstance(arrived, Arrival)
    assert name != "bank" or set(arrived.answer) == {"response"}
    tokens: dict[str, Any] = await apps[name].do("finish", url=arrived.url)
    return tokens


@between.AT_BOTH
@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3 PAR, PKCE, iss, DPoP and a key, by openid-client")
@pytest.mark.standard(
    "FAPI 2.0 Message Signing", "§5.3, §5.4 signed requests and signed answers, by openid-client"
)
@pytest.mark.standard("RFC 9449", "§5, §7 tokens bound to a key, refreshed and used by openid-client")
async def test_openid_client_speaks_fapi_with_signed_messages(house, person: Person):
    _, apps = house
    tokens = await log_in(house, "bank", person, sign=True, push=True)
    assert tokens["token_type"].lower() == "dpop"
    sub = tokens["claims"]["sub"]
    fresh = await apps["bank"].do("refresh", refresh_token=tokens["refresh_token"])
    assert fresh.get("refresh_token", tokens["refresh_token"]) == tokens["refresh_token"]
    userinfo = await apps["bank"].do("userinfo", access_token=fresh["access_token"], sub=sub)
    assert (userinfo["name"], userinfo["email"]) == (person.name, person.email)
    assert sorted(userinfo["groups"]) == sorted(person.groups)


@pytest.mark.standard("FAPI 2.0 Security Profile", "§5.3.2.2 a request that was not pushed is refused")
@pytest.mark.parametrize("signed", [True, False])
async def test_openid_client_is_refused_what_it_did_not_push(house, signed: bool):
    here, apps = house
    begun = await apps["bank"].do("begin", scope=SCOPE, sign=signed)
    async with here.browser(BANK) as browser:
        arrived = await browser.open(begun["url"])
    with pytest.raises(node.ClientRefused) as refused:
        await apps["bank"].do("finish", url=arrived.url)
    assert refused.value.error == "invalid_request"


@pytest.mark.standard("FAPI 2.0 Message Signing", "§5.3.1 a pushed request that is not signed is refused")
async def test_openid_client_is_refused_what_it_did_not_sign(house):
    _, apps = house
    with pytest.raises(node.ClientRefused) as refused:
        await apps["bank"].do("begin", scope=SCOPE, push=True)
    assert refused.value.error == "invalid_request"


@between.AT_BOTH
@pytest.mark.standard("OpenID Core", "§10.2 ID Tokens that are signed and encrypted, opened by openid-client")
@pytest.mark.standard("OpenID Core", "§5.3.2 a userinfo answer that is signed, as openid-client checks it")
async def test_openid_client_opens_what_is_sealed_for_it(house, person: Person):
    _, apps = house
    tokens = await log_in(house, "sealed", person)
    assert tokens["id_token"].count(".") == 4
    userinfo = await apps["sealed"].do(
        "userinfo", access_token=tokens["access_token"], sub=tokens["claims"]["sub"]
    )
    assert (userinfo["name"], userinfo["email"]) == (person.name, person.email)
    assert userinfo["aud"] == "sealed"
