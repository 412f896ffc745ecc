"""The pages of what is proven: each attack and each rule of a standard, with the tests that show it.

    .venv/bin/python -m tests.proven            writes docs/attacks.md and docs/standards.md

Read from the marks ``row(id)`` and ``standard(name, rule)`` as they stand in the source, and from
``build/results.json``, which ``make test`` leaves. What it does not know stays as the page has it.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent
ROOT = TESTS.parent
RESULTS = ROOT / "build" / "results.json"
CATALOGUE = TESTS / "data" / "attacks.tsv"
ATTACKS, STANDARDS = ROOT / "docs" / "attacks.md", ROOT / "docs" / "standards.md"
_MARKS = {"row": 1, "standard": 2}
_NEVER = "not run"

ATTACKS_HEAD = """# Attacks, and the tests that show that they fail

What a hostile browser, client app, identity provider or network may do to the broker, which test does it, and
what became of that test when it ran last. Written by `.venv/bin/python -m tests.proven`.
"""
STANDARDS_HEAD = """# Standards, and the tests that show that they are kept

Each rule is one that a test names, with what became of that test when it ran last. Written by
`.venv/bin/python -m tests.proven`.
"""


@dataclass(frozen=True, order=True)
class Mark:
    """One mark of one test."""

    kind: str
    said: tuple[str, ...]
    test: str


@dataclass(frozen=True)
class Attack:
    """One row of the catalogue."""

    section: str
    id: str
    priority: str
    words: str


def catalogue() -> list[Attack]:
    """Every attack that is known, in order."""
    lines = CATALOGUE.read_text(encoding="utf-8").splitlines()
    return [Attack(*line.split("\t")) for line in lines if not line.startswith("#")]


def files() -> Iterator[Path]:
    """Where tests are written: ours, and the kit's."""
    yield from sorted(TESTS.glob("*.py"))
    yield from sorted(path for path in TESTS.glob("*/*.py"))
    yield from sorted((ROOT / "broker" / "kit").glob("*.py"))


@cache
def marks() -> list[Mark]:
    """Every mark there is, each test once."""
    return sorted({mark for path in files() for mark in _of_file(path)})


def _of_file(path: Path) -> Iterator[Mark]:
    text = path.read_text(encoding="utf-8")
    if not any(f"mark.{kind}" in text for kind in _MARKS):
        return
    tree, where = ast.parse(text), path.relative_to(ROOT).as_posix()
    named = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    everywhere = [named["pytestmark"]] if "pytestmark" in named else []
    yield from _within(tree, where, everywhere, named)


def _within(
    node: ast.AST, where: str, above: list[ast.expr], named: Mapping[str, ast.expr]
) -> Iterator[Mark]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            own = [
                n.value for n in child.body if isinstance(n, ast.Assign) and "pytestmark" in ast.unparse(n)
            ]
            yield from _within(child, f"{where}::{child.name}", [*above, *child.decorator_list, *own], named)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and child.name.startswith("test_"):
            for expression in (*above, *child.decorator_list):
                yield from _said(expression, f"{where}::{child.name}", named)


def _said(expression: ast.expr, test: str, named: Mapping[str, ast.expr]) -> Iterator[Mark]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Name) and node.id in named and node.id != "pytestmark":
            if "pytest.mark." in ast.unparse(named[node.id]):
                yield from _said(named[node.id], test, {})
        elif isinstance(node, ast.Call):
            called = named.get(node.func.id) if isinstance(node.func, ast.Name) else node.func
            kind = ast.unparse(called).removeprefix("pytest.mark.") if called is not None else ""
            if kind in _MARKS:
                yield Mark(kind, _texts(node, kind, test), test)


def _texts(call: ast.Call, kind: str, test: str) -> tuple[str, ...]:
    """What a mark says, in plain text that can be read without running anything."""
    said = tuple(
        node.value for node in call.args if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    if len(said) != len(call.args) or not said or len(said) > _MARKS[kind]:
        raise ValueError(f"{test}: say it in plain text: {ast.unparse(call)}")
    return (*said, *[""] * (_MARKS[kind] - len(said)))


# ── What became of them ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Run:
    """The last whole run, or what a page says of it."""

    head: str
    outcomes: Mapping[str, str]

    def of(self, tests: list[str]) -> str:
        """What became of several tests together."""
        found = [self.outcomes.get(test, _NEVER) for test in tests]
        for worst in ("failed", "skipped"):
            if worst in found:
                return f"**{worst}**"
        if not found or all(one == _NEVER for one in found):
            return _NEVER
        return "passed" if _NEVER not in found else f"passed, {found.count(_NEVER)} not run"


def last_run() -> Run:
    """As the last runs left it: what one did not run stays as it was before."""
    said: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    outcomes: dict[str, str] = said["tests"]
    counted = {word: list(outcomes.values()).count(word) for word in ("passed", "failed", "skipped")}
    told = ", ".join(f"{count} {word}" for word, count in counted.items() if count)
    head = f"Last run: {said['at']}, at commit {said['commit']}. Of all tests that have run, {told}."
    return Run(head, outcomes)


def without_results(page: str) -> str:
    """A page without what changes from run to run: the last column, and when the run was."""
    kept = [line for line in page.splitlines() if not line.startswith("Last run:")]
    return "\n".join(re.sub(r" [^|]* \|$", " |", line) if line.startswith("| ") else line for line in kept)


# ── The pages ─────────────────────────────────────────────────────────────────────────────────


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _listed(tests: list[str]) -> str:
    return "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests)


def attacks(run: Run) -> str:
    """Row → tests → last result."""
    by_row: dict[str, list[str]] = defaultdict(list)
    for mark in marks():
        if mark.kind == "row":
            by_row[mark.said[0]].append(mark.test)
    known = catalogue()
    proven = sum(1 for attack in known if attack.id in by_row)
    lines = [
        ATTACKS_HEAD,
        run.head,
        "",
        f"Of {len(known)} attacks in the catalogue, {proven} are named by a test.",
    ]
    section = ""
    for attack in known:
        if attack.section != section:
            section = attack.section
            lines += [
                "",
                f"## {section}",
                "",
                "| id | | attack | test | last result |",
                "|---|---|---|---|---|",
            ]
        tests = by_row.get(attack.id, [])
        result = run.of(tests) if tests else "–"
        words = _cell(attack.words)
        lines.append(f"| {attack.id} | {attack.priority} | {words} | {_listed(tests) or '–'} | {result} |")
    return "\n".join(lines) + "\n"


def standards(run: Run) -> str:
    """Standard → rule → tests → last result."""
    by_rule: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for mark in marks():
        if mark.kind == "standard":
            by_rule[mark.said[0]][mark.said[1]].append(mark.test)
    lines = [STANDARDS_HEAD, run.head, "", "| standard | rules | tests |", "|---|---|---|"]
    for name in sorted(by_rule, key=_by_number):
        tests = {test for found in by_rule[name].values() for test in found}
        anchor = re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-")
        lines.append(f"| [{name}](#{anchor}) | {len(by_rule[name])} | {len(tests)} |")
    for name in sorted(by_rule, key=_by_number):
        lines += ["", f"## {name}", "", "| rule | test | last result |", "|---|---|---|"]
        for rule in sorted(by_rule[name], key=_by_number):
            tests = sorted(set(by_rule[name][rule]))
            lines.append(f"| {_cell(rule) or '–'} | {_listed(tests)} | {run.of(tests)} |")
    return "\n".join(lines) + "\n"


def _by_number(text: str) -> list[tuple[int, str]]:
    """§10 comes after §9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def told(page: Path) -> Run:
    """What a page says of the last run, where the run itself is not at hand."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    head = next((line for line in text.splitlines() if line.startswith("Last run:")), "Last run: none yet.")
    outcomes: dict[str, str] = {}
    for line in text.splitlines():
        result = line.rstrip(" |").rpartition("| ")[2].strip("*")
        for test in re.findall(r"`([^`|]+\.py::[^`|]+)`", line):
            whole = test if test.startswith("broker/") else f"tests/{test}"
            outcomes[whole] = result if result in ("passed", "failed", "skipped") else _NEVER
    return Run(head, outcomes)


def known(page: Path) -> Run:
    """The last runs, and what the page says of tests that they know nothing of."""
    before = told(page)
    if not RESULTS.exists():
        return before
    run = last_run()
    return Run(run.head, {**before.outcomes, **run.outcomes})


if __name__ == "__main__":
    ATTACKS.write_text(attacks(known(ATTACKS)), encoding="utf-8")
    STANDARDS.write_text(standards(known(STANDARDS)), encoding="utf-8")
