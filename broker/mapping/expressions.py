"""Expressions in CEL, where data is not enough: read with suspicion, compiled at first use, and bounded.

Owns what an expression may cost; `broker.mapping.scanner` owns what it may say. The text comes from trusted
configuration, but it runs on what an upstream sends, so the language is cut before the library sees it:

- functions from a list; the patterns of ``matches`` and the texts of ``replace`` and ``join`` are written
  out, never taken from a document, and no text gets much longer than what was read;
- at most `MAX_LOOPS` of ``all``, ``exists``, ``exists_one``, ``filter`` and ``map``, at most `MAX_DEGREE`
  deep, where looking into a document from inside a loop counts as one more;
- only the members that an expression names are handed to it, and together they are no larger than
  `MAX_SIZE` says for its depth, nor their texts than `MAX_TEXT`. The library ends an evaluation after
  10 000 turns by itself.

What cannot be computed is ``Unfit``, told without values. A map without expressions imports no CEL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from itertools import chain
from math import isfinite
from typing import Any

from broker.mapping.facts import EMPTY, FACTS
from broker.mapping.paths import DOCUMENT_NAMES, Documents
from broker.mapping.scanner import ExpressionError, Seen, is_document, see_through
from broker.mapping.values import Absent, Unfit

MAX_SIZE = (20_000, 2_200, 500)
"""By the depth of loops: how much of the documents an expression may read, as `_size` counts. The library
takes 20 ms to put a list of 1 000 entries together, and four times that for twice as many."""
MAX_NESTED = 16
MAX_TEXT = 65_536
"""Characters of all texts together: to find one text in another takes as long as both are, multiplied."""
MAX_GROWN = 8 * MAX_TEXT
"""The same of what they may become."""
_CHARACTERS = 32
"""So many characters of a text cost about what one entry of a list does."""

_SAID = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]+)")
# What the library cannot hold: it ends a text at a NUL, so that "admin\\0" would be "admin".
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_INT64 = 2**63
_END = object()


@dataclass(frozen=True)
class Expression:
    """An expression that may be evaluated. Made by `parse_expression`."""

    text: str
    seen: Seen = field(repr=False)

    @property
    def reads_client(self) -> bool:
        """Whether it says something else for another client app."""
        return any(name.startswith("client.") for name in self.seen.reads)

    @cached_property
    def label(self) -> str:
        """How its value is told to come about: ``expression: upstream.id_token.groups``."""
        named = [
            f"{name}.{member}"
            for name, members in self.seen.reads.items()
            for member in ([""] if members is None else sorted(members))
        ]
        return f"expression: {', '.join(name.rstrip('.') for name in named) or 'nothing'}"

    def kind(self) -> str:
        """The type that the library says it has, such as ``LIST<STRING>`` or ``DYN``; everything is tried.

        Raises:
            ExpressionError: it does not compile, or a pattern in it does not.
        """
        kind, _ = _compiled(self.text)
        for pattern, place in self.seen.patterns:
            _try_pattern(pattern, place)
        return kind

    def __call__(self, documents: Documents) -> Any:
        """What it makes of the documents; None for null and for an optional that is empty.

        Raises:
            Unfit: it cannot be computed, or would cost too much.
        """
        data = {name: _variable(name, members, documents) for name, members in self.seen.reads.items()}
        if not self._affords(data):
            raise Unfit("too large for an expression")
        try:
            _, program = _compiled(self.text)
        except ExpressionError:
            raise Unfit("its expression does not compile; broker check says why") from None
        try:
            return _plain(program.eval(data=data))
        except Unfit:
            raise
        except Exception as error:  # noqa: BLE001  (the library raises what it likes; the login goes on)
            raise _unfit(str(error)) from None

    def _affords(self, data: Mapping[str, Any]) -> bool:
        """Whether what it reads is little enough for what it does with it."""
        seen = self.seen
        limit = MAX_SIZE[seen.degree]
        grown = seen.growth if seen.degree else 1
        characters = 1 if seen.splits else max(1, _CHARACTERS // grown)
        if _size(data, limit, characters) > (limit // grown if seen.splits else limit):
            return False
        return _letters(data) <= min(MAX_TEXT, MAX_GROWN // seen.growth)


def parse_expression(text: object) -> Expression:
    """The expression in ``text``, seen through but not yet compiled.

    Raises:
        ExpressionError: it says something that is not evaluated here.
    """
    return Expression(str(text), see_through(text))


# ── Evaluating ────────────────────────────────────────────────────────────────────────────────


@cache
def _environment() -> Any:
    """The library and the variables that there are, with their types."""
    from cel_expr_python import cel  # noqa: PLC0415  (14 MB that a map without expressions never loads)
    from cel_expr_python.ext import ext_optional, ext_strings  # noqa: PLC0415

    types = {
        "string": cel.Type.STRING,
        "int": cel.Type.INT,
        "bool": cel.Type.BOOL,
        "list<string>": cel.Type.List(cel.Type.STRING),
    }
    document = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    variables = {f"{of}.{name}": types[kind] for of, facts in FACTS.items() for name, kind in facts.items()}
    variables |= {f"upstream.{name}": document for name in DOCUMENT_NAMES}
    return cel.NewEnv(variables=variables, extensions=[ext_optional.ExtOptional(), ext_strings.ExtStrings()])


@cache
def _compiled(text: str) -> tuple[str, Any]:
    """The type and the program of an expression, made once for all maps that say the same.

    Raises:
        ExpressionError: it does not compile.
    """
    environment = _environment()
    try:
        program = environment.compile(text)
        kind: str = program.return_type().name()
        if kind.startswith("optional_type<"):  # which has no form of its own in Python
            program = environment.compile(f"({text}\n).orValue(dyn(null))")
            kind = kind.removeprefix("optional_type<").removesuffix(">")
    except Exception as error:  # noqa: BLE001  (the library raises RuntimeError for any mistake)
        raise _explained(str(error)) from None
    return kind, program


def _explained(said: str) -> ExpressionError:
    match = _SAID.search(said)
    if match is None:
        return ExpressionError("nested too deep" if "recursion" in said else "not an expression")
    message = re.sub(r" \(in container ''\)", "", match[3])
    return ExpressionError(message[:300], line=int(match[1]), column=int(match[2]))


def _try_pattern(pattern: str, place: Mapping[str, int]) -> None:
    found = _environment().compile(f'"".matches({pattern})').eval(data={})
    if found.type().name() == "ERROR":
        message = str(found.plain_value()).removeprefix("INVALID_ARGUMENT: ")
        raise ExpressionError(message[:300], **place)


def _variable(name: str, members: frozenset[str] | None, documents: Documents) -> Any:
    first, _, second = name.partition(".")
    if not is_document(name):
        told = getattr(documents, first).get(second)
        return EMPTY[FACTS[first][second]] if told is None else told
    document = getattr(documents, second)
    if members is None:
        return document
    # What is null or empty is absent, as it is for a path (Core §5.3.2).
    return {key: document[key] for key in members if key in document and document[key] not in (None, "")}


def _size(value: Any, limit: int, characters: int, levels: int = MAX_NESTED) -> int:
    """How many values there are, long texts counted as several; more than ``limit`` is not counted out."""
    if isinstance(value, str):
        if not value.isprintable() and _UNFIT.search(value):
            raise Unfit("a character that no expression can hold")
        return 1 + len(value) // characters
    if isinstance(value, Mapping | list):
        if levels == 0:
            raise Unfit("nested too deep")
        total = 1 + len(value)
        parts = chain(value, value.values()) if isinstance(value, Mapping) else iter(value)
        while total <= limit and (part := next(parts, _END)) is not _END:
            total += _size(part, limit, characters, levels - 1)
        return total
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise Unfit("a number is too large")
    if isinstance(value, float) and not isfinite(value):
        raise Unfit("not a number")
    return 1


def _letters(value: Any) -> int:
    """The characters of all texts in what `_size` has found to be small."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_letters, value)) + sum(map(_letters, value.values()))
    return sum(map(_letters, value)) if isinstance(value, list) else 0


def _unfit(said: str) -> Unfit:
    """Why there is no result, without what the library quotes of the values."""
    if "NOT_FOUND" in said or "SELECT to non-message" in said:
        return Absent("something that it reads is not there")
    reasons = {
        "Iteration budget": "too much work",
        "No matching overload": "a value has another type than it expects",
        "divide by zero": "a division by zero",
    }
    return Unfit(next((reason for sign, reason in reasons.items() if sign in said), "it cannot be computed"))


def _plain(value: Any) -> Any:
    """A result as JSON has it; a time becomes seconds since the epoch.

    The library is never asked to write out a null, which it gives without owning it, so that after some
    thousands the process ends; nor an optional within an object, at which it ends at once.
    """
    kind = value.type().name()
    if kind == "NULL":
        return None
    if kind in {"ERROR", "UNKNOWN"}:
        raise _unfit(str(value))
    if kind.startswith("LIST"):
        return [_entry(entry) for entry in value.value()]
    if kind.startswith("MAP"):
        return {str(key): _entry(entry) for key, entry in value.value().items()}
    plain = value.plain_value()
    return int(plain.timestamp()) if isinstance(plain, datetime) else plain


def _entry(value: Any) -> Any:
    if value.type().name() == "ERROR":
        raise Unfit("it holds an optional; [?upstream.…] and {?key: upstream.…} take one")
    return _plain(value)
