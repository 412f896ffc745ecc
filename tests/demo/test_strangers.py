"""The provider, the apps and the API of the demo are strangers to the broker: what they do can be copied."""

from __future__ import annotations

import ast
from pathlib import Path

import broker.demo

ROOM = Path(broker.demo.__file__).parent
HOSTS = {"launcher.py", "folder.py", "__init__.py"}


def test_strangers_know_nothing_of_the_broker() -> None:
    known = {
        f"{path.name}: {name}"
        for path in ROOM.glob("*.py")
        if path.name not in HOSTS
        for name in _imported(path)
        if name.partition(".")[0] in {"broker", "connectors"} and not name.startswith("broker.demo")
    }
    assert known == set()


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found
