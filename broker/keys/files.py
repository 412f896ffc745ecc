"""Signing keys that the operator keeps as PEM files (``keys.files``), and rotates by changing the list.

Owns their reading. Of several files for an algorithm the first signs and the others are published: put the
next key second, wait until every cache has seen it, and let the two change places.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from broker.jose import JoseError, SigningKey
from broker.keys.errors import KeysMisconfigured
from broker.protocol.client import SigningAlg

_IN_NAME: tuple[SigningAlg, ...] = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")


def load(files: Sequence[Path]) -> tuple[SigningKey, ...]:
    """The keys in ``files``. An RSA key signs RS256, or PS256 where the file's name says ``ps256``.

    Raises:
        KeysMisconfigured: a file holds no key that signs, or the same key stands in two.
    """
    found: dict[str, SigningKey] = {}
    for file in files:
        key = _load(file)
        if key.kid in found:
            raise KeysMisconfigured(f"keys.files: {file}: this key is also in another file of the list")
        found[key.kid] = key
    return tuple(found.values())


def _load(file: Path) -> SigningKey:
    named = next((alg for alg in _IN_NAME if alg.lower() in file.stem.lower()), None)
    try:
        return SigningKey.from_pem(file.read_bytes(), named)
    except OSError as error:
        raise KeysMisconfigured(f"keys.files: {file}: {error.strerror}") from None
    except JoseError as error:
        raise KeysMisconfigured(f"keys.files: {file}: {error}") from None
