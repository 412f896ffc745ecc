"""A demo app believes an answer only after it has checked it: Core §3.1.3.7, RFC 9207 §2.4."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import RSAKey

from broker.demo.issuer import Issuer, IssuerUnavailable
from broker.demo.relying import Departed, Registration, RelyingParty, SignInFailed

NOW, ACCESS = 1_800_000_000, "an access token"
REGISTERED = Registration(
    client_id="notes: one",
    client_secret="a%secret&",
    redirect_uri="http://127.0.0.1:1/cb",
    scope="openid email",
)


@dataclass
class Stage:
    """An issuer that says what the test wants, and a client of it."""

    key: RSAKey
    says: dict[str, object] = field(default_factory=dict)
    document: dict[str, object] = field(default_factory=dict)
    userinfo: dict[str, object] = field(default_factory=lambda: {"sub": "s"})
    name: str = ""
    asked: dict[str, str] = field(default_factory=dict)
    relying: RelyingParty = field(init=False)

    async def discovery(self, _request: web.Request) -> web.Response:
        paths = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        endpoints = {f"{name}_endpoint": f"{self.name}/{path}" for name, path in paths.items()}
        return web.json_response({"issuer": self.name, "jwks_uri": f"{self.name}/jwks", **endpoints})

    async def jwks(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def token(self, request: web.Request) -> web.Response:
        posted = {name: str(value) for name, value in (await request.post()).items()}
        self.asked = {**posted, "authorization": request.headers["Authorization"]}
        half = urlsafe_b64encode(sha256(ACCESS.encode()).digest()[:16]).rstrip(b"=").decode()
        claims = {
            "iss": self.name, "aud": REGISTERED.client_id, "sub": "s", "nonce": "n",
            "iat": NOW, "exp": NOW + 60,
            "at_hash": half, **self.says,
        }  # fmt: skip
        signed = jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)
        said = {
            "access_token": ACCESS,
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": signed,
            **self.document,
        }
        return web.json_response(said, status=400 if "error" in said else 200)

    async def who(self, _request: web.Request) -> web.Response:
        return web.json_response(self.userinfo)

    async def arrive(self, **answer: str) -> object:
        departed = Departed(state="s", nonce="n", code_verifier="v" * 43)
        return await self.relying.arrive(departed, {"code": "c", "state": "s", "iss": self.name, **answer})


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


@pytest.fixture
async def stage(key: RSAKey) -> AsyncIterator[Stage]:
    made = Stage(key)
    app = web.Application()
    app.add_routes(
        [
            web.get("/.well-known/openid-configuration", made.discovery),
            web.get("/jwks", made.jwks),
            web.post("/token", made.token),
            web.get("/userinfo", made.who),
        ]
    )
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        made.name = str(server.make_url("")).rstrip("/")
        issuer = Issuer(made.name, http, lambda: NOW)
        made.relying = RelyingParty(REGISTERED, issuer, http, lambda: NOW)
        yield made


async def test_it_leaves_with_state_nonce_and_a_challenge_and_keeps_what_answers_them(stage: Stage) -> None:
    url, departed = await stage.relying.depart(prompt="login")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    challenge = urlsafe_b64encode(sha256(departed.code_verifier.encode()).digest()).rstrip(b"=").decode()
    assert (asked["state"], asked["nonce"], asked["code_challenge"]) == (
        departed.state,
        departed.nonce,
        challenge,
    )
    assert (asked["prompt"], asked["code_challenge_method"]) == ("login", "S256")
    assert departed != (await stage.relying.depart())[1]


async def test_it_proves_who_it_is_with_both_halves_encoded(stage: Stage) -> None:
    await stage.arrive()
    assert b64decode(stage.asked["authorization"].removeprefix("Basic ")) == b"notes%3A+one:a%25secret%26"
    assert stage.asked["code_verifier"] == "v" * 43


@pytest.mark.parametrize(
    ("says", "error"),
    [
        ({"nonce": "another"}, "wrong_nonce"),
        ({"nonce": None}, "wrong_nonce"),
        ({"iss": "https://elsewhere.example"}, "wrong_id_token"),
        ({"aud": "calendar"}, "wrong_id_token"),
        ({"aud": ["notes: one", "calendar"]}, "wrong_id_token"),
        ({"exp": NOW - 60}, "wrong_id_token"),
        ({"iat": NOW + 600}, "wrong_id_token"),
        ({"at_hash": "AAAA"}, "wrong_id_token"),
    ],
)
async def test_an_id_token_that_does_not_fit_signs_nobody_in(
    stage: Stage, says: dict[str, object], error: str
) -> None:
    stage.says = says
    with pytest.raises(SignInFailed) as failed:
        await stage.arrive()
    assert failed.value.error == error


async def test_an_id_token_of_another_key_signs_nobody_in(stage: Stage) -> None:
    other = RSAKey.generate_key(2048, parameters={"kid": stage.key.kid})
    stage.document = {"id_token": jwt.encode({"alg": "RS256", "kid": other.kid}, {"iss": stage.name}, other)}
    with pytest.raises(SignInFailed, match="no key"):
        await stage.arrive()
    stage.document = {"id_token": "no token"}
    with pytest.raises(SignInFailed, match="no key"):
        await stage.arrive()


async def test_an_answer_of_another_issuer_is_not_even_redeemed(stage: Stage) -> None:
    with pytest.raises(SignInFailed, match="somebody else answered"):
        await stage.arrive(iss="https://elsewhere.example")
    assert stage.asked == {}


async def test_what_the_issuer_refuses_is_told(stage: Stage) -> None:
    with pytest.raises(SignInFailed, match="not today") as failed:
        await stage.arrive(error="access_denied", error_description="not today")
    assert failed.value.error == "access_denied"
    stage.document = {"error": "invalid_grant"}
    with pytest.raises(SignInFailed, match="invalid_grant"):
        await stage.arrive()


async def test_userinfo_of_somebody_else_is_not_shown(stage: Stage) -> None:
    tokens = await stage.arrive()
    stage.userinfo = {"sub": "other"}
    with pytest.raises(SignInFailed, match="somebody else"):
        await stage.relying.userinfo(tokens)  # type: ignore[arg-type]


async def test_a_refresh_never_brings_another_person(stage: Stage) -> None:
    stage.document = {"refresh_token": "r1", "scope": "openid"}
    tokens = await stage.arrive()
    stage.document = {"refresh_token": "r2"}
    stage.says = {"nonce": None}
    fresh = await stage.relying.refresh(tokens)  # type: ignore[arg-type]
    assert (fresh.refresh_token, fresh.scope, stage.asked["refresh_token"]) == ("r2", "openid", "r1")
    stage.says = {"sub": "other"}
    with pytest.raises(SignInFailed, match="somebody else"):
        await stage.relying.refresh(fresh)


async def test_a_discovery_document_must_name_the_issuer_that_was_asked(stage: Stage) -> None:
    stage.name += "/other"
    with pytest.raises(IssuerUnavailable):
        await stage.relying.depart()
