"""An API that takes the broker's access tokens, whole in one file: aiohttp, and joserfc for the signatures.

It checks tokens by itself, asking the broker for nothing but its public keys (RFC 9068 §4), and tells an app
that comes without one where to get it (RFC 9728). With DPOP=1 it takes only tokens that are bound to a key of
the app's (RFC 9449). What is about notes is yours to replace; the rest may stay.

    ISSUER=https://login.acme.example  RESOURCE=https://api.acme.example/notes  python notes_api.py
"""

import hashlib
import json
import os
import time
from base64 import urlsafe_b64encode
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from broker.protocol.protected_resource import ProtectedResource

ISSUER, RESOURCE = os.environ["ISSUER"], os.environ["RESOURCE"]
DPOP = os.environ.get("DPOP") == "1"
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]  # never what a token's own header proposes
SKEW, PROOF_LIVES = 10, 60
ORIGIN = "/".join(RESOURCE.split("/", 3)[:3])
API = ProtectedResource(
    RESOURCE, [ISSUER], scopes=["notes.read", "notes.write"], name="Your notes", dpop_required=DPOP
)
NOTES: dict[str, list[str]] = {}


class Refused(Exception):
    """What the app hears: a status, and the WWW-Authenticate that says what to do about it."""

    def __init__(self, status: int, error: str = "", description: str = "", scope: str = "") -> None:
        self.status = status
        self.challenge = API.challenge(error, description, scope=scope)


# ── the broker's keys ─────────────────────────────────────────────────────────────────────────────


class Keys:
    """The broker's public keys, read anew when a token names one that is not among them."""

    def __init__(self) -> None:
        self.keys, self.read_at = KeySet([]), float("-inf")

    async def named(self, kid: str) -> KeySet:
        if not any(key.kid == kid for key in self.keys.keys) and time.monotonic() - self.read_at > 10:
            self.read_at = time.monotonic()
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
                found = await self.read(http, f"{ISSUER}/.well-known/openid-configuration")
                if found["issuer"] != ISSUER:  # RFC 8414 §3.3
                    raise ValueError("these are the metadata of another issuer")
                self.keys = KeySet.import_key_set(await self.read(http, found["jwks_uri"]))
        return KeySet([key for key in self.keys.keys if key.kid == kid])

    async def read(self, http: aiohttp.ClientSession, url: str) -> dict:
        async with http.get(url, raise_for_status=True) as answer:
            return await answer.json()


KEYS = Keys()


# ── a token ───────────────────────────────────────────────────────────────────────────────────────


async def checked(request: web.Request, scope: str) -> dict:
    """The claims of the token that the request brings, good for ``scope``."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "dpop") or not token:
        raise Refused(401, scope=scope)  # RFC 6750 §3.1: no error code for whoever did not try
    try:
        kid = str(jws.extract_compact(token.encode()).headers().get("kid"))
        found = jwt.decode(token, await KEYS.named(kid), algorithms=ALGORITHMS)
    except (JoseError, ValueError):
        raise Refused(401, "invalid_token", "no key of the issuer has signed this") from None
    claims, audience = found.claims, found.claims.get("aud")
    if found.header.get("typ", "").lower() not in ("at+jwt", "application/at+jwt"):
        raise Refused(401, "invalid_token", "this is no access token")  # an ID Token has the same signature
    if claims.get("iss") != ISSUER:
        raise Refused(401, "invalid_token", "the issuer is another")
    if RESOURCE not in (audience if isinstance(audience, list) else [audience]):
        raise Refused(401, "invalid_token", "it is for another API")
    if claims.get("exp", 0) + SKEW <= time.time():
        raise Refused(401, "invalid_token", "it has expired")
    if "cnf" in claims or DPOP:  # whatever key it is bound to: as a bearer token it would be one again
        prove(request, scheme, token, claims.get("cnf", {}).get("jkt"))
    if scope not in claims.get("scope", "").split():
        raise Refused(403, "insufficient_scope", "the token does not cover this", scope=scope)
    return claims


class Proofs(jws.JWSRegistry):
    """A proof's header holds the whole key, and joserfc takes none of an RSA key's length otherwise."""

    max_header_length = 4096


PROOFS = Proofs(algorithms=ALGORITHMS)
SEEN: dict[str, float] = {}  # of several processes each needs to see the others': keep it in Redis there


def place(url: str) -> tuple[object, ...]:
    """Where a URL is, however it is spelled, and without its query and fragment (RFC 9449 §4.3)."""
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual, parts.path


def prove(request: web.Request, scheme: str, token: str, bound: str | None) -> None:
    """That whoever sends a bound token has its key (RFC 9449 §4.3)."""
    proofs = request.headers.getall("DPoP", [])
    if scheme.lower() != "dpop" or len(proofs) != 1:
        raise Refused(401, "invalid_token", "a bound token comes with one proof")
    try:
        header = jws.extract_compact(proofs[0].encode(), registry=PROOFS).headers()
        key = JWKRegistry.import_key(header["jwk"])
        proof = jwt.decode(proofs[0], key, registry=PROOFS)
        where = place(str(proof.claims.get("htu")))
    except (JoseError, ValueError, KeyError, TypeError):
        raise Refused(401, "invalid_dpop_proof", "the proof cannot be read") from None
    now, said = time.time(), proof.claims
    digest = urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    here = place(f"{ORIGIN}{request.path}")  # as apps know it: behind a proxy it is called by another name
    for name in [name for name, until in SEEN.items() if until < now]:
        del SEEN[name]
    good = (
        header.get("typ") == "dpop+jwt",
        not key.is_private,
        key.thumbprint() == bound,
        said.get("htm") == request.method,
        where == here,
        said.get("ath") == digest,
        isinstance(said.get("iat"), int) and -SKEW <= now - said["iat"] <= PROOF_LIVES,
        isinstance(said.get("jti"), str) and said["jti"] not in SEEN,
    )
    if not all(good):
        raise Refused(401, "invalid_dpop_proof", "the proof does not fit")
    SEEN[said["jti"]] = now + PROOF_LIVES + SKEW


# ── the API ───────────────────────────────────────────────────────────────────────────────────────


async def metadata(_request: web.Request) -> web.Response:
    return web.json_response(API.document(), headers={"Cache-Control": "public, max-age=3600"})


async def read_notes(request: web.Request) -> web.Response:
    claims = await checked(request, "notes.read")
    return web.json_response({"notes": NOTES.get(claims["sub"], [])}, headers={"Cache-Control": "no-store"})


async def write_note(request: web.Request) -> web.Response:
    claims = await checked(request, "notes.write")
    NOTES.setdefault(claims["sub"], []).append(str((await request.json())["note"])[:1000])
    return web.json_response({"notes": len(NOTES[claims["sub"]])}, status=201)


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        headers = {"WWW-Authenticate": refused.challenge, "Cache-Control": "no-store"}
        return web.json_response({"message": "no notes for you"}, status=refused.status, headers=headers)
    except (aiohttp.ClientError, TimeoutError):
        return web.json_response({"message": "tokens cannot be checked right now"}, status=503)
    except (json.JSONDecodeError, KeyError, TypeError):
        return web.json_response({"message": "that is no note"}, status=400)


def application() -> web.Application:
    path = API.resource.partition("://")[2].partition("/")[2]
    app = web.Application(middlewares=[refusals])
    app.router.add_get(API.well_known, metadata)
    app.router.add_get(f"/{path}", read_notes)
    app.router.add_post(f"/{path}", write_note)
    return app


if __name__ == "__main__":
    listening = f"listening on {RESOURCE}"
    web.run_app(
        application(),
        host="127.0.0.1",
        port=int(os.environ.get("PORT", "8081")),
        print=lambda _: print(listening, flush=True),
    )
