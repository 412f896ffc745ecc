"""Paths into what an upstream said: how they are written, and where each of them looks.

Owns the path language of a claims map:

    email                               userinfo first, then the ID Token, then what an API said
    realm_access.roles                  the name as it stands; if nothing is called that, one level per dot
    emails.0                            an entry of a list, by its number
    https://ns.example/roles            a name may hold anything; whole names are tried first
    resource_access."my.client".roles   a key with a dot inside a path stands in quotes
    id_token.groups, userinfo.groups, api.groups    one document only
    upstream.acr, connector.name        a fact of this login (`broker.mapping.facts`)

Facts of the protocol (``acr``, ``amr``, ``auth_time``, ``sid``) are what the ID Token says and nothing
else: userinfo carries no proof of when and how somebody signed in (OpenID Connect Core §5.3.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from broker.mapping.facts import CONNECTOR, UPSTREAM

USERINFO, ID_TOKEN, API = 0, 1, 2
FACTS_AT = {"upstream": (3, UPSTREAM), "connector": (4, CONNECTOR)}
DOCUMENT_NAMES = ("userinfo", "id_token", "api")

ID_TOKEN_ONLY = frozenset({"acr", "amr", "auth_time", "sid", "iss", "sub", "aud", "azp", "nonce"})

# Core §5.1: each of these says something about another claim, and only about the value beside it.
SPEAKS_OF = {"email_verified": "email", "phone_number_verified": "phone_number"}

MAX_LENGTH = 512
MAX_SEGMENTS = 16

_INDEX = re.compile(r"[0-9]{1,4}")
_SEGMENT = re.compile(r'"([^"\x00-\x1f]+)"|([^".\s\x00-\x1f]+)')


All = tuple[Mapping[str, Any], ...]
"""The documents in the order of ``DOCUMENT_NAMES``, then the facts of the upstream and the connector."""


class PathError(ValueError):
    """The text is not a path."""


@dataclass(frozen=True, slots=True)
class Documents:
    """What an upstream said about one person, verified, by the way in which it said it; and the facts."""

    id_token: Mapping[str, Any] = field(default_factory=dict)
    userinfo: Mapping[str, Any] = field(default_factory=dict)
    api: Mapping[str, Any] = field(default_factory=dict)
    upstream: Mapping[str, Any] = field(default_factory=dict)
    """The facts of `broker.mapping.facts.UPSTREAM`."""
    connector: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    """The client app that this is for; only expressions read it."""

    def all(self) -> All:
        """As `look` wants them."""
        return (self.userinfo, self.id_token, self.api, self.upstream, self.connector)


class Place(NamedTuple):
    """One key of one document to look at."""

    document: int
    whole: str | None
    """The name looked up as it stands; None when it was quoted, so that only ``segments`` are meant."""
    segments: tuple[str, ...]
    """The same, one level each; empty when the name has a single level."""
    beside: str | None
    """The claim that must stand in the same document with the value that counts."""
    label: str
    """How the place is told: ``userinfo: email``."""


def parse_path(text: object) -> tuple[Place, ...]:
    """The places that a path names, best first.

    Raises:
        PathError: it is not a path; the message says why.
    """
    if not isinstance(text, str) or not text:
        raise PathError("a path is a name, such as email or realm_access.roles")
    if len(text) > MAX_LENGTH:
        raise PathError(f"a path has at most {MAX_LENGTH} characters")
    fact = _fact(text)
    if fact is not None:
        return (fact,)
    document, name = _split_document(text)
    segments, quoted = _segments(name)
    _refuse_protocol_facts_elsewhere(document, segments)
    whole = None if quoted and len(segments) > 1 else (segments[0] if len(segments) == 1 else name)
    deeper = segments if len(segments) > 1 else ()
    beside = SPEAKS_OF.get(segments[0]) if document is None and len(segments) == 1 else None
    return tuple(
        Place(which, whole, deeper, beside, f"{DOCUMENT_NAMES[which]}: {name}")
        for which in _documents(document, segments[0])
    )


def _fact(text: str) -> Place | None:
    first, dot, rest = text.partition(".")
    if not dot or first not in FACTS_AT:
        return None
    which, names = FACTS_AT[first]
    segments, _ = _segments(rest)
    if segments[0] not in names:
        raise PathError(f"of {first} there is {', '.join(names)}")
    whole, deeper = (rest, ()) if len(segments) == 1 else (None, segments)
    return Place(which, whole, deeper, None, f"{first}: {rest}")


def _split_document(text: str) -> tuple[int | None, str]:
    for which, name in enumerate(DOCUMENT_NAMES):
        if text.startswith(f"{name}."):
            return which, text[len(name) + 1 :]
    return None, text


def _documents(named: int | None, first: str) -> tuple[int, ...]:
    if named is not None:
        return (named,)
    return (ID_TOKEN,) if first in ID_TOKEN_ONLY else (USERINFO, ID_TOKEN, API)


def _refuse_protocol_facts_elsewhere(document: int | None, segments: tuple[str, ...]) -> None:
    if document in {USERINFO, API} and segments[0] in ID_TOKEN_ONLY:
        raise PathError(f"{segments[0]} is a fact of the ID Token; nothing else can state it")


def _segments(name: str) -> tuple[tuple[str, ...], bool]:
    """The levels of a name, and whether any of them was quoted."""
    found: list[str] = []
    quoted = False
    at = 0
    while True:
        match = _SEGMENT.match(name, at)
        if match is None:
            raise PathError("names with single dots between them; a key with a dot stands in quotes")
        quoted = quoted or match[1] is not None
        found.append(match[1] or match[2])
        at = match.end()
        if at == len(name):
            break
        if name[at] != ".":
            raise PathError("after a quoted key comes a dot or the end")
        at += 1
    if len(found) > MAX_SEGMENTS:
        raise PathError(f"a path has at most {MAX_SEGMENTS} levels")
    return tuple(found), quoted


# ── Looking ───────────────────────────────────────────────────────────────────────────────────


def look(places: tuple[Place, ...], documents: All) -> tuple[Any, str]:
    """The first value present and its label; ``(None, "")`` when there is none.

    Null and the empty string are absence (Core §5.3.2: such a claim should have been left out).
    """
    for which, whole, segments, beside, label in places:
        document = documents[which]
        value = document.get(whole) if whole is not None else None
        if value is None and segments:
            value = _descend(document, segments)
        if value is None or value == "":
            continue
        if beside is not None and not _same_statement(documents, document, beside):
            continue
        return value, label
    return None, ""


def _descend(value: Any, segments: tuple[str, ...]) -> Any:
    for segment in segments:
        if isinstance(value, Mapping):
            value = value.get(segment)
        elif isinstance(value, list) and _INDEX.fullmatch(segment):
            index = int(segment)
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


def _same_statement(documents: All, document: Mapping[str, Any], beside: str) -> bool:
    """Whether ``document`` speaks of the value that counts.

    Without this, ``email_verified`` of the ID Token would vouch for another address in userinfo.
    """
    # Whatever its type: where a list counts, a text further down vouches for nothing in it.
    said = (_present(told, beside) for told in documents[: len(DOCUMENT_NAMES)])
    counts = next((value for value in said if value is not None), None)
    return bool(_present(document, beside) == counts)


def _present(document: Mapping[str, Any], name: str) -> Any:
    value = document.get(name)
    return None if value == "" else value
