"""Signed tokens: the keys that sign and verify, and the one strict reader of compact JWS.

Owns everything JOSE: `keys` (RFC 7517, RFC 7638), `signatures` (RFC 7518), `compact` (RFC 7515, RFC 8725),
`encrypted` and `encrypting` (RFC 7516). Claims are for whoever asked; what is proved here is only who signed.
"""

from broker.jose.compact import ABSENT, Signed, read, sign, sign_with_secret, unverified, verify
from broker.jose.encrypted import ENCODINGS, DecryptionKey
from broker.jose.encrypting import DEFAULT_ENCODING, WRAPPINGS, EncryptionKey
from broker.jose.keys import (
    JoseError,
    KeySet,
    SigningKey,
    UnknownKid,
    VerificationKey,
    is_fit_rsa,
    thumbprint,
    thumbprint_of,
)
from broker.jose.proofs import Proof, read_proof
from broker.jose.shared import HMAC, SHORTEST, read_with_secret
from broker.jose.signatures import ASYMMETRIC

__all__ = [
    "ABSENT",
    "ASYMMETRIC",
    "DEFAULT_ENCODING",
    "ENCODINGS",
    "HMAC",
    "SHORTEST",
    "WRAPPINGS",
    "DecryptionKey",
    "EncryptionKey",
    "JoseError",
    "KeySet",
    "Proof",
    "Signed",
    "SigningKey",
    "UnknownKid",
    "VerificationKey",
    "is_fit_rsa",
    "read",
    "read_proof",
    "read_with_secret",
    "sign",
    "sign_with_secret",
    "thumbprint",
    "thumbprint_of",
    "unverified",
    "verify",
]
