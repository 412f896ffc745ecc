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

from broker.mapping.context import CASTS_OF, FITS, Both, Types
from broker.mapping.examples import Example, failures, read_examples
from broker.mapping.expressions import Expression, parse_expression
from broker.mapping.paths import PathError, Place, parse_path
from broker.mapping.patterns import PatternError, compile_pattern
from broker.mapping.rules import ClaimsMap, Filter, Rule
from broker.mapping.scanner import ExpressionError
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
    "expression": "An expression in CEL, instead of from, where data is not enough.",
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
    "session_expiry",  # IPSIE SL1
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


def compile_map(
    source: Mapping[str, Any], context: Types | None = None, *, thorough: bool = False
) -> ClaimsMap:
    """The map that ``source`` describes: a document with ``claims`` and ``examples``, or the claims alone.

    ``context`` has the claims that the operator declared, with their types; without it any may be given.
    ``thorough`` compiles every expression now, and not at its first use. Examples are run where the claims
    are sound: a map of which one fails is no map.

    Raises:
        MapErrors: all that is wrong, at once.
    """
    problems: list[Problem] = []
    at: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    if isinstance(source, Mapping) and "claims" in source and set(source) <= {"claims", "examples"}:
        examples = read_examples(source.get("examples"), problems)
        source, at = source["claims"], ("claims",)
    if not isinstance(source, Mapping) or not source:
        raise MapErrors([*problems, (at, "a claims map names at least one claim")])
    if len(source) > MAX_CLAIMS:
        problems.append((at, f"a map has at most {MAX_CLAIMS} claims"))
    entries = [_Entry((*at, str(claim)), claim, body, context, problems) for claim, body in source.items()]
    made = ClaimsMap(tuple(rule for rule in [entry.rule() for entry in entries] if rule is not None))
    problems += check_expressions(made, at) if thorough else []
    if problems:
        raise MapErrors(problems)
    problems += [problem for example in examples for problem in failures(made, example)]
    if problems:
        raise MapErrors(problems)
    return made


def check_expressions(claims_map: ClaimsMap, at: tuple[str, ...] = ()) -> list[Problem]:
    """What the library says against the expressions of a map, which serving would find out at first use."""
    problems: list[Problem] = []
    for rule in claims_map.rules:
        if rule.expression is None:
            continue
        where = (*at, rule.claim, "expression")
        try:
            kind = rule.expression.kind()
        except ExpressionError as error:
            problems.append((where, str(error)))
            continue
        problems += [(where, message) for message in (_mistyped(rule, kind),) if message]
    return problems


def _mistyped(rule: Rule, kind: str) -> str:
    """Why an expression of this type can never give the claim; empty where it may."""
    name = kind.partition("<")[0]
    if name not in EXPRESSION_KINDS:
        return f"gives {name.lower()}, which no claim can be"
    if rule.declared is None or rule.steps or name in {"DYN", "NULL"}:
        return ""
    allowed = EXPRESSION_KINDS[name]
    return "" if rule.declared in allowed else f"gives {name.lower()}, and context declares {rule.declared}"


EXPRESSION_KINDS: Mapping[str, frozenset[str]] = {
    "DYN": frozenset(FITS),
    "NULL": frozenset(FITS),
    "BOOL": frozenset({"boolean"}),
    "INT": frozenset({"integer", "number", "timestamp"}),
    "DOUBLE": frozenset({"number"}),
    "STRING": frozenset({"string"}),
    "LIST": frozenset({"list"}),
    "MAP": frozenset({"object"}),
    "TIMESTAMP": frozenset({"timestamp", "integer", "number"}),
}
"""What the library calls a type, and which types of ours that can be."""


class _Entry:
    """One claim of the map being read; problems are collected, not raised."""

    def __init__(
        self, at: tuple[str, ...], claim: Any, body: Any, context: Types | None, problems: list[Problem]
    ) -> None:
        self._at = at
        self._claim = claim
        self._declared = context.get(str(claim)) if context is not None else None
        self._known = context
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
        expression = self._expression()
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
            expression=expression,
            value=value,
            when=when,
            steps=steps,
            fit=shape,
            default=default,
            required=required is True,
            declared=self._declared,
        )

    def _wrong(self, message: str, *where: str) -> None:
        self._problems.append(((*self._at, *where), message))

    def _name(self) -> None:
        claim = self._claim
        if not isinstance(claim, str) or not NAME.fullmatch(claim):
            self._wrong("not a claim name")
        elif claim.lower() in PROTOCOL_CLAIMS:
            self._wrong("is minted by the broker and cannot be mapped")
        elif self._known is not None and self._declared is None:
            close = get_close_matches(claim, self._known, n=1)
            self._wrong("is not declared under context" + (f"; did you mean {close[0]}?" if close else ""))

    def _words(self) -> None:
        for word in self._body:
            if word not in WORDS:
                close = get_close_matches(str(word), WORDS, n=1)
                self._wrong("unknown key" + (f"; did you mean {close[0]}?" if close else ""), str(word))
        if not self._body:
            return
        if sum(word in self._body for word in ("from", "expression", "value")) != 1:
            self._wrong("needs one of from, expression and value, and only one")
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
        declared = FITS.get(self._declared or "")
        if declared is not None and cast is not None and cast not in CASTS_OF[self._declared or ""]:
            allowed = ", ".join(sorted(CASTS_OF[self._declared or ""])) or "no cast"
            self._wrong(f"context declares {self._declared}: {allowed}", "cast")
        by_cast: Mapping[str, Fit] = {"string": fit_text, "list": fit_list, "boolean": fit_flag}
        shape = standard or by_cast.get(str(cast), fit_any)
        return shape if declared is None else Both(declared, shape)

    def _expression(self) -> Expression | None:
        if "expression" not in self._body:
            return None
        try:
            return parse_expression(self._body["expression"])
        except ExpressionError as error:
            self._wrong(str(error), "expression")
            return None

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
