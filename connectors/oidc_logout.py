"""Ending the browser's session at an OpenID Provider (RP-Initiated Logout 1.0 §2 and §3).

Owns where that is and what is kept of a login for it. No ``state`` is sent: where the browser comes back to,
nothing is looked for. What the metadata says of it is read only when somebody signs out, so that no login
fails for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from connectors import oidc_metadata
from connectors.oauth2 import Tokens
from connectors.oidc_settings import Settings

LONGEST_HINT = 6144
"""Characters of an ID Token that still goes into a URL: most servers read eight kilobytes of one."""


def endpoint(metadata: oidc_metadata.Metadata, settings: Settings) -> str | None:
    """Where the browser goes; None where nobody says.

    Raises:
        UpstreamInvalid: it is no place to send a browser to.
    """
    return oidc_metadata.endpoint(metadata.document, "end_session_endpoint", settings.end_session_endpoint)


def hint(tokens: Tokens) -> Mapping[str, str]:
    """The ID Token as it came, but decrypted (§2), if it is not too long for a URL."""
    token = tokens.id_token
    return {} if token is None or len(token) > LONGEST_HINT else {"id_token_hint": token}
