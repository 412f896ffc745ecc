"""What is kept of a login so that the upstream can be asked again without the person.

Owns its members, which nobody else reads. OpenID Connect Core §12.2: an ID Token of a refresh is about the
same issuer and person; where none comes, what the last one said still holds. Nothing is kept where nothing
can be asked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from broker.connector import Json, UpstreamInvalid, UpstreamToken
from connectors.oauth2 import Tokens

_PASSING = ("aud", "azp", "exp", "iat", "nbf", "jti", "at_hash", "c_hash", "s_hash")
"""Claims about one token, of no use once it was checked."""
_ITS_OWN = frozenset({"iss", "sub", "nonce", "auth_time", "acr", "amr", "sid"})
"""Claims that are only the ID Token's to say: whose it is, and how they signed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was kept."""

    claims: Mapping[str, Json]
    """What the last ID Token said."""
    told: Mapping[str, bool]
    """Those of its claims that userinfo told too, and so can take back; and whether in the same words."""
    refresh_token: str | None = field(repr=False)
    access_token: str | None = field(repr=False)
    expires_at: float | None
    """When the access token ends, where that was told."""

    @property
    def token(self) -> UpstreamToken | None:
        """The access token as it was kept."""
        if self.access_token is None:
            return None
        ends = None if self.expires_at is None else int(self.expires_at)
        return UpstreamToken(access_token=self.access_token, expires_at=ends)


def keep(
    tokens: Tokens, claims: Mapping[str, Any], userinfo: Mapping[str, Json] | None, *, now: float
) -> dict[str, str]:
    """What to keep: a refresh token, or the access token where userinfo is what is asked.

    ``userinfo`` is what it said; None where it is not asked.
    """
    if tokens.refresh_token is not None:
        kept = {"refresh_token": tokens.refresh_token}
    elif userinfo is not None and tokens.access_token is not None:
        kept = {"access_token": tokens.access_token}
        if tokens.expires_in is not None:
            kept["expires_at"] = str(int(now) + tokens.expires_in)
    else:
        return {}
    lasting = {name: value for name, value in claims.items() if name not in _PASSING}
    kept["claims"] = _written(lasting)
    if userinfo is not None:
        both = sorted(lasting.keys() & userinfo.keys() - _ITS_OWN)
        kept["told"] = _written({name: lasting[name] == userinfo[name] for name in both})
    return kept


def as_of_now(
    claims: Mapping[str, Json], userinfo: Mapping[str, Json], told: Mapping[str, bool]
) -> dict[str, Json]:
    """What an older ID Token says, as far as userinfo, which told that too, has nothing newer to say."""
    still = {name: value for name, value in claims.items() if name not in told or userinfo.get(name)}
    return still | {name: userinfo[name] for name, same in told.items() if same and userinfo.get(name)}


def _written(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


def read(kept: Mapping[str, str]) -> Kept:
    """What was kept, as it is used.

    Raises:
        UpstreamInvalid: it is not what this connector keeps.
    """
    try:
        claims = json.loads(kept["claims"])
        expires_at = float(kept["expires_at"]) if "expires_at" in kept else None
        told = dict(json.loads(kept.get("told", "{}")))
        sound = isinstance(claims["iss"], str) and isinstance(claims["sub"], str)
    except (KeyError, TypeError, ValueError) as error:
        raise UpstreamInvalid("kept_unreadable", type(error).__name__) from error
    if not sound:
        raise UpstreamInvalid("kept_unreadable")
    return Kept(
        claims=claims,
        told=told,
        refresh_token=kept.get("refresh_token"),
        access_token=kept.get("access_token"),
        expires_at=expires_at,
    )
