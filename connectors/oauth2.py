"""What every OAuth 2.0 upstream shares: the way out, the callback, and the exchange of the code.

Owns PKCE, the authorization URL, the reading of a callback, and the token request with one client
authentication method. RFC 6749 §2.3, §4.1, §5 and §6; RFC 7636; RFC 7523 §2.2; RFC 8705 §2; RFC 9207;
RFC 9700 §2.1 and §4.4.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from broker.connector import (
    Answer,
    Json,
    Login,
    Secret,
    Tools,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamToken,
    UpstreamUnavailable,
)

AuthMethod = Literal[
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
]

TLS_METHODS = ("tls_client_auth", "self_signed_tls_client_auth")
"""By the certificate of the connection (RFC 8705 §2.1 and §2.2); on the wire they are the same."""

MAX_CODE = 4096
_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ERROR = re.compile(r"[!#-\[\]-~]{1,64}")  # RFC 6749 §4.1.2.1, without the space
_CODE = re.compile(rf"[ -~]{{1,{MAX_CODE}}}")  # RFC 6749 Appendix A.11
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")  # RFC 3986 §2.3: nothing in it to quote
_SECRET = re.compile(r"[A-Za-z0-9_-]{40,}")
"""What looks like a code or a token that somebody repeats in an error."""
_LATER = frozenset({"temporarily_unavailable", "slow_down", "too_many_requests"})
_OK, _SEEN = 200, 4096
_LONGEST = 366 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who we are at the upstream, and how we prove it."""

    client_id: str
    method: AuthMethod
    secret: Secret | None = None
    assertion_audience: str | None = None
    """Of an assertion: the upstream's issuer, or its token endpoint where it insists."""
    x5t: str | None = None
    """The SHA-256 thumbprint of our certificate, where the upstream finds our key by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the token endpoint gave."""

    access_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: int | None = None
    """Seconds that the access token is good for, where it is told."""
    scope: str | None = None
    """What was granted, where that is told (RFC 6749 §5.1)."""

    def given(self, now: float) -> UpstreamToken | None:
        """The access token with its end, for whom the operator lets have it."""
        if self.access_token is None:
            return None
        ends = None if self.expires_in is None else int(now) + self.expires_in
        return UpstreamToken(access_token=self.access_token, expires_at=ends, scope=self.scope)


class TokenRefused(UpstreamInvalid):
    """The token endpoint said no: about us or the grant, never the person's own "no", which is a callback."""

    def __init__(self, error: str, description: str, members: Mapping[str, Json]) -> None:
        known = re.fullmatch(r"[a-z_]{1,40}", error)
        super().__init__(f"token_{error}" if known else "token_error", description)
        self.error, self.members = error, members


# ── The way out ───────────────────────────────────────────────────────────────────────────────


def challenge(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 §4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def authorization_url(endpoint: str, parameters: Mapping[str, str]) -> str:
    """The endpoint with our parameters; a query that it has is kept, but never says what is ours to say."""
    if "?" in endpoint:
        parts = urlsplit(endpoint)
        kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in parameters]
        return parts._replace(query=urlencode([*kept, *parameters.items()], quote_via=quote)).geturl()
    # The common case, without taking apart what stays as it is.
    said = [f"{name}={_quoted(value)}" for name, value in parameters.items()]
    return f"{endpoint}?{'&'.join(said)}"


def _quoted(value: str) -> str:
    return value if _UNRESERVED.fullmatch(value) else quote(value, safe="")


# ── The way back ──────────────────────────────────────────────────────────────────────────────


def read_code(answer: Mapping[str, str], *, issuer: str | None, issuer_must_be_told: bool = False) -> str:
    """The code that the browser brought back.

    ``issuer`` is whom the answer must be from when it says so (RFC 9207); None for an upstream without one.

    Raises:
        UpstreamRefused: the upstream said no.
        UpstreamInvalid: the answer is not one, or is somebody else's.
    """
    # Who speaks is checked first, in errors too (RFC 9207 §2.4): a mix-up ends before anything is believed.
    _check_issuer(answer.get("iss"), issuer, must_be_told=issuer_must_be_told)
    code, error = answer.get("code"), answer.get("error")
    if code is not None and error is not None:
        raise UpstreamInvalid("code_and_error")
    if error is not None:
        if _ERROR.fullmatch(error) is None:
            raise UpstreamInvalid("callback_error_malformed")
        raise UpstreamRefused(error, printable(answer.get("error_description", "")))
    if not code:
        raise UpstreamInvalid("code_missing")
    if _CODE.fullmatch(code) is None:
        raise UpstreamInvalid("code_malformed")
    return code


def _check_issuer(told: str | None, issuer: str | None, *, must_be_told: bool) -> None:
    if told is None:
        if must_be_told:
            raise UpstreamInvalid("callback_iss_missing")
        return
    if issuer is not None and told != issuer:
        raise UpstreamInvalid("callback_iss_mismatch", f"iss {printable(told)}")


def printable(text: str) -> str:
    """A short look at untrusted text, for our log, without what may be somebody's secret."""
    shown = _SECRET.sub("\N{HORIZONTAL ELLIPSIS}", text[:_SEEN])[:200]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)


# ── The exchange ──────────────────────────────────────────────────────────────────────────────


def code_grant(login: Login, code: str, *, pkce: bool) -> dict[str, str]:
    """The members of the token request that redeem a code (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": login.redirect_uri}
    return form | {"code_verifier": login.code_verifier} if pkce else form


def refresh_grant(refresh_token: str) -> dict[str, str]:
    """The members of the token request that redeem a refresh token (RFC 6749 §6)."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}


async def redeem(tools: Tools, endpoint: str, client: Client, grant: Mapping[str, str]) -> Tokens:
    """Exchange a grant for tokens, once.

    Raises:
        TokenRefused: the upstream said no.
        UpstreamInvalid: the answer is not one.
        UpstreamUnavailable: no answer; a code may be spent, so the login starts anew.
    """
    form = dict(grant)
    basic = _authenticate(tools, client, form)
    return read_tokens(await tools.http.post(endpoint, form, basic=basic))


def _authenticate(tools: Tools, client: Client, form: dict[str, str]) -> tuple[str, Secret] | None:
    """Exactly one method (RFC 6749 §2.3): either the header that is returned, or members of the form."""
    if client.method == "client_secret_basic":
        return client.client_id, _secret(client)
    form["client_id"] = client.client_id
    if client.method == "client_secret_post":
        form["client_secret"] = _secret(client).reveal()
    elif client.method in {"private_key_jwt", "client_secret_jwt"}:
        form["client_assertion_type"] = _JWT_BEARER
        form["client_assertion"] = tools.client_assertion(
            client_id=client.client_id,
            audience=client.assertion_audience or "",
            secret=_secret(client) if client.method == "client_secret_jwt" else None,
            **({} if client.x5t is None else {"x5t": client.x5t}),
        )
    # By certificate it is the connection that proves it, and client_id names whom (RFC 8705 §2).
    return None


def _secret(client: Client) -> Secret:
    if client.secret is None:
        raise UpstreamInvalid("no_client_secret", f"{client.method} without a client_secret")
    return client.secret


def read_tokens(answer: Answer) -> Tokens:
    """The tokens in a token response (RFC 6749 §5.1), or its error, whatever its status (§5.2)."""
    try:
        members = answer.json()
    except UpstreamInvalid as error:
        raise UpstreamInvalid("token_not_json", f"status {answer.status}: {error.detail}") from error
    if not isinstance(members, dict):
        raise UpstreamInvalid("token_not_json", f"status {answer.status}, no object")
    if "error" in members:
        raise _token_error(members)
    if answer.status != _OK:
        said = members.get("errorSummary", "")  # where an API in front of it answered in words of its own
        raise UpstreamInvalid("token_bad_status", f"status {answer.status} {printable(str(said))}".rstrip())
    access_token = _text(members, "access_token")
    if access_token is not None and str(members.get("token_type")).lower() != "bearer":
        raise UpstreamInvalid("token_type_unknown", printable(str(members.get("token_type"))))
    return Tokens(
        access_token=access_token,
        id_token=_text(members, "id_token"),
        refresh_token=_text(members, "refresh_token"),
        expires_in=_seconds(members.get("expires_in")),
        scope=members["scope"] if isinstance(members.get("scope"), str) else None,
    )


def _token_error(members: Mapping[str, Json]) -> TokenRefused | UpstreamUnavailable:
    error, description = str(members["error"]), printable(str(members.get("error_description", "")))
    if error in _LATER:
        return UpstreamUnavailable(f"the token endpoint says {error}")
    return TokenRefused(error, description, members)


def _seconds(value: Json) -> int | None:
    """Some write the number as text; what is no sane number is not told (RFC 6749 §5.1)."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    sane = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LONGEST
    return value if sane else None


def _text(members: Mapping[str, Json], name: str) -> str | None:
    value = members.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    raise UpstreamInvalid("token_malformed", f"{name} is no text")
