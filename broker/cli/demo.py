"""``broker demo``: a whole login on this machine, with everybody in it. What happens is in `broker.demo`."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from broker.cli.operator import OperatorError, command
from broker.demo.folder import DemoError, Folder, Ports
from broker.demo.launcher import run as run_demo

_LAST_PORT = 65533  # two more follow


def register(commands: Any) -> None:
    """``demo [--port PORT] [--state DIR]``."""
    parser = command(commands, "demo", run)
    parser.add_argument("--port", type=_port, help="the port of the apps; the two after it are used too")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="keep keys, consents and logs in this folder"
    )


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {_LAST_PORT}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Run it until somebody stops it; being stopped is how it ends well."""
    folder = Folder(options.state.absolute()) if options.state else Folder.usual()
    try:
        with folder.ours():
            ports = Ports.choose(options.port)
            folder.furnish(ports)
            asyncio.run(run_demo(folder, ports))
    except DemoError as error:
        raise OperatorError(str(error)) from error
    return 0
