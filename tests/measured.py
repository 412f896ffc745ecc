"""The measured table of the connectors: what is proven of each, against which server, by which test.

    .venv/bin/python -m tests.measured            writes docs/connectors/README.md

Read from the marks ``proves(connector, what, against)`` as they stand in the source of the tests, so nothing
has to be collected or installed. A mark that cannot be read so (its words made at run time) is a mistake.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from broker import kit

TESTS = Path(__file__).parent
ROOT = TESTS.parent
DOCS = ROOT / "docs" / "connectors"
PAGE = DOCS / "README.md"
OURS = "a fake of ours"
KITS = {"ConnectorKit": "the contract", "OAuth2Kit": "OAuth 2.0", "OpenIDKit": "OpenID Connect"}

INTRO = """# Connectors

One page each: what to click at the vendor, what to paste here, what is checked, and what cannot be done.
`broker connectors add TYPE` writes the entry and asks the upstream whether it works; `broker connectors
probe NAME` asks again.
[Write a connector](../write-a-connector.md) is for an upstream that is none of these.

"""
PROVEN = """
## What is proven

Written by the tests. Each connector passes the connector kit: a suite in which its upstream lies, breaks off,
redirects, drowns it or never answers. Beside that, what is the vendor's own is shown against a fake with that
vendor's documented behaviour and failures, and against servers that others wrote, where there are any.
"""


@dataclass(frozen=True, order=True)
class Proof:
    """One thing that one test shows of one connector."""

    connector: str
    against: str
    what: str
    test: str


@dataclass
class Source:
    """A file of tests, and the words that its marks may be made of."""

    path: Path
    values: dict[str, ast.expr] = field(default_factory=dict)
    """What is given a name at its top."""
    others: dict[str, Path] = field(default_factory=dict)
    """The files that it takes names from, by module name or by the name that is taken."""
    helpers: dict[str, tuple[list[str], ast.Call]] = field(default_factory=dict)
    """Functions that make a mark: their parameters, and the mark that they make of them."""

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()


def _is_mark(node: ast.AST) -> bool:
    return ast.unparse(node) == "pytest.mark.proves"


@cache
def read(path: Path) -> tuple[Source, ast.Module]:
    """A file, with what its marks may be made of."""
    source, tree = Source(path), ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            folder = ROOT / (node.module or "").replace(".", "/")
            for alias in node.names:
                module = folder / f"{alias.name}.py"
                source.others[alias.asname or alias.name] = (
                    module if module.exists() else folder.with_suffix(".py")
                )
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if _is_mark(node.value):  # another name for the mark itself
                source.helpers[node.targets[0].id] = ([], ast.Call(node.value, [], []))
            source.values[node.targets[0].id] = node.value
        elif isinstance(node, ast.FunctionDef):
            made = next((n.value for n in ast.walk(node) if isinstance(n, ast.Return)), None)
            if isinstance(made, ast.Call) and _is_mark(made.func):
                source.helpers[node.name] = ([a.arg for a in node.args.args], made)
    return source, tree


def _text(node: ast.AST, source: Source, told: Mapping[str, str]) -> str:
    """The text of one argument of a mark, as far as it can be read without running anything."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, source, told) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, source, told)
    if isinstance(node, ast.Name) and node.id in told:
        return told[node.id]
    if isinstance(node, ast.Name) and node.id in source.values:
        return _text(source.values[node.id], source, told)
    module = node.id if isinstance(node, ast.Name) else ast.unparse(getattr(node, "value", ast.Name("")))
    if isinstance(node, ast.Name | ast.Attribute) and module in source.others:
        other, name = (
            read(source.others[module])[0],
            node.attr if isinstance(node, ast.Attribute) else node.id,
        )
        if name in other.values:
            return _text(other.values[name], other, {})
    raise ValueError(
        f"{source.name}:{getattr(node, 'lineno', '?')}: say it in plain text: {ast.unparse(node)}"
    )


def _marks(node: ast.AST, source: Source) -> Iterator[tuple[str, str, str]]:
    """The marks in this expression: connector, what, against."""
    for call in ast.walk(node):
        if not isinstance(call, ast.Call):
            continue
        if _is_mark(call.func):
            yield _mark(call, source, {})
        elif isinstance(call.func, ast.Name) and call.func.id in source.helpers:
            parameters, made = source.helpers[call.func.id]
            if not parameters:  # another name for the mark itself
                yield _mark(call, source, {})
                continue
            said = [_text(argument, source, {}) for argument in call.args]
            yield _mark(made, source, dict(zip(parameters, said, strict=False)))


def _mark(call: ast.Call, source: Source, told: Mapping[str, str]) -> tuple[str, str, str]:
    names = ("connector", "what", "against")
    said = {name: _text(node, source, told) for name, node in zip(names, call.args, strict=False)}
    said |= {word.arg or "": _text(word.value, source, told) for word in call.keywords}
    return said["connector"], said["what"], said.get("against", OURS)


def _proofs_of(node: ast.AST, source: Source, within: str, marked: list[ast.AST]) -> Iterator[Proof]:
    """What the tests below this node prove; ``marked`` are the marks of what they stand in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and child.name.startswith("Test"):
            yield from _proofs_of(child, source, f"{within}::{child.name}", [*marked, *child.decorator_list])
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and child.name.startswith("test_"):
            for mark in (*marked, *child.decorator_list):
                for connector, what, against in _marks(mark, source):
                    yield Proof(connector, against, what, f"{within}::{child.name}")


def _kit_runs(tree: ast.Module, source: Source) -> Iterator[Proof]:
    """The runs of the connector kit in this file."""
    bases = {
        node.name: [ast.unparse(base) for base in node.bases]
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or not node.name.startswith("Test"):
            continue
        above = bases[node.name]
        kind = (
            next((base for base in (*above, *bases.get(above[0], [])) if base in KITS), None)
            if above
            else None
        )
        kept = re.search(r"""['"]type['"]: ['"]([a-z0-9_]+)['"]""", ast.unparse(node))
        if kind is not None and kept is not None:
            tests = [name for name in dir(getattr(kit, kind)) if name.startswith("test_")]
            what = f"the connector kit: {KITS[kind]}, {len(tests)} tests"
            against = re.search(r"""against: ClassVar = ['"](.+?)['"]""", ast.unparse(node))
            yield Proof(kept[1], against[1] if against else OURS, what, f"{source.name}::{node.name}")


def proofs() -> list[Proof]:
    """Everything that is proven, in order."""
    found: set[Proof] = set()
    for path in sorted(TESTS.glob("*/test_*.py")):
        source, tree = read(path)
        everywhere = [
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        ]
        found |= set(_proofs_of(tree, source, source.name, everywhere)) | set(_kit_runs(tree, source))
    return sorted(found, key=lambda proof: (proof.connector, proof.against == OURS, proof))


def installed() -> list[str]:
    """The kinds of upstream that there are."""
    return sorted(entry.name for entry in entry_points(group="federation_broker.connectors"))


def title(kind: str) -> tuple[str, str]:
    """The title of its page, and the first sentence."""
    page = DOCS / f"{kind}.md"
    if not page.exists():
        return kind, ""
    head, _, rest = page.read_text(encoding="utf-8").partition("\n")
    paragraph = " ".join(rest.strip().partition("\n\n")[0].split())
    return head.removeprefix("# ").strip(), re.split(r"(?<=[.!?]) ", paragraph)[0]


def page() -> str:
    """The whole page."""
    by_connector: dict[str, list[Proof]] = defaultdict(list)
    for proof in proofs():
        by_connector[proof.connector].append(proof)
    lines = ["| connector | `type` | what it is | proven against |", "|---|---|---|---|"]
    for kind in installed():
        name, sentence = title(kind)
        servers = sorted({proof.against for proof in by_connector[kind]} - {OURS}, key=str.lower)
        shown = ", ".join([*servers, OURS] if by_connector[kind] else servers) or "–"
        link = f"[{name}]({kind}.md)" if (DOCS / f"{kind}.md").exists() else name
        lines.append(f"| {link} | `{kind}` | {sentence} | {shown} |")
    lines += ["", PROVEN.strip("\n"), ""]
    for kind in [*installed(), *sorted(set(by_connector) - set(installed()))]:
        lines += [f"### {title(kind)[0]}", "", "| what | against | test |", "|---|---|---|"]
        for proof in by_connector[kind]:
            what = proof.what.replace("`", "").replace("|", "\\|")
            lines.append(f"| {what} | {proof.against} | `{proof.test.removeprefix('tests/')}` |")
        lines.append("")
    return INTRO + "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
