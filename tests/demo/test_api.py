"""The demo's API believes an access token only after it has checked it (RFC 9068 §4), and says why not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from broker.demo import api
from broker.demo.issuer import PAUSE, Issuer

AUDIENCE, NOW = "https://api.harbour.example", 1_800_000_000


@dataclass
class Stage:
    """An issuer of our own making, and the API in front of it."""

    issuer: str = ""
    address: str = ""
    published: list[RSAKey | ECKey] = field(default_factory=list)
    odd: list[dict[str, str]] = field(default_factory=list)
    asked_for_keys: int = 0
    at: float = NOW

    def token(
        self, key: RSAKey | ECKey | None = None, *, alg: str = "RS256", typ: str = "at+jwt", **claims: object
    ) -> str:
        said = {
            "iss": self.issuer, "aud": AUDIENCE, "sub": "s", "client_id": "notes",
            "exp": NOW + 300, "iat": NOW, "scope": "openid notes.read", **claims,
        }  # fmt: skip
        signer = key or self.published[0]
        return jwt.encode({"alg": alg, "kid": signer.kid, "typ": typ}, said, signer, algorithms=[alg])

    async def ask(self, authorization: str | None) -> tuple[int, str | None, dict[str, object]]:
        headers = {"Authorization": authorization} if authorization is not None else {}
        async with aiohttp.ClientSession() as http, http.get(self.address, headers=headers) as answer:
            return answer.status, answer.headers.get("WWW-Authenticate"), await answer.json()

    async def discovery(self, _request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks"})

    async def jwks(self, _request: web.Request) -> web.Response:
        self.asked_for_keys += 1
        return web.json_response(
            {"keys": [*self.odd, *(key.as_dict(private=False) for key in self.published)]}
        )


@pytest.fixture(scope="module")
def keys() -> list[RSAKey]:
    return [RSAKey.generate_key(2048, auto_kid=True) for _ in range(2)]


@pytest.fixture
async def stage(keys: list[RSAKey]) -> AsyncIterator[Stage]:
    made = Stage(published=[keys[0]])
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", made.discovery)
    app.router.add_get("/jwks", made.jwks)
    app.router.add_get("/api/me", api.me)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        made.issuer = str(server.make_url("")).rstrip("/")
        made.address = f"{made.issuer}/api/me"
        app._state[api.TOKENS] = api.AccessTokens(
            Issuer(made.issuer, http, lambda: made.at), AUDIENCE, lambda: made.at
        )
        yield made


async def test_a_good_token_is_answered_with_what_was_checked(stage: Stage) -> None:
    status, challenge, body = await stage.ask(f"Bearer {stage.token()}")
    assert (status, challenge) == (200, None)
    assert body["notes"]
    assert body["of"] == "s"


async def test_several_audiences_are_good_when_ours_is_among_them(stage: Stage) -> None:
    status, _, _ = await stage.ask(f"bearer {stage.token(aud=['https://other.example', AUDIENCE])}")
    assert status == 200


async def test_without_a_token_the_answer_only_says_how_to_ask(stage: Stage) -> None:
    for authorization in (None, "Basic bm90ZXM6c2VjcmV0"):
        status, challenge, _ = await stage.ask(authorization)
        assert (status, challenge) == (401, 'Bearer realm="harbour api"')


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"typ": "JWT"}, "not an access token"),
        ({"iss": "https://elsewhere.example"}, "the issuer is another"),
        ({"aud": "https://other.example"}, "another API"),
        ({"aud": None}, "another API"),
        ({"exp": NOW - 60}, "expired"),
        ({"exp": "tomorrow"}, "expired"),
        ({"cnf": {"jkt": "x" * 43}}, "key"),
    ],
)
async def test_a_token_that_is_not_for_here_and_now_is_invalid(
    stage: Stage, wrong: dict[str, object], words: str
) -> None:
    status, challenge, _ = await stage.ask(f"Bearer {stage.token(**wrong)}")  # type: ignore[arg-type]
    assert status == 401
    assert 'error="invalid_token"' in str(challenge)
    assert words in str(challenge)


async def test_a_token_without_the_scope_is_told_which_one_it_lacks(stage: Stage) -> None:
    status, challenge, _ = await stage.ask(f"Bearer {stage.token(scope='openid')}")
    assert status == 403
    assert 'error="insufficient_scope"' in str(challenge)
    assert 'scope="notes.read"' in str(challenge)


async def test_a_token_that_nobody_we_know_signed_is_invalid(stage: Stage, keys: list[RSAKey]) -> None:
    stranger = ECKey.generate_key("P-256", parameters={"kid": keys[0].kid})
    forged = stage.token(stranger, alg="ES256")
    for token in (forged, stage.token(keys[1]), stage.token()[:-8] + "AAAAAAAA", "not.a.token", "x", ""):
        status, challenge, _ = await stage.ask(f"Bearer {token}")
        assert status == 401, token
        assert 'error="invalid_token"' in str(challenge)


async def test_a_token_without_a_signature_is_invalid(stage: Stage) -> None:
    _, payload, _ = stage.token().split(".")
    status, _, _ = await stage.ask(f"Bearer eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.")
    assert status == 401


async def test_a_new_key_is_found_and_unknown_ones_do_not_become_a_flood(
    stage: Stage, keys: list[RSAKey]
) -> None:
    assert (await stage.ask(f"Bearer {stage.token()}"))[0] == 200
    for _ in range(5):
        await stage.ask(f"Bearer {stage.token(keys[1])}")
    assert stage.asked_for_keys == 1
    stage.published.append(keys[1])
    stage.at += PAUSE + 1
    assert (await stage.ask(f"Bearer {stage.token(keys[1])}"))[0] == 200
    assert stage.asked_for_keys == 2


async def test_one_strange_key_does_not_cost_the_others(stage: Stage) -> None:
    stage.odd.extend([{"kty": "PQC", "kid": "z"}, {"kty": "RSA"}])
    assert (await stage.ask(f"Bearer {stage.token()}"))[0] == 200


async def test_while_the_issuer_is_away_nothing_is_believed(stage: Stage) -> None:
    token = stage.token()
    stage.issuer = "https://somebody-else.example"  # the discovery document now names another issuer
    status, _, _ = await stage.ask(f"Bearer {token}")
    assert status == 503
