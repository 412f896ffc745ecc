"""How a client app proves who it is: what its keys say together, and what comes of it.

RFC 7591 §2 (``jwks`` or ``jwks_uri``); RFC 7518 §3.2 (secrets as long as the hash); RFC 8705 §2.1.2 (one
name of a certificate). Owns the rules between those keys.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

from broker.config.written_client import ClientEntry
from broker.jose import ASYMMETRIC, HMAC, SHORTEST, KeySet
from broker.protocol.client import secret_digest
from broker.protocol.metadata_values import CERTIFICATE_NAMES
from broker.protocol.public_jwks import PRIVATE
from broker.protocol.uris import check_redirect_uri

METHOD = "token_endpoint_auth_method"
BY_SECRET: Final = frozenset({"client_secret_basic", "client_secret_post", "client_secret_jwt"})
BY_KEYS: Final = frozenset({"private_key_jwt", "self_signed_tls_client_auth"})
BY_ASSERTION: Final = frozenset({"private_key_jwt", "client_secret_jwt"})
_HASHED = "$argon2"
_SAME = (
    METHOD,
    "token_endpoint_auth_signing_alg",
    "allow_token_endpoint_audience",
    "jwks",
    "jwks_uri",
    *CERTIFICATE_NAMES,
    "tls_client_certificate_bound_access_tokens",
    "dpop_bound_access_tokens",
    "dpop_nonce",
)
_AGREEING = ("X25519", "X448")

Wrong = Callable[[str, str], None]
Knows = Callable[..., bool]


def fields(entry: ClientEntry) -> dict[str, Any]:
    """What a `Client` has of it. A secret stays in plain only where it must be computed with."""
    said = [secret.reveal() for secret in entry.client_secret or ()]
    hashed = tuple(secret for secret in said if secret.startswith(_HASHED))
    plain = tuple(secret for secret in said if secret not in hashed)
    computed = entry.token_endpoint_auth_method == "client_secret_jwt"
    return {
        **{name: getattr(entry, name) for name in _SAME},
        "secret_digests": () if computed else tuple(secret_digest(secret) for secret in plain),
        "secret_hashes": hashed,
        "secrets": plain if computed else (),
    }


def check(entry: ClientEntry, knows: Knows, wrong: Wrong, *, has_secret: bool) -> None:
    """What is wrong with it; ``wrong`` is told the key and why."""
    if knows(METHOD):
        _secret(entry, wrong, has_secret=has_secret)
        _algorithm(entry, knows, wrong)
        _certificate_name(entry, knows, wrong)
    _secrets(entry, knows, wrong)
    _keys(entry, knows, wrong)


def _secret(entry: ClientEntry, wrong: Wrong, *, has_secret: bool) -> None:
    method = entry.token_endpoint_auth_method
    if method in BY_SECRET:
        if not has_secret:
            advice = f"; an app that cannot keep one has {METHOD}: none"
            wrong("client_secret", "missing" + (advice if entry.grant_types else ""))
        return
    if has_secret and method == "none":
        wrong("client_secret", f"a public client ({METHOD}: none) has no secret")
    elif has_secret:
        wrong("client_secret", f"an app that proves itself by {method} has no secret")


def _secrets(entry: ClientEntry, knows: Knows, wrong: Wrong) -> None:
    if not knows("client_secret", METHOD, "token_endpoint_auth_signing_alg"):
        return
    computed = entry.token_endpoint_auth_method == "client_secret_jwt"
    alg = entry.token_endpoint_auth_signing_alg or "HS256"
    for secret in (secret.reveal() for secret in entry.client_secret or ()):
        if secret.startswith(_HASHED):
            if not _is_argon2id(secret):
                wrong("client_secret", "not a hash that `broker clients hash` writes: Argon2id alone")
            elif computed:
                wrong("client_secret", "client_secret_jwt needs the secret itself, not a hash of it")
        elif computed and alg in SHORTEST and len(secret.encode()) < SHORTEST[alg]:
            wrong("client_secret", f"too short: {alg} needs at least {SHORTEST[alg]} random characters")


def _is_argon2id(text: str) -> bool:
    from argon2 import Type, extract_parameters  # noqa: PLC0415  (few secrets are hashed)
    from argon2.exceptions import InvalidHashError  # noqa: PLC0415

    try:
        return extract_parameters(text).type is Type.ID
    except InvalidHashError:
        return False


def _algorithm(entry: ClientEntry, knows: Knows, wrong: Wrong) -> None:
    alg, method = entry.token_endpoint_auth_signing_alg, entry.token_endpoint_auth_method
    if alg is not None and knows("token_endpoint_auth_signing_alg"):
        if method not in BY_ASSERTION:
            wrong("token_endpoint_auth_signing_alg", f"{method} signs nothing")
        elif (alg in HMAC) != (method == "client_secret_jwt"):
            wrong("token_endpoint_auth_signing_alg", f"{method} does not sign by {alg}")
    if entry.allow_token_endpoint_audience and method not in BY_ASSERTION:
        wrong("allow_token_endpoint_audience", f"{method} has no audience")


def _keys(entry: ClientEntry, knows: Knows, wrong: Wrong) -> None:
    if entry.jwks is not None and entry.jwks_uri is not None:
        wrong("jwks_uri", "either this or jwks")
    none = entry.jwks is None and entry.jwks_uri is None
    if none and knows(METHOD, "jwks", "jwks_uri") and entry.token_endpoint_auth_method in BY_KEYS:
        wrong("jwks", f"missing; {entry.token_endpoint_auth_method} needs jwks or jwks_uri")
    if entry.jwks is not None:
        _jwks(entry.jwks, wrong)
    if entry.jwks_uri is not None:
        try:
            check_redirect_uri(entry.jwks_uri, "web")
        except ValueError as error:
            wrong("jwks_uri", str(error))


def _jwks(jwks: dict[str, Any], wrong: Wrong) -> None:
    listed = jwks.get("keys")
    if not isinstance(listed, list) or not listed or not all(isinstance(key, dict) for key in listed):
        wrong("jwks", "expected a JWK set: {keys: [{kty: …}, …]}")
        return
    if any(PRIVATE & key.keys() for key in listed):
        wrong("jwks", "holds a private key or a secret; only the app itself may have that")
    for key in listed:
        # A key for encryption is read by whoever encrypts to it; what says nothing may be for both.
        signs = key.get("use", "sig") == "sig" and key.get("alg", "RS256") in ASYMMETRIC
        if signs and key.get("crv") not in _AGREEING and not KeySet.from_jwks({"keys": [key]}).keys:
            wrong("jwks", "holds a key that cannot be read: malformed, too short, or of a kind nobody knows")


def _certificate_name(entry: ClientEntry, knows: Knows, wrong: Wrong) -> None:
    said = [name for name in CERTIFICATE_NAMES if getattr(entry, name) is not None]
    if entry.token_endpoint_auth_method != "tls_client_auth":
        for name in said:
            wrong(name, f"{entry.token_endpoint_auth_method} looks at no name; tls_client_auth does")
        return
    if not said and knows(*CERTIFICATE_NAMES):
        wrong(CERTIFICATE_NAMES[0], "missing; tls_client_auth needs one name of the app's certificate")
    for name in said[1:]:
        wrong(name, f"one name of the certificate is enough, and {said[0]} is there")
    try:
        if entry.tls_client_auth_subject_dn is not None:
            from broker.clients.certificates import read_dn  # noqa: PLC0415  (few apps have certificates)

            read_dn(entry.tls_client_auth_subject_dn)
    except ValueError:
        wrong(CERTIFICATE_NAMES[0], "not a distinguished name such as CN=billing,O=Acme")
    try:
        if entry.tls_client_auth_san_ip is not None:
            ip_address(entry.tls_client_auth_san_ip)
    except ValueError:
        wrong("tls_client_auth_san_ip", "not an IP address")
