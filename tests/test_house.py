"""The house keeps its shape: imports go down, each room knows only what it may, and nothing grows wild.

The floors, from the roof to the ground. A module imports its own floor and those below it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHIPPED = ("broker", "connectors")

FLOORS = {
    # the roof
    "broker.__main__": 3,
    "broker.cli": 3,
    "broker.demo": 3,
    "broker.app": 3,
    "broker.kit": 3,
    # the second floor
    "broker.endpoints": 2,
    "broker.logout": 2,
    "broker.pages": 2,
    "broker.services": 2,
    # the first floor
    "broker.store": 1,
    "broker.upstreams": 1,
    "broker.keys": 1,
    "broker.jose": 1,
    "broker.outbound": 1,
    "broker.config": 1,
    "broker.events": 1,
    "broker.domains": 1,
    "broker.clients": 1,
    # the ground
    "broker.protocol": 0,
    "broker.mapping": 0,
    "broker.connector": 0,
    "broker.record": 0,
    "broker.strictjson": 0,
}
CONNECTORS_KNOW = {"broker.connector", "connectors"}

# What only these rooms may know of the world outside.
KNOWN_ONLY_TO = {
    "redis": {"broker.store"},
    "hiredis": {"broker.store"},
    "joserfc": {"broker.jose", "broker.keys", "broker.demo", "broker.kit"},
    "jwcrypto": {"broker.jose", "broker.keys", "broker.demo"},
    "jinja2": {"broker.pages", "broker.demo"},
    "lxml": {"connectors.saml2"},
    "signxml": {"connectors.saml2"},
    "yaml": {"broker.config", "broker.cli", "broker.demo"},
    "cel_expr_python": {"broker.mapping.expressions"},
}
# XML Signature and Encryption are SAML's own, and work on keys and certificates themselves.
KNOW_XML_SIGNATURE = {"connectors.saml", "connectors.saml2"}
CLIENT_SIDE = {"ClientSession", "TCPConnector", "UnixConnector", "request"}
MAY_CALL_OUT = {"broker.outbound", "broker.demo", "broker.kit"}
PURE = {"broker.protocol", "broker.mapping", "broker.strictjson"}
# The standard library's ways to the clock, the dice and the world.
IMPURE = {
    "asyncio", "http", "io", "logging", "os", "pathlib", "random", "secrets", "select", "shutil",
    "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "urllib.request", "uuid",
}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One name that a module imports, and where."""

    by: str
    line: int
    target: str
    """The module meant, as far as it is one of ours; else the dotted name as written."""
    name: str
    """What is taken from it, or nothing."""
    for_types_only: bool
    at_start: bool
    """Whether it happens when the module is loaded, not when a function runs."""

    def __str__(self) -> str:
        return f"{self.by}:{self.line} imports {self.target}"


def files() -> Iterator[Path]:
    for package in SHIPPED:
        yield from sorted((ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, ast.Module]:
    return {name_of(path): ast.parse(path.read_text(), str(path)) for path in files()}


def below(module: str, room: str) -> bool:
    """Whether the module is the room or stands in it."""
    return module == room or module.startswith(room + ".")


def in_any(module: str, rooms: Iterable[str]) -> bool:
    return any(below(module, room) for room in rooms)


def floor_of(module: str) -> int | None:
    return next((floor for room, floor in FLOORS.items() if below(module, room)), None)


def _is_type_checking(node: ast.If) -> bool:
    return "TYPE_CHECKING" in ast.unparse(node.test)


def _statements(
    body: Iterable[ast.AST], *, typed: bool = False, start: bool = True
) -> Iterator[tuple[ast.AST, bool, bool]]:
    for node in body:
        yield node, typed, start
        runs_later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types = isinstance(node, ast.If) and _is_type_checking(node)
        yield from _statements(
            ast.iter_child_nodes(node), typed=typed or for_types, start=start and not runs_later
        )


def _base(module: str, node: ast.ImportFrom) -> str:
    """What the dots of a relative import stand for."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if module in packages() else module.split(".")[:-1]
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


@cache
def packages() -> frozenset[str]:
    return frozenset(name_of(path) for path in files() if path.name == "__init__.py")


def imports_of(module: str) -> Iterator[Import]:
    for node, typed, start in _statements(modules()[module].body):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, node.lineno, alias.name, "", typed, start)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                inner = whole in modules()
                yield Import(module, node.lineno, whole if inner else base, alias.name, typed, start)


@cache
def imports() -> tuple[Import, ...]:
    return tuple(one for module in modules() for one in imports_of(module))


def ours(one: Import) -> bool:
    return in_any(one.target, SHIPPED)


def told(found: Iterable[object]) -> str:
    return "\n".join(str(one) for one in found)


def test_every_module_has_its_floor():
    homeless = [m for m in modules() if below(m, "broker") and m != "broker" and floor_of(m) is None]
    assert not homeless, told(homeless)


def goes_up(by: str, target: str) -> bool:
    from_floor, to_floor = floor_of(by), floor_of(target)
    return from_floor is not None and to_floor is not None and from_floor < to_floor


def test_imports_go_down_and_never_up():
    wrong = [one for one in imports() if goes_up(one.by, one.target)]
    assert not wrong, told(wrong)


def test_an_arrow_up_would_be_seen():
    assert goes_up("broker.protocol.tokens", "broker.store.grants")
    assert goes_up("broker.config", "broker.services")
    assert goes_up("broker.endpoints.flow", "broker.app")
    assert not goes_up("broker.endpoints.flow", "broker.pages")
    assert not goes_up("broker.app", "broker.protocol.tokens")
    seen = {(one.by, one.target) for one in imports()}
    assert ("broker.protocol.authorize", "broker.protocol.scopes") in seen
    assert any(below(by, "broker.endpoints") and below(target, "broker.store") for by, target in seen)


def test_the_broker_imports_no_connector():
    wrong = [one for one in imports() if below(one.by, "broker") and below(one.target, "connectors")]
    assert not wrong, told(wrong)


def test_a_connector_knows_the_contract_and_other_connectors_and_nothing_else_of_the_broker():
    wrong = [
        one
        for one in imports()
        if below(one.by, "connectors") and ours(one) and not in_any(one.target, CONNECTORS_KNOW)
    ]
    assert not wrong, told(wrong)


def test_a_connector_speaks_http_and_jose_only_through_its_tools():
    unwanted = ("aiohttp", "redis", "joserfc", "jwcrypto", "httpx", "requests", "cryptography")
    wrong = [
        one
        for one in imports()
        if below(one.by, "connectors") and in_any(one.target, unwanted)
        if not (below(one.target, "cryptography") and in_any(one.by, KNOW_XML_SIGNATURE))
    ]
    assert not wrong, told(wrong)


def test_the_protocol_and_the_mapping_import_no_third_party():
    wrong = [
        one
        for one in imports()
        if in_any(one.by, PURE) and not ours(one) and one.target.split(".")[0] not in sys.stdlib_module_names
        # The one library that evaluates expressions, and only where a map has one.
        if one.at_start or not below(one.target, "cel_expr_python")
    ]
    assert not wrong, told(wrong)


def test_the_protocol_and_the_mapping_have_no_clock_no_dice_and_no_world():
    wrong = [one for one in imports() if in_any(one.by, PURE) and in_any(one.target, IMPURE)]
    called = [
        f"{module}:{node.lineno} calls {node.func.id}"
        for module, tree in modules().items()
        if in_any(module, PURE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if node.func.id in {"open", "print", "input", "eval", "exec", "__import__"}
    ]
    called += [
        f"{module}:{node.lineno} asks the clock"
        for module, tree in modules().items()
        if in_any(module, PURE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow"}
        if ast.unparse(node.value) in {"datetime", "date", "datetime.datetime", "datetime.date"}
    ]
    assert not wrong + called, told([*wrong, *called])


@pytest.mark.parametrize("library", KNOWN_ONLY_TO)
def test_a_library_is_known_only_to_the_rooms_that_own_it(library):
    rooms = KNOWN_ONLY_TO[library]
    wrong = [one for one in imports() if below(one.target, library) and not in_any(one.by, rooms)]
    assert not wrong, told(wrong)


def test_only_the_outbound_room_the_demo_and_the_kit_call_out():
    taken = [
        one
        for one in imports()
        if below(one.target, "aiohttp") and one.name in CLIENT_SIDE | {"client"}
        if not in_any(one.by, MAY_CALL_OUT)
    ]
    used = [
        f"{module}:{node.lineno} uses aiohttp.{node.attr}"
        for module, tree in modules().items()
        if not in_any(module, MAY_CALL_OUT)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in CLIENT_SIDE
        if isinstance(node.value, ast.Name) and node.value.id == "aiohttp"
    ]
    assert not taken + used, told([*taken, *used])


def _cycle(graph: dict[str, set[str]]) -> list[str]:
    """Some modules that import each other in a ring; empty when there are none."""
    done: set[str] = set()

    def follow(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in sorted(graph.get(module, ())):
            ring = follow(target, [*path, module])
            if ring:
                return ring
        done.add(module)
        return []

    return next((ring for module in sorted(graph) if (ring := follow(module, []))), [])


def test_no_modules_import_each_other_in_a_ring():
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for one in imports():
        if ours(one) and one.at_start and not one.for_types_only and one.target != one.by:
            graph[one.by].add(one.target)
    assert not _cycle(graph), " → ".join(_cycle(graph))


def test_a_ring_would_be_seen():
    assert _cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c", "a"]
    assert _cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


# ── size and manners ──────────────────────────────────────────────────────────────────────────

LONGEST_FILE, LONGEST_FUNCTION = 350, 45
UNFINISHED = ("TODO", "FIXME", "XXX", "NotImplementedError")


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_every_module_says_what_it_owns():
    silent = [name for name, tree in modules().items() if not ast.get_docstring(tree)]
    assert not silent, told(silent)


@pytest.mark.row("KY-13")
def test_chance_is_asked_of_the_system_alone_so_no_two_workers_share_it():
    wrong = [one for one in imports() if below(one.target, "random") or one.name in {"uuid1", "uuid4"}]
    assert not wrong, told(wrong)


SECRET = re.compile(
    r"BEGIN ([A-Z]+ )?PRIVATE KEY|\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{36}|\bxox[bp]-\w{10}"
)


@pytest.mark.row("SC-07")
def test_no_secret_lies_in_what_is_shipped():
    shipped = [
        path
        for folder in ("broker", "connectors", "config", "deploy", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert shipped
    texts = ((path, path.read_bytes().decode(errors="ignore")) for path in shipped)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}" for path, text in texts if (match := SECRET.search(text))
    ]
    assert not found, told(found)


@pytest.mark.row("SC-01")
def test_nothing_shipped_hangs_on_assert_which_python_may_leave_out():
    found = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    ]
    assert not found, told(found)


def test_no_function_is_longer_than_one_can_see():
    long = [
        f"{name}.{one.name}: {length} lines"
        for name, tree in modules().items()
        for one in functions(tree)
        if (length := (one.end_lineno or one.lineno) - one.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long, told(long)


def test_no_file_is_longer_than_one_likes_to_read():
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in files()
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    ]
    assert not long, told(long)


def test_nothing_shipped_is_unfinished():
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in files()
        for word in UNFINISHED
        if word in path.read_text()
    ]
    assert not found, told(found)


def test_no_exception_is_swallowed_whole():
    found = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        if node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
        if all(isinstance(one, ast.Pass | ast.Continue) for one in node.body)
    ]
    assert not found, told(found)


def test_every_package_can_be_imported_from_a_wheel():
    folders = {path.parent for path in files()}
    bare = [folder.relative_to(ROOT) for folder in folders if not (folder / "__init__.py").exists()]
    assert not bare, told(bare)
