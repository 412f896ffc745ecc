"""Consent receipts: what a person allowed an app, as a document that they keep.

After ISO/IEC TS 27560 and the Kantara consent receipt: who allowed whom what, when, until when, and in which
words it was asked. The words of each answer were kept with it, so a receipt says what was read, not what the
configuration says today; their version is a hash, by which anybody can tell whether two are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from broker.protocol.flow import Consent, ConsentAt

SCHEMA: Final = "federation-broker/consent-receipt/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Who it is between."""

    issuer: str
    house: str
    """Whose pages asked; empty where the operator gave no name."""
    privacy_url: str | None
    subject: str
    person: str
    """How the person is addressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """The app."""

    client_id: str
    name: str
    registered_itself: bool = False


def receipt(
    parties: Parties, recipient: Recipient, consent: Consent, *, now: float, words: Mapping[str, str]
) -> dict[str, Any]:
    """The receipt of one consent.

    Args:
        parties: who it is between.
        recipient: the app.
        consent: what was answered.
        now: the moment of the receipt.
        words: the sentences of scopes today, for answers from before their words were kept.
    """
    return {
        "schema": SCHEMA,
        "record_id": consent.id,
        "issued_at": _moment(now),
        "controller": {
            "issuer": parties.issuer,
            **({"name": parties.house} if parties.house else {}),
            **({"privacy_policy": parties.privacy_url} if parties.privacy_url else {}),
        },
        "principal": {"sub": parties.subject, "name": parties.person},
        "recipient": {
            "client_id": recipient.client_id,
            "name": recipient.name,
            "registered_itself": recipient.registered_itself,
        },
        "given_at": _moment(consent.since),
        "last_used_at": _moment(consent.last_used),
        "valid_until": _moment(consent.expires_at),
        "resources": [
            {"resource": uri, "name": there.name, "given_at": _moment(there.since)}
            for uri, there in consent.at.items()
        ],
        "withdrawn": [
            {"resource": uri, "name": gone.name, "withdrawn_at": _moment(gone.at)}
            for uri, gone in consent.withdrawn.items()
        ],
        "purposes": [
            *_purposes(consent, words),
            *({"resource": uri, **one} for uri, at in consent.at.items() for one in _purposes(at, words)),
        ],
    }


def receipts(every: list[dict[str, Any]], *, now: float) -> dict[str, Any]:
    """All of a person's in one document."""
    return {"schema": f"{SCHEMA}/list", "issued_at": _moment(now), "receipts": every}


def version(sentence: str) -> str:
    """The version of a sentence: whoever reads the same words has the same."""
    return "sha256:" + sha256(sentence.encode()).hexdigest()[:32]


def _purposes(said: Consent | ConsentAt, words: Mapping[str, str]) -> list[dict[str, Any]]:
    """What was answered in one place."""
    return [
        *(_purpose(name, said, words, allowed=True) for name in said.granted),
        *(_purpose(name, said, words, allowed=False) for name in said.refused),
    ]


def _purpose(
    name: str, said: Consent | ConsentAt, words: Mapping[str, str], *, allowed: bool
) -> dict[str, Any]:
    asked = said.words.get(name)
    if asked is None:
        sentence = words.get(name, name)
        return {"scope": name, "allowed": allowed, "words": sentence, "words_version": version(sentence)}
    return {
        "scope": name,
        "allowed": allowed,
        "answered_at": _moment(asked.at),
        "words": asked.sentence,
        "words_language": asked.language,
        "words_version": version(asked.sentence),
    }


def _moment(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
