"""Reading the files under deploy/ in the small part of their languages that they use."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile: its word, and the rest as it stands."""

    word: str
    rest: str

    @property
    def command(self) -> list[str]:
        """The words of an instruction that needs no shell.

        Raises:
            ValueError: it is not written as a JSON list, so a shell would read it.
        """
        return list(json.loads(self.rest))


def stages() -> list[list[Instruction]]:
    """The Dockerfile's stages, each from its FROM on."""
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\\n\s*", " ", text)
    found: list[list[Instruction]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append(Instruction(word, rest.strip()))
    return found


def swap(text: str, swaps: dict[str, str]) -> str:
    """The text with every key replaced by its value.

    Raises:
        LookupError: a key is not in the text, so a test would check something else than it says.
    """
    for old, new in swaps.items():
        if old not in text:
            raise LookupError(f"{old!r} is not in the file any more")
        text = text.replace(old, new)
    return text
