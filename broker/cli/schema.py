"""``broker schema``: the configuration described, for editors (JSON Schema) or for people (Markdown)."""

from __future__ import annotations

import argparse
from typing import Any

from broker.cli.operator import answer, command


def register(commands: Any) -> None:
    """``schema [--markdown]``."""
    parser = command(commands, "schema", run)
    parser.add_argument("--markdown", action="store_true", help="the reference page instead")
    parser.add_argument("--json", action="store_true", help="JSON, which it is anyway")


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from broker.config.schema import json_schema, markdown  # noqa: PLC0415  (imports every connector)

    if options.markdown:
        print(markdown(), end="")
    else:
        answer(json_schema())
    return 0
