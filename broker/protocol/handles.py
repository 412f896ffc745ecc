"""The opaque strings that we hand out: codes, refresh tokens, opaque access tokens.

A handle names its grant and carries a secret of its own and a tag. The tag proves that we made it, so
rubbish never reaches the store, and an old refresh token is told from a forged one without keeping
every old one. The store keeps only `digest`. RFC 6749 §10.10: 192 bits of the secret are chance.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from hashlib import blake2b, sha256
from typing import ClassVar, Literal

from broker.protocol import base64url
from broker.record import Record

Purpose = Literal["code", "refresh", "access"]

GRANT_BYTES, SECRET_BYTES, TAG_BYTES = 15, 24, 12
_LENGTH = (GRANT_BYTES + SECRET_BYTES + TAG_BYTES) * 4 // 3


def digest(value: str) -> str:
    """How a handle is named in the store: SHA-256 in hex."""
    return sha256(value.encode()).hexdigest()


def _tag(key: bytes, purpose: Purpose, body: bytes) -> bytes:
    return blake2b(body, key=key, person=purpose.encode(), digest_size=TAG_BYTES).digest()  # RFC 7693 §2.9


class Handle(Record, frozen=True):
    """A handle that we made. ``text`` is the secret that travels."""

    HIDDEN: ClassVar = frozenset({"text"})
    grant_id: str
    text: str

    @property
    def digest(self) -> str:
        """What the store may know of it."""
        return digest(self.text)


def grant_id(chance: bytes) -> str:
    """The public name of a grant, from 15 fresh random bytes."""
    return base64url.encoded(chance)


def mint(purpose: Purpose, grant: str, chance: bytes, key: bytes) -> Handle:
    """A handle for ``grant`` from 24 fresh random bytes, tagged with ``key``."""
    body = urlsafe_b64decode(grant) + chance
    return Handle(grant, base64url.encoded(body + _tag(key, purpose, body)))


def parse(purpose: Purpose, text: str, keys: Sequence[bytes]) -> Handle | None:
    """The handle that ``text`` is, or None when we did not make it for this purpose."""
    if len(text) != _LENGTH or not text.isascii():
        return None
    try:
        raw = urlsafe_b64decode(text)
    except (Base64Error, ValueError):
        return None
    # Decoders forgive strangers in the text; a handle has one spelling.
    if base64url.encoded(raw) != text:
        return None
    body, tag = raw[:-TAG_BYTES], raw[-TAG_BYTES:]
    if not any(hmac.compare_digest(tag, _tag(key, purpose, body)) for key in keys):
        return None
    return Handle(base64url.encoded(body[:GRANT_BYTES]), text)
