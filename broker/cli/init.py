"""``broker init``: a folder with everything a first broker needs, ready to serve.

Owns what is written there. Secrets are made here, each in a file of its own that only its owner can read;
nothing that exists is ever overwritten.
"""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from broker.cli.operator import OperatorError, answer, command, json_argument

_CLIENT = "first-app"
_SECRET, _READABLE = 0o600, 0o644
_NOT_FOR_GIT = "*\n"


def register(commands: Any) -> None:
    """``init [DIR]``."""
    parser = command(commands, "init", run)
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", type=Path, default=Path("broker"), help="(default: broker)"
    )
    json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Write the files, and say what to do next."""
    written = furnish(options.folder)
    config = options.folder / "broker.yaml"
    if options.json:
        answer({"written": [str(path) for path in written], "client_id": _CLIENT})
        return 0
    for path in written:
        print(path)
    print(f"\nName your identity provider in {config}, then:\n")
    print(f"  broker check {config}\n  broker serve --config {config}")
    return 0


def furnish(folder: Path) -> list[Path]:
    """Write all of it into ``folder``.

    Raises:
        OperatorError: one of the files exists, or the folder cannot be written.
    """
    plan = _plan()
    there = [folder / name for name in plan if os.path.lexists(folder / name)]
    if there:
        raise OperatorError(*(f"{path} exists and is not overwritten" for path in there))
    try:
        for name, (text, mode) in plan.items():
            _write(folder / name, text, mode)
    except OSError as error:
        raise OperatorError(f"{error.filename or folder}: {error.strerror}") from error
    return [folder / name for name in plan]


def _plan() -> Mapping[str, tuple[str, int]]:
    """Every file with its text and its mode."""
    texts = files("broker.cli") / "starter"
    starter = Template((texts / "broker.yaml.template").read_text(encoding="utf-8"))
    claims = (texts / "claims.yaml").read_text(encoding="utf-8")
    return {
        "broker.yaml": (starter.substitute(client=_CLIENT), _READABLE),
        "claims/staff.yaml": (claims, _READABLE),
        f"secrets/{_CLIENT}": (f"{secrets.token_urlsafe(32)}\n", _SECRET),
        "secrets/staff": ("put what your identity provider gave you here\n", _SECRET),
        "secrets/subject-key": (f"{secrets.token_urlsafe(32)}\n", _SECRET),
        "secrets/.gitignore": (_NOT_FOR_GIT, _SECRET),
        "state/.gitignore": (_NOT_FOR_GIT, _SECRET),
    }


def _write(path: Path, text: str, mode: int) -> None:
    # A folder of secrets is nobody else's to look into.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if mode == _SECRET else 0o755)
    # O_EXCL: even in a race nothing is overwritten, and no link is followed.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
