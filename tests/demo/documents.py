"""The fenced blocks of our documents, so that none of them shows what does not work."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.certificates import made

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PIECE = {"listen": "127.0.0.1:8080", "state_dir": "state"}


@dataclass(frozen=True)
class Block:
    """One fenced block, and where it stands."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def lines(self) -> list[str]:
        """Its lines, as a shell reads them: one that ends with a backslash goes on in the next."""
        return self.text.replace("\\\n", " ").splitlines()


def blocks(language: str) -> list[Block]:
    """Every block in that language, in README.md and docs/."""
    found = []
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text("utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(str(path.relative_to(ROOT)), line, match[1], match[2]))
    return [block for block in found if block.language == language]


def environment(text: str) -> dict[str, str]:
    """A value for every ``${NAME}`` that the text wants."""
    return {name: f"value-of-{name}-{'x' * 32}" for name in re.findall(r"\$\{(\w+)\}", text)}


def furnish(folder: Path, text: str) -> None:
    """Every file that the text names, so that only the text itself can be wrong."""
    for name in re.findall(r"file:([\w./-]+)", text):
        _write(folder, name, "a secret of thirty-two and more characters")
    for name in re.findall(r"(?:logo|icon): ([\w./-]+)", text):
        _write(
            folder, name, '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1"/></svg>'
        )
    for name in re.findall(r"(?:certificate|key): ([\w./-]+\.pem)", text):
        _write(folder, name, "of no interest to who only reads the configuration")
    for name in re.findall(r"client_ca: ([\w./-]+\.pem)", text):
        _write(folder, name, made("clients", ca=True).pem)
    for name in re.findall(r"jwks: ([\w./-]+\.json)", text):
        _write(folder, name, json.dumps({"keys": [made("app").jwk()]}))
    for name in re.findall(r"claims: ([\w./-]+\.yaml)", text):
        _write(folder, name, "claims: { name: { from: [name] } }")


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def configuration(folder: Path, text: str) -> Path:
    """The text as a configuration: whole, or a piece that is completed with what it leaves out."""
    whole: dict[str, Any] = yaml.safe_load(text)
    furnish(folder, text)
    written = folder / "block.yaml"
    written.write_text(text.replace("file:/", f"file:{folder}/"))
    if "issuer" in whole:
        return written
    rest: dict[str, Any] = {"issuer": "https://login.acme.example", **_PIECE, "include": ["block.yaml"]}
    if "connectors" not in whole:
        rest["connectors"] = {
            "staff": {
                "type": "oidc",
                "name": "Staff",
                "issuer": "https://idp.example",
                "client_id": "b",
                "client_secret": "s",
            }
        }
    around = folder / "broker.yaml"
    around.write_text(yaml.safe_dump({name: value for name, value in rest.items() if name not in whole}))
    return around
