"""Everything that is stored, sealed: AES-256-GCM under keys derived from ``store.encryption_keys``.

Owns the sealed form of a record and the derivation of every symmetric key of the store, one per
purpose (NIST SP 800-38D; RFC 5869 for HKDF; RFC 5116 §3.2 on nonces).

A sealed value is  version (1 byte) ‖ key id (4) ‖ nonce (12) ‖ ciphertext and tag.  The name of the
Redis key, with the field where it is one of a hash, is authenticated with it and goes into the key:

- an answer that belongs to another key does not open, whatever mixed it up;
- a value that somebody copied to another name does not open;
- each name has a key of its own, so chance nonces never come near the limit of 2³² per key.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from broker.connector import Secret
from broker.store.errors import StoreMisconfigured, alarm

VERSION = b"\x01"
_ID, _NONCE, _TAG = 4, 12, 16
_HEAD = len(VERSION) + _ID + _NONCE
MIN_SECRET = 32


def _derive(secret: bytes, purpose: str, length: int = 32) -> bytes:
    return HKDF(
        algorithm=SHA256(), length=length, salt=None, info=b"federation broker\0" + purpose.encode()
    ).derive(secret)


class _Key:
    """What one configured secret gives: a key for each purpose, and its public short name."""

    __slots__ = ("handles", "id", "marks", "nonces", "records", "successors")

    def __init__(self, secret: Secret, workspace: str) -> None:
        text = secret.reveal().encode()
        if len(text) < MIN_SECRET:
            raise StoreMisconfigured(
                "weak_key", f"store.encryption_keys: a key needs at least {MIN_SECRET} random characters"
            )
        # Each workspace has keys of its own: what one sealed or tagged says nothing to another.
        whose = f"workspace\0{workspace}\0" if workspace else ""
        self.id = _derive(text, f"{whose}store key id", _ID)
        self.records = _derive(text, f"{whose}store records")
        self.successors = _derive(text, f"{whose}store refresh successors")
        self.handles = _derive(text, f"{whose}handle tags")
        self.nonces = _derive(text, f"{whose}dpop nonces")
        self.marks = _derive(text, f"{whose}marks of chosen secrets")


class Vault:
    """Seals and opens. The first key seals, all of them open, so keys can be rotated."""

    def __init__(self, keys: Sequence[Secret], *, workspace: str = "") -> None:
        if not keys:
            raise StoreMisconfigured("no_key", "store.encryption_keys: at least one key is needed")
        made = [_Key(secret, workspace) for secret in keys]
        self._first = made[0]
        self._by_id = {key.id: key for key in reversed(made)}
        self.handle_keys: tuple[bytes, ...] = tuple(key.handles for key in made)
        """For `protocol.handles`: the first tags, all are accepted."""
        self.nonce_keys: tuple[bytes, ...] = tuple(key.nonces for key in made)
        """For the nonces of `protocol.dpop`: the first makes them, all are accepted."""
        self.mark_key = self._first.marks
        """For what is kept of a secret that somebody chose."""

    def seal(self, name: str, data: bytes) -> bytes:
        """``data``, such that only `open` with the same name gives it back."""
        return _seal(self._first.id, _for(self._first.records, name), name, data)

    def open(self, name: str, sealed: bytes) -> bytes:
        """What was sealed under ``name``.

        Raises:
            StoreCorrupt: it was not sealed by us under this name.
        """
        return _open(_for(self._key(name, sealed).records, name), name, sealed)

    def seal_successor(self, predecessor: str, name: str, successor: str) -> bytes:
        """The next refresh token, for whoever holds the one before it: the store alone cannot open it."""
        key = _for(self._first.successors, predecessor)
        return _seal(self._first.id, key, name, successor.encode())

    def open_successor(self, predecessor: str, name: str, sealed: bytes) -> str:
        """The refresh token that followed ``predecessor``.

        Raises:
            StoreCorrupt: this is not the successor of that token.
        """
        key = _for(self._key(name, sealed).successors, predecessor)
        return _open(key, name, sealed).decode()

    def _key(self, name: str, sealed: bytes) -> _Key:
        if len(sealed) < _HEAD + _TAG or sealed[:1] != VERSION:
            raise alarm("not_sealed", f"the value of {name} is not of a version we know")
        key = self._by_id.get(sealed[1 : 1 + _ID])
        if key is None:
            raise alarm("unknown_key", f"the value of {name} is sealed under none of store.encryption_keys")
        return key


def _for(key: bytes, context: str) -> bytes:
    # Keyed BLAKE2b is a PRF (RFC 7693 §2.9), at a third of what HMAC costs here.
    return blake2b(context.encode(), key=key, digest_size=32).digest()


def _seal(key_id: bytes, key: bytes, name: str, data: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return VERSION + key_id + nonce + AESGCM(key).encrypt(nonce, data, name.encode())


def _open(key: bytes, name: str, sealed: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[_HEAD - _NONCE : _HEAD], sealed[_HEAD:], name.encode())
    except InvalidTag:
        raise alarm("seal_broken", f"the value of {name} was not stored under this name") from None
