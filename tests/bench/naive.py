"""The same login, written the obvious way: what the broker's cost is compared with.

    python -m tests.bench.naive '{"port": …, "stub": …, "redis": "unix://…", …}'

An honest small build, not a straw man: aiohttp with its own client, redis-py with its pool,
`jwcrypto.jwt.JWT`, the standard library's json; cached is what an ordinary programmer would cache (keys,
metadata, client). It checks what one login needs and nothing else: no consent, no audit line, no sealing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import sys
import time
from base64 import b64decode, urlsafe_b64encode
from urllib.parse import unquote, urlencode

import redis.asyncio
from aiohttp import ClientSession, web
from jwcrypto import jwk, jwt

SECONDS = 600


class Naive:
    def __init__(self, told: dict[str, str]) -> None:
        self.issuer = f"http://127.0.0.1:{told['port']}"
        self.told = told
        self.key = jwk.JWK.generate(kty="EC", crv="P-256", use="sig", alg="ES256", kid="naive-1")
        self.redis = redis.asyncio.Redis.from_url(told["redis"])

    async def start(self, app: web.Application) -> None:
        self.http = ClientSession()
        async with self.http.get(f"{self.told['stub']}/.well-known/openid-configuration") as answer:
            self.upstream = await answer.json()
        async with self.http.get(self.upstream["jwks_uri"]) as answer:
            self.upstream_keys = jwk.JWKSet.from_json(await answer.text())

    async def stop(self, app: web.Application) -> None:
        await self.http.close()
        await self.redis.aclose()

    async def authorize(self, request: web.Request) -> web.Response:
        asked = request.query
        if asked.get("client_id") != self.told["client_id"]:
            raise web.HTTPBadRequest(text="client")
        if asked.get("redirect_uri") != self.told["redirect_uri"] or asked.get("response_type") != "code":
            raise web.HTTPBadRequest(text="request")
        state, nonce, browser, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        flow = {
            "asked": dict(asked),
            "nonce": nonce,
            "verifier": verifier,
            "browser": hashlib.sha256(browser.encode()).hexdigest(),
        }
        await self.redis.set(f"flow:{state}", json.dumps(flow), ex=SECONDS)
        query = {
            "response_type": "code",
            "client_id": self.told["upstream_client_id"],
            "redirect_uri": f"{self.issuer}/callback",
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        answer = web.HTTPFound(f"{self.upstream['authorization_endpoint']}?{urlencode(query)}")
        answer.set_cookie("flow", browser, httponly=True, samesite="Lax", max_age=SECONDS)
        raise answer

    async def callback(self, request: web.Request) -> web.Response:
        state = request.query["state"]
        found = await self.redis.getdel(f"flow:{state}")
        if found is None:
            raise web.HTTPBadRequest(text="flow")
        flow = json.loads(found)
        if hashlib.sha256(request.cookies["flow"].encode()).hexdigest() != flow["browser"]:
            raise web.HTTPBadRequest(text="browser")
        claims = await self.redeem(request.query["code"], flow)
        code, session = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        person = hashlib.sha256(f"{claims['iss']}|{claims['sub']}".encode()).hexdigest()
        grant = {"asked": flow["asked"], "sub": person, "auth_time": claims["auth_time"], "claims": claims}
        await self.redis.set(f"session:{session}", json.dumps({"sub": person}), ex=SECONDS)
        await self.redis.set(f"code:{code}", json.dumps(grant), ex=60)
        asked = flow["asked"]
        query = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        answer = web.HTTPFound(f"{asked['redirect_uri']}?{query}")
        answer.set_cookie("session", session, httponly=True, samesite="Lax", max_age=SECONDS)
        raise answer

    async def redeem(self, code: str, flow: dict[str, str]) -> dict[str, object]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{self.issuer}/callback",
            "code_verifier": flow["verifier"],
            "client_id": self.told["upstream_client_id"],
            "client_secret": self.told["upstream_client_secret"],
        }
        async with self.http.post(self.upstream["token_endpoint"], data=form) as answer:
            tokens = await answer.json()
        token = jwt.JWT(
            jwt=tokens["id_token"],
            key=self.upstream_keys,
            algs=["RS256"],
            check_claims={
                "iss": self.told["stub"],
                "aud": self.told["upstream_client_id"],
                "nonce": flow["nonce"],
                "exp": None,
            },
        )
        return json.loads(token.claims)

    async def token(self, request: web.Request) -> web.Response:
        user, _, secret = (
            b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
        )
        same = secrets.compare_digest(unquote(secret), self.told["client_secret"])
        if unquote(user) != self.told["client_id"] or not same:
            raise web.HTTPUnauthorized
        form = await request.post()
        found = await self.redis.getdel(f"code:{form['code']}")
        if found is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        grant = json.loads(found)
        asked = grant["asked"]
        proved = challenge(str(form["code_verifier"])) == asked["code_challenge"]
        if form["redirect_uri"] != asked["redirect_uri"] or not proved:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        both = {
            "iss": self.issuer,
            "sub": grant["sub"],
            "iat": now,
            "exp": now + 300,
            "auth_time": grant["auth_time"],
        }
        access = {
            **both,
            "aud": self.issuer,
            "client_id": asked["client_id"],
            "jti": secrets.token_urlsafe(16),
        }
        access["scope"] = asked["scope"]
        told = {**both, "aud": asked["client_id"], "nonce": asked["nonce"]}
        return web.json_response(
            {
                "access_token": self.sign(access, "at+jwt"),
                "id_token": self.sign(told, "JWT"),
                "token_type": "Bearer",
                "expires_in": 300,
                "scope": asked["scope"],
            }
        )

    def sign(self, claims: dict[str, object], typ: str) -> str:
        token = jwt.JWT(header={"alg": "ES256", "kid": "naive-1", "typ": typ}, claims=claims)
        token.make_signed_token(self.key)
        return token.serialize()


def challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def build(told: dict[str, str]) -> web.Application:
    naive, app = Naive(told), web.Application()
    app.add_routes(
        [
            web.get("/authorize", naive.authorize),
            web.get("/callback", naive.callback),
            web.post("/token", naive.token),
        ]
    )
    app.on_startup.append(naive.start)
    app.on_cleanup.append(naive.stop)
    return app


async def main(told: dict[str, str]) -> None:
    runner = web.AppRunner(build(told), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(told["port"]), backlog=512).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
