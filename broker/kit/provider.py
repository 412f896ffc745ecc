"""A strict OpenID Provider on a free port, with a switch for everything that can go wrong.

    async with FakeProvider.running() as idp:
        idp.person("ann", name="Ann", email="ann@example.com")
        idp.switch(nonce="wrong")

Left alone it does everything right and demands the same: PKCE, one method of client authentication, a code
once, the same redirect_uri. The person is signed in without a page: /authorize redirects straight back.
What was asked of it is in ``requests``. A vendor's *personality* is a subclass that overrides what its
vendor does otherwise, by attributes (``path``, ``paths``, ``hosts``, ``auth_method``, …) and methods:

    issuer_name()            what it calls itself, where that is not its base
    metadata()               the discovery document          extra_routes(router, base)  more endpoints
    accepts(asked)           whether it takes a request to authorize: an error answer, or None
    callback_answer(asked)   what the browser brings back    token_answer(code, form)    what a code gives
    gives_refresh(code)      refresh_answer(form)            refusal(error)       an error in its words
    id_token_claims(code, …) access_token_claims(code)       userinfo_claims(person)
    header(key)              of its tokens                   jwk(key)             as its JWKS shows it

With ``hosts`` it stands in for the vendor's own names: ``base`` is ``https://`` and the first of them, and
whoever goes through `broker.kit.stage` reaches it there. Its own switches are plain names in ``switches``.
The common ones:

    a claim of the ID Token (iss aud azp nonce exp iat nbf sub at_hash c_hash auth_time acr amr …):
                    "missing", "wrong", or the value to say
    claims          a dict: any claims changed                payload     a text instead of all of them
    alg             "none", "HS256" … (with the public key, in the form ``secret`` names), or what to write
    kid             "missing", "unknown", or a value          header      a dict: members to add
    signature       "bad" "foreign" "empty" "zero" "padded" "spaced" "twice" "json", or bytes
    duplicate_keys  "header", "payload", or a claim           typ         the header's typ
    clock_skew      seconds that its clock is ahead           encrypted   a dict: jwk, alg, enc
    token userinfo jwks discovery, or the name of a route of its own:
                    any name of `broker.kit.trouble`, or a status such as "500"
    token           "no_id_token" "error_in_200" "no_token_type" "duplicate_keys", or a dict: members changed
    userinfo        "jwt" "other_sub" "no_sub" "duplicate_keys", or a dict
    jwks            "empty" "odd" "duplicate_kid"             discovery   "duplicate_keys", or a dict
    access_token    a dict: claims to change                  callback    a dict; None removes a member
    refresh         "invalid_grant": every refresh token is gone
    ignores_prompt  the old session answers whatever prompt and max_age say
    cookies         every answer sets one                     down        every connection is cut
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web

from broker.kit.forging import Key
from broker.kit.lies import changed
from broker.kit.proving import Refused
from broker.kit.seen import Code, Seen
from broker.kit.serving import Serving, form_fields

__all__ = ["Code", "FakeProvider", "Key", "Refused", "Seen", "changed", "form_fields"]


@dataclass
class FakeProvider(Serving):
    """One provider, one client; see the module."""

    # ── For tests ─────────────────────────────────────────────────────────────────────────────

    @classmethod
    @asynccontextmanager
    async def running(cls, **how: Any) -> AsyncIterator[Self]:
        """The provider, listening."""
        # What a personality says as an attribute of its class is as good as a field.
        told = {f.name: getattr(cls, f.name) for f in fields(cls) if f.init and hasattr(cls, f.name)}
        idp = cls(**{**told, **how})
        idp.keys = [idp.purse.key("first", idp.alg)]
        idp.person("ann", name="Ann Example", email="ann@example.com", email_verified=True)
        runner = web.AppRunner(idp.application(), access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=idp.tls).start()
        scheme = "http" if idp.tls is None else "https"
        idp.origin = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
        idp.issuer = idp.issuer_name()
        try:
            yield idp
        finally:
            idp.release()
            await runner.cleanup()
            idp.purse.close()

    def person(self, sub: str, **claims: Any) -> None:
        """Make this person, and let them be the one who signs in from now on."""
        self.people[sub] = claims
        self.current = sub

    def switch(self, **values: Any) -> None:
        """Turn something wrong; None turns it right again."""
        merged = {**self.switches, **values}
        self.switches = {name: value for name, value in merged.items() if value is not None}

    def reset(self) -> None:
        """Turn everything right again."""
        self.switches.clear()

    def rotate(self) -> Key:
        """A new key signs from now on, and the old one is gone."""
        self.keys = [self.purse.key(f"key-{secrets.token_hex(4)}", self.alg)]
        return self.keys[0]

    def release(self) -> None:
        """Let what is slow go on."""
        self.released.set()

    def seen(self, endpoint: str) -> list[Seen]:
        """What came to this endpoint: discovery, jwks, authorize, token, userinfo, or one of its own."""
        return [request for request in self.requests if request.endpoint == endpoint]

    async def sign_in(self, url: str) -> dict[str, str]:
        """Be the browser: open the authorization URL, and say what it would bring to the callback."""
        async with (
            aiohttp.ClientSession() as browser,
            browser.get(self.reached(url), allow_redirects=False, ssl=False) as response,
        ):
            if response.status == 200:  # noqa: PLR2004
                return form_fields(await response.text())
            if response.status != 303:  # noqa: PLR2004
                raise AssertionError(f"{response.status} {await response.text()}")
            return dict(parse_qsl(urlsplit(response.headers["Location"]).query, keep_blank_values=True))
