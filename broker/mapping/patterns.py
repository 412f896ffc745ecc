"""Regular expressions an operator may write, kept to those whose cost is bounded.

Owns what ``keep`` accepts. The pattern comes from trusted configuration, but it runs against strings that an
upstream sends, so a pattern that backtracks without end would let one person stop a worker. Python's engine
has no limit of its own; therefore the language is cut at load: literals, classes, groups, alternatives and
repeats, where a repeat holds neither another repeat nor an alternative, and all repeats together can split
an entry in at most ``MAX_WAYS`` ways. Entries have at most ``MAX_ENTRY`` characters, so every match ends.
"""

from __future__ import annotations

import re
import warnings

MAX_ENTRY = 256
"""Characters; an entry that is longer matches nothing."""
MAX_PATTERN = 512
MAX_WAYS = MAX_ENTRY * MAX_ENTRY
"""Two open repeats in a row, such as ``acme-.+-.+``."""

_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_QUANTIFIER = re.compile(r"(?:([*+?])|\{(\d*)(,?)(\d*)\})([?+]?)")
_FORBIDDEN_ESCAPES = frozenset("0123456789AZbBgNk")


class PatternError(ValueError):
    """The text is not a pattern, or not one that we run."""


def compile_pattern(text: object) -> re.Pattern[str]:
    """The compiled pattern; match it with ``fullmatch``.

    Raises:
        PatternError: not a regular expression, or one whose cost is not bounded.
    """
    if not isinstance(text, str) or not text:
        raise PatternError("a regular expression is a text")
    if len(text) > MAX_PATTERN:
        raise PatternError(f"a pattern has at most {MAX_PATTERN} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what `re` finds ambiguous is a mistake here
            pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise PatternError(f"not a regular expression: {error}") from None
    scanner = _Scanner(text)
    if scanner.alternatives() > MAX_WAYS:
        raise PatternError("too many repeats: at most two of * and + may follow one another")
    return pattern


class _Scanner:
    """Walks a pattern that ``re`` has accepted and counts in how many ways it can split an entry."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._choices = 0
        """Repeats and alternatives seen so far; a repeat around any of them is refused."""

    def alternatives(self) -> int:
        """The ways of ``a|b|c`` up to the end or a closing bracket: their sum."""
        ways = self._sequence()
        while self._peek() == "|":
            self._at += 1
            self._choices += 1
            ways += self._sequence()
        return ways

    def _sequence(self) -> int:
        ways = 1
        while self._peek() not in {"", "|", ")"}:
            before = self._choices
            ways *= self._atom() * self._repeat(holds_choices=self._choices != before)
        return ways

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _atom(self) -> int:
        character = self._peek()
        if character == "(":
            return self._group()
        if character == "[":
            match = _CLASS.match(self._text, self._at)
            if match is None:
                raise PatternError("a character class is not closed")
            self._at = match.end()
            return 1
        if character == "\\":
            if self._text[self._at + 1 : self._at + 2] in _FORBIDDEN_ESCAPES:
                raise PatternError("back references and anchors are not supported here")
            self._at += 2
            return 1
        if character in "^$":
            raise PatternError("the whole entry is matched; ^ and $ are not needed")
        self._at += 1
        return 1

    def _group(self) -> int:
        self._at += 1
        if self._peek() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise PatternError("of the (?…) groups only (?:…) is supported here")
            self._at += 2
        ways = self.alternatives()
        self._at += 1  # its closing bracket, which `re` has seen
        return ways

    def _repeat(self, *, holds_choices: bool) -> int:
        match = _QUANTIFIER.match(self._text, self._at)
        if match is None or match[0] == "{}":
            return 1
        self._at = match.end()
        low, high = _bounds(match)
        if high > 1 and holds_choices:
            raise PatternError("a repeat around another repeat or an alternative can take for ever")
        self._choices += 1
        return high - low + 1


def _bounds(match: re.Match[str]) -> tuple[int, int]:
    sign, low, comma, high, _ = match.groups()
    if sign:
        return {"*": (0, MAX_ENTRY - 1), "+": (1, MAX_ENTRY), "?": (0, 1)}[sign]
    least = min(int(low or 0), MAX_ENTRY)
    if not comma:
        return least, least
    return least, max(least, min(int(high), MAX_ENTRY) if high else MAX_ENTRY)
