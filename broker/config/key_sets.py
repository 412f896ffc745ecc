"""The public keys of somebody whom the operator names: a file with a JWK set, or the URL of one.

Owns that exactly one of the two is said, and that it can be used. RFC 7517 §5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from broker import strictjson
from broker.protocol import public_jwks
from broker.protocol.uris import check_fetched

Wrong = Callable[[str, str], None]
"""Hears of a key of the entry what is wrong with it; of the entry itself by an empty name."""


def read(file: Path | None, uri: str | None, wrong: Wrong) -> Mapping[str, Any] | None:
    """The set in the file; None where a URL stands for it, or nothing that can be used does."""
    if (file is None) == (uri is None):
        wrong("", "needs one of jwks and jwks_uri")
    elif file is not None:
        return _in(file, wrong)
    elif uri is not None:
        try:
            check_fetched(uri)
        except ValueError as error:
            wrong("jwks_uri", str(error))
    return None


def _in(file: Path, wrong: Wrong) -> Mapping[str, Any] | None:
    try:
        found = strictjson.parse_object(file.read_bytes())
    except (OSError, strictjson.StrictJSONError) as error:
        wrong("jwks", f"cannot be read: {type(error).__name__}")
        return None
    objection = public_jwks.objection(found)
    if objection is not None:
        wrong("jwks", objection)
    return found
