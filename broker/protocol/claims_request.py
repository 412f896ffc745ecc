"""The ``claims`` parameter: individual claims, asked for by name (OpenID Connect Core §5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker.protocol.errors import InvalidRequest
from broker.protocol.flow import ClaimAsk, ClaimsRequest
from broker.strictjson import StrictJSONError, parse_object

_MAX_BYTES = 8192
_TEXTS = ("acr", "sub")
"""What a login is held against: a value that could never fit must not pass for no wish at all."""


def _malformed(detail: str) -> InvalidRequest:
    return InvalidRequest("The claims parameter is malformed.", reason="claims_malformed", detail=detail)


def _ask(entry: Any) -> ClaimAsk:
    if entry is None:
        return ClaimAsk()
    if not isinstance(entry, Mapping):
        raise _malformed("a claim is asked for with neither null nor an object")
    essential = entry.get("essential", False)
    values = entry.get("values", [])
    if not isinstance(essential, bool) or not isinstance(values, list):
        raise _malformed("essential is no boolean, or values no list")
    single = (entry["value"],) if "value" in entry else ()
    return ClaimAsk(essential=essential, values=(*single, *values))


def _asks(document: Mapping[str, Any], place: str) -> dict[str, ClaimAsk]:
    members = document.get(place)
    if members is None:
        return {}
    if not isinstance(members, Mapping):
        raise _malformed(f"{place} is no object")
    asks = {name: _ask(entry) for name, entry in members.items()}
    if any(not isinstance(value, str) for name in _TEXTS if name in asks for value in asks[name].values):
        raise _malformed("acr or sub is asked for with something other than a string")
    return asks


def read(text: str | None) -> ClaimsRequest:
    """What the parameter asks for; nothing when it is absent.

    Raises:
        InvalidRequest: it is not the JSON object of Core §5.5.
    """
    if text is None:
        return ClaimsRequest()
    try:
        document = parse_object(text.encode(), max_bytes=_MAX_BYTES)
    except StrictJSONError as error:
        raise _malformed(str(error)) from error
    return ClaimsRequest(id_token=_asks(document, "id_token"), userinfo=_asks(document, "userinfo"))


def essential_acr(claims: ClaimsRequest) -> tuple[str, ...]:
    """The ``acr`` values of which one must be reached (Core §5.5.1.1); empty when none must."""
    ask = claims.id_token.get("acr")
    if ask is None or not ask.essential:
        return ()
    return ask.values


def needs_auth_time(claims: ClaimsRequest) -> bool:
    """Whether ``auth_time`` is essential, and so required of the ID Token (Core §2)."""
    ask = claims.id_token.get("auth_time")
    return ask is not None and ask.essential


def names_somebody_else(claims: ClaimsRequest, subject: str) -> bool:
    """Whether ``sub`` is asked for with values that are not this person's (Core §5.5.1)."""
    if not claims.id_token and not claims.userinfo:
        return False
    asks = (place.get("sub") for place in (claims.id_token, claims.userinfo))
    return any(subject not in ask.values for ask in asks if ask is not None and ask.values)
