"""E-mail domains: whose address it is, and which connectors a domain belongs to. Pure.

Owns how an address is read. Strictly, since it may come from anybody and decides where a person is sent: one
@, no quotes, no comments, no addresses of machines, nothing repaired (RFC 5321 §4.1.2, cut down to what
people have). Domains are compared as A-labels (RFC 5890 §2.3.2.1) that IDNA 2008 allows as they stand
(RFC 5891 §5.3): nothing is mapped, so what only looks like a domain is another one, or none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

import idna

MAX_ADDRESS, MAX_DOMAIN = 254, 253
"""Characters (RFC 5321 §4.5.3.1; RFC 1035 §2.3.4)."""

# A dot-atom (RFC 5322 §3.2.3) without % and !, by which old mail systems wrote a second domain.
_LOCAL = re.compile(r"[A-Za-z0-9#$&'*+/=?^_`{|}~.-]{1,64}")
_LABEL = re.compile(r"[a-z0-9-]{1,63}")
_MIN_LABELS = 2
_ANY = "*."


def domain_of(address: str) -> str | None:
    """The domain of an e-mail address, in A-labels and lower case; None when it is not one, beyond doubt."""
    if len(address) > MAX_ADDRESS or address.count("@") != 1:
        return None
    local, _, domain = address.partition("@")
    if _LOCAL.fullmatch(local) is None or local.startswith(".") or local.endswith(".") or ".." in local:
        return None
    return _canonical(domain)


def read_pattern(text: str) -> str:
    """A domain as an operator writes it, ``acme.example``, or ``*.acme.example`` for all below it.

    Raises:
        ValueError: it is neither.
    """
    below = text.startswith(_ANY)
    domain = _canonical(text.removeprefix(_ANY))
    if domain is None:
        raise ValueError("expected a domain such as acme.example, or *.acme.example for all below it")
    return _ANY + domain if below else domain


def belongs(domain: str, patterns: Collection[str]) -> bool:
    """Whether one of these patterns names the domain."""
    return any(pattern in patterns for pattern in _names(domain))


class DomainIndex:
    """Which connectors each domain belongs to. Made once, from patterns that `read_pattern` gave."""

    def __init__(self, patterns: Mapping[str, Iterable[str]] | None = None) -> None:
        found: dict[str, list[str]] = {}
        for connector, names in (patterns or {}).items():
            for name in names:
                found.setdefault(name, []).append(connector)
        self._found = {name: tuple(connectors) for name, connectors in found.items()}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._found)

    def nearest(self, domain: str) -> Iterator[tuple[str, ...]]:
        """The connectors a domain belongs to: those that name it itself, then by ever wider patterns."""
        for pattern in _names(domain):
            connectors = self._found.get(pattern)
            if connectors is not None:
                yield connectors


def _names(domain: str) -> Iterator[str]:
    """What a domain may be named by, the nearest first: itself, and each domain above it."""
    yield domain
    _, dot, above = domain.partition(".")
    while dot:
        yield _ANY + above
        _, dot, above = above.partition(".")


def _canonical(domain: str) -> str | None:
    # Not str.lower() on what is not ASCII: the Kelvin sign would become a k.
    lowered = domain.lower() if domain.isascii() else domain
    if len(lowered) > MAX_DOMAIN:
        return None
    labels = [_a_label(label) for label in lowered.split(".")]
    if len(labels) < _MIN_LABELS or None in labels:
        return None
    name = ".".join(label for label in labels if label is not None)
    return name if len(name) <= MAX_DOMAIN and not name.rpartition(".")[2].isdigit() else None


def _a_label(label: str) -> str | None:
    if _LABEL.fullmatch(label) is not None and label[2:4] != "--":
        return None if label.startswith("-") or label.endswith("-") else label
    try:
        return idna.alabel(label).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return None
