"""Every kind of token that there is, at every place that reads one: each is good at its own places alone."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from broker.jose import SigningKey, sign
from broker.protocol.assertions import JWT_BEARER
from tests.flow.broker import CALLBACK, CHALLENGE, VERIFIER, Broker, Browser, claims
from tests.flow.machines import SCOPES
from tests.flow.proofs import Prover, send
from tests.flow.signing import written_jwks

KEY = SigningKey.generate("ES256")
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TYPE = "urn:ietf:params:oauth:token-type:"
BACK = "https://signer.example/bye"
PARTNER = "https://workloads.example"
CLIENT: dict[str, Any] = {
    "client_secret": None,
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": {"keys": [KEY.public_jwk()]},
    "trusted": True,
    "grant_types": ["authorization_code", "refresh_token", EXCHANGE, GRANT],
    "post_logout_redirect_uris": [BACK],
    "userinfo_signed_response_alg": "ES256",
    "introspection_signed_response_alg": "ES256",
    "authorization_signed_response_alg": "ES256",
    "token_exchange": {
        "subject_tokens": ["access_token", "id_token", "jwt"],
        "audiences": ["https://api.example"],
    },
}


def signed(broker: Broker, typ: str = "JWT", **said: Any) -> str:
    now = int(broker.clock())
    common = {"iat": now, "exp": now + 60, "jti": secrets.token_hex(8), "aud": broker.issuer}
    return sign(KEY, common | said, typ=typ)


def assertion(broker: Broker) -> str:
    return signed(broker, iss="signer", sub="signer")


async def by_client(broker: Broker, path: str, **form: str) -> tuple[int, dict[str, Any], Any]:
    proof = {"client_assertion": assertion(broker), "client_assertion_type": JWT_BEARER}
    return await send(broker, path, proof | form, client=None)


REQUEST = {
    "client_id": "signer",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid profile email",
    "state": "s",
    "nonce": "n",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


async def kinds(broker: Broker, browser: Browser) -> dict[str, str]:
    """One of each, all fresh, and about the same person and client wherever they can be."""
    landed = await browser.login(client_id="signer", response_mode="jwt")
    jarm = landed.params["response"]
    form = {"grant_type": "authorization_code", "code": claims(jarm)["code"]}
    _, tokens, _ = await by_client(broker, "/token", **form, redirect_uri=CALLBACK, code_verifier=VERIFIER)
    access, subject = tokens["access_token"], claims(tokens["id_token"])["sub"]
    services, now = broker.services, int(broker.clock())
    said = {"iss": broker.issuer, "aud": "signer", "sub": subject, "iat": now, "exp": now + 60, "jti": "j"}
    events = {"http://schemas.openid.net/event/backchannel-logout": {}}
    introspected = {
        "iss": broker.issuer,
        "aud": "signer",
        "iat": now,
        "token_introspection": {"active": True},
    }
    async with browser.session.get(
        f"{broker.issuer}/userinfo", headers={"Authorization": f"Bearer {access}"}
    ) as answer:
        userinfo = await answer.text()
    return {
        "access token": access,
        "ID Token": tokens["id_token"],
        "userinfo": userinfo,
        "JARM answer": jarm,
        "logout token": services.keys.sign("ES256", said | {"events": events}, typ="logout+jwt"),
        "introspection": services.keys.sign("ES256", introspected, typ="token-introspection+jwt"),
        "client assertion": assertion(broker),
        "request object": signed(broker, "oauth-authz-req+jwt", iss="signer", **REQUEST),
        "DPoP proof": Prover(broker).proof("/par", jti=secrets.token_hex(8)),
        "grant assertion": signed(broker, iss=PARTNER, sub="machine"),
    }


Place = Callable[[Broker, Browser, str], Awaitable[bool]]


async def as_assertion(broker: Broker, _: Browser, text: str) -> bool:
    form = {
        "token": "x",
        "client_assertion": text,
        "client_assertion_type": JWT_BEARER,
        "client_id": "signer",
    }
    return (await send(broker, "/introspect", form, client=None))[0] == 200


async def as_proof(broker: Broker, _: Browser, text: str) -> bool:
    form = REQUEST | {"client_id": "billing"}
    return (await send(broker, "/par", form, proof=text))[0] == 201


async def as_access_token(broker: Broker, browser: Browser, text: str) -> bool:
    bearer = {"Authorization": f"Bearer {text}"}
    return (await browser.step("GET", f"{broker.issuer}/userinfo", headers=bearer)).status == 200


async def as_introspected(broker: Broker, _: Browser, text: str) -> bool:
    proof = {"client_assertion": assertion(broker), "client_assertion_type": JWT_BEARER}
    status, body, _headers = await send(broker, "/introspect", proof | {"token": text}, client=None)
    assert status == 200
    return bool(body["active"])


async def as_revoked(broker: Broker, _: Browser, text: str) -> bool:
    before = len([event for event in broker.events("revocation") if event["outcome"] == "ok"])
    await by_client(broker, "/revoke", token=text)
    return len([event for event in broker.events("revocation") if event["outcome"] == "ok"]) > before


async def as_login_hint(broker: Broker, browser: Browser, text: str) -> bool:
    asked = {"client_id": "signer", "prompt": "none", "id_token_hint": text, "response_mode": "query"}
    return "code" in (await browser.authorize(**asked)).params


async def as_logout_hint(broker: Broker, browser: Browser, text: str) -> bool:
    async with broker.browser() as elsewhere:  # where nobody is signed in, nothing is asked
        asked = urlencode({"id_token_hint": text, "post_logout_redirect_uri": BACK})
        return (await elsewhere.go(f"{broker.issuer}/logout?{asked}")).url.startswith(BACK)


async def as_request(broker: Broker, browser: Browser, text: str) -> bool:
    url = f"{broker.issuer}/authorize?" + urlencode({"client_id": "signer", "request": text})
    landed = await browser.go(url)
    return landed.url.startswith(CALLBACK) and "error" not in landed.params


def as_subject(kind: str) -> Place:
    async def exchange(broker: Broker, _: Browser, text: str) -> bool:
        form = {"grant_type": EXCHANGE, "subject_token": text, "subject_token_type": TYPE + kind}
        return (await by_client(broker, "/token", **form, audience="https://api.example"))[0] == 200

    return exchange


async def as_grant(broker: Broker, _: Browser, text: str) -> bool:
    return (await by_client(broker, "/token", grant_type=GRANT, assertion=text))[0] == 200


PLACES: Mapping[str, tuple[Place, frozenset[str]]] = {
    "client_assertion": (as_assertion, frozenset({"client assertion"})),
    "DPoP": (as_proof, frozenset({"DPoP proof"})),
    "Authorization": (as_access_token, frozenset({"access token"})),
    "introspected": (as_introspected, frozenset({"access token"})),
    "id_token_hint at a login": (as_login_hint, frozenset({"ID Token"})),
    "id_token_hint at a sign-out": (as_logout_hint, frozenset({"ID Token"})),
    "request": (as_request, frozenset({"request object"})),
    "a subject's access token": (as_subject("access_token"), frozenset({"access token"})),
    "a subject's ID Token": (as_subject("id_token"), frozenset({"ID Token"})),
    "a subject's JWT": (as_subject("jwt"), frozenset({"grant assertion"})),
    "a grant's assertion": (as_grant, frozenset({"grant assertion"})),
    "revoked": (as_revoked, frozenset({"access token"})),
}


@pytest.mark.row("JW-24")
@pytest.mark.row("RT-09")
@pytest.mark.standard("RFC 8725", "§2.8 and §3.12 one kind of JWT is never taken for another")
@pytest.mark.standard("RFC 7523", "§4 an assertion is nothing else (7523bis)")
@pytest.mark.parametrize("place", PLACES)
async def test_each_kind_is_good_at_its_own_places_alone(start, tmp_path, place: str) -> None:
    # The same key signs for the client and for the partner, so that no key tells one kind from another.
    partner = {"issuer": PARTNER, "jwks": written_jwks(tmp_path, KEY), "clients": ["signer"]}
    client = CLIENT | {"scope": "openid profile email reports.read"}
    top = {"scopes": SCOPES, "assertion_issuers": {"partner": partner}}
    broker = await start(top=top, clients={"signer": client})
    takes, good = PLACES[place]
    async with broker.browser() as browser:
        given = await kinds(broker, browser)
        for name, text in given.items():
            if name not in good:
                assert not await takes(broker, browser, text), name
        for name in good:
            assert await takes(broker, browser, given[name]), name
