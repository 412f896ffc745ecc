"""XML Encryption, as far as SAML uses it: from an EncryptedAssertion to the assertion.

Owns `decrypted`. XML Encryption 1.1 §5.2 and §5.5; SAML Core §6. Keys come by RSA-OAEP only. AES-GCM opens by
itself; AES-CBC only out of a Response whose own signature has been verified, because CBC tells whoever may
change the ciphertext what is in it (§6.1.4 there), and then nobody may. Whatever goes wrong is one error, and
a key that does not open is replaced by one that opens nothing, so that it takes as long.
"""

from __future__ import annotations

import secrets
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from broker.connector import UpstreamInvalid
from connectors.saml2.xml import DS, MAX_RESPONSE, SAML, XENC, XENC11, Element, child, parse, plain_text, q

_GCM = {f"{XENC11}aes{bits}-gcm": bits // 8 for bits in (128, 192, 256)}
_CBC = {f"{XENC}aes{bits}-cbc": bits // 8 for bits in (128, 192, 256)}
_OAEP_MGF1P, _OAEP = f"{XENC}rsa-oaep-mgf1p", f"{XENC11}rsa-oaep"
_DIGESTS: dict[str, type[hashes.HashAlgorithm]] = {
    f"{DS}sha1": hashes.SHA1,  # in OAEP nothing hangs on its collisions (RFC 8017 §B.1)
    f"{XENC}sha256": hashes.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384,
    f"{XENC}sha512": hashes.SHA512,
}
_MASKS: dict[str, type[hashes.HashAlgorithm]] = {
    f"{XENC11}mgf1sha1": hashes.SHA1,
    f"{XENC11}mgf1sha256": hashes.SHA256,
    f"{XENC11}mgf1sha384": hashes.SHA384,
    f"{XENC11}mgf1sha512": hashes.SHA512,
}
_BLOCK, _IV, _TAG = 16, 12, 16
_MAX_KEYS = 4


@dataclass(frozen=True, slots=True)
class _Sealed:
    """One EncryptedAssertion, read."""

    algorithm: str
    ciphertext: bytes
    keys: tuple[Element, ...]


def decrypted(encrypted: Element, keys: Sequence[rsa.RSAPrivateKey], *, authentic: bool) -> Element:
    """The assertion in it. ``authentic`` where a verified signature covers the ciphertext.

    Raises:
        UpstreamInvalid: it does not open, and nothing says why.
    """
    if not keys:
        raise UpstreamInvalid("encryption_unexpected", "no key of ours opens anything")
    sealed = _sealed(encrypted)
    if sealed.algorithm not in _GCM and not (authentic and sealed.algorithm in _CBC):
        raise UpstreamInvalid("encryption_algorithm", "AES-GCM, or AES-CBC in a signed Response")
    size = (_GCM | _CBC)[sealed.algorithm]
    tried = [(wrapped, key) for wrapped in sealed.keys for key in keys]
    opened = [_opened(sealed, _unwrapped(wrapped, key, size)) for wrapped, key in tried]
    plain = next((one for one in opened if one is not None), None)
    try:
        assertion = parse(plain or b"", most=MAX_RESPONSE)
    except UpstreamInvalid:
        raise UpstreamInvalid("decryption_failed") from None
    if assertion.tag != q(SAML, "Assertion"):
        raise UpstreamInvalid("decryption_failed")
    return assertion


def _sealed(encrypted: Element) -> _Sealed:
    data = child(encrypted, XENC, "EncryptedData")
    method = None if data is None else child(data, XENC, "EncryptionMethod")
    if data is None or method is None:
        raise UpstreamInvalid("encryption_malformed", "no EncryptedData, or no method")
    # The key stands in the data's KeyInfo, or beside the data (Core §2.3.4).
    keys = tuple(encrypted.iter(q(XENC, "EncryptedKey")))
    if not 0 < len(keys) <= _MAX_KEYS:
        raise UpstreamInvalid("encryption_malformed", f"{len(keys)} encrypted keys")
    for key in keys:
        if _transport(key) is None:
            raise UpstreamInvalid("encryption_algorithm", "RSA-OAEP only")
    return _Sealed(method.get("Algorithm", ""), _cipher_value(data), keys)


def _cipher_value(element: Element) -> bytes:
    data = child(element, XENC, "CipherData")
    value = None if data is None else child(data, XENC, "CipherValue")
    try:
        return b64decode("".join(plain_text(value).split()), validate=True)
    except ValueError:
        raise UpstreamInvalid("encryption_malformed", "no base64") from None


def _transport(wrapped: Element) -> padding.OAEP | None:
    """How the key was wrapped; None for every way but OAEP."""
    method = child(wrapped, XENC, "EncryptionMethod")
    algorithm = "" if method is None else method.get("Algorithm", "")
    if (
        method is None
        or algorithm not in (_OAEP_MGF1P, _OAEP)
        or child(method, XENC, "OAEPparams") is not None
    ):
        return None
    digest, mask = child(method, DS, "DigestMethod"), child(method, XENC11, "MGF")
    hashed = hashes.SHA1 if digest is None else _DIGESTS.get(digest.get("Algorithm", ""))
    masked = (
        hashes.SHA1 if mask is None or algorithm == _OAEP_MGF1P else _MASKS.get(mask.get("Algorithm", ""))
    )
    if hashed is None or masked is None:
        return None
    return padding.OAEP(mgf=padding.MGF1(masked()), algorithm=hashed(), label=None)


def _unwrapped(wrapped: Element, key: rsa.RSAPrivateKey, size: int) -> bytes:
    """The content key; where it does not come out, one that opens nothing."""
    instead, transport = secrets.token_bytes(size), _transport(wrapped)
    if transport is None:
        return instead
    try:
        found = key.decrypt(_cipher_value(wrapped), transport)
    except ValueError:
        return instead
    return found if len(found) == size else instead


def _opened(sealed: _Sealed, key: bytes) -> bytes | None:
    if sealed.algorithm in _CBC:
        return _from_cbc(sealed.ciphertext, key)
    try:
        return AESGCM(key).decrypt(sealed.ciphertext[:_IV], sealed.ciphertext[_IV:], None)
    except (InvalidTag, ValueError):
        return None


def _from_cbc(ciphertext: bytes, key: bytes) -> bytes | None:
    """The last octet says how many were added (§5.2.1); only ever asked of what was signed."""
    iv, rest = ciphertext[:_BLOCK], ciphertext[_BLOCK:]
    if not rest or len(rest) % _BLOCK:
        return None
    decryptor = Cipher(AES(key), CBC(iv)).decryptor()
    padded = decryptor.update(rest) + decryptor.finalize()
    added = padded[-1]
    return padded[:-added] if 1 <= added <= _BLOCK else None
