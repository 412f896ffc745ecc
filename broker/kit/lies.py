"""What the switches of a fake provider make of a token that was honest.

Owns the claims that are left out or changed, the headers that name other algorithms and keys, and the
signatures that are none. RFC 8725 §2 is the list of what is tried; RFC 7515 §4.1 the names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from broker.kit.forging import Key, b64, compact, strangers_key

CLAIMS = frozenset(
    {
        "iss",
        "aud",
        "azp",
        "nonce",
        "exp",
        "iat",
        "nbf",
        "sub",
        "at_hash",
        "c_hash",
        "auth_time",
        "acr",
        "amr",
        "sid",
    }
)
"""The claims that a switch of their name changes."""
_DAY = 86400


def changed(document: Mapping[str, Any], changes: Any) -> dict[str, Any]:
    """The document with members changed; None removes one. What is no dict changes nothing."""
    merged = {**document, **changes} if isinstance(changes, dict) else document
    return {name: value for name, value in merged.items() if value is not None}


def lied(claims: dict[str, Any], switches: Mapping[str, Any], now: int) -> dict[str, Any]:
    """The claims as the switches want them: left out, wrong, or something else."""
    wrong = {"exp": now - 3600, "iat": now + 3600, "nbf": now + 3600, "auth_time": now - _DAY}
    said = changed(claims, switches.get("claims"))
    for name in CLAIMS & switches.keys():
        value = switches[name]
        if value == "missing":
            said.pop(name, None)
        else:
            said[name] = wrong.get(name, f"wrong-{name}") if value == "wrong" else value
    return said


def header_of(honest: Mapping[str, Any], switches: Mapping[str, Any]) -> dict[str, Any]:
    """The header as the switches want it; ``header`` adds members, such as ``jwk`` or ``jku``."""
    said = {**honest, **{name: switches[name] for name in ("alg", "kid", "typ") if name in switches}}
    if switches.get("kid") == "missing":
        del said["kid"]
    return changed(said, switches.get("header"))


def signed(key: Key, header: dict[str, Any], claims: dict[str, Any], switches: Mapping[str, Any]) -> str:
    """A compact token over these, signed as the switches want it."""
    head, body = json.dumps(header), json.dumps(claims)
    body = switches.get("payload", body)
    double = switches.get("duplicate_keys")
    if double == "header":
        head = head.replace("{", '{"alg": "none", ', 1)
    elif double is not None:
        name = "sub" if double == "payload" else double
        body = body.replace("{", f'{{"{name}": "somebody else", ', 1)
    alg, signature = switches.get("alg"), switches.get("signature")
    if alg == "none" and signature is None:
        return f"{b64(head.encode())}.{b64(body.encode())}."
    if alg in {"HS256", "HS384", "HS512"}:
        forms = key.public_forms()
        secret = forms.get(str(switches.get("secret", "pem")))
        return compact(key, head, body, secret=secret or b64(b"no such form").encode())
    token = compact(strangers_key(key.alg) if signature == "foreign" else key, head, body)
    return _spoilt(token, signature)


def _spoilt(token: str, signature: object) -> str:
    """The token with its signature changed, or written in another way."""
    message, _, made = token.rpartition(".")
    if signature == "bad":
        return f"{message}.{'B' if made[0] == 'A' else 'A'}{made[1:]}"
    if signature == "empty":
        return f"{message}."
    if signature == "zero":
        return f"{message}.{'A' * len(made)}"
    if signature == "padded":
        return f"{token}=="
    if signature == "spaced":
        return f"{token}\n"
    if signature == "twice":
        return f"{token}.{made}"
    if signature == "json":
        head, _, body = message.partition(".")
        return json.dumps({"payload": body, "protected": head, "signature": made})
    if isinstance(signature, bytes):
        return f"{message}.{b64(signature)}"
    return token
