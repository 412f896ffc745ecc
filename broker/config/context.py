"""The section ``context``: the claims that the broker knows, as the operator declares them.

Owns how a declaration is read, and what it does to scopes: with it a claim that nobody declared is a mistake,
in a map and in a scope. The standard claims are known without being declared (OpenID Connect Core §5.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from broker.config.partly import read_partly
from broker.config.problems import Path, Report, did_you_mean
from broker.config.settings import ContextClaim
from broker.config.tree import Node
from broker.config.written import ContextEntry
from broker.mapping import CLAIM_NAME, KNOWN, PROTOCOL_CLAIMS, Types
from broker.protocol.client import ScopeRule

Context = Mapping[str, ContextClaim]

_ALSO: Mapping[str, frozenset[str]] = {"updated_at": frozenset({"number", "integer"})}
"""Types that say less than the standard does, and nothing else."""


class ContextReader:
    """Reads the section once; what is wrong with it hides no mistake elsewhere."""

    def __init__(self, section: Node | None, report: Report) -> None:
        self._section, self._report = section, report
        self.claims: Context = MappingProxyType(dict(self._read()))
        self._names = {*KNOWN, *(name for name, _ in section.items())} if section is not None else None

    @property
    def types(self) -> Types | None:
        """Every known claim and its type; None where the operator declared none, so that any may be given."""
        if self._names is None:
            return None
        declared = {name: claim.type for name, claim in self.claims.items()}
        # What is declared wrongly is declared all the same: a map that gives it makes no second mistake.
        return {**KNOWN, **dict.fromkeys(self._names - KNOWN.keys(), ""), **declared}

    def _read(self) -> Mapping[str, ContextClaim]:
        found: dict[str, ContextClaim] = {}
        for name, node in self._section.items() if self._section is not None else ():
            path: Path = ("context", name)
            before = self._report.count
            if CLAIM_NAME.fullmatch(name) is None:
                self._report.add(node.key_place, path, "not a claim name")
            elif name.lower() in PROTOCOL_CLAIMS:
                message = "is minted by the broker; what it is cannot be declared"
                self._report.add(node.key_place, path, message)
            part = read_partly(ContextEntry, node, path, self._report)
            if part is None or not part.knows("type") or self._report.count > before:
                continue
            entry, standard = part.entry, KNOWN.get(name)
            if standard is not None and entry.type not in _ALSO.get(name, frozenset()) | {standard}:
                message = f"clients expect a {standard} here (OpenID Connect Core §5.1)"
                self._report.add((node.child("type") or node).place, (*path, "type"), message)
            found[name] = ContextClaim(
                type=entry.type,
                description=entry.description or "",
                scopes=entry.scope,
                sensitive=entry.sensitive,
            )
        return found

    def released(
        self, rules: Mapping[str, ScopeRule], scopes: Node | None, declared: frozenset[str]
    ) -> Mapping[str, ScopeRule]:
        """The scopes with what is declared to come with them; ``declared`` names the misspelt ones too."""
        if self._names is None:
            return rules
        self._check_scopes(scopes)
        found = dict(rules)
        for name, claim in self.claims.items():
            for scope in claim.scopes:
                if scope in found:
                    claims = tuple(dict.fromkeys((*found[scope].claims, name)))
                    found[scope] = replace(found[scope], claims=claims)
                elif scope not in declared:
                    self._unknown_scope(name, scope, declared)
        return MappingProxyType(found)

    def _unknown_scope(self, name: str, scope: str, declared: frozenset[str]) -> None:
        entry = self._section.child(name) if self._section is not None else None
        where = (entry.child("scope") if entry is not None else None) or entry
        if where is not None:
            message = f"there is no scope {scope}{did_you_mean(scope, declared)}"
            self._report.add(where.place, ("context", name, "scope"), message)

    def _check_scopes(self, scopes: Node | None) -> None:
        """That no scope releases what nobody declared."""
        for scope, node in scopes.items() if scopes is not None else ():
            for index, where, claim in node.texts("claims"):
                if self._names is not None and claim not in self._names:
                    message = f"is not declared under context{did_you_mean(claim, self._names)}"
                    self._report.add(where.place, ("scopes", scope, "claims", index), message)
