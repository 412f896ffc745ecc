"""What an OpenID Provider encrypted to us: an ID Token or a userinfo answer (Core §16.14; RFC 7516)."""

from __future__ import annotations

from broker.connector import Tools
from connectors.oidc_settings import ENCODINGS, Encoding, KeyManagement


def opened(tools: Tools, token: str, how: KeyManagement | None, enc: Encoding | None) -> str:
    """The signed token inside; the token itself where no encryption was agreed on.

    Raises:
        UpstreamInvalid: it was, and this is not encrypted so.
    """
    if how is None:
        return token
    return tools.verify.opened(token, algorithm=how, encodings=ENCODINGS if enc is None else (enc,))
