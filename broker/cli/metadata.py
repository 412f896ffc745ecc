"""``broker metadata``: the discovery document as the running broker would answer it."""

from __future__ import annotations

import argparse
from typing import Any

from broker.cli.operator import answer, command, config_argument, json_argument, load_config
from broker.protocol.metadata import openid_document


def register(commands: Any) -> None:
    """``metadata --config FILE``."""
    parser = command(commands, "metadata", run)
    config_argument(parser)
    json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    config = load_config(options)
    answer(openid_document(config.offer))
    return 0
