"""From the YAML of a claims map to rules: everything that can be wrong with a map is found here, at once.

Owns the words of the language and the names that no map may give. The claims on which a token stands are
minted by the broker alone (RFC 7519 §4.1, RFC 9068 §2.2, OpenID Connect Core §2, RFC 8693 §4): a map that
names one of them stops the start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from broker.mapping.paths import PathError, Place, parse_path
from broker.mapping.patterns import PatternError, compile_pattern
from broker.mapping.rules import ClaimsMap, Filter, Rule
from broker.mapping.values import (
    CASTS,
    CASTS_FOR,
    MAX_ITEMS,
    STANDARD,
    Fit,
    Unfit,
    fit_any,
    fit_flag,
    fit_list,
    fit_text,
)

WORDS: Mapping[str, str] = {
    "from": "The upstream claims it may come from, best first; the first one present wins.",
    "value": "The same value for everybody, instead of from.",
    "when": "A path; the claim is given only where it holds JSON true.",
    "cast": "What to make of it: string, integer, number, boolean, list, or epoch (ISO 8601 to seconds).",
    "keep": "A regular expression for whole entries; what does not match stays upstream.",
    "rename": "Upstream name to ours, for single entries; looked up after keep.",
    "prefix": "A text put before each entry, last.",
    "default": "What it is when nothing else gives it.",
    "required": "true: without it there is no login.",
}

# fmt: off
PROTOCOL_CLAIMS = frozenset({
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti",  # RFC 7519 §4.1
    "azp", "nonce", "auth_time", "acr", "amr", "at_hash", "c_hash", "s_hash", "sid",  # Core §2, §3.3.2.11
    "claims", "_claim_names", "_claim_sources", "sub_jwk",  # Core §5.5, §5.6.2, §7.4
    "client_id", "scope", "cnf", "act", "may_act", "authorization_details",  # RFC 8693, 7800, 9396
    "active", "token_type", "token_use", "typ",  # RFC 7662 §2.2, RFC 9068
    "events", "txn", "toe", "sub_id", "vot", "vtm",  # RFC 8417, 9493, 8485
})
# fmt: on

MAX_CLAIMS = 200
MAX_PATHS = 32
MAX_PREFIX = 64

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/#@~+-]{0,127}")

Problem = tuple[tuple[str, ...], str]


class MapErrors(ValueError):
    """What is wrong with a map: every problem with the keys that lead to it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(path)}: {message}" for path, message in problems))
        self.problems = problems


def compile_map(source: Mapping[str, Any]) -> ClaimsMap:
    """The map that ``source`` describes: a document with the key ``claims``, or what stands under that key.

    Raises:
        MapErrors: all that is wrong, at once.
    """
    problems: list[Problem] = []
    at: tuple[str, ...] = ()
    if isinstance(source, Mapping) and set(source) == {"claims"}:
        source, at = source["claims"], ("claims",)
    if not isinstance(source, Mapping) or not source:
        raise MapErrors([(at, "a claims map names at least one claim")])
    if len(source) > MAX_CLAIMS:
        problems.append((at, f"a map has at most {MAX_CLAIMS} claims"))
    rules = [_Entry((*at, str(claim)), claim, body, problems).rule() for claim, body in source.items()]
    if problems:
        raise MapErrors(problems)
    return ClaimsMap(tuple(rule for rule in rules if rule is not None))


class _Entry:
    """One claim of the map being read; problems are collected, not raised."""

    def __init__(self, at: tuple[str, ...], claim: Any, body: Any, problems: list[Problem]) -> None:
        self._at = at
        self._claim = claim
        self._body: Mapping[Any, Any] = body if isinstance(body, Mapping) else {}
        self._problems = problems
        if not self._body:
            self._wrong("say where it comes from, such as {from: [email]}")

    def rule(self) -> Rule | None:
        before = len(self._problems)
        self._name()
        self._words()
        shape = self._shape()
        places, when = self._places("from"), self._places("when", many=False)
        steps = self._steps()
        value, default = self._static("value", shape), self._static("default", shape)
        required = self._body.get("required", False)
        if not isinstance(required, bool):
            self._wrong("true or false", "required")
        if required is True and "default" in self._body:
            self._wrong("a claim with a default is never missing", "required")
        if len(self._problems) > before:
            return None
        return Rule(
            claim=self._claim,
            places=places,
            value=value,
            when=when,
            steps=steps,
            fit=shape,
            default=default,
            required=required is True,
        )

    def _wrong(self, message: str, *where: str) -> None:
        self._problems.append(((*self._at, *where), message))

    def _name(self) -> None:
        claim = self._claim
        if not isinstance(claim, str) or not NAME.fullmatch(claim):
            self._wrong("not a claim name")
        elif claim.lower() in PROTOCOL_CLAIMS:
            self._wrong("is minted by the broker and cannot be mapped")

    def _words(self) -> None:
        for word in self._body:
            if word not in WORDS:
                close = get_close_matches(str(word), WORDS, n=1)
                self._wrong("unknown key" + (f"; did you mean {close[0]}?" if close else ""), str(word))
        if not self._body:
            return
        if ("from" in self._body) == ("value" in self._body):
            self._wrong("needs from or value, and not both")
        if "value" in self._body:
            for word in ("cast", "keep", "rename", "prefix"):
                if word in self._body:
                    self._wrong("says something about from; a value is passed on as it stands", word)

    def _shape(self) -> Fit:
        """The check that the finished claim must pass."""
        cast = self._body.get("cast")
        standard = STANDARD.get(str(self._claim).split("#", 1)[0])  # name#de is name in German, Core §5.2
        if cast is not None and (not isinstance(cast, str) or cast not in CASTS):
            self._wrong(f"one of {', '.join(CASTS)}", "cast")
        elif standard is not None and cast is not None and cast not in CASTS_FOR[standard]:
            allowed = ", ".join(sorted(CASTS_FOR[standard])) or "no cast"
            self._wrong(f"clients expect another type here (OpenID Connect Core §5.1): {allowed}", "cast")
        if standard is not None:
            return standard
        return {"string": fit_text, "list": fit_list, "boolean": fit_flag}.get(str(cast), fit_any)

    def _places(self, word: str, *, many: bool = True) -> tuple[Place, ...]:
        if word not in self._body:
            return ()
        paths = self._body[word]
        named: dict[tuple[str, ...], Any] = {(word,): paths}
        if isinstance(paths, list) and many:
            named = {(word, str(index)): path for index, path in enumerate(paths)}
            if not 1 <= len(paths) <= MAX_PATHS:
                self._wrong(f"between 1 and {MAX_PATHS} paths", word)
        found: list[Place] = []
        for where, path in named.items():
            try:
                found += parse_path(path)
            except PathError as error:
                self._wrong(str(error), *where)
        return tuple(found)

    def _steps(self) -> tuple[Fit, ...]:
        cast = self._body.get("cast")
        steps: list[Fit] = [CASTS[cast]] if isinstance(cast, str) and cast in CASTS else []
        keep, rename, prefix = self._keep(), self._rename(), self._prefix()
        if keep is None and not rename and not prefix:
            return tuple(steps)
        if isinstance(cast, str) and cast not in {"string", "list"}:
            self._wrong("keep, rename and prefix are for texts and lists of texts", "cast")
        return (*steps, Filter(keep=keep, rename=rename, prefix=prefix))

    def _keep(self) -> re.Pattern[str] | None:
        if "keep" not in self._body:
            return None
        try:
            return compile_pattern(self._body["keep"])
        except PatternError as error:
            self._wrong(str(error), "keep")
            return None

    def _rename(self) -> Mapping[str, str]:
        names = self._body.get("rename", {})
        if not isinstance(names, Mapping) or len(names) > MAX_ITEMS or ("rename" in self._body and not names):
            self._wrong("a table of upstream names and ours", "rename")
            return {}
        for theirs, ours in names.items():
            if not isinstance(theirs, str) or not isinstance(ours, str) or not theirs or not ours:
                self._wrong("both names are texts; put quotes around them", "rename", str(theirs))
        return dict(names)

    def _prefix(self) -> str:
        prefix = self._body.get("prefix", "")
        if not isinstance(prefix, str) or len(prefix) > MAX_PREFIX or not prefix.isprintable():
            self._wrong(f"a text of at most {MAX_PREFIX} characters", "prefix")
            return ""
        return prefix

    def _static(self, word: str, shape: Fit) -> Any:
        """A value of the map's own, held to what an upstream's would be held to."""
        if word not in self._body:
            return None
        try:
            if self._body[word] is None or self._body[word] == "":
                raise Unfit("empty: a claim without a value is left out (OpenID Connect Core §5.3.2)")
            return shape(self._body[word])
        except Unfit as error:
            self._wrong(str(error), word)
            return None
