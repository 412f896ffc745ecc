"""An API that checks the broker's access tokens by itself, without asking the broker each time.

RFC 9068 §4 (what a JWT access token must say), RFC 9449 §7.2 (what it must not), RFC 6750 §2.1 and §3 (how it
arrives, and what to answer when it is not good). This is the worked example of docs/verify-access-tokens.md.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Any, NoReturn

from aiohttp import web
from joserfc import jws, jwt
from joserfc.errors import JoseError

from broker.demo.issuer import Issuer, IssuerUnavailable
from broker.demo.web import Clock

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]  # never what the token's own header proposes
TYPES = {"at+jwt", "application/at+jwt"}
SKEW = 10
NEEDS = "notes.read"


class BadToken(Exception):
    """RFC 6750 §3.1: the status, the error code, and a sentence for the app's developer."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status, self.error, self.description = status, error, description


def _refuse(description: str) -> NoReturn:
    raise BadToken(401, "invalid_token", description)


class AccessTokens:
    """Checks access tokens that one issuer made for one audience."""

    def __init__(self, issuer: Issuer, audience: str, now: Clock = time.time) -> None:
        self._issuer, self._audience, self._now = issuer, audience, now

    async def check(self, token: str, scope: str) -> jwt.Token:
        """The token, once everything about it has been checked; BadToken otherwise."""
        try:
            header = jws.extract_compact(token.encode()).headers()
            key = await self._issuer.key(str(header.get("kid")))
            checked = jwt.decode(token, key, algorithms=ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise BadToken(401, "invalid_token", "no key of the issuer has signed this") from error
        self._claims(checked)
        if scope not in str(checked.claims.get("scope", "")).split():
            raise BadToken(403, "insufficient_scope", f"this needs the scope {scope}")
        return checked

    def _claims(self, token: jwt.Token) -> None:
        """RFC 9068 §4, in its order."""
        claims = token.claims
        audience = claims.get("aud")
        if token.header.get("typ", "").lower() not in TYPES:
            _refuse("this is not an access token")  # an ID Token has the same signature
        if claims.get("iss") != self._issuer.name:
            _refuse("the issuer is another")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            _refuse("it was made for another API")
        if not isinstance(claims.get("exp"), int) or claims["exp"] + SKEW <= self._now():
            _refuse("it has expired")
        if claims.get("cnf"):  # RFC 9449 §7.2: taken as a bearer token it would be one again
            _refuse("it belongs to a key, for which nobody is asked here")


TOKENS = web.AppKey("tokens", AccessTokens)


def bearer(request: web.Request) -> str | None:
    """The token of the Authorization header (RFC 6750 §2.1), the one place where it may stand."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def me(request: web.Request) -> web.Response:
    """GET /api/me: something that only an app with the right scope may see."""
    token = bearer(request)
    if token is None:
        # RFC 6750 §3.1: no error code for whoever did not try.
        return _challenge(401, 'Bearer realm="harbour api"')
    try:
        checked = await request.app[TOKENS].check(token, NEEDS)
    except BadToken as bad:
        more = f', scope="{NEEDS}"' if bad.status == HTTPStatus.FORBIDDEN else ""
        said = f'Bearer realm="harbour api", error="{bad.error}", error_description="{bad.description}"{more}'
        return _challenge(bad.status, said)
    except IssuerUnavailable:
        return web.json_response({"message": "tokens cannot be checked right now"}, status=503)
    return web.json_response(_answer(checked), headers={"Cache-Control": "no-store"})


def _challenge(status: int, challenge: str) -> web.Response:
    return web.json_response(
        {"message": "no notes for you"}, status=status, headers={"WWW-Authenticate": challenge}
    )


def _answer(checked: jwt.Token) -> dict[str, Any]:
    claims = checked.claims
    return {
        "notes": ["Buy rope", "Paint the boat before spring"],
        "of": claims["sub"],
        "read_by_app": claims.get("client_id"),
        "with_scope": claims.get("scope"),
        "checked": {
            "typ": checked.header["typ"],
            "signature": f"{checked.header['alg']} by key {checked.header['kid']}",
            "iss": claims["iss"],
            "aud": claims["aud"],
            "exp": claims["exp"],
            "scope": NEEDS,
        },
    }
