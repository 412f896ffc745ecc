"""What is known of a login beside the documents: provenance, by the names that a map may read.

Owns the facts under ``upstream.``, ``connector.`` and ``client.``, and who vouches for an e-mail address.
Those of the protocol are what the verified answer said (OpenID Connect Core §2), and no better than who said
it: which upstream that was is ``connector.id``, which no upstream can choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UPSTREAM: Mapping[str, str] = {
    "issuer": "string",
    "idp": "string",
    "acr": "string",
    "amr": "list<string>",
    "auth_time": "int",
    "sid": "string",
    "email_vouched_by": "string",
}
CONNECTOR: Mapping[str, str] = {"id": "string", "type": "string", "name": "string"}
CLIENT: Mapping[str, str] = {
    "client_id": "string",
    "client_name": "string",
    "trusted": "bool",
    "scopes": "list<string>",
}

FACTS: Mapping[str, Mapping[str, str]] = {"upstream": UPSTREAM, "connector": CONNECTOR, "client": CLIENT}
"""Every fact and the type that an expression sees. One that is not known is empty there: "", [] or 0."""

EMPTY: Mapping[str, Any] = {"string": "", "list<string>": [], "int": 0, "bool": False}


def upstream_facts(
    *,
    issuer: str,
    documents: tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]],
    auth_time: int | None = None,
    acr: str | None = None,
    amr: tuple[str, ...] = (),
    sid: str | None = None,
) -> dict[str, Any]:
    """What stands under ``upstream.``; what is not known is left out.

    ``documents`` are userinfo, ID Token and API, best first. ``idp`` is the provider behind an upstream
    that is a broker itself, where its ID Token names one so (Okta, Azure). It never says our own connector:
    an upstream could then pass for another one.
    """
    behind = documents[1].get("idp")
    facts = {
        "issuer": issuer,
        "idp": behind if isinstance(behind, str) else None,
        "acr": acr,
        "amr": list(amr),
        "auth_time": auth_time,
        "sid": sid,
        "email_vouched_by": issuer if _email_is_vouched_for(documents) else None,
    }
    return {name: value for name, value in facts.items() if value}


def _email_is_vouched_for(documents: tuple[Mapping[str, Any], ...]) -> bool:
    """Whether all that is said of the address that counts is that it was verified (Core §5.1).

    It counts where it stands first; some upstreams say in another document whether it is proved.
    """
    known = (document.get("email") for document in documents)
    counts = next((address for address in known if address not in (None, "")), None)
    if not isinstance(counts, str):  # an address is a text; one further down is not the one that counts
        return False
    said = [
        told["email_verified"]
        for told in documents
        if told.get("email") == counts and "email_verified" in told
    ]
    return bool(said) and all(one is True for one in said)
