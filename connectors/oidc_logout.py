"""The end of a session at an OpenID Provider: where the browser ends it, and what the provider says of it.

RP-Initiated Logout 1.0 §2 and §3; Back-Channel Logout 1.0 §2.4 and §2.6. Owns where a browser goes for that
and what is kept of a login for it. No ``state`` is sent: where the browser comes back to, nothing is looked
for. What the metadata says of it is read only when somebody signs out, so that no login fails for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker.connector import ExpectedLogout, IssuerRule, Json, LoggedOut, Tools, UpstreamInvalid
from connectors import oidc_metadata
from connectors.oauth2 import Tokens
from connectors.oidc_encrypted import opened
from connectors.oidc_settings import Settings

_DOTS_OF_ENCRYPTED = 4
_NO_INSTANT = 1e11
LONGEST_HINT = 6144
"""Characters of an ID Token that still goes into a URL: most servers read eight kilobytes of one."""


def endpoint(metadata: oidc_metadata.Metadata, settings: Settings) -> str | None:
    """Where the browser goes; None where nobody says.

    Raises:
        UpstreamInvalid: it is no place to send a browser to.
    """
    return oidc_metadata.endpoint(metadata.document, "end_session_endpoint", settings.end_session_endpoint)


async def named(
    tools: Tools, settings: Settings, metadata: oidc_metadata.Metadata, token: str, issuer: str | IssuerRule
) -> LoggedOut:
    """What a logout token ends, the token checked in full; an encrypted one as ID Tokens are (§2.4).

    Raises:
        UpstreamError: it is not to be believed, or nobody can tell now.
    """
    how, enc = settings.id_token_encrypted_response_alg, settings.id_token_encrypted_response_enc
    if token.count(".") == _DOTS_OF_ENCRYPTED:
        token = opened(tools, token, how, enc)
    expected = ExpectedLogout(
        issuer=issuer,
        client_id=settings.client_id,
        algorithms=settings.id_token_signing_algs,
        trusted_audiences=settings.token_audiences,
    )
    claims = await tools.verify.logout_token(token, jwks_uri=metadata.jwks_uri, expected=expected)
    return LoggedOut(
        issuer=claims["iss"], jti=claims["jti"], sid=claims.get("sid"), subject=claims.get("sub")
    )


def session_ends(claims: Mapping[str, Json]) -> int | None:
    """When its session is over, where its ID Token says so (``session_expiry``, seconds since the epoch).

    Raises:
        UpstreamInvalid: what it says is no instant.
    """
    ends = claims.get("session_expiry")
    if ends is None:
        return None
    if isinstance(ends, bool) or not isinstance(ends, int | float) or not 0 < ends < _NO_INSTANT:
        raise UpstreamInvalid("session_expiry_malformed", "session_expiry is no instant")
    return int(ends)


def hint(tokens: Tokens) -> Mapping[str, str]:
    """The ID Token as it came, but decrypted (§2), if it is not too long for a URL."""
    token = tokens.id_token
    return {} if token is None or len(token) > LONGEST_HINT else {"id_token_hint": token}
