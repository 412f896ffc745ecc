"""What an operator writes about how a client app proves who it is, and what it holds.

Owns those keys of an entry of ``clients``; the docstrings are the explanations in the reference page. RFC
7591 §2 and RFC 8705 §2.1.2 name them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

from broker import strictjson
from broker.config.words import Switch, Written
from broker.protocol.algorithms import ByKey, BySecret
from broker.protocol.client import AuthMethod

AssertionAlg = Literal[ByKey, BySecret]


def _key_set(value: Any, info: ValidationInfo) -> Any:
    """The set itself, or what is in the file that is named."""
    if not isinstance(value, str):
        return value
    path = Path((info.context or {}).get("directory", "")) / value
    try:
        return strictjson.parse_object(path.read_bytes())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueError(f"cannot read the JWK set in {path}: {why}") from None


Jwks = Annotated[
    dict[str, Any],
    BeforeValidator(_key_set),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string", "minLength": 1}]}),
]


class ProofEntry(Written):
    """How it proves who it is."""

    token_endpoint_auth_method: AuthMethod = "client_secret_basic"
    """How it proves who it is, wherever it calls the broker itself; `none` makes it a public client."""
    token_endpoint_auth_signing_alg: AssertionAlg | None = None
    """The only algorithm by which it signs its assertions (`private_key_jwt`, `client_secret_jwt`); without
    it any that its method has."""
    allow_token_endpoint_audience: Switch = False
    """Takes the URL of the token endpoint for the `aud` of its assertions beside the issuer. Only for an app
    that cannot say the issuer: whoever else has such an assertion could use it here."""
    jwks: Jwks | None = None
    """Its public keys as a JWK set, or the file with one: those that sign its assertions and requests, those
    that are encrypted to, and in `x5c` its own certificates."""
    jwks_uri: str | None = Field(default=None, min_length=1, max_length=2000)
    """Where its public keys are, instead of `jwks`. The broker fetches and keeps them."""
    tls_client_auth_subject_dn: str | None = Field(default=None, min_length=1, max_length=1000)
    """For `tls_client_auth`: the subject of its certificate, such as `CN=billing,O=Acme` (RFC 4514). Exactly
    one of this and the four that follow."""
    tls_client_auth_san_dns: str | None = Field(default=None, min_length=1, max_length=300)
    """The same: a DNS name in its certificate."""
    tls_client_auth_san_uri: str | None = Field(default=None, min_length=1, max_length=1000)
    """The same: a URI in its certificate."""
    tls_client_auth_san_ip: str | None = Field(default=None, min_length=1, max_length=100)
    """The same: an IP address in its certificate."""
    tls_client_auth_san_email: str | None = Field(default=None, min_length=1, max_length=300)
    """The same: an e-mail address in its certificate."""
    tls_client_certificate_bound_access_tokens: Switch = False
    """Binds its access tokens to the certificate that it shows when it asks for them (RFC 8705)."""
    dpop_bound_access_tokens: Switch = False
    """Gives it only access tokens that are bound to a key of its own (DPoP, RFC 9449). Without it an app that
    sends a proof gets such a token all the same."""
    dpop_nonce: Literal["optional", "required"] = "optional"
    """`required`: its proofs must carry a nonce that the broker gave it a moment ago."""
