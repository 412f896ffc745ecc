"""What the text of an expression says, before the library sees it: its words, its loops, what it reads.

Owns the cut of the language: which functions there are, how deep loops go, which members of which documents
are read, and how many times as long as those a text or a list may get. Nothing is evaluated here; what is not
seen through is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from broker.mapping.facts import FACTS
from broker.mapping.paths import DOCUMENT_NAMES

MAX_LENGTH = 1000
MAX_LOOPS = 4
MAX_DEGREE = 2
MAX_JOINS = 16
MAX_GROWTH = 128
"""How many times as long as what is read ``replace``, ``join`` and the bodies of `BODIES` may make it."""
MAX_PATTERN = 500
"""The states of a pattern, about: its length, where a repeat of a group counts all of it so often."""

LOOPS = frozenset({"all", "exists", "exists_one", "filter", "map"})
BODIES = frozenset({"map", "optMap", "optFlatMap"})
"""Functions that put something new together for each value that they are given."""
LITERAL: Mapping[str, frozenset[int]] = {
    "matches": frozenset({1}),
    "replace": frozenset({2}),
    "join": frozenset({0, 1}),
}
"""Functions whose arguments are texts in quotes, and how many of them."""
# fmt: off
FUNCTIONS = frozenset(LOOPS | LITERAL.keys() | {
    "has", "size", "startsWith", "endsWith", "contains", "in",
    "bool", "double", "dyn", "int", "string", "timestamp", "getFullYear",
    "charAt", "indexOf", "join", "lastIndexOf", "lowerAscii", "split", "substring", "trim", "upperAscii",
    "hasValue", "none", "of", "ofNonZeroValue", "optFlatMap", "optMap", "or", "orValue", "value",
})
# fmt: on

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)
    |(?P<text>(?:[rR][bB]?|[bB][rR])(?:"{3}.*?"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')  # raw: \ is itself
    |[bB]?(?:"{3}(?:[^\\]|\\.)*?"{3}|'{3}(?:[^\\]|\\.)*?'{3}|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9][0-9A-Za-z.]*)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)


class ExpressionError(ValueError):
    """The text is not an expression that we evaluate. Line and column count from 1, within the text."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1) -> None:
        where = f"column {column}" if line == 1 else f"line {line}, column {column}"
        super().__init__(f"{where}: {message}")


class _Token(NamedTuple):
    kind: str
    text: str
    at: int
    loops: int
    """How many loops it stands in."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One mention of a variable: ``upstream.id_token`` and the member named after it, if one is."""

    name: str
    member: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What an expression reads, and how deep its loops go."""

    reads: Mapping[str, frozenset[str] | None]
    """Variable → the members that are read of it; None for all of it."""
    degree: int
    splits: bool
    """Whether a text may become a list in a loop, so that each character of it counts."""
    growth: int
    """How many times as long as all that is read a text or a list may get on the way."""
    patterns: tuple[tuple[str, Mapping[str, int]], ...]
    """The texts in quotes that are patterns, and the place of each."""


def see_through(text: object) -> Seen:
    """What ``text`` says.

    Raises:
        ExpressionError: something that is not evaluated here.
    """
    if not isinstance(text, str) or not text.strip():
        raise ExpressionError('an expression in CEL, such as upstream.id_token.groups.filter(g, g != "x")')
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH} characters")
    tokens = list(_tokens(text))
    _check_calls(text, tokens)
    if sum(token.text == "+" for token in tokens) > MAX_JOINS:
        raise ExpressionError(f"more than {MAX_JOINS} times +")
    reads: dict[str, frozenset[str] | None] = {}
    degree = 0
    for token, read in _mentions(tokens):
        into_document = read is not None and token.loops > 0 and is_document(read.name)
        here = token.loops + into_document
        if here > MAX_DEGREE:
            raise ExpressionError("loops within loops go too deep here", **_place(text, token.at))
        degree = max(degree, here)
        if read is not None:
            before = reads.get(read.name, frozenset())
            whole = before is None or read.member is None
            reads[read.name] = None if whole else (before or frozenset()) | {read.member or ""}
    return Seen(
        reads,
        degree,
        splits=degree > 0 and any(token.text == "split" for token in tokens),
        growth=_growth(tokens),
        patterns=tuple(_patterns(text, tokens)),
    )


def _tokens(text: str) -> Iterator[_Token]:
    open_brackets: list[bool] = []
    before: list[str] = ["", ""]
    for match in _TOKEN.finditer(text):
        kind, written = match.lastgroup or "sign", match[0]
        if kind == "blank":
            continue
        if written in {")", "]", "}"} and open_brackets:
            open_brackets.pop()
        yield _Token(kind, written, match.start(), sum(open_brackets))
        if kind == "sign" and written in {"(", "[", "{"}:
            open_brackets.append(written == "(" and before[1] in LOOPS and before[0] == ".")
        before = [before[1], written]


def _place(text: str, at: int) -> dict[str, int]:
    return {"line": text.count("\n", 0, at) + 1, "column": at - text.rfind("\n", 0, at)}


def _check_calls(text: str, tokens: list[_Token]) -> None:
    loops = 0
    for index, token in enumerate(tokens[:-1]):
        following = tokens[index + 1].text
        if token.kind != "name" or following not in {"(", "{"} or token.text == "in":
            continue
        place = _place(text, token.at)
        if following == "{" or token.text not in FUNCTIONS:
            # A word that begins alike is meant before a short one that looks alike: `lowr` is not `or`.
            alike = sorted(name for name in FUNCTIONS if name.startswith(token.text[:3]))
            close = get_close_matches(token.text, alike, n=1, cutoff=0.5) or get_close_matches(
                token.text, FUNCTIONS, n=1
            )
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ExpressionError(f"{token.text} is no function here{hint}", **place)
        loops += token.text in LOOPS and index > 0 and tokens[index - 1].text == "."
        if loops > MAX_LOOPS:
            raise ExpressionError(f"more than {MAX_LOOPS} loops", **place)
        counts = LITERAL.get(token.text)
        if counts and not any(_literal_arguments(tokens[index + 2 :], count) for count in counts):
            raise ExpressionError(f"{token.text} takes texts in quotes", **place)
        if token.text == "matches" and tokens[index - 1].text != ".":
            raise ExpressionError("matches stands after a text and a dot", **place)


def _literal_arguments(tokens: list[_Token], count: int) -> bool:
    wanted = [*(["text", ","] * count)[:-1], ")"]
    found = [token.kind if token.kind == "text" else token.text for token in tokens[: len(wanted)]]
    return found == wanted


# ── What may become of a text ─────────────────────────────────────────────────────────────────


def _growth(tokens: list[_Token]) -> int:
    """How many times as long as what it reads a text or a list may get.

    Raises:
        ExpressionError: longer than any claim could want.
    """
    growth, inside = 1, 0
    for index, token in enumerate(tokens[:-1]):
        if token.kind != "name" or tokens[index + 1].text != "(" or not index:
            continue
        if token.text in BODIES:
            joins = _puts_together(tokens[index + 1 :])
            inside, growth = inside + joins, growth * (1 + joins)
        elif token.text == "replace" and len(tokens) > index + 4:
            growth *= _replaced(tokens[index + 2].text, tokens[index + 4].text)
        elif token.text == "join":
            growth *= 1 + _longest(tokens[index + 2].text)
    if growth > MAX_GROWTH:
        raise ExpressionError(f"may make a text more than {MAX_GROWTH} times as long")
    outside = sum(token.text == "+" for token in tokens) - inside
    return growth * (1 + max(0, outside))


def _puts_together(tokens: list[_Token]) -> int:
    """How often ``+`` or a comma joins values in the body of a call, whose bracket comes first."""
    depth = joins = 0
    for token in tokens:
        depth += (token.text in {"(", "[", "{"}) - (token.text in {")", "]", "}"})
        if depth == 0:
            break
        joins += token.kind == "sign" and token.text in {"+", ","}
    return max(0, joins - 1)  # the comma after the name of the variable


def _replaced(old: str, new: str) -> int:
    least = len(_body(old)) if "\\" not in old else 1
    return -(-_longest(new) // least) or 1 if least else 1 + _longest(new)


def _longest(literal: str) -> int:
    """As many characters as a text in quotes may have; an escape is never shorter than what it stands for."""
    return len(_body(literal)) if literal != ")" else 0


def _body(literal: str) -> str:
    text = literal.lstrip("rRbB")
    quotes = 3 if text[:3] in {'"""', "'''"} else 1
    return text[quotes:-quotes]


_REPEAT = re.compile(r"(\)?)\{(\d{1,4})(?:,(\d{0,4}))?\}")


def states(pattern: str) -> int:
    """About how many states a pattern has; each character of a text may be held against all of them."""
    times, more = 1, 0
    for group, low, high in _REPEAT.findall(pattern):
        most = max(int(low), int(high or 0))
        if group:
            times *= max(1, most)
        else:
            more += most
    return (len(pattern) + more) * times


# ── What is read ──────────────────────────────────────────────────────────────────────────────


def _mentions(tokens: list[_Token]) -> Iterator[tuple[_Token, _Read | None]]:
    """Each token, and which variable it begins."""
    for index, token in enumerate(tokens):
        read = None
        parts = tokens[index : index + 3]
        begins = token.kind == "name" and token.text in FACTS and len(parts) == 3  # noqa: PLR2004
        if begins and parts[1].text == "." and (index == 0 or tokens[index - 1].text != "."):
            name = f"{token.text}.{parts[2].text}"
            if is_document(name):
                read = _Read(name, _member(tokens[index + 3 : index + 8]))
            elif parts[2].text in FACTS[token.text]:
                read = _Read(name, None)
        yield token, read


def is_document(name: str) -> bool:
    """Whether a variable is what an upstream said, and not a fact."""
    first, _, second = name.partition(".")
    return first == "upstream" and second in DOCUMENT_NAMES


def _member(after: list[_Token]) -> str | None:
    """The member that ``.name``, ``.?name``, ``["name"]`` or ``[?"name"]`` takes; None for anything else."""
    words = [token.text for token in after]
    opening = words[0] if words else ""
    if opening not in {".", "["}:
        return None
    at = 2 if words[1:2] == ["?"] else 1
    named = after[at] if len(after) > at else None
    following = words[at + 1 : at + 2]
    if named is None:
        return None
    if opening == ".":
        return named.text if named.kind == "name" and following != ["("] else None
    plain = named.kind == "text" and re.fullmatch(r'"[^"\\]+"|\'[^\'\\]+\'', named.text)
    return named.text[1:-1] if plain and following == ["]"] else None


def _patterns(text: str, tokens: list[_Token]) -> Iterator[tuple[str, Mapping[str, int]]]:
    for index, token in enumerate(tokens):
        if token.text == "matches":
            pattern = tokens[index + 2]
            if states(pattern.text) > MAX_PATTERN:
                raise ExpressionError("the pattern repeats too much", **_place(text, pattern.at))
            yield pattern.text, _place(text, pattern.at)
