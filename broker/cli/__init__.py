"""The command ``broker``: which commands there are, and how each of them ends.

Owns the table of commands and the exit codes: 0 done, 1 the operator's mistake (a plain line each, on
standard error), 2 wrong usage. Nothing but the answer goes to standard output.

A command is a module of this package, imported only when it is called. Its ``register(commands)`` adds
its parser and sets ``run``, a function from the options to the exit code, which raises `OperatorError`
for a mistake.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module, metadata
from types import ModuleType

from broker.cli.operator import OperatorError

__all__ = ["COMMANDS", "OperatorError", "run"]

COMMANDS: Mapping[str, str] = {
    "demo": "start a demo provider, the broker, two demo apps and an API, and print one URL",
    "init": "write a commented broker.yaml, a claims map and a first client app",
    "serve": "serve",
    "check": "tell everything that is wrong with a configuration",
    "schema": "print the JSON Schema of the configuration, for editors",
    "metadata": "print the discovery document without serving",
    "keys": "list, rotate and retire signing keys",
    "connectors": "list, add and probe the upstreams that people sign in at",
    "clients": "list and add apps, and remove those that registered themselves",
    "users": "add, list, disable and enable the people of an identity pool; their passwords and codes",
    "explain": "tell where each claim of a login came from, and what was decided",
    "consents": "list and withdraw what a person allowed",
    "sessions": "list and end the sessions of a person",
    "outbox": "list, retry and drop what client apps are still to be told",
}

DONE, MISTAKE, USAGE = 0, 1, 2
_INTERRUPTED = 130  # what a shell says of SIGINT


def run(arguments: Sequence[str]) -> int:
    """Run one command; the answer is the exit code."""
    name = next((word for word in arguments if not word.startswith("-")), None)
    parser = _parser(name if name in COMMANDS else None)
    try:
        options = parser.parse_args(arguments)
        code: int = options.run(options)
        sys.stdout.flush()
    except OperatorError as error:
        for line in error.lines:
            print(f"broker: {line}" if error.ours else line, file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read the answer has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    return code


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser for the command that was typed; the others are only named."""
    parser = argparse.ArgumentParser(
        prog="broker",
        description="An OpenID Provider in front of your identity providers.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"broker {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, words in COMMANDS.items():
        if name == chosen:
            _imported(f"broker.cli.{name}").register(commands)
        else:
            commands.add_parser(name, help=words)
    return parser


def _imported(module: str) -> ModuleType:
    """A module, without a look for garbage in between: what an import makes stays."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        return import_module(module)
    finally:
        if was_on:
            gc.enable()


def _version() -> str:
    try:
        return metadata.version("federation-broker")
    except metadata.PackageNotFoundError:
        return "of a checkout"
