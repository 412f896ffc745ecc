"""A client app that holds us to FAPI 2.0: it believes nothing that the profile does not let it believe."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from broker.jose import KeySet, SigningKey, read, sign
from broker.protocol.assertions import JWT_BEARER
from tests.flow.broker import CALLBACK, Broker, Browser, Landed
from tests.flow.proofs import Prover, send
from tests.flow.signing import REQUEST_TYP

ALGORITHMS = {"PS256", "ES256", "EdDSA", "Ed25519"}
KEY = SigningKey.generate("PS256")


def entry(folder: Path, profile: str, **changes: Any) -> dict[str, Any]:
    """The least that an operator writes for a client under a profile."""
    path = folder / "fapi-jwks.json"
    path.write_bytes(msgspec.json.encode({"keys": [KEY.public_jwk()]}))
    return {
        "profile": profile,
        "client_secret": None,
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": str(path),
        "access_token_signing_alg": None,
        "id_token_signed_response_alg": None,
    } | changes


class FapiClient:
    """One client app, one flow."""

    def __init__(self, broker: Broker, client_id: str = "bank", *, signs: bool = False) -> None:
        self.broker, self.client_id, self.signs = broker, client_id, signs
        self.verifier = secrets.token_urlsafe(48)
        self.state, self.nonce = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self.prover = Prover(broker)

    def signed(self, typ: str, said: dict[str, Any], **changes: Any) -> str:
        now = int(self.broker.clock())
        whole = {"iss": self.client_id, "aud": self.broker.issuer, "iat": now, "nbf": now, "exp": now + 60}
        members = whole | said | changes
        return sign(KEY, {n: v for n, v in members.items() if v is not None}, typ=typ)

    def assertion(self, **changes: Any) -> str:
        return self.signed("JWT", {"sub": self.client_id, "jti": secrets.token_urlsafe(16)}, **changes)

    def proven(self, form: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return form | {"client_assertion": self.assertion(**changes), "client_assertion_type": JWT_BEARER}

    def request(self, **changes: Any) -> dict[str, Any]:
        challenge = urlsafe_b64encode(sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        members = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid offline_access",
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "response_mode": "jwt" if self.signs else None,
        } | changes
        return {name: value for name, value in members.items() if value is not None}

    async def push(self, **changes: Any) -> tuple[int, dict[str, Any]]:
        """Push the request, signed where it must be, with a proof of the key."""
        form = self.request(**changes)
        if self.signs:
            form = {"client_id": self.client_id, "request": self.signed(REQUEST_TYP, form)}
        proof = self.prover.proof("/par")
        status, told, _ = await send(self.broker, "/par", self.proven(form), client=None, proof=proof)
        return status, told

    async def login(self, browser: Browser, **changes: Any) -> str:
        """The code of a whole login, or the error."""
        status, told = await self.push(**changes)
        assert status == 201, told
        assert 0 < told["expires_in"] < 600
        asked = urlencode({"client_id": self.client_id, "request_uri": told["request_uri"]})
        page = await browser.go(f"{self.broker.issuer}/authorize?{asked}")
        landed = await browser.answer_consent(page) if 'name="answer"' in page.body else page
        return self.answered(landed)["code"]

    def answered(self, landed: Landed) -> dict[str, Any]:
        """What the answer says, held against what was sent."""
        assert landed.url.startswith(CALLBACK)
        said: dict[str, Any] = dict(landed.params)
        if self.signs:
            assert set(said) == {"response"}
            said = self.verified(said["response"], typ="jwt")
            assert said["aud"] == self.client_id
            assert 0 < said["exp"] - self.broker.clock() <= 600
        assert said["iss"] == self.broker.issuer  # RFC 9207
        assert said["state"] == self.state
        return said

    def verified(self, token: str, *, typ: str) -> dict[str, Any]:
        keys = KeySet.from_jwks(self.broker.services.keys.jwks())
        return read(token, keys, algorithms=ALGORITHMS, typ={typ}).claims

    async def token(self, form: dict[str, Any], *, proof: str | None = "") -> tuple[int, dict[str, Any]]:
        """Ask the token endpoint, with a proof unless told otherwise."""
        shown = self.prover.proof() if proof == "" else proof
        status, told, _ = await send(self.broker, "/token", self.proven(form), client=None, proof=shown)
        return status, told

    async def redeem(self, code: str) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        status, found = await self.token(form | {"code_verifier": self.verifier})
        assert status == 200, found
        self.holds(found)
        return found

    async def refresh(self, token: str) -> dict[str, Any]:
        status, found = await self.token({"grant_type": "refresh_token", "refresh_token": token})
        assert status == 200, found
        self.holds(found)
        return found

    def holds(self, found: dict[str, Any]) -> None:
        """Every token is signed as the profile has it, and belongs to our key."""
        assert found["token_type"] == "DPoP"
        access = self.verified(found["access_token"], typ="at+jwt")
        assert access["cnf"] == {"jkt": self.prover.jkt}
        person = self.verified(found["id_token"], typ="jwt")
        assert person["iss"] == self.broker.issuer
        assert person["aud"] == self.client_id
        assert person["nonce"] == self.nonce if "nonce" in person else True

    async def userinfo(self, token: str) -> tuple[int, dict[str, Any]]:
        proof = self.prover.proof("/userinfo", "GET", token=token)
        status, told, _ = await send(self.broker, "/userinfo", token=token, proof=proof, method="GET")
        return status, told
